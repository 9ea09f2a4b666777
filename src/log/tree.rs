//! The Merkle tree over the log, in flat files: the nodes that tiles are made of, each level in a file of its own, one hash
//! after another. A file is the concatenation of its level's tiles, so that a tile is one short read, whatever its width.
//!
//! ```text
//! L.hashes   hash (32) of each complete subtree of 256^L entries, in order
//! ```
//!
//! Appending hashes nothing twice: the hash of an entry is the link of the next one. The files are written behind the log and
//! synced before a checkpoint is signed; after that the checkpoint's root says whether they are whole, and what is behind it
//! is appended again from the log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::files::create_directory;
use super::sled::sync_directory;
use super::{Fault, LogRead, blocks_between};
use crate::format::block::Block;
use crate::format::record::{EntryHash, HASH_BYTES, split_entry};
use crate::format::tile::{TILE_HEIGHT, Tile, TileKind};
use crate::format::tree::{Edge, Node, Nodes, TreeHash, root};

/// Bytes of a hash, in a file.
const BYTES: u64 = 32;

/// The tree: one thread appends, any number read.
#[derive(Debug)]
pub struct TreeFiles {
    directory: PathBuf,
    levels: RwLock<Vec<Arc<File>>>,
    edge: Mutex<Edge>,
    size: AtomicU64,
    // It could not be written: it ends here until the next start.
    is_given_up: AtomicBool,
    // How many entries the files hold, where the log has fewer.
    beyond: Option<u64>,
}

impl TreeFiles {
    /// Opens the tree in a directory and brings it up to a sequence of the log. `trusted` is a size and root that were synced:
    /// where the files do not have that root, and where there is none, they are made anew. Files that hold more than the log
    /// are left as they are.
    pub fn open(
        directory: &Path,
        log: &dyn LogRead,
        committed: i64,
        trusted: Option<(u64, TreeHash)>,
    ) -> Result<Self, Fault> {
        let failed = |error: io::Error| Fault::new(format!("opening the tree in {}", directory.display()), error);
        create_directory(directory).map_err(failed)?;
        let in_log = u64::try_from(committed.saturating_add(1)).unwrap_or_default();
        let on_disk = match fs::metadata(directory.join("0.hashes")) {
            Ok(found) => found.len() / BYTES,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(failed(error)),
        };
        let beyond = (on_disk > in_log).then_some(on_disk);
        let tree = Self {
            directory: directory.to_owned(),
            levels: RwLock::default(),
            edge: Mutex::default(),
            size: AtomicU64::new(0),
            is_given_up: AtomicBool::new(beyond.is_some()),
            beyond,
        };
        if beyond.is_some() {
            tree.set_edge(edge_of(log, in_log)?);
            return Ok(tree);
        }
        let (size, root) = trusted.unwrap_or((0, [0; HASH_BYTES]));
        let is_in_log = i64::try_from(size).is_ok_and(|size| size <= committed.saturating_add(1));
        let edge = (is_in_log && size > 0).then(|| tree.kept(size, root).map_err(failed)).transpose()?.flatten();
        // The links make an equal last hash a proof that all before it were the same: files that were signed do not stand
        // for another log.
        let edge = match edge {
            Some(edge) if tree.hashes(0, size.saturating_sub(1), 1).map_err(failed)? == hash_of(log, size)? => {
                Some(edge)
            }
            _ => None,
        };
        if edge.is_none() && size > 0 {
            tracing::warn!("the files of the tree do not have the root that was signed; making them from the log");
        }
        let edge = edge.unwrap_or_default();
        tree.cut(edge.size()).map_err(failed)?;
        tree.set_edge(edge);
        for block in blocks_between(log, tree.next(), committed) {
            tree.append(&[block?]);
        }
        Ok(tree)
    }

