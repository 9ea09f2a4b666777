//! `sample`: monetary unit sampling over verified events, by a seed.

use std::io::Write;

use clap::{ArgGroup, Args, ValueEnum};

use super::gather::follow;
use super::render::parse_date;
use super::report::period;
use super::tabulate::{Output, TableArgs, check_fund};
use super::{Failure, Globals};
use crate::messages::cli as text;
use crate::pb::Date;
use crate::pb::v1::AccountKind;
use crate::reporting::audit::Table;
use crate::reporting::audit::sampled::{Census, Items, Population, Strata};
use crate::reporting::audit::sampling::{SEED_BYTES_MAX, Size, SizeError, confidences};
use crate::reporting::publish::{NoNames, Publishing};

/// Arguments of `sample`.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("size").required(true).args(["interval", "hits", "confidence"]))]
pub struct SampleArgs {
    /// What it is drawn from.
    #[command(flatten)]
    pub table: TableArgs,
    /// The seed, drawn after the root of the log was fixed, so that nobody could book around it.
    #[arg(long, value_name = "TEXT")]
    pub seed: String,
    /// Hit every so many minor units.
    #[arg(long, value_name = "MINOR")]
    pub interval: Option<i64>,
    /// Hit so many units; items can be hit more than once.
    #[arg(long, value_name = "NUMBER")]
    pub hits: Option<i64>,
    /// Hit as many as this confidence takes, in percent: 50, 63, 70, 75, 80, 85, 90, 95 or 99.
    #[arg(long, value_name = "PERCENT", requires = "tolerable_ppm")]
    pub confidence: Option<u8>,
    /// With --confidence: what may be wrong, parts per million of the population.
    #[arg(long, value_name = "PPM", requires = "confidence")]
    pub tolerable_ppm: Option<i64>,
    /// With --confidence: what is expected to be wrong, parts per million.
    #[arg(long, value_name = "PPM", requires = "confidence", default_value_t = 0)]
    pub expected_ppm: i64,
    /// What the items are.
    #[arg(long, value_enum, default_value = "payments")]
    pub of: Of,
    /// The items are what each event debits accounts of this kind, e.g. TREASURY.
    #[arg(long, value_name = "KIND", value_parser = parse_kind, conflicts_with = "of")]
    pub debits_of: Option<AccountKind>,
    /// Only this fund.
    #[arg(long, value_name = "FUND")]
    pub fund: Option<String>,
    /// First business date of the items.
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub from: Option<Date>,
    /// Last business date of the items.
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub to: Option<Date>,
    /// Sample each fund with a start of its own, at the same interval.
    #[arg(long)]
    pub by_fund: bool,
}

/// What items are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Of {
    /// Payments.
    Payments,
    /// Benefits of social insurance.
    Benefits,
    /// Withdrawals from the housing provident fund.
    Withdrawals,
}

fn parse_kind(text: &str) -> Result<AccountKind, String> {
    let kind = AccountKind::from_str_name(&format!("ACCOUNT_KIND_{text}"));
    kind.filter(|kind| *kind != AccountKind::Unspecified).ok_or_else(|| format!("{text:?} is no kind of account"))
}

fn size(globals: &Globals, args: &SampleArgs) -> Result<Size, Failure> {
    let size = match (args.interval, args.hits, args.confidence) {
        (Some(interval), ..) => Size::Interval(interval.into()),
        (None, Some(hits), _) => Size::Hits(hits.into()),
        (None, None, confidence) => Size::Precision {
            confidence: confidence.unwrap_or_default(),
            tolerable_ppm: args.tolerable_ppm.unwrap_or_default().into(),
            expected_ppm: args.expected_ppm.into(),
        },
    };
    size.check().map_err(|error| unfit(globals, error))
}

fn unfit(globals: &Globals, error: SizeError) -> Failure {
    let lang = globals.lang;
    Failure::Usage(match error {
        SizeError::Nothing => text::sample_size_nothing(lang),
        SizeError::Confidence(confidence) => {
            let known: Vec<String> = confidences().map(|confidence| confidence.to_string()).collect();
            text::sample_size_confidence(lang, confidence, known.join(", "))
        }
        SizeError::Tolerable => text::sample_size_tolerable(lang),
        SizeError::Expected => text::sample_size_expected(lang),
    })
}

/// Runs `sample`: reads the log once to count, and once more to draw.
pub fn run(globals: &Globals, args: &SampleArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let lang = globals.lang;
    if args.seed.is_empty() || args.seed.len() > SEED_BYTES_MAX {
        return Err(Failure::Usage(text::sample_seed(lang, SEED_BYTES_MAX)));
    }
    let size = size(globals, args)?;
    let items = match (args.debits_of, args.of) {
        (Some(kind), _) => Items::DebitsOf(kind),
        (None, Of::Payments) => Items::Payments,
        (None, Of::Benefits) => Items::Benefits,
        (None, Of::Withdrawals) => Items::Withdrawals,
    };
    let population = Population {
        items,
        fund: args.fund.clone(),
        period: period(globals, args.from, args.to)?,
        strata: if args.by_fund { Strata::ByFund } else { Strata::One },
        last: args.table.as_of,
    };
    let output = Output::begin(globals, &args.table)?;
    let source = args.table.source(globals);
    let mut census = Census::new(population.clone());
    let basis = follow(globals, source, args.table.as_of, |sequence, entry_hash, event| {
        census.take(sequence, entry_hash, event);
    })?;
    check_fund(lang, args.fund.as_deref(), census.register())?;
    let currencies = census.currencies();
    if currencies.len() > 1 {
        return Err(Failure::Usage(text::sample_currencies(lang, currencies.join(", "))));
    }
    let total = census.total();
    let interval = size.interval(total.amount).map_err(|error| unfit(globals, error))?;

    let mut parameters = population.parameters();
    parameters.push(("seed", args.seed.clone()));
    parameters.extend(match size {
        Size::Interval(_) => Vec::new(),
        Size::Hits(hits) => vec![("hits", hits.to_string())],
        Size::Precision { confidence, tolerable_ppm, expected_ppm } => vec![
            ("confidence", confidence.to_string()),
            ("tolerable_ppm", tolerable_ppm.to_string()),
            ("expected_ppm", expected_ppm.to_string()),
        ],
    });
    parameters.extend([
        ("interval_minor", interval.to_string()),
        ("population_minor", total.amount.to_string()),
        ("population_items", total.items.to_string()),
    ]);
    let head = Table::Sample.head(parameters);
    let writer = output.writer(globals, &head)?;
    let mut publishing = Publishing::new(&head, Box::new(NoNames), vec![writer]);
    // A running ledger goes on; what it books from here on is not of the sample.
    let last = Some(basis.sequence);
    let population = Population { last, ..population };
    let mut drawing = census.draw(population, interval, (&args.seed, &basis.origin, &basis.root));
    let again = follow(globals, source, last, |sequence, entry_hash, event| {
        drawing.take(sequence, entry_hash, event, &mut |row| publishing.row(row));
    })?;
    if again.root != basis.root {
        return Err(Failure::Refused(text::report_changed(lang)));
    }
    drawing.close(&mut |row| publishing.row(row));
    publishing.finish(&basis.origin, basis.sequence, basis.root)?;
    output.show(out)
}
