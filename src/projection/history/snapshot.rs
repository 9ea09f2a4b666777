//! Questions to the index. A snapshot holds still: what is appended, written or merged afterwards does not change it.

use std::borrow::Cow;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::page::{Chunk, Entry};
use super::row::{DateKey, Row, Subject, sorted};
use super::run::Run;
use crate::log::Fault;

/// Rows in memory, of a range of sequences.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) first_sequence: i64,
    pub(super) last_sequence: i64,
    pub(super) rows: Vec<Row>,
    /// Whether they are [`sorted`]; otherwise they stand as their events gave them.
    pub(super) is_sorted: bool,
}

impl Segment {
    /// One sorted segment of several neighbouring ones; `None` of none.
    pub(super) fn joined(segments: &[Arc<Self>]) -> Option<Self> {
        let (first, last) = (segments.first()?, segments.last()?);
        // Those that are not sorted yet are the newest.
        let newest = segments.iter().rposition(|segment| segment.is_sorted).map_or(0, |at| at.saturating_add(1));
        let (in_order, unsorted) = segments.split_at_checked(newest)?;
        let unsorted = sorted(concatenated(unsorted, &[]));
        let rows = if in_order.is_empty() { unsorted } else { sorted(concatenated(in_order, &unsorted)) };
        let (first_sequence, last_sequence) = (first.first_sequence, last.last_sequence);
        Some(Self { first_sequence, last_sequence, rows, is_sorted: true })
    }

    fn of(&self, subject: Subject) -> Cow<'_, [Row]> {
        if !self.is_sorted {
            return Cow::Owned(sorted(self.rows.iter().filter(|row| row.subject == subject).copied().collect()));
        }
        let start = self.rows.partition_point(|row| row.subject < subject);
        let rest = self.rows.get(start..).unwrap_or_default();
        let length = rest.partition_point(|row| row.subject == subject);
        Cow::Borrowed(rest.get(..length).unwrap_or_default())
    }
}

fn concatenated(segments: &[Arc<Segment>], last: &[Row]) -> Vec<Row> {
    let count = segments.iter().fold(last.len(), |count, segment| count.saturating_add(segment.rows.len()));
    let mut rows = Vec::with_capacity(count);
    for segment in segments {
        rows.extend_from_slice(&segment.rows);
    }
    rows.extend_from_slice(last);
    rows
}

/// The index at a moment: runs, then what is in memory, in the order of the log.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(super) runs: Vec<Arc<Run>>,
    pub(super) segments: Vec<Arc<Segment>>,
}

/// Which rows of a subject count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Only rows after this sequence.
    pub after_sequence: i64,
    /// Only rows up to this sequence: what was known then.
    pub as_of: i64,
    /// Only rows at or after this place by business date.
    pub from: DateKey,
    /// Only rows before this place by business date.
    pub until: DateKey,
}

impl Bounds {
    /// All rows up to a sequence.
    pub const fn as_of(as_of: i64) -> Self {
        let (from, until) = (DateKey::start_of(i32::MIN), DateKey::end_of(i32::MAX));
        Self { after_sequence: i64::MIN, as_of, from, until }
    }

    /// Of those, the ones at or before a business date.
    #[must_use]
    pub const fn to_day(self, business_day: i32) -> Self {
        Self { until: DateKey::end_of(business_day), ..self }
    }

    fn has(&self, row: &Row) -> bool {
        let key = row.date_key();
        row.sequence > self.after_sequence && row.sequence <= self.as_of && key >= self.from && key < self.until
    }

    /// No row of a range of sequences.
    const fn excludes_range(&self, first_sequence: i64, last_sequence: i64) -> bool {
        first_sequence > self.as_of || last_sequence <= self.after_sequence
    }

    /// No row of a chunk.
    fn excludes(&self, chunk: &Chunk) -> bool {
        self.excludes_range(chunk.first_sequence, chunk.last_sequence)
            || chunk.highest() < self.from
            || chunk.lowest() >= self.until
    }

