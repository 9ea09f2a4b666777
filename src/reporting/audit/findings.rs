//! Auditors' findings that are not closed: how far each has got, how old it is, what it rests on.

use std::collections::BTreeMap;

use super::Closed;
use crate::pb::v1::event::Payload;
use crate::reporting::register::{Register, Step};
use crate::reporting::rows::{Row, Rows};
use crate::reporting::table::ColumnKind::{Date, Number, Term, Text};
use crate::reporting::table::{Cell, Column, column};
use crate::reporting::terms;

/// Its columns.
pub(super) const COLUMNS: &[Column] = &[
    column("finding_id", Text),
    column("rule_id", Text),
    column("stage", Term),
    column("amount_minor", Number),
    column("rectified_minor", Number),
    column("flagged_by", Text),
    column("flagged_on", Date),
    column("age_days", Number),
    column("as_of_date", Date),
    column("last_event", Term),
    column("last_date", Date),
    column("flagged_sequence", Number),
    column("last_sequence", Number),
    column("evidence_sequences", Text),
];

struct Finding {
    rule_id: String,
    stage: &'static str,
    amount_minor: i64,
    rectified_minor: i64,
    flagged_by: String,
    flagged: (i32, i64),
    last: (i32, i64, &'static str),
    evidence: String,
}

/// The table while it is made.
pub(super) struct Findings {
    on: Option<i32>,
    closed: Closed,
    last_day: i32,
    found: BTreeMap<String, Finding>,
}

impl Findings {
    pub(super) const fn new(on: Option<i32>, closed: Closed) -> Self {
        Self { on, closed, last_day: i32::MIN, found: BTreeMap::new() }
    }

    fn advance(&mut self, step: &Step<'_>, finding_id: &str, stage: &'static str, rectified_minor: i64) {
        let Some(finding) = self.found.get_mut(finding_id) else { return };
        // An answer after it was put right does not undo that.
        if !(finding.stage == terms::RECTIFIED && stage == terms::EXPLAINED) {
            finding.stage = stage;
        }
        finding.rectified_minor = finding.rectified_minor.saturating_add(rectified_minor);
        finding.last = (step.day, step.sequence, terms::event(step.payload));
    }
}

impl Rows for Findings {
    fn take(&mut self, step: &Step<'_>, _register: &Register, _row: &mut dyn FnMut(Row)) {
        if self.on.is_some_and(|on| step.day > on) {
            return;
        }
        self.last_day = self.last_day.max(step.day);
        #[expect(clippy::wildcard_enum_match_arm, reason = "four kinds of events are about a finding")]
        match step.payload {
            Payload::Flagged(flagged) => {
                let evidence: Vec<String> = flagged.sequences.iter().map(ToString::to_string).collect();
                let finding = Finding {
                    rule_id: flagged.rule_id.clone(),
                    stage: terms::OPEN,
                    amount_minor: flagged.amount_minor,
                    rectified_minor: 0,
                    flagged_by: step.actor.to_owned(),
                    flagged: (step.day, step.sequence),
                    last: (step.day, step.sequence, terms::event(step.payload)),
                    evidence: evidence.join(" "),
                };
                self.found.insert(flagged.finding_id.clone(), finding);
            }
            Payload::FindingExplained(answer) => self.advance(step, &answer.finding_id, terms::EXPLAINED, 0),
            Payload::FindingRectified(done) => {
                self.advance(step, &done.finding_id, terms::RECTIFIED, done.amount_minor);
            }
            Payload::FindingClosed(closed) => self.advance(step, &closed.finding_id, terms::CLOSED, 0),
            _ => {}
        }
    }

    fn close(&mut self, _register: &Register, row: &mut dyn FnMut(Row)) {
        let on = self.on.unwrap_or(self.last_day);
        let wanted = |finding: &Finding| self.closed == Closed::Listed || finding.stage != terms::CLOSED;
        let mut found: Vec<_> = self.found.iter().filter(|(_, finding)| wanted(finding)).collect();
        found.sort_by_key(|(_, finding)| finding.flagged.1);
        for (finding_id, finding) in found {
            let (flagged_on, flagged_sequence) = finding.flagged;
            let (last_day, last_sequence, last_event) = finding.last;
            row(Row::of(vec![
                Cell::Text(finding_id.clone()),
                Cell::Text(finding.rule_id.clone()),
                Cell::Term(finding.stage),
                Cell::Number(finding.amount_minor),
                Cell::Number(finding.rectified_minor),
                Cell::Text(finding.flagged_by.clone()),
                Cell::Day(flagged_on),
                Cell::Number(i64::from(on).saturating_sub(flagged_on.into())),
                Cell::Day(on),
                Cell::Term(last_event),
                Cell::Day(last_day),
                Cell::Number(flagged_sequence),
                Cell::Number(last_sequence),
                Cell::Text(finding.evidence.clone()),
            ]));
        }
    }
}
