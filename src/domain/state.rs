//! What the rules need to know of the past, and how an event changes it.

mod families;
mod procurement;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::families::{Families, PaidMonths};
pub use self::families::{Project, Tie};
use super::account::{AccountKind, Book};
use super::authority::Authority;
use super::command::{ExecutePayment, Order};
use super::event::{EntitlementDetermined, Event, Frozen, Leg, Payload, PaymentExecuted, Step};
use super::fund::{Fund, FundDefinition, Lot, LotOpened, LotStage, PolicyVersion};
use super::ids::{
    AccountId, AccountNumber, BankReference, CaseId, ContractId, ContractNumber, DocumentNumber, FundId, FundNumber,
    IssuerId, LotId, LotNumber, PayeeRef, PaymentId, PolicyId, Sequence, UnitId, UnitNumber,
};
use super::log_key::LogKeys;
use super::money;
use super::persons::Personal;
use super::release::{PaymentPlace, WitnessRule};
use super::time::Day;
use super::vouchers::Payments;

/// A table that is only ever asked for one key, so that its order can reach neither a digest nor a reply.
#[expect(clippy::disallowed_types, reason = "lookup only; written out sorted")]
pub(crate) type Lookup<K, V> = std::collections::HashMap<K, V, super::hash::Folding>;

/// An account with its balances on the normal side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Name in the API.
    pub account_id: AccountId,
    /// Its fund.
    pub fund: FundNumber,
    /// Its kind.
    pub kind: AccountKind,
    /// Its unit; number 0 for accounts of the fund as a whole.
    pub unit: UnitNumber,
    /// Balance over all lots, minor units.
    pub balance_minor: i64,
    /// Balance per lot, ascending by lot, where the kind tracks lots. Zeros stay until the next snapshot.
    pub lots: Vec<(LotNumber, i64)>,
    /// How many live freezes name it.
    pub freezes: u32,
    /// The last event that moved it; 0 for none.
    pub revision: Sequence,
    /// Whether it is closed: nothing moves on it any more.
    pub is_closed: bool,
}

impl Account {
    /// Balance of one lot; the whole balance for [`LotNumber::NONE`].
    pub fn lot_minor(&self, lot: LotNumber) -> i64 {
        if lot == LotNumber::NONE {
            return self.balance_minor;
        }
        match self.lots.binary_search_by_key(&lot, |(number, _)| *number) {
            Ok(at) => self.lots.get(at).map_or(0, |(_, balance)| *balance),
            Err(_) => 0,
        }
    }

    /// The row of a lot, zero or not; `None` where the account never had one.
    pub(super) fn cell(&self, lot: LotNumber) -> Option<i64> {
        let at = self.lots.binary_search_by_key(&lot, |(number, _)| *number).ok()?;
        self.lots.get(at).map(|(_, balance)| *balance)
    }

    /// Puts the row of a lot back as [`Account::cell`] gave it.
    pub(super) fn set_cell(&mut self, lot: LotNumber, balance_minor: Option<i64>) {
        let found = self.lots.binary_search_by_key(&lot, |(number, _)| *number);
        match (found, balance_minor) {
            (Ok(at), Some(balance_minor)) => {
                if let Some(row) = self.lots.get_mut(at) {
                    row.1 = balance_minor;
                }
            }
            (Ok(at), None) => drop(self.lots.remove(at)),
            (Err(at), Some(balance_minor)) => self.lots.insert(at, (lot, balance_minor)),
            (Err(_), None) => {}
        }
    }

    fn change(&mut self, lot: LotNumber, change: i64) {
        self.balance_minor = money::add(self.balance_minor, change);
        if lot == LotNumber::NONE {
            return;
        }
        match self.lots.binary_search_by_key(&lot, |(number, _)| *number) {
            Ok(at) => {
                if let Some((_, balance)) = self.lots.get_mut(at) {
                    *balance = money::add(*balance, change);
                }
            }
            Err(at) => self.lots.insert(at, (lot, change)),
        }
    }
}

/// How far a payment has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaymentStatus {
    /// Ordered: money is in the clearing account.
    #[default]
    Ordered,
    /// Cleared with the treasury: it comes back only by a return.
    Cleared,
    /// Reversed before it was cleared.
    Reversed,
}

