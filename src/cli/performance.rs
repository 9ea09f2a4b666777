//! `performance`: goals, what was done towards them, scores, and the money beside them.

use std::io::Write;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::connect::{self, Connection};
use super::contracts::amount;
use super::render;
use super::supervision::{PAGE_ROWS, named, word};
use super::{Failure, Format, Globals, Lang};
use crate::messages::cli as text;
use crate::pb::v1::{
    EvaluatorKind, GoalDirection, IndicatorCategory, ListPerformanceRequest, Performance, PerformanceGoal, SubjectKind,
};

/// Arguments of `performance`.
#[derive(Args, Clone, Debug)]
pub struct PerformanceArgs {
    /// Only subjects of this kind.
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
    /// Only this lot, project or unit.
    #[arg(long, value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// Only this year.
    #[arg(long, value_name = "YEAR")]
    pub year: Option<i32>,
}

/// What performance is a matter of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Lots.
    Lot,
    /// Projects.
    Project,
    /// Budget units.
    Unit,
}

impl Kind {
    const fn wire(self) -> SubjectKind {
        match self {
            Self::Lot => SubjectKind::Lot,
            Self::Project => SubjectKind::Project,
            Self::Unit => SubjectKind::Unit,
        }
    }
}

/// Runs `performance`.
pub fn run(globals: &Globals, args: &PerformanceArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let found = connect::with(globals, async |connection| list(connection, args).await)?;
    let lang = globals.lang;
    if format == Format::Json {
        let found: Vec<Value> = found.iter().map(performance_json).collect();
        return render::json(out, &json!({ "performance": found }));
    }
    let titles = [
        text::performance_kind(lang),
        text::performance_subject(lang),
        text::performance_year(lang),
        text::performance_indicator(lang),
        text::performance_name(lang),
        text::performance_category(lang),
        text::performance_direction(lang),
        text::performance_target(lang),
        text::performance_actual(lang),
        text::performance_unit_of_measure(lang),
        text::performance_as_of(lang),
        text::performance_weight(lang),
        text::performance_attainment(lang),
        text::performance_score(lang),
        text::performance_issued(lang),
        text::performance_paid(lang),
        text::performance_execution(lang),
        text::performance_idle(lang),
        text::performance_left(lang),
        text::word_currency(lang),
    ];
    let listing = render::Listing {
        name: "performance",
        columns: &[
            "kind",
            "subject",
            "year",
            "indicator",
            "name",
            "category",
            "direction",
            "target_milli",
            "actual_milli",
            "unit_of_measure",
            "as_of",
            "weight_ppm",
            "attainment_ppm",
            "score",
            "issued_minor",
            "paid_minor",
            "execution_ppm",
            "idle_minor",
            "left_minor",
            "currency_code",
            "currency_exponent",
        ],
        titles: &titles,
        right_aligned: &[7, 8, 11, 12, 13, 14, 15, 16, 17, 18],
    };
    let people = (format == Format::Table).then_some(lang);
    let rows: Vec<Vec<String>> = found.iter().flat_map(|one| rows(one, people)).collect();
    listing.write((format, lang), out, &rows, |row, _| row.clone(), |_| Value::Null)
}

async fn list(connection: &Connection, args: &PerformanceArgs) -> Result<Vec<Performance>, Failure> {
    connect::all_pages(async |page_token| {
        let request = ListPerformanceRequest {
            subject_kind: args.kind.map_or(SubjectKind::Unspecified, Kind::wire).into(),
            subject_id: args.subject.clone().unwrap_or_default(),
            year: args.year.unwrap_or_default(),
            page_size: PAGE_ROWS,
            page_token,
            min_sequence: None,
        };
        let answer = connection.query().list_performance(connection.request(request)).await;
        let answer = answer.map_err(|status| connection.failure(&status))?.into_inner();
        Ok((answer.performance, answer.next_page_token))
    })
    .await
}

