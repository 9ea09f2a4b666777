//! What a log says of funds, accounts, lots and payments, kept as its events come: names for numbers, and what later events
//! refer to.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::pb::v1::event::Payload;
use crate::pb::v1::{
    AccountKind, Approval, Event, FundFamily, FundScheme, GovernmentLevel, Leg, LotOpened, SignedCommand,
};

/// A fund, as it was defined.
#[derive(Clone, Debug, Default)]
pub struct Fund {
    /// Its name in the API.
    pub fund_id: String,
    /// Its display name.
    pub name: String,
    /// Family.
    pub family: FundFamily,
    /// Scheme within the family.
    pub scheme: FundScheme,
    /// Level of government that runs it.
    pub level: GovernmentLevel,
    /// Administrative division; empty where none was said.
    pub region_code: String,
    /// ISO 4217 code.
    pub currency_code: String,
    /// Decimal places of the minor unit, 0 to 4.
    pub exponent: u32,
    /// The legal basis.
    pub legal_basis: String,
}

/// An account that is nobody's own.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Its name in the API.
    pub account_id: String,
    /// Number of its fund.
    pub fund: i32,
    /// Kind.
    pub kind: AccountKind,
    /// Budget unit; empty for accounts of the fund as a whole.
    pub unit_id: String,
}

/// A lot, as it was opened.
#[derive(Clone, Debug, Default)]
pub struct Lot {
    /// Its name in the API.
    pub lot_id: String,
    /// Number of its fund.
    pub fund: i32,
    /// Who issued it.
    pub issuer_id: String,
    /// Authority document number, 指标文号.
    pub document_number: String,
    /// Event that opened it.
    pub sequence: i64,
    /// Day it was opened on, in days since 1970-01-01.
    pub day: i32,
    /// Last day it may be spent on; 0 means none.
    pub expires_day: i32,
    /// The lot of the upper level it came from; empty where there is none.
    pub parent_lot_id: String,
}

/// What a payment said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Terms {
    /// Number of its fund.
    pub fund: i32,
    /// Unit whose authority it used; empty where it is the fund's own.
    pub unit_id: String,
    /// Purpose code.
    pub purpose: String,
    /// Functional classification code; may be empty.
    pub function_code: String,
    /// Economic classification code; may be empty.
    pub economic_code: String,
    /// Project; may be empty.
    pub project_id: String,
    /// Contract; may be empty.
    pub contract_id: String,
    /// Item, of a payout to a person; empty otherwise.
    pub item_code: String,
    /// Month of a payout, as year * 100 + month; 0 of others.
    pub period: i32,
}

/// Accounts of persons are many: of each only what sums need is kept.
#[derive(Clone, Debug)]
enum Slot {
    Unknown,
    Person { fund: i32, kind: AccountKind },
    Named(Box<Account>),
}

/// A payment by where it stands, with the number of its terms: 24 bytes each, whatever they say.
#[derive(Clone, Copy, Debug)]
struct Paid {
    sequence: i64,
    payment: u64,
    terms: u32,
}

/// Names and terms, as far as the log was read.
#[derive(Debug, Default)]
pub struct Register {
    origin: String,
    funds: BTreeMap<i32, Fund>,
    accounts: Vec<Slot>,
    lots: BTreeMap<i32, Lot>,
    terms: Vec<Terms>,
    by_terms: BTreeMap<Terms, u32>,
    /// By sequence, since that is the order in which they come.
    payments: Vec<Paid>,
}

/// One thing that happened: an event, or an operation of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Sequence of the event.
    pub sequence: i64,
    /// Hash of its entry.
    pub entry_hash: [u8; 32],
    /// The client's key.
    pub request_id: &'a str,
    /// Business date, in days since 1970-01-01.
    pub day: i32,
    /// When it was booked, UTC, nanoseconds since 1970-01-01.
    pub booked_at_ns: i64,
    /// Who made it.
    pub actor: &'a str,
    /// Who approved it.
    pub approvals: &'a [Approval],
    /// What the approvals signed, where they are signatures.
    pub signed: Option<&'a SignedCommand>,
    /// Place in a transaction, from 1; 0 where the event is no transaction.
    pub operation: i32,
    /// What happened.
    pub payload: &'a Payload,
    /// What moved.
    pub legs: &'a [Leg],
}

impl Step<'_> {
    /// What was debited, summed over all legs.
    pub fn debits(&self) -> i128 {
        self.legs.iter().map(|leg| i128::from(leg.amount_minor.max(0))).sum()
    }
}

