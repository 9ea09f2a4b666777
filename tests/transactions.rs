//! Transactions over the API: one event or nothing, and every reader sees what each operation did.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

mod server;

use std::path::Path;
use std::process::Command as Process;

use fundledger::pb::v1::operation::Operation;
use fundledger::pb::v1::trace_request::Start;
use fundledger::pb::v1::{self, command::Payload};
use server::{Served, command, errors, payment, receipt, run, set_up};
use tonic_types::{ErrorDetails, RpcStatusExt};

fn transaction(key: &str, operations: Vec<Operation>) -> v1::Command {
    let operation = |operation| v1::Operation { operation: Some(operation) };
    let operations = operations.into_iter().map(operation).collect();
    command(key, Payload::Transaction(Box::new(v1::Transaction { operations })))
}

fn pay(id: &str, payee: &str, amount_minor: i64, project_id: &str) -> Operation {
    let Some(Payload::ExecutePayment(order)) = payment(id).payload else { panic!("no payment") };
    Operation::ExecutePayment(Box::new(v1::ExecutePayment {
        payee: payee.to_owned(),
        amount_minor,
        project_id: project_id.to_owned(),
        ..*order
    }))
}

fn allocate(amount_minor: i64) -> Operation {
    let (from, to) = ("unallocated".to_owned(), "U.unit".to_owned());
    let movement = v1::AuthorityMovement { from_account_id: from, to_account_id: to, amount_minor, draws: Vec::new() };
    Operation::AllocateBudget(Box::new(v1::AllocateBudget {
        movement: Some(movement),
        document_number: "分配2号".to_owned(),
    }))
}

fn issue(lot_id: &str, amount_minor: i64) -> Operation {
    Operation::IssueBudget(Box::new(v1::IssueBudget {
        lot_id: lot_id.to_owned(),
        to_account_id: "unallocated".to_owned(),
        amount_minor,
        issuer_id: "PROVINCE".to_owned(),
        document_number: format!("document {lot_id}"),
        document_sha256: vec![2; 32].into(),
        ..Default::default()
    }))
}

fn reverse(original_sequence: i64, operation: i32) -> Operation {
    let reason_code = "WRONG_PAYEE".to_owned();
    Operation::ReverseEvent(Box::new(v1::ReverseEvent { original_sequence, reason_code, operation }))
}

async fn post(served: &Served, command: v1::Command) -> v1::PostResult {
    let request = v1::PostRequest { commands: vec![command], ..Default::default() };
    served.ledger().await.post(request).await.unwrap().into_inner().results.remove(0)
}

/// Reason of a refusal, and the operation that it names.
fn refused(result: &v1::PostResult) -> (String, String) {
    let Some(v1::post_result::Outcome::Error(status)) = &result.outcome else { panic!("not refused: {result:?}") };
    let info = status.get_details_error_info().unwrap();
    let operation = info.metadata.get("operation").cloned().unwrap_or_default();
    (info.reason, operation)
}

fn details(result: &v1::PostResult) -> ErrorDetails {
    let Some(v1::post_result::Outcome::Error(status)) = &result.outcome else { panic!("not refused: {result:?}") };
    status.get_error_details()
}

async fn holds(served: &Served, account_id: &str, min_sequence: i64) -> i64 {
    let (account_id, min_sequence) = (account_id.to_owned(), Some(min_sequence));
    let request = v1::GetBalanceRequest { account_id, min_sequence, ..Default::default() };
    served.query().await.get_balance(request).await.unwrap().into_inner().balance.unwrap().amount_minor
}

/// Labels, amounts and sequences of a trace's nodes of a kind.
async fn nodes(served: &Served, start: Start, kind: v1::TraceNodeKind, at: i64) -> Vec<(String, i64, i64)> {
    let request = v1::TraceRequest { start: Some(start), min_sequence: Some(at), as_of_sequence: None };
    let mut stream = served.query().await.trace(request).await.unwrap().into_inner();
    let mut found = Vec::new();
    while let Some(answer) = stream.message().await.unwrap() {
        if let Some(v1::trace_response::Part::Nodes(nodes)) = answer.part {
            let of_kind = nodes.nodes.into_iter().filter(|node| node.kind() == kind);
            found.extend(of_kind.map(|node| (node.label, node.amount_minor, node.sequence)));
        }
    }
    found
}

