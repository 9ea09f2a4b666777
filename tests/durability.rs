//! What "acknowledged" means: synced before it is answered, never after a failed write; and views that resume equal views
//! that are built again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "a test may fail"
)]

mod server;

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;

use fundledger::format::keyed::{Fingerprints, KeyedDigest};
use fundledger::format::record::Head;
use fundledger::grpc::convert;
use fundledger::grpc::node::{Node, fold_from_log};
use fundledger::ledger::clock::SystemClock;
use fundledger::ledger::{Digests, Genesis, Ledger, Outcome, Unavailable, create};
use fundledger::log::memory::{Failure, MemoryLog};
use fundledger::log::recover::recover;
use fundledger::pb::v1;
use fundledger::projection::Views;
use fundledger::projection::history::History;
use server::{BINARY, Served, payment, set_up};

const KEY: [u8; 32] = [7; 32];

fn digests() -> Digests {
    Digests { commands: KeyedDigest::new(&KEY, "test"), fingerprints: Fingerprints::new(&KEY) }
}

fn open(log: &MemoryLog) -> Ledger {
    Ledger::open_log(Box::new(log.clone()), &digests(), Box::new(SystemClock), Box::new(|_| {})).unwrap()
}

fn new_log() -> MemoryLog {
    let mut log = MemoryLog::default();
    create(&mut log, Genesis::of_development("test.invalid/funds"), &SystemClock).unwrap();
    log
}

async fn post(ledger: &Ledger, commands: Vec<v1::Command>) -> Result<Vec<Outcome>, Unavailable> {
    let pseudonyms = KeyedDigest::new(&KEY, "payees");
    let parse = |command| convert::command(command, &pseudonyms, "").unwrap();
    let prepared = commands.into_iter().map(|command| ledger.prepare(parse(command), &mut Vec::new())).collect();
    ledger.post(prepared).await
}

fn sequences(outcomes: &[Outcome]) -> Vec<(i64, bool)> {
    outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Accepted(receipt) => (receipt.sequence, receipt.replayed),
            other => panic!("not accepted: {other:?}"),
        })
        .collect()
}

fn entries(log: &MemoryLog) -> i64 {
    recover(log, Head::EMPTY, |_| Ok(())).unwrap().head.sequence
}

/// After a failed write or sync nothing is acknowledged; after a restart every key gives exactly one event.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nothing_is_acknowledged_after_a_failure() {
    for failure in [Failure::Write, Failure::Sync] {
        let log = new_log();
        let ledger = open(&log);
        post(&ledger, set_up()).await.unwrap();
        let first = sequences(&post(&ledger, vec![payment("before")]).await.unwrap());
        log.fail_after(0, failure);
        let failed = post(&ledger, vec![payment("during")]).await;
        assert!(matches!(failed, Err(Unavailable::OutcomeUnknown(_))), "{failure:?}: {failed:?}");
        let later = post(&ledger, vec![payment("after")]).await;
        let refused = matches!(later, Err(Unavailable::ReadOnly(_) | Unavailable::OutcomeUnknown(_)));
        assert!(refused, "{failure:?}: {later:?}");
        assert!(ledger.failed().is_some(), "{failure:?}");
        drop(ledger);

        // What the disk holds after a power cut; of what was not synced, everything or nothing.
        for survives in [true, false] {
            let left = log.after_power_cut(|_| survives);
            let ledger = open(&left);
            let ids = ["before", "during", "after"];
            let again = sequences(&post(&ledger, ids.map(payment).to_vec()).await.unwrap());
            assert_eq!(again[0], (first[0].0, true), "{failure:?}: an acknowledged event was lost");
            let once: Vec<i64> = again.iter().map(|(sequence, _)| *sequence).collect();
            assert_eq!(once, vec![first[0].0, first[0].0 + 1, first[0].0 + 2], "{failure:?}, {survives}");
            assert_eq!(entries(&left), first[0].0 + 2, "{failure:?}, {survives}");
        }
    }
}

