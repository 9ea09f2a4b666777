//! A run: the rows of a range of sequences, sorted, in a file that never changes.
//!
//! ```text
//! chunks and pages     the chunks of up to 64 subjects, then the page that describes them, and so on
//! sparse directory     for each page: first subject (8), where its chunks begin (8), where it lies (8), its length (4)
//! footer               magic (16), layout (4), first and last sequence (8, 8), entry hash at the last (32), rows (8),
//!                      start of the sparse directory (8), CRC-32 of all before the footer (4), CRC-32 of the footer (4)
//! ```
//!
//! In memory are the footer and the sparse directory: 32 bytes for 64 subjects. The rest is read where it is needed.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::page::{CHUNK_ROWS_MAX, Chunk, Entry, PageBuilder, PageReader, encode_chunk};
use super::row::{Row, Subject};
use crate::format::record::{EntryHash, Head};
use crate::format::stored::{Malformed, Stored};
use crate::log::Fault;
use crate::log::files::DurableFile;

const MAGIC: &[u8; 16] = b"fundledger index";
const LAYOUT: u32 = 4;
const FOOTER_BYTES: usize = 16 + 4 + 8 + 8 + 32 + 8 + 8 + 4 + 4;
const SPARSE_BYTES: usize = 28;
/// Suffix of the files.
pub(super) const SUFFIX: &str = "run";
const READ_BYTES: usize = 1 << 20;

/// Where a page lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct PagePlace {
    first: Subject,
    data_offset: u64,
    offset: u64,
    length: u32,
}

/// An open run.
#[derive(Debug)]
pub(super) struct Run {
    file: File,
    path: PathBuf,
    /// Its first sequence.
    pub(super) first_sequence: i64,
    /// Its last sequence, and the entry hash there.
    pub(super) head: Head,
    /// How many rows it holds.
    pub(super) rows: u64,
    /// Its length, in bytes.
    pub(super) bytes: u64,
    pages: Vec<PagePlace>,
}

/// The name of a run's file; names sort by first sequence.
fn name(first_sequence: i64, last_sequence: i64) -> String {
    format!("{first_sequence:020}-{last_sequence:020}.{SUFFIX}")
}

