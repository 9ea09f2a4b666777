//! Small files beside the log: written whole, or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::Fault;
use super::sled::sync_directory;

/// Writes a file so that after a crash either the old one, or the new one whole, is there: beside, synced, renamed, and
/// the directory synced.
pub fn write_durably(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), Fault> {
    let target = directory.join(name);
    let beside = directory.join(format!("{name}.new"));
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &target)
    });
    written.map_err(|error| Fault::new(format!("writing {}", target.display()), error))?;
    sync_directory(directory)
}
