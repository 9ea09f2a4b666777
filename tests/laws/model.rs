//! A second model of the money, as naive as possible: plain maps, no types, no order of checks. It predicts what is accepted
//! and what every account then holds.

use std::collections::{BTreeMap, BTreeSet};

use fundledger::domain::command::Order;
use proptest::prelude::*;

use super::support::orders::{
    Who, allocate, carry, cash, clear, commit, freeze_lot, give_back, issue, lot, on, pay, plan, recall, reduce,
    release, reverse, unfreeze,
};

pub(crate) const LOTS: &[&str] = &["L0", "L1", "L2"];
const UNITS: &[&str] = &["A", "B"];
/// Contracts with their contractors.
const CONTRACTS: &[(&str, &str)] = &[("K0", "V0"), ("K1", "V1")];
/// Carried-over lots of 2026 may be recalled on this day.
const TODAY: &str = "2027-05-01";

/// What is drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Plan,
    Commit,
    Carry,
}

/// A step; numbers stand for names.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Issue(usize, i64),
    Cash(usize, i64),
    Reduce(usize, i64),
    Allocate(usize, usize, i64),
    Plan(usize, usize, i64),
    Commit(usize, usize, usize, i64),
    Release(usize, usize, usize, i64),
    Pay { id: usize, source: Source, unit: usize, draws: Vec<(usize, i64)>, contract: Option<usize>, payee: usize },
    PayAny { id: usize, unit: usize, minor: i64 },
    Clear(Vec<usize>),
    Return(usize, i64),
    Reverse(usize),
    Freeze(usize),
    Unfreeze(usize),
    Carry(usize),
    Recall(usize),
}

pub(crate) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let lot = || 0..LOTS.len();
    let unit = || 0..UNITS.len();
    let id = || 0..9_usize;
    let minor = || 1..120_i64;
    let source = prop_oneof![3 => Just(Source::Plan), 2 => Just(Source::Commit), 1 => Just(Source::Carry)];
    let draws = prop::collection::btree_map(lot(), minor(), 1..3).prop_map(|draws| draws.into_iter().rev().collect());
    let contract = prop::option::of(0..CONTRACTS.len());
    let pays =
        (id(), source, unit(), draws, contract, 0..3_usize).prop_map(|(id, source, unit, draws, contract, payee)| {
            // Mostly as it should be: a commitment is paid under a contract, to the contractor.
            let contract = if source == Source::Commit && payee < 2 { Some(payee) } else { contract };
            Step::Pay { id, source, unit, draws, contract, payee }
        });
    let step = prop_oneof![
        3 => (lot(), 100..1_000_i64).prop_map(|(lot, minor)| Step::Issue(lot, minor)),
        3 => (lot(), 100..800_i64).prop_map(|(lot, minor)| Step::Cash(lot, minor)),
        1 => (lot(), minor()).prop_map(|(lot, minor)| Step::Reduce(lot, minor)),
        6 => (unit(), lot(), 1..400_i64).prop_map(|(unit, lot, minor)| Step::Allocate(unit, lot, minor)),
        6 => (unit(), lot(), 1..300_i64).prop_map(|(unit, lot, minor)| Step::Plan(unit, lot, minor)),
        4 => (unit(), lot(), 0..2_usize, minor()).prop_map(|(u, lot, k, minor)| Step::Commit(u, lot, k, minor)),
        2 => (unit(), lot(), 0..2_usize, 1..60_i64).prop_map(|(u, lot, k, minor)| Step::Release(u, lot, k, minor)),
        8 => pays,
        3 => (id(), unit(), minor()).prop_map(|(id, unit, minor)| Step::PayAny { id, unit, minor }),
        5 => id().prop_map(|id| Step::Clear(vec![id])),
        2 => prop::collection::vec(id(), 2..3).prop_map(Step::Clear),
        9 => (id(), 1..60_i64).prop_map(|(id, minor)| Step::Return(id, minor)),
        2 => id().prop_map(Step::Reverse),
        1 => lot().prop_map(Step::Freeze),
        4 => (0..4_usize).prop_map(Step::Unfreeze),
        1 => lot().prop_map(Step::Carry),
        2 => lot().prop_map(Step::Recall),
    ];
    let start = (100..1_000_i64).prop_map(|minor| {
        let lots = (0..2).flat_map(move |lot| {
            let authority = [Step::Issue(lot, 2 * minor), Step::Cash(lot, minor)];
            authority.into_iter().chain(
                (0..2).flat_map(move |unit| [Step::Allocate(unit, lot, minor / 2), Step::Plan(unit, lot, minor / 3)]),
            )
        });
        lots.collect::<Vec<_>>()
    });
    (start, prop::collection::vec(step, 0..most)).prop_map(|(mut start, steps)| {
        start.extend(steps);
        start
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Ordered,
    Cleared,
    Reversed,
}

#[derive(Clone)]
pub(crate) struct Paid {
    pub(crate) sequence: i64,
    /// By lot, in the order drawn: what was paid, and what is not back yet.
    pub(crate) parts: Vec<(usize, i64, i64)>,
    source: String,
    used: String,
    contract: Option<usize>,
    status: Status,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Carried,
    Lapsed,
}

#[derive(Default)]
struct Contract {
    open: BTreeMap<(String, usize), i64>,
    carried: i64,
}

/// What everybody holds: by account and lot, or by account alone.
pub(crate) type Held = BTreeMap<(String, Option<usize>), i64>;

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) held: Held,
    /// In the order they were opened, which is the order of their numbers.
    pub(crate) issued: Vec<usize>,
    pub(crate) received: BTreeMap<usize, i64>,
    pub(crate) sent_up: BTreeMap<usize, i64>,
    pub(crate) payments: BTreeMap<usize, Paid>,
    stages: BTreeMap<usize, Stage>,
    contracts: BTreeMap<usize, Contract>,
    frozen: BTreeSet<usize>,
    /// Lots of the cases, and which were lifted.
    cases: Vec<(usize, bool)>,
    steps: usize,
}

