//! kill -9 at random moments under load, against a list of receipts that another process (this one) keeps.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "a test may fail"
)]

#[path = "power/random.rs"]
mod random;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fundledger::pb::v1;
use random::{Random, seed};
use server::{Served, payment, receipt, set_up, spawn};

const FEW: u64 = 20;
const MANY: u64 = 200;
const CLIENTS: usize = 3;
/// Commands a request; different for each client, so that groups have every shape.
const BATCHES: [u64; CLIENTS] = [1, 7, 64];

type Receipts = Arc<Mutex<BTreeMap<String, (i64, Vec<u8>)>>>;

/// Posts payments until the server is gone; remembers every receipt, and every key that was sent.
async fn load(
    served: &Served,
    client: usize,
    next: Arc<AtomicU64>,
    receipts: Receipts,
    sent: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
) {
    let mut ledger = served.ledger().await;
    let batch = BATCHES[client];
    tokio::spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            let first = next.fetch_add(batch, Ordering::Relaxed);
            let ids: Vec<String> = (first..first + batch).map(|number| format!("p-{number}")).collect();
            sent.lock().unwrap().extend(ids.iter().cloned());
            let commands = ids.iter().map(|id| payment(id)).collect();
            match ledger.post(v1::PostRequest { commands, ..v1::PostRequest::default() }).await {
                Ok(answer) => {
                    let mut receipts = receipts.lock().unwrap();
                    for (id, result) in ids.into_iter().zip(answer.into_inner().results) {
                        let receipt = receipt(result);
                        receipts.insert(id, (receipt.sequence, receipt.entry_hash.to_vec()));
                    }
                }
                // The outcome is unknown: these keys are sent again after the restart.
                Err(_) => return,
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_events_survive_and_retries_post_once() {
    kill(FEW).await;
}

/// The same with two hundred kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: see docs/faults.md"]
async fn two_hundred_kills() {
    kill(MANY).await;
}

async fn kill(rounds: u64) {
    let mut random = Random(seed());
    let mut served = Served::new();
    served.accept(set_up()).await;
    let receipts: Receipts = Arc::default();
    let sent: Arc<Mutex<Vec<String>>> = Arc::default();
    let next = Arc::new(AtomicU64::new(0));
    for round in 0..rounds {
        let stop = Arc::new(AtomicBool::new(false));
        for client in 0..CLIENTS {
            load(&served, client, Arc::clone(&next), Arc::clone(&receipts), Arc::clone(&sent), Arc::clone(&stop)).await;
        }
        // A moment of random length: what matters is where it ends, not how long it is.
        tokio::time::sleep(Duration::from_millis(random.below(150) as u64)).await;
        served.kill();
        stop.store(true, Ordering::Relaxed);
        if random.below(3) == 0 {
            // Killed again while it recovers.
            let mut child = spawn(&served.data());
            tokio::time::sleep(Duration::from_millis(random.below(30) as u64)).await;
            child.kill().unwrap();
            child.wait().unwrap();
        }
        served.start();
        compare(&served, round, &receipts, &sent).await;
    }
    let acknowledged = receipts.lock().unwrap().len();
    println!("{rounds} kills, {acknowledged} payments, none lost and none twice");
    assert!(acknowledged > 100, "only {acknowledged} payments were acknowledged: the load did not run");
    served.stop();
    let verified = server::run(&["verify", served.data().to_str().unwrap(), "--deep", "--allow-unanchored"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

/// Sends every key again: an acknowledged one must give its own receipt, any other exactly one event.
async fn compare(served: &Served, round: u64, receipts: &Receipts, sent: &Arc<Mutex<Vec<String>>>) {
    let ids: Vec<String> = std::mem::take(&mut *sent.lock().unwrap());
    let known = receipts.lock().unwrap().clone();
    for chunk in ids.chunks(4_096) {
        let commands: Vec<_> = chunk.iter().map(|id| payment(id)).collect();
        let first = served.accept(commands.clone()).await;
        let again = served.accept(commands).await;
        for ((id, first), again) in chunk.iter().zip(first).zip(again) {
            assert!(again.replayed, "round {round}: {id}");
            assert_eq!((first.sequence, &first.entry_hash), (again.sequence, &again.entry_hash), "round {round}: {id}");
            if let Some((sequence, hash)) = known.get(id) {
                assert!(first.replayed, "round {round}: {id} was acknowledged at {sequence} and is gone");
                assert_eq!(
                    (first.sequence, first.entry_hash.as_ref()),
                    (*sequence, hash.as_slice()),
                    "round {round}: {id}"
                );
            }
            receipts.lock().unwrap().insert(id.clone(), (first.sequence, first.entry_hash.to_vec()));
        }
    }
    // One event a payment, and no gap: the head counts the set-up and every payment once.
    let mut sequences: Vec<i64> = receipts.lock().unwrap().values().map(|(sequence, _)| *sequence).collect();
    sequences.sort_unstable();
    let set_up = i64::try_from(set_up().len()).unwrap();
    let expected: Vec<i64> = (set_up + 1..).take(sequences.len()).collect();
    assert_eq!(sequences, expected, "round {round}");
    let mut query = served.query().await;
    let head = query.list_balances(v1::ListBalancesRequest { page_size: 1, ..Default::default() }).await;
    let head = head.unwrap().into_inner().position.unwrap().sequence;
    assert!(head <= set_up + i64::try_from(sequences.len()).unwrap(), "round {round}");
}
