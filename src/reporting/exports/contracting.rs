//! OCDS 1.1: a release package with one release a contract: budget breakdown from the lots it was committed from,
//! implementation transactions from its payments and what came back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use prost::Message;
use serde_json::json;

use super::output::Output;
use super::selection::{Basis, Selection, moment};
use super::sorted::Sorter;
use super::{ExportError, Exporting};
use crate::format::hexadecimal;
use crate::pb::v1::event::Payload;
use crate::pb::v1::{AccountKind as Kind, ContractRegistered, Leg, ProcurementMethod, TenderOpened};
use crate::reporting::decimal::decimal;
use crate::reporting::register::{Register, Step};
use crate::reporting::table::{date, json_string};

const EXTENSION: &str = "https://raw.githubusercontent.com/open-contracting-extensions/ocds_budget_breakdown_extension/master/extension.json";

/// Something that happened to a contract.
#[derive(Clone, PartialEq, Message)]
struct ContractStep {
    #[prost(string, tag = "1")]
    contract_id: String,
    #[prost(int64, tag = "2")]
    sequence: i64,
    #[prost(int32, tag = "3")]
    operation: i32,
    #[prost(sint32, tag = "4")]
    day: i32,
    #[prost(int64, tag = "5")]
    booked_at_ns: i64,
    /// The payment that was made, came back or was reversed; empty of what is done to the contract itself.
    #[prost(string, tag = "6")]
    payment_id: String,
    /// Where the contract is made, what the log says of it.
    #[prost(string, tag = "7")]
    ocid: String,
    #[prost(bytes = "vec", tag = "8")]
    payee: Vec<u8>,
    #[prost(message, repeated, tag = "9")]
    legs: Vec<Leg>,
    /// Where it was registered, what the log says of that.
    #[prost(message, optional, tag = "10")]
    registration: Option<Registration>,
    /// A change of the price, minor units.
    #[prost(int64, tag = "11")]
    change_minor: i64,
    /// The price that it was settled at, minor units.
    #[prost(int64, optional, tag = "12")]
    settled_minor: Option<i64>,
}

/// The registration of a contract.
#[derive(Clone, PartialEq, Message)]
struct Registration {
    #[prost(int32, tag = "1")]
    fund: i32,
    #[prost(string, tag = "2")]
    unit_id: String,
    /// Minor units.
    #[prost(int64, tag = "3")]
    amount_minor: i64,
    #[prost(sint32, tag = "4")]
    signed_day: i32,
    #[prost(string, tag = "5")]
    document_number: String,
    #[prost(string, tag = "6")]
    tender_id: String,
    #[prost(int32, tag = "7")]
    method: i32,
    /// The most that may have been awarded, minor units; 0 where there was no tender.
    #[prost(int64, tag = "8")]
    ceiling_minor: i64,
}

/// The package while it is made.
pub struct Contracting {
    selection: Selection,
    steps: Sorter,
    /// By id, what contracts that are awarded in them take over.
    tenders: BTreeMap<String, TenderOpened>,
}

impl Contracting {
    /// Of what is wanted.
    pub fn new(selection: Selection, room: &Path) -> Self {
        Self { selection, steps: Sorter::new(room), tenders: BTreeMap::new() }
    }

    /// What a registration says; its ocid is its own, or the tender's.
    fn registration(&self, registered: &ContractRegistered) -> (Registration, String) {
        let tender = self.tenders.get(&registered.tender_id).cloned().unwrap_or_default();
        let method = if registered.tender_id.is_empty() { registered.method } else { tender.method };
        let registration = Registration {
            fund: registered.fund,
            unit_id: registered.unit_id.clone(),
            amount_minor: registered.amount_minor,
            signed_day: registered.signed_day,
            document_number: registered.document_number.clone(),
            tender_id: registered.tender_id.clone(),
            method,
            ceiling_minor: tender.ceiling_minor,
        };
        let own = Some(registered.ocid.clone()).filter(|ocid| !ocid.is_empty());
        (registration, own.unwrap_or(tender.ocid))
    }
}

