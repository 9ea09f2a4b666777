//! What `report`, `sample` and `chart` share: events from evidence, a table as a file, on a terminal or through a pager.
//!
//! Nothing of a table is shown before the evidence was verified to its end: it is written to a file first.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use tempfile::NamedTempFile;

use super::gather::{Basis, follow};
use super::terminal::TerminalWriter;
use super::{Failure, Format, Globals, Lang, pager};
use crate::grpc::convert;
use crate::messages::cli as text;
use crate::pb::Date;
use crate::reporting::audit::Question;
use crate::reporting::files::TableWriter;
use crate::reporting::files::csv::CsvWriter;
use crate::reporting::files::json::JsonWriter;
use crate::reporting::files::xlsx::XlsxWriter;
use crate::reporting::publish::{NoNames, Publishing, Written};
use crate::reporting::register::Register;
use crate::reporting::rows::Row;
use crate::reporting::table::{Cell, Head, Tail};

/// The forms that tables have.
pub(super) const FORMATS: &[Format] = &[Format::Table, Format::Json, Format::Csv, Format::Xlsx];

/// From what a table is made, and where it goes.
#[derive(Args, Clone, Debug)]
pub struct TableArgs {
    /// Directory of a ledger or of static tiles, bundle file, or address of a running server or of static tiles; --server if
    /// not given.
    #[arg(value_name = "DIR|BUNDLE|URL")]
    pub source: Option<String>,
    /// As of this sequence: later events do not count.
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(i64).range(0..))]
    pub as_of: Option<i64>,
    /// Write the table to this file; its suffix (.csv, .json, .xlsx) says in which form unless --format does.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Do not page through `$FUNDLEDGER_PAGER`, `$PAGER` or less.
    #[arg(long)]
    pub no_pager: bool,
}

impl TableArgs {
    /// Where the evidence is.
    pub(super) fn source<'a>(&'a self, globals: &'a Globals) -> &'a str {
        self.source.as_deref().unwrap_or_else(|| globals.server())
    }

    /// The form of the table.
    fn format(&self, globals: &Globals) -> Result<Format, Failure> {
        let suffix = self.output.as_deref().and_then(Path::extension).and_then(|suffix| suffix.to_str());
        let by_suffix = match suffix {
            Some("csv") => Some(Format::Csv),
            Some("json") => Some(Format::Json),
            Some("xlsx") => Some(Format::Xlsx),
            Some(_) | None => None,
        };
        let format = match globals.format {
            Some(_) => globals.format(FORMATS)?,
            None => by_suffix.unwrap_or(Format::Table),
        };
        if format == Format::Xlsx && self.output.is_none() && io::stdout().is_terminal() {
            return Err(Failure::Usage(text::report_needs_output(globals.lang)));
        }
        Ok(format)
    }
}

/// A day of the command line.
pub(super) fn day(name: &str, date: Option<Date>) -> Result<Option<i32>, Failure> {
    let told = |wrong: Vec<convert::Violation>| {
        let told: Vec<String> = wrong.iter().map(|wrong| format!("{} {}", wrong.field, wrong.description)).collect();
        Failure::Usage(told.join("; "))
    };
    date.map(|date| convert::day(name, date).map(crate::domain::time::Day::days)).transpose().map_err(told)
}

/// A table that is being written, and not shown yet.
pub(super) struct Output {
    format: Format,
    file: NamedTempFile,
    to: Option<PathBuf>,
    no_pager: bool,
}

