//! Persons' money against a second model, as naive as possible: plain maps, one day at a time. It predicts what is accepted and what
//! every account then holds; after each step assets are claims, nothing is below zero, and what a person holds is their history.

use std::collections::{BTreeMap, BTreeSet};

use fundledger::domain::account::{AccountKind as Kind, NormalSide};
use fundledger::domain::command::Order;
use fundledger::domain::fund::{Currency, FundDefinition, FundFamily, PlanStep, PolicyVersion, Scheme};
use fundledger::domain::ids::{
    AccountId, BankReference, Code, DisplayName, FundId, LegalBasis, PayeeRef, PaymentId, PolicyId, ReasonCode,
};
use fundledger::domain::money::{Amount, AmountOrZero};
use fundledger::domain::persons::{
    Contribution, ContributionKind, EligibilityFact, IncomeSource, PayBenefit, PersonsOrder, ReceiveContribution,
    TransferDirection, TransferRelation,
};
use fundledger::domain::policy::{InterestMethod, Item, PolicyTerms, RateKind};
use fundledger::domain::profile::FundProfile;
use fundledger::domain::time::{Day, Period};
use proptest::prelude::*;

use super::support::orders::{account, amount, on};
use super::support::rules::Rules;

const EMPLOYER: i64 = 160_000;
const PERSONAL: i64 = 80_000;
const TRANSFER: i64 = 120_000;
const INTEREST: i64 = 26_200;
const LIMIT: i64 = 700;
/// Days that steps are dated, out of order on purpose; the last days of both years among them.
const DAYS: &[&str] = &["2026-01-15", "2026-03-31", "2026-12-31", "2026-02-02", "2027-06-30", "2027-12-31"];

/// A step; numbers stand for names. The first one is always the day.
#[derive(Clone, Debug)]
enum Step {
    Contribute { day: usize, person: u8, month: i32, base: i64, is_back: bool },
    Subsidy { day: usize, minor: i64 },
    Move { day: usize, way: usize, minor: i64 },
    Pay { day: usize, id: usize, person: u8, item: usize, month: i32, pool: i64, personal: i64 },
    Recover { day: usize, id: usize, minor: i64 },
    Out { day: usize, person: u8, wages: i64 },
    In { day: usize, person: u8, wages: i64, personal: i64 },
    Interest { day: usize, person: u8, year: i32 },
    Fact { day: usize, person: u8, is_bar: bool, month: i32 },
}

const ITEMS: &[(&str, bool, bool)] = &[("pension", true, true), ("basic", true, false), ("account", false, true)];
const WAYS: &[(&str, &str)] = &[("income", "fiscal"), ("fiscal", "payout"), ("payout", "fiscal"), ("fiscal", "income")];

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let day = || 0..DAYS.len();
    let person = || 1..4_u8;
    let month = || 1..3_i32;
    let id = || 0..9_usize;
    let step = prop_oneof![
        6 => (day(), person(), month(), 1..9_000_i64, any::<bool>())
            .prop_map(|(day, person, month, base, is_back)| Step::Contribute { day, person, month, base, is_back }),
        1 => (day(), 1..2_000_i64).prop_map(|(day, minor)| Step::Subsidy { day, minor }),
        4 => (day(), 0..WAYS.len(), 1..1_500_i64).prop_map(|(day, way, minor)| Step::Move { day, way, minor }),
        6 => (day(), id(), person(), 0..ITEMS.len(), month(), 0..500_i64, 0..400_i64).prop_map(
            |(day, id, person, item, month, pool, personal)| Step::Pay { day, id, person, item, month, pool, personal }
        ),
        4 => (day(), id(), 1..500_i64).prop_map(|(day, id, minor)| Step::Recover { day, id, minor }),
        1 => (day(), person(), 0..5_000_i64).prop_map(|(day, person, wages)| Step::Out { day, person, wages }),
        1 => (day(), person(), 0..5_000_i64, 0..900_i64)
            .prop_map(|(day, person, wages, personal)| Step::In { day, person, wages, personal }),
        3 => (day(), person(), 2026..2028_i32).prop_map(|(day, person, year)| Step::Interest { day, person, year }),
        1 => (day(), person(), any::<bool>(), month())
            .prop_map(|(day, person, is_bar, month)| Step::Fact { day, person, is_bar, month }),
    ];
    // Most of what is asked is there to be paid.
    let start = (0..3_usize, 1..9_000_i64).prop_map(|(day, base)| {
        let contribute = |person| Step::Contribute { day, person, month: 1, base: 5 * base, is_back: true };
        let funds = [Step::Subsidy { day, minor: 20_000 }, Step::Move { day, way: 1, minor: 10_000 }];
        (1..4).map(contribute).chain(funds).collect::<Vec<_>>()
    });
    (start, prop::collection::vec(step, 1..most)).prop_map(|(mut start, steps)| {
        start.extend(steps);
        start
    })
}

