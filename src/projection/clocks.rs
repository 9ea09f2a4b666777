//! Statutory clocks: from one event to another, within a limit that the policy of the day sets.
//!
//! A clock runs only where a policy sets one: what nobody limits costs nothing here. Clocks that ended stay, so that whoever
//! asks how an office kept its time gets all of it, at some hundred bytes a clock.

use std::collections::BTreeMap;

use super::books::Books;
use crate::domain::account::AccountKind;
use crate::domain::complaint::{Complaint, ComplaintEvent};
use crate::domain::event::{Event, Payload, Step};
use crate::domain::fund::PolicyVersion;
use crate::domain::ids::{Code, FundNumber, PolicyId, Sequence, UnitId};
use crate::domain::nontax::NontaxEvent;
use crate::domain::oversight::Oversight;
use crate::domain::policy::ClockKind;
use crate::domain::time::Day;
use crate::format::stored::{Malformed, Stored, put_count, take_count};
use crate::stored_struct;

/// How a clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockStatus {
    /// It runs, and is not due yet.
    Running,
    /// It runs, and was due.
    Overdue,
    /// It was met in time.
    Met,
    /// It was met, but late.
    MetLate,
}

/// A clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Code, of the policy that set it.
    pub code: Code,
    /// From what to what it runs.
    pub kind: ClockKind,
    /// What it is about.
    pub subject: Box<str>,
    /// Fund; number 0 for none.
    pub fund: FundNumber,
    /// Agency or unit.
    pub unit_id: Option<UnitId>,
    /// The event that started it.
    pub started: Sequence,
    /// Its business date.
    pub started_on: Day,
    /// The last day in time.
    pub due_on: Day,
    /// The event that ended it, and its business date.
    pub ended: Option<(Sequence, Day)>,
}

impl Clock {
    /// How it stands on a day.
    pub fn status(&self, on: Day) -> ClockStatus {
        match self.ended {
            Some((_, ended_on)) if ended_on > self.due_on => ClockStatus::MetLate,
            Some(_) => ClockStatus::Met,
            None if on > self.due_on => ClockStatus::Overdue,
            None => ClockStatus::Running,
        }
    }
}

/// All clocks that policies set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    policies: BTreeMap<PolicyId, Vec<PolicyVersion>>,
    // Whether any of them ever set a clock: until then payments pass by here at no cost.
    is_any_set: bool,
    // By fund, from number 1.
    fund_policies: Vec<Option<PolicyId>>,
    // In the order in which they started.
    started: Vec<Clock>,
    // Those that run, by kind and subject: their places.
    running: BTreeMap<(i32, Box<str>), usize>,
}

/// What starts a clock, besides its subject.
struct Start<'a> {
    kind: ClockKind,
    /// Only a clock of this code.
    code: Option<&'a Code>,
    subject: &'a str,
    fund: FundNumber,
    unit_id: Option<UnitId>,
}

impl Clocks {
    /// All of them, in the order in which they started.
    pub fn all(&self) -> &[Clock] {
        &self.started
    }

