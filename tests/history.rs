//! Answers as of a sequence and as of a business date: they never change, they add up, and their pages hold still.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::type_complexity,
    reason = "a test may fail"
)]

mod server;

use std::collections::BTreeMap;

use fundledger::pb::Date;
use fundledger::pb::v1::query_service_client::QueryServiceClient;
use fundledger::pb::v1::{self, command::Payload, trace_request::Start};
use prost::Message;
use server::{Served, command, payment, run, set_up};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

type Query = QueryServiceClient<Channel>;

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Business dates run backwards as they like, within two months.
fn date(random: &mut Random) -> Date {
    Date { year: 2026, month: 5 + random.below(2) as i32, day: 1 + random.below(30) as i32 }
}

fn on(date: Date, mut command: v1::Command) -> v1::Command {
    command.business_date = Some(date);
    command
}

fn change(mut command: v1::Command, edit: impl FnOnce(&mut v1::ExecutePayment)) -> v1::Command {
    if let Some(Payload::ExecutePayment(payment)) = &mut command.payload {
        edit(payment);
    }
    command
}

fn movement(from: &str, to: &str, lot: &str, amount_minor: i64) -> v1::AuthorityMovement {
    v1::AuthorityMovement {
        from_account_id: from.to_owned(),
        to_account_id: to.to_owned(),
        amount_minor,
        draws: vec![v1::Draw { lot_id: lot.to_owned(), amount_minor }],
    }
}

/// Another lot with its cash and a share for unit U.
fn more_lots() -> Vec<v1::Command> {
    let lot = || "LOT-2".to_owned();
    let payloads = vec![
        Payload::OpenAccount(Box::new(v1::OpenAccount {
            account_id: "U.commit".to_owned(),
            fund_id: "F".to_owned(),
            kind: v1::AccountKind::AuthorityCommitted.into(),
            unit_id: "U".to_owned(),
        })),
        Payload::IssueBudget(Box::new(v1::IssueBudget {
            lot_id: lot(),
            to_account_id: "unallocated".to_owned(),
            amount_minor: 1_000_000,
            issuer_id: "CITY".to_owned(),
            document_number: "市财〔2026〕3号".to_owned(),
            document_sha256: vec![3; 32].into(),
            ..Default::default()
        })),
        Payload::ReceiveCash(Box::new(v1::ReceiveCash {
            lot_id: lot(),
            amount_minor: 1_000_000,
            bank_reference: "cash 2".to_owned(),
        })),
        Payload::AllocateBudget(Box::new(v1::AllocateBudget {
            movement: Some(movement("unallocated", "U.unit", "LOT-2", 600_000)),
            document_number: "分配 7".to_owned(),
        })),
        Payload::ApprovePlan(Box::new(v1::ApprovePlan {
            movement: Some(movement("U.unit", "U.plan", "LOT-2", 200_000)),
            document_number: "计划 1".to_owned(),
        })),
        Payload::CommitAuthority(Box::new(v1::CommitAuthority {
            movement: Some(movement("U.plan", "U.commit", "LOT-2", 100_000)),
            contract_id: "K-1".to_owned(),
            payee: "Builder Ltd".to_owned(),
            ..Default::default()
        })),
    ];
    payloads.into_iter().enumerate().map(|(at, payload)| command(&format!("more-{at}"), payload)).collect()
}

