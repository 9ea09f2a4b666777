//! What an event of a type may move: the table that docs and ledger.proto state in words.

use crate::pb::v1::AccountKind as Kind;
use crate::pb::v1::event::Payload;
use crate::pb::v1::{AdjustmentKind, TransferDirection};

/// Kinds that a payment may draw on.
pub(super) const DRAWABLE: &[Kind] =
    &[Kind::AuthorityUnit, Kind::AuthorityPlan, Kind::AuthorityCommitted, Kind::AuthorityCarry];
const AUTHORITY: &[Kind] = &[
    Kind::AuthorityUnallocated,
    Kind::AuthorityUnit,
    Kind::AuthorityPlan,
    Kind::AuthorityCommitted,
    Kind::AuthorityFrozen,
    Kind::AuthorityUsed,
    Kind::AuthorityCarry,
    Kind::AuthorityRecalled,
];

/// Kinds from this number on are in the cash book, those below in the authority book.
const CASH_FROM: i32 = 20;
/// Those from this number on are claims.
const CLAIMS_FROM: i32 = 40;

/// In the cash book, not the authority book.
pub(super) fn is_cash(kind: Kind) -> bool {
    i32::from(kind) >= CASH_FROM
}

/// Its balance is kept per lot.
pub(super) fn tracks_lots(kind: Kind) -> bool {
    !is_cash(kind) || kind == Kind::FundLot
}

/// What a leg does to the balance on the kind's normal side.
#[expect(clippy::wildcard_enum_match_arm, reason = "the numbers of the kinds say it")]
pub(super) fn change(kind: Kind, amount: i64) -> i64 {
    match kind {
        Kind::AuthoritySource => amount,
        _ if is_asset(kind) => amount,
        _ => amount.saturating_neg(),
    }
}

/// Cash, loans and bonds: what the claims of a fund are covered by.
pub(super) fn is_asset(kind: Kind) -> bool {
    (CASH_FROM..CLAIMS_FROM).contains(&i32::from(kind))
}

/// The kinds an event may debit and credit, and which books it must move.
#[derive(Clone, Copy)]
pub(super) struct Moves {
    pub(super) debits: &'static [Kind],
    pub(super) credits: &'static [Kind],
    pub(super) authority: Need,
    pub(super) cash: Need,
}

/// Whether an event moves a book.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Must,
    May,
}

/// What an event means for its lots, whatever its legs do; and whether it can be reversed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing for what was issued, used or received, and it cannot be reversed.
    Final,
    /// The same, and it can be reversed.
    Movement,
    /// A lot is opened: authority is issued.
    Issue,
    /// More is issued.
    Supplement,
    /// Less is issued.
    Reduction,
    /// Cash for a lot.
    Receipt,
    /// Authority is used, cash is ordered out.
    Payment,
    /// The contrary.
    Return,
    /// Cash goes upward.
    Recovery,
    /// All of it at once.
    Opening,
}

impl Meaning {
    pub(super) fn is_reversible(self) -> bool {
        matches!(self, Self::Movement | Self::Supplement | Self::Reduction | Self::Receipt | Self::Payment)
    }
}

const fn authority(debits: &'static [Kind], credits: &'static [Kind]) -> Moves {
    Moves { debits, credits, authority: Need::Must, cash: Need::May }
}

const fn cash(debits: &'static [Kind], credits: &'static [Kind]) -> Moves {
    Moves { debits, credits, authority: Need::May, cash: Need::Must }
}

const NOTHING: Moves = Moves { debits: &[], credits: &[], authority: Need::May, cash: Need::May };

