//! Clients that mean harm, or are broken: calls that are given up by the thousand, requests that come byte by byte, answers
//! that nobody reads, peers that are gone. They get no further than the limits say, and others do not feel it.

use std::fs;
use std::io::Write;

use fundledger::pb::v1;

use crate::raw::{
    CANCEL, END_HEADERS, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, RST_STREAM, Raw, call, frame, headers, number,
};
use crate::server::{payment, receipt, set_up};
use crate::service::Service;

const SUBSCRIBE: &str = "/fundledger.v1.QueryService/Subscribe";
const POST: &str = "/fundledger.v1.LedgerService/Post";

/// The value of a metric without labels.
fn metric(service: &Service, name: &str) -> f64 {
    let metrics = service.get("/metrics").1;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::to_owned);
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

/// Waits until a metric has a value.
async fn until(service: &Service, name: &str, value: f64) {
    while (metric(service, name) - value).abs() > 0.1 {
        tokio::task::yield_now().await;
    }
}

/// Bytes of memory that the service has.
fn memory(service: &Service) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.process())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Another caller's post, which must be taken.
async fn others_are_served(service: &Service, id: &str) {
    receipt(service.post(vec![payment(id)]).await.remove(0));
}

/// Thousands of calls on one connection, each given up as soon as it is made (CVE-2023-44487), and one connection after
/// another, under the limits of whoever sets none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_calls_that_are_given_up_end_their_connection_and_nobody_elses() {
    const CALLS: u32 = 5_000;
    const CONNECTIONS: u32 = 20;
    let service = Service::new(&[]);
    service.post(set_up()).await;
    let mut other = service.ledger().await;
    let block = headers("/fundledger.v1.QueryService/ListFunds", &[]);
    let calls: Vec<u8> = (0..CALLS)
        .flat_map(|at| {
            let stream = at * 2 + 1;
            [frame(HEADERS, END_HEADERS, stream, &block), frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat()
        })
        .collect();
    let before = memory(&service);
    for connection in 0..CONNECTIONS {
        let mut raw = Raw::connect(&service);
        raw.send(&calls);
        let (_, payload) = raw.frame_of(GOAWAY);
        assert_eq!(number(&payload[4..8]), ENHANCE_YOUR_CALM);
        assert!(number(&payload[..4]) < CALLS * 2, "it took all of them");
        let commands = vec![payment(&format!("p-{connection}"))];
        let answer = other.post(v1::PostRequest { commands, ..Default::default() }).await.unwrap().into_inner();
        receipt(answer.results.into_iter().next().unwrap());
    }
    let grown = memory(&service).saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes for calls that nobody wanted");
    // Those that are gone hold no places.
    until(&service, "fundledger_connections", 1.0).await;
}

/// As slowly as can be, but whole: it is a request like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_comes_byte_by_byte_is_answered() {
    let service = Service::new(&[]);
    service.post(set_up()).await;
    let mut raw = Raw::connect(&service);
    raw.0.set_nodelay(true).unwrap();
    let request = v1::PostRequest { commands: vec![payment("slow")], ..Default::default() };
    for byte in call(1, POST, &[], &request) {
        raw.0.write_all(&[byte]).unwrap();
    }
    let (stream, _) = raw.frame_of(HEADERS);
    assert_eq!(stream, 1);
    let again = receipt(service.post(vec![payment("slow")]).await.remove(0));
    assert!(again.replayed, "it was posted");
}

/// What never becomes whole ends: a request at the deadline of calls, the beginning of a frame when nobody answers for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_never_comes_whole_ends() {
    let service = Service::new(&[
        ("LIMITS__CALL_SECONDS", "1"),
        ("LIMITS__KEEPALIVE_SECONDS", "1"),
        ("LIMITS__KEEPALIVE_TIMEOUT_SECONDS", "1"),
    ]);
    service.post(set_up()).await;
    let request = v1::PostRequest { commands: vec![payment("never")], ..Default::default() };
    let whole = call(1, POST, &[], &request);
    // All but the end of the message, whose frame says that it ends there.
    let mut short = whole.clone();
    let data = whole.len() - prost::Message::encoded_len(&request) - 5 - 9;
    let announced = u32::try_from(whole.len() - data - 9 - 1).unwrap().to_be_bytes();
    short[data..data + 3].copy_from_slice(&announced[1..]);
    short[data + 4] = 0;
    short.pop();
    let mut unfinished = Raw::connect(&service);
    unfinished.send(&short);
    unfinished.frame_of(HEADERS);
    let line = "fundledger_requests_total{method=\"fundledger.v1.LedgerService/Post\",code=\"DEADLINE_EXCEEDED\"} 1";
    let metrics = service.get("/metrics").1;
    assert!(metrics.contains(line), "{metrics}");
    // In the midst of a frame: nothing that comes is an answer to the question whether it is still there.
    let mut cut = Raw::connect(&service);
    cut.send(&whole[..whole.len() - 1]);
    while cut.next().is_some() {}
    others_are_served(&service, "never").await;
}

/// Subscriptions that nobody reads, over windows that their client never opens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads_are_given_up() {
    const SUBSCRIPTIONS: u32 = 50;
    let service = Service::new(&[
        ("LIMITS__SUBSCRIBERS_MAX", &SUBSCRIPTIONS.to_string()),
        ("LIMITS__SUBSCRIBER_PATIENCE_SECONDS", "1"),
    ]);
    service.post(set_up()).await;
    service.post((0..4_000).map(|at| payment(&format!("p-{at}"))).collect()).await;
    let mut raw = Raw::connect(&service);
    // Not one byte of an answer: SETTINGS_INITIAL_WINDOW_SIZE is 0.
    raw.send(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]));
    let before = memory(&service);
    for at in 0..SUBSCRIPTIONS {
        raw.send(&call(at * 2 + 1, SUBSCRIBE, &[], &v1::SubscribeRequest::default()));
    }
    // Each is made, and says so: headers have no window.
    for _ in 0..SUBSCRIPTIONS {
        raw.frame_of(HEADERS);
    }
    others_are_served(&service, "meanwhile").await;
    // Each is cut off by itself, and its place is free, although its client has still not read anything.
    until(&service, "fundledger_subscribers", 0.0).await;
    let grown = memory(&service).saturating_sub(before);
    assert!(grown < 512 << 20, "{grown} bytes for answers that nobody reads");
    let subscribed = service.query().await.subscribe(v1::SubscribeRequest::default()).await;
    assert!(subscribed.unwrap().into_inner().message().await.unwrap().is_some());
    others_are_served(&service, "after").await;
}

/// A peer that is gone without a word: its machine was switched off, or a firewall forgot the connection. What it had open goes
/// with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_gone_without_a_word_holds_nothing() {
    let service = Service::new(&[("LIMITS__KEEPALIVE_SECONDS", "1"), ("LIMITS__KEEPALIVE_TIMEOUT_SECONDS", "1")]);
    service.post(set_up()).await;
    until(&service, "fundledger_connections", 0.0).await;
    let mut gone = Raw::connect(&service);
    let after_sequence = Some(receipt(service.post(vec![payment("before")]).await.remove(0)).sequence);
    gone.send(&call(1, SUBSCRIBE, &[], &v1::SubscribeRequest { after_sequence, ..Default::default() }));
    until(&service, "fundledger_subscribers", 1.0).await;
    // It reads nothing and answers nothing, and its end of the connection stays open until this test ends.
    until(&service, "fundledger_connections", 0.0).await;
    until(&service, "fundledger_subscribers", 0.0).await;
    others_are_served(&service, "after").await;
    drop(gone);
}
