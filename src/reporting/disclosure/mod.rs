//! Disclosures (公开): what may be published of the books, in tables that anybody can make again from the log.
//!
//! Which tables there are, what can be asked of each, and from which day to which it looks.

mod execution;
mod flow;
mod recipients;
mod special;

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use thiserror::Error;

use super::rows::{Making, Rows};
use super::table::{Column, Head, day};

/// Days since 1970-01-01, both within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub first: i32,
    /// The last.
    pub last: i32,
}

/// A month, and where its year begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Months {
    first_day: i32,
    last_day: i32,
    first_day_of_year: i32,
}

/// A month that the calendar has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// From `2026-03`; `None` where that is no month.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if year.len() != 4 || month.len() != 2 || !is_number(year) || !is_number(month) {
            return None;
        }
        let month = Self { year: year.parse().ok()?, month: month.parse().ok()? };
        jiff::civil::Date::new(month.year, month.month, 1).ok().map(|_| month)
    }

    fn months(self) -> Months {
        let first = jiff::civil::Date::new(self.year, self.month, 1).unwrap_or_default();
        Months {
            first_day: day(first),
            last_day: day(first.last_of_month()),
            first_day_of_year: day(first.first_of_year()),
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}", self.year, self.month)
    }
}

/// A table that can be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Budget execution of a month, by fund (预算执行情况表).
    Execution,
    /// Special funds by region and project.
    Special,
    /// Recipients of relief.
    Recipients,
    /// The whole flow of a fund.
    Flow,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Execution, Self::Special, Self::Recipients, Self::Flow];

    /// Its name in files and templates.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Execution => "execution",
            Self::Special => "special",
            Self::Recipients => "recipients",
            Self::Flow => "flow",
        }
    }

    /// The columns that it can have, in their order.
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Execution => execution::COLUMNS,
            Self::Special => special::COLUMNS,
            Self::Recipients => recipients::COLUMNS,
            Self::Flow => flow::COLUMNS,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }
}

/// Why something cannot be published as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OrderError {
    /// No such table.
    #[error("there is no table {0:?}; there are execution, special, recipients, flow")]
    UnknownTable(String),
    /// No such column.
    #[error("the table {table} has no column {column:?}; it has {known}")]
    UnknownColumn {
        /// The table.
        table: &'static str,
        /// What was asked for.
        column: String,
        /// What there is.
        known: String,
    },
    /// A column stands twice.
    #[error("the column {0:?} stands twice")]
    ColumnTwice(String),
    /// Something that the table needs is missing.
    #[error("the table {table} needs {needed}")]
    Missing {
        /// The table.
        table: &'static str,
        /// What it needs.
        needed: &'static str,
    },
    /// Something that the table cannot do was asked of it.
    #[error("the table {table} has no {given}")]
    Unwanted {
        /// The table.
        table: &'static str,
        /// What was given.
        given: &'static str,
    },
    /// A month that does not exist.
    #[error("{0:?} is no month such as 2026-03")]
    NoMonth(String),
    /// A template that is not one, with the place.
    #[error("{0}")]
    Template(String),
}

/// What is to be published, as it was asked for: by options, a template, or a file that was published before.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Name of the table.
    pub table: String,
    /// Month, as `2026-03`.
    #[serde(default)]
    pub month: String,
    /// Only these funds.
    #[serde(default)]
    pub funds: Vec<String>,
    /// Only these administrative divisions.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Only these columns, in this order; all where none is named.
    #[serde(default)]
    pub columns: Vec<String>,
}

/// An order that can be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    table: Table,
    month: Option<Month>,
    funds: Vec<String>,
    regions: Vec<String>,
    head: Head,
}

impl Order {
    /// From a template: TOML with the fields of an order.
    pub fn from_template(text: &str) -> Result<Self, OrderError> {
        toml::from_str(text).map_err(|error| OrderError::Template(error.to_string()))
    }

