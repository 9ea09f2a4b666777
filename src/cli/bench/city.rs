//! What a city of five million people posts in a year, in its proportions: contributions to the housing provident fund and
//! the pension fund, pensions, one-card payouts, treasury payments. One event a person: an employer's file could carry
//! hundreds in one, and would count for one.

use std::sync::Arc;

use super::BenchArgs;
use super::workload::{Commands, Workload, command, random_run};
use crate::cli::Failure;
use crate::domain::money::AMOUNT_MAX_MINOR;
use crate::pb::Date;
use crate::pb::v1;
use crate::pb::v1::AccountKind as Kind;
use crate::pb::v1::command::Payload;

/// Items a year, in units of 10,000.
const HOUSING: u64 = 960;
const CONTRIBUTIONS: u64 = 2_400;
const PENSIONS: u64 = 1_200;
const RELIEF: u64 = 140;
const PAYMENTS: u64 = 17;
const YEAR: u64 = HOUSING + CONTRIBUTIONS + PENSIONS + RELIEF + PAYMENTS;
/// Of 20 accounts, so many are of each kind of person; the rest are units.
const OF_20: [u32; 3] = [4, 9, 5];
const PERSONS_AN_EMPLOYER: u64 = 50;
const FIRST_YEAR: i32 = 1950;
const PENSION_MINOR: i64 = 245_000;
const RELIEF_MINOR: i64 = 20_000;
/// What opening balances and appropriations start with: no bench spends it.
const PLENTY_MINOR: i64 = AMOUNT_MAX_MINOR / 4;

/// The city's funds and persons.
pub(super) struct City {
    run: String,
    /// Savers, contributors, pensioners: persons of each.
    persons: [u64; 3],
    payments: Workload,
}

/// What relief is paid for.
const PURPOSE: &str = "one-card";

/// What a number of the sequence is: a kind, and the how many-th of it.
enum Item {
    Housing(u64),
    Contribution(u64),
    Pension(u64),
    Relief(u64),
    Payment(u64),
}

/// How many of a kind a year has, and what the how many-th of it is.
type Share = (u64, fn(u64) -> Item);

impl Item {
    /// Each year's share is posted in runs, one kind after another, as agencies hand in their files; a year here is 4,717
    /// items, so that a request of thousands has all of them.
    fn of(number: u64) -> Self {
        let (year, mut place) = (number / YEAR, number % YEAR);
        let kinds: [Share; 5] = [
            (HOUSING, Self::Housing),
            (CONTRIBUTIONS, Self::Contribution),
            (PENSIONS, Self::Pension),
            (RELIEF, Self::Relief),
            (PAYMENTS, Self::Payment),
        ];
        for (count, item) in kinds {
            if place < count {
                return item(year.saturating_mul(count).saturating_add(place));
            }
            place = place.saturating_sub(count);
        }
        Self::Payment(number)
    }
}

/// The person and month of the how many-th item: everybody once a month, month after month.
fn person_and_month(at: u64, persons: u64) -> (u64, i32, i32) {
    let person = at.checked_rem(persons).unwrap_or_default();
    let months = at.checked_div(persons).unwrap_or_default();
    let year = i32::try_from(months / 12).unwrap_or_default().saturating_add(FIRST_YEAR);
    let month = i32::try_from(months % 12).unwrap_or_default().saturating_add(1);
    (person, year, month)
}

impl City {
    pub(super) fn new(args: &BenchArgs) -> Result<Self, Failure> {
        let persons = OF_20.map(|share| u64::from(args.accounts.saturating_mul(share) / 20).max(1));
        let persons_of_20 = OF_20.iter().fold(0_u32, |sum, share| sum.saturating_add(*share));
        let units = (args.accounts / 20).saturating_mul(20_u32.saturating_sub(persons_of_20)).max(16);
        Ok(Self { run: random_run()?, persons, payments: Workload::payments(units, args.lots)? })
    }

    fn name(&self, name: impl std::fmt::Display) -> String {
        format!("{}.{name}", self.run)
    }

    fn account(&self, fund: &str, name: &str, kind: Kind) -> v1::OpenAccount {
        let unit = matches!(kind, Kind::AuthorityUnit | Kind::AuthorityUsed);
        v1::OpenAccount {
            account_id: self.name(name),
            fund_id: self.name(fund),
            kind: kind.into(),
            unit_id: if unit { self.name("relief") } else { String::new() },
            ..v1::OpenAccount::default()
        }
    }

    fn person(&self, fund: &str, kind: Kind, letter: char, number: u64) -> v1::OpenAccount {
        let person = format!("{letter}{number}");
        v1::OpenAccount { person: self.name(&person), ..self.account(fund, &person, kind) }
    }

