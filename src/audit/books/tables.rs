//! The auditor's flat tables: what was opened, what it holds by its legs, and what it should hold by what the events mean.

use std::collections::BTreeMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::super::frame::{AsItIs, Fingerprint};
use super::interest::Personal;
use super::kinds::holds_authority;
use super::policies::FundRules;
use super::reconciliations::Movements;
use super::rows::Pieces;
use crate::pb::v1::AccountKind as Kind;

/// Rows by their number in the log, from 1.
pub(super) struct Numbered<T> {
    rows: Pieces<T>,
    /// Rows whose numbers were not next: faults, but what they hold still counts.
    strays: BTreeMap<i32, T>,
    last: i32,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { rows: Pieces::default(), strays: BTreeMap::new(), last: 0 }
    }
}

impl<T> Numbered<T> {
    /// Adds a row; `Err` with the number expected where it is not next.
    pub(super) fn open(&mut self, number: i32, row: T) -> Result<(), i32> {
        let expected = self.last.saturating_add(1);
        self.last = self.last.max(number);
        if number == expected && self.strays.is_empty() {
            self.rows.push(row);
            return Ok(());
        }
        if number > 0 && self.get(number).is_none() {
            self.strays.insert(number, row);
        }
        if number == expected { Ok(()) } else { Err(expected) }
    }

    pub(super) fn get(&self, number: i32) -> Option<&T> {
        index(number).and_then(|at| self.rows.get(at)).or_else(|| self.strays.get(&number))
    }

    pub(super) fn get_mut(&mut self, number: i32) -> Option<&mut T> {
        index(number).and_then(|at| self.rows.get_mut(at)).or_else(|| self.strays.get_mut(&number))
    }

    /// Every row with its number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (i32, &T)> {
        (1..).zip(self.rows.iter()).chain(self.strays.iter().map(|(number, row)| (*number, row)))
    }
}

fn index(number: i32) -> Option<usize> {
    usize::try_from(number).ok()?.checked_sub(1)
}

/// Balances per (account, lot), on the normal side.
#[expect(clippy::disallowed_types, reason = "sorted before its order can reach a digest")]
pub(super) type Cells = std::collections::HashMap<(i32, i32), i64, BuildHasherDefault<OfNumbers>>;

/// Hashes numbers of rows. They are given out one after another, and only those of known rows get here: nobody can choose them
/// so that they collide, and a keyed hash of them would take as long as the sums.
#[derive(Default)]
pub(super) struct OfNumbers(u64);

impl Hasher for OfNumbers {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_i32(i32::from(*byte));
        }
    }

    fn write_i32(&mut self, number: i32) {
        // Multiplying by an odd number that has nothing to do with the input (2^64 divided by the golden ratio) spreads it over
        // the upper bits; turning them brings them down for the next number, and for tables, which look at both ends.
        let mixed = self.0 ^ u64::from(number.cast_unsigned());
        self.0 = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_right(32);
    }
}

/// A table keyed by an id that nobody needs to read back.
#[expect(clippy::disallowed_types, reason = "lookup only, never iterated")]
pub(super) type ById<T> = std::collections::HashMap<Fingerprint, T, AsItIs>;

/// A fund.
#[derive(Default)]
pub(super) struct Fund {
    pub(super) cells: Cells,
    pub(super) clearing: Vec<i32>,
    pub(super) assets: i128,
    pub(super) claims: i128,
    /// By how much cash and claims were last reported to differ.
    pub(super) reported: i128,
    pub(super) has_moved: bool,
    pub(super) closed_through: Option<i32>,
    pub(super) closed_period: Option<i32>,
    pub(super) rules: FundRules,
}

/// An account.
pub(super) struct Account {
    pub(super) fund: i32,
    pub(super) kind: Kind,
    pub(super) balance: i128,
    pub(super) is_reported: bool,
    pub(super) is_closed: bool,
    /// What is remembered besides, where it is a person's own.
    pub(super) personal: Option<Box<Personal>>,
    /// What it held when, where it stands for a bank account.
    pub(super) movements: Option<Box<Movements>>,
}

/// What became of a lot: where its returns go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    Carried,
    Recalled,
}

/// What a lot holds by its legs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) source: i128,
    pub(super) authority: i128,
    pub(super) used: i128,
    pub(super) cash: i128,
}

impl Held {
    pub(super) fn add(&mut self, kind: Kind, change: i64) {
        let change = i128::from(change);
        let put = |is_on: bool, sum: &mut i128| {
            if is_on {
                *sum = sum.saturating_add(change);
            }
        };
        put(kind == Kind::AuthoritySource, &mut self.source);
        put(holds_authority(kind), &mut self.authority);
        put(kind == Kind::AuthorityUsed, &mut self.used);
        put(kind == Kind::FundLot, &mut self.cash);
    }
}

/// What a lot should hold by what the events mean.
#[derive(Clone, Copy, Default)]
pub(super) struct Due {
    pub(super) issued: i128,
    pub(super) used: i128,
    pub(super) cash: i128,
}

/// A lot.
pub(super) struct Lot {
    pub(super) fund: i32,
    pub(super) stage: Stage,
    pub(super) held: Held,
    pub(super) due: Due,
    /// Differences that were reported already.
    pub(super) reported: Held,
}

impl Lot {
    pub(super) fn new(fund: i32) -> Self {
        let (held, due, reported) = (Held::default(), Due::default(), Held::default());
        Self { fund, stage: Stage::Open, held, due, reported }
    }

    /// By how much `held` differs from what is due (I4, I5).
    pub(super) fn off(&self, held: &Held) -> Held {
        Held {
            source: held.source.saturating_sub(self.due.issued),
            authority: held.authority.saturating_sub(self.due.issued),
            used: held.used.saturating_sub(self.due.used),
            cash: held.cash.saturating_sub(self.due.cash),
        }
    }
}

/// How far a payment has got.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PaymentState {
    Ordered,
    Cleared,
    Reversed,
}

impl PaymentState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ordered => "not cleared",
            Self::Cleared => "cleared",
            Self::Reversed => "reversed",
        }
    }
}

/// Where the authority of a payment came from, in order.
pub(super) enum Draws {
    /// Nearly always.
    One(i32),
    Many(Box<[(i32, i64)]>),
}

/// A payment.
pub(super) struct Payment {
    pub(super) sequence: i64,
    /// Place in its transaction, from 1; 0 for none.
    pub(super) operation: i32,
    pub(super) paid: i64,
    pub(super) returned: i64,
    pub(super) fund: i32,
    /// Account drawn on.
    pub(super) source: i32,
    pub(super) draws: Draws,
    pub(super) state: PaymentState,
}

impl Payment {
    /// The lots a return of `amount` must go to: the last draw first, on from where earlier returns stopped.
    pub(super) fn refills(&self, amount: i64) -> Vec<(i32, i64)> {
        let one;
        let draws = match &self.draws {
            Draws::One(lot) => {
                one = [(*lot, self.paid)];
                &one[..]
            }
            Draws::Many(draws) => draws,
        };
        let mut skipped = self.returned;
        let mut missing = amount;
        let mut parts = Vec::new();
        for (lot, drawn) in draws.iter().rev() {
            let done = skipped.min(*drawn);
            skipped = skipped.saturating_sub(done);
            let part = missing.min(drawn.saturating_sub(done));
            missing = missing.saturating_sub(part);
            if part > 0 {
                parts.push((*lot, part));
            }
        }
        parts
    }
}

/// A freeze: the sum of its legs' hashes, and whether it holds.
pub(super) struct Freeze {
    pub(super) legs: u64,
    pub(super) is_live: bool,
}
