//! What stands for one thing once: the bank's references, and documents by issuer. One bank entry booked twice, or one document that
//! opens two lots, is money counted twice.

use super::rows::Rows;
use super::tables::ById;
use super::{Books, Step};
use crate::pb::v1::event::Payload;

/// What was used, and the sequence it was used at first.
#[derive(Default)]
pub(super) struct Used {
    bank_references: Rows<i64>,
    documents: ById<i64>,
}

impl Books {
    /// No reference of the bank and no document that opens or changes authority stands in two events.
    pub(super) fn use_once(&mut self, step: Step<'_>) {
        let bank_reference = bank_reference(step.payload);
        if !bank_reference.is_empty() {
            let key = self.fingerprints.of(bank_reference);
            if let Err(first) = self.used.bank_references.add(key, step.sequence).map_err(|first| *first) {
                let shown = format_args!("{bank_reference:?}");
                self.wrong(step, fact!("bank reference {} was used before, at sequence {}", shown, first));
            }
        }
        for (issuer, number) in documents(step.payload).into_iter().filter(|(_, number)| !number.is_empty()) {
            // No id has a character 0 in it.
            let key = self.fingerprints.of(&format!("{issuer}\0{number}"));
            if let Some(first) = self.used.documents.get(&key).copied() {
                let (issuer, number) = (format_args!("{issuer:?}"), format_args!("{number:?}"));
                self.wrong(step, fact!("document {} of {} was used before, at sequence {}", number, issuer, first));
            } else {
                self.used.documents.insert(key, step.sequence);
            }
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other types come with no entry of the bank")]
fn bank_reference(payload: &Payload) -> &str {
    match payload {
        Payload::CashReceived(m) => &m.bank_reference,
        Payload::Cleared(m) => &m.bank_reference,
        Payload::PaymentReturned(m) => &m.bank_reference,
        Payload::NontaxCollected(m) => &m.bank_reference,
        Payload::NontaxRefunded(m) => &m.bank_reference,
        Payload::ContributionReceived(m) => &m.bank_reference,
        Payload::IncomeReceived(m) => &m.bank_reference,
        Payload::FundsMoved(m) => &m.bank_reference,
        Payload::BenefitRecovered(m) => &m.bank_reference,
        Payload::RelationTransferred(m) => &m.bank_reference,
        Payload::LoanRepaid(m) => &m.bank_reference,
        _ => "",
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other types open and change no authority")]
fn documents(payload: &Payload) -> Vec<(&str, &str)> {
    match payload {
        Payload::BudgetIssued(m) => {
            m.lot.iter().map(|lot| (lot.issuer_id.as_str(), lot.document_number.as_str())).collect()
        }
        Payload::OpeningBalance(m) => {
            m.lots.iter().map(|lot| (lot.issuer_id.as_str(), lot.document_number.as_str())).collect()
        }
        Payload::BudgetAdjusted(m) => vec![(&m.issuer_id, &m.document_number)],
        Payload::EstimateApproved(m) => vec![(&m.issuer_id, &m.document_number)],
        _ => Vec::new(),
    }
}