impl Output {
    /// Begins one, where it will go.
    pub(super) fn begin(globals: &Globals, args: &TableArgs) -> Result<Self, Failure> {
        let format = args.format(globals)?;
        let mut builder = tempfile::Builder::new();
        builder.permissions(fs::Permissions::from_mode(0o666));
        let file = match &args.output {
            Some(path) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
                builder.tempfile_in(parent).map_err(|error| Failure::about(path.display(), error))?
            }
            None => tempfile::Builder::new().tempfile()?,
        };
        Ok(Self { format, file, to: args.output.clone(), no_pager: args.no_pager })
    }

    /// What writes it.
    pub(super) fn writer(&self, globals: &Globals, head: &Head) -> Result<Box<dyn TableWriter>, Failure> {
        let file = BufWriter::new(self.file.as_file().try_clone()?);
        let language = globals.lang.into();
        Ok(match self.format {
            Format::Json => Box::new(JsonWriter::new(head, file)?),
            Format::Csv => Box::new(CsvWriter::new(head, language, file)?),
            Format::Xlsx => Box::new(XlsxWriter::new(head, language, file)?),
            Format::Table | Format::Tree | Format::Dot => {
                Box::new(TerminalWriter::new(head, globals.lang, self.width(), file))
            }
        })
    }

    /// Characters a line of the terminal; `None` where nobody looks at one.
    fn width(&self) -> Option<usize> {
        if self.to.is_some() || !io::stdout().is_terminal() {
            return None;
        }
        let (terminal_size::Width(width), _) = terminal_size::terminal_size_of(io::stdout())?;
        Some(width.into())
    }

    /// Shows it, or puts it where it was asked for.
    pub(super) fn show(self, out: &mut dyn Write) -> Result<(), Failure> {
        if let Some(path) = &self.to {
            return match self.file.persist(path) {
                Ok(_) => Ok(()),
                Err(error) => Err(Failure::about(path.display(), error.error)),
            };
        }
        let mut file: File = self.file.into_file();
        file.rewind()?;
        if self.format == Format::Table && !self.no_pager {
            out.flush()?;
            pager::become_pager_of(&file);
        }
        io::copy(&mut file, out)?;
        Ok(())
    }
}

/// A table that was made.
pub(super) struct Made {
    pub(super) head: Head,
    pub(super) tail: Tail,
    pub(super) digest: [u8; 32],
}

impl Made {
    pub(super) fn new(head: Head, basis: &Basis, written: &Written) -> Self {
        let Written { rows, left_out, digest } = *written;
        let Basis { origin, sequence, root } = basis;
        let tail = Tail { origin: origin.clone(), sequence: *sequence, root: *root, rows, left_out };
        Self { head, tail, digest }
    }
}

/// Answers a question: makes its table with writers, and gives each row to whoever wants to see it as well.
pub(super) fn answer(
    globals: &Globals,
    (question, args, last): (&Question, &TableArgs, Option<i64>),
    writers: Vec<Box<dyn TableWriter>>,
    mut seen: impl FnMut(&Row) + Send,
) -> Result<Made, Failure> {
    let head = question.head();
    let mut publishing = Publishing::new(&head, Box::new(NoNames), writers);
    let mut making = question.begin(last);
    let mut unseen = payments_asked_for(question);
    let mut row = |row: Row| {
        if let Some(Cell::Text(payment_id)) = row.cells.first() {
            unseen.remove(payment_id.as_str());
        }
        seen(&row);
        publishing.row(row);
    };
    let basis = follow(globals, args.source(globals), last, |sequence, entry_hash, event| {
        making.take(sequence, entry_hash, event, &mut row);
    })?;
    let register = making.close(&mut row);
    check_fund(globals.lang, question.fund(), &register)?;
    if let Question::LotFlow { lot } = question
        && !register.lots().any(|(_, known)| known.lot_id == *lot)
    {
        return Err(Failure::Usage(text::report_unknown_lot(globals.lang, lot)));
    }
    if let Some(payment_id) = unseen.first() {
        return Err(Failure::Usage(text::report_unknown_payment(globals.lang, payment_id)));
    }
    let written = publishing.finish(&basis.origin, basis.sequence, basis.root)?;
    Ok(Made::new(head, &basis, &written))
}

/// Payments that a table of nothing else would have no row of.
fn payments_asked_for(question: &Question) -> BTreeSet<&str> {
    if let Question::Responsibility { payments, .. } = question {
        payments.iter().map(String::as_str).collect()
    } else {
        BTreeSet::new()
    }
}

/// Refuses a fund that the log does not have: a table of nothing would say that nothing happened.
pub(super) fn check_fund(lang: Lang, fund: Option<&str>, register: &Register) -> Result<(), Failure> {
    match fund.filter(|fund| register.fund_named(fund).is_none()) {
        Some(unknown) => Err(Failure::Usage(text::report_unknown_fund(lang, unknown))),
        None => Ok(()),
    }
}
