//! Bytes of rows within a run: chunks of rows of one subject, and pages that say where the chunks of neighbouring
//! subjects lie. Subjects with a few rows have them in the page itself.

use super::bytes::{put, put_above, put_signed, take, take_above, take_narrow, take_signed};
use super::row::{DateKey, Row, Subject};
use crate::format::stored::{Malformed, Stored};

/// Rows of a chunk, at most.
pub(super) const CHUNK_ROWS_MAX: usize = 128;
/// Rows from which on a chunk is taken over as it is when runs are merged.
const CHUNK_ROWS_WELL_FILLED: u64 = 64;
/// Rows of a subject that are kept in the page, at most.
const INLINE_ROWS_MAX: usize = 4;
/// Subjects of a page, at most.
const PAGE_SUBJECTS_MAX: usize = 64;
/// A page closes when its directory is longer than this, in the middle of a subject if need be.
const PAGE_BYTES_FULL: usize = 32 * 1024;

/// What is known of a chunk without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) subject: Subject,
    pub(super) first_sequence: i64,
    pub(super) last_sequence: i64,
    pub(super) day_min: i32,
    pub(super) day_max: i32,
    pub(super) sum_minor: i64,
    rows: u64,
    bytes: u64,
    checksum: u32,
    /// Where it lies in the file.
    pub(super) offset: u64,
}

impl Chunk {
    /// At or before every row of it by business date.
    pub(super) const fn lowest(&self) -> DateKey {
        DateKey { business_day: self.day_min, sequence: self.first_sequence, second: 0 }
    }

    /// At or after every row of it by business date.
    pub(super) const fn highest(&self) -> DateKey {
        DateKey { business_day: self.day_max, sequence: self.last_sequence, second: u32::MAX }
    }

    /// Its length in the file.
    pub(super) fn length(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }

    /// Whether it is worth more to keep it as it is than to fill it up with the rows that follow.
    pub(super) fn is_well_filled(&self) -> bool {
        self.rows >= CHUNK_ROWS_WELL_FILLED
    }

    /// How many rows it has.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    /// The same chunk at another place.
    pub(super) const fn at(self, offset: u64) -> Self {
        Self { offset, ..self }
    }

    /// Whether bytes are those that it was written with.
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        crc32fast::hash(bytes) == self.checksum
    }

    /// The rows, from the chunk's bytes.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Vec<Row>, Malformed> {
        if !self.is_of(bytes) {
            return Err(Malformed);
        }
        let mut from = bytes;
        let mut place = Place { sequence: self.first_sequence, business_day: self.day_min };
        let mut rows = Vec::with_capacity(CHUNK_ROWS_MAX);
        for _ in 0..self.rows {
            rows.push(place.take(self.subject, &mut from)?);
        }
        if from.is_empty() { Ok(rows) } else { Err(Malformed) }
    }
}

/// What the next row's numbers are told against.
#[derive(Clone, Copy)]
struct Place {
    sequence: i64,
    business_day: i32,
}

impl Place {
    fn put(&mut self, row: &Row, to: &mut Vec<u8>) {
        put_above(row.sequence, self.sequence, to);
        put_signed(i64::from(row.business_day).saturating_sub(self.business_day.into()), to);
        put_signed(row.change_minor, to);
        put(row.second.into(), to);
        *self = Self { sequence: row.sequence, business_day: row.business_day };
    }

    fn take(&mut self, subject: Subject, from: &mut &[u8]) -> Result<Row, Malformed> {
        let sequence = take_above(self.sequence, from)?;
        let business_day = day(i64::from(self.business_day).checked_add(take_signed(from)?))?;
        *self = Self { sequence, business_day };
        Ok(Row { subject, sequence, business_day, change_minor: take_signed(from)?, second: take_narrow(from)? })
    }
}

fn day(days: Option<i64>) -> Result<i32, Malformed> {
    days.and_then(|days| i32::try_from(days).ok()).ok_or(Malformed)
}

/// One subject, or its part in one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Rows(Vec<Row>),
    Chunks(Vec<Chunk>),
}

/// The page that is being written. Chunks go to the file at once; their page follows them.
pub(super) struct PageBuilder {
    base_sequence: i64,
    // Where the page's chunks begin.
    data_offset: u64,
    first: Option<Subject>,
    last: Subject,
    subjects: usize,
    base_day: i32,
    bytes: Vec<u8>,
}

/// A finished page.
pub(super) struct Page {
    pub(super) first: Subject,
    pub(super) data_offset: u64,
    pub(super) bytes: Vec<u8>,
}

impl PageBuilder {
    pub(super) const fn new(base_sequence: i64, data_offset: u64) -> Self {
        let bytes = Vec::new();
        Self { base_sequence, data_offset, first: None, last: Subject(0), subjects: 0, base_day: 0, bytes }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.subjects >= PAGE_SUBJECTS_MAX || self.bytes.len() >= PAGE_BYTES_FULL
    }

    /// Whether this many rows stand in the page itself.
    pub(super) const fn takes_inline(rows: usize) -> bool {
        rows <= INLINE_ROWS_MAX
    }