/// Gives what happened in an event, one thing after another. A refusal is nothing that happened.
pub fn steps(sequence: i64, entry_hash: [u8; 32], event: &Event, mut each: impl FnMut(&Step<'_>)) {
    match &event.payload {
        None | Some(Payload::CommandRefused(_)) => {}
        Some(Payload::TransactionPosted(transaction)) => {
            let mut rest = event.legs.as_slice();
            for (number, operation) in (1..).zip(&transaction.operations) {
                let count = usize::try_from(operation.leg_count).unwrap_or_default().min(rest.len());
                let (legs, after) = rest.split_at(count);
                rest = after;
                if let Some(payload) = operation.payload.clone() {
                    each(&step(sequence, entry_hash, event, number, &Payload::from(payload), legs));
                }
            }
        }
        Some(payload) => each(&step(sequence, entry_hash, event, 0, payload, &event.legs)),
    }
}

/// Whether accounts of a kind are money at a bank or the treasury.
pub const fn is_cash(kind: AccountKind) -> bool {
    matches!(
        kind,
        AccountKind::Treasury
            | AccountKind::FiscalSpecial
            | AccountKind::Income
            | AccountKind::Payout
            | AccountKind::HousingDeposit
            | AccountKind::HousingSurplusDeposit
    )
}

fn step<'a>(
    sequence: i64,
    entry_hash: [u8; 32],
    event: &'a Event,
    operation: i32,
    payload: &'a Payload,
    legs: &'a [Leg],
) -> Step<'a> {
    let Event { request_id, business_day: day, booked_at_ns, actor, approvals, .. } = event;
    let signed = event.signed.as_ref();
    Step {
        sequence,
        entry_hash,
        request_id,
        day: *day,
        booked_at_ns: *booked_at_ns,
        actor,
        approvals,
        signed,
        operation,
        payload,
        legs,
    }
}

/// A short stand-in for the name of a payment, where millions are remembered.
pub(super) fn fingerprint(payment_id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    payment_id.hash(&mut hasher);
    hasher.finish()
}

impl Register {
    /// Takes what happened. To be called before anything is asked about it.
    pub fn take(&mut self, step: &Step<'_>) {
        // Whatever has no name to be kept says nothing here.
        #[expect(clippy::wildcard_enum_match_arm, reason = "few kinds of events name something")]
        match step.payload {
            Payload::LedgerCreated(created) => self.origin.clone_from(&created.origin),
            Payload::FundDefined(fund) => {
                let profile = fund.profile.clone().unwrap_or_default();
                let known = Fund {
                    fund_id: fund.fund_id.clone(),
                    name: fund.name.clone(),
                    family: fund.family(),
                    scheme: fund.scheme(),
                    level: profile.level(),
                    region_code: profile.region_code,
                    currency_code: fund.currency_code.clone(),
                    exponent: u32::try_from(fund.currency_exponent).unwrap_or_default(),
                    legal_basis: fund.legal_basis.clone(),
                };
                self.funds.insert(fund.fund, known);
            }
            Payload::AccountOpened(opened) => {
                let slot = if opened.person.is_empty() {
                    Slot::Named(Box::new(Account {
                        account_id: opened.account_id.clone(),
                        fund: opened.fund,
                        kind: opened.kind(),
                        unit_id: opened.unit_id.clone(),
                    }))
                } else {
                    Slot::Person { fund: opened.fund, kind: opened.kind() }
                };
                // Numbers are given one after another, so that no hostile one asks for much room.
                if usize::try_from(opened.account).is_ok_and(|number| number == self.accounts.len().saturating_add(1)) {
                    self.accounts.push(slot);
                }
            }
            Payload::BudgetIssued(issued) => self.open(step, issued.lot.as_ref()),
            Payload::OpeningBalance(opening) => {
                for lot in &opening.lots {
                    self.open(step, Some(lot));
                }
            }
            Payload::PaymentExecuted(payment) => {
                let used = step.legs.iter().find(|leg| self.kind(leg.account) == AccountKind::AuthorityUsed);
                let drawn =
                    step.legs.iter().find(|leg| leg.amount_minor > 0 && !self.unit(leg.account).is_empty()).or(used);
                let payout = payment.payout.clone().unwrap_or_default();
                let terms = Terms {
                    fund: used.or(drawn).map_or(0, |leg| self.fund_of(leg.account)),
                    unit_id: drawn.map_or("", |leg| self.unit(leg.account)).to_owned(),
                    purpose: payment.purpose.clone(),
                    function_code: payment.function_code.clone(),
                    economic_code: payment.economic_code.clone(),
                    project_id: payment.project_id.clone(),
                    contract_id: payment.contract_id.clone(),
                    item_code: payout.item_code,
                    period: payout.period,
                };
                self.pay(step.sequence, &payment.payment_id, terms);
            }
            _ => {}
        }
    }

