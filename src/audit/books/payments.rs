//! Payments from order to return, reversals, and amounts that are frozen (I9).

use super::kinds::{DRAWABLE, Meaning};
use super::tables::{Draws, Freeze, Payment, PaymentState, Stage};
use super::{Books, Posting, Side, Step};
use crate::audit::report::{Fact, FaultKind};
use crate::pb::v1::frozen::Scope;
use crate::pb::v1::{AccountKind as Kind, Frozen, Leg, PaymentReturned, Reversed};

impl Books {
    /// A payment is ordered: its draws are its authority debits, in order.
    pub(super) fn pay(&mut self, step: Step<'_>, payment_id: &str, postings: &[Posting]) {
        let Step { sequence, operation, .. } = step;
        let is_draw = |posting: &&Posting| posting.amount > 0 && DRAWABLE.contains(&posting.kind);
        let draws = postings.iter().filter(is_draw);
        let paid = draws.clone().fold(0_i64, |sum, posting| sum.saturating_add(posting.amount));
        let ordered = total(postings, Kind::Clearing, Sign::Credit);
        let mut wrong = |message: Fact| self.findings.add(sequence, FaultKind::Books, message);
        if ordered != paid {
            wrong(fact!("{} of authority is drawn, {} of cash ordered", paid, ordered));
        }
        let Some(source) = draws.clone().next() else { return };
        if let Some(other) = draws.clone().find(|posting| posting.account != source.account) {
            wrong(fact!("one payment draws on accounts {} and {}", source.account, other.account));
        }
        let Some(fund) = self.accounts.get(source.account).map(|account| account.fund) else { return };
        let draws = match draws.clone().count() {
            1 => Draws::One(source.lot),
            _ => Draws::Many(draws.map(|posting| (posting.lot, posting.amount)).collect()),
        };
        let state = PaymentState::Ordered;
        let payment = Payment { sequence, operation, paid, returned: 0, fund, source: source.account, draws, state };
        if let Err(first) = self.payments.add(self.fingerprints.of(payment_id), payment) {
            let first = first.sequence;
            wrong(fact!("payment {} was ordered before, at sequence {}", format_args!("{payment_id:?}"), first));
        }
    }

    /// Payments are cleared: each whole, once.
    pub(super) fn clear(&mut self, sequence: i64, payment_ids: &[String], postings: &[Posting]) {
        let mut wrong = |message: Fact| self.findings.add(sequence, FaultKind::Books, message);
        let fund = postings.first().and_then(|posting| self.accounts.get(posting.account)).map(|account| account.fund);
        let mut owed = 0_i64;
        for payment_id in payment_ids {
            let Some(payment) = self.payments.get_mut(self.fingerprints.of(payment_id)) else {
                wrong(fact!("unknown payment {} is cleared", format_args!("{payment_id:?}")));
                continue;
            };
            if payment.state != PaymentState::Ordered {
                wrong(fact!("payment {} is cleared; it is {}", format_args!("{payment_id:?}"), payment.state.as_str()));
            }
            let place = (payment.sequence, payment.operation);
            if self.releases.is_waiting(place) {
                wrong(fact!("payment {} is cleared before it was released", format_args!("{payment_id:?}")));
            }
            if fund.is_some_and(|fund| fund != payment.fund) {
                wrong(fact!("payment {} of another fund is cleared", format_args!("{payment_id:?}")));
            }
            payment.state = PaymentState::Cleared;
            owed = owed.saturating_add(payment.paid);
        }
        let cleared = total(postings, Kind::Clearing, Sign::Debit);
        if cleared != owed {
            wrong(fact!("{} is cleared for payments of {}", cleared, owed));
        }
    }

