//! Where maker and checker meet: proposing, approving, withdrawing, and what waits.

use std::sync::Arc;
use std::time::Duration;

use prost::bytes::{Bytes, BytesMut};
use tonic::{Request, Response, Status};

use super::approvals::{self, Exact, NotProposed};
use super::batch::{check_count, shows_at_once_after};
use super::convert::{self, Violation};
use super::identity::{Caller, Denied};
use super::ledger::{LedgerApi, result, wire_receipt};
use super::node::Node;
use super::page::{self, Page};
use super::personal::WaitFor;
use super::reading::{Reading, read_position};
use super::status::Statuses;
use crate::domain::authority::{Proposal, ProposedBatch, ProposedContent};
use crate::domain::command::{Command, Envelope, Order};
use crate::domain::ids::{ActorId, RequestId, Sequence};
use crate::domain::refusal::Reason;
use crate::domain::rights::Action;
use crate::domain::time::UtcNanos;
use crate::format::approval;
use crate::ledger::{Outcome, Prepared, Receipt, Unavailable};
use crate::log::Fault;
use crate::pb::{self, v1};
use crate::projection::events::Events;

/// How often proposals are looked at for their expiry.
const TENDING_INTERVAL: Duration = Duration::from_secs(1);

fn field_invalid(field: &str, description: impl Into<String>) -> Violation {
    Violation { field: field.to_owned(), reason: Reason::FieldInvalid, description: description.into() }
}

fn envelope(
    request_id: String,
    business_date: Option<pb::Date>,
    actor: String,
    statuses: Statuses,
) -> Result<Envelope, Status> {
    convert::envelope(request_id, business_date, actor).map_err(|violations| statuses.violations(&violations))
}

impl LedgerApi {
    fn prepared(&self, envelope: Envelope, order: Order) -> Prepared {
        self.node.ledger().prepare(Command { envelope, preconditions: Vec::new(), order }, &mut Vec::new())
    }

    /// The one outcome of a command that makes or breaks the whole request.
    pub(super) fn receipt(outcome: Option<Outcome>, statuses: Statuses) -> Result<Option<Receipt>, Status> {
        match outcome {
            Some(Outcome::Accepted(receipt)) => Ok(Some(receipt)),
            Some(Outcome::Valid) | None => Ok(None),
            Some(Outcome::Refused { refusal, sequence, replayed }) => {
                Err(statuses.refused(&refusal, sequence, replayed))
            }
            Some(Outcome::KeyReused { original_sequence, first_different_field }) => {
                Err(statuses.key_reused(original_sequence, first_different_field))
            }
        }
    }

    fn not_proposed(why: NotProposed, proposal_id: &str, statuses: Statuses) -> Status {
        match why {
            NotProposed::Unavailable(why) => statuses.unavailable(&why),
            NotProposed::Fault(fault) => statuses.fault(&fault),
            NotProposed::Unknown => {
                statuses.reason(Reason::ProposalNotPending, &[("proposal", proposal_id.to_owned())])
            }
        }
    }

    fn exact_commands(&self, commands: Vec<v1::Command>, maker: &ActorId) -> Result<Vec<Exact>, Vec<Violation>> {
        let mut exact = Vec::with_capacity(commands.len());
        let mut violations = Vec::new();
        let mut keys = std::collections::BTreeSet::new();
        for (at, wire) in commands.into_iter().enumerate() {
            let path = format!("commands[{at}].");
            match approvals::exact(wire, self.node.pseudonyms(), &path) {
                Ok(command) => {
                    let envelope = &command.command.envelope;
                    if envelope.actor != *maker {
                        violations.push(field_invalid(&format!("{path}actor"), "is not who proposes it"));
                    }
                    if !keys.insert(envelope.request_id.clone()) {
                        violations.push(field_invalid(&format!("{path}request_id"), "stands in the batch twice"));
                    }
                    exact.push(command);
                }
                Err(more) => violations.extend(more),
            }
        }
        if violations.is_empty() { Ok(exact) } else { Err(violations) }
    }

    /// Refuses who says that they are somebody else.
    fn check_actor(
        &self,
        caller: &Caller,
        envelope: &Envelope,
        method: &str,
        statuses: Statuses,
    ) -> Result<(), Status> {
        if caller.is(&envelope.actor) {
            return Ok(());
        }
        Err(caller.refuse(Denied::Actor, method, &self.node, statuses))
    }