/// Payments from either lot, clearings, returns, reversals and allocations, in any order.
fn random_commands(random: &mut Random, round: u64, count: u64) -> Vec<v1::Command> {
    let mut commands = Vec::new();
    for at in 0..count {
        let id = format!("r{round}-{at}");
        let lot = format!("LOT-{}", 1 + random.below(2));
        let amount_minor = 1 + random.below(500) as i64;
        let paid = change(payment(&id), |payment| {
            payment.amount_minor = amount_minor;
            payment.payee = format!("payee {}", random.below(4));
            payment.draws = vec![v1::Draw { lot_id: lot.clone(), amount_minor }];
            if random.below(3) == 0 {
                payment.project_id = format!("project-{}", random.below(2));
            }
        });
        let day = date(random);
        commands.push(on(day, paid));
        let mut then = |name: &str, payload| {
            let day = date(random);
            commands.push(on(day, command(&format!("{name}-{id}"), payload)));
        };
        match at % 5 {
            0 => then("clear", clearing(&id)),
            1 => {
                then("clear", clearing(&id));
                then(
                    "return",
                    Payload::ReturnPayment(Box::new(v1::ReturnPayment {
                        payment_id: id.clone(),
                        amount_minor,
                        bank_reference: format!("return of {id}"),
                        reason_code: "ACCOUNT_CLOSED".to_owned(),
                    })),
                );
            }
            2 => then(
                "allocate",
                Payload::AllocateBudget(Box::new(v1::AllocateBudget {
                    movement: Some(movement("unallocated", "U.unit", &lot, amount_minor)),
                    document_number: String::new(),
                })),
            ),
            _ => {}
        }
    }
    commands
}

fn clearing(id: &str) -> Payload {
    Payload::ClearPayments(Box::new(v1::ClearPayments {
        payment_ids: vec![id.to_owned()],
        bank_reference: format!("clearing of {id}"),
    }))
}

/// Posts commands, some of which the rules refuse; gives the last sequence.
async fn post(served: &Served, commands: Vec<v1::Command>) -> i64 {
    let answer = served
        .ledger()
        .await
        .post(v1::PostRequest { commands, validate_only: false, approved_batch: None })
        .await
        .unwrap();
    let accepted = answer.into_inner().results.into_iter().filter_map(|result| match result.outcome {
        Some(v1::post_result::Outcome::Receipt(receipt)) => Some(receipt.sequence),
        _ => None,
    });
    accepted.max().unwrap()
}

async fn statement_pages(query: &mut Query, request: &v1::GetStatementRequest) -> Vec<v1::GetStatementResponse> {
    let mut pages: Vec<v1::GetStatementResponse> = Vec::new();
    let mut request = request.clone();
    loop {
        let page = query.get_statement(request.clone()).await.unwrap().into_inner();
        request.page_token.clone_from(&page.next_page_token);
        pages.push(page);
        if request.page_token.is_empty() {
            return pages;
        }
    }
}

async fn balance_pages(query: &mut Query, request: &v1::ListBalancesRequest) -> Vec<v1::ListBalancesResponse> {
    let mut pages: Vec<v1::ListBalancesResponse> = Vec::new();
    let mut request = request.clone();
    loop {
        let page = query.list_balances(request.clone()).await.unwrap().into_inner();
        request.page_token.clone_from(&page.next_page_token);
        pages.push(page);
        if request.page_token.is_empty() {
            return pages;
        }
    }
}

async fn trace(query: &mut Query, start: Start, as_of_sequence: Option<i64>) -> Vec<v1::TraceResponse> {
    let request = v1::TraceRequest { start: Some(start), as_of_sequence, min_sequence: None };
    let mut stream = query.trace(request).await.unwrap().into_inner();
    let mut parts = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        parts.push(part);
    }
    parts
}

/// Everything that is asked as of one sequence.
#[derive(Clone, Debug)]
struct Questions {
    balance: v1::GetBalanceRequest,
    balances: v1::ListBalancesRequest,
    statement: v1::GetStatementRequest,
    starts: Vec<Start>,
}

const ACCOUNTS: [&str; 8] = ["source", "unallocated", "treasury", "lots", "clearing", "U.unit", "U.plan", "U.used"];
const WITHOUT_LOTS: [&str; 2] = ["treasury", "clearing"];

