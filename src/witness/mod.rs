//! A witness: it sees that a log only grows, and says so with its signature (C2SP tlog-witness, tlog-cosignature). An audit
//! office or a people's congress runs one; whoever runs the ledger must not.
//!
//! It keeps one checkpoint for each log, and signs a newer one only with proof that it continues the one it kept. What it
//! signed is on disk before its signature leaves.

pub mod client;
pub mod server;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::audit::note::{Checkpoint, NOTE_BYTES_MAX, Note, NoteError, NoteKey};
use crate::audit::tree::{Tree, is_consistent};
use crate::format::hexadecimal;
use crate::format::note_key::SignerKey;
use crate::log::Fault;
use crate::log::files::write_durably;
use crate::log::sled::sync_directory;

/// Gives the time, in seconds since 1970.
pub type SecondsNow = fn() -> u64;

/// Longest request that is read: a note and its proof.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + (1 << 13);
/// Most hashes of a proof.
const PROOF_HASHES_MAX: usize = 63;
/// Says that a directory is a witness's: one that is empty may be a volume that is not mounted.
const MARK_FILE: &str = "WITNESS";
const MARK: &str = "fundledger witness\nformat 1\n";

/// Why a witness does not sign.
#[derive(Debug, Error)]
pub enum Declined {
    /// 400: the request is not of the form, or the checkpoint is older than the client says to know.
    #[error("{0}")]
    Malformed(String),
    /// 404: the log is none that this witness follows.
    #[error("the log is not followed here")]
    UnknownLog,
    /// 403: no known key of the log signed the checkpoint, or falsely.
    #[error("no key of the log signed it: {0}")]
    Unsigned(String),
    /// 409: the client's idea of what the witness knows is wrong.
    #[error("the latest size here is {0}")]
    OtherSize(u64),
    /// 422: the checkpoint does not continue the one that is kept.
    #[error("it does not continue what was signed before")]
    Inconsistent,
    /// 500: nothing was signed, because it could not be kept.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A log that is followed.
#[derive(Debug)]
struct Followed {
    keys: Vec<NoteKey>,
    /// The last checkpoint that was signed here, with its note.
    latest: Option<(Checkpoint, String)>,
}

/// A witness.
pub struct Witness {
    directory: PathBuf,
    key: SignerKey,
    logs: Mutex<BTreeMap<String, Followed>>,
    _lock: File,
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// Name of the file of a log's checkpoint, and its address under the monitoring prefix.
fn name_of(origin: &str) -> String {
    hexadecimal::of(&Sha256::digest(origin))
}

impl Witness {
    /// Makes a directory for what a witness keeps.
    pub fn create(directory: &Path) -> Result<(), Fault> {
        let failed = |error: io::Error| Fault::new(format!("creating {}", directory.display()), error);
        fs::create_dir_all(directory).map_err(failed)?;
        if fs::read_dir(directory).map_err(failed)?.next().is_some() {
            return Err(failed(io::Error::other("it is not empty")));
        }
        write_durably(directory, MARK_FILE, MARK.as_bytes())?;
        directory.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_directory)
    }

    /// Opens a witness of logs, by their keys. What was signed before is read; damage to it is an error, for without it a
    /// rewritten log could be signed.
    pub fn open(directory: &Path, key: SignerKey, logs: Vec<NoteKey>) -> Result<Self, Fault> {
        let failed =
            |path: &Path, error: &dyn std::fmt::Display| Fault::new(format!("reading {}", path.display()), error);
        let mark = directory.join(MARK_FILE);
        let found = fs::read_to_string(&mark).map_err(|error| failed(&mark, &error))?;
        if found != MARK {
            return Err(failed(&mark, &"it is no witness of this version"));
        }
        // Two that share a directory would each sign what the other has not seen.
        let lock = File::options().write(true).open(&mark).map_err(|error| failed(&mark, &error))?;
        lock.try_lock().map_err(|_| failed(&mark, &"another witness uses the directory"))?;
        let mut followed: BTreeMap<String, Followed> = BTreeMap::new();
        for key in logs {
            let origin = key.name().to_owned();
            followed.entry(origin).or_insert_with(|| Followed { keys: Vec::new(), latest: None }).keys.push(key);
        }
        for (origin, log) in &mut followed {
            let path = directory.join(name_of(origin));
            let note = match fs::read_to_string(&path) {
                Ok(note) => note,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(&path, &error)),
            };
            // Our own cosignature stands in what was kept: whatever was changed since shows.
            let checkpoint = kept(&note, &key).map_err(|error| failed(&path, &error))?;
            if checkpoint.origin != *origin {
                return Err(failed(&path, &"it is of another log"));
            }
            log.latest = Some((checkpoint, note));
        }
        Ok(Self { directory: directory.to_owned(), key, logs: Mutex::new(followed), _lock: lock })
    }

