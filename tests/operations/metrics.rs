//! Metrics of a running service, as a scraper sees them.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;

use fundledger::pb::v1;
use tonic::Code;

use crate::server::{self, payment, receipt, run, set_up};
use crate::service::Service;

/// The values by name and labels.
fn values(service: &Service) -> BTreeMap<String, f64> {
    let (head, body) = service.get("/metrics");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    let lines = body.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.5
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn positions_and_lags_are_told_and_an_unfinished_request_holds_up_no_stop() {
    let mut service = Service::new(&[]);
    let parts = ["views", "index", "index_files", "entries", "checkpoint", "witnesses"];
    let position = |part: &str| format!("fundledger_position_sequence{{part=\"{part}\"}}");
    let lag = |part: &str| format!("fundledger_lag_events{{part=\"{part}\"}}");
    let at_first = values(&service);
    for name in [position("log").as_str(), "fundledger_read_only", "fundledger_witness_alarm"] {
        assert!(near(at_first[name], 0.0), "{name}");
    }
    let posted = service.post(set_up()).await;
    let last = f64::from(i32::try_from(receipt(posted.last().unwrap().clone()).sequence).unwrap());
    // Everything catches up but the files of the index, which are written when there is enough for one.
    let mut scrapes = 0;
    let caught_up = loop {
        let values = values(&service);
        scrapes += 1;
        assert!(scrapes < 5_000, "it never catches up: {values:?}");
        assert!(near(values[&position("log")], last));
        for part in parts {
            let behind = values[&position("log")] - values[&position(part)];
            assert!(near(values[&lag(part)], behind), "{part}");
        }
        if ["views", "index", "entries", "checkpoint"].iter().all(|part| near(values[&lag(part)], 0.0)) {
            break values;
        }
    };
    assert!(caught_up[&position("index_files")] < caught_up[&position("log")]);
    let text = service.get("/metrics").1;
    for name in ["LOT-1", "U.unit", "maker-1", "Supplier", "test.invalid"] {
        assert!(!text.contains(name), "{text}");
    }
    assert!(service.get("/other").0.starts_with("HTTP/1.1 404"));

    let mut unfinished = TcpStream::connect(service.metrics_address()).unwrap();
    unfinished.write_all(b"GET /metr").unwrap();
    service.signal("TERM");
    assert!(service.ended().success());
}

/// Whatever is posted, refused, asked and got wrong is counted, and nothing else is.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_was_done_is_counted() {
    let service = Service::new(&[]);
    let request = |commands| v1::PostRequest { commands, ..Default::default() };
    let mut ledger = service.ledger().await;
    let setting_up = set_up();
    let set_up_count = f64::from(u32::try_from(setting_up.len()).unwrap());
    ledger.post(request(setting_up)).await.unwrap();
    // Accepted, then refused by the rules: one fen from a unit that there is not. Both again, and one key with other content.
    let mut refused = payment("p-2");
    if let Some(v1::command::Payload::ExecutePayment(payment)) = &mut refused.payload {
        payment.from_account_id = "no.such".to_owned();
    }
    let mut other = payment("p-1");
    other.checkers = vec!["checker-2".to_owned()];
    let mut malformed = payment("p-3");
    malformed.actor = String::new();
    ledger.post(request(vec![payment("p-1")])).await.unwrap();
    for commands in [vec![refused.clone()], vec![payment("p-1"), refused], vec![other], vec![malformed]] {
        ledger.post(request(commands)).await.unwrap();
    }
    ledger
        .post(v1::PostRequest { commands: vec![payment("p-4")], validate_only: true, ..Default::default() })
        .await
        .unwrap();
    // A whole request that is refused, a question about what is not there, and a method that is not there.
    assert_eq!(ledger.post(request(Vec::new())).await.unwrap_err().code(), Code::InvalidArgument);
    let unknown = v1::GetReceiptRequest { request_id: "nothing".to_owned() };
    assert_eq!(ledger.get_receipt(unknown).await.unwrap_err().code(), Code::NotFound);
    for made_up in ["/fundledger.v1.LedgerService/Invent", "/made.up/Method"] {
        let mut grpc = tonic::client::Grpc::new(service.channel().await);
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<v1::GetReceiptRequest, v1::GetReceiptResponse>::default();
        let request = tonic::Request::new(v1::GetReceiptRequest::default());
        let answer = grpc.unary(request, http::uri::PathAndQuery::from_static(made_up), codec).await;
        assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
    }
    let mut subscribed = service.query().await.subscribe(v1::SubscribeRequest::default()).await.unwrap().into_inner();
    subscribed.message().await.unwrap().unwrap();

    let values = values(&service);
    let post = "method=\"fundledger.v1.LedgerService/Post\"";
    for (name, expected) in [
        ("fundledger_events_total", set_up_count + 2.0),
        ("fundledger_commands_total{outcome=\"accepted\"}", set_up_count + 1.0),
        ("fundledger_commands_total{outcome=\"replayed\"}", 2.0),
        ("fundledger_commands_total{outcome=\"refused\"}", 1.0),
        ("fundledger_commands_total{outcome=\"key_reused\"}", 1.0),
        ("fundledger_commands_total{outcome=\"valid\"}", 1.0),
        ("fundledger_refusals_total{reason=\"ACCOUNT_NOT_FOUND\"}", 2.0),
        ("fundledger_refusals_total{reason=\"IDEMPOTENCY_KEY_REUSED\"}", 1.0),
        ("fundledger_refusals_total{reason=\"FIELD_INVALID\"}", 2.0),
        ("fundledger_refusals_total{reason=\"REQUEST_NOT_FOUND\"}", 1.0),
        (&format!("fundledger_requests_total{{{post},code=\"OK\"}}"), 7.0),
        (&format!("fundledger_requests_total{{{post},code=\"INVALID_ARGUMENT\"}}"), 1.0),
        ("fundledger_requests_total{method=\"fundledger.v1.LedgerService/GetReceipt\",code=\"NOT_FOUND\"}", 1.0),
        ("fundledger_requests_total{method=\"other\",code=\"UNIMPLEMENTED\"}", 2.0),
        (&format!("fundledger_request_duration_seconds_count{{{post}}}"), 8.0),
        (&format!("fundledger_request_duration_seconds_bucket{{{post},le=\"+Inf\"}}"), 8.0),
        ("fundledger_queue_commands", 0.0),
        ("fundledger_queue_commands_max", 32_768.0),
        // A group with events each: the set-up, and what was accepted and refused.
        ("fundledger_flush_duration_seconds_count", 3.0),
        ("fundledger_group_events_sum", set_up_count + 2.0),
        ("fundledger_group_events_bucket{le=\"1\"}", 2.0),
        ("fundledger_snapshot_age_events", set_up_count + 3.0),
        ("fundledger_health{state=\"starting\"}", 0.0),
        ("fundledger_health{state=\"serving\"}", 1.0),
        ("fundledger_health{state=\"read_only\"}", 0.0),
        ("fundledger_health{state=\"draining\"}", 0.0),
        (concat!("fundledger_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1.0),
        ("fundledger_subscribers", 1.0),
    ] {
        let found = values.get(name).unwrap_or_else(|| panic!("no {name} in {values:#?}"));
        assert!(near(*found, expected), "{name} is {found}, not {expected}");
    }
    assert!(values["fundledger_log_bytes"] > 1_000.0);
    assert!(values["fundledger_disk_free_bytes"] > 1_000.0);
    assert!(values["fundledger_connections"] >= 2.0);
    assert!(values["fundledger_start_time_seconds"] > 1.7e9);
    assert!(values["fundledger_witness_age_seconds"].is_nan(), "nobody is asked to cosign");
    // Another method's name would be anybody's to make up.
    assert!(!values.keys().any(|name| name.contains("Invent") || name.contains("made.up")));
    drop(subscribed);
}

/// A checkpoint is signed twice a second; a snapshot is written at the stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn ages_are_told_from_what_was_signed_and_written() {
    let mut service = Service::new(&[]);
    service.post(set_up()).await;
    let mut scrapes = 0;
    loop {
        let age = values(&service)["fundledger_checkpoint_age_seconds"];
        scrapes += 1;
        assert!(scrapes < 5_000, "no checkpoint was signed");
        if !age.is_nan() {
            assert!((0.0..600.0).contains(&age), "{age}");
            break;
        }
    }
    service.signal("TERM");
    assert!(service.ended().success());
    let service = service.again(&[]);
    assert!(near(values(&service)["fundledger_snapshot_age_events"], 0.0));
    service.post(vec![payment("later")]).await;
    assert!(near(values(&service)["fundledger_snapshot_age_events"], 1.0));
}

#[test]
fn metrics_stay_on_loopback() {
    let served = run(&["serve", "--insecure-dev", "--metrics-listen", "0.0.0.0:0", "--data", "nowhere"]);
    assert_eq!(served.status.code(), Some(2), "{}", server::errors(&served));
    assert!(server::errors(&served).contains("0.0.0.0"));
}
