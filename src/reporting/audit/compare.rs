//! What changed from one point to another: each account's balance before and after, and what made the difference, by the
//! kind of event, with the events' sequences.

use std::collections::BTreeMap;

use super::{Point, Sequences, is_wanted, with_sequence};
use crate::pb::v1::AccountKind as Kind;
use crate::reporting::register::{Register, Step};
use crate::reporting::rows::{Row, Rows};
use crate::reporting::table::ColumnKind::{Amount, Number, Term, Text};
use crate::reporting::table::{Cell, Column, column};
use crate::reporting::terms;

/// Its columns. Balances are debits less credits; a `BALANCE` line is followed by a `MOVEMENT` line for each kind of event.
pub(super) const COLUMNS: &[Column] = &[
    column("line", Term),
    column("fund_id", Text),
    column("account_id", Text),
    column("account_kind", Term),
    column("unit_id", Text),
    column("event", Term),
    column("opening", Amount),
    column("debit", Amount),
    column("credit", Amount),
    column("closing", Amount),
    column("currency_code", Text),
    column("events", Number),
    column("first_sequence", Number),
    column("last_sequence", Number),
];

/// An account; those of persons are told together, by fund and kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Account(i32),
    Persons(i32, i32),
}

#[derive(Clone, Copy, Debug, Default)]
struct Movement {
    debit: i128,
    credit: i128,
    events: i64,
    sequences: Sequences,
}

impl Movement {
    fn add(&mut self, amount: i128, sequence: i64) {
        let sum = if amount > 0 { &mut self.debit } else { &mut self.credit };
        *sum = sum.saturating_add(amount.saturating_abs());
        if self.sequences.is_none_or(|(_, last)| last != sequence) {
            self.events = self.events.saturating_add(1);
            self.sequences = Some(with_sequence(self.sequences, sequence));
        }
    }
}

#[derive(Debug, Default)]
struct Balance {
    opening: i128,
    all: Movement,
    by_event: BTreeMap<&'static str, Movement>,
}

/// The table while it is made.
pub(super) struct Compare {
    from: Point,
    to: Point,
    fund: Option<String>,
    balances: BTreeMap<Place, Balance>,
}

impl Compare {
    pub(super) const fn new(from: Point, to: Point, fund: Option<String>) -> Self {
        Self { from, to, fund, balances: BTreeMap::new() }
    }
}

impl Rows for Compare {
    fn take(&mut self, step: &Step<'_>, register: &Register, _row: &mut dyn FnMut(Row)) {
        if !self.to.reaches(step) {
            return;
        }
        let is_before = self.from.reaches(step);
        for leg in step.legs {
            let place = if register.account(leg.account).is_some() {
                Place::Account(leg.account)
            } else {
                Place::Persons(register.fund_of(leg.account), register.kind(leg.account).into())
            };
            let balance = self.balances.entry(place).or_default();
            let amount = i128::from(leg.amount_minor);
            if is_before {
                balance.opening = balance.opening.saturating_add(amount);
            } else {
                balance.all.add(amount, step.sequence);
                balance.by_event.entry(terms::event(step.payload)).or_default().add(amount, step.sequence);
            }
        }
    }

    fn close(&mut self, register: &Register, row: &mut dyn FnMut(Row)) {
        let mut found = Vec::new();
        for (place, balance) in &self.balances {
            let (number, account_id, kind, unit_id) = match place {
                Place::Account(number) => {
                    let Some(account) = register.account(*number) else { continue };
                    (account.fund, account.account_id.as_str(), account.kind, account.unit_id.as_str())
                }
                Place::Persons(fund, kind) => (*fund, "", Kind::try_from(*kind).unwrap_or_default(), ""),
            };
            let Some(fund) = register.fund(number).filter(|fund| is_wanted(self.fund.as_ref(), fund)) else { continue };
            let moved = balance.all.debit > 0 || balance.all.credit > 0;
            if moved || balance.opening != 0 {
                found.push(((&fund.fund_id, i32::from(kind), account_id), (fund, kind, unit_id), balance));
            }
        }
        found.sort_by_key(|(key, ..)| *key);
        for ((_, _, account_id), (fund, kind, unit_id), balance) in found {
            let line = |event: Option<&'static str>, movement: &Movement, ends: Option<(i128, i128)>| {
                let amount = |minor: i128| Cell::Amount(minor, fund.exponent);
                let number = |of: fn((i64, i64)) -> i64| movement.sequences.map(of).map_or(Cell::Empty, Cell::Number);
                Row::of(vec![
                    Cell::Term(if event.is_some() { terms::MOVEMENT } else { terms::BALANCE }),
                    Cell::Text(fund.fund_id.clone()),
                    Cell::Text(account_id.to_owned()),
                    Cell::Term(terms::account_kind(kind)),
                    Cell::Text(unit_id.to_owned()),
                    event.map_or(Cell::Empty, Cell::Term),
                    ends.map_or(Cell::Empty, |(opening, _)| amount(opening)),
                    amount(movement.debit),
                    amount(movement.credit),
                    ends.map_or(Cell::Empty, |(_, closing)| amount(closing)),
                    Cell::Text(fund.currency_code.clone()),
                    Cell::Number(movement.events),
                    number(|(first, _)| first),
                    number(|(_, last)| last),
                ])
            };
            let net = balance.all.debit.saturating_sub(balance.all.credit);
            row(line(None, &balance.all, Some((balance.opening, balance.opening.saturating_add(net)))));
            for (event, movement) in &balance.by_event {
                row(line(Some(event), movement, None));
            }
        }
    }
}
