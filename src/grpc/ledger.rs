//! `LedgerService`: posting.

use std::sync::Arc;

use prost::bytes::{Bytes, BytesMut};
use tonic::{Request, Response, Status, Streaming};

use super::approvals;
use super::convert;
use super::identity::Caller;
use super::node::Node;
use super::post_stream;
use super::status::{Statuses, embedded};
use super::stopping::Stopping;
use crate::domain::command::Command;
use crate::domain::ids::{RequestId, Sequence};
use crate::domain::refusal::Reason;
use crate::domain::rights::Action;
use crate::format::receipt_code::receipt_code;
use crate::format::record::HASH_BYTES;
use crate::format::wire::Wire;
use crate::ledger::{Outcome, Prepared, Receipt, Unavailable};
use crate::pb::v1;
use crate::pb::v1::ledger_service_server::LedgerService;
use crate::pb::v1::post_result;
use crate::projection::events::Events;

#[derive(Clone)]
pub(super) struct LedgerApi {
    pub(super) node: Arc<Node>,
    pub(super) stopping: Stopping,
}

#[tonic::async_trait]
impl LedgerService for LedgerApi {
    async fn post(&self, request: Request<v1::PostRequest>) -> Result<Response<v1::PostResponse>, Status> {
        let statuses = Statuses::for_request(&request);
        let caller = Caller::of(&request, statuses)?;
        let v1::PostRequest { commands, validate_only, approved_batch, wait_level } = request.into_inner();
        let level = self.wait_level(wait_level, statuses)?;
        if let Some(batch) = approved_batch {
            if !commands.is_empty() {
                let field = "approved_batch".to_owned();
                let description = "is set besides commands: a request posts one or the other".to_owned();
                let violation = convert::Violation { field, reason: Reason::FieldInvalid, description };
                return Err(statuses.violations(&[violation]));
            }
            let outcomes = self.post_batch(batch, validate_only, &caller, statuses).await?;
            self.node.count_told(&outcomes);
            let mut hashes = BytesMut::new();
            let results = outcomes.into_iter().map(|outcome| result(outcome, statuses, &mut hashes)).collect();
            return Ok(Response::new(self.reached(results, level, statuses).await));
        }
        let (batch, prepared) = self.batch(commands, validate_only, caller, statuses).await?;
        let outcomes = if prepared.is_empty() { Ok(Vec::new()) } else { self.outcomes(prepared, validate_only).await };
        match outcomes {
            Ok(outcomes) => {
                let results = batch.complete(outcomes, &self.node).await;
                Ok(Response::new(self.reached(results, level, statuses).await))
            }
            Err(why) => {
                batch.abandon(&why, &self.node).await;
                Err(statuses.unavailable(&why))
            }
        }
    }

    type PostStreamStream = post_stream::Answers;

    async fn post_stream(
        &self,
        request: Request<Streaming<v1::PostStreamRequest>>,
    ) -> Result<Response<Self::PostStreamStream>, Status> {
        self.post_stream_request(request)
    }

    async fn propose(&self, request: Request<v1::ProposeRequest>) -> Result<Response<v1::ProposeResponse>, Status> {
        self.propose_request(request).await
    }

    async fn approve(&self, request: Request<v1::ApproveRequest>) -> Result<Response<v1::ApproveResponse>, Status> {
        self.approve_request(request).await
    }

    async fn withdraw(&self, request: Request<v1::WithdrawRequest>) -> Result<Response<v1::WithdrawResponse>, Status> {
        self.withdraw_request(request).await
    }

    async fn list_pending(
        &self,
        request: Request<v1::ListPendingRequest>,
    ) -> Result<Response<v1::ListPendingResponse>, Status> {
        self.list_pending_request(request).await
    }

    async fn get_receipt(
        &self,
        request: Request<v1::GetReceiptRequest>,
    ) -> Result<Response<v1::GetReceiptResponse>, Status> {
        let statuses = Statuses::for_request(&request);
        let caller = Caller::of(&request, statuses)?;
        let request_id = convert::name("request_id", RequestId::parse(request.into_inner().request_id))
            .map_err(|violations| statuses.violations(&violations))?;
        let name = request_id.to_string();
        let outcome = self.node.ledger().find(request_id).await.map_err(|why| statuses.unavailable(&why))?;
        let outcome = match outcome {
            Some(outcome) if self.is_for(&caller, &outcome, statuses)? => outcome,
            // A key of somebody else's is no key of theirs.
            Some(_) | None => return Err(statuses.reason(Reason::RequestNotFound, &[("request_id", name)])),
        };
        let receipt_code = self.receipt_code(&outcome, statuses)?.unwrap_or_default();
        let result = result(outcome, statuses, &mut BytesMut::new());
        Ok(Response::new(v1::GetReceiptResponse { result: Some(result), receipt_code }))
    }
}

impl LedgerApi {
    /// The receipt code of what was accepted, where it paid somebody.
    fn receipt_code(&self, outcome: &Outcome, statuses: Statuses) -> Result<Option<String>, Status> {
        let Outcome::Accepted(receipt) = outcome else { return Ok(None) };
        let log = self.node.log();
        let event = Events::new(log.as_ref()).event(Sequence(receipt.sequence));
        let event = event.map_err(|fault| statuses.fault(&fault))?;
        let pays = event.decision.steps().any(|step| step.payload.has_receipt());
        let code = || receipt_code(self.node.ledger().origin(), receipt.sequence, &receipt.entry_hash);
        Ok(pays.then(code).flatten())
    }

