//! `verify --disclosure`: a published file against the books. It is made again from the log, and the first cell that differs
//! is named.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde_json::{Value, json};

use super::gather::{gather, sound};
use super::render::{self, hex};
use super::verify::{self, VerifyArgs};
use super::{Failure, Format, Globals, Lang};
use crate::audit::printable::printable;
use crate::audit::{self, Anchors, Options, Report};
use crate::messages::cli as text;
use crate::reporting::check::{Check, Checked, Difference};
use crate::reporting::disclosure::Order;
use crate::reporting::files::read::{FileError, Published};

/// Checks one file.
pub(super) fn run(globals: &Globals, args: &VerifyArgs, path: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json])?;
    let lang = globals.lang;
    let refused = |error: FileError| match error {
        FileError::Io(error) => Failure::about(path.display(), error),
        other @ (FileError::Encoding | FileError::Layout(_) | FileError::Lacks(_)) => {
            Failure::Refused(text::disclosed_not_ours(lang, path.display(), printable(&other.to_string())))
        }
    };
    let published = Published::open(path).map_err(refused)?;
    let order = Order::from_file(&published.table, &published.parameters, published.columns.clone());
    let disclosure = order.check().map_err(|error| {
        Failure::Refused(text::disclosed_not_ours(lang, path.display(), printable(&error.to_string())))
    })?;
    let anchors = verify::anchors(globals, args)?;
    let check = Check::new(published, disclosure).map_err(refused)?;
    let size = check.size();
    let options = |served: Vec<String>, _| Options {
        anchors: Anchors { served, ..anchors.clone() },
        root_of: Some(size),
        progress: Some(Arc::new(AtomicU64::new(0))),
        ..Options::default()
    };
    let (report, check) = gather(globals, &args.source, 0, options, |evidence, options| {
        let mut check = check;
        let report = audit::examine_entries(evidence, options, |sequence, hash, event| {
            check.take(sequence, hash, &event);
        });
        (report, check)
    })?;
    sound(&report, lang)?;
    let published = check.published().clone();
    let origin = report.origin.clone().unwrap_or_default();
    if origin != printable(&published.origin) {
        let (file, books) = (printable(&published.origin), origin);
        return Err(Failure::Refused(text::disclosed_other_ledger(lang, books, file)));
    }
    let Some((_, root)) = report.asked_root else {
        let head = report.head.map_or(-1, |head| head.sequence);
        return Err(Failure::Unavailable(text::disclosed_later(lang, head, published.sequence)));
    };
    let checked = check.finish(&published.origin, Some(root));
    let verdict = verdict(&published, &checked, &report, args, lang);
    if args.json || format == Format::Json {
        render::json(out, &to_json(&published, &checked, &report, verdict.is_ok()))?;
    } else {
        write(out, path, &published, &checked, lang)?;
    }
    out.flush()?;
    verdict
}

/// What it comes to. What the log alone does not prove (names, and that only minors are left out) counts where the file as a
/// whole is on record.
fn verdict(
    published: &Published,
    checked: &Checked,
    report: &Report,
    args: &VerifyArgs,
    lang: Lang,
) -> Result<(), Failure> {
    if let Some(error) = &checked.unreadable {
        return Err(match error {
            FileError::Io(error) => Failure::Unavailable(error.to_string()),
            other @ (FileError::Encoding | FileError::Layout(_) | FileError::Lacks(_)) => {
                Failure::Refused(text::disclosed_unreadable(lang, printable(&other.to_string())))
            }
        });
    }
    if checked.difference.is_some() {
        return Err(Failure::Refused(text::disclosed_false(lang)));
    }
    if checked.recorded.is_empty() && (checked.names > 0 || published.left_out.0 > 0) {
        return Err(Failure::Refused(text::disclosed_unproven(lang)));
    }
    if report.anchored_size.is_none() && !args.allow_unanchored {
        return Err(Failure::Refused(text::verify_unanchored(lang)));
    }
    Ok(())
}

fn told(difference: &Difference, lang: Lang) -> String {
    let shown = |text: &str| printable(text);
    match difference {
        Difference::Cell { row, column, file, books } => {
            text::disclosed_cell(lang, shown(books), column, shown(file), *row)
        }
        Difference::Cells { row, cells, columns } => text::disclosed_cells(lang, *cells, *columns, *row),
        Difference::MissingRow { row, books } => text::disclosed_missing_row(lang, shown(books), *row),
        Difference::ExtraRow { row, file } => text::disclosed_extra_row(lang, shown(file), *row),
        Difference::Unmasked { row } => text::disclosed_unmasked(lang, *row),
        Difference::Provenance { name, file, books } => {
            text::disclosed_provenance(lang, shown(books), shown(file), *name)
        }
        Difference::Bytes => text::disclosed_bytes(lang),
    }
}

fn write(
    out: &mut dyn Write,
    path: &Path,
    published: &Published,
    checked: &Checked,
    lang: Lang,
) -> Result<(), Failure> {
    writeln!(out, "{}", text::disclosed_about(lang, path.display(), published.sequence, printable(&published.table)))?;
    writeln!(out, "{}", text::disclosed_compared(lang, hex(&checked.digest), checked.rows))?;
    if let Some(difference) = &checked.difference {
        writeln!(out, "{}", told(difference, lang))?;
    }
    if checked.recorded.is_empty() {
        writeln!(out, "{}", text::disclosed_no_record(lang))?;
    }
    for (disclosure_id, sequence, _) in &checked.recorded {
        writeln!(out, "{}", text::disclosed_on_record(lang, printable(disclosure_id), *sequence))?;
    }
    if checked.names > 0 || published.left_out.0 > 0 {
        writeln!(out, "{}", text::disclosed_names(lang, published.left_out.0, checked.names))?;
    }
    Ok(())
}

fn to_json(published: &Published, checked: &Checked, report: &Report, is_true: bool) -> Value {
    let difference = checked.difference.as_ref().map(|difference| match difference {
        Difference::Cell { row, column, file, books } => {
            json!({ "kind": "cell", "row": row, "column": column, "file": file, "books": books })
        }
        Difference::Cells { row, cells, columns } => {
            json!({ "kind": "cells", "row": row, "cells": cells, "columns": columns })
        }
        Difference::MissingRow { row, books } => json!({ "kind": "missing_row", "row": row, "books": books }),
        Difference::ExtraRow { row, file } => json!({ "kind": "extra_row", "row": row, "file": file }),
        Difference::Unmasked { row } => json!({ "kind": "unmasked", "row": row }),
        Difference::Provenance { name, file, books } => {
            json!({ "kind": "provenance", "name": name, "file": file, "books": books })
        }
        Difference::Bytes => json!({ "kind": "bytes" }),
    });
    let recorded = checked.recorded.iter();
    json!({
        "verdict": if is_true { "verified" } else { "refused" },
        "table": published.table,
        "sequence": published.sequence,
        "root": hex(&published.root),
        "rows": checked.rows,
        "rows_left_out": published.left_out.0,
        "names_not_proven": checked.names,
        "digest": hex(&checked.digest),
        "difference": difference,
        "recorded": recorded.map(|(id, sequence, as_of)| json!({ "disclosure_id": id, "sequence": sequence, "as_of_sequence": as_of }))
            .collect::<Vec<_>>(),
        "unreadable": checked.unreadable.as_ref().map(ToString::to_string),
        "anchored": report.anchored_size.is_some(),
        "last_sequence": report.head.map(|head| head.sequence),
    })
}
