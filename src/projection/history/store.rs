//! The index as it grows: rows of the newest events in memory, runs on disk behind them, merged so that there are few.
//!
//! The projections thread appends. One thread of the index writes what has gathered in memory to a new run, another merges
//! runs. Neither holds anybody up but an appender that is a whole run ahead.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::merge::{Sources, merge};
use super::row::Row;
use super::run::{Run, SUFFIX};
use super::snapshot::{Segment, Snapshot};
use crate::format::record::{EntryHash, Head};
use crate::log::files::is_unfinished;
use crate::log::{Fault, LogRead};

/// When rows are written and runs merged.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Rows gathered in memory before they become a run.
    pub run_rows: usize,
    /// Rows that questions look through one by one before they are sorted.
    pub unsorted_rows: usize,
    /// How many times the rows of a tier the next one holds.
    pub fan_out: u64,
}

impl Default for Sizes {
    /// Half a million rows: 50,000 payments, 16 MiB in memory; of them 64 KiB unsorted.
    fn default() -> Self {
        Self { run_rows: 512 * 1024, unsorted_rows: 2 * 1024, fan_out: 8 }
    }
}

/// Small sorted segments that become one.
const SEGMENTS_JOINED: usize = 16;
/// When to try again after a run could not be written.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The history index.
///
/// **Memory.** Rows of 32 bytes: at most two runs' worth of them (one that gathers, one that is being written), 32 MiB, and
/// once and a half more while they are sorted; of each run, 32 bytes for 64 subjects. Merging holds a page and a chunk of each of
/// the runs merged. More only while runs cannot be written, which a full disk does to the log as well.
#[derive(Debug)]
pub struct History {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    directory: Option<PathBuf>,
    sizes: Sizes,
    parts: Mutex<Parts>,
    changed: Condvar,
    stopping: AtomicBool,
}

/// Where the rows are, in the order of the log: `runs`, then `writing`, then `memory`.
#[derive(Debug)]
struct Parts {
    runs: Vec<Arc<Run>>,
    writing: Vec<Arc<Segment>>,
    memory: Vec<Arc<Segment>>,
    position: Head,
    // Head of the last row of `writing`.
    written_to: Head,
    is_merging: bool,
    // The last attempt to write a run failed; it is made again from time to time.
    is_failing: bool,
    fault: Option<Fault>,
}

impl Parts {
    fn memory_rows(&self) -> usize {
        count(&self.memory)
    }

    /// Hands what has gathered to the thread that writes.
    fn hand_over(&mut self) {
        self.writing = std::mem::take(&mut self.memory);
        self.written_to = self.position;
    }
}

impl Shared {
    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, parts: MutexGuard<'a, Parts>) -> MutexGuard<'a, Parts> {
        self.changed.wait(parts).unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

impl History {
    /// Opens the index in a directory: what is there and fits the log, from its beginning on without a gap. Whatever
    /// follows is removed; [`History::position`] says from where it must be built again.
    pub fn open(directory: &Path, log: &dyn LogRead, committed: i64, sizes: Sizes) -> Result<Self, Fault> {
        let runs = recovered(directory, log, committed)?;
        let position = runs.last().map_or(Head::EMPTY, |run| run.head);
        let history = Self::new(Some(directory.to_owned()), sizes, runs, position);
        let spawn = |name: &str, work: fn(&Shared)| {
            let shared = Arc::clone(&history.shared);
            let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&shared));
            spawned.map_err(|error| Fault::new("starting a thread", error))
        };
        let threads = vec![spawn("index", write_runs)?, spawn("index-merge", merge_runs)?];
        *history.threads.lock().unwrap_or_else(PoisonError::into_inner) = threads;
        Ok(history)
    }

    /// An index in memory alone, which grows with every event: for tests, and for a log that has no directory.
    pub fn in_memory() -> Self {
        Self::new(None, Sizes::default(), Vec::new(), Head::EMPTY)
    }

