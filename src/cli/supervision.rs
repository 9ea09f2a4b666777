//! `funds` and `findings`: what there is to supervise, and what supervision found.

use std::io::Write;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::connect::{self, Connection};
use super::render;
use super::{Failure, Format, Globals, Lang};
use crate::messages::cli as text;
use crate::pb::v1::{
    CarryRule, Finding, FindingOutcome, FindingStage, Fund, FundFamily, FundProfile, FundScheme, GovernmentLevel,
    ListFindingsRequest, ListFundsRequest, RecipientKind,
};
use crate::reporting::terms;

pub(super) const PAGE_ROWS: i32 = 1_000;

/// Arguments of `funds`.
#[derive(Args, Clone, Debug)]
pub struct FundsArgs {
    /// Only funds of this administrative division.
    #[arg(long, value_name = "CODE")]
    pub region: Option<String>,
    /// Only directly-allocated ones.
    #[arg(long)]
    pub direct: bool,
}

/// Arguments of `findings`.
#[derive(Args, Clone, Debug)]
pub struct FindingsArgs {
    /// Only findings that have got this far.
    #[arg(long, value_enum)]
    pub stage: Option<Stage>,
    /// Only those of this rule.
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// Only those that this person flagged.
    #[arg(long, value_name = "PERSON")]
    pub flagged_by: Option<String>,
}

/// How far a finding has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// Flagged, and not answered yet.
    Open,
    /// Answered.
    Explained,
    /// Put right.
    Rectified,
    /// Closed by an auditor.
    Closed,
}

impl Stage {
    const fn wire(self) -> FindingStage {
        match self {
            Self::Open => FindingStage::Open,
            Self::Explained => FindingStage::Explained,
            Self::Rectified => FindingStage::Rectified,
            Self::Closed => FindingStage::Closed,
        }
    }
}

/// Runs `funds`.
pub fn funds(globals: &Globals, args: &FundsArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let funds = connect::with(globals, async |connection| list_funds(connection, args).await)?;
    let lang = globals.lang;
    let titles = [
        text::funds_fund(lang),
        text::funds_name(lang),
        text::funds_family(lang),
        text::funds_scheme(lang),
        text::funds_level(lang),
        text::funds_region(lang),
        text::funds_direct(lang),
        text::funds_subsidy(lang),
        text::funds_matching(lang),
        text::funds_recipients(lang),
        text::funds_carry(lang),
        text::funds_defined(lang),
    ];
    let listing = render::Listing {
        name: "funds",
        columns: &[
            "fund",
            "name",
            "family",
            "scheme",
            "level",
            "region",
            "directly_allocated",
            "subsidizes_recipients",
            "includes_matching",
            "recipient_kinds",
            "carry_rule",
            "defined",
        ],
        titles: &titles,
        right_aligned: &[11],
    };
    listing.write((format, lang), out, &funds, fund_row, fund_json)
}

/// Runs `findings`.
pub fn findings(globals: &Globals, args: &FindingsArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let findings = connect::with(globals, async |connection| list_findings(connection, args).await)?;
    let lang = globals.lang;
    let titles = [
        text::findings_finding(lang),
        text::findings_rule(lang),
        text::findings_stage(lang),
        text::findings_outcome(lang),
        text::findings_amount(lang),
        text::findings_rectified(lang),
        text::findings_flagged_by(lang),
        text::findings_flagged(lang),
        text::findings_flagged_on(lang),
        text::findings_last(lang),
        text::findings_last_on(lang),
    ];
    let listing = render::Listing {
        name: "findings",
        columns: &[
            "finding",
            "rule",
            "stage",
            "outcome",
            "amount_minor",
            "rectified_minor",
            "flagged_by",
            "flagged",
            "flagged_on",
            "last",
            "last_on",
        ],
        titles: &titles,
        right_aligned: &[4, 5, 7, 9],
    };
    listing.write((format, lang), out, &findings, finding_row, finding_json)
}

async fn list_funds(connection: &Connection, args: &FundsArgs) -> Result<Vec<Fund>, Failure> {
    connect::all_pages(async |page_token| {
        let request = ListFundsRequest {
            region_code: args.region.clone().unwrap_or_default(),
            directly_allocated_only: args.direct,
            page_size: PAGE_ROWS,
            page_token,
            ..ListFundsRequest::default()
        };
        let answer = connection.query().list_funds(connection.request(request)).await;
        let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
        Ok((answer.funds, answer.next_page_token))
    })
    .await
}

async fn list_findings(connection: &Connection, args: &FindingsArgs) -> Result<Vec<Finding>, Failure> {
    connect::all_pages(async |page_token| {
        let request = ListFindingsRequest {
            stage: args.stage.map_or(FindingStage::Unspecified, Stage::wire).into(),
            rule_id: args.rule.clone().unwrap_or_default(),
            flagged_by: args.flagged_by.clone().unwrap_or_default(),
            page_size: PAGE_ROWS,
            page_token,
            min_sequence: None,
        };
        let answer = connection.query().list_findings(connection.request(request)).await;
        let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
        Ok((answer.findings, answer.next_page_token))
    })
    .await
}

/// The end of an enum's name; nothing where nothing is said.
pub(super) fn word(name: &'static str, prefix: &str) -> &'static str {
    match name.strip_prefix(prefix) {
        Some("UNSPECIFIED") | None => "",
        Some(word) => word,
    }
}

/// A code of a fixed list: for people what it is called in their language.
pub(super) fn named(code: &str, lang: Option<Lang>) -> String {
    lang.map_or_else(|| code.to_owned(), |lang| terms::label(lang.into(), code))
}

fn recipient_kinds(profile: &FundProfile) -> Vec<&'static str> {
    profile.recipient_kinds().map(|kind: RecipientKind| word(kind.as_str_name(), "RECIPIENT_KIND_")).collect()
}

