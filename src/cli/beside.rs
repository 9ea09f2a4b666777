//! What is served over plain HTTP beside the API, for as long as the service runs.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::log::Fault;

/// How long requests for metrics and tiles may go on after the service has stopped.
const STOP: Duration = Duration::from_secs(1);

/// Servers beside the API: whoever watches the service sees it until it has ended.
#[derive(Debug)]
pub(super) struct Beside {
    servers: JoinSet<Result<(), Fault>>,
    stopping: watch::Sender<()>,
}

impl Default for Beside {
    fn default() -> Self {
        Self { servers: JoinSet::new(), stopping: watch::Sender::new(()) }
    }
}

impl Beside {
    /// Runs another server, which is to end when what it is given resolves.
    pub(super) fn spawn<F>(&mut self, server: impl FnOnce(Stop) -> F)
    where
        F: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        let mut stopped = self.stopping.subscribe();
        self.servers.spawn(server(Box::pin(async move { while stopped.changed().await.is_ok() {} })));
    }

    /// Tells them to end, and waits for a moment. Somebody who has begun a request and not ended it holds up no stop: what is
    /// left is dropped, and so aborted.
    pub(super) async fn end(self) {
        let Self { servers, stopping } = self;
        drop(stopping);
        let ended = tokio::time::timeout(STOP, servers.join_all()).await;
        for fault in ended.unwrap_or_default().into_iter().filter_map(Result::err) {
            tracing::warn!(%fault, "not served to the end");
        }
    }
}

/// Resolves when a server beside the API is to end.
pub(super) type Stop = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
