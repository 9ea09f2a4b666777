//! What of a log is wanted, and what an export of it rests on.

use crate::format::hexadecimal;
use crate::reporting::register::{Register, Step};
use crate::reporting::table::date;

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// First business date, in days since 1970-01-01; what is before it counts into opening balances.
    pub first_day: Option<i32>,
    /// Last business date.
    pub last_day: Option<i32>,
    /// Only this fund.
    pub fund: Option<String>,
    /// Last sequence.
    pub last_sequence: Option<i64>,
    /// What an ocid begins with where the log has none: the prefix that the publisher registered.
    pub ocid_prefix: Option<String>,
}

impl Selection {
    /// Whether something counts at all: of the fund, and not after the last day.
    pub fn wants(&self, step: &Step<'_>, register: &Register) -> bool {
        let of_fund = |fund_id: &String| {
            let fund = step.legs.first().and_then(|leg| register.fund(register.fund_of(leg.account)));
            fund.is_some_and(|fund| fund.fund_id == *fund_id)
        };
        self.last_day.is_none_or(|last| step.day <= last)
            && self.fund.as_ref().is_none_or(|fund_id| step.legs.is_empty() || of_fund(fund_id))
    }

    /// Whether a day lies before the first one that is wanted.
    pub fn is_before(&self, day: i32) -> bool {
        self.first_day.is_some_and(|first| day < first)
    }
}

/// What an export rests on.
#[derive(Clone, Debug)]
pub struct Basis {
    /// The ledger.
    pub origin: String,
    /// Sequence that it is as of.
    pub sequence: i64,
    /// Root of the tree over the entries up to that sequence.
    pub root: [u8; 32],
    /// When the event at that sequence was booked, UTC, nanoseconds since 1970-01-01.
    pub booked_at_ns: i64,
    /// What was asked for.
    pub selection: Selection,
}

impl Basis {
    /// It by name, in a fixed order: the same names in all forms.
    pub fn named(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![
            ("origin", self.origin.clone()),
            ("sequence", self.sequence.to_string()),
            ("root", hexadecimal::of(&self.root)),
        ];
        let Selection { first_day, last_day, fund, .. } = &self.selection;
        lines.extend(first_day.map(|day| ("from", date(day))));
        lines.extend(last_day.map(|day| ("to", date(day))));
        lines.extend(fund.clone().map(|fund_id| ("fund", fund_id)));
        lines
    }

    /// When it is as of, as RFC 3339 has it, to the second.
    pub fn time(&self) -> String {
        moment(self.booked_at_ns)
    }
}

/// A moment as RFC 3339 has it, to the second.
pub fn moment(booked_at_ns: i64) -> String {
    let seconds = booked_at_ns.div_euclid(1_000_000_000);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}
