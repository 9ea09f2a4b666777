//! Contracts: what is committed to one may be paid under it, to its contractor, and no more.

use super::guard::{AccountRef, Asked, Case};
use super::procurement::payment_fits;
use crate::domain::account::AccountKind as Kind;
use crate::domain::command::ExecutePayment;
use crate::domain::ids::{ContractId, FundNumber};
use crate::domain::money;
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::state::Contract;

pub(super) fn contract_of<'a>(case: Case<'a>, contract_id: &ContractId) -> Result<&'a Contract, Refusal> {
    let number = case.state.contract_names.get(contract_id).copied();
    let found = number.and_then(|number| case.state.contract(number));
    found.ok_or_else(|| Refusal::new(Reason::ContractNotFound).with("contract", contract_id))
}

pub(super) fn contract_of_fund(contract: &Contract, fund: FundNumber) -> Result<(), Refusal> {
    if contract.fund == fund {
        return Ok(());
    }
    Err(Refusal::new(Reason::FundMixed).with("contract", &contract.contract_id))
}

pub(super) fn within_contract(contract: &Contract, from: AccountRef<'_>, asked: i64) -> Result<(), Refusal> {
    let in_account = contract.open.iter().filter(|((account, _), _)| *account == from.number);
    let open = in_account.fold(0, |sum, (_, open)| money::add(sum, *open));
    over_contract(contract, open, asked)
}

pub(super) fn over_contract(contract: &Contract, open: i64, asked: i64) -> Result<(), Refusal> {
    if asked <= open {
        return Ok(());
    }
    Err(Refusal::new(Reason::OverContract)
        .with("contract", &contract.contract_id)
        .with("available_minor", open)
        .with("asked_minor", asked))
}

/// Automatic draws keep within the contract by themselves.
pub(super) fn each_within_contract(
    contract: &Contract,
    from: AccountRef<'_>,
    asked: &[Asked<'_>],
) -> Result<(), Refusal> {
    for Asked { lot, amount_minor } in asked {
        let open = contract.open_minor(from.number, lot.number);
        over_contract(contract, open, *amount_minor)
            .map_err(|refusal| refusal.with("lot", &lot.row.definition.lot_id))?;
    }
    Ok(())
}

/// A payment's relation to its contract: to the contractor, and within what is committed.
pub(super) fn under_contract(
    case: Case<'_>,
    payment: &ExecutePayment,
    contract: Option<&Contract>,
    from: AccountRef<'_>,
    asked: &[Asked<'_>],
) -> Result<(), Refusal> {
    let Some(contract) = contract else {
        if from.row.kind == Kind::AuthorityCommitted {
            return Err(Refusal::new(Reason::ContractNotFound).with("account", &from.row.account_id));
        }
        return Ok(());
    };
    if contract.payee != payment.payee {
        return Err(Refusal::new(Reason::PayeeMismatch).with("contract", &contract.contract_id));
    }
    payment_fits(case, &contract.contract_id, payment.amount.minor())?;
    if from.row.kind == Kind::AuthorityCommitted {
        within_contract(contract, from, payment.amount.minor())?;
        return each_within_contract(contract, from, asked);
    }
    if from.row.kind == Kind::AuthorityCarry {
        return over_contract(contract, contract.carried_minor, payment.amount.minor());
    }
    Err(Refusal::new(Reason::AccountKindNotAllowed)
        .with("account", &from.row.account_id)
        .with("kind", from.row.kind.as_str())
        .with("contract", &contract.contract_id))
}
