//! A fund's whole flow: from where to where its authority and its cash went, lot by lot, with what each step comes to.

use std::collections::BTreeMap;

use crate::pb::v1::AccountKind as Kind;
use crate::reporting::register::{Register, Step, is_cash};
use crate::reporting::rows::{Row, Rows};
use crate::reporting::table::ColumnKind::{Amount, Date, Number, Term, Text};
use crate::reporting::table::{Cell, Column, column};
use crate::reporting::terms;

/// Its columns. What comes in from outside the fund, and goes out of it, is `OUTSIDE`.
pub(super) const COLUMNS: &[Column] = &[
    column("book", Term),
    column("lot_id", Text),
    column("document_number", Text),
    column("from", Term),
    column("from_unit", Text),
    column("to", Term),
    column("to_unit", Text),
    column("event", Term),
    column("purpose", Text),
    column("project_id", Text),
    column("amount", Amount),
    column("currency_code", Text),
    column("events", Number),
    column("first_date", Date),
    column("last_date", Date),
    column("first_sequence", Number),
    column("last_sequence", Number),
];

/// A place that money can be at: a kind of account, and the unit that has it; no kind is outside.
type Place = (Option<Kind>, String);

/// What left, or what came: where, and how much.
type Side = Vec<(Place, i128)>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    is_cash: bool,
    lot: i32,
    from: Place,
    to: Place,
    event: &'static str,
    purpose: String,
    project_id: String,
}

#[derive(Clone, Debug)]
struct Sum {
    amount: i128,
    events: i64,
    days: (i32, i32),
    sequences: (i64, i64),
}

/// The table while it is made.
pub(super) struct Flow {
    fund_id: String,
    edges: BTreeMap<Edge, Sum>,
}

impl Flow {
    /// Of one fund.
    pub(super) const fn new(fund_id: String) -> Self {
        Self { fund_id, edges: BTreeMap::new() }
    }
}

/// Whether a kind is of the authority book.
const fn is_authority(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::AuthoritySource
            | Kind::AuthorityUnallocated
            | Kind::AuthorityUnit
            | Kind::AuthorityPlan
            | Kind::AuthorityCommitted
            | Kind::AuthorityFrozen
            | Kind::AuthorityUsed
            | Kind::AuthorityCarry
            | Kind::AuthorityRecalled
    )
}

impl Rows for Flow {
    fn take(&mut self, step: &Step<'_>, register: &Register, _row: &mut dyn FnMut(Row)) {
        let of_fund =
            |account: i32| register.fund(register.fund_of(account)).is_some_and(|fund| fund.fund_id == self.fund_id);
        // By book and lot: where money left, and where it came to.
        let mut moved: BTreeMap<(bool, i32), (Side, Side)> = BTreeMap::new();
        for leg in step.legs.iter().filter(|leg| of_fund(leg.account)) {
            let kind = register.kind(leg.account);
            let is_cash = is_cash(kind);
            if !is_cash && !is_authority(kind) {
                continue;
            }
            let (left, came) = moved.entry((is_cash, leg.lot)).or_default();
            let place = (Some(kind), register.unit(leg.account).to_owned());
            let amount = i128::from(leg.amount_minor).saturating_abs();
            // Authority grows by credits but for its source, which is where it comes from; cash grows by debits.
            let grows = if is_cash { leg.amount_minor > 0 } else { leg.amount_minor < 0 };
            (if grows { came } else { left }).push((place, amount));
        }
        let terms = register.terms(step);
        for ((is_cash, lot), (left, came)) in moved {
            for (from, to, amount) in pairs(left, came) {
                let edge = Edge {
                    is_cash,
                    lot,
                    from,
                    to,
                    event: terms::event(step.payload),
                    purpose: terms.map(|terms| terms.purpose.clone()).unwrap_or_default(),
                    project_id: terms.map(|terms| terms.project_id.clone()).unwrap_or_default(),
                };
                self.add(edge, step, amount);
            }
        }
    }

    fn close(&mut self, register: &Register, row: &mut dyn FnMut(Row)) {
        let Some((_, fund)) = register.fund_named(&self.fund_id) else { return };
        for (edge, sum) in &self.edges {
            let lot = register.lot(edge.lot);
            let place = |(kind, unit): &Place| {
                let term = kind.map_or(terms::OUTSIDE, terms::account_kind);
                (Cell::Term(term), Cell::Text(unit.clone()))
            };
            let (from, from_unit) = place(&edge.from);
            let (to, to_unit) = place(&edge.to);
            row(Row::of(vec![
                Cell::Term(if edge.is_cash { terms::CASH } else { terms::AUTHORITY }),
                Cell::Text(lot.map(|lot| lot.lot_id.clone()).unwrap_or_default()),
                Cell::Text(lot.map(|lot| lot.document_number.clone()).unwrap_or_default()),
                from,
                from_unit,
                to,
                to_unit,
                Cell::Term(edge.event),
                Cell::Text(edge.purpose.clone()),
                Cell::Text(edge.project_id.clone()),
                Cell::Amount(sum.amount, fund.exponent),
                Cell::Text(fund.currency_code.clone()),
                Cell::Number(sum.events),
                Cell::Day(sum.days.0),
                Cell::Day(sum.days.1),
                Cell::Number(sum.sequences.0),
                Cell::Number(sum.sequences.1),
            ]));
        }
    }
}

impl Flow {
    fn add(&mut self, edge: Edge, step: &Step<'_>, amount: i128) {
        let new = Sum { amount: 0, events: 0, days: (step.day, step.day), sequences: (step.sequence, step.sequence) };
        let sum = self.edges.entry(edge).or_insert(new);
        sum.amount = sum.amount.saturating_add(amount);
        if sum.events == 0 || sum.sequences.1 != step.sequence {
            sum.events = sum.events.saturating_add(1);
        }
        sum.days = (sum.days.0.min(step.day), sum.days.1.max(step.day));
        sum.sequences.1 = step.sequence;
    }
}

/// What left one place and came to another, in the order of the legs; what has no other side is from or to outside.
fn pairs(left: Side, came: Side) -> Vec<(Place, Place, i128)> {
    let outside = || (None, String::new());
    let mut edges = Vec::new();
    let mut left = left.into_iter();
    let mut came = came.into_iter();
    let (mut from, mut to) = (left.next(), came.next());
    loop {
        match (from.take(), to.take()) {
            (Some((place, had)), Some((other, got))) => {
                let amount = had.min(got);
                edges.push((place.clone(), other.clone(), amount));
                let (rest, lacks) = (had.saturating_sub(amount), got.saturating_sub(amount));
                from = if rest > 0 { Some((place, rest)) } else { left.next() };
                to = if lacks > 0 { Some((other, lacks)) } else { came.next() };
            }
            (Some((place, had)), None) => {
                edges.push((place, outside(), had));
                from = left.next();
            }
            (None, Some((other, got))) => {
                edges.push((outside(), other, got));
                to = came.next();
            }
            (None, None) => return edges,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Place {
        (Some(Kind::Treasury), name.to_owned())
    }

    #[test]
    fn sides_are_paired_and_the_rest_is_from_outside() {
        let left = vec![(place("a"), 5), (place("b"), 3)];
        let came = vec![(place("c"), 6)];
        let outside = (None, String::new());
        let expected = vec![(place("a"), place("c"), 5), (place("b"), place("c"), 1), (place("b"), outside.clone(), 2)];
        assert_eq!(pairs(left, came), expected);
        assert_eq!(pairs(Vec::new(), vec![(place("c"), 6)]), vec![(outside, place("c"), 6)]);
    }
}
