//! `verify` of static tiles, in a directory and over plain HTTP: of every tile that is wrong the name is told.

use std::fs;
use std::path::Path;

use crate::report;
use crate::server::{errors, run};
use crate::world::{World, copy};

const REST: u64 = 103;

/// A log of two whole tiles and a partial one, exported.
async fn exported() -> (World, String) {
    let mut world = World::new();
    let last = world.pay(599).await;
    assert_eq!(u64::try_from(last).unwrap() + 1, 512 + REST);
    let kept = world.keep("kept", last);
    world.stop();
    let (data, tiles) = (world.data(), world.path("tiles"));
    let exported = run(&["export", "--data", data.to_str().unwrap(), "--tiles", &tiles]);
    assert!(exported.status.success(), "{}", errors(&exported));
    (world, kept)
}

/// The same verdict, however the tiles come: with an auditor's checkpoint they are anchored.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tiles_are_verified_like_a_ledger() {
    let (mut world, kept) = exported().await;
    world.start();
    let url = format!("http://{}", world.tiles);
    let tiles = world.path("tiles");
    for source in [&url, &format!("{url}/"), &tiles] {
        let (code, found) = report(&[source, "--deep", "--checkpoint", &kept, "--key", &world.key]);
        assert_eq!((code, &found["verdict"]), (Some(0), &"verified".into()), "{found}");
        assert_eq!((&found["events"], &found["anchored_size"]), (&(512 + REST).into(), &(512 + REST).into()));
        let checked = found["checked"].as_array().unwrap();
        for check in ["chain", "balances", "checkpoint", "signatures", "tiles"] {
            assert!(checked.contains(&check.into()), "{check}: {found}");
        }
        assert!(found["not_checked"].as_array().unwrap().contains(&"blocks".into()));
        assert_eq!(report(&[source]).0, Some(1), "not anchored");
    }
    // The API of the ledger is another address.
    assert_eq!(report(&[&world.url(), "--checkpoint", &kept]).1["verdict"], "verified");
}

fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    how(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Whatever is done to a tile: it is named, with the first entry that it is about.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_wrong_tile_is_named() {
    let (world, _) = exported().await;
    let whole = world.directory.path().join("tiles");
    let partial = |level: &str| format!("tile/{level}/002.p/{REST}");
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1);
    let grown = |bytes: &mut Vec<u8>| bytes.push(0);
    let check = |name: &str, how: &dyn Fn(&mut Vec<u8>), sequence: i64, kind: &str, says: &str| {
        let tampered = tempfile::tempdir().unwrap();
        copy(&whole, tampered.path());
        change(&tampered.path().join(name), how);
        let (code, found) = report(&[tampered.path().to_str().unwrap(), "--allow-unanchored"]);
        assert_eq!((code, &found["verdict"]), (Some(1), &"broken".into()), "{name}: {found}");
        assert_eq!(found["first_bad_sequence"], sequence, "{name}: {found}");
        let faults = found["faults"].as_array().unwrap();
        let is_named = |fault: &&serde_json::Value| {
            fault["kind"] == kind && fault["message"].as_str().is_some_and(|message| message.contains(says))
        };
        assert!(faults.iter().any(|fault| is_named(&fault)), "{name}: {found}");
    };
    check("tile/0/001", &|bytes| bytes[7 * 32] ^= 1, 263, "tile", "hash 7 in tile/0/001");
    check(&partial("0"), &|bytes| bytes[0] ^= 1, 512, "tile", &partial("0"));
    check("tile/1/000.p/2", &|bytes| bytes[33] ^= 128, 256, "tile", "hash 1 in tile/1/000.p/2");
    check("tile/0/000", &cut, 0, "tile", "tile/0/000");
    check("tile/0/000", &grown, 0, "tile", "tile/0/000");
    check(&partial("0"), &grown, 512, "tile", &partial("0"));
    check("tile/entries/001", &cut, 511, "tile", "tile/entries/001");
    check("tile/entries/001", &grown, 512, "tile", "tile/entries/001");
    check(&partial("entries"), &grown, 512 + 103, "tile", &partial("entries"));
    // An entry more than the name says, and an entry that has been changed.
    let one_more = |bytes: &mut Vec<u8>| bytes.extend([0, 33].into_iter().chain([0; 33]));
    check(&partial("entries"), &one_more, 512 + 103, "tile", &partial("entries"));
    check("tile/entries/000", &|bytes| bytes[50] ^= 1, 0, "tile", "hash 0 in tile/0/000");
    check("tile/entries/000", &|bytes| bytes[50] ^= 1, 0, "chain", "entry 0");
    check("tile/entries/000", &Vec::clear, 0, "tile", "tile/entries/000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn missing_tiles_are_named_and_full_ones_stand_for_partial_ones() {
    let (world, kept) = exported().await;
    let tiles = world.directory.path().join("tiles");
    let source = tiles.to_str().unwrap();
    let partial = |level: &str| tiles.join(format!("tile/{level}/002.p/{REST}"));
    for name in ["tile/0/000", "tile/1/000.p/2", "tile/entries/001"] {
        let path = tiles.join(name);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let (code, found) = report(&[source, "--checkpoint", &kept]);
        assert_eq!((code, &found["verdict"]), (Some(1), &"broken".into()), "{found}");
        let said = found["faults"].to_string();
        assert!(said.contains(&format!("{name} is missing")), "{said}");
        fs::write(&path, bytes).unwrap();
    }
    // The log grew, and its publisher took the partial tiles away.
    let mut full = fs::read(partial("0")).unwrap();
    full.resize(256 * 32, 7);
    fs::write(tiles.join("tile/0/002"), &full).unwrap();
    fs::remove_file(partial("0")).unwrap();
    let mut bundle = fs::read(partial("entries")).unwrap();
    (REST..256).for_each(|_| bundle.extend([0, 33].into_iter().chain([0; 33])));
    fs::write(tiles.join("tile/entries/002"), bundle).unwrap();
    fs::remove_file(partial("entries")).unwrap();
    let (code, found) = report(&[source, "--deep", "--checkpoint", &kept]);
    assert_eq!(code, Some(0), "{found}");
    full.truncate(255 * 32);
    fs::write(tiles.join("tile/0/002"), &full).unwrap();
    assert_eq!(report(&[source, "--checkpoint", &kept]).0, Some(1), "a full tile that is not full");
    // What cannot be read is no verdict.
    fs::write(tiles.join("checkpoint"), "no note").unwrap();
    let unreadable = run(&["verify", source]);
    assert_eq!(unreadable.status.code(), Some(3), "{}", errors(&unreadable));
    fs::remove_file(tiles.join("checkpoint")).unwrap();
    assert_eq!(run(&["verify", source]).status.code(), Some(3));
}

/// The tiles of another log beside a log's own checkpoint, and a checkpoint that was edited.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_checkpoint_vouches_for_its_own_tiles_only() {
    let (world, kept) = exported().await;
    let checkpoint = world.directory.path().join("tiles/checkpoint");
    let note = fs::read_to_string(&checkpoint).unwrap();
    let source = world.path("tiles");
    for size in ["0", "1", "512", "616", "18446744073709551615"] {
        fs::write(&checkpoint, note.replacen("\n615\n", &format!("\n{size}\n"), 1)).unwrap();
        let (code, found) = report(&[&source, "--allow-unanchored"]);
        assert_eq!((code, &found["verdict"]), (Some(1), &"broken".into()), "{size}: {found}");
    }
    fs::write(&checkpoint, note).unwrap();
    assert_eq!(report(&[&source, "--checkpoint", &kept]).0, Some(0));
    let stranger = World::new();
    let (code, found) = report(&[&source, "--checkpoint", &kept, "--key", &stranger.key]);
    assert_eq!((code, &found["faults"][0]["kind"]), (Some(1), &"signature".into()), "{found}");
}
