//! One key, one event: whatever is sent again, when, and by how many.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail"
)]

mod support;

use std::sync::Arc;

use fundledger::domain::command::{Command, Order};
use fundledger::domain::fund::PlanStep;
use fundledger::domain::ids::RequestId;
use fundledger::domain::refusal::Reason;
use fundledger::ledger::{Outcome, Receipt};
use support::ledger::{TestLedger, count_of, post};
use support::orders::{
    Who, accounts, allocate, cash, close_day, define, fund, issue, lot, on, open, pay, plan, policy,
};

const TODAY: &str = "2026-05-01";

/// A ledger where 100 of lot C are planned, with cash.
async fn started() -> TestLedger {
    let ledger = TestLedger::new();
    let mut orders = vec![define(fund("SP"))];
    orders.extend(accounts("SP", "a", "c"));
    orders.extend([
        issue(lot("C"), "a.unalloc", 1_000),
        cash("C", 1_000, "cash"),
        allocate("a.unalloc", "a.A.unit", 500, &[("C", 500)]),
        plan("a.A.unit", "a.A.plan", 100, &[("C", 100)]),
    ]);
    let commands = orders.iter().enumerate().map(|(at, order)| on("2026-01-01").command(&format!("s{at}"), order));
    let outcomes = ledger.post(commands.collect()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Accepted(_))));
    ledger
}

fn receipt(outcome: &Outcome) -> Receipt {
    match outcome {
        Outcome::Accepted(receipt) => *receipt,
        other => panic!("{other:?}"),
    }
}

/// A payment that is accepted, and one that is refused.
fn first(kind: Kind) -> Command {
    on(TODAY).checked(&["c1", "c2"]).command("key", &payment(kind.minor()))
}

fn payment(minor: i64) -> Order {
    pay("p1", "a.A.plan", minor, &[("C", minor)], "V1").economic("E1").into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Accepted,
    Refused,
}

impl Kind {
    const fn minor(self) -> i64 {
        match self {
            Self::Accepted => 60,
            Self::Refused => 101,
        }
    }
}

/// When the same key comes again.
#[derive(Clone, Copy, Debug)]
enum When {
    SameRequest,
    Later,
    AfterOthers,
    AfterReopening,
}

const KINDS: [Kind; 2] = [Kind::Accepted, Kind::Refused];
const TIMES: [When; 4] = [When::SameRequest, When::Later, When::AfterOthers, When::AfterReopening];

/// Posts the first command, then another one under the same key; what each was told, and how many events have the key.
async fn post_twice(kind: Kind, when: When, second: Command) -> (Outcome, Outcome, i64) {
    let mut ledger = started().await;
    let mut outcomes = match when {
        When::SameRequest => ledger.post(vec![first(kind), second]).await.unwrap(),
        When::Later | When::AfterOthers | When::AfterReopening => {
            let mut outcomes = vec![ledger.one(first(kind)).await];
            if matches!(when, When::AfterOthers) {
                let others = (0..300).map(|at| on(TODAY).command(&format!("o{at}"), &cash("C", 1, &format!("r{at}"))));
                ledger.post(others.collect()).await.unwrap();
            }
            if matches!(when, When::AfterReopening) {
                ledger = ledger.reopened();
            }
            outcomes.push(ledger.one(second).await);
            outcomes
        }
    };
    let events = ledger.events();
    assert_eq!(count_of(&events, "key"), 1, "{kind:?} {when:?}");
    let at = events.iter().position(|event| event.request_id().is_some_and(|id| id.as_str() == "key"));
    let second = outcomes.pop().unwrap();
    (outcomes.pop().unwrap(), second, i64::try_from(at.unwrap()).unwrap())
}

