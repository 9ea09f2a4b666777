//! What accepted orders leave behind.

use fundledger::domain::command::{Operation, Order};
use fundledger::domain::event::Payload;
use fundledger::domain::fund::PlanStep;
use fundledger::domain::refusal::{Reason, Reason as R};

use crate::support::orders::{
    allocate, carry, cash, clear, code, commit, freeze_account, freeze_amount, freeze_lot, freeze_payee, give_back,
    issue, line, lot, lot_until, on, opening, pay, plan, policy, reallocate, recall, reduce, release, reverse,
    supplement, unfreeze,
};
use crate::support::rules::Rules;
use crate::world::{Given, TODAY, after, g, given, new_fund, paid, refused, then, world};

/// What accounts hold of lots after some orders.
fn check_holds(name: &str, before: Vec<Given>, holds: &[(&str, &str, i64)]) -> Rules {
    let rules = after(&world(), &before);
    for (account, lot, minor) in holds {
        let held = if lot.is_empty() { rules.balance(account) } else { rules.held(account, lot) };
        assert_eq!(held, *minor, "{name}: {account} {lot}");
    }
    rules
}

#[test]
#[rustfmt::skip]
fn returns_refill_the_last_draw_first() {
    // Drawn: P 100, then C 50; so C comes back first. The plan had 200 of each.
    for (name, returns, plan_c, plan_p) in [
        ("nothing yet", vec![], 150, 100),
        ("part of the last draw", vec![20], 170, 100),
        ("all of the last draw", vec![50], 200, 100),
        ("into the first draw", vec![70], 200, 120),
        ("all at once", vec![150], 200, 200),
        ("within the last draw", vec![20, 20], 190, 100),
        ("over the seam", vec![40, 20], 200, 110),
        ("from the seam on", vec![50, 1, 2], 200, 103),
        ("in single units at the end", vec![149, 1], 200, 200),
    ] {
        let back: i64 = returns.iter().sum();
        let orders = returns.iter().enumerate().map(|(at, minor)| g(give_back("p1", *minor, &format!("r{at}"))));
        let rules = check_holds(name, then(paid(), orders.collect()), &[
            ("a.A.plan", "C", plan_c), ("a.A.plan", "P", plan_p),
            ("a.A.used", "C", 200 - plan_c), ("a.A.used", "P", 200 - plan_p),
            ("c.fund", "C", 800 + plan_c), ("c.fund", "P", 800 + plan_p),
            ("c.treasury", "", 1_850 + back), ("c.clear", "", 0),
        ]);
        assert_eq!(rules.state.payment(&crate::support::orders::payment("p1")).unwrap().returned_minor, back, "{name}");
    }
}

#[test]
#[rustfmt::skip]
fn returns_follow_their_lot_through_its_life() {
    let end = || on("2026-12-31");
    check_holds("carried: to the carry account", then(paid(), given![(end(), carry("C", 2026)), give_back("p1", 60, "r")]), &[
        ("a.carry", "C", 650 + 50), ("a.A.plan", "C", 0), ("a.A.plan", "P", 110), ("a.A.used", "C", 0), ("a.A.used", "P", 90), ("c.fund", "C", 1_000), ("c.fund", "P", 910),
    ]);
    check_holds("lapsed: recalled, and the cash upward", then(paid(), given![(end(), recall("P")), give_back("p1", 60, "r")]), &[
        ("a.recalled", "P", 900 + 10), ("a.A.plan", "P", 0), ("a.A.plan", "C", 200), ("a.A.used", "P", 90),
        // P's 900 went upward with the recall and its 10 with the return; C's 50 came back to stay.
        ("c.fund", "P", 0), ("c.fund", "C", 1_000), ("c.treasury", "", 1_850 - 900 + 50),
    ]);
    // The 300 that nobody had allocated are recalled too.
    check_holds("carried, then lapsed", then(paid(), given![(end(), carry("C", 2026)), (on("2027-12-31"), recall("C")), give_back("p1", 20, "r")]), &[
        ("a.carry", "C", 0), ("a.unalloc", "C", 0), ("a.recalled", "C", 650 + 300 + 20), ("a.A.used", "C", 30), ("c.fund", "C", 0), ("c.treasury", "", 1_850 - 950),
    ]);
    check_holds("committed: to the plan, not to the contract", given![
        pay("p1", "a.A.commit", 60, &[], "V1").under("K1"), clear(&["p1"], "c"), give_back("p1", 25, "r"),
    ], &[("a.A.commit", "C", 40), ("a.A.plan", "C", 225), ("a.A.used", "C", 35)]);
    check_holds("drawn on the carry account: back to it", given![
        (end(), carry("C", 2026)), pay("p1", "a.carry", 60, &[("C", 60)], "V2").unit("A"), clear(&["p1"], "c"), give_back("p1", 25, "r"),
    ], &[("a.carry", "C", 700 - 60 + 25), ("a.A.used", "C", 35)]);
}

