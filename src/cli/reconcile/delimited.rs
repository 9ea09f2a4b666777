//! A statement in CSV, by its mapping.

use std::io::Read;

use csv::StringRecord;

use super::mapping::{Mapping, Order};
use super::source::{Source, fault_of};
use super::statement::{Entry, Fault, Raw};
use crate::cli::import::mapping::{ColumnName, in_range, read_date};
use crate::cli::import::rows::{Fault as RowFault, read_amount};

/// Between the values of joined columns.
const JOINT: &str = ".";

/// Reads all rows; the first that cannot be read is the error.
pub(super) fn read<R: Read>(
    mut source: Source<R>,
    mapping: &Mapping,
    currency: &str,
    exponent: u32,
) -> Result<Raw, Fault> {
    for _ in 0..mapping.file.lines_before_header {
        source.skip_line().map_err(|error| fault_of(&error))?;
    }
    let (first_line, _) = source.place();
    let lines_before = first_line.saturating_sub(1);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(mapping.file.delimiter.0)
        .flexible(true)
        .has_headers(false)
        .from_reader(source);
    let mut record = StringRecord::new();
    let mut line = first_line;
    let mut next = |record: &mut StringRecord| -> Result<Option<u64>, Fault> {
        let more = reader.read_record(record).map_err(|error| error_of(error).at(line))?;
        line = record.position().map_or(0, csv::Position::line).saturating_add(lines_before);
        reader.get_mut().next_piece();
        Ok(more.then_some(line))
    };
    let header_line = next(&mut record)?;
    let columns = Columns::find(mapping, &record).map_err(|fault| fault.at(header_line.unwrap_or(first_line)))?;
    let mut raw = Raw::default();
    let mut balances = Vec::new();
    while let Some(line) = next(&mut record)? {
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        let row = Row { mapping, columns: &columns, record: &record, currency, exponent };
        let (entry, balance) = row.read(line).map_err(|fault| fault.at(line))?;
        raw.push(entry)?;
        balances.extend(balance);
    }
    if mapping.file.order == Order::NewestFirst {
        raw.entries.reverse();
        balances.reverse();
        for (number, entry) in (1..).zip(&mut raw.entries) {
            entry.number = number;
        }
    }
    if columns.balance.is_some() {
        follow_balances(&mut raw, &balances)?;
    }
    Ok(raw)
}

fn error_of(error: csv::Error) -> Fault {
    let shown = error.to_string();
    if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) {
        return Fault::Encoding { name: "UTF-8" };
    }
    if let csv::ErrorKind::Io(error) = error.into_kind() {
        return fault_of(&error);
    }
    Fault::Read { cause: shown }
}

/// Each running balance follows from the one before; the first and the last are those of the statement.
fn follow_balances(raw: &mut Raw, balances: &[i64]) -> Result<(), Fault> {
    let mut before: Option<i64> = None;
    for (entry, stated) in raw.entries.iter().zip(balances) {
        if let Some(before) = before {
            let expected = before.saturating_add(entry.amount_minor);
            if expected != *stated {
                return Err(Fault::RunningBalance { expected, stated: *stated }.at(entry.line));
            }
        } else {
            raw.opening_minor = Some(stated.saturating_sub(entry.amount_minor));
        }
        before = Some(*stated);
    }
    raw.closing_minor = before;
    Ok(())
}

/// A mapped column: where it is, and what it is called; several, where the mapping joins them.
struct Column {
    places: Vec<usize>,
    name: String,
}

struct Columns {
    count: usize,
    date: Column,
    amount: Option<Column>,
    indicator: Option<Column>,
    credit: Option<Column>,
    debit: Option<Column>,
    reference: Column,
    balance: Option<Column>,
    currency: Option<Column>,
}

