//! Checkpoints, proofs and tiles of a real server, checked with the auditor's own code, and the same by hand on the command
//! line.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may fail"
)]

mod beside;
mod bundles;
mod foreign;
mod from;
mod receipts;
mod releases;
mod restore;
mod rotation;
#[path = "../server/mod.rs"]
mod server;
mod tiles;
mod witnesses;
mod world;

use std::fs;

use fundledger::audit::tree::{Tree, includes, is_consistent, leaf_hash};
use fundledger::pb::v1;
use server::{errors, payment, run};
use tonic::Code;
use world::{ORIGIN, World, copy};

type Hash = [u8; 32];

fn hash(bytes: &[u8]) -> Hash {
    bytes.try_into().unwrap()
}

fn hashes(list: &[impl AsRef<[u8]>]) -> Vec<Hash> {
    list.iter().map(|bytes| hash(bytes.as_ref())).collect()
}

/// Every event is under a signed checkpoint soon; its proof holds with the receipt's hash, and an old checkpoint continues.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn receipts_are_proven_by_signed_checkpoints() {
    let world = World::new();
    let receipts = world.post(server::set_up()).await;
    let mut audit = world.audit().await;
    let last = receipts.last().unwrap().sequence;
    let covering = v1::GetCheckpointRequest { min_sequence: Some(last), witnessed: false };
    let first = audit.get_checkpoint(covering).await.unwrap().into_inner();
    let signed = world.believed(&first.checkpoint);
    assert_eq!((signed.origin.as_str(), signed.size), (ORIGIN, u64::try_from(last + 1).unwrap()));
    assert_eq!((signed.root, first.verifier_key.as_str()), (hash(&first.root_hash), world.key.as_str()));
    for receipt in &receipts {
        let request = v1::GetInclusionProofRequest { sequence: receipt.sequence, witnessed: false };
        let proof = audit.get_inclusion_proof(request).await.unwrap().into_inner();
        let signed = world.believed(&proof.checkpoint);
        assert_eq!(proof.entry_hash, receipt.entry_hash);
        let (index, leaf) = (u64::try_from(receipt.sequence).unwrap(), hash(&receipt.entry_hash));
        assert!(includes(index, signed.size, &leaf, &hashes(&proof.hashes), &signed.root));
    }
    let more = world.post((0..300).map(|at| payment(&format!("P-{at}"))).collect()).await;
    let covering = v1::GetCheckpointRequest { min_sequence: Some(more.last().unwrap().sequence), witnessed: false };
    let latest = audit.get_checkpoint(covering).await.unwrap().into_inner();
    let grown = world.believed(&latest.checkpoint);
    for old_tree_size in [0, 1, first.tree_size, latest.tree_size] {
        let request = v1::GetConsistencyProofRequest { old_tree_size, tree_size: None };
        let proof = audit.get_consistency_proof(request).await.unwrap().into_inner();
        assert_eq!((proof.tree_size, hash(&proof.root_hash)), (latest.tree_size, grown.root));
        if old_tree_size == first.tree_size {
            assert!(is_consistent((signed.size, &signed.root), (grown.size, &grown.root), &hashes(&proof.hashes)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_cannot_be_proven_is_refused() {
    let world = World::new();
    let last = world.pay(3).await;
    let mut audit = world.audit().await;
    let code = |status: Result<_, tonic::Status>| status.map(|_: tonic::Response<_>| ()).unwrap_err().code();
    for (sequence, expected) in
        [(-1, Code::InvalidArgument), (last + 1, Code::OutOfRange), (i64::MAX, Code::OutOfRange)]
    {
        let proof = audit.get_inclusion_proof(v1::GetInclusionProofRequest { sequence, witnessed: false }).await;
        assert_eq!(code(proof.map(|answer| answer.map(drop))), expected, "{sequence}");
        let request = v1::GetCheckpointRequest { min_sequence: Some(sequence), witnessed: false };
        assert_eq!(code(audit.get_checkpoint(request).await.map(|answer| answer.map(drop))), expected, "{sequence}");
    }
    for (old_tree_size, tree_size, expected) in [
        (-1, None, Code::InvalidArgument),
        (2, Some(1), Code::InvalidArgument),
        (last + 2, None, Code::InvalidArgument),
        (1, Some(last + 2), Code::OutOfRange),
        (0, Some(-1), Code::InvalidArgument),
        (i64::MIN, Some(i64::MIN), Code::InvalidArgument),
    ] {
        let request = v1::GetConsistencyProofRequest { old_tree_size, tree_size };
        let refused = audit.get_consistency_proof(request).await;
        assert_eq!(code(refused.map(|answer| answer.map(drop))), expected, "{old_tree_size} to {tree_size:?}");
    }
}

/// The entries of a bundle.
fn entries(bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = bundle;
    let mut found = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (entry, after) = after.split_at(u16::from_be_bytes(*length).into());
        found.push(entry.to_vec());
        rest = after;
    }
    found
}

/// With nothing but the files that are served anybody computes the root that was signed.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tiles_are_the_log_as_static_files() {
    let world = World::new();
    let last = world.pay(600).await;
    world.keep("checkpoint", last);
    let (status, note) = world.get("/checkpoint");
    let signed = world.believed(&String::from_utf8(note).unwrap());
    assert_eq!((status, signed.size), (200, u64::try_from(last + 1).unwrap()));
    let rest = signed.size % 256;
    let whole = signed.size / 256;
    assert!(whole == 2 && rest > 0, "{}", signed.size);
    let mut tree = Tree::default();
    let mut level_1 = Vec::new();
    for index in 0..=whole {
        let name = if index < whole { format!("{index:03}") } else { format!("{index:03}.p/{rest}") };
        let (status, bundle) = world.get(&format!("/tile/entries/{name}"));
        assert_eq!(status, 200, "{name}");
        let (status, tile) = world.get(&format!("/tile/0/{name}"));
        assert_eq!(status, 200, "{name}");
        let leaves: Vec<Hash> = entries(&bundle).iter().map(|entry| leaf_hash(entry)).collect();
        assert_eq!(tile, leaves.concat(), "{name}");
        let mut of_tile = Tree::default();
        for leaf in leaves {
            of_tile.push(leaf);
            tree.push(leaf);
        }
        if index < whole {
            level_1.extend(of_tile.root());
        }
    }
    assert_eq!(tree.root(), signed.root);
    assert_eq!(world.get(&format!("/tile/1/000.p/{whole}")), (200, level_1));
    // A narrower partial tile is there too: whoever reads an earlier checkpoint needs it.
    assert_eq!(world.get("/tile/0/002.p/1").0, 200);
    for absent in [
        format!("/tile/0/002.p/{}", rest + 1),
        "/tile/0/002".to_owned(),
        "/tile/0/003.p/1".to_owned(),
        "/tile/1/000".to_owned(),
        "/tile/2/000.p/1".to_owned(),
        "/tile/entries/003".to_owned(),
        "/tile/data/000".to_owned(),
        "/tile/0/../../keys/checkpoint.key".to_owned(),
        "/tile/0/%2e%2e/%2e%2e/keys/checkpoint.key".to_owned(),
        "/keys/checkpoint.key".to_owned(),
        "/".to_owned(),
    ] {
        assert_eq!(world.get(&absent).0, 404, "{absent}");
    }
}

/// A receipt's proof, kept in a file, is checked without any server; another entry's is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kept_proof_is_checked_offline() {
    let mut world = World::new();
    let last = world.pay(5).await;
    let proof = world.path("p.tlog-proof");
    let fetched = world.ask(&["proof", &last.to_string(), "--key", &world.key]);
    assert!(fetched.status.success(), "{}", errors(&fetched));
    fs::write(&proof, &fetched.stdout).unwrap();
    let words = world.ask(&["proof", &last.to_string(), "--explain"]);
    let words = String::from_utf8(words.stdout).unwrap();
    assert!(
        words.contains(&format!("entry {last} of {ORIGIN}")) && words.contains("NOT checked: who signed"),
        "{words}"
    );
    let (_, bundle) = world.get(&format!("/tile/entries/000.p/{}", last + 1));
    world.stop();
    let entry = world.path("entry");
    let all = entries(&bundle);
    fs::write(&entry, all.last().unwrap()).unwrap();
    let checked = run(&["proof", "--check", &proof, "--entry", &entry, "--key", &world.key, "--explain"]);
    let said = String::from_utf8(checked.stdout.clone()).unwrap();
    assert!(checked.status.success(), "{}", errors(&checked));
    assert!(said.contains("proven") && said.contains(&format!("signed by the log {ORIGIN}")), "{said}");
    fs::write(&entry, &all[0]).unwrap();
    let other = run(&["proof", "--check", &proof, "--entry", &entry, "--key", &world.key]);
    assert_eq!(other.status.code(), Some(1), "{}", errors(&other));
    let stranger = World::new();
    fs::write(&entry, all.last().unwrap()).unwrap();
    let unknown = run(&["proof", "--check", &proof, "--entry", &entry, "--key", &stranger.key]);
    assert_eq!(unknown.status.code(), Some(1), "{}", errors(&unknown));
}

fn report(arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    let verified = run(&[&["verify", "--json"][..], arguments].concat());
    let report = serde_json::from_slice(&verified.stdout);
    (verified.status.code(), report.unwrap_or_else(|error| panic!("{error}: {}", errors(&verified))))
}

/// With the auditor's own checkpoint a ledger is anchored, whether it is served or lies still; what followed the checkpoint is
/// vouched for by the ledger alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kept_checkpoint_anchors_the_log() {
    let mut world = World::new();
    let last = world.pay(3).await;
    let kept = world.keep("kept", last);
    world.post(vec![payment("later")]).await;
    world.keep("latest", last + 1);
    let url = world.url();
    let (code, served) = report(&[&url, "--checkpoint", &kept, "--key", &world.key]);
    assert_eq!((code, &served["verdict"], &served["anchored_size"]), (Some(0), &"verified".into(), &(last + 1).into()));
    assert_eq!((&served["tree_size"], &served["checked"][4]), (&(last + 2).into(), &"checkpoint".into()));
    world.stop();
    let data = world.data();
    let data = data.to_str().unwrap();
    assert_eq!(report(&[data, "--checkpoint", &kept, "--deep"]).0, Some(0));
    // The checkpoint that lies beside the log is the operator's own: it anchors nothing.
    let (code, alone) = report(&[data, "--key", &world.key]);
    assert_eq!((code, &alone["verdict"], &alone["anchored"]), (Some(1), &"verified".into(), &false.into()));
    assert_eq!(report(&[data, "--key", &world.key, "--allow-unanchored"]).0, Some(0));
    let stranger = World::new();
    let (code, other) = report(&[data, "--key", &stranger.key, "--allow-unanchored"]);
    assert_eq!((code, &other["faults"][0]["kind"]), (Some(1), &"signature".into()));
    let first = stranger.pay(1).await;
    let foreign = stranger.keep("foreign", first);
    let (code, other) = report(&[data, "--checkpoint", &foreign]);
    assert_eq!((code, &other["faults"][0]["kind"]), (Some(1), &"root".into()));
}

