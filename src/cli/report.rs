//! `report`: the auditor's tables, from verified events.

use std::io::Write;

use clap::{Args, Subcommand};

use super::render::parse_date;
use super::tabulate::{Output, TableArgs, answer, day};
use super::{Failure, Globals};
use crate::messages::cli as text;
use crate::pb::Date;
use crate::reporting::audit::{Closed, Late, Period, Point, Question};

/// Arguments of `report`.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Which table.
    #[command(subcommand)]
    pub report: Report,
}

/// Which table.
#[derive(Clone, Debug, Subcommand)]
pub enum Report {
    /// Execution by fund, unit and month.
    Execution(ExecutionArgs),
    /// Money that was neither spent nor passed on for one year, or for two, and where it lies.
    Idle(IdleArgs),
    /// Statutory clocks that are overdue, derived again from the events.
    Overdue(OverdueArgs),
    /// Auditors' findings that are not closed, with their stage and age.
    Findings(FindingsArgs),
    /// Who made, approved, cleared and returned each payment.
    Responsibility(ResponsibilityArgs),
    /// Balances and movements between two dates or two sequences.
    Compare(CompareArgs),
}

/// Arguments of `report execution`.
#[derive(Args, Clone, Debug)]
pub struct ExecutionArgs {
    /// What it is made from.
    #[command(flatten)]
    pub table: TableArgs,
    /// Only this fund.
    #[arg(long, value_name = "FUND")]
    pub fund: Option<String>,
    /// First business date of the months that are shown.
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub from: Option<Date>,
    /// Last business date that counts.
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub to: Option<Date>,
}

/// Arguments of `report idle`.
#[derive(Args, Clone, Debug)]
pub struct IdleArgs {
    /// What it is made from.
    #[command(flatten)]
    pub table: TableArgs,
    /// Only this fund.
    #[arg(long, value_name = "FUND")]
    pub fund: Option<String>,
    /// The day that ages are counted to; the last business date in the log if not given.
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub on: Option<Date>,
}

/// Arguments of `report overdue`.
#[derive(Args, Clone, Debug)]
pub struct OverdueArgs {
    /// What it is made from.
    #[command(flatten)]
    pub table: TableArgs,
    /// Only clocks of this fund.
    #[arg(long, value_name = "FUND")]
    pub fund: Option<String>,
    /// The day they are held against; the last business date in the log if not given.
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub on: Option<Date>,
    /// Also those that were met, but late.
    #[arg(long)]
    pub late: bool,
}

/// Arguments of `report findings`.
#[derive(Args, Clone, Debug)]
pub struct FindingsArgs {
    /// What it is made from.
    #[command(flatten)]
    pub table: TableArgs,
    /// The day that ages are counted to; the last business date in the log if not given.
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub on: Option<Date>,
    /// Also those that are closed.
    #[arg(long)]
    pub closed: bool,
}

/// Arguments of `report responsibility`.
#[derive(Args, Clone, Debug)]
pub struct ResponsibilityArgs {
    /// What it is made from.
    #[command(flatten)]
    pub table: TableArgs,
    /// Only this payment; may be given several times.
    #[arg(long, value_name = "PAYMENT")]
    pub payment: Vec<String>,
    /// Only payments of this fund.
    #[arg(long, value_name = "FUND")]
    pub fund: Option<String>,
    /// Only payments of this unit.
    #[arg(long, value_name = "UNIT")]
    pub unit: Option<String>,
    /// First business date of the payments.
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub from: Option<Date>,
    /// Last business date of the payments.
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub to: Option<Date>,
}

/// Arguments of `report compare`.
#[derive(Args, Clone, Debug)]
pub struct CompareArgs {
    /// What it is made from.
    #[command(flatten)]
    pub table: TableArgs,
    /// Only accounts of this fund.
    #[arg(long, value_name = "FUND")]
    pub fund: Option<String>,
    /// Compare from here, included in what was before: a business date or a sequence.
    #[arg(long, value_name = "DATE|SEQUENCE", value_parser = parse_place)]
    pub from: Place,
    /// To here, included: a business date or a sequence.
    #[arg(long, value_name = "DATE|SEQUENCE", value_parser = parse_place)]
    pub to: Place,
}

