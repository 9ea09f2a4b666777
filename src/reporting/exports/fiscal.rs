//! Fiscal Data Package: what was approved, adjusted, executed and taken in, a line each, as CSV with a descriptor that says
//! what its columns mean by the taxonomy of column types.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use prost::Message;
use serde_json::{Value, json};

use super::movement::Movement;
use super::output::Output;
use super::selection::{Basis, Selection};
use super::sorted::Sorter;
use super::{ExportError, Exporting};
use crate::format::hexadecimal;
use crate::pb::v1::{AccountKind as Kind, FundFamily};
use crate::reporting::decimal::decimal;
use crate::reporting::register::{Register, Step, is_cash};
use crate::reporting::table::date;

/// Columns: name, type, what they mean by the taxonomy, and the dimension of the model that they belong to.
const COLUMNS: &[(&str, &str, &str, &str)] = &[
    ("transaction_id", "string", "transaction-id:code", "transaction"),
    ("date", "date", "date:generic", "date"),
    ("fiscal_year", "integer", "date:fiscal-year", "date"),
    ("phase", "string", "phase:id", "phase"),
    ("direction", "string", "direction", "direction"),
    ("fund_id", "string", "fin-source:generic:code", "fund"),
    ("fund_name", "string", "fin-source:generic:label", "fund"),
    ("region_code", "string", "geo-source:target:code", "region"),
    ("unit_id", "string", "administrative-classification:generic:code", "unit"),
    ("function_code", "string", "functional-classification:generic:code", "function"),
    ("economic_code", "string", "economic-classification:generic:code", "economic"),
    ("purpose", "string", "activity:generic:program:code", "activity"),
    ("project_id", "string", "activity:generic:project:code", "activity"),
    ("contract_id", "string", "transaction-id:contract-id", "transaction"),
    ("lot_id", "string", "budget-line-id", "lot"),
    ("document_number", "string", "transaction-id:budget-code", "transaction"),
    ("event", "string", "transaction-id:transaction-kind", "transaction"),
    ("amount", "number", "value", ""),
    ("currency", "string", "value-currency:code", "currency"),
    ("sequence", "integer", "unknown:integer", "source"),
    ("hash", "string", "unknown:string", "source"),
];

/// The package while it is made.
pub struct Fiscal {
    selection: Selection,
    movements: Sorter,
}

impl Fiscal {
    /// Of what is wanted.
    pub fn new(selection: Selection, room: &Path) -> Self {
        Self { selection, movements: Sorter::new(room) }
    }
}

/// A line of the package: what it is about, and what it comes to.
struct Line {
    phase: &'static str,
    direction: &'static str,
    fund: i32,
    lot: i32,
    amount: i128,
}

impl Exporting for Fiscal {
    fn take(&mut self, step: &Step<'_>, register: &Register) -> io::Result<()> {
        if self.selection.is_before(step.day) || step.legs.is_empty() {
            return Ok(());
        }
        let movement = Movement::new(step, register);
        self.movements.push(&movement.key(), movement.encode_to_vec())
    }

    fn finish(
        mut self: Box<Self>,
        basis: &Basis,
        register: &Register,
        output: &Path,
        tick: &mut dyn FnMut(),
    ) -> Result<u64, ExportError> {
        let mut files: BTreeMap<String, csv::Writer<Output>> = BTreeMap::new();
        for (_, fund) in register.funds() {
            let currency = &fund.currency_code;
            if basis.selection.fund.as_ref().is_none_or(|fund_id| *fund_id == fund.fund_id)
                && !files.contains_key(currency)
            {
                let mut csv = csv::Writer::from_writer(Output::create(&output.join(path(currency)))?);
                csv.write_record(COLUMNS.iter().map(|(name, ..)| name)).map_err(io::Error::from)?;
                files.insert(currency.clone(), csv);
            }
        }
        let mut count = 0_u64;
        self.movements.each(|record| -> Result<(), ExportError> {
            let movement = Movement::read(record)?;
            for (number, line) in (1_i32..).zip(lines(&movement, register)) {
                let currency = register.fund(line.fund).map_or("", |fund| fund.currency_code.as_str());
                if let Some(file) = files.get_mut(currency) {
                    file.write_record(cells(&movement, number, &line, register)).map_err(io::Error::from)?;
                    count = count.saturating_add(1);
                }
            }
            tick();
            Ok(())
        })?;
        let mut resources = Vec::new();
        for (currency, csv) in files {
            let out = csv.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
            resources.push((currency, out.finish()?));
        }
        let mut out = Output::create(&output.join("datapackage.json"))?;
        writeln!(out, "{:#}", descriptor(basis, &resources))?;
        out.finish()?;
        Ok(count)
    }
}

fn path(currency: &str) -> String {
    format!("transactions-{}.csv", currency.to_ascii_lowercase())
}

/// Whether spending of a family is by authority; where there is none, cash tells what was taken in and spent.
const fn has_authority(family: FundFamily) -> bool {
    matches!(family, FundFamily::Special | FundFamily::DepartmentBudget | FundFamily::Investment)
}

