//! Interest on persons' accounts: the basis of each year, derived again from every change by its effective day.

use std::collections::BTreeSet;

use super::accounts::{PERSONAL, Person};
use super::closings::last_day_of;
use super::kinds::change;
use super::payments::{Sign, due, moved};
use super::policies::rate;
use super::rounding::{MILLION, half_up};
use super::{Books, Posting, Step};
use crate::audit::report::FaultKind;
use crate::pb::v1::event::Payload;
use crate::pb::v1::{FundFamily, InterestCredited, InterestMethod, RateKind};

/// Days of a year by the day-product method.
const PRODUCT_YEAR_DAYS: i128 = 360;

/// What is remembered of a person's account besides its balance.
pub(super) struct Personal {
    pub(super) person: Person,
    /// The last year whose interest was credited, and its last day.
    credited: Option<(i32, i32)>,
    /// All changes up to that day: whatever year comes next begins with their sum.
    settled: i128,
    /// Later ones, each with its effective day.
    open: Vec<(i32, i64)>,
}

impl Personal {
    pub(super) const fn new(person: Person) -> Self {
        Self { person, credited: None, settled: 0, open: Vec::new() }
    }

    fn change(&mut self, day: i32, amount: i64) {
        if self.credited.is_some_and(|(_, last)| day <= last) {
            self.settled = self.settled.saturating_add(amount.into());
        } else {
            self.open.push((day, amount));
        }
    }

    /// What the account held when a year began.
    fn opening(&self, first: i32) -> i128 {
        let before = self.open.iter().filter(|(day, _)| *day < first);
        before.fold(self.settled, |sum, (_, amount)| sum.saturating_add((*amount).into()))
    }

    /// 积数: each change times the days of the year that it counts for, its own among them.
    fn product(&self, first: i32, last: i32) -> i128 {
        let days = |from: i32| i128::from(last).saturating_sub(from.into()).saturating_add(1);
        let whole_year = self.settled.saturating_mul(days(first));
        let counts = self.open.iter().filter(|(day, _)| *day <= last);
        counts.fold(whole_year, |sum, (day, amount)| {
            sum.saturating_add(i128::from(*amount).saturating_mul(days((*day).max(first))))
        })
    }

    fn settle(&mut self, year: i32, last: i32) {
        let settled = self.open.iter().filter(|(day, _)| *day <= last).map(|(_, amount)| *amount);
        self.settled = settled.fold(self.settled, |sum, amount| sum.saturating_add(amount.into()));
        self.open.retain(|(day, _)| *day > last);
        self.credited = Some((year, last));
    }
}

/// First and last day of an interest year: in the housing provident fund it ends with June, else with December.
fn days_of(family: FundFamily, year: i32) -> Option<(i32, i32)> {
    let month = if family == FundFamily::HousingProvident { 6 } else { 12 };
    let end = |year: i32| last_day_of(year.checked_mul(100)?.checked_add(month)?);
    Some((end(year.checked_sub(1)?)?.checked_add(1)?, end(year)?))
}

impl Books {
    /// Remembers what an event did to persons' accounts. Its own interest is never part of what it is computed of.
    pub(super) fn remember_changes(&mut self, step: Step<'_>, postings: &[Posting]) {
        for posting in postings.iter().filter(|posting| PERSONAL.contains(&posting.kind)) {
            let mut day = step.business_day;
            // A year's interest counts from the next year on, whenever it was credited.
            if let Payload::InterestCredited(credited) = step.payload
                && let Some((_, last)) = days_of(self.family(credited.fund), credited.year)
            {
                day = last;
            }
            if let Some(account) = self.accounts.get_mut(posting.account)
                && let Some(personal) = &mut account.personal
            {
                personal.change(day, change(posting.kind, posting.amount));
            }
        }
    }

