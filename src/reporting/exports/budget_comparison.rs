//! IPSAS 24: original and final budget against what was spent, on the basis of the budget, by fund and function; and what lies
//! between that and the cash that moved.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::selection::{Basis, Selection};
use super::{ExportError, Exporting};
use crate::messages::Language;
use crate::pb::v1::AccountKind as Kind;
use crate::pb::v1::event::Payload;
use crate::reporting::files::TableWriter;
use crate::reporting::files::csv::CsvWriter;
use crate::reporting::files::json::JsonWriter;
use crate::reporting::files::xlsx::XlsxWriter;
use crate::reporting::publish::{NoNames, Publishing};
use crate::reporting::register::{Fund, Register, Step, is_cash};
use crate::reporting::rows::Row;
use crate::reporting::table::ColumnKind::{Amount, Share, Term, Text};
use crate::reporting::table::{Cell, Column, Head, column, share};
use crate::reporting::terms;

/// Columns of the comparison. A function's line has no budget: authority is issued by fund and lot.
const COMPARISON: &[Column] = &[
    column("line", Term),
    column("region_code", Text),
    column("fund_id", Text),
    column("fund_name", Text),
    column("function_code", Text),
    column("currency_code", Text),
    column("brought_forward", Amount),
    column("issued", Amount),
    column("original_budget", Amount),
    column("adjusted", Amount),
    column("recalled", Amount),
    column("final_budget", Amount),
    column("actual", Amount),
    column("budget_left", Amount),
    column("execution_rate", Share),
];

/// Columns of the reconciliation.
const RECONCILIATION: &[Column] = &[
    column("fund_id", Text),
    column("fund_name", Text),
    column("currency_code", Text),
    column("actual", Amount),
    column("not_cleared", Amount),
    column("paid_in_cash", Amount),
    column("cash_received", Amount),
    column("outside_budget", Amount),
    column("net_cash", Amount),
    column("unexplained", Amount),
];

const TABLES: [(&str, &[Column]); 2] = [("budget-comparison", COMPARISON), ("budget-reconciliation", RECONCILIATION)];

/// Sums of a fund, minor units.
#[derive(Clone, Debug, Default)]
struct Sums {
    brought_forward: i128,
    issued: i128,
    adjusted: i128,
    recalled: i128,
    actual: i128,
    /// What was ordered and not cleared yet, at the end less at the beginning.
    not_cleared: i128,
    cash_received: i128,
    outside_budget: i128,
    net_cash: i128,
    by_function: BTreeMap<String, i128>,
}

/// The comparison while it is made.
pub struct BudgetComparison {
    selection: Selection,
    language: Language,
    sums: BTreeMap<i32, Sums>,
}

impl BudgetComparison {
    /// Of the days that are wanted.
    pub const fn new(selection: Selection, language: Language) -> Self {
        Self { selection, language, sums: BTreeMap::new() }
    }
}

impl Exporting for BudgetComparison {
    fn take(&mut self, step: &Step<'_>, register: &Register) -> io::Result<()> {
        // What another system had brought about by then is no movement of the period, whatever its day.
        let is_before = self.selection.is_before(step.day) || matches!(step.payload, Payload::OpeningBalance(_));
        let mut cash: BTreeMap<i32, i128> = BTreeMap::new();
        for leg in step.legs {
            let (kind, fund) = (register.kind(leg.account), register.fund_of(leg.account));
            let sums = self.sums.entry(fund).or_default();
            let debit = i128::from(leg.amount_minor);
            let add = |sum: &mut i128, amount: i128| *sum = sum.saturating_add(amount);
            let credit = debit.saturating_neg();
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "between units authority moves without a change of budget"
            )]
            match kind {
                // Whatever was used or recalled before is not there to be budgeted.
                Kind::AuthoritySource | Kind::AuthorityUsed | Kind::AuthorityRecalled if is_before => {
                    add(&mut sums.brought_forward, debit);
                }
                Kind::AuthoritySource if matches!(step.payload, Payload::BudgetIssued(_)) => {
                    add(&mut sums.issued, debit);
                }
                Kind::AuthoritySource => add(&mut sums.adjusted, debit),
                Kind::AuthorityRecalled => add(&mut sums.recalled, credit),
                Kind::AuthorityUsed => {
                    add(&mut sums.actual, credit);
                    let function = register.terms(step).map(|terms| terms.function_code.clone()).unwrap_or_default();
                    add(sums.by_function.entry(function).or_default(), credit);
                }
                Kind::Clearing if !is_before => add(&mut sums.not_cleared, credit),
                kind if is_cash(kind) && !is_before => add(cash.entry(fund).or_default(), debit),
                _ => {}
            }
        }
        for (fund, net) in cash {
            let sums = self.sums.entry(fund).or_default();
            sums.net_cash = sums.net_cash.saturating_add(net);
            #[expect(clippy::wildcard_enum_match_arm, reason = "all other cash has no budget")]
            match step.payload {
                Payload::PaymentExecuted(_) | Payload::Cleared(_) | Payload::PaymentReturned(_) => {}
                Payload::Reversed(reversed) if !reversed.payment_id.is_empty() => {}
                Payload::CashReceived(_) => sums.cash_received = sums.cash_received.saturating_add(net),
                _ => sums.outside_budget = sums.outside_budget.saturating_add(net),
            }
        }
        Ok(())
    }

    fn finish(
        self: Box<Self>,
        basis: &Basis,
        register: &Register,
        output: &Path,
        tick: &mut dyn FnMut(),
    ) -> Result<u64, ExportError> {
        fs::create_dir_all(output)?;
        let mut funds: Vec<(&Fund, &Sums)> =
            self.sums.iter().filter_map(|(number, sums)| Some((register.fund(*number)?, sums))).collect();
        funds.sort_by(|(one, _), (two, _)| (&one.region_code, &one.fund_id).cmp(&(&two.region_code, &two.fund_id)));
        let mut rows = 0_u64;
        for (table, columns) in TABLES {
            let parameters = basis.named().into_iter().skip(3).collect();
            let head = Head { table, parameters, columns: columns.to_vec() };
            let mut files = Files::create(output, &head, self.language)?;
            let mut publishing = Publishing::new(&head, Box::new(NoNames), std::mem::take(&mut files.writers));
            for (fund, sums) in &funds {
                if table == "budget-comparison" {
                    comparison(fund, sums, &mut |row| publishing.row(row));
                } else {
                    publishing.row(reconciliation(fund, sums));
                }
                tick();
            }
            let written = publishing.finish(&basis.origin, basis.sequence, basis.root)?;
            rows = rows.saturating_add(written.rows);
            files.finish()?;
        }
        Ok(rows)
    }
}

