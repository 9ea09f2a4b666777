//! Streams: batch after batch, events as they come, and a server that stops with all of them open.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

mod server;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use fundledger::grpc::node::Node;
use fundledger::grpc::server::{Limits, listen, serve};
use fundledger::ledger::Genesis;
use fundledger::ledger::clock::SystemClock;
use fundledger::ledger::directory::DataDirectory;
use fundledger::pb::v1::audit_service_client::AuditServiceClient;
use fundledger::pb::v1::ledger_service_client::LedgerServiceClient;
use fundledger::pb::v1::query_service_client::QueryServiceClient;
use fundledger::pb::v1::subscribe_response::Part;
use fundledger::pb::v1::{self};
use prost::bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;
use tower::Service;

use server::{Served, payment, receipt, set_up};

/// A server in this process, with limits of the test's choice.
struct Local {
    directory: TempDir,
    node: Arc<Node>,
    endpoint: Endpoint,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
}

impl Local {
    async fn new(limits: Limits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        drop(DataDirectory::create(&data, Genesis::of_development("test.invalid/funds"), &SystemClock).unwrap());
        let node = Arc::new(Node::open(&data, Box::new(SystemClock)).unwrap());
        let (listener, bound) = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Arc::clone(&node);
        let served = tokio::spawn(async move {
            serve(serving, listener, limits, async { drop(stopped.await) }).await.unwrap();
        });
        // Small windows: what a client does not read stays with the server.
        let endpoint = Endpoint::from_shared(format!("http://{bound}"))
            .unwrap()
            .initial_stream_window_size(65_535)
            .initial_connection_window_size(65_535);
        Self { directory, node, endpoint, stop: Some(stop), served: Some(served) }
    }

    async fn channel(&self) -> Channel {
        self.endpoint.connect().await.unwrap()
    }

    async fn post(&self, commands: Vec<v1::Command>) {
        let request = v1::PostRequest { commands, ..v1::PostRequest::default() };
        let mut ledger = LedgerServiceClient::new(self.channel().await).max_decoding_message_size(64 << 20);
        for result in ledger.post(request).await.unwrap().into_inner().results {
            receipt(result);
        }
    }

    /// Tells the server to stop, and waits until it has.
    async fn stop(&mut self) {
        drop(self.stop.take());
        self.served.take().unwrap().await.unwrap();
    }
}

fn payments(first: usize, count: usize) -> Vec<v1::Command> {
    (first..first + count).map(|number| payment(&format!("p-{number}"))).collect()
}

fn reason_of(status: &Status) -> String {
    status.get_details_error_info().expect("every error says why").reason
}

fn fact(status: &Status, name: &str) -> String {
    status.get_details_error_info().unwrap().metadata.get(name).unwrap().clone()
}

