//! The index against a naive list of rows: any events, any moments of writing, merging and reopening, any question.

#![expect(clippy::arithmetic_side_effects, reason = "a test may fail")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{Bounds, DateKey, History, Page, Row, Sizes, Snapshot, Subject};
use crate::domain::command::Envelope;
use crate::domain::event::{Decision, Event, Payload};
use crate::domain::ids::{AccountNumber, ActorId, RequestId};
use crate::domain::time::{Day, UtcNanos};
use crate::format::block::BlockBuilder;
use crate::format::codec;
use crate::format::record::Head;
use crate::log::memory::MemoryLog;
use crate::log::{Log, LogRead};

const SIZES: Sizes = Sizes { run_rows: 300, unsorted_rows: 10, fan_out: 2 };

/// What happens to an index.
#[derive(Clone, Debug)]
enum Step {
    /// An event: rows of (subject, days, change, second).
    Event(Vec<(u32, i32, i64, u32)>),
    Flush,
    Settle,
    Close,
    /// kill -9, and a start that builds the rest from the log.
    Kill,
    /// The same, with a file gone or spoilt: which one, and at which of its bytes; none removes it.
    Damage(usize, Option<usize>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few subjects, so that one of them has many chunks; business dates run backwards as they like.
    let subject = prop_oneof![4 => Just(0_u32), 3 => 1..4_u32, 2 => 4..400_u32];
    let row = (subject, 20_000..20_030_i32, -1_000..1_000_i64, 0..3_u32);
    let event = proptest::collection::vec(row, 0..12).prop_map(Step::Event);
    let step = prop_oneof![
        400 => event,
        4 => Just(Step::Flush),
        2 => Just(Step::Settle),
        2 => Just(Step::Close),
        2 => Just(Step::Kill),
        1 => (any::<usize>(), proptest::option::of(any::<usize>())).prop_map(|(file, at)| Step::Damage(file, at)),
    ];
    proptest::collection::vec(step, 1..900)
}

/// A log whose entries are nothing but links, an index over it, and every row that belongs there.
struct Bench {
    directory: TempDir,
    log: MemoryLog,
    history: History,
    rows: Vec<Row>,
}

fn event(sequence: i64) -> Event {
    Event {
        booked_at: UtcNanos(sequence),
        command_digest: [0; 16],
        envelope: Some(Envelope {
            request_id: RequestId::stored(format!("r-{sequence}")),
            business_date: Day::from_days(20_000),
            actor: ActorId::stored("m"),
            approvals: crate::domain::approval::Approvals::default(),
            personal_data: Vec::new(),
        }),
        decision: Decision {
            policy_version: 0,
            legs: Vec::new(),
            payload: Payload::BudgetAllocated { document_number: None },
        },
    }
}

fn subject(number: u32) -> Subject {
    Subject::account(AccountNumber(number))
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = MemoryLog::default();
        let history = History::open(directory.path(), &log, -1, SIZES).unwrap();
        Self { directory, log, history, rows: Vec::new() }
    }

    fn append(&mut self, rows: &[(u32, i32, i64, u32)]) {
        let before = self.log.head();
        let mut builder = BlockBuilder::new(before);
        let head = builder.push(|buffer| codec::encode(&event(before.next_sequence()), buffer)).unwrap();
        self.log.append(before, &builder.take()).unwrap();
        let of_event: Vec<Row> = rows.iter().map(|row| as_row(row, head.sequence)).collect();
        self.rows.extend(super::row::sorted(of_event.clone()));
        self.history.append(of_event, head);
        self.history.tidy();
    }

    fn reopen(&mut self) {
        // What was being written when it was killed may be there or not.
        self.history.end();
        let committed = self.log.head().sequence;
        self.history = History::open(self.directory.path(), &self.log, committed, SIZES).unwrap();
        let position = self.history.position();
        if position.sequence < committed {
            let missing = self.rows.iter().filter(|row| row.sequence > position.sequence).copied().collect();
            self.history.append(missing, self.log.head());
            self.history.tidy();
        }
    }

    fn files(&self) -> Vec<std::path::PathBuf> {
        let mut files: Vec<_> = fs::read_dir(self.directory.path()).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }

    fn damage(&mut self, which: usize, at: Option<usize>) {
        self.history.close();
        let files = self.files();
        if let Some(file) = files.get(which.checked_rem(files.len()).unwrap_or(0)) {
            match at {
                None => fs::remove_file(file).unwrap(),
                Some(at) => flip(file, at),
            }
        }
        self.reopen();
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Event(rows) => self.append(&rows),
            Step::Flush => self.history.flush(),
            Step::Settle => self.history.settle(),
            Step::Close => {
                self.history.close();
                self.reopen();
            }
            Step::Kill => self.reopen(),
            Step::Damage(which, at) => self.damage(which, at),
        }
    }
}

