//! Roles, keys and proposals, derived again from their events; and every signature checked over the bytes that the log
//! holds, by the key that counted when it was booked.

use crate::audit::tree::{Tree, leaf_hash};
use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::{Signature, VerifyingKey};
use prost::Message;
use prost::bytes::Bytes;

use super::makers::{Holding, is_no_longer_theirs, makers_of};
use crate::audit::report::{Fact, FaultKind, Findings};
use crate::pb::v1::command_proposed::Content;
use crate::pb::v1::event::Payload;
use crate::pb::v1::{Approval, Command, Event, ProposedBatch, Role, SignedCommand};

const COMMAND_TAG: &[u8] = b"fundledger/approval/command/v1";
const BATCH_TAG: &[u8] = b"fundledger/approval/batch/v1";
const ADMINISTRATORS_MIN: usize = 2;

/// What of an event is about authority; `None` for the many that are not.
pub(super) struct Authorization {
    request_id: String,
    actor: String,
    approvals: Vec<Approval>,
    /// Who makes what was executed, part by part; of what was not under a proposal nothing.
    makers: Vec<&'static [Role]>,
}

impl Authorization {
    pub(super) fn of(event: &Event) -> Option<Box<Self>> {
        let concerns = event.signed.is_some() || event.payload.as_ref().is_some_and(is_about_authority);
        concerns.then(|| {
            Box::new(Self {
                request_id: event.request_id.clone(),
                actor: event.actor.clone(),
                approvals: event.approvals.clone(),
                makers: makers_of_all(event),
            })
        })
    }
}

fn makers_of_all(event: &Event) -> Vec<&'static [Role]> {
    match &event.payload {
        Some(Payload::TransactionPosted(transaction)) if event.signed.is_some() => {
            let parts = transaction.operations.iter().filter_map(|posted| posted.payload.clone());
            parts.map(|payload| makers_of(&Payload::from(payload))).collect()
        }
        Some(payload) if event.signed.is_some() => vec![makers_of(payload)],
        _ => Vec::new(),
    }
}

fn is_about_authority(payload: &Payload) -> bool {
    matches!(
        payload,
        Payload::LedgerCreated(_)
            | Payload::CommandProposed(_)
            | Payload::ProposalApproved(_)
            | Payload::ProposalWithdrawn(_)
            | Payload::ProposalExpired(_)
            | Payload::RoleGranted(_)
            | Payload::RoleRevoked(_)
            | Payload::KeyRotated(_)
    ) || is_auditors_own(payload)
}

/// Whether an event is an auditor's alone to make: the ledger holds it against the roles in the order of the log.
const fn is_auditors_own(payload: &Payload) -> bool {
    matches!(
        payload,
        Payload::Flagged(_) | Payload::FindingClosed(_) | Payload::ComplaintClosed(_) | Payload::PersonalDataOpened(_)
    )
}

struct Key {
    owner: String,
    public: Bytes,
    is_live: bool,
}

/// A batch as its commands come in.
struct Batch {
    proposed: ProposedBatch,
    leaves: BTreeMap<i32, [u8; 32]>,
}

struct Proposal {
    id: String,
    maker: String,
    expires_at_ns: i64,
    command: Option<Bytes>,
    batch: Option<Batch>,
    approvers: Vec<String>,
    /// Roles that its maker has lost since.
    lost: Vec<Holding>,
}

/// What is known of roles, keys and proposals.
#[derive(Default)]
pub(super) struct Authority {
    origin: String,
    keys: Vec<Key>,
    holdings: BTreeSet<(String, i32, i32)>,
    proposals: BTreeMap<i64, Proposal>,
}

