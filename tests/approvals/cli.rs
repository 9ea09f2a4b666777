//! Maker and checkers at a terminal: keys, roles, proposals and approvals with the real binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Output};

use fundledger::ledger::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{errors, listening, output, run, spawn};

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

    /// The one proposal that waits.
    fn waiting(&self) -> Value {
        let pending: Value = serde_json::from_slice(&self.run(&["pending", "--format", "json"]).stdout).unwrap();
        assert_eq!(pending["proposals"].as_array().unwrap().len(), 1, "{pending}");
        pending["proposals"][0].clone()
    }

    /// Stops the server, which must end by itself, and verifies what it left.
    fn verified(mut self) {
        let stopped = output(Process::new("kill").args(["-TERM", &self.server.id().to_string()])).unwrap();
        assert!(stopped.status.success() && self.server.wait().unwrap().success());
        let verified = run(&["verify", "--deep", "--allow-unanchored", &self.key("data")]);
        assert!(verified.status.success(), "{}{}", printed(&verified), errors(&verified));
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
    desk.verified();
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
    desk.verified();
}

fn pay(key: &str, amount_minor: i64) -> Value {
    let payment = json!({
        "payment_id": key,
        "from_account_id": "unit",
        "amount_minor": amount_minor,
        "draws": [{ "lot_id": "L", "amount_minor": amount_minor }],
        "payee": "EXAMPLE LTD",
        "purpose": "ROADS",
        "method": "PAYMENT_METHOD_DIRECT",
    });
    by("wang", key, "execute_payment", &payment)
}

/// A result that a date rests on, made on one day: a day that ends meanwhile is another try.
fn within_a_day<T>(mut made: impl FnMut(usize) -> T) -> T {
    for attempt in 0.. {
        let before = SystemClock.now().shanghai_date();
        let result = made(attempt);
        if SystemClock.now().shanghai_date() == before {
            return result;
        }
    }
    unreachable!("days are longer than that")
}

#[test]
fn a_proposal_that_is_made_twice_the_same_day_is_one() {
    let desk = Desk::new();
    let one = desk.file("one.jsonl", &[pay("one", 1)]);
    let several = desk.file("several.jsonl", &[pay("two", 2), pay("three", 3)]);
    within_a_day(|attempt| {
        for (file, name) in [(&one, "single"), (&several, "batch")] {
            let (id, bytes) = (format!("{name}-{attempt}"), desk.key(&format!("{name}-{attempt}.bytes")));
            let propose = || desk.run(&["propose", file, "--id", &id, "--batch-file", &bytes]);
            let first = propose();
            assert!(first.status.success(), "{}", errors(&first));
            let written = fs::read(&bytes).unwrap();
            let again = propose();
            // What is said is the same, with the sequence of the one event there is.
            assert!(again.status.success(), "{}", errors(&again));
            assert_eq!(printed(&again), printed(&first));
            assert_eq!(fs::read(&bytes).unwrap(), written);
            // Lost, the file is written again.
            fs::remove_file(&bytes).unwrap();
            assert_eq!(printed(&propose()), printed(&first));
            assert_eq!(fs::read(&bytes).unwrap(), written);
            assert_eq!(desk.waiting()["proposal_id"], id.as_str());
            assert!(desk.run(&["withdraw", &id, "--maker", "wang"]).status.success());
        }
    });
    // Other commands under the same name are another matter.
    let first = desk.run(&["propose", &one, "--id", "p"]);
    assert!(first.status.success(), "{}", errors(&first));
    let other = desk.file("other.jsonl", &[pay("other", 1)]);
    let other = desk.run(&["propose", &other, "--id", "p"]);
    assert_eq!(other.status.code(), Some(1), "{}", errors(&other));
    assert!(errors(&other).contains("IDEMPOTENCY_KEY_REUSED"), "{}", errors(&other));
    desk.verified();
}

#[test]
fn another_batchs_file_is_never_written_over() {
    let desk = Desk::new();
    let first = desk.file("first.jsonl", &[pay("one", 1), pay("two", 2)]);
    let second = desk.file("second.jsonl", &[pay("three", 3), pay("four", 4)]);
    let (taken, free) = (desk.key("taken"), desk.key("free"));
    let proposed = desk.run(&["propose", &first, "--id", "first", "--batch-file", &taken]);
    assert!(proposed.status.success(), "{}", errors(&proposed));
    let bytes = fs::read(&taken).unwrap();

    let failed = desk.run(&["propose", &second, "--id", "second", "--batch-file", &taken]);
    assert!(!failed.status.success() && errors(&failed).contains(&taken), "{}", errors(&failed));
    assert_eq!(fs::read(&taken).unwrap(), bytes);
    // Nothing was proposed: the bytes are kept before anybody can approve them.
    assert_eq!(
        desk.run(&["approve", "second", "--key", &desk.key("li"), "--yes", "--batch-file", &taken]).status.code(),
        Some(1)
    );
    let again = desk.run(&["propose", &second, "--id", "second", "--batch-file", &free]);
    assert!(again.status.success(), "{}", errors(&again));
    assert_ne!(fs::read(&free).unwrap(), bytes);
    let approved = desk.run(&["approve", "second", "--key", &desk.key("li"), "--yes", "--batch-file", &free]);
    assert!(approved.status.success(), "{}", errors(&approved));
    desk.verified();
}

