//! A ledger for the time of a run, and the disk that it lies on.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Part;
use super::approved::Signers;
use crate::cli::serve::serve_until_stopped;
use crate::cli::{Failure, Lang};
use crate::grpc::node::Node;
use crate::grpc::server;
use crate::ledger::Genesis;
use crate::ledger::clock::SystemClock;
use crate::ledger::directory::DataDirectory;
use crate::messages::cli as text;

const PROBE_SYNCS: usize = 200;
const PROBE_BYTES: usize = 4_096;

/// A ledger for the time of the run, on threads of its own.
pub(super) struct Temporary {
    pub(super) directory: TempDir,
    pub(super) url: String,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), Failure>>,
    lang: Lang,
    _threads: Threads,
}

/// A runtime that may be dropped anywhere.
struct Threads(Option<Runtime>);

impl Threads {
    fn start(lang: Lang) -> Result<Self, Failure> {
        let started = Builder::new_multi_thread().thread_name("server").enable_all().build();
        started
            .map(|runtime| Self(Some(runtime)))
            .map_err(|error| Failure::Unavailable(text::runtime_failed(lang, error)))
    }

    /// Runs a task there.
    fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        match &self.0 {
            Some(runtime) => runtime.spawn(task),
            // Only dropping takes it away.
            None => tokio::spawn(task),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A directory that is removed when it is dropped.
pub(super) fn temporary_directory(parent: Option<&Path>) -> Result<TempDir, Failure> {
    let directory = match parent {
        Some(parent) => tempfile::tempdir_in(parent),
        None => tempfile::tempdir(),
    };
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
    directory.map_err(|error| Failure::about(parent.display(), error))
}

impl Temporary {
    /// Starts; with administrators where somebody is to sign.
    pub(super) async fn start(
        parent: Option<&Path>,
        checkpoints: Part,
        signers: Option<&Signers>,
        lang: Lang,
    ) -> Result<Self, Failure> {
        let directory = temporary_directory(parent)?;
        let data = directory.path().join("ledger");
        let administrators = signers.map(Signers::administrators).transpose()?.unwrap_or_default();
        let genesis = Genesis { administrators: &administrators, ..Genesis::of_development("bench.invalid/funds") };
        drop(DataDirectory::create(&data, genesis, &SystemClock)?);
        let node = Node::open(&data, Box::new(SystemClock))?;
        if checkpoints == Part::Off {
            node.tree().give_up();
        }
        let threads = Threads::start(lang)?;
        let failed = |error| Failure::Unavailable(text::server_failed(lang, error));
        let listening = threads.spawn(server::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        let (listener, bound) = listening.await.map_err(failed)??;
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            // Dropping the sender stops the server as well.
            drop(stopped.await);
        };
        let served = threads.spawn(serve_until_stopped(node, listener.into(), stopped, lang));
        Ok(Self { directory, url: format!("http://{bound}"), stop, served, lang, _threads: threads })
    }

    pub(super) async fn stop(self) -> Result<(), Failure> {
        drop(self.stop);
        self.served.await.map_err(|error| Failure::Unavailable(text::server_failed(self.lang, error)))?
    }
}

/// Median time of a small write and sync in a directory: how quiet the disk is.
pub(super) fn probe(directory: &Path) -> Result<Duration, Failure> {
    let failed = |error: std::io::Error| Failure::about(directory.display(), error);
    let mut file = File::create(directory.join("probe")).map_err(failed)?;
    let mut times = Vec::with_capacity(PROBE_SYNCS);
    for _ in 0..PROBE_SYNCS {
        let started = Instant::now();
        file.write_all(&[0; PROBE_BYTES]).and_then(|()| file.sync_data()).map_err(failed)?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(PROBE_SYNCS / 2).copied().unwrap_or_default())
}

pub(super) fn directory_bytes(path: &Path) -> Result<u64, Failure> {
    let failed = |error: std::io::Error| Failure::about(path.display(), error);
    let mut sum = 0_u64;
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let metadata = entry.metadata().map_err(failed)?;
        let bytes = if metadata.is_dir() { directory_bytes(&entry.path())? } else { metadata.len() };
        sum = sum.saturating_add(bytes);
    }
    Ok(sum)
}
