//! Preconditions: whoever read something and acts on it says what they read, and is refused if it no longer holds.

use super::Context;
use super::guard::Case;
use crate::domain::command::Precondition;
use crate::domain::ids::Sequence;
use crate::domain::refusal::{Reason, Refusal};

/// Checks all of them; those that do not hold are told together, with what is there. A revision that has moved on outweighs
/// a balance: both have to be read again.
pub(super) fn check(case: Case<'_>, context: &Context<'_>) -> Result<(), Refusal> {
    let mut unmet = Vec::new();
    let mut reason = Reason::ConditionNotMet;
    for precondition in context.preconditions {
        let moved = match precondition {
            Precondition::AccountRevision { account, revision } => {
                let actual = case.account(account)?.row.revision;
                (actual != *revision).then(|| mismatch("account_revision", account.as_str(), *revision, actual))
            }
            Precondition::FundRevision { fund, revision } => {
                let actual = case.fund(fund)?.row.revision;
                (actual != *revision).then(|| mismatch("fund_revision", fund.as_str(), *revision, actual))
            }
            Precondition::HeadSequence(expected) => {
                let head = context.head;
                (head != *expected).then(|| mismatch("head_sequence", "log", *expected, head))
            }
            Precondition::AvailableAtLeast { account, lot, amount } => {
                let row = case.account(account)?.row;
                let lot = lot.as_ref().map(|lot_id| case.lot(lot_id)).transpose()?;
                let available = lot.map_or(row.balance_minor, |lot| row.lot_minor(lot.number));
                if available < amount.minor() {
                    let lot = lot.map(|lot| format!("/{}", lot.row.definition.lot_id)).unwrap_or_default();
                    unmet.push(format!(
                        "available_at_least {account}{lot} expected={} actual={available}",
                        amount.minor()
                    ));
                }
                None
            }
        };
        if let Some(moved) = moved {
            reason = Reason::RevisionMismatch;
            unmet.push(moved);
        }
    }
    if unmet.is_empty() { Ok(()) } else { Err(Refusal::new(reason).with("unmet", unmet.join("; "))) }
}

fn mismatch(what: &str, id: &str, expected: Sequence, actual: Sequence) -> String {
    format!("{what} {id} expected={} actual={}", expected.0, actual.0)
}
