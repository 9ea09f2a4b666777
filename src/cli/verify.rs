//! `verify`: independent verification. It never opens the evidence for writing.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::evidence::{Copies, PrivateCopy, Served};
use super::tiles::TileTree;
use super::{Failure, Format, Globals, is_url, verdict};
use crate::audit::note::{Checkpoint, NOTE_BYTES_MAX, Note, NoteKey};
use crate::audit::policy::{POLICY_BYTES_MAX, Policy};
use crate::audit::tiles::{self, Compared};
use crate::audit::{self, Anchors, Depth, Evidence, Options, Report, Start, Verdict, read_bundle};
use crate::ledger::clock::{Clock, SystemClock};
use crate::ledger::directory::{identify, is_served};
use crate::messages::cli as text;

/// By how much a witness's clock may be ahead of the auditor's, seconds.
const CLOCKS_DIFFER_SECONDS: u64 = 300;
/// How often the progress bar looks at the count.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Arguments of `verify`.
#[derive(Args, Clone, Debug, Default)]
pub struct VerifyArgs {
    /// Directory of a ledger or of static tiles, bundle file, or address of a running server or of static tiles.
    #[arg(value_name = "DIR|BUNDLE|URL")]
    pub source: String,
    /// Also derive every balance again and check the invariants.
    #[arg(long)]
    pub deep: bool,
    /// Begin at this sequence: for an auditor who verified what is before it, and kept a checkpoint.
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(i64).range(0..))]
    pub from: Option<i64>,
    /// Accept a ledger that is only consistent with itself: no checkpoint from outside was compared.
    #[arg(long)]
    pub allow_unanchored: bool,
    /// A checkpoint that you kept: the log must still begin with what it covers.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// Public key of the log, as `init` prints it: every checkpoint must be signed with it.
    #[arg(long, value_name = "KEY")]
    pub key: Vec<String>,
    /// Your policy: the log's key, witnesses and quorum (C2SP tlog-policy).
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Oldest cosignature of a witness that counts, in seconds.
    #[arg(long, value_name = "SECONDS", requires = "policy")]
    pub cosigned_within: Option<u64>,
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
        Verdict::Verified if args.allow_unanchored || report.anchored_size.is_some() => Ok(()),
        Verdict::Verified => Err(Failure::Refused(text::verify_unanchored(globals.lang))),
    }
}

