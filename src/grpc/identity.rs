//! Who asks, and what they may do: the person of the client certificate, with the roles that the log has for them now.
//!
//! Everything is looked up once a request. What a role allows without limits is a set of bits; only roles of one fund, or of
//! one agency, make it necessary to look at the accounts of a command.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tonic::Status;

use super::node::Node;
use super::status::Statuses;
use crate::domain::authority::Holding;
use crate::domain::command::{Command, Order};
use crate::domain::ids::{ActorId, FundNumber};
use crate::domain::places::{Place, places};
use crate::domain::principal::Principal;
use crate::domain::refusal::Reason;
use crate::domain::rights::{Action, Reach};
use crate::pb::v1;
use crate::pb::v1::command::Payload;
use crate::projection::Views;
use crate::tls::Peer;

/// Who asks.
#[derive(Clone)]
pub(super) enum Caller {
    /// Nobody knows: a ledger in plain text on loopback. Who acts is what the request says.
    Unidentified,
    /// The person of a certificate.
    Known(Arc<Known>),
}

/// A person, and what they may do as of a moment ago.
pub(super) struct Known {
    peer: Arc<Peer>,
    principal: Principal,
    rights: Rights,
}

/// What somebody may do.
struct Rights {
    holdings: Vec<Holding>,
    /// What they may do for every fund and every agency.
    unlimited: Actions,
    /// What they may do for some.
    some: Actions,
}

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Actions(u64);

const _: () = assert!(Action::ALL.len() <= 64, "a set of actions is a word");

impl Actions {
    #[expect(clippy::as_conversions, reason = "the number of a variant; there are at most 64")]
    const fn bit(action: Action) -> u64 {
        1_u64.wrapping_shl(action as u32)
    }

    const fn has(self, action: Action) -> bool {
        self.0 & Self::bit(action) != 0
    }

    const fn put(&mut self, action: Action) {
        self.0 |= Self::bit(action);
    }
}

impl Rights {
    fn of(holdings: &[Holding]) -> Self {
        let (mut unlimited, mut some) = (Actions::default(), Actions::default());
        for held in holdings {
            for action in Action::ALL {
                match action.reach(held.role) {
                    None => {}
                    Some(Reach::Everywhere) if held.fund == FundNumber::default() => {
                        unlimited.put(*action);
                        some.put(*action);
                    }
                    Some(Reach::Everywhere | Reach::OwnAgency) => some.put(*action),
                }
            }
        }
        Self { holdings: holdings.to_vec(), unlimited, some }
    }
}

/// Why somebody was not let.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// They say that they are somebody else.
    Actor,
    /// No role allows it.
    Action(Action),
    /// They post what is nobody's to post.
    Nobody,
}

/// Refusals on grounds of authority, since the start.
#[derive(Debug, Default)]
pub struct Refused {
    handshakes: AtomicU64,
    unauthenticated: AtomicU64,
    denied: AtomicU64,
}

impl Refused {
    /// A connection showed no certificate that is accepted.
    pub(super) fn count_handshake(&self) {
        self.handshakes.fetch_add(1, Ordering::Relaxed);
    }

    /// A certificate named nobody.
    pub(super) fn count_unauthenticated(&self) {
        self.unauthenticated.fetch_add(1, Ordering::Relaxed);
    }

    /// Each with the name of its kind.
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("handshake", read(&self.handshakes)),
            ("identity", read(&self.unauthenticated)),
            ("authority", read(&self.denied)),
        ]
    }
}

impl Caller {
    /// The person at the other end, with what they may do now.
    pub(super) fn known(peer: Arc<Peer>, principal: Principal, node: &Node) -> Self {
        let rights = Rights::of(node.views().authority.held_by(&principal.actor));
        Self::Known(Arc::new(Known { peer, principal, rights }))
    }

    /// The same person, with what they may do by now.
    pub(super) fn renewed(&self, node: &Node) -> Self {
        match self {
            Self::Unidentified => Self::Unidentified,
            Self::Known(known) => Self::known(Arc::clone(&known.peer), known.principal.clone(), node),
        }
    }

    /// Whether their roles are what they were.
    pub(super) fn has_same_roles(&self, node: &Node) -> bool {
        match self {
            Self::Unidentified => true,
            Self::Known(known) => {
                node.views().authority.held_by(&known.principal.actor) == known.rights.holdings.as_slice()
            }
        }
    }

    /// Who makes the request, where the server put them. A request that did not come past it is nobody's.
    pub(super) fn of<T>(request: &tonic::Request<T>, statuses: Statuses) -> Result<Self, Status> {
        let caller = request.extensions().get::<Self>().cloned();
        caller.ok_or_else(|| statuses.reason(Reason::IdentityInvalid, &[]))
    }

    /// Fills the actor in where the request names none.
    pub(super) fn fill(&self, actor: &mut String) {
        if let Self::Known(known) = self
            && actor.is_empty()
        {
            known.principal.actor.as_str().clone_into(actor);
        }
    }

