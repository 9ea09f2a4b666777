//! What the rules of the families need to know of the past: persons, notices, loans, projects.

use std::collections::BTreeSet;

use super::{Lookup, State};
use crate::domain::account::AccountKind;
use crate::domain::complaint::{Complaint, ComplaintEvent, ComplaintStage, ComplaintState};
use crate::domain::event::{Leg, Payload, PaymentExecuted};
use crate::domain::fund::FundFamily;
use crate::domain::housing::{HousingEvent, Loan};
use crate::domain::ids::{
    AccountNumber, ActorId, Code, ComplaintId, ContractId, DisclosureId, FindingId, FundNumber, LoanId, MatterId,
    NoticeId, PayeeRef, PaymentId, Sequence, TenderId, UnitId, UnitNumber,
};
use crate::domain::money;
use crate::domain::nontax::{NontaxEvent, Notice};
use crate::domain::oversight::{Finding, FindingStage, Oversight, OversightEvent};
use crate::domain::performance::{GoalRow, Subject};
use crate::domain::persons::{
    Benefit, ContributionKind, ContributionLine, Eligibility, EligibilityFact, InterestCalendar, Months, Personal,
    PersonsEvent,
};
use crate::domain::procurement::{Registered, TenderRow};
use crate::domain::time::{Day, Period};

/// Months that a person was paid for, by item.
pub(crate) type PaidMonths = Vec<(Code, Months)>;

/// A project and its approved estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Project {
    /// 核定概算, minor units.
    pub estimate_minor: i64,
    /// 竣工财务决算, minor units: stands in for the estimate from then on.
    pub final_minor: Option<i64>,
    /// What was paid and did not come back, minor units.
    pub paid_minor: i64,
}

impl Project {
    /// What all payments together stay within, minor units.
    pub fn cap_minor(&self) -> i64 {
        self.final_minor.unwrap_or(self.estimate_minor).min(self.estimate_minor)
    }
}

/// What a payment counts against besides its account, for as long as it is not undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tie {
    /// Person, item and month of a payout.
    pub payout: Option<(PayeeRef, Code, Period)>,
    /// Project under an estimate.
    pub project: Option<Code>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Families {
    pub(crate) personals: Lookup<AccountNumber, Personal>,
    pub(crate) personal_accounts: Lookup<(FundNumber, PayeeRef), AccountNumber>,
    // Of the person, not of the account: it stays when the account is closed.
    pub(crate) contributed: Lookup<(FundNumber, PayeeRef), Months>,
    pub(crate) paid: Lookup<(FundNumber, PayeeRef), PaidMonths>,
    pub(crate) facts: Lookup<PayeeRef, Vec<Eligibility>>,
    pub(crate) benefits: Lookup<PaymentId, Benefit>,
    pub(crate) notices: Lookup<NoticeId, Notice>,
    pub(crate) loans: Lookup<LoanId, Loan>,
    pub(crate) projects: Lookup<(FundNumber, Code), Project>,
    pub(crate) determined: Lookup<(FundNumber, UnitId, Code), Months>,
    // By the number in a payment, from 1.
    pub(crate) ties: Vec<Tie>,
    // Names under which units themselves would be paid.
    pub(crate) unit_parties: BTreeSet<(UnitNumber, PayeeRef)>,
    pub(crate) findings: Lookup<FindingId, Finding>,
    // Whether it is open.
    pub(crate) matters: Lookup<MatterId, bool>,
    pub(crate) complaints: Lookup<ComplaintId, ComplaintState>,
    // As of which sequence.
    pub(crate) disclosures: Lookup<DisclosureId, Sequence>,
    // In the order in which they were first set.
    pub(crate) goals: Lookup<(Subject, i32), Vec<GoalRow>>,
    // Who ordered payments of a subject since it has goals.
    pub(crate) payers: Lookup<Subject, BTreeSet<ActorId>>,
    pub(crate) tenders: Lookup<TenderId, TenderRow>,
    pub(crate) registered: Lookup<ContractId, Registered>,
}

impl Families {
    /// Whether a person's regular contribution for a month is there.
    pub(crate) fn has_contributed(&self, fund: FundNumber, person: PayeeRef, period: Period) -> bool {
        self.contributed.get(&(fund, person)).is_some_and(|months| months.contains(period))
    }

    /// Whether a person was paid an item for a month.
    pub(crate) fn is_paid(&self, fund: FundNumber, person: PayeeRef, item: &Code, period: Period) -> bool {
        self.paid
            .get(&(fund, person))
            .is_some_and(|items| items.iter().any(|(of, months)| of == item && months.contains(period)))
    }

