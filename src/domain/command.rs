//! Commands: what a client asks for, parsed into values that cannot be malformed, with names as the client gave them.

use super::account::AccountKind;
use super::approval::{Approvals, PublicKey, Role, Signature};
use super::authority::ProposedContent;
use super::complaint::ComplaintOrder;
use super::fund::{FundDefinition, LotDefinition, PolicyVersion};
use super::housing::HousingOrder;
use super::ids::{
    AccountId, ActorId, BankReference, CaseId, Code, ContractId, DocumentDigest, DocumentNumber, FundId, IssuerId,
    KeyNumber, LegalBasis, LotId, PayeeRef, PaymentId, PolicyId, ReasonCode, RequestId, Sequence, UnitId,
};
use super::log_key::{LogKey, LogKeyChange};
use super::money::{self, Amount};
use super::nontax::NontaxOrder;
use super::oversight::OversightOrder;
use super::personal::PersonalCommitment;
use super::persons::PersonsOrder;
use super::procurement::ProcurementOrder;
use super::profile::RecipientKind;
use super::time::{Day, Period, UtcNanos};

/// A command: who asks, under which key, as of which business date, for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Who and when.
    pub envelope: Envelope,
    /// What must hold when it is decided.
    pub preconditions: Vec<Precondition>,
    /// What.
    pub order: Order,
}

/// A condition on the ledger as it stands when a command is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The last event that moved an account is this one.
    AccountRevision {
        /// The account.
        account: AccountId,
        /// Its last event; 0 for none.
        revision: Sequence,
    },
    /// The last event that moved an account of a fund is this one.
    FundRevision {
        /// The fund.
        fund: FundId,
        /// Its last event; 0 for none.
        revision: Sequence,
    },
    /// The last event of all is this one.
    HeadSequence(Sequence),
    /// An account, or a lot in it, holds at least this much.
    AvailableAtLeast {
        /// The account.
        account: AccountId,
        /// The lot; `None` for the account as a whole.
        lot: Option<LotId>,
        /// How much.
        amount: Amount,
    },
}

/// What every command carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Idempotency key.
    pub request_id: RequestId,
    /// Business date.
    pub business_date: Day,
    /// Maker.
    pub actor: ActorId,
    /// Checkers, in the order given.
    pub approvals: Approvals,
    /// Commitments to the personal data that come with it, in the order given.
    pub personal_data: Vec<PersonalCommitment>,
}

/// A draw on a lot, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The lot.
    pub lot_id: LotId,
    /// How much.
    pub amount: Amount,
}

/// Authority from one account to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Debited.
    pub from: AccountId,
    /// Credited.
    pub to: AccountId,
    /// How much.
    pub amount: Amount,
    /// From which lots; empty leaves the choice to the ledger.
    pub draws: Vec<Draw>,
}

/// How authority is adjusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adjustment {
    /// More is issued, 追加.
    Supplement {
        /// Unallocated account that receives it.
        to: AccountId,
    },
    /// Less is issued, 追减.
    Reduction {
        /// Account that gives it up.
        from: AccountId,
    },
    /// Moved between units, 调剂.
    Reallocation {
        /// Unit account that gives.
        from: AccountId,
        /// Unit account that receives.
        to: AccountId,
    },
}

/// What a freeze covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FreezeScope {
    /// An amount of an account.
    Amount {
        /// The account.
        account: AccountId,
        /// How much.
        amount: Amount,
        /// From which lots.
        draws: Vec<Draw>,
    },
    /// A whole account.
    Account(AccountId),
    /// A whole lot.
    Lot(LotId),
    /// A payee.
    Payee(PayeeRef),
}

/// How the treasury pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentMethod {
    /// 直接支付.
    Direct,
    /// 授权支付.
    Authorized,
}

/// One balance carried in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningLine {
    /// The account.
    pub account: AccountId,
    /// The lot, where the account tracks lots.
    pub lot: Option<LotId>,
    /// On the account's normal side.
    pub amount: Amount,
}

/// An order to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutePayment {
    /// Voucher number.
    pub payment_id: PaymentId,
    /// Account drawn on.
    pub from: AccountId,
    /// Paying unit, where the account does not say it.
    pub unit: Option<UnitId>,
    /// How much.
    pub amount: Amount,
    /// From which lots.
    pub draws: Vec<Draw>,
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

impl ExecutePayment {
    /// What the payee is, as far as it was said.
    pub fn recipient(&self) -> Option<RecipientKind> {
        if self.payout.is_some() { Some(RecipientKind::Person) } else { self.recipient_kind }
    }
}

/// What a person gets a payment as: one line of a batch, and a payment of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    /// Item of the policy.
    pub item_code: Code,
    /// Month it is for.
    pub period: Period,
    /// Batch and line in it, from 1.
    pub line: Option<(Code, u32)>,
    /// The returned payment that is issued again.
    pub reissue_of: Option<PaymentId>,
}

