//! Contributions, relations that move, and the money behind persons' accounts on its way through a fund's own banks.

use std::collections::BTreeSet;

use super::accounts::{PERSONAL, Person};
use super::closings::last_day_of;
use super::payments::{Sign, due, moved, total};
use super::policies::rate;
use super::rounding::{MILLION, at_rate, half_up};
use super::{Books, Posting, Step};
use crate::audit::report::FaultKind;
use crate::pb::v1::{
    AccountKind as Kind, ContributionKind, ContributionLine, ContributionReceived, FundFamily, PolicyTerms, RateKind,
    RelationTransferred, TransferDirection,
};

const LINES_MAX: usize = 512;

/// Regular contributions: person, month, fund, account.
#[derive(Default)]
pub(super) struct Contributions(BTreeSet<(Person, i32, i32, i32)>);

impl Contributions {
    /// Funds and accounts with a person's regular contribution for a month.
    fn of(&self, person: Person, period: i32) -> impl Iterator<Item = (i32, i32)> {
        let (first, last) = ((person, period, i32::MIN, i32::MIN), (person, period, i32::MAX, i32::MAX));
        self.0.range(first..=last).map(|(_, _, fund, account)| (*fund, *account))
    }
}

/// What the lines of a contribution make together.
#[derive(Default)]
struct Sums {
    own: Vec<(i32, i64)>,
    pooled: i128,
    all: i128,
}

impl Books {
    /// 缴费: each person's parts by the policy's rates, to the pool and to their own account; regular ones once a month, and
    /// not in two funds that exclude each other.
    pub(super) fn contribute(&mut self, step: Step<'_>, received: &ContributionReceived, postings: &[Posting]) {
        // Without a leg that can stand there is nothing to hold the lines against; that was found already.
        let Some(fund) = self.fund_of(postings) else { return };
        let kind = received.kind();
        if kind == ContributionKind::Unspecified {
            self.wrong(step, fact!("a contribution of no known kind"));
        }
        if received.lines.is_empty() || received.lines.len() > LINES_MAX {
            self.wrong(step, fact!("a contribution of {} persons", received.lines.len()));
        }
        if last_day_of(received.period).is_none() {
            self.wrong(step, fact!("{} is no month", received.period));
        }
        let terms = self.terms(step, fund);
        let is_housing = self.family(fund) == FundFamily::HousingProvident;
        let mut sums = Sums::default();
        let mut seen = BTreeSet::new();
        for line in &received.lines {
            self.check_parts(step, line, &terms, is_housing);
            let own = if is_housing { line.employer_minor } else { 0 };
            let pooled = if is_housing { 0 } else { line.employer_minor };
            sums.own.push((line.account, line.personal_minor.saturating_add(own)));
            let pooled = i128::from(pooled).saturating_add(line.personal_pooled_minor.into());
            sums.pooled = sums.pooled.saturating_add(pooled);
            sums.all = sums.all.saturating_add(pooled).saturating_add(line.personal_minor.into());
            if !seen.insert(line.account) {
                self.wrong(step, fact!("account {} stands in the event twice", line.account));
                continue;
            }
            let Some(owner) = self.owner(step, fund, line.account) else { continue };
            if self.accounts.get(line.account).is_some_and(|account| account.is_closed) {
                self.wrong(step, fact!("a contribution to account {}, which is closed", line.account));
            }
            if kind == ContributionKind::Regular {
                self.check_regular(step, fund, line.account, owner, received.period);
            }
        }
        self.check_late_fee(step, received, &terms, is_housing, sums.all);
        if moved(postings, PERSONAL, Sign::Credit) != due(sums.own.into_iter()) {
            self.wrong(step, fact!("the accounts are not credited what the lines say"));
        }
        let credited = total(postings, Kind::Pool, Sign::Credit);
        let pooled = sums.pooled.saturating_add(received.late_fee_minor.into());
        if i128::from(credited) != pooled {
            self.wrong(step, fact!("the pool is credited {}, the event makes {}", credited, pooled));
        }
        if moved(postings, &[Kind::Pool], Sign::Credit).len() > 1 {
            self.findings.add(step.sequence, FaultKind::Leg, fact!("the pool stands in more than one leg"));
        }
        self.check_single(step, Sign::Debit, postings);
    }

    fn check_parts(&mut self, step: Step<'_>, line: &ContributionLine, terms: &PolicyTerms, is_housing: bool) {
        let account = line.account;
        let parts = [line.employer_minor, line.personal_minor, line.personal_pooled_minor];
        if line.base_minor < 0 || parts.iter().any(|part| *part < 0) {
            self.wrong(step, fact!("an amount of account {} is below zero", account));
            return;
        }
        let pooled_rate = rate(terms, RateKind::PersonalPooledContribution).filter(|_| !is_housing);
        let rates = [
            rate(terms, RateKind::EmployerContribution),
            rate(terms, RateKind::PersonalContribution),
            // What no rate makes, a person does not pay to the pool.
            Some(pooled_rate.unwrap_or(0)),
        ];
        for (part, ppm) in parts.into_iter().zip(rates) {
            let Some(computed) = ppm.map(|ppm| at_rate(line.base_minor, ppm)) else { continue };
            if i128::from(part) != computed {
                self.wrong(step, fact!("a part of {} for account {}, the rate makes {}", part, account, computed));
            }
        }
    }