    /// The edge of the tree that the files hold up to a size, if it has the root.
    fn kept(&self, size: u64, expected: TreeHash) -> io::Result<Option<Edge>> {
        let mut level = 0_u32;
        while self.path(level).exists() {
            self.file(level)?;
            level = level.saturating_add(1);
        }
        let edge = match Edge::read(self, size) {
            Ok(edge) => edge,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok((edge.root() == expected).then_some(edge))
    }

    /// Cuts off what is behind a size.
    fn cut(&self, size: u64) -> io::Result<()> {
        let mut level = 0_u32;
        while self.path(level).exists() {
            let count = size.checked_shr(level.saturating_mul(TILE_HEIGHT)).unwrap_or(0);
            self.file(level)?.set_len(count.saturating_mul(BYTES))?;
            level = level.saturating_add(1);
        }
        Ok(())
    }

    fn path(&self, level: u32) -> PathBuf {
        self.directory.join(format!("{level}.hashes"))
    }

    /// The file of a level, made where it is missing.
    fn file(&self, level: u32) -> io::Result<Arc<File>> {
        let at = usize::try_from(level).unwrap_or(usize::MAX);
        if let Some(file) = self.levels.read().unwrap_or_else(PoisonError::into_inner).get(at) {
            return Ok(Arc::clone(file));
        }
        let mut levels = self.levels.write().unwrap_or_else(PoisonError::into_inner);
        while levels.len() <= at {
            let path = self.path(u32::try_from(levels.len()).unwrap_or(u32::MAX));
            let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
            levels.push(Arc::new(file));
        }
        levels.get(at).map(Arc::clone).ok_or_else(|| io::Error::other("no such level"))
    }

    /// Entries in the tree.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// The first sequence that is not in it.
    fn next(&self) -> i64 {
        i64::try_from(self.size()).unwrap_or(i64::MAX)
    }

    /// The edge of the tree as it stands: its size and root go together.
    pub fn edge(&self) -> Edge {
        self.edge.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the tree could not be written: it grows again after a restart.
    pub fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed)
    }

    /// How many entries the files hold, where the log had fewer at the start.
    pub const fn beyond(&self) -> Option<u64> {
        self.beyond
    }

    /// Ends the tree here until the next start; nothing is signed any more. For measuring what it costs.
    pub fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    /// Appends neighbouring blocks; called by one thread. What is there already is passed over.
    pub fn append(&self, blocks: &[Block]) {
        if self.is_given_up() {
            return;
        }
        if let Err(error) = self.write(blocks) {
            self.is_given_up.store(true, Ordering::Relaxed);
            tracing::error!(%error, "the tree could not be written; nothing is signed until a restart");
        }
    }

    fn write(&self, blocks: &[Block]) -> io::Result<()> {
        let next = self.next();
        let first_sequence = blocks.first().map_or(next, |block| block.first_sequence);
        if first_sequence > next {
            return Err(io::Error::other(format!("entries from {next} on are missing before {first_sequence}")));
        }
        let skipped = usize::try_from(next.saturating_sub(first_sequence)).unwrap_or_default();
        let mut edge = self.edge();
        let mut levels: Vec<Vec<u8>> = Vec::new();
        for hash in blocks.iter().flat_map(entry_hashes).skip(skipped) {
            edge.push(hash, |Node { level, .. }, hash| {
                if !level.is_multiple_of(TILE_HEIGHT) {
                    return;
                }
                let at = usize::try_from(level / TILE_HEIGHT).unwrap_or(usize::MAX);
                if levels.len() <= at {
                    levels.resize_with(at.saturating_add(1), Vec::new);
                }
                if let Some(level) = levels.get_mut(at) {
                    level.extend_from_slice(hash);
                }
            });
        }
        for (level, hashes) in (0..).zip(&levels) {
            self.file(level)?.as_ref().write_all(hashes)?;
        }
        // Readers go by the size: what it counts is in the files.
        self.set_edge(edge);
        Ok(())
    }

    fn set_edge(&self, edge: Edge) {
        let size = edge.size();
        *self.edge.lock().unwrap_or_else(PoisonError::into_inner) = edge;
        self.size.store(size, Ordering::Release);
    }

    /// Makes everything appended so far survive a power cut.
    pub fn sync(&self) -> Result<(), Fault> {
        let levels = self.levels.read().unwrap_or_else(PoisonError::into_inner).clone();
        let failed = |error| Fault::new(format!("syncing the tree in {}", self.directory.display()), error);
        levels.iter().try_for_each(|file| file.sync_data()).map_err(failed)?;
        sync_directory(&self.directory)
    }

    fn hashes(&self, level: u32, start: u64, count: u64) -> io::Result<Vec<u8>> {
        let bytes = usize::try_from(count.saturating_mul(BYTES)).map_err(io::Error::other)?;
        let mut hashes = vec![0; bytes];
        self.file(level)?.read_exact_at(&mut hashes, start.saturating_mul(BYTES))?;
        Ok(hashes)
    }

    /// The hashes of a tile, one after another. The tile must be in the tree, and of hashes.
    pub fn tile(&self, tile: &Tile) -> Result<Vec<u8>, Fault> {
        let level = match tile.kind {
            TileKind::Hashes { level } => level,
            TileKind::Entries => return Err(Fault::new("reading the tree", "entries are not in it")),
        };
        self.hashes(level, tile.start(), tile.width).map_err(|error| Fault::new(format!("reading {tile}"), error))
    }
}