fn who(person: u8) -> PayeeRef {
    PayeeRef([person; 16])
}

fn zero_or(minor: i64) -> AmountOrZero {
    AmountOrZero::new(minor).unwrap()
}

fn period(month: i32) -> Period {
    Period::new(2026, month).unwrap()
}

fn fund() -> FundId {
    FundId::parse("EP").unwrap()
}

fn started() -> Rules {
    let mut rules = Rules::default();
    let who = on("2026-01-01");
    let rate = |kind, ppm: i64| (kind, u32::try_from(ppm).unwrap());
    let item = |(code, from_pool, from_personal): &(&str, bool, bool)| Item {
        code: Code::parse(*code).unwrap(),
        from_pool: *from_pool,
        from_personal: *from_personal,
        max_minor: LIMIT,
    };
    let terms = PolicyTerms {
        rates: vec![
            rate(RateKind::EmployerContribution, EMPLOYER),
            rate(RateKind::PersonalContribution, PERSONAL),
            rate(RateKind::PoolTransfer, TRANSFER),
            rate(RateKind::PersonalInterest, INTEREST),
        ],
        items: ITEMS.iter().map(item).collect(),
        interest_method: Some(InterestMethod::OpeningBalance),
        ..PolicyTerms::default()
    };
    let policy_id = PolicyId::parse("P").unwrap();
    let policy = PolicyVersion {
        version: 1,
        effective_from: Day::new(2026, 1, 1).unwrap(),
        plan_step: PlanStep::Optional,
        checker_tiers: Vec::new(),
        document_sha256: [1; 32],
        signed_approvals: false,
        terms,
    };
    rules.post(&who, Order::SetPolicy { policy_id: policy_id.clone(), policy: Box::new(policy) });
    rules.post(
        &who,
        Order::DefineFund(Box::new(FundDefinition {
            fund_id: fund(),
            name: DisplayName::parse("养老").unwrap(),
            family: FundFamily::SocialInsurance,
            currency: Currency { code: *b"CNY", exponent: 2 },
            purposes: Vec::new(),
            economic_codes: Vec::new(),
            policy_id: Some(policy_id),
            legal_basis: LegalBasis::parse("社会保险法").unwrap(),
            scheme: Some(Scheme::EmployeePension),
            exclusive_with: Vec::new(),
            profile: FundProfile::default(),
        })),
    );
    let accounts =
        [("income", Kind::Income), ("fiscal", Kind::FiscalSpecial), ("payout", Kind::Payout), ("pool", Kind::Pool)];
    let own = (1..4_u8).map(|person| (format!("p{person}"), Kind::Personal, Some(who_is(person))));
    let shared = accounts.map(|(name, kind)| (name.to_owned(), kind, None));
    for (name, kind, person) in shared.into_iter().chain(own) {
        let account_id = AccountId::parse(name.as_str()).unwrap();
        rules.post(
            &who,
            Order::OpenAccount { account_id, fund_id: fund(), kind, unit_id: None, person, unit_party: None },
        );
    }
    rules
}

fn who_is(person: u8) -> PayeeRef {
    who(person)
}

