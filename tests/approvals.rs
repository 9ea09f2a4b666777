//! Maker meets checker: proposals, signed approvals, roles and keys, over a real server on a real directory, with a clock
//! that the test moves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

mod server;

use std::collections::BTreeSet;
use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use fundledger::domain::approval::PublicKey;
use fundledger::domain::command::{Command, Envelope, Order};
use fundledger::domain::ids::{ActorId, KeyNumber, RequestId};
use fundledger::domain::refusal::Reason;
use fundledger::domain::time::{Day, UtcNanos};
use fundledger::format::approval;
use fundledger::format::block::{Block, BlockBuilder};
use fundledger::format::bundle::BundleWriter;
use fundledger::format::note_key::SignerKey;
use fundledger::format::record::{Head, split_entry};
use fundledger::grpc::node::Node;
use fundledger::grpc::server::{Limits, listen, serve};
use fundledger::ledger::Genesis;
use fundledger::ledger::clock::Clock;
use fundledger::ledger::directory::{DataDirectory, log_path};
use fundledger::log::Log;
use fundledger::log::sled::SledLog;
use fundledger::pb::Date;
use fundledger::pb::v1::command::Payload;
use fundledger::pb::v1::event::Payload as Happened;
use fundledger::pb::v1::ledger_service_client::LedgerServiceClient;
use fundledger::pb::v1::query_service_client::QueryServiceClient;
use fundledger::pb::v1::{self, AccountKind as Kind, Role};
use prost::Message;
use prost::bytes::Bytes;
use prost_types::Timestamp;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use server::{BINARY, errors, receipt};

const ORIGIN: &str = "test.invalid/funds";
const START: i64 = 1_795_000_000;
const TODAY: Date = Date { year: 2026, month: 11, day: 18 };

/// A clock that stands where the test puts it, in seconds.
#[derive(Clone)]
struct Moved(Arc<AtomicI64>);

impl Clock for Moved {
    fn now(&self) -> UtcNanos {
        UtcNanos(self.0.load(Ordering::SeqCst) * 1_000_000_000)
    }
}