    /// 结息: by the policy's rate and method, of what the changes make, once a year.
    pub(super) fn credit_interest(&mut self, step: Step<'_>, credited: &InterestCredited, postings: &[Posting]) {
        let (fund, year) = (credited.fund, credited.year);
        self.check_fund(step, fund, postings);
        let terms = self.terms(step, fund);
        if rate(&terms, RateKind::PersonalInterest) != Some(credited.rate_ppm) {
            self.wrong(step, fact!("interest at {} ppm, which is not the policy's rate", credited.rate_ppm));
        }
        let method = credited.method();
        if method == InterestMethod::Unspecified || credited.method != terms.interest_method {
            self.wrong(step, fact!("interest by method {}, which is not the policy's", method.as_str_name()));
        }
        let Some((first, last)) = days_of(self.family(fund), year) else {
            return self.wrong(step, fact!("interest of {}, which is no year", year));
        };
        if step.business_day < last {
            self.wrong(
                step,
                fact!("interest of {} is credited on day {}, before the year has ended", year, step.business_day),
            );
        }
        let mut seen = BTreeSet::new();
        for line in &credited.lines {
            if !seen.insert(line.account) {
                self.wrong(step, fact!("account {} stands in the event twice", line.account));
                continue;
            }
            if self.owner(step, fund, line.account).is_none() {
                continue;
            }
            let account = self.accounts.get_mut(line.account);
            let Some(personal) = account.and_then(|account| account.personal.as_mut()) else { continue };
            if personal.credited.is_some_and(|(before, _)| before >= year) {
                self.wrong(
                    step,
                    fact!("account {} was credited interest of {} or a later year before", line.account, year),
                );
                continue;
            }
            let (basis, divisor) = match method {
                InterestMethod::DayProduct => {
                    (personal.product(first, last), PRODUCT_YEAR_DAYS.saturating_mul(MILLION))
                }
                InterestMethod::OpeningBalance | InterestMethod::Unspecified => (personal.opening(first), MILLION),
            };
            personal.settle(year, last);
            if basis != i128::from(line.basis) {
                let message =
                    fact!("the interest of account {} is of {}, its changes make {}", line.account, line.basis, basis);
                self.wrong(step, message);
            }
            // Money drawn before it was there, by dates that ran backwards, earns nothing; nor does it cost.
            let earned = i128::from(line.basis.max(0)).saturating_mul(credited.rate_ppm.into());
            let interest = half_up(earned, divisor);
            if interest != i128::from(line.interest_minor) {
                let told = line.interest_minor;
                self.wrong(
                    step,
                    fact!("the interest of account {} is {}, its basis makes {}", line.account, told, interest),
                );
            }
        }
        let lines = credited.lines.iter().map(|line| (line.account, line.interest_minor));
        if moved(postings, PERSONAL, Sign::Credit) != due(lines) {
            self.wrong(step, fact!("the accounts are not credited what the lines say"));
        }
        self.check_single(step, Sign::Debit, postings);
    }

    /// All of one side is one leg.
    pub(super) fn check_single(&mut self, step: Step<'_>, sign: Sign, postings: &[Posting]) {
        let count = postings.iter().filter(|posting| (posting.amount > 0) == (sign == Sign::Debit)).count();
        if count > 1 {
            self.findings.add(step.sequence, FaultKind::Leg, fact!("{} legs stand where one has to", count));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::arithmetic_side_effects, reason = "numbers of small tests; an overflow traps")]

    use super::*;

    fn day(period: i32, day: i32) -> i32 {
        last_day_of(if period % 100 == 1 { period - 89 } else { period - 1 }).unwrap() + day
    }

    fn housing() -> Personal {
        let mut personal = Personal::new([1; 16]);
        personal.change(day(202_506, 30), 3_600_000);
        for period in (202_507..=202_512).chain(202_601..=202_606) {
            personal.change(day(period, 15), 240_000);
        }
        personal.change(day(202_601, 20), -1_000_000);
        personal
    }

    #[test]
    fn products_are_those_of_the_days() {
        let (first, last) = days_of(FundFamily::HousingProvident, 2026).unwrap();
        assert_eq!((first, last), (day(202_507, 1), day(202_606, 30)));
        assert_eq!(housing().product(first, last), 1_679_040_000);
        assert_eq!(housing().opening(first), 3_600_000);
    }

    #[test]
    fn a_settled_year_is_what_the_next_one_begins_with() {
        let (_, last) = days_of(FundFamily::HousingProvident, 2026).unwrap();
        let (first, end) = days_of(FundFamily::HousingProvident, 2027).unwrap();
        let (mut settled, mut open) = (housing(), housing());
        settled.settle(2026, last);
        for personal in [&mut settled, &mut open] {
            personal.change(last, 69_960);
            // Booked late, for a day of the settled year.
            personal.change(day(202_512, 31), 5);
            personal.change(first + 9, 7);
        }
        assert_eq!(settled.open.len(), 1);
        assert_eq!(settled.opening(first), open.opening(first));
        assert_eq!(settled.product(first, end), open.product(first, end));
        assert_eq!(settled.opening(first), 3_600_000 + 12 * 240_000 - 1_000_000 + 69_965);
    }

    #[test]
    fn years_end_where_the_family_says() {
        let social = days_of(FundFamily::SocialInsurance, 2026);
        assert_eq!(social, Some((day(202_601, 1), day(202_612, 31))));
        for year in [i32::MIN, -1, 0, 1, i32::MAX] {
            assert_eq!(days_of(FundFamily::SocialInsurance, year), None, "{year}");
        }
    }
}
