//! Guards about who stands behind an order: duties kept apart, signatures in time by keys that count, and enough of them.

use super::guard::Case;
use crate::domain::approval::{Approval, Approvals, Role};
use crate::domain::authority::{Authority, Proposal};
use crate::domain::command::Order;
use crate::domain::fund::{CHECKERS_DEFAULT, PolicyVersion};
use crate::domain::ids::{ActorId, FundNumber};
use crate::domain::places::{allow, places};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::rights::Action;
use crate::domain::time::UtcNanos;

/// What approvals are asked for: it decides whose count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Money of a fund: checkers and leaders of that fund; by signature, if its policy says so.
    Fund(FundNumber, ApprovalForm),
    /// Funds, policies, accounts, roles and keys: administrators, by signature.
    SetUp,
}

/// Whether persons that were only named count as checkers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ApprovalForm {
    /// They do.
    NamedOrSigned,
    /// They do not.
    Signed,
}

impl Case<'_> {
    /// 审监分离: the maker checks nothing of their own, and nobody checks twice.
    pub(super) fn duties_are_segregated(&self) -> Result<(), Refusal> {
        let maker = &self.envelope.actor;
        for (at, checker) in self.envelope.approvals.actors().enumerate() {
            if checker == maker || self.envelope.approvals.actors().take(at).any(|earlier| earlier == checker) {
                return Err(Refusal::new(Reason::SegregationOfDuties).with("actor", checker).with("maker", maker));
            }
        }
        Ok(())
    }

    /// Signatures that come with an order are all by keys that count when the event is booked, and in time; a batch is one
    /// that waits, and its maker posts it.
    pub(super) fn approvals_hold(&self, now: UtcNanos) -> Result<(), Refusal> {
        let authority = &self.state.authority;
        let expires_at = match &self.envelope.approvals {
            Approvals::Named(_) => return Ok(()),
            Approvals::Signed(signed) => {
                signed.approvals.iter().try_for_each(|approval| key_is_live(authority, approval))?;
                signed.expires_at
            }
            Approvals::Batch(batch) => {
                let found = authority.proposal(batch.proposal);
                let not_pending =
                    || Refusal::new(Reason::ProposalNotPending).with("proposal_sequence", batch.proposal.0);
                let proposal = found.ok_or_else(not_pending)?;
                if proposal.maker != self.envelope.actor {
                    return Err(Refusal::new(Reason::NotTheMaker)
                        .with("actor", &self.envelope.actor)
                        .with("maker", &proposal.maker));
                }
                proposal.expires_at
            }
        };
        if expires_at <= now {
            return Err(Refusal::new(Reason::ApprovalExpired).with("expires_at", expires_at));
        }
        Ok(())
    }

    /// What a proposal executes is its maker's to order when it is booked, and not only when it was proposed: a role that was
    /// taken from them since orders nothing. Who never had one is asked for none, as in plain text.
    pub(super) fn maker_may_still(&self, order: &Order) -> Result<(), Refusal> {
        let authority = &self.state.authority;
        let proposal = self.envelope.approvals.proposal().and_then(|sequence| authority.proposal(sequence));
        let Some(proposal) = proposal.filter(|proposal| !proposal.revoked.is_empty()) else { return Ok(()) };
        if let Order::Transaction { operations } = order {
            return operations.iter().try_for_each(|operation| self.was_not_revoked(proposal, operation.order()));
        }
        self.was_not_revoked(proposal, order)
    }

    fn was_not_revoked(&self, proposal: &Proposal, order: &Order) -> Result<(), Refusal> {
        let Some(action) = Action::of(order) else { return Ok(()) };
        let (held, places) = (self.state.authority.held_by(&proposal.maker), places(order, self.state));
        let ever = [held, &proposal.revoked].concat();
        if allow(held, action, &places) || !allow(&ever, action, &places) {
            return Ok(());
        }
        let roles = Role::ALL.iter().filter(|role| action.reach(**role).is_some()).map(|role| role.as_str());
        let roles: Vec<&str> = roles.collect();
        Err(Refusal::new(Reason::RoleMissing).with("principal", &proposal.maker).with("role", roles.join(",")))
    }

    /// At least so many approvals count. Where too few do, the first that does not count says why.
    pub(super) fn enough_approvals(&self, needed: u32, scope: Scope) -> Result<(), Refusal> {
        if needed == 0 {
            return Ok(());
        }
        let mut given = 0_u32;
        let mut first_invalid = None;
        let signed: &[Approval] = match &self.envelope.approvals {
            Approvals::Named(named) => {
                let counts = matches!(scope, Scope::Fund(_, ApprovalForm::NamedOrSigned));
                given = if counts { u32::try_from(named.len()).unwrap_or(u32::MAX) } else { 0 };
                &[]
            }
            Approvals::Signed(signed) => &signed.approvals,
            Approvals::Batch(batch) => {
                self.state.authority.proposal(batch.proposal).map_or(&[], |proposal| &proposal.approvals)
            }
        };
        for approval in signed {
            match self.counts(approval, scope) {
                Ok(()) => given = given.saturating_add(1),
                Err(refusal) => first_invalid = first_invalid.or(Some(refusal)),
            }
        }
        if given >= needed {
            return Ok(());
        }
        let missing = || {
            let refusal = Refusal::new(Reason::ApprovalMissing).with("needed", needed).with("given", given);
            match scope {
                Scope::Fund(_, ApprovalForm::NamedOrSigned) => refusal,
                Scope::Fund(_, ApprovalForm::Signed) | Scope::SetUp => refusal.with("form", "SIGNED"),
            }
        };
        Err(first_invalid.unwrap_or_else(missing))
    }

    /// A signature counts if its key does, and its owner holds a role that approves.
    fn counts(&self, approval: &Approval, scope: Scope) -> Result<(), Refusal> {
        let authority = &self.state.authority;
        key_is_live(authority, approval)?;
        let Scope::Fund(fund, _) = scope else { return is_administrator(authority, &approval.actor) };
        let roles = [Role::Checker, Role::Leader];
        if roles.iter().any(|role| authority.holds(&approval.actor, *role, fund)) {
            return Ok(());
        }
        let names = roles.map(Role::as_str).join(",");
        let refusal = Refusal::new(Reason::RoleMissing).with("principal", &approval.actor).with("role", names);
        Err(match self.state.fund(fund) {
            Some(fund) => refusal.with("fund", &fund.definition.fund_id),
            None => refusal,
        })
    }

    /// Set-up: where the ledger has administrators, one makes it and another signs; else a named checker is enough.
    pub(super) fn set_up_is_approved(&self) -> Result<(), Refusal> {
        if !self.state.authority.is_administered() {
            return self
                .enough_approvals(CHECKERS_DEFAULT, Scope::Fund(FundNumber::default(), ApprovalForm::NamedOrSigned));
        }
        self.set_up_is_administered()
    }

    /// Set-up that is for administrators only, so that a ledger without any has none of it: one makes it, another signs.
    pub(super) fn set_up_is_administered(&self) -> Result<(), Refusal> {
        is_administrator(&self.state.authority, &self.envelope.actor)?;
        self.enough_approvals(CHECKERS_DEFAULT, Scope::SetUp)
    }

    /// One checker, in the form that the fund's policy asks for: for what has no amount.
    pub(super) fn checkers_for(&self, fund: Option<FundNumber>) -> Result<(), Refusal> {
        let policy = fund.and_then(|fund| self.state.fund(fund)).and_then(|fund| self.policy(fund));
        let scope = Scope::Fund(fund.unwrap_or_default(), form(policy));
        self.enough_approvals(CHECKERS_DEFAULT, scope)
    }
}

pub(super) fn form(policy: Option<&PolicyVersion>) -> ApprovalForm {
    match policy {
        Some(policy) if policy.signed_approvals => ApprovalForm::Signed,
        _ => ApprovalForm::NamedOrSigned,
    }
}

fn is_administrator(authority: &Authority, actor: &ActorId) -> Result<(), Refusal> {
    if authority.is_administrator(actor) {
        return Ok(());
    }
    Err(Refusal::new(Reason::RoleMissing).with("principal", actor).with("role", Role::Admin.as_str()))
}

/// The key is the person's, and counts today.
pub(super) fn key_is_live(authority: &Authority, approval: &Approval) -> Result<(), Refusal> {
    let Approval { actor, key: number, .. } = approval;
    match authority.key(*number).filter(|key| key.owner == *actor) {
        Some(key) if key.is_live => Ok(()),
        Some(_) => Err(Refusal::new(Reason::KeyRevoked).with("principal", actor).with("key", number.0)),
        None => Err(Refusal::new(Reason::KeyNotFound).with("principal", actor)),
    }
}