fn key(name: &str) -> SignerKey {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    SignerKey::from_seed(name, &seed)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

/// A ledger with two administrators, `a1` and `a2`.
struct World {
    directory: TempDir,
    clock: Moved,
    node: Option<Arc<Node>>,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
    channel: Channel,
    keys: std::cell::Cell<u32>,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Moved(Arc::new(AtomicI64::new(START)));
        let admin = |name: &str| (ActorId::parse(name).unwrap(), key(name).verifier().public_key);
        let administrators = [admin("a1"), admin("a2")];
        let genesis = Genesis { origin: ORIGIN, development: false, administrators: &administrators };
        drop(DataDirectory::create(&directory.path().join("data"), genesis, &clock).unwrap());
        let channel = Channel::from_static("http://127.0.0.1:1").connect_lazy();
        let keys = std::cell::Cell::new(0);
        let mut world = Self { directory, clock, node: None, stop: None, served: None, channel, keys };
        world.start().await;
        world
    }

    async fn start(&mut self) {
        let node = Arc::new(Node::open(&self.directory.path().join("data"), Box::new(self.clock.clone())).unwrap());
        let (listener, bound) = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = Arc::clone(&node);
        self.served = Some(tokio::spawn(async move {
            serve(served, listener, Limits::default(), async { drop(stopped.await) }).await.unwrap();
        }));
        self.channel = Channel::from_shared(format!("http://{bound}")).unwrap().connect().await.unwrap();
        self.node = Some(node);
        self.stop = Some(stop);
    }

    /// Stops the server; with a snapshot, or as a crash would, without.
    async fn stop(&mut self, closes: bool) {
        drop(self.stop.take());
        self.channel = Channel::from_static("http://127.0.0.1:1").connect_lazy();
        self.served.take().unwrap().await.unwrap();
        let node = self.node.take().unwrap();
        tokio::task::spawn_blocking(move || {
            node.close().unwrap();
            drop(node);
        })
        .await
        .unwrap();
        if !closes {
            for derived in ["snapshots", "projections"] {
                for file in std::fs::read_dir(self.directory.path().join("data").join(derived)).unwrap() {
                    std::fs::remove_file(file.unwrap().path()).unwrap();
                }
            }
        }
    }

    fn now(&self) -> i64 {
        self.clock.0.load(Ordering::SeqCst)
    }

    fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    fn query(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.channel.clone())
    }

    fn new_key(&self, about: &str) -> String {
        self.keys.set(self.keys.get() + 1);
        format!("{about}-{}", self.keys.get())
    }

    async fn propose(&self, id: &str, maker: &str, commands: Vec<v1::Command>) -> Result<v1::ProposeResponse, Status> {
        let request = v1::ProposeRequest {
            request_id: id.to_owned(),
            business_date: Some(TODAY),
            actor: maker.to_owned(),
            commands,
            expires_at: Some(at(self.now() + 3_600)),
            validate_only: false,
        };
        self.ledger().propose(request).await.map(tonic::Response::into_inner)
    }

    async fn approve_with(
        &self,
        request_id: &str,
        proposal: &str,
        who: &str,
        signature: Vec<u8>,
    ) -> Result<v1::ApproveResponse, Status> {
        let request = v1::ApproveRequest {
            request_id: request_id.to_owned(),
            business_date: Some(TODAY),
            actor: who.to_owned(),
            proposal_id: proposal.to_owned(),
            signature: signature.into(),
        };
        self.ledger().approve(request).await.map(tonic::Response::into_inner)
    }

    async fn approve(&self, proposal: &str, who: &str, message: &[u8]) -> Result<v1::ApproveResponse, Status> {
        let signature = key(who).sign(message).0.to_vec();
        self.approve_with(&self.new_key("approve"), proposal, who, signature).await
    }

    async fn withdraw(&self, proposal: &str, who: &str) -> Result<v1::WithdrawResponse, Status> {
        let request = v1::WithdrawRequest {
            request_id: self.new_key("withdraw"),
            business_date: Some(TODAY),
            actor: who.to_owned(),
            proposal_id: proposal.to_owned(),
        };
        self.ledger().withdraw(request).await.map(tonic::Response::into_inner)
    }

    async fn pending(&self) -> Vec<v1::Proposal> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::ListPendingRequest {
                page_token,
                page_size: 1_000,
                min_sequence: Some(self.node.as_ref().unwrap().ledger().committed().sequence),
                ..Default::default()
            };
            let answer = self.ledger().list_pending(request).await.unwrap().into_inner();
            found.extend(answer.proposals);
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return found;
            }
        }
    }

    /// Proposes by one administrator and approves by the other: the outcome of the command.
    async fn administer(&self, payload: Payload) -> v1::PostResult {
        let id = self.new_key("set-up");
        let command = self.made_by("a1", payload);
        let proposed = self.propose(&id, "a1", vec![command]).await.unwrap();
        let approved = self.approve(&id, "a2", &proposed.message_to_sign).await.unwrap();
        approved.executed.expect("one signature of an administrator is enough")
    }

    async fn set_up(&self, payloads: Vec<Payload>) {
        for payload in payloads {
            receipt(self.administer(payload).await);
        }
    }

    fn made_by(&self, maker: &str, payload: Payload) -> v1::Command {
        v1::Command {
            request_id: self.new_key("key"),
            business_date: Some(TODAY),
            actor: maker.to_owned(),
            checkers: Vec::new(),
            preconditions: Vec::new(),
            payload: Some(payload),
        }
    }

    async fn post(&self, commands: Vec<v1::Command>) -> Vec<v1::PostResult> {
        let request = v1::PostRequest { commands, validate_only: false, approved_batch: None };
        self.ledger().post(request).await.unwrap().into_inner().results
    }

    async fn event(&self, sequence: i64) -> v1::Event {
        let answer = self.query().get_event(v1::GetEventRequest { sequence }).await.unwrap().into_inner();
        answer.record.unwrap().event.unwrap()
    }

    /// A fund whose policy wants signatures: one below 1,000, two from there on; a lot of 100,000 in unit U's hands; makers
    /// `m1` and `m2`, checkers `c1` and `c2` with keys, `c3` for another fund, `n1` with a key and no role.
    async fn with_fund() -> Self {
        let world = Self::new().await;
        let tier = |from_amount_minor, checkers| v1::CheckerTier { from_amount_minor, checkers };
        world
            .set_up(vec![
                Payload::SetPolicy(Box::new(v1::SetPolicy {
                    policy_id: "P".to_owned(),
                    version: 1,
                    effective_from: Some(Date { year: 2026, month: 1, day: 1 }),
                    plan_step: v1::PlanStep::Optional.into(),
                    checker_tiers: vec![tier(0, 1), tier(1_000, 2)],
                    document_sha256: vec![1; 32].into(),
                    signed_approvals: true,
                })),
                fund("F", "P"),
                fund("G", "P"),
            ])
            .await;
        let accounts = [
            ("src", Kind::AuthoritySource, ""),
            ("unalloc", Kind::AuthorityUnallocated, ""),
            ("unit", Kind::AuthorityUnit, "U"),
            ("used", Kind::AuthorityUsed, "U"),
            ("carry", Kind::AuthorityCarry, ""),
            ("recalled", Kind::AuthorityRecalled, ""),
            ("treasury", Kind::Treasury, ""),
            ("fundlot", Kind::FundLot, ""),
            ("clearing", Kind::Clearing, ""),
        ];
        let open = |(id, kind, unit): (&str, Kind, &str)| {
            Payload::OpenAccount(Box::new(v1::OpenAccount {
                account_id: id.to_owned(),
                fund_id: "F".to_owned(),
                kind: kind.into(),
                unit_id: unit.to_owned(),
            }))
        };
        world.set_up(accounts.into_iter().map(open).collect()).await;
        for who in ["c1", "c2", "c3", "n1"] {
            receipt(world.administer(register(who, &key(who))).await);
        }
        world
            .set_up(vec![
                grant("c1", Role::Checker, ""),
                grant("c2", Role::Checker, "F"),
                grant("c3", Role::Checker, "G"),
            ])
            .await;
        let issue = Payload::IssueBudget(Box::new(v1::IssueBudget {
            lot_id: "L".to_owned(),
            to_account_id: "unalloc".to_owned(),
            amount_minor: 100_000,
            issuer_id: "I".to_owned(),
            document_number: "财农〔2026〕12号".to_owned(),
            document_sha256: vec![2; 32].into(),
            ..Default::default()
        }));
        let allocate = Payload::AllocateBudget(Box::new(v1::AllocateBudget {
            movement: Some(v1::AuthorityMovement {
                from_account_id: "unalloc".to_owned(),
                to_account_id: "unit".to_owned(),
                amount_minor: 100_000,
                draws: draws(100_000),
            }),
            document_number: String::new(),
        }));
        let cash = Payload::ReceiveCash(Box::new(v1::ReceiveCash {
            lot_id: "L".to_owned(),
            amount_minor: 100_000,
            bank_reference: "B".to_owned(),
        }));
        for payload in [issue, allocate] {
            let id = world.new_key("money");
            let proposed = world.propose(&id, "m1", vec![world.made_by("m1", payload)]).await.unwrap();
            let first = world.approve(&id, "c1", &proposed.message_to_sign).await.unwrap();
            assert!(first.executed.is_none(), "two are needed");
            let second = world.approve(&id, "c2", &proposed.message_to_sign).await.unwrap();
            receipt(second.executed.expect("two have signed"));
        }
        let cash = world.made_by("m1", cash);
        receipt(world.post(vec![cash]).await.remove(0));
        world
    }

    /// Stops the server and lets two independent verifiers look at what it left.
    async fn verified(mut self) {
        self.stop(true).await;
        let data = self.directory.path().join("data");
        let verified = Process::new(BINARY).args(["verify", "--deep", "--allow-unanchored"]).arg(&data).output();
        let verified = verified.unwrap();
        assert!(verified.status.success(), "{}{}", String::from_utf8_lossy(&verified.stdout), errors(&verified));
        let bundle = self.directory.path().join("bundle");
        let exported = Process::new(BINARY).args(["export", "--data"]).arg(&data).arg("--bundle").arg(&bundle).output();
        assert!(exported.unwrap().status.success());
        let oracle = Process::new("python3").arg("tests/oracle/verify.py").arg(&bundle).arg("--deep").output();
        if let Ok(oracle) = oracle {
            assert!(oracle.status.success(), "{}{}", String::from_utf8_lossy(&oracle.stdout), errors(&oracle));
        }
    }
}

