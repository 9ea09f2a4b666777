//! What became of each line: a row as soon as its batch is on disk, and a summary.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::connect::Explanation;
use crate::cli::posting::Mode;
use crate::cli::render::{self, hex};
use crate::cli::{Failure, Format, Globals, Lang};
use crate::messages::cli as text;
use crate::pb::v1::post_result::Outcome;
use crate::pb::v1::{PostResult, Receipt};

const COLUMNS: [&str; 10] = [
    "line",
    "request_id",
    "accepted",
    "sequence",
    "entry_hash",
    "replayed",
    "reason",
    "message",
    "unreleased",
    "receipt_code",
];

/// Rows and counts of a run. Tables are written at the end, since their columns have to fit.
pub(super) struct Outcomes<'out> {
    out: &'out mut dyn Write,
    format: Format,
    lang: Lang,
    quiet: bool,
    rows: Vec<Row>,
    accepted: u64,
    replayed: u64,
    refused: u64,
    last_sequence: i64,
    /// Witnesses were waited for, and did not come in time.
    is_unseen: bool,
    /// Receipts whose code the server did not say.
    lacking_codes: u64,
}

struct Row {
    line: u64,
    request_id: String,
    outcome: Result<Receipt, Explanation>,
    /// Empty where nobody was paid, or codes were not asked for.
    receipt_code: String,
}

impl<'out> Outcomes<'out> {
    pub(super) fn start(out: &'out mut dyn Write, format: Format, globals: &Globals) -> Result<Self, Failure> {
        if format == Format::Csv {
            render::csv(out, &COLUMNS, &[])?;
        }
        let (lang, quiet) = (globals.lang, globals.quiet);
        let rows = Vec::new();
        let (accepted, replayed, refused, last_sequence, is_unseen, lacking_codes) = (0, 0, 0, 0, false, 0);
        Ok(Self {
            out,
            format,
            lang,
            quiet,
            rows,
            accepted,
            replayed,
            refused,
            last_sequence,
            is_unseen,
            lacking_codes,
        })
    }

    /// Remembers whether witnesses have seen a request, where they were to be waited for.
    pub(super) fn note_witnesses(&mut self, mode: Mode, is_witnessed: bool) {
        self.is_unseen |= mode == Mode::Witnessed && !is_witnessed;
    }

    /// Whether witnesses were waited for in vain.
    pub(super) const fn is_unseen(&self) -> bool {
        self.is_unseen
    }

    /// Receipts whose codes were asked for and not had.
    pub(super) const fn lacking_codes(&self) -> u64 {
        self.lacking_codes
    }

    /// Counts and keeps a result, with the code of its receipt, `None` where that was asked for and not had.
    pub(super) fn take(
        &mut self,
        line: u64,
        request_id: String,
        result: PostResult,
        receipt_code: Option<String>,
    ) -> Result<(), Failure> {
        let (counter, outcome) = match result.outcome {
            Some(Outcome::Receipt(receipt)) => {
                self.last_sequence = self.last_sequence.max(receipt.sequence);
                let counter = if receipt.replayed { &mut self.replayed } else { &mut self.accepted };
                (counter, Ok(receipt))
            }
            Some(Outcome::Error(status)) => (&mut self.refused, Err(Explanation::of_result(&status, self.lang))),
            None => return Err(Failure::Unavailable(text::answer_has_no_outcome(self.lang))),
        };
        *counter = counter.saturating_add(1);
        self.lacking_codes = self.lacking_codes.saturating_add(u64::from(receipt_code.is_none()));
        self.rows.push(Row { line, request_id, outcome, receipt_code: receipt_code.unwrap_or_default() });
        Ok(())
    }

    /// Writes the rows so far, in the forms that are read while they come.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        match self.format {
            Format::Json => {
                for row in self.rows.drain(..) {
                    writeln!(self.out, "{}", row.to_json())?;
                }
            }
            Format::Csv => {
                let rows: Vec<Vec<String>> = self.rows.drain(..).map(|row| row.to_record()).collect();
                render::csv_rows(self.out, &rows)?;
            }
            Format::Table | Format::Tree | Format::Dot | Format::Xlsx => return Ok(()),
        }
        self.out.flush().map_err(Failure::from)
    }

    /// Writes what is left and the summary; gives how many were refused.
    pub(super) fn finish(mut self) -> Result<u64, Failure> {
        self.flush()?;
        let summary = text::post_summary(self.lang, self.accepted, self.last_sequence, self.refused, self.replayed);
        match self.format {
            Format::Json => {
                let summary = json!({
                    "accepted": self.accepted,
                    "replayed": self.replayed,
                    "refused": self.refused,
                    "last_sequence": self.last_sequence,
                });
                writeln!(self.out, "{}", json!({ "summary": summary }))?;
            }
            Format::Csv if self.quiet => {}
            Format::Csv => writeln!(io::stderr().lock(), "{summary}")?,
            Format::Table | Format::Tree | Format::Dot | Format::Xlsx => {
                let header = [
                    text::post_line(self.lang),
                    text::post_key(self.lang),
                    text::post_sequence(self.lang),
                    text::post_outcome(self.lang),
                ];
                let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.for_people(self.lang)).collect();
                writeln!(self.out, "{}\n{summary}", render::table(&header, &rows, &[0, 2]))?;
            }
        }
        Ok(self.refused)
    }
}

impl Row {
    fn to_json(&self) -> Value {
        match &self.outcome {
            Ok(receipt) => json!({
                "line": self.line,
                "request_id": self.request_id,
                "accepted": true,
                "sequence": receipt.sequence,
                "entry_hash": hex(&receipt.entry_hash),
                "replayed": receipt.replayed,
                "unreleased": receipt.unreleased,
                "receipt_code": self.receipt_code,
            }),
            Err(explanation) => json!({
                "line": self.line,
                "request_id": self.request_id,
                "accepted": false,
                "replayed": explanation.replayed,
                "reason": explanation.reason,
                "message": explanation.message,
                "violations": explanation.violations,
            }),
        }
    }

    fn to_record(&self) -> Vec<String> {
        let (line, key) = (self.line.to_string(), self.request_id.clone());
        match &self.outcome {
            Ok(receipt) => vec![
                line,
                key,
                true.to_string(),
                receipt.sequence.to_string(),
                hex(&receipt.entry_hash),
                receipt.replayed.to_string(),
                String::new(),
                String::new(),
                receipt.unreleased.to_string(),
                self.receipt_code.clone(),
            ],
            Err(explanation) => vec![
                line,
                key,
                false.to_string(),
                String::new(),
                String::new(),
                explanation.replayed.to_string(),
                explanation.reason.clone(),
                explanation.message.clone(),
                String::new(),
                String::new(),
            ],
        }
    }

    fn for_people(&self, lang: Lang) -> Vec<String> {
        let (sequence, outcome) = match &self.outcome {
            Ok(receipt) => {
                let replayed = receipt.replayed.then(|| format!(" ({})", text::post_replayed(lang)));
                let unreleased = receipt.unreleased.then(|| format!(" ({})", text::post_unreleased(lang)));
                let code = (!self.receipt_code.is_empty())
                    .then(|| format!("\n{}", text::post_receipt_code(lang, &self.receipt_code)));
                let marks = [replayed, unreleased, code].map(Option::unwrap_or_default).concat();
                (receipt.sequence.to_string(), format!("{}{marks}", hex(&receipt.entry_hash)))
            }
            Err(explanation) => (String::new(), explanation.to_string()),
        };
        vec![self.line.to_string(), self.request_id.clone(), sequence, outcome]
    }
}