/// What must be remembered of a payment; the rest is in its event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payment {
    /// Its event.
    pub sequence: Sequence,
    /// Which operation of a transaction it is, from 1; 0 for none.
    pub operation: u32,
    /// Its fund.
    pub fund: FundNumber,
    /// What was paid.
    pub amount_minor: i64,
    /// What came back so far.
    pub returned_minor: i64,
    /// The contract it counts against; number 0 for none.
    pub contract: ContractNumber,
    /// How far it has got.
    pub status: PaymentStatus,
    /// Number of what it is tied to, from 1; 0 for nothing.
    pub tie: u32,
}

/// A contract's commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// Name in the API.
    pub contract_id: ContractId,
    /// Its fund.
    pub fund: FundNumber,
    /// Contractor.
    pub payee: PayeeRef,
    /// What is still committed, by (account, lot), ascending.
    pub open: Vec<((AccountNumber, LotNumber), i64)>,
    /// What was committed when its lots were carried over and has not been paid since.
    pub carried_minor: i64,
    /// What was paid under it and did not come back, minor units.
    pub paid_minor: i64,
}

impl Contract {
    /// What is still committed in an account, of one lot.
    pub fn open_minor(&self, account: AccountNumber, lot: LotNumber) -> i64 {
        self.open.iter().find(|(key, _)| *key == (account, lot)).map_or(0, |(_, open)| *open)
    }

    /// What is committed in all accounts, or paid and did not come back, minor units.
    pub fn bound_minor(&self) -> i64 {
        self.open.iter().fold(self.paid_minor, |sum, (_, open)| money::add(sum, *open))
    }

    fn change(&mut self, account: AccountNumber, lot: LotNumber, change: i64) {
        match self.open.binary_search_by_key(&(account, lot), |(key, _)| *key) {
            Ok(at) => {
                if let Some((_, open)) = self.open.get_mut(at) {
                    *open = money::add(*open, change);
                }
            }
            Err(at) => self.open.insert(at, ((account, lot), change)),
        }
    }
}

/// A freeze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// What it covers.
    pub scope: Frozen,
    /// The amounts it moved; empty where it covers something whole.
    pub legs: Vec<Leg>,
    /// Whether it still holds.
    pub is_live: bool,
}

/// Days of an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dates {
    /// Its business date.
    pub(super) business: Day,
    /// When it was booked, in Asia/Shanghai.
    pub(super) booked: Day,
}

/// Everything the rules look at. Only [`State::apply`] changes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub(crate) funds: Vec<Fund>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) lots: Vec<Lot>,
    pub(crate) contracts: Vec<Contract>,
    pub(crate) units: Vec<UnitId>,
    pub(crate) policies: BTreeMap<PolicyId, Vec<PolicyVersion>>,
    pub(crate) payments: Payments,
    pub(crate) freezes: BTreeMap<CaseId, Freeze>,
    pub(crate) frozen_payees: BTreeMap<PayeeRef, u32>,
    pub(crate) documents: Lookup<(IssuerId, DocumentNumber), Sequence>,
    pub(crate) bank_references: Lookup<BankReference, Sequence>,
    // By event and operation.
    pub(crate) reversals: BTreeMap<(Sequence, u32), Sequence>,
    pub(crate) fund_names: Lookup<FundId, FundNumber>,
    pub(crate) account_names: Lookup<AccountId, AccountNumber>,
    pub(crate) lot_names: Lookup<LotId, LotNumber>,
    pub(crate) contract_names: Lookup<ContractId, ContractNumber>,
    pub(crate) unit_names: Lookup<UnitId, UnitNumber>,
    pub(crate) accounts_by_role: Lookup<(FundNumber, AccountKind, UnitNumber), AccountNumber>,
    pub(crate) authority: Authority,
    pub(crate) families: Families,
    pub(crate) log_keys: LogKeys,
    /// Payments that wait for witnesses.
    pub(crate) unreleased: BTreeSet<PaymentPlace>,
    /// The last payment that raises an alarm if witnesses do not see it in time, or is held.
    pub(crate) supervised: Sequence,
}

impl State {
    /// A fund by number.
    pub fn fund(&self, number: FundNumber) -> Option<&Fund> {
        self.funds.get(number.index())
    }

