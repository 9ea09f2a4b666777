//! A ledger in memory: the real writer and committer over a log that can fail.

use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fundledger::domain::command::Command;
use fundledger::domain::event::Event;
use fundledger::domain::time::UtcNanos;
use fundledger::format::codec;
use fundledger::format::keyed::{Fingerprints, KeyedDigest};
use fundledger::format::record::{Head, split_entry};
use fundledger::grpc::node::fold_from_log;
use fundledger::ledger::clock::FixedClock;
use fundledger::ledger::{CommitSink, Committed, Digests, Genesis, Ledger, OpenError, Outcome, Unavailable, create};
use fundledger::log::memory::MemoryLog;
use fundledger::log::{LogRead, blocks_between};
use fundledger::projection::Views;
use fundledger::projection::events::Events;
use fundledger::projection::history::{History, Snapshot};
use fundledger::projection::trace::{self, Tree};

const CLOCK: FixedClock = FixedClock(UtcNanos(1_700_000_000_000_000_000));

/// A ledger with its log and the views of what it committed.
pub(crate) struct TestLedger {
    pub(crate) ledger: Ledger,
    pub(crate) log: MemoryLog,
    views: Arc<Mutex<Views>>,
}

pub(crate) fn digests() -> Digests {
    Digests { commands: KeyedDigest::new(&[7; 32], "test"), fingerprints: Fingerprints::new(&[7; 32]) }
}

/// A log that holds a genesis.
pub(crate) fn new_log() -> MemoryLog {
    let mut log = MemoryLog::default();
    create(&mut log, Genesis::of_development("test.invalid/funds"), &CLOCK).unwrap();
    log
}

/// Views into which everything that is committed goes.
pub(crate) fn sink_into(views: &Arc<Mutex<Views>>) -> CommitSink {
    let views = Arc::clone(views);
    Box::new(move |Committed { blocks, events }| {
        let (first, last) = (blocks.first().unwrap(), blocks.last().unwrap());
        views.lock().unwrap().apply(first.first_sequence, last.head, events.iter());
    })
}

impl TestLedger {
    pub(crate) fn new() -> Self {
        Self::open(new_log()).unwrap()
    }

    pub(crate) fn open(log: MemoryLog) -> Result<Self, OpenError> {
        let views = Arc::new(Mutex::new(Views::default()));
        let ledger = Ledger::open_log(Box::new(log.clone()), &digests(), Box::new(CLOCK), sink_into(&views))?;
        *views.lock().unwrap() = rebuilt(&log, ledger.committed());
        Ok(Self { ledger, log, views })
    }

    pub(crate) fn reopened(self) -> Self {
        self.ledger.close().unwrap();
        Self::open(self.log).unwrap()
    }

    pub(crate) async fn post(&self, commands: Vec<Command>) -> Result<Vec<Outcome>, Unavailable> {
        post(&self.ledger, commands).await
    }

    /// Posts one command.
    pub(crate) async fn one(&self, command: Command) -> Outcome {
        self.post(vec![command]).await.unwrap().remove(0)
    }

    /// The views, once they have caught up with what is committed.
    pub(crate) fn views(&self) -> Views {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let views = self.views.lock().unwrap().clone();
            if views.position == self.ledger.committed() {
                return views;
            }
            assert!(Instant::now() < end, "the views do not catch up");
            sleep(Duration::from_millis(1));
        }
    }

    /// The history index, folded from the log.
    pub(crate) fn history(&self) -> Snapshot {
        let history = History::in_memory();
        fold_from_log(&self.log, &mut Views::default(), &history, self.ledger.committed().sequence).unwrap();
        history.snapshot().unwrap()
    }

    /// Where a lot's money is now.
    pub(crate) fn trace_lot(&self, lot: &str) -> Tree {
        let views = self.views();
        let start = views.lot_start(views.books.lot_named(lot).unwrap()).unwrap();
        trace::of_lot(start, &self.history(), &mut Events::new(&self.log), views.position.sequence).unwrap()
    }

    /// Every event, by sequence.
    pub(crate) fn events(&self) -> Vec<Event> {
        events(&self.log, self.ledger.committed())
    }
}

pub(crate) async fn post(ledger: &Ledger, commands: Vec<Command>) -> Result<Vec<Outcome>, Unavailable> {
    let mut scratch = Vec::new();
    ledger.post(commands.into_iter().map(|command| ledger.prepare(command, &mut scratch)).collect()).await
}

pub(crate) fn events(log: &dyn LogRead, head: Head) -> Vec<Event> {
    let mut events = Vec::new();
    for block in blocks_between(log, 0, head.sequence) {
        for entry in block.unwrap().entries() {
            events.push(codec::decode(split_entry(entry).unwrap().1).unwrap());
        }
    }
    events
}

/// The views, folded from the log.
pub(crate) fn rebuilt(log: &dyn LogRead, head: Head) -> Views {
    let mut views = Views::default();
    views.apply(0, head, events(log, head).iter());
    views
}

/// How many events have a key.
pub(crate) fn count_of(events: &[Event], key: &str) -> usize {
    events.iter().filter(|event| event.request_id().is_some_and(|id| id.as_str() == key)).count()
}
