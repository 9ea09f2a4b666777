//! A log in memory for tests: live and durable bytes apart, and faults on order. What was never synced can be lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{AppendError, Fault, Log, LogRead, Values, owned};
use crate::format::block::{Assembler, Block, key, parse_key, parse_value};
use crate::format::record::Head;

type Bytes = BTreeMap<Vec<u8>, Vec<u8>>;

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The write fails: nothing reaches the store.
    Write,
    /// The write reaches the store, the sync fails.
    Sync,
}

#[derive(Debug, Default)]
struct Store {
    live: Bytes,
    durable: Bytes,
    failure: Option<(u32, Failure)>,
}

/// A log in memory. Clones share the same bytes.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    store: Arc<Mutex<Store>>,
    head: Head,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self { store: Arc::default(), head: Head::EMPTY }
    }
}

impl MemoryLog {
    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    /// The append after `appends` more fails.
    pub fn fail_after(&self, appends: u32, failure: Failure) {
        self.store().failure = Some((appends, failure));
    }

    /// What a power cut leaves: the durable bytes, and of the values that were not synced those that `survives` picks, by
    /// their place in key order.
    #[must_use]
    pub fn after_power_cut(&self, mut survives: impl FnMut(usize) -> bool) -> Self {
        let store = self.store();
        let mut left = store.durable.clone();
        let unsynced = store.live.iter().filter(|(key, _)| !store.durable.contains_key(*key));
        for (at, (key, value)) in unsynced.enumerate() {
            if survives(at) {
                left.insert(key.clone(), value.clone());
            }
        }
        drop(store);
        let store = Store { live: left.clone(), durable: left, failure: None };
        Self { store: Arc::new(Mutex::new(store)), head: Head::EMPTY }
    }

    /// Takes the last of these blocks for the head, whatever became of them: for a log that lies.
    pub fn advance(&mut self, blocks: &[Block]) {
        if let Some(last) = blocks.last() {
            self.head = last.head;
        }
    }

    /// Changes a stored value, as someone at the disk could.
    pub fn tamper(&self, edit: impl FnOnce(&mut BTreeMap<Vec<u8>, Vec<u8>>)) {
        let mut store = self.store();
        edit(&mut store.live);
        store.durable = store.live.clone();
    }
}

fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    // A test that panicked while holding it has failed already.
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log for MemoryLog {
    fn head(&self) -> Head {
        self.head
    }

    fn append(&mut self, expected: Head, blocks: &[Block]) -> Result<(), AppendError> {
        if expected != self.head {
            return Err(AppendError::Conflict { head: self.head });
        }
        let mut store = lock(&self.store);
        let failure = match store.failure.take() {
            Some((0, failure)) => Some(failure),
            Some((appends, failure)) => {
                store.failure = Some((appends.saturating_sub(1), failure));
                None
            }
            None => None,
        };
        if failure == Some(Failure::Write) {
            return Err(AppendError::Unknown(Fault::new("writing to memory", "a fault on order")));
        }
        let values: Vec<_> = blocks.iter().flat_map(Block::to_values).map(owned).collect();
        store.live.extend(values.iter().cloned());
        if failure == Some(Failure::Sync) {
            return Err(AppendError::Unknown(Fault::new("syncing memory", "a fault on order")));
        }
        store.durable.extend(values);
        drop(store);
        self.advance(blocks);
        Ok(())
    }

    fn adopt(&mut self, head: Head, remove: &[Vec<u8>]) -> Result<(), Fault> {
        let mut store = lock(&self.store);
        for key in remove {
            store.live.remove(key);
        }
        store.durable = store.live.clone();
        drop(store);
        self.head = head;
        Ok(())
    }

    fn reader(&self) -> Arc<dyn LogRead> {
        Arc::new(self.clone())
    }
}

impl LogRead for MemoryLog {
    fn block_at(&self, sequence: i64) -> Result<Option<Block>, Fault> {
        let store = self.store();
        let last = store.live.range(..=key(sequence, u8::MAX).to_vec()).next_back();
        let first = last.and_then(|(key, _)| parse_key(key)).map(|(first_sequence, _)| first_sequence);
        let Some(first) = first else { return Ok(None) };
        let mut assembler = Assembler::default();
        for (key, value) in store.live.range(key(first, 0).to_vec()..) {
            if let Some(block) = assembler.push(parse_value(key, value)?)? {
                return Ok(Some(block).filter(|block| block.head.sequence >= sequence));
            }
        }
        Ok(None)
    }

    fn values_from(&self, key: &[u8]) -> Values<'_> {
        let values: Vec<_> =
            self.store().live.range(key.to_vec()..).map(|(k, v)| Ok((k.clone(), v.clone().into()))).collect();
        Box::new(values.into_iter())
    }
}
