//! What a reconciliation found: figures, then every difference, what was matched without a reference, what is not booked.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::books::{Period, Recorded, date_of};
use super::compared::{Item, Outcome, Status};
use super::statement::Statement;
use crate::cli::render::{self, decimal, exponent, grouped, hex};
use crate::cli::{Failure, Format, Lang};
use crate::messages::cli as text;
use crate::pb::v1;

/// What was found.
pub(super) struct Report {
    figures: Vec<Named>,
    exponent: u32,
    /// The outcome.
    pub(super) outcome: Outcome,
    /// Whether nothing was to be recorded.
    pub(super) is_dry_run: bool,
    /// The record, if there is one.
    pub(super) recorded: Option<Recorded>,
}

/// A figure with its key and its label.
type Named = (&'static str, fn(Lang) -> String, Figure);

#[derive(Clone)]
enum Figure {
    Text(String),
    Count(u64),
    Number(i64),
    Money(i128),
}

impl Report {
    #[expect(clippy::too_many_arguments, reason = "a report is of everything")]
    pub(super) fn new(
        file: &str,
        digest: &[u8; 32],
        account: &v1::Balance,
        statement: &Statement,
        period: &Period,
        before: Option<&Recorded>,
        as_of: i64,
        outcome: Outcome,
    ) -> Self {
        let mut figures: Vec<Named> = Vec::new();
        let mut put = |key, label: fn(Lang) -> String, figure| figures.push((key, label, figure));
        let count = |number: usize| Figure::Count(u64::try_from(number).unwrap_or(u64::MAX));
        put("account_id", text::reconcile_account, Figure::Text(account.account_id.clone()));
        put("currency_code", text::reconcile_currency, Figure::Text(account.currency_code.clone()));
        put("file", text::reconcile_file, Figure::Text(file.to_owned()));
        put("statement_sha256", text::reconcile_sha256, Figure::Text(hex(digest)));
        if !statement.id.is_empty() {
            put("statement_id", text::reconcile_statement_id, Figure::Text(statement.id.clone()));
        }
        if !statement.bank_account.is_empty() {
            put("bank_account", text::reconcile_bank_account, Figure::Text(statement.bank_account.clone()));
        }
        put("first_day", text::reconcile_first_day, Figure::Text(statement.first.to_string()));
        put("last_day", text::reconcile_last_day, Figure::Text(statement.last.to_string()));
        put("as_of_sequence", text::reconcile_as_of, Figure::Number(as_of));
        if let Some(before) = before {
            let last = date_of(before.said.last_day).map(|day| day.to_string()).unwrap_or_default();
            put("previous_sequence", text::reconcile_previous, Figure::Number(before.sequence));
            put("previous_last_day", text::reconcile_previous_day, Figure::Text(last));
        }
        let counts = outcome.counts;
        put("entries", text::reconcile_entries, count(statement.entries.len()));
        put("carried", text::reconcile_carried, Figure::Count(counts.carried));
        put("book_lines", text::reconcile_book_lines, count(period.lines.len()));
        put("matched", text::reconcile_matched, Figure::Count(counts.matched()));
        put("matched_by_reference", text::reconcile_by_reference, Figure::Count(counts.by_reference));
        put("matched_by_sum", text::reconcile_by_sum, Figure::Count(counts.by_sum));
        put("matched_by_day_and_amount", text::reconcile_by_day, Figure::Count(counts.by_day_and_amount));
        put("offset", text::reconcile_offset, Figure::Count(counts.offset));
        put("repeated_references", text::reconcile_repeated, Figure::Count(counts.repeated_references));
        put("pending", text::reconcile_pending, count(statement.pending.len()));
        put("differences", text::reconcile_differences, count(outcome.differences().count()));
        if let Some(opening) = statement.opening_minor {
            put("bank_opening", text::reconcile_bank_opening, Figure::Money(opening.into()));
        }
        put("books_opening", text::reconcile_books_opening, Figure::Money(period.opening_minor.into()));
        put("bank_closing", text::reconcile_bank_closing, Figure::Money(statement.closing_minor.into()));
        put("books_closing", text::reconcile_books_closing, Figure::Money(period.closing_minor.into()));
        put("unexplained", text::reconcile_unexplained, Figure::Money(outcome.unexplained_minor));
        let exponent = exponent(account.currency_exponent);
        Self { figures, exponent, outcome, is_dry_run: false, recorded: None }
    }

    /// Whether bank and books agree.
    pub(super) fn is_clean(&self) -> bool {
        self.outcome.is_clean()
    }

    /// Writes it.
    pub(super) fn write(&self, out: &mut dyn Write, format: Format, lang: Lang) -> Result<(), Failure> {
        match format {
            Format::Json => render::json(out, &self.to_json()),
            Format::Csv => self.write_csv(out),
            Format::Table | Format::Tree | Format::Dot | Format::Xlsx => self.write_tables(out, lang),
        }
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        for (key, _, figure) in &self.figures {
            let value = match figure {
                Figure::Text(text) => json!(text),
                Figure::Count(count) => json!(count),
                Figure::Number(number) => json!(number),
                Figure::Money(minor) => {
                    object.insert(format!("{key}_amount"), json!(decimal(*minor, self.exponent)));
                    object.insert(format!("{key}_minor"), minor_json(*minor));
                    continue;
                }
            };
            object.insert((*key).to_owned(), value);
        }
        let items = |wanted: &[Status]| -> Value {
            self.outcome
                .items
                .iter()
                .filter(|item| wanted.contains(&item.status))
                .map(|item| self.item_json(item))
                .collect()
        };
        let differing = [Status::AmountDiffers, Status::BankOnly, Status::BooksOnly];
        object.insert("open".to_owned(), items(&differing));
        object.insert("by_day_and_amount".to_owned(), items(&[Status::ByDayAndAmount]));
        object.insert("not_booked".to_owned(), items(&[Status::Pending]));
        object.insert("reconciled".to_owned(), json!(self.is_clean()));
        object.insert("dry_run".to_owned(), json!(self.is_dry_run));
        let recorded = self.recorded.as_ref();
        object.insert("recorded_sequence".to_owned(), json!(recorded.map(|recorded| recorded.sequence)));
        object.insert("recorded_before".to_owned(), json!(recorded.map(|recorded| recorded.replayed)));
        Value::Object(object)
    }

    fn item_json(&self, item: &Item) -> Value {
        json!({
            "status": code(item.status),
            "bank_reference": item.reference,
            "dates": item.dates.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "bank_minor": item.bank_minor,
            "bank_amount": decimal(item.bank_minor.into(), self.exponent),
            "book_minor": item.books_minor,
            "book_amount": decimal(item.books_minor.into(), self.exponent),
            "entries": item.entries,
            "lines": item.file_lines,
            "sequences": item.sequences,
            "carried": item.is_carried,
        })
    }

    fn write_csv(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let header = [
            "status",
            "bank_reference",
            "dates",
            "bank_minor",
            "bank",
            "book_minor",
            "book",
            "entries",
            "lines",
            "sequences",
            "carried",
        ];
        let money = |minor: i64| decimal(minor.into(), self.exponent);
        let rows = self.outcome.items.iter().map(|item| {
            vec![
                code(item.status).to_owned(),
                item.reference.clone(),
                joined(&item.dates),
                item.bank_minor.to_string(),
                money(item.bank_minor),
                item.books_minor.to_string(),
                money(item.books_minor),
                joined(&item.entries),
                joined(&item.file_lines),
                joined(&item.sequences),
                item.is_carried.to_string(),
            ]
        });
        render::csv(out, &header, &rows.collect::<Vec<_>>())
    }

    fn write_tables(&self, out: &mut dyn Write, lang: Lang) -> Result<(), Failure> {
        let mut rows: Vec<Vec<String>> = self
            .figures
            .iter()
            .map(|(_, label, figure)| {
                let shown = match figure {
                    Figure::Text(text) => text.clone(),
                    Figure::Count(count) => grouped((*count).into(), 0),
                    Figure::Number(number) => number.to_string(),
                    Figure::Money(minor) => grouped(*minor, self.exponent),
                };
                vec![label(lang), shown]
            })
            .collect();
        let recorded = match &self.recorded {
            Some(recorded) if recorded.replayed => text::reconcile_recorded_before(lang, recorded.sequence),
            Some(recorded) => recorded.sequence.to_string(),
            None => text::word_no(lang),
        };
        rows.push(vec![text::reconcile_recorded(lang), recorded]);
        let header = [text::reconcile_title(lang), String::new()];
        writeln!(out, "{}", render::table(&header, &rows, &[1]))?;
        if self.outcome.items.is_empty() {
            return Ok(());
        }
        let header = [
            text::reconcile_status(lang),
            text::reconcile_reference(lang),
            text::reconcile_dates(lang),
            text::reconcile_bank(lang),
            text::reconcile_books(lang),
            text::reconcile_places(lang),
            text::reconcile_sequences(lang),
        ];
        let rows: Vec<Vec<String>> = self.outcome.items.iter().map(|item| self.row(item, lang)).collect();
        writeln!(out, "{}", render::table(&header, &rows, &[3, 4])).map_err(Failure::from)
    }

    fn row(&self, item: &Item, lang: Lang) -> Vec<String> {
        let money = |minor: i64| if minor == 0 { String::new() } else { grouped(minor.into(), self.exponent) };
        let mut status = label(item.status, lang);
        if item.is_carried {
            status = text::reconcile_from_before(lang, status);
        }
        vec![
            status,
            item.reference.clone(),
            joined(&item.dates),
            money(item.bank_minor),
            money(item.books_minor),
            joined(&item.file_lines),
            joined(&item.sequences),
        ]
    }
}

fn minor_json(minor: i128) -> Value {
    // A sum beyond 2^63 is given as text rather than wrongly.
    i64::try_from(minor).map_or_else(|_| json!(minor.to_string()), |minor| json!(minor))
}

fn joined(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn code(status: Status) -> &'static str {
    match status {
        Status::AmountDiffers => "AMOUNT_DIFFERS",
        Status::BankOnly => "BANK_ONLY",
        Status::BooksOnly => "BOOKS_ONLY",
        Status::ByDayAndAmount => "BY_DAY_AND_AMOUNT",
        Status::Pending => "NOT_BOOKED",
    }
}

fn label(status: Status, lang: Lang) -> String {
    match status {
        Status::AmountDiffers => text::reconcile_status_amount(lang),
        Status::BankOnly => text::reconcile_status_bank(lang),
        Status::BooksOnly => text::reconcile_status_books(lang),
        Status::ByDayAndAmount => text::reconcile_status_day(lang),
        Status::Pending => text::reconcile_status_pending(lang),
    }
}

/// Writes the comparisons of an account that are on record.
pub(super) fn list(
    account: &v1::Balance,
    recorded: &[Recorded],
    out: &mut dyn Write,
    format: Format,
    lang: Lang,
) -> Result<(), Failure> {
    let places = exponent(account.currency_exponent);
    let day = |days: i32| date_of(days).map(|day| day.to_string()).unwrap_or_default();
    if format == Format::Json {
        let rows: Vec<Value> = recorded
            .iter()
            .map(|Recorded { sequence, said, .. }| {
                json!({
                    "sequence": sequence,
                    "statement_sha256": hex(&said.statement_sha256),
                    "first_day": day(said.first_day),
                    "last_day": day(said.last_day),
                    "bank_balance_minor": said.bank_balance_minor,
                    "book_balance_minor": said.book_balance_minor,
                    "as_of_sequence": said.as_of_sequence,
                    "matched": said.matched_count,
                    "differences": said.differences.len(),
                })
            })
            .collect();
        return render::json(out, &json!({ "account_id": account.account_id, "reconciliations": rows }));
    }
    let row = |Recorded { sequence, said, .. }: &Recorded, money: &dyn Fn(i128) -> String| {
        vec![
            sequence.to_string(),
            day(said.first_day),
            day(said.last_day),
            money(said.bank_balance_minor.into()),
            money(said.book_balance_minor.into()),
            said.as_of_sequence.to_string(),
            said.matched_count.to_string(),
            said.differences.len().to_string(),
            hex(&said.statement_sha256),
        ]
    };
    if format == Format::Csv {
        let header = [
            "sequence",
            "first_day",
            "last_day",
            "bank_balance",
            "book_balance",
            "as_of_sequence",
            "matched",
            "differences",
            "statement_sha256",
        ];
        let rows: Vec<Vec<String>> = recorded.iter().map(|one| row(one, &|minor| decimal(minor, places))).collect();
        return render::csv(out, &header, &rows);
    }
    let header = [
        text::statement_sequence(lang),
        text::reconcile_first_day(lang),
        text::reconcile_last_day(lang),
        text::reconcile_bank_closing(lang),
        text::reconcile_books_closing(lang),
        text::reconcile_as_of(lang),
        text::reconcile_matched(lang),
        text::reconcile_differences(lang),
        text::reconcile_sha256(lang),
    ];
    let rows: Vec<Vec<String>> = recorded.iter().map(|one| row(one, &|minor| grouped(minor, places))).collect();
    writeln!(out, "{}", render::table(&header, &rows, &[0, 3, 4, 5, 6, 7])).map_err(Failure::from)
}
