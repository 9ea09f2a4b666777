//! A statement held against the books: lines of both sides, what earlier reconciliations left open, what became of all.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::books::{BookLine, Period, Recorded, date_of};
use super::matching::{self, Compared, How, Line};
use super::statement::{Pending, Statement};
use crate::cli::render::hex;
use crate::domain::ids::BankReference;
use crate::pb::v1::Difference;

/// A line of the bank.
#[derive(Clone, Debug)]
struct BankLine {
    line: Line,
    /// Entry of the statement, e.g. `12`, or `12.3` for its third transaction; empty for what was left open before.
    entry: String,
    /// Line of the file; 0 for what was left open before.
    file_line: u64,
}

/// What an item of the report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Both sides have it, with other amounts.
    AmountDiffers,
    /// The bank has it, the books do not.
    BankOnly,
    /// The books have it, the bank does not.
    BooksOnly,
    /// Matched without a reference.
    ByDayAndAmount,
    /// Announced by the bank, not booked.
    Pending,
}

/// An item of the report.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) status: Status,
    /// The reference, or what stands for it.
    pub(super) reference: String,
    pub(super) dates: Vec<Date>,
    pub(super) bank_minor: i64,
    pub(super) books_minor: i64,
    /// Entries of the statement.
    pub(super) entries: Vec<String>,
    /// Lines of the file.
    pub(super) file_lines: Vec<u64>,
    /// Events.
    pub(super) sequences: Vec<i64>,
    /// Whether an earlier reconciliation left it, or a part of it, open.
    pub(super) is_carried: bool,
}

/// How many of the bank's lines were found which way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) by_reference: u64,
    pub(super) by_sum: u64,
    pub(super) by_day_and_amount: u64,
    pub(super) offset: u64,
    /// The books' lines that belong to them.
    pub(super) of_books: u64,
    /// References that stand on more than one line of the statement.
    pub(super) repeated_references: u64,
    /// What earlier reconciliations left open.
    pub(super) carried: u64,
}

impl Counts {
    /// Entries that both sides have.
    pub(super) fn matched(&self) -> u64 {
        self.by_reference.saturating_add(self.by_sum).saturating_add(self.by_day_and_amount)
    }
}

/// The outcome.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) counts: Counts,
    /// Differences first, then what was matched without a reference, then what is not booked.
    pub(super) items: Vec<Item>,
    /// By what the balances differ beyond the differences.
    pub(super) unexplained_minor: i128,
}

impl Outcome {
    /// Differences.
    pub(super) fn differences(&self) -> impl Iterator<Item = &Item> {
        let differs = |status| matches!(status, Status::AmountDiffers | Status::BankOnly | Status::BooksOnly);
        self.items.iter().filter(move |item| differs(item.status))
    }

    /// As they are recorded.
    pub(super) fn to_record(&self) -> Vec<Difference> {
        self.differences()
            .map(|item| Difference {
                bank_reference: item.reference.clone(),
                bank_minor: item.bank_minor,
                book_minor: item.books_minor,
            })
            .collect()
    }

    /// Whether bank and books agree.
    pub(super) fn is_clean(&self) -> bool {
        self.unexplained_minor == 0 && self.differences().next().is_none()
    }
}

/// Compares a statement with the books. `before` is the last reconciliation before it: what it left open is looked for again.
pub(super) fn compare(statement: &Statement, digest: &[u8; 32], period: &Period, before: Option<&Recorded>) -> Outcome {
    let mut books = period.lines.clone();
    let mut bank = Vec::new();
    let open = before.map(|recorded| recorded.said.differences.as_slice()).unwrap_or_default();
    let mut counts = Counts::default();
    for difference in open {
        let line = |amount_minor| Line { reference: Some(difference.bank_reference.clone()), date: None, amount_minor };
        counts.carried = counts.carried.saturating_add(1);
        if difference.bank_minor != 0 {
            bank.push(BankLine { line: line(difference.bank_minor), entry: String::new(), file_line: 0 });
        }
        if difference.book_minor != 0 {
            books.push(BookLine { line: line(difference.book_minor), sequence: 0 });
        }
    }
    let known: BTreeSet<&str> = books.iter().filter_map(|line| line.line.reference.as_deref()).collect();
    for entry in &statement.entries {
        let is_known = |references: &[String]| references.iter().any(|reference| known.contains(reference.as_str()));
        // What the books have by one of its names is that; else the bank's own name counts.
        let reference = |references: &[String]| {
            let found = references.iter().find(|reference| known.contains(reference.as_str()));
            found.or(references.first()).cloned()
        };
        let line = |references: &[String], amount_minor| Line {
            reference: reference(references),
            date: Some(entry.date),
            amount_minor,
        };
        if entry.details.is_empty() || is_known(&entry.references) {
            let line = line(&entry.references, entry.amount_minor);
            bank.push(BankLine { line, entry: entry.number.to_string(), file_line: entry.line });
            continue;
        }
        for (at, detail) in (1_u64..).zip(&entry.details) {
            let line = line(&detail.references, detail.amount_minor);
            bank.push(BankLine { line, entry: format!("{}.{at}", entry.number), file_line: entry.line });
        }
    }
    drop(known);
    let mut references: Vec<&str> =
        bank.iter().filter(|line| !line.entry.is_empty()).filter_map(|line| line.line.reference.as_deref()).collect();
    references.sort_unstable();
    let repeated = references.chunk_by(|one, other| one == other).filter(|alike| alike.len() > 1).count();
    counts.repeated_references = count(repeated);
    let bank_lines: Vec<Line> = bank.iter().map(|line| line.line.clone()).collect();
    let book_lines: Vec<Line> = books.iter().map(|line| line.line.clone()).collect();
    let compared = matching::compare(&bank_lines, &book_lines);
    finish(&Sides { bank: &bank, books: &books, digest }, &compared, counts, statement, period)
}

