//! `ListTenders`, `ListContracts`, `GetContract` and `ListProjects`: what was registered, committed and paid.

use tonic::Status;

use super::convert;
use super::page;
use super::reading::{Reading, read_position, shown};
use crate::domain::ids::{Code, FundNumber, PayeeRef, TenderId};
use crate::domain::money;
use crate::domain::places::Place;
use crate::domain::procurement::ProcurementMethod;
use crate::domain::refusal::Reason;
use crate::domain::rights::Action;
use crate::pb::v1;
use crate::projection::Views;
use crate::projection::contracts::{ContractView, ProjectView, TenderView};

/// Tenders that pass the filters, in the order in which they were opened.
pub(super) async fn tenders(
    reading: Reading,
    request: v1::ListTendersRequest,
) -> Result<v1::ListTendersResponse, Status> {
    reading.wait(request.min_sequence, None).await?;
    check_place(&reading, &request.fund_id, &request.unit_id)?;
    let open = [u8::from(request.open_only)];
    let parameters: [&[u8]; 7] = [
        b"tenders",
        request.tender_id.as_bytes(),
        request.ocid.as_bytes(),
        request.project_id.as_bytes(),
        request.unit_id.as_bytes(),
        request.fund_id.as_bytes(),
        &open,
    ];
    let page = reading.page(request.page_size, &request.page_token, &parameters, None)?;
    let views = reading.node.views();
    let fund = views.books.fund_named(&request.fund_id);
    let fits = |tender: &TenderView| {
        let is = |asked: &str, known: Option<&str>| asked.is_empty() || known == Some(asked);
        is(&request.tender_id, Some(tender.tender_id.as_str()))
            && is(&request.ocid, tender.ocid.as_ref().map(Code::as_str))
            && is(&request.project_id, tender.project_id.as_ref().map(Code::as_str))
            && is(&request.unit_id, Some(tender.unit_id.as_str()))
            && (request.fund_id.is_empty() || fund == Some(tender.fund))
            && (tender.award.is_none() || !request.open_only)
    };
    let as_of = views.position.sequence;
    let show = |tender: &TenderView| wire_tender(&views, tender);
    let (tenders, next_page_token) = page::of_rows(views.contracts.tenders(), page, &parameters, as_of, fits, show);
    Ok(v1::ListTendersResponse { tenders, next_page_token, position: Some(read_position(&views.position)) })
}

/// Contracts that pass the filters, in the order in which they became known.
pub(super) async fn list(
    reading: Reading,
    request: v1::ListContractsRequest,
) -> Result<v1::ListContractsResponse, Status> {
    let supplier = supplier_of(&reading, &request)?;
    reading.wait(request.min_sequence, None).await?;
    check_place(&reading, &request.fund_id, &request.unit_id)?;
    let registered = [u8::from(request.registered_only)];
    let parameters: [&[u8]; 8] = [
        b"contracts",
        request.ocid.as_bytes(),
        request.tender_id.as_bytes(),
        request.project_id.as_bytes(),
        supplier.as_ref().map_or(&[], |supplier| &supplier.0),
        request.unit_id.as_bytes(),
        request.fund_id.as_bytes(),
        &registered,
    ];
    let page = reading.page(request.page_size, &request.page_token, &parameters, None)?;
    let views = reading.node.views();
    let fund = views.books.fund_named(&request.fund_id);
    let fits = |contract: &ContractView| {
        let registration = contract.registration.as_ref();
        let is = |asked: &str, known: Option<&str>| asked.is_empty() || known == Some(asked);
        is(&request.ocid, contract.ocid.as_ref().map(Code::as_str))
            && is(&request.tender_id, registration.and_then(|known| known.tender_id.as_ref()).map(TenderId::as_str))
            && is(&request.project_id, registration.and_then(|known| known.project_id.as_ref()).map(Code::as_str))
            && is(&request.unit_id, registration.map(|known| known.unit_id.as_str()))
            && supplier.is_none_or(|supplier| supplier == contract.supplier)
            && (request.fund_id.is_empty() || fund == Some(contract.fund))
            && (registration.is_some() || !request.registered_only)
    };
    let as_of = views.position.sequence;
    let show = |contract: &ContractView| wire_contract(&views, contract);
    let (contracts, next_page_token) = page::of_rows(views.contracts.contracts(), page, &parameters, as_of, fits, show);
    Ok(v1::ListContractsResponse { contracts, next_page_token, position: Some(read_position(&views.position)) })
}

