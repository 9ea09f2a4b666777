//! A failing log stops the ledger: nobody is told more than is known, and a restart mends it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

mod support;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fundledger::domain::command::Command;
use fundledger::domain::time::UtcNanos;
use fundledger::ledger::clock::FixedClock;
use fundledger::ledger::{CommitSink, Ledger, Outcome, Unavailable};
use fundledger::log::memory::{Failure, MemoryLog};
use support::ledger::{TestLedger, count_of, digests, new_log, post};
use support::orders::{accounts, cash, define, fund, issue, lot, on};

fn setup() -> Vec<Command> {
    let mut orders = vec![define(fund("SP"))];
    orders.extend(accounts("SP", "a", "c"));
    orders.push(issue(lot("C"), "a.unalloc", 1_000));
    orders.iter().enumerate().map(|(at, order)| on("2026-01-01").command(&format!("s{at}"), order)).collect()
}

/// A request of its own: one piece of cash.
fn request(number: usize) -> Vec<Command> {
    vec![on("2026-05-01").command(&format!("r{number}"), &cash("C", 1, &format!("bank {number}")))]
}

/// A sink that holds the committer after each commit, until it is let go.
fn gate() -> (CommitSink, Receiver<()>, Sender<()>) {
    let (entered, was_entered) = channel();
    let (let_go, may_go) = channel::<()>();
    let sink = move |_| {
        entered.send(()).unwrap_or_default();
        may_go.recv().unwrap_or_default();
    };
    (Box::new(sink), was_entered, let_go)
}

fn is_unknown(answer: &Result<Vec<Outcome>, Unavailable>) -> bool {
    matches!(answer, Err(Unavailable::OutcomeUnknown(_)))
}

fn is_read_only(answer: &Result<Vec<Outcome>, Unavailable>) -> bool {
    matches!(answer, Err(Unavailable::ReadOnly(_)))
}

