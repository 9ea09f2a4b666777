//! Checkpoints and proofs: what whoever holds them can check without this server.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use prost::bytes::Bytes;
use tonic::Status;

use super::convert::Violation;
use super::node::Node;
use super::reading::beyond;
use super::spans::spawn_blocking;
use super::status::Statuses;
use crate::audit::tree::{includes, is_consistent};
use crate::domain::refusal::Reason;
use crate::format::checkpoint::proof_file;
use crate::format::record::EntryHash;
use crate::format::tree::{Edge, TreeHash, consistency_proof, inclusion_proof};
use crate::ledger::checkpoints::Signed;
use crate::log::tree::TreeFiles;
use crate::log::{Fault, LogRead};
use crate::pb::v1;

/// Longest a request waits for a checkpoint.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(10);

/// What a request for a proof needs.
pub(super) struct Proofs {
    pub(super) node: Arc<Node>,
    pub(super) statuses: Statuses,
}

impl Proofs {
    pub(super) async fn checkpoint(
        self,
        request: v1::GetCheckpointRequest,
    ) -> Result<v1::GetCheckpointResponse, Status> {
        let latest = self.checkpoint_for(&request).await?;
        Ok(v1::GetCheckpointResponse {
            checkpoint: latest.note.clone(),
            tree_size: signed(latest.checkpoint.size),
            root_hash: latest.checkpoint.root.to_vec().into(),
            verifier_key: self.node.checkpoints().verifier_key(),
        })
    }

    pub(super) async fn inclusion(
        self,
        request: v1::GetInclusionProofRequest,
    ) -> Result<v1::GetInclusionProofResponse, Status> {
        let latest = self.covering("sequence", request.sequence, request.witnessed, WAIT_MAX).await?;
        let sequence = request.sequence;
        let (index, size) = (sequence.unsigned_abs(), latest.checkpoint.size);
        let root = latest.checkpoint.root;
        let read = move |tree: &TreeFiles, log: &dyn LogRead| {
            let hashes = inclusion_proof(tree, index, size).map_err(|error| unread(&error))?;
            let entry = log.entry_at(sequence)?.ok_or_else(|| Fault::new("reading the log", "an entry is missing"))?;
            let hash = EntryHash::of(&entry);
            // The files are not read whole at the start: what is damaged in them must not leave as a proof.
            if includes(index, size, &hash.0, &hashes, &root) { Ok((hash, hashes)) } else { Err(damaged()) }
        };
        let (entry_hash, hashes) = self.read(read).await?;
        Ok(v1::GetInclusionProofResponse {
            sequence,
            entry_hash: entry_hash.0.to_vec().into(),
            tree_size: signed(size),
            tlog_proof: proof_file(index, &hashes, &latest.note),
            hashes: on_the_wire(&hashes),
            checkpoint: latest.note.clone(),
        })
    }

    pub(super) async fn consistency(
        self,
        request: v1::GetConsistencyProofRequest,
    ) -> Result<v1::GetConsistencyProofResponse, Status> {
        let v1::GetConsistencyProofRequest { old_tree_size, tree_size } = request;
        // The last entry that must be signed; of an empty log there is none.
        let latest = self.covering("tree_size", tree_size.unwrap_or(1).saturating_sub(1), false, WAIT_MAX).await?;
        let (signed_size, signed_root) = (latest.checkpoint.size, latest.checkpoint.root);
        let size = tree_size.map_or(signed_size, i64::unsigned_abs);
        let old_size = u64::try_from(old_tree_size).ok().filter(|old_size| *old_size <= size);
        let Some(old_size) = old_size else {
            return Err(self.violation("old_tree_size", format!("is {old_tree_size}, not from 0 to {size}")));
        };
        let read = move |tree: &TreeFiles, _: &dyn LogRead| {
            let hashes = consistency_proof(tree, old_size, size);
            let root_of = |size| Edge::read(tree, size).map(|edge| edge.root()).map_err(|error| unread(&error));
            let (hashes, old_root, root) =
                (hashes.map_err(|error| unread(&error))?, root_of(old_size)?, root_of(size)?);
            let is_signed = size != signed_size || root == signed_root;
            let holds = is_signed && is_consistent((old_size, &old_root), (size, &root), &hashes);
            if holds { Ok((hashes, root)) } else { Err(damaged()) }
        };
        let (hashes, root) = self.read(read).await?;
        Ok(v1::GetConsistencyProofResponse {
            old_tree_size,
            tree_size: signed(size),
            hashes: on_the_wire(&hashes),
            root_hash: root.to_vec().into(),
            checkpoint: latest.note.clone(),
        })
    }

