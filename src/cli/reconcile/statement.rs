//! A bank statement as it was read, whatever its form, and what must hold of every one.
//!
//! A statement is taken as a whole or not at all: an entry that cannot be read is an error with its line, never a gap.

use jiff::civil::Date;

use crate::cli::import::mapping::in_range;
use crate::cli::import::rows::{AMOUNT_MINOR_MAX, Fault as RowFault};
use crate::cli::{Failure, Lang};
use crate::messages::cli as text;

/// Entries held at a time: they are compared as a whole.
const ENTRIES_MAX: usize = 5_000_000;
/// A reference longer than this is none.
const REFERENCE_BYTES_MAX: usize = 1_024;

/// One booked entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Place among the entries of the statement, from 1.
    pub(super) number: u64,
    /// Line of the file.
    pub(super) line: u64,
    /// Booking date.
    pub(super) date: Date,
    /// Minor units: above 0 in, below 0 out.
    pub(super) amount_minor: i64,
    /// What the bank calls it, the bank's own name first; empty where it gives none.
    pub(super) references: Vec<String>,
    /// Its single transactions, where it is a batch that names them and they add up to it.
    pub(super) details: Vec<Detail>,
}

/// A transaction within an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Detail {
    /// Minor units: above 0 in, below 0 out.
    pub(super) amount_minor: i64,
    /// As of an entry.
    pub(super) references: Vec<String>,
}

/// An entry that is announced and not booked: told, never compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    /// Line of the file.
    pub(super) line: u64,
    /// Booking date, where there is one yet.
    pub(super) date: Option<Date>,
    /// Minor units.
    pub(super) amount_minor: i64,
    /// What the bank calls it.
    pub(super) references: Vec<String>,
}

/// What a reader found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Raw {
    /// The bank's name of the statement; empty where the form has none.
    pub(super) id: String,
    /// The bank's number of the account; empty where the form has none.
    pub(super) bank_account: String,
    /// First day, where the statement says it.
    pub(super) first: Option<Date>,
    /// Last day, where the statement says it.
    pub(super) last: Option<Date>,
    /// Balance before the first entry, minor units.
    pub(super) opening_minor: Option<i64>,
    /// Balance after the last entry, minor units.
    pub(super) closing_minor: Option<i64>,
    /// Booked entries, in the order of the statement.
    pub(super) entries: Vec<Entry>,
    /// Entries that are not booked.
    pub(super) pending: Vec<Pending>,
}

impl Raw {
    /// Adds an entry that was read.
    pub(super) fn push(&mut self, mut entry: Entry) -> Result<(), Fault> {
        if entry.amount_minor == 0 {
            return Err(Fault::AmountZero.at(entry.line));
        }
        if self.entries.len() >= ENTRIES_MAX {
            return Err(Fault::TooManyEntries { max: ENTRIES_MAX }.at(entry.line));
        }
        let details = entry.details.iter().flat_map(|detail| &detail.references);
        if entry.references.iter().chain(details).any(|reference| reference.len() > REFERENCE_BYTES_MAX) {
            return Err(Fault::ReferenceTooLong { max: REFERENCE_BYTES_MAX }.at(entry.line));
        }
        entry.number = u64::try_from(self.entries.len()).unwrap_or(u64::MAX).saturating_add(1);
        self.entries.push(entry);
        Ok(())
    }
}

/// What the command line says about a statement besides what it says itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    /// First day.
    pub(super) first: Option<Date>,
    /// Last day.
    pub(super) last: Option<Date>,
    /// Balance after the last entry, minor units.
    pub(super) closing_minor: Option<i64>,
}

/// A statement that adds up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// The bank's name of the statement; empty where the form has none.
    pub(super) id: String,
    /// The bank's number of the account; empty where the form has none.
    pub(super) bank_account: String,
    /// First day.
    pub(super) first: Date,
    /// Last day.
    pub(super) last: Date,
    /// Balance before the first entry, minor units, where the statement gives it.
    pub(super) opening_minor: Option<i64>,
    /// Balance after the last entry, minor units.
    pub(super) closing_minor: i64,
    /// Booked entries.
    pub(super) entries: Vec<Entry>,
    /// Entries that are not booked.
    pub(super) pending: Vec<Pending>,
}

