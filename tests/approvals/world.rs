//! A ledger of two administrators with a fund whose policy wants signatures, and what tests do to it.

use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use fundledger::domain::approval::PublicKey;
use fundledger::domain::ids::ActorId;
use fundledger::domain::time::UtcNanos;
use fundledger::format::note_key::SignerKey;
use fundledger::grpc::convert;
use fundledger::grpc::node::Node;
use fundledger::grpc::server::{Limits, listen, serve};
use fundledger::ledger::clock::Clock;
use fundledger::ledger::directory::DataDirectory;
use fundledger::ledger::{Answer, Genesis};
use fundledger::pb::Date;
use fundledger::pb::v1::command::Payload;
use fundledger::pb::v1::ledger_service_client::LedgerServiceClient;
use fundledger::pb::v1::query_service_client::QueryServiceClient;
use fundledger::pb::v1::{self, AccountKind as Kind, Role};
use prost::bytes::Bytes;
use prost_types::Timestamp;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use crate::server::{BINARY, errors, locks_are_released, output, receipt};

pub(crate) const ORIGIN: &str = "test.invalid/funds";
pub(crate) const START: i64 = 1_795_000_000;
pub(crate) const TODAY: Date = Date { year: 2026, month: 11, day: 18 };

/// A clock that stands where the test puts it, in seconds.
#[derive(Clone)]
pub(crate) struct Moved(Arc<AtomicI64>);

impl Clock for Moved {
    fn now(&self) -> UtcNanos {
        UtcNanos(self.0.load(Ordering::SeqCst) * 1_000_000_000)
    }
}

