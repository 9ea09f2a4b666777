//! A service with metrics and probes, whose log and end are seen.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use fundledger::pb::v1::ledger_service_client::LedgerServiceClient;
use fundledger::pb::v1::query_service_client::QueryServiceClient;
use fundledger::pb::v1::{self};
use tempfile::TempDir;
use tonic::Status;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use crate::server::{BINARY, errors, run, start};

/// A process that is told to serve.
pub(crate) struct Service {
    pub(crate) directory: TempDir,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    metrics: String,
    api: String,
}

impl Service {
    /// A new ledger, with settings by their variables in the environment.
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        let mut service = Self::starting(new_ledger(), settings);
        service.has_started();
        service
    }

    /// A ledger that is told to serve. Metrics and probes answer, whether it has opened or not.
    pub(crate) fn starting(directory: TempDir, settings: &[(&str, &str)]) -> Self {
        let variables = settings.iter().map(|(key, value)| (format!("FUNDLEDGER__{key}"), (*value).to_owned()));
        Self::told_to_serve(directory, &[], variables.collect())
    }

    /// A ledger that is served with variables in its environment.
    pub(crate) fn under(directory: TempDir, variables: Vec<(String, String)>) -> Self {
        let mut service = Self::told_to_serve(directory, &[], variables);
        service.has_started();
        service
    }

    /// A ledger that is told to serve, with settings in a file.
    pub(crate) fn configured(directory: TempDir, file: &Path) -> Self {
        Self::told_to_serve(directory, &["--config", file.to_str().unwrap()], Vec::new())
    }

    fn told_to_serve(directory: TempDir, arguments: &[&str], variables: Vec<(String, String)>) -> Self {
        let log = fs::File::options().create(true).append(true).open(log_path(&directory)).unwrap();
        let mut command = Command::new(BINARY);
        let free = "127.0.0.1:0";
        command.args(["serve", "--insecure-dev", "--quiet", "--listen", free, "--metrics-listen", free]);
        // Nobody balances load, unless a test says so.
        command.env("FUNDLEDGER__LIMITS__DRAIN_SECONDS", "0");
        command.envs(variables).args(arguments);
        command.arg("--data").arg(data(&directory)).stdout(Stdio::piped()).stderr(log);
        let mut child = start(&mut command).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut service = Self { directory, child, lines, metrics: String::new(), api: String::new() };
        service.metrics = service.told("metrics at http://").replace("/metrics", "");
        service
    }

    /// Waits until it serves.
    pub(crate) fn has_started(&mut self) {
        self.api = self.told("listening on http://");
        // It says where it listens a moment before it does.
        while self.probe("/livez").1 == "starting" {
            std::thread::yield_now();
        }
    }

    /// Starts again after an end.
    pub(crate) fn again(self, settings: &[(&str, &str)]) -> Self {
        let mut service = Self::starting(self.into_directory(), settings);
        service.has_started();
        service
    }

    pub(crate) fn into_directory(mut self) -> TempDir {
        self.end();
        let other = tempfile::tempdir().unwrap();
        std::mem::replace(&mut self.directory, other)
    }

    fn told(&mut self, start: &str) -> String {
        let lines = self.lines.by_ref().map_while(Result::ok);
        let found = lines.into_iter().find_map(|line| line.strip_prefix(start).map(str::to_owned));
        found.unwrap_or_else(|| panic!("it never said `{start}`: {}", self.log()))
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(log_path(&self.directory)).unwrap()
    }

    /// Waits until something stands in the log.
    pub(crate) fn log_with(&self, text: &str) -> String {
        for _ in 0..1_000_000 {
            let log = self.log();
            if log.contains(text) {
                return log;
            }
            std::thread::yield_now();
        }
        panic!("it never logged `{text}`: {}", self.log());
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn address(&self) -> &str {
        &self.api
    }

    pub(crate) fn metrics_address(&self) -> &str {
        &self.metrics
    }

    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.api)).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel().await).max_decoding_message_size(64 << 20)
    }

    pub(crate) async fn query(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.channel().await)
    }

    pub(crate) async fn post(&self, commands: Vec<v1::Command>) -> Vec<v1::PostResult> {
        let request = v1::PostRequest { commands, ..Default::default() };
        self.ledger().await.post(request).await.unwrap().into_inner().results
    }

    /// Head and body of an answer of the plain HTTP beside the API.
    pub(crate) fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.metrics).unwrap();
        let mut request = String::new();
        write!(request, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    /// Code and word of a probe.
    pub(crate) fn probe(&self, path: &str) -> (u16, String) {
        let (head, body) = self.get(path);
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        (code, body)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

/// A directory with a new ledger.
pub(crate) fn new_ledger() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let data = data(&directory);
    let created = run(&["init", "--origin", "test.invalid/f", "--data", data.to_str().unwrap()]);
    assert!(created.status.success(), "{}", errors(&created));
    directory
}

/// Where the ledger of a directory lies.
pub(crate) fn data(directory: &TempDir) -> PathBuf {
    directory.path().join("data")
}

fn log_path(directory: &TempDir) -> PathBuf {
    directory.path().join("log")
}

/// Where a newer snapshot would lie than all that are there, with this at the end of its name.
pub(crate) fn newer_snapshot(directory: &TempDir, name: &str) -> PathBuf {
    let snapshots = data(directory).join("snapshots");
    let files = fs::read_dir(&snapshots).unwrap().map(|file| file.unwrap().path());
    let suffixes = files.map(|path| path.extension().unwrap().to_str().unwrap().to_owned());
    let suffix = suffixes.into_iter().find(|suffix| suffix.starts_with("state-")).unwrap();
    snapshots.join(format!("9{name}.{suffix}"))
}

/// The stable reason of an error.
pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// Makes a pipe with a name: whoever reads it waits until somebody writes.
pub(crate) fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}