fn questions(random: &mut Random, as_of: i64) -> Questions {
    let account_id = ACCOUNTS[random.below(ACCOUNTS.len() as u64) as usize].to_owned();
    let by_lot = random.below(2) == 0;
    let lot_id = if by_lot && !WITHOUT_LOTS.contains(&account_id.as_str()) { "LOT-1" } else { "" }.to_owned();
    let (first, second) = (date(random), date(random));
    let order = |date: &Date| (date.month, date.day);
    let (first, last) = if order(&first) <= order(&second) { (first, second) } else { (second, first) };
    let mut maybe = |date| (random.below(2) == 0).then_some(date);
    let as_of_sequence = Some(as_of);
    Questions {
        balance: v1::GetBalanceRequest {
            account_id: account_id.clone(),
            lot_id: lot_id.clone(),
            min_sequence: None,
            as_of_sequence,
            effective_on: maybe(last),
        },
        balances: v1::ListBalancesRequest {
            by_lot,
            page_size: 3,
            as_of_sequence,
            effective_on: maybe(first),
            ..Default::default()
        },
        statement: v1::GetStatementRequest {
            account_id,
            lot_id,
            first_date: maybe(first),
            last_date: maybe(last),
            as_of_sequence,
            page_size: 7,
            ..Default::default()
        },
        starts: vec![Start::LotId("LOT-1".to_owned()), Start::Payee("payee 1".to_owned())],
    }
}

/// The answers, as the bytes that a client got.
async fn ask(query: &mut Query, questions: &Questions) -> Vec<Vec<u8>> {
    let as_of = questions.balance.as_of_sequence;
    let mut answers = vec![query.get_balance(questions.balance.clone()).await.unwrap().into_inner().encode_to_vec()];
    answers.extend(balance_pages(query, &questions.balances).await.iter().map(Message::encode_to_vec));
    let pages = statement_pages(query, &questions.statement).await;
    check_statement(&pages);
    answers.extend(pages.iter().map(Message::encode_to_vec));
    for start in &questions.starts {
        answers.extend(trace(query, start.clone(), as_of).await.iter().map(Message::encode_to_vec));
    }
    answers
}

/// opening + Σ entries = closing, on every page and over all, in the order of business dates.
fn check_statement(pages: &[v1::GetStatementResponse]) {
    let (first, last) = (pages.first().unwrap(), pages.last().unwrap());
    assert_eq!(first.opening_balance_minor, first.page_opening_balance_minor);
    let mut running = first.opening_balance_minor;
    let mut before = None;
    for page in pages {
        assert_eq!(page.page_opening_balance_minor, running);
        assert_eq!(
            (page.opening_balance_minor, page.closing_balance_minor, &page.position),
            (first.opening_balance_minor, first.closing_balance_minor, &first.position)
        );
        for entry in &page.entries {
            running += entry.amount_minor;
            assert_eq!(entry.balance_minor, running, "#{}", entry.sequence);
            let day = entry.business_date.unwrap();
            let place = (day.year, day.month, day.day, entry.sequence, entry.lot_id.clone());
            assert!(before.as_ref().is_none_or(|before| *before < place), "{place:?} after {before:?}");
            before = Some(place);
        }
        assert_eq!(page.page_closing_balance_minor, running);
    }
    assert_eq!(last.closing_balance_minor, running);
}

