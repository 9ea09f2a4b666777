//! A ledger with something to publish: a relief fund whose payouts bring names, a grant with projects, and what came back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::server::{Served, errors, on, run};

const DIGEST: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
/// Born in 1990, with a check digit that holds.
pub(crate) const ADULT: &str = "110105199003070033";
/// Born in 2015.
pub(crate) const CHILD: &str = "11010520150307003X";

fn fund(fund_id: &str, name: &str, scheme: &str, region: &str) -> Vec<Value> {
    let key = |what: &str| format!("{fund_id}-{what}");
    let account = |kind: &str, unit: &str| {
        on(
            "2026-03-01",
            &key(kind),
            json!({ "openAccount": { "accountId": key(kind), "fundId": fund_id, "kind": format!("ACCOUNT_KIND_{kind}"),
                "unitId": unit } }),
        )
    };
    let mut lines = vec![on(
        "2026-03-01",
        &key("define"),
        json!({ "defineFund": { "fundId": fund_id, "name": name, "policyId": "P", "family": "FUND_FAMILY_SPECIAL",
            "scheme": format!("FUND_SCHEME_{scheme}"), "legalBasis": "预算法", "purposes": ["works", "living"], "profile": { "regionCode": region } } }),
    )];
    lines.extend(
        [
            ("AUTHORITY_SOURCE", ""),
            ("AUTHORITY_UNALLOCATED", ""),
            ("AUTHORITY_UNIT", "bureau"),
            ("AUTHORITY_USED", "bureau"),
            ("AUTHORITY_RECALLED", ""),
            ("TREASURY", ""),
            ("FUND_LOT", ""),
            ("CLEARING", ""),
        ]
        .map(|(kind, unit)| account(kind, unit)),
    );
    lines.extend([
        on(
            "2026-03-02",
            &key("issue"),
            json!({ "issueBudget": { "lotId": key("LOT"), "toAccountId": key("AUTHORITY_UNALLOCATED"),
                "amountMinor": 10_000_000, "issuerId": "province", "documentNumber": key("文"), "documentSha256": DIGEST } }),
        ),
        on(
            "2026-03-02",
            &key("cash"),
            json!({ "receiveCash": { "lotId": key("LOT"), "amountMinor": 10_000_000, "bankReference": key("cash") } }),
        ),
        on(
            "2026-03-03",
            &key("allocate"),
            json!({ "allocateBudget": { "movement": { "fromAccountId": key("AUTHORITY_UNALLOCATED"),
                "toAccountId": key("AUTHORITY_UNIT"), "amountMinor": 8_000_000 } } }),
        ),
    ]);
    lines
}

fn pay(date: &str, id: &str, amount: i64, project: &str) -> Value {
    on(
        date,
        id,
        json!({ "executePayment": { "paymentId": id, "fromAccountId": "GRANT-AUTHORITY_UNIT", "amountMinor": amount,
            "payee": format!("payee of {id}"), "purpose": "works", "projectId": project,
            "method": "PAYMENT_METHOD_DIRECT" } }),
    )
}

pub(crate) fn payout(date: &str, id: &str, household: &str, amount: i64, data: &[(&str, &str)]) -> Value {
    let mut line = on(
        date,
        id,
        json!({ "executePayment": { "paymentId": id, "fromAccountId": "RELIEF-AUTHORITY_UNIT", "amountMinor": amount,
            "payee": household, "purpose": "living", "method": "PAYMENT_METHOD_DIRECT",
            "payout": { "itemCode": "living", "period": 202_603, "batchId": "B", "lineNumber": 1 } } }),
    );
    let data = data.iter().map(
        |(field, value)| json!({ "person": household, "field": format!("PERSONAL_FIELD_{field}"), "value": value }),
    );
    line["personalData"] = Value::Array(data.collect());
    line
}

pub(crate) fn clear(id: &str) -> Value {
    let cleared = json!({ "paymentIds": [id], "bankReference": format!("clearing of {id}") });
    on("2026-03-20", &format!("clear-{id}"), json!({ "clearPayments": cleared }))
}

