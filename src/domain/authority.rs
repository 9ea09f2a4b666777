//! Who may do what, with which keys, and what waits for approval. Everything here comes from events, so that who was allowed
//! what, and when, is itself on record.

use std::collections::{BTreeMap, BTreeSet};

use super::approval::{Approval, Approvals, PublicKey, Role};
use super::event::{Event, Payload};
use super::ids::{ActorId, FundNumber, KeyNumber, RequestId, Sequence};
use super::time::UtcNanos;

/// A role that somebody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Which.
    pub role: Role,
    /// For which fund; number 0 means all.
    pub fund: FundNumber,
}

impl Holding {
    /// An administrator is one for the whole ledger: of one fund alone there are none.
    pub const ADMINISTRATOR: Self = Self { role: Role::Admin, fund: FundNumber(0) };
}

/// A signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// Whose.
    pub owner: ActorId,
    /// The key.
    pub public_key: PublicKey,
    /// Whether it still counts.
    pub is_live: bool,
}

/// What was proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProposedContent {
    /// One command: its exact bytes.
    Command(Box<[u8]>),
    /// Many commands.
    Batch(ProposedBatch),
}

/// Many commands that are approved at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposedBatch {
    /// RFC 6962 root over their exact bytes.
    pub root: [u8; 32],
    /// How many.
    pub command_count: u32,
    /// The sum of their amounts, minor units.
    pub control_total_minor: i64,
}

/// A proposal that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its name: the key it was proposed under.
    pub proposal_id: RequestId,
    /// Who proposed it.
    pub maker: ActorId,
    /// When it was booked.
    pub proposed_at: UtcNanos,
    /// When it lapses.
    pub expires_at: UtcNanos,
    /// The batch; `None` for one command, whose bytes are in its event.
    pub batch: Option<ProposedBatch>,
    /// How many commands of the batch were posted.
    pub taken: u32,
    /// Approvals so far, in order.
    pub approvals: Vec<Approval>,
    /// Roles that were taken from its maker since.
    pub revoked: Vec<Holding>,
}

/// Roles, keys and proposals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    pub(crate) holdings: BTreeMap<ActorId, Vec<Holding>>,
    pub(crate) keys: Vec<SigningKey>,
    pub(crate) live_keys: BTreeMap<ActorId, KeyNumber>,
    pub(crate) known_keys: BTreeMap<PublicKey, KeyNumber>,
    pub(crate) proposals: BTreeMap<Sequence, Proposal>,
    pub(crate) proposal_names: BTreeMap<RequestId, Sequence>,
    pub(crate) expiries: BTreeSet<(UtcNanos, Sequence)>,
}

impl Authority {
    /// The roles that somebody holds.
    pub fn held_by(&self, actor: &ActorId) -> &[Holding] {
        self.holdings.get(actor).map_or(&[], Vec::as_slice)
    }

    /// Whether somebody holds a role for a fund, or for all.
    pub fn holds(&self, actor: &ActorId, role: Role, fund: FundNumber) -> bool {
        let fits = |held: &Holding| held.role == role && (held.fund == FundNumber::default() || held.fund == fund);
        self.held_by(actor).iter().any(fits)
    }

    /// Whether somebody holds a role, for whichever fund.
    pub fn holds_anywhere(&self, actor: &ActorId, role: Role) -> bool {
        self.held_by(actor).iter().any(|held| held.role == role)
    }

    /// Whether somebody is an administrator.
    pub fn is_administrator(&self, actor: &ActorId) -> bool {
        self.held_by(actor).contains(&Holding::ADMINISTRATOR)
    }

    /// Whether the ledger has administrators: then set-up needs their signatures.
    pub fn is_administered(&self) -> bool {
        self.administrators().next().is_some()
    }

    /// The administrators that have a live key.
    pub fn administrators(&self) -> impl Iterator<Item = &ActorId> {
        let holders = self.holdings.iter().filter(|(_, holdings)| holdings.contains(&Holding::ADMINISTRATOR));
        holders.map(|(actor, _)| actor).filter(|actor| self.live_keys.contains_key(*actor))
    }

    /// A key by number.
    pub fn key(&self, number: KeyNumber) -> Option<&SigningKey> {
        self.keys.get(number.index())
    }

    /// Whether a key counts today.
    pub fn counts(&self, number: KeyNumber) -> bool {
        self.key(number).is_some_and(|key| key.is_live)
    }

