//! Writes a table in several forms at once, in one reading of the log, with the names of those who may be named.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::files::TableWriter;
use super::rows::{Person, Row};
use super::table::{Cell, ColumnKind, Head, TableDigest, Tail};

/// Rows about persons that wait for their names: as many as one request asks for.
const WAITING_MAX: usize = 1_000;

/// What may be published of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaskedName {
    /// The name, masked.
    Shown(String),
    /// Nothing: the row stands without a name.
    Withheld,
    /// Nothing at all: the row is left out.
    Minor,
}

/// Who knows names.
pub trait Names: Send {
    /// The names of some persons, in their order.
    fn names(&mut self, people: &[Person]) -> io::Result<Vec<MaskedName>>;
}

/// Nobody knows any: every row stands, and none has a name.
pub struct NoNames;

impl Names for NoNames {
    fn names(&mut self, people: &[Person]) -> io::Result<Vec<MaskedName>> {
        Ok(vec![MaskedName::Withheld; people.len()])
    }
}

/// Ages are known, and names are not said: rows of minors are left out, and none of the others has a name.
pub struct AgesAlone<N>(pub N);

impl<N: Names> Names for AgesAlone<N> {
    fn names(&mut self, people: &[Person]) -> io::Result<Vec<MaskedName>> {
        let unnamed = |name| match name {
            MaskedName::Minor => MaskedName::Minor,
            MaskedName::Shown(_) | MaskedName::Withheld => MaskedName::Withheld,
        };
        Ok(self.0.names(people)?.into_iter().map(unnamed).collect())
    }
}

/// Names that are asked for once: they are kept in a file until the table is finished, so that a run that was interrupted goes
/// on where it was. Rows come in the same order each time, so that the file is read from its start.
pub struct KeptNames {
    asked: Box<dyn Names>,
    kept: Option<io::Lines<BufReader<File>>>,
    file: File,
}

impl KeptNames {
    /// Keeps what `asked` answers in a file that only its owner reads.
    pub fn open(path: &Path, asked: Box<dyn Names>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let file = options.open(path)?;
        let whole = whole_lines(&file)?;
        // What was being written when it ended is asked for again.
        file.set_len(whole)?;
        Ok(Self { asked, kept: Some(BufReader::new(File::open(path)?).lines()), file })
    }

    /// The name that was kept of this person, if the next one is theirs.
    fn next(&mut self, person: &Person) -> io::Result<Option<MaskedName>> {
        let Some(lines) = &mut self.kept else { return Ok(None) };
        let line = lines.next().transpose()?;
        let name = line.as_deref().and_then(|line| kept_name(line, person.sequence));
        if name.is_none() {
            // Either it ends here, or it is of another table: nothing of it is used any more.
            self.kept = None;
            if line.is_some() {
                self.file.set_len(0)?;
            }
        }
        Ok(name)
    }
}

/// How long a file is up to the end of its last whole line.
fn whole_lines(file: &File) -> io::Result<u64> {
    let mut reader = BufReader::new(file);
    let mut whole = 0_u64;
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        if line.ends_with(b"\n") {
            whole = whole.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        }
        line.clear();
    }
    Ok(whole)
}

fn kept_name(line: &str, sequence: i64) -> Option<MaskedName> {
    let (of, said) = line.split_once(' ')?;
    if of.parse() != Ok(sequence) {
        return None;
    }
    match said.split_at_checked(1)? {
        ("s", name) => Some(MaskedName::Shown(name.to_owned())),
        ("w", "") => Some(MaskedName::Withheld),
        ("m", "") => Some(MaskedName::Minor),
        _ => None,
    }
}

impl Names for KeptNames {
    fn names(&mut self, people: &[Person]) -> io::Result<Vec<MaskedName>> {
        let mut names = Vec::with_capacity(people.len());
        while let Some(person) = people.get(names.len()) {
            let Some(name) = self.next(person)? else { break };
            names.push(name);
        }
        let rest = people.get(names.len()..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(names);
        }
        let answered = self.asked.names(rest)?;
        let mut lines = String::new();
        for (person, name) in rest.iter().zip(&answered) {
            let said = match name {
                MaskedName::Shown(name) => format!("s{name}"),
                MaskedName::Withheld => "w".to_owned(),
                MaskedName::Minor => "m".to_owned(),
            };
            lines.extend([person.sequence.to_string().as_str(), " ", said.as_str(), "\n"]);
        }
        self.file.write_all(lines.as_bytes())?;
        names.extend(answered);
        Ok(names)
    }
}

