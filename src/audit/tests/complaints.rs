//! Complaints: what verifies, and what does not once one thing of it is changed and the log is chained anew.

use super::super::{Depth, FaultKind as Kind};
use super::money::check_story;
use super::story::{Story, story};
use super::{audit, blocks, chained};
use crate::pb::v1::complaint_filed::About;
use crate::pb::v1::event::Payload;
use crate::pb::v1::{
    ComplaintAccepted, ComplaintAnswered, ComplaintClosed, ComplaintFiled, ComplaintOutcome, Event, PaymentExecuted,
};

fn filed(id: &str, about: About) -> ComplaintFiled {
    let respondents = match &about {
        About::Lot(_) => Vec::new(),
        About::PaymentId(_) | About::EventSequence(_) => vec!["maker".to_owned(), "checker".to_owned()],
    };
    ComplaintFiled {
        complaint_id: id.to_owned(),
        kind: "late".to_owned(),
        about: Some(about),
        fund: 1,
        unit_id: "bureau".to_owned(),
        respondents,
        reporter: vec![3; 16].into(),
        text_sha256: vec![4; 32].into(),
    }
}

/// The story of money, whose units' accounts say so, and complaints about a payment, an event and a lot.
fn complained() -> Story {
    let mut story = story();
    for event in &mut story.events {
        if let Some(Payload::AccountOpened(opened)) = &mut event.payload
            && opened.account == super::story::USED
        {
            opened.unit_id = "bureau".to_owned();
        }
    }
    let payment = story.events.iter().find_map(|event| match &event.payload {
        Some(Payload::PaymentExecuted(PaymentExecuted { payment_id, .. })) => Some(payment_id.clone()),
        _ => None,
    });
    let mut add = |label, actor: &str, payload| {
        story.add(label, payload, &[]);
        let event = story.events.last_mut().unwrap();
        event.actor = actor.to_owned();
        event.approvals.clear();
    };
    let accepted = |unit: &str| {
        let (complaint_id, unit_id, first_handler) = ("C".to_owned(), unit.to_owned(), "clerk".to_owned());
        Payload::ComplaintAccepted(ComplaintAccepted { complaint_id, unit_id, first_handler })
    };
    let closed = |id: &str, outcome: ComplaintOutcome| {
        Payload::ComplaintClosed(ComplaintClosed { complaint_id: id.to_owned(), outcome: outcome.into() })
    };
    let answered = ComplaintAnswered { complaint_id: "C".to_owned(), ..ComplaintAnswered::default() };
    add("filed", "desk", Payload::ComplaintFiled(filed("C", About::PaymentId(payment.unwrap()))));
    // Nothing was moved by it, of no fund.
    let of_event = ComplaintFiled { fund: 0, ..filed("E", About::EventSequence(3)) };
    add("of event", "desk", Payload::ComplaintFiled(of_event));
    add("of lot", "desk", Payload::ComplaintFiled(filed("L", About::Lot(1))));
    add("accepted", "clerk", accepted("office"));
    add("handed on", "clerk", accepted("other"));
    add("answered", "clerk", Payload::ComplaintAnswered(answered));
    add("closed", "auditor", closed("C", ComplaintOutcome::Unfounded));
    add("withdrawn", "auditor", closed("L", ComplaintOutcome::Withdrawn));
    story
}

#[test]
fn complaints_verify() {
    let report = audit(blocks(&chained(&complained().events), 8), Depth::Deep);
    assert_eq!(report.faults, []);
}

#[track_caller]
fn check(label: &str, what: &str, change: impl FnOnce(&mut Event), kind: Kind) {
    let mut story = complained();
    let at = story.at(label);
    change(&mut story.events[at]);
    check_story(&story, &format!("{label}: {what}"), label, &[kind]);
}

/// A change of a filing.
type Change = fn(&mut ComplaintFiled);

