//! The books' tests: the story verifies; the story with one thing changed, and chained anew, does not.

use super::super::{Depth, FaultKind as Kind, Verdict};
use super::family_story::families;
use super::story::{
    CARRY, CLEARING, COMMITTED, DAY, FROZEN, FUND_LOT, OTHER_FUND, OTHER_UNIT, PLAN, RECALLED, SOURCE, Story, TREASURY,
    UNALLOCATED, UNIT, USED, day_closed, issued, legs, payment, returned, reversed, story,
};
use super::{audit, blocks, chained, kinds};
use crate::pb::v1::event::Payload;
use crate::pb::v1::{Approval, Event, Frozen, PostedOperation};

#[test]
fn the_story_verifies() {
    let story = story();
    for per_block in [1, 7, 20] {
        let report = audit(blocks(&chained(&story.events), per_block), Depth::Deep);
        assert_eq!(report.faults, [], "{per_block} a block");
        assert_eq!(report.verdict, Verdict::Verified);
        assert_eq!(report.events, u64::try_from(story.events.len()).unwrap());
        assert_eq!((report.origin.as_deref(), report.is_development), (Some("test"), true));
    }
}

/// Changes one event of the story and chains it anew: no byte check can see that. The first fault is at `bad` and of
/// one of its kinds is `kind`.
#[track_caller]
fn check(label: &str, change: impl FnOnce(&mut Event), bad: &str, kind: Kind) {
    let mut story = story();
    let at = story.at(label);
    change(&mut story.events[at]);
    check_story(&story, &format!("{label} -> {kind:?}"), bad, &[kind]);
}

#[track_caller]
pub(super) fn check_story(story: &Story, name: &str, bad: &str, expected: &[Kind]) {
    let values = blocks(&chained(&story.events), 8);
    assert_eq!(audit(values.clone(), Depth::Chain).faults, [], "{name}: only the books can see it");
    let report = audit(values, Depth::Deep);
    let first = report.first_bad_sequence.map(|at| story.labels[usize::try_from(at).unwrap()]);
    assert_eq!(report.verdict, Verdict::Broken, "{name}");
    assert_eq!(first, Some(bad), "{name}: {:?}", report.faults);
    let at_first: Vec<Kind> = report
        .faults
        .iter()
        .filter(|fault| Some(fault.sequence) == report.first_bad_sequence)
        .map(|fault| fault.kind)
        .collect();
    for kind in expected {
        assert!(at_first.contains(kind), "{name}: {:?}", report.faults);
    }
}

fn amount(at: usize, amount: i64) -> impl FnOnce(&mut Event) {
    move |event| event.legs[at].amount_minor = amount
}

fn moved(rows: &'static [super::story::Row]) -> impl FnOnce(&mut Event) {
    move |event| event.legs = legs(rows)
}

fn becomes(payload: Payload) -> impl FnOnce(&mut Event) {
    move |event| event.payload = Some(payload)
}

#[test]
fn legs_that_cannot_stand() {
    check("allocate", |event| event.legs[1].account = 99, "allocate", Kind::Leg);
    check("allocate", |event| event.legs[1].lot = 9, "allocate", Kind::Leg);
    check("allocate", |event| event.legs[1].lot = 0, "allocate", Kind::Leg);
    check("cash 1", |event| event.legs[0].lot = 1, "cash 1", Kind::Leg);
    check("cash 1", |event| event.legs[0].account = OTHER_FUND, "cash 1", Kind::Leg);
    check("allocate", amount(0, 0), "allocate", Kind::Leg);
    check("allocate", moved(&[(UNALLOCATED, 2, 1 << 53), (UNIT, 2, -(1 << 53))]), "allocate", Kind::Leg);
    check("allocate", moved(&[]), "allocate", Kind::Leg);
    check("pay b", moved(&[(COMMITTED, 2, 80), (USED, 2, -80)]), "pay b", Kind::Leg);
    check("refuse", moved(&[(PLAN, 2, 1), (UNIT, 2, -1)]), "refuse", Kind::Leg);
    check("close day", moved(&[(PLAN, 2, 1), (UNIT, 2, -1)]), "close day", Kind::Leg);
    check("issue", |event| event.payload = Some(issued(3)), "issue", Kind::Numbering);
    check("carry", |event| event.legs[0].lot = 1, "carry", Kind::Leg);
}