    /// Whether a person was paid anything for a month.
    pub(crate) fn is_paid_anything(&self, fund: FundNumber, person: PayeeRef, period: Period) -> bool {
        self.paid.get(&(fund, person)).is_some_and(|items| items.iter().any(|(_, months)| months.contains(period)))
    }

    fn set_paid(&mut self, fund: FundNumber, person: PayeeRef, item: &Code, period: Period) {
        let items = self.paid.entry((fund, person)).or_default();
        if let Some((_, months)) = items.iter_mut().find(|(of, _)| of == item) {
            months.insert(period);
        } else {
            let mut months = Months::default();
            months.insert(period);
            items.push((item.clone(), months));
        }
    }

    pub(super) fn apply_complaint(&mut self, actor: &ActorId, event: &ComplaintEvent) {
        if let Complaint::File(filed) = event {
            let known = ComplaintState {
                stage: ComplaintStage::Filed,
                fund: filed.fund,
                unit_id: filed.unit_id.clone(),
                respondents: filed.respondents.clone(),
                answered_by: Vec::new(),
            };
            self.complaints.insert(filed.complaint_id.clone(), known);
            return;
        }
        let Some(known) = self.complaints.get_mut(event.complaint_id()) else { return };
        match event {
            Complaint::File(_) => {}
            Complaint::Accept { .. } => known.stage = ComplaintStage::Accepted,
            Complaint::Answer { .. } => {
                known.stage = ComplaintStage::Answered;
                if !known.answered_by.contains(actor) {
                    known.answered_by.push(actor.clone());
                }
            }
            Complaint::Close { .. } => known.stage = ComplaintStage::Closed,
        }
    }

    fn set_unpaid(&mut self, fund: FundNumber, person: PayeeRef, item: &Code, period: Period) {
        let Some(items) = self.paid.get_mut(&(fund, person)) else { return };
        if let Some((_, months)) = items.iter_mut().find(|(of, _)| of == item) {
            months.remove(period);
        }
        items.retain(|(_, months)| !months.is_empty());
        if items.is_empty() {
            self.paid.remove(&(fund, person));
        }
    }

    /// The fact that keeps a person from being paid on a day, if one does: the last one that holds by then.
    pub(crate) fn barred(&self, fund: FundNumber, person: PayeeRef, on: Day) -> Option<Eligibility> {
        let facts = self.facts.get(&person)?;
        let holds =
            |fact: &&Eligibility| fact.effective_on <= on && (fact.fund == fund || fact.fund == FundNumber::default());
        let last = facts.iter().filter(holds).max_by_key(|fact| fact.effective_on)?;
        (last.fact != EligibilityFact::Restored).then_some(*last)
    }

    /// The tie of a payment.
    pub(crate) fn tie(&self, number: u32) -> Option<&Tie> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        self.ties.get(at)
    }

    /// Ties a payment; gives the number of its tie, 0 for none.
    pub(super) fn tie_payment(
        &mut self,
        fund: FundNumber,
        family: FundFamily,
        payment: &PaymentExecuted,
        amount_minor: i64,
    ) -> u32 {
        let payout = payment.payout.as_ref();
        let payout = payout.map(|payout| (payment.payee, payout.item_code.clone(), payout.period));
        let project = payment.project_id.clone().filter(|_| family == FundFamily::Investment);
        if payout.is_none() && project.is_none() {
            return 0;
        }
        if let Some((person, item, period)) = &payout {
            self.set_paid(fund, *person, item, *period);
        }
        self.ties.push(Tie { payout, project });
        let number = u32::try_from(self.ties.len()).unwrap_or(u32::MAX);
        self.change_project(fund, number, amount_minor);
        number
    }

    /// Money of a payment came back; of all of it the payout is undone.
    pub(super) fn untie_payment(&mut self, fund: FundNumber, number: u32, back_minor: i64, is_all: bool) {
        self.change_project(fund, number, back_minor.saturating_neg());
        if let Some((person, item, period)) = self.tie(number).filter(|_| is_all).and_then(|tie| tie.payout.clone()) {
            self.set_unpaid(fund, person, &item, period);
        }
    }

    fn change_project(&mut self, fund: FundNumber, number: u32, change_minor: i64) {
        let Some(project_id) = self.tie(number).and_then(|tie| tie.project.clone()) else { return };
        if let Some(project) = self.projects.get_mut(&(fund, project_id)) {
            project.paid_minor = money::add(project.paid_minor, change_minor);
        }
    }
}

