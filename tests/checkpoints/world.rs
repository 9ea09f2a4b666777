//! A ledger that signs and serves its tiles, and an auditor's copies of it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use fundledger::audit::note::{Checkpoint, Note, NoteKey};
use fundledger::pb::v1;
use fundledger::pb::v1::audit_service_client::AuditServiceClient;
use fundledger::pb::v1::ledger_service_client::LedgerServiceClient;
use tempfile::TempDir;
use tonic::transport::Channel;

pub(crate) use crate::server::copy;
use crate::server::{BINARY, errors, output, payment, receipt, run, set_up, start};

pub(crate) const ORIGIN: &str = "ledger.example.org/funds";

pub(crate) struct World {
    pub(crate) directory: TempDir,
    /// The log's public key, as `init` gave it to whoever was there.
    pub(crate) key: String,
    child: Option<Child>,
    pub(crate) api: String,
    pub(crate) tiles: String,
    /// Policy of witnesses, if there are any.
    pub(crate) policy: Option<String>,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let created = run(&["init", "--origin", ORIGIN, "--data", data.to_str().unwrap()]);
        let said = String::from_utf8(created.stdout).unwrap();
        let key = said.lines().find_map(|line| line.strip_prefix("the log's public key, for auditors and witnesses: "));
        let mut world = Self {
            key: key.unwrap().to_owned(),
            directory,
            child: None,
            api: String::new(),
            tiles: String::new(),
            policy: None,
        };
        world.start();
        world
    }

    pub(crate) fn start(&mut self) {
        let mut command = Command::new(BINARY);
        let free = "127.0.0.1:0";
        command.env("FUNDLEDGER__CHECKPOINT_INTERVAL_MILLISECONDS", "20");
        if let Some(policy) = &self.policy {
            command.env("FUNDLEDGER__WITNESS_POLICY", policy);
        }
        command.args(["serve", "--insecure-dev", "--quiet", "--listen", free, "--tiles-listen", free, "--data"]);
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut child = start(command.arg(self.data()).stdout(Stdio::piped()).stderr(log)).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut after = |start: &str| lines.find_map(|line| line.strip_prefix(start).map(str::to_owned)).unwrap();
        let tiles = after("tiles at http://");
        tiles.trim_end_matches("/checkpoint").clone_into(&mut self.tiles);
        self.api = after("listening on http://");
        self.child = Some(child);
    }

    /// Ends the server as an operator does.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        assert!(output(Command::new("kill").args(["-TERM", &child.id().to_string()])).unwrap().status.success());
        assert!(child.wait().unwrap().success());
    }

    /// What the server has logged since it was asked before.
    pub(crate) fn logged(&self) -> String {
        let logged = fs::read_to_string(self.path("log")).unwrap();
        fs::write(self.path("log"), "").unwrap();
        logged
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.api)
    }

    pub(crate) async fn audit(&self) -> AuditServiceClient<Channel> {
        AuditServiceClient::connect(self.url()).await.unwrap()
    }

    /// Posts commands that are accepted; gives their receipts.
    pub(crate) async fn post(&self, commands: Vec<v1::Command>) -> Vec<v1::Receipt> {
        let mut ledger = LedgerServiceClient::connect(self.url()).await.unwrap();
        let answer = ledger.post(v1::PostRequest { commands, ..v1::PostRequest::default() }).await.unwrap();
        answer.into_inner().results.into_iter().map(receipt).collect()
    }

    /// Sets the books up and posts some payments; gives the last sequence.
    pub(crate) async fn pay(&self, payments: usize) -> i64 {
        let mut receipts = self.post(set_up()).await;
        receipts.extend(self.post((0..payments).map(|at| payment(&format!("P-{at}"))).collect()).await);
        receipts.last().unwrap().sequence
    }

    /// Status and body of an answer over plain HTTP.
    pub(crate) fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.tiles).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), answer[end + 4..].to_vec())
    }

    /// A command of an auditor at the running server.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        run(&[&["--server", &self.url()][..], arguments].concat())
    }

    /// Keeps the latest checkpoint that covers a sequence in a file of the auditor's.
    pub(crate) fn keep(&self, name: &str, covering: i64) -> String {
        let kept = self.ask(&["checkpoint", "--covering", &covering.to_string(), "--key", &self.key]);
        assert!(kept.status.success(), "{}", errors(&kept));
        let path = self.path(name);
        fs::write(&path, &kept.stdout).unwrap();
        path
    }

    /// What a signed note says, if it is the log's.
    pub(crate) fn believed(&self, note: &str) -> Checkpoint {
        let note = Note::parse(note).unwrap();
        assert_eq!(note.signers([&NoteKey::parse(&self.key).unwrap()]).unwrap().len(), 1);
        Checkpoint::parse(note.text()).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
