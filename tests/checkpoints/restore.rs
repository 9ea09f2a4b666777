//! `restore`: a log that was lost comes back from tiles or from the copy beside it, as it was signed, or not at all.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use fundledger::pb::v1::Receipt;

use crate::report;
use crate::server::{BINARY, errors, payment, run, set_up, start};
use crate::world::{World, copy};

fn restored(data: &Path, from: &str, more: &[&str]) -> Output {
    run(&[&["restore", "--data", data.to_str().unwrap(), "--from-tiles", from][..], more].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &errors(output)
}

/// A stopped ledger with payments; their receipts, and the auditor's checkpoint.
async fn ledger() -> (World, Vec<Receipt>, String) {
    let mut world = World::new();
    world.post(set_up()).await;
    let receipts = world.post((0..600).map(|at| payment(&format!("P-{at}"))).collect()).await;
    let kept = world.keep("kept", receipts.last().unwrap().sequence);
    world.stop();
    (world, receipts, kept)
}

/// The ledger posts on, and a retry of what was posted before the loss is answered as it was.
async fn goes_on(world: &mut World, receipts: &[Receipt], kept: &str) {
    let last = receipts.last().unwrap().sequence;
    world.start();
    let again = world.post((0..600).map(|at| payment(&format!("P-{at}"))).collect()).await;
    for (again, before) in again.iter().zip(receipts) {
        assert_eq!((again.sequence, &again.entry_hash), (before.sequence, &before.entry_hash));
        assert!(again.replayed);
    }
    let new = world.post(vec![payment("after")]).await;
    assert_eq!(new[0].sequence, last + 1);
    world.keep("latest", last + 1);
    world.stop();
    let data = world.data();
    let (code, found) = report(&[data.to_str().unwrap(), "--deep", "--checkpoint", kept, "--key", &world.key]);
    assert_eq!((code, &found["events"]), (Some(0), &(last + 2).into()), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_deleted_store_comes_back_from_the_copy_beside_it() {
    let (mut world, receipts, kept) = ledger().await;
    let data = world.data();
    let from = data.to_str().unwrap();
    let sound = restored(&data, from, &[]);
    assert_eq!(sound.status.code(), Some(1), "{}", said(&sound));
    assert!(said(&sound).contains("is sound"), "{}", said(&sound));
    fs::remove_dir_all(data.join("log")).unwrap();
    let done = restored(&data, from, &[]);
    assert!(done.status.success(), "{}", said(&done));
    for line in ["entries restored and verified: 616", "last sequence: 615", "the first 616 entries", "serve --data"] {
        assert!(said(&done).contains(line), "{line}: {}", said(&done));
    }
    assert!(!data.join("log.restored").exists() && !data.join("log.damaged-1").exists());
    goes_on(&mut world, &receipts, &kept).await;
}

/// A store that does not open is moved aside as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_store_that_does_not_open_is_moved_aside() {
    let (mut world, receipts, kept) = ledger().await;
    let data = world.data();
    let store = data.join("log/db");
    let mut bytes = fs::read(&store).unwrap();
    for byte in &mut bytes {
        *byte ^= 0x55;
    }
    fs::write(&store, &bytes).unwrap();
    assert_eq!(
        run(&["verify", data.to_str().unwrap(), "--checkpoint", &kept]).status.code().map(|code| code > 0),
        Some(true)
    );
    let done = restored(&data, data.to_str().unwrap(), &["--lang", "zh"]);
    assert!(done.status.success() && said(&done).contains("log.damaged-1"), "{}", said(&done));
    assert!(fs::read(data.join("log.damaged-1/db")).unwrap() == bytes, "the old store was changed");
    goes_on(&mut world, &receipts, &kept).await;
}

/// With the keys alone, and the tiles that anybody may have, the ledger comes back in a new directory.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_lost_directory_comes_back_from_tiles_and_keys() {
    let (mut world, receipts, kept) = ledger().await;
    let (data, tiles, keys) = (world.data(), world.path("tiles"), world.path("keys"));
    assert!(run(&["export", "--data", data.to_str().unwrap(), "--tiles", &tiles]).status.success());
    copy(&data.join("keys"), Path::new(&keys));
    let full = restored(&data, &tiles, &["--keys", &keys]);
    assert_eq!(full.status.code(), Some(2), "{}", said(&full));
    world.start();
    let served = world.directory.path().join("from-url");
    let done = restored(&served, &format!("http://{}", world.tiles), &["--keys", &keys]);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(report(&[served.to_str().unwrap(), "--checkpoint", &kept, "--key", &world.key]).0, Some(0));
    world.stop();
    fs::remove_dir_all(&data).unwrap();
    let done = restored(&data, &tiles, &["--keys", &keys]);
    assert!(done.status.success(), "{}", said(&done));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data.join("keys")), 0o700);
    for file in fs::read_dir(data.join("keys")).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    assert_eq!(fs::read_dir(data.join("keys")).unwrap().count(), 4);
    goes_on(&mut world, &receipts, &kept).await;
}

