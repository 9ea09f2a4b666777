//! `Post` without messages in between: a request is taken as the bytes it came as, and receipts are written as the bytes they
//! go out as. Whatever is not plain goes the way of all other calls, and is answered as it would be there.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use prost::Message;
use prost::bytes::{Buf, BufMut, Bytes};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tower::Service;

use super::arrivals::{Arrivals, Arriving, Begun};
use super::batch::InTurn;
use super::calls::CommandCount;
use super::convert;
use super::identity::Caller;
use super::ledger::{LedgerApi, durable, receipt_bytes};
use super::status::Statuses;
use crate::ledger::{Ledger, Outcome, Prepared, Receipt, Unavailable};
use crate::pb::v1;
use crate::pb::v1::WaitLevel;
use crate::pb::v1::ledger_service_server::{LedgerService, LedgerServiceServer};

const PATH: &str = "/fundledger.v1.LedgerService/Post";

/// `LedgerService`, with [`LedgerApi::post_bytes`] in the place of `Post`.
#[derive(Clone)]
pub(super) struct Posting {
    api: LedgerApi,
    others: LedgerServiceServer<LedgerApi>,
    arrivals: Arc<Arrivals>,
    request_bytes_max: usize,
}

impl Posting {
    pub(super) fn new(api: LedgerApi, request_bytes_max: usize) -> Self {
        let others = LedgerServiceServer::new(api.clone()).max_decoding_message_size(request_bytes_max);
        Self { api, others, arrivals: Arc::default(), request_bytes_max }
    }
}

impl NamedService for Posting {
    const NAME: &'static str = <LedgerServiceServer<LedgerApi> as NamedService>::NAME;
}

type Answering<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl Service<http::Request<tonic::body::Body>> for Posting {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Answering<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        if request.uri().path() != PATH {
            return self.others.call(request);
        }
        let (api, arrivals, request_bytes_max) = (self.api.clone(), Arc::clone(&self.arrivals), self.request_bytes_max);
        Box::pin(async move {
            let statuses = Statuses::for_headers(request.headers());
            if !Arrivals::is_open(api.node.ledger().room()) {
                return Ok(statuses.unavailable(&Unavailable::QueueFull).into_http());
            }
            let (head, body) = request.into_parts();
            // What has come whole by the time this is polled waits for nothing, and keeps nobody out.
            let begun = Begun::new(body).await;
            let bytes = begun.message_bytes();
            let request = http::Request::from_parts(head, tonic::body::Body::new(begun));
            let mut arriving = None;
            // One that is too long is told so, however much waits.
            if bytes <= request_bytes_max {
                arriving = arrivals.admit(api.node.ledger().room(), bytes, Instant::now());
                if arriving.is_none() {
                    // The rest of it is not read.
                    return Ok(statuses.unavailable(&Unavailable::QueueFull).into_http());
                }
            }
            let mut grpc = Grpc::new(WholeMessages).apply_max_message_size_config(Some(request_bytes_max), None);
            Ok(grpc.unary(Post { api, arriving }, request).await)
        })
    }
}

struct Post {
    api: LedgerApi,
    arriving: Option<Arriving>,
}

impl UnaryService<Bytes> for Post {
    type Response = PostAnswer;
    type Future = Answering<Response<PostAnswer>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (api, arriving) = (self.api.clone(), self.arriving.take());
        Box::pin(async move { api.post_bytes(request, arriving).await })
    }
}

/// What `Post` answers.
pub(crate) enum PostAnswer {
    /// Any answer.
    Message(v1::PostResponse),
    /// Every command was accepted, and is durable.
    Receipts(Vec<Receipt>),
}

/// Requests as bytes, answers as [`PostAnswer`].
pub(crate) struct WholeMessages;

