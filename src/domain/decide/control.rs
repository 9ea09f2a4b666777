//! Control over any family: freezes, reversals, closes.

use super::Context;
use super::guard::{Case, Checkers, Freezes, Spending, add_up, credit, debit, decided, kind_is, lots_of_fund};
use super::payments::already_reversed;
use crate::domain::account::AccountKind as Kind;
use crate::domain::command::FreezeScope;
use crate::domain::event::{Decision, Frozen, Leg, Payload};
use crate::domain::ids::{
    AccountNumber, CaseId, ContractId, FundId, FundNumber, LegalBasis, PaymentId, ReasonCode, Sequence,
};
use crate::domain::money;
use crate::domain::persons::PersonsEvent;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::state::PaymentStatus;
use crate::domain::time::{Day, Period};

/// 冻结: an amount moves to FROZEN; an account, a lot or a payee is marked (审计法§38: the audit office notifies, finance
/// suspends).
pub(super) fn freeze(
    case: Case<'_>,
    case_id: CaseId,
    legal_basis: LegalBasis,
    scope: FreezeScope,
) -> Result<Decision, Refusal> {
    if case.state.freezes.contains_key(&case_id) {
        return Err(Refusal::new(Reason::FreezeExists).with("case", &case_id));
    }
    let mark = |scope, fund| {
        case.checkers_for(fund)?;
        let payload = Payload::Frozen { case_id: case_id.clone(), legal_basis: legal_basis.clone(), scope };
        Ok(decided(payload))
    };
    match scope {
        FreezeScope::Account(account_id) => {
            let account = case.account(&account_id)?;
            mark(Frozen::Account(account.number), Some(account.row.fund))
        }
        FreezeScope::Lot(lot_id) => {
            let lot = case.lot(&lot_id)?;
            mark(Frozen::Lot(lot.number), Some(lot.row.fund))
        }
        FreezeScope::Payee(payee) => mark(Frozen::Payee(payee), None),
        FreezeScope::Amount { account, amount, draws } => {
            let from = case.account(&account)?;
            let fund = case.fund_at(from.row.fund)?;
            let asked = case.asked(&draws)?;
            lots_of_fund(from, &asked)?;
            kind_is(from, &[Kind::AuthorityUnit, Kind::AuthorityPlan])?;
            let frozen = case.account_for(fund.number, Kind::AuthorityFrozen, from.row.unit)?;
            case.admit(fund, amount.minor(), Checkers::Needed)?;
            add_up(amount, &asked)?;
            case.is_free(&[from], &asked)?;
            let draws = case.draws(from, amount, &asked, Spending::default())?;
            let debits = draws.iter().map(|(lot, drawn)| debit(from.number, *lot, *drawn));
            let credits = draws.iter().map(|(lot, drawn)| credit(frozen.number, *lot, *drawn));
            let legs = debits.chain(credits).collect();
            let payload = Payload::Frozen { case_id, legal_basis, scope: Frozen::Account(from.number) };
            case.settle(fund, legs, payload, Freezes::Hold)
        }
    }
}

/// 解冻: the whole of a case; an amount goes back where it came from.
pub(super) fn unfreeze(case: Case<'_>, case_id: CaseId) -> Result<Decision, Refusal> {
    let live = case.state.freezes.get(&case_id).filter(|freeze| freeze.is_live);
    let freeze = live.ok_or_else(|| Refusal::new(Reason::FreezeNotFound).with("case", &case_id))?;
    let first = freeze.legs.first().and_then(|leg| case.state.account(leg.account));
    let Some(account) = first else {
        let fund = match freeze.scope {
            Frozen::Account(account) => case.state.account(account).map(|account| account.fund),
            Frozen::Lot(lot) => case.state.lot(lot).map(|lot| lot.fund),
            Frozen::Payee(_) => None,
        };
        case.checkers_for(fund)?;
        return Ok(decided(Payload::Unfrozen { case_id }));
    };
    let fund = case.fund_at(account.fund)?;
    let amount = freeze.legs.iter().fold(0, |sum, leg| money::add(sum, leg.debit_minor.max(0)));
    case.admit(fund, amount, Checkers::Needed)?;
    case.settle(fund, mirrored(&freeze.legs), Payload::Unfrozen { case_id }, Freezes::Pass)
}

