//! Guards that several orders share. Each says no in one way.

use smallvec::SmallVec;

use super::approvals::{Scope, form};
use crate::domain::account::{AccountKind, Book};
use crate::domain::approval::Role;
use crate::domain::command::{Draw, Envelope};
use crate::domain::event::{Decision, Frozen, Leg, Payload};
use crate::domain::fund::{CHECKERS_DEFAULT, Fund, Lot, PlanStep, PolicyVersion};
use crate::domain::ids::{AccountId, AccountNumber, Code, FundId, FundNumber, LotId, LotNumber, PayeeRef, UnitNumber};
use crate::domain::money::{self, AMOUNT_MAX_MINOR, Amount};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::state::{Account, State};
use crate::domain::time::Day;

/// Most legs of one event: keeps an entry below its 65,535 bytes.
pub(super) const LEGS_MAX: usize = 4_096;

/// One order before the rules.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) state: &'a State,
    pub(super) envelope: &'a Envelope,
    /// What a transaction decides at once by orders of this kind, minor units; 0 for an order alone.
    pub(super) together_minor: i64,
}

/// A row of a table with its number.
pub(super) struct Numbered<'a, N, T> {
    pub(super) number: N,
    pub(super) row: &'a T,
}

// By hand, since a derived one would ask the row to be `Copy` too.
impl<N: Copy, T> Copy for Numbered<'_, N, T> {}

impl<N: Copy, T> Clone for Numbered<'_, N, T> {
    fn clone(&self) -> Self {
        *self
    }
}

pub(super) type AccountRef<'a> = Numbered<'a, AccountNumber, Account>;
pub(super) type LotRef<'a> = Numbered<'a, LotNumber, Lot>;
pub(super) type FundRef<'a> = Numbered<'a, FundNumber, Fund>;

/// A draw that an order asks for, with its lot.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) lot: LotRef<'a>,
    pub(super) amount_minor: i64,
}

/// What is drawn, by lot: nearly always few.
pub(super) type Draws = SmallVec<[(LotNumber, i64); 4]>;

/// Whether an order needs the checkers that the policy asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Checkers {
    /// As many as the policy says.
    Needed,
    /// None.
    NotNeeded,
}

/// Whether a freeze stops money from leaving.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Freezes {
    /// It does.
    Hold,
    /// Reversals, returns and the lifting of a freeze go through (DOMAIN: legality matrix).
    Pass,
}

impl<'a> Case<'a> {
    pub(super) fn date(&self) -> Day {
        self.envelope.business_date
    }

