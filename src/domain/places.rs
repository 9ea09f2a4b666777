//! Of which fund and which agency an order is, by the names in it, and whether roles reach so far.

use super::authority::Holding;
use super::command::{Adjustment, FreezeScope, Order};
use super::complaint::Complaint;
use super::housing::HousingOrder;
use super::ids::{AccountId, ComplaintId, ContractId, FundId, FundNumber, LotId, TenderId, UnitId};
use super::nontax::NontaxOrder;
use super::oversight::Oversight;
use super::persons::PersonsOrder;
use super::procurement::{Amendment, Procurement, Settlement};
use super::rights::Action;
use super::state::State;

/// A fund and an agency. What is of none, or of none that is known, is in nobody's reach but theirs who reach everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place<'a> {
    /// The fund.
    pub fund: Option<FundNumber>,
    /// The agency or budget unit.
    pub unit: Option<&'a str>,
}

/// Whoever knows what names stand for.
pub trait Names {
    /// The fund of a name.
    fn fund_named(&self, fund_id: &FundId) -> Option<FundNumber>;
    /// Fund and unit of an account.
    fn place_of_account(&self, account_id: &AccountId) -> Option<Place<'_>>;
    /// The fund of a lot.
    fn fund_of_lot(&self, lot_id: &LotId) -> Option<FundNumber>;
    /// Fund and unit of a tender.
    fn place_of_tender(&self, tender_id: &TenderId) -> Option<Place<'_>>;
    /// Fund and unit of a contract.
    fn place_of_contract(&self, contract_id: &ContractId) -> Option<Place<'_>>;
    /// Fund of a complaint, and the agency that deals with it.
    fn place_of_complaint(&self, complaint_id: &ComplaintId) -> Option<Place<'_>>;
}

impl Names for State {
    fn fund_named(&self, fund_id: &FundId) -> Option<FundNumber> {
        self.fund_names.get(fund_id).copied()
    }

    fn place_of_account(&self, account_id: &AccountId) -> Option<Place<'_>> {
        let account = self.account(*self.account_names.get(account_id)?)?;
        Some(Place { fund: Some(account.fund), unit: self.unit(account.unit).map(UnitId::as_str) })
    }

    fn fund_of_lot(&self, lot_id: &LotId) -> Option<FundNumber> {
        self.lot(*self.lot_names.get(lot_id)?).map(|lot| lot.fund)
    }

    fn place_of_tender(&self, tender_id: &TenderId) -> Option<Place<'_>> {
        self.families.tenders.get(tender_id).map(|tender| Place { fund: Some(tender.fund), unit: None })
    }

    fn place_of_contract(&self, contract_id: &ContractId) -> Option<Place<'_>> {
        let known = self.contract_names.get(contract_id).and_then(|number| self.contract(*number));
        let fund = self.families.registered.get(contract_id).map(|contract| contract.fund);
        fund.or_else(|| known.map(|contract| contract.fund)).map(|fund| Place { fund: Some(fund), unit: None })
    }

    fn place_of_complaint(&self, complaint_id: &ComplaintId) -> Option<Place<'_>> {
        self.families.complaints.get(complaint_id).map(|known| Place { fund: Some(known.fund), unit: None })
    }
}

