//! Transactions: orders decided one after another, each on what those before it would leave, and booked as one event or not
//! at all.

use std::collections::BTreeMap;

use super::guard::{Case, LEGS_MAX};
use super::{Context, alone};
use crate::domain::command::{Envelope, Operation, Order};
use crate::domain::event::{Decision, Payload, PostedOperation, Step};
use crate::domain::ids::Sequence;
use crate::domain::money;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::state::{Dates, State};
use crate::domain::trial::Trial;

/// Decides all operations; the first that is refused refuses the whole, and is named.
pub(super) fn decide(
    state: &mut State,
    envelope: &Envelope,
    operations: Vec<Operation>,
    context: &Context<'_>,
) -> Result<Decision, Refusal> {
    let mut together: BTreeMap<&str, i64> = BTreeMap::new();
    for order in operations.iter().map(Operation::order) {
        let sum = together.entry(order.name()).or_default();
        *sum = money::add(*sum, amount_minor(state, order, context));
    }
    let sequence = Sequence(context.head.0.saturating_add(1));
    let dates = Dates { business: envelope.business_date, booked: context.now.shanghai_date() };
    let mut trial = Trial::new(state, sequence, dates);
    let mut legs = Vec::new();
    let mut posted = Vec::with_capacity(operations.len());
    for (at, operation) in operations.into_iter().enumerate() {
        let together_minor = together.get(operation.order().name()).copied().unwrap_or_default();
        let case = Case { state: trial.state(), envelope, together_minor };
        let decided = alone(case, operation.into_order(), context);
        let decision = decided.map_err(|refusal| named(refusal, at, sequence))?;
        let place = u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1);
        trial.take(Step { operation: place, legs: &decision.legs, payload: &decision.payload });
        let leg_count = u32::try_from(decision.legs.len()).unwrap_or(u32::MAX);
        legs.extend(decision.legs);
        posted.push(PostedOperation { policy_version: decision.policy_version, leg_count, payload: decision.payload });
        if legs.len() > LEGS_MAX {
            return Err(Refusal::new(Reason::EventTooLarge)
                .with("legs", legs.len())
                .with("legs_max", LEGS_MAX)
                .with("operation", format_args!("operations[{at}]")));
        }
    }
    Ok(Decision { policy_version: 0, legs, payload: Payload::TransactionPosted { operations: posted } })
}

/// A refusal with the operation that it is about. What happened within this transaction has no sequence yet, and will have
/// none: as a fact it would name the event of the refusal itself.
fn named(mut refusal: Refusal, at: usize, sequence: Sequence) -> Refusal {
    let own = sequence.0.to_string();
    refusal.facts.retain(|(name, value)| !(name.ends_with("sequence") && *value == own));
    refusal.with("operation", format_args!("operations[{at}]"))
}

/// What an order moves, minor units: of a reversal what its original did.
fn amount_minor(state: &State, order: &Order, context: &Context<'_>) -> i64 {
    if let Order::ReverseEvent { original, operation, .. } = order {
        let original = context.original(*original, *operation);
        return original.map_or(0, |original| state.moved_minor(original.legs));
    }
    order.amount_minor()
}
