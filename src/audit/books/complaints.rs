//! Complaints, from filing to close: each step after the one before, about something that is there, and never by whom it is about.

use std::collections::{BTreeMap, BTreeSet};

use super::{Books, FUND_UNTOLD, Record};
use crate::audit::frame::{Fingerprint, Fingerprints};
use crate::audit::report::{Fact, FaultKind};
use crate::pb::v1::complaint_filed::About;
use crate::pb::v1::event::Payload;
use crate::pb::v1::{Approval, ComplaintAccepted, ComplaintFiled, ComplaintOutcome};

/// Complaints by name.
pub(super) type Complaints = BTreeMap<String, Complaint>;

/// How far a complaint has got, and who has no part in it.
#[derive(Debug)]
pub(super) struct Complaint {
    stage: Stage,
    unit_id: String,
    respondents: BTreeSet<String>,
    answered_by: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Filed,
    Accepted,
    Answered,
    Closed,
}

/// Whether an event is about a complaint: who made it matters then.
pub(super) const fn is_about_one(payload: &Payload) -> bool {
    matches!(
        payload,
        Payload::ComplaintFiled(_)
            | Payload::ComplaintAccepted(_)
            | Payload::ComplaintAnswered(_)
            | Payload::ComplaintClosed(_)
    )
}

/// The hash of no persons, and of persons and one more.
pub(super) const NOBODY: u32 = 0;
pub(super) const fn and(others: u32, one: Fingerprint) -> u32 {
    others.rotate_left(5).wrapping_mul(0x9e37_79b1) ^ one.short()
}

/// Who made and who approved an event, each once, the maker first.
pub(super) fn responsible(maker: Fingerprint, approvals: &[Approval], fingerprints: &Fingerprints) -> u32 {
    let mut hash = and(NOBODY, maker);
    for (at, approval) in approvals.iter().enumerate() {
        let approver = fingerprints.of(&approval.actor);
        let is_named = approver == maker || approvals.iter().take(at).any(|before| before.actor == approval.actor);
        if !is_named {
            hash = and(hash, approver);
        }
    }
    hash
}

impl Books {
    /// A step of a complaint.
    pub(super) fn complain(&mut self, sequence: i64, record: &Record) {
        let event = &record.event;
        let actor = event.actor.as_str();
        let by = || std::iter::once(actor).chain(event.approvals.iter().map(|approval| approval.actor.as_str()));
        match &event.payload {
            Some(Payload::ComplaintFiled(filed)) => self.file_complaint(sequence, record, filed),
            Some(Payload::ComplaintAccepted(accepted)) => {
                let ComplaintAccepted { complaint_id, unit_id, first_handler } = accepted;
                self.change(sequence, complaint_id, by(), |known, wrong| {
                    if !unit_id.is_empty() && known.unit_id == *unit_id {
                        wrong.push(fact!("unit {} deals with a complaint about itself", unit_id));
                    }
                    if known.respondents.contains(first_handler) {
                        wrong.push(fact!("{} deals with a complaint about what they made or approved", first_handler));
                    }
                    (Stage::Filed, Stage::Accepted)
                });
            }
            Some(Payload::ComplaintAnswered(answered)) => {
                self.change(sequence, &answered.complaint_id, by(), |known, _| {
                    known.answered_by.insert(actor.to_owned());
                    (Stage::Accepted, Stage::Answered)
                });
            }
            Some(Payload::ComplaintClosed(closed)) => {
                self.change(sequence, &closed.complaint_id, by(), |known, wrong| {
                    if known.answered_by.contains(actor) {
                        wrong.push(fact!("{} closes a complaint that they answered", actor));
                    }
                    match closed.outcome() {
                        ComplaintOutcome::Withdrawn => (Stage::Filed, Stage::Closed),
                        ComplaintOutcome::Unspecified
                        | ComplaintOutcome::Upheld
                        | ComplaintOutcome::Unfounded
                        | ComplaintOutcome::Referred => (Stage::Answered, Stage::Closed),
                    }
                });
            }
            _ => {}
        }
    }

