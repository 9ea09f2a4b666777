//! What a ledger answers, whole: all entries, all views, all rows of the index, a retry, a person's name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fundledger::domain::personal::PersonalField;
use fundledger::format::record::Head;
use fundledger::grpc::convert;
use fundledger::grpc::node::Node;

use fundledger::ledger::clock::SystemClock;
use fundledger::projection::Views;
use fundledger::projection::history::Row;
use fundledger::vault::NotOpened;

use super::server::{output, payment};

/// Everything that was asked.
#[derive(Debug, PartialEq)]
pub struct Answers {
    head: Head,
    entries: Vec<Vec<u8>>,
    views: Views,
    rows: Vec<Row>,
    retry: String,
    name: String,
    missing: u64,
}

impl Answers {
    /// The first answer that is another one.
    pub fn differs_from(&self, other: &Self) -> Option<&'static str> {
        let differences = [
            ("the head", self.head != other.head),
            ("an entry", self.entries != other.entries),
            ("the views", self.views != other.views),
            ("the index", self.rows != other.rows),
            ("a retry", self.retry != other.retry),
            ("a name", self.name != other.name),
            ("personal data that are missing", self.missing != other.missing),
        ];
        differences.into_iter().find(|(_, differs)| *differs).map(|(what, _)| what)
    }
}

/// How a directory is answered for.
pub enum Told {
    Panicked,
    /// It does not open, and says why.
    Refused(String),
    /// It opens, and nothing can be posted.
    ReadOnly,
    /// It opens, and says of something that it cannot be read.
    Fault,
    Answered(Box<Answers>),
}

pub fn asked(data: &Path) -> Told {
    match catch_unwind(AssertUnwindSafe(|| ask(data))) {
        Ok(told) => told,
        Err(_) => Told::Panicked,
    }
}

fn ask(data: &Path) -> Told {
    let node = match Node::open(data, Box::new(SystemClock)) {
        Ok(node) => node,
        Err(error) => return Told::Refused(error.to_string()),
    };
    if node.ledger().read_only().is_some() {
        return Told::ReadOnly;
    }
    match answers(&node) {
        Ok(answers) => Told::Answered(Box::new(answers)),
        Err(_) => Told::Fault,
    }
}

fn answers(node: &Node) -> Result<Answers, String> {
    let head = node.ledger().committed();
    let log = node.log();
    let mut entries = Vec::new();
    for sequence in 0..=head.sequence {
        let entry = log.entry_at(sequence).map_err(|fault| fault.to_string())?;
        entries.push(entry.ok_or_else(|| format!("no entry at {sequence}"))?);
    }
    let rows = node.history().and_then(|history| history.all_rows()).map_err(|fault| fault.to_string())?;
    let command = convert::command(payment("p-7"), node.pseudonyms(), "").map_err(|_| "a retry is malformed")?;
    let retry = node.ledger().prepare(command, &mut Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcomes = runtime.block_on(node.ledger().post(vec![retry])).map_err(|error| error.to_string())?;
    let party = node.pseudonyms().payee("Supplier Ltd");
    let of_name = fundledger::domain::ids::Sequence(head.sequence);
    let name = match node.vault().read(of_name, &party, PersonalField::Name) {
        Ok(opening) => format!("{opening:?}"),
        Err(NotOpened::Fault(fault)) => return Err(fault.to_string()),
        // To say that there is no such thing is an answer.
        Err(why) => why.to_string(),
    };
    let retry = format!("{:?}", outcomes.first());
    let views = node.views().clone();
    Ok(Answers { head, entries, views, rows, retry, name, missing: node.vault().missing() })
}

/// What `verify` says of a directory, with the head it found; `Err` where it does not call it sound.
pub fn verified(data: &Path) -> Result<String, String> {
    let verify = ["verify", "--allow-unanchored", "--format", "json"];
    let ended = output(std::process::Command::new(super::server::BINARY).args(verify).arg(data)).unwrap();
    let report = String::from_utf8_lossy(&ended.stdout).into_owned();
    if !ended.status.success() {
        return Err(report);
    }
    let report: serde_json::Value = serde_json::from_str(&report).map_err(|error| error.to_string())?;
    Ok(format!("{} {}", report["last_sequence"], report["head"]))
}
