//! Holds a published file against the log: makes its table again, and names the first cell that differs.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::disclosure::{Disclosure, Table};
use super::files::TableWriter;
use super::files::csv::CsvWriter;
use super::files::json::JsonWriter;
use super::files::read::{FileError, Form, FoundCell, FoundRows, Published};
use super::rows::{Making, Row};
use super::table::{Cell, TableDigest, Tail};
use crate::pb::v1::Event;
use crate::pb::v1::event::Payload;

/// Most characters of a masked name.
const MASKED_CHARS_MAX: usize = 4;

/// The first place at which a file and the books differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A cell says something else.
    Cell {
        /// Row, from 1, without the titles.
        row: u64,
        /// Column.
        column: String,
        /// What the file says.
        file: String,
        /// What the books say.
        books: String,
    },
    /// A row has more or fewer cells than the table has columns.
    Cells {
        /// Row, from 1.
        row: u64,
        /// Cells that it has.
        cells: usize,
        /// Columns of the table.
        columns: usize,
    },
    /// The books have a row that the file does not: the file was cut, or a row was taken out.
    MissingRow {
        /// Row, from 1.
        row: u64,
        /// What it begins with in the books.
        books: String,
    },
    /// The file has a row that the books do not.
    ExtraRow {
        /// Row, from 1.
        row: u64,
        /// What it begins with.
        file: String,
    },
    /// A name is not masked.
    Unmasked {
        /// Row, from 1.
        row: u64,
    },
    /// Something that the file says of itself is not so.
    Provenance {
        /// What.
        name: &'static str,
        /// What the file says.
        file: String,
        /// What the books say.
        books: String,
    },
    /// Every cell agrees, but the bytes are not those that are written: saved by another program, or changed.
    Bytes,
}

/// What came of it.
#[derive(Debug)]
pub struct Checked {
    /// The first difference; `None` where there is none.
    pub difference: Option<Difference>,
    /// Rows that were compared.
    pub rows: u64,
    /// The table's digest, made again.
    pub digest: [u8; 32],
    /// Disclosures on record with this digest, or with that of the file's bytes: name, sequence, sequence that they say.
    pub recorded: Vec<(String, i64, i64)>,
    /// Cells that the log alone does not prove: names.
    pub names: u64,
    /// Why the file could not be read to its end.
    pub unreadable: Option<FileError>,
}

/// Compares a file with the events of a log as they come.
pub struct Check {
    published: Published,
    disclosure: Disclosure,
    /// Until the last event was taken.
    making: Option<Making>,
    comparing: Comparing,
    /// Digests of what is on record as published.
    recorded: Vec<(String, i64, i64, Vec<u8>)>,
}

struct Comparing {
    columns: Vec<(&'static str, bool)>,
    keys: Option<[usize; 2]>,
    amount: Option<usize>,
    found: FoundRows,
    next: Option<Vec<FoundCell>>,
    rows: u64,
    left_out: (u64, i128),
    names: u64,
    digest: TableDigest,
    rewriting: Option<(Box<dyn TableWriter>, Hashed)>,
    difference: Option<Difference>,
    unreadable: Option<FileError>,
}

/// A file of which only the digest is kept.
#[derive(Clone, Default)]
struct Hashed(Arc<Mutex<Sha256>>);

impl Hashed {
    fn digest(&self) -> [u8; 32] {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().finalize().into()
    }
}

impl Write for Hashed {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        // Poisoned only where hashing panicked, which it does not.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).update(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Check {
    /// Of a file, by the order that it names.
    pub fn new(published: Published, disclosure: Disclosure) -> Result<Self, FileError> {
        let head = disclosure.head();
        let columns = &head.columns;
        let at = |id: &str| columns.iter().position(|column| column.id == id);
        let keys = (disclosure.table() == Table::Recipients)
            .then(|| at("sequence").zip(at("operation")).map(|(one, two)| [one, two]))
            .flatten();
        let hashed = Hashed::default();
        let rewriting: Option<Box<dyn TableWriter>> = match (published.form, published.language) {
            (Form::Csv, Some(language)) => Some(Box::new(CsvWriter::new(head, language, hashed.clone())?)),
            (Form::Json, _) => Some(Box::new(JsonWriter::new(head, io::BufWriter::new(hashed.clone()))?)),
            (Form::Csv | Form::Workbook, _) => None,
        };
        let comparing = Comparing {
            columns: columns.iter().map(|column| (column.id, column.kind.is_derived())).collect(),
            keys,
            amount: at("amount"),
            found: published.open_rows(columns)?,
            next: None,
            rows: 0,
            left_out: (0, 0),
            names: 0,
            digest: TableDigest::new(head),
            rewriting: rewriting.map(|writer| (writer, hashed)),
            difference: None,
            unreadable: None,
        };
        let making = disclosure.begin(Some(published.sequence));
        Ok(Self { published, disclosure, making: Some(making), comparing, recorded: Vec::new() })
    }

