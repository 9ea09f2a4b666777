//! What an event of a type may move: the table that docs and ledger.proto state in words.

use crate::pb::v1::AccountKind as Kind;
use crate::pb::v1::AdjustmentKind;
use crate::pb::v1::event::Payload;

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

/// In the cash book, not the authority book.
pub(super) fn is_cash(kind: Kind) -> bool {
    i32::from(kind) >= CASH_FROM
}

/// Its balance is kept per lot.
pub(super) fn tracks_lots(kind: Kind) -> bool {
    !is_cash(kind) || kind == Kind::FundLot
}

/// What a leg does to the balance on the kind's normal side.
pub(super) fn change(kind: Kind, amount: i64) -> i64 {
    match kind {
        Kind::AuthoritySource | Kind::Treasury => amount,
        Kind::Unspecified
        | Kind::AuthorityUnallocated
        | Kind::AuthorityUnit
        | Kind::AuthorityPlan
        | Kind::AuthorityCommitted
        | Kind::AuthorityFrozen
        | Kind::AuthorityUsed
        | Kind::AuthorityCarry
        | Kind::AuthorityRecalled
        | Kind::FundLot
        | Kind::Clearing => amount.saturating_neg(),
    }
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
        | Payload::RoleRevoked(_)
        | Payload::KeyRotated(_)
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
    };
    (Some(moves), meaning)
}

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
    debits: &[Kind::AuthoritySource, Kind::Treasury],
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
    ],
    authority: Need::May,
    cash: Need::May,
};

/// The authority accounts that hold what was issued.
pub(super) fn holds_authority(kind: Kind) -> bool {
    AUTHORITY.contains(&kind)
}
