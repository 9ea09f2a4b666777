//! A log as files of tiles, as an auditor reads it (C2SP tlog-tiles): names, bundles of entries, tiles of hashes. Every tile
//! of hashes is held against the tree that the auditor grows from the entries.

use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use super::Unreadable;
use super::frame::Hash;
use super::report::{Fault, FaultKind, Findings};
use super::tree::Tree;

/// Hashes or entries of a whole tile.
const WIDTH: u64 = 256;
/// The nodes of neighbouring levels differ in height by this.
const HEIGHT: u32 = 8;
/// No tree is so large that it needs more levels.
const LEVELS_MAX: u32 = 8;
const HASH_BYTES: usize = 32;
/// A bundle of the longest entries there can be.
const BUNDLE_BYTES_MAX: usize = 256 * (2 + 65_535);
/// Tiles that are handed over together, so that nobody is woken for each.
const TILES_TOGETHER: usize = 64;
/// So many of them wait to be compared.
pub(super) const TILES_WAITING: usize = 2;

/// Where the files of a log lie.
pub trait TileFiles: Send + Sync {
    /// The bytes of a file, at most `most` and one more, so that a longer file shows; `None` where there is none.
    fn read(&self, name: &str, most: usize) -> Result<Option<Vec<u8>>, Unreadable>;
}

/// A tile of hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashTile {
    /// Its hashes stand for subtrees of 256 to this power.
    pub level: u32,
    /// Its place in the level, from 0.
    pub index: u64,
    /// How many hashes it has.
    pub width: u64,
}

impl fmt::Display for HashTile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name(&self.level.to_string(), self.index, self.width))
    }
}

/// Where tiles of hashes come from.
pub trait HashTiles: Send + Sync {
    /// The hashes of a tile, one after another; `None` where it is missing. One too many bytes show that it is too long.
    fn hashes(&self, tile: &HashTile) -> Result<Option<Vec<u8>>, Unreadable>;

    /// What was found to be wrong while the entries were read.
    fn found(&self) -> Vec<Fault> {
        Vec::new()
    }
}

/// The files of a log of a size, with what was found to be wrong with its bundles.
#[derive(Clone)]
pub struct StaticTiles {
    files: Arc<dyn TileFiles>,
    size: u64,
    found: Arc<Mutex<Vec<Fault>>>,
}

impl StaticTiles {
    /// The files of a log of a size.
    pub fn new(files: Arc<dyn TileFiles>, size: u64) -> Self {
        Self { files, size, found: Arc::default() }
    }

    /// The entries from one on, in order. They end before a bundle that is missing or malformed.
    pub fn entries(&self, first: u64) -> impl Iterator<Item = Result<Vec<u8>, Unreadable>> + Send + use<> {
        let tiles = self.clone();
        let mut index = first.checked_div(WIDTH).unwrap_or_default();
        let skipped = usize::try_from(first.checked_rem(WIDTH).unwrap_or_default()).unwrap_or_default();
        let end = self.size.div_ceil(WIDTH);
        let mut is_over = false;
        let bundles = std::iter::from_fn(move || {
            let bundle = (!is_over && index < end).then(|| tiles.bundle(index).transpose()).flatten()?;
            index = index.saturating_add(1);
            // What follows a bundle that is not whole is not what follows its entries.
            is_over = !bundle.as_ref().is_ok_and(|bundle| bundle.is_whole);
            Some(bundle)
        });
        let entries = bundles.flat_map(|bundle| match bundle {
            Ok(bundle) => bundle.entries.into_iter().map(Ok).collect(),
            Err(unreadable) => vec![Err(unreadable)],
        });
        entries.skip(skipped)
    }

    /// What the checkpoint beside the tiles covers.
    pub const fn size(&self) -> u64 {
        self.size
    }

    fn bundle(&self, index: u64) -> Result<Option<Bundle>, Unreadable> {
        let start = index.saturating_mul(WIDTH);
        let width = self.size.saturating_sub(start).min(WIDTH);
        let name = name("entries", index, width);
        let mut held = width;
        let mut found = self.files.read(&name, BUNDLE_BYTES_MAX)?;
        if found.is_none() && width < WIDTH {
            // A full bundle may stand for a partial one: those may be taken away once it is there.
            held = WIDTH;
            found = self.files.read(&self::name("entries", index, WIDTH), BUNDLE_BYTES_MAX)?;
        }
        let add = |at: u64, message| {
            let sequence = i64::try_from(at).unwrap_or(i64::MAX);
            let fault = Fault { sequence, kind: FaultKind::Tile, message };
            self.found.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
        };
        let Some(bytes) = found else {
            add(start, fact!("{} is missing", name));
            return Ok(None);
        };
        let (mut entries, is_sound) = cut(&bytes);
        let wanted = usize::try_from(width).unwrap_or(usize::MAX);
        let is_whole = is_sound && u64::try_from(entries.len()) == Ok(held);
        if !is_whole {
            let at = start.saturating_add(u64::try_from(entries.len().min(wanted)).unwrap_or_default());
            add(at, fact!("{} does not hold the {} entries of its name", name, held));
        }
        entries.truncate(wanted);
        Ok(Some(Bundle { entries, is_whole }))
    }
}

