//! Writes a log as static files (C2SP tlog-tiles): all of it, or what has come since it was written last.

use std::fs;
use std::path::{Path, PathBuf};

use crate::format::record::HASH_BYTES;
use crate::format::tile::{TILE_HEIGHT, TILE_WIDTH, Tile, TileKind, count_at};
use crate::format::tree::{Edge, Node, Nodes, TreeHash, leaf_hash, root};
use crate::log::Fault;
use crate::log::files::{create_directory, write_durably};

/// The tile of a level that is being filled.
struct Level {
    kind: TileKind,
    index: u64,
    width: u64,
    bytes: Vec<u8>,
}

impl Level {
    /// The tile that comes after so many hashes or entries, which fill whole tiles.
    const fn after(kind: TileKind, count: u64) -> Self {
        Self { kind, index: count / TILE_WIDTH, width: 0, bytes: Vec::new() }
    }

    fn push(&mut self, path: &Path, bytes: &[u8]) -> Result<(), Fault> {
        self.bytes.extend_from_slice(bytes);
        self.width = self.width.saturating_add(1);
        if self.width == TILE_WIDTH { self.write(path) } else { Ok(()) }
    }

    fn write(&mut self, path: &Path) -> Result<(), Fault> {
        if self.width == 0 {
            return Ok(());
        }
        write_tile(path, &Tile { kind: self.kind, index: self.index, width: self.width }, &self.bytes)?;
        self.index = self.index.saturating_add(1);
        self.width = 0;
        self.bytes.clear();
        Ok(())
    }
}

/// Tiles on their way into a directory.
pub(super) struct TileWriter {
    path: PathBuf,
    levels: Vec<Level>,
    entries: Level,
    edge: Edge,
}

impl TileWriter {
    /// Of a log from its first entry.
    pub(super) fn new(path: &Path) -> Self {
        let entries = Level::after(TileKind::Entries, 0);
        Self { path: path.to_owned(), levels: Vec::new(), entries, edge: Edge::default() }
    }

    /// Of a log of which the tiles up to a size are there: goes on after the last whole tile of entries.
    pub(super) fn resume(path: &Path, size: u64) -> Result<Self, Fault> {
        let first = size.saturating_sub(size % TILE_WIDTH);
        let stored = Stored { path, size };
        let edge = Edge::read(&stored, first)?;
        let mut levels = Vec::new();
        for level in 0.. {
            let kind = TileKind::Hashes { level };
            let count = count_at(kind, first);
            if count == 0 {
                break;
            }
            let mut next = Level::after(kind, count);
            next.width = count % TILE_WIDTH;
            next.bytes = stored.hashes(level, count.saturating_sub(next.width), next.width)?.concat();
            levels.push(next);
        }
        Ok(Self { path: path.to_owned(), levels, entries: Level::after(TileKind::Entries, first), edge })
    }

    /// Entries in the tree.
    pub(super) const fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root over them.
    pub(super) fn root(&self) -> TreeHash {
        self.edge.root()
    }

    /// Appends an entry.
    pub(super) fn push(&mut self, entry: &[u8]) -> Result<(), Fault> {
        let length = u16::try_from(entry.len()).map_err(|error| Fault::new("writing tiles", error))?;
        self.entries.push(&self.path, &[&length.to_be_bytes()[..], entry].concat())?;
        let mut complete = Vec::new();
        self.edge.push(leaf_hash(entry), |node, hash| {
            if node.level.is_multiple_of(TILE_HEIGHT) {
                complete.push((node.level / TILE_HEIGHT, *hash));
            }
        });
        for (level, hash) in complete {
            let at = usize::try_from(level).map_err(|error| Fault::new("writing tiles", error))?;
            if self.levels.len() <= at {
                self.levels.push(Level::after(TileKind::Hashes { level }, 0));
            }
            if let Some(level) = self.levels.get_mut(at) {
                level.push(&self.path, &hash)?;
            }
        }
        Ok(())
    }

    /// Writes the tiles that are not full.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        self.entries.write(&self.path)?;
        self.levels.iter_mut().try_for_each(|level| level.write(&self.path))
    }
}

/// Removes the partial tiles of a tree of one size that a larger one has no use for.
pub(super) fn remove_partial(path: &Path, size: u64, new_size: u64) {
    let levels = (0..).map(|level| TileKind::Hashes { level }).take_while(|kind| count_at(*kind, size) > 0);
    for kind in levels.chain([TileKind::Entries]) {
        let count = count_at(kind, size);
        let tile = Tile { kind, index: count / TILE_WIDTH, width: count % TILE_WIDTH };
        if tile.width > 0 && count_at(kind, new_size) > count {
            let file = path.join(tile.to_string());
            // Whatever stays behind is only superfluous.
            drop(fs::remove_file(&file));
            drop(file.parent().map(fs::remove_dir));
        }
    }
}

fn write_tile(path: &Path, tile: &Tile, bytes: &[u8]) -> Result<(), Fault> {
    let file = path.join(tile.to_string());
    let unnamed = || Fault::new(format!("writing {}", file.display()), "it has no place");
    let (Some(directory), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str())) else {
        return Err(unnamed());
    };
    if !directory.is_dir() {
        create_directory(directory).map_err(|error| Fault::new(format!("creating {}", directory.display()), error))?;
    }
    write_durably(directory, name, bytes)
}

/// The tiles of hashes of a tree of a size.
struct Stored<'a> {
    path: &'a Path,
    size: u64,
}

impl Stored<'_> {
    /// So many hashes of a level from one on, all in one tile.
    fn hashes(&self, level: u32, start: u64, count: u64) -> Result<Vec<TreeHash>, Fault> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let kind = TileKind::Hashes { level };
        let index = start / TILE_WIDTH;
        let width = count_at(kind, self.size).saturating_sub(index.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
        let file = self.path.join(Tile { kind, index, width }.to_string());
        let failed = |cause: &dyn std::fmt::Display| Fault::new(format!("reading {}", file.display()), cause);
        let bytes = fs::read(&file).map_err(|error| failed(&error))?;
        let (hashes, _) = bytes.as_chunks::<HASH_BYTES>();
        let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let first = place(start % TILE_WIDTH);
        let found = hashes.get(first..first.saturating_add(place(count)));
        found.map(<[_]>::to_vec).ok_or_else(|| failed(&"it is too short"))
    }
}

impl Nodes for Stored<'_> {
    type Error = Fault;

    fn node(&self, node: Node) -> Result<TreeHash, Fault> {
        let level = node.level / TILE_HEIGHT;
        let above = node.level % TILE_HEIGHT;
        Ok(root(&self.hashes(level, node.index << above, 1 << above)?))
    }
}
