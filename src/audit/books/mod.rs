//! The books: every balance derived again from the legs, by flat tables, and held against what the events mean.
//!
//! Two roads to each sum: what a lot or fund *holds* is read from the legs on its own accounts; what it *should* hold is
//! read from the event's type and the other side of the entry. The letters I1 to I14 are those of the invariants that
//! the ledger promises.

mod accounts;
mod authority;
mod benefits;
mod closings;
mod complaints;
mod contributions;
mod evaluators;
mod housing;
mod interest;
mod kinds;
mod legs;
mod log_keys;
mod makers;
mod payments;
mod payouts;
mod performance;
mod policies;
mod procurement;
mod reconciliations;
mod releases;
mod revenue;
mod rounding;
mod rows;
mod tables;
mod unique;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::RandomState;

use self::accounts::Known;
pub(super) use self::authority::is_own_key;
use self::authority::{Authority, Authorization};
use self::benefits::Benefits;
use self::complaints::{Complaints, NOBODY, and, is_about_one, responsible};
use self::contributions::Contributions;
use self::evaluators::Evaluators;
use self::housing::Loans;
use self::kinds::{Meaning, moves};
use self::legs::LEGS_MAX;
use self::log_keys::LogKeys;
use self::payouts::Payouts;
use self::performance::Goals;
use self::policies::Policies;
use self::procurement::Contracts;
use self::releases::Releases;
use self::revenue::Revenue;
use self::rows::{Pieces, Rows};
use self::tables::{Account, ById, Freeze, Fund, Lot, Numbered, Payment, Stage};
use super::anchors::Anchors;
use super::frame::{Fingerprint, Fingerprints, Hash, ZEROS};
use super::report::{Fact, FaultKind, Findings};
use crate::pb::v1::event::Payload;
use crate::pb::v1::{
    AccountKind as Kind, Event, Leg, LotOpened, PaymentExecuted, Payout, PersonalCommitment, PersonalField,
    PostedOperation,
};

/// An event as the books take it: its legs and what they need of its payload. What no balance rests on was looked at and
/// given up by the thread that read it; to free it all here would cost more than the sums.
pub(super) struct Record {
    event: Event,
    /// Hash of its entry; the chain fills it in.
    pub(super) entry_hash: Hash,
    /// Who made it.
    maker: Fingerprint,
    /// Who made and who approved it, as a short keyed hash of all of them.
    responsible: u32,
    /// Of a complaint who is said to have made and approved what it is about, as such a hash.
    respondents: u32,
    /// What a transaction did, in order; empty for any other event.
    operations: Vec<Operation>,
    duties: Vec<Fact>,
    authorization: Option<Box<Authorization>>,
}

impl Record {
    /// An event as it is, for whoever looks at more than balances.
    pub(super) fn whole(event: Event) -> Box<Self> {
        let (operations, duties) = (Vec::new(), Vec::new());
        let maker = Fingerprint::default();
        let (responsible, respondents) = (0, 0);
        Box::new(Self {
            event,
            entry_hash: ZEROS,
            maker,
            responsible,
            respondents,
            operations,
            duties,
            authorization: None,
        })
    }

    /// The event of [`Self::whole`].
    pub(super) fn into_event(self) -> Event {
        self.event
    }

    /// What the books need of an event; `fingerprints` are the same for all of a log.
    pub(super) fn new(mut event: Event, fingerprints: &Fingerprints) -> Box<Self> {
        let duties = broken_duties(&event);
        let maker = fingerprints.of(&event.actor);
        let responsible = responsible(maker, &event.approvals, fingerprints);
        let respondents = match &event.payload {
            Some(Payload::ComplaintFiled(filed)) => {
                let named = filed.respondents.iter().map(|name| fingerprints.of(name));
                named.fold(NOBODY, and)
            }
            _ => NOBODY,
        };
        let authorization = Authorization::of(&event);
        event.request_id = String::new();
        if !event.payload.as_ref().is_some_and(is_about_one) {
            event.actor = String::new();
            event.approvals = Vec::new();
        }
        event.command_digest.clear();
        let mut operations = Vec::new();
        match &mut event.payload {
            Some(Payload::PaymentExecuted(payment)) => forget_details(payment),
            Some(Payload::TransactionPosted(transaction)) => {
                operations = std::mem::take(&mut transaction.operations).into_iter().map(Operation::of).collect();
            }
            _ => {}
        }
        Box::new(Self { event, entry_hash: ZEROS, maker, responsible, respondents, operations, duties, authorization })
    }
}

