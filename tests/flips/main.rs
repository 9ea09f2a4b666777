//! Bits that flip and files that are cut: in every file of a ledger's directory, anywhere. Whatever is damaged is told, or
//! makes no difference; no answer is ever wrong, and nothing panics.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "a test may fail"
)]

mod answers;
#[path = "../power/random.rs"]
mod random;
#[path = "../server/mod.rs"]
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use answers::{Answers, Told, asked, verified};
use random::{Random, seed};
use server::{Served, copy, payment, set_up};

const FEW: usize = 250;
const MANY: usize = 10_000;
/// Of the last two blocks, the short test cuts at every so manieth byte.
const CUTS_APART: usize = 211;
/// Bytes of a block, at most.
const BLOCK_BYTES: usize = 6_000;

/// A stopped ledger with something in every file.
async fn stopped() -> Served {
    let mut served = Served::new();
    served.accept(set_up()).await;
    served.accept((0..200).map(|number| payment(&format!("p-{number}"))).collect()).await;
    let mut named = payment("named");
    let field = fundledger::pb::v1::PersonalField::Name.into();
    let (person, value) = ("Supplier Ltd".to_owned(), "李四".to_owned());
    named.personal_data = vec![fundledger::pb::v1::PersonalDatum { person, field, value, ..Default::default() }];
    served.accept(vec![named]).await;
    served.stop();
    served
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Runs attempts on all cores; each breaks a copy of the directory and says what was wrong with how that was told.
fn attempts(data: &Path, count: usize, attempt: impl Fn(usize, &Path) -> Result<&'static str, String> + Sync) {
    let (found, told) = (Mutex::new(Vec::new()), Mutex::new(BTreeMap::<&str, usize>::new()));
    let next = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let directory = tempfile::tempdir().unwrap();
                    let damaged = directory.path().join("data");
                    copy(data, &damaged);
                    match attempt(number, &damaged) {
                        Ok(how) => *told.lock().unwrap().entry(how).or_default() += 1,
                        Err(why) => found.lock().unwrap().push(why),
                    }
                }
            });
        }
    });
    println!("{count} attempts: {:?}", told.into_inner().unwrap());
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "{} of {count}:\n{}", found.len(), found[..found.len().min(20)].join("\n"));
}

/// What is told of a damaged directory: an error, a refusal to post, or the same answers as before.
fn judge(damaged: &Path, sound: &Answers, what: &str) -> Result<&'static str, String> {
    match asked(damaged) {
        Told::Panicked => Err(format!("{what}: a panic")),
        Told::Refused(why) if why.is_empty() => Err(format!("{what}: refused without a word")),
        Told::Refused(_) => Ok("refused"),
        Told::ReadOnly => Ok("read-only"),
        Told::Fault => Ok("told when asked"),
        Told::Answered(answers) => match answers.differs_from(sound) {
            None => Ok("harmless"),
            Some(where_) => Err(format!("{what}: another answer, and nobody is told: {where_}")),
        },
    }
}

fn flip(count: usize) {
    let served = tokio::runtime::Runtime::new().unwrap().block_on(stopped());
    let data = served.data();
    let Told::Answered(sound) = asked(&data) else { panic!("a sound ledger does not open") };
    let (head, seed) = (verified(&data).unwrap(), seed());
    let names: Vec<PathBuf> = files(&data).iter().map(|file| file.strip_prefix(&data).unwrap().to_owned()).collect();
    println!("{} files", names.len());
    attempts(&data, count, |number, damaged| {
        let mut random = Random(seed.wrapping_add(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let name = &names[random.below(names.len())];
        let path = damaged.join(name);
        let mut bytes = fs::read(&path).unwrap();
        if bytes.is_empty() {
            return Ok("empty");
        }
        let (at, bit) = (random.below(bytes.len()), random.below(8));
        bytes[at] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        let what = format!("flip {number}, {}, byte {at}, bit {bit}", name.display());
        // An auditor is asked first: opening the ledger mends what it can.
        if name.starts_with("log") {
            let told = verified(damaged).map_err(|_| ());
            if told.is_ok_and(|told| told != head) {
                return Err(format!("{what}: verify finds another log to be sound"));
            }
        }
        judge(damaged, &sound, &what)
    });
}

#[test]
fn a_flipped_bit_is_told_or_makes_no_difference() {
    flip(FEW);
}

#[test]
#[ignore = "takes many minutes: see docs/faults.md"]
fn ten_thousand_flipped_bits() {
    flip(MANY);
}

fn cut(apart: usize) {
    let served = tokio::runtime::Runtime::new().unwrap().block_on(stopped());
    let data = served.data();
    let Told::Answered(sound) = asked(&data) else { panic!("a sound ledger does not open") };
    let log = fs::read(data.join("log/db")).unwrap();
    let end = log.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let first = end.saturating_sub(2 * BLOCK_BYTES);
    attempts(&data, (end - first).div_ceil(apart), |number, damaged| {
        let length = first + number * apart;
        let file = fs::File::options().write(true).open(damaged.join("log/db")).unwrap();
        file.set_len(length as u64).unwrap();
        judge(damaged, &sound, &format!("the log cut to {length} bytes"))
    });
}

#[test]
fn a_log_that_was_cut_is_told() {
    cut(CUTS_APART);
}

#[test]
#[ignore = "takes many minutes: see docs/faults.md"]
fn a_log_that_was_cut_anywhere_is_told() {
    cut(1);
}
