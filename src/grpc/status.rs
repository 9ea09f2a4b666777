//! The only map from refusals and failures to `google.rpc.Status`: one code a reason, always the same details.

use std::time::Duration;

use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::convert::Violation;
use crate::domain::refusal::{Reason, Refusal};
use crate::ledger::Unavailable;
use crate::log::Fault;
use crate::messages::{self, Language, Record};

/// Domain of every `ErrorInfo`.
pub const DOMAIN: &str = "fundledger";
/// The first users are a Chinese city's.
const LANGUAGE_DEFAULT: Language = Language::Chinese;
/// When to come back after a queue was full.
const RETRY_QUEUE_FULL: Duration = Duration::from_millis(100);
/// When to come back after anything else that passes.
const RETRY_LATER: Duration = Duration::from_secs(1);

/// The gRPC code of a reason.
pub const fn code(reason: Reason) -> Code {
    match reason {
        Reason::FieldInvalid
        | Reason::AmountInvalid
        | Reason::DateInvalid
        | Reason::TooManyCommands
        | Reason::PageTokenInvalid
        | Reason::SignatureInvalid
        | Reason::BatchMismatch => Code::InvalidArgument,
        Reason::IdempotencyKeyReused
        | Reason::FundExists
        | Reason::AccountExists
        | Reason::LotExists
        | Reason::PaymentExists
        | Reason::ContractExists
        | Reason::FreezeExists
        | Reason::DuplicateDocument
        | Reason::DuplicateBankReference
        | Reason::KeyExists
        | Reason::RoleExists
        | Reason::NoticeExists
        | Reason::FindingExists
        | Reason::MatterExists
        | Reason::DisclosureExists
        | Reason::ContractRegistered
        | Reason::AwardExists
        | Reason::TenderExists
        | Reason::GoalExists
        | Reason::ComplaintExists
        | Reason::LoanExists
        | Reason::DuplicateBenefit
        | Reason::DuplicateContribution
        | Reason::InterestCredited
        | Reason::AlreadyApproved => Code::AlreadyExists,
        Reason::RequestNotFound
        | Reason::PersonalDataNotFound
        | Reason::FundNotFound
        | Reason::AccountNotFound
        | Reason::LotNotFound
        | Reason::PaymentNotFound
        | Reason::ContractNotFound
        | Reason::FreezeNotFound
        | Reason::EventNotFound
        | Reason::PolicyNotFound
        | Reason::PayeeNotFound
        | Reason::UnitNotFound
        | Reason::ProposalNotPending
        | Reason::KeyNotFound
        | Reason::NoticeNotFound
        | Reason::FindingNotFound
        | Reason::MatterNotFound
        | Reason::TenderNotFound
        | Reason::GoalNotFound
        | Reason::ProjectNotFound
        | Reason::ComplaintNotFound
        | Reason::LoanNotFound
        | Reason::RoleNotFound => Code::NotFound,
        Reason::IdentityInvalid => Code::Unauthenticated,
        Reason::RoleMissing
        | Reason::NotTheMaker
        | Reason::KeyRevoked
        | Reason::ActorMismatch
        | Reason::AccessDenied => Code::PermissionDenied,
        Reason::SequenceBeyondHead | Reason::AmountOverflow | Reason::EventTooLarge | Reason::MessageTooLarge => {
            Code::OutOfRange
        }
        Reason::QueueFull | Reason::SubscriberTooSlow | Reason::TooManySubscribers | Reason::TooManyRequests => {
            Code::ResourceExhausted
        }
        Reason::DeadlineExceeded => Code::DeadlineExceeded,
        Reason::ShuttingDown | Reason::ReadOnly | Reason::OutcomeUnknown => Code::Unavailable,
        Reason::DataCorrupted => Code::DataLoss,
        Reason::SegregationOfDuties
        | Reason::FundFamilyMismatch
        | Reason::Ineligible
        | Reason::ExclusiveScheme
        | Reason::OverStandard
        | Reason::RefundPartyMismatch
        | Reason::ReasonNotAllowed
        | Reason::PolicyTermMissing
        | Reason::AmountMismatch
        | Reason::OverNotice
        | Reason::OverEstimate
        | Reason::AccountClosed
        | Reason::AccountNotEmpty
        | Reason::YearNotEnded
        | Reason::RepaymentOutOfRange
        | Reason::FindingClosed
        | Reason::FindingUnanswered
        | Reason::MatterClosed
        | Reason::ComplaintClosed
        | Reason::ComplaintUnready
        | Reason::PersonalDataRestricted
        | Reason::PersonalDataErased
        | Reason::SelfPayment
        | Reason::ApprovalMissing
        | Reason::PeriodClosed
        | Reason::PeriodOutOfOrder
        | Reason::Unbalanced
        | Reason::InsufficientBalance
        | Reason::LotInsufficient
        | Reason::PurposeNotAllowed
        | Reason::OutOfScope
        | Reason::NoPlan
        | Reason::AccountKindNotAllowed
        | Reason::FundMixed
        | Reason::Frozen
        | Reason::LotExpired
        | Reason::LotNotLapsed
        | Reason::CarryNotAllowed
        | Reason::NoBudget
        | Reason::PaymentUnreleased
        | Reason::LastLogKey
        | Reason::ContractUnregistered
        | Reason::ContractSettled
        | Reason::OverTender
        | Reason::OcidMismatch
        | Reason::OverAmendment
        | Reason::RecordSuperseded
        | Reason::GoalYearEnded
        | Reason::OverWeight
        | Reason::TenderUnawarded
        | Reason::RetentionHeld
        | Reason::NoWitnesses
        | Reason::NothingToMove
        | Reason::OverContract
        | Reason::PayeeMismatch
        | Reason::OverRefund
        | Reason::PaymentNotCleared
        | Reason::PaymentCleared
        | Reason::AlreadyReversed
        | Reason::NotReversible
        | Reason::ZeroBalanceNotCleared
        | Reason::PolicyVersionInvalid
        | Reason::OpeningAfterMovement
        | Reason::DrawsMismatch
        | Reason::ApprovalExpired
        | Reason::RolesConflict
        | Reason::AdministratorsTooFew
        | Reason::ExpiryOutOfRange
        | Reason::ConditionNotMet => Code::FailedPrecondition,
        Reason::RevisionMismatch => Code::Aborted,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else passes by itself")]
fn retry_after(reason: Reason) -> Option<Duration> {
    // A second has as many requests again.
    if reason == Reason::TooManyRequests {
        return Some(RETRY_LATER);
    }
    match code(reason) {
        Code::ResourceExhausted => Some(RETRY_QUEUE_FULL),
        Code::Unavailable => Some(RETRY_LATER),
        _ => None,
    }
}

/// Makes statuses in the caller's language: the message is English, `LocalizedMessage` is what the caller reads.
#[derive(Clone, Copy, Debug)]
pub struct Statuses {
    language: Language,
}

impl Default for Statuses {
    /// Where the caller's language is not known.
    fn default() -> Self {
        Self { language: LANGUAGE_DEFAULT }
    }
}

impl Statuses {
    /// For a request: by its `accept-language`, Chinese where it says nothing.
    pub fn for_request<T>(request: &tonic::Request<T>) -> Self {
        Self::for_language(request.metadata().get("accept-language").and_then(|value| value.to_str().ok()))
    }

    /// For a request of which only the headers are there.
    pub fn for_headers(headers: &http::HeaderMap) -> Self {
        Self::for_language(headers.get(http::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()))
    }

    fn for_language(header: Option<&str>) -> Self {
        Self { language: header.and_then(Language::from_accept_language).unwrap_or(LANGUAGE_DEFAULT) }
    }

    /// A refusal, with further facts such as where it is recorded.
    fn refusal(self, refusal: &Refusal, more: &[(&str, String)], record: Record) -> Status {
        let facts = || refusal.facts.iter().map(|(name, value)| (name.as_ref(), value.as_str()));
        let reason = refusal.reason;
        let message = messages::refusal(Language::English, reason, facts());
        let localized = messages::refusal(self.language, reason, facts());
        let all = facts().chain(more.iter().map(|(name, value)| (*name, value.as_str())));
        let mut details = self.details(reason, all, &localized, record);
        if code(reason) == Code::FailedPrecondition {
            let subject = facts().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ");
            details.add_precondition_failure_violation(reason.as_str(), subject, message.as_str());
        }
        if let Some((name, value)) = facts().next().filter(|_| code(reason) == Code::NotFound) {
            details.set_resource_info(name, value, "", message.as_str());
        }
        Status::with_error_details(code(reason), format!("{}: {message}", reason.as_str()), details)
    }

    /// A refusal with where it is recorded, and whether it was given before.
    pub fn refused(self, refusal: &Refusal, sequence: Option<i64>, replayed: bool) -> Status {
        let mut more = vec![("replayed", replayed.to_string())];
        more.extend(sequence.map(|sequence| ("sequence", sequence.to_string())));
        self.refusal(refusal, &more, if sequence.is_some() { Record::Kept } else { Record::None })
    }

    /// A key that was used before with other content.
    pub fn key_reused(self, original_sequence: i64, first_different_field: &str) -> Status {
        let facts = [
            ("original_sequence", original_sequence.to_string()),
            ("first_different_field", first_different_field.to_owned()),
        ];
        self.reason(Reason::IdempotencyKeyReused, &facts)
    }

    /// A reason without a refusal's record.
    pub fn reason(self, reason: Reason, facts: &[(&'static str, String)]) -> Status {
        let refusal = facts.iter().fold(Refusal::new(reason), |refusal, (name, value)| refusal.with(name, value));
        self.refusal(&refusal, &[], Record::NotAsked)
    }

    /// Fields that are not as they must be, all of them.
    pub fn violations(self, violations: &[Violation]) -> Status {
        let reason = violated(violations);
        let facts = violations.iter().take(1).map(|violation| ("field", violation.field.as_str()));
        let localized = messages::refusal(self.language, reason, facts.clone());
        let mut details = self.details(reason, facts, &localized, Record::None);
        for violation in violations {
            details.add_bad_request_violation(
                violation.field.as_str(),
                format!("{}: {} {}", violation.reason, violation.field, violation.description),
            );
        }
        let all = violations.iter().map(|violation| format!("{} {}", violation.field, violation.description));
        let message = all.collect::<Vec<_>>().join("; ");
        Status::with_error_details(code(reason), format!("{}: {message}", reason.as_str()), details)
    }

    /// Why nothing was posted, or why nobody knows.
    pub fn unavailable(self, why: &Unavailable) -> Status {
        match why {
            Unavailable::QueueFull => self.reason(Reason::QueueFull, &[]),
            Unavailable::ShuttingDown => self.reason(Reason::ShuttingDown, &[]),
            Unavailable::ReadOnly(cause) => {
                tracing::warn!(cause, "a posting was refused: the ledger is read-only");
                self.reason(Reason::ReadOnly, &[])
            }
            Unavailable::OutcomeUnknown(cause) => {
                tracing::error!(cause, "a posting's outcome is unknown");
                self.reason(Reason::OutcomeUnknown, &[])
            }
        }
    }

    /// Stored data that cannot be read. What was touched goes to the log, not to the caller.
    pub fn fault(self, fault: &Fault) -> Status {
        tracing::error!(%fault, "stored data could not be read");
        self.reason(Reason::DataCorrupted, &[])
    }

    fn details<'a>(
        self,
        reason: Reason,
        facts: impl Iterator<Item = (&'a str, &'a str)>,
        localized: &str,
        record: Record,
    ) -> ErrorDetails {
        #[expect(clippy::disallowed_types, reason = "the details' own type; the order reaches nothing but a map")]
        let metadata: std::collections::HashMap<String, String> =
            facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut details = ErrorDetails::new();
        details.set_error_info(reason.as_str(), DOMAIN, metadata);
        let localized = format!("{localized} {}", messages::remedy(self.language, reason, record));
        details.set_localized_message(self.language.tag(), localized);
        if let Some(after) = retry_after(reason) {
            details.set_retry_info(Some(after));
        }
        details
    }
}

/// The reason that a status gives; none where it is not one of ours.
pub(super) fn reason_of(status: &Status) -> Option<Reason> {
    status.get_details_error_info().and_then(|info| Reason::from_name(&info.reason))
}

/// The reason that stands for all violations of a command.
pub(super) fn violated(violations: &[Violation]) -> Reason {
    violations.first().map_or(Reason::FieldInvalid, |violation| violation.reason)
}

/// A status as part of an answer.
pub fn embedded(status: &Status) -> tonic_types::pb::Status {
    // The details were encoded as exactly this message; a status without any has only code and message.
    tonic_types::pb::Status::decode(status.details()).unwrap_or_else(|_| tonic_types::pb::Status {
        code: i32::from(status.code()),
        message: status.message().to_owned(),
        details: Vec::new(),
    })
}
