//! Keys that are replaced while something waits, and those that come with them.

use fundledger::format::note_key::SignerKey;
use fundledger::pb::v1::event::Payload as Happened;
use fundledger::pb::v1::{self, Role};
use tonic::Code;
use tonic_types::StatusExt;

use crate::server::receipt;
use crate::world::{World, grant, key, pay, reason_of, refusal_of, register, revoke, with_signatures};

/// Another key of somebody.
fn next_key(name: &str, number: u8) -> SignerKey {
    SignerKey::from_seed(name, &[number; 32])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_approval_whose_key_is_replaced_before_the_execution_does_not_count() {
    let world = World::with_fund().await;
    receipt(world.administer(grant("c3", Role::Checker, "F")).await);
    let single = world.propose("single", "m1", vec![world.made_by("m1", pay("V1", 5_000))]).await.unwrap();
    let commands = vec![world.made_by("m1", pay("V2", 1_000)), world.made_by("m1", pay("V3", 1))];
    let batch = world.propose("batch", "m1", commands).await.unwrap();
    for (proposal, message) in [("single", &single.message_to_sign), ("batch", &batch.message_to_sign)] {
        assert!(world.approve(proposal, "c1", message).await.unwrap().executed.is_none());
    }
    receipt(world.administer(register("c1", &next_key("c1", 7))).await);

    // The second of two, of which the first counts no more: both proposals wait.
    for (proposal, message) in [("single", &single.message_to_sign), ("batch", &batch.message_to_sign)] {
        assert!(world.approve(proposal, "c2", message).await.unwrap().executed.is_none());
    }
    let mut results = world.post_batch("batch", &batch.commands).await.unwrap();
    assert_eq!(refusal_of(results.remove(0)), "KEY_REVOKED");
    receipt(results.remove(0));
    assert_eq!(world.pending().await.len(), 2);
    // They have approved, whatever their key is worth now.
    let again = next_key("c1", 7).sign(&single.message_to_sign).0.to_vec();
    let again = world.approve_with("again", "single", "c1", again).await.unwrap_err();
    assert_eq!(reason_of(&again), "ALREADY_APPROVED");

    // Another checker makes up for it. What is executed carries the approvals that counted.
    let third = world.approve("single", "c3", &single.message_to_sign).await.unwrap();
    let executed = receipt(third.executed.expect("two count"));
    let event = world.event(executed.sequence).await;
    let approvers: Vec<_> = event.approvals.iter().map(|approval| approval.actor.as_str()).collect();
    assert_eq!(approvers, ["c2", "c3"]);
    world.approve("batch", "c3", &batch.message_to_sign).await.unwrap();
    let results = world.post_batch("batch", &batch.commands).await.unwrap();
    assert!(!receipt(results[0].clone()).replayed && receipt(results[1].clone()).replayed);
    assert!(world.pending().await.is_empty());
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_signed_command_with_one_signature_by_a_replaced_key_is_refused_and_kept() {
    let world = World::with_fund().await;
    receipt(world.administer(register("c2", &next_key("c2", 7))).await);
    let expires_at = world.now() + 60;
    // One signature is enough for this amount: the other one is wrong all the same.
    let signers = [key("c1"), key("c2")];
    let signed = world.signed(world.made_by("m1", pay("V1", 1)), &signers, expires_at).await;
    for _ in 0..2 {
        assert_eq!(refusal_of(world.post(vec![signed.clone()]).await.remove(0)), "KEY_REVOKED");
    }
    let event = world.event(world.head()).await;
    assert!(matches!(event.payload, Some(Happened::CommandRefused(_))), "{:?}", event.payload);
    let approvers: Vec<_> = event.approvals.iter().map(|approval| approval.actor.as_str()).collect();
    assert_eq!(approvers, ["c1", "c2"], "who signed what was refused is on record");

    let signers = [key("c1"), next_key("c2", 7)];
    let signed = world.signed(world.made_by("m1", pay("V1", 1)), &signers, expires_at).await;
    receipt(world.post(vec![signed]).await.remove(0));
    world.verified().await;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signing {
    Command,
    Approval,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_key_signs_as_soon_as_its_registration_is_answered() {
    let world = World::with_fund().await;
    let expires_at = world.now() + 60;
    for (round, signing) in (0..).zip([Signing::Command, Signing::Approval]) {
        let new = next_key("c1", 100 + round);
        // Everything is made beforehand, so that nothing stands between the answer and the next request.
        let (command, message) = world.exact(world.made_by("m1", pay(&format!("V{round}"), 1)), expires_at).await;
        let signed = with_signatures(command, &message, std::slice::from_ref(&new), expires_at);
        let (payment, rotation) = (format!("payment-{round}"), format!("rotation-{round}"));
        let commands = vec![world.made_by("m1", pay(&format!("W{round}"), 1))];
        let to_pay = world.propose(&payment, "m1", commands).await.unwrap();
        let signature = new.sign(&to_pay.message_to_sign).0.to_vec();
        let commands = vec![world.made_by("a1", register("c1", &new))];
        let to_rotate = world.propose(&rotation, "a1", commands).await.unwrap();

        // The registration is booked behind much else, so that the views are behind when it is answered.
        let busy = world.busy().await;
        let rotated = world.approve(&rotation, "a2", &to_rotate.message_to_sign).await.unwrap();
        match signing {
            Signing::Command => drop(receipt(world.post(vec![signed]).await.remove(0))),
            Signing::Approval => {
                let approved = world.approve_with(&world.new_key("approve"), &payment, "c1", signature).await.unwrap();
                receipt(approved.executed.expect("one signature is enough"));
            }
        }
        receipt(rotated.executed.unwrap());
        busy.outcomes().await.unwrap();
    }
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nobody_is_an_administrator_of_one_fund() {
    let world = World::with_fund().await;
    let mut one_fund = revoke("a1", Role::Admin);
    if let v1::command::Payload::RevokeRole(revoke) = &mut one_fund {
        revoke.fund_id = "F".to_owned();
    }
    let head = world.head();
    for payload in [grant("x", Role::Admin, "F"), one_fund] {
        let refused = world.propose("admin", "a1", vec![world.made_by("a1", payload)]).await.unwrap_err();
        assert_eq!((refused.code(), reason_of(&refused).as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
        let fields = refused.get_details_bad_request().unwrap().field_violations;
        assert!(fields[0].field.ends_with("fund_id"), "{fields:?}");
    }
    assert_eq!(world.head(), head);
    receipt(world.administer(register("x", &key("x"))).await);
    receipt(world.administer(grant("x", Role::Admin, "")).await);
    world.verified().await;
}
