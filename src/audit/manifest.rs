//! The manifest of a bundle: what the bundle says of itself, held against what is in it (docs/format.md, Bundle). It is no
//! evidence of anything but of what whoever made the bundle meant to put into it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::KeyValue;
use super::note::Checkpoint;
use super::report::{Fact, hex};

/// Longest manifest that is read.
const MANIFEST_BYTES_MAX: usize = 1 << 16;
const FORMAT: &str = "fundledger bundle";
/// What may be attached besides the manifest, in this order.
const NAMES: [&str; 3] = ["checkpoint", "checkpoint.witnessed", "policy"];
/// Reasons for having no tiles.
const NO_CHECKPOINT: &str = "no_checkpoint";
const LOG_DAMAGED: &str = "log_damaged";
pub(super) const CHECKPOINT_UNFIT: &str = "checkpoint_unfit";
const MAKER_CHARS_MAX: usize = 64;

/// A manifest. The keys, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: String,
    version: u64,
    pub(super) made_by: String,
    pub(super) made_at: Option<String>,
    values: u64,
    log: Option<LogSummary>,
    checkpoint: Option<Covered>,
    tiles: u64,
    without_tiles: Option<String>,
    attachments: Vec<Listed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LogSummary {
    origin: String,
    entries: u64,
    last_sequence: u64,
    head: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Covered {
    size: u64,
    root: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    bytes: u64,
    sha256: String,
}

/// What was found in a bundle that was read to its end.
pub(super) struct Contents<'a> {
    pub(super) values: u64,
    pub(super) tiles: u64,
    pub(super) events: u64,
    /// Sequence and hash of the last entry.
    pub(super) head: Option<(u64, String)>,
    pub(super) origin: Option<&'a str>,
    pub(super) checkpoint: Option<&'a Checkpoint>,
    /// Whether anything in the log was found to be wrong.
    pub(super) is_log_broken: bool,
}

impl Manifest {
    /// Reads a manifest. There is one way to write what it says, so that no two programs read two things in it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Fact> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(fact!("the manifest has {} bytes", bytes.len()));
        }
        // The parser's own words would repeat what stands in the file.
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| {
            fact!("the manifest cannot be read at line {}, column {}", error.line(), error.column())
        })?;
        let written = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
        if bytes.strip_suffix(b"\n") != Some(written.as_slice()) {
            return Err(fact!("the manifest is not written as the format says"));
        }
        if manifest.format != FORMAT || manifest.version != 3 {
            return Err(fact!("the manifest is of another format or version"));
        }
        let is_shown = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if manifest.made_by.len() > MAKER_CHARS_MAX || !is_shown(&manifest.made_by) {
            return Err(fact!("the manifest does not say which program made it"));
        }
        if manifest.made_at.as_deref().is_some_and(|time| !is_time(time)) {
            return Err(fact!("the manifest's time is not of the form YYYY-MM-DDTHH:MM:SSZ"));
        }
        if !manifest.is_consistent() {
            return Err(fact!("the manifest contradicts itself"));
        }
        Ok(manifest)
    }

    /// Whether it gives the reason for having no tiles that follows from the rest of it.
    fn is_consistent(&self) -> bool {
        let reason = match (&self.checkpoint, &self.log) {
            (None, _) => Some(NO_CHECKPOINT),
            (Some(_), None) => Some(LOG_DAMAGED),
            // Whether it fits is seen in the log.
            (Some(_), Some(_)) => self.without_tiles.as_deref().filter(|why| *why == CHECKPOINT_UNFIT),
        };
        self.without_tiles.as_deref() == reason && (self.tiles == 0 || reason.is_none())
    }

    /// Whether it says that there are no tiles, and why.
    pub(super) fn without_tiles(&self) -> Option<&str> {
        self.without_tiles.as_deref()
    }

    /// Holds the attachments behind the manifest against its list.
    pub(super) fn check_attachments(&self, attachments: &[KeyValue]) -> Vec<Fact> {
        let mut wrong = Vec::new();
        let places = self.attachments.iter().map(|listed| NAMES.iter().position(|name| *name == listed.name));
        let places: Option<Vec<usize>> = places.collect();
        if !places.is_some_and(|places| places.is_sorted_by(|one, next| one < next)) {
            wrong.push(fact!("the manifest lists attachments that are unknown, twice there or out of order"));
        }
        let found = attachments.iter().map(|(name, _)| name.as_slice());
        if !found.eq(self.attachments.iter().map(|listed| listed.name.as_bytes())) {
            wrong.push(fact!("the bundle has other attachments than its manifest lists"));
            return wrong;
        }
        for (listed, (_, bytes)) in self.attachments.iter().zip(attachments) {
            let is_same =
                u64::try_from(bytes.len()) == Ok(listed.bytes) && hex(&Sha256::digest(bytes)) == listed.sha256;
            if !is_same {
                let name = NAMES.iter().find(|name| **name == listed.name).copied().unwrap_or_default();
                wrong.push(fact!("the attachment {} is not the one that the manifest lists", name));
            }
            if std::str::from_utf8(bytes).is_err() {
                wrong.push(fact!("an attachment is not UTF-8"));
            }
        }
        wrong
    }

    /// Holds the manifest against what was found.
    pub(super) fn check(&self, found: &Contents<'_>) -> Vec<Fact> {
        let mut wrong = Vec::new();
        if self.values != found.values {
            wrong.push(fact!("the manifest counts {} values, the bundle has {}", self.values, found.values));
        }
        if self.tiles != found.tiles {
            wrong.push(fact!("the manifest counts {} tiles, the bundle has {}", self.tiles, found.tiles));
        }
        match &self.log {
            Some(log) => {
                if log.entries != found.events {
                    wrong.push(fact!("the manifest counts {} entries, the log has {}", log.entries, found.events));
                }
                if found.head.as_ref() != Some(&(log.last_sequence, log.head.clone())) {
                    wrong.push(fact!("the manifest names another last entry than the log has"));
                }
                if found.origin.is_some_and(|origin| origin != log.origin) {
                    wrong.push(fact!("the manifest names another log than the genesis does"));
                }
            }
            None if !found.is_log_broken => {
                wrong.push(fact!("the manifest says that the log cannot be followed, and it can"));
            }
            None => {}
        }
        // A checkpoint that cannot be read is reported where checkpoints are.
        let said = self.checkpoint.as_ref().map(|covered| (covered.size, covered.root.clone()));
        let is_other = found.checkpoint.is_some_and(|found| said != Some((found.size, hex(&found.root))));
        let lists_one = self.attachments.iter().any(|listed| listed.name == NAMES[0]);
        if is_other || (said.is_some() && !lists_one) {
            wrong.push(fact!("the manifest says something else of the checkpoint than the checkpoint does"));
        }
        wrong
    }
}

/// Whether a text is a moment to the second, in UTC.
fn is_time(text: &str) -> bool {
    let form = "0000-00-00T00:00:00Z";
    let fits = |(found, form): (u8, u8)| if form == b'0' { found.is_ascii_digit() } else { found == form };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}
