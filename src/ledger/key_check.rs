//! Whether the ledger's own keys are those that it has always had. Under another key no retry is known, no payee is found, and
//! no personal data can be opened, and nothing else would say so.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::directory::DirectoryError;
use crate::format::hexadecimal;
use crate::format::keyed::KEY_BYTES;
use crate::log::Fault;
use crate::log::files::{read_at_most, write_durably};

/// The file: a line for each key, its name and the hash of its bytes. The keys are 32 random bytes, so that a hash tells nothing
/// of them.
pub(super) const CHECK_FILE: &str = "keys.check";
const TAG: &str = "fundledger/key-check/v1";
const BYTES_MAX: usize = 4_096;

/// Compares keys with the file; a directory that has none gets one.
pub(super) fn check(path: &Path, keys: &[(&str, &[u8; KEY_BYTES])]) -> Result<(), DirectoryError> {
    let lines = keys.iter().map(|(name, key)| (name, format!("{name} {}\n", hash(name, key))));
    let kept = match read_at_most(&path.join(CHECK_FILE), BYTES_MAX) {
        Ok(kept) => kept,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text: String = lines.map(|(_, line)| line).collect();
            return Ok(write_durably(path, CHECK_FILE, text.as_bytes())?);
        }
        Err(error) => return Err(Fault::new(format!("reading {}", path.join(CHECK_FILE).display()), error).into()),
    };
    for (name, line) in lines {
        if !kept.lines().any(|kept| kept == line.trim_end()) {
            return Err(DirectoryError::OtherKey { path: path.display().to_string(), name: (*name).to_owned() });
        }
    }
    Ok(())
}

fn hash(name: &str, key: &[u8; KEY_BYTES]) -> String {
    let digest = Sha256::new().chain_update(TAG).chain_update(name).chain_update(key).finalize();
    hexadecimal::of(&digest)
}