    fn new(directory: Option<PathBuf>, sizes: Sizes, runs: Vec<Arc<Run>>, position: Head) -> Self {
        let (writing, memory) = (Vec::new(), Vec::new());
        let parts = Parts {
            runs,
            writing,
            memory,
            position,
            written_to: position,
            is_merging: false,
            is_failing: false,
            fault: None,
        };
        let shared = Shared {
            directory,
            sizes,
            parts: Mutex::new(parts),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared), threads: Mutex::new(Vec::new()) }
    }

    /// The last event whose rows are in the index.
    pub fn position(&self) -> Head {
        self.shared.parts().position
    }

    /// The last event whose rows are in files: where a restart after kill -9 resumes.
    pub fn stored_sequence(&self) -> i64 {
        self.shared.parts().runs.last().map_or(-1, |run| run.head.sequence)
    }

    /// Runs on disk, and their bytes together.
    pub fn files(&self) -> (usize, u64) {
        let parts = self.shared.parts();
        (parts.runs.len(), parts.runs.iter().fold(0, |bytes, run| bytes.saturating_add(run.bytes)))
    }

    /// The index as it is now. A fault where it does not hold all that it should.
    pub fn snapshot(&self) -> Result<Snapshot, Fault> {
        let parts = self.shared.parts();
        if let Some(fault) = &parts.fault {
            return Err(fault.clone());
        }
        let segments = parts.writing.iter().chain(&parts.memory).map(Arc::clone).collect();
        Ok(Snapshot { runs: parts.runs.clone(), segments })
    }

    /// Rows of some events could not be made: from here on no answer is given that would rest on them.
    pub fn fail(&self, fault: Fault) {
        tracing::error!(%fault, "the history index stops answering until a restart");
        self.shared.parts().fault.get_or_insert(fault);
    }

    /// Adds the rows of the events after [`History::position`], up to and with `head`. Called by one thread, which calls
    /// [`History::tidy`] afterwards.
    pub fn append(&self, rows: Vec<Row>, head: Head) {
        let mut parts = self.shared.parts();
        let first_sequence = parts.position.next_sequence();
        let segment = Segment { first_sequence, last_sequence: head.sequence, rows, is_sorted: false };
        parts.memory.push(Arc::new(segment));
        parts.position = head;
    }

    /// Keeps what is in memory in few pieces, and hands it over when it is enough for a run. Blocks while the run before is
    /// not yet written.
    pub fn tidy(&self) {
        self.join_newest();
        let mut parts = self.shared.parts();
        if self.shared.directory.is_none() || parts.memory_rows() < self.shared.sizes.run_rows {
            return;
        }
        parts = self.written(parts);
        if parts.writing.is_empty() {
            parts.hand_over();
            self.shared.changed.notify_all();
        }
    }

    /// Waits for the run that is being written, unless it cannot be.
    fn written<'a>(&'a self, mut parts: MutexGuard<'a, Parts>) -> MutexGuard<'a, Parts> {
        while !parts.writing.is_empty() && !parts.is_failing && !self.shared.is_stopping() {
            parts = self.shared.wait(parts);
        }
        parts
    }

    /// Makes one sorted segment of those that came unsorted, once they have rows enough, and one of the small sorted ones, once
    /// there are many: a question looks into few of each kind.
    fn join_newest(&self) {
        let unsorted_rows = self.shared.sizes.unsorted_rows;
        self.join(|segment| !segment.is_sorted, |unsorted| count(unsorted) >= unsorted_rows);
        let small_rows = unsorted_rows.saturating_mul(SEGMENTS_JOINED);
        let is_small = |segment: &Segment| segment.is_sorted && segment.rows.len() < small_rows;
        self.join(is_small, |small| small.len() >= SEGMENTS_JOINED);
    }

    /// Joins the last segments that are of a kind, if they are enough. Readers go on meanwhile.
    fn join(&self, is_of_kind: impl Fn(&Segment) -> bool, is_enough: impl Fn(&[Arc<Segment>]) -> bool) {
        let parts = self.shared.parts();
        let start = parts.memory.iter().rposition(|segment| !is_of_kind(segment)).map_or(0, |at| at.saturating_add(1));
        let last = parts.memory.get(start..).unwrap_or_default().to_vec();
        drop(parts);
        if !is_enough(&last) {
            return;
        }
        if let Some(segment) = Segment::joined(&last) {
            let mut parts = self.shared.parts();
            parts.memory.truncate(start);
            parts.memory.push(Arc::new(segment));
        }
    }

    /// Waits until nothing is being written or merged, nor is to be.
    pub fn settle(&self) {
        let mut parts = self.shared.parts();
        while !self.shared.is_stopping()
            && (!parts.writing.is_empty() && !parts.is_failing
                || parts.is_merging
                || to_merge(&parts.runs, self.shared.sizes).is_some())
        {
            parts = self.shared.wait(parts);
        }
    }

    /// Hands all rows that are in memory to the thread that writes them.
    pub fn flush(&self) {
        let mut parts = self.written(self.shared.parts());
        let is_idle = parts.writing.is_empty() && parts.fault.is_none();
        if self.shared.directory.is_some() && is_idle && !parts.memory.is_empty() {
            parts.hand_over();
            self.shared.changed.notify_all();
        }
        drop(self.written(parts));
    }

    /// Writes what is in memory, and ends the threads. A merge under way is given up.
    pub fn close(&self) {
        self.flush();
        self.end();
    }

    /// Ends the threads; what is in memory is left.
    pub(super) fn end(&self) {
        self.stop();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::warn!("a thread of the history index had panicked; the next start builds what is missing");
            }
        }
    }

    fn stop(&self) {
        let parts = self.shared.parts();
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.changed.notify_all();
        drop(parts);
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.stop();
    }
}

fn count(segments: &[Arc<Segment>]) -> usize {
    segments.iter().fold(0, |rows, segment| rows.saturating_add(segment.rows.len()))
}

