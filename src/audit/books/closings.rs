//! Closed days and months, and the trial balance that a month seals (I7, I10).

use sha2::{Digest, Sha256};

use super::Books;
use super::tables::{Cells, Fund};
use crate::audit::report::FaultKind;
use crate::pb::v1::{DayClosed, PeriodClosed, PeriodReopened};

const TRIAL_BALANCE_TAG: &[u8] = b"fundledger trial balance v1\n";
const MONTH_DAYS: [i32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/// Days from 0001-01-01 to 1970-01-01.
const EPOCH_DAYS: i32 = 719_162;
const YEAR_MAX: i32 = 9_999;

impl Books {
    pub(super) fn close_day(&mut self, sequence: i64, closed: DayClosed) {
        let Some(fund) = self.funds.get_mut(closed.fund) else {
            let message = fact!("a day of unknown fund {} is closed", closed.fund);
            return self.findings.add(sequence, FaultKind::ClosedPeriod, message);
        };
        if let Some(through) = fund.closed_through.filter(|through| closed.day <= *through) {
            let message = fact!("day {} is closed after day {}", closed.day, through);
            self.findings.add(sequence, FaultKind::ClosedPeriod, message);
        }
        fund.closed_through = fund.closed_through.max(Some(closed.day));
        self.check_clearing(sequence, closed.fund);
    }

    pub(super) fn close_period(&mut self, sequence: i64, closed: &PeriodClosed) {
        let Some(fund) = self.funds.get_mut(closed.fund) else {
            let message = fact!("a month of unknown fund {} is closed", closed.fund);
            return self.findings.add(sequence, FaultKind::ClosedPeriod, message);
        };
        let Some(last_day) = last_day_of(closed.period) else {
            let message = fact!("{} is no month", closed.period);
            return self.findings.add(sequence, FaultKind::ClosedPeriod, message);
        };
        if let Some(before) = fund.closed_period.filter(|before| closed.period != month_after(*before)) {
            let message = fact!("month {} is closed after month {}", closed.period, before);
            self.findings.add(sequence, FaultKind::ClosedPeriod, message);
        }
        fund.closed_period = Some(closed.period);
        fund.closed_through = fund.closed_through.max(Some(last_day));
        if trial_balance(&fund.cells) != *closed.trial_balance_sha256 {
            let message = fact!("the balances of fund {} have another digest than the sealed one", closed.fund);
            self.findings.add(sequence, FaultKind::TrialBalance, message);
        }
        self.check_clearing(sequence, closed.fund);
    }

    /// The last closed month is open again, with all days after it.
    pub(super) fn reopen_period(&mut self, sequence: i64, reopened: &PeriodReopened) {
        let fund = self.funds.get_mut(reopened.fund).filter(|fund| fund.closed_period == Some(reopened.period));
        let Some(fund) = fund else {
            let message = fact!("month {} is opened again, but is not the last one closed", reopened.period);
            return self.findings.add(sequence, FaultKind::ClosedPeriod, message);
        };
        let before = month_before(reopened.period);
        fund.closed_period = Some(before);
        fund.closed_through = fund.closed_through.min(last_day_of(before));
    }

    /// Nothing moves on a day that is closed for the fund.
    pub(super) fn check_date(&mut self, sequence: i64, fund: i32, day: i32) {
        let through = self.funds.get(fund).and_then(|fund| fund.closed_through);
        if let Some(through) = through.filter(|through| day <= *through) {
            let message = fact!("dated day {}; fund {} is closed through day {}", day, fund, through);
            self.findings.add(sequence, FaultKind::ClosedPeriod, message);
        }
    }

    fn check_clearing(&mut self, sequence: i64, number: i32) {
        let Some(fund) = self.funds.get(number) else { return };
        let held = |fund: &Fund, account: i32| fund.cells.get(&(account, 0)).copied().unwrap_or(0);
        for account in &fund.clearing {
            let balance = held(fund, *account);
            if balance != 0 {
                let message = fact!("closed while clearing account {} holds {}", account, balance);
                self.findings.add(sequence, FaultKind::ClosedPeriod, message);
            }
        }
    }
}

/// The digest of docs/format.md.
fn trial_balance(cells: &Cells) -> [u8; 32] {
    let mut rows: Vec<_> = cells.iter().filter(|(_, balance)| **balance != 0).collect();
    rows.sort_unstable();
    let mut hasher = Sha256::new();
    hasher.update(TRIAL_BALANCE_TAG);
    for ((account, lot), balance) in rows {
        hasher.update(account.to_be_bytes());
        hasher.update(lot.to_be_bytes());
        hasher.update(balance.to_be_bytes());
    }
    hasher.finalize().into()
}

fn month_after(period: i32) -> i32 {
    let is_december = period.rem_euclid(100) == 12;
    period.saturating_add(if is_december { 89 } else { 1 })
}

fn month_before(period: i32) -> i32 {
    let is_january = period.rem_euclid(100) == 1;
    period.saturating_sub(if is_january { 89 } else { 1 })
}

/// Last day of month yyyymm, in days since 1970-01-01.
pub(super) fn last_day_of(period: i32) -> Option<i32> {
    let (year, month) = (period.div_euclid(100), usize::try_from(period.rem_euclid(100)).ok()?);
    if !(1..=YEAR_MAX).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let is_leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    let past = year.checked_sub(1)?;
    let leap_days = past.div_euclid(4).checked_sub(past.div_euclid(100))?.checked_add(past.div_euclid(400))?;
    let before_year = past.checked_mul(365)?.checked_add(leap_days)?.checked_sub(EPOCH_DAYS)?;
    let this_year: i32 = MONTH_DAYS.iter().take(month).sum();
    let leap_day = i32::from(is_leap && month >= 2);
    before_year.checked_add(this_year)?.checked_add(leap_day)?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_end_where_the_calendar_says() {
        for (period, day) in [
            (197_001, Some(30)),
            (196_912, Some(-1)),
            (202_402, Some(19_782)),
            (202_602, Some(20_512)),
            (202_612, Some(20_818)),
            (210_002, Some(47_540)),
            (202_613, None),
            (202_600, None),
            (-1, None),
        ] {
            assert_eq!(last_day_of(period), day, "{period}");
        }
        assert_eq!((month_after(202_612), month_after(202_601)), (202_701, 202_602));
        assert_eq!((month_before(202_701), month_before(202_602)), (202_612, 202_601));
    }
}
