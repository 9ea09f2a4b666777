//! Every field of every command of the families, wrong in turn: refused before any rule, with the field's path.

use std::collections::BTreeMap;

use fundledger::pb::v1;
use fundledger::pb::v1::post_result::Outcome;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Value, json};
use tonic_types::RpcStatusExt;

use crate::server::Served;
use crate::world::{command, descriptor, on, scenario};

const SCENARIOS: [&str; 5] = ["s3-pension", "s4-housing", "s5-nontax", "s6-investment", "s7-education"];

/// One good command of each kind.
fn samples() -> BTreeMap<String, Value> {
    let mut samples = BTreeMap::new();
    for line in SCENARIOS.iter().flat_map(|name| scenario(name)) {
        let is_payload = |key: &&String| !["requestId", "businessDate", "actor", "checkers"].contains(&key.as_str());
        let kind = line.as_object().unwrap().keys().find(is_payload).unwrap().clone();
        samples.insert(kind, line);
    }
    let paid_out = json!({ "executePayment": { "paymentId": "P", "fromAccountId": "unit", "amountMinor": 1, "payee": "H",
        "purpose": "relief", "method": "PAYMENT_METHOD_DIRECT", "payout": { "itemCode": "i", "period": 202_601,
            "batchId": "b", "lineNumber": 1, "reissueOf": "Q" } } });
    let fund = json!({ "defineFund": { "fundId": "F", "name": "n", "family": "FUND_FAMILY_SPECIAL", "legalBasis": "l",
        "profile": { "directlyAllocated": true } } });
    let terms = json!({ "setPolicy": { "policyId": "P", "version": 1, "effectiveFrom": { "year": 2026, "month": 1, "day": 1 },
        "planStep": "PLAN_STEP_OPTIONAL", "documentSha256": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "terms": {
            "rates": [{ "kind": "RATE_KIND_LATE_FEE", "ppm": 500 }],
            "splits": [{ "code": "s", "shares": [{ "recipient": "a", "weight": 1 }, { "recipient": "b", "weight": 1 }] }],
            "items": [{ "code": "i", "maxAmountMinor": 5 }], "withdrawalReasons": ["RENT"],
            "interestMethod": "INTEREST_METHOD_DAY_PRODUCT", "clocks": [{ "code": "c", "kind": "CLOCK_KIND_MATTER",
                "limit": 5, "unit": "LIMIT_UNIT_DAYS" }] } } });
    let supervision = crate::oversight::samples()
        .into_iter()
        .chain(crate::personal_data::samples())
        .chain(crate::complaints::samples());
    let procurement = crate::procurement::samples().into_iter().chain(crate::performance::samples());
    for payload in supervision.chain(procurement) {
        let kind = payload.as_object().unwrap().keys().next().unwrap().clone();
        samples.insert(kind, on("2026-01-05", "s", payload));
    }
    samples.insert("executePayment".to_owned(), on("2026-01-05", "s", paid_out));
    samples.insert("defineFund".to_owned(), on("2026-01-05", "s", fund));
    samples.insert("setPolicy".to_owned(), on("2026-01-05", "s", terms));
    samples.insert("closeAccount".to_owned(), on("2026-01-05", "s", json!({ "closeAccount": { "accountId": "a" } })));
    samples
}

/// A value that no field of this kind takes, where there is one.
fn wrong(message: &MessageDescriptor, field: &FieldDescriptor) -> Option<Value> {
    let value = match field.kind() {
        // Identities are any text, but not a long one.
        Kind::String if message.get_field_by_name(&format!("{}_pseudonym", field.name())).is_some() => {
            json!("x".repeat(257))
        }
        Kind::String => json!("\u{202e}"),
        // Balances and differences have either sign.
        Kind::Int64 if field.name().starts_with("bank_") || field.name().starts_with("book_") => json!(1_i64 << 53),
        // Days may lie before 1970, but not after 2199.
        Kind::Int32 if ["holidays", "working_weekends"].contains(&field.name()) => json!(84_006),
        Kind::Int32 | Kind::Int64 => json!(-1),
        Kind::Enum(_) => json!(99),
        Kind::Bytes => json!("AAA="),
        Kind::Message(message) if message.full_name() == "google.type.Date" => {
            json!({ "year": 2026, "month": 13, "day": 1 })
        }
        _ => return None,
    };
    Some(if field.is_list() { json!([value]) } else { value })
}