/// An operation of a transaction: what an event of its own would be.
struct Operation {
    payload: Option<Payload>,
    /// `None` for a number that is none.
    leg_count: Option<usize>,
    policy_version: i32,
}

impl Operation {
    fn of(posted: PostedOperation) -> Self {
        let mut payload = posted.payload.map(Payload::from);
        if let Some(Payload::PaymentExecuted(payment)) = &mut payload {
            forget_details(payment);
        }
        let leg_count = usize::try_from(posted.leg_count).ok();
        Self { payload, leg_count, policy_version: posted.policy_version }
    }
}

/// Keeps what a payment counts against: most have neither a payout, a project nor a contract.
fn forget_details(payment: &mut PaymentExecuted) {
    let PaymentExecuted { payment_id, payee, project_id, contract_id, payout, .. } = std::mem::take(payment);
    let has_contract = !contract_id.is_empty();
    *payment = PaymentExecuted { payment_id, project_id, contract_id, ..PaymentExecuted::default() };
    if has_contract || payout.is_some() {
        payment.payee = payee;
    }
    if let Some(Payout { item_code, period, .. }) = payout {
        payment.payout = Some(Payout { item_code, period, ..Payout::default() });
    }
}

/// 审监分离: whoever made a command did not check it, and nobody checked twice.
fn broken_duties(event: &Event) -> Vec<Fact> {
    let mut wrong = Vec::new();
    if event.actor.is_empty() && !matches!(event.payload, Some(Payload::LedgerCreated(_))) {
        wrong.push(fact!("the event names no maker"));
    }
    for (at, approval) in event.approvals.iter().enumerate() {
        if approval.actor == event.actor {
            wrong.push(fact!("{} approved what they made", approval.actor));
        } else if event.approvals.iter().take(at).any(|earlier| earlier.actor == approval.actor) {
            wrong.push(fact!("{} approved twice", approval.actor));
        }
    }
    wrong
}

/// What the books came to.
pub(super) struct Statement {
    pub(super) findings: Findings,
    pub(super) stopped_at: Option<i64>,
    /// Releases cite checkpoints that were signed with keys of the log that the auditor did not bring.
    pub(super) has_earlier_keys: bool,
}

/// A leg on a known account.
struct Posting {
    account: i32,
    lot: i32,
    kind: Kind,
    amount: i64,
}

/// Legs as they are, or as the mirror of the event they reverse.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    AsIs,
    Mirrored,
}

impl Side {
    fn of(self, amount: i64) -> i64 {
        match self {
            Self::AsIs => amount,
            Self::Mirrored => amount.saturating_neg(),
        }
    }
}

/// See [`Original::fund`].
const FUND_UNTOLD: u16 = u16::MAX;

/// What is remembered of an event that may be reversed.
#[derive(Clone, Copy)]
struct Original {
    /// Sum of the hashes of its legs: the mirrored legs must give the same.
    legs: u64,
    meaning: Meaning,
    is_reversed: bool,
    /// Whether it moved an account of a budget unit.
    has_unit: bool,
    /// The fund of the first account that it moved; 0 where it moved none, [`FUND_UNTOLD`] where the number is too great to be
    /// remembered here: a ledger has some hundreds.
    fund: u16,
    /// Who made and who approved it, as a short keyed hash of all of them.
    responsible: u32,
}

/// An event, or an operation of a transaction, as it is taken in.
#[derive(Clone, Copy)]
struct Step<'a> {
    sequence: i64,
    /// Place in its transaction, from 1; 0 where it is an event of its own.
    operation: i32,
    business_day: i32,
    policy_version: i32,
    payload: &'a Payload,
    legs: &'a [Leg],
}