/// One contract.
pub(super) async fn one(reading: Reading, request: v1::GetContractRequest) -> Result<v1::GetContractResponse, Status> {
    reading.wait(request.min_sequence, None).await?;
    let views = reading.node.views();
    let not_found = || reading.statuses.reason(Reason::ContractNotFound, &[("contract", shown(&request.contract_id))]);
    let contract = views.contracts.contract(&request.contract_id).ok_or_else(not_found)?;
    // One that is not registered is of no unit: whoever may read only one's own agency's may not read it.
    let unit = contract.registration.as_ref().map(|known| known.unit_id.as_str());
    let place = Place { fund: Some(contract.fund), unit };
    reading.caller.check_place(Action::ReadContracts, &place, &reading.node, reading.statuses)?;
    let contract = Some(wire_contract(&views, contract));
    Ok(v1::GetContractResponse { contract, position: Some(read_position(&views.position)) })
}

/// Projects that pass the filters, in the order in which they became known.
pub(super) async fn projects(
    reading: Reading,
    request: v1::ListProjectsRequest,
) -> Result<v1::ListProjectsResponse, Status> {
    reading.wait(request.min_sequence, None).await?;
    let parameters: [&[u8]; 3] = [b"projects", request.fund_id.as_bytes(), request.project_id.as_bytes()];
    let page = reading.page(request.page_size, &request.page_token, &parameters, None)?;
    let views = reading.node.views();
    let fund = views.books.fund_named(&request.fund_id);
    let fits = |project: &ProjectView| {
        (request.fund_id.is_empty() || fund == Some(project.fund))
            && (request.project_id.is_empty() || project.project_id.as_str() == request.project_id)
    };
    let as_of = views.position.sequence;
    let show = |project: &ProjectView| wire_project(&views, project);
    let (projects, next_page_token) = page::of_rows(views.contracts.projects(), page, &parameters, as_of, fits, show);
    Ok(v1::ListProjectsResponse { projects, next_page_token, position: Some(read_position(&views.position)) })
}

/// Whether the caller may read tenders and contracts of what is asked for.
fn check_place(reading: &Reading, fund_id: &str, unit_id: &str) -> Result<(), Status> {
    let fund = reading.node.views().books.fund_named(fund_id);
    let place = Place { fund, unit: Some(unit_id).filter(|unit| !unit.is_empty()) };
    reading.caller.check_place(Action::ReadContracts, &place, &reading.node, reading.statuses)
}

fn supplier_of(reading: &Reading, request: &v1::ListContractsRequest) -> Result<Option<PayeeRef>, Status> {
    let (identity, pseudonym) = (request.supplier.as_str(), request.supplier_pseudonym.as_ref());
    match (identity, pseudonym) {
        ("", []) => Ok(None),
        (identity, []) => {
            let supplier = convert::payee("supplier", identity, reading.node.pseudonyms());
            supplier.map(Some).map_err(|violations| reading.statuses.violations(&violations))
        }
        ("", pseudonym) => {
            let of_form = <[u8; 16]>::try_from(pseudonym).map(|bytes| Some(PayeeRef(bytes)));
            let description = || format!("is {} bytes long; a pseudonym has 16", pseudonym.len());
            of_form.map_err(|_| reading.violation("supplier_pseudonym", Reason::FieldInvalid, description()))
        }
        _ => {
            let description = "stands together with supplier; only one of them can be given".to_owned();
            Err(reading.violation("supplier_pseudonym", Reason::FieldInvalid, description))
        }
    }
}

/// A fund's id, and the code and the exponent of its currency.
fn fund_of(views: &Views, fund: FundNumber) -> (String, String, i32) {
    let definition = views.books.fund(fund).map(|fund| &fund.definition);
    definition.map_or_else(Default::default, |definition| {
        let currency = definition.currency;
        (definition.fund_id.to_string(), currency.code_str().to_owned(), currency.exponent.into())
    })
}

