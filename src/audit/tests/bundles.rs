//! Bundles as the writer makes them, and what a forger or an accident makes of them: manifest, tiles, every byte and every cut.

use super::super::bundle_tiles::Tiles;
use super::super::report::Fault;
use super::super::tree::Tree;
use super::super::{Bundle, Depth, Evidence, FaultKind as Kind, Report, Unreadable, Verdict, verify};
use super::bytes::events;
use super::{blocks, chained, hash, options};
use crate::format::checkpoint::Checkpoint;
use crate::format::note_key::SignerKey;
use crate::format::tile::{Tile, TileKind};
use crate::format::tree::{Edge, root};
use crate::ledger::bundle::{Beside, write_bundle};
use crate::log::Log;
use crate::log::memory::MemoryLog;

type Hash = [u8; 32];
/// Tiles under their names.
type Named = Vec<(String, Vec<u8>)>;

/// A bundle of the plain events with a checkpoint over them.
fn written(entries: &[Vec<u8>], size: usize) -> Vec<u8> {
    let log = MemoryLog::default();
    log.tamper(|stored| stored.extend(blocks(entries, 6)));
    let leaves: Vec<Hash> = entries.iter().map(|entry| hash(entry)).collect();
    let root = leaves.get(..size).map_or([9; 32], root);
    let checkpoint = Checkpoint { origin: "o".to_owned(), size: u64::try_from(size).unwrap(), root };
    let note = checkpoint.signed([&SignerKey::from_seed("o", &[7; 32])]);
    let beside = Beside { checkpoint: Some(&note), made_at: Some("2026-01-05T01:00:00Z"), ..Beside::default() };
    let mut file = Vec::new();
    write_bundle(log.reader().as_ref(), &beside, &mut file).unwrap();
    file
}

fn report(file: &[u8]) -> Result<Report, Unreadable> {
    let bundle = Bundle::new(file)?;
    let mut options = options(Depth::Chain);
    options.anchors.served = bundle.checkpoints();
    Ok(verify(Evidence::Bundle(Box::new(bundle)), &options))
}

fn verdict(file: &[u8]) -> Verdict {
    report(file).map_or(Verdict::Incomplete, |report| report.verdict)
}

#[test]
fn what_is_written_verifies() {
    let entries = chained(&events());
    for size in [0, 1, 39, 40] {
        let report = report(&written(&entries, size)).unwrap();
        assert_eq!((report.verdict, &report.faults), (Verdict::Verified, &Vec::new()), "{size}");
        let bundle = report.bundle.unwrap();
        assert_eq!((bundle.version, bundle.tiles, bundle.values), (3, u64::from(size > 0), 7));
        assert_eq!(bundle.made_at.as_deref(), Some("2026-01-05T01:00:00Z"));
    }
}

/// A log that is damaged, and one that does not fit its checkpoint, go into a bundle like any other: with the faults that the
/// log has, and no others.
#[test]
fn broken_logs_are_evidence_too() {
    let entries = chained(&events());
    let report_of = |entries: &[Vec<u8>], size| {
        let report = report(&written(entries, size)).unwrap();
        let kinds: Vec<Kind> = report.faults.iter().map(|fault| fault.kind).collect();
        (report.verdict, kinds, report.bundle.unwrap().tiles)
    };
    let mut changed = entries.clone();
    changed[20][60] ^= 1;
    assert_eq!(report_of(&changed, 40), (Verdict::Broken, vec![Kind::Chain], 0));
    assert_eq!(report_of(&entries, 41), (Verdict::Broken, vec![Kind::Head], 0));
    assert_eq!(report_of(&entries[1..], 3).0, Verdict::Broken);
    assert_eq!(report_of(&[], 0), (Verdict::Broken, vec![Kind::Genesis], 0));
}

#[test]
fn every_byte_and_every_cut_shows() {
    // Two blocks: each part of a bundle is there, and every one of its bytes is tried.
    let few = 9_usize;
    let whole = written(&chained(&events()[..few]), few);
    assert_eq!(verdict(&whole), Verdict::Verified);
    for length in 0..whole.len() {
        assert_eq!(verdict(&whole[..length]), Verdict::Incomplete, "cut to {length}");
    }
    assert_eq!(verdict(&[&whole[..], &[0]].concat()), Verdict::Incomplete);
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 4;
        assert_ne!(verdict(&changed), Verdict::Verified, "byte {at}");
    }
}

/// The tiles of a tree, in the order of a bundle.
fn tiles(leaves: &[Hash]) -> Named {
    let size = u64::try_from(leaves.len()).unwrap();
    let mut levels = vec![Vec::new(); 4];
    let mut edge = Edge::default();
    for leaf in leaves {
        edge.push(*leaf, |node, hash| {
            if node.level % 8 == 0 {
                levels[usize::try_from(node.level / 8).unwrap()].extend_from_slice(hash);
            }
        });
    }
    let of_level = |(level, hashes): (u32, Vec<u8>)| {
        let tiles = Tile::all(TileKind::Hashes { level }, size);
        let chunks: Vec<Vec<u8>> = hashes.chunks(8_192).map(<[u8]>::to_vec).collect();
        tiles.map(|tile| tile.to_string()).zip(chunks).collect::<Vec<_>>()
    };
    (0..).zip(levels).flat_map(of_level).collect()
}

