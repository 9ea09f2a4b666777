//! Building a lost log again, beside what is left of its directory. It gets its place only by [`Restoring::finish`], after
//! somebody else has verified it; what lay there before is moved aside, never deleted.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::checkpoints::CHECKPOINT_FILE;
use super::directory::{DirectoryError, Secrets, Skeleton};
use crate::format::block::BlockBuilder;
use crate::format::checkpoint::{CHECKPOINT_BYTES_MAX, Checkpoint, split_note};
use crate::format::note_key::SignerKey;
use crate::format::record::{Head, split_entry};
use crate::log::files::{read_at_most, write_durably};
use crate::log::sled::{SledLog, sync_directory};
use crate::log::{Fault, Log};

/// Where the log is built.
const BESIDE: &str = "log.restored";
/// What the log that did not open is called, with a number.
const ASIDE: &str = "log.damaged";
/// Most logs that are kept aside.
const ASIDE_MAX: u32 = 1_000;
/// Bytes of entries that are stored and synced together.
const GROUP_BYTES: usize = 8 << 20;

/// Why a log cannot be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// An entry does not follow the one before it.
    #[error("entry {sequence} does not follow the one before it")]
    Broken {
        /// Which.
        sequence: i64,
    },
    /// Reading or writing.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A directory whose log is being built again, locked.
#[derive(Debug)]
pub struct Restoring {
    path: PathBuf,
    log: PathBuf,
    /// In the ledger's name; never none.
    keys: Vec<SignerKey>,
    /// Public halves of keys that signed once, as text.
    retired: Vec<String>,
    origin: String,
    /// What a new directory is made of.
    skeleton: Option<Skeleton>,
    is_finished: bool,
    _lock: File,
}

impl Restoring {
    /// A ledger's directory, with its keys, whose log is lost.
    pub fn of_ledger(path: &Path) -> Result<Self, DirectoryError> {
        let origin = super::directory::identify(path)?;
        let lock = super::directory::lock_for_restoring(path)?;
        let secrets = Secrets::read(&super::directory::keys_path(path))?;
        let restoring = Self::new(path, &secrets, None, lock);
        if restoring.origin != origin {
            let (path, cause) = (path.display().to_string(), format!("it is of {}", restoring.origin));
            return Err(DirectoryError::Incomplete { path, missing: "keys/checkpoint.key".to_owned(), cause });
        }
        Ok(restoring)
    }

    /// A new or empty directory for the ledger whose keys lie elsewhere; or one in which the same was cut off.
    pub fn of_keys(path: &Path, keys: &Path) -> Result<Self, DirectoryError> {
        let secrets = Secrets::read(keys)?;
        fs::create_dir_all(path).map_err(|error| Fault::new(format!("creating {}", path.display()), error))?;
        if !super::directory::is_for_restoring(path)? {
            return Err(DirectoryError::NotEmpty { path: path.display().to_string() });
        }
        let lock = super::directory::lock_for_restoring(path)?;
        let mut restoring = Self::new(path, &secrets, None, lock);
        restoring.skeleton = Some(Skeleton::begin(path, secrets)?);
        Ok(restoring)
    }

    fn new(path: &Path, secrets: &Secrets, skeleton: Option<Skeleton>, lock: File) -> Self {
        let log = super::directory::log_path(path);
        let keys: Vec<SignerKey> = secrets.log_signers().iter().map(|signer| signer.key.clone()).collect();
        let origin = keys.first().map(|key| key.name().to_owned()).unwrap_or_default();
        let retired = secrets.retired().map(str::to_owned).collect();
        Self { path: path.to_owned(), log, keys, retired, origin, skeleton, is_finished: false, _lock: lock }
    }

    /// The ledger's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The public keys, one of which what is restored must be signed with, as text.
    pub fn verifier_keys(&self) -> impl Iterator<Item = String> {
        self.keys.iter().map(|key| key.verifier().to_string()).chain(self.retired.iter().cloned())
    }

    /// Whether the directory was a ledger's before.
    pub const fn is_of_ledger(&self) -> bool {
        self.skeleton.is_none()
    }

    /// Where the log is built, to be verified there.
    pub fn beside(&self) -> PathBuf {
        self.path.join(BESIDE)
    }