/// All tables.
#[derive(Default)]
pub(super) struct Books {
    /// Events taken in.
    pub(super) events: u64,
    findings: Findings,
    stopped_at: Option<i64>,
    last_sequence: i64,
    funds: Numbered<Fund>,
    accounts: Numbered<Account>,
    lots: Numbered<Lot>,
    payments: Rows<Payment>,
    freezes: ById<Freeze>,
    policies: Policies,
    known: Known,
    contributions: Contributions,
    benefits: Benefits,
    payouts: Payouts,
    contracts: Contracts,
    goals: Goals,
    evaluators: Evaluators,
    revenue: Revenue,
    loans: Loans,
    authority: Authority,
    used: unique::Used,
    releases: Releases,
    log_keys: LogKeys,
    complaints: Complaints,
    /// Hash of the entry that is taken in.
    entry_hash: Hash,
    /// The day in Asia/Shanghai when it was booked, since 1970-01-01.
    booked_day: i32,
    /// By sequence; the books stop at the first gap.
    originals: Pieces<Original>,
    /// Those of transactions, by sequence and operation.
    operations: BTreeMap<(i64, i32), Original>,
    fingerprints: Fingerprints,
    leg_hashes: RandomState,
    postings: Vec<Posting>,
}

impl Books {
    /// Books of an auditor who believes what the anchors say of the log's keys and of witnesses.
    pub(super) fn new(anchors: Anchors) -> Self {
        Self { releases: Releases::new(anchors), ..Self::default() }
    }

    /// Takes in the next event.
    pub(super) fn event(&mut self, sequence: i64, record: &Record) {
        let event = &record.event;
        self.events = self.events.saturating_add(1);
        if self.stopped_at.is_some() {
            return;
        }
        self.last_sequence = sequence;
        self.entry_hash = record.entry_hash;
        self.booked_day = releases::booked_day(event.booked_at_ns);
        if let Some(authorization) = &record.authorization {
            let of_leg = |leg: &Leg| self.accounts.get(leg.account).map(|account| account.fund);
            let funds: BTreeSet<i32> = event.legs.iter().filter_map(of_leg).collect();
            let funds: Vec<i32> = funds.into_iter().collect();
            self.authority.event(sequence, event, &funds, authorization, &mut self.findings);
        }
        let Some(payload) = &event.payload else { return };
        self.check_commitments(sequence, event);
        let (business_day, policy_version) = (event.business_day, event.policy_version);
        let step = Step { sequence, operation: 0, business_day, policy_version, payload, legs: &event.legs };
        let original = self.original(step, record.responsible);
        self.originals.push(original);
        if let Payload::CommandRefused(_) = payload {
            if !event.legs.is_empty() {
                self.findings.add(sequence, FaultKind::Leg, fact!("a refused command moves something"));
            }
            return;
        }
        self.complain(sequence, record);
        self.evaluate(step, record);
        for message in &record.duties {
            self.findings.add(sequence, FaultKind::SegregationOfDuties, message.clone());
        }
        if let Payload::TransactionPosted(_) = payload {
            self.transaction(step, &record.operations);
        } else {
            self.step(step);
        }
    }

    /// What stands in the log of personal data: pseudonyms and commitments, and of one thing one.
    fn check_commitments(&mut self, sequence: i64, event: &Event) {
        let mut seen = BTreeSet::new();
        for commitment in &event.personal_data {
            let PersonalCommitment { party, field, commitment, account } = commitment;
            let is_account = *field == i32::from(PersonalField::BankAccount);
            let has_form = party.len() == 16
                && *field != 0
                && PersonalField::try_from(*field).is_ok()
                && commitment.len() == 32
                && (account.is_empty() || is_account && account.len() == 16);
            if !has_form || !seen.insert((party, field)) {
                let message = fact!("personal data are not committed to as they should be: field {}", field);
                self.findings.add(sequence, FaultKind::Books, message);
            }
        }
        if !seen.is_empty() && matches!(event.payload, Some(Payload::CommandRefused(_))) {
            self.findings.add(sequence, FaultKind::Books, fact!("a refused command keeps personal data"));
        }
    }

