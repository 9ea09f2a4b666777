//! `statement`: an account's entries by business date, with opening, running and closing balance.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use super::balance::{position_json, write_position};
use super::connect::{self, Connection};
use super::render::{self, account_kind, account_kind_label, date, decimal, exponent, grouped, parse_date};
use super::{Failure, Format, Globals, Lang};
use crate::audit::printable::printable;
use crate::messages::cli as text;
use crate::pb::Date;
use crate::pb::v1::{GetStatementRequest, GetStatementResponse, StatementEntry};

const PAGE_ROWS: i32 = 1_000;

/// Arguments of `statement`.
#[derive(Args, Clone, Debug)]
pub struct StatementArgs {
    /// The account.
    pub account: String,
    /// Only this lot.
    #[arg(long)]
    pub lot: Option<String>,
    /// First business date, included, e.g. 2026-04-01.
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub from: Option<Date>,
    /// Last business date, included.
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub to: Option<Date>,
    /// As it was at this sequence.
    #[arg(long, value_name = "SEQUENCE")]
    pub as_of: Option<i64>,
}

/// Runs `statement`.
pub fn run(globals: &Globals, args: &StatementArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let statement = connect::with(globals, async |connection| fetch(connection, args).await)?;
    match format {
        Format::Json => render::json(out, &to_json(&statement, args)),
        Format::Csv => write_csv(out, &statement),
        Format::Table | Format::Tree | Format::Dot | Format::Xlsx => {
            write_table(out, &statement, args, globals.lang)?;
            write_position(out, &statement.position.clone().unwrap_or_default(), globals.lang)
        }
    }
}

/// All pages as one.
async fn fetch(connection: &Connection, args: &StatementArgs) -> Result<GetStatementResponse, Failure> {
    let mut client = connection.query();
    let mut whole: Option<GetStatementResponse> = None;
    loop {
        let request = GetStatementRequest {
            account_id: args.account.clone(),
            lot_id: args.lot.clone().unwrap_or_default(),
            first_date: args.from,
            last_date: args.to,
            as_of_sequence: args.as_of,
            page_size: PAGE_ROWS,
            page_token: whole.as_ref().map(|so_far| so_far.next_page_token.clone()).unwrap_or_default(),
            min_sequence: None,
        };
        let answer = client.get_statement(connection.request(request)).await;
        let page = answer.map_err(|status| connection.failure(&status))?.into_inner();
        let so_far = match whole.take() {
            None => page,
            Some(mut so_far) => {
                so_far.entries.extend(page.entries);
                so_far.next_page_token = page.next_page_token;
                so_far.page_closing_balance_minor = page.page_closing_balance_minor;
                so_far
            }
        };
        if so_far.next_page_token.is_empty() {
            return Ok(so_far);
        }
        whole = Some(so_far);
    }
}

/// An entry's amount as debit and credit.
fn sides(statement: &GetStatementResponse, entry: &StatementEntry) -> (Option<i128>, Option<i128>) {
    let amount = i128::from(entry.amount_minor);
    let debit = if statement.debit_normal { amount } else { amount.saturating_neg() };
    if debit >= 0 { (Some(debit), None) } else { (None, Some(debit.saturating_neg())) }
}

/// The voucher, contract, document or bank reference: the first there is.
fn reference(entry: &StatementEntry) -> &str {
    let all = [&entry.payment_id, &entry.contract_id, &entry.document_number, &entry.bank_reference];
    all.into_iter().find(|reference| !reference.is_empty()).map_or("", String::as_str)
}

/// The accounts on the other side, for people.
fn counterparts(entry: &StatementEntry) -> String {
    let named = entry.counterpart_account_ids.join(" ");
    let more =
        usize::try_from(entry.counterpart_count).unwrap_or(0).saturating_sub(entry.counterpart_account_ids.len());
    if more == 0 { named } else { format!("{named} +{more}") }
}

