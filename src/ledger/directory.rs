//! The data directory: what lies where, who holds it, and whether this program may touch it.
//!
//! ```text
//! FORMAT        "fundledger data directory", format number, origin; written last when a ledger is created
//! LOCK          held exclusively by the process that serves the ledger
//! log/          the store of the log; nothing else lies in it
//! log.restored  a log that is being built again; removed when that fails
//! RESTORING     in a new directory whose ledger is being restored; before FORMAT there is nothing in it that came otherwise
//! log.damaged-N a log that did not open, moved aside when another was built
//! snapshots/    of the state; derived, may be deleted
//! projections/  snapshots of the views; derived, may be deleted
//! index/        runs of the history index; derived, may be deleted; made when it is missing
//! entries/      a copy of the log's entries for reading one at a time; derived, may be deleted; made when it is missing
//! tree/         the Merkle tree over the log; derived, may be deleted; made when it is missing
//! checkpoint    the last signature under the log: what was signed once is held against the log at every start
//! checkpoint.witnessed  the last one that enough witnesses cosigned
//! keys/         secrets that are not in the log: back them up apart from it
//! vault/        personal data, which the log only commits to; made when it is missing
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::checkpoints::CHECKPOINT_FILE;
use super::clock::Clock;
use super::key_check;
use super::log_keys::{LogKeyFiles, LogSigner};
use super::{Digests, Genesis};
use crate::format::hexadecimal;
use crate::format::keyed::{Fingerprints, KEY_BYTES, KeyedDigest};
use crate::format::note_key::SignerKey;
use crate::log::files::{create_directory, is_unfinished, read_at_most, write_durably, write_secret};
use crate::log::sled::{SledLog, sync_directory};
use crate::log::{Fault, Log};

const FORMAT_FILE: &str = "FORMAT";
const LOCK_FILE: &str = "LOCK";
const RESTORING_FILE: &str = "RESTORING";
const LOG: &str = "log";
const SNAPSHOTS: &str = "snapshots";
const PROJECTIONS: &str = "projections";
const INDEX: &str = "index";
const ENTRIES: &str = "entries";
const KEYS: &str = "keys";
const DIGEST_KEY: &str = "digest.key";
const PSEUDONYM_KEY: &str = "pseudonym.key";
const VAULT: &str = "vault";
const VAULT_KEY: &str = "vault.key";
const TREE: &str = "tree";
/// Longest `FORMAT` and file of a key that are read, in bytes.
const SMALL_FILE_BYTES_MAX: usize = 4_096;
const FORMAT_TITLE: &str = "fundledger data directory";
/// Version of the directory's layout.
pub const DIRECTORY_FORMAT: u32 = 1;
/// Longest origin, in bytes.
pub const ORIGIN_BYTES_MAX: usize = 255;

/// Why a data directory cannot be used.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// It holds something already, or a ledger.
    #[error("{path} is not empty: a ledger is only created in a new or empty directory")]
    NotEmpty {
        /// Which.
        path: String,
    },
    /// Nothing is there: perhaps a volume is not mounted.
    #[error("{path} holds no ledger: is the volume mounted? `fundledger init` creates one")]
    NoLedger {
        /// Which.
        path: String,
    },
    /// Parts are missing.
    #[error(
        "{path} is incomplete: {missing} is missing or unreadable ({cause}); it was copied or created only in part"
    )]
    Incomplete {
        /// Which.
        path: String,
        /// What.
        missing: String,
        /// How it failed.
        cause: String,
    },
    /// Another layout.
    #[error(
        "{path} has directory format {found}, this program knows {DIRECTORY_FORMAT}: use the program it was written by"
    )]
    OtherVersion {
        /// Which.
        path: String,
        /// What it says.
        found: String,
    },
    /// Somebody holds it.
    #[error(
        "{path} is in use by another process: verify a running ledger by its URL, or a stopped one by its directory"
    )]
    Locked {
        /// Which.
        path: String,
    },
    /// A key is not the one that the ledger had.
    #[error(
        "{path}: keys/{name} is not the key that this ledger has used, or keys.check is damaged. Put the right key back from its backup; where it is known to be right, remove keys.check"
    )]
    OtherKey {
        /// Which directory.
        path: String,
        /// Which key.
        name: String,
    },
    /// A name that cannot be a ledger's.
    #[error("the origin must be 1 to {ORIGIN_BYTES_MAX} visible ASCII characters without space or '+'")]
    Origin,
    /// Reading or writing failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// An open data directory, locked against other processes.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    origin: String,
    digest_key: [u8; KEY_BYTES],
    pseudonym_key: [u8; KEY_BYTES],
    vault_key: [u8; KEY_BYTES],
    log_signers: Vec<LogSigner>,
    _lock: File,
}