#[test]
fn kinds_that_do_not_belong_to_the_type() {
    for (label, at, account) in [
        ("issue", 1, UNIT),
        ("allocate", 1, PLAN),
        ("supplement", 1, UNIT),
        ("reduce", 0, PLAN),
        ("reallocate", 1, PLAN),
        ("plan", 2, COMMITTED),
        ("commit", 1, USED),
        ("release", 1, UNALLOCATED),
        ("freeze", 1, UNIT),
        ("cash 1", 1, CLEARING),
        ("pay b", 0, UNALLOCATED),
        ("pay b", 1, RECALLED),
        ("clear", 1, FUND_LOT),
        ("return b", 3, FROZEN),
        ("carry", 3, RECALLED),
        ("recover", 3, USED),
    ] {
        check(label, |event| event.legs[at].account = account, label, Kind::Leg);
    }
}

#[test]
fn sums_that_do_not_agree() {
    check("allocate", amount(1, -901), "allocate", Kind::Unbalanced);
    check("allocate", amount(1, -901), "allocate", Kind::LotTotal);
    check("cash 1", amount(0, 201), "cash 1", Kind::Unbalanced);
    check("cash 1", amount(0, 201), "cash 1", Kind::FundCash);
    check("cash 1", amount(0, 201), "cash 1", Kind::LotUsed);
    // More allocated than issued: the account and its lot fall below zero.
    check("allocate", moved(&[(UNALLOCATED, 2, 1_001), (UNIT, 2, -1_001)]), "allocate", Kind::NegativeLot);
    check("allocate", moved(&[(UNALLOCATED, 2, 1_001), (UNIT, 2, -1_001)]), "allocate", Kind::NegativeBalance);
    // The account still holds something, but not of this lot.
    check("pay b", |event| event.legs[0].lot = 1, "pay b", Kind::NegativeLot);
    check("commit", moved(&[(PLAN, 1, 301), (COMMITTED, 1, -301)]), "commit", Kind::NegativeLot);
    check("clear", moved(&[(CLEARING, 0, 231), (TREASURY, 0, -231)]), "clear", Kind::NegativeBalance);
    // Balanced, but one lot's authority became another's.
    check("allocate", |event| event.legs[1].lot = 1, "allocate", Kind::LotTotal);
    // Paid from one lot, cash from another.
    let crossed = [(COMMITTED, 2, 80), (USED, 2, -80), (FUND_LOT, 1, 80), (CLEARING, 0, -80)];
    check("pay b", move |event| event.legs = legs(&crossed), "pay b", Kind::LotUsed);
    // Authority used without the cash.
    let short = [(COMMITTED, 2, 80), (USED, 2, -80), (FUND_LOT, 2, 70), (CLEARING, 0, -70)];
    check("pay b", move |event| event.legs = legs(&short), "pay b", Kind::LotUsed);
    check("pay b", move |event| event.legs = legs(&short), "pay b", Kind::Books);
    check("opening", moved(&[(SOURCE, 1, 500), (UNIT, 1, -400)]), "opening", Kind::Unbalanced);
}

