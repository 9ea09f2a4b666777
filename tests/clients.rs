//! Stock clients of other languages, and the examples in docs/, against a real server. What cannot be installed here is
//! skipped, and says so; installations are kept under `target/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::explicit_write,
    reason = "a test may fail, and says why it is skipped"
)]

mod server;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as STANDARD_NO_PAD;
use fundledger::pb::DESCRIPTORS;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use serde_json::{Value, json};
use server::{Served, set_up};
use tonic_types::pb::{ErrorInfo, LocalizedMessage};

const SERVICE_CONFIG: &str = "docs/clients/service_config.json";

/// Where installations are kept.
fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// What a program says; what went wrong if it failed.
fn said(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stdout) + &text(&output.stderr)) }
}

/// Installs what a file of requirements asks for, unless the same was installed before.
fn installed(
    directory: &Path,
    requirements: &str,
    install: impl FnOnce() -> Result<(), String>,
) -> Result<PathBuf, String> {
    let wanted = fs::read_to_string(requirements).unwrap();
    let marker = directory.join("installed.txt");
    if !fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        install()?;
        fs::write(marker, wanted).unwrap();
    }
    Ok(directory.to_owned())
}

/// A virtual environment of Python.
fn python(name: &str, requirements: &str) -> Result<PathBuf, String> {
    let directory = kept(name);
    installed(&directory, requirements, || {
        said(Command::new("python3").args(["-m", "venv"]).arg(&directory))?;
        let mut pip = Command::new(directory.join("bin/python"));
        said(pip.args(["-m", "pip", "install", "--quiet", "--requirement", requirements])).map(drop)
    })
}

/// Python with grpcio, and the directory of the stubs that it generated.
static PYTHON: LazyLock<Result<(PathBuf, PathBuf), String>> = LazyLock::new(|| {
    let python = python("python-client", "tests/clients/python/requirements.txt")?.join("bin/python");
    let stubs = kept("python-stubs");
    fs::create_dir_all(&stubs).unwrap();
    let mut protoc = Command::new(&python);
    protoc.args(["-m", "grpc_tools.protoc", "-Iproto"]);
    protoc.arg(format!("--python_out={}", stubs.display())).arg(format!("--grpc_python_out={}", stubs.display()));
    let files = fs::read_dir("proto/fundledger/v1").unwrap().map(|entry| entry.unwrap().path());
    said(protoc.args(files)).expect("stubs are generated");
    Ok((python, stubs))
});

/// The modules that the Node client needs.
static NODE: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
    let directory = kept("node-client");
    let package = "tests/clients/node/package.json";
    let directory = installed(&directory, package, || {
        fs::create_dir_all(&directory).unwrap();
        fs::copy(package, directory.join("package.json")).unwrap();
        let mut npm = Command::new("npm");
        said(npm.args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&directory)).map(drop)
    })?;
    said(Command::new("node").arg("--version"))?;
    Ok(directory.join("node_modules"))
});

/// What is not here is skipped aloud.
fn or_skip<'a, T>(found: &'a Result<T, String>, what: &str) -> Option<&'a T> {
    // Not `println!`: what a test that passes prints is not shown.
    let told = |why: &String| writeln!(std::io::stderr(), "SKIPPED: {what} could not be had here: {why}").unwrap();
    found.as_ref().inspect_err(|why| told(why)).ok()
}