    /// An account by number.
    pub fn account(&self, number: AccountNumber) -> Option<&Account> {
        self.accounts.get(number.index())
    }

    /// A lot by number.
    pub fn lot(&self, number: LotNumber) -> Option<&Lot> {
        self.lots.get(number.index())
    }

    /// A contract by number.
    pub fn contract(&self, number: ContractNumber) -> Option<&Contract> {
        self.contracts.get(number.index())
    }

    /// A unit's name by number.
    pub fn unit(&self, number: UnitNumber) -> Option<&UnitId> {
        self.units.get(number.index())
    }

    /// A payment by voucher number.
    pub fn payment(&self, payment_id: &PaymentId) -> Option<&Payment> {
        self.payments.get(payment_id)
    }

    /// The event of a voucher number, whether it is a payment's, a benefit's or a withdrawal's.
    pub(crate) fn voucher(&self, payment_id: &PaymentId) -> Option<Sequence> {
        let of_payment = self.payment(payment_id).map(|payment| payment.sequence);
        of_payment.or_else(|| self.families.benefits.get(payment_id).map(|benefit| benefit.sequence))
    }

    /// Looks up what payment orders will be decided by, in the tables that are too large for the nearest caches, and says how
    /// much of it there was. Memory answers many questions in the time of one, if none has to wait for the answer to another:
    /// so each step is taken for all orders before the next.
    pub(crate) fn bring_near<'a>(&self, orders: impl Iterator<Item = &'a Order>) -> usize {
        let payments: Vec<&ExecutePayment> = orders
            .filter_map(|order| if let Order::ExecutePayment(payment) = order { Some(payment.as_ref()) } else { None })
            .collect();
        let used = payments.iter().filter(|payment| self.payments.may_have(&payment.payment_id)).count();
        let numbers: Vec<AccountNumber> =
            payments.iter().filter_map(|payment| self.account_names.get(&payment.from).copied()).collect();
        let from: Vec<&Account> = numbers.iter().filter_map(|number| self.account(*number)).collect();
        let numbers: Vec<AccountNumber> = from
            .iter()
            .filter_map(|account| self.account_by_role(account.fund, AccountKind::AuthorityUsed, account.unit))
            .collect();
        let to: Vec<&Account> = numbers.iter().filter_map(|number| self.account(*number)).collect();
        let holds = |account: &&&Account| account.lots.first().is_some_and(|(_, balance)| *balance > 0);
        let holding = from.iter().chain(&to).filter(holds).count();
        used.saturating_add(holding)
    }

    /// Roles, keys and proposals.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The account of a fund that plays a role, for a unit (number 0: the fund's own).
    pub fn account_by_role(&self, fund: FundNumber, kind: AccountKind, unit: UnitNumber) -> Option<AccountNumber> {
        self.accounts_by_role.get(&(fund, kind, unit)).copied()
    }

    /// The version of a policy that applies on a day: of the versions in effect by then, the last one set.
    pub fn policy_on(&self, policy_id: &PolicyId, day: Day) -> Option<&PolicyVersion> {
        self.policies.get(policy_id)?.iter().rev().find(|version| version.effective_from <= day)
    }

    /// Every (account, lot) of a fund whose balance is not zero, ascending: the trial balance.
    pub fn trial_balance(&self, fund: FundNumber) -> impl Iterator<Item = (AccountNumber, LotNumber, i64)> + '_ {
        self.accounts.iter().enumerate().filter(move |(_, account)| account.fund == fund).flat_map(|(at, account)| {
            let number = AccountNumber::after(at);
            let whole = (!account.kind.tracks_lots()).then_some((number, LotNumber::NONE, account.balance_minor));
            let by_lot = account.lots.iter().map(move |(lot, balance)| (number, *lot, *balance));
            whole.into_iter().chain(by_lot).filter(|(_, _, balance)| *balance != 0)
        })
    }

    /// Takes an accepted event into account. It cannot refuse: the event has happened. Numbers that do not exist can only
    /// come from a forged log, which is for `verify` to name; they are passed over.
    pub fn apply(&mut self, sequence: Sequence, event: &Event) {
        self.authority.apply(sequence, event);
        let business = event.envelope.as_ref().map_or(Day::from_days(0), |envelope| envelope.business_date);
        let dates = Dates { business, booked: event.booked_at.shanghai_date() };
        for step in event.decision.steps() {
            self.apply_step(sequence, dates, step);
        }
        if let (Payload::Oversight(oversight), Some(envelope)) = (&event.decision.payload, &event.envelope) {
            self.apply_oversight(sequence, &envelope.actor, oversight);
        }
        if let Some(envelope) = event.envelope.as_ref().filter(|_| !self.families.payers.is_empty()) {
            event.decision.steps().for_each(|step| self.note_payer(&envelope.actor, step));
        }
        if let (Payload::Complaint(complaint), Some(envelope)) = (&event.decision.payload, &event.envelope) {
            self.families.apply_complaint(&envelope.actor, complaint);
        }
    }

    /// Takes one step of an event into account, but for roles, keys and proposals: a transaction's steps are tried this way.
    pub(super) fn apply_step(&mut self, sequence: Sequence, dates: Dates, Step { operation, legs, payload }: Step<'_>) {
        let day = dates.business;
        self.settle_interest(payload);
        for leg in legs {
            let Some(account) = self.accounts.get_mut(leg.account.index()) else { continue };
            let (held, fund, is_personal) = (account.balance_minor, account.fund, account.kind.is_personal());
            let change = account.kind.change(leg.debit_minor);
            account.change(leg.lot, change);
            account.revision = sequence;
            if is_personal {
                let day = self.interest_day(payload, fund, day);
                let calendar = self.interest_calendar(fund);
                if let Some(personal) = self.families.personals.get_mut(&leg.account) {
                    personal.change(calendar, held, day, change);
                }
            }
        }
        if let Some(bank_reference) = payload.bank_reference() {
            self.bank_references.insert(bank_reference.clone(), sequence);
        }
        let fund = self.fund_of(legs);
        if let Some(fund) = self.funds.get_mut(fund.index()) {
            fund.revision = sequence;
            fund.has_moved |= !matches!(payload, Payload::OpeningBalance { .. });
        }
        if payload.is_payment_order() {
            self.supervise((sequence, operation), fund, dates, legs);
        }
        match payload {
            // Who made it is in the envelope: supervision is applied with the event.
            Payload::Oversight(_)
            | Payload::Complaint(_)
            | Payload::LedgerCreated { .. }
            | Payload::BudgetAllocated { .. }
            | Payload::CashReceived { .. }
            | Payload::PlanApproved { .. }
            | Payload::CommandRefused { .. }
            | Payload::CommandProposed { .. }
            | Payload::ProposalApproved { .. }
            | Payload::ProposalWithdrawn { .. }
            | Payload::ProposalExpired { .. }
            | Payload::RoleGranted { .. }
            | Payload::RoleRevoked { .. }
            | Payload::KeyRotated { .. }
            | Payload::TransactionPosted { .. } => {}
            Payload::LogKeyRotated { key, change } => self.log_keys.apply(sequence, key, *change),
            Payload::PaymentReleased(released) => {
                for place in &released.payments {
                    self.unreleased.remove(place);
                }
            }
            Payload::FundDefined { fund, definition } => {
                self.fund_names.insert(definition.fund_id.clone(), *fund);
                let definition = FundDefinition::clone(definition);
                self.funds.push(Fund {
                    definition,
                    closed_day: None,
                    closed_period: None,
                    has_moved: false,
                    revision: Sequence(0),
                });
            }
            Payload::PolicySet { policy_id, policy } => {
                self.policies.entry(policy_id.clone()).or_default().push(PolicyVersion::clone(policy));
            }
            Payload::AccountOpened { account, account_id, fund, kind, unit_id, person, unit_party } => {
                let unit = unit_id.as_ref().map_or(UnitNumber::default(), |unit_id| self.intern_unit(unit_id));
                self.account_names.insert(account_id.clone(), *account);
                if let Some(party) = unit_party {
                    self.families.unit_parties.insert((unit, *party));
                }
                if let Some(person) = person {
                    self.families.personal_accounts.insert((*fund, *person), *account);
                    self.families.personals.insert(*account, Personal::new(*person));
                } else {
                    self.accounts_by_role.insert((*fund, *kind, unit), *account);
                }
                self.accounts.push(Account {
                    account_id: account_id.clone(),
                    fund: *fund,
                    kind: *kind,
                    unit,
                    balance_minor: 0,
                    lots: Vec::new(),
                    freezes: 0,
                    revision: Sequence(0),
                    is_closed: false,
                });
            }
            Payload::AccountClosed { account } => self.close_account(*account),
            Payload::EstimateApproved { project_id, fund, amount, issuer_id, document_number } => {
                self.documents.insert((issuer_id.clone(), document_number.clone()), sequence);
                let project = self.families.projects.entry((*fund, project_id.clone()));
                let project = project.or_insert(Project { estimate_minor: 0, final_minor: None, paid_minor: 0 });
                project.estimate_minor = amount.minor();
            }
            Payload::EntitlementDetermined(determined) => {
                let EntitlementDetermined { fund, unit_id, item_code, period, .. } = determined.as_ref();
                let key = (*fund, unit_id.clone(), item_code.clone());
                self.families.determined.entry(key).or_default().insert(*period);
            }
            Payload::Nontax(event) => self.apply_nontax(event, legs),
            Payload::Persons(event) => self.apply_persons(sequence, event, legs),
            Payload::Housing(event) => self.apply_housing(sequence, day, event, legs),
            Payload::Procurement(event) => self.apply_procurement(event),
            Payload::OpeningBalance { lots, .. } => lots.iter().for_each(|lot| self.open_lot(sequence, lot)),
            Payload::BudgetIssued { lot } => self.open_lot(sequence, lot),
            Payload::BudgetAdjusted { issuer_id, document_number, .. } => {
                self.documents.insert((issuer_id.clone(), document_number.clone()), sequence);
            }
            Payload::Committed { contract_id, payee, .. } => {
                let fund = self.fund_of(legs);
                let contract = self.intern_contract(contract_id, fund, *payee);
                self.change_commitment(contract, legs, Carry::Untouched);
            }
            Payload::CommitmentReleased { contract_id } => {
                if let Some(contract) = self.contract_names.get(contract_id).copied() {
                    self.change_commitment(contract, legs, Carry::Untouched);
                }
            }
            Payload::Frozen { case_id, scope, .. } => {
                if legs.is_empty() {
                    self.count_freeze(*scope, 1);
                }
                self.freezes.insert(case_id.clone(), Freeze { scope: *scope, legs: legs.to_vec(), is_live: true });
            }
            Payload::Unfrozen { case_id } => {
                if let Some(freeze) = self.freezes.get_mut(case_id) {
                    freeze.is_live = false;
                    let (scope, is_whole) = (freeze.scope, freeze.legs.is_empty());
                    if is_whole {
                        self.count_freeze(scope, -1);
                    }
                }
            }
            Payload::PaymentExecuted(payment) => self.apply_payment(sequence, operation, payment, legs),
            Payload::Cleared { payment_ids, .. } => {
                for payment_id in payment_ids {
                    if let Some(payment) = self.payments.get_mut(payment_id) {
                        payment.status = PaymentStatus::Cleared;
                    }
                }
            }
            Payload::PaymentReturned { payment_id, .. } => {
                let returned = self.amount_on(legs, AccountKind::AuthorityUsed);
                if let Some(payment) = self.payments.get_mut(payment_id) {
                    payment.returned_minor = money::add(payment.returned_minor, returned);
                    let is_all = payment.returned_minor >= payment.amount_minor;
                    if let Some(contract) = self.contracts.get_mut(payment.contract.index()) {
                        contract.paid_minor = money::subtract(contract.paid_minor, returned);
                    }
                    self.families.untie_payment(payment.fund, payment.tie, returned, is_all);
                }
            }
            Payload::Reversed { original, operation, payment_id, contract_id, .. } => {
                self.reversals.insert((*original, *operation), sequence);
                self.unreleased.remove(&(*original, *operation));
                if let Some(payment) = payment_id.as_ref().and_then(|payment_id| self.payments.get_mut(payment_id)) {
                    payment.status = PaymentStatus::Reversed;
                    if let Some(contract) = self.contracts.get_mut(payment.contract.index()) {
                        contract.paid_minor = money::subtract(contract.paid_minor, payment.amount_minor);
                    }
                    self.families.untie_payment(payment.fund, payment.tie, payment.amount_minor, true);
                }
                if let Some(contract) = contract_id.as_ref().and_then(|id| self.contract_names.get(id)).copied() {
                    self.change_commitment(contract, legs, Carry::Paid);
                }
            }
            Payload::DayClosed { fund, day } => {
                if let Some(fund) = self.funds.get_mut(fund.index()) {
                    fund.closed_day = Some(*day);
                }
            }
            Payload::PeriodClosed { fund, period, .. } => {
                if let Some(fund) = self.funds.get_mut(fund.index()) {
                    fund.closed_period = Some(*period);
                }
            }
            Payload::CarriedForward { lot, year } => {
                if let Some(lot) = self.lots.get_mut(lot.index()) {
                    lot.stage = LotStage::Carried { year: *year };
                }
                for contract in &mut self.contracts {
                    for ((_, of_lot), open) in &mut contract.open {
                        if of_lot == lot {
                            contract.carried_minor = money::add(contract.carried_minor, std::mem::take(open));
                        }
                    }
                }
            }
            Payload::LapsedRecovered { lot, .. } => {
                if let Some(lot) = self.lots.get_mut(lot.index()) {
                    lot.stage = LotStage::Lapsed;
                }
            }
        }
    }

    /// Holds a payment where its fund's policy asks for witnesses first.
    fn supervise(&mut self, place: PaymentPlace, fund: FundNumber, dates: Dates, legs: &[Leg]) {
        let policy_id = self.fund(fund).and_then(|fund| fund.definition.policy_id.as_ref());
        let versions = policy_id.and_then(|policy_id| self.policies.get(policy_id)).map_or(&[][..], Vec::as_slice);
        // Nearly always: nothing is to be looked at twice.
        if versions.iter().all(|version| version.terms.witnessing.is_none()) {
            return;
        }
        // The stricter of both: who dates a payment back does not get around the rule.
        let rules = [dates.business, dates.booked].map(|day| self.witness_rule(fund, day, legs));
        match rules.into_iter().flatten().min() {
            None => return,
            Some(WitnessRule::Hold) => drop(self.unreleased.insert(place)),
            Some(WitnessRule::Alarm) => {}
        }
        self.supervised = place.0;
    }

    /// What becomes of a payment with these legs, if witnesses have not seen it.
    pub(super) fn witness_rule(&self, fund: FundNumber, day: Day, legs: &[Leg]) -> Option<WitnessRule> {
        let policy_id = self.fund(fund)?.definition.policy_id.as_ref()?;
        let terms = &self.policy_on(policy_id, day)?.terms;
        terms.witness_rule(self.moved_minor(legs))
    }

    /// What legs move, minor units: a payment moves both books by the same amount, and counts once.
    pub(super) fn moved_minor(&self, legs: &[Leg]) -> i64 {
        let debits = |book: Book| {
            let of_book = |leg: &&Leg| self.account(leg.account).is_some_and(|account| account.kind.book() == book);
            legs.iter().filter(of_book).fold(0, |sum, leg| money::add(sum, leg.debit_minor.max(0)))
        };
        debits(Book::Authority).max(debits(Book::Cash))
    }

    /// Payments that wait for witnesses, ascending: those before a sequence, at most so many.
    pub fn unreleased_before(&self, sequence: Sequence, count_max: usize) -> Vec<PaymentPlace> {
        self.unreleased.range(..(sequence, 0)).take(count_max).copied().collect()
    }

    /// Whether an event orders a payment that waits for witnesses.
    pub fn is_unreleased(&self, sequence: Sequence) -> bool {
        self.unreleased.range((sequence, 0)..(sequence.next(), 0)).next().is_some()
    }

    fn apply_payment(&mut self, sequence: Sequence, operation: u32, payment: &PaymentExecuted, legs: &[Leg]) {
        let contract =
            payment.contract_id.as_ref().and_then(|id| self.contract_names.get(id)).copied().unwrap_or_default();
        if contract != ContractNumber::default() {
            self.change_commitment(contract, legs, Carry::Paid);
        }
        // Crediting USED is what makes it a payment, so the credit there is its amount.
        let amount_minor = self.amount_on(legs, AccountKind::AuthorityUsed);
        if let Some(contract) = self.contracts.get_mut(contract.index()) {
            contract.paid_minor = money::add(contract.paid_minor, amount_minor);
        }
        let fund = self.fund_of(legs);
        let record = Payment {
            sequence,
            operation,
            fund,
            tie: self.tie_payment(fund, payment, amount_minor),
            amount_minor,
            returned_minor: 0,
            contract,
            status: PaymentStatus::Ordered,
        };
        self.payments.insert(&payment.payment_id, record);
    }

    fn close_account(&mut self, number: AccountNumber) {
        let Some(account) = self.accounts.get_mut(number.index()) else { return };
        account.is_closed = true;
        let (fund, kind, unit) = (account.fund, account.kind, account.unit);
        match self.families.personals.get(&number).map(|personal| personal.person) {
            Some(person) => drop(self.families.personal_accounts.remove(&(fund, person))),
            None => drop(self.accounts_by_role.remove(&(fund, kind, unit))),
        }
    }

    fn open_lot(&mut self, sequence: Sequence, opened: &LotOpened) {
        let definition = &opened.definition;
        self.lot_names.insert(definition.lot_id.clone(), opened.lot);
        self.documents.insert((definition.issuer_id.clone(), definition.document_number.clone()), sequence);
        self.lots.push(Lot { fund: opened.fund, definition: definition.clone(), stage: LotStage::Open, freezes: 0 });
    }

    pub(crate) fn intern_unit(&mut self, unit_id: &UnitId) -> UnitNumber {
        if let Some(number) = self.unit_names.get(unit_id) {
            return *number;
        }
        let number = UnitNumber::after(self.units.len());
        self.unit_names.insert(unit_id.clone(), number);
        self.units.push(unit_id.clone());
        number
    }

    fn intern_contract(&mut self, contract_id: &ContractId, fund: FundNumber, payee: PayeeRef) -> ContractNumber {
        if let Some(number) = self.contract_names.get(contract_id) {
            return *number;
        }
        let number = ContractNumber::after(self.contracts.len());
        self.contract_names.insert(contract_id.clone(), number);
        self.contracts.push(Contract {
            contract_id: contract_id.clone(),
            fund,
            payee,
            open: Vec::new(),
            carried_minor: 0,
            paid_minor: 0,
        });
        number
    }

    /// Books the legs on COMMITTED accounts to the contract; and, for payments and their reversals, those on CARRY.
    fn change_commitment(&mut self, number: ContractNumber, legs: &[Leg], carry: Carry) {
        let Some(contract) = self.contracts.get_mut(number.index()) else { return };
        for leg in legs {
            let Some(account) = self.accounts.get(leg.account.index()) else { continue };
            let change = account.kind.change(leg.debit_minor);
            if account.kind == AccountKind::AuthorityCommitted {
                contract.change(leg.account, leg.lot, change);
            } else if account.kind == AccountKind::AuthorityCarry && carry == Carry::Paid {
                contract.carried_minor = money::add(contract.carried_minor, change);
            }
        }
    }

    fn count_freeze(&mut self, scope: Frozen, change: i32) {
        let count = match scope {
            Frozen::Account(account) => self.accounts.get_mut(account.index()).map(|account| &mut account.freezes),
            Frozen::Lot(lot) => self.lots.get_mut(lot.index()).map(|lot| &mut lot.freezes),
            Frozen::Payee(payee) => Some(self.frozen_payees.entry(payee).or_default()),
        };
        if let Some(count) = count {
            *count = count.saturating_add_signed(change);
        }
        self.frozen_payees.retain(|_, count| *count > 0);
    }

    pub(super) fn fund_of(&self, legs: &[Leg]) -> FundNumber {
        legs.first().and_then(|leg| self.account(leg.account)).map(|account| account.fund).unwrap_or_default()
    }

    /// How much the legs move on accounts of a kind, without its sign.
    fn amount_on(&self, legs: &[Leg], kind: AccountKind) -> i64 {
        let on_kind = |leg: &&Leg| self.account(leg.account).is_some_and(|account| account.kind == kind);
        legs.iter().filter(on_kind).fold(0, |sum, leg| money::add(sum, leg.debit_minor)).saturating_abs()
    }
}

/// Whether legs on the CARRY account count against a contract.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carry {
    /// They belong to something else.
    Untouched,
    /// A payment under the contract, or its reversal.
    Paid,
}
