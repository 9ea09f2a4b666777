//! `rules`: the auditors' red flags, over a running ledger, a stopped one, or a bundle.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use prost::bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connect::{self, Connection};
use super::evidence::PrivateCopy;
use super::render::{self, hex};
use super::{Failure, Format, Globals, Lang, is_url};
use crate::audit::rules::{self as pack, Need, PACK, RULES, Rule, Settings};
use crate::audit::{Evidence, Options, Verdict, read_bundle};
use crate::grpc::convert;
use crate::grpc::rules::wire;
use crate::messages::{self, cli as text};
use crate::pb::Date;
use crate::pb::v1::{Company, ReadPosition, RuleHit, RuleSetting, RunRulesRequest, RunRulesResponse};

/// Arguments of `rules`.
#[derive(Args, Clone, Debug)]
pub struct RulesArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with rules.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Run rules over a running ledger, a stopped ledger's directory, or a bundle.
    Run(Box<RunArgs>),
    /// List the rules with their sources, parameters and defaults.
    List(ListArgs),
}

/// Arguments of `rules list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// The pack.
    #[arg(long, default_value = PACK)]
    pub pack: String,
}

/// Arguments of `rules run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// The pack.
    #[arg(long, default_value = PACK)]
    pub pack: String,
    /// Directory of a stopped ledger, bundle file, or address of a running server; --server if not given.
    #[arg(value_name = "DIR|BUNDLE|URL")]
    pub source: Option<String>,
    /// Only this rule; may be given several times.
    #[arg(long, value_name = "RULE")]
    pub rule: Vec<String>,
    /// The day that ages are counted to; the last business date in the log if not given.
    #[arg(long, value_name = "DATE", value_parser = render::parse_date)]
    pub as_of: Option<Date>,
    /// A parameter's value, e.g. R-IDLE.days=180; may be given several times.
    #[arg(long, value_name = "RULE.PARAMETER=NUMBER")]
    pub set: Vec<String>,
    /// Parameters from a TOML file: a table for each rule.
    #[arg(long, value_name = "FILE.toml")]
    pub parameters: Option<PathBuf>,
    /// What a register says of companies, as CSV with the columns `payee` or `payee_pseudonym`, `founded_year`, `capital_minor`.
    #[arg(long, value_name = "FILE.csv")]
    pub companies: Option<PathBuf>,
    /// A payee to look at, as named in posting; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub payee: Vec<String>,
    /// A payee to look at, by the pseudonym in the log, 32 hexadecimal digits; may be given several times.
    #[arg(long, value_name = "HEX")]
    pub payee_pseudonym: Vec<String>,
    /// A purpose or economic code of payments in advance; may be given several times.
    #[arg(long, value_name = "CODE")]
    pub advance_code: Vec<String>,
    /// Exit with 1 if anything is found.
    #[arg(long)]
    pub fail_on_hits: bool,
}

/// A line of a register of companies.
#[derive(Debug, Deserialize)]
struct CompanyRow {
    #[serde(default)]
    payee: String,
    #[serde(default)]
    payee_pseudonym: String,
    founded_year: i32,
    capital_minor: i64,
}

/// Runs `rules`.
pub fn run(globals: &Globals, args: &RulesArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let pack = match &args.action {
        Action::Run(args) => &args.pack,
        Action::List(args) => &args.pack,
    };
    if pack != PACK {
        return Err(Failure::Usage(text::rules_unknown_pack(globals.lang, pack)));
    }
    match &args.action {
        Action::Run(args) => run_rules(globals, args, out),
        Action::List(_) => list(globals, out),
    }
}

fn title(id: &str, lang: Lang) -> String {
    messages::text(lang.into(), &format!("rule-{id}"), &[])
}

fn parameters(rule: &Rule) -> String {
    let all: Vec<String> = rule.parameters.iter().map(|known| format!("{}={}", known.name, known.default)).collect();
    all.join(" ")
}

