//! Statutory clocks, derived again from policies and events: those that are overdue, and by option those that were met late.
//!
//! What the running ledger lists (`clocks`) is made by other code; that both say the same is held by a test.

use std::collections::BTreeMap;

use super::Late;
use crate::pb::v1::event::Payload;
use crate::pb::v1::{AccountKind, ClockKind, LimitUnit, PolicyClock, PolicyTerms};
use crate::reporting::register::{Register, Step};
use crate::reporting::rows::{Row, Rows};
use crate::reporting::table::ColumnKind::{Date, Number, Term, Text};
use crate::reporting::table::{Cell, Column, column};
use crate::reporting::terms;

/// Its columns.
pub(super) const COLUMNS: &[Column] = &[
    column("clock_code", Text),
    column("clock_kind", Term),
    column("subject_id", Text),
    column("fund_id", Text),
    column("unit_id", Text),
    column("clock_status", Term),
    column("days_over", Number),
    column("started_on", Date),
    column("due_on", Date),
    column("ended_on", Date),
    column("as_of_date", Date),
    column("started_sequence", Number),
    column("ended_sequence", Number),
];

/// Longest limit that a policy can set.
const LIMIT_MAX_DAYS: i32 = 3_660;
/// 1970-01-01 was a Thursday; Monday is 0.
const EPOCH_WEEKDAY: i32 = 3;
const SATURDAY: i32 = 5;

/// A version of a policy, as far as clocks need it.
struct Version {
    effective_from: i32,
    terms: PolicyTerms,
}

/// A clock that started.
struct Clock {
    code: String,
    kind: ClockKind,
    subject: String,
    fund: i32,
    unit_id: String,
    started: (i32, i64),
    due: i32,
    ended: Option<(i32, i64)>,
}

/// What starts a clock.
struct Start<'a> {
    kind: ClockKind,
    subject: &'a str,
    fund: i32,
    unit_id: &'a str,
}

/// The table while it is made.
pub(super) struct Overdue {
    fund: Option<String>,
    on: Option<i32>,
    late: Late,
    last_day: i32,
    policies: BTreeMap<String, Vec<Version>>,
    /// The policy of each fund.
    fund_policies: BTreeMap<i32, String>,
    /// Those that run, by kind and subject.
    running: BTreeMap<(ClockKind, String), Clock>,
    /// Those that were met late.
    met_late: Vec<Clock>,
}

impl Overdue {
    pub(super) const fn new(fund: Option<String>, on: Option<i32>, late: Late) -> Self {
        Self {
            fund,
            on,
            late,
            last_day: i32::MIN,
            policies: BTreeMap::new(),
            fund_policies: BTreeMap::new(),
            running: BTreeMap::new(),
            met_late: Vec::new(),
        }
    }

    /// The clock that the fund's policy sets; where there is no fund, that of the first policy by name which sets one.
    fn set(&self, start: &Start<'_>, code: Option<&str>, day: i32) -> Option<(String, i32)> {
        let of_fund = self.fund_policies.get(&start.fund);
        let candidates = self.policies.iter().filter(|(id, _)| start.fund == 0 || of_fund == Some(*id));
        let mut found = candidates.filter_map(|(_, versions)| {
            let version = versions.iter().rev().find(|version| version.effective_from <= day)?;
            let fits = |clock: &&PolicyClock| clock.kind() == start.kind && code.is_none_or(|code| clock.code == code);
            let clock = version.terms.clocks.iter().find(fits)?;
            Some((clock.code.clone(), due(&version.terms, clock, day)))
        });
        found.next()
    }

    fn start(&mut self, step: &Step<'_>, start: &Start<'_>, code: Option<&str>) {
        let key = (start.kind, start.subject.to_owned());
        // What started twice runs from the first time.
        if self.policies.is_empty() || self.running.contains_key(&key) {
            return;
        }
        let Some((code, due)) = self.set(start, code, step.day) else { return };
        let clock = Clock {
            code,
            kind: start.kind,
            subject: start.subject.to_owned(),
            fund: start.fund,
            unit_id: start.unit_id.to_owned(),
            started: (step.day, step.sequence),
            due,
            ended: None,
        };
        self.running.insert(key, clock);
    }