/// Sends everything again to a ledger on what a power cut left: each key has one event, and those acknowledged before are
/// replayed.
async fn check_sent_again(left: MemoryLog, requests: &[Vec<Command>], replayed: &[bool], name: &str) {
    let ledger = TestLedger::open(left).unwrap();
    assert_eq!(ledger.ledger.read_only(), None);
    for (request, expected) in requests.iter().zip(replayed) {
        match ledger.one(request[0].clone()).await {
            Outcome::Accepted(receipt) => assert_eq!(receipt.replayed, *expected, "{name}: {request:?}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    let events = ledger.events();
    for request in requests {
        assert_eq!(count_of(&events, request[0].envelope.request_id.as_str()), 1, "{name}");
    }
    assert_eq!(ledger.views(), support::ledger::rebuilt(&ledger.log, ledger.ledger.committed()));
}

/// One request is acknowledged, the next one's group fails, and more are queued behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_failed_group_and_everyone_behind_it() {
    for failure in [Failure::Write, Failure::Sync] {
        let name = format!("{failure:?}");
        let log = new_log();
        let (sink, entered, let_go) = gate();
        let ledger = Ledger::open_log(Box::new(log.clone()), &digests(), Box::new(FixedClock(UtcNanos(1))), sink);
        let ledger = Arc::new(ledger.unwrap());
        let poisoned = ledger.poisoned();
        assert!(post(&ledger, setup()).await.is_ok());
        entered.recv().unwrap();

        // The committer is held. These pile up: two groups between the threads, one with the writer, the rest in the queue.
        log.fail_after(0, failure);
        let requests: Vec<_> = (0..8).map(request).collect();
        let mut tasks = Vec::new();
        for request in requests.clone() {
            let ledger = Arc::clone(&ledger);
            tasks.push(tokio::spawn(async move { post(&ledger, request).await }));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(tasks.iter().all(|task| !task.is_finished()), "{name}: answered before the commit");
        assert_eq!((ledger.read_only(), ledger.failed()), (None, None));
        let before = ledger.committed();
        drop(let_go);
        for (at, task) in tasks.into_iter().enumerate() {
            let answer = task.await.unwrap();
            assert!(is_unknown(&answer), "{name}: request {at} was told {answer:?}");
        }
        poisoned.await;
        assert!(ledger.read_only().is_some() && ledger.failed().is_some());

        // Later ones are refused outright, and nothing is acknowledged any more, not even what is known.
        for number in [0, 100] {
            let answer = post(&ledger, request(number)).await;
            assert!(is_read_only(&answer), "{name}: {answer:?}");
        }
        assert_eq!(ledger.committed(), before, "{name}");
        let mut scratch = Vec::new();
        let prepared = vec![ledger.prepare(request(0).remove(0), &mut scratch)];
        assert!(ledger.validate(prepared).await.is_err(), "{name}");

        // The durable bytes hold what was acknowledged; those that were written but not synced may hold the failed group.
        let first_survives = failure == Failure::Sync;
        for survives in [false, true] {
            let left = log.after_power_cut(|_| survives);
            let expected: Vec<bool> = (0..8).map(|at| at == 0 && survives && first_survives).collect();
            check_sent_again(left, &requests, &expected, &format!("{name}, survives {survives}")).await;
        }
        Arc::into_inner(ledger).unwrap().close().unwrap();
    }
}

/// Whoever was told that the outcome is unknown finds the ledger read-only at once, without any wait.
#[tokio::test]
async fn read_only_before_anyone_is_told() {
    for failure in [Failure::Write, Failure::Sync] {
        for round in 0..200 {
            let ledger = TestLedger::new();
            ledger.log.fail_after(0, failure);
            let answer = ledger.post(request(0)).await;
            assert!(is_unknown(&answer), "{answer:?}");
            let later = ledger.post(request(1)).await;
            assert!(is_read_only(&later), "{failure:?}, round {round}: {later:?}");
        }
    }
}

/// The failure comes after any number of groups; each request is its own group.
#[tokio::test]
async fn after_some_groups() {
    for failure in [Failure::Write, Failure::Sync] {
        for good in 0..6 {
            let ledger = TestLedger::new();
            ledger.post(setup()).await.unwrap();
            ledger.log.fail_after(good, failure);
            let requests: Vec<_> = (0..10).map(request).collect();
            let mut told = Vec::new();
            for request in &requests {
                told.push(ledger.post(request.clone()).await);
            }
            let good = usize::try_from(good).unwrap();
            assert!(told[..good].iter().all(Result::is_ok), "{failure:?} after {good}");
            assert!(is_unknown(&told[good]), "{failure:?} after {good}: {:?}", told[good]);
            assert!(told[good + 1..].iter().all(is_read_only), "{failure:?} after {good}: {told:?}");
            for survives in [false, true] {
                let known = good + usize::from(survives && failure == Failure::Sync);
                let expected: Vec<bool> = (0..10).map(|at| at < known).collect();
                let name = format!("{failure:?} after {good}, survives {survives}");
                check_sent_again(ledger.log.after_power_cut(|_| survives), &requests, &expected, &name).await;
            }
        }
    }
}

/// Answers about events that are still on their way wait for them, and fail with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_of_what_is_in_flight_fails_with_it() {
    let log = new_log();
    let (sink, entered, let_go) = gate();
    let ledger = Ledger::open_log(Box::new(log.clone()), &digests(), Box::new(FixedClock(UtcNanos(1))), sink);
    let ledger = Arc::new(ledger.unwrap());
    assert!(post(&ledger, setup()).await.is_ok());
    entered.recv().unwrap();
    log.fail_after(0, Failure::Sync);
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let (ledger, told) = (Arc::clone(&ledger), Arc::clone(&told));
        tasks.push(tokio::spawn(async move {
            let answer = post(&ledger, request(0)).await;
            told.lock().unwrap().push(answer);
        }));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(told.lock().unwrap().is_empty(), "the second was answered before the first was on disk");
    drop(let_go);
    for task in tasks {
        task.await.unwrap();
    }
    let told = told.lock().unwrap();
    assert!(told.len() == 2 && told.iter().all(is_unknown), "{told:?}");
}

/// A log that no longer reads back stops the ledger too. A request that was half decided by then is not told that nothing
/// was done.
#[tokio::test]
async fn a_log_that_does_not_read_back() {
    use support::orders::{allocate, clear, give_back, pay, plan};
    for half_decided in [false, true] {
        let ledger = TestLedger::new();
        ledger.post(setup()).await.unwrap();
        let orders = [
            cash("C", 100, "cash"),
            allocate("a.unalloc", "a.A.unit", 100, &[]),
            plan("a.A.unit", "a.A.plan", 100, &[]),
            pay("p1", "a.A.plan", 60, &[], "V1").into(),
            clear(&["p1"], "clearing"),
        ];
        for (at, order) in orders.iter().enumerate() {
            let outcome = ledger.one(on("2026-05-01").command(&format!("o{at}"), order)).await;
            assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
        }
        // Read from the log, not from what is still held in memory.
        for number in 0..4 {
            ledger.post(request(number)).await.unwrap();
        }
        let before = ledger.ledger.committed().sequence;
        let paid_at = before - 5;
        ledger.log.tamper(|values| {
            let key = [paid_at.to_be_bytes().as_slice(), &[0]].concat();
            values.get_mut(&key).unwrap()[100] ^= 1;
        });
        let mut commands = if half_decided { request(50) } else { Vec::new() };
        commands.push(on("2026-05-01").command("return", &give_back("p1", 1, "return")));
        let answer = ledger.post(commands).await;
        if half_decided {
            assert!(is_unknown(&answer), "{answer:?}");
        } else {
            assert!(is_read_only(&answer), "{answer:?}");
        }
        assert!(ledger.ledger.failed().is_some());
        assert!(is_read_only(&ledger.post(request(60)).await));
    }
}
