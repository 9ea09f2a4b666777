//! What the log says of somebody who was paid, or paid back: the answer to a receipt code, without anybody's name or pseudonym.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::frame::Hash;
use super::pipeline::examine_entries;
use super::receipt_code::ReceiptCode;
use super::{Evidence, Options, Report};
use crate::pb::v1::event::Payload;
use crate::pb::v1::{AccountKind as Kind, Event, Leg, LotOpened};

/// What kind of payout an event is. Each has one person, or one firm, at its other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayoutKind {
    /// A payment, to a person or to a firm: the log does not always tell which.
    Payment,
    /// A benefit.
    Benefit,
    /// A withdrawal from the housing provident fund.
    Withdrawal,
    /// A housing loan, paid out.
    Loan,
    /// A refund of non-tax revenue.
    Refund,
    /// Something that came back from who was paid.
    Recovery,
    /// A repayment of a housing loan.
    Repayment,
}

/// A lot that was drawn on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrawnLot {
    /// Its name; empty where the evidence does not have it.
    pub lot_id: String,
    /// Who issued it.
    pub issuer_id: String,
    /// By which document.
    pub document_number: String,
    /// What was drawn of it, minor units.
    pub amount_minor: i64,
}

/// One payout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    /// What it is.
    pub kind: PayoutKind,
    /// The fund, and its name; empty where the evidence does not have them.
    pub fund: (String, String),
    /// Currency and its decimal places; `None` where the evidence does not have them.
    pub currency: Option<(String, i32)>,
    /// The agency whose money it was; empty where it was of none, or the evidence does not have it.
    pub unit_id: String,
    /// The item, purpose or reason that it was paid for.
    pub item: String,
    /// For which month, as year * 100 + month; 0 for none.
    pub period: i32,
    /// How much, minor units.
    pub amount_minor: i64,
    /// The lots it was drawn from.
    pub lots: Vec<DrawnLot>,
}

/// What became of a payout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// Witnesses had seen it, and it was released to the bank.
    Released,
    /// It was cleared with the treasury.
    Cleared,
    /// It came back from the bank.
    Returned,
    /// It was claimed back from who was paid.
    Recovered,
    /// It was reversed before it was cleared.
    Reversed,
    /// It was paid again under another voucher.
    Reissued,
    /// Somebody complained about it.
    Complained,
}

/// An event after a payout that is about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Afterwards {
    /// The event.
    pub sequence: i64,
    /// Its business date, in days since 1970-01-01.
    pub business_day: i32,
    /// What it did.
    pub what: Later,
    /// How much it was about, minor units; 0 where it is about all of it, or about no amount.
    pub amount_minor: i64,
}

/// What an event says of the payouts in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The event.
    pub sequence: i64,
    /// The hash of its entry.
    pub entry_hash: Hash,
    /// Its business date, in days since 1970-01-01.
    pub business_day: i32,
    /// How many persons approved it.
    pub approvals: usize,
    /// The payouts: one, but for a transaction of several.
    pub payouts: Vec<Payout>,
    /// What became of them, in the evidence.
    pub afterwards: Vec<Afterwards>,
}

/// The answer to a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The evidence holds what the code was made for.
    Proven(Box<Account>),
    /// The evidence is of another ledger.
    OtherLedger,
    /// The evidence has no entry of this sequence.
    NotThere,
    /// The entry of this sequence is no payout.
    NoPayout,
    /// The entry of this sequence is not the one that the code was made for.
    Differs,
}

/// Answers a code from a whole log, and checks its chain and its checkpoints on the way.
pub fn look_up(evidence: Evidence<'_>, options: &Options, code: &ReceiptCode) -> (Answer, Report) {
    let mut reader = Reader::new(code.sequence);
    let report = examine_entries(evidence, options, |sequence, hash, event| reader.take(sequence, hash, &event));
    (reader.answer(code), report)
}

/// Answers a code from the bytes of one entry: names that other events give are missing, and what came later.
pub fn look_at(origin: &str, sequence: i64, entry: &[u8], entry_hash: Hash, code: &ReceiptCode) -> Answer {
    let mut reader = Reader::new(code.sequence);
    reader.origin = Some(origin.to_owned());
    let event = entry.get(32..).and_then(|event| Event::decode(event).ok());
    if let Some(event) = event.filter(|_| sequence == code.sequence) {
        reader.take(sequence, entry_hash, &event);
    }
    reader.answer(code)
}

#[derive(Default)]
struct Reader {
    wanted: i64,
    origin: Option<String>,
    funds: BTreeMap<i32, Fund>,
    accounts: BTreeMap<i32, (Kind, i32, String)>,
    lots: BTreeMap<i32, (String, String, String)>,
    found: Option<Account>,
    vouchers: BTreeSet<String>,
}