    /// The number of entries whose root is wanted of the log.
    pub fn size(&self) -> u64 {
        u64::try_from(self.published.sequence).unwrap_or_default().saturating_add(1)
    }

    /// What the file says of itself.
    pub const fn published(&self) -> &Published {
        &self.published
    }

    /// What it is.
    pub const fn disclosure(&self) -> &Disclosure {
        &self.disclosure
    }

    /// Takes the next event, with the hash of its entry.
    pub fn take(&mut self, sequence: i64, entry_hash: [u8; 32], event: &Event) {
        if let Some(Payload::Disclosed(disclosed)) = &event.payload {
            let Self { recorded, .. } = self;
            let digest = disclosed.file_sha256.to_vec();
            // Only those that can be this file are kept.
            if digest == self.published.digest || digest == self.published.sha256 {
                recorded.push((disclosed.disclosure_id.clone(), sequence, disclosed.as_of_sequence, digest));
            }
        }
        if let Some(making) = &mut self.making {
            making.take(sequence, entry_hash, event, &mut |row| self.comparing.row(&row));
        }
    }

    /// Compares what is left; `origin` and `root` are those of the log, where it reaches the file's sequence.
    pub fn finish(mut self, origin: &str, root: Option<[u8; 32]>) -> Checked {
        if let Some(making) = self.making.take() {
            making.close(&mut |row| self.comparing.row(&row));
        }
        let mut comparing = self.comparing;
        comparing.end();
        let tail = Tail {
            origin: origin.to_owned(),
            sequence: self.published.sequence,
            root: root.unwrap_or_default(),
            rows: comparing.rows,
            left_out: comparing.left_out,
        };
        let digest = comparing.digest.clone().finish(&tail);
        if comparing.difference.is_none() && comparing.unreadable.is_none() {
            comparing.difference = provenance(&self.published, &tail, &digest);
        }
        if let Some((writer, hashed)) = comparing.rewriting.take()
            && comparing.difference.is_none()
            && comparing.unreadable.is_none()
        {
            if let Err(error) = writer.finish(&tail, &digest) {
                comparing.unreadable = Some(error.into());
            } else if hashed.digest() != self.published.sha256 {
                comparing.difference = Some(Difference::Bytes);
            }
        }
        let recorded = self.recorded.into_iter();
        let recorded = recorded.filter(|(.., found)| *found == digest || *found == self.published.sha256);
        Checked {
            difference: comparing.difference,
            rows: comparing.rows,
            digest,
            recorded: recorded.map(|(id, sequence, as_of, _)| (id, sequence, as_of)).collect(),
            names: comparing.names,
            unreadable: comparing.unreadable,
        }
    }
}

/// The first thing that a file says of itself and that is not so.
fn provenance(published: &Published, tail: &Tail, digest: &[u8; 32]) -> Option<Difference> {
    use crate::format::hexadecimal::of as hex;
    let (file_rows, file_amount) = published.left_out;
    let (rows, amount) = tail.left_out;
    let pairs = [
        ("origin", published.origin.clone(), tail.origin.clone()),
        ("root", hex(&published.root), hex(&tail.root)),
        ("rows", published.rows.to_string(), tail.rows.to_string()),
        ("rows_left_out", file_rows.to_string(), rows.to_string()),
        ("amount_left_out_minor", file_amount.to_string(), amount.to_string()),
        ("digest", hex(&published.digest), hex(digest)),
    ];
    let differs = pairs.into_iter().find(|(_, file, books)| file != books);
    differs.map(|(name, file, books)| Difference::Provenance { name, file, books })
}

impl Comparing {
    fn peek(&mut self) -> Option<&Vec<FoundCell>> {
        if self.next.is_none() && self.unreadable.is_none() {
            match self.found.next() {
                None => {}
                Some(Ok(row)) => self.next = Some(row),
                Some(Err(error)) => self.unreadable = Some(error),
            }
        }
        self.next.as_ref()
    }

