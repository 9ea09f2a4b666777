//! What is remembered of the events: names, and what the rules ask about, as it stands at the end of the log.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "rules ask about some types of events, and about some kinds of accounts"
)]
#![expect(clippy::struct_field_names, reason = "ids are named as in the log")]

use std::collections::{BTreeMap, BTreeSet};

use super::Stage;
use crate::audit::calendar::year_month;
use crate::pb::v1::event::Payload;
use crate::pb::v1::{AccountKind as Kind, EligibilityFact, Event, IncomeSource, Leg};

pub(super) type Party = [u8; 16];

/// Kinds of the authority book that a unit's indicator lies in.
const OF_UNITS: &[Kind] = &[Kind::AuthorityUnit, Kind::AuthorityPlan, Kind::AuthorityCommitted, Kind::AuthorityFrozen];

#[derive(Default)]
pub(super) struct Fund {
    pub(super) fund_id: String,
    pub(super) currency_code: String,
    pub(super) currency_exponent: i32,
}

#[derive(Default)]
pub(super) struct Account {
    pub(super) account_id: String,
    pub(super) fund: i32,
    pub(super) kind: Kind,
    pub(super) unit_id: String,
    pub(super) person: Option<Party>,
    pub(super) unit_party: Option<Party>,
}

/// An amount on a day, with the event that moved it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub(super) sequence: i64,
    pub(super) day: i32,
    pub(super) amount: i64,
}

#[derive(Default)]
pub(super) struct Lot {
    pub(super) lot_id: String,
    pub(super) fund: i32,
    pub(super) issued: i64,
    pub(super) used: i64,
    pub(super) recalled: i64,
    /// The last event that moved it, and its day.
    pub(super) last: (i32, i64),
    /// What was passed on, by the account that got it.
    pub(super) allocated: Vec<(i32, Moved)>,
}

/// Money that waits to go on: what is held, and how it came.
#[derive(Default)]
pub(super) struct Held {
    pub(super) balance: i64,
    pub(super) arrivals: Vec<Moved>,
}

impl Held {
    fn add(&mut self, moved: Moved) {
        self.balance = self.balance.saturating_add(moved.amount);
        if moved.amount > 0 {
            self.arrivals.push(moved);
        }
    }
}

pub(super) struct Payment {
    pub(super) at: Moved,
    pub(super) returned: i64,
    pub(super) fund: i32,
    pub(super) unit_id: String,
    pub(super) account: i32,
    pub(super) payee: Party,
    pub(super) payment_id: String,
    pub(super) economic_code: String,
    pub(super) has_contract: bool,
    pub(super) is_advance: bool,
    /// Month of a payout to a person, as yyyymm.
    pub(super) period: Option<i32>,
}

impl Payment {
    pub(super) fn left(&self) -> i64 {
        self.at.amount.saturating_sub(self.returned)
    }
}

pub(super) struct Commitment {
    pub(super) at: Moved,
    pub(super) fund: i32,
    pub(super) unit_id: String,
    pub(super) payee: Party,
    pub(super) contract_id: String,
}

/// A benefit: to whom, and for which month.
pub(super) struct Benefit {
    pub(super) at: Moved,
    pub(super) recovered: i64,
    pub(super) fund: i32,
    pub(super) person: Party,
    pub(super) period: i32,
}

#[derive(Default)]
pub(super) struct Notice {
    pub(super) fund: i32,
    pub(super) payer: Option<Party>,
    pub(super) amount: i64,
    pub(super) due_day: i32,
    pub(super) collected: i64,
    pub(super) pending: i64,
    pub(super) events: Vec<(i64, i32)>,
    pub(super) collected_on: i32,
}

pub(super) struct Known {
    pub(super) sequence: i64,
    pub(super) day: i32,
    pub(super) effective_day: i32,
    pub(super) fund: i32,
    pub(super) is_restored: bool,
}

/// Several events under one heading.
#[derive(Default)]
pub(super) struct Heap {
    pub(super) events: Vec<(i64, i32)>,
    pub(super) count: i64,
    pub(super) amount: i128,
    pub(super) parties: BTreeSet<Party>,
}

