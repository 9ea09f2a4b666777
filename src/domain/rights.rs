//! What each role allows: one table, which the server enforces, a document shows and a test walks through.

use super::approval::Role;
use super::command::Order;
use super::complaint::Complaint;
use super::oversight::Oversight;
use super::personal::PersonalData;
use super::procurement::Procurement;

/// How far a role reaches for an action. A role that was granted for one fund reaches no further than that fund anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every agency.
    Everywhere,
    /// The accounts and matters of the agency that the certificate names.
    OwnAgency,
}

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $text:literal, $what:literal: [$($role:ident $reach:ident),*];)*) => {
        /// What somebody wants to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Action {$(
            $(#[$doc])*
            $action,
        )*}

        impl Action {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$action),*];

            /// Its name: stable for ever.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$action => $text,)* }
            }

            /// What it is, for the document.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$action => $what,)* }
            }

            /// How far a role reaches for it; `None` where the role does not allow it.
            pub const fn reach(self, role: Role) -> Option<Reach> {
                match (self, role) {
                    $($((Self::$action, Role::$role) => Some(Reach::$reach),)*)*
                    _ => None,
                }
            }
        }
    };
}

actions! {
    /// Set-up.
    SetUp = "SET_UP", "Make funds, policies, accounts, roles and keys; open a month again; restrict, release and erase personal data":
        [Admin Everywhere];
    /// Authority to spend.
    Budget = "BUDGET", "Issue, allocate, adjust, plan, commit and recall authority; opening balances; freezes":
        [Maker Everywhere];
    /// Accounts of persons.
    OpenPersonAccount = "OPEN_PERSON_ACCOUNT", "Open a person's account":
        [Maker Everywhere, Agency Everywhere];
    /// Payments.
    Pay = "PAY", "Order payments": [Maker Everywhere, Treasury Everywhere, Agency OwnAgency];
    /// What banks say.
    Settle = "SETTLE", "Record cash received, payments cleared and returned; close days and months": [Treasury Everywhere];
    /// Corrections.
    Reverse = "REVERSE", "Reverse an event": [Maker Everywhere, Treasury Everywhere];
    /// Schemes.
    Scheme = "SCHEME", "Run a scheme: facts about persons, contributions, benefits, income, housing loans, non-tax revenue":
        [Maker Everywhere, Agency Everywhere];
    /// Bank statements.
    Reconcile = "RECONCILE", "Record that a bank statement was compared with the books":
        [Maker Everywhere, Treasury Everywhere, Agency OwnAgency, Auditor Everywhere];
    /// Answers to findings.
    Answer = "ANSWER", "Answer a finding, or say that it was put right":
        [Maker Everywhere, Leader Everywhere, Treasury Everywhere, Agency Everywhere];
    /// Matters received.
    OpenMatter = "OPEN_MATTER", "Record a matter that an agency has to deal with": [Maker Everywhere, Agency OwnAgency];
    /// Matters dealt with.
    CloseMatter = "CLOSE_MATTER", "Record that a matter was dealt with": [Maker Everywhere, Agency Everywhere];
    /// Complaints received.
    FileComplaint = "FILE_COMPLAINT", "Record a complaint": [Leader Everywhere, Agency Everywhere, Auditor Everywhere, Discloser Everywhere];
    /// Complaints dealt with.
    HandleComplaint = "HANDLE_COMPLAINT", "Accept, hand on and answer a complaint": [Leader Everywhere, Agency OwnAgency];
    /// Complaints done with.
    CloseComplaint = "CLOSE_COMPLAINT", "Close a complaint": [Auditor Everywhere];
    /// Performance.
    Score = "SCORE", "Record an evaluation of performance": [Maker Everywhere, Leader Everywhere];
    /// Goals and outputs.
    Perform = "PERFORM", "Set goals of performance, and record what was done towards them":
        [Maker Everywhere, Leader Everywhere, Agency Everywhere];
    /// Tenders and contracts.
    Procure = "PROCURE", "Register tenders, awards, contracts, their amendments and settlements":
        [Maker Everywhere, Agency OwnAgency];
    /// Publications.
    Disclose = "DISCLOSE", "Record a publication": [Discloser Everywhere];
    /// Findings.
    Flag = "FLAG", "Flag something, and close a finding": [Auditor Everywhere];
    /// Values of personal data.
    OpenPersonalData = "OPEN_PERSONAL_DATA", "Open personal data": [Auditor Everywhere];
    /// Which personal data there are.
    ListPersonalData = "LIST_PERSONAL_DATA", "List personal data, without values": [Auditor Everywhere, Admin Everywhere];
    /// Names as they may be published.
    ReadMaskedNames = "READ_MASKED_NAMES", "Read names as they may be published, masked and without those of minors":
        [Discloser Everywhere];
    /// Signatures.
    Approve = "APPROVE", "Approve a proposal": [Checker Everywhere, Leader Everywhere, Admin Everywhere];
    /// What waits.
    ReadPending = "READ_PENDING", "List the proposals of everybody; one's own are shown to whoever may propose":
        [Maker Everywhere, Checker Everywhere, Leader Everywhere, Treasury Everywhere, Auditor Everywhere, Admin Everywhere];
    /// One account.
    ReadAccount = "READ_ACCOUNT", "Read the balance or the statement of an account":
        [Maker Everywhere, Checker Everywhere, Leader Everywhere, Treasury Everywhere, Agency OwnAgency, Auditor Everywhere, Discloser Everywhere];
    /// All accounts.
    ReadBalances = "READ_BALANCES", "Read the trial balance":
        [Maker Everywhere, Checker Everywhere, Leader Everywhere, Treasury Everywhere, Auditor Everywhere, Discloser Everywhere];
    /// Clocks.
    ReadClocks = "READ_CLOCKS", "List statutory clocks":
        [Maker Everywhere, Checker Everywhere, Leader Everywhere, Treasury Everywhere, Agency OwnAgency, Auditor Everywhere, Discloser Everywhere];
    /// Complaints.
    ReadComplaints = "READ_COMPLAINTS", "List complaints, never who complains": [Leader Everywhere, Agency OwnAgency, Auditor Everywhere];
    /// Tenders and contracts.
    ReadContracts = "READ_CONTRACTS", "Read tenders and contracts":
        [Maker Everywhere, Checker Everywhere, Leader Everywhere, Treasury Everywhere, Agency OwnAgency, Auditor Everywhere];
    /// What happened.
    ReadHistory = "READ_HISTORY", "Read events, traces, findings, projects and performance, and subscribe":
        [Maker Everywhere, Checker Everywhere, Leader Everywhere, Treasury Everywhere, Auditor Everywhere];
    /// Rules.
    RunRules = "RUN_RULES", "Run auditors' rules": [Leader Everywhere, Auditor Everywhere];
    /// Evidence.
    ReadLog = "READ_LOG", "Read the exact bytes of the log; ask for anybody's receipt": [Auditor Everywhere, Discloser Everywhere];
    /// What everybody with a role may.
    ReadCommon = "READ_COMMON", "List funds, ask for one's own receipts, fetch checkpoints and proofs":
        [Maker Everywhere, Checker Everywhere, Leader Everywhere, Treasury Everywhere, Agency Everywhere, Auditor Everywhere, Discloser Everywhere, Admin Everywhere];
}

