//! The server: services, health, reflection and limits, on one listener.

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::util::{MapRequestLayer, MapResponseLayer};

use super::access::{Callers, GuardLayer};
use super::admission::{Admission, RequestRates};
use super::audit::AuditApi;
use super::calls::{Calls, Rules};
use super::intake::Intake;
use super::ledger::LedgerApi;
use super::node::Node;
use super::observed::{Observed, Places, Running};
use super::personal::PersonalDataApi;
use super::posting::Posting;
use super::proposals;
use super::query::QueryApi;
use super::status::Statuses;
use super::stopping::Stopping;
use super::timekeeping;
use crate::domain::refusal::Reason;
use crate::log::Fault;
use crate::pb::DESCRIPTORS;
use crate::pb::v1::audit_service_server::AuditServiceServer;
use crate::pb::v1::personal_data_service_server::PersonalDataServiceServer;
use crate::pb::v1::query_service_server::QueryServiceServer;
use crate::tls::Tls;

/// Limits of the server. Raised knowingly: 2 KiB for each of 8,192 commands.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest request, in bytes.
    pub request_bytes_max: usize,
    /// Most bytes of requests that have come in part, over all connections; what comes whole is not counted. One that goes beyond
    /// it is refused with `QUEUE_FULL`.
    pub intake_bytes_max: usize,
    /// Most streams of one connection at a time.
    pub streams_max: u32,
    /// How long streams may go on after the server was told to stop.
    pub shutdown_deadline: Duration,
    /// Most subscriptions at a time.
    pub subscribers_max: usize,
    /// How long a subscriber may take no message before it is cut off.
    pub subscriber_patience: Duration,
    /// Most bytes of a request's metadata.
    pub metadata_bytes_max: u32,
    /// Most connections at a time; one more is closed as it comes.
    pub connections_max: usize,
    /// Most streams of a connection that its client has reset and the server has not looked at yet; with one more the
    /// connection is closed.
    pub resets_max: usize,
    /// Longest that a call with one answer may take, whatever its caller says; the run of rules is left out.
    pub call_max: Duration,
    /// Most requests a second of one caller.
    pub requests_per_second: NonZeroU32,
    /// How long a connection may be silent before it is asked whether it is still there.
    pub keepalive: Duration,
    /// How long it may take to answer that.
    pub keepalive_timeout: Duration,
    /// A call with one answer that takes longer is logged as slow.
    pub slow_call: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 16 * 1024 * 1024,
            intake_bytes_max: 256 * 1024 * 1024,
            streams_max: 1_024,
            shutdown_deadline: Duration::from_secs(10),
            subscribers_max: 1_024,
            subscriber_patience: Duration::from_secs(10),
            metadata_bytes_max: 16 * 1024,
            connections_max: 1_024,
            resets_max: 20,
            call_max: Duration::from_mins(1),
            requests_per_second: REQUESTS_PER_SECOND,
            keepalive: Duration::from_mins(1),
            keepalive_timeout: Duration::from_secs(20),
            slow_call: Duration::from_secs(1),
        }
    }
}

/// Flow-control window of a connection and of a stream: a whole request of 8,192 commands fits without waiting.
const WINDOW_BYTES: u32 = 8 * 1024 * 1024;
const FRAME_BYTES: u32 = 1024 * 1024;
/// Streams of a connection that the server itself had to reset, for what its client did wrong; h2 sets no bound by itself.
const LOCAL_RESETS_MAX: usize = 1_024;
/// About twice what a ledger on two cores takes of requests with one command.
const REQUESTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(50_000).expect("50,000 is not 0");

/// Runs of rules at a time.
const RULE_RUNS_MAX: usize = 2;

/// What health answers for; the first stands for the server as a whole.
const SERVICES: &[&str] = &[
    "",
    "fundledger.v1.LedgerService",
    "fundledger.v1.QueryService",
    "fundledger.v1.AuditService",
    "fundledger.v1.PersonalDataService",
];

