//! `chart`: pictures of tables, as SVG.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::render::parse_date;
use super::report::period;
use super::tabulate::{Output, TableArgs, answer};
use super::{Failure, Globals};
use crate::pb::Date;
use crate::reporting::audit::Question;
use crate::reporting::chart::{Chart, Whole};
use crate::reporting::rows::Row;

/// Arguments of `chart`.
#[derive(Args, Clone, Debug)]
pub struct ChartArgs {
    /// What to draw.
    #[command(subcommand)]
    pub drawing: Drawing,
}

/// What to draw.
#[derive(Clone, Debug, Subcommand)]
pub enum Drawing {
    /// Where a lot's money went: from the lot to units, to what they paid and what is left.
    Flow(FlowArgs),
    /// What a fund paid, and what came back, by month.
    Execution(ExecutionArgs),
}

/// Arguments of `chart flow`.
#[derive(Args, Clone, Debug)]
pub struct FlowArgs {
    /// What it is made from.
    #[command(flatten)]
    pub table: TableArgs,
    /// The lot.
    #[arg(long, value_name = "LOT")]
    pub lot: String,
    /// Where the picture goes.
    #[arg(long, value_name = "FILE.svg")]
    pub svg: PathBuf,
}

/// Arguments of `chart execution`.
#[derive(Args, Clone, Debug)]
pub struct ExecutionArgs {
    /// What it is made from.
    #[command(flatten)]
    pub table: TableArgs,
    /// The fund.
    #[arg(long, value_name = "FUND")]
    pub fund: String,
    /// First business date of the months that are shown.
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub from: Option<Date>,
    /// Last business date that counts.
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub to: Option<Date>,
    /// Where the picture goes.
    #[arg(long, value_name = "FILE.svg")]
    pub svg: PathBuf,
}

/// Runs `chart`: draws the picture, and where a form of the table is asked for, writes that as well.
pub fn run(globals: &Globals, args: &ChartArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let (chart, question, table, svg) = match &args.drawing {
        Drawing::Flow(args) => (Chart::Flow, Question::LotFlow { lot: args.lot.clone() }, &args.table, &args.svg),
        Drawing::Execution(args) => {
            let period = period(globals, args.from, args.to)?;
            let question = Question::Execution { fund: Some(args.fund.clone()), period };
            (Chart::Execution, question, &args.table, &args.svg)
        }
    };
    let wants_table = globals.format.is_some() || table.output.is_some();
    let output = if wants_table { Some(Output::begin(globals, table)?) } else { None };
    let writer = output.as_ref().map(|output| output.writer(globals, &question.head())).transpose()?;
    let mut rows: Vec<Row> = Vec::new();
    let writers = writer.into_iter().collect();
    let made = answer(globals, (&question, table, table.as_of), writers, |row| rows.push(row.clone()))?;
    let whole = Whole { head: &made.head, rows: &rows, tail: &made.tail, digest: &made.digest };
    let picture = chart.draw(&whole, globals.lang.into());
    fs::write(svg, picture).map_err(|error| Failure::about(svg.display(), error))?;
    output.map_or(Ok(()), |output| output.show(out))
}
