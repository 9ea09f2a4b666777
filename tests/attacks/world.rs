//! A ledger with an auditor and two witnesses, and what each of them notices of a copy that somebody attacked.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fundledger::audit::note::{Checkpoint, Note};
use fundledger::audit::tree::includes;
use fundledger::format::note_key::SignerKey;
use fundledger::format::record::split_entry;
use fundledger::ledger::directory::log_path;
use fundledger::log::Log;
use fundledger::log::sled::SledLog;
use fundledger::pb::v1::audit_service_client::AuditServiceClient;
use fundledger::pb::v1::command::Payload;
use fundledger::pb::v1::ledger_service_client::LedgerServiceClient;
use fundledger::pb::v1::personal_data_service_client::PersonalDataServiceClient;
use fundledger::pb::v1::query_service_client::QueryServiceClient;
use fundledger::pb::v1::{self, PersonalField};
use prost::Message;
use serde_json::Value;
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::approvals::{self, World, pay};
pub(crate) use crate::server::copy;
use crate::server::{BINARY, command, errors, output, payment, receipt, run, set_up, start};

/// Payments before the older backup, up to the auditor's checkpoint, and in all. A tile is whole at 256 entries.
const PAYMENTS: [usize; 3] = [200, 240, 280];
/// The last checkpoint that both witnesses cosigned; beside the ledger, the first one.
const WITNESSED: &str = "checkpoint.witnessed";
const WITNESSES: [&str; 2] = ["congress", "audit-office"];
const PERSON: &str = "330102199001011234";
const MATTER: &str = "matter-1";
/// A payment that was posted before everything, and an account whose history an attack may edit.
pub(crate) const OLD_PAYMENT: &str = "P-0";

/// A ledger, as its operator left it, and what others keep of it.
pub(crate) struct Ledger {
    directory: TempDir,
    /// The log's public key.
    pub(crate) key: String,
    witness_keys: Vec<String>,
    /// The events in the log.
    pub(crate) events: Vec<v1::Event>,
    /// Entries that the auditor's checkpoint covers.
    pub(crate) kept_size: usize,
    answers: Vec<Answer>,
}

/// What was asked, and what was said.
type Answer = (&'static str, Result<String, Code>);

/// A copy of everything, for one attack.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What an audit notices with nothing from outside.
    pub(crate) fn verified_alone(&self) -> Verified {
        verify(&self.data(), &["--allow-unanchored"])
    }

    /// The other history of two.
    pub(crate) fn other(&self) -> PathBuf {
        self.folder.path().join("other")
    }

    /// What a witness has kept.
    pub(crate) fn state(&self, witness: &str) -> PathBuf {
        self.folder.path().join(format!("{witness}.state"))
    }
}

/// A server of some directory.
pub(crate) struct Serving {
    child: Child,
    url: String,
    tiles: String,
}

impl Serving {
    /// Starts a server; `None` where it refuses the directory.
    pub(crate) fn start(data: &Path, policy: Option<&Path>) -> Option<Self> {
        let mut command = Command::new(BINARY);
        command.env("FUNDLEDGER__CHECKPOINT_INTERVAL_MILLISECONDS", "20");
        if let Some(policy) = policy {
            command.env("FUNDLEDGER__WITNESS_POLICY", policy);
        }
        let free = "127.0.0.1:0";
        command.args(["serve", "--insecure-dev", "--quiet", "--listen", free, "--tiles-listen", free, "--data"]);
        let mut child = start(command.arg(data).stdout(Stdio::piped()).stderr(Stdio::null())).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut after = |start: &str| lines.find_map(|line| line.strip_prefix(start).map(str::to_owned));
        let tiles = after("tiles at http://").map(|address| address.trim_end_matches("/checkpoint").to_owned());
        let (Some(tiles), Some(address)) = (tiles, after("listening on http://")) else {
            assert!(!child.wait().unwrap().success());
            return None;
        };
        Some(Self { child, url: format!("http://{address}"), tiles })
    }

    /// Ends the server as an operator does.
    pub(crate) fn stop(mut self) {
        let stopped = output(Command::new("kill").args(["-TERM", &self.child.id().to_string()])).unwrap();
        assert!(stopped.status.success() && self.child.wait().unwrap().success());
    }

    async fn channel(&self) -> Channel {
        Channel::from_shared(self.url.clone()).unwrap().connect().await.unwrap()
    }

