//! What an audit office asks of the books: tables that name the events they rest on, and samples that anybody can draw again.
//!
//! Which tables there are and what can be asked of each; the tables themselves are one file each. [`sampling`] says which
//! items a sample takes, [`sampled`] takes them; [`lot_flow`] is what the chart of a lot's money shows.

mod compare;
mod execution;
mod findings;
mod idle;
pub mod lot_flow;
mod overdue;
mod responsibility;
pub mod sampled;
pub mod sampling;

use jiff::civil::Date;

use super::register::{Fund, Register, Step, is_cash};
use super::rows::{Making, Rows};
use super::table::{Column, Head, date};
use crate::pb::v1::AccountKind as Kind;
use crate::pb::v1::event::Payload;

/// A table of the auditor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Execution by fund, unit and month.
    Execution,
    /// Money that nothing has moved for a year, or two.
    Idle,
    /// Statutory clocks that are overdue.
    Overdue,
    /// Findings, how far each has got, and how old it is.
    Findings,
    /// Who made, approved, cleared and returned each payment.
    Responsibility,
    /// Balances and movements between two points.
    Comparison,
    /// A sample.
    Sample,
    /// Where a lot's money went, and where the rest lies.
    LotFlow,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Execution,
        Self::Idle,
        Self::Overdue,
        Self::Findings,
        Self::Responsibility,
        Self::Comparison,
        Self::Sample,
        Self::LotFlow,
    ];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Execution => "execution-by-month",
            Self::Idle => "idle",
            Self::Overdue => "overdue",
            Self::Findings => "findings",
            Self::Responsibility => "responsibility",
            Self::Comparison => "comparison",
            Self::Sample => "sample",
            Self::LotFlow => "lot-flow",
        }
    }

    /// Its columns.
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Execution => execution::COLUMNS,
            Self::Idle => idle::COLUMNS,
            Self::Overdue => overdue::COLUMNS,
            Self::Findings => findings::COLUMNS,
            Self::Responsibility => responsibility::COLUMNS,
            Self::Comparison => compare::COLUMNS,
            Self::Sample => sampled::COLUMNS,
            Self::LotFlow => lot_flow::COLUMNS,
        }
    }

    /// Its head, with what was asked for.
    pub fn head(self, parameters: Vec<(&'static str, String)>) -> Head {
        Head { table: self.name(), parameters, columns: self.columns().to_vec() }
    }
}

/// Days, both within; all of them where neither end is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// The first day that counts.
    pub from: Option<i32>,
    /// The last.
    pub to: Option<i32>,
}

impl Period {
    /// Whether a day is within.
    pub fn has(self, day: i32) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }

    fn parameters(self) -> impl Iterator<Item = (&'static str, String)> {
        [("from", self.from), ("to", self.to)].into_iter().filter_map(|(name, day)| Some((name, date(day?))))
    }
}

/// Up to where: with all events up to a sequence, or with all of business dates up to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A sequence, included.
    Sequence(i64),
    /// A day, included.
    Day(i32),
}

impl Point {
    fn reaches(self, step: &Step<'_>) -> bool {
        match self {
            Self::Sequence(sequence) => step.sequence <= sequence,
            Self::Day(day) => step.day <= day,
        }
    }
}

impl std::fmt::Display for Point {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sequence(sequence) => sequence.fmt(formatter),
            Self::Day(day) => formatter.write_str(&date(*day)),
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Execution by fund, unit and month.
    Execution {
        /// Only this fund.
        fund: Option<String>,
        /// Only months with days in it; what was before counts in what is left.
        period: Period,
    },
    /// Money that nothing has moved for a year.
    Idle {
        /// Only this fund.
        fund: Option<String>,
        /// The day that ages are counted to; the last business date where none is said.
        on: Option<i32>,
    },
    /// Statutory clocks.
    Overdue {
        /// Only this fund.
        fund: Option<String>,
        /// The day they are held against; the last business date where none is said.
        on: Option<i32>,
        /// Whether those that were met late are wanted too.
        late: Late,
    },
    /// Findings.
    Findings {
        /// The day that ages are counted to; the last business date where none is said.
        on: Option<i32>,
        /// Whether closed ones are wanted too.
        closed: Closed,
    },
    /// Who did what of each payment.
    Responsibility {
        /// Only of these payments.
        payments: Vec<String>,
        /// Only of this fund.
        fund: Option<String>,
        /// Only of this unit.
        unit: Option<String>,
        /// Only of payments with these business dates.
        period: Period,
    },
    /// What changed from one point to another.
    Compare {
        /// From here, what it did included.
        from: Point,
        /// To here, included.
        to: Point,
        /// Only this fund.
        fund: Option<String>,
    },
    /// Where a lot's money went.
    LotFlow {
        /// The lot.
        lot: String,
    },
}

/// Whether clocks that were met late are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// Only those that are overdue.
    LeftOut,
    /// Those too.
    Listed,
}

/// Whether closed findings are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Only open ones.
    LeftOut,
    /// Those too.
    Listed,
}

impl Question {
    /// The table that answers it.
    pub const fn table(&self) -> Table {
        match self {
            Self::Execution { .. } => Table::Execution,
            Self::Idle { .. } => Table::Idle,
            Self::Overdue { .. } => Table::Overdue,
            Self::Findings { .. } => Table::Findings,
            Self::Responsibility { .. } => Table::Responsibility,
            Self::Compare { .. } => Table::Comparison,
            Self::LotFlow { .. } => Table::LotFlow,
        }
    }

