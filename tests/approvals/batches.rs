//! Many commands under one signature.

use fundledger::pb::v1;

use crate::server::receipt;
use crate::world::{World, pay, refusal_of};

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
