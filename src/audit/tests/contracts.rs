//! Contracts, final accounts and goals: the story of a school verifies; with one thing changed, and chained anew, it does not.

use super::super::{Depth, FaultKind as Kind};
use super::family_story::{self, INVEST, INVESTMENT, NEXT, RELIEF, account, add, day, estimate, families, person};
use super::money::check_story;
use super::story::{Row, Story};
use super::{audit, blocks, chained};
use crate::pb::v1::event::Payload;
use crate::pb::v1::{
    AccountKind, CommitmentReleased, Committed, ContractAmended, ContractRegistered, ContractSettled, Event,
    FinalAccountApproved, GoalSet, OutputRecorded, PaymentExecuted, Reversed, TenderAwarded, TenderOpened,
};

const OCID: &str = "ocds-213czf-school";
const BUILDER: u8 = 9;

fn on() -> i32 {
    day(2028, 2, 1)
}

fn tender() -> Payload {
    let (tender_id, ocid) = ("T".into(), OCID.into());
    Payload::TenderOpened(TenderOpened {
        tender_id,
        ocid,
        fund: INVESTMENT,
        project_id: "school".into(),
        method: 1,
        ceiling_minor: 100,
        ..TenderOpened::default()
    })
}

fn award() -> Payload {
    let (tender_id, supplier) = ("T".into(), person(BUILDER).into());
    Payload::TenderAwarded(TenderAwarded { tender_id, supplier, amount_minor: 90, ..TenderAwarded::default() })
}

fn contract() -> Payload {
    Payload::ContractRegistered(ContractRegistered {
        contract_id: "K".into(),
        fund: INVESTMENT,
        project_id: "school".into(),
        tender_id: "T".into(),
        supplier: person(BUILDER).into(),
        amount_minor: 80,
        ..ContractRegistered::default()
    })
}

fn commit(contract_id: &str, payee: u8) -> Payload {
    let (contract_id, payee) = (contract_id.into(), person(payee).into());
    Payload::Committed(Committed { contract_id, payee, ..Committed::default() })
}

fn committed(amount: i64) -> Vec<Row> {
    vec![(INVEST[1], 1, amount), (NEXT, 1, -amount)]
}

fn pay(payment_id: &str) -> Payload {
    Payload::PaymentExecuted(PaymentExecuted {
        payment_id: payment_id.into(),
        payee: person(BUILDER).into(),
        project_id: "school".into(),
        contract_id: "K".into(),
        ..PaymentExecuted::default()
    })
}

fn paid(amount: i64) -> Vec<Row> {
    let [_, _, used, _, lots, clearing] = INVEST;
    vec![(NEXT, 1, amount), (used, 1, -amount), (lots, 1, amount), (clearing, 0, -amount)]
}

fn amend(change_minor: i64) -> Payload {
    Payload::ContractAmended(ContractAmended { contract_id: "K".into(), change_minor, ..ContractAmended::default() })
}

fn goal(indicator: &str, weight_ppm: i32, replaces_sequence: i64) -> Payload {
    Payload::GoalSet(GoalSet {
        subject_kind: 2,
        subject_id: "school".into(),
        year: 2028,
        indicator_code: indicator.into(),
        target_milli: 900,
        direction: 1,
        weight_ppm,
        replaces_sequence,
        ..GoalSet::default()
    })
}

fn output(as_of_day: i32, corrects_sequence: i64) -> Payload {
    Payload::OutputRecorded(OutputRecorded {
        subject_kind: 2,
        subject_id: "school".into(),
        year: 2028,
        indicator_code: "places".into(),
        actual_milli: 600,
        as_of_day,
        corrects_sequence,
        ..OutputRecorded::default()
    })
}