    async fn checkpoint_for(&self, request: &v1::GetCheckpointRequest) -> Result<Arc<Signed>, Status> {
        let v1::GetCheckpointRequest { min_sequence, witnessed } = *request;
        // A ledger that has just begun signs its first one in a moment. Whether witnesses ever cosign one nobody knows.
        let comes_soon = !witnessed && self.node.checkpoints().latest().is_none();
        let patience = if min_sequence.is_some() || comes_soon { WAIT_MAX } else { Duration::ZERO };
        self.covering("min_sequence", min_sequence.unwrap_or(0), witnessed, patience).await
    }

    /// The latest checkpoint, or the latest that witnesses cosigned, once it covers a sequence.
    pub(super) async fn covering(
        &self,
        field: &str,
        sequence: i64,
        witnessed: bool,
        patience: Duration,
    ) -> Result<Arc<Signed>, Status> {
        if sequence < 0 {
            return Err(self.violation(field, format!("is {sequence}; it starts at 0")));
        }
        let committed = self.node.ledger().committed().sequence;
        if sequence > committed {
            return Err(self.statuses.reason(Reason::SequenceBeyondHead, &beyond(sequence, committed)));
        }
        let checkpoints = self.node.checkpoints();
        let mut latest = if witnessed { checkpoints.subscribe_witnessed() } else { checkpoints.subscribe() };
        let covers = |signed: &Option<Arc<Signed>>| {
            signed.as_ref().is_some_and(|latest| latest.checkpoint.size > sequence.unsigned_abs())
        };
        // Where nothing is signed any more, waiting is in vain.
        let is_refused = checkpoints.refused().is_some();
        let patience = if is_refused { Duration::ZERO } else { patience };
        let covering = tokio::time::timeout(patience, latest.wait_for(covers)).await;
        let covering = covering.ok().and_then(Result::ok).and_then(|latest| latest.clone());
        covering.ok_or_else(|| {
            let reason = if is_refused { Reason::ReadOnly } else { Reason::QueueFull };
            self.statuses.reason(reason, &[("sequence", sequence.to_string())])
        })
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&TreeFiles, &dyn LogRead) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Status> {
        let (tree, log) = (self.node.tree(), self.node.log());
        let read = spawn_blocking(move || read(&tree, log.as_ref())).await;
        let read = read.map_err(|error| Fault::new("reading a proof", error)).flatten();
        read.map_err(|fault| self.statuses.fault(&fault))
    }

    fn violation(&self, field: &str, description: String) -> Status {
        self.statuses.violations(&[Violation { field: field.to_owned(), reason: Reason::FieldInvalid, description }])
    }
}

fn unread(error: &io::Error) -> Fault {
    Fault::new("reading the tree", error)
}

pub(super) fn damaged() -> Fault {
    Fault::new(
        "reading the tree",
        "a proof made of its files does not hold: they are damaged; without them a start makes them anew",
    )
}

fn on_the_wire(hashes: &[TreeHash]) -> Vec<Bytes> {
    hashes.iter().map(|hash| hash.to_vec().into()).collect()
}

/// A size as a sequence is written: no log has 2^63 entries.
fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
