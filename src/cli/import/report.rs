//! What became of a file: the summary on standard output, and the list of refused rows.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Map, Value, json};

use super::mapping::{Kind, Mapping};
use super::plan::{Plan, Step};
use super::rows::{Fault, RefusedRow};
use crate::cli::render::{self, decimal, grouped, hex};
use crate::cli::{Failure, Format, Lang};
use crate::messages::cli as text;

/// A count and a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many.
    pub(crate) count: u64,
    /// How much, minor units.
    pub(crate) minor: i128,
}

impl Tally {
    /// Counts one.
    pub(super) fn add(&mut self, amount_minor: i64) {
        self.count = self.count.saturating_add(1);
        self.minor = self.minor.saturating_add(i128::from(amount_minor));
    }

    /// Counts all.
    pub(super) fn of(amounts: impl IntoIterator<Item = i64>) -> Self {
        let mut tally = Self::default();
        amounts.into_iter().for_each(|amount| tally.add(amount));
        tally
    }
}

/// What the ledger holds of a plan, now or before; of a dry run, what it would hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Posted {
    /// Payments ordered.
    pub(crate) payments: Tally,
    /// Returns recorded.
    pub(crate) returns: Tally,
    /// Allocations to units.
    pub(crate) allocations: Tally,
    /// Rows refused by the ledger.
    pub(super) refused: Vec<RefusedRow>,
    /// Commands accepted in this run.
    pub(crate) accepted_now: u64,
    /// Commands that an earlier run had posted.
    pub(crate) accepted_before: u64,
    /// Highest sequence of a receipt; 0 where there is none.
    pub(crate) last_sequence: i64,
    /// Lots whose balance in the ledger is what the file says.
    pub(crate) lots_agreeing: u64,
}

impl Posted {
    /// As if everything planned were accepted.
    pub(super) fn planned(plan: &Plan) -> Self {
        let payments = plan.steps.iter().filter_map(|step| match step {
            Step::Pay(payment) => Some(payment.amount_minor),
            Step::Clear(_) | Step::Return(_) => None,
        });
        let returns = plan.steps.iter().filter_map(|step| match step {
            Step::Return(back) => Some(back.amount_minor),
            Step::Clear(_) | Step::Pay(_) => None,
        });
        Self {
            payments: Tally::of(payments),
            returns: Tally::of(returns),
            allocations: Tally::of(plan.allocations.iter().map(|allocation| allocation.amount_minor)),
            ..Self::default()
        }
    }
}

/// Figures that say nothing to people after a dry run.
const ABOUT_POSTING: [&str; 4] = ["lots_agreeing", "commands_posted", "commands_replayed", "last_sequence"];

/// The summary of an import.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    items: Vec<Item>,
    exponent: u32,
    dry_run: bool,
    /// Rows that were refused, by line.
    pub(super) refused: Vec<RefusedRow>,
    /// Whether net posted and refused add up to the file's sum.
    pub(crate) file_sum_agrees: bool,
}

#[derive(Clone, Debug)]
struct Item {
    key: &'static str,
    label: fn(Lang) -> String,
    figure: Figure,
}

#[derive(Clone, Debug)]
enum Figure {
    Text(String),
    Count(u64),
    Sequence(i64),
    Money(i128),
    Flag(bool),
    Counts(BTreeMap<String, u64>),
}

