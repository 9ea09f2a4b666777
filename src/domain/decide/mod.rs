//! Deciding: one order against the state, giving legs and an event, or a refusal. One file a family of rules: another
//! family is another file and its lines in [`decide`].
//!
//! **Precedence.** The same bad order always gets the same refusal, the first that applies of: segregation of duties; approvals
//! that hold no more; a maker who lost the role for it; preconditions; names that do not exist (or an event that cannot be reversed), or exist already; funds
//! mixed; families, account kinds and what the policy sets; closed periods; missing approvals; the order's own rules; freezes; expiry, purpose and scope; the
//! account's balance; the lot's balance; overflow.

mod approvals;
mod authority;
mod complaints;
mod contracts;
mod control;
mod guard;
mod housing;
mod nontax;
mod oversight;
mod payments;
mod performance;
mod persons;
mod precondition;
mod procurement;
mod projects;
mod setup;
mod special;
mod terms;
mod transaction;

use self::guard::Case;
use super::command::{Envelope, Order, Precondition};
use super::event::{Decision, Event, Step};
use super::ids::Sequence;
use super::refusal::{Reason, Refusal};
use super::state::State;
use super::time::UtcNanos;

/// What a decision may look at besides the state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// The events that [`originals_of`] names, as far as there are such.
    pub originals: &'a [(Sequence, Event)],
    /// When the event will be booked: approvals and keys count as of then.
    pub now: UtcNanos,
    /// Digest of the fund's trial balance, where [`needs_trial_balance`] asks for it.
    pub trial_balance_sha256: Option<[u8; 32]>,
    /// What the command says must hold.
    pub preconditions: &'a [Precondition],
    /// The last event before this one.
    pub head: Sequence,
}

impl<'a> Context<'a> {
    /// A step of an earlier event.
    fn original(&self, sequence: Sequence, operation: u32) -> Option<Step<'a>> {
        let (_, event) = self.originals.iter().find(|(of, _)| *of == sequence)?;
        event.decision.step(operation)
    }

    /// An earlier event, whole.
    fn original_event(&self, sequence: Sequence) -> Option<&'a Event> {
        self.originals.iter().find(|(of, _)| *of == sequence).map(|(_, event)| event)
    }

    fn has_original(&self, sequence: Sequence) -> bool {
        self.originals.iter().any(|(of, _)| *of == sequence)
    }
}

/// The earlier events a decision needs to see: returns, reversals and complaints rest on one.
#[expect(clippy::wildcard_enum_match_arm, reason = "only orders about earlier events need any")]
pub fn originals_of(state: &State, order: &Order) -> Vec<Sequence> {
    match order {
        Order::ReturnPayment { payment_id, .. } => {
            state.payment(payment_id).map(|payment| payment.sequence).into_iter().collect()
        }
        Order::ReverseEvent { original, .. } => vec![*original],
        Order::Complaint(order) => complaints::event_about(state, order).into_iter().collect(),
        Order::Transaction { operations } => {
            operations.iter().flat_map(|operation| originals_of(state, operation.order())).collect()
        }
        _ => Vec::new(),
    }
}

/// The fund whose trial balance a decision seals, if any.
#[expect(clippy::wildcard_enum_match_arm, reason = "only a period close seals balances")]
pub fn needs_trial_balance(state: &State, order: &Order) -> Option<super::ids::FundNumber> {
    match order {
        Order::ClosePeriod { fund_id, .. } => state.fund_names.get(fund_id).copied(),
        _ => None,
    }
}

/// Decides an order. The state is what it was when this returns: a transaction's operations are tried on it and taken back.
/// The caller applies the event once it is sealed.
pub fn decide(
    state: &mut State,
    envelope: &Envelope,
    order: Order,
    context: &Context<'_>,
) -> Result<Decision, Refusal> {
    let case = Case { state, envelope, together_minor: 0 };
    case.duties_are_segregated()?;
    case.approvals_hold(context.now)?;
    case.maker_may_still(&order)?;
    precondition::check(case, context)?;
    if let Order::Transaction { operations } = order {
        return transaction::decide(state, envelope, operations, context);
    }
    alone(case, order, context)
}