/// 冲销: exact opposite legs, same lots, once only, and never after clearing.
pub(super) fn reverse(
    case: Case<'_>,
    context: &Context<'_>,
    sequence: Sequence,
    operation: u32,
    reason_code: ReasonCode,
) -> Result<Decision, Refusal> {
    let refusal = |reason| {
        let refusal = Refusal::new(reason).with("original_sequence", sequence.0);
        if operation == 0 { refusal } else { refusal.with("original_operation", operation) }
    };
    if !context.has_original(sequence) {
        return Err(refusal(Reason::EventNotFound));
    }
    let not_reversible = || refusal(Reason::NotReversible);
    // Of a transaction an operation is named; of any other event none.
    let original = context.original(sequence, operation).ok_or_else(not_reversible)?;
    let legs = original.legs;
    let account = legs.first().and_then(|leg| case.state.account(leg.account));
    let target = target_of(original.payload).ok_or_else(not_reversible)?;
    let fund = case.fund_at(account.ok_or_else(not_reversible)?.fund)?;
    case.admit(fund, case.state.moved_minor(legs), Checkers::Needed)?;
    if let Some(reversal) = case.state.reversals.get(&(sequence, operation)) {
        return Err(refusal(Reason::AlreadyReversed).with("reversal_sequence", reversal.0));
    }
    let (payment_id, contract_id) = target;
    if let Some(payment) = payment_id.as_ref().and_then(|payment_id| case.state.payment(payment_id)) {
        match payment.status {
            PaymentStatus::Ordered => {}
            PaymentStatus::Cleared => {
                return Err(refusal(Reason::PaymentCleared));
            }
            PaymentStatus::Reversed => return Err(already_reversed(case, payment)),
        }
    }
    let legs = mirrored(legs);
    let contract = contract_id.as_ref().and_then(|id| case.state.contract_names.get(id)).copied();
    if let Some(contract) = contract.and_then(|number| case.state.contract(number)) {
        // What the reversal takes out of a commitment must still be committed under that contract.
        for leg in &legs {
            let is_committed =
                case.state.account(leg.account).is_some_and(|account| account.kind == Kind::AuthorityCommitted);
            let open = contract.open_minor(leg.account, leg.lot);
            if is_committed && leg.debit_minor > open {
                return Err(Refusal::new(Reason::OverContract)
                    .with("contract", &contract.contract_id)
                    .with("available_minor", open)
                    .with("asked_minor", leg.debit_minor));
            }
        }
    }
    let payload = Payload::Reversed { original: sequence, operation, reason_code, payment_id, contract_id };
    case.settle(fund, legs, payload, Freezes::Pass)
}

/// What a reversal must undo besides legs; `None` where the type cannot be reversed. Exhaustive on purpose: whoever adds
/// an event decides here.
fn target_of(payload: &Payload) -> Option<(Option<PaymentId>, Option<ContractId>)> {
    match payload {
        Payload::BudgetAllocated { .. }
        | Payload::BudgetAdjusted { .. }
        | Payload::PlanApproved { .. }
        | Payload::CashReceived { .. } => Some((None, None)),
        Payload::Committed { contract_id, .. } | Payload::CommitmentReleased { contract_id } => {
            Some((None, Some(contract_id.clone())))
        }
        Payload::PaymentExecuted(payment) => Some((Some(payment.payment_id.clone()), payment.contract_id.clone())),
        Payload::Persons(event) => match event.as_ref() {
            // Nothing is remembered of these but their legs; the others have their own ways back.
            PersonsEvent::IncomeReceived { .. } | PersonsEvent::FundsMoved { .. } => Some((None, None)),
            PersonsEvent::EligibilityRecorded { .. }
            | PersonsEvent::ContributionReceived { .. }
            | PersonsEvent::BenefitPaid { .. }
            | PersonsEvent::BenefitRecovered { .. }
            | PersonsEvent::RelationTransferred { .. }
            | PersonsEvent::InterestCredited { .. } => None,
        },
        Payload::LedgerCreated { .. }
        | Payload::FundDefined { .. }
        | Payload::PolicySet { .. }
        | Payload::AccountOpened { .. }
        | Payload::AccountClosed { .. }
        | Payload::EstimateApproved { .. }
        | Payload::EntitlementDetermined(_)
        | Payload::Nontax(_)
        | Payload::Housing(_)
        | Payload::Oversight(_)
        | Payload::Procurement(_)
        | Payload::Complaint(_)
        | Payload::OpeningBalance { .. }
        | Payload::BudgetIssued { .. }
        | Payload::Frozen { .. }
        | Payload::Unfrozen { .. }
        | Payload::Cleared { .. }
        | Payload::PaymentReturned { .. }
        | Payload::Reversed { .. }
        | Payload::DayClosed { .. }
        | Payload::PeriodClosed { .. }
        | Payload::CarriedForward { .. }
        | Payload::LapsedRecovered { .. }
        | Payload::CommandRefused { .. }
        | Payload::CommandProposed { .. }
        | Payload::ProposalApproved { .. }
        | Payload::ProposalWithdrawn { .. }
        | Payload::ProposalExpired { .. }
        | Payload::RoleGranted { .. }
        | Payload::RoleRevoked { .. }
        | Payload::KeyRotated { .. }
        | Payload::PaymentReleased(_)
        | Payload::LogKeyRotated { .. }
        | Payload::TransactionPosted { .. } => None,
    }
}