#[test]
fn payments_returns_and_reversals() {
    check("pay b", becomes(payment("a")), "pay b", Kind::Books);
    check("clear", moved(&[(CLEARING, 0, 229), (TREASURY, 0, -229)]), "clear", Kind::Books);
    check("clear", becomes(super::story::cleared(&["a", "b", "x"])), "clear", Kind::Books);
    check("clear", becomes(super::story::cleared(&["a", "c"])), "clear", Kind::Books);
    let over = [(TREASURY, 0, 81), (FUND_LOT, 2, -81), (USED, 2, 81), (PLAN, 2, -81)];
    check("return b", move |event| event.legs = legs(&over), "return b", Kind::OverReturn);
    check("return b", becomes(returned("b", 4)), "return b", Kind::OverReturn);
    check("return b", becomes(returned("x", 4)), "return b", Kind::OverReturn);
    check("return b", becomes(returned("c", 4)), "return b", Kind::OverReturn);
    // The first draw is refilled before the last one.
    let first = [(TREASURY, 0, 60), (FUND_LOT, 1, -60), (USED, 1, 60), (PLAN, 1, -60)];
    check("return a", move |event| event.legs = legs(&first), "return a", Kind::Books);
    // To another account than the one drawn on.
    check("return a", |event| event.legs[3].account = UNIT, "return a", Kind::Books);
    check("return carried", |event| event.legs[3].account = PLAN, "return carried", Kind::Books);
    check("return recalled", |event| event.legs[3].account = CARRY, "return recalled", Kind::Books);
    let story = story();
    let at = |label| i64::try_from(story.at(label)).unwrap();
    check("reverse cash", becomes(reversed(at("issue"), "")), "reverse cash", Kind::Reversal);
    check("reverse cash", becomes(reversed(999, "")), "reverse cash", Kind::Reversal);
    check("reverse cash", becomes(reversed(-1, "")), "reverse cash", Kind::Reversal);
    check("reverse cash", moved(&[(TREASURY, 0, -4), (FUND_LOT, 2, 4)]), "reverse cash", Kind::Reversal);
    check("reverse cash", becomes(reversed(at("reverse cash"), "")), "reverse cash", Kind::Reversal);
    check("reverse c", becomes(reversed(at("pay c"), "a")), "reverse c", Kind::Reversal);
    check("unfreeze", moved(&[(PLAN, 2, -19), (FROZEN, 2, 19)]), "unfreeze", Kind::Books);
    check("freeze", |event| event.legs[0].account = UNIT, "freeze", Kind::Books);
    check("freeze lot", becomes(Payload::Frozen(Frozen::default())), "freeze lot", Kind::Books);
}

fn operations(event: &mut Event) -> &mut Vec<PostedOperation> {
    match &mut event.payload {
        Some(Payload::TransactionPosted(transaction)) => &mut transaction.operations,
        other => panic!("no transaction: {other:?}"),
    }
}

fn operation(event: &mut Event) -> &mut i32 {
    match &mut event.payload {
        Some(Payload::Reversed(reversed)) => &mut reversed.operation,
        other => panic!("no reversal: {other:?}"),
    }
}

#[test]
fn operations_of_a_transaction() {
    let at_transaction = |change: fn(&mut Event), kind| check("transact", change, "transact", kind);
    at_transaction(|event| operations(event)[0].leg_count = 3, Kind::Leg);
    at_transaction(|event| operations(event)[2].leg_count = 3, Kind::Leg);
    at_transaction(|event| operations(event)[2].leg_count = 5, Kind::Leg);
    at_transaction(|event| operations(event)[2].leg_count = -1, Kind::Leg);
    at_transaction(|event| operations(event)[1].payload = None, Kind::Leg);
    at_transaction(|event| operations(event).clear(), Kind::Leg);
    at_transaction(|event| operations(event).swap(0, 1), Kind::Leg);
    // Balanced as a whole, but not each by itself.
    at_transaction(
        |event| {
            event.legs[1].amount_minor -= 1;
            event.legs[2].amount_minor += 1;
        },
        Kind::Unbalanced,
    );
    let at_reversal = |change: fn(&mut Event)| check("reverse t", change, "reverse t", Kind::Reversal);
    at_reversal(|event| *operation(event) = 0);
    at_reversal(|event| *operation(event) = 2);
    at_reversal(|event| *operation(event) = 4);
    at_reversal(|event| *operation(event) = -3);
    check("reverse c", |event| *operation(event) = 1, "reverse c", Kind::Reversal);
}