    fn fund(&self, name: &str, family: v1::FundFamily, scheme: v1::FundScheme, terms: v1::PolicyTerms) -> Vec<Payload> {
        vec![
            Payload::SetPolicy(Box::new(v1::SetPolicy {
                policy_id: self.name(name),
                version: 1,
                effective_from: Some(Date { year: 1900, month: 1, day: 1 }),
                plan_step: v1::PlanStep::Optional.into(),
                document_sha256: vec![0; 32].into(),
                terms: Some(terms),
                ..v1::SetPolicy::default()
            })),
            Payload::DefineFund(Box::new(v1::DefineFund {
                fund_id: self.name(name),
                name: name.to_owned(),
                family: family.into(),
                scheme: scheme.into(),
                policy_id: self.name(name),
                legal_basis: "bench".to_owned(),
                purposes: if scheme == v1::FundScheme::Relief { vec![PURPOSE.to_owned()] } else { Vec::new() },
                ..v1::DefineFund::default()
            })),
        ]
    }

    /// Set-up commands, in order.
    pub(super) fn set_up(&self) -> Vec<v1::Command> {
        let [savers, contributors, pensioners] = self.persons;
        let rate = |kind: v1::RateKind, ppm| v1::PolicyRate { kind: kind.into(), ppm };
        let item = |code: &str, from_pool| v1::PolicyItem { code: code.to_owned(), from_pool, ..Default::default() };
        let pension = v1::PolicyTerms {
            rates: vec![
                rate(v1::RateKind::EmployerContribution, 160_000),
                rate(v1::RateKind::PersonalContribution, 80_000),
            ],
            items: vec![item("basic", true)],
            ..Default::default()
        };
        let relief = v1::PolicyTerms { items: vec![item("one-card", false)], ..Default::default() };
        let mut payloads = self.fund(
            "housing",
            v1::FundFamily::HousingProvident,
            v1::FundScheme::Unspecified,
            v1::PolicyTerms::default(),
        );
        payloads.extend(self.fund(
            "pension",
            v1::FundFamily::SocialInsurance,
            v1::FundScheme::EmployeePension,
            pension,
        ));
        payloads.extend(self.fund("relief", v1::FundFamily::Special, v1::FundScheme::Relief, relief));
        let mut accounts = vec![
            self.account("housing", "deposit", Kind::HousingDeposit),
            self.account("housing", "surplus", Kind::Surplus),
            self.account("pension", "income", Kind::Income),
            self.account("pension", "fiscal", Kind::FiscalSpecial),
            self.account("pension", "payout", Kind::Payout),
            self.account("pension", "pool", Kind::Pool),
            self.account("relief", "source", Kind::AuthoritySource),
            self.account("relief", "unallocated", Kind::AuthorityUnallocated),
            self.account("relief", "unit", Kind::AuthorityUnit),
            self.account("relief", "used", Kind::AuthorityUsed),
            self.account("relief", "recalled", Kind::AuthorityRecalled),
            self.account("relief", "treasury", Kind::Treasury),
            self.account("relief", "cash", Kind::FundLot),
            self.account("relief", "clearing", Kind::Clearing),
        ];
        accounts.extend((0..savers).map(|number| self.person("housing", Kind::HousingPersonal, 'H', number)));
        accounts.extend((0..contributors).map(|number| self.person("pension", Kind::Personal, 'E', number)));
        accounts.extend((0..pensioners).map(|number| self.person("pension", Kind::Personal, 'R', number)));
        payloads.extend(accounts.into_iter().map(|account| Payload::OpenAccount(Box::new(account))));
        let line = |name: &str| v1::OpeningLine {
            account_id: self.name(name),
            amount_minor: PLENTY_MINOR,
            ..Default::default()
        };
        payloads.push(Payload::RecordOpeningBalance(Box::new(v1::RecordOpeningBalance {
            fund_id: self.name("pension"),
            document_number: "bench".to_owned(),
            document_sha256: vec![0; 32].into(),
            lines: vec![line("payout"), line("pool")],
            ..Default::default()
        })));
        payloads.push(Payload::IssueBudget(Box::new(v1::IssueBudget {
            lot_id: self.name("lot"),
            to_account_id: self.name("unallocated"),
            amount_minor: PLENTY_MINOR,
            issuer_id: "bench".to_owned(),
            document_number: "bench".to_owned(),
            document_sha256: vec![0; 32].into(),
            ..Default::default()
        })));
        payloads.push(Payload::ReceiveCash(Box::new(v1::ReceiveCash {
            lot_id: self.name("lot"),
            amount_minor: PLENTY_MINOR,
            bank_reference: self.name("cash"),
        })));
        payloads.push(Payload::AllocateBudget(Box::new(v1::AllocateBudget {
            movement: Some(v1::AuthorityMovement {
                from_account_id: self.name("unallocated"),
                to_account_id: self.name("unit"),
                amount_minor: PLENTY_MINOR,
                draws: Vec::new(),
            }),
            document_number: String::new(),
        })));
        let numbered = payloads.into_iter().enumerate();
        let own = numbered.map(|(at, payload)| command(self.name(format_args!("setup-{at}")), payload));
        self.payments.set_up().into_iter().chain(own).collect()
    }

