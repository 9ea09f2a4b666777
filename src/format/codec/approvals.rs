//! Approvals of an event: names, or signatures with the bytes that were signed.

use super::{DecodeError, fixed, number};
use crate::domain::approval::{Approval, Approvals, BatchCommand, Signature, SignedCommand};
use crate::domain::ids::{ActorId, KeyNumber, Sequence};
use crate::domain::time::UtcNanos;
use crate::format::wire::Wire;
use crate::pb::v1 as pb;

pub(super) fn encode_approvals(approvals: &Approvals, wire: &mut Wire<'_>) {
    let named: &[ActorId] = match approvals {
        Approvals::Named(checkers) => checkers,
        Approvals::Batch(batch) => &batch.checkers,
        Approvals::Signed(signed) => {
            for approval in &signed.approvals {
                wire.message(6, |m| {
                    m.text(1, approval.actor.as_str());
                    m.number(2, approval.key.0);
                    m.bytes(3, &approval.signature.0);
                });
            }
            &[]
        }
    };
    for checker in named {
        wire.message(6, |m| m.text(1, checker.as_str()));
    }
}

pub(super) fn encode_signed(approvals: &Approvals, wire: &mut Wire<'_>) {
    match approvals {
        Approvals::Named(_) => {}
        Approvals::Signed(signed) => wire.message(9, |m| {
            m.bytes(1, &signed.command);
            m.fixed(2, signed.expires_at.0);
            m.int(3, signed.proposal.unwrap_or_default().0);
        }),
        Approvals::Batch(batch) => wire.message(9, |m| {
            m.bytes(1, &batch.command);
            m.int(3, batch.proposal.0);
            m.chosen_number(4, batch.index);
        }),
    }
}

pub(super) fn decode_approvals(
    approvals: Vec<pb::Approval>,
    signed: Option<pb::SignedCommand>,
) -> Result<Approvals, DecodeError> {
    let named = |approvals: Vec<pb::Approval>| {
        approvals.into_iter().map(|approval| ActorId::stored(approval.actor)).collect::<Vec<_>>()
    };
    let Some(signed) = signed else { return Ok(Approvals::Named(named(approvals))) };
    let command = Vec::from(signed.command).into();
    let proposal = Sequence(signed.proposal_sequence);
    if let Some(index) = signed.batch_index {
        let index = number(index, "place in the batch")?;
        return Ok(Approvals::Batch(Box::new(BatchCommand { command, proposal, index, checkers: named(approvals) })));
    }
    let approval = |approval: pb::Approval| {
        Ok(Approval {
            actor: ActorId::stored(approval.actor),
            key: KeyNumber(number(approval.key, "key")?),
            signature: Signature(fixed(&approval.signature, "signature")?),
        })
    };
    Ok(Approvals::Signed(Box::new(SignedCommand {
        command,
        expires_at: UtcNanos(signed.expires_at_ns),
        proposal: (proposal != Sequence::default()).then_some(proposal),
        approvals: approvals.into_iter().map(approval).collect::<Result<_, DecodeError>>()?,
    })))
}
