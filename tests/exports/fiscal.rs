//! Fiscal Data Package: valid for the programs that read it, and its sums are those of the trial balance.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::ledgers::{Ledger, SCENARIOS, content, fetched, python, tool};
use crate::server;

/// The kinds of accounts that stand for money at a bank.
const BANKS: [&str; 6] =
    ["TREASURY", "FISCAL_SPECIAL", "INCOME", "PAYOUT", "HOUSING_DEPOSIT", "HOUSING_SURPLUS_DEPOSIT"];

fn valid(folder: &Path, what: &str) {
    let descriptor = folder.join("datapackage.json");
    if let Some(program) = tool("frictionless") {
        let output = server::output(Command::new(program).arg("validate").arg(&descriptor)).unwrap();
        content(&output).unwrap_or_else(|said| panic!("{what}: {said}"));
    }
    if let Some(schema) = fetched("fiscal-data-package.json") {
        let output = python("validate_json.py", &[&schema, &descriptor]).unwrap();
        content(&output).unwrap_or_else(|said| panic!("{what}: {said}"));
    }
    if let (Some(types), Some(node)) = (fetched("node_modules/os-types"), tool("node")) {
        let mut command = Command::new(node);
        command.arg("tests/exports/tools/column_types.js").arg(types).arg(&descriptor);
        content(&server::output(&mut command).unwrap()).unwrap_or_else(|said| panic!("{what}: {said}"));
    }
}

/// What was at banks by the opening balances of a scenario, in minor units.
fn opening(scenario: &str, ledger: &Ledger) -> i64 {
    let text = fs::read_to_string(format!("tests/data/scenarios/{scenario}.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines: Vec<Value> =
        lines.filter_map(|line| line["recordOpeningBalance"]["lines"].as_array().cloned()).flatten().collect();
    let is_bank = |line: &&Value| {
        let row = ledger.trial.iter().find(|row| line["accountId"] == row.account.as_str());
        row.is_some_and(|row| BANKS.contains(&row.kind.as_str()))
    };
    lines.iter().filter(is_bank).map(|line| line["amountMinor"].as_i64().unwrap()).sum()
}

/// The sum of a phase and direction, in minor units.
fn sum(folder: &Path, phase: &str, direction: &str) -> i64 {
    let mut reader = csv::Reader::from_path(folder.join("transactions-cny.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|known| known == name).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let wanted = rows.iter().filter(|row| &row[at("phase")] == phase && &row[at("direction")] == direction);
    wanted.map(|row| row[at("amount")].replace('.', "").parse::<i64>().unwrap()).sum()
}

#[test]
fn packages_are_valid_and_come_to_the_trial_balance() {
    for scenario in SCENARIOS {
        let ledger = Ledger::after(scenario);
        let folder = ledger.export("fiscal-data-package", &[]);
        valid(&folder, scenario);
        let descriptor: Value =
            serde_json::from_str(&fs::read_to_string(folder.join("datapackage.json")).unwrap()).unwrap();
        assert_eq!(descriptor["fundledger"]["sequence"], ledger.sequence.to_string());
        let of = |kinds: &[&str]| -> i64 {
            ledger.trial.iter().filter(|row| kinds.contains(&row.kind.as_str())).map(|row| row.minor).sum()
        };
        let (approved, adjusted) = (sum(&folder, "approved", "expenditure"), sum(&folder, "adjusted", "expenditure"));
        let executed = sum(&folder, "executed", "expenditure");
        if of(&["AUTHORITY_SOURCE"]) > 0 {
            assert_eq!(approved + adjusted, of(&["AUTHORITY_SOURCE"]) + of(&["AUTHORITY_RECALLED"]), "{scenario}");
            assert_eq!(executed, -of(&["AUTHORITY_USED"]), "{scenario}");
        } else {
            let moved = of(&BANKS) - opening(scenario, &ledger);
            assert_eq!(sum(&folder, "executed", "revenue") - executed, moved, "{scenario}");
        }
    }
}

/// A byte that changed is seen by whoever checks the package.
#[test]
fn a_changed_amount_is_seen() {
    let ledger = Ledger::after("s6-investment");
    let folder = ledger.export("fiscal-data-package", &[]);
    let Some(program) = tool("frictionless") else { return };
    let path = folder.join("transactions-cny.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen(".00,CNY", ".01,CNY", 1)).unwrap();
    let output = server::output(Command::new(program).arg("validate").arg(folder.join("datapackage.json"))).unwrap();
    assert!(!output.status.success());
}