impl Statement {
    /// Checks what no single entry shows: the period, and that opening, entries and closing add up.
    pub(super) fn new(raw: Raw, said: Said) -> Result<Self, Fault> {
        let dates = || raw.entries.iter().map(|entry| entry.date);
        let first = said.first.or(raw.first).or_else(|| dates().min()).or(raw.last);
        let last = said.last.or(raw.last).or_else(|| dates().max()).or(raw.first);
        let (Some(first), Some(last)) = (first, last) else { return Err(Fault::PeriodMissing) };
        if last < first {
            return Err(Fault::PeriodBackwards { first, last });
        }
        if let Some(entry) = raw.entries.iter().find(|entry| entry.date < first || entry.date > last) {
            return Err(Fault::DateOutside { date: entry.date, first, last }.at(entry.line));
        }
        let closing_minor = match (raw.closing_minor, said.closing_minor) {
            (Some(stated), Some(said)) if stated != said => return Err(Fault::ClosingDiffers { said, stated }),
            (Some(closing), _) | (None, Some(closing)) => closing,
            (None, None) => return Err(Fault::ClosingMissing),
        };
        if let Some(opening) = raw.opening_minor {
            // Five million amounts of at most 2^53 stay far below 2^127.
            let sum = raw
                .entries
                .iter()
                .fold(i128::from(opening), |sum, entry| sum.saturating_add(entry.amount_minor.into()));
            if sum != i128::from(closing_minor) {
                return Err(Fault::DoesNotAddUp { expected: sum, stated: closing_minor.into() });
            }
        }
        let Raw { id, bank_account, opening_minor, entries, pending, .. } = raw;
        Ok(Self { id, bank_account, first, last, opening_minor, closing_minor, entries, pending })
    }
}

/// Why a statement was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Another fault, and where.
    At { line: u64, column: Option<u64>, fault: Box<Fault> },
    /// The bytes are not in the encoding they are said to be in.
    Encoding { name: &'static str },
    /// An encoding that is not known here.
    EncodingUnknown { name: String },
    /// One element or record is longer than anything a bank writes.
    PieceTooLong { max: usize },
    /// The file could not be read on.
    Read { cause: String },
    /// No XML.
    Xml { cause: String },
    /// A document type definition: nothing a statement needs, and what attacks are made of.
    DocumentType,
    /// Elements within elements without end.
    TooDeep { max: usize },
    /// XML, but no camt.053.
    NotCamt { found: String },
    /// An element or column that must have a value has none.
    FieldMissing { field: String },
    /// A value that is none of those there are.
    FieldInvalid { field: String, value: String },
    /// A date that is none.
    DateInvalid { value: String },
    /// An amount that is none.
    Amount(RowFault),
    /// An entry of nothing.
    AmountZero,
    /// Both money in and money out, or neither.
    SidesUnclear,
    /// A reference too long to be one.
    ReferenceTooLong { max: usize },
    /// More than can be compared.
    TooManyEntries { max: usize },
    /// Another number of fields than the header has.
    ColumnsMismatch { expected: usize, found: usize },
    /// No such column.
    ColumnMissing { key: String, wanted: String },
    /// The running balance of a row does not follow from the row before.
    RunningBalance { expected: i64, stated: i64 },
    /// Money of another currency than the account's.
    CurrencyDiffers { found: String, expected: String },
    /// An entry of another time.
    DateOutside { date: Date, first: Date, last: Date },
    /// Nothing says what time the statement is of.
    PeriodMissing,
    /// The last day before the first.
    PeriodBackwards { first: Date, last: Date },
    /// Nothing says what the bank holds at the end.
    ClosingMissing,
    /// The statement says something else than the command line.
    ClosingDiffers { said: i64, stated: i64 },
    /// Opening and entries do not make the closing balance.
    DoesNotAddUp { expected: i128, stated: i128 },
    /// No statement in the file is the one that was asked for.
    StatementMissing { found: String },
    /// Several are.
    SeveralStatements { found: String },
}

impl Fault {
    /// On a line.
    pub(super) fn at(self, line: u64) -> Self {
        Self::At { line, column: None, fault: Box::new(self) }
    }

    /// What it means for the command: unreadable, refused, or a matter of the command line.
    pub(super) fn failure(&self, name: &str, exponent: u32, lang: Lang) -> Failure {
        let told = format!("{name}: {}", self.told(exponent, lang));
        let innermost = self.innermost();
        if innermost.is_refusal() {
            return Failure::Refused(told);
        }
        if innermost.is_usage() {
            return Failure::Usage(told);
        }
        Failure::Unavailable(told)
    }