fn write_table(
    out: &mut dyn Write,
    statement: &GetStatementResponse,
    args: &StatementArgs,
    lang: Lang,
) -> Result<(), Failure> {
    let money = |amount: i128| grouped(amount, exponent(statement.currency_exponent));
    let by_lot = statement.entries.iter().any(|entry| !entry.lot_id.is_empty()) && statement.lot_id.is_empty();
    let mut title =
        format!("{} {} ({})", text::word_account(lang), statement.account_id, account_kind_label(statement.kind, lang));
    if !statement.lot_id.is_empty() {
        title = format!("{title}, {} {}", text::word_lot(lang), statement.lot_id);
    }
    title = format!("{title}, {} {}", text::word_currency(lang), statement.currency_code);
    writeln!(out, "{}", printable(&title))?;
    let mut header = vec![
        text::statement_date(lang),
        text::statement_sequence(lang),
        text::statement_event(lang),
        text::statement_reference(lang),
        text::statement_counterpart(lang),
    ];
    if by_lot {
        header.push(text::word_lot(lang));
    }
    let first_amount = header.len();
    header.extend([text::word_debit(lang), text::word_credit(lang), text::statement_balance(lang)]);
    let blank = |count: usize| vec![String::new(); count];
    let balance_line = |day: Option<&Date>, label: String, balance_minor: i64| {
        let mut row = vec![date(day), String::new(), label];
        row.extend(blank(header.len().saturating_sub(4)));
        row.push(money(balance_minor.into()));
        row
    };
    let opening = text::statement_opening(lang);
    let mut rows = vec![balance_line(args.from.as_ref(), opening, statement.opening_balance_minor)];
    for entry in &statement.entries {
        let (debit, credit) = sides(statement, entry);
        let mut row = vec![
            date(entry.business_date.as_ref()),
            entry.sequence.to_string(),
            entry.event_kind.clone(),
            reference(entry).to_owned(),
            counterparts(entry),
        ];
        if by_lot {
            row.push(entry.lot_id.clone());
        }
        row.extend([debit.map(money).unwrap_or_default(), credit.map(money).unwrap_or_default()]);
        row.push(money(entry.balance_minor.into()));
        rows.push(row);
    }
    let closing = text::statement_closing(lang);
    rows.push(balance_line(args.to.as_ref(), closing, statement.closing_balance_minor));
    let right: Vec<usize> = std::iter::once(1).chain(first_amount..header.len()).collect();
    writeln!(out, "{}", render::table(&header, &rows, &right)).map_err(Failure::from)
}

fn write_csv(out: &mut dyn Write, statement: &GetStatementResponse) -> Result<(), Failure> {
    let header = [
        "account_id",
        "line",
        "business_date",
        "sequence",
        "booked_at",
        "event_kind",
        "lot_id",
        "side",
        "amount_minor",
        "amount",
        "balance_minor",
        "balance",
        "currency_code",
        "payment_id",
        "document_number",
        "bank_reference",
        "contract_id",
        "counterpart_account_ids",
        "counterpart_count",
        "maker",
        "checkers",
    ];
    let money = |amount: i128| decimal(amount, exponent(statement.currency_exponent));
    let balance_line = |line: &str, balance_minor: i64| {
        let mut row = vec![String::new(); header.len()];
        let cells = [
            (0, statement.account_id.clone()),
            (1, line.to_owned()),
            (6, statement.lot_id.clone()),
            (10, balance_minor.to_string()),
            (11, money(balance_minor.into())),
            (12, statement.currency_code.clone()),
        ];
        for (at, text) in cells {
            row.get_mut(at).into_iter().for_each(|cell| cell.clone_from(&text));
        }
        row
    };
    let mut rows = vec![balance_line("opening", statement.opening_balance_minor)];
    rows.extend(statement.entries.iter().map(|entry| {
        vec![
            statement.account_id.clone(),
            "entry".to_owned(),
            date(entry.business_date.as_ref()),
            entry.sequence.to_string(),
            booked_at(entry),
            entry.event_kind.clone(),
            entry.lot_id.clone(),
            side(statement, entry).to_owned(),
            entry.amount_minor.to_string(),
            money(entry.amount_minor.into()),
            entry.balance_minor.to_string(),
            money(entry.balance_minor.into()),
            statement.currency_code.clone(),
            entry.payment_id.clone(),
            entry.document_number.clone(),
            entry.bank_reference.clone(),
            entry.contract_id.clone(),
            entry.counterpart_account_ids.join(" "),
            entry.counterpart_count.to_string(),
            entry.maker.clone(),
            entry.checkers.join(" "),
        ]
    }));
    rows.push(balance_line("closing", statement.closing_balance_minor));
    render::csv(out, &header, &rows)
}

fn to_json(statement: &GetStatementResponse, args: &StatementArgs) -> Value {
    let money = |amount: i64| decimal(amount.into(), exponent(statement.currency_exponent));
    let entries: Vec<Value> = statement
        .entries
        .iter()
        .map(|entry| {
            json!({
                "sequence": entry.sequence,
                "business_date": date(entry.business_date.as_ref()),
                "booked_at": booked_at(entry),
                "event_kind": entry.event_kind,
                "lot_id": entry.lot_id,
                "side": side(statement, entry),
                "amount_minor": entry.amount_minor,
                "amount": money(entry.amount_minor),
                "balance_minor": entry.balance_minor,
                "balance": money(entry.balance_minor),
                "payment_id": entry.payment_id,
                "document_number": entry.document_number,
                "bank_reference": entry.bank_reference,
                "contract_id": entry.contract_id,
                "counterpart_account_ids": entry.counterpart_account_ids,
                "counterpart_count": entry.counterpart_count,
                "maker": entry.maker,
                "checkers": entry.checkers,
            })
        })
        .collect();
    json!({
        "account_id": statement.account_id,
        "lot_id": statement.lot_id,
        "fund_id": statement.fund_id,
        "kind": account_kind(statement.kind),
        "normal_side": if statement.debit_normal { "debit" } else { "credit" },
        "currency_code": statement.currency_code,
        "currency_exponent": statement.currency_exponent,
        "first_date": date(args.from.as_ref()),
        "last_date": date(args.to.as_ref()),
        "opening_balance_minor": statement.opening_balance_minor,
        "opening_balance": money(statement.opening_balance_minor),
        "entries": entries,
        "closing_balance_minor": statement.closing_balance_minor,
        "closing_balance": money(statement.closing_balance_minor),
        "position": position_json(&statement.position.clone().unwrap_or_default()),
    })
}

