//! How results look: money with its currency's decimals, tables, CSV.

use std::io::Write;

use tabled::builder::Builder;
use tabled::settings::object::{Columns, Rows};
use tabled::settings::style::HorizontalLine;
use tabled::settings::{Alignment, Style};

use super::{Failure, Format, Lang};
use crate::audit::printable::printable_lines;
pub use crate::format::hexadecimal::of as hex;
use crate::messages::cli as text;
use crate::pb::Date;
use crate::pb::v1::AccountKind;
pub use crate::reporting::decimal::{decimal, grouped};

/// The exponent of a currency as the server gave it.
pub fn exponent(currency_exponent: i32) -> u32 {
    u32::try_from(currency_exponent).unwrap_or(0)
}

/// `2020-04-30`, or nothing where the date is unset.
pub fn date(date: Option<&Date>) -> String {
    date.map(|date| format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)).unwrap_or_default()
}

/// Bytes from their hexadecimal digits; `None` where they are not as many as wanted.
pub fn bytes<const BYTES: usize>(digits: &str) -> Option<[u8; BYTES]> {
    let pairs = (0..digits.len()).step_by(2).map(|at| digits.get(at..at.saturating_add(2)));
    let bytes: Option<Vec<u8>> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    bytes?.try_into().ok()
}

/// A date of the command line, as `2020-04-30`; the server says whether it exists.
pub fn parse_date(text: &str) -> Result<Date, String> {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let invalid = || format!("{text:?} is no date such as 2020-04-30");
    match parts.as_slice() {
        [year, month, day] if year.len() == 4 => {
            let numbers = (number(year), number(month), number(day));
            let (Some(year), Some(month), Some(day)) = numbers else { return Err(invalid()) };
            Ok(Date { year, month, day })
        }
        _ => Err(invalid()),
    }
}

/// An account kind without its prefix, e.g. `AUTHORITY_UNIT`.
pub fn account_kind(kind: i32) -> String {
    AccountKind::try_from(kind)
        .map_or_else(|_| kind.to_string(), |kind| kind.as_str_name().trim_start_matches("ACCOUNT_KIND_").to_owned())
}

/// An account kind for people: the Chinese name where Chinese is asked for.
pub fn account_kind_label(kind: i32, lang: Lang) -> String {
    match AccountKind::try_from(kind) {
        Ok(AccountKind::AuthoritySource) => text::kind_authority_source(lang),
        Ok(AccountKind::AuthorityUnallocated) => text::kind_authority_unallocated(lang),
        Ok(AccountKind::AuthorityUnit) => text::kind_authority_unit(lang),
        Ok(AccountKind::AuthorityPlan) => text::kind_authority_plan(lang),
        Ok(AccountKind::AuthorityCommitted) => text::kind_authority_committed(lang),
        Ok(AccountKind::AuthorityFrozen) => text::kind_authority_frozen(lang),
        Ok(AccountKind::AuthorityUsed) => text::kind_authority_used(lang),
        Ok(AccountKind::AuthorityCarry) => text::kind_authority_carry(lang),
        Ok(AccountKind::AuthorityRecalled) => text::kind_authority_recalled(lang),
        Ok(AccountKind::Treasury) => text::kind_treasury(lang),
        Ok(AccountKind::FundLot) => text::kind_fund_lot(lang),
        Ok(AccountKind::Clearing) => text::kind_clearing(lang),
        Ok(AccountKind::FiscalSpecial) => text::kind_fiscal_special(lang),
        Ok(AccountKind::Income) => text::kind_income(lang),
        Ok(AccountKind::Payout) => text::kind_payout(lang),
        Ok(AccountKind::HousingDeposit) => text::kind_housing_deposit(lang),
        Ok(AccountKind::HousingSurplusDeposit) => text::kind_housing_surplus_deposit(lang),
        Ok(AccountKind::Loan) => text::kind_loan(lang),
        Ok(AccountKind::Bond) => text::kind_bond(lang),
        Ok(AccountKind::Pool) => text::kind_pool(lang),
        Ok(AccountKind::Personal) => text::kind_personal(lang),
        Ok(AccountKind::HousingPersonal) => text::kind_housing_personal(lang),
        Ok(AccountKind::PayableUpper) => text::kind_payable_upper(lang),
        Ok(AccountKind::PayableLower) => text::kind_payable_lower(lang),
        Ok(AccountKind::NontaxPending) => text::kind_nontax_pending(lang),
        Ok(AccountKind::NontaxShare) => text::kind_nontax_share(lang),
        Ok(AccountKind::Surplus) => text::kind_surplus(lang),
        Ok(AccountKind::RiskReserve) => text::kind_risk_reserve(lang),
        Ok(AccountKind::ManagementFeePayable) => text::kind_management_fee_payable(lang),
        Ok(AccountKind::LowRentHousing) => text::kind_low_rent_housing(lang),
        Ok(AccountKind::Unspecified) | Err(_) => account_kind(kind),
    }
}