struct Fund {
    id: String,
    name: String,
    currency: (String, i32),
}

impl Reader {
    fn new(wanted: i64) -> Self {
        Self { wanted, ..Self::default() }
    }

    fn answer(self, code: &ReceiptCode) -> Answer {
        if self.origin.is_none_or(|origin| !code.is_of(&origin)) {
            return Answer::OtherLedger;
        }
        match self.found {
            None => Answer::NotThere,
            Some(found) if !code.is_for(&found.entry_hash) => Answer::Differs,
            Some(found) if found.payouts.is_empty() => Answer::NoPayout,
            Some(found) => Answer::Proven(Box::new(found)),
        }
    }

    fn take(&mut self, sequence: i64, entry_hash: Hash, event: &Event) {
        if let Some(Payload::LedgerCreated(created)) = &event.payload {
            self.origin = Some(created.origin.clone());
        }
        let steps = steps(event);
        if sequence == self.wanted {
            let mut found = Account {
                sequence,
                entry_hash,
                business_day: event.business_day,
                approvals: event.approvals.len(),
                payouts: Vec::new(),
                afterwards: Vec::new(),
            };
            for (payload, legs) in &steps {
                found.payouts.extend(self.payout(payload, legs));
                self.vouchers.extend(voucher(payload).map(str::to_owned));
            }
            self.found = Some(found);
            return;
        }
        for (payload, legs) in &steps {
            // What the accounts of a payout are called was said before it.
            if sequence < self.wanted {
                self.open(payload);
            } else if let Some((what, amount_minor)) = self.later(payload, legs)
                && let Some(found) = &mut self.found
            {
                let business_day = event.business_day;
                found.afterwards.push(Afterwards { sequence, business_day, what, amount_minor });
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other types name nothing")]
    fn open(&mut self, payload: &Payload) {
        match payload {
            Payload::FundDefined(fund) => {
                let currency = (fund.currency_code.clone(), fund.currency_exponent);
                let known = Fund { id: fund.fund_id.clone(), name: fund.name.clone(), currency };
                self.funds.insert(fund.fund, known);
            }
            Payload::AccountOpened(opened) => {
                self.accounts.insert(opened.account, (opened.kind(), opened.fund, opened.unit_id.clone()));
            }
            Payload::BudgetIssued(issued) => issued.lot.iter().for_each(|lot| self.open_lot(lot)),
            Payload::OpeningBalance(opening) => opening.lots.iter().for_each(|lot| self.open_lot(lot)),
            _ => {}
        }
    }

    fn open_lot(&mut self, lot: &LotOpened) {
        let known = (lot.lot_id.clone(), lot.issuer_id.clone(), lot.document_number.clone());
        self.lots.insert(lot.lot, known);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other types pay nobody")]
    fn payout(&self, payload: &Payload, legs: &[Leg]) -> Option<Payout> {
        let (kind, item, period) = match payload {
            Payload::PaymentExecuted(paid) => {
                let payout = paid.payout.as_ref();
                let item = payout.map_or(&paid.purpose, |payout| &payout.item_code);
                (PayoutKind::Payment, item.clone(), payout.map_or(0, |payout| payout.period))
            }
            Payload::BenefitPaid(paid) => (PayoutKind::Benefit, paid.item_code.clone(), paid.period),
            Payload::HousingWithdrawn(drawn) => (PayoutKind::Withdrawal, drawn.reason_code.clone(), 0),
            Payload::LoanIssued(_) => (PayoutKind::Loan, String::new(), 0),
            Payload::NontaxRefunded(back) => (PayoutKind::Refund, back.reason_code.clone(), 0),
            Payload::BenefitRecovered(back) => (PayoutKind::Recovery, back.reason_code.clone(), 0),
            Payload::LoanRepaid(repaid) => (PayoutKind::Repayment, String::new(), repaid.period),
            _ => return None,
        };
        let account = |leg: &Leg| self.accounts.get(&leg.account);
        let used = legs.iter().find(|leg| self.kind(leg) == Some(Kind::AuthorityUsed));
        let fund = used.or(legs.first()).and_then(account).and_then(|(_, fund, _)| self.funds.get(fund));
        Some(Payout {
            kind,
            fund: fund.map(|fund| (fund.id.clone(), fund.name.clone())).unwrap_or_default(),
            currency: fund.map(|fund| fund.currency.clone()),
            unit_id: used.and_then(account).map(|(.., unit_id)| unit_id.clone()).unwrap_or_default(),
            item,
            period,
            amount_minor: self.moved(payload, legs),
            lots: if kind == PayoutKind::Payment { self.drawn(legs) } else { Vec::new() },
        })
    }

    /// What an event moves at the bank. What a payment, or its way back, moves is also what it adds to the authority that was
    /// used; where the kinds of accounts are unknown, a payment's debits are half authority and half cash.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other types move nothing but cash")]
    fn moved(&self, payload: &Payload, legs: &[Leg]) -> i64 {
        let all = legs.iter().fold(0_i64, |sum, leg| sum.saturating_add(leg.amount_minor.max(0)));
        match payload {
            Payload::PaymentExecuted(_) | Payload::PaymentReturned(_) | Payload::Reversed(_) => {
                let used = legs.iter().filter(|leg| self.kind(leg) == Some(Kind::AuthorityUsed));
                let used = used.map(|leg| leg.amount_minor).reduce(i64::saturating_add);
                used.map_or(all / 2, i64::saturating_abs)
            }
            _ => all,
        }
    }

    fn kind(&self, leg: &Leg) -> Option<Kind> {
        self.accounts.get(&leg.account).map(|(kind, ..)| *kind)
    }

    /// Lots by what was drawn of them, in the order of the legs: half of the debits on each is authority, the other half cash.
    fn drawn(&self, legs: &[Leg]) -> Vec<DrawnLot> {
        let mut drawn: Vec<(i32, i64)> = Vec::new();
        for leg in legs.iter().filter(|leg| leg.lot != 0 && leg.amount_minor > 0) {
            match drawn.iter_mut().find(|(lot, _)| *lot == leg.lot) {
                Some((_, sum)) => *sum = sum.saturating_add(leg.amount_minor),
                None => drawn.push((leg.lot, leg.amount_minor)),
            }
        }
        let named = |(lot, sum): (i32, i64)| {
            let (lot_id, issuer_id, document_number) = self.lots.get(&lot).cloned().unwrap_or_default();
            DrawnLot { lot_id, issuer_id, document_number, amount_minor: sum / 2 }
        };
        drawn.into_iter().map(named).collect()
    }

    /// What a later event does to the payout that was found.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other types are about no payout")]
    fn later(&self, payload: &Payload, legs: &[Leg]) -> Option<(Later, i64)> {
        use crate::pb::v1::complaint_filed::About;
        let is_it = |voucher: &str| self.vouchers.contains(voucher);
        let moved = || self.moved(payload, legs);
        match payload {
            Payload::PaymentReleased(released) => {
                let is_released = released.payments.iter().any(|payment| payment.sequence == self.wanted);
                is_released.then_some((Later::Released, 0))
            }
            Payload::Cleared(cleared) => {
                cleared.payment_ids.iter().any(|voucher| is_it(voucher)).then_some((Later::Cleared, 0))
            }
            Payload::PaymentReturned(back) if is_it(&back.payment_id) => Some((Later::Returned, moved())),
            Payload::BenefitRecovered(back) if is_it(&back.payment_id) => Some((Later::Recovered, moved())),
            Payload::Reversed(reversed) if is_it(&reversed.payment_id) => Some((Later::Reversed, moved())),
            Payload::PaymentExecuted(paid) => {
                let payout = paid.payout.as_ref()?;
                is_it(&payout.reissue_of).then(|| (Later::Reissued, moved()))
            }
            Payload::ComplaintFiled(filed) => {
                let is_about = match filed.about.as_ref()? {
                    About::Lot(_) => false,
                    About::PaymentId(voucher) => is_it(voucher),
                    About::EventSequence(sequence) => *sequence == self.wanted,
                };
                is_about.then_some((Later::Complained, 0))
            }
            _ => None,
        }
    }
}

/// The voucher number of a payout.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other types have none of their own")]
fn voucher(payload: &Payload) -> Option<&str> {
    match payload {
        Payload::PaymentExecuted(paid) => Some(&paid.payment_id),
        Payload::BenefitPaid(paid) => Some(&paid.payment_id),
        Payload::HousingWithdrawn(drawn) => Some(&drawn.payment_id),
        _ => None,
    }
}

/// What happened, one after another: the operations of a transaction, or the event itself.
fn steps(event: &Event) -> Vec<(Cow<'_, Payload>, &[Leg])> {
    let Some(Payload::TransactionPosted(transaction)) = &event.payload else {
        return event.payload.iter().map(|payload| (Cow::Borrowed(payload), event.legs.as_slice())).collect();
    };
    let mut rest = event.legs.as_slice();
    let mut steps = Vec::new();
    for posted in &transaction.operations {
        let count = usize::try_from(posted.leg_count).unwrap_or_default();
        let (legs, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        rest = after;
        steps.extend(posted.payload.clone().map(|payload| (Cow::Owned(Payload::from(payload)), legs)));
    }
    steps
}