    fn open(&mut self, step: &Step<'_>, lot: Option<&LotOpened>) {
        let Some(lot) = lot else { return };
        let known = Lot {
            lot_id: lot.lot_id.clone(),
            fund: lot.fund,
            issuer_id: lot.issuer_id.clone(),
            document_number: lot.document_number.clone(),
            sequence: step.sequence,
            day: step.day,
            expires_day: lot.expires_day,
            parent_lot_id: lot.parent_lot_id.clone(),
        };
        self.lots.insert(lot.lot, known);
    }

    fn pay(&mut self, sequence: i64, payment_id: &str, terms: Terms) {
        let number = self.by_terms.get(&terms).copied().unwrap_or_else(|| {
            let number = u32::try_from(self.terms.len()).unwrap_or(u32::MAX);
            self.terms.push(terms.clone());
            self.by_terms.insert(terms, number);
            number
        });
        self.payments.push(Paid { sequence, payment: fingerprint(payment_id), terms: number });
    }

    /// The ledger's name, as its first event says it.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Forgets the payments so far, for those to whom only the latest matters: ten million would take 240 MB.
    pub fn forget_payments(&mut self) {
        self.payments.clear();
    }

    /// The terms of a payment that was made in an event; `None` where there is none.
    pub fn payment(&self, sequence: i64, payment_id: &str) -> Option<&Terms> {
        let first = self.payments.partition_point(|paid| paid.sequence < sequence);
        let mut of_event = self.payments.iter().skip(first).take_while(|paid| paid.sequence == sequence);
        let wanted = fingerprint(payment_id);
        let found = of_event.find(|paid| paid.payment == wanted)?;
        self.terms.get(usize::try_from(found.terms).ok()?)
    }

    /// The terms of the payment that something is about: one that is made, returned or reversed.
    pub fn terms(&self, step: &Step<'_>) -> Option<&Terms> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "three kinds of events are about a payment")]
        match step.payload {
            Payload::PaymentExecuted(payment) => self.payment(step.sequence, &payment.payment_id),
            Payload::PaymentReturned(returned) => self.payment(returned.original_sequence, &returned.payment_id),
            Payload::Reversed(reversed) => self.payment(reversed.original_sequence, &reversed.payment_id),
            _ => None,
        }
    }

    fn slot(&self, number: i32) -> &Slot {
        let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        at.and_then(|at| self.accounts.get(at)).unwrap_or(&Slot::Unknown)
    }

    /// An account that is nobody's own.
    pub fn account(&self, number: i32) -> Option<&Account> {
        match self.slot(number) {
            Slot::Named(account) => Some(account),
            Slot::Person { .. } | Slot::Unknown => None,
        }
    }

    /// The kind of an account; unspecified of one that was not opened.
    pub fn kind(&self, account: i32) -> AccountKind {
        match self.slot(account) {
            Slot::Named(account) => account.kind,
            Slot::Person { kind, .. } => *kind,
            Slot::Unknown => AccountKind::Unspecified,
        }
    }

    /// The number of an account's fund; 0 of an account that was not opened.
    pub fn fund_of(&self, account: i32) -> i32 {
        match self.slot(account) {
            Slot::Named(account) => account.fund,
            Slot::Person { fund, .. } => *fund,
            Slot::Unknown => 0,
        }
    }

    /// The unit of an account; empty where it has none.
    pub fn unit(&self, account: i32) -> &str {
        self.account(account).map_or("", |account| account.unit_id.as_str())
    }

    /// A fund by its number.
    pub fn fund(&self, number: i32) -> Option<&Fund> {
        self.funds.get(&number)
    }

    /// A fund by its name in the API, with its number.
    pub fn fund_named(&self, fund_id: &str) -> Option<(i32, &Fund)> {
        self.funds.iter().find(|(_, fund)| fund.fund_id == fund_id).map(|(number, fund)| (*number, fund))
    }

    /// The funds, by number.
    pub fn funds(&self) -> impl Iterator<Item = (i32, &Fund)> {
        self.funds.iter().map(|(number, fund)| (*number, fund))
    }

    /// The accounts that are nobody's own, by number.
    pub fn accounts(&self) -> impl Iterator<Item = (i32, &Account)> {
        (1..).zip(&self.accounts).filter_map(|(number, slot)| match slot {
            Slot::Named(account) => Some((number, account.as_ref())),
            Slot::Person { .. } | Slot::Unknown => None,
        })
    }

    /// A lot by its number.
    pub fn lot(&self, number: i32) -> Option<&Lot> {
        self.lots.get(&number)
    }

    /// The lots, by number.
    pub fn lots(&self) -> impl Iterator<Item = (i32, &Lot)> {
        self.lots.iter().map(|(number, lot)| (*number, lot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_takes_no_more_than_is_said() {
        // docs/disclosure.md, docs/exports.md
        assert_eq!(size_of::<Paid>(), 24);
    }
}
