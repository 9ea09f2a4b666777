//! How an audit uses the cores: each worker reads a batch of evidence, checks it on its own, and joins the chain with it when
//! its turn comes. So a batch stays with one core, and on a single core nothing is handed over at all. Two more threads, where
//! they are wanted, keep the books and compare the tiles; what is handed to them is bounded.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::anchors::Found;
use super::books::{Books, Statement};
use super::bundle;
use super::chain::{Chain, ForBooks};
use super::frame::{Keep, Reader, Spare, Value};
use super::report::{Findings, Outcome, Report, Scope};
use super::tiles::{self, Compared, Shelf, TILES_WAITING};
use super::{Depth, Evidence, KeyValue, Options, Unreadable};
use crate::pb::v1::Event;

const WORKERS_MAX: usize = 8;
/// Bytes of evidence that one worker holds at a time.
const BATCH_BYTES: usize = 1 << 18;
/// What an item takes beside its bytes, at the least: without it, empty ones would never fill a batch.
const ITEM_BYTES: usize = 128;
/// Batches of events that wait for the books.
const EVENTS_WAITING: usize = 8;

/// Audits a log from its first entry to its last.
pub fn verify(evidence: Evidence<'_>, options: &Options) -> Report {
    let started = Instant::now();
    let is_deep = options.depth == Depth::Deep;
    let scope = scope(&evidence, options, is_deep);
    let progress = options.progress.as_ref();
    let (mut outcome, statement, bundle) = if is_deep {
        let anchors = options.anchors.clone();
        follow(evidence, options, Keep::Books, |events| Some(keep_books(Books::new(anchors), &events, progress)))
    } else {
        follow(evidence, options, Keep::Nothing, |_| None)
    };
    let mut has_earlier_keys = false;
    if let Some(statement) = statement {
        has_earlier_keys = statement.has_earlier_keys;
        outcome.findings.merge(statement.findings);
        outcome.books_stopped_at = statement.stopped_at;
    }
    outcome.scope = Scope { has_earlier_keys, ..scope };
    conclude(outcome, bundle, options, started)
}

/// Audits the chain of a log as [`verify`] does, and gives its events, in order and whole, to whoever looks at what they say.
pub fn examine(evidence: Evidence<'_>, options: &Options, mut take: impl FnMut(i64, Event) + Send) -> Report {
    examine_entries(evidence, options, |sequence, _, event| take(sequence, event))
}

/// Audits a log as [`examine`] does, and gives the hash of each entry with its event.
pub fn examine_entries(
    evidence: Evidence<'_>,
    options: &Options,
    mut take: impl FnMut(i64, [u8; 32], Event) + Send,
) -> Report {
    let started = Instant::now();
    let scope = scope(&evidence, options, false);
    let (mut outcome, (), bundle) = follow(evidence, options, Keep::Events, |events| {
        for item in events.into_iter().flatten() {
            if let ForBooks::Event(sequence, record) = item {
                take(sequence, record.entry_hash, record.into_event());
            }
        }
    });
    outcome.scope = scope;
    conclude(outcome, bundle, options, started)
}

/// Holds what was found against what was brought from outside, and writes it up.
fn conclude(mut outcome: Outcome, bundle: Option<bundle::Found>, options: &Options, started: Instant) -> Report {
    judge(bundle, &mut outcome, options);
    outcome.first_sequence = options.start.sequence;
    if options.start.sequence > 0 {
        outcome.scope.has_checkpoint = !outcome.roots.is_empty();
    }
    let found = Found {
        origin: outcome.origin.as_deref(),
        last_sequence: outcome.head.map_or(options.start.sequence.saturating_sub(1), |head| head.sequence),
        is_whole: outcome.unreadable.is_none(),
        roots: &outcome.roots,
    };
    let compared = options.anchors.claims().compare(&found);
    outcome.findings.merge(compared.findings);
    outcome.anchored_size = compared.anchored_size;
    outcome.scope.has_earlier_keys |= compared.has_earlier_keys;
    outcome.asked_root = options.root_of.and_then(|size| outcome.roots.iter().find(|(of, _)| *of == size)).copied();
    Report::new(outcome, started.elapsed())
}

/// Holds what a bundle says of itself against what the audit found in it.
fn judge(bundle: Option<bundle::Found>, outcome: &mut Outcome, options: &Options) {
    let Some(bundle) = bundle else { return };
    let (findings, carried) = bundle.judge(outcome, options.anchors.policy.as_ref());
    outcome.findings.merge(findings);
    outcome.bundle = Some(carried);
}

fn scope(evidence: &Evidence<'_>, options: &Options, is_deep: bool) -> Scope {
    Scope {
        has_blocks: matches!(evidence, Evidence::Blocks(_) | Evidence::Bundle(_)),
        is_bundle: matches!(evidence, Evidence::Bundle(_)),
        is_copy: options.is_copy,
        has_claim: options.claimed_head.is_some(),
        has_checkpoint: options.anchors.has_checkpoint(),
        has_keys: options.anchors.has_keys(),
        has_policy: options.anchors.needs_witnesses(),
        has_tiles: comparable(options).is_some(),
        starts_later: options.start.sequence > 0,
        has_earlier_keys: false,
        is_deep,
    }
}

