//! Non-tax revenue: noticed, collected straight into the treasury, split between levels, refunded to the payer only.

use super::guard::{Case, Checkers, Freezes, credit, debit, decided};
use super::payments::new_bank_reference;
use super::terms::{family_is, split_accounts};
use crate::domain::account::AccountKind as Kind;
use crate::domain::event::{Decision, Leg, Payload};
use crate::domain::fund::FundFamily;
use crate::domain::ids::{
    AccountNumber, BankReference, Code, FundId, LotNumber, NoticeId, PayeeRef, ReasonCode, UnitNumber,
};
use crate::domain::money::{self, Amount};
use crate::domain::nontax::{NontaxEvent, NontaxOrder, Notice};
use crate::domain::refusal::{Reason, Refusal};

const SHARE_KINDS: &[Kind] = &[Kind::NontaxShare, Kind::PayableUpper, Kind::PayableLower];

pub(super) fn decide(case: Case<'_>, order: NontaxOrder) -> Result<Decision, Refusal> {
    match order {
        NontaxOrder::Notice { notice_id, fund_id, payer, item_code, amount, due_on } => {
            let fund = family_fund(case, &fund_id)?;
            if case.state.notice(&notice_id).is_some() {
                return Err(Refusal::new(Reason::NoticeExists).with("notice", &notice_id));
            }
            case.split_terms(fund, &item_code)?;
            case.admit(fund, amount.minor(), Checkers::NotNeeded)?;
            let fund = fund.number;
            Ok(event(NontaxEvent::Noticed { notice_id, fund, payer, item_code, amount, due_on }))
        }
        NontaxOrder::Collect { notice_id, amount, bank_reference, receipt_number } => {
            collect(case, notice_id, amount, bank_reference, receipt_number)
        }
        NontaxOrder::Split { notice_id } => split(case, notice_id),
        NontaxOrder::Refund { notice_id, amount, payee, bank_reference, reason_code } => {
            refund(case, notice_id, amount, payee, bank_reference, reason_code)
        }
    }
}

fn event(event: NontaxEvent) -> Decision {
    decided(Payload::Nontax(Box::new(event)))
}

fn family_fund<'a>(case: Case<'a>, fund_id: &FundId) -> Result<super::guard::FundRef<'a>, Refusal> {
    let fund = case.fund(fund_id)?;
    family_is(fund, &[FundFamily::Nontax])?;
    Ok(fund)
}

fn notice_of<'a>(case: Case<'a>, notice_id: &NoticeId) -> Result<&'a Notice, Refusal> {
    case.state.notice(notice_id).ok_or_else(|| Refusal::new(Reason::NoticeNotFound).with("notice", notice_id))
}

/// 收缴: Dr TREASURY, Cr `NONTAX_PENDING`.
fn collect(
    case: Case<'_>,
    notice_id: NoticeId,
    amount: Amount,
    bank_reference: BankReference,
    receipt_number: Code,
) -> Result<Decision, Refusal> {
    let notice = notice_of(case, &notice_id)?;
    let fund = case.fund_at(notice.fund)?;
    new_bank_reference(case, &bank_reference)?;
    let treasury = case.account_for(fund.number, Kind::Treasury, UnitNumber::default())?;
    let pending = case.account_for(fund.number, Kind::NontaxPending, UnitNumber::default())?;
    case.admit(fund, amount.minor(), Checkers::NotNeeded)?;
    let left = money::subtract(notice.due_minor, notice.collected_minor());
    if amount.minor() > left {
        return Err(Refusal::new(Reason::OverNotice)
            .with("notice", &notice_id)
            .with("available_minor", left)
            .with("asked_minor", amount.minor()));
    }
    let legs = vec![
        debit(treasury.number, LotNumber::NONE, amount.minor()),
        credit(pending.number, LotNumber::NONE, amount.minor()),
    ];
    let event = NontaxEvent::Collected { notice_id, bank_reference, receipt_number };
    case.settle(fund, legs, Payload::Nontax(Box::new(event)), Freezes::Hold)
}

/// 分成: Dr `NONTAX_PENDING`, Cr the shares, by the policy of the business date.
fn split(case: Case<'_>, notice_id: NoticeId) -> Result<Decision, Refusal> {
    let notice = notice_of(case, &notice_id)?;
    let fund = case.fund_at(notice.fund)?;
    let pending = case.account_for(fund.number, Kind::NontaxPending, UnitNumber::default())?;
    let (accounts, weights) = split_accounts(case, fund, &notice.item_code, SHARE_KINDS)?;
    case.admit(fund, notice.pending_minor, Checkers::NotNeeded)?;
    if notice.pending_minor == 0 {
        return Err(Refusal::new(Reason::NothingToMove).with("notice", &notice_id));
    }
    let mut legs = vec![debit(pending.number, LotNumber::NONE, notice.pending_minor)];
    let parts = accounts.into_iter().zip(money::split(notice.pending_minor, &weights));
    legs.extend(credits(parts));
    case.settle(fund, legs, Payload::Nontax(Box::new(NontaxEvent::Split { notice_id })), Freezes::Hold)
}

/// 退库: to the payer only. What is pending first, then the shares, by what each still holds of the notice.
fn refund(
    case: Case<'_>,
    notice_id: NoticeId,
    amount: Amount,
    payee: PayeeRef,
    bank_reference: BankReference,
    reason_code: ReasonCode,
) -> Result<Decision, Refusal> {
    let notice = notice_of(case, &notice_id)?;
    let fund = case.fund_at(notice.fund)?;
    new_bank_reference(case, &bank_reference)?;
    let treasury = case.account_for(fund.number, Kind::Treasury, UnitNumber::default())?;
    let pending = case.account_for(fund.number, Kind::NontaxPending, UnitNumber::default())?;
    case.admit(fund, amount.minor(), Checkers::Needed)?;
    if payee != notice.payer {
        return Err(Refusal::new(Reason::RefundPartyMismatch).with("notice", &notice_id).with("payee", payee));
    }
    let collected = notice.collected_minor();
    if amount.minor() > collected {
        return Err(Refusal::new(Reason::OverRefund)
            .with("notice", &notice_id)
            .with("available_minor", collected)
            .with("asked_minor", amount.minor()));
    }
    case.payee_is_free(payee)?;
    let from_pending = amount.minor().min(notice.pending_minor);
    let held: Vec<i64> = notice.shares.iter().map(|(_, held)| *held).collect();
    let parts = money::split(money::subtract(amount.minor(), from_pending), &held);
    let from_shares = notice.shares.iter().map(|(account, _)| *account).zip(parts);
    let drawn = std::iter::once((pending.number, from_pending)).chain(from_shares);
    let mut legs: Vec<Leg> =
        drawn.filter(|(_, part)| *part > 0).map(|(account, part)| debit(account, LotNumber::NONE, part)).collect();
    legs.push(credit(treasury.number, LotNumber::NONE, amount.minor()));
    let event = NontaxEvent::Refunded { notice_id, bank_reference, reason_code };
    case.settle(fund, legs, Payload::Nontax(Box::new(event)), Freezes::Pass)
}

/// Credits of the parts that are above zero.
pub(super) fn credits(parts: impl Iterator<Item = (AccountNumber, i64)>) -> impl Iterator<Item = Leg> {
    parts.filter(|(_, part)| *part > 0).map(|(account, part)| credit(account, LotNumber::NONE, part))
}
