//! `disclose`: tables for publication, made from the log, in files that say what they rest on and can be checked by anybody.

mod record;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use clap::{Args, ValueEnum};
use prost::bytes::Bytes;
use serde_json::json;

use super::connect::{self, Connection};
use super::gather::{Basis, follow};
use super::posting;
use super::render::{self, hex};
use super::tabulate::check_fund;
use super::tiles::TileTree;
use super::verify::read_text;
use super::{Failure, Format, Globals, Lang, is_url};
use crate::log::files::create_directory;
use crate::messages::Language;
use crate::messages::cli as text;
use crate::pb::Date;
use crate::pb::v1::{ListMaskedNamesRequest, MaskedNameOf, MaskedNameState};
use crate::reporting::disclosure::{Disclosure, Order, Table};
use crate::reporting::files::TableWriter;
use crate::reporting::files::csv::CsvWriter;
use crate::reporting::files::json::JsonWriter;
use crate::reporting::files::xlsx::XlsxWriter;
use crate::reporting::publish::{AgesAlone, KeptNames, MaskedName, Names, NoNames, Publishing, Written};
use crate::reporting::rows::Person;
use crate::reporting::table::{ColumnKind, Head};

/// Longest template.
const TEMPLATE_BYTES_MAX: usize = 1 << 16;
/// Suffix of files that are not finished.
const UNFINISHED: &str = ".part";

/// Arguments of `disclose`.
#[derive(Args, Clone, Debug)]
pub struct DiscloseArgs {
    /// Directory of a ledger or of static tiles, bundle file, or address of a running server; --server if not given. Names
    /// come from a running server only.
    #[arg(value_name = "DIR|BUNDLE|URL")]
    pub source: Option<String>,
    /// Which table.
    #[arg(long, value_enum, required_unless_present = "template")]
    pub table: Option<TableName>,
    /// Of which month; every table but flow needs one.
    #[arg(long, value_name = "YYYY-MM")]
    pub month: Option<String>,
    /// Only of this fund; may be given several times. Flow is of exactly one; recipients are of relief funds if none is given.
    #[arg(long, value_name = "FUND")]
    pub fund: Vec<String>,
    /// Only of funds of this administrative division; may be given several times.
    #[arg(long, value_name = "CODE")]
    pub region: Vec<String>,
    /// Only this column; may be given several times, in the order wanted.
    #[arg(long, value_name = "COLUMN")]
    pub column: Vec<String>,
    /// All of that from a TOML file: table, month, funds, regions, columns.
    #[arg(long, value_name = "FILE.toml", conflicts_with_all = ["table", "month", "fund", "region", "column"])]
    pub template: Option<PathBuf>,
    /// Directory that the files are written to.
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
    /// Only this form of file; may be given several times. All if not given.
    #[arg(long, value_enum)]
    pub form: Vec<FileForm>,
    /// Only files in this language; may be given several times. Both if not given.
    #[arg(long, value_enum)]
    pub language: Vec<Lang>,
    /// As of this sequence; all there is if not given.
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(i64).range(0..))]
    pub as_of: Option<i64>,
    /// Leave names out, also where the server has them; rows of minors are left out all the same.
    #[arg(long)]
    pub without_names: bool,
    /// Put on record, under this id, that the table was published.
    #[arg(long, value_name = "ID", requires = "maker")]
    pub record: Option<String>,
    /// Who publishes.
    #[arg(long, value_name = "NAME", requires = "record")]
    pub maker: Option<String>,
    /// Business date of the record; the last one in the log if not given.
    #[arg(long, value_name = "DATE", value_parser = render::parse_date, requires = "record")]
    pub on: Option<Date>,
    /// Go on trying this long when the server is busy or away, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub retry_for: u64,
}

/// A table that can be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableName {
    /// Budget execution of a month, by fund.
    Execution,
    /// Special funds by administrative division and project.
    Special,
    /// Who got relief, by masked names, without minors.
    Recipients,
    /// The whole flow of a fund, lot by lot.
    Flow,
}

impl TableName {
    const fn table(self) -> Table {
        match self {
            Self::Execution => Table::Execution,
            Self::Special => Table::Special,
            Self::Recipients => Table::Recipients,
            Self::Flow => Table::Flow,
        }
    }
}