/// Writes a table.
pub struct Publishing {
    name_column: Option<usize>,
    amount_column: Option<usize>,
    names: Box<dyn Names>,
    writers: Vec<Box<dyn TableWriter>>,
    waiting: Vec<Row>,
    digest: TableDigest,
    rows: u64,
    left_out: (u64, i128),
    failed: Option<io::Error>,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Rows left out to protect minors, and what they come to, minor units.
    pub left_out: (u64, i128),
    /// The table's digest.
    pub digest: [u8; 32],
}

impl Publishing {
    /// Of a table with this head.
    pub fn new(head: &Head, names: Box<dyn Names>, writers: Vec<Box<dyn TableWriter>>) -> Self {
        let columns = &head.columns;
        Self {
            name_column: columns.iter().position(|column| column.kind == ColumnKind::MaskedName),
            amount_column: columns.iter().position(|column| column.id == "amount"),
            names,
            writers,
            waiting: Vec::new(),
            digest: TableDigest::new(head),
            rows: 0,
            left_out: (0, 0),
            failed: None,
        }
    }

    /// Takes the next row. What fails is kept until the end.
    pub fn row(&mut self, row: Row) {
        if self.failed.is_some() {
            return;
        }
        self.waiting.push(row);
        if self.waiting.len() >= WAITING_MAX {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let rows = std::mem::take(&mut self.waiting);
        let people: Vec<Person> = rows.iter().filter_map(|row| row.person).collect();
        let written = self.named(&people).and_then(|names| {
            let mut names = names.into_iter();
            rows.into_iter().try_for_each(|row| {
                let name = row.person.and_then(|_| names.next());
                self.write(&row, name)
            })
        });
        self.failed = written.err();
    }

    /// Rows of minors are left out whether or not names are wanted, so that a table without names says no more of them.
    fn named(&mut self, people: &[Person]) -> io::Result<Vec<MaskedName>> {
        if people.is_empty() {
            return Ok(Vec::new());
        }
        let names = self.names.names(people)?;
        if names.len() == people.len() {
            return Ok(names);
        }
        Err(io::Error::other(format!("{} names came for {} persons", names.len(), people.len())))
    }

    fn write(&mut self, row: &Row, name: Option<MaskedName>) -> io::Result<()> {
        let mut cells: Vec<String> = row.cells.iter().map(Cell::canonical).collect();
        match name {
            Some(MaskedName::Minor) => {
                let amount = self.amount_column.and_then(|at| row.cells.get(at));
                let minor = if let Some(Cell::Amount(minor, _)) = amount { *minor } else { 0 };
                self.left_out = (self.left_out.0.saturating_add(1), self.left_out.1.saturating_add(minor));
                return Ok(());
            }
            Some(MaskedName::Shown(name)) => {
                if let Some(cell) = self.name_column.and_then(|at| cells.get_mut(at)) {
                    *cell = name;
                }
            }
            Some(MaskedName::Withheld) | None => {}
        }
        self.rows = self.rows.saturating_add(1);
        self.digest.row(&cells);
        self.writers.iter_mut().try_for_each(|writer| writer.row(row, &cells))
    }

    /// Ends the files with what the table rests on.
    pub fn finish(mut self, origin: &str, sequence: i64, root: [u8; 32]) -> io::Result<Written> {
        if self.failed.is_none() {
            self.flush();
        }
        if let Some(error) = self.failed {
            return Err(error);
        }
        let (rows, left_out) = (self.rows, self.left_out);
        let tail = Tail { origin: origin.to_owned(), sequence, root, rows, left_out };
        let digest = self.digest.finish(&tail);
        self.writers.into_iter().try_for_each(|writer| writer.finish(&tail, &digest))?;
        Ok(Written { rows, left_out, digest })
    }
}
