//! Complaints on the wire.

use super::Parser;
use crate::domain::complaint::{Complaint, ComplaintOrder, ComplaintOutcome, Filing, Subject};
use crate::domain::ids::{ActorId, Code, ComplaintId, DocumentNumber, LotId, PaymentId, Sequence, UnitId};
use crate::domain::refusal::Reason;
use crate::pb::v1;
use crate::pb::v1::file_complaint::About;

impl Parser<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "called for complaints only")]
    pub(super) fn complaint_order(&mut self, payload: v1::command::Payload) -> Option<ComplaintOrder> {
        use v1::command::Payload;
        match payload {
            Payload::FileComplaint(wire) => self.filing(*wire).map(Complaint::File),
            Payload::AcceptComplaint(wire) => {
                let complaint_id = self.named("complaint_id", ComplaintId::parse(wire.complaint_id));
                let unit_id = self.named("unit_id", UnitId::parse(wire.unit_id));
                let first_handler = self.named("first_handler", ActorId::parse(wire.first_handler));
                Some(Complaint::Accept {
                    complaint_id: complaint_id?,
                    unit_id: unit_id?,
                    first_handler: first_handler?,
                })
            }
            Payload::AnswerComplaint(wire) => {
                let complaint_id = self.named("complaint_id", ComplaintId::parse(wire.complaint_id));
                let document_number = self.named("document_number", DocumentNumber::parse(wire.document_number));
                let document_sha256 = self.digest("document_sha256", &wire.document_sha256);
                Some(Complaint::Answer {
                    complaint_id: complaint_id?,
                    document_number: document_number?,
                    document_sha256: document_sha256?,
                })
            }
            Payload::CloseComplaint(wire) => {
                let complaint_id = self.named("complaint_id", ComplaintId::parse(wire.complaint_id));
                let outcome = self.known("outcome", ComplaintOutcome::from_number(wire.outcome));
                Some(Complaint::Close { complaint_id: complaint_id?, outcome: outcome? })
            }
            _ => None,
        }
    }

    fn filing(&mut self, wire: v1::FileComplaint) -> Option<Filing> {
        let complaint_id = self.named("complaint_id", ComplaintId::parse(wire.complaint_id));
        let kind = self.named("kind", Code::parse(wire.kind));
        let about = match wire.about {
            None => self.wrong(
                "about",
                Reason::FieldInvalid,
                "is missing: a complaint is about a lot, a payment or an event",
            ),
            Some(About::LotId(id)) => self.named("lot_id", LotId::parse(id)).map(Subject::Lot),
            Some(About::PaymentId(id)) => self.named("payment_id", PaymentId::parse(id)).map(Subject::Payment),
            Some(About::EventSequence(sequence)) if sequence >= 1 => Some(Subject::Event(Sequence(sequence))),
            Some(About::EventSequence(_)) => {
                self.wrong("event_sequence", Reason::FieldInvalid, "is not a sequence from 1 on")
            }
        };
        let unit_id = self.optional("unit_id", wire.unit_id, UnitId::parse);
        let reporter = self.optional_party("reporter", &wire.reporter, &wire.reporter_pseudonym);
        let text_sha256 = self.digest("text_sha256", &wire.text_sha256);
        Some(Filing {
            complaint_id: complaint_id?,
            kind: kind?,
            about: about?,
            unit_id: unit_id?,
            reporter: reporter?,
            text_sha256: text_sha256?,
        })
    }
}
