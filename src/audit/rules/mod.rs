//! Auditors' red flags: what a log shows that the rules of posting do not forbid. Advice with evidence, never a verdict.
//!
//! The pack `cn-audit` is that of 财政违法行为处罚处分条例 §3–§7 and of the auditors' own methods (审计署 `A01xx`), as far as a ledger can
//! compute them. The same log gives the same answer: the day that ages are counted to is the log's last business day, unless
//! another is given.
//!
//! In reading order: [`RULES`], [`Settings`], `case` (what is remembered of the events), the rules (`flows`, `years`, `payments`,
//! `persons`, `conduct`), [`Outcome`].

mod case;
mod conduct;
mod flows;
mod pack;
mod payments;
mod persons;
#[cfg(test)]
mod tests;
mod years;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use self::case::Case;
pub use self::pack::{NOT_COMPUTABLE, Need, PACK, Parameter, RULES, Rule};
use super::pipeline::examine;
use super::report::hex;
use super::{Evidence, Options, Report};

/// Most sequences named in one hit: as many as a flag takes.
pub const SEQUENCES_MAX: usize = 64;
/// Most hits of one rule that are given in full, the gravest first; all are counted.
pub const HITS_MAX: usize = 1_000;

/// A company as a register has it, for the rule that asks for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Company {
    /// Its pseudonym in the log.
    pub payee: [u8; 16],
    /// Year it was founded.
    pub founded: i32,
    /// Registered capital, minor units.
    pub capital_minor: i64,
}

/// How rules are run.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Rules to run; all of them where it is empty.
    pub rules: Vec<String>,
    /// Day that ages are counted to, in days since 1970-01-01; the log's last business day where none is given.
    pub as_of: Option<i32>,
    /// Values of parameters in the place of the defaults, by rule and name.
    pub parameters: BTreeMap<(String, String), i64>,
    /// What a register says of companies.
    pub companies: Vec<Company>,
    /// Payees to look at, for the rule that asks for some, by pseudonym.
    pub payees: Vec<[u8; 16]>,
    /// Purposes and economic codes of payments in advance, for the rule that asks for some.
    pub advance_codes: Vec<String>,
}

/// Why settings are no settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// There is no such rule in the pack.
    #[error("there is no rule {0}")]
    Rule(String),
    /// The rule has no such parameter.
    #[error("rule {0} has no parameter {1}")]
    Parameter(String, String),
    /// A parameter below 0.
    #[error("parameter {1} of rule {0} is below 0")]
    Value(String, String),
}

impl Settings {
    /// Checks that everything named is there.
    pub fn check(&self) -> Result<(), Unknown> {
        let known = |id: &str| Rule::named(id).ok_or_else(|| Unknown::Rule(id.to_owned()));
        for id in &self.rules {
            known(id)?;
        }
        for ((id, name), value) in &self.parameters {
            let rule = known(id)?;
            if !rule.parameters.iter().any(|parameter| parameter.name == name) {
                return Err(Unknown::Parameter(id.clone(), name.clone()));
            }
            if *value < 0 {
                return Err(Unknown::Value(id.clone(), name.clone()));
            }
        }
        Ok(())
    }

    fn wants(&self, rule: &Rule) -> bool {
        self.rules.is_empty() || self.rules.iter().any(|id| rule.answers_to(id))
    }

    fn value(&self, rule: &Rule, name: &str) -> i64 {
        let default = rule.parameters.iter().find(|parameter| parameter.name == name);
        let set = self.parameters.iter().find(|((id, given), _)| rule.answers_to(id) && given == name);
        set.map_or_else(|| default.map_or(0, |parameter| parameter.default), |(_, value)| *value)
    }
}

/// How far a finding has got that a hit was flagged as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not flagged.
    New,
    /// Flagged.
    Open,
    /// Answered.
    Explained,
    /// Put right.
    Rectified,
    /// Closed.
    Closed,
}

impl Stage {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Open => "OPEN",
            Self::Explained => "EXPLAINED",
            Self::Rectified => "RECTIFIED",
            Self::Closed => "CLOSED",
        }
    }
}

/// Something that a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Stable over runs, as long as it is about the same: fit to be the id of a finding.
    pub id: String,
    /// The rule.
    pub rule_id: &'static str,
    /// Its version.
    pub rule_version: u32,
    /// Events it rests on, ascending, at most [`SEQUENCES_MAX`].
    pub sequences: Vec<i64>,
    /// How many events it rests on.
    pub sequence_count: usize,
    /// Fund; empty where it is about none.
    pub fund_id: String,
    /// Lot; empty where it is about none.
    pub lot_id: String,
    /// Unit; empty where it is about none.
    pub unit_id: String,
    /// Account; empty where it is about none.
    pub account_id: String,
    /// Pseudonym of the person or payee.
    pub party: Option<[u8; 16]>,
    /// What is in question, minor units.
    pub amount_minor: i64,
    /// Currency of the amount; empty where there is none.
    pub currency_code: String,
    /// Its decimal places; 2 where it is about no fund.
    pub currency_exponent: i32,
    /// First and last business day of the events, in days since 1970-01-01.
    pub days: (i32, i32),
    /// What was found, by name: numbers and names that the rule's sentence speaks of.
    pub facts: Vec<(&'static str, String)>,
    /// The command that shows the evidence.
    pub evidence: String,
    /// Whether it was flagged, and how far that got.
    pub stage: Stage,
}

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRun {
    /// The rule.
    pub rule: &'static Rule,
    /// Hits; `None` where it was not run, because it lacks what it needs.
    pub hits: Option<usize>,
}

