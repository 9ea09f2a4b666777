//! Marks: the texts by which events are found again.

use super::row::Subject;
use crate::domain::event::{Payload, PaymentExecuted};
use crate::domain::ids::{BankReference, Code, ContractId, LoanId, TenderId};

/// What a text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A project: its estimates, tenders, contracts and final accounts, and payments with what undid them.
    Project,
    /// A contract: its registration and what changed it, commitments, releases, payments, and what undid them.
    Contract,
    /// A case: a finding, a matter, a complaint, a disclosure, a tender, what performance is a matter of, or what froze
    /// something.
    Case,
    /// A notice of non-tax revenue: what was asked, collected, split and refunded.
    Notice,
    /// A housing loan: what was lent and repaid.
    Loan,
    /// A batch of payouts: each payment of it, and what undid it.
    Batch,
    /// An entry of the bank's.
    BankReference,
}

impl Mark {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Project, Self::Contract, Self::Case, Self::Notice, Self::Loan, Self::Batch, Self::BankReference];

    /// The rows of a text.
    pub fn subject(self, text: &str) -> Subject {
        match self {
            Self::Project => Subject::project(text),
            Self::Contract => Subject::contract(text),
            Self::Case => Subject::case(text),
            Self::Notice => Subject::notice(text),
            Self::Loan => Subject::loan(text),
            Self::Batch => Subject::batch(text),
            Self::BankReference => Subject::bank_reference(text),
        }
    }

    /// What a step carries of it; `payment` is the one that it executes, returns or reverses.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these types carry the mark")]
    pub fn of<'a>(self, payload: &'a Payload, payment: Option<&'a PaymentExecuted>) -> Option<&'a str> {
        match self {
            Self::Project => match payload {
                Payload::EstimateApproved { project_id, .. } => Some(project_id),
                Payload::Procurement(event) => event.project_id(),
                _ => payment?.project_id.as_ref(),
            }
            .map(Code::as_str),
            Self::Contract => match payload {
                Payload::Committed { contract_id, .. }
                | Payload::CommitmentReleased { contract_id }
                | Payload::Reversed { contract_id: Some(contract_id), .. } => Some(contract_id),
                Payload::Procurement(event) => event.contract_id(),
                _ => payment?.contract_id.as_ref(),
            }
            .map(ContractId::as_str),
            Self::Case => match payload {
                Payload::Oversight(event) => event.case_id(),
                Payload::Procurement(event) => event.tender_id().map(TenderId::as_str),
                Payload::Complaint(event) => Some(event.complaint_id().as_str()),
                Payload::Frozen { case_id, .. } | Payload::Unfrozen { case_id } => Some(case_id.as_str()),
                _ => None,
            },
            Self::Notice => match payload {
                Payload::Nontax(event) => Some(event.notice_id().as_str()),
                _ => None,
            },
            Self::Loan => match payload {
                Payload::Housing(event) => event.loan_id().map(LoanId::as_str),
                _ => None,
            },
            Self::Batch => {
                let (batch_id, _) = payment?.payout.as_ref()?.line.as_ref()?;
                Some(batch_id.as_str())
            }
            Self::BankReference => payload.bank_reference().map(BankReference::as_str),
        }
    }
}
