//! Names of tiles: one name each, and only what a tree of a size has is in it.

#![no_main]

use fundledger::format::tile::{TILE_LEVEL_MAX, TILE_WIDTH, Tile, TileKind, count_at};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((size, name)) = input.split_first_chunk::<8>() else { return };
    let size = u64::from_be_bytes(*size);
    let Some(tile) = std::str::from_utf8(name).ok().and_then(Tile::parse) else { return };
    assert_eq!(tile.to_string().as_bytes(), name);
    assert!(name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/.".contains(byte)));
    assert!(!tile.to_string().contains(".."), "no way out of the folder");
    assert!((1..=TILE_WIDTH).contains(&tile.width));
    if let TileKind::Hashes { level } = tile.kind {
        assert!(level <= TILE_LEVEL_MAX);
    }
    if tile.is_in(size) {
        assert!(tile.start() < count_at(tile.kind, size));
        assert!(tile.is_in(u64::MAX) || tile.is_in(size.saturating_add(1)), "a tree only grows");
        let narrower = Tile { width: 1, ..tile };
        assert!(narrower.is_in(size));
    }
});
