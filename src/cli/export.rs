//! `export`: the log of a stopped ledger as one file, or as a tree of static files; or what a log says in other forms.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::evidence::PrivateCopy;
use super::interchange::{self, InterchangeArgs};
use super::tile_writer::TileWriter;
use super::verify::read_text;
use super::{Failure, Globals, Lang};
use crate::audit::policy::{POLICY_BYTES_MAX, Policy};
use crate::format::checkpoint::{Checkpoint, split_note};
use crate::ledger::bundle::{Beside, write_bundle};
use crate::ledger::checkpoints::{CHECKPOINT_FILE, WITNESSED_FILE};
use crate::log::blocks_between;
use crate::log::files::write_durably;
use crate::messages::cli as text;

/// Arguments of `export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Directory of the stopped ledger.
    #[arg(long, value_name = "DIR", env = "FUNDLEDGER_DATA", required_unless_present = "source")]
    pub data: Option<PathBuf>,
    /// File to write: every stored value as it is, sound or not, with checkpoint and tiles (docs/format.md, Bundle).
    #[arg(long, value_name = "FILE", required_unless_present_any = ["tiles", "form"])]
    pub bundle: Option<PathBuf>,
    /// Policy of witnesses to put into the bundle (C2SP tlog-policy).
    #[arg(long, value_name = "FILE", requires = "bundle")]
    pub policy: Option<PathBuf>,
    /// When the bundle is made, to be written into it: YYYY-MM-DDTHH:MM:SSZ. Without it no time is.
    #[arg(long, value_name = "TIME", requires = "bundle")]
    pub made_at: Option<String>,
    /// Directory to write, for any file server: what the last checkpoint covers (C2SP tlog-tiles).
    #[arg(long, value_name = "DIR")]
    pub tiles: Option<PathBuf>,
    /// Other forms.
    #[command(flatten)]
    pub interchange: InterchangeArgs,
}

/// Writes what was asked for.
pub fn run(globals: &Globals, args: &ExportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    if args.bundle.is_some() || args.tiles.is_some() {
        write_log(globals, args, out)?;
    }
    let InterchangeArgs { form: Some(form), output: Some(path), source, .. } = &args.interchange else { return Ok(()) };
    let source = source.clone().or_else(|| args.data.as_ref().map(|data| data.display().to_string()));
    let source = source.unwrap_or_default();
    let written = interchange::write(globals, &args.interchange, (*form, &source, path))?;
    if !globals.quiet {
        let (rows, sequence) = (written.rows, written.sequence);
        writeln!(out, "{}", text::export_form_written(globals.lang, path.display(), rows, sequence))?;
    }
    Ok(())
}

/// Writes the log itself.
fn write_log(globals: &Globals, args: &ExportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let policy = args.policy.as_deref().map(read_policy).transpose()?;
    let made_at = args.made_at.as_deref();
    if made_at.is_some_and(|time| !is_time(time)) {
        return Err(Failure::Usage(text::export_bad_time(globals.lang)));
    }
    let data = args.data.as_deref().ok_or_else(|| Failure::Usage(text::export_needs_data(globals.lang)))?;
    let copy = PrivateCopy::take(data)?;
    if let Some(path) = &args.bundle {
        let note = |name: &str| copy.checkpoints.iter().find(|(of, _)| *of == name).map(|(_, note)| note.as_str());
        let (checkpoint, witnessed) = (note(CHECKPOINT_FILE), note(WITNESSED_FILE));
        let beside = Beside { checkpoint, witnessed, policy: policy.as_deref(), made_at };
        let (values, tiles) = write_whole_bundle(&copy, &beside, path)?;
        if !globals.quiet {
            writeln!(out, "{}", text::export_written(globals.lang, path.display(), tiles, values))?;
        }
    }
    if let Some(path) = &args.tiles {
        let size = write_tiles(&copy, path, globals.lang)?;
        if !globals.quiet {
            writeln!(out, "{}", text::export_tiles_written(globals.lang, path.display(), size))?;
        }
    }
    Ok(())
}

/// Writes the bundle beside its name and renames it: a file of this name is always whole.
fn write_whole_bundle(copy: &PrivateCopy, beside: &Beside<'_>, path: &Path) -> Result<(u64, u64), Failure> {
    let new = path.with_extension("new");
    let file = File::create(&new).map_err(|error| failed(&new, &error))?;
    let written = write_bundle(copy.reader(), beside, BufWriter::new(&file));
    let written = written.map_err(|fault| Failure::about(new.display(), fault))?;
    file.sync_all().map_err(|error| failed(&new, &error))?;
    fs::rename(&new, path).map_err(|error| failed(path, &error))?;
    Ok(written)
}

/// The text of a policy that can be read as one.
fn read_policy(path: &Path) -> Result<String, Failure> {
    let text = read_text(path, POLICY_BYTES_MAX)?;
    Policy::parse(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    Ok(text)
}

/// Whether a text is a moment to the second, in the one way in which the bundle has it.
fn is_time(text: &str) -> bool {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    parsed.is_ok_and(|time| time.to_string() == text && time.subsec_nanosecond() == 0)
}

/// Writes the tiles, and the checkpoint last: whoever finds it finds all that it covers. Gives how many entries that is.
fn write_tiles(copy: &PrivateCopy, path: &Path, lang: Lang) -> Result<u64, Failure> {
    let note = copy.checkpoints.iter().find(|(name, _)| *name == CHECKPOINT_FILE).map(|(_, note)| note.as_str());
    let note = note.ok_or_else(|| Failure::Refused(text::export_without_checkpoint(lang)))?;
    let checkpoint = split_note(note).and_then(|(text, _)| Checkpoint::parse(text));
    let checkpoint = checkpoint.ok_or_else(|| Failure::Refused(text::export_without_checkpoint(lang)))?;
    let unfit = || Failure::Refused(text::export_unfit(lang, checkpoint.size));
    let last = i64::try_from(checkpoint.size).map_err(|_| unfit())?.saturating_sub(1);
    let mut tiles = TileWriter::new(path);
    for block in blocks_between(copy.reader(), 0, last) {
        for entry in block.map_err(|_| unfit())?.entries() {
            if tiles.size() == checkpoint.size {
                break;
            }
            tiles.push(entry)?;
        }
    }
    if tiles.size() != checkpoint.size || tiles.root() != checkpoint.root {
        return Err(unfit());
    }
    tiles.finish()?;
    write_durably(path, CHECKPOINT_FILE, note.as_bytes())?;
    Ok(checkpoint.size)
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::about(path.display(), error)
}