impl Exporting for Contracting {
    fn take(&mut self, step: &Step<'_>, register: &Register) -> io::Result<()> {
        let mut taken = ContractStep {
            sequence: step.sequence,
            operation: step.operation,
            day: step.day,
            booked_at_ns: step.booked_at_ns,
            legs: step.legs.to_vec(),
            ..ContractStep::default()
        };
        let under = || register.terms(step).map(|terms| terms.contract_id.clone()).unwrap_or_default();
        // What moves nothing says itself of which fund it is.
        let is_of_fund = |fund: i32| {
            let known = register.fund(fund).map(|fund| &fund.fund_id);
            self.selection.fund.as_ref().is_none_or(|wanted| known == Some(wanted))
        };
        #[expect(clippy::wildcard_enum_match_arm, reason = "few kinds of events are about a contract")]
        match step.payload {
            Payload::TenderOpened(opened) => {
                self.tenders.insert(opened.tender_id.clone(), opened.clone());
                return Ok(());
            }
            Payload::ContractRegistered(registered) if is_of_fund(registered.fund) => {
                let (registration, ocid) = self.registration(registered);
                taken.contract_id.clone_from(&registered.contract_id);
                taken.payee = registered.supplier.to_vec();
                (taken.registration, taken.ocid) = (Some(registration), ocid);
            }
            // Of contracts that were left out for their fund these are left out at the end.
            Payload::ContractAmended(amended) => {
                taken.contract_id.clone_from(&amended.contract_id);
                taken.change_minor = amended.change_minor;
            }
            Payload::ContractSettled(settled) => {
                taken.contract_id.clone_from(&settled.contract_id);
                taken.settled_minor = Some(settled.amount_minor);
            }
            Payload::Committed(committed) => {
                taken.contract_id.clone_from(&committed.contract_id);
                taken.ocid.clone_from(&committed.ocid);
                taken.payee = committed.payee.to_vec();
            }
            Payload::CommitmentReleased(released) => {
                taken.contract_id.clone_from(&released.contract_id);
            }
            Payload::PaymentExecuted(payment) => {
                taken.contract_id.clone_from(&payment.contract_id);
                taken.payment_id.clone_from(&payment.payment_id);
            }
            Payload::PaymentReturned(returned) => {
                taken.contract_id = under();
                taken.payment_id.clone_from(&returned.payment_id);
            }
            Payload::Reversed(reversed) => {
                taken.contract_id.clone_from(&reversed.contract_id);
                taken.payment_id.clone_from(&reversed.payment_id);
            }
            _ => return Ok(()),
        }
        if taken.contract_id.is_empty() {
            return Ok(());
        }
        // No identifier has a zero byte.
        let mut key = taken.contract_id.clone().into_bytes();
        key.push(0);
        key.extend_from_slice(&taken.sequence.to_be_bytes());
        key.extend_from_slice(&taken.operation.to_be_bytes());
        self.steps.push(&key, taken.encode_to_vec())
    }

    fn finish(
        mut self: Box<Self>,
        basis: &Basis,
        register: &Register,
        output: &Path,
        tick: &mut dyn FnMut(),
    ) -> Result<u64, ExportError> {
        let mut writing =
            Writing { out: Output::create(output)?, selection: &self.selection, register, releases: 0, contract: None };
        writing.head(basis)?;
        self.steps.each(|record| -> Result<(), ExportError> {
            let step = ContractStep::decode(record).map_err(io::Error::other)?;
            writing.take(&step)?;
            tick();
            Ok(())
        })?;
        writing.end()?;
        writeln!(writing.out, "\n]}}")?;
        writing.out.finish()?;
        Ok(writing.releases)
    }
}

/// A contract of which the steps are coming.
struct Contract {
    id: String,
    ocid: String,
    payee: Vec<u8>,
    first_day: i32,
    last: (i64, i64),
    unit: String,
    fund: i32,
    /// By lot, what was committed and not taken back.
    committed: BTreeMap<i32, i128>,
    /// What of it is neither paid nor released.
    left: i128,
    /// Whether anything of it is of the days that are wanted.
    is_begun: bool,
    transactions: u64,
    /// Where it was registered: that, and the price as it is now.
    registered: Option<(Registration, i128)>,
}

struct Writing<'a> {
    out: Output,
    selection: &'a Selection,
    register: &'a Register,
    releases: u64,
    contract: Option<Contract>,
}

