//! Every call, from its headers to its end: its id, its deadline, whether its caller calls too often, what it is
//! counted as, and the line that is logged of it.
//!
//! A call costs a line if there is something to say, a command nothing. No line has a payload, a name or a personal value in it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use prost::Message;
use prost::bytes::Bytes;
use prost_types::Any;
use tokio::time::Instant;
use tonic::body::Body as TonicBody;
use tonic::{Code, Status};
use tonic_types::pb::{RequestInfo, Status as DetailedStatus};
use tower::{Layer, Service};

use super::admission::RequestRates;
use super::call_ids::{CallId, CallIds, REQUEST_ID};
use super::node::Node;
use super::observed::{Kind, Method, Observed, code_name};
use super::spans::{ForCall, Identity, enter};
use super::status::{Statuses, reason_of};
use crate::domain::refusal::Reason;
use crate::traces::Ended;
use crate::traces::context::{Place, TraceParent};

/// Under this name the lines about finished calls can be filtered.
const ACCESS: &str = "fundledger::access";
const REQUEST_INFO: &str = "type.googleapis.com/google.rpc.RequestInfo";
const GRPC_STATUS: &str = "grpc-status";
const GRPC_TIMEOUT: &str = "grpc-timeout";
const TRACEPARENT: &str = "traceparent";

/// How many commands a call has brought, as far as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct CommandCount(Arc<AtomicU32>);

impl CommandCount {
    /// Notes what a call brings; nothing, where nobody counts.
    pub(super) fn note(extensions: &http::Extensions, commands: usize) {
        if let Some(count) = extensions.get::<Self>() {
            count.add(commands);
        }
    }

