//! The housing provident fund: loans month by month, and the surplus by the policy's split.

use super::closings::last_day_of;
use super::payments::{Sign, due, moved, total};
use super::policies::rate;
use super::rounding::{MILLION, half_up};
use super::tables::ById;
use super::{Books, Posting, Step};
use crate::audit::calendar::year_month;
use crate::pb::v1::{AccountKind as Kind, LoanIssued, LoanRepaid, RateKind};

const MONTHS_A_YEAR: i128 = 12;
const MONTHS_MAX: i32 = 360;
/// The code of the split of the surplus.
const SURPLUS: &str = "surplus";
const PARTS: &[Kind] = &[Kind::RiskReserve, Kind::ManagementFeePayable, Kind::LowRentHousing];

/// A loan.
struct Loan {
    fund: i32,
    rate_ppm: i32,
    owed: i64,
    /// Months from the year 0 to the one it was issued in.
    issued: i32,
    repaid_through: Option<i32>,
}

/// All loans.
#[derive(Default)]
pub(super) struct Loans(ById<Loan>);

impl Books {
    /// 贷款发放: to a person of the fund, at the policy's rate.
    pub(super) fn issue_loan(&mut self, step: Step<'_>, issued: &LoanIssued, postings: &[Posting]) {
        let Some(fund) = self.fund_of(postings) else { return };
        let loan_id = format!("{:?}", issued.loan_id);
        self.owner(step, fund, issued.account);
        let terms = self.terms(step, fund);
        if rate(&terms, RateKind::LoanInterest) != Some(issued.rate_ppm) {
            self.wrong(step, fact!("loan {} is at {} ppm, which is not the policy's rate", loan_id, issued.rate_ppm));
        }
        if !(1..=MONTHS_MAX).contains(&issued.months) || issued.instalment_minor < 1 {
            let (months, instalment) = (issued.months, issued.instalment_minor);
            self.wrong(step, fact!("loan {} is for {} months at {} each", loan_id, months, instalment));
        }
        let owed = total(postings, Kind::Loan, Sign::Debit);
        let (year, month) = year_month(step.business_day);
        let month = months(year, month);
        let loan = Loan { fund, rate_ppm: issued.rate_ppm, owed, issued: month, repaid_through: None };
        match self.loans.0.entry(self.fingerprints.of(&issued.loan_id)) {
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(loan);
            }
            std::collections::hash_map::Entry::Occupied(_) => {
                self.wrong(step, fact!("loan {} was issued before", loan_id));
            }
        }
    }

    /// 还贷: the interest of each month since the last repayment on what is owed; the rest is principal.
    pub(super) fn repay_loan(&mut self, step: Step<'_>, repaid: &LoanRepaid, postings: &[Posting]) {
        let loan_id = format!("{:?}", repaid.loan_id);
        let key = self.fingerprints.of(&repaid.loan_id);
        let Some(loan) = self.loans.0.get_mut(&key) else {
            return self.wrong(step, fact!("loan {} is unknown", loan_id));
        };
        let before = loan.repaid_through;
        loan.repaid_through = before.max(Some(repaid.period));
        let (fund, owed) = (loan.fund, loan.owed);
        let since = before.map_or(loan.issued, months_of);
        let months = months_of(repaid.period).saturating_sub(since).max(1);
        let interest = half_up(
            i128::from(owed.max(0)).saturating_mul(loan.rate_ppm.into()).saturating_mul(months.into()),
            MONTHS_A_YEAR.saturating_mul(MILLION),
        );
        let principal = total(postings, Kind::Loan, Sign::Credit);
        loan.owed = owed.saturating_sub(principal).max(0);
        self.check_fund(step, fund, postings);
        if last_day_of(repaid.period).is_none() {
            self.wrong(step, fact!("{} is no month", repaid.period));
        }
        if let Some(before) = before.filter(|before| repaid.period <= *before) {
            self.wrong(step, fact!("loan {} is repaid for {} after {}", loan_id, repaid.period, before));
        }
        let paid = total(postings, Kind::Surplus, Sign::Credit);
        if i128::from(paid) != interest {
            self.wrong(step, fact!("{} of interest is paid on loan {}, the rate makes {}", paid, loan_id, interest));
        }
        if principal > owed {
            self.wrong(step, fact!("{} of loan {} is repaid, {} is owed", principal, loan_id, owed));
        }
    }

    /// 增值收益分配 (住房公积金管理条例§29).
    pub(super) fn distribute_surplus(&mut self, step: Step<'_>, postings: &[Posting]) {
        let Some(fund) = self.fund_of(postings) else { return };
        let amount = total(postings, Kind::Surplus, Sign::Debit);
        let Some(parts) = self.split_by_policy(step, fund, SURPLUS, amount) else { return };
        let credited = moved(postings, PARTS, Sign::Credit);
        let is_twice = credited.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other));
        if is_twice || credited != due(parts.into_iter()) {
            self.wrong(step, fact!("the surplus is not distributed as the policy says"));
        }
    }
}

/// Months from the year 0.
const fn months(year: i32, month: i32) -> i32 {
    year.saturating_mul(12).saturating_add(month)
}

/// Months from the year 0 to one given as yyyymm.
const fn months_of(period: i32) -> i32 {
    months(period.div_euclid(100), period.rem_euclid(100))
}