impl Writing<'_> {
    fn head(&mut self, basis: &Basis) -> io::Result<()> {
        // The same log asked for something else is another package.
        let asked: Vec<String> = basis.named().iter().skip(2).map(|(name, value)| format!("{name}:{value}")).collect();
        let named: BTreeMap<&str, String> = basis.named().into_iter().collect();
        let head = json!({
            "uri": format!("urn:fundledger:{}", asked.join(":")),
            "version": "1.1",
            "extensions": [EXTENSION],
            "publishedDate": basis.time(),
            "publisher": { "name": basis.origin },
            "fundledger": named,
        });
        write!(self.out, "{},\n\"releases\":[", open(&head))
    }

    fn take(&mut self, step: &ContractStep) -> Result<(), ExportError> {
        if self.contract.as_ref().is_some_and(|contract| contract.id != step.contract_id) {
            self.end()?;
        }
        let registration = step.registration.as_ref();
        // A contract of another fund than the one asked for has no registration here, and moved nothing.
        if self.contract.is_none() && registration.is_none() && step.legs.is_empty() {
            return Ok(());
        }
        let moved = step.legs.first().map_or(0, |leg| self.register.fund_of(leg.account));
        let fund = registration.map_or(moved, |registration| registration.fund);
        let units = step.legs.iter().map(|leg| self.register.unit(leg.account));
        let unit =
            registration.map(|known| known.unit_id.as_str()).into_iter().chain(units).find(|unit| !unit.is_empty());
        let contract = self.contract.get_or_insert_with(|| Contract {
            id: step.contract_id.clone(),
            ocid: step.ocid.clone(),
            payee: step.payee.clone(),
            first_day: step.day,
            last: (step.sequence, step.booked_at_ns),
            unit: unit.unwrap_or_default().to_owned(),
            fund,
            committed: BTreeMap::new(),
            left: 0,
            is_begun: false,
            transactions: 0,
            registered: None,
        });
        if let Some(registration) = registration {
            contract.registered = Some((registration.clone(), registration.amount_minor.into()));
        }
        if let Some((_, price)) = &mut contract.registered {
            *price = step.settled_minor.map_or(price.saturating_add(step.change_minor.into()), i128::from);
        }
        if contract.ocid.is_empty() {
            contract.ocid.clone_from(&step.ocid);
        }
        contract.last = (step.sequence, step.booked_at_ns);
        if step.payment_id.is_empty() {
            for leg in step.legs.iter().filter(|leg| self.register.kind(leg.account) == Kind::AuthorityCommitted) {
                let sum = contract.committed.entry(leg.lot).or_default();
                *sum = sum.saturating_sub(leg.amount_minor.into());
            }
        }
        for leg in step.legs.iter().filter(|leg| self.register.kind(leg.account) == Kind::AuthorityCommitted) {
            contract.left = contract.left.saturating_sub(leg.amount_minor.into());
        }
        if self.selection.is_before(step.day) {
            return Ok(());
        }
        if !contract.is_begun {
            contract.is_begun = true;
            let separator = if self.releases == 0 { "" } else { "," };
            self.releases = self.releases.saturating_add(1);
            let id = json_string(&contract.id);
            write!(
                self.out,
                "{separator}\n{{\"contracts\":[{{\"id\":{id},\"awardID\":{id},\"implementation\":{{\"transactions\":["
            )?;
        }
        if !step.payment_id.is_empty() {
            self.transaction(step)?;
        }
        Ok(())
    }

    /// A payment, or below zero what came back of one.
    fn transaction(&mut self, step: &ContractStep) -> io::Result<()> {
        let Some(contract) = &mut self.contract else { return Ok(()) };
        let used = step.legs.iter().filter(|leg| self.register.kind(leg.account) == Kind::AuthorityUsed);
        let paid: i128 = used.map(|leg| i128::from(leg.amount_minor)).sum::<i128>().saturating_neg();
        let separator = if contract.transactions == 0 { "" } else { "," };
        contract.transactions = contract.transactions.saturating_add(1);
        let place = if step.operation == 0 {
            step.sequence.to_string()
        } else {
            format!("{}.{}", step.sequence, step.operation)
        };
        let about = json!({
            "id": format!("{}-{place}", step.payment_id),
            "source": format!("urn:fundledger:sequence:{place}"),
            "date": day(step.day),
            "payer": payer(contract),
            "payee": party(&hexadecimal::of(&contract.payee)),
        });
        let value = value(self.register, contract.fund, paid);
        write!(self.out, "{separator}\n{},\"value\":{value}}}", open(&about))
    }

    /// Ends the release of the contract before, if there is one.
    fn end(&mut self) -> Result<(), ExportError> {
        let Some(contract) = self.contract.take().filter(|contract| contract.is_begun) else { return Ok(()) };
        let ocid = match (&self.selection.ocid_prefix, contract.ocid.as_str()) {
            (Some(prefix), "") => format!("{prefix}-{}", contract.id),
            (None, "") => return Err(ExportError::NoOcid(contract.id)),
            (_, ocid) => ocid.to_owned(),
        };
        let register = self.register;
        let sum: i128 = contract.committed.values().sum();
        let value_of = |amount: i128| value(register, contract.fund, amount);
        let status = if contract.left == 0 { "terminated" } else { "active" };
        let start = json!({ "startDate": day(contract.first_day) });
        let total = value_of(sum);
        let registered = contract.registered.as_ref();
        let price = value_of(registered.map_or(sum, |(_, price)| *price));
        let awarded = value_of(registered.map_or(sum, |(known, _)| known.amount_minor.into()));
        write!(self.out, "]}},\"status\":\"{status}\",\"value\":{price},\"period\":{start}")?;
        if let Some((known, _)) = registered {
            let (document, signed) = (json_string(&known.document_number), json_string(&day(known.signed_day)));
            write!(self.out, ",\"title\":{document},\"dateSigned\":{signed}")?;
        }
        writeln!(self.out, "}}],")?;
        let tender = registered.map(|(known, _)| known).filter(|known| !known.tender_id.is_empty());
        if let Some(known) = tender {
            let (id, details) = (json_string(&known.tender_id), json_string(method(known.method)));
            let most = value_of(known.ceiling_minor.into());
            writeln!(self.out, "\"tender\":{{\"id\":{id},\"procurementMethodDetails\":{details},\"value\":{most}}},")?;
        }
        let payee = hexadecimal::of(&contract.payee);
        let id = json_string(&contract.id);
        let suppliers = json!([party(&payee)]);
        writeln!(self.out, "\"awards\":[{{\"id\":{id},\"value\":{awarded},\"suppliers\":{suppliers}}}],")?;
        let fund = register.fund(contract.fund).cloned().unwrap_or_default();
        let mut issuers = BTreeSet::new();
        let mut breakdown = Vec::new();
        for (number, amount) in &contract.committed {
            let Some(lot) = register.lot(*number) else { continue };
            issuers.insert(lot.issuer_id.clone());
            let days = [("startDate", lot.day), ("endDate", lot.expires_day)];
            let days = days.into_iter().filter(|(_, number)| *number != 0).map(|(name, number)| (name, day(number)));
            let period: BTreeMap<&str, String> = days.collect();
            let about = json!({
                "id": lot.lot_id,
                "description": lot.document_number,
                "period": period,
                "sourceParty": party(&lot.issuer_id),
            });
            breakdown.push(format!("{},\"amount\":{}}}", open(&about), value_of(*amount)));
        }
        let (fund_id, name) = (json_string(&fund.fund_id), json_string(&fund.name));
        writeln!(
            self.out,
            "\"planning\":{{\"budget\":{{\"id\":{fund_id},\"description\":{name},\"amount\":{total},\"budgetBreakdown\":[\n{}]}}}},",
            breakdown.join(",\n")
        )?;
        let mut roles: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        roles.entry(&payee).or_default().extend(["supplier", "payee"]);
        roles.entry(buyer(&contract)).or_default().extend(["buyer", "payer"]);
        for issuer in &issuers {
            roles.entry(issuer).or_default().push("funder");
        }
        let parties: Vec<_> = roles.iter().map(|(id, roles)| json!({ "id": id, "name": id, "roles": roles })).collect();
        let (sequence, booked_at_ns) = contract.last;
        let tags =
            [Some("planning"), tender.map(|_| "tender"), Some("award"), Some("contract"), Some("implementation")];
        let tags: Vec<&str> = tags.into_iter().flatten().collect();
        let rest = json!({
            "ocid": ocid,
            "id": format!("{ocid}-{sequence}"),
            "date": moment(booked_at_ns),
            "language": "zh",
            "tag": tags,
            "initiationType": "tender",
            "buyer": payer(&contract),
            "parties": parties,
        });
        let rest = rest.to_string();
        write!(self.out, "{}", rest.strip_prefix('{').unwrap_or(&rest))?;
        Ok(())
    }
}

