//! Witnesses of our own beside a real ledger: they cosign what grows, and know a ledger that was put back.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use fundledger::format::checkpoint::split_note;
use fundledger::format::note_key::{KeyKind, SignerKey};
use fundledger::pb::v1;
use fundledger::pb::v1::ledger_service_client::LedgerServiceClient;
use tonic::Code;

use crate::report;
use crate::server::{BINARY, errors, payment, run, start};
use crate::world::{ORIGIN, World, copy};

/// A witness that runs.
pub(crate) struct Watcher {
    name: &'static str,
    pub(crate) key: String,
    pub(crate) url: String,
    child: Child,
}

impl Watcher {
    pub(crate) fn new(world: &World, name: &'static str) -> Self {
        Self::of(world, name, &world.key)
    }

    /// One that watches the log with a key.
    pub(crate) fn of(world: &World, name: &'static str, log: &str) -> Self {
        let secret = world.path(&format!("{name}.key"));
        let made = run(&["keys", "generate", name, "--witness", "--output", &secret]);
        assert!(made.status.success(), "{}", errors(&made));
        let state = world.path(&format!("{name}.state"));
        let mut command = Command::new(BINARY);
        command.args(["witness", "--init", "--state", &state, "--private-key", &secret, "--listen", "127.0.0.1:0"]);
        let mut child = start(command.args(["--log", log]).stdout(Stdio::piped()).stderr(Stdio::null())).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut after = |start: &str| lines.find_map(|line| line.strip_prefix(start).map(str::to_owned)).unwrap();
        let key = after("public key of this witness: ");
        let url = after("listening on ");
        assert_eq!(key, String::from_utf8(made.stdout).unwrap().trim_end());
        Self { name, key, url, child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn line(&self) -> String {
        format!("witness {} {} {}\n", self.name, self.key, self.url)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A ledger with witnesses of which so many are needed.
pub(crate) fn watched(names: &[&'static str], threshold: usize) -> (World, Vec<Watcher>) {
    let mut world = World::new();
    let watchers: Vec<Watcher> = names.iter().map(|name| Watcher::new(&world, name)).collect();
    let lines: Vec<String> = watchers.iter().map(Watcher::line).collect();
    let policy = world.path("policy");
    let key = &world.key;
    let quorum = format!("group quorate {threshold} {}\nquorum quorate\n", names.join(" "));
    fs::write(&policy, format!("log {key}\n{}{quorum}", lines.concat())).unwrap();
    world.stop();
    world.policy = Some(policy);
    world.start();
    (world, watchers)
}

pub(crate) async fn witnessed(world: &World, sequence: i64) -> Result<String, tonic::Status> {
    let request = v1::GetCheckpointRequest { min_sequence: Some(sequence), witnessed: true };
    let answer = world.audit().await.get_checkpoint(request).await?;
    Ok(answer.into_inner().checkpoint)
}

/// What is posted is cosigned; with the policy the ledger is anchored, served or lying still; a proof carries the cosignatures.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_posted_is_cosigned_by_a_quorum() {
    let (mut world, mut watchers) = watched(&["congress", "audit", "province"], 2);
    let last = world.pay(5).await;
    let note = witnessed(&world, last).await.unwrap();
    assert!(world.believed(&note).size > u64::try_from(last).unwrap());
    // One that is down is no hindrance.
    drop(watchers.pop());
    let last = world.post(vec![payment("later")]).await[0].sequence;
    let note = witnessed(&world, last).await.unwrap();
    assert_eq!(note.matches("\u{2014} ").count(), 3, "{note}");
    let policy = world.policy.clone().unwrap();
    let proof = world.ask(&["proof", &last.to_string(), "--witnessed", "--policy", &policy, "--explain"]);
    let said = String::from_utf8(proof.stdout.clone()).unwrap();
    assert!(proof.status.success() && said.contains("cosigned by congress at 20"), "{said} {}", errors(&proof));
    let (code, served) = report(&[&world.url(), "--policy", &policy, "--cosigned-within", "3600"]);
    assert_eq!((code, &served["anchored_size"]), (Some(0), &(last + 1).into()), "{served:#}");
    world.stop();
    let data = world.data();
    let data = data.to_str().unwrap();
    // What was cosigned is known after a start, whoever is away by then.
    drop(watchers);
    world.start();
    assert!(witnessed(&world, last).await.is_ok());
    world.stop();
    let (code, still) = report(&[data, "--policy", &policy]);
    assert_eq!((code, &still["anchored_size"]), (Some(0), &(last + 1).into()), "{still:#}");
    let bundle = world.path("bundle");
    assert!(run(&["export", "--data", data, "--bundle", &bundle]).status.success());
    assert_eq!(report(&[&bundle, "--policy", &policy]).0, Some(0));
    // A policy that asks for more than those who were there.
    let all = world.path("all");
    fs::write(&all, fs::read_to_string(&policy).unwrap().replace("quorate 2", "quorate 3")).unwrap();
    let (code, more) = report(&[data, "--policy", &all]);
    assert_eq!((code, &more["faults"][0]["kind"]), (Some(1), &"witness".into()), "{more:#}");
}

/// The whole directory is put back to an old copy, checkpoint and all: a witness shows what the ledger had signed, and
/// nothing is posted or signed any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_witness_knows_a_ledger_that_was_put_back() {
    let (mut world, _watchers) = watched(&["congress"], 1);
    let last = world.pay(3).await;
    witnessed(&world, last).await.unwrap();
    world.stop();
    let old = world.directory.path().join("old");
    copy(&world.data(), &old);
    world.start();
    world.post(vec![payment("later")]).await;
    witnessed(&world, last + 1).await.unwrap();
    world.stop();
    fs::remove_dir_all(world.data()).unwrap();
    copy(&old, &world.data());
    // Without its own checkpoint it has nothing to ask about: it looks at what they show all the same.
    fs::remove_file(world.data().join("checkpoint")).unwrap();
    world.start();
    let mut ledger = LedgerServiceClient::connect(world.url()).await.unwrap();
    let request = v1::PostRequest { commands: vec![payment("another")], ..v1::PostRequest::default() };
    assert_eq!(ledger.post(request).await.unwrap_err().code(), Code::Unavailable);
    assert!(!world.data().join("checkpoint").exists(), "nothing is signed");
}

/// A witness that says no, and has nothing to show for it, stops nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_false_witness_stops_nobody() {
    let (mut world, watchers) = watched(&["congress"], 1);
    let stranger = World::new();
    // At the address of the second witness somebody answers who follows another log under another key.
    let liar = Watcher::new(&stranger, "liar");
    let policy = world.policy.clone().unwrap();
    let lines = format!(
        "log {}\n{}{}group quorate 1 congress liar\nquorum quorate\n",
        world.key,
        watchers[0].line(),
        liar.line()
    );
    fs::write(&policy, lines).unwrap();
    world.stop();
    world.start();
    let last = world.pay(2).await;
    let note = witnessed(&world, last).await.unwrap();
    assert!(note.starts_with(ORIGIN) && note.contains("congress") && !note.contains("liar"), "{note}");
}

/// The files of the tree are damaged while the ledger runs: its witnesses decline, and the log, which fits what they have, goes
/// on.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_damaged_tree_is_not_taken_for_another_history() {
    let (world, _watchers) = watched(&["congress"], 1);
    let last = world.pay(600).await;
    witnessed(&world, last).await.unwrap();
    let hashes = world.data().join("tree").join("0.hashes");
    let file = fs::OpenOptions::new().write(true).open(hashes).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[7; 32], 520 * 32).unwrap();
    let later = world.post(vec![payment("later")]).await[0].sequence;
    // As long as a request waits for a cosignature: none comes, and the witness was asked many times.
    assert_eq!(witnessed(&world, later).await.unwrap_err().code(), Code::ResourceExhausted);
    world.post(vec![payment("still")]).await;
}

