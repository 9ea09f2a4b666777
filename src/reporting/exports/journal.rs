//! Plain-text accounting: a journal that beancount, hledger and ledger read, with balance assertions that each of them checks.
//!
//! The two books never meet: what moves in both is two transactions, each balanced by itself, below roots of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use super::movement::{Book, Cell, Movement, add};
use super::names;
use super::output::{Output, plain};
use super::selection::{Basis, Selection};
use super::sorted::Sorter;
use super::{ExportError, Exporting};
use crate::format::hexadecimal;
use crate::reporting::decimal::decimal;
use crate::reporting::register::{Fund, Register, Step};
use crate::reporting::table::date;
use prost::Message;

/// What is said of a transaction beside its postings; ledger wants them declared.
const TAGS: [&str; 7] = ["hash", "book", "document", "request", "purpose", "project", "contract"];

/// Which program reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// beancount 2 and 3.
    Beancount,
    /// hledger.
    Hledger,
    /// ledger 3.
    Ledger,
}

/// A journal while it is made.
pub struct Journal {
    dialect: Dialect,
    selection: Selection,
    movements: Sorter,
    opening: BTreeMap<Cell, i128>,
    days: Option<(i32, i32)>,
}

impl Journal {
    /// In a dialect.
    pub fn new(dialect: Dialect, selection: Selection, room: &Path) -> Self {
        Self { dialect, selection, movements: Sorter::new(room), opening: BTreeMap::new(), days: None }
    }
}

impl Exporting for Journal {
    fn take(&mut self, step: &Step<'_>, register: &Register) -> io::Result<()> {
        if step.legs.is_empty() {
            return Ok(());
        }
        if self.selection.is_before(step.day) {
            for leg in step.legs {
                add(&mut self.opening, leg);
            }
            return Ok(());
        }
        self.days = Some(self.days.map_or((step.day, step.day), |(one, two)| (one.min(step.day), two.max(step.day))));
        let movement = Movement::new(step, register);
        self.movements.push(&movement.key(), movement.encode_to_vec())
    }

    fn finish(
        mut self: Box<Self>,
        basis: &Basis,
        register: &Register,
        output: &Path,
        tick: &mut dyn FnMut(),
    ) -> Result<u64, ExportError> {
        let Selection { first_day, last_day, .. } = self.selection;
        let (first, last) = self.days.unwrap_or_default();
        let (first, last) = (first_day.unwrap_or(first), last_day.unwrap_or(last));
        let mut writing = Writing {
            dialect: self.dialect,
            register,
            out: Output::create(output)?,
            first,
            balances: BTreeMap::new(),
            moved: BTreeSet::new(),
        };
        writing.head(basis)?;
        writing.opening(&self.opening)?;
        let mut count = 0_u64;
        let mut month_end = None;
        self.movements.each(|record| -> Result<(), ExportError> {
            let movement = Movement::read(record)?;
            let end = end_of_month(movement.day);
            if let Some(before) = month_end.replace(end).filter(|before| *before != end) {
                writing.assert_moved(before)?;
            }
            writing.movement(&movement)?;
            count = count.saturating_add(1);
            tick();
            Ok(())
        })?;
        writing.assert_all(last)?;
        writing.out.finish()?;
        Ok(count)
    }
}

/// The last day of the month that a day lies in.
fn end_of_month(day: i32) -> i32 {
    let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(day).unwrap_or_default());
    let left = date.map_or(0, |date| i32::from(date.days_in_month()).saturating_sub(date.day().into()));
    day.saturating_add(left)
}

struct Writing<'a> {
    dialect: Dialect,
    register: &'a Register,
    out: Output,
    first: i32,
    /// Debits less credits, by account and lot.
    balances: BTreeMap<Cell, i128>,
    /// What has moved since the last assertions.
    moved: BTreeSet<Cell>,
}

