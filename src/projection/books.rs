//! Names, and balances per account and per (account, lot), summed from legs.

use std::collections::BTreeMap;

use crate::domain::account::AccountKind;
use crate::domain::event::{Event, Payload};
use crate::domain::fund::{FundDefinition, LotOpened};
use crate::domain::ids::{
    AccountId, AccountNumber, DocumentNumber, FundId, FundNumber, IssuerId, LotId, LotNumber, PayeeRef, Sequence,
    UnitId,
};
use crate::format::stored::{Malformed, Stored};
use crate::stored_struct;

/// A fund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundView {
    /// What it is.
    pub definition: FundDefinition,
    /// The event that defined it.
    pub defined: Sequence,
}

stored_struct!(FundView { definition, defined });

/// An account with its balances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Name in the API.
    pub account_id: AccountId,
    /// Its fund.
    pub fund: FundNumber,
    /// Its kind.
    pub kind: AccountKind,
    /// Its unit.
    pub unit_id: Option<UnitId>,
    /// Whose own it is.
    pub person: Option<PayeeRef>,
    /// Over all lots, on the normal side, minor units.
    pub balance_minor: i64,
    /// Per lot, ascending.
    pub lots: Vec<(LotNumber, i64)>,
    /// The event that opened it.
    pub opened: Sequence,
    /// The last event that moved it; 0 for none.
    pub revision: Sequence,
}

stored_struct!(AccountView { account_id, fund, kind, unit_id, person, balance_minor, lots, opened, revision });

impl AccountView {
    /// Whether it ever held something of a lot.
    pub fn has_lot(&self, lot: LotNumber) -> bool {
        self.lots.binary_search_by_key(&lot, |(number, _)| *number).is_ok()
    }

    /// Balance of one lot.
    pub fn lot_minor(&self, lot: LotNumber) -> i64 {
        let found = self.lots.binary_search_by_key(&lot, |(number, _)| *number).ok();
        found.and_then(|at| self.lots.get(at)).map_or(0, |(_, balance)| *balance)
    }
}

/// A lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LotView {
    /// Name in the API.
    pub lot_id: LotId,
    /// Its fund.
    pub fund: FundNumber,
    /// Who issued it.
    pub issuer_id: IssuerId,
    /// On which document.
    pub document_number: DocumentNumber,
    /// The lot it came from.
    pub parent_lot_id: Option<LotId>,
    /// The event that opened it.
    pub opened: Sequence,
}

stored_struct!(LotView { lot_id, fund, issuer_id, document_number, parent_lot_id, opened });

/// Names and balances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    funds: Vec<FundView>,
    accounts: Vec<AccountView>,
    lots: Vec<LotView>,
    fund_names: BTreeMap<FundId, FundNumber>,
    account_names: BTreeMap<AccountId, AccountNumber>,
    lot_names: BTreeMap<LotId, LotNumber>,
}

impl Books {
    /// All funds, in the order in which they were defined.
    pub fn funds(&self) -> &[FundView] {
        &self.funds
    }

    /// A fund by number.
    pub fn fund(&self, number: FundNumber) -> Option<&FundView> {
        self.funds.get(number.index())
    }

    /// An account by number.
    pub fn account(&self, number: AccountNumber) -> Option<&AccountView> {
        self.accounts.get(number.index())
    }

    /// A lot by number.
    pub fn lot(&self, number: LotNumber) -> Option<&LotView> {
        self.lots.get(number.index())
    }

    /// A fund by name.
    pub fn fund_named(&self, fund_id: &str) -> Option<FundNumber> {
        self.fund_names.get(fund_id).copied()
    }

    /// An account by name.
    pub fn account_named(&self, account_id: &str) -> Option<AccountNumber> {
        self.account_names.get(account_id).copied()
    }

    /// A lot by name.
    pub fn lot_named(&self, lot_id: &str) -> Option<LotNumber> {
        self.lot_names.get(lot_id).copied()
    }

    /// All accounts, with their numbers, ascending.
    pub fn accounts(&self) -> impl Iterator<Item = (AccountNumber, &AccountView)> {
        self.accounts.iter().enumerate().map(|(at, account)| (AccountNumber::after(at), account))
    }

