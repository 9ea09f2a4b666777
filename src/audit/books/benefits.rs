//! What persons get: benefits and withdrawals until they come back, and who may be paid what (I8, I12, I14).

use std::collections::BTreeMap;

use super::accounts::{PERSONAL, Person, person};
use super::closings::last_day_of;
use super::payments::{Sign, total};
use super::policies::item;
use super::rounding::by_weight;
use super::rows::Rows;
use super::{Books, Posting, Step};
use crate::audit::frame::Fingerprint;
use crate::audit::report::{Fact, FaultKind};
use crate::pb::v1::{
    AccountKind as Kind, BenefitPaid, BenefitRecovered, EligibilityFact, EligibilityRecorded, HousingWithdrawn,
    PolicyTerms,
};

/// What a person may have once: an item of a fund for a month.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    person: Person,
    period: i32,
    fund: i32,
    item: Fingerprint,
}

/// A benefit or a withdrawal, and what has not come back of it.
struct Voucher {
    sequence: i64,
    fund: i32,
    account: i32,
    from_pool: i64,
    from_person: i64,
    claim: Option<Claim>,
}

struct Recorded {
    fact: EligibilityFact,
    effective_day: i32,
    /// 0 for all.
    fund: i32,
}

/// What persons got, and what is known of them.
#[derive(Default)]
pub(super) struct Benefits {
    vouchers: Rows<Voucher>,
    /// What was paid for a month and did not come back whole.
    paid: BTreeMap<(Person, i32), Vec<Claim>>,
    facts: BTreeMap<Person, Vec<Recorded>>,
}

impl Benefits {
    /// Whether there is none: then no payment can have the number of one.
    pub(super) fn is_empty(&self) -> bool {
        self.vouchers.is_empty()
    }

    /// Where a voucher number was used.
    pub(super) fn sequence_of(&self, voucher: Fingerprint) -> Option<i64> {
        self.vouchers.get(voucher).map(|voucher| voucher.sequence)
    }

    /// What was paid came back whole: it may be paid again.
    pub(super) fn free(&mut self, claim: Claim) {
        let Some(paid) = self.paid.get_mut(&(claim.person, claim.period)) else { return };
        if let Some(at) = paid.iter().position(|other| *other == claim) {
            paid.swap_remove(at);
        }
    }

    /// Whether the last fact that holds on a day keeps a person from being paid.
    fn is_barred(&self, person: Person, fund: i32, day: i32) -> bool {
        let holds = |known: &&Recorded| known.effective_day <= day && (known.fund == 0 || known.fund == fund);
        let known = self.facts.get(&person).into_iter().flatten().filter(holds);
        // Of several on one day the last counts.
        known.max_by_key(|known| known.effective_day).is_some_and(|known| known.fact != EligibilityFact::Restored)
    }
}

/// First day of a month.
fn first_day_of(period: i32) -> Option<i32> {
    last_day_of(period)?;
    let day_before = if period.rem_euclid(100) == 1 { period.checked_sub(89)? } else { period.checked_sub(1)? };
    // The first month of the calendar has none before it: nobody is paid for it.
    last_day_of(day_before)?.checked_add(1)
}

impl Books {
    /// A fact about a person is recorded.
    pub(super) fn record_fact(&mut self, step: Step<'_>, recorded: &EligibilityRecorded) {
        let fact = recorded.fact();
        let is_of_fund = recorded.fund == 0 || self.funds.get(recorded.fund).is_some();
        let Some(person) = person(&recorded.person).filter(|_| fact != EligibilityFact::Unspecified && is_of_fund)
        else {
            return self.wrong(step, fact!("a fact about nobody, of an unknown fund, or of no known kind"));
        };
        let row = Recorded { fact, effective_day: recorded.effective_day, fund: recorded.fund };
        self.benefits.facts.entry(person).or_default().push(row);
    }

    /// A person is paid an item for a month: one of the policy's, within its limit, once, and by nobody else whom the fund
    /// excludes; and nothing that is known of the person stands against it.
    pub(super) fn claim(
        &mut self,
        step: Step<'_>,
        fund: i32,
        person: Person,
        of: (&str, i32),
        paid: i64,
        terms: &PolicyTerms,
    ) -> Claim {
        let (code, period) = of;
        match item(terms, code) {
            None => self.wrong(step, fact!("{} is no item of the policy", format_args!("{code:?}"))),
            Some(item) if item.max_amount_minor > 0 && paid > item.max_amount_minor => {
                let message =
                    fact!("{} is paid of {}, at most {} may be", paid, format_args!("{code:?}"), item.max_amount_minor);
                self.wrong(step, message);
            }
            Some(_) => {}
        }
        match first_day_of(period) {
            None => self.wrong(step, fact!("{} is no month", period)),
            Some(day) if self.benefits.is_barred(person, fund, day) => {
                self.wrong(step, fact!("a person is paid for {} who may not be", period));
            }
            Some(_) => {}
        }
        let claim = Claim { person, period, fund, item: self.fingerprints.of(code) };
        let mut paid = self.benefits.paid.remove(&(person, period)).unwrap_or_default();
        if let Some(other) = paid.iter().find(|other| self.exclude_each_other(fund, other.fund)) {
            self.wrong(step, fact!("a person is paid for {} whom fund {} pays already", period, other.fund));
        }
        if paid.contains(&claim) {
            self.wrong(step, fact!("a person is paid {} for {} a second time", format_args!("{code:?}"), period));
        }
        paid.push(claim);
        self.benefits.paid.insert((person, period), paid);
        claim
    }

