//! `tenders`: what was tendered, what was awarded, and what was contracted under it.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use super::connect::{self, Connection};
use super::contracts::{amount, method};
use super::render;
use super::supervision::{PAGE_ROWS, named};
use super::{Failure, Format, Globals, Lang};
use crate::messages::cli as text;
use crate::pb::v1::{ListTendersRequest, Tender};

/// Arguments of `tenders`.
#[derive(Args, Clone, Debug)]
pub struct TendersArgs {
    /// Only this tender.
    #[arg(long, value_name = "TENDER")]
    pub tender: Option<String>,
    /// Only this Open Contracting ID.
    #[arg(long, value_name = "OCID")]
    pub ocid: Option<String>,
    /// Only those of this project.
    #[arg(long, value_name = "PROJECT")]
    pub project: Option<String>,
    /// Only those of this budget unit.
    #[arg(long, value_name = "UNIT")]
    pub unit: Option<String>,
    /// Only those of this fund.
    #[arg(long, value_name = "FUND")]
    pub fund: Option<String>,
    /// Only those that nobody has been awarded yet.
    #[arg(long)]
    pub open: bool,
}

/// Runs `tenders`.
pub fn run(globals: &Globals, args: &TendersArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let lang = globals.lang;
    let tenders = connect::with(globals, async |connection| list(connection, args).await)?;
    let titles = [
        text::contracts_tender(lang),
        text::contracts_fund(lang),
        text::contracts_unit(lang),
        text::contracts_project(lang),
        text::contracts_method(lang),
        text::contracts_ocid(lang),
        text::tenders_ceiling(lang),
        text::tenders_awarded(lang),
        text::tenders_contracted(lang),
        text::word_currency(lang),
        text::contracts_supplier(lang),
        text::tenders_contracts(lang),
        text::tenders_opened_on(lang),
        text::tenders_awarded_on(lang),
        text::tenders_opened(lang),
        text::tenders_award(lang),
    ];
    let listing = render::Listing {
        name: "tenders",
        columns: &[
            "tender",
            "fund",
            "unit",
            "project",
            "method",
            "ocid",
            "ceiling_minor",
            "awarded_minor",
            "contracted_minor",
            "currency_code",
            "currency_exponent",
            "supplier",
            "contracts",
            "opened_on",
            "awarded_on",
            "opened",
            "award",
        ],
        titles: &titles,
        right_aligned: &[6, 7, 8, 14, 15],
    };
    listing.write((format, lang), out, &tenders, row, tender_json)
}

async fn list(connection: &Connection, args: &TendersArgs) -> Result<Vec<Tender>, Failure> {
    connect::all_pages(async |page_token| {
        let request = ListTendersRequest {
            tender_id: args.tender.clone().unwrap_or_default(),
            ocid: args.ocid.clone().unwrap_or_default(),
            project_id: args.project.clone().unwrap_or_default(),
            unit_id: args.unit.clone().unwrap_or_default(),
            fund_id: args.fund.clone().unwrap_or_default(),
            open_only: args.open,
            page_size: PAGE_ROWS,
            page_token,
            min_sequence: None,
        };
        let answer = connection.query().list_tenders(connection.request(request)).await;
        let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
        Ok((answer.tenders, answer.next_page_token))
    })
    .await
}

/// A row; in a language for people, else for programs. What there is no award to say is empty.
fn row(tender: &Tender, lang: Option<Lang>) -> Vec<String> {
    let money = |amount_minor| amount(amount_minor, tender.currency_exponent, lang);
    let award = tender.award.as_ref();
    let mut row = vec![
        tender.tender_id.clone(),
        tender.fund_id.clone(),
        tender.unit_id.clone(),
        tender.project_id.clone(),
        named(method(tender.method), lang),
        tender.ocid.clone(),
        money(tender.ceiling_minor),
        award.map(|award| money(award.amount_minor)).unwrap_or_default(),
        money(tender.contracted_minor),
        tender.currency_code.clone(),
    ];
    row.extend(lang.is_none().then(|| tender.currency_exponent.to_string()));
    row.extend([
        award.map(|award| render::hex(&award.supplier)).unwrap_or_default(),
        tender.contract_ids.join(" "),
        render::date(tender.opened_on.as_ref()),
        render::date(award.and_then(|award| award.awarded_on.as_ref())),
        tender.opened_sequence.to_string(),
        award.map(|award| award.sequence.to_string()).unwrap_or_default(),
    ]);
    row
}

fn tender_json(tender: &Tender) -> Value {
    let award = tender.award.as_ref().map(|award| {
        json!({
            "sequence": award.sequence,
            "awarded_on": render::date(award.awarded_on.as_ref()),
            "supplier": render::hex(&award.supplier),
            "amount_minor": award.amount_minor,
            "document_number": award.document_number,
        })
    });
    json!({
        "tender_id": tender.tender_id,
        "fund_id": tender.fund_id,
        "unit_id": tender.unit_id,
        "project_id": tender.project_id,
        "ocid": tender.ocid,
        "method": method(tender.method),
        "ceiling_minor": tender.ceiling_minor,
        "document_number": tender.document_number,
        "opened_sequence": tender.opened_sequence,
        "opened_on": render::date(tender.opened_on.as_ref()),
        "award": award,
        "contract_ids": tender.contract_ids,
        "contracted_minor": tender.contracted_minor,
        "currency_code": tender.currency_code,
        "currency_exponent": tender.currency_exponent,
    })
}