    pub(super) fn add(&self, commands: usize) {
        self.0.fetch_add(u32::try_from(commands).unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

/// What holds for all calls of a server.
pub(super) struct Rules {
    pub(super) observed: Arc<Observed>,
    pub(super) node: Arc<Node>,
    pub(super) rates: RequestRates,
    /// Longest that a call with a deadline may take.
    pub(super) call_max: Duration,
    /// A call that takes longer is logged as a warning.
    pub(super) slow: Duration,
}

struct Shared {
    rules: Rules,
    ids: CallIds,
}

/// Looks after calls.
#[derive(Clone)]
pub(super) struct Calls(Arc<Shared>);

impl Calls {
    pub(super) fn new(rules: Rules) -> Self {
        Self(Arc::new(Shared { rules, ids: CallIds::new() }))
    }
}

impl<S> Layer<S> for Calls {
    type Service = Called<S>;

    fn layer(&self, inner: S) -> Called<S> {
        Called { inner, calls: self.clone() }
    }
}

/// A service whose calls are looked after.
#[derive(Clone)]
pub(super) struct Called<S> {
    inner: S,
    calls: Calls,
}

type Response = http::Response<TonicBody>;

impl<S> Service<http::Request<TonicBody>> for Called<S>
where
    S: Service<http::Request<TonicBody>, Response = Response, Future: Send + 'static>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = ForCall<Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<TonicBody>) -> Self::Future {
        let began = Instant::now();
        let Shared { rules, ids } = &*self.calls.0;
        let headers = request.headers();
        let statuses = Statuses::for_headers(headers);
        let method = Arc::clone(rules.observed.method(request.uri().path()));
        let caller = headers.get(TRACEPARENT).and_then(|value| TraceParent::parse(value.to_str().ok()?));
        let place = match rules.observed.traces() {
            Some(traces) if method.kind != Kind::Probe => traces.begin(caller),
            _ => caller.map(Place::from),
        };
        let identity = Arc::new(Identity { id: ids.of(headers), method: Arc::clone(&method), place });
        let deadline = deadline(&method, headers, rules.call_max).and_then(|after| began.checked_add(after));
        let commands = method.is_posting.then(CommandCount::default);
        let is_admitted = method.kind == Kind::Probe || rules.rates.admits(request.extensions());
        let call = Call {
            calls: self.calls.clone(),
            identity: Arc::clone(&identity),
            began,
            commands,
            end: None,
            reason: None,
        };
        if !is_admitted {
            let refused = statuses.reason(Reason::TooManyRequests, &[]).into_http();
            return ForCall::new(Some(identity), Box::pin(async move { Ok(call.answered(refused)) }));
        }
        if let Some(commands) = &call.commands {
            request.extensions_mut().insert(commands.clone());
        }
        let answering = self.inner.call(request);
        let answered = async move {
            let answer = match deadline {
                None => answering.await?,
                Some(deadline) => match tokio::time::timeout_at(deadline, answering).await {
                    Ok(answer) => answer?,
                    Err(_) => statuses.reason(Reason::DeadlineExceeded, &[]).into_http(),
                },
            };
            Ok(call.answered(answer))
        };
        ForCall::new(Some(identity), Box::pin(answered))
    }
}

/// How long a call may take: as long as its caller waits, and the server lets it. Streams go on for as long as they like.
fn deadline(method: &Method, headers: &HeaderMap, call_max: Duration) -> Option<Duration> {
    let asked = headers.get(GRPC_TIMEOUT).and_then(|value| value.to_str().ok()).and_then(timeout);
    match method.kind {
        Kind::Unary => Some(asked.map_or(call_max, |asked| asked.min(call_max))),
        Kind::Long => asked,
        Kind::Stream | Kind::Probe => None,
    }
}

/// At most eight digits and a unit (gRPC over HTTP/2, Timeout).
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_number = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    match unit {
        "H" => Some(Duration::from_secs(number.saturating_mul(3_600))),
        "M" => Some(Duration::from_secs(number.saturating_mul(60))),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// One call. It is finished when this is dropped: whatever has no end by then was given up by its caller.
struct Call {
    calls: Calls,
    identity: Arc<Identity>,
    began: Instant,
    commands: Option<CommandCount>,
    end: Option<Code>,
    reason: Option<Reason>,
}

impl Call {
    /// The answer as it goes out, with the call's id; the call ends with the answer's body.
    fn answered(mut self, mut answer: Response) -> Response {
        answer.headers_mut().insert(REQUEST_ID, self.identity.id.value());
        if answer.headers().contains_key(GRPC_STATUS) {
            self.ends_with(answer.headers_mut());
        }
        if self.end.is_some() {
            return answer;
        }
        answer.map(|body| TonicBody::new(Answering { body, call: Some(self) }))
    }

    /// Takes the end of a call from headers or trailers; an error gets the call's id among its details.
    fn ends_with(&mut self, headers: &mut HeaderMap) {
        if headers.get(GRPC_STATUS).is_some_and(|status| status == "0") {
            self.end = Some(Code::Ok);
            return;
        }
        let Some(status) = Status::from_header_map(headers) else { return };
        self.end = Some(status.code());
        self.reason = reason_of(&status);
        if let Some(reason) = self.reason {
            self.calls.0.rules.node.ledger().counts().told(reason);
        }
        let identified = Status::with_details(status.code(), status.message(), identified(&status, &self.identity.id));
        if let Err(error) = identified.add_header(headers) {
            tracing::warn!(%error, "an error went out without the id of its call");
        }
    }
}

/// The details of a status, with the call's id behind them: messages that follow each other are one message to protobuf.
fn identified(status: &Status, id: &CallId) -> Bytes {
    let mut details = status.details().to_vec();
    if details.is_empty() {
        let (code, message) = (i32::from(status.code()), status.message().to_owned());
        details = DetailedStatus { code, message, details: Vec::new() }.encode_to_vec();
    }
    let info = RequestInfo { request_id: id.as_str().to_owned(), serving_data: String::new() };
    let any = Any { type_url: REQUEST_INFO.to_owned(), value: info.encode_to_vec() };
    details.extend(DetailedStatus { code: 0, message: String::new(), details: vec![any] }.encode_to_vec());
    details.into()
}

impl Drop for Call {
    fn drop(&mut self) {
        let Rules { observed, slow, .. } = &self.calls.0.rules;
        let took = self.began.elapsed();
        let code = self.end.unwrap_or(Code::Cancelled);
        observed.finish(&self.identity.method, code, took);
        // A call may end wherever its answer is dropped.
        let _entered = enter(Some(Arc::clone(&self.identity)));
        let name = code_name(code);
        let reason = self.reason.map(Reason::as_str);
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let commands = self.commands.as_ref().map(|commands| commands.0.load(Ordering::Relaxed));
        let is_fault = matches!(code, Code::Internal | Code::Unknown | Code::DataLoss);
        if let (Some(traces), Some(Place { trace_id, parent_id, own: Some(own) })) =
            (observed.traces(), self.identity.place)
        {
            traces.end(Ended {
                trace_id,
                parent_id,
                own,
                method: self.identity.method.known_name().cloned(),
                request_id: self.identity.id.as_str().to_owned(),
                code: name,
                is_fault: is_fault || matches!(code, Code::DeadlineExceeded | Code::Unimplemented | Code::Unavailable),
                reason,
                commands,
                took,
            });
        }
        // Those that many callers can cause at once are told by the metrics.
        let is_usual = matches!(code, Code::Ok | Code::Cancelled | Code::ResourceExhausted);
        if self.identity.method.kind == Kind::Unary && took >= *slow {
            tracing::warn!(target: ACCESS, code = name, reason, microseconds, commands, "a slow call");
        } else if is_fault {
            tracing::warn!(target: ACCESS, code = name, reason, microseconds, commands, "a call failed");
        } else if is_usual {
            tracing::debug!(target: ACCESS, code = name, reason, microseconds, commands, "a call");
        } else {
            tracing::info!(target: ACCESS, code = name, reason, microseconds, commands, "a call was refused");
        }
    }
}

/// The body of an answer, which ends the call.
struct Answering {
    body: TonicBody,
    call: Option<Call>,
}

impl Body for Answering {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        // One answer that is ready says nothing any more.
        let stream = this.call.as_ref().filter(|call| call.identity.method.kind == Kind::Stream);
        let _entered = stream.map(|call| enter(Some(Arc::clone(&call.identity))));
        let mut frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        // Without a status in the end the answer was cut.
        if let (Some(Ok(frame)), Some(call)) = (&mut frame, &mut this.call)
            && let Some(trailers) = frame.trailers_mut()
        {
            call.ends_with(trailers);
        }
        if this.call.as_ref().is_some_and(|call| call.end.is_some()) {
            this.call = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_they_are_written() {
        for (text, expected) in [
            ("1H", Some(Duration::from_hours(1))),
            ("2M", Some(Duration::from_mins(2))),
            ("15S", Some(Duration::from_secs(15))),
            ("100m", Some(Duration::from_millis(100))),
            ("99999999u", Some(Duration::from_micros(99_999_999))),
            ("7n", Some(Duration::from_nanos(7))),
            ("999999999S", None),
            ("S", None),
            ("+1S", None),
            ("1", None),
            ("1s", None),
            ("1秒", None),
            ("", None),
        ] {
            assert_eq!(timeout(text), expected, "{text}");
        }
    }

    #[test]
    fn the_shorter_time_counts() {
        let observed = Observed::default();
        let most = Duration::from_mins(1);
        let of = |path: &str, asked: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_TIMEOUT, http::HeaderValue::from_static(asked));
            deadline(observed.method(path), &headers, most)
        };
        for (path, asked, expected) in [
            ("/fundledger.v1.LedgerService/Post", "5S", Some(5)),
            ("/fundledger.v1.LedgerService/Post", "5M", Some(60)),
            ("/fundledger.v1.LedgerService/Post", "five", Some(60)),
            ("/fundledger.v1.LedgerService/PostStream", "5S", None),
            ("/fundledger.v1.AuditService/RunRules", "5M", Some(300)),
            ("/fundledger.v1.AuditService/RunRules", "", None),
        ] {
            assert_eq!(of(path, asked), expected.map(Duration::from_secs), "{path} {asked}");
        }
    }
}
