//! Execution by fund, unit and month: what came to a unit, what it paid, what came back, what it has left.

use std::collections::BTreeMap;

use super::{Period, Sequences, is_held, is_wanted, month, paid_out, with_sequence};
use crate::pb::v1::AccountKind as Kind;
use crate::pb::v1::event::Payload;
use crate::reporting::register::{Fund, Register, Step};
use crate::reporting::rows::{Row, Rows};
use crate::reporting::table::ColumnKind::{Amount, Month, Number, Share, Term, Text};
use crate::reporting::table::{Cell, Column, column, share};
use crate::reporting::terms;

/// Its columns. Of the authority, what is used and what is left is what was allocated so far.
pub(super) const COLUMNS: &[Column] = &[
    column("line", Term),
    column("fund_id", Text),
    column("fund_name", Text),
    column("unit_id", Text),
    column("month", Month),
    column("currency_code", Text),
    column("allocated", Amount),
    column("paid", Amount),
    column("returned", Amount),
    column("used_in_month", Amount),
    column("used", Amount),
    column("left", Amount),
    column("execution_rate", Share),
    column("payments", Number),
    column("returns", Number),
    column("events", Number),
    column("first_sequence", Number),
    column("last_sequence", Number),
];

/// Sums of a month, minor units.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    allocated: i128,
    paid: i128,
    returned: i128,
    payments: i64,
    returns: i64,
    events: i64,
    sequences: Sequences,
}

impl Sums {
    fn saw(&mut self, sequence: i64) {
        if self.sequences.is_none_or(|(_, last)| last != sequence) {
            self.events = self.events.saturating_add(1);
            self.sequences = Some(with_sequence(self.sequences, sequence));
        }
    }

    fn add(&mut self, other: &Self) {
        for (sum, amount) in
            [(&mut self.allocated, other.allocated), (&mut self.paid, other.paid), (&mut self.returned, other.returned)]
        {
            *sum = sum.saturating_add(amount);
        }
        for (sum, count) in
            [(&mut self.payments, other.payments), (&mut self.returns, other.returns), (&mut self.events, other.events)]
        {
            *sum = sum.saturating_add(count);
        }
        self.sequences = match (self.sequences, other.sequences) {
            (Some((one, two)), Some((three, four))) => Some((one.min(three), two.max(four))),
            (one, two) => one.or(two),
        };
    }

    const fn used(&self) -> i128 {
        self.paid.saturating_sub(self.returned)
    }
}

/// The table while it is made.
pub(super) struct Execution {
    fund: Option<String>,
    period: Period,
    /// By fund and unit, then by month.
    sums: BTreeMap<(i32, String), BTreeMap<i32, Sums>>,
}

impl Execution {
    pub(super) const fn new(fund: Option<String>, period: Period) -> Self {
        Self { fund, period, sums: BTreeMap::new() }
    }

    fn of(&mut self, fund: i32, unit_id: &str, step: &Step<'_>) -> &mut Sums {
        self.sums.entry((fund, unit_id.to_owned())).or_default().entry(month(step.day)).or_default()
    }
}

