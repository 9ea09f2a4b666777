//! Published files, read back: as they come, from anybody.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use calamine::{DataRef, Reader as _, Xlsx, open_workbook};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::csv::{BYTE_ORDER_MARK, canonical};
use super::xlsx::PROVENANCE;
use super::{LAYOUT, title};
use crate::format::hexadecimal;
use crate::messages::Language;
use crate::reporting::table::{Column, ColumnKind};

/// Longest row of a file, bytes: the longest that is written is far below it.
const ROW_BYTES_MAX: usize = 1 << 20;
/// Most lines that say what a table rests on.
const PROVENANCE_LINES_MAX: usize = 64;

/// Why a file is none that was published from a ledger.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not UTF-8, which all files are written in.
    #[error("it is not UTF-8: it was saved in another encoding")]
    Encoding,
    /// It is not laid out as such files are.
    #[error("{0}")]
    Layout(String),
    /// What a table rests on is missing: the file was cut, or never was one of ours.
    #[error("it does not say {0}: it was cut, or never written by this program")]
    Lacks(&'static str),
}

/// The forms that files have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// CSV.
    Csv,
    /// JSON.
    Json,
    /// A workbook.
    Workbook,
}

/// A file that says of itself what it rests on.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its form.
    pub form: Form,
    /// Its language; none of JSON, which has both.
    pub language: Option<Language>,
    /// The table's name.
    pub table: String,
    /// What was asked for.
    pub parameters: Vec<(String, String)>,
    /// The columns, by name.
    pub columns: Vec<String>,
    /// The ledger.
    pub origin: String,
    /// Sequence that it is as of.
    pub sequence: i64,
    /// Root over the entries up to there.
    pub root: [u8; 32],
    /// Rows.
    pub rows: u64,
    /// Rows that are left out, and what they come to.
    pub left_out: (u64, i128),
    /// Its digest, as it says itself.
    pub digest: [u8; 32],
    /// SHA-256 of the file's bytes.
    pub sha256: [u8; 32],
    path: PathBuf,
}

/// A cell as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundCell {
    /// Text, in canonical form where it has one.
    Text(String),
    /// A number of a workbook.
    Number(String),
    /// A word that is no term of the file's language.
    NoTerm(String),
}

impl FoundCell {
    /// As it is shown to people.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) | Self::NoTerm(text) => text,
        }
    }

    /// Whether it says the same as a canonical cell.
    pub fn says(&self, canonical: &str) -> bool {
        match self {
            Self::Text(text) => text == canonical,
            Self::Number(text) => plain(text) == plain(canonical),
            Self::NoTerm(_) => false,
        }
    }
}

