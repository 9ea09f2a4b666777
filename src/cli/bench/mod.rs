//! `bench`: load over real gRPC, against a running ledger or a temporary one on the same machine.
//!
//! The figures are honest when they are durable (every answer is), when the disk was not busy with something else (a probe
//! before and after says so), and when the ledger ends where it claims: the final head must count every event and the
//! views must have caught up within a second, or `bench` fails.

mod city;
mod compare;
mod covered;
mod explain;
mod load;
mod mix;
mod raw;
pub mod stages;
mod workload;

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::covered::{Acknowledged, Watching};
use self::explain::{Explanation, thread_times};
use self::load::{Load, Measured};
use self::workload::{Commands, Workload};
use super::connect::Connection;
use super::serve::serve_until_stopped;
use super::{Failure, Format, Globals, Lang};
use crate::grpc::node::Node;
use crate::grpc::server;
use crate::ledger::Genesis;
use crate::ledger::clock::SystemClock;
use crate::ledger::directory::DataDirectory;
use crate::messages::cli as text;
use crate::pb::v1;

/// Longest the views may lag behind at the end, and a checkpoint behind an acknowledged event.
const LAG_MAX: Duration = Duration::from_secs(1);
const PROBE_SYNCS: usize = 200;
const PROBE_BYTES: usize = 4_096;

/// Arguments of `bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// Requests in flight at a time.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub clients: u32,
    /// Commands a request.
    #[arg(long, default_value_t = 8_192, value_parser = clap::value_parser!(u32).range(1..=8192))]
    pub batch: u32,
    /// Commands to post, after the set-up.
    #[arg(long, default_value_t = 1_000_000)]
    pub events: u64,
    /// Accounts to spread them over.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    pub accounts: u32,
    /// Lots to spread them over.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub lots: u32,
    /// What is posted.
    #[arg(long, value_enum, default_value = "payments")]
    pub workload: WorkloadKind,
    /// Post a mix of families instead, in turn with the payments of one, and print how fast it is against them.
    #[arg(long, value_enum, conflicts_with = "workload")]
    pub mix: Option<MixKind>,
    /// Post to fresh ledgers with a part and without it, in turn, and print what it costs.
    #[arg(long, value_enum, value_name = "PART", conflicts_with = "mix")]
    pub compare: Option<CompareKind>,
    /// Print where the time goes: by thread while the load runs, and by stage of the path of an event.
    #[arg(long, conflicts_with_all = ["mix", "compare"])]
    pub explain: bool,
    /// Where the temporary ledger lies; it is removed afterwards.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// What is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WorkloadKind {
    /// Payments: both books, four legs, a payee each.
    Payments,
    /// Allocations: two legs.
    Allocations,
}

/// Several families together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MixKind {
    /// What a city of five million posts: contributions, pensions, one-card payouts, treasury payments.
    City,
}

/// A part whose cost can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompareKind {
    /// The tree over the log, and the checkpoints signed of it.
    Checkpoints,
}

/// Whether a part of the ledger is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    On,
    Off,
}

impl WorkloadKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::Allocations => "allocations",
        }
    }
}

/// Runs the load and prints what was seen.
pub fn run(globals: &Globals, args: &BenchArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json])?;
    // The client has this thread for itself, so that its work can be told from the ledger's.
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Unavailable(text::runtime_failed(globals.lang, error)))?;
    runtime.block_on(async {
        if let Some(CompareKind::Checkpoints) = args.compare {
            if globals.server.is_some() {
                return Err(Failure::Usage(text::bench_compare_server(globals.lang)));
            }
            return compare::run(globals, args).await?.write(format, args, globals.lang, out);
        }
        if globals.server.is_some() {
            return measure(globals, args, None, format, out).await;
        }
        let temporary = Temporary::start(args.data.as_deref(), Part::On, globals.lang).await?;
        let mut globals = globals.clone();
        globals.server = Some(temporary.url.clone());
        let directory = temporary.directory.path().to_owned();
        let measured = measure(&globals, args, Some(&directory), format, out).await;
        temporary.stop().await?;
        measured
    })
}

async fn measure(
    globals: &Globals,
    args: &BenchArgs,
    directory: Option<&Path>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match args.mix {
        Some(MixKind::City) => mix::drive(globals, args, directory).await?.write(format, args, globals.lang, out),
        None => drive(globals, args, directory, Part::On).await?.write(format, args, globals.lang, out),
    }
}

/// A ledger for the time of the run, on threads of its own.
struct Temporary {
    directory: TempDir,
    url: String,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), Failure>>,
    lang: Lang,
    _threads: Threads,
}

/// A runtime that may be dropped anywhere.
struct Threads(Option<Runtime>);

impl Threads {
    fn start(lang: Lang) -> Result<Self, Failure> {
        let started = Builder::new_multi_thread().thread_name("server").enable_all().build();
        started
            .map(|runtime| Self(Some(runtime)))
            .map_err(|error| Failure::Unavailable(text::runtime_failed(lang, error)))
    }