    /// The fund that it is about, if it is about one.
    pub fn fund(&self) -> Option<&str> {
        match self {
            Self::Execution { fund, .. }
            | Self::Idle { fund, .. }
            | Self::Overdue { fund, .. }
            | Self::Responsibility { fund, .. }
            | Self::Compare { fund, .. } => fund.as_deref(),
            Self::Findings { .. } | Self::LotFlow { .. } => None,
        }
    }

    /// The head of the table that answers it.
    pub fn head(&self) -> Head {
        let mut parameters = Vec::new();
        let mut add = |name: &'static str, value: Option<String>| parameters.extend(value.map(|value| (name, value)));
        add("fund", self.fund().map(str::to_owned));
        match self {
            Self::Execution { period, .. } => parameters.extend(period.parameters()),
            Self::Idle { on, .. } => add("on", on.map(date)),
            Self::Overdue { on, late, .. } => {
                add("on", on.map(date));
                add("late", (*late == Late::Listed).then(|| "yes".to_owned()));
            }
            Self::Findings { on, closed } => {
                add("on", on.map(date));
                add("closed", (*closed == Closed::Listed).then(|| "yes".to_owned()));
            }
            Self::Responsibility { payments, unit, period, .. } => {
                add("unit", unit.clone());
                add("payments", (!payments.is_empty()).then(|| payments.join(" ")));
                parameters.extend(period.parameters());
            }
            Self::Compare { from, to, .. } => parameters.extend([("from", from.to_string()), ("to", to.to_string())]),
            Self::LotFlow { lot } => add("lot", Some(lot.clone())),
        }
        self.table().head(parameters)
    }

    /// Begins to make the table, up to a sequence.
    pub fn begin(&self, last: Option<i64>) -> Making {
        let rows: Box<dyn Rows> = match self.clone() {
            Self::Execution { fund, period } => Box::new(execution::Execution::new(fund, period)),
            Self::Idle { fund, on } => Box::new(idle::Idle::new(fund, on)),
            Self::Overdue { fund, on, late } => Box::new(overdue::Overdue::new(fund, on, late)),
            Self::Findings { on, closed } => Box::new(findings::Findings::new(on, closed)),
            Self::Responsibility { payments, fund, unit, period } => {
                Box::new(responsibility::Responsibility::new(payments, fund, unit, period))
            }
            Self::Compare { from, to, fund } => Box::new(compare::Compare::new(from, to, fund)),
            Self::LotFlow { lot } => Box::new(lot_flow::LotFlow::new(lot)),
        };
        Making::new(rows, self.table().columns(), &self.head(), last)
    }
}

/// First and last event of several.
type Sequences = Option<(i64, i64)>;

fn with_sequence(known: Sequences, sequence: i64) -> (i64, i64) {
    known.map_or((sequence, sequence), |(first, _)| (first, sequence))
}

/// A day in the calendar.
fn calendar(day: i32) -> Date {
    let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(day).unwrap_or_default());
    date.unwrap_or_default()
}

/// The month of a day, as year * 100 + month.
fn month(day: i32) -> i32 {
    let date = calendar(day);
    i32::from(date.year()).saturating_mul(100).saturating_add(date.month().into())
}

/// Whether a fund is wanted, of all or of one.
fn is_wanted(wanted: Option<&String>, fund: &Fund) -> bool {
    wanted.is_none_or(|wanted| *wanted == fund.fund_id)
}

/// Whether authority that lies here can still be spent or passed on.
const fn is_held(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::AuthorityUnallocated
            | Kind::AuthorityUnit
            | Kind::AuthorityPlan
            | Kind::AuthorityCommitted
            | Kind::AuthorityFrozen
            | Kind::AuthorityCarry
    )
}

/// What a payment, a benefit or a withdrawal came to, by whom it is known, and where it comes from.
struct PaidOut<'a> {
    payment_id: &'a str,
    fund: i32,
    unit_id: &'a str,
    amount: i128,
}

/// What was paid in a step; `None` where nothing was.
fn paid_out<'a>(step: &'a Step<'_>, register: &'a Register) -> Option<PaidOut<'a>> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "three kinds of events pay")]
    let (payment_id, of_kinds): (&str, fn(Kind) -> bool) = match step.payload {
        Payload::PaymentExecuted(payment) => (&payment.payment_id, |kind| kind == Kind::AuthorityUsed),
        Payload::BenefitPaid(benefit) => (&benefit.payment_id, is_cash),
        Payload::HousingWithdrawn(withdrawn) => (&withdrawn.payment_id, is_cash),
        _ => return None,
    };
    let mut paid = PaidOut { payment_id, fund: 0, unit_id: "", amount: 0 };
    for leg in step.legs.iter().filter(|leg| leg.amount_minor < 0 && of_kinds(register.kind(leg.account))) {
        paid.fund = register.fund_of(leg.account);
        paid.amount = paid.amount.saturating_sub(leg.amount_minor.into());
    }
    paid.unit_id = register.terms(step).map_or("", |terms| terms.unit_id.as_str());
    Some(paid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Language;
    use crate::reporting::files::{table_title, title};

    #[test]
    fn tables_and_columns_have_titles() {
        for (language, table) in [Language::English, Language::Chinese]
            .into_iter()
            .flat_map(|tongue| Table::ALL.map(|table| (tongue, table)))
        {
            assert!(!table_title(language, table.name()).starts_with("table-"), "{table:?} in {language:?}");
            for column in table.columns() {
                assert!(!title(language, column.id).starts_with("column-"), "{} in {language:?}", column.id);
            }
        }
    }

    #[test]
    fn days_are_in_months() {
        for (day, expected) in [(0, 197_001), (58, 197_002), (59, 197_003), (20_453, 202_512), (20_454, 202_601)] {
            assert_eq!(month(day), expected);
        }
    }
}
