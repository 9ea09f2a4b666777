//! A ledger with a year of random payments, and the questions that are asked of it.

use crate::server::{Served, command, payment};
use fundledger::pb::Date;
use fundledger::pb::v1::query_service_client::QueryServiceClient;
use fundledger::pb::v1::{self, command::Payload, trace_request::Start};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

pub(crate) type Query = QueryServiceClient<Channel>;

/// Numbers that look random and are the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Business dates run backwards as they like, within two months.
pub(crate) fn date(random: &mut Random) -> Date {
    Date { year: 2026, month: 5 + random.below(2) as i32, day: 1 + random.below(30) as i32 }
}

pub(crate) fn on(date: Date, mut command: v1::Command) -> v1::Command {
    command.business_date = Some(date);
    command
}

pub(crate) fn change(mut command: v1::Command, edit: impl FnOnce(&mut v1::ExecutePayment)) -> v1::Command {
    if let Some(Payload::ExecutePayment(payment)) = &mut command.payload {
        edit(payment);
    }
    command
}

pub(crate) fn movement(from: &str, to: &str, lot: &str, amount_minor: i64) -> v1::AuthorityMovement {
    v1::AuthorityMovement {
        from_account_id: from.to_owned(),
        to_account_id: to.to_owned(),
        amount_minor,
        draws: vec![v1::Draw { lot_id: lot.to_owned(), amount_minor }],
    }
}

/// Another lot with its cash and a share for unit U.
pub(crate) fn more_lots() -> Vec<v1::Command> {
    let lot = || "LOT-2".to_owned();
    let payloads = vec![
        Payload::OpenAccount(Box::new(v1::OpenAccount {
            account_id: "U.commit".to_owned(),
            fund_id: "F".to_owned(),
            kind: v1::AccountKind::AuthorityCommitted.into(),
            unit_id: "U".to_owned(),
            ..v1::OpenAccount::default()
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
pub(crate) fn random_commands(random: &mut Random, round: u64, count: u64) -> Vec<v1::Command> {
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

pub(crate) fn clearing(id: &str) -> Payload {
    Payload::ClearPayments(Box::new(v1::ClearPayments {
        payment_ids: vec![id.to_owned()],
        bank_reference: format!("clearing of {id}"),
    }))
}

/// Posts commands, some of which the rules refuse; gives the last sequence.
pub(crate) async fn post(served: &Served, commands: Vec<v1::Command>) -> i64 {
    let answer = served.ledger().await.post(v1::PostRequest { commands, ..v1::PostRequest::default() }).await.unwrap();
    let accepted = answer.into_inner().results.into_iter().filter_map(|result| match result.outcome {
        Some(v1::post_result::Outcome::Receipt(receipt)) => Some(receipt.sequence),
        _ => None,
    });
    accepted.max().unwrap()
}

pub(crate) async fn statement_pages(
    query: &mut Query,
    request: &v1::GetStatementRequest,
) -> Vec<v1::GetStatementResponse> {
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

pub(crate) async fn balance_pages(
    query: &mut Query,
    request: &v1::ListBalancesRequest,
) -> Vec<v1::ListBalancesResponse> {
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

pub(crate) async fn trace(query: &mut Query, start: Start, as_of_sequence: Option<i64>) -> Vec<v1::TraceResponse> {
    let request = v1::TraceRequest { start: Some(start), as_of_sequence, min_sequence: None };
    let mut stream = query.trace(request).await.unwrap().into_inner();
    let mut parts = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        parts.push(part);
    }
    parts
}

pub(crate) fn reason(error: &Status) -> (Code, String) {
    (error.code(), error.get_error_details().error_info().unwrap().reason.clone())
}

pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, name: &str) {
    assert_eq!(reason(&answer.unwrap_err()), (code, name.to_owned()));
}
