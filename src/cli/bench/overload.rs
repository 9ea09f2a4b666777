//! More than the ledger can take: requests become due by the clock, several times as fast as it answered them before, whether
//! or not it has answered the ones before. What is refused comes again when the next request is due, whatever delay the
//! refusal asked for: such clients exist. So many are made before the clock runs, and no more than those are on their way at
//! any time, so that it is the ledger that is measured, and not what making requests and keeping them costs.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use prost::bytes::Bytes;
use serde_json::json;
use tokio::task::JoinSet;

use super::load::{self, Load, histogram};
use super::mix::thousandths;
use super::temporary::probe;
use super::workload::{Requests, Workload};
use super::{BenchArgs, Format, head, raw};
use crate::cli::connect::Connection;
use crate::cli::{Failure, Globals, Lang};
use crate::messages::cli as text;

/// Connections that the requests come over.
const CONNECTIONS: usize = 4;
/// Most commands that are on their way at a time.
const ON_THEIR_WAY_MAX: u64 = 1 << 20;
/// A refusal that takes longer is late, in microseconds.
const REFUSAL_MAX_MICROS: u64 = 50_000;
/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(1);
/// The least that is to be accepted, in thousandths of what was before.
const LEAST_PER_MILLE: u128 = 900;

/// What was seen.
pub(super) struct Figures {
    seconds: u32,
    /// Events a second that the ledger took before, asked at its own pace.
    peak: u128,
    offered: u128,
    accepted: u128,
    refused_requests: u64,
    /// Refusals that named no delay.
    without_delay: u64,
    refusals: Histogram<u64>,
    admitted: Histogram<u64>,
    memory_before: Option<u64>,
    memory_most: Option<u64>,
    last_sequence: i64,
    head: String,
    probes: Option<(Duration, Duration)>,
}

/// What became of a request.
enum Answer {
    Accepted { events: u64, micros: u64 },
    Refused { request: Bytes, events: u64, micros: u64, has_delay: bool },
}

async fn send(connection: Connection, request: Bytes, events: u64) -> Result<Answer, Failure> {
    let started = Instant::now();
    let posted = raw::try_post(&connection, request.clone(), events).await?;
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(match posted {
        Ok(_) => Answer::Accepted { events, micros },
        Err(refused) => Answer::Refused { request, events, micros, has_delay: refused.retry_delay.is_some() },
    })
}

/// Loads the ledger at its own pace, then offers more than that.
pub(super) async fn drive(
    globals: &Globals,
    args: &BenchArgs,
    seconds: u32,
    directory: Option<&Path>,
) -> Result<Figures, Failure> {
    let connections = (0..CONNECTIONS).map(|_| Connection::new(globals)).collect::<Result<Vec<_>, _>>()?;
    let connection = connections.first().cloned().ok_or_else(|| Failure::Usage(String::new()))?;
    let workload = Workload::payments(args.accounts, args.lots)?;
    let set_up = load::post_all(&connection, workload.set_up()).await?;
    let before = head(&connection, set_up).await?;
    let probe_before = directory.map(probe).transpose()?;
    let workload: Arc<dyn Requests> = Arc::new(workload);
    let load = Load::new(globals, args);
    let peak = load.run(&connection, &workload, &Arc::default()).await?.events_per_second();
    let mut overload = Overload {
        connections,
        workload,
        batch: u64::from(args.batch),
        next: args.events,
        again: VecDeque::new(),
        waiting: JoinSet::new(),
        offered: 0,
        accepted: 0,
        without_delay: 0,
        refusals: histogram()?,
        admitted: histogram()?,
        memory_most: memory(),
    };
    overload.prepare();
    let memory_before = memory();
    let started = Instant::now();
    overload
        .run(peak.saturating_mul(args.overload_times.into()), Duration::from_secs(seconds.into()), globals.lang)
        .await?;
    // What was accepted counts as long as it took to be answered.
    let window = started.elapsed();
    let accepted = overload.accepted;
    overload.settle(globals.lang).await?;
    let posted = i64::try_from(args.events.saturating_add(overload.accepted)).unwrap_or(i64::MAX);
    let expected = before.sequence.saturating_add(posted);
    let after = head(&connection, expected).await?;
    if after.sequence != expected {
        return Err(Failure::Refused(text::bench_head_differs(globals.lang, expected, after.sequence)));
    }
    let probe_after = directory.map(probe).transpose()?;
    let a_second =
        |events: u64| u128::from(events).saturating_mul(1_000_000).checked_div(window.as_micros()).unwrap_or_default();
    Ok(Figures {
        seconds,
        peak,
        offered: a_second(overload.offered),
        accepted: a_second(accepted),
        refused_requests: overload.refusals.len(),
        without_delay: overload.without_delay,
        refusals: overload.refusals,
        admitted: overload.admitted,
        memory_before,
        memory_most: overload.memory_most,
        last_sequence: after.sequence,
        head: crate::cli::render::hex(&after.entry_hash),
        probes: probe_before.zip(probe_after),
    })
}