    /// Fills the makers of commands in where none is named. Who names somebody else is refused later: until then nothing of
    /// theirs is kept.
    pub(super) fn fill_commands(&self, commands: &mut [v1::Command]) {
        let Self::Known(known) = self else { return };
        for command in commands {
            // What was signed names its maker in the bytes.
            if !matches!(command.payload, Some(Payload::SignedCommand(_))) {
                self.fill(&mut command.actor);
                if command.actor != known.principal.actor.as_str() {
                    command.personal_data.clear();
                }
            }
        }
    }

    /// Whether they are who the request says.
    pub(super) fn is(&self, actor: &ActorId) -> bool {
        match self {
            Self::Unidentified => true,
            Self::Known(known) => known.principal.actor == *actor,
        }
    }

    /// Whether a name is theirs.
    pub(super) fn is_named(&self, actor: &str) -> bool {
        match self {
            Self::Unidentified => true,
            Self::Known(known) => known.principal.actor.as_str() == actor,
        }
    }

    /// Whether they may do something for every fund and agency.
    pub(super) fn may_everywhere(&self, action: Action) -> bool {
        match self {
            Self::Unidentified => true,
            Self::Known(known) => known.rights.unlimited.has(action),
        }
    }

    /// Whether they may do something for some fund and agency.
    pub(super) fn may_somewhere(&self, action: Action) -> bool {
        match self {
            Self::Unidentified => true,
            Self::Known(known) => known.rights.some.has(action),
        }
    }

    /// Whether they may do something in a place: of a fund and an agency.
    pub(super) fn may(&self, action: Action, place: &Place<'_>) -> bool {
        let Self::Known(known) = self else { return true };
        let reaches = |held: &Holding| {
            let in_fund = held.fund == FundNumber::default() || place.fund == Some(held.fund);
            let in_agency = match action.reach(held.role) {
                None => return false,
                Some(Reach::Everywhere) => true,
                Some(Reach::OwnAgency) => place.unit == Some(known.principal.agency.as_str()),
            };
            in_fund && in_agency
        };
        known.rights.unlimited.has(action) || known.rights.holdings.iter().any(reaches)
    }

    /// Whether they may post a command; the views tell of which fund and agency its accounts are.
    pub(super) fn may_post(&self, command: &Command, node: &Node) -> Result<(), Denied> {
        let Self::Known(known) = self else { return Ok(()) };
        if known.principal.actor != command.envelope.actor {
            return Err(Denied::Actor);
        }
        if let Order::Transaction { operations } = &command.order {
            return operations.iter().try_for_each(|operation| self.may_order(known, operation.order(), node));
        }
        self.may_order(known, &command.order, node)
    }

    fn may_order(&self, known: &Known, order: &Order, node: &Node) -> Result<(), Denied> {
        let action = Action::of(order).ok_or(Denied::Nobody)?;
        if known.rights.unlimited.has(action) {
            return Ok(());
        }
        let is_allowed = known.rights.some.has(action) && self.may_in_all(action, order, &node.views());
        if is_allowed { Ok(()) } else { Err(Denied::Action(action)) }
    }

    fn may_in_all(&self, action: Action, order: &Order, views: &Views) -> bool {
        let places = places(order, views);
        !places.is_empty() && places.iter().all(|place| self.may(action, place))
    }

    /// Whether a command is one that they made.
    pub(super) fn made(&self, maker: Option<&ActorId>) -> bool {
        match self {
            Self::Unidentified => true,
            Self::Known(known) => maker == Some(&known.principal.actor),
        }
    }

    /// The refusal, told to the log and counted.
    pub(super) fn refuse(&self, denied: Denied, method: &str, node: &Node, statuses: Statuses) -> Status {
        let Self::Known(known) = self else { return statuses.reason(Reason::AccessDenied, &[]) };
        node.refused().denied.fetch_add(1, Ordering::Relaxed);
        let reason = if denied == Denied::Actor { Reason::ActorMismatch } else { Reason::AccessDenied };
        let action = match denied {
            Denied::Action(action) => Some(action.as_str()),
            Denied::Actor | Denied::Nobody => None,
        };
        let (agency, actor) = (&known.principal.agency, &known.principal.actor);
        tracing::warn!(%agency, %actor, address = %known.peer.address, method, action, %reason, "refused on grounds of authority");
        let mut facts = vec![("identity", known.principal.to_string())];
        facts.extend(action.map(|action| ("action", action.to_owned())));
        statuses.reason(reason, &facts)
    }

    /// Refuses what no role allows in a place.
    pub(super) fn check_place(
        &self,
        action: Action,
        place: &Place<'_>,
        node: &Node,
        statuses: Statuses,
    ) -> Result<(), Status> {
        if self.may(action, place) {
            return Ok(());
        }
        Err(self.refuse(Denied::Action(action), "", node, statuses))
    }
}
