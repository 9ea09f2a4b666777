//! How fast history is at a million events, over gRPC on loopback:
//! `cargo test --release --test history_speed -- --ignored --nocapture`.

#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a measurement, which is there to be read"
)]

use std::fs;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fundledger::format::codec;
use fundledger::format::record::split_entry;
use fundledger::grpc::convert;
use fundledger::grpc::node::{Node, fold_from_log};
use fundledger::grpc::server::{Limits, listen, serve};
use fundledger::ledger::Genesis;
use fundledger::ledger::Outcome;
use fundledger::ledger::clock::SystemClock;
use fundledger::ledger::directory::DataDirectory;
use fundledger::log::blocks_between;
use fundledger::pb::Date;
use fundledger::pb::v1::query_service_client::QueryServiceClient;
use fundledger::pb::v1::{self, command::Payload, trace_request::Start};
use fundledger::projection::Views;
use fundledger::projection::history::{History, Sizes};
use tokio::runtime::Runtime;
use tonic::transport::Channel;

/// The binary's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: u64 = 1_000_000;
const UNITS: u64 = 1_000;
const LOTS: u64 = 100;
/// Payments of one lot that are posted together.
const TOGETHER: u64 = 10_000;
const BATCH: u64 = 8_000;
const SHARE_MINOR: i64 = 1_000_000_000;
const TIMES: usize = 7;

fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn command(request_id: String, business_date: Date, payload: Payload) -> v1::Command {
    v1::Command {
        request_id,
        business_date: Some(business_date),
        actor: "maker-1".to_owned(),
        checkers: vec!["checker-1".to_owned()],
        preconditions: Vec::new(),
        personal_data: Vec::new(),
        personal_commitments: Vec::new(),
        payload: Some(payload),
    }
}

/// The year goes by with the payments; one in twenty is dated back, by up to 60 days.
fn date(number: u64) -> Date {
    let day = 60 + number * 300 / EVENTS;
    let day = if number.is_multiple_of(20) { day - mixed(number) % 60 } else { day };
    Date { year: 2026, month: 1 + (day / 30) as i32, day: 1 + (day % 30).min(27) as i32 }
}

fn account(account_id: String, kind: v1::AccountKind, unit_id: String) -> Payload {
    Payload::OpenAccount(Box::new(v1::OpenAccount {
        account_id,
        fund_id: "F".to_owned(),
        kind: kind.into(),
        unit_id,
        ..v1::OpenAccount::default()
    }))
}

fn lot_of(unit: u64) -> u64 {
    if unit == UNITS { LOTS } else { unit % LOTS }
}

fn set_up() -> Vec<v1::Command> {
    use v1::AccountKind as Kind;
    let mut payloads = vec![
        Payload::SetPolicy(Box::new(v1::SetPolicy {
            policy_id: "P".to_owned(),
            version: 1,
            effective_from: Some(Date { year: 2025, month: 1, day: 1 }),
            plan_step: v1::PlanStep::Optional.into(),
            checker_tiers: Vec::new(),
            document_sha256: vec![0; 32].into(),
            signed_approvals: false,
            ..v1::SetPolicy::default()
        })),
        Payload::DefineFund(Box::new(v1::DefineFund {
            fund_id: "F".to_owned(),
            name: "speed".to_owned(),
            family: v1::FundFamily::Special.into(),
            policy_id: "P".to_owned(),
            legal_basis: "none".to_owned(),
            ..Default::default()
        })),
    ];
    for (name, kind) in [
        ("source", Kind::AuthoritySource),
        ("unallocated", Kind::AuthorityUnallocated),
        ("carry", Kind::AuthorityCarry),
        ("recalled", Kind::AuthorityRecalled),
        ("treasury", Kind::Treasury),
        ("lots", Kind::FundLot),
        ("clearing", Kind::Clearing),
    ] {
        payloads.push(account(name.to_owned(), kind, String::new()));
    }
    for unit in 0..=UNITS {
        payloads.push(account(format!("u{unit}"), Kind::AuthorityUnit, format!("unit-{unit}")));
        payloads.push(account(format!("x{unit}"), Kind::AuthorityUsed, format!("unit-{unit}")));
    }
    for lot in 0..=LOTS {
        let amount_minor = SHARE_MINOR * 20;
        payloads.push(Payload::IssueBudget(Box::new(v1::IssueBudget {
            lot_id: format!("lot-{lot}"),
            to_account_id: "unallocated".to_owned(),
            amount_minor,
            issuer_id: "speed".to_owned(),
            document_number: format!("document {lot}"),
            document_sha256: vec![0; 32].into(),
            ..Default::default()
        })));
        payloads.push(Payload::ReceiveCash(Box::new(v1::ReceiveCash {
            lot_id: format!("lot-{lot}"),
            amount_minor,
            bank_reference: format!("cash {lot}"),
        })));
    }
    for unit in 0..=UNITS {
        payloads.push(Payload::AllocateBudget(Box::new(v1::AllocateBudget {
            movement: Some(v1::AuthorityMovement {
                from_account_id: "unallocated".to_owned(),
                to_account_id: format!("u{unit}"),
                amount_minor: SHARE_MINOR,
                draws: vec![v1::Draw { lot_id: format!("lot-{}", lot_of(unit)), amount_minor: SHARE_MINOR }],
            }),
            document_number: String::new(),
        })));
    }
    let first = Date { year: 2026, month: 1, day: 1 };
    payloads.into_iter().enumerate().map(|(at, payload)| command(format!("s{at}"), first, payload)).collect()
}

