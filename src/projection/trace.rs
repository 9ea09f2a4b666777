//! Traces: forwards from a lot, a tree whose sums add up to what was issued; backwards from a payment or a payee to the
//! documents. 顺向可控、逆向可溯.
//!
//! A tree never invents lineage, and says how exactly it can follow money ([`TraceClass`]). Money within one (account, lot) is one sum, so what rests is shown where it rests, and
//! what was paid is shown by payee. It ends on lots that are not in this ledger, and on circles, as unresolved.
//!
//! The views are looked into twice for a moment; the index and the log are read in between, without holding anybody up. A
//! trace is made as a whole: a [`Node`] for each line it shows, and a [`Note`] for each event these rest on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Views;
use super::books::LotView;
use super::events::Events;
use super::history::{Bounds, DateKey, Part, PoolSource, Row, Snapshot, Subject, part_of};
use crate::domain::account::AccountKind;
use crate::domain::approval::Approvals;
use crate::domain::event::{Decision, Event, Leg, Payload, Step};
use crate::domain::housing::HousingEvent;
use crate::domain::ids::{AccountNumber, FundNumber, LotId, LotNumber, PayeeRef, PaymentId, Sequence};
use crate::domain::persons::PersonsEvent;
use crate::domain::time::Day;
use crate::log::Fault;

/// How exactly money can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TraceClass {
    /// Earmarked: the exact flow of every minor unit.
    Strict,
    /// A person's own account: its own history is what is behind the money.
    Individual,
    /// From a pool: what the pool was made up of, never an invented lineage.
    Pooled,
}

/// What a movement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementKind {
    /// A payment.
    Paid,
    /// A return of one.
    Returned,
    /// A reversal of one.
    Reversed,
}

/// What a node stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A lot.
    Lot(LotId),
    /// A budget unit within a lot.
    Unit(String),
    /// What rests in an account; of a USED account, what was paid.
    Account {
        /// Its name.
        account_id: String,
        /// Its kind.
        kind: AccountKind,
    },
    /// A payee.
    Payee(PayeeRef),
    /// A payment, return or reversal, or the part of it from one lot.
    Movement(MovementKind),
    /// Spent before this ledger began.
    Opening,
    /// An authority document.
    Document(String),
    /// A lot that is not in this ledger.
    Unresolved(LotId),
    /// What a pool held when a month began.
    PoolOpening,
    /// What came into it in that month.
    PoolInflow(PoolSource),
}

/// What is told of the event a node rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// The payment, where it is about one.
    pub payment_id: Option<PaymentId>,
    /// Its business date.
    pub business_date: Option<Day>,
    /// Who made the command.
    pub maker: String,
    /// Who approved it.
    pub checkers: Vec<String>,
    /// Numbers of the keys that signed, where the approvals were given with the command as signatures.
    pub keys: Vec<u32>,
    /// Version of the policy that was applied; 0 where none was.
    pub policy_version: u32,
}

/// A node of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Place of its parent in the answer; `None` for a root. Parents come first.
    pub parent: Option<usize>,
    /// What it stands for.
    pub kind: NodeKind,
    /// Minor units.
    pub amount_minor: i64,
    /// The event it rests on, and what is told of it; `None` for sums.
    pub event: Option<(Sequence, Arc<Note>)>,
}

/// Nodes of a trace, parents before children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The fund of the money; `None` where there are several.
    pub fund: Option<FundNumber>,
}

impl Tree {
    /// How exactly what stands at and below each node can be followed, in the order of the nodes.
    pub fn classes(&self) -> Vec<TraceClass> {
        let mut classes: Vec<TraceClass> = self.nodes.iter().map(Node::class).collect();
        for (at, node) in self.nodes.iter().enumerate().rev() {
            let of_child = classes.get(at).copied();
            if let (Some(of_child), Some(parent)) = (of_child, node.parent.and_then(|parent| classes.get_mut(parent))) {
                *parent = of_child.max(*parent);
            }
        }
        classes
    }
}

impl Node {
    fn class(&self) -> TraceClass {
        match &self.kind {
            NodeKind::Account { kind, .. } if kind.is_personal() => TraceClass::Individual,
            NodeKind::Account { kind: AccountKind::Pool, .. } | NodeKind::PoolOpening | NodeKind::PoolInflow(_) => {
                TraceClass::Pooled
            }
            NodeKind::Account { .. }
            | NodeKind::Lot(_)
            | NodeKind::Unit(_)
            | NodeKind::Payee(_)
            | NodeKind::Movement(_)
            | NodeKind::Opening
            | NodeKind::Document(_)
            | NodeKind::Unresolved(_) => TraceClass::Strict,
        }
    }
}

