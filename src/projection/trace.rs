//! Traces: forwards from a lot, a tree whose sums add up to what was issued; backwards from a payment or a payee to the
//! documents. 顺向可控、逆向可溯.
//!
//! A tree never invents lineage: money within one (account, lot) is one sum, so what rests is shown where it rests, and
//! what was paid is shown by payee. It ends on lots that are not in this ledger, and on circles, as unresolved.

use std::collections::{BTreeMap, BTreeSet};

use super::Views;
use super::lineage::{Movement, MovementKind};
use crate::domain::account::AccountKind;
use crate::domain::ids::{AccountNumber, LotId, LotNumber, PayeeRef, Sequence};

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
    /// The event it rests on; `None` for sums.
    pub sequence: Option<Sequence>,
}

/// Nodes of a trace, parents before children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The nodes.
    pub nodes: Vec<Node>,
}

impl Tree {
    fn add(&mut self, parent: Option<usize>, kind: NodeKind, amount_minor: i64, sequence: Option<Sequence>) -> usize {
        self.nodes.push(Node { parent, kind, amount_minor, sequence });
        self.nodes.len().saturating_sub(1)
    }
}

impl Views {
    /// Where a lot's money is: by unit and account, what was paid by payee.
    pub fn trace_lot(&self, lot: LotNumber) -> Tree {
        let mut tree = Tree::default();
        let Some(view) = self.books.lot(lot) else { return tree };
        let held: Vec<_> = self
            .books
            .accounts()
            .filter(|(_, account)| account.fund == view.fund)
            .map(|(number, account)| (number, account, account.lot_minor(lot)))
            .filter(|(_, _, held)| *held != 0)
            .collect();
        let issued = held
            .iter()
            .filter(|(_, account, _)| account.kind.is_contra())
            .fold(0_i64, |sum, (_, _, held)| sum.saturating_add(*held));
        let root = tree.add(None, NodeKind::Lot(view.lot_id.clone()), issued, Some(view.opened));
        let payments = self.payments_by_account(lot);
        // Accounts of one unit stand together, where the unit's first account stands.
        let mut units: BTreeMap<&str, usize> = BTreeMap::new();
        for (number, account, amount) in &held {
            let is_spending_authority = account.kind.tracks_lots() && account.kind != AccountKind::FundLot;
            if account.kind.is_contra() || !is_spending_authority {
                continue;
            }
            let parent = match &account.unit_id {
                None => root,
                Some(unit_id) => {
                    let place = *units
                        .entry(unit_id.as_str())
                        .or_insert_with(|| tree.add(Some(root), NodeKind::Unit(unit_id.to_string()), 0, None));
                    if let Some(unit) = tree.nodes.get_mut(place) {
                        unit.amount_minor = unit.amount_minor.saturating_add(*amount);
                    }
                    place
                }
            };
            let kind = NodeKind::Account { account_id: account.account_id.to_string(), kind: account.kind };
            let place = tree.add(Some(parent), kind, *amount, None);
            if account.kind == AccountKind::AuthorityUsed {
                add_payments(&mut tree, place, *amount, payments.get(number));
            }
        }
        // A USED account whose payments all came back holds nothing, but its history belongs to the answer.
        for (number, by_payee) in &payments {
            let is_shown = held.iter().any(|(held_number, _, _)| held_number == number);
            if let Some(account) = self.books.account(*number).filter(|_| !is_shown) {
                let kind = NodeKind::Account { account_id: account.account_id.to_string(), kind: account.kind };
                let place = tree.add(Some(root), kind, 0, None);
                add_payments(&mut tree, place, 0, Some(by_payee));
            }
        }
        tree
    }

    fn payments_by_account(&self, lot: LotNumber) -> BTreeMap<AccountNumber, BTreeMap<PayeeRef, Vec<Movement>>> {
        let mut payments: BTreeMap<AccountNumber, BTreeMap<PayeeRef, Vec<Movement>>> = BTreeMap::new();
        for (payee, movement) in self.lineage.of_lot(lot) {
            payments.entry(movement.used).or_default().entry(payee).or_default().push(*movement);
        }
        payments
    }