/// Payments of random units, but for a run of them in the middle that all draw on one lot.
fn payment(number: u64) -> v1::Command {
    let random = mixed(number);
    let is_together = (EVENTS / 2..EVENTS / 2 + TOGETHER).contains(&number);
    let unit = if is_together { UNITS } else { random % UNITS };
    let payload = Payload::ExecutePayment(Box::new(v1::ExecutePayment {
        payment_id: format!("voucher-2026-{number:09}"),
        from_account_id: format!("u{unit}"),
        amount_minor: 1 + ((random >> 40) % 1_000) as i64,
        payee: format!("supplier {}", (random >> 20) % 10_000),
        purpose: "goods".to_owned(),
        economic_code: "30201".to_owned(),
        method: v1::PaymentMethod::Direct.into(),
        ..Default::default()
    }));
    command(format!("request-{number:09}"), date(number), payload)
}

fn post(runtime: &Runtime, node: &Node, commands: Vec<v1::Command>) {
    let mut scratch = Vec::new();
    let parse = |command| convert::command(command, node.pseudonyms(), "").unwrap();
    let prepared = commands.into_iter().map(|command| node.ledger().prepare(parse(command), &mut scratch)).collect();
    let outcomes = runtime.block_on(node.ledger().post(prepared)).unwrap();
    let refused = outcomes.iter().find(|outcome| !matches!(outcome, Outcome::Accepted(_)));
    assert!(refused.is_none(), "{refused:?}");
}

fn open(data: &Path) -> Node {
    Node::open(data, Box::new(SystemClock)).unwrap()
}

struct Figures(Vec<Duration>);

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort();
        write!(f, "median {:?}, max {:?} of {}", sorted[sorted.len() / 2], sorted[sorted.len() - 1], sorted.len())
    }
}

fn measure<F: Future<Output = ()>>(runtime: &Runtime, name: &str, mut ask: impl FnMut(usize) -> F) {
    let mut figures = Vec::new();
    for time in 0..TIMES {
        let start = Instant::now();
        runtime.block_on(ask(time));
        figures.push(start.elapsed());
    }
    eprintln!("{name}: first {:?}, {}", figures[0], Figures(figures.clone()));
}

async fn trace(mut query: QueryServiceClient<Channel>, start: Start, nodes_min: usize) {
    let request = v1::TraceRequest { start: Some(start), ..Default::default() };
    let mut stream = query.trace(request).await.unwrap().into_inner();
    let mut nodes = 0;
    while let Some(part) = stream.message().await.unwrap() {
        if let Some(v1::trace_response::Part::Nodes(part)) = part.part {
            nodes += part.nodes.len();
        }
    }
    assert!(nodes > nodes_min, "{nodes} nodes");
}

/// The first page, one in the middle, and the last: tokens are found by walking once, with large pages.
fn statements(runtime: &Runtime, query: &QueryServiceClient<Channel>, account_id: &str, page_size: i32) {
    let request = |page_size: i32, page_token: String| v1::GetStatementRequest {
        account_id: account_id.to_owned(),
        page_size,
        page_token,
        ..Default::default()
    };
    let mut tokens = vec![String::new()];
    loop {
        let page = request(1_000, tokens.last().unwrap().clone());
        let page = runtime.block_on(query.clone().get_statement(page)).unwrap().into_inner();
        if page.next_page_token.is_empty() {
            break;
        }
        tokens.push(page.next_page_token);
    }
    for (name, token) in [("first", 0), ("middle", tokens.len() / 2), ("last", tokens.len() - 1)] {
        let name = format!("statement of {account_id}, {page_size} rows, {name} of {} thousand rows", tokens.len());
        measure(runtime, &name, |_| {
            let (mut query, request) = (query.clone(), request(page_size, tokens[token].clone()));
            async move {
                let page = query.get_statement(request).await.unwrap().into_inner();
                assert!(!page.entries.is_empty());
            }
        });
    }
}