impl DataDirectory {
    /// Creates a ledger in a new or empty directory.
    pub fn create(path: &Path, genesis: Genesis<'_>, clock: &dyn Clock) -> Result<Self, DirectoryError> {
        let origin = genesis.origin;
        let visible = origin.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+');
        if origin.is_empty() || origin.len() > ORIGIN_BYTES_MAX || !visible {
            return Err(DirectoryError::Origin);
        }
        fs::create_dir_all(path).map_err(|error| Fault::new(format!("creating {}", path.display()), error))?;
        if !is_empty(path)? {
            return Err(DirectoryError::NotEmpty { path: path.display().to_string() });
        }
        let lock = lock(path, OpenLock::Create)?;
        for part in [LOG, SNAPSHOTS, PROJECTIONS, INDEX, KEYS] {
            let part = path.join(part);
            fs::create_dir(&part).map_err(|error| Fault::new(format!("creating {}", part.display()), error))?;
        }
        restrict(&path.join(KEYS))?;
        let keys = path.join(KEYS);
        let digest_key = new_key(&keys, DIGEST_KEY)?;
        let pseudonym_key = new_key(&keys, PSEUDONYM_KEY)?;
        let vault_key = new_key(&keys, VAULT_KEY)?;
        let log_keys = LogKeyFiles::new(&keys, origin);
        log_keys.add()?;
        let log_signers = log_keys.read()?;
        let mut log = SledLog::open(&path.join(LOG))?;
        super::create(&mut log, genesis, clock).map_err(|error| Fault::new("writing the genesis", error))?;
        log.adopt(log.head(), &[])?;
        drop(log);
        check_keys(path, [&digest_key, &pseudonym_key, &vault_key])?;
        // Last: a directory without it is incomplete, however far creating it got.
        write_format(path, origin)?;
        let (path, origin) = (path.to_owned(), origin.to_owned());
        Ok(Self { path, origin, digest_key, pseudonym_key, vault_key, log_signers, _lock: lock })
    }