    fn end(&mut self, step: &Step<'_>, kind: ClockKind, subject: &str) {
        let Some(clock) = self.running.remove(&(kind, subject.to_owned())) else { return };
        if self.late == Late::Listed && step.day > clock.due {
            self.met_late.push(Clock { ended: Some((step.day, step.sequence)), ..clock });
        }
    }
}

/// The last day in time for a clock that starts on a day.
fn due(terms: &PolicyTerms, clock: &PolicyClock, start: i32) -> i32 {
    let limit = clock.limit.clamp(0, LIMIT_MAX_DAYS);
    if clock.unit() != LimitUnit::WorkingDays {
        return start.saturating_add(limit);
    }
    let is_working_day = |day: i32| {
        let weekday = day.saturating_add(EPOCH_WEEKDAY).rem_euclid(7);
        if weekday >= SATURDAY { terms.working_weekends.contains(&day) } else { !terms.holidays.contains(&day) }
    };
    let mut left = limit;
    let mut day = start;
    // A calendar without any working day would never end.
    for _ in 0..LIMIT_MAX_DAYS.saturating_mul(8) {
        if left == 0 {
            break;
        }
        day = day.saturating_add(1);
        left = left.saturating_sub(i32::from(is_working_day(day)));
    }
    day
}

impl Rows for Overdue {
    fn take(&mut self, step: &Step<'_>, register: &Register, _row: &mut dyn FnMut(Row)) {
        if self.on.is_some_and(|on| step.day > on) && !matches!(step.payload, Payload::PolicySet(_)) {
            return;
        }
        self.last_day = self.last_day.max(step.day);
        let fund = || step.legs.first().map_or(0, |leg| register.fund_of(leg.account));
        let about = |kind, subject, fund| Start { kind, subject, fund, unit_id: "" };
        #[expect(clippy::wildcard_enum_match_arm, reason = "only these start or end clocks, or set them")]
        match step.payload {
            Payload::PolicySet(policy) => {
                let terms = policy.terms.clone().unwrap_or_default();
                let version = Version { effective_from: policy.effective_from_day, terms };
                self.policies.entry(policy.policy_id.clone()).or_default().push(version);
            }
            Payload::FundDefined(defined) => {
                self.fund_policies.insert(defined.fund, defined.policy_id.clone());
            }
            Payload::BudgetIssued(issued) => {
                if let Some(lot) = &issued.lot {
                    self.start(step, &about(ClockKind::IssuedToAllocated, &lot.lot_id, lot.fund), None);
                }
            }
            Payload::BudgetAllocated(_) => {
                for lot in step.legs.iter().filter_map(|leg| register.lot(leg.lot)) {
                    self.end(step, ClockKind::IssuedToAllocated, &lot.lot_id);
                }
            }
            Payload::PaymentExecuted(payment) => {
                let used = step.legs.iter().find(|leg| register.kind(leg.account) == AccountKind::AuthorityUsed);
                let unit_id = used.map_or("", |leg| register.unit(leg.account));
                let start = about(ClockKind::OrderedToCleared, &payment.payment_id, fund());
                self.start(step, &Start { unit_id, ..start }, None);
            }
            Payload::Cleared(cleared) => {
                for payment_id in &cleared.payment_ids {
                    self.end(step, ClockKind::OrderedToCleared, payment_id);
                }
            }
            Payload::Reversed(reversed) if !reversed.payment_id.is_empty() => {
                self.end(step, ClockKind::OrderedToCleared, &reversed.payment_id);
            }
            Payload::NontaxNoticed(notice) => {
                self.start(step, &about(ClockKind::NoticedToCollected, &notice.notice_id, notice.fund), None);
            }
            Payload::NontaxCollected(collected) => {
                self.end(step, ClockKind::NoticedToCollected, &collected.notice_id);
                self.start(step, &about(ClockKind::CollectedToSplit, &collected.notice_id, fund()), None);
            }
            Payload::NontaxSplit(split) => self.end(step, ClockKind::CollectedToSplit, &split.notice_id),
            Payload::Flagged(flagged) => {
                self.start(step, &about(ClockKind::FlaggedToAnswered, &flagged.finding_id, 0), None);
            }
            Payload::FindingExplained(answer) => self.end(step, ClockKind::FlaggedToAnswered, &answer.finding_id),
            Payload::FindingRectified(done) => self.end(step, ClockKind::FlaggedToAnswered, &done.finding_id),
            Payload::MatterOpened(matter) => {
                let start = about(ClockKind::Matter, &matter.matter_id, matter.fund);
                self.start(step, &Start { unit_id: &matter.unit_id, ..start }, Some(&matter.kind));
            }
            Payload::MatterClosed(matter) => self.end(step, ClockKind::Matter, &matter.matter_id),
            Payload::ComplaintFiled(filed) => {
                let id = &filed.complaint_id;
                self.start(step, &about(ClockKind::ComplaintFiledToAccepted, id, filed.fund), None);
                self.start(step, &about(ClockKind::ComplaintFiledToAnswered, id, filed.fund), Some(&filed.kind));
            }
            Payload::ComplaintAccepted(accepted) => {
                // From here on it is known whose time runs.
                let key = (ClockKind::ComplaintFiledToAnswered, accepted.complaint_id.clone());
                if let Some(clock) = self.running.get_mut(&key) {
                    clock.unit_id.clone_from(&accepted.unit_id);
                }
                self.end(step, ClockKind::ComplaintFiledToAccepted, &accepted.complaint_id);
            }
            Payload::ComplaintAnswered(answered) => {
                self.end(step, ClockKind::ComplaintFiledToAnswered, &answered.complaint_id);
            }
            Payload::ComplaintClosed(closed) => {
                self.end(step, ClockKind::ComplaintFiledToAccepted, &closed.complaint_id);
                self.end(step, ClockKind::ComplaintFiledToAnswered, &closed.complaint_id);
            }
            _ => {}
        }
    }

