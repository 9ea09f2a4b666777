//! What of a log goes into a bundle: every stored value as it is, sound or not, what lies beside the log, and the tiles that
//! the checkpoint covers.
//!
//! The manifest comes first and says what follows, so the log is read twice: once to survey it, once to copy it. In between
//! the hashes of the tiles wait in a file for each level; nothing grows in memory with the log.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use super::checkpoints::{CHECKPOINT_FILE, WITNESSED_FILE};
use crate::domain::event::Payload;
use crate::format::block::{Assembler, Block, check_chain, parse_value};
use crate::format::bundle::{BundleWriter, Covered, LogSummary, Manifest, POLICY, Surveyed, WithoutTiles};
use crate::format::checkpoint::{Checkpoint, split_note};
use crate::format::codec;
use crate::format::record::{HASH_BYTES, Head, split_entry};
use crate::format::tile::{TILE_HEIGHT, Tile, TileKind};
use crate::format::tree::{Edge, Node, TreeHash};
use crate::log::tree::entry_hashes;
use crate::log::{Fault, LogRead};

/// What goes along with a log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// The last checkpoint that the ledger signed.
    pub checkpoint: Option<&'a str>,
    /// The last one that enough witnesses cosigned.
    pub witnessed: Option<&'a str>,
    /// The policy of witnesses that the ledger went by.
    pub policy: Option<&'a str>,
    /// When the bundle is made, as whoever makes it says.
    pub made_at: Option<&'a str>,
}

/// Writes a bundle; gives the number of values and of tiles.
pub fn write_bundle(log: &dyn LogRead, beside: &Beside<'_>, output: impl Write) -> Result<(u64, u64), Fault> {
    let attachments: Vec<(&str, &[u8])> =
        [(CHECKPOINT_FILE, beside.checkpoint), (WITNESSED_FILE, beside.witnessed), (POLICY, beside.policy)]
            .into_iter()
            .filter_map(|(name, text)| Some((name, text?.as_bytes())))
            .collect();
    let checkpoint = beside.checkpoint.and_then(covered);
    let (surveyed, levels) = survey(log, checkpoint.as_ref())?;
    let tiled = surveyed.tiles.is_ok();
    let manifest = Manifest::new(surveyed, beside.made_at, &attachments);
    let mut bundle = BundleWriter::new(output, &manifest, &attachments).map_err(failed)?;
    for item in log.values_from(&[]) {
        let (key, value) = item?;
        bundle.value(&key, &value).map_err(failed)?;
    }
    if let Some(checkpoint) = checkpoint.filter(|_| tiled) {
        write_tiles(levels, checkpoint.size, &mut bundle).map_err(failed)?;
    }
    bundle.finish().map_err(failed)
}

fn failed(error: io::Error) -> Fault {
    Fault::new("writing the bundle", error)
}

/// What a checkpoint says. Lines after the third are others' affair.
fn covered(note: &str) -> Option<Checkpoint> {
    let (text, _) = split_note(note)?;
    let lines: String = text.split_inclusive('\n').take(3).collect();
    Checkpoint::parse(&lines)
}

/// Reads the whole log once.
fn survey(log: &dyn LogRead, checkpoint: Option<&Checkpoint>) -> Result<(Surveyed, Vec<LevelFile>), Fault> {
    let mut values = 0_u64;
    let mut follower = Some(Follower::new(checkpoint.map_or(0, |checkpoint| checkpoint.size)));
    for item in log.values_from(&[]) {
        let (key, value) = item?;
        values = values.saturating_add(1);
        if let Some(following) = &mut follower
            && !following.value(&key, &value).map_err(failed)?
        {
            follower = None;
        }
    }
    let followed = follower.and_then(Follower::finish);
    let (log, root, levels) = match followed {
        Some(Followed { log, root, levels }) => (Some(log), root, levels),
        None => (None, None, Vec::new()),
    };
    let tiles = match checkpoint {
        None => Err(WithoutTiles::NoCheckpoint),
        Some(_) if log.is_none() => Err(WithoutTiles::LogDamaged),
        Some(checkpoint) if root != Some(checkpoint.root) => Err(WithoutTiles::CheckpointUnfit),
        Some(checkpoint) => Ok(tiles_in(checkpoint.size)),
    };
    let checkpoint = checkpoint.map(|checkpoint| Covered::new(checkpoint.size, &checkpoint.root));
    Ok((Surveyed { values, log, checkpoint, tiles }, levels))
}

