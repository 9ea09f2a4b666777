//! A served ledger with a story of three years: two funds, two units, payments that were cleared, returned and taken back, a
//! finding, a matter, and a lot that nobody touched.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use calamine::Reader as _;
use serde_json::{Value, json};

use crate::server::{Served, errors, run};

/// The last business date of the story.
pub(crate) const LAST_DAY: &str = "2026-06-15";

pub(crate) struct World {
    pub(crate) served: Served,
    posted: u32,
}

/// A table as CSV: titles and rows, and what it rests on.
pub(crate) struct Csv {
    pub(crate) titles: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) provenance: Vec<(String, String)>,
}

impl Csv {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let text = text.strip_prefix('\u{feff}').expect("a byte order mark");
        let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text.as_bytes());
        let records = reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect::<Vec<_>>());
        let (provenance, mut rows): (Vec<_>, Vec<_>) =
            records.partition(|record: &Vec<String>| record[0].starts_with('#'));
        let titles = rows.remove(0);
        let provenance = provenance.into_iter().map(|pair| (pair[0][1..].to_owned(), pair[1].clone())).collect();
        Self { titles, rows, provenance }
    }

    pub(crate) fn said(&self, name: &str) -> &str {
        self.provenance.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn at(&self, title: &str) -> usize {
        self.titles.iter().position(|known| known == title).unwrap_or_else(|| panic!("{title} in {:?}", self.titles))
    }

    /// Some columns of all rows.
    pub(crate) fn columns(&self, titles: &[&str]) -> Vec<Vec<String>> {
        let places: Vec<usize> = titles.iter().map(|title| self.at(title)).collect();
        self.rows.iter().map(|row| places.iter().map(|at| row[*at].clone()).collect()).collect()
    }
}

fn date(text: &str) -> Value {
    let parts: Vec<i32> = text.split('-').map(|part| part.parse().unwrap()).collect();
    json!({ "year": parts[0], "month": parts[1], "day": parts[2] })
}

impl World {
    /// A ledger without events.
    pub(crate) fn empty() -> Self {
        Self { served: Served::new(), posted: 0 }
    }

    /// The story.
    pub(crate) fn new() -> Self {
        let mut world = Self::empty();
        world.fund("F", "试点 <专项> & \"资金\"");
        world.fund("G", "Second fund");
        world.post("2023-02-01", "issue_budget", &issue("F", "OLD", 20_000_000));
        world.post("2023-02-02", "receive_cash", &cash("OLD", 20_000_000));
        world.post("2023-02-10", "allocate_budget", &allocate("F", "U", "OLD", 5_000_000));
        world.post("2024-03-01", "execute_payment", &pay("P-old", "F", "U", "OLD", 1_000_000, "ROADS"));
        world.post("2024-03-02", "clear_payments", &json!({ "payment_ids": ["P-old"], "bank_reference": "b0" }));
        // Another lot is issued, allocated too late, and used month by month.
        world.post("2025-12-01", "issue_budget", &issue("F", "NEW", 100_000_000));
        world.post("2025-12-02", "receive_cash", &cash("NEW", 100_000_000));
        world.post("2026-02-01", "allocate_budget", &allocate("F", "U", "NEW", 60_000_000));
        world.post("2026-02-02", "allocate_budget", &allocate("F", "V", "NEW", 30_000_000));
        world.post("2026-02-10", "execute_payment", &pay("P1", "F", "U", "NEW", 10_000_000, "ROADS"));
        world.post("2026-02-11", "clear_payments", &json!({ "payment_ids": ["P1"], "bank_reference": "b1" }));
        world.post("2026-03-10", "execute_payment", &pay("P2", "F", "V", "NEW", 5_000_000, "BRIDGES"));
        world.post("2026-03-20", "clear_payments", &json!({ "payment_ids": ["P2"], "bank_reference": "b2" }));
        let back =
            json!({ "payment_id": "P2", "amount_minor": 500_000, "bank_reference": "back", "reason_code": "PARTIAL" });
        world.post("2026-04-01", "return_payment", &back);
        let wrong = world.post("2026-04-10", "execute_payment", &pay("P3", "F", "U", "NEW", 700_000, "ROADS"));
        world.post("2026-04-11", "reverse_event", &json!({ "original_sequence": wrong, "reason_code": "WRONG_PAYEE" }));
        let last = world.post("2026-05-20", "execute_payment", &pay("P4", "F", "U", "NEW", 250_000, "ROADS"));
        world.post("2026-01-10", "issue_budget", &issue("G", "GLOT", 3_000_000));
        world.post("2026-01-11", "receive_cash", &cash("GLOT", 3_000_000));
        world.post("2026-01-12", "allocate_budget", &allocate("G", "W", "GLOT", 3_000_000));
        world.post("2026-01-20", "execute_payment", &pay("Q1", "G", "W", "GLOT", 400_000, "SCHOOLS"));
        world.post("2026-01-21", "clear_payments", &json!({ "payment_ids": ["Q1"], "bank_reference": "b3" }));
        let flag = |finding: &str, minor: i64| {
            json!({ "finding_id": finding, "rule_id": "R-IDLE", "rule_version": 1, "sequences": [wrong, last],
                "amount_minor": minor, "evidence_sha256": BYTES })
        };
        world.post("2026-04-20", "flag", &flag("FIND-1", 700_000));
        world.post("2026-04-21", "flag", &flag("FIND-2", 0));
        let answer = json!({ "finding_id": "FIND-2", "document_number": "reply 2", "document_sha256": BYTES });
        world.post("2026-06-10", "explain_finding", &answer);
        world.post(
            "2026-06-11",
            "close_finding",
            &json!({ "finding_id": "FIND-2", "outcome": "FINDING_OUTCOME_UNFOUNDED" }),
        );
        let matter = json!({ "matter_id": "M-1", "kind": "complaint", "unit_id": "U", "fund_id": "F", "party": "Somebody",
            "about_sequence": last, "first_handler": "desk-7" });
        world.post("2026-05-25", "open_matter", &matter);
        // It runs, and is not due yet.
        let matter = json!({ "matter_id": "M-2", "kind": "complaint", "unit_id": "U", "fund_id": "F", "party": "Another", "first_handler": "desk-8" });
        world.post(LAST_DAY, "open_matter", &matter);
        world.post(LAST_DAY, "receive_cash", &json!({ "lot_id": "NEW", "amount_minor": 1, "bank_reference": "end" }));
        // Accepted late, and not answered; the other is closed before anybody had to.
        let complaint =
            |id: &str| json!({ "complaint_id": id, "kind": "fraud", "lot_id": "NEW", "text_sha256": BYTES });
        world.post("2026-05-04", "file_complaint", &complaint("C-1"));
        let accepted = json!({ "complaint_id": "C-1", "unit_id": "V", "first_handler": "desk-9" });
        world.post("2026-05-20", "accept_complaint", &accepted);
        world.post("2026-06-12", "file_complaint", &complaint("C-2"));
        let withdrawn = json!({ "complaint_id": "C-2", "outcome": "COMPLAINT_OUTCOME_WITHDRAWN" });
        world.post("2026-06-14", "close_complaint", &withdrawn);
        world
    }