/// A form of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileForm {
    /// Comma-separated values, as spreadsheets open them.
    Csv,
    /// A workbook.
    Xlsx,
    /// JSON.
    Json,
}

/// Runs `disclose`.
pub fn run(globals: &Globals, args: &DiscloseArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let format = globals.format(&[Format::Table, Format::Json])?;
    let disclosure = order(args)?.check().map_err(|error| Failure::Usage(error.to_string()))?;
    let lang = globals.lang;
    let source = args.source.clone().unwrap_or_else(|| globals.server().to_owned());
    if args.record.is_some() && !is_url(&source) {
        return Err(Failure::Usage(text::disclose_record_needs_server(lang)));
    }
    create_directory(&args.output).map_err(|error| Failure::about(args.output.display(), error))?;
    let files = Files::create(args, &disclosure);
    let tells_ages = is_url(&source) && !(args.without_names && TileTree::fetch(&source).is_some());
    if !tells_ages && disclosure.table() == Table::Recipients {
        // Whoever wants no remarks wants this one.
        writeln!(io::stderr().lock(), "{}", text::disclose_with_minors(lang))?;
    }
    let names: Box<dyn Names> = if tells_ages && has_names(disclosure.head()) {
        let served = ServedNames::start(globals, &source, Duration::from_secs(args.retry_for));
        let failed = |error: io::Error| Failure::about(files.names.display(), error);
        let kept = KeptNames::open(&files.names, Box::new(served)).map_err(failed)?;
        if args.without_names { Box::new(AgesAlone(kept)) } else { Box::new(kept) }
    } else {
        Box::new(NoNames)
    };
    // What is on record already is made as of its record.
    let known = match &args.record {
        Some(disclosure_id) => record::find(globals, &source, disclosure_id)?,
        None => None,
    };
    let as_of = args.as_of.or(known.map(|known| known.as_of));
    let made = make(globals, &source, as_of, &disclosure, &files, names);
    let made = made.and_then(|made| files.check(lang).map(|()| made)).inspect_err(|_| files.discard())?;
    let paths: Vec<&Path> = files.forms.iter().map(|(.., path)| path.as_path()).collect();
    // First the record, then the files: nothing leaves the house that is not on record, where it was to be.
    let recorded = match &args.record {
        None => None,
        Some(disclosure_id) => {
            let on = args.on.or(known.map(|known| known.on));
            let recorded = record::put(globals, args, &source, (disclosure_id, on), &made);
            Some(recorded.inspect_err(|_| files.discard())?)
        }
    };
    files.finish()?;
    if made.written.rows == 0 {
        writeln!(io::stderr().lock(), "{}", text::disclose_empty(lang))?;
    }
    match format {
        Format::Json => {
            let (rows_left_out, amount_left_out) = made.written.left_out;
            let answer = json!({
                "table": disclosure.head().table,
                "origin": made.origin,
                "sequence": made.sequence,
                "root": hex(&made.root),
                "rows": made.written.rows,
                "rows_left_out": rows_left_out,
                "amount_left_out_minor": amount_left_out.to_string(),
                "digest": hex(&made.written.digest),
                "files": paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
                "recorded_sequence": recorded,
            });
            render::json(out, &answer)
        }
        Format::Table | Format::Csv | Format::Xlsx | Format::Tree | Format::Dot => {
            for path in &paths {
                writeln!(out, "{}", path.display())?;
            }
            let (digest, root) = (hex(&made.written.digest), hex(&made.root));
            writeln!(out, "{}", text::disclose_made(lang, digest, root, made.written.rows, made.sequence))?;
            if made.written.left_out.0 > 0 {
                writeln!(out, "{}", text::disclose_left_out(lang, made.written.left_out.0))?;
            }
            match recorded {
                Some(sequence) => writeln!(out, "{}", text::disclose_recorded(lang, sequence))?,
                None => writeln!(out, "{}", text::disclose_not_recorded(lang))?,
            }
            Ok(())
        }
    }
}