    /// Posts commands; gives why they were not taken, where they were not.
    pub(crate) async fn post(&self, commands: Vec<v1::Command>) -> Result<Vec<v1::PostResult>, Status> {
        let request = v1::PostRequest { commands, ..v1::PostRequest::default() };
        let answer = LedgerServiceClient::new(self.channel().await).post(request).await?;
        Ok(answer.into_inner().results)
    }

    /// Posts payments that are accepted; gives the last sequence.
    pub(crate) async fn pay(&self, ids: impl Iterator<Item = String>) -> i64 {
        let results = self.post(ids.map(|id| payment(&id)).collect()).await.unwrap();
        results.into_iter().map(receipt).last().unwrap().sequence
    }

    /// Waits until the quorum has cosigned what covers a sequence.
    pub(crate) async fn witnessed(&self, sequence: i64) {
        let request = v1::GetCheckpointRequest { min_sequence: Some(sequence), witnessed: true };
        AuditServiceClient::new(self.channel().await).get_checkpoint(request).await.unwrap();
    }

    /// What the server says to questions that lead to each kind of thing that it keeps.
    async fn answers(&self) -> Vec<Answer> {
        let channel = self.channel().await;
        let mut query = QueryServiceClient::new(channel.clone());
        let mut audit = AuditServiceClient::new(channel.clone());
        let mut people = PersonalDataServiceClient::new(channel);
        let said = |answer: Result<String, Status>| answer.map_err(|status| status.code());
        let balances = v1::ListBalancesRequest { by_lot: true, page_size: 1_000, ..Default::default() };
        let balances = query.list_balances(balances).await.map(|answer| format!("{:?}", answer.into_inner()));
        let request = |account_id: &str| v1::GetStatementRequest {
            account_id: account_id.to_owned(),
            page_size: 1_000,
            ..Default::default()
        };
        let mut statements = Ok(String::new());
        for account_id in ["unallocated", "U.unit"] {
            let answer = query.get_statement(request(account_id)).await;
            statements = statements.and_then(|said| Ok(format!("{said}{:?}", answer?.into_inner())));
        }
        let request = v1::ListEventsRequest { page_size: 1_000, ..Default::default() };
        let events = query.list_events(request).await.map(|answer| format!("{:?}", answer.into_inner().records));
        let tiles = ["/tile/entries/000", "/tile/0/000"].map(|path| self.get(path));
        let request = v1::GetInclusionProofRequest { sequence: 100, witnessed: false };
        let proof = audit.get_inclusion_proof(request).await.map(|answer| {
            let proof = answer.into_inner();
            let hash = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).unwrap();
            let hashes: Vec<_> = proof.hashes.iter().map(|bytes| hash(bytes)).collect();
            let (index, size) = (100, u64::try_from(proof.tree_size).unwrap());
            let note = Note::parse(&proof.checkpoint).unwrap();
            let root = Checkpoint::parse(note.text()).unwrap().root;
            includes(index, size, &hash(&proof.entry_hash), &hashes, &root).to_string()
        });
        let retry = self.post(vec![payment(OLD_PAYMENT)]).await;
        let retry = retry.map(|mut results| match results.remove(0).outcome {
            Some(v1::post_result::Outcome::Receipt(receipt)) => format!("{} {}", receipt.sequence, receipt.replayed),
            other => format!("{:?}", other.is_some()),
        });
        let mut overdrawn = payment("overdrawn");
        if let Some(Payload::ExecutePayment(payment)) = &mut overdrawn.payload {
            payment.amount_minor = 60_000_000;
        }
        let request = v1::PostRequest { commands: vec![overdrawn], validate_only: true, ..Default::default() };
        let overdrawn = LedgerServiceClient::new(self.channel().await).post(request).await;
        let overdrawn = overdrawn.map(|answer| match &answer.into_inner().results[0].outcome {
            Some(v1::post_result::Outcome::Error(_)) => "refused".to_owned(),
            _ => "accepted".to_owned(),
        });
        let of_payee =
            v1::ListEventsRequest { payee: "Supplier Ltd".to_owned(), page_size: 1_000, ..Default::default() };
        let of_payee = query.list_events(of_payee).await.map(|answer| answer.into_inner().records.len().to_string());
        let request = v1::OpenPersonalDataRequest { command: Some(open_matter_data()) };
        let opened = people.open_personal_data(request).await.map(|answer| answer.into_inner().value);
        vec![
            ("balances", said(balances)),
            ("statements", said(statements)),
            ("events", said(events)),
            ("tiles", Ok(format!("{tiles:?}"))),
            ("proofs", said(proof)),
            ("retries", said(retry)),
            ("what may be paid", said(overdrawn)),
            ("payees", said(of_payee)),
            ("personal data", said(opened)),
        ]
    }

    /// Status and body of an answer over plain HTTP.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.tiles).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let status = String::from_utf8_lossy(&answer[..end]).split(' ').nth(1).unwrap().to_owned();
        format!("{status} {:?}", &answer[end..])
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A matter that a person brings, with their name.
fn matter() -> v1::Command {
    let open = v1::OpenMatter {
        matter_id: MATTER.to_owned(),
        kind: "complaint".to_owned(),
        unit_id: "U".to_owned(),
        fund_id: "F".to_owned(),
        party: PERSON.to_owned(),
        first_handler: "clerk-1".to_owned(),
        ..Default::default()
    };
    let name = v1::PersonalDatum {
        person: PERSON.to_owned(),
        field: PersonalField::Name.into(),
        value: "欧阳一二三四五".to_owned(),
        ..Default::default()
    };
    v1::Command { personal_data: vec![name], ..command(MATTER, Payload::OpenMatter(Box::new(open))) }
}