#[test]
fn time_that_is_closed() {
    check("cash 4", |event| event.business_day = DAY, "cash 4", Kind::ClosedPeriod);
    check("carry", |event| event.business_day = DAY + 21, "carry", Kind::ClosedPeriod);
    check("close day", becomes(day_closed(DAY + 1)), "cash 4", Kind::ClosedPeriod);
    let period = |period: i32| {
        move |event: &mut Event| {
            if let Some(Payload::PeriodClosed(closed)) = &mut event.payload {
                closed.period = period;
            }
        }
    };
    check("close next month", period(202_603), "close next month", Kind::ClosedPeriod);
    check("close next month", period(202_601), "close next month", Kind::ClosedPeriod);
    check("close month", period(202_600), "close month", Kind::ClosedPeriod);
    let forged = |event: &mut Event| {
        if let Some(Payload::PeriodClosed(closed)) = &mut event.payload {
            closed.trial_balance_sha256 = vec![1; 32].into();
        }
    };
    check("close month", forged, "close month", Kind::TrialBalance);
    let mut open = story();
    let (clear, close) = (open.at("clear"), open.at("close day"));
    open.events.swap(clear, close);
    open.labels.swap(clear, close);
    for (at, event) in (0..).zip(&mut open.events) {
        event.booked_at_ns = at;
    }
    check_story(&open, "closed before clearing", "close day", &[Kind::ClosedPeriod]);
}

#[test]
fn duties_and_numbers() {
    let approve = |actors: &'static [&'static str]| {
        move |event: &mut Event| {
            event.approvals =
                actors.iter().map(|actor| Approval { actor: (*actor).to_owned(), ..Approval::default() }).collect();
        }
    };
    check("plan", approve(&["checker", "maker"]), "plan", Kind::SegregationOfDuties);
    check("plan", approve(&["checker", "checker"]), "plan", Kind::SegregationOfDuties);
    check("plan", |event| event.actor.clear(), "plan", Kind::SegregationOfDuties);
    check("fund", |event| event.payload = story().events[2].payload.clone(), "fund", Kind::Numbering);
    check(
        "policy",
        |event| {
            if let Some(Payload::PolicySet(policy)) = &mut event.payload {
                policy.version = 2;
            }
        },
        "policy",
        Kind::Numbering,
    );
    check(
        "other account",
        |event| {
            if let Some(Payload::AccountOpened(account)) = &mut event.payload {
                account.account = 15;
            }
        },
        "other account",
        Kind::Numbering,
    );
    // A refusal of such a command is no such command.
    let mut refused = story();
    let at = refused.at("refuse");
    refused.events[at].approvals[0].actor = "maker".into();
    assert_eq!(audit(blocks(&chained(&refused.events), 8), Depth::Deep).faults, []);
}

/// Appends an event to the story and expects faults of these kinds at it.
#[track_caller]
fn check_after(label: &'static str, payload: Payload, rows: &[super::story::Row], expected: &[Kind]) {
    let mut story = story();
    story.add(label, payload, rows);
    check_story(&story, label, label, expected);
}

#[test]
fn what_happens_once_only() {
    let at = |label| i64::try_from(story().at(label)).unwrap();
    let back = [(TREASURY, 0, -5), (FUND_LOT, 2, 5)];
    check_after("reversed twice", reversed(at("cash 3"), ""), &back, &[Kind::Reversal]);
    check_after("reversal reversed", reversed(at("reverse cash"), ""), &back, &[Kind::Reversal]);
    let mirror = [(COMMITTED, 2, -80), (USED, 2, 80), (FUND_LOT, 2, -80), (CLEARING, 0, 80)];
    check_after("reversed after clearing", reversed(at("pay b"), "b"), &mirror, &[Kind::Reversal]);
    check_after(
        "cleared twice",
        super::story::cleared(&["a"]),
        &[(CLEARING, 0, 150), (TREASURY, 0, -150)],
        &[Kind::Books],
    );
    let opening = Payload::OpeningBalance(crate::pb::v1::OpeningBalance { fund: 1, ..Default::default() });
    check_after("late opening", opening, &[(TREASURY, 0, 1), (FUND_LOT, 1, -1)], &[Kind::Books]);
    check_after("closed again", day_closed(DAY), &[], &[Kind::ClosedPeriod]);
    check_after(
        "moved to itself",
        payment("z"),
        &[(OTHER_UNIT, 2, 1), (USED, 2, -1), (FUND_LOT, 2, 1), (CLEARING, 0, -1)],
        &[Kind::NegativeLot],
    );
}

