//! The server: services, health, reflection and limits, on one listener.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tower::util::{MapRequestLayer, MapResponseLayer};

use super::access::{Callers, GuardLayer};
use super::audit::AuditApi;
use super::intake::Intake;
use super::ledger::LedgerApi;
use super::node::Node;
use super::personal::PersonalDataApi;
use super::posting::Posting;
use super::proposals;
use super::query::QueryApi;
use super::status::Statuses;
use super::stopping::Stopping;
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
        }
    }
}

/// Flow-control window of a connection and of a stream: a whole request of 8,192 commands fits without waiting.
const WINDOW_BYTES: u32 = 8 * 1024 * 1024;
const FRAME_BYTES: u32 = 1024 * 1024;
const KEEPALIVE: Duration = Duration::from_mins(1);

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

/// Serves a node on a listener until `stop` resolves; then lets open requests finish, within the deadline. Closing the node
/// is for the caller: connections that were cut may hold on to it.
pub async fn serve(
    node: Arc<Node>,
    door: impl Into<Door>,
    limits: Limits,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Fault> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let posting = if node.ledger().read_only().is_none() { ServingStatus::Serving } else { ServingStatus::NotServing };
    for service in SERVICES {
        let posts = matches!(*service, "" | "fundledger.v1.LedgerService");
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
    let (stops, mut stopping) = Stopping::new();
    let signal = async move {
        stop.await;
        for service in SERVICES {
            reporter.set_service_status(*service, ServingStatus::NotServing).await;
        }
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
    let intake = Intake::new(limits.intake_bytes_max);
    let door = door.into();
    let callers = match &door {
        Door::Plain(_) => Callers::Unidentified,
        Door::Certified(..) => Callers::Certified,
    };
    let router = Server::builder()
        .layer(MapResponseLayer::new(explained))
        .layer(GuardLayer { node: Arc::clone(&node), callers })
        .layer(MapRequestLayer::new(move |request| intake.counted(request)))
        .initial_connection_window_size(WINDOW_BYTES.saturating_mul(2))
        .initial_stream_window_size(WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .max_concurrent_streams(limits.streams_max)
        .http2_keepalive_interval(Some(KEEPALIVE))
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
            subscribers: Arc::new(Semaphore::new(limits.subscribers_max)),
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
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                router.serve_with_incoming_shutdown(incoming, signal).await
            }
            Door::Certified(listener, tls) => {
                certificates = Some(tokio::spawn(Arc::clone(&tls).tend()));
                let refused = Arc::clone(&node);
                let incoming = tls.incoming(listener, move || refused.refused().count_handshake());
                router.serve_with_incoming_shutdown(incoming, signal).await
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
    if let Some(certificates) = certificates {
        certificates.abort();
    }
    Ok(())
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