    fn fund(&mut self, fund_id: &str, name: &str) {
        let clock = |code: &str, kind: &str, limit: i32, unit: &str| json!({ "code": code, "kind": format!("CLOCK_KIND_{kind}"), "limit": limit, "unit": format!("LIMIT_UNIT_{unit}") });
        let clocks = json!([
            clock("allot", "ISSUED_TO_ALLOCATED", 30, "DAYS"),
            clock("clear", "ORDERED_TO_CLEARED", 3, "WORKING_DAYS"),
            clock("answer", "FLAGGED_TO_ANSWERED", 30, "DAYS"),
            clock("complaint", "MATTER", 10, "WORKING_DAYS"),
            clock("taken", "COMPLAINT_FILED_TO_ACCEPTED", 5, "WORKING_DAYS"),
            clock("fraud", "COMPLAINT_FILED_TO_ANSWERED", 20, "DAYS"),
        ]);
        let policy = json!({ "policy_id": format!("P-{fund_id}"), "version": 1, "effective_from": date("2023-01-01"),
            "plan_step": "PLAN_STEP_OPTIONAL", "document_sha256": BYTES, "terms": { "clocks": clocks } });
        self.post("2023-01-01", "set_policy", &policy);
        let fund = json!({ "fund_id": fund_id, "name": name, "family": "FUND_FAMILY_SPECIAL",
            "policy_id": format!("P-{fund_id}"), "legal_basis": "预算法" });
        self.post("2023-01-01", "define_fund", &fund);
        let mut accounts = vec![
            ("source", "AUTHORITY_SOURCE", ""),
            ("unallocated", "AUTHORITY_UNALLOCATED", ""),
            ("carry", "AUTHORITY_CARRY", ""),
            ("recalled", "AUTHORITY_RECALLED", ""),
            ("treasury", "TREASURY", ""),
            ("lots", "FUND_LOT", ""),
            ("clearing", "CLEARING", ""),
        ];
        let units: &[&str] = if fund_id == "F" { &["U", "V"] } else { &["W"] };
        for unit in units {
            for (place, kind) in [("unit", "AUTHORITY_UNIT"), ("plan", "AUTHORITY_PLAN"), ("used", "AUTHORITY_USED")] {
                accounts.push((place, kind, unit));
            }
        }
        for (place, kind, unit) in accounts {
            let account_id =
                if unit.is_empty() { format!("{fund_id}.{place}") } else { format!("{fund_id}.{unit}.{place}") };
            let account = json!({ "account_id": account_id, "fund_id": fund_id, "kind": format!("ACCOUNT_KIND_{kind}"),
                "unit_id": unit });
            self.post("2023-01-01", "open_account", &account);
        }
    }

