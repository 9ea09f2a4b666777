//! Roles, keys and proposals: who may approve, and what waits for them.

use super::approvals::key_is_live;
use super::guard::{Case, decided};
use crate::domain::approval::{Approval, PublicKey, Role, Signature};
use crate::domain::authority::{Holding, ProposedContent};
use crate::domain::event::{Decision, Payload};
use crate::domain::ids::{ActorId, FundId, FundNumber, KeyNumber, RequestId};
use crate::domain::log_key::{LogKey, LogKeyChange};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::UtcNanos;

/// Longest time a proposal may wait.
const PROPOSAL_DAYS_MAX: i64 = 366;
/// Most approvals of one proposal: keeps the entry that carries them all below its 65,535 bytes.
const APPROVALS_MAX: usize = 32;
/// 审监分离 holds for administrators too: one alone changes nothing.
const ADMINISTRATORS_MIN: usize = 2;

pub(super) fn grant_role(
    case: Case<'_>,
    principal: ActorId,
    role: Role,
    fund_id: Option<&FundId>,
) -> Result<Decision, Refusal> {
    let fund = scope(case, fund_id)?;
    let holding = Holding { role, fund };
    let held = case.state.authority.holdings.get(&principal).map_or(&[][..], Vec::as_slice);
    if held.contains(&holding) {
        return Err(Refusal::new(Reason::RoleExists).with("principal", &principal).with("role", role.as_str()));
    }
    case.set_up_is_administered()?;
    if let Some(other) = held.iter().find(|held| !role.goes_with(held.role)) {
        return Err(Refusal::new(Reason::RolesConflict)
            .with("principal", &principal)
            .with("role", role.as_str())
            .with("other_role", other.role.as_str()));
    }
    Ok(decided(Payload::RoleGranted { principal, role, fund }))
}

pub(super) fn revoke_role(
    case: Case<'_>,
    principal: ActorId,
    role: Role,
    fund_id: Option<&FundId>,
) -> Result<Decision, Refusal> {
    let fund = scope(case, fund_id)?;
    let holding = Holding { role, fund };
    let held = case.state.authority.holdings.get(&principal).map_or(&[][..], Vec::as_slice);
    if !held.contains(&holding) {
        return Err(Refusal::new(Reason::RoleNotFound).with("principal", &principal).with("role", role.as_str()));
    }
    case.set_up_is_administered()?;
    if holding == Holding::ADMINISTRATOR {
        enough_remain_without(case, &principal)?;
    }
    Ok(decided(Payload::RoleRevoked { principal, role, fund }))
}

pub(super) fn rotate_key(
    case: Case<'_>,
    principal: ActorId,
    public_key: Option<PublicKey>,
) -> Result<Decision, Refusal> {
    let authority = &case.state.authority;
    match public_key {
        Some(public_key) => {
            if let Some(known) = authority.known_keys.get(&public_key) {
                return Err(Refusal::new(Reason::KeyExists).with("principal", &principal).with("key", known.0));
            }
        }
        None if !authority.live_keys.contains_key(&principal) => {
            return Err(Refusal::new(Reason::KeyNotFound).with("principal", &principal));
        }
        None => {}
    }
    case.set_up_is_administered()?;
    if public_key.is_none() && authority.is_administrator(&principal) {
        enough_remain_without(case, &principal)?;
    }
    let key = public_key.map_or(KeyNumber::default(), |_| KeyNumber::after(authority.keys.len()));
    Ok(decided(Payload::KeyRotated { principal, key, public_key }))
}

/// A key of the log is announced once, and retired once, while another one that was announced goes on signing.
pub(super) fn rotate_log_key(case: Case<'_>, key: LogKey, change: LogKeyChange) -> Result<Decision, Refusal> {
    let keys = &case.state.log_keys;
    match (change, keys.change(&key)) {
        (LogKeyChange::Announced, Some(_)) => {
            return Err(Refusal::new(Reason::KeyExists).with("log_key", &key));
        }
        (LogKeyChange::Retired, Some(LogKeyChange::Retired)) => {
            return Err(Refusal::new(Reason::KeyNotFound).with("log_key", &key));
        }
        (LogKeyChange::Announced, None) | (LogKeyChange::Retired, None | Some(LogKeyChange::Announced)) => {}
    }
    case.set_up_is_approved()?;
    if change == LogKeyChange::Retired && keys.others_announced(&key).next().is_none() {
        return Err(Refusal::new(Reason::LastLogKey).with("log_key", &key));
    }
    Ok(decided(Payload::LogKeyRotated { key, change }))
}