fn as_row((number, business_day, change_minor, second): &(u32, i32, i64, u32), sequence: i64) -> Row {
    // One event has one business date.
    let business_day = 20_000 + (business_day + i32::try_from(sequence).unwrap()) % 30;
    Row { subject: subject(*number), sequence, change_minor: *change_minor, business_day, second: *second }
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 0x40;
    fs::write(file, bytes).unwrap();
}

/// What a naive list answers.
fn naive(rows: &[Row], of: Subject, bounds: &Bounds) -> Vec<Row> {
    let fits = |row: &&Row| {
        let key = row.date_key();
        row.subject == of
            && row.sequence > bounds.after_sequence
            && row.sequence <= bounds.as_of
            && key >= bounds.from
            && key < bounds.until
    };
    rows.iter().filter(fits).copied().collect()
}

fn check(snapshot: &Snapshot, rows: &[Row], of: Subject, bounds: &Bounds, limit: usize) {
    let expected = naive(rows, of, bounds);
    assert_eq!(
        snapshot.sum(of, bounds).unwrap(),
        expected.iter().map(|row| row.change_minor).sum::<i64>(),
        "{bounds:?}"
    );
    assert_eq!(snapshot.rows(of, bounds, limit).unwrap(), expected[..limit.min(expected.len())], "{bounds:?}");
    // A page from the middle of a range that begins a few days earlier.
    let range = Bounds { from: DateKey::start_of(bounds.from.business_day.saturating_sub(3)), ..*bounds };
    let sum_before = |until| {
        let before = Bounds { after_sequence: i64::MIN, from: DateKey::start_of(i32::MIN), until, ..*bounds };
        naive(rows, of, &before).iter().map(|row| row.change_minor).sum::<i64>()
    };
    let mut expected = naive(rows, of, &Bounds { after_sequence: i64::MIN, ..*bounds });
    expected.sort_by_key(Row::date_key);
    expected.truncate(limit);
    let page = Page {
        opening_minor: sum_before(range.from),
        page_opening_minor: sum_before(bounds.from),
        closing_minor: sum_before(bounds.until),
        rows: expected,
    };
    assert_eq!(snapshot.page(of, &range, bounds.from, limit).unwrap(), page, "{bounds:?}");
}

type Question = (u32, (i64, i64), (i32, i32), (i64, u32), usize);

