//! Where money stands still on its way: withheld by a middle level, idle in a lot, not remitted, scattered, handed on in lumps.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Held, Moved};
use super::{Bench, Found, Hit};

fn at(moved: &Moved) -> (i64, i32) {
    (moved.sequence, moved.day)
}

/// What is left of what arrived before a day, with the arrivals: what goes out is what came first, so that the newest arrivals are
/// what is left.
fn left_of_old(held: &Held, before: i32) -> (Vec<(i64, i32)>, i128) {
    let mut left = held.balance;
    let mut late = Vec::new();
    let mut amount = 0_i128;
    for arrival in held.arrivals.iter().rev() {
        if left <= 0 {
            break;
        }
        let share = arrival.amount.min(left);
        left = left.saturating_sub(share);
        if arrival.day < before {
            late.push(at(arrival));
            amount = amount.saturating_add(share.into());
        }
    }
    (late, amount)
}

/// R-CHAIN: what a middle level got more than so many days ago, and neither passed on nor gave back.
pub(super) fn withheld(bench: &Bench<'_>) -> Vec<Hit> {
    let before = bench.days_before(bench.value("days"));
    let mut hits = Vec::new();
    for ((account, lot), held) in &bench.case.held {
        let (late, amount) = left_of_old(held, before);
        if amount > 0 {
            let known = bench.case.account(*account);
            let account_id = known.map(|account| account.account_id.clone()).unwrap_or_default();
            let lot_id = bench.case.lot(*lot).map(|lot| lot.lot_id.clone()).unwrap_or_default();
            let since = late.iter().map(|(_, day)| *day).min().unwrap_or_default();
            hits.push(bench.hit(Found {
                key: format!("{account_id}\0{lot_id}"),
                events: late,
                fund: known.map_or(0, |account| account.fund),
                lot: *lot,
                unit_id: known.map(|account| account.unit_id.clone()).unwrap_or_default(),
                account: *account,
                amount,
                facts: vec![("days", bench.as_of.saturating_sub(since).to_string())],
                evidence: format!("statement {account_id} --lot {lot_id}"),
                ..Found::default()
            }));
        }
    }
    hits
}

/// R-IDLE: a lot with something left that nothing has moved for so many days.
pub(super) fn idle(bench: &Bench<'_>) -> Vec<Hit> {
    let days = bench.value("days");
    let mut hits = Vec::new();
    for (number, lot) in &bench.case.lots {
        let left = lot.issued.saturating_sub(lot.used).saturating_sub(lot.recalled);
        let (last_day, last) = lot.last;
        let age = i64::from(bench.as_of.saturating_sub(last_day));
        if left > 0 && age > days {
            let band = if age > 730 {
                "730"
            } else if age > 365 {
                "365"
            } else {
                "90"
            };
            hits.push(bench.hit(Found {
                key: lot.lot_id.clone(),
                events: vec![(last, last_day)],
                fund: lot.fund,
                lot: *number,
                amount: left.into(),
                facts: vec![("days", age.to_string()), ("band", band.to_owned())],
                evidence: format!("trace --lot {}", lot.lot_id),
                ..Found::default()
            }));
        }
    }
    hits
}

/// R-UNREMIT: a notice that was not collected when it was due, or what was collected and is not split after so many days.
pub(super) fn unremitted(bench: &Bench<'_>) -> Vec<Hit> {
    let before = bench.days_before(bench.value("days"));
    let mut hits = Vec::new();
    for (notice_id, notice) in &bench.case.notices {
        let missing = notice.amount.saturating_sub(notice.collected);
        let is_overdue = notice.due_day != 0 && notice.due_day < before && missing > 0;
        let is_pending = notice.pending > 0 && notice.collected_on < before;
        for (kind, applies, amount) in [("UNCOLLECTED", is_overdue, missing), ("UNSPLIT", is_pending, notice.pending)] {
            if applies {
                hits.push(bench.hit(Found {
                    key: format!("{notice_id}\0{kind}"),
                    events: notice.events.clone(),
                    fund: notice.fund,
                    party: notice.payer,
                    amount: amount.into(),
                    facts: vec![("notice", notice_id.clone()), ("stage", kind.to_owned())],
                    evidence: format!("events --from {}", notice.events.first().map_or(0, |(first, _)| *first)),
                    ..Found::default()
                }));
            }
        }
    }
    hits
}