    pub(super) fn apply(&mut self, sequence: Sequence, event: &Event, books: &Books) {
        let Some(envelope) = &event.envelope else { return };
        let at = (sequence, envelope.business_date);
        for step in event.decision.steps() {
            self.step(at, step, books);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only these types start or end clocks, or set them")]
    fn step(&mut self, at: (Sequence, Day), step: Step<'_>, books: &Books) {
        let fund =
            || step.legs.first().and_then(|leg| books.account(leg.account)).map_or(FundNumber::default(), |a| a.fund);
        let start = |kind, subject, fund| Start { kind, code: None, subject, fund, unit_id: None };
        match step.payload {
            Payload::PolicySet { policy_id, policy } => {
                self.is_any_set |= !policy.terms.clocks.is_empty();
                self.policies.entry(policy_id.clone()).or_default().push(PolicyVersion::clone(policy));
            }
            Payload::FundDefined { definition, .. } => self.fund_policies.push(definition.policy_id.clone()),
            _ if !self.is_any_set => {}
            Payload::BudgetIssued { lot } => {
                let lot_id = lot.definition.lot_id.as_str();
                self.start(at, &start(ClockKind::IssuedToAllocated, lot_id, lot.fund));
            }
            Payload::BudgetAllocated { .. } => {
                for leg in step.legs {
                    if let Some(lot) = books.lot(leg.lot) {
                        self.end(at, ClockKind::IssuedToAllocated, lot.lot_id.as_str());
                    }
                }
            }
            Payload::PaymentExecuted(payment) => {
                let accounts = step.legs.iter().filter_map(|leg| books.account(leg.account));
                let mut used = accounts.filter(|account| account.kind == AccountKind::AuthorityUsed);
                let unit_id = used.find_map(|account| account.unit_id.clone());
                let payment_id = payment.payment_id.as_str();
                self.start(at, &Start { unit_id, ..start(ClockKind::OrderedToCleared, payment_id, fund()) });
            }
            Payload::Cleared { payment_ids, .. } => {
                for payment_id in payment_ids {
                    self.end(at, ClockKind::OrderedToCleared, payment_id.as_str());
                }
            }
            Payload::Reversed { payment_id: Some(payment_id), .. } => {
                self.end(at, ClockKind::OrderedToCleared, payment_id.as_str());
            }
            Payload::Nontax(event) => {
                let notice_id = event.notice_id().as_str();
                match event.as_ref() {
                    NontaxEvent::Noticed { fund, .. } => {
                        self.start(at, &start(ClockKind::NoticedToCollected, notice_id, *fund));
                    }
                    NontaxEvent::Collected { .. } => {
                        self.end(at, ClockKind::NoticedToCollected, notice_id);
                        self.start(at, &start(ClockKind::CollectedToSplit, notice_id, fund()));
                    }
                    NontaxEvent::Split { .. } => self.end(at, ClockKind::CollectedToSplit, notice_id),
                    NontaxEvent::Refunded { .. } => {}
                }
            }
            Payload::Oversight(event) => match event.as_ref() {
                Oversight::Flag(flag) => {
                    let finding_id = flag.finding_id.as_str();
                    self.start(at, &start(ClockKind::FlaggedToAnswered, finding_id, FundNumber::default()));
                }
                Oversight::Explanation { finding_id, .. } | Oversight::Rectification { finding_id, .. } => {
                    self.end(at, ClockKind::FlaggedToAnswered, finding_id.as_str());
                }
                Oversight::MatterOpen(matter) => self.start(
                    at,
                    &Start {
                        kind: ClockKind::Matter,
                        code: Some(&matter.kind),
                        subject: matter.matter_id.as_str(),
                        fund: matter.fund.unwrap_or_default(),
                        unit_id: Some(matter.unit_id.clone()),
                    },
                ),
                Oversight::MatterClose { matter_id, .. } => self.end(at, ClockKind::Matter, matter_id.as_str()),
                _ => {}
            },
            Payload::Complaint(event) => self.complain(at, event),
            _ => {}
        }
    }

    fn complain(&mut self, at: (Sequence, Day), event: &ComplaintEvent) {
        let subject = event.complaint_id().as_str();
        let accepted = ClockKind::ComplaintFiledToAccepted;
        let answered = ClockKind::ComplaintFiledToAnswered;
        match event {
            Complaint::File(filed) => {
                let start = Start { kind: accepted, code: None, subject, fund: filed.fund, unit_id: None };
                self.start(at, &start);
                self.start(at, &Start { kind: answered, code: Some(&filed.kind), ..start });
            }
            // From here on it is known whose time runs.
            Complaint::Accept { unit_id, .. } => {
                self.hand_to(answered, subject, unit_id);
                self.end(at, accepted, subject);
            }
            Complaint::Answer { .. } => self.end(at, answered, subject),
            // One that was withdrawn waits for nobody any more.
            Complaint::Close { .. } => {
                self.end(at, accepted, subject);
                self.end(at, answered, subject);
            }
        }
    }

    fn hand_to(&mut self, kind: ClockKind, subject: &str, unit_id: &UnitId) {
        let place = self.running.get(&(kind.number(), Box::from(subject)));
        if let Some(clock) = place.and_then(|place| self.started.get_mut(*place)) {
            clock.unit_id = Some(unit_id.clone());
        }
    }

    /// Starts a clock, where the fund's policy sets one; where there is no fund, where any policy does, the first by name.
    fn start(&mut self, (sequence, day): (Sequence, Day), start: &Start<'_>) {
        let place = usize::try_from(start.fund.0).ok().and_then(|number| number.checked_sub(1));
        let of_fund = place.and_then(|place| self.fund_policies.get(place).cloned().flatten());
        let candidates = self.policies.iter().filter(|(id, _)| place.is_none() || of_fund.as_ref() == Some(*id));
        let found = candidates.filter_map(|(_, versions)| {
            let version = versions.iter().rev().find(|version| version.effective_from <= day)?;
            let fits = |clock: &&crate::domain::policy::Clock| {
                clock.kind == start.kind && start.code.is_none_or(|code| clock.code == *code)
            };
            let clock = version.terms.clocks.iter().find(fits)?;
            Some((clock.code.clone(), version.terms.due_on(clock, day)))
        });
        let Some((code, due_on)) = found.into_iter().next() else { return };
        let key = (start.kind.number(), Box::from(start.subject));
        // What started twice runs from the first time.
        if self.running.contains_key(&key) {
            return;
        }
        self.running.insert(key, self.started.len());
        self.started.push(Clock {
            code,
            kind: start.kind,
            subject: start.subject.into(),
            fund: start.fund,
            unit_id: start.unit_id.clone(),
            started: sequence,
            started_on: day,
            due_on,
            ended: None,
        });
    }

    fn end(&mut self, (sequence, day): (Sequence, Day), kind: ClockKind, subject: &str) {
        if let Some(place) = self.running.remove(&(kind.number(), Box::from(subject)))
            && let Some(clock) = self.started.get_mut(place)
        {
            clock.ended = Some((sequence, day));
        }
    }
}

stored_struct!(Clock { code, kind, subject, fund, unit_id, started, started_on, due_on, ended });

impl Stored for Clocks {
    fn put(&self, to: &mut Vec<u8>) {
        put_count(self.policies.len(), to);
        for (policy_id, versions) in &self.policies {
            policy_id.put(to);
            versions.put(to);
        }
        self.fund_policies.put(to);
        self.started.put(to);
    }

    /// Those that run are found again.
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let mut found = Self::default();
        for _ in 0..take_count(from)? {
            let (policy_id, versions): (_, Vec<PolicyVersion>) = (Stored::take(from)?, Stored::take(from)?);
            found.is_any_set |= versions.iter().any(|version| !version.terms.clocks.is_empty());
            found.policies.insert(policy_id, versions);
        }
        found.fund_policies = Stored::take(from)?;
        found.started = Stored::take(from)?;
        for (place, clock) in found.started.iter().enumerate().filter(|(_, clock)| clock.ended.is_none()) {
            found.running.insert((clock.kind.number(), clock.subject.clone()), place);
        }
        Ok(found)
    }
}
