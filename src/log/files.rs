//! Small files beside the log: written whole, or not at all; and read as far as they may be long.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Fault;
use super::sled::sync_directory;

/// Suffix of what is not yet whole.
const UNFINISHED: &str = "new";

/// Writes a file so that after a crash either the old one, or the new one whole, is there: beside, synced, renamed, and
/// the directory synced.
pub fn write_durably(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), Fault> {
    let mut file = DurableFile::create(directory, name)?;
    file.write(bytes)?;
    file.finish().map(drop)
}

/// Writes a secret in the same way: nobody but its owner can read it, at no time.
pub fn write_secret(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), Fault> {
    let mut file = DurableFile::create_with(directory, name, OpenOptions::new().mode(0o600))?;
    file.write(bytes)?;
    file.finish().map(drop)
}

/// Makes a directory where there is none, and its name durable: without that a power cut takes it away with everything that
/// was synced in it. One that is there may have been made by somebody who was killed before that, so it is done in any case.
pub fn create_directory(path: &Path) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| !found.is_dir()) {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is there, and is no directory"));
    }
    fs::create_dir_all(path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// Reads a small text. Whatever is longer than it may be, or no file that ends, is an error.
pub fn read_at_most(path: &Path, most: usize) -> io::Result<String> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    if !fs::metadata(path)?.is_file() {
        return Err(invalid("it is no regular file".to_owned()));
    }
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    // One byte more than there may be shows that there are too many.
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(invalid(format!("it is too long: more than {most} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| invalid("it is no text".to_owned()))
}

/// A file that is written bit by bit, in the same way: it has its name only when it is whole. Dropped before, it is removed.
#[derive(Debug)]
pub struct DurableFile {
    directory: PathBuf,
    target: PathBuf,
    beside: PathBuf,
    file: BufWriter<File>,
    is_finished: bool,
}

impl DurableFile {
    /// Begins a file.
    pub fn create(directory: &Path, name: &str) -> Result<Self, Fault> {
        Self::create_with(directory, name, &mut OpenOptions::new())
    }

    fn create_with(directory: &Path, name: &str, options: &mut OpenOptions) -> Result<Self, Fault> {
        let target = directory.join(name);
        let beside = directory.join(format!("{name}.{UNFINISHED}"));
        let opened = options.write(true).create(true).truncate(true).open(&beside);
        let file = opened.map_err(|error| Fault::new(format!("writing {}", target.display()), error))?;
        let file = BufWriter::with_capacity(1 << 16, file);
        Ok(Self { directory: directory.to_owned(), target, beside, file, is_finished: false })
    }

    fn failed(&self, error: impl std::fmt::Display) -> Fault {
        Fault::new(format!("writing {}", self.target.display()), error)
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.file.write_all(bytes).map_err(|error| self.failed(error))
    }

    /// Makes it durable under its name; gives its path.
    pub fn finish(mut self) -> Result<PathBuf, Fault> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        let renamed = synced.and_then(|()| fs::rename(&self.beside, &self.target));
        renamed.map_err(|error| self.failed(error))?;
        self.is_finished = true;
        sync_directory(&self.directory)?;
        Ok(self.target.clone())
    }
}

impl Drop for DurableFile {
    fn drop(&mut self) {
        if !self.is_finished
            && let Err(error) = fs::remove_file(&self.beside)
        {
            tracing::warn!(path = %self.beside.display(), %error, "an unfinished file could not be removed");
        }
    }
}

/// Whether a file was left unfinished by a crash.
pub fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix == UNFINISHED)
}
