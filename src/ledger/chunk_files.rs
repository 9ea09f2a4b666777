//! Chunks of the tables that grow with every event, in files beside the snapshots that refer to them. A chunk is written when
//! it has changed and not again: what a snapshot costs does not grow with the history.
//!
//! A file is chunks, end to end; where each lies, and its SHA-256, stands in the snapshots. Files that no snapshot refers to
//! any more are removed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::format::stored::Malformed;
use crate::log::Fault;
use crate::log::files::DurableFile;

/// Longest chunk that is believed: 2^14 rows of 1 KiB.
const CHUNK_BYTES_MAX: u32 = 1 << 24;

/// Where a chunk lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    file: u64,
    offset: u64,
    length: u32,
    digest: [u8; 32],
}

crate::stored_struct!(Place { file, offset, length, digest });

impl Place {
    /// The number of its file.
    pub(super) const fn file(&self) -> u64 {
        self.file
    }

    /// Its bytes.
    pub(super) fn length(&self) -> u64 {
        self.length.into()
    }
}

/// A directory of such files, of one layout.
#[derive(Clone, Debug)]
pub(super) struct ChunkFiles {
    directory: PathBuf,
    layout: &'static str,
}

impl ChunkFiles {
    pub(super) const fn new(directory: PathBuf, layout: &'static str) -> Self {
        Self { directory, layout }
    }

    fn name(&self, number: u64) -> String {
        format!("{number:020}.{}", self.layout)
    }

    /// Numbers of the files that are there, and their bytes.
    fn files(&self) -> BTreeMap<u64, u64> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return BTreeMap::new() };
        let of_entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let number = name.to_str()?.strip_suffix(self.layout)?.strip_suffix('.')?.parse().ok()?;
            Some((number, entry.metadata().ok()?.len()))
        };
        entries.filter_map(of_entry).collect()
    }

    /// Bytes of files together.
    pub(super) fn bytes_of(&self, files: &BTreeSet<u64>) -> u64 {
        self.files().iter().filter(|(number, _)| files.contains(number)).map(|(_, bytes)| *bytes).sum()
    }

    /// Begins a file, once there is a chunk for it.
    pub(super) fn writer(&self) -> ChunkWriter<'_> {
        ChunkWriter { files: self, open: None }
    }

    /// Removes all files but these.
    pub(super) fn keep(&self, kept: &BTreeSet<u64>) {
        for number in self.files().into_keys().filter(|number| !kept.contains(number)) {
            if let Err(error) = fs::remove_file(self.directory.join(self.name(number))) {
                tracing::warn!(number, %error, "an old part of a snapshot could not be removed");
            }
        }
    }

    /// Reads chunks in order, handing each on; ends at the first that is not as it was written.
    pub(super) fn read(&self, places: &[Place], mut hand_on: impl FnMut(Vec<u8>) -> bool) -> Result<(), Malformed> {
        let mut open: Option<(u64, File)> = None;
        for place in places {
            if open.as_ref().is_none_or(|(number, _)| *number != place.file) {
                let file = File::open(self.directory.join(self.name(place.file))).map_err(|_| Malformed)?;
                open = Some((place.file, file));
            }
            let (_, file) = open.as_ref().ok_or(Malformed)?;
            if place.length > CHUNK_BYTES_MAX {
                return Err(Malformed);
            }
            let mut chunk = vec![0; usize::try_from(place.length).map_err(|_| Malformed)?];
            file.read_exact_at(&mut chunk, place.offset).map_err(|_| Malformed)?;
            if <[u8; 32]>::from(Sha256::digest(&chunk)) != place.digest {
                return Err(Malformed);
            }
            if !hand_on(chunk) {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// A file that is being written.
pub(super) struct ChunkWriter<'a> {
    files: &'a ChunkFiles,
    open: Option<(u64, DurableFile, u64)>,
}

impl ChunkWriter<'_> {
    /// Appends a chunk.
    pub(super) fn write(&mut self, chunk: &[u8]) -> Result<Place, Fault> {
        let (number, mut file, offset) = if let Some(open) = self.open.take() {
            open
        } else {
            let number = self.files.files().last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
            (number, DurableFile::create(&self.files.directory, &self.files.name(number))?, 0)
        };
        file.write(chunk)?;
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        self.open = Some((number, file, offset.saturating_add(length.into())));
        Ok(Place { file: number, offset, length, digest: Sha256::digest(chunk).into() })
    }

    /// Makes them durable.
    pub(super) fn finish(self) -> Result<(), Fault> {
        match self.open {
            Some((_, file, _)) => file.finish().map(drop),
            None => Ok(()),
        }
    }
}
