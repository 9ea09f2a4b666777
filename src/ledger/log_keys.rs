//! The private keys that the log signs with, as files in the directory: which of them sign is what the log says.
//!
//! ```text
//! checkpoint.key           the first one, made with the ledger
//! checkpoint-HASH.key      one that came later
//! checkpoint….retired      what is left of one that was retired: its public half
//! ```

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::domain::log_key::{LogKey, LogKeys};
use crate::format::note_key::SignerKey;
use crate::log::Fault;
use crate::log::files::write_durably;
use crate::log::sled::sync_directory;

const FIRST: &str = "checkpoint.key";
const PREFIX: &str = "checkpoint";
const PRIVATE: &str = "key";
const RETIRED: &str = "retired";

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
    /// checkpoint without its signature would be none to whoever knows it alone.
    pub fn read(&self) -> Result<Vec<LogSigner>, Fault> {
        let mut signers: Vec<LogSigner> = Vec::new();
        for path in self.files(PRIVATE)? {
            let failed = |cause: String| Fault::new(format!("reading {}", path.display()), cause);
            let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
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

    /// Public halves of keys that were retired, as text.
    pub fn retired(&self) -> Vec<String> {
        let files = self.files(RETIRED).unwrap_or_default();
        files.iter().filter_map(|path| fs::read_to_string(path).ok()).map(|text| text.trim_end().to_owned()).collect()
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