/// Whether roles allow an action in all of some places, whatever agency their holder is of: the log does not know.
pub(super) fn allow(holdings: &[Holding], action: Action, places: &[Place<'_>]) -> bool {
    let allows = |held: &Holding| action.reach(held.role).is_some();
    let of_all = |held: &Holding| held.fund == FundNumber::default();
    let reach =
        |place: &Place<'_>| holdings.iter().any(|held| allows(held) && (of_all(held) || place.fund == Some(held.fund)));
    holdings.iter().any(|held| allows(held) && of_all(held)) || (!places.is_empty() && places.iter().all(reach))
}

/// Where an order acts. Empty where that cannot be told by its names.
pub fn places<'a>(order: &'a Order, names: &'a impl Names) -> Vec<Place<'a>> {
    let account = |account_id: &AccountId| names.place_of_account(account_id).unwrap_or_default();
    let fund = |fund_id: &FundId| Place { fund: names.fund_named(fund_id), unit: None };
    let lot = |lot_id: &LotId| Place { fund: names.fund_of_lot(lot_id), unit: None };
    match order {
        Order::OpenAccount { fund_id, unit_id, .. } => {
            vec![Place { unit: unit_id.as_ref().map(UnitId::as_str), ..fund(fund_id) }]
        }
        Order::CloseAccount { account_id } => vec![account(account_id)],
        Order::DetermineEntitlement { fund_id, unit_id, .. } => {
            vec![Place { unit: Some(unit_id.as_str()), ..fund(fund_id) }]
        }
        Order::ApproveEstimate { fund_id, .. }
        | Order::RecordOpeningBalance { fund_id, .. }
        | Order::CloseDay { fund_id, .. }
        | Order::ClosePeriod { fund_id, .. } => vec![fund(fund_id)],
        Order::IssueBudget { to, .. } => vec![account(to)],
        Order::AllocateBudget { movement, .. }
        | Order::ApprovePlan { movement, .. }
        | Order::CommitAuthority { movement, .. }
        | Order::ReleaseCommitment { movement, .. } => vec![account(&movement.from), account(&movement.to)],
        Order::AdjustBudget { adjustment, .. } => match adjustment {
            Adjustment::Supplement { to } => vec![account(to)],
            Adjustment::Reduction { from } => vec![account(from)],
            Adjustment::Reallocation { from, to } => vec![account(from), account(to)],
        },
        Order::Freeze { scope, .. } => match scope {
            FreezeScope::Amount { account: of, .. } | FreezeScope::Account(of) => vec![account(of)],
            FreezeScope::Lot(of) => vec![lot(of)],
            FreezeScope::Payee(_) => Vec::new(),
        },
        Order::ReceiveCash { lot_id, .. }
        | Order::CarryForward { lot_id, .. }
        | Order::RecoverLapsed { lot_id, .. } => {
            vec![lot(lot_id)]
        }
        // The account says whose money it is; whose the payment says it is for is no matter.
        Order::ExecutePayment(payment) => vec![account(&payment.from)],
        Order::Nontax(order) => match order.as_ref() {
            NontaxOrder::Notice { fund_id, .. } => vec![fund(fund_id)],
            NontaxOrder::Collect { .. } | NontaxOrder::Split { .. } | NontaxOrder::Refund { .. } => Vec::new(),
        },
        Order::Persons(order) => match order.as_ref() {
            PersonsOrder::RecordEligibility { fund_id, .. } => fund_id.iter().map(fund).collect(),
            PersonsOrder::ReceiveContribution(received) => vec![fund(&received.fund_id)],
            PersonsOrder::ReceiveIncome { account_id, .. } => vec![account(account_id)],
            PersonsOrder::MoveFunds { from, to, .. } => vec![account(from), account(to)],
            PersonsOrder::PayBenefit(benefit) => vec![fund(&benefit.fund_id)],
            PersonsOrder::TransferRelation(transfer) => vec![fund(&transfer.fund_id), account(&transfer.account_id)],
            PersonsOrder::CreditInterest { fund_id, .. } => vec![fund(fund_id)],
            PersonsOrder::RecoverBenefit { .. } => Vec::new(),
        },
        Order::Housing(order) => match order.as_ref() {
            HousingOrder::Withdraw { fund_id, .. }
            | HousingOrder::IssueLoan { fund_id, .. }
            | HousingOrder::DistributeSurplus { fund_id, .. } => vec![fund(fund_id)],
            HousingOrder::RepayLoan { .. } => Vec::new(),
        },
        Order::Oversight(order) => match order.as_ref() {
            Oversight::Reconciliation(compared) => vec![account(&compared.account)],
            Oversight::MatterOpen(matter) => {
                let of = matter.fund.as_ref().map_or_else(Place::default, fund);
                vec![Place { unit: Some(matter.unit_id.as_str()), ..of }]
            }
            Oversight::Reopening { fund: of, .. } => vec![fund(of)],
            Oversight::Flag(_)
            | Oversight::Explanation { .. }
            | Oversight::Rectification { .. }
            | Oversight::FindingClose { .. }
            | Oversight::MatterClose { .. }
            | Oversight::Disclosure { .. }
            | Oversight::Performance { .. }
            | Oversight::Goal(_)
            | Oversight::Output(_)
            | Oversight::PersonalData(_) => Vec::new(),
        },
        Order::Procurement(order) => match order.as_ref() {
            Procurement::Tender(tender) => vec![Place { unit: Some(tender.unit_id.as_str()), ..fund(&tender.fund) }],
            Procurement::Registration(contract) => {
                vec![Place { unit: Some(contract.unit_id.as_str()), ..fund(&contract.fund) }]
            }
            Procurement::FinalAccount(account) => vec![fund(&account.fund)],
            Procurement::Award(award) => names.place_of_tender(&award.tender_id).into_iter().collect(),
            Procurement::Amendment(Amendment { contract_id, .. })
            | Procurement::Settlement(Settlement { contract_id, .. }) => {
                names.place_of_contract(contract_id).into_iter().collect()
            }
        },
        Order::Complaint(order) => match order.as_ref() {
            Complaint::Accept { unit_id, .. } => vec![Place { fund: None, unit: Some(unit_id.as_str()) }],
            // Whoever accepted it answers it.
            Complaint::Answer { complaint_id, .. } => names.place_of_complaint(complaint_id).into_iter().collect(),
            Complaint::File(_) | Complaint::Close { .. } => Vec::new(),
        },
        Order::DefineFund(_)
        | Order::SetPolicy { .. }
        | Order::Unfreeze { .. }
        | Order::ClearPayments { .. }
        | Order::ReturnPayment { .. }
        | Order::ReverseEvent { .. }
        | Order::GrantRole { .. }
        | Order::RevokeRole { .. }
        | Order::RotateKey { .. }
        | Order::RotateLogKey { .. }
        | Order::Propose { .. }
        | Order::Approve { .. }
        | Order::Withdraw { .. }
        | Order::Transaction { .. } => Vec::new(),
    }
}
