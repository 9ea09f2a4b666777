//! Each stage of an event's path by itself, over the requests that `bench` posts: `cargo bench --bench stages`.
//!
//! A round takes one request through all stages, as a server does; of each round, the time of one stage counts. Figures are
//! nanoseconds a request of 1,024 commands.

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs, reason = "a benchmark, and what its macros make")]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fundledger::cli::bench::stages::{Explained, Stage};

const COMMANDS: u32 = 1_024;
const ACCOUNTS: u32 = 10_000;
const LOTS: u32 = 100;

fn stages(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a place for temporary files");
    let mut explained = Explained::new(directory.path(), ACCOUNTS, LOTS).expect("a ledger in an empty directory");
    let mut group = criterion.benchmark_group("stages");
    group.throughput(Throughput::Elements(COMMANDS.into())).sample_size(20);
    for (at, stage) in Stage::ALL.iter().enumerate() {
        group.bench_function(stage.name(), |bencher| {
            bencher.iter_custom(|rounds| {
                let times = (0..rounds).map(|_| explained.round(COMMANDS).expect("every command is accepted"));
                times.filter_map(|times| times.get(at).copied()).sum::<Duration>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
