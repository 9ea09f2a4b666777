//! The log as a tree of static files over plain HTTP (C2SP tlog-tiles): `/checkpoint`, `/tile/L/N`, `/tile/entries/N`. All of
//! it is public, and any client of that format reads it. Only what a signed checkpoint covers is there.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::format::tile::{Tile, TileKind};
use crate::grpc::node::Node;
use crate::log::Fault;
use crate::log::tree::entry_bundle;

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
/// A tile never changes; a partial one stays what it was for its width.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const NEVER: &str = "no-cache";

/// Serves tiles until told to stop.
pub async fn serve(
    node: Arc<Node>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Fault> {
    let router = Router::new().route("/checkpoint", get(checkpoint)).route("/tile/{*name}", get(tile)).with_state(node);
    let served = axum::serve(listener, router).with_graceful_shutdown(stop).await;
    served.map_err(|error| Fault::new("serving tiles", error))
}

async fn checkpoint(State(node): State<Arc<Node>>) -> Response {
    match node.checkpoints().latest() {
        Some(latest) => ([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, NEVER)], latest.note.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn tile(State(node): State<Arc<Node>>, Path(name): Path<String>) -> Response {
    let size = node.checkpoints().latest().map_or(0, |latest| latest.checkpoint.size);
    let Some(tile) = Tile::parse(&format!("tile/{name}")).filter(|tile| tile.is_in(size)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let read = tokio::task::spawn_blocking(move || read(&node, &tile)).await;
    match read.map_err(|error| Fault::new("reading a tile", error)).flatten() {
        Ok(bytes) => ([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, FOR_EVER)], bytes).into_response(),
        Err(fault) => {
            tracing::error!(%fault, "a tile could not be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn read(node: &Node, tile: &Tile) -> Result<Vec<u8>, Fault> {
    match tile.kind {
        TileKind::Hashes { .. } => node.tree().tile(tile),
        TileKind::Entries => entry_bundle(node.log().as_ref(), tile),
    }
}
