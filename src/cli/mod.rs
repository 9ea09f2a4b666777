//! The command line: one file per command. Results go to standard output, progress and errors to standard error.
//!
//! Exit codes are a contract: 0 done, 1 refused or broken, 2 usage, 3 unreadable, incomplete or unreachable.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, FromArgMatches, Parser, Subcommand, ValueEnum};
use thiserror::Error;

use crate::audit::printable::printable_lines;
use crate::messages::Language;
use crate::messages::cli as text;

pub mod backup;
pub mod balance;
pub mod bench;
mod beside;
pub mod chart;
mod check;
pub mod checkpoint;
pub mod clocks;
pub mod complaints;
pub mod completions;
pub mod config;
pub mod connect;
pub mod contracts;
pub mod demo;
pub mod disclose;
mod disclosed;
pub mod events;
pub mod evidence;
pub mod export;
mod gather;
mod help;
pub mod import;
pub mod init;
pub mod interchange;
pub mod keys;
mod logs;
mod otlp;
mod pager;
pub mod performance;
pub mod personal_data;
pub mod post;
mod posting;
pub mod proof;
pub mod proposals;
pub mod receipt;
pub mod reconcile;
pub mod render;
pub mod report;
pub mod restore;
pub mod rules;
pub mod sample;
pub mod serve;
pub mod settings;
mod signals;
pub mod statement;
pub mod supervision;
mod tabulate;
pub mod tenders;
mod terminal;
mod tile_writer;
pub mod tiles;
pub mod trace;
mod verdict;
pub mod verify;
pub mod witness;

/// A public-money ledger: typed commands over gRPC, one hash-chained event each, every minor unit traceable.
#[derive(Debug, Parser)]
#[command(name = "fundledger", version, about, max_term_width = 120)]
pub struct Cli {
    /// Options that hold for every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a ledger in a new or empty directory.
    Init(init::InitArgs),
    /// Run the service.
    Serve(serve::ServeArgs),
    /// Post a file of real payments or budgets, resumable, with a report of every refused row.
    Import(import::ImportArgs),
    /// Post a file of commands, one a line, in protobuf's JSON.
    Post(post::PostArgs),
    /// Show the balance of an account, or the trial balance.
    Balance(balance::BalanceArgs),
    /// Show an account's entries with opening, running and closing balance.
    Statement(statement::StatementArgs),
    /// Verify a ledger independently: a ledger's directory, static tiles, a bundle, or a running server.
    Verify(verify::VerifyArgs),
    /// Print the latest signed checkpoint, to be kept outside.
    Checkpoint(checkpoint::CheckpointArgs),
    /// Fetch the proof that an entry is in the signed log, or check one that was kept.
    Proof(proof::ProofArgs),
    /// Say what a receipt code proves, offline and without anybody's name, or print the code of an entry.
    Receipt(receipt::ReceiptArgs),
    /// Run a witness: it signs that a log only grows, for an audit office or a people's congress.
    Witness(witness::WitnessArgs),
    /// Add what has come to a backup of a ledger, running or stopped, and verify it there.
    Backup(backup::BackupArgs),
    /// Make tables for publication from the log: execution, special funds, recipients of relief, the flow of a fund.
    Disclose(disclose::DiscloseArgs),
    /// Write a ledger's log to a file that can be verified anywhere, or what it says in forms that other programs read.
    Export(export::ExportArgs),
    /// Build a ledger's lost log again, from static tiles or from the copy beside it, and verify it.
    Restore(restore::RestoreArgs),
    /// A guided tour on a temporary ledger with real data: post, balance, trace, verify, tamper, verify.
    Demo(demo::DemoArgs),
    /// Load a running or a temporary ledger over real gRPC, and print how fast it was.
    Bench(bench::BenchArgs),
    /// Show statutory clocks: those that run, are overdue, were met, or were met late.
    Clocks(clocks::ClocksArgs),
    /// List funds, with the marks of directly-allocated money.
    Funds(supervision::FundsArgs),
    /// List auditors' findings, and how far each has got.
    Findings(supervision::FindingsArgs),
    /// List tenders: what was tendered, awarded, and contracted under them.
    Tenders(tenders::TendersArgs),
    /// List contracts: what was registered, committed, paid and came back.
    Contracts(contracts::ContractsArgs),
    /// List projects: estimates, final accounts, and what was paid.
    Projects(contracts::ProjectsArgs),
    /// List goals of performance, what was done towards them, scores, and the money beside them.
    Performance(performance::PerformanceArgs),
    /// List complaints, and how far each has got; never who complains.
    Complaints(complaints::ComplaintsArgs),
    /// Open and list personal data: what the vault holds, and the log only commits to.
    PersonalData(personal_data::PersonalDataArgs),
    /// List events by what they are about.
    Events(events::EventsArgs),
    /// Run or list auditors' rules: red flags with evidence, never a verdict.
    Rules(rules::RulesArgs),
    /// Make an auditor's table from a log: execution, idle funds, overdue clocks, findings, responsibility, comparison.
    Report(report::ReportArgs),
    /// Draw a sample whose items are chosen by their amounts, and that anybody can draw again.
    Sample(Box<sample::SampleArgs>),
    /// Draw a chart of a log as SVG: where a lot's money went, or a fund's execution by month.
    Chart(chart::ChartArgs),
    /// Hold a bank statement against the books, report what differs, and record the comparison.
    Reconcile(reconcile::ReconcileArgs),
    /// Put commands before their checkers.
    Propose(proposals::ProposeArgs),
    /// List proposals that wait for approval.
    Pending(proposals::PendingArgs),
    /// Look at a proposal and approve it with your key.
    Approve(proposals::ApproveArgs),
    /// Withdraw a proposal of yours.
    Withdraw(proposals::WithdrawArgs),
    /// Make key pairs for persons who sign.
    Keys(keys::KeysArgs),
    /// Follow money forwards from a lot, or backwards from a payment or a payee.
    Trace(trace::TraceArgs),
    /// Check or show the settings of the service.
    Config(config::ConfigArgs),
    /// Write a completion script for a shell.
    Completions(completions::CompletionsArgs),
    /// Write manual pages.
    Man(completions::ManArgs),
}