fn comparison(fund: &Fund, sums: &Sums, row: &mut dyn FnMut(Row)) {
    let amount = |amount: i128| Cell::Amount(amount, fund.exponent);
    let original = sums.brought_forward.saturating_add(sums.issued);
    let last = original.saturating_add(sums.adjusted).saturating_sub(sums.recalled);
    let names = |line: &'static str, function: Cell| {
        let text = |text: &String| Cell::Text(text.clone());
        let Fund { region_code, fund_id, name, currency_code, .. } = fund;
        vec![Cell::Term(line), text(region_code), text(fund_id), text(name), function, text(currency_code)]
    };
    let mut cells = names(terms::FUND, Cell::Empty);
    cells.extend([
        amount(sums.brought_forward),
        amount(sums.issued),
        amount(original),
        amount(sums.adjusted),
        amount(sums.recalled),
        amount(last),
        amount(sums.actual),
        amount(last.saturating_sub(sums.actual)),
        Cell::Share(share(sums.actual, last)),
    ]);
    row(Row::of(cells));
    for (function, actual) in &sums.by_function {
        let mut cells = names(terms::FUNCTION, Cell::Text(function.clone()));
        cells.extend(vec![Cell::Empty; 6]);
        cells.extend([amount(*actual), Cell::Empty, Cell::Share(share(*actual, sums.actual))]);
        row(Row::of(cells));
    }
}

/// From what was spent by the budget to the cash that moved.
fn reconciliation(fund: &Fund, sums: &Sums) -> Row {
    let amount = |amount: i128| Cell::Amount(amount, fund.exponent);
    let paid = sums.actual.saturating_sub(sums.not_cleared);
    let explained = sums.cash_received.saturating_add(sums.outside_budget).saturating_sub(paid);
    Row::of(vec![
        Cell::Text(fund.fund_id.clone()),
        Cell::Text(fund.name.clone()),
        Cell::Text(fund.currency_code.clone()),
        amount(sums.actual),
        amount(sums.not_cleared),
        amount(paid),
        amount(sums.cash_received),
        amount(sums.outside_budget),
        amount(sums.net_cash),
        amount(sums.net_cash.saturating_sub(explained)),
    ])
}

/// The files of a table, which get their names once they are whole.
struct Files {
    writers: Vec<Box<dyn TableWriter>>,
    names: Vec<(TempPath, PathBuf)>,
}

impl Files {
    fn create(folder: &Path, head: &Head, language: Language) -> io::Result<Self> {
        let mut files = Self { writers: Vec::new(), names: Vec::new() };
        let mut begin = |suffix: &str| {
            let (path, beside) =
                (folder.join(format!("{}.{suffix}", head.table)), folder.join(format!("{}.{suffix}.new", head.table)));
            let out = BufWriter::new(File::create(&beside)?);
            files.names.push((TempPath::try_from_path(beside)?, path));
            Ok::<_, io::Error>(out)
        };
        let csv = Box::new(CsvWriter::new(head, language, begin("csv")?)?);
        let json = Box::new(JsonWriter::new(head, begin("json")?)?);
        let xlsx = Box::new(XlsxWriter::new(head, language, begin("xlsx")?)?);
        files.writers = vec![csv, json, xlsx];
        Ok(files)
    }

    fn finish(self) -> io::Result<()> {
        self.names.into_iter().try_for_each(|(beside, path)| {
            File::open(&beside)?.sync_all()?;
            beside.persist(path).map_err(|error| error.error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reporting::files::{table_title, title};

    #[test]
    fn tables_and_columns_have_titles() {
        for language in [Language::English, Language::Chinese] {
            for (table, columns) in TABLES {
                assert!(!table_title(language, table).starts_with("table-"), "{table} in {language:?}");
                for column in columns {
                    assert!(!title(language, column.id).starts_with("column-"), "{} in {language:?}", column.id);
                }
            }
        }
    }
}
