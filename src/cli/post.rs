//! `post`: posts a file of commands, one a line, in protobuf's JSON.
//!
//! A file is checked as a whole before anything of it is posted. Standard input cannot be: it is posted in batches as it
//! comes, and a bad line ends it. Either may be run again: the commands' own keys let nothing be posted twice.

use std::fs;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

pub(super) use self::lines::Reader;
use self::outcome::Outcomes;
use super::connect::{self, Connection};
use super::posting::{self, Mode};
use super::proposals::read_batch;
use super::{Failure, Format, Globals, Lang};
use crate::messages::cli as text;
use crate::pb::v1::{ApprovedBatch, Command, PostRequest, WaitLevel};

mod codes;
mod lines;
mod outcome;

/// Longest line: far more than a command may have.
const LINE_BYTES_MAX: u64 = 4 << 20;
/// Most bad lines that are told one by one.
const PROBLEMS_SHOWN_MAX: usize = 20;

/// Arguments of `post`.
#[derive(Args, Clone, Debug)]
pub struct PostArgs {
    /// One command a line, in protobuf's JSON; `-` reads standard input.
    #[arg(value_name = "FILE.jsonl")]
    pub file: String,
    /// Post the batch of this proposal, once it is approved: FILE is then what `propose --batch-file` wrote.
    #[arg(long, value_name = "ID")]
    pub proposal: Option<String>,
    /// Commands a request.
    #[arg(long, value_name = "COMMANDS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=8192))]
    pub batch: u32,
    /// Only check: every rule is applied to the ledger as it stands, nothing is written, no key is used up.
    #[arg(long)]
    pub validate_only: bool,
    /// Answer only once a quorum of witnesses has seen it, at most 10 seconds later: it is on disk before that in any case.
    #[arg(long, conflicts_with = "validate_only")]
    pub witnessed: bool,
    /// Show the receipt code of each payout: what whoever was paid can check by `receipt`.
    #[arg(long, conflicts_with_all = ["validate_only", "proposal"])]
    pub receipt_codes: bool,
    /// Go on trying this long when the server is busy or away, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub retry_for: u64,
}

impl PostArgs {
    fn batch(&self) -> usize {
        usize::try_from(self.batch).unwrap_or(1)
    }

    fn mode(&self) -> Mode {
        match (self.validate_only, self.witnessed) {
            (true, _) => Mode::ValidateOnly,
            (false, true) => Mode::Witnessed,
            (false, false) => Mode::Commit,
        }
    }
}

/// For fuzz/: the command of a line, and the same as it is shown, on a line again.
#[cfg(fuzzing)]
pub fn command_of(line: &[u8]) -> Option<(Command, String)> {
    use prost::Message;
    thread_local! {
        static READER: Option<Reader> = Reader::new().ok();
    }
    READER.with(|reader| {
        let reader = reader.as_ref()?;
        let command = reader.command(line).ok().flatten()?;
        let shown = reader.shown(&command.encode_to_vec()).ok()?;
        Some((command, shown.to_string()))
    })
}

/// Runs `post`. What was posted is told even where it could not be finished.
pub fn run(globals: &Globals, args: &PostArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let reader = Reader::new()?;
    let mut outcomes = Outcomes::start(out, format, globals)?;
    if let Some(proposal_id) = &args.proposal {
        post_batch(globals, args, proposal_id, &mut outcomes)?;
        return all_accepted(outcomes, globals.lang);
    }
    let posted = if args.file == "-" {
        if !globals.quiet {
            writeln!(io::stderr().lock(), "{}", text::post_streams(globals.lang))?;
        }
        let progress = progress(globals, None);
        connect::with(globals, async |connection| {
            let mut poster = Poster { connection, args, progress: &progress, outcomes: &mut outcomes };
            poster.stream(&reader, io::stdin().lock()).await
        })
    } else {
        let bytes = fs::read(&args.file).map_err(|error| Failure::about(&args.file, error))?;
        let count = check(&reader, &args.file, &bytes, globals.lang)?;
        let progress = progress(globals, Some(count));
        connect::with(globals, async |connection| {
            let mut poster = Poster { connection, args, progress: &progress, outcomes: &mut outcomes };
            poster.stream(&reader, bytes.as_slice()).await
        })
    };
    let accepted = all_accepted(outcomes, globals.lang);
    posted?;
    accepted
}

fn all_accepted(outcomes: Outcomes<'_>, lang: Lang) -> Result<(), Failure> {
    let (is_unseen, lacking) = (outcomes.is_unseen(), outcomes.lacking_codes());
    match outcomes.finish()? {
        0 if is_unseen => Err(Failure::Unavailable(text::post_unseen(lang))),
        0 if lacking > 0 => Err(Failure::Unavailable(text::post_lacks_codes(lang, lacking))),
        0 => Ok(()),
        refused => Err(Failure::Refused(text::post_refused(lang, refused))),
    }
}