/// Requests that are due, on their way, and refused.
struct Overload {
    connections: Vec<Connection>,
    workload: Arc<dyn Requests>,
    batch: u64,
    next: u64,
    again: VecDeque<(Bytes, u64)>,
    waiting: JoinSet<Result<Answer, Failure>>,
    offered: u64,
    accepted: u64,
    without_delay: u64,
    refusals: Histogram<u64>,
    admitted: Histogram<u64>,
    memory_most: Option<u64>,
}

impl Overload {
    /// Makes as many requests as may be on their way.
    fn prepare(&mut self) {
        while u64::try_from(self.again.len()).is_ok_and(|count| count.saturating_mul(self.batch) < ON_THEIR_WAY_MAX) {
            let request = self.request();
            self.again.push_back(request);
        }
    }

    fn request(&mut self) -> (Bytes, u64) {
        let request = self.workload.request(self.next, self.batch, 0);
        self.next = self.next.saturating_add(self.batch);
        (request, self.batch)
    }

    /// Whether one more may be on its way.
    fn has_place(&self) -> bool {
        let waiting = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        waiting.saturating_mul(self.batch) < ON_THEIR_WAY_MAX
    }

    async fn run(&mut self, events_per_second: u128, time: Duration, lang: Lang) -> Result<(), Failure> {
        let started = Instant::now();
        let mut ticks = tokio::time::interval(TICK);
        let mut skipped = 0_u64;
        while started.elapsed() < time {
            ticks.tick().await;
            let due = events_per_second.saturating_mul(started.elapsed().as_micros()) / 1_000_000;
            while u128::from(self.offered).saturating_add(u128::from(skipped)) < due {
                if self.has_place() {
                    self.offer();
                } else {
                    // It would only wait here: what is late is not made up for by a burst.
                    skipped = skipped.saturating_add(self.batch);
                }
            }
            while let Some(joined) = self.waiting.try_join_next() {
                self.answered(joined, lang)?;
            }
            self.memory_most = self.memory_most.max(memory());
        }
        Ok(())
    }

    fn offer(&mut self) {
        let (request, events) = self.again.pop_front().unwrap_or_else(|| self.request());
        let at = usize::try_from(self.offered.checked_div(self.batch).unwrap_or_default()).unwrap_or_default();
        let connection = at.checked_rem(self.connections.len()).and_then(|at| self.connections.get(at));
        self.offered = self.offered.saturating_add(events);
        if let Some(connection) = connection {
            self.waiting.spawn(send(connection.clone(), request, events));
        }
    }

    /// Waits for what is on its way.
    async fn settle(&mut self, lang: Lang) -> Result<(), Failure> {
        while let Some(joined) = self.waiting.join_next().await {
            self.answered(joined, lang)?;
        }
        Ok(())
    }

    fn answered(
        &mut self,
        joined: Result<Result<Answer, Failure>, tokio::task::JoinError>,
        lang: Lang,
    ) -> Result<(), Failure> {
        match joined.map_err(|error| Failure::Unavailable(text::runtime_failed(lang, error)))?? {
            Answer::Accepted { events, micros } => {
                self.accepted = self.accepted.saturating_add(events);
                self.admitted.saturating_record(micros);
            }
            Answer::Refused { request, events, micros, has_delay } => {
                self.again.push_back((request, events));
                self.refusals.saturating_record(micros);
                self.without_delay = self.without_delay.saturating_add(u64::from(!has_delay));
            }
        }
        Ok(())
    }
}