pub(super) fn school() -> Story {
    let mut story = families();
    let s = &mut story;
    let opened = account(NEXT, INVESTMENT, AccountKind::AuthorityCommitted, &[]);
    add(s, "open committed", on(), Payload::AccountOpened(opened), &[]);
    add(s, "estimate school", on(), estimate("school", INVESTMENT, 500), &[]);
    add(s, "tender", on(), tender(), &[]);
    add(s, "award", on(), award(), &[]);
    add(s, "contract", on(), contract(), &[]);
    add(s, "commit", on(), commit("K", BUILDER), &committed(70));
    let undone = add(s, "pay first", on(), pay("s-1"), &paid(50));
    let mirror: Vec<Row> = paid(50).iter().map(|(at, lot, amount)| (*at, *lot, -amount)).collect();
    let reversal = Payload::Reversed(Reversed {
        original_sequence: undone,
        payment_id: "s-1".into(),
        contract_id: "K".into(),
        ..Reversed::default()
    });
    add(s, "reverse", on(), reversal, &mirror);
    add(s, "pay", on(), pay("s-2"), &paid(50));
    add(s, "amend", on(), amend(8), &[]);
    add(s, "commit more", on(), commit("K", BUILDER), &committed(18));
    let release = Payload::CommitmentReleased(CommitmentReleased { contract_id: "K".into() });
    let released: Vec<Row> = committed(8).iter().map(|(at, lot, amount)| (*at, *lot, -amount)).collect();
    add(s, "release", on(), release, &released);
    add(s, "reduce", on(), amend(-8), &[]);
    let first = add(s, "goal", on(), goal("places", 600_000, 0), &[]);
    add(s, "other goal", on(), goal("costs", 400_000, 0), &[]);
    add(s, "goal again", on(), goal("places", 500_000, first), &[]);
    let first = add(s, "output", on(), output(on(), 0), &[]);
    add(s, "output again", on(), output(on(), first), &[]);
    let settled = ContractSettled {
        contract_id: "K".into(),
        amount_minor: 60,
        retention_minor: 10,
        retention_until_day: on() + 30,
        ..ContractSettled::default()
    };
    add(s, "settle", on(), Payload::ContractSettled(settled), &[]);
    add(s, "pay retained", on() + 30, pay("s-3"), &paid(10));
    let last = FinalAccountApproved {
        project_id: "school".into(),
        fund: INVESTMENT,
        amount_minor: 60,
        surplus_sequences: vec![first],
        ..FinalAccountApproved::default()
    };
    add(s, "final", on() + 30, Payload::FinalAccountApproved(last), &[]);
    story
}

#[test]
fn the_school_verifies() {
    assert_eq!(audit(blocks(&chained(&school().events), 8), Depth::Deep).faults, []);
}

/// Changes one event of the story: it is the first with a fault of the books.
#[track_caller]
fn check(label: &str, change: impl FnOnce(&mut Event)) {
    first_bad(label, label, change);
}

/// Changes one event of the story, so that another is the first with a fault.
#[track_caller]
fn first_bad(label: &str, bad: &str, change: impl FnOnce(&mut Event)) {
    let mut story = school();
    let at = story.at(label);
    change(&mut story.events[at]);
    check_story(&story, label, bad, &[Kind::Books]);
}

/// Appends an event to the story, which has a fault of the books.
#[track_caller]
fn after(label: &'static str, payload: Payload, rows: &[Row]) {
    let mut story = school();
    add(&mut story, label, on() + 40, payload, rows);
    check_story(&story, label, label, &[Kind::Books]);
}

/// A change of the payload of one type.
macro_rules! of {
    ($variant:ident, |$payload:ident| $change:expr) => {
        |event: &mut Event| match &mut event.payload {
            Some(Payload::$variant($payload)) => $change,
            other => panic!("another type: {other:?}"),
        }
    };
}

#[test]
fn a_contract_is_what_was_awarded() {
    after("tender again", tender(), &[]);
    after("award again", award(), &[]);
    after("contract again", contract(), &[]);
    check("tender", of!(TenderOpened, |it| it.fund = 99));
    check("tender", of!(TenderOpened, |it| it.ceiling_minor = 0));
    check("tender", of!(TenderOpened, |it| it.ocid = "ocds-x-1".into()));
    check("award", of!(TenderAwarded, |it| it.amount_minor = 101));
    check("award", of!(TenderAwarded, |it| it.tender_id = "none".into()));
    first_bad("award", "contract", of!(TenderAwarded, |it| it.supplier = person(1).into()));
    check("contract", of!(ContractRegistered, |it| it.amount_minor = 91));
    check("contract", of!(ContractRegistered, |it| it.amount_minor = 0));
    check("contract", of!(ContractRegistered, |it| it.supplier = person(1).into()));
    check("contract", of!(ContractRegistered, |it| it.fund = RELIEF));
    check("contract", of!(ContractRegistered, |it| it.tender_id = "none".into()));
    check("contract", of!(ContractRegistered, |it| it.tender_id = String::new()));
    check("contract", of!(ContractRegistered, |it| it.ocid = "ocds-213czf-other".into()));
}