    /// Takes the next row of the books.
    fn row(&mut self, row: &Row) {
        if self.difference.is_some() || self.unreadable.is_some() {
            return;
        }
        let canonical: Vec<String> = row.cells.iter().map(Cell::canonical).collect();
        if self.is_left_out(row, &canonical) {
            let amount = self.amount.and_then(|at| row.cells.get(at));
            let minor = if let Some(Cell::Amount(minor, _)) = amount { *minor } else { 0 };
            self.left_out = (self.left_out.0.saturating_add(1), self.left_out.1.saturating_add(minor));
            return;
        }
        let number = self.rows.saturating_add(1);
        if self.peek().is_none() {
            if self.unreadable.is_none() {
                self.difference = Some(Difference::MissingRow { row: number, books: start(&canonical) });
            }
            return;
        }
        let Some(found) = self.next.take() else { return };
        let mut said = canonical;
        self.difference = self.compare(number, &found, &mut said);
        if self.difference.is_some() {
            return;
        }
        self.rows = number;
        self.digest.row(&said);
        if let Some((writer, _)) = &mut self.rewriting
            && let Err(error) = writer.row(row, &said)
        {
            self.unreadable = Some(error.into());
        }
    }

    /// The first cell that differs; names are taken from the file.
    fn compare(&mut self, row: u64, found: &[FoundCell], said: &mut [String]) -> Option<Difference> {
        if found.len() != self.columns.len() {
            return Some(Difference::Cells { row, cells: found.len(), columns: self.columns.len() });
        }
        for (((column, is_derived), cell), said) in self.columns.iter().zip(found).zip(said) {
            if !*is_derived {
                if !is_masked(cell.text()) {
                    return Some(Difference::Unmasked { row });
                }
                self.names = self.names.saturating_add(u64::from(!cell.text().is_empty()));
                cell.text().clone_into(said);
            } else if !cell.says(said) {
                let (column, file) = ((*column).to_owned(), cell.text().to_owned());
                return Some(Difference::Cell { row, column, file, books: said.clone() });
            }
        }
        None
    }

    /// Whether the file leaves out a row about a person: its next row is about something later.
    fn is_left_out(&mut self, row: &Row, canonical: &[String]) -> bool {
        let Some(keys) = self.keys.filter(|_| row.person.is_some()) else { return false };
        let Some(found) = self.peek() else { return self.unreadable.is_none() };
        let number = |text: &str| text.parse::<i64>().ok();
        let of_file: Option<Vec<i64>> = keys.iter().map(|at| number(found.get(*at)?.text())).collect();
        let of_books: Option<Vec<i64>> = keys.iter().map(|at| number(canonical.get(*at)?)).collect();
        of_file.zip(of_books).is_some_and(|(of_file, of_books)| of_file > of_books)
    }

    fn end(&mut self) {
        let number = self.rows.saturating_add(1);
        if self.difference.is_none() && self.peek().is_some() {
            let file = self.next.take().unwrap_or_default();
            let cells: Vec<String> = file.iter().map(|cell| cell.text().to_owned()).collect();
            self.difference = Some(Difference::ExtraRow { row: number, file: start(&cells) });
        }
    }
}

/// The first cells of a row, to tell it by.
fn start(cells: &[String]) -> String {
    let told: Vec<&str> = cells.iter().map(String::as_str).filter(|cell| !cell.is_empty()).take(4).collect();
    told.join(", ")
}

/// Whether a name shows no more than its first character.
fn is_masked(name: &str) -> bool {
    name.chars().count() <= MASKED_CHARS_MAX && name.chars().skip(1).all(|c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_masked_names_are_taken() {
        for name in ["张*", "欧***", "*", ""] {
            assert!(is_masked(name), "{name}");
        }
        for name in ["张三", "张*三", "张****", "John"] {
            assert!(!is_masked(name), "{name}");
        }
    }
}