fn fund(fund_id: &str, policy_id: &str) -> Payload {
    Payload::DefineFund(Box::new(v1::DefineFund {
        fund_id: fund_id.to_owned(),
        name: fund_id.to_owned(),
        family: v1::FundFamily::Special.into(),
        policy_id: policy_id.to_owned(),
        legal_basis: "test".to_owned(),
        ..Default::default()
    }))
}

fn grant(who: &str, role: Role, fund_id: &str) -> Payload {
    Payload::GrantRole(Box::new(v1::GrantRole {
        principal_id: who.to_owned(),
        role: role.into(),
        fund_id: fund_id.to_owned(),
    }))
}

fn revoke(who: &str, role: Role) -> Payload {
    Payload::RevokeRole(Box::new(v1::RevokeRole {
        principal_id: who.to_owned(),
        role: role.into(),
        fund_id: String::new(),
    }))
}

fn register(who: &str, key: &SignerKey) -> Payload {
    let PublicKey(bytes) = key.verifier().public_key;
    Payload::RotateKey(Box::new(v1::RotateKey {
        principal_id: who.to_owned(),
        public_key: Bytes::copy_from_slice(&bytes),
    }))
}

fn unregister(who: &str) -> Payload {
    Payload::RotateKey(Box::new(v1::RotateKey { principal_id: who.to_owned(), public_key: Bytes::new() }))
}

fn draws(amount_minor: i64) -> Vec<v1::Draw> {
    vec![v1::Draw { lot_id: "L".to_owned(), amount_minor }]
}

fn pay(payment_id: &str, amount_minor: i64) -> Payload {
    Payload::ExecutePayment(Box::new(v1::ExecutePayment {
        payment_id: payment_id.to_owned(),
        from_account_id: "unit".to_owned(),
        amount_minor,
        draws: draws(amount_minor),
        payee: "EXAMPLE LTD".to_owned(),
        purpose: "ROADS".to_owned(),
        method: v1::PaymentMethod::Direct.into(),
        ..Default::default()
    }))
}

fn reason_of(status: &Status) -> String {
    status.get_details_error_info().expect("every error says why").reason
}

