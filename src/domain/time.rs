//! Business dates and booking times. Nothing here reads a clock.

/// Nanoseconds since 1970-01-01T00:00:00Z; the server's booking time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UtcNanos(pub i64);

const NANOS_A_SECOND: i64 = 1_000_000_000;
const SECONDS_A_DAY: i64 = 86_400;
/// China has one time zone, eight hours before UTC, without summer time.
const SHANGHAI_SECONDS: i64 = 8 * 3_600;

impl UtcNanos {
    /// A moment later by a number of days.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(days.saturating_mul(SECONDS_A_DAY).saturating_mul(NANOS_A_SECOND)))
    }

    /// The date it falls on in Asia/Shanghai.
    pub fn shanghai_date(self) -> Day {
        let local = self.0.div_euclid(NANOS_A_SECOND).saturating_add(SHANGHAI_SECONDS);
        Day(i32::try_from(local.div_euclid(SECONDS_A_DAY)).unwrap_or_default())
    }
}

/// RFC 3339 in UTC, in whole seconds.
impl std::fmt::Display for UtcNanos {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.div_euclid(NANOS_A_SECOND);
        let day = Day(i32::try_from(seconds.div_euclid(SECONDS_A_DAY)).unwrap_or_default());
        let of_day = seconds.rem_euclid(SECONDS_A_DAY);
        write!(f, "{day}T{:02}:{:02}:{:02}Z", of_day / 3_600, of_day / 60 % 60, of_day % 60)
    }
}

/// A business date (Asia/Shanghai), in days since 1970-01-01, within 1900 to 2199.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Day(i32);

/// A month, as year × 100 + month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Period(i32);

/// A date that does not exist, or lies outside 1900 to 2199.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchDate;

const YEAR_FIRST: i32 = 1900;
const YEAR_LAST: i32 = 2199;
/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const EPOCH_SHIFT_DAYS: i32 = 719_468;

impl Day {
    /// A date of the Gregorian calendar.
    pub fn new(year: i32, month: i32, day: i32) -> Result<Self, NoSuchDate> {
        let real = (YEAR_FIRST..=YEAR_LAST).contains(&year)
            && (1..=12).contains(&month)
            && day >= 1
            && day <= days_in_month(year, month);
        if real { Ok(Self(days_from_civil(year, month, day))) } else { Err(NoSuchDate) }
    }

    /// A date from its number of days since 1970-01-01, as stored.
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> i32 {
        self.0
    }

    /// Year, month and day.
    pub fn civil(self) -> (i32, i32, i32) {
        civil_from_days(self.0)
    }

    /// The year.
    pub fn year(self) -> i32 {
        self.civil().0
    }

    /// 31 December of its year.
    #[must_use]
    pub fn last_of_year(self) -> Self {
        Period(self.year().saturating_mul(100).saturating_add(12)).last_day()
    }

    /// The month it lies in.
    pub fn period(self) -> Period {
        let (year, month, _) = self.civil();
        Period(year.saturating_mul(100).saturating_add(month))
    }

    /// The day after.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus_days(1)
    }

    /// A day later by a number of days.
    #[must_use]
    pub const fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// The moment it ends in Asia/Shanghai: the next day's midnight.
    pub fn ends_in_shanghai(self) -> UtcNanos {
        UtcNanos(SHANGHAI_SECONDS.saturating_neg().saturating_mul(NANOS_A_SECOND)).plus_days(self.next().0.into())
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl Period {
    /// A month of 1900 to 2199.
    pub fn new(year: i32, month: i32) -> Result<Self, NoSuchDate> {
        Day::new(year, month, 1).map(Day::period)
    }

    /// From year × 100 + month, as stored.
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Year × 100 + month.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Months from another one to this; below 0 where it comes first.
    pub const fn months_since(self, earlier: Self) -> i32 {
        self.months().saturating_sub(earlier.months())
    }

    const fn months(self) -> i32 {
        self.0.div_euclid(100).saturating_mul(12).saturating_add(self.0.rem_euclid(100))
    }

    /// The month after.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 % 100 >= 12 { Self(self.0.saturating_add(89)) } else { Self(self.0.saturating_add(1)) }
    }

    /// The month before.
    #[must_use]
    pub const fn previous(self) -> Self {
        if self.0 % 100 <= 1 { Self(self.0.saturating_sub(89)) } else { Self(self.0.saturating_sub(1)) }
    }

    /// Its last day.
    pub fn last_day(self) -> Day {
        let next = self.next().0;
        Day(days_from_civil(next / 100, next % 100, 1).saturating_sub(1))
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 100, self.0 % 100)
    }
}

