//! Somebody at the disk: every edit is found, at its sequence, by the verifier and by the second one in Python.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a test may fail"
)]

mod server;

use std::path::Path;
use std::process::Command;

use fundledger::format::block::{Block, BlockBuilder, StoredValue, parse_value};
use fundledger::format::record::{Head, split_entry};
use fundledger::ledger::directory::log_path;
use fundledger::log::Log;
use fundledger::log::sled::{SledLog, forge};
use serde_json::Value;
use server::{Served, payment, run, set_up};
use tokio::sync::{Mutex, MutexGuard};

const PAYMENTS: usize = 200;
const TARGET: i64 = 120;

/// These tests open stores in this process and start others: a process that is being started holds copies of the open files,
/// and with them a store's lock, for a moment. One test at a time has no such neighbour.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A stopped ledger with a set-up and payments, to be held with its guard.
async fn stopped() -> (Served, MutexGuard<'static, ()>) {
    let alone = ALONE.lock().await;
    let mut served = Served::new();
    served.accept(set_up()).await;
    served.accept((0..PAYMENTS).map(|number| payment(&format!("p-{number}"))).collect()).await;
    served.stop();
    (served, alone)
}

fn blocks(data: &Path) -> Vec<Block> {
    let log = SledLog::open(&log_path(data)).unwrap();
    let values = log.reader().values_from(&[]).map(|item| item.unwrap()).collect::<Vec<_>>();
    values.iter().map(|(key, value)| parse_value(key, value).unwrap().block).collect()
}

/// The block that holds the target, with the offset of the target's entry among its records.
fn target_block(data: &Path) -> (Block, usize) {
    let block = blocks(data).into_iter().find(|block| block.head.sequence >= TARGET).unwrap();
    let before = usize::try_from(TARGET - block.first_sequence).unwrap();
    let offset = block.entries().take(before).map(|entry| entry.len() + 2).sum::<usize>() + 2;
    (block, offset)
}

/// Offset of a needle in an entry: what the forger wants to change.
fn offset_of(block: &Block, entry_offset: usize, needle: &[u8]) -> usize {
    let within = block.records[entry_offset..].windows(needle.len()).position(|window| window == needle);
    entry_offset + within.unwrap()
}

fn python() -> Option<&'static str> {
    let has_python = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    has_python.then_some("python3")
}

#[test]
fn the_second_verifier_passes_its_own_tests() {
    let Some(python) = python() else {
        println!("python3 is not here: the second verifier's tests were SKIPPED");
        return;
    };
    let output = Command::new(python).arg("tests/oracle/test_verify.py").output().unwrap();
    assert!(output.status.success(), "{}", server::errors(&output));
}