/// Whatever does not have the log that was signed restores nothing, and leaves everything as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_was_not_signed_is_not_restored() {
    let (mut world, receipts, _) = ledger().await;
    let (data, tiles) = (world.data(), world.path("tiles"));
    assert!(run(&["export", "--data", data.to_str().unwrap(), "--tiles", &tiles]).status.success());
    let old = fs::read(data.join("checkpoint")).unwrap();
    world.start();
    let next = receipts.last().unwrap().sequence + 1;
    world.post(vec![payment("later")]).await;
    world.keep("latest", next);
    world.stop();
    fs::remove_dir_all(data.join("log")).unwrap();
    let refused = |from: &str, says: &str| {
        let output = restored(&data, from, &[]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(says), "{says}: {}", said(&output));
        assert!(!data.join("log").exists() && !data.join("log.restored").exists());
    };
    let newest = fs::read(data.join("checkpoint")).unwrap();
    refused(&tiles, "a checkpoint covers 617 entries");
    // What the copy beside it has may have been acknowledged, even where no checkpoint covers it.
    fs::write(data.join("checkpoint"), &old).unwrap();
    refused(&tiles, "has 617 entries, the source 616");
    // Of the checkpoint's own tiles one byte is changed.
    let bundle = Path::new(&tiles).join("tile/entries/001");
    let bytes = fs::read(&bundle).unwrap();
    for at in [40, bytes.len() / 2, bytes.len() - 1] {
        let mut tampered = bytes.clone();
        tampered[at] ^= 1;
        fs::write(&bundle, tampered).unwrap();
        refused(&tiles, "nothing was restored");
    }
    fs::remove_file(&bundle).unwrap();
    refused(&tiles, "nothing was restored");
    fs::write(&bundle, &bytes).unwrap();
    // Another ledger's tiles, whole and signed by its own key.
    let mut stranger = World::new();
    let last = stranger.pay(700).await;
    stranger.keep("kept", last);
    stranger.stop();
    let foreign = stranger.path("tiles");
    assert!(run(&["export", "--data", stranger.data().to_str().unwrap(), "--tiles", &foreign]).status.success());
    refused(&foreign, "nothing was restored");
    let fresh = world.directory.path().join("fresh");
    let output = restored(&fresh, &foreign, &["--keys", data.join("keys").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(fs::read_dir(&fresh).unwrap().count(), 0);
    let nothing = restored(&data, world.directory.path().join("none").to_str().unwrap(), &[]);
    assert_eq!(nothing.status.code(), Some(3), "{}", said(&nothing));
    fs::remove_file(data.join("checkpoint")).unwrap();
    refused(data.to_str().unwrap(), "no checkpoint");
    fs::write(data.join("checkpoint"), newest).unwrap();
    let done = restored(&data, data.to_str().unwrap(), &[]);
    assert!(done.status.success(), "{}", said(&done));
}

/// Serves files of a directory over HTTP until one that may not be had is asked for; gives its name. The connection stays open.
fn serve_until(listener: &TcpListener, files: &Path, may: impl Fn(&str) -> bool) -> (String, TcpStream) {
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        BufReader::new(&stream).read_line(&mut request).unwrap();
        let name = request.split(' ').nth(1).unwrap().to_owned();
        if !may(&name) {
            return (name, stream);
        }
        let body = fs::read(files.join(name.trim_start_matches('/'))).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).unwrap();
        stream.write_all(&body).unwrap();
    }
}

/// A source whose checkpoint this ledger never signed is asked for nothing else: however much it has, it fills no disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_a_strange_source_nothing_is_built() {
    let (world, ..) = ledger().await;
    let (data, tiles) = (world.data(), world.path("tiles"));
    let keys = data.join("keys");
    assert!(run(&["export", "--data", data.to_str().unwrap(), "--tiles", &tiles]).status.success());
    let note = fs::read_to_string(data.join("checkpoint")).unwrap();
    let forged = note.replacen("\n616\n", "\n1000000000\n", 1);
    assert_ne!(forged, note);
    fs::write(Path::new(&tiles).join("checkpoint"), forged).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let fresh = world.directory.path().join("fresh");
    let restoring = std::thread::spawn({
        let fresh = fresh.clone();
        move || restored(&fresh, &url, &["--keys", keys.to_str().unwrap()])
    });
    let address = listener.local_addr().unwrap();
    let asked = std::thread::spawn(move || serve_until(&listener, Path::new(&tiles), |name| name == "/checkpoint").0);
    let refused = restoring.join().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("not signed with a key of this ledger"), "{}", said(&refused));
    assert_eq!(fs::read_dir(&fresh).unwrap().count(), 0);
    write!(TcpStream::connect(address).unwrap(), "GET /nothing-else HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(asked.join().unwrap(), "/nothing-else");
}

