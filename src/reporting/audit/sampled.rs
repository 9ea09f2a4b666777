//! A sample of what was paid, benefits, withdrawals, or debits of a kind of account, in two readings of the log: the first
//! counts, the second draws. Neither keeps an item, so that ten million take no more room than ten.

use std::collections::{BTreeMap, BTreeSet};

use super::sampling::{Generator, Walk};
use super::{Period, is_wanted, paid_out};
use crate::pb::v1::event::Payload;
use crate::pb::v1::{AccountKind, Event};
use crate::reporting::register::{Fund, Register, Step, steps};
use crate::reporting::rows::Row;
use crate::reporting::table::ColumnKind::{Amount, Date, Number, Term, Text};
use crate::reporting::table::{Cell, Column, column};
use crate::reporting::terms;

/// Its columns.
pub(super) const COLUMNS: &[Column] = &[
    column("line", Term),
    column("sequence", Number),
    column("operation", Number),
    column("event", Term),
    column("payment_id", Text),
    column("date", Date),
    column("fund_id", Text),
    column("unit_id", Text),
    column("lot_ids", Text),
    column("amount", Amount),
    column("currency_code", Text),
    column("range_first", Amount),
    column("range_last", Amount),
    column("hit", Amount),
    column("hits", Number),
    column("interval", Amount),
    column("items", Number),
    column("selected_items", Number),
    column("certain_items", Number),
    column("certain_amount", Amount),
];

/// What items are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Items {
    /// Payments.
    Payments,
    /// Benefits of social insurance.
    Benefits,
    /// Withdrawals from the housing provident fund.
    Withdrawals,
    /// What each event debits accounts of a kind.
    DebitsOf(AccountKind),
}

impl Items {
    /// Its name in files.
    pub fn name(self) -> String {
        match self {
            Self::Payments => "payments".to_owned(),
            Self::Benefits => "benefits".to_owned(),
            Self::Withdrawals => "withdrawals".to_owned(),
            Self::DebitsOf(kind) => format!("debits of {}", terms::account_kind(kind)),
        }
    }
}

/// Whether funds are sampled apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strata {
    /// All items together.
    One,
    /// Each fund with a start of its own.
    ByFund,
}

/// What is sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Population {
    /// What items are.
    pub items: Items,
    /// Only this fund.
    pub fund: Option<String>,
    /// Only items of these business dates.
    pub period: Period,
    /// Whether funds are sampled apart.
    pub strata: Strata,
    /// Last sequence that counts.
    pub last: Option<i64>,
}

/// An item.
struct Item<'a> {
    payment_id: &'a str,
    unit_id: &'a str,
    fund: &'a Fund,
    stratum: i32,
    amount: i128,
}

impl Population {
    /// What was asked for, by name.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = vec![("of", self.items.name())];
        parameters.extend(self.fund.clone().map(|fund| ("fund", fund)));
        parameters.extend(self.period.parameters());
        if self.strata == Strata::ByFund {
            parameters.push(("strata", "fund".to_owned()));
        }
        parameters
    }

    fn item<'a>(&self, step: &'a Step<'_>, register: &'a Register) -> Option<Item<'a>> {
        if !self.period.has(step.day) {
            return None;
        }
        let is_of = match self.items {
            Items::Payments => matches!(step.payload, Payload::PaymentExecuted(_)),
            Items::Benefits => matches!(step.payload, Payload::BenefitPaid(_)),
            Items::Withdrawals => matches!(step.payload, Payload::HousingWithdrawn(_)),
            Items::DebitsOf(_) => true,
        };
        let paid = paid_out(step, register).filter(|_| is_of);
        let payment_id = paid.as_ref().map_or("", |paid| paid.payment_id);
        let unit_id = paid.as_ref().map_or("", |paid| paid.unit_id);
        let (number, amount) = match self.items {
            Items::Payments | Items::Benefits | Items::Withdrawals => paid.map(|paid| (paid.fund, paid.amount))?,
            Items::DebitsOf(kind) => {
                let debits = step.legs.iter().filter(|leg| leg.amount_minor > 0 && register.kind(leg.account) == kind);
                let fund = debits.clone().next().map(|leg| register.fund_of(leg.account))?;
                (fund, debits.map(|leg| i128::from(leg.amount_minor)).sum())
            }
        };
        let fund = register.fund(number).filter(|fund| is_wanted(self.fund.as_ref(), fund))?;
        let stratum = if self.strata == Strata::ByFund { number } else { 0 };
        Some(Item { payment_id, unit_id, fund, stratum, amount }).filter(|item| item.amount > 0)
    }

    fn each(
        &self,
        register: &mut Register,
        (sequence, entry_hash): (i64, [u8; 32]),
        event: &Event,
        mut item: impl FnMut(&Step<'_>, &Item<'_>, &Register),
    ) {
        if self.last.is_some_and(|last| sequence > last) {
            return;
        }
        steps(sequence, entry_hash, event, |step| {
            register.take(step);
            if let Some(found) = self.item(step, register) {
                item(step, &found, register);
            }
            register.forget_payments();
        });
    }
}