impl<'a> Writing<'a> {
    fn head(&mut self, basis: &Basis) -> io::Result<()> {
        for (name, value) in basis.named() {
            writeln!(self.out, "; {name}: {}", plain(&value))?;
        }
        let mut currencies: BTreeMap<&str, u32> = BTreeMap::new();
        for (_, fund) in self.register.funds() {
            let exponent = currencies.entry(&fund.currency_code).or_default();
            *exponent = fund.exponent.max(*exponent);
        }
        writeln!(self.out)?;
        match self.dialect {
            Dialect::Beancount => {
                writeln!(self.out, "option \"title\" \"{}\"", quoted(&basis.origin))?;
                for currency in currencies.keys() {
                    writeln!(self.out, "option \"operating_currency\" \"{currency}\"")?;
                }
                for (currency, exponent) in &currencies {
                    writeln!(self.out, "{} commodity {currency}\n  exponent: {exponent}", date(self.first))?;
                }
            }
            Dialect::Hledger => {
                writeln!(self.out, "decimal-mark .")?;
                for (currency, exponent) in &currencies {
                    // A number without decimals still shows where they would be.
                    let dot = if *exponent == 0 { "." } else { "" };
                    writeln!(self.out, "commodity {}{dot} {currency}", decimal(0, *exponent))?;
                }
            }
            Dialect::Ledger => {
                for (currency, exponent) in &currencies {
                    writeln!(self.out, "commodity {currency}\n    format {} {currency}", decimal(0, *exponent))?;
                }
                for tag in TAGS {
                    writeln!(self.out, "tag {tag}")?;
                }
            }
        }
        Ok(())
    }

