//! `reconcile`: holds a bank statement against the books, tells what differs, and puts the comparison on record (对账).
//!
//! Nothing is ever posted to make bank and books agree: a difference is an event, and stays open until the entry that the
//! other side lacks is there.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::civil::Date;
use sha2::{Digest, Sha256};

use self::books::{Books, Recorded, wire_date};
use self::camt::Choice;
use self::compared::Outcome;
use self::mapping::Mapping;
use self::report::Report;
use self::source::{Form, Hashing, Prefix, Source};
use self::statement::{Fault, Raw, Said, Statement};
use super::connect::{self, Connection, Explanation};
use super::import::mapping::is_id_of_the_api;
use super::posting::{self, Mode};
use super::render::{self, exponent, hex};
use super::{Failure, Format, Globals, Lang};
use crate::messages::cli as text;
use crate::pb;
use crate::pb::v1::command::Payload;
use crate::pb::v1::{self, post_result};

mod books;
mod camt;
mod compared;
mod delimited;
mod mapping;
mod matching;
mod report;
mod source;
mod statement;
#[cfg(test)]
mod tests;

/// Differences that one event holds.
const DIFFERENCES_MAX: usize = 256;
const KEY_DIGITS: usize = 32;
const CLOSING_OPTION: &str = "--closing-balance";

/// Arguments of `reconcile`.
#[derive(Args, Clone, Debug)]
pub struct ReconcileArgs {
    /// The account of the ledger that stands for the bank account.
    #[arg(long, value_name = "ACCOUNT")]
    pub account: String,
    /// The statement: CSV, or ISO 20022 camt.053 XML.
    #[arg(value_name = "STATEMENT", required_unless_present = "list")]
    pub statement: Option<PathBuf>,
    /// What the columns of a CSV mean (docs/reconciliation.md).
    #[arg(long, value_name = "FILE.toml")]
    pub mapping: Option<PathBuf>,
    /// Form of the statement; told from its content if not given.
    #[arg(long, value_enum)]
    pub statement_format: Option<StatementFormat>,
    /// The statement of this id, where an XML file has several.
    #[arg(long, value_name = "ID")]
    pub statement_id: Option<String>,
    /// The statement of this bank account (IBAN or other number), where an XML file has several.
    #[arg(long, value_name = "NUMBER")]
    pub bank_account: Option<String>,
    /// First day of the statement, where the file does not say it.
    #[arg(long, value_name = "DATE", value_parser = render::parse_date)]
    pub from: Option<pb::Date>,
    /// Last day of the statement, where the file does not say it.
    #[arg(long, value_name = "DATE", value_parser = render::parse_date)]
    pub to: Option<pb::Date>,
    /// The bank's balance at the end, where the file does not say it, e.g. 1234.56.
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    pub closing_balance: Option<String>,
    /// Who records; the mapping's `posting.maker` if not given.
    #[arg(long, value_name = "NAME")]
    pub maker: Option<String>,
    /// Business date of the record; the last day of the statement if not given.
    #[arg(long, value_name = "DATE", value_parser = render::parse_date)]
    pub on: Option<pb::Date>,
    /// Compare and report; nothing is recorded.
    #[arg(long)]
    pub dry_run: bool,
    /// Compare a statement once more that is on record, with the books as they are now.
    #[arg(long)]
    pub again: bool,
    /// Go on trying this long when the server is busy or away, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub retry_for: u64,
    /// List the comparisons of the account that are on record instead.
    #[arg(long, conflicts_with_all = ["statement", "mapping", "dry_run", "again"])]
    pub list: bool,
}

/// Form of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatementFormat {
    /// Delimited text, read by a mapping.
    Csv,
    /// ISO 20022 bank to customer statement.
    #[value(name = "camt.053")]
    Camt053,
}

/// For fuzz/: the entries, opening and closing balance of a statement that adds up, in CSV with a mapping and in XML without;
/// `None` where it is refused.
#[cfg(fuzzing)]
pub fn statement_of(mapping: Option<&str>, mut file: &[u8]) -> Option<(Vec<i64>, Option<i64>, i64)> {
    let told = |fault: Fault| drop(fault.failure("statement", 2, Lang::Zh).to_string());
    let mapping = mapping.map(|mapping| Mapping::read("mapping", mapping)).transpose().ok()?;
    let prefix = Prefix::read(&mut file).ok()?;
    let raw = if let Some(mapping) = &mapping {
        delimited::read(Source::new(prefix.then(file), mapping.file.encoding.0), mapping, "CNY", 2)
    } else {
        let choice = Choice { currency: "CNY", exponent: 2, ..Choice::default() };
        let encoding = prefix.xml_encoding().map_err(told).ok()?;
        camt::read(Source::new(prefix.then(file), encoding), &choice)
    };
    let statement = raw.and_then(|raw| Statement::new(raw, Said::default())).map_err(told).ok()?;
    let amounts = statement.entries.iter().map(|entry| entry.amount_minor).collect();
    Some((amounts, statement.opening_minor, statement.closing_minor))
}

