//! Makes the frozen bundle of the families' events.

use std::path::Path;

use fundledger::pb::v1::post_result::Outcome;
use serde_json::{Value, json};

use crate::server::{errors, run};
use crate::world::{World, on, scenario};

const SCENARIOS: [&str; 5] = ["s3-pension", "s4-housing", "s5-nontax", "s6-investment", "s7-education"];

/// Tells scenarios apart that use the same names: all of them go into one ledger.
fn told_apart(value: &mut Value, name: &str) {
    const NAMES: [&str; 7] =
        ["bankReference", "documentNumber", "paymentId", "policyId", "loanId", "noticeId", "lotId"];
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                match value {
                    Value::String(text) if NAMES.contains(&field.as_str()) || field.ends_with("ccountId") => {
                        *text = format!("{name}.{text}");
                    }
                    Value::Array(members) if field == "accountIds" || field == "paymentIds" => {
                        for member in members {
                            *member = json!(format!("{name}.{}", member.as_str().unwrap()));
                        }
                    }
                    Value::String(text) if field == "recipient" => *text = format!("{name}.{text}"),
                    other => told_apart(other, name),
                }
            }
        }
        Value::Array(members) => members.iter_mut().for_each(|member| told_apart(member, name)),
        _ => {}
    }
}

/// Writes the bundle to the build's temporary directory. A fixture that exists is never written again: what was once released
/// must be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "only for new types of events"]
#[expect(clippy::print_stdout, reason = "whoever freezes reads it")]
async fn freeze() {
    let mut world = World::new();
    let mut lines: Vec<Value> = Vec::new();
    for name in SCENARIOS {
        for mut line in scenario(name) {
            told_apart(&mut line, name.split('-').next().unwrap());
            lines.push(line);
        }
    }
    for month in [2, 3] {
        let close = json!({ "closePeriod": { "fundId": "NT", "year": 2026, "month": month } });
        lines.push(on("2026-05-01", &format!("month-{month}"), close));
    }
    let more = crate::oversight::samples().into_iter().chain(crate::personal_data::samples());
    for (at, mut payload) in more.enumerate() {
        if let Some(compared) = payload.get_mut("recordReconciliation") {
            (compared["accountId"], compared["asOfSequence"]) = (json!("s5.treasury"), json!(lines.len()));
        }
        let is_auditors = ["flag", "closeFinding", "openPersonalData"].iter().any(|kind| payload.get(kind).is_some());
        let mut line = on("2028-06-01", &format!("more-{at}"), payload);
        if is_auditors {
            line["actor"] = json!("auditor-1");
        }
        if line.get("openMatter").is_some() {
            line["personalData"] = json!([{ "person": "某人", "field": "PERSONAL_FIELD_NAME", "value": "某人" },
                { "person": "某人", "field": "PERSONAL_FIELD_BANK_ACCOUNT", "value": "6222 0000" }]);
        }
        lines.push(line);
    }
    lines.push(on("2028-06-02", "close", json!({ "closeAccount": { "accountId": "s4.empty" } })));
    let empty = json!({ "openAccount": { "accountId": "s4.empty", "fundId": "HPF", "kind": "ACCOUNT_KIND_BOND" } });
    for line in &lines {
        if line["requestId"] == "close" {
            world.give(&on("2028-06-02", "open-empty", empty.clone())).await;
        }
        if let Some(Outcome::Error(status)) = world.give(line).await.outcome {
            println!("{}: {}", line["requestId"], status.message);
        }
    }
    keep(&mut world, "families.bundle");
}

/// The same of the events of procurement and of goals.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "only for new types of events"]
async fn freeze_procurement() {
    let mut world = World::new();
    for line in scenario("s6-investment").iter().take_while(|line| line.get("commitAuthority").is_none()) {
        world.accept(line).await;
    }
    let more = crate::procurement::samples().into_iter().chain(crate::performance::samples());
    for (at, payload) in more.enumerate() {
        world.accept(&on("2026-06-30", &format!("more-{at}"), payload)).await;
    }
    keep(&mut world, "procurement.bundle");
}

/// The same for complaints, about a payment, a lot and an event.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "only for new types of events"]
async fn freeze_complaints() {
    let (mut world, _, payment) = crate::complaints::paid().await;
    let file = |id: &str, about: Value| {
        let mut filing = crate::complaints::samples()[0].clone();
        let fields = filing["fileComplaint"].as_object_mut().unwrap();
        fields.remove("paymentId");
        fields.insert("complaintId".to_owned(), json!(id));
        fields.extend(about.as_object().unwrap().clone());
        filing
    };
    let mut lines = vec![file("C-2", json!({ "lotId": "L-1" })), file("C-3", json!({ "eventSequence": payment }))];
    lines.extend(crate::complaints::samples());
    for (at, payload) in lines.into_iter().enumerate() {
        let mut line = on("2026-03-02", &format!("complaint-{at}"), payload);
        line["checkers"] = json!([]);
        line["actor"] = json!(if line.get("closeComplaint").is_some() { "auditor-1" } else { "clerk-1" });
        if line.get("fileComplaint").is_some() {
            line["personalData"] = json!([{ "person": "收款人", "field": "PERSONAL_FIELD_NAME", "value": "某人" }]);
        }
        world.accept(&line).await;
    }
    keep(&mut world, "complaints.bundle");
}

/// Stops the server and writes what it leaves as a bundle to the build's temporary directory.
#[expect(clippy::print_stdout, reason = "whoever freezes reads it")]
fn keep(world: &mut World, name: &str) {
    world.served.stop();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let (data, bundle) = (world.served.data(), path.to_str().unwrap().to_owned());
    drop(std::fs::remove_file(&path));
    let exported = run(&["export", "--data", data.to_str().unwrap(), "--bundle", &bundle]);
    assert!(exported.status.success(), "{}", errors(&exported));
    let verified = run(&["verify", &bundle, "--deep", "--allow-unanchored"]);
    println!("{bundle}\n{}", String::from_utf8_lossy(&verified.stdout));
    assert!(verified.status.success());
}
