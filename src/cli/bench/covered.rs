//! How soon what was acknowledged is under a signed checkpoint, seen from a client while the load goes on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::cli::Failure;
use crate::cli::connect::Connection;
use crate::messages::cli as text;
use crate::pb::v1;

/// Between two looks, where nothing new was acknowledged.
const PAUSE: Duration = Duration::from_millis(5);

/// The last event that was acknowledged, and when.
#[derive(Debug, Default)]
pub(super) struct Acknowledged(Mutex<Option<(i64, Instant)>>);

impl Acknowledged {
    /// An event was acknowledged just now.
    pub(super) fn note(&self, sequence: i64) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|(before, _)| before < sequence) {
            *last = Some((sequence, Instant::now()));
        }
    }

    fn last(&self) -> Option<(i64, Instant)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for checkpoints over what was acknowledged last, again and again.
pub(super) struct Watching {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<Duration, Failure>>,
}

impl Watching {
    /// Starts.
    pub(super) fn start(connection: Connection, acknowledged: Arc<Acknowledged>) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(watch(connection, acknowledged, stopped)) }
    }

    /// The longest that an event was acknowledged and not covered, when all of them are.
    pub(super) async fn longest(self, connection: &Connection) -> Result<Duration, Failure> {
        drop(self.stop);
        self.task.await.map_err(|error| Failure::Unavailable(text::server_failed(connection.lang(), error)))?
    }
}

async fn watch(
    connection: Connection,
    acknowledged: Arc<Acknowledged>,
    mut stopped: oneshot::Receiver<()>,
) -> Result<Duration, Failure> {
    let mut longest = Duration::ZERO;
    let mut covered = -1;
    loop {
        // Looked at before: what is acknowledged after the end is not waited for, and all before it is.
        let is_over = !matches!(stopped.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        match acknowledged.last().filter(|(sequence, _)| *sequence > covered) {
            Some((sequence, at)) => {
                let request = v1::GetCheckpointRequest { min_sequence: Some(sequence), witnessed: false };
                let answer = connection.audit().get_checkpoint(connection.request(request)).await;
                answer.map_err(|status| Failure::Unavailable(connection.explain(&status).message))?;
                longest = longest.max(at.elapsed());
                covered = sequence;
            }
            None if is_over => return Ok(longest),
            None => tokio::time::sleep(PAUSE).await,
        }
    }
}
