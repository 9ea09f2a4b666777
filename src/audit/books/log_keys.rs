//! Keys that the log signs its checkpoints with: announced once, retired once, and never the last one.

use std::collections::BTreeMap;

use super::Books;
use crate::audit::note::{KeyKind, NoteKey};
use crate::audit::report::FaultKind;
use crate::pb::v1::{LogKeyChange, LogKeyRotated};

/// What was last said of each key, as text.
pub(super) type LogKeys = BTreeMap<String, LogKeyChange>;

impl Books {
    /// A key is announced or retired.
    pub(super) fn rotate_log_key(&mut self, sequence: i64, rotated: &LogKeyRotated) {
        let LogKeyRotated { verifier_key, .. } = rotated;
        let mut wrong = Vec::new();
        match NoteKey::parse(verifier_key).ok().filter(|key| key.kind() == KeyKind::Log) {
            Some(key) => self.releases.key_changed(sequence, &key, rotated.change()),
            None => wrong.push(fact!("{} is no public key of a log", format_args!("{verifier_key:?}"))),
        }
        let others =
            self.log_keys.iter().filter(|(key, change)| *key != verifier_key && **change == LogKeyChange::Announced);
        let has_other = others.count() > 0;
        let before = self.log_keys.insert(verifier_key.clone(), rotated.change());
        let fits = match (rotated.change(), before) {
            (LogKeyChange::Announced, None) => true,
            (LogKeyChange::Retired, None | Some(LogKeyChange::Announced)) => has_other,
            (LogKeyChange::Unspecified, _) | (LogKeyChange::Announced | LogKeyChange::Retired, Some(_)) => false,
        };
        if !fits {
            wrong.push(fact!("the key {} of the log is announced or retired out of order", verifier_key));
        }
        for message in wrong {
            self.findings.add(sequence, FaultKind::Approval, message);
        }
    }
}