/// A row for all goals together, then one each. For people, in their language, shares are percentages and targets and amounts
/// have their decimals; for programs they are the numbers of the API.
fn rows(of: &Performance, lang: Option<Lang>) -> Vec<Vec<String>> {
    let names = [named(kind(of), lang), of.subject_id.clone(), of.year.to_string()];
    let scores = of.scores.iter().map(|score| render::decimal(score.score.into(), SCORE_DECIMALS));
    let share = |ppm: i64| match lang {
        Some(_) => format!("{}%", render::decimal(ppm.into(), PERCENT_DECIMALS)),
        None => ppm.to_string(),
    };
    let thousandths = |milli: i64| match lang {
        Some(_) => render::decimal(milli.into(), MILLI_DECIMALS),
        None => milli.to_string(),
    };
    let money = |amount_minor: i64| amount(amount_minor, of.currency_exponent, lang);
    let nothing = |columns: usize| std::iter::repeat_n(String::new(), columns);
    let mut together = names.to_vec();
    together.extend(nothing(9));
    together.extend([share(of.attainment_ppm), scores.collect::<Vec<_>>().join(" ")]);
    together.extend([money(of.issued_minor), money(of.paid_minor), share(of.execution_ppm)]);
    together.extend([money(of.idle_minor), money(of.left_minor), of.currency_code.clone()]);
    together.extend(lang.is_none().then(|| of.currency_exponent.to_string()));
    let columns = together.len();
    let mut rows = vec![together];
    for goal in &of.goals {
        let mut row = names.to_vec();
        row.extend([goal.indicator_code.clone(), goal.indicator_name.clone()]);
        row.extend([category(goal), direction(goal)].map(|code| named(code, lang)));
        row.push(thousandths(goal.target_milli));
        row.push(goal.actual_milli.map(thousandths).unwrap_or_default());
        row.extend([goal.unit_of_measure.clone(), render::date(goal.as_of.as_ref())]);
        row.extend([share(goal.weight_ppm.into()), share(goal.attainment_ppm)]);
        row.extend(nothing(columns.saturating_sub(row.len())));
        rows.push(row);
    }
    rows
}

/// Parts per million are ten thousandths of a percent.
const PERCENT_DECIMALS: u32 = 4;
/// Targets count thousandths.
const MILLI_DECIMALS: u32 = 3;
/// A score counts hundredths of a point.
const SCORE_DECIMALS: u32 = 2;

fn kind(of: &Performance) -> &'static str {
    word(SubjectKind::try_from(of.subject_kind).unwrap_or_default().as_str_name(), "SUBJECT_KIND_")
}

fn category(goal: &PerformanceGoal) -> &'static str {
    let category = IndicatorCategory::try_from(goal.category).unwrap_or_default();
    word(category.as_str_name(), "INDICATOR_CATEGORY_")
}

fn direction(goal: &PerformanceGoal) -> &'static str {
    word(GoalDirection::try_from(goal.direction).unwrap_or_default().as_str_name(), "GOAL_DIRECTION_")
}

fn performance_json(of: &Performance) -> Value {
    let goals: Vec<Value> = of
        .goals
        .iter()
        .map(|goal| {
            json!({
                "indicator_code": goal.indicator_code,
                "indicator_name": goal.indicator_name,
                "category": category(goal),
                "unit_of_measure": goal.unit_of_measure,
                "target_milli": goal.target_milli,
                "direction": direction(goal),
                "weight_ppm": goal.weight_ppm,
                "set_sequence": goal.set_sequence,
                "actual_milli": goal.actual_milli,
                "as_of": render::date(goal.as_of.as_ref()),
                "recorded_sequence": goal.recorded_sequence,
                "attainment_ppm": goal.attainment_ppm,
            })
        })
        .collect();
    let scores: Vec<Value> = of
        .scores
        .iter()
        .map(|score| {
            let evaluator = EvaluatorKind::try_from(score.evaluator).unwrap_or_default();
            json!({
                "evaluator": word(evaluator.as_str_name(), "EVALUATOR_KIND_"),
                "score": score.score,
                "document_number": score.document_number,
                "sequence": score.sequence,
            })
        })
        .collect();
    json!({
        "subject_kind": kind(of),
        "subject_id": of.subject_id,
        "year": of.year,
        "goals": goals,
        "attainment_ppm": of.attainment_ppm,
        "scores": scores,
        "issued_minor": of.issued_minor,
        "paid_minor": of.paid_minor,
        "execution_ppm": of.execution_ppm,
        "idle_minor": of.idle_minor,
        "left_minor": of.left_minor,
        "currency_code": of.currency_code,
        "currency_exponent": of.currency_exponent,
    })
}
