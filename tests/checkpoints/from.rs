//! `verify --from`: an auditor who verified before, and kept a checkpoint, reads only what came since.

use std::fs;
use std::path::Path;

use crate::report;
use crate::server::{errors, payment, run};
use crate::world::World;

/// A log of 616 entries that an auditor kept a checkpoint of, and 84 more; its tiles lie in `tiles`.
async fn grown() -> (World, String) {
    let mut world = World::new();
    let last = world.pay(600).await;
    assert_eq!(last, 615);
    let kept = world.keep("kept", last);
    world.post((0..84).map(|at| payment(&format!("L-{at}"))).collect()).await;
    world.keep("latest", 699);
    world.stop();
    let tiles = world.path("tiles");
    let exported = run(&["export", "--data", world.data().to_str().unwrap(), "--tiles", &tiles]);
    assert!(exported.status.success(), "{}", errors(&exported));
    (world, kept)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn only_what_came_since_is_read() {
    let (mut world, kept) = grown().await;
    let data = world.data().to_str().unwrap().to_owned();
    let tiles = world.path("tiles");
    let key = world.key.clone();
    let check = |source: &str, from: u64, anchored: bool| {
        let (code, found) = report(&[source, "--from", &from.to_string(), "--checkpoint", &kept, "--key", &key]);
        assert_eq!((code, &found["verdict"]), (Some(i32::from(!anchored)), &"verified".into()), "{from}: {found}");
        assert_eq!((&found["first_sequence"], &found["events"]), (&from.into(), &(700 - from).into()), "{found}");
        assert_eq!((&found["tree_size"], &found["anchored"]), (&700.into(), &anchored.into()), "{found}");
        let left_out = found["not_checked"].as_array().unwrap();
        assert!(left_out.contains(&"before".into()) && left_out.contains(&"balances".into()), "{found}");
        found["root"].as_str().unwrap().to_owned()
    };
    let (_, whole) = report(&[&data, "--checkpoint", &kept]);
    let root = whole["root"].as_str().unwrap();
    // Before, at and after what was kept; at and beside the edges of tiles.
    for from in [1, 255, 256, 257, 300, 512, 615, 616] {
        assert_eq!(check(&tiles, from, true), root, "{from}");
        assert_eq!(check(&data, from, true), root, "{from}");
    }
    // Nothing ties entries after the checkpoint to it.
    for from in [617, 699] {
        check(&tiles, from, false);
        check(&data, from, false);
    }
    world.start();
    for source in [world.url(), format!("http://{}", world.tiles), data] {
        check(&source, 300, true);
        check(&source, 617, false);
        let (code, found) = report(&[&source, "--from", "300"]);
        assert_eq!((code, &found["anchored"]), (Some(1), &false.into()), "{found}");
    }
}

/// Nothing before the sequence is needed but the tiles that the edge is in, and a wrong edge does not grow to the root.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_edge_is_proven_by_the_root() {
    let (world, kept) = grown().await;
    let tiles = world.path("tiles");
    let path = |name: &str| Path::new(&tiles).join(name);
    fs::remove_file(path("tile/entries/000")).unwrap();
    fs::remove_file(path("tile/entries/001")).unwrap();
    fs::remove_file(path("tile/0/000")).unwrap();
    let verified = |from: &str| report(&[&tiles, "--from", from, "--checkpoint", &kept]);
    let (code, found) = verified("600");
    assert_eq!(code, Some(0), "{found}");
    let flip = |name: &str, at: usize| {
        let mut bytes = fs::read(path(name)).unwrap();
        bytes[at] ^= 1;
        fs::write(path(name), bytes).unwrap();
    };
    flip("tile/1/000.p/2", 40);
    let (code, found) = verified("600");
    assert_eq!((code, &found["verdict"]), (Some(1), &"broken".into()), "{found}");
    assert!(found["faults"].to_string().contains("have the root"), "{found}");
    flip("tile/1/000.p/2", 40);
    // An entry that was changed since, and one of which only the link was.
    flip("tile/entries/002.p/188", 2 + 40);
    let (code, found) = verified("512");
    assert_eq!((code, &found["first_bad_sequence"]), (Some(1), &512.into()), "{found}");
    flip("tile/entries/002.p/188", 2 + 40);
    let stranger = World::new();
    let last = stranger.pay(600).await;
    let foreign = stranger.keep("foreign", last);
    let (code, found) = report(&[&tiles, "--from", "600", "--checkpoint", &foreign]);
    assert_eq!((code, &found["verdict"]), (Some(1), &"broken".into()), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_cannot_begin_later_says_so() {
    let (world, kept) = grown().await;
    let (data, tiles, bundle) = (world.data(), world.path("tiles"), world.path("bundle"));
    let data = data.to_str().unwrap();
    assert!(run(&["export", "--data", data, "--bundle", &bundle]).status.success());
    for (arguments, code, says) in [
        (&[data, "--from", "300", "--deep"][..], 2, "balances need all of it"),
        (&[&bundle, "--from", "300"], 2, "not offered for a bundle"),
        (&[&tiles, "--from", "700"], 2, "up to sequence 699"),
        (&[data, "--from", "9223372036854775807"], 2, "up to sequence 699"),
        (&[data, "--from", "-1"], 2, "-1"),
    ] {
        let refused = run(&[&["verify"][..], arguments].concat());
        assert_eq!(refused.status.code(), Some(code), "{arguments:?}: {}", errors(&refused));
        assert!(errors(&refused).contains(says), "{arguments:?}: {}", errors(&refused));
    }
    // From the beginning is all of it.
    let (code, found) = report(&[data, "--from", "0", "--deep", "--checkpoint", &kept]);
    assert_eq!((code, &found["events"]), (Some(0), &700.into()), "{found}");
    fs::remove_dir_all(world.data().join("entries")).unwrap();
    let missing = run(&["verify", data, "--from", "300"]);
    assert_eq!(missing.status.code(), Some(3), "{}", errors(&missing));
}
