//! Events: what happened, with numbers instead of names and with the legs that the ledger derived.

use super::account::AccountKind;
use super::approval::{PublicKey, Role, Signature};
use super::authority::ProposedContent;
use super::command::{Envelope, PaymentMethod, Payout};
use super::complaint::ComplaintEvent;
use super::fund::{FundDefinition, LotOpened, PolicyVersion};
use super::housing::HousingEvent;
use super::ids::{
    AccountId, AccountNumber, ActorId, BankReference, CaseId, Code, CommandDigest, ContractId, DocumentDigest,
    DocumentNumber, FundNumber, IssuerId, KeyNumber, LegalBasis, LotNumber, PayeeRef, PaymentId, PolicyId, ReasonCode,
    RequestId, Sequence, UnitId,
};
use super::log_key::{LogKey, LogKeyChange};
use super::money::Amount;
use super::nontax::NontaxEvent;
use super::oversight::OversightEvent;
use super::persons::PersonsEvent;
use super::procurement::ProcurementEvent;
use super::profile::RecipientKind;
use super::refusal::Refusal;
use super::release::Released;
use super::time::{Day, Period, UtcNanos};

/// One line of double entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The account.
    pub account: AccountNumber,
    /// The lot, or [`LotNumber::NONE`].
    pub lot: LotNumber,
    /// Minor units: above 0 a debit, below 0 a credit, never 0.
    pub debit_minor: i64,
}

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When the ledger booked it.
    pub booked_at: UtcNanos,
    /// Keyed digest of the command.
    pub command_digest: CommandDigest,
    /// Whose command it was; `None` in the genesis only.
    pub envelope: Option<Envelope>,
    /// What was decided.
    pub decision: Decision,
}

/// What the rules made of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Version of the fund's policy that applied; 0 where none did.
    pub policy_version: u32,
    /// What moves.
    pub legs: Vec<Leg>,
    /// What happened.
    pub payload: Payload,
}

/// One operation of a transaction, as it stands in its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedOperation {
    /// Version of the fund's policy that applied; 0 where none did.
    pub policy_version: u32,
    /// How many of the event's legs are its own.
    pub leg_count: u32,
    /// What happened.
    pub payload: Payload,
}

/// One step of an event: the event itself, or an operation of its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// Which operation of a transaction, from 1; 0 for an event that is none.
    pub operation: u32,
    /// What moves.
    pub legs: &'a [Leg],
    /// What happened.
    pub payload: &'a Payload,
}

impl Decision {
    /// The steps, in order: those of a transaction, or the one that the decision is. Legs that no operation counts belong to
    /// none; stored events have none such.
    pub fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let (alone, operations) = if let Payload::TransactionPosted { operations } = &self.payload {
            (None, operations.as_slice())
        } else {
            (Some(Step { operation: 0, legs: &self.legs, payload: &self.payload }), &[][..])
        };
        let mut rest = self.legs.as_slice();
        let of_transaction = (1..).zip(operations).map(move |(operation, posted)| {
            let count = usize::try_from(posted.leg_count).unwrap_or(usize::MAX).min(rest.len());
            let (legs, after) = rest.split_at(count);
            rest = after;
            Step { operation, legs, payload: &posted.payload }
        });
        alone.into_iter().chain(of_transaction)
    }

    /// The step of an operation's number; 0 where the event is no transaction.
    pub fn step(&self, operation: u32) -> Option<Step<'_>> {
        self.steps().find(|step| step.operation == operation)
    }
}

impl Event {
    /// Who made the command; empty in the genesis.
    pub fn actor(&self) -> Option<&ActorId> {
        self.envelope.as_ref().map(|envelope| &envelope.actor)
    }

    /// The command's key; `None` in the genesis.
    pub fn request_id(&self) -> Option<&RequestId> {
        self.envelope.as_ref().map(|envelope| &envelope.request_id)
    }

    /// The refusal, where it is one.
    #[expect(clippy::wildcard_enum_match_arm, reason = "asks for one type among all")]
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.decision.payload {
            Payload::CommandRefused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }
}

/// What an event froze, besides the amounts in its legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frozen {
    /// An account, or with legs an amount of it.
    Account(AccountNumber),
    /// A lot.
    Lot(LotNumber),
    /// A payee.
    Payee(PayeeRef),
}

/// How authority was adjusted; the accounts are in the legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdjustmentKind {
    /// 追加.
    Supplement,
    /// 追减.
    Reduction,
    /// 调剂.
    Reallocation,
}

/// A payment; amounts, accounts and draws are in the legs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentExecuted {
    /// Voucher number.
    pub payment_id: PaymentId,
    /// To whom.
    pub payee: PayeeRef,
    /// What for.
    pub purpose: Code,
    /// Functional classification.
    pub function_code: Option<Code>,
    /// Economic classification.
    pub economic_code: Option<Code>,
    /// Project.
    pub project_id: Option<Code>,
    /// Contract.
    pub contract_id: Option<ContractId>,
    /// Method.
    pub method: PaymentMethod,
    /// Documents.
    pub document_sha256: Vec<DocumentDigest>,
    /// What the payee gets it as.
    pub payout: Option<Payout>,
    /// What the payee is, where there is no payout: one is to a person.
    pub recipient_kind: Option<RecipientKind>,
}