fn order(args: &DiscloseArgs) -> Result<Order, Failure> {
    if let Some(path) = &args.template {
        let template = read_text(path, TEMPLATE_BYTES_MAX)?;
        return Order::from_template(&template).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())));
    }
    Ok(Order {
        table: args.table.map(|table| table.table().name().to_owned()).unwrap_or_default(),
        month: args.month.clone().unwrap_or_default(),
        funds: args.fund.clone(),
        regions: args.region.clone(),
        columns: args.column.clone(),
    })
}

fn has_names(head: &Head) -> bool {
    // Also where no column is for names: rows of minors are left out.
    head.table == Table::Recipients.name() || head.columns.iter().any(|column| column.kind == ColumnKind::MaskedName)
}

/// What was made.
struct Made {
    /// What kind of publication it is, as it is put on record.
    scope: String,
    origin: String,
    sequence: i64,
    root: [u8; 32],
    written: Written,
    last_day: i32,
}

/// Reads the log once, and writes the table as it comes.
fn make(
    globals: &Globals,
    source: &str,
    as_of: Option<i64>,
    disclosure: &Disclosure,
    files: &Files,
    names: Box<dyn Names>,
) -> Result<Made, Failure> {
    let writers = files.writers(disclosure.head())?;
    let mut publishing = Publishing::new(disclosure.head(), names, writers);
    let mut making = disclosure.begin(as_of);
    let mut last_day = 0;
    let basis = follow(globals, source, as_of, |sequence, entry_hash, event| {
        last_day = last_day.max(event.business_day);
        making.take(sequence, entry_hash, event, &mut |row| publishing.row(row));
    })?;
    let register = making.close(&mut |row| publishing.row(row));
    for fund in disclosure.funds() {
        check_fund(globals.lang, Some(fund), &register)?;
    }
    let Basis { origin, sequence, root } = basis;
    let written = publishing.finish(&origin, sequence, root);
    let written = written.map_err(|error| Failure::Unavailable(error.to_string()))?;
    let scope = disclosure.table().name().to_uppercase();
    Ok(Made { scope, origin, sequence, root, written, last_day })
}

/// The files of a table while they are written, beside their final names.
struct Files {
    forms: Vec<(FileForm, Language, PathBuf)>,
    /// Where names are kept until then.
    names: PathBuf,
}

impl Files {
    fn create(args: &DiscloseArgs, disclosure: &Disclosure) -> Self {
        let all = [FileForm::Csv, FileForm::Xlsx, FileForm::Json];
        let wanted: Vec<FileForm> =
            all.into_iter().filter(|form| args.form.is_empty() || args.form.contains(form)).collect();
        let languages: Vec<Lang> = [Lang::Zh, Lang::En]
            .into_iter()
            .filter(|lang| args.language.is_empty() || args.language.contains(lang))
            .collect();
        let stem = disclosure.file_stem();
        let mut forms = Vec::new();
        for form in wanted {
            let suffix = match form {
                FileForm::Csv => "csv",
                FileForm::Xlsx => "xlsx",
                FileForm::Json => {
                    forms.push((form, Language::English, args.output.join(format!("{stem}.json"))));
                    continue;
                }
            };
            for lang in &languages {
                let name = format!("{stem}.{}.{suffix}", lang.tag());
                forms.push((form, Language::from(*lang), args.output.join(name)));
            }
        }
        Self { forms, names: args.output.join(format!("{stem}.names{UNFINISHED}")) }
    }

    fn writers(&self, head: &Head) -> Result<Vec<Box<dyn TableWriter>>, Failure> {
        let mut writers: Vec<Box<dyn TableWriter>> = Vec::new();
        for (form, language, path) in &self.forms {
            let unfinished = unfinished(path);
            let failed = |error: io::Error| Failure::about(unfinished.display(), error);
            let file = BufWriter::with_capacity(1 << 16, File::create(&unfinished).map_err(failed)?);
            writers.push(match form {
                FileForm::Csv => Box::new(CsvWriter::new(head, *language, file).map_err(failed)?),
                FileForm::Xlsx => Box::new(XlsxWriter::new(head, *language, file).map_err(failed)?),
                FileForm::Json => Box::new(JsonWriter::new(head, file).map_err(failed)?),
            });
        }
        Ok(writers)
    }