/// Every way to make one field wrong: where, and the whole with it.
fn broken(message: &MessageDescriptor, path: &str, good: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for field in message.fields() {
        let (name, path) = (field.json_name(), format!("{path}{}", field.name()));
        let with = |value: Value| {
            let mut broken = good.clone();
            let fields = broken.as_object_mut().unwrap();
            // Of a choice only one is made.
            for other in field.containing_oneof().iter().flat_map(|oneof| oneof.fields().collect::<Vec<_>>()) {
                fields.remove(other.json_name());
            }
            fields.insert(name.to_owned(), value);
            broken
        };
        if let Some(value) = wrong(message, &field) {
            let path = if field.is_list() { format!("{path}[0]") } else { path.clone() };
            found.push((path, with(value)));
        } else if let (Kind::Message(inner), Some(value)) = (field.kind(), good.get(name)) {
            if field.is_list() {
                let rest = value.as_array().unwrap();
                found.extend(broken(&inner, &format!("{path}[0]."), &rest[0]).into_iter().map(|(path, first)| {
                    let mut all = rest.clone();
                    all[0] = first;
                    (path, with(Value::Array(all)))
                }));
            } else {
                let inner = broken(&inner, &format!("{path}."), value);
                found.extend(inner.into_iter().map(|(path, value)| (path, with(value))));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_field_that_is_wrong_is_refused_with_its_path() {
    let served = Served::new();
    let payloads: Vec<FieldDescriptor> =
        descriptor().oneofs().find(|oneof| oneof.name() == "payload").unwrap().fields().collect();
    let samples = samples();
    let mut commands = Vec::new();
    let mut paths = Vec::new();
    for (kind, line) in &samples {
        let field = payloads.iter().find(|field| field.json_name() == kind).unwrap();
        let Kind::Message(message) = field.kind() else { panic!("{kind} is no message") };
        for (path, payload) in broken(&message, &format!("{}.", field.name()), &line[kind]) {
            let mut line = line.clone();
            line[kind] = payload;
            commands.push(command(&line));
            paths.push(path);
        }
    }
    assert!(commands.len() > 200, "only {} fields", commands.len());
    let request = v1::PostRequest { commands, ..Default::default() };
    let results = served.ledger().await.post(request).await.unwrap().into_inner().results;
    let mut unseen = Vec::new();
    for (at, (path, result)) in paths.iter().zip(results).enumerate() {
        let Some(Outcome::Error(status)) = result.outcome else {
            unseen.push(format!("{path} was taken"));
            continue;
        };
        let reason = status.get_details_error_info().unwrap().reason;
        assert!(["FIELD_INVALID", "AMOUNT_INVALID", "DATE_INVALID"].contains(&reason.as_str()), "{path}: {reason}");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        // A month is told of as one, whichever of its two fields is wrong.
        let path = path.strip_suffix(".year").map_or(path.clone(), |before| format!("{before}.month"));
        let path = format!("commands[{at}].{path}");
        if !violations.iter().any(|violation| violation.field == path) {
            let told: Vec<String> = violations.into_iter().map(|violation| violation.field).collect();
            unseen.push(format!("{path} is told of as {told:?}"));
        }
    }
    assert!(unseen.is_empty(), "{unseen:#?}");
    // A loan of less than one minor unit a month would be repaid in instalments of nothing.
    let mut line = samples["issueLoan"].clone();
    line["requestId"] = json!("tiny");
    line["issueLoan"]["amountMinor"] = json!(29);
    line["issueLoan"]["months"] = json!(30);
    let request = v1::PostRequest { commands: vec![command(&line)], ..Default::default() };
    let results = served.ledger().await.post(request).await.unwrap().into_inner().results;
    let Some(Outcome::Error(status)) = results.into_iter().next().unwrap().outcome else { panic!("taken") };
    assert_eq!(status.get_details_error_info().unwrap().reason, "AMOUNT_INVALID");
    assert_eq!(
        status.get_details_bad_request().unwrap().field_violations[0].field,
        "commands[0].issue_loan.amount_minor"
    );
    // New kinds of commands get a sample.
    let of_families: Vec<&str> = payloads
        .iter()
        .filter(|field| (43..=46).contains(&field.number()) || field.number() >= 70)
        .map(FieldDescriptor::json_name)
        .filter(|name| !samples.contains_key(*name))
        .collect();
    assert!(of_families.is_empty(), "without a sample: {of_families:?}");
}
