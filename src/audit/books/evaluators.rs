//! Who evaluates: nobody who ordered payments of the lot, project or unit that has goals.

use std::collections::{BTreeMap, BTreeSet};

use super::{Books, Record, Step};
use crate::audit::frame::Fingerprint;
use crate::audit::report::FaultKind;
use crate::pb::v1::event::Payload;
use crate::pb::v1::{AccountKind, SubjectKind};

/// What can be evaluated: kind and name.
type Subject = (i32, Fingerprint);

/// Who orders payments of what.
#[derive(Default)]
pub(super) struct Evaluators {
    /// Units by the accounts for what they used.
    units: BTreeMap<i32, Fingerprint>,
    lots: BTreeMap<i32, Fingerprint>,
    /// By number of the account, whether it is a unit's.
    of_units: Vec<bool>,
    /// Who ordered payments since there were goals, by what has some.
    payers: BTreeMap<Subject, BTreeSet<Fingerprint>>,
}

impl Evaluators {
    /// Whether an account is a budget unit's.
    pub(super) fn is_of_unit(&self, account: i32) -> bool {
        usize::try_from(account)
            .ok()
            .and_then(|account| self.of_units.get(account))
            .is_some_and(|is_of_unit| *is_of_unit)
    }

    fn know_account(&mut self, account: i32, is_of_unit: bool) {
        // Numbers are given one after another, so that no hostile one asks for much room.
        match usize::try_from(account) {
            Ok(number) if number <= self.of_units.len().saturating_add(1) => {
                self.of_units.resize(number.saturating_add(1).max(self.of_units.len()), false);
                if let Some(known) = self.of_units.get_mut(number) {
                    *known = is_of_unit;
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
}

impl Books {
    /// Remembers who orders payments of what has goals, and holds whoever evaluates against it.
    pub(super) fn evaluate(&mut self, step: Step<'_>, record: &Record) {
        if let Payload::TransactionPosted(_) = step.payload {
            let mut rest = step.legs;
            for posted in &record.operations {
                let Some((legs, after)) = posted.leg_count.and_then(|count| rest.split_at_checked(count)) else {
                    return;
                };
                rest = after;
                if let Some(payload) = &posted.payload {
                    self.evaluate_step(Step { payload, legs, ..step }, record.maker);
                }
            }
        } else {
            self.evaluate_step(step, record.maker);
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other types name nothing, pay nothing and evaluate nothing"
    )]
    fn evaluate_step(&mut self, step: Step<'_>, maker: Fingerprint) {
        match step.payload {
            Payload::AccountOpened(opened) => {
                self.evaluators.know_account(opened.account, !opened.unit_id.is_empty());
                if opened.kind() == AccountKind::AuthorityUsed {
                    self.evaluators.units.insert(opened.account, self.fingerprints.of(&opened.unit_id));
                }
            }
            Payload::BudgetIssued(issued) => {
                if let Some(lot) = &issued.lot {
                    self.evaluators.lots.insert(lot.lot, self.fingerprints.of(&lot.lot_id));
                }
            }
            Payload::OpeningBalance(opening) => {
                for lot in &opening.lots {
                    self.evaluators.lots.insert(lot.lot, self.fingerprints.of(&lot.lot_id));
                }
            }
            Payload::GoalSet(set) => {
                let subject = (set.subject_kind, self.fingerprints.of(&set.subject_id));
                self.evaluators.payers.entry(subject).or_default();
            }
            Payload::PaymentExecuted(payment) if !self.evaluators.payers.is_empty() => {
                let Evaluators { units, lots, payers, .. } = &mut self.evaluators;
                let mut ordered = |kind: SubjectKind, id: Fingerprint| {
                    if let Some(payers) = payers.get_mut(&(kind.into(), id)) {
                        payers.insert(maker);
                    }
                };
                if !payment.project_id.is_empty() {
                    ordered(SubjectKind::Project, self.fingerprints.of(&payment.project_id));
                }
                for leg in step.legs.iter().filter(|leg| leg.lot != 0) {
                    // Accounts for what was used, and no others, are known here.
                    let Some(unit) = units.get(&leg.account) else { continue };
                    ordered(SubjectKind::Unit, *unit);
                    if let Some(lot) = lots.get(&leg.lot) {
                        ordered(SubjectKind::Lot, *lot);
                    }
                }
            }
            Payload::PerformanceScored(scored) => {
                let id = self.fingerprints.of(&scored.subject_id);
                let kinds = [SubjectKind::Lot, SubjectKind::Project, SubjectKind::Unit];
                let has_paid = |kind: SubjectKind| {
                    self.evaluators.payers.get(&(kind.into(), id)).is_some_and(|payers| payers.contains(&maker))
                };
                if kinds.into_iter().any(has_paid) {
                    let subject = format!("{:?}", scored.subject_id);
                    let message = fact!("{} is evaluated by whoever ordered payments of it", subject);
                    self.findings.add(step.sequence, FaultKind::SegregationOfDuties, message);
                }
            }
            _ => {}
        }
    }
}
