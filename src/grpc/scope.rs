//! Of which fund and which agency an order is, by the names in it.

use crate::domain::command::{Adjustment, FreezeScope, Order};
use crate::domain::complaint::Complaint;
use crate::domain::housing::HousingOrder;
use crate::domain::ids::{AccountId, FundId, FundNumber, LotId, UnitId};
use crate::domain::nontax::NontaxOrder;
use crate::domain::oversight::Oversight;
use crate::domain::persons::PersonsOrder;
use crate::projection::Views;
use crate::projection::complaints::ComplaintView;

/// A fund and an agency. What is of none, or of none that is known, is in nobody's reach but theirs who reach everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// The fund.
    pub(super) fund: Option<FundNumber>,
    /// The agency or budget unit.
    pub(super) unit: Option<&'a str>,
}

/// Where an order acts. Empty where that cannot be told by its names.
pub(super) fn places<'a>(order: &'a Order, views: &'a Views) -> Vec<Place<'a>> {
    let account = |account_id: &AccountId| {
        let found = views.books.account_named(account_id.as_str());
        let found = found.and_then(|number| views.books.account(number));
        found.map_or_else(Place::default, |account| Place {
            fund: Some(account.fund),
            unit: account.unit_id.as_ref().map(UnitId::as_str),
        })
    };
    let fund = |fund_id: &FundId| Place { fund: views.books.fund_named(fund_id.as_str()), unit: None };
    let lot = |lot_id: &LotId| {
        let found = views.books.lot_named(lot_id.as_str()).and_then(|number| views.books.lot(number));
        Place { fund: found.map(|lot| lot.fund), unit: None }
    };
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
            | Oversight::PersonalData(_) => Vec::new(),
        },
        Order::Complaint(order) => match order.as_ref() {
            Complaint::Accept { unit_id, .. } => vec![Place { fund: None, unit: Some(unit_id.as_str()) }],
            // Whoever accepted it answers it.
            Complaint::Answer { complaint_id, .. } => {
                let known = views.complaints.named(complaint_id.as_str());
                let place = |known: &'a ComplaintView| Place {
                    fund: Some(known.filed.fund),
                    unit: known.handled_by.as_ref().map(|(unit_id, _)| unit_id.as_str()),
                };
                known.map(place).into_iter().collect()
            }
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