pub(super) fn propose(content: ProposedContent, expires_at: UtcNanos, now: UtcNanos) -> Result<Decision, Refusal> {
    let latest = now.plus_days(PROPOSAL_DAYS_MAX);
    if expires_at <= now || expires_at > latest {
        return Err(Refusal::new(Reason::ExpiryOutOfRange)
            .with("expires_at", expires_at)
            .with("now", now)
            .with("latest", latest));
    }
    Ok(decided(Payload::CommandProposed { content, expires_at }))
}

pub(super) fn approve(
    case: Case<'_>,
    proposal_id: &RequestId,
    key: KeyNumber,
    signature: Signature,
    now: UtcNanos,
) -> Result<Decision, Refusal> {
    let authority = &case.state.authority;
    let approver = &case.envelope.actor;
    let (sequence, proposal) = authority.proposal_named(proposal_id).ok_or_else(|| not_pending(proposal_id))?;
    if proposal.maker == *approver {
        return Err(Refusal::new(Reason::SegregationOfDuties).with("actor", approver).with("maker", &proposal.maker));
    }
    if proposal.expires_at <= now {
        return Err(Refusal::new(Reason::ApprovalExpired).with("expires_at", proposal.expires_at));
    }
    if proposal.approvals.iter().any(|earlier| earlier.actor == *approver) {
        return Err(Refusal::new(Reason::AlreadyApproved).with("actor", approver).with("proposal", proposal_id));
    }
    if proposal.approvals.len() >= APPROVALS_MAX {
        return Err(Refusal::new(Reason::EventTooLarge)
            .with("approvals", proposal.approvals.len())
            .with("approvals_max", APPROVALS_MAX));
    }
    key_is_live(authority, &Approval { actor: approver.clone(), key, signature })?;
    let approving = [Role::Checker, Role::Leader, Role::Admin];
    if !approving.iter().any(|role| authority.holds_anywhere(approver, *role)) {
        let names = approving.map(Role::as_str).join(",");
        return Err(Refusal::new(Reason::RoleMissing).with("principal", approver).with("role", names));
    }
    Ok(decided(Payload::ProposalApproved { proposal: sequence, key, signature }))
}

pub(super) fn withdraw(case: Case<'_>, proposal_id: &RequestId) -> Result<Decision, Refusal> {
    let found = case.state.authority.proposal_named(proposal_id);
    let (sequence, proposal) = found.ok_or_else(|| not_pending(proposal_id))?;
    if proposal.maker != case.envelope.actor {
        return Err(Refusal::new(Reason::NotTheMaker)
            .with("actor", &case.envelope.actor)
            .with("maker", &proposal.maker));
    }
    Ok(decided(Payload::ProposalWithdrawn { proposal: sequence }))
}

fn not_pending(proposal_id: &RequestId) -> Refusal {
    Refusal::new(Reason::ProposalNotPending).with("proposal", proposal_id)
}

fn scope(case: Case<'_>, fund_id: Option<&FundId>) -> Result<FundNumber, Refusal> {
    fund_id.map_or(Ok(FundNumber::default()), |fund_id| case.fund(fund_id).map(|fund| fund.number))
}

fn enough_remain_without(case: Case<'_>, principal: &ActorId) -> Result<(), Refusal> {
    let remaining = case.state.authority.administrators().filter(|other| *other != principal).count();
    if remaining < ADMINISTRATORS_MIN {
        return Err(Refusal::new(Reason::AdministratorsTooFew)
            .with("principal", principal)
            .with("remaining", remaining));
    }
    Ok(())
}