    fn fund(&self, account: i32) -> Option<&'a Fund> {
        self.register.fund(self.register.fund_of(account))
    }

    fn amount(&self, account: i32, amount: i128) -> String {
        let fund = self.fund(account);
        let currency = fund.map_or("", |fund| fund.currency_code.as_str());
        format!("{} {currency}", decimal(amount, fund.map_or(0, |fund| fund.exponent)))
    }

    /// What was there before the first day, in a transaction for each fund and book.
    fn opening(&mut self, opening: &BTreeMap<Cell, i128>) -> io::Result<()> {
        let mut parts: BTreeMap<(i32, Book), Vec<(Cell, i128)>> = BTreeMap::new();
        for (cell, amount) in opening.iter().filter(|(_, amount)| **amount != 0) {
            let part = (self.register.fund_of(cell.0), Book::of(self.register.kind(cell.0)));
            parts.entry(part).or_default().push((*cell, *amount));
        }
        for postings in parts.into_values() {
            for (cell, _) in &postings {
                self.declare(*cell)?;
            }
            let day = date(self.first);
            match self.dialect {
                Dialect::Beancount => writeln!(self.out, "\n{day} * \"opening balances\"")?,
                Dialect::Hledger | Dialect::Ledger => writeln!(self.out, "\n{day} * opening balances")?,
            }
            for (cell, amount) in postings {
                self.posting(cell, amount)?;
                self.balances.insert(cell, amount);
                self.moved.insert(cell);
            }
        }
        Ok(())
    }

    /// Names an account and lot before it is used for the first time.
    fn declare(&mut self, cell: Cell) -> io::Result<()> {
        if self.balances.contains_key(&cell) {
            return Ok(());
        }
        self.balances.insert(cell, 0);
        let name = names::account(self.register, cell);
        let account = self.register.account(cell.0);
        let number = cell.0.to_string();
        let (known, unit) = account.map_or((number.as_str(), ""), |account| (&account.account_id, &account.unit_id));
        let lot = self.register.lot(cell.1);
        let (lot_id, document) = lot.map_or(("", ""), |lot| (&lot.lot_id, &lot.document_number));
        let fund = self.fund(cell.0);
        let (currency, fund_name) = fund.map_or(("", ""), |fund| (&fund.currency_code, &fund.name));
        let about =
            [("account", known), ("unit", unit), ("fund-name", fund_name), ("lot", lot_id), ("document", document)];
        let about = about.into_iter().filter(|(_, value)| !value.is_empty());
        match self.dialect {
            Dialect::Beancount => {
                writeln!(self.out, "\n{} open {name} {currency}", date(self.first))?;
                for (key, value) in about {
                    writeln!(self.out, "  {key}: \"{}\"", quoted(value))?;
                }
            }
            Dialect::Hledger => {
                writeln!(self.out, "\naccount {name}")?;
                for (key, value) in about {
                    writeln!(self.out, "    ; {key}: {}", plain(value))?;
                }
            }
            Dialect::Ledger => {
                let about: Vec<String> = about.map(|(key, value)| format!("{key} {}", plain(value))).collect();
                writeln!(self.out, "\naccount {name}\n    note {}", about.join(", "))?;
            }
        }
        Ok(())
    }

    fn posting(&mut self, cell: Cell, amount: i128) -> io::Result<()> {
        let (name, amount) = (names::account(self.register, cell), self.amount(cell.0, amount));
        writeln!(self.out, "    {name}  {amount}")
    }

    fn movement(&mut self, movement: &Movement) -> io::Result<()> {
        for (book, legs) in movement.by_book(self.register) {
            if legs.is_empty() {
                continue;
            }
            for leg in &legs {
                self.declare((leg.account, leg.lot))?;
            }
            self.transaction(movement, book)?;
            for leg in &legs {
                let cell = (leg.account, leg.lot);
                self.posting(cell, leg.amount_minor.into())?;
                add(&mut self.balances, leg);
                self.moved.insert(cell);
            }
        }
        Ok(())
    }

    /// The lines of a transaction before its postings.
    fn transaction(&mut self, movement: &Movement, book: Book) -> io::Result<()> {
        let Movement { event, voucher, document, request_id, purpose, project_id, contract_id, .. } = movement;
        let (day, place, hash) = (date(movement.day), movement.place(), hexadecimal::of(&movement.hash));
        let about = [
            ("document", document),
            ("request", request_id),
            ("purpose", purpose),
            ("project", project_id),
            ("contract", contract_id),
        ];
        let about = about.into_iter().filter(|(_, value)| !value.is_empty());
        let book = match book {
            Book::Authority => "authority",
            Book::Cash => "cash",
        };
        match self.dialect {
            Dialect::Beancount => {
                writeln!(self.out, "\n{day} * \"{event}\" \"{}\"", quoted(voucher))?;
                writeln!(self.out, "  sequence: \"{place}\"\n  hash: \"{hash}\"\n  book: \"{book}\"")?;
                for (key, value) in about {
                    writeln!(self.out, "  {key}: \"{}\"", quoted(value))?;
                }
            }
            Dialect::Hledger | Dialect::Ledger => {
                writeln!(self.out, "\n{day} * ({place}) {}", format!("{event} {voucher}").trim_end())?;
                writeln!(self.out, "    ; hash: {hash}\n    ; book: {book}")?;
                for (key, value) in about {
                    writeln!(self.out, "    ; {key}: {}", plain(value))?;
                }
            }
        }
        Ok(())
    }

    /// Asserts what has moved, at the end of a month.
    fn assert_moved(&mut self, day: i32) -> io::Result<()> {
        let cells: Vec<Cell> = std::mem::take(&mut self.moved).into_iter().collect();
        self.assert(day, &cells)
    }

    /// Asserts every account, at the end.
    fn assert_all(&mut self, day: i32) -> io::Result<()> {
        let cells: Vec<Cell> = self.balances.keys().copied().collect();
        self.assert(day, &cells)
    }

    fn assert(&mut self, day: i32, cells: &[Cell]) -> io::Result<()> {
        if cells.is_empty() {
            return Ok(());
        }
        match self.dialect {
            Dialect::Beancount => writeln!(self.out)?,
            Dialect::Hledger | Dialect::Ledger => writeln!(self.out, "\n{} * balances", date(day))?,
        }
        for cell in cells {
            let name = names::account(self.register, *cell);
            let fund = self.fund(cell.0);
            let (currency, exponent) = fund.map_or(("", 0), |fund| (fund.currency_code.as_str(), fund.exponent));
            let balance = decimal(self.balances.get(cell).copied().unwrap_or_default(), exponent);
            let zero = decimal(0, exponent);
            match self.dialect {
                // It holds at the beginning of a day; without a tolerance said, one of the last digit's unit passes.
                Dialect::Beancount => {
                    let next = date(day.saturating_add(1));
                    writeln!(self.out, "{next} balance {name}  {balance} ~ {zero} {currency}")?;
                }
                Dialect::Hledger | Dialect::Ledger => {
                    writeln!(self.out, "    {name}  {zero} {currency} = {balance} {currency}")?;
                }
            }
        }
        Ok(())
    }
}

/// A text between the quotation marks of beancount.
fn quoted(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_end_on_their_last_day() {
        for (day, expected) in
            [("1970-01-01", "1970-01-31"), ("1972-02-03", "1972-02-29"), ("2026-12-31", "2026-12-31")]
        {
            let day: jiff::civil::Date = day.parse().unwrap();
            let number = day.since(jiff::civil::date(1970, 1, 1)).unwrap().get_days();
            assert_eq!(date(end_of_month(number)), expected);
        }
    }
}
