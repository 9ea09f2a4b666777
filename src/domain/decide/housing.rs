//! The housing provident fund: withdrawals, loans, surplus (住房公积金管理条例).

use super::guard::{Case, Checkers, Freezes, FundRef, credit, debit};
use super::nontax::credits;
use super::payments::{new_bank_reference, new_voucher};
use super::terms::{family_is, split_accounts};
use crate::domain::account::AccountKind as Kind;
use crate::domain::event::{Decision, Leg, Payload};
use crate::domain::fund::FundFamily;
use crate::domain::housing::{HousingEvent, HousingOrder, SURPLUS_SPLIT};
use crate::domain::ids::{
    BankReference, Code, DocumentDigest, DocumentNumber, FundId, LoanId, LotNumber, PayeeRef, PaymentId, ReasonCode,
    UnitNumber,
};
use crate::domain::money::{self, Amount, MILLION};
use crate::domain::policy::RateKind;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::Period;

const SURPLUS_KINDS: &[Kind] = &[Kind::RiskReserve, Kind::ManagementFeePayable, Kind::LowRentHousing];
const MONTHS_A_YEAR: i128 = 12;

pub(super) fn decide(case: Case<'_>, order: HousingOrder) -> Result<Decision, Refusal> {
    match order {
        HousingOrder::Withdraw { payment_id, fund_id, person, reason_code, amount, evidence_sha256, property } => {
            let what = Withdrawal { payment_id, reason_code, amount, evidence_sha256, property };
            withdraw(case, &fund_id, person, what)
        }
        HousingOrder::IssueLoan { loan_id, fund_id, person, amount, months } => {
            issue_loan(case, loan_id, &fund_id, person, amount, months)
        }
        HousingOrder::RepayLoan { loan_id, period, amount, bank_reference } => {
            repay_loan(case, loan_id, period, amount, bank_reference)
        }
        HousingOrder::DistributeSurplus { fund_id, amount, document_number } => {
            distribute_surplus(case, &fund_id, amount, document_number)
        }
    }
}

fn settle(case: Case<'_>, fund: FundRef<'_>, legs: Vec<Leg>, event: HousingEvent) -> Result<Decision, Refusal> {
    case.settle(fund, legs, Payload::Housing(Box::new(event)), Freezes::Hold)
}

fn housing_fund<'a>(case: Case<'a>, fund_id: &FundId) -> Result<FundRef<'a>, Refusal> {
    let fund = case.fund(fund_id)?;
    family_is(fund, &[FundFamily::HousingProvident])?;
    Ok(fund)
}

struct Withdrawal {
    payment_id: PaymentId,
    reason_code: ReasonCode,
    amount: Amount,
    evidence_sha256: DocumentDigest,
    property: Option<PayeeRef>,
}

/// 提取 (§24): for a reason that the policy allows on the day. Dr 个人账户, Cr 住房公积金专户.
fn withdraw(case: Case<'_>, fund_id: &FundId, person: PayeeRef, what: Withdrawal) -> Result<Decision, Refusal> {
    let fund = housing_fund(case, fund_id)?;
    let (account, _) = case.personal_account(fund, person)?;
    new_voucher(case, &what.payment_id)?;
    let deposit = case.account_for(fund.number, Kind::HousingDeposit, UnitNumber::default())?;
    if !case.terms(fund).is_some_and(|terms| terms.withdrawal_reasons.contains(&what.reason_code)) {
        return Err(Refusal::new(Reason::ReasonNotAllowed)
            .with("fund", fund_id)
            .with("reason_code", &what.reason_code)
            .with("business_date", case.date()));
    }
    case.admit(fund, what.amount.minor(), Checkers::Needed)?;
    case.payee_is_free(person)?;
    let amount = what.amount.minor();
    let legs = vec![debit(account.number, LotNumber::NONE, amount), credit(deposit.number, LotNumber::NONE, amount)];
    let event = HousingEvent::Withdrawn {
        payment_id: what.payment_id,
        account: account.number,
        reason_code: what.reason_code,
        evidence_sha256: what.evidence_sha256,
        property: what.property,
        payee: person,
    };
    settle(case, fund, legs, event)
}