    /// Whether what became of a command is for somebody to know: for its maker, and for auditors.
    fn is_for(&self, caller: &Caller, outcome: &Outcome, statuses: Statuses) -> Result<bool, Status> {
        let sequence = match outcome {
            Outcome::Accepted(receipt) => Some(receipt.sequence),
            Outcome::Refused { sequence, .. } => *sequence,
            Outcome::KeyReused { original_sequence, .. } => Some(*original_sequence),
            Outcome::Valid => None,
        };
        if caller.may_everywhere(Action::ReadLog) {
            return Ok(true);
        }
        let Some(sequence) = sequence else { return Ok(false) };
        let log = self.node.log();
        let event = Events::new(log.as_ref()).event(Sequence(sequence)).map_err(|fault| statuses.fault(&fault))?;
        Ok(caller.made(event.actor()))
    }

    /// Refuses commands of which the caller may not post one.
    pub(super) async fn check_may_post<'a>(
        &self,
        caller: &Caller,
        commands: impl Iterator<Item = &'a Command> + Clone,
        method: &str,
        statuses: Statuses,
    ) -> Result<(), Status> {
        let denied = |caller: &Caller| commands.clone().find_map(|command| caller.may_post(command, &self.node).err());
        if denied(caller).is_none() {
            return Ok(());
        }
        // A role may have been granted, or an account opened, a moment ago.
        self.node.caught_up().await;
        let caller = caller.renewed(&self.node);
        denied(&caller).map_or(Ok(()), |why| Err(caller.refuse(why, method, &self.node, statuses)))
    }

    /// A command by itself, or with the signatures of its checkers.
    pub(super) fn parse(&self, mut command: v1::Command) -> Result<Command, Vec<convert::Violation>> {
        let signed = match command.payload.take() {
            Some(v1::command::Payload::SignedCommand(signed)) => *signed,
            payload => return convert::command(v1::Command { payload, ..command }, self.node.pseudonyms(), ""),
        };
        if command != v1::Command::default() {
            let field = "payload".to_owned();
            let description = "is a signed command: the other fields stand in the bytes that were signed".to_owned();
            return Err(vec![convert::Violation { field, reason: Reason::FieldInvalid, description }]);
        }
        approvals::signed_command(signed, &self.node)
    }

    /// The write goes on even if the caller hangs up: the future that waits for it may be dropped, the submission not.
    pub(super) async fn outcomes(
        &self,
        prepared: Vec<Prepared>,
        validate_only: bool,
    ) -> Result<Vec<Outcome>, Unavailable> {
        let ledger = self.node.ledger();
        if validate_only { ledger.validate(prepared).await } else { ledger.post(prepared).await }
    }
}

pub(super) fn result(outcome: Outcome, statuses: Statuses, hashes: &mut BytesMut) -> v1::PostResult {
    match outcome {
        Outcome::Accepted(receipt) => {
            v1::PostResult { outcome: Some(post_result::Outcome::Receipt(wire_receipt(receipt, hashes))) }
        }
        Outcome::Valid => v1::PostResult { outcome: Some(post_result::Outcome::Receipt(v1::Receipt::default())) },
        Outcome::Refused { refusal, sequence, replayed } => error(&statuses.refused(&refusal, sequence, replayed)),
        Outcome::KeyReused { original_sequence, first_different_field } => {
            error(&statuses.key_reused(original_sequence, first_different_field))
        }
    }
}

/// The results of commands, where that they are durable is all that was asked for.
pub(super) fn durable(outcomes: Vec<Outcome>, statuses: Statuses) -> v1::PostResponse {
    let mut hashes = BytesMut::with_capacity(outcomes.len().saturating_mul(HASH_BYTES));
    let results = outcomes.into_iter().map(|outcome| result(outcome, statuses, &mut hashes)).collect();
    v1::PostResponse { results, reached_level: v1::WaitLevel::Durable.into(), ..Default::default() }
}

pub(super) fn error(status: &Status) -> v1::PostResult {
    v1::PostResult { outcome: Some(post_result::Outcome::Error(embedded(status))) }
}

/// A receipt; its hash is a slice of a buffer that all receipts of the answer share.
pub(super) fn wire_receipt(receipt: Receipt, hashes: &mut BytesMut) -> v1::Receipt {
    hashes.extend_from_slice(&receipt.entry_hash.0);
    v1::Receipt {
        sequence: receipt.sequence,
        entry_hash: hashes.split().freeze(),
        booked_at: Some(convert::to_timestamp(receipt.booked_at)),
        replayed: receipt.replayed,
        unreleased: receipt.is_unreleased,
    }
}

/// A receipt as a result of `PostResponse`, as bytes: the same as [`wire_receipt`] encoded.
pub(super) fn receipt_bytes(receipt: &Receipt, to: &mut Vec<u8>) {
    let booked_at = convert::to_timestamp(receipt.booked_at);
    Wire::new(to).message(1, |result| {
        result.message(1, |m| {
            m.int(1, receipt.sequence);
            m.bytes(2, &receipt.entry_hash.0);
            m.message(3, |m| {
                m.int(1, booked_at.seconds);
                m.int(2, booked_at.nanos.into());
            });
            m.flag(4, receipt.replayed);
            m.flag(5, receipt.is_unreleased);
        });
    });
}

pub(super) fn hash_bytes(hash: &crate::format::record::EntryHash) -> Bytes {
    Bytes::copy_from_slice(&hash.0)
}
