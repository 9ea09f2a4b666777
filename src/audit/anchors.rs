//! What a log is held against from outside: checkpoints that somebody kept, keys that somebody pinned, witnesses that saw it.
//! A log alone can be consistent with itself and still be another one than yesterday's.

use super::frame::Hash;
use super::note::{Checkpoint, Note, NoteError, NoteKey};
use super::policy::Policy;
use super::report::{FaultKind, Findings, hex};
use super::tree::Tree;

/// What an audit is given to compare with.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    /// Checkpoints that the auditor kept: believed for what they say, whoever signed them.
    pub kept: Vec<String>,
    /// The checkpoints that came with the log: believed as far as their signatures go.
    pub served: Vec<String>,
    /// Keys of the log that the auditor has from elsewhere.
    pub keys: Vec<NoteKey>,
    /// The auditor's policy; its logs' keys count as well.
    pub policy: Option<Policy>,
    /// Seconds since 1970 before which a cosignature is too old to count.
    pub cosigned_since: Option<u64>,
    /// Seconds since 1970 after which a cosignature lies in the future, and does not count either.
    pub cosigned_until: Option<u64>,
}

/// A checkpoint, with what its signatures are worth.
struct Claim {
    checkpoint: Checkpoint,
    is_kept: bool,
    /// Whether a key of the log that is known signed it, where any is.
    is_signed: bool,
    is_witnessed: bool,
}

impl Claim {
    /// The last event it covers.
    fn sequence(&self) -> i64 {
        i64::try_from(self.checkpoint.size).unwrap_or(i64::MAX).saturating_sub(1).max(0)
    }
}

/// The claims of an audit, and what they found.
pub(super) struct Claims<'a> {
    anchors: &'a Anchors,
    all: Vec<Claim>,
    findings: Findings,
}

/// What the claims came to.
pub(super) struct Compared {
    pub(super) findings: Findings,
    /// Up to which size the log is anchored outside.
    pub(super) anchored_size: Option<u64>,
    /// Whether there are checkpoints of whose signatures nothing can be said: an earlier key of the log's made them.
    pub(super) has_earlier_keys: bool,
}

/// What the log turned out to be.
pub(super) struct Found<'a> {
    pub(super) origin: Option<&'a str>,
    pub(super) last_sequence: i64,
    pub(super) is_whole: bool,
    pub(super) roots: &'a [(u64, Hash)],
}

impl Anchors {
    /// Looks at the signatures, before the log is read.
    pub(super) fn claims(&self) -> Claims<'_> {
        let mut claims = Claims { anchors: self, all: Vec::new(), findings: Findings::default() };
        let kept = self.kept.iter().map(|note| (note, true));
        for (note, is_kept) in kept.chain(self.served.iter().map(|note| (note, false))) {
            match claims.claim(note, is_kept) {
                Ok(claim) => claims.all.push(claim),
                Err(error) => {
                    let message = fact!("a checkpoint cannot be believed: {}", error);
                    claims.findings.add(0, FaultKind::Signature, message);
                }
            }
        }
        claims
    }

    /// Keys of logs, pinned one by one or by the policy.
    pub(super) fn log_keys(&self) -> impl Iterator<Item = &NoteKey> {
        let of_policy = self.policy.iter().flat_map(Policy::logs).map(|log| &log.key);
        self.keys.iter().chain(of_policy)
    }

    pub(super) fn has_checkpoint(&self) -> bool {
        !self.kept.is_empty() || !self.served.is_empty()
    }

    pub(super) fn has_keys(&self) -> bool {
        self.has_checkpoint() && self.log_keys().next().is_some()
    }

    pub(super) fn needs_witnesses(&self) -> bool {
        self.policy.as_ref().is_some_and(Policy::needs_witnesses)
    }
}