impl Command {
    fn run(&self, globals: &Globals, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Init(args) => init::run(globals, args, out),
            Self::Serve(args) => serve::run(globals, args, out),
            Self::Import(args) => import::run(globals, args, out),
            Self::Balance(args) => balance::run(globals, args, out),
            Self::Statement(args) => statement::run(globals, args, out),
            Self::Verify(args) => verify::run(globals, args, out),
            Self::Checkpoint(args) => checkpoint::run(globals, args, out),
            Self::Proof(args) => proof::run(globals, args, out),
            Self::Receipt(args) => receipt::run(globals, args, out),
            Self::Witness(args) => witness::run(globals, args, out),
            Self::Backup(args) => backup::run(globals, args, out),
            Self::Disclose(args) => disclose::run(globals, args, out),
            Self::Export(args) => export::run(globals, args, out),
            Self::Restore(args) => restore::run(globals, args, out),
            Self::Demo(args) => demo::run(globals, args, out),
            Self::Bench(args) => bench::run(globals, args, out),
            Self::Clocks(args) => clocks::run(globals, args, out),
            Self::Funds(args) => supervision::funds(globals, args, out),
            Self::Findings(args) => supervision::findings(globals, args, out),
            Self::Tenders(args) => tenders::run(globals, args, out),
            Self::Contracts(args) => contracts::contracts(globals, args, out),
            Self::Projects(args) => contracts::projects(globals, args, out),
            Self::Performance(args) => performance::run(globals, args, out),
            Self::Complaints(args) => complaints::run(globals, args, out),
            Self::PersonalData(args) => personal_data::run(globals, args, out),
            Self::Events(args) => events::run(globals, args, out),
            Self::Rules(args) => rules::run(globals, args, out),
            Self::Report(args) => report::run(globals, args, out),
            Self::Sample(args) => sample::run(globals, args, out),
            Self::Chart(args) => chart::run(globals, args, out),
            Self::Reconcile(args) => reconcile::run(globals, args, out),
            Self::Propose(args) => proposals::propose(globals, args, out),
            Self::Pending(args) => proposals::pending(globals, args, out),
            Self::Approve(args) => proposals::approve(globals, args, out),
            Self::Withdraw(args) => proposals::withdraw(globals, args, out),
            Self::Keys(args) => keys::run(globals, args, out),
            Self::Trace(args) => trace::run(globals, args, out),
            Self::Post(args) => post::run(globals, args, out),
            Self::Config(args) => config::run(globals, args, out),
            Self::Completions(args) => completions::run(globals, args, out),
            Self::Man(args) => completions::man(globals, args, out),
        }
    }
}

/// Options that hold for every command.
#[derive(Args, Clone, Debug)]
pub struct Globals {
    /// Address of the running ledger [default: `http://127.0.0.1:7070`].
    #[arg(long, global = true, value_name = "URL", env = "FUNDLEDGER_SERVER")]
    pub server: Option<String>,
    /// Certificates, for an address that begins with https://.
    #[command(flatten)]
    pub tls: ClientTls,
    /// Form of the result; each command says which forms it has.
    #[arg(long, global = true, value_enum)]
    pub format: Option<Format>,
    /// Language of labels and messages.
    #[arg(long, global = true, value_enum, default_value = "en")]
    pub lang: Lang,
    /// No progress bars, no remarks: only the result.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// Mutual TLS of a client.
#[derive(Args, Clone, Debug, Default)]
pub struct ClientTls {
    /// Who signed the ledger's certificate, for an https:// address; PEM.
    #[arg(long, global = true, value_name = "FILE.pem", env = "FUNDLEDGER_TLS_CA")]
    pub tls_ca: Option<PathBuf>,
    /// Your own certificate, with those between it and what the ledger trusts; PEM.
    #[arg(long, global = true, value_name = "FILE.pem", env = "FUNDLEDGER_TLS_CERTIFICATE")]
    pub tls_certificate: Option<PathBuf>,
    /// Its private key; PEM.
    #[arg(long, global = true, value_name = "FILE.pem", env = "FUNDLEDGER_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
}

/// Whether a source is behind an address, and no file.
fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// Where a ledger is looked for unless something else is said.
const SERVER_DEFAULT: &str = "http://127.0.0.1:7070";

impl Globals {
    /// Address of the running ledger.
    pub fn server(&self) -> &str {
        self.server.as_deref().unwrap_or(SERVER_DEFAULT)
    }

