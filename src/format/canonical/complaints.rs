//! Canonical bytes of the orders about complaints.

use super::Canonical;
use crate::domain::complaint::{Complaint, ComplaintOrder, Subject};

const LOT: u8 = 1;
const PAYMENT: u8 = 2;
const EVENT: u8 = 3;

pub(super) fn write(order: &ComplaintOrder, out: &mut Canonical<'_>) {
    match order {
        Complaint::File(filing) => {
            out.text(filing.complaint_id.as_str());
            out.text(filing.kind.as_str());
            match &filing.about {
                Subject::Lot(lot_id) => {
                    out.tag(LOT);
                    out.text(lot_id.as_str());
                }
                Subject::Payment(payment_id) => {
                    out.tag(PAYMENT);
                    out.text(payment_id.as_str());
                }
                Subject::Event(sequence) => {
                    out.tag(EVENT);
                    out.number(sequence.0);
                }
            }
            out.optional(filing.unit_id.as_ref(), |out, unit_id| out.text(unit_id.as_str()));
            out.optional(filing.reporter.as_ref(), |out, reporter| out.bytes(&reporter.0));
            out.bytes(&filing.text_sha256);
        }
        Complaint::Accept { complaint_id, unit_id, first_handler } => {
            out.text(complaint_id.as_str());
            out.text(unit_id.as_str());
            out.text(first_handler.as_str());
        }
        Complaint::Answer { complaint_id, document_number, document_sha256 } => {
            out.text(complaint_id.as_str());
            out.text(document_number.as_str());
            out.bytes(document_sha256);
        }
        Complaint::Close { complaint_id, outcome } => {
            out.text(complaint_id.as_str());
            out.number(outcome.number().into());
        }
    }
}
