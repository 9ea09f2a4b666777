//! `demo`: a guided tour on a temporary ledger, with real payments: post, balance, trace, refuse, verify, tamper, verify.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::balance::BalanceArgs;
use super::connect::{self, Explanation};
use super::import::Prepared;
use super::serve::serve_until_stopped;
use super::trace::TraceArgs;
use super::verify::VerifyArgs;
use super::{Failure, Format, Globals, Lang, balance, trace, verify};
use crate::domain::event::Payload;
use crate::format::block::{Block, StoredValue};
use crate::format::codec;
use crate::format::record::split_entry;
use crate::grpc::node::Node;
use crate::grpc::server;
use crate::ledger::Genesis;
use crate::ledger::clock::SystemClock;
use crate::ledger::directory::{DataDirectory, log_path};
use crate::log::sled::{SledLog, forge};
use crate::log::{Fault, Log, blocks_between};
use crate::messages::cli as text;
use crate::pb::Date;
use crate::pb::v1;
use crate::pb::v1::command::Payload as Wire;

const MAPPING: &str = include_str!("../../deploy/mappings/gstt-payments.toml");
const EXCERPT: &[u8] = include_bytes!("../../tests/data/payments-excerpt.csv");
const EXCERPT_NAME: &str = "tests/data/payments-excerpt.csv";
/// A small lot of the excerpt.
const LOT: &str = "2020-04.84400";
const UNIT_ACCOUNT: &str = "GSTT.UNIT.590499";

/// Arguments of `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Lot to trace.
    #[arg(long, value_name = "ID", default_value = LOT)]
    pub lot: String,
}

/// Runs the tour. It succeeds only if the tampering is found.
pub fn run(globals: &Globals, args: &DemoArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let mut tour = Tour::start(globals, out)?;
    let summary = tour.post()?;
    tour.read(&args.lot)?;
    tour.refuse()?;
    tour.verify_running()?;
    tour.stop()?;
    tour.verify_stopped()?;
    tour.tamper(summary)?;
    tour.find_it()
}

/// A server that stops when its sender is dropped.
type Running = (oneshot::Sender<()>, JoinHandle<Result<(), Failure>>);

struct Tour<'a> {
    globals: Globals,
    out: &'a mut dyn Write,
    runtime: Runtime,
    directory: tempfile::TempDir,
    server: Option<Running>,
    step: u32,
}

impl<'a> Tour<'a> {
    fn start(globals: &Globals, out: &'a mut dyn Write) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::about("fundledger-demo", error);
        let runtime = Runtime::new().map_err(failed)?;
        let directory = tempfile::Builder::new().prefix("fundledger-demo-").tempdir().map_err(failed)?;
        let data = directory.path().join("ledger");
        drop(DataDirectory::create(&data, Genesis::of_development("demo.invalid/funds"), &SystemClock)?);
        let node = Node::open(&data, Box::new(SystemClock))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let lang = globals.lang;
        let (url, served) = runtime.block_on(async {
            let (listener, bound) = server::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
            let stop = async { drop(stopped.await) };
            Ok::<_, Failure>((
                format!("http://{bound}"),
                tokio::spawn(serve_until_stopped(node, listener.into(), stop, lang)),
            ))
        })?;
        let mut globals = globals.clone();
        globals.server = Some(url.clone());
        // Each step chooses its own form.
        globals.format = None;
        let mut tour = Self { globals, out, runtime, directory, server: Some((stop, served)), step: 0 };
        tour.say(text::demo_created)?;
        writeln!(tour.out, "{url}")?;
        Ok(tour)
    }

    fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("ledger")
    }

    fn say(&mut self, heading: fn(Lang) -> String) -> Result<(), Failure> {
        self.step = self.step.saturating_add(1);
        writeln!(self.out, "\n── {}. {}", self.step, heading(self.globals.lang))?;
        self.out.flush()?;
        Ok(())
    }

    fn post(&mut self) -> Result<i64, Failure> {
        self.say(text::demo_post)?;
        let prepared = Prepared::new("gstt-payments.toml", MAPPING, EXCERPT_NAME, EXCERPT.to_vec())?;
        let patience = Duration::from_secs(10);
        let progress = ProgressBar::hidden();
        let (summary, done) =
            connect::with(&self.globals, async |connection| Ok(prepared.post(connection, patience, &progress).await))?;
        done?;
        summary.write(self.out, Format::Table, self.globals.lang)?;
        let sequence = summary.to_json().get("last_sequence").and_then(serde_json::Value::as_i64);
        Ok(sequence.unwrap_or_default())
    }

    fn read(&mut self, lot: &str) -> Result<(), Failure> {
        self.say(text::demo_balance)?;
        let args = BalanceArgs {
            account: Some("GSTT.TREASURY".to_owned()),
            lot: None,
            fund: None,
            by_lot: false,
            as_of: None,
            on: None,
        };
        balance::run(&self.globals, &args, self.out)?;
        self.say(text::demo_forwards)?;
        let lot = TraceArgs { lot: Some(lot.to_owned()), payment: None, payee: None, as_of: None, depth: None };
        trace::run(&self.globals, &lot, self.out)?;
        self.say(text::demo_backwards)?;
        let payee = "KING'S COLLEGE HOSPITAL NHS FOUNDATION TRUST".to_owned();
        let payee = TraceArgs { lot: None, payment: None, payee: Some(payee), as_of: None, depth: None };
        trace::run(&self.globals, &payee, self.out)
    }

    /// A payment that the lot does not cover: refused, and on record.
    fn refuse(&mut self) -> Result<(), Failure> {
        self.say(text::demo_refusal)?;
        let command = v1::Command {
            request_id: "demo-attempt-1".to_owned(),
            business_date: Some(Date { year: 2020, month: 4, day: 30 }),
            actor: "maker".to_owned(),
            checkers: vec!["checker".to_owned()],
            preconditions: Vec::new(),
            personal_data: Vec::new(),
            personal_commitments: Vec::new(),
            payload: Some(Wire::ExecutePayment(Box::new(v1::ExecutePayment {
                payment_id: "demo-attempt-1".to_owned(),
                from_account_id: UNIT_ACCOUNT.to_owned(),
                amount_minor: 100_000_000,
                payee: "A COMPANY OF MINE LTD".to_owned(),
                purpose: "supplies".to_owned(),
                method: v1::PaymentMethod::Direct.into(),
                ..Default::default()
            }))),
        };
        let lang = self.globals.lang;
        let answer = connect::with(&self.globals, async |connection| {
            let request = v1::PostRequest { commands: vec![command.clone()], ..v1::PostRequest::default() };
            let answer = connection.ledger().post(connection.request(request)).await;
            Ok(answer.map_err(|status| connection.failure(&status))?.into_inner())
        })?;
        match answer.results.into_iter().next().and_then(|result| result.outcome) {
            Some(v1::post_result::Outcome::Error(status)) => {
                let explanation = Explanation::of_result(&status, lang);
                writeln!(self.out, "{}\n{}", explanation.reason, explanation.message)?;
                Ok(())
            }
            Some(v1::post_result::Outcome::Receipt(_)) | None => Err(Failure::Refused(text::demo_not_refused(lang))),
        }
    }

    fn verify_running(&mut self) -> Result<(), Failure> {
        self.say(text::demo_verify_running)?;
        let source = self.globals.server().to_owned();
        self.verify(source, true)
    }

    fn verify(&mut self, source: String, allow_unanchored: bool) -> Result<(), Failure> {
        let args = VerifyArgs { source, deep: true, allow_unanchored, ..VerifyArgs::default() };
        verify::run(&self.globals, &args, self.out)
    }

    fn stop(&mut self) -> Result<(), Failure> {
        let Some((stop, served)) = self.server.take() else { return Ok(()) };
        drop(stop);
        let served = self.runtime.block_on(served);
        served.map_err(|error| Failure::Unavailable(text::server_failed(self.globals.lang, error)))?
    }

    fn verify_stopped(&mut self) -> Result<(), Failure> {
        self.say(text::demo_verify_stopped)?;
        let data = self.data().display().to_string();
        self.verify(data, true)
    }

    fn tamper(&mut self, last_sequence: i64) -> Result<(), Failure> {
        self.say(text::demo_tamper)?;
        let (sequence, values) = forged(&log_path(&self.data()), last_sequence / 2, last_sequence)?;
        forge(&log_path(&self.data()), values.into_iter())?;
        writeln!(self.out, "{}", text::demo_changed(self.globals.lang, sequence))?;
        Ok(())
    }

    fn find_it(&mut self) -> Result<(), Failure> {
        self.say(text::demo_verify_again)?;
        let data = self.data().display().to_string();
        match self.verify(data, true) {
            Err(Failure::Refused(_)) => {
                writeln!(self.out, "\n{}", text::demo_found(self.globals.lang))?;
                Ok(())
            }
            Ok(()) => Err(Failure::Refused(text::demo_not_found(self.globals.lang))),
            Err(other) => Err(other),
        }
    }
}

/// The stored values of a block in which the first payment from a sequence on goes to another payee.
fn forged(path: &Path, from: i64, to: i64) -> Result<(i64, Vec<StoredValue>), Failure> {
    let log = SledLog::open(path)?;
    let reader = log.reader();
    for block in blocks_between(reader.as_ref(), from, to) {
        let block = block?;
        let mut offset = 0_usize;
        for (sequence, entry) in (block.first_sequence..).zip(block.entries()) {
            let start = offset.saturating_add(2);
            offset = start.saturating_add(entry.len());
            let (_, bytes) = split_entry(entry).unwrap_or_default();
            let Ok(event) = codec::decode(bytes) else { continue };
            if let Payload::PaymentExecuted(payment) = event.decision.payload {
                let payee = payment.payee.0;
                let within = entry.windows(payee.len()).position(|window| window == payee);
                let Some(within) = within else { continue };
                let mut records = block.records.clone();
                for byte in records.iter_mut().skip(start.saturating_add(within)).take(payee.len()) {
                    *byte ^= 0xff;
                }
                let forged = Block { records, ..block.clone() };
                return Ok((sequence, forged.to_values().collect()));
            }
        }
    }
    Err(Fault::new("looking for a payment to forge", "there is none").into())
}