fn refusal_of(result: v1::PostResult) -> String {
    match result.outcome {
        Some(v1::post_result::Outcome::Error(status)) => {
            tonic_types::RpcStatusExt::get_details_error_info(&status).expect("every error says why").reason
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_payment_is_executed_by_the_approval_that_completes_what_the_policy_asks_for() {
    let world = World::with_fund().await;
    let command = world.made_by("m1", pay("V1", 5_000));
    let request_id = command.request_id.clone();
    let proposed = world.propose("proposal-1", "m1", vec![command]).await.unwrap();

    let pending = world.pending().await;
    assert_eq!(pending.len(), 1);
    let waiting = &pending[0];
    assert_eq!((waiting.proposal_id.as_str(), waiting.maker.as_str()), ("proposal-1", "m1"));
    assert_eq!(waiting.content, Some(v1::proposal::Content::Command(proposed.commands[0].clone())));
    assert_eq!(waiting.message_to_sign, proposed.message_to_sign);
    // Persons are pseudonyms in what is signed, and in what is stored.
    let signed = v1::Command::decode(proposed.commands[0].clone()).unwrap();
    let Some(Payload::ExecutePayment(payment)) = &signed.payload else { panic!("{signed:?}") };
    assert_eq!((payment.payee.as_str(), payment.payee_pseudonym.len()), ("", 16));

    let first = world.approve("proposal-1", "c1", &proposed.message_to_sign).await.unwrap();
    assert!(first.executed.is_none());
    assert_eq!(world.pending().await[0].approvers, ["c1"]);
    let signature = key("c2").sign(&proposed.message_to_sign).0.to_vec();
    let last = world.approve_with("last", "proposal-1", "c2", signature.clone()).await.unwrap();
    let executed = receipt(last.executed.clone().unwrap());
    assert!(world.pending().await.is_empty());

    // The event proves by itself that the approvals were over exactly these bytes.
    let event = world.event(executed.sequence).await;
    assert_eq!(event.request_id, request_id);
    let kept = event.signed.unwrap();
    assert_eq!(kept.command, proposed.commands[0]);
    let message = approval::command_message(ORIGIN, &request_id, UtcNanos(kept.expires_at_ns), &kept.command);
    assert_eq!(message, proposed.message_to_sign);
    let approvers: Vec<_> = event.approvals.iter().map(|approval| approval.actor.as_str()).collect();
    assert_eq!(approvers, ["c1", "c2"]);
    for one in &event.approvals {
        let signature = fundledger::domain::approval::Signature(one.signature.as_ref().try_into().unwrap());
        assert!(approval::verifies(&key(&one.actor).verifier().public_key, &message, &signature));
    }

    // The answer may be lost: the same again gives the same, and pays nothing.
    let again = world.approve_with("last", "proposal-1", "c2", signature).await.unwrap();
    let expected = v1::Receipt { replayed: true, ..executed.clone() };
    assert_eq!(receipt(again.executed.unwrap()), expected);
    assert_eq!(again.receipt.unwrap(), v1::Receipt { replayed: true, ..last.receipt.unwrap() });
    let found = world.ledger().get_receipt(v1::GetReceiptRequest { request_id }).await.unwrap().into_inner();
    assert_eq!(receipt(found.result.unwrap()), expected);
    let head = world.node.as_ref().unwrap().ledger().committed().sequence;
    assert_eq!(head, executed.sequence);
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_refusal_about_approvals_is_made_and_says_why() {
    let world = World::with_fund().await;
    let seen = std::cell::RefCell::new(BTreeSet::new());
    let check = |status: Status, code: Code, reason: &str| {
        assert_eq!((status.code(), reason_of(&status).as_str()), (code, reason), "{status:?}");
        seen.borrow_mut().insert(reason.to_owned());
    };
    let proposed = world.propose("p", "m1", vec![world.made_by("m1", pay("V1", 5_000))]).await.unwrap();
    let message = &proposed.message_to_sign;
    let other = world.propose("q", "c1", vec![world.made_by("c1", pay("V2", 5_000))]).await.unwrap();

    // Over other bytes, by another's key, of another length, with a bit changed.
    let over_other = world.approve("p", "c1", &other.message_to_sign).await.unwrap_err();
    check(over_other, Code::InvalidArgument, "SIGNATURE_INVALID");
    let by_other = world.approve_with("k1", "p", "c1", key("c2").sign(message).0.to_vec()).await.unwrap_err();
    check(by_other, Code::InvalidArgument, "SIGNATURE_INVALID");
    let short = world.approve_with("k1", "p", "c1", vec![0; 63]).await.unwrap_err();
    check(short, Code::InvalidArgument, "FIELD_INVALID");
    let mut bent = key("c1").sign(message).0.to_vec();
    bent[3] ^= 1;
    let bent = world.approve_with("k1", "p", "c1", bent).await.unwrap_err();
    check(bent, Code::InvalidArgument, "SIGNATURE_INVALID");
    // Nothing of that was recorded, so the key is free.
    world.approve_with("k1", "p", "c1", key("c1").sign(message).0.to_vec()).await.unwrap();

    let twice = world.approve("p", "c1", message).await.unwrap_err();
    check(twice, Code::AlreadyExists, "ALREADY_APPROVED");
    let own = world.approve("q", "c1", &other.message_to_sign).await.unwrap_err();
    check(own, Code::FailedPrecondition, "SEGREGATION_OF_DUTIES");
    let no_role = world.approve("p", "n1", message).await.unwrap_err();
    check(no_role, Code::PermissionDenied, "ROLE_MISSING");
    let no_key = world.approve("p", "m2", message).await.unwrap_err();
    check(no_key, Code::NotFound, "KEY_NOT_FOUND");
    let unknown = world.approve("nobody-proposed-it", "c1", message).await.unwrap_err();
    check(unknown, Code::NotFound, "PROPOSAL_NOT_PENDING");
    let not_theirs = world.withdraw("q", "m1").await.unwrap_err();
    check(not_theirs, Code::PermissionDenied, "NOT_THE_MAKER");
    // A checker of another fund may sign, but does not count.
    let elsewhere = world.approve("p", "c3", message).await.unwrap();
    assert!(elsewhere.executed.is_none());

    // A key that was replaced: what it signs from now on counts no more.
    receipt(world.administer(register("c2", &SignerKey::from_seed("c2", &[7; 32]))).await);
    let replaced = world.approve("p", "c2", message).await.unwrap_err();
    check(replaced, Code::PermissionDenied, "KEY_REVOKED");
    world.withdraw("q", "c1").await.unwrap();
    let withdrawn = world.withdraw("q", "c1").await.unwrap_err();
    check(withdrawn, Code::NotFound, "PROPOSAL_NOT_PENDING");

    // Time.
    let late = world.made_by("m1", pay("V3", 1));
    let mut request = v1::ProposeRequest {
        request_id: "late".to_owned(),
        business_date: Some(TODAY),
        actor: "m1".to_owned(),
        commands: vec![late],
        expires_at: Some(at(world.now())),
        validate_only: false,
    };
    let past = world.ledger().propose(request.clone()).await.unwrap_err();
    check(past, Code::FailedPrecondition, "EXPIRY_OUT_OF_RANGE");
    request.request_id = "far".to_owned();
    request.expires_at = Some(at(world.now() + 367 * 86_400));
    let far = world.ledger().propose(request).await.unwrap_err();
    check(far, Code::FailedPrecondition, "EXPIRY_OUT_OF_RANGE");

    // Roles and keys.
    let administered = [
        (register("x", &key("c1")), "KEY_EXISTS"),
        (grant("c1", Role::Checker, ""), "ROLE_EXISTS"),
        (grant("c1", Role::Checker, "NO"), "FUND_NOT_FOUND"),
        (revoke("c1", Role::Leader), "ROLE_NOT_FOUND"),
        (grant("c1", Role::Auditor, ""), "ROLES_CONFLICT"),
        (unregister("m1"), "KEY_NOT_FOUND"),
        (unregister("a2"), "ADMINISTRATORS_TOO_FEW"),
        (revoke("a1", Role::Admin), "ADMINISTRATORS_TOO_FEW"),
    ];
    for (payload, reason) in administered {
        assert_eq!(refusal_of(world.administer(payload).await), reason);
        seen.borrow_mut().insert(reason.to_owned());
    }
    // A third administrator, and one of the first two may go.
    receipt(world.administer(register("a3", &key("a3"))).await);
    receipt(world.administer(grant("a3", Role::Admin, "")).await);
    let grant_by = |maker: &str| world.made_by(maker, grant("z", Role::Maker, ""));
    let by_stranger = world.propose("s", "m1", vec![grant_by("m1")]).await.unwrap();
    // Nobody's signature makes up for a maker who is no administrator: the proposal ends refused, or waits until it lapses.
    let by_stranger = world.approve("s", "a1", &by_stranger.message_to_sign).await.unwrap();
    assert!(by_stranger.executed.is_none());
    // Named checkers are not enough, for set-up as for money.
    let mut named = grant_by("a1");
    named.checkers = vec!["a2".to_owned()];
    let mut money = world.made_by("m1", pay("V4", 1));
    money.checkers = vec!["c1".to_owned()];
    for result in world.post(vec![named, money]).await {
        assert_eq!(refusal_of(result), "APPROVAL_MISSING");
    }

    // Batches.
    let commands = vec![world.made_by("m1", pay("V5", 1)), world.made_by("m1", pay("V6", 2))];
    let batch = world.propose("b", "m1", commands).await.unwrap();
    let post = |proposal_id: &str, commands: Vec<Bytes>| {
        let approved_batch = Some(v1::ApprovedBatch { proposal_id: proposal_id.to_owned(), commands });
        v1::PostRequest { commands: Vec::new(), validate_only: false, approved_batch }
    };
    let mut swapped = batch.commands.clone();
    swapped.swap(0, 1);
    let more = [batch.commands.clone(), vec![batch.commands[0].clone()]].concat();
    for commands in [swapped, vec![batch.commands[0].clone()], more, Vec::new()] {
        let mismatch = world.ledger().post(post("b", commands)).await.unwrap_err();
        check(mismatch, Code::InvalidArgument, "BATCH_MISMATCH");
    }
    let garbage = world.ledger().post(post("b", vec![Bytes::from_static(b"\xff"); 2])).await.unwrap_err();
    check(garbage, Code::InvalidArgument, "FIELD_INVALID");
    let single = world.ledger().post(post("p", proposed.commands.clone())).await.unwrap_err();
    check(single, Code::InvalidArgument, "FIELD_INVALID");
    let unknown = world.ledger().post(post("nothing", proposed.commands.clone())).await.unwrap_err();
    check(unknown, Code::NotFound, "PROPOSAL_NOT_PENDING");

    // The time of "p" runs out, whether or not anybody has recorded it.
    world.pass(3_600);
    let expired = world.approve("p", "c2", message).await.unwrap_err();
    assert_eq!(reason_of(&expired), "PROPOSAL_NOT_PENDING", "the expiry is recorded first");
    assert!(world.pending().await.is_empty());
    let signed = signed_command(&world, "m1", pay("V7", 1), "c1", world.now() + 60).await;
    world.pass(60);
    assert_eq!(refusal_of(world.post(vec![signed]).await.remove(0)), "APPROVAL_EXPIRED");
    seen.borrow_mut().insert("APPROVAL_EXPIRED".to_owned());

    let about_approvals = |reason: &&Reason| matches!(reason.number(), 40..=49 | 109..=111 | 128..=130 | 170..=176);
    let missing: Vec<_> =
        Reason::ALL.iter().filter(about_approvals).filter(|reason| !seen.borrow().contains(reason.as_str())).collect();
    assert!(missing.is_empty(), "no refusal was seen for {missing:?}");
    world.verified().await;
}

/// A command with one signature, made without a proposal on record.
async fn signed_command(world: &World, maker: &str, payload: Payload, who: &str, expires_at: i64) -> v1::Command {
    let request = v1::ProposeRequest {
        request_id: world.new_key("dry"),
        business_date: Some(TODAY),
        actor: maker.to_owned(),
        commands: vec![world.made_by(maker, payload)],
        expires_at: Some(at(expires_at)),
        validate_only: true,
    };
    let exact = world.ledger().propose(request).await.unwrap().into_inner();
    assert!(exact.receipt.is_none_or(|receipt| receipt.sequence == 0));
    let signature = Bytes::copy_from_slice(&key(who).sign(&exact.message_to_sign).0);
    let signed = v1::SignedCommandRequest {
        command: exact.commands[0].clone(),
        expires_at: Some(at(expires_at)),
        approvals: vec![v1::SignedApproval { actor: who.to_owned(), signature }],
    };
    v1::Command { payload: Some(Payload::SignedCommand(Box::new(signed))), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_command_may_come_with_its_signatures() {
    let world = World::with_fund().await;
    let signed = signed_command(&world, "m1", pay("V1", 999), "c1", world.now() + 60).await;
    let first = receipt(world.post(vec![signed.clone()]).await.remove(0));
    let again = receipt(world.post(vec![signed.clone()]).await.remove(0));
    assert_eq!(again, v1::Receipt { replayed: true, ..first.clone() });
    assert_eq!(world.event(first.sequence).await.approvals[0].actor, "c1");

    // Two are needed from 1,000 on; the refusal keeps what was signed.
    let too_few = signed_command(&world, "m1", pay("V2", 1_000), "c1", world.now() + 60).await;
    assert_eq!(refusal_of(world.post(vec![too_few]).await.remove(0)), "APPROVAL_MISSING");
    let head = world.node.as_ref().unwrap().ledger().committed().sequence;
    let refused = world.event(head).await;
    assert!(matches!(refused.payload, Some(Happened::CommandRefused(_))) && refused.signed.is_some());

    // A signed command stands alone, and is what was signed.
    let with_actor = v1::Command { actor: "m1".to_owned(), ..signed.clone() };
    assert_eq!(refusal_of(world.post(vec![with_actor]).await.remove(0)), "FIELD_INVALID");
    let Some(Payload::SignedCommand(mut inner)) = signed.payload else { panic!("not signed") };
    let mut changed = v1::Command::decode(inner.command.clone()).unwrap();
    changed.actor = "m2".to_owned();
    inner.command = changed.encode_to_vec().into();
    let changed = v1::Command { payload: Some(Payload::SignedCommand(inner.clone())), ..Default::default() };
    assert_eq!(refusal_of(world.post(vec![changed]).await.remove(0)), "SIGNATURE_INVALID");
    // Nested, undecodable, naming a person, naming a checker, leaving draws open.
    let nested = v1::Command { payload: Some(Payload::SignedCommand(inner.clone())), ..Default::default() };
    let mut named = v1::Command::decode(inner.command.clone()).unwrap();
    named.checkers = vec!["c1".to_owned()];
    let mut open_draws = world.made_by("m1", pay("V3", 1));
    let mut person = open_draws.clone();
    if let Some(Payload::ExecutePayment(payment)) = &mut open_draws.payload {
        payment.draws.clear();
        payment.payee.clear();
        payment.payee_pseudonym = vec![1; 16].into();
    }
    if let Some(Payload::ExecutePayment(payment)) = &mut person.payload {
        payment.payee = "A PERSON".to_owned();
    }
    let garbage = Bytes::from_static(b"\x0a\xff");
    let bytes = [nested, named, open_draws, person].map(|command| Bytes::from(command.encode_to_vec()));
    for command in bytes.into_iter().chain([garbage, Bytes::new()]) {
        let inner = v1::SignedCommandRequest { command, ..(*inner).clone() };
        let bad = v1::Command { payload: Some(Payload::SignedCommand(Box::new(inner))), ..Default::default() };
        let result = refusal_of(world.post(vec![bad]).await.remove(0));
        assert!(["FIELD_INVALID", "DATE_INVALID"].contains(&result.as_str()), "{result}");
    }
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_batch_is_approved_by_its_root_and_posted_once() {
    let world = World::with_fund().await;
    // The second pays more than is there: it is refused, and the others stand.
    let payloads = [pay("V1", 500), pay("V2", 900_000), pay("V3", 700)];
    let commands: Vec<_> = payloads.into_iter().map(|payload| world.made_by("m1", payload)).collect();
    let batch = world.propose("batch", "m1", commands).await.unwrap();
    assert_eq!(batch.control_total_minor, 901_200);
    let waiting = world.pending().await.remove(0);
    let Some(v1::proposal::Content::Batch(shown)) = waiting.content else { panic!("no batch") };
    assert_eq!((shown.command_count, shown.control_total_minor, &shown.root), (3, 901_200, &batch.root));

    let approved_batch = Some(v1::ApprovedBatch { proposal_id: "batch".to_owned(), commands: batch.commands.clone() });
    let post = v1::PostRequest { commands: Vec::new(), validate_only: false, approved_batch };
    for who in ["c1", "c2"] {
        let approved = world.approve("batch", who, &waiting.message_to_sign).await.unwrap();
        assert!(approved.executed.is_none(), "its maker posts it");
    }
    let results = world.ledger().post(post.clone()).await.unwrap().into_inner().results;
    let refused = refusal_of(results[1].clone());
    assert_eq!(refused, "INSUFFICIENT_BALANCE");
    let first = receipt(results[0].clone());
    let event = world.event(first.sequence).await;
    let signed = event.signed.unwrap();
    assert_eq!((signed.batch_index, signed.proposal_sequence), (Some(0), waiting.sequence));
    assert_eq!(signed.command, batch.commands[0]);
    let approvers: Vec<_> = event.approvals.iter().map(|approval| approval.actor.as_str()).collect();
    assert_eq!(approvers, ["c1", "c2"]);
    assert!(world.pending().await.is_empty(), "every command has its event");

    let head = world.node.as_ref().unwrap().ledger().committed();
    let again = world.ledger().post(post).await.unwrap().into_inner().results;
    assert_eq!(receipt(again[0].clone()), v1::Receipt { replayed: true, ..first });
    assert_eq!(refusal_of(again[1].clone()), "INSUFFICIENT_BALANCE");
    assert_eq!(world.node.as_ref().unwrap().ledger().committed(), head);
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn expiry_is_an_event_and_comes_before_what_is_posted_later() {
    let world = World::with_fund().await;
    world.propose("p", "m1", vec![world.made_by("m1", pay("V1", 5_000))]).await.unwrap();
    world.pass(3_600);
    let cash = Payload::ReceiveCash(Box::new(v1::ReceiveCash {
        lot_id: "L".to_owned(),
        amount_minor: 1,
        bank_reference: "B2".to_owned(),
    }));
    let posted = receipt(world.post(vec![world.made_by("m1", cash)]).await.remove(0));
    let mut expired = Vec::new();
    for sequence in 1..posted.sequence {
        let event = world.event(sequence).await;
        if let Some(Happened::ProposalExpired(one)) = event.payload {
            assert_eq!(
                (event.actor.as_str(), event.request_id),
                ("/ledger", format!("/expired/{}", one.proposal_sequence))
            );
            expired.push(one.proposal_sequence);
        }
    }
    assert_eq!(expired.len(), 1);
    assert!(world.pending().await.is_empty());
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn proposals_survive_restarts_and_a_crash_before_the_execution_is_made_up_for() {
    let mut world = World::with_fund().await;
    let first = world.propose("first", "m1", vec![world.made_by("m1", pay("V1", 5_000))]).await.unwrap();
    world.approve("first", "c1", &first.message_to_sign).await.unwrap();
    for closes in [true, false] {
        let before = world.pending().await;
        world.stop(closes).await;
        world.start().await;
        assert_eq!(world.pending().await, before);
    }
    // The last approval reaches the disk, and nothing after it: as if the power had gone in between.
    let node = Arc::clone(world.node.as_ref().unwrap());
    let number = node.views().authority.keys_of(&ActorId::parse("c2").unwrap()).next().map(|(number, _)| number);
    let approve = Command {
        envelope: Envelope {
            request_id: RequestId::parse("cut-off").unwrap(),
            business_date: Day::new(2026, 11, 18).unwrap(),
            actor: ActorId::parse("c2").unwrap(),
            approvals: fundledger::domain::approval::Approvals::default(),
        },
        preconditions: Vec::new(),
        order: Order::Approve {
            proposal_id: RequestId::parse("first").unwrap(),
            key: number.unwrap_or(KeyNumber(0)),
            signature: key("c2").sign(&first.message_to_sign),
        },
    };
    let prepared = node.ledger().prepare(approve, &mut Vec::new());
    node.ledger().post(vec![prepared]).await.unwrap();
    drop(node);
    assert_eq!(world.pending().await[0].approvers, ["c1", "c2"]);
    world.stop(true).await;
    world.start().await;
    // The server looks after it by itself; the client's retry finds it done, or does it.
    let again = world.approve_with("cut-off", "first", "c2", key("c2").sign(&first.message_to_sign).0.to_vec()).await;
    receipt(again.unwrap().executed.expect("it is executed"));
    assert!(world.pending().await.is_empty());
    let trace = v1::TraceRequest {
        as_of_sequence: None,
        start: Some(v1::trace_request::Start::PaymentId("V1".to_owned())),
        min_sequence: Some(world.node.as_ref().unwrap().ledger().committed().sequence),
    };
    world.query().trace(trace).await.unwrap();
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_proposals_wait_in_pages() {
    const COUNT: usize = 10_000;
    let mut world = World::with_fund().await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..COUNT {
        let mut ledger = world.ledger();
        let command = v1::Command {
            request_id: format!("command-{number}"),
            ..world.made_by("m1", pay(&format!("V{number}"), 1))
        };
        let request = v1::ProposeRequest {
            request_id: format!("proposal-{number}"),
            business_date: Some(TODAY),
            actor: "m1".to_owned(),
            commands: vec![command],
            expires_at: Some(at(world.now() + 3_600)),
            validate_only: false,
        };
        calls.spawn(async move { ledger.propose(request).await.unwrap() });
        if calls.len() >= 256 {
            calls.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    let pending = world.pending().await;
    let names: BTreeSet<_> = pending.iter().map(|proposal| proposal.proposal_id.clone()).collect();
    assert_eq!((pending.len(), names.len()), (COUNT, COUNT));
    assert!(pending.is_sorted_by_key(|proposal| proposal.sequence));

    world.stop(true).await;
    world.start().await;
    let one = v1::ListPendingRequest { proposal_id: "proposal-7777".to_owned(), ..Default::default() };
    let one = world.ledger().list_pending(one).await.unwrap().into_inner().proposals;
    assert_eq!(one.len(), 1);
    receipt(world.approve("proposal-7777", "c1", &one[0].message_to_sign).await.unwrap().executed.unwrap());
    let forged = v1::ListPendingRequest { page_token: "00".to_owned(), ..Default::default() };
    assert_eq!(reason_of(&world.ledger().list_pending(forged).await.unwrap_err()), "PAGE_TOKEN_INVALID");

    // All the others lapse at one moment: each by its own event, in order.
    world.pass(3_600);
    let head = world.node.as_ref().unwrap().ledger().committed().sequence;
    let late = Payload::ReceiveCash(Box::new(v1::ReceiveCash {
        lot_id: "L".to_owned(),
        amount_minor: 1,
        bank_reference: "late".to_owned(),
    }));
    world.post(vec![world.made_by("m1", late)]).await;
    let after = world.node.as_ref().unwrap().ledger().committed().sequence;
    assert_eq!(after - head, i64::try_from(COUNT).unwrap(), "9,999 expiries and the receipt");
    assert!(world.pending().await.is_empty());
    world.verified().await;
}

type Edit<'a> = Box<dyn Fn(&mut v1::Event) + 'a>;

/// The ledger's events with one of them edited, chained anew, as a bundle: what whoever holds the disk could make.
fn forged(world: &World, edit: impl Fn(&mut v1::Event)) -> std::path::PathBuf {
    let log = SledLog::open(&log_path(&world.directory.path().join("data"))).unwrap();
    let reader = log.reader();
    let mut builder = BlockBuilder::new(Head::EMPTY);
    let mut next = 0;
    while let Some(block) = reader.block_at(next).unwrap() {
        next = block.head.next_sequence();
        for entry in block.entries() {
            let mut event = v1::Event::decode(split_entry(entry).unwrap().1).unwrap();
            edit(&mut event);
            builder.push(|buffer| event.encode(buffer).unwrap()).unwrap();
        }
    }
    let path = world.directory.path().join("forged");
    let mut bundle = BundleWriter::new(std::fs::File::create(&path).unwrap()).unwrap();
    for value in builder.take().iter().flat_map(Block::to_values) {
        bundle.value(&value.key, &value.value).unwrap();
    }
    bundle.finish().unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn approvals_that_were_tampered_with_are_named_by_deep_verification() {
    let mut world = World::with_fund().await;
    let single = world.propose("single", "m1", vec![world.made_by("m1", pay("V1", 5_000))]).await.unwrap();
    world.approve("single", "c1", &single.message_to_sign).await.unwrap();
    world.approve("single", "c2", &single.message_to_sign).await.unwrap();
    let commands = vec![world.made_by("m1", pay("V2", 1)), world.made_by("m1", pay("V3", 2))];
    let batch = world.propose("batch", "m1", commands).await.unwrap();
    world.approve("batch", "c1", &batch.message_to_sign).await.unwrap();
    let approved_batch = Some(v1::ApprovedBatch { proposal_id: "batch".to_owned(), commands: batch.commands.clone() });
    let post = v1::PostRequest { commands: Vec::new(), validate_only: false, approved_batch };
    for result in world.ledger().post(post).await.unwrap().into_inner().results {
        receipt(result);
    }
    world.propose("left", "m1", vec![world.made_by("m1", pay("V4", 1))]).await.unwrap();
    world.withdraw("left", "m1").await.unwrap();
    world.stop(true).await;

    let is_payment = |event: &v1::Event, id: &str| matches!(&event.payload, Some(Happened::PaymentExecuted(payment)) if payment.payment_id == id);
    let edits: Vec<(&str, Edit<'_>)> = vec![
        ("nothing", Box::new(|_| {})),
        (
            "a signature",
            Box::new(|event| {
                if is_payment(event, "V1") {
                    let mut signature = event.approvals[1].signature.to_vec();
                    signature[9] ^= 1;
                    event.approvals[1].signature = signature.into();
                }
            }),
        ),
        (
            "an approver",
            Box::new(|event| {
                if is_payment(event, "V1") {
                    event.approvals[1].actor = "c3".to_owned();
                }
            }),
        ),
        (
            "the signed bytes",
            Box::new(|event| {
                if is_payment(event, "V1") {
                    let signed = event.signed.as_mut().unwrap();
                    let mut command = v1::Command::decode(signed.command.clone()).unwrap();
                    command.business_date = Some(Date { year: 2026, month: 11, day: 19 });
                    signed.command = command.encode_to_vec().into();
                }
            }),
        ),
        (
            "another command's bytes",
            Box::new(|event| {
                if is_payment(event, "V1") {
                    event.signed.as_mut().unwrap().command = batch.commands[0].clone();
                }
            }),
        ),
        (
            "the time of expiry",
            Box::new(|event| {
                if is_payment(event, "V1") {
                    event.signed.as_mut().unwrap().expires_at_ns += 1;
                }
            }),
        ),
        (
            "a leaf of a batch",
            Box::new(|event| {
                if is_payment(event, "V3") {
                    let signed = event.signed.as_mut().unwrap();
                    let mut command = v1::Command::decode(signed.command.clone()).unwrap();
                    command.business_date = Some(Date { year: 2026, month: 11, day: 19 });
                    signed.command = command.encode_to_vec().into();
                }
            }),
        ),
        (
            "a place in a batch",
            Box::new(|event| {
                if is_payment(event, "V3") {
                    event.signed.as_mut().unwrap().batch_index = Some(0);
                }
            }),
        ),
        (
            "the approvers of a batch",
            Box::new(|event| {
                if is_payment(event, "V2") {
                    event.approvals[0].actor = "c2".to_owned();
                }
            }),
        ),
        (
            "a batch's root",
            Box::new(|event| {
                if let Some(Happened::CommandProposed(proposed)) = &mut event.payload
                    && let Some(v1::command_proposed::Content::Batch(batch)) = &mut proposed.content
                {
                    batch.root = vec![9; 32].into();
                }
            }),
        ),
        (
            "a registered key",
            Box::new(|event| {
                if let Some(Happened::KeyRotated(rotated)) = &mut event.payload
                    && rotated.principal_id == "c1"
                {
                    rotated.public_key = Bytes::copy_from_slice(&key("n1").verifier().public_key.0);
                }
            }),
        ),
        (
            "an administrator",
            Box::new(|event| {
                if let Some(Happened::LedgerCreated(created)) = &mut event.payload {
                    created.administrators.truncate(1);
                }
            }),
        ),
        (
            "a role",
            Box::new(|event| {
                if let Some(Happened::RoleGranted(granted)) = &mut event.payload
                    && granted.principal_id == "c2"
                {
                    granted.role = Role::Auditor.into();
                    granted.principal_id = "c1".to_owned();
                }
            }),
        ),
        (
            "who withdrew",
            Box::new(|event| {
                if matches!(event.payload, Some(Happened::ProposalWithdrawn(_))) {
                    event.actor = "m2".to_owned();
                }
            }),
        ),
        (
            "a withdrawal turned into an expiry",
            Box::new(|event| {
                if let Some(Happened::ProposalWithdrawn(withdrawn)) = &event.payload {
                    let proposal_sequence = withdrawn.proposal_sequence;
                    event.payload = Some(Happened::ProposalExpired(v1::ProposalExpired { proposal_sequence }));
                    event.actor = "/ledger".to_owned();
                    event.request_id = format!("/expired/{proposal_sequence}");
                }
            }),
        ),
    ];
    for (what, edit) in edits {
        let bundle = forged(&world, edit);
        let report = Process::new(BINARY).arg("verify").arg(&bundle).args(["--deep", "--allow-unanchored"]).output();
        let report = report.unwrap();
        let text = String::from_utf8_lossy(&report.stdout);
        assert_eq!(report.status.success(), what == "nothing", "{what}: {text}");
        assert_eq!(text.contains("[approval]"), what != "nothing", "{what}: {text}");
    }
}

/// Makes the bundle that every later version must verify: every event about authority, and approvals in all forms.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "only for a new form of approvals"]
async fn freeze() {
    let mut world = World::with_fund().await;
    let single = world.propose("single", "m1", vec![world.made_by("m1", pay("V1", 5_000))]).await.unwrap();
    for who in ["c1", "c2"] {
        world.approve("single", who, &single.message_to_sign).await.unwrap();
    }
    let commands = vec![world.made_by("m1", pay("V2", 1)), world.made_by("m1", pay("V3", 900_000))];
    let batch = world.propose("batch", "m1", commands).await.unwrap();
    for who in ["c1", "c2"] {
        world.approve("batch", who, &batch.message_to_sign).await.unwrap();
    }
    let approved_batch = Some(v1::ApprovedBatch { proposal_id: "batch".to_owned(), commands: batch.commands.clone() });
    let post = v1::PostRequest { commands: Vec::new(), validate_only: false, approved_batch };
    world.ledger().post(post).await.unwrap();
    let signed = signed_command(&world, "m1", pay("V4", 2), "c1", world.now() + 60).await;
    world.post(vec![signed]).await;
    world.propose("withdrawn", "m1", vec![world.made_by("m1", pay("V5", 1))]).await.unwrap();
    world.withdraw("withdrawn", "m1").await.unwrap();
    receipt(world.administer(revoke("c1", Role::Checker)).await);
    receipt(world.administer(unregister("n1")).await);
    world.propose("expires", "m1", vec![world.made_by("m1", pay("V6", 1))]).await.unwrap();
    world.pass(3_600);
    world.post(vec![world.made_by("m1", pay("V7", 1))]).await;
    world.stop(true).await;
    let data = world.directory.path().join("data");
    let exported = Process::new(BINARY)
        .args(["export", "--data"])
        .arg(&data)
        .args(["--bundle", "target/approvals.bundle"])
        .output();
    assert!(exported.unwrap().status.success());
}
