//! Ledgers to export, what is in them, and the programs that read exports.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::server::{self, Served, errors};

/// The scenarios of tests/data: pension, housing, non-tax revenue, investment under contracts, education.
pub(crate) const SCENARIOS: [&str; 5] = ["s3-pension", "s4-housing", "s5-nontax", "s6-investment", "s7-education"];

/// A stopped ledger after a scenario, with the trial balance that its server gave.
pub(crate) struct Ledger {
    served: Served,
    /// By fund, account and lot: debits less credits as a decimal, and whether the account is a person's.
    pub(crate) trial: Vec<Balance>,
    pub(crate) sequence: i64,
}

/// A row of the trial balance.
#[derive(Clone, Debug)]
pub(crate) struct Balance {
    pub(crate) fund: String,
    pub(crate) account: String,
    pub(crate) lot: String,
    pub(crate) kind: String,
    /// Minor units, debits less credits.
    pub(crate) minor: i64,
}

impl Ledger {
    pub(crate) fn after(scenario: &str) -> Self {
        Self::after_file(Path::new(&format!("tests/data/scenarios/{scenario}.jsonl")))
    }

    /// After commands, one a line.
    pub(crate) fn after_file(path: &Path) -> Self {
        let mut served = Served::new();
        let url = served.url();
        let posted = server::run(&["post", path.to_str().unwrap(), "--server", &url, "--quiet"]);
        assert!(posted.status.success(), "{}{}", errors(&posted), String::from_utf8_lossy(&posted.stdout));
        // Every line is an event; to ask as of the last one waits until the server's view has it.
        let last = fs::read_to_string(path).unwrap().lines().count().to_string();
        let asked = server::run(&["balance", "--by-lot", "--format", "json", "--as-of", &last, "--server", &url]);
        assert!(asked.status.success(), "{}", errors(&asked));
        let answer: Value = serde_json::from_slice(&asked.stdout).unwrap();
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let balance = |row: &Value| {
            let minor = row["amount_minor"].as_i64().unwrap();
            Balance {
                fund: text(row, "fund_id"),
                account: text(row, "account_id"),
                lot: text(row, "lot_id"),
                kind: text(row, "kind"),
                minor: if row["side"] == "debit" { minor } else { -minor },
            }
        };
        let trial = answer["balances"].as_array().unwrap().iter().map(balance).collect();
        let sequence = answer["position"]["sequence"].as_i64().unwrap();
        assert_eq!(sequence.to_string(), last);
        served.stop();
        Self { served, trial, sequence }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.served.data()
    }

    /// A path beside the ledger.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.served.directory.path().join(name)
    }

    /// Exports, whatever comes of it.
    pub(crate) fn try_export(&self, form: &str, name: &str, more: &[&str]) -> (PathBuf, Output) {
        let (path, data) = (self.beside(name), self.data());
        let mut arguments = vec!["export", "--as", form, "--output", path.to_str().unwrap(), data.to_str().unwrap()];
        arguments.extend(more);
        let output = server::run(&arguments);
        (path, output)
    }

    /// Exports twice, and checks that the bytes are the same and say what they rest on.
    pub(crate) fn export(&self, form: &str, more: &[&str]) -> PathBuf {
        let (first, output) = self.try_export(form, form, more);
        assert!(output.status.success(), "{form}: {}", errors(&output));
        let (second, output) = self.try_export(form, &format!("{form}-again"), more);
        assert!(output.status.success(), "{form}: {}", errors(&output));
        let (files, again) = (files(&first), files(&second));
        assert_eq!(files.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>(), "{form}");
        for (name, bytes) in &files {
            assert!(again[name] == *bytes, "{form}: {name} differs when it is made again");
            assert!(!name.contains(".new"), "{form}: {name} was left behind");
        }
        let all = files.values().flatten().copied().collect::<Vec<u8>>();
        let all = String::from_utf8_lossy(&all);
        let verified = server::run(&["verify", self.data().to_str().unwrap(), "--json", "--allow-unanchored"]);
        let report: Value = serde_json::from_slice(&verified.stdout).unwrap();
        for needed in ["test.invalid/funds", report["root"].as_str().unwrap(), &self.sequence.to_string()] {
            assert!(all.contains(needed), "{form} does not name {needed}");
        }
        first
    }
}

/// A file, or the files of a folder, by name.
pub(crate) fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    if path.is_file() {
        return BTreeMap::from([(String::new(), fs::read(path).unwrap())]);
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())).collect()
}

/// Where `.ci/exports` installs what it can.
fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/exports-tools")
}

/// A program, where it is here; says so where it is not.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(installed().join("bin")).chain(std::env::split_paths(&on_path));
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        skipped(name);
    }
    found
}

/// A file that `.ci/exports` fetched.
pub(crate) fn fetched(name: &str) -> Option<PathBuf> {
    let found = Some(installed().join(name)).filter(|path| path.exists());
    if found.is_none() {
        skipped(name);
    }
    found
}

fn skipped(what: &str) {
    writeln!(std::io::stderr(), "{what} is not here: what it would check is SKIPPED").unwrap();
}

/// Runs a script of tools/ with the Python of `.ci/exports`; `None` where that is not here.
pub(crate) fn python(script: &str, arguments: &[&Path]) -> Option<Output> {
    let python = fetched("bin/python")?;
    let mut command = Command::new(python);
    command.arg(format!("tests/exports/tools/{script}")).args(arguments);
    Some(server::output(&mut command).unwrap())
}

/// Whether a program is content; what it says where it is not.
pub(crate) fn content(output: &Output) -> Result<(), String> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &errors(output);
    if output.status.success() { Ok(()) } else { Err(said) }
}