    /// The operations of a transaction, each with its share of the legs.
    fn transaction(&mut self, event: Step<'_>, operations: &[Operation]) {
        let mut wrong = |message: Fact| self.findings.add(event.sequence, FaultKind::Leg, message);
        if operations.is_empty() {
            wrong(fact!("a transaction of nothing"));
        }
        if event.legs.len() > LEGS_MAX {
            wrong(fact!("{} legs", event.legs.len()));
        }
        let mut rest = event.legs;
        for (operation, posted) in (1..).zip(operations) {
            let share = posted.leg_count.and_then(|count| rest.split_at_checked(count));
            let (Some(payload), Some((legs, after))) = (&posted.payload, share) else {
                let message =
                    fact!("operation {} says not what happened, or counts legs that are not there", operation);
                return self.findings.add(event.sequence, FaultKind::Leg, message);
            };
            rest = after;
            let step = Step { operation, policy_version: posted.policy_version, payload, legs, ..event };
            let original = self.original(step, NOBODY);
            self.operations.insert((event.sequence, operation), original);
            self.step(step);
        }
        if !rest.is_empty() {
            let message = fact!("{} legs are of no operation", rest.len());
            self.findings.add(event.sequence, FaultKind::Leg, message);
        }
    }

    /// What has to be remembered for its reversal.
    fn original(&self, step: Step<'_>, responsible: u32) -> Original {
        let (_, meaning) = moves(step.payload);
        let legs = if meaning.is_reversible() { self.legs_hash(step.legs, Side::AsIs) } else { 0 };
        let has_unit = step.legs.iter().any(|leg| self.evaluators.is_of_unit(leg.account));
        let first = step.legs.first().and_then(|leg| self.accounts.get(leg.account));
        let fund = first.map_or(0, |account| u16::try_from(account.fund).unwrap_or(FUND_UNTOLD));
        Original { legs, meaning, is_reversed: false, has_unit, fund, responsible }
    }

    /// One step: its legs, what they mean, what follows from them, and the sums.
    fn step(&mut self, step: Step<'_>) {
        let Step { sequence, payload, legs, .. } = step;
        let (moves, meaning) = moves(payload);
        self.open(sequence, payload);
        let mut postings = std::mem::take(&mut self.postings);
        let fund = self.resolve(sequence, legs, moves.as_ref(), &mut postings);
        if let Some(fund) = fund {
            self.check_date(sequence, fund, step.business_day);
        }
        self.post(sequence, step.business_day, fund, &postings);
        self.mean(meaning, Side::AsIs, &postings);
        self.use_once(step);
        self.hold(step, &postings);
        self.follow(step, &postings);
        self.remember_changes(step, &postings);
        self.check_sums(sequence, fund, &postings);
        postings.clear();
        self.postings = postings;
    }

    /// An event is missing or unreadable: nothing after it can be derived.
    pub(super) fn stop(&mut self, sequence: i64) {
        self.stopped_at.get_or_insert(sequence);
    }

    /// What events open: funds, policy versions, accounts, lots.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other types open nothing; `follow` is exhaustive")]
    fn open(&mut self, sequence: i64, payload: &Payload) {
        match payload {
            Payload::FundDefined(fund) => self.define_fund(sequence, fund),
            Payload::PolicySet(policy) => self.set_policy(sequence, policy),
            Payload::AccountOpened(account) => self.open_account(sequence, account),
            Payload::OpeningBalance(opening) => {
                for lot in &opening.lots {
                    self.open_lot(sequence, lot);
                    if lot.fund != opening.fund {
                        let message = fact!("lot {} is of fund {}, not {}", lot.lot, lot.fund, opening.fund);
                        self.findings.add(sequence, FaultKind::Books, message);
                    }
                }
            }
            Payload::BudgetIssued(issued) => match &issued.lot {
                Some(lot) => self.open_lot(sequence, lot),
                None => self.findings.add(sequence, FaultKind::Books, fact!("an appropriation without its lot")),
            },
            _ => {}
        }
    }

