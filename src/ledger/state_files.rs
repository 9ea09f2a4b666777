//! Snapshots of the state: what they hold of the tables that grow with every event lies in chunks, written once each.
//!
//! They shorten a start, and nothing else: whatever is missing or damaged costs a longer replay.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::chunk_files::{ChunkFiles, ChunkWriter, Place};
use super::snapshot::{self, Taken};
use super::snapshot_files::{Found, SnapshotFiles};
use crate::domain::rows::{CHUNK_ROWS, Rows, TextChunk};
use crate::domain::state::{Payment, State};
use crate::domain::time::UtcNanos;
use crate::domain::vouchers::{ListedPayments, Payments};
use crate::format::fingerprint::FingerprintTable;
use crate::format::record::Head;
use crate::format::stored::{Malformed, Stored, put_text, take_text};
use crate::log::Fault;

/// Chunks that are read ahead.
const CHUNKS_AHEAD: usize = 4;
/// Bytes of chunks that nobody needs any more are left until they are as many as the others, and more than this.
const WASTE_BYTES: u64 = 64 << 20;

/// A chunk as it was written. Whoever changes it later makes another of it, and this one is gone.
type WrittenKeys = (Weak<Vec<u64>>, Place);
type WrittenPayments = (Weak<Vec<Payment>>, Weak<TextChunk>, Place);

/// What lies in files already.
#[derive(Debug, Default)]
struct Written {
    keys: Vec<WrittenKeys>,
    payments: Vec<WrittenPayments>,
    /// Files that the newest snapshot refers to.
    files: BTreeSet<u64>,
}

/// The state, the keys, and when the last event was booked.
pub(super) type Loaded = (State, FingerprintTable, UtcNanos);

/// Snapshots of the state, and the chunks that they refer to.
#[derive(Clone, Debug)]
pub(super) struct StateFiles {
    snapshots: SnapshotFiles,
    chunks: ChunkFiles,
    written: Arc<Mutex<Written>>,
    /// What the newest snapshot is as of; -1 for none.
    newest_sequence: Arc<AtomicI64>,
    waste_bytes: u64,
}

/// A snapshot, but for its chunks.
pub(super) struct Manifest {
    keys: Vec<Place>,
    payments: Vec<Place>,
    state: State,
    booked_at: UtcNanos,
}