/// A date or a sequence of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A sequence.
    Sequence(i64),
    /// A business date.
    Date(Date),
}

fn parse_place(text: &str) -> Result<Place, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(sequence) if is_number => Ok(Place::Sequence(sequence)),
        Ok(_) | Err(_) => parse_date(text).map(Place::Date),
    }
}

/// Days of the command line, in their order.
pub(super) fn period(globals: &Globals, from: Option<Date>, to: Option<Date>) -> Result<Period, Failure> {
    let period = Period { from: day("--from", from)?, to: day("--to", to)? };
    if period.from.zip(period.to).is_some_and(|(from, to)| from > to) {
        return Err(Failure::Usage(text::report_reversed(globals.lang)));
    }
    Ok(period)
}

/// Where a comparison begins and ends, in their order.
fn points(globals: &Globals, args: &CompareArgs) -> Result<(Point, Point), Failure> {
    let point = |name: &str, place: Place| -> Result<Point, Failure> {
        Ok(match place {
            Place::Sequence(sequence) => Point::Sequence(sequence),
            Place::Date(date) => Point::Day(day(name, Some(date))?.unwrap_or_default()),
        })
    };
    let (from, to) = (point("--from", args.from)?, point("--to", args.to)?);
    let is_reversed = match (from, to) {
        (Point::Sequence(from), Point::Sequence(to)) => from > to,
        (Point::Day(from), Point::Day(to)) => from > to,
        (Point::Sequence(_), Point::Day(_)) | (Point::Day(_), Point::Sequence(_)) => {
            return Err(Failure::Usage(text::report_mixed(globals.lang)));
        }
    };
    if is_reversed { Err(Failure::Usage(text::report_reversed(globals.lang))) } else { Ok((from, to)) }
}

/// Runs `report`.
pub fn run(globals: &Globals, args: &ReportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (question, table) = match &args.report {
        Report::Execution(args) => {
            let period = period(globals, args.from, args.to)?;
            (Question::Execution { fund: args.fund.clone(), period }, &args.table)
        }
        Report::Idle(args) => (Question::Idle { fund: args.fund.clone(), on: day("--on", args.on)? }, &args.table),
        Report::Overdue(args) => {
            let late = if args.late { Late::Listed } else { Late::LeftOut };
            (Question::Overdue { fund: args.fund.clone(), on: day("--on", args.on)?, late }, &args.table)
        }
        Report::Findings(args) => {
            let closed = if args.closed { Closed::Listed } else { Closed::LeftOut };
            (Question::Findings { on: day("--on", args.on)?, closed }, &args.table)
        }
        Report::Responsibility(args) => {
            let (payments, fund, unit) = (args.payment.clone(), args.fund.clone(), args.unit.clone());
            let period = period(globals, args.from, args.to)?;
            (Question::Responsibility { payments, fund, unit, period }, &args.table)
        }
        Report::Compare(args) => {
            let (from, to) = points(globals, args)?;
            (Question::Compare { from, to, fund: args.fund.clone() }, &args.table)
        }
    };
    // What ends at a sequence rests on the log up to there.
    let last = match question {
        Question::Compare { to: Point::Sequence(to), .. } => Some(table.as_of.map_or(to, |as_of| as_of.max(to))),
        Question::Execution { .. }
        | Question::Idle { .. }
        | Question::Overdue { .. }
        | Question::Findings { .. }
        | Question::Responsibility { .. }
        | Question::Compare { .. }
        | Question::LotFlow { .. } => table.as_of,
    };
    let output = Output::begin(globals, table)?;
    let writer = output.writer(globals, &question.head())?;
    answer(globals, (&question, table, last), vec![writer], |_| {})?;
    output.show(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_dates_or_sequences() {
        assert_eq!(parse_place("17"), Ok(Place::Sequence(17)));
        assert_eq!(parse_place("2026-03-31"), Ok(Place::Date(Date { year: 2026, month: 3, day: 31 })));
        for wrong in ["", "-1", "+1", "2026-03", "99999999999999999999"] {
            assert!(parse_place(wrong).is_err(), "{wrong}");
        }
    }
}
