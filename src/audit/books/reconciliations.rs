//! Comparisons with bank statements: what the books are said to have held is what they held.

use std::collections::BTreeMap;

use super::Books;
use crate::audit::report::FaultKind;
use crate::pb::v1::{AccountKind as Kind, Reconciled};

/// Whether accounts of a kind are held against bank statements.
pub(super) const fn stands_for_a_bank_account(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Treasury
            | Kind::FiscalSpecial
            | Kind::Income
            | Kind::Payout
            | Kind::HousingDeposit
            | Kind::HousingSurplusDeposit
    )
}

/// What an account held at the end of a day, as of a sequence.
#[derive(Default)]
pub(super) struct Movements {
    /// Sum of all movements of a business day so far.
    by_day: BTreeMap<i32, i128>,
    /// Each of them, in the order of the log.
    all: Vec<Movement>,
}

struct Movement {
    sequence: i64,
    amount: i64,
    business_day: i32,
}

impl Movements {
    pub(super) fn add(&mut self, sequence: i64, business_day: i32, amount: i64) {
        let sum = self.by_day.entry(business_day).or_default();
        *sum = sum.saturating_add(amount.into());
        self.all.push(Movement { sequence, amount, business_day });
    }

    /// What was held at the end of a day, by the events up to a sequence: by all of them, less those that came later. A
    /// comparison is recorded soon after it was made, so that few came later.
    fn held(&self, last_day: i32, as_of: i64) -> i128 {
        let all = self.by_day.range(..=last_day).fold(0_i128, |sum, (_, amount)| sum.saturating_add(*amount));
        let later = self.all.iter().rev().take_while(|movement| movement.sequence > as_of);
        later
            .filter(|movement| movement.business_day <= last_day)
            .fold(all, |sum, movement| sum.saturating_sub(movement.amount.into()))
    }
}

impl Books {
    /// The bank's side cannot be known here; the books' side can.
    pub(super) fn check_reconciled(&mut self, sequence: i64, compared: &Reconciled) {
        let Reconciled { account, last_day, book_balance_minor: said, as_of_sequence: as_of, .. } = compared;
        let Some(movements) = self.accounts.get(*account).and_then(|account| account.movements.as_ref()) else {
            let message =
                fact!("account {} is compared with a bank statement, and stands for no bank account", account);
            return self.findings.add(sequence, FaultKind::Books, message);
        };
        let mut wrong = |message| self.findings.add(sequence, FaultKind::Books, message);
        if *as_of >= sequence {
            return wrong(fact!("the books are compared as of {}, which had not happened", as_of));
        }
        let held = movements.held(*last_day, *as_of);
        if held != i128::from(*said) {
            wrong(fact!(
                "account {} is said to have held {} at the bank statement's end, and held {}",
                account,
                said,
                held
            ));
        }
    }
}
