//! `serve --check`: what a start would find, told without a start.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use crate::server::{BINARY, errors, output, set_up};
use crate::service::{Service, data, new_ledger};

fn check(data: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(["serve", "--check", "--insecure-dev", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(more);
    output(&mut command).unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Every file, with what it holds and when it was written.
fn contents(directory: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, (written, Vec::new()));
        } else {
            let content = fs::read(&path).unwrap();
            found.insert(path, (written, content));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_a_start_would_find_is_told_and_nothing_is_changed() {
    let mut service = Service::new(&[]);
    let posted = service.post(set_up()).await.len();
    let data = data(&service.directory);
    let served = check(&data, &[]);
    assert_eq!(served.status.code(), Some(3));
    assert!(errors(&served).contains("in use by another process"), "{}", errors(&served));
    service.signal("TERM");
    assert!(service.ended().success());

    let before = contents(&data);
    let sound = check(&data, &[]);
    assert_eq!(sound.status.code(), Some(0), "{}", errors(&sound));
    let found = told(&sound);
    for part in ["test.invalid/f opens", &format!("head {posted} "), "0 events would be replayed", "it would be served"]
    {
        assert!(found.contains(part), "{part}: {found}");
    }
    let chinese = check(&data, &["--lang", "zh"]);
    assert!(told(&chinese).contains("可以启动服务"), "{}", told(&chinese));
    // Without a snapshot all is replayed, the genesis too.
    for snapshot in fs::read_dir(data.join("snapshots")).unwrap() {
        fs::rename(snapshot.unwrap().path(), service.directory.path().join("snapshot")).unwrap();
    }
    assert!(told(&check(&data, &[])).contains(&format!("{} events would be replayed", posted + 1)));

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let busy = check(&data, &["--metrics-listen", &address]);
    assert_eq!(busy.status.code(), Some(3));
    assert!(errors(&busy).contains(&address), "{}", errors(&busy));

    // What was signed is not there any more: it would read only.
    let checkpoint = fs::read(data.join("checkpoint")).unwrap();
    fs::write(data.join("checkpoint"), "no checkpoint").unwrap();
    for (more, expected) in [(&[][..], "for reading only"), (&["--lang", "zh"], "只能查询")] {
        let read_only = check(&data, more);
        assert_eq!(read_only.status.code(), Some(1));
        assert!(errors(&read_only).contains(expected), "{}", errors(&read_only));
    }
    fs::write(data.join("checkpoint"), checkpoint).unwrap();

    // A key that is lost, and a log.
    let key = data.join("keys/digest.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let keyless = check(&data, &[]);
    assert_eq!(keyless.status.code(), Some(3));
    assert!(errors(&keyless).contains("keys/digest.key"), "{}", errors(&keyless));
    fs::write(&key, kept).unwrap();
    fs::write(data.join("log/db"), vec![0x55; 4_096]).unwrap();
    assert_eq!(check(&data, &[]).status.code(), Some(3));

    let after = contents(&data);
    let touched = ["log/db", "checkpoint", "keys/digest.key", "keys", "snapshots"].map(|name| data.join(name));
    for (path, was) in &before {
        let is_ours = touched.contains(path) || path.starts_with(data.join("snapshots"));
        assert!(is_ours || after.get(path) == Some(was), "{} was changed", path.display());
    }
    assert!(after.keys().all(|path| before.contains_key(path)), "something was made");
}

#[test]
fn a_directory_without_a_ledger_is_told_as_such() {
    let directory = new_ledger();
    let empty = directory.path().join("empty");
    let would_create = check(&empty, &[]);
    assert_eq!(would_create.status.code(), Some(0));
    assert!(told(&would_create).contains("would be created") && !empty.exists(), "{}", told(&would_create));
    let other = check(directory.path(), &[]);
    assert_eq!(other.status.code(), Some(3));
    assert!(errors(&other).contains("holds no ledger"), "{}", errors(&other));
    let wrong = check(&data(&directory), &["--tiles-listen", "0.0.0.0:0"]);
    assert_eq!(wrong.status.code(), Some(2));
}