    pub(super) fn fund(&self, fund_id: &FundId) -> Result<FundRef<'a>, Refusal> {
        let number = self.state.fund_names.get(fund_id).copied();
        let found = number.and_then(|number| self.state.fund(number).map(|row| Numbered { number, row }));
        found.ok_or_else(|| Refusal::new(Reason::FundNotFound).with("fund", fund_id))
    }

    pub(super) fn account(&self, account_id: &AccountId) -> Result<AccountRef<'a>, Refusal> {
        let number = self.state.account_names.get(account_id).copied();
        let found = number.and_then(|number| self.state.account(number).map(|row| Numbered { number, row }));
        found.ok_or_else(|| Refusal::new(Reason::AccountNotFound).with("account", account_id))
    }

    pub(super) fn lot(&self, lot_id: &LotId) -> Result<LotRef<'a>, Refusal> {
        let number = self.state.lot_names.get(lot_id).copied();
        let found = number.and_then(|number| self.state.lot(number).map(|row| Numbered { number, row }));
        found.ok_or_else(|| Refusal::new(Reason::LotNotFound).with("lot", lot_id))
    }

    /// The fund of a number that a table of the state gave.
    pub(super) fn fund_at(&self, number: FundNumber) -> Result<FundRef<'a>, Refusal> {
        let found = self.state.fund(number).map(|row| Numbered { number, row });
        found.ok_or_else(|| Refusal::new(Reason::FundNotFound).with("fund_number", number.0))
    }

    /// The account of a fund that plays a role; refused with the role where nobody opened it.
    pub(super) fn account_for(
        &self,
        fund: FundNumber,
        kind: AccountKind,
        unit: UnitNumber,
    ) -> Result<AccountRef<'a>, Refusal> {
        let number = self.state.account_by_role(fund, kind, unit);
        let found = number.and_then(|number| self.state.account(number).map(|row| Numbered { number, row }));
        found.ok_or_else(|| {
            let refusal = Refusal::new(Reason::AccountNotFound).with("kind", kind.as_str());
            let refusal = match self.state.fund(fund) {
                Some(fund) => refusal.with("fund", &fund.definition.fund_id),
                None => refusal,
            };
            match self.state.unit(unit) {
                Some(unit) => refusal.with("unit", unit),
                None => refusal,
            }
        })
    }

    /// The policy version of a fund that applies on the business date.
    pub(super) fn policy(&self, fund: &Fund) -> Option<&'a PolicyVersion> {
        fund.definition.policy_id.as_ref().and_then(|id| self.state.policy_on(id, self.date()))
    }

    pub(super) fn plan_step(&self, fund: &Fund) -> PlanStep {
        self.policy(fund).map_or(PlanStep::Required, |policy| policy.plan_step)
    }

    /// The business date is open in the fund, and enough checkers stand behind the amount: in a transaction behind all that
    /// is paid, allocated, … at once, so that cutting an amount up does not get around a tier (化整为零).
    pub(super) fn admit(&self, fund: FundRef<'_>, amount_minor: i64, checkers: Checkers) -> Result<(), Refusal> {
        if let Some(first_open) = fund.row.first_open_day().filter(|first_open| self.date() < *first_open) {
            return Err(Refusal::new(Reason::PeriodClosed)
                .with("fund", &fund.row.definition.fund_id)
                .with("business_date", self.date())
                .with("first_open_date", first_open));
        }
        if checkers == Checkers::NotNeeded {
            return Ok(());
        }
        let policy = self.policy(fund.row);
        let needed =
            policy.map_or(CHECKERS_DEFAULT, |policy| policy.checkers_needed(amount_minor.max(self.together_minor)));
        self.enough_approvals(needed, Scope::Fund(fund.number, form(policy)))
    }

    /// The lots that an order's draws name.
    pub(super) fn asked(&self, draws: &[Draw]) -> Result<Vec<Asked<'a>>, Refusal> {
        let with_lot = |draw: &Draw| Ok(Asked { lot: self.lot(&draw.lot_id)?, amount_minor: draw.amount.minor() });
        draws.iter().map(with_lot).collect()
    }

    /// No freeze names an account that is drawn on, or a lot that the order draws from.
    pub(super) fn is_free(&self, accounts: &[AccountRef<'_>], asked: &[Asked<'_>]) -> Result<(), Refusal> {
        if let Some(account) = accounts.iter().find(|account| account.row.freezes > 0) {
            return Err(self.frozen(Frozen::Account(account.number)).with("account", &account.row.account_id));
        }
        match asked.iter().map(|draw| draw.lot).find(|lot| lot.row.freezes > 0) {
            None => Ok(()),
            Some(lot) => Err(self.frozen(Frozen::Lot(lot.number)).with("lot", &lot.row.definition.lot_id)),
        }
    }

    /// Resolves the draws of `amount` on the lots of an account: those asked for, or, where none were, the eligible lots
    /// with the earliest expiry first, then the lowest number.
    pub(super) fn draws(
        &self,
        account: AccountRef<'_>,
        amount: Amount,
        asked: &[Asked<'_>],
        spending: Spending<'_>,
    ) -> Result<Draws, Refusal> {
        if asked.is_empty() {
            return self.automatic_draws(account, amount, spending);
        }
        asked.iter().try_for_each(|draw| self.may_spend(draw.lot, spending))?;
        Ok(asked.iter().map(|draw| (draw.lot.number, draw.amount_minor)).collect())
    }

    fn automatic_draws(
        &self,
        account: AccountRef<'_>,
        amount: Amount,
        spending: Spending<'_>,
    ) -> Result<Draws, Refusal> {
        covers(account, amount.minor())?;
        let mut eligible: SmallVec<[(Day, LotNumber, i64); 4]> = SmallVec::new();
        for (number, held) in &account.row.lots {
            let Some(row) = self.state.lot(*number).filter(|_| *held > 0) else { continue };
            if self.may_spend(Numbered { number: *number, row }, spending).is_ok() && row.freezes == 0 {
                let last_day = row.definition.expires_on.unwrap_or(Day::from_days(i32::MAX));
                let held = spending.limit(account.number, *number).map_or(*held, |limit| limit.min(*held));
                eligible.push((last_day, *number, held));
            }
        }
        eligible.sort_unstable();
        let mut missing = amount.minor();
        let mut draws = Draws::new();
        for (_, number, held) in &eligible {
            let drawn = missing.min(*held);
            if drawn > 0 {
                draws.push((*number, drawn));
                missing = money::subtract(missing, drawn);
            }
        }
        if missing > 0 {
            return Err(Refusal::new(Reason::LotInsufficient)
                .with("account", &account.row.account_id)
                .with("available_minor", money::subtract(amount.minor(), missing))
                .with("asked_minor", amount.minor()));
        }
        Ok(draws)
    }

    /// Whether a lot may be spent for this, as far as the lot itself goes.
    fn may_spend(&self, lot: LotRef<'_>, spending: Spending<'_>) -> Result<(), Refusal> {
        let definition = &lot.row.definition;
        if let Some(last_day) = definition.expires_on.filter(|_| lot.row.is_expired(self.date())) {
            return Err(Refusal::new(Reason::LotExpired)
                .with("lot", &definition.lot_id)
                .with("expires_on", last_day)
                .with("business_date", self.date()));
        }
        if let Some(purpose) = spending.purpose {
            let fund = self.fund_at(lot.row.fund)?;
            if !lot.row.allows_purpose(fund.row, purpose) {
                return Err(Refusal::new(Reason::PurposeNotAllowed)
                    .with("lot", &definition.lot_id)
                    .with("purpose", purpose));
            }
        }
        Ok(())
    }

    /// A payee that no freeze names.
    pub(super) fn payee_is_free(&self, payee: PayeeRef) -> Result<(), Refusal> {
        if self.state.frozen_payees.contains_key(&payee) {
            return Err(self.frozen(Frozen::Payee(payee)).with("payee", payee));
        }
        Ok(())
    }

    fn frozen(&self, scope: Frozen) -> Refusal {
        let case = self
            .state
            .freezes
            .iter()
            .find(|(_, freeze)| freeze.is_live && freeze.scope == scope && freeze.legs.is_empty());
        let refusal = Refusal::new(Reason::Frozen);
        match case {
            Some((case_id, _)) => refusal.with("case", case_id),
            None => refusal,
        }
    }

    /// The last guard of every movement: nothing frozen is drawn on, no account and no lot falls below zero, no balance
    /// grows beyond what JSON carries. What passes becomes the decision.
    pub(super) fn settle(
        &self,
        fund: FundRef<'_>,
        legs: Vec<Leg>,
        payload: Payload,
        freezes: Freezes,
    ) -> Result<Decision, Refusal> {
        if legs.len() > LEGS_MAX {
            return Err(Refusal::new(Reason::EventTooLarge).with("legs", legs.len()).with("legs_max", LEGS_MAX));
        }
        self.books_balance(&legs)?;
        self.nothing_is_closed(&legs)?;
        if freezes == Freezes::Hold {
            self.nothing_frozen_leaves(&legs)?;
        }
        let changes = Changes::of(self.state, &legs);
        changes.balances_hold(self.state)?;
        Ok(Decision { policy_version: self.policy(fund.row).map_or(0, |policy| policy.version), legs, payload })
    }

    /// Debits are credits, in each book (invariant I1). Legs are derived, so this never refuses anybody: it is here so that no
    /// mistake in deriving them can ever be booked.
    fn books_balance(&self, legs: &[Leg]) -> Result<(), Refusal> {
        let (mut authority, mut cash) = (0, 0);
        for leg in legs {
            let sum = match self.state.account(leg.account).map(|account| account.kind.book()) {
                Some(Book::Authority) => &mut authority,
                Some(Book::Cash) => &mut cash,
                None => continue,
            };
            *sum = money::add(*sum, leg.debit_minor);
        }
        if authority == 0 && cash == 0 {
            return Ok(());
        }
        Err(Refusal::new(Reason::Unbalanced).with("authority_minor", authority).with("cash_minor", cash))
    }

    fn nothing_is_closed(&self, legs: &[Leg]) -> Result<(), Refusal> {
        let closed = legs.iter().filter_map(|leg| self.state.account(leg.account)).find(|account| account.is_closed);
        match closed {
            None => Ok(()),
            Some(account) => Err(Refusal::new(Reason::AccountClosed).with("account", &account.account_id)),
        }
    }

    fn nothing_frozen_leaves(&self, legs: &[Leg]) -> Result<(), Refusal> {
        for leg in legs {
            let Some(account) = self.state.account(leg.account) else { continue };
            // The contra account only counts what was issued: nothing leaves it.
            if account.kind.change(leg.debit_minor) >= 0 || account.kind.is_contra() {
                continue;
            }
            if account.freezes > 0 {
                return Err(self.frozen(Frozen::Account(leg.account)).with("account", &account.account_id));
            }
            if let Some(lot) = self.state.lot(leg.lot).filter(|lot| lot.freezes > 0) {
                return Err(self.frozen(Frozen::Lot(leg.lot)).with("lot", &lot.definition.lot_id));
            }
        }
        Ok(())
    }
}

