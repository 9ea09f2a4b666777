//! Procurement and bidding, 政府采购与招投标: tenders, awards, contracts and what becomes of their prices; final accounts of projects.
//! None of it moves money; what is registered bounds what may be committed and paid.

use super::ids::{
    Code, ContractId, DocumentDigest, DocumentNumber, FundId, FundNumber, Ocid, PayeeRef, Sequence, TenderId, UnitId,
};
use super::money::{self, Amount};
use super::numbered::numbered;
use super::time::Day;

numbered! {
    /// How a contractor is found.
    ProcurementMethod {
        /// 公开招标.
        OpenTender = 1, "OPEN_TENDER";
        /// 邀请招标.
        InvitedTender = 2, "INVITED_TENDER";
        /// 竞争性谈判.
        CompetitiveNegotiation = 3, "COMPETITIVE_NEGOTIATION";
        /// 竞争性磋商.
        CompetitiveConsultation = 4, "COMPETITIVE_CONSULTATION";
        /// 询价.
        Inquiry = 5, "INQUIRY";
        /// 单一来源.
        SingleSource = 6, "SINGLE_SOURCE";
        /// 框架协议.
        Framework = 7, "FRAMEWORK";
    }
}

/// A tender; `F` is how its fund is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tender<F> {
    /// Tender.
    pub tender_id: TenderId,
    /// Fund.
    pub fund: F,
    /// Who buys.
    pub unit_id: UnitId,
    /// Project.
    pub project_id: Option<Code>,
    /// How the contractor is found.
    pub method: ProcurementMethod,
    /// The most that may be awarded.
    pub ceiling: Amount,
    /// Open Contracting ID.
    pub ocid: Option<Ocid>,
    /// Document it rests on.
    pub document_number: DocumentNumber,
    /// Its digest.
    pub document_sha256: DocumentDigest,
}

/// An award.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Award {
    /// Tender.
    pub tender_id: TenderId,
    /// Who won.
    pub supplier: PayeeRef,
    /// For how much.
    pub amount: Amount,
    /// Document it rests on.
    pub document_number: DocumentNumber,
    /// Its digest.
    pub document_sha256: DocumentDigest,
}

/// How it came to a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// It was awarded in a tender, which says how.
    Tender(TenderId),
    /// Without a tender of this ledger.
    Method(ProcurementMethod),
}

/// A contract, as it is registered; `F` is how its fund is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration<F> {
    /// Contract.
    pub contract_id: ContractId,
    /// Fund.
    pub fund: F,
    /// Who buys.
    pub unit_id: UnitId,
    /// Project.
    pub project_id: Option<Code>,
    /// How it came to it.
    pub basis: Basis,
    /// Open Contracting ID.
    pub ocid: Option<Ocid>,
    /// Contractor.
    pub supplier: PayeeRef,
    /// Price.
    pub amount: Amount,
    /// When it was signed.
    pub signed_on: Day,
    /// The contract itself.
    pub document_number: DocumentNumber,
    /// Its digest.
    pub document_sha256: DocumentDigest,
}

/// A change of a contract's price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// Contract.
    pub contract_id: ContractId,
    /// What is added, minor units; below 0 what is taken off; never 0.
    pub change_minor: i64,
    /// The supplementary contract.
    pub document_number: DocumentNumber,
    /// Its digest.
    pub document_sha256: DocumentDigest,
}

/// What is kept back of a final price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How much.
    pub amount: Amount,
    /// The day from which on it may be paid.
    pub until: Day,
}

/// A contract's settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Contract.
    pub contract_id: ContractId,
    /// Final price.
    pub amount: Amount,
    /// What is retained of it, 质量保证金.
    pub retention: Option<Retention>,
    /// Document it rests on.
    pub document_number: DocumentNumber,
    /// Its digest.
    pub document_sha256: DocumentDigest,
}

/// A project's final account; `F` is how its fund is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalAccount<F> {
    /// Project.
    pub project_id: Code,
    /// Fund.
    pub fund: F,
    /// What it cost.
    pub amount: Amount,
    /// Events by which the surplus went back.
    pub surplus: Vec<Sequence>,
    /// Document it rests on.
    pub document_number: DocumentNumber,
    /// Its digest.
    pub document_sha256: DocumentDigest,
}

/// An order or an event of procurement: what is asked for is what is recorded, but for the fund's name that becomes a number.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what its type says")]
pub enum Procurement<F> {
    Tender(Tender<F>),
    Award(Award),
    Registration(Registration<F>),
    Amendment(Amendment),
    Settlement(Settlement),
    FinalAccount(FinalAccount<F>),
}

/// What a command of procurement asks for.
pub type ProcurementOrder = Procurement<FundId>;
/// What happened in procurement.
pub type ProcurementEvent = Procurement<FundNumber>;