    /// Opens the ledger in a directory.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let origin = identify(path)?;
        let incomplete = |missing: &str, cause: String| incomplete(path, missing, cause);
        check_parts(path)?;
        let lock = lock(path, OpenLock::Existing)?;
        remove_restoring(path)?;
        // Earlier versions had none.
        let index = path.join(INDEX);
        create_directory(&index).map_err(|error| Fault::new(format!("creating {}", index.display()), error))?;
        // Earlier versions had no vault. Of one that is there the key is needed.
        let keys = path.join(KEYS);
        if !path.join(VAULT).exists() && !keys.join(VAULT_KEY).exists() {
            new_key(&keys, VAULT_KEY)?;
        }
        // Earlier versions signed nothing. For what was signed once the key is needed.
        let log_keys = LogKeyFiles::new(&keys, &origin);
        log_keys.tidy().map_err(|fault| incomplete(KEYS, fault.to_string()))?;
        let log_signers = || {
            let signers = log_keys.read().map_err(|fault| incomplete(KEYS, fault.to_string()))?;
            Ok::<_, DirectoryError>(Some(signers).filter(|signers| !signers.is_empty()))
        };
        let log_signers = match log_signers()? {
            Some(signers) => signers,
            None if path.join(CHECKPOINT_FILE).exists() => {
                let missing = format!("{KEYS}/checkpoint.key");
                return Err(incomplete(&missing, "the log's signing key is not there".to_owned()));
            }
            None => {
                log_keys.add()?;
                log_keys.read()?
            }
        };
        let key = |name: &str| {
            read_key(&path.join(KEYS).join(name))
                .map_err(|error| incomplete(&format!("{KEYS}/{name}"), error.to_string()))
        };
        let (digest_key, pseudonym_key, vault_key) = (key(DIGEST_KEY)?, key(PSEUDONYM_KEY)?, key(VAULT_KEY)?);
        check_keys(path, [&digest_key, &pseudonym_key, &vault_key])?;
        Ok(Self { digest_key, pseudonym_key, vault_key, log_signers, path: path.to_owned(), origin, _lock: lock })
    }

    /// The ledger's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Where snapshots of the state lie.
    pub fn snapshots(&self) -> PathBuf {
        self.path.join(SNAPSHOTS)
    }

    /// Where snapshots of the views lie.
    pub fn projections(&self) -> PathBuf {
        self.path.join(PROJECTIONS)
    }

    /// Where runs of the history index lie.
    pub fn index(&self) -> PathBuf {
        self.path.join(INDEX)
    }

    /// Where the copy of the entries lies.
    pub fn entries(&self) -> PathBuf {
        self.path.join(ENTRIES)
    }

    /// Where the log lies.
    pub fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    pub(super) fn open_log(&self) -> Result<SledLog, Fault> {
        SledLog::open(&self.log())
    }

    /// Digests of commands and of their keys.
    pub fn digests(&self) -> Digests {
        digests(&self.digest_key)
    }

    /// Where the tree over the log lies.
    pub fn tree(&self) -> PathBuf {
        self.path.join(TREE)
    }

    /// Where the latest checkpoint lies: the directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The place of the keys that checkpoints are signed with.
    pub fn log_keys(&self) -> LogKeyFiles {
        LogKeyFiles::new(&self.path.join(KEYS), &self.origin)
    }

    /// The keys that checkpoints are signed with, as they were when the directory was opened; never none.
    pub fn log_signers(&self) -> &[LogSigner] {
        &self.log_signers
    }

    /// Where personal data lie.
    pub fn vault(&self) -> PathBuf {
        self.path.join(VAULT)
    }

    /// What personal data are sealed under.
    pub const fn vault_key(&self) -> &[u8; KEY_BYTES] {
        &self.vault_key
    }

    /// Pseudonyms of bank accounts.
    pub fn accounts(&self) -> KeyedDigest {
        KeyedDigest::new(&self.pseudonym_key, "fundledger/bank-account/v1")
    }

    /// Pseudonyms of payees.
    pub fn pseudonyms(&self) -> KeyedDigest {
        KeyedDigest::new(&self.pseudonym_key, "fundledger/payee/v1")
    }
}

/// What a directory that nobody serves is opened with, to be looked at and not to be changed.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) digests: Digests,
    /// None, where a start would make the first one.
    pub(super) log_signers: Vec<LogSigner>,
    _lock: File,
}

impl Examined {
    /// Reads what opening reads; makes nothing that is missing.
    pub(super) fn open(path: &Path) -> Result<Self, DirectoryError> {
        let origin = identify(path)?;
        check_parts(path)?;
        let lock = lock_for_reading(path)?;
        let keys = path.join(KEYS);
        let key = |name: &str| {
            read_key(&keys.join(name)).map_err(|error| incomplete(path, &format!("{KEYS}/{name}"), error.to_string()))
        };
        let log_keys = LogKeyFiles::new(&keys, &origin);
        let log_signers = log_keys.read().map_err(|fault| incomplete(path, KEYS, fault.to_string()))?;
        if log_signers.is_empty() && path.join(CHECKPOINT_FILE).exists() {
            let missing = format!("{KEYS}/checkpoint.key");
            return Err(incomplete(path, &missing, "the log's signing key is not there".to_owned()));
        }
        // Earlier versions had no vault.
        if path.join(VAULT).exists() || keys.join(VAULT_KEY).exists() {
            key(VAULT_KEY)?;
        }
        key(PSEUDONYM_KEY)?;
        Ok(Self { digests: digests(&key(DIGEST_KEY)?), log_signers, _lock: lock })
    }
}

fn digests(digest_key: &[u8; KEY_BYTES]) -> Digests {
    Digests {
        commands: KeyedDigest::new(digest_key, "fundledger/command/v1"),
        fingerprints: Fingerprints::new(digest_key),
    }
}

