//! Who answers for each payment: who made, proposed and approved it, with which key, who cleared, released, returned or took
//! it back, and who first took a matter about it (首问责任).
//!
//! A payment's acts stand together, in the order in which they came: so all payments are held until the end, in few bytes each.

mod payments;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use self::payments::{Payment, Payments};

use super::{PaidOut, Period, is_wanted, paid_out};
use crate::pb::v1::event::Payload;
use crate::reporting::register::{Register, Step};
use crate::reporting::rows::{Row, Rows};
use crate::reporting::table::ColumnKind::{Amount, Date, Number, Term, Text};
use crate::reporting::table::{Cell, Column, column};
use crate::reporting::terms;

/// Its columns.
pub(super) const COLUMNS: &[Column] = &[
    column("payment_id", Text),
    column("payment_sequence", Number),
    column("operation", Number),
    column("fund_id", Text),
    column("unit_id", Text),
    column("amount", Amount),
    column("currency_code", Text),
    column("act", Term),
    column("person", Text),
    column("key_number", Number),
    column("signature", Term),
    column("sequence", Number),
    column("date", Date),
    column("booked_at", Text),
];

/// Somebody did something, at an event.
#[derive(Clone)]
struct Act {
    did: &'static str,
    person: String,
    /// Number of the key that signed; 0 where nobody signed.
    key: i32,
    sequence: i64,
    day: i32,
    booked_at_ns: i64,
}

impl Act {
    fn of(did: &'static str, step: &Step<'_>) -> Self {
        Self {
            did,
            person: step.actor.to_owned(),
            key: 0,
            sequence: step.sequence,
            day: step.day,
            booked_at_ns: step.booked_at_ns,
        }
    }
}

/// The table while it is made.
pub(super) struct Responsibility {
    payments: BTreeSet<String>,
    fund: Option<String>,
    unit: Option<String>,
    period: Period,
    /// What was done about proposals that may still be carried out, by their sequence.
    proposals: BTreeMap<i64, Vec<Act>>,
    /// The event that carried out a proposal which cannot be carried out again, and the proposal.
    carried_out: Option<(i64, i64)>,
    found: Payments,
}

impl Responsibility {
    pub(super) fn new(payments: Vec<String>, fund: Option<String>, unit: Option<String>, period: Period) -> Self {
        Self {
            payments: payments.into_iter().collect(),
            fund,
            unit,
            period,
            proposals: BTreeMap::new(),
            carried_out: None,
            found: Payments::default(),
        }
    }

    fn add(&mut self, payment_id: &str, act: &Act) {
        if let Some(payment) = self.found.named(payment_id) {
            self.found.add(payment, act);
        }
    }

    fn is_of(&self, step: &Step<'_>, paid: &PaidOut<'_>, register: &Register) -> bool {
        self.period.has(step.day)
            && (self.payments.is_empty() || self.payments.contains(paid.payment_id))
            && register.fund(paid.fund).is_some_and(|fund| is_wanted(self.fund.as_ref(), fund))
            && self.unit.as_ref().is_none_or(|unit| *unit == paid.unit_id)
    }

    fn made(&mut self, step: &Step<'_>, paid: &PaidOut<'_>) {
        let proposal = step.signed.map_or(0, |signed| signed.proposal_sequence);
        let mut acts = self.proposals.get(&proposal).cloned().unwrap_or_default();
        acts.push(Act::of(terms::MAKER, step));
        for approval in step.approvals {
            // Who approved the proposal did so at an event of their own.
            let is_known = acts.iter().any(|act| act.did == terms::CHECKER && act.person == approval.actor);
            if !is_known {
                let act = Act::of(terms::CHECKER, step);
                acts.push(Act { person: approval.actor.clone(), key: approval.key, ..act });
            }
        }
        let payment = Payment {
            sequence: step.sequence,
            operation: step.operation,
            fund: paid.fund,
            unit_id: paid.unit_id,
            amount: paid.amount,
        };
        let payment = self.found.make(paid.payment_id, &payment);
        for act in &acts {
            self.found.add(payment, act);
        }
    }
}

