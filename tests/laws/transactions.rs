//! Transactions against their operations one by one: the same money, or nothing at all.

use fundledger::domain::command::{Operation, Order};
use fundledger::domain::event::Payload;
use fundledger::domain::ids::{ReasonCode, Sequence};
use proptest::prelude::*;

use super::model::{Model, Step, steps};
use super::money::started;
use super::support::orders::on;
use super::support::rules::Rules;

const DATE: &str = "2027-05-01";

/// Account, balance, and balance by lot.
type Held = (String, i64, Vec<(u32, i64)>);

/// What every account holds, of every lot.
fn balances(rules: &Rules) -> Vec<Held> {
    let names = rules.events.iter().filter_map(|event| match &event.decision.payload {
        Payload::AccountOpened { account_id, .. } => Some(account_id.to_string()),
        _ => None,
    });
    let row = |name: String| {
        let account = rules.state.account(rules.account(&name)).unwrap();
        let lots = account.lots.iter().filter(|(_, minor)| *minor != 0).map(|(lot, minor)| (lot.0, *minor)).collect();
        (name, account.balance_minor, lots)
    };
    names.map(row).collect()
}

fn transaction(operations: Vec<Operation>) -> Order {
    Order::Transaction { operations }
}

/// What a group of operations came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// Accepted, and taken back again by another transaction.
    AndWent,
    /// Accepted.
    ToBe,
    /// Refused.
    ToNothing,
}

/// Most operations of a group.
const MOST: usize = 8;

/// The steps that are accepted one by one; with the first that is refused behind them, if it is to fail.
fn check(before: &[Step], group: &[Step], is_to_fail: bool) -> Option<Came> {
    let (mut rules, mut model) = (started(), Model::default());
    for step in before {
        let (who, order) = model.order(step);
        let _ = rules.give(&who, &order);
        model.take(step, i64::try_from(rules.events.len()).unwrap());
    }
    // All as of now: none can rest on another of the group by its sequence.
    let (mut alone, who) = (rules.clone(), on(DATE));
    let (mut operations, mut refusal) = (Vec::new(), None);
    for operation in group.iter().filter_map(|step| Operation::new(model.order(step).1)) {
        if operations.len() == MOST {
            break;
        }
        match alone.give(&who, operation.order()) {
            Ok(_) => operations.push(operation),
            Err(why) if is_to_fail => {
                refusal = Some((format!("operations[{}]", operations.len()), why.reason));
                operations.push(operation);
                break;
            }
            Err(_) => {}
        }
    }
    if operations.is_empty() {
        return None;
    }
    let untouched = rules.state.clone();
    let order = transaction(operations.clone());
    let decided = rules.decide(&who.envelope("transaction"), &order);
    assert!(rules.state == untouched, "deciding {order:?} changed the state: {decided:?}");
    let decision = match (decided, refusal) {
        (Err(refusal), Some((operation, reason))) => {
            let named = refusal.facts.iter().find(|(name, _)| name == "operation").map(|(_, value)| value.clone());
            assert_eq!((refusal.reason, named), (reason, Some(operation)), "{order:?}");
            return Some(Came::ToNothing);
        }
        (Ok(decision), None) => decision,
        (decided, refusal) => panic!("{order:?}: {decided:?} together, {refusal:?} one by one"),
    };
    let steps: Vec<_> = decision.steps().collect();
    assert_eq!(steps.len(), operations.len());
    assert_eq!(steps.iter().map(|step| step.legs.len()).sum::<usize>(), decision.legs.len());
    for (step, event) in steps.iter().zip(alone.events.iter().skip(rules.events.len())) {
        assert_eq!(step.legs, event.decision.legs);
    }
    let started_from = balances(&rules);
    let sequence = rules.give(&who, &order).unwrap();
    assert_eq!(balances(&rules), balances(&alone));

    // Whatever can be reversed is, the last operation first: nothing has happened.
    let undo = |(at, operation): (usize, &Operation)| {
        let can_be = !matches!(operation.order(), Order::IssueBudget { .. } | Order::ReverseEvent { .. });
        let operation = u32::try_from(at).unwrap() + 1;
        let reason_code = ReasonCode::parse("WRONG").unwrap();
        can_be.then_some(Order::ReverseEvent { original: Sequence(sequence), operation, reason_code })
    };
    let undone: Option<Vec<Order>> = operations.iter().enumerate().rev().map(undo).collect();
    let Some(undone) = undone else { return Some(Came::ToBe) };
    let undone: Vec<Operation> = undone.into_iter().filter_map(Operation::new).collect();
    rules.give(&who, &transaction(undone.clone())).unwrap();
    assert_eq!(balances(&rules), started_from);
    let again = rules.give(&who, &transaction(undone)).unwrap_err();
    assert_eq!(again.reason.as_str(), "ALREADY_REVERSED");
    Some(Came::AndWent)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn operations_stand_or_fall_together(before in steps(80), group in steps(24), is_to_fail in any::<bool>()) {
        check(&before, &group, is_to_fail);
    }
}

/// The groups are worth trying: all three ends come up often.
#[test]
fn transactions_come_to_every_end() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut ends = Vec::new();
    for at in 0..400 {
        let mut draw = |most| steps(most).new_tree(&mut runner).unwrap().current();
        // Now and then on an untouched fund: what the first movement marks is taken back too.
        let (before, group) = (if at % 5 == 0 { Vec::new() } else { draw(80) }, draw(24));
        ends.extend(check(&before, &group, at % 4 == 0));
    }
    let count = |end| ends.iter().filter(|came| **came == end).count();
    let counts = [Came::AndWent, Came::ToBe, Came::ToNothing].map(count);
    assert!(counts.iter().all(|count| *count >= 20), "{counts:?}");
}