#[test]
fn a_reversal_restores_what_was() {
    let world = world();
    let payment = || pay("p1", "a.A.plan", 150, &[("P", 100), ("C", 50)], "V2").into();
    for (name, before, order) in [
        ("allocation", given![], allocate("a.unalloc", "a.B.unit", 9, &[])),
        ("plan", given![], plan("a.A.unit", "a.A.plan", 9, &[])),
        ("supplement", given![], supplement("C", "a.unalloc", 9, "n")),
        ("reduction", given![], reduce("C", "a.A.unit", 9, "n")),
        ("reallocation", given![], reallocate("C", "a.A.unit", "a.B.unit", 9, "n")),
        ("cash", given![], cash("C", 9, "r")),
        ("commitment", given![], commit("a.A.plan", "a.A.commit", 9, &[], "K1", "V1")),
        ("release", given![], release("a.A.commit", "a.A.plan", 9, &[], "K1")),
        ("payment", given![], payment()),
        ("payment under a contract", given![], pay("p1", "a.A.commit", 9, &[], "V1").under("K1").into()),
        (
            "payment under a carried contract",
            given![carry("C", 2026)],
            pay("p1", "a.carry", 9, &[("C", 9)], "V1").under("K1").unit("A").into(),
        ),
        ("payment, though all of it is frozen", given![], payment()),
    ] {
        let before = after(&world, &before);
        let mut rules = before.clone();
        let original = rules.post(&on(TODAY), order);
        if name.ends_with("frozen") {
            rules.post(&on(TODAY), freeze_lot("f1", "P"));
            rules.post(&on(TODAY), freeze_account("f2", "a.A.used"));
        }
        let reversal = rules.post(&on(TODAY), reverse(original));
        let balances = |rules: &Rules| -> Vec<_> {
            let funds = [1, 2].map(fundledger::domain::ids::FundNumber);
            funds.iter().flat_map(|fund| rules.state.trial_balance(*fund).collect::<Vec<_>>()).collect()
        };
        assert_eq!(balances(&rules), balances(&before), "{name}");
        let legs = |sequence| rules.event(sequence).unwrap().decision.legs.clone();
        let undone = legs(original).iter().zip(legs(reversal)).all(|(leg, mirrored)| {
            (leg.account, leg.lot, leg.debit_minor) == (mirrored.account, mirrored.lot, -mirrored.debit_minor)
        });
        assert!(undone && legs(original).len() == legs(reversal).len(), "{name}");
        let contract = |rules: &Rules| {
            let contract = rules.state.contract(fundledger::domain::ids::ContractNumber(1)).unwrap();
            (contract.open_minor(rules.account("a.A.commit"), rules.lot("C")), contract.carried_minor)
        };
        assert_eq!(contract(&rules), contract(&before), "{name}");
        assert_eq!(refused(&rules, name, &g(reverse(original))).reason, R::AlreadyReversed);
    }
}

#[test]
#[rustfmt::skip]
fn freezes_hold_what_leaves_and_nothing_else() {
    check_holds("a frozen lot takes back a return", then(paid(), given![freeze_lot("f", "P"), freeze_lot("g", "C"), give_back("p1", 60, "r")]), &[
        ("a.A.plan", "C", 200), ("a.A.plan", "P", 110),
    ]);
    check_holds("so does a frozen account", then(paid(), given![freeze_account("f", "a.A.plan"), freeze_account("g", "c.fund"), give_back("p1", 60, "r")]), &[
        ("a.A.plan", "C", 200), ("a.A.plan", "P", 110),
    ]);
    check_holds("an amount leaves the account", given![freeze_amount("f", "a.A.plan", 150, &[("C", 150)])], &[("a.A.plan", "C", 50), ("a.A.frozen", "C", 150)]);
    check_holds("and comes back whole", given![freeze_amount("f", "a.A.plan", 150, &[("C", 150)]), unfreeze("f")], &[("a.A.plan", "C", 200), ("a.A.frozen", "C", 0)]);
    check_holds("even while its lot is frozen", given![freeze_amount("f", "a.A.plan", 150, &[("C", 150)]), freeze_lot("g", "C"), unfreeze("f")], &[("a.A.plan", "C", 200)]);
    check_holds("two cases on one account", given![freeze_amount("f", "a.A.unit", 50, &[("C", 50)]), freeze_amount("g", "a.A.unit", 30, &[("P", 30)]), unfreeze("f")], &[("a.A.unit", "C", 300), ("a.A.unit", "P", 170), ("a.A.frozen", "C", 0), ("a.A.frozen", "P", 30)]);
    check_holds("lifted marks hold nothing", given![
        freeze_lot("f1", "C"), freeze_account("f2", "a.A.plan"), freeze_payee("f3", "V2"), unfreeze("f1"), unfreeze("f2"), unfreeze("f3"), pay("p1", "a.A.plan", 9, &[("C", 9)], "V2"),
    ], &[("a.A.plan", "C", 191)]);
    check_holds("what was frozen when a lot lapsed can still be recalled", given![
        (on("2026-12-31"), carry("C", 2026)), supplement("C", "a.unalloc", 40, "n"), allocate("a.unalloc", "a.A.unit", 40, &[("C", 40)]),
        freeze_amount("f", "a.A.unit", 40, &[("C", 40)]), (on("2027-12-31"), recall("C")), (on("2027-12-31"), unfreeze("f")), (on("2027-12-31"), recall("C")),
    ], &[("a.A.unit", "C", 0), ("a.A.frozen", "C", 0), ("a.recalled", "C", 1_040)]);
}

