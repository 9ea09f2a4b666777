//! Refusals: the rules saying no. A stable reason, and the facts of the case.

use std::borrow::Cow;
use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident = $number:literal, $text:literal;)*) => {
        /// Every reason an error can carry; the numbers and names are those of `ErrorReason` in the API, which a test checks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {$(
            $(#[$doc])*
            $reason = $number,
        )*}

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$reason),*];

            /// From its number in the log.
            pub const fn from_number(number: i32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$reason),)*
                    _ => None,
                }
            }

            /// Its number in the log.
            pub const fn number(self) -> i32 {
                match self {
                    $(Self::$reason => $number,)*
                }
            }

            /// From its name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == name)
            }

            /// Its name: stable for ever.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$reason => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// A field is missing, malformed, too long or out of range. Correct the request and send it again under the same key.
    FieldInvalid = 1, "FIELD_INVALID";
    /// An amount is zero, negative or above 2^53-1. Correct it and send it again under the same key.
    AmountInvalid = 2, "AMOUNT_INVALID";
    /// A date does not exist or lies outside 1900 to 2199. Correct it and send it again under the same key.
    DateInvalid = 3, "DATE_INVALID";
    /// More commands than one request may carry. Split the request.
    TooManyCommands = 4, "TOO_MANY_COMMANDS";
    /// A page token was not made by this server for these parameters. Start again without one.
    PageTokenInvalid = 5, "PAGE_TOKEN_INVALID";
    /// The key was used before with other content. Use a new key for a new command.
    IdempotencyKeyReused = 6, "IDEMPOTENCY_KEY_REUSED";
    /// No command with this key was ever accepted or refused. It is safe to send it.
    RequestNotFound = 7, "REQUEST_NOT_FOUND";
    /// A sequence lies beyond the head of the log.
    SequenceBeyondHead = 8, "SEQUENCE_BEYOND_HEAD";
    /// Too much work is waiting. Send again, same key, after the time in `RetryInfo`.
    QueueFull = 9, "QUEUE_FULL";
    /// The ledger is shutting down. Send again, same key.
    ShuttingDown = 10, "SHUTTING_DOWN";
    /// The ledger accepts no postings: a write failed or the log is shorter than it was. Call the operator.
    ReadOnly = 11, "READ_ONLY";
    /// The outcome is unknown. Ask `GetReceipt` or send again, same key.
    OutcomeUnknown = 12, "OUTCOME_UNKNOWN";
    /// Stored data does not read back as it was written. Call the operator; do not retry.
    DataCorrupted = 13, "DATA_CORRUPTED";
    /// The request is larger than the server takes. Split it and send it again under the same keys.
    MessageTooLarge = 14, "MESSAGE_TOO_LARGE";
    /// A subscriber took no message for too long and was cut off. Resume after `resume_after_sequence`.
    SubscriberTooSlow = 15, "SUBSCRIBER_TOO_SLOW";
    /// As many subscriptions are open as the server allows. Come back after the time in `RetryInfo`.
    TooManySubscribers = 16, "TOO_MANY_SUBSCRIBERS";
    /// The event has no such personal data, or the vault never had the value.
    PersonalDataNotFound = 17, "PERSONAL_DATA_NOT_FOUND";
    /// The personal data are restricted.
    PersonalDataRestricted = 18, "PERSONAL_DATA_RESTRICTED";
    /// The personal data were erased.
    PersonalDataErased = 19, "PERSONAL_DATA_ERASED";
    /// Witnesses are to be waited for, and the ledger asks none. Nothing was done.
    NoWitnesses = 20, "NO_WITNESSES";
    /// The client certificate names nobody of this ledger.
    IdentityInvalid = 21, "IDENTITY_INVALID";
    /// The actor is not the person that the client certificate names.
    ActorMismatch = 22, "ACTOR_MISMATCH";
    /// No role of the person allows this, for this fund and this agency.
    AccessDenied = 23, "ACCESS_DENIED";
    /// More requests a second than one caller may make. Send it again after the time in `RetryInfo`, under the same key.
    TooManyRequests = 30, "TOO_MANY_REQUESTS";
    /// The call took longer than the caller, or the server, lets it. What was taken goes on. Send it again, same key.
    DeadlineExceeded = 31, "DEADLINE_EXCEEDED";
    /// A signature is not that of the approver's key over the proposed bytes. Sign what Propose or `ListPending` gives.
    SignatureInvalid = 40, "SIGNATURE_INVALID";
    /// The commands are not the batch that was approved: their number or root differs. Send exactly the bytes proposed.
    BatchMismatch = 41, "BATCH_MISMATCH";
    /// No fund of this name.
    FundNotFound = 100, "FUND_NOT_FOUND";
    /// No account of this name, or none of the kind that the command needs.
    AccountNotFound = 101, "ACCOUNT_NOT_FOUND";
    /// No lot of this name.
    LotNotFound = 102, "LOT_NOT_FOUND";
    /// No payment of this number.
    PaymentNotFound = 103, "PAYMENT_NOT_FOUND";
    /// No contract of this number.
    ContractNotFound = 104, "CONTRACT_NOT_FOUND";
    /// No live freeze of this case.
    FreezeNotFound = 105, "FREEZE_NOT_FOUND";
    /// No event at this sequence that could be meant.
    EventNotFound = 106, "EVENT_NOT_FOUND";
    /// No policy of this name.
    PolicyNotFound = 107, "POLICY_NOT_FOUND";
    /// No payee of this identity has ever been paid.
    PayeeNotFound = 108, "PAYEE_NOT_FOUND";
    /// No proposal of this name waits: it was never made, or was executed, withdrawn or has expired.
    ProposalNotPending = 109, "PROPOSAL_NOT_PENDING";
    /// No signing key is registered for this person.
    KeyNotFound = 110, "KEY_NOT_FOUND";
    /// The person does not hold this role.
    RoleNotFound = 111, "ROLE_NOT_FOUND";
    /// No notice of this number.
    NoticeNotFound = 112, "NOTICE_NOT_FOUND";
    /// No loan of this number.
    LoanNotFound = 113, "LOAN_NOT_FOUND";
    /// No finding of this name.
    FindingNotFound = 114, "FINDING_NOT_FOUND";
    /// No matter of this name.
    MatterNotFound = 115, "MATTER_NOT_FOUND";
    /// No complaint of this name.
    ComplaintNotFound = 116, "COMPLAINT_NOT_FOUND";
    /// No tender of this name.
    TenderNotFound = 117, "TENDER_NOT_FOUND";
    /// No goal of this indicator for the subject and year.
    GoalNotFound = 118, "GOAL_NOT_FOUND";
    /// No project of this name: none with an estimate, a tender or a contract.
    ProjectNotFound = 119, "PROJECT_NOT_FOUND";
    /// A fund of this name exists.
    FundExists = 120, "FUND_EXISTS";
    /// An account of this name exists, or one of this kind for the fund and unit.
    AccountExists = 121, "ACCOUNT_EXISTS";
    /// A lot of this name exists.
    LotExists = 122, "LOT_EXISTS";
    /// A payment of this number exists (重复支付).
    PaymentExists = 123, "PAYMENT_EXISTS";
    /// A contract of this number exists with another contractor or fund.
    ContractExists = 124, "CONTRACT_EXISTS";
    /// A freeze of this case exists.
    FreezeExists = 125, "FREEZE_EXISTS";
    /// The document number was used before by this issuer (文号重复, `E_DUP_DOC`).
    DuplicateDocument = 126, "DUPLICATE_DOCUMENT";
    /// The bank reference was used before.
    DuplicateBankReference = 127, "DUPLICATE_BANK_REFERENCE";
    /// The public key was registered before, for this person or another.
    KeyExists = 128, "KEY_EXISTS";
    /// The person holds this role already.
    RoleExists = 129, "ROLE_EXISTS";
    /// The person has approved this proposal already.
    AlreadyApproved = 130, "ALREADY_APPROVED";
    /// A notice of this number exists.
    NoticeExists = 131, "NOTICE_EXISTS";
    /// A loan of this number exists.
    LoanExists = 132, "LOAN_EXISTS";
    /// A finding of this name exists.
    FindingExists = 133, "FINDING_EXISTS";
    /// A matter of this name exists.
    MatterExists = 134, "MATTER_EXISTS";
    /// A disclosure of this name exists.
    DisclosureExists = 135, "DISCLOSURE_EXISTS";
    /// The contract was registered before.
    ContractRegistered = 136, "CONTRACT_REGISTERED";
    /// The tender was awarded before.
    AwardExists = 137, "AWARD_EXISTS";
    /// A tender of this name exists.
    TenderExists = 138, "TENDER_EXISTS";
    /// A goal of this indicator exists for the subject and year: name the event that it replaces.
    GoalExists = 139, "GOAL_EXISTS";
    /// Maker and checkers are not distinct persons (职责未分离, `E_SOD`).
    SegregationOfDuties = 140, "SEGREGATION_OF_DUTIES";
    /// Fewer checkers than the policy asks for (审批不足, `E_APPROVAL`).
    ApprovalMissing = 141, "APPROVAL_MISSING";
    /// The period or day is closed for the fund (期间已结账, `E_PERIOD_CLOSED`).
    PeriodClosed = 142, "PERIOD_CLOSED";
    /// Periods close in order, without gaps.
    PeriodOutOfOrder = 143, "PERIOD_OUT_OF_ORDER";
    /// Debits and credits differ (借贷不平, `E_UNBALANCED`).
    Unbalanced = 144, "UNBALANCED";
    /// The account's balance does not cover it (余额不足, `E_INSUFFICIENT`).
    InsufficientBalance = 145, "INSUFFICIENT_BALANCE";
    /// The lot's balance in the account does not cover it (批次余额不足, `E_LOT`).
    LotInsufficient = 146, "LOT_INSUFFICIENT";
    /// The purpose is not among those of the lot or fund (用途不符, `E_PURPOSE`).
    PurposeNotAllowed = 147, "PURPOSE_NOT_ALLOWED";
    /// The economic code is not among those of the fund (超范围, `E_SCOPE`).
    OutOfScope = 148, "OUT_OF_SCOPE";
    /// The policy asks for a payment plan first (无用款计划, `E_NO_PLAN`).
    NoPlan = 149, "NO_PLAN";
    /// The account's kind does not allow the operation (账户类型不符, `E_ACCOUNT_KIND`).
    AccountKindNotAllowed = 150, "ACCOUNT_KIND_NOT_ALLOWED";
    /// Accounts or lots of more than one fund (混用资金, `E_FUND_MIX`).
    FundMixed = 151, "FUND_MIXED";
    /// The account, lot or payee is frozen (已冻结, `E_FROZEN`).
    Frozen = 152, "FROZEN";
    /// The lot's last day has passed.
    LotExpired = 153, "LOT_EXPIRED";
    /// The lot has not lapsed yet.
    LotNotLapsed = 154, "LOT_NOT_LAPSED";
    /// Nothing is left to carry over, recall or release.
    NothingToMove = 155, "NOTHING_TO_MOVE";
    /// More than the contract's commitment (超合同, `E_OVER_CONTRACT`).
    OverContract = 156, "OVER_CONTRACT";
    /// The payee is not the contractor.
    PayeeMismatch = 157, "PAYEE_MISMATCH";
    /// More than is left of the payment (超额退款, `E_OVER_REFUND`).
    OverRefund = 158, "OVER_REFUND";
    /// The payment is not cleared: reverse it instead of returning it.
    PaymentNotCleared = 159, "PAYMENT_NOT_CLEARED";
    /// The payment is cleared: money comes back only by a return.
    PaymentCleared = 160, "PAYMENT_CLEARED";
    /// The event was reversed before.
    AlreadyReversed = 161, "ALREADY_REVERSED";
    /// Events of this type cannot be reversed.
    NotReversible = 162, "NOT_REVERSIBLE";
    /// A clearing account is not zero at the day's close (零余额未清, `E_ZERO_BALANCE`).
    ZeroBalanceNotCleared = 163, "ZERO_BALANCE_NOT_CLEARED";
    /// The policy version is not the next one, or starts before the present one (政策未生效, `E_POLICY`).
    PolicyVersionInvalid = 164, "POLICY_VERSION_INVALID";
    /// Opening balances come before any other movement of the fund.
    OpeningAfterMovement = 165, "OPENING_AFTER_MOVEMENT";
    /// Draws do not add up to the amount.
    DrawsMismatch = 166, "DRAWS_MISMATCH";
    /// The event would be larger than an entry may be: split the command.
    EventTooLarge = 167, "EVENT_TOO_LARGE";
    /// A sum would exceed 2^53-1 minor units.
    AmountOverflow = 168, "AMOUNT_OVERFLOW";
    /// A name is not known to be a unit of this fund.
    UnitNotFound = 169, "UNIT_NOT_FOUND";
    /// The proposal's or the approvals' time has run out.
    ApprovalExpired = 170, "APPROVAL_EXPIRED";
    /// The key that signed was replaced or revoked.
    KeyRevoked = 171, "KEY_REVOKED";
    /// The person does not hold the role that this needs.
    RoleMissing = 172, "ROLE_MISSING";
    /// The roles exclude each other: an auditor holds no other (审监分离).
    RolesConflict = 173, "ROLES_CONFLICT";
    /// Fewer than two administrators with keys would remain.
    AdministratorsTooFew = 174, "ADMINISTRATORS_TOO_FEW";
    /// Only the maker of a proposal may do this.
    NotTheMaker = 175, "NOT_THE_MAKER";
    /// A time of expiry lies in the past, or more than 366 days ahead.
    ExpiryOutOfRange = 176, "EXPIRY_OUT_OF_RANGE";
    /// A precondition on a balance does not hold.
    ConditionNotMet = 177, "CONDITION_NOT_MET";
    /// Something has moved since the revision that a precondition names. Read again, and decide again.
    RevisionMismatch = 178, "REVISION_MISMATCH";
    /// The fund is of a family, or has a scheme, that this does not apply to.
    FundFamilyMismatch = 179, "FUND_FAMILY_MISMATCH";
    /// The person was paid this item for this month before (重复领取, `E_DUP_BENEFIT`).
    DuplicateBenefit = 180, "DUPLICATE_BENEFIT";
    /// The person's contribution for this month was paid before, or what is due was determined before.
    DuplicateContribution = 181, "DUPLICATE_CONTRIBUTION";
    /// The person may not be paid for this month: died, left, … (不具资格, `E_INELIGIBLE`).
    Ineligible = 182, "INELIGIBLE";
    /// The person has a part in a scheme that excludes this one, for the same month (重复参保).
    ExclusiveScheme = 183, "EXCLUSIVE_SCHEME";
    /// More than the policy allows for one person and month (超标准, `E_STANDARD`).
    OverStandard = 184, "OVER_STANDARD";
    /// A refund goes to the payer, and nobody else (退款对象不符, `E_REFUND_PARTY`).
    RefundPartyMismatch = 185, "REFUND_PARTY_MISMATCH";
    /// The reason or item is not among those of the policy on this date.
    ReasonNotAllowed = 186, "REASON_NOT_ALLOWED";
    /// The fund's policy sets no such rate, split or method on this date (政策未生效, `E_POLICY`).
    PolicyTermMissing = 187, "POLICY_TERM_MISSING";
    /// The amount given is not what the ledger computes.
    AmountMismatch = 188, "AMOUNT_MISMATCH";
    /// More than the notice still asks for.
    OverNotice = 189, "OVER_NOTICE";
    /// The project's payments would exceed its approved estimate (超概算, `E_OVER_ESTIMATE`).
    OverEstimate = 190, "OVER_ESTIMATE";
    /// The account is closed.
    AccountClosed = 191, "ACCOUNT_CLOSED";
    /// The account holds money still.
    AccountNotEmpty = 192, "ACCOUNT_NOT_EMPTY";
    /// The year has not ended.
    YearNotEnded = 193, "YEAR_NOT_ENDED";
    /// The year's interest was credited to this account before.
    InterestCredited = 194, "INTEREST_CREDITED";
    /// A repayment covers the interest due, and is not more than what is owed.
    RepaymentOutOfRange = 195, "REPAYMENT_OUT_OF_RANGE";
    /// The finding is closed.
    FindingClosed = 196, "FINDING_CLOSED";
    /// The finding was not answered, or not put right.
    FindingUnanswered = 197, "FINDING_UNANSWERED";
    /// The matter was dealt with before.
    MatterClosed = 198, "MATTER_CLOSED";
    /// A unit pays no account of its own (转本单位账户, `E_SELF_PAY`).
    SelfPayment = 199, "SELF_PAYMENT";
    /// The fund's rule lets its money last no longer.
    CarryNotAllowed = 200, "CARRY_NOT_ALLOWED";
    /// The account never held any authority (无预算, `E_NO_BUDGET`).
    NoBudget = 201, "NO_BUDGET";
    /// The payment is held until a quorum of witnesses has seen it: no bank may have acted on it.
    PaymentUnreleased = 202, "PAYMENT_UNRELEASED";
    /// No other key that the log announced would go on signing.
    LastLogKey = 203, "LAST_LOG_KEY";
    /// A complaint of this name exists.
    ComplaintExists = 204, "COMPLAINT_EXISTS";
    /// The complaint is closed.
    ComplaintClosed = 205, "COMPLAINT_CLOSED";
    /// The complaint has not got far enough: it is answered after it was accepted, and closed after it was answered.
    ComplaintUnready = 206, "COMPLAINT_UNREADY";
    /// Authority is committed to registered contracts only (合同未备案).
    ContractUnregistered = 210, "CONTRACT_UNREGISTERED";
    /// The contract is settled: its price changes no more.
    ContractSettled = 211, "CONTRACT_SETTLED";
    /// More than the tender's ceiling, or than was awarded (超限价).
    OverTender = 212, "OVER_TENDER";
    /// The Open Contracting ID is not that of the tender or contract.
    OcidMismatch = 213, "OCID_MISMATCH";
    /// The additions to the contract would exceed a tenth of its first price (政府采购法§49).
    OverAmendment = 214, "OVER_AMENDMENT";
    /// The record named is not the one that holds now. Read again, and decide again.
    RecordSuperseded = 215, "RECORD_SUPERSEDED";
    /// The goal's year has ended.
    GoalYearEnded = 216, "GOAL_YEAR_ENDED";
    /// The weights of the subject's goals would exceed 1,000,000 ppm.
    OverWeight = 217, "OVER_WEIGHT";
    /// The tender was not awarded yet.
    TenderUnawarded = 218, "TENDER_UNAWARDED";
    /// What is retained of the contract is not due yet (质保金未到期).
    RetentionHeld = 219, "RETENTION_HELD";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The rules said no: why, and the facts. Refusing changes nothing but the record that it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// The facts, sorted by name: what was asked, what was there, which account or lot.
    pub facts: Vec<(Cow<'static, str>, String)>,
}

impl Refusal {
    /// A refusal without facts yet.
    pub const fn new(reason: Reason) -> Self {
        Self { reason, facts: Vec::new() }
    }

    /// Adds a fact. Names are `lower_snake_case` and stay for ever; the order of adding does not matter.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        let at = self.facts.partition_point(|(known, _)| known.as_ref() < name);
        self.facts.insert(at, (Cow::Borrowed(name), value.to_string()));
        self
    }

    /// The value of a fact.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        self.facts.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}