impl Rows for Execution {
    fn take(&mut self, step: &Step<'_>, register: &Register, _row: &mut dyn FnMut(Row)) {
        if self.period.to.is_some_and(|to| step.day > to) {
            return;
        }
        // What is with a unit, used or not, came to it.
        let mut came: BTreeMap<(i32, &str), i128> = BTreeMap::new();
        let mut used: BTreeMap<(i32, &str), i128> = BTreeMap::new();
        for leg in step.legs {
            let (kind, unit) = (register.kind(leg.account), register.unit(leg.account));
            let key = (register.fund_of(leg.account), unit);
            let credit = i128::from(leg.amount_minor).saturating_neg();
            if (is_held(kind) || kind == Kind::AuthorityUsed) && !unit.is_empty() {
                let sum = came.entry(key).or_default();
                *sum = sum.saturating_add(credit);
            }
            if kind == Kind::AuthorityUsed {
                let sum = used.entry(key).or_default();
                *sum = sum.saturating_add(credit);
            }
        }
        for ((fund, unit), amount) in came.into_iter().filter(|(_, amount)| *amount != 0) {
            let sums = self.of(fund, unit, step);
            sums.allocated = sums.allocated.saturating_add(amount);
            sums.saw(step.sequence);
        }
        // What is paid of no authority: benefits and withdrawals.
        if used.is_empty() {
            let back = matches!(step.payload, Payload::BenefitRecovered(_));
            let amount = if back { step.debits() } else { paid_out(step, register).map_or(0, |paid| paid.amount) };
            if let Some(fund) = step.legs.first().map(|leg| register.fund_of(leg.account)).filter(|_| amount > 0) {
                used.insert((fund, ""), if back { amount.saturating_neg() } else { amount });
            }
        }
        for ((fund, unit), amount) in used {
            let sums = self.of(fund, unit, step);
            if amount >= 0 {
                sums.paid = sums.paid.saturating_add(amount);
                sums.payments = sums.payments.saturating_add(1);
            } else {
                sums.returned = sums.returned.saturating_sub(amount);
                sums.returns = sums.returns.saturating_add(1);
            }
            sums.saw(step.sequence);
        }
    }

    fn close(&mut self, register: &Register, row: &mut dyn FnMut(Row)) {
        let first = self.period.from.map_or(i32::MIN, month);
        let mut keyed: Vec<(&Fund, &String, &BTreeMap<i32, Sums>)> = Vec::new();
        for ((number, unit), months) in &self.sums {
            let fund = register.fund(*number).filter(|fund| is_wanted(self.fund.as_ref(), fund));
            keyed.extend(fund.map(|fund| (fund, unit, months)));
        }
        keyed.sort_by_key(|(fund, unit, _)| (&fund.fund_id, *unit));
        let mut totals: BTreeMap<(&String, u32), (Sums, Sums)> = BTreeMap::new();
        for (fund, unit, months) in keyed {
            let mut so_far = Sums::default();
            let (in_period, all) = totals.entry((&fund.currency_code, fund.exponent)).or_default();
            for (month, sums) in months {
                so_far.add(sums);
                all.add(sums);
                if *month >= first {
                    in_period.add(sums);
                    row(line(Some((fund, unit, *month)), &fund.currency_code, fund.exponent, (sums, &so_far)));
                }
            }
        }
        for ((currency_code, exponent), (in_period, all)) in &totals {
            row(line(None, currency_code, *exponent, (in_period, all)));
        }
    }
}

/// A line of a month, or the total: the sums of its time, and those of all time up to its end.
fn line(of: Option<(&Fund, &str, i32)>, currency_code: &str, exponent: u32, (sums, so_far): (&Sums, &Sums)) -> Row {
    let amount = |amount: i128| Cell::Amount(amount, exponent);
    // Where there is no authority nothing is allocated, and nothing can be left.
    let of_authority = |cell: Cell| if so_far.allocated == 0 { Cell::Empty } else { cell };
    let (first, last) = sums.sequences.unwrap_or_default();
    Row::of(vec![
        Cell::Term(if of.is_some() { terms::UNIT } else { terms::TOTAL }),
        of.map_or(Cell::Empty, |(fund, _, _)| Cell::Text(fund.fund_id.clone())),
        of.map_or(Cell::Empty, |(fund, _, _)| Cell::Text(fund.name.clone())),
        of.map_or(Cell::Empty, |(_, unit, _)| Cell::Text(unit.to_owned())),
        of.map_or(Cell::Empty, |(_, _, month)| Cell::Month(month)),
        Cell::Text(currency_code.to_owned()),
        of_authority(amount(sums.allocated)),
        amount(sums.paid),
        amount(sums.returned),
        amount(sums.used()),
        amount(so_far.used()),
        of_authority(amount(so_far.allocated.saturating_sub(so_far.used()))),
        of_authority(Cell::Share(share(so_far.used(), so_far.allocated))),
        Cell::Number(sums.payments),
        Cell::Number(sums.returns),
        Cell::Number(sums.events),
        Cell::Number(first),
        Cell::Number(last),
    ])
}
