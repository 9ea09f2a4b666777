//! A call that is cut off at any moment, and sent again: one event, and one answer.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    reason = "a test may fail, and a measurement says what it saw"
)]

mod server;

use std::time::Duration;

use fundledger::format::fingerprint::FingerprintTable;
use fundledger::pb::v1;
use server::{Served, payment, receipt, set_up};
use tonic::Request;

const ROUNDS: u64 = 300;

/// How a first attempt is cut off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The server is told a deadline that passes.
    Deadline,
    /// The caller drops the call.
    Dropped,
    /// The connection goes with it.
    Disconnected,
}

/// A cheap sequence of numbers, another in every round.
fn random(round: u64, below: u64) -> u64 {
    (round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % below
}

/// Gives a call so many turns to get on, then drops it: from before the request leaves to after its answer has come.
async fn within_turns<T>(turns: u64, call: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = call => Some(done),
        () = async { for _ in 0..turns { tokio::task::yield_now().await; } } => None,
    }
}

fn request(key: &str) -> v1::PostRequest {
    // Of two the second is refused: that outcome must not change either.
    let refused = v1::Command { request_id: format!("{key}-refused"), ..payment(key) };
    v1::PostRequest { commands: vec![payment(key), refused], ..v1::PostRequest::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_moment_it_is_cut_off_at_a_call_that_is_sent_again_posts_once() {
    let served = Served::new();
    let before = served.accept(set_up()).await.last().unwrap().sequence;
    let mut cut_off = 0;
    let mut kept = served.ledger().await;
    for round in 0..ROUNDS {
        let key = format!("retry-{round}");
        let cut = [Cut::Deadline, Cut::Dropped, Cut::Disconnected][usize::try_from(round % 3).unwrap()];
        let mut first = if cut == Cut::Disconnected { served.ledger().await } else { kept.clone() };
        let mut sent = Request::new(request(&key));
        let answered = if cut == Cut::Deadline {
            sent.set_timeout(Duration::from_micros(random(round, 400)));
            first.post(sent).await.is_ok()
        } else {
            matches!(within_turns(random(round, 1_500), first.post(sent)).await, Some(Ok(_)))
        };
        cut_off += u64::from(!answered);
        drop(first);
        let mut results = kept.post(request(&key)).await.unwrap().into_inner().results.into_iter();
        let accepted = receipt(results.next().unwrap());
        assert!(accepted.replayed || !answered, "{key}: it was answered, and posted again");
        let refused = results.next().unwrap().outcome.unwrap();
        let v1::post_result::Outcome::Error(refused) = refused else { panic!("{key}: paid twice") };
        assert!(refused.message.starts_with("PAYMENT_EXISTS"), "{refused:?}");
    }
    assert!((ROUNDS / 10..ROUNDS).contains(&cut_off), "{cut_off} of {ROUNDS} were cut off: the moments are no test");
    let last = served.accept(vec![payment("last")]).await.last().unwrap().sequence;
    assert_eq!(last - before, i64::try_from(2 * ROUNDS).unwrap() + 1, "two events a key pair, and the last");
}

/// What a key costs for ever. `cargo test --release --test retries -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, for release builds"]
fn memory_of_a_key() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
    };
    let mut table = FingerprintTable::default();
    let empty = resident();
    let mut held = 0;
    for count in [1_000_000_u64, 2_000_000, 5_000_000, 10_000_000, 20_000_000] {
        for number in held..count {
            table.insert(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), i64::try_from(number).unwrap());
        }
        held = count;
        println!("{count} keys: {} bytes each", (resident() - empty) / count);
    }
}