/// Two independent verifiers look at what a stopped server left.
fn verify(data: &Path) {
    let verified = run(&["verify", data.to_str().unwrap(), "--deep", "--allow-unanchored"]);
    assert!(verified.status.success(), "{}{}", String::from_utf8_lossy(&verified.stdout), errors(&verified));
    let bundle = data.with_file_name("transactions.bundle");
    let exported = run(&["export", "--data", data.to_str().unwrap(), "--bundle", bundle.to_str().unwrap()]);
    assert!(exported.status.success(), "{}", errors(&exported));
    if let Ok(oracle) = Process::new("python3").arg("tests/oracle/verify.py").arg(&bundle).arg("--deep").output() {
        assert!(oracle.status.success(), "{}{}", String::from_utf8_lossy(&oracle.stdout), errors(&oracle));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn operations_are_one_event_and_each_can_be_followed() {
    let mut served = Served::new();
    let before = served.accept(set_up()).await.last().unwrap().sequence;
    let order = transaction(
        "t-1",
        vec![
            issue("LOT-2", 700),
            allocate(500),
            pay("v-1", "Builder Ltd", 300, "bridge"),
            pay("v-2", "Builder Ltd", 40, "road"),
            pay("v-3", "Painter Ltd", 5, "bridge"),
        ],
    );
    let request = v1::PostRequest { commands: vec![order.clone()], validate_only: true, ..Default::default() };
    let checked = served.ledger().await.post(request).await.unwrap().into_inner().results.remove(0);
    assert_eq!(receipt(checked).sequence, 0);
    let posted = receipt(post(&served, order.clone()).await);
    assert_eq!(posted.sequence, before + 1, "one event");
    assert_eq!(receipt(post(&served, order.clone()).await), v1::Receipt { replayed: true, ..posted.clone() });
    let at = posted.sequence;
    assert_eq!(holds(&served, "U.unit", at).await, 50_000_000 + 500 - 345);
    assert_eq!(holds(&served, "unallocated", at).await, 50_000_000 + 700 - 500);

    // The stored event: its legs are the operations', one after another.
    let mut query = served.query().await;
    let event = query.get_event(v1::GetEventRequest { sequence: at }).await.unwrap().into_inner();
    let event = event.record.unwrap().event.unwrap();
    let Some(v1::event::Payload::TransactionPosted(stored)) = event.payload else { panic!("{event:?}") };
    let counts: Vec<i32> = stored.operations.iter().map(|operation| operation.leg_count).collect();
    assert_eq!(counts, [2, 2, 4, 4, 4]);
    assert_eq!(event.legs.len(), 16);

    // A statement has one entry an event and lot; what all its operations on the account refer to, and no more.
    let entry = async |account_id: &str, lot_id: &str| {
        let (account_id, lot_id) = (account_id.to_owned(), lot_id.to_owned());
        let request = v1::GetStatementRequest { account_id, lot_id, min_sequence: Some(at), ..Default::default() };
        served.query().await.get_statement(request).await.unwrap().into_inner().entries.pop().unwrap()
    };
    let issued = entry("unallocated", "LOT-2").await;
    assert_eq!((issued.amount_minor, issued.event_kind.as_str()), (700, "transaction_posted"));
    assert_eq!(
        (issued.document_number.as_str(), issued.counterpart_account_ids),
        ("document LOT-2", vec!["source".to_owned()])
    );
    let used = entry("U.used", "LOT-1").await;
    assert_eq!((used.amount_minor, used.payment_id.as_str(), used.counterpart_count), (345, "", 1));
    let unit = entry("U.unit", "LOT-1").await;
    assert_eq!((unit.amount_minor, unit.counterpart_count), (500 - 345, 2), "received and paid");

    // Each payment by its number, its payee, and in the lot's tree.
    let movements = v1::TraceNodeKind::Payment;
    let by_payment = nodes(&served, Start::PaymentId("v-2".to_owned()), movements, at).await;
    assert_eq!(by_payment, [("v-2".to_owned(), 40, at)]);
    let by_payee = nodes(&served, Start::Payee("Builder Ltd".to_owned()), movements, at).await;
    assert_eq!(by_payee, [("v-1".to_owned(), 300, at), ("v-2".to_owned(), 40, at)]);
    let mut of_lot = nodes(&served, Start::LotId("LOT-1".to_owned()), movements, at).await;
    of_lot.sort();
    let expected = [("v-1", 300), ("v-2", 40), ("v-3", 5)].map(|(id, minor)| (id.to_owned(), minor, at));
    assert_eq!(of_lot, expected);

    // Filters are met by one operation: nobody painted the road.
    let mut count = async |payee: &str, project_id: &str, document_number: &str| {
        let (payee, project_id) = (payee.to_owned(), project_id.to_owned());
        let document_number = document_number.to_owned();
        let request = v1::ListEventsRequest { payee, project_id, document_number, ..Default::default() };
        query.list_events(request).await.unwrap().into_inner().records.len()
    };
    assert_eq!(count("Builder Ltd", "road", "").await, 1);
    assert_eq!(count("Painter Ltd", "road", "").await, 0);
    assert_eq!(count("", "bridge", "").await, 1);
    assert_eq!(count("", "", "分配2号").await, 1);

    // What follows rests on the operation: after a restart, one is cleared and comes back, one is reversed.
    served.stop();
    served.start();
    let clearing = v1::ClearPayments { payment_ids: vec!["v-1".to_owned()], bank_reference: "clear".to_owned() };
    served.accept(vec![command("clear", Payload::ClearPayments(Box::new(clearing)))]).await;
    let back = v1::ReturnPayment {
        payment_id: "v-1".to_owned(),
        amount_minor: 300,
        bank_reference: "back".to_owned(),
        reason_code: "ACCOUNT_CLOSED".to_owned(),
    };
    let returned = served.accept(vec![command("back", Payload::ReturnPayment(Box::new(back)))]).await[0].sequence;
    let by_payee = nodes(&served, Start::Payee("Builder Ltd".to_owned()), v1::TraceNodeKind::Return, returned).await;
    assert_eq!(by_payee, [("v-1".to_owned(), -300, returned)]);
    let alone = |key: &str, operation: i32| {
        let Operation::ReverseEvent(reverse) = reverse(at, operation) else { panic!("no reversal") };
        command(key, Payload::ReverseEvent(reverse))
    };
    for (operation, reason) in
        [(0, "NOT_REVERSIBLE"), (1, "NOT_REVERSIBLE"), (6, "NOT_REVERSIBLE"), (3, "PAYMENT_CLEARED")]
    {
        assert_eq!(refused(&post(&served, alone(&format!("reverse-{operation}"), operation)).await).0, reason);
    }
    receipt(post(&served, alone("reverse-4", 4)).await);
    let again = post(&served, alone("reverse-4-again", 4)).await;
    assert_eq!(refused(&again).0, "ALREADY_REVERSED");
    // Put right: the wrong payment goes, the right one comes, or neither.
    let right = vec![reverse(at, 5), pay("v-4", "Builder Ltd", 5, "bridge")];
    let righted = receipt(post(&served, transaction("t-2", right)).await).sequence;
    assert_eq!(holds(&served, "U.unit", righted).await, 50_000_000 + 500 - 5);
    let paid = nodes(&served, Start::Payee("Painter Ltd".to_owned()), v1::TraceNodeKind::Reversal, righted).await;
    assert_eq!(paid, [("v-3".to_owned(), -5, righted)]);
    // A reversal and a payment in one event are each shown once.
    let start = || Start::LotId("LOT-1".to_owned());
    let of_event = async |kind| {
        let all = nodes(&served, start(), kind, righted).await.into_iter();
        all.filter(|(_, _, sequence)| *sequence == righted).collect::<Vec<_>>()
    };
    assert_eq!(of_event(v1::TraceNodeKind::Payment).await, [("v-4".to_owned(), 5, righted)]);
    assert_eq!(of_event(v1::TraceNodeKind::Reversal).await, [("v-3".to_owned(), -5, righted)]);
    served.stop();
    verify(&served.data());
}

/// A second fund, with as much as an appropriation needs.
fn other_fund() -> Vec<v1::Command> {
    let open = |account_id: &str, kind: v1::AccountKind| {
        Payload::OpenAccount(Box::new(v1::OpenAccount {
            account_id: account_id.to_owned(),
            fund_id: "G".to_owned(),
            kind: kind.into(),
            unit_id: String::new(),
            ..v1::OpenAccount::default()
        }))
    };
    let fund = Payload::DefineFund(Box::new(v1::DefineFund {
        fund_id: "G".to_owned(),
        name: "G".to_owned(),
        family: v1::FundFamily::Special.into(),
        legal_basis: "test".to_owned(),
        ..Default::default()
    }));
    vec![
        command("g-fund", fund),
        command("g-source", open("g.source", v1::AccountKind::AuthoritySource)),
        command("g-unallocated", open("g.unallocated", v1::AccountKind::AuthorityUnallocated)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn operations_may_be_of_different_funds_and_each_keeps_to_its_own_days() {
    let mut served = Served::new();
    served.accept(set_up()).await;
    served.accept(other_fund()).await;
    let both = |key: &str, lots: [&str; 2]| {
        let Operation::IssueBudget(mut other) = issue(lots[1], 30) else { panic!("no issue") };
        other.to_account_id = "g.unallocated".to_owned();
        transaction(key, vec![issue(lots[0], 700), Operation::IssueBudget(other)])
    };
    let posted = receipt(post(&served, both("t-1", ["LOT-2", "LOT-3"])).await).sequence;
    assert_eq!(holds(&served, "unallocated", posted).await, 50_000_000 + 700);
    assert_eq!(holds(&served, "g.unallocated", posted).await, 30);
    let closing = v1::CloseDay { fund_id: "G".to_owned(), day: Some(server::DATE) };
    served.accept(vec![command("close", Payload::CloseDay(Box::new(closing)))]).await;
    let late = post(&served, both("t-2", ["LOT-4", "LOT-5"])).await;
    assert_eq!(refused(&late), ("PERIOD_CLOSED".to_owned(), "operations[1]".to_owned()));
    served.stop();
    verify(&served.data());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_refused_operation_refuses_all_and_is_named() {
    let mut served = Served::new();
    let head = served.accept(set_up()).await.last().unwrap().sequence;
    let order = |key| {
        let last = pay("v-3", "Builder Ltd", 90_000_000, "");
        transaction(key, vec![issue("LOT-2", 700), pay("v-1", "Builder Ltd", 1, ""), last])
    };
    let answer = post(&served, order("t-1")).await;
    assert_eq!(refused(&answer), ("INSUFFICIENT_BALANCE".to_owned(), "operations[2]".to_owned()));
    assert_eq!(holds(&served, "U.unit", head + 1).await, 50_000_000);
    let request = v1::ListEventsRequest { after_sequence: Some(head), ..Default::default() };
    let records = served.query().await.list_events(request).await.unwrap().into_inner().records;
    let [record] = records.as_slice() else { panic!("not one event: {records:?}") };
    let Some(v1::event::Payload::CommandRefused(stored)) = &record.event.as_ref().unwrap().payload else {
        panic!("{record:?}")
    };
    assert_eq!(stored.command, "transaction");
    // The same answer for the same key; nothing of what came before it in the transaction is taken.
    assert_eq!(refused(&post(&served, order("t-1")).await), refused(&answer));
    let others = vec![issue("LOT-2", 700), pay("v-1", "Builder Ltd", 1, "")];
    receipt(post(&served, transaction("t-2", others.clone())).await);
    let twice = vec![others[1].clone()];
    assert_eq!(refused(&post(&served, transaction("t-3", twice)).await).1, "operations[0]");
    let itself = vec![pay("v-5", "Builder Ltd", 1, ""), pay("v-5", "Builder Ltd", 1, "")];
    let duplicate = ("PAYMENT_EXISTS".to_owned(), "operations[1]".to_owned());
    assert_eq!(refused(&post(&served, transaction("t-4", itself)).await), duplicate);

    // Malformed: every field by its path, and nothing is recorded.
    let mut wrong = transaction("t-5", vec![pay("v 6", "Builder Ltd", 0, ""), reverse(0, -1), issue("LOT-3", 1)]);
    if let Some(Payload::Transaction(transaction)) = &mut wrong.payload {
        transaction.operations[2].operation = None;
    }
    let violations = details(&post(&served, wrong).await).bad_request().unwrap().field_violations.clone();
    let fields: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
    let path = "commands[0].transaction.operations";
    let expected = [
        "[0].execute_payment.payment_id",
        "[0].execute_payment.amount_minor",
        "[1].reverse_event.original_sequence",
        "[1].reverse_event.operation",
        "[2]",
    ];
    assert_eq!(fields, expected.map(|field| format!("{path}{field}")));
    for count in [0, 101] {
        let operations = (0..count).map(|at| pay(&format!("w-{at}"), "Builder Ltd", 1, "")).collect();
        let answer = post(&served, transaction("t-6", operations)).await;
        assert_eq!(details(&answer).bad_request().unwrap().field_violations[0].field, path);
    }
    // Each is small enough by itself; together they are no entry. Checking says so as posting does.
    let long = |key: &str| {
        let documents = |operation: &mut Operation| {
            if let Operation::ExecutePayment(payment) = operation {
                payment.document_sha256 = vec![vec![7; 32].into(); 16];
            }
        };
        let mut operations: Vec<Operation> =
            (0..100).map(|at| pay(&format!("l-{at}"), "Builder Ltd", 1, &"p".repeat(64))).collect();
        operations.iter_mut().for_each(documents);
        transaction(key, operations)
    };
    let request = v1::PostRequest { commands: vec![long("t-7")], validate_only: true, ..Default::default() };
    let checked = served.ledger().await.post(request).await.unwrap().into_inner().results.remove(0);
    let posted = post(&served, long("t-7")).await;
    assert_eq!((refused(&checked).0, refused(&posted).0), ("EVENT_TOO_LARGE".to_owned(), "EVENT_TOO_LARGE".to_owned()));
    let full = (0..100).map(|at| pay(&format!("w-{at}"), "Builder Ltd", 1, "")).collect();
    receipt(post(&served, transaction("t-6", full)).await);
    served.stop();
    verify(&served.data());
}
