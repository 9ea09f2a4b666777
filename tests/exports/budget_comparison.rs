//! IPSAS 24: the comparison comes to the trial balance, and what lies between budget and cash is explained to the fen.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::ledgers::{Ledger, SCENARIOS, content};

/// The rows of a table, by the names of their columns.
fn rows(path: &Path) -> Vec<serde_json::Map<String, Value>> {
    let table: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let columns: Vec<String> =
        table["columns"].as_array().unwrap().iter().map(|column| column["id"].as_str().unwrap().to_owned()).collect();
    let row = |row: &Value| columns.iter().cloned().zip(row.as_array().unwrap().iter().cloned()).collect();
    table["rows"].as_array().unwrap().iter().map(row).collect()
}

fn minor(cell: &Value) -> i64 {
    let text = cell.as_str().unwrap().replace('.', "");
    if text.is_empty() { 0 } else { text.parse().unwrap() }
}

#[test]
fn the_comparison_comes_to_the_trial_balance() {
    for scenario in SCENARIOS {
        let ledger = Ledger::after(scenario);
        let folder = ledger.export("ipsas24", &[]);
        let names: Vec<String> = crate::ledgers::files(&folder).into_keys().collect();
        let expected = ["comparison", "reconciliation"]
            .map(|table| ["csv", "json", "xlsx"].map(|suffix| format!("budget-{table}.{suffix}")));
        assert_eq!(names, expected.concat());
        let of = |kind: &str| -> i64 { ledger.trial.iter().filter(|row| row.kind == kind).map(|row| row.minor).sum() };
        let comparison = rows(&folder.join("budget-comparison.json"));
        let funds: Vec<_> = comparison.iter().filter(|row| row["line"] == "FUND").collect();
        let functions = comparison.iter().filter(|row| row["line"] == "FUNCTION");
        let actual = |row: &serde_json::Map<String, Value>| minor(&row["actual"]);
        assert_eq!(funds.iter().map(|row| actual(row)).sum::<i64>(), -of("AUTHORITY_USED"), "{scenario}");
        assert_eq!(functions.map(actual).sum::<i64>(), -of("AUTHORITY_USED"), "{scenario}");
        let budget: i64 = funds.iter().map(|row| minor(&row["final_budget"])).sum();
        assert_eq!(budget, of("AUTHORITY_SOURCE") + of("AUTHORITY_RECALLED"), "{scenario}");
        for row in rows(&folder.join("budget-reconciliation.json")) {
            assert_eq!(minor(&row["unexplained"]), 0, "{scenario}: {row:?}");
        }
    }
}

/// An order that no bank has carried out yet is spent by the budget, and no cash.
#[test]
fn what_is_not_cleared_explains_the_cash() {
    let ledger = Ledger::after("s6-investment");
    // The first payment is the 20th event, its clearing the one after.
    let (folder, output) = ledger.try_export("ipsas24", "ordered", &["--as-of", "20"]);
    content(&output).unwrap();
    let row = rows(&folder.join("budget-reconciliation.json")).remove(0);
    assert_eq!((minor(&row["actual"]), minor(&row["not_cleared"])), (558_000_000, 558_000_000), "{row:?}");
    assert_eq!((minor(&row["paid_in_cash"]), minor(&row["unexplained"])), (0, 0), "{row:?}");
}

/// What is left at the end of a period is what the next one begins with.
#[test]
fn what_is_left_is_brought_forward() {
    let ledger = Ledger::after("s6-investment");
    let of_period = |name: &str, more: &[&str]| {
        let (folder, output) = ledger.try_export("ipsas24", name, more);
        content(&output).unwrap();
        rows(&folder.join("budget-comparison.json")).remove(0)
    };
    let (early, late) = (of_period("early", &["--to", "2026-03-31"]), of_period("late", &["--from", "2026-04-01"]));
    assert!(minor(&early["budget_left"]) > 0);
    assert_eq!(early["budget_left"], late["brought_forward"]);
    let whole = of_period("whole", &[]);
    assert_eq!(minor(&early["actual"]) + minor(&late["actual"]), minor(&whole["actual"]));
    assert_eq!(late["budget_left"], whole["budget_left"]);
}