/// Of an account, of a lot in it or of the whole.
type Change = (String, Option<usize>, i64);

fn at_lot(account: &str, lot: usize, change: i64) -> Change {
    (account.to_owned(), Some(lot), change)
}

fn whole(account: &str, change: i64) -> Change {
    (account.to_owned(), None, change)
}

impl Source {
    fn account(self, unit: usize) -> String {
        match self {
            Self::Plan => format!("a.{}.plan", UNITS[unit]),
            Self::Commit => format!("a.{}.commit", UNITS[unit]),
            Self::Carry => "a.carry".to_owned(),
        }
    }
}

fn account(unit: usize, kind: &str) -> String {
    format!("a.{}.{kind}", UNITS[unit])
}

impl Model {
    pub(crate) fn held(&self, account: &str, lot: Option<usize>) -> i64 {
        self.held.get(&(account.to_owned(), lot)).copied().unwrap_or_default()
    }

    /// The order that a step stands for, as the next one.
    pub(crate) fn order(&self, step: &Step) -> (Who, Order) {
        let at = self.steps;
        let key = |name: &str| format!("{name}-{at}");
        let order = match step {
            Step::Issue(number, minor) => issue(lot(LOTS[*number]), "a.unalloc", *minor),
            Step::Cash(number, minor) => cash(LOTS[*number], *minor, &key("cash")),
            Step::Reduce(number, minor) => reduce(LOTS[*number], "a.unalloc", *minor, &key("reduction")),
            Step::Allocate(unit, lot, minor) => {
                allocate("a.unalloc", &account(*unit, "unit"), *minor, &[(LOTS[*lot], *minor)])
            }
            Step::Plan(unit, lot, minor) => {
                plan(&account(*unit, "unit"), &account(*unit, "plan"), *minor, &[(LOTS[*lot], *minor)])
            }
            Step::Commit(unit, lot, contract, minor) => {
                let (name, contractor) = CONTRACTS[*contract];
                let (from, to) = (account(*unit, "plan"), account(*unit, "commit"));
                commit(&from, &to, *minor, &[(LOTS[*lot], *minor)], name, contractor)
            }
            Step::Release(unit, lot, contract, minor) => {
                let (from, to) = (account(*unit, "commit"), account(*unit, "plan"));
                release(&from, &to, *minor, &[(LOTS[*lot], *minor)], CONTRACTS[*contract].0)
            }
            Step::Pay { id, source, unit, draws, contract, payee } => {
                let lots: Vec<(&str, i64)> = draws.iter().map(|(lot, minor)| (LOTS[*lot], *minor)).collect();
                let sum = lots.iter().map(|(_, minor)| minor).sum();
                let pay = pay(&format!("p{id}"), &source.account(*unit), sum, &lots, &format!("V{payee}"));
                let pay = pay.unit(UNITS[*unit]);
                match contract {
                    Some(contract) => pay.under(CONTRACTS[*contract].0).into(),
                    None => pay.into(),
                }
            }
            Step::PayAny { id, unit, minor } => {
                pay(&format!("p{id}"), &account(*unit, "plan"), *minor, &[], "V9").into()
            }
            Step::Clear(ids) => {
                let names: Vec<String> = ids.iter().map(|id| format!("p{id}")).collect();
                clear(&names.iter().map(String::as_str).collect::<Vec<_>>(), &key("clearing"))
            }
            Step::Return(id, minor) => give_back(&format!("p{id}"), *minor, &key("return")),
            Step::Reverse(id) => reverse(self.payments.get(id).map_or(1_000_000, |paid| paid.sequence)),
            Step::Freeze(lot) => freeze_lot(&format!("case-{}", self.cases.len()), LOTS[*lot]),
            Step::Unfreeze(case) => unfreeze(&format!("case-{case}")),
            Step::Carry(lot) => carry(LOTS[*lot], 2026),
            Step::Recall(lot) => recall(LOTS[*lot]),
        };
        (on(TODAY), order)
    }