impl Columns {
    fn find(mapping: &Mapping, header: &StringRecord) -> Result<Self, Fault> {
        let find = |key: &str, wanted: &ColumnName| -> Result<Column, Fault> {
            let mut column = Column { places: Vec::new(), name: String::new() };
            for names in &wanted.parts {
                let is_named = |name: &String, field: &str| field.trim() == name.trim();
                let found = names.iter().find_map(|name| {
                    let mut places = header.iter().enumerate().filter(|(_, field)| is_named(name, field));
                    let (place, _) = places.next()?;
                    // A name that occurs twice names nothing.
                    places.next().is_none().then_some((place, name))
                });
                let missing = || Fault::ColumnMissing { key: format!("columns.{key}"), wanted: names.join(", ") };
                let (place, name) = found.ok_or_else(missing)?;
                column.places.push(place);
                let joint = if column.name.is_empty() { "" } else { JOINT };
                column.name = format!("{}{joint}{name}", column.name);
            }
            Ok(column)
        };
        let optional =
            |key: &str, wanted: &Option<ColumnName>| wanted.as_ref().map(|wanted| find(key, wanted)).transpose();
        let wanted = &mapping.columns;
        Ok(Self {
            count: header.len(),
            date: find("date", &wanted.date)?,
            amount: optional("amount", &wanted.amount)?,
            indicator: optional("indicator", &wanted.indicator)?,
            credit: optional("credit", &wanted.credit)?,
            debit: optional("debit", &wanted.debit)?,
            reference: find("reference", &wanted.reference)?,
            balance: optional("balance", &wanted.balance)?,
            currency: optional("currency", &wanted.currency)?,
        })
    }
}

struct Row<'a> {
    mapping: &'a Mapping,
    columns: &'a Columns,
    record: &'a StringRecord,
    currency: &'a str,
    exponent: u32,
}

impl Row<'_> {
    /// The entry of a row, and the balance after it where there is a column of it.
    fn read(&self, line: u64) -> Result<(Entry, Option<i64>), Fault> {
        if self.record.len() != self.columns.count {
            return Err(Fault::ColumnsMismatch { expected: self.columns.count, found: self.record.len() });
        }
        let date_text = self.required(&self.columns.date)?;
        let date = read_date(&self.mapping.date.format.0, &date_text)
            .filter(|date| in_range(*date))
            .ok_or(Fault::DateInvalid { value: date_text })?;
        if let Some(column) = &self.columns.currency {
            let found = self.required(column)?;
            let names = self.mapping.currency_names.get(self.currency);
            if found != self.currency && names.is_none_or(|names| !names.contains(&found)) {
                return Err(Fault::CurrencyDiffers { found, expected: self.currency.to_owned() });
            }
        }
        let amount_minor = self.amount()?;
        let reference = self.value(&self.columns.reference);
        let references = if reference.is_empty() { Vec::new() } else { vec![reference] };
        let balance = self.columns.balance.as_ref().map(|column| self.money(&self.required(column)?)).transpose()?;
        let entry = Entry { number: 0, line, date, amount_minor, references, details: Vec::new() };
        Ok((entry, balance))
    }

    fn amount(&self) -> Result<i64, Fault> {
        let columns = self.columns;
        if let (Some(credit), Some(debit)) = (&columns.credit, &columns.debit) {
            // Banks leave the other side empty, or write 0 there.
            let side = |column: &Column| match self.value(column) {
                empty if empty.is_empty() => Ok(0),
                text => self.money(&text),
            };
            return match (side(credit)?, side(debit)?) {
                (credit, 0) if credit != 0 => Ok(credit),
                (0, debit) if debit != 0 => Ok(debit.saturating_neg()),
                (0, 0) => Err(Fault::AmountZero),
                _ => Err(Fault::SidesUnclear),
            };
        }
        let Some(column) = &columns.amount else { return Err(Fault::SidesUnclear) };
        let amount = self.money(&self.required(column)?)?;
        let (Some(column), Some(values)) = (&columns.indicator, &self.mapping.indicator) else { return Ok(amount) };
        let value = self.required(column)?;
        if values.credit.contains(&value) {
            return Ok(amount);
        }
        if values.debit.contains(&value) {
            return Ok(amount.saturating_neg());
        }
        Err(Fault::FieldInvalid { field: column.name.clone(), value })
    }

    fn money(&self, text: &str) -> Result<i64, Fault> {
        read_amount(&self.mapping.amount, self.exponent, text).map_err(Fault::Amount)
    }

    fn value(&self, column: &Column) -> String {
        let parts = column.places.iter().map(|place| self.record.get(*place).unwrap_or_default().trim());
        let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        parts.join(JOINT)
    }

    fn required(&self, column: &Column) -> Result<String, Fault> {
        match self.value(column) {
            empty if empty.is_empty() => Err(Fault::Amount(RowFault::FieldEmpty { column: column.name.clone() })),
            value => Ok(value),
        }
    }
}