fn ask(runtime: &Runtime, node: &Arc<Node>) {
    let head = node.position();
    let query = runtime.block_on(async {
        let (listener, address) = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        tokio::spawn(serve(Arc::clone(node), listener, Limits::default(), std::future::pending()));
        let channel = Channel::from_shared(format!("http://{address}")).unwrap();
        let channel = channel.tcp_nodelay(true).initial_stream_window_size(Some(8 << 20)).connect().await.unwrap();
        QueryServiceClient::new(channel).max_decoding_message_size(64 << 20)
    });
    measure(runtime, "trace of a lot, its 10,000 payments posted together", |_| {
        trace(query.clone(), Start::LotId(format!("lot-{LOTS}")), 10_000)
    });
    measure(runtime, "trace of a lot, its 10,000 payments spread over all events", |_| {
        trace(query.clone(), Start::LotId("lot-17".to_owned()), 9_000)
    });
    measure(runtime, "trace of other such lots, each for the first time", |time| {
        trace(query.clone(), Start::LotId(format!("lot-{}", 30 + time)), 9_000)
    });
    measure(runtime, "trace of a payment", |time| {
        trace(query.clone(), Start::PaymentId(format!("voucher-2026-{:09}", time * 99_991)), 2)
    });
    measure(runtime, "trace of a payee (100 payments)", |time| {
        trace(query.clone(), Start::Payee(format!("supplier {}", time * 991)), 100)
    });
    for (account_id, page_size) in [("clearing", 100), ("clearing", 1_000), ("u577", 100), ("x421", 1_000)] {
        statements(runtime, &query, account_id, page_size);
    }
    for (name, as_of, on) in [
        ("now", None, None),
        ("as of a sequence near the head", Some(head - 10_000), None),
        ("as of a sequence in the middle", Some(head / 2), None),
        ("as of a business date", None, Some(Date { year: 2026, month: 6, day: 30 })),
    ] {
        measure(runtime, &format!("balance of the busiest account {name}"), |_| {
            let request = v1::GetBalanceRequest {
                account_id: "clearing".to_owned(),
                as_of_sequence: as_of,
                effective_on: on,
                ..Default::default()
            };
            let mut query = query.clone();
            async move { drop(query.get_balance(request).await.unwrap()) }
        });
        measure(runtime, &format!("1,000 rows of the trial balance {name}"), |_| {
            let request = v1::ListBalancesRequest {
                page_size: 1_000,
                as_of_sequence: as_of,
                effective_on: on,
                ..Default::default()
            };
            let mut query = query.clone();
            async move { assert_eq!(query.list_balances(request).await.unwrap().into_inner().balances.len(), 1_000) }
        });
    }
}

fn build_times(node: &Node) {
    let log = node.ledger().log();
    let head = node.ledger().committed().sequence;
    let (mut plain, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let start = Instant::now();
        let mut views = Views::default();
        for block in blocks_between(log.as_ref(), 0, head) {
            let block = block.unwrap();
            let events: Vec<_> =
                block.entries().map(|entry| codec::decode(split_entry(entry).unwrap().1).unwrap()).collect();
            views.apply(block.first_sequence, block.head, events.iter());
        }
        plain.push(start.elapsed());
        let directory = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let history = History::open(directory.path(), log.as_ref(), head, Sizes::default()).unwrap();
        fold_from_log(log.as_ref(), &mut Views::default(), &history, head).unwrap();
        history.close();
        whole.push(start.elapsed());
    }
    eprintln!("reading the log and folding views: {}", Figures(plain));
    eprintln!("the same and building the index: {}", Figures(whole));
}

#[test]
#[ignore = "a measurement, for release builds"]
fn history_at_a_million_events() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    drop(DataDirectory::create(&data, Genesis::of_development("test.invalid/speed"), &SystemClock).unwrap());
    let runtime = Runtime::new().unwrap();
    let node = open(&data);
    let start = Instant::now();
    for commands in set_up().chunks(BATCH as usize) {
        post(&runtime, &node, commands.to_vec());
    }
    for first in (0..EVENTS).step_by(BATCH as usize) {
        post(&runtime, &node, (first..(first + BATCH).min(EVENTS)).map(payment).collect());
    }
    let head = node.ledger().committed().sequence;
    assert!(runtime.block_on(node.reached(head)));
    eprintln!("posted {head} events in {:?}, one request of {BATCH} at a time", start.elapsed());
    build_times(&node);
    node.close().unwrap();
    drop(node);
    for (name, remove) in
        [("", &[][..]), ("without index/", &["index"]), ("without views and index", &["index", "projections"])]
    {
        let mut figures = Vec::new();
        for _ in 0..5 {
            for part in remove {
                for file in fs::read_dir(data.join(part)).unwrap() {
                    fs::remove_file(file.unwrap().path()).unwrap();
                }
            }
            let start = Instant::now();
            let node = open(&data);
            figures.push(start.elapsed());
            node.close().unwrap();
        }
        eprintln!("restart {name}: {}", Figures(figures));
    }
    let node = Arc::new(open(&data));
    let (files, bytes) = node.index_files();
    eprintln!("index: {files} runs, {:.1} bytes an event", bytes as f64 / head as f64);
    ask(&runtime, &node);
    node.close().unwrap();
}
