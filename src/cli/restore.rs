//! `restore`: builds a log that was lost again, from tiles or from the copy beside it, and verifies it before it counts.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::evidence::{Copies, StoreCopy};
use super::tiles::TileTree;
use super::{Failure, Globals, is_url, render, verdict};
use crate::audit::kept::KeptEntries;
use crate::audit::note::{Checkpoint, Note, NoteKey};
use crate::audit::tree::leaf_hash;
use crate::audit::{self, Anchors, Evidence, Options, Report, Unreadable, Verdict};
use crate::format::record::Head;
use crate::ledger::directory::log_path;
use crate::ledger::restore::{BuildError, Restoring};
use crate::log::Fault;
use crate::log::recover::{Recovered, recover};
use crate::messages::cli as text;

/// Arguments of `restore`.
#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// Directory of the stopped ledger whose log is lost or does not open; or a new one, with --keys.
    #[arg(long, value_name = "DIR", env = "FUNDLEDGER_DATA")]
    pub data: PathBuf,
    /// Where the entries come from: directory or address of static tiles, or a data directory with its copy in entries/.
    #[arg(long, value_name = "DIR|URL")]
    pub from_tiles: String,
    /// The backup of the ledger's keys: makes the ledger anew in a new or empty directory.
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Restores up to this sequence only, to look at: what was signed later is not in it, so that nothing can be posted.
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(i64).range(0..))]
    pub until: Option<i64>,
}

type Entries = Box<dyn Iterator<Item = Result<Vec<u8>, Unreadable>> + Send>;

/// What the log is built from.
struct Source {
    checkpoints: Vec<String>,
    entries: Entries,
}

/// Builds the log beside its place, verifies it there, and puts it in place.
pub fn run(globals: &Globals, args: &RestoreArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let lang = globals.lang;
    if args.until.is_some() && args.keys.is_none() {
        return Err(Failure::Usage(text::restore_until_new(lang)));
    }
    let restoring = match &args.keys {
        Some(keys) => Restoring::of_keys(&args.data, keys)?,
        None => Restoring::of_ledger(&args.data)?,
    };
    let keys: Result<Vec<NoteKey>, _> = restoring.verifier_keys().map(|key| NoteKey::parse(&key)).collect();
    let keys = keys.map_err(|error| Failure::about(args.data.display(), error))?;
    let Source { mut checkpoints, entries } = source(globals, &args.from_tiles)?;
    // Before anything is built of it: what the source says of its size is then this ledger's own word.
    if !checkpoints.iter().all(|note| is_own(note, restoring.origin(), &keys)) {
        return Err(Failure::Refused(text::restore_foreign(lang)));
    }
    let own = Copies::checkpoints(&args.data)?;
    if restoring.is_of_ledger() && is_sound(&args.data, &own, &keys)? {
        return Err(Failure::Refused(text::restore_sound(lang, args.data.display())));
    }
    let kept = whole_copy(&args.data);
    checkpoints.extend(own);
    let newest = newest(&checkpoints).ok_or_else(|| Failure::Refused(text::restore_without_checkpoint(lang)))?;
    let entries = entries.map(|item| item.map_err(|Unreadable(why)| Fault::new("reading the source", why)));
    let built = restoring.build(entries).map_err(|error| match error {
        BuildError::Broken { sequence } => Failure::Refused(text::restore_broken(lang, sequence)),
        BuildError::Fault(fault) => fault.into(),
    })?;
    let report = verified(&restoring.beside(), checkpoints.clone(), &keys)?;
    let is_whole = report.verdict == Verdict::Verified
        && report.origin.as_deref() == Some(restoring.origin())
        && report.head.map(|head| head.sequence) == Some(built.sequence);
    if !is_whole {
        verdict::write(out, &report, lang)?;
        return Err(Failure::Refused(text::restore_unfit(lang)));
    }
    let entries_built = u64::try_from(built.next_sequence()).unwrap_or_default();
    if kept > entries_built {
        return Err(Failure::Refused(text::restore_behind(lang, entries_built, kept, args.data.display())));
    }
    let (note, covered) = newest;
    // All of it was verified; now only so much of it is built, in the same place.
    if let Some(until) = args.until {
        let count = usize::try_from(until.saturating_add(1)).unwrap_or(usize::MAX);
        let Source { entries, .. } = source(globals, &args.from_tiles)?;
        let entries =
            entries.take(count).map(|item| item.map_err(|Unreadable(why)| Fault::new("reading the source", why)));
        let built = restoring.build(entries).map_err(|error| Failure::Refused(error.to_string()))?;
        if built.sequence != until {
            return Err(Failure::Refused(text::restore_until_beyond(lang, until)));
        }
        restoring.finish(&note)?;
        if !globals.quiet {
            writeln!(out, "{}", text::restore_done(lang, built.next_sequence(), args.data.display()))?;
            writeln!(out, "{}", text::restore_until(lang, until))?;
        }
        return Ok(());
    }
    let aside = restoring.finish(&note)?;
    told(globals, args, &report, covered, aside.as_deref(), out)
}