impl Nodes for TreeFiles {
    type Error = io::Error;

    /// Of a node between two levels of tiles the hash is computed, from at most 128 below it.
    fn node(&self, node: Node) -> io::Result<TreeHash> {
        let (level, height) = (node.level / TILE_HEIGHT, node.level % TILE_HEIGHT);
        let hashes = self.hashes(level, node.index << height, 1 << height)?;
        let (hashes, _) = hashes.as_chunks::<HASH_BYTES>();
        Ok(root(hashes))
    }
}

/// The root over the first entries of a log, from the log itself.
pub fn root_of(log: &dyn LogRead, size: u64) -> Result<TreeHash, Fault> {
    edge_of(log, size).map(|edge| edge.root())
}

/// The hash of the last of the first entries of a log; empty where it is missing.
fn hash_of(log: &dyn LogRead, size: u64) -> Result<Vec<u8>, Fault> {
    let sequence = i64::try_from(size).unwrap_or(i64::MAX).saturating_sub(1);
    let hash = log.block_at(sequence)?.and_then(|block| hash_in(&block, sequence));
    Ok(hash.map(|hash| hash.0.to_vec()).unwrap_or_default())
}

/// The hash of an entry of a block; `None` where it is not in it.
pub(crate) fn hash_in(block: &Block, sequence: i64) -> Option<EntryHash> {
    let at = sequence.checked_sub(block.first_sequence).and_then(|at| usize::try_from(at).ok())?;
    entry_hashes(block).nth(at).map(EntryHash)
}

/// The edge of the tree over the first entries of a log.
fn edge_of(log: &dyn LogRead, size: u64) -> Result<Edge, Fault> {
    let mut edge = Edge::default();
    let last = i64::try_from(size).unwrap_or(i64::MAX).saturating_sub(1);
    for block in blocks_between(log, 0, last) {
        for hash in entry_hashes(&block?) {
            if edge.size() < size {
                edge.push(hash, |_, _| {});
            }
        }
    }
    if edge.size() == size { Ok(edge) } else { Err(Fault::new("reading the log", "entries are missing")) }
}

/// The hashes of a block's entries: each is the link of the next, the last one the block's head. Nothing is hashed.
pub(crate) fn entry_hashes(block: &Block) -> impl Iterator<Item = TreeHash> + '_ {
    let links = block.entries().skip(1).map(|entry| split_entry(entry).unwrap_or_default().0.0);
    links.chain(std::iter::once(block.head.hash.0))
}

