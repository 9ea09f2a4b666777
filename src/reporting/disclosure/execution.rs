//! The monthly execution table: for each fund what was appropriated, used and left, and what cash came and went.

use std::collections::BTreeMap;

use super::Months;
use crate::pb::v1::AccountKind as Kind;
use crate::pb::v1::event::Payload;
use crate::reporting::register::{Fund, Register, Step, is_cash};
use crate::reporting::rows::{Row, Rows};
use crate::reporting::table::ColumnKind::{Amount, Number, Share, Term, Text};
use crate::reporting::table::{Cell, Column, column, share};
use crate::reporting::terms;

/// Its columns. Of the authority, what is with units, unallocated, frozen, used and recalled sums to what was issued.
pub(super) const COLUMNS: &[Column] = &[
    column("line", Term),
    column("region_code", Text),
    column("fund_id", Text),
    column("fund_name", Text),
    column("family", Term),
    column("currency_code", Text),
    column("issued", Amount),
    column("unallocated", Amount),
    column("with_units", Amount),
    column("frozen", Amount),
    column("used_in_month", Amount),
    column("used_in_year", Amount),
    column("used", Amount),
    column("recalled", Amount),
    column("execution_rate", Share),
    column("cash_at_beginning", Amount),
    column("cash_in", Amount),
    column("cash_out", Amount),
    column("cash_at_end", Amount),
    column("events", Number),
    column("first_sequence", Number),
    column("last_sequence", Number),
];

/// Sums of a fund, minor units.
#[derive(Clone, Debug, Default)]
struct Sums {
    issued: i128,
    unallocated: i128,
    with_units: i128,
    frozen: i128,
    used_in_month: i128,
    used_in_year: i128,
    used: i128,
    recalled: i128,
    cash_before: i128,
    cash_in: i128,
    cash_out: i128,
    events: i64,
    /// First and last event that moved anything.
    sequences: Option<(i64, i64)>,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.issued, other.issued),
            (&mut self.unallocated, other.unallocated),
            (&mut self.with_units, other.with_units),
            (&mut self.frozen, other.frozen),
            (&mut self.used_in_month, other.used_in_month),
            (&mut self.used_in_year, other.used_in_year),
            (&mut self.used, other.used),
            (&mut self.recalled, other.recalled),
            (&mut self.cash_before, other.cash_before),
            (&mut self.cash_in, other.cash_in),
            (&mut self.cash_out, other.cash_out),
        ];
        for (sum, amount) in pairs {
            *sum = sum.saturating_add(amount);
        }
        self.events = self.events.saturating_add(other.events);
        self.sequences = match (self.sequences, other.sequences) {
            (Some((one, two)), Some((three, four))) => Some((one.min(three), two.max(four))),
            (one, two) => one.or(two),
        };
    }
}

/// The table while it is made.
pub(super) struct Execution {
    months: Months,
    regions: Vec<String>,
    funds: Vec<String>,
    sums: BTreeMap<i32, Sums>,
}

impl Execution {
    /// Of a month; of some funds or regions only, where any are named.
    pub(super) const fn new(months: Months, funds: Vec<String>, regions: Vec<String>) -> Self {
        Self { months, regions, funds, sums: BTreeMap::new() }
    }
}

