//! Workbooks (Office Open XML): a sheet of rows, or as many as there are rows for, and one that says what the table rests on.

use std::io::{self, Seek, Write};

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError};

use super::{TableWriter, provenance, table_title, title};
use crate::messages::{self, Language};
use crate::reporting::rows::Row;
use crate::reporting::table::{Cell, ColumnKind, Head, Tail};
use crate::reporting::terms;

/// Rows of a sheet, besides the titles: a sheet has 1,048,576.
pub(super) const SHEET_ROWS_MAX: u32 = 1_000_000;
/// Digits that a spreadsheet calculates with; longer numbers are written as text.
const DIGITS_MAX: usize = 15;
/// The name of the sheet that says what the table rests on.
pub(super) const PROVENANCE: &str = "provenance";

/// A table that is written as a workbook.
pub struct XlsxWriter<W: Write + Seek + Send> {
    head: Head,
    language: Language,
    out: W,
    workbook: Workbook,
    sheet: u32,
    row: u32,
    formats: Formats,
}

struct Formats {
    title: Format,
    amounts: Vec<Format>,
    number: Format,
    right: Format,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only an error of input or output is one to the caller")]
fn failed(error: XlsxError) -> io::Error {
    match error {
        XlsxError::IoError(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

impl<W: Write + Seek + Send> XlsxWriter<W> {
    /// Begins a workbook.
    pub fn new(head: &Head, language: Language, out: W) -> io::Result<Self> {
        let mut workbook = Workbook::new();
        // Made now or in thirty years, the bytes are the same.
        let never = ExcelDateTime::from_ymd(2000, 1, 1).map_err(failed)?;
        let title = table_title(language, head.table);
        workbook.set_properties(&DocProperties::new().set_title(title).set_creation_datetime(&never));
        let amounts = ["#,##0", "#,##0.0", "#,##0.00", "#,##0.000", "#,##0.0000"];
        // Red where it is negative, 红字.
        let amounts = amounts.map(|positive| Format::new().set_num_format(format!("{positive};[Red]-{positive}")));
        let formats = Formats {
            title: Format::new().set_bold().set_text_wrap(),
            amounts: amounts.to_vec(),
            number: Format::new().set_num_format("0"),
            right: Format::new().set_align(FormatAlign::Right),
        };
        let mut writer = Self { head: head.clone(), language, out, workbook, sheet: 0, row: 0, formats };
        writer.begin_sheet()?;
        Ok(writer)
    }

    fn begin_sheet(&mut self) -> io::Result<()> {
        self.sheet = self.sheet.saturating_add(1);
        self.row = 0;
        let name =
            if self.sheet == 1 { self.head.table.to_owned() } else { format!("{} {}", self.head.table, self.sheet) };
        let sheet = self.workbook.add_worksheet_with_constant_memory().map_err(failed)?;
        sheet.set_name(name).map_err(failed)?;
        sheet.set_freeze_panes(1, 0).map_err(failed)?;
        for (at, column) in (0_u16..).zip(&self.head.columns) {
            sheet.set_column_width(at, width(column.kind)).map_err(failed)?;
            let title = title(self.language, column.id);
            sheet.write_string_with_format(0, at, title, &self.formats.title).map_err(failed)?;
        }
        Ok(())
    }
}

const fn width(kind: ColumnKind) -> u32 {
    match kind {
        ColumnKind::Amount | ColumnKind::Text => 18,
        ColumnKind::Term | ColumnKind::MaskedName => 14,
        ColumnKind::Number | ColumnKind::Share | ColumnKind::Date | ColumnKind::Month => 12,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what is no number is text")]
fn write(
    sheet: &mut Worksheet,
    (row, at): (u32, u16),
    (kind, cell, text): (ColumnKind, &Cell, &str),
    formats: &Formats,
    language: Language,
) -> Result<(), XlsxError> {
    let is_short = text.bytes().filter(u8::is_ascii_digit).count() <= DIGITS_MAX;
    match cell {
        Cell::Amount(_, exponent) if is_short => {
            let format =
                usize::try_from(*exponent).ok().and_then(|at| formats.amounts.get(at)).unwrap_or(&formats.number);
            // A decimal of at most 15 digits is read back as it was written.
            let number: f64 = text.parse().unwrap_or_default();
            sheet.write_number_with_format(row, at, number, format)?;
        }
        Cell::Number(_) if is_short => {
            let number: f64 = text.parse().unwrap_or_default();
            sheet.write_number_with_format(row, at, number, &formats.number)?;
        }
        _ if text.is_empty() => {}
        _ if kind == ColumnKind::Term => {
            sheet.write_string(row, at, terms::label(language, text))?;
        }
        _ if kind.is_number() => {
            sheet.write_string_with_format(row, at, text, &formats.right)?;
        }
        _ => {
            sheet.write_string(row, at, text)?;
        }
    }
    Ok(())
}

impl<W: Write + Seek + Send> TableWriter for XlsxWriter<W> {
    fn row(&mut self, row: &Row, cells: &[String]) -> io::Result<()> {
        if self.row >= SHEET_ROWS_MAX {
            self.begin_sheet()?;
        }
        self.row = self.row.saturating_add(1);
        let index = usize::try_from(self.sheet).unwrap_or_default().saturating_sub(1);
        let sheet = self.workbook.worksheet_from_index(index).map_err(failed)?;
        for (at, ((column, cell), text)) in (0_u16..).zip(self.head.columns.iter().zip(&row.cells).zip(cells)) {
            write(sheet, (self.row, at), (column.kind, cell, text), &self.formats, self.language).map_err(failed)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, tail: &Tail, digest: &[u8; 32]) -> io::Result<()> {
        let sheet = self.workbook.add_worksheet();
        sheet.set_name(PROVENANCE).map_err(failed)?;
        sheet.set_column_width(0, 26).map_err(failed)?;
        sheet.set_column_width(1, 70).map_err(failed)?;
        let mut row = 0_u32;
        for (name, value) in provenance(&self.head, Some(self.language), tail, digest) {
            sheet.write_string(row, 0, name).map_err(failed)?;
            sheet.write_string(row, 1, value).map_err(failed)?;
            row = row.saturating_add(1);
        }
        // For people: how to check it.
        let advice = messages::text(self.language, "table-how-to-check", &[]);
        sheet.write_string(row.saturating_add(1), 0, advice).map_err(failed)?;
        self.workbook.save_to_writer(&mut self.out).map_err(failed)?;
        self.out.flush()
    }
}