impl Run {
    /// Opens a run and reads all of it once: a damaged file is found here, not by a query.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let failed = |cause: &dyn std::fmt::Display| Fault::new(format!("opening {}", path.display()), cause);
        let mut file = File::open(path).map_err(|error| failed(&error))?;
        let bytes = file.metadata().map_err(|error| failed(&error))?.len();
        let malformed = || failed(&"it is damaged, or no run of this layout");
        let footer_offset =
            u64::try_from(FOOTER_BYTES).ok().and_then(|footer| bytes.checked_sub(footer)).ok_or_else(malformed)?;
        let mut footer = [0; FOOTER_BYTES];
        file.read_exact_at(&mut footer, footer_offset).map_err(|error| failed(&error))?;
        let footer = Footer::decode(&footer).map_err(|Malformed| malformed())?;
        let mut hasher = crc32fast::Hasher::new();
        let mut buffer = vec![0; READ_BYTES];
        let mut left = footer_offset;
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(READ_BYTES).min(READ_BYTES);
            let part = buffer.get_mut(..wanted).unwrap_or_default();
            file.read_exact(part).map_err(|error| failed(&error))?;
            hasher.update(part);
            left = left.saturating_sub(u64::try_from(wanted).unwrap_or(u64::MAX));
        }
        if hasher.finalize() != footer.body_checksum {
            return Err(malformed());
        }
        let length = footer_offset.checked_sub(footer.sparse_offset).ok_or_else(malformed)?;
        let mut sparse = vec![0; usize::try_from(length).map_err(|_| malformed())?];
        file.read_exact_at(&mut sparse, footer.sparse_offset).map_err(|error| failed(&error))?;
        let pages = sparse.chunks(SPARSE_BYTES).map(PagePlace::decode).collect::<Result<_, _>>();
        let pages = pages.map_err(|Malformed| malformed())?;
        let Footer { first_sequence, head, rows, .. } = footer;
        Ok(Self { file, path: path.to_owned(), first_sequence, head, rows, bytes, pages })
    }

    /// Its file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn damaged(&self) -> Fault {
        Fault::new(format!("reading {}", self.path.display()), "it is damaged; a restart builds it again from the log")
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; length];
        let read = self.file.read_exact_at(&mut bytes, offset);
        read.map_err(|error| Fault::new(format!("reading {}", self.path.display()), error))?;
        Ok(bytes)
    }

    /// The rows of a chunk.
    pub(super) fn rows_of(&self, chunk: &Chunk) -> Result<Vec<Row>, Fault> {
        chunk.decode(&self.bytes_of(chunk)?).map_err(|Malformed| self.damaged())
    }

    fn bytes_of(&self, chunk: &Chunk) -> Result<Vec<u8>, Fault> {
        // No chunk is longer than its rows can make it: a forged length must not reserve memory.
        let longest = CHUNK_ROWS_MAX.saturating_mul(40);
        if chunk.length() > longest {
            return Err(self.damaged());
        }
        self.read(chunk.offset, chunk.length())
    }

    fn page(&self, place: &PagePlace) -> Result<Vec<u8>, Fault> {
        self.read(place.offset, usize::try_from(place.length).unwrap_or(usize::MAX))
    }

    fn reader<'a>(&self, place: &PagePlace, page: &'a [u8]) -> Result<PageReader<'a>, Fault> {
        PageReader::new(page, self.first_sequence, place.first, place.data_offset).map_err(|Malformed| self.damaged())
    }

    /// What the run has of a subject, in the order of the log, until the visitor breaks off.
    pub(super) fn visit(
        &self,
        subject: Subject,
        mut visit: impl FnMut(Entry) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<ControlFlow<()>, Fault> {
        // A subject with many chunks goes on over several pages.
        let start = self.pages.partition_point(|page| page.first < subject).saturating_sub(1);
        for place in self.pages.iter().skip(start).take_while(|page| page.first <= subject) {
            let page = self.page(place)?;
            let mut reader = self.reader(place, &page)?;
            while let Some((found, entry)) = reader.next().map_err(|Malformed| self.damaged())? {
                if found > subject {
                    return Ok(ControlFlow::Continue(()));
                }
                if found == subject && visit(entry)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// A walk through all rows, in order.
    pub(super) fn cursor(self: &Arc<Self>) -> RunCursor {
        RunCursor { run: Arc::clone(self), page: 0, entries: Vec::new().into_iter(), chunks: Vec::new().into_iter() }
    }
}

/// Rows of one subject that come next.
pub(super) enum Piece {
    /// At most a chunk of them.
    Rows(Vec<Row>),
    /// A chunk that may be taken over as it is, with its bytes.
    Chunk(Chunk, Vec<u8>),
}

impl Piece {
    /// Whose they are.
    pub(super) fn subject(&self) -> Option<Subject> {
        match self {
            Self::Rows(rows) => rows.first().map(|row| row.subject),
            Self::Chunk(chunk, _) => Some(chunk.subject),
        }
    }
}

/// A walk through a run's rows, a page and a chunk at a time.
pub(super) struct RunCursor {
    run: Arc<Run>,
    page: usize,
    entries: std::vec::IntoIter<Entry>,
    chunks: std::vec::IntoIter<Chunk>,
}

impl RunCursor {
    /// The next rows of one subject, at most a chunk of them; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Row>>, Fault> {
        match self.next_piece()? {
            Some(Piece::Rows(rows)) => Ok(Some(rows)),
            Some(Piece::Chunk(chunk, bytes)) => chunk.decode(&bytes).map(Some).map_err(|Malformed| self.run.damaged()),
            None => Ok(None),
        }
    }

    /// The same, with well-filled chunks as they are.
    pub(super) fn next_piece(&mut self) -> Result<Option<Piece>, Fault> {
        loop {
            if let Some(chunk) = self.chunks.next() {
                let bytes = self.run.bytes_of(&chunk)?;
                if !chunk.is_of(&bytes) {
                    return Err(self.run.damaged());
                }
                if chunk.is_well_filled() {
                    return Ok(Some(Piece::Chunk(chunk, bytes)));
                }
                let rows = chunk.decode(&bytes).map_err(|Malformed| self.run.damaged())?;
                return Ok(Some(Piece::Rows(rows)));
            }
            match self.entries.next() {
                Some(Entry::Rows(rows)) => return Ok(Some(Piece::Rows(rows))),
                Some(Entry::Chunks(chunks)) => self.chunks = chunks.into_iter(),
                None => {
                    let Some(place) = self.run.pages.get(self.page) else { return Ok(None) };
                    let page = self.run.page(place)?;
                    let mut reader = self.run.reader(place, &page)?;
                    let mut entries = Vec::new();
                    while let Some((_, entry)) = reader.next().map_err(|Malformed| self.run.damaged())? {
                        entries.push(entry);
                    }
                    self.page = self.page.saturating_add(1);
                    self.entries = entries.into_iter();
                }
            }
        }
    }
}

impl PagePlace {
    fn put(&self, to: &mut Vec<u8>) {
        self.first.0.put(to);
        self.data_offset.put(to);
        self.offset.put(to);
        self.length.put(to);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut bytes = bytes;
        let from = &mut bytes;
        Ok(Self {
            first: Subject(u64::take(from)?),
            data_offset: u64::take(from)?,
            offset: u64::take(from)?,
            length: u32::take(from)?,
        })
    }
}

struct Footer {
    first_sequence: i64,
    head: Head,
    rows: u64,
    sparse_offset: u64,
    body_checksum: u32,
}

impl Footer {
    fn encode(&self) -> Vec<u8> {
        let mut to = MAGIC.to_vec();
        LAYOUT.put(&mut to);
        self.first_sequence.put(&mut to);
        self.head.sequence.put(&mut to);
        self.head.hash.0.put(&mut to);
        self.rows.put(&mut to);
        self.sparse_offset.put(&mut to);
        self.body_checksum.put(&mut to);
        crc32fast::hash(&to).put(&mut to);
        to
    }

    fn decode(bytes: &[u8; FOOTER_BYTES]) -> Result<Self, Malformed> {
        let (covered, checksum) = bytes.split_last_chunk::<4>().ok_or(Malformed)?;
        let mut covered_rest = covered.strip_prefix(MAGIC).ok_or(Malformed)?;
        let from = &mut covered_rest;
        if crc32fast::hash(covered) != u32::from_be_bytes(*checksum) || u32::take(from)? != LAYOUT {
            return Err(Malformed);
        }
        Ok(Self {
            first_sequence: i64::take(from)?,
            head: Head { sequence: i64::take(from)?, hash: EntryHash(Stored::take(from)?) },
            rows: u64::take(from)?,
            sparse_offset: u64::take(from)?,
            body_checksum: u32::take(from)?,
        })
    }
}

/// Writes a run from rows in order. Its memory is one page, one chunk, and 28 bytes a page.
pub(super) struct RunWriter {
    file: DurableFile,
    first_sequence: i64,
    head: Head,
    hasher: crc32fast::Hasher,
    offset: u64,
    rows: u64,
    page: PageBuilder,
    sparse: Vec<u8>,
    // The subject at hand, its rows that are in no chunk yet, and its chunks that are in no page yet.
    subject: Option<Subject>,
    pending: Vec<Row>,
    chunks: Vec<Chunk>,
}

/// Chunks of one subject that are held back before they go to a page.
const CHUNKS_HELD_MAX: usize = 512;

impl RunWriter {
    /// Begins the run of a range of sequences.
    pub(super) fn create(directory: &Path, first_sequence: i64, head: Head) -> Result<Self, Fault> {
        Ok(Self {
            file: DurableFile::create(directory, &name(first_sequence, head.sequence))?,
            first_sequence,
            head,
            hasher: crc32fast::Hasher::new(),
            offset: 0,
            rows: 0,
            page: PageBuilder::new(first_sequence, 0),
            sparse: Vec::new(),
            subject: None,
            pending: Vec::with_capacity(CHUNK_ROWS_MAX),
            chunks: Vec::new(),
        })
    }

    /// Takes the next row; rows come sorted.
    pub(super) fn push(&mut self, row: Row) -> Result<(), Fault> {
        self.begin(row.subject)?;
        if self.pending.len() >= CHUNK_ROWS_MAX {
            self.end_chunk()?;
        }
        self.rows = self.rows.saturating_add(1);
        self.pending.push(row);
        Ok(())
    }

    /// Takes a chunk of another run over as it is: its rows come next.
    pub(super) fn push_chunk(&mut self, chunk: Chunk, bytes: &[u8]) -> Result<(), Fault> {
        self.begin(chunk.subject)?;
        if !self.pending.is_empty() {
            self.end_chunk()?;
        }
        self.rows = self.rows.saturating_add(chunk.rows());
        self.chunks.push(chunk.at(self.offset));
        self.write(bytes)?;
        self.end_chunks_if_many()
    }

    fn begin(&mut self, subject: Subject) -> Result<(), Fault> {
        if self.subject.replace(subject).is_some_and(|before| before != subject) {
            self.end_subject()?;
        }
        Ok(())
    }

    fn end_chunk(&mut self) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        let chunk = encode_chunk(&self.pending, self.offset, &mut bytes);
        self.pending.clear();
        self.chunks.extend(chunk);
        self.write(&bytes)?;
        self.end_chunks_if_many()
    }

    fn end_chunks_if_many(&mut self) -> Result<(), Fault> {
        if self.chunks.len() >= CHUNKS_HELD_MAX { self.end_chunks() } else { Ok(()) }
    }

    fn end_chunks(&mut self) -> Result<(), Fault> {
        if let Some(first) = self.chunks.first() {
            self.page.chunks(first.subject, &self.chunks);
            self.chunks.clear();
            self.end_page_if_full()?;
        }
        Ok(())
    }

    fn end_subject(&mut self) -> Result<(), Fault> {
        if self.chunks.is_empty() && PageBuilder::takes_inline(self.pending.len()) {
            if let Some(first) = self.pending.first() {
                self.page.rows(first.subject, &self.pending);
            }
            self.pending.clear();
            return self.end_page_if_full();
        }
        self.end_chunk()?;
        self.end_chunks()
    }

    fn end_page_if_full(&mut self) -> Result<(), Fault> {
        if self.page.is_full() { self.end_page() } else { Ok(()) }
    }

    fn end_page(&mut self) -> Result<(), Fault> {
        let next = PageBuilder::new(self.first_sequence, self.offset);
        if let Some(page) = std::mem::replace(&mut self.page, next).finish() {
            let length = u32::try_from(page.bytes.len()).unwrap_or(u32::MAX);
            let place = PagePlace { first: page.first, data_offset: page.data_offset, offset: self.offset, length };
            place.put(&mut self.sparse);
            self.write(&page.bytes)?;
        }
        // The chunks of the next page begin behind this one.
        self.page = PageBuilder::new(self.first_sequence, self.offset);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.hasher.update(bytes);
        self.offset = self.offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.file.write(bytes)
    }

    /// Makes the run durable, and gives its path.
    pub(super) fn finish(mut self) -> Result<PathBuf, Fault> {
        self.end_subject()?;
        self.end_page()?;
        let sparse_offset = self.offset;
        let sparse = std::mem::take(&mut self.sparse);
        self.write(&sparse)?;
        let footer = Footer {
            first_sequence: self.first_sequence,
            head: self.head,
            rows: self.rows,
            sparse_offset,
            body_checksum: self.hasher.clone().finalize(),
        };
        self.file.write(&footer.encode())?;
        self.file.finish()
    }
}
