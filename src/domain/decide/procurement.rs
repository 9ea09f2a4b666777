//! Procurement: what may be awarded, registered, added to a contract and settled; and what registered contracts hold payments to.

use super::guard::{Case, Checkers, FundRef, decided};
use super::oversight::have_happened;
use super::{Context, contracts};
use crate::domain::event::{Decision, Payload};
use crate::domain::ids::{Code, ContractId, FundId, FundNumber, Ocid, TenderId, UnitId};
use crate::domain::money::{self, AMOUNT_MAX_MINOR};
use crate::domain::procurement::{
    Amendment, Award, Basis, FinalAccount, Procurement, ProcurementEvent, ProcurementOrder, Registered, Registration,
    Settlement, Tender, TenderRow,
};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::state::Contract;

pub(super) fn decide(case: Case<'_>, order: ProcurementOrder, context: &Context<'_>) -> Result<Decision, Refusal> {
    match order {
        Procurement::Tender(tender) => open_tender(case, tender),
        Procurement::Award(award) => award_tender(case, award),
        Procurement::Registration(registration) => register(case, registration),
        Procurement::Amendment(amendment) => amend(case, amendment),
        Procurement::Settlement(settlement) => settle(case, settlement),
        Procurement::FinalAccount(account) => approve_final_account(case, account, context),
    }
}

fn event(case: Case<'_>, fund: FundRef<'_>, event: ProcurementEvent) -> Decision {
    let policy_version = case.policy(fund.row).map_or(0, |policy| policy.version);
    Decision { policy_version, ..decided(Payload::Procurement(Box::new(event))) }
}

fn open_tender(case: Case<'_>, tender: Tender<FundId>) -> Result<Decision, Refusal> {
    let fund = case.fund(&tender.fund)?;
    unit_is_known(case, &tender.unit_id)?;
    if case.state.families.tenders.contains_key(&tender.tender_id) {
        return Err(Refusal::new(Reason::TenderExists).with("tender", &tender.tender_id));
    }
    case.admit(fund, tender.ceiling.minor(), Checkers::NotNeeded)?;
    let Tender { tender_id, unit_id, project_id, method, ceiling, ocid, document_number, document_sha256, .. } = tender;
    let tender = Tender {
        tender_id,
        fund: fund.number,
        unit_id,
        project_id,
        method,
        ceiling,
        ocid,
        document_number,
        document_sha256,
    };
    Ok(event(case, fund, Procurement::Tender(tender)))
}

fn award_tender(case: Case<'_>, award: Award) -> Result<Decision, Refusal> {
    let tender = tender_of(case, &award.tender_id)?;
    let fund = case.fund_at(tender.fund)?;
    if tender.award.is_some() {
        return Err(Refusal::new(Reason::AwardExists).with("tender", &award.tender_id));
    }
    case.admit(fund, award.amount.minor(), Checkers::NotNeeded)?;
    within_tender(&award.tender_id, tender.ceiling_minor, award.amount.minor())?;
    Ok(event(case, fund, Procurement::Award(award)))
}

fn register(case: Case<'_>, registration: Registration<FundId>) -> Result<Decision, Refusal> {
    let fund = case.fund(&registration.fund)?;
    unit_is_known(case, &registration.unit_id)?;
    let contract_id = &registration.contract_id;
    let tender = match &registration.basis {
        Basis::Tender(tender_id) => Some((tender_id, tender_of(case, tender_id)?)),
        Basis::Method(_) => None,
    };
    if case.state.families.registered.contains_key(contract_id) {
        return Err(Refusal::new(Reason::ContractRegistered).with("contract", contract_id));
    }
    // It may have been committed to before: then to the same contractor, and out of the same fund.
    let committed = contracts::contract_of(case, contract_id).ok();
    if committed.is_some_and(|known| known.payee != registration.supplier || known.fund != fund.number) {
        return Err(Refusal::new(Reason::ContractExists).with("contract", contract_id));
    }
    let price_minor = registration.amount.minor();
    if let Some((tender_id, tender)) = tender {
        if tender.fund != fund.number {
            return Err(Refusal::new(Reason::FundMixed).with("tender", tender_id).with("contract", contract_id));
        }
        case.admit(fund, price_minor, Checkers::Needed)?;
        let Some((winner, left_minor)) = tender.award else {
            return Err(Refusal::new(Reason::TenderUnawarded).with("tender", tender_id));
        };
        if winner != registration.supplier {
            return Err(Refusal::new(Reason::PayeeMismatch).with("tender", tender_id).with("contract", contract_id));
        }
        same_ocid(contract_id, tender.ocid.as_ref(), registration.ocid.as_ref().map(Ocid::as_str))?;
        within_tender(tender_id, left_minor, price_minor)?;
    } else {
        case.admit(fund, price_minor, Checkers::Needed)?;
    }
    if let Some(known) = committed {
        contracts::over_contract(known, price_minor, known.bound_minor())?;
    }
    let Registration { contract_id, unit_id, project_id, basis, ocid, supplier, amount, signed_on, .. } = registration;
    let Registration { document_number, document_sha256, .. } = registration;
    let registration = Registration {
        contract_id,
        fund: fund.number,
        unit_id,
        project_id,
        basis,
        ocid,
        supplier,
        amount,
        signed_on,
        document_number,
        document_sha256,
    };
    Ok(event(case, fund, Procurement::Registration(registration)))
}

