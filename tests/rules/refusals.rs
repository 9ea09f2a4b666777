//! Every refusal, as rows: the order that is refused, with its facts, and the same order without the defect; and which of
//! two defects is told.

use std::collections::BTreeMap;

use fundledger::domain::account::AccountKind as Kind;
use fundledger::domain::command::Order;
use fundledger::domain::fund::{FundDefinition, PlanStep};
use fundledger::domain::money::AMOUNT_MAX_MINOR;
use fundledger::domain::refusal::{Reason, Reason as R};
use fundledger::pb::v1::ErrorReason;

use crate::support::orders::{
    Pay, Who, allocate, carry, cash, clear, close_day, close_period, commit, define, freeze_account, freeze_amount,
    freeze_lot, freeze_payee, fund, give_back, issue, line, lot, lot_for, lot_on, lot_until, on, open, opening, pay,
    plan, policy, policy_id, reallocate, recall, reduce, release, reverse, supplement, unfreeze,
};
use crate::support::rules::Rules;
use crate::world::{
    CASH_C, COMMIT_K1, FIRST, Given, ISSUE_C, TODAY, after, balanced, g, given, many_lots, new_fund, paid, refused,
    then, third_fund, world,
};

struct Checker {
    world: Rules,
    faults: Vec<String>,
    rows: BTreeMap<Reason, u32>,
}

impl Checker {
    /// After `before`, `bad` is refused with just this reason and these facts, and `good` is accepted.
    fn check(&mut self, name: &str, before: Vec<Given>, bad: impl Into<Given>, says: &str, good: impl Into<Given>) {
        let rules = after(&self.world, &before);
        let refusal = refused(&rules, name, &bad.into());
        if refusal.to_string() != says {
            self.faults.push(format!("{name}: says {refusal}\n  instead of {says}"));
        }
        *self.rows.entry(refusal.reason).or_default() += 1;
        let Given(who, order) = good.into();
        if let Err(refusal) = rules.clone().give(&who, &order) {
            self.faults.push(format!("{name}: the order without the defect was refused: {refusal}"));
        }
    }
}

#[test]
fn every_rule_refuses_what_it_says_and_nothing_else() {
    let mut c = Checker { world: world(), faults: Vec::new(), rows: BTreeMap::new() };
    names_that_do_not_exist(&mut c);
    names_that_exist(&mut c);
    duties_dates_and_approvals(&mut c);
    funds_and_kinds(&mut c);
    money(&mut c);
    spending(&mut c);
    contracts(&mut c);
    corrections(&mut c);
    assert!(c.faults.is_empty(), "{}", c.faults.join("\n"));

    let missing: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| (100..=169).contains(&reason.number()) && !c.rows.contains_key(reason))
        // Roles, keys and proposals have tests of their own (tests/approvals), and so have the families and supervision
        // (tests/families).
        .filter(|reason| !(109..=119).contains(&reason.number()) && !(128..=139).contains(&reason.number()))
        .collect();
    // A payee is only ever looked for by queries: no order can be refused for one that nobody paid.
    assert_eq!(missing, [&Reason::PayeeNotFound], "rules without a row");
}

#[rustfmt::skip]
fn names_that_do_not_exist(c: &mut Checker) {
    let unit = |name| open(name, "SP", Kind::AuthorityUnit, Some("Z"));
    c.check("fund of an account", given![], open("x", "NO", Kind::Clearing, None), "FUND_NOT_FOUND fund=NO", unit("x"));
    c.check("fund of an opening", given![], opening("NO", vec![], vec![]), "FUND_NOT_FOUND fund=NO", unit("x"));
    c.check("fund of a day", given![], close_day("NO", TODAY), "FUND_NOT_FOUND fund=NO", close_day("SP", TODAY));
    c.check("fund of a month", given![], close_period("NO", 2026, 4), "FUND_NOT_FOUND fund=NO", close_period("SP", 2026, 4));
    c.check("account that gives", given![], allocate("no", "a.A.unit", 1, &[]), "ACCOUNT_NOT_FOUND account=no", allocate("a.unalloc", "a.A.unit", 1, &[]));
    c.check("account that receives", given![], plan("a.A.unit", "no", 1, &[]), "ACCOUNT_NOT_FOUND account=no", plan("a.A.unit", "a.A.plan", 1, &[]));
    c.check("account of a payment", given![], pay("p1", "no", 1, &[], "V2"), "ACCOUNT_NOT_FOUND account=no", pay("p1", "a.A.plan", 1, &[], "V2"));
    c.check("account of an issue", given![], issue(lot("X"), "no", 1), "ACCOUNT_NOT_FOUND account=no", issue(lot("X"), "a.unalloc", 1));
    c.check("account of a freeze", given![], freeze_account("f", "no"), "ACCOUNT_NOT_FOUND account=no", freeze_account("f", "a.A.plan"));
    c.check("account of an opening line", new_fund(), opening("F3", vec![], vec![line("no", None, 1)]), "ACCOUNT_NOT_FOUND account=no", balanced("X", 1));
    c.check("source of a fund", third_fund(), issue(lot("X"), "e.unalloc", 1), "ACCOUNT_NOT_FOUND fund=F3 kind=AUTHORITY_SOURCE", issue(lot("X"), "a.unalloc", 1));
    c.check("used account of a unit", given![open("a.Z.plan", "SP", Kind::AuthorityPlan, Some("Z"))], pay("p1", "a.Z.plan", 1, &[], "V2"), "ACCOUNT_NOT_FOUND fund=SP kind=AUTHORITY_USED unit=Z", pay("p1", "a.A.plan", 1, &[], "V2"));
    c.check("lot drawn on", given![], allocate("a.unalloc", "a.A.unit", 1, &[("NO", 1)]), "LOT_NOT_FOUND lot=NO", allocate("a.unalloc", "a.A.unit", 1, &[("C", 1)]));
    c.check("lot of cash", given![], cash("NO", 1, "r"), "LOT_NOT_FOUND lot=NO", cash("C", 1, "r"));
    c.check("lot of an adjustment", given![], supplement("NO", "a.unalloc", 1, "n"), "LOT_NOT_FOUND lot=NO", supplement("C", "a.unalloc", 1, "n"));
    c.check("lot frozen", given![], freeze_lot("f", "NO"), "LOT_NOT_FOUND lot=NO", freeze_lot("f", "C"));
    c.check("lot carried", given![], carry("NO", 2026), "LOT_NOT_FOUND lot=NO", carry("C", 2026));
    c.check("lot recalled", given![], recall("NO"), "LOT_NOT_FOUND lot=NO", (on("2026-12-31"), recall("P")));
    c.check("lot of an opening line", new_fund(), opening("F3", vec![], vec![line("e.src", Some("NO"), 1)]), "LOT_NOT_FOUND lot=NO", balanced("X", 1));
    c.check("payment cleared", paid(), clear(&["no"], "r"), "PAYMENT_NOT_FOUND payment=no", close_day("SP", TODAY));
    c.check("payment returned", paid(), give_back("no", 1, "r"), "PAYMENT_NOT_FOUND payment=no", give_back("p1", 1, "r"));
    c.check("contract released", given![], release("a.A.commit", "a.A.plan", 1, &[], "NO"), "CONTRACT_NOT_FOUND contract=NO", release("a.A.commit", "a.A.plan", 1, &[], "K1"));
    c.check("contract paid under", given![], pay("p1", "a.A.commit", 1, &[], "V1").under("NO"), "CONTRACT_NOT_FOUND contract=NO", pay("p1", "a.A.commit", 1, &[], "V1").under("K1"));
    c.check("committed money under no contract", given![], pay("p1", "a.A.commit", 1, &[], "V1"), "CONTRACT_NOT_FOUND account=a.A.commit", pay("p1", "a.A.commit", 1, &[], "V1").under("K1"));
    c.check("case that froze nothing", given![], unfreeze("f"), "FREEZE_NOT_FOUND case=f", freeze_lot("f", "C"));
    c.check("case lifted before", given![freeze_lot("f", "C"), unfreeze("f")], unfreeze("f"), "FREEZE_NOT_FOUND case=f", freeze_lot("g", "C"));
    c.check("event after the last", given![], reverse(FIRST), "EVENT_NOT_FOUND original_sequence=50", reverse(COMMIT_K1));
    c.check("the genesis", given![], reverse(0), "EVENT_NOT_FOUND original_sequence=0", reverse(COMMIT_K1));
    c.check("policy of a fund", given![], define(FundDefinition { policy_id: Some(policy_id("NO")), ..fund("X") }), "POLICY_NOT_FOUND policy=NO", define(FundDefinition { policy_id: Some(policy_id("POL")), ..fund("X") }));
    c.check("unit nobody knows", given![], pay("p1", "a.A.plan", 1, &[], "V2").unit("NO"), "UNIT_NOT_FOUND unit=NO", pay("p1", "a.A.plan", 1, &[], "V2").unit("A"));
    c.check("unit of another account", given![], pay("p1", "a.A.plan", 1, &[], "V2").unit("B"), "UNIT_NOT_FOUND account=a.A.plan", pay("p1", "a.A.plan", 1, &[], "V2"));
    c.check("unit of a fund's own account", given![carry("C", 2026)], pay("p1", "a.carry", 1, &[], "V2"), "UNIT_NOT_FOUND account=a.carry", pay("p1", "a.carry", 1, &[], "V2").unit("A"));
}