/// A table with a header, thin rules, and some columns aligned to the right.
pub fn table(header: &[impl AsRef<str>], rows: &[Vec<String>], right_aligned: &[usize]) -> String {
    let mut builder = Builder::with_capacity(rows.len().saturating_add(1), header.len());
    builder.push_record(header.iter().map(AsRef::as_ref));
    for row in rows {
        builder.push_record(row.iter().map(|cell| printable_lines(cell)));
    }
    let mut table = builder.build();
    let rule = HorizontalLine::inherit(Style::modern());
    table.with(Style::modern().remove_horizontal().horizontals([(1, rule)]));
    for column in right_aligned {
        table.modify(Columns::one(*column), Alignment::right());
    }
    table.modify(Rows::first(), Alignment::left());
    table.to_string()
}

/// Writes a CSV with a header.
pub fn csv(out: &mut dyn Write, header: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    csv_rows(out, &[header.iter().map(|name| (*name).to_owned()).collect()])?;
    csv_rows(out, rows)
}

/// Writes more rows of a CSV.
pub fn csv_rows(out: &mut dyn Write, rows: &[Vec<String>]) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(out);
    match rows.iter().try_for_each(|row| writer.write_record(row)).map_err(csv::Error::into_kind) {
        Ok(()) => writer.flush().map_err(Failure::from),
        Err(csv::ErrorKind::Io(error)) => Err(Failure::from(error)),
        Err(other) => Err(Failure::OutputFailed(format!("{other:?}"))),
    }
}

/// Writes a value as indented JSON and a line end.
pub fn json(out: &mut dyn Write, value: &serde_json::Value) -> Result<(), Failure> {
    writeln!(out, "{value:#}").map_err(Failure::from)
}

/// How a list looks, in each format.
pub struct Listing<'a> {
    /// What its rows are called in JSON.
    pub name: &'a str,
    /// Columns for programs.
    pub columns: &'a [&'a str],
    /// Columns for people.
    pub titles: &'a [String],
    /// Columns of numbers.
    pub right_aligned: &'a [usize],
}

impl Listing<'_> {
    /// Writes it; `row` is given the language where it is for people.
    pub fn write<T>(
        &self,
        (format, lang): (Format, Lang),
        out: &mut dyn Write,
        rows: &[T],
        row: impl Fn(&T, Option<Lang>) -> Vec<String>,
        to_json: impl Fn(&T) -> serde_json::Value,
    ) -> Result<(), Failure> {
        match format {
            Format::Json => {
                let rows: Vec<serde_json::Value> = rows.iter().map(to_json).collect();
                json(out, &serde_json::json!({ self.name: rows }))
            }
            Format::Csv => {
                let rows: Vec<Vec<String>> = rows.iter().map(|one| row(one, None)).collect();
                csv(out, self.columns, &rows)
            }
            Format::Table | Format::Tree | Format::Dot | Format::Xlsx => {
                let rows: Vec<Vec<String>> = rows.iter().map(|one| row(one, Some(lang))).collect();
                writeln!(out, "{}", table(self.titles, &rows, self.right_aligned)).map_err(Failure::from)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_command_line() {
        assert_eq!(parse_date("2020-04-30"), Ok(Date { year: 2020, month: 4, day: 30 }));
        for wrong in ["", "2020-04", "20-04-30", "2020-04-30-1", "2020-+4-30", "2020-xx-30", "2020--30"] {
            assert!(parse_date(wrong).is_err(), "{wrong}");
        }
        assert_eq!(date(parse_date("2020-04-30").ok().as_ref()), "2020-04-30");
    }

    #[test]
    fn no_cell_steers_the_terminal() {
        let rows = vec![vec!["a\u{1b}[2Jb\u{9b}1mc\u{202e}d".to_owned()]];
        assert!(table(&["x"], &rows, &[]).contains("a\\u{1b}[2Jb\\u{9b}1mc\\u{202e}d"));
    }

    #[test]
    fn tables_align() {
        let rows = vec![vec!["A".to_owned(), "1.00".to_owned()], vec!["待分指标".to_owned(), "1,000.00".to_owned()]];
        let expected = "\
┌──────────┬──────────┐
│ account  │ amount   │
├──────────┼──────────┤
│ A        │     1.00 │
│ 待分指标 │ 1,000.00 │
└──────────┴──────────┘";
        assert_eq!(table(&["account", "amount"], &rows, &[1]), expected);
    }
}
