//! Files that are whole under their names: written beside them, and renamed at the end.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempPath;

/// A file that is being written; where it does not come to its end, nothing is left of it.
pub struct Output {
    path: PathBuf,
    beside: TempPath,
    out: BufWriter<File>,
    digest: Sha256,
    bytes: u64,
}

impl Output {
    /// Begins a file; the folder it lies in is made where there is none.
    pub fn create(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = path.with_file_name(name);
        let out = BufWriter::with_capacity(1 << 18, File::create(&beside)?);
        let beside = TempPath::try_from_path(beside)?;
        Ok(Self { path: path.to_owned(), beside, out, digest: Sha256::new(), bytes: 0 })
    }

    /// Ends it, and gives it its name; how many bytes it has, and their SHA-256.
    pub fn finish(self) -> io::Result<(u64, [u8; 32])> {
        self.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        self.beside.persist(&self.path).map_err(|error| error.error)?;
        Ok((self.bytes, self.digest.finalize().into()))
    }
}

impl Write for Output {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        let written = self.out.write(part)?;
        self.digest.update(part.get(..written).unwrap_or(part));
        self.bytes = self.bytes.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A text without characters that steer, break a line, or that no form has a place for.
pub fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