/// A decimal without the zeros at its end.
fn plain(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Rows of a file, in order.
pub type FoundRows = Box<dyn Iterator<Item = Result<Vec<FoundCell>, FileError>> + Send>;

impl Published {
    /// Opens a file and reads what it says of itself; its rows are read by [`Published::open_rows`].
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let sha256 = digest_of(path)?;
        let mut start = [0; 4];
        let length = File::open(path)?.take(4).read(&mut start)?;
        let begins = |with: &[u8]| start.get(..length).is_some_and(|start| start.starts_with(with));
        let (form, lines) = if begins(b"PK") {
            (Form::Workbook, workbook_provenance(path)?)
        } else if begins(b"{") {
            (Form::Json, json_provenance(path)?)
        } else {
            (Form::Csv, csv_provenance(path)?)
        };
        Self::from_lines(form, &lines, sha256, path)
    }

    fn from_lines(form: Form, lines: &[(String, String)], sha256: [u8; 32], path: &Path) -> Result<Self, FileError> {
        let of = |name: &'static str| {
            let found = lines.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
            found.ok_or(FileError::Lacks(name))
        };
        let layout = of("layout")?;
        if layout != LAYOUT {
            return Err(FileError::Layout(format!("its layout is {layout}, this program knows {LAYOUT}")));
        }
        let hash = |name: &'static str| {
            let digits = of(name)?;
            let pairs = (0..digits.len()).step_by(2).map(|at| digits.get(at..at.saturating_add(2)));
            let bytes: Option<Vec<u8>> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
            let hash: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
            hash.filter(|hash| hexadecimal::of(hash) == digits)
                .ok_or_else(|| FileError::Layout(format!("its {name} is no SHA-256")))
        };
        let number = |name: &'static str| {
            let text = of(name)?;
            text.parse::<i128>().map_err(|_| FileError::Layout(format!("its {name} {text:?} is no number")))
        };
        let beyond = |name: &str| FileError::Layout(format!("its {name} is out of range"));
        let language = match form {
            Form::Json => None,
            Form::Csv | Form::Workbook => {
                let tag = of("language")?;
                let language = Language::from_tag(tag).filter(|language| language.tag() == tag);
                Some(language.ok_or_else(|| FileError::Layout(format!("its language {tag:?} is not known")))?)
            }
        };
        let parameters = lines.iter().filter_map(|(name, value)| Some((name.strip_prefix("parameter.")?, value)));
        Ok(Self {
            form,
            language,
            table: of("table")?.to_owned(),
            parameters: parameters.map(|(name, value)| (name.to_owned(), value.clone())).collect(),
            columns: of("columns")?.split(' ').map(str::to_owned).collect(),
            origin: of("origin")?.to_owned(),
            sequence: i64::try_from(number("sequence")?)
                .ok()
                .filter(|sequence| (0..i64::MAX).contains(sequence))
                .ok_or_else(|| beyond("sequence"))?,
            root: hash("root")?,
            rows: u64::try_from(number("rows")?).map_err(|_| beyond("rows"))?,
            left_out: (
                u64::try_from(number("rows_left_out")?).map_err(|_| beyond("rows_left_out"))?,
                number("amount_left_out_minor")?,
            ),
            digest: hash("digest")?,
            sha256,
            path: path.to_owned(),
        })
    }

    /// Opens the rows, with the columns of the table. Titles are held against the catalogue.
    pub fn open_rows(&self, columns: &[Column]) -> Result<FoundRows, FileError> {
        let kinds: Vec<ColumnKind> = columns.iter().map(|column| column.kind).collect();
        let language = self.language.unwrap_or(Language::English);
        let titles: Vec<String> = columns.iter().map(|column| title(language, column.id)).collect();
        match self.form {
            Form::Csv => {
                let mut records = csv_records(&self.path)?;
                let first = records.next().ok_or(FileError::Lacks("titles"))??;
                check_titles(&first, &titles)?;
                let is_row = |record: &Vec<String>| !record.first().is_some_and(|cell| cell.starts_with('#'));
                let rows = records.filter(move |record| record.as_ref().map_or(true, is_row));
                Ok(Box::new(rows.map(move |record| Ok(csv_row(&record?, &kinds, language)))))
            }
            Form::Json => Ok(Box::new(json_rows(&self.path)?)),
            Form::Workbook => workbook_rows(&self.path, &self.table, &titles, kinds, language),
        }
    }
}

fn check_titles(found: &[String], titles: &[String]) -> Result<(), FileError> {
    if found == titles {
        return Ok(());
    }
    let different = titles.iter().zip(found).position(|(title, found)| title != found);
    let at = different.unwrap_or_else(|| titles.len().min(found.len()));
    let (is, should) = (found.get(at).map_or("", String::as_str), titles.get(at).map_or("", String::as_str));
    Err(FileError::Layout(format!("title of column {}: the file says {is:?}, it is {should:?}", at.saturating_add(1))))
}

fn digest_of(path: &Path) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
    loop {
        let part = file.fill_buf()?;
        if part.is_empty() {
            return Ok(hash.finalize().into());
        }
        hash.update(part);
        let length = part.len();
        file.consume(length);
    }
}

fn csv_row(record: &[String], kinds: &[ColumnKind], language: Language) -> Vec<FoundCell> {
    let cells = record.iter().enumerate().map(|(at, cell)| match kinds.get(at) {
        Some(kind) => canonical(*kind, language, cell).map_or_else(|| FoundCell::NoTerm(cell.clone()), FoundCell::Text),
        None => FoundCell::Text(cell.clone()),
    });
    cells.collect()
}

/// A file that gives no more than a row at a time: whoever takes rows says when one ends.
struct Bounded {
    file: File,
    left: Arc<AtomicUsize>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        let left = self.left.load(Ordering::Relaxed);
        let rest = left.checked_sub(length).ok_or_else(|| io::Error::other("a row is longer than 1 MiB"))?;
        self.left.store(rest, Ordering::Relaxed);
        Ok(length)
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all others are about the layout")]
fn csv_error(error: csv::Error) -> FileError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => FileError::Io(error),
        other => FileError::Layout(format!("{other:?}")),
    }
}