/// Balances from the legs of the events, added up by nothing but this test: (account, lot) to minor units, debits above 0.
async fn naive(query: &mut Query, as_of: i64, on: Option<Date>) -> BTreeMap<(String, String), i64> {
    let mut balances = BTreeMap::new();
    let mut request = v1::ListEventsRequest { page_size: 1_000, min_sequence: Some(as_of), ..Default::default() };
    loop {
        let page = query.list_events(request.clone()).await.unwrap().into_inner();
        for record in page.records.iter().filter(|record| record.sequence <= as_of) {
            let day = record.business_date.unwrap_or_default();
            let counts = on.is_none_or(|on| (day.year, day.month, day.day) <= (on.year, on.month, on.day));
            for leg in record.legs.iter().filter(|_| counts) {
                *balances.entry((leg.account_id.clone(), leg.lot_id.clone())).or_insert(0) += leg.amount_minor;
            }
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            balances.retain(|_, minor| *minor != 0);
            return balances;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_answer_as_of_a_sequence_never_changes() {
    let mut random = Random(7);
    let mut served = Served::new();
    post(&served, set_up()).await;
    let first = post(&served, more_lots()).await;
    let mut head = post(&served, random_commands(&mut random, 0, 60)).await;
    let mut remembered: Vec<(Questions, Vec<Vec<u8>>)> = Vec::new();
    for round in 1..8 {
        let mut query = served.query().await;
        for _ in 0..4 {
            let as_of = first + 40 + random.below((head - first - 39) as u64) as i64;
            let asked = questions(&mut random, as_of);
            let answers = ask(&mut query, &asked).await;
            remembered.push((asked, answers));
        }
        for (asked, answers) in &remembered {
            assert_eq!(ask(&mut query, asked).await, *answers, "round {round}: {asked:?}");
        }
        head = post(&served, random_commands(&mut random, round, 60)).await;
        match round {
            3 => served.stop(),
            5 => served.kill(),
            _ => continue,
        }
        served.start();
    }
    // What was asked as of the head is what a trace or balance of then said without asking for a sequence.
    let mut query = served.query().await;
    let start = || Start::LotId("LOT-2".to_owned());
    let now = trace(&mut query, start(), None).await;
    post(&served, random_commands(&mut random, 99, 20)).await;
    let v1::trace_response::Part::Head(at) = now[0].part.clone().unwrap() else { panic!("no head") };
    assert_eq!(trace(&mut query, start(), Some(at.position.unwrap().sequence)).await, now);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn trial_balances_are_the_sums_of_legs() {
    let mut random = Random(11);
    let served = Served::new();
    post(&served, set_up()).await;
    post(&served, more_lots()).await;
    let head = post(&served, random_commands(&mut random, 0, 120)).await;
    let mut query = served.query().await;
    for (as_of, on) in [
        (None, None),
        (Some(head), None),
        (Some(head - 50), None),
        (Some(25), None),
        (Some(0), None),
        (None, Some(Date { year: 2026, month: 5, day: 20 })),
        (Some(head - 90), Some(Date { year: 2026, month: 6, day: 10 })),
    ] {
        let expected = naive(&mut query, as_of.unwrap_or(head), on).await;
        let request = v1::ListBalancesRequest {
            by_lot: true,
            page_size: 4,
            min_sequence: Some(head),
            as_of_sequence: as_of,
            effective_on: on,
            ..Default::default()
        };
        let mut found = BTreeMap::new();
        for page in balance_pages(&mut query, &request).await {
            assert_eq!(page.position.as_ref().unwrap().sequence, as_of.unwrap_or(head));
            let sequence = as_of.unwrap_or(head);
            let event = query.get_event(v1::GetEventRequest { sequence }).await.unwrap().into_inner().record.unwrap();
            assert_eq!(page.position.unwrap().entry_hash, event.entry_hash);
            for balance in page.balances {
                let minor = if balance.debit_normal { balance.amount_minor } else { -balance.amount_minor };
                found.insert((balance.account_id, balance.lot_id), minor);
            }
        }
        assert_eq!(found, expected, "{as_of:?}, {on:?}");
    }
}

fn reason(error: &Status) -> (Code, String) {
    (error.code(), error.get_error_details().error_info().unwrap().reason.clone())
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, name: &str) {
    assert_eq!(reason(&answer.unwrap_err()), (code, name.to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_was_not_there_yet_is_not_found() {
    let served = Served::new();
    let before = post(&served, set_up()).await;
    let head = post(&served, more_lots()).await;
    let mut query = served.query().await;
    let balance = |account_id: &str, lot_id: &str, as_of: i64| v1::GetBalanceRequest {
        account_id: account_id.to_owned(),
        lot_id: lot_id.to_owned(),
        as_of_sequence: Some(as_of),
        ..Default::default()
    };
    for (request, code, name) in [
        (balance("U.commit", "", before), Code::NotFound, "ACCOUNT_NOT_FOUND"),
        (balance("U.unit", "LOT-2", before), Code::NotFound, "LOT_NOT_FOUND"),
        (balance("U.unit", "", head + 1), Code::OutOfRange, "SEQUENCE_BEYOND_HEAD"),
        (balance("U.unit", "", i64::MAX), Code::OutOfRange, "SEQUENCE_BEYOND_HEAD"),
        (balance("U.unit", "", -1), Code::InvalidArgument, "FIELD_INVALID"),
        (balance("treasury", "LOT-1", head), Code::FailedPrecondition, "ACCOUNT_KIND_NOT_ALLOWED"),
        (
            v1::GetBalanceRequest {
                effective_on: Some(Date { year: 2026, month: 2, day: 30 }),
                ..balance("U.unit", "", head)
            },
            Code::InvalidArgument,
            "DATE_INVALID",
        ),
    ] {
        refused(query.get_balance(request.clone()).await, code, name);
        let statement = v1::GetStatementRequest {
            account_id: request.account_id,
            lot_id: request.lot_id,
            last_date: request.effective_on,
            as_of_sequence: request.as_of_sequence,
            ..Default::default()
        };
        refused(query.get_statement(statement).await, code, name);
    }
    let starts = [Start::LotId("LOT-2".to_owned())];
    for start in starts {
        let request = v1::TraceRequest { start: Some(start), as_of_sequence: Some(before), min_sequence: None };
        refused(query.trace(request).await, Code::NotFound, "LOT_NOT_FOUND");
    }
    let backwards = v1::GetStatementRequest {
        account_id: "U.unit".to_owned(),
        first_date: Some(Date { year: 2026, month: 6, day: 2 }),
        last_date: Some(Date { year: 2026, month: 6, day: 1 }),
        ..Default::default()
    };
    refused(query.get_statement(backwards).await, Code::InvalidArgument, "FIELD_INVALID");
    let genesis = query.list_balances(v1::ListBalancesRequest { as_of_sequence: Some(0), ..Default::default() });
    let genesis = genesis.await.unwrap().into_inner();
    assert_eq!((genesis.balances.len(), genesis.position.unwrap().sequence), (0, 0));
    let unborn = v1::ListBalancesRequest { fund_id: "F".to_owned(), as_of_sequence: Some(0), ..Default::default() };
    refused(query.list_balances(unborn).await, Code::NotFound, "FUND_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_hold_still_while_a_writer_runs() {
    let mut random = Random(5);
    let served = Served::new();
    post(&served, set_up()).await;
    post(&served, more_lots()).await;
    let head = post(&served, random_commands(&mut random, 0, 40)).await;
    let mut query = served.query().await;
    let balances =
        v1::ListBalancesRequest { by_lot: true, page_size: 2, min_sequence: Some(head), ..Default::default() };
    let statement = v1::GetStatementRequest { account_id: "U.unit".to_owned(), page_size: 5, ..Default::default() };
    let expected = naive(&mut query, head, None).await;
    let mut ledger = served.ledger().await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writer = tokio::spawn(async move {
        let mut random = Random(6);
        let mut round = 1;
        while stopped.try_recv().is_err() {
            let commands = random_commands(&mut random, round, 20);
            ledger.post(v1::PostRequest { commands, validate_only: false, approved_batch: None }).await.unwrap();
            round += 1;
        }
        round
    });
    // The first page fixes what the others are as of.
    let first = query.list_balances(balances.clone()).await.unwrap().into_inner();
    let as_of = first.position.as_ref().unwrap().sequence;
    let rest = v1::ListBalancesRequest { page_token: first.next_page_token.clone(), ..balances.clone() };
    let pages = balance_pages(&mut query, &rest).await;
    assert!(pages.iter().all(|page| page.position == first.position));
    let listed: Vec<v1::Balance> =
        first.balances.iter().chain(pages.iter().flat_map(|page| &page.balances)).cloned().collect();
    for _ in 0..5 {
        check_statement(&statement_pages(&mut query, &statement).await);
    }
    stop.send(()).unwrap();
    assert!(writer.await.unwrap() > 2, "the writer did not write");
    let again = v1::ListBalancesRequest { as_of_sequence: Some(as_of), page_size: 1_000, ..balances.clone() };
    let again = query.list_balances(again).await.unwrap().into_inner();
    assert_eq!(again.balances, listed);
    assert_eq!(again.position, first.position);
    if as_of == head {
        assert_eq!(listed.len(), expected.len());
    }

    // Tokens of other parameters, and forged ones.
    let token = first.next_page_token;
    for other in [
        v1::ListBalancesRequest { by_lot: false, ..balances.clone() },
        v1::ListBalancesRequest { fund_id: "F".to_owned(), ..balances.clone() },
        v1::ListBalancesRequest { as_of_sequence: Some(as_of), ..balances.clone() },
        v1::ListBalancesRequest { effective_on: Some(server::DATE), ..balances.clone() },
    ] {
        let request = v1::ListBalancesRequest { page_token: token.clone(), ..other };
        refused(query.list_balances(request).await, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    }
    // Version and digest are 9 bytes, then what it is as of, then the last row.
    let with = |at: usize, number: i64| format!("{}{number:016x}{}", &token[..at], &token[at + 16..]);
    for forged in [with(18, i64::MAX), with(18, -1), with(18, 1 << 40), token[..token.len() - 2].to_owned()] {
        let request = v1::ListBalancesRequest { page_token: forged, ..balances.clone() };
        refused(query.list_balances(request).await, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    }
    for forged in [with(34, i64::MIN), with(34, i64::MAX), with(50, i64::MAX), with(66, i64::MIN)] {
        let request = v1::ListBalancesRequest { page_token: forged, ..balances.clone() };
        let page = query.list_balances(request).await.unwrap().into_inner();
        assert!(page.balances.iter().all(|balance| listed.contains(balance)));
    }
    let first = query.get_statement(statement.clone()).await.unwrap().into_inner().next_page_token;
    let with = |at: usize, number: i64| format!("{}{number:016x}{}", &first[..at], &first[at + 16..]);
    for forged in [with(34, i64::MIN), with(34, i64::MAX), with(50, i64::MAX), with(66, i64::MIN), with(66, i64::MAX)] {
        let request = v1::GetStatementRequest { page_token: forged, ..statement.clone() };
        query.get_statement(request).await.unwrap();
    }
    let other = v1::GetStatementRequest { lot_id: "LOT-1".to_owned(), page_token: first, ..statement };
    refused(query.get_statement(other).await, Code::InvalidArgument, "PAGE_TOKEN_INVALID");
}

async fn sequences(query: &mut Query, request: v1::ListEventsRequest) -> Vec<i64> {
    let mut request = v1::ListEventsRequest { page_size: 3, ..request };
    let mut found = Vec::new();
    loop {
        let page = query.list_events(request.clone()).await.unwrap().into_inner();
        found.extend(page.records.iter().map(|record| record.sequence));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn events_are_filtered_by_what_they_concern() {
    let served = Served::new();
    post(&served, set_up()).await;
    let committed = post(&served, more_lots()).await;
    let paid = change(payment("k-1"), |payment| {
        payment.from_account_id = "U.commit".to_owned();
        payment.payee = "Builder Ltd".to_owned();
        payment.contract_id = "K-1".to_owned();
        payment.project_id = "bridge".to_owned();
    });
    let paid = post(&served, vec![paid]).await;
    let other = post(&served, vec![change(payment("p-1"), |payment| payment.project_id = "bridge".to_owned())]).await;
    let cleared = post(&served, vec![command("clear-k-1", clearing("k-1"))]).await;
    let returned = Payload::ReturnPayment(Box::new(v1::ReturnPayment {
        payment_id: "k-1".to_owned(),
        amount_minor: 1,
        bank_reference: "return".to_owned(),
        reason_code: "ACCOUNT_CLOSED".to_owned(),
    }));
    let returned = post(&served, vec![command("return-k-1", returned)]).await;
    let reversed = Payload::ReverseEvent(Box::new(v1::ReverseEvent {
        original_sequence: other,
        reason_code: "WRONG_ACCOUNT".to_owned(),
        ..Default::default()
    }));
    let reversed = post(&served, vec![command("reverse-p-1", reversed)]).await;
    let mut query = served.query().await;
    let issued = committed - 4;
    let all = || v1::ListEventsRequest { min_sequence: Some(reversed), ..Default::default() };
    let text = str::to_owned;
    let builder = query.list_events(v1::ListEventsRequest { payee: text("Builder Ltd"), ..all() }).await.unwrap();
    let record = builder.into_inner().records.remove(1);
    let Some(v1::event::Payload::PaymentExecuted(event)) = record.event.unwrap().payload else { panic!("no payment") };
    for (request, expected) in [
        (v1::ListEventsRequest { payee: text("Builder Ltd"), ..all() }, vec![committed, paid, returned]),
        (v1::ListEventsRequest { payee_pseudonym: event.payee, ..all() }, vec![committed, paid, returned]),
        (v1::ListEventsRequest { contract_id: text("K-1"), ..all() }, vec![committed, paid, returned]),
        (v1::ListEventsRequest { contract_id: text("K-2"), ..all() }, vec![]),
        (v1::ListEventsRequest { project_id: text("bridge"), ..all() }, vec![paid, other, returned, reversed]),
        (v1::ListEventsRequest { document_number: text("市财〔2026〕3号"), ..all() }, vec![issued]),
        (v1::ListEventsRequest { document_number: text("分配 7"), ..all() }, vec![issued + 2]),
        (v1::ListEventsRequest { account_id: text("U.commit"), ..all() }, vec![committed, paid]),
        (v1::ListEventsRequest { account_id: text("clearing"), ..all() }, vec![paid, other, cleared, reversed]),
        (v1::ListEventsRequest { account_id: text("U.used"), lot_id: text("LOT-2"), ..all() }, vec![paid, returned]),
        (v1::ListEventsRequest { account_id: text("clearing"), lot_id: text("LOT-2"), ..all() }, vec![paid]),
        (
            v1::ListEventsRequest { account_id: text("clearing"), project_id: text("bridge"), ..all() },
            vec![paid, other, reversed],
        ),
        (
            v1::ListEventsRequest { payee: text("Builder Ltd"), project_id: text("bridge"), ..all() },
            vec![paid, returned],
        ),
        (v1::ListEventsRequest { after_sequence: Some(paid), contract_id: text("K-1"), ..all() }, vec![returned]),
    ] {
        assert_eq!(sequences(&mut query, request.clone()).await, expected, "{request:?}");
    }
    let both = v1::ListEventsRequest { payee: text("x"), payee_pseudonym: vec![0; 16].into(), ..all() };
    refused(query.list_events(both).await, Code::InvalidArgument, "FIELD_INVALID");
    let nobody = v1::ListEventsRequest { account_id: text("nobody"), ..all() };
    refused(query.list_events(nobody).await, Code::NotFound, "ACCOUNT_NOT_FOUND");

    // A statement says what each event was, and who stood on the other side.
    let request = v1::GetStatementRequest { account_id: text("U.commit"), ..Default::default() };
    let statement = query.get_statement(request).await.unwrap().into_inner();
    let shown: Vec<(i64, &str, i64, &str, &str, &[String], i32)> = statement
        .entries
        .iter()
        .map(|entry| {
            let counterparts = entry.counterpart_account_ids.as_slice();
            let (kind, count) = (entry.event_kind.as_str(), entry.counterpart_count);
            (entry.sequence, kind, entry.amount_minor, &*entry.payment_id, &*entry.contract_id, counterparts, count)
        })
        .collect();
    let (plan, used) = ([text("U.plan")], [text("U.used")]);
    assert_eq!(
        shown,
        [
            (committed, "committed", 100_000, "", "K-1", plan.as_slice(), 1),
            (paid, "payment_executed", -1, "k-1", "K-1", used.as_slice(), 1),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_command_line_shows_statements_and_what_was() {
    let served = Served::new();
    let before = post(&served, set_up()).await;
    post(&served, vec![change(payment("v-1"), |payment| payment.amount_minor = 12_345)]).await;
    let early = Date { year: 2026, month: 6, day: 1 };
    post(&served, vec![on(early, change(payment("v-2"), |payment| payment.amount_minor = 5))]).await;
    let url = served.url();
    let show = |arguments: &[&str]| {
        let output = run(&[arguments, &["--server", &url]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", server::errors(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let table = show(&["statement", "U.unit", "--from", "2026-06-01", "--to", "2026-06-15"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "account U.unit (AUTHORITY_UNIT), currency CNY", "{table}");
    assert!(lines[4].contains("opening balance") && lines[4].ends_with("│       0.00 │"), "{table}");
    // By business date: the payment that was dated back comes first.
    assert!(lines[5].contains("v-2") && lines[5].ends_with("│      -0.05 │"), "{table}");
    assert!(lines[6].contains("budget_allocated"), "{table}");
    assert!(lines[7].contains("v-1") && lines[7].contains(" 123.45 "), "{table}");
    assert!(lines[8].contains("closing balance") && lines[8].ends_with("│ 499,876.50 │"), "{table}");
    let csv = show(&["statement", "U.unit", "--to", "2026-06-14", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 4, "{csv}");
    let json = show(&["statement", "U.unit", "--lot", "LOT-1", "--as-of", &before.to_string(), "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["closing_balance_minor"], &json["position"]["sequence"]), (&50_000_000.into(), &before.into()));
    let chinese = show(&["--lang", "zh", "statement", "U.unit"]);
    assert!(chinese.contains("期初余额") && chinese.contains("期末余额"), "{chinese}");

    assert!(show(&["balance", "U.unit"]).contains(" 499,876.50 "));
    assert!(show(&["balance", "U.unit", "--as-of", &before.to_string()]).contains(" 500,000.00 "));
    assert!(show(&["balance", "U.unit", "--on", "2026-06-14"]).contains(" -0.05 "));
    assert!(show(&["balance", "--as-of", "0"]).contains("as of sequence 0"));
    let traced = show(&["trace", "--lot", "LOT-1", "--as-of", &before.to_string()]);
    assert!(!traced.contains("v-1") && traced.contains(&format!("as of sequence {before}")), "{traced}");
    for wrong in [&["balance", "--on", "15.6.2026"][..], &["statement", "U.unit", "--from", "2026-02-30"]] {
        assert_eq!(run(&[wrong, &["--server", &url]].concat()).status.code(), Some(2), "{wrong:?}");
    }
}

/// A file of the index that changes under a running server gives an error and no answer; a restart builds it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_index_that_is_damaged_answers_nothing_until_a_restart() {
    let mut served = Served::new();
    served.accept(set_up()).await;
    served.accept((0..300).map(|number| payment(&format!("p-{number}"))).collect()).await;
    // At the end all of it goes to a file.
    served.stop();
    served.start();
    let statement = async |served: &Served| {
        let request = v1::GetStatementRequest { account_id: "U.unit".to_owned(), ..Default::default() };
        served.query().await.get_statement(request).await.map(tonic::Response::into_inner)
    };
    let before = statement(&served).await.unwrap();
    let runs: Vec<_> =
        std::fs::read_dir(served.data().join("index")).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!runs.is_empty());
    for run in &runs {
        let mut bytes = std::fs::read(run).unwrap();
        let (start, end) = (bytes.len() / 8, bytes.len() * 7 / 8);
        bytes[start..end].fill(0x55);
        std::fs::write(run, bytes).unwrap();
    }
    let damaged = statement(&served).await.unwrap_err();
    assert_eq!(damaged.code(), Code::DataLoss, "{damaged:?}");
    assert_eq!(damaged.get_details_error_info().unwrap().reason, "DATA_CORRUPTED");
    // Balances now need no index, and go on.
    let balance = v1::GetBalanceRequest { account_id: "U.unit".to_owned(), ..Default::default() };
    served.query().await.get_balance(balance).await.unwrap();
    served.kill();
    served.start();
    assert_eq!(statement(&served).await.unwrap().entries, before.entries);
}
