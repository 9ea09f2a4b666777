//! A copy of the entries in flat files, so that one entry is one short read. The store of the log reads a page of some eight
//! blocks for the sake of one entry; whoever follows ten thousand payments through a million events would read all of it.
//!
//! The log remains the truth. The copy is written behind it without a sync; each entry carries a checksum, and whatever is
//! missing here or damaged is read from the log. So it can cost time, but never an answer. Where it goes on behind the end of
//! the log it may be all that is left of acknowledged events: then nothing in it is changed.
//!
//! ```text
//! NNNNNNNNNNNNNNNNNNNN.entries   length (2) ‖ entry, for each entry from sequence N on
//! NNNNNNNNNNNNNNNNNNNN.places    offset of the entry's length (8) ‖ CRC-32 of the entry (4), for each
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::files::create_directory;
use super::sled::sync_directory;
use super::{Fault, LogRead, Values, blocks_between};
use crate::format::block::Block;
use crate::format::record::HASH_BYTES;

/// Entries of a pair of files: their number fixes which pair holds a sequence.
const ENTRIES_A_FILE: i64 = 1 << 20;
/// An offset and a checksum.
const PLACE_BYTES: u64 = 8 + 4;
/// What most entries fit in, with their length: read at once.
const USUAL_BYTES: usize = 512;
const LENGTH_BYTES: usize = 2;
/// No entry is shorter than its link.
const SHORTEST: usize = LENGTH_BYTES + HASH_BYTES;

/// The copy: one thread appends, any number read.
#[derive(Debug)]
pub struct EntryFiles {
    directory: PathBuf,
    entries_a_file: i64,
    files: RwLock<Vec<Arc<Pair>>>,
    // The first sequence that is not in it.
    next: AtomicI64,
    // The first sequence that was not synced.
    synced: AtomicI64,
    // It could not be written: it ends here until the next start.
    is_given_up: AtomicBool,
    // The last sequence on disk, where the log ends before it.
    beyond: Option<i64>,
}

#[derive(Debug)]
struct Pair {
    entries: File,
    places: File,
}

impl Pair {
    fn open(directory: &Path, first_sequence: i64) -> io::Result<Self> {
        let open = |suffix: &str| {
            let path = directory.join(format!("{first_sequence:020}.{suffix}"));
            OpenOptions::new().read(true).append(true).create(true).open(path)
        };
        Ok(Self { entries: open("entries")?, places: open("places")? })
    }

