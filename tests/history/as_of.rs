//! Answers as of a sequence and as of a date: they never change, they add up, and their pages hold still.

use std::collections::BTreeMap;

use crate::server::{Served, set_up};
use crate::world::{
    Query, Random, balance_pages, date, more_lots, post, random_commands, refused, statement_pages, trace,
};
use fundledger::pb::Date;
use fundledger::pb::v1::{self, trace_request::Start};
use prost::Message;
use tonic::Code;

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
        // It ends by itself before reading takes longer and longer.
        while round < 200 && stopped.try_recv().is_err() {
            let commands = random_commands(&mut random, round, 20);
            ledger.post(v1::PostRequest { commands, ..v1::PostRequest::default() }).await.unwrap();
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
    stop.send(()).ok();
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
        v1::ListBalancesRequest { effective_on: Some(crate::server::DATE), ..balances.clone() },
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
