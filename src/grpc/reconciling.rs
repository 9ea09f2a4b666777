//! What a comparison with a bank statement says of the books is held against the books before it is put on record: an answer
//! as of a sequence never changes, so that it can be checked here, where the history is, and not by the writer, which knows
//! only the balances now. Who verifies the log checks it again.

use std::sync::Arc;

use tonic::Status;

use super::convert::Violation;
use super::identity::Caller;
use super::ledger::LedgerApi;
use super::reading::{Reading, subject};
use super::status::Statuses;
use crate::domain::command::{Command, Order};
use crate::domain::log_key::{LogKey, LogKeyChange};
use crate::domain::oversight::Oversight;
use crate::domain::refusal::Reason;
use crate::projection::history::Bounds;

/// Whether a command says something of the books that has to be held against them.
#[expect(clippy::wildcard_enum_match_arm, reason = "only these claim something")]
pub(super) fn makes_claim(command: &Command) -> bool {
    match &command.order {
        Order::Oversight(order) => matches!(order.as_ref(), Oversight::Reconciliation(_)),
        Order::RotateLogKey { .. } => true,
        _ => false,
    }
}

impl LedgerApi {
    /// A false claim is a violation of its field; any other command passes.
    pub(super) async fn check_claims(
        &self,
        command: &Command,
        statuses: Statuses,
    ) -> Result<Option<Violation>, Status> {
        if let Order::RotateLogKey { key, change } = &command.order {
            return Ok(self.cannot_rotate(key, *change));
        }
        let Order::Oversight(order) = &command.order else { return Ok(None) };
        let Oversight::Reconciliation(compared) = order.as_ref() else { return Ok(None) };
        let (as_of, last_day, said) = (compared.as_of.0, compared.last_day, compared.book_balance_minor);
        if as_of > self.node.ledger().committed().sequence {
            // It has not happened: the rules refuse it.
            return Ok(None);
        }
        // The server itself asks: it compares, and shows nothing but whether it is so.
        let reading = Reading { node: Arc::clone(&self.node), caller: Caller::Unidentified, statuses };
        reading.wait(Some(as_of), None).await?;
        let account_id = compared.account.clone();
        let held = reading.blocking(move |reading| {
            let number = reading.node.views().books.account_named(account_id.as_str());
            let Some(number) = number else { return Ok(None) };
            let bounds = Bounds::as_of(as_of).to_day(last_day.days());
            let held = reading.history()?.sum(subject(number, None), &bounds);
            held.map(Some).map_err(|fault| reading.fault(&fault))
        });
        let Some(held) = held.await?.filter(|held| *held != said) else { return Ok(None) };
        let description = format!("is {said}; as of {as_of} the account held {held} at the end of {last_day}");
        let field = "record_reconciliation.book_balance_minor".to_owned();
        Ok(Some(Violation { field, reason: Reason::FieldInvalid, description }))
    }

    /// A key is announced where its private half is here, and another is retired only once that one has signed: else nobody
    /// could sign, or nobody could follow.
    fn cannot_rotate(&self, key: &LogKey, change: LogKeyChange) -> Option<Violation> {
        let checkpoints = self.node.checkpoints();
        let description = match change {
            LogKeyChange::Announced if checkpoints.has_private(key) => return None,
            LogKeyChange::Announced => {
                "is a key whose private half is not in the ledger's directory: make it with `fundledger keys log`"
            }
            // Where there is no other, the rules refuse it.
            LogKeyChange::Retired if self.node.ledger().log_keys().others_announced(key).next().is_none() => {
                return None;
            }
            LogKeyChange::Retired if checkpoints.others_have_signed(key) => return None,
            LogKeyChange::Retired => "is retired before another key that was announced has signed a checkpoint",
        };
        let (field, description) = ("rotate_log_key.verifier_key".to_owned(), description.to_owned());
        Some(Violation { field, reason: Reason::FieldInvalid, description })
    }

    /// The same for several, as one refusal.
    pub(super) async fn check_all_claims<'a>(
        &self,
        commands: impl Iterator<Item = &'a Command>,
        statuses: Statuses,
    ) -> Result<(), Status> {
        let mut violations = Vec::new();
        for (at, command) in commands.enumerate().filter(|(_, command)| makes_claim(command)) {
            if let Some(violation) = self.check_claims(command, statuses).await? {
                let field = format!("commands[{at}].{}", violation.field);
                violations.push(Violation { field, ..violation });
            }
        }
        if violations.is_empty() { Ok(()) } else { Err(statuses.violations(&violations)) }
    }
}