/// The first entry of the evidence.
fn first(options: &Options) -> u64 {
    u64::try_from(options.start.sequence).unwrap_or_default()
}

/// The tiles that the tree over the entries can be compared with.
fn comparable(options: &Options) -> Option<&Compared> {
    options.tiles.as_ref().filter(|compared| options.start.has_tree() && compared.size > first(options))
}

/// Reads, checks and follows; `take` runs beside it and gets what is to be kept.
fn follow<T: Default + Send>(
    evidence: Evidence<'_>,
    options: &Options,
    keep: Keep,
    take: impl FnOnce(Receiver<Vec<ForBooks>>) -> T + Send,
) -> (Outcome, T, Option<bundle::Found>) {
    let mut sizes = options.anchors.claims().sizes();
    sizes.extend(options.root_of);
    if let Evidence::Bundle(bundle) = &evidence {
        sizes.extend(bundle.tree_size());
    }
    let reader = Reader::new(keep);
    let workers = thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
    thread::scope(|threads| {
        let (events, events_waiting) = sync_channel(EVENTS_WAITING);
        let taking = threads.spawn(move || take(events_waiting));
        let (shelf, comparing) = comparable(options).map_or_else(
            || (None, None),
            |compared| {
                let (full, waiting) = sync_channel(TILES_WAITING);
                let comparing = threads.spawn(move || tiles::compare(&waiting, compared.source.as_ref()));
                (Some(Shelf::new(compared.size, first(options), full)), Some(comparing))
            },
        );
        let reading = Mutex::new(Reading { evidence, batches: 0, is_over: false });
        let following = Mutex::new(Following {
            chain: Chain::new(options.claimed_head, sizes, shelf, &options.start),
            batches: 0,
            unreadable: None,
            has_failed: false,
            events: (keep != Keep::Nothing).then_some(events),
            progress: options.progress.as_ref().filter(|_| keep != Keep::Books),
        });
        let line = Line { following, moved: Condvar::new() };
        thread::scope(|threads| {
            let working: Vec<_> = (0..workers).map(|_| threads.spawn(|| work(&reading, &line, &reader))).collect();
            // One that panicked left the line with a word.
            for worker in working {
                drop(worker.join());
            }
        });
        let mut outcome = line.into_following().finish();
        if let Some(comparing) = comparing {
            let failed = |_| (Findings::default(), Some(TROUBLE.to_owned()));
            let (findings, unreadable) = comparing.join().unwrap_or_else(failed);
            outcome.findings.merge(findings);
            outcome.unreadable = outcome.unreadable.or(unreadable);
        }
        let taken = taking.join().unwrap_or_else(|_| {
            outcome.unreadable = Some(TROUBLE.to_owned());
            T::default()
        });
        let bundle = match reading.into_inner().unwrap_or_else(PoisonError::into_inner).evidence {
            Evidence::Bundle(bundle) => Some(bundle.into_found()),
            Evidence::Blocks(_) | Evidence::Entries(_) => None,
        };
        (outcome, taken, bundle)
    })
}

const TROUBLE: &str = "the audit itself failed; nothing can be said of the rest";

/// Reads a batch, checks it, waits for its turn, and again, to the end of the evidence.
fn work(reading: &Mutex<Reading<'_>>, line: &Line<'_>, reader: &Reader) {
    let mut turns = Turns { line, is_done: false };
    let mut spare = Spare::default();
    loop {
        // Poisoned: whoever reads it panicked, which ends the audit.
        let Ok(batch) = reading.lock().map(|mut reading| reading.next()) else { return };
        let Some(Batch { number, items, unreadable }) = batch else { break };
        let values = match items {
            Items::Values(values) => {
                values.into_iter().map(|(key, value)| reader.value(&key, &value, &mut spare)).collect()
            }
            Items::Entries(entries) => vec![Value::Block(reader.loose(&entries, &mut spare))],
        };
        if !line.join(number, values, unreadable, (reader, &mut spare)) {
            return;
        }
    }
    turns.is_done = true;
}

/// Values or entries that are checked together.
struct Batch {
    number: u64,
    items: Items,
    /// Why nothing is read after them.
    unreadable: Option<String>,
}

enum Items {
    Values(Vec<KeyValue>),
    Entries(Vec<Vec<u8>>),
}

/// The evidence, of which whoever is free reads the next batch.
struct Reading<'a> {
    evidence: Evidence<'a>,
    batches: u64,
    is_over: bool,
}

