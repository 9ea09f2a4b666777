//! Rows of the index: what one event did to one subject.

use siphasher::sip::SipHasher13;

use crate::domain::ids::{AccountNumber, LotNumber, PayeeRef};

/// Bits of a subject that are not its kind.
const KEY_BITS: u32 = 60;
const KEY_MASK: u64 = (1 << KEY_BITS) - 1;
/// Bits of an account's or a lot's number within a pair: a ledger keeps every account in memory, at some hundred bytes
/// each, so that 2^30 of them are out of reach.
const NUMBER_BITS: u32 = 30;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;

const ACCOUNT: u64 = 1;
const ACCOUNT_LOT: u64 = 2;
const LOT: u64 = 3;
const PAYEE: u64 = 4;
const PROJECT: u64 = 5;
const DOCUMENT: u64 = 6;
const CONTRACT: u64 = 7;
const PAYMENT: u64 = 8;
const POOL_SOURCE: u64 = 9;
const CASE: u64 = 10;
const RECONCILED: u64 = 11;
const NOTICE: u64 = 12;
const LOAN: u64 = 13;
const BATCH: u64 = 14;
const BANK_REFERENCE: u64 = 15;

/// What rows are about: a kind in the upper four bits, a number or a fingerprint in the others. Texts may share a
/// fingerprint: whoever asks compares the text itself with the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject(pub(super) u64);

impl Subject {
    const fn new(kind: u64, key: u64) -> Self {
        Self(kind << KEY_BITS | key & KEY_MASK)
    }

    // Without a key of its own: a client that aims at collisions makes its own queries slower, nothing else.
    fn of_text(kind: u64, text: &str) -> Self {
        Self::new(kind, SipHasher13::new().hash(text.as_bytes()))
    }

    /// An account: a row an event and lot, with the change of its balance on the normal side; `second` is the lot.
    pub fn account(account: AccountNumber) -> Self {
        Self::new(ACCOUNT, account.0.into())
    }

    /// A lot in an account that tracks lots: the same rows, of that lot only.
    pub fn account_lot(account: AccountNumber, lot: LotNumber) -> Self {
        Self::new(ACCOUNT_LOT, (u64::from(account.0) & NUMBER_MASK) << NUMBER_BITS | u64::from(lot.0) & NUMBER_MASK)
    }

    /// A lot: a row an event that moved it, with what was paid of it; `second` is the [`Part`] that payments play.
    pub fn lot(lot: LotNumber) -> Self {
        Self::new(LOT, lot.0.into())
    }

    /// A payee: what was paid, returned and reversed, with the amount; commitments and freezes, without.
    pub fn payee(payee: PayeeRef) -> Self {
        let (first, _) = payee.0.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        Self::new(PAYEE, u64::from_be_bytes(*first))
    }

    /// A project: payments, returns and reversals.
    pub fn project(project_id: &str) -> Self {
        Self::of_text(PROJECT, project_id)
    }

    /// A document: what was issued, adjusted, allocated, planned or opened under its number.
    pub fn document(document_number: &str) -> Self {
        Self::of_text(DOCUMENT, document_number)
    }

    /// A contract: commitments, releases, payments, returns and reversals.
    pub fn contract(contract_id: &str) -> Self {
        Self::of_text(CONTRACT, contract_id)
    }

    /// A pool: what came into it from one source, less what was taken back.
    pub fn pool_source(account: AccountNumber, source: PoolSource) -> Self {
        Self::new(POOL_SOURCE, (u64::from(account.0) & NUMBER_MASK) << NUMBER_BITS | source.number())
    }

    /// A finding, a matter, a disclosure, what performance was evaluated of, or the case of a freeze.
    pub fn case(case_id: &str) -> Self {
        Self::of_text(CASE, case_id)
    }

    /// A notice of non-tax revenue.
    pub fn notice(notice_id: &str) -> Self {
        Self::of_text(NOTICE, notice_id)
    }

    /// A housing loan.
    pub fn loan(loan_id: &str) -> Self {
        Self::of_text(LOAN, loan_id)
    }

    /// A batch of payouts: its payments, with returns and reversals.
    pub fn batch(batch_id: &str) -> Self {
        Self::of_text(BATCH, batch_id)
    }

    /// An entry of the bank's.
    pub fn bank_reference(bank_reference: &str) -> Self {
        Self::of_text(BANK_REFERENCE, bank_reference)
    }

    /// An account's comparisons with bank statements.
    pub fn reconciled(account: AccountNumber) -> Self {
        Self::new(RECONCILED, account.0.into())
    }

    /// A payment: its execution, clearing, returns and reversal.
    pub fn payment(payment_id: &str) -> Self {
        Self::of_text(PAYMENT, payment_id)
    }
}