/// The entries of a tile of entries, each after its length.
pub fn entry_bundle(log: &dyn LogRead, tile: &Tile) -> Result<Vec<u8>, Fault> {
    let missing = || Fault::new(format!("reading {tile}"), "an entry is missing");
    let mut bytes = Vec::new();
    for sequence in tile.start()..tile.start().saturating_add(tile.width) {
        let sequence = i64::try_from(sequence).map_err(|_| missing())?;
        let entry = log.entry_at(sequence)?.ok_or_else(missing)?;
        let length = u16::try_from(entry.len()).map_err(|_| missing())?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&entry);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::block::BlockBuilder;
    use crate::format::record::Head;
    use crate::format::tree::{consistency_proof, inclusion_proof, leaf_hash};
    use crate::log::Log;
    use crate::log::memory::MemoryLog;

    fn log(entries: u32, seed: u8) -> MemoryLog {
        let mut builder = BlockBuilder::new(Head::EMPTY);
        for at in 0..entries {
            let event = vec![seed; usize::try_from(at.wrapping_mul(37) % 90).unwrap()];
            builder.push(|buffer| buffer.extend(event)).unwrap();
        }
        let mut log = MemoryLog::default();
        log.append(Head::EMPTY, &builder.take()).unwrap();
        log
    }

    fn leaves(log: &MemoryLog, size: u64) -> Vec<TreeHash> {
        let entry = |sequence: u64| log.reader().entry_at(sequence.try_into().unwrap()).unwrap().unwrap();
        (0..size).map(|sequence| leaf_hash(&entry(sequence))).collect()
    }

    const SIZE: u64 = 70_000;

    /// Tiles and nodes are those that hashing every entry anew gives, and a tree goes on where its checkpoint was.
    #[test]
    fn a_tree_goes_on_from_what_was_signed() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(u32::try_from(SIZE).unwrap(), 1);
        let reader = log.reader();
        let leaves = leaves(&log, SIZE);
        let middle = reader.block_at(40_000).unwrap().unwrap().head.sequence;
        let size = u64::try_from(middle + 1).unwrap();
        let tree = TreeFiles::open(directory.path(), reader.as_ref(), middle, None).unwrap();
        let trusted = (size, tree.edge().root());
        assert_eq!(trusted.1, root(&leaves[..usize::try_from(size).unwrap()]));
        tree.sync().unwrap();
        // What an unsynced tail became in a power cut.
        let level_0 = OpenOptions::new().append(true).open(directory.path().join("0.hashes")).unwrap();
        (&level_0).write_all(&[0; 77]).unwrap();
        for trusted in [Some(trusted), None, Some((size, [3; 32])), Some((SIZE + 1, trusted.1))] {
            let tree =
                TreeFiles::open(directory.path(), reader.as_ref(), i64::try_from(SIZE).unwrap() - 1, trusted).unwrap();
            assert_eq!((tree.size(), tree.edge().root()), (SIZE, root(&leaves)), "{trusted:?}");
            assert_eq!(fs::metadata(directory.path().join("0.hashes")).unwrap().len(), SIZE * 32);
            assert_eq!(fs::metadata(directory.path().join("1.hashes")).unwrap().len(), SIZE / 256 * 32);
            assert_eq!(fs::metadata(directory.path().join("2.hashes")).unwrap().len(), 32);
        }
        let tile = tree.tile(&Tile { kind: TileKind::Hashes { level: 1 }, index: 0, width: 100 }).unwrap();
        assert_eq!(tile.len(), 3_200);
        assert_eq!(tile[96..128], root(&leaves[768..1_024]));
        assert!(tree.tile(&Tile { kind: TileKind::Hashes { level: 3 }, index: 0, width: 1 }).is_err());
        assert_eq!(inclusion_proof(&tree, 5, 9).unwrap()[2], root(&leaves[..4]));
        assert_eq!(consistency_proof(&tree, 8, 9).unwrap(), [leaves[8]]);
    }

    /// The log is shorter than the tree: the files are left as they are, and nothing is appended.
    #[test]
    fn a_tree_over_more_than_the_log_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(1_000, 1);
        let open =
            |committed, trusted| TreeFiles::open(directory.path(), log.reader().as_ref(), committed, trusted).unwrap();
        let whole = (1_000, open(999, None).edge().root());
        let files = || ["0.hashes", "1.hashes"].map(|name| fs::read(directory.path().join(name)).unwrap());
        let before = files();
        let committed = log.reader().block_at(500).unwrap().unwrap().head.sequence;
        let size = u64::try_from(committed + 1).unwrap();
        let part = (size, root(&leaves(&log, size)));
        for trusted in [None, Some(part), Some(whole)] {
            let tree = open(committed, trusted);
            assert_eq!((tree.beyond(), tree.is_given_up()), (Some(1_000), true));
            assert_eq!((tree.size(), tree.edge().root()), part);
            tree.append(&[log.reader().block_at(committed + 1).unwrap().unwrap()]);
            tree.sync().unwrap();
            assert!(files() == before, "{trusted:?}");
        }
        assert_eq!((open(999, Some(whole)).beyond(), open(999, Some(whole)).edge().root()), (None, whole.1));
    }

    /// Damage below what was signed is seen by the root, and mended from the log.
    #[test]
    fn damaged_files_are_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(1_000, 1);
        let open = |trusted| TreeFiles::open(directory.path(), log.reader().as_ref(), 999, trusted).unwrap();
        let trusted = (1_000, open(None).edge().root());
        let path = directory.path().join("1.hashes");
        let mut bytes = fs::read(&path).unwrap();
        bytes[5] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(open(Some(trusted)).edge().root(), trusted.1);
        bytes[5] ^= 1;
        assert_eq!(fs::read(&path).unwrap(), bytes);
        fs::remove_file(directory.path().join("0.hashes")).unwrap();
        assert_eq!(open(Some(trusted)).edge().root(), trusted.1);
        assert_eq!(fs::metadata(directory.path().join("0.hashes")).unwrap().len(), 32_000);
        // Files as they were signed do not stand for a log that was changed since.
        let other = self::log(1_000, 2);
        let tree = TreeFiles::open(directory.path(), other.reader().as_ref(), 999, Some(trusted)).unwrap();
        assert_eq!(tree.edge().root(), root(&leaves(&other, 1_000)));
    }
}
