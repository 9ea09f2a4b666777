//! The rules against the second model, and the invariants after each event.

use std::collections::BTreeMap;

use fundledger::domain::account::Book;
use fundledger::domain::event::{Event, Payload};
use fundledger::domain::ids::{AccountNumber, LotNumber};
use proptest::prelude::*;

use super::model::{LOTS, Model, Step, steps};
use super::support::orders::{accounts, define, fund, on};
use super::support::rules::Rules;

/// A fund with accounts, and nothing in them.
pub(crate) fn empty_fund() -> Vec<fundledger::domain::command::Order> {
    std::iter::once(define(fund("SP"))).chain(accounts("SP", "a", "c")).collect()
}

pub(crate) fn started() -> Rules {
    let mut rules = Rules::default();
    for order in empty_fund() {
        rules.post(&on("2026-01-01"), order);
    }
    rules
}

/// Sums of legs, from the first event on: debits less credits.
#[derive(Default)]
struct Sums(BTreeMap<(AccountNumber, LotNumber), i64>);

impl Sums {
    /// Adds an event's legs, which balance in each book by themselves (I1).
    fn add(&mut self, rules: &Rules, event: &Event) {
        let (mut authority, mut cash) = (0, 0);
        for leg in &event.decision.legs {
            assert_ne!(leg.debit_minor, 0);
            let account = rules.state.account(leg.account).unwrap();
            assert_eq!(account.kind.tracks_lots(), leg.lot != LotNumber::NONE);
            match account.kind.book() {
                Book::Authority => authority += leg.debit_minor,
                Book::Cash => cash += leg.debit_minor,
            }
            *self.0.entry((leg.account, leg.lot)).or_default() += leg.debit_minor;
        }
        assert_eq!((authority, cash), (0, 0), "I1: debits and credits of {event:?}");
    }

    fn of(&self, rules: &Rules, account: &str, lot: Option<LotNumber>) -> i64 {
        let number = rules.account(account);
        let rows = self.0.iter().filter(|((of, lot_of), _)| *of == number && lot.is_none_or(|lot| lot == *lot_of));
        rows.map(|(_, minor)| minor).sum()
    }

    /// I2 to I6, and what the state and the model say.
    fn check(&self, rules: &Rules, model: &Model) {
        let debit_normal = ["a.src", "c.treasury"];
        let sign = |account: &str| if debit_normal.contains(&account) { 1 } else { -1 };
        let names: Vec<String> = rules
            .events
            .iter()
            .filter_map(|event| match &event.decision.payload {
                Payload::AccountOpened { account_id, .. } => Some(account_id.to_string()),
                _ => None,
            })
            .collect();
        for name in &names {
            let whole = sign(name) * self.of(rules, name, None);
            assert!(whole >= 0, "I2: {name} holds {whole}");
            assert_eq!(rules.balance(name), whole, "{name} by the state and by its legs");
            let by_lot: i64 = model.issued.iter().map(|lot| model.held(name, Some(*lot))).sum();
            assert_eq!(by_lot + model.held(name, None), whole, "{name} by the model");
        }
        for lot in &model.issued {
            let number = rules.lot(LOTS[*lot]);
            let held = |account: &str| sign(account) * self.of(rules, account, Some(number));
            for name in &names {
                assert!(held(name) >= 0, "I3: {name} holds {} of {}", held(name), LOTS[*lot]);
                assert_eq!(rules.held(name, LOTS[*lot]), held(name), "{name} of {} by the state", LOTS[*lot]);
                assert_eq!(model.held(name, Some(*lot)), held(name), "{name} of {} by the model", LOTS[*lot]);
            }
            let spread = names.iter().filter(|name| name.starts_with("a.") && *name != "a.src");
            assert_eq!(held("a.src"), spread.map(|name| held(name)).sum::<i64>(), "I4: {}", LOTS[*lot]);

            let parts = model.payments.values().flat_map(|paid| &paid.parts).filter(|(of, _, _)| of == lot);
            let net: i64 = parts.map(|(_, _, left)| left).sum();
            assert_eq!(held("a.A.used") + held("a.B.used"), net, "I5: used of {}", LOTS[*lot]);
            let of = |map: &BTreeMap<usize, i64>| map.get(lot).copied().unwrap_or_default();
            let cash = of(&model.received) - net - of(&model.sent_up);
            assert_eq!(held("c.fund"), cash, "I5: cash of {}", LOTS[*lot]);
        }
        let claims = rules.balance("c.fund") + rules.balance("c.clear");
        assert_eq!(rules.balance("c.treasury"), claims, "I6");
        for paid in model.payments.values() {
            assert!(paid.parts.iter().all(|(_, paid, left)| (0..=*paid).contains(left)), "I9");
        }
    }
}

/// How often each kind of step was accepted and refused.
fn run(steps: &[Step]) -> (usize, usize) {
    let mut rules = started();
    let mut model = Model::default();
    let mut sums = Sums::default();
    let (mut accepted, mut refused) = (0, 0);
    for step in steps {
        let (who, order) = model.order(step);
        let given = rules.give(&who, &order);
        let sequence = i64::try_from(rules.events.len()).unwrap();
        let predicted = model.take(step, sequence);
        assert_eq!(given.is_ok(), predicted, "{step:?}: {given:?}");
        match given {
            Ok(_) => {
                accepted += 1;
                sums.add(&rules, rules.event(sequence).unwrap());
            }
            Err(_) => refused += 1,
        }
        sums.check(&rules, &model);
    }
    (accepted, refused)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_rules_agree_with_a_second_model(steps in steps(120)) {
        run(&steps);
    }
}

/// The sequences are worth running: both answers come up often, for every kind of step.
#[test]
fn both_answers_come_up_for_every_kind_of_step() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for _ in 0..60 {
        let steps = steps(120).new_tree(&mut runner).unwrap().current();
        let mut model = Model::default();
        for (at, step) in steps.iter().enumerate() {
            let kind = format!("{step:?}");
            let kind = kind.split([' ', '(']).next().unwrap().to_owned();
            let count = counts.entry(kind).or_default();
            if model.take(step, i64::try_from(at).unwrap()) { count.0 += 1 } else { count.1 += 1 }
        }
    }
    assert_eq!(counts.len(), 16, "{counts:?}");
    assert!(counts.values().all(|(accepted, refused)| *accepted >= 5 && *refused >= 5), "{counts:?}");
}