/// Opens what came with the matter, the first event after the set-up.
fn open_matter_data() -> v1::Command {
    let open = v1::OpenPersonalData {
        sequence: i64::try_from(set_up().len()).unwrap() + 1,
        person: PERSON.to_owned(),
        field: PersonalField::Name.into(),
        legal_basis: "审计法 34".to_owned(),
        ..Default::default()
    };
    let checkers = Vec::new();
    let actor = "auditor-1".to_owned();
    v1::Command { checkers, actor, ..command("open-1", Payload::OpenPersonalData(Box::new(open))) }
}

/// A witness that runs.
struct Watcher {
    child: Child,
    url: String,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The key that a data directory signs with.
pub(crate) fn signer(data: &Path) -> SignerKey {
    SignerKey::parse(&fs::read_to_string(data.join("keys/checkpoint.key")).unwrap()).unwrap()
}

/// The events of a copy of a log.
fn events(data: &Path) -> Vec<v1::Event> {
    let log_copy = tempfile::tempdir().unwrap();
    copy(&log_path(data), log_copy.path());
    let log = SledLog::open(log_copy.path()).unwrap();
    let reader = log.reader();
    let mut events = Vec::new();
    let mut next = 0;
    while let Some(block) = reader.block_at(next).unwrap() {
        next = block.head.next_sequence();
        events.extend(block.entries().map(|entry| v1::Event::decode(split_entry(entry).unwrap().1).unwrap()));
    }
    events
}

/// What an audit said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    Nothing,
    /// Kinds of faults.
    Faults(BTreeSet<String>),
    Unreadable,
}

/// What came of a start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Started {
    Refuses,
    /// It reads, and takes no postings.
    PostsNothing,
    /// It goes on. These answers are other ones than those of the sound ledger, and these are errors instead.
    GoesOn {
        differ: Vec<&'static str>,
        fail: Vec<&'static str>,
    },
}

/// What an audit of a directory says.
fn verify(data: &Path, more: &[&str]) -> Verified {
    let verified = run(&[&["verify", "--deep", "--json", data.to_str().unwrap()], more].concat());
    let Ok(report) = serde_json::from_slice::<Value>(&verified.stdout) else {
        assert_eq!(verified.status.code(), Some(3), "{}", errors(&verified));
        return Verified::Unreadable;
    };
    let faults = report["faults"].as_array().unwrap().iter();
    let kinds: BTreeSet<String> = faults.map(|fault| fault["kind"].as_str().unwrap().to_owned()).collect();
    match verified.status.code() {
        Some(0) => Verified::Nothing,
        Some(1) if !kinds.is_empty() => Verified::Faults(kinds),
        Some(3) => Verified::Unreadable,
        code => panic!("{code:?}: {report:#}"),
    }
}