    /// All keys that somebody ever had, newest first.
    pub fn keys_of<'a>(&'a self, owner: &'a ActorId) -> impl Iterator<Item = (KeyNumber, &'a SigningKey)> {
        let numbered = self.keys.iter().enumerate().rev();
        numbered.map(|(at, key)| (KeyNumber::after(at), key)).filter(move |(_, key)| key.owner == *owner)
    }

    /// The key of an actor that counts now.
    pub fn live_key_of(&self, owner: &ActorId) -> Option<(KeyNumber, PublicKey)> {
        let number = *self.live_keys.get(owner)?;
        self.key(number).map(|key| (number, key.public_key))
    }

    /// A proposal that waits, by its event.
    pub fn proposal(&self, sequence: Sequence) -> Option<&Proposal> {
        self.proposals.get(&sequence)
    }

    /// A proposal that waits, by its name.
    pub fn proposal_named(&self, proposal_id: &RequestId) -> Option<(Sequence, &Proposal)> {
        let sequence = *self.proposal_names.get(proposal_id)?;
        Some((sequence, self.proposals.get(&sequence)?))
    }

    /// Proposals that wait, oldest first, after one.
    pub fn proposals_after(&self, sequence: Sequence) -> impl Iterator<Item = (Sequence, &Proposal)> {
        self.proposals.range(sequence.next()..).map(|(sequence, proposal)| (*sequence, proposal))
    }

    /// The next proposal whose time has run out, the one that lapsed first.
    pub fn lapsed(&self, now: UtcNanos) -> Option<Sequence> {
        self.expiries.first().filter(|(expires_at, _)| *expires_at <= now).map(|(_, sequence)| *sequence)
    }

    /// Whether anything waits.
    pub fn has_proposals(&self) -> bool {
        !self.proposals.is_empty()
    }

    /// Takes an event into account.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these types are about authority")]
    pub(crate) fn apply(&mut self, sequence: Sequence, event: &Event) {
        match &event.decision.payload {
            Payload::LedgerCreated { administrators, .. } => {
                for (actor, public_key) in administrators {
                    self.holdings.entry(actor.clone()).or_default().push(Holding::ADMINISTRATOR);
                    self.register(actor, Some(*public_key));
                }
            }
            Payload::RoleGranted { principal, role, fund } => {
                let holding = Holding { role: *role, fund: *fund };
                self.holdings.entry(principal.clone()).or_default().push(holding);
            }
            Payload::RoleRevoked { principal, role, fund } => {
                let revoked = Holding { role: *role, fund: *fund };
                if let Some(holdings) = self.holdings.get_mut(principal) {
                    holdings.retain(|held| *held != revoked);
                }
                for proposal in self.proposals.values_mut().filter(|proposal| proposal.maker == *principal) {
                    proposal.revoked.push(revoked);
                }
            }
            Payload::KeyRotated { principal, public_key, .. } => self.register(principal, *public_key),
            Payload::CommandProposed { content, expires_at } => self.propose(sequence, event, content, *expires_at),
            Payload::ProposalApproved { proposal, key, signature } => {
                let proposal = self.proposals.get_mut(proposal);
                if let (Some(proposal), Some(actor)) = (proposal, event.actor()) {
                    let (actor, key, signature) = (actor.clone(), *key, *signature);
                    proposal.approvals.push(Approval { actor, key, signature });
                }
            }
            Payload::ProposalWithdrawn { proposal } | Payload::ProposalExpired { proposal } => self.close(*proposal),
            _ => {}
        }
        match event.envelope.as_ref().map(|envelope| &envelope.approvals) {
            None | Some(Approvals::Named(_)) => {}
            Some(Approvals::Signed(signed)) => {
                if let Some(proposal) = signed.proposal {
                    self.close(proposal);
                }
            }
            Some(Approvals::Batch(batch)) => self.take_from_batch(batch.proposal),
        }
    }

    /// A new live key for somebody, or none; the one before counts no more.
    fn register(&mut self, owner: &ActorId, public_key: Option<PublicKey>) {
        if let Some(old) = self.live_keys.remove(owner)
            && let Some(old) = self.keys.get_mut(old.index())
        {
            old.is_live = false;
        }
        if let Some(public_key) = public_key {
            let number = KeyNumber::after(self.keys.len());
            self.keys.push(SigningKey { owner: owner.clone(), public_key, is_live: true });
            self.live_keys.insert(owner.clone(), number);
            self.known_keys.insert(public_key, number);
        }
    }

    fn propose(&mut self, sequence: Sequence, event: &Event, content: &ProposedContent, expires_at: UtcNanos) {
        let Some(envelope) = &event.envelope else { return };
        let batch = match content {
            ProposedContent::Command(_) => None,
            ProposedContent::Batch(batch) => Some(*batch),
        };
        self.insert(
            sequence,
            Proposal {
                proposal_id: envelope.request_id.clone(),
                maker: envelope.actor.clone(),
                proposed_at: event.booked_at,
                expires_at,
                batch,
                taken: 0,
                approvals: Vec::new(),
                revoked: Vec::new(),
            },
        );
    }

    pub(crate) fn insert(&mut self, sequence: Sequence, proposal: Proposal) {
        self.proposal_names.insert(proposal.proposal_id.clone(), sequence);
        self.expiries.insert((proposal.expires_at, sequence));
        self.proposals.insert(sequence, proposal);
    }

    fn close(&mut self, sequence: Sequence) {
        if let Some(proposal) = self.proposals.remove(&sequence) {
            self.proposal_names.remove(&proposal.proposal_id);
            self.expiries.remove(&(proposal.expires_at, sequence));
        }
    }

    /// A command of a batch has its event, accepted or refused; after the last one the proposal is done.
    fn take_from_batch(&mut self, sequence: Sequence) {
        let Some(proposal) = self.proposals.get_mut(&sequence) else { return };
        proposal.taken = proposal.taken.saturating_add(1);
        if proposal.batch.is_none_or(|batch| proposal.taken >= batch.command_count) {
            self.close(sequence);
        }
    }

    pub(crate) fn index_keys(&mut self) {
        for (at, key) in self.keys.iter().enumerate() {
            let number = KeyNumber::after(at);
            self.known_keys.insert(key.public_key, number);
            if key.is_live {
                self.live_keys.insert(key.owner.clone(), number);
            }
        }
    }
}
