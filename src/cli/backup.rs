//! `backup`: the log, the keys and the personal data of a ledger, each to a place of its own, while it runs or not.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::evidence::Copies;
use super::tile_writer::{TileWriter, remove_partial};
use super::tiles::TileTree;
use super::{Failure, Globals, render, verdict};
use crate::audit::note::{Checkpoint, Note};
use crate::audit::tiles::{self, Compared};
use crate::audit::{self, Anchors, Evidence, Options, Start, Unreadable, Verdict};
use crate::ledger::checkpoints::CHECKPOINT_FILE;
use crate::ledger::directory::{keys_path, vault_path};
use crate::log::files::{create_directory, read_at_most, write_durably, write_secret};
use crate::messages::cli as text;
use crate::vault;

/// Longest file of a key.
const KEY_FILE_BYTES_MAX: usize = 4_096;

/// Arguments of `backup`.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// Directory of the ledger, running or stopped; or, for the log alone, address or directory of its static tiles.
    #[arg(long, value_name = "DIR|URL", env = "FUNDLEDGER_DATA")]
    pub data: String,
    /// Directory of the backup of the log: what has come since the last time is added.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Reads and verifies the whole backup afterwards, not only what was added.
    #[arg(long)]
    pub whole: bool,
    /// Directory for the ledger's keys, apart from the log: whoever has both can test guesses of payees.
    #[arg(long, value_name = "DIR")]
    pub keys_to: Option<PathBuf>,
    /// Directory for the personal data, sealed as they are, apart from the keys.
    #[arg(long, value_name = "DIR")]
    pub vault_to: Option<PathBuf>,
}

type Entries = Box<dyn Iterator<Item = Result<Vec<u8>, Unreadable>> + Send>;

/// What is backed up: a signed checkpoint, and the entries that it covers.
enum Source {
    Ledger(Copies),
    Tiles(TileTree),
}

impl Source {
    fn find(globals: &Globals, source: &str) -> Result<Self, Failure> {
        let nothing = || Failure::Unavailable(text::restore_no_source(globals.lang, source));
        if source.starts_with("http://") || source.starts_with("https://") {
            return TileTree::fetch(source).map(Self::Tiles).ok_or_else(nothing);
        }
        if let Some(tree) = TileTree::open(Path::new(source))? {
            return Ok(Self::Tiles(tree));
        }
        Copies::find(Path::new(source))?.map(Self::Ledger).ok_or_else(nothing)
    }

    /// The checkpoint that covers most.
    fn checkpoint(&self) -> Option<(String, Checkpoint)> {
        let notes = match self {
            Self::Ledger(copies) => copies.checkpoints.clone(),
            Self::Tiles(tree) => vec![tree.note.clone()],
        };
        notes.into_iter().filter_map(|note| Some((note.clone(), parsed(&note)?))).max_by_key(|(_, known)| known.size)
    }

    fn entries(&self, first: u64) -> Entries {
        match self {
            Self::Ledger(copies) => Box::new(copies.covered(first)),
            Self::Tiles(tree) => Box::new(tree.tiles.entries(first)),
        }
    }
}

fn parsed(note: &str) -> Option<Checkpoint> {
    Note::parse(note).and_then(|note| Checkpoint::parse(note.text())).ok()
}

/// Backs up what was asked for.
pub fn run(globals: &Globals, args: &BackupArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let lang = globals.lang;
    let places = [Some(&args.to), args.keys_to.as_ref(), args.vault_to.as_ref()];
    let places: Vec<&PathBuf> = places.into_iter().flatten().collect();
    let is_within = |one: &Path, other: &Path| one.starts_with(other) || other.starts_with(one);
    for (at, place) in places.iter().enumerate() {
        if places.iter().skip(at.saturating_add(1)).any(|other| is_within(place, other)) {
            return Err(Failure::Usage(text::backup_apart(lang)));
        }
    }
    back_up_log(globals, args, out)?;
    let data = Path::new(&args.data);
    if let Some(to) = &args.keys_to {
        let count = back_up_keys(&keys_path(data), to)?;
        told(globals, out, || text::backup_keys(lang, count, to.display()))?;
    }
    if let Some(to) = &args.vault_to {
        create_directory(to).map_err(|error| Failure::about(to.display(), error))?;
        vault::copy(&vault_path(data), to)?;
        told(globals, out, || text::backup_vault(lang, to.display()))?;
    }
    Ok(())
}

