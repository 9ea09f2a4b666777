//! Audit interchange in the shape of GB/T 24589: books, periods, accounts with auxiliary items, vouchers, balances. Conformity
//! is not claimed (docs/exports.md).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use prost::Message;

use super::audit_tables::{self as tables, Tables};
use super::movement::{Book, Cell, Movement, add, is_asset, is_debit_normal};
use super::selection::{Basis, Selection};
use super::sorted::Sorter;
use super::{ExportError, Exporting};
use crate::format::hexadecimal;
use crate::messages::Language;
use crate::pb::v1::{AccountKind, Leg};
use crate::reporting::decimal::decimal;
use crate::reporting::register::{Fund, Register, Step};
use crate::reporting::table::date;
use crate::reporting::terms;

type Row<'a> = &'a mut dyn FnMut(&[String]) -> io::Result<()>;

/// What a voucher's lines and a balance are further told by.
const AUXILIARY: [&str; 6] = ["资金批次", "用途", "支出功能分类", "支出经济分类", "项目", "合同"];

/// The interchange while it is made.
pub struct AuditInterchange {
    selection: Selection,
    movements: Sorter,
    opening: BTreeMap<Cell, i128>,
    accounts: BTreeSet<i32>,
    days: Option<(i32, i32)>,
}

impl AuditInterchange {
    /// Of what is wanted.
    pub fn new(selection: Selection, room: &Path) -> Self {
        let movements = Sorter::new(room);
        Self { selection, movements, opening: BTreeMap::new(), accounts: BTreeSet::new(), days: None }
    }
}

impl Exporting for AuditInterchange {
    fn take(&mut self, step: &Step<'_>, register: &Register) -> io::Result<()> {
        if step.legs.is_empty() {
            return Ok(());
        }
        self.accounts.extend(step.legs.iter().map(|leg| leg.account));
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
        let Selection { first_day, last_day, fund, .. } = &self.selection;
        let (first, last) = (first_day.or(self.days.map(|days| days.0)), last_day.or(self.days.map(|days| days.1)));
        let months = first.zip(last).map_or_else(Vec::new, |(first, last)| months(first, last));
        let is_wanted = |known: &Fund| fund.as_ref().is_none_or(|fund_id| known.fund_id == *fund_id);
        let mut written = Tables::create(output)?;
        written.table(&tables::PROVENANCE, |row| -> io::Result<()> {
            basis.named().into_iter().try_for_each(|(name, value)| row(&[name.to_owned(), value]))
        })?;
        written.table(&tables::BOOKS, |row| books(register, &is_wanted, row))?;
        written.table(&tables::PERIODS, |row| months.iter().try_for_each(|month| row(&month.cells())))?;
        written.table(&tables::CURRENCIES, |row| currencies(register, &is_wanted, row))?;
        written.table(&tables::VOUCHER_TYPES, |row| -> io::Result<()> {
            row(&["1", "指标记账凭证", "指"].map(str::to_owned))?;
            row(&["2", "资金记账凭证", "资"].map(str::to_owned))
        })?;
        let named = register.accounts().filter(|(_, account)| register.fund(account.fund).is_some_and(is_wanted));
        self.accounts.extend(named.map(|(number, _)| number));
        written.table(&tables::ACCOUNTS, |row| accounts(register, &self.accounts, row))?;
        written.table(&tables::AUXILIARY_ITEMS, |row| -> io::Result<()> {
            (1..).zip(AUXILIARY).try_for_each(|(number, name): (i32, _)| row(&[number.to_string(), name.to_owned()]))
        })?;
        written.table(&tables::AUXILIARY_VALUES, |row| lots(register, &is_wanted, row))?;
        let mut count = 0_u64;
        let (movements, opening) = (&mut self.movements, std::mem::take(&mut self.opening));
        written.table(&tables::VOUCHERS, |row| {
            movements.each(|record| -> Result<(), ExportError> {
                vouchers(&Movement::read(record)?, register, row)?;
                count = count.saturating_add(1);
                tick();
                Ok(())
            })
        })?;
        written.table(&tables::BALANCES, |row| -> Result<(), ExportError> {
            let mut balances = Balances { register, opening, moved: BTreeMap::new() };
            let mut ended = months.iter().peekable();
            movements.each(|record| -> Result<(), ExportError> {
                let movement = Movement::read(record)?;
                while let Some(month) = ended.next_if(|month| month.last < movement.day) {
                    balances.close(month, row)?;
                }
                balances.take(&movement.legs);
                Ok(())
            })?;
            ended.try_for_each(|month| balances.close(month, row))?;
            Ok(())
        })?;
        written.finish()?;
        Ok(count)
    }
}

