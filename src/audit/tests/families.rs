//! The rules of the families: the story of them verifies; the story with one thing changed, and chained anew, does not.

use super::super::{Depth, FaultKind as Kind, Verdict};
use super::family_story::{
    BOND, DEPOSIT, FEE, FISCAL, HOME_OF_A, HOME_OF_B, HOUSING, INCOME, INVEST, INVESTMENT, LOAN, LOW_RENT, LOWER, NEXT,
    NONTAX, OF_A, OF_B, OF_C, OTHER_FISCAL, OTHER_OF_A, OTHER_PAYOUT, OTHER_POOL, PAYOUT, PENDING, PENSION,
    PENSION_UPPER, POOL, RELIEF, RELIEVE, RESIDENTS, RISK, SHARE, SURPLUS, SURPLUS_DEPOSIT, TREASURY, UPPER, account,
    add, benefit, closed, collected, contribution, day, digest, divided, estimate, families, interest, known, line,
    loan, moved, noticed, pay, payout, payout_of, project, recovered, refunded, repaid, surplus, transferred,
    withdrawn,
};
use super::money::check_story;
use super::story::{Row, legs};
use super::{audit, blocks, chained};
use crate::pb::v1::event::Payload;
use crate::pb::v1::{
    AccountKind, ContributionKind, EligibilityFact, Event, FundDefined, IncomeReceived, InterestMethod, PeriodClosed,
    PolicySet, Reconciled, TransferDirection,
};

#[test]
fn the_families_verify() {
    let report = audit(blocks(&chained(&families().events), 8), Depth::Deep);
    assert_eq!(report.faults, []);
    assert_eq!(report.verdict, Verdict::Verified);
}

/// Changes one event of the story: it is the first with a fault, of this kind.
#[track_caller]
fn check(label: &str, change: impl FnOnce(&mut Event), kind: Kind) {
    let mut story = families();
    let at = story.at(label);
    change(&mut story.events[at]);
    check_story(&story, &format!("{label} -> {kind:?}"), label, &[kind]);
}

/// Appends an event to the story: it has a fault of this kind, and where there is none it verifies.
#[track_caller]
fn after(label: &'static str, on: i32, payload: Payload, rows: &[Row], kind: Option<Kind>) {
    let mut story = families();
    add(&mut story, label, on, payload, rows);
    match kind {
        Some(kind) => check_story(&story, label, label, &[kind]),
        None => assert_eq!(audit(blocks(&chained(&story.events), 8), Depth::Deep).faults, [], "{label}"),
    }
}

