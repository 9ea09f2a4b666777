//! One ledger, whoever posts to it, and what goes wrong around it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use fundledger::domain::command::Command;
use fundledger::domain::time::UtcNanos;
use fundledger::format::block::Block;
use fundledger::format::record::{EntryHash, Head};
use fundledger::ledger::clock::Clock;
use fundledger::ledger::steps::{Answer, Steps};
use fundledger::ledger::{Outcome, Unavailable};
use fundledger::log::memory::{Failure, MemoryLog};
use fundledger::log::{AppendError, Fault, Log, LogRead};
use fundledger::projection::Views;

use super::random::Random;
use super::support::ledger::{digests, events, new_log, rebuilt, sink_into};
use super::support::orders::{accounts, cash, define, fund, issue, lot, on};

const NANOSECONDS_A_YEAR: i64 = 365 * 86_400 * 1_000_000_000;
/// Groups that wait, at most, as between the threads of a running ledger.
const WAITING_MAX: usize = 2;

/// How far the log's promises can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// It keeps them.
    Sound,
    /// It says that blocks are durable when they are only written.
    SaysDurableTooEarly,
    /// At a power cut it now and then loses a value that was synced.
    LosesWhatWasSynced,
}

/// A clock that is set from outside.
#[derive(Clone, Debug)]
struct SetClock(Arc<AtomicI64>);

impl Clock for SetClock {
    fn now(&self) -> UtcNanos {
        UtcNanos(self.0.load(Ordering::Relaxed))
    }
}

/// A log whose every append fails its sync, without saying so.
struct Early(MemoryLog);

impl Log for Early {
    fn head(&self) -> Head {
        self.0.head()
    }

    fn append(&mut self, expected: Head, blocks: &[Block]) -> Result<(), AppendError> {
        self.0.fail_after(0, Failure::Sync);
        match self.0.append(expected, blocks) {
            Err(AppendError::Unknown(_)) => {
                // Written, not synced, and said to be durable.
                self.0.advance(blocks);
                Ok(())
            }
            other => other,
        }
    }

    fn adopt(&mut self, head: Head, remove: &[Vec<u8>]) -> Result<(), Fault> {
        self.0.adopt(head, remove)
    }

    fn reader(&self) -> Arc<dyn LogRead> {
        self.0.reader()
    }
}

/// How often things happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub accepted: usize,
    pub replayed: usize,
    pub refused: usize,
    pub reused: usize,
    pub unknown: usize,
    pub kills: usize,
    pub power_cuts: usize,
    pub failures: usize,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.replayed += other.replayed;
        self.refused += other.refused;
        self.reused += other.reused;
        self.unknown += other.unknown;
        self.kills += other.kills;
        self.power_cuts += other.power_cuts;
        self.failures += other.failures;
    }

    /// Whether everything happened.
    pub fn is_varied(&self) -> bool {
        let Self { accepted, replayed, refused, reused, unknown, kills, power_cuts, failures } = *self;
        [accepted, replayed, refused, reused, unknown, kills, power_cuts, failures].into_iter().all(|count| count > 10)
    }
}

/// What is known of a key from an answer: it must be so in every later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Accepted(i64, EntryHash),
    Refused(i64),
}

/// A request that was not answered yet: keys with the content that they came with.
struct Asked {
    keys: Vec<(usize, usize)>,
    answer: Answer,
}

pub struct World {
    random: Random,
    disk: Disk,
    log: MemoryLog,
    clock: Arc<AtomicI64>,
    steps: Steps,
    views: Arc<Mutex<Views>>,
    asked: Vec<Asked>,
    // Keys that were sent, each with the content that it was first sent with.
    sent: Vec<usize>,
    known: BTreeMap<usize, (Known, usize)>,
    // Bank references that were sent, by content.
    contents: usize,
    pub counts: Counts,
}

fn set_up() -> Vec<Command> {
    let mut orders = vec![define(fund("SP"))];
    orders.extend(accounts("SP", "a", "c"));
    orders.push(issue(lot("C"), "a.unalloc", 1_000));
    orders.iter().enumerate().map(|(at, order)| on("2026-01-01").command(&format!("s{at}"), order)).collect()
}

/// The command of a key with some content: money that comes in under one reference of the bank.
fn command(key: usize, content: usize) -> Command {
    on("2026-05-01").command(&format!("k{key}"), &cash("C", 1, &format!("bank {content}")))
}

