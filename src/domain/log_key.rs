//! Keys that the log signs its checkpoints with. They change by overlap: a new one is announced in the log and signs beside the
//! old one, until that is retired, so that whoever knows either can follow.

use std::collections::BTreeMap;
use std::fmt;

use super::ids::Sequence;
use super::numbered::numbered;

numbered! {
    /// What becomes of a key.
    LogKeyChange {
        /// It signs from here on, beside the others.
        Announced = 1, "ANNOUNCED";
        /// It signs no more.
        Retired = 2, "RETIRED";
    }
}

/// A public key of the log, as text: `NAME+HASH+BASE64`, as C2SP signed notes have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogKey(Box<str>);

impl LogKey {
    /// A text that was found to be a key, when it came in or when it was stored.
    pub fn stored(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the log says of its keys. The first one, made with the ledger, is named only once it is retired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogKeys {
    pub(crate) changes: BTreeMap<LogKey, LogKeyChange>,
    /// The last event that changed any; 0 for none.
    pub(crate) changed: Sequence,
}

impl LogKeys {
    /// What was last said of a key.
    pub fn change(&self, key: &LogKey) -> Option<LogKeyChange> {
        self.changes.get(key).copied()
    }

    /// Whether a key signs: one that was announced and not retired, or the first one until it is.
    pub fn signs(&self, key: &LogKey, is_first: bool) -> bool {
        self.change(key).map_or(is_first, |change| change == LogKeyChange::Announced)
    }

    /// Whether a key was retired.
    pub fn is_retired(&self, key: &LogKey) -> bool {
        self.change(key) == Some(LogKeyChange::Retired)
    }

    /// Keys that were announced and not retired.
    pub fn announced(&self) -> impl Iterator<Item = &LogKey> {
        self.changes.iter().filter(|(_, change)| **change == LogKeyChange::Announced).map(|(key, _)| key)
    }

    /// Keys that were announced and not retired, but for one.
    pub fn others_announced<'a>(&'a self, key: &'a LogKey) -> impl Iterator<Item = &'a LogKey> {
        self.announced().filter(move |other| *other != key)
    }

    /// The last event that changed any; 0 for none.
    pub const fn changed(&self) -> Sequence {
        self.changed
    }

    pub(crate) fn apply(&mut self, sequence: Sequence, key: &LogKey, change: LogKeyChange) {
        self.changes.insert(key.clone(), change);
        self.changed = sequence;
    }
}
