//! What only shows at the end of years: indicators that are not spent, or spent in a rush, and balances that never change.

use std::collections::BTreeMap;

use super::case::{Changed, Year};
use super::{Bench, Found, Hit};
use crate::audit::calendar::year_month;

/// Years that have ended by the day that is looked at.
fn ended(bench: &Bench<'_>) -> i32 {
    let (year, _) = year_month(bench.as_of);
    let (next, _) = year_month(bench.as_of.saturating_add(1));
    if next > year { year } else { year.saturating_sub(1) }
}

/// The years of each fund and unit that have an indicator, ascending.
fn by_unit<'a>(bench: &Bench<'a>) -> BTreeMap<(i32, &'a str), Vec<(i32, &'a Year)>> {
    let mut units: BTreeMap<(i32, &str), Vec<(i32, &Year)>> = BTreeMap::new();
    for ((fund, unit_id, year), known) in &bench.case.years {
        if known.budget > 0 {
            units.entry((*fund, unit_id.as_str())).or_default().push((*year, known));
        }
    }
    units
}

fn is_below(year: &Year, percent: i64) -> bool {
    i128::from(year.used).saturating_mul(100) < i128::from(year.budget).saturating_mul(percent.into())
}

fn share(part: i64, whole: i64) -> String {
    let percent = i128::from(part).saturating_mul(100).checked_div(whole.into()).unwrap_or_default();
    percent.to_string()
}

fn hit(bench: &Bench<'_>, fund: i32, unit_id: &str, years: &[(i32, &Year)], amount: i128, of: i64) -> Hit {
    let last = years.last().map_or(0, |(year, _)| *year);
    let budget = years.last().map_or(0, |(_, year)| year.budget);
    let fund_id = bench.case.fund(fund).map(|fund| fund.fund_id.clone()).unwrap_or_default();
    bench.hit(Found {
        key: format!("{fund_id}\0{unit_id}\0{last}"),
        events: years.iter().flat_map(|(_, year)| year.events.iter().copied()).collect(),
        fund,
        unit_id: unit_id.to_owned(),
        amount,
        facts: vec![("year", last.to_string()), ("percent", share(of, budget))],
        evidence: format!("balance --fund {fund_id}"),
        ..Found::default()
    })
}

/// A0105: in a year that has ended less than so much of the indicator was spent.
pub(super) fn low(bench: &Bench<'_>) -> Vec<Hit> {
    let (percent, ended) = (bench.value("percent"), ended(bench));
    let mut hits = Vec::new();
    for ((fund, unit_id), years) in by_unit(bench) {
        for (year, known) in years.into_iter().filter(|(year, known)| *year <= ended && is_below(known, percent)) {
            let left = known.budget.saturating_sub(known.used);
            hits.push(hit(bench, fund, unit_id, &[(year, known)], left.into(), known.used));
        }
    }
    hits
}

/// A0102: the same, less strictly, for several years running.
pub(super) fn low_for_years(bench: &Bench<'_>) -> Vec<Hit> {
    let (percent, ended) = (bench.value("percent"), ended(bench));
    let wanted = usize::try_from(bench.value("years")).unwrap_or(usize::MAX).max(1);
    let mut hits = Vec::new();
    for ((fund, unit_id), years) in by_unit(bench) {
        let mut running: Vec<(i32, &Year)> = Vec::new();
        for (year, known) in years.into_iter().filter(|(year, _)| *year <= ended) {
            let follows = running.last().is_none_or(|(last, _)| last.saturating_add(1) == year);
            if !follows || !is_below(known, percent) {
                running.clear();
            }
            if is_below(known, percent) {
                running.push((year, known));
            }
            if running.len() >= wanted {
                let left = running.iter().map(|(_, year)| i128::from(year.budget.saturating_sub(year.used)));
                let left = left.fold(0_i128, i128::saturating_add);
                hits.push(hit(bench, fund, unit_id, &running, left, known.used));
            }
        }
    }
    hits
}

/// A0110: more than so much of the year's indicator was spent in November and December.
pub(super) fn rush(bench: &Bench<'_>) -> Vec<Hit> {
    let percent = i128::from(bench.value("percent"));
    let mut hits = Vec::new();
    for ((fund, unit_id), years) in by_unit(bench) {
        for (year, known) in years {
            let late = i128::from(known.used_late);
            if late.saturating_mul(100) > i128::from(known.budget).saturating_mul(percent) {
                hits.push(hit(bench, fund, unit_id, &[(year, known)], late, known.used_late));
            }
        }
    }
    hits
}

/// A0101: what levels owe each other is the same at the ends of two years, and nothing moved in between.
pub(super) fn standing_payables(bench: &Bench<'_>) -> Vec<Hit> {
    let ended = ended(bench);
    let mut accounts: BTreeMap<i32, BTreeMap<i32, &Changed>> = BTreeMap::new();
    for ((account, year), changed) in &bench.case.payables {
        accounts.entry(*account).or_default().insert(*year, changed);
    }
    let mut hits = Vec::new();
    for (account, years) in accounts {
        let upto = years.range(..=ended).fold(0_i64, |sum, (_, changed)| sum.saturating_add(changed.sum));
        let last = years.range(..=ended).next_back();
        // The last movement lies in a year before the last two ends: both had the same balance.
        let Some((year, changed)) = last.filter(|(year, _)| **year < ended) else { continue };
        if upto != 0 {
            let known = bench.case.account(account);
            let account_id = known.map(|account| account.account_id.clone()).unwrap_or_default();
            hits.push(bench.hit(Found {
                key: format!("{account_id}\0{ended}"),
                events: changed.events.clone(),
                fund: known.map_or(0, |account| account.fund),
                unit_id: known.map(|account| account.unit_id.clone()).unwrap_or_default(),
                account,
                amount: i128::from(upto).saturating_abs(),
                facts: vec![("year", year.to_string())],
                evidence: format!("statement {account_id}"),
                ..Found::default()
            }));
        }
    }
    hits
}

/// R-ENTITLEMENT: what was due to a unit for a year's heads, determined more than so many days ago, and has not arrived.
pub(super) fn short_of_entitlements(bench: &Bench<'_>) -> Vec<Hit> {
    let before = bench.days_before(bench.value("days"));
    let mut hits = Vec::new();
    for ((fund, unit_id, year), due) in &bench.case.due {
        let late: Vec<_> = due.iter().filter(|due| due.day < before).collect();
        let owed = late.iter().fold(0_i128, |sum, due| sum.saturating_add(due.amount.into()));
        let known = bench.case.years.get(&(*fund, unit_id.clone(), *year));
        let (arrived, spent) = known.map_or((0, 0), |year| (year.budget, year.used));
        let missing = owed.saturating_sub(arrived.into());
        if missing > 0 {
            let fund_id = bench.case.fund(*fund).map(|fund| fund.fund_id.clone()).unwrap_or_default();
            hits.push(bench.hit(Found {
                key: format!("{fund_id}\0{unit_id}\0{year}"),
                events: late.iter().map(|due| (due.sequence, due.day)).collect(),
                fund: *fund,
                unit_id: unit_id.clone(),
                amount: missing,
                facts: vec![
                    ("year", year.to_string()),
                    ("due_minor", owed.to_string()),
                    ("arrived_minor", arrived.to_string()),
                    ("spent_minor", spent.to_string()),
                ],
                evidence: format!("balance --fund {fund_id}"),
                ..Found::default()
            }));
        }
    }
    hits
}