/// The thread that writes runs.
fn write_runs(shared: &Shared) {
    let Some(directory) = &shared.directory else { return };
    loop {
        let mut parts = shared.parts();
        while parts.writing.is_empty() && !shared.is_stopping() {
            parts = shared.wait(parts);
        }
        if shared.is_stopping() {
            return;
        }
        let (segments, head) = (parts.writing.clone(), parts.written_to);
        let first_sequence = parts.runs.last().map_or(0, |run| run.head.next_sequence());
        drop(parts);
        let sources = Sources::of_segment(Segment::joined(&segments));
        let written = merge(directory, first_sequence, head, sources, || false);
        let mut parts = shared.parts();
        parts.is_failing = written.is_err();
        shared.changed.notify_all();
        match written {
            Ok(run) => {
                parts.runs.extend(run);
                parts.writing.clear();
            }
            Err(fault) => {
                tracing::error!(%fault, "a run of the history index could not be written; its rows stay in memory");
                let waited = shared.changed.wait_timeout_while(parts, RETRY_AFTER, |_| !shared.is_stopping());
                drop(waited.unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
}

/// The thread that merges runs.
fn merge_runs(shared: &Shared) {
    let Some(directory) = &shared.directory else { return };
    loop {
        let mut parts = shared.parts();
        let group = loop {
            if shared.is_stopping() {
                return;
            }
            if let Some(range) = to_merge(&parts.runs, shared.sizes) {
                break parts.runs.get(range).unwrap_or_default().to_vec();
            }
            parts = shared.wait(parts);
        };
        let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
        parts.is_merging = true;
        drop(parts);
        let merged =
            merge(directory, first.first_sequence, last.head, Sources::of_runs(&group), || shared.is_stopping());
        let mut parts = shared.parts();
        parts.is_merging = false;
        match merged {
            Ok(Some(run)) => {
                let start = parts.runs.iter().position(|run| Arc::ptr_eq(run, first)).unwrap_or_default();
                parts.runs.splice(start..start.saturating_add(group.len()), [run]);
                drop(parts);
                for run in &group {
                    remove(run.path());
                }
            }
            Ok(None) => {}
            Err(fault) => {
                // The runs go on unmerged: more of them to look into, nothing else.
                tracing::error!(%fault, "runs of the history index could not be merged; merging ends until a restart");
                return;
            }
        }
        shared.changed.notify_all();
    }
}

/// Which neighbouring runs to merge: the smallest tier that has gathered enough rows for the next one, or that has too many
/// files of it. Every row is thus merged about once a tier.
fn to_merge(runs: &[Arc<Run>], sizes: Sizes) -> Option<std::ops::Range<usize>> {
    let most_files = usize::try_from(sizes.fan_out.saturating_mul(2)).unwrap_or(usize::MAX);
    let mut capacity = u64::try_from(sizes.run_rows).unwrap_or(u64::MAX);
    let largest = runs.iter().map(|run| run.rows).max()?;
    loop {
        let next = capacity.saturating_mul(sizes.fan_out.max(2));
        let mut start = 0;
        for (at, run) in runs.iter().enumerate() {
            if run.rows >= next {
                start = at.saturating_add(1);
                continue;
            }
            let window = runs.get(start..=at).unwrap_or_default();
            let rows = window.iter().fold(0_u64, |rows, run| rows.saturating_add(run.rows));
            if window.len() > 1 && (rows >= next || window.len() >= most_files) {
                return Some(start..at.saturating_add(1));
            }
        }
        if capacity > largest {
            return None;
        }
        capacity = next;
    }
}

/// The runs in a directory that fit the log, from sequence 0 on without a gap; everything else there is removed.
fn recovered(directory: &Path, log: &dyn LogRead, committed: i64) -> Result<Vec<Arc<Run>>, Fault> {
    let failed = |error| Fault::new(format!("reading {}", directory.display()), error);
    let mut found: Vec<Arc<Run>> = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if is_unfinished(&path) {
            remove(&path);
        } else if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
            match Run::open(&path).and_then(|run| fits(&run, log, committed).map(|fits| (run, fits))) {
                Ok((run, true)) => found.push(Arc::new(run)),
                Ok((_, false)) => discard(&path, "it is of another log"),
                Err(fault) => discard(&path, &fault.to_string()),
            }
        }
    }
    // Of those that begin where the last one ended, the longest: the others were merged into it before a crash.
    found.sort_by_key(|run| (run.first_sequence, std::cmp::Reverse(run.head.sequence)));
    let mut runs: Vec<Arc<Run>> = Vec::new();
    for run in found {
        let end = runs.last().map_or(Head::EMPTY, |run| run.head);
        if run.first_sequence == end.next_sequence() {
            runs.push(run);
        } else if run.head.sequence <= end.sequence {
            remove(run.path());
        } else {
            discard(run.path(), "a run before it is missing");
        }
    }
    Ok(runs)
}

/// Whether a run's last entry is in this log.
fn fits(run: &Run, log: &dyn LogRead, committed: i64) -> Result<bool, Fault> {
    let Head { sequence, hash } = run.head;
    if run.first_sequence < 0 || sequence < run.first_sequence || sequence > committed {
        return Ok(false);
    }
    Ok(log.entry_at(sequence)?.is_some_and(|entry| EntryHash::of(&entry) == hash))
}

fn discard(path: &Path, why: &str) {
    tracing::warn!(path = %path.display(), why, "passing over a run of the history index; building it from the log");
    remove(path);
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "a file of the history index could not be removed");
    }
}
