//! `balance`: the balance of an account, or the trial balance.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use super::connect::{self, Connection};
use super::render::{self, account_kind, account_kind_label, decimal, exponent, grouped, hex, parse_date};
use super::{Failure, Format, Globals, Lang};
use crate::messages::cli as text;
use crate::pb::Date;
use crate::pb::v1::{Balance, GetBalanceRequest, ListBalancesRequest, ReadPosition};

const PAGE_ROWS: i32 = 1_000;
/// Account kinds from here on belong to the cash book (docs/format.md).
const CASH_BOOK_FROM: i32 = 20;

/// Arguments of `balance`.
#[derive(Args, Clone, Debug)]
pub struct BalanceArgs {
    /// The account; without one, the trial balance.
    pub account: Option<String>,
    /// Only this lot.
    #[arg(long)]
    pub lot: Option<String>,
    /// Trial balance of this fund only.
    #[arg(long, conflicts_with = "account")]
    pub fund: Option<String>,
    /// One row per account and lot.
    #[arg(long, conflicts_with = "account")]
    pub by_lot: bool,
    /// As it was at this sequence.
    #[arg(long, value_name = "SEQUENCE")]
    pub as_of: Option<i64>,
    /// Only entries up to this business date, e.g. 2026-06-30.
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub on: Option<Date>,
}

/// Runs `balance`.
pub fn run(globals: &Globals, args: &BalanceArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let (balances, position) = connect::with(globals, async |connection| match &args.account {
        Some(account) => one(connection, account, args).await,
        None => all(connection, args).await,
    })?;
    match format {
        Format::Json => {
            let rows: Vec<Value> = balances.iter().map(to_json).collect();
            let totals: Vec<Value> = totals(&balances).iter().map(Total::to_json).collect();
            let answer = match (&args.account, rows.first()) {
                (Some(_), Some(row)) => json!({ "balance": row, "position": position_json(&position) }),
                _ => json!({ "balances": rows, "totals": totals, "position": position_json(&position) }),
            };
            render::json(out, &answer)
        }
        Format::Csv => {
            let header = [
                "fund_id",
                "account_id",
                "lot_id",
                "kind",
                "unit_id",
                "side",
                "amount_minor",
                "amount",
                "currency_code",
            ];
            let rows: Vec<Vec<String>> = balances.iter().map(to_record).collect();
            render::csv(out, &header, &rows)
        }
        Format::Table | Format::Tree | Format::Dot | Format::Xlsx => {
            write_table(out, &balances, args.account.is_none(), globals.lang)?;
            write_position(out, &position, globals.lang)
        }
    }
}

async fn one(
    connection: &Connection,
    account: &str,
    args: &BalanceArgs,
) -> Result<(Vec<Balance>, ReadPosition), Failure> {
    let request = GetBalanceRequest {
        account_id: account.to_owned(),
        lot_id: args.lot.clone().unwrap_or_default(),
        min_sequence: None,
        as_of_sequence: args.as_of,
        effective_on: args.on,
    };
    let answer = connection.query().get_balance(connection.request(request)).await;
    let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
    Ok((answer.balance.into_iter().collect(), answer.position.unwrap_or_default()))
}

async fn all(connection: &Connection, args: &BalanceArgs) -> Result<(Vec<Balance>, ReadPosition), Failure> {
    let mut client = connection.query();
    let mut balances = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListBalancesRequest {
            fund_id: args.fund.clone().unwrap_or_default(),
            lot_id: args.lot.clone().unwrap_or_default(),
            by_lot: args.by_lot,
            page_size: PAGE_ROWS,
            page_token,
            min_sequence: None,
            as_of_sequence: args.as_of,
            effective_on: args.on,
        };
        let answer = client.list_balances(connection.request(request)).await;
        let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
        balances.extend(answer.balances);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return Ok((balances, answer.position.unwrap_or_default()));
        }
    }
}

/// Debits and credits of one book of one fund: they are equal, or the ledger is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Total {
    fund_id: String,
    book: &'static str,
    debit_minor: i128,
    credit_minor: i128,
    currency_code: String,
    exponent: u32,
}

impl Total {
    fn to_json(&self) -> Value {
        json!({
            "fund_id": self.fund_id,
            "book": self.book,
            "debit": decimal(self.debit_minor, self.exponent),
            "credit": decimal(self.credit_minor, self.exponent),
            "debit_minor": i64::try_from(self.debit_minor).ok(),
            "credit_minor": i64::try_from(self.credit_minor).ok(),
            "balanced": self.debit_minor == self.credit_minor,
            "currency_code": self.currency_code,
        })
    }
}

fn totals(balances: &[Balance]) -> Vec<Total> {
    let mut totals: BTreeMap<(String, bool), Total> = BTreeMap::new();
    for balance in balances {
        let cash = balance.kind >= CASH_BOOK_FROM;
        let total = totals.entry((balance.fund_id.clone(), cash)).or_insert_with(|| Total {
            fund_id: balance.fund_id.clone(),
            book: if cash { "cash" } else { "authority" },
            debit_minor: 0,
            credit_minor: 0,
            currency_code: balance.currency_code.clone(),
            exponent: exponent(balance.currency_exponent),
        });
        let side = if balance.debit_normal { &mut total.debit_minor } else { &mut total.credit_minor };
        *side = side.saturating_add(i128::from(balance.amount_minor));
    }
    totals.into_values().collect()
}