/// The records of a CSV, from its titles on.
fn csv_records(path: &Path) -> Result<impl Iterator<Item = Result<Vec<String>, FileError>> + Send + use<>, FileError> {
    let mut file = File::open(path)?;
    let mut mark = [0; 3];
    let has_mark = file.read_exact(&mut mark).is_ok() && mark == *BYTE_ORDER_MARK;
    let left = Arc::new(AtomicUsize::new(ROW_BYTES_MAX));
    let mut file = Bounded { file, left: Arc::clone(&left) };
    if !has_mark {
        file.file = File::open(path)?;
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let mut record = csv::ByteRecord::new();
    Ok(std::iter::from_fn(move || {
        left.store(ROW_BYTES_MAX, Ordering::Relaxed);
        match reader.read_byte_record(&mut record) {
            Ok(false) => None,
            Ok(true) => {
                let cells = record.iter().map(|cell| std::str::from_utf8(cell).map(str::to_owned));
                Some(cells.collect::<Result<_, _>>().map_err(|_| FileError::Encoding))
            }
            Err(error) => Some(Err(csv_error(error))),
        }
    }))
}

fn csv_provenance(path: &Path) -> Result<Vec<(String, String)>, FileError> {
    let mut lines = Vec::new();
    for record in csv_records(path)? {
        let record = record?;
        let Some(name) = record.first().and_then(|cell| cell.strip_prefix('#')) else {
            if lines.is_empty() {
                continue;
            }
            return Err(FileError::Layout("there are rows behind what the table rests on".to_owned()));
        };
        if lines.len() >= PROVENANCE_LINES_MAX {
            return Err(FileError::Layout("it says too much of what it rests on".to_owned()));
        }
        lines.push((name.to_owned(), record.get(1).cloned().unwrap_or_default()));
    }
    Ok(lines)
}

/// The lines of a JSON file, each bounded.
fn json_lines(path: &Path) -> Result<impl Iterator<Item = Result<String, FileError>> + Send + use<>, FileError> {
    let mut file = BufReader::new(File::open(path)?);
    let most = u64::try_from(ROW_BYTES_MAX).unwrap_or(u64::MAX);
    Ok(std::iter::from_fn(move || {
        let mut line = Vec::new();
        match file.by_ref().take(most).read_until(b'\n', &mut line) {
            Err(error) => Some(Err(FileError::Io(error))),
            Ok(0) => None,
            Ok(length) if length >= ROW_BYTES_MAX => {
                Some(Err(FileError::Layout("a row is longer than 1 MiB".to_owned())))
            }
            Ok(_) => Some(match String::from_utf8(line) {
                Ok(line) => Ok(line.trim_end_matches('\n').to_owned()),
                Err(_) => Err(FileError::Encoding),
            }),
        }
    }))
}

const JSON_ROWS: &str = "],\"rows\":[";
const JSON_PROVENANCE: &str = "],\"provenance\":{";

fn json_rows(path: &Path) -> Result<impl Iterator<Item = Result<Vec<FoundCell>, FileError>> + Send + use<>, FileError> {
    let mut lines = json_lines(path)?;
    let mut is_within = false;
    let mut is_over = false;
    Ok(std::iter::from_fn(move || {
        while !is_over {
            let line = match lines.next()? {
                Ok(line) => line,
                Err(error) => {
                    is_over = true;
                    return Some(Err(error));
                }
            };
            if !is_within {
                is_within = line == JSON_ROWS;
            } else if line == JSON_PROVENANCE {
                is_over = true;
            } else {
                let cells: Result<Vec<String>, _> = serde_json::from_str(line.strip_suffix(',').unwrap_or(&line));
                return Some(match cells {
                    Ok(cells) => Ok(cells.into_iter().map(FoundCell::Text).collect()),
                    Err(error) => Err(FileError::Layout(format!("a row cannot be read: {error}"))),
                });
            }
        }
        None
    }))
}

/// The last member of a file.
#[derive(Deserialize)]
struct Ending {
    provenance: std::collections::BTreeMap<String, String>,
}

fn json_provenance(path: &Path) -> Result<Vec<(String, String)>, FileError> {
    let mut ending = String::new();
    for line in json_lines(path)? {
        let line = line?;
        if !ending.is_empty() {
            ending.push_str(&line);
        } else if line == JSON_PROVENANCE {
            ending.push_str("{\"provenance\":{");
        }
        if ending.len() > ROW_BYTES_MAX {
            return Err(FileError::Layout("it says too much of what it rests on".to_owned()));
        }
    }
    if ending.is_empty() {
        return Err(FileError::Lacks("what it rests on"));
    }
    let ending: Ending = serde_json::from_str(&ending)
        .map_err(|error| FileError::Layout(format!("what it rests on cannot be read: {error}")))?;
    Ok(ending.provenance.into_iter().collect())
}

type Book = Xlsx<BufReader<File>>;

fn open_book(path: &Path) -> Result<Book, FileError> {
    open_workbook(path).map_err(|error: calamine::XlsxError| FileError::Layout(format!("no workbook: {error}")))
}

/// Gives the rows of a sheet, without those that are empty.
fn sheet_rows(
    book: &mut Book,
    sheet: &str,
    mut each: impl FnMut(u32, Vec<Option<FoundCell>>) -> Result<bool, FileError>,
) -> Result<(), FileError> {
    let unreadable = |error: calamine::XlsxError| FileError::Layout(format!("sheet {sheet:?}: {error}"));
    let mut cells = book.worksheet_cells_reader(sheet).map_err(unreadable)?;
    let mut row: Option<(u32, Vec<Option<FoundCell>>)> = None;
    while let Some(cell) = cells.next_cell().map_err(unreadable)? {
        let (at, column) = cell.get_position();
        if row.as_ref().is_some_and(|(current, _)| *current != at)
            && let Some((current, found)) = row.take()
            && !each(current, found)?
        {
            return Ok(());
        }
        let (_, found) = row.get_or_insert_with(|| (at, Vec::new()));
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        // A sheet has at most 16,384 columns, and no table as many.
        if column > 256 {
            return Err(FileError::Layout(format!("sheet {sheet:?} has a cell beyond its columns")));
        }
        if found.len() <= column {
            found.resize(column.saturating_add(1), None);
        }
        if let Some(place) = found.get_mut(column) {
            *place = found_cell(cell.get_value());
        }
    }
    if let Some((current, found)) = row {
        each(current, found)?;
    }
    Ok(())
}

fn found_cell(value: &DataRef<'_>) -> Option<FoundCell> {
    match value {
        DataRef::Empty => None,
        DataRef::Int(number) => Some(FoundCell::Number(number.to_string())),
        DataRef::Float(number) => Some(FoundCell::Number(number.to_string())),
        DataRef::String(text) => Some(FoundCell::Text(text.clone())),
        DataRef::SharedString(text) => Some(FoundCell::Text((*text).to_owned())),
        DataRef::Bool(value) => Some(FoundCell::NoTerm(value.to_string())),
        DataRef::DateTime(value) => Some(FoundCell::NoTerm(value.to_string())),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Some(FoundCell::NoTerm(text.clone())),
        DataRef::Error(error) => Some(FoundCell::NoTerm(error.to_string())),
    }
}

fn workbook_provenance(path: &Path) -> Result<Vec<(String, String)>, FileError> {
    let mut book = open_book(path)?;
    if !book.sheet_names().iter().any(|name| name == PROVENANCE) {
        return Err(FileError::Lacks("what it rests on"));
    }
    let mut lines = Vec::new();
    sheet_rows(&mut book, PROVENANCE, |_, row| {
        let mut cells = row.into_iter().map(|cell| cell.map(|cell| cell.text().to_owned()));
        if let (Some(Some(name)), Some(Some(value))) = (cells.next(), cells.next()) {
            lines.push((name, value));
        }
        Ok(lines.len() < PROVENANCE_LINES_MAX)
    })?;
    Ok(lines)
}

/// Rows of all sheets of the table, read on a thread of their own, a bounded number ahead.
fn workbook_rows(
    path: &Path,
    table: &str,
    titles: &[String],
    kinds: Vec<ColumnKind>,
    language: Language,
) -> Result<FoundRows, FileError> {
    const AHEAD: usize = 256;
    let mut book = open_book(path)?;
    let names = book.sheet_names();
    let expected = (1..).map(|number: usize| if number == 1 { table.to_owned() } else { format!("{table} {number}") });
    let sheets: Vec<String> =
        expected.zip(&names).take_while(|(name, found)| name == *found).map(|(name, _)| name).collect();
    if sheets.is_empty()
        || names.get(sheets.len()).is_none_or(|name| name != PROVENANCE)
        || names.len() != sheets.len().saturating_add(1)
    {
        return Err(FileError::Layout(format!("its sheets are {names:?}, not {table:?} and {PROVENANCE:?}")));
    }
    let titles = titles.to_vec();
    let (sender, rows) = std::sync::mpsc::sync_channel(AHEAD);
    std::thread::spawn(move || {
        for sheet in sheets {
            let mut next = 0_u32;
            let read = sheet_rows(&mut book, &sheet, |at, row| {
                if at != next {
                    return Err(FileError::Layout(format!("sheet {sheet:?}: row {} is empty", next.saturating_add(1))));
                }
                next = at.saturating_add(1);
                let row = row.into_iter().map(|cell| cell.unwrap_or(FoundCell::Text(String::new())));
                if at == 0 {
                    let found: Vec<String> = row.map(|cell| cell.text().to_owned()).collect();
                    return check_titles(&found, &titles).map(|()| true);
                }
                let mut row: Vec<FoundCell> = row.collect();
                row.resize(row.len().max(kinds.len()), FoundCell::Text(String::new()));
                for (cell, kind) in row.iter_mut().zip(&kinds) {
                    if let (FoundCell::Text(text), ColumnKind::Term) = (&*cell, kind) {
                        *cell = canonical(*kind, language, text)
                            .map_or_else(|| FoundCell::NoTerm(text.clone()), FoundCell::Text);
                    }
                }
                // Nobody waits for it any more where the check is over.
                Ok(sender.send(Ok(row)).is_ok())
            });
            if let Err(error) = read {
                sender.send(Err(error)).ok();
                return;
            }
        }
    });
    Ok(Box::new(rows.into_iter()))
}