fn now() -> i32 {
    day(2028, 1, 10)
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

fn rows(rows: &'static [Row]) -> impl FnOnce(&mut Event) {
    move |event| event.legs = legs(rows)
}

fn becomes(payload: Payload) -> impl FnOnce(&mut Event) {
    move |event| event.payload = Some(payload)
}

const OK: Option<Kind> = None;
const BOOKS: Option<Kind> = Some(Kind::Books);
const LEG: Option<Kind> = Some(Kind::Leg);

#[test]
fn funds_and_their_accounts() {
    for (family, scheme) in
        [(0, 0), (99, 0), (1, 11), (1, -1), (1, 7), (2, 1), (3, 1), (4, 4), (5, 0), (5, 6), (5, 18), (6, 12)]
    {
        let defined = FundDefined { fund: 7, family, scheme, ..FundDefined::default() };
        after("define", now(), Payload::FundDefined(defined), &[], BOOKS);
    }
    for (family, scheme) in [(1, 6), (2, 0), (5, 17)] {
        let defined = FundDefined { fund: 7, family, scheme, ..FundDefined::default() };
        after("define", now(), Payload::FundDefined(defined), &[], OK);
    }
    let nobody: &[u8] = &[];
    let one = [7_u8; 16];
    for (fund, kind, owner, found) in [
        (NONTAX, AccountKind::FundLot, nobody, BOOKS),
        (NONTAX, AccountKind::Pool, nobody, BOOKS),
        (INVESTMENT, AccountKind::PayableUpper, nobody, BOOKS),
        (PENSION, AccountKind::Treasury, nobody, BOOKS),
        (PENSION, AccountKind::HousingPersonal, &one, BOOKS),
        (HOUSING, AccountKind::Personal, &one, BOOKS),
        (HOUSING, AccountKind::Income, nobody, BOOKS),
        (PENSION, AccountKind::Unspecified, nobody, BOOKS),
        (PENSION, AccountKind::Personal, nobody, BOOKS),
        (PENSION, AccountKind::Personal, &one[..15], BOOKS),
        (PENSION, AccountKind::Payout, &one, BOOKS),
        (PENSION, AccountKind::Personal, &[2; 16], BOOKS),
        (HOUSING, AccountKind::HousingPersonal, &[1; 16], BOOKS),
        (99, AccountKind::Personal, &one, BOOKS),
        (PENSION, AccountKind::Personal, &one, OK),
        // The person's only account was closed; and another scheme is another account.
        (PENSION, AccountKind::Personal, &[3; 16], OK),
        (RESIDENTS, AccountKind::Personal, &[2; 16], OK),
        (RELIEF, AccountKind::AuthorityPlan, nobody, OK),
        (NONTAX, AccountKind::PayableLower, nobody, OK),
    ] {
        after("open", now(), Payload::AccountOpened(account(NEXT, fund, kind, owner)), &[], found);
    }
}

#[test]
fn accounts_are_closed_once_and_empty() {
    after("closed twice", now(), closed(OF_C), &[], BOOKS);
    after("unknown", now(), closed(99), &[], BOOKS);
    after("with money", now(), closed(OF_B), &[], BOOKS);
    after("with a lot", now(), closed(RELIEVE[1]), &[], BOOKS);
    after("empty", now(), closed(BOND), &[], OK);
    let again = transferred(TransferDirection::In, OF_C, 0);
    after("moved again", now(), again, &[(FISCAL, 0, 5), (OF_C, 0, -5)], LEG);
    let received = Payload::ContributionReceived(contribution(202_605, vec![line(OF_C, 0, 0, 0), line(OF_A, 0, 0, 0)]));
    after("contributed again", now(), received, &[(INCOME, 0, 5), (POOL, 0, -5)], BOOKS);
}

#[test]
fn policies_that_are_not_in_force() {
    check("split", |event| event.policy_version = 0, Kind::Books);
    check("contribute", |event| event.policy_version = 2, Kind::Books);
    check("interest", |event| event.policy_version = -1, Kind::Books);
    check("transact", of!(TransactionPosted, |it| it.operations[0].policy_version = 2), Kind::Books);
    // A later version counts from its day on.
    for (on, kind) in [(day(2026, 6, 1), OK), (day(2026, 6, 2), BOOKS)] {
        let mut story = families();
        let mut set = PolicySet { policy_id: "relief".into(), version: 2, ..PolicySet::default() };
        set.effective_from_day = day(2026, 6, 2);
        story.add("policy", Payload::PolicySet(set), &[]);
        add(&mut story, "pay out", on, payout("r-9", 6, 202_601), &pay(RELIEVE, 2, 5));
        match kind {
            Some(kind) => check_story(&story, "an old version", "pay out", &[kind]),
            None => assert_eq!(audit(blocks(&chained(&story.events), 8), Depth::Deep).faults, []),
        }
    }
}

#[test]
fn revenue() {
    check("notice", of!(NontaxNoticed, |it| it.amount_minor = 0), Kind::Books);
    check("notice", of!(NontaxNoticed, |it| it.amount_minor = 1 << 53), Kind::Books);
    check("notice", of!(NontaxNoticed, |it| it.fund = PENSION), Kind::Books);
    check("notice", of!(NontaxNoticed, |it| it.payer = vec![9; 15].into()), Kind::Books);
    after("noticed twice", now(), noticed("n-1", "fine", 5), &[], BOOKS);
    after("notice", now(), noticed("n-2", "fine", 5), &[], OK);
    check("collect", becomes(collected("n-9")), Kind::Books);
    check("collect", rows(&[(TREASURY, 0, 333_334), (PENDING, 0, -333_334)]), Kind::Books);
    let more = |amount: i64| [(TREASURY, 0, amount), (PENDING, 0, -amount)];
    after("all that is due", now(), collected("n-1"), &more(100_003), OK);
    after("more than is due", now(), collected("n-1"), &more(100_004), BOOKS);
    let split = |parts: &'static [Row]| check("split", rows(parts), Kind::Books);
    split(&[(PENDING, 0, 333_333), (UPPER, 0, -66_666), (SHARE, 0, -100_000), (LOWER, 0, -166_667)]);
    split(&[(PENDING, 0, 333_333), (UPPER, 0, -66_667), (SHARE, 0, -266_666)]);
    split(&[(PENDING, 0, 300_000), (UPPER, 0, -60_000), (SHARE, 0, -90_000), (LOWER, 0, -150_000)]);
    check("split", becomes(divided("n-9")), Kind::Books);
    check("notice", of!(NontaxNoticed, |it| it.fund = 99), Kind::Books);
    for item in ["none", "lost"] {
        let mut story = families();
        add(&mut story, "notice", now(), noticed("n-2", item, 5), &[]);
        add(&mut story, "collect", now(), collected("n-2"), &more(5));
        add(&mut story, "divide", now(), divided("n-2"), &[(PENDING, 0, 5), (SHARE, 0, -5)]);
        check_story(&story, item, "divide", &[Kind::Books]);
    }
    let refund = |parts: &'static [Row]| check("refund", rows(parts), Kind::Books);
    refund(&[(UPPER, 0, 20_001), (SHARE, 0, 29_999), (LOWER, 0, 50_000), (TREASURY, 0, -100_000)]);
    refund(&[(SHARE, 0, 100_000), (TREASURY, 0, -100_000)]);
    check("refund", becomes(refunded("n-9")), Kind::Books);
    check(
        "refund more",
        rows(&[(PENDING, 0, 69_999), (UPPER, 0, 2), (SHARE, 0, 1), (LOWER, 0, 1), (TREASURY, 0, -70_003)]),
        Kind::Books,
    );
    // Of another notice than the one the money stands under.
    let mut story = families();
    add(&mut story, "notice", now(), noticed("n-2", "fine", 5), &[]);
    add(&mut story, "over", now(), refunded("n-2"), &[(SHARE, 0, 1), (TREASURY, 0, -1)]);
    check_story(&story, "over", "over", &[Kind::OverReturn]);
}

#[test]
fn contributions() {
    check("contribute", of!(ContributionReceived, |it| it.kind = 0), Kind::Books);
    check("contribute", of!(ContributionReceived, |it| it.period = 202_613), Kind::Books);
    check("contribute", of!(ContributionReceived, |it| it.lines.clear()), Kind::Books);
    check("contribute", of!(ContributionReceived, |it| it.lines[1].account = OF_A), Kind::Books);
    check("contribute", of!(ContributionReceived, |it| it.lines[1].account = OTHER_OF_A), Kind::Books);
    check("contribute", of!(ContributionReceived, |it| it.lines[1].account = POOL), Kind::Books);
    check("contribute", of!(ContributionReceived, |it| it.lines[1].base_minor = -1), Kind::Books);
    check("contribute", of!(ContributionReceived, |it| it.lines[1].base_minor += 100), Kind::Books);
    check("contribute", of!(ContributionReceived, |it| it.lines[0].employer_minor -= 1), Kind::Books);
    check("contribute", of!(ContributionReceived, |it| it.lines[0].personal_minor = i64::MAX), Kind::Books);
    check("contribute", of!(ContributionReceived, |it| it.lines[0].personal_pooled_minor = 1), Kind::Books);
    check("contribute", of!(ContributionReceived, |it| it.late_days = 29), Kind::Books);
    check("contribute", of!(ContributionReceived, |it| it.late_days = i32::MIN), Kind::Books);
    check("contribute", of!(ContributionReceived, |it| it.late_days = i32::MAX), Kind::Books);
    check("contribute", of!(ContributionReceived, |it| it.late_fee_minor = 10_801), Kind::Books);
    let legs = |parts: &'static [Row], kind| check("contribute", rows(parts), kind);
    legs(
        &[(INCOME, 0, 730_800), (POOL, 0, -490_801), (OF_A, 0, -63_999), (OF_B, 0, -80_000), (OF_C, 0, -96_000)],
        Kind::Books,
    );
    legs(
        &[(INCOME, 0, 730_799), (POOL, 0, -490_799), (OF_A, 0, -64_000), (OF_B, 0, -80_000), (OF_C, 0, -96_000)],
        Kind::Books,
    );
    legs(&[(INCOME, 0, 730_800), (POOL, 0, -490_800), (OF_A, 0, -144_000), (OF_C, 0, -96_000)], Kind::Books);
    legs(
        &[
            (INCOME, 0, 30_800),
            (FISCAL, 0, 700_000),
            (POOL, 0, -490_800),
            (OF_A, 0, -64_000),
            (OF_B, 0, -80_000),
            (OF_C, 0, -96_000),
        ],
        Kind::Leg,
    );
    legs(
        &[
            (INCOME, 0, 730_800),
            (POOL, 0, -400_000),
            (POOL, 0, -90_800),
            (OF_A, 0, -64_000),
            (OF_B, 0, -80_000),
            (OF_C, 0, -96_000),
        ],
        Kind::Leg,
    );
    check("provide", of!(ContributionReceived, |it| it.lines[0].employer_minor = 119_999), Kind::Books);
    check("provide", of!(ContributionReceived, |it| it.late_fee_minor = 1), Kind::Books);
    // Once an account and month, but for what is paid later.
    check("provide", of!(ContributionReceived, |it| it.period = 202_507), Kind::Books);
    let mut back = contribution(202_601, vec![line(OTHER_OF_A, 0, 0, 500)]);
    let received = [(OTHER_FISCAL, 0, 500), (OTHER_OF_A, 0, -500)];
    after("in two schemes", now(), Payload::ContributionReceived(back.clone()), &received, BOOKS);
    back.period = 202_602;
    after("twice", now(), Payload::ContributionReceived(back.clone()), &received, BOOKS);
    back.kind = ContributionKind::Back.into();
    after("later", now(), Payload::ContributionReceived(back), &received, OK);
    let many = (0..513).map(|_| line(OTHER_OF_A, 0, 0, 0)).collect();
    let many = Payload::ContributionReceived(contribution(202_603, many));
    after("too many", now(), many, &[(OTHER_FISCAL, 0, 1), (OTHER_POOL, 0, -1)], BOOKS);
}

#[test]
fn money_takes_its_ways() {
    let go = |from: i32, to: i32, kind| after("move", now(), moved(), &[(to, 0, 100), (from, 0, -100)], kind);
    go(FISCAL, PAYOUT, OK);
    go(PAYOUT, FISCAL, OK);
    go(FISCAL, PENSION_UPPER, OK);
    go(PAYOUT, PENSION_UPPER, OK);
    go(PENSION_UPPER, FISCAL, OK);
    go(DEPOSIT, SURPLUS_DEPOSIT, OK);
    go(SURPLUS_DEPOSIT, DEPOSIT, OK);
    go(PAYOUT, BOND, LEG);
    go(PAYOUT, INCOME, LEG);
    go(FISCAL, FISCAL, LEG);
    go(FISCAL, INCOME, LEG);
    go(FISCAL, OTHER_FISCAL, LEG);
    check("pass on", rows(&[(PAYOUT, 0, 730_800), (INCOME, 0, -730_800)]), Kind::Leg);
    check("to payout", rows(&[(PAYOUT, 0, 9), (BOND, 0, 1), (FISCAL, 0, -10)]), Kind::Leg);
    let income = Payload::IncomeReceived(IncomeReceived { source: 1, ..IncomeReceived::default() });
    after("income", now(), income.clone(), &[(INCOME, 0, 5), (POOL, 0, -5)], LEG);
    after("income", now(), income, &[(FISCAL, 0, 5), (OF_A, 0, -5)], LEG);
}

#[test]
fn relations_that_move() {
    check("move out", rows(&[(POOL, 0, 7_320_001), (OF_C, 0, 96_000), (FISCAL, 0, -7_416_001)]), Kind::Books);
    check("move out", rows(&[(POOL, 0, 7_320_000), (OF_C, 0, 95_999), (FISCAL, 0, -7_415_999)]), Kind::Books);
    check("move out", rows(&[(POOL, 0, 7_320_000), (OF_B, 0, 80_000), (FISCAL, 0, -7_400_000)]), Kind::Leg);
    check("move out", of!(RelationTransferred, |it| it.wage_base_minor = -1), Kind::Books);
    check("move out", of!(RelationTransferred, |it| it.direction = 0), Kind::Books);
    check("move out", of!(RelationTransferred, |it| it.direction = 1), Kind::Leg);
    check("move out", of!(RelationTransferred, |it| it.account = POOL), Kind::Books);
    check("move in", of!(RelationTransferred, |it| it.wage_base_minor = 100), Kind::Books);
    check("move in", rows(&[(FISCAL, 0, 50_000), (OF_B, 0, -40_000), (POOL, 0, -10_000)]), Kind::Books);
}

#[test]
fn benefits() {
    check("benefit", of!(BenefitPaid, |it| it.account = OF_B), Kind::Leg);
    check("benefit", of!(BenefitPaid, |it| it.account = OTHER_OF_A), Kind::Books);
    check("benefit", of!(BenefitPaid, |it| it.item_code = "none".into()), Kind::Books);
    check("benefit", of!(BenefitPaid, |it| it.item_code = "basic".into()), Kind::Books);
    check("benefit", of!(BenefitPaid, |it| it.item_code = "account".into()), Kind::Books);
    check("benefit", of!(BenefitPaid, |it| it.period = 202_600), Kind::Books);
    check("benefit", rows(&[(POOL, 0, 400_001), (OF_A, 0, 100_000), (PAYOUT, 0, -500_001)]), Kind::Books);
    check("benefit again", of!(BenefitPaid, |it| it.payment_id = "b-1".into()), Kind::Books);
    let paid = [(POOL, 0, 5), (PAYOUT, 0, -5)];
    let pay_again = |payload, kind| after("pay", now(), payload, &paid, kind);
    pay_again(benefit("b-9", OF_A, "both", 202_603), BOOKS);
    pay_again(benefit("b-9", OF_A, "both", 202_604), OK);
    pay_again(benefit("b-9", OF_A, "basic", 202_603), OK);
    // Who works is not paid for months that begin from then on, until it is over.
    pay_again(benefit("b-9", OF_B, "basic", 202_603), BOOKS);
    pay_again(benefit("b-9", OF_B, "basic", 202_604), BOOKS);
    pay_again(benefit("b-9", OF_B, "basic", 202_605), OK);
    pay_again(benefit("w-1", OF_B, "basic", 202_605), BOOKS);
    pay_again(benefit("r-1", OF_B, "basic", 202_605), BOOKS);
    // The residents' fund excludes the pension's: no benefit of both for one month.
    let other = [(OTHER_POOL, 0, 5), (OTHER_PAYOUT, 0, -5)];
    after("both funds", now(), benefit("b-9", OTHER_OF_A, "basic", 202_603), &other, BOOKS);
    after("one fund", now(), benefit("b-9", OTHER_OF_A, "basic", 202_604), &other, OK);
    for (fact, fund, on, found) in [
        (EligibilityFact::Death, 0, day(2026, 6, 1), BOOKS),
        (EligibilityFact::Exit, PENSION, day(2026, 6, 1), BOOKS),
        (EligibilityFact::Exit, RESIDENTS, day(2026, 6, 1), OK),
        (EligibilityFact::Death, 0, day(2026, 6, 2), OK),
        (EligibilityFact::Death, 0, day(2026, 4, 30), OK),
        // Recorded later for the same day.
        (EligibilityFact::Death, 0, day(2026, 5, 1), BOOKS),
    ] {
        let mut story = families();
        add(&mut story, "know", now(), known(2, fact, on, fund), &[]);
        add(&mut story, "pay", now(), benefit("b-9", OF_B, "basic", 202_606), &paid);
        match found {
            Some(kind) => check_story(&story, "barred", "pay", &[kind]),
            None => assert_eq!(audit(blocks(&chained(&story.events), 8), Depth::Deep).faults, [], "{fact:?} {fund}"),
        }
    }
    after("no fact", now(), known(2, EligibilityFact::Unspecified, 0, 0), &[], BOOKS);
    after("no fund", now(), known(2, EligibilityFact::Death, 0, 99), &[], BOOKS);
}

#[test]
fn what_comes_back_of_benefits() {
    let at = |label| i64::try_from(families().at(label)).unwrap();
    check("recover", rows(&[(PAYOUT, 0, 100_001), (POOL, 0, -75_000), (OF_A, 0, -25_001)]), Kind::Books);
    check("recover", rows(&[(PAYOUT, 0, 100_001), (POOL, 0, -75_001), (OF_B, 0, -25_000)]), Kind::Leg);
    check("recover", becomes(recovered("b-1", 3)), Kind::OverReturn);
    check("recover", becomes(recovered("b-9", 3)), Kind::OverReturn);
    check("recover rest", rows(&[(PAYOUT, 0, 300_000), (POOL, 0, -225_000), (OF_A, 0, -75_000)]), Kind::OverReturn);
    // Without the last part of it the claim is not free.
    let mut story = families();
    let (rest, again) = (story.at("recover rest"), story.at("benefit again"));
    story.events.swap(rest, again);
    story.labels.swap(rest, again);
    for (at, event) in (0..).zip(&mut story.events) {
        event.booked_at_ns = at;
    }
    check_story(&story, "paid before it came back", "benefit again", &[Kind::Books]);
    let home = at("withdraw");
    after(
        "more",
        now(),
        recovered("w-1", home),
        &[(DEPOSIT, 0, 999_001), (HOME_OF_A, 0, -999_001)],
        Some(Kind::OverReturn),
    );
    after("rest", now(), recovered("w-1", home), &[(DEPOSIT, 0, 999_000), (HOME_OF_A, 0, -999_000)], OK);
    after("other", now(), recovered("w-1", home), &[(DEPOSIT, 0, 5), (HOME_OF_B, 0, -5)], LEG);
    after("fund", now(), recovered("w-1", home), &[(PAYOUT, 0, 5), (OF_A, 0, -5)], LEG);
}

#[test]
fn interest_of_a_year() {
    check("interest", of!(InterestCredited, |it| it.rate_ppm = 26_201), Kind::Books);
    check("interest", of!(InterestCredited, |it| it.method = 2), Kind::Books);
    check("interest", of!(InterestCredited, |it| it.method = 0), Kind::Books);
    check("interest", of!(InterestCredited, |it| it.year = 2027), Kind::Books);
    check("interest", of!(InterestCredited, |it| it.year = i32::MAX), Kind::Books);
    check("interest", |event| event.business_day -= 1, Kind::Books);
    check("interest", of!(InterestCredited, |it| it.lines[1].account = OF_A), Kind::Books);
    check("interest", of!(InterestCredited, |it| it.lines[1].account = OTHER_OF_A), Kind::Books);
    check("interest", of!(InterestCredited, |it| it.lines[1].account = POOL), Kind::Books);
    check("interest", of!(InterestCredited, |it| it.lines[0].basis = 3_000_001), Kind::Books);
    check("interest", of!(InterestCredited, |it| it.lines[0].interest_minor = 78_601), Kind::Books);
    check("interest", rows(&[(POOL, 0, 78_601), (OF_A, 0, -78_601)]), Kind::Books);
    check("interest", rows(&[(POOL, 0, 78_600), (OF_B, 0, -78_600)]), Kind::Books);
    check("interest", rows(&[(POOL, 0, 600), (POOL, 0, 78_000), (OF_A, 0, -78_600)]), Kind::Leg);
    check("interest", of!(InterestCredited, |it| it.fund = HOUSING), Kind::Leg);
    check("interest next", of!(InterestCredited, |it| it.lines[0].basis = 3_042_600 - 78_600), Kind::Books);
    check("home interest", of!(InterestCredited, |it| it.lines[0].basis = 1_679_040_001), Kind::Books);
    // A change that is dated otherwise, or is not there yet, makes another basis.
    check_basis("provide", |event| event.business_day -= 1);
    check_basis("housing opening", |event| event.business_day += 2);
    let opening = InterestMethod::OpeningBalance;
    let nothing = |year, basis| interest(PENSION, year, 26_200, opening, &[(OF_A, basis, 0)]);
    after("again", now(), nothing(2027, 0), &[], BOOKS);
    after("earlier", now(), nothing(2025, 0), &[], BOOKS);
    // The account that was left out in 2027 is owed 2027 still.
    let held = 80_000 + 50_000;
    let credited = interest(PENSION, 2027, 26_200, opening, &[(OF_B, held, 3_406)]);
    after("left out", now(), credited, &[(POOL, 0, 3_406), (OF_B, 0, -3_406)], OK);
    // 2027 by days in the housing fund: what the year began with, and what came back on its tenth day.
    let product = (3_600_000 + 12 * 240_000 - 1_000_000 + 69_960) * 365 + 1_000 * 356;
    let earned = (product * 15_000 + 180_000_000) / 360_000_000;
    let credited = interest(HOUSING, 2027, 15_000, InterestMethod::DayProduct, &[(HOME_OF_A, product, earned)]);
    after("next year", now(), credited, &[(SURPLUS, 0, earned), (HOME_OF_A, 0, -earned)], OK);
}

/// The change of one event is found where interest is computed of it.
#[track_caller]
fn check_basis(label: &str, change: impl FnOnce(&mut Event)) {
    let mut story = families();
    let at = story.at(label);
    change(&mut story.events[at]);
    check_story(&story, label, "home interest", &[Kind::Books]);
}

#[test]
fn housing() {
    check("withdraw", of!(HousingWithdrawn, |it| it.reason_code = "CAR".into()), Kind::Books);
    check("withdraw", of!(HousingWithdrawn, |it| it.payment_id = "b-2".into()), Kind::Books);
    check("withdraw", of!(HousingWithdrawn, |it| it.payment_id = "r-3".into()), Kind::Books);
    check("withdraw", of!(HousingWithdrawn, |it| it.account = HOME_OF_B), Kind::Leg);
    after("withdrawn twice", now(), withdrawn("w-1", HOME_OF_A), &[(HOME_OF_A, 0, 5), (DEPOSIT, 0, -5)], BOOKS);
    after("paid as well", now(), project("w-1", ""), &pay(RELIEVE, 2, 5), BOOKS);
    check("lend", of!(LoanIssued, |it| it.account = OF_A), Kind::Books);
    check("lend", of!(LoanIssued, |it| it.rate_ppm = 25_999), Kind::Books);
    check("lend", of!(LoanIssued, |it| it.months = 361), Kind::Books);
    check("lend", of!(LoanIssued, |it| it.months = 0), Kind::Books);
    check("lend", of!(LoanIssued, |it| it.instalment_minor = 0), Kind::Books);
    after("lent twice", now(), loan("l-1"), &[(LOAN, 0, 5), (DEPOSIT, 0, -5)], BOOKS);
    check("repay", becomes(repaid("l-9", 202_608)), Kind::Books);
    check("repay", becomes(repaid("l-1", 202_613)), Kind::Books);
    check("repay", rows(&[(DEPOSIT, 0, 200_170), (LOAN, 0, -91_836), (SURPLUS, 0, -108_334)]), Kind::Books);
    check("repay all", becomes(repaid("l-1", 202_608)), Kind::Books);
    check("repay all", becomes(repaid("l-1", 202_607)), Kind::Books);
    check(
        "repay all",
        rows(&[(DEPOSIT, 0, 49_908_164 + 108_134), (LOAN, 0, -49_908_164), (SURPLUS, 0, -108_134)]),
        Kind::Books,
    );
    after("nothing is owed", now(), repaid("l-1", 202_801), &[(DEPOSIT, 0, 1), (LOAN, 0, -1)], BOOKS);
    check(
        "distribute",
        rows(&[(SURPLUS, 0, 5_038_373), (RISK, 0, -3_023_023), (FEE, 0, -755_756), (LOW_RENT, 0, -1_259_594)]),
        Kind::Books,
    );
    check("distribute", rows(&[(SURPLUS, 0, 5_038_373), (RISK, 0, -5_038_373)]), Kind::Books);
    let halves = [(SURPLUS, 0, 100), (RISK, 0, -30), (RISK, 0, -30), (FEE, 0, -15), (LOW_RENT, 0, -25)];
    after("in halves", now(), surplus(), &halves, BOOKS);
    after("distributed", now(), surplus(), &[(SURPLUS, 0, 1), (RISK, 0, -1)], OK);
}

#[test]
fn payouts() {
    let again = |payload, amount: i64, kind| after("pay", now(), payload, &pay(RELIEVE, 2, amount), kind);
    again(payout("r-9", 5, 202_605), 5, BOOKS);
    again(payout("r-9", 5, 202_606), 5, OK);
    again(payout("r-9", 6, 202_605), 5, OK);
    again(payout("r-9", 6, 202_605), 50_001, BOOKS);
    again(payout("r-9", 6, 202_613), 5, BOOKS);
    again(Payload::PaymentExecuted(payout_of("r-9", 6, "none", 202_605)), 5, BOOKS);
    let mut to_nobody = payout_of("r-9", 6, "relief", 202_605);
    to_nobody.payee = vec![1].into();
    again(Payload::PaymentExecuted(to_nobody), 5, BOOKS);
    // Known of the person for another fund only.
    again(payout("r-9", 2, 202_604), 5, OK);
    check("relieve again", of!(PaymentExecuted, |it| it.payment_id = "r-1".into()), Kind::Books);
    let barred = |on, kind| {
        let mut story = families();
        add(&mut story, "know", now(), known(6, EligibilityFact::Death, on, 0), &[]);
        add(&mut story, "pay", now(), payout("r-9", 6, 202_605), &pay(RELIEVE, 2, 5));
        match kind {
            Some(kind) => check_story(&story, "barred", "pay", &[kind]),
            None => assert_eq!(audit(blocks(&chained(&story.events), 8), Depth::Deep).faults, []),
        }
    };
    barred(day(2026, 5, 1), BOOKS);
    barred(day(2026, 5, 2), OK);
    // Half of it came back only.
    let mut story = families();
    let at = story.at("return rest");
    for leg in &mut story.events[at].legs {
        leg.amount_minor -= leg.amount_minor.signum();
    }
    check_story(&story, "half returned", "relieve again", &[Kind::Books]);
    let mut story = families();
    let (reverse, transact) = (story.at("reverse relief"), story.at("transact"));
    story.events.swap(reverse, transact);
    story.labels.swap(reverse, transact);
    for (at, event) in (0..).zip(&mut story.events) {
        event.booked_at_ns = at;
    }
    check_story(&story, "not reversed yet", "transact", &[Kind::Books]);
}

#[test]
fn estimates_and_entitlements() {
    let build =
        |project_id, amount, kind| after("pay", now(), project("i-9", project_id), &pay(INVEST, 1, amount), kind);
    build("bridge", 1, BOOKS);
    build("road", 1, BOOKS);
    build("", 1, BOOKS);
    let more = |amount: i64, paid: i64, kind| {
        let mut story = families();
        add(&mut story, "estimate more", now(), estimate("bridge", INVESTMENT, amount), &[]);
        add(&mut story, "pay", now(), project("i-9", "bridge"), &pay(INVEST, 1, paid));
        match kind {
            Some(kind) => check_story(&story, "estimate", "pay", &[kind]),
            None => assert_eq!(audit(blocks(&chained(&story.events), 8), Depth::Deep).faults, []),
        }
    };
    more(900, 100, OK);
    more(900, 101, BOOKS);
    after("too little", now(), estimate("bridge", INVESTMENT, 799), &[], BOOKS);
    after("as much", now(), estimate("bridge", INVESTMENT, 800), &[], OK);
    check("estimate", of!(EstimateApproved, |it| it.amount_minor = 0), Kind::Books);
    check("estimate", of!(EstimateApproved, |it| it.fund = RELIEF), Kind::Books);
    let entitle = || families().events[families().at("entitle")].payload.clone().unwrap();
    after("twice", now(), entitle(), &[], BOOKS);
    check("entitle", of!(EntitlementDetermined, |it| it.shares[0].amount_minor += 1), Kind::Books);
    check("entitle", of!(EntitlementDetermined, |it| it.shares.swap(0, 1)), Kind::Books);
    check("entitle", of!(EntitlementDetermined, |it| it.item_code = "none".into()), Kind::Books);
    check("entitle", of!(EntitlementDetermined, |it| it.head_count = -1), Kind::Books);
    check("entitle", of!(EntitlementDetermined, |it| it.head_count = i64::MAX), Kind::Books);
    check("entitle", of!(EntitlementDetermined, |it| it.fund = 99), Kind::Books);
}

#[test]
fn income_accounts_are_empty_when_a_month_closes() {
    let mut story = families();
    let (pass, close) = (story.at("pass on"), story.at("close month"));
    story.events.swap(pass, close);
    story.labels.swap(pass, close);
    for (at, event) in (0..).zip(&mut story.events) {
        event.booked_at_ns = at;
    }
    let balances = [
        (INCOME, 730_800),
        (FISCAL, 103_000_000),
        (POOL, 100_489_800),
        (OF_A, 3_064_000),
        (OF_B, 80_000),
        (OF_C, 96_000),
        (PENSION_UPPER, 1_000),
    ];
    let month = PeriodClosed { fund: PENSION, period: 202_601, trial_balance_sha256: digest(&balances).into() };
    story.events[pass].payload = Some(Payload::PeriodClosed(month));
    check_story(&story, "closed with money on it", "close month", &[Kind::ClosedPeriod]);
}

/// Whatever bytes a log holds, the audit ends.
#[test]
fn comparisons_with_bank_statements() {
    let story = families();
    let next = i64::try_from(story.events.len()).unwrap();
    let days: std::collections::BTreeSet<i32> = story.events.iter().map(|event| event.business_day).collect();
    let middle = *days.iter().nth(days.len() / 2).unwrap();
    let held = |account: i32, last_day: i32, as_of: i64| -> i64 {
        let seen = story
            .events
            .iter()
            .take(usize::try_from(as_of).unwrap() + 1)
            .filter(|event| event.business_day <= last_day);
        seen.flat_map(|event| &event.legs).filter(|leg| leg.account == account).map(|leg| leg.amount_minor).sum()
    };
    let say = |account: i32, last_day: i32, as_of_sequence: i64, book_balance_minor: i64, found: Option<Kind>| {
        let said = Reconciled { account, last_day, as_of_sequence, book_balance_minor, ..Reconciled::default() };
        after("compared", now(), Payload::Reconciled(said), &[], found);
    };
    let mut told = std::collections::BTreeSet::new();
    for account in [TREASURY, FISCAL, PAYOUT, DEPOSIT] {
        for (last_day, as_of) in
            [(now(), next - 1), (middle, next - 1), (now(), next / 2), (middle, next / 2), (0, next - 1)]
        {
            let true_balance = held(account, last_day, as_of);
            told.insert(true_balance);
            say(account, last_day, as_of, true_balance, OK);
            say(account, last_day, as_of, true_balance + 1, BOOKS);
        }
    }
    assert!(told.len() > 6, "the cuts are of different balances: {told:?}");
    say(TREASURY, now(), next, held(TREASURY, now(), next - 1), BOOKS);
    say(POOL, now(), next - 1, held(POOL, now(), next - 1), BOOKS);
    say(99, now(), next - 1, 0, BOOKS);
}

#[test]
fn events_of_nothing_are_no_panic() {
    let story = families();
    for (at, event) in story.events.iter().enumerate() {
        let mut broken = families();
        for other in &mut broken.events[at..] {
            other.legs.clear();
        }
        audit(blocks(&chained(&broken.events), 64), Depth::Deep);
        let mut broken = families();
        for leg in &mut broken.events[at].legs {
            leg.amount_minor = if leg.amount_minor > 0 { i64::MAX } else { i64::MIN };
            leg.account = i32::MAX - leg.account;
        }
        broken.events[at].business_day = if event.legs.len() > 2 { i32::MIN } else { i32::MAX };
        audit(blocks(&chained(&broken.events), 64), Depth::Deep);
    }
}
