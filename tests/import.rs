//! The real binary imports the excerpts into a real server, is killed on the way, and goes on.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fundledger::cli::{Globals, Lang, connect};
use fundledger::pb::Date;
use fundledger::pb::v1::{self, command::Payload, post_result::Outcome};
use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_fundledger");
const PAYMENTS: &str = "payments-excerpt.csv";
const BUDGET: &str = "budget-excerpt.csv";
const TIMEOUT: Duration = Duration::from_mins(1);

/// A ledger in a directory of its own, served on a free port.
struct Ledger {
    directory: TempDir,
    server: Child,
    address: String,
}

impl Ledger {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let created =
            Command::new(BINARY).args(["init", "--origin", "test.invalid/funds", "--data"]).arg(&data).output();
        assert!(created.unwrap().status.success());
        let (server, address) = serve(&data, "127.0.0.1:0");
        Self { directory, server, address }
    }

    /// Pulls the plug, and starts the server again on the same address.
    fn crash(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        let (server, address) = serve(&self.directory.path().join("data"), &self.address);
        assert_eq!(address, self.address);
        self.server = server;
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(["--server", &format!("http://{}", self.address)]).args(arguments);
        command
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).args(["--format", "json"]).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn import(&self, mapping: &Path, file: &str) -> Value {
        self.json(&["import", "--mapping", mapping.to_str().unwrap(), data(file).to_str().unwrap()])
    }

    fn head(&self) -> i64 {
        self.json(&["balance"])["position"]["sequence"].as_i64().unwrap()
    }

    /// A shipped mapping with another batch size, written next to the ledger.
    fn mapping(&self, name: &str, batch: u32) -> PathBuf {
        let text = fs::read_to_string(repository().join("deploy/mappings").join(name)).unwrap();
        let path = self.directory.path().join(format!("{batch}-{name}"));
        fs::write(&path, text.replace("batch = 2000", &format!("batch = {batch}"))).unwrap();
        path
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // The directory goes away next; nothing is left to report to.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn serve(data: &Path, listen: &str) -> (Child, String) {
    let mut server = Command::new(BINARY)
        .args(["serve", "--insecure-dev", "--listen", listen, "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let address =
        lines.map_while(Result::ok).find_map(|line| line.split_once("http://").map(|(_, rest)| rest.to_owned()));
    (server, address.unwrap())
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn data(file: &str) -> PathBuf {
    repository().join("tests/data").join(file)
}

fn figures(summary: &Value, expected: &[(&str, i64)]) {
    for (key, figure) in expected {
        assert_eq!(summary[key], *figure, "{key} of {summary:#}");
    }
}

/// Figures of the excerpt, computed apart (plain Python, exact decimals).
const PAYMENTS_EXPECTED: [(&str, i64); 10] = [
    ("rows_read", 489),
    ("payments", 425),
    ("payments_minor", 467_669_584),
    ("returns", 34),
    ("returns_minor", 48_520_580),
    ("refused", 30),
    ("refused_minor", -58_541_339),
    ("net_posted_minor", 419_149_004),
    ("file_sum_minor", 360_607_665),
    ("lots_agreeing", 9),
];

fn sum_of(balances: &Value, kind: &str) -> i64 {
    let rows = balances["balances"].as_array().unwrap();
    rows.iter().filter(|row| row["kind"] == kind).map(|row| row["amount_minor"].as_i64().unwrap()).sum()
}

#[test]
fn payments_and_a_budget() {
    let ledger = Ledger::new();
    let payments = ledger.mapping("gstt-payments.toml", 100);
    let summary = ledger.import(&payments, PAYMENTS);
    figures(&summary, &PAYMENTS_EXPECTED);
    let head = ledger.head();
    figures(&summary, &[("commands_posted", head), ("commands_replayed", 0), ("last_sequence", head)]);

    let balances = ledger.json(&["balance", "--fund", "GSTT"]);
    assert_eq!(sum_of(&balances, "AUTHORITY_USED"), 419_149_004);
    assert_eq!(sum_of(&balances, "AUTHORITY_UNIT"), 48_520_580);
    assert_eq!(sum_of(&balances, "AUTHORITY_SOURCE"), 467_669_584);
    assert_eq!(sum_of(&balances, "TREASURY"), 48_520_580);
    assert_eq!(sum_of(&balances, "FUND_LOT"), 48_520_580);
    assert_eq!(sum_of(&balances, "CLEARING"), 0);
    assert!(balances["totals"].as_array().unwrap().iter().all(|total| total["balanced"] == true));

    // Forwards: the lot's tree adds up to what was issued, and its payments to what was used.
    let lot = "2020-04.81200";
    let used: i64 = ledger.json(&["balance", "--lot", lot])["balances"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["kind"] == "AUTHORITY_USED")
        .map(|row| row["amount_minor"].as_i64().unwrap())
        .sum();
    let trace = ledger.json(&["trace", "--lot", lot]);
    let nodes = trace["nodes"].as_array().unwrap();
    let of_kind = |kinds: &[&str]| -> i64 {
        let found = nodes.iter().filter(|node| kinds.contains(&node["kind"].as_str().unwrap()));
        found.map(|node| node["amount_minor"].as_i64().unwrap()).sum()
    };
    assert_eq!(of_kind(&["PAYMENT", "RETURN"]), used);
    assert_eq!(of_kind(&["UNIT"]), of_kind(&["LOT"]));

    // Backwards: from a payment to its lot and the file it rests on.
    let payment = nodes.iter().find(|node| node["kind"] == "PAYMENT").unwrap();
    let back = ledger.json(&["trace", "--payment", payment["label"].as_str().unwrap()]);
    let kinds: Vec<&str> =
        back["nodes"].as_array().unwrap().iter().map(|node| node["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["PAYMENT", "LOT", "DOCUMENT"]);
    let tree = ledger.command(&["trace", "--payee", "MEDTRONIC LTD"]).output().unwrap();
    assert!(String::from_utf8(tree.stdout).unwrap().starts_with("payee "));

    // Again: only replays, and the log has not grown.
    let again = ledger.import(&payments, PAYMENTS);
    figures(&again, &PAYMENTS_EXPECTED);
    figures(&again, &[("commands_posted", 0), ("last_sequence", head)]);
    assert_eq!(ledger.head(), head);

    let budget = ledger.mapping("madrid-budget.toml", 100);
    let summary = ledger.import(&budget, BUDGET);
    figures(
        &summary,
        &[("rows_read", 155), ("allocations", 155), ("allocations_minor", 811_478_468), ("lots_agreeing", 8)],
    );
    let balances = ledger.json(&["balance", "--fund", "MADRID", "--by-lot"]);
    assert_eq!(sum_of(&balances, "AUTHORITY_UNIT"), 811_478_468);
    assert_eq!(sum_of(&balances, "AUTHORITY_UNALLOCATED"), 0);
}

#[test]
fn an_import_that_is_cut_off_goes_on() {
    let whole = Ledger::new();
    whole.import(&whole.mapping("gstt-payments.toml", 2_000), PAYMENTS);
    let (last, balances) = (whole.head(), whole.json(&["balance", "--by-lot"])["balances"].clone());
    drop(whole);

    let mut ledger = Ledger::new();
    let mapping = ledger.mapping("gstt-payments.toml", 2);
    let import = |ledger: &Ledger| {
        let arguments = ["import", "--mapping", mapping.to_str().unwrap(), "--format", "json", "--retry-for", "60"];
        let mut command = ledger.command(&arguments);
        command.arg(data(PAYMENTS)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut cuts = 0;
    for sequence in [3, 150, 400, 600, 700] {
        let mut running = import(&ledger);
        wait_for(&ledger, sequence, &mut running);
        running.kill().unwrap();
        running.wait().unwrap();
        cuts += u32::from(ledger.head() < last);
    }
    assert!(cuts >= 3, "cut off {cuts} times only");

    // Now the server goes away under the import, twice; the import waits for it and goes on.
    let mut running = import(&ledger);
    for sequence in [720, 800] {
        wait_for(&ledger, sequence, &mut running);
        ledger.crash();
    }
    let output = finish(running);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    figures(&summary, &PAYMENTS_EXPECTED);
    figures(&summary, &[("last_sequence", last)]);
    assert_eq!(ledger.head(), last, "not one event more than without the cuts");
    assert_eq!(ledger.json(&["balance", "--by-lot"])["balances"], balances);
}

#[test]
fn rows_that_the_ledger_refuses_are_reported() {
    let ledger = Ledger::new();
    let globals = Globals {
        server: Some(format!("http://{}", ledger.address)),
        tls: fundledger::cli::ClientTls::default(),
        format: None,
        lang: Lang::En,
        quiet: true,
    };
    let supplier = "MEDTRONIC LTD";
    let freeze = v1::Command {
        request_id: "freeze-1".to_owned(),
        business_date: Some(Date { year: 2020, month: 4, day: 1 }),
        actor: "auditor".to_owned(),
        checkers: vec!["checker".to_owned()],
        preconditions: Vec::new(),
        personal_data: Vec::new(),
        personal_commitments: Vec::new(),
        payload: Some(Payload::Freeze(Box::new(v1::Freeze {
            case_id: "CASE-1".to_owned(),
            legal_basis: "test".to_owned(),
            scope: Some(v1::freeze::Scope::Payee(supplier.to_owned())),
        }))),
    };
    let posted = connect::with(&globals, async |connection| {
        let request = v1::PostRequest { commands: vec![freeze], ..v1::PostRequest::default() };
        connection.ledger().post(connection.request(request)).await.map_err(|status| connection.failure(&status))
    });
    let outcome = posted.unwrap().into_inner().results.remove(0).outcome.unwrap();
    assert!(matches!(outcome, Outcome::Receipt(_)), "{outcome:?}");

    let report = ledger.directory.path().join("refused.csv");
    let (mapping, input) = (ledger.mapping("gstt-payments.toml", 50), data(PAYMENTS));
    let arguments = [
        "import",
        "--mapping",
        mapping.to_str().unwrap(),
        input.to_str().unwrap(),
        "--report",
        report.to_str().unwrap(),
    ];
    let summary = ledger.json(&arguments);
    let text = fs::read_to_string(&input).unwrap();
    let of_supplier: Vec<&str> = text.lines().filter(|line| line.contains(supplier)).collect();
    let (back, paid): (Vec<&str>, Vec<&str>) = of_supplier.iter().partition(|line| line.contains(",-"));
    assert!(!paid.is_empty());
    let reasons = &summary["refused_by_reason"];
    assert_eq!(reasons["FROZEN"], paid.len(), "{reasons}");
    let count = |key: &str| usize::try_from(summary[key].as_u64().unwrap()).unwrap();
    assert_eq!(count("payments"), 425 - paid.len());
    assert!(count("returns") >= 34 - back.len());
    assert_eq!(count("payments") + count("returns") + count("refused"), 489);
    assert_eq!((&summary["file_sum_agrees"], &summary["lots_agreeing"]), (&Value::Bool(true), &Value::from(9)));
    assert_eq!(fs::read_to_string(&report).unwrap().matches(",FROZEN,").count(), paid.len());

    // Again: the same refusals under the same keys, and nothing new.
    let head = ledger.head();
    let again = ledger.json(&arguments);
    assert_eq!((&again["refused_by_reason"], ledger.head()), (reasons, head));
}

/// Waits until the log has grown to a sequence, or the import has ended before.
fn wait_for(ledger: &Ledger, sequence: i64, running: &mut Child) {
    let started = Instant::now();
    while ledger.head() < sequence && running.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < TIMEOUT, "the log does not grow to {sequence}");
        sleep(Duration::from_millis(1));
    }
}

fn finish(running: Child) -> Output {
    running.wait_with_output().unwrap()
}

#[test]
fn exit_codes_and_reports() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("refused.csv");
    let wrong = directory.path().join("wrong.toml");
    let shipped = repository().join("deploy/mappings/gstt-payments.toml");
    fs::write(&wrong, fs::read_to_string(&shipped).unwrap().replace("exponent = 2", "exponent = 9")).unwrap();
    let mapping = shipped.to_str().unwrap();
    let excerpt = data(PAYMENTS);
    let excerpt = excerpt.to_str().unwrap();
    // Port 1 is nobody's.
    let nowhere = "http://127.0.0.1:1";
    let cases: [(&str, Vec<&str>, i32, &str); 7] = [
        ("a dry run needs no server", vec!["import", "--mapping", mapping, excerpt, "--dry-run"], 0, ""),
        ("strict", vec!["import", "--mapping", mapping, excerpt, "--dry-run", "--strict"], 1, "30 rows were refused"),
        ("a wrong mapping", vec!["import", "--mapping", wrong.to_str().unwrap(), excerpt], 2, "wrong.toml:"),
        ("no such file", vec!["import", "--mapping", mapping, "nothing.csv", "--dry-run"], 3, "nothing.csv: "),
        (
            "no server",
            vec!["--server", nowhere, "import", "--mapping", mapping, excerpt, "--retry-for", "0"],
            3,
            "cannot reach http://127.0.0.1:1",
        ),
        ("no server", vec!["--server", nowhere, "trace", "--lot", "x"], 3, "cannot reach http://127.0.0.1:1"),
        ("usage", vec!["balance", "--format", "tree"], 2, "--format tree is not for this command"),
    ];
    for (what, arguments, code, message) in cases {
        let output = Command::new(BINARY).args(&arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{what}: {errors}");
        assert!(errors.contains(message), "{what}: {errors}");
    }

    let dry = [
        "import",
        "--mapping",
        mapping,
        excerpt,
        "--dry-run",
        "--format",
        "json",
        "--report",
        report.to_str().unwrap(),
    ];
    let output = Command::new(BINARY).args(dry).output().unwrap();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    figures(&summary, &PAYMENTS_EXPECTED[..9]);
    assert_eq!(summary["file_sum_agrees"], true);
    let refused = fs::read_to_string(&report).unwrap();
    assert_eq!(refused.lines().next(), Some("line,reason,amount_minor,amount,message,remedy"));
    assert_eq!(refused.lines().count(), 31);
}

#[test]
fn a_reader_that_leaves_is_no_panic() {
    let mapping = repository().join("deploy/mappings/gstt-payments.toml");
    let mut import = Command::new(BINARY)
        .args(["import", "--dry-run", "--mapping"])
        .args([mapping, data(PAYMENTS)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(import.stdout.take());
    let output = import.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.len()),
        (Some(3), 0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
