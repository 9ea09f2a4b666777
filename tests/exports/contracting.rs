//! OCDS: valid by the standard's schema with its extensions, and what contracts come to is what the trial balance has.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::ledgers::{Ledger, content, fetched, python};
use crate::server::errors;

fn package(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn schema_says(path: &Path) -> Option<Result<(), String>> {
    let schema = fetched("ocds-release-package-schema.json")?;
    Some(content(&python("validate_json.py", &[&schema, path])?))
}

#[test]
fn releases_are_valid_and_come_to_what_was_committed_and_paid() {
    let ledger = Ledger::after("s6-investment");
    let path = ledger.export("ocds", &["--ocid-prefix", "ocds-test00"]);
    let found = package(&path);
    assert_eq!(found["fundledger"]["sequence"], ledger.sequence.to_string());
    let releases = found["releases"].as_array().unwrap();
    assert!(!releases.is_empty());
    let fen = |value: &Value| (value["amount"].as_f64().unwrap() * 100.0).round();
    let mut paid = 0.0;
    for release in releases {
        let ocid = release["ocid"].as_str().unwrap();
        assert!(ocid.starts_with("ocds-"), "{ocid}");
        let contract = &release["contracts"][0];
        let budget = &release["planning"]["budget"];
        let parts = budget["budgetBreakdown"].as_array().unwrap();
        let sum: f64 = parts.iter().map(|part| fen(&part["amount"])).sum();
        assert!(!parts.is_empty() && (sum - fen(&contract["value"])).abs() < 0.5, "{release}");
        let transactions = contract["implementation"]["transactions"].as_array().unwrap();
        paid += transactions.iter().map(|transaction| fen(&transaction["value"])).sum::<f64>();
        let parties: Vec<&str> =
            release["parties"].as_array().unwrap().iter().map(|party| party["id"].as_str().unwrap()).collect();
        for transaction in transactions {
            for side in ["payer", "payee"] {
                assert!(parties.contains(&transaction[side]["id"].as_str().unwrap()), "{transaction}");
            }
        }
    }
    // Whatever the scenario pays is paid under its contracts.
    let used = ledger.trial.iter().filter(|balance| balance.kind == "AUTHORITY_USED").map(|balance| -balance.minor);
    let used = used.sum::<i64>().to_string();
    assert_eq!(format!("{paid:.0}"), used);
    if let Some(said) = schema_says(&path) {
        said.unwrap_or_else(|said| panic!("{said}"));
        let text = fs::read_to_string(&path).unwrap();
        for (at, wrong) in [text.replacen("\"ocid\":", "\"oc\":", 1), text.replacen("\"awardID\":", "\"award\":", 1)]
            .iter()
            .enumerate()
        {
            let path = ledger.beside(&format!("wrong-{at}.json"));
            fs::write(&path, wrong).unwrap();
            assert!(schema_says(&path).unwrap().is_err(), "the schema passes change {at}");
        }
    }
}

/// The scenario of investment, whose contract has no ocid.
fn without_ocid() -> Ledger {
    let text = fs::read_to_string("tests/data/scenarios/s6-investment.jsonl").unwrap();
    let changed = text.replace("\"ocid\": \"ocds-x-1\", ", "");
    assert_ne!(changed, text);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), changed).unwrap();
    Ledger::after_file(file.path())
}

/// Nobody is given a prefix that they did not register.
#[test]
fn without_a_prefix_a_contract_needs_an_ocid() {
    let ledger = without_ocid();
    let (path, output) = ledger.try_export("ocds", "package.json", &[]);
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    assert!(errors(&output).contains("--ocid-prefix"), "{}", errors(&output));
    assert!(!path.exists() && !ledger.beside("package.json.new").exists());
    let (path, output) = ledger.try_export("ocds", "package.json", &["--ocid-prefix", "ocds-test00"]);
    content(&output).unwrap();
    assert_eq!(package(&path)["releases"][0]["ocid"], "ocds-test00-K-1");
}

#[test]
fn only_the_days_asked_for_are_listed() {
    let ledger = Ledger::after("s6-investment");
    let (path, output) =
        ledger.try_export("ocds", "early.json", &["--ocid-prefix", "ocds-test00", "--to", "2026-01-05"]);
    content(&output).unwrap();
    assert_eq!(package(&path)["releases"].as_array().unwrap().len(), 0);
}