/// Restoring into a new directory that was cut off, wherever, is simply run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_was_cut_off_is_run_again() {
    let (mut world, receipts, kept) = ledger().await;
    let (data, tiles, keys) = (world.data(), world.path("tiles"), world.path("keys"));
    assert!(run(&["export", "--data", data.to_str().unwrap(), "--tiles", &tiles]).status.success());
    copy(&data.join("keys"), Path::new(&keys));
    fs::remove_dir_all(&data).unwrap();
    // Killed while it built.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut command = Command::new(BINARY);
    command.args(["restore", "--data", data.to_str().unwrap(), "--from-tiles", &url, "--keys", &keys]);
    let mut child = start(&mut command).unwrap();
    let open = serve_until(&listener, Path::new(&tiles), |name| !name.contains("tile/entries/001"));
    child.kill().unwrap();
    child.wait().unwrap();
    drop((open, listener));
    assert!(data.join("log.restored").exists());
    // It could not write the last of what it had to.
    let in_the_way = data.join("keys/vault.key");
    fs::create_dir_all(&in_the_way).unwrap();
    let full = restored(&data, &tiles, &["--keys", &keys]);
    assert!(!full.status.success() && !data.join("FORMAT").exists(), "{}", said(&full));
    fs::remove_dir(&in_the_way).unwrap();
    fs::write(data.join("keys/vault.key.new"), "").unwrap();
    // What another put there is not taken for one's own.
    fs::write(data.join("keys/vault.key"), "another\n").unwrap();
    assert!(!restored(&data, &tiles, &["--keys", &keys]).status.success());
    assert_eq!(fs::read_to_string(data.join("keys/vault.key")).unwrap(), "another\n");
    fs::remove_file(data.join("keys/vault.key")).unwrap();
    let done = restored(&data, &tiles, &["--keys", &keys]);
    assert!(done.status.success(), "{}", said(&done));
    // Its power failed before the last file was there.
    fs::remove_file(data.join("FORMAT")).unwrap();
    let without = restored(&data, &tiles, &["--keys", &keys]);
    assert_eq!(without.status.code(), Some(2), "without its mark it is somebody's: {}", said(&without));
    fs::write(data.join("RESTORING"), "").unwrap();
    let done = restored(&data, &tiles, &["--keys", &keys]);
    assert!(done.status.success(), "{}", said(&done));
    assert!(!data.join("RESTORING").exists() && data.join("log.damaged-1").exists());
    goes_on(&mut world, &receipts, &kept).await;
}

/// The copy beside the log goes further than the checkpoint: what is whole comes back, what was torn does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_longest_whole_chain_is_taken() {
    let (mut world, receipts, kept) = ledger().await;
    let data = world.data();
    let old = fs::read(data.join("checkpoint")).unwrap();
    world.start();
    let next = receipts.last().unwrap().sequence + 1;
    world.post((0..3).map(|at| payment(&format!("L-{at}"))).collect()).await;
    world.keep("latest", next + 2);
    world.stop();
    fs::remove_dir_all(data.join("log")).unwrap();
    // Snapshots know what is torn away below, and a ledger that lacks it posts nothing.
    fs::remove_dir_all(data.join("snapshots")).unwrap();
    fs::create_dir(data.join("snapshots")).unwrap();
    let entries = data.join("entries/00000000000000000000.entries");
    let bytes = fs::read(&entries).unwrap();
    let newest = fs::read(data.join("checkpoint")).unwrap();
    let mut torn = bytes.clone();
    *torn.last_mut().unwrap() ^= 1;
    fs::write(&entries, &torn).unwrap();
    let refused = restored(&data, data.to_str().unwrap(), &[]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    fs::write(data.join("checkpoint"), old).unwrap();
    let done = restored(&data, data.to_str().unwrap(), &[]);
    assert!(done.status.success() && said(&done).contains("as they were copied: 2"), "{}", said(&done));
    let (code, found) = report(&[data.to_str().unwrap(), "--checkpoint", &kept]);
    assert_eq!((code, &found["last_sequence"]), (Some(0), &(next + 1).into()), "{found}");
    // With the copy as it was, all of it, up to the newest checkpoint.
    fs::remove_dir_all(data.join("log")).unwrap();
    fs::write(&entries, &bytes).unwrap();
    fs::write(data.join("checkpoint"), newest).unwrap();
    let done = restored(&data, data.to_str().unwrap(), &[]);
    assert!(done.status.success() && said(&done).contains("as they were copied: 0"), "{}", said(&done));
}