type Rests = Option<(Sequence, Arc<Note>)>;

impl Tree {
    fn add(&mut self, parent: Option<usize>, kind: NodeKind, amount_minor: i64, event: Rests) -> usize {
        self.nodes.push(Node { parent, kind, amount_minor, event });
        self.nodes.len().saturating_sub(1)
    }
}

/// An account that ever held something of a lot.
#[derive(Clone, Debug)]
struct Holding {
    account: AccountNumber,
    account_id: String,
    kind: AccountKind,
    unit_id: Option<String>,
    held_minor: i64,
}

/// What the views know of a lot: where a trace forwards starts.
#[derive(Clone, Debug)]
pub struct LotStart {
    lot: LotNumber,
    view: LotView,
    // What the amounts are as of.
    position: i64,
    holdings: Vec<Holding>,
}

/// Money of one lot to a payee, or back.
#[derive(Clone, Debug)]
struct Movement {
    sequence: Sequence,
    kind: MovementKind,
    amount_minor: i64,
    note: Arc<Note>,
}

/// One event that paid, returned or reversed, with its legs.
#[derive(Clone, Debug)]
pub struct Moved {
    sequence: Sequence,
    kind: MovementKind,
    note: Arc<Note>,
    legs: Vec<Leg>,
}

/// What the views know of the accounts and lots of movements, and of the lots above them.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    used: BTreeSet<AccountNumber>,
    // Pools and personal accounts.
    claims: BTreeMap<AccountNumber, Claim>,
    lots: BTreeMap<LotNumber, LotView>,
    names: BTreeMap<LotId, LotNumber>,
}

#[derive(Clone, Debug)]
struct Claim {
    account_id: String,
    kind: AccountKind,
    fund: FundNumber,
}

impl Views {
    /// Where a trace of a lot starts.
    pub fn lot_start(&self, lot: LotNumber) -> Option<LotStart> {
        let view = self.books.lot(lot)?.clone();
        let of_fund = self.books.accounts().filter(|(_, account)| account.fund == view.fund);
        let holdings = of_fund.filter(|(_, account)| account.has_lot(lot)).map(|(number, account)| Holding {
            account: number,
            account_id: account.account_id.to_string(),
            kind: account.kind,
            unit_id: account.unit_id.as_ref().map(ToString::to_string),
            held_minor: account.lot_minor(lot),
        });
        Some(LotStart { lot, position: self.position.sequence, holdings: holdings.collect(), view })
    }

    /// What lies behind movements, as of a sequence.
    pub fn origins(&self, moved: &[Moved], as_of: i64) -> Origins {
        let mut origins = Origins::default();
        for leg in moved.iter().flat_map(|moved| &moved.legs) {
            let Some(account) = self.books.account(leg.account) else { continue };
            if account.kind == AccountKind::Pool || account.kind.is_personal() {
                let (account_id, kind, fund) = (account.account_id.to_string(), account.kind, account.fund);
                origins.claims.insert(leg.account, Claim { account_id, kind, fund });
            }
            if account.kind == AccountKind::AuthorityUsed {
                origins.used.insert(leg.account);
                let mut next = Some(leg.lot);
                while let Some(lot) = next.take().filter(|lot| !origins.lots.contains_key(lot)) {
                    let Some(view) = self.books.lot(lot).filter(|view| view.opened.0 <= as_of) else { break };
                    next = view.parent_lot_id.as_ref().and_then(|above| self.books.lot_named(above.as_str()));
                    origins.names.insert(view.lot_id.clone(), lot);
                    origins.lots.insert(lot, view.clone());
                }
            }
        }
        origins
    }
}

