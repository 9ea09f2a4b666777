//! The state as bytes, for snapshots.

mod families;

use crate::domain::event::{Frozen, Leg};
use crate::domain::fund::{
    CheckerTier, Currency, Fund, FundDefinition, Lot, LotDefinition, LotStage, PlanStep, PolicyVersion,
};
use crate::domain::ids::{AccountNumber, ContractNumber, FundNumber, LotNumber, PayeeRef, Sequence};
use crate::domain::log_key::{LogKey, LogKeyChange, LogKeys};
use crate::domain::profile::FundProfile;
use crate::domain::release::PaymentPlace;
use crate::domain::rows::Rows;
use crate::domain::state::{Account, Contract, Freeze, Payment, PaymentStatus, State};
use crate::domain::time::UtcNanos;
use crate::domain::vouchers::ListedPayments;
use crate::format::fingerprint::FingerprintTable;
use crate::format::stored::{Malformed, Stored, put_count, take_count};
use crate::stored_struct;

/// Version of the layout below; it stands in the file's name.
pub(super) const LAYOUT: &str = "state-15";
/// Version of the layout of the chunks beside it.
pub(super) const CHUNKS_LAYOUT: &str = "chunks-14";

/// The state at a moment: the tables that grow with every event as they were then, the others as bytes already.
pub(super) struct Taken {
    state: Vec<u8>,
    payments: ListedPayments,
    keys: Rows<u64>,
}

impl Taken {
    /// All but the tables.
    pub(super) fn state(&self) -> &[u8] {
        &self.state
    }

    /// Payments, in the order in which they came.
    pub(super) const fn payments(&self) -> &ListedPayments {
        &self.payments
    }

    /// The fingerprint of each event's key.
    pub(super) const fn keys(&self) -> &Rows<u64> {
        &self.keys
    }
}

/// Takes the state as it is: a moment's work, but for the accounts and what the families remember.
pub(super) fn take(state: &State, keys: &FingerprintTable, booked_at: UtcNanos) -> Taken {
    Taken { state: encode(state, booked_at), payments: state.payments.listed(), keys: keys.listed() }
}

fn encode(state: &State, booked_at: UtcNanos) -> Vec<u8> {
    let mut to = Vec::new();
    booked_at.0.put(&mut to);
    state.funds.put(&mut to);
    state.units.put(&mut to);
    state.accounts.put(&mut to);
    state.lots.put(&mut to);
    state.contracts.put(&mut to);
    put_count(state.policies.len(), &mut to);
    for (policy_id, versions) in &state.policies {
        policy_id.put(&mut to);
        versions.put(&mut to);
    }
    put_count(state.freezes.len(), &mut to);
    for (case_id, freeze) in &state.freezes {
        case_id.put(&mut to);
        freeze.put(&mut to);
    }
    let frozen_payees: Vec<(PayeeRef, u32)> =
        state.frozen_payees.iter().map(|(payee, count)| (*payee, *count)).collect();
    frozen_payees.put(&mut to);
    // Lookups have no order: written sorted, so that equal states have equal bytes.
    let mut documents: Vec<_> =
        state.documents.iter().map(|(document, sequence)| (document.clone(), *sequence)).collect();
    documents.sort_unstable();
    documents.put(&mut to);
    let mut references: Vec<_> =
        state.bank_references.iter().map(|(reference, sequence)| (reference.clone(), *sequence)).collect();
    references.sort_unstable();
    references.put(&mut to);
    let reversals: Vec<((Sequence, u32), Sequence)> = state.reversals.iter().map(|(of, by)| (*of, *by)).collect();
    reversals.put(&mut to);
    state.authority.put(&mut to);
    families::put(&state.families, &mut to);
    state.log_keys.put(&mut to);
    let unreleased: Vec<PaymentPlace> = state.unreleased.iter().copied().collect();
    unreleased.put(&mut to);
    state.supervised.put(&mut to);
    to
}

/// The state without its tables; the names are indexed again.
pub(super) fn decode(mut bytes: &[u8]) -> Result<(State, UtcNanos), Malformed> {
    let from = &mut bytes;
    let booked_at = UtcNanos(i64::take(from)?);
    let mut state = State { funds: Stored::take(from)?, ..State::default() };
    for unit_id in Vec::take(from)? {
        state.intern_unit(&unit_id);
    }
    state.accounts = Stored::take(from)?;
    state.lots = Stored::take(from)?;
    state.contracts = Stored::take(from)?;
    for _ in 0..take_count(from)? {
        state.policies.insert(Stored::take(from)?, Stored::take(from)?);
    }
    for _ in 0..take_count(from)? {
        state.freezes.insert(Stored::take(from)?, Stored::take(from)?);
    }
    state.frozen_payees = Vec::take(from)?.into_iter().collect();
    state.documents = Vec::take(from)?.into_iter().collect();
    state.bank_references = Vec::take(from)?.into_iter().collect();
    state.reversals = Vec::take(from)?.into_iter().collect();
    state.authority = Stored::take(from)?;
    state.families = families::take(from)?;
    state.log_keys = Stored::take(from)?;
    state.unreleased = Vec::take(from)?.into_iter().collect();
    state.supervised = Stored::take(from)?;
    if !from.is_empty() {
        return Err(Malformed);
    }
    index_names(&mut state);
    Ok((state, booked_at))
}