/// Lots of a plan that was left to the ledger: expiry first, then number.
#[test]
fn the_ledger_draws_what_lapses_first() {
    // Numbers: C 1, P 2 (2026-12-31), D 3, then these; 100 each on the unit's account.
    let lots = [
        ("L4", Some("2026-12-31"), None),
        ("L5", Some("2026-09-30"), None),
        ("L6", None, None),
        ("L7", Some("2026-09-30"), Some("P2")),
    ];
    let mut before = given![plan("a.A.unit", "a.A.plan", 500, &[("C", 300), ("P", 200)])];
    for (name, last_day, purpose) in lots {
        let mut definition = last_day.map_or_else(|| lot(name), |last_day| lot_until(name, last_day));
        definition.purposes = purpose.map(code).into_iter().collect();
        let authority = given![
            issue(definition, "a.unalloc", 100),
            cash(name, 100, &format!("cash {name}")),
            allocate("a.unalloc", "a.A.unit", 100, &[(name, 100)]),
            plan("a.A.unit", "a.A.plan", 100, &[(name, 100)]),
        ];
        before.extend(authority);
    }
    // The plan: C 500, P 400, L4 100, L5 100, L6 100, L7 100.
    let spent = |minor, purpose| Order::from(pay("p1", "a.A.plan", minor, &[], "V2").purpose(purpose));
    let sept = || on("2026-09-30");
    let oct = || on("2026-10-01");
    let next = || on("2027-01-01");
    for (name, more, who, order, drawn) in [
        ("earliest expiry", given![], sept(), spent(60, "P1"), vec![("L5", 60)]),
        ("then the lowest number", given![], sept(), spent(60, "P2"), vec![("L5", 60)]),
        ("next number at the same expiry", given![], sept(), spent(150, "P2"), vec![("L5", 100), ("L7", 50)]),
        ("not another purpose's", given![], sept(), spent(150, "P1"), vec![("L5", 100), ("P", 50)]),
        ("not the expired", given![], oct(), spent(450, "P2"), vec![("P", 400), ("L4", 50)]),
        ("without expiry last", given![], next(), spent(550, "P1"), vec![("C", 500), ("L6", 50)]),
        ("not the frozen", given![freeze_lot("f", "L5")], sept(), spent(60, "P2"), vec![("L7", 60)]),
        (
            "everything, in order",
            given![],
            sept(),
            spent(1_300, "P2"),
            vec![("L5", 100), ("L7", 100), ("P", 400), ("L4", 100), ("C", 500), ("L6", 100)],
        ),
        (
            "without a purpose, any lot's",
            given![],
            sept(),
            freeze_amount("f", "a.A.plan", 150, &[]),
            vec![("L5", 100), ("L7", 50)],
        ),
        (
            "within the contract's own lots",
            given![
                commit("a.A.plan", "a.A.commit", 30, &[("L6", 30)], "K2", "V2"),
                commit("a.A.plan", "a.A.commit", 70, &[("L5", 70)], "K3", "V3"),
                commit("a.A.plan", "a.A.commit", 20, &[("P", 20)], "K2", "V2"),
            ],
            sept(),
            Order::from(pay("p1", "a.A.commit", 45, &[], "V2").under("K2")),
            vec![("P", 20), ("L6", 25)],
        ),
    ] {
        let mut rules = after(&world(), &then(before.clone(), more));
        let sequence = rules.post(&who, order);
        let legs = &rules.event(sequence).unwrap().decision.legs;
        let source = legs[0].account;
        let stored = legs.iter().filter(|leg| leg.account == source && leg.debit_minor > 0);
        let stored: Vec<_> = stored.map(|leg| (leg.lot, leg.debit_minor)).collect();
        let drawn: Vec<_> = drawn.iter().map(|(name, minor)| (rules.lot(name), *minor)).collect();
        assert_eq!(stored, drawn, "{name}");
    }
}