/// The entries of a tile tree, or the longest whole chain of a copy.
fn source(globals: &Globals, source: &str) -> Result<Source, Failure> {
    let nothing = || Failure::Unavailable(text::restore_no_source(globals.lang, source));
    if is_url(source) {
        return TileTree::fetch(source).map(of_tiles).ok_or_else(nothing);
    }
    let path = Path::new(source);
    if let Some(tree) = TileTree::open(path)? {
        return Ok(of_tiles(tree));
    }
    let entries = Copies::entries(path).ok_or_else(nothing)?;
    Ok(Source { checkpoints: Copies::checkpoints(path)?, entries: Box::new(whole(&entries)) })
}

/// The longest whole chain of a copy.
fn whole(entries: &KeptEntries) -> impl Iterator<Item = Result<Vec<u8>, Unreadable>> + Send + use<> {
    let mut head = [0; 32];
    // What was appended last was not synced: it counts as far as it is as it was written, and follows.
    entries.from(0).map_while(move |item| match item {
        Ok(entry) if entry.is_as_written && entry.bytes.starts_with(&head) => {
            head = leaf_hash(&entry.bytes);
            Some(Ok(entry.bytes))
        }
        Ok(_) => None,
        Err(unreadable) => Some(Err(unreadable)),
    })
}

/// How many entries the copy in a directory has: they may be all that is left of acknowledged events.
fn whole_copy(path: &Path) -> u64 {
    let entries = Copies::entries(path);
    let count = entries.map_or(0, |entries| whole(&entries).take_while(Result::is_ok).count());
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Whether a checkpoint is signed by one of the ledger's own keys, for its log.
fn is_own(note: &str, origin: &str, keys: &[NoteKey]) -> bool {
    let Ok(note) = Note::parse(note) else { return false };
    note.signers(keys).is_ok_and(|signers| !signers.is_empty())
        && Checkpoint::parse(note.text()).is_ok_and(|checkpoint| checkpoint.origin == origin)
}

fn of_tiles(tree: TileTree) -> Source {
    // A full tile may stand for the last one: what it has behind the checkpoint nobody signed.
    let size = usize::try_from(tree.tiles.size()).unwrap_or(usize::MAX);
    let entries = tree.tiles.entries(0).take(size);
    Source { checkpoints: vec![tree.note], entries: Box::new(entries) }
}

/// The checkpoint that covers most, and how many entries that are.
fn newest(checkpoints: &[String]) -> Option<(String, u64)> {
    let sized = checkpoints.iter().filter_map(|note| {
        let checkpoint = Note::parse(note).and_then(|parsed| Checkpoint::parse(parsed.text())).ok()?;
        Some((note.clone(), checkpoint.size))
    });
    sized.max_by_key(|(_, size)| *size)
}

/// Whether the log in a directory opens, and is what was signed, without a tail that was never acknowledged.
fn is_sound(path: &Path, checkpoints: &[String], keys: &[NoteKey]) -> Result<bool, Failure> {
    if !log_path(path).is_dir() {
        return Ok(false);
    }
    let Ok(copy) = StoreCopy::take(&log_path(path))? else { return Ok(false) };
    let Ok(Recovered { unfinished, .. }) = recover(copy.reader(), Head::EMPTY, |_| Ok(())) else { return Ok(false) };
    let finished = copy.values().filter(|item| !matches!(item, Ok((key, _)) if unfinished.contains(key)));
    let report = audit::verify(Evidence::Blocks(Box::new(finished)), &options(checkpoints.to_vec(), keys));
    Ok(report.verdict == Verdict::Verified)
}

/// Verifies what was built, in a copy: the store that wrote it may hold its files for a moment after it was closed.
fn verified(log: &Path, checkpoints: Vec<String>, keys: &[NoteKey]) -> Result<Report, Failure> {
    let copy = StoreCopy::take(log)??;
    Ok(audit::verify(Evidence::Blocks(Box::new(copy.values())), &options(checkpoints, keys)))
}

fn options(served: Vec<String>, keys: &[NoteKey]) -> Options {
    let anchors = Anchors { served, keys: keys.to_vec(), ..Anchors::default() };
    Options { anchors, ..Options::default() }
}

fn told(
    globals: &Globals,
    args: &RestoreArgs,
    report: &Report,
    covered: u64,
    aside: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if globals.quiet {
        return Ok(());
    }
    let lang = globals.lang;
    let data = args.data.display();
    writeln!(out, "{}", text::restore_done(lang, report.events, &data))?;
    if let Some(head) = report.head {
        writeln!(out, "{}", text::report_last_sequence(lang, head.sequence))?;
        writeln!(out, "{}", text::report_head(lang, render::hex(&head.hash)))?;
    }
    if let Some((size, root)) = report.tree {
        writeln!(out, "{}", text::report_root(lang, render::hex(&root), size))?;
    }
    let beyond = report.events.saturating_sub(covered);
    writeln!(out, "{}", text::restore_covered(lang, beyond, covered))?;
    writeln!(out, "{}", text::restore_lost(lang, report.events.saturating_sub(1)))?;
    if let Some(aside) = aside {
        writeln!(out, "{}", text::restore_aside(lang, aside.display()))?;
    }
    writeln!(out, "{}: fundledger serve --data {data} --insecure-dev", text::next_step(lang))?;
    Ok(())
}
