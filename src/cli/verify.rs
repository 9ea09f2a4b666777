//! `verify`: independent verification. It never opens the evidence for writing.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::evidence::{PrivateCopy, Served};
use super::{Failure, Format, Globals, verdict};
use crate::audit::{self, Depth, Evidence, Options, Report, Verdict, read_bundle};
use crate::messages::cli as text;

/// How often the progress bar looks at the count.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Arguments of `verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Directory of a stopped ledger, bundle file, or address of a running server.
    #[arg(value_name = "DIR|BUNDLE|URL")]
    pub source: String,
    /// Also derive every balance again and check the invariants.
    #[arg(long)]
    pub deep: bool,
    /// Accept a ledger that is only consistent with itself: no checkpoint from outside was compared.
    #[arg(long)]
    pub allow_unanchored: bool,
    /// The report as one JSON object (the same as --format json).
    #[arg(long)]
    pub json: bool,
}

/// Verifies and prints the report. Exit 0 only if nothing is wrong and what was checked was enough for the caller.
pub fn run(globals: &Globals, args: &VerifyArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json])?;
    let report = verify(globals, args)?;
    if args.json || format == Format::Json {
        writeln!(out, "{}", report.to_json())?;
    } else {
        verdict::write(out, &report, globals.lang)?;
    }
    out.flush()?;
    match report.verdict {
        Verdict::Broken => Err(Failure::Refused(text::verify_broken(globals.lang))),
        Verdict::Incomplete => Err(Failure::Unavailable(text::verify_incomplete(globals.lang))),
        Verdict::Verified if args.allow_unanchored => Ok(()),
        Verdict::Verified => Err(Failure::Refused(text::verify_unanchored(globals.lang))),
    }
}

fn verify(globals: &Globals, args: &VerifyArgs) -> Result<Report, Failure> {
    let depth = if args.deep { Depth::Deep } else { Depth::Chain };
    let options = |claimed_head| {
        let progress = Some(Arc::new(AtomicU64::new(0)));
        Options { depth, claimed_head, progress }
    };
    if args.source.starts_with("http://") || args.source.starts_with("https://") {
        let served = Served::start(globals, &args.source)?;
        let options = options(Some(served.claimed_head));
        let total = u64::try_from(served.claimed_head.0).ok();
        return Ok(watched(globals, &options, total, || {
            audit::verify(Evidence::Entries(Box::new(served.entries())), &options)
        }));
    }
    let path = Path::new(&args.source);
    let options = options(None);
    if path.is_file() {
        let bundle = read_bundle(path).map_err(|error| Failure::Unavailable(error.to_string()))?;
        return Ok(watched(globals, &options, None, || audit::verify(Evidence::Blocks(Box::new(bundle)), &options)));
    }
    let copy = PrivateCopy::take(path)?;
    Ok(watched(globals, &options, None, || audit::verify(Evidence::Blocks(Box::new(copy.values())), &options)))
}

/// Runs the audit beside a progress bar.
fn watched(globals: &Globals, options: &Options, total: Option<u64>, audit: impl FnOnce() -> Report) -> Report {
    let Some(count) = options.progress.clone().filter(|_| globals.shows_progress()) else { return audit() };
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::new_spinner(),
    };
    let template =
        if total.is_some() { "{bar:40} {human_pos}/{human_len} {per_sec}" } else { "{spinner} {human_pos} {per_sec}" };
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let is_done = AtomicBool::new(false);
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                bar.set_position(count.load(Ordering::Relaxed));
                std::thread::sleep(PROGRESS_INTERVAL);
            }
        });
        let report = audit();
        is_done.store(true, Ordering::Relaxed);
        report
    });
    bar.finish_and_clear();
    report
}