impl Summary {
    /// Of a plan and what became of it; `None` for a dry run.
    pub(super) fn new(input: &str, mapping: &Mapping, plan: &Plan, posted: Option<&Posted>) -> Self {
        let dry_run = posted.is_none();
        let posted = posted.cloned().unwrap_or_else(|| Posted::planned(plan));
        let mut refused = plan.refused.clone();
        refused.extend(posted.refused.iter().cloned());
        refused.sort_by_key(|row| row.line);

        let without_amount = count(refused.iter().filter(|row| row.amount_minor.is_none()));
        let refused_minor = Tally::of(refused.iter().filter_map(|row| row.amount_minor)).minor;
        let net_minor = match mapping.kind {
            Kind::Payments => posted.payments.minor.saturating_sub(posted.returns.minor),
            Kind::Budget => posted.allocations.minor,
        };
        let file_sum_agrees = net_minor.saturating_add(refused_minor) == plan.file_sum_minor;
        let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
        for row in &refused {
            let count = reasons.entry(row.fault.reason().to_owned()).or_default();
            *count = count.saturating_add(1);
        }

        let kind = match mapping.kind {
            Kind::Payments => "payments",
            Kind::Budget => "budget",
        };
        let mut items = Vec::new();
        let mut put = |key, label, figure| items.push(Item { key, label, figure });
        put("file", text::import_file, Figure::Text(input.to_owned()));
        put("file_sha256", text::import_file_sha256, Figure::Text(hex(&plan.digest)));
        put("key_prefix", text::import_key_prefix, Figure::Text(plan.short_digest()));
        put("kind", text::import_kind, Figure::Text(kind.to_owned()));
        put("fund_id", text::import_fund, Figure::Text(mapping.fund.id.0.clone()));
        put("currency_code", text::import_currency, Figure::Text(mapping.fund.currency.0.clone()));
        put("currency_exponent", text::import_exponent, Figure::Count(mapping.fund.exponent.0.into()));
        put("dry_run", text::import_dry_run, Figure::Flag(dry_run));
        put("rows_read", text::import_rows_read, Figure::Count(plan.rows_read));
        put("rows_blank", text::import_rows_blank, Figure::Count(plan.rows_blank));
        put("lots", text::import_lots, Figure::Count(count(&plan.lots)));
        put("lots_agreeing", text::import_lots_agreeing, Figure::Count(posted.lots_agreeing));
        put("units", text::import_units, Figure::Count(count(&plan.units)));
        put("allocations", text::import_allocations, Figure::Count(posted.allocations.count));
        put("allocations", text::import_allocated, Figure::Money(posted.allocations.minor));
        if mapping.kind == Kind::Payments {
            put("payments", text::import_payments, Figure::Count(posted.payments.count));
            put("payments", text::import_paid, Figure::Money(posted.payments.minor));
            put("returns", text::import_returns, Figure::Count(posted.returns.count));
            put("returns", text::import_returned, Figure::Money(posted.returns.minor));
        }
        put("refused", text::import_refused, Figure::Count(count(&refused)));
        put("refused", text::import_refused_amount, Figure::Money(refused_minor));
        put("refused_without_amount", text::import_refused_without_amount, Figure::Count(without_amount));
        put("net_posted", text::import_net_posted, Figure::Money(net_minor));
        put("file_sum", text::import_file_sum, Figure::Money(plan.file_sum_minor));
        put("file_sum_agrees", text::import_sums_agree, Figure::Flag(file_sum_agrees));
        put("commands_posted", text::import_posted_now, Figure::Count(posted.accepted_now));
        put("commands_replayed", text::import_posted_before, Figure::Count(posted.accepted_before));
        put("last_sequence", text::import_last_sequence, Figure::Sequence(posted.last_sequence));
        put("refused_by_reason", text::import_refused_by_reason, Figure::Counts(reasons));
        Self { items, exponent: mapping.fund.exponent.0, dry_run, refused, file_sum_agrees }
    }

    /// How many rows were refused.
    pub(crate) fn refused_count(&self) -> usize {
        self.refused.len()
    }

    /// One object with stable keys.
    pub(crate) fn to_json(&self) -> Value {
        let mut object = Map::new();
        for item in &self.items {
            let (key, value) = match &item.figure {
                Figure::Text(text) => (item.key.to_owned(), json!(text)),
                Figure::Count(count) => (item.key.to_owned(), json!(count)),
                Figure::Sequence(sequence) => (item.key.to_owned(), json!(sequence)),
                Figure::Flag(flag) => (item.key.to_owned(), json!(flag)),
                Figure::Counts(counts) => (item.key.to_owned(), json!(counts)),
                Figure::Money(minor) => {
                    object.insert(format!("{}_amount", item.key), json!(decimal(*minor, self.exponent)));
                    // A sum of 2^53-1 amounts and more is beyond any file; it is given as text rather than wrongly.
                    let exact = i64::try_from(*minor).map_or_else(|_| json!(minor.to_string()), |minor| json!(minor));
                    (format!("{}_minor", item.key), exact)
                }
            };
            object.insert(key, value);
        }
        Value::Object(object)
    }

    /// Writes the summary.
    pub(crate) fn write(&self, out: &mut dyn Write, format: Format, lang: Lang) -> Result<(), Failure> {
        match format {
            Format::Json => render::json(out, &self.to_json()),
            Format::Csv => {
                let flat = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let object = self.to_json();
                let pairs = object.as_object().into_iter().flatten();
                let rows: Vec<Vec<String>> = pairs.map(|(key, value)| vec![key.clone(), flat(value)]).collect();
                render::csv(out, &["key", "value"], &rows)
            }
            Format::Table | Format::Tree | Format::Dot | Format::Xlsx => {
                let rows: Vec<Vec<String>> = self
                    .items
                    .iter()
                    .filter(|item| !(self.dry_run && ABOUT_POSTING.contains(&item.key)))
                    .map(|item| vec![(item.label)(lang), self.for_people(item, lang)])
                    .collect();
                let header = [text::import_title(lang), String::new()];
                writeln!(out, "{}", render::table(&header, &rows, &[1])).map_err(Failure::from)
            }
        }
    }