    /// Takes a step, if it is allowed; whether it is. An accepted one gets this sequence.
    pub(crate) fn take(&mut self, step: &Step, sequence: i64) -> bool {
        self.steps += 1;
        let known = |lot: &usize| self.issued.contains(lot);
        match step {
            Step::Issue(lot, minor) => {
                if known(lot) {
                    return false;
                }
                self.issued.push(*lot);
                self.stages.insert(*lot, Stage::Open);
                self.shift(&[at_lot("a.src", *lot, *minor), at_lot("a.unalloc", *lot, *minor)])
            }
            Step::Cash(lot, minor) => {
                if !known(lot) {
                    return false;
                }
                *self.received.entry(*lot).or_default() += minor;
                self.shift(&[whole("c.treasury", *minor), at_lot("c.fund", *lot, *minor)])
            }
            Step::Reduce(lot, minor) => {
                known(lot) && self.shift(&[at_lot("a.unalloc", *lot, -minor), at_lot("a.src", *lot, -minor)])
            }
            Step::Allocate(unit, lot, minor) => self.transfer("a.unalloc", &account(*unit, "unit"), *lot, *minor),
            Step::Plan(unit, lot, minor) => {
                self.transfer(&account(*unit, "unit"), &account(*unit, "plan"), *lot, *minor)
            }
            Step::Commit(unit, lot, contract, minor) => {
                let to = account(*unit, "commit");
                let done = self.transfer(&account(*unit, "plan"), &to, *lot, *minor);
                if done {
                    *self.contracts.entry(*contract).or_default().open.entry((to, *lot)).or_default() += minor;
                }
                done
            }
            Step::Release(unit, lot, contract, minor) => {
                let from = account(*unit, "commit");
                let done = self.open(*contract, &from, *lot) >= *minor
                    && self.transfer(&from, &account(*unit, "plan"), *lot, *minor);
                if done {
                    self.count(*contract, &from, *lot, -minor);
                }
                done
            }
            Step::Pay { id, source, unit, draws, contract, payee } => {
                self.pay(*id, *source, *unit, draws, *contract, *payee, sequence)
            }
            Step::PayAny { id, unit, minor } => {
                let mut missing = *minor;
                let mut draws = Vec::new();
                for lot in self.issued.iter().filter(|lot| !self.frozen.contains(lot)) {
                    let drawn = missing.min(self.held(&account(*unit, "plan"), Some(*lot)));
                    if drawn > 0 {
                        draws.push((*lot, drawn));
                        missing -= drawn;
                    }
                }
                missing == 0 && self.pay(*id, Source::Plan, *unit, &draws, None, 9, sequence)
            }
            Step::Clear(ids) => {
                let once: BTreeSet<_> = ids.iter().collect();
                let ordered = |id: &usize| self.payments.get(id).is_some_and(|paid| paid.status == Status::Ordered);
                if once.len() != ids.len() || !ids.iter().all(ordered) {
                    return false;
                }
                let sum: i64 = ids.iter().flat_map(|id| &self.payments[id].parts).map(|(_, paid, _)| paid).sum();
                let done = self.shift(&[whole("c.clear", -sum), whole("c.treasury", -sum)]);
                if done {
                    for id in ids {
                        self.payments.get_mut(id).unwrap().status = Status::Cleared;
                    }
                }
                done
            }
            Step::Return(id, minor) => self.give_back(*id, *minor),
            Step::Reverse(id) => self.reverse(*id),
            Step::Freeze(lot) => {
                let done = known(lot);
                if done {
                    self.cases.push((*lot, false));
                    self.frozen.insert(*lot);
                }
                done
            }
            Step::Unfreeze(_) | Step::Carry(_) | Step::Recall(_) => self.take_control(step),
        }
    }

