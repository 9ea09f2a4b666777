//! The shape of GB/T 24589: valid by its schema, balanced voucher by voucher, and the last balances are the trial balance.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::ledgers::{Balance, Ledger, SCENARIOS, content, python, tool};
use crate::server;

type Row = BTreeMap<String, String>;

const SCHEMA: &str = "docs/exports/audit-interchange.xsd";

fn rows(path: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let row = |record: csv::StringRecord| header.iter().cloned().zip(record.iter().map(str::to_owned)).collect();
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// A decimal of yuan in fen.
fn minor(decimal: &str) -> i64 {
    decimal.replace('.', "").parse().unwrap()
}

fn schema_says(document: &Path) -> Option<Result<(), String>> {
    if let Some(output) = python("validate_xml.py", &[Path::new(SCHEMA), document]) {
        return Some(content(&output));
    }
    let mut command = std::process::Command::new(tool("xmllint")?);
    command.args(["--noout", "--schema", SCHEMA]).arg(document);
    Some(content(&server::output(&mut command).unwrap()))
}

/// What the last month's balances come to, by account's name and lot, where it is nobody's own.
fn last_balances(folder: &Path) -> BTreeMap<(String, String), i64> {
    let accounts = rows(&folder.join("accounts.csv"));
    let name = |number: &str| accounts.iter().find(|row| row["科目编号"] == number).unwrap()["科目名称"].clone();
    let balances = rows(&folder.join("balances.csv"));
    let month = |row: &Row| (row["会计年度"].parse::<i32>().unwrap(), row["会计期间号"].parse::<i32>().unwrap());
    let Some(last) = balances.iter().map(month).max() else { return BTreeMap::new() };
    let of_last = balances.iter().filter(|row| month(row) == last);
    let amount = |row: &Row| minor(&row["期末余额"]) * if row["期末余额方向"] == "借" { 1 } else { -1 };
    of_last.map(|row| ((name(&row["科目编号"]), row["辅助项1编号"].clone()), amount(row))).collect()
}

#[test]
fn it_is_valid_balanced_and_ends_with_the_trial_balance() {
    for scenario in SCENARIOS {
        let ledger = Ledger::after(scenario);
        let folder = ledger.export("gbt24589", &[]);
        let document = folder.join("audit-interchange.xml");
        if let Some(said) = schema_says(&document) {
            said.unwrap_or_else(|said| panic!("{scenario}: {said}"));
        }
        let vouchers = rows(&folder.join("vouchers.csv"));
        let mut sums: BTreeMap<(String, String), i64> = BTreeMap::new();
        for line in &vouchers {
            *sums.entry((line["电子账簿编号"].clone(), line["记账凭证编号"].clone())).or_default() +=
                minor(&line["借方金额"]) - minor(&line["贷方金额"]);
        }
        assert!(sums.values().all(|sum| *sum == 0), "{scenario}: {sums:?}");
        let found = last_balances(&folder);
        let is_persons = |balance: &&Balance| balance.kind.ends_with("PERSONAL");
        for balance in ledger.trial.iter().filter(|balance| !is_persons(balance)) {
            let key = (balance.account.clone(), balance.lot.clone());
            assert_eq!(found.get(&key).copied().unwrap_or_default(), balance.minor, "{scenario}: {key:?}");
        }
        assert_eq!(
            found.values().sum::<i64>(),
            ledger.trial.iter().map(|balance| balance.minor).sum::<i64>(),
            "{scenario}"
        );
        // The document has what the tables have.
        let text = fs::read_to_string(&document).unwrap();
        assert_eq!(text.matches("<记账凭证>").count(), vouchers.len());
        for balance in ledger.trial.iter().filter(is_persons) {
            assert!(!text.contains(&balance.account), "{} is in the document of {scenario}", balance.account);
        }
    }
}

/// The schema sees what is missing, twice, or no amount.
#[test]
fn the_schema_refuses_what_is_wrong() {
    let ledger = Ledger::after("s6-investment");
    let text = fs::read_to_string(ledger.export("gbt24589", &[]).join("audit-interchange.xml")).unwrap();
    let period = text.find("<会计期间>").unwrap();
    let end = period + text[period..].find("</会计期间>").unwrap() + "</会计期间>".len();
    let wrong = [
        text.replacen("<借方金额>", "<借方金额>-", 1),
        text.replacen("<余额方向>借</余额方向>", "<余额方向>左</余额方向>", 1),
        text.replacen("<币种表>", "<币表>", 1).replacen("</币种表>", "</币表>", 1),
        format!("{}{}{}", &text[..end], &text[period..end], &text[end..]),
    ];
    for (at, wrong) in wrong.iter().enumerate() {
        assert_ne!(wrong, &text);
        let path = ledger.beside(&format!("wrong-{at}.xml"));
        fs::write(&path, wrong).unwrap();
        let Some(said) = schema_says(&path) else { return };
        assert!(said.is_err(), "the schema passes change {at}");
    }
}

/// Months that are left out stand in the opening balances.
#[test]
fn a_later_beginning_opens_with_what_was_there() {
    let ledger = Ledger::after("s6-investment");
    let whole = ledger.export("gbt24589", &[]);
    let (later, output) = ledger.try_export("gbt24589", "later", &["--from", "2026-04-01"]);
    content(&output).unwrap();
    assert_eq!(last_balances(&whole), last_balances(&later));
    assert!(rows(&later.join("vouchers.csv")).len() < rows(&whole.join("vouchers.csv")).len());
}