    fn begin(&mut self, subject: Subject, tag: u64) {
        let base = *self.first.get_or_insert(subject);
        let base = if self.subjects == 0 { base } else { self.last };
        put(subject.0.wrapping_sub(base.0), &mut self.bytes);
        put(tag, &mut self.bytes);
        self.last = subject;
        self.subjects = self.subjects.saturating_add(1);
    }

    pub(super) fn rows(&mut self, subject: Subject, rows: &[Row]) {
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        self.begin(subject, count << 1 | 1);
        let mut place = Place { sequence: self.base_sequence, business_day: self.base_day };
        for row in rows {
            place.put(row, &mut self.bytes);
        }
        self.base_day = place.business_day;
    }

    pub(super) fn chunks(&mut self, subject: Subject, chunks: &[Chunk]) {
        let count = u64::try_from(chunks.len()).unwrap_or(u64::MAX);
        self.begin(subject, count << 1);
        for chunk in chunks {
            let to = &mut self.bytes;
            put_above(chunk.first_sequence, self.base_sequence, to);
            put_above(chunk.last_sequence, chunk.first_sequence, to);
            put_signed(i64::from(chunk.day_min).saturating_sub(self.base_day.into()), to);
            put_above(chunk.day_max.into(), chunk.day_min.into(), to);
            put_signed(chunk.sum_minor, to);
            put(chunk.rows, to);
            put(chunk.bytes, to);
            chunk.checksum.put(to);
            self.base_day = chunk.day_min;
        }
    }

    /// The finished page with its checksum; `None` where nothing was put into it.
    pub(super) fn finish(mut self) -> Option<Page> {
        let first = self.first?;
        crc32fast::hash(&self.bytes).put(&mut self.bytes);
        Some(Page { first, data_offset: self.data_offset, bytes: self.bytes })
    }
}

/// Encodes a chunk of rows of one subject, appending it to `to`.
pub(super) fn encode_chunk(rows: &[Row], offset: u64, to: &mut Vec<u8>) -> Option<Chunk> {
    let (first, last) = (rows.first()?, rows.last()?);
    let days = || rows.iter().map(|row| row.business_day);
    let (day_min, day_max) = (days().min()?, days().max()?);
    let start = to.len();
    let mut place = Place { sequence: first.sequence, business_day: day_min };
    for row in rows {
        place.put(row, to);
    }
    let bytes = to.get(start..).unwrap_or_default();
    Some(Chunk {
        subject: first.subject,
        first_sequence: first.sequence,
        last_sequence: last.sequence,
        day_min,
        day_max,
        sum_minor: rows.iter().fold(0, |sum, row| row.change_minor.saturating_add(sum)),
        rows: u64::try_from(rows.len()).ok()?,
        bytes: u64::try_from(bytes.len()).ok()?,
        checksum: crc32fast::hash(bytes),
        offset,
    })
}

/// Reads a page's entries one after another.
pub(super) struct PageReader<'a> {
    base_sequence: i64,
    base_day: i32,
    offset: u64,
    subject: Subject,
    rest: &'a [u8],
}

impl<'a> PageReader<'a> {
    pub(super) fn new(page: &'a [u8], base_sequence: i64, first: Subject, data_offset: u64) -> Result<Self, Malformed> {
        let (rest, checksum) = page.split_last_chunk::<4>().ok_or(Malformed)?;
        if crc32fast::hash(rest) != u32::from_be_bytes(*checksum) {
            return Err(Malformed);
        }
        Ok(Self { base_sequence, base_day: 0, offset: data_offset, subject: first, rest })
    }

    /// The next subject with what the page has of it.
    pub(super) fn next(&mut self) -> Result<Option<(Subject, Entry)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.subject = Subject(self.subject.0.wrapping_add(take(&mut self.rest)?));
        let tag = take(&mut self.rest)?;
        let entry = if tag & 1 == 1 { self.rows(tag >> 1)? } else { self.chunks(tag >> 1)? };
        Ok(Some((self.subject, entry)))
    }

    fn rows(&mut self, count: u64) -> Result<Entry, Malformed> {
        let mut place = Place { sequence: self.base_sequence, business_day: self.base_day };
        let mut rows = Vec::new();
        for _ in 0..count {
            rows.push(place.take(self.subject, &mut self.rest)?);
        }
        self.base_day = place.business_day;
        Ok(Entry::Rows(rows))
    }

    fn chunks(&mut self, count: u64) -> Result<Entry, Malformed> {
        let mut chunks = Vec::new();
        for _ in 0..count {
            let from = &mut self.rest;
            let first_sequence = take_above(self.base_sequence, from)?;
            let last_sequence = take_above(first_sequence, from)?;
            let day_min = day(i64::from(self.base_day).checked_add(take_signed(from)?))?;
            let day_max = day(Some(take_above(day_min.into(), from)?))?;
            let chunk = Chunk {
                subject: self.subject,
                first_sequence,
                last_sequence,
                day_min,
                day_max,
                sum_minor: take_signed(from)?,
                rows: take(from)?,
                bytes: take(from)?,
                checksum: u32::take(from)?,
                offset: self.offset,
            };
            self.base_day = day_min;
            self.offset = self.offset.checked_add(chunk.bytes).ok_or(Malformed)?;
            chunks.push(chunk);
        }
        Ok(Entry::Chunks(chunks))
    }
}
