//! Files of snapshots: they shorten a start, and nothing else. A missing or damaged one costs a longer replay.
//!
//! A file is `magic ‖ sequence (8) ‖ entry hash (32) ‖ body ‖ SHA-256 of all before (32)`, written beside, synced, renamed.
//! Its name carries the sequence and the layout of the body; files of another layout are passed over.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::format::record::{EntryHash, Head};
use crate::format::stored::Stored;
use crate::log::Fault;
use crate::log::files::DurableFile;

const MAGIC: &[u8; 16] = b"fundledger snap\n";
/// Older ones are removed: the newest is used, the one before it if that is damaged.
const KEPT: usize = 2;

/// A directory of snapshots of one layout.
#[derive(Clone, Debug)]
pub struct SnapshotFiles {
    directory: PathBuf,
    layout: &'static str,
}

impl SnapshotFiles {
    /// Snapshots in a directory; `layout` names how their bodies are laid out.
    pub fn new(directory: PathBuf, layout: &'static str) -> Self {
        Self { directory, layout }
    }

    /// Files by name, newest first: names carry the sequence in fixed width.
    fn files(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let mut files: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|suffix| suffix == self.layout)).collect();
        files.sort_unstable_by(|a, b| b.cmp(a));
        files
    }

    /// The newest one that reads back as it was written.
    pub fn newest(&self) -> Option<Found> {
        self.files().iter().find_map(|path| {
            if let Some(found) = read(path) {
                Some(found)
            } else {
                tracing::warn!(path = %path.display(), "a snapshot is damaged; passing it over");
                None
            }
        })
    }

    /// Writes one and removes old ones.
    pub fn write(&self, head: Head, body: &[u8]) -> Result<(), Fault> {
        let mut file = DurableFile::create(&self.directory, &format!("{:020}.{}", head.sequence, self.layout))?;
        let mut start = MAGIC.to_vec();
        head.sequence.put(&mut start);
        head.hash.0.put(&mut start);
        file.write(&start)?;
        file.write(body)?;
        file.write(&Sha256::new().chain_update(&start).chain_update(body).finalize())?;
        file.finish()?;
        for old in self.files().iter().skip(KEPT) {
            if let Err(error) = fs::remove_file(old) {
                tracing::warn!(path = %old.display(), %error, "an old snapshot could not be removed");
            }
        }
        Ok(())
    }

    /// Writes one off the committer's thread.
    pub fn write_behind(&self, head: Head, body: Vec<u8>) {
        let files = self.clone();
        let spawned = std::thread::Builder::new().name("snapshot".to_owned()).spawn(move || {
            if let Err(fault) = files.write(head, &body) {
                tracing::warn!(%fault, "a snapshot could not be written; the next start replays more");
            }
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "a snapshot could not be written; the next start replays more");
        }
    }
}

/// A snapshot that was read.
#[derive(Debug)]
pub struct Found {
    /// What it is as of.
    pub head: Head,
    /// What it holds.
    pub body: FoundBody,
}

/// The body of a snapshot, within its file.
#[derive(Debug)]
pub struct FoundBody {
    file: Vec<u8>,
    start: usize,
}

impl FoundBody {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        let end = self.file.len().saturating_sub(DIGEST_BYTES);
        self.file.get(self.start..end).unwrap_or_default()
    }
}

const DIGEST_BYTES: usize = 32;

fn read(path: &Path) -> Option<Found> {
    let file = fs::read(path).ok()?;
    let (covered, digest) = file.split_last_chunk::<DIGEST_BYTES>()?;
    if <[u8; DIGEST_BYTES]>::from(Sha256::digest(covered)) != *digest {
        return None;
    }
    let mut rest = covered.strip_prefix(MAGIC)?;
    let head = Head { sequence: i64::take(&mut rest).ok()?, hash: EntryHash(Stored::take(&mut rest).ok()?) };
    let start = covered.len().checked_sub(rest.len())?;
    Some(Found { head, body: FoundBody { file, start } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(sequence: i64) -> Head {
        Head { sequence, hash: EntryHash([7; 32]) }
    }

    fn bytes(length: usize) -> Vec<u8> {
        (0_u8..251).cycle().take(length).collect()
    }

    #[test]
    fn a_damaged_one_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let files = SnapshotFiles::new(directory.path().to_owned(), "test-1");
        files.write(head(1), &bytes(100)).unwrap();
        files.write(head(2), &bytes(100_000)).unwrap();
        let found = files.newest().unwrap();
        assert!(found.head == head(2) && found.body.bytes() == bytes(100_000));
        let newest = files.files().remove(0);
        let whole = fs::read(&newest).unwrap();
        for at in [0, 20, 40, 60, 50_000, whole.len() - 33, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&newest, damaged).unwrap();
            assert_eq!(files.newest().unwrap().head, head(1), "damaged at {at}");
        }
        for length in [0, 10, 31, 32, 33, 87, 88, whole.len() - 1] {
            fs::write(&newest, &whole[..length]).unwrap();
            assert_eq!(files.newest().unwrap().head, head(1), "{length} bytes");
        }
    }
}
