//! Many commands under one signature.

use fundledger::format::note_key::SignerKey;
use fundledger::pb::v1::{self, Role};
use tonic::Code;
use tonic_types::RpcStatusExt;

use crate::server::receipt;
use crate::world::{World, grant, pay, reason_of, refusal_of, register};

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

    for who in ["c1", "c2"] {
        let approved = world.approve("batch", who, &waiting.message_to_sign).await.unwrap();
        assert!(approved.executed.is_none(), "its maker posts it");
    }
    let results = world.post_batch("batch", &batch.commands).await.unwrap();
    let refused = refusal_of(results[1].clone());
    assert_eq!(refused, "INSUFFICIENT_BALANCE");
    assert!(remedy_of(&results[1]).contains("已记录并占用该幂等键"));
    let first = receipt(results[0].clone());
    let event = world.event(first.sequence).await;
    let signed = event.signed.unwrap();
    assert_eq!((signed.batch_index, signed.proposal_sequence), (Some(0), waiting.sequence));
    assert_eq!(signed.command, batch.commands[0]);
    let approvers: Vec<_> = event.approvals.iter().map(|approval| approval.actor.as_str()).collect();
    assert_eq!(approvers, ["c1", "c2"]);
    assert!(world.pending().await.is_empty(), "every command has its event");

    let head = world.node.as_ref().unwrap().ledger().committed();
    let again = world.post_batch("batch", &batch.commands).await.unwrap();
    assert_eq!(receipt(again[0].clone()), v1::Receipt { replayed: true, ..first });
    assert_eq!(refusal_of(again[1].clone()), "INSUFFICIENT_BALANCE");
    assert_eq!(world.node.as_ref().unwrap().ledger().committed(), head);
    world.verified().await;
}

/// What a person reads about a refusal.
fn remedy_of(result: &v1::PostResult) -> String {
    let Some(v1::post_result::Outcome::Error(status)) = &result.outcome else { panic!("not refused: {result:?}") };
    status.get_details_localized_message().unwrap().message
}

