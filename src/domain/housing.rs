//! Housing provident fund, 住房公积金: withdrawals, loans, and the surplus (住房公积金管理条例). Contributions and interest are those of
//! every fund with personal accounts.

use super::ids::{
    AccountNumber, BankReference, DocumentDigest, DocumentNumber, FundId, FundNumber, LoanId, PayeeRef, PaymentId,
    ReasonCode,
};
use super::money::Amount;
use super::time::Period;

/// Most minor units of one loan.
pub const LOAN_MAX_MINOR: i64 = 10_000_000_000;
/// Code of the policy's split that distributes the surplus.
pub const SURPLUS_SPLIT: &str = "surplus";

/// What a command about the housing provident fund asks for; the comments in ledger.proto say what each does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the messages in ledger.proto, documented there")]
pub enum HousingOrder {
    Withdraw {
        payment_id: PaymentId,
        fund_id: FundId,
        person: PayeeRef,
        reason_code: ReasonCode,
        amount: Amount,
        evidence_sha256: DocumentDigest,
        property: Option<PayeeRef>,
    },
    IssueLoan {
        loan_id: LoanId,
        fund_id: FundId,
        person: PayeeRef,
        amount: Amount,
        months: u32,
    },
    RepayLoan {
        loan_id: LoanId,
        period: Period,
        amount: Amount,
        bank_reference: BankReference,
    },
    DistributeSurplus {
        fund_id: FundId,
        amount: Amount,
        document_number: DocumentNumber,
    },
}

/// What happened in the housing provident fund.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the messages in event.proto, documented there")]
pub enum HousingEvent {
    Withdrawn {
        payment_id: PaymentId,
        account: AccountNumber,
        reason_code: ReasonCode,
        evidence_sha256: DocumentDigest,
        property: Option<PayeeRef>,
        payee: PayeeRef,
    },
    LoanIssued {
        loan_id: LoanId,
        account: AccountNumber,
        months: u32,
        rate_ppm: u32,
        instalment_minor: i64,
    },
    LoanRepaid {
        loan_id: LoanId,
        period: Period,
        bank_reference: BankReference,
    },
    SurplusDistributed {
        document_number: DocumentNumber,
    },
}

impl HousingOrder {
    /// Name of the command, as in the API.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Withdraw { .. } => "withdraw_housing",
            Self::IssueLoan { .. } => "issue_loan",
            Self::RepayLoan { .. } => "repay_loan",
            Self::DistributeSurplus { .. } => "distribute_surplus",
        }
    }

    /// The amount it names, minor units.
    pub const fn amount_minor(&self) -> i64 {
        match self {
            Self::Withdraw { amount, .. }
            | Self::IssueLoan { amount, .. }
            | Self::RepayLoan { amount, .. }
            | Self::DistributeSurplus { amount, .. } => amount.minor(),
        }
    }
}

impl HousingEvent {
    /// The bank's reference, where it has one.
    pub const fn bank_reference(&self) -> Option<&BankReference> {
        match self {
            Self::LoanRepaid { bank_reference, .. } => Some(bank_reference),
            Self::Withdrawn { .. } | Self::LoanIssued { .. } | Self::SurplusDistributed { .. } => None,
        }
    }

    /// The loan it is about.
    pub const fn loan_id(&self) -> Option<&LoanId> {
        match self {
            Self::LoanIssued { loan_id, .. } | Self::LoanRepaid { loan_id, .. } => Some(loan_id),
            Self::Withdrawn { .. } | Self::SurplusDistributed { .. } => None,
        }
    }
}

/// A housing loan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loan {
    /// Its fund.
    pub fund: FundNumber,
    /// The borrower's personal account.
    pub account: AccountNumber,
    /// Rate, parts per million a year.
    pub rate_ppm: u32,
    /// Principal that is still owed, minor units.
    pub owed_minor: i64,
    /// The month it was issued in.
    pub issued: Period,
    /// The last month repaid.
    pub repaid_through: Option<Period>,
}

impl Loan {
    /// How many months of interest a repayment for a month brings: those since the last one, or since the loan was issued; one at
    /// least. Whoever skips a month owes its interest still.
    pub fn months_due(&self, period: Period) -> i32 {
        period.months_since(self.repaid_through.unwrap_or(self.issued)).max(1)
    }
}
