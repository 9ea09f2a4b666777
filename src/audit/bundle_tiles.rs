//! The hash tiles of a bundle (docs/format.md, Tiles), checked as they come, level by level.
//!
//! Memory does not grow with the log. The hashes of level 0 are leaves: they give the root, which is compared with the
//! auditor's own. The hashes of a level L are roots of complete subtrees of 256^L leaves, so a tree grown over them must end
//! in the same peaks as the tree over the leaves has from height 8·L on; as peaks commit to all that is below them, one wrong
//! hash is enough to differ.

use super::frame::Hash;
use super::report::{Fact, Fault, FaultKind, hex};
use super::tree::Tree;

const TILE_WIDTH: u64 = 256;
/// Neighbouring levels of tiles lie so many heights apart.
const TILE_HEIGHT: u32 = 8;
const HASH_BYTES: u64 = 32;
/// A longer name of a tile is not shown whole.
const SHOWN_CHARS_MAX: usize = 80;

/// A tile, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    level: u32,
    index: u64,
}

/// The tiles of a tree of a size, as they come.
pub(super) struct Tiles {
    /// Entries that the checkpoint covers; `None` without one that can be read.
    size: Option<u64>,
    next: Place,
    /// The tree over the hashes of the level that is being read.
    level: Tree,
    /// The tree over the leaves, once level 0 is whole.
    leaves: Option<Tree>,
    /// Something is wrong: what follows cannot be placed any more.
    is_lost: bool,
    pub(super) faults: Vec<Fault>,
    pub(super) found: u64,
}

impl Tiles {
    pub(super) fn new(size: Option<u64>) -> Self {
        let next = Place { level: 0, index: 0 };
        let leaves = (size == Some(0)).then(Tree::default);
        Self { size, next, level: Tree::default(), leaves, is_lost: false, faults: Vec::new(), found: 0 }
    }

    /// Takes the next tile.
    pub(super) fn take(&mut self, name: &[u8], hashes: &[u8]) {
        self.found = self.found.saturating_add(1);
        if self.is_lost {
            return;
        }
        let Some(size) = self.size else {
            return self.lose(0, fact!("tiles stand in the bundle without a checkpoint that can be read"));
        };
        let Some(width) = self.next.width(size) else {
            let shown = shown(name);
            return self.lose(last(size), fact!("the tile {} is one more than the checkpoint covers", shown));
        };
        let first = self.next.first_entry();
        let expected = self.next.name(width);
        if name != expected.as_bytes() {
            return self.lose(first, fact!("the tile {} stands where {} should", shown(name), expected));
        }
        if u64::try_from(hashes.len()) != Ok(width.saturating_mul(HASH_BYTES)) {
            return self.lose(first, fact!("the tile {} has {} bytes", expected, hashes.len()));
        }
        for hash in hashes.as_chunks::<32>().0 {
            self.level.push(*hash);
        }
        self.next.index = self.next.index.saturating_add(1);
        if self.next.width(size).is_none() {
            self.close_level(size);
        }
    }

    /// What is behind the last tile: all must have come, and the leaves must have the root.
    pub(super) fn finish(&mut self, root: &Hash) {
        if self.is_lost {
            return;
        }
        let Some(size) = self.size else { return };
        if let Some(width) = self.next.width(size) {
            let (first, name) = (self.next.first_entry(), self.next.name(width));
            return self.lose(first, fact!("the tile {} is missing", name));
        }
        let found = self.leaves.as_ref().map(Tree::root);
        if let Some(found) = found.filter(|found| found != root) {
            let message = fact!("the tiles have the root {}, the log has {}", hex(&found), hex(root));
            self.lose(0, message);
        }
    }

    /// The level is whole: compares its peaks with those of the leaves.
    fn close_level(&mut self, size: u64) {
        let level = std::mem::take(&mut self.level);
        let height = self.next.level.saturating_mul(TILE_HEIGHT);
        self.next = Place { level: self.next.level.saturating_add(1), index: 0 };
        let Some(leaves) = &self.leaves else {
            self.leaves = Some(level);
            return;
        };
        let above = leaves.peaks().filter_map(|(of, hash)| Some((of.checked_sub(height)?, hash)));
        // The lowest peak comes first and stands at the right end.
        let other = above.zip(level.peaks()).filter(|(own, other)| own != other).last();
        if let Some(((of, _), _)) = other {
            let behind = of.saturating_add(height).saturating_add(1);
            let first = size.checked_shr(behind).and_then(|count| count.checked_shl(behind)).unwrap_or(0);
            let level = height / TILE_HEIGHT;
            self.lose(first, fact!("the tiles of level {} are not made of those below them", level));
        }
    }

    fn lose(&mut self, first_entry: u64, message: Fact) {
        self.is_lost = true;
        let sequence = i64::try_from(first_entry).unwrap_or(i64::MAX);
        self.faults.push(Fault { sequence, kind: FaultKind::Tile, message });
    }
}

impl Place {
    /// Hashes of the tile in a tree of a size; `None` where the level has no such tile.
    fn width(self, size: u64) -> Option<u64> {
        let count = size.checked_shr(self.level.saturating_mul(TILE_HEIGHT)).unwrap_or(0);
        let before = self.index.checked_mul(TILE_WIDTH)?;
        count.checked_sub(before).filter(|left| *left > 0).map(|left| left.min(TILE_WIDTH))
    }

    /// The first entry that it covers.
    fn first_entry(self) -> u64 {
        let covers = 1_u64.checked_shl(self.level.saturating_mul(TILE_HEIGHT)).unwrap_or(0);
        self.index.saturating_mul(TILE_WIDTH).saturating_mul(covers)
    }

    /// Its name, as C2SP tlog-tiles writes it.
    fn name(self, width: u64) -> String {
        let mut groups = vec![format!("{:03}", self.index % 1_000)];
        let mut rest = self.index / 1_000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1_000));
            rest /= 1_000;
        }
        groups.reverse();
        let partial = if width < TILE_WIDTH { format!(".p/{width}") } else { String::new() };
        format!("tile/{}/{}{partial}", self.level, groups.join("/"))
    }
}

const fn last(size: u64) -> u64 {
    size.saturating_sub(1)
}

/// A name that an attacker may have chosen, as it can be printed.
fn shown(name: &[u8]) -> String {
    name.escape_ascii().to_string().chars().take(SHOWN_CHARS_MAX).collect()
}