impl Rows for Responsibility {
    fn take(&mut self, step: &Step<'_>, register: &Register, _row: &mut dyn FnMut(Row)) {
        // A command that was approved alone is carried out once, in one event; a batch is, one command after another.
        if let Some((_, proposal)) = self.carried_out.filter(|(sequence, _)| *sequence != step.sequence) {
            self.proposals.remove(&proposal);
            self.carried_out = None;
        }
        if let Some(signed) = step.signed.filter(|signed| signed.batch_index.is_none()) {
            self.carried_out = Some((step.sequence, signed.proposal_sequence));
        }
        if let Some(paid) = paid_out(step, register).filter(|paid| self.is_of(step, paid, register)) {
            self.made(step, &paid);
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "only these are acts about payments")]
        match step.payload {
            Payload::CommandProposed(_) => {
                self.proposals.insert(step.sequence, vec![Act::of(terms::event(step.payload), step)]);
            }
            Payload::ProposalApproved(approved) => {
                if let Some(acts) = self.proposals.get_mut(&approved.proposal_sequence) {
                    acts.push(Act { key: approved.key, ..Act::of(terms::CHECKER, step) });
                }
            }
            Payload::ProposalWithdrawn(gone) => {
                self.proposals.remove(&gone.proposal_sequence);
            }
            Payload::ProposalExpired(gone) => {
                self.proposals.remove(&gone.proposal_sequence);
            }
            Payload::Cleared(cleared) => {
                for payment_id in &cleared.payment_ids {
                    self.add(payment_id, &Act::of(terms::event(step.payload), step));
                }
            }
            Payload::PaymentReturned(returned) => {
                self.add(&returned.payment_id, &Act::of(terms::event(step.payload), step));
            }
            Payload::BenefitRecovered(returned) => {
                self.add(&returned.payment_id, &Act::of(terms::event(step.payload), step));
            }
            Payload::Reversed(reversed) => self.add(&reversed.payment_id, &Act::of(terms::event(step.payload), step)),
            Payload::PaymentReleased(released) => {
                for release in &released.payments {
                    for payment in self.found.made_at(release.sequence) {
                        if self.found.operation(payment) == Some(release.operation) {
                            self.found.add(payment, &Act::of(terms::event(step.payload), step));
                        }
                    }
                }
            }
            Payload::MatterOpened(matter) if !matter.first_handler.is_empty() => {
                let act = Act { person: matter.first_handler.clone(), ..Act::of(terms::FIRST_HANDLER, step) };
                for payment in self.found.made_at(matter.about_sequence) {
                    self.found.add(payment, &act);
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, register: &Register, row: &mut dyn FnMut(Row)) {
        self.found.each(|payment_id, payment, act| {
            let fund = register.fund(payment.fund);
            let exponent = fund.map_or(0, |fund| fund.exponent);
            let is_approval = act.did == terms::CHECKER;
            let signature = if act.key > 0 { terms::SIGNED } else { terms::NAMED };
            row(Row::of(vec![
                Cell::Text(payment_id.to_owned()),
                Cell::Number(payment.sequence),
                Cell::Number(payment.operation.into()),
                Cell::Text(fund.map(|fund| fund.fund_id.clone()).unwrap_or_default()),
                Cell::Text(payment.unit_id.to_owned()),
                Cell::Amount(payment.amount, exponent),
                Cell::Text(fund.map(|fund| fund.currency_code.clone()).unwrap_or_default()),
                Cell::Term(act.did),
                Cell::Text(act.person),
                if act.key > 0 { Cell::Number(act.key.into()) } else { Cell::Empty },
                if is_approval { Cell::Term(signature) } else { Cell::Empty },
                Cell::Number(act.sequence),
                Cell::Day(act.day),
                Cell::Text(booked_at(act.booked_at_ns)),
            ]));
        });
    }
}

/// A time of booking, UTC, to the nanosecond.
fn booked_at(ns: i64) -> String {
    Timestamp::from_nanosecond(ns.into()).map_or_else(|_| ns.to_string(), |time| time.to_string())
}