/// Any subset of the unsynced values may survive a power cut: what was acknowledged stays, what was not is posted once.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_power_cut_in_the_middle_of_a_group_loses_nothing_acknowledged() {
    let log = new_log();
    let ledger = open(&log);
    post(&ledger, set_up()).await.unwrap();
    let known = sequences(&post(&ledger, (0..100).map(|n| payment(&format!("a-{n}"))).collect()).await.unwrap());
    log.fail_after(0, Failure::Sync);
    let group: Vec<_> = (0..100).map(|n| payment(&format!("b-{n}"))).collect();
    assert!(post(&ledger, group.clone()).await.is_err());
    drop(ledger);
    // The group has several blocks; survivors in every combination of the first few.
    for pattern in 0..16_usize {
        let left = log.after_power_cut(|at| pattern >> (at % 4) & 1 == 1);
        let start = Ledger::open_log(Box::new(left.clone()), &digests(), Box::new(SystemClock), Box::new(|_| {}));
        let ledger = match start {
            Ok(ledger) => ledger,
            // A gap with sound blocks behind it cannot come from a store that writes in order; it is left for `verify`.
            Err(error) => {
                assert!(error.to_string().contains("damaged at sequence"), "{pattern:b}: {error}");
                continue;
            }
        };
        let again = sequences(&post(&ledger, (0..100).map(|n| payment(&format!("a-{n}"))).collect()).await.unwrap());
        assert_eq!(again, known.iter().map(|(sequence, _)| (*sequence, true)).collect::<Vec<_>>(), "{pattern:b}");
        let group = sequences(&post(&ledger, group.clone()).await.unwrap());
        let last = known.last().unwrap().0;
        assert_eq!(
            group.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(),
            (last + 1..=last + 100).collect::<Vec<_>>()
        );
    }
}

/// Views that resume from their snapshot equal views built from event 1, and so do views whose snapshot is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn views_that_resume_equal_views_built_again() {
    let mut served = Served::new();
    served.accept(set_up()).await;
    served.accept((0..300).map(|n| payment(&format!("p-{n}"))).collect()).await;
    served.stop();
    for round in ["from the snapshot", "snapshot and tail", "from event 1"] {
        if round == "from event 1" {
            for file in fs::read_dir(served.data().join("projections")).unwrap() {
                fs::remove_file(file.unwrap().path()).unwrap();
            }
            // As in a directory of an earlier version, which had none.
            fs::remove_dir_all(served.data().join("index")).unwrap();
        }
        if round == "snapshot and tail" {
            // Events after the snapshot: a killed server leaves no newer one.
            served.start();
            served.accept((300..350).map(|n| payment(&format!("p-{n}"))).collect()).await;
            served.kill();
        }
        let node = Arc::new(Node::open(&served.data(), Box::new(SystemClock)).unwrap());
        let (mut rebuilt, history) = (Views::default(), History::in_memory());
        let ledger = node.ledger();
        fold_from_log(ledger.log().as_ref(), &mut rebuilt, &history, ledger.committed().sequence).unwrap();
        assert_eq!(*node.views(), rebuilt, "{round}");
        assert_eq!(node.lag().index_sequence, rebuilt.position.sequence, "{round}");
        let rows = history.snapshot().unwrap().all_rows().unwrap();
        assert!(rows.len() > 3_000, "{round}");
        assert_eq!(node.history().unwrap().all_rows().unwrap(), rows, "{round}");
        assert!(rebuilt.position.sequence > 300);
        // Equal to the writer's state too, which is another fold of the same events: the next payment is answered alike.
        tokio::task::spawn_blocking(move || node.close()).await.unwrap().unwrap();
    }
}

/// Every lone post is followed by an fdatasync of sled's data file: its own flush does not sync on Linux.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_answer_follows_a_sync_of_the_data_file() {
    const POSTS: usize = 10;
    if !Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: strace is not here");
        return;
    }
    let mut served = Served::new();
    served.accept(set_up()).await;
    served.stop();
    let trace = served.directory.path().join("trace");
    let mut child = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fdatasync,fsync", "-o"])
        .arg(&trace)
        .args([BINARY, "serve", "--insecure-dev", "--quiet", "--listen", "127.0.0.1:0", "--data"])
        .arg(served.data())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let Some(address) = server::listening(&mut child) else {
        println!("SKIPPED: strace may not trace here");
        return;
    };
    served.address = address;
    let syncs = || fs::read_to_string(&trace).unwrap().lines().filter(|line| line.contains("log/db>")).count();
    let before = syncs();
    for number in 0..POSTS {
        let so_far = syncs();
        served.accept(vec![payment(&format!("p-{number}"))]).await;
        assert!(syncs() > so_far, "post {number} was answered without a sync");
    }
    assert!(syncs() >= before + POSTS);
    // Killing strace alone would leave the server behind: its pid stands in the trace.
    let traced = fs::read_to_string(&trace).unwrap();
    let pid = traced.split_whitespace().next().unwrap();
    assert!(Command::new("kill").args(["-KILL", pid]).status().unwrap().success());
    child.wait().unwrap();
}
