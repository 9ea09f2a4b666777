//! The auditor: checks a log from its bytes, without trusting the program that wrote it.
//!
//! It shares the wire schema and docs/format.md with the writer and nothing else: framing, hashing and sums are its own.
//! It must never see the rules (`domain::decide`), the state that the writer folds (`domain::state`), the ledger or the
//! projections. It collects faults instead of stopping at the first, and says what it did not check.
//!
//! In reading order: [`read_bundle`] and [`Evidence`], `frame` (one value), `chain` (from value to value), `books` (every
//! balance again, from the legs), [`Report`]; [`rules`] are advice, not proof.

/// A [`Fact`]: a sentence with gaps, then the values, in a form that steers no terminal.
macro_rules! fact {
    ($sentence:literal $(, $value:expr)* $(,)?) => {
        $crate::audit::Fact { sentence: $sentence, values: vec![$($crate::audit::printable::printable(&$value.to_string())),*] }
    };
}

mod anchors;
mod books;
mod bundle;
mod bundle_tiles;
pub mod calendar;
mod chain;
mod frame;
mod glance;
pub mod kept;
mod manifest;
pub mod note;
mod opening;
mod pipeline;
pub mod policy;
pub mod printable;
pub mod receipt;
mod report;
mod requests;
pub mod rules;
#[cfg(test)]
mod tests;
pub mod tiles;
pub mod tree;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use thiserror::Error;

pub use anchors::Anchors;
pub use bundle::{Bundle, Carried, CarriedPolicy, read_bundle};
pub use opening::{Opened, Opening, check_opening};
pub use pipeline::{examine, examine_entries, verify};
pub use report::{Check, FAULTS_MAX, Fact, Fault, FaultKind, LastEntry, Report, Verdict};

/// A stored value under its key, as it came.
pub type KeyValue = (Vec<u8>, Bytes);

/// Where evidence comes from.
pub enum Evidence<'a> {
    /// A bundle: its values, and what it says of itself.
    Bundle(Box<Bundle<'a>>),
    /// Stored values in key order, as in the store.
    Blocks(Box<dyn Iterator<Item = Result<KeyValue, Unreadable>> + Send + 'a>),
    /// Entries alone, in order from sequence 0, as a running server gives them.
    Entries(Box<dyn Iterator<Item = Result<Vec<u8>, Unreadable>> + Send + 'a>),
}

/// The evidence cannot be read: not a finding about the ledger, but none can be made beyond this point.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// How far to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Bytes, sequences and the chain.
    #[default]
    Chain,
    /// Also every balance, derived again from the legs.
    Deep,
}

/// Where an audit begins. One that does not begin with the genesis leaves out what was verified before.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Sequence of the first entry of the evidence.
    pub sequence: i64,
    /// The edge of the tree before it, as the source has it: proven by the roots that it grows to.
    pub edge: Option<tree::Tree>,
    /// The ledger's name, where its genesis is left out.
    pub origin: Option<String>,
}

impl Start {
    /// Whether the tree over the entries can be grown from here.
    const fn has_tree(&self) -> bool {
        self.sequence == 0 || self.edge.is_some()
    }
}

/// How to audit.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How far to look.
    pub depth: Depth,
    /// Sequence and hash of the last entry as the source claims it, e.g. a server's answer.
    pub claimed_head: Option<(i64, [u8; 32])>,
    /// What the log is held against from outside.
    pub anchors: Anchors,
    /// Where the evidence begins.
    pub start: Start,
    /// Tiles of hashes that the source has, to be held against the tree over the entries.
    pub tiles: Option<tiles::Compared>,
    /// The evidence is a copy of the entries that lies beside a store; the store itself is not read.
    pub is_copy: bool,
    /// Number of entries whose root is wanted, besides those of checkpoints.
    pub root_of: Option<u64>,
    /// Where to count the events checked so far.
    pub progress: Option<Arc<AtomicU64>>,
}