    fn number(&mut self, sequence: i64, what: &str, number: i32, opened: Result<(), i32>) {
        if let Err(expected) = opened {
            let message = fact!("{} {} is opened, {} is next", what, number, expected);
            self.findings.add(sequence, FaultKind::Numbering, message);
        }
    }

    fn open_lot(&mut self, sequence: i64, lot: &LotOpened) {
        if self.funds.get(lot.fund).is_none() {
            let message = fact!("lot {} is of unknown fund {}", lot.lot, lot.fund);
            self.findings.add(sequence, FaultKind::Books, message);
        }
        let opened = self.lots.open(lot.lot, Lot::new(lot.fund));
        self.number(sequence, "lot", lot.lot, opened);
    }

    /// What events do besides their legs.
    fn follow(&mut self, step: Step<'_>, postings: &[Posting]) {
        let Step { sequence, payload, legs, .. } = step;
        self.know_subjects(payload);
        match payload {
            Payload::LedgerCreated(_)
            | Payload::FundDefined(_)
            | Payload::PolicySet(_)
            | Payload::AccountOpened(_)
            | Payload::BudgetAllocated(_)
            | Payload::PlanApproved(_)
            | Payload::CommandRefused(_)
            | Payload::CommandProposed(_)
            | Payload::ProposalApproved(_)
            | Payload::ProposalWithdrawn(_)
            | Payload::ProposalExpired(_)
            | Payload::RoleGranted(_)
            | Payload::RoleRevoked(_)
            | Payload::KeyRotated(_)
            | Payload::TransactionPosted(_)
            | Payload::Flagged(_)
            | Payload::FindingExplained(_)
            | Payload::FindingRectified(_)
            | Payload::FindingClosed(_)
            | Payload::MatterOpened(_)
            | Payload::MatterClosed(_)
            | Payload::Disclosed(_)
            | Payload::PersonalDataRestricted(_)
            | Payload::PersonalDataReleased(_)
            | Payload::PersonalDataErased(_)
            | Payload::PersonalDataOpened(_)
            // By whom matters: `evaluate` and `complain` take them in with their makers.
            | Payload::PerformanceScored(_)
            | Payload::ComplaintFiled(_)
            | Payload::ComplaintAccepted(_)
            | Payload::ComplaintAnswered(_)
            | Payload::ComplaintClosed(_)
            // Where income may arrive and whose it is, the kinds say.
            | Payload::IncomeReceived(_) => {}
            Payload::Committed(committed) => self.commit(step, committed, postings),
            Payload::CommitmentReleased(released) => self.change_commitment(&released.contract_id, postings),
            Payload::GoalSet(set) => self.set_goal(step, set),
            Payload::OutputRecorded(output) => self.record_output(step, output),
            Payload::TenderOpened(opened) => self.open_tender(step, opened),
            Payload::TenderAwarded(awarded) => self.award_tender(step, awarded),
            Payload::ContractRegistered(registered) => self.register_contract(step, registered),
            Payload::ContractAmended(amended) => self.amend_contract(step, amended),
            Payload::ContractSettled(settled) => self.settle_contract(step, settled),
            Payload::FinalAccountApproved(approved) => self.approve_final_account(step, approved),
            Payload::LogKeyRotated(rotated) => self.rotate_log_key(sequence, rotated),
            Payload::PaymentReleased(released) => self.release(sequence, released),
            Payload::EligibilityRecorded(recorded) => self.record_fact(step, recorded),
            Payload::Reconciled(compared) => self.check_reconciled(sequence, compared),
            Payload::AccountClosed(closed) => self.close_account(step, closed.account),
            Payload::EstimateApproved(approved) => self.approve_estimate(step, approved),
            Payload::EntitlementDetermined(determined) => self.determine(step, determined),
            Payload::NontaxNoticed(noticed) => self.notice(step, noticed),
            Payload::NontaxCollected(collected) => self.collect(step, &collected.notice_id, postings),
            Payload::NontaxSplit(split) => self.split_revenue(step, &split.notice_id, postings),
            Payload::NontaxRefunded(refunded) => self.refund(step, &refunded.notice_id, postings),
            Payload::ContributionReceived(received) => self.contribute(step, received, postings),
            Payload::FundsMoved(_) => self.move_funds(step, postings),
            Payload::BenefitPaid(paid) => self.pay_benefit(step, paid, postings),
            Payload::BenefitRecovered(recovered) => self.recover(step, recovered, postings),
            Payload::RelationTransferred(transferred) => self.transfer(step, transferred, postings),
            Payload::InterestCredited(credited) => self.credit_interest(step, credited, postings),
            Payload::HousingWithdrawn(withdrawn) => self.withdraw(step, withdrawn, postings),
            Payload::LoanIssued(issued) => self.issue_loan(step, issued, postings),
            Payload::LoanRepaid(repaid) => self.repay_loan(step, repaid, postings),
            Payload::SurplusDistributed(_) => self.distribute_surplus(step, postings),
            Payload::OpeningBalance(opening) => self.check_opening(sequence, opening.fund, postings),
            Payload::BudgetIssued(issued) => {
                self.check_lot(sequence, issued.lot.as_ref().map(|lot| lot.lot), postings);
            }
            Payload::BudgetAdjusted(_) | Payload::CashReceived(_) => self.check_lot(sequence, None, postings),
            Payload::Frozen(frozen) => self.freeze(sequence, frozen, legs, postings),
            Payload::Unfrozen(unfrozen) => self.unfreeze(sequence, &unfrozen.case_id, legs),
            Payload::PaymentExecuted(payment) => {
                self.pay(step, &payment.payment_id, postings);
                self.pay_out(step, payment, postings);
            }
            Payload::Cleared(cleared) => self.clear(sequence, &cleared.payment_ids, postings),
            Payload::PaymentReturned(returned) => self.give_back(sequence, returned, postings),
            Payload::Reversed(reversed) => {
                self.reverse(sequence, reversed, legs, postings);
                self.change_commitment(&reversed.contract_id, postings);
            }
            Payload::DayClosed(closed) => self.close_day(sequence, *closed),
            Payload::PeriodClosed(closed) => {
                self.close_period(sequence, closed);
                self.check_income(step, closed.fund);
            }
            Payload::PeriodReopened(reopened) => self.reopen_period(sequence, reopened),
            Payload::CarriedForward(carried) => {
                self.check_lot(sequence, Some(carried.lot), postings);
                self.carry_commitments(carried.lot);
                self.set_stage(carried.lot, Stage::Carried);
            }
            Payload::LapsedRecovered(recovered) => {
                self.check_lot(sequence, Some(recovered.lot), postings);
                self.set_stage(recovered.lot, Stage::Recalled);
            }
        }
    }