fn list(globals: &Globals, out: &mut dyn Write) -> Result<(), Failure> {
    let lang = globals.lang;
    let row = |rule: &Rule| {
        let name = format!("{}.{}", rule.id, rule.version);
        let name = if rule.alias.is_empty() { name } else { format!("{name} ({})", rule.alias) };
        vec![name, title(rule.id, lang), parameters(rule), rule.basis.to_owned()]
    };
    match globals.format(&[Format::Table, Format::Json, Format::Csv])? {
        Format::Json => {
            let rules: Vec<Value> = RULES
                .iter()
                .map(|rule| {
                    let parameters: BTreeMap<&str, i64> =
                        rule.parameters.iter().map(|known| (known.name, known.default)).collect();
                    json!({
                        "rule_id": rule.id,
                        "version": rule.version,
                        "alias": rule.alias,
                        "title": title(rule.id, lang),
                        "basis": rule.basis,
                        "parameters": parameters,
                    })
                })
                .collect();
            render::json(out, &json!({ "pack": PACK, "rules": rules }))
        }
        Format::Csv => {
            let rows: Vec<Vec<String>> = RULES.iter().map(row).collect();
            render::csv(out, &["rule", "finds", "parameters", "source"], &rows)
        }
        Format::Table | Format::Tree | Format::Dot | Format::Xlsx => {
            let header = [
                text::rules_rule(lang),
                text::rules_title(lang),
                text::rules_parameters(lang),
                text::rules_basis(lang),
            ];
            let rows: Vec<Vec<String>> = RULES.iter().map(row).collect();
            writeln!(out, "{}", render::table(&header, &rows, &[]))?;
            for id in pack::NOT_COMPUTABLE {
                writeln!(out, "{}", text::rules_not_run(lang, id, title(id, lang)))?;
            }
            Ok(())
        }
    }
}

fn run_rules(globals: &Globals, args: &RunArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let source = args.source.as_deref().filter(|source| !is_url(source));
    let answer = match source {
        Some(path) => offline(globals, args, Path::new(path))?,
        None => online(globals, args)?,
    };
    match format {
        Format::Json => render::json(out, &to_json(&answer))?,
        Format::Csv => {
            let header = [
                "rule_id",
                "hit_id",
                "stage",
                "amount_minor",
                "currency_code",
                "fund_id",
                "lot_id",
                "unit_id",
                "account_id",
                "party_pseudonym",
                "first_date",
                "last_date",
                "sequences",
                "facts",
                "evidence_query",
            ];
            let rows: Vec<Vec<String>> = answer.hits.iter().map(to_csv).collect();
            render::csv(out, &header, &rows)?;
        }
        Format::Table | Format::Tree | Format::Dot | Format::Xlsx => write_table(out, &answer, globals.lang)?,
    }
    out.flush()?;
    if args.fail_on_hits && !answer.hits.is_empty() {
        return Err(Failure::Refused(text::rules_some_found(globals.lang)));
    }
    Ok(())
}

/// Parameters of the file, and over them those of the command line.
fn settings(args: &RunArgs, lang: Lang) -> Result<BTreeMap<(String, String), i64>, Failure> {
    let mut settings = BTreeMap::new();
    if let Some(path) = &args.parameters {
        let bad = |why: String| Failure::Usage(text::rules_bad_file(lang, path.display(), why));
        let file = fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        let tables: BTreeMap<String, BTreeMap<String, i64>> =
            toml::from_str(&file).map_err(|error| bad(error.to_string()))?;
        for (rule, values) in tables {
            settings.extend(values.into_iter().map(|(name, value)| ((rule.clone(), name), value)));
        }
    }
    for set in &args.set {
        let parsed = set.split_once('=').and_then(|(name, value)| {
            let (rule, name) = name.split_once('.')?;
            Some(((rule.to_owned(), name.to_owned()), value.parse::<i64>().ok()?))
        });
        let (name, value) = parsed.ok_or_else(|| Failure::Usage(text::rules_bad_setting(lang, set)))?;
        settings.insert(name, value);
    }
    Ok(settings)
}

fn companies(args: &RunArgs, lang: Lang) -> Result<Vec<CompanyRow>, Failure> {
    let Some(path) = &args.companies else { return Ok(Vec::new()) };
    let bad = |error: csv::Error| Failure::Usage(text::rules_bad_file(lang, path.display(), error));
    csv::Reader::from_path(path).map_err(bad)?.deserialize().collect::<Result<_, _>>().map_err(bad)
}

fn pseudonym(digits: &str, lang: Lang) -> Result<[u8; 16], Failure> {
    render::bytes::<16>(digits).ok_or_else(|| Failure::Usage(text::rules_needs_pseudonym(lang)))
}