impl Heap {
    fn add(&mut self, sequence: i64, day: i32, amount: i64) {
        if self.events.len() < super::SEQUENCES_MAX {
            self.events.push((sequence, day));
        }
        self.count = self.count.saturating_add(1);
        self.amount = self.amount.saturating_add(amount.into());
    }
}

pub(super) struct Compared {
    pub(super) sequence: i64,
    pub(super) day: i32,
    pub(super) last_day: i32,
    pub(super) difference: i64,
    pub(super) differences: usize,
}

/// What changed in a year, with the events.
#[derive(Default)]
pub(super) struct Changed {
    pub(super) sum: i64,
    pub(super) events: Vec<(i64, i32)>,
}

/// A unit's indicator and what it spent, by year.
#[derive(Default)]
pub(super) struct Year {
    pub(super) budget: i64,
    pub(super) used: i64,
    pub(super) used_late: i64,
    pub(super) events: Vec<(i64, i32)>,
}

#[derive(Default)]
pub(super) struct Case {
    pub(super) last_day: i32,
    funds: BTreeMap<i32, Fund>,
    accounts: BTreeMap<i32, Account>,
    pub(super) lots: BTreeMap<i32, Lot>,
    pub(super) held: BTreeMap<(i32, i32), Held>,
    /// What levels owe each other, and how it came.
    pub(super) between_levels: BTreeMap<i32, Held>,
    /// Purposes and economic codes of payments in advance.
    advance_codes: BTreeSet<String>,
    pub(super) payments: Vec<Payment>,
    by_payment: BTreeMap<String, usize>,
    pub(super) commitments: Vec<Commitment>,
    /// First prices of registered contracts.
    pub(super) registered: BTreeMap<String, i64>,
    /// What left income accounts, and where to: the account, and the kind of the other side.
    pub(super) spent: Vec<(Moved, i32)>,
    /// Income without a document, by the account that got it.
    pub(super) unreferenced: Vec<(Moved, i32)>,
    pub(super) benefits: Vec<Benefit>,
    by_benefit: BTreeMap<String, usize>,
    pub(super) known: BTreeMap<Party, Vec<Known>>,
    pub(super) notices: BTreeMap<String, Notice>,
    pub(super) properties: BTreeMap<Vec<u8>, Heap>,
    pub(super) bank_accounts: BTreeMap<Party, Heap>,
    pub(super) back_dated: BTreeMap<(String, i32), Vec<(i32, Moved)>>,
    pub(super) pairs: BTreeMap<(String, String), Heap>,
    pub(super) made: BTreeMap<String, i64>,
    proposed: BTreeMap<i64, (i64, String)>,
    pub(super) haste: Vec<(Moved, i64, String, String)>,
    pub(super) compared: BTreeMap<i32, Vec<Compared>>,
    pub(super) years: BTreeMap<(i32, String, i32), Year>,
    pub(super) payables: BTreeMap<(i32, i32), Changed>,
    /// What is due to a unit of a fund for the months of a year.
    pub(super) due: BTreeMap<(i32, String, i32), Vec<Moved>>,
    stages: BTreeMap<String, Stage>,
}

fn party(bytes: &[u8]) -> Option<Party> {
    bytes.try_into().ok()
}

impl Case {
    /// Of nothing yet; payments of these purposes or economic codes are in advance.
    pub(super) fn new(advance_codes: &[String]) -> Self {
        Self { advance_codes: advance_codes.iter().cloned().collect(), ..Self::default() }
    }

    pub(super) fn fund(&self, number: i32) -> Option<&Fund> {
        self.funds.get(&number)
    }

    pub(super) fn account(&self, number: i32) -> Option<&Account> {
        self.accounts.get(&number)
    }

    pub(super) fn lot(&self, number: i32) -> Option<&Lot> {
        self.lots.get(&number)
    }

