//! The log's own key changes by overlap: the new one signs beside the old one, then alone; both changes are in the log.

use std::fs;

use fundledger::audit::note::{Note, NoteKey};
use fundledger::pb::v1;
use fundledger::pb::v1::command::Payload;
use fundledger::pb::v1::ledger_service_client::LedgerServiceClient;
use fundledger::pb::v1::{LogKeyChange, RotateLogKey, WitnessRule};

use crate::releases::{is_unreleased, pay, set_up_with};
use crate::report;
use crate::server::{command, errors, payment, run};
use crate::witnesses::{watched, witnessed};
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

/// What the log's earlier key signed, a released payment's proof and an old cosigned checkpoint, is not taken for a forgery by
/// whoever was only given the new key; the newest checkpoint must be signed with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_new_key_alone_is_enough_after_a_change() {
    let (mut world, watchers) = watched(&["congress"], 1);
    world.post(set_up_with(WitnessRule::Hold, 0)).await;
    let held = world.post(vec![pay("held", 1)]).await.remove(0);
    witnessed(&world, held.sequence).await.unwrap();
    while is_unreleased(&world, "held").await {
        tokio::task::yield_now().await;
    }
    let data = world.data();
    let add = run(&["keys", "log", "--data", data.to_str().unwrap()]);
    let (old, new) = (world.key.clone(), String::from_utf8(add.stdout).unwrap().trim_end().to_owned());
    let by_old_key = fs::read(data.join("checkpoint.witnessed")).unwrap();
    world.post(vec![rotate("announce", &new, LogKeyChange::Announced)]).await;
    let last = world.post(vec![payment("overlap")]).await[0].sequence;
    witnessed(&world, last).await.unwrap();
    let policy = world.path("policy-of-the-auditor");
    fs::write(&policy, format!("log {new}\n{}quorum congress\n", watchers[0].line())).unwrap();
    drop(watchers);
    let last = world.post(vec![rotate("retire", &old, LogKeyChange::Retired)]).await[0].sequence;
    assert_eq!(signers(&world, last, [&old, &new]), [false, true]);
    world.stop();
    let data = data.to_str().unwrap();
    // The policy's witnesses have seen what the release cites, whoever signed it for the log.
    let (code, seen) = report(&[data, "--deep", "--policy", &policy]);
    assert_eq!((code, &seen["verdict"]), (Some(0), &"verified".into()), "{seen:#}");
    assert!(seen["unanchored_entries"].as_u64().unwrap() > 0, "{seen:#}");
    let lists_earlier_keys =
        |report: &serde_json::Value| report["not_checked"].as_array().unwrap().contains(&"earlier_keys".into());
    assert!(!lists_earlier_keys(&seen), "{seen:#}");
    let with = |key: &str| report(&[data, "--deep", "--allow-unanchored", "--key", key]);
    let (code, alone) = with(&new);
    assert_eq!((code, &alone["verdict"], lists_earlier_keys(&alone)), (Some(0), &"verified".into(), true), "{alone:#}");
    // An old cosigned checkpoint beside the new one.
    fs::write(world.data().join("checkpoint.witnessed"), &by_old_key).unwrap();
    let (code, beside) = report(&[data, "--allow-unanchored", "--key", &new]);
    assert_eq!((code, &beside["verdict"], lists_earlier_keys(&beside)), (Some(0), &"verified".into(), true));
    let (code, both) = report(&[data, "--deep", "--allow-unanchored", "--key", &new, "--key", &old]);
    assert_eq!((code, &both["verdict"], lists_earlier_keys(&both)), (Some(0), &"verified".into(), false), "{both:#}");
    // A key that was never the log's is not excused, and neither is the newest checkpoint.
    let (code, strange) = with(&World::new().key);
    let kinds: Vec<&str> =
        strange["faults"].as_array().unwrap().iter().filter_map(|fault| fault["kind"].as_str()).collect();
    assert!(code == Some(1) && kinds.contains(&"release") && kinds.contains(&"signature"), "{strange:#}");
    fs::write(world.data().join("checkpoint"), &by_old_key).unwrap();
    let (code, stale) = with(&new);
    assert_eq!((code, &stale["faults"][0]["kind"]), (Some(1), &"signature".into()), "{stale:#}");
}