    /// The accounts from one on, itself included, with their numbers, ascending.
    pub fn accounts_from(&self, first: AccountNumber) -> impl Iterator<Item = (AccountNumber, &AccountView)> {
        let start = first.index();
        self.accounts.iter().enumerate().skip(start).map(|(at, account)| (AccountNumber::after(at), account))
    }

    /// Looks at the accounts that events move, all before any of them is moved: memory answers many questions in the time of one.
    pub(super) fn bring_near<'a>(&self, events: impl Iterator<Item = &'a Event>) {
        let legs = events.flat_map(|event| &event.decision.legs);
        let accounts: Vec<&AccountView> = legs.filter_map(|leg| self.accounts.get(leg.account.index())).collect();
        let moved = accounts.iter().filter(|account| account.revision.0 > 0).count();
        let holding = accounts.iter().filter(|account| account.lots.first().is_some_and(|(_, held)| *held > 0)).count();
        // Nothing depends on the answers; without this the questions would not be asked.
        std::hint::black_box((moved, holding));
    }

    pub(super) fn apply(&mut self, sequence: Sequence, event: &Event) {
        for leg in &event.decision.legs {
            let Some(account) = self.accounts.get_mut(leg.account.index()) else { continue };
            let change = account.kind.change(leg.debit_minor);
            account.balance_minor = account.balance_minor.saturating_add(change);
            account.revision = sequence;
            if leg.lot == LotNumber::NONE {
                continue;
            }
            match account.lots.binary_search_by_key(&leg.lot, |(number, _)| *number) {
                Ok(at) => {
                    if let Some((_, balance)) = account.lots.get_mut(at) {
                        *balance = balance.saturating_add(change);
                    }
                }
                Err(at) => account.lots.insert(at, (leg.lot, change)),
            }
        }
        for step in event.decision.steps() {
            self.name(sequence, step.payload);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only these types name anything new")]
    fn name(&mut self, sequence: Sequence, payload: &Payload) {
        match payload {
            Payload::FundDefined { fund, definition } => {
                self.fund_names.insert(definition.fund_id.clone(), *fund);
                self.funds.push(FundView { definition: definition.as_ref().clone(), defined: sequence });
            }
            Payload::AccountOpened { account, account_id, fund, kind, unit_id, person, .. } => {
                self.account_names.insert(account_id.clone(), *account);
                self.accounts.push(AccountView {
                    account_id: account_id.clone(),
                    fund: *fund,
                    kind: *kind,
                    unit_id: unit_id.clone(),
                    person: *person,
                    balance_minor: 0,
                    lots: Vec::new(),
                    opened: sequence,
                    revision: Sequence(0),
                });
            }
            Payload::BudgetIssued { lot } => self.open_lot(sequence, lot),
            Payload::OpeningBalance { lots, .. } => lots.iter().for_each(|lot| self.open_lot(sequence, lot)),
            _ => {}
        }
    }

    fn open_lot(&mut self, sequence: Sequence, opened: &LotOpened) {
        let definition = &opened.definition;
        self.lot_names.insert(definition.lot_id.clone(), opened.lot);
        self.lots.push(LotView {
            lot_id: definition.lot_id.clone(),
            fund: opened.fund,
            issuer_id: definition.issuer_id.clone(),
            document_number: definition.document_number.clone(),
            parent_lot_id: definition.parent_lot_id.clone(),
            opened: sequence,
        });
    }
}

impl Stored for Books {
    fn put(&self, to: &mut Vec<u8>) {
        self.funds.put(to);
        self.accounts.put(to);
        self.lots.put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let mut books = Self {
            funds: Stored::take(from)?,
            accounts: Stored::take(from)?,
            lots: Stored::take(from)?,
            ..Self::default()
        };
        for (at, fund) in books.funds.iter().enumerate() {
            books.fund_names.insert(fund.definition.fund_id.clone(), FundNumber::after(at));
        }
        for (at, account) in books.accounts.iter().enumerate() {
            books.account_names.insert(account.account_id.clone(), AccountNumber::after(at));
        }
        for (at, lot) in books.lots.iter().enumerate() {
            books.lot_names.insert(lot.lot_id.clone(), LotNumber::after(at));
        }
        Ok(books)
    }
}
