//! `AuditService`: the exact bytes of the log.

use std::sync::Arc;

use prost::bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::convert;
use super::node::Node;
use super::proofs::Proofs;
use super::reading::read_position;
use super::rules;
use super::spans::spawn_blocking;
use super::status::Statuses;
use super::stopping::{Stopping, UntilStopped};
use crate::domain::refusal::Reason;
use crate::format::block::Block;
use crate::log::{LogRead, blocks_between};
use crate::pb::v1;
use crate::pb::v1::audit_service_server::AuditService;

/// Bytes of entries in one message, about.
const BYTES_A_MESSAGE: usize = 512 * 1024;

pub(super) struct AuditApi {
    pub(super) node: Arc<Node>,
    pub(super) stopping: Stopping,
    /// Rules that may run at a time: each reads the whole log.
    pub(super) rule_runs: Arc<Semaphore>,
}

impl AuditApi {
    fn proofs<T>(&self, request: &Request<T>) -> Proofs {
        Proofs { node: Arc::clone(&self.node), statuses: Statuses::for_request(request) }
    }
}

#[tonic::async_trait]
impl AuditService for AuditApi {
    type ReadEntriesStream = UntilStopped<ReceiverStream<Result<v1::ReadEntriesResponse, Status>>>;

    async fn read_entries(
        &self,
        request: Request<v1::ReadEntriesRequest>,
    ) -> Result<Response<Self::ReadEntriesStream>, Status> {
        let statuses = Statuses::for_request(&request);
        let v1::ReadEntriesRequest { start_sequence, end_sequence } = request.into_inner();
        let head = self.node.ledger().committed();
        let end = end_sequence.unwrap_or(head.next_sequence());
        if start_sequence < 0 || end < start_sequence {
            let field = if start_sequence < 0 { "start_sequence" } else { "end_sequence" };
            let description = "is not a sequence from 0 on, in order".to_owned();
            let violation = convert::Violation { field: field.to_owned(), reason: Reason::FieldInvalid, description };
            return Err(statuses.violations(&[violation]));
        }
        if end > head.next_sequence() || start_sequence > head.next_sequence() {
            let facts =
                [("sequence", end.max(start_sequence).to_string()), ("head_sequence", head.sequence.to_string())];
            return Err(statuses.reason(Reason::SequenceBeyondHead, &facts));
        }
        let (sender, receiver) = mpsc::channel(4);
        let log = self.node.log();
        let head = read_position(&head);
        spawn_blocking(move || {
            send_entries(log.as_ref(), start_sequence, end, &head, statuses, &sender);
        });
        Ok(Response::new(UntilStopped::new(ReceiverStream::new(receiver), self.stopping.clone(), statuses)))
    }

    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        let proofs = self.proofs(&request);
        proofs.checkpoint(request.into_inner()).await.map(Response::new)
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        let proofs = self.proofs(&request);
        proofs.inclusion(request.into_inner()).await.map(Response::new)
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        let proofs = self.proofs(&request);
        proofs.consistency(request.into_inner()).await.map(Response::new)
    }

    async fn run_rules(&self, request: Request<v1::RunRulesRequest>) -> Result<Response<v1::RunRulesResponse>, Status> {
        let statuses = Statuses::for_request(&request);
        rules::run(&self.node, Arc::clone(&self.rule_runs), request.into_inner(), statuses).await.map(Response::new)
    }
}

fn send_entries(
    log: &dyn LogRead,
    start: i64,
    end: i64,
    head: &v1::ReadPosition,
    statuses: Statuses,
    to: &mpsc::Sender<Result<v1::ReadEntriesResponse, Status>>,
) {
    let message =
        |first_sequence, entries| v1::ReadEntriesResponse { first_sequence, entries, head: Some(head.clone()) };
    let mut first_sequence = start;
    let mut next = start;
    let mut entries: Vec<Bytes> = Vec::new();
    let mut bytes = 0_usize;
    for block in blocks_between(log, start, end.saturating_sub(1)) {
        let block = match block {
            Ok(block) => block,
            Err(fault) => {
                drop(to.blocking_send(Err(statuses.fault(&fault))));
                return;
            }
        };
        for entry in within(block, next, end) {
            bytes = bytes.saturating_add(entry.len());
            entries.push(entry);
            next = next.saturating_add(1);
        }
        if bytes >= BYTES_A_MESSAGE {
            bytes = 0;
            if to.blocking_send(Ok(message(first_sequence, std::mem::take(&mut entries)))).is_err() {
                return;
            }
            first_sequence = next;
        }
    }
    // The last message goes out even if it is empty: it carries the head.
    drop(to.blocking_send(Ok(message(first_sequence, entries))));
}

/// The entries of a block from a sequence on and before another, as slices of the block's own bytes.
fn within(block: Block, from: i64, before: i64) -> Vec<Bytes> {
    let skipped = usize::try_from(from.saturating_sub(block.first_sequence)).unwrap_or_default();
    let wanted = usize::try_from(before.saturating_sub(from)).unwrap_or_default();
    let lengths: Vec<usize> = block.entries().map(<[u8]>::len).collect();
    let records = Bytes::from(block.records);
    let mut offset = 0_usize;
    let mut slices = Vec::with_capacity(lengths.len());
    for length in lengths {
        let start = offset.saturating_add(2);
        let end = start.saturating_add(length);
        slices.push(records.slice(start..end));
        offset = end;
    }
    slices.into_iter().skip(skipped).take(wanted).collect()
}