impl State {
    /// A notice of non-tax revenue.
    pub fn notice(&self, notice_id: &NoticeId) -> Option<&Notice> {
        self.families.notices.get(notice_id)
    }

    /// A housing loan.
    pub fn loan(&self, loan_id: &LoanId) -> Option<&Loan> {
        self.families.loans.get(loan_id)
    }

    /// A person's account in a fund.
    pub fn personal_account(&self, fund: FundNumber, person: PayeeRef) -> Option<AccountNumber> {
        self.families.personal_accounts.get(&(fund, person)).copied()
    }

    /// When interest years end in the fund of an account.
    pub(crate) fn interest_calendar(&self, fund: FundNumber) -> InterestCalendar {
        InterestCalendar::of(self.fund(fund).map_or(FundFamily::Special, |fund| fund.definition.family))
    }

    /// The day from which on what an event credits to a personal account earns interest: its own, but a year's interest is
    /// part of the balance that the next year begins with, whenever it is credited.
    pub(super) fn interest_day(&self, payload: &Payload, fund: FundNumber, day: Day) -> Day {
        if let Payload::Persons(event) = payload
            && let PersonsEvent::InterestCredited { year, .. } = event.as_ref()
        {
            return self.interest_calendar(fund).last_day(*year);
        }
        day
    }

    /// What has to be done before an event's legs are taken into account.
    pub(super) fn settle_interest(&mut self, payload: &Payload) {
        let Payload::Persons(event) = payload else { return };
        let PersonsEvent::InterestCredited { year, lines, .. } = event.as_ref() else { return };
        for line in lines {
            if let Some(personal) = self.families.personals.get_mut(&line.account) {
                personal.settle(*year);
            }
        }
    }

    pub(super) fn apply_nontax(&mut self, event: &NontaxEvent, legs: &[Leg]) {
        if let NontaxEvent::Noticed { notice_id, fund, payer, item_code, amount, .. } = event {
            let (item_code, due_minor) = (item_code.clone(), amount.minor());
            let notice =
                Notice { fund: *fund, payer: *payer, item_code, due_minor, pending_minor: 0, shares: Vec::new() };
            self.families.notices.insert(notice_id.clone(), notice);
        }
        let Some(notice) = self.families.notices.get_mut(event.notice_id()) else { return };
        for leg in legs {
            let Some(account) = self.accounts.get(leg.account.index()) else { continue };
            if account.kind != AccountKind::Treasury {
                notice.change(leg.account, account.kind, account.kind.change(leg.debit_minor));
            }
        }
    }

    pub(super) fn apply_persons(&mut self, sequence: Sequence, event: &PersonsEvent, legs: &[Leg]) {
        match event {
            PersonsEvent::EligibilityRecorded { person, fact, effective_on, fund, .. } => {
                let fact = Eligibility { fact: *fact, effective_on: *effective_on, fund: *fund };
                self.families.facts.entry(*person).or_default().push(fact);
            }
            PersonsEvent::ContributionReceived { period, kind, lines, .. } => {
                let is_regular = |_: &&ContributionLine| *kind == ContributionKind::Regular;
                for line in lines.iter().filter(is_regular) {
                    if let Some(holder) = self.holder_of(line.account) {
                        self.families.contributed.entry(holder).or_default().insert(*period);
                    }
                }
            }
            PersonsEvent::BenefitPaid { payment_id, account, item_code, period, .. } => {
                let entitlement = Some((item_code.clone(), *period));
                self.insert_benefit(sequence, payment_id, *account, entitlement, legs);
                if let Some((fund, person)) = self.holder_of(*account) {
                    self.families.set_paid(fund, person, item_code, *period);
                }
            }
            PersonsEvent::BenefitRecovered { payment_id, .. } => self.recover_benefit(payment_id, legs),
            PersonsEvent::IncomeReceived { .. }
            | PersonsEvent::FundsMoved { .. }
            | PersonsEvent::RelationTransferred { .. }
            | PersonsEvent::InterestCredited { .. } => {}
        }
    }

    pub(super) fn apply_housing(&mut self, sequence: Sequence, day: Day, event: &HousingEvent, legs: &[Leg]) {
        match event {
            HousingEvent::Withdrawn { payment_id, account, .. } => {
                self.insert_benefit(sequence, payment_id, *account, None, legs);
            }
            HousingEvent::LoanIssued { loan_id, account, rate_ppm, .. } => {
                let loan = Loan {
                    fund: self.fund_of(legs),
                    account: *account,
                    rate_ppm: *rate_ppm,
                    owed_minor: self.amount_on(legs, AccountKind::Loan),
                    issued: day.period(),
                    repaid_through: None,
                };
                self.families.loans.insert(loan_id.clone(), loan);
            }
            HousingEvent::LoanRepaid { loan_id, period, .. } => {
                let principal = self.amount_on(legs, AccountKind::Loan);
                if let Some(loan) = self.families.loans.get_mut(loan_id) {
                    loan.owed_minor = money::subtract(loan.owed_minor, principal);
                    loan.repaid_through = Some(*period);
                }
            }
            HousingEvent::SurplusDistributed { .. } => {}
        }
    }

