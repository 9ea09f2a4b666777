//! A batch of commands between the wire and the ledger: what is malformed gets its result at once, the rest when the ledger
//! has decided.

use prost::bytes::BytesMut;

use super::approvals::is_about_a_signature;
use super::convert::{COMMANDS_MAX, Violation};
use super::identity::{Caller, Denied};
use super::ledger::{LedgerApi, error, result};
use super::node::Node;
use super::personal::{Staged, WaitFor, acts_on_vault};
use super::reconciling::makes_claim;
use super::spans::spawn;
use super::status::{Statuses, reason_of, violated};
use crate::domain::command::{Command, Order};
use crate::domain::refusal::Reason;
use crate::format::record::HASH_BYTES;
use crate::ledger::{Outcome, Prepared, Unavailable};
use crate::log::Fault;
use crate::pb::v1;
use crate::pb::v1::command::Payload;
use crate::pb::v1::post_result;

/// Signed commands that are not worth handing over to another thread.
const SIGNED_AT_ONCE: usize = 64;

/// Work that is done for one request before another has its turn, in commands; checking a signature takes as long as a score.
const COMMANDS_AT_A_TIME: usize = 512;
const COMMANDS_A_SIGNATURE: usize = 20;

/// Lets others have their turn now and then: a large request must not keep small ones waiting on its thread.
#[derive(Debug, Default)]
pub(super) struct InTurn(usize);

impl InTurn {
    /// Work of so many commands comes next.
    pub(super) async fn before(&mut self, commands: usize) {
        self.0 = self.0.saturating_add(commands);
        if self.0 > COMMANDS_AT_A_TIME {
            self.0 = 0;
            tokio::task::yield_now().await;
        }
    }
}

type Parsed = Result<Command, Vec<Violation>>;

/// A batch on its way.
pub(super) struct Batch {
    /// One a command, in order; those without an outcome wait for the ledger's.
    results: Vec<v1::PostResult>,
    statuses: Statuses,
    staged: Staged,
    /// Whether what it does must be seen by whoever has the answer.
    shows_at_once: bool,
}

impl LedgerApi {
    /// Parses the commands of a batch; gives those that go to the ledger. A batch of none, or of too many, is refused whole.
    pub(super) async fn batch(
        &self,
        mut commands: Vec<v1::Command>,
        validate_only: bool,
        mut caller: Caller,
        statuses: Statuses,
    ) -> Result<(Batch, Vec<Prepared>), tonic::Status> {
        check_count(commands.len(), statuses)?;
        caller.fill_commands(&mut commands);
        let wait_for = if validate_only { WaitFor::Nothing } else { WaitFor::Commands };
        let staged = self.protect(&mut commands, wait_for, statuses).await?;
        let mut shows_at_once = false;
        let mut results: Vec<v1::PostResult> = Vec::with_capacity(commands.len());
        let mut prepared = Vec::with_capacity(commands.len());
        let mut scratch = Vec::with_capacity(512);
        let all = self.parse_all(commands).await.map_err(|fault| statuses.fault(&fault))?;
        for parsed in all {
            match parsed {
                Ok(command) => {
                    if let Err(denied) = caller.may_post(&command, &self.node)
                        && let Some(result) = self.denied(&command, denied, &mut caller, statuses).await
                    {
                        results.push(result);
                        continue;
                    }
                    shows_at_once |= shows_at_once_after(&command.order);
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
                    self.node.ledger().counts().told(violated(&placed));
                    results.push(error(&statuses.violations(&placed)));
                }
            }
        }
        Ok((Batch { results, statuses, staged, shows_at_once }, prepared))
    }

    /// The result of a command that its caller may not post; `None` if they may by now.
    async fn denied(
        &self,
        command: &Command,
        denied: Denied,
        caller: &mut Caller,
        statuses: Statuses,
    ) -> Option<v1::PostResult> {
        let mut denied = denied;
        if denied != Denied::Actor {
            // A role may have been granted, or an account opened, a moment ago.
            self.node.caught_up().await;
            *caller = caller.renewed(&self.node);
            match caller.may_post(command, &self.node) {
                Ok(()) => return None,
                Err(still) => denied = still,
            }
            // The key comes before authority: a retry is answered as it was, whatever has become of the role since.
            let prepared = self.node.ledger().prepare(command.clone(), &mut Vec::new());
            match self.outcomes(vec![prepared], true).await.map(|mut outcomes| outcomes.pop()) {
                Ok(Some(
                    outcome @ (Outcome::Accepted(_)
                    | Outcome::KeyReused { .. }
                    | Outcome::Refused { replayed: true, .. }),
                )) => return Some(result(outcome, statuses, &mut BytesMut::new())),
                Ok(Some(Outcome::Valid | Outcome::Refused { .. }) | None) => {}
                Err(why) => return Some(error(&statuses.unavailable(&why))),
            }
        }
        Some(error(&caller.refuse(denied, command.order.name(), &self.node, statuses)))
    }