async fn served() -> Served {
    let served = Served::new();
    served.accept(set_up()).await;
    served
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stock_python_client_posts_retries_and_reads() {
    let Some((python, stubs)) = or_skip(&PYTHON, "Python with grpcio") else { return };
    let mut served = served().await;
    let mut client = Command::new(python);
    client.arg("tests/clients/python/client.py").arg(stubs).arg(&served.address);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = served.address.clone();
    // What it says ends early only if it fails.
    if lines.next().as_deref() == Some("stop") {
        served.kill();
        client.stdin.take().unwrap().write_all(b"\n").unwrap();
        if lines.next().as_deref() == Some("start") {
            served.start_at(&address);
        }
    }
    let last = lines.next();
    let mut complaint = String::new();
    client.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert!(client.wait().unwrap().success() && last.is_some_and(|line| line.ends_with(" entries")), "{complaint}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stock_node_client_posts_retries_and_reads() {
    let Some(modules) = or_skip(&NODE, "Node with grpc-js") else { return };
    let served = served().await;
    let mut client = Command::new("node");
    client.env("NODE_PATH", modules).args(["tests/clients/node/client.js", &served.address]);
    assert!(said(&mut client).unwrap().ends_with(" nodes\n"));
}

/// The same program in each language: the same answers.
async fn check_example(mut example: impl FnMut(&str, &str) -> Command) {
    let served = served().await;
    let mut pay = |voucher: &str, amount: &str| -> Output {
        example(&served.address, "U.unit").args([voucher, amount]).output().unwrap()
    };
    let first = pay("V-1", "12345");
    let text = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
    assert!(first.status.success(), "{}{}", text(&first), server::errors(&first));
    let lines = text(&first);
    let expected = [
        "(now)",
        "left in U.unit 49987655 CNY (10^-2)",
        "from TRACE_NODE_KIND_PAYMENT V-1 12345",
        "from TRACE_NODE_KIND_LOT LOT-1 12345",
        "from TRACE_NODE_KIND_DOCUMENT PROVINCE 财农〔2026〕12号 12345",
    ];
    assert_eq!(lines.lines().count(), expected.len(), "{lines}");
    for (line, expected) in lines.lines().zip(expected) {
        assert!(line.ends_with(expected), "{line}");
    }
    let again = text(&pay("V-1", "12345"));
    assert_eq!(again, lines.replace("(now)", "(before)"));
    let refused = pay("V-2", "49987656");
    assert_eq!(refused.status.code(), Some(1), "{}", server::errors(&refused));
    assert!(text(&refused).starts_with("refused: asked 49987656 available 49987655\n"), "{}", text(&refused));
    assert!(text(&refused).contains("does not cover the amount"), "{}", text(&refused));
    let unknown = example(&served.address, "nowhere").args(["V-3", "1"]).output().unwrap();
    assert!(text(&unknown).starts_with("refused: ACCOUNT_NOT_FOUND"), "{}", text(&unknown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_python_example_does_what_it_says() {
    let Some((python, stubs)) = or_skip(&PYTHON, "Python with grpcio") else { return };
    check_example(|address, account| {
        let mut example = Command::new(python);
        example.env("PYTHONPATH", stubs).args(["docs/examples/python/pay.py", address, account]);
        example
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_node_example_does_what_it_says() {
    let Some(modules) = or_skip(&NODE, "Node with grpc-js") else { return };
    check_example(|address, account| {
        let mut example = Command::new("node");
        example.env("NODE_PATH", modules).args(["docs/examples/node/pay.js", address, account]);
        example
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_rust_example_does_what_it_says() {
    check_example(|address, account| {
        let mut example = Command::new(env!("CARGO"));
        example.args(["run", "--quiet", "--locked", "--example", "pay", "--", address, account]);
        example
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn buf_curl_speaks_json_by_reflection() {
    let buf = python("buf-client", "tests/clients/buf/requirements.txt");
    let Some(directory) = or_skip(&buf, "buf") else { return };
    let served = served().await;
    let curl = |method: &str, request: &Value| -> Result<Value, Value> {
        let mut buf = Command::new(directory.join("bin/buf"));
        buf.args(["curl", "--protocol", "grpc", "--http2-prior-knowledge", "-d", &request.to_string()]);
        let output = buf.arg(format!("{}/fundledger.v1.{method}", served.url())).output().unwrap();
        let bytes = if output.status.success() { &output.stdout } else { &output.stderr };
        let json = serde_json::from_slice(bytes).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(bytes)));
        if output.status.success() { Ok(json) } else { Err(json) }
    };
    let payment = json!({
        "requestId": "buf-1",
        "business_date": { "year": 2026, "month": 6, "day": 15 },
        "actor": "maker-1",
        "checkers": ["checker-1"],
        "executePayment": {
            "paymentId": "buf-1", "fromAccountId": "U.unit", "amountMinor": "12345", "payee": "某某公司",
            "purpose": "works", "method": "PAYMENT_METHOD_DIRECT",
        },
    });
    let posted = curl("LedgerService/Post", &json!({ "commands": [payment] })).unwrap();
    let sequence = &posted["results"][0]["receipt"]["sequence"];
    assert!(sequence.is_string(), "{posted}");
    let asked = json!({ "accountId": "U.used", "minSequence": sequence });
    let balance = curl("QueryService/GetBalance", &asked).unwrap();
    assert_eq!(balance["balance"]["amountMinor"], "12345");
    let error = curl("LedgerService/GetReceipt", &json!({ "requestId": "never" })).unwrap_err();
    assert_eq!(error["code"], "not_found", "{error}");
    let details = error["details"].as_array().unwrap();
    let detail = |name: &str| details.iter().find(|detail| detail["type"] == name).expect("a detail");
    let bytes = |name: &str| STANDARD_NO_PAD.decode(detail(name)["value"].as_str().unwrap()).unwrap();
    let info = ErrorInfo::decode(bytes("google.rpc.ErrorInfo").as_slice()).unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("REQUEST_NOT_FOUND", "fundledger"));
    let text = LocalizedMessage::decode(bytes("google.rpc.LocalizedMessage").as_slice()).unwrap();
    assert_eq!(text.locale, "zh-CN");
}

/// Every method of the API, as `service/method`.
fn methods() -> BTreeSet<String> {
    let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
    let mut found = BTreeSet::new();
    for file in files.iter().filter(|file| file.package().starts_with("fundledger.")) {
        for service in &file.service {
            let name = |method: &str| format!("{}.{}/{method}", file.package(), service.name());
            found.extend(service.method.iter().map(|method| name(method.name())));
        }
    }
    found
}

fn seconds(text: &Value) -> f64 {
    text.as_str().unwrap().strip_suffix('s').unwrap().parse().unwrap()
}

#[test]
fn the_service_config_covers_every_method_and_retries_nothing_but_unavailable() {
    let config: Value = serde_json::from_str(&fs::read_to_string(SERVICE_CONFIG).unwrap()).unwrap();
    let mut covered = BTreeSet::new();
    for entry in config["methodConfig"].as_array().unwrap() {
        for name in entry["name"].as_array().unwrap() {
            let name = format!("{}/{}", name["service"].as_str().unwrap(), name["method"].as_str().unwrap());
            assert!(covered.insert(name.clone()), "{name} stands twice");
        }
        // These go on for ever, and only their client knows where it was: nobody else may try again, or give up.
        let goes_on = |name: &Value| matches!(name["method"].as_str(), Some("PostStream" | "Subscribe"));
        if entry["name"].as_array().unwrap().iter().all(goes_on) {
            assert!(entry["timeout"].is_null() && entry["retryPolicy"].is_null(), "{entry}");
            continue;
        }
        let policy = &entry["retryPolicy"];
        assert_eq!(policy["retryableStatusCodes"], json!(["UNAVAILABLE"]), "{entry}");
        assert!((2..=5).contains(&policy["maxAttempts"].as_u64().unwrap()), "{entry}");
        assert!(seconds(&policy["initialBackoff"]) > 0.0, "{entry}");
        assert!(seconds(&policy["maxBackoff"]) < seconds(&entry["timeout"]), "{entry}");
        assert!(policy["backoffMultiplier"].as_f64().unwrap() > 1.0, "{entry}");
    }
    assert_eq!(covered, methods());
}

#[test]
fn the_readme_shows_the_python_example() {
    let example = fs::read_to_string("docs/examples/python/pay.py").unwrap();
    let lines: BTreeSet<&str> = example.lines().map(str::trim).collect();
    for readme in ["README.md", "README.zh-CN.md"] {
        let text = fs::read_to_string(readme).unwrap();
        let shown = text.split("```python\n").nth(1).expect("a snippet").split("```").next().unwrap();
        assert!(shown.lines().count() > 10);
        for line in shown.lines().filter(|line| !line.trim().is_empty()) {
            assert!(lines.contains(line.trim()), "{readme}: not in the example: {line}");
        }
    }
}
