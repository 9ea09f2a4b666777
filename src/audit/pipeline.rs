//! How an audit uses the cores: one thread reads the evidence, some check values on their own, the calling one follows
//! the chain in order, one keeps the books. All hand-overs are bounded.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use super::anchors::Found;
use super::books::{Books, Statement};
use super::bundle;
use super::chain::{Chain, ForBooks};
use super::frame::{Keep, Reader, Value};
use super::report::{Findings, Outcome, Report, Scope};
use super::tiles::{self, Compared, Shelf, TILES_WAITING};
use super::{Depth, Evidence, KeyValue, Options, Unreadable};
use crate::pb::v1::Event;

const WORKERS_MAX: usize = 8;
/// Bytes of evidence in one hand-over: some hundred blocks.
const BATCH_BYTES: usize = 1 << 20;
const BATCHES_WAITING: usize = 4;
/// What an item takes beside its bytes, at the least: without it, empty ones would never fill a hand-over.
const ITEM_BYTES: usize = 128;

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
    Report::new(outcome, started.elapsed())
}

/// Audits the chain of a log, and gives its events, in order and whole, to whoever looks at what they say.
pub(super) fn examine(evidence: Evidence<'_>, options: &Options, mut take: impl FnMut(i64, Event) + Send) -> Report {
    let started = Instant::now();
    let scope = scope(&evidence, options, false);
    let (mut outcome, (), bundle) = follow(evidence, options, Keep::Events, |events| {
        for item in events.into_iter().flatten() {
            if let ForBooks::Event(sequence, record) = item {
                take(sequence, record.into_event());
            }
        }
    });
    outcome.scope = scope;
    judge(bundle, &mut outcome, options);
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
    if let Evidence::Bundle(bundle) = &evidence {
        sizes.extend(bundle.tree_size());
    }
    let reader = Reader::new(keep);
    let workers = thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
    let (jobs, jobs_waiting) = sync_channel(BATCHES_WAITING);
    let (steps, steps_waiting) = sync_channel(BATCHES_WAITING.saturating_add(workers));
    let jobs_waiting = Arc::new(Mutex::new(jobs_waiting));
    thread::scope(|threads| {
        for _ in 0..workers {
            let jobs = Arc::clone(&jobs_waiting);
            let reader = &reader;
            threads.spawn(move || check_batches(&jobs, reader));
        }
        // Whoever reads the evidence must notice when no worker is left.
        drop(jobs_waiting);
        let reading = threads.spawn(move || read_evidence(evidence, &jobs, &steps));
        let (events, events_waiting) = sync_channel(BATCHES_WAITING);
        let taking = threads.spawn(move || take(events_waiting));
        let chain_progress = options.progress.as_ref().filter(|_| keep != Keep::Books);
        let (shelf, comparing) = comparable(options).map_or_else(
            || (None, None),
            |compared| {
                let (full, waiting) = sync_channel(TILES_WAITING);
                let comparing = threads.spawn(move || tiles::compare(&waiting, compared.source.as_ref()));
                (Some(Shelf::new(compared.size, first(options), full)), Some(comparing))
            },
        );
        let mut outcome = follow_chain(steps_waiting, &reader, (options, sizes, shelf), &events, chain_progress);
        drop(events);
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
        let bundle = reading.join().unwrap_or_else(|_| {
            outcome.unreadable = Some(TROUBLE.to_owned());
            None
        });
        (outcome, taken, bundle)
    })
}

const TROUBLE: &str = "the audit itself failed; nothing can be said of the rest";

/// Values or entries that are checked together.
enum Batch {
    Values(Vec<KeyValue>),
    Entries(Vec<Vec<u8>>),
}

struct Job {
    batch: Batch,
    reply: SyncSender<Vec<Value>>,
}

/// What follows in the order of the evidence.
enum Step {
    Checked(Receiver<Vec<Value>>),
    Unreadable(String),
}

