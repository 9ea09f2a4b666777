//! How a service stands: starting, serving, read-only, draining; for probes, metrics and gRPC health alike.

use std::fs;

use fundledger::pb::v1::GetCheckpointRequest;
use fundledger::pb::v1::audit_service_client::AuditServiceClient;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::server::{payment, set_up};
use crate::service::{Service, data, new_ledger, newer_snapshot, pipe, reason};

const POSTS: &[&str] = &["", "fundledger.v1.LedgerService"];
const READS: &[&str] =
    &["fundledger.v1.QueryService", "fundledger.v1.AuditService", "fundledger.v1.PersonalDataService"];

/// What every probe says, and the metric.
fn check(service: &Service, word: &str, reading: u16, posting: u16) {
    for (path, code) in
        [("/livez", 200), ("/readyz", posting), ("/readyz?for=posting", posting), ("/readyz?for=reading", reading)]
    {
        assert_eq!(service.probe(path), (code, word.to_owned()), "{path}");
    }
    assert_eq!(service.probe("/readyz?for=everything").0, 400);
    let metrics = service.get("/metrics").1;
    for state in ["starting", "serving", "read_only", "draining"] {
        let line = format!("fundledger_health{{state=\"{state}\"}} {}", u8::from(state == word));
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
}

async fn health(service: &Service, services: &[&str]) -> Vec<ServingStatus> {
    let mut health = HealthClient::new(service.channel().await);
    let mut found = Vec::new();
    for name in services {
        let request = HealthCheckRequest { service: (*name).to_owned() };
        found.push(health.check(request).await.unwrap().into_inner().status());
    }
    found
}

/// A start that waits for what somebody writes into a pipe: a snapshot, by its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_service_that_starts_answers_probes_and_then_serves() {
    let mut service = Service::new(&[]);
    service.post(set_up()).await;
    service.signal("TERM");
    assert!(service.ended().success());
    let directory = std::mem::replace(&mut service.directory, tempfile::tempdir().unwrap());
    let newest = newer_snapshot(&directory, "");
    pipe(&newest);

    let mut service = Service::starting(directory, &[]);
    check(&service, "starting", 503, 503);
    let metrics = service.get("/metrics").1;
    assert!(metrics.contains("fundledger_build_info{") && !metrics.contains("fundledger_log_bytes "), "{metrics}");
    fs::write(&newest, "no snapshot").unwrap();
    service.has_started();
    check(&service, "serving", 200, 200);
    assert!(health(&service, &[POSTS, READS].concat()).await.iter().all(|found| *found == ServingStatus::Serving));
}

/// A checkpoint that cannot be read: what was signed is not known, and nothing is posted.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_service_that_only_reads_says_so() {
    let directory = new_ledger();
    fs::write(data(&directory).join("checkpoint"), "no checkpoint").unwrap();
    let mut service = Service::starting(directory, &[]);
    service.has_started();
    let read_only = health(&service, POSTS).await;
    assert!(read_only.iter().all(|found| *found == ServingStatus::NotServing));
    assert!(health(&service, READS).await.iter().all(|found| *found == ServingStatus::Serving));
    check(&service, "read_only", 200, 503);
    let commands = vec![payment("p")];
    let request = fundledger::pb::v1::PostRequest { commands, ..Default::default() };
    let refused = service.ledger().await.post(request).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "READ_ONLY"));
}

/// While it drains it answers whoever comes, and says that nobody should.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_service_that_drains_still_answers_and_a_second_signal_ends_the_wait() {
    let mut service = Service::new(&[("LIMITS__DRAIN_SECONDS", "3600")]);
    service.post(set_up()).await;
    service.signal("TERM");
    while service.probe("/livez").1 != "draining" {
        std::thread::yield_now();
    }
    check(&service, "draining", 503, 503);
    let all = [POSTS, READS].concat();
    // The last of them is told a moment after the first.
    while !health(&service, &all).await.iter().all(|found| *found == ServingStatus::NotServing) {
        tokio::task::yield_now().await;
    }
    // On new connections too.
    let posted = service.post(vec![payment("while-draining")]).await;
    assert_eq!(posted.len(), 1);
    service.signal("TERM");
    assert!(service.ended().success(), "an hour was waited for");
}

/// A ledger that has just begun has not signed anything yet: whoever asks waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_checkpoint_of_a_ledger_that_has_just_begun_is_waited_for() {
    let service = Service::new(&[("CHECKPOINT_INTERVAL_MILLISECONDS", "3000")]);
    let mut audit = AuditServiceClient::new(service.channel().await);
    let latest = audit.get_checkpoint(GetCheckpointRequest::default()).await.unwrap().into_inner();
    assert_eq!(latest.tree_size, 1);
    // Nobody cosigns: that nobody waits for.
    let witnessed = GetCheckpointRequest { witnessed: true, ..Default::default() };
    let refused = audit.get_checkpoint(witnessed).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "QUEUE_FULL"));
}