/// What a command asks for. One variant a command of the API; the comments there say what each does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the messages in ledger.proto, documented there")]
pub enum Order {
    DefineFund(Box<FundDefinition>),
    SetPolicy {
        policy_id: PolicyId,
        policy: Box<PolicyVersion>,
    },
    OpenAccount {
        account_id: AccountId,
        fund_id: FundId,
        kind: AccountKind,
        unit_id: Option<UnitId>,
        person: Option<PayeeRef>,
        unit_party: Option<PayeeRef>,
    },
    CloseAccount {
        account_id: AccountId,
    },
    ApproveEstimate {
        project_id: Code,
        fund_id: FundId,
        amount: Amount,
        issuer_id: IssuerId,
        document_number: DocumentNumber,
    },
    DetermineEntitlement {
        fund_id: FundId,
        unit_id: UnitId,
        item_code: Code,
        period: Period,
        head_count: i64,
        standard: Amount,
    },
    Nontax(Box<NontaxOrder>),
    Persons(Box<PersonsOrder>),
    Housing(Box<HousingOrder>),
    Oversight(Box<OversightOrder>),
    Procurement(Box<ProcurementOrder>),
    Complaint(Box<ComplaintOrder>),
    RecordOpeningBalance {
        fund_id: FundId,
        document_number: DocumentNumber,
        document_sha256: DocumentDigest,
        lots: Vec<LotDefinition>,
        lines: Vec<OpeningLine>,
    },
    IssueBudget {
        lot: Box<LotDefinition>,
        to: AccountId,
        amount: Amount,
    },
    AllocateBudget {
        movement: Movement,
        document_number: Option<DocumentNumber>,
    },
    AdjustBudget {
        adjustment: Adjustment,
        lot_id: LotId,
        amount: Amount,
        issuer_id: IssuerId,
        document_number: DocumentNumber,
    },
    ApprovePlan {
        movement: Movement,
        document_number: Option<DocumentNumber>,
    },
    CommitAuthority {
        movement: Movement,
        contract_id: ContractId,
        ocid: Option<Code>,
        payee: PayeeRef,
    },
    ReleaseCommitment {
        movement: Movement,
        contract_id: ContractId,
    },
    Freeze {
        case_id: CaseId,
        legal_basis: LegalBasis,
        scope: FreezeScope,
    },
    Unfreeze {
        case_id: CaseId,
    },
    ReceiveCash {
        lot_id: LotId,
        amount: Amount,
        bank_reference: BankReference,
    },
    ExecutePayment(Box<ExecutePayment>),
    ClearPayments {
        payment_ids: Vec<PaymentId>,
        bank_reference: BankReference,
    },
    ReturnPayment {
        payment_id: PaymentId,
        amount: Amount,
        bank_reference: BankReference,
        reason_code: ReasonCode,
    },
    ReverseEvent {
        original: Sequence,
        operation: u32,
        reason_code: ReasonCode,
    },
    CloseDay {
        fund_id: FundId,
        day: Day,
    },
    ClosePeriod {
        fund_id: FundId,
        period: Period,
    },
    CarryForward {
        lot_id: LotId,
        year: i32,
    },
    RecoverLapsed {
        lot_id: LotId,
        legal_basis: LegalBasis,
    },
    GrantRole {
        principal: ActorId,
        role: Role,
        fund_id: Option<FundId>,
    },
    RevokeRole {
        principal: ActorId,
        role: Role,
        fund_id: Option<FundId>,
    },
    RotateKey {
        principal: ActorId,
        public_key: Option<PublicKey>,
    },
    RotateLogKey {
        key: LogKey,
        change: LogKeyChange,
    },
    Propose {
        content: ProposedContent,
        expires_at: UtcNanos,
    },
    Approve {
        proposal_id: RequestId,
        key: KeyNumber,
        signature: Signature,
    },
    Withdraw {
        proposal_id: RequestId,
    },
    Transaction {
        operations: Vec<Operation>,
    },
}

/// What may stand in a transaction: decisions that can be taken back together. Facts (money received, cleared, returned) and
/// control stand alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation(Order);

impl Operation {
    /// An order that may stand in a transaction; none for the others.
    pub fn new(order: Order) -> Option<Self> {
        match &order {
            Order::IssueBudget { .. }
            | Order::AllocateBudget { .. }
            | Order::AdjustBudget { .. }
            | Order::ApprovePlan { .. }
            | Order::CommitAuthority { .. }
            | Order::ReleaseCommitment { .. }
            | Order::ExecutePayment(_)
            | Order::ReverseEvent { .. } => Some(Self(order)),
            Order::DefineFund(_)
            | Order::SetPolicy { .. }
            | Order::OpenAccount { .. }
            | Order::CloseAccount { .. }
            | Order::ApproveEstimate { .. }
            | Order::DetermineEntitlement { .. }
            | Order::Nontax(_)
            | Order::Persons(_)
            | Order::Housing(_)
            | Order::Oversight(_)
            | Order::Procurement(_)
            | Order::Complaint(_)
            | Order::RecordOpeningBalance { .. }
            | Order::Freeze { .. }
            | Order::Unfreeze { .. }
            | Order::ReceiveCash { .. }
            | Order::ClearPayments { .. }
            | Order::ReturnPayment { .. }
            | Order::CloseDay { .. }
            | Order::ClosePeriod { .. }
            | Order::CarryForward { .. }
            | Order::RecoverLapsed { .. }
            | Order::GrantRole { .. }
            | Order::RevokeRole { .. }
            | Order::RotateKey { .. }
            | Order::RotateLogKey { .. }
            | Order::Propose { .. }
            | Order::Approve { .. }
            | Order::Withdraw { .. }
            | Order::Transaction { .. } => None,
        }
    }

