//! Non-tax revenue, 非税收入: notice, collection, split between levels, refund to the payer only (浙江省政府非税收入管理条例).

use super::account::AccountKind;
use super::ids::{AccountNumber, BankReference, Code, FundId, FundNumber, NoticeId, PayeeRef, ReasonCode};
use super::money::{self, Amount};
use super::time::Day;

/// What a command about non-tax revenue asks for; the comments in ledger.proto say what each does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the messages in ledger.proto, documented there")]
pub enum NontaxOrder {
    Notice {
        notice_id: NoticeId,
        fund_id: FundId,
        payer: PayeeRef,
        item_code: Code,
        amount: Amount,
        due_on: Option<Day>,
    },
    Collect {
        notice_id: NoticeId,
        amount: Amount,
        bank_reference: BankReference,
        receipt_number: Code,
    },
    Split {
        notice_id: NoticeId,
    },
    Refund {
        notice_id: NoticeId,
        amount: Amount,
        payee: PayeeRef,
        bank_reference: BankReference,
        reason_code: ReasonCode,
    },
}

/// What happened to non-tax revenue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the messages in event.proto, documented there")]
pub enum NontaxEvent {
    Noticed {
        notice_id: NoticeId,
        fund: FundNumber,
        payer: PayeeRef,
        item_code: Code,
        amount: Amount,
        due_on: Option<Day>,
    },
    Collected {
        notice_id: NoticeId,
        bank_reference: BankReference,
        receipt_number: Code,
    },
    Split {
        notice_id: NoticeId,
    },
    Refunded {
        notice_id: NoticeId,
        bank_reference: BankReference,
        reason_code: ReasonCode,
    },
}

impl NontaxOrder {
    /// Name of the command, as in the API.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Notice { .. } => "notice_nontax",
            Self::Collect { .. } => "collect_nontax",
            Self::Split { .. } => "split_nontax",
            Self::Refund { .. } => "refund_nontax",
        }
    }

    /// The amount it names, minor units; 0 where it names none.
    pub const fn amount_minor(&self) -> i64 {
        match self {
            Self::Notice { amount, .. } | Self::Collect { amount, .. } | Self::Refund { amount, .. } => amount.minor(),
            Self::Split { .. } => 0,
        }
    }
}

impl NontaxEvent {
    /// The notice it is about.
    pub const fn notice_id(&self) -> &NoticeId {
        match self {
            Self::Noticed { notice_id, .. }
            | Self::Collected { notice_id, .. }
            | Self::Split { notice_id }
            | Self::Refunded { notice_id, .. } => notice_id,
        }
    }

    /// The bank's reference, where it has one.
    pub const fn bank_reference(&self) -> Option<&BankReference> {
        match self {
            Self::Collected { bank_reference, .. } | Self::Refunded { bank_reference, .. } => Some(bank_reference),
            Self::Noticed { .. } | Self::Split { .. } => None,
        }
    }
}

/// A notice, and what became of what was paid on it: where each fen of it stands, by the legs alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its fund.
    pub fund: FundNumber,
    /// Who has to pay.
    pub payer: PayeeRef,
    /// Revenue item.
    pub item_code: Code,
    /// What is due, minor units.
    pub due_minor: i64,
    /// What was paid and is not split.
    pub pending_minor: i64,
    /// What was split, less refunds, by account, in the order of the first split.
    pub shares: Vec<(AccountNumber, i64)>,
}

impl Notice {
    /// What was paid and not refunded.
    pub fn collected_minor(&self) -> i64 {
        self.shares.iter().fold(self.pending_minor, |sum, (_, held)| money::add(sum, *held))
    }

    /// Takes a leg on one of its claims into account.
    pub(super) fn change(&mut self, account: AccountNumber, kind: AccountKind, change_minor: i64) {
        if kind == AccountKind::NontaxPending {
            self.pending_minor = money::add(self.pending_minor, change_minor);
            return;
        }
        match self.shares.iter_mut().find(|(of, _)| *of == account) {
            Some((_, held)) => *held = money::add(*held, change_minor),
            None => self.shares.push((account, change_minor)),
        }
    }
}