/// Runs `reconcile`.
pub fn run(globals: &Globals, args: &ReconcileArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json, Format::Csv])?;
    let Some(path) = &args.statement else {
        return connect::with(globals, async |connection| {
            let books = Books::open(connection, &args.account).await?;
            report::list(&books.account, &books.recorded().await?, out, format, globals.lang)
        });
    };
    let input = Input::open(args, path, globals.lang)?;
    let (report, done) = connect::with(globals, async |connection| input.reconcile(connection).await)?;
    report.write(out, format, globals.lang)?;
    done?;
    if report.is_clean() {
        return Ok(());
    }
    Err(Failure::Refused(text::reconcile_differs(globals.lang)))
}

/// A statement that was opened, and what is needed to read it.
struct Input<'a> {
    args: &'a ReconcileArgs,
    name: String,
    file: Hashing<File>,
    prefix: Prefix,
    mapping: Option<Mapping>,
    maker: String,
    lang: Lang,
}

impl<'a> Input<'a> {
    /// Opens statement and mapping: better to fail before anybody is asked than after.
    fn open(args: &'a ReconcileArgs, path: &Path, lang: Lang) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let unreadable = |error| Failure::about(&name, error);
        let mut file = Hashing::new(File::open(path).map_err(unreadable)?);
        let prefix = Prefix::read(&mut file).map_err(unreadable)?;
        let form = match args.statement_format {
            Some(StatementFormat::Csv) => Form::Csv,
            Some(StatementFormat::Camt053) => Form::Camt,
            None => prefix.form(),
        };
        let mapping = match (form, &args.mapping) {
            (Form::Csv, None) => return Err(Failure::Usage(text::reconcile_needs_mapping(lang))),
            (Form::Camt, Some(_)) => return Err(Failure::Usage(text::reconcile_needs_no_mapping(lang))),
            (Form::Camt, None) => None,
            (Form::Csv, Some(path)) => {
                let shown = path.display().to_string();
                let toml = fs::read_to_string(path).map_err(|error| Failure::about(&shown, error))?;
                Some(Mapping::read(&shown, &toml).map_err(Failure::Usage)?)
            }
        };
        let posting = mapping.as_ref().and_then(|mapping| mapping.posting.as_ref());
        let maker = args.maker.clone().or_else(|| posting.map(|posting| posting.maker.0.clone())).unwrap_or_default();
        if !args.dry_run && !is_id_of_the_api(&maker) {
            return Err(Failure::Usage(text::reconcile_needs_maker(lang)));
        }
        Ok(Self { args, name, file, prefix, mapping, maker, lang })
    }

    /// Reads, compares, records. The report says what was found even where it could not be recorded.
    async fn reconcile(self, connection: &Connection) -> Result<(Report, Result<(), Failure>), Failure> {
        let (args, lang) = (self.args, self.lang);
        let (name, maker) = (self.name.clone(), self.maker.clone());
        let books = Books::open(connection, &args.account).await?;
        let places = exponent(books.account.currency_exponent);
        let (raw, digest, said) = self.read(&books.account)?;
        let statement = Statement::new(raw, said).map_err(|fault| fault.failure(&name, places, lang))?;
        let key = key(&args.account, &digest, args.again.then_some(books.head));
        let found = if args.dry_run { None } else { books.find(&key).await? };
        let as_of = found.as_ref().map_or(books.head, |found| found.said.as_of_sequence);
        let recorded = books.recorded().await?;
        let before = compared::before(&recorded, statement.first, as_of);
        let period = books.period((statement.first, statement.last), as_of, before).await?;
        let outcome = compared::compare(&statement, &digest, &period, before);
        let mut report = Report::new(&name, &digest, &books.account, &statement, &period, before, as_of, outcome);
        report.is_dry_run = args.dry_run;
        let differences = report.outcome.differences().count();
        let done = if args.dry_run {
            Ok(())
        } else if let Some(found) = found {
            report.recorded = Some(found);
            Ok(())
        } else if differences > DIFFERENCES_MAX {
            // An event holds so many and no more, and a part of them would pass for all.
            Err(Failure::Refused(text::reconcile_too_many(lang, differences, DIFFERENCES_MAX)))
        } else {
            let business_date = args.on.unwrap_or_else(|| wire_date(statement.last));
            let command = v1::Command {
                request_id: key,
                business_date: Some(business_date),
                actor: maker,
                payload: Some(Payload::RecordReconciliation(Box::new(to_record(
                    &args.account,
                    &digest,
                    &statement,
                    period.closing_minor,
                    as_of,
                    &report.outcome,
                )))),
                ..v1::Command::default()
            };
            match record(connection, command, Duration::from_secs(args.retry_for)).await {
                Ok(recorded) => {
                    // Whoever reconciles the next statement right after this one goes on from its record.
                    books.wait_until_seen(recorded.sequence).await;
                    report.recorded = Some(recorded);
                    Ok(())
                }
                Err(failure) => Err(failure),
            }
        };
        Ok((report, done))
    }