/// Where a lot's money is, as of a sequence: by unit and account, what was paid by payee.
pub fn of_lot(mut start: LotStart, history: &Snapshot, events: &mut Events<'_>, as_of: i64) -> Result<Tree, Fault> {
    if as_of != start.position {
        for holding in &mut start.holdings {
            let subject = Subject::account_lot(holding.account, start.lot);
            holding.held_minor = history.sum(subject, &Bounds::as_of(as_of))?;
        }
    }
    let payments = payments_by_account(&start, history, events, as_of)?;
    let held = || start.holdings.iter().filter(|holding| holding.held_minor != 0);
    let contra = held().filter(|holding| holding.kind.is_contra());
    let issued = contra.fold(0_i64, |sum, holding| sum.saturating_add(holding.held_minor));
    let opened = Some((start.view.opened, Arc::new(opening_note(events, start.view.opened)?)));
    let mut tree = Tree { fund: Some(start.view.fund), ..Tree::default() };
    let root = tree.add(None, NodeKind::Lot(start.view.lot_id.clone()), issued, opened);
    // Accounts of one unit stand together, where the unit's first account stands.
    let mut units: BTreeMap<&str, usize> = BTreeMap::new();
    for holding in held() {
        let is_spending_authority = holding.kind.tracks_lots() && holding.kind != AccountKind::FundLot;
        if holding.kind.is_contra() || !is_spending_authority {
            continue;
        }
        let parent = match &holding.unit_id {
            None => root,
            Some(unit_id) => {
                let place = *units
                    .entry(unit_id.as_str())
                    .or_insert_with(|| tree.add(Some(root), NodeKind::Unit(unit_id.clone()), 0, None));
                if let Some(unit) = tree.nodes.get_mut(place) {
                    unit.amount_minor = unit.amount_minor.saturating_add(holding.held_minor);
                }
                place
            }
        };
        let place = tree.add(Some(parent), holding.node(), holding.held_minor, None);
        if holding.kind == AccountKind::AuthorityUsed {
            add_payments(&mut tree, place, holding.held_minor, payments.get(&holding.account));
        }
    }
    // A USED account whose payments all came back holds nothing, but its history belongs to the answer.
    for holding in start.holdings.iter().filter(|holding| holding.held_minor == 0) {
        if let Some(by_payee) = payments.get(&holding.account) {
            let place = tree.add(Some(root), holding.node(), 0, None);
            add_payments(&mut tree, place, 0, Some(by_payee));
        }
    }
    Ok(tree)
}

impl Holding {
    fn node(&self) -> NodeKind {
        NodeKind::Account { account_id: self.account_id.clone(), kind: self.kind }
    }
}

type ByPayee = BTreeMap<PayeeRef, Vec<Movement>>;

fn payments_by_account(
    start: &LotStart,
    history: &Snapshot,
    events: &mut Events<'_>,
    as_of: i64,
) -> Result<BTreeMap<AccountNumber, ByPayee>, Fault> {
    let used: BTreeSet<AccountNumber> =
        start.holdings.iter().filter(|h| h.kind == AccountKind::AuthorityUsed).map(|h| h.account).collect();
    let mut payments: BTreeMap<AccountNumber, ByPayee> = BTreeMap::new();
    let rows = history.rows(Subject::lot(start.lot), &Bounds::as_of(as_of), usize::MAX)?;
    for (row, kind) in rows.iter().filter_map(|row| Some((row, movement_kind(row)?))) {
        let event = events.event(Sequence(row.sequence))?;
        for step in event.decision.steps().filter(|step| part_of(step.payload).movement() == Some(kind)) {
            let Some(payee) = events.payee_of(step.payload)? else { continue };
            let note = Arc::new(note(&event, step));
            let of_lot = |leg: &&Leg| leg.lot == start.lot && used.contains(&leg.account);
            for leg in step.legs.iter().filter(of_lot) {
                let (sequence, amount_minor) = (Sequence(row.sequence), leg.debit_minor.saturating_neg());
                let movement = Movement { sequence, kind, amount_minor, note: Arc::clone(&note) };
                payments.entry(leg.account).or_default().entry(payee).or_default().push(movement);
            }
        }
    }
    Ok(payments)
}

fn movement_kind(row: &Row) -> Option<MovementKind> {
    Part::from_number(row.second).movement()
}

impl Part {
    const fn movement(self) -> Option<MovementKind> {
        match self {
            Self::Paid => Some(MovementKind::Paid),
            Self::Returned => Some(MovementKind::Returned),
            Self::Reversed => Some(MovementKind::Reversed),
            Self::Cleared | Self::Other => None,
        }
    }
}

fn add_payments(tree: &mut Tree, used: usize, used_minor: i64, by_payee: Option<&ByPayee>) {
    let mut explained = 0_i64;
    for (payee, movements) in by_payee.into_iter().flatten() {
        let sum = movements.iter().fold(0_i64, |sum, movement| sum.saturating_add(movement.amount_minor));
        explained = explained.saturating_add(sum);
        let place = tree.add(Some(used), NodeKind::Payee(*payee), sum, None);
        for movement in movements {
            let event = Some((movement.sequence, Arc::clone(&movement.note)));
            tree.add(Some(place), NodeKind::Movement(movement.kind), movement.amount_minor, event);
        }
    }
    let before = used_minor.saturating_sub(explained);
    if before != 0 {
        tree.add(Some(used), NodeKind::Opening, before, None);
    }
}

