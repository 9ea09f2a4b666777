//! `/metrics`: how far the ledger and what is derived from it have got, as Prometheus text. Counted when asked, so that
//! posting pays nothing for it; no name of an account, a fund or a person is in it.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use tokio::net::TcpListener;

use crate::grpc::node::{Lag, Node};
use crate::log::Fault;

/// Content type of the text format, version 0.0.4.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

const POSITION: &str = "fundledger_position_sequence";
const LAG: &str = "fundledger_lag_events";
const READ_ONLY: &str = "fundledger_read_only";
const REFUSED: &str = "fundledger_refused_total";
const WITNESS_ALARM: &str = "fundledger_witness_alarm";

struct Metrics {
    node: Arc<Node>,
    recorder: PrometheusRecorder,
}

/// Serves metrics until told to stop.
pub async fn serve(
    node: Arc<Node>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Fault> {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        describe_gauge!(POSITION, Unit::Count, "The last event that a part has: sequence; -1 for none.");
        describe_gauge!(LAG, Unit::Count, "How many committed events a derived part does not have yet.");
        describe_gauge!(WITNESS_ALARM, "1 where payments wait for witnesses, or went on without them, for too long.");
        describe_counter!(REFUSED, Unit::Count, "Refused on grounds of authority: handshakes, identities, roles.");
        describe_gauge!(READ_ONLY, "1 where nothing can be posted until a restart.");
    });
    let router = Router::new().route("/metrics", get(render)).with_state(Arc::new(Metrics { node, recorder }));
    let served = axum::serve(listener, router).with_graceful_shutdown(stop).await;
    served.map_err(|error| Fault::new("serving metrics", error))
}

async fn render(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    let lag = metrics.node.lag();
    let is_read_only = metrics.node.ledger().read_only().is_some();
    metrics::with_local_recorder(&metrics.recorder, || {
        for (part, sequence) in parts(&lag) {
            gauge!(POSITION, "part" => part).set(as_float(sequence));
            if part != COMMITTED {
                gauge!(LAG, "part" => part).set(as_float(lag.committed_sequence.saturating_sub(sequence).max(0)));
            }
        }
        gauge!(WITNESS_ALARM).set(if metrics.node.witness_alarm().is_raised() { 1.0 } else { 0.0 });
        for (kind, count) in metrics.node.refused().counts() {
            counter!(REFUSED, "kind" => kind).absolute(count);
        }
        gauge!(READ_ONLY).set(if is_read_only { 1.0 } else { 0.0 });
    });
    ([(CONTENT_TYPE, TEXT)], metrics.recorder.handle().render())
}

const COMMITTED: &str = "log";

fn parts(lag: &Lag) -> [(&'static str, i64); 7] {
    [
        (COMMITTED, lag.committed_sequence),
        ("views", lag.views_sequence),
        ("index", lag.index_sequence),
        ("index_files", lag.index_stored_sequence),
        ("entries", lag.entries_sequence),
        ("checkpoint", lag.signed_sequence),
        ("witnesses", lag.witnessed_sequence),
    ]
}

/// Prometheus knows one kind of number; a sequence is exact in it up to 2^53.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a metric may be rounded")]
const fn as_float(sequence: i64) -> f64 {
    sequence as f64
}
