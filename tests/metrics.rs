//! Metrics of a running service, as a scraper sees them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod server;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use fundledger::pb::v1;
use fundledger::pb::v1::ledger_service_client::LedgerServiceClient;
use server::{BINARY, receipt, run, set_up};
use tempfile::TempDir;

struct Watched {
    _directory: TempDir,
    child: Child,
    api: String,
    metrics: String,
}

impl Watched {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        assert!(run(&["init", "--origin", "test.invalid/f", "--data", data.to_str().unwrap()]).status.success());
        let mut command = Command::new(BINARY);
        let free = "127.0.0.1:0";
        command.args(["serve", "--insecure-dev", "--quiet", "--listen", free, "--metrics-listen", free, "--data"]);
        let mut child = server::start(command.arg(&data).stdout(Stdio::piped()).stderr(Stdio::null())).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut after = |start: &str| lines.find_map(|line| line.strip_prefix(start).map(str::to_owned)).unwrap();
        let metrics = after("metrics at http://").trim_end_matches("/metrics").to_owned();
        let api = after("listening on http://");
        Self { _directory: directory, child, api, metrics }
    }

    /// Head and body of an answer.
    fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.metrics).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    /// The values by name and labels.
    fn values(&self) -> BTreeMap<String, i64> {
        let (head, body) = self.get("/metrics");
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
        let lines = body.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
            .collect()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn positions_and_lags_are_told_and_an_unfinished_request_holds_up_no_stop() {
    let mut watched = Watched::new();
    let parts = ["views", "index", "index_files", "entries", "checkpoint", "witnesses"];
    let position = |part: &str| format!("fundledger_position_sequence{{part=\"{part}\"}}");
    let lag = |part: &str| format!("fundledger_lag_events{{part=\"{part}\"}}");
    let values = watched.values();
    assert_eq!(values[&position("log")], 0);
    assert_eq!(values["fundledger_read_only"], 0);
    assert_eq!(values["fundledger_witness_alarm"], 0);
    assert_eq!(values.len(), 15, "{values:?}");

    let mut ledger = LedgerServiceClient::connect(format!("http://{}", watched.api)).await.unwrap();
    let commands = set_up();
    let posted = ledger.post(v1::PostRequest { commands, ..Default::default() }).await.unwrap().into_inner();
    let last = receipt(posted.results.last().unwrap().clone()).sequence;
    // Everything catches up but the files of the index, which are written when there is enough for one.
    let mut scrapes = 0;
    let caught_up = loop {
        let values = watched.values();
        scrapes += 1;
        assert!(scrapes < 5_000, "it never catches up: {values:?}");
        assert_eq!(values[&position("log")], last);
        for part in parts {
            assert_eq!(values[&lag(part)], values[&position("log")] - values[&position(part)], "{part}");
        }
        if ["views", "index", "entries", "checkpoint"].iter().all(|part| values[&lag(part)] == 0) {
            break values;
        }
    };
    assert!(caught_up[&position("index_files")] < caught_up[&position("log")]);
    let text = watched.get("/metrics").1;
    for name in ["LOT-1", "U.unit", "maker-1", "Supplier", "test.invalid"] {
        assert!(!text.contains(name), "{text}");
    }
    assert!(watched.get("/other").0.starts_with("HTTP/1.1 404"));

    let mut unfinished = TcpStream::connect(&watched.metrics).unwrap();
    unfinished.write_all(b"GET /metr").unwrap();
    let stopped = Command::new("kill").args(["-TERM", &watched.child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    assert!(watched.child.wait().unwrap().success());
}

#[test]
fn metrics_stay_on_loopback() {
    let served = run(&["serve", "--insecure-dev", "--metrics-listen", "0.0.0.0:0", "--data", "nowhere"]);
    assert_eq!(served.status.code(), Some(2), "{}", server::errors(&served));
    assert!(server::errors(&served).contains("0.0.0.0"));
}