impl Rows for Execution {
    fn take(&mut self, step: &Step<'_>, register: &Register, _row: &mut dyn FnMut(Row)) {
        if step.day > self.months.last_day || step.legs.is_empty() {
            return;
        }
        // What another system had brought about by then is no movement of the month.
        let is_opening = matches!(step.payload, Payload::OpeningBalance(_));
        let is_in_month = !is_opening && step.day >= self.months.first_day;
        let is_in_year = !is_opening && step.day >= self.months.first_day_of_year;
        let mut cash: BTreeMap<i32, i128> = BTreeMap::new();
        for leg in step.legs {
            let (kind, fund) = (register.kind(leg.account), register.fund_of(leg.account));
            let sums = self.sums.entry(fund).or_default();
            let debit = i128::from(leg.amount_minor);
            let credit = debit.saturating_neg();
            let add = |sum: &mut i128, amount: i128| *sum = sum.saturating_add(amount);
            #[expect(clippy::wildcard_enum_match_arm, reason = "claims and other assets are not cash and no authority")]
            match kind {
                Kind::AuthoritySource => add(&mut sums.issued, debit),
                Kind::AuthorityUnallocated => add(&mut sums.unallocated, credit),
                Kind::AuthorityUnit | Kind::AuthorityPlan | Kind::AuthorityCommitted | Kind::AuthorityCarry => {
                    add(&mut sums.with_units, credit);
                }
                Kind::AuthorityFrozen => add(&mut sums.frozen, credit),
                Kind::AuthorityRecalled => add(&mut sums.recalled, credit),
                Kind::AuthorityUsed => {
                    add(&mut sums.used, credit);
                    add(&mut sums.used_in_month, if is_in_month { credit } else { 0 });
                    add(&mut sums.used_in_year, if is_in_year { credit } else { 0 });
                }
                kind if is_cash(kind) => add(cash.entry(fund).or_default(), debit),
                _ => {}
            }
            if sums.sequences.is_none_or(|(_, last)| last != step.sequence) {
                sums.events = sums.events.saturating_add(1);
                sums.sequences = Some((sums.sequences.map_or(step.sequence, |(first, _)| first), step.sequence));
            }
        }
        // What moves between a fund's own accounts neither comes nor goes.
        for (fund, net) in cash {
            let sums = self.sums.entry(fund).or_default();
            let to = match (is_in_month, net < 0) {
                (false, _) => &mut sums.cash_before,
                (true, false) => &mut sums.cash_in,
                (true, true) => &mut sums.cash_out,
            };
            *to = to.saturating_add(if is_in_month { net.saturating_abs() } else { net });
        }
    }

    fn close(&mut self, register: &Register, row: &mut dyn FnMut(Row)) {
        let mut totals: BTreeMap<(String, u32), (Sums, usize)> = BTreeMap::new();
        let wanted = |fund: &Fund| {
            (self.funds.is_empty() || self.funds.contains(&fund.fund_id))
                && (self.regions.is_empty() || self.regions.contains(&fund.region_code))
        };
        let mut funds: Vec<(i32, &Fund)> = register.funds().filter(|(_, fund)| wanted(fund)).collect();
        funds.sort_by(|(_, one), (_, two)| (&one.region_code, &one.fund_id).cmp(&(&two.region_code, &two.fund_id)));
        for (number, fund) in funds {
            let Some(sums) = self.sums.get(&number) else { continue };
            row(line(Some(fund), &fund.currency_code, fund.exponent, sums));
            let (total, count) = totals.entry((fund.currency_code.clone(), fund.exponent)).or_default();
            total.add(sums);
            *count = count.saturating_add(1);
        }
        for ((currency_code, exponent), (total, count)) in &totals {
            if *count > 1 {
                row(line(None, currency_code, *exponent, total));
            }
        }
    }
}

fn line(fund: Option<&Fund>, currency_code: &str, exponent: u32, sums: &Sums) -> Row {
    let text = |pick: fn(&Fund) -> &String| fund.map_or(Cell::Empty, |fund| Cell::Text(pick(fund).clone()));
    let amount = |amount: i128| Cell::Amount(amount, exponent);
    let (first, last) = sums.sequences.unwrap_or_default();
    let cash_at_end = sums.cash_before.saturating_add(sums.cash_in).saturating_sub(sums.cash_out);
    Row::of(vec![
        Cell::Term(if fund.is_some() { terms::FUND } else { terms::TOTAL }),
        text(|fund| &fund.region_code),
        text(|fund| &fund.fund_id),
        text(|fund| &fund.name),
        fund.map_or(Cell::Empty, |fund| Cell::Term(terms::family(fund.family))),
        Cell::Text(currency_code.to_owned()),
        amount(sums.issued),
        amount(sums.unallocated),
        amount(sums.with_units),
        amount(sums.frozen),
        amount(sums.used_in_month),
        amount(sums.used_in_year),
        amount(sums.used),
        amount(sums.recalled),
        Cell::Share(share(sums.used, sums.issued)),
        amount(sums.cash_before),
        amount(sums.cash_in),
        amount(sums.cash_out),
        amount(cash_at_end),
        Cell::Number(sums.events),
        Cell::Number(first),
        Cell::Number(last),
    ])
}