/// What draws on lots have to respect besides the account.
#[derive(Clone, Copy, Default)]
pub(super) struct Spending<'a> {
    /// The purpose, where the order has one.
    pub(super) purpose: Option<&'a Code>,
    /// The contract's own commitments, where the order is under one.
    pub(super) contract: Option<&'a crate::domain::state::Contract>,
}

impl Spending<'_> {
    fn limit(&self, account: AccountNumber, lot: LotNumber) -> Option<i64> {
        self.contract.map(|contract| contract.open_minor(account, lot))
    }
}

/// Refuses an account that holds less than is asked.
fn covers(account: AccountRef<'_>, asked_minor: i64) -> Result<(), Refusal> {
    if account.row.balance_minor < asked_minor { Err(short(account.row, asked_minor)) } else { Ok(()) }
}

/// An account that holds less than is asked. Of authority it makes a difference whether there ever was any: 先有预算、再有指标、后有支出
/// (预算法实施条例§57).
fn short(account: &Account, asked_minor: i64) -> Refusal {
    let has_no_budget = account.kind.book() == Book::Authority && account.lots.is_empty();
    let reason = if has_no_budget { Reason::NoBudget } else { Reason::InsufficientBalance };
    Refusal::new(reason)
        .with("account", &account.account_id)
        .with("available_minor", account.balance_minor)
        .with("asked_minor", asked_minor)
}

