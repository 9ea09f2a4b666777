//! What comes over the wire: every field wrong in turn, bad commands among good ones, keys re-sent, pages, errors.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::assigning_clones,
    reason = "a test may fail"
)]

mod server;

use fundledger::pb::Date;
use fundledger::pb::v1::audit_service_client::AuditServiceClient;
use fundledger::pb::v1::{self, command::Payload, post_result::Outcome, trace_request::Start};
use server::{Served, command, payment, set_up};
use tonic::{Code, Request, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use tonic_types::{ErrorDetails, StatusExt};

/// An error as a client sees it.
struct Seen {
    code: Code,
    reason: String,
    fields: Vec<String>,
    localized: (String, String),
    metadata: Vec<(String, String)>,
}

fn seen(code: Code, details: &ErrorDetails) -> Seen {
    let info = details.error_info().expect("every error has ErrorInfo");
    assert_eq!(info.domain, "fundledger");
    let localized = details.localized_message().expect("every error has a LocalizedMessage");
    let violations = details.bad_request().map(|bad| &bad.field_violations);
    Seen {
        code,
        reason: info.reason.clone(),
        fields: violations.into_iter().flatten().map(|violation| violation.field.clone()).collect(),
        localized: (localized.locale.clone(), localized.message.clone()),
        metadata: info.metadata.clone().into_iter().collect(),
    }
}

fn of_status(status: &Status) -> Seen {
    seen(status.code(), &status.get_error_details())
}

fn of_result(result: &v1::PostResult) -> Seen {
    let Some(Outcome::Error(status)) = &result.outcome else { panic!("accepted: {result:?}") };
    let code = Code::from_i32(status.code);
    let bytes = prost::Message::encode_to_vec(status);
    of_status(&Status::with_details(code, status.message.clone(), bytes.into()))
}

async fn post(served: &Served, commands: Vec<v1::Command>) -> Result<Vec<v1::PostResult>, Status> {
    let answer = served.ledger().await.post(v1::PostRequest { commands, ..v1::PostRequest::default() }).await;
    answer.map(|answer| answer.into_inner().results)
}

/// The committed head; the views may be a moment behind it.
async fn head(served: &Served) -> i64 {
    let mut audit = AuditServiceClient::new(served.channel().await);
    let request = v1::ReadEntriesRequest { start_sequence: 0, end_sequence: Some(0) };
    let mut stream = audit.read_entries(request).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap().head.unwrap().sequence
}

fn pay(change: impl FnOnce(&mut v1::ExecutePayment)) -> v1::Command {
    let mut command = payment("bad-1");
    if let Some(Payload::ExecutePayment(payment)) = &mut command.payload {
        change(payment);
    }
    command
}

fn envelope(change: impl FnOnce(&mut v1::Command)) -> v1::Command {
    let mut command = payment("bad-1");
    change(&mut command);
    command
}

fn allocate(change: impl FnOnce(&mut v1::AuthorityMovement)) -> v1::Command {
    let mut movement = v1::AuthorityMovement {
        from_account_id: "unallocated".to_owned(),
        to_account_id: "U.unit".to_owned(),
        amount_minor: 1,
        draws: Vec::new(),
    };
    change(&mut movement);
    command(
        "bad-1",
        Payload::AllocateBudget(Box::new(v1::AllocateBudget { movement: Some(movement), ..Default::default() })),
    )
}

fn issue(change: impl FnOnce(&mut v1::IssueBudget)) -> v1::Command {
    let mut issue = v1::IssueBudget {
        lot_id: "LOT-2".to_owned(),
        to_account_id: "unallocated".to_owned(),
        amount_minor: 1,
        issuer_id: "PROVINCE".to_owned(),
        document_number: "文号 2".to_owned(),
        document_sha256: vec![0; 32].into(),
        ..Default::default()
    };
    change(&mut issue);
    command("bad-1", Payload::IssueBudget(Box::new(issue)))
}

fn draw(lot_id: &str, amount_minor: i64) -> v1::Draw {
    v1::Draw { lot_id: lot_id.to_owned(), amount_minor }
}

fn text(length: usize) -> String {
    "x".repeat(length)
}

/// One wrong field a row: the command, the field's path behind `commands[0].`, the reason.
fn malformed() -> Vec<(v1::Command, &'static str, &'static str)> {
    const FIELD: &str = "FIELD_INVALID";
    const AMOUNT: &str = "AMOUNT_INVALID";
    const DATE: &str = "DATE_INVALID";
    let date = |year, month, day| Some(Date { year, month, day });
    vec![
        (envelope(|c| c.request_id.clear()), "request_id", FIELD),
        (envelope(|c| c.request_id = text(65)), "request_id", FIELD),
        (envelope(|c| c.request_id = "a b".to_owned()), "request_id", FIELD),
        (envelope(|c| c.request_id = "键".to_owned()), "request_id", FIELD),
        (envelope(|c| c.request_id = "a\0b".to_owned()), "request_id", FIELD),
        (envelope(|c| c.business_date = None), "business_date", DATE),
        (envelope(|c| c.business_date = date(2026, 2, 29)), "business_date", DATE),
        (envelope(|c| c.business_date = date(1899, 12, 31)), "business_date", DATE),
        (envelope(|c| c.business_date = date(2200, 1, 1)), "business_date", DATE),
        (envelope(|c| c.business_date = date(i32::MAX, i32::MIN, -1)), "business_date", DATE),
        (envelope(|c| c.actor.clear()), "actor", FIELD),
        (envelope(|c| c.actor = "张三".to_owned()), "actor", FIELD),
        (envelope(|c| c.checkers = vec![String::new()]), "checkers[0]", FIELD),
        (envelope(|c| c.checkers = (0..9).map(|n| format!("c{n}")).collect()), "checkers", FIELD),
        (envelope(|c| c.payload = None), "payload", FIELD),
        (pay(|p| p.payment_id.clear()), "execute_payment.payment_id", FIELD),
        (pay(|p| p.payment_id = text(65)), "execute_payment.payment_id", FIELD),
        (pay(|p| p.from_account_id.clear()), "execute_payment.from_account_id", FIELD),
        (pay(|p| p.unit_id = "\u{202e}".to_owned()), "execute_payment.unit_id", FIELD),
        (pay(|p| p.amount_minor = 0), "execute_payment.amount_minor", AMOUNT),
        (pay(|p| p.amount_minor = -1), "execute_payment.amount_minor", AMOUNT),
        (pay(|p| p.amount_minor = i64::MIN), "execute_payment.amount_minor", AMOUNT),
        (pay(|p| p.amount_minor = 1 << 53), "execute_payment.amount_minor", AMOUNT),
        (pay(|p| p.draws = vec![draw("", 1)]), "execute_payment.draws[0].lot_id", FIELD),
        (pay(|p| p.draws = vec![draw("LOT-1", 0)]), "execute_payment.draws[0].amount_minor", AMOUNT),
        (pay(|p| p.draws = vec![draw("LOT-1", 1); 65]), "execute_payment.draws", FIELD),
        (pay(|p| p.payee.clear()), "execute_payment.payee", FIELD),
        (pay(|p| p.payee = text(257)), "execute_payment.payee", FIELD),
        (pay(|p| p.purpose.clear()), "execute_payment.purpose", FIELD),
        (pay(|p| p.function_code = "a/b".to_owned()), "execute_payment.function_code", FIELD),
        (pay(|p| p.economic_code = "a/b".to_owned()), "execute_payment.economic_code", FIELD),
        (pay(|p| p.project_id = "a/b".to_owned()), "execute_payment.project_id", FIELD),
        (pay(|p| p.contract_id = "a/b".to_owned()), "execute_payment.contract_id", FIELD),
        (pay(|p| p.method = 0), "execute_payment.method", FIELD),
        (pay(|p| p.method = 99), "execute_payment.method", FIELD),
        (pay(|p| p.document_sha256 = vec![vec![0; 31].into()]), "execute_payment.document_sha256[0]", FIELD),
        (pay(|p| p.document_sha256 = vec![vec![0; 32].into(); 17]), "execute_payment.document_sha256", FIELD),
        (allocate(|m| m.from_account_id.clear()), "allocate_budget.movement.from_account_id", FIELD),
        (allocate(|m| m.to_account_id = "unallocated".to_owned()), "allocate_budget.movement.to_account_id", FIELD),
        (allocate(|m| m.amount_minor = 0), "allocate_budget.movement.amount_minor", AMOUNT),
        (command("bad-1", Payload::AllocateBudget(Box::default())), "allocate_budget.movement", FIELD),
        (issue(|i| i.lot_id.clear()), "issue_budget.lot_id", FIELD),
        (issue(|i| i.issuer_id.clear()), "issue_budget.issuer_id", FIELD),
        (issue(|i| i.document_number = "  ".to_owned()), "issue_budget.document_number", FIELD),
        (issue(|i| i.document_number = "文\u{200b}号".to_owned()), "issue_budget.document_number", FIELD),
        (issue(|i| i.document_number = text(129)), "issue_budget.document_number", FIELD),
        (issue(|i| i.document_sha256 = vec![0; 33].into()), "issue_budget.document_sha256", FIELD),
        (issue(|i| i.expires_on = date(2026, 13, 1)), "issue_budget.expires_on", DATE),
        (issue(|i| i.purposes = vec![String::new()]), "issue_budget.purposes[0]", FIELD),
        (issue(|i| i.parent_lot_id = "a b".to_owned()), "issue_budget.parent_lot_id", FIELD),
        (command("bad-1", Payload::DefineFund(Box::default())), "define_fund.fund_id", FIELD),
        (command("bad-1", Payload::SetPolicy(Box::default())), "set_policy.policy_id", FIELD),
        (command("bad-1", Payload::OpenAccount(Box::default())), "open_account.account_id", FIELD),
        (command("bad-1", Payload::RecordOpeningBalance(Box::default())), "record_opening_balance.fund_id", FIELD),
        (command("bad-1", Payload::AdjustBudget(Box::default())), "adjust_budget.kind", FIELD),
        (command("bad-1", Payload::ApprovePlan(Box::default())), "approve_plan.movement", FIELD),
        (command("bad-1", Payload::CommitAuthority(Box::default())), "commit_authority.movement", FIELD),
        (command("bad-1", Payload::ReleaseCommitment(Box::default())), "release_commitment.contract_id", FIELD),
        (command("bad-1", Payload::Freeze(Box::default())), "freeze.case_id", FIELD),
        (command("bad-1", Payload::Unfreeze(Box::default())), "unfreeze.case_id", FIELD),
        (command("bad-1", Payload::ReceiveCash(Box::default())), "receive_cash.lot_id", FIELD),
        (command("bad-1", Payload::ClearPayments(Box::default())), "clear_payments.payment_ids", FIELD),
        (command("bad-1", Payload::ReturnPayment(Box::default())), "return_payment.payment_id", FIELD),
        (command("bad-1", Payload::ReverseEvent(Box::default())), "reverse_event.original_sequence", FIELD),
        (command("bad-1", Payload::CloseDay(Box::default())), "close_day.fund_id", FIELD),
        (command("bad-1", Payload::ClosePeriod(Box::default())), "close_period.fund_id", FIELD),
        (command("bad-1", Payload::CarryForward(Box::default())), "carry_forward.lot_id", FIELD),
        (command("bad-1", Payload::RecoverLapsed(Box::default())), "recover_lapsed.lot_id", FIELD),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_wrong_field_is_named_and_nothing_is_posted() {
    let served = Served::new();
    served.accept(set_up()).await;
    let before = head(&served).await;
    for (command, field, reason) in malformed() {
        let result = post(&served, vec![command]).await.unwrap().remove(0);
        let seen = of_result(&result);
        let path = format!("commands[0].{field}");
        assert!(seen.fields.contains(&path), "{path} is not among {:?}", seen.fields);
        assert_eq!((seen.code, seen.reason.as_str()), (Code::InvalidArgument, reason), "{path}");
    }
    assert_eq!(head(&served).await, before);
    // The key was not consumed: the corrected command goes through under it.
    served.accept(vec![payment("bad-1")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn all_violations_come_at_once() {
    let served = Served::new();
    let bad = envelope(|command| {
        command.actor.clear();
        command.business_date = None;
        if let Some(Payload::ExecutePayment(payment)) = &mut command.payload {
            payment.amount_minor = 0;
            payment.method = 0;
        }
    });
    let seen = of_result(&post(&served, vec![bad]).await.unwrap()[0]);
    let expected = ["business_date", "actor", "execute_payment.amount_minor", "execute_payment.method"];
    assert_eq!(seen.fields, expected.map(|field| format!("commands[0].{field}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn good_commands_land_among_bad_ones() {
    let served = Served::new();
    served.accept(set_up()).await;
    let before = head(&served).await;
    let unknown = pay(|payment| payment.from_account_id = "nobody".to_owned());
    let batch = vec![payment("a"), pay(|payment| payment.amount_minor = 0), unknown, payment("b"), payment("a")];
    let results = post(&served, batch).await.unwrap();
    let sequence = |at: usize| server::receipt(results[at].clone()).sequence;
    assert_eq!((sequence(0), sequence(3)), (before + 1, before + 3));
    assert_eq!(of_result(&results[1]).reason, "AMOUNT_INVALID");
    let refused = of_result(&results[2]);
    assert_eq!((refused.code, refused.reason.as_str()), (Code::NotFound, "ACCOUNT_NOT_FOUND"));
    // A refusal by the rules is an event of its own.
    assert!(refused.metadata.contains(&("sequence".to_owned(), (before + 2).to_string())), "{:?}", refused.metadata);
    let twice = server::receipt(results[4].clone());
    assert_eq!((twice.sequence, twice.replayed), (before + 1, true));
    assert_eq!(head(&served).await, before + 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_key_with_other_content_is_refused_and_a_refusal_is_replayed() {
    type Change = fn(&mut v1::Command);
    let served = Served::new();
    served.accept(set_up()).await;
    served.accept(vec![payment("p-1")]).await;
    let changes: [(&str, Change); 4] = [
        ("business_date", |command| command.business_date = Some(Date { year: 2026, month: 6, day: 16 })),
        ("actor", |command| command.actor = "maker-2".to_owned()),
        ("checkers", |command| command.checkers.push("checker-2".to_owned())),
        ("payload", |command| {
            if let Some(Payload::ExecutePayment(payment)) = &mut command.payload {
                payment.amount_minor = 2;
            }
        }),
    ];
    for (field, change) in changes {
        let mut other = payment("p-1");
        change(&mut other);
        let seen = of_result(&post(&served, vec![other]).await.unwrap()[0]);
        assert_eq!((seen.code, seen.reason.as_str()), (Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED"), "{field}");
        assert!(seen.metadata.contains(&("first_different_field".to_owned(), field.to_owned())), "{:?}", seen.metadata);
    }
    let mut short = pay(|payment| {
        payment.payment_id = "too-much".to_owned();
        payment.amount_minor = 60_000_000;
    });
    short.request_id = "too-much".to_owned();
    for replayed in ["false", "true"] {
        let seen = of_result(&post(&served, vec![short.clone()]).await.unwrap()[0]);
        assert_eq!((seen.code, seen.reason.as_str()), (Code::FailedPrecondition, "INSUFFICIENT_BALANCE"));
        for fact in [("replayed", replayed), ("available_minor", "49999999"), ("account", "U.unit")] {
            assert!(seen.metadata.contains(&(fact.0.to_owned(), fact.1.to_owned())), "{fact:?} in {:?}", seen.metadata);
        }
        assert_eq!(seen.localized.0, "zh-CN");
        assert!(seen.localized.1.starts_with("余额不足"), "{}", seen.localized.1);
    }
    let mut ledger = served.ledger().await;
    let mut request = Request::new(v1::GetReceiptRequest { request_id: "too-much".to_owned() });
    request.metadata_mut().insert("accept-language", "en".parse().unwrap());
    let found = ledger.get_receipt(request).await.unwrap().into_inner().result.unwrap();
    let seen = of_result(&found);
    assert_eq!((seen.reason.as_str(), seen.localized.0.as_str()), ("INSUFFICIENT_BALANCE", "en"));
    let unknown = ledger.get_receipt(v1::GetReceiptRequest { request_id: "never".to_owned() }).await.unwrap_err();
    assert_eq!(of_status(&unknown).reason, "REQUEST_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn validating_writes_nothing() {
    let served = Served::new();
    served.accept(set_up()).await;
    let before = head(&served).await;
    let mut ledger = served.ledger().await;
    let commands = vec![payment("v-1"), pay(|payment| payment.from_account_id = "nobody".to_owned())];
    let answer = ledger
        .post(v1::PostRequest { commands, validate_only: true, ..v1::PostRequest::default() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(server::receipt(answer.results[0].clone()).sequence, 0);
    assert_eq!(of_result(&answer.results[1]).reason, "ACCOUNT_NOT_FOUND");
    assert_eq!(head(&served).await, before);
    assert_eq!(served.accept(vec![payment("v-1")]).await[0].sequence, before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn requests_have_limits() {
    let served = Served::new();
    assert_eq!(of_status(&post(&served, Vec::new()).await.unwrap_err()).reason, "FIELD_INVALID");
    let many = post(&served, vec![payment("x"); 8_193]).await.unwrap_err();
    assert_eq!((many.code(), of_status(&many).reason.as_str()), (Code::InvalidArgument, "TOO_MANY_COMMANDS"));
    let huge = post(&served, vec![pay(|payment| payment.purpose = text(17 << 20))]).await.unwrap_err();
    assert_eq!((huge.code(), of_status(&huge).reason.as_str()), (Code::OutOfRange, "MESSAGE_TOO_LARGE"));
    // The server is none the worse for it.
    served.accept(set_up()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn reads_say_what_is_wrong_and_pages_go_to_the_end() {
    let served = Served::new();
    served.accept(set_up()).await;
    served.accept((0..150).map(|number| payment(&format!("p-{number}"))).collect()).await;
    let last = head(&served).await;
    let mut query = served.query().await;

    let balance = |account_id: &str, lot_id: &str| v1::GetBalanceRequest {
        account_id: account_id.to_owned(),
        lot_id: lot_id.to_owned(),
        min_sequence: Some(last),
        ..Default::default()
    };
    let found = query.get_balance(balance("U.used", "LOT-1")).await.unwrap().into_inner();
    assert_eq!((found.balance.unwrap().amount_minor, found.position.unwrap().sequence), (150, last));
    for (request, reason) in [
        (balance("nobody", ""), "ACCOUNT_NOT_FOUND"),
        (balance("U.used", "nothing"), "LOT_NOT_FOUND"),
        (balance("treasury", "LOT-1"), "ACCOUNT_KIND_NOT_ALLOWED"),
        (v1::GetBalanceRequest { min_sequence: Some(last + 1), ..balance("U.used", "") }, "SEQUENCE_BEYOND_HEAD"),
    ] {
        assert_eq!(of_status(&query.get_balance(request).await.unwrap_err()).reason, reason);
    }

    let list = |page_token: String| v1::ListEventsRequest { page_size: 40, page_token, ..Default::default() };
    let (mut sequences, mut token) = (Vec::new(), String::new());
    loop {
        let page = query.list_events(list(token)).await.unwrap().into_inner();
        sequences.extend(page.records.iter().map(|record| record.sequence));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(sequences, (0..=last).collect::<Vec<_>>());
    let first = query.list_events(list(String::new())).await.unwrap().into_inner().next_page_token;
    for (page_token, lot_id) in [("00".to_owned(), ""), (format!("{first}00"), ""), (first.clone(), "LOT-1")] {
        let request = v1::ListEventsRequest { lot_id: lot_id.to_owned(), ..list(page_token) };
        assert_eq!(of_status(&query.list_events(request).await.unwrap_err()).reason, "PAGE_TOKEN_INVALID");
    }
    let negative = v1::ListEventsRequest { page_size: -1, ..Default::default() };
    assert_eq!(of_status(&query.list_events(negative).await.unwrap_err()).reason, "FIELD_INVALID");
    let of_payee = v1::ListEventsRequest { payee: "Supplier Ltd".to_owned(), page_size: 1_000, ..Default::default() };
    assert_eq!(query.list_events(of_payee).await.unwrap().into_inner().records.len(), 150);

    for (sequence, reason) in [(last + 1, "SEQUENCE_BEYOND_HEAD"), (-1, "FIELD_INVALID")] {
        let error = query.get_event(v1::GetEventRequest { sequence }).await.unwrap_err();
        assert_eq!(of_status(&error).reason, reason);
    }
    for (start, reason) in [
        (None, "FIELD_INVALID"),
        (Some(Start::LotId("nothing".to_owned())), "LOT_NOT_FOUND"),
        (Some(Start::PaymentId("nothing".to_owned())), "PAYMENT_NOT_FOUND"),
        (Some(Start::Payee("nobody".to_owned())), "PAYEE_NOT_FOUND"),
        (Some(Start::PayeePseudonym(vec![0; 15].into())), "FIELD_INVALID"),
    ] {
        let error = query.trace(v1::TraceRequest { start, ..Default::default() }).await.unwrap_err();
        assert_eq!(of_status(&error).reason, reason);
    }
    let mut audit = AuditServiceClient::new(served.channel().await);
    for (start_sequence, end_sequence, reason) in
        [(-1, None, "FIELD_INVALID"), (5, Some(4), "FIELD_INVALID"), (0, Some(last + 2), "SEQUENCE_BEYOND_HEAD")]
    {
        let request = v1::ReadEntriesRequest { start_sequence, end_sequence };
        assert_eq!(of_status(&audit.read_entries(request).await.unwrap_err()).reason, reason);
    }
    let mut stream = audit
        .read_entries(v1::ReadEntriesRequest { start_sequence: 3, end_sequence: Some(77) })
        .await
        .unwrap()
        .into_inner();
    let mut read = 0;
    while let Some(message) = stream.message().await.unwrap() {
        read += message.entries.len();
    }
    assert_eq!(read, 74);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn health_and_shutdown() {
    let mut served = Served::new();
    let mut health = HealthClient::new(served.channel().await);
    for service in ["", "fundledger.v1.LedgerService", "fundledger.v1.QueryService", "fundledger.v1.AuditService"] {
        let answer = health.check(HealthCheckRequest { service: service.to_owned() }).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    // An open stream must not hold the server up for ever.
    let watch = health.watch(HealthCheckRequest { service: String::new() }).await.unwrap();
    served.stop();
    drop(watch);
}
