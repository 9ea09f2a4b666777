//! Supervision: reconciliation, findings and what became of them, matters that must be dealt with in time, publications,
//! performance. None of it moves money, and none of it blocks any.

use super::ids::{
    AccountId, AccountNumber, ActorId, BankReference, Code, DisclosureId, DocumentDigest, DocumentNumber, FindingId,
    FundId, FundNumber, MatterId, PayeeRef, ReasonCode, Sequence, UnitId,
};
use super::money::AmountOrZero;
use super::numbered::numbered;
use super::performance::{EvaluatorKind, Goal, Output};
use super::personal::PersonalData;
use super::time::{Day, Period};

numbered! {
    /// How a finding ended.
    FindingOutcome {
        /// Put right.
        Rectified = 1, "RECTIFIED";
        /// There was nothing in it.
        Unfounded = 2, "UNFOUNDED";
        /// Handed on to discipline inspection or the courts.
        Referred = 3, "REFERRED";
    }
}

/// An entry that bank and books do not agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The bank's reference.
    pub bank_reference: BankReference,
    /// By the bank, minor units; 0 where the bank has none.
    pub bank_minor: i64,
    /// By the books, minor units; 0 where they have none.
    pub book_minor: i64,
}

/// A bank statement compared with an account; `A` is how the account is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconciliation<A> {
    /// The account.
    pub account: A,
    /// The statement.
    pub statement_sha256: DocumentDigest,
    /// Its first day.
    pub first_day: Day,
    /// Its last day.
    pub last_day: Day,
    /// The bank's closing balance, minor units.
    pub bank_balance_minor: i64,
    /// The books' balance at the end of that day, minor units.
    pub book_balance_minor: i64,
    /// Sequence up to which the books were looked at.
    pub as_of: Sequence,
    /// Entries that both have.
    pub matched_count: u32,
    /// Entries that differ.
    pub differences: Vec<Difference>,
}

/// Something flagged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Finding.
    pub finding_id: FindingId,
    /// Rule that found it.
    pub rule_id: Code,
    /// Version of the rule; 0 where there is none.
    pub rule_version: u32,
    /// Events it is about.
    pub sequences: Vec<Sequence>,
    /// What is in question.
    pub amount: AmountOrZero,
    /// Evidence.
    pub evidence_sha256: Option<DocumentDigest>,
}

/// A matter; `F` is how its fund is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matter<F> {
    /// Matter.
    pub matter_id: MatterId,
    /// What it is.
    pub kind: Code,
    /// Agency that has to deal with it.
    pub unit_id: UnitId,
    /// Fund.
    pub fund: F,
    /// Who brought it.
    pub party: Option<PayeeRef>,
    /// Event it is about.
    pub about: Option<Sequence>,
    /// Who took it first.
    pub first_handler: ActorId,
}

/// An order or an event of supervision: what is asked for is what is recorded, but for names that become numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the messages in the schema, documented there")]
pub enum Oversight<A, F> {
    Reconciliation(Reconciliation<A>),
    Flag(Flag),
    Explanation {
        finding_id: FindingId,
        document_number: DocumentNumber,
        document_sha256: DocumentDigest,
    },
    Rectification {
        finding_id: FindingId,
        sequences: Vec<Sequence>,
        amount: AmountOrZero,
        document_number: DocumentNumber,
    },
    FindingClose {
        finding_id: FindingId,
        outcome: FindingOutcome,
    },
    MatterOpen(Matter<Option<F>>),
    MatterClose {
        matter_id: MatterId,
        outcome_code: ReasonCode,
    },
    Disclosure {
        disclosure_id: DisclosureId,
        scope: Code,
        file_sha256: DocumentDigest,
        as_of: Sequence,
    },
    Performance {
        subject_id: Code,
        year: i32,
        score: u32,
        document_number: DocumentNumber,
        evaluator: Option<EvaluatorKind>,
    },
    Goal(Goal),
    Output(Output),
    Reopening {
        fund: F,
        period: Period,
        reason_code: ReasonCode,
    },
    PersonalData(PersonalData),
}

/// What a command of supervision asks for.
pub type OversightOrder = Oversight<AccountId, FundId>;
/// What happened under supervision.
pub type OversightEvent = Oversight<AccountNumber, FundNumber>;

impl<A, F> Oversight<A, F> {
    /// Name of the command, as in the API.
    pub const fn command_name(&self) -> &'static str {
        match self {
            Self::Reconciliation(_) => "record_reconciliation",
            Self::Flag(_) => "flag",
            Self::Explanation { .. } => "explain_finding",
            Self::Rectification { .. } => "rectify_finding",
            Self::FindingClose { .. } => "close_finding",
            Self::MatterOpen(_) => "open_matter",
            Self::MatterClose { .. } => "close_matter",
            Self::Disclosure { .. } => "record_disclosure",
            Self::Performance { .. } => "score_performance",
            Self::Goal(_) => "set_goal",
            Self::Output(_) => "record_output",
            Self::Reopening { .. } => "reopen_period",
            Self::PersonalData(data) => data.command_name(),
        }
    }

    /// The finding, matter, disclosure or subject it is about, by which its events are found again.
    pub fn case_id(&self) -> Option<&str> {
        match self {
            Self::Flag(flag) => Some(flag.finding_id.as_str()),
            Self::Explanation { finding_id, .. }
            | Self::Rectification { finding_id, .. }
            | Self::FindingClose { finding_id, .. } => Some(finding_id.as_str()),
            Self::MatterOpen(matter) => Some(matter.matter_id.as_str()),
            Self::MatterClose { matter_id, .. } => Some(matter_id.as_str()),
            Self::Disclosure { disclosure_id, .. } => Some(disclosure_id.as_str()),
            Self::Performance { subject_id, .. } => Some(subject_id.as_str()),
            Self::Goal(goal) => Some(goal.key.subject.id.as_str()),
            Self::Output(output) => Some(output.key.subject.id.as_str()),
            Self::Reconciliation(_) | Self::Reopening { .. } | Self::PersonalData(_) => None,
        }
    }
}

/// How far a finding has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingStage {
    /// Flagged.
    Open,
    /// Answered.
    Explained,
    /// Put right.
    Rectified,
    /// Closed.
    Closed,
}

/// What is remembered of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Who flagged it.
    pub flagged_by: ActorId,
    /// How far it has got.
    pub stage: FindingStage,
}
