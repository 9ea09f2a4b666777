//! The log in sled 0.34.7: the only file that names it. What it guards against was found by reading and measuring that
//! version (docs/hazards.md):
//!
//! - `flush` writes but does not sync on Linux: after each one this file syncs sled's data file through a handle of its own.
//! - Values above about 6 KiB end up in files under `blobs/` that are never synced: blocks are smaller, and an open log
//!   with anything there is refused.
//! - `open` can panic on damaged files: the panic is caught and becomes a fault.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{AppendError, Fault, Log, LogRead, Values};
use crate::format::block::{Assembler, Block, StoredValue, key, parse_key, parse_value};
use crate::format::record::Head;

/// Name of sled's data file.
const DATA_FILE: &str = "db";
/// Name of the file in which sled keeps what it was created with.
const SETTINGS_FILE: &str = "conf";
/// Where sled puts values that are too large for its pages.
const BLOBS_DIRECTORY: &str = "blobs";
const TREE: &str = "blocks";
/// Pages kept in memory; sled takes a multiple of it (899 MB seen with 256 MB set).
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// A log in a sled directory.
pub struct SledLog {
    reader: Arc<SledReader>,
    data: File,
    path: PathBuf,
    head: Head,
}

/// What sled says of a store whose lock somebody holds.
const LOCKED: &str = "could not acquire lock";
/// How often, and how far apart, a store is tried again that somebody holds.
const LOCK_ATTEMPTS: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Opens a store. The lock of its directory keeps other servers away before that; but sled's own threads hold on to a store for
/// a moment after it was closed, which may have been in this process.
fn unlocked<T>(attempt: impl Fn() -> std::thread::Result<sled::Result<T>>) -> std::thread::Result<sled::Result<T>> {
    let mut opened = attempt();
    for _ in 0..LOCK_ATTEMPTS {
        match &opened {
            Ok(Err(sled::Error::Io(error))) if error.to_string().contains(LOCKED) => std::thread::sleep(LOCK_PAUSE),
            Ok(_) | Err(_) => break,
        }
        opened = attempt();
    }
    opened
}

struct SledReader {
    // Keeps the store open for as long as anybody reads.
    _db: sled::Db,
    blocks: sled::Tree,
}

impl SledLog {
    /// Opens or creates the store. The head is unknown until [`Log::adopt`].
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let failed =
            |cause: &dyn std::fmt::Display| Fault::new(format!("opening the log in {}", path.display()), cause);
        let config =
            sled::Config::new().path(path).flush_every_ms(None).use_compression(false).cache_capacity(CACHE_BYTES);
        let attempt = || catch_unwind(AssertUnwindSafe(|| config.open().and_then(|db| Ok((db.open_tree(TREE)?, db)))));
        let opened = match unlocked(attempt) {
            // A kill while sled wrote its own snapshot leaves half of one; without it, sled reads more of its log. Where
            // the log is what is damaged, nothing is set aside: sled would open, and write over what it cannot read.
            Ok(Err(sled::Error::Corruption { .. }))
                if set_aside_damaged_snapshots(path).map_err(|error| failed(&error))? =>
            {
                attempt()
            }
            opened => opened,
        };
        let (blocks, db) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return Err(failed(&error)),
            Err(_panic) => return Err(failed(&"its files are damaged beyond reading")),
        };
        let data = File::open(path.join(DATA_FILE)).map_err(|error| failed(&error))?;
        let log =
            Self { reader: Arc::new(SledReader { _db: db, blocks }), data, path: path.to_owned(), head: Head::EMPTY };
        log.refuse_blobs()?;
        // sled never syncs it, and opens nothing without it.
        File::open(path.join(SETTINGS_FILE))
            .and_then(|settings| settings.sync_all())
            .map_err(|error| failed(&error))?;
        log.sync()?;
        sync_directory(path)?;
        Ok(log)
    }

    fn refuse_blobs(&self) -> Result<(), Fault> {
        let blobs = self.path.join(BLOBS_DIRECTORY);
        let mut found = match fs::read_dir(&blobs) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Fault::new(format!("reading {}", blobs.display()), error)),
        };
        match found.next() {
            None => Ok(()),
            Some(_) => Err(Fault::new(
                format!("reading {}", blobs.display()),
                "it must be empty: what is there was never synced, so this store was not written by this program alone",
            )),
        }
    }

    /// Makes durable what was written.
    pub(crate) fn sync(&self) -> Result<(), Fault> {
        let failed =
            |cause: &dyn std::fmt::Display| Fault::new(format!("syncing the log in {}", self.path.display()), cause);
        self.reader.blocks.flush().map_err(|error| failed(&error))?;
        self.data.sync_data().map_err(|error| failed(&error))
    }

    /// Writes blocks, without making them durable.
    pub(crate) fn write(&self, blocks: &[Block]) -> Result<(), Fault> {
        let failed = |error: sled::Error| Fault::new(format!("writing the log in {}", self.path.display()), error);
        for value in blocks.iter().flat_map(Block::to_values) {
            self.reader.blocks.insert(value.key, value.value).map_err(failed)?;
        }
        Ok(())
    }
}