    fn file_complaint(&mut self, sequence: i64, record: &Record, filed: &ComplaintFiled) {
        let mut wrong = Vec::new();
        let fits_form = filed.text_sha256.len() == 32 && matches!(filed.reporter.len(), 0 | 16);
        if !fits_form {
            wrong.push(fact!(
                "a complaint without the digest of its text, or with a pseudonym of {} bytes",
                filed.reporter.len()
            ));
        }
        let about = match &filed.about {
            None => None,
            Some(About::Lot(lot)) => {
                if self.lots.get(*lot).is_none_or(|known| known.fund != filed.fund) {
                    wrong.push(fact!("a complaint about lot {}, which is unknown or of another fund", lot));
                }
                None
            }
            Some(About::PaymentId(payment_id)) => {
                let key = self.fingerprints.of(payment_id);
                let payment = self.payments.get(key).map(|payment| payment.sequence);
                let found = payment.or_else(|| self.benefits.sequence_of(key));
                if found.is_none() {
                    wrong.push(fact!("a complaint about the unknown payment {}", format_args!("{payment_id:?}")));
                }
                found
            }
            Some(About::EventSequence(about)) => {
                if !(1..sequence).contains(about) {
                    wrong.push(fact!("a complaint about event {}, which is not before it", about));
                }
                Some(*about)
            }
        };
        let original = about.and_then(|about| usize::try_from(about).ok()).and_then(|about| self.originals.get(about));
        if filed.about.is_none() {
            wrong.push(fact!("a complaint about nothing"));
        }
        if original.is_some_and(|original| original.responsible != record.respondents) {
            wrong.push(fact!(
                "a complaint names others as the maker and approvers of what it is about than its event does"
            ));
        }
        if original.is_some_and(|original| original.fund != FUND_UNTOLD && i32::from(original.fund) != filed.fund) {
            wrong.push(fact!("a complaint names another fund than that of what it is about"));
        }
        // Whose money it was the ledger says, where whoever files does not.
        if filed.unit_id.is_empty() && original.is_some_and(|original| original.has_unit) {
            wrong.push(fact!("a complaint names no unit, though what it is about moved money of one"));
        }
        let known = Complaint {
            stage: Stage::Filed,
            unit_id: filed.unit_id.clone(),
            respondents: filed.respondents.iter().cloned().collect(),
            answered_by: BTreeSet::new(),
        };
        if self.complaints.insert(filed.complaint_id.clone(), known).is_some() {
            wrong.push(fact!("complaint {} was filed before", format_args!("{:?}", filed.complaint_id)));
        }
        self.wrong_complaint(sequence, FaultKind::Books, wrong);
    }

    /// Takes a step that needs a stage, at least, and leads to another.
    fn change<'r>(
        &mut self,
        sequence: i64,
        complaint_id: &str,
        by: impl Iterator<Item = &'r str>,
        step: impl FnOnce(&mut Complaint, &mut Vec<Fact>) -> (Stage, Stage),
    ) {
        let Some(known) = self.complaints.get_mut(complaint_id) else {
            let message = fact!("the unknown complaint {} goes on", format_args!("{complaint_id:?}"));
            return self.findings.add(sequence, FaultKind::Books, message);
        };
        let mut duties = Vec::new();
        for respondent in by.filter(|by| known.respondents.contains(*by)) {
            duties.push(fact!("{} deals with a complaint about what they made or approved", respondent));
        }
        let (needed, next) = step(known, &mut duties);
        let mut wrong = Vec::new();
        if known.stage < needed || known.stage == Stage::Closed {
            wrong.push(fact!("complaint {} goes on out of order", format_args!("{complaint_id:?}")));
        }
        known.stage = next;
        self.wrong_complaint(sequence, FaultKind::SegregationOfDuties, duties);
        self.wrong_complaint(sequence, FaultKind::Books, wrong);
    }

    fn wrong_complaint(&mut self, sequence: i64, kind: FaultKind, wrong: Vec<Fact>) {
        for message in wrong {
            self.findings.add(sequence, kind, message);
        }
    }
}
