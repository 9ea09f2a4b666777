//! Tables for people: as wide as the terminal where that can be, with the titles again on every page, a block of rows at a
//! time.

use std::io::{self, Write};

use tabled::builder::Builder;
use tabled::grid::util::string::get_text_width;
use tabled::settings::object::{Cell as At, Columns, Rows};
use tabled::settings::style::HorizontalLine;
use tabled::settings::{Alignment, Style, Width};

use super::Lang;
use super::render::{grouped, hex};
use crate::audit::printable::printable;
use crate::messages::cli as text;
use crate::reporting::files::{TableWriter, title};
use crate::reporting::rows::Row;
use crate::reporting::table::{Cell, ColumnKind, Head, Tail};
use crate::reporting::terms;

/// Rows whose cells decide together how wide columns are.
const BLOCK_ROWS: usize = 1_000;
/// Rows after which the titles come again on a terminal.
const PAGE_ROWS: usize = 40;
/// Text is not wrapped into less.
const TEXT_WIDTH_MIN: usize = 10;
/// Edges and blanks of a column.
const FRAME: usize = 3;

/// A table that is written for people.
pub(super) struct TerminalWriter<W: Write> {
    head: Head,
    lang: Lang,
    /// Characters a line; as many as it takes where nobody looks at it.
    width: Option<usize>,
    out: W,
    block: Vec<Vec<String>>,
    has_rows: bool,
}

impl<W: Write> TerminalWriter<W> {
    pub(super) fn new(head: &Head, lang: Lang, width: Option<usize>, out: W) -> Self {
        Self { head: head.clone(), lang, width, out, block: Vec::new(), has_rows: false }
    }

    fn titles(&self) -> Vec<String> {
        self.head.columns.iter().map(|column| title(self.lang.into(), column.id)).collect()
    }

    /// How wide each column is.
    fn widths(&self, titles: &[String]) -> Vec<usize> {
        let mut widths: Vec<usize> = titles.iter().map(|title| get_text_width(title)).collect();
        let longest_word = |title: &String| title.split(' ').map(get_text_width).max().unwrap_or_default();
        if self.width.is_some() {
            // Titles of numbers are wrapped, numbers are not.
            for ((width, column), title) in widths.iter_mut().zip(&self.head.columns).zip(titles) {
                *width = if is_text(column.kind) { *width } else { longest_word(title) };
            }
        }
        for row in &self.block {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(get_text_width(cell));
            }
        }
        match self.width {
            None => widths,
            Some(width) => {
                let frame = FRAME.saturating_mul(widths.len()).saturating_add(1);
                let kinds: Vec<bool> = self.head.columns.iter().map(|column| is_text(column.kind)).collect();
                fitted(&widths, &kinds, width.saturating_sub(frame))
            }
        }
    }

    fn flush_block(&mut self) -> io::Result<()> {
        let titles = self.titles();
        let widths = self.widths(&titles);
        let rows = std::mem::take(&mut self.block);
        let page_rows = if self.width.is_some() { PAGE_ROWS } else { BLOCK_ROWS };
        if rows.is_empty() && !self.has_rows {
            self.page(&titles, &[], &widths)?;
        }
        self.has_rows = true;
        rows.chunks(page_rows).try_for_each(|page| self.page(&titles, page, &widths))
    }

    fn page(&mut self, titles: &[String], rows: &[Vec<String>], widths: &[usize]) -> io::Result<()> {
        let mut builder = Builder::with_capacity(rows.len().saturating_add(1), titles.len());
        builder.push_record(titles);
        for row in rows {
            builder.push_record(row);
        }
        let mut table = builder.build();
        let rule = HorizontalLine::inherit(Style::modern());
        table.with(Style::modern().remove_horizontal().horizontals([(1, rule)]));
        for (at, (width, column)) in widths.iter().zip(&self.head.columns).enumerate() {
            table.modify(Columns::one(at), Width::wrap(*width).keep_words(true));
            table.modify(At::new(0, at), Width::increase(*width));
            if column.kind.is_number() {
                table.modify(Columns::one(at), Alignment::right());
            }
        }
        table.modify(Rows::first(), Alignment::left());
        writeln!(self.out, "{table}")
    }
}

/// Text is wrapped where room is short; numbers, dates and times are not.
const fn is_text(kind: ColumnKind) -> bool {
    matches!(kind, ColumnKind::Text | ColumnKind::Term | ColumnKind::MaskedName)
}

/// Widths that fit into a line: the widest columns of text give way first, down to what can still be read.
fn fitted(widths: &[usize], is_text: &[bool], room: usize) -> Vec<usize> {
    let limited = |limit: usize| -> Vec<usize> {
        let each = widths.iter().zip(is_text);
        each.map(|(width, is_text)| if *is_text { (*width).min(limit) } else { *width }).collect()
    };
    let widest = widths.iter().copied().max().unwrap_or_default();
    let mut limits = (TEXT_WIDTH_MIN..=widest.max(TEXT_WIDTH_MIN)).rev();
    let fits = limits.find(|limit| limited(*limit).iter().sum::<usize>() <= room);
    limited(fits.unwrap_or(TEXT_WIDTH_MIN))
}

/// A cell as people read it.
fn shown(cell: &Cell, lang: Lang) -> String {
    match cell {
        Cell::Amount(minor, exponent) => grouped(*minor, *exponent),
        Cell::Term(code) => terms::label(lang.into(), code),
        Cell::Empty | Cell::Text(_) | Cell::Number(_) | Cell::Share(_) | Cell::Day(_) | Cell::Month(_) => {
            printable(&cell.canonical())
        }
    }
}

impl<W: Write + Send> TableWriter for TerminalWriter<W> {
    fn row(&mut self, row: &Row, _cells: &[String]) -> io::Result<()> {
        self.block.push(row.cells.iter().map(|cell| shown(cell, self.lang)).collect());
        if self.block.len() >= BLOCK_ROWS { self.flush_block() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>, tail: &Tail, digest: &[u8; 32]) -> io::Result<()> {
        if !self.block.is_empty() || !self.has_rows {
            self.flush_block()?;
        }
        let lang = self.lang;
        for (name, value) in &self.head.parameters {
            writeln!(self.out, "{name}: {}", printable(value))?;
        }
        let origin = printable(&tail.origin);
        writeln!(self.out, "{}", text::report_basis(lang, origin, hex(&tail.root), tail.sequence))?;
        writeln!(self.out, "{}", text::report_digest(lang, hex(digest), tail.rows))?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_text_gives_way_first() {
        let text = [true, false, true, true];
        for (widths, room, expected) in [
            (vec![5, 12, 40, 20], 77, vec![5, 12, 40, 20]),
            (vec![5, 12, 40, 20], 60, vec![5, 12, 23, 20]),
            (vec![5, 12, 40, 20], 47, vec![5, 12, 15, 15]),
            (vec![5, 12, 40, 20], 10, vec![5, 12, 10, 10]),
        ] {
            assert_eq!(fitted(&widths, &text, room), expected, "{widths:?} in {room}");
        }
    }
}
