//! Backups: made while the ledger runs, added to, verified where they lie, and restored, whole or up to a sequence.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may fail"
)]

mod server;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use fundledger::pb::v1;
use fundledger::pb::v1::audit_service_client::AuditServiceClient;
use server::{Served, errors, payment, run, set_up};
use tempfile::TempDir;

struct Places {
    directory: TempDir,
}

impl Places {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn of(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Waits until a checkpoint covers a sequence: that is what a backup is of.
async fn signed(served: &Served, sequence: i64) {
    let request = v1::GetCheckpointRequest { min_sequence: Some(sequence), witnessed: false };
    AuditServiceClient::new(served.channel().await).get_checkpoint(request).await.unwrap();
}

async fn paid(served: &Served, first: usize, count: usize) -> i64 {
    let commands = (first..first + count).map(|number| payment(&format!("p-{number}"))).collect();
    let last = served.accept(commands).await.last().unwrap().sequence;
    signed(served, last).await;
    last
}

fn backup(served: &Served, places: &Places, more: &[&str]) -> Output {
    let (data, to) = (served.data(), places.of("log"));
    run(&[&["backup", "--data", text(&data), "--to", text(&to)], more].concat())
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), errors(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Every file with its content.
fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_grows_with_the_running_ledger_and_is_restored() {
    let places = Places::new();
    let mut served = Served::new();
    served.accept(set_up()).await;
    paid(&served, 0, 10).await;
    assert!(succeeded(&backup(&served, &places, &[])).contains("entries added"));
    // Beyond one tile of entries, beyond one tile of hashes of the level above, and by nothing.
    for (first, count) in [(10, 300), (310, 1), (311, 600)] {
        paid(&served, first, count).await;
        succeeded(&backup(&served, &places, &[]));
        let verified = run(&["verify", "--allow-unanchored", "--deep", text(&places.of("log"))]);
        succeeded(&verified);
    }
    let (keys, vault) = (places.of("keys"), places.of("vault"));
    let told = succeeded(&backup(&served, &places, &["--whole", "--keys-to", text(&keys), "--vault-to", text(&vault)]));
    assert!(told.starts_with("0 entries added"), "{told}");
    assert_eq!(fs::metadata(keys.join("digest.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let partial = contents(&places.of("log")).iter().filter(|(path, _)| text(path).contains(".p/")).count();
    assert_eq!(partial, 3, "one partial tile of entries, and one of hashes for each of two levels");
    served.stop();

    // All is gone but the backups.
    let restored = places.of("restored");
    let (log, keys) = (places.of("log"), text(&keys).to_owned());
    succeeded(&run(&["restore", "--data", text(&restored), "--from-tiles", text(&log), "--keys", &keys]));
    fs::create_dir_all(restored.join("vault")).unwrap();
    fs::copy(vault.join("vault.sqlite"), restored.join("vault/vault.sqlite")).unwrap();
    fs::remove_dir_all(served.data()).unwrap();
    fs::rename(&restored, served.data()).unwrap();
    served.start();
    let again = served.accept((0..911).map(|number| payment(&format!("p-{number}"))).collect()).await;
    assert!(again.iter().all(|receipt| receipt.replayed), "a retry was posted again after a restore");
    paid(&served, 911, 1).await;
    // The restored ledger is the same one: the backup goes on.
    assert!(succeeded(&backup(&served, &places, &[])).contains("1 entries added"));
}

/// To look at an earlier state: it can be read, and nothing can be posted to it, for the checkpoint beside it goes further.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_restored_up_to_a_sequence_is_only_for_looking_at() {
    let places = Places::new();
    let mut served = Served::new();
    served.accept(set_up()).await;
    let last = paid(&served, 0, 20).await;
    let keys = places.of("keys");
    succeeded(&backup(&served, &places, &["--keys-to", text(&keys)]));
    served.stop();
    let (log, until, restored) = (places.of("log"), last - 5, places.of("restored"));
    let restore = |until: i64| {
        let (restored, log, keys, until) = (text(&restored), text(&log), text(&keys), until.to_string());
        run(&["restore", "--data", restored, "--from-tiles", log, "--keys", keys, "--until", &until])
    };
    let beyond = restore(last + 1);
    assert_eq!(beyond.status.code(), Some(1), "{}", errors(&beyond));
    succeeded(&restore(until));
    fs::remove_dir_all(served.data()).unwrap();
    fs::rename(&restored, served.data()).unwrap();
    served.start();
    let request = v1::PostRequest { commands: vec![payment("new")], ..Default::default() };
    let refused = served.ledger().await.post(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused:?}");
    let request = v1::GetBalanceRequest { account_id: "U.unit".to_owned(), ..Default::default() };
    let answer = served.query().await.get_balance(request).await.unwrap().into_inner();
    assert_eq!(answer.position.unwrap().sequence, until);
    assert_eq!(answer.balance.unwrap().amount_minor, 50_000_000 - 15);
}

/// A backup of another log, one that is ahead, one that was changed, and places that are not apart: all refused, and the backup
/// stays as it was.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_continuation_changes_no_backup() {
    let places = Places::new();
    let served = Served::new();
    served.accept(set_up()).await;
    paid(&served, 0, 300).await;
    succeeded(&backup(&served, &places, &[]));
    let before = contents(&places.of("log"));

    let other = Served::new();
    other.accept(set_up()).await;
    paid(&other, 0, 3).await;
    let refused = backup(&other, &places, &[]);
    assert_eq!(refused.status.code(), Some(1), "{}", errors(&refused));
    paid(&other, 3, 400).await;
    let refused = backup(&other, &places, &[]);
    assert_eq!(refused.status.code(), Some(1), "{}", errors(&refused));
    let checkpoint = |files: &[(PathBuf, Vec<u8>)]| {
        files.iter().find(|(path, _)| path.ends_with("checkpoint")).map(|(_, content)| content.clone())
    };
    assert_eq!(checkpoint(&contents(&places.of("log"))), checkpoint(&before));
    succeeded(&run(&["verify", "--allow-unanchored", text(&places.of("log"))]));

    let (keys, inside) = (places.of("log/keys"), places.of("log"));
    let refused = run(&["backup", "--data", text(&served.data()), "--to", text(&inside), "--keys-to", text(&keys)]);
    assert_eq!(refused.status.code(), Some(2), "{}", errors(&refused));
    let refused = run(&["backup", "--data", text(&served.data()), "--to", text(served.directory.path())]);
    assert_eq!(refused.status.code(), Some(2), "{}", errors(&refused));

    // A tile that was changed in the backup is found when the whole of it is read.
    let tile = places.of("log/tile/entries/000");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[100] ^= 1;
    fs::write(&tile, bytes).unwrap();
    let broken = backup(&served, &places, &["--whole"]);
    assert_eq!(broken.status.code(), Some(1), "{}", errors(&broken));
}
