//! `complaints`: what was complained of, and how far it has got. Who complains is never shown.

use std::io::Write;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::connect::{self, Connection};
use super::render::{self, hex};
use super::{Failure, Format, Globals, Lang};
use crate::messages::cli as text;
use crate::pb::Date;
use crate::pb::v1::complaint::About;
use crate::pb::v1::{Complaint, ComplaintOutcome, ComplaintStage, ListComplaintsRequest};

const PAGE_ROWS: i32 = 1_000;

/// Arguments of `complaints`.
#[derive(Args, Clone, Debug)]
pub struct ComplaintsArgs {
    /// Only complaints about this lot.
    #[arg(long, value_name = "LOT")]
    pub lot: Option<String>,
    /// Only those about this payment, benefit or withdrawal.
    #[arg(long, value_name = "PAYMENT")]
    pub payment: Option<String>,
    /// Only those that this agency is to deal with.
    #[arg(long, value_name = "UNIT")]
    pub unit: Option<String>,
    /// Only those about this unit.
    #[arg(long, value_name = "UNIT")]
    pub about_unit: Option<String>,
    /// Only those that have got this far.
    #[arg(long, value_enum)]
    pub stage: Option<Stage>,
    /// Only those that are overdue.
    #[arg(long)]
    pub overdue: bool,
    /// The date that clocks are held against; today in Asia/Shanghai if not given.
    #[arg(long, value_name = "DATE", value_parser = render::parse_date)]
    pub on: Option<Date>,
}

/// How far a complaint has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// Filed.
    Filed,
    /// Accepted by who is to deal with it.
    Accepted,
    /// Answered.
    Answered,
    /// Closed.
    Closed,
}

impl Stage {
    const fn wire(self) -> ComplaintStage {
        match self {
            Self::Filed => ComplaintStage::Filed,
            Self::Accepted => ComplaintStage::Accepted,
            Self::Answered => ComplaintStage::Answered,
            Self::Closed => ComplaintStage::Closed,
        }
    }
}

/// Runs `complaints`.
pub fn run(globals: &Globals, args: &ComplaintsArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let complaints = connect::with(globals, async |connection| list(connection, args).await)?;
    let lang = globals.lang;
    let titles = [
        text::complaints_complaint(lang),
        text::complaints_kind(lang),
        text::complaints_stage(lang),
        text::complaints_outcome(lang),
        text::complaints_about(lang),
        text::complaints_about_unit(lang),
        text::complaints_unit(lang),
        text::complaints_handler(lang),
        text::complaints_due_on(lang),
        text::complaints_overdue(lang),
        text::complaints_filed(lang),
        text::complaints_filed_on(lang),
        text::complaints_last(lang),
        text::complaints_last_on(lang),
    ];
    let listing = render::Listing {
        name: "complaints",
        columns: &[
            "complaint",
            "kind",
            "stage",
            "outcome",
            "about",
            "about_unit",
            "unit",
            "first_handler",
            "due_on",
            "overdue",
            "filed",
            "filed_on",
            "last",
            "last_on",
        ],
        titles: &titles,
        right_aligned: &[10, 12],
    };
    listing.write((format, lang), out, &complaints, row, to_json)
}

async fn list(connection: &Connection, args: &ComplaintsArgs) -> Result<Vec<Complaint>, Failure> {
    connect::all_pages(async |page_token| {
        let request = ListComplaintsRequest {
            lot_id: args.lot.clone().unwrap_or_default(),
            payment_id: args.payment.clone().unwrap_or_default(),
            unit_id: args.unit.clone().unwrap_or_default(),
            about_unit_id: args.about_unit.clone().unwrap_or_default(),
            stage: args.stage.map_or(ComplaintStage::Unspecified, Stage::wire).into(),
            overdue_only: args.overdue,
            on: args.on,
            page_size: PAGE_ROWS,
            page_token,
            min_sequence: None,
        };
        let answer = connection.query().list_complaints(connection.request(request)).await;
        let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
        Ok((answer.complaints, answer.next_page_token))
    })
    .await
}

