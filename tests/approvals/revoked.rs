//! Roles that are taken while something waits: what is executed must be its maker's to make at that moment, and its approvals
//! those of persons who may still approve.

use std::process::Command as Process;

use fundledger::pb::v1::event::Payload as Happened;
use fundledger::pb::v1::{self, Role, command::Payload};

use crate::forged::{forged, stored};
use crate::server::{BINARY, output, receipt};
use crate::world::{World, fund, grant, key, pay, refusal_of, register, revoke};

fn revoke_of(who: &str, role: Role, fund_id: &str) -> Payload {
    let fund_id = fund_id.to_owned();
    Payload::RevokeRole(Box::new(v1::RevokeRole { principal_id: who.to_owned(), role: role.into(), fund_id }))
}

/// What becomes of a proposal with one of its two approvals, between which something happens.
async fn executed_after(world: &World, id: &str, between: Vec<Payload>) -> v1::PostResult {
    let proposed = world.propose(id, "m1", vec![world.made_by("m1", pay(id, 5_000))]).await.unwrap();
    assert!(world.approve(id, "c1", &proposed.message_to_sign).await.unwrap().executed.is_none());
    world.set_up(between).await;
    let approved = world.approve(id, "c2", &proposed.message_to_sign).await.unwrap();
    approved.executed.expect("it is executed, or refused for good")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_its_maker_may_make_no_more_is_refused_for_good() {
    let world = World::with_fund().await;
    // For this fund, for another, and one that makes no payments.
    let roles = [(Role::Maker, "F"), (Role::Maker, "G"), (Role::Leader, "")];
    world.set_up(roles.map(|(role, fund_id)| grant("m1", role, fund_id)).to_vec()).await;
    let lost = executed_after(&world, "lost", vec![revoke_of("m1", Role::Maker, "F")]).await;
    assert_eq!(refusal_of(lost), "ROLE_MISSING");
    let event = world.event(world.head()).await;
    assert_eq!(event.actor, "m1");
    let Some(Happened::CommandRefused(refused)) = event.payload else { panic!("it is on record") };
    let facts: Vec<_> = refused.facts.iter().map(|fact| (fact.key.as_str(), fact.value.as_str())).collect();
    assert_eq!(facts, [("principal", "m1"), ("role", "MAKER,TREASURY,AGENCY")]);
    assert!(world.pending().await.is_empty());

    // Taken and given again, taken where another allows the same, taken where it was not needed: all the same as before.
    let given_again =
        vec![grant("m1", Role::Maker, "F"), revoke_of("m1", Role::Maker, "F"), grant("m1", Role::Maker, "F")];
    receipt(executed_after(&world, "again", given_again).await);
    let another = vec![grant("m1", Role::Treasury, ""), revoke_of("m1", Role::Maker, "F")];
    receipt(executed_after(&world, "another", another).await);
    let elsewhere = vec![revoke_of("m1", Role::Maker, "G"), revoke("m1", Role::Leader)];
    receipt(executed_after(&world, "elsewhere", elsewhere).await);
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_transaction_is_refused_where_one_of_its_operations_is_not_its_makers_any_more() {
    let world = World::with_fund().await;
    world.set_up(vec![grant("m1", Role::Maker, ""), grant("m1", Role::Treasury, "")]).await;
    // The treasury may pay, and only makers allocate.
    let Payload::ExecutePayment(payment) = pay("V1", 5_000) else { panic!("it is a payment") };
    let allocation = v1::AllocateBudget {
        movement: Some(v1::AuthorityMovement {
            from_account_id: "unalloc".to_owned(),
            to_account_id: "unit".to_owned(),
            amount_minor: 1,
            draws: crate::world::draws(1),
        }),
        document_number: String::new(),
    };
    let operation = |operation| v1::Operation { operation: Some(operation) };
    let operations = vec![
        operation(v1::operation::Operation::ExecutePayment(payment)),
        operation(v1::operation::Operation::AllocateBudget(Box::new(allocation))),
    ];
    let transaction = Payload::Transaction(Box::new(v1::Transaction { operations }));
    let proposed = world.propose("p", "m1", vec![world.made_by("m1", transaction)]).await.unwrap();
    receipt(world.administer(revoke("m1", Role::Maker)).await);
    // At the first approval: no other could make up for it.
    let approved = world.approve("p", "c1", &proposed.message_to_sign).await.unwrap();
    assert_eq!(refusal_of(approved.executed.unwrap()), "ROLE_MISSING");
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_batch_and_set_up_are_held_to_the_same() {
    let world = World::with_fund().await;
    world.set_up(vec![grant("m1", Role::Maker, ""), grant("a3", Role::Admin, ""), register("a3", &key("a3"))]).await;
    let commands = vec![world.made_by("m1", pay("V1", 1)), world.made_by("m1", pay("V2", 2))];
    let batch = world.propose("batch", "m1", commands).await.unwrap();
    world.approve("batch", "c1", &batch.message_to_sign).await.unwrap();
    let defined = world.propose("fund", "a3", vec![world.made_by("a3", fund("H", "P"))]).await.unwrap();
    world.set_up(vec![revoke("m1", Role::Maker), revoke("a3", Role::Admin)]).await;
    for result in world.post_batch("batch", &batch.commands).await.unwrap() {
        assert_eq!(refusal_of(result), "ROLE_MISSING");
    }
    let approved = world.approve("fund", "a2", &defined.message_to_sign).await.unwrap();
    assert_eq!(refusal_of(approved.executed.unwrap()), "ROLE_MISSING");
    assert!(world.pending().await.is_empty());
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_was_taken_is_known_after_a_start_and_a_checker_without_the_role_does_not_count() {
    let mut world = World::with_fund().await;
    world.set_up(vec![grant("m1", Role::Maker, ""), grant("c3", Role::Checker, "F")]).await;
    let lost = world.propose("lost", "m1", vec![world.made_by("m1", pay("V1", 1))]).await.unwrap();
    let checked = world.propose("checked", "m2", vec![world.made_by("m2", pay("V2", 5_000))]).await.unwrap();
    world.approve("checked", "c1", &checked.message_to_sign).await.unwrap();
    world.set_up(vec![revoke("m1", Role::Maker), revoke("c1", Role::Checker)]).await;
    // From a snapshot, then from the log alone.
    for closes in [true, false] {
        world.stop(closes).await;
        world.start().await;
    }
    let second = world.approve("checked", "c2", &checked.message_to_sign).await.unwrap();
    assert!(second.executed.is_none(), "of two approvals one counts");
    receipt(world.approve("checked", "c3", &checked.message_to_sign).await.unwrap().executed.unwrap());
    world.stop(true).await;
    world.start().await;
    let approved = world.approve("lost", "c2", &lost.message_to_sign).await.unwrap();
    assert_eq!(refusal_of(approved.executed.unwrap()), "ROLE_MISSING");
    world.verified().await;
}

/// Whoever holds the disk could execute it all the same, or say that the role had been given to somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_execution_without_the_role_is_found_by_deep_verification() {
    let mut world = World::with_fund().await;
    receipt(world.administer(grant("m1", Role::Maker, "F")).await);
    let between = vec![revoke_of("m1", Role::Maker, "F"), grant("m1", Role::Maker, "F")];
    receipt(executed_after(&world, "V1", between).await);
    world.stop(true).await;
    let events = stored(&world);
    let is_grant = |event: &v1::Event| matches!(&event.payload, Some(Happened::RoleGranted(granted)) if granted.principal_id == "m1");
    let again = events.iter().rposition(is_grant).unwrap();
    for is_tampered in [false, true] {
        let mut events = events.clone();
        if let (true, Some(Happened::RoleGranted(granted))) = (is_tampered, &mut events[again].payload) {
            granted.principal_id = "m9".to_owned();
        }
        let bundle = forged(&world, &events, |_| {});
        let mut verify = Process::new(BINARY);
        let report = output(verify.arg("verify").arg(&bundle).args(["--deep", "--allow-unanchored"])).unwrap();
        let text = String::from_utf8_lossy(&report.stdout);
        assert_eq!(report.status.success(), !is_tampered, "{text}");
        assert_eq!(text.contains("m1 had lost the role for what they proposed"), is_tampered, "{text}");
    }
}
