//! Plans of small files, case by case, and of the real ones, against totals computed elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde_json::Value;

use super::Prepared;
use super::plan::{Plan, Step};
use super::rows::Fault;

const PAYMENTS: &str = include_str!("../../../deploy/mappings/gstt-payments.toml");
const BUDGET: &str = include_str!("../../../deploy/mappings/madrid-budget.toml");

fn plan_of(mapping: &str, text: &str) -> Plan {
    Prepared::new("m", mapping, "f", text.as_bytes().to_vec()).unwrap().plan
}

/// Lines of payments: `day supplier amount`, type and area fixed.
fn payments(lines: &[&str]) -> Plan {
    let mut text = "Date of payment,Expense type,Expense area,Supplier,amount\n".to_owned();
    for line in lines {
        let mut parts = line.split(' ');
        let (day, supplier, amount) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let area = parts.next().unwrap_or("7");
        writeln!(text, "{day}/04/2020,(81200) Supplies,(id:{area}) Ward,{supplier},{amount}").unwrap();
    }
    plan_of(PAYMENTS, &text)
}

/// Steps as text: `P2` pays line 2, `R3<2` returns line 3 from line 2, `C01` clears on the first.
fn steps(plan: &Plan) -> String {
    let steps = plan.steps.iter().map(|step| match step {
        Step::Pay(payment) => format!("P{}", payment.line),
        Step::Return(back) => format!("R{}<{}", back.line, back.payment_line),
        Step::Clear(date) => format!("C{:02}", date.day()),
    });
    let refused = plan.refused.iter().map(|row| format!("!{} {}", row.line, row.fault.reason()));
    steps.chain(refused).collect::<Vec<_>>().join(" ")
}

#[test]
fn returns_find_their_payment() {
    let cases: [(&str, &[&str], &str); 12] = [
        ("nothing", &[], ""),
        ("by date, then line", &["02 A 5", "01 A 6", "02 A 7"], "P3 C01 P2 P4 C02"),
        ("cleared before its return, once", &["01 A 5", "01 B 5", "01 A -2", "01 B -2"], "P2 P3 C01 R4<2 R5<3"),
        ("nothing left to clear at the day's end", &["01 A 5", "01 A -2", "02 A 1"], "P2 C01 R3<2 P4 C02"),
        ("the latest that has that much left", &["01 A 9", "01 A 5", "02 A -6", "02 A -5"], "P2 P3 C01 R4<2 R5<3"),
        ("returns add up", &["01 A 9", "02 A -5", "02 A -4", "02 A -1"], "P2 C01 R3<2 R4<2 !5 RETURN_WITHOUT_PAYMENT"),
        (
            "a part of two payments is not one return",
            &["01 A 5", "01 A 5", "01 A -6"],
            "P2 P3 C01 !4 RETURN_WITHOUT_PAYMENT",
        ),
        ("another supplier", &["01 A 5", "01 B -5"], "P2 C01 !3 RETURN_WITHOUT_PAYMENT"),
        ("another area", &["01 A 5 7", "01 A -5 8"], "P2 C01 !3 RETURN_WITHOUT_PAYMENT"),
        ("a return before its payment", &["01 A -5", "01 A 5"], "P3 C01 !2 RETURN_WITHOUT_PAYMENT"),
        ("an earlier date on a later line", &["02 A -5", "01 A 5"], "P3 C01 R2<3"),
        ("only a return", &["01 A -5"], "!2 RETURN_WITHOUT_PAYMENT"),
    ];
    for (what, lines, expected) in cases {
        assert_eq!(steps(&payments(lines)), expected, "{what}");
    }
}

#[test]
fn authority_is_what_the_rows_need() {
    let plan = payments(&["02 A 5", "01 B 6 8", "03 A 7", "03 A -1", "04 X -9 9"]);
    let lots: Vec<_> =
        plan.lots.iter().map(|lot| (lot.id.as_str(), lot.total_minor, lot.line, lot.date.day())).collect();
    assert_eq!(lots, [("2020-04.81200", 1_800, 2, 1)]);
    assert_eq!(plan.units, ["7", "8"], "no account for a unit that only has refused rows");
    let allocations: Vec<_> =
        plan.allocations.iter().map(|one| (one.unit_id.as_str(), one.amount_minor, one.line, one.date.day())).collect();
    assert_eq!(allocations, [("7", 1_200, 2, 2), ("8", 600, 3, 1)]);
    assert_eq!(plan.file_sum_minor, 800);
    assert_eq!(plan.row_key(4), format!("{}:L4", plan.short_digest()));
}

#[test]
fn a_budget_is_allocated_line_by_line() {
    let text = "AÑO,PROGRAMA,CENTRO,SECCION,IMPORTE\n2012,91100,1,002,5\n2013,91100,1,002,6\n2012,91100,5,002,7\n2012,91200,1,002,-1\n";
    let plan = plan_of(BUDGET, text);
    let lots: Vec<_> =
        plan.lots.iter().map(|lot| (lot.id.as_str(), lot.total_minor, lot.expires_on.unwrap().to_string())).collect();
    assert_eq!(lots, [("2012.91100", 12, "2012-12-31".to_owned()), ("2013.91100", 6, "2013-12-31".to_owned())]);
    assert_eq!(plan.units, ["1.002", "5.002"], "a section of another centre is another unit");
    let lines: Vec<_> = plan.allocations.iter().map(|one| (one.line, one.amount_minor)).collect();
    assert_eq!(lines, [(2, 5), (3, 6), (4, 7)]);
    assert_eq!(
        plan.refused.iter().map(|row| (row.line, &row.fault)).collect::<Vec<_>>(),
        [(5, &Fault::BudgetLineNegative)]
    );
}

