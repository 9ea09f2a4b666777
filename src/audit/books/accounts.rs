//! Accounts as they are opened and closed: which kinds a fund may have, and whose they are (I11).

use std::collections::BTreeMap;

use super::interest::Personal;
use super::kinds::tracks_lots;
use super::reconciliations::stands_for_a_bank_account;
use super::tables::{Account, ById};
use super::{Books, Step};
use crate::audit::report::{Fact, FaultKind};
use crate::pb::v1::{AccountKind as Kind, AccountOpened, FundFamily};

/// A pseudonym: 16 bytes.
pub(super) type Person = [u8; 16];

/// A person, where the bytes are a pseudonym.
pub(super) fn person(bytes: &[u8]) -> Option<Person> {
    bytes.try_into().ok()
}

/// Kinds that are a person's own.
pub(super) const PERSONAL: &[Kind] = &[Kind::Personal, Kind::HousingPersonal];

/// Accounts by what they are known by besides their numbers.
#[derive(Default)]
pub(super) struct Known {
    /// Those that a split may name.
    by_name: ById<i32>,
    /// The live account of a person in a scheme; 0 stands for the housing provident fund.
    by_person: BTreeMap<(i32, Person), i32>,
}

/// The kinds that the funds of a family may have: what a fund has no account for, it cannot do.
fn may_have(family: FundFamily, kind: Kind) -> bool {
    use FundFamily::{DepartmentBudget, HousingProvident, Investment, Nontax, SocialInsurance, Special};
    let families: &[FundFamily] = match kind {
        Kind::Unspecified => &[],
        Kind::AuthoritySource
        | Kind::AuthorityUnallocated
        | Kind::AuthorityUnit
        | Kind::AuthorityPlan
        | Kind::AuthorityCommitted
        | Kind::AuthorityFrozen
        | Kind::AuthorityUsed
        | Kind::AuthorityCarry
        | Kind::AuthorityRecalled
        | Kind::FundLot
        | Kind::Clearing => &[Special, DepartmentBudget, Investment],
        Kind::Treasury => &[Special, DepartmentBudget, Investment, Nontax],
        Kind::NontaxPending | Kind::NontaxShare => &[Nontax],
        Kind::PayableUpper | Kind::PayableLower => &[Nontax, SocialInsurance],
        Kind::FiscalSpecial | Kind::Income | Kind::Payout | Kind::Pool | Kind::Personal => &[SocialInsurance],
        Kind::Bond => &[SocialInsurance, HousingProvident],
        Kind::HousingDeposit
        | Kind::HousingSurplusDeposit
        | Kind::Loan
        | Kind::HousingPersonal
        | Kind::Surplus
        | Kind::RiskReserve
        | Kind::ManagementFeePayable
        | Kind::LowRentHousing => &[HousingProvident],
    };
    families.contains(&family)
}

/// Accounts that a split may go to.
fn may_share(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::NontaxShare
            | Kind::PayableUpper
            | Kind::PayableLower
            | Kind::RiskReserve
            | Kind::ManagementFeePayable
            | Kind::LowRentHousing
    )
}

impl Books {
    /// An account is opened: of a kind that its fund may have, and a person's where the kind is personal.
    pub(super) fn open_account(&mut self, sequence: i64, opened: &AccountOpened) {
        let (number, kind) = (opened.account, opened.kind());
        let mut wrong = |message: Fact| self.findings.add(sequence, FaultKind::Books, message);
        if kind == Kind::Unspecified {
            wrong(fact!("account {} is of no known kind", number));
        }
        let owner = person(&opened.person).filter(|_| PERSONAL.contains(&kind));
        if owner.is_none() && (PERSONAL.contains(&kind) || !opened.person.is_empty()) {
            wrong(fact!("account {} is a person's and names none, or names one and is nobody's own", number));
        }
        if let Some(fund) = self.funds.get_mut(opened.fund) {
            if kind != Kind::Unspecified && !may_have(fund.rules.family, kind) {
                let family = fund.rules.family.as_str_name();
                wrong(fact!("account {} is of kind {} in a fund of {}", number, kind.as_str_name(), family));
            }
            if kind == Kind::Clearing {
                fund.clearing.push(number);
            }
            if kind == Kind::Income {
                fund.rules.income.push(number);
            }
        } else {
            wrong(fact!("account {} is of unknown fund {}", number, opened.fund));
        }
        if let Some(owner) = owner {
            let scheme = self.scheme_of(opened.fund);
            if let Some(first) = self.known.by_person.insert((scheme, owner), number) {
                let message = fact!("account {} is a second one of its person, after account {}", number, first);
                self.findings.add(sequence, FaultKind::Books, message);
            }
        }
        if may_share(kind) {
            self.known.by_name.insert(self.fingerprints.of(&opened.account_id), number);
        }
        let personal = owner.map(|owner| Box::new(Personal::new(owner)));
        let movements = stands_for_a_bank_account(kind).then(Box::default);
        let (balance, is_reported, is_closed) = (0, false, false);
        let account = Account { fund: opened.fund, kind, balance, is_reported, is_closed, personal, movements };
        let opened_account = self.accounts.open(number, account);
        self.number(sequence, "account", number, opened_account);
    }

    /// An account is closed: once, and with nothing on it.
    pub(super) fn close_account(&mut self, step: Step<'_>, number: i32) {
        let Some(account) = self.accounts.get_mut(number).filter(|account| !account.is_closed) else {
            return self.wrong(step, fact!("account {} is closed, which is unknown or was closed before", number));
        };
        account.is_closed = true;
        let (fund, kind, balance) = (account.fund, account.kind, account.balance);
        let owner = account.personal.as_ref().map(|personal| personal.person);
        let cells = self.funds.get(fund).map(|fund| &fund.cells);
        let holds = |lot: i32| cells.and_then(|cells| cells.get(&(number, lot))).is_some_and(|held| *held != 0);
        if balance != 0 || (tracks_lots(kind) && self.lots.iter().any(|(lot, _)| holds(lot))) {
            self.wrong(step, fact!("account {} is closed while it holds {}", number, balance));
        }
        if let Some(owner) = owner {
            let place = (self.scheme_of(fund), owner);
            if self.known.by_person.get(&place) == Some(&number) {
                self.known.by_person.remove(&place);
            }
        }
    }

    fn scheme_of(&self, fund: i32) -> i32 {
        self.funds.get(fund).map_or(0, |fund| fund.rules.scheme)
    }

    /// The account of a name, among those that a split may go to.
    pub(super) fn account_named(&self, name: &str) -> Option<i32> {
        self.known.by_name.get(&self.fingerprints.of(name)).copied()
    }

    /// Whose a personal account of a fund is; a finding where it is none.
    pub(super) fn owner(&mut self, step: Step<'_>, fund: i32, number: i32) -> Option<Person> {
        let account = self.accounts.get(number).filter(|account| account.fund == fund);
        let owner = account.and_then(|account| account.personal.as_ref()).map(|personal| personal.person);
        if owner.is_none() {
            self.wrong(step, fact!("account {} is no person's account of fund {}", number, fund));
        }
        owner
    }
}
