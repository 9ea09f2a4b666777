//! `export`: the log of a stopped ledger as one file.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::evidence::PrivateCopy;
use super::{Failure, Globals};
use crate::format::bundle::BundleWriter;
use crate::messages::cli as text;

/// Arguments of `export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Directory of the stopped ledger.
    #[arg(long, value_name = "DIR", env = "FUNDLEDGER_DATA")]
    pub data: PathBuf,
    /// File to write: every stored value as it is, sound or not (docs/format.md, Bundle).
    #[arg(long, value_name = "FILE")]
    pub bundle: PathBuf,
}

/// Writes the bundle beside its name and renames it: a file of this name is always whole.
pub fn run(globals: &Globals, args: &ExportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let copy = PrivateCopy::take(&args.data)?;
    let beside = args.bundle.with_extension("new");
    let values = write(&copy, &beside).and_then(|values| {
        fs::rename(&beside, &args.bundle).map_err(|error| failed(&args.bundle, &error))?;
        Ok(values)
    })?;
    if !globals.quiet {
        writeln!(out, "{}", text::export_written(globals.lang, args.bundle.display(), values))?;
    }
    Ok(())
}

fn write(copy: &PrivateCopy, path: &Path) -> Result<u64, Failure> {
    let file = File::create(path).map_err(|error| failed(path, &error))?;
    let attachments: Vec<_> = copy.checkpoints.iter().map(|(name, note)| (*name, note.as_bytes())).collect();
    let mut bundle = BundleWriter::new(BufWriter::new(file), &attachments).map_err(|error| failed(path, &error))?;
    for item in copy.values() {
        let (key, value) = item.map_err(|unreadable| Failure::Unavailable(unreadable.to_string()))?;
        bundle.value(&key, &value).map_err(|error| failed(path, &error))?;
    }
    bundle.finish().map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::about(path.display(), error)
}
