//! Tables: what their columns are, what their cells say, and the digest by which the same table is known in every form.

use sha2::{Digest, Sha256};

use super::decimal::decimal;
use crate::format::hexadecimal;

/// What a column holds, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// An identifier or a name, as it stands in the log.
    Text,
    /// A word of a fixed list, by its code; shown in the language of the file.
    Term,
    /// An amount in minor units, shown with the currency's decimals.
    Amount,
    /// A whole number.
    Number,
    /// A share in parts per million, shown in percent with two decimals.
    Share,
    /// A date.
    Date,
    /// A month.
    Month,
    /// A masked name: from the vault, not from the log.
    MaskedName,
}

impl ColumnKind {
    /// Whether its cells follow from the log alone.
    pub const fn is_derived(self) -> bool {
        !matches!(self, Self::MaskedName)
    }

    /// Whether its cells are numbers, which stand to the right.
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Amount | Self::Number | Self::Share)
    }
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name for programs; the catalogue has its title as `column-` and this.
    pub id: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
}

/// A column of a kind.
pub const fn column(id: &'static str, kind: ColumnKind) -> Column {
    Column { id, kind }
}

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// As it is.
    Text(String),
    /// The code of a term.
    Term(&'static str),
    /// Minor units, and the currency's decimal places.
    Amount(i128, u32),
    /// A whole number.
    Number(i64),
    /// Parts per million.
    Share(i64),
    /// Days since 1970-01-01.
    Day(i32),
    /// Year * 100 + month; 0 is none.
    Month(i32),
}

impl Cell {
    /// Its canonical form, the same in every language and file: what digests are made of.
    pub fn canonical(&self) -> String {
        match self {
            Self::Empty | Self::Month(0) => String::new(),
            Self::Text(text) => text.clone(),
            Self::Term(code) => (*code).to_owned(),
            Self::Amount(minor, exponent) => decimal(*minor, *exponent),
            Self::Number(number) => number.to_string(),
            Self::Share(ppm) => percent(*ppm),
            Self::Day(day) => date(*day),
            Self::Month(month) => format!("{:04}-{:02}", month.div_euclid(100), month.rem_euclid(100)),
        }
    }
}

/// Parts per million in percent with two decimals, rounded half away from zero.
fn percent(ppm: i64) -> String {
    let hundredths = i128::from(ppm.unsigned_abs()).saturating_add(50).div_euclid(100);
    let hundredths = if ppm < 0 { hundredths.saturating_neg() } else { hundredths };
    format!("{}%", decimal(hundredths, 2))
}

/// A day as `2026-03-31`; a day that no calendar has as its number.
pub fn date(day: i32) -> String {
    let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(day).unwrap_or_default());
    date.map_or_else(|_| day.to_string(), |date| date.to_string())
}

/// A date in days since 1970-01-01.
pub fn day(date: jiff::civil::Date) -> i32 {
    date.since(jiff::civil::date(1970, 1, 1)).map_or(0, |span| span.get_days())
}

/// What a part is of a whole, in parts per million, rounded half up; 0 where there is no whole.
pub fn share(part: i128, whole: i128) -> i64 {
    if whole <= 0 {
        return 0;
    }
    let doubled = part.saturating_mul(2_000_000).saturating_add(whole);
    i64::try_from(doubled.div_euclid(whole.saturating_mul(2))).unwrap_or(i64::MAX)
}

/// A table before its rows: what it is called, what was asked for, and its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What kind of table, e.g. `execution`.
    pub table: &'static str,
    /// What was asked for, by name, in a fixed order.
    pub parameters: Vec<(&'static str, String)>,
    /// The columns.
    pub columns: Vec<Column>,
}

/// What a table rests on, and what it leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The ledger.
    pub origin: String,
    /// Sequence that the table is as of.
    pub sequence: i64,
    /// Root of the tree over the entries up to that sequence.
    pub root: [u8; 32],
    /// Rows of the table.
    pub rows: u64,
    /// Rows that are left out to protect minors, and what they come to in minor units.
    pub left_out: (u64, i128),
}

/// A JSON array of strings, without blanks.
pub fn json_array<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    let mut line = String::from("[");
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        line.push_str(&json_string(cell.as_ref()));
    }
    line.push(']');
    line
}

/// A JSON string.
pub fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Head {
    /// Its canonical line.
    pub fn canonical(&self) -> String {
        let named = self.parameters.iter().map(|(name, value)| json_array([*name, value.as_str()]));
        let columns = json_array(self.columns.iter().map(|column| column.id));
        format!("[{},[{}],{columns}]", json_string(self.table), named.collect::<Vec<_>>().join(","))
    }
}

impl Tail {
    /// Its canonical line.
    pub fn canonical(&self) -> String {
        let (rows, amount) = self.left_out;
        json_array([
            self.origin.clone(),
            self.sequence.to_string(),
            hexadecimal::of(&self.root),
            self.rows.to_string(),
            rows.to_string(),
            amount.to_string(),
        ])
    }
}

/// The digest of a table: SHA-256 over its canonical lines, each ended by a line feed: head, rows, tail. The same for all
/// languages and forms in which it is written.
#[derive(Clone, Debug)]
pub struct TableDigest(Sha256);

impl TableDigest {
    /// Of a table with this head.
    pub fn new(head: &Head) -> Self {
        let mut digest = Self(Sha256::new_with_prefix(b"fundledger table v1\n"));
        digest.line(&head.canonical());
        digest
    }

    fn line(&mut self, line: &str) {
        self.0.update(line.as_bytes());
        self.0.update(b"\n");
    }

    /// Takes a row, in canonical form.
    pub fn row(&mut self, cells: &[String]) {
        self.line(&json_array(cells));
    }

    /// The digest of the whole.
    pub fn finish(mut self, tail: &Tail) -> [u8; 32] {
        self.line(&tail.canonical());
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_one_canonical_form() {
        for (cell, expected) in [
            (Cell::Empty, ""),
            (Cell::Text("=1+1".to_owned()), "=1+1"),
            (Cell::Term("SPECIAL"), "SPECIAL"),
            (Cell::Amount(123_456, 2), "1234.56"),
            (Cell::Amount(-5, 2), "-0.05"),
            (Cell::Amount(7, 0), "7"),
            (Cell::Number(-3), "-3"),
            (Cell::Share(123_449), "12.34%"),
            (Cell::Share(123_450), "12.35%"),
            (Cell::Share(-123_450), "-12.35%"),
            (Cell::Share(1_000_000), "100.00%"),
            (Cell::Day(20_453), "2025-12-31"),
            (Cell::Month(202_603), "2026-03"),
            (Cell::Month(0), ""),
        ] {
            assert_eq!(cell.canonical(), expected);
        }
    }

    #[test]
    fn shares_are_rounded_half_up() {
        assert_eq!(share(1, 3), 333_333);
        assert_eq!(share(2, 3), 666_667);
        assert_eq!(share(1, 2_000_000), 1);
        assert_eq!(share(5, 0), 0);
    }
}