/// The table. `None` where the legs mirror those of an earlier event.
pub(super) fn moves(payload: &Payload) -> (Option<Moves>, Meaning) {
    let (moves, meaning) = match payload {
        Payload::LedgerCreated(_)
        | Payload::FundDefined(_)
        | Payload::PolicySet(_)
        | Payload::AccountOpened(_)
        | Payload::DayClosed(_)
        | Payload::PeriodClosed(_)
        | Payload::CommandRefused(_)
        | Payload::CommandProposed(_)
        | Payload::ProposalApproved(_)
        | Payload::ProposalWithdrawn(_)
        | Payload::ProposalExpired(_)
        | Payload::RoleGranted(_)
        | Payload::EligibilityRecorded(_)
        | Payload::AccountClosed(_)
        | Payload::Reconciled(_)
        | Payload::Flagged(_)
        | Payload::FindingExplained(_)
        | Payload::FindingRectified(_)
        | Payload::FindingClosed(_)
        | Payload::MatterOpened(_)
        | Payload::MatterClosed(_)
        | Payload::Disclosed(_)
        | Payload::PerformanceScored(_)
        | Payload::GoalSet(_)
        | Payload::OutputRecorded(_)
        | Payload::TenderOpened(_)
        | Payload::TenderAwarded(_)
        | Payload::ContractRegistered(_)
        | Payload::ContractAmended(_)
        | Payload::ContractSettled(_)
        | Payload::FinalAccountApproved(_)
        | Payload::PeriodReopened(_)
        | Payload::PersonalDataRestricted(_)
        | Payload::PersonalDataReleased(_)
        | Payload::PersonalDataErased(_)
        | Payload::PersonalDataOpened(_)
        | Payload::ComplaintFiled(_)
        | Payload::ComplaintAccepted(_)
        | Payload::ComplaintAnswered(_)
        | Payload::ComplaintClosed(_)
        | Payload::EstimateApproved(_)
        | Payload::EntitlementDetermined(_)
        | Payload::NontaxNoticed(_)
        | Payload::RoleRevoked(_)
        | Payload::KeyRotated(_)
        | Payload::PaymentReleased(_)
        | Payload::LogKeyRotated(_)
        // Its operations move, each by itself.
        | Payload::TransactionPosted(_) => (NOTHING, Meaning::Final),
        Payload::Unfrozen(_) | Payload::Reversed(_) => return (None, Meaning::Final),
        Payload::OpeningBalance(_) => (OPENING, Meaning::Opening),
        Payload::BudgetIssued(_) => {
            (authority(&[Kind::AuthoritySource], &[Kind::AuthorityUnallocated]), Meaning::Issue)
        }
        Payload::BudgetAllocated(_) => (
            authority(&[Kind::AuthorityUnallocated], &[Kind::AuthorityUnallocated, Kind::AuthorityUnit]),
            Meaning::Movement,
        ),
        Payload::BudgetAdjusted(adjusted) => match adjusted.kind() {
            AdjustmentKind::Unspecified => (NOTHING, Meaning::Final),
            AdjustmentKind::Supplement => {
                (authority(&[Kind::AuthoritySource], &[Kind::AuthorityUnallocated]), Meaning::Supplement)
            }
            AdjustmentKind::Reduction => (
                authority(&[Kind::AuthorityUnallocated, Kind::AuthorityUnit], &[Kind::AuthoritySource]),
                Meaning::Reduction,
            ),
            AdjustmentKind::Reallocation => {
                (authority(&[Kind::AuthorityUnit], &[Kind::AuthorityUnit]), Meaning::Movement)
            }
        },
        Payload::PlanApproved(_) => (authority(&[Kind::AuthorityUnit], &[Kind::AuthorityPlan]), Meaning::Movement),
        Payload::Committed(_) => {
            (authority(&[Kind::AuthorityPlan, Kind::AuthorityUnit], &[Kind::AuthorityCommitted]), Meaning::Movement)
        }
        Payload::CommitmentReleased(_) => {
            (authority(&[Kind::AuthorityCommitted], &[Kind::AuthorityPlan, Kind::AuthorityUnit]), Meaning::Movement)
        }
        Payload::Frozen(_) => (
            Moves { authority: Need::May, ..authority(&[Kind::AuthorityUnit, Kind::AuthorityPlan], FROZEN) },
            Meaning::Final,
        ),
        Payload::CashReceived(_) => (cash(&[Kind::Treasury], &[Kind::FundLot]), Meaning::Receipt),
        Payload::PaymentExecuted(_) => (PAYMENT, Meaning::Payment),
        Payload::Cleared(_) => (cash(&[Kind::Clearing], &[Kind::Treasury]), Meaning::Final),
        Payload::PaymentReturned(_) => (RETURN, Meaning::Return),
        Payload::CarriedForward(_) => (
            authority(&[Kind::AuthorityUnit, Kind::AuthorityPlan, Kind::AuthorityCommitted], &[Kind::AuthorityCarry]),
            Meaning::Final,
        ),
        Payload::LapsedRecovered(_) => (RECOVERY, Meaning::Recovery),
        Payload::NontaxCollected(_) => (cash(&[Kind::Treasury], &[Kind::NontaxPending]), Meaning::Final),
        Payload::NontaxSplit(_) => (cash(&[Kind::NontaxPending], SHARES), Meaning::Final),
        Payload::NontaxRefunded(_) => (cash(PENDING_AND_SHARES, &[Kind::Treasury]), Meaning::Final),
        Payload::ContributionReceived(_) => (
            cash(
                &[Kind::Income, Kind::FiscalSpecial, Kind::HousingDeposit],
                &[Kind::Pool, Kind::Personal, Kind::HousingPersonal],
            ),
            Meaning::Final,
        ),
        Payload::IncomeReceived(_) => (
            cash(
                &[Kind::FiscalSpecial, Kind::Payout, Kind::HousingDeposit, Kind::HousingSurplusDeposit],
                &[Kind::Pool, Kind::Surplus],
            ),
            Meaning::Movement,
        ),
        Payload::FundsMoved(_) => (cash(MOVED_TO, MOVED_FROM), Meaning::Movement),
        Payload::BenefitPaid(_) => (cash(&[Kind::Pool, Kind::Personal], &[Kind::Payout]), Meaning::Final),
        Payload::BenefitRecovered(_) => (
            cash(
                &[Kind::Payout, Kind::HousingDeposit],
                &[Kind::Pool, Kind::Personal, Kind::HousingPersonal],
            ),
            Meaning::Final,
        ),
        Payload::RelationTransferred(transferred) => match transferred.direction() {
            TransferDirection::Unspecified => (NOTHING, Meaning::Final),
            TransferDirection::In => {
                (cash(&[Kind::FiscalSpecial, Kind::Payout], &[Kind::Pool, Kind::Personal]), Meaning::Final)
            }
            TransferDirection::Out => {
                (cash(&[Kind::Pool, Kind::Personal], &[Kind::FiscalSpecial, Kind::Payout]), Meaning::Final)
            }
        },
        Payload::InterestCredited(_) => (
            Moves {
                cash: Need::May,
                ..cash(&[Kind::Pool, Kind::Surplus], &[Kind::Personal, Kind::HousingPersonal])
            },
            Meaning::Final,
        ),
        Payload::HousingWithdrawn(_) => (cash(&[Kind::HousingPersonal], &[Kind::HousingDeposit]), Meaning::Final),
        Payload::LoanIssued(_) => (cash(&[Kind::Loan], &[Kind::HousingDeposit]), Meaning::Final),
        Payload::LoanRepaid(_) => (cash(&[Kind::HousingDeposit], &[Kind::Loan, Kind::Surplus]), Meaning::Final),
        Payload::SurplusDistributed(_) => (
            cash(&[Kind::Surplus], &[Kind::RiskReserve, Kind::ManagementFeePayable, Kind::LowRentHousing]),
            Meaning::Final,
        ),
    };
    (Some(moves), meaning)
}

