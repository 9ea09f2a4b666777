//! The mapping file of a bank's CSV: what its columns mean (docs/reconciliation.md).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::cli::import::mapping::{AmountForm, ColumnName, DateForm, Delimiter, EncodingName, Id, line_of, parse};

/// A mapping file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    /// How the bytes are to be read.
    #[serde(default)]
    pub(super) file: FileForm,
    /// Which column is what.
    pub(super) columns: Columns,
    /// Values of the column that says which side an amount is on.
    pub(super) indicator: Option<Indicator>,
    /// How dates are written.
    pub(super) date: DateForm,
    /// How amounts are written.
    #[serde(default)]
    pub(super) amount: AmountForm,
    /// What the bank calls a currency, by its ISO 4217 code.
    #[serde(default)]
    pub(super) currency_names: BTreeMap<String, Vec<String>>,
    /// Who records, unless the command line says.
    pub(super) posting: Option<Posting>,
}

/// How the bytes of a file are to be read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileForm {
    /// Encoding, by its WHATWG label.
    pub(super) encoding: EncodingName,
    /// Delimiter: one ASCII character, or `tab`.
    pub(super) delimiter: Delimiter,
    /// Lines before the header.
    pub(super) lines_before_header: u32,
    /// Which entry comes first.
    pub(super) order: Order,
}

impl Default for FileForm {
    fn default() -> Self {
        Self {
            encoding: EncodingName(encoding_rs::UTF_8),
            delimiter: Delimiter(b','),
            lines_before_header: 0,
            order: Order::OldestFirst,
        }
    }
}

/// Which entry comes first: running balances are checked in the order of time.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Order {
    /// The oldest.
    OldestFirst,
    /// The newest.
    NewestFirst,
}

/// Which column is what, by name in the header.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Columns {
    /// Booking date.
    pub(super) date: ColumnName,
    /// Amount; above 0 in, unless `indicator` says.
    pub(super) amount: Option<ColumnName>,
    /// Which side the amount is on.
    pub(super) indicator: Option<ColumnName>,
    /// Money in (贷方), instead of an amount.
    pub(super) credit: Option<ColumnName>,
    /// Money out (借方), instead of an amount.
    pub(super) debit: Option<ColumnName>,
    /// The bank's reference; may be empty in a row.
    pub(super) reference: ColumnName,
    /// Balance after the row.
    pub(super) balance: Option<ColumnName>,
    /// Currency.
    pub(super) currency: Option<ColumnName>,
}

/// Values of the indicator's column.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Indicator {
    /// Money in.
    pub(super) credit: Vec<String>,
    /// Money out.
    pub(super) debit: Vec<String>,
}

/// Who records.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Posting {
    /// Maker of the command.
    pub(super) maker: Id<64>,
}

impl Mapping {
    /// Reads a mapping; the error is complete, with file, line and key.
    pub(super) fn read(file: &str, text: &str) -> Result<Self, String> {
        let mapping: Self = parse(file, text)?;
        mapping.check().map_err(|(key, message)| format!("{file}:{}: key `{key}`: {message}", line_of(text, key)))?;
        Ok(mapping)
    }

    /// What no single key shows.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let columns = &self.columns;
        match (&columns.amount, &columns.credit, &columns.debit) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => {}
            _ => {
                return Err(("columns.amount", "either `amount`, or both `credit` and `debit`, are needed".to_owned()));
            }
        }
        match (&columns.indicator, &self.indicator) {
            (None, None) => {}
            (Some(_), Some(_)) if columns.amount.is_none() => {
                return Err(("columns.indicator", "`credit` and `debit` say the side already".to_owned()));
            }
            (Some(_), Some(values)) => {
                if values.credit.is_empty() || values.debit.is_empty() {
                    return Err(("indicator", "both `credit` and `debit` need at least one value".to_owned()));
                }
                if values.credit.iter().any(|value| values.debit.contains(value)) {
                    return Err(("indicator", "a value cannot stand for both sides".to_owned()));
                }
            }
            _ => return Err(("columns.indicator", "the column and the table [indicator] need each other".to_owned())),
        }
        if self.amount.grouping == Some(self.amount.decimal) {
            return Err(("amount.grouping", "the thousands separator cannot be the decimal mark".to_owned()));
        }
        Ok(())
    }
}
