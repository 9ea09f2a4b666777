//! The real binary serving a real directory on a loopback port, for tests.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::must_use_candidate,
    reason = "shared by tests, each of which uses a part"
)]

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use fundledger::pb::Date;
use fundledger::pb::v1::ledger_service_client::LedgerServiceClient;
use fundledger::pb::v1::query_service_client::QueryServiceClient;
use fundledger::pb::v1::{self, command::Payload};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::transport::Channel;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_fundledger");
/// A date that the set-up leaves open.
pub const DATE: Date = Date { year: 2026, month: 6, day: 15 };

/// Held while a process is made: until it is another program it has copies of all files that are open here, and so holds
/// their locks.
static FORKING: Mutex<()> = Mutex::new(());

/// Starts a program.
pub fn start(command: &mut Command) -> io::Result<Child> {
    let _alone = FORKING.lock().unwrap_or_else(PoisonError::into_inner);
    let own_name = fs::read("/proc/thread-self/comm").ok();
    let child = command.spawn()?;
    // Linux goes on here before the new program has closed the copies, and gives it its name after that.
    let name = format!("/proc/{}/comm", child.id());
    while own_name.is_some() && fs::read(&name).ok() == own_name {
        thread::yield_now();
    }
    Ok(child)
}

/// Runs a program to its end.
pub fn output(command: &mut Command) -> io::Result<Output> {
    start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?.wait_with_output()
}