/// What a stratum comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Minor units.
    pub amount: i128,
    /// Items.
    pub items: i64,
}

/// The first reading: what there is.
#[derive(Debug)]
pub struct Census {
    population: Population,
    register: Register,
    strata: BTreeMap<i32, Total>,
    currencies: BTreeSet<(String, u32)>,
}

impl Census {
    /// Of nothing yet.
    pub fn new(population: Population) -> Self {
        Self { population, register: Register::default(), strata: BTreeMap::new(), currencies: BTreeSet::new() }
    }

    /// Takes the next event, with the hash of its entry.
    pub fn take(&mut self, sequence: i64, entry_hash: [u8; 32], event: &Event) {
        let Self { population, register, strata, currencies } = self;
        population.each(register, (sequence, entry_hash), event, |_, item, _| {
            let total = strata.entry(item.stratum).or_default();
            total.amount = total.amount.saturating_add(item.amount);
            total.items = total.items.saturating_add(1);
            let is_known = currencies.iter().any(|(code, _)| *code == item.fund.currency_code);
            if !is_known {
                currencies.insert((item.fund.currency_code.clone(), item.fund.exponent));
            }
        });
    }

    /// All strata together.
    pub fn total(&self) -> Total {
        self.strata.values().fold(Total::default(), |sum, stratum| Total {
            amount: sum.amount.saturating_add(stratum.amount),
            items: sum.items.saturating_add(stratum.items),
        })
    }

    /// The currencies that there are: units of one cannot be drawn against those of another.
    pub fn currencies(&self) -> Vec<&str> {
        self.currencies.iter().map(|(code, _)| code.as_str()).collect()
    }

    /// What is known of the log.
    pub const fn register(&self) -> &Register {
        &self.register
    }

    /// Begins the second reading, of the same population up to where the first one came.
    pub fn draw(
        self,
        population: Population,
        interval: i128,
        (seed, origin, root): (&str, &str, &[u8; 32]),
    ) -> Drawing {
        let stratum = |number: i32, total: Total| {
            let fund_id = self.register.fund(number).map(|fund| fund.fund_id.clone()).unwrap_or_default();
            let walk = Walk::new(interval, &mut Generator::new(seed, origin, root, &fund_id));
            Stratum { fund_id, total, walk, start: walk.next_unit(), hits: 0, selected: 0, certain: Total::default() }
        };
        let strata = self.strata.iter().map(|(number, total)| (*number, stratum(*number, *total))).collect();
        Drawing {
            currency: self.currencies.into_iter().next().unwrap_or_default(),
            population,
            register: Register::default(),
            interval,
            strata,
        }
    }
}

#[derive(Debug)]
struct Stratum {
    fund_id: String,
    total: Total,
    walk: Walk,
    start: i128,
    hits: i64,
    selected: i64,
    certain: Total,
}

/// The second reading: what is hit.
#[derive(Debug)]
pub struct Drawing {
    population: Population,
    register: Register,
    interval: i128,
    strata: BTreeMap<i32, Stratum>,
    currency: (String, u32),
}

impl Drawing {
    /// Takes the next event, with the hash of its entry, and gives a row if it is hit.
    pub fn take(&mut self, sequence: i64, entry_hash: [u8; 32], event: &Event, row: &mut dyn FnMut(Row)) {
        let Self { population, register, interval, strata, .. } = self;
        population.each(register, (sequence, entry_hash), event, |step, item, register| {
            let Some(stratum) = strata.get_mut(&item.stratum) else { return };
            let Some(hit) = stratum.walk.pass(item.amount) else { return };
            let is_certain = item.amount >= *interval;
            stratum.hits = stratum.hits.saturating_add(hit.hits);
            stratum.selected = stratum.selected.saturating_add(1);
            if is_certain {
                stratum.certain.amount = stratum.certain.amount.saturating_add(item.amount);
                stratum.certain.items = stratum.certain.items.saturating_add(1);
            }
            let amount = |minor: i128| Cell::Amount(minor, item.fund.exponent);
            let lots: BTreeSet<&str> =
                step.legs.iter().filter_map(|leg| register.lot(leg.lot)).map(|lot| lot.lot_id.as_str()).collect();
            row(Row::of(vec![
                Cell::Term(if is_certain { terms::CERTAIN } else { terms::SELECTED }),
                Cell::Number(step.sequence),
                Cell::Number(step.operation.into()),
                Cell::Term(terms::event(step.payload)),
                Cell::Text(item.payment_id.to_owned()),
                Cell::Day(step.day),
                Cell::Text(item.fund.fund_id.clone()),
                Cell::Text(item.unit_id.to_owned()),
                Cell::Text(lots.into_iter().collect::<Vec<_>>().join(" ")),
                amount(item.amount),
                Cell::Text(item.fund.currency_code.clone()),
                amount(hit.first),
                amount(hit.last),
                amount(hit.at),
                Cell::Number(hit.hits),
                amount(*interval),
                Cell::Empty,
                Cell::Empty,
                Cell::Empty,
                Cell::Empty,
            ]));
        });
    }