    /// Parses commands. Signatures take as long as everything else about a command together: those of many are checked on all
    /// cores.
    async fn parse_all(&self, mut commands: Vec<v1::Command>) -> Result<Vec<Parsed>, Fault> {
        let is_signed = |command: &v1::Command| matches!(command.payload, Some(Payload::SignedCommand(_)));
        let signed = commands.iter().filter(|command| is_signed(command)).count();
        if signed <= SIGNED_AT_ONCE {
            return Ok(self.parse_in_turn(commands).await);
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let share = commands.len().div_ceil(cores);
        let mut shares = Vec::with_capacity(cores);
        while !commands.is_empty() {
            let rest = commands.split_off(share.min(commands.len()));
            let (api, of_one) = (self.clone(), std::mem::replace(&mut commands, rest));
            shares.push(spawn(async move { api.parse_in_turn(of_one).await }));
        }
        let mut parsed = Vec::new();
        for share in shares {
            parsed.extend(share.await.map_err(|error| Fault::new("checking signatures", error))?);
        }
        Ok(parsed)
    }

    async fn parse_in_turn(&self, commands: Vec<v1::Command>) -> Vec<Parsed> {
        let mut parsed = Vec::with_capacity(commands.len());
        let mut in_turn = InTurn::default();
        for command in commands {
            let is_signed = matches!(command.payload, Some(Payload::SignedCommand(_)));
            in_turn.before(if is_signed { COMMANDS_A_SIGNATURE } else { 1 }).await;
            parsed.push(if is_signed { self.parse_signed(command).await } else { self.parse(command) });
        }
        parsed
    }

    /// A signature by a key that the views do not know may be by one that was registered a moment ago.
    async fn parse_signed(&self, command: v1::Command) -> Parsed {
        let parsed = match self.parse(command.clone()) {
            Err(violations) if is_about_a_signature(&violations) => {
                self.node.caught_up().await;
                self.parse(command)
            }
            parsed => parsed,
        };
        for violation in parsed.as_ref().err().into_iter().flatten() {
            tracing::warn!(field = violation.field, reason = %violation.reason, "a signed command was not accepted");
        }
        parsed
    }

    /// The result of a command that says something of the books that is not so, or of which that cannot be told now.
    async fn false_claim(&self, command: &Command, at: usize, statuses: Statuses) -> Option<v1::PostResult> {
        match self.check_claims(command, statuses).await {
            Ok(None) => None,
            Ok(Some(violation)) => {
                let field = format!("commands[{at}].{}", violation.field);
                let placed = [Violation { field, ..violation }];
                self.node.ledger().counts().told(violated(&placed));
                Some(error(&statuses.violations(&placed)))
            }
            Err(status) => {
                if let Some(reason) = reason_of(&status) {
                    self.node.ledger().counts().told(reason);
                }
                Some(error(&status))
            }
        }
    }
}

/// Whether what an order does must be seen by whoever has the answer: personal data that were erased, a role that was taken.
pub(super) fn shows_at_once_after(order: &Order) -> bool {
    acts_on_vault(order)
        || matches!(order, Order::GrantRole { .. } | Order::RevokeRole { .. } | Order::RotateKey { .. })
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
    /// Puts the ledger's outcomes in their places. What was asked of the vault is done by then.
    pub(super) async fn complete(mut self, outcomes: Vec<Outcome>, node: &Node) -> Vec<v1::PostResult> {
        node.count_told(&outcomes);
        let mut outcomes = outcomes.into_iter();
        let mut hashes = BytesMut::with_capacity(self.results.len().saturating_mul(HASH_BYTES));
        for waiting in self.results.iter_mut().filter(|result| result.outcome.is_none()) {
            if let Some(outcome) = outcomes.next() {
                *waiting = result(outcome, self.statuses, &mut hashes);
            }
        }
        let is_refused = |result: &v1::PostResult| matches!(result.outcome, Some(post_result::Outcome::Error(_)));
        if !self.staged.is_empty() {
            let refused: Vec<bool> = self.results.iter().map(is_refused).collect();
            self.staged.settle(node, |at| refused.get(at).copied().unwrap_or_default()).await;
        }
        if self.shows_at_once {
            node.caught_up().await;
        }
        self.results
    }

    /// The request came to nothing as a whole: lets go of the personal data it brought, unless their fate is unknown.
    pub(super) async fn abandon(self, why: &Unavailable, node: &Node) {
        match why {
            Unavailable::OutcomeUnknown(_) => {}
            Unavailable::QueueFull | Unavailable::ShuttingDown | Unavailable::ReadOnly(_) => {
                self.staged.settle(node, |_| true).await;
            }
        }
    }
}
