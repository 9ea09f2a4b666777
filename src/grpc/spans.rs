//! Work for a call on other tasks and threads: what it has to say carries the call's id as well.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

/// A task in the span of the call that it is for.
pub(super) fn spawn<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(task.in_current_span())
}

/// Work that blocks, off the threads that serve, in the span of the call that it is for.
pub(super) fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let span = Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
}