/// Resident memory of this process, in bytes; nothing where the system does not tell.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
}

impl Figures {
    fn per_mille(&self) -> u128 {
        self.accepted.saturating_mul(1_000).checked_div(self.peak).unwrap_or_default()
    }

    /// Refusals that were in time, in thousandths of all.
    fn in_time_per_mille(&self) -> u128 {
        let in_time = u128::from(self.refusals.count_between(0, REFUSAL_MAX_MICROS));
        in_time.saturating_mul(1_000).checked_div(self.refusals.len().into()).unwrap_or(1_000)
    }

    pub(super) fn write(
        &self,
        format: Format,
        args: &BenchArgs,
        lang: Lang,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let at = |latencies: &Histogram<u64>, percentile| latencies.value_at_percentile(percentile);
        if format == Format::Json {
            let figures = json!({
                "overload": args.overload_times,
                "seconds": self.seconds,
                "batch": args.batch,
                "peak_events_per_second": self.peak,
                "offered_events_per_second": self.offered,
                "accepted_events_per_second": self.accepted,
                "ratio_per_mille": self.per_mille(),
                "admitted_requests": self.admitted.len(),
                "admitted_p50_us": at(&self.admitted, 50.0),
                "admitted_p99_us": at(&self.admitted, 99.0),
                "admitted_max_us": at(&self.admitted, 100.0),
                "refused_requests": self.refused_requests,
                "refused_without_delay": self.without_delay,
                "refused_p50_us": at(&self.refusals, 50.0),
                "refused_p99_us": at(&self.refusals, 99.0),
                "refused_within_50_ms_per_mille": self.in_time_per_mille(),
                "memory_before_bytes": self.memory_before,
                "memory_most_bytes": self.memory_most,
                "last_sequence": self.last_sequence,
                "head": self.head,
                "flush_probe_before_p50_us": self.probes.map(|(before, _)| before.as_micros()),
                "flush_probe_after_p50_us": self.probes.map(|(_, after)| after.as_micros()),
            });
            writeln!(out, "{figures}")?;
        } else {
            let reached = self.per_mille() >= LEAST_PER_MILLE;
            let word = if reached { text::word_yes(lang) } else { text::word_no(lang) };
            let (least, ratio) = (thousandths(LEAST_PER_MILLE), thousandths(self.per_mille()));
            writeln!(
                out,
                "{}",
                text::bench_overload(lang, args.batch, self.offered, self.seconds, args.overload_times)
            )?;
            writeln!(out, "{}", text::bench_overload_accepted(lang, self.accepted, self.peak))?;
            writeln!(out, "{}", text::bench_mix_ratio(lang, least, ratio, word))?;
            let requests = |latencies: &Histogram<u64>| {
                text::bench_reads(lang, latencies.len(), at(latencies, 50.0), at(latencies, 99.0))
            };
            writeln!(out, "{}: {}", text::bench_admitted(lang), requests(&self.admitted))?;
            writeln!(out, "{}: {}", text::bench_refused(lang), requests(&self.refusals))?;
            writeln!(out, "{}", text::bench_refused_in_time(lang, thousandths(self.in_time_per_mille())))?;
            if let Some((before, most)) = self.memory_before.zip(self.memory_most) {
                writeln!(out, "{}", text::bench_memory(lang, before / 1_000_000, most / 1_000_000))?;
            }
            writeln!(out, "{}: {} {}", text::bench_head(lang), self.last_sequence, self.head)?;
            if let Some((before, after)) = self.probes {
                writeln!(out, "{}", text::bench_probe(lang, after.as_micros(), before.as_micros()))?;
            }
        }
        if self.without_delay > 0 {
            return Err(Failure::Refused(text::bench_no_delay(lang, self.without_delay)));
        }
        Ok(())
    }
}
