//! Where a lot's money went, and where the rest lies: from the lot to those who hold it, from them to what they paid and what
//! they have left, from what was paid to what it was for.
//!
//! What came back is told beside what it came back from; each amount that goes on is net of it, so that what comes to a place
//! is what goes on from it, and nothing runs in circles.

use std::collections::BTreeMap;

use super::{Sequences, is_held, with_sequence};
use crate::pb::v1::AccountKind as Kind;
use crate::reporting::register::{Register, Step};
use crate::reporting::rows::{Row, Rows};
use crate::reporting::table::ColumnKind::{Amount, Number, Share, Term, Text};
use crate::reporting::table::{Cell, Column, column, share};
use crate::reporting::terms;

/// Its columns. The first four say from where to where; amounts of a level sum to what was issued, but for the third, which
/// sums to what was paid.
pub(super) const COLUMNS: &[Column] = &[
    column("level", Number),
    column("from", Term),
    column("from_name", Text),
    column("to", Term),
    column("to_name", Text),
    column("amount", Amount),
    column("share_of_lot", Share),
    column("returned", Amount),
    column("currency_code", Text),
    column("payments", Number),
    column("events", Number),
    column("first_sequence", Number),
    column("last_sequence", Number),
];

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    amount: i128,
    returned: i128,
    payments: i64,
    events: i64,
    sequences: Sequences,
}

impl Sum {
    fn add(&mut self, amount: i128, sequence: i64) {
        self.amount = self.amount.saturating_add(amount);
        if self.sequences.is_none_or(|(_, last)| last != sequence) {
            self.events = self.events.saturating_add(1);
            self.sequences = Some(with_sequence(self.sequences, sequence));
        }
    }

    /// Of an event that is another for each, which is not counted twice in what is known apart.
    fn join(&mut self, other: &Self) {
        self.amount = self.amount.saturating_add(other.amount);
        self.returned = self.returned.saturating_add(other.returned);
        self.payments = self.payments.saturating_add(other.payments);
    }
}

/// The table while it is made.
pub(super) struct LotFlow {
    lot_id: String,
    /// By unit and kind of account; no unit is the fund itself.
    places: BTreeMap<(String, i32), Sum>,
    /// All that a unit has or had.
    units: BTreeMap<String, Sum>,
    /// By unit, purpose and project.
    purposes: BTreeMap<(String, String), Sum>,
    issued: i128,
}

impl LotFlow {
    pub(super) const fn new(lot_id: String) -> Self {
        Self { lot_id, places: BTreeMap::new(), units: BTreeMap::new(), purposes: BTreeMap::new(), issued: 0 }
    }
}

impl Rows for LotFlow {
    fn take(&mut self, step: &Step<'_>, register: &Register, _row: &mut dyn FnMut(Row)) {
        for leg in step.legs.iter().filter(|leg| register.lot(leg.lot).is_some_and(|lot| lot.lot_id == self.lot_id)) {
            let (kind, unit) = (register.kind(leg.account), register.unit(leg.account).to_owned());
            let credit = i128::from(leg.amount_minor).saturating_neg();
            if kind == Kind::AuthoritySource {
                self.issued = self.issued.saturating_sub(credit);
            }
            if !is_held(kind) && !matches!(kind, Kind::AuthorityUsed | Kind::AuthorityRecalled) {
                continue;
            }
            if kind == Kind::AuthorityUsed {
                let named = register.terms(step).map(|terms| [terms.purpose.as_str(), terms.project_id.as_str()]);
                let name = named.map(|[purpose, project]| format!("{purpose} {project}").trim().to_owned());
                let sum = self.purposes.entry((unit.clone(), name.unwrap_or_default())).or_default();
                sum.add(credit, step.sequence);
                if credit > 0 {
                    sum.payments = sum.payments.saturating_add(1);
                } else {
                    sum.returned = sum.returned.saturating_sub(credit);
                }
            }
            self.units.entry(unit.clone()).or_default().add(credit, step.sequence);
            self.places.entry((unit, kind.into())).or_default().add(credit, step.sequence);
        }
    }

    fn close(&mut self, register: &Register, row: &mut dyn FnMut(Row)) {
        let fund =
            register.lots().find(|(_, lot)| lot.lot_id == self.lot_id).and_then(|(_, lot)| register.fund(lot.fund));
        let (exponent, currency_code) =
            fund.map_or((0, String::new()), |fund| (fund.exponent, fund.currency_code.clone()));
        let issued = self.issued;
        let mut line = |level: i64, from: (&'static str, &str), to: (&'static str, &str), sum: &Sum| {
            if sum.amount <= 0 && sum.returned == 0 {
                return;
            }
            let (first, last) = sum.sequences.unwrap_or_default();
            row(Row::of(vec![
                Cell::Number(level),
                Cell::Term(from.0),
                Cell::Text(from.1.to_owned()),
                Cell::Term(to.0),
                Cell::Text(to.1.to_owned()),
                Cell::Amount(sum.amount, exponent),
                Cell::Share(share(sum.amount, issued)),
                if sum.returned == 0 { Cell::Empty } else { Cell::Amount(sum.returned, exponent) },
                Cell::Text(currency_code.clone()),
                if sum.payments == 0 { Cell::Empty } else { Cell::Number(sum.payments) },
                Cell::Number(sum.events),
                Cell::Number(first),
                Cell::Number(last),
            ]));
        };
        let used = i32::from(Kind::AuthorityUsed);
        let mut paid: BTreeMap<&str, Sum> = BTreeMap::new();
        for ((unit, _), sum) in &self.purposes {
            paid.entry(unit).or_default().join(sum);
        }
        let kind_of = |number: i32| terms::account_kind(Kind::try_from(number).unwrap_or_default());
        let lot = (terms::LOT, self.lot_id.as_str());
        // What is nobody's lies with the fund, and goes no further; but for what a fund without units paid.
        for (unit, sum) in self.units.iter().filter(|(unit, _)| !unit.is_empty()) {
            line(1, lot, (terms::UNIT, unit), sum);
        }
        for ((_, kind), sum) in self.places.iter().filter(|((unit, _), _)| unit.is_empty()) {
            line(1, lot, (kind_of(*kind), ""), sum);
        }
        for ((unit, kind), sum) in self.places.iter().filter(|((unit, _), _)| !unit.is_empty()) {
            let mut sum = *sum;
            if *kind == used {
                let known = paid.get(unit.as_str()).copied().unwrap_or_default();
                (sum.returned, sum.payments) = (known.returned, known.payments);
            }
            line(2, (terms::UNIT, unit), (kind_of(*kind), unit), &sum);
        }
        for ((unit, purpose), sum) in &self.purposes {
            line(3, (kind_of(used), unit), (terms::PURPOSE, purpose), sum);
        }
    }
}