/// An old copy of the directory is put in the place of the ledger: what was signed since then is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_restored_old_copy_signs_nothing() {
    let mut world = World::new();
    let last = world.pay(3).await;
    world.stop();
    let old = world.directory.path().join("old");
    copy(&world.data(), &old);
    world.start();
    world.post(vec![payment("later")]).await;
    let kept = world.keep("kept", last + 1);
    world.stop();
    // All but the checkpoint, as a backup of the log alone would do.
    let newest = fs::read(world.data().join("checkpoint")).unwrap();
    fs::remove_dir_all(world.data()).unwrap();
    copy(&old, &world.data());
    fs::write(world.data().join("checkpoint"), &newest).unwrap();
    let data = world.data();
    let (code, short) = report(&[data.to_str().unwrap(), "--checkpoint", &kept]);
    assert_eq!(
        (code, &short["faults"][0]["kind"], &short["first_bad_sequence"]),
        (Some(1), &"head".into(), &(last + 1).into())
    );
    world.start();
    let mut ledger = v1::ledger_service_client::LedgerServiceClient::connect(world.url()).await.unwrap();
    let request = v1::PostRequest { commands: vec![payment("another")], ..v1::PostRequest::default() };
    assert_eq!(ledger.post(request).await.unwrap_err().code(), Code::Unavailable);
    let mut audit = world.audit().await;
    // What was signed is still shown; a proof under it cannot be made.
    let shown = audit.get_checkpoint(v1::GetCheckpointRequest::default()).await.unwrap().into_inner();
    assert_eq!(shown.checkpoint.into_bytes(), newest);
    world.stop();
    assert_eq!(fs::read(world.data().join("checkpoint")).unwrap(), newest);
}