    fn close(&mut self, register: &Register, row: &mut dyn FnMut(Row)) {
        let on = self.on.unwrap_or(self.last_day);
        let overdue = self.running.values().filter(|clock| clock.due < on);
        let mut clocks: Vec<&Clock> = overdue.chain(&self.met_late).collect();
        clocks.sort_by(|one, two| {
            let key = |clock: &Clock| (clock.due, clock.started.1);
            key(one).cmp(&key(two)).then_with(|| one.subject.cmp(&two.subject))
        });
        for clock in clocks {
            let fund_id = register.fund(clock.fund).map(|fund| fund.fund_id.clone()).unwrap_or_default();
            if self.fund.as_ref().is_some_and(|wanted| *wanted != fund_id) {
                continue;
            }
            let until = clock.ended.map_or(on, |(day, _)| day);
            row(Row::of(vec![
                Cell::Text(clock.code.clone()),
                Cell::Term(terms::clock_kind(clock.kind)),
                Cell::Text(clock.subject.clone()),
                Cell::Text(fund_id),
                Cell::Text(clock.unit_id.clone()),
                Cell::Term(if clock.ended.is_some() { terms::MET_LATE } else { terms::OVERDUE }),
                Cell::Number(i64::from(until).saturating_sub(clock.due.into())),
                Cell::Day(clock.started.0),
                Cell::Day(clock.due),
                clock.ended.map_or(Cell::Empty, |(day, _)| Cell::Day(day)),
                Cell::Day(on),
                Cell::Number(clock.started.1),
                clock.ended.map_or(Cell::Empty, |(_, sequence)| Cell::Number(sequence)),
            ]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_days_or_working_days() {
        // 2026-02-13 is day 20,497, a Friday; the Spring Festival is from the 16th to the 20th, and the 14th is worked.
        let terms = PolicyTerms {
            holidays: (20_500..=20_504).collect(),
            working_weekends: vec![20_498],
            ..PolicyTerms::default()
        };
        for (limit, unit, expected) in [
            (0, LimitUnit::Days, 20_497),
            (20, LimitUnit::Days, 20_517),
            (0, LimitUnit::WorkingDays, 20_497),
            (1, LimitUnit::WorkingDays, 20_498),
            (2, LimitUnit::WorkingDays, 20_507),
        ] {
            let clock = PolicyClock { limit, unit: unit.into(), ..PolicyClock::default() };
            assert_eq!(due(&terms, &clock, 20_497), expected, "{limit} {unit:?}");
        }
    }
}