#[test]
fn a_wrong_sum_is_told_once() {
    let mut story = story();
    let at = story.at("allocate");
    story.events[at].legs[1].amount_minor = -901;
    let report = audit(blocks(&chained(&story.events), 8), Depth::Deep);
    // Twice at the event, then where the wrong rest stays behind and where two digests seal it.
    assert_eq!(kinds(&report), [Kind::Unbalanced, Kind::LotTotal, Kind::TrialBalance]);
    assert!(report.fault_count <= 4, "{:?}", report.faults);
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other types come with no entry of the bank")]
fn bank_reference(payload: &mut Payload) -> Option<&mut String> {
    match payload {
        Payload::CashReceived(m) => Some(&mut m.bank_reference),
        Payload::Cleared(m) => Some(&mut m.bank_reference),
        Payload::PaymentReturned(m) => Some(&mut m.bank_reference),
        Payload::NontaxCollected(m) => Some(&mut m.bank_reference),
        Payload::NontaxRefunded(m) => Some(&mut m.bank_reference),
        Payload::ContributionReceived(m) => Some(&mut m.bank_reference),
        Payload::IncomeReceived(m) => Some(&mut m.bank_reference),
        Payload::FundsMoved(m) => Some(&mut m.bank_reference),
        Payload::BenefitRecovered(m) => Some(&mut m.bank_reference),
        Payload::RelationTransferred(m) => Some(&mut m.bank_reference),
        Payload::LoanRepaid(m) => Some(&mut m.bank_reference),
        _ => None,
    }
}

/// The document of an event, given the issuer too.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other types open and change no authority")]
fn document(payload: &mut Payload) -> Option<&mut String> {
    let (issuer, number) = match payload {
        Payload::BudgetIssued(m) => m.lot.as_mut().map(|lot| (&mut lot.issuer_id, &mut lot.document_number))?,
        Payload::OpeningBalance(m) => m.lots.first_mut().map(|lot| (&mut lot.issuer_id, &mut lot.document_number))?,
        Payload::BudgetAdjusted(m) => (&mut m.issuer_id, &mut m.document_number),
        Payload::EstimateApproved(m) => (&mut m.issuer_id, &mut m.document_number),
        _ => return None,
    };
    *issuer = "issuer".to_owned();
    Some(number)
}

/// Every event that has such a mark, but the first, is given the mark of the first.
fn each_marked_twice(story: fn() -> Story, mark: fn(&mut Payload) -> Option<&mut String>) -> usize {
    let mut tried = 0;
    let marked =
        |story: &mut Story, at: usize| story.events[at].payload.as_mut().and_then(mark).map(|mark| *mark = "x".into());
    let places: Vec<usize> = (0..story().events.len()).filter(|at| marked(&mut story(), *at).is_some()).collect();
    for later in &places[1..] {
        let mut story = story();
        marked(&mut story, places[0]);
        marked(&mut story, *later);
        let label = story.labels[*later];
        check_story(&story, label, label, &[Kind::Books]);
        tried += 1;
    }
    tried
}

#[test]
fn what_stands_for_one_thing_stands_once() {
    assert_eq!(each_marked_twice(story, bank_reference), 9);
    assert_eq!(each_marked_twice(story, document), 4);
    assert_eq!(each_marked_twice(families, bank_reference), 36);
    assert_eq!(each_marked_twice(families, document), 2);
}