/// Where what comes into a pool comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolSource {
    /// Contributions, with late fees.
    Contributions,
    /// Subsidies by budgets.
    Subsidies,
    /// Interest.
    Interest,
    /// Other income.
    Other,
    /// Relations transferred in.
    Transfers,
    /// Benefits that came back.
    Recovered,
}

impl PoolSource {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::Contributions, Self::Subsidies, Self::Interest, Self::Other, Self::Transfers, Self::Recovered];

    /// Its name, as in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contributions => "CONTRIBUTIONS",
            Self::Subsidies => "SUBSIDIES",
            Self::Interest => "INTEREST",
            Self::Other => "OTHER",
            Self::Transfers => "TRANSFERS",
            Self::Recovered => "RECOVERED",
        }
    }

    const fn number(self) -> u64 {
        match self {
            Self::Contributions => 1,
            Self::Subsidies => 2,
            Self::Interest => 3,
            Self::Other => 4,
            Self::Transfers => 5,
            Self::Recovered => 6,
        }
    }
}

/// The part an event plays for a subject that is no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Anything else.
    Other,
    /// A payment was executed.
    Paid,
    /// A payment came back.
    Returned,
    /// A payment was reversed.
    Reversed,
    /// A payment was cleared.
    Cleared,
}

impl Part {
    /// As it stands in a row.
    pub const fn number(self) -> u32 {
        match self {
            Self::Other => 0,
            Self::Paid => 1,
            Self::Returned => 2,
            Self::Reversed => 3,
            Self::Cleared => 4,
        }
    }

    /// From a row.
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Paid,
            2 => Self::Returned,
            3 => Self::Reversed,
            4 => Self::Cleared,
            _ => Self::Other,
        }
    }

    /// Whether it moved money to a payee or back.
    pub const fn is_movement(self) -> bool {
        matches!(self, Self::Paid | Self::Returned | Self::Reversed)
    }
}

/// What one event did to one subject. At most one row a subject, sequence and `second`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// About what.
    pub subject: Subject,
    /// The event.
    pub sequence: i64,
    /// Minor units; the side is the subject's.
    pub change_minor: i64,
    /// Business date of the event, in days since 1970-01-01.
    pub business_day: i32,
    /// A lot's number, or the number of a [`Part`]: see [`Subject`].
    pub second: u32,
}

/// Where a row stands among those of its subject by business date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateKey {
    /// Business date, in days since 1970-01-01.
    pub business_day: i32,
    /// The event.
    pub sequence: i64,
    /// As in the row.
    pub second: u32,
}

impl DateKey {
    /// Before every row of a day.
    pub const fn start_of(business_day: i32) -> Self {
        Self { business_day, sequence: i64::MIN, second: 0 }
    }

    /// After every row of a day.
    pub const fn end_of(business_day: i32) -> Self {
        Self { business_day, sequence: i64::MAX, second: u32::MAX }
    }
}

impl Row {
    /// Its place by business date.
    pub const fn date_key(&self) -> DateKey {
        DateKey { business_day: self.business_day, sequence: self.sequence, second: self.second }
    }

    const fn order(&self) -> (Subject, i64, u32) {
        (self.subject, self.sequence, self.second)
    }
}

/// Sorts rows by subject, sequence and `second`, and makes one of those that have all three in common. Rows of a subject come
/// in the order of the log, but for those of one event.
pub(super) fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    // By the subject alone, which compares in one step; the sort is stable, and runs in order cost a merge.
    rows.sort_by_key(|row| row.subject);
    for of_event in rows.chunk_by_mut(|one, next| one.subject == next.subject && one.sequence == next.sequence) {
        if of_event.len() > 1 {
            of_event.sort_by_key(|row| row.second);
        }
    }
    rows.dedup_by(|later, kept| {
        let same = later.order() == kept.order();
        if same {
            kept.change_minor = kept.change_minor.saturating_add(later.change_minor);
        }
        same
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_apart() {
        let (one, two) = (AccountNumber(1), AccountNumber(2));
        let subjects = [
            Subject::account(one),
            Subject::account(two),
            Subject::account_lot(one, LotNumber(2)),
            Subject::account_lot(two, LotNumber(1)),
            Subject::lot(LotNumber(1)),
            Subject::payee(PayeeRef([1; 16])),
            Subject::project("x"),
            Subject::document("x"),
            Subject::contract("x"),
            Subject::payment("x"),
            Subject::reconciled(one),
        ];
        for (at, subject) in subjects.iter().enumerate() {
            assert!(!subjects[at + 1..].contains(subject), "{subject:?}");
        }
    }

    #[test]
    fn legs_of_one_account_become_one_row() {
        let row = |sequence, change_minor| Row {
            subject: Subject::account(AccountNumber(1)),
            sequence,
            change_minor,
            business_day: 3,
            second: 7,
        };
        assert_eq!(sorted(vec![row(1, 1), row(2, 5), row(2, -3)]), vec![row(1, 1), row(2, 2)]);
    }
}