#[test]
fn what_is_committed_and_paid_stays_within_the_price() {
    check("commit", of!(Committed, |it| it.payee = person(1).into()));
    check("commit", of!(Committed, |it| it.ocid = "ocds-213czf-other".into()));
    // 70 are committed: a price of 69 is too low for them.
    first_bad("contract", "commit", of!(ContractRegistered, |it| it.amount_minor = 69));
    check("pay", of!(PaymentExecuted, |it| it.payee = person(1).into()));
    check("pay", of!(PaymentExecuted, |it| it.contract_id = "none".into()));
    check("settle", of!(ContractSettled, |it| it.amount_minor = 59));
    // 政府采购法§49.
    first_bad("amend", "amend", of!(ContractAmended, |it| it.change_minor = 9));
    check("amend", of!(ContractAmended, |it| it.contract_id = "none".into()));
    check("amend", of!(ContractAmended, |it| it.change_minor = 0));
    first_bad("amend", "commit more", of!(ContractAmended, |it| it.change_minor = 7));
    check("reduce", of!(ContractAmended, |it| it.change_minor = -9));
    check("settle", of!(ContractSettled, |it| it.amount_minor = 81));
    check("settle", of!(ContractSettled, |it| it.retention_minor = 11));
    check("settle", of!(ContractSettled, |it| it.retention_until_day = 0));
    check("settle", of!(ContractSettled, |it| it.contract_id = "none".into()));
    first_bad("settle", "pay retained", of!(ContractSettled, |it| it.retention_until_day += 1));
    after("amend settled", amend(-1), &[]);
    after("commit beyond", commit("K", BUILDER), &committed(1));
    check("commit more", of!(Committed, |it| it.payee = person(1).into()));
}

#[test]
fn a_final_account_stands_in_for_the_estimate() {
    check("final", of!(FinalAccountApproved, |it| it.amount_minor = 501));
    check("final", of!(FinalAccountApproved, |it| it.amount_minor = 59));
    check("final", of!(FinalAccountApproved, |it| it.project_id = "none".into()));
    check("final", of!(FinalAccountApproved, |it| it.surplus_sequences = vec![i64::MAX]));
    let one_more =
        PaymentExecuted { payment_id: "s-9".into(), project_id: "school".into(), ..PaymentExecuted::default() };
    after("one more", Payload::PaymentExecuted(one_more), &family_story::pay(INVEST, 1, 1));
}

#[test]
fn goals_make_a_whole_and_name_what_they_replace() {
    check("goal", of!(GoalSet, |it| it.subject_id = "none".into()));
    check("goal", of!(GoalSet, |it| it.subject_kind = 1));
    check("goal", of!(GoalSet, |it| it.year = 2027));
    check("goal", of!(GoalSet, |it| it.weight_ppm = 0));
    check("goal", of!(GoalSet, |it| it.target_milli = -1));
    check("goal", of!(GoalSet, |it| it.replaces_sequence = 1));
    check("other goal", of!(GoalSet, |it| it.weight_ppm = 400_001));
    check("goal again", of!(GoalSet, |it| it.replaces_sequence = 0));
    check("output", of!(OutputRecorded, |it| it.indicator_code = "none".into()));
    check("output", of!(OutputRecorded, |it| it.corrects_sequence = 1));
    check("output", of!(OutputRecorded, |it| it.actual_milli = -1));
    check("output again", of!(OutputRecorded, |it| it.corrects_sequence = 0));
    check("output again", of!(OutputRecorded, |it| it.corrects_sequence += 1));
}
