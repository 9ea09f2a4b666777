//! Goals of performance: their weights make a whole at most, and what changes or corrects one names the record that held.

use std::collections::{BTreeMap, BTreeSet};

use super::{Books, Step};
use crate::audit::calendar::year_month;
use crate::audit::frame::Fingerprint;
use crate::pb::v1::event::Payload;
use crate::pb::v1::{GoalSet, OutputRecorded, SubjectKind};

/// The whole of the weights of a subject's goals in a year.
const WHOLE_PPM: i64 = 1_000_000;

/// A goal, as it holds.
struct Goal {
    set: i64,
    weight_ppm: i64,
    /// The last record, and the day that it tells of.
    recorded: Option<(i64, i32)>,
}

/// Goals by indicator.
type OfSubject = BTreeMap<Fingerprint, Goal>;

/// All goals.
#[derive(Default)]
pub(super) struct Goals {
    /// What there can be goals of: kind and name.
    subjects: BTreeSet<(i32, Fingerprint)>,
    /// By kind and name of the subject, and year.
    goals: BTreeMap<(i32, Fingerprint, i32), OfSubject>,
}

impl Books {
    /// Remembers what there can be goals of.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other types name no lot, project or unit first")]
    pub(super) fn know_subjects(&mut self, payload: &Payload) {
        match payload {
            Payload::AccountOpened(m) => self.know(SubjectKind::Unit, &m.unit_id),
            Payload::BudgetIssued(m) => m.lot.iter().for_each(|lot| self.know(SubjectKind::Lot, &lot.lot_id)),
            Payload::OpeningBalance(m) => m.lots.iter().for_each(|lot| self.know(SubjectKind::Lot, &lot.lot_id)),
            Payload::EstimateApproved(m) => self.know(SubjectKind::Project, &m.project_id),
            Payload::TenderOpened(m) => self.know(SubjectKind::Project, &m.project_id),
            Payload::ContractRegistered(m) => self.know(SubjectKind::Project, &m.project_id),
            _ => {}
        }
    }

    fn know(&mut self, kind: SubjectKind, id: &str) {
        if !id.is_empty() {
            let id = self.fingerprints.of(id);
            self.goals.subjects.insert((kind.into(), id));
        }
    }

    /// 绩效目标: of something that is known, before its year ends, in the place of the one that held.
    pub(super) fn set_goal(&mut self, step: Step<'_>, set: &GoalSet) {
        let indicator = format!("{:?}", set.indicator_code);
        let subject_id = format!("{:?}", set.subject_id);
        let id = self.fingerprints.of(&set.subject_id);
        if !self.goals.subjects.contains(&(set.subject_kind, id)) {
            self.wrong(step, fact!("a goal of {}, which is unknown", subject_id));
        }
        let (year, _) = year_month(step.business_day);
        if year > set.year {
            self.wrong(step, fact!("goal {} of {} is set in {}", indicator, set.year, year));
        }
        let of_subject = self.goals.goals.entry((set.subject_kind, id, set.year)).or_default();
        let goal = of_subject.entry(self.fingerprints.of(&set.indicator_code));
        let current = match &goal {
            std::collections::btree_map::Entry::Occupied(known) => known.get().set,
            std::collections::btree_map::Entry::Vacant(_) => 0,
        };
        let goal = goal.or_insert(Goal { set: 0, weight_ppm: 0, recorded: None });
        goal.set = step.sequence;
        goal.weight_ppm = set.weight_ppm.into();
        let is_weight = goal.weight_ppm > 0;
        let together = of_subject.values().fold(0_i64, |sum, goal| sum.saturating_add(goal.weight_ppm));
        if current != set.replaces_sequence {
            let named = set.replaces_sequence;
            self.wrong(step, fact!("goal {} replaces that of sequence {}, not {}", indicator, current, named));
        }
        if !is_weight || together > WHOLE_PPM {
            let weight = set.weight_ppm;
            self.wrong(step, fact!("goal {} weighs {} ppm, all of its subject's {}", indicator, weight, together));
        }
        if set.target_milli < 0 {
            self.wrong(step, fact!("goal {} has target {}", indicator, set.target_milli));
        }
    }

    /// 实际完成值: towards a goal that there is, of a later day than the last record, or in its place.
    pub(super) fn record_output(&mut self, step: Step<'_>, output: &OutputRecorded) {
        let indicator = format!("{:?}", output.indicator_code);
        let key = (output.subject_kind, self.fingerprints.of(&output.subject_id), output.year);
        let indicator_key = self.fingerprints.of(&output.indicator_code);
        let goal = self.goals.goals.get_mut(&key).and_then(|goals| goals.get_mut(&indicator_key));
        let Some(goal) = goal else {
            return self.wrong(step, fact!("an output towards goal {}, which nobody set", indicator));
        };
        let known = goal.recorded.replace((step.sequence, output.as_of_day));
        let fits = match (known, output.corrects_sequence) {
            (None, corrected) => corrected == 0,
            (Some((_, day)), 0) => output.as_of_day > day,
            (Some((sequence, _)), corrected) => corrected == sequence,
        };
        if !fits {
            let last = known.map_or(0, |(sequence, _)| sequence);
            self.wrong(step, fact!("an output towards goal {} passes over that of sequence {}", indicator, last));
        }
        if output.actual_milli < 0 {
            self.wrong(step, fact!("an output of {} towards goal {}", output.actual_milli, indicator));
        }
    }
}
