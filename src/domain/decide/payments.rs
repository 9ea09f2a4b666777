//! Cash of special funds, and their payments from order to return. Every payment moves both books at once, so "over budget",
//! "no plan" and "cash differs from claims" cannot be represented.

use std::collections::BTreeSet;

use super::Context;
use super::contracts::{contract_of, contract_of_fund, under_contract};
use super::guard::{AccountRef, Case, Checkers, Freezes, FundRef, Spending, add_up, credit, debit, lots_of_fund};
use super::projects::within_estimate;
use super::special::plan_first;
use super::terms::within_standard;
use crate::domain::account::AccountKind as Kind;
use crate::domain::command::{ExecutePayment, Payout};
use crate::domain::event::{Decision, Leg, Payload, PaymentExecuted};
use crate::domain::fund::LotStage;
use crate::domain::ids::{
    AccountNumber, BankReference, Code, FundNumber, LotId, LotNumber, PaymentId, ReasonCode, UnitNumber,
};
use crate::domain::money::{self, Amount};
use crate::domain::policy::Item;
use crate::domain::profile::RecipientKind;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::state::{Payment, PaymentStatus};

/// Cash for a lot. Dr TREASURY, Cr `FUND_LOT`.
pub(super) fn receive_cash(
    case: Case<'_>,
    lot_id: &LotId,
    amount: Amount,
    bank_reference: BankReference,
) -> Result<Decision, Refusal> {
    let lot = case.lot(lot_id)?;
    let fund = case.fund_at(lot.row.fund)?;
    new_bank_reference(case, &bank_reference)?;
    let treasury = case.account_for(fund.number, Kind::Treasury, UnitNumber::default())?;
    let fund_lot = case.account_for(fund.number, Kind::FundLot, UnitNumber::default())?;
    case.admit(fund, amount.minor(), Checkers::NotNeeded)?;
    let legs = vec![
        debit(treasury.number, LotNumber::NONE, amount.minor()),
        credit(fund_lot.number, lot.number, amount.minor()),
    ];
    case.settle(fund, legs, Payload::CashReceived { bank_reference }, Freezes::Hold)
}

/// 支付: one event, both books. Dr PLAN|COMMITTED|CARRY|UNIT, Cr USED; Dr `FUND_LOT`, Cr CLEARING.
pub(super) fn execute_payment(case: Case<'_>, payment: ExecutePayment) -> Result<Decision, Refusal> {
    let from = case.account(&payment.from)?;
    let fund = case.fund_at(from.row.fund)?;
    let asked = case.asked(&payment.draws)?;
    new_voucher(case, &payment.payment_id)?;
    if let Some(reissued) = payment.payout.as_ref().and_then(|payout| payout.reissue_of.as_ref()) {
        payment_of(case, reissued)?;
    }
    let unit = paying_unit(case, &payment, from)?;
    let contract = match &payment.contract_id {
        Some(contract_id) => Some(contract_of(case, contract_id)?),
        None => None,
    };
    let used = case.account_for(fund.number, Kind::AuthorityUsed, unit)?;
    let fund_lot = case.account_for(fund.number, Kind::FundLot, UnitNumber::default())?;
    let clearing = case.account_for(fund.number, Kind::Clearing, UnitNumber::default())?;
    lots_of_fund(from, &asked)?;
    if let Some(contract) = contract {
        contract_of_fund(contract, fund.number)?;
    }
    plan_first(case, from, &[Kind::AuthorityPlan, Kind::AuthorityCommitted, Kind::AuthorityCarry])?;
    let item = match &payment.payout {
        Some(payout) => Some(case.item_terms(fund, &payout.item_code)?),
        None => None,
    };
    case.admit(fund, payment.amount.minor(), Checkers::Needed)?;
    if let (Some(payout), Some(item)) = (&payment.payout, item) {
        may_be_paid_out(case, fund, &payment, payout, item)?;
    }
    // 虚列支出: a unit pays no account of its own.
    if case.state.families.unit_parties.contains(&(unit, payment.payee)) {
        return Err(Refusal::new(Reason::SelfPayment)
            .with("payee", payment.payee)
            .with("account", &from.row.account_id));
    }
    within_estimate(case, fund, &payment)?;
    add_up(payment.amount, &asked)?;
    under_contract(case, &payment, contract, from, &asked)?;
    let mut spending = Spending { purpose: Some(&payment.purpose), contract: None };
    if from.row.kind == Kind::AuthorityCommitted {
        spending.contract = contract;
    }
    case.payee_is_free(payment.payee)?;
    case.is_free(&[from, fund_lot], &asked)?;
    if let Some(code) =
        payment.economic_code.as_ref().filter(|code| !in_scope(&fund.row.definition.economic_codes, code))
    {
        return Err(Refusal::new(Reason::OutOfScope)
            .with("economic_code", code)
            .with("fund", &fund.row.definition.fund_id));
    }
    if !fund.row.definition.profile.allows_recipient(payment.recipient()) {
        return Err(Refusal::new(Reason::OutOfScope)
            .with("fund", &fund.row.definition.fund_id)
            .with("recipient_kind", payment.recipient().map_or("UNSPECIFIED", RecipientKind::as_str)));
    }
    let draws = case.draws(from, payment.amount, &asked, spending)?;
    let mut legs = Vec::with_capacity(draws.len().saturating_mul(3).saturating_add(1));
    legs.extend(draws.iter().map(|(lot, drawn)| debit(from.number, *lot, *drawn)));
    legs.extend(draws.iter().map(|(lot, drawn)| credit(used.number, *lot, *drawn)));
    legs.extend(draws.iter().map(|(lot, drawn)| debit(fund_lot.number, *lot, *drawn)));
    legs.push(credit(clearing.number, LotNumber::NONE, payment.amount.minor()));
    let payload = Payload::PaymentExecuted(Box::new(PaymentExecuted {
        payment_id: payment.payment_id,
        payee: payment.payee,
        purpose: payment.purpose,
        function_code: payment.function_code,
        economic_code: payment.economic_code,
        project_id: payment.project_id,
        contract_id: payment.contract_id,
        method: payment.method,
        document_sha256: payment.document_sha256,
        payout: payment.payout,
        recipient_kind: payment.recipient_kind,
    }));
    case.settle(fund, legs, payload, Freezes::Hold)
}

