//! The way to a collector: spans are gathered for a moment, and go there as one request, one request at a time (OTLP over gRPC).

use std::future::Future;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status as SpanStatus};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::{Counts, Ended};

/// Most spans a request.
const BATCH_MAX: usize = 512;
/// How long spans are gathered for a request that is not full.
const GATHERING: Duration = Duration::from_millis(100);
/// How often a request is sent that the collector may take later.
const ATTEMPTS_MAX: u32 = 5;
/// The pause after the first request in a row that failed; each one after that is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long what waits may take when the service stops. It is less than what runs beside the API is given to end.
const LAST_FLUSH: Duration = Duration::from_millis(750);
/// How often the log says that spans do not get there.
const COMPLAINT_INTERVAL: Duration = Duration::from_mins(1);
/// The conventions that names of attributes are by.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.42.0";
/// A span's flags: that it is recorded; that it is known whether its parent is of another process; that it is.
const SAMPLED: u32 = 0x1;
const IS_REMOTE_KNOWN: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Where spans go.
pub struct Collector {
    /// Its address.
    pub endpoint: Endpoint,
    /// What goes with each request; secrets are in it.
    pub headers: MetadataMap,
    /// How this service is called there.
    pub service_name: String,
    /// How long a request may take.
    pub timeout: Duration,
}

/// Takes calls that have ended to the collector.
pub struct Export {
    collector: Collector,
    waiting: mpsc::Receiver<Ended>,
    counts: Arc<Counts>,
    /// What goes next; kept until the collector has taken it, or is given up.
    batch: Vec<Ended>,
    last_complaint: Option<Instant>,
    /// Whether the log has said that spans do not get there, and not yet that they do again.
    has_complained: bool,
    /// How many were dropped when it was last looked at.
    dropped_before: u64,
}

/// Why a request failed.
struct Failure {
    why: String,
    /// Whether the same may be taken later.
    is_passing: bool,
}

impl Export {
    pub(super) fn new(collector: Collector, waiting: mpsc::Receiver<Ended>, counts: Arc<Counts>) -> Self {
        let batch = Vec::with_capacity(BATCH_MAX);
        Self { collector, waiting, counts, batch, last_complaint: None, has_complained: false, dropped_before: 0 }
    }

    /// Exports until it is told to stop, and then for a moment what is left.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let (told, stopping) = watch::channel(false);
        let endpoint = self.collector.endpoint.clone().connect_timeout(self.collector.timeout);
        let client = TraceServiceClient::new(endpoint.connect_lazy());
        {
            let mut exporting = Box::pin(self.export(client, stopping));
            tokio::select! {
                // It ends only after it was told to.
                () = &mut exporting => return,
                () = stop => {}
            }
            told.send_replace(true);
            if timeout(LAST_FLUSH, exporting).await.is_ok() {
                return;
            }
        }
        let left = self.batch.len().saturating_add(self.waiting.len());
        self.failed(left);
        tracing::warn!(left, "spans of calls did not get to the collector before the stop");
    }

    async fn export(&mut self, mut client: TraceServiceClient<Channel>, mut stopping: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                () = told(&mut stopping), if !self.waiting.is_closed() => {
                    self.waiting.close();
                    continue;
                }
                count = self.waiting.recv_many(&mut self.batch, BATCH_MAX) => if count == 0 { return },
            }
            pause(GATHERING, &mut stopping).await;
            while self.batch.len() < BATCH_MAX
                && let Ok(ended) = self.waiting.try_recv()
            {
                self.batch.push(ended);
            }
            self.send(&mut client, &mut stopping).await;
        }
    }

    /// Sends the batch until it is taken or given up.
    async fn send(&mut self, client: &mut TraceServiceClient<Channel>, stopping: &mut watch::Receiver<bool>) {
        for attempt in 1..=ATTEMPTS_MAX {
            let Err(failure) = self.attempt(client).await else { break };
            self.complain(&failure.why);
            let is_given_up = !failure.is_passing || attempt == ATTEMPTS_MAX || *stopping.borrow();
            if is_given_up {
                let count = self.batch.len();
                self.failed(count);
                self.batch.clear();
            }
            // So that a collector that is gone is not asked all the time.
            pause(FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1)), stopping).await;
            if is_given_up {
                break;
            }
        }
        let dropped = self.counts.dropped.load(Ordering::Relaxed);
        if mem::replace(&mut self.dropped_before, dropped) < dropped {
            self.complain("more calls end than it takes");
        }
    }

    async fn attempt(&mut self, client: &mut TraceServiceClient<Channel>) -> Result<(), Failure> {
        let mut request = Request::new(message(&self.collector.service_name, &self.batch));
        *request.metadata_mut() = self.collector.headers.clone();
        let answer = match timeout(self.collector.timeout, client.export(request)).await {
            Ok(answer) => answer.map_err(|status| Failure::from(&status))?.into_inner(),
            Err(_) => return Err(Failure { why: "it did not answer in time".to_owned(), is_passing: true }),
        };
        let sent = u64::try_from(self.batch.len()).unwrap_or(u64::MAX);
        self.batch.clear();
        let rejected = answer.partial_success.map(|partial| u64::try_from(partial.rejected_spans).unwrap_or_default());
        let rejected = rejected.unwrap_or_default().min(sent);
        self.counts.exported.fetch_add(sent.saturating_sub(rejected), Ordering::Relaxed);
        self.counts.failed.fetch_add(rejected, Ordering::Relaxed);
        if mem::take(&mut self.has_complained) {
            tracing::info!("spans of calls get to the collector again");
        }
        if rejected > 0 {
            self.complain("it took a part of a request");
        }
        Ok(())
    }

    fn failed(&self, count: usize) {
        self.counts.failed.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Says once in a while what goes wrong.
    fn complain(&mut self, why: &str) {
        if self.last_complaint.is_some_and(|last| last.elapsed() < COMPLAINT_INTERVAL) {
            return;
        }
        self.last_complaint = Some(Instant::now());
        self.has_complained = true;
        let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let Counts { exported, dropped, failed } = &*self.counts;
        let (exported, dropped, failed) = (of(exported), of(dropped), of(failed));
        tracing::warn!(why, exported, dropped, failed, "spans of calls do not get to the collector");
    }
}

