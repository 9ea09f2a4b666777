//! Every limit of connections and calls, exceeded.

use std::io::Read;
use std::net::TcpStream;

use fundledger::pb::v1;
use fundledger::pb::v1::audit_service_client::AuditServiceClient;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::raw::{
    CANCEL, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, REFUSED_STREAM, RST_STREAM, Raw, frame,
    headers, number,
};
use crate::server::{payment, set_up};
use crate::service::{Service, reason};

fn request(commands: Vec<v1::Command>) -> v1::PostRequest {
    v1::PostRequest { commands, ..Default::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn metadata_have_a_largest_size() {
    let service = Service::new(&[("LIMITS__METADATA_BYTES_MAX", "4096")]);
    let with = |bytes: usize| {
        let mut request = Request::new(request(set_up()));
        request.metadata_mut().insert("x-long", AsciiMetadataValue::try_from("x".repeat(bytes)).unwrap());
        request
    };
    let mut ledger = service.ledger().await;
    assert!(ledger.post(with(5_000)).await.is_err());
    ledger.post(with(3_000)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn connections_have_a_largest_number() {
    let service = Service::new(&[("LIMITS__CONNECTIONS_MAX", "2")]);
    let mut one = service.ledger().await;
    let other = service.ledger().await;
    one.post(request(set_up())).await.unwrap();
    let mut third = TcpStream::connect(service.address()).unwrap();
    // Closed as it came: nothing is read, not even the settings that every server sends.
    assert_eq!(third.read(&mut [0; 64]).unwrap_or_default(), 0);
    assert!(service.get("/metrics").1.contains("\nfundledger_connections 2\n"));
    service.log_with("as many connections as are allowed");
    one.post(request(vec![payment("p-1")])).await.unwrap();
    drop(other);
    while !service.get("/metrics").1.contains("\nfundledger_connections 1\n") {
        tokio::task::yield_now().await;
    }
    service.ledger().await.post(request(vec![payment("p-2")])).await.unwrap();
}

#[test]
fn calls_of_a_connection_have_a_largest_number() {
    let service = Service::new(&[("LIMITS__STREAMS_MAX", "1")]);
    let mut raw = Raw::connect(&service);
    let block = headers("/fundledger.v1.LedgerService/PostStream", &[]);
    // The first goes on; its client has more to say.
    raw.send(&frame(HEADERS, END_HEADERS, 1, &block));
    raw.send(&frame(HEADERS, END_HEADERS, 3, &block));
    let (stream, why) = raw.frame_of(RST_STREAM);
    assert_eq!((stream, number(&why)), (3, REFUSED_STREAM));
}

/// Calls that are given up as soon as they are made (CVE-2023-44487).
#[test]
fn calls_that_are_given_up_at_once_end_the_connection() {
    let service = Service::new(&[("LIMITS__RESETS_MAX", "2")]);
    let mut raw = Raw::connect(&service);
    let block = headers("/fundledger.v1.QueryService/ListFunds", &[]);
    let calls = (0..500).flat_map(|at| {
        let stream = at * 2 + 1;
        [frame(HEADERS, END_HEADERS, stream, &block), frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat()
    });
    raw.send(&calls.collect::<Vec<_>>());
    let (_, payload) = raw.frame_of(GOAWAY);
    assert_eq!(number(&payload[4..8]), ENHANCE_YOUR_CALM);
}

#[test]
fn a_connection_that_does_not_answer_is_closed() {
    let service = Service::new(&[("LIMITS__KEEPALIVE_SECONDS", "1"), ("LIMITS__KEEPALIVE_TIMEOUT_SECONDS", "1")]);
    let mut raw = Raw::connect(&service);
    // It is asked, says nothing, and is closed.
    while raw.next().is_some() {}
}

/// A question for what witnesses have cosigned waits for them for ten seconds: longer than it may.
pub(crate) const PATIENT: v1::GetCheckpointRequest =
    v1::GetCheckpointRequest { min_sequence: Some(0), witnessed: true };

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn calls_end_after_a_while() {
    let service = Service::new(&[("LIMITS__CALL_SECONDS", "1")]);
    service.post(set_up()).await;
    let late = AuditServiceClient::new(service.channel().await).get_checkpoint(PATIENT).await.unwrap_err();
    assert_eq!((late.code(), reason(&late).as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert!(late.get_details_request_info().is_some());
    // A stream is no such call.
    let mut subscribed = service
        .query()
        .await
        .subscribe(v1::SubscribeRequest { heartbeat_seconds: 2, after_sequence: Some(15), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    for _ in 0..2 {
        subscribed.message().await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn callers_say_how_long_a_call_may_take() {
    let service = Service::new(&[]);
    service.post(set_up()).await;
    let mut raw = Raw::connect(&service);
    let block = headers("/fundledger.v1.AuditService/GetCheckpoint", &[("grpc-timeout", "50m")]);
    raw.send(&frame(HEADERS, END_HEADERS, 1, &block));
    let message = prost::Message::encode_to_vec(&PATIENT);
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    raw.send(&frame(0, END_STREAM, 1, &[&[0], &length[..], &message].concat()));
    // Its answer has come.
    raw.frame_of(HEADERS);
    let line =
        "fundledger_requests_total{method=\"fundledger.v1.AuditService/GetCheckpoint\",code=\"DEADLINE_EXCEEDED\"} 1";
    let metrics = service.get("/metrics").1;
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn callers_have_so_many_calls_a_second() {
    let service = Service::new(&[("LIMITS__REQUESTS_PER_SECOND", "1")]);
    let mut ledger = service.ledger().await;
    let mut refused = None;
    // A slow machine may take a second for some of them.
    for _ in 0..1_000 {
        if let Err(status) = ledger.post(request(set_up())).await {
            refused = Some(status);
            break;
        }
    }
    let refused = refused.expect("a thousand calls took a second each");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "TOO_MANY_REQUESTS"));
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    let mut health = HealthClient::new(service.channel().await);
    for _ in 0..10 {
        health.check(HealthCheckRequest { service: String::new() }).await.unwrap();
    }
}