    /// Posts one command, which must be accepted; gives its sequence.
    pub(crate) fn post(&mut self, day: &str, name: &str, payload: &Value) -> i64 {
        self.posted += 1;
        // Who flags does not answer.
        let actor = if ["flag", "close_finding"].contains(&name) { "auditor-1" } else { "maker-1" };
        let command = json!({ "request_id": format!("c-{}", self.posted), "business_date": date(day), "actor": actor,
            "checkers": ["checker-1"], name: payload });
        self.post_lines(&[command]);
        i64::from(self.posted)
    }

    /// Posts commands at once.
    pub(crate) fn post_lines(&self, commands: &[Value]) {
        let file = self.path("commands.jsonl");
        let lines: Vec<String> = commands.iter().map(Value::to_string).collect();
        fs::write(&file, lines.join("\n")).unwrap();
        let posted = run(&["--server", &self.served.url(), "post", file.to_str().unwrap()]);
        assert!(
            posted.status.success(),
            "{}{}\n{}",
            String::from_utf8_lossy(&posted.stdout),
            errors(&posted),
            lines[0]
        );
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.served.directory.path().join(name)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        run(&[&["--server", self.served.url().as_str(), "--quiet"], arguments].concat())
    }

    /// What must succeed, as CSV.
    pub(crate) fn csv(&self, arguments: &[&str]) -> Csv {
        let output = self.run(&[arguments, &["--format", "csv"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", errors(&output));
        Csv::parse(&output.stdout)
    }

    /// A table in all forms; the same cells in each, and the same digest. Gives it as CSV.
    pub(crate) fn in_all_forms(&self, arguments: &[&str]) -> Csv {
        let csv = self.csv(arguments);
        let json = self.run(&[arguments, &["--format", "json"]].concat());
        let json: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(json["provenance"]["digest"], csv.said("digest"), "{arguments:?}");
        assert_eq!(json["rows"].as_array().unwrap().len(), csv.rows.len());
        let path = self.path("table.xlsx");
        let written = self.run(&[arguments, &["--output", path.to_str().unwrap()]].concat());
        assert!(written.status.success() && written.stdout.is_empty(), "{}", errors(&written));
        let mut book: calamine::Xlsx<_> = calamine::open_workbook(&path).unwrap();
        let sheet = book.worksheet_range(csv.said("table")).unwrap();
        let mut rows = sheet.rows();
        let titles: Vec<String> = rows.next().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(titles, csv.titles);
        for (found, expected) in rows.by_ref().zip(&csv.rows) {
            for (cell, expected) in found.iter().zip(expected) {
                let cell = cell.to_string();
                let is_same =
                    cell == *expected || cell.parse::<f64>().is_ok_and(|number| expected.parse::<f64>() == Ok(number));
                assert!(is_same, "{cell:?} instead of {expected:?}");
            }
        }
        assert_eq!(rows.count(), 0);
        let basis = book.worksheet_range("provenance").unwrap();
        let digest = basis.rows().find(|row| row[0] == "digest").unwrap()[1].to_string();
        assert_eq!(digest, csv.said("digest"));
        let table = self.run(arguments);
        assert!(table.status.success(), "{}", errors(&table));
        assert!(String::from_utf8_lossy(&table.stdout).contains(csv.said("digest")));
        csv
    }
}

/// 32 bytes in JSON.
const BYTES: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn issue(fund: &str, lot: &str, minor: i64) -> Value {
    json!({ "lot_id": lot, "to_account_id": format!("{fund}.unallocated"), "amount_minor": minor, "issuer_id": "PROVINCE",
        "document_number": format!("doc {lot}"), "document_sha256": BYTES })
}

fn cash(lot: &str, minor: i64) -> Value {
    json!({ "lot_id": lot, "amount_minor": minor, "bank_reference": format!("cash {lot}") })
}

fn allocate(fund: &str, unit: &str, lot: &str, minor: i64) -> Value {
    json!({ "movement": { "from_account_id": format!("{fund}.unallocated"), "to_account_id": format!("{fund}.{unit}.unit"),
        "amount_minor": minor, "draws": [{ "lot_id": lot, "amount_minor": minor }] } })
}

/// A payment of a unit's authority.
pub(crate) fn pay(payment_id: &str, fund: &str, unit: &str, lot: &str, minor: i64, purpose: &str) -> Value {
    json!({ "payment_id": payment_id, "from_account_id": format!("{fund}.{unit}.unit"), "amount_minor": minor,
        "draws": [{ "lot_id": lot, "amount_minor": minor }], "payee": format!("Supplier of {payment_id}"),
        "purpose": purpose, "method": "PAYMENT_METHOD_DIRECT" })
}

/// Many payments of one unit.
pub(crate) fn payments(count: i64, minor: impl Fn(i64) -> i64) -> Vec<Value> {
    let payment = |at: i64| pay(&format!("M{at}"), "F", "U", "NEW", minor(at), "ROADS");
    let command = |at: i64| {
        json!({ "request_id": format!("m-{at}"), "business_date": date("2026-06-01"), "actor": "maker-1",
            "checkers": ["checker-1"], "execute_payment": payment(at) })
    };
    (0..count).map(command).collect()
}