    fn take_control(&mut self, step: &Step) -> bool {
        match step {
            Step::Unfreeze(case) => {
                let Some((_, is_lifted @ false)) = self.cases.get_mut(*case) else { return false };
                *is_lifted = true;
                self.frozen = self.cases.iter().filter(|(_, is_lifted)| !is_lifted).map(|(lot, _)| *lot).collect();
                true
            }
            Step::Carry(lot) => {
                let accounts = ["plan", "unit", "commit"].map(|kind| [account(0, kind), account(1, kind)]).concat();
                let Some((mut changes, sum)) = self.emptied(&accounts, *lot) else { return false };
                changes.push(at_lot("a.carry", *lot, sum));
                assert!(self.shift(&changes));
                self.stages.insert(*lot, Stage::Carried);
                for contract in self.contracts.values_mut() {
                    for ((_, _), open) in contract.open.iter_mut().filter(|((_, of_lot), _)| of_lot == lot) {
                        contract.carried += *open;
                        *open = 0;
                    }
                }
                true
            }
            Step::Recall(lot) => {
                let own = ["a.unalloc", "a.carry"].map(str::to_owned).to_vec();
                let accounts =
                    [own, ["plan", "unit"].map(|kind| [account(0, kind), account(1, kind)]).concat()].concat();
                if self.stages.get(lot).is_none_or(|stage| *stage == Stage::Open) {
                    return false;
                }
                let Some((mut changes, sum)) = self.emptied(&accounts, *lot) else { return false };
                let cash = sum.min(self.held("c.fund", Some(*lot)));
                changes.push(at_lot("a.recalled", *lot, sum));
                changes.push(at_lot("c.fund", *lot, -cash));
                changes.push(whole("c.treasury", -cash));
                assert!(self.shift(&changes));
                *self.sent_up.entry(*lot).or_default() += cash;
                self.stages.insert(*lot, Stage::Lapsed);
                true
            }
            _ => false,
        }
    }

    fn emptied(&self, accounts: &[String], lot: usize) -> Option<(Vec<Change>, i64)> {
        let held = accounts.iter().map(|name| (name, self.held(name, Some(lot)))).filter(|(_, held)| *held > 0);
        let changes: Vec<_> = held.map(|(name, held)| at_lot(name, lot, -held)).collect();
        let sum: i64 = changes.iter().map(|(_, _, change)| -change).sum();
        (sum > 0 && !self.frozen.contains(&lot)).then_some((changes, sum))
    }

    fn open(&self, contract: usize, account: &str, lot: usize) -> i64 {
        let open = self.contracts.get(&contract).and_then(|known| known.open.get(&(account.to_owned(), lot)));
        open.copied().unwrap_or_default()
    }