    /// Runs a task there.
    fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        match &self.0 {
            Some(runtime) => runtime.spawn(task),
            // Only dropping takes it away.
            None => tokio::spawn(task),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A directory that is removed when it is dropped.
fn temporary_directory(parent: Option<&Path>) -> Result<TempDir, Failure> {
    let directory = match parent {
        Some(parent) => tempfile::tempdir_in(parent),
        None => tempfile::tempdir(),
    };
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
    directory.map_err(|error| Failure::about(parent.display(), error))
}

impl Temporary {
    async fn start(parent: Option<&Path>, checkpoints: Part, lang: Lang) -> Result<Self, Failure> {
        let directory = temporary_directory(parent)?;
        let data = directory.path().join("ledger");
        drop(DataDirectory::create(&data, Genesis::of_development("bench.invalid/funds"), &SystemClock)?);
        let node = Node::open(&data, Box::new(SystemClock))?;
        if checkpoints == Part::Off {
            node.tree().give_up();
        }
        let threads = Threads::start(lang)?;
        let failed = |error| Failure::Unavailable(text::server_failed(lang, error));
        let listening = threads.spawn(server::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        let (listener, bound) = listening.await.map_err(failed)??;
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            // Dropping the sender stops the server as well.
            drop(stopped.await);
        };
        let served = threads.spawn(serve_until_stopped(node, listener.into(), stopped, lang));
        Ok(Self { directory, url: format!("http://{bound}"), stop, served, lang, _threads: threads })
    }

    async fn stop(self) -> Result<(), Failure> {
        drop(self.stop);
        self.served.await.map_err(|error| Failure::Unavailable(text::server_failed(self.lang, error)))?
    }
}

struct Figures {
    measured: Measured,
    lag: Duration,
    /// The longest that an acknowledged event was not under a checkpoint.
    covered: Option<Duration>,
    last_sequence: i64,
    head: String,
    probe_before: Option<Duration>,
    probe_after: Option<Duration>,
    disk: Option<(u64, u64)>,
    explanation: Option<Explanation>,
}

async fn drive(
    globals: &Globals,
    args: &BenchArgs,
    directory: Option<&Path>,
    checkpoints: Part,
) -> Result<Figures, Failure> {
    let connection = Connection::new(globals)?;
    let workload = Arc::new(Workload::new(args)?);
    let set_up = load::post_all(&connection, workload.set_up()).await?;
    let before = head(&connection, set_up).await?;
    let probe_before = directory.map(probe).transpose()?;
    let load = Load {
        clients: args.clients,
        batch: args.batch,
        first: 0,
        events: args.events,
        shows_progress: globals.shows_progress(),
    };
    let workload: Arc<dyn Commands> = workload;
    let acknowledged = Arc::new(Acknowledged::default());
    let watching = (checkpoints == Part::On).then(|| Watching::start(connection.clone(), Arc::clone(&acknowledged)));
    let threads_before = thread_times();
    let measured = load.run(&connection, &workload, &acknowledged).await?;
    let threads_after = thread_times();
    let expected = before.sequence.saturating_add(i64::try_from(args.events).unwrap_or(i64::MAX));
    let waited = Instant::now();
    let after = head(&connection, expected).await?;
    let lag = waited.elapsed();
    let covered = match watching {
        Some(watching) => Some(watching.longest(&connection).await?),
        None => None,
    };
    let probe_after = directory.map(probe).transpose()?;
    if after.sequence != expected {
        return Err(Failure::Refused(text::bench_head_differs(globals.lang, expected, after.sequence)));
    }
    // How often a ledger that runs elsewhere signs is its operator's affair.
    if let Some(covered) = covered.filter(|covered| *covered > LAG_MAX && directory.is_some()) {
        let (covered, allowed) = (format!("{covered:?}"), format!("{LAG_MAX:?}"));
        return Err(Failure::Refused(text::bench_covered_late(globals.lang, allowed, covered)));
    }
    if lag > LAG_MAX {
        let (lag, allowed) = (format!("{lag:?}"), format!("{LAG_MAX:?}"));
        return Err(Failure::Refused(text::bench_views_behind(globals.lang, allowed, lag)));
    }
    let disk = directory.map(|directory| directory_bytes(&directory.join("ledger").join("log"))).transpose()?;
    let explanation = args.explain.then(|| Explanation::new(args, &threads_before, &threads_after)).transpose()?;
    Ok(Figures {
        explanation,
        measured,
        lag,
        covered,
        last_sequence: after.sequence,
        head: super::render::hex(&after.entry_hash),
        probe_before,
        probe_after,
        disk: disk.map(|bytes| (bytes, u64::try_from(after.sequence).unwrap_or_default())),
    })
}

/// The head that queries answer as of, once they have reached a sequence.
async fn head(connection: &Connection, min_sequence: i64) -> Result<v1::ReadPosition, Failure> {
    let request = v1::ListBalancesRequest { page_size: 1, min_sequence: Some(min_sequence), ..Default::default() };
    let answer = connection.query().list_balances(connection.request(request)).await;
    let answer = answer.map_err(|status| Failure::Unavailable(connection.explain(&status).message))?;
    answer.into_inner().position.ok_or_else(|| Failure::Unavailable(text::answer_has_no_position(connection.lang())))
}

/// Median time of a small write and sync in a directory: how quiet the disk is.
fn probe(directory: &Path) -> Result<Duration, Failure> {
    let failed = |error: std::io::Error| Failure::about(directory.display(), error);
    let mut file = File::create(directory.join("probe")).map_err(failed)?;
    let mut times = Vec::with_capacity(PROBE_SYNCS);
    for _ in 0..PROBE_SYNCS {
        let started = Instant::now();
        file.write_all(&[0; PROBE_BYTES]).and_then(|()| file.sync_data()).map_err(failed)?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(PROBE_SYNCS / 2).copied().unwrap_or_default())
}

fn directory_bytes(path: &Path) -> Result<u64, Failure> {
    let failed = |error: std::io::Error| Failure::about(path.display(), error);
    let mut sum = 0_u64;
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let metadata = entry.metadata().map_err(failed)?;
        let bytes = if metadata.is_dir() { directory_bytes(&entry.path())? } else { metadata.len() };
        sum = sum.saturating_add(bytes);
    }
    Ok(sum)
}

impl Figures {
    fn write(&self, format: Format, args: &BenchArgs, lang: Lang, out: &mut dyn Write) -> Result<(), Failure> {
        let measured = &self.measured;
        let rate = measured.events_per_second();
        let probe = |probe: Option<Duration>| probe.map(|probe| probe.as_micros());
        if format == Format::Json {
            let figures = json!({
                "workload": args.workload.name(),
                "events": args.events,
                "batch": args.batch,
                "clients": args.clients,
                "accounts": args.accounts,
                "lots": args.lots,
                "events_per_second": rate,
                "seconds": measured.elapsed.as_secs_f64(),
                "p50_us": measured.percentile_us(50.0),
                "p90_us": measured.percentile_us(90.0),
                "p99_us": measured.percentile_us(99.0),
                "max_us": measured.percentile_us(100.0),
                "views_lag_us": self.lag.as_micros(),
                "covered_max_us": self.covered.map(|covered| covered.as_micros()),
                "last_sequence": self.last_sequence,
                "head": self.head,
                "flush_probe_before_p50_us": probe(self.probe_before),
                "flush_probe_after_p50_us": probe(self.probe_after),
                "log_bytes": self.disk.map(|(bytes, _)| bytes),
                "features": FEATURES,
                "off": OFF,
                "explained": self.explanation.as_ref().map(Explanation::json),
            });
            writeln!(out, "{figures}")?;
            return Ok(());
        }
        let workload = args.workload.name();
        writeln!(out, "{}", text::bench_load(lang, args.batch, args.clients, args.events, workload))?;
        writeln!(out, "{}", text::bench_over(lang, args.accounts, args.lots))?;
        let mut rows = vec![("events/s".to_owned(), rate.to_string())];
        for (name, percentile) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("max", 100.0)] {
            rows.push((name.to_owned(), text::bench_latency(lang, measured.percentile_us(percentile))));
        }
        rows.push((text::bench_views_lag(lang), text::bench_micros(lang, self.lag.as_micros())));
        if let Some(covered) = self.covered {
            rows.push((text::bench_covered(lang), text::bench_micros(lang, covered.as_micros())));
        }
        if let Some((bytes, entries)) = self.disk {
            let each = bytes.checked_div(entries).unwrap_or_default();
            rows.push((text::bench_log(lang), text::bench_log_bytes(lang, bytes, each)));
        }
        rows.push((text::bench_head(lang), format!("{} {}", self.last_sequence, self.head)));
        for (name, figure) in rows {
            writeln!(out, "{name}: {figure}")?;
        }
        if let (Some(before), Some(after)) = (self.probe_before, self.probe_after) {
            writeln!(out, "{}", text::bench_probe(lang, after.as_micros(), before.as_micros()))?;
        }
        writeln!(out, "{}", text::bench_features(lang, FEATURES.join(", "), OFF.join(", ")))?;
        match &self.explanation {
            Some(explanation) => explanation.write(lang, out),
            None => Ok(()),
        }
    }
}

/// What the measured path does.
const FEATURES: [&str; 10] = [
    "durable answers",
    "domain rules",
    "hash chain",
    "idempotency",
    "keyed payee pseudonyms",
    "balances view",
    "history index",
    "copy of the entries",
    "Merkle tree",
    "checkpoints",
];
/// What it does without: this load names its checkers, and nobody reads tiles or is asked to cosign.
const OFF: [&str; 3] = ["signed approvals", "tiles over HTTP", "witnesses"];