#[rustfmt::skip]
fn names_that_exist(c: &mut Checker) {
    let p1 = || pay("p1", "a.A.plan", 1, &[], "V2");
    c.check("fund", given![], define(fund("SP")), "FUND_EXISTS fund=SP", define(fund("F3")));
    c.check("account by name, of another fund", given![], open("c.clear", "F2", Kind::AuthorityUnit, Some("Z")), "ACCOUNT_EXISTS account=c.clear", open("x", "F2", Kind::AuthorityUnit, Some("Z")));
    c.check("account by role", given![], open("x", "SP", Kind::Clearing, None), "ACCOUNT_EXISTS account=c.clear fund=SP kind=CLEARING", open("x", "SP", Kind::AuthorityUnallocated, Some("Z")));
    c.check("account by role of a unit", given![], open("x", "SP", Kind::AuthorityPlan, Some("A")), "ACCOUNT_EXISTS account=a.A.plan fund=SP kind=AUTHORITY_PLAN", open("x", "SP", Kind::AuthorityPlan, Some("Z")));
    c.check("lot, on another document", given![], issue(lot_on("C", "n"), "a.unalloc", 1), "LOT_EXISTS lot=C", issue(lot_on("X", "n"), "a.unalloc", 1));
    c.check("lot of an opening", new_fund(), balanced("C", 1), "LOT_EXISTS lot=C", balanced("X", 1));
    c.check("lot twice in an opening", new_fund(), opening("F3", vec![lot_on("X", "n1"), lot_on("X", "n2")], vec![]), "LOT_EXISTS lot=X", balanced("X", 1));
    c.check("payment", given![p1()], p1(), "PAYMENT_EXISTS original_sequence=50 payment=p1", pay("p2", "a.A.plan", 1, &[], "V2"));
    c.check("payment that was reversed", given![p1(), reverse(FIRST)], p1(), "PAYMENT_EXISTS original_sequence=50 payment=p1", pay("p2", "a.A.plan", 1, &[], "V2"));
    c.check("contract with another contractor", given![], commit("a.A.plan", "a.A.commit", 1, &[], "K1", "V2"), "CONTRACT_EXISTS contract=K1", commit("a.A.plan", "a.A.commit", 1, &[], "K1", "V1"));
    c.check("contract of another fund", given![plan("b.A.unit", "b.A.plan", 9, &[])], commit("b.A.plan", "b.A.commit", 1, &[], "K1", "V1"), "CONTRACT_EXISTS contract=K1", commit("b.A.plan", "b.A.commit", 1, &[], "K2", "V1"));
    c.check("freeze", given![freeze_lot("f", "C")], freeze_payee("f", "V1"), "FREEZE_EXISTS case=f", freeze_payee("g", "V1"));
    c.check("freeze that was lifted", given![freeze_lot("f", "C"), unfreeze("f")], freeze_lot("f", "C"), "FREEZE_EXISTS case=f", freeze_lot("g", "C"));
    c.check("document of a lot", given![], issue(lot_on("X", "财〔2026〕C号"), "a.unalloc", 1), "DUPLICATE_DOCUMENT document_number=财〔2026〕C号 issuer=MOF original_sequence=38", issue(lot_on("X", "财〔2026〕X号"), "a.unalloc", 1));
    c.check("document of an adjustment", given![supplement("C", "a.unalloc", 1, "n")], reduce("C", "a.unalloc", 1, "n"), "DUPLICATE_DOCUMENT document_number=n issuer=MOF original_sequence=50", reduce("C", "a.unalloc", 1, "n2"));
    c.check("document of an opening's lot", new_fund(), opening("F3", vec![lot_on("X", "财〔2026〕C号")], vec![]), "DUPLICATE_DOCUMENT document_number=财〔2026〕C号 issuer=MOF original_sequence=38", balanced("X", 1));
    c.check("document twice in an opening", new_fund(), opening("F3", vec![lot_on("X", "n"), lot_on("Y", "n")], vec![]), "DUPLICATE_DOCUMENT document_number=n issuer=MOF other_lot=X", balanced("X", 1));
    c.check("bank reference of cash", given![], cash("C", 1, "cash P"), "DUPLICATE_BANK_REFERENCE bank_reference=cash P original_sequence=42", cash("C", 1, "r"));
    c.check("bank reference of a clearing", given![p1()], clear(&["p1"], "cash C"), "DUPLICATE_BANK_REFERENCE bank_reference=cash C original_sequence=41", clear(&["p1"], "r"));
    c.check("bank reference of a return", paid(), give_back("p1", 1, "clear p1"), "DUPLICATE_BANK_REFERENCE bank_reference=clear p1 original_sequence=51", give_back("p1", 1, "r"));
    c.check("bank reference of a return, again", then(paid(), given![give_back("p1", 1, "r")]), give_back("p1", 1, "r"), "DUPLICATE_BANK_REFERENCE bank_reference=r original_sequence=52", give_back("p1", 1, "r2"));
}