/// Decides an order that is no transaction, but may be a part of one.
fn alone(case: Case<'_>, order: Order, context: &Context<'_>) -> Result<Decision, Refusal> {
    match order {
        Order::DefineFund(definition) => setup::define_fund(case, definition),
        Order::SetPolicy { policy_id, policy } => setup::set_policy(case, policy_id, policy),
        Order::OpenAccount { account_id, fund_id, kind, unit_id, person, unit_party } => {
            let holder = setup::Holding { unit_id, person, unit_party };
            setup::open_account(case, account_id, &fund_id, kind, holder)
        }
        Order::CloseAccount { account_id } => setup::close_account(case, &account_id),
        Order::ApproveEstimate { project_id, fund_id, amount, issuer_id, document_number } => {
            projects::approve_estimate(case, project_id, &fund_id, amount, issuer_id, document_number)
        }
        Order::DetermineEntitlement { fund_id, unit_id, item_code, period, head_count, standard } => {
            projects::determine_entitlement(case, &fund_id, unit_id, item_code, period, head_count, standard)
        }
        Order::Nontax(order) => nontax::decide(case, *order),
        Order::Persons(order) => persons::decide(case, *order),
        Order::Housing(order) => housing::decide(case, *order),
        Order::Oversight(order) => oversight::decide(case, *order, context),
        Order::Procurement(order) => procurement::decide(case, *order, context),
        Order::Complaint(order) => complaints::decide(case, *order, context),
        Order::RecordOpeningBalance { fund_id, document_number, document_sha256, lots, lines } => {
            setup::record_opening_balance(case, &fund_id, document_number, document_sha256, lots, &lines)
        }
        Order::IssueBudget { lot, to, amount } => special::issue_budget(case, *lot, &to, amount),
        Order::AllocateBudget { movement, document_number } => {
            special::allocate_budget(case, &movement, document_number)
        }
        Order::AdjustBudget { adjustment, lot_id, amount, issuer_id, document_number } => {
            special::adjust_budget(case, &adjustment, &lot_id, amount, issuer_id, document_number)
        }
        Order::ApprovePlan { movement, document_number } => special::approve_plan(case, &movement, document_number),
        Order::CommitAuthority { movement, contract_id, ocid, payee } => {
            special::commit_authority(case, &movement, contract_id, ocid, payee)
        }
        Order::ReleaseCommitment { movement, contract_id } => special::release_commitment(case, &movement, contract_id),
        Order::ReceiveCash { lot_id, amount, bank_reference } => {
            payments::receive_cash(case, &lot_id, amount, bank_reference)
        }
        Order::ExecutePayment(payment) => payments::execute_payment(case, *payment),
        Order::ClearPayments { payment_ids, bank_reference } => {
            payments::clear_payments(case, payment_ids, bank_reference)
        }
        Order::ReturnPayment { payment_id, amount, bank_reference, reason_code } => {
            payments::return_payment(case, context, payment_id, amount, bank_reference, reason_code)
        }
        Order::CarryForward { lot_id, year } => special::carry_forward(case, &lot_id, year),
        Order::RecoverLapsed { lot_id, legal_basis } => special::recover_lapsed(case, &lot_id, legal_basis),
        Order::Freeze { case_id, legal_basis, scope } => control::freeze(case, case_id, legal_basis, scope),
        Order::Unfreeze { case_id } => control::unfreeze(case, case_id),
        Order::ReverseEvent { original, operation, reason_code } => {
            control::reverse(case, context, original, operation, reason_code)
        }
        Order::GrantRole { principal, role, fund_id } => authority::grant_role(case, principal, role, fund_id.as_ref()),
        Order::RevokeRole { principal, role, fund_id } => {
            authority::revoke_role(case, principal, role, fund_id.as_ref())
        }
        Order::RotateKey { principal, public_key } => authority::rotate_key(case, principal, public_key),
        Order::RotateLogKey { key, change } => authority::rotate_log_key(case, key, change),
        Order::Propose { content, expires_at } => authority::propose(content, expires_at, context.now),
        Order::Approve { proposal_id, key, signature } => {
            authority::approve(case, &proposal_id, key, signature, context.now)
        }
        Order::Withdraw { proposal_id } => authority::withdraw(case, &proposal_id),
        Order::CloseDay { fund_id, day } => control::close_day(case, &fund_id, day),
        Order::ClosePeriod { fund_id, period } => {
            control::close_period(case, &fund_id, period, context.trial_balance_sha256)
        }
        // An operation is no transaction, by its type.
        Order::Transaction { .. } => Err(Refusal::new(Reason::NotReversible)),
    }
}
