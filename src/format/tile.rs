//! Names of tiles: how a log is laid out for any file server (C2SP tlog-tiles, docs/format.md, Tiles). A tile of hashes holds
//! up to 256 nodes of one height, an entry bundle up to 256 entries, each `length (2) ‖ entry`.

use std::fmt;

/// Hashes or entries of a whole tile.
pub const TILE_WIDTH: u64 = 256;
/// Heights of the nodes of neighbouring tile levels differ by this.
pub const TILE_HEIGHT: u32 = 8;
/// Highest level that a name can have.
pub const TILE_LEVEL_MAX: u32 = 63;

/// What lies in a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileKind {
    /// Nodes of height 8 times the level.
    Hashes {
        /// The level, 0 to 63.
        level: u32,
    },
    /// Entries.
    Entries,
}

/// A tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// What lies in it.
    pub kind: TileKind,
    /// Its place among the tiles of its level, from 0.
    pub index: u64,
    /// How many hashes or entries are wanted: 256, or fewer of one that is not yet full.
    pub width: u64,
}

impl Tile {
    /// The tiles of a level in a tree of a size, in order: whole ones, then perhaps a partial one.
    pub fn all(kind: TileKind, size: u64) -> impl Iterator<Item = Self> {
        let count = count_at(kind, size);
        (0..count.div_ceil(TILE_WIDTH)).map(move |index| {
            let left = count.saturating_sub(index.saturating_mul(TILE_WIDTH));
            Self { kind, index, width: left.min(TILE_WIDTH) }
        })
    }

    /// The first hash or entry in it, counted over its level.
    pub const fn start(&self) -> u64 {
        self.index.saturating_mul(TILE_WIDTH)
    }

    /// Whether a tree of a size has it.
    pub fn is_in(&self, size: u64) -> bool {
        let end = self.index.checked_mul(TILE_WIDTH).and_then(|start| start.checked_add(self.width));
        end.is_some_and(|end| end <= count_at(self.kind, size))
    }

    /// Takes a name apart: `tile/0/x001/x234/067`, `tile/entries/000.p/5`; `None` for anything else, however alike.
    pub fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("tile/")?;
        let (level, rest) = rest.split_once('/')?;
        let kind = match level {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes {
                level: number(level).filter(|level| *level <= u64::from(TILE_LEVEL_MAX))?.try_into().ok()?,
            },
        };
        let (place, width) = match rest.split_once(".p/") {
            Some((place, width)) => (place, number(width).filter(|width| (1..TILE_WIDTH).contains(width))?),
            None => (rest, TILE_WIDTH),
        };
        let mut index = 0_u64;
        let mut groups = place.split('/').peekable();
        while let Some(group) = groups.next() {
            let is_last = groups.peek().is_none();
            let digits = if is_last { group } else { group.strip_prefix('x')? };
            let is_group = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
            let value: u64 = is_group.then(|| digits.parse().ok()).flatten()?;
            index = index.checked_mul(1_000)?.checked_add(value)?;
        }
        let tile = Self { kind, index, width };
        // One name each: leading groups of zeros, for example, are another.
        (tile.to_string() == name).then_some(tile)
    }
}

/// Hashes or entries of a level in a tree of a size.
pub fn count_at(kind: TileKind, size: u64) -> u64 {
    match kind {
        TileKind::Entries => size,
        TileKind::Hashes { level } => size.checked_shr(level.saturating_mul(TILE_HEIGHT)).unwrap_or(0),
    }
}

/// A decimal number without leading zeros.
fn number(text: &str) -> Option<u64> {
    let value: u64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}")?,
            TileKind::Entries => write!(f, "tile/entries")?,
        }
        let mut groups = vec![self.index % 1_000];
        let mut rest = self.index / 1_000;
        while rest > 0 {
            groups.push(rest % 1_000);
            rest /= 1_000;
        }
        while let Some(group) = groups.pop() {
            let mark = if groups.is_empty() { "" } else { "x" };
            write!(f, "/{mark}{group:03}")?;
        }
        if self.width < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL_0: TileKind = TileKind::Hashes { level: 0 };

    #[test]
    fn names_are_those_of_the_specification() {
        for (tile, name) in [
            (Tile { kind: LEVEL_0, index: 1_234_067, width: 256 }, "tile/0/x001/x234/067"),
            (Tile { kind: TileKind::Hashes { level: 3 }, index: 0, width: 1 }, "tile/3/000.p/1"),
            (Tile { kind: TileKind::Entries, index: 1_000, width: 256 }, "tile/entries/x001/000"),
            (Tile { kind: TileKind::Entries, index: 273, width: 112 }, "tile/entries/273.p/112"),
        ] {
            assert_eq!(tile.to_string(), name);
            assert_eq!(Tile::parse(name), Some(tile));
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/1",
            "tile/0/0001",
            "tile/0/x001",
            "tile/0/001/002",
            "tile/0/x000/001",
            "tile/64/000",
            "tile/00/000",
            "tile/-1/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/+1",
            "tile/0/000/",
            "/tile/0/000",
            "tile/data/000",
            "tile/0/../../etc/passwd",
            "tile/0/٠٠٠",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(Tile::parse(name), None, "{name}");
        }
    }

    /// The example of the specification: a tree of 70,000.
    #[test]
    fn a_tree_has_the_tiles_that_the_specification_counts() {
        let count = |level| {
            let tiles: Vec<_> = Tile::all(TileKind::Hashes { level }, 70_000).collect();
            assert!(tiles.iter().all(|tile| tile.is_in(70_000)));
            let whole = tiles.iter().filter(|tile| tile.width == 256).count();
            (whole, tiles.last().map(|tile| tile.width).filter(|width| *width < 256))
        };
        assert_eq!(
            [count(0), count(1), count(2), count(3)],
            [(273, Some(112)), (1, Some(17)), (0, Some(1)), (0, None)]
        );
        assert!(!Tile { kind: LEVEL_0, index: 273, width: 113 }.is_in(70_000));
        assert!(!Tile { kind: LEVEL_0, index: u64::MAX, width: 256 }.is_in(u64::MAX));
    }
}