pub(crate) fn back(date: &str, id: &str, payment: &str, amount: i64) -> Value {
    let returned = json!({ "paymentId": payment, "amountMinor": amount, "bankReference": format!("bank {id}"),
        "reasonCode": "WRONG_AMOUNT" });
    on(date, id, json!({ "returnPayment": returned }))
}

fn lines() -> Vec<Value> {
    let mut lines = vec![on(
        "2026-03-01",
        "policy",
        json!({ "setPolicy": { "policyId": "P", "version": 1, "effectiveFrom": { "year": 2026, "month": 1, "day": 1 },
            "planStep": "PLAN_STEP_OPTIONAL", "documentSha256": DIGEST,
            "terms": { "items": [{ "code": "living", "maxAmountMinor": 1_000_000 }] } } }),
    )];
    lines.extend(fund("GRANT", "=HYPERLINK(\"http://evil.invalid\")", "GRANT", "330100"));
    lines.extend(fund("RELIEF", "临时救助", "RELIEF", "330200"));
    lines.extend([
        pay("2026-03-10", "road-1", 123_456, "road"),
        pay("2026-03-11", "school-1", 200_000, "school"),
        pay("2026-04-02", "road-2", 50_000, "road"),
        payout("2026-03-15", "out-1", "H1", 30_000, &[("NAME", "欧阳娜娜"), ("IDENTITY_NUMBER", ADULT)]),
        payout("2026-03-15", "out-2", "H2", 40_000, &[("NAME", "小明"), ("IDENTITY_NUMBER", CHILD)]),
        payout("2026-03-16", "out-3", "H3", 50_000, &[("NAME", "无号")]),
        payout("2026-03-16", "out-4", "H4", 60_000, &[("NAME", "=1+1"), ("IDENTITY_NUMBER", ADULT)]),
        payout("2026-04-01", "out-5", "H5", 70_000, &[]),
        clear("road-1"),
        clear("out-1"),
        back("2026-03-25", "back", "out-1", 10_000),
    ]);
    lines
}

/// A served ledger with the story on record.
pub(crate) struct Story {
    pub(crate) served: Served,
}

impl Story {
    pub(crate) fn new() -> Self {
        let story = Self { served: Served::new() };
        story.post(&lines());
        story
    }

    pub(crate) fn post(&self, lines: &[Value]) {
        let file = self.path("commands.jsonl");
        let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
        fs::write(&file, text.join("\n")).unwrap();
        let posted = run(&["post", file.to_str().unwrap(), "--server", &self.served.url()]);
        assert!(posted.status.success(), "{}{}", String::from_utf8_lossy(&posted.stdout), errors(&posted));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.served.directory.path().join(name)
    }

    /// `disclose` from the running ledger.
    pub(crate) fn disclose(&self, output: &str, more: &[&str]) -> Output {
        let directory = self.path(output);
        let mut arguments = vec!["disclose", "--output", directory.to_str().unwrap()];
        arguments.extend(more);
        let url = self.served.url();
        arguments.extend(["--server", &url]);
        run(&arguments)
    }

    /// A table that was made.
    pub(crate) fn made(&self, output: &str, more: &[&str]) -> Value {
        let mut arguments = more.to_vec();
        arguments.extend(["--format", "json"]);
        let made = self.disclose(output, &arguments);
        assert!(made.status.success(), "{}", errors(&made));
        serde_json::from_slice(&made.stdout).unwrap()
    }

    /// `verify --disclosure` against the running ledger; exit code and what was said.
    pub(crate) fn check(&self, file: &Path) -> (i32, String) {
        check(file, &self.served.url())
    }
}

pub(crate) fn check(file: &Path, evidence: &str) -> (i32, String) {
    let checked = run(&["verify", evidence, "--allow-unanchored", "--disclosure", file.to_str().unwrap()]);
    (checked.status.code().unwrap(), format!("{}{}", String::from_utf8_lossy(&checked.stdout), errors(&checked)))
}