    pub(super) async fn propose_request(
        &self,
        request: Request<v1::ProposeRequest>,
    ) -> Result<Response<v1::ProposeResponse>, Status> {
        let statuses = Statuses::for_request(&request);
        let caller = Caller::of(&request, statuses)?;
        let mut request = request.into_inner();
        check_count(request.commands.len(), statuses)?;
        caller.fill(&mut request.actor);
        let invalid = |violations: Vec<Violation>| statuses.violations(&violations);
        let envelope = envelope(request.request_id, request.business_date, request.actor, statuses)?;
        let expires_at = convert::timestamp("expires_at", request.expires_at.as_ref()).map_err(invalid)?;
        self.check_actor(&caller, &envelope, "Propose", statuses)?;
        let mut commands = request.commands;
        caller.fill_commands(&mut commands);
        // Also of a validation: what is signed after it commits to what came with it. Unless it is proposed or posted by then, the
        // next start lets it go.
        let proposal = WaitFor::Proposal(envelope.request_id.clone());
        let staged = self.protect(&mut commands, proposal, statuses).await?;
        let proposed = self.propose_commands(commands, envelope, expires_at, request.validate_only, &caller, statuses);
        let proposed = proposed.await;
        staged.settle(&self.node, |_| proposed.is_err()).await;
        proposed.map(Response::new)
    }

    async fn propose_commands(
        &self,
        commands: Vec<v1::Command>,
        envelope: Envelope,
        expires_at: UtcNanos,
        validate_only: bool,
        caller: &Caller,
        statuses: Statuses,
    ) -> Result<v1::ProposeResponse, Status> {
        let invalid = |violations: Vec<Violation>| statuses.violations(&violations);
        let exact = self.exact_commands(commands, &envelope.actor).map_err(invalid)?;
        let proposed = exact.iter().map(|exact| &exact.command);
        self.check_may_post(caller, proposed.clone(), "Propose", statuses).await?;
        self.check_all_claims(proposed, statuses).await?;
        let with_amounts = exact.iter().map(|exact| (&exact.bytes, exact.command.order.amount_minor()));
        let batch = approval::batch_of(with_amounts);
        let content = match exact.as_slice() {
            [one] => ProposedContent::Command(one.bytes.as_ref().into()),
            _ => ProposedContent::Batch(batch),
        };
        let origin = self.node.ledger().origin();
        let message = approvals::message_of(origin, envelope.request_id.as_str(), expires_at, &content);
        let message = message.map_err(|fault| statuses.fault(&fault))?;
        let prepared = vec![self.prepared(envelope, Order::Propose { content, expires_at })];
        let outcomes = self.outcomes(prepared, validate_only).await;
        let outcome = outcomes.map_err(|why| statuses.unavailable(&why))?.pop();
        let receipt = Self::receipt(outcome, statuses)?;
        Ok(v1::ProposeResponse {
            receipt: receipt.map(|receipt| wire_receipt(receipt, &mut BytesMut::new())),
            commands: exact.into_iter().map(|exact| exact.bytes).collect(),
            root: Bytes::copy_from_slice(&batch.root),
            control_total_minor: batch.control_total_minor,
            message_to_sign: message.into(),
        })
    }

    pub(super) async fn approve_request(
        &self,
        request: Request<v1::ApproveRequest>,
    ) -> Result<Response<v1::ApproveResponse>, Status> {
        let statuses = Statuses::for_request(&request);
        let caller = Caller::of(&request, statuses)?;
        let mut request = request.into_inner();
        caller.fill(&mut request.actor);
        let invalid = |violations: Vec<Violation>| statuses.violations(&violations);
        let envelope = envelope(request.request_id, request.business_date, request.actor, statuses)?;
        self.check_actor(&caller, &envelope, "Approve", statuses)?;
        let proposal_id = convert::name("proposal_id", RequestId::parse(request.proposal_id)).map_err(invalid)?;
        let signature =
            approvals::signature("signature", &request.signature).map_err(|violation| invalid(vec![violation]))?;
        let found = approvals::proposed(&self.node, proposal_id.clone()).await;
        let proposed = found.map_err(|why| Self::not_proposed(why, proposal_id.as_str(), statuses))?;
        let origin = self.node.ledger().origin();
        let message = approvals::message_of(origin, proposal_id.as_str(), proposed.expires_at, &proposed.content);
        let message = message.map_err(|fault| statuses.fault(&fault))?;
        self.node.caught_up().await;
        let key = approvals::signing_key(&self.node, &envelope.actor, &message, &signature);
        let key = key.map_err(|reason| {
            tracing::warn!(%reason, "an approval was not accepted");
            statuses.reason(reason, &[("principal", envelope.actor.to_string())])
        })?;
        let command = approvals::command_of(&proposed, &self.node).map_err(|fault| statuses.fault(&fault))?;
        let ledger = self.node.ledger();
        let shows_at_once = command.as_ref().is_some_and(|command| shows_at_once_after(&command.order));
        let command = command.map(|command| ledger.prepare(command, &mut Vec::new()));
        let approval = self.prepared(envelope, Order::Approve { proposal_id, key, signature });
        let outcomes = ledger.approve(approval, command).await.map_err(|why| statuses.unavailable(&why))?;
        if shows_at_once {
            self.node.caught_up().await;
        }
        let mut outcomes = outcomes.into_iter();
        let receipt = Self::receipt(outcomes.next(), statuses)?;
        let mut hashes = BytesMut::new();
        Ok(Response::new(v1::ApproveResponse {
            receipt: receipt.map(|receipt| wire_receipt(receipt, &mut hashes)),
            executed: outcomes.next().map(|outcome| result(outcome, statuses, &mut hashes)),
        }))
    }

