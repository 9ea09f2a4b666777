//! What lies beside the log: `verify` reads it where the ledger runs, and looks at the tree where it does not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::report;
use crate::server::payment;
use crate::world::World;

/// Every file of a directory with its bytes and when it was written.
fn files(path: &Path, found: &mut BTreeMap<String, (Vec<u8>, SystemTime)>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            let written = fs::metadata(&path).unwrap().modified().unwrap();
            found.insert(path.to_str().unwrap().to_owned(), (fs::read(&path).unwrap(), written));
        }
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// A running ledger's directory is verified as far as it signed, nothing is written there, and the report says what was not
/// read.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_running_ledger_is_verified_in_its_directory() {
    let world = World::new();
    let last = world.pay(600).await;
    let kept = world.keep("kept", last);
    let data = world.data();
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    files(&data, &mut before);
    let (code, found) = report(&[data.to_str().unwrap(), "--deep", "--checkpoint", &kept, "--key", &world.key]);
    files(&data, &mut after);
    assert_eq!(
        (code, &found["verdict"], &found["events"]),
        (Some(0), &"verified".into(), &(last + 1).into()),
        "{found}"
    );
    let listed = |list: &str, check: &str| found[list].as_array().unwrap().contains(&check.into());
    assert!(listed("checked", "tiles") && listed("checked", "balances"), "{found}");
    assert!(listed("not_checked", "store") && listed("not_checked", "blocks"), "{found}");
    assert!(before == after, "something was written");
    // What is appended meanwhile is beyond the checkpoint, and says nothing about it.
    world.post(vec![payment("later")]).await;
    assert_eq!(report(&[data.to_str().unwrap(), "--checkpoint", &kept]).0, Some(0));
}

/// Damage in the copies is found, by the entry and by the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn damage_beside_a_log_is_found() {
    let mut world = World::new();
    let last = world.pay(600).await;
    let kept = world.keep("kept", last);
    let data = world.data();
    let source = data.to_str().unwrap();
    let found = |sequence: i64, says: &str| {
        let (code, found) = report(&[source, "--checkpoint", &kept]);
        assert_eq!((code, &found["verdict"]), (Some(1), &"broken".into()), "{found}");
        assert_eq!(found["first_bad_sequence"], sequence, "{found}");
        assert!(found["faults"].to_string().contains(says), "{found}");
    };
    let entries = data.join("entries/00000000000000000000.entries");
    flip(&entries, 40);
    found(0, "entry 0 does not hash");
    flip(&entries, 40);
    let (level_0, level_1) = (data.join("tree/0.hashes"), data.join("tree/1.hashes"));
    flip(&level_0, 300 * 32 + 5);
    found(300, "hash 44 in tile/0/001");
    flip(&level_0, 300 * 32 + 5);
    flip(&level_1, 32);
    found(256, "hash 1 in tile/1/000.p/2");
    world.stop();
    // The store is sound; what proofs are made from is not.
    found(256, "hash 1 in tile/1/000.p/2");
    flip(&level_1, 32);
    assert_eq!(report(&[source, "--checkpoint", &kept]).0, Some(0));
    fs::write(&level_0, &fs::read(&level_0).unwrap()[..600 * 32]).unwrap();
    found(512, "is missing");
    // It is derived: without it there is nothing to compare.
    fs::remove_dir_all(data.join("tree")).unwrap();
    let (code, report) = report(&[source, "--checkpoint", &kept]);
    assert_eq!(code, Some(0), "{report}");
    assert!(report["not_checked"].as_array().unwrap().contains(&"tiles".into()), "{report}");
}

/// Copies that end before the checkpoint cannot be read to their end: no verdict on the ledger.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn copies_that_end_early_are_incomplete() {
    let world = World::new();
    let last = world.pay(9).await;
    world.keep("kept", last);
    let entries = world.data().join("entries/00000000000000000000.entries");
    let bytes = fs::read(&entries).unwrap();
    for length in [bytes.len() - 1, 100, 1, 0] {
        fs::write(&entries, &bytes[..length]).unwrap();
        let (code, found) = report(&[world.data().to_str().unwrap(), "--allow-unanchored"]);
        assert_eq!((code, &found["verdict"]), (Some(3), &"incomplete".into()), "{length}: {found}");
        assert!(found["unreadable"].as_str().unwrap().contains("ends before entry"), "{found}");
    }
}
