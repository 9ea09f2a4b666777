//! Complaints (投诉): about one lot, payment or event, from filing to close. None of them moves money, and none of them blocks any.
//! Who is complained about never deals with the complaint, and who complains is nobody that the log could name.

use super::ids::{
    ActorId, Code, ComplaintId, DocumentDigest, DocumentNumber, FundNumber, LotId, LotNumber, PayeeRef, PaymentId,
    Sequence, UnitId,
};
use super::numbered::numbered;

numbered! {
    /// How a complaint ended.
    ComplaintOutcome {
        /// It was right, and was put right.
        Upheld = 1, "UPHELD";
        /// There was nothing in it.
        Unfounded = 2, "UNFOUNDED";
        /// Handed on to discipline inspection or the courts.
        Referred = 3, "REFERRED";
        /// Withdrawn by who filed it.
        Withdrawn = 4, "WITHDRAWN";
    }
}

/// What a complaint is about; `L` is how a lot is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject<L> {
    /// A lot.
    Lot(L),
    /// A payment.
    Payment(PaymentId),
    /// An event.
    Event(Sequence),
}

/// A complaint, as it is filed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filing {
    /// Complaint.
    pub complaint_id: ComplaintId,
    /// What it complains of.
    pub kind: Code,
    /// What it is about.
    pub about: Subject<LotId>,
    /// Unit complained about, where it is named.
    pub unit_id: Option<UnitId>,
    /// Who complains, by a pseudonym that is not the one they are paid under.
    pub reporter: Option<PayeeRef>,
    /// The complaint's text.
    pub text_sha256: DocumentDigest,
}

/// A complaint on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// Complaint.
    pub complaint_id: ComplaintId,
    /// What it complains of.
    pub kind: Code,
    /// What it is about.
    pub about: Subject<LotNumber>,
    /// Fund of that; number 0 for none.
    pub fund: FundNumber,
    /// Unit complained about, where one is known.
    pub unit_id: Option<UnitId>,
    /// Who made and who approved what it is about, maker first.
    pub respondents: Vec<ActorId>,
    /// Who complains, by a pseudonym that is not the one they are paid under.
    pub reporter: Option<PayeeRef>,
    /// The complaint's text.
    pub text_sha256: DocumentDigest,
}

/// What became of a complaint; `F` is what is filed. What is asked for is what is recorded, but for what the filing adds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the messages in the schema, documented there")]
pub enum Complaint<F> {
    File(F),
    Accept { complaint_id: ComplaintId, unit_id: UnitId, first_handler: ActorId },
    Answer { complaint_id: ComplaintId, document_number: DocumentNumber, document_sha256: DocumentDigest },
    Close { complaint_id: ComplaintId, outcome: ComplaintOutcome },
}

/// What a command about a complaint asks for.
pub type ComplaintOrder = Complaint<Filing>;
/// What happened to a complaint.
pub type ComplaintEvent = Complaint<Filed>;

impl<F> Complaint<F> {
    /// Name of the command, as in the API.
    pub const fn command_name(&self) -> &'static str {
        match self {
            Self::File(_) => "file_complaint",
            Self::Accept { .. } => "accept_complaint",
            Self::Answer { .. } => "answer_complaint",
            Self::Close { .. } => "close_complaint",
        }
    }
}

impl ComplaintEvent {
    /// The complaint.
    pub const fn complaint_id(&self) -> &ComplaintId {
        match self {
            Self::File(Filed { complaint_id, .. })
            | Self::Accept { complaint_id, .. }
            | Self::Answer { complaint_id, .. }
            | Self::Close { complaint_id, .. } => complaint_id,
        }
    }
}

/// How far a complaint has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComplaintStage {
    /// Filed, 已登记.
    Filed,
    /// Accepted by who is to deal with it, 已受理.
    Accepted,
    /// Answered, 已答复.
    Answered,
    /// Closed, 已办结.
    Closed,
}

/// What is remembered of a complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComplaintState {
    /// How far it has got.
    pub stage: ComplaintStage,
    /// Fund of what it is about; number 0 for none.
    pub fund: FundNumber,
    /// Unit complained about.
    pub unit_id: Option<UnitId>,
    /// Who made and approved what it is about.
    pub respondents: Vec<ActorId>,
    /// Who answered it, each once.
    pub answered_by: Vec<ActorId>,
}