fn post_stream(
    channel: Channel,
    waiting: usize,
) -> (mpsc::Sender<v1::PostStreamRequest>, JoinHandle<Result<Streaming<v1::PostStreamResponse>, Status>>) {
    let (batches, sent) = mpsc::channel(waiting);
    let mut ledger = LedgerServiceClient::new(channel).max_decoding_message_size(64 << 20);
    let answers =
        tokio::spawn(
            async move { ledger.post_stream(ReceiverStream::new(sent)).await.map(tonic::Response::into_inner) },
        );
    (batches, answers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_answered_in_order_and_a_bad_one_ends_the_stream_after_the_others() {
    let served = Served::new();
    served.accept(set_up()).await;
    let (batches, answers) = post_stream(served.channel().await, 4);
    let sending = tokio::spawn(async move {
        for number in 0..40 {
            let mut commands = payments(number * 50, 50);
            // One malformed command: its own result says so.
            commands[7].actor = String::new();
            batches.send(v1::PostStreamRequest { commands }).await.unwrap();
        }
        batches.send(v1::PostStreamRequest { commands: Vec::new() }).await.unwrap();
        batches
    });
    let mut answers = answers.await.unwrap().unwrap();
    let mut sequences = Vec::new();
    for number in 1..=40 {
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!((answer.batch_number, answer.results.len()), (number, 50));
        for (at, result) in answer.results.into_iter().enumerate() {
            match result.outcome.unwrap() {
                v1::post_result::Outcome::Receipt(receipt) => sequences.push(receipt.sequence),
                v1::post_result::Outcome::Error(status) => {
                    assert_eq!((at, status.code), (7, Code::InvalidArgument.into()));
                }
            }
        }
    }
    assert_eq!(sequences.len(), 40 * 49);
    assert!(sequences.is_sorted_by(|one, other| one < other));
    let ended = answers.message().await.unwrap_err();
    assert_eq!((ended.code(), reason_of(&ended).as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    drop(sending.await.unwrap());
}

const BATCHES: usize = 12;

/// Whatever a client that goes away had sent, sending it again gives one event a key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_and_sent_again_posts_once() {
    let served = Served::new();
    served.accept(set_up()).await;
    let head = served.accept(vec![payment("before")]).await[0].sequence;
    for cut_after in 0..BATCHES {
        let (batches, answers) = post_stream(served.channel().await, BATCHES);
        for number in 0..BATCHES {
            batches.send(v1::PostStreamRequest { commands: payments(number * 20, 20) }).await.unwrap();
        }
        if cut_after == 0 {
            answers.abort();
            continue;
        }
        let mut answers = answers.await.unwrap().unwrap();
        for _ in 0..cut_after {
            answers.message().await.unwrap().unwrap();
        }
        drop((answers, batches));
    }
    let receipts = served.accept(payments(0, BATCHES * 20)).await;
    let sequences: BTreeSet<i64> = receipts.iter().map(|receipt| receipt.sequence).collect();
    assert_eq!(sequences.len(), BATCHES * 20);
    let last = served.accept(vec![payment("after")]).await[0].sequence;
    assert_eq!(last, head + i64::try_from(BATCHES * 20).unwrap() + 1, "nothing else was posted");
}

async fn subscribe(
    channel: Channel,
    request: v1::SubscribeRequest,
) -> Result<Streaming<v1::SubscribeResponse>, Status> {
    QueryServiceClient::new(channel).subscribe(request).await.map(tonic::Response::into_inner)
}

/// Reads a subscription until it has seen a sequence; checks that nothing is missing or comes twice.
async fn read_until(stream: &mut Streaming<v1::SubscribeResponse>, after: i64, last: i64) -> (usize, Vec<i64>) {
    let (mut next, mut caught_up) = (after + 1, Vec::new());
    let mut messages = 0;
    while next <= last {
        messages += 1;
        match stream.message().await.unwrap().unwrap().part.unwrap() {
            Part::Events(events) => {
                for record in events.records {
                    assert_eq!(record.sequence, next);
                    next += 1;
                }
            }
            Part::CaughtUp(position) => {
                assert_eq!(position.sequence, next - 1);
                caught_up.push(position.sequence);
            }
            Part::Heartbeat(position) => assert_eq!(position.sequence, next - 1),
        }
    }
    (messages, caught_up)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_goes_from_what_is_there_to_what_comes_without_gap_or_duplicate() {
    let local = Local::new(Limits::default()).await;
    local.post(set_up()).await;
    local.post(payments(0, 2_000)).await;
    let there = local.node.ledger().committed().sequence;
    let last = there + 3_000;
    let mut readers = tokio::task::JoinSet::new();
    for after in [None, Some(0), Some(there - 1), Some(there)] {
        let request = v1::SubscribeRequest { after_sequence: after, ..Default::default() };
        let mut stream = subscribe(local.channel().await, request).await.unwrap();
        readers.spawn(async move { read_until(&mut stream, after.unwrap_or(-1), last).await });
    }
    for number in 0..60 {
        local.post(payments(2_000 + number * 50, 50)).await;
    }
    assert_eq!(local.node.ledger().committed().sequence, last);
    while let Some(read) = readers.join_next().await {
        let (_, caught_up) = read.unwrap();
        assert!(caught_up.len() <= 1, "{caught_up:?}");
    }

    // Caught up at the head, it says so once, with the hash that an auditor can compare.
    let request = v1::SubscribeRequest { after_sequence: Some(last), ..Default::default() };
    let mut stream = subscribe(local.channel().await, request).await.unwrap();
    let first = stream.message().await.unwrap().unwrap().part;
    let head = local.node.ledger().committed();
    let expected = v1::ReadPosition { sequence: last, entry_hash: head.hash.0.to_vec().into() };
    assert_eq!(first, Some(Part::CaughtUp(expected)));

    // Filtered by account: those events only, in order.
    let request = v1::SubscribeRequest { account_id: "unit-account".to_owned(), ..Default::default() };
    let unknown = subscribe(local.channel().await, request).await.unwrap_err();
    assert_eq!(reason_of(&unknown), "ACCOUNT_NOT_FOUND");
    let legs = local.node.ledger().log();
    let some_event = legs.entry_at(last).unwrap().unwrap();
    let some_event = fundledger::format::codec::decode(&some_event[32..]).unwrap();
    let account = some_event.decision.legs[0].account;
    let account_id = local.node.views().books.account(account).unwrap().account_id.to_string();
    let request = v1::SubscribeRequest { account_id: account_id.clone(), ..Default::default() };
    let mut stream = subscribe(local.channel().await, request).await.unwrap();
    let mut seen = Vec::new();
    while let Part::Events(events) = stream.message().await.unwrap().unwrap().part.unwrap() {
        for record in events.records {
            assert!(record.legs.iter().any(|leg| leg.account_id == account_id));
            seen.push(record.sequence);
        }
    }
    assert!(seen.len() >= 5_000 && seen.is_sorted_by(|one, other| one < other), "{}", seen.len());

    for (request, reason) in [
        (v1::SubscribeRequest { after_sequence: Some(last + 1), ..Default::default() }, "SEQUENCE_BEYOND_HEAD"),
        (v1::SubscribeRequest { after_sequence: Some(i64::MAX), ..Default::default() }, "SEQUENCE_BEYOND_HEAD"),
        (v1::SubscribeRequest { after_sequence: Some(-2), ..Default::default() }, "FIELD_INVALID"),
        (v1::SubscribeRequest { heartbeat_seconds: 61, ..Default::default() }, "FIELD_INVALID"),
        (v1::SubscribeRequest { heartbeat_seconds: -1, ..Default::default() }, "FIELD_INVALID"),
        (v1::SubscribeRequest { lot_id: "\n".to_owned(), ..Default::default() }, "LOT_NOT_FOUND"),
    ] {
        assert_eq!(reason_of(&subscribe(local.channel().await, request).await.unwrap_err()), reason);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_says_how_far_a_silent_subscription_has_got() {
    let local = Local::new(Limits::default()).await;
    local.post(set_up()).await;
    let request = v1::SubscribeRequest { heartbeat_seconds: 1, ..Default::default() };
    let mut stream = subscribe(local.channel().await, request).await.unwrap();
    let head = local.node.ledger().committed().sequence;
    let position = loop {
        if let Part::Heartbeat(position) = stream.message().await.unwrap().unwrap().part.unwrap() {
            break position;
        }
    };
    assert_eq!(position.sequence, head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_never_reads_is_cut_off_with_its_position() {
    let limits = Limits { subscribers_max: 1, subscriber_patience: Duration::from_millis(50), ..Limits::default() };
    let local = Local::new(limits).await;
    local.post(set_up()).await;
    for number in 0..5 {
        local.post(payments(number * 1_000, 1_000)).await;
    }
    let mut lazy = subscribe(local.channel().await, v1::SubscribeRequest::default()).await.unwrap();
    // Its place is free again as soon as it was cut off, although it has still not read anything.
    let mut next = loop {
        match subscribe(local.channel().await, v1::SubscribeRequest::default()).await {
            Ok(stream) => break stream,
            Err(status) => {
                assert_eq!(
                    (status.code(), reason_of(&status).as_str()),
                    (Code::ResourceExhausted, "TOO_MANY_SUBSCRIBERS")
                );
                tokio::task::yield_now().await;
            }
        }
    };
    let mut last = -1;
    let cut = loop {
        match lazy.message().await {
            Ok(Some(v1::SubscribeResponse { part: Some(Part::Events(events)) })) => {
                last = events.records.last().unwrap().sequence;
            }
            Ok(other) => panic!("{other:?}"),
            Err(status) => break status,
        }
    };
    assert_eq!((cut.code(), reason_of(&cut).as_str()), (Code::ResourceExhausted, "SUBSCRIBER_TOO_SLOW"));
    assert_eq!(fact(&cut, "resume_after_sequence"), last.to_string());
    let head = local.node.ledger().committed().sequence;
    assert!(last < head, "it was cut off before the end");
    read_until(&mut next, -1, head).await;
    drop(next);
    // And it goes on where it was, once there is a place.
    let request = v1::SubscribeRequest { after_sequence: Some(last), ..Default::default() };
    let mut resumed = loop {
        if let Ok(stream) = subscribe(local.channel().await, request.clone()).await {
            break stream;
        }
        tokio::task::yield_now().await;
    };
    read_until(&mut resumed, last, head).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_ends_every_open_stream_and_says_so() {
    // Were a stream to hold it, this would never end.
    let limits = Limits { shutdown_deadline: Duration::from_hours(1), ..Limits::default() };
    let mut local = Local::new(limits).await;
    local.post(set_up()).await;
    let head = local.node.ledger().committed().sequence;

    let mut subscription = subscribe(local.channel().await, v1::SubscribeRequest::default()).await.unwrap();
    read_until(&mut subscription, -1, head).await;
    let (batches, answers) = post_stream(local.channel().await, 1);
    batches.send(v1::PostStreamRequest { commands: payments(0, 10) }).await.unwrap();
    let mut answers = answers.await.unwrap().unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().results.len(), 10);
    // Answers go out before the views have the events: the subscriber has them all before the end.
    read_until(&mut subscription, head, head + 10).await;
    let health = HealthCheckRequest { service: "fundledger.v1.LedgerService".to_owned() };
    let mut health = HealthClient::new(local.channel().await).watch(health).await.unwrap().into_inner();
    assert_eq!(health.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let open = local.channel().await;
    let mut unread = AuditServiceClient::new(open.clone())
        .read_entries(v1::ReadEntriesRequest::default())
        .await
        .unwrap()
        .into_inner();

    local.stop().await;
    let said = loop {
        match subscription.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended without a word"),
            Err(status) => break status,
        }
    };
    assert_eq!((said.code(), reason_of(&said).as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
    assert_eq!(fact(&said, "resume_after_sequence"), (head + 10).to_string());
    let said = answers.message().await.unwrap_err();
    assert_eq!((said.code(), reason_of(&said).as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
    assert_eq!(health.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(!matches!(health.message().await, Ok(Some(_))));
    while let Ok(Some(_)) = unread.message().await {}
    // Everything that was acknowledged is there.
    let node = Arc::clone(&local.node);
    tokio::task::spawn_blocking(move || node.close().unwrap()).await.unwrap();
    assert_eq!(local.node.ledger().committed().sequence, head + 10);
    drop(local.directory);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_holds_the_stop_no_longer_than_the_deadline() {
    let limits = Limits { shutdown_deadline: Duration::from_millis(200), ..Limits::default() };
    let mut local = Local::new(limits).await;
    local.post(set_up()).await;
    for number in 0..3 {
        local.post(payments(number * 1_000, 1_000)).await;
    }
    let lazy = subscribe(local.channel().await, v1::SubscribeRequest::default()).await.unwrap();
    local.stop().await;
    drop(lazy);
}

/// A request of which a part has come, and the rest comes when it is sent.
fn in_part(channel: Channel, bytes: usize) -> (mpsc::Sender<Bytes>, JoinHandle<Status>) {
    let (rest, parts) = mpsc::channel(4);
    let length = u32::try_from(2 << 20).unwrap().to_be_bytes();
    rest.try_send([&[0][..], &length, &vec![0; bytes]].concat().into()).unwrap();
    let body = tonic::body::Body::new(StreamBody(ReceiverStream::new(parts)));
    let request = http::Request::post("/fundledger.v1.LedgerService/Post");
    let request = request.header("content-type", "application/grpc").body(body).unwrap();
    let answered = tokio::spawn(async move {
        let mut channel = channel;
        std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
        let answer = channel.call(request).await.unwrap();
        Status::from_header_map(answer.headers()).expect("it is refused before anything else")
    });
    (rest, answered)
}

/// A body of parts.
struct StreamBody(ReceiverStream<Bytes>);

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.0).poll_next(context).map(|part| part.map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}

/// However many connections there are: what has come in part has a bound, and whoever sends whole requests does not feel it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_come_in_part_have_room_for_so_much() {
    let mut local = Local::new(Limits { intake_bytes_max: 1 << 20, ..Limits::default() }).await;
    // They are sent until one is refused: how much of them has arrived by when is the network's affair.
    let mut open = Vec::new();
    let refused = loop {
        let (rest, mut answered) = in_part(local.channel().await, 600 << 10);
        assert!(open.len() < 2, "there is room for one and a half");
        if open.is_empty() {
            open.push((rest, answered));
            continue;
        }
        // One of the two is refused, whichever arrives last.
        let (_, first) = &mut open[0];
        break tokio::select! { status = first => status.unwrap(), status = &mut answered => status.unwrap() };
    };
    assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::ResourceExhausted, "QUEUE_FULL"));
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    local.post(set_up()).await;
    local.post(payments(0, 100)).await;
    drop(open);
    local.stop().await;
}
