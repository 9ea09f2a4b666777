//! A batch of commands between the wire and the ledger: what is malformed gets its result at once, the rest when the ledger
//! has decided.

use prost::bytes::BytesMut;

use super::convert::{COMMANDS_MAX, Violation};
use super::ledger::{LedgerApi, error, result};
use super::reconciling::makes_claim;
use super::status::Statuses;
use crate::domain::command::Command;
use crate::domain::refusal::Reason;
use crate::format::record::HASH_BYTES;
use crate::ledger::{Outcome, Prepared};
use crate::pb::v1;
use crate::pb::v1::command::Payload;

/// A batch on its way.
pub(super) struct Batch {
    /// One a command, in order; those without an outcome wait for the ledger's.
    results: Vec<v1::PostResult>,
    statuses: Statuses,
}

impl LedgerApi {
    /// Parses the commands of a batch; gives those that go to the ledger. A batch of none, or of too many, is refused whole.
    pub(super) async fn batch(
        &self,
        commands: Vec<v1::Command>,
        statuses: Statuses,
    ) -> Result<(Batch, Vec<Prepared>), tonic::Status> {
        check_count(commands.len(), statuses)?;
        let is_signed = |command: &v1::Command| matches!(command.payload, Some(Payload::SignedCommand(_)));
        if commands.iter().any(is_signed) {
            self.node.caught_up().await;
        }
        let mut results: Vec<v1::PostResult> = Vec::with_capacity(commands.len());
        let mut prepared = Vec::with_capacity(commands.len());
        let mut scratch = Vec::with_capacity(512);
        for command in commands {
            match self.parse(command) {
                Ok(command) => {
                    // Nearly every command claims nothing; the others wait for the history, in a box of their own.
                    if makes_claim(&command)
                        && let Some(result) = Box::pin(self.false_claim(&command, results.len(), statuses)).await
                    {
                        results.push(result);
                        continue;
                    }
                    prepared.push(self.node.ledger().prepare(command, &mut scratch));
                    results.push(v1::PostResult { outcome: None });
                }
                Err(violations) => {
                    // Paths name the command's place only when there is something to say about it.
                    let prefix = format!("commands[{}].", results.len());
                    let place =
                        |violation: Violation| Violation { field: format!("{prefix}{}", violation.field), ..violation };
                    let placed: Vec<_> = violations.into_iter().map(place).collect();
                    results.push(error(&statuses.violations(&placed)));
                }
            }
        }
        Ok((Batch { results, statuses }, prepared))
    }

    /// The result of a command that says something of the books that is not so, or of which that cannot be told now.
    async fn false_claim(&self, command: &Command, at: usize, statuses: Statuses) -> Option<v1::PostResult> {
        match self.check_claims(command, statuses).await {
            Ok(None) => None,
            Ok(Some(violation)) => {
                let field = format!("commands[{at}].{}", violation.field);
                Some(error(&statuses.violations(&[Violation { field, ..violation }])))
            }
            Err(status) => Some(error(&status)),
        }
    }
}

/// Refuses a request of no commands, or of too many.
pub(super) fn check_count(count: usize, statuses: Statuses) -> Result<(), tonic::Status> {
    let reason = match count {
        0 => Reason::FieldInvalid,
        1..=COMMANDS_MAX => return Ok(()),
        _ => Reason::TooManyCommands,
    };
    let facts = [("commands", count.to_string()), ("commands_max", COMMANDS_MAX.to_string())];
    Err(statuses.reason(reason, &facts))
}

impl Batch {
    /// Puts the ledger's outcomes in their places.
    pub(super) fn complete(mut self, outcomes: Vec<Outcome>) -> Vec<v1::PostResult> {
        let mut outcomes = outcomes.into_iter();
        let mut hashes = BytesMut::with_capacity(self.results.len().saturating_mul(HASH_BYTES));
        for waiting in self.results.iter_mut().filter(|result| result.outcome.is_none()) {
            if let Some(outcome) = outcomes.next() {
                *waiting = result(outcome, self.statuses, &mut hashes);
            }
        }
        self.results
    }
}
