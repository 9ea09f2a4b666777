//! Reading beside the load: from a thread and a connection of its own, so that neither waits for the client that posts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::load::histogram;
use super::workload::Workload;
use crate::cli::connect::Connection;
use crate::cli::{Failure, Globals};
use crate::messages::cli as text;
use crate::pb::v1;

/// Between two rounds of a reader.
const PAUSE: Duration = Duration::from_millis(2);
/// Every so many rounds, a page of an account's statement.
const STATEMENT_EVERY: u64 = 16;
const STATEMENT_ROWS: i32 = 50;
const THREAD: &str = "readers";

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadKind {
    /// Nothing: what gRPC and busy cores cost by themselves (the health service).
    Empty,
    /// An account's balance.
    Balance,
    /// A page of its statement.
    Statement,
}

/// Latencies of reads, in microseconds.
pub(super) struct Read {
    empty: Histogram<u64>,
    balance: Histogram<u64>,
    statement: Histogram<u64>,
}

impl Read {
    fn new() -> Result<Self, Failure> {
        Ok(Self { empty: histogram()?, balance: histogram()?, statement: histogram()? })
    }

    /// Kind, number, p50 and p99 of each kind.
    pub(super) fn rows(&self) -> [(ReadKind, u64, u64, u64); 3] {
        let kinds = [
            (ReadKind::Empty, &self.empty),
            (ReadKind::Balance, &self.balance),
            (ReadKind::Statement, &self.statement),
        ];
        kinds.map(|(kind, latencies)| {
            let at = |percentile| latencies.value_at_percentile(percentile);
            (kind, latencies.len(), at(50.0), at(99.0))
        })
    }

    pub(super) fn json(&self) -> Value {
        let rows = self.rows().map(|(kind, reads, p50_us, p99_us)| {
            let name = match kind {
                ReadKind::Empty => "empty",
                ReadKind::Balance => "balance",
                ReadKind::Statement => "statement",
            };
            (name.to_owned(), json!({ "reads": reads, "p50_us": p50_us, "p99_us": p99_us }))
        });
        Value::Object(rows.into_iter().collect())
    }
}

/// Readers at work.
pub(super) struct Readers {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<Read, Failure>>,
}

impl Readers {
    /// Starts so many.
    pub(super) fn start(globals: &Globals, workload: Arc<Workload>, count: u32) -> Result<Self, Failure> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (globals, over) = (globals.clone(), Arc::clone(&is_over));
        let named = std::thread::Builder::new().name(THREAD.to_owned());
        let thread = named.spawn(move || read(&globals, &workload, count, &over));
        let thread = thread.map_err(|error| Failure::about(THREAD, error))?;
        Ok(Self { is_over, thread })
    }

    /// Lets them end.
    pub(super) fn stop(self, globals: &Globals) -> Result<Read, Failure> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| Failure::Unavailable(text::runtime_failed(globals.lang, THREAD)))?
    }
}

fn read(globals: &Globals, workload: &Arc<Workload>, count: u32, is_over: &Arc<AtomicBool>) -> Result<Read, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Unavailable(text::runtime_failed(globals.lang, error)))?;
    runtime.block_on(async {
        let connection = Connection::new(globals)?;
        let mut tasks = tokio::task::JoinSet::new();
        for reader in 0..count {
            let (connection, workload, is_over) = (connection.clone(), Arc::clone(workload), Arc::clone(is_over));
            tasks.spawn(async move { reader_of(&connection, &workload, reader, &is_over).await });
        }
        let mut all = Read::new()?;
        while let Some(joined) = tasks.join_next().await {
            let read = joined.map_err(|error| Failure::Unavailable(text::runtime_failed(globals.lang, error)))??;
            let pairs =
                [(&mut all.empty, read.empty), (&mut all.balance, read.balance), (&mut all.statement, read.statement)];
            for (all, one) in pairs {
                all.add(one).map_err(|error| Failure::Unavailable(error.to_string()))?;
            }
        }
        Ok(all)
    })
}

async fn reader_of(
    connection: &Connection,
    workload: &Workload,
    reader: u32,
    is_over: &AtomicBool,
) -> Result<Read, Failure> {
    let mut read = Read::new()?;
    let mut health = HealthClient::new(connection.channel());
    let mut query = connection.query();
    let mut number = u64::from(reader) << 32;
    while !is_over.load(Ordering::Relaxed) {
        number = number.saturating_add(1);
        let account_id = workload.account_of(number);
        let started = Instant::now();
        let answer = health.check(HealthCheckRequest::default()).await;
        record(&mut read.empty, started);
        answer.map_err(|status| connection.failure(&status))?;
        let request = v1::GetBalanceRequest { account_id: account_id.clone(), ..Default::default() };
        let started = Instant::now();
        let answer = query.get_balance(request).await;
        record(&mut read.balance, started);
        answer.map_err(|status| connection.failure(&status))?;
        if number % STATEMENT_EVERY == 0 {
            let request = v1::GetStatementRequest { account_id, page_size: STATEMENT_ROWS, ..Default::default() };
            let started = Instant::now();
            let answer = query.get_statement(request).await;
            record(&mut read.statement, started);
            answer.map_err(|status| connection.failure(&status))?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(read)
}

fn record(latencies: &mut Histogram<u64>, started: Instant) {
    latencies.saturating_record(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
}
