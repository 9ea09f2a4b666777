//! What a ledger takes on its disk, and how old what was signed is: read when somebody asks.

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::node::Node;
use crate::ledger::checkpoints::{CHECKPOINT_FILE, WITNESSED_FILE};
use crate::ledger::clock::{Clock, SystemClock};

/// A ledger on its disk. What cannot be read is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// Bytes of the files of the log.
    pub log_bytes: Option<u64>,
    /// Bytes that are free for the ledger on the disk that it lies on.
    pub free_bytes: Option<u64>,
    /// How long ago the newest checkpoint was signed.
    pub checkpoint_age: Option<Duration>,
    /// How long ago the newest checkpoint that witnesses cosigned was made.
    pub witness_age: Option<Duration>,
}

impl Node {
    /// The ledger on its disk. Blocks.
    pub fn storage(&self) -> Storage {
        let directory = self.directory();
        let free = rustix::fs::statvfs(directory.path()).ok();
        let has_signed = self.checkpoints().latest().is_some();
        let has_witnessed = self.checkpoints().witnessed().is_some();
        Storage {
            log_bytes: bytes_of(&directory.log()),
            free_bytes: free.map(|free| free.f_bavail.saturating_mul(free.f_frsize)),
            checkpoint_age: has_signed.then(|| age(&directory.path().join(CHECKPOINT_FILE))).flatten(),
            witness_age: has_witnessed.then(|| age(&directory.path().join(WITNESSED_FILE))).flatten(),
        }
    }
}

/// How long ago a file was written, which is when what it holds was made.
fn age(path: &Path) -> Option<Duration> {
    let written = fs::metadata(path).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let now = Duration::from_nanos(SystemClock.now().0.unsigned_abs());
    Some(now.saturating_sub(written))
}

fn bytes_of(directory: &Path) -> Option<u64> {
    let mut bytes = 0_u64;
    for entry in fs::read_dir(directory).ok()? {
        // A snapshot of the store may go while this looks.
        let Some(metadata) = entry.ok().and_then(|entry| entry.metadata().ok()) else { continue };
        if metadata.is_file() {
            bytes = bytes.saturating_add(metadata.len());
        }
    }
    Some(bytes)
}