fn online(globals: &Globals, args: &RunArgs) -> Result<RunRulesResponse, Failure> {
    let lang = globals.lang;
    let mut globals = globals.clone();
    if let Some(url) = &args.source {
        globals.server = Some(url.clone());
    }
    let mut known = Vec::new();
    for row in companies(args, lang)? {
        let CompanyRow { payee, payee_pseudonym, founded_year, capital_minor } = row;
        let payee_pseudonym = match payee_pseudonym.as_str() {
            "" => Bytes::new(),
            digits => Bytes::copy_from_slice(&pseudonym(digits, lang)?),
        };
        known.push(Company { payee, payee_pseudonym, founded_year, capital_minor });
    }
    let settings =
        settings(args, lang)?.into_iter().map(|((rule_id, name), value)| RuleSetting { rule_id, name, value });
    let request = RunRulesRequest {
        pack: args.pack.clone(),
        rule_ids: args.rule.clone(),
        as_of: args.as_of,
        settings: settings.collect(),
        companies: known,
        payees: args.payee.clone(),
        advance_codes: args.advance_code.clone(),
    };
    connect::with(&globals, async |connection: &Connection| {
        let answer = connection.audit().run_rules(connection.request(request)).await;
        answer.map(tonic::Response::into_inner).map_err(|status| connection.failure(&status))
    })
}

fn offline(globals: &Globals, args: &RunArgs, path: &Path) -> Result<RunRulesResponse, Failure> {
    let lang = globals.lang;
    if !args.payee.is_empty() {
        return Err(Failure::Usage(text::rules_needs_pseudonym(lang)));
    }
    let as_of = args.as_of.map(|date| convert::day("--as-of", date)).transpose();
    let as_of = as_of.map_err(|wrong| Failure::Usage(wrong.into_iter().map(|wrong| wrong.description).collect()))?;
    let known = companies(args, lang)?.into_iter().map(|row| {
        let payee = pseudonym(&row.payee_pseudonym, lang)?;
        Ok(pack::Company { payee, founded: row.founded_year, capital_minor: row.capital_minor })
    });
    let settings = Settings {
        rules: args.rule.clone(),
        as_of: as_of.map(crate::domain::time::Day::days),
        parameters: settings(args, lang)?,
        companies: known.collect::<Result<_, Failure>>()?,
        payees: args.payee_pseudonym.iter().map(|digits| pseudonym(digits, lang)).collect::<Result<_, Failure>>()?,
        advance_codes: args.advance_code.clone(),
    };
    settings.check().map_err(|unknown| Failure::Usage(text::rules_unknown(lang, unknown)))?;
    let options = Options::default();
    let outcome = if path.is_file() {
        let bundle = read_bundle(path).map_err(|error| Failure::Unavailable(error.to_string()))?;
        pack::run(Evidence::Bundle(Box::new(bundle)), &options, &settings)
    } else {
        let copy = PrivateCopy::take(path)?;
        pack::run(Evidence::Blocks(Box::new(copy.values())), &options, &settings)
    };
    let outcome = outcome.map_err(|unknown| Failure::Usage(text::rules_unknown(lang, unknown)))?;
    match outcome.report.verdict {
        Verdict::Verified => {}
        Verdict::Broken => return Err(Failure::Refused(text::rules_broken(lang))),
        Verdict::Incomplete => {
            let why = outcome.report.unreadable.clone().unwrap_or_default();
            return Err(Failure::Unavailable(text::rules_incomplete(lang, why)));
        }
    }
    let head = outcome.report.head;
    let position = head.map_or_else(ReadPosition::default, |head| ReadPosition {
        sequence: head.sequence,
        entry_hash: Bytes::copy_from_slice(&head.hash),
    });
    Ok(wire(outcome, position))
}

fn facts(hit: &RuleHit, lang: Option<Lang>) -> String {
    let told = |fact: &crate::pb::v1::RuleFact| {
        let name = lang.map_or_else(|| fact.name.clone(), |lang| messages::label(lang.into(), &fact.name));
        format!("{name}={}", fact.value)
    };
    hit.facts.iter().map(told).collect::<Vec<_>>().join(" ")
}

fn sequences(hit: &RuleHit, most: usize) -> String {
    let mut shown: Vec<String> = hit.sequences.iter().take(most).map(ToString::to_string).collect();
    let rest = usize::try_from(hit.sequence_count).unwrap_or_default().saturating_sub(shown.len());
    if rest > 0 {
        shown.push(format!("+{rest}"));
    }
    shown.join(" ")
}

fn about(hit: &RuleHit) -> String {
    let party = if hit.party_pseudonym.is_empty() { String::new() } else { hex(&hit.party_pseudonym) };
    let all = [&hit.fund_id, &hit.lot_id, &hit.unit_id, &hit.account_id, &party];
    all.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(" ")
}