    fn for_people(&self, item: &Item, lang: Lang) -> String {
        match &item.figure {
            Figure::Text(text) => text.clone(),
            Figure::Count(count) => grouped(i128::from(*count), 0),
            Figure::Sequence(sequence) => grouped(i128::from(*sequence), 0),
            Figure::Money(minor) => grouped(*minor, self.exponent),
            Figure::Flag(true) => text::word_yes(lang),
            Figure::Flag(false) => text::word_no(lang),
            Figure::Counts(counts) => {
                let lines: Vec<String> = counts.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
                if lines.is_empty() { "-".to_owned() } else { lines.join("\n") }
            }
        }
    }

    /// Writes the list of refused rows as CSV: line, reason, amount, message, remedy.
    pub(super) fn write_refused(&self, out: &mut dyn Write, lang: Lang) -> Result<(), Failure> {
        let header = ["line", "reason", "amount_minor", "amount", "message", "remedy"];
        let rows: Vec<Vec<String>> = self
            .refused
            .iter()
            .map(|row| {
                let amount = row.amount_minor.map(i128::from);
                vec![
                    row.line.to_string(),
                    row.fault.reason().to_owned(),
                    amount.map(|minor| minor.to_string()).unwrap_or_default(),
                    amount.map(|minor| decimal(minor, self.exponent)).unwrap_or_default(),
                    row.fault.message(lang),
                    row.fault.remedy(lang),
                ]
            })
            .collect();
        render::csv(out, &header, &rows)
    }
}

fn count(items: impl IntoIterator) -> u64 {
    u64::try_from(items.into_iter().count()).unwrap_or(u64::MAX)
}

impl Fault {
    /// The stable code.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::EncodingInvalid { .. } => "ENCODING_INVALID",
            Self::ColumnsMismatch { .. } => "COLUMNS_MISMATCH",
            Self::FieldEmpty { .. } => "FIELD_EMPTY",
            Self::FieldTooLong { .. } => "FIELD_TOO_LONG",
            Self::DateInvalid { .. } => "DATE_INVALID",
            Self::AmountInvalid { .. } => "AMOUNT_INVALID",
            Self::AmountTooPrecise { .. } => "AMOUNT_TOO_PRECISE",
            Self::AmountOutOfRange { .. } => "AMOUNT_OUT_OF_RANGE",
            Self::AmountZero => "AMOUNT_ZERO",
            Self::ReturnWithoutPayment => "RETURN_WITHOUT_PAYMENT",
            Self::BudgetLineNegative => "BUDGET_LINE_NEGATIVE",
            Self::Ledger { reason, .. } => reason,
        }
    }

    /// What is the case.
    pub(in crate::cli) fn message(&self, lang: Lang) -> String {
        match self {
            Self::EncodingInvalid { column } => text::row_encoding_invalid(lang, column),
            Self::ColumnsMismatch { expected, found } => text::row_columns_mismatch(lang, expected, found),
            Self::FieldEmpty { column } => text::row_field_empty(lang, column),
            Self::FieldTooLong { column, bytes_max } => text::row_field_too_long(lang, bytes_max, column),
            Self::DateInvalid { text } => text::row_date_invalid(lang, text),
            Self::AmountInvalid { text } => text::row_amount_invalid(lang, text),
            Self::AmountTooPrecise { text, exponent } => text::row_amount_too_precise(lang, exponent, text),
            Self::AmountOutOfRange { text } => text::row_amount_out_of_range(lang, text),
            Self::AmountZero => text::row_amount_zero(lang),
            Self::ReturnWithoutPayment => text::row_return_without_payment(lang),
            Self::BudgetLineNegative => text::row_budget_line_negative(lang),
            Self::Ledger { message, .. } => message.clone(),
        }
    }

    /// What can be done.
    pub(super) fn remedy(&self, lang: Lang) -> String {
        match self {
            Self::EncodingInvalid { .. } => text::row_encoding_invalid_remedy(lang),
            Self::ColumnsMismatch { .. } => text::row_columns_mismatch_remedy(lang),
            Self::FieldEmpty { .. } | Self::FieldTooLong { .. } => text::row_field_remedy(lang),
            Self::DateInvalid { .. } => text::row_date_invalid_remedy(lang),
            Self::AmountInvalid { .. } => text::row_amount_invalid_remedy(lang),
            Self::AmountTooPrecise { .. } => text::row_amount_too_precise_remedy(lang),
            Self::AmountOutOfRange { .. } => text::row_amount_out_of_range_remedy(lang),
            Self::AmountZero => text::row_amount_zero_remedy(lang),
            Self::ReturnWithoutPayment => text::row_return_without_payment_remedy(lang),
            Self::BudgetLineNegative => text::row_budget_line_negative_remedy(lang),
            Self::Ledger { .. } => text::row_ledger_remedy(lang),
        }
    }
}
