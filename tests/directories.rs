//! Data directories that are not what they should be: a clear message, the contract's exit code, nothing touched.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use server::{Served, errors, payment, run, set_up};

fn serve(data: &Path) -> Output {
    run(&["serve", "--insecure-dev", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()])
}

/// Every file below a directory with its bytes.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

async fn stopped() -> Served {
    let mut served = Served::new();
    served.accept(set_up()).await;
    served.accept(vec![payment("p-1")]).await;
    served.stop();
    served
}

type Break = Box<dyn Fn(&Path)>;

/// Each row breaks a copy in one way; the server must refuse it with code 3, say why, and change nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_broken_directory_is_refused_and_left_alone() {
    let served = stopped().await;
    let remove = |part: &'static str| {
        move |data: &Path| {
            let path = data.join(part);
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
    };
    let rows: Vec<(&str, Break, &str)> = vec![
        ("no FORMAT", Box::new(remove("FORMAT")), "is incomplete: FORMAT"),
        (
            "another version",
            Box::new(|data| fs::write(data.join("FORMAT"), "fundledger data directory\nformat 2\norigin x\n").unwrap()),
            "has directory format 2",
        ),
        (
            "another program's",
            Box::new(|data| fs::write(data.join("FORMAT"), "something else\n").unwrap()),
            "has directory format unknown",
        ),
        (
            "binary FORMAT",
            Box::new(|data| fs::write(data.join("FORMAT"), [0xff, 0xfe]).unwrap()),
            "is incomplete: FORMAT",
        ),
        ("no LOCK", Box::new(remove("LOCK")), "LOCK"),
        ("no log", Box::new(remove("log")), "is incomplete: log"),
        ("no data file", Box::new(remove("log/db")), "is incomplete: log/db"),
        ("no keys", Box::new(remove("keys")), "is incomplete: keys"),
        ("no digest key", Box::new(remove("keys/digest.key")), "is incomplete: keys/digest.key"),
        ("no pseudonym key", Box::new(remove("keys/pseudonym.key")), "is incomplete: keys/pseudonym.key"),
        (
            "half a key",
            Box::new(|data| fs::write(data.join("keys/digest.key"), "abcd\n").unwrap()),
            "is incomplete: keys/digest.key",
        ),
        ("no snapshots", Box::new(remove("snapshots")), "is incomplete: snapshots"),
    ];
    for (name, damage, expected) in rows {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        copy(&served.data(), &data);
        damage(&data);
        let before = contents(&data);
        let output = serve(&data);
        let said = errors(&output);
        assert_eq!(output.status.code(), Some(3), "{name}: {said}");
        assert!(said.contains(expected), "{name}: {said}");
        assert!(!said.contains("panicked"), "{name}: {said}");
        assert_eq!(contents(&data), before, "{name}: files were touched");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_damaged_log_is_refused_without_a_panic() {
    let served = stopped().await;
    let garbage = |length: usize| (0..length).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect::<Vec<u8>>();
    let rows: Vec<(&str, Vec<u8>)> = vec![("emptied", Vec::new()), ("garbage", garbage(100_000))];
    for (name, bytes) in rows {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        copy(&served.data(), &data);
        fs::write(data.join("log/db"), bytes).unwrap();
        // The store's own snapshots of its pages name what is no longer there.
        let output = serve(&data);
        assert_eq!(output.status.code(), Some(3), "{name}: {}", errors(&output));
        let verified = run(&["verify", data.to_str().unwrap(), "--allow-unanchored"]);
        assert!(matches!(verified.status.code(), Some(1 | 3)), "{name}: {}", errors(&verified));
    }
}

/// Files that are no files, lead elsewhere, or are far longer than what belongs there are refused before they are read.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nothing_without_an_end_is_read() {
    let served = stopped().await;
    let endless = |name: &'static str| {
        Box::new(move |data: &Path| {
            let _ = fs::remove_file(data.join(name));
            std::os::unix::fs::symlink("/dev/zero", data.join(name)).unwrap();
        })
    };
    let long = |name: &'static str| {
        Box::new(move |data: &Path| fs::File::create(data.join(name)).unwrap().set_len(1 << 40).unwrap())
    };
    let rows: Vec<(&str, Break, &str)> = vec![
        ("an endless FORMAT", endless("FORMAT"), "no regular file"),
        ("a long FORMAT", long("FORMAT"), "too long"),
        ("an endless checkpoint", endless("checkpoint"), "no regular file"),
        ("a long checkpoint", long("checkpoint"), "too long"),
        ("a long witnessed checkpoint", long("checkpoint.witnessed"), "too long"),
        ("an endless file in the log", endless("log/x"), "log/x is no regular file"),
    ];
    for (name, damage, expected) in rows {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        copy(&served.data(), &data);
        damage(&data);
        let output = run(&["verify", data.to_str().unwrap(), "--allow-unanchored"]);
        let said = errors(&output);
        assert_eq!(output.status.code(), Some(3), "{name}: {said}");
        assert!(said.contains(expected), "{name}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_served_directory_is_locked() {
    let served = Served::new();
    let output = serve(&served.data());
    assert_eq!(output.status.code(), Some(3));
    assert!(errors(&output).contains("is in use by another process"), "{}", errors(&output));
    // Without the copies beside the log there is nothing that can be read beside a running ledger.
    fs::remove_dir_all(served.data().join("entries")).unwrap();
    let verified = run(&["verify", served.data().to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(3));
    assert!(errors(&verified).contains("by its URL"), "{}", errors(&verified));
}

#[test]
fn an_empty_directory_is_not_taken_for_a_ledger() {
    let directory = tempfile::tempdir().unwrap();
    for (path, code) in [(directory.path().join("none"), 3), (directory.path().to_owned(), 3)] {
        let verified = run(&["verify", path.to_str().unwrap()]);
        assert_eq!(verified.status.code(), Some(code), "{}", errors(&verified));
        assert!(errors(&verified).contains("holds no ledger"), "{}", errors(&verified));
    }
    let without = run(&["serve", "--data", directory.path().to_str().unwrap()]);
    assert_eq!(without.status.code(), Some(2), "{}", errors(&without));
    assert!(contents(directory.path()).is_empty());
}

#[test]
fn init_creates_once() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let init = |origin: &str| run(&["init", "--data", data.to_str().unwrap(), "--origin", origin]);
    for hostile in ["", "with space", "a+b", "账本", "a\nb", &"x".repeat(256)] {
        let output = init(hostile);
        assert_eq!(output.status.code(), Some(2), "{hostile:?}: {}", errors(&output));
        assert!(!data.exists(), "{hostile:?}");
    }
    assert!(init("a.example/funds").status.success());
    let before = contents(&data);
    let again = init("a.example/funds");
    assert_eq!(again.status.code(), Some(2), "{}", errors(&again));
    assert!(errors(&again).contains("is not empty"), "{}", errors(&again));
    assert_eq!(contents(&data), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn damaged_snapshots_only_cost_a_replay() {
    let mut served = stopped().await;
    for folder in ["snapshots", "projections"] {
        let files: Vec<_> =
            fs::read_dir(served.data().join(folder)).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(!files.is_empty(), "a clean stop leaves a snapshot in {folder}");
        for file in files {
            let mut bytes = fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(file, bytes).unwrap();
        }
    }
    served.start();
    let replayed = served.accept(vec![payment("p-1"), payment("p-2")]).await;
    assert!(replayed[0].replayed && !replayed[1].replayed);
    assert_eq!(replayed[1].sequence, replayed[0].sequence + 1);
}

/// What a kill leaves while sled writes its own snapshot: the last one, and half of the next, which sled would read first.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn half_a_snapshot_of_the_store_only_costs_a_replay() {
    let mut served = stopped().await;
    let log = served.data().join("log");
    let snapshots = |prefix: &str| -> Vec<_> {
        let names = fs::read_dir(&log).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(prefix)).collect()
    };
    let whole = snapshots("snap.").pop().expect("sled writes a snapshot when it opens");
    let bytes = fs::read(log.join(&whole)).unwrap();
    let half = "snap.FFFFFFFFFFFFFFF0.generating";
    for kept in [0, 7, 12, bytes.len() / 2, bytes.len() - 1] {
        fs::write(log.join(half), &bytes[..kept]).unwrap();
        served.start();
        let again = served.accept(vec![payment("p-1")]).await;
        assert!(again[0].replayed, "{kept} bytes");
        served.stop();
        assert_eq!(snapshots("damaged."), [format!("damaged.{half}")], "{kept} bytes: the whole one is not set aside");
    }
}

async fn is_read_only(served: &Served) {
    let mut ledger = served.ledger().await;
    let commands = vec![payment("x")];
    let answer = ledger.post(fundledger::pb::v1::PostRequest { commands, ..Default::default() }).await;
    assert_eq!(answer.unwrap_err().code(), tonic::Code::Unavailable);
}

/// Only the copies know what the log no longer has, no snapshot and no checkpoint: nothing is posted, and the copies, which may
/// be all that is left of acknowledged events, stay as they are, so that the log can be built from them.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_log_that_ends_before_its_copies_is_not_posted_to() {
    let mut served = stopped().await;
    let (data, older) = (served.data(), tempfile::tempdir().unwrap());
    copy(&data, older.path());
    served.start();
    let later = served.accept((0..50).map(|number| payment(&format!("later-{number}"))).collect()).await;
    served.stop();
    let newer = tempfile::tempdir().unwrap();
    copy(&data, newer.path());
    for kept in [&["entries"][..], &["tree"], &["entries", "tree"]] {
        fs::remove_dir_all(&data).unwrap();
        copy(older.path(), &data);
        for part in kept {
            fs::remove_dir_all(data.join(part)).unwrap();
            copy(&newer.path().join(part), &data.join(part));
        }
        served.start();
        is_read_only(&served).await;
        served.stop();
        for part in kept {
            assert!(
                contents(&data.join(part)).into_values().eq(contents(&newer.path().join(part)).into_values()),
                "{part}"
            );
        }
    }
    fs::remove_dir_all(data.join("log")).unwrap();
    let from = data.to_str().unwrap();
    let restored = run(&["restore", "--data", from, "--from-tiles", from]);
    assert!(restored.status.success(), "{}", errors(&restored));
    served.start();
    let again = served.accept(vec![payment("later-49")]).await;
    assert!(again[0].replayed && again[0].sequence == later[49].sequence);
}

/// A snapshot knows a sequence that the log no longer has: acknowledged events are gone, and posting must not go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_log_that_lost_its_tail_is_not_posted_to() {
    let mut served = stopped().await;
    let older = tempfile::tempdir().unwrap();
    copy(&served.data().join("log"), older.path());
    served.start();
    served.accept((0..50).map(|number| payment(&format!("later-{number}"))).collect()).await;
    served.stop();
    fs::remove_dir_all(served.data().join("log")).unwrap();
    copy(older.path(), &served.data().join("log"));
    served.start();
    is_read_only(&served).await;
    let mut query = served.query().await;
    let head =
        query.list_balances(fundledger::pb::v1::ListBalancesRequest { page_size: 1, ..Default::default() }).await;
    assert!(head.unwrap().into_inner().position.unwrap().sequence > 0, "reading still works");
}
