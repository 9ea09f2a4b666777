//! What waits: expiry, restarts, and many at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use fundledger::domain::approval::Approvals;
use fundledger::domain::command::{Command, Envelope, Order};
use fundledger::domain::ids::{ActorId, KeyNumber, RequestId};
use fundledger::domain::time::Day;
use fundledger::pb::v1;
use fundledger::pb::v1::event::Payload as Happened;

use crate::server::receipt;
use crate::world::{TODAY, World, at, cash, key, pay, reason_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn expiry_is_an_event_and_comes_before_what_is_posted_later() {
    let world = World::with_fund().await;
    world.propose("p", "m1", vec![world.made_by("m1", pay("V1", 5_000))]).await.unwrap();
    world.pass(3_600);
    let posted = receipt(world.post(vec![world.made_by("m1", cash(1))]).await.remove(0));
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
            approvals: Approvals::default(),
            personal_data: Vec::new(),
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
        min_sequence: Some(world.head()),
    };
    world.query().trace(trace).await.unwrap();
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_proposal_is_listed_as_soon_as_it_is_answered_and_no_longer_than_it_waits() {
    let world = World::with_fund().await;
    let listed = async |proposal_id: &str| {
        let request = v1::ListPendingRequest { proposal_id: proposal_id.to_owned(), ..Default::default() };
        world.ledger().list_pending(request).await.unwrap().into_inner().proposals.len()
    };
    let command = world.made_by("m1", pay("V1", 1));
    let busy = world.busy().await;
    world.propose("p", "m1", vec![command]).await.unwrap();
    assert_eq!(listed("p").await, 1);
    busy.outcomes().await.unwrap();

    let busy = world.busy().await;
    world.withdraw("p", "m1").await.unwrap();
    assert_eq!(listed("p").await, 0);
    busy.outcomes().await.unwrap();
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
    let head = world.head();
    world.post(vec![world.made_by("m1", cash(1))]).await;
    let after = world.head();
    assert_eq!(after - head, i64::try_from(COUNT).unwrap(), "9,999 expiries and the receipt");
    assert!(world.pending().await.is_empty());
    world.verified().await;
}
