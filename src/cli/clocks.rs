//! `clocks`: statutory time limits, as they run and as they were met.

use std::io::Write;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::connect::{self, Connection};
use super::render;
use super::supervision::named;
use super::{Failure, Format, Globals, Lang};
use crate::messages::cli as text;
use crate::pb::Date;
use crate::pb::v1::{Clock, ClockKind, ClockStatus, ListClocksRequest};

const PAGE_ROWS: i32 = 1_000;

/// Arguments of `clocks`.
#[derive(Args, Clone, Debug)]
pub struct ClocksArgs {
    /// Only clocks that stand like this.
    #[arg(long, value_enum)]
    pub status: Option<Status>,
    /// Only those of this agency or unit.
    #[arg(long, value_name = "UNIT")]
    pub unit: Option<String>,
    /// Only those of this code.
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// Only those of this fund.
    #[arg(long, value_name = "FUND")]
    pub fund: Option<String>,
    /// The date they are held against; today in Asia/Shanghai if not given.
    #[arg(long, value_name = "DATE", value_parser = render::parse_date)]
    pub on: Option<Date>,
}

/// How a clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Status {
    /// It runs, and is not due yet.
    Running,
    /// It runs, and was due.
    Overdue,
    /// It was met in time.
    Met,
    /// It was met, but late.
    MetLate,
}

impl Status {
    const fn wire(self) -> ClockStatus {
        match self {
            Self::Running => ClockStatus::Running,
            Self::Overdue => ClockStatus::Overdue,
            Self::Met => ClockStatus::Met,
            Self::MetLate => ClockStatus::MetLate,
        }
    }
}

/// Runs `clocks`.
pub fn run(globals: &Globals, args: &ClocksArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let clocks = connect::with(globals, async |connection| list(connection, args).await)?;
    let lang = globals.lang;
    let titles = [
        text::clocks_code(lang),
        text::clocks_kind(lang),
        text::clocks_subject(lang),
        text::clocks_fund(lang),
        text::clocks_unit(lang),
        text::clocks_status(lang),
        text::clocks_started(lang),
        text::clocks_started_on(lang),
        text::clocks_due_on(lang),
        text::clocks_ended(lang),
        text::clocks_ended_on(lang),
    ];
    let listing = render::Listing {
        name: "clocks",
        columns: &[
            "code",
            "kind",
            "subject",
            "fund",
            "unit",
            "status",
            "started",
            "started_on",
            "due_on",
            "ended",
            "ended_on",
        ],
        titles: &titles,
        right_aligned: &[6, 9],
    };
    listing.write((format, lang), out, &clocks, row, to_json)
}

async fn list(connection: &Connection, args: &ClocksArgs) -> Result<Vec<Clock>, Failure> {
    connect::all_pages(async |page_token| {
        let request = ListClocksRequest {
            status: args.status.map_or(ClockStatus::Unspecified, Status::wire).into(),
            unit_id: args.unit.clone().unwrap_or_default(),
            code: args.code.clone().unwrap_or_default(),
            fund_id: args.fund.clone().unwrap_or_default(),
            on: args.on,
            page_size: PAGE_ROWS,
            page_token,
            min_sequence: None,
        };
        let answer = connection.query().list_clocks(connection.request(request)).await;
        let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
        Ok((answer.clocks, answer.next_page_token))
    })
    .await
}

fn kind(clock: &Clock) -> &'static str {
    ClockKind::try_from(clock.kind).unwrap_or_default().as_str_name().trim_start_matches("CLOCK_KIND_")
}

fn status_code(clock: &Clock) -> &'static str {
    clock.status().as_str_name().trim_start_matches("CLOCK_STATUS_")
}

/// How a clock stands, for people.
fn status(clock: &Clock, lang: Lang) -> String {
    match clock.status() {
        ClockStatus::Unspecified => "?".to_owned(),
        ClockStatus::Running => text::clocks_running(lang),
        ClockStatus::Overdue => text::clocks_overdue(lang),
        ClockStatus::Met => text::clocks_met(lang),
        ClockStatus::MetLate => text::clocks_met_late(lang),
    }
}

/// A row; in a language for people, else for programs.
fn row(clock: &Clock, lang: Option<Lang>) -> Vec<String> {
    let sequence = |sequence: i64| if sequence == 0 { String::new() } else { sequence.to_string() };
    vec![
        clock.code.clone(),
        named(kind(clock), lang),
        clock.subject_id.clone(),
        clock.fund_id.clone(),
        clock.unit_id.clone(),
        lang.map_or_else(|| status_code(clock).to_owned(), |lang| status(clock, lang)),
        sequence(clock.started_sequence),
        render::date(clock.started_on.as_ref()),
        render::date(clock.due_on.as_ref()),
        sequence(clock.ended_sequence),
        render::date(clock.ended_on.as_ref()),
    ]
}

fn to_json(clock: &Clock) -> Value {
    json!({
        "code": clock.code,
        "kind": kind(clock),
        "subject_id": clock.subject_id,
        "fund_id": clock.fund_id,
        "unit_id": clock.unit_id,
        "status": status_code(clock),
        "started_sequence": clock.started_sequence,
        "started_on": render::date(clock.started_on.as_ref()),
        "due_on": render::date(clock.due_on.as_ref()),
        "ended_sequence": clock.ended_sequence,
        "ended_on": render::date(clock.ended_on.as_ref()),
    })
}
