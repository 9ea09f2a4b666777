//! `serve`: runs the service.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::settings::{self, LogFormat, LogSettings, Settings, SettingsArgs};
use super::verify::read_policy;
use super::{Failure, Globals, Lang};
use crate::audit::policy::Policy;
use crate::grpc::node::Node;
use crate::grpc::releasing::AlarmClock;
use crate::grpc::server::{self, Limits};
use crate::http::{metrics, tiles};
use crate::ledger::Genesis;
use crate::ledger::OpenError;
use crate::ledger::clock::{Clock, SystemClock};
use crate::ledger::directory::{DataDirectory, is_empty};
use crate::log::Fault;
use crate::messages::cli as text;
use crate::witness::client::Witnesses;

/// Name of a ledger that `serve --insecure-dev` creates.
const DEVELOPMENT_ORIGIN: &str = "development.invalid/funds";

/// How long requests for metrics and tiles may go on after the service has stopped.
const BESIDE_STOP: Duration = Duration::from_secs(1);

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// What can be set in a file as well.
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Runs the service until it is told to stop (SIGINT or SIGTERM), or until the ledger can post no more.
pub fn run(globals: &Globals, args: &ServeArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let settings = settings::load(&args.settings, globals.lang)?.settings;
    let data = admit(&settings, globals.lang)?;
    start_logs(&settings.log);
    if is_empty(data).map_err(|fault| Failure::Unavailable(fault.to_string()))? {
        drop(DataDirectory::create(data, Genesis::of_development(DEVELOPMENT_ORIGIN), &SystemClock)?);
    }
    let witnesses = settings.witness_policy.as_deref().map(read_policy).transpose()?;
    let node = Node::open(data, Box::new(SystemClock))?;
    let runtime = Runtime::new().map_err(|error| Failure::Unavailable(text::runtime_failed(globals.lang, error)))?;
    runtime.block_on(async {
        let (listener, bound) = server::listen(settings.listen).await?;
        let metrics = match settings.metrics_listen {
            None => None,
            Some(address) => Some(server::listen(address).await?),
        };
        let tiles = match settings.tiles_listen {
            None => None,
            Some(address) => Some(server::listen(address).await?),
        };
        let beside = [metrics.as_ref(), tiles.as_ref()].map(|listener| listener.map(|(_, bound)| *bound));
        // Before anybody is told that it listens: whoever was told may stop it.
        let stop = stop_signal(globals.lang)?;
        announce(globals, &node, bound, beside, out)?;
        let service = Service {
            api: listener,
            metrics: metrics.map(|(listener, _)| listener),
            tiles: tiles.map(|(listener, _)| listener),
            limits: settings.limits.into(),
            checkpoint_interval: Duration::from_millis(settings.checkpoint_interval_milliseconds.get()),
            watched: Watched { policy: witnesses, alarm_after_seconds: settings.witness_alarm_seconds.get() },
        };
        serve_until_stopped(node, service, stop, globals.lang).await
    })
}

/// The directory to serve, if this version may serve it as the settings say; otherwise everything that speaks against it.
pub(super) fn admit(settings: &Settings, lang: Lang) -> Result<&Path, Failure> {
    let mut objections = Vec::new();
    objections.extend((!settings.insecure_dev).then(|| text::serve_needs_consent(lang)));
    let is_loopback = settings.listen.ip().is_loopback();
    objections.extend((!is_loopback).then(|| text::serve_needs_loopback(lang, settings.listen)));
    let beside = [settings.metrics_listen, settings.tiles_listen].into_iter().flatten();
    let elsewhere = beside.filter(|address| !address.ip().is_loopback());
    objections.extend(elsewhere.map(|address| text::serve_needs_loopback(lang, address)));
    objections.extend(settings.data.is_none().then(|| text::serve_needs_data(lang)));
    match &settings.data {
        Some(data) if objections.is_empty() => Ok(data),
        _ => Err(Failure::Usage(objections.join("\n"))),
    }
}

/// A service: where it listens, and how it runs.
pub(super) struct Service {
    api: TcpListener,
    metrics: Option<TcpListener>,
    tiles: Option<TcpListener>,
    limits: Limits,
    checkpoint_interval: Duration,
    watched: Watched,
}