impl Claims<'_> {
    fn claim(&mut self, note: &str, is_kept: bool) -> Result<Claim, NoteError> {
        let note = Note::parse(note)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        let signed_by = note.signers(self.anchors.log_keys())?;
        let is_signed = signed_by.iter().any(|signer| signer.key.name() == checkpoint.origin);
        let mut claim = Claim { checkpoint, is_kept, is_signed, is_witnessed: false };
        if let Some(policy) = &self.anchors.policy {
            let mut signers = note.signers(policy.witnesses().iter().map(|witness| &witness.key))?;
            signers.retain(|signer| self.anchors.cosigned_since.is_none_or(|since| signer.time >= since));
            signers.retain(|signer| self.anchors.cosigned_until.is_none_or(|until| signer.time <= until));
            claim.is_witnessed = policy.needs_witnesses() && is_signed && policy.is_met(&signers);
        }
        Ok(claim)
    }

    /// Sizes whose roots are to be compared.
    pub(super) fn sizes(&self) -> Vec<u64> {
        self.all.iter().map(|claim| claim.checkpoint.size).collect()
    }

    /// Every checkpoint must be signed by a key that is known. After a change of keys there may be older ones beside one that
    /// is: those are of the log if they fit it, and nothing can be said of their signatures.
    fn check_signatures(&mut self) -> bool {
        if self.anchors.log_keys().next().is_none() {
            return false;
        }
        let served = self.all.iter().filter(|claim| !claim.is_kept && claim.is_signed);
        let newest = served.map(|claim| claim.checkpoint.size).max();
        let mut has_earlier_keys = false;
        for claim in self.all.iter().filter(|claim| !claim.is_signed) {
            let size = claim.checkpoint.size;
            if !claim.is_kept && newest.is_some_and(|newest| size < newest) {
                has_earlier_keys = true;
                continue;
            }
            let message = fact!("no key of the log that is known signed the checkpoint over {} entries", size);
            self.findings.add(claim.sequence(), FaultKind::Signature, message);
        }
        has_earlier_keys
    }

    /// Compares the claims with the log.
    pub(super) fn compare(mut self, found: &Found<'_>) -> Compared {
        let has_earlier_keys = self.check_signatures();
        let mut anchored_size = None;
        for claim in &self.all {
            let sequence = claim.sequence();
            let Checkpoint { origin, size, root } = &claim.checkpoint;
            if found.origin.is_some_and(|found| found != origin) {
                let message =
                    fact!("a checkpoint is of the log {}, this is {}", origin, found.origin.unwrap_or_default());
                self.findings.add(sequence, FaultKind::Root, message);
                continue;
            }
            let root_of = |size: u64| {
                let empty = (size == 0).then(|| Tree::default().root());
                found.roots.iter().find(|(of, _)| *of == size).map(|(_, root)| *root).or(empty)
            };
            match root_of(*size) {
                Some(computed) if computed == *root => {
                    // Every log begins with no entries.
                    let is_outside = *size > 0 && (claim.is_kept || claim.is_witnessed);
                    anchored_size = anchored_size.max(is_outside.then_some(*size));
                }
                Some(computed) => {
                    let message = fact!(
                        "the first {} entries have the root {}, a checkpoint says {}",
                        size,
                        hex(&computed),
                        hex(root)
                    );
                    self.findings.add(sequence, FaultKind::Root, message);
                }
                None if found.is_whole && sequence > found.last_sequence => {
                    let message =
                        fact!("the log ends at sequence {}, a checkpoint covers {} entries", found.last_sequence, size);
                    self.findings.add(found.last_sequence.saturating_add(1), FaultKind::Head, message);
                }
                // Entries before it are missing or unreadable, which is reported where they are.
                None => {}
            }
        }
        if self.anchors.needs_witnesses()
            && !self.all.iter().any(|claim| claim.is_witnessed && claim.checkpoint.size > 0)
        {
            let last = found.last_sequence.max(0);
            let message = fact!("no checkpoint is cosigned by the quorum of the policy");
            self.findings.add(last, FaultKind::Witness, message);
        }
        Compared { findings: self.findings, anchored_size, has_earlier_keys }
    }
}