    fn count(&mut self, contract: usize, account: &str, lot: usize, change: i64) {
        let known = self.contracts.entry(contract).or_default();
        if account == "a.carry" {
            known.carried += change;
        } else if account.ends_with("commit") {
            *known.open.entry((account.to_owned(), lot)).or_default() += change;
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a payment has that many parts")]
    fn pay(
        &mut self,
        id: usize,
        source: Source,
        unit: usize,
        draws: &[(usize, i64)],
        contract: Option<usize>,
        payee: usize,
        sequence: i64,
    ) -> bool {
        let from = source.account(unit);
        let used = account(unit, "used");
        let sum: i64 = draws.iter().map(|(_, minor)| minor).sum();
        if self.payments.contains_key(&id) {
            return false;
        }
        let within = match (contract, source) {
            (None, Source::Commit) | (Some(_), Source::Plan) => false,
            (None, Source::Plan | Source::Carry) => true,
            (Some(contract), Source::Commit) => {
                draws.iter().all(|(lot, minor)| self.open(contract, &from, *lot) >= *minor)
            }
            (Some(contract), Source::Carry) => self.contracts.get(&contract).is_some_and(|known| known.carried >= sum),
        };
        let is_contractor = contract.is_none_or(|contract| contract == payee && self.contracts.contains_key(&contract));
        if !within || !is_contractor || draws.iter().any(|(lot, _)| self.frozen.contains(lot)) {
            return false;
        }
        let mut changes = vec![whole("c.clear", sum)];
        for (lot, minor) in draws {
            changes.push(at_lot(&from, *lot, -minor));
            changes.push(at_lot(&used, *lot, *minor));
            changes.push(at_lot("c.fund", *lot, -minor));
        }
        if !self.shift(&changes) {
            return false;
        }
        if let Some(contract) = contract {
            for (lot, minor) in draws {
                self.count(contract, &from, *lot, -minor);
            }
        }
        let parts = draws.iter().map(|(lot, minor)| (*lot, *minor, *minor)).collect();
        let paid = Paid { sequence, parts, source: from, used, contract, status: Status::Ordered };
        self.payments.insert(id, paid);
        true
    }

    fn give_back(&mut self, id: usize, minor: i64) -> bool {
        let Some(mut paid) = self.payments.get(&id).cloned() else { return false };
        let left: i64 = paid.parts.iter().map(|(_, _, left)| left).sum();
        if paid.status != Status::Cleared || minor > left {
            return false;
        }
        let mut missing = minor;
        let mut changes = vec![whole("c.treasury", minor)];
        for (lot, _, left) in paid.parts.iter_mut().rev() {
            let back = missing.min(*left);
            missing -= back;
            *left -= back;
            changes.push(at_lot(&paid.used, *lot, -back));
            match self.stages[lot] {
                Stage::Open => {
                    changes.push(at_lot(&paid.source.replace("commit", "plan"), *lot, back));
                    changes.push(at_lot("c.fund", *lot, back));
                }
                Stage::Carried => {
                    changes.push(at_lot("a.carry", *lot, back));
                    changes.push(at_lot("c.fund", *lot, back));
                }
                Stage::Lapsed => {
                    changes.push(at_lot("a.recalled", *lot, back));
                    changes.push(whole("c.treasury", -back));
                    *self.sent_up.entry(*lot).or_default() += back;
                }
            }
        }
        assert!(self.apply(&changes));
        self.payments.insert(id, paid);
        true
    }

    fn reverse(&mut self, id: usize) -> bool {
        let Some(mut paid) = self.payments.get(&id).cloned() else { return false };
        if paid.status != Status::Ordered {
            return false;
        }
        let mut changes = Vec::new();
        for (lot, minor, left) in &mut paid.parts {
            *left = 0;
            changes.push(whole("c.clear", -*minor));
            changes.push(at_lot(&paid.source, *lot, *minor));
            changes.push(at_lot(&paid.used, *lot, -*minor));
            changes.push(at_lot("c.fund", *lot, *minor));
            if let Some(contract) = paid.contract {
                self.count(contract, &paid.source, *lot, *minor);
            }
        }
        paid.status = Status::Reversed;
        self.payments.insert(id, paid);
        self.apply(&changes)
    }

    fn transfer(&mut self, from: &str, to: &str, lot: usize, minor: i64) -> bool {
        self.issued.contains(&lot) && self.shift(&[at_lot(from, lot, -minor), at_lot(to, lot, minor)])
    }

    /// Changes what is held, unless something frozen would be drawn on or something would fall below zero.
    fn shift(&mut self, changes: &[Change]) -> bool {
        let is_frozen = |(account, lot, change): &Change| {
            *change < 0 && account != "a.src" && lot.is_some_and(|lot| self.frozen.contains(&lot))
        };
        !changes.iter().any(is_frozen) && self.apply(changes)
    }

    fn apply(&mut self, changes: &[Change]) -> bool {
        let mut held = self.held.clone();
        for (account, lot, change) in changes {
            *held.entry((account.clone(), *lot)).or_default() += change;
        }
        let done = held.values().all(|minor| *minor >= 0);
        if done {
            self.held = held;
        }
        done
    }
}