#[rustfmt::skip]
fn duties_dates_and_approvals(c: &mut Checker) {
    let by = |checkers: &[&'static str]| on(TODAY).checked(checkers);
    let move_one = || allocate("a.unalloc", "a.A.unit", 1, &[]);
    c.check("the maker checks", given![], (by(&["m1"]), move_one()), "SEGREGATION_OF_DUTIES actor=m1 maker=m1", (by(&["c1"]), move_one()));
    c.check("the maker is the second checker", given![], (by(&["c1", "m1"]), move_one()), "SEGREGATION_OF_DUTIES actor=m1 maker=m1", (by(&["c1", "c2"]), move_one()));
    c.check("a checker checks twice", given![], (by(&["c1", "c1"]), move_one()), "SEGREGATION_OF_DUTIES actor=c1 maker=m1", (by(&["c1", "c2"]), move_one()));
    c.check("even where none is needed", given![], (by(&["m1"]), cash("C", 1, "r")), "SEGREGATION_OF_DUTIES actor=m1 maker=m1", (by(&[]), cash("C", 1, "r")));
    let none = "APPROVAL_MISSING given=0 needed=1";
    for (name, before, order) in [
        ("fund", given![], define(fund("F3"))),
        ("policy", given![], policy("P2", 1, TODAY, PlanStep::Required, &[])),
        ("account", given![], open("x", "SP", Kind::AuthorityUnit, Some("Z"))),
        ("opening", new_fund(), balanced("X", 1)),
        ("issue", given![], issue(lot("X"), "a.unalloc", 1)),
        ("allocation", given![], move_one()),
        ("supplement", given![], supplement("C", "a.unalloc", 1, "n")),
        ("plan", given![], plan("a.A.unit", "a.A.plan", 1, &[])),
        ("commitment", given![], commit("a.A.plan", "a.A.commit", 1, &[], "K1", "V1")),
        ("payment", given![], Order::from(pay("p1", "a.A.plan", 1, &[], "V2"))),
        ("freeze of a payee", given![], freeze_payee("f", "V1")),
        ("freeze of an amount", given![], freeze_amount("f", "a.A.plan", 1, &[])),
        ("lifting of a mark", given![freeze_payee("f", "V1")], unfreeze("f")),
        ("lifting of an amount", given![freeze_amount("f", "a.A.plan", 1, &[])], unfreeze("f")),
        ("reversal", given![], reverse(COMMIT_K1)),
        ("month", given![], close_period("SP", 2026, 4)),
        ("carrying over", given![], carry("C", 2026)),
    ] {
        c.check(name, before, (by(&[]), order.clone()), none, (by(&["c1"]), order));
    }
    let recalled = |checkers| Given(on("2026-12-31").checked(checkers), recall("P"));
    c.check("recalling", given![], recalled(&[]), none, recalled(&["c1"]));
    // Where the bank's word is the evidence, or less is held than before, one person is enough.
    for (name, before, order) in [
        ("cash", given![], cash("C", 1, "r")),
        ("clearing", given![pay("p1", "a.A.plan", 1, &[], "V2")], clear(&["p1"], "r")),
        ("return", paid(), give_back("p1", 1, "r")),
        ("release", given![], release("a.A.commit", "a.A.plan", 1, &[], "K1")),
        ("day", given![], close_day("SP", TODAY)),
    ] {
        let accepted = after(&c.world, &before).give(&by(&[]), &order);
        assert!(accepted.is_ok(), "{name}: {accepted:?}");
    }
    let big = |minor| issue(lot("X"), "a.unalloc", minor);
    c.check("second tier, by the amount", given![], big(1_000_000), "APPROVAL_MISSING given=1 needed=2", big(999_999));
    c.check("second tier, by the checkers", given![], big(1_000_000), "APPROVAL_MISSING given=1 needed=2", (by(&["c1", "c2"]), big(1_000_000)));
    let tiers = given![policy("POL", 2, "2026-06-01", PlanStep::Required, &[(0, 0), (10, 3)])];
    c.check("tiers of the day: before", tiers.clone(), (by(&[]), issue(lot("X"), "a.unalloc", 9)), none, (on("2026-06-01").checked(&[]), issue(lot("X"), "a.unalloc", 9)));
    c.check("tiers of the day: after", tiers, (on("2026-06-01"), issue(lot("X"), "a.unalloc", 10)), "APPROVAL_MISSING given=1 needed=3", (on("2026-05-31"), issue(lot("X"), "a.unalloc", 10)));

    let april = || given![close_period("SP", 2026, 4)];
    let closed = "PERIOD_CLOSED business_date=2026-04-30 first_open_date=2026-05-01 fund=SP";
    for (name, before, order) in [
        ("issue", given![], issue(lot("X"), "a.unalloc", 1)),
        ("allocation", given![], move_one()),
        ("adjustment", given![], reduce("C", "a.unalloc", 1, "n")),
        ("plan", given![], plan("a.A.unit", "a.A.plan", 1, &[])),
        ("commitment", given![], commit("a.A.plan", "a.A.commit", 1, &[], "K1", "V1")),
        ("release", given![], release("a.A.commit", "a.A.plan", 1, &[], "K1")),
        ("cash", given![], cash("C", 1, "r")),
        ("payment", given![], Order::from(pay("p2", "a.A.plan", 1, &[], "V2"))),
        ("return", paid(), give_back("p1", 1, "r")),
        ("freeze of an amount", given![], freeze_amount("f", "a.A.plan", 1, &[])),
        ("lifting", given![freeze_amount("f", "a.A.plan", 1, &[])], unfreeze("f")),
        ("reversal", given![], reverse(COMMIT_K1)),
        ("carrying over", given![], carry("C", 2026)),
    ] {
        c.check(name, then(before, april()), (on("2026-04-30"), order.clone()), closed, (on("2026-05-01"), order));
    }
    c.check("recalling in a closed period", april(), (on("2026-04-30"), recall("P")), closed, (on("2026-12-31"), recall("P")));
    c.check("clearing in a closed period", given![close_period("SP", 2026, 3), pay("p1", "a.A.plan", 1, &[], "V2")], (on("2026-03-31"), clear(&["p1"], "r")), "PERIOD_CLOSED business_date=2026-03-31 first_open_date=2026-04-01 fund=SP", (on("2026-04-01"), clear(&["p1"], "r")));
    c.check("a closed day", given![close_day("SP", "2026-04-15")], (on("2026-04-15"), move_one()), "PERIOD_CLOSED business_date=2026-04-15 first_open_date=2026-04-16 fund=SP", (on("2026-04-16"), move_one()));
    c.check("the later of day and month", given![close_day("SP", "2026-05-15"), close_period("SP", 2026, 4)], (on("2026-05-15"), move_one()), "PERIOD_CLOSED business_date=2026-05-15 first_open_date=2026-05-16 fund=SP", (on("2026-05-16"), move_one()));
    c.check("a fund closes for itself", april(), (on("2026-04-30"), move_one()), closed, (on("2026-04-30"), allocate("b.unalloc", "b.A.unit", 1, &[])));
    c.check("day closed twice", given![close_day("SP", TODAY)], close_day("SP", TODAY), "PERIOD_CLOSED business_date=2026-05-01 first_open_date=2026-05-02 fund=SP", close_day("SP", "2026-05-02"));
    c.check("day of a closed month", april(), close_day("SP", "2026-04-30"), closed, close_day("SP", "2026-05-01"));
    c.check("month closed twice", april(), close_period("SP", 2026, 4), "PERIOD_CLOSED fund=SP period=2026-04", close_period("SP", 2026, 5));
    c.check("month before a closed one", april(), close_period("SP", 2026, 3), "PERIOD_CLOSED fund=SP period=2026-03", close_period("SP", 2026, 5));
    c.check("month after a gap", april(), close_period("SP", 2026, 6), "PERIOD_OUT_OF_ORDER fund=SP next_period=2026-05 period=2026-06", close_period("SP", 2026, 5));
    c.check("month after a year's end", given![close_period("SP", 2026, 12)], close_period("SP", 2027, 2), "PERIOD_OUT_OF_ORDER fund=SP next_period=2027-01 period=2027-02", close_period("SP", 2027, 1));
    let uncleared = || given![pay("p1", "a.A.plan", 7, &[], "V2")];
    let not_zero = "ZERO_BALANCE_NOT_CLEARED account=c.clear account_number=7 balance_minor=7";
    c.check("day with an uncleared payment", uncleared(), close_day("SP", TODAY), not_zero, close_day("F2", TODAY));
    c.check("month with an uncleared payment", uncleared(), close_period("SP", 2026, 4), not_zero, close_period("F2", 2026, 4));
    c.check("day, once it is cleared", uncleared(), close_day("SP", TODAY), not_zero, clear(&["p1"], "r"));

    let version = |version, from| policy("POL", version, from, PlanStep::Required, &[]);
    c.check("policy's first version", given![], policy("NEW", 2, TODAY, PlanStep::Required, &[]), "POLICY_VERSION_INVALID next_version=1 policy=NEW version=2", policy("NEW", 1, TODAY, PlanStep::Required, &[]));
    c.check("policy's version again", given![], version(1, TODAY), "POLICY_VERSION_INVALID effective_from_earliest=2026-01-01 next_version=2 policy=POL version=1", version(2, TODAY));
    c.check("policy's version after a gap", given![], version(3, TODAY), "POLICY_VERSION_INVALID effective_from_earliest=2026-01-01 next_version=2 policy=POL version=3", version(2, TODAY));
    c.check("policy that starts before the present one", given![], version(2, "2025-12-31"), "POLICY_VERSION_INVALID effective_from_earliest=2026-01-01 next_version=2 policy=POL version=2", version(2, "2026-01-01"));
}

#[rustfmt::skip]
fn funds_and_kinds(c: &mut Checker) {
    c.check("accounts of two funds", given![], allocate("a.unalloc", "b.A.unit", 1, &[]), "FUND_MIXED account=a.unalloc other_account=b.A.unit", allocate("b.unalloc", "b.A.unit", 1, &[]));
    c.check("draw on another fund's lot", given![], allocate("a.unalloc", "a.A.unit", 1, &[("D", 1)]), "FUND_MIXED account=a.unalloc lot=D", allocate("a.unalloc", "a.A.unit", 1, &[("C", 1)]));
    c.check("adjustment of another fund's account", given![], supplement("C", "b.unalloc", 1, "n"), "FUND_MIXED account=b.unalloc lot=C", supplement("C", "a.unalloc", 1, "n"));
    c.check("freeze on another fund's lot", given![], freeze_amount("f", "a.A.plan", 1, &[("D", 1)]), "FUND_MIXED account=a.A.plan lot=D", freeze_amount("f", "a.A.plan", 1, &[("C", 1)]));
    c.check("payment under another fund's contract", given![plan("b.A.unit", "b.A.plan", 9, &[])], pay("p1", "b.A.plan", 1, &[], "V1").under("K1"), "FUND_MIXED contract=K1", pay("p1", "b.A.plan", 1, &[], "V1"));
    c.check("release under another fund's contract", given![plan("b.A.unit", "b.A.plan", 9, &[]), commit("b.A.plan", "b.A.commit", 9, &[], "K2", "V1")], release("b.A.commit", "b.A.plan", 1, &[], "K1"), "FUND_MIXED contract=K1", release("b.A.commit", "b.A.plan", 1, &[], "K2"));
    let two = || given![pay("p1", "a.A.plan", 1, &[], "V2"), plan("b.A.unit", "b.A.plan", 9, &[]), pay("p2", "b.A.plan", 1, &[], "V2")];
    c.check("payments of two funds cleared at once", two(), clear(&["p1", "p2"], "r"), "FUND_MIXED payment=p2", clear(&["p1"], "r"));
    c.check("opening with another fund's account", new_fund(), opening("F3", vec![lot("X")], vec![line("a.src", Some("X"), 1)]), "FUND_MIXED account=a.src fund=F3", balanced("X", 1));
    c.check("opening with another fund's lot", new_fund(), opening("F3", vec![], vec![line("e.src", Some("C"), 1)]), "FUND_MIXED fund=F3 lot=C", balanced("X", 1));

    let kind = |account: &str, kind: &str, allowed: &str| format!("ACCOUNT_KIND_NOT_ALLOWED account={account} allowed={allowed} kind={kind}");
    c.check("fund's account for a unit", given![], open("x", "SP", Kind::Clearing, Some("Z")), "ACCOUNT_KIND_NOT_ALLOWED account=x kind=CLEARING", open("x", "SP", Kind::AuthorityUnallocated, Some("Z")));
    c.check("unit's account for no unit", given![], open("x", "SP", Kind::AuthorityUnit, None), "ACCOUNT_KIND_NOT_ALLOWED account=x kind=AUTHORITY_UNIT", open("x", "SP", Kind::AuthorityUnit, Some("Z")));
    c.check("issue to a unit", given![], issue(lot("X"), "a.A.unit", 1), &kind("a.A.unit", "AUTHORITY_UNIT", "AUTHORITY_UNALLOCATED"), issue(lot("X"), "a.unalloc", 1));
    c.check("allocation from a unit", given![], allocate("a.A.unit", "a.B.unit", 1, &[]), &kind("a.A.unit", "AUTHORITY_UNIT", "AUTHORITY_UNALLOCATED"), allocate("a.unalloc", "a.B.unit", 1, &[]));
    c.check("allocation to a plan", given![], allocate("a.unalloc", "a.A.plan", 1, &[]), &kind("a.A.plan", "AUTHORITY_PLAN", "AUTHORITY_UNALLOCATED,AUTHORITY_UNIT"), allocate("a.unalloc", "a.A.unit", 1, &[]));
    c.check("plan from the unallocated", given![], plan("a.unalloc", "a.A.plan", 1, &[]), &kind("a.unalloc", "AUTHORITY_UNALLOCATED", "AUTHORITY_UNIT"), plan("a.A.unit", "a.A.plan", 1, &[]));
    c.check("plan to a commitment", given![], plan("a.A.unit", "a.A.commit", 1, &[]), &kind("a.A.commit", "AUTHORITY_COMMITTED", "AUTHORITY_PLAN"), plan("a.A.unit", "a.A.plan", 1, &[]));
    c.check("plan of another unit", given![], plan("a.A.unit", "a.B.plan", 1, &[]), "ACCOUNT_KIND_NOT_ALLOWED account=a.A.unit other_account=a.B.plan", plan("a.B.unit", "a.B.plan", 1, &[]));
    c.check("commitment of another unit", given![], commit("a.A.plan", "a.B.commit", 1, &[], "K2", "V1"), "ACCOUNT_KIND_NOT_ALLOWED account=a.A.plan other_account=a.B.commit", commit("a.A.plan", "a.A.commit", 1, &[], "K2", "V1"));
    c.check("commitment to a plan", given![], commit("a.A.plan", "a.B.plan", 1, &[], "K2", "V1"), &kind("a.B.plan", "AUTHORITY_PLAN", "AUTHORITY_COMMITTED"), commit("a.A.plan", "a.A.commit", 1, &[], "K2", "V1"));
    c.check("commitment from the unallocated", given![], commit("a.unalloc", "a.A.commit", 1, &[], "K2", "V1"), &kind("a.unalloc", "AUTHORITY_UNALLOCATED", "AUTHORITY_PLAN"), commit("a.A.plan", "a.A.commit", 1, &[], "K2", "V1"));
    c.check("release from a plan", given![], release("a.A.plan", "a.A.unit", 1, &[], "K1"), &kind("a.A.plan", "AUTHORITY_PLAN", "AUTHORITY_COMMITTED"), release("a.A.commit", "a.A.unit", 1, &[], "K1"));
    c.check("release to the carry account", given![], release("a.A.commit", "a.carry", 1, &[], "K1"), &kind("a.carry", "AUTHORITY_CARRY", "AUTHORITY_PLAN,AUTHORITY_UNIT"), release("a.A.commit", "a.A.plan", 1, &[], "K1"));
    c.check("release to another unit", given![], release("a.A.commit", "a.B.plan", 1, &[], "K1"), "ACCOUNT_KIND_NOT_ALLOWED account=a.A.commit other_account=a.B.plan", release("a.A.commit", "a.A.plan", 1, &[], "K1"));
    c.check("payment from what is frozen", given![freeze_amount("f", "a.A.plan", 9, &[])], pay("p1", "a.A.frozen", 1, &[], "V2"), &kind("a.A.frozen", "AUTHORITY_FROZEN", "AUTHORITY_PLAN,AUTHORITY_COMMITTED,AUTHORITY_CARRY"), pay("p1", "a.A.plan", 1, &[], "V2"));
    c.check("payment from the treasury", given![], pay("p1", "c.treasury", 1, &[], "V2").unit("A"), &kind("c.treasury", "TREASURY", "AUTHORITY_PLAN,AUTHORITY_COMMITTED,AUTHORITY_CARRY"), pay("p1", "a.A.plan", 1, &[], "V2"));
    c.check("contract paid from the plan", given![], pay("p1", "a.A.plan", 1, &[], "V1").under("K1"), "ACCOUNT_KIND_NOT_ALLOWED account=a.A.plan contract=K1 kind=AUTHORITY_PLAN", pay("p1", "a.A.commit", 1, &[], "V1").under("K1"));
    c.check("supplement to a unit", given![], supplement("C", "a.A.unit", 1, "n"), &kind("a.A.unit", "AUTHORITY_UNIT", "AUTHORITY_UNALLOCATED"), supplement("C", "a.unalloc", 1, "n"));
    c.check("reduction of a plan", given![], reduce("C", "a.A.plan", 1, "n"), &kind("a.A.plan", "AUTHORITY_PLAN", "AUTHORITY_UNALLOCATED,AUTHORITY_UNIT"), reduce("C", "a.A.unit", 1, "n"));
    c.check("reallocation from the unallocated", given![], reallocate("C", "a.unalloc", "a.B.unit", 1, "n"), &kind("a.unalloc", "AUTHORITY_UNALLOCATED", "AUTHORITY_UNIT"), reallocate("C", "a.A.unit", "a.B.unit", 1, "n"));
    c.check("reallocation to the unallocated", given![], reallocate("C", "a.A.unit", "a.unalloc", 1, "n"), &kind("a.unalloc", "AUTHORITY_UNALLOCATED", "AUTHORITY_UNIT"), reallocate("C", "a.A.unit", "a.B.unit", 1, "n"));
    c.check("freeze of committed money", given![], freeze_amount("f", "a.A.commit", 1, &[]), &kind("a.A.commit", "AUTHORITY_COMMITTED", "AUTHORITY_UNIT,AUTHORITY_PLAN"), freeze_amount("f", "a.A.plan", 1, &[]));
    c.check("opening without a lot", new_fund(), opening("F3", vec![], vec![line("e.src", None, 1)]), "ACCOUNT_KIND_NOT_ALLOWED account=e.src kind=AUTHORITY_SOURCE tracks_lots=true", balanced("X", 1));
    c.check("opening with a lot too many", new_fund(), opening("F3", vec![lot("X")], vec![line("f.treasury", Some("X"), 1)]), "ACCOUNT_KIND_NOT_ALLOWED account=f.treasury kind=TREASURY tracks_lots=false", balanced("X", 1));
}

#[rustfmt::skip]
fn money(c: &mut Checker) {
    c.check("opening out of balance", new_fund(), opening("F3", vec![lot("X")], vec![line("e.src", Some("X"), 2), line("e.A.plan", Some("X"), 1)]), "UNBALANCED authority_minor=1 cash_minor=0", balanced("X", 2));
    c.check("opening with the books set off against each other", new_fund(), opening("F3", vec![lot("X")], vec![line("e.src", Some("X"), 1), line("f.fund", Some("X"), 1)]), "UNBALANCED authority_minor=1 cash_minor=-1", balanced("X", 2));
    let crossed = vec![line("e.src", Some("X"), 1), line("e.A.plan", Some("Y"), 1), line("e.src", Some("Y"), 2), line("e.A.unit", Some("X"), 2)];
    c.check("opening with the lots set off against each other", new_fund(), opening("F3", vec![lot("X"), lot("Y")], crossed), "UNBALANCED authority_minor=-1 lot_number=4", balanced("X", 2));
    c.check("opening after an issue", then(new_fund(), given![issue(lot("Y"), "e.unalloc", 1)]), balanced("X", 1), "OPENING_AFTER_MOVEMENT fund=F3", issue(lot("X"), "e.unalloc", 1));
    for (name, movement) in [
        ("plan", plan("e.A.unit", "e.A.plan", 1, &[])),
        ("commitment", commit("e.A.plan", "e.A.commit", 1, &[], "K9", "V1")),
        ("freeze of an amount", freeze_amount("f", "e.A.plan", 1, &[])),
        ("carrying over", carry("Y", 2026)),
        ("payment", Order::from(pay("p1", "e.A.plan", 1, &[], "V2"))),
        ("reduction", reduce("Y", "e.A.unit", 1, "n")),
    ] {
        let carried_in = opening("F3", vec![lot("Y")], vec![
            line("e.src", Some("Y"), 9), line("e.A.unit", Some("Y"), 4), line("e.A.plan", Some("Y"), 5),
            line("f.treasury", None, 9), line("f.fund", Some("Y"), 9),
        ]);
        let before = then(new_fund(), given![carried_in]);
        after(&c.world, &then(before.clone(), given![balanced("X", 1)]));
        c.check(name, then(before, given![movement]), balanced("X", 1), "OPENING_AFTER_MOVEMENT fund=F3", cash("Y", 1, "r"));
    }
    let lapsed = opening("F3", vec![lot_until("Y", "2026-04-30")], vec![line("e.src", Some("Y"), 9), line("e.A.plan", Some("Y"), 9)]);
    c.check("opening after a recall", then(new_fund(), given![lapsed, recall("Y")]), balanced("X", 1), "OPENING_AFTER_MOVEMENT fund=F3", cash("Y", 1, "r"));

    c.check("account short", given![], allocate("a.unalloc", "a.A.unit", 901, &[("C", 301), ("P", 600)]), "INSUFFICIENT_BALANCE account=a.unalloc asked_minor=901 available_minor=900", allocate("a.unalloc", "a.A.unit", 900, &[("C", 300), ("P", 600)]));
    c.check("account short, lots left to the ledger", given![], allocate("a.unalloc", "a.A.unit", 901, &[]), "INSUFFICIENT_BALANCE account=a.unalloc asked_minor=901 available_minor=900", allocate("a.unalloc", "a.A.unit", 900, &[]));
    c.check("no budget", then(new_fund(), given![issue(lot("X"), "e.unalloc", 9)]), pay("p1", "e.A.plan", 1, &[], "V2"), "NO_BUDGET account=e.A.plan asked_minor=1 available_minor=0", cash("X", 9, "r"));
    c.check("no budget, the lot named", then(new_fund(), given![issue(lot("X"), "e.unalloc", 9)]), plan("e.A.unit", "e.A.plan", 1, &[("X", 1)]), "NO_BUDGET account=e.A.unit asked_minor=1 available_minor=0", cash("X", 9, "r"));
    c.check("a budget that is used up", then(new_fund(), given![issue(lot("X"), "e.unalloc", 9), allocate("e.unalloc", "e.A.unit", 9, &[]), plan("e.A.unit", "e.A.plan", 9, &[])]), plan("e.A.unit", "e.A.plan", 1, &[]), "INSUFFICIENT_BALANCE account=e.A.unit asked_minor=1 available_minor=0", cash("X", 9, "r"));
    c.check("account short of a reduction", given![], reduce("C", "a.B.unit", 101, "n"), "INSUFFICIENT_BALANCE account=a.B.unit asked_minor=101 available_minor=100", reduce("C", "a.B.unit", 100, "n"));
    c.check("treasury short of a clearing", then(new_fund(), given![issue(lot("X"), "e.unalloc", 9), allocate("e.unalloc", "e.A.unit", 9, &[]), plan("e.A.unit", "e.A.plan", 9, &[])]), pay("p1", "e.A.plan", 1, &[], "V2"), "INSUFFICIENT_BALANCE account=f.fund asked_minor=1 available_minor=0", cash("X", 9, "r"));
    c.check("lot short where the account is not", given![], pay("p1", "a.A.plan", 201, &[("C", 201)], "V2"), "LOT_INSUFFICIENT account=a.A.plan asked_minor=201 available_minor=200 lot=C", pay("p1", "a.A.plan", 200, &[("C", 200)], "V2"));
    c.check("lot's cash short where the fund's is not", given![issue(lot("X"), "a.unalloc", 9), allocate("a.unalloc", "a.A.unit", 9, &[("X", 9)]), plan("a.A.unit", "a.A.plan", 9, &[("X", 9)])], pay("p1", "a.A.plan", 9, &[("X", 9)], "V2"), "LOT_INSUFFICIENT account=c.fund asked_minor=9 available_minor=0 lot=X", pay("p1", "a.A.plan", 9, &[("C", 9)], "V2"));
    c.check("eligible lots short", given![freeze_lot("f", "P")], pay("p1", "a.A.plan", 201, &[], "V2"), "LOT_INSUFFICIENT account=a.A.plan asked_minor=201 available_minor=200", pay("p1", "a.A.plan", 200, &[], "V2"));
    c.check("draws that do not add up", given![], allocate("a.unalloc", "a.A.unit", 3, &[("C", 1), ("P", 1)]), "DRAWS_MISMATCH amount_minor=3 draws_minor=2", allocate("a.unalloc", "a.A.unit", 2, &[("C", 1), ("P", 1)]));
    c.check("draws that name a lot twice", given![], pay("p1", "a.A.plan", 2, &[("C", 1), ("C", 1)], "V2"), "DRAWS_MISMATCH lot=C", pay("p1", "a.A.plan", 2, &[("C", 1), ("P", 1)], "V2"));
    c.check("more legs than an event may have", new_fund(), many_lots(2_049), "EVENT_TOO_LARGE legs=4098 legs_max=4096", many_lots(2_048));
    let both = || on(TODAY).checked(&["c1", "c2"]);
    c.check("a balance beyond what JSON carries", given![], (both(), issue(lot("X"), "a.unalloc", AMOUNT_MAX_MINOR - 1_999)), "AMOUNT_OVERFLOW account=a.src asked_minor=9007199254738992 balance_minor=2000", (both(), issue(lot("X"), "a.unalloc", AMOUNT_MAX_MINOR - 2_000)));
    c.check("nothing to carry", given![carry("C", 2026)], carry("C", 2026), "NOTHING_TO_MOVE lot=C", carry("P", 2026));
    c.check("nothing to recall", given![(on("2026-12-31"), recall("P"))], (on("2026-12-31"), recall("P")), "NOTHING_TO_MOVE lot=P", carry("C", 2026));
    c.check("lot before its last day", given![], (on("2026-12-30"), recall("P")), "LOT_NOT_LAPSED business_date=2026-12-30 lot=P", (on("2026-12-31"), recall("P")));
    c.check("lot without a last day", given![], (on("2027-12-31"), recall("C")), "LOT_NOT_LAPSED business_date=2027-12-31 lot=C", (on("2027-12-31"), recall("P")));
    c.check("lot in the year it was carried over from", given![carry("C", 2026)], (on("2026-12-31"), recall("C")), "LOT_NOT_LAPSED business_date=2026-12-31 lot=C", (on("2027-01-01"), recall("C")));
}

#[rustfmt::skip]
fn spending(c: &mut Checker) {
    let from_plan = |lots: &[(&str, i64)]| pay("p1", "a.A.plan", lots.iter().map(|(_, minor)| minor).sum(), lots, "V2");
    let own = || given![issue(lot_for("X", "P2"), "a.unalloc", 9), cash("X", 9, "r"), allocate("a.unalloc", "a.A.unit", 9, &[("X", 9)]), plan("a.A.unit", "a.A.plan", 9, &[("X", 9)])];
    c.check("purpose of the fund", given![], from_plan(&[("C", 1)]).purpose("P9"), "PURPOSE_NOT_ALLOWED lot=C purpose=P9", from_plan(&[("C", 1)]).purpose("P2"));
    c.check("purpose of the lot", own(), from_plan(&[("X", 1)]).purpose("P1"), "PURPOSE_NOT_ALLOWED lot=X purpose=P1", from_plan(&[("X", 1)]).purpose("P2"));
    c.check("a lot for more than its fund", given![], issue(lot_for("X", "P9"), "a.unalloc", 9), "PURPOSE_NOT_ALLOWED fund=SP lot=X purpose=P9", issue(lot_for("X", "P2"), "a.unalloc", 9));
    c.check("purpose of the second draw", own(), from_plan(&[("C", 1), ("X", 1)]).purpose("P1"), "PURPOSE_NOT_ALLOWED lot=X purpose=P1", from_plan(&[("C", 1), ("P", 1)]).purpose("P1"));
    c.check("economic code of the fund", given![], from_plan(&[("C", 1)]).economic("E9"), "OUT_OF_SCOPE economic_code=E9 fund=SP", from_plan(&[("C", 1)]).economic("E2"));
    c.check("payment past the plan", given![], pay("p1", "a.A.unit", 1, &[], "V2"), "NO_PLAN account=a.A.unit", pay("p1", "a.A.plan", 1, &[], "V2"));
    c.check("commitment past the plan", given![], commit("a.A.unit", "a.A.commit", 1, &[], "K1", "V1"), "NO_PLAN account=a.A.unit", commit("a.A.plan", "a.A.commit", 1, &[], "K1", "V1"));
    c.check("payment past the plan, by the built-in policy", given![], pay("p1", "b.A.unit", 1, &[], "V2"), "NO_PLAN account=b.A.unit", plan("b.A.unit", "b.A.plan", 1, &[]));
    let optional = || given![policy("POL", 2, "2026-06-01", PlanStep::Optional, &[])];
    c.check("payment the day before the plan is optional", optional(), (on("2026-05-31"), pay("p1", "a.A.unit", 1, &[], "V2")), "NO_PLAN account=a.A.unit", (on("2026-06-01"), pay("p1", "a.A.unit", 1, &[], "V2")));
    c.check("commitment the day before the plan is optional", optional(), (on("2026-05-31"), commit("a.A.unit", "a.A.commit", 1, &[], "K1", "V1")), "NO_PLAN account=a.A.unit", (on("2026-06-01"), commit("a.A.unit", "a.A.commit", 1, &[], "K1", "V1")));
    let again = || then(optional(), given![policy("POL", 3, "2026-07-01", PlanStep::Required, &[])]);
    c.check("payment once the plan is required again", again(), (on("2026-07-01"), pay("p1", "a.A.unit", 1, &[], "V2")), "NO_PLAN account=a.A.unit", (on("2026-06-30"), pay("p1", "a.A.unit", 1, &[], "V2")));
    c.check("lot after its last day", given![], (on("2027-01-01"), from_plan(&[("P", 1)])), "LOT_EXPIRED business_date=2027-01-01 expires_on=2026-12-31 lot=P", (on("2026-12-31"), from_plan(&[("P", 1)])));
    c.check("allocation of a lot after its last day", given![], (on("2027-01-01"), allocate("a.unalloc", "a.A.unit", 1, &[("P", 1)])), "LOT_EXPIRED business_date=2027-01-01 expires_on=2026-12-31 lot=P", (on("2027-01-01"), allocate("a.unalloc", "a.A.unit", 1, &[("C", 1)])));

    let frozen_lot = || given![freeze_lot("f", "C")];
    let says_lot = "FROZEN case=f lot=C";
    c.check("lot frozen, payment", frozen_lot(), from_plan(&[("C", 1)]), says_lot, from_plan(&[("P", 1)]));
    c.check("lot frozen, allocation", frozen_lot(), allocate("a.unalloc", "a.A.unit", 1, &[("C", 1)]), says_lot, allocate("a.unalloc", "a.A.unit", 1, &[]));
    c.check("lot frozen, release", frozen_lot(), release("a.A.commit", "a.A.plan", 1, &[("C", 1)], "K1"), says_lot, allocate("a.unalloc", "a.A.unit", 1, &[("P", 1)]));
    c.check("lot frozen, reduction", frozen_lot(), reduce("C", "a.A.unit", 1, "n"), says_lot, reduce("P", "a.A.unit", 1, "n"));
    c.check("lot frozen, carrying over", frozen_lot(), carry("C", 2026), says_lot, carry("P", 2026));
    c.check("lot frozen, recall", given![freeze_lot("f", "P")], (on("2026-12-31"), recall("P")), "FROZEN case=f lot=P", cash("P", 1, "r"));
    c.check("lot frozen, but cash and supplements come in", frozen_lot(), from_plan(&[("C", 1)]), says_lot, supplement("C", "a.unalloc", 1, "n"));
    c.check("lot frozen twice, once lifted", given![freeze_lot("f", "C"), freeze_lot("g", "C"), unfreeze("g")], from_plan(&[("C", 1)]), says_lot, unfreeze("f"));
    let frozen_plan = || given![freeze_account("f", "a.A.plan")];
    c.check("account frozen, payment", frozen_plan(), from_plan(&[("C", 1)]), "FROZEN account=a.A.plan case=f", plan("a.A.unit", "a.A.plan", 1, &[]));
    c.check("account frozen, lots left to the ledger", frozen_plan(), pay("p1", "a.A.plan", 1, &[], "V2"), "FROZEN account=a.A.plan case=f", pay("p1", "a.A.commit", 1, &[], "V1").under("K1"));
    c.check("account frozen, carrying over", frozen_plan(), carry("C", 2026), "FROZEN account=a.A.plan case=f", allocate("a.unalloc", "a.A.unit", 1, &[]));
    c.check("the fund's cash frozen", given![freeze_account("f", "c.fund")], from_plan(&[("C", 1)]), "FROZEN account=c.fund case=f", cash("C", 1, "r"));
    c.check("payee frozen", given![freeze_payee("f", "V2")], from_plan(&[("C", 1)]), "FROZEN case=f payee=56320000000000000000000000000000", pay("p1", "a.A.plan", 1, &[], "V3"));
    c.check("amount frozen", given![freeze_amount("f", "a.A.plan", 150, &[("C", 150)])], from_plan(&[("C", 51)]), "LOT_INSUFFICIENT account=a.A.plan asked_minor=51 available_minor=50 lot=C", from_plan(&[("C", 50)]));
}

#[rustfmt::skip]
fn contracts(c: &mut Checker) {
    let under = |minor, lots| pay("p1", "a.A.commit", minor, lots, "V1").under("K1");
    let over = "OVER_CONTRACT asked_minor=101 available_minor=100 contract=K1";
    let more = || given![commit("a.A.plan", "a.A.commit", 150, &[("P", 150)], "K2", "V2")];
    c.check("payment over the contract", more(), under(101, &[]), over, under(100, &[]));
    c.check("payment over the contract's part of a lot", then(more(), given![commit("a.A.plan", "a.A.commit", 20, &[("P", 20)], "K1", "V1")]), under(110, &[("P", 30), ("C", 80)]), "OVER_CONTRACT asked_minor=30 available_minor=20 contract=K1 lot=P", under(110, &[("P", 20), ("C", 90)]));
    c.check("release over the contract", more(), release("a.A.commit", "a.A.plan", 101, &[], "K1"), over, release("a.A.commit", "a.A.plan", 100, &[], "K1"));
    c.check("release of another contract's lot", more(), release("a.A.commit", "a.A.plan", 1, &[("P", 1)], "K1"), "OVER_CONTRACT asked_minor=1 available_minor=0 contract=K1 lot=P", release("a.A.commit", "a.A.plan", 1, &[("P", 1)], "K2"));
    c.check("payment after a release", given![release("a.A.commit", "a.A.plan", 40, &[], "K1")], under(61, &[]), "OVER_CONTRACT asked_minor=61 available_minor=60 contract=K1", under(60, &[]));
    let carried = |minor| pay("p1", "a.carry", minor, &[("C", minor)], "V1").under("K1").unit("A");
    c.check("payment over the carried contract", given![carry("C", 2026)], carried(101), over, carried(100));
    c.check("payment over the rest of the carried contract", given![under(30, &[]), carry("C", 2026)], pay("p2", "a.carry", 71, &[("C", 71)], "V1").under("K1").unit("A"), "OVER_CONTRACT asked_minor=71 available_minor=70 contract=K1", pay("p2", "a.carry", 70, &[("C", 70)], "V1").under("K1").unit("A"));
    c.check("second payment of the carried contract", given![carry("C", 2026), carried(60)], pay("p2", "a.carry", 41, &[("C", 41)], "V1").under("K1").unit("A"), "OVER_CONTRACT asked_minor=41 available_minor=40 contract=K1", pay("p2", "a.carry", 40, &[("C", 40)], "V1").under("K1").unit("A"));
    c.check("reversal of a commitment that was paid from", given![under(1, &[])], reverse(COMMIT_K1), "OVER_CONTRACT asked_minor=100 available_minor=99 contract=K1", reverse(FIRST));
    c.check("reversal of a commitment that was carried over", given![carry("C", 2026)], reverse(COMMIT_K1), "OVER_CONTRACT asked_minor=100 available_minor=0 contract=K1", carried(1));
    c.check("payment to somebody else", given![], pay("p1", "a.A.commit", 1, &[], "V2").under("K1"), "PAYEE_MISMATCH contract=K1", under(1, &[]));
}

#[rustfmt::skip]
fn corrections(c: &mut Checker) {
    let p1 = || pay("p1", "a.A.plan", 150, &[("P", 100), ("C", 50)], "V2");
    c.check("more back than was paid", paid(), give_back("p1", 151, "r"), "OVER_REFUND asked_minor=151 available_minor=150 payment=p1", give_back("p1", 150, "r"));
    c.check("more back than is left", then(paid(), given![give_back("p1", 100, "r1"), give_back("p1", 49, "r2")]), give_back("p1", 2, "r3"), "OVER_REFUND asked_minor=2 available_minor=1 payment=p1", give_back("p1", 1, "r3"));
    c.check("return before clearing", given![p1()], give_back("p1", 1, "r"), "PAYMENT_NOT_CLEARED payment=p1", reverse(FIRST));
    c.check("return after a reversal", given![p1(), reverse(FIRST)], give_back("p1", 1, "r"), "ALREADY_REVERSED original_sequence=50 reversal_sequence=51", p1_again());
    c.check("reversal after clearing", paid(), reverse(FIRST), "PAYMENT_CLEARED original_sequence=50", give_back("p1", 1, "r"));
    c.check("clearing twice", paid(), clear(&["p1"], "r"), "PAYMENT_CLEARED payment=p1", give_back("p1", 1, "r"));
    c.check("clearing twice at once", given![p1()], clear(&["p1", "p1"], "r"), "PAYMENT_CLEARED payment=p1", clear(&["p1"], "r"));
    c.check("clearing after a reversal", given![p1(), reverse(FIRST)], clear(&["p1"], "r"), "ALREADY_REVERSED original_sequence=50 reversal_sequence=51", p1_again());
    c.check("reversal twice", given![p1(), reverse(FIRST)], reverse(FIRST), "ALREADY_REVERSED original_sequence=50 reversal_sequence=51", p1_again());
    c.check("reversal of a reversal", given![p1(), reverse(FIRST)], reverse(FIRST + 1), "NOT_REVERSIBLE original_sequence=51", p1_again());
    c.check("reversal of an issue", given![], reverse(ISSUE_C), "NOT_REVERSIBLE original_sequence=38", reverse(COMMIT_K1));
    c.check("reversal of a definition", given![], reverse(2), "NOT_REVERSIBLE original_sequence=2", reverse(COMMIT_K1));
    c.check("reversal of a clearing", paid(), reverse(FIRST + 1), "NOT_REVERSIBLE original_sequence=51", give_back("p1", 1, "r"));
    c.check("reversal of a return", then(paid(), given![give_back("p1", 1, "r")]), reverse(FIRST + 2), "NOT_REVERSIBLE original_sequence=52", give_back("p1", 1, "r2"));
    c.check("reversal of cash that was spent", given![pay("p1", "a.A.plan", 1, &[("C", 1)], "V2")], reverse(CASH_C), "LOT_INSUFFICIENT account=c.fund asked_minor=1000 available_minor=999 lot=C", reverse(FIRST));
}

fn p1_again() -> Pay {
    pay("p2", "a.A.plan", 150, &[("P", 100), ("C", 50)], "V2")
}

/// An order with two defects gets the reason that stands first in the order documented at `decide`; without that defect it
/// gets the second.
#[test]
#[rustfmt::skip]
fn precedence() {
    let world = world();
    let check = |name: &str, before: Vec<Given>, both: Given, first: Reason, second_only: Given, second: Reason| {
        let rules = after(&world, &before);
        assert_eq!(refused(&rules, name, &both).reason, first, "{name}: with both defects");
        assert_eq!(refused(&rules, name, &second_only).reason, second, "{name}: with the second alone");
    };
    let none = || on(TODAY).checked(&[]);
    let own = || on(TODAY).checked(&["m1"]);
    let old = || on("2026-03-31");
    let march = || given![close_period("SP", 2026, 3)];
    let later = || on("2027-01-01");
    let at = |who: Who, order: Order| Given(who, order);
    let payment = |from: &str, minor, lots: &[(&str, i64)]| Order::from(pay("p1", from, minor, lots, "V2"));
    check("duties, name", given![], at(own(), cash("NO", 1, "r")), R::SegregationOfDuties, g(cash("NO", 1, "r")), R::LotNotFound);
    check("duties, approval", given![], at(own(), define(fund("SP"))), R::SegregationOfDuties, g(define(fund("SP"))), R::FundExists);
    check("name, exists", given![], g(issue(lot("C"), "no", 1)), R::AccountNotFound, g(issue(lot("C"), "a.unalloc", 1)), R::LotExists);
    check("lot exists, document exists", given![], g(issue(lot("C"), "a.unalloc", 1)), R::LotExists, g(issue(lot_on("X", "财〔2026〕C号"), "a.unalloc", 1)), R::DuplicateDocument);
    check("name of a draw, funds", given![], g(allocate("a.unalloc", "b.A.unit", 1, &[("NO", 1)])), R::LotNotFound, g(allocate("a.unalloc", "b.A.unit", 1, &[("C", 1)])), R::FundMixed);
    check("name of a draw, kind", given![], g(allocate("a.A.unit", "a.A.unit", 1, &[("NO", 1)])), R::LotNotFound, g(allocate("a.A.unit", "a.A.unit", 1, &[("C", 1)])), R::AccountKindNotAllowed);
    check("name of a draw, period", march(), at(old(), allocate("a.unalloc", "a.A.unit", 1, &[("NO", 1)])), R::LotNotFound, at(old(), allocate("a.unalloc", "a.A.unit", 1, &[("C", 1)])), R::PeriodClosed);
    check("name of a payment's draw, approval", given![], at(none(), payment("a.A.plan", 1, &[("NO", 1)])), R::LotNotFound, at(none(), payment("a.A.plan", 1, &[("C", 1)])), R::ApprovalMissing);
    check("name of a frozen draw, kind", given![], g(freeze_amount("f", "a.A.commit", 1, &[("NO", 1)])), R::LotNotFound, g(freeze_amount("f", "a.A.commit", 1, &[("C", 1)])), R::AccountKindNotAllowed);
    check("contract's name, funds", given![], g(release("a.A.commit", "b.A.plan", 1, &[], "NO")), R::ContractNotFound, g(release("a.A.commit", "b.A.plan", 1, &[], "K1")), R::FundMixed);
    check("contract exists, funds", given![], g(commit("a.A.plan", "b.A.commit", 1, &[], "K1", "V9")), R::ContractExists, g(commit("a.A.plan", "b.A.commit", 1, &[], "K1", "V1")), R::FundMixed);
    check("payment's name, funds", given![g(payment("a.A.plan", 1, &[])), plan("b.A.unit", "b.A.plan", 9, &[]), pay("p2", "b.A.plan", 1, &[], "V2")], g(clear(&["p1", "p2", "no"], "r")), R::PaymentNotFound, g(clear(&["p1", "p2"], "r")), R::FundMixed);
    check("reference exists, funds", given![g(payment("a.A.plan", 1, &[])), plan("b.A.unit", "b.A.plan", 9, &[]), pay("p2", "b.A.plan", 1, &[], "V2")], g(clear(&["p1", "p2"], "cash C")), R::DuplicateBankReference, g(clear(&["p1", "p2"], "r")), R::FundMixed);
    check("name of a line, funds", new_fund(), g(opening("F3", vec![], vec![line("a.src", Some("C"), 1), line("no", None, 1)])), R::AccountNotFound, g(opening("F3", vec![], vec![line("a.src", Some("C"), 1)])), R::FundMixed);
    check("funds of a line, kinds", new_fund(), g(opening("F3", vec![], vec![line("e.src", None, 1), line("a.src", Some("C"), 1)])), R::FundMixed, g(opening("F3", vec![], vec![line("e.src", None, 1)])), R::AccountKindNotAllowed);
    check("funds, kind", given![], g(allocate("a.A.unit", "b.A.plan", 1, &[])), R::FundMixed, g(allocate("a.A.unit", "a.A.plan", 1, &[])), R::AccountKindNotAllowed);
    check("funds of a draw, kind", given![], g(allocate("a.A.unit", "a.A.unit", 1, &[("D", 1)])), R::FundMixed, g(allocate("a.A.unit", "a.A.unit", 1, &[("C", 1)])), R::AccountKindNotAllowed);
    check("funds of a payment's draw, period", march(), at(old(), payment("a.A.plan", 1, &[("D", 1)])), R::FundMixed, at(old(), payment("a.A.plan", 1, &[("C", 1)])), R::PeriodClosed);
    check("kind, period", march(), at(old(), allocate("a.A.unit", "a.A.unit", 1, &[])), R::AccountKindNotAllowed, at(old(), allocate("a.unalloc", "a.A.unit", 1, &[])), R::PeriodClosed);
    check("plan, period", march(), at(old(), payment("a.A.unit", 1, &[])), R::NoPlan, at(old(), payment("a.A.plan", 1, &[])), R::PeriodClosed);
    check("period, approval", march(), at(old().checked(&[]), payment("a.A.plan", 1, &[])), R::PeriodClosed, at(none(), payment("a.A.plan", 1, &[])), R::ApprovalMissing);
    check("closed month, approval", march(), at(none(), close_period("SP", 2026, 3)), R::PeriodClosed, at(none(), close_period("SP", 2026, 4)), R::ApprovalMissing);
    check("approval, month after a gap", march(), at(none(), close_period("SP", 2026, 6)), R::ApprovalMissing, g(close_period("SP", 2026, 6)), R::PeriodOutOfOrder);
    check("approval, draws", given![], at(none(), payment("a.A.plan", 2, &[("C", 1)])), R::ApprovalMissing, g(payment("a.A.plan", 2, &[("C", 1)])), R::DrawsMismatch);
    check("approval, opening", given![], at(none(), opening("SP", vec![], vec![])), R::ApprovalMissing, g(opening("SP", vec![], vec![])), R::OpeningAfterMovement);
    check("approval, nothing to move", given![carry("C", 2026)], at(none(), carry("C", 2026)), R::ApprovalMissing, g(carry("C", 2026)), R::NothingToMove);
    check("period, reversal twice", given![(on("2026-04-01"), payment("a.A.plan", 1, &[])), reverse(FIRST), close_period("SP", 2026, 3)], at(old(), reverse(FIRST)), R::PeriodClosed, g(reverse(FIRST)), R::AlreadyReversed);
    check("draws, frozen payee", given![freeze_payee("f", "V2")], g(payment("a.A.plan", 2, &[("C", 1)])), R::DrawsMismatch, g(payment("a.A.plan", 1, &[("C", 1)])), R::Frozen);
    check("draws, frozen lot", given![freeze_lot("f", "C")], g(allocate("a.unalloc", "a.A.unit", 2, &[("C", 1)])), R::DrawsMismatch, g(allocate("a.unalloc", "a.A.unit", 1, &[("C", 1)])), R::Frozen);
    check("contract, frozen payee", given![freeze_payee("f", "V1")], g(pay("p1", "a.A.commit", 101, &[], "V1").under("K1")), R::OverContract, g(pay("p1", "a.A.commit", 1, &[], "V1").under("K1")), R::Frozen);
    check("contract's part of a lot, expiry", given![commit("a.A.plan", "a.A.commit", 20, &[("P", 20)], "K1", "V1")], at(later(), pay("p1", "a.A.commit", 30, &[("P", 30)], "V1").under("K1").into()), R::OverContract, at(later(), pay("p1", "a.A.commit", 20, &[("P", 20)], "V1").under("K1").into()), R::LotExpired);
    let check_frozen = |name: &str, before: Vec<Given>, freeze: Order, both: Given, second: Reason| {
        let frozen = after(&world, &then(before, vec![g(freeze)]));
        assert_eq!(refused(&frozen, name, &both).reason, R::Frozen, "{name}: with both defects");
        let lifted = after(&frozen, &[g(unfreeze("f"))]);
        assert_eq!(refused(&lifted, name, &both).reason, second, "{name}: with the second alone");
    };
    check_frozen("frozen payee, scope", given![], freeze_payee("f", "V2"), g(pay("p1", "a.A.plan", 1, &[], "V2").economic("E9")), R::OutOfScope);
    check_frozen("frozen account, scope", given![], freeze_account("f", "a.A.plan"), g(pay("p1", "a.A.plan", 1, &[], "V2").economic("E9")), R::OutOfScope);
    check_frozen("frozen lot, scope", given![], freeze_lot("f", "C"), g(pay("p1", "a.A.plan", 1, &[("C", 1)], "V2").economic("E9")), R::OutOfScope);
    check_frozen("frozen payee, purpose", given![], freeze_payee("f", "V2"), g(pay("p1", "a.A.plan", 1, &[("C", 1)], "V2").purpose("P9")), R::PurposeNotAllowed);
    check_frozen("frozen cash, purpose", given![], freeze_account("f", "c.fund"), g(pay("p1", "a.A.plan", 1, &[("C", 1)], "V2").purpose("P9")), R::PurposeNotAllowed);
    check_frozen("frozen lot, expiry", given![], freeze_lot("f", "P"), at(later(), payment("a.A.plan", 1, &[("P", 1)])), R::LotExpired);
    check_frozen("frozen lot, expiry of another", given![], freeze_lot("f", "C"), at(later(), payment("a.A.plan", 2, &[("P", 1), ("C", 1)])), R::LotExpired);
    check_frozen("frozen lot, expiry, in a plan", given![], freeze_lot("f", "P"), at(later(), plan("a.A.unit", "a.A.plan", 1, &[("P", 1)])), R::LotExpired);
    check_frozen("frozen account, expiry, in a release", given![commit("a.A.plan", "a.A.commit", 20, &[("P", 20)], "K1", "V1")], freeze_account("f", "a.A.commit"), at(later(), release("a.A.commit", "a.A.plan", 1, &[("P", 1)], "K1")), R::LotExpired);
    check_frozen("frozen account, balance", given![], freeze_account("f", "a.unalloc"), g(allocate("a.unalloc", "a.A.unit", 901, &[])), R::InsufficientBalance);
    check_frozen("frozen account, balance, lots named", given![], freeze_account("f", "a.unalloc"), g(allocate("a.unalloc", "a.A.unit", 901, &[("C", 901)])), R::InsufficientBalance);
    check_frozen("frozen account, balance, in a freeze", given![], freeze_account("f", "a.A.plan"), g(freeze_amount("f2", "a.A.plan", 900, &[])), R::InsufficientBalance);
    check_frozen("frozen lot, the lot's balance", given![], freeze_lot("f", "C"), g(payment("a.A.plan", 201, &[("C", 201)])), R::LotInsufficient);
    check("expiry, balance", given![], at(later(), allocate("a.unalloc", "a.A.unit", 901, &[("P", 901)])), R::LotExpired, g(allocate("a.unalloc", "a.A.unit", 901, &[("P", 901)])), R::InsufficientBalance);
    check("purpose, balance", given![], g(pay("p1", "a.A.plan", 900, &[("C", 900)], "V2").purpose("P9")), R::PurposeNotAllowed, g(payment("a.A.plan", 900, &[("C", 900)])), R::InsufficientBalance);
    check("scope, balance", given![], g(pay("p1", "a.A.plan", 900, &[], "V2").economic("E9")), R::OutOfScope, g(payment("a.A.plan", 900, &[])), R::InsufficientBalance);
    check("balance, the lot's balance", given![], g(payment("a.A.plan", 401, &[("C", 401)])), R::InsufficientBalance, g(payment("a.A.plan", 400, &[("C", 400)])), R::LotInsufficient);
}

#[test]
fn the_api_names_the_same_reasons() {
    let known: Vec<_> = Reason::ALL.iter().map(|reason| (reason.number(), format!("ERROR_REASON_{reason}"))).collect();
    let limit = 10_000;
    let in_api = (1..limit).filter_map(|number| ErrorReason::try_from(number).ok());
    let in_api: Vec<_> = in_api.map(|reason| (i32::from(reason), reason.as_str_name().to_owned())).collect();
    assert_eq!(known, in_api);
    for reason in Reason::ALL {
        assert_eq!(Reason::from_number(reason.number()), Some(*reason));
    }
}
