//! Payments that count against something besides their lots: payouts to persons, projects with estimates; and what is due for
//! head counts.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::person;
use super::benefits::Claim;
use super::kinds::DRAWABLE;
use super::legs::AMOUNT_MAX_MINOR;
use super::policies::{split, weights};
use super::rounding::by_weight;
use super::tables::ById;
use super::{Books, Posting, Step};
use crate::audit::frame::Fingerprint;
use crate::pb::v1::{EntitlementDetermined, EstimateApproved, FundFamily, PaymentExecuted};

/// A project of a fund.
pub(super) type ProjectKey = (i32, Fingerprint);

#[derive(Default)]
struct Project {
    estimate: i64,
    /// What it cost in the end, once that was approved.
    final_account: Option<i64>,
    paid: i64,
}

impl Project {
    fn cap(&self) -> i64 {
        self.final_account.map_or(self.estimate, |cost| cost.min(self.estimate))
    }
}

/// What a payment counts against, as long as it is not undone.
#[derive(Clone, Copy)]
struct Tie {
    claim: Option<Claim>,
    project: Option<ProjectKey>,
}

/// What payments count against.
#[derive(Default)]
pub(super) struct Payouts {
    /// Of the few payments that have one.
    ties: ById<Tie>,
    projects: BTreeMap<ProjectKey, Project>,
    /// Fund, unit, item, month.
    determined: BTreeSet<(i32, Fingerprint, Fingerprint, i32)>,
}

impl Payouts {
    /// A project's final account; gives its estimate and what was paid. `None` where it has no estimate.
    pub(super) fn close_project(&mut self, key: ProjectKey, cost: i64) -> Option<(i64, i64)> {
        let project = self.projects.get_mut(&key)?;
        project.final_account = Some(cost);
        Some((project.estimate, project.paid))
    }
}

impl Books {
    /// A payment was ordered: its voucher is no benefit's, a payout is one that the person may have, and a project of
    /// government investment stays within its estimate.
    pub(super) fn pay_out(&mut self, step: Step<'_>, payment: &PaymentExecuted, postings: &[Posting]) {
        let Some(fund) = self.fund_of(postings) else { return };
        let is_draw = |posting: &&Posting| posting.amount > 0 && DRAWABLE.contains(&posting.kind);
        let draws = postings.iter().filter(is_draw);
        let paid = draws.fold(0_i64, |sum, posting| sum.saturating_add(posting.amount));
        self.pay_contract(step, payment, paid, postings);
        let is_investment = self.family(fund) == FundFamily::Investment;
        if payment.payout.is_none() && !is_investment && self.benefits.is_empty() {
            return;
        }
        let key = self.fingerprints.of(&payment.payment_id);
        if let Some(first) = self.benefits.sequence_of(key) {
            let payment_id = format_args!("{:?}", payment.payment_id);
            self.wrong(step, fact!("payment {} was ordered before, at sequence {}", payment_id, first));
        }
        if payment.payout.is_none() && !is_investment {
            return;
        }
        let mut tie = Tie { claim: None, project: None };
        if let Some(payout) = &payment.payout {
            if let Some(payee) = person(&payment.payee) {
                let terms = self.terms(step, fund);
                let of = (payout.item_code.as_str(), payout.period);
                tie.claim = Some(self.claim(step, fund, payee, of, paid, &terms));
            } else {
                self.wrong(step, fact!("a payout to nobody"));
            }
        }
        if is_investment {
            let project = (fund, self.fingerprints.of(&payment.project_id));
            self.pay_project(step, project, &payment.project_id, paid);
            tie.project = Some(project);
        }
        self.payouts.ties.entry(key).or_insert(tie);
    }

    fn pay_project(&mut self, step: Step<'_>, key: ProjectKey, project_id: &str, paid: i64) {
        let Some(project) = self.payouts.projects.get_mut(&key).filter(|_| !project_id.is_empty()) else {
            return self
                .wrong(step, fact!("a payment of project {}, which has no estimate", format_args!("{project_id:?}")));
        };
        project.paid = project.paid.saturating_add(paid);
        let (paid, estimate) = (project.paid, project.cap());
        if paid > estimate {
            let project_id = format_args!("{project_id:?}");
            self.wrong(step, fact!("{} is paid for project {}, its estimate is {}", paid, project_id, estimate));
        }
    }

    /// Money of a payment came back, or the payment was reversed.
    pub(super) fn take_back(&mut self, payment_id: &str, amount: i64, is_whole: bool) {
        self.give_back_contract(payment_id, amount);
        if self.payouts.ties.is_empty() {
            return;
        }
        let key = self.fingerprints.of(payment_id);
        let Some(tie) = self.payouts.ties.get(&key).copied() else { return };
        if let Some(project) = tie.project.and_then(|project| self.payouts.projects.get_mut(&project)) {
            project.paid = project.paid.saturating_sub(amount).max(0);
        }
        if let Some(claim) = tie.claim.filter(|_| is_whole) {
            self.benefits.free(claim);
        }
        if is_whole {
            self.payouts.ties.remove(&key);
        }
    }

    /// 核定概算: of a fund of government investment, and no less than was paid already.
    pub(super) fn approve_estimate(&mut self, step: Step<'_>, approved: &EstimateApproved) {
        let project_id = format!("{:?}", approved.project_id);
        let amount = approved.amount_minor;
        if self.family(approved.fund) != FundFamily::Investment || amount <= 0 || approved.project_id.is_empty() {
            let message = fact!("an estimate of {} for project {} of fund {}", amount, project_id, approved.fund);
            self.wrong(step, message);
        }
        let key = (approved.fund, self.fingerprints.of(&approved.project_id));
        let project = self.payouts.projects.entry(key).or_default();
        project.estimate = amount;
        let paid = project.paid;
        if paid > amount {
            self.wrong(step, fact!("{} is paid for project {}, its estimate is {}", paid, project_id, amount));
        }
    }

    /// What is due for a head count: once, from each level by the policy's split.
    pub(super) fn determine(&mut self, step: Step<'_>, determined: &EntitlementDetermined) {
        let (fund, code) = (determined.fund, &determined.item_code);
        if self.funds.get(fund).is_none() {
            return self.wrong(step, fact!("an entitlement of unknown fund {}", fund));
        }
        let key = (fund, self.fingerprints.of(&determined.unit_id), self.fingerprints.of(code), determined.period);
        if !self.payouts.determined.insert(key) {
            let unit = format_args!("{:?}", determined.unit_id);
            let code = format_args!("{code:?}");
            self.wrong(step, fact!("what {} is due of {} for {} was determined before", unit, code, determined.period));
        }
        let terms = self.terms(step, fund);
        let Some(split) = split(&terms, code) else {
            return self.wrong(step, fact!("the policy has no split of {}", format_args!("{code:?}")));
        };
        let (heads, standard) = (determined.head_count, determined.standard_minor);
        let due = heads.checked_mul(standard).filter(|due| heads >= 0 && due.unsigned_abs() <= AMOUNT_MAX_MINOR);
        let Some(due) = due.filter(|due| *due >= 0) else {
            return self.wrong(step, fact!("{} heads at {} make no amount", heads, standard));
        };
        let recipients = split.shares.iter().map(|share| share.recipient.as_str());
        let expected = recipients.zip(by_weight(due, &weights(split)));
        let told = determined.shares.iter().map(|share| (share.recipient.as_str(), share.amount_minor));
        if !told.eq(expected) {
            self.wrong(step, fact!("the shares of {} are not those that the policy's split makes", due));
        }
    }
}
