//! Stopping with open streams: an idle one would hold a graceful shutdown for ever, so each watches for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::Status;

use super::status::Statuses;
use crate::domain::refusal::Reason;

/// Whether the server is stopping; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Resolves to true when the server stops.
    pub(super) fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Resolves when the server stops, or is gone.
    pub(super) async fn wait(&mut self) {
        // An error means that nobody can say so any more: the server is gone.
        drop(self.0.wait_for(|stops| *stops).await);
    }
}

/// A stream of answers that ends with `SHUTTING_DOWN` when the server stops.
pub(super) struct UntilStopped<S> {
    answers: Pin<Box<S>>,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    statuses: Statuses,
    is_over: bool,
}

impl<S> UntilStopped<S> {
    pub(super) fn new(answers: S, mut stopping: Stopping, statuses: Statuses) -> Self {
        let stopped = Box::pin(async move { stopping.wait().await });
        Self { answers: Box::pin(answers), stopped, statuses, is_over: false }
    }
}

impl<T, S: Stream<Item = Result<T, Status>>> Stream for UntilStopped<S> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        // What is ready goes out first: only a stream that would go on waiting, or reading, is cut.
        if let Poll::Ready(answer) = self.answers.as_mut().poll_next(context) {
            return Poll::Ready(answer);
        }
        if self.stopped.as_mut().poll(context).is_ready() {
            self.is_over = true;
            return Poll::Ready(Some(Err(self.statuses.reason(Reason::ShuttingDown, &[]))));
        }
        Poll::Pending
    }
}