impl Reading<'_> {
    fn next(&mut self) -> Option<Batch> {
        if self.is_over {
            return None;
        }
        let bytes_of = |(key, value): &KeyValue| key.len().saturating_add(value.len());
        let (items, end) = match &mut self.evidence {
            Evidence::Bundle(bundle) => some(bundle, bytes_of, Items::Values),
            Evidence::Blocks(values) => some(values, bytes_of, Items::Values),
            Evidence::Entries(entries) => some(entries, Vec::len, Items::Entries),
        };
        self.is_over = end.is_some();
        let number = self.batches;
        self.batches = number.saturating_add(1);
        Some(Batch { number, items, unreadable: end.and_then(Result::err) })
    }
}

/// As many items as make a batch, and how they end, where they do.
fn some<T>(
    items: &mut impl Iterator<Item = Result<T, Unreadable>>,
    bytes_of: impl Fn(&T) -> usize,
    to_items: impl Fn(Vec<T>) -> Items,
) -> (Items, Option<Result<(), String>>) {
    let mut taken = Vec::new();
    let mut bytes = 0_usize;
    while bytes < BATCH_BYTES {
        match items.next() {
            Some(Ok(item)) => {
                bytes = bytes.saturating_add(bytes_of(&item)).saturating_add(ITEM_BYTES);
                taken.push(item);
            }
            Some(Err(Unreadable(why))) => return (to_items(taken), Some(Err(why))),
            None => return (to_items(taken), Some(Ok(()))),
        }
    }
    (to_items(taken), None)
}

/// Where batches join the chain, in the order in which they were read.
struct Line<'a> {
    following: Mutex<Following<'a>>,
    moved: Condvar,
}

impl<'a> Line<'a> {
    /// Waits for the turn of a batch and follows the chain through it; false where that turn cannot come.
    fn join(&self, number: u64, values: Vec<Value>, unreadable: Option<String>, with: (&Reader, &mut Spare)) -> bool {
        let Ok(following) = self.following.lock() else { return false };
        let is_early = |following: &mut Following<'_>| following.batches != number && !following.has_failed;
        let Ok(mut following) = self.moved.wait_while(following, is_early) else { return false };
        if following.has_failed {
            return false;
        }
        following.take(values, unreadable, with);
        self.moved.notify_all();
        true
    }

    fn into_following(self) -> Following<'a> {
        self.following.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker's place in the line: whoever leaves it before the end lets the others know, which would wait for ever.
struct Turns<'l, 'a> {
    line: &'l Line<'a>,
    is_done: bool,
}

impl Drop for Turns<'_, '_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.line.following.lock().unwrap_or_else(PoisonError::into_inner).has_failed = true;
            self.line.moved.notify_all();
        }
    }
}

/// The chain, as far as it was followed.
struct Following<'a> {
    chain: Chain,
    batches: u64,
    unreadable: Option<String>,
    /// A worker is gone, and with it the batch that it held.
    has_failed: bool,
    /// To whoever keeps the events.
    events: Option<SyncSender<Vec<ForBooks>>>,
    progress: Option<&'a Arc<AtomicU64>>,
}

impl Following<'_> {
    fn take(&mut self, values: Vec<Value>, unreadable: Option<String>, (reader, spare): (&Reader, &mut Spare)) {
        let mut events = Vec::new();
        for value in values {
            self.chain.value(value, reader, spare, &mut events);
        }
        if let Some(keeper) = &self.events {
            // Nobody listens any more only where that thread failed, which its end tells.
            keeper.send(events).ok();
        }
        if let Some(progress) = self.progress {
            progress.store(self.chain.events, Ordering::Relaxed);
        }
        self.batches = self.batches.saturating_add(1);
        self.unreadable = unreadable;
    }

    fn finish(self) -> Outcome {
        let Self { mut chain, unreadable, has_failed, events: keeper, .. } = self;
        let unreadable = if has_failed { Some(TROUBLE.to_owned()) } else { unreadable };
        let mut events = Vec::new();
        chain.finish(unreadable.is_none(), &mut events);
        if let Some(keeper) = keeper {
            keeper.send(events).ok();
        }
        Outcome {
            tree: chain.tree(),
            roots: chain.roots,
            anchored_size: None,
            asked_root: None,
            bundle: None,
            findings: chain.findings,
            scope: Scope::default(),
            first_sequence: 0,
            events: chain.events,
            head: chain.last,
            origin: chain.origin,
            is_development: chain.is_development,
            books_stopped_at: None,
            unreadable,
        }
    }
}

fn keep_books(mut books: Books, events: &Receiver<Vec<ForBooks>>, progress: Option<&Arc<AtomicU64>>) -> Statement {
    for batch in events {
        for item in batch {
            match item {
                ForBooks::Event(sequence, record) => books.event(sequence, &record),
                ForBooks::Stop(sequence) => books.stop(sequence),
            }
        }
        if let Some(progress) = progress {
            progress.store(books.events, Ordering::Relaxed);
        }
    }
    books.close()
}
