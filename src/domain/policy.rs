//! What a policy sets besides approvals: rates, shares, and what may be paid. All of it data: none of it is in the program.

use super::ids::{Code, ReasonCode};
use super::numbered::numbered;
use super::release::{WitnessRule, Witnessing};
use super::time::Day;

numbered! {
    /// Kind of a rate.
    RateKind {
        /// Employer's contribution, of the base.
        EmployerContribution = 1, "EMPLOYER_CONTRIBUTION";
        /// Person's contribution to their own account, of the base.
        PersonalContribution = 2, "PERSONAL_CONTRIBUTION";
        /// Person's contribution to the pool, of the base.
        PersonalPooledContribution = 3, "PERSONAL_POOLED_CONTRIBUTION";
        /// Late fee, a day, of what is late (社会保险法§86).
        LateFee = 4, "LATE_FEE";
        /// What the pool gives along when a relation is transferred, of the contribution wages.
        PoolTransfer = 5, "POOL_TRANSFER";
        /// Interest on personal accounts, a year.
        PersonalInterest = 6, "PERSONAL_INTEREST";
        /// Interest on housing loans, a year.
        LoanInterest = 7, "LOAN_INTEREST";
    }
}

numbered! {
    /// How interest on personal accounts is computed.
    InterestMethod {
        /// Of the balance at the beginning of the year.
        OpeningBalance = 1, "OPENING_BALANCE";
        /// Of the sum of each day's closing balance, 积数, divided by 360.
        DayProduct = 2, "DAY_PRODUCT";
    }
}

/// What a policy sets besides approvals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyTerms {
    /// Rates in parts per million, ascending by kind, each kind once.
    pub rates: Vec<(RateKind, u32)>,
    /// Splits, ascending by code, each code once.
    pub splits: Vec<Split>,
    /// What may be paid to persons, ascending by code, each code once.
    pub items: Vec<Item>,
    /// Reasons for withdrawal from the housing provident fund (住房公积金管理条例§24), ascending.
    pub withdrawal_reasons: Vec<ReasonCode>,
    /// How interest on personal accounts is computed; `None` means that none is.
    pub interest_method: Option<InterestMethod>,
    /// Whether the income account must be empty when a month closes (收入户月末无余额).
    pub empty_income_at_month_end: bool,
    /// Statutory time limits, ascending by code, each code once.
    pub clocks: Vec<Clock>,
    /// Weekdays that are no working days, ascending.
    pub holidays: Vec<Day>,
    /// Saturdays and Sundays that are working days (调休), ascending.
    pub working_weekends: Vec<Day>,
    /// What becomes of payments that witnesses have not seen; `None` means that nothing depends on witnesses.
    pub witnessing: Option<Witnessing>,
    /// Whether authority is committed to registered contracts only.
    pub registered_contracts_only: bool,
}

numbered! {
    /// From what to what a clock runs.
    ClockKind {
        /// From a lot's appropriation to its first allocation.
        IssuedToAllocated = 1, "ISSUED_TO_ALLOCATED";
        /// From a payment's order to its clearing or reversal.
        OrderedToCleared = 2, "ORDERED_TO_CLEARED";
        /// From a notice of non-tax revenue to its first collection.
        NoticedToCollected = 3, "NOTICED_TO_COLLECTED";
        /// From a notice's first collection to its first split.
        CollectedToSplit = 4, "COLLECTED_TO_SPLIT";
        /// From a finding's flag to its first answer or rectification.
        FlaggedToAnswered = 5, "FLAGGED_TO_ANSWERED";
        /// From the receipt of a matter, whose kind is the clock's code, to its being dealt with.
        Matter = 6, "MATTER";
        /// From a complaint's filing to its acceptance, whatever it complains of.
        ComplaintFiledToAccepted = 7, "COMPLAINT_FILED_TO_ACCEPTED";
        /// From a complaint's filing, whose kind is the clock's code, to its answer or its withdrawal.
        ComplaintFiledToAnswered = 8, "COMPLAINT_FILED_TO_ANSWERED";
    }
}

