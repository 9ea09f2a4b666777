//! CSV (RFC 4180) with a byte order mark, as Excel and WPS open it: titles, rows, and at the end what the table rests on, in
//! rows whose first cell begins with `#`.

use std::io::{self, Write};

use super::{TableWriter, provenance, title};
use crate::messages::Language;
use crate::reporting::rows::Row;
use crate::reporting::table::{ColumnKind, Head, Tail};
use crate::reporting::terms;

/// UTF-8's byte order mark: without it spreadsheets take Chinese for another encoding.
pub const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// What cells that a spreadsheet would calculate begin with.
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
/// What keeps them text.
const QUOTE: char = '\'';

/// A table that is written as CSV.
pub struct CsvWriter<W: Write> {
    head: Head,
    language: Language,
    out: csv::Writer<W>,
}

impl<W: Write> CsvWriter<W> {
    /// Begins a file.
    pub fn new(head: &Head, language: Language, mut out: W) -> io::Result<Self> {
        out.write_all(BYTE_ORDER_MARK)?;
        let mut out = csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(out);
        out.write_record(head.columns.iter().map(|column| title(language, column.id))).map_err(failed)?;
        Ok(Self { head: head.clone(), language, out })
    }
}

/// A cell as it stands in a CSV of a language.
pub(super) fn shown(kind: ColumnKind, language: Language, cell: &str) -> String {
    match kind {
        ColumnKind::Term => terms::label(language, cell),
        ColumnKind::Text | ColumnKind::MaskedName
            if cell.starts_with(FORMULA_STARTS) || cell.starts_with([QUOTE, '#']) =>
        {
            format!("{QUOTE}{cell}")
        }
        ColumnKind::Text
        | ColumnKind::MaskedName
        | ColumnKind::Amount
        | ColumnKind::Number
        | ColumnKind::Share
        | ColumnKind::Date
        | ColumnKind::Month => cell.to_owned(),
    }
}

/// The canonical form of a cell that stands in a CSV of a language; `None` where it is no label of a term.
pub(super) fn canonical(kind: ColumnKind, language: Language, cell: &str) -> Option<String> {
    match kind {
        ColumnKind::Term => terms::code(language, cell).map(str::to_owned),
        ColumnKind::Text | ColumnKind::MaskedName => Some(cell.strip_prefix(QUOTE).unwrap_or(cell).to_owned()),
        ColumnKind::Amount | ColumnKind::Number | ColumnKind::Share | ColumnKind::Date | ColumnKind::Month => {
            Some(cell.to_owned())
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only an error of input or output is one to the caller")]
fn failed(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

impl<W: Write + Send> TableWriter for CsvWriter<W> {
    fn row(&mut self, _row: &Row, cells: &[String]) -> io::Result<()> {
        let kinds = self.head.columns.iter().map(|column| column.kind);
        let shown = kinds.zip(cells).map(|(kind, cell)| shown(kind, self.language, cell));
        self.out.write_record(shown).map_err(failed)
    }

    fn finish(mut self: Box<Self>, tail: &Tail, digest: &[u8; 32]) -> io::Result<()> {
        for (name, value) in provenance(&self.head, Some(self.language), tail, digest) {
            self.out.write_record([format!("#{name}"), value]).map_err(failed)?;
        }
        self.out.flush()
    }
}