    /// The order.
    pub const fn order(&self) -> &Order {
        &self.0
    }

    /// The order, to be carried out.
    pub fn into_order(self) -> Order {
        self.0
    }
}

impl Order {
    /// Whether it says which lots it draws on, where it draws on any: what is signed leaves no choice to the ledger.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others draw on no lots")]
    pub fn names_its_draws(&self) -> bool {
        match self {
            Self::AllocateBudget { movement, .. }
            | Self::ApprovePlan { movement, .. }
            | Self::CommitAuthority { movement, .. }
            | Self::ReleaseCommitment { movement, .. } => !movement.draws.is_empty(),
            Self::Freeze { scope: FreezeScope::Amount { draws, .. }, .. } => !draws.is_empty(),
            Self::ExecutePayment(payment) => !payment.draws.is_empty(),
            Self::Transaction { operations } => operations.iter().all(|operation| operation.0.names_its_draws()),
            _ => true,
        }
    }

    /// The amount it names, minor units, for control totals: of a transaction the sum of its operations' amounts; 0 where it
    /// names none, or several.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others name no single amount")]
    pub fn amount_minor(&self) -> i64 {
        match self {
            Self::AllocateBudget { movement, .. }
            | Self::ApprovePlan { movement, .. }
            | Self::CommitAuthority { movement, .. }
            | Self::ReleaseCommitment { movement, .. } => movement.amount.minor(),
            Self::IssueBudget { amount, .. }
            | Self::AdjustBudget { amount, .. }
            | Self::ReceiveCash { amount, .. }
            | Self::ApproveEstimate { amount, .. }
            | Self::ReturnPayment { amount, .. }
            | Self::Freeze { scope: FreezeScope::Amount { amount, .. }, .. } => amount.minor(),
            Self::ExecutePayment(payment) => payment.amount.minor(),
            Self::Nontax(order) => order.amount_minor(),
            Self::Persons(order) => order.amount_minor(),
            Self::Housing(order) => order.amount_minor(),
            Self::Procurement(order) => order.amount_minor(),
            Self::Transaction { operations } => {
                operations.iter().fold(0, |sum, operation| money::add(sum, operation.0.amount_minor()))
            }
            _ => 0,
        }
    }

    /// Name of the command, as in the API.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::DefineFund(_) => "define_fund",
            Self::SetPolicy { .. } => "set_policy",
            Self::OpenAccount { .. } => "open_account",
            Self::CloseAccount { .. } => "close_account",
            Self::ApproveEstimate { .. } => "approve_estimate",
            Self::DetermineEntitlement { .. } => "determine_entitlement",
            Self::Nontax(order) => order.name(),
            Self::Persons(order) => order.name(),
            Self::Housing(order) => order.name(),
            Self::Oversight(order) => order.command_name(),
            Self::Procurement(order) => order.command_name(),
            Self::Complaint(order) => order.command_name(),
            Self::RecordOpeningBalance { .. } => "record_opening_balance",
            Self::IssueBudget { .. } => "issue_budget",
            Self::AllocateBudget { .. } => "allocate_budget",
            Self::AdjustBudget { .. } => "adjust_budget",
            Self::ApprovePlan { .. } => "approve_plan",
            Self::CommitAuthority { .. } => "commit_authority",
            Self::ReleaseCommitment { .. } => "release_commitment",
            Self::Freeze { .. } => "freeze",
            Self::Unfreeze { .. } => "unfreeze",
            Self::ReceiveCash { .. } => "receive_cash",
            Self::ExecutePayment(_) => "execute_payment",
            Self::ClearPayments { .. } => "clear_payments",
            Self::ReturnPayment { .. } => "return_payment",
            Self::ReverseEvent { .. } => "reverse_event",
            Self::CloseDay { .. } => "close_day",
            Self::ClosePeriod { .. } => "close_period",
            Self::CarryForward { .. } => "carry_forward",
            Self::RecoverLapsed { .. } => "recover_lapsed",
            Self::GrantRole { .. } => "grant_role",
            Self::RevokeRole { .. } => "revoke_role",
            Self::RotateKey { .. } => "rotate_key",
            Self::RotateLogKey { .. } => "rotate_log_key",
            Self::Propose { .. } => "propose",
            Self::Approve { .. } => "approve",
            Self::Withdraw { .. } => "withdraw",
            Self::Transaction { .. } => "transaction",
        }
    }
}