fn side(statement: &GetStatementResponse, entry: &StatementEntry) -> &'static str {
    if sides(statement, entry).0.is_some() { "debit" } else { "credit" }
}

/// When an entry was booked, in UTC, as in RFC 3339.
fn booked_at(entry: &StatementEntry) -> String {
    let Some(time) = &entry.booked_at else { return String::new() };
    jiff::Timestamp::new(time.seconds, time.nanos).map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::AccountKind;

    fn statement() -> GetStatementResponse {
        let entry = |sequence: i64, amount_minor: i64, balance_minor: i64| StatementEntry {
            sequence,
            business_date: Some(Date { year: 2026, month: 6, day: 15 }),
            event_kind: "payment_executed".to_owned(),
            lot_id: "L".to_owned(),
            amount_minor,
            balance_minor,
            payment_id: format!("V{sequence}"),
            counterpart_account_ids: vec!["F.USED.A".to_owned()],
            counterpart_count: 3,
            maker: "m".to_owned(),
            checkers: vec!["c".to_owned()],
            ..StatementEntry::default()
        };
        GetStatementResponse {
            account_id: "F.UNIT.A".to_owned(),
            kind: AccountKind::AuthorityUnit.into(),
            currency_code: "CNY".to_owned(),
            currency_exponent: 2,
            opening_balance_minor: 123_456,
            closing_balance_minor: 123_000,
            entries: vec![entry(7, -500, 122_956), entry(9, 44, 123_000)],
            ..GetStatementResponse::default()
        }
    }

    fn args() -> StatementArgs {
        let from = Some(Date { year: 2026, month: 6, day: 1 });
        StatementArgs { account: "F.UNIT.A".to_owned(), lot: None, from, to: None, as_of: None }
    }

    #[test]
    fn debits_and_credits_stand_apart_between_opening_and_closing() {
        let mut out = Vec::new();
        write_table(&mut out, &statement(), &args(), Lang::Zh).unwrap();
        let expected = "\
账户 F.UNIT.A (单位可执行指标), 币种 CNY
┌────────────┬──────┬──────────────────┬──────┬─────────────┬──────┬──────┬──────┬──────────┐
│ 日期       │ 序号 │ 事项             │ 凭证 │ 对方账户    │ 批次 │ 借方 │ 贷方 │ 余额     │
├────────────┼──────┼──────────────────┼──────┼─────────────┼──────┼──────┼──────┼──────────┤
│ 2026-06-01 │      │ 期初余额         │      │             │      │      │      │ 1,234.56 │
│ 2026-06-15 │    7 │ payment_executed │ V7   │ F.USED.A +2 │ L    │ 5.00 │      │ 1,229.56 │
│ 2026-06-15 │    9 │ payment_executed │ V9   │ F.USED.A +2 │ L    │      │ 0.44 │ 1,230.00 │
│            │      │ 期末余额         │      │             │      │      │      │ 1,230.00 │
└────────────┴──────┴──────────────────┴──────┴─────────────┴──────┴──────┴──────┴──────────┘
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_hostile_name_in_the_title_steers_no_terminal() {
        let mut out = Vec::new();
        let hostile = GetStatementResponse { account_id: "A\u{1b}[2J".to_owned(), ..statement() };
        write_table(&mut out, &hostile, &args(), Lang::En).unwrap();
        assert!(String::from_utf8(out).unwrap().contains(r"A\u{1b}[2J"));
    }

    #[test]
    fn other_forms_are_complete() {
        let mut out = Vec::new();
        write_csv(&mut out, &statement()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "F.UNIT.A,opening,,,,,,,,,123456,1234.56,CNY,,,,,,,,");
        assert_eq!(
            lines[2],
            "F.UNIT.A,entry,2026-06-15,7,,payment_executed,L,debit,-500,-5.00,122956,1229.56,CNY,V7,,,,F.USED.A,3,m,c"
        );
        assert_eq!(lines.len(), 5);
        let json = to_json(&statement(), &args());
        assert_eq!(json["entries"][1]["balance"], "1230.00");
        assert_eq!((&json["first_date"], &json["last_date"]), (&json!("2026-06-01"), &json!("")));
        assert_eq!(json["closing_balance_minor"], 123_000);
    }
}
