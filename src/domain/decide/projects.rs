//! Estimates of government investment, and what is due for a head count.

use super::guard::{Case, Checkers, FundRef, decided};
use super::setup::new_document;
use super::terms::family_is;
use crate::domain::command::ExecutePayment;
use crate::domain::event::{Decision, EntitlementDetermined, Payload};
use crate::domain::fund::FundFamily;
use crate::domain::ids::{Code, DocumentNumber, FundId, IssuerId, UnitId};
use crate::domain::money::{self, AMOUNT_MAX_MINOR, Amount};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::time::Period;

/// 核定概算 (政府投资条例§12, §23): what all payments of a project stay within.
pub(super) fn approve_estimate(
    case: Case<'_>,
    project_id: Code,
    fund_id: &FundId,
    amount: Amount,
    issuer_id: IssuerId,
    document_number: DocumentNumber,
) -> Result<Decision, Refusal> {
    let fund = case.fund(fund_id)?;
    new_document(case, &issuer_id, &document_number)?;
    family_is(fund, &[FundFamily::Investment])?;
    case.admit(fund, amount.minor(), Checkers::Needed)?;
    let project = case.state.families.projects.get(&(fund.number, project_id.clone()));
    if let Some(project) = project.filter(|project| project.paid_minor > amount.minor()) {
        return Err(Refusal::new(Reason::OverEstimate)
            .with("project", &project_id)
            .with("paid_minor", project.paid_minor)
            .with("asked_minor", amount.minor()));
    }
    Ok(decided(Payload::EstimateApproved { project_id, fund: fund.number, amount, issuer_id, document_number }))
}

/// Payments of an investment fund are a project's, and stay within its estimate.
pub(super) fn within_estimate(case: Case<'_>, fund: FundRef<'_>, payment: &ExecutePayment) -> Result<(), Refusal> {
    if fund.row.definition.family != FundFamily::Investment {
        return Ok(());
    }
    let refusal = Refusal::new(Reason::OverEstimate).with("asked_minor", payment.amount.minor());
    let Some(project_id) = &payment.project_id else {
        return Err(refusal.with("available_minor", 0));
    };
    let project = case.state.families.projects.get(&(fund.number, project_id.clone()));
    let left = project.map_or(0, |project| money::subtract(project.cap_minor(), project.paid_minor));
    if payment.amount.minor() > left {
        return Err(refusal.with("project", project_id).with("available_minor", left));
    }
    Ok(())
}

/// What is due for a head count, e.g. of pupils (义务教育法§44), from each level by the policy's split.
pub(super) fn determine_entitlement(
    case: Case<'_>,
    fund_id: &FundId,
    unit_id: UnitId,
    item_code: Code,
    period: Period,
    head_count: i64,
    standard: Amount,
) -> Result<Decision, Refusal> {
    let fund = case.fund(fund_id)?;
    let known = case.state.families.determined.get(&(fund.number, unit_id.clone(), item_code.clone()));
    if known.is_some_and(|months| months.contains(period)) {
        return Err(Refusal::new(Reason::DuplicateContribution)
            .with("unit", &unit_id)
            .with("item", &item_code)
            .with("period", period));
    }
    let split = case.split_terms(fund, &item_code)?;
    let due = i128::from(head_count).saturating_mul(standard.minor().into());
    let due = i64::try_from(due).unwrap_or(i64::MAX);
    case.admit(fund, due, Checkers::Needed)?;
    if due > AMOUNT_MAX_MINOR {
        return Err(Refusal::new(Reason::AmountOverflow).with("asked_minor", due));
    }
    let weights: Vec<i64> = split.shares.iter().map(|(_, weight)| i64::from(*weight)).collect();
    let recipients = split.shares.iter().map(|(recipient, _)| recipient.clone());
    let shares = recipients.zip(money::split(due, &weights)).collect();
    let payload = Payload::EntitlementDetermined(Box::new(EntitlementDetermined {
        fund: fund.number,
        unit_id,
        item_code,
        period,
        head_count,
        standard_minor: standard.minor(),
        shares,
    }));
    Ok(Decision { policy_version: case.policy(fund.row).map_or(0, |policy| policy.version), ..decided(payload) })
}