/// Where clients come in.
pub enum Door {
    /// In plain text: nobody is known, and who acts is what requests say. For loopback alone.
    Plain(TcpListener),
    /// With a certificate.
    Certified(TcpListener, Arc<Tls>),
}

impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        Self::Plain(listener)
    }
}

/// Those of them that do not serve where nothing can be posted.
const POSTING_SERVICES: &[&str] = &["", "fundledger.v1.LedgerService"];

/// How long a service that was told to stop still answers new calls, so that whoever balances load can notice.
pub struct Drain(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Drain {
    /// Until this resolves.
    pub fn until(over: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(over))
    }

    /// Not at all.
    pub fn none() -> Self {
        Self::until(std::future::ready(()))
    }
}

/// [`serve_observed`], seen by nobody and stopped without draining.
pub async fn serve(
    node: Arc<Node>,
    door: impl Into<Door>,
    limits: Limits,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Fault> {
    let stop = async move {
        stop.await;
        Drain::none()
    };
    serve_observed(node, door, limits, Arc::default(), stop).await
}

/// Serves a node on a listener until `stop` resolves, and on while it drains; then lets open requests finish, within the
/// deadline. Closing the node is for the caller: connections that were cut may hold on to it.
pub async fn serve_observed(
    node: Arc<Node>,
    door: impl Into<Door>,
    limits: Limits,
    observed: Arc<Observed>,
    stop: impl Future<Output = Drain> + Send + 'static,
) -> Result<(), Fault> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let posting = if node.ledger().read_only().is_none() { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in SERVICES {
        let posts = POSTING_SERVICES.contains(service);
        reporter.set_service_status(*service, if posts { posting } else { ServingStatus::Serving }).await;
    }
    let failed = |error: &dyn std::fmt::Display| Fault::new("starting the server", error);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let reflection_v1 = reflection().build_v1().map_err(|error| failed(&error))?;
    let reflection_v1alpha = reflection().build_v1alpha().map_err(|error| failed(&error))?;
    let failing = tokio::spawn(tell_when_posting_ends(reporter.clone(), node.ledger().poisoned()));
    let (stops, mut stopping) = Stopping::new();
    let seen = Arc::clone(&observed);
    let signal = async move {
        let Drain(drained) = stop.await;
        seen.drains();
        for service in SERVICES {
            reporter.set_service_status(*service, ServingStatus::NotServing).await;
        }
        drained.await;
        // Watchers have seen it, or see it last: without a service to watch, their streams end.
        for service in SERVICES {
            let mut reporter = reporter.clone();
            reporter.clear_service_status(service).await;
        }
        stops.send_replace(true);
    };
    if let Err(error) = node.sweep_vault().await {
        tracing::error!(%error, "personal data of commands that came to nothing are left until the next start");
    }
    let tending = tokio::spawn(proposals::tend(Arc::clone(&node)));
    let timekeeping = tokio::spawn(timekeeping::tend(Arc::clone(&node)));
    let intake = Intake::new(limits.intake_bytes_max);
    let rates = RequestRates::new(limits.requests_per_second);
    let forgetting = tokio::spawn(rates.clone().tend());
    let connections = Places::new(limits.connections_max);
    let subscribers = Places::new(limits.subscribers_max);
    let door = door.into();
    let (callers, tls) = match &door {
        Door::Plain(_) => (Callers::Unidentified, None),
        Door::Certified(_, tls) => (Callers::Certified, Some(Arc::clone(tls))),
    };
    observed.starts(Running {
        node: Arc::clone(&node),
        connections: connections.clone(),
        subscribers: subscribers.clone(),
        tls,
    });
    let rules = Rules { observed, node: Arc::clone(&node), rates, call_max: limits.call_max, slow: limits.slow_call };
    let router = Server::builder()
        .layer(Calls::new(rules))
        .layer(MapResponseLayer::new(explained))
        .layer(GuardLayer { node: Arc::clone(&node), callers })
        .layer(MapRequestLayer::new(move |request| intake.counted(request)))
        .initial_connection_window_size(WINDOW_BYTES.saturating_mul(2))
        .initial_stream_window_size(WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .max_concurrent_streams(limits.streams_max)
        .http2_max_header_list_size(limits.metadata_bytes_max)
        .http2_max_pending_accept_reset_streams(Some(limits.resets_max))
        .http2_max_local_error_reset_streams(Some(LOCAL_RESETS_MAX))
        .http2_keepalive_interval(Some(limits.keepalive))
        .http2_keepalive_timeout(Some(limits.keepalive_timeout))
        .add_service(health)
        .add_service(reflection_v1)
        .add_service(reflection_v1alpha)
        .add_service(Posting::new(
            LedgerApi { node: Arc::clone(&node), stopping: stopping.clone() },
            limits.request_bytes_max,
        ))
        .add_service(QueryServiceServer::new(QueryApi {
            node: Arc::clone(&node),
            limits,
            stopping: stopping.clone(),
            subscribers,
        }))
        .add_service(PersonalDataServiceServer::new(PersonalDataApi {
            ledger: LedgerApi { node: Arc::clone(&node), stopping: stopping.clone() },
        }))
        .add_service(AuditServiceServer::new(AuditApi {
            node: Arc::clone(&node),
            stopping: stopping.clone(),
            rule_runs: Arc::new(Semaphore::new(RULE_RUNS_MAX)),
        }));
    let mut certificates = None;
    let server = async {
        match door {
            // `serve_with_incoming` ignores `tcp_nodelay` of the builder; without it a lone answer waits 40 ms.
            Door::Plain(listener) => {
                let incoming = Admission::new(TcpIncoming::from(listener).with_nodelay(Some(true)), connections);
                router.serve_with_incoming_shutdown(incoming, signal).await
            }
            Door::Certified(listener, tls) => {
                certificates = Some(tokio::spawn(Arc::clone(&tls).tend()));
                let refused = Arc::clone(&node);
                let incoming = tls.incoming(listener, move || refused.refused().count_handshake());
                router.serve_with_incoming_shutdown(Admission::new(incoming, connections), signal).await
            }
        }
    };
    let deadline = async move {
        stopping.wait().await;
        tokio::time::sleep(limits.shutdown_deadline).await;
    };
    tokio::select! {
        served = server => served.map_err(|error| Fault::new("serving", error))?,
        () = deadline => tracing::warn!("streams were still open at the deadline; they were cut"),
    }
    tending.abort();
    timekeeping.abort();
    if let Some(certificates) = certificates {
        certificates.abort();
    }
    failing.abort();
    forgetting.abort();
    Ok(())
}

/// After a failed write nothing is acknowledged until a restart; reading goes on.
async fn tell_when_posting_ends(reporter: HealthReporter, poisoned: impl Future<Output = ()>) {
    poisoned.await;
    tracing::error!("a write failed: nothing is posted until a restart; reading goes on");
    for service in POSTING_SERVICES {
        reporter.set_service_status(*service, ServingStatus::NotServing).await;
    }
}

/// Gives tonic's own refusal of an oversized message the details that every other error has. It is made before any service
/// sees the request, so there is nowhere else to do it.
fn explained(mut response: http::Response<tonic::body::Body>) -> http::Response<tonic::body::Body> {
    let status = tonic::Status::from_header_map(response.headers());
    if let Some(status) = status
        && status.code() == tonic::Code::OutOfRange
        && status.details().is_empty()
    {
        let limit = [("limit", status.message().to_owned())];
        let explained = Statuses::default().reason(Reason::MessageTooLarge, &limit);
        if let Err(error) = explained.add_header(response.headers_mut()) {
            tracing::warn!(%error, "an error went out without its details");
        }
    }
    response
}

/// Listens on an address.
pub async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Fault> {
    let failed = |error| Fault::new(format!("listening on {address}"), error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
