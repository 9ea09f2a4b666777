//! What a checker signs. The bytes are frozen (docs/format.md): every part is written with its length, under a tag that
//! names its use, so that a signature over one thing can never pass for a signature over another.

use ed25519_dalek::VerifyingKey;

use super::tree;
use crate::domain::approval::{PublicKey, Signature};
use crate::domain::authority::ProposedBatch;
use crate::domain::time::UtcNanos;

const COMMAND_TAG: &[u8] = b"fundledger/approval/command/v1";
const BATCH_TAG: &[u8] = b"fundledger/approval/batch/v1";

/// What is approved of a batch: the root over its commands' exact bytes, their number, and the sum of their amounts, minor
/// units.
pub fn batch_of(commands: impl Iterator<Item = (impl AsRef<[u8]>, i64)>) -> ProposedBatch {
    let mut control_total_minor = 0_i64;
    let mut leaves = Vec::new();
    for (bytes, amount_minor) in commands {
        control_total_minor = control_total_minor.saturating_add(amount_minor);
        leaves.push(tree::leaf_hash(bytes.as_ref()));
    }
    let command_count = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
    ProposedBatch { root: tree::root(&leaves), command_count, control_total_minor }
}

/// The message over one command: tag, origin, key of the command, expiry, exact bytes of the command.
pub fn command_message(origin: &str, request_id: &str, expires_at: UtcNanos, command: &[u8]) -> Vec<u8> {
    let mut message = head(COMMAND_TAG, origin, request_id, expires_at);
    part(&mut message, command);
    message
}

/// The message over a batch: tag, origin, key of the proposal, expiry, number of commands, control total, root.
pub fn batch_message(origin: &str, proposal_id: &str, expires_at: UtcNanos, batch: &ProposedBatch) -> Vec<u8> {
    let mut message = head(BATCH_TAG, origin, proposal_id, expires_at);
    message.extend_from_slice(&batch.command_count.to_be_bytes());
    message.extend_from_slice(&batch.control_total_minor.to_be_bytes());
    message.extend_from_slice(&batch.root);
    message
}

fn head(tag: &[u8], origin: &str, key: &str, expires_at: UtcNanos) -> Vec<u8> {
    let mut message = Vec::new();
    part(&mut message, tag);
    part(&mut message, origin.as_bytes());
    part(&mut message, key.as_bytes());
    message.extend_from_slice(&expires_at.0.to_be_bytes());
    message
}

fn part(message: &mut Vec<u8>, bytes: &[u8]) {
    message.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    message.extend_from_slice(bytes);
}

/// Whether bytes are an Ed25519 public key that can be trusted to mean one person: no point of small order.
pub fn is_public_key(key: &PublicKey) -> bool {
    VerifyingKey::from_bytes(&key.0).is_ok_and(|key| !key.is_weak())
}

/// Whether a signature is one of the key over the message (RFC 8032, strictly: one signature has one encoding).
pub fn verifies(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    VerifyingKey::from_bytes(&key.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}
