//! Power cuts, full disks and calls that fail, under the real program on a disk of the tests' own.
//!
//! kill -9 keeps what the system has not written yet, so it cannot find a missing sync; a power cut does not. The short tests
//! look at some hundreds of states that a disk may be left in, the long one at 100,000 (docs/faults.md).

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "a test may fail"
)]

#[path = "../server/mod.rs"]
mod server;

mod crash;
mod disk;
mod faults;
mod random;
mod story;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crash::{Loss, image};
use disk::{Disk, LOG, Step, Tree};
use random::{Random, seed};
use story::{Story, Told, check, checked_whole, lived};

/// States of the short test, and of the long one.
const FEW: usize = 400;
const MANY: usize = 100_000;
/// Of so many states, one is opened by the whole program and posted to; of the others the log alone is read.
const WHOLE_EVERY: usize = 8;
const LOSSES: [Loss; 4] = [Loss::All, Loss::Nothing, Loss::Tail, Loss::Any];

/// What went wrong in how many of some states.
fn violations(steps: &[Step], told: &[Told], data: &Path, states: usize, seed: u64) -> Vec<String> {
    let found = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|threads| {
        for _ in 0..workers {
            threads.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= states {
                        break;
                    }
                    let mut random = Random(seed.wrapping_add(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    let end = random.below(steps.len()) + 1;
                    let loss = LOSSES[random.below(LOSSES.len())];
                    let tree = image(steps, end, loss, &mut random);
                    let known: Vec<&Told> = steps[..end]
                        .iter()
                        .filter_map(|step| match step {
                            Step::Told(number) => told.get(*number),
                            _ => None,
                        })
                        .collect();
                    let directory = tempfile::tempdir().unwrap();
                    if let Some(node) = tree.at(data) {
                        tree.write_to(node, directory.path());
                    }
                    let result = match number % WHOLE_EVERY {
                        0 => checked_whole(directory.path(), &known),
                        _ => check(directory.path(), &known),
                    };
                    if let Err(why) = result {
                        found.lock().unwrap().push(format!("state {number}, cut before step {end}, {loss:?}: {why}"));
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

async fn cut(states: usize) {
    let Some(disk) = Disk::mount() else { return };
    let seed = seed();
    let Story { data, told, steps } = lived(&disk).await;
    let syncs = steps.iter().filter(|step| matches!(step, Step::Sync { .. })).count();
    println!("{} steps, {syncs} of them syncs, {} answers; {states} states", steps.len(), told.len());
    let found = violations(&steps, &told, &data, states, seed);
    assert!(found.is_empty(), "{} of {states} states:\n{}", found.len(), found[..found.len().min(10)].join("\n"));
}

/// Whatever a power cut leaves, everything that was acknowledged is there, once, and can be posted on.
#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_loses_nothing_that_was_acknowledged() {
    cut(FEW).await;
}

/// The same in 100,000 states.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes many minutes: see docs/faults.md"]
async fn a_hundred_thousand_power_cuts() {
    cut(MANY).await;
}

/// Its twin: on a disk to which the sync of the log's data file means nothing, acknowledged events are lost, and it is seen.
/// The same states are found where the program does not sync at all.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_sync_of_the_log_the_power_cut_is_seen() {
    let Some(disk) = Disk::mount() else { return };
    let seed = seed();
    let Story { data, told, mut steps } = lived(&disk).await;
    let log = Tree::of(&steps).at(&data.join(LOG)).unwrap();
    steps.retain(|step| !matches!(step, Step::Sync { node } if *node == log));
    let found = violations(&steps, &told, &data, FEW, seed);
    let lost = found.iter().filter(|why| why.contains("is gone")).count();
    assert!(lost > FEW / 50, "only {lost} of {FEW} states had lost anything");
}
