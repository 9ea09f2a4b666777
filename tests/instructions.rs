//! How many instructions each stage of an event's path takes, counted by callgrind: no neighbour on the machine moves that. More
//! than a tenth above what is written down fails; what has become less is to be written down.
//!
//! The counts are those of the build that `cargo test` makes, which optimises little: they say when the path does more than it
//! did, not how fast it is (`bench --explain` and `benches/` do). Hashes count many times what they take elsewhere, since
//! callgrind knows no instructions for them.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::as_conversions,
    reason = "a test"
)]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::collections::BTreeMap;
use std::process::Command;

use fundledger::cli::bench::stages::Explained;

/// Stage and instructions an event; the first line names the compiler that they are of.
const WRITTEN_DOWN: &str = include_str!("instructions/counts.txt");
const COMMANDS: u32 = 250;
const ROUNDS: u32 = 4;
/// What the smallest stages differ by from run to run.
const FEW: u64 = 10;

/// What callgrind runs.
#[test]
#[ignore = "run by the other test, under callgrind"]
fn rounds() {
    let directory = tempfile::tempdir().unwrap();
    let mut explained = Explained::new(directory.path(), 100, 10).unwrap();
    for _ in 0..ROUNDS {
        explained.round(COMMANDS).unwrap();
    }
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Instructions of each stage, an event.
fn counted() -> Option<BTreeMap<&'static str, u64>> {
    let directory = tempfile::tempdir().unwrap();
    let counts = directory.path().join("counts");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*Explained*round*"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "rounds", "--ignored", "--test-threads=1"])
        .output()
        .ok()?;
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let counts = counts.display().to_string();
    let listed = output("callgrind_annotate", &["--inclusive=yes", "--threshold=100", "--show-percs=no", &counts])?;
    let mut found: BTreeMap<&str, u64> = BTreeMap::new();
    for (stage, function) in Explained::FUNCTIONS {
        // `  123,456  file:path::function [object]`; a closure of it goes on behind its name.
        let of_function = listed.lines().filter(|line| {
            line.split_once(function)
                .is_some_and(|(_, rest)| !rest.starts_with(|c: char| c == ':' || c == '_' || c.is_alphanumeric()))
        });
        let numbers =
            of_function.filter_map(|line| line.split_whitespace().next()?.replace(',', "").parse::<u64>().ok());
        let instructions = numbers.max().unwrap_or_else(|| panic!("{function} was not counted:\n{listed}"));
        found.insert(stage.name(), instructions / u64::from(COMMANDS * ROUNDS));
    }
    Some(found)
}

#[test]
fn no_stage_does_a_tenth_more_than_is_written_down() {
    let compiler = output("rustc", &["--version"]).unwrap_or_default().trim().to_owned();
    let Some(counted) = counted() else {
        println!("valgrind is not installed: the counts were SKIPPED");
        return;
    };
    let mut lines = WRITTEN_DOWN.lines();
    let of_compiler = lines.next().unwrap_or_default();
    let written: BTreeMap<&str, u64> = lines
        .filter_map(|line| line.split_once(' '))
        .map(|(stage, count)| (stage, count.trim().parse().unwrap()))
        .collect();
    println!("{compiler}");
    for (stage, count) in &counted {
        println!("{stage} {count}");
    }
    if of_compiler != compiler {
        println!("the counts are of {of_compiler}, this is another compiler: SKIPPED");
        return;
    }
    for (stage, count) in &counted {
        let known = written[stage];
        assert!(*count <= known + known / 10 + FEW, "{stage}: {count} instructions an event, {known} are written down");
    }
}