impl Ledger {
    fn empty(directory: TempDir, data: &Path) -> Self {
        let key = signer(data).verifier().to_string();
        let mut ledger =
            Self { directory, key, witness_keys: Vec::new(), events: Vec::new(), kept_size: 0, answers: Vec::new() };
        for name in WITNESSES {
            let secret = ledger.path(&format!("{name}.key"));
            let made = run(&["keys", "generate", name, "--witness", "--output", secret.to_str().unwrap()]);
            assert!(made.status.success(), "{}", errors(&made));
            ledger.witness_keys.push(String::from_utf8(made.stdout).unwrap().trim_end().to_owned());
        }
        ledger
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Copies the directory as it is now.
    fn back_up(&self, name: &str) {
        copy(&self.path("data"), &self.path(name));
    }

    /// The auditor keeps the checkpoint as it is now.
    fn keep(&mut self) {
        fs::copy(self.path("data").join("checkpoint"), self.path("kept")).unwrap();
        let note = fs::read_to_string(self.path("kept")).unwrap();
        self.kept_size = note.lines().nth(1).unwrap().parse().unwrap();
    }

    /// A ledger with payments, backups, a checkpoint that the auditor kept in between, and cosignatures under its end.
    pub(crate) async fn with_payments() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let created = run(&["init", "--origin", approvals::ORIGIN, "--data", data.to_str().unwrap()]);
        assert!(created.status.success(), "{}", errors(&created));
        let mut ledger = Self::empty(directory, &data);
        let [early, kept, all] = PAYMENTS;
        let ids = |from: usize, to: usize| (from..to).map(|number| format!("P-{number}"));
        let serving = Serving::start(&data, None).unwrap();
        serving.post(set_up()).await.unwrap().into_iter().map(receipt).for_each(drop);
        receipt(serving.post(vec![matter()]).await.unwrap().remove(0));
        serving.pay(ids(0, early)).await;
        serving.stop();
        ledger.back_up("early");
        let serving = Serving::start(&data, None).unwrap();
        serving.pay(ids(early, kept)).await;
        serving.stop();
        ledger.keep();
        let place = Place::new();
        let watchers = ledger.watch(&place, true);
        let policy = ledger.policy(&place, &watchers, "all");
        let serving = Serving::start(&data, Some(&policy)).unwrap();
        let first = serving.pay(ids(kept, kept + 1)).await;
        serving.witnessed(first).await;
        fs::copy(data.join(WITNESSED), ledger.path(WITNESSED)).unwrap();
        let last = serving.pay(ids(kept + 1, all - 20)).await;
        serving.witnessed(last).await;
        serving.stop();
        ledger.back_up("late");
        let serving = Serving::start(&data, Some(&policy)).unwrap();
        let last = serving.pay(ids(all - 20, all)).await;
        serving.witnessed(last).await;
        serving.stop();
        drop(watchers);
        ledger.finish(&place).await
    }

    /// A ledger whose policy asks for signatures, with a payment that two have signed.
    pub(crate) async fn with_approvals() -> Self {
        let mut world = World::with_fund().await;
        let proposed = world.propose("single", "m1", vec![world.made_by("m1", pay("V1", 5_000))]).await.unwrap();
        for who in ["c1", "c2"] {
            world.approve("single", who, &proposed.message_to_sign).await.unwrap();
        }
        let last = world.head();
        world.stop(true).await;
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        copy(&world.directory.path().join("data"), &data);
        let mut ledger = Self::empty(directory, &data);
        ledger.keep();
        let place = Place::new();
        let watchers = ledger.watch(&place, true);
        let policy = ledger.policy(&place, &watchers, "all");
        let serving = Serving::start(&data, Some(&policy)).unwrap();
        serving.witnessed(last).await;
        serving.stop();
        drop(watchers);
        ledger.finish(&place).await
    }

    async fn finish(mut self, place: &Place) -> Self {
        for name in WITNESSES {
            copy(&place.state(name), &self.path(&format!("{name}.state")));
        }
        self.events = events(&self.path("data"));
        let sound = self.place();
        let serving = Serving::start(&sound.data(), None).unwrap();
        self.answers = serving.answers().await;
        self
    }

    /// A copy of everything to attack.
    pub(crate) fn place(&self) -> Place {
        self.place_with("data")
    }

    /// The same with a backup in the place of the ledger: `early` is older than the auditor's checkpoint, `late` newer.
    pub(crate) fn place_with(&self, backup: &str) -> Place {
        let place = Place::new();
        copy(&self.path(backup), &place.data());
        for name in WITNESSES {
            copy(&self.path(&format!("{name}.state")), &place.state(name));
        }
        place
    }

    /// Puts back the first checkpoint that the witnesses cosigned.
    pub(crate) fn put_back_cosigned(&self, place: &Place) {
        fs::copy(self.path(WITNESSED), place.data().join(WITNESSED)).unwrap();
    }

