//! What a policy sets besides approvals: rates, shares, and what may be paid. All of it data: none of it is in the program.

use super::fund::numbered;
use super::ids::{Code, ReasonCode};

numbered! {
    /// Kind of a rate.
    RateKind {
        /// Employer's contribution, of the base.
        EmployerContribution = 1, "EMPLOYER_CONTRIBUTION";
        /// Person's contribution to their own account, of the base.
        PersonalContribution = 2, "PERSONAL_CONTRIBUTION";
        /// Person's contribution to the pool, of the base.
        PersonalPooledContribution = 3, "PERSONAL_POOLED_CONTRIBUTION";
        /// Late fee, a day, of what is late (社会保险法§86).
        LateFee = 4, "LATE_FEE";
        /// What the pool gives along when a relation is transferred, of the contribution wages.
        PoolTransfer = 5, "POOL_TRANSFER";
        /// Interest on personal accounts, a year.
        PersonalInterest = 6, "PERSONAL_INTEREST";
        /// Interest on housing loans, a year.
        LoanInterest = 7, "LOAN_INTEREST";
    }
}

numbered! {
    /// How interest on personal accounts is computed.
    InterestMethod {
        /// Of the balance at the beginning of the year.
        OpeningBalance = 1, "OPENING_BALANCE";
        /// Of the sum of each day's closing balance, 积数, divided by 360.
        DayProduct = 2, "DAY_PRODUCT";
    }
}

/// What a policy sets besides approvals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyTerms {
    /// Rates in parts per million, ascending by kind, each kind once.
    pub rates: Vec<(RateKind, u32)>,
    /// Splits, ascending by code, each code once.
    pub splits: Vec<Split>,
    /// What may be paid to persons, ascending by code, each code once.
    pub items: Vec<Item>,
    /// Reasons for withdrawal from the housing provident fund (住房公积金管理条例§24), ascending.
    pub withdrawal_reasons: Vec<ReasonCode>,
    /// How interest on personal accounts is computed; `None` means that none is.
    pub interest_method: Option<InterestMethod>,
    /// Whether the income account must be empty when a month closes (收入户月末无余额).
    pub empty_income_at_month_end: bool,
}

/// How an amount is split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// What is split.
    pub code: Code,
    /// Recipients and weights, from 1, in order.
    pub shares: Vec<(Code, u32)>,
}

/// Something that may be paid to persons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Item.
    pub code: Code,
    /// Whether the pool may pay it.
    pub from_pool: bool,
    /// Whether a personal account may pay it.
    pub from_personal: bool,
    /// Most for one person and month, minor units; 0 means no limit.
    pub max_minor: i64,
}

impl PolicyTerms {
    /// A rate, in parts per million.
    pub fn rate_ppm(&self, kind: RateKind) -> Option<u32> {
        self.rates.iter().find(|(of, _)| *of == kind).map(|(_, ppm)| *ppm)
    }

    /// The split of a code.
    pub fn split(&self, code: &str) -> Option<&Split> {
        self.splits.iter().find(|split| split.code.as_str() == code)
    }

    /// An item.
    pub fn item(&self, code: &Code) -> Option<&Item> {
        self.items.iter().find(|item| item.code == *code)
    }

    /// Whether it sets nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