    /// The public key of this witness, as text.
    pub fn verifier_key(&self) -> String {
        self.key.verifier().to_string()
    }

    /// Handles a request to cosign (`add-checkpoint`) at a time, seconds since 1970; gives the signature line.
    pub fn add_checkpoint(&self, request: &str, time: u64) -> Result<String, Declined> {
        let Request { old_size, proof, note } = Request::parse(request)?;
        let malformed = |error: NoteError| Declined::Malformed(error.to_string());
        let note = Note::parse(note).map_err(malformed)?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(malformed)?;
        // One at a time: what is compared and what is kept must be the same.
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let log = logs.get_mut(&checkpoint.origin).ok_or(Declined::UnknownLog)?;
        let signers = note.signers(&log.keys).map_err(|error| Declined::Unsigned(error.to_string()))?;
        if signers.is_empty() {
            return Err(Declined::Unsigned("there is no signature of a known key".to_owned()));
        }
        if old_size > checkpoint.size {
            return Err(Declined::Malformed(format!(
                "{old_size} is more than the {} of the checkpoint",
                checkpoint.size
            )));
        }
        let empty = Tree::default().root();
        let (known_size, known_root) = log.latest.as_ref().map_or((0, empty), |(latest, _)| (latest.size, latest.root));
        if old_size != known_size {
            return Err(Declined::OtherSize(known_size));
        }
        let is_rooted = checkpoint.size > 0 || checkpoint.root == empty;
        let continues = is_consistent((known_size, &known_root), (checkpoint.size, &checkpoint.root), &proof);
        if !is_rooted || !continues {
            return Err(Declined::Inconsistent);
        }
        let line = self.key.cosignature_line(note.text(), time);
        // Lines of strangers are not kept: one in this witness's own name would be false, and too many are no note.
        let kept = format!("{}{line}", note.signed_by(&log.keys));
        // Before it leaves: after a crash no other checkpoint of this size may be signed.
        write_durably(&self.directory, &name_of(&checkpoint.origin), kept.as_bytes())?;
        log.latest = Some((checkpoint, kept));
        Ok(line)
    }

    /// The last checkpoint that was signed of a log, by the name it has under the monitoring prefix.
    pub fn latest(&self, name: &str) -> Option<String> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let log = logs.iter().find(|(origin, _)| name_of(origin) == name)?.1;
        log.latest.as_ref().map(|(_, note)| note.clone())
    }
}

/// A checkpoint that was kept, if this witness signed it.
fn kept(note: &str, key: &SignerKey) -> Result<Checkpoint, NoteError> {
    let note = Note::parse(note)?;
    let checkpoint = Checkpoint::parse(note.text())?;
    let own = NoteKey::parse(&key.verifier().to_string())?;
    if note.signers([&own])?.is_empty() {
        return Err(NoteError::Form("this witness did not sign it"));
    }
    Ok(checkpoint)
}

/// A request to cosign, taken apart.
struct Request<'a> {
    old_size: u64,
    proof: Vec<[u8; 32]>,
    note: &'a str,
}

impl<'a> Request<'a> {
    fn parse(request: &'a str) -> Result<Self, Declined> {
        let malformed = |what: &str| Declined::Malformed(what.to_owned());
        let (head, note) = request.split_once("\n\n").ok_or_else(|| malformed("there is no checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old.ok_or_else(|| malformed("the first line is not `old SIZE`"))?;
        let parsed: Option<u64> = old.parse().ok().filter(|parsed: &u64| parsed.to_string() == old);
        let old_size = parsed.ok_or_else(|| malformed("the old size is not a decimal number"))?;
        let proof: Option<Vec<[u8; 32]>> = lines
            .take(PROOF_HASHES_MAX.saturating_add(1))
            .map(|line| STANDARD.decode(line).ok().and_then(|hash| hash.try_into().ok()))
            .collect();
        let proof = proof.ok_or_else(|| malformed("a line of the proof is not a hash"))?;
        if proof.len() > PROOF_HASHES_MAX {
            return Err(malformed("the proof is too long"));
        }
        Ok(Self { old_size, proof, note })
    }
}

#[cfg(test)]
mod tests;