    /// A pair that is there, for reading; `None` where half of it is missing.
    fn find(places: &Path) -> io::Result<Option<Self>> {
        match (File::open(places.with_extension("entries")), File::open(places)) {
            (Ok(entries), Ok(places)) => Ok(Some(Self { entries, places })),
            (Err(error), _) | (_, Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(None),
        }
    }

    fn append(&self, records: &[u8], places: &[u8]) -> io::Result<()> {
        (&self.entries).write_all(records)?;
        (&self.places).write_all(places)
    }

    /// An entry by its number within the pair; `None` where it is not there as it was written.
    fn read(&self, number: u64) -> Option<Vec<u8>> {
        let mut place = [0; 12];
        self.places.read_exact_at(&mut place, number.checked_mul(PLACE_BYTES)?).ok()?;
        let (offset, checksum) = place.split_first_chunk::<8>()?;
        let offset = u64::from_be_bytes(*offset);
        let mut bytes = vec![0; USUAL_BYTES];
        let read = read_up_to(&self.entries, &mut bytes, offset).ok()?;
        let (length, _) = bytes.get(..read)?.split_first_chunk::<LENGTH_BYTES>()?;
        let end = usize::from(u16::from_be_bytes(*length)).checked_add(LENGTH_BYTES)?;
        if end < SHORTEST {
            // A hole that a power cut left: zeros are the checksum of nothing.
            return None;
        }
        if end > read {
            bytes.resize(end, 0);
            self.entries.read_exact_at(&mut bytes, offset).ok()?;
        }
        bytes.truncate(end);
        let entry = bytes.split_off(LENGTH_BYTES);
        (crc32fast::hash(&entry).to_be_bytes() == *checksum).then_some(entry)
    }

    /// How many entries are there whole, the last of them looked at, and where they end. Changes nothing.
    fn whole(&self, most: i64) -> io::Result<(u64, u64)> {
        let places = self.places.metadata()?.len();
        let mut count = (places / PLACE_BYTES).min(u64::try_from(most).unwrap_or_default());
        let mut end = 0;
        while let Some(last) = count.checked_sub(1) {
            let mut place = [0; 8];
            self.places.read_exact_at(&mut place, last.saturating_mul(PLACE_BYTES))?;
            if let Some(entry) = self.read(last) {
                let length = u64::try_from(entry.len().saturating_add(LENGTH_BYTES)).unwrap_or(u64::MAX);
                end = u64::from_be_bytes(place).saturating_add(length);
                break;
            }
            count = last;
        }
        Ok((count, end))
    }

    /// How many entries are there whole; cuts off what is behind them.
    fn recover(&self, most: i64) -> io::Result<i64> {
        let (count, end) = self.whole(most)?;
        self.entries.set_len(end)?;
        self.places.set_len(count.saturating_mul(PLACE_BYTES))?;
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// Fills as much of the buffer as the file has.
fn read_up_to(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(bytes, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

impl EntryFiles {
    /// Opens the copy in a directory and brings it up to a sequence of the log. What does not continue this very log is
    /// made anew; what goes on behind it is left as it is, and not used.
    pub fn open(directory: &Path, log: &dyn LogRead, committed: i64) -> Result<Self, Fault> {
        Self::with(directory, log, committed, ENTRIES_A_FILE)
    }

    fn with(directory: &Path, log: &dyn LogRead, committed: i64, entries_a_file: i64) -> Result<Self, Fault> {
        let found = create_directory(directory).and_then(|()| match last_on_disk(directory, entries_a_file)? {
            Some(last) if last > committed => Ok((Some(last), (Vec::new(), 0))),
            _ => Ok((None, recovered(directory, entries_a_file)?)),
        });
        let (is_given_up, (beyond, (pairs, next))) = match found {
            Ok(found) => (found.0.is_some(), found),
            Err(error) => {
                tracing::error!(%error, "the copy of the entries cannot be used; nothing is signed until a restart");
                (true, (None, (Vec::new(), 0)))
            }
        };
        let files = Self {
            directory: directory.to_owned(),
            entries_a_file,
            files: RwLock::new(pairs),
            next: AtomicI64::new(next),
            synced: AtomicI64::new(0),
            is_given_up: AtomicBool::new(is_given_up),
            beyond,
        };
        // The links make an equal last entry a proof that all before it were the same.
        let last = next.saturating_sub(1);
        if next > 0 && files.read(last) != log.entry_at(last)? {
            tracing::warn!("the copy of the entries is of another log; making it again");
            if let Err(error) = files.clear() {
                files.give_up(&error);
            }
        }
        if files.is_given_up.load(Ordering::Relaxed) {
            return Ok(files);
        }
        for block in blocks_between(log, files.next(), committed) {
            files.append(&[block?]);
            if files.is_given_up.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(files)
    }

    fn give_up(&self, error: &io::Error) {
        self.is_given_up.store(true, Ordering::Relaxed);
        tracing::error!(%error, "the copy of the entries could not be written; nothing is signed until a restart");
    }

    fn clear(&self) -> io::Result<()> {
        self.files.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.next.store(0, Ordering::Release);
        for file in fs::read_dir(&self.directory)? {
            fs::remove_file(file?.path())?;
        }
        Ok(())
    }

    /// Whether it could not be written, or must not be: it ends where it does until the next start.
    pub fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed)
    }

    /// The last sequence that lies on disk, where the log ended before it at the start.
    pub const fn beyond(&self) -> Option<i64> {
        self.beyond
    }

    /// The first sequence that is not in it.
    pub fn next(&self) -> i64 {
        self.next.load(Ordering::Acquire)
    }

    /// Makes everything copied so far survive a power cut.
    pub fn sync(&self) -> Result<(), Fault> {
        let next = self.next();
        let file = |sequence: i64| usize::try_from(sequence.div_euclid(self.entries_a_file)).unwrap_or(usize::MAX);
        let first = file(self.synced.load(Ordering::Acquire));
        let pairs: Vec<_> = {
            let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
            files.iter().skip(first).map(Arc::clone).collect()
        };
        let failed = |error| Fault::new(format!("syncing the copy in {}", self.directory.display()), error);
        for pair in pairs {
            pair.entries.sync_data().and_then(|()| pair.places.sync_data()).map_err(failed)?;
        }
        let synced = self.synced.swap(next, Ordering::AcqRel);
        if synced == 0 || file(next) > file(synced) {
            sync_directory(&self.directory)?;
        }
        Ok(())
    }

    /// Copies neighbouring blocks; called by one thread. What is there already is passed over.
    pub fn append(&self, blocks: &[Block]) {
        if self.is_given_up.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.write(blocks) {
            self.give_up(&error);
        }
    }

    fn write(&self, blocks: &[Block]) -> io::Result<()> {
        let mut next = self.next();
        let first_sequence = blocks.first().map_or(next, |block| block.first_sequence);
        if first_sequence > next {
            return Err(io::Error::other(format!("entries from {next} on are missing before {first_sequence}")));
        }
        let skipped = usize::try_from(next.saturating_sub(first_sequence)).unwrap_or_default();
        let mut entries = blocks.iter().flat_map(Block::entries).skip(skipped).peekable();
        while entries.peek().is_some() {
            let number = next.rem_euclid(self.entries_a_file);
            let pair = self.last_pair(next, number)?;
            let room = usize::try_from(self.entries_a_file.saturating_sub(number)).unwrap_or(usize::MAX);
            let start = pair.entries.metadata()?.len();
            let (mut records, mut places) = (Vec::new(), Vec::new());
            for entry in entries.by_ref().take(room) {
                let offset = start.saturating_add(u64::try_from(records.len()).unwrap_or(u64::MAX));
                places.extend_from_slice(&offset.to_be_bytes());
                places.extend_from_slice(&crc32fast::hash(entry).to_be_bytes());
                records.extend_from_slice(&u16::try_from(entry.len()).unwrap_or(u16::MAX).to_be_bytes());
                records.extend_from_slice(entry);
                next = next.saturating_add(1);
            }
            pair.append(&records, &places)?;
            self.next.store(next, Ordering::Release);
        }
        Ok(())
    }

    /// The pair that the next entry goes to; a new one where it is the first of its pair.
    fn last_pair(&self, next: i64, number: i64) -> io::Result<Arc<Pair>> {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        if number == 0 {
            let pair = Pair::open(&self.directory, next)?;
            // Whatever an earlier life left under this name is not what follows now.
            pair.entries.set_len(0)?;
            pair.places.set_len(0)?;
            files.push(Arc::new(pair));
        }
        files.last().map(Arc::clone).ok_or_else(|| io::Error::other("no file to append to"))
    }

    /// An entry; `None` where it is not in the copy, or not as it was written.
    pub fn read(&self, sequence: i64) -> Option<Vec<u8>> {
        if !(0..self.next()).contains(&sequence) {
            return None;
        }
        let (file, number) = (sequence.checked_div(self.entries_a_file)?, sequence.checked_rem(self.entries_a_file)?);
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let pair = Arc::clone(files.get(usize::try_from(file).ok()?)?);
        drop(files);
        pair.read(u64::try_from(number).ok()?)
    }
}

/// The last sequence that lies in a directory whole, whatever is damaged before it. Changes nothing.
fn last_on_disk(directory: &Path, entries_a_file: i64) -> io::Result<Option<i64>> {
    let mut last = None;
    for file in fs::read_dir(directory)? {
        let path = file?.path();
        let first = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<i64>().ok());
        let Some(first) = first.filter(|_| path.extension().is_some_and(|found| found == "places")) else { continue };
        let Some(pair) = Pair::find(&path)? else { continue };
        let (count, _) = pair.whole(entries_a_file)?;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        last = last.max((count > 0).then(|| first.saturating_add(count).saturating_sub(1)));
    }
    Ok(last)
}

/// The pairs in a directory from the first sequence on, each full but the last, and the sequence after them.
fn recovered(directory: &Path, entries_a_file: i64) -> io::Result<(Vec<Arc<Pair>>, i64)> {
    let (mut pairs, mut next) = (Vec::new(), 0_i64);
    while next.rem_euclid(entries_a_file) == 0 && directory.join(format!("{next:020}.places")).exists() {
        let pair = Pair::open(directory, next)?;
        let count = pair.recover(entries_a_file)?;
        if count == 0 {
            // Appending begins by opening it again.
            break;
        }
        pairs.push(Arc::new(pair));
        next = next.saturating_add(count);
    }
    Ok((pairs, next))
}

/// A log read with the help of the copy.
pub struct WithEntries {
    log: Arc<dyn LogRead>,
    entries: Arc<EntryFiles>,
}

impl WithEntries {
    /// A log and its copy.
    pub fn new(log: Arc<dyn LogRead>, entries: Arc<EntryFiles>) -> Self {
        Self { log, entries }
    }
}

impl LogRead for WithEntries {
    fn block_at(&self, sequence: i64) -> Result<Option<Block>, Fault> {
        self.log.block_at(sequence)
    }

    fn values_from(&self, key: &[u8]) -> Values<'_> {
        self.log.values_from(key)
    }

    fn entry_at(&self, sequence: i64) -> Result<Option<Vec<u8>>, Fault> {
        match self.entries.read(sequence) {
            Some(entry) => Ok(Some(entry)),
            None => self.log.entry_at(sequence),
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may fail")]
mod tests {
    use super::*;
    use crate::format::block::BlockBuilder;
    use crate::format::record::Head;
    use crate::log::Log;
    use crate::log::memory::MemoryLog;

    /// A log of entries of all sizes, some longer than a block.
    fn log(entries: u32, seed: u8) -> MemoryLog {
        let mut builder = BlockBuilder::new(Head::EMPTY);
        for at in 0..entries {
            let size = if at.is_multiple_of(17) { 9_000 } else { at.wrapping_mul(37) % 900 };
            let event = vec![seed; usize::try_from(size).unwrap()];
            builder.push(|buffer| buffer.extend(event)).unwrap();
        }
        let mut log = MemoryLog::default();
        log.append(Head::EMPTY, &builder.take()).unwrap();
        log
    }

    fn open(directory: &Path, log: &MemoryLog, committed: i64) -> EntryFiles {
        EntryFiles::with(directory, log.reader().as_ref(), committed, 30).unwrap()
    }

    /// Where the block of a sequence ends: what is committed always ends with a block.
    fn end_of_block(log: &MemoryLog, sequence: i64) -> i64 {
        log.reader().block_at(sequence).unwrap().unwrap().head.sequence
    }

    /// Everything is there, from the first entry to the last, and nothing behind it.
    #[track_caller]
    fn check(files: &EntryFiles, log: &MemoryLog, committed: i64) {
        assert_eq!(files.next(), committed + 1);
        for sequence in 0..=committed {
            assert_eq!(files.read(sequence), log.reader().entry_at(sequence).unwrap(), "{sequence}");
        }
        assert_eq!((files.read(committed + 1), files.read(-1)), (None, None));
    }

    #[test]
    fn entries_come_back_and_the_copy_goes_on_where_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(100, 1);
        for about in [41, 59] {
            let committed = end_of_block(&log, about);
            check(&open(directory.path(), &log, committed), &log, committed);
        }
        let files = open(directory.path(), &log, 99);
        check(&files, &log, 99);
        let again = log.reader().block_at(99).unwrap().unwrap();
        files.append(&[again]);
        check(&files, &log, 99);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 8, "four pairs");
    }

    fn damage(directory: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = directory.join(name);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }

    type Change = fn(&mut Vec<u8>);

    /// A pair in the middle has lost its tail while those behind it lie there: what is copied anew replaces them, whether
    /// they are of this log or of one that went on differently.
    #[test]
    fn what_lies_behind_a_damaged_pair_is_not_taken_for_what_follows() {
        let forked = |seed: u8| {
            let mut builder = BlockBuilder::new(Head::EMPTY);
            for at in 0..100_u32 {
                let event = [if at < 45 { 1 } else { seed }; 300];
                builder.push(|buffer| buffer.extend(event)).unwrap();
            }
            let mut log = MemoryLog::default();
            log.append(Head::EMPTY, &builder.take()).unwrap();
            log
        };
        let (one, other) = (forked(1), forked(2));
        for (before, until, after) in [(&one, 70, &one), (&one, 99, &other)] {
            let directory = tempfile::tempdir().unwrap();
            drop(open(directory.path(), before, end_of_block(before, until)));
            damage(directory.path(), &format!("{:020}.places", 30), |bytes| bytes.truncate(100));
            check(&open(directory.path(), after, 99), after, 99);
            drop(open(directory.path(), before, end_of_block(before, until)));
            damage(directory.path(), &format!("{:020}.places", 0), Vec::clear);
            check(&open(directory.path(), after, 99), after, 99);
        }
    }

    #[test]
    fn a_gap_is_not_filled_with_what_comes_behind_it() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(100, 1);
        let committed = end_of_block(&log, 41);
        let files = open(directory.path(), &log, committed);
        files.append(&[log.reader().block_at(99).unwrap().unwrap()]);
        check(&files, &log, committed);
    }

    /// Whatever happens to the files, an entry is read as it is in the log.
    #[test]
    fn damage_costs_time_and_no_answer() {
        let (entries, places) = ("00000000000000000030.entries", "00000000000000000030.places");
        let changes: [(&str, Change); 7] = [
            (entries, |bytes| bytes[100] ^= 1),
            (entries, |bytes| bytes.truncate(20_000)),
            (entries, |bytes| bytes[9_000..19_000].fill(0)),
            (entries, Vec::clear),
            (places, |bytes| bytes[12 * 7..12 * 9].fill(0)),
            (places, |bytes| bytes.truncate(100)),
            (places, |bytes| bytes.fill(0xff)),
        ];
        for (at, (name, change)) in changes.into_iter().enumerate() {
            let directory = tempfile::tempdir().unwrap();
            let log = log(100, 1);
            let before = open(directory.path(), &log, 99);
            damage(directory.path(), name, change);
            for files in [before, open(directory.path(), &log, 99)] {
                let lost = (0..100).filter(|sequence| files.read(*sequence).is_none()).count();
                let read = WithEntries::new(log.reader(), Arc::new(files));
                for sequence in 0..=100 {
                    let expected = log.reader().entry_at(sequence).unwrap();
                    assert_eq!(read.entry_at(sequence).unwrap(), expected, "change {at}, entry {sequence}");
                }
                assert!(lost < 100);
            }
        }
    }

    /// A power cut may leave files of their length without a byte of their content.
    #[test]
    fn zeros_are_no_entries() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(100, 1);
        let files = open(directory.path(), &log, 99);
        for suffix in ["entries", "places"] {
            damage(directory.path(), &format!("{:020}.{suffix}", 30), |bytes| bytes.fill(0));
        }
        assert!((30..60).all(|sequence| files.read(sequence).is_none()));
        check(&open(directory.path(), &log, 99), &log, 99);
    }

    /// The log is shorter than the copy, an older backup was put back: the copy may be all that is left of what was
    /// acknowledged. Nothing of it is touched, nor where a pair in its middle is damaged.
    #[test]
    fn a_copy_that_goes_on_behind_the_log_is_left_as_it_is() {
        let contents = |directory: &Path| {
            let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
            files.sort();
            files.into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect::<Vec<_>>()
        };
        let log = log(100, 1);
        for is_damaged in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            drop(open(directory.path(), &log, 99));
            if is_damaged {
                damage(directory.path(), &format!("{:020}.places", 30), |bytes| bytes.truncate(100));
            }
            let before = contents(directory.path());
            for about in [60, 20] {
                let committed = end_of_block(&log, about);
                let files = open(directory.path(), &log, committed);
                assert_eq!((files.beyond(), files.is_given_up(), files.read(0).is_some()), (Some(99), true, false));
                files.append(&[log.reader().block_at(committed + 1).unwrap().unwrap()]);
                files.sync().unwrap();
                assert!(contents(directory.path()) == before, "{about} {is_damaged}");
            }
            let files = open(directory.path(), &log, 99);
            assert_eq!((files.beyond(), files.is_given_up()), (None, false));
            check(&files, &log, 99);
        }
    }

