//! The rules alone: a state, and the events that made it. No threads, no bytes.

use fundledger::domain::command::{Envelope, Order};
use fundledger::domain::decide::{Context, decide, needs_trial_balance, originals_of};
use fundledger::domain::event::{Decision, Event, Payload};
use fundledger::domain::ids::{AccountNumber, LotNumber, Sequence};
use fundledger::domain::refusal::Refusal;
use fundledger::domain::state::State;
use fundledger::domain::time::UtcNanos;
use fundledger::format::trial_balance;

use super::orders::Who;

/// Orders given to the rules, one after another.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    pub(crate) state: State,
    /// Of sequences 1, 2, 3, …
    pub(crate) events: Vec<Event>,
}

impl Rules {
    /// What the rules say; nothing changes.
    pub(crate) fn decide(&mut self, envelope: &Envelope, order: &Order) -> Result<Decision, Refusal> {
        let originals = originals_of(&self.state, order).into_iter();
        let originals: Vec<(Sequence, Event)> =
            originals.filter_map(|sequence| Some((sequence, self.event(sequence.0)?.clone()))).collect();
        let context = Context {
            originals: &originals,
            now: UtcNanos(1),
            trial_balance_sha256: needs_trial_balance(&self.state, order)
                .map(|fund| trial_balance::digest(self.state.trial_balance(fund))),
            head: Sequence(i64::try_from(self.events.len()).unwrap()),
            ..Context::default()
        };
        decide(&mut self.state, envelope, order.clone(), &context)
    }

    pub(crate) fn event(&self, sequence: i64) -> Option<&Event> {
        self.events.get(usize::try_from(sequence.checked_sub(1)?).ok()?)
    }

    /// Gives an order; an accepted one is applied.
    pub(crate) fn give(&mut self, who: &Who, order: &Order) -> Result<i64, Refusal> {
        let sequence = i64::try_from(self.events.len()).unwrap() + 1;
        let envelope = who.envelope(&format!("k{sequence}"));
        let decision = self.decide(&envelope, order)?;
        let event =
            Event { booked_at: UtcNanos(sequence), command_digest: [0; 16], envelope: Some(envelope), decision };
        self.state.apply(Sequence(sequence), &event);
        self.events.push(event);
        Ok(sequence)
    }

    /// Gives an order that must be accepted; its sequence.
    pub(crate) fn post(&mut self, who: &Who, order: impl Into<Order>) -> i64 {
        let order = order.into();
        self.give(who, &order).unwrap_or_else(|refusal| panic!("{order:?} was refused: {refusal}"))
    }

    /// The number of an account, as its event gave it.
    pub(crate) fn account(&self, name: &str) -> AccountNumber {
        let found = self.events.iter().find_map(|event| match &event.decision.payload {
            Payload::AccountOpened { account, account_id, .. } if account_id.as_str() == name => Some(*account),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no account {name}"))
    }

    /// The number of a lot, as its event gave it.
    pub(crate) fn lot(&self, name: &str) -> LotNumber {
        let found = self.events.iter().find_map(|event| match &event.decision.payload {
            Payload::BudgetIssued { lot } => Some(lot.lot).filter(|_| lot.definition.lot_id.as_str() == name),
            Payload::OpeningBalance { lots, .. } => {
                lots.iter().find(|lot| lot.definition.lot_id.as_str() == name).map(|lot| lot.lot)
            }
            _ => None,
        });
        found.unwrap_or_else(|| panic!("no lot {name}"))
    }

    pub(crate) fn balance(&self, account: &str) -> i64 {
        self.state.account(self.account(account)).unwrap().balance_minor
    }

    pub(crate) fn held(&self, account: &str, lot: &str) -> i64 {
        self.state.account(self.account(account)).unwrap().lot_minor(self.lot(lot))
    }
}