pub(crate) fn key(name: &str) -> SignerKey {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    SignerKey::from_seed(name, &seed)
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

/// A ledger with two administrators, `a1` and `a2`.
pub(crate) struct World {
    pub(crate) directory: TempDir,
    clock: Moved,
    pub(crate) node: Option<Arc<Node>>,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
    pub(crate) channel: Channel,
    keys: std::cell::Cell<u32>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Moved(Arc::new(AtomicI64::new(START)));
        let admin = |name: &str| (ActorId::parse(name).unwrap(), key(name).verifier().public_key);
        let administrators = [admin("a1"), admin("a2")];
        let genesis = Genesis { origin: ORIGIN, development: false, administrators: &administrators };
        drop(DataDirectory::create(&directory.path().join("data"), genesis, &clock).unwrap());
        locks_are_released();
        let channel = Channel::from_static("http://127.0.0.1:1").connect_lazy();
        let keys = std::cell::Cell::new(0);
        let mut world = Self { directory, clock, node: None, stop: None, served: None, channel, keys };
        world.start().await;
        world
    }

    pub(crate) async fn start(&mut self) {
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
    pub(crate) async fn stop(&mut self, closes: bool) {
        drop(self.stop.take());
        self.channel = Channel::from_static("http://127.0.0.1:1").connect_lazy();
        self.served.take().unwrap().await.unwrap();
        let node = self.node.take().unwrap();
        tokio::task::spawn_blocking(move || {
            node.close().unwrap();
            // The task of a connection lets go of its node a moment after the server has ended, and the lock goes with the last.
            let mut node = node;
            while let Err(shared) = Arc::try_unwrap(node) {
                node = shared;
                std::thread::yield_now();
            }
        })
        .await
        .unwrap();
        locks_are_released();
        if !closes {
            for derived in ["snapshots", "projections"] {
                for file in std::fs::read_dir(self.directory.path().join("data").join(derived)).unwrap() {
                    std::fs::remove_file(file.unwrap().path()).unwrap();
                }
            }
        }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.0.load(Ordering::SeqCst)
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    pub(crate) fn query(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.channel.clone())
    }

    pub(crate) fn new_key(&self, about: &str) -> String {
        self.keys.set(self.keys.get() + 1);
        format!("{about}-{}", self.keys.get())
    }

    pub(crate) async fn propose(
        &self,
        id: &str,
        maker: &str,
        commands: Vec<v1::Command>,
    ) -> Result<v1::ProposeResponse, Status> {
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

    pub(crate) async fn approve_with(
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

    pub(crate) async fn approve(
        &self,
        proposal: &str,
        who: &str,
        message: &[u8],
    ) -> Result<v1::ApproveResponse, Status> {
        let signature = key(who).sign(message).0.to_vec();
        self.approve_with(&self.new_key("approve"), proposal, who, signature).await
    }

    pub(crate) async fn withdraw(&self, proposal: &str, who: &str) -> Result<v1::WithdrawResponse, Status> {
        let request = v1::WithdrawRequest {
            request_id: self.new_key("withdraw"),
            business_date: Some(TODAY),
            actor: who.to_owned(),
            proposal_id: proposal.to_owned(),
        };
        self.ledger().withdraw(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn pending(&self) -> Vec<v1::Proposal> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::ListPendingRequest {
                page_token,
                page_size: 1_000,
                min_sequence: Some(self.head()),
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
    pub(crate) async fn administer(&self, payload: Payload) -> v1::PostResult {
        let id = self.new_key("set-up");
        let command = self.made_by("a1", payload);
        let proposed = self.propose(&id, "a1", vec![command]).await.unwrap();
        let approved = self.approve(&id, "a2", &proposed.message_to_sign).await.unwrap();
        approved.executed.expect("one signature of an administrator is enough")
    }

    pub(crate) async fn set_up(&self, payloads: Vec<Payload>) {
        for payload in payloads {
            receipt(self.administer(payload).await);
        }
    }

    pub(crate) fn made_by(&self, maker: &str, payload: Payload) -> v1::Command {
        v1::Command {
            request_id: self.new_key("key"),
            business_date: Some(TODAY),
            actor: maker.to_owned(),
            checkers: Vec::new(),
            preconditions: Vec::new(),
            personal_data: Vec::new(),
            personal_commitments: Vec::new(),
            payload: Some(payload),
        }
    }

    pub(crate) async fn post(&self, commands: Vec<v1::Command>) -> Vec<v1::PostResult> {
        let request = v1::PostRequest { commands, ..v1::PostRequest::default() };
        self.ledger().post(request).await.unwrap().into_inner().results
    }

    /// The sequence of the last event that is on disk.
    pub(crate) fn head(&self) -> i64 {
        self.node.as_ref().unwrap().ledger().committed().sequence
    }

    /// Posts an approved batch, or one that is not approved.
    pub(crate) async fn post_batch(
        &self,
        proposal_id: &str,
        commands: &[Bytes],
    ) -> Result<Vec<v1::PostResult>, Status> {
        let approved_batch =
            Some(v1::ApprovedBatch { proposal_id: proposal_id.to_owned(), commands: commands.to_vec() });
        let request = v1::PostRequest { approved_batch, ..v1::PostRequest::default() };
        self.ledger().post(request).await.map(|answer| answer.into_inner().results)
    }

    /// The exact bytes of a command and the message to sign, without a proposal on record.
    pub(crate) async fn exact(&self, command: v1::Command, expires_at: i64) -> (Bytes, Bytes) {
        let request = v1::ProposeRequest {
            request_id: self.new_key("dry"),
            business_date: Some(TODAY),
            actor: command.actor.clone(),
            commands: vec![command],
            expires_at: Some(at(expires_at)),
            validate_only: true,
        };
        let mut exact = self.ledger().propose(request).await.unwrap().into_inner();
        assert!(exact.receipt.is_none_or(|receipt| receipt.sequence == 0));
        (exact.commands.remove(0), exact.message_to_sign)
    }

    /// A command with signatures, made without a proposal on record.
    pub(crate) async fn signed(&self, command: v1::Command, signers: &[SignerKey], expires_at: i64) -> v1::Command {
        let (command, message) = self.exact(command, expires_at).await;
        with_signatures(command, &message, signers, expires_at)
    }

    /// Submits so much that the views are behind when what is posted next is answered; gives what to wait for.
    pub(crate) async fn busy(&self) -> Answer {
        // As many as a group of the writer has room for, so that what is posted next goes to the disk with them.
        const RECEIPTS: i64 = 8_000;
        let node = self.node.as_ref().unwrap();
        let first = RECEIPTS * i64::from(self.keys.get());
        let receipts = (first..first + RECEIPTS).map(|amount_minor| {
            let parsed = convert::command(self.made_by("m1", cash(amount_minor)), node.pseudonyms(), "").unwrap();
            node.ledger().prepare(parsed, &mut Vec::new())
        });
        node.ledger().post_in_turn(receipts.collect()).await.unwrap()
    }

    pub(crate) async fn event(&self, sequence: i64) -> v1::Event {
        let answer = self.query().get_event(v1::GetEventRequest { sequence }).await.unwrap().into_inner();
        answer.record.unwrap().event.unwrap()
    }

    /// A fund whose policy wants signatures: one below 1,000, two from there on; a lot of 100,000 in unit U's hands; makers
    /// `m1` and `m2`, checkers `c1` and `c2` with keys, `c3` for another fund, `n1` with a key and no role.
    pub(crate) async fn with_fund() -> Self {
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
                    ..v1::SetPolicy::default()
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
                ..v1::OpenAccount::default()
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
        for payload in [issue, allocate] {
            let id = world.new_key("money");
            let proposed = world.propose(&id, "m1", vec![world.made_by("m1", payload)]).await.unwrap();
            let first = world.approve(&id, "c1", &proposed.message_to_sign).await.unwrap();
            assert!(first.executed.is_none(), "two are needed");
            let second = world.approve(&id, "c2", &proposed.message_to_sign).await.unwrap();
            receipt(second.executed.expect("two have signed"));
        }
        receipt(world.post(vec![world.made_by("m1", cash(100_000))]).await.remove(0));
        world
    }

    /// Stops the server and lets two independent verifiers look at what it left.
    pub(crate) async fn verified(mut self) {
        self.stop(true).await;
        let data = self.directory.path().join("data");
        let mut verify = Process::new(BINARY);
        let verified = output(verify.args(["verify", "--deep", "--allow-unanchored"]).arg(&data)).unwrap();
        assert!(verified.status.success(), "{}{}", String::from_utf8_lossy(&verified.stdout), errors(&verified));
        let bundle = self.directory.path().join("bundle");
        let mut export = Process::new(BINARY);
        let exported = output(export.args(["export", "--data"]).arg(&data).arg("--bundle").arg(&bundle)).unwrap();
        assert!(exported.status.success(), "{}", errors(&exported));
        let oracle = output(Process::new("python3").arg("tests/oracle/verify.py").arg(&bundle).arg("--deep"));
        if let Ok(oracle) = oracle {
            assert!(oracle.status.success(), "{}{}", String::from_utf8_lossy(&oracle.stdout), errors(&oracle));
        }
    }
}

pub(crate) fn fund(fund_id: &str, policy_id: &str) -> Payload {
    Payload::DefineFund(Box::new(v1::DefineFund {
        fund_id: fund_id.to_owned(),
        name: fund_id.to_owned(),
        family: v1::FundFamily::Special.into(),
        policy_id: policy_id.to_owned(),
        legal_basis: "test".to_owned(),
        ..Default::default()
    }))
}

pub(crate) fn grant(who: &str, role: Role, fund_id: &str) -> Payload {
    Payload::GrantRole(Box::new(v1::GrantRole {
        principal_id: who.to_owned(),
        role: role.into(),
        fund_id: fund_id.to_owned(),
    }))
}

pub(crate) fn revoke(who: &str, role: Role) -> Payload {
    Payload::RevokeRole(Box::new(v1::RevokeRole {
        principal_id: who.to_owned(),
        role: role.into(),
        fund_id: String::new(),
    }))
}

pub(crate) fn register(who: &str, key: &SignerKey) -> Payload {
    let PublicKey(bytes) = key.verifier().public_key;
    Payload::RotateKey(Box::new(v1::RotateKey {
        principal_id: who.to_owned(),
        public_key: Bytes::copy_from_slice(&bytes),
    }))
}

pub(crate) fn unregister(who: &str) -> Payload {
    Payload::RotateKey(Box::new(v1::RotateKey { principal_id: who.to_owned(), public_key: Bytes::new() }))
}

pub(crate) fn draws(amount_minor: i64) -> Vec<v1::Draw> {
    vec![v1::Draw { lot_id: "L".to_owned(), amount_minor }]
}

pub(crate) fn pay(payment_id: &str, amount_minor: i64) -> Payload {
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

pub(crate) fn cash(amount_minor: i64) -> Payload {
    Payload::ReceiveCash(Box::new(v1::ReceiveCash {
        lot_id: "L".to_owned(),
        amount_minor,
        bank_reference: format!("B{amount_minor}"),
    }))
}

pub(crate) fn reason_of(status: &Status) -> String {
    status.get_details_error_info().expect("every error says why").reason
}

pub(crate) fn refusal_of(result: v1::PostResult) -> String {
    match result.outcome {
        Some(v1::post_result::Outcome::Error(status)) => {
            tonic_types::RpcStatusExt::get_details_error_info(&status).expect("every error says why").reason
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// Exact bytes with signatures over a message.
pub(crate) fn with_signatures(command: Bytes, message: &[u8], signers: &[SignerKey], expires_at: i64) -> v1::Command {
    let approval = |signer: &SignerKey| v1::SignedApproval {
        actor: signer.name().to_owned(),
        signature: Bytes::copy_from_slice(&signer.sign(message).0),
    };
    let approvals = signers.iter().map(approval).collect();
    let signed = v1::SignedCommandRequest { command, expires_at: Some(at(expires_at)), approvals };
    v1::Command { payload: Some(Payload::SignedCommand(Box::new(signed))), ..Default::default() }
}
