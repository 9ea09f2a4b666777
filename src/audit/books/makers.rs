//! Whose it is to make what: the table of docs/authority.md, over again. What was executed under a proposal must have been its
//! maker's to make when it was booked; a role that was taken from them in between made nothing.

use crate::pb::v1::Role::{self, Admin, Agency, Auditor, Discloser, Leader, Maker, Treasury};
use crate::pb::v1::event::Payload;

const BUDGET: &[Role] = &[Maker];
const SCHEME: &[Role] = &[Maker, Agency];
const SETTLING: &[Role] = &[Treasury];
const SET_UP: &[Role] = &[Admin];
const SUPERVISION: &[Role] = &[Auditor];

/// The roles that make an event of a type; none of what the ledger records itself, or of what consists of others.
pub(super) fn makers_of(payload: &Payload) -> &'static [Role] {
    match payload {
        Payload::AccountOpened(account) if !account.person.is_empty() => SCHEME,
        Payload::FundDefined(_)
        | Payload::PolicySet(_)
        | Payload::AccountOpened(_)
        | Payload::AccountClosed(_)
        | Payload::RoleGranted(_)
        | Payload::RoleRevoked(_)
        | Payload::KeyRotated(_)
        | Payload::LogKeyRotated(_)
        | Payload::PeriodReopened(_)
        | Payload::PersonalDataRestricted(_)
        | Payload::PersonalDataReleased(_)
        | Payload::PersonalDataErased(_) => SET_UP,
        Payload::OpeningBalance(_)
        | Payload::BudgetIssued(_)
        | Payload::BudgetAllocated(_)
        | Payload::BudgetAdjusted(_)
        | Payload::PlanApproved(_)
        | Payload::Committed(_)
        | Payload::CommitmentReleased(_)
        | Payload::EstimateApproved(_)
        | Payload::FinalAccountApproved(_)
        | Payload::EntitlementDetermined(_)
        | Payload::CarriedForward(_)
        | Payload::LapsedRecovered(_)
        | Payload::Frozen(_)
        | Payload::Unfrozen(_) => BUDGET,
        Payload::PaymentExecuted(_) => &[Maker, Treasury, Agency],
        Payload::CashReceived(_)
        | Payload::Cleared(_)
        | Payload::PaymentReturned(_)
        | Payload::DayClosed(_)
        | Payload::PeriodClosed(_) => SETTLING,
        Payload::Reversed(_) => &[Maker, Treasury],
        Payload::EligibilityRecorded(_)
        | Payload::NontaxNoticed(_)
        | Payload::NontaxCollected(_)
        | Payload::NontaxSplit(_)
        | Payload::NontaxRefunded(_)
        | Payload::ContributionReceived(_)
        | Payload::IncomeReceived(_)
        | Payload::FundsMoved(_)
        | Payload::BenefitPaid(_)
        | Payload::BenefitRecovered(_)
        | Payload::RelationTransferred(_)
        | Payload::InterestCredited(_)
        | Payload::HousingWithdrawn(_)
        | Payload::LoanIssued(_)
        | Payload::LoanRepaid(_)
        | Payload::SurplusDistributed(_)
        | Payload::MatterOpened(_)
        | Payload::MatterClosed(_)
        | Payload::TenderOpened(_)
        | Payload::TenderAwarded(_)
        | Payload::ContractRegistered(_)
        | Payload::ContractAmended(_)
        | Payload::ContractSettled(_) => SCHEME,
        Payload::Reconciled(_) => &[Maker, Treasury, Agency, Auditor],
        Payload::FindingExplained(_) | Payload::FindingRectified(_) => &[Maker, Leader, Treasury, Agency],
        Payload::PerformanceScored(_) => &[Maker, Leader],
        Payload::ComplaintFiled(_) => &[Leader, Agency, Auditor, Discloser],
        Payload::ComplaintAccepted(_) | Payload::ComplaintAnswered(_) => &[Leader, Agency],
        Payload::GoalSet(_) | Payload::OutputRecorded(_) => &[Maker, Leader, Agency],
        Payload::Disclosed(_) => &[Discloser],
        Payload::Flagged(_)
        | Payload::FindingClosed(_)
        | Payload::ComplaintClosed(_)
        | Payload::PersonalDataOpened(_) => SUPERVISION,
        Payload::LedgerCreated(_)
        | Payload::CommandRefused(_)
        | Payload::CommandProposed(_)
        | Payload::ProposalApproved(_)
        | Payload::ProposalWithdrawn(_)
        | Payload::ProposalExpired(_)
        | Payload::PaymentReleased(_)
        | Payload::TransactionPosted(_) => &[],
    }
}

/// A role and the fund it is for; 0 means all.
pub(super) type Holding = (i32, i32);

/// Whether a role that was lost made this, and none that is held does. Where the legs do not say of which fund it is, a role of
/// one fund made nothing and may still make anything: nobody is accused on a guess.
pub(super) fn is_no_longer_theirs(makers: &[Role], funds: &[i32], lost: &[Holding], held: &[Holding]) -> bool {
    let makes = |(role, _): &&Holding| makers.iter().any(|maker| i32::from(*maker) == *role);
    let surely = |fund: i32| fund == 0 || (!funds.is_empty() && funds.iter().all(|of| *of == fund));
    let perhaps = |fund: i32| fund == 0 || funds.is_empty() || funds.contains(&fund);
    lost.iter().filter(makes).any(|(_, fund)| surely(*fund))
        && !held.iter().filter(makes).any(|(_, fund)| perhaps(*fund))
}