impl StateFiles {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            snapshots: SnapshotFiles::new(directory.clone(), snapshot::LAYOUT),
            chunks: ChunkFiles::new(directory, snapshot::CHUNKS_LAYOUT),
            written: Arc::default(),
            newest_sequence: Arc::new(AtomicI64::new(-1)),
            waste_bytes: WASTE_BYTES,
        }
    }

    /// The newest snapshot that reads back as it was written, where `fits` says so.
    pub(super) fn newest(
        &self,
        fits: impl FnOnce(Head) -> Result<bool, Fault>,
    ) -> Result<Option<(Head, Option<Manifest>)>, Fault> {
        let Some(Found { head, body }) = self.snapshots.newest() else { return Ok(None) };
        let manifest = fits(head)?.then(|| Manifest::decode(body.bytes()).ok()).flatten();
        Ok(Some((head, manifest)))
    }

    /// What the newest snapshot of this ledger is as of; -1 for none.
    pub(super) fn newest_sequence(&self) -> i64 {
        self.newest_sequence.load(Ordering::Relaxed)
    }

    /// The ledger goes on from the snapshot at this head.
    pub(super) fn resume(&self, head: Head) {
        self.newest_sequence.store(head.sequence, Ordering::Relaxed);
    }

    /// The state and the keys of a snapshot. What is looked up by is made again, that of the keys beside what follows them.
    pub(super) fn load(&self, manifest: Manifest) -> Option<Loaded> {
        let Manifest { keys, payments, mut state, booked_at } = manifest;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let (sender, chunks) = sync_channel(CHUNKS_AHEAD);
        let places = [keys.as_slice(), payments.as_slice()].concat();
        let loaded: Result<_, Malformed> = std::thread::scope(|scope| {
            scope.spawn(|| {
                // What is missing is noticed by whoever waits for it.
                if self.chunks.read(&places, |chunk| sender.send(chunk).is_ok()).is_err() {
                    tracing::warn!("a part of a snapshot is damaged; replaying the log");
                }
                drop(sender);
            });
            let listed = decode_keys(keys.len(), &chunks)?;
            written.keys = listed.chunks().iter().map(Arc::downgrade).zip(keys).collect();
            let table = scope.spawn(|| FingerprintTable::of(listed));
            let listed = decode_payments(payments.len(), &chunks)?;
            written.payments = (listed.chunks().zip(payments))
                .map(|((rows, numbers), place)| (Arc::downgrade(rows), Arc::downgrade(numbers), place))
                .collect();
            state.payments = Payments::of(listed);
            drop(chunks);
            Ok((state, table.join().map_err(|_| Malformed)?, booked_at))
        });
        written.files = places.iter().map(Place::file).collect();
        if loaded.is_err() {
            *written = Written::default();
        }
        loaded.ok()
    }

    /// Writes a snapshot: itself, and the chunks that have changed since the last one.
    pub(super) fn write(&self, head: Head, taken: &Taken) -> Result<(), Fault> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = |written: &Written| {
            let keys = written.keys.iter().map(|(_, place)| place.length());
            keys.chain(written.payments.iter().map(|(.., place)| place.length())).sum::<u64>()
        };
        let all = self.chunks.bytes_of(&written.files);
        if all > bytes(&written).saturating_mul(2).saturating_add(self.waste_bytes) {
            // Most of what is there is of no use any more: all is written anew.
            written.keys.clear();
            written.payments.clear();
        }
        let mut chunks = self.chunks.writer();
        let keys = write_keys(taken, &written.keys, &mut chunks)?;
        let payments = write_payments(taken, &written.payments, &mut chunks)?;
        chunks.finish()?;
        let places = |keys: &[WrittenKeys], payments: &[WrittenPayments]| -> (Vec<Place>, Vec<Place>) {
            (keys.iter().map(|(_, place)| *place).collect(), payments.iter().map(|(.., place)| *place).collect())
        };
        let (keys_at, payments_at) = places(&keys, &payments);
        let mut body = Vec::new();
        keys_at.put(&mut body);
        payments_at.put(&mut body);
        body.extend_from_slice(taken.state());
        self.snapshots.write(head, &body)?;
        self.resume(head);
        let files: BTreeSet<u64> = keys_at.iter().chain(&payments_at).map(Place::file).collect();
        // The snapshot before this one is kept, and with it what it refers to.
        let kept = files.union(&written.files).copied().collect();
        *written = Written { keys, payments, files };
        self.chunks.keep(&kept);
        Ok(())
    }

    /// Writes one off the committer's thread.
    pub(super) fn write_behind(&self, head: Head, taken: Taken) {
        let files = self.clone();
        let spawned = std::thread::Builder::new().name("snapshot".to_owned()).spawn(move || {
            if let Err(fault) = files.write(head, &taken) {
                tracing::warn!(%fault, "a snapshot could not be written; the next start replays more");
            }
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "a snapshot could not be written; the next start replays more");
        }
    }
}

impl Manifest {
    fn decode(mut bytes: &[u8]) -> Result<Self, Malformed> {
        let (keys, payments) = (Stored::take(&mut bytes)?, Stored::take(&mut bytes)?);
        let (state, booked_at) = snapshot::decode(bytes)?;
        Ok(Self { keys, payments, state, booked_at })
    }
}

fn write_keys(taken: &Taken, known: &[WrittenKeys], chunks: &mut ChunkWriter<'_>) -> Result<Vec<WrittenKeys>, Fault> {
    let mut written = Vec::new();
    let mut bytes = Vec::new();
    for (at, chunk) in taken.keys().chunks().iter().enumerate() {
        let is_known = |(weak, _): &&WrittenKeys| std::ptr::eq(weak.as_ptr(), Arc::as_ptr(chunk));
        let place = if let Some((_, place)) = known.get(at).filter(is_known) {
            *place
        } else {
            bytes.clear();
            chunk.iter().for_each(|fingerprint| fingerprint.put(&mut bytes));
            chunks.write(&bytes)?
        };
        written.push((Arc::downgrade(chunk), place));
    }
    Ok(written)
}

fn write_payments(
    taken: &Taken,
    known: &[WrittenPayments],
    chunks: &mut ChunkWriter<'_>,
) -> Result<Vec<WrittenPayments>, Fault> {
    let mut written = Vec::new();
    let mut bytes = Vec::new();
    for (at, (rows, numbers)) in taken.payments().chunks().enumerate() {
        let is_known = |(weak_rows, weak_numbers, _): &&WrittenPayments| {
            std::ptr::eq(weak_rows.as_ptr(), Arc::as_ptr(rows))
                && std::ptr::eq(weak_numbers.as_ptr(), Arc::as_ptr(numbers))
        };
        let place = if let Some((.., place)) = known.get(at).filter(is_known) {
            *place
        } else {
            bytes.clear();
            for (at, payment) in rows.iter().enumerate() {
                put_text(numbers.get(at).unwrap_or_default(), &mut bytes);
                payment.put(&mut bytes);
            }
            chunks.write(&bytes)?
        };
        written.push((Arc::downgrade(rows), Arc::downgrade(numbers), place));
    }
    Ok(written)
}