impl Codec for WholeMessages {
    type Encode = PostAnswer;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Decoder for WholeMessages {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// About what a receipt takes.
const RECEIPT_BYTES: usize = 64;

impl Encoder for WholeMessages {
    type Item = PostAnswer;
    type Error = Status;

    fn encode(&mut self, answer: PostAnswer, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        match answer {
            PostAnswer::Message(message) => message.encode(to).map_err(|error| Status::internal(error.to_string())),
            PostAnswer::Receipts(receipts) => {
                to.put_slice(&encoded(&receipts));
                Ok(())
            }
        }
    }
}

impl LedgerApi {
    /// Posts a request as it came.
    async fn post_bytes(
        &self,
        request: Request<Bytes>,
        arriving: Option<Arriving>,
    ) -> Result<Response<PostAnswer>, Status> {
        let statuses = Statuses::for_request(&request);
        let caller = Caller::of(&request, statuses)?;
        let mut is_counted = false;
        let (commands, bytes) = (plain(request.get_ref()), request.get_ref().len());
        if let Some(arriving) = arriving {
            arriving.came(Ledger::share(commands.as_ref().map_or(1, Vec::len), bytes), bytes);
        }
        if let Some(commands) = commands {
            is_counted = true;
            CommandCount::note(request.extensions(), commands.len());
            // Before anything of it is looked into: what is refused here must cost little, so that it cannot slow down what is
            // accepted.
            let room = self.node.ledger().reserve(commands.len(), bytes);
            let room = room.map_err(|why| statuses.unavailable(&why))?;
            if let Some(prepared) = self.straight(commands, &caller).await {
                let outcomes = self.node.ledger().post_reserved(prepared, room).await;
                let outcomes = outcomes.map_err(|why| statuses.unavailable(&why))?;
                return Ok(Response::new(self.answer(outcomes, statuses)));
            }
        }
        let (metadata, extensions, bytes) = request.into_parts();
        // Said as the generated code says it.
        let mut message = v1::PostRequest::decode(bytes).map_err(|error| Status::internal(error.to_string()))?;
        if is_durable(&message)
            && message.commands.is_empty()
            && let Some(batch) = message.approved_batch.take()
        {
            CommandCount::note(&extensions, batch.commands.len());
            let outcomes = self.post_batch(batch, false, &caller, statuses).await?;
            return Ok(Response::new(self.answer(outcomes, statuses)));
        }
        if !is_counted {
            let in_batch = message.approved_batch.as_ref().map_or(0, |batch| batch.commands.len());
            CommandCount::note(&extensions, message.commands.len().saturating_add(in_batch));
        }
        let response = self.post(Request::from_parts(metadata, extensions, message)).await?;
        Ok(response.map(PostAnswer::Message))
    }

    fn answer(&self, outcomes: Vec<Outcome>, statuses: Statuses) -> PostAnswer {
        match receipts(outcomes) {
            Ok(receipts) => PostAnswer::Receipts(receipts),
            Err(outcomes) => {
                self.node.count_told(&outcomes);
                PostAnswer::Message(durable(outcomes, statuses))
            }
        }
    }

    /// Plain commands, ready for the ledger; `None` if there is any other among them, or one that the caller may not post.
    async fn straight(&self, commands: Vec<&[u8]>, caller: &Caller) -> Option<Vec<Prepared>> {
        let mut scratch = Vec::with_capacity(512);
        let mut prepared = Vec::with_capacity(commands.len());
        let mut in_turn = InTurn::default();
        for command in commands {
            in_turn.before(1).await;
            let command = convert::straight(command, Some(self.node.pseudonyms()))?;
            caller.may_post(&command, &self.node).ok()?;
            prepared.push(self.node.ledger().prepare(command, &mut scratch));
        }
        Some(prepared)
    }
}

/// The commands of a request of nothing but commands that are to be durable; `None` for any other request.
pub(super) fn plain(request: &[u8]) -> Option<Vec<&[u8]>> {
    let (commands, others) = convert::split_request(request)?;
    if commands.is_empty() || commands.len() > convert::COMMANDS_MAX {
        return None;
    }
    let others = v1::PostRequest::decode(others.as_slice()).ok()?;
    (is_durable(&others) && others.approved_batch.is_none()).then_some(commands)
}

/// Whether a request is to be written, and answered as soon as it is on disk.
fn is_durable(request: &v1::PostRequest) -> bool {
    let level = WaitLevel::try_from(request.wait_level);
    !request.validate_only && matches!(level, Ok(WaitLevel::Unspecified | WaitLevel::Durable))
}

fn encoded(receipts: &[Receipt]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(receipts.len().saturating_mul(RECEIPT_BYTES));
    for receipt in receipts {
        receipt_bytes(receipt, &mut bytes);
    }
    let rest = v1::PostResponse { reached_level: WaitLevel::Durable.into(), ..Default::default() };
    bytes.extend_from_slice(&rest.encode_to_vec());
    bytes
}

/// An answer as it goes out.
pub(crate) fn answer_bytes(outcomes: Vec<Outcome>) -> Vec<u8> {
    match receipts(outcomes) {
        Ok(receipts) => encoded(&receipts),
        Err(outcomes) => durable(outcomes, Statuses::default()).encode_to_vec(),
    }
}

/// The receipts, where every command was accepted.
fn receipts(outcomes: Vec<Outcome>) -> Result<Vec<Receipt>, Vec<Outcome>> {
    let accepted = |outcome: &Outcome| match outcome {
        Outcome::Accepted(receipt) => Some(*receipt),
        Outcome::Valid | Outcome::Refused { .. } | Outcome::KeyReused { .. } => None,
    };
    outcomes.iter().map(accepted).collect::<Option<Vec<_>>>().ok_or(outcomes)
}