    /// What a crash left half written is cut off: the files hold the entries and nothing between them.
    #[test]
    fn a_torn_tail_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(100, 1);
        let committed = end_of_block(&log, 41);
        drop(open(directory.path(), &log, committed));
        damage(directory.path(), &format!("{:020}.entries", 30), |bytes| bytes.extend([7; 1_000]));
        damage(directory.path(), &format!("{:020}.places", 30), |bytes| bytes.extend([7; 17]));
        check(&open(directory.path(), &log, 99), &log, 99);
        let mut expected = Vec::new();
        for sequence in 30..60 {
            let entry = log.reader().entry_at(sequence).unwrap().unwrap();
            expected.extend(u16::try_from(entry.len()).unwrap().to_be_bytes());
            expected.extend(entry);
        }
        assert!(fs::read(directory.path().join(format!("{:020}.entries", 30))).unwrap() == expected);
    }

    #[test]
    fn what_is_of_another_log_or_cannot_be_used_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (log(100, 1), log(100, 2));
        drop(open(directory.path(), &one, 99));
        check(&open(directory.path(), &other, 99), &other, 99);
        let file = directory.path().join("file");
        fs::write(&file, "in the way").unwrap();
        let files = open(&file, &one, 99);
        assert_eq!((files.next(), files.read(0)), (0, None));
    }
}