fn index_names(state: &mut State) {
    for (at, fund) in state.funds.iter().enumerate() {
        state.fund_names.insert(fund.definition.fund_id.clone(), FundNumber::after(at));
    }
    for (at, account) in state.accounts.iter().enumerate() {
        let number = AccountNumber::after(at);
        state.account_names.insert(account.account_id.clone(), number);
        if account.is_closed {
            continue;
        }
        match state.families.personals.get(&number) {
            Some(personal) => {
                state.families.personal_accounts.insert((account.fund, personal.person), number);
            }
            None => {
                state.accounts_by_role.insert((account.fund, account.kind, account.unit), number);
            }
        }
    }
    for (at, lot) in state.lots.iter().enumerate() {
        state.lot_names.insert(lot.definition.lot_id.clone(), LotNumber::after(at));
    }
    for (at, contract) in state.contracts.iter().enumerate() {
        state.contract_names.insert(contract.contract_id.clone(), ContractNumber::after(at));
    }
}

stored_struct!(Fund { definition, closed_day, closed_period, has_moved, revision });
stored_struct!(FundDefinition {
    fund_id,
    name,
    family,
    currency,
    purposes,
    economic_codes,
    policy_id,
    legal_basis,
    scheme,
    exclusive_with,
    profile,
});
stored_struct!(FundProfile {
    level,
    region_code,
    recipient_kinds,
    carry_rule,
    directly_allocated,
    subsidizes_recipients,
    includes_matching,
});
stored_struct!(Currency { code, exponent });
stored_struct!(Account { account_id, fund, kind, unit, balance_minor, lots, freezes, revision, is_closed });
stored_struct!(Lot { fund, definition, stage, freezes });
stored_struct!(LotDefinition {
    lot_id,
    issuer_id,
    document_number,
    document_sha256,
    expires_on,
    purposes,
    parent_lot_id,
});
stored_struct!(PolicyVersion {
    version,
    effective_from,
    plan_step,
    checker_tiers,
    document_sha256,
    signed_approvals,
    terms,
});
stored_struct!(CheckerTier { from_minor, checkers });
stored_struct!(Payment { sequence, operation, fund, amount_minor, returned_minor, contract, status, tie });
stored_struct!(Contract { contract_id, fund, payee, open, carried_minor });
impl Stored for LogKeys {
    fn put(&self, to: &mut Vec<u8>) {
        let changes: Vec<(LogKey, LogKeyChange)> =
            self.changes.iter().map(|(key, change)| (key.clone(), *change)).collect();
        changes.put(to);
        self.changed.put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        Ok(Self { changes: Vec::take(from)?.into_iter().collect(), changed: Stored::take(from)? })
    }
}

impl Stored for LogKey {
    fn put(&self, to: &mut Vec<u8>) {
        Box::<str>::from(self.as_str()).put(to);
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        Box::<str>::take(from).map(Self::stored)
    }
}

stored_struct!(Freeze { scope, legs, is_live });
stored_struct!(Leg { account, lot, debit_minor });

/// Enums without fields: a byte each.
macro_rules! stored_tags {
    ($name:ident { $($variant:ident = $tag:literal),* $(,)? }) => {
        impl Stored for $name {
            fn put(&self, to: &mut Vec<u8>) {
                let tag: u8 = match self { $(Self::$variant => $tag,)* };
                tag.put(to);
            }

            fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
                match u8::take(from)? {
                    $($tag => Ok(Self::$variant),)*
                    _ => Err(Malformed),
                }
            }
        }
    };
}

stored_tags!(PlanStep { Required = 1, Optional = 2 });
stored_tags!(PaymentStatus { Ordered = 1, Cleared = 2, Reversed = 3 });

impl Stored for LotStage {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Self::Open => 0_u8.put(to),
            Self::Carried { year } => {
                1_u8.put(to);
                year.put(to);
            }
            Self::Lapsed => 2_u8.put(to),
        }
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        match u8::take(from)? {
            0 => Ok(Self::Open),
            1 => Ok(Self::Carried { year: Stored::take(from)? }),
            2 => Ok(Self::Lapsed),
            _ => Err(Malformed),
        }
    }
}

impl Stored for Frozen {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Self::Account(account) => {
                0_u8.put(to);
                account.put(to);
            }
            Self::Lot(lot) => {
                1_u8.put(to);
                lot.put(to);
            }
            Self::Payee(payee) => {
                2_u8.put(to);
                payee.put(to);
            }
        }
    }

    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        match u8::take(from)? {
            0 => Stored::take(from).map(Self::Account),
            1 => Stored::take(from).map(Self::Lot),
            2 => Stored::take(from).map(Self::Payee),
            _ => Err(Malformed),
        }
    }
}