/// Both verifiers' reports, which must agree on the verdict, the first bad sequence and the head.
fn verified(served: &Served, depth: &[&str]) -> (i32, Value) {
    let data = served.data();
    let data = data.to_str().unwrap();
    let output = run(&[&["verify", data, "--json", "--allow-unanchored"], depth].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    if let Some(python) = python() {
        let bundle = served.directory.path().join("bundle");
        let exported = run(&["export", "--data", data, "--bundle", bundle.to_str().unwrap()]);
        assert!(exported.status.success(), "{}", server::errors(&exported));
        let of_bundle = run(&[&["verify", bundle.to_str().unwrap(), "--json", "--allow-unanchored"], depth].concat());
        let of_bundle: Value = serde_json::from_slice(&of_bundle.stdout).unwrap();
        // Beside the store lies the tree, which a bundle does not have.
        let faults = report["faults"].as_array().unwrap();
        let of_store: Vec<&Value> = faults.iter().filter(|fault| fault["kind"] != "tile").collect();
        let in_bundle: Vec<&Value> = of_bundle["faults"].as_array().unwrap().iter().collect();
        assert_eq!(in_bundle, of_store, "the bundle is the directory's evidence");
        let second =
            Command::new(python).arg("tests/oracle/verify.py").arg(&bundle).arg("--json").args(depth).output().unwrap();
        let second: Value = serde_json::from_slice(&second.stdout).unwrap();
        for key in ["verdict", "events", "last_sequence", "head"] {
            assert_eq!(second[key], of_bundle[key], "{key}\n{second:#}\n{of_bundle:#}");
        }
        let first = |report: &Value| report["first_bad_sequence"].as_i64();
        if kinds(&of_bundle).iter().any(|(_, kind)| kind == "checksum") {
            // Of a broken checksum the second one names the block, where the first goes on to look for the entry.
            assert!(first(&second) <= first(&of_bundle), "{second:#}\n{of_bundle:#}");
        } else {
            assert_eq!(first(&second), first(&of_bundle), "{second:#}\n{of_bundle:#}");
        }
    } else {
        println!("python3 is not here: the second verifier was SKIPPED");
    }
    (output.status.code().unwrap(), report)
}

fn kinds(report: &Value) -> Vec<(i64, String)> {
    let faults = report["faults"].as_array().unwrap();
    faults
        .iter()
        .map(|fault| (fault["sequence"].as_i64().unwrap(), fault["kind"].as_str().unwrap().to_owned()))
        .collect()
}

fn overwrite(data: &Path, values: Vec<StoredValue>) {
    forge(&log_path(data), values.into_iter()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_sound_ledger_verifies() {
    let (served, _alone) = stopped().await;
    let (code, report) = verified(&served, &["--deep"]);
    assert_eq!((code, &report["verdict"], report["fault_count"].as_i64()), (0, &Value::from("verified"), Some(0)));
    assert_eq!(report["last_sequence"].as_i64(), i64::try_from(set_up().len() + PAYMENTS).ok());
    let without_consent = run(&["verify", served.data().to_str().unwrap()]);
    assert_eq!(without_consent.status.code(), Some(1), "unanchored without consent is not verified");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_edit_with_the_checksum_made_good_is_found_at_its_sequence() {
    let (served, _alone) = stopped().await;
    let (block, entry) = target_block(&served.data());
    let at = offset_of(&block, entry, b"goods");
    let mut forged = block.clone();
    forged.records[at] = b'f';
    overwrite(&served.data(), forged.to_values().collect());
    let (code, report) = verified(&served, &["--deep"]);
    assert_eq!((code, report["first_bad_sequence"].as_i64()), (1, Some(TARGET)));
    assert!(kinds(&report).contains(&(TARGET, "chain".to_owned())), "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_edit_without_mending_breaks_the_checksum() {
    let (served, _alone) = stopped().await;
    let (block, entry) = target_block(&served.data());
    let at = offset_of(&block, entry, b"goods");
    let mut value = block.to_values().next().unwrap();
    value.value[76 + at] ^= 1;
    overwrite(&served.data(), vec![value]);
    let (code, report) = verified(&served, &[]);
    assert_eq!((code, &report["verdict"]), (1, &Value::from("broken")));
    assert!(kinds(&report).iter().any(|(_, kind)| kind == "checksum"), "{report:#}");
    assert!(report["first_bad_sequence"].as_i64().unwrap() <= TARGET);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_forged_block_head_is_found() {
    let (served, _alone) = stopped().await;
    let (block, _) = target_block(&served.data());
    let mut forged = block.clone();
    forged.head.hash.0[0] ^= 1;
    overwrite(&served.data(), forged.to_values().collect());
    let (code, report) = verified(&served, &[]);
    assert_eq!(code, 1);
    assert!(kinds(&report).iter().any(|(_, kind)| kind == "block_head"), "{report:#}");
}

/// Rewrites everything from the target on, links and heads included: the chain is whole, and only the books can tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_rechained_log_with_wrong_sums_is_found_by_the_books() {
    let (served, _alone) = stopped().await;
    let blocks = blocks(&served.data());
    let first = blocks.iter().position(|block| block.head.sequence >= TARGET).unwrap();
    let mut head = Head { sequence: blocks[first].first_sequence - 1, hash: blocks[first].previous };
    let mut values = Vec::new();
    for block in &blocks[first..] {
        // The same events in the same blocks, so that the forged values replace the stored ones one by one.
        let mut builder = BlockBuilder::new(head);
        for (sequence, entry) in (block.first_sequence..).zip(block.entries()) {
            let mut event = split_entry(entry).unwrap().1.to_vec();
            if sequence == TARGET {
                // The last leg credits the clearing account with one fen: zigzag(-1) = 1; now two: zigzag(-2) = 3.
                let leg = [0x18, 0x01, 0x92];
                let at = event.windows(3).rposition(|window| window == leg).unwrap();
                event[at + 1] = 0x03;
            }
            head = builder.push(|buffer| buffer.extend_from_slice(&event)).unwrap();
        }
        values.extend(builder.take().iter().flat_map(|block| block.to_values().collect::<Vec<_>>()));
    }
    overwrite(&served.data(), values);
    let (code, report) = verified(&served, &[]);
    assert_eq!((code, kinds(&report)[0].clone()), (1, (TARGET, "tile".to_owned())), "the tree tells: {report:#}");
    std::fs::remove_dir_all(served.data().join("tree")).unwrap();
    let (code, report) = verified(&served, &[]);
    let kinds = (&report["faults"][0]["kind"], report["fault_count"].as_i64());
    assert_eq!((code, kinds), (1, (&Value::from("root"), Some(1))), "the ledger's own signature tells: {report:#}");
    // Whoever holds the disk holds that as well.
    std::fs::remove_file(served.data().join("checkpoint")).unwrap();
    let (code, report) = verified(&served, &[]);
    assert_eq!((code, &report["verdict"]), (0, &Value::from("verified")), "a chain alone cannot tell: {report:#}");
    let (code, report) = verified(&served, &["--deep"]);
    assert_eq!((code, report["first_bad_sequence"].as_i64()), (1, Some(TARGET)), "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_forged_ledger_does_not_start_to_post_in_silence() {
    let (mut served, _alone) = stopped().await;
    let (block, entry) = target_block(&served.data());
    let at = offset_of(&block, entry, b"goods");
    let mut value = block.to_values().next().unwrap();
    value.value[76 + at] ^= 1;
    overwrite(&served.data(), vec![value]);
    // Without its snapshots the start reads everything, meets the damage, and leaves it for `verify`.
    for snapshot in std::fs::read_dir(served.data().join("snapshots")).unwrap() {
        std::fs::remove_file(snapshot.unwrap().path()).unwrap();
    }
    let address = std::mem::take(&mut served.address);
    drop(address);
    let data = served.data();
    let output = run(&["serve", "--insecure-dev", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(server::errors(&output).contains("damaged at sequence"), "{}", server::errors(&output));
}