    /// It was read, and is not what a statement of this account must be.
    const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::CurrencyDiffers { .. }
                | Self::AmountZero
                | Self::DateOutside { .. }
                | Self::ClosingDiffers { .. }
                | Self::RunningBalance { .. }
                | Self::DoesNotAddUp { .. }
        )
    }

    /// The command line or the mapping has to say something else.
    const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::PeriodMissing
                | Self::PeriodBackwards { .. }
                | Self::ClosingMissing
                | Self::ColumnMissing { .. }
                | Self::StatementMissing { .. }
                | Self::SeveralStatements { .. }
        )
    }

    /// Without its place.
    pub(super) fn innermost(&self) -> &Self {
        if let Self::At { fault, .. } = self {
            return fault.innermost();
        }
        self
    }

    fn told(&self, exponent: u32, lang: Lang) -> String {
        let money = |minor: i128| crate::cli::render::decimal(minor, exponent);
        match self {
            Self::At { line, column: Some(column), fault } => {
                text::bank_at_column(lang, column, fault.told(exponent, lang), line)
            }
            Self::At { line, column: None, fault } => text::bank_at_line(lang, fault.told(exponent, lang), line),
            Self::Encoding { name } => text::bank_encoding(lang, name),
            Self::EncodingUnknown { name } => text::bank_encoding_unknown(lang, name),
            Self::PieceTooLong { max } => text::bank_piece_too_long(lang, max),
            Self::Read { cause } => cause.clone(),
            Self::Xml { cause } => text::bank_xml(lang, cause),
            Self::DocumentType => text::bank_document_type(lang),
            Self::TooDeep { max } => text::bank_too_deep(lang, max),
            Self::NotCamt { found } => text::bank_not_camt(lang, found),
            Self::FieldMissing { field } => text::bank_field_missing(lang, field),
            Self::FieldInvalid { field, value } => text::bank_field_invalid(lang, field, value),
            Self::DateInvalid { value } => text::row_date_invalid(lang, value),
            Self::Amount(fault) => fault.message(lang),
            Self::AmountZero => text::bank_amount_zero(lang),
            Self::SidesUnclear => text::bank_sides_unclear(lang),
            Self::ReferenceTooLong { max } => text::bank_reference_too_long(lang, max),
            Self::TooManyEntries { max } => text::bank_too_many_entries(lang, max),
            Self::ColumnsMismatch { expected, found } => text::row_columns_mismatch(lang, expected, found),
            Self::ColumnMissing { key, wanted } => text::bank_column_missing(lang, key, wanted),
            Self::RunningBalance { expected, stated } => {
                text::bank_running_balance(lang, money((*expected).into()), money((*stated).into()))
            }
            Self::CurrencyDiffers { found, expected } => text::bank_currency_differs(lang, expected, found),
            Self::DateOutside { date, first, last } => text::bank_date_outside(lang, date, first, last),
            Self::PeriodMissing => text::bank_period_missing(lang),
            Self::PeriodBackwards { first, last } => text::bank_period_backwards(lang, first, last),
            Self::ClosingMissing => text::bank_closing_missing(lang),
            Self::ClosingDiffers { said, stated } => {
                text::bank_closing_differs(lang, money((*said).into()), money((*stated).into()))
            }
            Self::DoesNotAddUp { expected, stated } => {
                text::bank_does_not_add_up(lang, money(*expected), money(*stated))
            }
            Self::StatementMissing { found } => text::bank_statement_missing(lang, found),
            Self::SeveralStatements { found } => text::bank_several_statements(lang, found),
        }
    }
}

/// A decimal number of XML, such as `1234.5`, exactly; zeros beyond the currency's places say nothing and are taken off.
pub(super) fn read_decimal(value: &str, exponent: u32) -> Result<i64, Fault> {
    let invalid = || Fault::Amount(RowFault::AmountInvalid { text: value.chars().take(64).collect() });
    let (negative, digits) = match value.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, value.strip_prefix('+').unwrap_or(value)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if !are_digits || (whole.is_empty() && fraction.is_empty()) || value.len() > 64 {
        return Err(invalid());
    }
    let places = usize::try_from(exponent).unwrap_or(0);
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > places {
        return Err(Fault::Amount(RowFault::AmountTooPrecise { text: value.to_owned(), exponent }));
    }
    let minor: Option<i64> =
        format!("{whole}{fraction:0<places$}").parse().ok().or((whole.is_empty() && places == 0).then_some(0));
    match minor.filter(|minor| *minor <= AMOUNT_MINOR_MAX) {
        Some(minor) if negative => Ok(minor.saturating_neg()),
        Some(minor) => Ok(minor),
        None => Err(Fault::Amount(RowFault::AmountOutOfRange { text: value.to_owned() })),
    }
}

/// A date of XML: `2026-03-31`, or the day of `2026-03-31T23:59:59+08:00` as it is written.
pub(super) fn read_iso_date(value: &str) -> Result<Date, Fault> {
    let day = value
        .get(..10)
        .filter(|_| value.as_bytes().get(10).is_none_or(|byte| matches!(byte, b'T' | b'Z' | b'+' | b'-')));
    let date = day.and_then(|day| Date::strptime("%Y-%m-%d", day).ok()).filter(|date| in_range(*date));
    date.ok_or_else(|| Fault::DateInvalid { value: value.chars().take(64).collect() })
}