impl<F> Procurement<F> {
    /// Name of the command, as in the API.
    pub const fn command_name(&self) -> &'static str {
        match self {
            Self::Tender(_) => "open_tender",
            Self::Award(_) => "award_tender",
            Self::Registration(_) => "register_contract",
            Self::Amendment(_) => "amend_contract",
            Self::Settlement(_) => "settle_contract",
            Self::FinalAccount(_) => "approve_final_account",
        }
    }

    /// The amount it names, minor units.
    pub const fn amount_minor(&self) -> i64 {
        match self {
            Self::Tender(tender) => tender.ceiling.minor(),
            Self::Award(award) => award.amount.minor(),
            Self::Registration(registration) => registration.amount.minor(),
            Self::Amendment(amendment) => amendment.change_minor.saturating_abs(),
            Self::Settlement(settlement) => settlement.amount.minor(),
            Self::FinalAccount(account) => account.amount.minor(),
        }
    }

    /// The contract it is about.
    pub const fn contract_id(&self) -> Option<&ContractId> {
        match self {
            Self::Registration(registration) => Some(&registration.contract_id),
            Self::Amendment(amendment) => Some(&amendment.contract_id),
            Self::Settlement(settlement) => Some(&settlement.contract_id),
            Self::Tender(_) | Self::Award(_) | Self::FinalAccount(_) => None,
        }
    }

    /// The project it is about.
    pub const fn project_id(&self) -> Option<&Code> {
        match self {
            Self::Tender(tender) => tender.project_id.as_ref(),
            Self::Registration(registration) => registration.project_id.as_ref(),
            Self::FinalAccount(account) => Some(&account.project_id),
            Self::Award(_) | Self::Amendment(_) | Self::Settlement(_) => None,
        }
    }

    /// The tender it is about, by which its events are found again.
    pub const fn tender_id(&self) -> Option<&TenderId> {
        match self {
            Self::Tender(tender) => Some(&tender.tender_id),
            Self::Award(award) => Some(&award.tender_id),
            Self::Registration(registration) => match &registration.basis {
                Basis::Tender(tender_id) => Some(tender_id),
                Basis::Method(_) => None,
            },
            Self::Amendment(_) | Self::Settlement(_) | Self::FinalAccount(_) => None,
        }
    }

    /// Who gets a contract by it.
    pub const fn supplier(&self) -> Option<PayeeRef> {
        match self {
            Self::Award(award) => Some(award.supplier),
            Self::Registration(registration) => Some(registration.supplier),
            Self::Tender(_) | Self::Amendment(_) | Self::Settlement(_) | Self::FinalAccount(_) => None,
        }
    }

    /// The document it rests on.
    pub const fn document_number(&self) -> &DocumentNumber {
        match self {
            Self::Tender(tender) => &tender.document_number,
            Self::Award(award) => &award.document_number,
            Self::Registration(registration) => &registration.document_number,
            Self::Amendment(amendment) => &amendment.document_number,
            Self::Settlement(settlement) => &settlement.document_number,
            Self::FinalAccount(account) => &account.document_number,
        }
    }
}

/// What the rules remember of a tender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenderRow {
    /// Fund.
    pub fund: FundNumber,
    /// Project.
    pub project_id: Option<Code>,
    /// The most that may be awarded, minor units.
    pub ceiling_minor: i64,
    /// Open Contracting ID.
    pub ocid: Option<Ocid>,
    /// Who won, and how much of the award no contract was made of yet, minor units.
    pub award: Option<(PayeeRef, i64)>,
}

/// What the rules remember of a registered contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Fund.
    pub fund: FundNumber,
    /// Project.
    pub project_id: Option<Code>,
    /// Contractor.
    pub supplier: PayeeRef,
    /// Open Contracting ID: its own, or the tender's.
    pub ocid: Option<Ocid>,
    /// First price, minor units.
    pub first_minor: i64,
    /// All additions to it together, minor units.
    pub added_minor: i64,
    /// Price now, minor units.
    pub price_minor: i64,
    /// Whether it is settled.
    pub is_settled: bool,
    /// What is retained, minor units, and until when.
    pub retention: Option<(i64, Day)>,
}

/// All additions to a contract together are a tenth of its first price at most (政府采购法§49).
const ADDED_MAX_DIVISOR: i64 = 10;

impl Registered {
    /// The most that may still be added, minor units.
    pub const fn addable_minor(&self) -> i64 {
        money::subtract(self.first_minor / ADDED_MAX_DIVISOR, self.added_minor)
    }

    /// What may be paid in all by a day, minor units: what is retained only from its day on.
    pub fn payable_minor(&self, on: Day) -> i64 {
        match self.retention {
            Some((retained_minor, until)) if on < until => money::subtract(self.price_minor, retained_minor),
            _ => self.price_minor,
        }
    }
}