    /// The form asked for, if the command has it; the first of `offered` when none was asked for.
    pub fn format(&self, offered: &[Format]) -> Result<Format, Failure> {
        match (self.format, offered.first()) {
            (Some(asked), _) if offered.contains(&asked) => Ok(asked),
            (None, Some(first)) => Ok(*first),
            (asked, _) => {
                let names: Vec<&str> = offered.iter().map(|format| format.name()).collect();
                let asked = asked.map_or("?", Format::name);
                Err(Failure::Usage(text::format_not_offered(self.lang, asked, names.join(", "))))
            }
        }
    }

    /// Whether progress and remarks belong on standard error.
    pub fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}

/// Form of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// An aligned table, for people.
    Table,
    /// JSON, for programs.
    Json,
    /// Comma-separated values, for spreadsheets.
    Csv,
    /// An indented tree (`trace`).
    Tree,
    /// Graphviz (`trace`).
    Dot,
    /// A workbook (`report`, `sample`, `chart`).
    Xlsx,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Tree => "tree",
            Self::Dot => "dot",
            Self::Xlsx => "xlsx",
        }
    }
}

/// Language of labels and messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// 中文.
    Zh,
}

impl Lang {
    /// The language tag, as sent to the server.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::En => Self::English,
            Lang::Zh => Self::Chinese,
        }
    }
}

/// Why a command did not do what was asked. The kind decides the exit code.
#[derive(Debug, Error)]
pub enum Failure {
    /// The ledger said no, or what was checked is broken: exit 1.
    #[error("{0}")]
    Refused(String),
    /// The command line or a file that belongs to it (a mapping) is wrong: exit 2.
    #[error("{0}")]
    Usage(String),
    /// Something could not be read, finished or reached: exit 3.
    #[error("{0}")]
    Unavailable(String),
    /// The result could not be written: exit 3.
    #[error("{0}")]
    OutputFailed(String),
    /// Whoever reads standard output has gone: exit 3, in silence. Not 0: a verdict nobody read was not given.
    #[error("standard output was closed")]
    OutputClosed,
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::Unavailable(_) | Self::OutputFailed(_) | Self::OutputClosed => 3,
        }
    }

    /// Something that could not be read, finished or reached, and why; names and causes need no translation.
    pub fn about(what: impl Display, why: impl Display) -> Self {
        Self::Unavailable(format!("{what}: {why}"))
    }

    /// What to tell people, in their language.
    fn told(&self, lang: Lang) -> String {
        match self {
            Self::OutputFailed(cause) => text::output_failed(lang, cause),
            Self::OutputClosed => text::output_closed(lang),
            Self::Refused(_) | Self::Usage(_) | Self::Unavailable(_) => self.to_string(),
        }
    }
}

/// Errors of writing the result. Files a command reads are reported by name, where they are read.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::OutputClosed;
        }
        Self::OutputFailed(error.to_string())
    }
}

/// Parses the arguments, runs the command and gives the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let mut definition = help::command(help::asked_for(&args));
    let parsed = definition.try_get_matches_from_mut(args).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers (0); clap prints them to standard output, errors to standard error.
            let code = if error.use_stderr() { 2 } else { 0 };
            return match error.print() {
                Ok(()) => ExitCode::from(code),
                Err(_) => ExitCode::from(Failure::OutputClosed.code()),
            };
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let done = match &cli.command {
        Some(command) => command.run(&cli.globals, &mut out),
        None => write!(out, "{}", definition.render_help()).map_err(Failure::from),
    };
    // What a command wrote before it failed is part of its answer.
    let flushed = out.flush().map_err(Failure::from);
    match done.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::OutputClosed) {
                // Nothing is left to do if standard error is gone as well.
                let _ =
                    writeln!(io::stderr().lock(), "fundledger: {}", printable_lines(&failure.told(cli.globals.lang)));
            }
            ExitCode::from(failure.code())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn formats_are_checked_per_command() {
        let globals = |format| Globals { server: None, tls: ClientTls::default(), format, lang: Lang::En, quiet: true };
        let offered = [Format::Table, Format::Json];
        assert_eq!(globals(None).format(&offered).unwrap(), Format::Table);
        assert_eq!(globals(Some(Format::Json)).format(&offered).unwrap(), Format::Json);
        assert_eq!(globals(Some(Format::Dot)).format(&offered).unwrap_err().code(), 2);
    }

    #[test]
    fn exit_codes() {
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::from(broken).code(), 3);
        assert_eq!(Failure::Refused(String::new()).code(), 1);
        assert_eq!(Failure::Usage(String::new()).code(), 2);
        assert_eq!(Failure::Unavailable(String::new()).code(), 3);
    }
}
