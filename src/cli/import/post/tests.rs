//! Posting against a small ledger of our own, which fails and refuses on order: what the real one hardly ever does.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test's own ledger: overflow panics, and that is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::ProgressBar;
use tokio_stream::Empty;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::cli::connect::Connection;
use crate::cli::import::{Prepared, Summary};
use crate::cli::{Failure, Globals, Lang};
use crate::pb::v1::command::Payload;
use crate::pb::v1::ledger_service_server::{LedgerService, LedgerServiceServer};
use crate::pb::v1::post_result::Outcome;
use crate::pb::v1::query_service_server::{QueryService, QueryServiceServer};
use crate::pb::v1::*;

/// What the ledger does with one request.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// Says that it is busy, with a delay.
    Busy,
    /// Does the work, then loses the answer.
    AnswerLost,
    /// Goes away before the work.
    Away,
}

#[derive(Debug, Default)]
struct Books {
    /// Every command that was decided, by key, in order of arrival.
    decided: BTreeMap<String, (Command, PostResult)>,
    order: Vec<String>,
    accounts: BTreeMap<String, OpenAccount>,
    currency: (String, i32),
    lots: BTreeMap<String, i64>,
    payments: BTreeMap<String, (String, i64)>,
    cleared: BTreeSet<String>,
    /// Troubles by number of the request, from 0.
    troubles: BTreeMap<u64, Trouble>,
    requests: u64,
    /// Keys that the rules refuse.
    refused: BTreeSet<String>,
    /// Keys at which the ledger itself fails.
    failing: BTreeMap<String, (String, tonic::Code)>,
}

impl Books {
    fn decide(&mut self, command: &Command) -> PostResult {
        if let Some((before, result)) = self.decided.get(&command.request_id) {
            if before != command {
                return refusal("IDEMPOTENCY_KEY_REUSED", tonic::Code::AlreadyExists);
            }
            let mut result = result.clone();
            if let Some(Outcome::Receipt(receipt)) = &mut result.outcome {
                receipt.replayed = true;
            }
            return result;
        }
        if let Some((reason, code)) = self.failing.get(&command.request_id) {
            return refusal(reason, *code);
        }
        let refused = |reason| refusal(reason, tonic::Code::FailedPrecondition);
        let result = match (self.refused.contains(&command.request_id), command.payload.as_ref().unwrap()) {
            (true, _) => refused("FROZEN"),
            (false, Payload::ClearPayments(clear))
                if clear.payment_ids.iter().any(|id| !self.payments.contains_key(id)) =>
            {
                refused("PAYMENT_NOT_FOUND")
            }
            (false, Payload::ReturnPayment(back)) if !self.cleared.contains(&back.payment_id) => {
                refused("PAYMENT_NOT_CLEARED")
            }
            (false, payload) => {
                self.apply(payload);
                let sequence = i64::try_from(self.order.len()).unwrap() + 1;
                PostResult { outcome: Some(Outcome::Receipt(Receipt { sequence, ..Receipt::default() })) }
            }
        };
        self.order.push(command.request_id.clone());
        self.decided.insert(command.request_id.clone(), (command.clone(), result.clone()));
        result
    }

    fn apply(&mut self, payload: &Payload) {
        match payload {
            Payload::DefineFund(fund) => {
                self.currency = (fund.currency_code.clone(), fund.currency_exponent.unwrap_or(2));
            }
            Payload::OpenAccount(account) => {
                self.accounts.insert(account.account_id.clone(), account.as_ref().clone());
            }
            Payload::ReceiveCash(cash) => *self.lots.entry(cash.lot_id.clone()).or_default() += cash.amount_minor,
            Payload::ExecutePayment(payment) => {
                let lot = payment.draws[0].lot_id.clone();
                *self.lots.get_mut(&lot).unwrap() -= payment.amount_minor;
                self.payments.insert(payment.payment_id.clone(), (lot, payment.amount_minor));
            }
            Payload::ClearPayments(clear) => self.cleared.extend(clear.payment_ids.iter().cloned()),
            Payload::ReturnPayment(back) => {
                let lot = &self.payments[&back.payment_id].0;
                *self.lots.get_mut(lot).unwrap() += back.amount_minor;
            }
            _ => {}
        }
    }

    /// Commands decided, by the first letter after the file's digest.
    fn decided_rows(&self, letter: &str) -> usize {
        self.order.iter().filter(|key| key.split(':').nth(1).is_some_and(|rest| rest.starts_with(letter))).count()
    }
}