fn fund_words(fund: &Fund, profile: &FundProfile) -> [&'static str; 4] {
    [
        word(FundFamily::try_from(fund.family).unwrap_or_default().as_str_name(), "FUND_FAMILY_"),
        word(FundScheme::try_from(fund.scheme).unwrap_or_default().as_str_name(), "FUND_SCHEME_"),
        word(GovernmentLevel::try_from(profile.level).unwrap_or_default().as_str_name(), "GOVERNMENT_LEVEL_"),
        word(CarryRule::try_from(profile.carry_rule).unwrap_or_default().as_str_name(), "CARRY_RULE_"),
    ]
}

/// A row; in a language for people, else for programs.
fn fund_row(fund: &Fund, lang: Option<Lang>) -> Vec<String> {
    let profile = fund.profile.clone().unwrap_or_default();
    let [family, scheme, level, carry_rule] = fund_words(fund, &profile);
    // Bonds that a fund holds, and money that lay for two years, are other terms.
    let scheme_term = if scheme == "BOND" { "BOND_PROCEEDS" } else { scheme };
    let carry_term = if carry_rule == "TWO_YEARS" { "CARRIED_TWO_YEARS" } else { carry_rule };
    let (scheme, carry_rule) = if lang.is_some() { (scheme_term, carry_term) } else { (scheme, carry_rule) };
    let kinds = recipient_kinds(&profile).into_iter().map(|kind| named(kind, lang));
    let mark = |mark: bool| match lang {
        None => mark.to_string(),
        Some(lang) if mark => text::funds_yes(lang),
        Some(_) => String::new(),
    };
    vec![
        fund.fund_id.clone(),
        fund.name.clone(),
        named(family, lang),
        named(scheme, lang),
        named(level, lang),
        profile.region_code.clone(),
        mark(profile.directly_allocated),
        mark(profile.subsidizes_recipients),
        mark(profile.includes_matching),
        kinds.collect::<Vec<_>>().join(" "),
        named(carry_rule, lang),
        fund.defined_sequence.to_string(),
    ]
}

fn fund_json(fund: &Fund) -> Value {
    let profile = fund.profile.clone().unwrap_or_default();
    let [family, scheme, level, carry_rule] = fund_words(fund, &profile);
    json!({
        "fund_id": fund.fund_id,
        "name": fund.name,
        "family": family,
        "scheme": scheme,
        "currency_code": fund.currency_code,
        "currency_exponent": fund.currency_exponent,
        "purposes": fund.purposes,
        "economic_codes": fund.economic_codes,
        "policy_id": fund.policy_id,
        "legal_basis": fund.legal_basis,
        "exclusive_with": fund.exclusive_with,
        "level": level,
        "region_code": profile.region_code,
        "recipient_kinds": recipient_kinds(&profile),
        "carry_rule": carry_rule,
        "directly_allocated": profile.directly_allocated,
        "subsidizes_recipients": profile.subsidizes_recipients,
        "includes_matching": profile.includes_matching,
        "defined_sequence": fund.defined_sequence,
    })
}

fn finding_words(finding: &Finding) -> [&'static str; 2] {
    [
        word(FindingStage::try_from(finding.stage).unwrap_or_default().as_str_name(), "FINDING_STAGE_"),
        word(FindingOutcome::try_from(finding.outcome).unwrap_or_default().as_str_name(), "FINDING_OUTCOME_"),
    ]
}

/// A row; in a language for people, else for programs.
fn finding_row(finding: &Finding, lang: Option<Lang>) -> Vec<String> {
    let [stage, outcome] = finding_words(finding);
    let shown_stage = lang.map_or_else(
        || stage.to_owned(),
        |lang| match finding.stage() {
            FindingStage::Unspecified => "?".to_owned(),
            FindingStage::Open => text::findings_open(lang),
            FindingStage::Explained => text::findings_explained(lang),
            FindingStage::Rectified => text::findings_put_right(lang),
            FindingStage::Closed => text::findings_closed(lang),
        },
    );
    vec![
        finding.finding_id.clone(),
        finding.rule_id.clone(),
        shown_stage,
        named(outcome, lang),
        finding.amount_minor.to_string(),
        finding.rectified_minor.to_string(),
        finding.flagged_by.clone(),
        finding.flagged_sequence.to_string(),
        render::date(finding.flagged_on.as_ref()),
        finding.last_sequence.to_string(),
        render::date(finding.last_on.as_ref()),
    ]
}

fn finding_json(finding: &Finding) -> Value {
    let [stage, outcome] = finding_words(finding);
    json!({
        "finding_id": finding.finding_id,
        "rule_id": finding.rule_id,
        "rule_version": finding.rule_version,
        "stage": stage,
        "outcome": outcome,
        "amount_minor": finding.amount_minor,
        "rectified_minor": finding.rectified_minor,
        "sequences": finding.sequences,
        "flagged_by": finding.flagged_by,
        "flagged_sequence": finding.flagged_sequence,
        "flagged_on": render::date(finding.flagged_on.as_ref()),
        "last_sequence": finding.last_sequence,
        "last_on": render::date(finding.last_on.as_ref()),
    })
}