fn wire_tender(views: &Views, tender: &TenderView) -> v1::Tender {
    let (fund_id, currency_code, currency_exponent) = fund_of(views, tender.fund);
    let prices = views.contracts.contracts_of(tender).filter_map(ContractView::price_minor);
    v1::Tender {
        tender_id: tender.tender_id.to_string(),
        fund_id,
        unit_id: tender.unit_id.to_string(),
        project_id: text(tender.project_id.as_ref()),
        ocid: text(tender.ocid.as_ref()),
        method: tender.method.number(),
        ceiling_minor: tender.ceiling_minor,
        document_number: tender.document_number.to_string(),
        opened_sequence: tender.opened.0.0,
        opened_on: Some(convert::date(tender.opened.1)),
        award: tender.award.as_ref().map(|award| v1::TenderAward {
            sequence: award.at.0.0,
            awarded_on: Some(convert::date(award.at.1)),
            supplier: award.supplier.0.to_vec().into(),
            amount_minor: award.amount_minor,
            document_number: award.document_number.to_string(),
        }),
        contracted_minor: prices.fold(0, money::add),
        contract_ids: views.contracts.contracts_of(tender).map(|contract| contract.contract_id.to_string()).collect(),
        currency_code,
        currency_exponent,
    }
}

fn wire_contract(views: &Views, contract: &ContractView) -> v1::Contract {
    let registration = contract.registration.as_ref();
    let tender = registration.and_then(|known| views.contracts.tender(known.tender_id.as_ref()?));
    let settlement = contract.settlement.as_ref();
    let retention = settlement.and_then(|settlement| settlement.retention);
    let (fund_id, currency_code, currency_exponent) = fund_of(views, contract.fund);
    v1::Contract {
        contract_id: contract.contract_id.to_string(),
        registered: registration.is_some(),
        fund_id,
        unit_id: registration.map(|known| known.unit_id.to_string()).unwrap_or_default(),
        project_id: text(registration.and_then(|known| known.project_id.as_ref())),
        tender_id: text(registration.and_then(|known| known.tender_id.as_ref())),
        ocid: text(contract.ocid.as_ref()),
        method: views.contracts.method(contract).map_or(0, ProcurementMethod::number),
        supplier: contract.supplier.0.to_vec().into(),
        amount_minor: registration.map_or(0, |known| known.first_minor),
        added_minor: contract.added_minor(),
        price_minor: contract.price_minor().unwrap_or_default(),
        retention_minor: retention.map_or(0, |(retained_minor, _)| retained_minor),
        retention_until: retention.map(|(_, until)| convert::date(until)),
        signed_on: registration.map(|known| convert::date(known.signed_on)),
        committed_minor: contract.committed_minor(),
        paid_minor: contract.paid_minor,
        returned_minor: contract.returned_minor,
        left_minor: contract.left_minor(),
        amendments: contract
            .amendments
            .iter()
            .map(|amendment| v1::ContractAmendment {
                sequence: amendment.at.0.0,
                amended_on: Some(convert::date(amendment.at.1)),
                change_minor: amendment.change_minor,
                document_number: amendment.document_number.to_string(),
            })
            .collect(),
        registered_sequence: registration.map_or(0, |known| known.sequence.0),
        settled_sequence: settlement.map_or(0, |settlement| settlement.sequence.0),
        tender_opened_sequence: tender.map_or(0, |tender| tender.opened.0.0),
        tender_awarded_sequence: tender.and_then(|tender| tender.award.as_ref()).map_or(0, |award| award.at.0.0),
        first_sequence: contract.first.0,
        last_sequence: contract.last.0,
        currency_code,
        currency_exponent,
    }
}

fn text(id: Option<&impl ToString>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

fn wire_project(views: &Views, project: &ProjectView) -> v1::Project {
    let (estimate_minor, estimate) = project.estimate.unwrap_or_default();
    let (final_minor, final_account) = project.final_account.unwrap_or_default();
    let (fund_id, currency_code, currency_exponent) = fund_of(views, project.fund);
    v1::Project {
        project_id: project.project_id.to_string(),
        fund_id,
        estimate_minor,
        final_minor,
        contracted_minor: project.contracted_minor,
        paid_minor: project.paid_minor,
        returned_minor: project.returned_minor,
        left_minor: project.cap_minor().map_or(0, |cap| money::subtract(cap, project.net_minor())),
        surplus_minor: project.final_account.map_or(0, |(cost, _)| money::subtract(estimate_minor, cost)),
        surplus_sequences: project.surplus.iter().map(|sequence| sequence.0).collect(),
        estimate_sequence: estimate.0,
        final_sequence: final_account.0,
        first_sequence: project.first.0,
        last_sequence: project.last.0,
        currency_code,
        currency_exponent,
    }
}