/// What is told of the event that opened a lot.
fn opening_note(events: &mut Events<'_>, opened: Sequence) -> Result<Note, Fault> {
    let event = events.event(opened)?;
    let Decision { legs, payload, .. } = &event.decision;
    Ok(note(&event, Step { operation: 0, legs, payload }))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only these types are about one payment")]
fn note(event: &Event, step: Step<'_>) -> Note {
    let payment_id = match step.payload {
        Payload::PaymentExecuted(payment) => Some(&payment.payment_id),
        Payload::PaymentReturned { payment_id, .. } | Payload::Reversed { payment_id: Some(payment_id), .. } => {
            Some(payment_id)
        }
        Payload::Persons(event) => match event.as_ref() {
            PersonsEvent::BenefitPaid { payment_id, .. } | PersonsEvent::BenefitRecovered { payment_id, .. } => {
                Some(payment_id)
            }
            _ => None,
        },
        Payload::Housing(event) => match event.as_ref() {
            HousingEvent::Withdrawn { payment_id, .. } => Some(payment_id),
            _ => None,
        },
        _ => None,
    };
    let policy_version = match &event.decision.payload {
        Payload::TransactionPosted { operations } => {
            let place = usize::try_from(step.operation).ok().and_then(|operation| operation.checked_sub(1));
            place.and_then(|place| operations.get(place)).map_or(0, |operation| operation.policy_version)
        }
        _ => event.decision.policy_version,
    };
    let keys = match event.envelope.as_ref().map(|envelope| &envelope.approvals) {
        Some(Approvals::Signed(signed)) => signed.approvals.iter().map(|approval| approval.key.0).collect(),
        Some(Approvals::Named(_) | Approvals::Batch(_)) | None => Vec::new(),
    };
    let envelope = event.envelope.as_ref();
    let checkers = envelope.map(|envelope| envelope.approvals.actors().map(ToString::to_string).collect());
    Note {
        payment_id: payment_id.cloned(),
        business_date: envelope.map(|envelope| envelope.business_date),
        maker: envelope.map(|envelope| envelope.actor.to_string()).unwrap_or_default(),
        checkers: checkers.unwrap_or_default(),
        keys,
        policy_version,
    }
}

/// A payment and what came back of it, as of a sequence; nothing where there is none of this number.
pub fn moved_by_payment(
    payment_id: &PaymentId,
    history: &Snapshot,
    events: &mut Events<'_>,
    as_of: i64,
) -> Result<Vec<Moved>, Fault> {
    moved(Subject::payment(payment_id.as_str()), history, events, as_of, |note, _| {
        note.payment_id.as_ref() == Some(payment_id)
    })
}

/// What a payee was paid and what came back of it, as of a sequence; nothing for somebody never paid.
pub fn moved_to_payee(
    payee: PayeeRef,
    history: &Snapshot,
    events: &mut Events<'_>,
    as_of: i64,
) -> Result<Vec<Moved>, Fault> {
    moved(Subject::payee(payee), history, events, as_of, |_, found| found == Some(payee))
}

fn moved(
    subject: Subject,
    history: &Snapshot,
    events: &mut Events<'_>,
    as_of: i64,
    is_meant: impl Fn(&Note, Option<PayeeRef>) -> bool,
) -> Result<Vec<Moved>, Fault> {
    let mut all = Vec::new();
    let rows = history.rows(subject, &Bounds::as_of(as_of), usize::MAX)?;
    for (row, kind) in rows.iter().filter_map(|row| Some((row, movement_kind(row)?))) {
        let sequence = Sequence(row.sequence);
        let event = events.event(sequence)?;
        for step in event.decision.steps().filter(|step| part_of(step.payload).movement() == Some(kind)) {
            let payee = events.payee_of(step.payload)?;
            let note = note(&event, step);
            if is_meant(&note, payee) {
                all.push(Moved { sequence, kind, note: Arc::new(note), legs: step.legs.to_vec() });
            }
        }
    }
    Ok(all)
}

/// Where movements' money came from: their lots, the documents, the lots above; or the pool and the personal account; below
/// the payee, where there is one.
pub fn backwards(
    payee: Option<PayeeRef>,
    moved: &[Moved],
    origins: &Origins,
    history: &Snapshot,
    events: &mut Events<'_>,
    as_of: i64,
) -> Result<Tree, Fault> {
    let mut tree = Tree { fund: origins.fund(), ..Tree::default() };
    let amounts = |moved: &Moved| -> Vec<(LotNumber, i64)> {
        let used = moved.legs.iter().filter(|leg| origins.used.contains(&leg.account));
        used.map(|leg| (leg.lot, leg.debit_minor.saturating_neg())).collect()
    };
    let claims = |moved: &Moved| -> Vec<(AccountNumber, i64)> {
        let of_claims = moved.legs.iter().filter(|leg| origins.claims.contains_key(&leg.account));
        of_claims.map(|leg| (leg.account, leg.debit_minor)).collect()
    };
    let total = |moved: &Moved| {
        let of_lots = amounts(moved).into_iter().map(|(_, part)| part);
        of_lots.chain(claims(moved).into_iter().map(|(_, part)| part)).fold(0, i64::saturating_add)
    };
    let root = payee.map(|payee| {
        let sum = moved.iter().fold(0_i64, |sum, moved| sum.saturating_add(total(moved)));
        tree.add(None, NodeKind::Payee(payee), sum, None)
    });
    let mut notes: BTreeMap<Sequence, Arc<Note>> = BTreeMap::new();
    for view in origins.lots.values() {
        notes.insert(view.opened, Arc::new(opening_note(events, view.opened)?));
    }
    for moved in moved {
        let event = Some((moved.sequence, Arc::clone(&moved.note)));
        let place = tree.add(root, NodeKind::Movement(moved.kind), total(moved), event);
        for (lot, part) in amounts(moved) {
            origins.add(&mut tree, place, lot, part, &notes);
        }
        for (account, part) in claims(moved) {
            let Some(Claim { account_id, kind, .. }) = origins.claims.get(&account).cloned() else { continue };
            let claim = tree.add(Some(place), NodeKind::Account { account_id, kind }, part, None);
            if kind == AccountKind::Pool {
                add_composition(&mut tree, claim, account, moved.note.business_date, history, as_of)?;
            }
        }
    }
    Ok(tree)
}

/// What a pool was made up of in the month of a movement: what it held when the month began, and what came in, by source. Money
/// in a pool is one sum: which contribution paid which benefit is not a question that has an answer.
fn add_composition(
    tree: &mut Tree,
    parent: usize,
    pool: AccountNumber,
    on: Option<Day>,
    history: &Snapshot,
    as_of: i64,
) -> Result<(), Fault> {
    let Some(month) = on.map(Day::period) else { return Ok(()) };
    let last_day = month.last_day().days();
    let (year, number) = (month.number().div_euclid(100), month.number().rem_euclid(100));
    let Ok(first_day) = Day::new(year, number, 1) else { return Ok(()) };
    let first = DateKey::start_of(first_day.days());
    let before = Bounds { until: first, ..Bounds::as_of(as_of) };
    let within = Bounds { from: first, until: DateKey::end_of(last_day), ..Bounds::as_of(as_of) };
    let opening = history.sum(Subject::account(pool), &before)?;
    tree.add(Some(parent), NodeKind::PoolOpening, opening, None);
    for source in PoolSource::ALL {
        let inflow = history.sum(Subject::pool_source(pool, source), &within)?;
        if inflow != 0 {
            tree.add(Some(parent), NodeKind::PoolInflow(source), inflow, None);
        }
    }
    Ok(())
}

impl Origins {
    /// The fund of all lots, pools and personal accounts, where it is one.
    fn fund(&self) -> Option<FundNumber> {
        let of_claims = self.claims.values().map(|claim| claim.fund);
        let mut funds = self.lots.values().map(|lot| lot.fund).chain(of_claims);
        let first = funds.next()?;
        funds.all(|fund| fund == first).then_some(first)
    }

    /// A lot, its document, and the lots above it.
    fn add(
        &self,
        tree: &mut Tree,
        parent: usize,
        lot: LotNumber,
        amount_minor: i64,
        notes: &BTreeMap<Sequence, Arc<Note>>,
    ) {
        let mut parent = parent;
        let mut seen: BTreeSet<LotNumber> = BTreeSet::new();
        let mut next = Some(lot);
        while let Some(lot) = next.take() {
            let Some(view) = self.lots.get(&lot) else { return };
            seen.insert(lot);
            let opened = || notes.get(&view.opened).map(|note| (view.opened, Arc::clone(note)));
            parent = tree.add(Some(parent), NodeKind::Lot(view.lot_id.clone()), amount_minor, opened());
            let document = format!("{} {}", view.issuer_id, view.document_number);
            tree.add(Some(parent), NodeKind::Document(document), amount_minor, opened());
            let Some(above) = &view.parent_lot_id else { return };
            next = self.names.get(above).copied().filter(|number| !seen.contains(number));
            if next.is_none() {
                tree.add(Some(parent), NodeKind::Unresolved(above.clone()), amount_minor, None);
            }
        }
    }
}