    /// Puts the files in their places. One that was published before is replaced by the same bytes only.
    fn check(&self, lang: Lang) -> Result<(), Failure> {
        let about = |path: &Path, error: io::Error| Failure::about(path.display(), error);
        for (.., path) in &self.forms {
            if path.exists() && !same(path, &unfinished(path)).map_err(|error| about(path, error))? {
                return Err(Failure::Refused(text::disclose_differs(lang, path.display())));
            }
        }
        Ok(())
    }

    /// Gives the files their names.
    fn finish(&self) -> Result<(), Failure> {
        let about = |path: &Path, error: io::Error| Failure::about(path.display(), error);
        for (.., path) in &self.forms {
            let unfinished = unfinished(path);
            let placed =
                File::open(&unfinished).and_then(|file| file.sync_all()).and_then(|()| fs::rename(&unfinished, path));
            placed.map_err(|error| about(path, error))?;
        }
        match fs::remove_file(&self.names) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(about(&self.names, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Takes away what was not finished, so that nobody takes it for published. Names stay, for the next run.
    fn discard(&self) {
        for (.., path) in &self.forms {
            // What cannot be taken away is told by its name.
            fs::remove_file(unfinished(path)).ok();
        }
    }
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    PathBuf::from(name)
}

/// Whether two files have the same bytes.
fn same(one: &Path, other: &Path) -> io::Result<bool> {
    use std::io::Read;
    if fs::metadata(one)?.len() != fs::metadata(other)?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (io::BufReader::new(File::open(one)?), io::BufReader::new(File::open(other)?));
    let (mut left, mut right) = ([0; 1 << 14], [0; 1 << 14]);
    loop {
        let length = one.read(&mut left)?;
        if length == 0 {
            return Ok(true);
        }
        let Some(right) = right.get_mut(..length) else { return Ok(false) };
        other.read_exact(right)?;
        if left.get(..length) != Some(&*right) {
            return Ok(false);
        }
    }
}

/// Names from a running server, asked for on a thread of its own.
struct ServedNames {
    people: SyncSender<Vec<Person>>,
    names: Receiver<Result<Vec<MaskedName>, Failure>>,
}

impl ServedNames {
    fn start(globals: &Globals, url: &str, patience: Duration) -> Self {
        let mut globals = globals.clone();
        globals.server = Some(url.to_owned());
        let (people, asked) = sync_channel::<Vec<Person>>(1);
        let (answer, names) = sync_channel(1);
        std::thread::spawn(move || {
            let connected = connect::with(&globals, async |connection| {
                while let Ok(people) = asked.recv() {
                    let names = ask(connection, &people, patience).await;
                    if answer.send(names).is_err() {
                        break;
                    }
                }
                Ok(())
            });
            if let Err(failure) = connected {
                // Nobody listens any more only where the reading has ended.
                drop(answer.send(Err(failure)));
            }
        });
        Self { people, names }
    }
}

impl Names for ServedNames {
    fn names(&mut self, people: &[Person]) -> io::Result<Vec<MaskedName>> {
        let gone = |why: &dyn std::fmt::Display| io::Error::other(why.to_string());
        // Where the thread has ended it has left its reason.
        drop(self.people.send(people.to_vec()));
        match self.names.recv() {
            Ok(Ok(names)) => Ok(names),
            Ok(Err(failure)) => Err(gone(&failure)),
            Err(error) => Err(gone(&error)),
        }
    }
}

async fn ask(connection: &Connection, people: &[Person], patience: Duration) -> Result<Vec<MaskedName>, Failure> {
    let of = |person: &Person| MaskedNameOf {
        sequence: person.sequence,
        person_pseudonym: Bytes::copy_from_slice(&person.party),
    };
    let answer = posting::patiently(patience, async || {
        let request = ListMaskedNamesRequest { people: people.iter().map(of).collect() };
        let answer = connection.personal_data().list_masked_names(connection.request(request)).await;
        answer.map_err(|status| connection.explain(&status))
    })
    .await;
    let names = answer.map_err(|explanation| explanation.failure())?.into_inner().names;
    Ok(names
        .into_iter()
        .map(|name| match name.state() {
            MaskedNameState::Shown => MaskedName::Shown(name.name),
            MaskedNameState::Minor => MaskedName::Minor,
            MaskedNameState::Withheld | MaskedNameState::Unspecified => MaskedName::Withheld,
        })
        .collect())
}