/// Who spends: the unit. A commitment stands in an account of one.
fn buyer(contract: &Contract) -> &str {
    &contract.unit
}

fn payer(contract: &Contract) -> serde_json::Value {
    party(buyer(contract))
}

fn party(id: &str) -> serde_json::Value {
    json!({ "id": id, "name": id })
}

/// How the contractor was found, by the name in the API.
fn method(number: i32) -> &'static str {
    let method = ProcurementMethod::try_from(number).unwrap_or_default();
    method.as_str_name().strip_prefix("PROCUREMENT_METHOD_").unwrap_or_default()
}

/// An amount as OCDS has it: a number that is exactly the decimal.
fn value(register: &Register, fund: i32, amount: i128) -> String {
    let fund = register.fund(fund);
    let (currency, exponent) = fund.map_or(("", 0), |fund| (fund.currency_code.as_str(), fund.exponent));
    format!("{{\"amount\":{},\"currency\":{}}}", decimal(amount, exponent), json_string(currency))
}

/// A business date as OCDS has dates: the beginning of the day, in Shanghai.
fn day(day: i32) -> String {
    format!("{}T00:00:00+08:00", date(day))
}

/// An object that goes on: amounts are written as the exact decimals that they are.
fn open(object: &serde_json::Value) -> String {
    let text = object.to_string();
    text.strip_suffix('}').unwrap_or(&text).to_owned()
}
