//! Idle funds (存量资金): authority that has neither been spent nor passed on for a year, or for two, and where it lies.
//!
//! The clock of a lot is kept for each unit that has some of it. Carrying over and freezing change where money is booked, not
//! whether anybody uses it: they do not set the clock back.

use std::collections::BTreeMap;

use jiff::Span;

use super::{calendar, is_held, is_wanted};
use crate::pb::v1::event::Payload;
use crate::reporting::register::{Register, Step};
use crate::reporting::rows::{Row, Rows};
use crate::reporting::table::ColumnKind::{Amount, Date, Number, Term, Text};
use crate::reporting::table::{Cell, Column, column};
use crate::reporting::terms;

/// Its columns.
pub(super) const COLUMNS: &[Column] = &[
    column("idle_for", Term),
    column("fund_id", Text),
    column("lot_id", Text),
    column("document_number", Text),
    column("unit_id", Text),
    column("account_id", Text),
    column("account_kind", Term),
    column("amount", Amount),
    column("currency_code", Text),
    column("days", Number),
    column("as_of_date", Date),
    column("last_date", Date),
    column("last_event", Term),
    column("last_sequence", Number),
    column("expires_on", Date),
    column("opened_sequence", Number),
];

/// The table while it is made.
pub(super) struct Idle {
    fund: Option<String>,
    on: Option<i32>,
    last_day: i32,
    /// What lies in an account of a lot.
    held: BTreeMap<(i32, i32), i128>,
    /// The last event that spent or passed on a lot's money at a unit.
    moved: BTreeMap<(i32, String), (i32, i64, &'static str)>,
}

impl Idle {
    pub(super) const fn new(fund: Option<String>, on: Option<i32>) -> Self {
        Self { fund, on, last_day: i32::MIN, held: BTreeMap::new(), moved: BTreeMap::new() }
    }
}

impl Rows for Idle {
    fn take(&mut self, step: &Step<'_>, register: &Register, _row: &mut dyn FnMut(Row)) {
        if self.on.is_some_and(|on| step.day > on) {
            return;
        }
        self.last_day = self.last_day.max(step.day);
        let is_use = !matches!(step.payload, Payload::CarriedForward(_) | Payload::Frozen(_) | Payload::Unfrozen(_));
        for leg in step.legs.iter().filter(|leg| leg.lot > 0 && is_held(register.kind(leg.account))) {
            let held = self.held.entry((leg.lot, leg.account)).or_default();
            *held = held.saturating_sub(leg.amount_minor.into());
            if is_use {
                let key = (leg.lot, register.unit(leg.account).to_owned());
                let moved = (step.day, step.sequence, terms::event(step.payload));
                // Business dates may run backwards; what was booked later is not earlier for that.
                let known = self.moved.entry(key).or_insert(moved);
                if step.day >= known.0 {
                    *known = moved;
                }
            }
        }
    }

    fn close(&mut self, register: &Register, row: &mut dyn FnMut(Row)) {
        let on = self.on.unwrap_or(self.last_day);
        let mut found = Vec::new();
        for ((number, account_number), amount) in self.held.iter().filter(|(_, amount)| **amount > 0) {
            let (Some(lot), Some(account)) = (register.lot(*number), register.account(*account_number)) else {
                continue;
            };
            let Some(fund) = register.fund(account.fund).filter(|fund| is_wanted(self.fund.as_ref(), fund)) else {
                continue;
            };
            let key = (*number, account.unit_id.clone());
            let opened = (lot.day, lot.sequence, terms::BUDGET_ISSUED);
            let (day, sequence, event) = self.moved.get(&key).copied().unwrap_or(opened);
            let is_over =
                |years: i32| calendar(day).checked_add(Span::new().years(years)).is_ok_and(|end| end <= calendar(on));
            let idle_for = match (is_over(1), is_over(2)) {
                (_, true) => terms::TWO_YEARS,
                (true, false) => terms::ONE_YEAR,
                (false, false) => continue,
            };
            let cells = vec![
                Cell::Term(idle_for),
                Cell::Text(fund.fund_id.clone()),
                Cell::Text(lot.lot_id.clone()),
                Cell::Text(lot.document_number.clone()),
                Cell::Text(account.unit_id.clone()),
                Cell::Text(account.account_id.clone()),
                Cell::Term(terms::account_kind(account.kind)),
                Cell::Amount(*amount, fund.exponent),
                Cell::Text(fund.currency_code.clone()),
                Cell::Number(i64::from(on).saturating_sub(day.into())),
                Cell::Day(on),
                Cell::Day(day),
                Cell::Term(event),
                Cell::Number(sequence),
                if lot.expires_day == 0 { Cell::Empty } else { Cell::Day(lot.expires_day) },
                Cell::Number(lot.sequence),
            ];
            found.push(((day, &fund.fund_id, &lot.lot_id, *account_number), cells));
        }
        // What has waited longest comes first.
        found.sort_by_key(|(key, _)| *key);
        for (_, cells) in found {
            row(Row::of(cells));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::pb::v1::event::Payload;
    use crate::pb::v1::{
        AccountKind as Kind, AccountOpened, BudgetAllocated, BudgetIssued, CarriedForward, Event, FundDefined, Leg,
        LotOpened,
    };
    use crate::reporting::audit::Question;
    use crate::reporting::table::Cell;

    fn event(business_day: i32, payload: Payload, legs: &[(i32, i64)]) -> Event {
        let leg = |(account, amount_minor): &(i32, i64)| Leg { account: *account, lot: 1, amount_minor: *amount_minor };
        Event { business_day, payload: Some(payload), legs: legs.iter().map(leg).collect(), ..Event::default() }
    }

    /// For how many days what was moved on day 400 counts as idle on day 800.
    fn idle_days(moved: Payload) -> Vec<Cell> {
        let account = |account: i32, kind: Kind, unit_id: &str| {
            let unit_id = unit_id.to_owned();
            Payload::AccountOpened(AccountOpened { account, fund: 1, kind: kind.into(), unit_id, ..Default::default() })
        };
        let lot = LotOpened { lot: 1, lot_id: "L".to_owned(), fund: 1, ..Default::default() };
        let events = [
            event(0, Payload::FundDefined(FundDefined { fund: 1, ..Default::default() }), &[]),
            event(0, account(1, Kind::AuthoritySource, ""), &[]),
            event(0, account(2, Kind::AuthorityUnit, "U"), &[]),
            event(0, account(3, Kind::AuthorityCarry, ""), &[]),
            event(0, Payload::BudgetIssued(BudgetIssued { lot: Some(lot) }), &[(1, 100), (2, -100)]),
            event(400, moved, &[(2, 100), (3, -100)]),
        ];
        let mut making = Question::Idle { fund: None, on: Some(800) }.begin(None);
        let mut rows = Vec::new();
        for (sequence, event) in (0..).zip(&events) {
            making.take(sequence, [0; 32], event, &mut |row| rows.push(row));
        }
        making.close(&mut |row| rows.push(row));
        rows.into_iter().map(|row| row.cells[9].clone()).collect()
    }

    #[test]
    fn carrying_over_does_not_set_the_clock_back() {
        assert_eq!(idle_days(Payload::CarriedForward(CarriedForward::default())), [Cell::Number(800)]);
        assert_eq!(idle_days(Payload::BudgetAllocated(BudgetAllocated::default())), [Cell::Number(400)]);
    }
}