/// 清算: the treasury pays the bank that advanced the money. Dr CLEARING, Cr TREASURY.
pub(super) fn clear_payments(
    case: Case<'_>,
    payment_ids: Vec<PaymentId>,
    bank_reference: BankReference,
) -> Result<Decision, Refusal> {
    for payment_id in &payment_ids {
        payment_of(case, payment_id)?;
    }
    new_bank_reference(case, &bank_reference)?;
    let mut fund: Option<FundNumber> = None;
    let mut sum = 0;
    for payment_id in &payment_ids {
        let payment = payment_of(case, payment_id)?;
        if *fund.get_or_insert(payment.fund) != payment.fund {
            return Err(Refusal::new(Reason::FundMixed).with("payment", payment_id));
        }
        sum = money::add(sum, payment.amount_minor);
    }
    let fund = case.fund_at(fund.unwrap_or_default())?;
    let clearing = case.account_for(fund.number, Kind::Clearing, UnitNumber::default())?;
    let treasury = case.account_for(fund.number, Kind::Treasury, UnitNumber::default())?;
    case.admit(fund, sum, Checkers::NotNeeded)?;
    let mut seen = BTreeSet::new();
    for payment_id in &payment_ids {
        let payment = payment_of(case, payment_id)?;
        match payment.status {
            PaymentStatus::Ordered if seen.insert(payment_id) => is_released(case, payment_id, payment)?,
            PaymentStatus::Ordered | PaymentStatus::Cleared => {
                return Err(Refusal::new(Reason::PaymentCleared).with("payment", payment_id));
            }
            PaymentStatus::Reversed => return Err(already_reversed(case, payment)),
        }
    }
    let legs = vec![debit(clearing.number, LotNumber::NONE, sum), credit(treasury.number, LotNumber::NONE, sum)];
    case.settle(fund, legs, Payload::Cleared { bank_reference, payment_ids }, Freezes::Hold)
}