/// What is due for a head count, and from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntitlementDetermined {
    /// Fund.
    pub fund: FundNumber,
    /// Unit that is entitled.
    pub unit_id: UnitId,
    /// Item: the code of the policy's split.
    pub item_code: Code,
    /// Month.
    pub period: Period,
    /// Heads.
    pub head_count: i64,
    /// For one head, minor units.
    pub standard_minor: i64,
    /// Who owes what, minor units from 0, in the order of the policy.
    pub shares: Vec<(Code, i64)>,
}

/// What happened. One variant a message in event.proto, where the fields are documented.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the messages in event.proto, documented there")]
pub enum Payload {
    LedgerCreated {
        origin: Box<str>,
        format_version: u32,
        development: bool,
        administrators: Vec<(ActorId, PublicKey)>,
    },
    FundDefined {
        fund: FundNumber,
        definition: Box<FundDefinition>,
    },
    PolicySet {
        policy_id: PolicyId,
        policy: Box<PolicyVersion>,
    },
    AccountOpened {
        account: AccountNumber,
        account_id: AccountId,
        fund: FundNumber,
        kind: AccountKind,
        unit_id: Option<UnitId>,
        person: Option<PayeeRef>,
        unit_party: Option<PayeeRef>,
    },
    AccountClosed {
        account: AccountNumber,
    },
    EstimateApproved {
        project_id: Code,
        fund: FundNumber,
        amount: Amount,
        issuer_id: IssuerId,
        document_number: DocumentNumber,
    },
    EntitlementDetermined(Box<EntitlementDetermined>),
    Nontax(Box<NontaxEvent>),
    Persons(Box<PersonsEvent>),
    Housing(Box<HousingEvent>),
    Oversight(Box<OversightEvent>),
    Procurement(Box<ProcurementEvent>),
    Complaint(Box<ComplaintEvent>),
    OpeningBalance {
        fund: FundNumber,
        document_number: DocumentNumber,
        document_sha256: DocumentDigest,
        lots: Vec<LotOpened>,
    },
    BudgetIssued {
        lot: Box<LotOpened>,
    },
    BudgetAllocated {
        document_number: Option<DocumentNumber>,
    },
    BudgetAdjusted {
        kind: AdjustmentKind,
        issuer_id: IssuerId,
        document_number: DocumentNumber,
    },
    PlanApproved {
        document_number: Option<DocumentNumber>,
    },
    Committed {
        contract_id: ContractId,
        ocid: Option<Code>,
        payee: PayeeRef,
    },
    CommitmentReleased {
        contract_id: ContractId,
    },
    Frozen {
        case_id: CaseId,
        legal_basis: LegalBasis,
        scope: Frozen,
    },
    Unfrozen {
        case_id: CaseId,
    },
    CashReceived {
        bank_reference: BankReference,
    },
    PaymentExecuted(Box<PaymentExecuted>),
    Cleared {
        bank_reference: BankReference,
        payment_ids: Vec<PaymentId>,
    },
    PaymentReturned {
        payment_id: PaymentId,
        original: Sequence,
        bank_reference: BankReference,
        reason_code: ReasonCode,
    },
    Reversed {
        original: Sequence,
        reason_code: ReasonCode,
        operation: u32,
        payment_id: Option<PaymentId>,
        contract_id: Option<ContractId>,
    },
    DayClosed {
        fund: FundNumber,
        day: Day,
    },
    PeriodClosed {
        fund: FundNumber,
        period: Period,
        trial_balance_sha256: [u8; 32],
    },
    CarriedForward {
        lot: LotNumber,
        year: i32,
    },
    LapsedRecovered {
        lot: LotNumber,
        legal_basis: LegalBasis,
    },
    TransactionPosted {
        operations: Vec<PostedOperation>,
    },
    CommandRefused {
        command: Box<str>,
        refusal: Refusal,
    },
    CommandProposed {
        content: ProposedContent,
        expires_at: UtcNanos,
    },
    ProposalApproved {
        proposal: Sequence,
        key: KeyNumber,
        signature: Signature,
    },
    ProposalWithdrawn {
        proposal: Sequence,
    },
    ProposalExpired {
        proposal: Sequence,
    },
    RoleGranted {
        principal: ActorId,
        role: Role,
        fund: FundNumber,
    },
    RoleRevoked {
        principal: ActorId,
        role: Role,
        fund: FundNumber,
    },
    KeyRotated {
        principal: ActorId,
        key: KeyNumber,
        public_key: Option<PublicKey>,
    },
    PaymentReleased(Box<Released>),
    LogKeyRotated {
        key: LogKey,
        change: LogKeyChange,
    },
}

impl Payload {
    /// The bank's reference, where it rests on an entry of the bank: unique for ever.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these types rest on an entry of the bank")]
    pub fn bank_reference(&self) -> Option<&BankReference> {
        match self {
            Self::CashReceived { bank_reference }
            | Self::Cleared { bank_reference, .. }
            | Self::PaymentReturned { bank_reference, .. } => Some(bank_reference),
            Self::Nontax(event) => event.bank_reference(),
            Self::Persons(event) => event.bank_reference(),
            Self::Housing(event) => event.bank_reference(),
            _ => None,
        }
    }
}
