//! Where blocks are kept. Everything above this trait works with any log that keeps its promises; nothing above may know
//! which one it is.
//!
//! **Promises.** `append` returns `Ok` only when the blocks would survive a power cut. Blocks are stored in order; after a
//! crash a log may hold blocks that were never acknowledged, but none before an acknowledged one is missing. After an
//! append that failed, the outcome is unknown: the log is read again before anything else is written.

pub mod entries;
pub mod files;
pub mod memory;
pub mod recover;
pub mod sled;
pub mod tree;

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::format::block::{Block, BlockError, StoredValue};
use crate::format::record::Head;

/// The world failing: what was touched, and how.
#[derive(Debug, Clone, Error)]
#[error("{action}: {cause}")]
pub struct Fault {
    /// What was being done, to what.
    pub action: String,
    /// What went wrong.
    pub cause: String,
}

impl Fault {
    /// A fault of an action.
    pub fn new(action: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self { action: action.into(), cause: cause.to_string() }
    }
}

impl From<BlockError> for Fault {
    fn from(error: BlockError) -> Self {
        Self::new("reading the log", error)
    }
}

/// Why an append did not happen, or may not have.
#[derive(Debug, Error)]
pub enum AppendError {
    /// The log's head is not the one expected: nothing was written.
    #[error("the log's head is at sequence {}, not where it was expected", head.sequence)]
    Conflict {
        /// Where it is.
        head: Head,
    },
    /// Something failed on the way: the blocks may or may not be there, now or after a restart.
    #[error("the outcome of an append is unknown: {0}")]
    Unknown(#[source] Fault),
}

/// The writing half: one owner.
pub trait Log: Send {
    /// The last entry.
    fn head(&self) -> Head;

    /// Stores blocks after `expected` and makes them durable.
    fn append(&mut self, expected: Head, blocks: &[Block]) -> Result<(), AppendError>;

    /// Takes the head that recovery found, and removes the values it named as an unfinished tail. Before the first append.
    fn adopt(&mut self, head: Head, remove: &[Vec<u8>]) -> Result<(), Fault>;

    /// The reading half.
    fn reader(&self) -> Arc<dyn LogRead>;
}

/// Stored values in the order of their keys.
pub type Values<'a> = Box<dyn Iterator<Item = Result<(Vec<u8>, Bytes), Fault>> + Send + 'a>;

/// The reading half: any number of readers, beside the writer.
pub trait LogRead: Send + Sync {
    /// The block that holds a sequence; `None` beyond the end.
    fn block_at(&self, sequence: i64) -> Result<Option<Block>, Fault>;

    /// The stored values from a key on, as they are.
    fn values_from(&self, key: &[u8]) -> Values<'_>;

    /// The entry of a sequence; `None` beyond the end.
    fn entry_at(&self, sequence: i64) -> Result<Option<Vec<u8>>, Fault> {
        let Some(block) = self.block_at(sequence)? else { return Ok(None) };
        Ok(block.entry_at(sequence).map(<[u8]>::to_vec))
    }
}

/// Reads blocks one after another, up to a sequence.
pub fn blocks_between(
    reader: &dyn LogRead,
    first_sequence: i64,
    last_sequence: i64,
) -> impl Iterator<Item = Result<Block, Fault>> + '_ {
    let mut next = Some(first_sequence);
    std::iter::from_fn(move || {
        let sequence = next.filter(|sequence| *sequence <= last_sequence)?;
        match reader.block_at(sequence) {
            Ok(Some(block)) => {
                next = Some(block.head.next_sequence());
                Some(Ok(block))
            }
            Ok(None) => {
                next = None;
                Some(Err(Fault::new("reading the log", format!("no block holds sequence {sequence}"))))
            }
            Err(fault) => {
                next = None;
                Some(Err(fault))
            }
        }
    })
}

pub(crate) fn owned(value: StoredValue) -> (Vec<u8>, Vec<u8>) {
    (value.key.to_vec(), value.value)
}