/// 退款/退票: money of a cleared payment comes back to the lots it came from, the last draw first.
pub(super) fn return_payment(
    case: Case<'_>,
    context: &Context<'_>,
    payment_id: PaymentId,
    amount: Amount,
    bank_reference: BankReference,
    reason_code: ReasonCode,
) -> Result<Decision, Refusal> {
    let payment = *payment_of(case, &payment_id)?;
    let fund = case.fund_at(payment.fund)?;
    let no_event = || Refusal::new(Reason::EventNotFound).with("original_sequence", payment.sequence.0);
    let original = context.original(payment.sequence, payment.operation).ok_or_else(no_event)?;
    new_bank_reference(case, &bank_reference)?;
    let fund_level = |kind| case.account_for(fund.number, kind, UnitNumber::default());
    let treasury = fund_level(Kind::Treasury)?;
    let fund_lot = fund_level(Kind::FundLot)?;
    let (source, used) = accounts_of_payment(case, original.legs).ok_or_else(no_event)?;
    case.admit(fund, amount.minor(), Checkers::NotNeeded)?;
    match payment.status {
        PaymentStatus::Cleared => {}
        PaymentStatus::Ordered => return Err(Refusal::new(Reason::PaymentNotCleared).with("payment", &payment_id)),
        PaymentStatus::Reversed => return Err(already_reversed(case, &payment)),
    }
    let left = money::subtract(payment.amount_minor, payment.returned_minor);
    if amount.minor() > left {
        return Err(Refusal::new(Reason::OverRefund)
            .with("payment", &payment_id)
            .with("available_minor", left)
            .with("asked_minor", amount.minor()));
    }
    let mut legs = vec![debit(treasury.number, LotNumber::NONE, amount.minor())];
    let mut recalled = 0;
    for (lot, part) in refills(original.legs, source.number, payment.returned_minor, amount.minor()) {
        let stage = case.state.lot(lot).map_or(LotStage::Open, |lot| lot.stage);
        let destination = match stage {
            LotStage::Open => back_to(case, source)?,
            LotStage::Carried { .. } => fund_level(Kind::AuthorityCarry)?,
            LotStage::Lapsed => fund_level(Kind::AuthorityRecalled)?,
        };
        legs.push(credit(fund_lot.number, lot, part));
        legs.push(debit(used.number, lot, part));
        legs.push(credit(destination.number, lot, part));
        if stage == LotStage::Lapsed {
            // The lot's cash was sent upward when it lapsed; what comes back later follows it.
            legs.push(debit(fund_lot.number, lot, part));
            recalled = money::add(recalled, part);
        }
    }
    if recalled > 0 {
        legs.push(credit(treasury.number, LotNumber::NONE, recalled));
    }
    let payload = Payload::PaymentReturned { payment_id, original: payment.sequence, bank_reference, reason_code };
    case.settle(fund, legs, payload, Freezes::Pass)
}

/// A payout to a person: an item of the policy, once a month, within its limit, and to nobody who may not be paid; one that is
/// issued again is to the same person for the same.
fn may_be_paid_out(
    case: Case<'_>,
    fund: FundRef<'_>,
    payment: &ExecutePayment,
    payout: &Payout,
    item: &Item,
) -> Result<(), Refusal> {
    if let Some(reissued) = &payout.reissue_of {
        let tie = case.state.families.tie(payment_of(case, reissued)?.tie);
        let same = tie.and_then(|tie| tie.payout.as_ref()).is_some_and(|(person, item, period)| {
            *person == payment.payee && *item == payout.item_code && *period == payout.period
        });
        if !same {
            return Err(Refusal::new(Reason::PayeeMismatch).with("payment", reissued).with("payee", payment.payee));
        }
    }
    case.is_first_payment(fund, payment.payee, &payout.item_code, payout.period)?;
    case.is_eligible(fund, payment.payee, payout.period)?;
    within_standard(item, payment.amount.minor())
}

/// A voucher number that nobody used before, for a payment, a benefit or a withdrawal.
pub(super) fn new_voucher(case: Case<'_>, payment_id: &PaymentId) -> Result<(), Refusal> {
    match case.state.voucher(payment_id) {
        None => Ok(()),
        Some(first) => {
            Err(Refusal::new(Reason::PaymentExists).with("payment", payment_id).with("original_sequence", first.0))
        }
    }
}

