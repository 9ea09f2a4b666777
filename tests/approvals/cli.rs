//! Maker and checkers at a terminal: keys, roles, proposals and approvals with the real binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{errors, listening, run, spawn};

struct Desk {
    directory: TempDir,
    url: String,
    server: Child,
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Desk {
    /// A served ledger whose administrators are `wang` and `li`; key files are named after their owners.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let mut public = Vec::new();
        for name in ["wang", "li", "zhao"] {
            let made = run(&["keys", "generate", name, "--output", &path(name)]);
            assert!(made.status.success(), "{}", errors(&made));
            public.push(printed(&made).trim().to_owned());
            let again = run(&["keys", "public", &path(name)]);
            assert_eq!(printed(&again).trim(), public.last().unwrap());
        }
        let data = path("data");
        let alone = run(&["init", "--origin", "test.invalid/f", "--data", &data, "--admin", &public[0]]);
        assert_eq!(alone.status.code(), Some(2), "{}", errors(&alone));
        let twice = ["--admin", public[0].as_str(), "--admin", public[0].as_str()];
        let twice = run(&[&["init", "--origin", "test.invalid/f", "--data", &data], &twice[..]].concat());
        assert_eq!(twice.status.code(), Some(2), "{}", errors(&twice));
        let both = ["--admin", public[0].as_str(), "--admin", public[1].as_str()];
        let created = run(&[&["init", "--origin", "test.invalid/f", "--data", &data], &both[..]].concat());
        assert!(created.status.success(), "{}", errors(&created));
        let mut server = spawn(Path::new(&data));
        let url = format!("http://{}", listening(&mut server).unwrap());
        Self { directory, url, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run(&[&["--server", self.url.as_str()], arguments].concat())
    }

    fn file(&self, name: &str, commands: &[Value]) -> String {
        let lines: Vec<String> = commands.iter().map(Value::to_string).collect();
        fs::write(self.path(name), lines.join("\n")).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    fn key(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

fn by(maker: &str, key: &str, name: &str, payload: &Value) -> Value {
    json!({
        "request_id": key,
        "business_date": { "year": 2026, "month": 11, "day": 23 },
        "actor": maker,
        name: payload,
    })
}

#[test]
fn a_role_is_granted_by_two_administrators_at_their_terminals() {
    let desk = Desk::new();
    let grant = by("wang", "grant-1", "grant_role", &json!({ "principal_id": "zhao", "role": "ROLE_CHECKER" }));
    let file = desk.file("grant.jsonl", &[grant]);
    let proposed = desk.run(&["propose", &file, "--id", "p-1"]);
    assert!(proposed.status.success(), "{}", errors(&proposed));

    let pending = desk.run(&["pending", "--format", "json"]);
    let pending: Value = serde_json::from_slice(&pending.stdout).unwrap();
    assert_eq!(pending["proposals"][0]["content"]["command"]["grant_role"]["principal_id"], "zhao");
    let table = desk.run(&["pending", "--lang", "zh"]);
    assert!(printed(&table).contains("grant_role") && printed(&table).contains("制单人"), "{}", printed(&table));

    // Nobody can be asked here, so nothing is signed unless it is said.
    let unasked = desk.run(&["approve", "p-1", "--key", &desk.key("li")]);
    assert_eq!(unasked.status.code(), Some(2), "{}", errors(&unasked));
    let own = desk.run(&["approve", "p-1", "--key", &desk.key("wang"), "--yes"]);
    assert_eq!(own.status.code(), Some(1));
    assert!(errors(&own).contains("SEGREGATION_OF_DUTIES"), "{}", errors(&own));
    let stranger = desk.run(&["approve", "p-1", "--key", &desk.key("zhao"), "--yes"]);
    assert!(errors(&stranger).contains("KEY_NOT_FOUND"), "{}", errors(&stranger));
    let approved = desk.run(&["approve", "p-1", "--key", &desk.key("li"), "--yes"]);
    assert!(approved.status.success(), "{}", errors(&approved));
    assert!(
        printed(&approved).contains("\"principal_id\": \"zhao\""),
        "what is signed is shown: {}",
        printed(&approved)
    );
    assert!(printed(&approved).starts_with("proposal p-1 by wang in test.invalid/f, until "), "{}", printed(&approved));
    let last = printed(&approved).lines().last().unwrap().to_owned();
    assert!(last.starts_with("executed at sequence 4, entry hash "), "{last}");
    let gone = desk.run(&["approve", "p-1", "--key", &desk.key("li"), "--yes"]);
    assert_eq!(gone.status.code(), Some(1), "{}", printed(&gone));

    let second = by("wang", "grant-2", "grant_role", &json!({ "principal_id": "zhao", "role": "ROLE_MAKER" }));
    let file = desk.file("second.jsonl", &[second]);
    assert!(desk.run(&["propose", &file, "--id", "p-2"]).status.success());
    let withdrawn = desk.run(&["withdraw", "p-2", "--maker", "wang"]);
    assert!(withdrawn.status.success(), "{}", errors(&withdrawn));
    let nothing: Value = serde_json::from_slice(&desk.run(&["pending", "--format", "json"]).stdout).unwrap();
    assert_eq!(nothing["proposals"], json!([]));
}

#[test]
fn a_batch_is_seen_by_its_checkers_and_posted_by_its_maker() {
    let desk = Desk::new();
    let grants: Vec<Value> = ["a", "b", "c"]
        .iter()
        .map(|who| by("wang", &format!("g-{who}"), "grant_role", &json!({ "principal_id": who, "role": "ROLE_MAKER" })))
        .collect();
    let file = desk.file("batch.jsonl", &grants);
    let without = desk.run(&["propose", &file, "--id", "b-1"]);
    assert_eq!(without.status.code(), Some(2), "{}", errors(&without));
    let bytes = desk.key("batch.bytes");
    let proposed = desk.run(&["propose", &file, "--id", "b-1", "--batch-file", &bytes]);
    assert!(proposed.status.success(), "{}", errors(&proposed));

    let unseen = desk.run(&["approve", "b-1", "--key", &desk.key("li"), "--yes"]);
    assert_eq!(unseen.status.code(), Some(2), "{}", errors(&unseen));
    // Other commands than those that were proposed: the message is another one, and nothing is signed.
    let all = fs::read_to_string(&bytes).unwrap();
    let fewer: Vec<&str> = all.lines().take(2).collect();
    fs::write(desk.path("fewer"), fewer.join("\n")).unwrap();
    let other = desk.run(&["approve", "b-1", "--key", &desk.key("li"), "--yes", "--batch-file", &desk.key("fewer")]);
    assert_eq!(other.status.code(), Some(1), "{}", errors(&other));
    let approved = desk.run(&["approve", "b-1", "--key", &desk.key("li"), "--yes", "--batch-file", &bytes]);
    assert!(approved.status.success(), "{}", errors(&approved));

    let cut = desk.run(&["post", &desk.key("fewer"), "--proposal", "b-1"]);
    assert!(errors(&cut).contains("BATCH_MISMATCH"), "{}", errors(&cut));
    for _ in 0..2 {
        let posted = desk.run(&["post", &bytes, "--proposal", "b-1"]);
        assert!(posted.status.success(), "{}{}", printed(&posted), errors(&posted));
    }
}