fn questions() -> impl Strategy<Value = Vec<Question>> {
    let question = (
        prop_oneof![3 => Just(0_u32), 1 => 0..400_u32],
        (-2..900_i64, -2..900_i64),
        (19_999..20_031_i32, 19_999..20_031_i32),
        (-2..900_i64, 0..3_u32),
        prop_oneof![Just(0_usize), 1..40_usize, Just(usize::MAX)],
    );
    proptest::collection::vec(question, 20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_of_a_naive_list(steps in steps(), questions in questions()) {
        let mut bench = Bench::new();
        let mut asked = questions.iter().cycle();
        for (at, step) in steps.into_iter().enumerate() {
            bench.step(step);
            if at % 100 != 99 {
                continue;
            }
            let snapshot = bench.history.snapshot().unwrap();
            for (number, (after_sequence, as_of), (first, last), (sequence, second), limit) in asked.by_ref().take(7) {
                let plain = Bounds::as_of(*as_of);
                for bounds in [
                    plain,
                    plain.to_day(*last),
                    Bounds { after_sequence: *after_sequence, ..plain },
                    // A page of a statement: behind a row, to the end of a day.
                    Bounds {
                        from: DateKey { business_day: *first, sequence: *sequence, second: *second },
                        ..plain.to_day(*last)
                    },
                ] {
                    check(&snapshot, &bench.rows, subject(*number), &bounds, *limit);
                }
            }
        }
        bench.history.settle();
        bench.rows.sort_by_key(|row| (row.subject, row.sequence, row.second));
        prop_assert_eq!(bench.history.snapshot().unwrap().all_rows().unwrap(), bench.rows);
    }
}

/// A bench with several runs, merged and not, and rows in memory.
fn filled() -> Bench {
    let mut bench = Bench::new();
    for at in 0..700 {
        bench.append(&[(0, at * 7 % 31, i64::from(at), 0), (1, at, 1, 1), (2 + at.unsigned_abs(), at, -1, 0)]);
    }
    bench.history.settle();
    assert!(bench.files().len() > 1, "{:?}", bench.files());
    bench
}

#[test]
fn a_damaged_or_missing_run_is_built_again() {
    let rows = filled().rows;
    for which in 0..2 {
        for at in [None, Some(0), Some(1_000), Some(usize::MAX / 2), Some(usize::MAX)] {
            let mut bench = filled();
            bench.history.close();
            let file = bench.files()[which].clone();
            match at {
                None => fs::remove_file(&file).unwrap(),
                Some(at) => flip(&file, at),
            }
            bench.history = History::open(bench.directory.path(), &bench.log, 699, SIZES).unwrap();
            let position = bench.history.position().sequence;
            let first: i64 = file.file_name().unwrap().to_str().unwrap()[..20].parse().unwrap();
            assert_eq!(position, first - 1, "{which}, {at:?}: resumes before the damaged run");
            bench.reopen();
            check(&bench.history.snapshot().unwrap(), &rows, subject(0), &Bounds::as_of(699), usize::MAX);
        }
    }
}

#[test]
fn damage_while_it_runs_is_an_error_and_no_answer() {
    let bench = filled();
    bench.history.close();
    let snapshot = bench.history.snapshot().unwrap();
    let bytes = fs::read(&bench.files()[0]).unwrap();
    // In place, as a failing disk would.
    let file = fs::OpenOptions::new().write(true).open(&bench.files()[0]).unwrap();
    file.write_all_at(&vec![0x55; bytes.len()], 0).unwrap();
    let fault = snapshot.rows(subject(0), &Bounds::as_of(699), usize::MAX).unwrap_err();
    assert!(fault.to_string().contains("a restart builds it again"), "{fault}");
    let (range, start) = (Bounds::as_of(699), DateKey::start_of(i32::MIN));
    assert!(snapshot.page(subject(0), &range, start, 5).is_err());
    assert!(snapshot.sum(subject(0), &Bounds::as_of(650)).is_err());
}

#[test]
fn runs_of_another_log_and_leftovers_are_removed() {
    let bench = filled();
    bench.history.close();
    // The same directory under a log of other entries, and under one that is shorter.
    let mut other = MemoryLog::default();
    let mut builder = BlockBuilder::new(Head::EMPTY);
    for sequence in 0..700 {
        builder.push(|buffer| codec::encode(&event(sequence + 1), buffer)).unwrap();
    }
    other.append(Head::EMPTY, &builder.take()).unwrap();
    assert!(other.entry_at(699).unwrap().is_some());
    let first = bench.files()[0].clone();
    let (copy, unfinished) = (tempfile::tempdir().unwrap(), bench.directory.path().join("0.run.new"));
    fs::copy(&first, copy.path().join(first.file_name().unwrap())).unwrap();
    fs::write(&unfinished, b"half").unwrap();
    let history = History::open(bench.directory.path(), &other, 699, SIZES).unwrap();
    assert_eq!(history.position(), Head::EMPTY);
    assert!(bench.files().is_empty(), "{:?}", bench.files());
    let shorter = History::open(copy.path(), &bench.log, 3, SIZES).unwrap();
    assert_eq!(shorter.position(), Head::EMPTY);
}

#[test]
fn a_merge_that_was_cut_short_leaves_the_longest_run() {
    let bench = filled();
    let before = bench.history.snapshot().unwrap().all_rows().unwrap();
    bench.history.close();
    let files = bench.files();
    let kept: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    // One run of all, with those it was made of still beside it.
    let one = Sizes { run_rows: 1, ..SIZES };
    let history = History::open(bench.directory.path(), &bench.log, 699, one).unwrap();
    history.settle();
    history.close();
    assert_eq!(bench.files().len(), 1);
    for (file, bytes) in files.iter().zip(kept) {
        fs::write(file, bytes).unwrap();
    }
    let history = History::open(bench.directory.path(), &bench.log, 699, SIZES).unwrap();
    assert_eq!((history.position().sequence, bench.files().len()), (699, 1));
    assert_eq!(history.snapshot().unwrap().all_rows().unwrap(), before);
}

#[test]
fn what_was_written_before_a_kill_is_not_built_again() {
    let mut bench = Bench::new();
    for at in 0..650 {
        bench.append(&[(0, at, 1, 0), (1, at, 1, 0)]);
    }
    bench.history.settle();
    let stored = bench.history.stored_sequence();
    assert!((500..649).contains(&stored), "{stored}");
    bench.history.end();
    bench.history = History::open(bench.directory.path(), &bench.log, 649, SIZES).unwrap();
    assert_eq!(bench.history.position().sequence, stored);
    bench.reopen();
    check(&bench.history.snapshot().unwrap(), &bench.rows, subject(1), &Bounds::as_of(649), usize::MAX);
}

#[test]
fn runs_stay_few() {
    let mut bench = Bench::new();
    for at in 0..4_000 {
        bench.append(&[(0, at, 1, 0), (at.unsigned_abs() % 50, at, 1, 1)]);
    }
    bench.history.settle();
    // 8,000 rows in runs of at least 300: tiers of 300, 600, 1,200, 2,400, 4,800.
    assert!(bench.history.files().0 <= 6, "{:?}", bench.files());
    // Many starts and stops leave small runs: they are merged for their number.
    for at in 0..40 {
        bench.append(&[(0, at, 1, 0)]);
        bench.history.close();
        bench.reopen();
        bench.history.settle();
    }
    assert!(bench.history.files().0 <= 10, "{:?}", bench.files());
}
