//! Traces of benefits and withdrawals: a pool's composition and a person's own account, never an invented lineage; and who is
//! responsible.

use fundledger::pb::v1;
use fundledger::pb::v1::trace_request::Start;
use fundledger::pb::v1::{TraceClass, TraceNode, TraceNodeKind};
use serde_json::json;

use crate::world::{World, on, yuan};

async fn trace(world: &World, start: Start) -> (TraceClass, Vec<TraceNode>) {
    let request = v1::TraceRequest { start: Some(start), min_sequence: None, as_of_sequence: None };
    let mut stream = world.served.query().await.trace(request).await.unwrap().into_inner();
    let (mut class, mut found) = (TraceClass::Unspecified, Vec::new());
    while let Some(answer) = stream.message().await.unwrap() {
        match answer.part.unwrap() {
            v1::trace_response::Part::Head(head) => class = head.trace_class(),
            v1::trace_response::Part::Nodes(nodes) => found.extend(nodes.nodes),
        }
    }
    (class, found)
}

fn shown(node: &TraceNode) -> (TraceNodeKind, TraceClass, &str, String) {
    (node.kind(), node.trace_class(), node.label.as_str(), yuan(node.amount_minor))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_benefit_is_traced_to_the_pool_as_it_was_and_to_the_persons_account() {
    use TraceClass::{Individual, Pooled};
    use TraceNodeKind::{Account, Payment, PoolInflow, PoolOpening, Return};
    let mut world = World::after("s3-pension").await;
    // Later months are no part of what paid in January.
    let income = |key: &str| {
        json!({ "receiveIncome": { "accountId": "fiscal", "source": "INCOME_SOURCE_INTEREST", "amountMinor": 7,
            "bankReference": key } })
    };
    world.accept(&on("2026-02-01", "later", income("later"))).await;
    let wrong = world.accept(&on("2026-01-25", "wrong", income("wrong"))).await;
    let undo = json!({ "reverseEvent": { "originalSequence": wrong, "reasonCode": "WRONG_FUND" } });
    let head = world.accept(&on("2026-01-25", "undo", undo)).await;
    world.seen(head).await;
    let (class, nodes) = trace(&world, Start::PaymentId("B-R1-1".to_owned())).await;
    assert_eq!(class, Pooled);
    let nodes_shown: Vec<_> = nodes.iter().map(shown).collect();
    let expected = [
        (Payment, Pooled, "B-R1-1", "3,313.31"),
        (Account, Pooled, "pool", "2,450.00"),
        (PoolOpening, Pooled, "", "500,000.00"),
        (PoolInflow, Pooled, "CONTRIBUTIONS", "4,800.00"),
        (PoolInflow, Pooled, "SUBSIDIES", "10,000.00"),
        (Account, Individual, "personal.R1", "863.31"),
    ];
    assert_eq!(nodes_shown, expected.map(|(kind, class, label, amount)| (kind, class, label, amount.to_owned())));
    // Who is responsible for it: maker, checker, and the rules that were applied.
    let payment = &nodes[0];
    assert_eq!((payment.maker.as_str(), payment.checkers.as_slice()), ("maker-1", ["checker-1".to_owned()].as_slice()));
    assert_eq!(payment.policy_version, 1);
    // The person's payments and what came back, by identity.
    let (class, nodes) = trace(&world, Start::Payee("R2".to_owned())).await;
    assert_eq!(class, Pooled);
    let moved: Vec<_> = nodes.iter().filter(|node| matches!(node.kind(), Payment | Return)).collect();
    let moved: Vec<_> = moved.into_iter().map(|node| (node.kind(), node.amount_minor)).collect();
    assert_eq!(moved, [(Payment, 280_000), (Return, -280_000)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_withdrawal_is_the_persons_own() {
    let world = World::after("s4-housing").await;
    world.seen(29).await;
    let (class, nodes) = trace(&world, Start::Payee("A".to_owned())).await;
    assert_eq!(class, TraceClass::Individual);
    let kinds: Vec<_> =
        nodes.iter().map(|node| (node.kind(), node.label.as_str(), node.amount_minor)).skip(1).collect();
    let expected = [(TraceNodeKind::Payment, "W-A-1", 1_000_000), (TraceNodeKind::Account, "personal.A", 1_000_000)];
    assert_eq!(kinds, expected);
}
