//! Signed commands on the wire: the exact bytes that are signed, their parsing, and the checking of signatures.
//!
//! A signature is checked here, once, before the writer sees it: what goes on is a key's number. Whether that key counts is
//! for the rules.

use prost::Message;
use prost::bytes::Bytes;

use super::batch::InTurn;
use super::convert::{self, Violation};
use super::identities;
use super::node::Node;
use crate::domain::approval::{Approval, Approvals, BatchCommand, PublicKey, Signature, SignedCommand};
use crate::domain::authority::{ProposedBatch, ProposedContent};
use crate::domain::command::Command;
use crate::domain::event::Payload;
use crate::domain::ids::{ActorId, KeyNumber, RequestId, Sequence};
use crate::domain::refusal::Reason;
use crate::domain::time::UtcNanos;
use crate::format::approval;
use crate::format::keyed::KeyedDigest;
use crate::format::record::ENTRY_BYTES_MAX;
use crate::ledger::{Outcome, Unavailable};
use crate::log::Fault;
use crate::pb::v1;
use crate::projection::events::Events;

const APPROVALS_MAX: usize = 8;
/// Most bytes that are signed for one command: half an entry, so that its event and its refusal both have room for them.
const SIGNED_BYTES_MAX: usize = ENTRY_BYTES_MAX / 2;

/// A command in the form that is signed.
pub(super) struct Exact {
    pub(super) bytes: Bytes,
    pub(super) command: Command,
}

fn violation(field: String, reason: Reason, description: &str) -> Violation {
    Violation { field, reason, description: description.to_owned() }
}

/// Puts a command into the form that is signed: persons as pseudonyms, nobody named as a checker, lots named.
pub(super) fn exact(mut wire: v1::Command, pseudonyms: &KeyedDigest, path: &str) -> Result<Exact, Vec<Violation>> {
    let command = parse(wire.clone(), pseudonyms, path)?;
    let pseudonyms = convert::pseudonyms_of(&wire, pseudonyms).into_owned();
    identities::for_each(&mut wire, |identity, pseudonym| {
        *pseudonym = Bytes::copy_from_slice(&pseudonyms.payee(identity).0);
        identity.clear();
    });
    let bytes = wire.encode_to_vec().into();
    check_length(&bytes, path)?;
    Ok(Exact { bytes, command })
}

fn check_length(signed: &Bytes, path: &str) -> Result<(), Vec<Violation>> {
    if signed.len() <= SIGNED_BYTES_MAX {
        return Ok(());
    }
    let description = format!("is {} bytes as it is signed, of at most {SIGNED_BYTES_MAX}: split it", signed.len());
    Err(vec![violation(format!("{path}payload"), Reason::FieldInvalid, &description)])
}

/// Parses the bytes that were signed. They are never encoded again: what they say is what was approved.
pub(super) fn from_exact(bytes: &Bytes, pseudonyms: &KeyedDigest, path: &str) -> Result<Command, Vec<Violation>> {
    check_length(bytes, path)?;
    // What names checkers, or leaves draws to the ledger, goes the long way: it is refused there.
    let is_exact =
        |command: &Command| command.order.names_its_draws() && command.envelope.approvals.actors().next().is_none();
    if let Some(command) = convert::straight(bytes, None).filter(is_exact) {
        return Ok(command);
    }
    let decoded = v1::Command::decode(bytes.clone());
    let field = || path.trim_end_matches('.').to_owned();
    let mut wire = decoded.map_err(|error| {
        vec![violation(field(), Reason::FieldInvalid, &format!("is not an encoded Command: {error}"))]
    })?;
    let mut names_a_person = false;
    identities::for_each(&mut wire, |_, _| names_a_person = true);
    if names_a_person {
        let description = "names a person: signed bytes carry pseudonyms, as Propose gives them";
        return Err(vec![violation(field(), Reason::FieldInvalid, description)]);
    }
    parse(wire, pseudonyms, path)
}