/// The auditor holds the latest checkpoint against an earlier one by the server's proof.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_checkpoint_continues_the_one_before() {
    let world = World::new();
    let last = world.pay(3).await;
    let kept = world.keep("kept", last);
    world.post(vec![payment("later")]).await;
    let continued = world.ask(&["checkpoint", "--since", &kept, "--covering", &(last + 1).to_string()]);
    assert!(continued.status.success(), "{}", errors(&continued));
    let stranger = World::new();
    let other = stranger.pay(9).await.to_string();
    for (arguments, expected) in [
        (&["checkpoint", "--since", &kept, "--covering", &other][..], "its history was changed"),
        (&["checkpoint", "--covering", &other, "--key", &world.key], "cannot be believed"),
    ] {
        let refused = stranger.ask(arguments);
        assert_eq!(refused.status.code(), Some(1), "{}", errors(&refused));
        assert!(errors(&refused).contains(expected), "{}", errors(&refused));
    }
}

/// What is exported is what is served, file by file; a log that does not fit its checkpoint is not exported.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn exported_tiles_are_those_that_are_served() {
    let mut world = World::new();
    let last = world.pay(600).await;
    world.keep("kept", last);
    let rest = (last + 1) % 256;
    let names = [
        "checkpoint".to_owned(),
        "tile/0/000".to_owned(),
        "tile/0/001".to_owned(),
        format!("tile/0/002.p/{rest}"),
        "tile/1/000.p/2".to_owned(),
        "tile/entries/001".to_owned(),
        format!("tile/entries/002.p/{rest}"),
    ];
    let served: Vec<Vec<u8>> = names.iter().map(|name| world.get(&format!("/{name}")).1).collect();
    world.stop();
    let (data, tiles) = (world.data(), world.directory.path().join("tiles"));
    let arguments = ["export", "--data", data.to_str().unwrap(), "--tiles", tiles.to_str().unwrap()];
    let exported = run(&arguments);
    assert!(exported.status.success(), "{}", errors(&exported));
    for (name, bytes) in names.iter().zip(served) {
        assert!(!bytes.is_empty() && fs::read(tiles.join(name)).unwrap() == bytes, "{name}");
    }
    let checkpoint = data.join("checkpoint");
    let note = fs::read_to_string(&checkpoint).unwrap();
    fs::write(&checkpoint, note.replace(&format!("\n{}\n", last + 1), "\n9\n")).unwrap();
    assert_eq!(run(&arguments).status.code(), Some(1), "another root");
    fs::remove_file(&checkpoint).unwrap();
    assert_eq!(run(&arguments).status.code(), Some(1), "no checkpoint");
}
