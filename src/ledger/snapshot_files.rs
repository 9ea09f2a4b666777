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
use crate::log::files::write_durably;

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
    pub fn newest(&self) -> Option<(Head, Vec<u8>)> {
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
        let mut bytes = Vec::with_capacity(body.len().saturating_add(128));
        bytes.extend_from_slice(MAGIC);
        head.sequence.put(&mut bytes);
        head.hash.0.put(&mut bytes);
        bytes.extend_from_slice(body);
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        digest.put(&mut bytes);
        write_durably(&self.directory, &format!("{:020}.{}", head.sequence, self.layout), &bytes)?;
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

fn read(path: &Path) -> Option<(Head, Vec<u8>)> {
    let bytes = fs::read(path).ok()?;
    let (covered, digest) = bytes.split_last_chunk::<32>()?;
    if <[u8; 32]>::from(Sha256::digest(covered)) != *digest {
        return None;
    }
    let mut rest = covered.strip_prefix(MAGIC)?;
    let head = Head { sequence: i64::take(&mut rest).ok()?, hash: EntryHash(Stored::take(&mut rest).ok()?) };
    Some((head, rest.to_vec()))
}
