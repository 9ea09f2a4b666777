//! The real writer, committer, log format, recovery and views, step by step, with everything that can happen between two steps:
//! failed writes and syncs, kills, power cuts that keep any part of what was not synced, clocks that jump by years, retries of
//! anything at any time. All of it follows from a seed: `FUNDLEDGER_SEED=N cargo test --test simulation` does the same again.
//!
//! What must hold: what was acknowledged is durable and stays what it was; a key gives one event and one answer for ever; the
//! sequence has no gap; after a failure nothing is acknowledged; and what is replayed equals what was live.

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

#[path = "../power/random.rs"]
mod random;
#[path = "../support/mod.rs"]
mod support;
mod world;

use random::{Random, seed};
use world::{Disk, World};

/// Steps of one world: what is replayed at each start grows with them.
const STEPS_A_WORLD: usize = 1_000;
const FEW: usize = 30_000;
const MANY: usize = 5_000_000;

/// Runs worlds one after another, up to the first violation.
fn run(steps: usize, seed: u64, disk: Disk) -> Result<(), String> {
    let mut counts = world::Counts::default();
    for number in 0..steps.div_ceil(STEPS_A_WORLD) {
        let world_seed = seed.wrapping_add(number as u64);
        let mut world = World::new(Random(world_seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)), disk);
        for step in 0..STEPS_A_WORLD {
            world.step().map_err(|why| format!("FUNDLEDGER_SEED={world_seed}, step {step}: {why}"))?;
        }
        world.end().map_err(|why| format!("FUNDLEDGER_SEED={world_seed}, at the end: {why}"))?;
        counts.add(&world.counts);
    }
    println!("{steps} steps: {counts:?}");
    assert!(counts.is_varied(), "the worlds were dull: {counts:?}");
    Ok(())
}

#[test]
fn nothing_is_lost_or_posted_twice() {
    run(FEW, seed(), Disk::Sound).unwrap();
}

/// The same over five million steps.
#[test]
#[ignore = "takes many minutes: see docs/faults.md"]
fn nothing_is_lost_or_posted_twice_in_millions_of_steps() {
    run(MANY, seed(), Disk::Sound).unwrap();
}

/// Its twins: a log that says too early that all is durable, and one that loses a value that was synced.
#[test]
fn a_log_that_lies_is_seen() {
    for disk in [Disk::SaysDurableTooEarly, Disk::LosesWhatWasSynced] {
        let found = run(FEW, 7, disk).unwrap_err();
        println!("{disk:?}: {found}");
    }
}