impl HashTiles for StaticTiles {
    /// A full tile may stand for a partial one: those may be taken away once it is there.
    fn hashes(&self, tile: &HashTile) -> Result<Option<Vec<u8>>, Unreadable> {
        if let Some(found) = self.files.read(&tile.to_string(), hash_bytes(tile.width))? {
            return Ok(Some(found));
        }
        if tile.width == WIDTH {
            return Ok(None);
        }
        let full = HashTile { width: WIDTH, ..*tile };
        let found = self.files.read(&full.to_string(), hash_bytes(WIDTH))?;
        Ok(found.map(|mut hashes| {
            if hashes.len() == hash_bytes(WIDTH) {
                hashes.truncate(hash_bytes(tile.width));
            }
            hashes
        }))
    }

    fn found(&self) -> Vec<Fault> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Bundle {
    entries: Vec<Vec<u8>>,
    is_whole: bool,
}

/// Cuts a bundle into its entries; whether they fill it, and are not more than one can hold.
fn cut(bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut rest = bytes;
    let mut entries = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((entry, after)) = after.split_at_checked(length) else { return (entries, false) };
        if entries.len() >= usize::try_from(WIDTH).unwrap_or(usize::MAX) {
            return (entries, false);
        }
        entries.push(entry.to_vec());
        rest = after;
    }
    (entries, rest.is_empty())
}

/// `tile/LEVEL/xNNN/NNN`, with the width behind it while the tile is not full.
fn name(level: &str, index: u64, width: u64) -> String {
    let digits = index.to_string();
    let padded = format!("{}{digits}", "0".repeat(digits.len().next_multiple_of(3).saturating_sub(digits.len())));
    let mut name = format!("tile/{level}");
    let mut groups = padded.as_bytes().chunks(3).peekable();
    while let Some(group) = groups.next() {
        let mark = if groups.peek().is_some() { "x" } else { "" };
        name.push('/');
        name.push_str(mark);
        name.push_str(&String::from_utf8_lossy(group));
    }
    if width < WIDTH { format!("{name}.p/{width}") } else { name }
}

fn hash_bytes(width: u64) -> usize {
    usize::try_from(width).unwrap_or(usize::MAX).saturating_mul(HASH_BYTES)
}

/// A tile as the entries make it, without the hashes that stand for entries that were not read.
pub(super) struct Expected {
    tile: HashTile,
    skipped: usize,
    hashes: Vec<Hash>,
}

impl Expected {
    /// The first entry that one of its hashes stands for.
    fn sequence_of(&self, hash: usize) -> i64 {
        let place = u64::try_from(hash).unwrap_or(u64::MAX).saturating_add(self.tile.index.saturating_mul(WIDTH));
        let below = place.checked_shl(self.tile.level.saturating_mul(HEIGHT)).unwrap_or(u64::MAX);
        i64::try_from(below).unwrap_or(i64::MAX)
    }
}

/// The tiles that are being filled while the tree grows, a level each.
pub(super) struct Shelf {
    /// What a checkpoint covers: tiles beyond it may be anything.
    size: u64,
    levels: Vec<Expected>,
    /// Tiles that are to be handed over.
    full: Vec<Expected>,
    compared: SyncSender<Vec<Expected>>,
}

impl Shelf {
    /// Tiles of a tree of a size, of which the entries before `first` are not read.
    pub(super) fn new(size: u64, first: u64, compared: SyncSender<Vec<Expected>>) -> Self {
        let levels = (0..LEVELS_MAX).map(|level| {
            let before = first >> level.saturating_mul(HEIGHT);
            let tile = HashTile { level, index: before.checked_div(WIDTH).unwrap_or_default(), width: WIDTH };
            let skipped = usize::try_from(before.checked_rem(WIDTH).unwrap_or_default()).unwrap_or_default();
            Expected { tile, skipped, hashes: Vec::new() }
        });
        Self { size, levels: levels.collect(), full: Vec::new(), compared }
    }