impl From<&Status> for Failure {
    fn from(status: &Status) -> Self {
        let mut cause = std::error::Error::source(status);
        while let Some(inner) = cause.and_then(std::error::Error::source) {
            cause = Some(inner);
        }
        // What a collector says itself stays unsaid: it knows our secrets.
        let why = cause.map_or_else(|| format!("it refused: {:?}", status.code()), ToString::to_string);
        let is_passing = cause.is_some()
            || matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted);
        Self { why, is_passing }
    }
}

/// Resolves when the service stops.
async fn told(stopping: &mut watch::Receiver<bool>) {
    // Whoever tells is there for as long as this is waited for.
    let _ = stopping.wait_for(|told| *told).await;
}

/// Waits, but not when the service stops.
async fn pause(length: Duration, stopping: &mut watch::Receiver<bool>) {
    tokio::select! {
        () = sleep(length) => {}
        () = told(stopping) => {}
    }
}

fn message(service_name: &str, calls: &[Ended]) -> ExportTraceServiceRequest {
    let version = env!("CARGO_PKG_VERSION");
    let attributes = vec![text("service.name", service_name), text("service.version", version)];
    let scope = InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: version.to_owned(),
        ..InstrumentationScope::default()
    };
    let spans = calls.iter().map(span).collect();
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans, schema_url: SCHEMA.to_owned() }],
            schema_url: SCHEMA.to_owned(),
        }],
    }
}

/// By the conventions for servers of gRPC.
fn span(call: &Ended) -> Span {
    let start_time_unix_nano = u64::try_from(call.own.began.0).unwrap_or_default();
    let took = u64::try_from(call.took.as_nanos()).unwrap_or(u64::MAX);
    let mut attributes = vec![
        text("rpc.system.name", "grpc"),
        text("rpc.method", call.method.as_deref().unwrap_or("_OTHER")),
        text("rpc.response.status_code", call.code),
        text("fundledger.request_id", &call.request_id),
    ];
    attributes.extend(call.is_fault.then(|| text("error.type", call.code)));
    attributes.extend(call.reason.map(|reason| text("fundledger.reason", reason)));
    attributes.extend(call.commands.map(|commands| attribute("fundledger.commands", Value::IntValue(commands.into()))));
    let status = call.is_fault.then(|| SpanStatus { code: StatusCode::Error.into(), ..SpanStatus::default() });
    Span {
        trace_id: call.trace_id.bytes().to_vec(),
        span_id: call.own.id.bytes().to_vec(),
        parent_span_id: call.parent_id.map(|id| id.bytes().to_vec()).unwrap_or_default(),
        flags: SAMPLED | if call.parent_id.is_some() { IS_REMOTE_KNOWN | IS_REMOTE } else { IS_REMOTE_KNOWN },
        name: call.method.as_deref().unwrap_or("grpc").to_owned(),
        kind: SpanKind::Server.into(),
        start_time_unix_nano,
        end_time_unix_nano: start_time_unix_nano.saturating_add(took),
        attributes,
        status,
        ..Span::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
