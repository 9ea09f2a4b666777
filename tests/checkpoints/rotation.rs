//! The log's own key changes by overlap: the new one signs beside the old one, then alone; both changes are in the log.

use std::fs;

use fundledger::audit::note::{Note, NoteKey};
use fundledger::pb::v1;
use fundledger::pb::v1::command::Payload;
use fundledger::pb::v1::ledger_service_client::LedgerServiceClient;
use fundledger::pb::v1::{LogKeyChange, RotateLogKey};

use crate::report;
use crate::server::{command, errors, payment, run};
use crate::world::World;

fn rotate(id: &str, key: &str, change: LogKeyChange) -> v1::Command {
    let order = RotateLogKey { verifier_key: key.to_owned(), change: change.into() };
    command(id, Payload::RotateLogKey(Box::new(order)))
}

async fn refused(world: &World, command: v1::Command) -> String {
    let mut ledger = LedgerServiceClient::connect(world.url()).await.unwrap();
    let request = v1::PostRequest { commands: vec![command], ..v1::PostRequest::default() };
    let result = ledger.post(request).await.unwrap().into_inner().results.remove(0);
    format!("{:?}", result.outcome.unwrap())
}

/// Who signed the checkpoint that covers a sequence: the old key, the new one.
fn signers(world: &World, covering: i64, keys: [&str; 2]) -> [bool; 2] {
    let kept = world.ask(&["checkpoint", "--covering", &covering.to_string()]);
    assert!(kept.status.success(), "{}", errors(&kept));
    let note = Note::parse(std::str::from_utf8(&kept.stdout).unwrap()).unwrap();
    keys.map(|key| !note.signers([&NoteKey::parse(key).unwrap()]).unwrap().is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn keys_of_the_log_change_by_overlap() {
    let mut world = World::new();
    let last = world.pay(2).await;
    let old = world.key.clone();
    let data = world.data();
    let data = data.to_str().unwrap().to_owned();
    // While the ledger is served.
    let added = run(&["keys", "log", "--data", &data]);
    assert!(added.status.success() && errors(&added).contains("rotateLogKey"), "{}", errors(&added));
    let new = String::from_utf8(added.stdout).unwrap().trim_end().to_owned();
    assert_eq!(signers(&world, last, [&old, &new]), [true, false], "nobody announced it yet");
    for (id, key, change, reason) in [
        ("r-1", old.as_str(), LogKeyChange::Retired, "LAST_LOG_KEY"),
        ("r-2", "ledger.example.org/funds+00000000+AA", LogKeyChange::Announced, "FIELD_INVALID"),
        ("r-3", &new, LogKeyChange::Unspecified, "FIELD_INVALID"),
    ] {
        let said = refused(&world, rotate(id, key, change)).await;
        assert!(said.contains(reason), "{id}: {said}");
    }
    let stranger = World::new();
    let said = refused(&world, rotate("r-6", &stranger.key, LogKeyChange::Announced)).await;
    assert!(said.contains("private half is not in"), "{said}");
    let last = world.post(vec![rotate("announce", &new, LogKeyChange::Announced)]).await[0].sequence;
    let said = refused(&world, rotate("r-4", &new, LogKeyChange::Announced)).await;
    assert!(said.contains("KEY_EXISTS"), "{said}");
    assert_eq!(signers(&world, last + 1, [&old, &new]), [true, true], "both sign");
    for key in [&old, &new] {
        let (code, served) = report(&[&world.url(), "--deep", "--allow-unanchored", "--key", key]);
        assert_eq!((code, &served["verdict"]), (Some(0), &"verified".into()), "{served:#}");
    }
    // A start in the overlap.
    world.stop();
    world.start();
    let last = world.post(vec![payment("overlap")]).await[0].sequence;
    assert_eq!(signers(&world, last, [&old, &new]), [true, true]);
    let last = world.post(vec![rotate("retire", &old, LogKeyChange::Retired)]).await[0].sequence;
    assert_eq!(signers(&world, last, [&old, &new]), [false, true], "the new one alone");
    world.stop();
    let keys = world.data().join("keys");
    assert!(!keys.join("checkpoint.key").exists(), "the old private key is destroyed");
    assert_eq!(fs::read_to_string(keys.join("checkpoint.retired")).unwrap().trim_end(), old);
    let (code, known) = report(&[&data, "--deep", "--allow-unanchored", "--key", &new]);
    assert_eq!((code, &known["verdict"]), (Some(0), &"verified".into()), "{known:#}");
    let (code, unknown) = report(&[&data, "--allow-unanchored", "--key", &old]);
    assert_eq!((code, &unknown["faults"][0]["kind"]), (Some(1), &"signature".into()), "{unknown:#}");
    world.start();
    let last = world.post(vec![payment("after")]).await[0].sequence;
    assert_eq!(signers(&world, last, [&old, &new]), [false, true]);
    let said = refused(&world, rotate("r-5", &new, LogKeyChange::Retired)).await;
    assert!(said.contains("LAST_LOG_KEY"), "{said}");
}
