//! What moved, as it is kept until it can be written: with the names of then, since those come and go with the events.

use std::collections::BTreeMap;
use std::io;

use prost::Message;

use crate::pb::v1::event::Payload;
use crate::pb::v1::{AccountKind, Leg};
use crate::reporting::register::{Register, Step};
use crate::reporting::terms;

/// An event, or an operation of a transaction, that moved something.
#[derive(Clone, PartialEq, Message)]
pub struct Movement {
    /// Business date, in days since 1970-01-01.
    #[prost(sint32, tag = "1")]
    pub day: i32,
    /// Sequence of the event.
    #[prost(int64, tag = "2")]
    pub sequence: i64,
    /// Place in a transaction, from 1; 0 where the event is no transaction.
    #[prost(int32, tag = "3")]
    pub operation: i32,
    /// Hash of the entry.
    #[prost(bytes = "vec", tag = "4")]
    pub hash: Vec<u8>,
    /// The name of the event.
    #[prost(string, tag = "5")]
    pub event: String,
    /// The client's key.
    #[prost(string, tag = "6")]
    pub request_id: String,
    /// Who made it.
    #[prost(string, tag = "7")]
    pub actor: String,
    /// Who approved it.
    #[prost(string, repeated, tag = "8")]
    pub approvers: Vec<String>,
    /// Voucher, contract, notice or loan; may be empty.
    #[prost(string, tag = "9")]
    pub voucher: String,
    /// Document number or bank reference; may be empty.
    #[prost(string, tag = "10")]
    pub document: String,
    /// Purpose code of the payment that it is about; may be empty, as the others.
    #[prost(string, tag = "11")]
    pub purpose: String,
    /// Functional classification code.
    #[prost(string, tag = "12")]
    pub function_code: String,
    /// Economic classification code.
    #[prost(string, tag = "13")]
    pub economic_code: String,
    /// Project.
    #[prost(string, tag = "14")]
    pub project_id: String,
    /// Contract.
    #[prost(string, tag = "15")]
    pub contract_id: String,
    /// What moved.
    #[prost(message, repeated, tag = "16")]
    pub legs: Vec<Leg>,
}

impl Movement {
    /// Of what happened.
    pub fn new(step: &Step<'_>, register: &Register) -> Self {
        let terms = register.terms(step).cloned().unwrap_or_default();
        let (voucher, document) = papers(step.payload);
        Self {
            day: step.day,
            sequence: step.sequence,
            operation: step.operation,
            hash: step.entry_hash.to_vec(),
            event: terms::event(step.payload).to_owned(),
            request_id: step.request_id.to_owned(),
            actor: step.actor.to_owned(),
            approvers: step.approvals.iter().map(|approval| approval.actor.clone()).collect(),
            voucher: voucher.to_owned(),
            document: document.to_owned(),
            purpose: terms.purpose,
            function_code: terms.function_code,
            economic_code: terms.economic_code,
            project_id: terms.project_id,
            contract_id: terms.contract_id,
            legs: step.legs.to_vec(),
        }
    }

    /// What it is sorted by: the day, then the place in the log.
    pub fn key(&self) -> [u8; 16] {
        let mut key = [0; 16];
        // With the sign turned over, bytes stand in the order of the numbers.
        let parts = (self.day ^ i32::MIN).cast_unsigned().to_be_bytes().into_iter();
        let parts = parts.chain(self.sequence.to_be_bytes()).chain(self.operation.to_be_bytes());
        key.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
        key
    }

    /// As it was kept.
    pub fn read(bytes: &[u8]) -> io::Result<Self> {
        Self::decode(bytes).map_err(io::Error::other)
    }

    /// Its sequence, with the operation behind it where there is one.
    pub fn place(&self) -> String {
        if self.operation == 0 { self.sequence.to_string() } else { format!("{}.{}", self.sequence, self.operation) }
    }

    /// Its legs by book: of authority, of cash.
    pub fn by_book(&self, register: &Register) -> [(Book, Vec<Leg>); 2] {
        let (cash, authority) = self.legs.iter().partition(|leg| Book::of(register.kind(leg.account)) == Book::Cash);
        [(Book::Authority, authority), (Book::Cash, cash)]
    }
}