impl World {
    /// Whether a command's key is free: nothing is on record under it.
    async fn is_free(&self, request_id: &str) -> bool {
        let asked = v1::GetReceiptRequest { request_id: request_id.to_owned() };
        match self.ledger().get_receipt(asked).await {
            Ok(_) => false,
            Err(status) => {
                assert_eq!(reason_of(&status), "REQUEST_NOT_FOUND");
                true
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_batch_that_is_posted_before_it_is_approved_leaves_no_trace() {
    let world = World::with_fund().await;
    // The first needs one approval, the others two.
    let payloads = [pay("V1", 999), pay("V2", 1_000), pay("V3", 5_000)];
    let commands: Vec<_> = payloads.into_iter().map(|payload| world.made_by("m1", payload)).collect();
    let keys: Vec<_> = commands.iter().map(|command| command.request_id.clone()).collect();
    let batch = world.propose("batch", "m1", commands).await.unwrap();
    let head = world.head();
    for _ in 0..2 {
        for result in world.post_batch("batch", &batch.commands).await.unwrap() {
            let told = remedy_of(&result);
            assert!(told.contains("未作任何记录") && !told.contains("新指令"), "{told}");
            assert_eq!(refusal_of(result), "APPROVAL_MISSING");
        }
        assert_eq!(world.head(), head);
        for key in &keys {
            assert!(world.is_free(key).await, "{key}");
        }
    }

    // One approval: what needs one is posted, the rest waits, and so does the proposal.
    world.approve("batch", "c1", &batch.message_to_sign).await.unwrap();
    let mut results = world.post_batch("batch", &batch.commands).await.unwrap();
    let first = receipt(results.remove(0));
    assert_eq!((first.sequence, world.head()), (head + 2, head + 2));
    for (result, key) in results.into_iter().zip(&keys[1..]) {
        assert_eq!(refusal_of(result), "APPROVAL_MISSING");
        assert!(world.is_free(key).await, "{key}");
    }
    assert_eq!(world.pending().await.len(), 1);

    world.approve("batch", "c2", &batch.message_to_sign).await.unwrap();
    let results = world.post_batch("batch", &batch.commands).await.unwrap();
    let posted: Vec<_> = results.into_iter().map(receipt).collect();
    assert_eq!(posted[0], v1::Receipt { replayed: true, ..first });
    assert_eq!((posted[1].sequence, posted[2].sequence), (head + 4, head + 5));
    assert!(world.pending().await.is_empty());
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_left_of_a_batch_is_refused_once_it_waits_no_longer() {
    let mut world = World::with_fund().await;
    for (is_withdrawn, proposal) in [(true, "withdrawn"), (false, "expired")] {
        let payloads = [pay(&format!("{proposal}-1"), 999), pay(&format!("{proposal}-2"), 1_000)];
        let commands: Vec<_> = payloads.into_iter().map(|payload| world.made_by("m1", payload)).collect();
        let left = commands[1].request_id.clone();
        let batch = world.propose(proposal, "m1", commands).await.unwrap();
        world.approve(proposal, "c1", &batch.message_to_sign).await.unwrap();
        let first = receipt(world.post_batch(proposal, &batch.commands).await.unwrap().remove(0));
        // How much of it was posted outlives a restart, from the snapshot and from the log.
        for closes in [true, false] {
            world.stop(closes).await;
            world.start().await;
            assert_eq!(world.pending().await.len(), 1);
            assert!(world.is_free(&left).await);
        }
        if is_withdrawn {
            world.withdraw(proposal, "m1").await.unwrap();
        } else {
            world.pass(3_600);
        }
        let mut head = None;
        for _ in 0..2 {
            let results = world.post_batch(proposal, &batch.commands).await.unwrap();
            assert_eq!(receipt(results[0].clone()), v1::Receipt { replayed: true, ..first.clone() });
            assert_eq!(refusal_of(results[1].clone()), "PROPOSAL_NOT_PENDING");
            assert_eq!(*head.get_or_insert(world.head()), world.head(), "the refusal is on record once");
        }
        assert!(world.pending().await.is_empty());
        // Nobody approves what is gone.
        let late = world.approve(proposal, "c2", &batch.message_to_sign).await.unwrap_err();
        assert_eq!(reason_of(&late), "PROPOSAL_NOT_PENDING");
    }
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_proposal_takes_so_many_approvals_as_its_events_have_room_for() {
    const MOST: u8 = 32;
    let world = World::with_fund().await;
    // The longest names there are; the first two count for the fund, the others do not.
    let checker = |number: u8| SignerKey::from_seed(&format!("{number:->64}"), &[100 + number; 32]);
    for number in 0..=MOST {
        let checker = checker(number);
        receipt(world.administer(register(checker.name(), &checker)).await);
        let fund = if number < 2 { "F" } else { "G" };
        receipt(world.administer(grant(checker.name(), Role::Checker, fund)).await);
    }
    let approve = async |proposal: &str, number: u8, message: &[u8]| {
        let checker = checker(number);
        let signature = checker.sign(message).0.to_vec();
        world.approve_with(&world.new_key("approve"), proposal, checker.name(), signature).await
    };

    let commands = vec![world.made_by("m1", pay("V1", 1_000)), world.made_by("m1", pay("V2", 2_000))];
    let batch = world.propose("batch", "m1", commands).await.unwrap();
    for number in 0..MOST {
        approve("batch", number, &batch.message_to_sign).await.unwrap();
    }
    let one_more = approve("batch", MOST, &batch.message_to_sign).await.unwrap_err();
    assert_eq!((one_more.code(), reason_of(&one_more).as_str()), (Code::OutOfRange, "EVENT_TOO_LARGE"));
    for result in world.post_batch("batch", &batch.commands).await.unwrap() {
        let posted = receipt(result);
        assert_eq!(world.event(posted.sequence).await.approvals.len(), usize::from(MOST));
    }

    // A single command is executed by the first that counts, and its event carries them all.
    let single = world.propose("single", "m1", vec![world.made_by("m1", pay("V3", 1))]).await.unwrap();
    for number in 2..=MOST {
        let waits = approve("single", number, &single.message_to_sign).await.unwrap();
        assert!(waits.executed.is_none());
    }
    let last = world.approve("single", "c1", &single.message_to_sign).await.unwrap();
    let executed = receipt(last.executed.unwrap());
    assert_eq!(world.event(executed.sequence).await.approvals.len(), usize::from(MOST));
    world.verified().await;
}
