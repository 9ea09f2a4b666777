//! The private keys that the log signs with, as files in the directory: which of them sign is what the log says.
//!
//! ```text
//! checkpoint.key           the first one, made with the ledger
//! checkpoint-HASH.key      one that came later
//! checkpoint….retired      what is left of one that was retired: its public half
//! ```
//!
//! A key is destroyed by writing its public half, then zeros over it, then removing it; one of zeros beside its public half is
//! what a crash left of that. A key is made beside its name and renamed, so that it is there whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::domain::log_key::{LogKey, LogKeys};
use crate::format::note_key::{SignerKey, VerifierKey};
use crate::log::Fault;
use crate::log::files::{is_unfinished, read_at_most, write_durably};
use crate::log::sled::sync_directory;

const FIRST: &str = "checkpoint.key";
const PREFIX: &str = "checkpoint";
const PRIVATE: &str = "key";
const RETIRED: &str = "retired";
/// Longest file of a key, in bytes: a name and two short parts.
const KEY_FILE_BYTES_MAX: usize = 4_096;

/// A private key of the log.
#[derive(Clone, Debug)]
pub struct LogSigner {
    path: PathBuf,
    /// The key.
    pub key: SignerKey,
    /// Whether it was made with the ledger: the log does not name it before it is retired.
    is_first: bool,
}

impl LogSigner {
    /// Its public half, as the log names it.
    pub fn public(&self) -> LogKey {
        LogKey::stored(self.key.verifier().to_string())
    }

    /// Name of its file.
    pub fn file_name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Whether it signs, by what the log says.
    pub fn signs(&self, keys: &LogKeys) -> bool {
        keys.signs(&self.public(), self.is_first)
    }

    /// Destroys a key that was retired; its public half stays.
    pub fn destroy(&self) -> Result<(), Fault> {
        let failed = |error: io::Error| Fault::new(format!("destroying {}", self.path.display()), error);
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let name = self.path.with_extension(RETIRED);
        let name = name.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        write_durably(directory, name, format!("{}\n", self.public()).as_bytes())?;
        // Whatever cuts this off from here on: beside its public half zeros are a key that was destroyed.
        let length = fs::metadata(&self.path).map_err(failed)?.len();
        let mut file = fs::OpenOptions::new().write(true).open(&self.path).map_err(failed)?;
        file.write_all(&vec![0; usize::try_from(length).unwrap_or_default()]).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::remove_file(&self.path).map_err(failed)?;
        sync_directory(directory)
    }
}

/// The place of the log's keys.
#[derive(Clone, Debug)]
pub struct LogKeyFiles {
    directory: PathBuf,
    /// The log's name, where it is known before its keys are read.
    origin: Option<String>,
}

impl LogKeyFiles {
    /// Keys of a log, in a directory.
    pub fn new(directory: &Path, origin: &str) -> Self {
        Self { directory: directory.to_owned(), origin: Some(origin.to_owned()) }
    }

    /// Keys of whichever log they are of.
    pub fn of_any(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), origin: None }
    }

    fn files(&self, extension: &str) -> Result<Vec<PathBuf>, Fault> {
        let failed = |error: io::Error| Fault::new(format!("reading {}", self.directory.display()), error);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let is_ours = path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.starts_with(PREFIX));
            if is_ours && path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// The private keys, the first one before those that came later. One that is damaged, or another log's, is an error: a
    /// checkpoint without its signature would be none to whoever knows it alone. Remains are passed over.
    pub fn read(&self) -> Result<Vec<LogSigner>, Fault> {
        let mut signers: Vec<LogSigner> = Vec::new();
        for path in self.files(PRIVATE)? {
            let failed = |cause: String| Fault::new(format!("reading {}", path.display()), cause);
            let text = read_at_most(&path, KEY_FILE_BYTES_MAX).map_err(|error| failed(error.to_string()))?;
            if is_remains(&path, &text) {
                continue;
            }
            let key = SignerKey::parse(&text).map_err(|error| failed(error.to_string()))?;
            let origin = self.origin.as_deref().or_else(|| signers.first().map(|signer| signer.key.name()));
            if let Some(origin) = origin.filter(|origin| *origin != key.name()) {
                return Err(failed(format!("it is a key of {}, not of {origin}", key.name())));
            }
            let is_first = path.file_name().is_some_and(|name| name == FIRST);
            signers.push(LogSigner { path, key, is_first });
        }
        signers.sort_by_key(|signer| !signer.is_first);
        Ok(signers)
    }

    /// Removes what a crash left of keys that were being destroyed or made: none of it is a key.
    pub fn tidy(&self) -> Result<(), Fault> {
        let failed = |path: &Path, error: io::Error| Fault::new(format!("removing {}", path.display()), error);
        let mut remains = Vec::new();
        for path in self.files(PRIVATE)? {
            if read_at_most(&path, KEY_FILE_BYTES_MAX).is_ok_and(|text| is_remains(&path, &text)) {
                remains.push(path);
            }
        }
        let listed = fs::read_dir(&self.directory).map_err(|error| failed(&self.directory, error))?;
        remains.extend(listed.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| is_unfinished(path)));
        for path in &remains {
            tracing::warn!(path = %path.display(), "removing what was left of a key");
            fs::remove_file(path).map_err(|error| failed(path, error))?;
        }
        if remains.is_empty() { Ok(()) } else { sync_directory(&self.directory) }
    }

    /// Public halves of keys that were retired, as text.
    pub fn retired(&self) -> Vec<String> {
        self.retired_files().into_iter().map(|(_, text)| text).collect()
    }

    /// Files of public halves of keys that were retired, with their texts. One that is damaged says nothing.
    pub fn retired_files(&self) -> Vec<(String, String)> {
        let files = self.files(RETIRED).unwrap_or_default();
        let texts = files.iter().filter_map(|path| {
            let text = read_at_most(path, KEY_FILE_BYTES_MAX).ok()?.trim_end().to_owned();
            let name = path.file_name()?.to_str()?.to_owned();
            VerifierKey::parse(&text).is_ok().then_some((name, text))
        });
        texts.collect()
    }

    /// The keys that sign by what the log says, and are none of these: the files of some, the public halves of others.
    pub fn missing(&self, signing: &[LogSigner], keys: &LogKeys) -> Vec<String> {
        let first = self.directory.join(FIRST);
        // Before it is retired the log does not name it.
        let is_first_missing = !first.exists() && !first.with_extension(RETIRED).exists();
        let announced = keys.announced().filter(|key| !signing.iter().any(|signer| signer.public() == **key));
        is_first_missing.then(|| FIRST.to_owned()).into_iter().chain(announced.map(LogKey::to_string)).collect()
    }

    /// Makes a key. It signs once the log says so.
    pub fn add(&self) -> Result<SignerKey, Fault> {
        let origin = self.origin.as_deref().unwrap_or_default();
        let key = SignerKey::from_seed(origin, &super::directory::random_key()?);
        let is_empty = self.files(PRIVATE)?.is_empty() && self.files(RETIRED)?.is_empty();
        let name = if is_empty { FIRST.to_owned() } else { format!("{PREFIX}-{}.{PRIVATE}", key.verifier().hash()) };
        super::directory::keep_secret(&self.directory, &name, &key.secret_text())?;
        Ok(key)
    }
}

