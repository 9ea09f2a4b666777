//! What whoever holds the disk could make of approvals, and that verification names it.

use std::path::PathBuf;
use std::process::Command as Process;

use fundledger::domain::approval::{Approval, Approvals, Signature, SignedCommand};
use fundledger::domain::ids::ActorId;
use fundledger::domain::time::UtcNanos;
use fundledger::format::block::BlockBuilder;
use fundledger::format::record::{Head, split_entry};
use fundledger::grpc::convert;
use fundledger::ledger::Outcome;
use fundledger::ledger::bundle::{Beside, write_bundle};
use fundledger::ledger::directory::log_path;
use fundledger::log::Log;
use fundledger::log::memory::MemoryLog;
use fundledger::log::sled::SledLog;
use fundledger::pb::Date;
use fundledger::pb::v1::event::Payload as Happened;
use fundledger::pb::v1::{self, Role};
use prost::Message;
use prost::bytes::Bytes;

use crate::server::{BINARY, output, receipt};
use crate::world::{World, key, pay, revoke, unregister};

type Edit<'a> = Box<dyn Fn(&mut v1::Event) + 'a>;

/// The events of a stopped ledger. The store is opened once: it lets go of its files some time after it was dropped.
pub(crate) fn stored(world: &World) -> Vec<v1::Event> {
    let log = SledLog::open(&log_path(&world.directory.path().join("data"))).unwrap();
    let reader = log.reader();
    let mut events = Vec::new();
    let mut next = 0;
    while let Some(block) = reader.block_at(next).unwrap() {
        next = block.head.next_sequence();
        events.extend(block.entries().map(|entry| v1::Event::decode(split_entry(entry).unwrap().1).unwrap()));
    }
    events
}

/// Events with one of them edited, chained anew, as a bundle: what whoever holds the disk could make.
pub(crate) fn forged(world: &World, events: &[v1::Event], edit: impl Fn(&mut v1::Event)) -> PathBuf {
    let mut builder = BlockBuilder::new(Head::EMPTY);
    for mut event in events.iter().cloned() {
        edit(&mut event);
        builder.push(|buffer| event.encode(buffer).unwrap()).unwrap();
    }
    let path = world.directory.path().join("forged");
    let mut log = MemoryLog::default();
    log.append(Head::EMPTY, &builder.take()).unwrap();
    write_bundle(log.reader().as_ref(), &Beside::default(), std::fs::File::create(&path).unwrap()).unwrap();
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
    for result in world.post_batch("batch", &batch.commands).await.unwrap() {
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
    let events = stored(&world);
    for (what, edit) in edits {
        let bundle = forged(&world, &events, edit);
        let mut verify = Process::new(BINARY);
        let report = output(verify.arg("verify").arg(&bundle).args(["--deep", "--allow-unanchored"])).unwrap();
        let text = String::from_utf8_lossy(&report.stdout);
        assert_eq!(report.status.success(), what == "nothing", "{what}: {text}");
        assert_eq!(text.contains("[approval]"), what != "nothing", "{what}: {text}");
    }
}

/// The writer takes signatures as checked: whoever is inside the server can hand it one that nobody made. It is on record then,
/// and found by whoever has the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_approval_that_the_server_invents_is_found() {
    let mut world = World::with_fund().await;
    let signed = world.signed(world.made_by("m1", pay("V1", 5)), &[key("c1")], world.now() + 60).await;
    let Some(v1::command::Payload::SignedCommand(signed)) = signed.payload else { panic!("it is signed") };
    let node = std::sync::Arc::clone(world.node.as_ref().unwrap());
    let wire = v1::Command::decode(signed.command.clone()).unwrap();
    let mut command = convert::command(wire, node.pseudonyms(), "").unwrap();
    let number = node.views().authority.live_key_of(&ActorId::parse("c1").unwrap()).unwrap().0;
    command.envelope.approvals = Approvals::Signed(Box::new(SignedCommand {
        command: signed.command.as_ref().into(),
        expires_at: UtcNanos((world.now() + 60) * 1_000_000_000),
        proposal: None,
        approvals: vec![Approval { actor: ActorId::parse("c1").unwrap(), key: number, signature: Signature([7; 64]) }],
    }));
    let prepared = vec![node.ledger().prepare(command, &mut Vec::new())];
    let outcomes = node.ledger().post(prepared).await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Accepted(_)]), "{outcomes:?}");
    drop(node);
    world.stop(true).await;
    let mut verify = Process::new(BINARY);
    let data = world.directory.path().join("data");
    let report = output(verify.arg("verify").arg(&data).args(["--deep", "--allow-unanchored"])).unwrap();
    let text = String::from_utf8_lossy(&report.stdout);
    assert!(!report.status.success() && text.contains("[approval]"), "{text}");
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
    world.post_batch("batch", &batch.commands).await.unwrap();
    let signed = world.signed(world.made_by("m1", pay("V4", 2)), &[key("c1")], world.now() + 60).await;
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
    let mut export = Process::new(BINARY);
    let exported = output(export.args(["export", "--data"]).arg(&data).args(["--bundle", "target/approvals.bundle"]));
    assert!(exported.unwrap().status.success());
}