    /// Money of a cleared payment comes back: at most what is left, the last draw first.
    pub(super) fn give_back(&mut self, sequence: i64, returned: &PaymentReturned, postings: &[Posting]) {
        let payment_id = &returned.payment_id;
        let mut over = |message: Fact| self.findings.add(sequence, FaultKind::OverReturn, message);
        let Some(payment) = self.payments.get_mut(self.fingerprints.of(payment_id)) else {
            return over(fact!("return of unknown payment {}", format_args!("{payment_id:?}")));
        };
        if returned.original_sequence != payment.sequence {
            let (named, actual) = (returned.original_sequence, payment.sequence);
            over(fact!("payment {} is that of sequence {}, not {}", format_args!("{payment_id:?}"), actual, named));
        }
        if payment.state != PaymentState::Cleared {
            over(fact!("payment {} is returned; it is {}", format_args!("{payment_id:?}"), payment.state.as_str()));
        }
        let amount = total(postings, Kind::AuthorityUsed, Sign::Debit);
        let left = payment.paid.saturating_sub(payment.returned);
        if amount > left {
            over(fact!("{} of payment {} is returned, {} is left", amount, format_args!("{payment_id:?}"), left));
        } else {
            let is_used = |posting: &&Posting| posting.kind == Kind::AuthorityUsed && posting.amount > 0;
            let mut back: Vec<_> =
                postings.iter().filter(is_used).map(|posting| (posting.lot, posting.amount)).collect();
            let mut due = payment.refills(amount);
            back.sort_unstable();
            due.sort_unstable();
            if back != due {
                let message = fact!(
                    "the return of {} does not refill its draws, the last one first",
                    format_args!("{payment_id:?}")
                );
                self.findings.add(sequence, FaultKind::Books, message);
            }
        }
        payment.returned = payment.returned.saturating_add(amount);
        let (source, is_whole) = (payment.source, payment.returned >= payment.paid);
        self.take_back(payment_id, amount, is_whole);
        self.check_destinations(sequence, source, postings);
    }

    /// Authority goes back to the account it was drawn on (from a commitment to the plan), after carry-over to CARRY,
    /// after recall to RECALLED.
    fn check_destinations(&mut self, sequence: i64, source: i32, postings: &[Posting]) {
        let is_committed = self.accounts.get(source).is_some_and(|account| account.kind == Kind::AuthorityCommitted);
        let is_back = |kind: Kind| DRAWABLE.contains(&kind) || kind == Kind::AuthorityRecalled;
        for posting in postings.iter().filter(|posting| posting.amount < 0 && is_back(posting.kind)) {
            let fits = match self.lots.get(posting.lot).map_or(Stage::Open, |lot| lot.stage) {
                Stage::Open if is_committed => matches!(posting.kind, Kind::AuthorityPlan | Kind::AuthorityUnit),
                Stage::Open => posting.account == source,
                Stage::Carried => posting.kind == Kind::AuthorityCarry,
                Stage::Recalled => posting.kind == Kind::AuthorityRecalled,
            };
            if !fits {
                let message = fact!("lot {} comes back to account {}", posting.lot, posting.account);
                self.findings.add(sequence, FaultKind::Books, message);
            }
        }
    }

    /// An event is mirrored: one that can be, whole, once, and a payment not after it was cleared.
    pub(super) fn reverse(&mut self, sequence: i64, reversed: &Reversed, legs: &[Leg], postings: &[Posting]) {
        let target = reversed.original_sequence;
        let mirrored = self.legs_hash(legs, Side::Mirrored);
        let mut wrong = |message: Fact| self.findings.add(sequence, FaultKind::Reversal, message);
        let original = match reversed.operation {
            0 => usize::try_from(target).ok().and_then(|place| self.originals.get_mut(place)),
            operation => self.operations.get_mut(&(target, operation)),
        };
        let original = original.filter(|row| row.meaning.is_reversible());
        let Some(original) = original.filter(|_| target < sequence) else {
            return wrong(fact!("event {} cannot be reversed", target));
        };
        if original.is_reversed {
            wrong(fact!("event {} was reversed before", target));
        }
        if original.legs != mirrored {
            wrong(fact!("the legs are not the mirror of those of event {}", target));
        }
        original.is_reversed = true;
        let meaning = original.meaning;
        self.releases.let_go((target, reversed.operation));
        if meaning == Meaning::Payment {
            let named = self.payments.get_mut(self.fingerprints.of(&reversed.payment_id));
            match named.filter(|payment| (payment.sequence, payment.operation) == (target, reversed.operation)) {
                None => wrong(fact!("event {} is not payment {}", target, format_args!("{:?}", reversed.payment_id))),
                Some(payment) => {
                    if payment.state != PaymentState::Ordered {
                        wrong(fact!("the payment of event {} is {}", target, payment.state.as_str()));
                    }
                    payment.state = PaymentState::Reversed;
                    let paid = payment.paid;
                    self.take_back(&reversed.payment_id, paid, true);
                }
            }
        }
        self.mean(meaning, Side::Mirrored, postings);
    }