/// A month of the calendar.
struct Month {
    year: i16,
    number: i8,
    first: i32,
    last: i32,
}

impl Month {
    fn of(day: i32) -> Self {
        let epoch = jiff::civil::date(1970, 1, 1);
        let date = epoch.checked_add(jiff::Span::new().try_days(day).unwrap_or_default()).unwrap_or(epoch);
        let first = day.saturating_sub(i32::from(date.day())).saturating_add(1);
        let last = first.saturating_add(date.days_in_month().into()).saturating_sub(1);
        Self { year: date.year(), number: date.month(), first, last }
    }

    fn cells(&self) -> [String; 4] {
        [self.year.to_string(), self.number.to_string(), date(self.first), date(self.last)]
    }
}

/// The months from one day to another.
fn months(first: i32, last: i32) -> Vec<Month> {
    let after = |month: &Month| Some(Month::of(month.last.saturating_add(1)));
    std::iter::successors(Some(Month::of(first)), after).take_while(|month| month.first <= last).collect()
}

/// The number of the book of a fund.
fn book_number(fund: i32, book: Book) -> String {
    format!("{fund:04}-{}", book_type(book))
}

const fn book_type(book: Book) -> &'static str {
    match book {
        Book::Authority => "1",
        Book::Cash => "2",
    }
}

fn books(register: &Register, is_wanted: &dyn Fn(&Fund) -> bool, row: Row<'_>) -> io::Result<()> {
    for (number, fund) in register.funds().filter(|(_, fund)| is_wanted(fund)) {
        for (book, name) in [(Book::Authority, "指标账"), (Book::Cash, "资金账")] {
            row(&[
                book_number(number, book),
                format!("{}·{name}", fund.name),
                fund.fund_id.clone(),
                fund.currency_code.clone(),
                env!("CARGO_PKG_NAME").to_owned(),
                env!("CARGO_PKG_VERSION").to_owned(),
            ])?;
        }
    }
    Ok(())
}

fn currencies(register: &Register, is_wanted: &dyn Fn(&Fund) -> bool, row: Row<'_>) -> io::Result<()> {
    let funds = register.funds().filter(|(_, fund)| is_wanted(fund));
    let currencies: BTreeSet<_> = funds.map(|(_, fund)| (fund.currency_code.clone(), fund.exponent)).collect();
    currencies.into_iter().try_for_each(|(code, exponent)| row(&[code, exponent.to_string()]))
}

/// The number of an account: its kind, and its number in the log.
fn account_number(kind: AccountKind, number: i32) -> String {
    format!("{:02}{number:08}", i32::from(kind))
}

fn kind_name(kind: AccountKind) -> String {
    terms::label(Language::Chinese, terms::account_kind(kind))
}

const fn side(is_debit: bool) -> &'static str {
    if is_debit { "借" } else { "贷" }
}

fn kind_type(kind: AccountKind) -> &'static str {
    match Book::of(kind) {
        Book::Authority => "指标",
        Book::Cash if is_asset(kind) => "资产",
        Book::Cash => "净资产及负债",
    }
}

/// The kinds of accounts as the first level, below them the accounts.
fn accounts(register: &Register, accounts: &BTreeSet<i32>, row: Row<'_>) -> io::Result<()> {
    let place = |number: i32| {
        let kind = register.kind(number);
        (register.fund_of(number), Book::of(kind), kind)
    };
    let kinds: BTreeSet<(i32, Book, i32)> = accounts
        .iter()
        .map(|number| {
            let (fund, book, kind) = place(*number);
            (fund, book, i32::from(kind))
        })
        .collect();
    for (fund, book, number) in kinds {
        let kind = AccountKind::try_from(number).unwrap_or_default();
        row(&[
            book_number(fund, book),
            format!("{number:02}"),
            kind_name(kind),
            "1".to_owned(),
            String::new(),
            kind_type(kind).to_owned(),
            side(is_debit_normal(kind)).to_owned(),
            String::new(),
        ])?;
    }
    for number in accounts {
        let (fund, book, kind) = place(*number);
        let account = register.account(*number);
        row(&[
            book_number(fund, book),
            account_number(kind, *number),
            // A person's account has no name here: it may say who they are.
            account.map_or_else(|| format!("{}{number}", kind_name(kind)), |account| account.account_id.clone()),
            "2".to_owned(),
            format!("{:02}", i32::from(kind)),
            kind_type(kind).to_owned(),
            side(is_debit_normal(kind)).to_owned(),
            account.map(|account| account.unit_id.clone()).unwrap_or_default(),
        ])?;
    }
    Ok(())
}