/// Net changes by account and by (account, lot), on the normal side.
struct Changes {
    accounts: SmallVec<[(AccountNumber, i64); 8]>,
    lots: SmallVec<[((AccountNumber, LotNumber), i64); 8]>,
}

impl Changes {
    fn of(state: &State, legs: &[Leg]) -> Self {
        let mut lots: SmallVec<[((AccountNumber, LotNumber), i64); 8]> = legs
            .iter()
            .map(|leg| {
                let change = state.account(leg.account).map_or(0, |account| account.kind.change(leg.debit_minor));
                ((leg.account, leg.lot), change)
            })
            .collect();
        lots.sort_unstable_by_key(|(key, _)| *key);
        merge(&mut lots);
        let mut accounts: SmallVec<[(AccountNumber, i64); 8]> =
            lots.iter().map(|((account, _), change)| (*account, *change)).collect();
        merge(&mut accounts);
        Self { accounts, lots }
    }

    fn balances_hold(&self, state: &State) -> Result<(), Refusal> {
        for (number, change) in &self.accounts {
            let Some(account) = state.account(*number) else { continue };
            let after = money::add(account.balance_minor, *change);
            if *change < 0 && after < 0 && !account.kind.is_contra() {
                return Err(short(account, change.saturating_neg()));
            }
        }
        for ((number, lot), change) in self.lots.iter().filter(|((_, lot), _)| *lot != LotNumber::NONE) {
            let Some(account) = state.account(*number) else { continue };
            let held = account.lot_minor(*lot);
            if *change < 0 && money::add(held, *change) < 0 {
                let refusal = Refusal::new(Reason::LotInsufficient)
                    .with("account", &account.account_id)
                    .with("available_minor", held)
                    .with("asked_minor", change.saturating_neg());
                return Err(match state.lot(*lot) {
                    Some(lot) => refusal.with("lot", &lot.definition.lot_id),
                    None => refusal,
                });
            }
        }
        for (number, change) in &self.accounts {
            let Some(account) = state.account(*number) else { continue };
            if money::add(account.balance_minor, *change) > AMOUNT_MAX_MINOR {
                return Err(Refusal::new(Reason::AmountOverflow)
                    .with("account", &account.account_id)
                    .with("balance_minor", account.balance_minor)
                    .with("asked_minor", change));
            }
        }
        Ok(())
    }
}