#[test]
fn an_opening_balance_carries_everything_in() {
    let lines = vec![
        line("e.src", Some("X"), 100),
        line("e.A.plan", Some("X"), 40),
        line("e.B.unit", Some("X"), 35),
        line("e.A.used", Some("X"), 25),
        line("f.treasury", None, 70),
        line("f.fund", Some("X"), 75),
        line("f.treasury", None, 5),
        line("e.src", Some("Y"), 7),
        line("e.carry", Some("Y"), 7),
    ];
    let before = then(new_fund(), given![opening("F3", vec![lot("X"), lot_until("Y", "2026-12-31")], lines)]);
    let before = then(before, given![pay("p1", "e.A.plan", 40, &[], "V2"), clear(&["p1"], "r")]);
    let holds = [
        ("e.src", "X", 100),
        ("e.A.plan", "X", 0),
        ("e.A.used", "X", 65),
        ("e.B.unit", "X", 35),
        ("e.carry", "Y", 7),
        ("f.treasury", "", 35),
        ("f.fund", "X", 35),
    ];
    let rules = check_holds("opening", before, &holds);
    let opened = rules.events.iter().find_map(|event| match &event.decision.payload {
        Payload::OpeningBalance { lots, .. } => Some(lots.iter().map(|lot| lot.lot).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(opened, Some(vec![rules.lot("X"), rules.lot("Y")]));
}

#[test]
fn a_decision_names_the_policy_of_its_day() {
    let before = given![policy("POL", 2, "2026-06-01", PlanStep::Required, &[])];
    let mut rules = after(&world(), &before);
    let mut version_on = |date, order: Order| {
        let sequence = rules.post(&on(date), order);
        rules.event(sequence).unwrap().decision.policy_version
    };
    assert_eq!(version_on("2026-05-31", allocate("a.unalloc", "a.A.unit", 1, &[])), 1);
    assert_eq!(version_on("2026-06-01", allocate("a.unalloc", "a.A.unit", 1, &[])), 2);
    assert_eq!(version_on("2025-12-31", allocate("a.unalloc", "a.A.unit", 1, &[])), 0);
    assert_eq!(version_on("2026-06-01", allocate("b.unalloc", "b.A.unit", 1, &[])), 0);
}

#[test]
fn the_tiers_of_a_transaction_count_what_is_decided_at_once() {
    let mut rules = world();
    let one = on(TODAY);
    let two = on(TODAY).checked(&["c1", "c2"]);
    rules.post(&two, policy("POL", 2, "2026-02-01", PlanStep::Required, &[(0, 1), (100, 2)]));
    let first = rules.post(&one, allocate("a.unalloc", "a.B.unit", 60, &[("C", 60)]));
    let second = rules.post(&one, allocate("a.unalloc", "a.B.unit", 60, &[("P", 60)]));
    let paid = rules.post(&one, Order::from(pay("p1", "a.A.plan", 60, &[("C", 60)], "V2")));
    let both =
        |orders: [Order; 2]| Order::Transaction { operations: orders.into_iter().filter_map(Operation::new).collect() };
    let halves = both([
        allocate("a.unalloc", "a.B.unit", 60, &[("C", 60)]),
        allocate("a.unalloc", "a.B.unit", 60, &[("P", 60)]),
    ]);
    for order in [&halves, &both([reverse(first), reverse(second)])] {
        let refusal = rules.give(&one, order).unwrap_err();
        assert_eq!((refusal.reason, refusal.fact("operation")), (Reason::ApprovalMissing, Some("operations[0]")));
        rules.clone().post(&two, order.clone());
    }
    // Movements of two kinds are not added up, and a payment counts once although it moves both books.
    rules.clone().post(&one, both([reverse(first), allocate("a.unalloc", "a.B.unit", 60, &[("C", 60)])]));
    rules.clone().post(&one, reverse(paid));
    // What happened in the transaction itself has no sequence to name.
    let refusal = rules.give(&two, &both([reverse(first), reverse(first)])).unwrap_err();
    assert_eq!((refusal.reason, refusal.fact("reversal_sequence")), (Reason::AlreadyReversed, None));
    assert_eq!(refusal.fact("original_sequence"), Some(first.to_string().as_str()));
}
