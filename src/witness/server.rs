//! A witness over HTTP: `POST /add-checkpoint`, and `GET /NAME/checkpoint` for whoever watches witnesses.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;

use super::{Declined, REQUEST_BYTES_MAX, SecondsNow, Witness};
use crate::log::Fault;

const TEXT: &str = "text/plain; charset=utf-8";
const SIZE: &str = "text/x.tlog.size";

/// Serves a witness until told to stop.
pub async fn serve(
    witness: Arc<Witness>,
    listener: TcpListener,
    now: SecondsNow,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Fault> {
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{name}/checkpoint", get(latest))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state((witness, now));
    let served = axum::serve(listener, router).with_graceful_shutdown(stop).await;
    served.map_err(|error| Fault::new("serving the witness", error))
}

async fn add_checkpoint(State((witness, now)): State<(Arc<Witness>, SecondsNow)>, request: String) -> Response {
    let added = tokio::task::spawn_blocking(move || witness.add_checkpoint(&request, now())).await;
    let added = added.unwrap_or_else(|error| Err(Fault::new("handling a request", error).into()));
    match added {
        Ok(line) => ([(CONTENT_TYPE, TEXT)], line).into_response(),
        Err(declined) => {
            let text = format!("{declined}\n");
            match declined {
                Declined::Malformed(_) => (StatusCode::BAD_REQUEST, text).into_response(),
                Declined::UnknownLog => (StatusCode::NOT_FOUND, text).into_response(),
                Declined::Unsigned(_) => (StatusCode::FORBIDDEN, text).into_response(),
                Declined::OtherSize(size) => {
                    (StatusCode::CONFLICT, [(CONTENT_TYPE, SIZE)], format!("{size}\n")).into_response()
                }
                Declined::Inconsistent => {
                    tracing::error!("a log asked for a signature under another history");
                    (StatusCode::UNPROCESSABLE_ENTITY, text).into_response()
                }
                Declined::Fault(fault) => {
                    tracing::error!(%fault, "nothing was signed");
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
            }
        }
    }
}

async fn latest(State((witness, _)): State<(Arc<Witness>, SecondsNow)>, Path(name): Path<String>) -> Response {
    match witness.latest(&name) {
        Some(note) => ([(CONTENT_TYPE, TEXT)], note).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