#[test]
fn whoever_approves_a_batch_sees_what_is_in_their_own_file_and_signs_only_that() {
    let desk = Desk::new();
    let file = desk.file("batch.jsonl", &[pay("one", 500), pay("two", 700)]);
    let bytes = desk.key("bytes");
    let proposed = desk.run(&["propose", &file, "--id", "b", "--batch-file", &bytes]);
    let root = printed(&proposed).lines().last().unwrap().to_owned();
    assert!(root.starts_with("root ") && root.ends_with("control total 1200 minor units"), "{root}");

    // Files of another proposal, of other amounts, in another order, with a command less, with one more, with what is none.
    let lines: Vec<String> = fs::read_to_string(&bytes).unwrap().lines().map(str::to_owned).collect();
    let other = desk.file("other.jsonl", &[pay("one", 500), pay("two", 701)]);
    let other_bytes = desk.key("other.bytes");
    let made = desk.run(&["propose", &other, "--id", "other", "--batch-file", &other_bytes]);
    assert!(made.status.success() && desk.run(&["withdraw", "other", "--maker", "wang"]).status.success());
    let other = fs::read_to_string(&other_bytes).unwrap();
    let swapped = [lines[1].as_str(), &lines[0]].join("\n");
    let more = [lines[0].as_str(), &lines[1], &lines[0]].join("\n");
    let tampered = [
        (other.as_str(), "control total 1201 ", 1),
        (swapped.as_str(), "control total 1200 ", 1),
        (lines[0].as_str(), "control total 500 ", 1),
        (more.as_str(), "control total 1700 ", 1),
        ("", "control total 0 ", 1),
        ("{\"command\":\"/w==\"}", "", 2),
        ("{\"command\":\"?\"}", "", 2),
        ("{\"other\":\"\"}", "", 2),
        ("not JSON", "", 2),
    ];
    for (content, shown, code) in tampered {
        fs::write(desk.path("tampered"), content).unwrap();
        let tampered = desk.key("tampered");
        let refused = desk.run(&["approve", "b", "--key", &desk.key("li"), "--yes", "--batch-file", &tampered]);
        assert_eq!(refused.status.code(), Some(code), "{content}: {}", errors(&refused));
        let said = printed(&refused);
        assert!(said.contains(shown) && !said.contains(&root), "{content}: {said}");
        assert_eq!(desk.waiting()["approvers"], json!([]), "{content}");
    }

    let approved = desk.run(&["approve", "b", "--key", &desk.key("li"), "--yes", "--batch-file", &bytes]);
    assert!(approved.status.success(), "{}", errors(&approved));
    let said = printed(&approved);
    assert!(said.lines().any(|line| line == root), "{said}");
    for payment in ["one", "two"] {
        assert!(said.contains(&format!("\"payment_id\":\"{payment}\"")), "{said}");
    }
    assert!(!said.contains("EXAMPLE LTD"), "persons are pseudonyms: {said}");
    assert_eq!(desk.waiting()["approvers"], json!(["li"]));
    desk.verified();
}

#[test]
fn a_day_that_does_not_exist_is_a_usage_error() {
    let desk = Desk::new();
    let file = desk.file("one.jsonl", &[pay("one", 1)]);
    for day in ["2026-02-30", "2027-02-29", "2026-13-01", "tomorrow"] {
        let refused = desk.run(&["propose", &file, "--id", "p", "--expires-on", day]);
        assert_eq!(refused.status.code(), Some(2), "{day}: {}", errors(&refused));
    }
    // A day that exists is the end of that day in Shanghai, which is 16:00 in UTC.
    let tomorrow = SystemClock.now().shanghai_date().plus_days(1);
    let proposed = desk.run(&["propose", &file, "--id", "p", "--expires-on", &tomorrow.to_string()]);
    assert!(proposed.status.success(), "{}", errors(&proposed));
    let expires_at = desk.waiting()["expires_at"].as_str().unwrap().to_owned();
    assert!(expires_at.starts_with(&format!("{tomorrow}T")), "{expires_at}");
    desk.verified();
}

#[test]
fn what_waits_is_named_after_the_command_alone() {
    let desk = Desk::new();
    let mut conditional = pay("one", 1);
    conditional["preconditions"] = json!([{ "head_sequence": 5 }]);
    let file = desk.file("one.jsonl", &[conditional]);
    assert!(desk.run(&["propose", &file, "--id", "p"]).status.success());
    let pending = printed(&desk.run(&["pending", "--format", "csv"]));
    let row: Vec<&str> = pending.lines().nth(1).unwrap().split(',').collect();
    assert_eq!((row[0], row[4], row[5]), ("p", "1", "execute_payment"), "{pending}");
    assert_eq!(desk.waiting()["content"]["command"]["preconditions"][0]["head_sequence"], 5);
    desk.verified();
}