fn refusal(reason: &str, code: tonic::Code) -> PostResult {
    let details = ErrorDetails::with_error_info(reason, "fundledger", []);
    let status = Status::with_error_details(code, "refused", details);
    let details =
        prost::Message::decode(status.details()).map(|status: tonic_types::pb::Status| status.details).unwrap();
    let status = tonic_types::pb::Status { code: status.code().into(), message: "refused".to_owned(), details };
    PostResult { outcome: Some(Outcome::Error(status)) }
}

#[derive(Clone, Debug, Default)]
struct Fake(Arc<Mutex<Books>>);

#[tonic::async_trait]
impl LedgerService for Fake {
    async fn post(&self, request: Request<PostRequest>) -> Result<Response<PostResponse>, Status> {
        let mut books = self.0.lock().unwrap();
        let number = books.requests;
        books.requests += 1;
        let trouble = books.troubles.remove(&number);
        match trouble {
            Some(Trouble::Busy) => {
                let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(1)));
                return Err(Status::with_error_details(tonic::Code::ResourceExhausted, "busy", details));
            }
            Some(Trouble::Away) => return Err(Status::unavailable("away")),
            Some(Trouble::AnswerLost) | None => {}
        }
        let results = request.into_inner().commands.iter().map(|command| books.decide(command)).collect();
        match trouble {
            Some(Trouble::AnswerLost) => Err(Status::unknown("lost")),
            _ => Ok(Response::new(PostResponse { results, ..PostResponse::default() })),
        }
    }

    type PostStreamStream = Empty<Result<PostStreamResponse, Status>>;

    async fn post_stream(
        &self,
        _: Request<tonic::Streaming<PostStreamRequest>>,
    ) -> Result<Response<Self::PostStreamStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn propose(&self, _: Request<ProposeRequest>) -> Result<Response<ProposeResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn approve(&self, _: Request<ApproveRequest>) -> Result<Response<ApproveResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn withdraw(&self, _: Request<WithdrawRequest>) -> Result<Response<WithdrawResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_pending(&self, _: Request<ListPendingRequest>) -> Result<Response<ListPendingResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_receipt(&self, _: Request<GetReceiptRequest>) -> Result<Response<GetReceiptResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl QueryService for Fake {
    type TraceStream = Pin<Box<Empty<Result<TraceResponse, Status>>>>;
    type SubscribeStream = Empty<Result<SubscribeResponse, Status>>;

    async fn subscribe(&self, _: Request<SubscribeRequest>) -> Result<Response<Self::SubscribeStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_balance(&self, request: Request<GetBalanceRequest>) -> Result<Response<GetBalanceResponse>, Status> {
        let request = request.into_inner();
        let books = self.0.lock().unwrap();
        let account = books.accounts.get(&request.account_id).ok_or_else(|| Status::not_found("account"))?.clone();
        let balance = Balance {
            account_id: account.account_id,
            fund_id: account.fund_id,
            kind: account.kind,
            unit_id: account.unit_id,
            amount_minor: books.lots.get(&request.lot_id).copied().unwrap_or(0),
            currency_code: books.currency.0.clone(),
            currency_exponent: books.currency.1,
            ..Balance::default()
        };
        Ok(Response::new(GetBalanceResponse { balance: Some(balance), position: None }))
    }

    async fn list_balances(&self, _: Request<ListBalancesRequest>) -> Result<Response<ListBalancesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_statement(&self, _: Request<GetStatementRequest>) -> Result<Response<GetStatementResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn trace(&self, _: Request<TraceRequest>) -> Result<Response<Self::TraceStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_event(&self, _: Request<GetEventRequest>) -> Result<Response<GetEventResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_tenders(&self, _: Request<ListTendersRequest>) -> Result<Response<ListTendersResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_contracts(
        &self,
        _: Request<ListContractsRequest>,
    ) -> Result<Response<ListContractsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_contract(&self, _: Request<GetContractRequest>) -> Result<Response<GetContractResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_performance(
        &self,
        _: Request<ListPerformanceRequest>,
    ) -> Result<Response<ListPerformanceResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_performance(
        &self,
        _: Request<GetPerformanceRequest>,
    ) -> Result<Response<GetPerformanceResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_projects(&self, _: Request<ListProjectsRequest>) -> Result<Response<ListProjectsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_clocks(&self, _: Request<ListClocksRequest>) -> Result<Response<ListClocksResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_funds(&self, _: Request<ListFundsRequest>) -> Result<Response<ListFundsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_findings(&self, _: Request<ListFindingsRequest>) -> Result<Response<ListFindingsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_complaints(
        &self,
        _: Request<ListComplaintsRequest>,
    ) -> Result<Response<ListComplaintsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_events(&self, _: Request<ListEventsRequest>) -> Result<Response<ListEventsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

const MAPPING: &str = include_str!("../../../../deploy/mappings/gstt-payments.toml");
const EXCERPT: &[u8] = include_bytes!("../../../../tests/data/payments-excerpt.csv");

fn excerpt(mapping: &str) -> Prepared {
    Prepared::new("m", mapping, "excerpt", EXCERPT.to_vec()).unwrap()
}

/// Posts the excerpt in requests of 50 commands, with this much patience.
fn post(fake: &Fake, mapping: &str, patience: Duration) -> (Summary, Result<(), Failure>) {
    let prepared = excerpt(&mapping.replace("batch = 2000", "batch = 50"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let services = Server::builder()
            .add_service(LedgerServiceServer::new(fake.clone()))
            .add_service(QueryServiceServer::new(fake.clone()));
        let serving = tokio::spawn(services.serve_with_incoming(incoming));
        let globals = Globals {
            server: Some(format!("http://{address}")),
            tls: crate::cli::ClientTls::default(),
            format: None,
            lang: Lang::En,
            quiet: true,
        };
        let connection = Connection::new(&globals).unwrap();
        let done = prepared.post(&connection, patience, &ProgressBar::hidden()).await;
        serving.abort();
        done
    })
}

fn troubled(troubles: impl IntoIterator<Item = (u64, Trouble)>) -> Fake {
    let fake = Fake::default();
    fake.0.lock().unwrap().troubles = troubles.into_iter().collect();
    fake
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn everything_is_posted_once_whatever_the_way_does() {
    let quiet = troubled([]);
    let (expected, done) = post(&quiet, MAPPING, LONG);
    done.unwrap();
    let expected = expected.to_json();
    let planned = excerpt(MAPPING).summary().to_json();
    for key in ["payments", "payments_minor", "returns", "returns_minor", "refused_minor", "allocations_minor"] {
        assert_eq!(expected[key], planned[key], "{key}");
    }
    assert_eq!(expected["lots_agreeing"], expected["lots"]);
    assert_eq!(expected["commands_replayed"], 0);

    // Every kind of request is hit by every kind of trouble somewhere: set-up, payments, clears, returns.
    for offset in 0..3 {
        let troubles = (0..40).map(|number| {
            (number * 3 + offset, [Trouble::Busy, Trouble::AnswerLost, Trouble::Away][(number % 3) as usize])
        });
        let fake = troubled(troubles);
        let (summary, done) = post(&fake, MAPPING, LONG);
        done.unwrap();
        let summary = summary.to_json();
        for key in ["payments_minor", "returns_minor", "refused", "net_posted_minor", "lots_agreeing", "last_sequence"]
        {
            assert_eq!(summary[key], expected[key], "{offset} {key}");
        }
        assert_eq!(
            fake.0.lock().unwrap().order,
            quiet.0.lock().unwrap().order,
            "{offset}: the same commands in the same order"
        );
    }
}

#[test]
fn a_run_that_was_cut_off_goes_on() {
    let quiet = troubled([]);
    let (whole, _) = post(&quiet, MAPPING, LONG);
    let requests = quiet.0.lock().unwrap().requests;
    for cut in (0..requests).step_by(7) {
        for trouble in [Trouble::Away, Trouble::AnswerLost] {
            let fake = troubled([(cut, trouble)]);
            let (_, done) = post(&fake, MAPPING, Duration::ZERO);
            let failure = done.unwrap_err();
            assert_eq!(failure.code(), 3, "{cut}");
            assert!(failure.to_string().contains("run the same command again"), "{failure}");
            let (resumed, done) = post(&fake, MAPPING, LONG);
            done.unwrap();
            let (resumed, whole) = (resumed.to_json(), whole.to_json());
            for key in
                ["payments", "payments_minor", "returns_minor", "net_posted_minor", "lots_agreeing", "last_sequence"]
            {
                assert_eq!(resumed[key], whole[key], "cut at {cut}: {key}");
            }
            assert_eq!(fake.0.lock().unwrap().order, quiet.0.lock().unwrap().order, "cut at {cut}");
        }
    }
}

#[test]
fn again_is_only_replays() {
    let fake = troubled([]);
    let (first, _) = post(&fake, MAPPING, LONG);
    let (second, done) = post(&fake, MAPPING, LONG);
    done.unwrap();
    let (first, second) = (first.to_json(), second.to_json());
    assert_eq!(second["commands_posted"], 0);
    assert_eq!(second["payments_minor"], first["payments_minor"]);
    assert!(second["commands_replayed"].as_u64().unwrap() > 0);
}

#[test]
fn a_refused_payment_is_reported_and_not_cleared() {
    let prepared = excerpt(MAPPING);
    let target = prepared.plan.steps.iter().find_map(|step| match step {
        super::Step::Return(back) => Some(back.clone()),
        _ => None,
    });
    let target = target.unwrap();
    let returns_of_it = prepared
        .plan
        .steps
        .iter()
        .filter(|step| matches!(step, super::Step::Return(back) if back.payment_line == target.payment_line))
        .count();
    let fake = troubled([]);
    fake.0.lock().unwrap().refused.insert(prepared.plan.row_key(target.payment_line));
    let (summary, done) = post(&fake, MAPPING, LONG);
    done.unwrap();
    let refused: Vec<(u64, &str)> = summary.refused.iter().map(|row| (row.line, row.fault.reason())).collect();
    assert!(refused.contains(&(target.payment_line, "FROZEN")), "{refused:?}");
    assert!(refused.contains(&(target.line, "PAYMENT_NOT_CLEARED")), "{refused:?}");
    let json = summary.to_json();
    assert_eq!(json["refused"], 30 + 1 + returns_of_it, "{refused:?}");
    assert_eq!(json["file_sum_agrees"], true);
    assert_eq!(json["lots_agreeing"], json["lots"]);
    let books = fake.0.lock().unwrap();
    assert_eq!(books.cleared.len(), books.payments.len(), "all the others are cleared");
}

#[test]
fn a_ledger_that_fails_refuses_no_row() {
    let key = excerpt(MAPPING).plan.row_key(9);
    for (reason, code) in [("READ_ONLY", tonic::Code::Unavailable), ("DATA_CORRUPTED", tonic::Code::DataLoss)] {
        let fake = troubled([]);
        fake.0.lock().unwrap().failing.insert(key.clone(), (reason.to_owned(), code));
        let (summary, done) = post(&fake, MAPPING, LONG);
        let failure = done.unwrap_err();
        assert_eq!(failure.code(), 3, "{failure}");
        assert!(failure.to_string().starts_with(reason), "{failure}");
        assert!(summary.refused.iter().all(|row| row.fault.reason() == "RETURN_WITHOUT_PAYMENT"));
    }
}

#[test]
fn a_refused_set_up_stops_before_any_row() {
    let fake = troubled([]);
    let issue = {
        // The key of the first lot's issue, learned from a run elsewhere.
        let other = troubled([]);
        let _ = post(&other, MAPPING, LONG);
        let books = other.0.lock().unwrap();
        books.order.iter().find(|key| key.split(':').nth(1).is_some_and(|rest| rest.starts_with('I'))).unwrap().clone()
    };
    fake.0.lock().unwrap().refused.insert(issue);
    let (_, done) = post(&fake, MAPPING, LONG);
    let failure = done.unwrap_err();
    assert_eq!(failure.code(), 1);
    assert!(failure.to_string().starts_with("setting up lots was refused; no row was posted"), "{failure}");
    let books = fake.0.lock().unwrap();
    assert_eq!((books.decided_rows("L"), books.decided_rows("R")), (0, 0));
}

#[test]
fn a_file_goes_into_a_ledger_only_once() {
    let fake = troubled([]);
    let _ = post(&fake, MAPPING, LONG);
    let decided = fake.0.lock().unwrap().decided_rows("L");
    let (_, done) = post(&fake, &MAPPING.replace("purpose = \"SUPPLIER\"", "purpose = \"OTHER\""), LONG);
    let failure = done.unwrap_err();
    assert_eq!(failure.code(), 1);
    assert!(
        failure.to_string().starts_with("this file was posted before, under a mapping that says otherwise"),
        "{failure}"
    );
    assert_eq!(fake.0.lock().unwrap().decided_rows("L"), decided);
}

#[test]
fn the_mapping_must_agree_with_the_fund() {
    let fake = troubled([]);
    let _ = post(&fake, MAPPING, LONG);
    fake.0.lock().unwrap().currency.0 = "EUR".to_owned();
    let (_, done) = post(&fake, MAPPING, LONG);
    assert!(done.unwrap_err().to_string().contains("is in EUR with 2 decimal places, the mapping says GBP"));
}
