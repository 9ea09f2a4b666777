//! Performance by subject and year: goals as they hold, what was done towards them, and scores.

use std::collections::BTreeMap;

use crate::domain::event::{Event, Payload};
use crate::domain::ids::{Code, DisplayName, DocumentNumber, Sequence};
use crate::domain::oversight::{Oversight, OversightEvent};
use crate::domain::performance::{
    EvaluatorKind, Goal, GoalDirection, IndicatorCategory, Output, Subject, SubjectKind, attainment_ppm, together_ppm,
};
use crate::domain::time::Day;
use crate::format::stored::{Malformed, Stored};
use crate::stored_struct;

/// A goal as it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoalView {
    /// Indicator.
    pub indicator_code: Code,
    /// What it is called.
    pub indicator_name: DisplayName,
    /// What it measures.
    pub category: IndicatorCategory,
    /// Unit of measure.
    pub unit_of_measure: DisplayName,
    /// Target, thousandths of the unit.
    pub target_milli: i64,
    /// On which side of it a value is good.
    pub direction: GoalDirection,
    /// Weight, parts per million.
    pub weight_ppm: u32,
    /// The event that set it.
    pub set: Sequence,
    /// The last record.
    pub output: Option<OutputView>,
}

stored_struct!(GoalView {
    indicator_code,
    indicator_name,
    category,
    unit_of_measure,
    target_milli,
    direction,
    weight_ppm,
    set,
    output,
});

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputView {
    /// How much, thousandths of the unit.
    pub actual_milli: i64,
    /// By when.
    pub as_of: Day,
    /// The event that recorded it.
    pub recorded: Sequence,
}

stored_struct!(OutputView { actual_milli, as_of, recorded });

impl GoalView {
    /// How far it is attained, parts per million; not at all where nothing is recorded.
    pub fn attainment_ppm(&self) -> i64 {
        self.output.map_or(0, |output| attainment_ppm(self.direction, self.target_milli, output.actual_milli))
    }
}

/// A score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreView {
    /// Who evaluated.
    pub evaluator: Option<EvaluatorKind>,
    /// Hundredths of a point.
    pub score: u32,
    /// Document.
    pub document_number: DocumentNumber,
    /// The event.
    pub scored: Sequence,
}

stored_struct!(ScoreView { evaluator, score, document_number, scored });

/// Performance of a subject in a year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerformanceView {
    /// What of; `None` where there is a score and no goal, which says it.
    pub kind: Option<SubjectKind>,
    /// Its name.
    pub subject_id: Code,
    /// Year.
    pub year: i32,
    /// Goals, in the order in which they were first set.
    pub goals: Vec<GoalView>,
    /// The last score of each kind of evaluator.
    pub scores: Vec<ScoreView>,
}

stored_struct!(PerformanceView { kind, subject_id, year, goals, scores });

impl PerformanceView {
    /// How far the goals are attained together, parts per million.
    pub fn attainment_ppm(&self) -> i64 {
        together_ppm(self.goals.iter().map(|goal| (goal.weight_ppm, goal.attainment_ppm())))
    }

    fn score(&mut self, score: ScoreView) {
        match self.scores.iter_mut().find(|known| known.evaluator == score.evaluator) {
            Some(known) => *known = score,
            None => self.scores.push(score),
        }
    }
}

type Key = (Code, i32, Option<SubjectKind>);

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Performances {
    // In the order in which each got its first goal or score.
    all: Vec<PerformanceView>,
    places: BTreeMap<Key, usize>,
}

impl Performances {
    /// All of it, in the order in which each got its first goal or score.
    pub fn all(&self) -> &[PerformanceView] {
        &self.all
    }

    /// Performance of a subject in a year.
    pub fn of(&self, subject: &Subject, year: i32) -> Option<&PerformanceView> {
        let place = self.places.get(&(subject.id.clone(), year, Some(subject.kind)));
        place.and_then(|place| self.all.get(*place))
    }

    pub(super) fn apply(&mut self, sequence: Sequence, event: &Event) {
        if let Payload::Oversight(oversight) = &event.decision.payload {
            self.oversee(sequence, oversight);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only these are about performance")]
    fn oversee(&mut self, sequence: Sequence, oversight: &OversightEvent) {
        match oversight {
            Oversight::Goal(goal) => self.set(sequence, goal),
            Oversight::Output(output) => self.record(sequence, output),
            Oversight::Performance { subject_id, year, score, document_number, evaluator } => {
                let document_number = document_number.clone();
                let score = ScoreView { evaluator: *evaluator, score: *score, document_number, scored: sequence };
                let first = (subject_id.clone(), *year, None);
                let last = (subject_id.clone(), *year, Some(SubjectKind::Unit));
                let of_subject: Vec<usize> = self.places.range(first..=last).map(|(_, place)| *place).collect();
                if of_subject.is_empty() {
                    self.row(None, subject_id, *year).score(score);
                    return;
                }
                // A score names no kind: it is of whatever has goals under this name.
                for place in of_subject {
                    if let Some(view) = self.all.get_mut(place) {
                        view.score(score.clone());
                    }
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, sequence: Sequence, goal: &Goal) {
        let key = &goal.key;
        let view = self.row(Some(key.subject.kind), &key.subject.id, key.year);
        let found = view.goals.iter().position(|known| known.indicator_code == key.indicator_code);
        let known = found.and_then(|place| view.goals.get_mut(place));
        let new = GoalView {
            indicator_code: key.indicator_code.clone(),
            indicator_name: goal.indicator_name.clone(),
            category: goal.category,
            unit_of_measure: goal.unit_of_measure.clone(),
            target_milli: goal.target_milli,
            direction: goal.direction,
            weight_ppm: goal.weight_ppm,
            set: sequence,
            output: known.as_ref().and_then(|known| known.output),
        };
        match known {
            Some(known) => *known = new,
            None => view.goals.push(new),
        }
    }

    fn record(&mut self, sequence: Sequence, output: &Output) {
        let key = &output.key;
        let view = self.row(Some(key.subject.kind), &key.subject.id, key.year);
        if let Some(goal) = view.goals.iter_mut().find(|goal| goal.indicator_code == key.indicator_code) {
            let Output { actual_milli, as_of, .. } = *output;
            goal.output = Some(OutputView { actual_milli, as_of, recorded: sequence });
        }
    }

    /// The row of a subject and year; one that only had scores becomes that of the first kind that gets goals.
    #[expect(clippy::indexing_slicing, reason = "a place is that of a row, and rows are only added")]
    fn row(&mut self, kind: Option<SubjectKind>, subject_id: &Code, year: i32) -> &mut PerformanceView {
        let key = (subject_id.clone(), year, kind);
        let known = self.places.get(&key).copied();
        let known = known.or_else(|| self.places.remove(&(subject_id.clone(), year, None)));
        let place = known.unwrap_or(self.all.len());
        if place == self.all.len() {
            let subject_id = subject_id.clone();
            self.all.push(PerformanceView { kind, subject_id, year, goals: Vec::new(), scores: Vec::new() });
        }
        self.places.insert(key, place);
        let view = &mut self.all[place];
        view.kind = kind;
        view
    }
}

impl Stored for Performances {
    fn put(&self, to: &mut Vec<u8>) {
        self.all.put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let all: Vec<PerformanceView> = Stored::take(from)?;
        let places = all.iter().enumerate();
        let places = places.map(|(place, view)| ((view.subject_id.clone(), view.year, view.kind), place)).collect();
        Ok(Self { all, places })
    }
}
