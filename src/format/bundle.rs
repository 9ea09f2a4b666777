//! Writing bundles: what an auditor verifies a log from, in one file (docs/format.md, Bundle). Reading them is the auditor's
//! own affair (`audit::bundle`).

use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::hexadecimal;
use super::tile::Tile;
use super::tree::TreeHash;

/// First line of a bundle.
pub const MAGIC: &[u8] = b"fundledger bundle v3\n";
/// Names of attachments, in the order in which they stand.
pub const MANIFEST: &str = "manifest";
/// The policy of witnesses that the ledger went by.
pub const POLICY: &str = "policy";
/// Before an attachment, in the place of a key's length.
const ATTACHMENT: u16 = 0xFFFE;
/// Before a tile.
const TILE: u16 = 0xFFFD;

/// What a bundle says of itself: its first attachment, as JSON. The keys and their order are a contract.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    format: &'static str,
    version: u32,
    /// The program that made it.
    made_by: &'static str,
    /// When, as whoever made it says.
    made_at: Option<String>,
    /// Stored values in it.
    values: u64,
    /// The log in them; `None` where it cannot be followed from its first entry to its last.
    log: Option<LogSummary>,
    /// What the attached checkpoint covers.
    checkpoint: Option<Covered>,
    /// Tiles in it.
    tiles: u64,
    /// Why there are none.
    without_tiles: Option<WithoutTiles>,
    attachments: Vec<Listed>,
}

/// A log, as far as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogSummary {
    /// Its name.
    pub origin: String,
    /// Entries in it.
    pub entries: u64,
    /// Sequence of the last one.
    pub last_sequence: u64,
    /// Hash of the last one, in hexadecimal.
    pub head: String,
}

/// What a checkpoint covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Covered {
    size: u64,
    root: String,
}

impl Covered {
    /// So many entries under this root.
    pub fn new(size: u64, root: &TreeHash) -> Self {
        Self { size, root: hexadecimal::of(root) }
    }
}

/// Why a bundle has no tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutTiles {
    /// No checkpoint, or none that can be read, lies beside the log.
    NoCheckpoint,
    /// The log cannot be followed.
    LogDamaged,
    /// The log does not have the root that the checkpoint was signed for.
    CheckpointUnfit,
}

/// An attachment, as the manifest lists it.
#[derive(Clone, Debug, Serialize)]
struct Listed {
    name: String,
    bytes: u64,
    sha256: String,
}

/// What a log turned out to be, for its manifest.
#[derive(Clone, Debug)]
pub struct Surveyed {
    /// Stored values.
    pub values: u64,
    /// The log in them.
    pub log: Option<LogSummary>,
    /// What its checkpoint covers.
    pub checkpoint: Option<Covered>,
    /// How many tiles there are, or why none.
    pub tiles: Result<u64, WithoutTiles>,
}

impl Manifest {
    /// The manifest of a log and of what is attached to it.
    pub fn new(surveyed: Surveyed, made_at: Option<&str>, attachments: &[(&str, &[u8])]) -> Self {
        let Surveyed { values, log, checkpoint, tiles } = surveyed;
        let listed = attachments.iter().map(|(name, bytes)| Listed {
            name: (*name).to_owned(),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            sha256: hexadecimal::of(&Sha256::digest(bytes)),
        });
        Self {
            format: "fundledger bundle",
            version: 3,
            made_by: concat!("fundledger ", env!("CARGO_PKG_VERSION")),
            made_at: made_at.map(str::to_owned),
            values,
            log,
            checkpoint,
            tiles: tiles.unwrap_or(0),
            without_tiles: tiles.err(),
            attachments: listed.collect(),
        }
    }

    /// Its bytes: there is one way to write it.
    fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Writes a bundle piece by piece: attachments, values, tiles.
pub struct BundleWriter<W> {
    output: W,
    digest: Sha256,
    values: u64,
    tiles: u64,
}

impl<W: Write> BundleWriter<W> {
    /// Starts a bundle with its manifest and with the attachments that this lists.
    pub fn new(output: W, manifest: &Manifest, attachments: &[(&str, &[u8])]) -> io::Result<Self> {
        let mut writer = Self { output, digest: Sha256::new(), values: 0, tiles: 0 };
        writer.put(MAGIC)?;
        writer.marked(ATTACHMENT, MANIFEST, &manifest.to_bytes()?)?;
        for (name, bytes) in attachments {
            writer.marked(ATTACHMENT, name, bytes)?;
        }
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.output.write_all(bytes)
    }

    fn marked(&mut self, mark: u16, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.put(&mark.to_be_bytes())?;
        self.piece(name.as_bytes(), bytes)
    }

    /// Adds a value.
    pub fn value(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.piece(key, value)?;
        self.values = self.values.saturating_add(1);
        Ok(())
    }

    /// Adds a tile, after all values.
    pub fn tile(&mut self, tile: &Tile, hashes: &[u8]) -> io::Result<()> {
        self.marked(TILE, &tile.to_string(), hashes)?;
        self.tiles = self.tiles.saturating_add(1);
        Ok(())
    }

    fn piece(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let too_long = || io::Error::new(io::ErrorKind::InvalidData, "a key or value too long for a bundle");
        let key_length = u16::try_from(key.len()).ok().filter(|length| *length < TILE).ok_or_else(too_long)?;
        self.put(&key_length.to_be_bytes())?;
        self.put(key)?;
        self.put(&u32::try_from(value.len()).map_err(|_| too_long())?.to_be_bytes())?;
        self.put(value)
    }

    /// Writes the end mark; gives the number of values and of tiles.
    pub fn finish(mut self) -> io::Result<(u64, u64)> {
        let digest = self.digest.finalize();
        self.output.write_all(&u16::MAX.to_be_bytes())?;
        self.output.write_all(&self.values.to_be_bytes())?;
        self.output.write_all(&self.tiles.to_be_bytes())?;
        self.output.write_all(&digest)?;
        self.output.flush()?;
        Ok((self.values, self.tiles))
    }
}
