//! Mutual TLS of the server: whom it lets in, by certificates that may change while it runs.

mod files;
mod incoming;
mod peer;

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};

pub use files::{Files, WhenStale, Why, Wrong};
pub use incoming::Connection;
pub use peer::{NoIdentity, Peer};

use self::files::Material;
use crate::domain::time::UtcNanos;
use crate::ledger::clock::{Clock as _, SystemClock};

/// How often the files are looked at, and open connections checked for certificates that have expired.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// The server's certificates, those of clients that are connected, and where both come from.
pub struct Tls {
    files: Files,
    state: Mutex<State>,
}

struct State {
    material: Arc<Material>,
    /// What the files were when they were last read, whether they could be used or not.
    seen: Seen,
    open: BTreeMap<u64, Open>,
    next: u64,
    /// Whether it was told that a revocation list is past its next update.
    told_stale: bool,
}

/// A connection that is open: it ends when its half of the channel is dropped.
struct Open {
    chain: Vec<CertificateDer<'static>>,
    _end: oneshot::Sender<()>,
}

/// When files were written, and how long they are.
type Seen = Vec<Option<(SystemTime, u64)>>;

impl Tls {
    /// Reads the files, or tells everything that is wrong with them.
    pub fn load(files: Files) -> Result<Self, Vec<Wrong>> {
        let seen = seen(&files);
        let material = Arc::new(files::load(&files, SystemClock.now())?);
        let state = State { material, seen, open: BTreeMap::new(), next: 0, told_stale: false };
        Ok(Self { files, state: Mutex::new(state) })
    }

    /// When the first of the revocation lists is to be replaced; `None` where there are none.
    pub fn next_update(&self) -> Option<UtcNanos> {
        self.state().material.next_update
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the files anew. What cannot be used changes nothing: the certificates before stay in force. Connections whose
    /// certificates are not accepted any more are closed.
    pub fn reload(&self) {
        // Before they are read: what is written meanwhile is read the next time.
        let seen = seen(&self.files);
        let loaded = files::load(&self.files, SystemClock.now());
        let mut state = self.state();
        state.seen = seen;
        match loaded {
            Ok(material) => {
                state.material = Arc::new(material);
                let closed = state.close_unaccepted(SystemClock.now());
                tracing::info!(closed, "the certificates were read anew");
                state.told_stale = false;
                state.tell_stale(self.files.when_stale, SystemClock.now());
            }
            Err(wrong) => {
                for wrong in wrong {
                    tracing::error!(%wrong, "the certificates were not read anew: those before stay in force");
                }
            }
        }
    }

    /// Looks after the files and the connections for as long as the server runs: reads what has changed, closes what has
    /// expired.
    pub async fn tend(self: Arc<Self>) {
        let mut interval = tokio::time::interval(LOOK_INTERVAL);
        loop {
            interval.tick().await;
            let tls = Arc::clone(&self);
            // Reading is quick, but it is reading from a disk.
            drop(tokio::task::spawn_blocking(move || tls.look()).await);
        }
    }

    fn look(&self) {
        let seen = seen(&self.files);
        let has_changed = self.state().seen != seen;
        if has_changed {
            self.reload();
        } else {
            let mut state = self.state();
            state.tell_stale(self.files.when_stale, SystemClock.now());
            let closed = state.close_unaccepted(SystemClock.now());
            if closed > 0 {
                tracing::info!(closed, "connections whose certificates are accepted no more were closed");
            }
        }
    }
}

impl State {
    /// Says once of a revocation list that it is past its next update.
    fn tell_stale(&mut self, when_stale: WhenStale, now: UtcNanos) {
        let is_stale = self.material.next_update.is_some_and(|next_update| next_update <= now);
        if is_stale && !self.told_stale {
            match when_stale {
                WhenStale::Refuse => {
                    tracing::error!(
                        "a revocation list is past its next update: its authority's clients are refused until there is a new one"
                    );
                }
                WhenStale::Accept => {
                    tracing::warn!(
                        "a revocation list is past its next update: it counts still, and who was revoked since is let in"
                    );
                }
            }
        }
        self.told_stale = is_stale;
    }

    /// Closes connections whose certificates would not be accepted now; gives how many.
    fn close_unaccepted(&mut self, now: UtcNanos) -> usize {
        let before = self.open.len();
        let (verifier, now) = (Arc::clone(&self.material.verifier), unix_time(now));
        self.open.retain(|_, open| {
            let accepted = open.chain.split_first().map(|(own, rest)| verifier.verify_client_cert(own, rest, now));
            accepted.is_some_and(|accepted| accepted.is_ok())
        });
        before.saturating_sub(self.open.len())
    }
}

fn unix_time(now: UtcNanos) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_nanos(u64::try_from(now.0).unwrap_or_default()))
}

fn seen(files: &Files) -> Seen {
    let of_file = |path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.paths().map(of_file).collect()
}