/// Round half up of a rate, the long way.
fn at_rate(minor: i64, ppm: i64) -> i64 {
    let (whole, rest) = (minor * ppm / 1_000_000, minor * ppm % 1_000_000);
    if rest * 2 >= 1_000_000 { whole + 1 } else { whole }
}

/// What one benefit still lacks.
#[derive(Clone)]
struct Paid {
    person: u8,
    item: usize,
    month: i32,
    pool: i64,
    personal: i64,
}

/// The naive model.
#[derive(Default)]
struct Model {
    held: BTreeMap<String, i64>,
    contributed: BTreeSet<(u8, i32)>,
    benefits: BTreeMap<usize, Paid>,
    paid: BTreeSet<(u8, usize, i32)>,
    /// By person: (first day that counts, whether it bars), in the order recorded.
    facts: Vec<(u8, Day, bool)>,
    /// Changes of personal accounts by the day they count from.
    changes: Vec<(u8, Day, i64)>,
    /// Interest by person and year.
    interest: Vec<(u8, i32, i64)>,
}

impl Model {
    fn holds(&self, account: &str) -> i64 {
        self.held.get(account).copied().unwrap_or_default()
    }

    /// Changes balances, or nothing at all.
    fn apply(&mut self, day: Day, changes: &[(String, i64)]) -> bool {
        let mut after = self.held.clone();
        for (account, change) in changes {
            *after.entry(account.clone()).or_default() += change;
        }
        if after.values().any(|held| *held < 0) {
            return false;
        }
        self.held = after;
        for (account, change) in changes {
            if let Some(person) = account.strip_prefix('p').and_then(|number| number.parse::<u8>().ok()) {
                self.changes.push((person, day, *change));
            }
        }
        true
    }

    fn take(&mut self, step: &Step, day: Day) -> bool {
        let own = |person: u8| format!("p{person}");
        let name = |name: &str| name.to_owned();
        match *step {
            Step::Contribute { person, month, base, is_back, .. } => {
                let (employer, personal) = (at_rate(base, EMPLOYER), at_rate(base, PERSONAL));
                if employer + personal == 0 || (!is_back && self.contributed.contains(&(person, month))) {
                    return false;
                }
                if !is_back {
                    self.contributed.insert((person, month));
                }
                self.apply(
                    day,
                    &[(name("income"), employer + personal), (name("pool"), employer), (own(person), personal)],
                )
            }
            Step::Subsidy { minor, .. } => self.apply(day, &[(name("fiscal"), minor), (name("pool"), minor)]),
            Step::Move { way, minor, .. } => {
                let (from, to) = WAYS[way];
                to != "income" && self.apply(day, &[(name(from), -minor), (name(to), minor)])
            }
            Step::Pay { id, person, item, month, pool, personal, .. } => {
                let (_, from_pool, from_personal) = ITEMS[item];
                let begins = Day::new(2026, month, 1).unwrap();
                let fact = self.facts.iter().filter(|(of, from, _)| *of == person && *from <= begins);
                let is_barred = fact.max_by_key(|(_, from, _)| *from).is_some_and(|(_, _, is_bar)| *is_bar);
                let fits = pool + personal > 0
                    && pool + personal <= LIMIT
                    && (pool == 0 || from_pool)
                    && (personal == 0 || from_personal)
                    && !is_barred
                    && !self.paid.contains(&(person, item, month))
                    && !self.benefits.contains_key(&id);
                let is_paid = fits
                    && self.apply(
                        day,
                        &[(name("pool"), -pool), (own(person), -personal), (name("payout"), -(pool + personal))],
                    );
                if is_paid {
                    self.paid.insert((person, item, month));
                    self.benefits.insert(id, Paid { person, item, month, pool, personal });
                }
                is_paid
            }
            Step::Recover { id, minor, .. } => {
                let Some(Paid { person, item, month, pool, personal }) = self.benefits.get(&id).cloned() else {
                    return false;
                };
                if minor > pool + personal {
                    return false;
                }
                // A unit at a time would give each claim what it lacks most of; the exact share is nearest to it.
                let exact = minor * pool;
                let (mut to_pool, left) = (exact / (pool + personal), exact % (pool + personal));
                if left * 2 >= pool + personal {
                    to_pool += 1;
                }
                let to_person = minor - to_pool;
                let rest = Paid { person, item, month, pool: pool - to_pool, personal: personal - to_person };
                if rest.pool + rest.personal == 0 {
                    self.paid.remove(&(person, item, month));
                }
                self.benefits.insert(id, rest);
                self.apply(day, &[(name("payout"), minor), (name("pool"), to_pool), (own(person), to_person)])
            }
            Step::Out { person, wages, .. } => {
                let (pool, personal) = (at_rate(wages, TRANSFER), self.holds(&own(person)));
                pool + personal > 0
                    && self.apply(
                        day,
                        &[(name("pool"), -pool), (own(person), -personal), (name("fiscal"), -(pool + personal))],
                    )
            }
            Step::In { person, wages, personal, .. } => {
                let pool = at_rate(wages, TRANSFER);
                pool + personal > 0
                    && self
                        .apply(day, &[(name("pool"), pool), (own(person), personal), (name("fiscal"), pool + personal)])
            }
            Step::Interest { person, year, .. } => {
                let ends = Day::new(year, 12, 31).unwrap();
                if day < ends || self.interest.iter().any(|(of, credited, _)| *of == person && *credited >= year) {
                    return false;
                }
                let begins = Day::new(year, 1, 1).unwrap();
                let before = self.changes.iter().filter(|(of, from, _)| *of == person && *from < begins);
                let basis: i64 = before.map(|(_, _, change)| change).sum();
                let interest = at_rate(basis.max(0), INTEREST);
                let is_credited = self.apply(ends, &[(name("pool"), -interest), (own(person), interest)]);
                if is_credited {
                    self.interest.push((person, year, interest));
                }
                is_credited
            }
            Step::Fact { person, is_bar, month, .. } => {
                self.facts.push((person, Day::new(2026, month, 1).unwrap(), is_bar));
                true
            }
        }
    }
}