/// How far it has got and how it ended, as codes; nothing where it has not ended.
fn words(complaint: &Complaint) -> [&'static str; 2] {
    let outcome = complaint.outcome().as_str_name().trim_start_matches("COMPLAINT_OUTCOME_");
    let outcome = if complaint.outcome() == ComplaintOutcome::Unspecified { "" } else { outcome };
    [complaint.stage().as_str_name().trim_start_matches("COMPLAINT_STAGE_"), outcome]
}

fn stage(complaint: &Complaint, lang: Lang) -> String {
    match complaint.stage() {
        ComplaintStage::Unspecified => "?".to_owned(),
        ComplaintStage::Filed => text::complaints_is_filed(lang),
        ComplaintStage::Accepted => text::complaints_is_accepted(lang),
        ComplaintStage::Answered => text::complaints_is_answered(lang),
        ComplaintStage::Closed => text::complaints_is_closed(lang),
    }
}

fn outcome(complaint: &Complaint, lang: Lang) -> String {
    match complaint.outcome() {
        ComplaintOutcome::Unspecified => String::new(),
        ComplaintOutcome::Upheld => text::complaints_upheld(lang),
        ComplaintOutcome::Unfounded => text::complaints_unfounded(lang),
        ComplaintOutcome::Referred => text::complaints_referred(lang),
        ComplaintOutcome::Withdrawn => text::complaints_withdrawn(lang),
    }
}

fn about(complaint: &Complaint) -> String {
    match &complaint.about {
        None => String::new(),
        Some(About::LotId(lot_id)) => format!("lot:{lot_id}"),
        Some(About::PaymentId(payment_id)) => format!("payment:{payment_id}"),
        Some(About::EventSequence(sequence)) => format!("event:{sequence}"),
    }
}

/// A row; in a language for people, else for programs.
fn row(complaint: &Complaint, lang: Option<Lang>) -> Vec<String> {
    let [stage_code, outcome_code] = words(complaint);
    let overdue = match lang {
        None => complaint.overdue.to_string(),
        Some(lang) if complaint.overdue => text::complaints_is_overdue(lang),
        Some(_) => String::new(),
    };
    vec![
        complaint.complaint_id.clone(),
        complaint.kind.clone(),
        lang.map_or_else(|| stage_code.to_owned(), |lang| stage(complaint, lang)),
        lang.map_or_else(|| outcome_code.to_owned(), |lang| outcome(complaint, lang)),
        about(complaint),
        complaint.about_unit_id.clone(),
        complaint.unit_id.clone(),
        complaint.first_handler.clone(),
        render::date(complaint.due_on.as_ref()),
        overdue,
        complaint.filed_sequence.to_string(),
        render::date(complaint.filed_on.as_ref()),
        complaint.last_sequence.to_string(),
        render::date(complaint.last_on.as_ref()),
    ]
}

fn to_json(complaint: &Complaint) -> Value {
    let [stage, outcome] = words(complaint);
    json!({
        "complaint_id": complaint.complaint_id,
        "kind": complaint.kind,
        "stage": stage,
        "outcome": outcome,
        "about": about(complaint),
        "fund_id": complaint.fund_id,
        "about_unit_id": complaint.about_unit_id,
        "respondents": complaint.respondents,
        "text_sha256": hex(&complaint.text_sha256),
        "unit_id": complaint.unit_id,
        "first_handler": complaint.first_handler,
        "answer_document_number": complaint.answer_document_number,
        "answer_document_sha256": hex(&complaint.answer_document_sha256),
        "due_on": render::date(complaint.due_on.as_ref()),
        "overdue": complaint.overdue,
        "filed_sequence": complaint.filed_sequence,
        "filed_on": render::date(complaint.filed_on.as_ref()),
        "last_sequence": complaint.last_sequence,
        "last_on": render::date(complaint.last_on.as_ref()),
    })
}
