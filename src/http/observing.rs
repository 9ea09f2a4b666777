//! What operators ask a service over plain HTTP: `/metrics`, and for probes `/livez` and `/readyz`. It answers while the
//! ledger still opens.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::metrics::Metrics;
use crate::grpc::observed::{Observed, Standing};
use crate::log::Fault;

const TEXT: &str = "text/plain; charset=utf-8";
/// Content type of the text format of metrics, version 0.0.4.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const NEVER: &str = "no-store";
/// What histograms have gathered is summed up this often, whether anybody asks or not: else it would grow.
const SUMMING_UP: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Observing {
    observed: Arc<Observed>,
    metrics: Arc<Metrics>,
}

/// Answers until told to stop.
pub async fn serve(
    observed: Arc<Observed>,
    metrics: Metrics,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Fault> {
    let observing = Observing { observed, metrics: Arc::new(metrics) };
    let metrics = Arc::clone(&observing.metrics);
    let summing_up = tokio::spawn(async move {
        let mut interval = tokio::time::interval(SUMMING_UP);
        loop {
            interval.tick().await;
            metrics.sum_up();
        }
    });
    let router = Router::new()
        .route("/metrics", get(measured))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .with_state(observing);
    let served = axum::serve(listener, router).with_graceful_shutdown(stop).await;
    summing_up.abort();
    served.map_err(|error| Fault::new("serving metrics", error))
}

async fn measured(State(Observing { observed, metrics }): State<Observing>) -> Response {
    // Sizes of files are read for it.
    let rendered = tokio::task::spawn_blocking(move || metrics.render(&observed)).await;
    match rendered {
        Ok(text) => ([(CONTENT_TYPE, METRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be gathered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Whoever answers is alive, however it stands.
async fn live(State(Observing { observed, .. }): State<Observing>) -> Response {
    told(StatusCode::OK, observed.standing())
}

/// Whether new calls should be sent here: for posting, unless something else is asked.
async fn ready(State(Observing { observed, .. }): State<Observing>, RawQuery(query): RawQuery) -> Response {
    let standing = observed.standing();
    let is_ready = match query.as_deref() {
        None | Some("" | "for=posting") => standing.is_ready_for_posting(),
        Some("for=reading") => standing.is_ready_for_reading(),
        Some(_) => return StatusCode::BAD_REQUEST.into_response(),
    };
    told(if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, standing)
}

fn told(code: StatusCode, standing: Standing) -> Response {
    (code, [(CONTENT_TYPE, TEXT), (CACHE_CONTROL, NEVER)], standing.name()).into_response()
}