/// 贷款发放 (§26): at the policy's rate, in equal monthly instalments. Dr 委托贷款, Cr 住房公积金专户.
fn issue_loan(
    case: Case<'_>,
    loan_id: LoanId,
    fund_id: &FundId,
    person: PayeeRef,
    amount: Amount,
    months: u32,
) -> Result<Decision, Refusal> {
    let fund = housing_fund(case, fund_id)?;
    let (account, _) = case.personal_account(fund, person)?;
    if case.state.loan(&loan_id).is_some() {
        return Err(Refusal::new(Reason::LoanExists).with("loan", &loan_id));
    }
    let loans = case.account_for(fund.number, Kind::Loan, UnitNumber::default())?;
    let deposit = case.account_for(fund.number, Kind::HousingDeposit, UnitNumber::default())?;
    let rate_ppm = case.rate_ppm(fund, RateKind::LoanInterest)?;
    case.admit(fund, amount.minor(), Checkers::Needed)?;
    case.payee_is_free(person)?;
    let instalment_minor = money::instalment(amount.minor(), months, rate_ppm);
    let legs = vec![
        debit(loans.number, LotNumber::NONE, amount.minor()),
        credit(deposit.number, LotNumber::NONE, amount.minor()),
    ];
    let event = HousingEvent::LoanIssued { loan_id, account: account.number, months, rate_ppm, instalment_minor };
    settle(case, fund, legs, event)
}

/// 还贷: the interest of each month since the last repayment on what is owed, principal with the rest. Dr 住房公积金专户, Cr 委托贷款, Cr 增值收益.
fn repay_loan(
    case: Case<'_>,
    loan_id: LoanId,
    period: Period,
    amount: Amount,
    bank_reference: BankReference,
) -> Result<Decision, Refusal> {
    let not_found = || Refusal::new(Reason::LoanNotFound).with("loan", &loan_id);
    let loan = case.state.loan(&loan_id).ok_or_else(not_found)?;
    let fund = case.fund_at(loan.fund)?;
    new_bank_reference(case, &bank_reference)?;
    let own = |kind| case.account_for(fund.number, kind, UnitNumber::default());
    let (deposit, loans, surplus) = (own(Kind::HousingDeposit)?, own(Kind::Loan)?, own(Kind::Surplus)?);
    case.admit(fund, amount.minor(), Checkers::NotNeeded)?;
    if let Some(through) = loan.repaid_through.filter(|through| period <= *through) {
        return Err(Refusal::new(Reason::PeriodOutOfOrder)
            .with("loan", &loan_id)
            .with("period", period)
            .with("next_period", through.next()));
    }
    let interest = money::rounded(
        i128::from(loan.owed_minor).saturating_mul(loan.rate_ppm.into()).saturating_mul(loan.months_due(period).into()),
        MONTHS_A_YEAR.saturating_mul(MILLION),
    );
    let most = money::add(loan.owed_minor, interest);
    if amount.minor() <= interest || amount.minor() > most {
        return Err(Refusal::new(Reason::RepaymentOutOfRange)
            .with("loan", &loan_id)
            .with("interest_minor", interest)
            .with("available_minor", most)
            .with("asked_minor", amount.minor()));
    }
    let principal = money::subtract(amount.minor(), interest);
    let mut legs = vec![debit(deposit.number, LotNumber::NONE, amount.minor())];
    legs.extend(credits([(loans.number, principal), (surplus.number, interest)].into_iter()));
    settle(case, fund, legs, HousingEvent::LoanRepaid { loan_id, period, bank_reference })
}

/// 增值收益分配 (§29): Dr 增值收益, Cr 贷款风险准备金, 上交管理费, 廉租住房补充资金.
fn distribute_surplus(
    case: Case<'_>,
    fund_id: &FundId,
    amount: Amount,
    document_number: DocumentNumber,
) -> Result<Decision, Refusal> {
    let fund = housing_fund(case, fund_id)?;
    let surplus = case.account_for(fund.number, Kind::Surplus, UnitNumber::default())?;
    let (accounts, weights) = split_accounts(case, fund, &Code::stored(SURPLUS_SPLIT), SURPLUS_KINDS)?;
    case.admit(fund, amount.minor(), Checkers::Needed)?;
    let mut legs = vec![debit(surplus.number, LotNumber::NONE, amount.minor())];
    legs.extend(credits(accounts.into_iter().zip(money::split(amount.minor(), &weights))));
    settle(case, fund, legs, HousingEvent::SurplusDistributed { document_number })
}