impl World {
    pub fn new(random: Random, disk: Disk) -> Self {
        let clock = Arc::new(AtomicI64::new(1_780_000_000_000_000_000));
        let log = new_log();
        let views = Arc::default();
        let steps = opened(&log, disk, &clock, &views).unwrap();
        let (asked, sent, known, counts) = (Vec::new(), Vec::new(), BTreeMap::new(), Counts::default());
        let mut world = Self { random, disk, log, clock, steps, views, asked, sent, known, contents: 0, counts };
        let mut answer = world.steps.post(set_up());
        world.steps.close_group();
        world.steps.commit();
        assert!(answer.try_recv().unwrap().unwrap().iter().all(|outcome| matches!(outcome, Outcome::Accepted(_))));
        world
    }

    /// Does something.
    pub fn step(&mut self) -> Result<(), String> {
        match self.random.below(100) {
            0..50 => self.post(),
            50..70 => self.close_group(),
            70..90 => self.commit(),
            90..94 => self.jump(),
            94..96 => {
                let failure = if self.random.below(2) == 0 { Failure::Write } else { Failure::Sync };
                if self.disk != Disk::SaysDurableTooEarly {
                    self.log.fail_after(0, failure);
                }
            }
            96..98 => {
                self.counts.kills += 1;
                self.restart(&|_| true)?;
            }
            98 => {
                self.counts.power_cuts += 1;
                let pattern = self.random.below(1 << 16);
                self.restart(&|at| pattern >> (at % 16) & 1 == 1)?;
            }
            _ => self.compare_live_with_replayed()?,
        }
        self.hear()?;
        if self.steps.has_failed() && self.random.below(4) == 0 {
            self.counts.power_cuts += 1;
            self.restart(&|_| false)?;
        }
        Ok(())
    }

    /// Commits everything and compares once more.
    pub fn end(&mut self) -> Result<(), String> {
        self.restart(&|_| true)?;
        self.compare_live_with_replayed()
    }

    fn post(&mut self) {
        let count = 1 + self.random.below(5);
        let keys: Vec<(usize, usize)> = (0..count).map(|_| self.choose()).collect();
        let commands = keys.iter().map(|(key, content)| command(*key, *content)).collect();
        let answer = self.steps.post(commands);
        self.asked.push(Asked { keys, answer });
    }

    /// A key and its content: mostly new, or sent before, with the same content or another; now and then a reference of the bank
    /// that was used, which the rules refuse.
    fn choose(&mut self) -> (usize, usize) {
        let kind = self.random.below(20);
        if self.sent.is_empty() || kind < 12 {
            self.sent.push(self.contents);
            self.contents += 1;
            return (self.sent.len() - 1, self.contents - 1);
        }
        let key = self.random.below(self.sent.len());
        match kind {
            12..17 => (key, self.sent[key]),
            17..19 => (key, self.sent[key] + 1),
            _ => {
                let used = self.sent[key];
                self.sent.push(used);
                (self.sent.len() - 1, used)
            }
        }
    }

    fn close_group(&mut self) {
        if self.steps.waiting() < WAITING_MAX {
            self.steps.close_group();
        }
    }

    fn commit(&mut self) {
        let before = self.steps.has_failed();
        self.steps.commit();
        self.counts.failures += usize::from(!before && self.steps.has_failed());
    }

    fn jump(&mut self) {
        let years = i64::try_from(self.random.below(7)).unwrap() - 3;
        self.clock.fetch_add(years * NANOSECONDS_A_YEAR + 1_000, Ordering::Relaxed);
    }

    /// Takes in the answers that have come.
    fn hear(&mut self) -> Result<(), String> {
        let mut waiting = Vec::new();
        for mut asked in std::mem::take(&mut self.asked) {
            match asked.answer.try_recv() {
                Err(tokio::sync::oneshot::error::TryRecvError::Empty) => waiting.push(asked),
                Err(error) => return Err(format!("a request was never answered: {error}")),
                Ok(Err(Unavailable::OutcomeUnknown(_) | Unavailable::ReadOnly(_))) => self.counts.unknown += 1,
                Ok(Err(why)) => return Err(format!("a request was refused: {why}")),
                Ok(Ok(outcomes)) => {
                    for ((key, content), outcome) in asked.keys.iter().zip(outcomes) {
                        self.learn(*key, *content, &outcome)?;
                    }
                }
            }
        }
        self.asked = waiting;
        Ok(())
    }