#[tokio::test]
async fn the_same_command_gets_the_same_answer() {
    for kind in KINDS {
        for when in TIMES {
            let name = format!("{kind:?} {when:?}");
            match post_twice(kind, when, first(kind)).await {
                (Outcome::Accepted(one), Outcome::Accepted(other), at) => {
                    assert_eq!(kind, Kind::Accepted);
                    assert_eq!((one.sequence, one.replayed), (at, false), "{name}");
                    assert_eq!(other, Receipt { replayed: true, ..one }, "{name}");
                }
                (
                    Outcome::Refused { refusal: one, sequence: Some(first_at), replayed: false },
                    Outcome::Refused { refusal: other, sequence: Some(second_at), replayed: true },
                    at,
                ) => {
                    assert_eq!(kind, Kind::Refused);
                    assert_eq!(one.reason, Reason::InsufficientBalance, "{name}");
                    assert_eq!((&one, first_at, second_at), (&other, at, at), "{name}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

/// Each field of the envelope, of the payment, and another kind of command.
fn changed(kind: Kind) -> Vec<(&'static str, Command)> {
    let who = || on(TODAY).checked(&["c1", "c2"]);
    let minor = kind.minor();
    let of = |who: Who, order: Order| who.command("key", &order);
    let same = || payment(minor);
    let lots = [("C", minor)];
    let pay = |name: &str, from: &str, to: &str| pay(name, from, minor, &lots, to);
    vec![
        ("business_date", of(on("2026-05-02").checked(&["c1", "c2"]), same())),
        ("actor", of(who().by("m2"), same())),
        ("checkers", of(on(TODAY).checked(&["c1"]), same())),
        ("checkers", of(on(TODAY).checked(&["c2", "c1"]), same())),
        ("business_date", of(on("2026-05-02").by("m2"), same())),
        ("actor", of(on(TODAY).by("m2"), same())),
        ("payload", of(who(), pay("p2", "a.A.plan", "V1").economic("E1").into())),
        ("payload", of(who(), pay("p1", "a.A.unit", "V1").economic("E1").into())),
        ("payload", of(who(), pay("p1", "a.A.plan", "V2").economic("E1").into())),
        ("payload", of(who(), pay("p1", "a.A.plan", "V1").into())),
        ("payload", of(who(), pay("p1", "a.A.plan", "V1").economic("E2").into())),
        ("payload", of(who(), pay("p1", "a.A.plan", "V1").economic("E1").purpose("P2").into())),
        ("payload", of(who(), pay("p1", "a.A.plan", "V1").economic("E1").unit("A").into())),
        ("payload", of(who(), pay("p1", "a.A.plan", "V1").economic("E1").under("K1").into())),
        ("payload", of(who(), payment(minor + 1))),
        // What the ledger would have chosen by itself is another command all the same.
        ("payload", of(who(), support::orders::pay("p1", "a.A.plan", minor, &[], "V1").economic("E1").into())),
        ("payload", of(who(), close_day("SP", TODAY))),
        ("payload", of(who(), policy("POL", 1, TODAY, PlanStep::Required, &[]))),
    ]
}

#[tokio::test]
async fn another_command_under_the_key_is_told_whose_it_is() {
    for kind in KINDS {
        for when in TIMES {
            for (field, second) in changed(kind) {
                let name = format!("{kind:?} {when:?} {second:?}");
                let (one, other, at) = post_twice(kind, when, second).await;
                assert_eq!(matches!(one, Outcome::Accepted(_)), kind == Kind::Accepted, "{name}");
                let expected = Outcome::KeyReused { original_sequence: at, first_different_field: field };
                assert_eq!(other, expected, "{name}");
            }
        }
    }
}

/// A refusal consumes its key: when its cause is gone, the same command is still refused, and a new key is accepted.
#[tokio::test]
async fn a_refusal_stays_a_refusal() {
    let ledger = started().await;
    let refused = ledger.one(first(Kind::Refused)).await;
    let more = on(TODAY).command("more", &plan("a.A.unit", "a.A.plan", 100, &[("C", 100)]));
    receipt(&ledger.one(more).await);
    match (refused, ledger.one(first(Kind::Refused)).await) {
        (Outcome::Refused { refusal: one, .. }, Outcome::Refused { refusal: other, replayed: true, .. }) => {
            assert_eq!(one, other);
        }
        other => panic!("{other:?}"),
    }
    let again = on(TODAY).command("new-key", &payment(Kind::Refused.minor()));
    assert!(!receipt(&ledger.one(again).await).replayed);
}

/// Keys are compared whole, and only within themselves: similar ones are others.
#[tokio::test]
async fn similar_keys_are_other_keys() {
    let ledger = started().await;
    let keys = ["key", "Key", "key.", "key-", "ke", "key:1", &"k".repeat(63), &"k".repeat(64)];
    let commands = keys.iter().enumerate();
    let commands: Vec<_> = commands.map(|(at, key)| on(TODAY).command(key, &cash("C", 1, &format!("r{at}")))).collect();
    let outcomes = ledger.post(commands).await.unwrap();
    assert!(outcomes.iter().all(|outcome| !receipt(outcome).replayed));
}

/// Validating consumes no key, and sees what was posted under it.
#[tokio::test]
async fn validating_leaves_no_trace() {
    let ledger = started().await;
    let head = ledger.ledger.committed();
    let mut scratch = Vec::new();
    let mut validate = |kind| ledger.ledger.prepare(first(kind), &mut scratch);
    let prepared = vec![validate(Kind::Accepted), validate(Kind::Refused), validate(Kind::Accepted)];
    let outcomes = ledger.ledger.validate(prepared.clone()).await.unwrap();
    assert_eq!((&outcomes[0], &outcomes[2]), (&Outcome::Valid, &Outcome::Valid));
    assert!(matches!(outcomes[1], Outcome::Refused { sequence: None, replayed: false, .. }), "{outcomes:?}");
    assert_eq!(ledger.ledger.committed(), head);
    let posted = receipt(&ledger.one(first(Kind::Accepted)).await);
    let outcomes = ledger.ledger.validate(prepared).await.unwrap();
    assert_eq!(receipt(&outcomes[0]), Receipt { replayed: true, ..posted });
    assert!(matches!(outcomes[1], Outcome::KeyReused { .. }));
}

/// `find` knows what became of a key, and only of that one.
#[tokio::test]
async fn a_key_finds_its_outcome() {
    let find = async |ledger: &TestLedger, key| ledger.ledger.find(RequestId::parse(key).unwrap()).await.unwrap();
    let mut ledger = started().await;
    let accepted = receipt(&ledger.one(first(Kind::Accepted)).await);
    let refused = ledger
        .one(on(TODAY).command("refused", &open("x", "NO", fundledger::domain::account::AccountKind::Clearing, None)))
        .await;
    let Outcome::Refused { refusal, sequence, .. } = refused else { panic!("{refused:?}") };
    for _ in 0..2 {
        assert_eq!(find(&ledger, "key").await, Some(Outcome::Accepted(Receipt { replayed: true, ..accepted })));
        let told = Outcome::Refused { refusal: refusal.clone(), sequence, replayed: true };
        assert_eq!(find(&ledger, "refused").await, Some(told));
        assert_eq!(find(&ledger, "nobody").await, None);
        ledger = ledger.reopened();
    }
}

/// Tasks that send the same key at once: one of them posts it, all of them learn the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn at_once() {
    let TestLedger { ledger, log, .. } = started().await;
    let ledger = Arc::new(ledger);
    for round in 0..50 {
        for accepted in [true, false] {
            let key = format!("r{round}-{accepted}");
            let lots = if accepted { "C" } else { "NO" };
            let command = on(TODAY).command(&key, &cash(lots, 1, &key));
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let (ledger, command) = (Arc::clone(&ledger), command.clone());
                    tokio::spawn(async move { post(&ledger, vec![command]).await.unwrap().remove(0) })
                })
                .collect();
            let mut fresh = 0;
            let mut sequences = Vec::new();
            for task in tasks {
                match task.await.unwrap() {
                    Outcome::Accepted(Receipt { sequence, replayed, .. }) if accepted => {
                        fresh += usize::from(!replayed);
                        sequences.push(sequence);
                    }
                    Outcome::Refused { sequence: Some(sequence), replayed, .. } if !accepted => {
                        fresh += usize::from(!replayed);
                        sequences.push(sequence);
                    }
                    other => panic!("{other:?}"),
                }
            }
            sequences.dedup();
            assert_eq!((fresh, sequences.len()), (1, 1), "{key}");
            let events = support::ledger::events(&log, ledger.committed());
            assert_eq!(count_of(&events, &key), 1, "{key}");
        }
    }
}