impl Action {
    /// Those that post commands.
    pub const POSTING: &'static [Self] = &[
        Self::SetUp,
        Self::Budget,
        Self::OpenPersonAccount,
        Self::Pay,
        Self::Settle,
        Self::Reverse,
        Self::Scheme,
        Self::Reconcile,
        Self::Answer,
        Self::OpenMatter,
        Self::CloseMatter,
        Self::FileComplaint,
        Self::HandleComplaint,
        Self::CloseComplaint,
        Self::Score,
        Self::Perform,
        Self::Procure,
        Self::Disclose,
        Self::Flag,
        Self::OpenPersonalData,
    ];

    /// What an order is. Those of a transaction are looked at one by one; it has none of its own.
    pub fn of(order: &Order) -> Option<Self> {
        Some(match order {
            Order::ExecutePayment(_) => Self::Pay,
            Order::OpenAccount { person: Some(_), .. } => Self::OpenPersonAccount,
            Order::DefineFund(_)
            | Order::SetPolicy { .. }
            | Order::OpenAccount { .. }
            | Order::CloseAccount { .. }
            | Order::GrantRole { .. }
            | Order::RevokeRole { .. }
            | Order::RotateKey { .. }
            | Order::RotateLogKey { .. } => Self::SetUp,
            Order::RecordOpeningBalance { .. }
            | Order::IssueBudget { .. }
            | Order::AllocateBudget { .. }
            | Order::AdjustBudget { .. }
            | Order::ApprovePlan { .. }
            | Order::CommitAuthority { .. }
            | Order::ReleaseCommitment { .. }
            | Order::ApproveEstimate { .. }
            | Order::DetermineEntitlement { .. }
            | Order::CarryForward { .. }
            | Order::RecoverLapsed { .. }
            | Order::Freeze { .. }
            | Order::Unfreeze { .. } => Self::Budget,
            Order::ReceiveCash { .. }
            | Order::ClearPayments { .. }
            | Order::ReturnPayment { .. }
            | Order::CloseDay { .. }
            | Order::ClosePeriod { .. } => Self::Settle,
            Order::ReverseEvent { .. } => Self::Reverse,
            Order::Nontax(_) | Order::Persons(_) | Order::Housing(_) => Self::Scheme,
            Order::Oversight(order) => match order.as_ref() {
                Oversight::Reconciliation(_) => Self::Reconcile,
                Oversight::Flag(_) | Oversight::FindingClose { .. } => Self::Flag,
                Oversight::Explanation { .. } | Oversight::Rectification { .. } => Self::Answer,
                Oversight::MatterOpen(_) => Self::OpenMatter,
                Oversight::MatterClose { .. } => Self::CloseMatter,
                Oversight::Disclosure { .. } => Self::Disclose,
                Oversight::Performance { .. } => Self::Score,
                Oversight::Goal(_) | Oversight::Output(_) => Self::Perform,
                Oversight::PersonalData(PersonalData::Open { .. }) => Self::OpenPersonalData,
                Oversight::Reopening { .. }
                | Oversight::PersonalData(
                    PersonalData::Restrict(..) | PersonalData::Release(..) | PersonalData::Erase(..),
                ) => Self::SetUp,
            },
            Order::Procurement(order) => match order.as_ref() {
                Procurement::FinalAccount(_) => Self::Budget,
                Procurement::Tender(_)
                | Procurement::Award(_)
                | Procurement::Registration(_)
                | Procurement::Amendment(_)
                | Procurement::Settlement(_) => Self::Procure,
            },
            Order::Complaint(order) => match order.as_ref() {
                Complaint::File(_) => Self::FileComplaint,
                Complaint::Accept { .. } | Complaint::Answer { .. } => Self::HandleComplaint,
                Complaint::Close { .. } => Self::CloseComplaint,
            },
            Order::Propose { .. } | Order::Approve { .. } | Order::Withdraw { .. } | Order::Transaction { .. } => {
                return None;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auditors_post_no_money_and_administrators_move_none() {
        let money = [
            Action::Budget,
            Action::Pay,
            Action::Settle,
            Action::Reverse,
            Action::Scheme,
            Action::Approve,
            Action::OpenPersonAccount,
        ];
        for action in money {
            assert_eq!(action.reach(Role::Auditor), None, "{action:?}");
            // Of set-up they approve what others make; of money their signature does not count.
            assert_eq!(action.reach(Role::Admin).is_some(), action == Action::Approve, "{action:?}");
        }
        for action in Action::ALL {
            assert!(Role::ALL.iter().any(|role| action.reach(*role).is_some()), "nobody may {action:?}");
        }
    }
}