/// Posts an approved batch, whole: its root is over all of it.
fn post_batch(
    globals: &Globals,
    args: &PostArgs,
    proposal_id: &str,
    outcomes: &mut Outcomes<'_>,
) -> Result<(), Failure> {
    let commands = read_batch(Path::new(&args.file))?;
    let request_ids: Vec<String> = commands
        .iter()
        .map(|bytes| <Command as prost::Message>::decode(bytes.clone()).unwrap_or_default().request_id)
        .collect();
    let request = PostRequest {
        commands: Vec::new(),
        validate_only: args.validate_only,
        approved_batch: Some(ApprovedBatch { proposal_id: proposal_id.to_owned(), commands }),
        wait_level: posting::level(args.mode()).into(),
    };
    let answer = connect::with(globals, async |connection| {
        let answer = connection.ledger().post(connection.request(request)).await;
        answer.map(tonic::Response::into_inner).map_err(|status| connection.failure(&status))
    })?;
    outcomes.note_witnesses(args.mode(), answer.reached_level() == WaitLevel::Witnessed);
    for ((line, request_id), result) in (1_u64..).zip(request_ids).zip(answer.results) {
        outcomes.take(line, request_id, result, Some(String::new()))?;
    }
    Ok(())
}

/// Reads every line; all bad ones are told, and one is enough for nothing to be posted.
fn check(reader: &Reader, file: &str, bytes: &[u8], lang: Lang) -> Result<u64, Failure> {
    let mut count = 0_u64;
    let mut problems = Vec::new();
    for (line, content) in (1_u64..).zip(bytes.split(|byte| *byte == b'\n')) {
        match reader.command(content) {
            Ok(Some(_)) => count = count.saturating_add(1),
            Ok(None) => {}
            Err(cause) => problems.push(text::post_bad_line(lang, cause, line)),
        }
    }
    if problems.is_empty() {
        return Ok(count);
    }
    let more = problems.len().saturating_sub(PROBLEMS_SHOWN_MAX);
    problems.truncate(PROBLEMS_SHOWN_MAX);
    if more > 0 {
        problems.push(text::import_and_more(lang, more));
    }
    Err(Failure::Usage(format!("{}\n  {}", text::post_nothing_posted(lang, file), problems.join("\n  "))))
}

fn progress(globals: &Globals, count: Option<u64>) -> ProgressBar {
    if !globals.shows_progress() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match count {
        Some(count) => (ProgressBar::new(count), "{bar:40} {human_pos}/{human_len} {per_sec} {eta}"),
        None => (ProgressBar::new_spinner(), "{spinner} {human_pos} {per_sec}"),
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

struct Poster<'a, 'out> {
    connection: &'a Connection,
    args: &'a PostArgs,
    progress: &'a ProgressBar,
    outcomes: &'a mut Outcomes<'out>,
}

impl Poster<'_, '_> {
    /// Posts lines as they come, a batch at a time. A line that is no command ends it, after the lines before it.
    async fn stream(&mut self, reader: &Reader, mut input: impl BufRead) -> Result<(), Failure> {
        let lang = self.connection.lang();
        let mut batch = Vec::with_capacity(self.args.batch());
        for line in 1_u64.. {
            let mut content = Vec::new();
            let read = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut content);
            let read = read.map_err(|error| Failure::about(&self.args.file, error))?;
            if read == 0 {
                break;
            }
            let command = match reader.command(content.strip_suffix(b"\n").unwrap_or(&content)) {
                Ok(command) => command,
                Err(cause) => {
                    self.post(&mut batch).await?;
                    return Err(Failure::Usage(text::post_stopped(lang, cause, line)));
                }
            };
            batch.extend(command.map(|command| (line, command)));
            if batch.len() >= self.args.batch() {
                self.post(&mut batch).await?;
            }
        }
        self.post(&mut batch).await
    }

    async fn post(&mut self, batch: &mut Vec<(u64, Command)>) -> Result<(), Failure> {
        if batch.is_empty() {
            return Ok(());
        }
        let (lines, commands): (Vec<u64>, Vec<Command>) = batch.drain(..).unzip();
        let patience = Duration::from_secs(self.args.retry_for);
        let mode = self.args.mode();
        let posted = posting::post(self.connection, &commands, mode, patience).await?;
        self.outcomes.note_witnesses(mode, posted.is_witnessed);
        let codes = if self.args.receipt_codes {
            codes::codes(self.connection, &commands, &posted.results).await
        } else {
            vec![Some(String::new()); posted.results.len()]
        };
        for (((line, command), result), code) in lines.into_iter().zip(commands).zip(posted.results).zip(codes) {
            self.outcomes.take(line, command.request_id, result, code)?;
            self.progress.inc(1);
        }
        self.outcomes.flush()
    }
}