fn parse(wire: v1::Command, pseudonyms: &KeyedDigest, path: &str) -> Result<Command, Vec<Violation>> {
    let names_checkers = !wire.checkers.is_empty();
    let parsed = convert::command(wire, pseudonyms, path);
    let mut more = Vec::new();
    if names_checkers {
        let description = "is set: the checkers of a signed command are those who sign it";
        more.push(violation(format!("{path}checkers"), Reason::FieldInvalid, description));
    }
    if parsed.as_ref().is_ok_and(|command| !command.order.names_its_draws()) {
        let description = "does not name its draws: what is signed leaves no choice to the ledger";
        more.push(violation(format!("{path}payload"), Reason::FieldInvalid, description));
    }
    match parsed {
        Ok(command) if more.is_empty() => Ok(command),
        Ok(_) => Err(more),
        Err(mut violations) => {
            violations.extend(more);
            Err(violations)
        }
    }
}

/// A signature from the wire.
pub(super) fn signature(field: &str, bytes: &Bytes) -> Result<Signature, Violation> {
    <[u8; 64]>::try_from(bytes.as_ref()).map(Signature).map_err(|_| {
        let description = format!("is {} bytes long; an Ed25519 signature has 64", bytes.len());
        violation(field.to_owned(), Reason::FieldInvalid, &description)
    })
}

/// The key of a person that made a signature: also one that counts no more, so that the rules can say so. None that they
/// ever had: whoever signed was somebody else, or signed something else.
pub(super) fn signing_key(
    node: &Node,
    actor: &ActorId,
    message: &[u8],
    signature: &Signature,
) -> Result<KeyNumber, Reason> {
    let has_signed = |(_, key): &(KeyNumber, PublicKey)| approval::verifies(key, message, signature);
    // The views are only looked at: nothing waits for them while a signature is checked.
    let live = node.views().authority.live_key_of(actor);
    if let Some((number, _)) = live.filter(has_signed) {
        return Ok(number);
    }
    let keys: Vec<_> = node.views().authority.keys_of(actor).map(|(number, key)| (number, key.public_key)).collect();
    if keys.is_empty() {
        return Err(Reason::KeyNotFound);
    }
    keys.into_iter().find(has_signed).map(|(number, _)| number).ok_or(Reason::SignatureInvalid)
}

/// Whether an error is about a signature: then a key may have been registered that the views do not know yet.
pub(super) fn is_about_a_signature(violations: &[Violation]) -> bool {
    violations.iter().any(|violation| matches!(violation.reason, Reason::KeyNotFound | Reason::SignatureInvalid))
}