    fn set_stage(&mut self, lot: i32, stage: Stage) {
        if let Some(lot) = self.lots.get_mut(lot) {
            lot.stage = stage;
        }
    }

    /// An opening balance stands before every other movement of its fund.
    fn check_opening(&mut self, sequence: i64, number: i32, postings: &[Posting]) {
        let mut wrong = |message: Fact| self.findings.add(sequence, FaultKind::Books, message);
        if self.funds.get(number).is_none_or(|fund| fund.has_moved) {
            wrong(fact!("an opening balance of fund {}, which is unknown or has moved already", number));
        }
        if let Some(other) = postings
            .iter()
            .find(|posting| self.accounts.get(posting.account).is_none_or(|account| account.fund != number))
        {
            wrong(fact!("an opening balance of fund {} moves account {}", number, other.account));
        }
    }

    /// All postings that name a lot name the same one: `lot`, where the event says which.
    fn check_lot(&mut self, sequence: i64, lot: Option<i32>, postings: &[Posting]) {
        let mut lots = postings.iter().map(|posting| posting.lot).filter(|lot| *lot != 0);
        let Some(lot) = lot.or_else(|| lots.clone().next()) else { return };
        if let Some(other) = lots.find(|other| *other != lot) {
            self.findings.add(
                sequence,
                FaultKind::Leg,
                fact!("the event is about lot {}, a leg about lot {}", lot, other),
            );
        }
    }
}
