//! `post`: the real binary posts lines of JSON to a real server.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

mod server;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use server::{BINARY, Served, errors, run, set_up};

fn payment(id: &str, amount: &str) -> String {
    format!(
        r#"{{"request_id":"{id}","businessDate":{{"year":2026,"month":6,"day":15}},"actor":"maker-1","checkers":["checker-1"],"executePayment":{{"paymentId":"{id}","from_account_id":"U.unit","amountMinor":{amount},"payee":"Supplier Ltd","purpose":"goods","method":"PAYMENT_METHOD_DIRECT"}}}}"#
    )
}

fn file(served: &Served, lines: &[String]) -> PathBuf {
    let path = served.directory.path().join("commands.jsonl");
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

fn post(served: &Served, path: &str, more: &[&str]) -> Output {
    run(&[&["--server", &served.url(), "post", path][..], more].concat())
}

fn rows(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Posts from standard input.
fn pipe(served: &Served, input: &str, more: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command.args(["--server", &served.url(), "post", "-", "--format", "json"]).args(more);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn lines_are_posted_once_however_often_the_file_is() {
    let served = Served::new();
    let last = served.accept(set_up()).await.last().unwrap().sequence;
    let lines = [
        payment("a", "5"),
        String::new(),
        payment("b", "\"7\""),
        payment("c", "9007199254740991"),
        payment("d", "0"),
        payment("e", "1"),
    ];
    let path = file(&served, &lines);
    let path = path.to_str().unwrap();

    let dry = post(&served, path, &["--validate-only", "--format", "json"]);
    assert_eq!(dry.status.code(), Some(1), "{}", errors(&dry));
    assert_eq!(rows(&dry)[0]["sequence"], 0);

    let first = post(&served, path, &["--format", "json", "--batch", "2"]);
    assert_eq!(first.status.code(), Some(1), "{}", errors(&first));
    let found = rows(&first);
    let line = |row: &Value| row["line"].as_u64();
    assert_eq!(found.iter().filter_map(line).collect::<Vec<_>>(), [1, 3, 4, 5, 6]);
    assert_eq!((&found[0]["sequence"], &found[1]["sequence"]), (&(last + 1).into(), &(last + 2).into()));
    assert_eq!(found[0]["entry_hash"].as_str().unwrap().len(), 64);
    assert_eq!(found[2]["reason"], "INSUFFICIENT_BALANCE");
    assert_eq!(found[3]["reason"], "AMOUNT_INVALID");
    assert!(found[3]["violations"][0].as_str().unwrap().contains("amount_minor"), "{}", found[3]);
    assert_eq!(found[5]["summary"]["accepted"], 3);
    assert_eq!(found[5]["summary"]["refused"], 2);

    let again = rows(&post(&served, path, &["--format", "json"]));
    assert_eq!(again[0]["entry_hash"], found[0]["entry_hash"]);
    assert_eq!((&again[0]["replayed"], &again[2]["replayed"]), (&true.into(), &true.into()));
    assert_eq!(again[5]["summary"]["replayed"], 3);
    assert_eq!(again[5]["summary"]["last_sequence"], last + 4);

    let csv = String::from_utf8(post(&served, path, &["--format", "csv"]).stdout).unwrap();
    assert!(
        csv.starts_with(
            "line,request_id,accepted,sequence,entry_hash,replayed,reason,message,unreleased,receipt_code\n1,a,true,"
        ),
        "{csv}"
    );
    // What whoever was paid can check; what was refused has no code.
    let coded = rows(&post(&served, path, &["--format", "json", "--receipt-codes"]));
    let sequence = coded[0]["sequence"].to_string();
    let issued = run(&["receipt", "--of", &sequence, "--server", &served.url()]);
    assert_eq!(coded[0]["receipt_code"], String::from_utf8(issued.stdout).unwrap().trim());
    let codes = coded.iter().filter(|row| row["receipt_code"].as_str().is_some_and(|code| code.len() == 35));
    assert_eq!(codes.count(), 3, "{coded:?}");
    let table = String::from_utf8(post(&served, path, &["--lang", "zh", "--receipt-codes"]).stdout).unwrap();
    assert!(table.contains(&format!("凭证码 {}", coded[0]["receipt_code"].as_str().unwrap())), "{table}");
    assert!(table.contains("幂等键") && table.contains("余额不足") && table.contains("此前已受理 3"), "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nothing_is_posted_from_a_file_with_a_bad_line() {
    let served = Served::new();
    served.accept(set_up()).await;
    let bad =
        [payment("a", "5"), payment("b", "5.5"), "{".to_owned(), payment("c", "1").replace("purpose", "porpoise")];
    let path = file(&served, &bad);
    let output = post(&served, path.to_str().unwrap(), &[]);
    assert_eq!(output.status.code(), Some(2));
    let told = errors(&output);
    for expected in ["was not posted", "line 2: ", "line 3: EOF", "line 4: unrecognized field name 'porpoise'"] {
        assert!(told.contains(expected), "{expected:?} not in {told}");
    }
    // The key of the good line is free.
    let good = rows(&post(&served, file(&served, &bad[..1]).to_str().unwrap(), &["--format", "json"]));
    assert_eq!(good[0]["replayed"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn standard_input_is_posted_as_it_comes() {
    let served = Served::new();
    served.accept(set_up()).await;
    let input =
        [payment("a", "1"), payment("b", "1"), payment("c", "1"), "nonsense".to_owned(), payment("d", "1")].join("\n");
    let output = pipe(&served, &input, &["--batch", "2"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("in batches as it comes"), "{}", errors(&output));
    assert!(errors(&output).contains("line 4: "), "{}", errors(&output));
    assert_eq!(rows(&output)[3]["summary"]["accepted"], 3);
    let rest = pipe(&served, &payment("d", "1"), &["--quiet"]);
    assert!(rest.status.success() && rest.stderr.is_empty(), "{}", errors(&rest));
    assert_eq!(rows(&rest)[0]["replayed"], false);
}

#[test]
fn a_server_that_is_away_is_exit_3() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("commands.jsonl");
    fs::write(&path, payment("a", "1")).unwrap();
    let output = run(&["--server", "http://127.0.0.1:1", "post", path.to_str().unwrap(), "--retry-for", "0"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(errors(&output).contains("nothing is posted twice"), "{}", errors(&output));
    assert_eq!(run(&["post", "no-such-file", "--server", "http://127.0.0.1:1"]).status.code(), Some(3));
    assert_eq!(run(&["post", "x", "--batch", "8193"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_comes_back_is_waited_for() {
    let mut served = Served::new();
    served.accept(set_up()).await;
    let path = file(&served, &[payment("a", "1")]);
    let address = served.address.clone();
    served.stop();
    let mut command = Command::new(BINARY);
    command.args(["--server", &format!("http://{address}"), "post", "--format", "json"]).arg(path);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    served.start_at(&address);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(rows(&output)[0]["accepted"], true);
}