    /// 待遇发放: from the pool or the person's own account as the item allows.
    pub(super) fn pay_benefit(&mut self, step: Step<'_>, paid: &BenefitPaid, postings: &[Posting]) {
        let Some(fund) = self.fund_of(postings) else { return };
        let from_pool = total(postings, Kind::Pool, Sign::Debit);
        let from_person = total(postings, Kind::Personal, Sign::Debit);
        let owner = self.owner(step, fund, paid.account);
        self.check_own_leg(step, paid.account, Sign::Debit, postings);
        let terms = self.terms(step, fund);
        if let Some(item) = item(&terms, &paid.item_code) {
            for (part, is_allowed, source) in
                [(from_pool, item.from_pool, "POOL"), (from_person, item.from_personal, "PERSONAL")]
            {
                if part > 0 && !is_allowed {
                    let code = format_args!("{:?}", paid.item_code);
                    self.wrong(step, fact!("{} is paid of {}, which the policy does not let pay it", code, source));
                }
            }
        }
        let whole = from_pool.saturating_add(from_person);
        let of = (paid.item_code.as_str(), paid.period);
        let claim = owner.map(|owner| self.claim(step, fund, owner, of, whole, &terms));
        let account = paid.account;
        let voucher = Voucher { sequence: step.sequence, fund, account, from_pool, from_person, claim };
        self.enter(step, &paid.payment_id, voucher);
    }

    /// 提取 (住房公积金管理条例§24): for one of the policy's reasons.
    pub(super) fn withdraw(&mut self, step: Step<'_>, withdrawn: &HousingWithdrawn, postings: &[Posting]) {
        let Some(fund) = self.fund_of(postings) else { return };
        self.owner(step, fund, withdrawn.account);
        self.check_own_leg(step, withdrawn.account, Sign::Debit, postings);
        let terms = self.terms(step, fund);
        if !terms.withdrawal_reasons.contains(&withdrawn.reason_code) {
            let reason = format_args!("{:?}", withdrawn.reason_code);
            self.wrong(step, fact!("{} is no reason of the policy to withdraw", reason));
        }
        let from_person = total(postings, Kind::HousingPersonal, Sign::Debit);
        let (sequence, account) = (step.sequence, withdrawn.account);
        let voucher = Voucher { sequence, fund, account, from_pool: 0, from_person, claim: None };
        self.enter(step, &withdrawn.payment_id, voucher);
    }

    /// Voucher numbers are used once, among payments too.
    fn enter(&mut self, step: Step<'_>, payment_id: &str, voucher: Voucher) {
        let key = self.fingerprints.of(payment_id);
        let first = match self.payments.get(key) {
            Some(payment) => Err(payment.sequence),
            None => self.benefits.vouchers.add(key, voucher).map_err(|first| first.sequence),
        };
        if let Err(first) = first {
            let message = fact!("payment {} was ordered before, at sequence {}", format_args!("{payment_id:?}"), first);
            self.wrong(step, message);
        }
    }

    /// 退回, 追回: at most what is left, to the pool and the person by what each still lacks.
    pub(super) fn recover(&mut self, step: Step<'_>, recovered: &BenefitRecovered, postings: &[Posting]) {
        let payment_id = &recovered.payment_id;
        let named = format!("{payment_id:?}");
        let mut over = |message: Fact| self.findings.add(step.sequence, FaultKind::OverReturn, message);
        let Some(voucher) = self.benefits.vouchers.get_mut(self.fingerprints.of(payment_id)) else {
            return over(fact!("return of unknown payment {}", named));
        };
        if recovered.original_sequence != voucher.sequence {
            let told = recovered.original_sequence;
            over(fact!("payment {} is that of sequence {}, not {}", named, voucher.sequence, told));
        }
        if self.releases.is_waiting((voucher.sequence, 0)) {
            over(fact!("payment {} comes back before it was released", named));
        }
        let to_pool = total(postings, Kind::Pool, Sign::Credit);
        let to_person =
            PERSONAL.iter().fold(0_i64, |sum, kind| sum.saturating_add(total(postings, *kind, Sign::Credit)));
        let amount = to_pool.saturating_add(to_person);
        let left = voucher.from_pool.saturating_add(voucher.from_person);
        let is_over = amount > left;
        if is_over {
            over(fact!("{} of payment {} is returned, {} is left", amount, named, left));
        }
        let is_fair = by_weight(amount, &[voucher.from_pool, voucher.from_person]) == [to_pool, to_person];
        voucher.from_pool = voucher.from_pool.saturating_sub(to_pool).max(0);
        voucher.from_person = voucher.from_person.saturating_sub(to_person).max(0);
        let is_whole = voucher.from_pool == 0 && voucher.from_person == 0;
        let (fund, account) = (voucher.fund, voucher.account);
        let claim = if is_whole { voucher.claim.take() } else { None };
        if !is_over && !is_fair {
            self.wrong(step, fact!("the return of {} does not go where it is lacking", named));
        }
        if let Some(claim) = claim {
            self.benefits.free(claim);
        }
        self.check_fund(step, fund, postings);
        self.check_own_leg(step, account, Sign::Credit, postings);
    }
}
