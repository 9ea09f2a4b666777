//! `contracts` and `projects`: what was registered and estimated, and what was committed and paid.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use super::connect::{self, Connection};
use super::render;
use super::supervision::{PAGE_ROWS, named, word};
use super::{Failure, Format, Globals, Lang};
use crate::messages::cli as text;
use crate::pb::v1::{
    Contract, GetContractRequest, ListContractsRequest, ListProjectsRequest, ProcurementMethod, Project,
};

/// Arguments of `contracts`.
#[derive(Args, Clone, Debug)]
pub struct ContractsArgs {
    /// Only this contract.
    #[arg(long, value_name = "CONTRACT", conflicts_with_all = ["ocid", "tender", "project", "supplier", "supplier_pseudonym", "unit", "fund", "registered"])]
    pub contract: Option<String>,
    /// Only this Open Contracting ID.
    #[arg(long, value_name = "OCID")]
    pub ocid: Option<String>,
    /// Only contracts that were awarded in this tender.
    #[arg(long, value_name = "TENDER")]
    pub tender: Option<String>,
    /// Only those of this project.
    #[arg(long, value_name = "PROJECT")]
    pub project: Option<String>,
    /// Only those with this supplier; the name as used in posting.
    #[arg(long, value_name = "NAME")]
    pub supplier: Option<String>,
    /// Only those with the supplier of this pseudonym.
    #[arg(long, value_name = "HEX", conflicts_with = "supplier")]
    pub supplier_pseudonym: Option<String>,
    /// Only those of this budget unit.
    #[arg(long, value_name = "UNIT")]
    pub unit: Option<String>,
    /// Only those of this fund.
    #[arg(long, value_name = "FUND")]
    pub fund: Option<String>,
    /// Only registered ones.
    #[arg(long)]
    pub registered: bool,
}

/// Arguments of `projects`.
#[derive(Args, Clone, Debug)]
pub struct ProjectsArgs {
    /// Only projects of this fund.
    #[arg(long, value_name = "FUND")]
    pub fund: Option<String>,
    /// Only this project.
    #[arg(long, value_name = "PROJECT")]
    pub project: Option<String>,
}

/// Runs `contracts`.
pub fn contracts(globals: &Globals, args: &ContractsArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let lang = globals.lang;
    let pseudonym = match &args.supplier_pseudonym {
        None => Vec::new(),
        Some(digits) => {
            let bytes = render::bytes::<16>(digits);
            bytes.ok_or_else(|| Failure::Usage(text::contracts_pseudonym(lang)))?.to_vec()
        }
    };
    let contracts = connect::with(globals, async |connection| match &args.contract {
        Some(contract_id) => get_contract(connection, contract_id).await,
        None => list_contracts(connection, args, &pseudonym).await,
    })?;
    let titles = [
        text::contracts_contract(lang),
        text::contracts_fund(lang),
        text::contracts_unit(lang),
        text::contracts_project(lang),
        text::contracts_tender(lang),
        text::contracts_method(lang),
        text::contracts_ocid(lang),
        text::contracts_supplier(lang),
        text::contracts_price(lang),
        text::contracts_added(lang),
        text::contracts_committed(lang),
        text::contracts_paid(lang),
        text::contracts_returned(lang),
        text::contracts_left(lang),
        text::word_currency(lang),
        text::contracts_registered(lang),
        text::contracts_last(lang),
    ];
    let listing = render::Listing {
        name: "contracts",
        columns: &[
            "contract",
            "fund",
            "unit",
            "project",
            "tender",
            "method",
            "ocid",
            "supplier",
            "price_minor",
            "added_minor",
            "committed_minor",
            "paid_minor",
            "returned_minor",
            "left_minor",
            "registered",
            "last",
            "currency_code",
            "currency_exponent",
        ],
        titles: &titles,
        right_aligned: &[8, 9, 10, 11, 12, 13, 15, 16],
    };
    listing.write((format, lang), out, &contracts, contract_row, contract_json)
}