/// The next chunk; those before the last must be full, so that each stays in its place.
fn next(chunks: &Receiver<Vec<u8>>, rows_before: usize) -> Result<Vec<u8>, Malformed> {
    if !rows_before.is_multiple_of(CHUNK_ROWS) {
        return Err(Malformed);
    }
    chunks.recv().map_err(|_| Malformed)
}

fn decode_keys(count: usize, chunks: &Receiver<Vec<u8>>) -> Result<Rows<u64>, Malformed> {
    let mut listed = Rows::default();
    for _ in 0..count {
        let chunk = next(chunks, listed.len())?;
        let mut bytes = chunk.as_slice();
        while !bytes.is_empty() {
            listed.push(u64::take(&mut bytes)?);
        }
    }
    Ok(listed)
}

fn decode_payments(count: usize, chunks: &Receiver<Vec<u8>>) -> Result<ListedPayments, Malformed> {
    let mut listed = ListedPayments::default();
    for _ in 0..count {
        let chunk = next(chunks, listed.len())?;
        let mut bytes = chunk.as_slice();
        while !bytes.is_empty() {
            listed.push(take_text(&mut bytes)?, Stored::take(&mut bytes)?);
        }
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{PaymentId, Sequence};
    use crate::format::record::EntryHash;

    fn head(sequence: i64) -> Head {
        Head { sequence, hash: EntryHash([1; 32]) }
    }

    /// Payments and keys of events up to a number, most of which have both.
    fn grow(state: &mut State, keys: &mut FingerprintTable, numbers: std::ops::Range<u64>) {
        for number in numbers {
            let sequence = i64::try_from(number).unwrap();
            let payment = Payment { sequence: Sequence(sequence), ..Payment::default() };
            state.payments.insert(&PaymentId::stored(format!("voucher-{number}")), payment);
            if number % 7 > 0 {
                keys.insert(fingerprint(number), sequence);
            }
        }
    }

    const fn fingerprint(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// As another program would find it.
    fn found(directory: &tempfile::TempDir) -> Option<(Head, Option<Loaded>)> {
        loaded(&StateFiles::new(directory.path().to_owned()))
    }

    fn loaded(files: &StateFiles) -> Option<(Head, Option<Loaded>)> {
        let (head, manifest) = files.newest(|_| Ok(true)).unwrap()?;
        Some((head, manifest.and_then(|manifest| files.load(manifest))))
    }

    fn is_whole(directory: &tempfile::TempDir, at: i64, state: &State, keys: &FingerprintTable) -> bool {
        let (found, loaded) = found(directory).unwrap();
        let (again, keys_again, booked_at) = loaded.unwrap();
        let count = u64::try_from(keys.listed().len()).unwrap();
        let has_all = (1..count).filter(|number| number % 7 > 0).all(|number| {
            let found = keys_again.candidates(fingerprint(number));
            found.eq([i64::try_from(number).unwrap()])
        });
        found == head(at)
            && booked_at == UtcNanos(at)
            && again.payments == state.payments
            && keys_again.listed() == keys.listed()
            && has_all
    }

    fn chunk_bytes(directory: &std::path::Path) -> Vec<u64> {
        let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
        let chunks = entries.filter(|entry| entry.path().extension().unwrap() == snapshot::CHUNKS_LAYOUT);
        let mut bytes: Vec<_> = chunks.map(|entry| (entry.file_name(), entry.metadata().unwrap().len())).collect();
        bytes.sort();
        bytes.into_iter().map(|(_, bytes)| bytes).collect()
    }

    #[test]
    fn what_has_not_changed_is_not_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let files = StateFiles::new(directory.path().to_owned());
        let (mut state, mut keys) = (State::default(), FingerprintTable::default());
        let take = |state: &State, keys: &FingerprintTable, at| snapshot::take(state, keys, UtcNanos(at));
        grow(&mut state, &mut keys, 0..200_000);
        files.write(head(1), &take(&state, &keys, 1)).unwrap();
        assert!(is_whole(&directory, 1, &state, &keys));
        let first = chunk_bytes(directory.path())[0];

        // A thousand more, and one that changes in the middle: two chunks of payments and one of keys.
        grow(&mut state, &mut keys, 200_000..201_000);
        let changed = PaymentId::stored("voucher-50000".to_owned());
        let payment = Payment { returned_minor: 7, ..*state.payments.get(&changed).unwrap() };
        state.payments.insert(&changed, payment);
        files.write(head(2), &take(&state, &keys, 2)).unwrap();
        assert!(is_whole(&directory, 2, &state, &keys));
        let written = chunk_bytes(directory.path());
        assert!(written.len() == 2 && written[1] < first / 4, "{written:?}");

        // Another program goes on from there.
        let again = StateFiles::new(directory.path().to_owned());
        let (_, loaded_again) = loaded(&again).unwrap();
        let (mut state, mut keys, _) = loaded_again.unwrap();
        grow(&mut state, &mut keys, 201_000..201_001);
        again.write(head(3), &take(&state, &keys, 3)).unwrap();
        assert!(is_whole(&directory, 3, &state, &keys));
        let written = chunk_bytes(directory.path());
        assert!(written.len() == 3 && written[2] < first / 4, "{written:?}");
        // Nothing has changed: nothing is written.
        again.write(head(4), &take(&state, &keys, 4)).unwrap();
        assert_eq!(chunk_bytes(directory.path()).len(), 3);
        assert!(is_whole(&directory, 4, &state, &keys));
    }

    #[test]
    fn what_is_of_no_use_any_more_goes() {
        let directory = tempfile::tempdir().unwrap();
        let files = StateFiles { waste_bytes: 1 << 20, ..StateFiles::new(directory.path().to_owned()) };
        let (mut state, mut keys) = (State::default(), FingerprintTable::default());
        grow(&mut state, &mut keys, 0..200_000);
        let (mut most, mut rounds_kept) = (0, 0);
        let all: Vec<usize> = (0..200_000).step_by(CHUNK_ROWS).collect();
        for (round, of_round) in (1..).zip(0..all.len()) {
            // One chunk fewer changes each time: each file is of use for one chunk.
            for number in &all[of_round..] {
                let changed = PaymentId::stored(format!("voucher-{number}"));
                let payment = Payment { returned_minor: round, ..*state.payments.get(&changed).unwrap() };
                state.payments.insert(&changed, payment);
            }
            files.write(head(round), &snapshot::take(&state, &keys, UtcNanos(round))).unwrap();
            let bytes = chunk_bytes(directory.path());
            rounds_kept = rounds_kept.max(bytes.len());
            most = most.max(bytes.into_iter().sum());
        }
        let last = i64::try_from(all.len()).unwrap();
        assert!(is_whole(&directory, last, &state, &keys));
        let written = files.written.lock().unwrap();
        let keys = written.keys.iter().map(|(_, place)| place.length());
        let once: u64 = keys.chain(written.payments.iter().map(|(.., place)| place.length())).sum();
        // What is of use, as much again, and what the snapshot before needs.
        assert!(rounds_kept > 2 && most < 4 * once, "{most} bytes for {once}, {rounds_kept} files");
    }

    #[test]
    fn a_damaged_part_costs_a_replay() {
        let directory = tempfile::tempdir().unwrap();
        let files = StateFiles::new(directory.path().to_owned());
        let (mut state, mut keys) = (State::default(), FingerprintTable::default());
        grow(&mut state, &mut keys, 0..40_000);
        files.write(head(1), &snapshot::take(&state, &keys, UtcNanos(1))).unwrap();
        let chunks = directory.path().join(format!("{:020}.{}", 1, snapshot::CHUNKS_LAYOUT));
        let whole = std::fs::read(&chunks).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&chunks, damaged).unwrap();
            let (found, loaded) = found(&directory).unwrap();
            assert!(found == head(1) && loaded.is_none(), "damaged at {at}");
        }
        std::fs::write(&chunks, &whole[..whole.len() - 1]).unwrap();
        assert!(found(&directory).unwrap().1.is_none());
        std::fs::remove_file(&chunks).unwrap();
        assert!(found(&directory).unwrap().1.is_none());
        // What is written next is whole again.
        let files = StateFiles::new(directory.path().to_owned());
        assert!(loaded(&files).unwrap().1.is_none());
        files.write(head(2), &snapshot::take(&state, &keys, UtcNanos(2))).unwrap();
        assert!(is_whole(&directory, 2, &state, &keys));
    }
}
