//! Files of snapshots: they shorten a start, and nothing else. A missing or damaged one costs a longer replay.
//!
//! A file is `magic ‖ sequence (8) ‖ entry hash (32) ‖ body ‖ SHA-256 of all before (32)`, written beside, synced, renamed.
//! Its name carries the sequence and the layout of the body; files of another layout are passed over.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

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

    /// The newest one that reads back as it was written: what it is as of, and what `decode` made of it. A damaged one is
    /// passed over, whatever was made of it.
    pub fn newest<T>(&self, mut decode: impl FnMut(Head, &mut Reading<'_>) -> Option<T>) -> Option<(Head, Option<T>)> {
        self.files().iter().find_map(|path| {
            let found = read(path, &mut decode);
            if found.is_none() {
                tracing::warn!(path = %path.display(), "a snapshot is damaged; passing it over");
            }
            found
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

/// The body of a snapshot that is being read, piece by piece: no copy of the whole is made. Whether all of it is as it was
/// written is known only at its end.
#[derive(Debug)]
pub struct Reading<'a> {
    pieces: &'a Receiver<Vec<u8>>,
    buffer: Vec<u8>,
    at: usize,
}

impl Reading<'_> {
    /// What comes next: at least so many bytes, unless there are fewer.
    pub fn at_least(&mut self, count: usize) -> &[u8] {
        while self.buffer.len().saturating_sub(self.at) < count {
            let Ok(piece) = self.pieces.recv() else { break };
            self.buffer.drain(..self.at);
            self.at = 0;
            self.buffer.extend_from_slice(&piece);
        }
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Passes over bytes that were looked at.
    pub fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.buffer.len());
    }

    /// All the rest.
    pub fn rest(&mut self) -> &[u8] {
        self.at_least(usize::MAX)
    }
}

const DIGEST_BYTES: usize = 32;
/// Bytes that are read at once.
const PIECE_BYTES: usize = 1 << 20;
/// Pieces that are read ahead.
const PIECES_AHEAD: usize = 4;

fn read<T>(path: &Path, decode: impl FnOnce(Head, &mut Reading<'_>) -> Option<T>) -> Option<(Head, Option<T>)> {
    let mut file = File::open(path).ok()?;
    let covered = file.metadata().ok()?.len().checked_sub(u64::try_from(DIGEST_BYTES).ok()?)?;
    let (sender, pieces) = sync_channel(PIECES_AHEAD);
    std::thread::scope(|scope| {
        // Reading and checking take as long as decoding does: beside it.
        let whole = scope.spawn(move || is_whole(&mut file, covered, &sender));
        let mut reading = Reading { pieces: &pieces, buffer: Vec::new(), at: 0 };
        let head = take_head(&mut reading);
        let decoded = head.and_then(|head| decode(head, &mut reading));
        // Whatever nobody wants any more is checked all the same.
        drop(pieces);
        whole.join().ok().filter(|whole| *whole)?;
        Some((head?, decoded))
    })
}

fn take_head(reading: &mut Reading<'_>) -> Option<Head> {
    const HEAD_BYTES: usize = MAGIC.len() + 8 + 32;
    let mut bytes = reading.at_least(HEAD_BYTES).get(..HEAD_BYTES)?.strip_prefix(MAGIC)?;
    let head = Head { sequence: i64::take(&mut bytes).ok()?, hash: EntryHash(Stored::take(&mut bytes).ok()?) };
    reading.skip(HEAD_BYTES);
    Some(head)
}

/// Hands over what the digest covers, and says whether it fits.
fn is_whole(file: &mut File, covered: u64, pieces: &SyncSender<Vec<u8>>) -> bool {
    let mut hasher = Sha256::new();
    let mut covered = file.by_ref().take(covered);
    loop {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let count = covered.by_ref().take(u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX)).read_to_end(&mut piece);
        match count {
            Ok(0) => break,
            Ok(_) => hasher.update(&piece),
            Err(_) => return false,
        }
        // Whoever decodes may have had enough.
        pieces.send(piece).ok();
    }
    let mut digest = [0; DIGEST_BYTES];
    file.read_exact(&mut digest).is_ok() && <[u8; DIGEST_BYTES]>::from(hasher.finalize()) == digest
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
    fn a_body_of_many_pieces_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let files = SnapshotFiles::new(directory.path().to_owned(), "test-1");
        for length in [0, 1, PIECE_BYTES - 56, PIECE_BYTES, 3 * PIECE_BYTES + 17] {
            let written = bytes(length);
            files.write(head(i64::try_from(length).unwrap()), &written).unwrap();
            for step in [1_000, 70_001, PIECE_BYTES + 5] {
                let (found, body) = files
                    .newest(|_, reading| {
                        let mut body = Vec::new();
                        loop {
                            let next = reading.at_least(step);
                            let taken = next.len().min(step);
                            body.extend_from_slice(&next[..taken]);
                            reading.skip(taken);
                            if taken == 0 {
                                return Some(body);
                            }
                        }
                    })
                    .unwrap();
                assert!(
                    found.sequence.unsigned_abs() == u64::try_from(length).unwrap() && body.unwrap() == written,
                    "{length} {step}"
                );
            }
            let (_, rest) = files.newest(|_, reading| Some(reading.rest().to_vec())).unwrap();
            assert!(rest.unwrap() == written, "{length}");
        }
        assert_eq!(files.files().len(), KEPT);
    }

    #[test]
    fn what_was_made_of_a_damaged_one_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let files = SnapshotFiles::new(directory.path().to_owned(), "test-1");
        files.write(head(1), &bytes(100)).unwrap();
        files.write(head(2), &bytes(2 * PIECE_BYTES)).unwrap();
        // Nothing of it is wanted, and it is the newest all the same.
        let (found, nothing) = files.newest::<()>(|_, _| None).unwrap();
        assert!(found.sequence == 2 && nothing.is_none());
        let newest = files.files().remove(0);
        let whole = fs::read(&newest).unwrap();
        for at in [0, 20, 40, 60, PIECE_BYTES + 3, whole.len() - 33, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&newest, damaged).unwrap();
            let (found, _) = files.newest(|_, reading| Some(reading.at_least(10).len())).unwrap();
            assert_eq!(found.sequence, 1, "damaged at {at}");
        }
        for length in [0, 10, 31, 32, 33, 87, 88, whole.len() - 1] {
            fs::write(&newest, &whole[..length]).unwrap();
            let (found, _) = files.newest(|_, reading| Some(reading.at_least(10).len())).unwrap();
            assert_eq!(found.sequence, 1, "{length} bytes");
        }
    }
}