    /// From the parameters and columns that a published file names.
    pub fn from_file(table: &str, parameters: &[(String, String)], columns: Vec<String>) -> Self {
        let of = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let list = |name: &str| of(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        Self {
            table: table.to_owned(),
            month: of("month").unwrap_or_default().to_owned(),
            funds: list("funds"),
            regions: list("regions"),
            columns,
        }
    }

    /// Checks it, all at once.
    pub fn check(self) -> Result<Disclosure, OrderError> {
        let table = Table::named(&self.table).ok_or_else(|| OrderError::UnknownTable(self.table.clone()))?;
        let name = table.name();
        let month = match self.month.as_str() {
            "" => None,
            text => Some(Month::parse(text).ok_or_else(|| OrderError::NoMonth(text.to_owned()))?),
        };
        match table {
            Table::Execution | Table::Special | Table::Recipients if month.is_none() => {
                return Err(OrderError::Missing { table: name, needed: "a month" });
            }
            Table::Flow if month.is_some() => return Err(OrderError::Unwanted { table: name, given: "month" }),
            Table::Flow if !self.regions.is_empty() => {
                return Err(OrderError::Unwanted { table: name, given: "region" });
            }
            Table::Flow if self.funds.len() != 1 => {
                return Err(OrderError::Missing { table: name, needed: "exactly one fund" });
            }
            Table::Execution | Table::Special | Table::Recipients | Table::Flow => {}
        }
        let columns = columns(table, &self.columns)?;
        let sorted = |names: Vec<String>| names.into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
        let (funds, regions) = (sorted(self.funds), sorted(self.regions));
        let mut parameters = Vec::new();
        if let Some(month) = month {
            parameters.push(("month", month.to_string()));
        }
        for (name, values) in [("funds", &funds), ("regions", &regions)] {
            if !values.is_empty() {
                parameters.push((name, values.join(" ")));
            }
        }
        let head = Head { table: name, parameters, columns };
        Ok(Disclosure { table, month, funds, regions, head })
    }
}

fn columns(table: Table, asked: &[String]) -> Result<Vec<Column>, OrderError> {
    let all = table.columns();
    if asked.is_empty() {
        return Ok(all.to_vec());
    }
    let mut chosen: Vec<Column> = Vec::new();
    for id in asked {
        let found = all.iter().find(|column| column.id == id).ok_or_else(|| OrderError::UnknownColumn {
            table: table.name(),
            column: id.clone(),
            known: all.iter().map(|column| column.id).collect::<Vec<_>>().join(", "),
        })?;
        if chosen.contains(found) {
            return Err(OrderError::ColumnTwice(id.clone()));
        }
        chosen.push(*found);
    }
    // What tells rows apart, and what is left out, must be there.
    if table == Table::Recipients {
        for needed in ["sequence", "operation", "amount"] {
            if !chosen.iter().any(|column| column.id == needed) {
                return Err(OrderError::Missing {
                    table: table.name(),
                    needed: "the columns sequence, operation and amount",
                });
            }
        }
    }
    Ok(chosen)
}

impl Disclosure {
    /// The table's head.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Which table it is.
    pub const fn table(&self) -> Table {
        self.table
    }

    /// The funds that it is of, by name; all there are where none is named.
    pub fn funds(&self) -> &[String] {
        &self.funds
    }

    /// A name for its files, without suffix.
    pub fn file_stem(&self) -> String {
        let parts = self.head.parameters.iter().flat_map(|(_, value)| value.split(' '));
        let mut stem = self.table.name().to_owned();
        for part in parts.take(3) {
            stem.push('-');
            stem.extend(part.chars().map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' }));
        }
        stem
    }

    /// Begins to make it, up to a sequence; all there is where none is named.
    pub fn begin(&self, last_sequence: Option<i64>) -> Making {
        let (funds, regions) = (self.funds.clone(), self.regions.clone());
        let months = self.month.unwrap_or(Month { year: 1970, month: 1 }).months();
        let rows: Box<dyn Rows> = match self.table {
            Table::Execution => Box::new(execution::Execution::new(months, funds, regions)),
            Table::Special => Box::new(special::Special::new(months, funds, regions)),
            Table::Recipients => {
                let days = Days { first: months.first_day, last: months.last_day };
                Box::new(recipients::Recipients::new(days, funds, regions))
            }
            Table::Flow => Box::new(flow::Flow::new(funds.into_iter().next().unwrap_or_default())),
        };
        Making::new(rows, self.table.columns(), &self.head, last_sequence)
    }
}