/// The order of a step; `at` makes its bank reference its own. `None` where the wire would not let it through.
fn order(step: &Step, model: &Model, at: usize) -> Option<Order> {
    let bank_reference = BankReference::parse(format!("bank {at}")).unwrap();
    let payment = |id: usize| PaymentId::parse(format!("B{id}")).unwrap();
    let persons = match *step {
        Step::Contribute { person, month, base, is_back, .. } => {
            let due = at_rate(base, EMPLOYER) + at_rate(base, PERSONAL);
            PersonsOrder::ReceiveContribution(ReceiveContribution {
                fund_id: fund(),
                employer: who(9),
                period: period(month),
                kind: if is_back { ContributionKind::Back } else { ContributionKind::Regular },
                contributions: vec![Contribution {
                    person: who(person),
                    base: zero_or(base),
                    employer: zero_or(0),
                    personal: zero_or(0),
                }],
                late_days: 0,
                amount: Amount::positive(due).ok()?,
                bank_reference,
            })
        }
        Step::Subsidy { minor, .. } => PersonsOrder::ReceiveIncome {
            account_id: account("fiscal"),
            source: IncomeSource::Subsidy,
            amount: amount(minor),
            bank_reference,
            document_number: None,
        },
        Step::Move { way, minor, .. } => PersonsOrder::MoveFunds {
            from: account(WAYS[way].0),
            to: account(WAYS[way].1),
            amount: amount(minor),
            bank_reference,
            document_number: None,
        },
        Step::Pay { id, person, item, month, pool, personal, .. } => {
            Amount::positive(pool + personal).ok()?;
            PersonsOrder::PayBenefit(PayBenefit {
                payment_id: payment(id),
                fund_id: fund(),
                person: who(person),
                payee: None,
                item_code: Code::parse(ITEMS[item].0).unwrap(),
                period: period(month),
                pool: zero_or(pool),
                personal: zero_or(personal),
            })
        }
        Step::Recover { id, minor, .. } => PersonsOrder::RecoverBenefit {
            payment_id: payment(id),
            amount: amount(minor),
            bank_reference,
            reason_code: ReasonCode::parse("RETURNED").unwrap(),
        },
        Step::Out { person, wages, .. } | Step::In { person, wages, .. } => {
            let personal = if let Step::In { personal, .. } = step { *personal } else { 0 };
            let is_out = matches!(step, Step::Out { .. });
            let own = if is_out { model.holds(&format!("p{person}")) } else { personal };
            PersonsOrder::TransferRelation(TransferRelation {
                fund_id: fund(),
                person: who(person),
                direction: if is_out { TransferDirection::Out } else { TransferDirection::In },
                wage_base: zero_or(wages),
                personal: zero_or(personal),
                amount: Amount::positive(at_rate(wages, TRANSFER) + own).ok()?,
                account_id: account("fiscal"),
                peer_id: Code::parse("b").unwrap(),
                bank_reference,
            })
        }
        Step::Interest { person, year, .. } => {
            PersonsOrder::CreditInterest { fund_id: fund(), year, account_ids: vec![account(&format!("p{person}"))] }
        }
        Step::Fact { person, is_bar, month, .. } => PersonsOrder::RecordEligibility {
            person: who(person),
            fact: if is_bar { EligibilityFact::Exit } else { EligibilityFact::Restored },
            effective_on: Day::new(2026, month, 1).unwrap(),
            fund_id: None,
            source: Code::parse("register").unwrap(),
        },
    };
    Some(Order::Persons(Box::new(persons)))
}