    /// Where a payment's money came from: its lots, their documents, the lots above them; then what came back of it.
    pub fn trace_payment(&self, payee: PayeeRef, payment: Sequence) -> Tree {
        let mut tree = Tree::default();
        let movements = self.lineage.of_payee(payee).into_iter().flatten();
        let of_payment: Vec<_> = movements
            .filter(|(_, movement)| movement.original == payment)
            .map(|(lot, movement)| (lot, *movement))
            .collect();
        self.add_movements(&mut tree, None, &of_payment);
        tree
    }

    /// Where everything a payee was paid came from; `None` for somebody never paid.
    pub fn trace_payee(&self, payee: PayeeRef) -> Option<Tree> {
        let mut tree = Tree::default();
        let movements: Vec<_> = self.lineage.of_payee(payee)?.map(|(lot, movement)| (lot, *movement)).collect();
        let sum = movements.iter().fold(0_i64, |sum, (_, movement)| sum.saturating_add(movement.amount_minor));
        let root = tree.add(None, NodeKind::Payee(payee), sum, None);
        self.add_movements(&mut tree, Some(root), &movements);
        Some(tree)
    }

    /// Events in order, each with its parts by lot, each with its documents.
    fn add_movements(&self, tree: &mut Tree, parent: Option<usize>, movements: &[(LotNumber, Movement)]) {
        for parts in movements.chunk_by(|(_, one), (_, other)| one.sequence == other.sequence) {
            let Some((_, first)) = parts.first() else { continue };
            let sum = parts.iter().fold(0_i64, |sum, (_, part)| sum.saturating_add(part.amount_minor));
            let place = tree.add(parent, NodeKind::Movement(first.kind), sum, Some(first.sequence));
            for (lot, part) in parts {
                self.add_origin(tree, place, *lot, part.amount_minor);
            }
        }
    }

    /// A lot, its document, and the lots above it.
    fn add_origin(&self, tree: &mut Tree, parent: usize, lot: LotNumber, amount_minor: i64) {
        let mut parent = parent;
        let mut seen: BTreeSet<LotNumber> = BTreeSet::new();
        let mut next = Some(lot);
        while let Some(lot) = next.take() {
            let Some(view) = self.books.lot(lot) else { return };
            seen.insert(lot);
            parent = tree.add(Some(parent), NodeKind::Lot(view.lot_id.clone()), amount_minor, Some(view.opened));
            let document = format!("{} {}", view.issuer_id, view.document_number);
            tree.add(Some(parent), NodeKind::Document(document), amount_minor, Some(view.opened));
            let Some(above) = &view.parent_lot_id else { return };
            next = self.books.lot_named(above.as_str()).filter(|number| !seen.contains(number));
            if next.is_none() {
                tree.add(Some(parent), NodeKind::Unresolved(above.clone()), amount_minor, None);
            }
        }
    }
}

fn add_payments(tree: &mut Tree, used: usize, used_minor: i64, by_payee: Option<&BTreeMap<PayeeRef, Vec<Movement>>>) {
    let mut explained = 0_i64;
    for (payee, movements) in by_payee.into_iter().flatten() {
        let sum = movements.iter().fold(0_i64, |sum, movement| sum.saturating_add(movement.amount_minor));
        explained = explained.saturating_add(sum);
        let place = tree.add(Some(used), NodeKind::Payee(*payee), sum, None);
        for movement in movements {
            let kind = NodeKind::Movement(movement.kind);
            tree.add(Some(place), kind, movement.amount_minor, Some(movement.sequence));
        }
    }
    let before = used_minor.saturating_sub(explained);
    if before != 0 {
        tree.add(Some(used), NodeKind::Opening, before, None);
    }
}