fn write_table(out: &mut dyn Write, balances: &[Balance], with_totals: bool, lang: Lang) -> Result<(), Failure> {
    let by_lot = balances.iter().any(|balance| !balance.lot_id.is_empty());
    let mut header =
        vec![text::word_fund(lang), text::word_account(lang), text::word_kind(lang), text::word_unit(lang)];
    if by_lot {
        header.push(text::word_lot(lang));
    }
    let debit_column = header.len();
    header.extend([text::word_debit(lang), text::word_credit(lang), text::word_currency(lang)]);
    let mut rows: Vec<Vec<String>> = Vec::new();
    for balance in balances {
        let amount = grouped(balance.amount_minor.into(), exponent(balance.currency_exponent));
        let mut row = vec![
            balance.fund_id.clone(),
            balance.account_id.clone(),
            account_kind_label(balance.kind, lang),
            balance.unit_id.clone(),
        ];
        if by_lot {
            row.push(balance.lot_id.clone());
        }
        let (debit, credit) = if balance.debit_normal { (amount, String::new()) } else { (String::new(), amount) };
        row.extend([debit, credit, balance.currency_code.clone()]);
        rows.push(row);
    }
    if with_totals {
        for total in totals(balances) {
            let name = match total.book {
                "cash" => text::balance_total_cash(lang),
                _ => text::balance_total_authority(lang),
            };
            let mut row = vec![total.fund_id.clone(), name, String::new(), String::new()];
            if by_lot {
                row.push(String::new());
            }
            row.extend([
                grouped(total.debit_minor, total.exponent),
                grouped(total.credit_minor, total.exponent),
                total.currency_code.clone(),
            ]);
            rows.push(row);
        }
    }
    writeln!(out, "{}", render::table(&header, &rows, &[debit_column, debit_column.saturating_add(1)]))
        .map_err(Failure::from)
}

/// Writes where in the log an answer was computed.
pub(super) fn write_position(out: &mut dyn Write, position: &ReadPosition, lang: Lang) -> Result<(), Failure> {
    writeln!(out, "{}", text::as_of(lang, hex(&position.entry_hash), position.sequence)).map_err(Failure::from)
}

/// Where in the log an answer was computed.
pub(super) fn position_json(position: &ReadPosition) -> Value {
    json!({ "sequence": position.sequence, "entry_hash": hex(&position.entry_hash) })
}

fn side(balance: &Balance) -> &'static str {
    if balance.debit_normal { "debit" } else { "credit" }
}

fn to_json(balance: &Balance) -> Value {
    json!({
        "fund_id": balance.fund_id,
        "account_id": balance.account_id,
        "lot_id": balance.lot_id,
        "kind": account_kind(balance.kind),
        "unit_id": balance.unit_id,
        "side": side(balance),
        "amount_minor": balance.amount_minor,
        "amount": decimal(balance.amount_minor.into(), exponent(balance.currency_exponent)),
        "currency_code": balance.currency_code,
        "currency_exponent": balance.currency_exponent,
    })
}

fn to_record(balance: &Balance) -> Vec<String> {
    vec![
        balance.fund_id.clone(),
        balance.account_id.clone(),
        balance.lot_id.clone(),
        account_kind(balance.kind),
        balance.unit_id.clone(),
        side(balance).to_owned(),
        balance.amount_minor.to_string(),
        decimal(balance.amount_minor.into(), exponent(balance.currency_exponent)),
        balance.currency_code.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::AccountKind;

    fn balance(fund: &str, kind: AccountKind, amount_minor: i64, debit_normal: bool) -> Balance {
        Balance {
            account_id: format!("{fund}.A"),
            kind: kind.into(),
            fund_id: fund.to_owned(),
            amount_minor,
            currency_code: "GBP".to_owned(),
            currency_exponent: 2,
            debit_normal,
            ..Balance::default()
        }
    }

    #[test]
    fn totals_are_per_fund_and_book() {
        let balances = [
            balance("F", AccountKind::AuthoritySource, 500, true),
            balance("F", AccountKind::AuthorityUnit, 200, false),
            balance("F", AccountKind::AuthorityUsed, 300, false),
            balance("F", AccountKind::Treasury, 200, true),
            balance("F", AccountKind::FundLot, 200, false),
            balance("G", AccountKind::Treasury, 7, true),
        ];
        let found: Vec<(String, &str, i128, i128)> = totals(&balances)
            .into_iter()
            .map(|total| (total.fund_id, total.book, total.debit_minor, total.credit_minor))
            .collect();
        let expected = [("F", "authority", 500, 500), ("F", "cash", 200, 200), ("G", "cash", 7, 0)]
            .map(|(fund, book, debit, credit)| (fund.to_owned(), book, debit, credit));
        assert_eq!(found, expected);
    }

    #[test]
    fn debits_and_credits_stand_apart() {
        let balances =
            [balance("F", AccountKind::Treasury, 123_456, true), balance("F", AccountKind::FundLot, 123_456, false)];
        let mut out = Vec::new();
        write_table(&mut out, &balances, true, Lang::En).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("│ F    │ F.A              │ TREASURY │      │ 1,234.56 │          │ GBP"), "{text}");
        assert!(text.contains("│ F    │ total, cash book │          │      │ 1,234.56 │ 1,234.56 │ GBP"), "{text}");
    }
}
