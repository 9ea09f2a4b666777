//! Where the time goes: processor time by thread while the load ran, and each stage of the hot path by itself.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::BenchArgs;
use super::stages::{Explained, Stage, Times};
use crate::cli::{Failure, Lang};
use crate::messages::cli as text;

/// Requests that each stage is measured over, at least.
const ROUNDS_MIN: u64 = 5;
/// Commands that each stage is measured over, where that is more.
const COMMANDS: u64 = 200_000;
/// Length of a tick of `/proc`: the kernel tells times to programs in hundredths of a second, whatever it counts in.
const TICK: Duration = Duration::from_millis(10);

/// Processor time of this process's threads, by their names; those of one kind together.
pub(super) fn thread_times() -> BTreeMap<String, Duration> {
    let mut times: BTreeMap<String, Duration> = BTreeMap::new();
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return times };
    let own = std::process::id().to_string();
    for thread in threads.flatten() {
        let Ok(stat) = fs::read_to_string(thread.path().join("stat")) else { continue };
        // `tid (name) state …`: the name may hold anything, and ends at the last parenthesis.
        let Some((start, rest)) = stat.rsplit_once(')') else { continue };
        let Some((tid, name)) = start.split_once('(') else { continue };
        let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok());
        let ticks = ticks.fold(0_u32, u32::saturating_add);
        // The client's work is done on the thread that the program began with.
        let name =
            if tid.trim() == own { "client" } else { name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-') };
        let time = times.entry(name.to_owned()).or_default();
        *time = time.saturating_add(TICK.saturating_mul(ticks));
    }
    times
}

/// Nanoseconds an event.
#[derive(Debug)]
pub(super) struct Explanation {
    threads: Vec<(String, u128)>,
    stages: Vec<(Stage, u128)>,
}

impl Explanation {
    /// Measures the stages; `before` and `after` are the threads' times around the load.
    pub(super) fn new(
        args: &BenchArgs,
        before: &BTreeMap<String, Duration>,
        after: &BTreeMap<String, Duration>,
    ) -> Result<Self, Failure> {
        let an_event = |time: Duration, events: u64| time.as_nanos().checked_div(events.into()).unwrap_or_default();
        let mut threads: Vec<(String, u128)> = after
            .iter()
            .map(|(name, time)| {
                let spent = time.saturating_sub(before.get(name).copied().unwrap_or_default());
                (name.clone(), an_event(spent, args.events))
            })
            .filter(|(_, nanos)| *nanos > 0)
            .collect();
        threads.sort_by_key(|(_, nanos)| std::cmp::Reverse(*nanos));
        let directory = super::temporary::temporary_directory(args.data.as_deref())?;
        let mut explained = Explained::new(directory.path(), args.accounts, args.lots)?;
        let rounds = COMMANDS.checked_div(args.batch.into()).unwrap_or_default().max(ROUNDS_MIN);
        let times = (0..rounds).map(|_| explained.round(args.batch)).collect::<Result<Vec<Times>, Failure>>()?;
        let stages = Stage::ALL.iter().enumerate().map(|(at, stage)| {
            let mut of_stage: Vec<Duration> = times.iter().filter_map(|times| times.get(at).copied()).collect();
            of_stage.sort_unstable();
            let median = of_stage.get(of_stage.len() / 2).copied().unwrap_or_default();
            (*stage, an_event(median, args.batch.into()))
        });
        Ok(Self { threads, stages: stages.collect() })
    }

    pub(super) fn json(&self) -> Value {
        let threads: serde_json::Map<String, Value> =
            self.threads.iter().map(|(name, nanos)| (name.clone(), json!(nanos))).collect();
        let stages: serde_json::Map<String, Value> =
            self.stages.iter().map(|(stage, nanos)| (stage.name().to_owned(), json!(nanos))).collect();
        json!({ "thread_ns_an_event": threads, "stage_ns_an_event": stages })
    }

    pub(super) fn write(&self, lang: Lang, out: &mut dyn Write) -> Result<(), Failure> {
        writeln!(out, "{}", text::bench_explain_threads(lang))?;
        for (name, nanos) in &self.threads {
            writeln!(out, "  {name:<16} {nanos:>7}")?;
        }
        writeln!(out, "{}", text::bench_explain_stages(lang))?;
        for (stage, nanos) in &self.stages {
            writeln!(out, "  {:<16} {nanos:>7}", stage.name())?;
        }
        Ok(())
    }
}