    /// An amount is frozen, or something whole is: then nothing moves.
    pub(super) fn freeze(&mut self, sequence: i64, frozen: &Frozen, legs: &[Leg], postings: &[Posting]) {
        let mut wrong = |message: Fact| self.findings.add(sequence, FaultKind::Books, message);
        let of_account = match &frozen.scope {
            Some(Scope::Account(account)) => Some(*account),
            Some(Scope::Lot(_) | Scope::Payee(_)) => None,
            None => return wrong(fact!("a freeze of nothing")),
        };
        if postings.iter().any(|posting| posting.amount > 0 && Some(posting.account) != of_account) {
            wrong(fact!("an amount is frozen that is not of the account named"));
        }
        let legs = self.legs_hash(legs, Side::AsIs);
        let case = self.fingerprints.of(&frozen.case_id);
        if self.freezes.insert(case, Freeze { legs, is_live: true }).is_some() {
            self.findings.add(
                sequence,
                FaultKind::Books,
                fact!("case {} froze before", format_args!("{:?}", frozen.case_id)),
            );
        }
    }

    /// A freeze is lifted: exactly what it moved goes back.
    pub(super) fn unfreeze(&mut self, sequence: i64, case_id: &str, legs: &[Leg]) {
        let mirrored = self.legs_hash(legs, Side::Mirrored);
        let freeze = self.freezes.get_mut(&self.fingerprints.of(case_id)).filter(|freeze| freeze.is_live);
        let Some(freeze) = freeze else {
            return self.findings.add(
                sequence,
                FaultKind::Books,
                fact!("no freeze of case {} to lift", format_args!("{case_id:?}")),
            );
        };
        freeze.is_live = false;
        if freeze.legs != mirrored {
            let message = fact!("the legs are not the mirror of those that froze case {}", format_args!("{case_id:?}"));
            self.findings.add(sequence, FaultKind::Books, message);
        }
    }
}

/// A side of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Debit,
    Credit,
}

/// What is moved on accounts of a kind, on one side.
pub(super) fn total(postings: &[Posting], kind: Kind, sign: Sign) -> i64 {
    let on_side = |posting: &&Posting| posting.kind == kind && (posting.amount > 0) == (sign == Sign::Debit);
    postings.iter().filter(on_side).fold(0, |sum: i64, posting| sum.saturating_add(posting.amount.saturating_abs()))
}

/// What is moved on accounts of some kinds, on one side: leg by leg, by account.
pub(super) fn moved(postings: &[Posting], kinds: &[Kind], sign: Sign) -> Vec<(i32, i64)> {
    let on_side = |posting: &&Posting| kinds.contains(&posting.kind) && (posting.amount > 0) == (sign == Sign::Debit);
    due(postings.iter().filter(on_side).map(|posting| (posting.account, posting.amount.saturating_abs())))
}

/// What should be moved, to be held against it: parts of nothing have no leg.
pub(super) fn due(parts: impl Iterator<Item = (i32, i64)>) -> Vec<(i32, i64)> {
    let mut parts: Vec<(i32, i64)> = parts.filter(|(_, part)| *part > 0).collect();
    parts.sort_unstable();
    parts
}