#[test]
fn a_lot_too_large_is_an_error_not_a_wrong_sum() {
    let text = "AÑO,PROGRAMA,CENTRO,SECCION,IMPORTE\n2012,1,1,2,9007199254740991\n2012,1,1,2,1\n";
    let failure = Prepared::new("m", BUDGET, "f", text.as_bytes().to_vec()).unwrap_err();
    assert!(failure.to_string().contains("lot 2012.1: its rows add up to more than"), "{failure}");
}

#[test]
fn the_same_file_gives_the_same_plan() {
    let lines = ["01 A 5", "01 A -5", "01 B 6 8"];
    assert_eq!(format!("{:?}", payments(&lines)), format!("{:?}", payments(&lines)));
}

/// The real files are next to the repository on the machines that have them.
fn real(file: &str) -> Option<(Vec<u8>, Value)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let totals = fs::read_to_string(directory.join("control-totals.json")).ok();
    let bytes = fs::read(directory.join(file)).ok();
    let Some((bytes, totals)) = bytes.zip(totals) else {
        let _ = writeln!(io::stderr(), "skipped: {file} and its control totals are not in {}", directory.display());
        return None;
    };
    let totals: Value = serde_json::from_str(&totals).unwrap();
    Some((bytes, totals[file].clone()))
}

#[test]
fn real_payments_give_the_control_totals_to_the_penny() {
    for month in ["04", "05", "06"] {
        let file = format!("gstt-payments-2020-{month}.csv.gz");
        let Some((bytes, totals)) = real(&file) else { continue };
        let prepared = Prepared::new("m", PAYMENTS, &file, bytes).unwrap();
        let summary = prepared.summary().to_json();
        let expected = &totals["expected"];
        let refused_minor = -expected["refused_pence"].as_i64().unwrap();
        let rows = [
            ("rows_read", &totals["rows"]),
            ("file_sum_minor", &totals["sum_pence"]),
            ("payments", &expected["payments"]),
            ("payments_minor", &expected["payments_pence"]),
            ("returns", &expected["returns"]),
            ("returns_minor", &expected["returns_pence"]),
            ("refused", &expected["refused"]),
            ("refused_minor", &Value::from(refused_minor)),
            ("net_posted_minor", &expected["net_posted_pence"]),
            ("allocations_minor", &totals["positive_pence"]),
            ("file_sum_agrees", &Value::Bool(true)),
            ("units", &Value::from(units_with_payments(&prepared.plan))),
        ];
        for (key, value) in rows {
            assert_eq!(&summary[key], value, "{file} {key}");
        }
        let mut net: BTreeMap<String, i64> = BTreeMap::new();
        for step in &prepared.plan.steps {
            match step {
                Step::Pay(payment) => *net.entry(payment.lot_id.clone()).or_default() += payment.amount_minor,
                Step::Return(back) => *net.entry(back.lot_id.clone()).or_default() -= back.amount_minor,
                Step::Clear(_) => {}
            }
        }
        let by_type = expected["net_by_expense_type_pence"].as_object().unwrap();
        assert_eq!(net.len(), by_type.len(), "{file}");
        for (name, pence) in by_type {
            let code = name.trim_start_matches('(').split(')').next().unwrap();
            assert_eq!(net.get(&format!("2020-{month}.{code}")), pence.as_i64().as_ref(), "{file} {name}");
        }
    }
}

fn units_with_payments(plan: &Plan) -> usize {
    let units = plan.steps.iter().filter_map(|step| match step {
        Step::Pay(payment) => Some(&payment.unit_id),
        Step::Return(_) | Step::Clear(_) => None,
    });
    units.collect::<std::collections::BTreeSet<_>>().len()
}

#[test]
fn the_real_budget_gives_the_control_totals() {
    let Some((bytes, totals)) = real("madrid-budget-2012-2013.csv.gz") else { return };
    let prepared = Prepared::new("m", BUDGET, "madrid", bytes).unwrap();
    let plan = &prepared.plan;
    assert_eq!(Value::from(plan.rows_read), totals["rows"]);
    assert_eq!(Value::from(plan.allocations.len()), totals["rows"]);
    assert!(plan.refused.is_empty());
    let mut by_year: BTreeMap<&str, i64> = BTreeMap::new();
    for lot in &plan.lots {
        *by_year.entry(lot.id.split('.').next().unwrap()).or_default() += lot.total_minor;
    }
    let expected = totals["by_year_euro"].as_object().unwrap();
    assert_eq!(by_year.len(), expected.len());
    for (year, euro) in expected {
        assert_eq!(by_year.get(year.as_str()), euro.as_i64().as_ref(), "{year}");
    }
    let programmes: std::collections::BTreeSet<_> =
        plan.lots.iter().filter_map(|lot| lot.id.split('.').nth(1)).collect();
    assert_eq!(Value::from(programmes.len()), totals["programmes"]);
    assert_eq!(plan.lots.len(), 225, "programmes per year");
    assert_eq!(Value::from(plan.units.len()), totals["sections"]);
}
