//! Settings: layers in order, every mistake told with its place, and every key documented.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod server;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use server::{BINARY, errors};

/// Runs `config` with variables of the environment.
fn config(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(BINARY);
    command.arg("config").args(arguments).envs(variables.iter().copied());
    command.output().unwrap()
}

fn file(directory: &tempfile::TempDir, content: &str) -> PathBuf {
    let path = directory.path().join("fundledger.toml");
    fs::write(&path, content).unwrap();
    path
}

fn shown(arguments: &[&str], variables: &[(&str, &str)]) -> Value {
    let output = config(&[&["show", "--format", "json"], arguments].concat(), variables);
    assert!(output.status.success(), "{}", errors(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn later_layers_win_and_sources_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(
        &directory,
        "data = \"/a\"\nlisten = \"127.0.0.1:1\"\n\n[limits]\nstreams_max = 7\nrequest_bytes_max = 8\n",
    );
    let path = path.to_str().unwrap();
    let variables =
        [("FUNDLEDGER__LIMITS__STREAMS_MAX", "9"), ("FUNDLEDGER__LISTEN", "127.0.0.1:2"), ("FUNDLEDGER_SERVER", "x")];
    let found = shown(&["--config", path, "--listen", "127.0.0.1:3"], &variables);
    let expected = [
        ("data", "/a".into(), format!("{path}:1")),
        ("listen", "127.0.0.1:3".into(), "--listen".to_owned()),
        ("insecure_dev", false.into(), "-".to_owned()),
        ("limits.streams_max", 9.into(), "FUNDLEDGER__LIMITS__STREAMS_MAX".to_owned()),
        ("limits.request_bytes_max", 8.into(), format!("{path}:6")),
        ("limits.shutdown_deadline_seconds", 10.into(), "-".to_owned()),
        ("log.format", "text".into(), "-".to_owned()),
    ];
    for (key, value, source) in expected {
        assert_eq!((&found[key]["value"], found[key]["source"].as_str()), (&value, Some(source.as_str())), "{key}");
    }
    let chinese = config(&["show", "--lang", "zh"], &[]);
    assert!(String::from_utf8_lossy(&chinese.stdout).contains("默认值"));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let content = "lissten = \"127.0.0.1:1\"\nlisten = \"nowhere\"\n[limits]\nstreams_max = 0\n[limit]\nx = 1\n[log]\nformat = \"xml\"\n";
    let path = file(&directory, content);
    let path = path.to_str().unwrap();
    let variables = [
        ("FUNDLEDGER__INSECURE_DEV", "perhaps"),
        ("FUNDLEDGER__LOGS__FORMAT", "json"),
        ("FUNDLEDGER__LOG__FILTER", "a=b=c"),
    ];
    let output = config(&["check", "--config", path], &variables);
    assert_eq!(output.status.code(), Some(2));
    let told = errors(&output);
    for expected in [
        format!("{path}:1: there is no key `lissten`"),
        format!("{path}:2: `listen`: invalid socket address"),
        format!("{path}:4: `limits.streams_max`: invalid value: integer `0`"),
        format!("{path}:6: there is no key `limit.x`"),
        format!("{path}:8: `log.format`:"),
        "FUNDLEDGER__INSECURE_DEV: `insecure_dev`:".to_owned(),
        "FUNDLEDGER__LOGS__FORMAT: there is no key `logs.format`".to_owned(),
        "FUNDLEDGER__LOG__FILTER: `log.filter`:".to_owned(),
    ] {
        assert!(told.contains(&expected), "{expected:?} not in\n{told}");
    }
    assert_eq!(told.lines().count(), 9, "{told}");
    let chinese = errors(&config(&["check", "--lang", "zh", "--config", path], &[]));
    assert!(chinese.contains("没有配置项 `lissten`"), "{chinese}");
}

#[test]
fn what_is_no_toml_or_no_file_is_a_usage_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(&directory, "listen = \n");
    for path in [path.to_str().unwrap(), "no/such/file.toml"] {
        let output = config(&["check", "--config", path], &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(errors(&output).contains(path), "{}", errors(&output));
    }
}

#[test]
fn serve_and_check_agree_on_what_may_be_served() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let data = data.to_str().unwrap();
    for (arguments, expected) in [
        (vec!["--data", data], "pass --insecure-dev"),
        (vec!["--data", data, "--insecure-dev", "--listen", "0.0.0.0:0"], "not a loopback address"),
        (vec!["--insecure-dev"], "no directory of a ledger"),
        (vec![], "on loopback\nno directory of a ledger"),
    ] {
        let check = config(&[vec!["check"], arguments.clone()].concat(), &[]);
        let serve = Command::new(BINARY).arg("serve").args(arguments).output().unwrap();
        for output in [check, serve] {
            assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
            assert!(errors(&output).contains(expected), "{}", errors(&output));
        }
    }
    assert!(!Path::new(data).exists());
}

#[test]
fn a_service_runs_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let content = format!("data = {data:?}\nlisten = \"127.0.0.1:0\"\ninsecure_dev = true\n[log]\nformat = \"json\"\n");
    let path = file(&directory, &content);
    let mut command = Command::new(BINARY);
    command.args(["serve", "--config", path.to_str().unwrap()]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    let address = server::listening(&mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(address.is_some_and(|address| address.starts_with("127.0.0.1:")));
}

#[test]
fn the_example_is_right_and_has_every_key() {
    let example = "deploy/fundledger.toml";
    // Nothing is wrong with it but that the certificates it names are not here.
    let output = config(&["check", "--config", example], &[]);
    let told = errors(&output);
    assert!(told.lines().all(|line| line.contains("/etc/fundledger/tls/")), "{told}");
    assert_eq!(told.lines().count(), 4, "{told}");
    let found = shown(&["--config", example], &[]);
    for (key, value) in found.as_object().unwrap() {
        let source = value["source"].as_str().unwrap();
        assert!(source.starts_with(example), "{example} has no {key}");
    }
}

#[test]
fn every_key_is_documented_with_its_default_and_nothing_else_is() {
    let keys = shown(&[], &[]);
    let document = fs::read_to_string("docs/configuration.md").unwrap();
    let mut documented = BTreeSet::new();
    for line in document.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`'));
        let (key, default) = (cells.nth(1).unwrap(), cells.next().unwrap());
        let value = &keys[key]["value"];
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let expected = match (value.is_null(), key) {
            (true, "data") => "none; needed",
            (true, _) => "none",
            (false, _) => &shown,
        };
        assert_eq!(expected, default, "{key}");
        documented.insert(key.to_owned());
    }
    let keys: BTreeSet<String> = keys.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, documented);
}