numbered! {
    /// What a limit counts.
    LimitUnit {
        /// Days of the calendar.
        Days = 1, "DAYS";
        /// Working days, 工作日.
        WorkingDays = 2, "WORKING_DAYS";
    }
}

/// A statutory time limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Code.
    pub code: Code,
    /// From what to what it runs.
    pub kind: ClockKind,
    /// How many days; 0 means the same day.
    pub limit: u32,
    /// What it counts.
    pub unit: LimitUnit,
}

/// Most days of a limit.
pub const LIMIT_MAX_DAYS: u32 = 3_660;
const SATURDAY: i32 = 5;
/// 1970-01-01 was a Thursday.
const EPOCH_WEEKDAY: i32 = 3;

/// How an amount is split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// What is split.
    pub code: Code,
    /// Recipients and weights, from 1, in order.
    pub shares: Vec<(Code, u32)>,
}

/// Something that may be paid to persons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Item.
    pub code: Code,
    /// Whether the pool may pay it.
    pub from_pool: bool,
    /// Whether a personal account may pay it.
    pub from_personal: bool,
    /// Most for one person and month, minor units; 0 means no limit.
    pub max_minor: i64,
}

impl PolicyTerms {
    /// A rate, in parts per million.
    pub fn rate_ppm(&self, kind: RateKind) -> Option<u32> {
        self.rates.iter().find(|(of, _)| *of == kind).map(|(_, ppm)| *ppm)
    }

    /// The split of a code.
    pub fn split(&self, code: &str) -> Option<&Split> {
        self.splits.iter().find(|split| split.code.as_str() == code)
    }

    /// An item.
    pub fn item(&self, code: &Code) -> Option<&Item> {
        self.items.iter().find(|item| item.code == *code)
    }

    /// The last day in time for a clock that starts on a day.
    pub fn due_on(&self, clock: &Clock, start: Day) -> Day {
        let limit = clock.limit.min(LIMIT_MAX_DAYS);
        match clock.unit {
            LimitUnit::Days => start.plus_days(i32::try_from(limit).unwrap_or(i32::MAX)),
            LimitUnit::WorkingDays => {
                let mut day = start;
                let mut left = limit;
                // A calendar without any working day would never end.
                for _ in 0..LIMIT_MAX_DAYS.saturating_mul(8) {
                    if left == 0 {
                        break;
                    }
                    day = day.next();
                    left = left.saturating_sub(u32::from(self.is_working_day(day)));
                }
                day
            }
        }
    }

    fn is_working_day(&self, day: Day) -> bool {
        let weekday = day.days().saturating_add(EPOCH_WEEKDAY).rem_euclid(7);
        if weekday >= SATURDAY {
            self.working_weekends.binary_search(&day).is_ok()
        } else {
            self.holidays.binary_search(&day).is_err()
        }
    }

    /// What becomes of a payment of an amount that witnesses have not seen.
    pub fn witness_rule(&self, amount_minor: i64) -> Option<WitnessRule> {
        self.witnessing.filter(|witnessing| amount_minor >= witnessing.from_minor).map(|witnessing| witnessing.rule)
    }

    /// Whether it sets nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_days_follow_the_calendar() {
        let day = |month, day| Day::new(2026, month, day).unwrap();
        // 2026-02-16 to 02-20 are holidays, Saturday 02-14 is worked.
        let terms = PolicyTerms {
            holidays: (16..=20).map(|number| day(2, number)).collect(),
            working_weekends: vec![day(2, 14)],
            ..PolicyTerms::default()
        };
        for (start, limit, unit, due) in [
            (day(2, 13), 0, LimitUnit::WorkingDays, day(2, 13)),
            (day(2, 13), 1, LimitUnit::WorkingDays, day(2, 14)),
            (day(2, 13), 2, LimitUnit::WorkingDays, day(2, 23)),
            (day(2, 13), 7, LimitUnit::WorkingDays, day(3, 2)),
            (day(2, 13), 20, LimitUnit::Days, day(3, 5)),
        ] {
            let clock = Clock { code: Code::parse("c").unwrap(), kind: ClockKind::Matter, limit, unit };
            assert_eq!(terms.due_on(&clock, start), due, "{limit} {unit:?} from {start}");
        }
    }
}
