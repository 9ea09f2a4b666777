//! `export --as`: what a log says, in forms that other programs read.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil;

use super::gather::{Basis, follow};
use super::{Failure, Globals};
use crate::audit::printable::printable;
use crate::domain::ids::Ocid;
use crate::messages::cli as text;
use crate::reporting::exports::journal::Dialect;
use crate::reporting::exports::selection::Selection;
use crate::reporting::exports::{Export, ExportError, Form};
use crate::reporting::table::day;

/// Arguments of `export --as`.
#[derive(Args, Clone, Debug)]
pub struct InterchangeArgs {
    /// Form for other programs, instead of the log itself (docs/exports.md).
    #[arg(long = "as", value_name = "FORM", value_enum, requires = "output")]
    pub form: Option<FormArg>,
    /// File to write, or directory for forms of several files.
    #[arg(long, value_name = "PATH", requires = "form")]
    pub output: Option<PathBuf>,
    /// Directory of a ledger or of static tiles, bundle file, or address, to be exported [default: that of --data].
    #[arg(value_name = "DIR|BUNDLE|URL", requires = "form")]
    pub source: Option<String>,
    /// First business date, e.g. 2026-01-01; what is before it goes into opening balances.
    #[arg(long, value_name = "DATE", requires = "form")]
    pub from: Option<civil::Date>,
    /// Last business date.
    #[arg(long, value_name = "DATE", requires = "form")]
    pub to: Option<civil::Date>,
    /// Only this fund.
    #[arg(long, value_name = "FUND", requires = "form")]
    pub fund: Option<String>,
    /// As the log was at this sequence.
    #[arg(long, value_name = "SEQUENCE", requires = "form", value_parser = clap::value_parser!(i64).range(0..))]
    pub as_of: Option<i64>,
    /// Prefix registered for your ocids, for contracts that have none (ocds).
    #[arg(long, value_name = "PREFIX", requires = "form")]
    pub ocid_prefix: Option<String>,
}

/// A form for other programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormArg {
    /// A journal for beancount.
    Beancount,
    /// A journal for hledger.
    Hledger,
    /// A journal for ledger.
    Ledger,
    /// Audit interchange in the shape of GB/T 24589, XML and CSV: a directory.
    Gbt24589,
    /// OCDS release package, JSON.
    Ocds,
    /// Fiscal Data Package: a directory.
    FiscalDataPackage,
    /// Comparison of budget and actual amounts (IPSAS 24), CSV, JSON and XLSX: a directory.
    Ipsas24,
}

impl FormArg {
    const fn form(self) -> Form {
        match self {
            Self::Beancount => Form::Journal(Dialect::Beancount),
            Self::Hledger => Form::Journal(Dialect::Hledger),
            Self::Ledger => Form::Journal(Dialect::Ledger),
            Self::Gbt24589 => Form::AuditInterchange,
            Self::Ocds => Form::Contracting,
            Self::FiscalDataPackage => Form::Fiscal,
            Self::Ipsas24 => Form::BudgetComparison,
        }
    }
}

/// What was written.
pub(super) struct Written {
    /// How many rows or transactions.
    pub(super) rows: u64,
    /// Sequence that it is as of.
    pub(super) sequence: i64,
}

/// Verifies the log, and writes it to a path as a form.
pub(super) fn write(
    globals: &Globals,
    args: &InterchangeArgs,
    (form, source, output): (FormArg, &str, &Path),
) -> Result<Written, Failure> {
    let lang = globals.lang;
    if let Some(prefix) = &args.ocid_prefix {
        if form != FormArg::Ocds {
            return Err(Failure::Usage(text::export_no_ocids(lang)));
        }
        // As every ocid is checked that is posted.
        if Ocid::parse(format!("{prefix}-1")).is_err() {
            return Err(Failure::Usage(text::export_ocid_prefix(lang, printable(prefix))));
        }
    }
    let selection = Selection {
        first_day: args.from.map(day),
        last_day: args.to.map(day),
        fund: args.fund.clone(),
        last_sequence: args.as_of,
        ocid_prefix: args.ocid_prefix.clone(),
    };
    if selection.first_day.zip(selection.last_day).is_some_and(|(first, last)| first > last) {
        return Err(Failure::Usage(text::export_days_turned(lang)));
    }
    // What does not fit into memory lies beside what is written: there must be room for that as well.
    let room = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !room.is_dir() {
        return Err(Failure::Usage(text::export_no_folder(lang, room.display())));
    }
    let mut export = Export::new(form.form(), selection, lang.into(), room);
    let basis = follow(globals, source, args.as_of, |sequence, hash, event| export.take(sequence, hash, event))?;
    let Basis { origin, sequence, root } = basis;
    let bar = if globals.shows_progress() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{spinner} {human_pos} {per_sec}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    let rows = export.finish(&origin, (sequence, root), output, &mut || bar.inc(1));
    bar.finish_and_clear();
    let rows = rows.map_err(|error| match error {
        ExportError::UnknownFund(fund_id) => Failure::Usage(text::export_unknown_fund(lang, fund_id)),
        ExportError::NoOcid(contract_id) => Failure::Usage(text::export_without_ocid(lang, contract_id)),
        ExportError::Io(error) => Failure::about(output.display(), error),
    })?;
    Ok(Written { rows, sequence })
}