fn faults(size: usize, tiles: &[(String, Vec<u8>)], root: &Hash) -> Vec<Fault> {
    let mut checked = Tiles::new(u64::try_from(size).ok());
    for (name, hashes) in tiles {
        checked.take(name.as_bytes(), hashes);
    }
    checked.finish(root);
    assert_eq!(checked.found, u64::try_from(tiles.len()).unwrap());
    checked.faults
}

fn leaves(size: usize) -> Vec<Hash> {
    (0..size).map(|at| hash(&at.to_be_bytes())).collect()
}

#[test]
fn tiles_are_those_of_the_tree() {
    for size in [0, 1, 2, 255, 256, 257, 511, 600, 65_535, 65_536, 66_000, 131_500] {
        let leaves = leaves(size);
        let mut tree = Tree::default();
        for leaf in &leaves {
            tree.push(*leaf);
        }
        let tiles = tiles(&leaves);
        assert!(faults(size, &tiles, &tree.root()).is_empty(), "{size}");
        assert_eq!(faults(size, &tiles, &[1; 32]).len(), 1, "{size}: another log");
        // One hash of each level, changed: told once, at an entry that it covers or before.
        let mut seen = String::new();
        for (at, (name, _)) in tiles.iter().enumerate() {
            let level = name.split('/').nth(1).unwrap();
            if std::mem::replace(&mut seen, level.to_owned()) == level && at % 97 != 0 {
                continue;
            }
            let mut changed = tiles.clone();
            *changed[at].1.last_mut().unwrap() ^= 1;
            let found = faults(size, &changed, &tree.root());
            assert_eq!(found.len(), 1, "{size}: {name}");
            assert_eq!(found[0].kind, Kind::Tile);
        }
    }
}

#[test]
fn tiles_out_of_place_are_told() {
    let leaves = leaves(66_000);
    let (tiles, root) = (tiles(&leaves), root(&leaves));
    let check = |change: &dyn Fn(&mut Named), entry: i64, sentence: &str| {
        let mut changed = tiles.clone();
        change(&mut changed);
        let found = faults(leaves.len(), &changed, &root);
        let [fault] = found.as_slice() else { panic!("{sentence}: {found:?}") };
        let told = fault.message.to_string();
        assert!(told.contains(sentence) && fault.sequence == entry, "{sentence} at {entry}: {fault:?}");
    };
    assert_eq!(tiles.len(), 258 + 2 + 1);
    check(&|tiles| drop(tiles.remove(3)), 768, "tile/0/004 stands where tile/0/003 should");
    check(&|tiles| drop(tiles.pop()), 0, "the tile tile/2/000.p/1 is missing");
    check(&|tiles| tiles.truncate(258), 0, "the tile tile/1/000 is missing");
    check(&|tiles| tiles.insert(4, tiles[3].clone()), 1_024, "tile/0/003 stands where tile/0/004 should");
    check(&|tiles| tiles.swap(258, 259), 0, "tile/1/001.p/1 stands where tile/1/000 should");
    check(
        &|tiles| tiles.push(("tile/3/000.p/1".to_owned(), vec![0; 32])),
        65_999,
        "one more than the checkpoint covers",
    );
    check(&|tiles| tiles[5].0 = "tile/0/\u{1b}[2J".to_owned(), 1_280, "tile/0/\\x1b[2J stands where");
    check(&|tiles| tiles[257].1.truncate(6_655), 65_792, "the tile tile/0/257.p/208 has 6655 bytes");
    check(&|tiles| tiles[257].1.extend([0; 32]), 65_792, "the tile tile/0/257.p/208 has 6688 bytes");
    // The second tile of level 1 hangs on the right end of the tree.
    check(&|tiles| tiles[259].1[0] ^= 1, 65_536, "the tiles of level 1 are not made of those below them");
    check(&|tiles| tiles[258].1[0] ^= 1, 0, "the tiles of level 1 are not made of those below them");
    check(&|tiles| tiles[260].1[0] ^= 1, 0, "the tiles of level 2 are not made of those below them");
    let no_checkpoint = {
        let mut checked = Tiles::new(None);
        checked.take(b"tile/0/000.p/1", &[0; 32]);
        checked.faults.len()
    };
    assert_eq!(no_checkpoint, 1);
    for size in [u64::MAX, 1 << 63] {
        let mut checked = Tiles::new(Some(size));
        checked.take(b"tile/0/000", &[0; 8_192]);
        checked.finish(&[0; 32]);
        assert_eq!(checked.faults.len(), 1, "the second tile of a log that cannot be");
    }
}