    pub(super) fn stage_of(&self, finding_id: &str) -> Stage {
        self.stages.get(finding_id).copied().unwrap_or(Stage::New)
    }

    /// The units' own identities.
    pub(super) fn unit_parties(&self) -> impl Iterator<Item = (&str, Party)> {
        self.accounts.values().filter_map(|account| Some((account.unit_id.as_str(), account.unit_party?)))
    }

    fn kind(&self, account: i32) -> Kind {
        self.accounts.get(&account).map_or(Kind::Unspecified, |account| account.kind)
    }

    /// Takes an event, or the operations of one.
    pub(super) fn take(&mut self, sequence: i64, event: &Event) {
        self.last_day = self.last_day.max(event.business_day);
        match &event.payload {
            None | Some(Payload::CommandRefused(_)) => return,
            Some(Payload::TransactionPosted(transaction)) => {
                let mut rest = event.legs.as_slice();
                for operation in &transaction.operations {
                    let count = usize::try_from(operation.leg_count).unwrap_or_default().min(rest.len());
                    let (legs, after) = rest.split_at(count);
                    rest = after;
                    if let Some(payload) = operation.payload.clone() {
                        self.step(sequence, event.business_day, &Payload::from(payload), legs);
                    }
                }
            }
            Some(payload) => self.step(sequence, event.business_day, payload, &event.legs),
        }
        self.conduct(sequence, event);
    }

