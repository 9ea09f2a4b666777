//! What concerns persons: paid after they could be, one bank account for several, one property for several.

use std::collections::BTreeMap;

use super::case::{Heap, Known, Moved, Party};
use super::{Bench, Found, Hit};
use crate::audit::report::hex;

/// First day of a month, yyyymm; `None` for what is no month.
fn first_day(period: i32) -> Option<i32> {
    let (year, month) = (i16::try_from(period.div_euclid(100)).ok()?, i8::try_from(period.rem_euclid(100)).ok()?);
    let date = jiff::civil::Date::new(year, month, 1).ok()?;
    date.since(jiff::civil::date(1970, 1, 1)).ok().map(|span| span.get_days())
}

/// The fact that bars a month of a fund, if the latest one by then does not lift it.
fn bar(known: &[Known], fund: i32, period: i32) -> Option<&Known> {
    let start = first_day(period)?;
    let by_then = known.iter().filter(|fact| (fact.fund == 0 || fact.fund == fund) && fact.effective_day <= start);
    by_then.max_by_key(|fact| (fact.effective_day, fact.sequence)).filter(|fact| !fact.is_restored)
}

/// What a person owes a fund.
#[derive(Default)]
struct Owed {
    amount: i128,
    events: Vec<(i64, i32)>,
}

/// R-POSTHUMOUS: what was paid for months that a fact, recorded later, bars, less what came back: the list to recover by.
pub(super) fn posthumous(bench: &Bench<'_>) -> Vec<Hit> {
    let mut owed: BTreeMap<(Party, i32), Owed> = BTreeMap::new();
    let mut add = |person: Party, fund: i32, period: i32, at: Moved, left: i64| {
        let known = bench.case.known.get(&person).map(Vec::as_slice).unwrap_or_default();
        if let Some(fact) = bar(known, fund, period).filter(|_| left > 0) {
            let owed = owed.entry((person, fund)).or_default();
            owed.amount = owed.amount.saturating_add(left.into());
            owed.events.extend([(at.sequence, at.day), (fact.sequence, fact.day)]);
        }
    };
    for benefit in &bench.case.benefits {
        let left = benefit.at.amount.saturating_sub(benefit.recovered);
        add(benefit.person, benefit.fund, benefit.period, benefit.at, left);
    }
    for payment in &bench.case.payments {
        if let Some(period) = payment.period {
            add(payment.payee, payment.fund, period, payment.at, payment.left());
        }
    }
    let hits = owed.into_iter().map(|((person, fund), Owed { amount, events })| {
        let fund_id = bench.case.fund(fund).map(|fund| fund.fund_id.clone()).unwrap_or_default();
        bench.hit(Found {
            key: format!("{fund_id}\0{}", hex(&person)),
            events,
            fund,
            party: Some(person),
            amount,
            evidence: format!("events --payee-pseudonym {}", hex(&person)),
            ..Found::default()
        })
    });
    hits.collect()
}

fn shared<'a>(bench: &Bench<'_>, heaps: impl Iterator<Item = (String, &'a Heap)>, least: i64) -> Vec<Hit> {
    let is_shared = |heap: &Heap| i64::try_from(heap.parties.len()).unwrap_or(i64::MAX) >= least;
    let hits = heaps.filter(|(_, heap)| is_shared(heap)).map(|(key, heap)| {
        let first = heap.parties.first().copied();
        bench.hit(Found {
            events: heap.events.clone(),
            party: first,
            amount: heap.amount,
            facts: vec![("persons", heap.parties.len().to_string()), ("shared", key.clone())],
            evidence: format!("events --payee-pseudonym {}", hex(&first.unwrap_or_default())),
            key,
            ..Found::default()
        })
    });
    hits.collect()
}

/// R-SHAREDACCT: one bank account, by its pseudonym, of several persons.
pub(super) fn shared_accounts(bench: &Bench<'_>) -> Vec<Hit> {
    let heaps = bench.case.bank_accounts.iter().map(|(account, heap)| (hex(account), heap));
    shared(bench, heaps, bench.value("persons"))
}

/// R-PROPERTY: one property that more persons withdrew for than may.
pub(super) fn properties(bench: &Bench<'_>) -> Vec<Hit> {
    let heaps = bench.case.properties.iter().map(|(property, heap)| (hex(property), heap));
    shared(bench, heaps, bench.value("persons").saturating_add(1))
}