/// Waits until no process that is being made holds a lock on a file that was closed here.
pub fn locks_are_released() {
    drop(FORKING.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Copies a directory.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Runs the binary to its end.
pub fn run(arguments: &[&str]) -> Output {
    output(Command::new(BINARY).args(arguments)).unwrap()
}

/// Standard error as text.
pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A ledger in a directory of its own.
pub struct Served {
    pub directory: TempDir,
    pub address: String,
    server: Option<Child>,
}

impl Served {
    /// Creates a ledger and serves it.
    pub fn new() -> Self {
        Self::new_in(&std::env::temp_dir())
    }

    /// Creates a ledger below a directory and serves it.
    pub fn new_in(parent: &Path) -> Self {
        let directory = tempfile::tempdir_in(parent).unwrap();
        let data = directory.path().join("data");
        let created = run(&["init", "--origin", "test.invalid/funds", "--data", data.to_str().unwrap()]);
        assert!(created.status.success(), "{}", errors(&created));
        let mut served = Self { directory, address: String::new(), server: None };
        served.start();
        served
    }

    /// The running server's process.
    pub fn process(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Starts the server and waits until it listens.
    pub fn start(&mut self) {
        self.start_at("127.0.0.1:0");
    }

    /// Starts the server where clients expect it.
    pub fn start_at(&mut self, address: &str) {
        let mut child = spawn_at(&self.data(), address);
        let complaint = || fs::read_to_string(complaints(&self.data())).unwrap_or_default();
        self.address = listening(&mut child).unwrap_or_else(|| panic!("the server did not start: {}", complaint()));
        self.server = Some(child);
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let mut child = self.server.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; the server must end by itself, with exit code 0.
    pub fn stop(&mut self) {
        let mut child = self.server.take().unwrap();
        let stopped = output(Command::new("kill").args(["-TERM", &child.id().to_string()])).unwrap();
        assert!(stopped.status.success());
        let complaint = || fs::read_to_string(complaints(&self.data())).unwrap_or_default();
        let ended = child.wait().unwrap();
        assert!(ended.success(), "the server ended with {ended}: {}", complaint());
    }

    /// SIGTERM; the server must end with this exit code.
    pub fn end_badly(&mut self, code: i32) {
        let mut child = self.server.take().unwrap();
        let stopped = output(Command::new("kill").args(["-TERM", &child.id().to_string()])).unwrap();
        assert!(stopped.status.success());
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub async fn channel(&self) -> Channel {
        Channel::from_shared(self.url()).unwrap().connect().await.unwrap()
    }

    pub async fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel().await)
            .max_decoding_message_size(64 << 20)
            .max_encoding_message_size(64 << 20)
    }

    pub async fn query(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.channel().await).max_decoding_message_size(64 << 20)
    }

    /// Posts commands that must all be accepted; gives the receipts.
    pub async fn accept(&self, commands: Vec<v1::Command>) -> Vec<v1::Receipt> {
        let answer =
            self.ledger().await.post(v1::PostRequest { commands, ..v1::PostRequest::default() }).await.unwrap();
        answer.into_inner().results.into_iter().map(receipt).collect()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(mut child) = self.server.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until a server says where it listens; `None` if it ends instead.
pub fn listening(child: &mut Child) -> Option<String> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
    // The rest goes nowhere, but somebody must read it.
    thread::spawn(move || lines.count());
    address
}

/// Starts the server without waiting for it.
pub fn spawn(data: &Path) -> Child {
    spawn_at(data, "127.0.0.1:0")
}

/// Starts the server at an address without waiting for it.
pub fn spawn_at(data: &Path, address: &str) -> Child {
    let mut command = Command::new(BINARY);
    command.args(["serve", "--insecure-dev", "--quiet", "--listen", address, "--data"]).arg(data);
    // Nobody balances load here.
    command.env("FUNDLEDGER__LIMITS__DRAIN_SECONDS", "0");
    let complaints = fs::File::options().create(true).append(true).open(complaints(data)).unwrap();
    start(command.stdout(Stdio::piped()).stderr(complaints)).unwrap()
}

/// What a server says when it does not start.
fn complaints(data: &Path) -> PathBuf {
    data.with_extension("stderr")
}

pub fn receipt(result: v1::PostResult) -> v1::Receipt {
    match result.outcome {
        Some(v1::post_result::Outcome::Receipt(receipt)) => receipt,
        other => panic!("not accepted: {other:?}"),
    }
}

pub fn command(request_id: &str, payload: Payload) -> v1::Command {
    v1::Command {
        request_id: request_id.to_owned(),
        business_date: Some(DATE),
        actor: "maker-1".to_owned(),
        checkers: vec!["checker-1".to_owned()],
        preconditions: Vec::new(),
        personal_data: Vec::new(),
        personal_commitments: Vec::new(),
        payload: Some(payload),
    }
}

/// A command on a date, as JSON, with a checker.
pub fn on(date: &str, request_id: &str, payload: Value) -> Value {
    let mut parts = date.split('-').map(|part| part.parse::<i32>().unwrap());
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let mut command = json!({
        "requestId": request_id,
        "businessDate": { "year": year, "month": month, "day": day },
        "actor": "maker-1",
        "checkers": ["checker-1"],
    });
    let Value::Object(payload) = payload else { panic!("{payload} is no object") };
    command.as_object_mut().unwrap().extend(payload);
    command
}

/// A fund with one lot of 1,000,000.00, half of it in the hands of unit U, and the cash for all of it.
pub fn set_up() -> Vec<v1::Command> {
    use v1::AccountKind as Kind;
    let account = |account_id: &str, kind: Kind, unit_id: &str| {
        Payload::OpenAccount(Box::new(v1::OpenAccount {
            account_id: account_id.to_owned(),
            fund_id: "F".to_owned(),
            kind: kind.into(),
            unit_id: unit_id.to_owned(),
            ..v1::OpenAccount::default()
        }))
    };
    let payloads = vec![
        Payload::SetPolicy(Box::new(v1::SetPolicy {
            policy_id: "P".to_owned(),
            version: 1,
            effective_from: Some(Date { year: 2026, month: 1, day: 1 }),
            plan_step: v1::PlanStep::Optional.into(),
            checker_tiers: Vec::new(),
            document_sha256: vec![1; 32].into(),
            signed_approvals: false,
            ..v1::SetPolicy::default()
        })),
        Payload::DefineFund(Box::new(v1::DefineFund {
            fund_id: "F".to_owned(),
            name: "试点专项资金".to_owned(),
            family: v1::FundFamily::Special.into(),
            policy_id: "P".to_owned(),
            legal_basis: "预算法".to_owned(),
            ..Default::default()
        })),
        account("source", Kind::AuthoritySource, ""),
        account("unallocated", Kind::AuthorityUnallocated, ""),
        account("carry", Kind::AuthorityCarry, ""),
        account("recalled", Kind::AuthorityRecalled, ""),
        account("treasury", Kind::Treasury, ""),
        account("lots", Kind::FundLot, ""),
        account("clearing", Kind::Clearing, ""),
        account("U.unit", Kind::AuthorityUnit, "U"),
        account("U.plan", Kind::AuthorityPlan, "U"),
        account("U.used", Kind::AuthorityUsed, "U"),
        Payload::IssueBudget(Box::new(v1::IssueBudget {
            lot_id: "LOT-1".to_owned(),
            to_account_id: "unallocated".to_owned(),
            amount_minor: 100_000_000,
            issuer_id: "PROVINCE".to_owned(),
            document_number: "财农〔2026〕12号".to_owned(),
            document_sha256: vec![2; 32].into(),
            ..Default::default()
        })),
        Payload::ReceiveCash(Box::new(v1::ReceiveCash {
            lot_id: "LOT-1".to_owned(),
            amount_minor: 100_000_000,
            bank_reference: "cash 1".to_owned(),
        })),
        Payload::AllocateBudget(Box::new(v1::AllocateBudget {
            movement: Some(v1::AuthorityMovement {
                from_account_id: "unallocated".to_owned(),
                to_account_id: "U.unit".to_owned(),
                amount_minor: 50_000_000,
                draws: Vec::new(),
            }),
            document_number: String::new(),
        })),
    ];
    payloads.into_iter().enumerate().map(|(at, payload)| command(&format!("set-up-{at}"), payload)).collect()
}

/// A payment of one fen from unit U.
pub fn payment(id: &str) -> v1::Command {
    command(
        id,
        Payload::ExecutePayment(Box::new(v1::ExecutePayment {
            payment_id: id.to_owned(),
            from_account_id: "U.unit".to_owned(),
            amount_minor: 1,
            payee: "Supplier Ltd".to_owned(),
            purpose: "goods".to_owned(),
            method: v1::PaymentMethod::Direct.into(),
            ..Default::default()
        })),
    )
}
