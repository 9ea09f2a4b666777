//! `verify`: independent verification. It never opens the evidence for writing.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::gather::gather;
use super::{Failure, Format, Globals, disclosed, verdict};
use crate::audit::note::{Checkpoint, NOTE_BYTES_MAX, Note, NoteKey};
use crate::audit::policy::{POLICY_BYTES_MAX, Policy};
use crate::audit::{self, Anchors, Depth, Options, Report, Start, Verdict};
use crate::ledger::clock::{Clock, SystemClock};
use crate::messages::cli as text;
use clap::Args;

/// By how much a witness's clock may be ahead of the auditor's, seconds.
const CLOCKS_DIFFER_SECONDS: u64 = 300;

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
    /// A file that was published: it is made again from the log, and the first cell that differs is named.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["deep", "from"])]
    pub disclosure: Option<PathBuf>,
    /// The report as one JSON object (the same as --format json).
    #[arg(long)]
    pub json: bool,
}

/// Verifies and prints the report. Exit 0 only if nothing is wrong and what was checked was enough for the caller.
pub fn run(globals: &Globals, args: &VerifyArgs, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(path) = &args.disclosure {
        return disclosed::run(globals, args, path, out);
    }
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
    gather(globals, &args.source, from, options, audit::verify)
}

/// The log that a checkpoint is of, as it says itself.
fn origin(note: &str) -> Option<String> {
    Note::parse(note).and_then(|note| Checkpoint::parse(note.text())).ok().map(|checkpoint| checkpoint.origin)
}

/// What the auditor brought along.
pub(super) fn anchors(globals: &Globals, args: &VerifyArgs) -> Result<Anchors, Failure> {
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