/// Who watches from outside, and how long what they are to see may wait for them.
struct Watched {
    policy: Option<Policy>,
    alarm_after_seconds: u64,
}

impl From<TcpListener> for Service {
    /// The API alone, as it runs by default.
    fn from(api: TcpListener) -> Self {
        let checkpoint_interval = Duration::from_millis(settings::CHECKPOINT_INTERVAL_MILLISECONDS.get());
        let watched = Watched { policy: None, alarm_after_seconds: settings::WITNESS_ALARM_SECONDS.get() };
        Self { api, metrics: None, tiles: None, limits: Limits::default(), checkpoint_interval, watched }
    }
}

fn announce(
    globals: &Globals,
    node: &Node,
    bound: SocketAddr,
    [metrics, tiles]: [Option<SocketAddr>; 2],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let ledger = node.ledger();
    let head = ledger.committed();
    writeln!(out, "fundledger {} · {}", env!("CARGO_PKG_VERSION"), ledger.origin())?;
    if ledger.is_development() {
        writeln!(out, "{}", text::serve_development(globals.lang))?;
    }
    if let Some(why) = ledger.read_only() {
        writeln!(out, "{}", text::serve_read_only(globals.lang, why))?;
    }
    writeln!(out, "{}", text::serve_head(globals.lang, head.hash, head.sequence))?;
    if let Some(metrics) = metrics {
        writeln!(out, "{}", text::serve_metrics(globals.lang, metrics))?;
    }
    if let Some(tiles) = tiles {
        writeln!(out, "{}", text::serve_tiles(globals.lang, tiles))?;
    }
    writeln!(out, "{}", text::serve_listening(globals.lang, bound))?;
    if !globals.quiet {
        let server = format!("--server http://{bound}");
        writeln!(out, "{}:", text::next_step(globals.lang))?;
        writeln!(out, "  fundledger {server} import --mapping deploy/mappings/gstt-payments.toml FILE.csv")?;
        writeln!(out, "  fundledger {server} balance")?;
        writeln!(out, "  fundledger verify http://{bound} --allow-unanchored")?;
    }
    out.flush()?;
    Ok(())
}

/// Serves a node and closes it; fails if the ledger had stopped posting, so that whoever stopped it knows.
pub(super) async fn serve_until_stopped(
    node: Node,
    service: Service,
    stop: impl Future<Output = ()> + Send + 'static,
    lang: Lang,
) -> Result<(), Failure> {
    let stop = async move {
        stop.await;
        tracing::info!("stopping");
    };
    let node = Arc::new(node);
    let Watching { stop: stop_watching, thread: watching } =
        watch(&node, service.watched, service.checkpoint_interval, lang).await?;
    node.sign_every(service.checkpoint_interval)?;
    // Whoever watches the service sees it until it has ended.
    let (stopping, stopped) = tokio::sync::watch::channel(());
    let until_stopped = || {
        let mut stopped = stopped.clone();
        async move { while stopped.changed().await.is_ok() {} }
    };
    let mut beside = JoinSet::new();
    if let Some(listener) = service.metrics {
        beside.spawn(metrics::serve(Arc::clone(&node), listener, until_stopped()));
    }
    if let Some(listener) = service.tiles {
        beside.spawn(tiles::serve(Arc::clone(&node), listener, until_stopped()));
    }
    let served = server::serve(Arc::clone(&node), service.api, service.limits, stop).await;
    drop(stopping);
    drop(stop_watching);
    drop(tokio::task::spawn_blocking(move || watching.join()).await);
    // Somebody who has begun a request and not ended it holds up no stop: what is left is dropped, and so aborted.
    let ended = tokio::time::timeout(BESIDE_STOP, beside.join_all()).await;
    for fault in ended.unwrap_or_default().into_iter().filter_map(Result::err) {
        tracing::warn!(%fault, "not served to the end");
    }
    served?;
    let failed = node.ledger().failed().map(str::to_owned);
    let closed = tokio::task::spawn_blocking(move || node.close()).await;
    closed.map_err(|error| Failure::Unavailable(text::server_failed(lang, error)))??;
    match failed {
        Some(why) => Err(Failure::Unavailable(text::serve_stopped(lang, why))),
        None => Ok(()),
    }
}