    /// Gives what each stratum comes to: its value, items, start and hits.
    pub fn close(self, row: &mut dyn FnMut(Row)) {
        let (currency_code, exponent) = &self.currency;
        let amount = |minor: i128| Cell::Amount(minor, *exponent);
        for stratum in self.strata.values() {
            row(Row::of(vec![
                Cell::Term(terms::STRATUM),
                Cell::Empty,
                Cell::Empty,
                Cell::Empty,
                Cell::Empty,
                Cell::Empty,
                Cell::Text(stratum.fund_id.clone()),
                Cell::Empty,
                Cell::Empty,
                amount(stratum.total.amount),
                Cell::Text(currency_code.clone()),
                amount(1),
                amount(stratum.total.amount),
                amount(stratum.start),
                Cell::Number(stratum.hits),
                amount(self.interval),
                Cell::Number(stratum.total.items),
                Cell::Number(stratum.selected),
                Cell::Number(stratum.certain.items),
                amount(stratum.certain.amount),
            ]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::{AccountOpened, FundDefined, Leg, PaymentExecuted};

    fn event(payload: Payload, legs: Vec<Leg>) -> Event {
        Event { payload: Some(payload), legs, ..Event::default() }
    }

    /// A fund with a unit's account and what the unit used.
    fn opened() -> Vec<Event> {
        let fund =
            FundDefined { fund: 1, fund_id: "F".to_owned(), currency_code: "CNY".to_owned(), ..Default::default() };
        let account = |account: i32, kind: AccountKind| {
            let opened =
                AccountOpened { account, fund: 1, unit_id: "U".to_owned(), kind: kind.into(), ..Default::default() };
            event(Payload::AccountOpened(opened), Vec::new())
        };
        let accounts = [account(1, AccountKind::AuthorityUnit), account(2, AccountKind::AuthorityUsed)];
        [event(Payload::FundDefined(fund), Vec::new())].into_iter().chain(accounts).collect()
    }

    fn payment(at: i64) -> Event {
        let payment =
            PaymentExecuted { payment_id: format!("payment-{at}"), purpose: "P".to_owned(), ..Default::default() };
        let leg = |account, amount_minor| Leg { account, lot: 0, amount_minor };
        let amount = at.rem_euclid(997).saturating_add(1);
        event(Payload::PaymentExecuted(payment), vec![leg(1, amount), leg(2, amount.saturating_neg())])
    }

    /// Counts and draws so many payments; gives the total, the rows and the memory that was used most, in kilobytes.
    fn sampled(count: i64) -> (Total, u64, u64) {
        let population = Population {
            items: Items::Payments,
            fund: None,
            period: Period::default(),
            strata: Strata::One,
            last: None,
        };
        let most = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
            line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
        };
        let each = |take: &mut dyn FnMut(i64, &Event)| {
            for (sequence, event) in (0..).zip(opened()) {
                take(sequence, &event);
            }
            for at in 0..count {
                take(at.saturating_add(3), &payment(at));
            }
        };
        let before: u64 = most();
        let mut census = Census::new(population.clone());
        each(&mut |sequence, event| census.take(sequence, [0; 32], event));
        let total = census.total();
        let mut rows = 0_u64;
        let mut drawing = census.draw(population, total.amount / 60, ("seed", "origin", &[0; 32]));
        each(&mut |sequence, event| drawing.take(sequence, [0; 32], event, &mut |_| rows = rows.saturating_add(1)));
        drawing.close(&mut |_| rows = rows.saturating_add(1));
        (total, rows, most().saturating_sub(before))
    }

    #[test]
    fn what_is_counted_is_what_is_drawn_from() {
        let (total, rows, _) = sampled(5_000);
        let amount: i64 = (0..5_000).map(|at: i64| at.rem_euclid(997) + 1).sum();
        assert_eq!(total, Total { amount: amount.into(), items: 5_000 });
        assert!((61..=62).contains(&rows), "{rows}");
    }

    #[test]
    #[ignore = "takes a minute, and measures the whole process: to be run alone"]
    fn ten_million_items_take_no_room() {
        let (total, _, kilobytes) = sampled(10_000_000);
        assert_eq!(total.items, 10_000_000);
        assert!(kilobytes < 16_384, "{kilobytes} kB more than before");
    }
}
