//! The hot path stage by stage, on one thread and without a network: what `bench --explain` prints, and what `benches/`
//! measures and counts. The stages are the functions that a server calls, over the commands that `bench` posts.

use std::path::Path;
use std::time::{Duration, Instant};

use prost::Message;

use super::load::SET_UP_BATCH;
use super::workload::{Commands, Workload};
use crate::cli::Failure;
use crate::domain::event::Event;
use crate::domain::ids::Sequence;
use crate::format::block::Block;
use crate::format::codec;
use crate::format::keyed::KeyedDigest;
use crate::format::record::{EntryHash, Head};
use crate::grpc::node::BLOCKS_A_FOLD;
use crate::grpc::{convert, posting};
use crate::ledger::clock::SystemClock;
use crate::ledger::directory::DataDirectory;
use crate::ledger::stages::{Decided, Stages};
use crate::ledger::{Genesis, Outcome, Prepared};
use crate::log::entries::EntryFiles;
use crate::log::tree::TreeFiles;
use crate::projection::Views;
use crate::projection::events::Events;
use crate::projection::history::{self, History, Sizes};

/// A stage of the hot path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The client builds the request.
    Request,
    /// Bytes to commands, with keyed digests.
    Decode,
    /// Keys are looked up, the rules decide, the state changes.
    Decide,
    /// Events to bytes.
    Encode,
    /// Entry hashes.
    Hash,
    /// Blocks go into the store.
    Store,
    /// The store is made durable.
    Flush,
    /// Balances and names.
    Views,
    /// The history index, in memory; its files are written and merged by threads of their own.
    Index,
    /// The copy of the entries.
    Entries,
    /// The Merkle tree.
    Tree,
    /// Receipts to bytes.
    Reply,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 12] = [
        Self::Request,
        Self::Decode,
        Self::Decide,
        Self::Encode,
        Self::Hash,
        Self::Store,
        Self::Flush,
        Self::Views,
        Self::Index,
        Self::Entries,
        Self::Tree,
        Self::Reply,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Decode => "decode",
            Self::Decide => "decide",
            Self::Encode => "encode",
            Self::Hash => "hash",
            Self::Store => "store",
            Self::Flush => "flush",
            Self::Views => "views",
            Self::Index => "index",
            Self::Entries => "entries",
            Self::Tree => "tree",
            Self::Reply => "reply",
        }
    }
}

/// How long each stage took for one request, in the order of [`Stage::ALL`].
pub type Times = [Duration; Stage::ALL.len()];

/// A ledger in a directory, whose stages are run one after another.
pub struct Explained {
    stages: Stages,
    pseudonyms: KeyedDigest,
    views: Views,
    history: History,
    entries: EntryFiles,
    tree: TreeFiles,
    workload: Workload,
    next: u64,
}

impl Explained {
    /// Makes a ledger in an empty directory and sets it up for payments over accounts and lots.
    pub fn new(path: &Path, accounts: u32, lots: u32) -> Result<Self, Failure> {
        let data = path.join("ledger");
        let directory = DataDirectory::create(&data, Genesis::of_development("bench.invalid/stages"), &SystemClock)?;
        let pseudonyms = directory.pseudonyms();
        let (index, entries, tree) = (directory.index(), directory.entries(), directory.tree());
        let stages = Stages::open(directory, Box::new(SystemClock))?;
        let log = stages.log();
        let genesis = log.block_at(0)?.map_or(Head::EMPTY, |block| block.head);
        let mut explained = Self {
            views: Views { position: genesis, ..Views::default() },
            history: History::open(&index, log.as_ref(), genesis.sequence, Sizes::default())?,
            entries: EntryFiles::open(&entries, log.as_ref(), genesis.sequence)?,
            tree: TreeFiles::open(&tree, log.as_ref(), genesis.sequence, None)?,
            workload: Workload::payments(accounts, lots)?,
            stages,
            pseudonyms,
            next: 0,
        };
        let set_up = explained.workload.set_up();
        for commands in set_up.chunks(SET_UP_BATCH) {
            let request = crate::pb::v1::PostRequest { commands: commands.to_vec(), ..Default::default() };
            explained.take(&request.encode_to_vec())?;
        }
        Ok(explained)
    }