    /// Reads the statement as a whole; gives the SHA-256 of the file as it is, too.
    fn read(mut self, account: &v1::Balance) -> Result<(Raw, [u8; 32], Said), Failure> {
        let places = exponent(account.currency_exponent);
        let told = |fault: Fault| fault.failure(&self.name, places, self.lang);
        let encoding = match &self.mapping {
            Some(mapping) => mapping.file.encoding.0,
            None => self.prefix.xml_encoding().map_err(told)?,
        };
        let closing = self.args.closing_balance.as_deref();
        let said = Said {
            first: self.args.from.as_ref().map(|date| said_date(date, self.lang)).transpose()?,
            last: self.args.to.as_ref().map(|date| said_date(date, self.lang)).transpose()?,
            closing_minor: closing
                .map(|value| statement::read_decimal(value, places))
                .transpose()
                .map_err(|fault| Failure::Usage(fault.failure(CLOSING_OPTION, places, self.lang).to_string()))?,
        };
        let source = Source::new(self.prefix.then(&mut self.file), encoding);
        let currency = account.currency_code.as_str();
        let raw = if let Some(mapping) = &self.mapping {
            delimited::read(source, mapping, currency, places)
        } else {
            let choice = Choice {
                statement_id: self.args.statement_id.as_deref(),
                bank_account: self.args.bank_account.as_deref(),
                currency,
                exponent: places,
            };
            camt::read(source, &choice)
        };
        let raw = raw.map_err(|fault| fault.failure(&self.name, places, self.lang))?;
        let digest = self.file.finish().map_err(|error| Failure::about(&self.name, error))?;
        Ok((raw, digest, said))
    }
}

fn said_date(date: &pb::Date, lang: Lang) -> Result<Date, Failure> {
    let shown = || render::date(Some(date));
    books::day_of(date).ok_or_else(|| Failure::Usage(text::row_date_invalid(lang, shown())))
}

/// The key of a comparison: one an account and statement; `again`, one a sequence of the books as well.
fn key(account: &str, digest: &[u8; 32], again: Option<i64>) -> String {
    let mut hash = Sha256::new();
    hash.update(account.as_bytes());
    hash.update([0]);
    hash.update(digest);
    let digits: String = hex(&hash.finalize()).chars().take(KEY_DIGITS).collect();
    match again {
        Some(as_of) => format!("reconcile:{digits}:{as_of}"),
        None => format!("reconcile:{digits}"),
    }
}

fn to_record(
    account_id: &str,
    digest: &[u8; 32],
    statement: &Statement,
    book_balance_minor: i64,
    as_of_sequence: i64,
    outcome: &Outcome,
) -> v1::RecordReconciliation {
    v1::RecordReconciliation {
        account_id: account_id.to_owned(),
        statement_sha256: digest.to_vec().into(),
        from: Some(wire_date(statement.first)),
        to: Some(wire_date(statement.last)),
        bank_balance_minor: statement.closing_minor,
        book_balance_minor,
        as_of_sequence,
        // At most five million entries.
        matched_count: i32::try_from(outcome.counts.matched()).unwrap_or(i32::MAX),
        differences: outcome.to_record(),
    }
}

async fn record(connection: &Connection, command: v1::Command, patience: Duration) -> Result<Recorded, Failure> {
    let results = posting::post(connection, std::slice::from_ref(&command), Mode::Commit, patience).await?.results;
    let lang = connection.lang();
    match results.into_iter().next().and_then(|result| result.outcome) {
        Some(post_result::Outcome::Receipt(receipt)) => {
            Ok(Recorded { sequence: receipt.sequence, replayed: receipt.replayed, said: v1::Reconciled::default() })
        }
        Some(post_result::Outcome::Error(status)) => Err(Explanation::of_result(&status, lang).failure()),
        None => Err(Failure::Unavailable(text::answer_has_no_outcome(lang))),
    }
}