fn lots(register: &Register, is_wanted: &dyn Fn(&Fund) -> bool, row: Row<'_>) -> io::Result<()> {
    for (_, lot) in register.lots().filter(|(_, lot)| register.fund(lot.fund).is_some_and(is_wanted)) {
        let cells = ["1", &lot.lot_id, &lot.document_number, &lot.issuer_id, &lot.parent_lot_id];
        row(&cells.map(str::to_owned))?;
    }
    Ok(())
}

fn lot_id(register: &Register, lot: i32) -> String {
    register.lot(lot).map(|lot| lot.lot_id.clone()).unwrap_or_default()
}

/// The lines of a movement's vouchers, one voucher a book.
fn vouchers(movement: &Movement, register: &Register, row: Row<'_>) -> io::Result<()> {
    let month = Month::of(movement.day);
    let summary = terms::label(Language::Chinese, &movement.event);
    for (book, legs) in movement.by_book(register) {
        for (number, leg) in (1_i32..).zip(&legs) {
            let kind = register.kind(leg.account);
            let fund = register.fund_of(leg.account);
            let (code, exponent) = currency(register, fund);
            let amount = |is_side: bool| {
                let minor = if is_side { i128::from(leg.amount_minor).saturating_abs() } else { 0 };
                decimal(minor, exponent)
            };
            row(&[
                book_number(fund, book),
                date(movement.day),
                month.year.to_string(),
                month.number.to_string(),
                book_type(book).to_owned(),
                movement.place(),
                number.to_string(),
                summary.clone(),
                account_number(kind, leg.account),
                lot_id(register, leg.lot),
                movement.purpose.clone(),
                movement.function_code.clone(),
                movement.economic_code.clone(),
                movement.project_id.clone(),
                movement.contract_id.clone(),
                code,
                amount(leg.amount_minor > 0),
                amount(leg.amount_minor < 0),
                movement.actor.clone(),
                movement.approvers.join(" "),
                movement.voucher.clone(),
                movement.document.clone(),
                hexadecimal::of(&movement.hash),
            ])?;
        }
    }
    Ok(())
}

fn currency(register: &Register, fund: i32) -> (String, u32) {
    register.fund(fund).map(|fund| (fund.currency_code.clone(), fund.exponent)).unwrap_or_default()
}

/// Balances from month to month.
struct Balances<'a> {
    register: &'a Register,
    /// Debits less credits at the beginning of the month.
    opening: BTreeMap<Cell, i128>,
    /// Debits and credits of the month.
    moved: BTreeMap<Cell, (i128, i128)>,
}

impl Balances<'_> {
    fn take(&mut self, legs: &[Leg]) {
        for leg in legs {
            let (debits, credits) = self.moved.entry((leg.account, leg.lot)).or_default();
            let side = if leg.amount_minor > 0 { debits } else { credits };
            *side = side.saturating_add(i128::from(leg.amount_minor).saturating_abs());
        }
    }

    /// Writes the balances of a month: of what held something or moved.
    fn close(&mut self, month: &Month, row: Row<'_>) -> io::Result<()> {
        let moved = std::mem::take(&mut self.moved);
        for cell in moved.keys() {
            self.opening.entry(*cell).or_default();
        }
        for ((account, lot), balance) in &mut self.opening {
            let (debits, credits) = moved.get(&(*account, *lot)).copied().unwrap_or_default();
            let opening = *balance;
            *balance = opening.saturating_add(debits).saturating_sub(credits);
            if opening == 0 && debits == 0 && credits == 0 {
                continue;
            }
            let (kind, fund) = (self.register.kind(*account), self.register.fund_of(*account));
            let (code, exponent) = currency(self.register, fund);
            let side = |balance: i128| side(balance > 0 || balance == 0 && is_debit_normal(kind)).to_owned();
            let amount = |minor: i128| decimal(minor.saturating_abs(), exponent);
            row(&[
                book_number(fund, Book::of(kind)),
                month.year.to_string(),
                month.number.to_string(),
                account_number(kind, *account),
                lot_id(self.register, *lot),
                code,
                side(opening),
                amount(opening),
                amount(debits),
                amount(credits),
                side(*balance),
                amount(*balance),
            ])?;
        }
        Ok(())
    }
}
