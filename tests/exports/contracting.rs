//! OCDS: valid by the standard's schema with its extensions, and what contracts come to is what the trial balance has.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

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

const DIGEST: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// The scenario of investment up to its commitment; then a contract that was tendered and registered, with a payment that came
/// back in part and one that was reversed.
fn tendered() -> Ledger {
    let scenario = fs::read_to_string("tests/data/scenarios/s6-investment.jsonl").unwrap();
    let mut lines: Vec<String> = scenario.lines().take(18).map(str::to_owned).collect();
    // The genesis is event 0, so that a line is the event of its number.
    let reversed = lines.len() + 8;
    let document = json!({ "documentNumber": "文件 1", "documentSha256": DIGEST });
    let with_document = |mut body: Value| {
        body.as_object_mut().unwrap().extend(document.as_object().unwrap().clone());
        body
    };
    let pay = |id: &str, amount: i64| {
        json!({ "paymentId": id, "fromAccountId": "committed", "amountMinor": amount, "payee": "建工集团",
            "purpose": "construction", "projectId": "school-1", "contractId": "K-7", "method": "PAYMENT_METHOD_DIRECT" })
    };
    let contract = json!({ "contractId": "K-7", "fundId": "INV", "unitId": "bureau", "projectId": "school-1",
        "tenderId": "T-7", "supplier": "建工集团", "amountMinor": 90_000,
        "signedOn": { "year": 2026, "month": 2, "day": 1 } });
    let tender = json!({ "tenderId": "T-7", "fundId": "INV", "unitId": "bureau", "projectId": "school-1",
        "method": "PROCUREMENT_METHOD_OPEN_TENDER", "ceilingMinor": 100_000, "ocid": "ocds-213czf-T-7" });
    let movement = json!({ "fromAccountId": "unit", "toAccountId": "committed", "amountMinor": 80_000 });
    for (name, body) in [
        ("openTender", with_document(tender)),
        ("awardTender", with_document(json!({ "tenderId": "T-7", "supplier": "建工集团", "amountMinor": 90_000 }))),
        ("registerContract", with_document(contract)),
        ("amendContract", with_document(json!({ "contractId": "K-7", "changeMinor": 5_000 }))),
        ("commitAuthority", json!({ "contractId": "K-7", "payee": "建工集团", "movement": movement })),
        ("executePayment", pay("P-71", 30_000)),
        ("clearPayments", json!({ "paymentIds": ["P-71"], "bankReference": "清算 P-71" })),
        ("executePayment", pay("P-72", 20_000)),
        (
            "returnPayment",
            json!({ "paymentId": "P-71", "amountMinor": 12_345, "bankReference": "退款 P-71", "reasonCode": "ERROR" }),
        ),
        ("reverseEvent", json!({ "originalSequence": reversed, "reasonCode": "ERROR" })),
    ] {
        let mut line = json!({ "requestId": format!("t-{}", lines.len()), "actor": "maker-1", "checkers": ["checker-1"],
            "businessDate": { "year": 2026, "month": 3, "day": 2 } });
        line[name] = body;
        lines.push(line.to_string());
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), lines.join("\n") + "\n").unwrap();
    Ledger::after_file(file.path())
}

#[test]
fn a_registered_contract_is_told_with_its_tender_its_price_and_what_came_back() {
    let ledger = tendered();
    let path = ledger.export("ocds", &[]);
    if let Some(said) = schema_says(&path) {
        said.unwrap_or_else(|said| panic!("{said}"));
    }
    let found = package(&path);
    assert_eq!(found["releases"].as_array().unwrap().len(), 1);
    let release = &found["releases"][0];
    let contract = &release["contracts"][0];
    assert_eq!(release["ocid"], "ocds-213czf-T-7");
    assert_eq!((&release["tender"]["id"], &release["tender"]["value"]["amount"]), (&json!("T-7"), &json!(1000.00)));
    assert_eq!(release["tender"]["procurementMethodDetails"], "OPEN_TENDER");
    assert_eq!(release["tag"], json!(["planning", "tender", "award", "contract", "implementation"]));
    assert_eq!(release["awards"][0]["value"]["amount"], 900.00);
    assert_eq!(
        (&contract["value"]["amount"], &contract["dateSigned"]),
        (&json!(950.00), &json!("2026-02-01T00:00:00+08:00"))
    );
    let transactions = contract["implementation"]["transactions"].as_array().unwrap();
    let told: Vec<(String, f64)> = transactions
        .iter()
        .map(|one| {
            (
                one["id"].as_str().unwrap().split("-2").next().unwrap().to_owned(),
                one["value"]["amount"].as_f64().unwrap(),
            )
        })
        .collect();
    let expected = [("P-71", 300.00), ("P-72", 200.00), ("P-71", -123.45), ("P-72", -200.00)];
    assert_eq!(told, expected.map(|(id, amount)| (id.to_owned(), amount)));
    let used = ledger.trial.iter().filter(|balance| balance.kind == "AUTHORITY_USED").map(|balance| -balance.minor);
    assert_eq!(used.sum::<i64>(), 17_655);
    // Of another fund there is nothing, and the budget is what was committed.
    assert_eq!(release["planning"]["budget"]["amount"]["amount"], 800.00);
}

/// A prefix is one that a registry could have given, and nothing for other forms.
#[test]
fn a_prefix_is_of_the_form_of_prefixes() {
    let ledger = without_ocid();
    for (form, prefix) in [("ocds", "bogus"), ("ocds", "ocds-"), ("ocds", "ocds-TEST00"), ("hledger", "ocds-test00")] {
        let (path, output) = ledger.try_export(form, "refused", &["--ocid-prefix", prefix]);
        assert_eq!(output.status.code(), Some(2), "{form} {prefix}: {}", errors(&output));
        assert!(!path.exists(), "{form} {prefix}");
    }
}

#[test]
fn only_the_days_asked_for_are_listed() {
    let ledger = Ledger::after("s6-investment");
    let (path, output) =
        ledger.try_export("ocds", "early.json", &["--ocid-prefix", "ocds-test00", "--to", "2026-01-05"]);
    content(&output).unwrap();
    assert_eq!(package(&path)["releases"].as_array().unwrap().len(), 0);
}