fn told(globals: &Globals, out: &mut dyn Write, line: impl FnOnce() -> String) -> Result<(), Failure> {
    if !globals.quiet {
        writeln!(out, "{}", line())?;
    }
    Ok(())
}

/// Adds what has come; the checkpoint gets its place last, after everything that it covers was read back and verified.
fn back_up_log(globals: &Globals, args: &BackupArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (lang, to) = (globals.lang, args.to.as_path());
    let source = Source::find(globals, &args.data)?;
    let without = || Failure::Refused(text::export_without_checkpoint(lang));
    let (note, checkpoint) = source.checkpoint().ok_or_else(without)?;
    let kept = if to.exists() { TileTree::open(to)? } else { None };
    let is_empty = || fs::read_dir(to).map_or(true, |mut found| found.next().is_none());
    if kept.is_none() && !is_empty() && !to.join("tile").is_dir() {
        return Err(Failure::Usage(text::backup_other(lang, to.display())));
    }
    let before = kept.as_ref().and_then(|kept| parsed(&kept.note));
    let size = before.as_ref().map_or(0, |before| before.size);
    let is_older = before.as_ref().is_some_and(|before| {
        before.origin != checkpoint.origin
            || size > checkpoint.size
            || size == checkpoint.size && before.root != checkpoint.root
    });
    if is_older {
        return Err(Failure::Refused(text::backup_behind(lang, size, checkpoint.size, to.display())));
    }
    create_directory(to).map_err(|error| Failure::about(to.display(), error))?;
    let mut writer = if size > 0 { TileWriter::resume(to, size)? } else { TileWriter::new(to) };
    let first = writer.size();
    if size < checkpoint.size || args.whole {
        if size < checkpoint.size {
            for entry in source.entries(first) {
                writer.push(&entry.map_err(|Unreadable(why)| Failure::Unavailable(why))?)?;
            }
            if writer.size() != checkpoint.size || writer.root() != checkpoint.root {
                return Err(Failure::Refused(text::backup_unfit(lang, to.display())));
            }
            writer.finish()?;
        }
        verify(globals, args, &note, if args.whole { 0 } else { first }, out)?;
        write_durably(to, CHECKPOINT_FILE, note.as_bytes())?;
        remove_partial(to, size, checkpoint.size);
    }
    let added = checkpoint.size.saturating_sub(size);
    told(globals, out, || text::backup_done(lang, added, checkpoint.size, to.display()))?;
    told(globals, out, || text::report_root(lang, render::hex(&checkpoint.root), checkpoint.size))
}

/// Reads what was written and audits it, as `verify` does.
fn verify(globals: &Globals, args: &BackupArgs, note: &str, first: u64, out: &mut dyn Write) -> Result<(), Failure> {
    let written = TileTree::under(&args.to, note).map_err(|error| Failure::about(args.to.display(), error))?;
    let Compared { source, size } = written.compared();
    let unreadable = |error: Unreadable| Failure::Unavailable(error.to_string());
    let edge = if first > 0 { tiles::edge(source.as_ref(), first, size).map_err(unreadable)? } else { None };
    let origin = parsed(note).filter(|_| first > 0).map(|checkpoint| checkpoint.origin);
    let start = Start { sequence: i64::try_from(first).unwrap_or(i64::MAX), edge, origin };
    let anchors = Anchors { served: vec![note.to_owned()], ..Anchors::default() };
    let options = Options { anchors, start, tiles: Some(Compared { source, size }), ..Options::default() };
    let report = audit::verify(Evidence::Entries(Box::new(written.tiles.entries(first))), &options);
    if report.verdict == Verdict::Verified {
        return Ok(());
    }
    verdict::write(out, &report, globals.lang)?;
    Err(Failure::Refused(text::backup_unfit(globals.lang, args.to.display())))
}

/// Copies the keys, each durable and readable by nobody else; gives how many there are.
fn back_up_keys(keys: &Path, to: &Path) -> Result<usize, Failure> {
    let failed = |path: &Path, error: std::io::Error| Failure::about(path.display(), error);
    create_directory(to).map_err(|error| failed(to, error))?;
    let mut count = 0_usize;
    for entry in fs::read_dir(keys).map_err(|error| failed(keys, error))? {
        let path = entry.map_err(|error| failed(keys, error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let secret = read_at_most(&path, KEY_FILE_BYTES_MAX).map_err(|error| failed(&path, error))?;
        write_secret(to, name, secret.as_bytes())?;
        count = count.saturating_add(1);
    }
    Ok(count)
}