    fn contribution(&self, fund: &str, letter: char, at: u64, persons: u64) -> Payload {
        let (person, year, month) = person_and_month(at, persons);
        let is_housing = fund == "housing";
        let part_minor = if is_housing { 120_000 } else { 0 };
        let base_minor = if is_housing { 0 } else { 800_000 };
        // 16 % and 8 % of the base, or twice the part.
        let amount_minor = if is_housing { 240_000 } else { 192_000 };
        let contribution = v1::Contribution {
            person: self.name(format_args!("{letter}{person}")),
            base_minor,
            employer_minor: part_minor,
            personal_minor: part_minor,
            ..Default::default()
        };
        Payload::ReceiveContribution(Box::new(v1::ReceiveContribution {
            fund_id: self.name(fund),
            employer: format!("W{}", person / PERSONS_AN_EMPLOYER),
            year,
            month,
            kind: v1::ContributionKind::Regular.into(),
            contributions: vec![contribution],
            amount_minor,
            bank_reference: self.name(format_args!("{letter}c{at}")),
            ..Default::default()
        }))
    }

    fn pension(&self, at: u64) -> Payload {
        let [_, _, persons] = self.persons;
        let (person, year, month) = person_and_month(at, persons);
        Payload::PayBenefit(Box::new(v1::PayBenefit {
            payment_id: self.name(format_args!("b{at}")),
            fund_id: self.name("pension"),
            person: self.name(format_args!("R{person}")),
            item_code: "basic".to_owned(),
            year,
            month,
            pool_minor: PENSION_MINOR,
            ..Default::default()
        }))
    }

    fn relief(&self, at: u64) -> Payload {
        let [persons, ..] = self.persons;
        let (household, year, month) = person_and_month(at, persons);
        Payload::ExecutePayment(Box::new(v1::ExecutePayment {
            payment_id: self.name(format_args!("h{at}")),
            from_account_id: self.name("unit"),
            amount_minor: RELIEF_MINOR,
            payee: format!("household {household}"),
            purpose: PURPOSE.to_owned(),
            method: v1::PaymentMethod::Direct.into(),
            payout: Some(v1::Payout {
                item_code: "one-card".to_owned(),
                period: year.saturating_mul(100).saturating_add(month),
                ..Default::default()
            }),
            ..Default::default()
        }))
    }
}

impl Commands for City {
    fn event(&self, number: u64) -> v1::Command {
        let [savers, contributors, _] = self.persons;
        let payload = match Item::of(number) {
            Item::Housing(at) => self.contribution("housing", 'H', at, savers),
            Item::Contribution(at) => self.contribution("pension", 'E', at, contributors),
            Item::Pension(at) => self.pension(at),
            Item::Relief(at) => self.relief(at),
            Item::Payment(at) => return self.payments.event(at),
        };
        command(self.name(format_args!("r{number}")), payload)
    }
}

/// The city, shared by its clients.
pub(super) fn shared(args: &BenchArgs) -> Result<Arc<City>, Failure> {
    City::new(args).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_year_is_in_proportion_and_nothing_comes_twice() {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..3 * YEAR {
            let (kind, at) = match Item::of(number) {
                Item::Housing(at) => ("housing", at),
                Item::Contribution(at) => ("contribution", at),
                Item::Pension(at) => ("pension", at),
                Item::Relief(at) => ("relief", at),
                Item::Payment(at) => ("payment", at),
            };
            *counts.entry(kind).or_default() += 1;
            assert!(seen.insert((kind, at)), "{kind} {at}");
        }
        let expected =
            [("contribution", 7_200), ("housing", 2_880), ("payment", 51), ("pension", 3_600), ("relief", 420)];
        assert_eq!(counts, expected.into());
        assert_eq!(person_and_month(25, 2), (1, FIRST_YEAR + 1, 1));
    }
}
