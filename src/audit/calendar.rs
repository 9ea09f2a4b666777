//! Days of the log in the calendar.

/// A day's year and month; of a day that no calendar has, none.
pub fn year_month(day: i32) -> (i32, i32) {
    let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(day).unwrap_or_default());
    date.map_or((0, 0), |date| (date.year().into(), date.month().into()))
}
