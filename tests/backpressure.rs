//! A ledger whose disk stands still: what waits is bounded; a request is refused at once, a stream waits its turn.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

mod support;

use std::sync::{Arc, Condvar, Mutex};

use fundledger::domain::command::Command;
use fundledger::format::block::Block;
use fundledger::format::record::Head;
use fundledger::ledger::clock::SystemClock;
use fundledger::ledger::{Ledger, Outcome, Prepared, QUEUED_COMMAND_BYTES, QUEUED_COMMANDS_MAX, Unavailable};
use fundledger::log::memory::MemoryLog;
use fundledger::log::{AppendError, Fault, Log, LogRead};
use support::ledger::{digests, new_log};
use support::orders::{close_day, on};

/// A log that appends nothing until the gate is open.
struct Gated {
    log: MemoryLog,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

impl Log for Gated {
    fn head(&self) -> Head {
        self.log.head()
    }

    fn append(&mut self, expected: Head, blocks: &[Block]) -> Result<(), AppendError> {
        drop(self.gate.opened.wait_while(self.gate.is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
        self.log.append(expected, blocks)
    }

    fn adopt(&mut self, head: Head, remove: &[Vec<u8>]) -> Result<(), Fault> {
        self.log.adopt(head, remove)
    }

    fn reader(&self) -> Arc<dyn LogRead> {
        self.log.reader()
    }
}

const BATCH: usize = 8_192;

/// Commands that are all refused, each under a key of its own.
fn batch(ledger: &Ledger, number: usize) -> Vec<Prepared> {
    let command = |at: usize| Command {
        envelope: on("2026-06-15").envelope(&format!("k{number}-{at}")),
        preconditions: Vec::new(),
        order: close_day("NO", "2026-06-15"),
    };
    let mut scratch = Vec::new();
    (0..BATCH).map(|at| ledger.prepare(command(at), &mut scratch)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_bounded_and_streams_wait_their_turn() {
    let gate = Arc::new(Gate::default());
    let log = Box::new(Gated { log: new_log(), gate: Arc::clone(&gate) });
    let ledger = Arc::new(Ledger::open_log(log, &digests(), Box::new(SystemClock), Box::new(drop)).unwrap());

    // Requests, until one is refused: nothing of it was done.
    let mut waiting = tokio::task::JoinSet::new();
    let most = QUEUED_COMMANDS_MAX / BATCH + 8;
    let mut refused = 0;
    for number in 0..2 * most {
        let posting = Arc::clone(&ledger);
        let commands = batch(&ledger, number);
        let mut posted = Box::pin(async move { posting.post(commands).await });
        // Polled once, it is either refused or on its way.
        let now = std::future::poll_fn(|context| std::task::Poll::Ready(posted.as_mut().poll(context))).await;
        match now {
            std::task::Poll::Ready(outcome) => {
                assert_eq!(outcome, Err(Unavailable::QueueFull));
                refused += 1;
            }
            std::task::Poll::Pending => drop(waiting.spawn(posted)),
        }
    }
    assert!(refused > 0 && waiting.len() <= most, "{refused} were refused, {} wait", waiting.len());

    // A stream's batches wait for room instead; and a key may still be asked for when there is room again.
    for number in 0..4 {
        let posting = Arc::clone(&ledger);
        let commands = batch(&ledger, 1_000 + number);
        waiting.spawn(async move { posting.post_in_turn(commands).await?.outcomes().await });
    }
    gate.open();
    let expected = waiting.len() * BATCH;
    let mut answered = 0;
    while let Some(outcomes) = waiting.join_next().await {
        let outcomes = outcomes.unwrap().unwrap();
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Refused { replayed: false, .. })));
        answered += outcomes.len();
    }
    assert_eq!(answered, expected);
    assert_eq!(ledger.committed().sequence, i64::try_from(expected).unwrap());
    ledger.close().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_ledger_takes_nothing_more() {
    let ledger = Ledger::open_log(Box::new(new_log()), &digests(), Box::new(SystemClock), Box::new(drop)).unwrap();
    ledger.close().unwrap();
    let late = batch(&ledger, 0);
    assert_eq!(ledger.post(late.clone()).await, Err(Unavailable::ShuttingDown));
    assert_eq!(ledger.post_in_turn(late).await.unwrap_err(), Unavailable::ShuttingDown);
}

/// Room is taken before a request is looked into: by its commands, or by its bytes where those are many for so few.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_is_taken_for_commands_and_for_bytes() {
    let ledger = Ledger::open_log(Box::new(new_log()), &digests(), Box::new(SystemClock), Box::new(drop)).unwrap();
    let commands = batch(&ledger, 0);
    let half = ledger.reserve(1, QUEUED_COMMANDS_MAX / 2 * QUEUED_COMMAND_BYTES).unwrap();
    assert_eq!(ledger.room(), QUEUED_COMMANDS_MAX / 2);
    let most = ledger.reserve(QUEUED_COMMANDS_MAX / 2 - 1, 0).unwrap();
    assert_eq!(ledger.room(), 1);
    assert_eq!(ledger.reserve(2, 0).unwrap_err(), Unavailable::QueueFull);
    assert_eq!(ledger.reserve(1, 2 * QUEUED_COMMAND_BYTES).unwrap_err(), Unavailable::QueueFull);
    let last = ledger.reserve(1, QUEUED_COMMAND_BYTES).unwrap();
    assert_eq!(ledger.post(commands[..1].to_vec()).await, Err(Unavailable::QueueFull));
    drop((most, last));
    // What was reserved is given back once its commands are with the writer.
    assert_eq!(ledger.post_reserved(commands[..3].to_vec(), half).await.unwrap().len(), 3);
    drop(ledger.reserve(QUEUED_COMMANDS_MAX, 0).unwrap());
    let too_large = ledger.reserve(1, usize::MAX).unwrap();
    assert_eq!(ledger.reserve(1, 0).unwrap_err(), Unavailable::QueueFull, "the largest request takes all there is");
    drop(too_large);
    ledger.close().unwrap();
    assert_eq!(ledger.reserve(1, 0).unwrap_err(), Unavailable::ShuttingDown);
}