fn filing(change: impl FnOnce(&mut ComplaintFiled)) -> impl FnOnce(&mut Event) {
    move |event| match &mut event.payload {
        Some(Payload::ComplaintFiled(filed)) => change(filed),
        other => panic!("another type: {other:?}"),
    }
}

#[test]
fn a_complaint_is_about_what_is_there() {
    let cases: [(&str, &str, Change); 17] = [
        ("filed", "no such payment", |filed| filed.about = Some(About::PaymentId("none".to_owned()))),
        ("filed", "nothing", |filed| filed.about = None),
        ("filed", "another maker", |filed| filed.respondents[0] = "somebody".to_owned()),
        ("filed", "no maker", |filed| filed.respondents.clear()),
        ("filed", "another approver", |filed| filed.respondents[1] = "somebody".to_owned()),
        ("filed", "no approver", |filed| drop(filed.respondents.pop())),
        ("filed", "one more approver", |filed| filed.respondents.push("somebody".to_owned())),
        ("filed", "no unit", |filed| filed.unit_id.clear()),
        ("filed", "of another fund", |filed| filed.fund = 2),
        ("of event", "of a fund that nothing was moved of", |filed| filed.fund = 1),
        ("filed", "no text", |filed| filed.text_sha256 = vec![4; 31].into()),
        ("filed", "half a pseudonym", |filed| filed.reporter = vec![3; 8].into()),
        ("of event", "itself", |filed| filed.about = Some(About::EventSequence(9_999))),
        ("of event", "the genesis", |filed| filed.about = Some(About::EventSequence(0))),
        ("of event", "twice", |filed| filed.complaint_id = "C".to_owned()),
        ("of lot", "no such lot", |filed| filed.about = Some(About::Lot(99))),
        ("of lot", "another fund", |filed| filed.fund = 2),
    ];
    for (label, what, change) in cases {
        check(label, what, filing(change), Kind::Books);
    }
}

#[test]
fn nobody_deals_with_a_complaint_about_themselves() {
    let duty = Kind::SegregationOfDuties;
    for label in ["accepted", "answered", "closed"] {
        check(label, "by the maker", |event| event.actor = "maker".to_owned(), duty);
        let signed = |event: &mut Event| {
            event.approvals = vec![crate::pb::v1::Approval { actor: "checker".to_owned(), ..Default::default() }];
        };
        check(label, "signed by the checker", signed, duty);
    }
    check("closed", "by who answered", |event| event.actor = "clerk".to_owned(), duty);
    let accepted = |change: fn(&mut ComplaintAccepted)| {
        move |event: &mut Event| match &mut event.payload {
            Some(Payload::ComplaintAccepted(accepted)) => change(accepted),
            other => panic!("another type: {other:?}"),
        }
    };
    check("accepted", "by the unit", accepted(|accepted| accepted.unit_id = "bureau".to_owned()), duty);
    check("accepted", "for the maker", accepted(|accepted| accepted.first_handler = "maker".to_owned()), duty);
}

#[test]
fn a_complaint_goes_on_in_order() {
    let closing = |id: &'static str, outcome: ComplaintOutcome| {
        move |event: &mut Event| {
            let closed = ComplaintClosed { complaint_id: id.to_owned(), outcome: outcome.into() };
            event.payload = Some(Payload::ComplaintClosed(closed));
        }
    };
    check("accepted", "unknown", closing("none", ComplaintOutcome::Withdrawn), Kind::Books);
    check("accepted", "unanswered", closing("C", ComplaintOutcome::Upheld), Kind::Books);
    check("withdrawn", "unanswered", closing("L", ComplaintOutcome::Referred), Kind::Books);
    check("withdrawn", "closed before", closing("C", ComplaintOutcome::Withdrawn), Kind::Books);
    let answered = |event: &mut Event| {
        let answered = ComplaintAnswered { complaint_id: "E".to_owned(), ..ComplaintAnswered::default() };
        event.payload = Some(Payload::ComplaintAnswered(answered));
    };
    check("answered", "before it is accepted", answered, Kind::Books);
}
