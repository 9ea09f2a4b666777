//! Tables as files: CSV and workbooks in a language, JSON in none. Each carries what it rests on and its digest; writing the
//! same table again gives the same bytes.

pub mod csv;
pub mod json;
pub mod read;
pub mod xlsx;

use std::io;

use super::rows::Row;
use super::table::{Head, Tail};
use crate::messages::{self, Language};

/// The version of the layout of these files; a change of it is a new number.
pub const LAYOUT: &str = "fundledger-table/1";

/// Writes a table to a file, row by row.
pub trait TableWriter: Send {
    /// Writes a row. `cells` are its canonical cells, with names where there are any.
    fn row(&mut self, row: &Row, cells: &[String]) -> io::Result<()>;
    /// Writes what the table rests on, and ends the file.
    fn finish(self: Box<Self>, tail: &Tail, digest: &[u8; 32]) -> io::Result<()>;
}

/// The title of a column.
pub fn title(language: Language, column: &str) -> String {
    messages::text(language, &format!("column-{column}"), &[])
}

/// The title of a table.
pub fn table_title(language: Language, table: &str) -> String {
    messages::text(language, &format!("table-{table}"), &[])
}

/// What stands at the end of a file, by name: the same names in all languages.
pub(super) fn provenance(
    head: &Head,
    language: Option<Language>,
    tail: &Tail,
    digest: &[u8; 32],
) -> Vec<(String, String)> {
    use crate::format::hexadecimal::of as hex;
    let mut lines = vec![("layout".to_owned(), LAYOUT.to_owned()), ("table".to_owned(), head.table.to_owned())];
    lines.extend(language.map(|language| ("language".to_owned(), language.tag().to_owned())));
    lines.extend(head.parameters.iter().map(|(name, value)| (format!("parameter.{name}"), value.clone())));
    let columns: Vec<&str> = head.columns.iter().map(|column| column.id).collect();
    let (rows_left_out, amount_left_out) = tail.left_out;
    lines.extend(
        [
            ("columns", columns.join(" ")),
            ("origin", tail.origin.clone()),
            ("sequence", tail.sequence.to_string()),
            ("root", hex(&tail.root)),
            ("rows", tail.rows.to_string()),
            ("rows_left_out", rows_left_out.to_string()),
            ("amount_left_out_minor", amount_left_out.to_string()),
            ("digest", hex(digest)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    lines
}
