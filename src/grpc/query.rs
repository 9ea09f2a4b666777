//! `QueryService`: reading. What each query does is in a file of its own.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::identity::Caller;
use super::node::Node;
use super::observed::Places;
use super::reading::{Reading, beyond, record};
use super::server::Limits;
use super::spans::spawn;
use super::status::Statuses;
use super::stopping::{Stopping, UntilStopped};
use super::subscribe::Subscription;
use super::{balances, clocks, complaints, contracts, listing, performance, statement, supervision, trace};
use crate::domain::refusal::Reason;
use crate::pb::v1;
use crate::pb::v1::query_service_server::QueryService;
use crate::projection::events::Events;

/// Messages of a trace that wait for a slow reader.
const MESSAGES_AHEAD: usize = 4;

pub(super) struct QueryApi {
    pub(super) node: Arc<Node>,
    pub(super) limits: Limits,
    pub(super) stopping: Stopping,
    pub(super) subscribers: Places,
}

impl QueryApi {
    pub(super) fn reading<T>(&self, request: Request<T>) -> Result<(Reading, T), Status> {
        let statuses = Statuses::for_request(&request);
        let caller = Caller::of(&request, statuses)?;
        Ok((Reading { node: Arc::clone(&self.node), caller, statuses }, request.into_inner()))
    }
}

#[tonic::async_trait]
impl QueryService for QueryApi {
    type TraceStream = UntilStopped<ReceiverStream<Result<v1::TraceResponse, Status>>>;
    type SubscribeStream = Subscription;

    async fn subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        self.subscribe_request(request)
    }

    async fn get_balance(
        &self,
        request: Request<v1::GetBalanceRequest>,
    ) -> Result<Response<v1::GetBalanceResponse>, Status> {
        let (reading, request) = self.reading(request)?;
        balances::one(reading, request).await.map(Response::new)
    }

    async fn list_balances(
        &self,
        request: Request<v1::ListBalancesRequest>,
    ) -> Result<Response<v1::ListBalancesResponse>, Status> {
        let (reading, request) = self.reading(request)?;
        balances::all(reading, request).await.map(Response::new)
    }

    async fn get_statement(
        &self,
        request: Request<v1::GetStatementRequest>,
    ) -> Result<Response<v1::GetStatementResponse>, Status> {
        let (reading, request) = self.reading(request)?;
        statement::statement(reading, request).await.map(Response::new)
    }

    async fn trace(&self, request: Request<v1::TraceRequest>) -> Result<Response<Self::TraceStream>, Status> {
        let (reading, request) = self.reading(request)?;
        let statuses = reading.statuses;
        let (head, tree) = trace::trace(reading, request).await?;
        let (sender, receiver) = mpsc::channel(MESSAGES_AHEAD);
        spawn(trace::send(head, tree, sender));
        Ok(Response::new(UntilStopped::new(ReceiverStream::new(receiver), self.stopping.clone(), statuses)))
    }

    async fn get_event(&self, request: Request<v1::GetEventRequest>) -> Result<Response<v1::GetEventResponse>, Status> {
        let (reading, v1::GetEventRequest { sequence }) = self.reading(request)?;
        let head = self.node.ledger().committed().sequence;
        if sequence < 0 {
            let description = format!("is {sequence}; sequences start at 0");
            return Err(reading.violation("sequence", Reason::FieldInvalid, description));
        }
        if sequence > head {
            return Err(reading.statuses.reason(Reason::SequenceBeyondHead, &beyond(sequence, head)));
        }
        let log = self.node.log();
        let record = Some(record(&reading, &mut Events::new(log.as_ref()), sequence)?);
        Ok(Response::new(v1::GetEventResponse { record }))
    }

    async fn list_clocks(
        &self,
        request: Request<v1::ListClocksRequest>,
    ) -> Result<Response<v1::ListClocksResponse>, Status> {
        let (reading, request) = self.reading(request)?;
        clocks::list(reading, request).await.map(Response::new)
    }

    async fn list_funds(
        &self,
        request: Request<v1::ListFundsRequest>,
    ) -> Result<Response<v1::ListFundsResponse>, Status> {
        let (reading, request) = self.reading(request)?;
        supervision::funds(reading, request).await.map(Response::new)
    }

    async fn list_findings(
        &self,
        request: Request<v1::ListFindingsRequest>,
    ) -> Result<Response<v1::ListFindingsResponse>, Status> {
        let (reading, request) = self.reading(request)?;
        supervision::findings(reading, request).await.map(Response::new)
    }

    async fn list_tenders(
        &self,
        request: Request<v1::ListTendersRequest>,
    ) -> Result<Response<v1::ListTendersResponse>, Status> {
        let (reading, request) = self.reading(request)?;
        contracts::tenders(reading, request).await.map(Response::new)
    }

    async fn list_contracts(
        &self,
        request: Request<v1::ListContractsRequest>,
    ) -> Result<Response<v1::ListContractsResponse>, Status> {
        let (reading, request) = self.reading(request)?;
        contracts::list(reading, request).await.map(Response::new)
    }

    async fn get_contract(
        &self,
        request: Request<v1::GetContractRequest>,
    ) -> Result<Response<v1::GetContractResponse>, Status> {
        let (reading, request) = self.reading(request)?;
        contracts::one(reading, request).await.map(Response::new)
    }

    async fn list_performance(
        &self,
        request: Request<v1::ListPerformanceRequest>,
    ) -> Result<Response<v1::ListPerformanceResponse>, Status> {
        let (reading, request) = self.reading(request)?;
        performance::list(reading, request).await.map(Response::new)
    }

    async fn get_performance(
        &self,
        request: Request<v1::GetPerformanceRequest>,
    ) -> Result<Response<v1::GetPerformanceResponse>, Status> {
        let (reading, request) = self.reading(request)?;
        performance::one(reading, request).await.map(Response::new)
    }

    async fn list_projects(
        &self,
        request: Request<v1::ListProjectsRequest>,
    ) -> Result<Response<v1::ListProjectsResponse>, Status> {
        let (reading, request) = self.reading(request)?;
        contracts::projects(reading, request).await.map(Response::new)
    }

    async fn list_complaints(
        &self,
        request: Request<v1::ListComplaintsRequest>,
    ) -> Result<Response<v1::ListComplaintsResponse>, Status> {
        let (reading, request) = self.reading(request)?;
        complaints::list(reading, request).await.map(Response::new)
    }

    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Result<Response<v1::ListEventsResponse>, Status> {
        let (reading, request) = self.reading(request)?;
        listing::list(reading, request).await.map(Response::new)
    }
}