/// Additions stay within a tenth of the first price (政府采购法§49); what is committed and paid stays within the price.
fn amend(case: Case<'_>, amendment: Amendment) -> Result<Decision, Refusal> {
    let contract_id = &amendment.contract_id;
    let contract = registered(case, contract_id)?;
    let fund = case.fund_at(contract.fund)?;
    let change_minor = amendment.change_minor;
    case.admit(fund, change_minor.saturating_abs(), Checkers::Needed)?;
    is_unsettled(contract_id, contract)?;
    if change_minor > contract.addable_minor() {
        return Err(Refusal::new(Reason::OverAmendment)
            .with("contract", contract_id)
            .with("available_minor", contract.addable_minor())
            .with("asked_minor", change_minor));
    }
    let price_minor = money::add(contract.price_minor, change_minor);
    if price_minor > AMOUNT_MAX_MINOR {
        return Err(Refusal::new(Reason::AmountOverflow)
            .with("contract", contract_id)
            .with("asked_minor", change_minor));
    }
    let bound_minor = contracts::contract_of(case, contract_id).map_or(0, Contract::bound_minor);
    within(contract_id, price_minor, bound_minor.max(1))?;
    Ok(event(case, fund, Procurement::Amendment(amendment)))
}

fn settle(case: Case<'_>, settlement: Settlement) -> Result<Decision, Refusal> {
    let contract_id = &settlement.contract_id;
    let contract = registered(case, contract_id)?;
    let fund = case.fund_at(contract.fund)?;
    let final_minor = settlement.amount.minor();
    case.admit(fund, final_minor, Checkers::Needed)?;
    is_unsettled(contract_id, contract)?;
    within(contract_id, contract.price_minor, final_minor)?;
    let paid_minor = contracts::contract_of(case, contract_id).map_or(0, |known| known.paid_minor);
    let retained_minor = settlement.retention.map_or(0, |retention| retention.amount.minor());
    within(contract_id, money::subtract(final_minor, retained_minor), paid_minor)?;
    Ok(event(case, fund, Procurement::Settlement(settlement)))
}

/// 竣工财务决算 (政府投资条例§25): within the estimate, and not below what was paid.
fn approve_final_account(
    case: Case<'_>,
    account: FinalAccount<FundId>,
    context: &Context<'_>,
) -> Result<Decision, Refusal> {
    let fund = case.fund(&account.fund)?;
    let project_id = &account.project_id;
    let project = case.state.families.projects.get(&(fund.number, project_id.clone()));
    let project = project
        .ok_or_else(|| Refusal::new(Reason::ProjectNotFound).with("fund", &account.fund).with("project", project_id))?;
    have_happened(&account.surplus, context)?;
    let cost_minor = account.amount.minor();
    case.admit(fund, cost_minor, Checkers::Needed)?;
    let refusal = Refusal::new(Reason::OverEstimate).with("project", project_id).with("asked_minor", cost_minor);
    if cost_minor > project.estimate_minor {
        return Err(refusal.with("available_minor", project.estimate_minor));
    }
    if project.paid_minor > cost_minor {
        return Err(refusal.with("paid_minor", project.paid_minor));
    }
    let FinalAccount { project_id, amount, surplus, document_number, document_sha256, .. } = account;
    let account = FinalAccount { project_id, fund: fund.number, amount, surplus, document_number, document_sha256 };
    Ok(event(case, fund, Procurement::FinalAccount(account)))
}