const fn days_in_month(year: i32, month: i32) -> i32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

// Civil calendar arithmetic by eras of 400 years, with years counted from March so that the leap day comes last.
// The years are within 1900 to 2199 wherever a date was parsed, and stored numbers of days are at most 2^31 − 1, so
// nothing can overflow but a forged day number, for which the saturating forms give some date instead of a trap.
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year.saturating_sub(1) } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month.saturating_add(9)) % 12;
    let day_of_year =
        (month_from_march.saturating_mul(153).saturating_add(2) / 5).saturating_add(day).saturating_sub(1);
    let day_of_era = year_of_era
        .saturating_mul(365)
        .saturating_add(year_of_era / 4)
        .saturating_sub(year_of_era / 100)
        .saturating_add(day_of_year);
    era.saturating_mul(146_097).saturating_add(day_of_era).saturating_sub(EPOCH_SHIFT_DAYS)
}

fn civil_from_days(days: i32) -> (i32, i32, i32) {
    let shifted = days.saturating_add(EPOCH_SHIFT_DAYS);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = day_of_era
        .saturating_sub(day_of_era / 1_460)
        .saturating_add(day_of_era / 36_524)
        .saturating_sub(day_of_era / 146_096)
        / 365;
    let day_of_year = day_of_era.saturating_sub(
        year_of_era.saturating_mul(365).saturating_add(year_of_era / 4).saturating_sub(year_of_era / 100),
    );
    let month_from_march = day_of_year.saturating_mul(5).saturating_add(2) / 153;
    let day = day_of_year.saturating_sub(month_from_march.saturating_mul(153).saturating_add(2) / 5).saturating_add(1);
    let month =
        if month_from_march < 10 { month_from_march.saturating_add(3) } else { month_from_march.saturating_sub(9) };
    let year = year_of_era.saturating_add(era.saturating_mul(400));
    (if month <= 2 { year.saturating_add(1) } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_three_centuries_goes_there_and_back() {
        let mut days = Day::new(1900, 1, 1).unwrap().days();
        assert_eq!(days, -25_567);
        for year in 1900..=2199 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    let date = Day::new(year, month, day).unwrap();
                    assert_eq!(date.days(), days);
                    assert_eq!(date.civil(), (year, month, day));
                    days += 1;
                }
                assert_eq!(Period::new(year, month).unwrap().last_day().days(), days - 1);
            }
        }
    }

    #[test]
    fn moments_show_as_utc_and_fall_on_shanghai_dates() {
        let moment = UtcNanos(1_795_427_999_999_999_999);
        assert_eq!(moment.to_string(), "2026-11-23T09:59:59Z");
        assert_eq!(moment.shanghai_date().to_string(), "2026-11-23");
        assert_eq!(UtcNanos(57_600 * NANOS_A_SECOND).shanghai_date().to_string(), "1970-01-02");
        let day = moment.shanghai_date();
        assert_eq!(day.ends_in_shanghai().to_string(), "2026-11-23T16:00:00Z");
        assert_eq!(UtcNanos(day.ends_in_shanghai().0 - 1).shanghai_date(), day);
        assert_eq!(day.ends_in_shanghai().shanghai_date(), day.next());
        assert_eq!(UtcNanos(-1).to_string(), "1969-12-31T23:59:59Z");
        assert_eq!(UtcNanos(0).plus_days(366).to_string(), "1971-01-02T00:00:00Z");
    }

    #[test]
    fn dates_that_do_not_exist() {
        for (year, month, day) in [
            (2026, 2, 29),
            (2100, 2, 29),
            (2026, 13, 1),
            (2026, 0, 1),
            (2026, 4, 31),
            (1899, 12, 31),
            (2200, 1, 1),
            (0, 0, 0),
        ] {
            assert!(Day::new(year, month, day).is_err(), "{year}-{month}-{day}");
        }
        assert_eq!(Day::new(2024, 2, 29).unwrap().to_string(), "2024-02-29");
        assert_eq!(Period::new(2026, 12).unwrap().next().number(), 202_701);
    }
}
