//! The flat copies beside a log (docs/format.md, Copies): its entries, and the hashes of its tree. A running ledger appends to
//! them and changes nothing that a checkpoint covers, so that they are read without its lock, as far as a checkpoint goes.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Unreadable;
use super::tiles::{HashTile, HashTiles};

/// Entries of a pair of files.
const ENTRIES_A_FILE: u64 = 1 << 20;
/// Offset (8) and checksum (4) of an entry.
const PLACE_BYTES: u64 = 12;
const HASH_BYTES: u64 = 32;
const READ_BUFFER_BYTES: usize = 1 << 18;

/// The entries, in pairs of files.
#[derive(Clone, Debug)]
pub struct KeptEntries(PathBuf);

/// An entry of the copy.
pub struct KeptEntry {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether the checksum beside it is theirs: of the last entries of a copy only this tells that they are whole.
    pub is_as_written: bool,
}

impl KeptEntries {
    /// The copy in a directory; `None` where there is none.
    pub fn find(directory: &Path) -> Option<Self> {
        pair_path(directory, 0, "entries").is_file().then(|| Self(directory.to_owned()))
    }

    /// The entries from one on. They end where the copy does.
    pub fn from(&self, first: u64) -> impl Iterator<Item = Result<KeptEntry, Unreadable>> + Send + use<> {
        let directory = self.0.clone();
        let mut next = first;
        let mut pair: Option<Pair> = None;
        let mut is_over = false;
        std::iter::from_fn(move || {
            if is_over {
                return None;
            }
            let item = read_next(&directory, next, &mut pair).transpose();
            is_over = !matches!(item, Some(Ok(_)));
            next = next.saturating_add(1);
            item
        })
    }

    /// The entries from one on that a checkpoint over `size` of them covers. It was signed when they were here, so that
    /// where they end before it the copy is not what it should be.
    pub fn covered(&self, first: u64, size: u64) -> impl Iterator<Item = Result<Vec<u8>, Unreadable>> + Send + use<> {
        let directory = self.0.clone();
        let mut read = self.from(first);
        (first..size).map_while(move |sequence| match read.next() {
            Some(Ok(entry)) => Some(Ok(entry.bytes)),
            Some(Err(unreadable)) => Some(Err(unreadable)),
            None => {
                let shown = directory.display();
                Some(Err(Unreadable(format!("{shown} ends before entry {sequence}, the checkpoint covers {size}"))))
            }
        })
    }
}

/// A pair of files that is being read.
struct Pair {
    entries: BufReader<File>,
    places: BufReader<File>,
}

fn read_next(directory: &Path, sequence: u64, open: &mut Option<Pair>) -> Result<Option<KeptEntry>, Unreadable> {
    let number = sequence.checked_rem(ENTRIES_A_FILE).unwrap_or_default();
    let failed = |error: std::io::Error| Unreadable(format!("{}: {error}", directory.display()));
    if open.is_none() || number == 0 {
        *open = Pair::open(directory, sequence.saturating_sub(number), number).map_err(failed)?;
    }
    open.as_mut().map_or(Ok(None), Pair::next).map_err(failed)
}

impl Pair {
    /// A pair, from one of its entries on; `None` where it is missing or shorter.
    fn open(directory: &Path, first: u64, number: u64) -> std::io::Result<Option<Self>> {
        let file = |suffix| match File::open(pair_path(directory, first, suffix)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let (Some(mut entries), Some(mut places)) = (file("entries")?, file("places")?) else { return Ok(None) };
        if number > 0 {
            let mut offset = [0; 8];
            let place = number.saturating_mul(PLACE_BYTES);
            match places.read_exact_at(&mut offset, place) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
                read => read?,
            }
            std::io::Seek::seek(&mut places, std::io::SeekFrom::Start(place))?;
            std::io::Seek::seek(&mut entries, std::io::SeekFrom::Start(u64::from_be_bytes(offset)))?;
        }
        let buffered = |file| BufReader::with_capacity(READ_BUFFER_BYTES, file);
        Ok(Some(Self { entries: buffered(entries), places: buffered(places) }))
    }

    /// The next entry; `None` where the files end, even in the middle of one.
    fn next(&mut self) -> std::io::Result<Option<KeptEntry>> {
        let (mut length, mut place) = ([0; 2], [0; 12]);
        if !is_read(&mut self.entries, &mut length)? || !is_read(&mut self.places, &mut place)? {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
        if !is_read(&mut self.entries, &mut bytes)? {
            return Ok(None);
        }
        let is_as_written = place.ends_with(&crc32fast::hash(&bytes).to_be_bytes());
        Ok(Some(KeptEntry { bytes, is_as_written }))
    }
}

/// Fills a buffer; false where the file ends before.
fn is_read(file: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn pair_path(directory: &Path, first: u64, suffix: &str) -> PathBuf {
    directory.join(format!("{first:020}.{suffix}"))
}

/// The hashes of a tree, a file each level.
#[derive(Debug)]
pub struct KeptTree {
    directory: PathBuf,
    levels: Vec<File>,
}

impl KeptTree {
    /// Opens the tree in a directory; `None` where there is none.
    pub fn find(directory: &Path) -> Result<Option<Self>, Unreadable> {
        let mut levels = Vec::new();
        loop {
            let path = directory.join(format!("{}.hashes", levels.len()));
            match File::open(&path) {
                Ok(file) => levels.push(file),
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) => return Err(Unreadable(format!("{}: {error}", path.display()))),
            }
        }
        Ok((!levels.is_empty()).then(|| Self { directory: directory.to_owned(), levels }))
    }
}

impl HashTiles for KeptTree {
    fn hashes(&self, tile: &HashTile) -> Result<Option<Vec<u8>>, Unreadable> {
        let Some(file) = usize::try_from(tile.level).ok().and_then(|level| self.levels.get(level)) else {
            return Ok(None);
        };
        let bytes = usize::try_from(tile.width.saturating_mul(HASH_BYTES)).unwrap_or_default();
        let offset = tile.index.saturating_mul(256).saturating_mul(HASH_BYTES);
        let mut hashes = vec![0; bytes];
        match file.read_exact_at(&mut hashes, offset) {
            Ok(()) => Ok(Some(hashes)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(Unreadable(format!("{}: {error}", self.directory.display()))),
        }
    }
}
