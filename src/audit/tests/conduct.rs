//! Who may evaluate, and what is an auditor's alone to do.

use super::super::{Depth, FaultKind as Kind};
use super::money::check_story;
use super::story::{Story, story};
use super::{audit, blocks, chained};
use crate::pb::v1::event::Payload;
use crate::pb::v1::{
    Administrator, ComplaintClosed, Event, FindingClosed, Flagged, GoalSet, PerformanceScored, PersonalDataOpened,
    Role, RoleGranted, RoleRevoked, SubjectKind,
};

fn goal(kind: SubjectKind, subject_id: &str) -> Payload {
    Payload::GoalSet(GoalSet {
        subject_kind: kind.into(),
        subject_id: subject_id.to_owned(),
        year: 2026,
        indicator_code: "places".to_owned(),
        weight_ppm: 1_000_000,
        ..GoalSet::default()
    })
}

/// The story of money, in which a lot and a unit have goals before anything is paid; evaluated by somebody at the end.
fn evaluated(subject_id: &str, by: &str) -> Story {
    let mut story = story();
    for event in &mut story.events {
        if let Some(Payload::AccountOpened(opened)) = &mut event.payload
            && opened.account == super::story::USED
        {
            opened.unit_id = "bureau".to_owned();
        }
    }
    // In the place of events that move nothing.
    for (label, payload) in
        [("freeze lot", goal(SubjectKind::Lot, "lot-2")), ("unfreeze lot", goal(SubjectKind::Unit, "bureau"))]
    {
        let at = story.at(label);
        story.events[at].payload = Some(payload);
    }
    let scored = PerformanceScored { subject_id: subject_id.to_owned(), year: 2026, ..PerformanceScored::default() };
    story.add("score", Payload::PerformanceScored(scored), &[]);
    let event = story.events.last_mut().unwrap();
    event.actor = by.to_owned();
    event.approvals.clear();
    story
}

/// Makes somebody else the maker of the payments of a story, but for one.
fn paid_by_another(story: &mut Story, but: &str) {
    let but = story.at(but);
    for (at, event) in story.events.iter_mut().enumerate() {
        let pays = matches!(event.payload, Some(Payload::PaymentExecuted(_) | Payload::TransactionPosted(_)));
        if pays && at != but {
            event.actor = "another".to_owned();
        }
    }
}

#[test]
fn nobody_evaluates_what_they_paid_for() {
    for subject in ["lot-2", "bureau"] {
        let verified = audit(blocks(&chained(&evaluated(subject, "leader").events), 8), Depth::Deep);
        assert_eq!(verified.faults, [], "{subject}");
        for only in ["pay a", "pay d", "transact"] {
            let mut story = evaluated(subject, "maker");
            paid_by_another(&mut story, only);
            check_story(&story, &format!("{subject}, {only}"), "score", &[Kind::SegregationOfDuties]);
        }
        let mut story = evaluated(subject, "maker");
        paid_by_another(&mut story, "genesis");
        assert_eq!(audit(blocks(&chained(&story.events), 8), Depth::Deep).faults, [], "{subject}");
    }
    // What has no goals of its own may be evaluated by anybody.
    let verified = audit(blocks(&chained(&evaluated("lot-1", "maker").events), 8), Depth::Deep);
    assert_eq!(verified.faults, []);
}

#[test]
fn nobody_evaluates_a_project_they_paid_for() {
    let scored = |by: &str| {
        let mut story = super::contracts::school();
        let scored = PerformanceScored { subject_id: "school".to_owned(), year: 2028, ..PerformanceScored::default() };
        story.day = story.events.last().unwrap().business_day;
        story.add("score", Payload::PerformanceScored(scored), &[]);
        let event = story.events.last_mut().unwrap();
        event.actor = by.to_owned();
        event.approvals.clear();
        story
    };
    assert_eq!(audit(blocks(&chained(&scored("leader").events), 8), Depth::Deep).faults, []);
    check_story(&scored("maker"), "school", "score", &[Kind::SegregationOfDuties]);
}

/// What an auditor does, in a ledger with administrators, by somebody who has a role, or had one.
fn supervised(payload: Payload, role: Role, is_revoked: bool) -> Vec<Event> {
    let mut story = Story::new();
    let administrator =
        |name: &str, byte: u8| Administrator { principal_id: name.to_owned(), public_key: vec![byte; 32].into() };
    if let Some(Payload::LedgerCreated(created)) = &mut story.events[0].payload {
        created.development = false;
        created.administrators = vec![administrator("one", 1), administrator("two", 2)];
    }
    let principal_id = "somebody".to_owned();
    let granted = RoleGranted { principal_id: principal_id.clone(), role: role.into(), fund: 0 };
    story.add("grant", Payload::RoleGranted(granted), &[]);
    if is_revoked {
        let revoked = RoleRevoked { principal_id, role: role.into(), fund: 0 };
        story.add("revoke", Payload::RoleRevoked(revoked), &[]);
    }
    story.add("act", payload, &[]);
    let event = story.events.last_mut().unwrap();
    event.actor = "somebody".to_owned();
    event.approvals.clear();
    story.events
}

#[test]
fn what_is_an_auditors_is_done_by_one() {
    let acts = [
        Payload::Flagged(Flagged::default()),
        Payload::FindingClosed(FindingClosed::default()),
        Payload::ComplaintClosed(ComplaintClosed::default()),
        Payload::PersonalDataOpened(PersonalDataOpened::default()),
    ];
    for payload in acts {
        let accused = |role, is_revoked| {
            let events = supervised(payload.clone(), role, is_revoked);
            let report = audit(blocks(&chained(&events), 8), Depth::Deep);
            report
                .faults
                .iter()
                .any(|fault| fault.kind == Kind::Approval && fault.message.to_string().contains("an auditor's"))
        };
        assert!(!accused(Role::Auditor, false), "{payload:?}");
        assert!(accused(Role::Auditor, true), "{payload:?}");
        assert!(accused(Role::Leader, false), "{payload:?}");
    }
}