    /// Every row of a chunk.
    fn includes(&self, chunk: &Chunk) -> bool {
        chunk.last_sequence <= self.as_of
            && chunk.first_sequence > self.after_sequence
            && chunk.lowest() >= self.from
            && chunk.highest() < self.until
    }
}

impl Snapshot {
    /// Gives what there is of a subject, in the order of the log, until the visitor breaks off.
    fn visit(
        &self,
        subject: Subject,
        bounds: &Bounds,
        mut entry: impl FnMut(Found<'_>) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault> {
        for run in self.runs.iter().filter(|run| !bounds.excludes_range(run.first_sequence, run.head.sequence)) {
            let flow = run.visit(subject, |found| match &found {
                Entry::Rows(rows) => entry(Found::Rows(rows)),
                Entry::Chunks(chunks) => entry(Found::Chunks(run, chunks)),
            })?;
            if flow.is_break() {
                return Ok(());
            }
        }
        for segment in &self.segments {
            if !bounds.excludes_range(segment.first_sequence, segment.last_sequence)
                && entry(Found::Rows(&segment.of(subject)))?.is_break()
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The sum of a subject's changes, minor units. Chunks that count as a whole are not read.
    pub fn sum(&self, subject: Subject, bounds: &Bounds) -> Result<i64, Fault> {
        let mut sum = 0_i64;
        let add_rows = |sum: i64, rows: &[Row]| {
            rows.iter().filter(|row| bounds.has(row)).fold(sum, |sum, row| sum.saturating_add(row.change_minor))
        };
        self.visit(subject, bounds, |found| {
            match found {
                Found::Rows(rows) => sum = add_rows(sum, rows),
                Found::Chunks(run, chunks) => {
                    for chunk in chunks.iter().filter(|chunk| !bounds.excludes(chunk)) {
                        sum = if bounds.includes(chunk) {
                            sum.saturating_add(chunk.sum_minor)
                        } else {
                            add_rows(sum, &run.rows_of(chunk)?)
                        };
                    }
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(sum)
    }

    /// The first rows of a subject in the order of the log, at most `limit`.
    pub fn rows(&self, subject: Subject, bounds: &Bounds, limit: usize) -> Result<Vec<Row>, Fault> {
        let mut found: Vec<Row> = Vec::new();
        let mut take = |rows: &[Row]| {
            // Rows of one subject stand in the order of the log: those that come too early are skipped together.
            let start = rows.partition_point(|row| row.sequence <= bounds.after_sequence);
            let fitting = rows.get(start..).unwrap_or_default().iter().filter(|row| bounds.has(row));
            found.extend(fitting.take(limit.saturating_sub(found.len())));
            if found.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        self.visit(subject, bounds, |found| match found {
            Found::Rows(rows) => Ok(take(rows)),
            Found::Chunks(run, chunks) => {
                for chunk in chunks.iter().filter(|chunk| !bounds.excludes(chunk)) {
                    if take(&run.rows_of(chunk)?).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Ok(ControlFlow::Continue(()))
            }
        })?;
        Ok(found)
    }

    /// All rows, by subject, then in the order of the log: to compare an index with another.
    pub fn all_rows(&self) -> Result<Vec<Row>, Fault> {
        let mut all: Vec<Row> = Vec::new();
        for run in &self.runs {
            let mut cursor = run.cursor();
            while let Some(rows) = cursor.next()? {
                all.extend(rows);
            }
        }
        all.extend(self.segments.iter().flat_map(|segment| &segment.rows));
        Ok(sorted(all))
    }

    /// A page of a subject's rows by business date, then in the order of the log: those from `range.from` on and before
    /// `range.until` that stand at or behind `from`, at most `limit`, with the sums on the way. What was known as of
    /// `range.as_of` counts; `range.after_sequence` does not.
    ///
    /// Each chunk is read at most once, and only if one of the places lies within it, or if it can hold a row of the page.
    /// Memory: `limit` rows and the descriptions of the chunks.
    pub fn page(&self, subject: Subject, range: &Bounds, from: DateKey, limit: usize) -> Result<Page, Fault> {
        let as_of = Bounds::as_of(range.as_of);
        let within = Bounds { from, until: range.until, ..as_of };
        let mut first = FirstRows { rows: BinaryHeap::new(), limit };
        let mut sums = Sums { cuts: [range.from, from, range.until], sums_minor: [0; 3] };
        let mut candidates: Vec<(Arc<Run>, Chunk)> = Vec::new();
        self.visit(subject, &as_of, |found| {
            match found {
                Found::Rows(rows) => {
                    sums.add_rows(rows, range.as_of);
                    first.take(rows, &within);
                }
                Found::Chunks(run, chunks) => {
                    for chunk in chunks.iter().filter(|chunk| !as_of.excludes(chunk)) {
                        if chunk.last_sequence > range.as_of || !sums.add_chunk(chunk) {
                            let rows = run.rows_of(chunk)?;
                            sums.add_rows(&rows, range.as_of);
                            first.take(&rows, &within);
                        } else if within.includes(chunk) {
                            candidates.push((Arc::clone(run), *chunk));
                        }
                    }
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        candidates.sort_by_key(|(_, chunk)| chunk.lowest());
        for (run, chunk) in candidates {
            if first.is_before(chunk.lowest()) {
                break;
            }
            first.take(&run.rows_of(&chunk)?, &within);
        }
        let rows = first.rows.into_sorted_vec().into_iter().map(|Keyed(row)| row).collect();
        let [opening_minor, page_opening_minor, closing_minor] = sums.sums_minor;
        Ok(Page { opening_minor, page_opening_minor, closing_minor, rows })
    }
}

/// A page of rows by business date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Sum of the rows before the range.
    pub opening_minor: i64,
    /// Sum of the rows before the page.
    pub page_opening_minor: i64,
    /// Sum of the rows up to the end of the range.
    pub closing_minor: i64,
    /// The rows.
    pub rows: Vec<Row>,
}

/// Sums of what stands before each of three places by business date.
struct Sums {
    cuts: [DateKey; 3],
    sums_minor: [i64; 3],
}

impl Sums {
    fn add_rows(&mut self, rows: &[Row], as_of: i64) {
        for row in rows.iter().filter(|row| row.sequence <= as_of) {
            self.add(row.change_minor, |cut| row.date_key() < cut);
        }
    }

    /// Adds a chunk as a whole; false where one of the places lies within it.
    fn add_chunk(&mut self, chunk: &Chunk) -> bool {
        let is_whole = self.cuts.iter().all(|cut| chunk.highest() < *cut || chunk.lowest() >= *cut);
        if is_whole {
            self.add(chunk.sum_minor, |cut| chunk.highest() < cut);
        }
        is_whole
    }

    fn add(&mut self, change_minor: i64, is_before: impl Fn(DateKey) -> bool) {
        for (cut, sum) in self.cuts.iter().zip(&mut self.sums_minor) {
            if is_before(*cut) {
                *sum = sum.saturating_add(change_minor);
            }
        }
    }
}

/// What there is of a subject in one place: rows, or chunks of a run that hold them.
enum Found<'a> {
    Rows(&'a [Row]),
    Chunks(&'a Arc<Run>, &'a [Chunk]),
}

/// A row, ordered by business date.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Keyed(Row);

impl Ord for Keyed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.date_key().cmp(&other.0.date_key())
    }
}

impl PartialOrd for Keyed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The first rows so far, the last of them on top.
struct FirstRows {
    rows: BinaryHeap<Keyed>,
    limit: usize,
}

impl FirstRows {
    /// Whether it is full of rows before a place.
    fn is_before(&self, place: DateKey) -> bool {
        self.rows.len() >= self.limit && self.rows.peek().is_none_or(|Keyed(last)| last.date_key() < place)
    }

    fn take(&mut self, rows: &[Row], bounds: &Bounds) {
        for row in rows.iter().filter(|row| bounds.has(row)) {
            if self.is_before(row.date_key()) {
                continue;
            }
            self.rows.push(Keyed(*row));
            if self.rows.len() > self.limit {
                self.rows.pop();
            }
        }
    }
}