    pub(super) async fn withdraw_request(
        &self,
        request: Request<v1::WithdrawRequest>,
    ) -> Result<Response<v1::WithdrawResponse>, Status> {
        let statuses = Statuses::for_request(&request);
        let caller = Caller::of(&request, statuses)?;
        let mut request = request.into_inner();
        caller.fill(&mut request.actor);
        let envelope = envelope(request.request_id, request.business_date, request.actor, statuses)?;
        self.check_actor(&caller, &envelope, "Withdraw", statuses)?;
        let proposal_id = convert::name("proposal_id", RequestId::parse(request.proposal_id))
            .map_err(|violations| statuses.violations(&violations))?;
        let prepared = vec![self.prepared(envelope, Order::Withdraw { proposal_id })];
        let outcome = self.outcomes(prepared, false).await.map_err(|why| statuses.unavailable(&why))?.pop();
        let receipt = Self::receipt(outcome, statuses)?;
        let receipt = receipt.map(|receipt| wire_receipt(receipt, &mut BytesMut::new()));
        Ok(Response::new(v1::WithdrawResponse { receipt }))
    }

    pub(super) async fn list_pending_request(
        &self,
        request: Request<v1::ListPendingRequest>,
    ) -> Result<Response<v1::ListPendingResponse>, Status> {
        let statuses = Statuses::for_request(&request);
        let caller = Caller::of(&request, statuses)?;
        let mut request = request.into_inner();
        if !caller.may_everywhere(Action::ReadPending) {
            // Their own, then.
            caller.fill(&mut request.maker);
            if !caller.is_named(&request.maker) {
                return Err(caller.refuse(Denied::Action(Action::ReadPending), "ListPending", &self.node, statuses));
            }
        }
        let reading = Reading { caller, node: Arc::clone(&self.node), statuses };
        // Whoever is told of a proposal looks for it at once: that the views are behind must not mean that it does not wait.
        self.node.caught_up().await;
        reading.wait(request.min_sequence, None).await?;
        reading.blocking(move |reading| pending(reading, &request)).await.map(Response::new)
    }

    /// Posts a batch whose root was approved.
    pub(super) async fn post_batch(
        &self,
        batch: v1::ApprovedBatch,
        validate_only: bool,
        caller: &Caller,
        statuses: Statuses,
    ) -> Result<Vec<Outcome>, Status> {
        let invalid = |violations: Vec<Violation>| statuses.violations(&violations);
        let proposal_id = convert::name("approved_batch.proposal_id", RequestId::parse(batch.proposal_id));
        let proposal_id = proposal_id.map_err(invalid)?;
        let found = approvals::proposed(&self.node, proposal_id.clone()).await;
        let proposed = found.map_err(|why| Self::not_proposed(why, proposal_id.as_str(), statuses))?;
        let ProposedContent::Batch(approved) = &proposed.content else {
            let description = "names the proposal of one command, which its last approval executes";
            return Err(invalid(vec![field_invalid("approved_batch.proposal_id", description)]));
        };
        let unavailable = |why| statuses.unavailable(&why);
        let ledger = self.node.ledger();
        let room = if validate_only {
            None
        } else {
            let bytes = batch.commands.iter().map(Bytes::len).fold(0, usize::saturating_add);
            Some(ledger.reserve(batch.commands.len(), bytes).map_err(unavailable)?)
        };
        let commands = approvals::batch_commands(&proposed, approved, &batch.commands, &self.node).await;
        let commands = commands.map_err(invalid)?;
        self.check_may_post(caller, commands.iter(), "Post", statuses).await?;
        self.check_all_claims(commands.iter(), statuses).await?;
        let mut scratch = Vec::new();
        let prepared = commands.into_iter().map(|command| ledger.prepare(command, &mut scratch)).collect();
        let outcomes = match room {
            Some(room) => ledger.post_reserved(prepared, room).await,
            None => ledger.validate(prepared).await,
        };
        outcomes.map_err(unavailable)
    }
}