    fn watch(&self, place: &Place, is_new: bool) -> Vec<Watcher> {
        let watchers = WITNESSES.iter().map(|name| {
            let mut command = Command::new(BINARY);
            command.args(["witness", "--listen", "127.0.0.1:0", "--log", &self.key, "--private-key"]);
            command.arg(self.path(&format!("{name}.key"))).arg("--state").arg(place.state(name));
            if is_new {
                command.arg("--init");
            }
            let mut child = start(command.stdout(Stdio::piped()).stderr(Stdio::null())).unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            let url = lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).unwrap();
            Watcher { child, url }
        });
        watchers.collect()
    }

    /// The auditor's policy, with the addresses of the witnesses that run; the others are named without one.
    fn policy(&self, place: &Place, watchers: &[Watcher], threshold: &str) -> PathBuf {
        let mut text = format!("log {}\n", self.key);
        for (at, (name, key)) in WITNESSES.iter().zip(&self.witness_keys).enumerate() {
            let url = watchers.get(at).map(|watcher| watcher.url.as_str()).unwrap_or_default();
            text.push_str(&format!("witness {name} {key} {url}\n"));
        }
        text.push_str(&format!("group quorate {threshold} {}\nquorum quorate\n", WITNESSES.join(" ")));
        let path = place.folder.path().join("policy");
        fs::write(&path, text).unwrap();
        path
    }

    /// Serves a directory under the eyes of one witness alone, who is enough there, and lets it grow.
    pub(crate) async fn shown_to(&self, place: &Place, data: &Path, witness: &str, ids: [&str; 2]) {
        let watchers = self.watch(place, false);
        let at = WITNESSES.iter().position(|name| *name == witness).unwrap();
        let (key, url) = (&self.witness_keys[at], &watchers[at].url);
        let policy = place.folder.path().join("policy");
        fs::write(&policy, format!("log {}\nwitness {witness} {key} {url}\nquorum {witness}\n", self.key)).unwrap();
        let serving = Serving::start(data, Some(&policy)).unwrap();
        let last = serving.pay(ids.into_iter().map(str::to_owned)).await;
        serving.witnessed(last).await;
        serving.stop();
    }

    /// What the auditor notices with the checkpoint that was kept.
    pub(crate) fn verified_with_kept(&self, place: &Place) -> Verified {
        let kept = self.path("kept");
        verify(&place.data(), &["--checkpoint", kept.to_str().unwrap(), "--key", &self.key])
    }

    /// What an auditor notices who asks for witnesses.
    pub(crate) fn verified_with_witnesses(&self, place: &Place, threshold: &str) -> Verified {
        let policy = self.policy(place, &[], threshold);
        verify(&place.data(), &["--policy", policy.to_str().unwrap()])
    }

    /// What an auditor who was shown one history notices of the other.
    pub(crate) fn verified_by_comparing(&self, place: &Place) -> Verified {
        let theirs = place.data().join("checkpoint");
        verify(&place.other(), &["--checkpoint", theirs.to_str().unwrap(), "--key", &self.key])
    }

    /// A start of a copy, with nothing from outside.
    pub(crate) async fn started_alone(&self, place: &Place) -> Started {
        self.started(&place.data(), None).await
    }

    /// A start of a copy that asks the witnesses, as they are in this place.
    pub(crate) async fn started_with_witnesses(&self, place: &Place, threshold: &str) -> Started {
        let watchers = self.watch(place, false);
        let policy = self.policy(place, &watchers, threshold);
        self.started(&place.data(), Some(&policy)).await
    }

    async fn started(&self, data: &Path, policy: Option<&Path>) -> Started {
        let served = tempfile::tempdir().unwrap();
        let copied = served.path().join("data");
        copy(data, &copied);
        let Some(serving) = Serving::start(&copied, policy) else { return Started::Refuses };
        let mut answers = serving.answers().await;
        // The rules may say no to it; a ledger that takes no postings does not come so far.
        match serving.post(vec![payment("probe")]).await {
            Err(status) if status.code() == Code::Unavailable => return Started::PostsNothing,
            posted => drop(posted.unwrap()),
        }
        answers.retain(|answer| !self.answers.contains(answer));
        let (fail, differ): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, said)| said.is_err());
        let names = |answers: Vec<Answer>| answers.into_iter().map(|(name, _)| name).collect();
        Started::GoesOn { differ: names(differ), fail: names(fail) }
    }
}