/// Overwrites stored values behind the ledger's back, as someone at the disk could. `demo` shows with it that `verify` finds
/// out, and tests rest on it; nothing else may call it.
pub fn forge(path: &Path, values: impl Iterator<Item = StoredValue>) -> Result<(), Fault> {
    let log = SledLog::open(path)?;
    for StoredValue { key, value } in values {
        log.reader.blocks.insert(key, value).map_err(|error| Fault::new("overwriting the log", error))?;
    }
    log.sync()
}

/// Gives those of sled's own snapshots that fail their checksum a name that it does not read; says whether there were any.
fn set_aside_damaged_snapshots(path: &Path) -> std::io::Result<bool> {
    let mut any = false;
    for file in fs::read_dir(path)? {
        let file = file?;
        let name = file.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with("snap.")) else { continue };
        if !snapshot_is_whole(&fs::read(file.path())?) {
            tracing::warn!(name, "a snapshot of the store is damaged; the store reads its log instead");
            fs::rename(file.path(), path.join(format!("damaged.{name}")))?;
            any = true;
        }
    }
    Ok(any)
}

/// Sled ends a snapshot with the length of its body (8 bytes, for compressed ones) and the body's CRC-32 (little-endian).
fn snapshot_is_whole(bytes: &[u8]) -> bool {
    let Some((rest, checksum)) = bytes.split_last_chunk::<4>() else { return false };
    let Some((body, _length)) = rest.split_last_chunk::<8>() else { return false };
    !body.is_empty() && crc32fast::hash(body) == u32::from_le_bytes(*checksum)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), Fault> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(|error| Fault::new(format!("syncing the directory {}", path.display()), error))
}

impl Log for SledLog {
    fn head(&self) -> Head {
        self.head
    }

    fn append(&mut self, expected: Head, blocks: &[Block]) -> Result<(), AppendError> {
        if expected != self.head {
            return Err(AppendError::Conflict { head: self.head });
        }
        self.write(blocks).and_then(|()| self.sync()).map_err(AppendError::Unknown)?;
        if let Some(last) = blocks.last() {
            self.head = last.head;
        }
        Ok(())
    }

    fn adopt(&mut self, head: Head, remove: &[Vec<u8>]) -> Result<(), Fault> {
        for key in remove {
            let removed = self.reader.blocks.remove(key);
            removed.map_err(|error| Fault::new("removing the unfinished tail of the log", error))?;
        }
        // What recovery found may have survived a crash without ever having been synced: it is about to be served.
        self.sync()?;
        self.head = head;
        Ok(())
    }

    fn reader(&self) -> Arc<dyn LogRead> {
        let reader: Arc<SledReader> = Arc::clone(&self.reader);
        reader
    }
}

impl LogRead for SledReader {
    fn block_at(&self, sequence: i64) -> Result<Option<Block>, Fault> {
        let failed = |error: sled::Error| Fault::new(format!("reading the log at sequence {sequence}"), error);
        let Some((last_key, last_value)) =
            self.blocks.range(..=key(sequence, u8::MAX)).next_back().transpose().map_err(failed)?
        else {
            return Ok(None);
        };
        let part = parse_value(&last_key, &last_value)?;
        if part.parts == 1 {
            return Ok(Some(part.block).filter(|block| block.head.sequence >= sequence));
        }
        let first = parse_key(&last_key).map_or(sequence, |(first_sequence, _)| first_sequence);
        let mut assembler = Assembler::default();
        for item in self.blocks.range(key(first, 0)..) {
            let (key, value) = item.map_err(failed)?;
            if let Some(block) = assembler.push(parse_value(&key, &value)?)? {
                return Ok(Some(block).filter(|block| block.head.sequence >= sequence));
            }
        }
        Ok(None)
    }

    fn values_from(&self, key: &[u8]) -> Values<'_> {
        Box::new(self.blocks.range(key..).map(|item| {
            let (key, value) = item.map_err(unreadable)?;
            // sled lets a page go only after many look-ups, and a range looks each page up once: without one more for each
            // value, the memory of a scan is that of the log (480 MB seen instead of 217 MB).
            self.blocks.contains_key(&key).map_err(unreadable)?;
            Ok((key.to_vec(), Bytes::from_owner(value)))
        }))
    }
}

fn unreadable(error: sled::Error) -> Fault {
    Fault::new("reading the log", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_store_that_is_let_go_of_in_a_moment_is_waited_for() {
        let attempts = std::cell::Cell::new(0);
        let opened = |failing: u32, why: &str| {
            attempts.set(0);
            let attempt = || {
                attempts.set(attempts.get() + 1);
                let held = || sled::Error::Io(std::io::Error::other(why.to_owned()));
                Ok(if attempts.get() > failing { Ok(attempts.get()) } else { Err(held()) })
            };
            unlocked(attempt).unwrap()
        };
        assert_eq!(opened(3, "could not acquire lock on \"db\": held"), Ok(4));
        // What fails otherwise fails at once, and what is held for good fails in the end.
        assert!(opened(3, "no space left").is_err() && attempts.get() == 1);
        assert!(opened(u32::MAX, "could not acquire lock").is_err());
    }
}