fn verify(globals: &Globals, args: &VerifyArgs) -> Result<Report, Failure> {
    let from = args.from.unwrap_or_default();
    if from > 0 && args.deep {
        return Err(Failure::Usage(text::verify_from_deep(globals.lang)));
    }
    let (first, lang) = (u64::try_from(from).unwrap_or_default(), globals.lang);
    let depth = if args.deep { Depth::Deep } else { Depth::Chain };
    let anchors = anchors(globals, args)?;
    let options = |served: Vec<String>, edge| {
        let progress = Some(Arc::new(AtomicU64::new(0)));
        let anchors = Anchors { served, ..anchors.clone() };
        let origin =
            if from > 0 { anchors.kept.iter().chain(&anchors.served).find_map(|note| origin(note)) } else { None };
        let start = Start { sequence: from, edge, origin };
        Options { depth, anchors, start, progress, ..Options::default() }
    };
    let edge = |compared: Option<&Compared>| match compared {
        Some(Compared { source, size }) if from > 0 => {
            tiles::edge(source.as_ref(), first, *size).map_err(|error| Failure::Unavailable(error.to_string()))
        }
        _ => Ok(None),
    };
    let reaches = |size: u64| {
        let last = size.saturating_sub(1);
        if from == 0 || first < size { Ok(()) } else { Err(Failure::Usage(text::verify_from_beyond(lang, last, from))) }
    };
    let path = Path::new(&args.source);
    let is_url = is_url(&args.source);
    let tree = if is_url { TileTree::fetch(&args.source) } else { TileTree::open(path)? };
    if let Some(tree) = tree {
        let (compared, size) = (tree.compared(), tree.tiles.size());
        reaches(size)?;
        let edge = edge(Some(&compared))?;
        let options = Options { tiles: Some(compared), ..options(vec![tree.note.clone()], edge) };
        let entries = Evidence::Entries(Box::new(tree.tiles.entries(first)));
        return Ok(watched(globals, &options, Some(size.saturating_sub(first)), || audit::verify(entries, &options)));
    }
    if is_url {
        let served = Served::start(globals, &args.source, from)?;
        let claimed_head = Some(served.claimed_head);
        let options = Options { claimed_head, ..options(served.checkpoints.clone(), served.edge.clone()) };
        let total = u64::try_from(served.claimed_head.0.saturating_sub(from)).ok();
        return Ok(watched(globals, &options, total, || {
            audit::verify(Evidence::Entries(Box::new(served.entries())), &options)
        }));
    }
    if path.is_file() {
        if from > 0 {
            return Err(Failure::Usage(text::verify_from_bundle(lang)));
        }
        let bundle = read_bundle(path).map_err(|error| Failure::Unavailable(error.to_string()))?;
        let options = options(bundle.checkpoints(), None);
        return Ok(watched(globals, &options, None, || audit::verify(Evidence::Bundle(Box::new(bundle)), &options)));
    }
    identify(path)?;
    // Copying a whole store would be most of the work that --from saves.
    let copies = if from > 0 || is_served(path)? { Copies::find(path)? } else { None };
    if from > 0 && copies.is_none() {
        return Err(Failure::Unavailable(text::verify_from_copies(lang, path.display())));
    }
    if let Some(copies) = copies {
        reaches(copies.size)?;
        let edge = edge(copies.tree.as_ref())?;
        let options = options(copies.checkpoints.clone(), edge);
        let options = Options { tiles: copies.tree.clone(), is_copy: true, ..options };
        let entries = Evidence::Entries(Box::new(copies.covered(first)));
        let total = copies.size.saturating_sub(first);
        return Ok(watched(globals, &options, Some(total), || audit::verify(entries, &options)));
    }
    let copy = PrivateCopy::take(path)?;
    let checkpoints = copy.checkpoints.iter().map(|(_, note)| note.clone()).collect();
    let options = Options { tiles: copy.tree.clone(), ..options(checkpoints, None) };
    Ok(watched(globals, &options, None, || audit::verify(Evidence::Blocks(Box::new(copy.values())), &options)))
}

/// The log that a checkpoint is of, as it says itself.
fn origin(note: &str) -> Option<String> {
    Note::parse(note).and_then(|note| Checkpoint::parse(note.text())).ok().map(|checkpoint| checkpoint.origin)
}

/// What the auditor brought along.
fn anchors(globals: &Globals, args: &VerifyArgs) -> Result<Anchors, Failure> {
    let kept: Result<Vec<_>, Failure> = args.checkpoint.iter().map(|path| read_note(path)).collect();
    let keys: Result<Vec<_>, Failure> = args.key.iter().map(|key| log_key(key)).collect();
    let policy = args.policy.as_deref().map(read_policy).transpose()?;
    let now = SystemClock.now().0.checked_div(1_000_000_000).and_then(|now| u64::try_from(now).ok());
    let now = now.ok_or_else(|| Failure::Unavailable(text::clock_before_1970(globals.lang)))?;
    let cosigned_since = args.cosigned_within.map(|within| now.saturating_sub(within));
    let cosigned_until = cosigned_since.map(|_| now.saturating_add(CLOCKS_DIFFER_SECONDS));
    Ok(Anchors { kept: kept?, served: Vec::new(), keys: keys?, policy, cosigned_since, cosigned_until })
}

/// Reads a checkpoint, whatever it says.
pub(super) fn read_note(path: &Path) -> Result<String, Failure> {
    let note = read_text(path, NOTE_BYTES_MAX)?;
    Note::parse(&note).map_err(|error| Failure::about(path.display(), error))?;
    Ok(note)
}

/// Reads a policy.
pub(super) fn read_policy(path: &Path) -> Result<Policy, Failure> {
    let text = read_text(path, POLICY_BYTES_MAX)?;
    Policy::parse(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

/// A public key of a log.
pub(super) fn log_key(text: &str) -> Result<NoteKey, Failure> {
    NoteKey::parse(text).map_err(|error| Failure::Usage(format!("{text}: {error}")))
}

/// Reads a text that is not longer than it may be.
pub(super) fn read_text(path: &Path, bytes_max: usize) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::about(path.display(), error);
    let mut text = String::new();
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).map_err(failed)?.take(most).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
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