/// The thread that asks witnesses; it ends when `stop` is dropped.
struct Watching {
    stop: std::sync::mpsc::SyncSender<()>,
    thread: std::thread::JoinHandle<()>,
}

/// Looks at what the witnesses have before anything is posted or signed, so that a log that was put back to an old state is
/// known for one; then asks them whenever there is something new, and releases what they have seen.
async fn watch(node: &Arc<Node>, watched: Watched, interval: Duration, lang: Lang) -> Result<Watching, Failure> {
    let refuse = |node: &Node, why: &str| {
        node.checkpoints().refuse(why);
        node.ledger().refuse_postings(why);
    };
    let mut witnesses = None;
    if let Some(policy) = watched.policy {
        if policy.needs_witnesses() {
            node.checkpoints().expect_witnesses();
        }
        let own = node.checkpoints().verifier_keys();
        if !policy.logs().iter().any(|log| own.contains(&log.key.to_string())) {
            // Whoever wrote the policy knows the log by another key: this one was swapped, or the policy is another ledger's.
            refuse(node, &text::serve_other_log(lang));
        }
        witnesses = Some(Witnesses::new(policy, node.checkpoints(), (node.tree(), node.ledger().log()), seconds_now));
    }
    let mut alarm = AlarmClock::new(watched.alarm_after_seconds);
    let node = Arc::clone(node);
    let runtime = tokio::runtime::Handle::current();
    let mut round = move |is_first: bool| {
        let seen = match &mut witnesses {
            None => Ok(()),
            Some(witnesses) if is_first => witnesses.begin(),
            Some(witnesses) => witnesses.round(),
        };
        if let Err(why) = seen {
            return refuse(&node, &why);
        }
        // A ledger that is closing takes nothing any more, and says so itself.
        if let Err(error) = runtime.block_on(node.release_witnessed(&mut alarm, seconds_now())) {
            tracing::warn!(%error, "payments that witnesses have seen were not released; trying again");
        }
    };
    let failed = |error: &dyn std::fmt::Display| Failure::Unavailable(text::server_failed(lang, error));
    let round = tokio::task::spawn_blocking(move || {
        round(true);
        round
    });
    let mut round = round.await.map_err(|error| failed(&error))?;
    let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(1);
    let ask = move || {
        while matches!(stopped.recv_timeout(interval), Err(RecvTimeoutError::Timeout)) {
            round(false);
        }
    };
    let thread = std::thread::Builder::new().name("witnesses".to_owned()).spawn(ask).map_err(|error| failed(&error))?;
    Ok(Watching { stop, thread })
}

/// The time, in seconds since 1970.
pub(super) fn seconds_now() -> u64 {
    let seconds = SystemClock.now().0.checked_div(1_000_000_000).and_then(|seconds| u64::try_from(seconds).ok());
    seconds.unwrap_or_default()
}

pub(super) fn stop_signal(lang: Lang) -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error: std::io::Error| Failure::Unavailable(text::serve_signals_failed(lang, error));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Standard error, as if nothing could go wrong with it. Where it is a file on a full disk, whatever tells of that would fail
/// once more, and take the thread with it that had something to log.
struct Unfailing(std::io::Stderr);

impl Write for Unfailing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // What cannot be written is lost, line by line.
        self.0.write_all(bytes).ok();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush().ok();
        Ok(())
    }
}

fn start_logs(settings: &LogSettings) {
    let logs = tracing_subscriber::fmt()
        .with_env_filter(settings.filter.filter())
        .with_writer(|| Unfailing(std::io::stderr()));
    // A second call in one process keeps the first one's settings.
    let _ = match settings.format {
        LogFormat::Json => logs.json().try_init(),
        LogFormat::Text => logs.try_init(),
    };
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Directory(error) => error.into(),
            OpenError::Recover(_) | OpenError::Fault(_) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.to_string())
    }
}