/// Runs `projects`.
pub fn projects(globals: &Globals, args: &ProjectsArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let projects = connect::with(globals, async |connection| list_projects(connection, args).await)?;
    let lang = globals.lang;
    let titles = [
        text::projects_project(lang),
        text::projects_fund(lang),
        text::projects_estimate(lang),
        text::projects_final(lang),
        text::projects_contracted(lang),
        text::projects_paid(lang),
        text::projects_returned(lang),
        text::projects_left(lang),
        text::projects_surplus(lang),
        text::word_currency(lang),
        text::projects_last(lang),
    ];
    let listing = render::Listing {
        name: "projects",
        columns: &[
            "project",
            "fund",
            "estimate_minor",
            "final_minor",
            "contracted_minor",
            "paid_minor",
            "returned_minor",
            "left_minor",
            "surplus_minor",
            "last",
            "currency_code",
            "currency_exponent",
        ],
        titles: &titles,
        right_aligned: &[2, 3, 4, 5, 6, 7, 8, 10],
    };
    listing.write((format, lang), out, &projects, project_row, project_json)
}

async fn get_contract(connection: &Connection, contract_id: &str) -> Result<Vec<Contract>, Failure> {
    let request = GetContractRequest { contract_id: contract_id.to_owned(), min_sequence: None };
    let answer = connection.query().get_contract(connection.request(request)).await;
    let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
    Ok(answer.contract.into_iter().collect())
}

async fn list_contracts(
    connection: &Connection,
    args: &ContractsArgs,
    supplier_pseudonym: &[u8],
) -> Result<Vec<Contract>, Failure> {
    connect::all_pages(async |page_token| {
        let request = ListContractsRequest {
            ocid: args.ocid.clone().unwrap_or_default(),
            tender_id: args.tender.clone().unwrap_or_default(),
            project_id: args.project.clone().unwrap_or_default(),
            supplier: args.supplier.clone().unwrap_or_default(),
            supplier_pseudonym: supplier_pseudonym.to_vec().into(),
            unit_id: args.unit.clone().unwrap_or_default(),
            fund_id: args.fund.clone().unwrap_or_default(),
            registered_only: args.registered,
            page_size: PAGE_ROWS,
            page_token,
            min_sequence: None,
        };
        let answer = connection.query().list_contracts(connection.request(request)).await;
        let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
        Ok((answer.contracts, answer.next_page_token))
    })
    .await
}

async fn list_projects(connection: &Connection, args: &ProjectsArgs) -> Result<Vec<Project>, Failure> {
    connect::all_pages(async |page_token| {
        let request = ListProjectsRequest {
            fund_id: args.fund.clone().unwrap_or_default(),
            project_id: args.project.clone().unwrap_or_default(),
            page_size: PAGE_ROWS,
            page_token,
            min_sequence: None,
        };
        let answer = connection.query().list_projects(connection.request(request)).await;
        let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
        Ok((answer.projects, answer.next_page_token))
    })
    .await
}

/// How a contractor is found, as in the API.
pub(super) fn method(number: i32) -> &'static str {
    let method = ProcurementMethod::try_from(number).unwrap_or_default();
    word(method.as_str_name(), "PROCUREMENT_METHOD_")
}

/// An amount: in units of the currency for people, minor units for programs.
pub(super) fn amount(amount_minor: i64, currency_exponent: i32, lang: Option<Lang>) -> String {
    match lang {
        Some(_) => render::grouped(amount_minor.into(), render::exponent(currency_exponent)),
        None => amount_minor.to_string(),
    }
}

/// A row; in a language for people, else for programs.
fn contract_row(contract: &Contract, lang: Option<Lang>) -> Vec<String> {
    let money = |amount_minor| amount(amount_minor, contract.currency_exponent, lang);
    // For people what only a registration says is empty where there is none.
    let is_told = contract.registered || lang.is_none();
    let registered = |text: String| if is_told { text } else { String::new() };
    let sequences = [registered(contract.registered_sequence.to_string()), contract.last_sequence.to_string()];
    let mut row = vec![
        contract.contract_id.clone(),
        contract.fund_id.clone(),
        contract.unit_id.clone(),
        contract.project_id.clone(),
        contract.tender_id.clone(),
        named(method(contract.method), lang),
        contract.ocid.clone(),
        render::hex(&contract.supplier),
        registered(money(contract.price_minor)),
        registered(money(contract.added_minor)),
        money(contract.committed_minor),
        money(contract.paid_minor),
        money(contract.returned_minor),
        money(contract.left_minor),
    ];
    row.extend(with_currency(sequences, &contract.currency_code, contract.currency_exponent, lang));
    row
}