/// A command that comes with the signatures of its checkers.
pub(super) fn signed_command(wire: v1::SignedCommandRequest, node: &Node) -> Result<Command, Vec<Violation>> {
    let mut command = from_exact(&wire.command, node.pseudonyms(), "signed_command.command.")?;
    let expires_at = convert::timestamp("signed_command.expires_at", wire.expires_at.as_ref())?;
    let count = wire.approvals.len();
    if count == 0 || count > APPROVALS_MAX {
        let description = format!("has {count} members; a signed command has 1 to {APPROVALS_MAX}");
        return Err(vec![violation("signed_command.approvals".to_owned(), Reason::FieldInvalid, &description)]);
    }
    let request_id = command.envelope.request_id.as_str();
    let message = approval::command_message(node.ledger().origin(), request_id, expires_at, &wire.command);
    let mut approvals = Vec::with_capacity(count);
    let mut violations = Vec::new();
    for (at, approval) in wire.approvals.into_iter().enumerate() {
        let field = |name: &str| format!("signed_command.approvals[{at}].{name}");
        let actor = convert::name(&field("actor"), ActorId::parse(approval.actor));
        let signature = signature(&field("signature"), &approval.signature).map_err(|violation| vec![violation]);
        match (actor, signature) {
            (Ok(actor), Ok(signature)) => match signing_key(node, &actor, &message, &signature) {
                Ok(key) => approvals.push(Approval { actor, key, signature }),
                Err(reason) => {
                    violations.push(violation(field("signature"), reason, "is not one of this person's over this"));
                }
            },
            (actor, signature) => {
                violations.extend(actor.err().into_iter().flatten());
                violations.extend(signature.err().into_iter().flatten());
            }
        }
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    let command_bytes = wire.command.as_ref().into();
    command.envelope.approvals =
        Approvals::Signed(Box::new(SignedCommand { command: command_bytes, expires_at, proposal: None, approvals }));
    Ok(command)
}

/// A proposal as it was made.
pub(super) struct Proposed {
    pub(super) sequence: Sequence,
    pub(super) content: ProposedContent,
    pub(super) expires_at: UtcNanos,
}

/// Why a proposal was not found.
pub(super) enum NotProposed {
    Unavailable(Unavailable),
    Fault(Fault),
    /// No accepted proposal has this name.
    Unknown,
}

/// Finds a proposal by its key, whatever has become of it since.
pub(super) async fn proposed(node: &Node, proposal_id: RequestId) -> Result<Proposed, NotProposed> {
    let outcome = node.ledger().find(proposal_id).await.map_err(NotProposed::Unavailable)?;
    let Some(Outcome::Accepted(receipt)) = outcome else { return Err(NotProposed::Unknown) };
    let log = node.log();
    let found = proposed_at(&mut Events::new(log.as_ref()), Sequence(receipt.sequence)).map_err(NotProposed::Fault)?;
    found.ok_or(NotProposed::Unknown)
}

/// The proposal that an event is; none where it is something else.
pub(super) fn proposed_at(events: &mut Events<'_>, sequence: Sequence) -> Result<Option<Proposed>, Fault> {
    let Payload::CommandProposed { content, expires_at } = events.event(sequence)?.decision.payload else {
        return Ok(None);
    };
    Ok(Some(Proposed { sequence, content, expires_at }))
}

/// What a checker of a proposal signs.
pub(super) fn message_of(
    origin: &str,
    proposal_id: &str,
    expires_at: UtcNanos,
    content: &ProposedContent,
) -> Result<Vec<u8>, Fault> {
    match content {
        ProposedContent::Batch(batch) => Ok(approval::batch_message(origin, proposal_id, expires_at, batch)),
        ProposedContent::Command(bytes) => {
            let wire = v1::Command::decode(bytes.as_ref());
            let wire = wire.map_err(|error| Fault::new("reading a proposed command", error))?;
            Ok(approval::command_message(origin, &wire.request_id, expires_at, bytes))
        }
    }
}

/// The proposed command of a proposal, as it will be executed: its approvals are filled in by the ledger.
pub(super) fn command_of(proposed: &Proposed, node: &Node) -> Result<Option<Command>, Fault> {
    let ProposedContent::Command(bytes) = &proposed.content else { return Ok(None) };
    let parsed = from_exact(&Bytes::copy_from_slice(bytes), node.pseudonyms(), "");
    // It was parsed before it was stored, by this or an earlier version, which must accept what it accepted then.
    let mut command = parsed.map_err(|violations| {
        let first = violations.into_iter().next().map(|violation| violation.field).unwrap_or_default();
        Fault::new(format!("reading the command proposed at sequence {}", proposed.sequence.0), first)
    })?;
    command.envelope.approvals = Approvals::Signed(Box::new(SignedCommand {
        command: bytes.clone(),
        expires_at: proposed.expires_at,
        proposal: Some(proposed.sequence),
        approvals: Vec::new(),
    }));
    Ok(Some(command))
}

/// The commands of an approved batch, if they are exactly those whose root was approved.
pub(super) async fn batch_commands(
    proposed: &Proposed,
    approved: &ProposedBatch,
    bytes: &[Bytes],
    node: &Node,
) -> Result<Vec<Command>, Vec<Violation>> {
    let mismatch = || {
        let description = "is not the batch that was approved: its root, number or control total differs";
        Err(vec![violation("approved_batch.commands".to_owned(), Reason::BatchMismatch, description)])
    };
    if u32::try_from(bytes.len()) != Ok(approved.command_count) {
        return mismatch();
    }
    let mut commands = Vec::with_capacity(bytes.len());
    let mut violations = Vec::new();
    let mut in_turn = InTurn::default();
    for (at, exact) in bytes.iter().enumerate() {
        in_turn.before(1).await;
        match from_exact(exact, node.pseudonyms(), &format!("approved_batch.commands[{at}].")) {
            Ok(command) => commands.push(command),
            Err(more) => violations.extend(more),
        }
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    let amounts = commands.iter().map(|command| command.order.amount_minor());
    if approval::batch_of(bytes.iter().zip(amounts)) != *approved {
        return mismatch();
    }
    for (at, (command, exact)) in commands.iter_mut().zip(bytes).enumerate() {
        command.envelope.approvals = Approvals::Batch(Box::new(BatchCommand {
            command: exact.as_ref().into(),
            proposal: proposed.sequence,
            index: u32::try_from(at).unwrap_or(u32::MAX),
            checkers: Vec::new(),
        }));
    }
    Ok(commands)
}
