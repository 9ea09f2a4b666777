//! What payments and contracts show: just below a threshold, to oneself, to persons, in round sums, of no named class.

use std::collections::BTreeMap;

use super::case::{Commitment, Moved, Party, Payment};
use super::{Bench, Found, Hit};
use crate::audit::calendar::year_month;
use crate::audit::report::hex;

/// What may have been split: who spent it, on whom or what, when.
struct Piece<'a> {
    at: Moved,
    fund: i32,
    unit_id: &'a str,
    party: Option<Party>,
    evidence: String,
}

/// R-SPLIT: several payments without a contract, or several contracts, each just below a threshold and together above it.
pub(super) fn split(bench: &Bench<'_>) -> Vec<Hit> {
    let threshold = bench.value("threshold");
    let near = i128::from(threshold).saturating_mul(bench.value("near_percent").into());
    let is_near = |amount: i64| amount < threshold && i128::from(amount).saturating_mul(100) >= near;
    let mut groups: BTreeMap<(i32, &str, String), Vec<Piece<'_>>> = BTreeMap::new();
    for payment in bench.case.payments.iter().filter(|payment| !payment.has_contract && is_near(payment.left())) {
        let Payment { fund, unit_id, payee, payment_id, economic_code, .. } = payment;
        let at = Moved { amount: payment.left(), ..payment.at };
        let piece =
            |party| Piece { at, fund: *fund, unit_id, party, evidence: format!("trace --payment {payment_id}") };
        groups.entry((*fund, unit_id, format!("payee {}", hex(payee)))).or_default().push(piece(Some(*payee)));
        if !economic_code.is_empty() {
            groups.entry((*fund, unit_id, format!("class {economic_code}"))).or_default().push(piece(None));
        }
    }
    for commitment in bench.case.commitments.iter().filter(|commitment| is_near(commitment.at.amount)) {
        let piece = Piece {
            at: commitment.at,
            fund: commitment.fund,
            unit_id: &commitment.unit_id,
            party: Some(commitment.payee),
            evidence: format!("events --contract {}", commitment.contract_id),
        };
        let key = (commitment.fund, commitment.unit_id.as_str(), format!("contract {}", hex(&commitment.payee)));
        groups.entry(key).or_default().push(piece);
    }
    let days = i32::try_from(bench.value("days")).unwrap_or(i32::MAX);
    let mut hits: Vec<Hit> = Vec::new();
    for ((fund, unit_id, group), mut pieces) in groups {
        pieces.sort_by_key(|piece| (piece.at.day, piece.at.sequence));
        let mut start = 0;
        while start < pieces.len() {
            let first = pieces.get(start).map_or(0, |piece| piece.at.day);
            let rest = pieces.get(start..).unwrap_or_default();
            let within: Vec<&Piece<'_>> =
                rest.iter().take_while(|piece| piece.at.day.saturating_sub(first) < days).collect();
            let amount = within.iter().fold(0_i128, |sum, piece| sum.saturating_add(piece.at.amount.into()));
            if within.len() < 2 || amount < threshold.into() {
                start = start.saturating_add(1);
                continue;
            }
            start = start.saturating_add(within.len());
            let events: Vec<(i64, i32)> = within.iter().map(|piece| (piece.at.sequence, piece.at.day)).collect();
            // The same payments may be one payee's and of one class: once is enough.
            if hits.iter().any(|hit| {
                hit.sequence_count == events.len() && events.iter().all(|(at, _)| hit.sequences.contains(at))
            }) {
                continue;
            }
            let Some(piece) = within.first() else { continue };
            let fund_id = bench.case.fund(fund).map(|fund| fund.fund_id.clone()).unwrap_or_default();
            hits.push(bench.hit(Found {
                key: format!("{fund_id}\0{unit_id}\0{group}\0{}", piece.at.sequence),
                events,
                fund: piece.fund,
                unit_id: piece.unit_id.to_owned(),
                party: piece.party,
                amount,
                facts: vec![("count", within.len().to_string())],
                evidence: piece.evidence.clone(),
                ..Found::default()
            }));
        }
    }
    hits
}

fn of_payment(bench: &Bench<'_>, payment: &Payment, facts: Vec<(&'static str, String)>) -> Hit {
    bench.hit(Found {
        key: payment.payment_id.clone(),
        events: vec![(payment.at.sequence, payment.at.day)],
        fund: payment.fund,
        unit_id: payment.unit_id.clone(),
        account: payment.account,
        party: Some(payment.payee),
        amount: payment.left().into(),
        facts: [vec![("payment", payment.payment_id.clone())], facts].concat(),
        evidence: format!("trace --payment {}", payment.payment_id),
        ..Found::default()
    })
}

fn left<'a>(bench: &Bench<'a>) -> impl Iterator<Item = &'a Payment> {
    bench.case.payments.iter().filter(|payment| payment.left() > 0)
}

/// A0108: a unit's payment to itself. The ledger refuses it where the unit's identity is known by then.
pub(super) fn to_themselves(bench: &Bench<'_>) -> Vec<Hit> {
    let own: Vec<(&str, Party)> = bench.case.unit_parties().collect();
    let is_own =
        |payment: &&Payment| own.iter().any(|(unit, party)| *unit == payment.unit_id && *party == payment.payee);
    left(bench).filter(is_own).map(|payment| of_payment(bench, payment, Vec::new())).collect()
}