/// A0103: authority passed on in one lump of at least so much.
pub(super) fn lump_sums(bench: &Bench<'_>) -> Vec<Hit> {
    let threshold = bench.value("threshold");
    let mut hits = Vec::new();
    for (number, lot) in &bench.case.lots {
        for (account, moved) in lot.allocated.iter().filter(|(_, moved)| moved.amount >= threshold) {
            let Some(known) = bench.case.account(*account).filter(|account| !account.unit_id.is_empty()) else {
                continue;
            };
            hits.push(bench.hit(Found {
                key: format!("{}\0{}\0{}", moved.sequence, known.account_id, lot.lot_id),
                events: vec![at(moved)],
                fund: lot.fund,
                lot: *number,
                unit_id: known.unit_id.clone(),
                account: *account,
                amount: moved.amount.into(),
                evidence: format!("trace --lot {}", lot.lot_id),
                ..Found::default()
            }));
        }
    }
    hits
}

/// A0125: a lot most of which was given to very many.
pub(super) fn scattered(bench: &Bench<'_>) -> Vec<Hit> {
    let (units, percent) = (bench.value("units"), i128::from(bench.value("percent")));
    let mut hits = Vec::new();
    for (number, lot) in &bench.case.lots {
        let mut to: BTreeMap<&str, i128> = BTreeMap::new();
        let mut events = BTreeSet::new();
        for (account, moved) in &lot.allocated {
            let Some(known) = bench.case.account(*account).filter(|account| !account.unit_id.is_empty()) else {
                continue;
            };
            let sum = to.entry(known.unit_id.as_str()).or_default();
            *sum = sum.saturating_add(moved.amount.into());
            events.insert(at(moved));
        }
        let amount = to.values().fold(0_i128, |sum, amount| sum.saturating_add(*amount));
        let is_many = i64::try_from(to.len()).unwrap_or(i64::MAX) >= units;
        if is_many && amount.saturating_mul(100) > i128::from(lot.issued).saturating_mul(percent) {
            hits.push(bench.hit(Found {
                key: lot.lot_id.clone(),
                events: events.into_iter().collect(),
                fund: lot.fund,
                lot: *number,
                amount,
                facts: vec![("units", to.len().to_string())],
                evidence: format!("trace --lot {}", lot.lot_id),
                ..Found::default()
            }));
        }
    }
    hits
}

/// What moved on an account, each event a hit.
fn each(bench: &Bench<'_>, moved: &[(Moved, i32)]) -> Vec<Hit> {
    let hits = moved.iter().map(|(moved, account)| {
        let known = bench.case.account(*account);
        let account_id = known.map(|account| account.account_id.clone()).unwrap_or_default();
        bench.hit(Found {
            key: format!("{account_id}\0{}", moved.sequence),
            events: vec![at(moved)],
            fund: known.map_or(0, |account| account.fund),
            account: *account,
            amount: moved.amount.into(),
            evidence: format!("statement {account_id}"),
            ..Found::default()
        })
    });
    hits.collect()
}

/// A0106: what left an income account for anything but the fiscal account. The ledger refuses it; the rule looks again.
pub(super) fn spent_before_remitting(bench: &Bench<'_>) -> Vec<Hit> {
    each(bench, &bench.case.spent)
}

/// R-NOREF: income of another source than contributions, subsidies and interest, with no document that it rests on.
pub(super) fn unreferenced(bench: &Bench<'_>) -> Vec<Hit> {
    each(bench, &bench.case.unreferenced)
}

/// A0107: what was put on an account between levels more than so many days ago, and hangs there.
pub(super) fn hanging(bench: &Bench<'_>) -> Vec<Hit> {
    let before = bench.days_before(bench.value("days"));
    let mut hits = Vec::new();
    for (number, held) in &bench.case.between_levels {
        let (late, amount) = left_of_old(held, before);
        let Some(account) = bench.case.account(*number).filter(|_| amount > 0) else { continue };
        let since = late.iter().map(|(_, day)| *day).min().unwrap_or_default();
        hits.push(bench.hit(Found {
            key: account.account_id.clone(),
            events: late,
            fund: account.fund,
            unit_id: account.unit_id.clone(),
            account: *number,
            amount,
            facts: vec![("days", bench.as_of.saturating_sub(since).to_string())],
            evidence: format!("statement {}", account.account_id),
            ..Found::default()
        }));
    }
    hits
}