const SHARES: &[Kind] = &[Kind::NontaxShare, Kind::PayableUpper, Kind::PayableLower];
const PENDING_AND_SHARES: &[Kind] = &[Kind::NontaxPending, Kind::NontaxShare, Kind::PayableUpper, Kind::PayableLower];
/// Where money that moves within a fund may arrive.
const MOVED_TO: &[Kind] = &[
    Kind::Treasury,
    Kind::FiscalSpecial,
    Kind::Payout,
    Kind::HousingDeposit,
    Kind::HousingSurplusDeposit,
    Kind::Bond,
    Kind::PayableUpper,
    Kind::PayableLower,
];
/// Where it may come from.
const MOVED_FROM: &[Kind] = &[
    Kind::Treasury,
    Kind::FiscalSpecial,
    Kind::Income,
    Kind::Payout,
    Kind::HousingDeposit,
    Kind::HousingSurplusDeposit,
    Kind::Bond,
    Kind::PayableUpper,
    Kind::PayableLower,
];

const FROZEN: &[Kind] = &[Kind::AuthorityFrozen];

const PAYMENT: Moves = Moves {
    debits: &[Kind::AuthorityUnit, Kind::AuthorityPlan, Kind::AuthorityCommitted, Kind::AuthorityCarry, Kind::FundLot],
    credits: &[Kind::AuthorityUsed, Kind::Clearing],
    authority: Need::Must,
    cash: Need::Must,
};

/// After a recall the cash goes on upward, so both sides of the cash book occur.
const RETURN: Moves = Moves {
    debits: &[Kind::AuthorityUsed, Kind::Treasury, Kind::FundLot],
    credits: &[
        Kind::AuthorityUnit,
        Kind::AuthorityPlan,
        Kind::AuthorityCarry,
        Kind::AuthorityRecalled,
        Kind::FundLot,
        Kind::Treasury,
    ],
    authority: Need::Must,
    cash: Need::Must,
};

const RECOVERY: Moves = Moves {
    debits: &[
        Kind::AuthorityUnallocated,
        Kind::AuthorityUnit,
        Kind::AuthorityPlan,
        Kind::AuthorityCarry,
        Kind::FundLot,
    ],
    credits: &[Kind::AuthorityRecalled, Kind::Treasury],
    authority: Need::Must,
    cash: Need::May,
};

const OPENING: Moves = Moves {
    debits: &[
        Kind::AuthoritySource,
        Kind::Treasury,
        Kind::FiscalSpecial,
        Kind::Income,
        Kind::Payout,
        Kind::HousingDeposit,
        Kind::HousingSurplusDeposit,
        Kind::Loan,
        Kind::Bond,
    ],
    credits: &[
        Kind::AuthorityUnallocated,
        Kind::AuthorityUnit,
        Kind::AuthorityPlan,
        Kind::AuthorityCommitted,
        Kind::AuthorityFrozen,
        Kind::AuthorityUsed,
        Kind::AuthorityCarry,
        Kind::AuthorityRecalled,
        Kind::FundLot,
        Kind::Clearing,
        Kind::Pool,
        Kind::Personal,
        Kind::HousingPersonal,
        Kind::PayableUpper,
        Kind::PayableLower,
        Kind::NontaxPending,
        Kind::NontaxShare,
        Kind::Surplus,
        Kind::RiskReserve,
        Kind::ManagementFeePayable,
        Kind::LowRentHousing,
    ],
    authority: Need::May,
    cash: Need::May,
};

/// The authority accounts that hold what was issued.
pub(super) fn holds_authority(kind: Kind) -> bool {
    AUTHORITY.contains(&kind)
}
