//! A full disk, a write that fails, a sync that fails: nothing is acknowledged afterwards, reading goes on, and a restart with
//! a sound disk knows everything that was acknowledged.

use fundledger::pb::v1;
use fuser::Errno;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use super::disk::{Call, Disk, Failure, LOG};
use super::server::{Served, payment, receipt, set_up};

/// Payments a request.
const BATCH: usize = 20;
/// Requests until a disk that was nearly full must be full.
const REQUESTS_MAX: usize = 2_000;

fn reason(status: &tonic::Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

async fn health(served: &Served, service: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer = HealthClient::new(served.channel().await).check(request).await.unwrap();
    answer.into_inner().status()
}

/// The balance once a sequence is in the views.
async fn balance(served: &Served, sequence: i64) -> i64 {
    let min_sequence = Some(sequence);
    let request = v1::GetBalanceRequest { account_id: "U.unit".to_owned(), min_sequence, ..Default::default() };
    let answer = served.query().await.get_balance(request).await.unwrap();
    answer.into_inner().balance.unwrap().amount_minor
}

/// Posts until something fails; gives the ids that were acknowledged, and those that were not.
async fn until_failure(served: &Served) -> (Vec<String>, Vec<String>) {
    let mut ledger = served.ledger().await;
    let mut acknowledged = Vec::new();
    for number in 0..REQUESTS_MAX {
        let ids: Vec<String> = (0..BATCH).map(|at| format!("p-{number}-{at}")).collect();
        let commands = ids.iter().map(|id| payment(id)).collect();
        match ledger.post(v1::PostRequest { commands, ..Default::default() }).await {
            Ok(answer) => {
                let receipts = answer.into_inner().results.into_iter().map(receipt);
                acknowledged.extend(ids.into_iter().zip(receipts).map(|(id, _)| id));
            }
            Err(status) => {
                assert_eq!(reason(&status), "OUTCOME_UNKNOWN", "{status:?}");
                return (acknowledged, ids);
            }
        }
    }
    panic!("nothing failed");
}

/// What must be so after any failure, and after the disk is sound again.
async fn fails_and_recovers(disk: &Disk, served: &mut Served) {
    let (acknowledged, unknown) = until_failure(served).await;
    // Nothing more is acknowledged, not even what was acknowledged before.
    for id in [unknown[0].as_str(), "later"] {
        let request = v1::PostRequest { commands: vec![payment(id)], ..Default::default() };
        let status = served.ledger().await.post(request).await.unwrap_err();
        assert_eq!(reason(&status), "READ_ONLY", "{status:?}");
    }
    assert_eq!(health(served, "fundledger.v1.LedgerService").await, ServingStatus::NotServing);
    assert_eq!(health(served, "").await, ServingStatus::NotServing);
    // Reading goes on, of what was acknowledged.
    assert_eq!(health(served, "fundledger.v1.QueryService").await, ServingStatus::Serving);
    let begun = i64::try_from(set_up().len()).unwrap();
    let before = i64::try_from(acknowledged.len()).unwrap();
    assert_eq!(balance(served, begun + before).await, 50_000_000 - before);
    let (failed, synced_after) = disk.failed();
    assert!(failed > 0, "the failure did not happen");
    assert_eq!(synced_after, 0, "the log was synced again after a failure");
    served.end_badly(3);

    disk.holds(None);
    disk.fail(None);
    served.start();
    for id in acknowledged.iter().chain(&unknown) {
        let receipts = served.accept(vec![payment(id)]).await;
        assert!(receipts[0].replayed || unknown.contains(id), "{id} was acknowledged and is gone");
    }
    let all = i64::try_from(acknowledged.len() + unknown.len()).unwrap();
    assert_eq!(balance(served, begun + all).await, 50_000_000 - all, "something was posted twice");
    served.stop();
    let verified = super::server::run(&["verify", served.data().to_str().unwrap(), "--deep", "--allow-unanchored"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

async fn begun(disk: &Disk) -> Served {
    let served = Served::new_in(disk.path());
    served.accept(set_up()).await;
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk() {
    let Some(disk) = Disk::mount() else { return };
    let mut served = begun(&disk).await;
    disk.fail(None);
    disk.holds(Some(disk.used() + 200_000));
    fails_and_recovers(&disk, &mut served).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_to_the_log_that_fails() {
    let Some(disk) = Disk::mount() else { return };
    let mut served = begun(&disk).await;
    disk.fail(Some(Failure { call: Call::Write, within: LOG, after: 3, error: Errno::EIO, stays: false }));
    fails_and_recovers(&disk, &mut served).await;
}

/// The system may drop what it could not write and then say that all is well: a sync that failed is never tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_of_the_log_that_fails() {
    let Some(disk) = Disk::mount() else { return };
    let mut served = begun(&disk).await;
    disk.fail(Some(Failure { call: Call::Sync, within: LOG, after: 3, error: Errno::EIO, stays: false }));
    fails_and_recovers(&disk, &mut served).await;
}

/// What is derived from the log can fail without the log: posting goes on, and a restart makes it again.
#[tokio::test(flavor = "multi_thread")]
async fn writes_beside_the_log_that_fail() {
    for within in ["entries/", "tree/", "index/", "projections/", "snapshots/"] {
        let Some(disk) = Disk::mount() else { return };
        let mut served = begun(&disk).await;
        disk.fail(Some(Failure { call: Call::Write, within, after: 0, error: Errno::ENOSPC, stays: true }));
        let receipts = served.accept((0..300).map(|number| payment(&format!("p-{number}"))).collect()).await;
        let last = receipts[299].sequence;
        assert_eq!(balance(&served, last).await, 50_000_000 - 300, "{within}");
        served.kill();
        disk.fail(None);
        served.start();
        assert_eq!(balance(&served, last).await, 50_000_000 - 300, "{within}");
        served.stop();
        let verified = super::server::run(&["verify", served.data().to_str().unwrap(), "--deep", "--allow-unanchored"]);
        assert!(verified.status.success(), "{within}: {}", String::from_utf8_lossy(&verified.stdout));
    }
}