    pub(super) fn apply_oversight(&mut self, sequence: Sequence, actor: &ActorId, event: &OversightEvent) {
        match event {
            Oversight::Flag(flag) => {
                let finding = Finding { flagged_by: actor.clone(), stage: FindingStage::Open };
                self.families.findings.insert(flag.finding_id.clone(), finding);
            }
            Oversight::Explanation { finding_id, .. } => self.set_finding(finding_id, FindingStage::Explained),
            Oversight::Rectification { finding_id, .. } => self.set_finding(finding_id, FindingStage::Rectified),
            Oversight::FindingClose { finding_id, .. } => self.set_finding(finding_id, FindingStage::Closed),
            Oversight::MatterOpen(matter) => drop(self.families.matters.insert(matter.matter_id.clone(), true)),
            Oversight::MatterClose { matter_id, .. } => {
                self.families.matters.insert(matter_id.clone(), false);
            }
            Oversight::Disclosure { disclosure_id, as_of, .. } => {
                self.families.disclosures.insert(disclosure_id.clone(), *as_of);
            }
            Oversight::Reopening { fund, period, .. } => {
                if let Some(fund) = self.funds.get_mut(fund.index()) {
                    let before = period.previous();
                    fund.closed_period = Some(before);
                    fund.closed_day = fund.closed_day.map(|day| day.min(before.last_day()));
                }
            }
            Oversight::Goal(goal) => self.set_goal(sequence, goal),
            Oversight::Output(output) => self.record_output(sequence, output),
            Oversight::Reconciliation(_) | Oversight::Performance { .. } | Oversight::PersonalData(_) => {}
        }
    }

    /// What was put right stays so, whatever is explained afterwards.
    fn set_finding(&mut self, finding_id: &FindingId, stage: FindingStage) {
        if let Some(finding) = self.families.findings.get_mut(finding_id)
            && !(finding.stage == FindingStage::Rectified && stage == FindingStage::Explained)
        {
            finding.stage = stage;
        }
    }

    /// What a payment is tied to, by the fund of its legs.
    pub(super) fn tie_payment(&mut self, fund: FundNumber, payment: &PaymentExecuted, amount_minor: i64) -> u32 {
        let Some(family) = self.fund(fund).map(|fund| fund.definition.family) else { return 0 };
        self.families.tie_payment(fund, family, payment, amount_minor)
    }

    /// Whose a personal account is, and in which fund.
    fn holder_of(&self, account: AccountNumber) -> Option<(FundNumber, PayeeRef)> {
        let fund = self.account(account)?.fund;
        self.families.personals.get(&account).map(|personal| (fund, personal.person))
    }

    fn insert_benefit(
        &mut self,
        sequence: Sequence,
        payment_id: &PaymentId,
        account: AccountNumber,
        entitlement: Option<(Code, Period)>,
        legs: &[Leg],
    ) {
        let claims = legs.iter().filter(|leg| leg.debit_minor > 0).map(|leg| (leg.account, leg.debit_minor)).collect();
        let cash = legs.iter().find(|leg| leg.debit_minor < 0).map_or(AccountNumber::default(), |leg| leg.account);
        let benefit = Benefit { sequence, account, cash, entitlement, claims };
        self.families.benefits.insert(payment_id.clone(), benefit);
    }

    fn recover_benefit(&mut self, payment_id: &PaymentId, legs: &[Leg]) {
        let Some(benefit) = self.families.benefits.get_mut(payment_id) else { return };
        for leg in legs.iter().filter(|leg| leg.debit_minor < 0) {
            if let Some((_, left)) = benefit.claims.iter_mut().find(|(account, _)| *account == leg.account) {
                *left = money::add(*left, leg.debit_minor);
            }
        }
        let whole = benefit.entitlement.clone().filter(|_| benefit.left_minor() == 0);
        let holder = self.families.benefits.get(payment_id).and_then(|benefit| self.holder_of(benefit.account));
        if let (Some((item, period)), Some((fund, person))) = (whole, holder) {
            self.families.set_unpaid(fund, person, &item, period);
        }
    }
}