/// Adds up neighbours with the same key.
fn merge<K: PartialEq + Copy>(rows: &mut SmallVec<[(K, i64); 8]>) {
    rows.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = money::add(kept.1, later.1);
        }
        same
    });
}

/// A decision that moves nothing.
/// 审监分离: where the ledger has administrators, an auditor flags and closes.
pub(super) fn is_auditor(case: Case<'_>) -> Result<(), Refusal> {
    let (authority, actor) = (&case.state.authority, &case.envelope.actor);
    if !authority.is_administered() || authority.holds_anywhere(actor, Role::Auditor) {
        return Ok(());
    }
    Err(Refusal::new(Reason::RoleMissing).with("principal", actor).with("role", Role::Auditor.as_str()))
}

pub(super) fn decided(payload: Payload) -> Decision {
    Decision { policy_version: 0, legs: Vec::new(), payload }
}

/// A leg that debits.
pub(super) fn debit(account: AccountNumber, lot: LotNumber, amount_minor: i64) -> Leg {
    Leg { account, lot, debit_minor: amount_minor }
}

/// A leg that credits.
pub(super) fn credit(account: AccountNumber, lot: LotNumber, amount_minor: i64) -> Leg {
    Leg { account, lot, debit_minor: amount_minor.saturating_neg() }
}

/// Refuses an account whose kind is not among those the order allows.
pub(super) fn kind_is(account: AccountRef<'_>, allowed: &[AccountKind]) -> Result<(), Refusal> {
    if allowed.contains(&account.row.kind) {
        return Ok(());
    }
    let names: Vec<&str> = allowed.iter().map(|kind| kind.as_str()).collect();
    Err(Refusal::new(Reason::AccountKindNotAllowed)
        .with("account", &account.row.account_id)
        .with("kind", account.row.kind.as_str())
        .with("allowed", names.join(",")))
}

/// Draws that an account's fund does not own.
pub(super) fn lots_of_fund(account: AccountRef<'_>, asked: &[Asked<'_>]) -> Result<(), Refusal> {
    match asked.iter().find(|draw| draw.lot.row.fund != account.row.fund) {
        None => Ok(()),
        Some(draw) => Err(Refusal::new(Reason::FundMixed)
            .with("lot", &draw.lot.row.definition.lot_id)
            .with("account", &account.row.account_id)),
    }
}

/// Draws name each lot once, and add up to the amount; none leave the choice to the ledger.
pub(super) fn add_up(amount: Amount, asked: &[Asked<'_>]) -> Result<(), Refusal> {
    if asked.is_empty() {
        return Ok(());
    }
    let mut sum = 0;
    for (at, draw) in asked.iter().enumerate() {
        if asked.iter().take(at).any(|earlier| earlier.lot.number == draw.lot.number) {
            return Err(Refusal::new(Reason::DrawsMismatch).with("lot", &draw.lot.row.definition.lot_id));
        }
        sum = money::add(sum, draw.amount_minor);
    }
    if sum == amount.minor() {
        return Ok(());
    }
    Err(Refusal::new(Reason::DrawsMismatch).with("amount_minor", amount.minor()).with("draws_minor", sum))
}

/// Refuses two accounts of different funds.
pub(super) fn same_fund(one: AccountRef<'_>, other: AccountRef<'_>) -> Result<(), Refusal> {
    if one.row.fund == other.row.fund {
        return Ok(());
    }
    Err(Refusal::new(Reason::FundMixed)
        .with("account", &one.row.account_id)
        .with("other_account", &other.row.account_id))
}