    fn learn(&mut self, key: usize, content: usize, outcome: &Outcome) -> Result<(), String> {
        let (now, is_replayed) = match outcome {
            Outcome::Accepted(receipt) => (Known::Accepted(receipt.sequence, receipt.entry_hash), receipt.replayed),
            Outcome::Refused { sequence: Some(sequence), replayed, .. } => (Known::Refused(*sequence), *replayed),
            Outcome::KeyReused { original_sequence, .. } => {
                self.counts.reused += 1;
                return match self.known.get(&key) {
                    Some((Known::Accepted(sequence, _) | Known::Refused(sequence), first))
                        if first == &content || sequence != original_sequence =>
                    {
                        Err(format!("key {key} with its own content is said to be used at {original_sequence}"))
                    }
                    _ => Ok(()),
                };
            }
            other => return Err(format!("key {key} was answered with {other:?}")),
        };
        match self.known.get(&key) {
            Some((known, first)) if known != &now || first != &content => {
                return Err(format!("key {key} was answered with {known:?}, and now with {now:?}"));
            }
            Some(_) if !is_replayed => return Err(format!("key {key} was posted twice: {now:?}")),
            Some(_) => self.counts.replayed += 1,
            None => {
                match now {
                    Known::Accepted(..) => self.counts.accepted += 1,
                    Known::Refused(_) => self.counts.refused += 1,
                }
                self.known.insert(key, (now, content));
            }
        }
        Ok(())
    }

    /// The process is gone, or the machine: of what was not synced, `survives` says what is left.
    fn restart(&mut self, survives: &dyn Fn(usize) -> bool) -> Result<(), String> {
        self.asked.clear();
        let left = self.log.after_power_cut(survives);
        if self.disk == Disk::LosesWhatWasSynced && self.random.below(4) == 0 {
            left.tamper(|values| drop(values.pop_last()));
        }
        self.views = Arc::default();
        let opened = opened(&left, self.disk, &self.clock, &self.views);
        match opened {
            Ok(steps) => self.steps = steps,
            // A block in the middle did not survive and later ones did: a store that writes in order leaves no such thing. The
            // others are left then, as if the power had gone a moment earlier.
            Err(_) if (0..16).any(survives) && !(0..16).all(survives) => return self.restart(&|_| false),
            Err(why) => return Err(why),
        }
        self.log = left;
        self.check_log()
    }

    /// Everything known is in the log, each key once, without a gap.
    fn check_log(&self) -> Result<(), String> {
        let committed = self.steps.committed();
        let mut hashes = Vec::new();
        for sequence in 0..=committed.sequence {
            let entry = self.log.entry_at(sequence).map_err(|fault| fault.to_string())?;
            hashes.push(EntryHash::of(&entry.ok_or_else(|| format!("sequence {sequence} is missing"))?));
        }
        for (key, (known, _)) in &self.known {
            let (sequence, hash) = match known {
                Known::Accepted(sequence, hash) => (*sequence, Some(*hash)),
                Known::Refused(sequence) => (*sequence, None),
            };
            let found = usize::try_from(sequence).ok().and_then(|at| hashes.get(at));
            if found.is_none_or(|found| hash.is_some_and(|hash| hash != *found)) {
                return Err(format!("key {key} was acknowledged at {sequence} and is gone"));
            }
        }
        let mut seen = BTreeSet::new();
        for event in events(&self.log, committed) {
            if let Some(id) = event.request_id()
                && !seen.insert(id.as_str().to_owned())
            {
                return Err(format!("{} is in the log twice", id.as_str()));
            }
        }
        Ok(())
    }

    /// Commits everything; then a second ledger on a copy of what is durable must know the same, and so must its views.
    fn compare_live_with_replayed(&mut self) -> Result<(), String> {
        self.steps.close_group();
        while self.steps.waiting() > 0 && !self.steps.has_failed() {
            self.commit();
        }
        self.hear()?;
        if self.steps.has_failed() {
            return Ok(());
        }
        let copy = self.log.after_power_cut(|_| false);
        let other = opened(&copy, Disk::Sound, &self.clock, &Arc::default())?;
        if other.committed() != self.steps.committed() {
            let (durable, live) = (other.committed().sequence, self.steps.committed().sequence);
            return Err(format!("{live} is acknowledged, {durable} is durable"));
        }
        if other.state() != self.steps.state() {
            return Err("what is replayed differs from what was live".to_owned());
        }
        if *self.views.lock().unwrap() != rebuilt(&copy, other.committed()) {
            return Err("the views differ from those built again".to_owned());
        }
        Ok(())
    }
}

/// A ledger on a log, with views that follow it.
fn opened(log: &MemoryLog, disk: Disk, clock: &Arc<AtomicI64>, views: &Arc<Mutex<Views>>) -> Result<Steps, String> {
    let own: Box<dyn Log> = match disk {
        Disk::SaysDurableTooEarly => Box::new(Early(log.clone())),
        Disk::Sound | Disk::LosesWhatWasSynced => Box::new(log.clone()),
    };
    let clock = Box::new(SetClock(Arc::clone(clock)));
    let steps = Steps::open(own, &digests(), clock, sink_into(views)).map_err(|error| error.to_string())?;
    *views.lock().unwrap() = rebuilt(log, steps.committed());
    Ok(steps)
}
