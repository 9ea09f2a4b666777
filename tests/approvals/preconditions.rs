//! Preconditions of commands that are approved: they are checked when the command is executed, and what they refuse is final.

use fundledger::pb::v1;
use fundledger::pb::v1::event::Payload as Happened;
use fundledger::pb::v1::precondition::Condition;

use crate::server::receipt;
use crate::world::{World, key, pay, refusal_of};

fn when(command: v1::Command, condition: Condition) -> v1::Command {
    v1::Command { preconditions: vec![v1::Precondition { condition: Some(condition) }], ..command }
}

fn unit_holds(amount_minor: i64) -> Condition {
    let (account_id, lot_id) = ("unit".to_owned(), "L".to_owned());
    Condition::AvailableAtLeast(v1::AvailableAtLeast { account_id, lot_id, amount_minor })
}

/// Conditions that hold now and not after the next payment.
async fn conditions(world: &World) -> Vec<(Condition, &'static str)> {
    let min_sequence = Some(world.head());
    let request = v1::GetBalanceRequest { account_id: "unit".to_owned(), min_sequence, ..Default::default() };
    let read = world.query().get_balance(request).await.unwrap().into_inner().balance.unwrap();
    let revision = read.revision.unwrap();
    let at = |id: &str| v1::Revision { id: id.to_owned(), revision };
    vec![
        (Condition::AccountRevision(at("unit")), "REVISION_MISMATCH"),
        (Condition::FundRevision(at("F")), "REVISION_MISMATCH"),
        (unit_holds(read.amount_minor), "CONDITION_NOT_MET"),
    ]
}

/// Pays one minor unit.
async fn pay_one(world: &World) {
    let command = world.made_by("m1", pay(&world.new_key("V"), 1));
    let signed = world.signed(command, &[key("c1")], world.now() + 60).await;
    receipt(world.post(vec![signed]).await.remove(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_proposed_command_is_refused_for_good_when_what_its_maker_read_has_changed() {
    let world = World::with_fund().await;
    pay_one(&world).await;
    let kinds = conditions(&world).await.len();
    for kind in 0..kinds {
        // It holds until the end: executed.
        let (condition, _) = conditions(&world).await.remove(kind);
        let proposal = world.new_key("kept");
        let command = when(world.made_by("m1", pay(&world.new_key("V"), 1_000)), condition);
        let proposed = world.propose(&proposal, "m1", vec![command]).await.unwrap();
        assert!(world.approve(&proposal, "c1", &proposed.message_to_sign).await.unwrap().executed.is_none());
        let last = world.approve(&proposal, "c2", &proposed.message_to_sign).await.unwrap();
        receipt(last.executed.unwrap());

        // It holds no longer when the last approval comes, or already when the first does, which does not wait for more.
        for waits_for in [&["c1", "c2"][..], &["c1"]] {
            let (condition, reason) = conditions(&world).await.remove(kind);
            let proposal = world.new_key("moved");
            let command = when(world.made_by("m1", pay(&world.new_key("V"), 1_000)), condition);
            let request_id = command.request_id.clone();
            let proposed = world.propose(&proposal, "m1", vec![command]).await.unwrap();
            let (last, first) = waits_for.split_last().unwrap();
            for who in first {
                assert!(world.approve(&proposal, who, &proposed.message_to_sign).await.unwrap().executed.is_none());
            }
            pay_one(&world).await;
            let refused = world.approve(&proposal, last, &proposed.message_to_sign).await.unwrap();
            assert_eq!(refusal_of(refused.executed.unwrap()), reason);
            let event = world.event(world.head()).await;
            assert_eq!(event.request_id, request_id);
            assert!(matches!(event.payload, Some(Happened::CommandRefused(_))), "{:?}", event.payload);
            assert!(world.pending().await.is_empty());
        }
    }
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn conditions_hold_for_signed_commands_and_for_each_command_of_a_batch() {
    let world = World::with_fund().await;
    pay_one(&world).await;
    for (condition, reason) in conditions(&world).await {
        let stale = when(world.made_by("m1", pay(&world.new_key("V"), 1)), condition.clone());
        let stale = world.signed(stale, &[key("c1")], world.now() + 60).await;
        // Made after it was read and before it is posted: what is signed does not change that.
        pay_one(&world).await;
        assert_eq!(refusal_of(world.post(vec![stale]).await.remove(0)), reason);
    }
    // The first command of a batch changes what the second rests on, and the third does not mind.
    for kind in 0..conditions(&world).await.len() {
        let (condition, reason) = conditions(&world).await.remove(kind);
        let commands = vec![
            when(world.made_by("m1", pay(&world.new_key("V"), 1)), condition.clone()),
            when(world.made_by("m1", pay(&world.new_key("V"), 1)), condition),
            when(world.made_by("m1", pay(&world.new_key("V"), 1)), unit_holds(1)),
        ];
        let proposal = world.new_key("batch");
        let batch = world.propose(&proposal, "m1", commands).await.unwrap();
        world.approve(&proposal, "c1", &batch.message_to_sign).await.unwrap();
        let mut results = world.post_batch(&proposal, &batch.commands).await.unwrap();
        receipt(results.remove(0));
        assert_eq!(refusal_of(results.remove(0)), reason);
        receipt(results.remove(0));
    }
    // An approval is itself an event: a proposal that wants the head where its maker saw it is never executed.
    let command = when(world.made_by("m1", pay("never", 1)), Condition::HeadSequence(world.head()));
    let proposed = world.propose("head", "m1", vec![command]).await.unwrap();
    let refused = world.approve("head", "c1", &proposed.message_to_sign).await.unwrap();
    assert_eq!(refusal_of(refused.executed.unwrap()), "REVISION_MISMATCH");
    world.verified().await;
}
