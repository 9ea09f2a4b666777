//! `import`: posts a file of real payments or budgets through gRPC, resumable, with a report of every refused row.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::mapping::Mapping;
use self::plan::Plan;
pub(crate) use self::report::Summary;
use super::connect::{self, Connection};
use super::{Failure, Format, Globals};
use crate::messages::cli as text;

mod ids;
pub(super) mod mapping;
mod plan;
mod post;
mod report;
pub(super) mod rows;
#[cfg(test)]
mod tests;

/// Arguments of `import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// What the columns mean (docs/import.md).
    #[arg(long, value_name = "FILE.toml")]
    pub mapping: PathBuf,
    /// The published file: CSV, or CSV compressed with gzip.
    #[arg(value_name = "INPUT.csv[.gz]")]
    pub input: PathBuf,
    /// Write every refused row to this file: line, reason, amount, message, remedy.
    #[arg(long, value_name = "FILE.csv")]
    pub report: Option<PathBuf>,
    /// Read, plan and report; no server is needed and nothing is posted.
    #[arg(long)]
    pub dry_run: bool,
    /// Exit 1 if any row was refused.
    #[arg(long)]
    pub strict: bool,
    /// Go on trying this long when the server is busy or away, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub retry_for: u64,
}

/// For fuzz/: how many rows a mapping can read of a file, and how many not; `None` where the mapping or the file is refused.
#[cfg(fuzzing)]
pub fn rows_of(mapping: &str, file: Vec<u8>) -> Option<(usize, usize)> {
    let mapping = Mapping::read("mapping", mapping).ok()?;
    let rows = rows::read(&mapping, &rows::decompress(file).ok()?).ok()?;
    let (readable, refused) = (rows.readable.len(), rows.refused.len());
    assert_eq!(u64::try_from(readable.saturating_add(refused)), Ok(rows.read), "each row is read or refused");
    Some((readable, refused))
}

/// Runs `import`.
pub fn run(globals: &Globals, args: &ImportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let mapping_name = args.mapping.display().to_string();
    let input_name = args.input.display().to_string();
    let mapping_text = fs::read_to_string(&args.mapping).map_err(|error| Failure::about(&mapping_name, error))?;
    let input = fs::read(&args.input).map_err(|error| Failure::about(&input_name, error))?;
    let prepared = Prepared::new(&mapping_name, &mapping_text, &input_name, input)?;

    // The report's file is opened first: better to fail before posting than after.
    let report = args.report.as_deref().map(open_report).transpose()?;
    let (summary, done) = if args.dry_run {
        (prepared.summary(), Ok(()))
    } else {
        let progress = prepared.progress(globals);
        let patience = Duration::from_secs(args.retry_for);
        let posted =
            connect::with(globals, async |connection| Ok(prepared.post(connection, patience, &progress).await))?;
        progress.finish_and_clear();
        posted
    };
    if let Some(mut file) = report {
        summary.write_refused(&mut file, globals.lang)?;
        file.flush()?;
    }
    done?;
    summary.write(out, format, globals.lang)?;
    if !summary.file_sum_agrees {
        return Err(Failure::Refused(text::import_sum_differs(globals.lang)));
    }
    match summary.refused_count() {
        count if count > 0 && args.strict => Err(Failure::Refused(text::import_rows_refused(globals.lang, count))),
        _ => Ok(()),
    }
}

/// A file that was read and planned.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    input_name: String,
    mapping: Mapping,
    plan: Plan,
}

impl Prepared {
    /// Reads and plans a file; needs no server.
    pub(crate) fn new(
        mapping_name: &str,
        mapping_text: &str,
        input_name: &str,
        input: Vec<u8>,
    ) -> Result<Self, Failure> {
        let mapping = Mapping::read(mapping_name, mapping_text).map_err(Failure::Usage)?;
        let unreadable = |error: String| Failure::about(input_name, error);
        let plain = rows::decompress(input).map_err(unreadable)?;
        let rows = rows::read(&mapping, &plain).map_err(unreadable)?;
        let plan = plan::plan(&mapping, rows).map_err(|error| Failure::Refused(format!("{input_name}: {error}")))?;
        Ok(Self { input_name: input_name.to_owned(), mapping, plan })
    }

    /// Posts the plan. The summary says what was done even where it could not be finished.
    pub(crate) async fn post(
        &self,
        connection: &Connection,
        patience: Duration,
        progress: &ProgressBar,
    ) -> (Summary, Result<(), Failure>) {
        let (posted, done) = post::post(connection, &self.mapping, &self.plan, patience, progress).await;
        (Summary::new(&self.input_name, &self.mapping, &self.plan, Some(&posted)), done)
    }

    /// What posting would give if the ledger refuses nothing.
    pub(crate) fn summary(&self) -> Summary {
        Summary::new(&self.input_name, &self.mapping, &self.plan, None)
    }

    fn progress(&self, globals: &Globals) -> ProgressBar {
        if !globals.shows_progress() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(post::command_count(&self.plan));
        let template = "{bar:40} {human_pos}/{human_len} {per_sec} {eta}";
        bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
    }
}

fn open_report(path: &Path) -> Result<BufWriter<File>, Failure> {
    File::create(path).map(BufWriter::new).map_err(|error| Failure::about(path.display(), error))
}
