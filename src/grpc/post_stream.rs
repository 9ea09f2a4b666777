//! `PostStream`: batch after batch over one call, several on their way, answered in order.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::batch::Batch;
use super::calls::CommandCount;
use super::identity::Caller;
use super::ledger::LedgerApi;
use super::node::Node;
use super::spans::spawn;
use super::status::Statuses;
use crate::domain::refusal::Reason;
use crate::ledger::Answer;
use crate::pb::v1;

/// Batches of one stream that are on their way at a time: enough to keep the writer busy between round trips.
const BATCHES_IN_FLIGHT: usize = 8;

/// Answers as they go out.
pub(super) type Answers = ReceiverStream<Result<v1::PostStreamResponse, Status>>;

enum Sent {
    /// The ledger has it, or none of it was for the ledger.
    Batch(Batch, Option<Answer>),
    /// The stream ends here, with this.
    End(Status),
}

impl LedgerApi {
    pub(super) fn post_stream_request(
        &self,
        request: Request<Streaming<v1::PostStreamRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let statuses = Statuses::for_request(&request);
        let caller = Caller::of(&request, statuses)?;
        let count = request.extensions().get::<CommandCount>().cloned().unwrap_or_default();
        let (sent, received) = mpsc::channel(BATCHES_IN_FLIGHT);
        let (answers, stream) = mpsc::channel(1);
        spawn(self.clone().take_batches(request.into_inner(), caller, statuses, sent, count));
        spawn(answer_batches(Arc::clone(&self.node), received, statuses, answers));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    /// Takes batches until the client has no more, the server stops, or one cannot be taken. What was taken is decided and
    /// answered even so; if the client is gone, decided.
    async fn take_batches(
        self,
        mut batches: Streaming<v1::PostStreamRequest>,
        caller: Caller,
        statuses: Statuses,
        sent: mpsc::Sender<Sent>,
        count: CommandCount,
    ) {
        let mut stopping = self.stopping.clone();
        loop {
            let message = tokio::select! {
                message = batches.message() => message,
                () = stopping.wait() => {
                    drop(sent.send(Sent::End(statuses.reason(Reason::ShuttingDown, &[]))).await);
                    return;
                }
            };
            let batch = match message {
                Ok(Some(batch)) => {
                    count.add(batch.commands.len());
                    self.take_batch(batch, &caller, statuses).await
                }
                Ok(None) => return,
                Err(status) => Sent::End(status),
            };
            let ends = matches!(batch, Sent::End(_));
            if sent.send(batch).await.is_err() || ends {
                return;
            }
        }
    }

    async fn take_batch(&self, batch: v1::PostStreamRequest, caller: &Caller, statuses: Statuses) -> Sent {
        // A stream may outlive a role.
        let caller = caller.renewed(&self.node);
        let (batch, prepared) = match self.batch(batch.commands, false, caller, statuses).await {
            Ok(parsed) => parsed,
            Err(status) => return Sent::End(status),
        };
        if prepared.is_empty() {
            return Sent::Batch(batch, None);
        }
        match self.node.ledger().post_in_turn(prepared).await {
            Ok(answer) => Sent::Batch(batch, Some(answer)),
            Err(why) => {
                batch.abandon(&why, &self.node).await;
                Sent::End(statuses.unavailable(&why))
            }
        }
    }
}

async fn answer_batches(
    node: Arc<Node>,
    mut sent: mpsc::Receiver<Sent>,
    statuses: Statuses,
    answers: mpsc::Sender<Result<v1::PostStreamResponse, Status>>,
) {
    let mut batch_number = 0_i64;
    while let Some(next) = sent.recv().await {
        batch_number = batch_number.saturating_add(1);
        let answer = match next {
            Sent::End(status) => Err(status),
            Sent::Batch(batch, None) => Ok(batch.complete(Vec::new(), &node).await),
            Sent::Batch(batch, Some(answer)) => match answer.outcomes().await {
                Ok(outcomes) => Ok(batch.complete(outcomes, &node).await),
                Err(why) => {
                    batch.abandon(&why, &node).await;
                    Err(statuses.unavailable(&why))
                }
            },
        };
        let ends = answer.is_err();
        let answer = answer.map(|results| v1::PostStreamResponse { batch_number, results });
        if answers.send(answer).await.is_err() || ends {
            return;
        }
    }
}