fn incomplete(path: &Path, missing: &str, cause: String) -> DirectoryError {
    DirectoryError::Incomplete { path: path.display().to_string(), missing: missing.to_owned(), cause }
}

/// Whether everything is there that no start makes.
fn check_parts(path: &Path) -> Result<(), DirectoryError> {
    for part in [LOG, SNAPSHOTS, PROJECTIONS, KEYS] {
        if !path.join(part).is_dir() {
            return Err(incomplete(path, part, "no such directory".to_owned()));
        }
    }
    if !path.join(LOG).join("db").is_file() {
        return Err(incomplete(path, "log/db", "no such file".to_owned()));
    }
    Ok(())
}

/// Whether nothing is there, so that `serve` knows an unmounted volume when it sees one.
pub fn is_empty(path: &Path) -> Result<bool, Fault> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Fault::new(format!("reading {}", path.display()), error)),
    }
}

/// Makes a private key for the log of a directory, served or not; the log decides when it signs.
pub fn add_log_key(path: &Path) -> Result<SignerKey, DirectoryError> {
    let origin = identify(path)?;
    Ok(LogKeyFiles::new(&path.join(KEYS), &origin).add()?)
}

/// Whether a directory is a ledger's, sound or not.
pub fn is_data_directory(path: &Path) -> bool {
    path.join(FORMAT_FILE).exists() || path.join(LOG).exists()
}

/// Checks that a directory holds a ledger of a layout this program knows; gives its origin. Writes nothing.
pub fn identify(path: &Path) -> Result<String, DirectoryError> {
    let shown = || path.display().to_string();
    let text = match read_at_most(&path.join(FORMAT_FILE), SMALL_FILE_BYTES_MAX) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(if is_empty(path)? || !path.join(LOG).exists() {
                DirectoryError::NoLedger { path: shown() }
            } else {
                DirectoryError::Incomplete { path: shown(), missing: FORMAT_FILE.to_owned(), cause: error.to_string() }
            });
        }
        Err(error) => {
            let cause = error.to_string();
            return Err(DirectoryError::Incomplete { path: shown(), missing: FORMAT_FILE.to_owned(), cause });
        }
    };
    let mut lines = text.lines();
    let title = lines.next().unwrap_or_default();
    let found = lines.next().and_then(|line| line.strip_prefix("format ")).unwrap_or("unknown");
    if title != FORMAT_TITLE || found.parse() != Ok(DIRECTORY_FORMAT) {
        return Err(DirectoryError::OtherVersion { path: shown(), found: found.to_owned() });
    }
    let origin = lines.next().and_then(|line| line.strip_prefix("origin "));
    origin.map(str::to_owned).ok_or_else(|| DirectoryError::Incomplete {
        path: shown(),
        missing: FORMAT_FILE.to_owned(),
        cause: "it names no origin".to_owned(),
    })
}

fn check_keys(path: &Path, [digest, pseudonym, vault]: [&[u8; KEY_BYTES]; 3]) -> Result<(), DirectoryError> {
    key_check::check(path, &[(DIGEST_KEY, digest), (PSEUDONYM_KEY, pseudonym), (VAULT_KEY, vault)])
}

/// Takes the lock for reading evidence, without writing: fails while a ledger is served from the directory.
pub fn lock_for_reading(path: &Path) -> Result<File, DirectoryError> {
    let locked = File::open(path.join(LOCK_FILE));
    let file = locked.map_err(|error| DirectoryError::Incomplete {
        path: path.display().to_string(),
        missing: LOCK_FILE.to_owned(),
        cause: error.to_string(),
    })?;
    match file.try_lock_shared() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DirectoryError::Locked { path: path.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(Fault::new(format!("locking {}", path.display()), error).into()),
    }
}

