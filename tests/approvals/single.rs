//! One command: proposed and approved, or posted with its signatures.

use fundledger::domain::time::UtcNanos;
use fundledger::format::approval;
use fundledger::pb::v1;
use fundledger::pb::v1::command::Payload;
use fundledger::pb::v1::event::Payload as Happened;
use fundledger::pb::v1::operation::Operation;
use prost::Message;
use prost::bytes::Bytes;

use crate::server::receipt;
use crate::world::{ORIGIN, World, cash, key, pay, reason_of, refusal_of, with_signatures};

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

fn operation(payload: Payload) -> v1::Operation {
    let Payload::ExecutePayment(payment) = payload else { panic!("no payment: {payload:?}") };
    v1::Operation { operation: Some(Operation::ExecutePayment(payment)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_transaction_is_approved_as_a_whole() {
    let world = World::with_fund().await;
    let operations = vec![operation(pay("V1", 600)), operation(pay("V2", 400))];
    let transaction = |operations| Payload::Transaction(Box::new(v1::Transaction { operations }));
    let command = world.made_by("m1", transaction(operations.clone()));
    let proposed = world.propose("together", "m1", vec![command]).await.unwrap();
    assert_eq!(proposed.control_total_minor, 1_000);
    // Persons are pseudonyms in every operation.
    let signed = v1::Command::decode(proposed.commands[0].clone()).unwrap();
    let Some(Payload::Transaction(exact)) = &signed.payload else { panic!("{signed:?}") };
    for operation in &exact.operations {
        let Some(Operation::ExecutePayment(payment)) = &operation.operation else { panic!("{operation:?}") };
        assert_eq!((payment.payee.as_str(), payment.payee_pseudonym.len()), ("", 16));
    }
    // Two are needed from 1,000 on: neither payment is as large, both at once are.
    let first = world.approve("together", "c1", &proposed.message_to_sign).await.unwrap();
    assert!(first.executed.is_none());
    let last = world.approve("together", "c2", &proposed.message_to_sign).await.unwrap();
    let executed = world.event(receipt(last.executed.unwrap()).sequence).await;
    let Some(Happened::TransactionPosted(posted)) = executed.payload else { panic!("{executed:?}") };
    assert_eq!(posted.operations.len(), 2);

    // What is signed leaves no choice to the ledger, in no operation.
    let mut open = operations;
    if let Some(Operation::ExecutePayment(payment)) = &mut open[1].operation {
        payment.draws.clear();
    }
    let refused = world.propose("open", "m1", vec![world.made_by("m1", transaction(open))]).await.unwrap_err();
    assert_eq!(reason_of(&refused), "FIELD_INVALID");
    // Nor is a person's name in the bytes that come with signatures.
    let mut named = signed;
    if let Some(Payload::Transaction(exact)) = &mut named.payload
        && let Some(Operation::ExecutePayment(payment)) = &mut exact.operations[1].operation
    {
        payment.payee_pseudonym = Bytes::new();
        payment.payee = "Supplier Ltd".to_owned();
    }
    let named = with_signatures(named.encode_to_vec().into(), b"", &[key("c1")], world.now() + 60);
    assert_eq!(refusal_of(world.post(vec![named]).await.remove(0)), "FIELD_INVALID");
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

/// The bytes of a command made as long as asked, by a field that this version does not know.
fn padded(exact: &Bytes, bytes: usize) -> Bytes {
    let mut longer = exact.to_vec();
    let content = bytes - exact.len() - 5;
    longer.extend_from_slice(&[0xc2, 0x3e]);
    prost::encoding::encode_varint(u64::try_from(content).unwrap(), &mut longer);
    longer.resize(longer.len() + content, 0);
    assert_eq!(longer.len(), bytes);
    longer.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_too_long_to_be_signed_is_refused_and_the_ledger_goes_on() {
    const LONGEST: usize = 32_767;
    let world = World::with_fund().await;
    let expires_at = world.now() + 60;
    let signed = async |payment_id: &str, amount_minor, bytes| {
        let command = world.made_by("m1", pay(payment_id, amount_minor));
        let request_id = command.request_id.clone();
        let (exact, _) = world.exact(command, expires_at).await;
        let long = padded(&exact, bytes);
        let expires = UtcNanos(expires_at * 1_000_000_000);
        let message = approval::command_message(ORIGIN, &request_id, expires, &long);
        with_signatures(long, &message, &[key("c1"), key("c2")], expires_at)
    };
    // The longest fits, whether it is accepted or refused.
    let (longest, too_much) = (signed("V1", 1, LONGEST).await, signed("V2", 900_000, LONGEST).await);
    let mut results = world.post(vec![longest, too_much]).await;
    let booked = receipt(results.remove(0)).sequence;
    assert_eq!(world.event(booked).await.signed.unwrap().command.len(), LONGEST);
    assert_eq!(refusal_of(results.remove(0)), "INSUFFICIENT_BALANCE");
    assert_eq!(world.event(booked + 1).await.signed.unwrap().command.len(), LONGEST);

    let head = world.head();
    for bytes in [LONGEST + 1, 65_535, 200_000] {
        let too_long = signed("V3", 1, bytes).await;
        assert_eq!(refusal_of(world.post(vec![too_long]).await.remove(0)), "FIELD_INVALID", "{bytes}");
    }
    // As many payments as may be cleared at once, with the longest names.
    let payment_ids = (0..512).map(|number| format!("{number:-<64}")).collect();
    let clear = v1::ClearPayments { payment_ids, bank_reference: "B".to_owned() };
    let clear = world.made_by("m1", Payload::ClearPayments(Box::new(clear)));
    assert!(clear.encoded_len() > LONGEST);
    for commands in [vec![clear.clone()], vec![world.made_by("m1", pay("V4", 1)), clear]] {
        let refused = world.propose("long", "m1", commands).await.unwrap_err();
        assert_eq!(reason_of(&refused), "FIELD_INVALID");
    }
    assert_eq!(world.head(), head, "nothing of it is on record");

    receipt(world.post(vec![world.made_by("m1", cash(1))]).await.remove(0));
    assert_eq!(world.head(), head + 1);
    world.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_proposed_command_whose_key_was_used_meanwhile_is_put_on_record_as_refused() {
    let world = World::with_fund().await;
    let command = world.made_by("m1", pay("V1", 5_000));
    let request_id = command.request_id.clone();
    let proposed = world.propose("p", "m1", vec![command]).await.unwrap();
    world.approve("p", "c1", &proposed.message_to_sign).await.unwrap();
    let other = v1::Command { request_id: request_id.clone(), ..world.made_by("m1", cash(7)) };
    let other = receipt(world.post(vec![other]).await.remove(0));

    let signature = key("c2").sign(&proposed.message_to_sign).0.to_vec();
    let last = world.approve_with("last", "p", "c2", signature.clone()).await.unwrap();
    assert_eq!(refusal_of(last.executed.unwrap()), "IDEMPOTENCY_KEY_REUSED");
    // The approval, and then what the ledger itself says of the command.
    let head = world.head();
    assert_eq!(last.receipt.unwrap().sequence, head - 1);
    let event = world.event(head).await;
    let sequence = proposed.receipt.unwrap().sequence;
    assert_eq!((event.request_id, event.actor.as_str()), (format!("/proposal/{sequence}"), "m1"));
    let Some(Happened::CommandRefused(refused)) = event.payload else { panic!("{:?}", event.payload) };
    assert_eq!(refused.reason(), v1::ErrorReason::IdempotencyKeyReused);
    assert_eq!(event.signed.unwrap().command, proposed.commands[0]);
    let approvers: Vec<_> = event.approvals.iter().map(|approval| approval.actor.as_str()).collect();
    assert_eq!(approvers, ["c1", "c2"]);
    assert!(world.pending().await.is_empty());

    // The key still stands for the command that had it first, and the lost answer is the same answer.
    let found = world.ledger().get_receipt(v1::GetReceiptRequest { request_id }).await.unwrap().into_inner();
    assert_eq!(receipt(found.result.unwrap()).sequence, other.sequence);
    let again = world.approve_with("last", "p", "c2", signature).await.unwrap();
    assert_eq!(refusal_of(again.executed.unwrap()), "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(world.head(), head);
    world.verified().await;
}