    /// Takes a node that is complete.
    pub(super) fn node(&mut self, height: u32, hash: &Hash) {
        if !height.is_multiple_of(HEIGHT) {
            return;
        }
        let level = height.checked_div(HEIGHT).and_then(|level| usize::try_from(level).ok());
        let Some(filling) = level.and_then(|level| self.levels.get_mut(level)) else { return };
        filling.hashes.push(*hash);
        let full_width = usize::try_from(WIDTH).unwrap_or(usize::MAX);
        if filling.skipped.saturating_add(filling.hashes.len()) < full_width {
            return;
        }
        let tile = HashTile { index: filling.tile.index.saturating_add(1), ..filling.tile };
        let full = std::mem::replace(filling, Expected { tile, skipped: 0, hashes: Vec::with_capacity(full_width) });
        self.full.push(full);
        if self.full.len() >= TILES_TOGETHER {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        // Nobody listens any more only where a thread of the audit has failed, which `verify` sees on its own.
        self.compared.send(std::mem::take(&mut self.full)).ok();
    }

    /// Adds the partial tiles when the tree has the size that they are for; true when nothing is left to do.
    pub(super) fn is_done(&mut self, size: u64) -> bool {
        if size < self.size {
            return false;
        }
        for mut partial in self.levels.drain(..) {
            let width = partial.skipped.saturating_add(partial.hashes.len());
            partial.tile.width = u64::try_from(width).unwrap_or(u64::MAX);
            if !partial.hashes.is_empty() {
                self.full.push(partial);
            }
        }
        true
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// Holds tiles against those of the source, as they come.
pub(super) fn compare(tiles: &Receiver<Vec<Expected>>, source: &dyn HashTiles) -> (Findings, Option<String>) {
    let mut findings = Findings::default();
    let mut unreadable = None;
    for expected in tiles.iter().flatten() {
        if unreadable.is_some() {
            // The tree grows on: whoever hands over must not wait for ever.
            continue;
        }
        match source.hashes(&expected.tile) {
            Ok(found) => check(&expected, found.as_deref(), &mut findings),
            Err(Unreadable(why)) => unreadable = Some(why),
        }
    }
    // Here the tree has grown to its end, and so all entries were read.
    source.found().into_iter().for_each(|fault| findings.push(fault));
    (findings, unreadable)
}

fn check(expected: &Expected, found: Option<&[u8]>, findings: &mut Findings) {
    let tile = expected.tile;
    let first = expected.sequence_of(expected.skipped);
    let Some(found) = found else {
        return findings.add(first, FaultKind::Tile, fact!("{} is missing", tile));
    };
    if found.len() != hash_bytes(tile.width) {
        let message = fact!("{} does not have the {} hashes of its name", tile, tile.width);
        return findings.add(first, FaultKind::Tile, message);
    }
    let (found, _) = found.as_chunks::<HASH_BYTES>();
    let pairs = expected.hashes.iter().zip(found.iter().skip(expected.skipped));
    if let Some(wrong) = pairs.into_iter().position(|(computed, found)| computed != found) {
        let at = wrong.saturating_add(expected.skipped);
        let message = fact!("hash {} in {} is not that of the entries", at, tile);
        findings.add(expected.sequence_of(at), FaultKind::Tile, message);
    }
}

/// Tiles of hashes that an audit compares.
#[derive(Clone)]
pub struct Compared {
    /// Where they are.
    pub source: Arc<dyn HashTiles>,
    /// Entries that the checkpoint beside them covers.
    pub size: u64,
}

impl fmt::Debug for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compared").field("size", &self.size).finish_non_exhaustive()
    }
}

/// The edge of the tree before an entry, from tiles: not yet believed, but a root that it grows to proves it.
pub fn edge(source: &dyn HashTiles, first: u64, size: u64) -> Result<Option<Tree>, Unreadable> {
    let mut peaks = Vec::new();
    let mut start = 0_u64;
    for height in (0..u64::BITS).rev() {
        if first >> height & 1 == 0 {
            continue;
        }
        let Some(peak) = node(source, height, start, size)? else { return Ok(None) };
        peaks.push(peak);
        start = start.saturating_add(1 << height);
    }
    Ok(Some(Tree::from_edge(first, peaks)))
}

/// The root of a complete subtree, from the tile that has it or what it is made of.
fn node(source: &dyn HashTiles, height: u32, start: u64, size: u64) -> Result<Option<Hash>, Unreadable> {
    let level = height.checked_div(HEIGHT).unwrap_or_default();
    let below = level.saturating_mul(HEIGHT);
    let place = start.checked_shr(below).unwrap_or_default();
    let index = place.checked_div(WIDTH).unwrap_or_default();
    let count = size.checked_shr(below).unwrap_or_default();
    let width = count.saturating_sub(index.saturating_mul(WIDTH)).min(WIDTH);
    let Some(bytes) = source.hashes(&HashTile { level, index, width })? else { return Ok(None) };
    let (hashes, _) = bytes.as_chunks::<HASH_BYTES>();
    let first = usize::try_from(place.checked_rem(WIDTH).unwrap_or_default()).unwrap_or(usize::MAX);
    let many = 1_usize.checked_shl(height.saturating_sub(below)).unwrap_or_default();
    let Some(hashes) = hashes.get(first..first.saturating_add(many)) else { return Ok(None) };
    let mut tree = Tree::default();
    for hash in hashes {
        tree.push(*hash);
    }
    Ok(Some(tree.root()))
}