/// Whether a file that has a key's name is what a crash left of one: zeros beside the public half of a key that was destroyed,
/// or nothing where a later one was to be.
fn is_remains(path: &Path, text: &str) -> bool {
    let is_retired = path.with_extension(RETIRED).exists();
    let is_first = path.file_name().is_some_and(|name| name == FIRST);
    if text.is_empty() { is_retired || !is_first } else { is_retired && text.contains('\0') }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wherever destroying a key is cut off, it is none that signs, none that is missing, and no obstacle.
    #[test]
    fn a_key_that_was_half_destroyed_is_cleaned_up() {
        let directory = tempfile::tempdir().unwrap();
        let keys = LogKeyFiles::new(directory.path(), "ledger.example.org/funds");
        let (first, later) = (keys.add().unwrap(), keys.add().unwrap());
        let path = directory.path().join(FIRST);
        let whole = fs::read(&path).unwrap();
        keys.read().unwrap().remove(0).destroy().unwrap();
        assert!(!path.exists());
        let public = later.verifier().to_string();
        let mut half = whole.clone();
        half.get_mut(..20).unwrap().fill(0);
        for left in [Vec::new(), vec![0; whole.len()], half] {
            fs::write(&path, &left).unwrap();
            fs::write(directory.path().join("checkpoint-0badc0de.key"), "").unwrap();
            fs::write(directory.path().join("checkpoint-0badc0de.key.new"), "PRIV").unwrap();
            let read: Vec<String> = keys.read().unwrap().iter().map(|signer| signer.public().to_string()).collect();
            assert_eq!(read, std::slice::from_ref(&public));
            assert_eq!(keys.retired(), [first.verifier().to_string()]);
            keys.tidy().unwrap();
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "one that signs, one that was retired");
        }
        // Zeros where nothing says that the key was destroyed are damage.
        fs::remove_file(path.with_extension(RETIRED)).unwrap();
        for left in [Vec::new(), vec![0; whole.len()]] {
            fs::write(&path, left).unwrap();
            assert!(keys.read().is_err());
            keys.tidy().unwrap();
            assert!(path.exists());
        }
    }

    /// A key is there whole or not at all, for its owner alone, and takes no other's place.
    #[test]
    fn a_key_is_made_at_once() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.key.new"), "of a crash, and longer than what is written now").unwrap();
        super::super::directory::keep_secret(directory.path(), "b.key", "secret").unwrap();
        super::super::directory::keep_secret(directory.path(), "a.key", "secret").unwrap();
        let path = directory.path().join("a.key");
        assert_eq!(fs::read_to_string(&path).unwrap(), "secret\n");
        assert_eq!(fs::metadata(directory.path().join("b.key")).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(super::super::directory::keep_secret(directory.path(), "a.key", "other").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "secret\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
        // Where it cannot be written nothing is left of it.
        fs::create_dir(directory.path().join("c.key.new")).unwrap();
        assert!(super::super::directory::keep_secret(directory.path(), "c.key", "secret").is_err());
        assert!(!directory.path().join("c.key").exists());
    }
}
