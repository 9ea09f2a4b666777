//! Events about complaints.

use super::{DecodeError, fixed, number};
use crate::domain::complaint::{Complaint, ComplaintEvent, ComplaintOutcome, Filed, Subject};
use crate::domain::event::Payload;
use crate::domain::ids::{
    ActorId, Code, ComplaintId, DocumentNumber, FundNumber, LotNumber, PaymentId, Sequence, UnitId,
};
use crate::format::wire::Wire;
use crate::pb::v1 as pb;
use crate::pb::v1::complaint_filed::About;
use crate::pb::v1::event::Payload as Stored;

pub(super) fn encode(event: &ComplaintEvent, wire: &mut Wire<'_>) {
    match event {
        Complaint::File(filed) => wire.message(134, |m| {
            m.text(1, filed.complaint_id.as_str());
            m.text(2, filed.kind.as_str());
            match &filed.about {
                Subject::Lot(lot) => m.chosen_number(3, lot.0),
                Subject::Payment(payment_id) => m.element(4, payment_id.as_str().as_bytes()),
                // An event is never the genesis, so that the number is never left out as a zero.
                Subject::Event(sequence) => m.int(5, sequence.0),
            }
            m.number(6, filed.fund.0);
            m.text(7, super::optional(filed.unit_id.as_ref().map(UnitId::as_str)));
            for respondent in &filed.respondents {
                m.element(8, respondent.as_str().as_bytes());
            }
            m.bytes(9, filed.reporter.as_ref().map_or(&[][..], |reporter| &reporter.0));
            m.bytes(10, &filed.text_sha256);
        }),
        Complaint::Accept { complaint_id, unit_id, first_handler } => wire.message(135, |m| {
            m.text(1, complaint_id.as_str());
            m.text(2, unit_id.as_str());
            m.text(3, first_handler.as_str());
        }),
        Complaint::Answer { complaint_id, document_number, document_sha256 } => wire.message(136, |m| {
            m.text(1, complaint_id.as_str());
            m.text(2, document_number.as_str());
            m.bytes(3, document_sha256);
        }),
        Complaint::Close { complaint_id, outcome } => wire.message(137, |m| {
            m.text(1, complaint_id.as_str());
            m.int(2, outcome.number().into());
        }),
    }
}

/// Decodes a payload about a complaint: the last that a payload can be.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others were decoded before")]
pub(super) fn decode(payload: Stored) -> Result<Payload, DecodeError> {
    Ok(Payload::Complaint(Box::new(match payload {
        Stored::ComplaintFiled(m) => Complaint::File(filed(m)?),
        Stored::ComplaintAccepted(m) => Complaint::Accept {
            complaint_id: ComplaintId::stored(m.complaint_id),
            unit_id: UnitId::stored(m.unit_id),
            first_handler: ActorId::stored(m.first_handler),
        },
        Stored::ComplaintAnswered(m) => Complaint::Answer {
            complaint_id: ComplaintId::stored(m.complaint_id),
            document_number: DocumentNumber::stored(m.document_number),
            document_sha256: fixed(&m.document_sha256, "document digest")?,
        },
        Stored::ComplaintClosed(m) => Complaint::Close {
            complaint_id: ComplaintId::stored(m.complaint_id),
            outcome: ComplaintOutcome::from_number(m.outcome).ok_or(DecodeError::Field("outcome"))?,
        },
        _ => return Err(DecodeError::Field("payload")),
    })))
}

fn filed(m: pb::ComplaintFiled) -> Result<Filed, DecodeError> {
    let about = match m.about.ok_or(DecodeError::Field("what the complaint is about"))? {
        About::Lot(lot) => Subject::Lot(LotNumber(number(lot, "lot")?)),
        About::PaymentId(payment_id) => Subject::Payment(PaymentId::stored(payment_id)),
        About::EventSequence(sequence) => Subject::Event(Sequence(sequence)),
    };
    Ok(Filed {
        complaint_id: ComplaintId::stored(m.complaint_id),
        kind: Code::stored(m.kind),
        about,
        fund: FundNumber(number(m.fund, "fund")?),
        unit_id: Some(m.unit_id).filter(|unit_id| !unit_id.is_empty()).map(UnitId::stored),
        respondents: m.respondents.into_iter().map(ActorId::stored).collect(),
        reporter: super::families::pseudonym(&m.reporter, "reporter")?,
        text_sha256: fixed(&m.text_sha256, "digest of the text")?,
    })
}