fn pending(reading: &Reading, request: &v1::ListPendingRequest) -> Result<v1::ListPendingResponse, Status> {
    let parameters: [&[u8]; 3] = [b"pending", request.proposal_id.as_bytes(), request.maker.as_bytes()];
    let Page { size, start } = reading.page(request.page_size, &request.page_token, &parameters, None)?;
    let after = Sequence(start.map_or(-1, |start| start.after[0]));
    let is_wanted = |proposal: &Proposal| {
        (request.proposal_id.is_empty() || proposal.proposal_id.as_str() == request.proposal_id)
            && (request.maker.is_empty() || proposal.maker.as_str() == request.maker)
    };
    let views = reading.node.views();
    let position = views.position;
    let mut waiting = views.authority.proposals_after(after).filter(|(_, proposal)| is_wanted(proposal));
    let found: Vec<(Sequence, Proposal)> =
        waiting.by_ref().take(size).map(|(sequence, proposal)| (sequence, proposal.clone())).collect();
    let has_more = waiting.next().is_some();
    drop(waiting);
    drop(views);
    let last = found.last().map(|(sequence, _)| sequence.0).filter(|_| has_more);
    let as_of = position.sequence;
    let next_page_token =
        last.map(|last| page::token(page::Position { as_of, after: [last, 0, 0] }, &parameters)).unwrap_or_default();
    let ledger = reading.node.ledger();
    let log = ledger.log();
    let mut events = Events::new(log.as_ref());
    let wire = |(sequence, proposal)| wire_proposal(&mut events, ledger.origin(), sequence, &proposal);
    let proposals: Result<_, Fault> = found.into_iter().map(wire).collect();
    let proposals = proposals.map_err(|fault| reading.fault(&fault))?;
    Ok(v1::ListPendingResponse { proposals, next_page_token, position: Some(read_position(&position)) })
}

fn wire_proposal(
    events: &mut Events<'_>,
    origin: &str,
    sequence: Sequence,
    proposal: &Proposal,
) -> Result<v1::Proposal, Fault> {
    use v1::proposal::Content;
    let missing = || Fault::new("reading a proposal", format!("there is none at sequence {}", sequence.0));
    let proposed = approvals::proposed_at(events, sequence)?.ok_or_else(missing)?;
    let proposal_id = proposal.proposal_id.as_str();
    let message = approvals::message_of(origin, proposal_id, proposal.expires_at, &proposed.content)?;
    Ok(v1::Proposal {
        proposal_id: proposal_id.to_owned(),
        sequence: sequence.0,
        maker: proposal.maker.to_string(),
        proposed_at: Some(convert::to_timestamp(proposal.proposed_at)),
        expires_at: Some(convert::to_timestamp(proposal.expires_at)),
        message_to_sign: message.into(),
        approvers: proposal.approvals.iter().map(|approval| approval.actor.to_string()).collect(),
        content: Some(match proposed.content {
            ProposedContent::Command(bytes) => Content::Command(Bytes::from(bytes.into_vec())),
            ProposedContent::Batch(batch) => Content::Batch(wire_batch(&batch)),
        }),
    })
}

fn wire_batch(batch: &ProposedBatch) -> v1::ProposedBatch {
    v1::ProposedBatch {
        root: Bytes::copy_from_slice(&batch.root),
        command_count: i32::try_from(batch.command_count).unwrap_or(i32::MAX),
        control_total_minor: batch.control_total_minor,
    }
}

/// Looks after proposals for as long as the ledger runs: makes up for executions that a crash cut off, then lets time pass.
pub(super) async fn tend(node: Arc<Node>) {
    if let Err(why) = conclude_all(&node).await {
        tracing::warn!(why, "proposals could not be looked after at the start");
    }
    let mut interval = tokio::time::interval(TENDING_INTERVAL);
    loop {
        interval.tick().await;
        let waits = node.views().authority.has_proposals();
        if waits && let Err(Unavailable::ShuttingDown | Unavailable::ReadOnly(_)) = node.ledger().tick().await {
            return;
        }
    }
}

async fn conclude_all(node: &Node) -> Result<(), String> {
    let approved: Vec<Sequence> = {
        let views = node.views();
        let waiting = views.authority.proposals_after(Sequence(-1));
        let approved = waiting.filter(|(_, proposal)| proposal.batch.is_none() && !proposal.approvals.is_empty());
        approved.map(|(sequence, _)| sequence).collect()
    };
    for sequence in approved {
        let log = node.log();
        let proposed = approvals::proposed_at(&mut Events::new(log.as_ref()), sequence);
        let Some(proposed) = proposed.map_err(|fault| fault.to_string())? else { continue };
        let command = approvals::command_of(&proposed, node).map_err(|fault| fault.to_string())?;
        let Some(command) = command else { continue };
        let prepared = node.ledger().prepare(command, &mut Vec::new());
        let outcome = node.ledger().conclude(prepared).await.map_err(|why| why.to_string())?;
        if outcome.is_some() {
            tracing::info!(proposal = sequence.0, "a proposal whose approvals were complete was concluded");
        }
    }
    Ok(())
}
