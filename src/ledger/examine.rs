//! What a start would find in a directory, without starting and without changing anything: the store and the tree are looked
//! at as copies, because opening them writes.

use std::path::Path;

use super::checkpoints::{latest, objection};
use super::directory::tree_path;
use super::state_files::StateFiles;
use super::{OpenError, directory, genesis, recovered};
use crate::format::record::Head;
use crate::log::sled::SledLog;
use crate::log::tree::TreeFiles;
use crate::log::{Fault, Log};

/// What a start would find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The ledger's name.
    pub origin: String,
    /// The last entry.
    pub head: Head,
    /// The last entry that needs not be replayed: a snapshot has it; -1 for none.
    pub snapshot_sequence: i64,
    /// Whether it has administrators: without them nobody can be given a role.
    pub is_administered: bool,
    /// Why nothing could be posted, if so.
    pub read_only: Option<String>,
}

/// Looks at a directory that nobody serves. `copy` makes a copy of a directory at another place.
pub fn examine(
    path: &Path,
    scratch: &Path,
    copy: impl Fn(&Path, &Path) -> Result<(), Fault>,
) -> Result<Examined, OpenError> {
    let directory = directory::Examined::open(path)?;
    let (log_copy, tree_copy) = (scratch.join("log"), scratch.join("tree"));
    copy(&directory::log_path(path), &log_copy)?;
    if tree_path(path).is_dir() {
        copy(&tree_path(path), &tree_copy)?;
    }
    let mut log = SledLog::open(&log_copy)?;
    let reader = log.reader();
    let snapshots = StateFiles::new(directory::snapshots_path(path));
    let (start, mut read_only) = recovered(&mut log, reader.as_ref(), &directory.digests, Some(&snapshots))?;
    let head = start.head;
    let (origin, _) = genesis(reader.as_ref())?;
    let signed = latest(path, &directory.log_signers);
    let trusted = signed.as_ref().ok().and_then(Option::as_ref).map(|signed| &signed.checkpoint);
    let tree = TreeFiles::open(
        &tree_copy,
        reader.as_ref(),
        head.sequence,
        trusted.map(|trusted| (trusted.size, trusted.root)),
    )?;
    let objected = match &signed {
        Ok(signed) => signed.as_ref().and_then(|signed| objection(&signed.checkpoint, &origin, &tree)),
        Err(fault) => Some(format!("what was signed last is not known: {fault}")),
    };
    read_only = read_only.or(objected);
    Ok(Examined {
        origin: origin.to_string(),
        head,
        snapshot_sequence: snapshots.newest_sequence(),
        is_administered: start.is_administered(),
        read_only,
    })
}