/// What rules found.
#[derive(Debug)]
pub struct Outcome {
    /// Day that ages were counted to, in days since 1970-01-01.
    pub as_of: i32,
    /// Each rule that was asked for.
    pub runs: Vec<RuleRun>,
    /// The hits, by rule and then by amount, at most [`HITS_MAX`] a rule.
    pub hits: Vec<Hit>,
    /// The chain of the log they were found in.
    pub report: Report,
}

/// Runs rules over a log, and checks its chain on the way.
pub fn run(evidence: Evidence<'_>, options: &Options, settings: &Settings) -> Result<Outcome, Unknown> {
    settings.check()?;
    let mut case = Case::new(&settings.advance_codes);
    let report = examine(evidence, options, |sequence, _, event| case.take(sequence, &event));
    let as_of = settings.as_of.unwrap_or(case.last_day);
    let mut runs = Vec::new();
    let mut hits = Vec::new();
    for rule in RULES.iter().filter(|rule| settings.wants(rule)) {
        let lacks = match rule.need {
            Need::Nothing => false,
            Need::Companies => settings.companies.is_empty(),
            Need::Payees => settings.payees.is_empty(),
            Need::AdvanceCodes => settings.advance_codes.is_empty(),
        };
        if lacks {
            runs.push(RuleRun { rule, hits: None });
            continue;
        }
        let bench = Bench { rule, settings, case: &case, as_of };
        let mut found = (rule.find)(&bench);
        found.sort_by(|one, other| other.amount_minor.cmp(&one.amount_minor).then_with(|| one.id.cmp(&other.id)));
        runs.push(RuleRun { rule, hits: Some(found.len()) });
        found.truncate(HITS_MAX);
        hits.extend(found);
    }
    Ok(Outcome { as_of, runs, hits, report })
}

/// What a rule looks at.
struct Bench<'a> {
    rule: &'static Rule,
    settings: &'a Settings,
    case: &'a Case,
    as_of: i32,
}

/// A hit as a rule gives it, before it is written up.
#[derive(Default)]
struct Found {
    /// What makes it this hit and no other.
    key: String,
    events: Vec<(i64, i32)>,
    fund: i32,
    lot: i32,
    unit_id: String,
    account: i32,
    party: Option<[u8; 16]>,
    amount: i128,
    facts: Vec<(&'static str, String)>,
    evidence: String,
}

impl Bench<'_> {
    fn value(&self, name: &str) -> i64 {
        self.settings.value(self.rule, name)
    }

    /// A day some days before the one that ages are counted to.
    fn days_before(&self, days: i64) -> i32 {
        self.as_of.saturating_sub(i32::try_from(days).unwrap_or(i32::MAX))
    }

    fn hit(&self, found: Found) -> Hit {
        let Found { key, mut events, fund, lot, unit_id, account, party, amount, facts, evidence } = found;
        events.sort_unstable();
        events.dedup();
        let days = events.iter().map(|(_, day)| *day);
        let days = (days.clone().min().unwrap_or_default(), days.max().unwrap_or_default());
        let digest: [u8; 32] = Sha256::digest(format!("{}\0{}\0{key}", self.rule.id, self.rule.version)).into();
        let id = format!("{}.{}.{}", self.rule.id, self.rule.version, hex(digest.get(..8).unwrap_or_default()));
        let known = self.case.fund(fund);
        Hit {
            stage: self.case.stage_of(&id),
            id,
            rule_id: self.rule.id,
            rule_version: self.rule.version,
            sequence_count: events.len(),
            sequences: events.iter().map(|(sequence, _)| *sequence).take(SEQUENCES_MAX).collect(),
            fund_id: known.map(|fund| fund.fund_id.clone()).unwrap_or_default(),
            lot_id: self.case.lot(lot).map(|lot| lot.lot_id.clone()).unwrap_or_default(),
            unit_id,
            account_id: self.case.account(account).map(|account| account.account_id.clone()).unwrap_or_default(),
            party,
            amount_minor: i64::try_from(amount).unwrap_or(i64::MAX),
            currency_code: known.map(|fund| fund.currency_code.clone()).unwrap_or_default(),
            currency_exponent: known.map_or(2, |fund| fund.currency_exponent),
            days,
            facts,
            evidence,
        }
    }
}