/// A ledger in the overlap of two keys, stopped; the new key and the name of its file.
async fn overlap(world: &mut World) -> (String, String) {
    world.pay(2).await;
    let added = run(&["keys", "log", "--data", world.data().to_str().unwrap()]);
    let new = String::from_utf8(added.stdout).unwrap().trim_end().to_owned();
    let last = world.post(vec![rotate("announce", &new, LogKeyChange::Announced)]).await[0].sequence;
    assert_eq!(signers(world, last, [&world.key, &new]), [true, true]);
    world.stop();
    let mut names = fs::read_dir(world.data().join("keys")).unwrap().map(|file| file.unwrap().file_name());
    let name = names.find(|name| name.to_str().unwrap().starts_with("checkpoint-")).unwrap();
    (new, name.into_string().unwrap())
}

/// A key that signs by what the log says, and whose file is not there, is said at each start; the others sign on. Put back it
/// signs again.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_key_that_is_missing_is_said_and_the_others_sign() {
    let mut world = World::new();
    let old = world.key.clone();
    let (new, later) = overlap(&mut world).await;
    let keys = world.data().join("keys");
    for (file, named, left) in
        [(later.as_str(), new.as_str(), [true, false]), ("checkpoint.key", "checkpoint.key", [false, true])]
    {
        let bytes = fs::read(keys.join(file)).unwrap();
        fs::remove_file(keys.join(file)).unwrap();
        for start in 0..2 {
            world.logged();
            world.start();
            let last = world.post(vec![payment(&format!("{file}-{start}"))]).await[0].sequence;
            assert_eq!(signers(&world, last, [&old, &new]), left);
            let logged = world.logged();
            let said = logged.lines().find(|line| line.contains("ERROR") && line.contains("are not in keys/"));
            assert!(said.is_some_and(|said| said.contains(named)), "{file}: {logged}");
            if start == 1 {
                fs::write(keys.join("back"), &bytes).unwrap();
                fs::rename(keys.join("back"), keys.join(file)).unwrap();
                // The round of signing that covers this may have begun before the key was back; the next one has not.
                let last = world.post(vec![payment(&format!("{file}-back"))]).await[0].sequence;
                signers(&world, last, [&old, &new]);
                let last = world.post(vec![payment(&format!("{file}-signs"))]).await[0].sequence;
                assert_eq!(signers(&world, last, [&old, &new]), [true, true]);
            }
            world.stop();
        }
    }
}

/// The process ended while it destroyed a key, and while another was made: neither keeps the ledger from starting, nor from
/// being restored; whoever knows only what the retired key signed is known to the restored one.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn remains_of_keys_are_no_obstacle() {
    let mut world = World::new();
    let old = world.key.clone();
    let (new, _) = overlap(&mut world).await;
    let data = world.data();
    let keys = data.join("keys");
    let length = fs::metadata(keys.join("checkpoint.key")).unwrap().len();
    // All that witnesses have seen is from before.
    fs::copy(data.join("checkpoint"), world.path("overlap")).unwrap();
    world.start();
    let last = world.post(vec![rotate("retire", &old, LogKeyChange::Retired)]).await[0].sequence;
    assert_eq!(signers(&world, last, [&old, &new]), [false, true]);
    world.stop();
    let note = fs::read_to_string(world.path("overlap")).unwrap();
    let alone = Note::parse(&note).unwrap().signed_by(&[NoteKey::parse(&old).unwrap()]);
    assert_eq!((note.lines().count(), alone.lines().count()), (6, 5));
    fs::write(data.join("checkpoint.witnessed"), &alone).unwrap();
    fs::write(keys.join("checkpoint.key"), vec![0; usize::try_from(length).unwrap()]).unwrap();
    fs::write(keys.join("checkpoint-0badc0de.key"), "").unwrap();
    let from = data.to_str().unwrap();
    fs::rename(data.join("log"), world.path("lost")).unwrap();
    let restored = run(&["restore", "--data", from, "--from-tiles", from]);
    assert!(restored.status.success(), "{}", errors(&restored));
    // The same, from the backup of the keys.
    let tiles = world.path("tiles");
    assert!(run(&["export", "--data", from, "--tiles", &tiles]).status.success());
    let fresh = world.path("fresh");
    let restored = run(&["restore", "--data", &fresh, "--from-tiles", &tiles, "--keys", keys.to_str().unwrap()]);
    assert!(restored.status.success(), "{}", errors(&restored));
    assert_eq!(fs::read_to_string(format!("{fresh}/keys/checkpoint.retired")).unwrap().trim_end(), old);
    assert!(!std::path::Path::new(&fresh).join("keys/checkpoint.key").exists());
    world.start();
    let last = world.post(vec![payment("after")]).await[0].sequence;
    assert_eq!(signers(&world, last, [&old, &new]), [false, true]);
    world.stop();
    assert!(!keys.join("checkpoint.key").exists() && !keys.join("checkpoint-0badc0de.key").exists());
    assert!(!world.logged().contains("are not in keys/"));
}