/// Whether a ledger is being served from a directory.
pub fn is_served(path: &Path) -> Result<bool, DirectoryError> {
    match lock_for_reading(path) {
        Ok(_) => Ok(false),
        Err(DirectoryError::Locked { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Takes the lock for building the log again; the file may have been lost as well.
pub(super) fn lock_for_restoring(path: &Path) -> Result<File, DirectoryError> {
    lock(path, OpenLock::Create)
}

/// Where snapshots of the state lie in a data directory.
pub(super) fn snapshots_path(path: &Path) -> PathBuf {
    path.join(SNAPSHOTS)
}

/// Where the keys lie in a data directory.
pub fn keys_path(path: &Path) -> PathBuf {
    path.join(KEYS)
}

/// The secrets of a ledger, wherever they lie.
#[derive(Debug)]
pub(super) struct Secrets {
    keys: Vec<(String, String)>,
    retired: Vec<(String, String)>,
    log_signers: Vec<LogSigner>,
}

impl Secrets {
    /// Reads all keys of a directory of keys, and looks whether they are some.
    pub(super) fn read(path: &Path) -> Result<Self, DirectoryError> {
        let incomplete = |name: &str, cause: String| {
            let path = path.display().to_string();
            DirectoryError::Incomplete { path, missing: name.to_owned(), cause }
        };
        for name in [DIGEST_KEY, PSEUDONYM_KEY, VAULT_KEY] {
            read_key(&path.join(name)).map_err(|error| incomplete(name, error.to_string()))?;
        }
        let log_keys = LogKeyFiles::of_any(path);
        let log_signers = log_keys.read().map_err(|fault| incomplete(KEYS, fault.to_string()))?;
        if log_signers.is_empty() {
            return Err(incomplete("checkpoint.key", "the log's signing key is not there".to_owned()));
        }
        let own = [DIGEST_KEY, PSEUDONYM_KEY, VAULT_KEY].map(str::to_owned);
        let names = own.into_iter().chain(log_signers.iter().map(LogSigner::file_name));
        let keys = names.map(|name| match read_at_most(&path.join(&name), SMALL_FILE_BYTES_MAX) {
            Ok(text) => Ok((name, text.trim_end().to_owned())),
            Err(error) => Err(incomplete(&name, error.to_string())),
        });
        Ok(Self { keys: keys.collect::<Result<_, _>>()?, retired: log_keys.retired_files(), log_signers })
    }

    /// Public halves of keys that signed once, as text.
    pub(super) fn retired(&self) -> impl Iterator<Item = &str> {
        self.retired.iter().map(|(_, key)| key.as_str())
    }

    /// What checkpoints are signed with, all in the ledger's name; never none.
    pub(super) fn log_signers(&self) -> &[LogSigner] {
        &self.log_signers
    }
}

/// All that a data directory has besides its log.
#[derive(Debug)]
pub(super) struct Skeleton {
    path: PathBuf,
    secrets: Secrets,
}

impl Skeleton {
    /// Of a directory that holds nothing yet but its lock, or what restoring it left when it was cut off.
    pub(super) fn begin(path: &Path, secrets: Secrets) -> Result<Self, Fault> {
        write_durably(path, RESTORING_FILE, b"this directory is being restored: run the same command again\n")?;
        Ok(Self { path: path.to_owned(), secrets })
    }

    /// Makes the directories, and writes the keys, as far as they are not there.
    pub(super) fn write(&self) -> Result<(), Fault> {
        for part in [SNAPSHOTS, PROJECTIONS, INDEX, KEYS] {
            let part = self.path.join(part);
            fs::create_dir_all(&part).map_err(|error| Fault::new(format!("creating {}", part.display()), error))?;
        }
        let keys = self.path.join(KEYS);
        restrict(&keys)?;
        for (name, secret) in self.secrets.keys.iter().chain(&self.secrets.retired) {
            let there = read_at_most(&keys.join(name), SMALL_FILE_BYTES_MAX);
            if !there.is_ok_and(|there| there.trim_end() == secret) {
                keep_secret(&keys, name, secret)?;
            }
        }
        Ok(())
    }

    /// Writes what makes the directory a ledger's: last.
    pub(super) fn complete(&self, origin: &str) -> Result<(), Fault> {
        write_format(&self.path, origin)?;
        remove_restoring(&self.path)
    }

    /// Leaves the directory as empty as it was, unless some of it was written: then it says so itself.
    pub(super) fn remove(&self) -> Result<(), Fault> {
        if self.path.join(SNAPSHOTS).exists() {
            return Ok(());
        }
        remove_restoring(&self.path)?;
        let removed = fs::remove_file(self.path.join(LOCK_FILE));
        removed.map_err(|error| Fault::new(format!("removing {}", self.path.display()), error))
    }
}

/// Whether a ledger can be restored in a directory as in a new one: nothing is there, or nothing but what restoring one left
/// when it was cut off.
pub(super) fn is_for_restoring(path: &Path) -> Result<bool, Fault> {
    if path.join(FORMAT_FILE).exists() {
        return Ok(false);
    }
    if path.join(RESTORING_FILE).exists() {
        return Ok(true);
    }
    let failed = |error: io::Error| Fault::new(format!("reading {}", path.display()), error);
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name != LOCK_FILE && !is_unfinished(Path::new(&name)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// From here on the directory is a ledger's.
fn remove_restoring(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path.join(RESTORING_FILE)) {
        Ok(()) => sync_directory(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Fault::new(format!("removing {}", path.join(RESTORING_FILE).display()), error)),
    }
}

/// Where the log's store lies in a data directory.
pub fn log_path(path: &Path) -> PathBuf {
    path.join(LOG)
}

/// Where the copy of the entries lies in a data directory.
pub fn entries_path(path: &Path) -> PathBuf {
    path.join(ENTRIES)
}

/// Where the personal data lie in a data directory.
pub fn vault_path(path: &Path) -> PathBuf {
    path.join(VAULT)
}

/// Where the tree over the log lies in a data directory.
pub fn tree_path(path: &Path) -> PathBuf {
    path.join(TREE)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OpenLock {
    Create,
    Existing,
}

fn lock(path: &Path, how: OpenLock) -> Result<File, DirectoryError> {
    let file_path = path.join(LOCK_FILE);
    let mut options = File::options();
    options.read(true).write(true);
    if how == OpenLock::Create {
        options.create(true);
    }
    let file = options.truncate(false).open(&file_path);
    let file = file.map_err(|error| Fault::new(format!("opening {}", file_path.display()), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DirectoryError::Locked { path: path.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(Fault::new(format!("locking {}", file_path.display()), error).into()),
    }
}

fn write_format(path: &Path, origin: &str) -> Result<(), Fault> {
    let format = format!("{FORMAT_TITLE}\nformat {DIRECTORY_FORMAT}\norigin {origin}\n");
    write_durably(path, FORMAT_FILE, format.as_bytes())?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

#[cfg(unix)]
fn restrict(path: &Path) -> Result<(), Fault> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .map_err(|error| Fault::new(format!("restricting {}", path.display()), error))
}

#[cfg(not(unix))]
fn restrict(_path: &Path) -> Result<(), Fault> {
    Ok(())
}

pub(super) fn random_key() -> Result<[u8; KEY_BYTES], Fault> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| Fault::new("taking random bytes for a key", error))?;
    Ok(key)
}

fn new_key(directory: &Path, name: &str) -> Result<[u8; KEY_BYTES], Fault> {
    let key = random_key()?;
    keep_secret(directory, name, &hexadecimal::of(&key))?;
    Ok(key)
}

/// Writes a secret to a new file that only its owner can read: whole, or not at all.
pub(super) fn keep_secret(directory: &Path, name: &str, secret: &str) -> Result<(), Fault> {
    let path = directory.join(name);
    if path.exists() {
        return Err(Fault::new(format!("writing {}", path.display()), "another key is there already"));
    }
    write_secret(directory, name, format!("{secret}\n").as_bytes())
}

fn read_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "not 64 hexadecimal digits");
    let text = read_at_most(path, SMALL_FILE_BYTES_MAX)?;
    let text = text.trim_end();
    let mut key = [0; KEY_BYTES];
    if text.len() != KEY_BYTES.saturating_mul(2) || !text.is_ascii() {
        return Err(invalid());
    }
    for (at, byte) in key.iter_mut().enumerate() {
        let start = at.saturating_mul(2);
        let digits = text.get(start..start.saturating_add(2)).ok_or_else(invalid)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| invalid())?;
    }
    Ok(key)
}