/// How many tiles of hashes a tree of a size has.
fn tiles_in(size: u64) -> u64 {
    let count = all_tiles(size).count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The tiles of hashes in a tree of a size, level by level.
fn all_tiles(size: u64) -> impl Iterator<Item = Tile> {
    let levels = (0..u64::BITS / TILE_HEIGHT).map(|level| TileKind::Hashes { level });
    levels.flat_map(move |kind| Tile::all(kind, size))
}

/// The hashes of a level's tiles, one after another, in a file without a name.
struct LevelFile(BufWriter<File>);

/// Follows a log from its first entry, as long as it is sound.
struct Follower {
    size: u64,
    assembler: Assembler,
    head: Head,
    edge: Edge,
    origin: Option<String>,
    root: Option<TreeHash>,
    levels: Vec<LevelFile>,
}

/// What was followed to its end.
struct Followed {
    log: LogSummary,
    /// The root over the entries that the checkpoint covers, where there are so many.
    root: Option<TreeHash>,
    levels: Vec<LevelFile>,
}

impl Follower {
    fn new(size: u64) -> Self {
        let edge = Edge::default();
        let root = (size == 0).then(|| edge.root());
        Self { size, assembler: Assembler::default(), head: Head::EMPTY, edge, origin: None, root, levels: Vec::new() }
    }

    /// Takes the next value; whether the log goes on with it.
    fn value(&mut self, key: &[u8], value: &[u8]) -> io::Result<bool> {
        let Ok(part) = parse_value(key, value) else { return Ok(false) };
        let block = match self.assembler.push(part) {
            Ok(Some(block)) => block,
            Ok(None) => return Ok(true),
            Err(_) => return Ok(false),
        };
        if check_chain(&block, self.head).is_err() {
            return Ok(false);
        }
        if self.head == Head::EMPTY {
            self.origin = origin(&block);
        }
        self.head = block.head;
        for hash in entry_hashes(&block) {
            self.grow(hash)?;
        }
        Ok(true)
    }

    /// Grows the tree up to what the checkpoint covers.
    fn grow(&mut self, hash: TreeHash) -> io::Result<()> {
        if self.edge.size() >= self.size {
            return Ok(());
        }
        let mut complete: [Option<TreeHash>; 8] = [None; 8];
        self.edge.push(hash, |Node { level, .. }, hash| {
            let at = usize::try_from(level / TILE_HEIGHT).unwrap_or(usize::MAX);
            if let Some(place) = complete.get_mut(at).filter(|_| level.is_multiple_of(TILE_HEIGHT)) {
                *place = Some(*hash);
            }
        });
        for (at, hash) in complete.iter().flatten().enumerate() {
            if self.levels.len() <= at {
                self.levels.push(LevelFile(BufWriter::new(tempfile::tempfile()?)));
            }
            if let Some(level) = self.levels.get_mut(at) {
                level.0.write_all(hash)?;
            }
        }
        if self.edge.size() == self.size {
            self.root = Some(self.edge.root());
        }
        Ok(())
    }

    fn finish(self) -> Option<Followed> {
        let last_sequence = u64::try_from(self.head.sequence).ok().filter(|_| !self.assembler.is_partial())?;
        let entries = last_sequence.saturating_add(1);
        let log = LogSummary { origin: self.origin?, entries, last_sequence, head: self.head.hash.to_string() };
        Some(Followed { log, root: self.root, levels: self.levels })
    }
}

/// The name that a log's genesis gives it.
fn origin(first: &Block) -> Option<String> {
    let (_, event) = split_entry(first.entries().next()?)?;
    let Payload::LedgerCreated { origin, .. } = codec::decode(event).ok()?.decision.payload else { return None };
    Some(origin.into())
}

fn write_tiles<W: Write>(levels: Vec<LevelFile>, size: u64, bundle: &mut BundleWriter<W>) -> io::Result<()> {
    let mut levels = levels.into_iter();
    let mut reading: Option<BufReader<File>> = None;
    let mut hashes = Vec::new();
    for tile in all_tiles(size) {
        if tile.index == 0 {
            let LevelFile(written) = levels.next().ok_or(io::ErrorKind::UnexpectedEof)?;
            let mut file = written.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.rewind()?;
            reading = Some(BufReader::new(file));
        }
        let width = usize::try_from(tile.width).map_err(io::Error::other)?;
        hashes.resize(width.saturating_mul(HASH_BYTES), 0);
        reading.as_mut().ok_or(io::ErrorKind::UnexpectedEof)?.read_exact(&mut hashes)?;
        bundle.tile(&tile, &hashes)?;
    }
    Ok(())
}