fn write_table(out: &mut dyn Write, answer: &RunRulesResponse, lang: Lang) -> Result<(), Failure> {
    const SEQUENCES_SHOWN: usize = 6;
    let run = answer.runs.iter().filter(|run| run.is_run);
    let (count, hits) = (run.clone().count(), run.clone().map(|run| run.hit_count).sum::<i64>());
    writeln!(out, "{}", text::rules_as_of(lang, render::date(answer.as_of.as_ref()), hits, count))?;
    for run in run {
        let found: Vec<&RuleHit> = answer.hits.iter().filter(|hit| hit.rule_id == run.rule_id).collect();
        if found.is_empty() {
            continue;
        }
        writeln!(out, "\n{} {}", run.rule_id, title(&run.rule_id, lang))?;
        let header = [
            text::rules_amount(lang),
            text::rules_about(lang),
            text::rules_events(lang),
            text::rules_facts(lang),
            text::rules_stage(lang),
            text::rules_evidence(lang),
        ];
        let rows: Vec<Vec<String>> = found
            .iter()
            .map(|hit| {
                let exponent = render::exponent(hit.currency_exponent);
                vec![
                    render::grouped(hit.amount_minor.into(), exponent),
                    about(hit),
                    sequences(hit, SEQUENCES_SHOWN),
                    facts(hit, Some(lang)),
                    hit.stage.clone(),
                    hit.evidence_query.clone(),
                ]
            })
            .collect();
        writeln!(out, "{}", render::table(&header, &rows, &[0]))?;
        let shown = i64::try_from(found.len()).unwrap_or(i64::MAX);
        if run.hit_count > shown {
            writeln!(out, "{}", text::rules_hits_cut(lang, run.hit_count, &run.rule_id, shown))?;
        }
    }
    for run in answer.runs.iter().filter(|run| !run.is_run) {
        let why = match Rule::named(&run.rule_id).map(|rule| rule.need) {
            Some(Need::Companies) => messages::text(lang.into(), "rule-needs-companies", &[]),
            Some(Need::Payees) => messages::text(lang.into(), "rule-needs-payees", &[]),
            Some(Need::AdvanceCodes) => messages::text(lang.into(), "rule-needs-advance-codes", &[]),
            Some(Need::Nothing) | None => String::new(),
        };
        writeln!(out, "{}", text::rules_not_run(lang, &run.rule_id, why))?;
    }
    Ok(())
}

fn to_json(answer: &RunRulesResponse) -> Value {
    let runs: Vec<Value> = answer
        .runs
        .iter()
        .map(|run| {
            json!({ "rule_id": run.rule_id, "rule_version": run.rule_version, "is_run": run.is_run,
                "hit_count": run.hit_count })
        })
        .collect();
    let hits: Vec<Value> = answer
        .hits
        .iter()
        .map(|hit| {
            let facts: BTreeMap<&str, &str> =
                hit.facts.iter().map(|fact| (fact.name.as_str(), fact.value.as_str())).collect();
            json!({
                "hit_id": hit.hit_id,
                "rule_id": hit.rule_id,
                "rule_version": hit.rule_version,
                "stage": hit.stage,
                "amount_minor": hit.amount_minor,
                "amount": render::decimal(hit.amount_minor.into(), render::exponent(hit.currency_exponent)),
                "currency_code": hit.currency_code,
                "fund_id": hit.fund_id,
                "lot_id": hit.lot_id,
                "unit_id": hit.unit_id,
                "account_id": hit.account_id,
                "party_pseudonym": hex(&hit.party_pseudonym),
                "first_date": render::date(hit.first_date.as_ref()),
                "last_date": render::date(hit.last_date.as_ref()),
                "sequences": hit.sequences,
                "sequence_count": hit.sequence_count,
                "facts": facts,
                "evidence_query": hit.evidence_query,
            })
        })
        .collect();
    let position = answer.position.clone().unwrap_or_default();
    json!({
        "pack": PACK,
        "as_of": render::date(answer.as_of.as_ref()),
        "sequence": position.sequence,
        "entry_hash": hex(&position.entry_hash),
        "rules": runs,
        "hits": hits,
    })
}

fn to_csv(hit: &RuleHit) -> Vec<String> {
    vec![
        hit.rule_id.clone(),
        hit.hit_id.clone(),
        hit.stage.clone(),
        hit.amount_minor.to_string(),
        hit.currency_code.clone(),
        hit.fund_id.clone(),
        hit.lot_id.clone(),
        hit.unit_id.clone(),
        hit.account_id.clone(),
        hex(&hit.party_pseudonym),
        render::date(hit.first_date.as_ref()),
        render::date(hit.last_date.as_ref()),
        sequences(hit, usize::MAX),
        facts(hit, None),
        hit.evidence_query.clone(),
    ]
}