/// The last columns: for people the currency comes before the sequences, and its exponent is not shown; for programs both follow
/// the columns that were there before them.
fn with_currency<const COLUMNS: usize>(
    sequences: [String; COLUMNS],
    currency_code: &str,
    currency_exponent: i32,
    lang: Option<Lang>,
) -> Vec<String> {
    let code = currency_code.to_owned();
    match lang {
        Some(_) => std::iter::once(code).chain(sequences).collect(),
        None => sequences.into_iter().chain([code, currency_exponent.to_string()]).collect(),
    }
}

fn contract_json(contract: &Contract) -> Value {
    let amendments: Vec<Value> = contract
        .amendments
        .iter()
        .map(|amendment| {
            json!({
                "sequence": amendment.sequence,
                "amended_on": render::date(amendment.amended_on.as_ref()),
                "change_minor": amendment.change_minor,
                "document_number": amendment.document_number,
            })
        })
        .collect();
    json!({
        "contract_id": contract.contract_id,
        "registered": contract.registered,
        "fund_id": contract.fund_id,
        "unit_id": contract.unit_id,
        "project_id": contract.project_id,
        "tender_id": contract.tender_id,
        "ocid": contract.ocid,
        "method": method(contract.method),
        "supplier": render::hex(&contract.supplier),
        "amount_minor": contract.amount_minor,
        "added_minor": contract.added_minor,
        "price_minor": contract.price_minor,
        "retention_minor": contract.retention_minor,
        "retention_until": render::date(contract.retention_until.as_ref()),
        "signed_on": render::date(contract.signed_on.as_ref()),
        "committed_minor": contract.committed_minor,
        "paid_minor": contract.paid_minor,
        "returned_minor": contract.returned_minor,
        "left_minor": contract.left_minor,
        "amendments": amendments,
        "registered_sequence": contract.registered_sequence,
        "settled_sequence": contract.settled_sequence,
        "tender_opened_sequence": contract.tender_opened_sequence,
        "tender_awarded_sequence": contract.tender_awarded_sequence,
        "first_sequence": contract.first_sequence,
        "last_sequence": contract.last_sequence,
        "currency_code": contract.currency_code,
        "currency_exponent": contract.currency_exponent,
    })
}

/// A row; in a language for people, else for programs.
fn project_row(project: &Project, lang: Option<Lang>) -> Vec<String> {
    // For people what is not there is empty; programs read numbers.
    let money = |amount_minor| amount(amount_minor, project.currency_exponent, lang);
    let or_empty = |sequence: i64, minor: i64| match lang {
        Some(_) if sequence == 0 => String::new(),
        _ => money(minor),
    };
    let mut row = vec![
        project.project_id.clone(),
        project.fund_id.clone(),
        or_empty(project.estimate_sequence, project.estimate_minor),
        or_empty(project.final_sequence, project.final_minor),
        money(project.contracted_minor),
        money(project.paid_minor),
        money(project.returned_minor),
        or_empty(project.estimate_sequence, project.left_minor),
        or_empty(project.final_sequence, project.surplus_minor),
    ];
    let last = [project.last_sequence.to_string()];
    row.extend(with_currency(last, &project.currency_code, project.currency_exponent, lang));
    row
}

fn project_json(project: &Project) -> Value {
    json!({
        "project_id": project.project_id,
        "fund_id": project.fund_id,
        "estimate_minor": project.estimate_minor,
        "final_minor": project.final_minor,
        "contracted_minor": project.contracted_minor,
        "paid_minor": project.paid_minor,
        "returned_minor": project.returned_minor,
        "left_minor": project.left_minor,
        "surplus_minor": project.surplus_minor,
        "surplus_sequences": project.surplus_sequences,
        "estimate_sequence": project.estimate_sequence,
        "final_sequence": project.final_sequence,
        "first_sequence": project.first_sequence,
        "last_sequence": project.last_sequence,
        "currency_code": project.currency_code,
        "currency_exponent": project.currency_exponent,
    })
}