/// What a movement comes to in the budget: by phase and lot.
fn lines(movement: &Movement, register: &Register) -> Vec<Line> {
    let mut sums: BTreeMap<(&str, &str, i32, i32), i128> = BTreeMap::new();
    for leg in &movement.legs {
        let (kind, fund) = (register.kind(leg.account), register.fund_of(leg.account));
        let debit = i128::from(leg.amount_minor);
        let with_authority = register.fund(fund).is_some_and(|fund| has_authority(fund.family));
        let is_first = matches!(movement.event.as_str(), "BudgetIssued" | "OpeningBalance");
        #[expect(clippy::wildcard_enum_match_arm, reason = "between units authority moves without a change of budget")]
        let (phase, amount) = match kind {
            Kind::AuthoritySource => (if is_first { "approved" } else { "adjusted" }, debit),
            // Recalled: less is left of the budget.
            Kind::AuthorityRecalled => ("adjusted", debit),
            Kind::AuthorityUsed => ("executed", debit.saturating_neg()),
            // What another system had brought about is nobody's revenue here.
            kind if is_cash(kind) && !with_authority && movement.event != "OpeningBalance" => ("cash", debit),
            _ => continue,
        };
        let sum = sums.entry((phase, "expenditure", fund, leg.lot)).or_default();
        *sum = sum.saturating_add(amount);
    }
    let lines = sums.into_iter().filter(|(_, amount)| *amount != 0);
    let lines = lines.map(|((phase, direction, fund, lot), amount)| match phase {
        "cash" if amount > 0 => Line { phase: "executed", direction: "revenue", fund, lot, amount },
        "cash" => Line { phase: "executed", direction, fund, lot, amount: amount.saturating_neg() },
        "approved" => Line { phase: "approved", direction, fund, lot, amount },
        "adjusted" => Line { phase: "adjusted", direction, fund, lot, amount },
        _ => Line { phase: "executed", direction, fund, lot, amount },
    });
    lines.collect()
}

fn cells(movement: &Movement, number: i32, line: &Line, register: &Register) -> [String; 21] {
    let fund = register.fund(line.fund).cloned().unwrap_or_default();
    let lot = register.lot(line.lot).cloned().unwrap_or_default();
    // Whose authority it is: the account of it that has a unit.
    let unit = movement.legs.iter().map(|leg| register.unit(leg.account)).find(|unit| !unit.is_empty());
    let day = date(movement.day);
    [
        format!("{}-{number}", movement.place()),
        day.clone(),
        day.split('-').next().unwrap_or_default().to_owned(),
        line.phase.to_owned(),
        line.direction.to_owned(),
        fund.fund_id,
        fund.name,
        fund.region_code,
        unit.unwrap_or_default().to_owned(),
        movement.function_code.clone(),
        movement.economic_code.clone(),
        movement.purpose.clone(),
        movement.project_id.clone(),
        movement.contract_id.clone(),
        lot.lot_id,
        lot.document_number,
        movement.event.clone(),
        decimal(line.amount, fund.exponent),
        fund.currency_code,
        movement.sequence.to_string(),
        hexadecimal::of(&movement.hash),
    ]
}

/// The descriptor: one resource a currency, column types, and the model that older readers ask for.
fn descriptor(basis: &Basis, files: &[(String, (u64, [u8; 32]))]) -> Value {
    let field = |(name, kind, column_type, _): &(&str, &str, &str, &str)| json!({ "name": name, "type": kind, "columnType": column_type });
    let fields: Vec<Value> = COLUMNS.iter().map(field).collect();
    let resource = |(currency, (bytes, digest)): &(String, (u64, [u8; 32]))| {
        json!({
            "name": format!("transactions-{}", currency.to_ascii_lowercase()),
            "path": path(currency),
            "profile": "tabular-data-resource",
            "format": "csv",
            "mediatype": "text/csv",
            "encoding": "utf-8",
            "bytes": bytes,
            "hash": format!("sha256:{}", hexadecimal::of(digest)),
            "schema": { "fields": fields, "primaryKey": ["transaction_id"], "missingValues": [""] },
        })
    };
    let measure = |(currency, _): &(String, (u64, [u8; 32]))| {
        let resource = format!("transactions-{}", currency.to_ascii_lowercase());
        let name = format!("amount_{}", currency.to_ascii_lowercase());
        (name, json!({ "source": "amount", "resource": resource, "currency": currency }))
    };
    let measures: serde_json::Map<String, Value> = files.iter().map(measure).collect();
    let mut dimensions: BTreeMap<&str, (Vec<&str>, serde_json::Map<String, Value>)> = BTreeMap::new();
    for (name, _, column_type, dimension) in COLUMNS.iter().filter(|(.., dimension)| !dimension.is_empty()) {
        let (key, attributes) = dimensions.entry(dimension).or_default();
        let attribute = if column_type.ends_with(":label") {
            json!({ "source": name, "labelfor": key.first() })
        } else {
            key.push(name);
            json!({ "source": name })
        };
        attributes.insert((*name).to_owned(), attribute);
    }
    let dimension = |(name, (key, attributes))| {
        let kind = match name {
            "date" => "datetime",
            "unit" | "function" | "economic" => "classification",
            "activity" => "activity",
            "region" => "location",
            "transaction" | "lot" => "fact",
            _ => "other",
        };
        let classification = match name {
            "unit" => Some("administrative"),
            "function" => Some("functional"),
            "economic" => Some("economic"),
            _ => None,
        };
        let dimension = match classification {
            Some(classification) => json!({
                "dimensionType": kind, "classificationType": classification, "primaryKey": key, "attributes": attributes,
            }),
            None => json!({ "dimensionType": kind, "primaryKey": key, "attributes": attributes }),
        };
        (name.to_owned(), dimension)
    };
    let dimensions: serde_json::Map<String, Value> = dimensions.into_iter().map(dimension).collect();
    let named: BTreeMap<&str, String> = basis.named().into_iter().collect();
    json!({
        "name": format!("ledger-{}", basis.sequence),
        "title": basis.origin,
        "profile": "tabular-data-package",
        "created": basis.time(),
        "fundledger": named,
        "resources": files.iter().map(resource).collect::<Vec<_>>(),
        "model": { "measures": measures, "dimensions": dimensions },
    })
}