    /// 社会保险法§86: a rate a day of what is late.
    fn check_late_fee(
        &mut self,
        step: Step<'_>,
        received: &ContributionReceived,
        terms: &PolicyTerms,
        is_housing: bool,
        late: i128,
    ) {
        let ppm = rate(terms, RateKind::LateFee).filter(|_| !is_housing).unwrap_or(0);
        let days = received.late_days;
        if days < 0 {
            self.wrong(step, fact!("a contribution is late by {} days", days));
        }
        let fee = half_up(late.saturating_mul(ppm.into()).saturating_mul(days.max(0).into()), MILLION);
        if i128::from(received.late_fee_minor) != fee {
            self.wrong(step, fact!("a late fee of {}, the rate makes {}", received.late_fee_minor, fee));
        }
    }

    fn check_regular(&mut self, step: Step<'_>, fund: i32, account: i32, owner: Person, period: i32) {
        let known: Vec<(i32, i32)> = self.contributions.of(owner, period).collect();
        for (other_fund, other) in known {
            if other == account {
                self.wrong(step, fact!("account {} has its regular contribution for {} already", account, period));
            } else if self.exclude_each_other(fund, other_fund) {
                let message = fact!(
                    "the person of account {} contributes for {} to fund {} already",
                    account,
                    period,
                    other_fund
                );
                self.wrong(step, message);
            }
        }
        self.contributions.0.insert((owner, period, fund, account));
    }

    /// 关系转移接续: out goes the whole personal account; the pool's part is a rate of the wages either way.
    pub(super) fn transfer(&mut self, step: Step<'_>, transferred: &RelationTransferred, postings: &[Posting]) {
        let direction = transferred.direction();
        let sign = match direction {
            TransferDirection::Unspecified => return self.wrong(step, fact!("a relation moves in no direction")),
            TransferDirection::In => Sign::Credit,
            TransferDirection::Out => Sign::Debit,
        };
        let Some(fund) = self.fund_of(postings) else { return };
        if self.owner(step, fund, transferred.account).is_none() {
            return;
        }
        self.check_own_leg(step, transferred.account, sign, postings);
        let left = self.accounts.get(transferred.account).map_or(0, |account| account.balance);
        if direction == TransferDirection::Out && left != 0 {
            self.wrong(step, fact!("a relation moves, but account {} keeps {}", transferred.account, left));
        }
        let terms = self.terms(step, fund);
        let ppm = rate(&terms, RateKind::PoolTransfer).unwrap_or(0);
        let pooled = at_rate(transferred.wage_base_minor.max(0), ppm);
        let given = total(postings, Kind::Pool, sign);
        if i128::from(given) != pooled || transferred.wage_base_minor < 0 {
            self.wrong(step, fact!("the pool's part is {}, the rate makes {}", given, pooled));
        }
    }

    /// On one side, of all persons' accounts only the one that the event names stands, and once.
    pub(super) fn check_own_leg(&mut self, step: Step<'_>, account: i32, sign: Sign, postings: &[Posting]) {
        let own = moved(postings, PERSONAL, sign);
        if own.len() > 1 || own.iter().any(|(other, _)| *other != account) {
            let message = fact!("the event is about account {}, a leg about another person's", account);
            self.findings.add(step.sequence, FaultKind::Leg, message);
        }
    }

    /// 资金划转: from one account to one other, by one of the ways that money may take.
    pub(super) fn move_funds(&mut self, step: Step<'_>, postings: &[Posting]) {
        let mut wrong = |message| self.findings.add(step.sequence, FaultKind::Leg, message);
        let [one, other] = postings else {
            if postings.len() == step.legs.len() {
                wrong(fact!("{} legs move money from one account to another", postings.len()));
            }
            return;
        };
        let (to, from) = if one.amount > 0 { (one, other) } else { (other, one) };
        if !may_move(from.kind, to.kind) {
            let (from, to) = (from.kind.as_str_name(), to.kind.as_str_name());
            wrong(fact!("money moves from {} to {}", from, to));
        }
    }
}

/// The ways: 收入户 only passes on; deposits, bonds and other levels are two-way.
fn may_move(from: Kind, to: Kind) -> bool {
    const BANKS: &[Kind] = &[Kind::Treasury, Kind::FiscalSpecial, Kind::Payout];
    const LEVELS: &[Kind] = &[Kind::PayableUpper, Kind::PayableLower];
    const TWO_WAY: &[(Kind, Kind)] = &[
        (Kind::FiscalSpecial, Kind::Payout),
        (Kind::HousingDeposit, Kind::HousingSurplusDeposit),
        (Kind::FiscalSpecial, Kind::Bond),
        (Kind::HousingDeposit, Kind::Bond),
    ];
    (from, to) == (Kind::Income, Kind::FiscalSpecial)
        || TWO_WAY.contains(&(from, to))
        || TWO_WAY.contains(&(to, from))
        || (BANKS.contains(&from) && LEVELS.contains(&to))
        || (LEVELS.contains(&from) && BANKS.contains(&to))
}
