//! `RunRules`: the auditors' rules, over the log as it is on disk.

use std::sync::Arc;

use prost::bytes::Bytes;
use tokio::sync::Semaphore;
use tonic::Status;

use super::convert::{self, Violation};
use super::node::Node;
use super::reading::read_position;
use super::spans::spawn_blocking;
use super::status::Statuses;
use crate::audit::rules::{self, Company, Hit, Outcome, PACK, Settings, Unknown};
use crate::audit::{Depth, Evidence, Options, Unreadable};
use crate::domain::refusal::Reason;
use crate::domain::time::Day;
use crate::log::{Fault, LogRead, blocks_between};
use crate::pb::v1;

const RULES_MAX: usize = 64;
const SETTINGS_MAX: usize = 256;
const COMPANIES_MAX: usize = 100_000;
const PAYEES_MAX: usize = 10_000;
const ADVANCE_CODES_MAX: usize = 256;

/// Runs rules up to the head.
pub(super) async fn run(
    node: &Arc<Node>,
    runs: Arc<Semaphore>,
    request: v1::RunRulesRequest,
    statuses: Statuses,
) -> Result<v1::RunRulesResponse, Status> {
    let settings = settings(request, node).map_err(|violations| statuses.violations(&violations))?;
    // The semaphore is never closed.
    let _running = runs.acquire_owned().await.ok();
    let head = node.ledger().committed();
    let log = node.log();
    let ran = spawn_blocking(move || {
        let options =
            Options { depth: Depth::Chain, claimed_head: Some((head.sequence, head.hash.0)), ..Options::default() };
        rules::run(Evidence::Entries(Box::new(entries(log.as_ref(), head.sequence))), &options, &settings)
    });
    let ran = ran.await.map_err(|error| statuses.fault(&Fault::new("running rules", error)))?;
    let outcome = ran.map_err(|unknown| statuses.violations(&[unknown_field(&unknown)]))?;
    if let Some(why) = &outcome.report.unreadable {
        return Err(statuses.fault(&Fault::new("running rules", why)));
    }
    Ok(wire(outcome, read_position(&head)))
}

fn entries(log: &dyn LogRead, last: i64) -> impl Iterator<Item = Result<Vec<u8>, Unreadable>> + Send {
    blocks_between(log, 0, last).flat_map(|block| match block {
        Ok(block) => block.entries().map(|entry| Ok(entry.to_vec())).collect::<Vec<_>>(),
        Err(fault) => vec![Err(Unreadable(fault.to_string()))],
    })
}

fn wrong(field: impl Into<String>, description: impl Into<String>) -> Violation {
    Violation { field: field.into(), reason: Reason::FieldInvalid, description: description.into() }
}

fn unknown_field(unknown: &Unknown) -> Violation {
    let field = match unknown {
        Unknown::Rule(_) => "rule_ids",
        Unknown::Parameter(..) | Unknown::Value(..) => "settings",
    };
    wrong(field, unknown.to_string())
}

fn settings(request: v1::RunRulesRequest, node: &Node) -> Result<Settings, Vec<Violation>> {
    let v1::RunRulesRequest { pack, rule_ids, as_of, settings, companies, payees, advance_codes } = request;
    if pack != PACK {
        return Err(vec![wrong("pack", format!("is not {PACK}, the only pack there is"))]);
    }
    let sizes = [
        ("rule_ids", rule_ids.len(), RULES_MAX),
        ("settings", settings.len(), SETTINGS_MAX),
        ("companies", companies.len(), COMPANIES_MAX),
        ("payees", payees.len(), PAYEES_MAX),
        ("advance_codes", advance_codes.len(), ADVANCE_CODES_MAX),
    ];
    for (field, count, most) in sizes {
        if count > most {
            return Err(vec![wrong(field, format!("has {count} members; at most {most}"))]);
        }
    }
    let as_of = as_of.map(|date| convert::day("as_of", date)).transpose()?.map(Day::days);
    let mut known = Vec::with_capacity(companies.len());
    for (at, company) in companies.into_iter().enumerate() {
        let field = format!("companies[{at}].payee");
        let payee = convert::party(&field, &company.payee, &company.payee_pseudonym, node.pseudonyms())?;
        let v1::Company { founded_year: founded, capital_minor, .. } = company;
        known.push(Company { payee: payee.0, founded, capital_minor });
    }
    let mut pseudonyms = Vec::with_capacity(payees.len());
    for (at, payee) in payees.iter().enumerate() {
        pseudonyms.push(convert::payee(&format!("payees[{at}]"), payee, node.pseudonyms())?.0);
    }
    let parameters = settings.into_iter().map(|set| ((set.rule_id, set.name), set.value)).collect();
    let settings = Settings { rules: rule_ids, as_of, parameters, companies: known, payees: pseudonyms, advance_codes };
    settings.check().map_err(|unknown| vec![unknown_field(&unknown)])?;
    Ok(settings)
}

fn date(day: i32) -> crate::pb::Date {
    convert::date(Day::from_days(day))
}

/// What rules found, as the API says it.
pub(crate) fn wire(outcome: Outcome, position: v1::ReadPosition) -> v1::RunRulesResponse {
    let runs = outcome.runs.iter().map(|run| v1::RuleRun {
        rule_id: run.rule.id.to_owned(),
        rule_version: i32::try_from(run.rule.version).unwrap_or_default(),
        is_run: run.hits.is_some(),
        hit_count: i64::try_from(run.hits.unwrap_or_default()).unwrap_or(i64::MAX),
    });
    v1::RunRulesResponse {
        runs: runs.collect(),
        hits: outcome.hits.into_iter().map(wire_hit).collect(),
        as_of: Some(date(outcome.as_of)),
        position: Some(position),
    }
}

fn wire_hit(hit: Hit) -> v1::RuleHit {
    let facts = hit.facts.into_iter().map(|(name, value)| v1::RuleFact { name: name.to_owned(), value });
    v1::RuleHit {
        hit_id: hit.id,
        rule_id: hit.rule_id.to_owned(),
        rule_version: i32::try_from(hit.rule_version).unwrap_or_default(),
        sequences: hit.sequences,
        sequence_count: i64::try_from(hit.sequence_count).unwrap_or(i64::MAX),
        fund_id: hit.fund_id,
        lot_id: hit.lot_id,
        unit_id: hit.unit_id,
        account_id: hit.account_id,
        party_pseudonym: hit.party.map_or_else(Bytes::new, |party| Bytes::copy_from_slice(&party)),
        amount_minor: hit.amount_minor,
        currency_code: hit.currency_code,
        currency_exponent: hit.currency_exponent,
        first_date: Some(date(hit.days.0)),
        last_date: Some(date(hit.days.1)),
        facts: facts.collect(),
        evidence_query: hit.evidence,
        stage: hit.stage.as_str().to_owned(),
    }
}
