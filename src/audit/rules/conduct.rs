//! How people worked: dated back, always the same pair, approved in no time, and at odds with the bank.

use super::case::Moved;
use super::{Bench, Found, Hit};

/// R-BACKDATE: what one person booked on one day, dated more than so many days before it.
pub(super) fn back_dated(bench: &Bench<'_>) -> Vec<Hit> {
    let days = bench.value("days");
    let mut hits = Vec::new();
    for ((actor, booked), events) in &bench.case.back_dated {
        let late: Vec<&(i32, Moved)> = events.iter().filter(|(by, _)| i64::from(*by) > days).collect();
        let Some(most) = late.iter().map(|(by, _)| *by).max() else { continue };
        let amount = late.iter().fold(0_i128, |sum, (_, moved)| sum.saturating_add(moved.amount.into()));
        let first = late.first().map_or(0, |(_, moved)| moved.sequence);
        hits.push(bench.hit(Found {
            key: format!("{actor}\0{booked}"),
            events: late.iter().map(|(_, moved)| (moved.sequence, moved.day)).collect(),
            amount,
            facts: vec![("actor", actor.clone()), ("days", most.to_string()), ("count", late.len().to_string())],
            evidence: format!("events --from {first}"),
            ..Found::default()
        }));
    }
    hits
}

/// R-PAIR: one checker approves nearly everything that one maker makes.
pub(super) fn pairs(bench: &Bench<'_>) -> Vec<Hit> {
    let (percent, least) = (i128::from(bench.value("share_percent")), bench.value("events"));
    let mut hits = Vec::new();
    for ((maker, checker), heap) in &bench.case.pairs {
        let made = bench.case.made.get(maker).copied().unwrap_or_default();
        let is_most = i128::from(heap.count).saturating_mul(100) > i128::from(made).saturating_mul(percent);
        if made >= least && is_most {
            let share = i128::from(heap.count).saturating_mul(100).checked_div(made.into()).unwrap_or_default();
            let mut hit = bench.hit(Found {
                key: format!("{maker}\0{checker}"),
                events: heap.events.clone(),
                amount: heap.amount,
                facts: vec![
                    ("maker", maker.clone()),
                    ("checker", checker.clone()),
                    ("percent", share.to_string()),
                    ("count", heap.count.to_string()),
                ],
                evidence: format!("events --from {}", heap.events.first().map_or(0, |(first, _)| *first)),
                ..Found::default()
            });
            hit.sequence_count = usize::try_from(heap.count).unwrap_or(usize::MAX);
            hits.push(hit);
        }
    }
    hits
}

/// R-HASTE: approved in less time than it takes to look.
pub(super) fn haste(bench: &Bench<'_>) -> Vec<Hit> {
    let least = bench.value("seconds").saturating_mul(1_000_000_000);
    let hasty = bench.case.haste.iter().filter(|(_, took, ..)| *took < least);
    let hits = hasty.map(|(moved, took, maker, checker)| {
        bench.hit(Found {
            key: moved.sequence.to_string(),
            events: vec![(moved.sequence, moved.day)],
            facts: vec![
                ("maker", maker.clone()),
                ("checker", checker.clone()),
                ("milliseconds", took.div_euclid(1_000_000).to_string()),
            ],
            evidence: format!("events --from {}", moved.sequence),
            ..Found::default()
        })
    });
    hits.collect()
}

/// R-BANKDIFF: an account whose last comparison with the bank shows differences.
pub(super) fn bank_differences(bench: &Bench<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (account, compared) in &bench.case.compared {
        let Some(last) = compared.iter().max_by_key(|compared| (compared.last_day, compared.sequence)) else {
            continue;
        };
        if last.difference != 0 || last.differences > 0 {
            let known = bench.case.account(*account);
            let account_id = known.map(|account| account.account_id.clone()).unwrap_or_default();
            hits.push(bench.hit(Found {
                key: format!("{account_id}\0{}", last.sequence),
                events: vec![(last.sequence, last.day)],
                fund: known.map_or(0, |account| account.fund),
                account: *account,
                amount: i128::from(last.difference).saturating_abs(),
                facts: vec![("differences", last.differences.to_string())],
                evidence: format!("statement {account_id}"),
                ..Found::default()
            }));
        }
    }
    hits
}