/// What a commitment has to respect of a registration: contractor and Open Contracting ID are its own, and what is committed or
/// paid stays within the price.
pub(super) fn commitment_fits(
    case: Case<'_>,
    contract_id: &ContractId,
    ocid: Option<&Code>,
    asked_minor: i64,
) -> Result<(), Refusal> {
    let Some(contract) = case.state.families.registered.get(contract_id) else { return Ok(()) };
    same_ocid(contract_id, contract.ocid.as_ref(), ocid.map(Code::as_str))?;
    let bound_minor = contracts::contract_of(case, contract_id).map_or(0, Contract::bound_minor);
    within(contract_id, money::subtract(contract.price_minor, bound_minor), asked_minor)
}

/// Payments stay within the price, and what is retained is not paid before its day.
pub(super) fn payment_fits(case: Case<'_>, contract_id: &ContractId, asked_minor: i64) -> Result<(), Refusal> {
    let Some(contract) = case.state.families.registered.get(contract_id) else { return Ok(()) };
    let paid_minor = contracts::contract_of(case, contract_id).map_or(0, |known| known.paid_minor);
    within(contract_id, money::subtract(contract.price_minor, paid_minor), asked_minor)?;
    let payable_minor = money::subtract(contract.payable_minor(case.date()), paid_minor);
    match contract.retention {
        Some((_, until)) if asked_minor > payable_minor => Err(Refusal::new(Reason::RetentionHeld)
            .with("contract", contract_id)
            .with("available_minor", payable_minor)
            .with("asked_minor", asked_minor)
            .with("retention_until", until)),
        _ => Ok(()),
    }
}

/// Whose a contract is, where it is registered.
pub(super) fn registered_to<'a>(
    case: Case<'a>,
    contract_id: &ContractId,
    fund: FundNumber,
) -> Result<Option<&'a Registered>, Refusal> {
    let found = case.state.families.registered.get(contract_id);
    if found.is_some_and(|contract| contract.fund != fund) {
        return Err(Refusal::new(Reason::FundMixed).with("contract", contract_id));
    }
    Ok(found)
}

fn tender_of<'a>(case: Case<'a>, tender_id: &TenderId) -> Result<&'a TenderRow, Refusal> {
    let found = case.state.families.tenders.get(tender_id);
    found.ok_or_else(|| Refusal::new(Reason::TenderNotFound).with("tender", tender_id))
}

fn registered<'a>(case: Case<'a>, contract_id: &ContractId) -> Result<&'a Registered, Refusal> {
    let found = case.state.families.registered.get(contract_id);
    found.ok_or_else(|| Refusal::new(Reason::ContractNotFound).with("contract", contract_id))
}

fn unit_is_known(case: Case<'_>, unit_id: &UnitId) -> Result<(), Refusal> {
    if case.state.unit_names.contains_key(unit_id) {
        return Ok(());
    }
    Err(Refusal::new(Reason::UnitNotFound).with("unit", unit_id))
}

fn is_unsettled(contract_id: &ContractId, contract: &Registered) -> Result<(), Refusal> {
    if contract.is_settled {
        return Err(Refusal::new(Reason::ContractSettled).with("contract", contract_id));
    }
    Ok(())
}

fn within_tender(tender_id: &TenderId, available_minor: i64, asked_minor: i64) -> Result<(), Refusal> {
    if asked_minor <= available_minor {
        return Ok(());
    }
    Err(Refusal::new(Reason::OverTender)
        .with("tender", tender_id)
        .with("available_minor", available_minor)
        .with("asked_minor", asked_minor))
}

fn same_ocid(contract_id: &ContractId, known: Option<&Ocid>, asked: Option<&str>) -> Result<(), Refusal> {
    match (known, asked) {
        (Some(known), Some(asked)) if known.as_str() != asked => Err(Refusal::new(Reason::OcidMismatch)
            .with("contract", contract_id)
            .with("expected", known)
            .with("asked", asked)),
        _ => Ok(()),
    }
}

fn within(contract_id: &ContractId, available_minor: i64, asked_minor: i64) -> Result<(), Refusal> {
    if asked_minor <= available_minor {
        return Ok(());
    }
    Err(Refusal::new(Reason::OverContract)
        .with("contract", contract_id)
        .with("available_minor", available_minor)
        .with("asked_minor", asked_minor))
}
