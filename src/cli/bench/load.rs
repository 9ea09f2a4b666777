//! Sending the load and timing it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::ProgressBar;

use super::BenchArgs;
use super::covered::Acknowledged;
use super::raw;
use super::workload::Requests;
use crate::cli::connect::Connection;
use crate::cli::{Failure, Globals};
use crate::messages::cli as text;
use crate::pb::v1;
use crate::pb::v1::post_result::Outcome;

/// Commands of a set-up request.
pub(super) const SET_UP_BATCH: usize = 4_096;
/// Latencies are kept to three digits.
const HISTOGRAM_DIGITS: u8 = 3;
/// Ten minutes, in microseconds; longer ones count as this.
const LATENCY_MAX_US: u64 = 600_000_000;

/// A load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) clients: u32,
    pub(super) batch: u32,
    /// Number of the first command.
    pub(super) first: u64,
    pub(super) events: u64,
    pub(super) shows_progress: bool,
}

/// What was seen.
pub(super) struct Measured {
    pub(super) elapsed: Duration,
    events: u64,
    latencies: Histogram<u64>,
}

impl Measured {
    /// Whole events a second.
    pub(super) fn events_per_second(&self) -> u128 {
        let micros = self.elapsed.as_micros().max(1);
        u128::from(self.events).saturating_mul(1_000_000).checked_div(micros).unwrap_or_default()
    }

    /// A percentile of the requests' latencies, in microseconds.
    pub(super) fn percentile_us(&self, percentile: f64) -> u64 {
        self.latencies.value_at_percentile(percentile)
    }
}

impl Load {
    /// As it was asked for, from the first command on.
    pub(super) fn new(globals: &Globals, args: &BenchArgs) -> Self {
        let shows_progress = globals.shows_progress();
        Self { clients: args.clients, batch: args.batch, first: 0, events: args.events, shows_progress }
    }

    /// Sends it from `clients` tasks that share one connection, each with one request in flight.
    pub(super) async fn run(
        self,
        connection: &Connection,
        workload: &Arc<dyn Requests>,
        acknowledged: &Arc<Acknowledged>,
    ) -> Result<Measured, Failure> {
        let next = Arc::new(AtomicU64::new(0));
        let progress = if self.shows_progress { ProgressBar::new(self.events) } else { ProgressBar::hidden() };
        let started = Instant::now();
        let mut tasks = Vec::new();
        for _ in 0..self.clients {
            let (connection, workload) = (connection.clone(), Arc::clone(workload));
            let (next, progress, acknowledged) = (Arc::clone(&next), progress.clone(), Arc::clone(acknowledged));
            tasks.push(tokio::spawn(async move {
                self.client(&connection, workload.as_ref(), &next, &progress, &acknowledged).await
            }));
        }
        let mut latencies = histogram()?;
        for task in tasks {
            let joined =
                task.await.map_err(|error| Failure::Unavailable(text::server_failed(connection.lang(), error)))?;
            latencies.add(joined?).map_err(|error| Failure::Unavailable(error.to_string()))?;
        }
        let elapsed = started.elapsed();
        progress.finish_and_clear();
        Ok(Measured { elapsed, events: self.events, latencies })
    }

    async fn client(
        self,
        connection: &Connection,
        workload: &dyn Requests,
        next: &AtomicU64,
        progress: &ProgressBar,
        acknowledged: &Acknowledged,
    ) -> Result<Histogram<u64>, Failure> {
        let mut latencies = histogram()?;
        let batch = u64::from(self.batch);
        let mut request_bytes = 0;
        loop {
            let first = next.fetch_add(batch, Ordering::Relaxed);
            let count = batch.min(self.events.saturating_sub(first));
            if count == 0 {
                return Ok(latencies);
            }
            let first = first.saturating_add(self.first);
            let request = workload.request(first, count, request_bytes);
            request_bytes = request.len();
            let started = Instant::now();
            acknowledged.note(raw::post(connection, request, count).await?);
            let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            latencies.saturating_record(micros);
            progress.inc(count);
        }
    }
}

pub(super) fn histogram() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_bounds(1, LATENCY_MAX_US, HISTOGRAM_DIGITS)
        .map_err(|error| Failure::Unavailable(error.to_string()))
}

/// Posts commands in order, each of which must be accepted; gives the last sequence.
pub(super) async fn post_all(connection: &Connection, commands: Vec<v1::Command>) -> Result<i64, Failure> {
    let mut last = 0;
    for batch in commands.chunks(SET_UP_BATCH) {
        last = post(connection, batch.to_vec()).await?;
    }
    Ok(last)
}

async fn post(connection: &Connection, commands: Vec<v1::Command>) -> Result<i64, Failure> {
    let request = v1::PostRequest { commands, ..v1::PostRequest::default() };
    let answer = connection.ledger().post(connection.request(request)).await;
    let answer = answer.map_err(|status| Failure::Unavailable(connection.explain(&status).message))?;
    let mut last = 0;
    for result in answer.into_inner().results {
        match result.outcome {
            Some(Outcome::Receipt(receipt)) => last = receipt.sequence,
            Some(Outcome::Error(status)) => return Err(Failure::Refused(status.message)),
            None => return Err(Failure::Unavailable(text::answer_has_no_outcome(connection.lang()))),
        }
    }
    Ok(last)
}