fn paying_unit(case: Case<'_>, payment: &ExecutePayment, from: AccountRef<'_>) -> Result<UnitNumber, Refusal> {
    let named = match &payment.unit {
        None => None,
        Some(unit_id) => match case.state.unit_names.get(unit_id) {
            Some(unit) => Some(*unit),
            None => return Err(Refusal::new(Reason::UnitNotFound).with("unit", unit_id)),
        },
    };
    let own = Some(from.row.unit).filter(|unit| *unit != UnitNumber::default());
    match (own, named) {
        (Some(own), None) => Ok(own),
        (Some(own), Some(named)) if own == named => Ok(own),
        (None, Some(named)) => Ok(named),
        (Some(_), Some(_)) | (None, None) => {
            Err(Refusal::new(Reason::UnitNotFound).with("account", &from.row.account_id))
        }
    }
}

fn in_scope(allowed: &[Code], code: &Code) -> bool {
    allowed.is_empty() || allowed.contains(code)
}

/// Witnesses have seen it, where they must: before that no bank has acted on it.
fn is_released(case: Case<'_>, payment_id: &PaymentId, payment: &Payment) -> Result<(), Refusal> {
    if case.state.unreleased.contains(&(payment.sequence, payment.operation)) {
        return Err(Refusal::new(Reason::PaymentUnreleased)
            .with("payment", payment_id)
            .with("original_sequence", payment.sequence.0));
    }
    Ok(())
}

fn payment_of<'a>(case: Case<'a>, payment_id: &PaymentId) -> Result<&'a Payment, Refusal> {
    let found = case.state.payment(payment_id);
    found.ok_or_else(|| Refusal::new(Reason::PaymentNotFound).with("payment", payment_id))
}

pub(super) fn already_reversed(case: Case<'_>, payment: &Payment) -> Refusal {
    let reversal = case.state.reversals.get(&(payment.sequence, payment.operation));
    let refusal = Refusal::new(Reason::AlreadyReversed).with("original_sequence", payment.sequence.0);
    match reversal {
        Some(reversal) => refusal.with("reversal_sequence", reversal.0),
        None => refusal,
    }
}

pub(super) fn new_bank_reference(case: Case<'_>, bank_reference: &BankReference) -> Result<(), Refusal> {
    match case.state.bank_references.get(bank_reference) {
        None => Ok(()),
        Some(first) => Err(Refusal::new(Reason::DuplicateBankReference)
            .with("bank_reference", bank_reference)
            .with("original_sequence", first.0)),
    }
}

/// The authority account a payment was drawn on, and the USED account it went to.
fn accounts_of_payment<'a>(case: Case<'a>, legs: &[Leg]) -> Option<(AccountRef<'a>, AccountRef<'a>)> {
    let mut source = None;
    let mut used = None;
    for leg in legs {
        let row = case.state.account(leg.account)?;
        let account = AccountRef { number: leg.account, row };
        if row.kind == Kind::AuthorityUsed {
            used = Some(account);
        } else if leg.debit_minor > 0 && row.kind != Kind::FundLot {
            source = Some(account);
        }
    }
    Some((source?, used?))
}

/// Where money of an open lot returns to: the plan it was drawn on. A commitment is not restored by a return (the
/// contract may be at an end): the money goes to the unit's plan, or, where there is none, to its authority.
fn back_to<'a>(case: Case<'a>, source: AccountRef<'a>) -> Result<AccountRef<'a>, Refusal> {
    if source.row.kind != Kind::AuthorityCommitted {
        return Ok(source);
    }
    let of_unit = |kind| case.account_for(source.row.fund, kind, source.row.unit);
    of_unit(Kind::AuthorityPlan).or_else(|_| of_unit(Kind::AuthorityUnit))
}

/// Splits a return over a payment's draws, the last one first, going on where earlier returns stopped: the lot that
/// lapses first was drawn first and is refilled last.
fn refills(legs: &[Leg], source: AccountNumber, returned_before: i64, amount: i64) -> Vec<(LotNumber, i64)> {
    let draws = legs.iter().filter(|leg| leg.account == source && leg.debit_minor > 0);
    let mut skipped = returned_before;
    let mut missing = amount;
    let mut parts = Vec::new();
    for draw in draws.rev() {
        let done = skipped.min(draw.debit_minor);
        skipped = money::subtract(skipped, done);
        let part = missing.min(money::subtract(draw.debit_minor, done));
        if part > 0 {
            parts.push((draw.lot, part));
            missing = money::subtract(missing, part);
        }
    }
    parts
}