    /// The function that a stage is, for counting what it does.
    pub const FUNCTIONS: [(Stage, &'static str); Stage::ALL.len()] = [
        (Stage::Request, "Explained::request"),
        (Stage::Decode, "Explained::decode"),
        (Stage::Decide, "Explained::decide"),
        (Stage::Encode, "stages::encode"),
        (Stage::Hash, "stages::hash"),
        (Stage::Store, "Explained::store"),
        (Stage::Flush, "Explained::flush"),
        (Stage::Views, "Explained::view"),
        (Stage::Index, "Explained::index"),
        (Stage::Entries, "Explained::copy"),
        (Stage::Tree, "Explained::grow"),
        (Stage::Reply, "stages::reply"),
    ];

    /// Takes the next request of so many commands through every stage.
    #[inline(never)]
    pub fn round(&mut self, commands: u32) -> Result<Times, Failure> {
        let started = Instant::now();
        let request = self.request(commands);
        let building = started.elapsed();
        let mut times = self.take(&request)?;
        if let Some(first) = times.first_mut() {
            *first = building;
        }
        Ok(times)
    }

    fn take(&mut self, request: &[u8]) -> Result<Times, Failure> {
        let mut watch = Stopwatch { at: Instant::now(), times: Times::default() };
        let prepared = self.decode(request)?;
        watch.note(Stage::Decode);
        let Decided { outcomes, events, blocks } = self.decide(prepared)?;
        watch.note(Stage::Decide);
        let entries: Vec<&[u8]> = blocks.iter().flat_map(|block| block.entries()).collect();
        watch.skip();
        encode(&events);
        watch.note(Stage::Encode);
        hash(&entries);
        watch.note(Stage::Hash);
        self.store(&blocks)?;
        watch.note(Stage::Store);
        self.flush(&blocks)?;
        watch.note(Stage::Flush);
        let log = self.stages.log();
        let mut reader = Events::new(log.as_ref());
        let mut rest = events.as_slice();
        for blocks in blocks.chunks(BLOCKS_A_FOLD) {
            let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { continue };
            let count = last.head.sequence.saturating_sub(first.first_sequence).saturating_add(1);
            let folded = rest.split_off(..usize::try_from(count).unwrap_or_default()).unwrap_or_default();
            self.view(first.first_sequence, last.head, folded);
            watch.note(Stage::Views);
            self.index(first.first_sequence, last.head, folded, &mut reader)?;
            watch.note(Stage::Index);
        }
        self.copy(&blocks);
        watch.note(Stage::Entries);
        self.grow(&blocks);
        watch.note(Stage::Tree);
        reply(outcomes)?;
        watch.note(Stage::Reply);
        // The writer encodes and hashes as it decides.
        let [_, _, decide, encode, hash, ..] = &mut watch.times;
        *decide = decide.saturating_sub(*encode).saturating_sub(*hash);
        Ok(watch.times)
    }

    #[inline(never)]
    fn request(&mut self, commands: u32) -> Vec<u8> {
        let mut request = Vec::new();
        for _ in 0..commands {
            self.workload.encode(self.next, &mut request);
            self.next = self.next.saturating_add(1);
        }
        request
    }

    #[inline(never)]
    fn decode(&self, request: &[u8]) -> Result<Vec<Prepared>, Failure> {
        let malformed = |error: &dyn std::fmt::Display| Failure::Refused(error.to_string());
        let (commands, _) = convert::split_request(request).ok_or_else(|| malformed(&"no request"))?;
        let mut prepared = Vec::with_capacity(commands.len());
        let mut scratch = Vec::with_capacity(512);
        for bytes in commands {
            let command = if let Some(command) = convert::straight(bytes, Some(&self.pseudonyms)) {
                command
            } else {
                let wire = crate::pb::v1::Command::decode(bytes).map_err(|error| malformed(&error))?;
                let parsed = convert::command(wire, &self.pseudonyms, "");
                parsed.map_err(|violations| {
                    malformed(&violations.into_iter().map(|violation| violation.description).collect::<String>())
                })?
            };
            prepared.push(self.stages.prepare(command, &mut scratch));
        }
        Ok(prepared)
    }

    #[inline(never)]
    fn decide(&mut self, prepared: Vec<Prepared>) -> Result<Decided, Failure> {
        self.stages.decide(prepared).map_err(|why| Failure::Unavailable(why.to_string()))
    }

    #[inline(never)]
    fn store(&self, blocks: &[Block]) -> Result<(), Failure> {
        Ok(self.stages.store(blocks)?)
    }

    #[inline(never)]
    fn flush(&mut self, blocks: &[Block]) -> Result<(), Failure> {
        Ok(self.stages.flush(blocks)?)
    }

    #[inline(never)]
    fn copy(&self, blocks: &[Block]) {
        self.entries.append(blocks);
    }

    #[inline(never)]
    fn grow(&self, blocks: &[Block]) {
        self.tree.append(blocks);
    }

    #[inline(never)]
    fn view(&mut self, first_sequence: i64, head: Head, events: &[Event]) {
        self.views.apply(first_sequence, head, events.iter());
    }

    #[inline(never)]
    fn index(
        &mut self,
        first_sequence: i64,
        head: Head,
        events: &[Event],
        reader: &mut Events<'_>,
    ) -> Result<(), Failure> {
        let mut rows = Vec::new();
        for (sequence, event) in (first_sequence..).zip(events) {
            history::collect(Sequence(sequence), event, &self.views.books, reader, &mut rows)?;
        }
        self.history.append(rows, head);
        self.history.tidy();
        Ok(())
    }
}

impl Drop for Explained {
    fn drop(&mut self) {
        self.history.close();
    }
}

/// Encodes events again, as the writer did.
#[inline(never)]
fn encode(events: &[Event]) {
    let mut buffer = Vec::with_capacity(8_192);
    for event in events {
        buffer.clear();
        codec::encode(event, &mut buffer);
        std::hint::black_box(&buffer);
    }
}

/// Hashes entries again, as the writer did.
#[inline(never)]
fn hash(entries: &[&[u8]]) {
    for entry in entries {
        std::hint::black_box(EntryHash::of(entry));
    }
}

/// Answers; every command must have been accepted.
#[inline(never)]
fn reply(outcomes: Vec<Outcome>) -> Result<(), Failure> {
    for outcome in &outcomes {
        if !matches!(outcome, Outcome::Accepted(_)) {
            return Err(Failure::Refused(format!("{outcome:?}")));
        }
    }
    std::hint::black_box(posting::answer_bytes(outcomes));
    Ok(())
}

struct Stopwatch {
    at: Instant,
    times: Times,
}

impl Stopwatch {
    /// Adds what has passed to a stage.
    fn note(&mut self, stage: Stage) {
        let now = Instant::now();
        let place = Stage::ALL.iter().position(|known| *known == stage);
        if let Some(time) = place.and_then(|place| self.times.get_mut(place)) {
            *time = time.saturating_add(now.saturating_duration_since(self.at));
        }
        self.at = now;
    }

    /// Counts what has passed for nothing.
    fn skip(&mut self) {
        self.at = Instant::now();
    }
}
