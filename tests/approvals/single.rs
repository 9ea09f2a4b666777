//! One command: proposed and approved, or posted with its signatures.

use fundledger::domain::time::UtcNanos;
use fundledger::format::approval;
use fundledger::pb::v1;
use fundledger::pb::v1::command::Payload;
use fundledger::pb::v1::event::Payload as Happened;
use prost::Message;
use prost::bytes::Bytes;

use crate::server::receipt;
use crate::world::{ORIGIN, World, key, pay, refusal_of};

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
    let head = world.head();
    assert_eq!(head, executed.sequence);
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_command_may_come_with_its_signatures() {
    let world = World::with_fund().await;
    let signed = world.signed(world.made_by("m1", pay("V1", 999)), &[key("c1")], world.now() + 60).await;
    let first = receipt(world.post(vec![signed.clone()]).await.remove(0));
    let again = receipt(world.post(vec![signed.clone()]).await.remove(0));
    assert_eq!(again, v1::Receipt { replayed: true, ..first.clone() });
    assert_eq!(world.event(first.sequence).await.approvals[0].actor, "c1");

    // Two are needed from 1,000 on; the refusal keeps what was signed.
    let too_few = world.signed(world.made_by("m1", pay("V2", 1_000)), &[key("c1")], world.now() + 60).await;
    assert_eq!(refusal_of(world.post(vec![too_few]).await.remove(0)), "APPROVAL_MISSING");
    let head = world.head();
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