struct Sides<'a> {
    bank: &'a [BankLine],
    books: &'a [BookLine],
    digest: &'a [u8; 32],
}

impl Sides<'_> {
    fn item(&self, status: Status, reference: Option<&String>, bank: &[usize], books: &[usize]) -> Item {
        let bank: Vec<&BankLine> = bank.iter().filter_map(|at| self.bank.get(*at)).collect();
        let books: Vec<&BookLine> = books.iter().filter_map(|at| self.books.get(*at)).collect();
        let sum = |amounts: &mut dyn Iterator<Item = i64>| amounts.fold(0_i64, i64::saturating_add);
        let mut dates: Vec<Date> = bank
            .iter()
            .map(|line| &line.line)
            .chain(books.iter().map(|line| &line.line))
            .filter_map(|line| line.date)
            .collect();
        dates.sort_unstable();
        dates.dedup();
        Item {
            status,
            reference: self.handle(reference, &bank, &books),
            dates,
            bank_minor: sum(&mut bank.iter().map(|line| line.line.amount_minor)),
            books_minor: sum(&mut books.iter().map(|line| line.line.amount_minor)),
            entries: bank.iter().filter(|line| !line.entry.is_empty()).map(|line| line.entry.clone()).collect(),
            file_lines: bank.iter().map(|line| line.file_line).filter(|line| *line != 0).collect(),
            sequences: books.iter().map(|line| line.sequence).filter(|sequence| *sequence != 0).collect(),
            is_carried: bank.iter().any(|line| line.entry.is_empty()) || books.iter().any(|line| line.sequence == 0),
        }
    }

    /// The reference; where there is none, or none that the ledger takes, one that names the entry or the event: by it, the
    /// books can still refer to the entry.
    fn handle(&self, reference: Option<&String>, bank: &[&BankLine], books: &[&BookLine]) -> String {
        if let Some(reference) = reference.filter(|reference| BankReference::parse((*reference).clone()).is_ok()) {
            return reference.clone();
        }
        match (bank.first(), books.first()) {
            (Some(line), _) => {
                let digest: String = hex(self.digest).chars().take(8).collect();
                format!("{digest}#{}", line.entry)
            }
            (None, Some(line)) => format!("#{}", line.sequence),
            (None, None) => String::new(),
        }
    }
}

fn finish(
    sides: &Sides<'_>,
    compared: &Compared,
    mut counts: Counts,
    statement: &Statement,
    period: &Period,
) -> Outcome {
    let mut items = Vec::new();
    for open in &compared.open {
        let status = match (open.bank.is_empty(), open.books.is_empty()) {
            (false, true) => Status::BankOnly,
            (true, false) => Status::BooksOnly,
            _ => Status::AmountDiffers,
        };
        items.push(sides.item(status, open.reference.as_ref(), &open.bank, &open.books));
    }
    items.sort_by(|one, other| {
        (&one.dates, &one.reference, &one.entries).cmp(&(&other.dates, &other.reference, &other.entries))
    });
    // The balances differ by what only one side has, and by nothing else.
    let differ = i128::from(statement.closing_minor).saturating_sub(period.closing_minor.into());
    let explained = items
        .iter()
        .fold(0_i128, |sum, item| sum.saturating_add(item.bank_minor.into()).saturating_sub(item.books_minor.into()));
    for found in &compared.matches {
        let of_bank = count(found.bank.len());
        let counter = match found.how {
            How::Reference => &mut counts.by_reference,
            How::Sum => &mut counts.by_sum,
            How::DayAndAmount => &mut counts.by_day_and_amount,
            How::Offset => &mut counts.offset,
        };
        *counter = counter.saturating_add(of_bank);
        counts.of_books = counts.of_books.saturating_add(count(found.books.len()));
        if found.how == How::DayAndAmount {
            let references = found.bank.iter().filter_map(|at| sides.bank.get(*at)).map(|line| &line.line);
            let references =
                references.chain(found.books.iter().filter_map(|at| sides.books.get(*at)).map(|line| &line.line));
            let reference = references.into_iter().find_map(|line| line.reference.as_ref());
            items.push(sides.item(Status::ByDayAndAmount, reference, &found.bank, &found.books));
        }
    }
    items.extend(statement.pending.iter().map(announced));
    Outcome { counts, items, unexplained_minor: differ.saturating_sub(explained) }
}

fn announced(pending: &Pending) -> Item {
    Item {
        status: Status::Pending,
        reference: pending.references.first().cloned().unwrap_or_default(),
        dates: pending.date.into_iter().collect(),
        bank_minor: pending.amount_minor,
        books_minor: 0,
        entries: Vec::new(),
        file_lines: vec![pending.line],
        sequences: Vec::new(),
        is_carried: false,
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The last comparison before a period, as it stood at a sequence.
pub(super) fn before(recorded: &[Recorded], first: Date, as_of: i64) -> Option<&Recorded> {
    let is_before = |recorded: &&Recorded| {
        recorded.sequence <= as_of && date_of(recorded.said.last_day).is_some_and(|last| last < first)
    };
    recorded.iter().filter(is_before).max_by_key(|recorded| (recorded.said.last_day, recorded.sequence))
}