/// A0109: payouts to persons above an amount.
pub(super) fn to_persons(bench: &Bench<'_>) -> Vec<Hit> {
    let threshold = bench.value("threshold");
    let is_large = |payment: &&Payment| payment.period.is_some() && payment.left() > threshold;
    left(bench).filter(is_large).map(|payment| of_payment(bench, payment, Vec::new())).collect()
}

/// A0111: payments to companies that were founded in the year of the payment, with little capital.
pub(super) fn new_companies(bench: &Bench<'_>) -> Vec<Hit> {
    let capital = bench.value("capital");
    let companies = bench.settings.companies.iter().filter(|company| company.capital_minor < capital);
    let young: BTreeMap<Party, i32> = companies.map(|company| (company.payee, company.founded)).collect();
    let is_young = |payment: &&Payment| young.get(&payment.payee) == Some(&year_month(payment.at.day).0);
    let founded = |payment: &Payment| vec![("year", year_month(payment.at.day).0.to_string())];
    left(bench).filter(is_young).map(|payment| of_payment(bench, payment, founded(payment))).collect()
}

/// A0123: round sums to given payees.
pub(super) fn round_amounts(bench: &Bench<'_>) -> Vec<Hit> {
    let multiple = bench.value("multiple").max(1);
    let is_round = |payment: &&Payment| {
        bench.settings.payees.contains(&payment.payee) && payment.left().checked_rem(multiple) == Some(0)
    };
    left(bench).filter(is_round).map(|payment| of_payment(bench, payment, Vec::new())).collect()
}

/// A0127: paid in advance in the last quarter, above an amount.
pub(super) fn in_advance(bench: &Bench<'_>) -> Vec<Hit> {
    let threshold = bench.value("threshold");
    let is_late = |payment: &&Payment| year_month(payment.at.day).1 >= 10;
    let is_meant = |payment: &&Payment| payment.is_advance && payment.left() > threshold && is_late(payment);
    left(bench).filter(is_meant).map(|payment| of_payment(bench, payment, Vec::new())).collect()
}

/// What a unit paid in a year, and how much of it is of no named class.
#[derive(Default)]
struct Classes {
    all: i128,
    other: i128,
    events: Vec<(i64, i32)>,
}

/// A0129: too much of a unit's payments of a year is of a class that says "other": codes that end in 99.
pub(super) fn other_class(bench: &Bench<'_>) -> Vec<Hit> {
    let (percent, least) = (i128::from(bench.value("percent")), i128::from(bench.value("least")));
    let mut years: BTreeMap<(i32, &str, i32), Classes> = BTreeMap::new();
    for payment in left(bench).filter(|payment| !payment.economic_code.is_empty()) {
        let (year, _) = year_month(payment.at.day);
        let of_year = years.entry((payment.fund, payment.unit_id.as_str(), year)).or_default();
        of_year.all = of_year.all.saturating_add(payment.left().into());
        if payment.economic_code.ends_with("99") {
            of_year.other = of_year.other.saturating_add(payment.left().into());
            of_year.events.push((payment.at.sequence, payment.at.day));
        }
    }
    let mut hits = Vec::new();
    for ((fund, unit_id, year), Classes { all, other, events }) in years {
        if other >= least && other.saturating_mul(100) > all.saturating_mul(percent) {
            let fund_id = bench.case.fund(fund).map(|fund| fund.fund_id.clone()).unwrap_or_default();
            let share = other.saturating_mul(100).checked_div(all).unwrap_or_default();
            hits.push(bench.hit(Found {
                key: format!("{fund_id}\0{unit_id}\0{year}"),
                events,
                fund,
                unit_id: unit_id.to_owned(),
                amount: other,
                facts: vec![("year", year.to_string()), ("percent", share.to_string())],
                evidence: format!("balance --fund {fund_id}"),
                ..Found::default()
            }));
        }
    }
    hits
}

/// R-ADDITION: more was added to a contract later than may be added without a new tender.
pub(super) fn additions(bench: &Bench<'_>) -> Vec<Hit> {
    let most = i128::from(bench.value("percent").saturating_add(100));
    let mut contracts: BTreeMap<&str, Vec<&Commitment>> = BTreeMap::new();
    for commitment in &bench.case.commitments {
        contracts.entry(commitment.contract_id.as_str()).or_default().push(commitment);
    }
    let mut hits = Vec::new();
    for (contract_id, commitments) in contracts {
        // One contract may be committed from several lots, by several events of one day.
        let Some(first) = commitments.iter().min_by_key(|commitment| (commitment.at.day, commitment.at.sequence))
        else {
            continue;
        };
        let sum = |of: &dyn Fn(&Commitment) -> bool| {
            let of = commitments.iter().filter(|commitment| of(commitment));
            of.fold(0_i128, |sum, commitment| sum.saturating_add(commitment.at.amount.into()))
        };
        // What was registered says what the contract was for; where nothing was, its first day does.
        let registered = bench.case.registered.get(contract_id).map(|price| i128::from(*price));
        let original = registered.unwrap_or_else(|| sum(&|one| one.at.day == first.at.day));
        let all = sum(&|_| true);
        if all.saturating_mul(100) > original.saturating_mul(most) {
            hits.push(bench.hit(Found {
                key: contract_id.to_owned(),
                events: commitments.iter().map(|commitment| (commitment.at.sequence, commitment.at.day)).collect(),
                fund: first.fund,
                unit_id: first.unit_id.clone(),
                party: Some(first.payee),
                amount: all.saturating_sub(original),
                facts: vec![("contract", contract_id.to_owned()), ("original_minor", original.to_string())],
                evidence: format!("events --contract {contract_id}"),
                ..Found::default()
            }));
        }
    }
    hits
}