    /// Builds the log from its entries, each of which must follow the one before it.
    pub fn build(&self, entries: impl Iterator<Item = Result<Vec<u8>, Fault>>) -> Result<Head, BuildError> {
        remove(&self.beside())?;
        let mut log = SledLog::open(&self.beside())?;
        let mut builder = BlockBuilder::new(Head::EMPTY);
        let (mut stored, mut bytes) = (Head::EMPTY, 0_usize);
        for entry in entries {
            let entry = entry?;
            let broken = BuildError::Broken { sequence: builder.head().next_sequence() };
            let Some((_, event)) = split_entry(&entry).filter(|(link, _)| *link == builder.head().hash) else {
                return Err(broken);
            };
            if builder.push(|buffer| buffer.extend_from_slice(event)).is_err() {
                return Err(broken);
            }
            bytes = bytes.saturating_add(entry.len());
            if bytes >= GROUP_BYTES {
                bytes = 0;
                append(&mut log, &mut stored, &mut builder)?;
            }
        }
        append(&mut log, &mut stored, &mut builder)?;
        Ok(stored)
    }

    /// Puts the log in its place, with the newest checkpoint that it was verified against. Gives where the old log went.
    pub fn finish(mut self, checkpoint: &str) -> Result<Option<PathBuf>, DirectoryError> {
        if let Some(skeleton) = &self.skeleton {
            skeleton.write()?;
        }
        self.keep_checkpoint(checkpoint)?;
        let renaming = |from: &Path, error| Fault::new(format!("renaming {}", from.display()), error);
        let mut aside = None;
        if self.log.exists() {
            let free =
                (1..=ASIDE_MAX).map(|number| self.path.join(format!("{ASIDE}-{number}"))).find(|path| !path.exists());
            let free = free.ok_or_else(|| Fault::new("moving the old log aside", "no name is free"))?;
            fs::rename(&self.log, &free).map_err(|error| renaming(&self.log, error))?;
            aside = Some(free);
        }
        fs::rename(self.beside(), &self.log).map_err(|error| renaming(&self.beside(), error))?;
        self.is_finished = true;
        sync_directory(&self.path)?;
        if let Some(skeleton) = &self.skeleton {
            skeleton.complete(&self.origin)?;
        }
        Ok(aside)
    }

    /// What was signed once is signed for ever: a checkpoint that covers more than the one in the directory takes its place.
    fn keep_checkpoint(&self, note: &str) -> Result<(), Fault> {
        let parsed = |note: &str| split_note(note).and_then(|(text, _)| Checkpoint::parse(text));
        let damaged = || Fault::new("keeping the checkpoint", "it is no checkpoint");
        let checkpoint = parsed(note).ok_or_else(damaged)?;
        let kept = read_at_most(&self.path.join(CHECKPOINT_FILE), CHECKPOINT_BYTES_MAX).ok();
        let kept_size = kept.and_then(|note| parsed(&note)).map_or(0, |kept| kept.size);
        if kept_size >= checkpoint.size {
            return Ok(());
        }
        // Ed25519 signs the same text with the same bytes each time: this is the note without what others added to it, and
        // with the keys that have signed it.
        let text = checkpoint.text();
        let signed: Vec<_> = self.keys.iter().filter(|key| note.contains(&key.note_line(&text))).collect();
        if signed.is_empty() {
            // By a key that was retired: its private half is nowhere.
            return write_durably(&self.path, CHECKPOINT_FILE, note.as_bytes());
        }
        write_durably(&self.path, CHECKPOINT_FILE, checkpoint.signed(signed).as_bytes())
    }
}

impl Drop for Restoring {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        let removed = remove(&self.beside()).and_then(|()| self.skeleton.as_ref().map_or(Ok(()), Skeleton::remove));
        if let Err(fault) = removed {
            tracing::warn!(%fault, "what was built could not be removed");
        }
    }
}

fn append(log: &mut SledLog, stored: &mut Head, builder: &mut BlockBuilder) -> Result<(), Fault> {
    let blocks = builder.take();
    log.append(*stored, &blocks).map_err(|error| Fault::new("storing the entries", error))?;
    *stored = builder.head();
    Ok(())
}

fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Fault::new(format!("removing {}", path.display()), error))
        }
        _ => Ok(()),
    }
}
