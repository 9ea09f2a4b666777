//! Signals that a service is told to stop by: the first begins it, the second ends the wait for others to notice.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Failure, Lang};
use crate::messages::cli as text;

/// SIGTERM and SIGINT, counted.
#[derive(Clone, Debug)]
pub(super) struct StopSignals(watch::Receiver<u32>);

impl StopSignals {
    /// Takes them from here on; they end the process no more by themselves.
    pub(super) fn take(lang: Lang) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::Unavailable(text::serve_signals_failed(lang, error));
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let (counted, count) = watch::channel(0_u32);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                counted.send_modify(|count| *count = count.saturating_add(1));
            }
        });
        Ok(Self(count))
    }

    /// Resolves when so many have come.
    pub(super) async fn reached(mut self, count: u32) {
        // The sender is never gone before the runtime.
        drop(self.0.wait_for(|come| *come >= count).await);
    }
}