fn mirrored(legs: &[Leg]) -> Vec<Leg> {
    legs.iter().map(|leg| Leg { debit_minor: leg.debit_minor.saturating_neg(), ..*leg }).collect()
}

/// 日结: the clearing accounts of the fund are zero (invariant I7), and the day is shut.
pub(super) fn close_day(case: Case<'_>, fund_id: &FundId, day: Day) -> Result<Decision, Refusal> {
    let fund = case.fund(fund_id)?;
    let first_open = fund.row.first_open_day();
    if let Some(first_open) = first_open.filter(|first_open| day < *first_open) {
        return Err(Refusal::new(Reason::PeriodClosed)
            .with("fund", fund_id)
            .with("business_date", day)
            .with("first_open_date", first_open));
    }
    clearing_is_zero(case, fund.number)?;
    Ok(decided(Payload::DayClosed { fund: fund.number, day }))
}

/// 月结: months close in order, without gaps, each sealing the digest of the fund's trial balance.
pub(super) fn close_period(
    case: Case<'_>,
    fund_id: &FundId,
    period: Period,
    trial_balance_sha256: Option<[u8; 32]>,
) -> Result<Decision, Refusal> {
    let fund = case.fund(fund_id)?;
    let closed = fund.row.closed_period;
    if closed.is_some_and(|closed| period <= closed) {
        return Err(Refusal::new(Reason::PeriodClosed).with("fund", fund_id).with("period", period));
    }
    case.checkers_for(Some(fund.number))?;
    if let Some(next) = closed.map(Period::next).filter(|next| period != *next) {
        return Err(Refusal::new(Reason::PeriodOutOfOrder)
            .with("fund", fund_id)
            .with("period", period)
            .with("next_period", next));
    }
    clearing_is_zero(case, fund.number)?;
    if case.terms(fund).is_some_and(|terms| terms.empty_income_at_month_end) {
        is_zero(case, fund.number, Kind::Income)?;
    }
    let payload = Payload::PeriodClosed {
        fund: fund.number,
        period,
        trial_balance_sha256: trial_balance_sha256.unwrap_or_default(),
    };
    Ok(decided(payload))
}

fn clearing_is_zero(case: Case<'_>, fund: FundNumber) -> Result<(), Refusal> {
    is_zero(case, fund, Kind::Clearing)
}

fn is_zero(case: Case<'_>, fund: FundNumber, kind: Kind) -> Result<(), Refusal> {
    for (at, account) in case.state.accounts.iter().enumerate() {
        if account.fund == fund && account.kind == kind && account.balance_minor != 0 {
            return Err(Refusal::new(Reason::ZeroBalanceNotCleared)
                .with("account", &account.account_id)
                .with("account_number", AccountNumber::after(at).0)
                .with("balance_minor", account.balance_minor));
        }
    }
    Ok(())
}