/// One of the two books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Book {
    /// Permission to spend, 指标账.
    Authority,
    /// Assets and claims, 资金账.
    Cash,
}

/// The first kind of the cash book (docs/format.md).
const CASH_FROM: i32 = 20;
/// The first kind of its claims.
const CLAIMS_FROM: i32 = 40;

impl Book {
    /// The book that a kind of account stands in.
    pub fn of(kind: AccountKind) -> Self {
        if i32::from(kind) < CASH_FROM { Self::Authority } else { Self::Cash }
    }
}

/// Whether a kind is an asset.
pub fn is_asset(kind: AccountKind) -> bool {
    (CASH_FROM..CLAIMS_FROM).contains(&i32::from(kind))
}

/// Whether debits increase a kind.
pub fn is_debit_normal(kind: AccountKind) -> bool {
    is_asset(kind) || kind == AccountKind::AuthoritySource
}

/// An account and a lot in it, by their numbers; lot 0 where the account does not track lots.
pub type Cell = (i32, i32);

/// Adds a leg to balances.
pub fn add(balances: &mut BTreeMap<Cell, i128>, leg: &Leg) {
    let balance = balances.entry((leg.account, leg.lot)).or_default();
    *balance = balance.saturating_add(leg.amount_minor.into());
}

/// Voucher, contract, notice or loan that something is about; and the document or bank reference it rests on.
fn papers(payload: &Payload) -> (&str, &str) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever moves nothing has no voucher")]
    match payload {
        Payload::OpeningBalance(opening) => ("", &opening.document_number),
        Payload::BudgetIssued(issued) => issued.lot.as_ref().map_or(("", ""), |lot| ("", &lot.document_number)),
        Payload::BudgetAllocated(allocated) => ("", &allocated.document_number),
        Payload::BudgetAdjusted(adjusted) => ("", &adjusted.document_number),
        Payload::PlanApproved(plan) => ("", &plan.document_number),
        Payload::Committed(committed) => (&committed.contract_id, ""),
        Payload::CommitmentReleased(released) => (&released.contract_id, ""),
        Payload::Frozen(frozen) => (&frozen.case_id, &frozen.legal_basis),
        Payload::Unfrozen(unfrozen) => (&unfrozen.case_id, ""),
        Payload::CashReceived(received) => ("", &received.bank_reference),
        Payload::PaymentExecuted(payment) => (&payment.payment_id, ""),
        Payload::Cleared(cleared) => (cleared.payment_ids.first().map_or("", String::as_str), &cleared.bank_reference),
        Payload::PaymentReturned(returned) => (&returned.payment_id, &returned.bank_reference),
        Payload::Reversed(reversed) => (&reversed.payment_id, &reversed.reason_code),
        Payload::LapsedRecovered(lapsed) => ("", &lapsed.legal_basis),
        Payload::NontaxCollected(collected) => (&collected.notice_id, &collected.receipt_number),
        Payload::NontaxSplit(split) => (&split.notice_id, ""),
        Payload::NontaxRefunded(refunded) => (&refunded.notice_id, &refunded.bank_reference),
        Payload::ContributionReceived(received) => ("", &received.bank_reference),
        Payload::IncomeReceived(received) => ("", &received.bank_reference),
        Payload::FundsMoved(moved) => ("", &moved.bank_reference),
        Payload::BenefitPaid(benefit) => (&benefit.payment_id, ""),
        Payload::BenefitRecovered(recovered) => (&recovered.payment_id, &recovered.bank_reference),
        Payload::RelationTransferred(transferred) => ("", &transferred.bank_reference),
        Payload::HousingWithdrawn(withdrawn) => (&withdrawn.payment_id, ""),
        Payload::LoanIssued(loan) => (&loan.loan_id, ""),
        Payload::LoanRepaid(loan) => (&loan.loan_id, &loan.bank_reference),
        Payload::SurplusDistributed(surplus) => ("", &surplus.document_number),
        _ => ("", ""),
    }
}
