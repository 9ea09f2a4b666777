//! `bench`: load over real gRPC, against a running ledger or a temporary one on the same machine.
//!
//! The figures are honest when they are durable (every answer is), when the disk was not busy with something else (a probe
//! before and after says so), and when the ledger ends where it claims: the final head must count every event and the
//! views must have caught up within a second, or `bench` fails.

mod approved;
mod city;
mod compare;
mod covered;
mod explain;
mod figures;
mod load;
mod mix;
mod overload;
mod raw;
mod readers;
pub mod stages;
mod temporary;
mod workload;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use tokio::runtime::Builder;

pub use self::approved::ApprovalsKind;
use self::approved::{Approved, Signers};
use self::covered::{Acknowledged, Watching};
use self::explain::{Explanation, thread_times};
use self::figures::Figures;
use self::load::Load;
use self::readers::Readers;
use self::temporary::{Temporary, directory_bytes, probe};
use self::workload::{Requests, Workload};
use super::connect::Connection;
use super::{Failure, Format, Globals};
use crate::messages::cli as text;
use crate::pb::v1;

/// Longest the views may lag behind at the end, and a checkpoint behind an acknowledged event.
const LAG_MAX: Duration = Duration::from_secs(1);

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
    /// How the commands are approved; where they are signed, that is done before the clock runs.
    #[arg(long, value_enum, default_value = "named", conflicts_with_all = ["mix", "compare", "overload"])]
    pub approvals: ApprovalsKind,
    /// Readers beside the load: balances, statements, and calls that ask for nothing, in turn.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=64), conflicts_with_all = ["mix", "compare", "overload"])]
    pub readers: u32,
    /// After the load, offer several times as much for so many seconds, and print what became of it.
    #[arg(long, value_name = "SECONDS", conflicts_with_all = ["workload", "mix", "compare", "explain"], value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub overload: Option<u32>,
    /// How many times as much.
    #[arg(long, value_name = "TIMES", default_value_t = 4, requires = "overload", value_parser = clap::value_parser!(u32).range(2..=100))]
    pub overload_times: u32,
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
    /// Payouts of relief to a million households, one a month each.
    Payouts,
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
            Self::Payouts => "payouts",
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
            if args.approvals != ApprovalsKind::Named {
                return Err(Failure::Usage(text::bench_approvals_server(globals.lang)));
            }
            return measure(globals, args, None, None, format, out).await;
        }
        let signers = (args.approvals != ApprovalsKind::Named).then(Signers::new).transpose()?;
        let temporary = Temporary::start(args.data.as_deref(), Part::On, signers.as_ref(), globals.lang).await?;
        let mut globals = globals.clone();
        globals.server = Some(temporary.url.clone());
        let directory = temporary.directory.path().to_owned();
        let measured = measure(&globals, args, Some(&directory), signers.as_ref(), format, out).await;
        temporary.stop().await?;
        measured
    })
}

async fn measure(
    globals: &Globals,
    args: &BenchArgs,
    directory: Option<&Path>,
    signers: Option<&Signers>,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if let Some(seconds) = args.overload {
        let seen = overload::drive(globals, args, seconds, directory).await?;
        return seen.write(format, args, globals.lang, out);
    }
    match args.mix {
        Some(MixKind::City) => mix::drive(globals, args, directory).await?.write(format, args, globals.lang, out),
        None => drive(globals, args, directory, Part::On, signers).await?.write(format, args, globals.lang, out),
    }
}

async fn drive(
    globals: &Globals,
    args: &BenchArgs,
    directory: Option<&Path>,
    checkpoints: Part,
    signers: Option<&Signers>,
) -> Result<Figures, Failure> {
    // The proposal of a single command is no batch: its last approval executes it.
    if args.approvals == ApprovalsKind::Batch
        && (args.batch < 2 || args.events.checked_rem(args.batch.into()) == Some(1))
    {
        return Err(Failure::Usage(text::bench_batch_of_one(globals.lang)));
    }
    let connection = Connection::new(globals)?;
    let (requests, workload, last, approving) = match signers {
        None => {
            let workload = Arc::new(Workload::new(args)?);
            let last = load::post_all(&connection, workload.set_up()).await?;
            let requests: Arc<dyn Requests> = workload.clone();
            (requests, workload, last, None)
        }
        Some(signers) => {
            let (approved, workload) = Approved::new(&connection, globals, args, signers).await?;
            let (last, took) = (approved.last, approved.took);
            let requests: Arc<dyn Requests> = Arc::new(approved);
            (requests, Arc::new(workload), last, took)
        }
    };
    let before = head(&connection, last).await?;
    let probe_before = directory.map(probe).transpose()?;
    let load = Load::new(globals, args);
    let acknowledged = Arc::new(Acknowledged::default());
    let watching = (checkpoints == Part::On).then(|| Watching::start(connection.clone(), Arc::clone(&acknowledged)));
    let run = workload.run().to_owned();
    let readers = (args.readers > 0).then(|| Readers::start(globals, workload, args.readers)).transpose()?;
    let threads_before = thread_times();
    let measured = load.run(&connection, &requests, &acknowledged).await;
    let threads_after = thread_times();
    let read = readers.map(|readers| readers.stop(globals)).transpose()?;
    let measured = measured?;
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
        run,
        measured,
        approving,
        read,
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