/// Reads the evidence to its end; gives what a bundle had besides its values.
fn read_evidence(evidence: Evidence<'_>, jobs: &SyncSender<Job>, steps: &SyncSender<Step>) -> Option<bundle::Found> {
    let bytes_of = |(key, value): &KeyValue| key.len().saturating_add(value.len());
    match evidence {
        Evidence::Bundle(mut bundle) => {
            batches(bundle.by_ref(), bytes_of, Batch::Values, jobs, steps);
            return Some(bundle.into_found());
        }
        Evidence::Blocks(values) => batches(values, bytes_of, Batch::Values, jobs, steps),
        Evidence::Entries(entries) => batches(entries, Vec::len, Batch::Entries, jobs, steps),
    }
    None
}

fn batches<T>(
    items: impl Iterator<Item = Result<T, Unreadable>>,
    bytes_of: impl Fn(&T) -> usize,
    to_batch: impl Fn(Vec<T>) -> Batch,
    jobs: &SyncSender<Job>,
    steps: &SyncSender<Step>,
) {
    // Nobody listens any more only where a thread of the audit has failed, which `verify` sees on its own.
    let hand_over = |items: Vec<T>| {
        let (reply, result) = sync_channel(1);
        let is_heard = steps.send(Step::Checked(result)).is_ok();
        is_heard && jobs.send(Job { batch: to_batch(items), reply }).is_ok()
    };
    let mut waiting = Vec::new();
    let mut bytes = 0_usize;
    for item in items {
        match item {
            Ok(item) => {
                bytes = bytes.saturating_add(bytes_of(&item)).saturating_add(ITEM_BYTES);
                waiting.push(item);
            }
            Err(Unreadable(why)) => {
                hand_over(waiting);
                steps.send(Step::Unreadable(why)).ok();
                return;
            }
        }
        if bytes >= BATCH_BYTES {
            bytes = 0;
            if !hand_over(std::mem::take(&mut waiting)) {
                return;
            }
        }
    }
    hand_over(waiting);
}

fn check_batches(jobs: &Mutex<Receiver<Job>>, reader: &Reader) {
    loop {
        // The lock is held while waiting: whoever waits takes the next job, the others wait for the lock instead.
        let Ok(Ok(job)) = jobs.lock().map(|jobs| jobs.recv()) else { return };
        let checked = match job.batch {
            Batch::Values(values) => values.into_iter().map(|(key, value)| reader.value(&key, value)).collect(),
            Batch::Entries(entries) => vec![Value::Block(reader.loose(&entries))],
        };
        job.reply.send(checked).ok();
    }
}

fn follow_chain(
    steps: Receiver<Step>,
    reader: &Reader,
    (options, sizes, shelf): (&Options, Vec<u64>, Option<Shelf>),
    books: &SyncSender<Vec<ForBooks>>,
    progress: Option<&Arc<AtomicU64>>,
) -> Outcome {
    let mut chain = Chain::new(options.claimed_head, sizes, shelf, &options.start);
    let mut unreadable = None;
    let mut events = Vec::new();
    for step in steps {
        match step {
            Step::Checked(result) => match result.recv() {
                Ok(values) => values.into_iter().for_each(|value| chain.value(value, reader, &mut events)),
                Err(_) => unreadable = Some(TROUBLE.to_owned()),
            },
            Step::Unreadable(why) => unreadable = Some(why),
        }
        if reader.keep == Keep::Nothing {
            events.clear();
        } else {
            books.send(std::mem::take(&mut events)).ok();
        }
        if let Some(progress) = progress {
            progress.store(chain.events, Ordering::Relaxed);
        }
        if unreadable.is_some() {
            break;
        }
    }
    chain.finish(unreadable.is_none(), &mut events);
    if reader.keep != Keep::Nothing {
        books.send(events).ok();
    }
    Outcome {
        tree: chain.tree(),
        roots: chain.roots,
        anchored_size: None,
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