    /// Who did it, who approved it, when, and with whose data.
    fn conduct(&mut self, sequence: i64, event: &Event) {
        let day = event.business_day;
        let moved: i64 = event.legs.iter().fold(0, |sum: i64, leg| sum.saturating_add(leg.amount_minor.max(0)));
        let at = Moved { sequence, day, amount: moved };
        // Asia/Shanghai, without summer time since 1991.
        let booked = event.booked_at_ns.div_euclid(1_000_000_000).saturating_add(28_800).div_euclid(86_400);
        let booked = i32::try_from(booked).unwrap_or(i32::MAX);
        let is_opening = matches!(event.payload, Some(Payload::OpeningBalance(_)));
        if moved > 0 && !is_opening && booked > day {
            self.back_dated.entry((event.actor.clone(), booked)).or_default().push((booked.saturating_sub(day), at));
        }
        if !event.approvals.is_empty() {
            let made = self.made.entry(event.actor.clone()).or_default();
            *made = made.saturating_add(1);
        }
        for approval in &event.approvals {
            let pair = (event.actor.clone(), approval.actor.clone());
            self.pairs.entry(pair).or_default().add(sequence, day, moved);
        }
        for commitment in &event.personal_data {
            if let (Some(account), Some(person)) = (party(&commitment.account), party(&commitment.party)) {
                let heap = self.bank_accounts.entry(account).or_default();
                heap.add(sequence, day, 0);
                heap.parties.insert(person);
            }
        }
        match &event.payload {
            Some(Payload::CommandProposed(_)) => {
                self.proposed.insert(sequence, (event.booked_at_ns, event.actor.clone()));
            }
            Some(Payload::ProposalApproved(approved)) => {
                if let Some((proposed_at, maker)) = self.proposed.get(&approved.proposal_sequence) {
                    let took = event.booked_at_ns.saturating_sub(*proposed_at);
                    self.haste.push((at, took, maker.clone(), event.actor.clone()));
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, sequence: i64, day: i32, payload: &Payload, legs: &[Leg]) {
        self.open(sequence, day, payload);
        let at = |amount: i64| Moved { sequence, day, amount };
        for leg in legs {
            self.leg(at(leg.amount_minor), leg, payload);
        }
        self.leave_income(at(0), payload, legs);
        // What a leg on a kind adds, on the credit side.
        let credited = |case: &Self, kinds: &[Kind]| {
            let of_kinds = legs.iter().filter(|leg| kinds.contains(&case.kind(leg.account)));
            of_kinds.fold(0_i64, |sum, leg| sum.saturating_sub(leg.amount_minor))
        };
        match payload {
            Payload::PaymentExecuted(payment) => {
                let drawn = legs.iter().find(|leg| {
                    leg.amount_minor > 0
                        && !self.accounts.get(&leg.account).is_none_or(|account| account.unit_id.is_empty())
                });
                let used = legs.iter().find(|leg| self.kind(leg.account) == Kind::AuthorityUsed);
                let account = drawn.or(used).map_or(0, |leg| leg.account);
                let (fund, unit_id) = self.holder(used.map_or(account, |leg| leg.account));
                self.by_payment.insert(payment.payment_id.clone(), self.payments.len());
                self.payments.push(Payment {
                    at: at(credited(self, &[Kind::AuthorityUsed])),
                    returned: 0,
                    fund,
                    unit_id,
                    account,
                    payee: party(&payment.payee).unwrap_or_default(),
                    payment_id: payment.payment_id.clone(),
                    economic_code: payment.economic_code.clone(),
                    has_contract: !payment.contract_id.is_empty(),
                    is_advance: [&payment.purpose, &payment.economic_code]
                        .into_iter()
                        .any(|code| self.advance_codes.contains(code)),
                    period: payment.payout.as_ref().map(|payout| payout.period),
                });
            }
            Payload::PaymentReturned(returned) => {
                self.give_back(&returned.payment_id, credited(self, &[Kind::AuthorityUsed]));
            }
            Payload::Reversed(reversed) if !reversed.payment_id.is_empty() => {
                self.give_back(&reversed.payment_id, credited(self, &[Kind::AuthorityUsed]));
            }
            Payload::ContractRegistered(registered) => {
                self.registered.insert(registered.contract_id.clone(), registered.amount_minor);
            }
            Payload::Committed(committed) => {
                let to = legs.iter().find(|leg| self.kind(leg.account) == Kind::AuthorityCommitted);
                let (fund, unit_id) = self.holder(to.map_or(0, |leg| leg.account));
                self.commitments.push(Commitment {
                    at: at(credited(self, &[Kind::AuthorityCommitted])),
                    fund,
                    unit_id,
                    payee: party(&committed.payee).unwrap_or_default(),
                    contract_id: committed.contract_id.clone(),
                });
            }
            Payload::BenefitPaid(paid) => {
                let account = self.accounts.get(&paid.account);
                let person = account.and_then(|account| account.person).or_else(|| party(&paid.payee));
                let amount = legs.iter().fold(0_i64, |sum, leg| sum.saturating_add(leg.amount_minor.max(0)));
                let benefit = Benefit {
                    at: at(amount),
                    recovered: 0,
                    fund: account.map_or(0, |account| account.fund),
                    person: person.unwrap_or_default(),
                    period: paid.period,
                };
                self.by_benefit.insert(paid.payment_id.clone(), self.benefits.len());
                self.benefits.push(benefit);
            }
            Payload::BenefitRecovered(back) => {
                let amount = legs.iter().fold(0_i64, |sum, leg| sum.saturating_add(leg.amount_minor.max(0)));
                let benefit = self.by_benefit.get(&back.payment_id).and_then(|at| self.benefits.get_mut(*at));
                if let Some(benefit) = benefit {
                    benefit.recovered = benefit.recovered.saturating_add(amount);
                }
            }
            Payload::HousingWithdrawn(withdrawn) if !withdrawn.property.is_empty() => {
                let person = self.accounts.get(&withdrawn.account).and_then(|account| account.person);
                let amount = credited(self, &[Kind::HousingDeposit]);
                let heap = self.properties.entry(withdrawn.property.to_vec()).or_default();
                heap.add(sequence, day, amount);
                heap.parties.extend(person);
            }
            Payload::IncomeReceived(received)
                if received.document_number.is_empty() && received.source() == IncomeSource::Other =>
            {
                if let Some(leg) = legs.iter().find(|leg| leg.amount_minor > 0) {
                    self.unreferenced.push((at(leg.amount_minor), leg.account));
                }
            }
            Payload::NontaxNoticed(noticed) => {
                let notice = self.notices.entry(noticed.notice_id.clone()).or_default();
                (notice.fund, notice.amount, notice.due_day) = (noticed.fund, noticed.amount_minor, noticed.due_day);
                notice.payer = party(&noticed.payer);
                notice.events.push((sequence, day));
            }
            Payload::NontaxCollected(m) => self.revenue(&m.notice_id, at(0), legs),
            Payload::NontaxSplit(m) => self.revenue(&m.notice_id, at(0), legs),
            Payload::NontaxRefunded(m) => self.revenue(&m.notice_id, at(0), legs),
            _ => {}
        }
    }

    /// What an event says besides moving anything.
    fn open(&mut self, sequence: i64, day: i32, payload: &Payload) {
        match payload {
            Payload::FundDefined(fund) => {
                let known = Fund {
                    fund_id: fund.fund_id.clone(),
                    currency_code: fund.currency_code.clone(),
                    currency_exponent: fund.currency_exponent,
                };
                self.funds.insert(fund.fund, known);
            }
            Payload::AccountOpened(opened) => {
                let account = Account {
                    account_id: opened.account_id.clone(),
                    fund: opened.fund,
                    kind: opened.kind(),
                    unit_id: opened.unit_id.clone(),
                    person: party(&opened.person),
                    unit_party: party(&opened.unit_party),
                };
                self.accounts.insert(opened.account, account);
            }
            Payload::BudgetIssued(issued) => {
                if let Some(lot) = &issued.lot {
                    self.open_lot(sequence, day, lot);
                }
            }
            Payload::OpeningBalance(opening) => {
                for lot in &opening.lots {
                    self.open_lot(sequence, day, lot);
                }
            }
            Payload::EligibilityRecorded(fact) => {
                if let Some(person) = party(&fact.person) {
                    let known = Known {
                        sequence,
                        day,
                        effective_day: fact.effective_day,
                        fund: fact.fund,
                        is_restored: fact.fact() == EligibilityFact::Restored,
                    };
                    self.known.entry(person).or_default().push(known);
                }
            }
            Payload::EntitlementDetermined(due) => {
                let amount = due.shares.iter().fold(0_i64, |sum, share| sum.saturating_add(share.amount_minor));
                let key = (due.fund, due.unit_id.clone(), due.period.div_euclid(100));
                self.due.entry(key).or_default().push(Moved { sequence, day, amount });
            }
            Payload::Reconciled(compared) => {
                self.compared.entry(compared.account).or_default().push(Compared {
                    sequence,
                    day,
                    last_day: compared.last_day,
                    difference: compared.bank_balance_minor.saturating_sub(compared.book_balance_minor),
                    differences: compared.differences.len(),
                });
            }
            Payload::Flagged(m) => self.stage(&m.finding_id, Stage::Open),
            Payload::FindingExplained(m) => self.stage(&m.finding_id, Stage::Explained),
            Payload::FindingRectified(m) => self.stage(&m.finding_id, Stage::Rectified),
            Payload::FindingClosed(m) => self.stage(&m.finding_id, Stage::Closed),
            _ => {}
        }
    }

    fn stage(&mut self, finding_id: &str, stage: Stage) {
        self.stages.insert(finding_id.to_owned(), stage);
    }

    fn open_lot(&mut self, sequence: i64, day: i32, lot: &crate::pb::v1::LotOpened) {
        let known = Lot { lot_id: lot.lot_id.clone(), fund: lot.fund, last: (day, sequence), ..Lot::default() };
        self.lots.insert(lot.lot, known);
    }

    /// One leg: what it does to its lot, to a middle level, to a unit's year, to what levels owe each other.
    fn leg(&mut self, at: Moved, leg: &Leg, payload: &Payload) {
        let Some(account) = self.accounts.get(&leg.account) else { return };
        let (kind, fund, unit_id) = (account.kind, account.fund, account.unit_id.clone());
        let credit = leg.amount_minor.saturating_neg();
        let is_issue = matches!(payload, Payload::BudgetIssued(_) | Payload::OpeningBalance(_));
        if let Some(lot) = self.lots.get_mut(&leg.lot) {
            let add = |sum: &mut i64, amount: i64| *sum = sum.saturating_add(amount);
            match kind {
                Kind::AuthoritySource => add(&mut lot.issued, leg.amount_minor),
                Kind::AuthorityUsed => add(&mut lot.used, credit),
                Kind::AuthorityRecalled => add(&mut lot.recalled, credit),
                _ => {}
            }
            if !is_issue {
                lot.last = lot.last.max((at.day, at.sequence));
            }
            if matches!(payload, Payload::BudgetAllocated(_)) && credit > 0 {
                lot.allocated.push((leg.account, Moved { amount: credit, ..at }));
            }
        }
        if kind == Kind::AuthorityUnallocated && !unit_id.is_empty() {
            self.held.entry((leg.account, leg.lot)).or_default().add(Moved { amount: credit, ..at });
        }
        let (year, month) = year_month(at.day);
        if matches!(kind, Kind::PayableUpper | Kind::PayableLower) {
            self.between_levels.entry(leg.account).or_default().add(Moved { amount: credit, ..at });
            let changed = self.payables.entry((leg.account, year)).or_default();
            changed.sum = changed.sum.saturating_add(credit);
            if changed.events.len() < super::SEQUENCES_MAX {
                changed.events.push((at.sequence, at.day));
            }
        }
        let is_budget = is_issue || matches!(payload, Payload::BudgetAllocated(_) | Payload::BudgetAdjusted(_));
        if OF_UNITS.contains(&kind) && is_budget {
            let year = self.years.entry((fund, unit_id, year)).or_default();
            year.budget = year.budget.saturating_add(credit);
            if year.events.len() < super::SEQUENCES_MAX {
                year.events.push((at.sequence, at.day));
            }
        } else if kind == Kind::AuthorityUsed && !is_issue {
            let year = self.years.entry((fund, unit_id, year)).or_default();
            year.used = year.used.saturating_add(credit);
            if month >= 11 {
                year.used_late = year.used_late.saturating_add(credit);
            }
        }
    }

    /// Money of an income account goes to the fiscal account, and nowhere else; a reversal takes it back to where it came from.
    fn leave_income(&mut self, at: Moved, payload: &Payload, legs: &[Leg]) {
        if matches!(payload, Payload::Reversed(_))
            || legs.iter().any(|leg| self.kind(leg.account) == Kind::FiscalSpecial)
        {
            return;
        }
        for leg in legs {
            if leg.amount_minor < 0 && self.kind(leg.account) == Kind::Income {
                self.spent.push((Moved { amount: leg.amount_minor.saturating_neg(), ..at }, leg.account));
            }
        }
    }

    fn holder(&self, account: i32) -> (i32, String) {
        self.accounts.get(&account).map(|account| (account.fund, account.unit_id.clone())).unwrap_or_default()
    }

    /// A payment came back: `credited` is what its account of executed authority got, below 0.
    fn give_back(&mut self, payment_id: &str, credited: i64) {
        if let Some(payment) = self.by_payment.get(payment_id).and_then(|at| self.payments.get_mut(*at)) {
            payment.returned = payment.returned.saturating_sub(credited);
        }
    }

    fn revenue(&mut self, notice_id: &str, at: Moved, legs: &[Leg]) {
        let mut collected = 0_i64;
        let mut pending = 0_i64;
        for leg in legs {
            match self.kind(leg.account) {
                Kind::Treasury => collected = collected.saturating_add(leg.amount_minor),
                Kind::NontaxPending => pending = pending.saturating_sub(leg.amount_minor),
                _ => {}
            }
        }
        let notice = self.notices.entry(notice_id.to_owned()).or_default();
        notice.events.push((at.sequence, at.day));
        notice.pending = notice.pending.saturating_add(pending);
        if collected > 0 {
            notice.collected = notice.collected.saturating_add(collected);
            notice.collected_on = at.day;
        }
    }
}