const fn day_of(step: &Step) -> usize {
    match step {
        Step::Contribute { day, .. }
        | Step::Subsidy { day, .. }
        | Step::Move { day, .. }
        | Step::Pay { day, .. }
        | Step::Recover { day, .. }
        | Step::Out { day, .. }
        | Step::In { day, .. }
        | Step::Interest { day, .. }
        | Step::Fact { day, .. } => *day,
    }
}

/// I2, I6 and I16, from the state as it stands.
fn invariants_hold(rules: &Rules, model: &Model) {
    let (mut assets, mut claims) = (0, 0);
    for name in ["income", "fiscal", "payout", "pool", "p1", "p2", "p3"] {
        let row = rules.state.account(rules.account(name)).unwrap();
        assert_eq!(row.balance_minor, model.holds(name), "{name}");
        assert!(row.balance_minor >= 0, "{name}");
        match row.kind.normal_side() {
            NormalSide::Debit => assets += row.balance_minor,
            NormalSide::Credit => claims += row.balance_minor,
        }
    }
    assert_eq!(assets, claims);
    for person in 1..4 {
        let own = model.changes.iter().filter(|(of, ..)| *of == person);
        assert_eq!(own.map(|(_, _, change)| change).sum::<i64>(), rules.balance(&format!("p{person}")));
    }
}

fn check(steps: &[Step]) -> usize {
    let (mut rules, mut model) = (started(), Model::default());
    let mut accepted = 0;
    for (at, step) in steps.iter().enumerate() {
        let date = DAYS[day_of(step)];
        let Some(order) = order(step, &model, at) else { continue };
        let expected = model.take(step, super::support::orders::day(date));
        let came = rules.give(&on(date), &order);
        assert_eq!(came.is_ok(), expected, "step {at}: {step:?} came to {came:?}");
        accepted += usize::from(expected);
        invariants_hold(&rules, &model);
    }
    accepted
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn persons_money_is_what_a_second_model_says(steps in steps(40)) {
        check(&steps);
    }
}

/// The law above is about something: of random steps a good part is accepted.
#[test]
fn many_random_steps_are_accepted() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut given, mut accepted) = (0, 0);
    for _ in 0..100 {
        let steps = steps(40).new_tree(&mut runner).unwrap().current();
        given += steps.len();
        accepted += check(&steps);
    }
    assert!(accepted * 4 > given, "{accepted} of {given}");
}
