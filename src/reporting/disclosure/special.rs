//! Special funds by region and project (预算法实施条例§6): for each fund what was issued and is left, for each project what was paid.

use std::collections::BTreeMap;

use super::Months;
use crate::pb::v1::event::Payload;
use crate::pb::v1::{AccountKind as Kind, FundFamily};
use crate::reporting::register::{Fund, Register, Step};
use crate::reporting::rows::{Row, Rows};
use crate::reporting::table::ColumnKind::{Amount, Number, Share, Term, Text};
use crate::reporting::table::{Cell, Column, column, share};
use crate::reporting::terms;

/// Its columns. A fund's line says what all its projects come to; a project's only what was paid for it.
pub(super) const COLUMNS: &[Column] = &[
    column("line", Term),
    column("region_code", Text),
    column("fund_id", Text),
    column("fund_name", Text),
    column("scheme", Term),
    column("project_id", Text),
    column("currency_code", Text),
    column("issued", Amount),
    column("used_in_month", Amount),
    column("used_in_year", Amount),
    column("used", Amount),
    column("left", Amount),
    column("recalled", Amount),
    column("share_of_fund", Share),
    column("payments", Number),
    column("returns", Number),
    column("first_sequence", Number),
    column("last_sequence", Number),
];

#[derive(Clone, Debug, Default)]
struct Sums {
    issued: i128,
    recalled: i128,
    used_in_month: i128,
    used_in_year: i128,
    used: i128,
    payments: i64,
    returns: i64,
    sequences: Option<(i64, i64)>,
}

impl Sums {
    fn rests_on(&mut self, sequence: i64) {
        self.sequences = Some((self.sequences.map_or(sequence, |(first, _)| first), sequence));
    }
}

/// The table while it is made.
pub(super) struct Special {
    months: Months,
    funds: Vec<String>,
    regions: Vec<String>,
    of_funds: BTreeMap<i32, Sums>,
    of_projects: BTreeMap<(i32, String), Sums>,
}

impl Special {
    /// Of a month; of some funds or regions only, where any are named.
    pub(super) const fn new(months: Months, funds: Vec<String>, regions: Vec<String>) -> Self {
        Self { months, funds, regions, of_funds: BTreeMap::new(), of_projects: BTreeMap::new() }
    }
}

impl Rows for Special {
    fn take(&mut self, step: &Step<'_>, register: &Register, _row: &mut dyn FnMut(Row)) {
        if step.day > self.months.last_day {
            return;
        }
        let is_opening = matches!(step.payload, Payload::OpeningBalance(_));
        let mut used: BTreeMap<i32, i128> = BTreeMap::new();
        for leg in step.legs {
            let fund = register.fund_of(leg.account);
            if register.fund(fund).is_none_or(|fund| fund.family != FundFamily::Special) {
                continue;
            }
            let debit = i128::from(leg.amount_minor);
            let sums = self.of_funds.entry(fund).or_default();
            sums.rests_on(step.sequence);
            #[expect(clippy::wildcard_enum_match_arm, reason = "the table is about what is issued, used and recalled")]
            match register.kind(leg.account) {
                Kind::AuthoritySource => sums.issued = sums.issued.saturating_add(debit),
                Kind::AuthorityRecalled => sums.recalled = sums.recalled.saturating_sub(debit),
                Kind::AuthorityUsed => {
                    let sum = used.entry(fund).or_default();
                    *sum = sum.saturating_sub(debit);
                }
                _ => {}
            }
        }
        for (fund, amount) in used {
            let is_in_month = !is_opening && step.day >= self.months.first_day;
            let is_in_year = !is_opening && step.day >= self.months.first_day_of_year;
            let project_id = register.terms(step).map(|terms| terms.project_id.clone()).unwrap_or_default();
            let of_project = self.of_projects.entry((fund, project_id)).or_default();
            for sums in [self.of_funds.entry(fund).or_default(), of_project] {
                sums.rests_on(step.sequence);
                sums.used = sums.used.saturating_add(amount);
                sums.used_in_month = sums.used_in_month.saturating_add(if is_in_month { amount } else { 0 });
                sums.used_in_year = sums.used_in_year.saturating_add(if is_in_year { amount } else { 0 });
                let count = if amount < 0 { &mut sums.returns } else { &mut sums.payments };
                *count = count.saturating_add(i64::from(!is_opening));
            }
        }
    }

    fn close(&mut self, register: &Register, row: &mut dyn FnMut(Row)) {
        let wanted = |fund: &Fund| {
            fund.family == FundFamily::Special
                && (self.funds.is_empty() || self.funds.contains(&fund.fund_id))
                && (self.regions.is_empty() || self.regions.contains(&fund.region_code))
        };
        let mut funds: Vec<(i32, &Fund)> = register.funds().filter(|(_, fund)| wanted(fund)).collect();
        funds.sort_by(|(_, one), (_, two)| (&one.region_code, &one.fund_id).cmp(&(&two.region_code, &two.fund_id)));
        for (number, fund) in funds {
            let Some(of_fund) = self.of_funds.get(&number) else { continue };
            row(line(fund, None, of_fund, of_fund.used));
            let projects = self.of_projects.range((number, String::new())..);
            for ((_, project_id), sums) in projects.take_while(|((fund, _), _)| *fund == number) {
                row(line(fund, Some(project_id), sums, of_fund.used));
            }
        }
    }
}

fn line(fund: &Fund, project_id: Option<&String>, sums: &Sums, used_of_fund: i128) -> Row {
    let amount = |amount: i128| Cell::Amount(amount, fund.exponent);
    let (first, last) = sums.sequences.unwrap_or_default();
    let left = sums.issued.saturating_sub(sums.used).saturating_sub(sums.recalled);
    let of_fund = |cell: Cell| if project_id.is_none() { cell } else { Cell::Empty };
    Row::of(vec![
        Cell::Term(if project_id.is_none() { terms::FUND } else { terms::PROJECT }),
        Cell::Text(fund.region_code.clone()),
        Cell::Text(fund.fund_id.clone()),
        Cell::Text(fund.name.clone()),
        Cell::Term(terms::scheme(fund.scheme)),
        project_id.map_or(Cell::Empty, |project_id| Cell::Text(project_id.clone())),
        Cell::Text(fund.currency_code.clone()),
        of_fund(amount(sums.issued)),
        amount(sums.used_in_month),
        amount(sums.used_in_year),
        amount(sums.used),
        of_fund(amount(left)),
        of_fund(amount(sums.recalled)),
        Cell::Share(share(sums.used, used_of_fund)),
        Cell::Number(sums.payments),
        Cell::Number(sums.returns),
        Cell::Number(first),
        Cell::Number(last),
    ])
}