impl Authority {
    /// The log's name.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Takes in an event that is about authority, or was signed, and the funds of its legs.
    pub(super) fn event(
        &mut self,
        sequence: i64,
        event: &Event,
        funds: &[i32],
        authorization: &Authorization,
        findings: &mut Findings,
    ) {
        let mut wrong = Vec::new();
        if let Some(signed) = &event.signed {
            if !is_refusal(event) {
                self.check_maker(signed, funds, authorization, &mut wrong);
            }
            self.check_signed(event, signed, authorization, &mut wrong);
        }
        if event.payload.as_ref().is_some_and(is_auditors_own) && self.administrators() > 0 {
            let auditor = i32::from(Role::Auditor);
            let is_auditor = |(who, role, _): &(String, i32, i32)| *who == authorization.actor && *role == auditor;
            if !self.holdings.iter().any(is_auditor) {
                wrong.push(fact!("{} does what is an auditor's, and is none", authorization.actor));
            }
        }
        if let Some(payload) = &event.payload {
            self.take(sequence, event, payload, authorization, &mut wrong);
        }
        for message in wrong {
            findings.add(sequence, FaultKind::Approval, message);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only these types are about authority")]
    fn take(
        &mut self,
        sequence: i64,
        event: &Event,
        payload: &Payload,
        authorization: &Authorization,
        wrong: &mut Vec<Fact>,
    ) {
        match payload {
            Payload::LedgerCreated(created) => {
                self.origin.clone_from(&created.origin);
                for (number, administrator) in (1..).zip(&created.administrators) {
                    self.register(&administrator.principal_id, number, &administrator.public_key, wrong);
                    self.holdings.insert((administrator.principal_id.clone(), Role::Admin.into(), 0));
                }
                if self.administrators() == 1 {
                    wrong.push(fact!("one administrator alone"));
                }
            }
            Payload::KeyRotated(rotated) => {
                self.register(&rotated.principal_id, rotated.key, &rotated.public_key, wrong);
            }
            Payload::RoleGranted(granted) => {
                let auditor = i32::from(Role::Auditor);
                let holding = (granted.principal_id.clone(), granted.role, granted.fund);
                let conflicts = |(who, role, _): &(String, i32, i32)| {
                    *who == granted.principal_id && (*role == auditor) != (granted.role == auditor)
                };
                if self.holdings.iter().any(conflicts) {
                    wrong.push(fact!("{} is an auditor and something else", granted.principal_id));
                }
                if !self.holdings.insert(holding) {
                    wrong.push(fact!("{} is granted a role they hold", granted.principal_id));
                }
            }
            Payload::RoleRevoked(revoked) => {
                if !self.holdings.remove(&(revoked.principal_id.clone(), revoked.role, revoked.fund)) {
                    wrong.push(fact!("{} loses a role they do not hold", revoked.principal_id));
                }
                let of_theirs = self.proposals.values_mut().filter(|proposal| proposal.maker == revoked.principal_id);
                for proposal in of_theirs {
                    proposal.lost.push((revoked.role, revoked.fund));
                }
                if revoked.role == i32::from(Role::Admin) && self.administrators() < ADMINISTRATORS_MIN {
                    wrong.push(fact!("fewer than two administrators remain"));
                }
            }
            Payload::CommandProposed(proposed) => {
                let (command, batch) = match &proposed.content {
                    Some(Content::Command(command)) => (Some(command.clone()), None),
                    Some(Content::Batch(batch)) => {
                        (None, Some(Batch { proposed: batch.clone(), leaves: BTreeMap::new() }))
                    }
                    None => {
                        wrong.push(fact!("a proposal of nothing"));
                        return;
                    }
                };
                let proposal = Proposal {
                    id: authorization.request_id.clone(),
                    maker: authorization.actor.clone(),
                    expires_at_ns: proposed.expires_at_ns,
                    command,
                    batch,
                    approvers: Vec::new(),
                    lost: Vec::new(),
                };
                self.proposals.insert(sequence, proposal);
            }
            Payload::ProposalApproved(approved) => {
                let approval = Approval {
                    actor: authorization.actor.clone(),
                    key: approved.key,
                    signature: approved.signature.clone(),
                };
                self.approve(event.booked_at_ns, approved.proposal_sequence, &approval, wrong);
            }
            Payload::ProposalWithdrawn(withdrawn) => match self.proposals.remove(&withdrawn.proposal_sequence) {
                Some(proposal) if proposal.maker == authorization.actor => {}
                Some(_) => wrong.push(fact!("a proposal is withdrawn by somebody else")),
                None => wrong.push(fact!("a proposal is withdrawn that does not wait")),
            },
            Payload::ProposalExpired(expired) => match self.proposals.remove(&expired.proposal_sequence) {
                Some(proposal) if proposal.expires_at_ns <= event.booked_at_ns => {}
                Some(_) => wrong.push(fact!("a proposal expires before its time")),
                None => wrong.push(fact!("a proposal expires that does not wait")),
            },
            _ => {}
        }
    }

    fn administrators(&self) -> usize {
        self.holdings.iter().filter(|(_, role, fund)| *role == i32::from(Role::Admin) && *fund == 0).count()
    }

    fn register(&mut self, owner: &str, number: i32, public_key: &Bytes, wrong: &mut Vec<Fact>) {
        for key in self.keys.iter_mut().filter(|key| key.owner == owner) {
            key.is_live = false;
        }
        if public_key.is_empty() {
            return;
        }
        if self.keys.iter().any(|key| key.public == *public_key) {
            wrong.push(fact!("the key of {} was registered before", owner));
        }
        self.keys.push(Key { owner: owner.to_owned(), public: public_key.clone(), is_live: true });
        if usize::try_from(number) != Ok(self.keys.len()) {
            wrong.push(fact!("key {} is registered, {} is next", number, self.keys.len()));
        }
    }

    fn approve(&mut self, booked_at_ns: i64, sequence: i64, approval: &Approval, wrong: &mut Vec<Fact>) {
        let Some(proposal) = self.proposals.get(&sequence) else {
            wrong.push(fact!("an approval of proposal {}, which does not wait", sequence));
            return;
        };
        let message = match (&proposal.command, &proposal.batch) {
            (Some(command), _) => match key_of(command) {
                Some(key) => command_message(&self.origin, &key, proposal.expires_at_ns, command),
                None => return wrong.push(fact!("proposal {} holds no command", sequence)),
            },
            (None, Some(batch)) => batch_message(&self.origin, &proposal.id, proposal.expires_at_ns, &batch.proposed),
            (None, None) => return,
        };
        if proposal.expires_at_ns <= booked_at_ns {
            wrong.push(fact!("proposal {} is approved after its time", sequence));
        }
        if proposal.maker == approval.actor || proposal.approvers.contains(&approval.actor) {
            wrong.push(fact!("{} approves their own proposal, or twice", approval.actor));
        }
        self.check_signature(approval, &message, wrong);
        if let Some(proposal) = self.proposals.get_mut(&sequence) {
            proposal.approvers.push(approval.actor.clone());
        }
    }

    /// A signature of the key over the message, and a key that counts: the approver's own.
    fn check_signature(&self, approval: &Approval, message: &[u8], wrong: &mut Vec<Fact>) {
        let actor = &approval.actor;
        let number = usize::try_from(approval.key).ok().and_then(|number| number.checked_sub(1));
        let Some(key) = number.and_then(|at| self.keys.get(at)).filter(|key| key.owner == *actor) else {
            wrong.push(fact!("the approval of {} is by key {}, which is not theirs", actor, approval.key));
            return;
        };
        if !key.is_live {
            wrong.push(fact!("the approval of {} is by key {}, which counted no more", actor, approval.key));
        }
        if !verifies(&key.public, message, &approval.signature) {
            wrong.push(fact!("the signature of {} is not one over these bytes", actor));
        }
    }

    /// What was proposed is executed only while a role makes it that its maker holds.
    fn check_maker(&self, signed: &SignedCommand, funds: &[i32], authorization: &Authorization, wrong: &mut Vec<Fact>) {
        let Some(proposal) = self.proposals.get(&signed.proposal_sequence).filter(|proposal| !proposal.lost.is_empty())
        else {
            return;
        };
        let of_maker = self.holdings.iter().filter(|(who, _, _)| *who == proposal.maker);
        let held: Vec<Holding> = of_maker.map(|(_, role, fund)| (*role, *fund)).collect();
        if authorization.makers.iter().any(|makers| is_no_longer_theirs(makers, funds, &proposal.lost, &held)) {
            wrong.push(fact!("{} had lost the role for what they proposed", proposal.maker));
        }
    }

    fn check_signed(
        &mut self,
        event: &Event,
        signed: &SignedCommand,
        authorization: &Authorization,
        wrong: &mut Vec<Fact>,
    ) {
        let key_is_taken =
            is_refusal(event) && authorization.request_id == format!("/proposal/{}", signed.proposal_sequence);
        match Command::decode(signed.command.clone()) {
            Ok(command) => {
                let is_same = command.actor == authorization.actor
                    && (command.request_id == authorization.request_id || key_is_taken);
                if !is_same {
                    wrong.push(fact!("the signed bytes are of another command"));
                }
            }
            Err(error) => wrong.push(fact!("the signed bytes are no command: {}", error)),
        }
        match signed.batch_index {
            Some(index) => self.check_member(event, signed, index, authorization, wrong),
            None => self.check_alone(event, signed, authorization, wrong),
        }
    }

    fn check_alone(
        &mut self,
        event: &Event,
        signed: &SignedCommand,
        authorization: &Authorization,
        wrong: &mut Vec<Fact>,
    ) {
        if let Some(request_id) = key_of(&signed.command) {
            let message = command_message(&self.origin, &request_id, signed.expires_at_ns, &signed.command);
            // Of a refused command the signatures are what was refused: a key that counts no more may be why.
            let mut found = Vec::new();
            for approval in &authorization.approvals {
                self.check_signature(approval, &message, &mut found);
            }
            if !is_refusal(event) {
                wrong.append(&mut found);
                if signed.expires_at_ns <= event.booked_at_ns {
                    wrong.push(fact!("the approvals had lapsed"));
                }
            }
        }
        if signed.proposal_sequence != 0 {
            match self.proposals.remove(&signed.proposal_sequence) {
                Some(proposal) if proposal.command.as_ref() == Some(&signed.command) => {}
                Some(_) => wrong.push(fact!("what was executed is not what was proposed")),
                None => wrong.push(fact!("proposal {} does not wait", signed.proposal_sequence)),
            }
        }
    }

    fn check_member(
        &mut self,
        event: &Event,
        signed: &SignedCommand,
        index: i32,
        authorization: &Authorization,
        wrong: &mut Vec<Fact>,
    ) {
        let sequence = signed.proposal_sequence;
        let Some(proposal) = self.proposals.get_mut(&sequence) else {
            // That it does not wait may be why it was refused.
            if !is_refusal(event) {
                wrong.push(fact!("batch {} does not wait", sequence));
            }
            return;
        };
        if !is_refusal(event) && proposal.expires_at_ns <= event.booked_at_ns {
            wrong.push(fact!("the approvals had lapsed"));
        }
        if proposal.maker != authorization.actor {
            wrong.push(fact!("a command of a batch is by another maker"));
        }
        let named = authorization.approvals.iter().map(|approval| &approval.actor);
        if !named.eq(&proposal.approvers) {
            wrong.push(fact!("the approvers of batch {} are others", sequence));
        }
        let Some(batch) = &mut proposal.batch else {
            wrong.push(fact!("proposal {} is no batch", sequence));
            return;
        };
        let count = batch.proposed.command_count;
        if !(0..count).contains(&index) || batch.leaves.insert(index, leaf_hash(&signed.command)).is_some() {
            wrong.push(fact!("place {} of batch {} does not exist, or is taken twice", index, sequence));
        }
        if usize::try_from(count) == Ok(batch.leaves.len()) {
            let leaves: Vec<[u8; 32]> = batch.leaves.values().copied().collect();
            if batch.proposed.root != root(&leaves).as_slice() {
                wrong.push(fact!("the commands of batch {} are not those whose root was approved", sequence));
            }
            self.proposals.remove(&sequence);
        }
    }
}

/// Whether a key is one that the ledger gives its own events, which no client's can be.
pub(in crate::audit) fn is_own_key(event: &Event) -> bool {
    match (&event.payload, &event.signed) {
        (Some(Payload::ProposalExpired(expired)), _) => {
            event.actor == "/ledger" && event.request_id == format!("/expired/{}", expired.proposal_sequence)
        }
        (Some(Payload::PaymentReleased(released)), _) => released.payments.last().is_some_and(|last| {
            event.actor == "/ledger" && event.request_id == format!("/released/{}/{}", last.sequence, last.operation)
        }),
        (Some(Payload::CommandRefused(_)), Some(signed)) => {
            event.request_id == format!("/proposal/{}", signed.proposal_sequence)
        }
        _ => false,
    }
}

const fn is_refusal(event: &Event) -> bool {
    matches!(event.payload, Some(Payload::CommandRefused(_)))
}

fn key_of(command: &Bytes) -> Option<String> {
    Command::decode(command.clone()).ok().map(|command| command.request_id)
}

fn verifies(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = <[u8; 32]>::try_from(public_key).ok().and_then(|key| VerifyingKey::from_bytes(&key).ok());
    let signature = <[u8; 64]>::try_from(signature).ok().map(|signature| Signature::from_bytes(&signature));
    key.zip(signature).is_some_and(|(key, signature)| key.verify_strict(message, &signature).is_ok())
}

fn command_message(origin: &str, request_id: &str, expires_at_ns: i64, command: &[u8]) -> Vec<u8> {
    let mut message = head(COMMAND_TAG, origin, request_id, expires_at_ns);
    part(&mut message, command);
    message
}

fn batch_message(origin: &str, proposal_id: &str, expires_at_ns: i64, batch: &ProposedBatch) -> Vec<u8> {
    let mut message = head(BATCH_TAG, origin, proposal_id, expires_at_ns);
    message.extend_from_slice(&batch.command_count.to_be_bytes());
    message.extend_from_slice(&batch.control_total_minor.to_be_bytes());
    message.extend_from_slice(&batch.root);
    message
}

fn head(tag: &[u8], origin: &str, key: &str, expires_at_ns: i64) -> Vec<u8> {
    let mut message = Vec::new();
    for bytes in [tag, origin.as_bytes(), key.as_bytes()] {
        part(&mut message, bytes);
    }
    message.extend_from_slice(&expires_at_ns.to_be_bytes());
    message
}

fn part(message: &mut Vec<u8>, bytes: &[u8]) {
    message.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    message.extend_from_slice(bytes);
}

fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    let mut tree = Tree::default();
    for leaf in leaves {
        tree.push(*leaf);
    }
    tree.root()
}