/// Cosignatures are genuine for ever: an operator who puts an old cosigned checkpoint beside a longer log is found by their age,
/// and the report says how much nobody outside has seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_old_cosigned_checkpoint_vouches_for_no_more_than_it_covers() {
    let mut world = World::new();
    let covered = world.pay(2).await;
    let kept = world.keep("kept", covered);
    let note = fs::read_to_string(&kept).unwrap();
    let last = world.post(vec![payment("unseen"), payment("unseen-2"), payment("unseen-3")]).await[2].sequence;
    world.keep("later", last);
    world.stop();
    let witness = SignerKey::of_kind("congress", &[5; 32], KeyKind::Cosigner);
    let policy = world.path("policy");
    let witness_key = witness.verifier();
    fs::write(&policy, format!("log {}\nwitness congress {witness_key}\nquorum congress\n", world.key)).unwrap();
    let (text, _) = split_note(&note).unwrap();
    // Given in September 2001.
    let cosigned = note.clone() + &witness.cosignature_line(text, 1_000_000_000);
    fs::write(world.data().join("checkpoint.witnessed"), cosigned).unwrap();
    let data = world.data();
    let data = data.to_str().unwrap();
    let (code, found) = report(&[data, "--policy", &policy]);
    assert_eq!((code, &found["verdict"], &found["anchored"]), (Some(0), &"verified".into(), &true.into()), "{found:#}");
    assert_eq!(
        (&found["anchored_size"], &found["unanchored_entries"]),
        (&(covered + 1).into(), &3.into()),
        "{found:#}"
    );
    let said = run(&["verify", data, "--policy", &policy]);
    let said = String::from_utf8(said.stdout).unwrap();
    let in_part = format!("only the first {} entries are anchored outside, the last 3 are not\n", covered + 1);
    assert!(said.lines().next().unwrap().ends_with(in_part.trim_end()), "{said}");
    let (code, old) = report(&[data, "--policy", &policy, "--cosigned-within", "3600"]);
    assert_eq!(
        (code, &old["faults"][0]["kind"], &old["anchored"]),
        (Some(1), &"witness".into(), &false.into()),
        "{old:#}"
    );
    // So long ago that it counts again.
    assert_eq!(report(&[data, "--policy", &policy, "--cosigned-within", "9000000000"]).0, Some(0));
}
