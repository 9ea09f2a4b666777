//! The world that orders are given in, and what may have happened before.

use fundledger::domain::account::AccountKind as Kind;
use fundledger::domain::command::Order;
use fundledger::domain::fund::{FundDefinition, PlanStep};
use fundledger::domain::refusal::Refusal;

use crate::support::orders::{
    Pay, Who, accounts, allocate, cash, clear, code, commit, define, fund, issue, line, lot, lot_until, on, open,
    opening, pay, plan, policy, policy_id,
};
use crate::support::rules::Rules;

/// An order and who gives it.
#[derive(Clone)]
pub(crate) struct Given(pub(crate) Who, pub(crate) Order);

/// What is not said is ordered on this day, by one maker with one checker.
pub(crate) const TODAY: &str = "2026-05-01";

impl From<Order> for Given {
    fn from(order: Order) -> Self {
        Self(on(TODAY), order)
    }
}

impl From<Pay> for Given {
    fn from(pay: Pay) -> Self {
        Self(on(TODAY), pay.into())
    }
}

impl From<(Who, Order)> for Given {
    fn from((who, order): (Who, Order)) -> Self {
        Self(who, order)
    }
}

impl From<(Who, Pay)> for Given {
    fn from((who, pay): (Who, Pay)) -> Self {
        Self(who, pay.into())
    }
}

pub(crate) fn g(order: impl Into<Given>) -> Given {
    order.into()
}

macro_rules! given {
    ($($order:expr),* $(,)?) => { vec![$(Given::from($order)),*] };
}
pub(crate) use given;

/// Sequences of the world's orders that rows name.
pub(crate) const ISSUE_C: i64 = 38;
pub(crate) const CASH_C: i64 = 41;
pub(crate) const COMMIT_K1: i64 = 49;
/// The first order of a row.
pub(crate) const FIRST: i64 = 50;

pub(crate) fn special_fund() -> FundDefinition {
    FundDefinition {
        purposes: vec![code("P1"), code("P2")],
        economic_codes: vec![code("E1"), code("E2")],
        policy_id: Some(policy_id("POL")),
        ..fund("SP")
    }
}

/// Fund `SP` with lots `C` (for any purpose of the fund, for ever) and `P` (until the end of 2026), 1,000 each: of C, 300
/// unallocated, A has 300 as a unit, 200 planned and 100 committed to V1 under K1, B has 100; of P, 600 unallocated, A has
/// 200 and 200 planned. Fund `F2` with lot `D`: A has 50 of 100.
pub(crate) fn world() -> Rules {
    let mut world = Rules::default();
    let who = on("2026-01-05");
    world.post(&who, policy("POL", 1, "2026-01-01", PlanStep::Required, &[(0, 1), (1_000_000, 2)]));
    world.post(&who, define(special_fund()));
    for order in accounts("SP", "a", "c") {
        world.post(&who, order);
    }
    world.post(&who, define(fund("F2")));
    for order in accounts("F2", "b", "d") {
        world.post(&who, order);
    }
    assert_eq!(world.post(&who, issue(lot("C"), "a.unalloc", 1_000)), ISSUE_C);
    world.post(&who, issue(lot_until("P", "2026-12-31"), "a.unalloc", 1_000));
    world.post(&who, issue(lot("D"), "b.unalloc", 100));
    assert_eq!(world.post(&who, cash("C", 1_000, "cash C")), CASH_C);
    world.post(&who, cash("P", 1_000, "cash P"));
    world.post(&who, cash("D", 100, "cash D"));
    world.post(&who, allocate("a.unalloc", "a.A.unit", 600, &[("C", 600)]));
    world.post(&who, allocate("a.unalloc", "a.A.unit", 400, &[("P", 400)]));
    world.post(&who, allocate("a.unalloc", "a.B.unit", 100, &[("C", 100)]));
    world.post(&who, allocate("b.unalloc", "b.A.unit", 50, &[("D", 50)]));
    world.post(&who, plan("a.A.unit", "a.A.plan", 500, &[("C", 300), ("P", 200)]));
    assert_eq!(world.post(&who, commit("a.A.plan", "a.A.commit", 100, &[("C", 100)], "K1", "V1")), COMMIT_K1);
    world
}

/// Gives orders that must be accepted.
pub(crate) fn after(world: &Rules, before: &[Given]) -> Rules {
    let mut rules = world.clone();
    for Given(who, order) in before {
        rules.post(who, order.clone());
    }
    rules
}

pub(crate) fn refused(rules: &Rules, name: &str, given: &Given) -> Refusal {
    let mut copy = rules.clone();
    match copy.give(&given.0, &given.1) {
        Err(refusal) => {
            assert_eq!(copy.state, rules.state, "{name}: a refused order changed something");
            refusal
        }
        Ok(_) => panic!("{name}: was accepted"),
    }
}

/// Paid, and cleared: 150 over two lots, the first draw on P.
pub(crate) fn paid() -> Vec<Given> {
    given![pay("p1", "a.A.plan", 150, &[("P", 100), ("C", 50)], "V2"), clear(&["p1"], "clear p1")]
}

/// A third fund that has but one account.
pub(crate) fn third_fund() -> Vec<Given> {
    given![define(fund("F3")), open("e.unalloc", "F3", Kind::AuthorityUnallocated, None)]
}

/// A fund without movement.
pub(crate) fn new_fund() -> Vec<Given> {
    let mut before = given![define(fund("F3"))];
    before.extend(accounts("F3", "e", "f").into_iter().map(Given::from));
    before
}

pub(crate) fn balanced(lot_name: &str, minor: i64) -> Order {
    opening(
        "F3",
        vec![lot(lot_name)],
        vec![line("e.src", Some(lot_name), minor), line("e.A.plan", Some(lot_name), minor)],
    )
}

/// Authority for many lots: two legs each.
pub(crate) fn many_lots(count: usize) -> Order {
    let names: Vec<String> = (0..count).map(|at| format!("M{at}")).collect();
    let lines = names.iter().flat_map(|name| [line("e.src", Some(name), 1), line("e.A.plan", Some(name), 1)]);
    opening("F3", names.iter().map(|name| lot(name)).collect(), lines.collect())
}

pub(crate) fn then(mut before: Vec<Given>, more: Vec<Given>) -> Vec<Given> {
    before.extend(more);
    before
}
