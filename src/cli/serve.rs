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

use super::beside::Beside;
use super::check::{self, Transport};
use super::logs::Logs;
use super::settings::{self, Settings, SettingsArgs, TLS_KEYS, TlsSettings};
use super::signals::StopSignals;
use super::verify::read_policy;
use super::{Failure, Globals, Lang};
use crate::audit::policy::Policy;
use crate::domain::principal::TrustDomain;
use crate::grpc::node::Node;
use crate::grpc::observed::Observed;
use crate::grpc::releasing::AlarmClock;
use crate::grpc::server::{self, Door, Drain, Limits};
use crate::http::metrics::Metrics;
use crate::http::{observing, tiles};
use crate::ledger::Genesis;
use crate::ledger::OpenError;
use crate::ledger::clock::{Clock, SystemClock};
use crate::ledger::directory::{DataDirectory, is_empty};
use crate::log::Fault;
use crate::messages::cli as text;
use crate::tls::{Files, Tls, Why, Wrong};
use crate::traces::{Collector, Traces};
use crate::witness::client::Witnesses;

/// Name of a ledger that `serve --insecure-dev` creates.
const DEVELOPMENT_ORIGIN: &str = "development.invalid/funds";

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// What can be set in a file as well.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Do what a start does, short of serving and without changing anything, and say what was found.
    #[arg(long)]
    pub check: bool,
}

/// Runs the service until it is told to stop (SIGINT or SIGTERM), or until the ledger can post no more.
pub fn run(globals: &Globals, args: &ServeArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let settings = settings::load(&args.settings, globals.lang)?.settings;
    let Admitted { data, tls, collector } = admit(&settings, globals.lang)?;
    if args.check {
        let transport = if tls.is_some() { Transport::Tls } else { Transport::Plain };
        return check::run(globals, &settings, data, transport, out);
    }
    let logs = Logs::start(&settings.log);
    // An unmounted volume must not become a second ledger: only who asked for one to try things out gets it.
    if tls.is_none() && is_empty(data).map_err(|fault| Failure::Unavailable(fault.to_string()))? {
        drop(DataDirectory::create(data, Genesis::of_development(DEVELOPMENT_ORIGIN), &SystemClock)?);
    }
    let witnesses = settings.witness_policy.as_deref().map(read_policy).transpose()?;
    let runtime = Runtime::new().map_err(|error| Failure::Unavailable(text::runtime_failed(globals.lang, error)))?;
    runtime.block_on(async {
        logs.reload_on_hangup(args.settings.clone(), globals.lang)?;
        let mut beside = Beside::default();
        let observed = observe(&settings, collector, &mut beside, globals.lang, out).await?;
        let directory = data.to_owned();
        let opened = tokio::task::spawn_blocking(move || Node::open(&directory, Box::new(SystemClock))).await;
        let node = opened.map_err(|error| Failure::Unavailable(text::server_failed(globals.lang, error)))??;
        if tls.is_some() && !node.views().authority.is_administered() {
            // Nobody could be given a role, so that nobody could do anything.
            node.close()?;
            return Err(Failure::Refused(text::serve_needs_administrators(globals.lang)));
        }
        let (listener, bound) = server::listen(settings.listen).await?;
        let tiles = match settings.tiles_listen {
            None => None,
            Some(address) => Some(server::listen(address).await?),
        };
        // Before anybody is told that it listens: whoever was told may stop it.
        let signals = StopSignals::take(globals.lang)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{bound}");
        announce(globals, &node, &url, tiles.as_ref().map(|(_, bound)| *bound), out)?;
        let api = match tls {
            None => Door::Plain(listener),
            Some(tls) => {
                reload_on_hangup(Arc::clone(&tls), globals.lang)?;
                Door::Certified(listener, tls)
            }
        };
        let service = Service {
            api,
            tiles: tiles.map(|(listener, _)| listener),
            beside,
            observed,
            limits: settings.limits(),
            checkpoint_interval: Duration::from_millis(settings.checkpoint_interval_milliseconds.get()),
            watched: Watched { policy: witnesses, alarm_after_seconds: settings.witness_alarm_seconds.get() },
        };
        let drain = settings.limits.drain();
        let stop = async move {
            signals.clone().reached(1).await;
            tracing::info!("stopping");
            Drain::until(async move { drop(tokio::time::timeout(drain, signals.reached(2)).await) })
        };
        Box::pin(serve_draining(node, service, stop, globals.lang)).await
    })
}

/// Answers metrics and probes, and exports spans, if that is wanted, from before the ledger opens.
async fn observe(
    settings: &Settings,
    collector: Option<Collector>,
    beside: &mut Beside,
    lang: Lang,
    out: &mut dyn Write,
) -> Result<Arc<Observed>, Failure> {
    let traces = collector.map(|collector| {
        tracing::info!(endpoint = %collector.endpoint.uri(), "spans of calls are exported");
        let (traces, export) = Traces::new(collector, settings.otlp.sampling_ppm);
        beside.spawn(|stop| async move {
            export.run(stop).await;
            Ok(())
        });
        traces
    });
    let Some(address) = settings.metrics_listen else { return Ok(Arc::new(Observed::new(None, traces))) };
    let (listener, bound) = server::listen(address).await?;
    let metrics = Metrics::new()?;
    let observed = Arc::new(Observed::new(Some(metrics.recorded()), traces));
    let seen = Arc::clone(&observed);
    beside.spawn(|stop| observing::serve(seen, metrics, listener, stop));
    writeln!(out, "{}", text::serve_metrics(lang, bound))?;
    out.flush()?;
    Ok(observed)
}

/// What may be served, and how.
pub(super) struct Admitted<'a> {
    data: &'a Path,
    tls: Option<Arc<Tls>>,
    collector: Option<Collector>,
}

/// The directory to serve, if it may be served as the settings say; otherwise everything that speaks against it.
pub(super) fn admit(settings: &Settings, lang: Lang) -> Result<Admitted<'_>, Failure> {
    let mut objections = Vec::new();
    let mut tls = None;
    if settings.tls.is_set() {
        objections.extend(settings.insecure_dev.then(|| text::serve_tls_or_plain(lang)));
        match load_certificates(&settings.tls, lang) {
            Ok(loaded) => tls = Some(Arc::new(loaded)),
            Err(wrong) => objections.extend(wrong),
        }
    } else {
        objections.extend((!settings.insecure_dev).then(|| text::serve_needs_consent(lang)));
        let is_loopback = settings.listen.ip().is_loopback();
        objections.extend((!is_loopback).then(|| text::serve_needs_loopback(lang, settings.listen)));
    }
    let mut collector = None;
    match settings.otlp.collector(lang) {
        Ok(found) => collector = found,
        Err(wrong) => objections.extend(wrong),
    }
    // Metrics name nobody, and probes come from other machines; tiles show the log, whatever its readers' roles.
    let metrics = settings.metrics_listen.filter(|_| !settings.tls.is_set());
    let beside = [metrics, settings.tiles_listen].into_iter().flatten();
    let elsewhere = beside.filter(|address| !address.ip().is_loopback());
    objections.extend(elsewhere.map(|address| text::serve_needs_loopback(lang, address)));
    objections.extend(settings.data.is_none().then(|| text::serve_needs_data(lang)));
    match &settings.data {
        Some(data) if objections.is_empty() => Ok(Admitted { data, tls, collector }),
        _ => Err(Failure::Usage(objections.join("\n"))),
    }
}

/// Reads what the settings name, or tells everything that is wrong with it.
fn load_certificates(settings: &TlsSettings, lang: Lang) -> Result<Tls, Vec<String>> {
    let TlsSettings { certificate, key, client_ca, revocation_list, stale_revocation_list: when_stale, trust_domain } =
        settings.clone();
    let domain = trust_domain
        .as_deref()
        .map(|name| TrustDomain::parse(name).ok_or_else(|| text::serve_tls_wrong_domain(lang, name)));
    match (certificate, key, client_ca, domain) {
        (Some(certificate), Some(key), Some(client_ca), Some(Ok(trust_domain))) => {
            let loaded = Tls::load(Files { certificate, key, client_ca, revocation_list, when_stale, trust_domain });
            loaded.map_err(|wrong| wrong.iter().map(|wrong| told(wrong, lang)).collect())
        }
        (certificate, key, client_ca, domain) => {
            let are_there = [certificate.is_some(), key.is_some(), client_ca.is_some(), domain.is_some()];
            let missing = TLS_KEYS.iter().zip(are_there).filter(|(_, is_there)| !is_there);
            let missing = missing.map(|(key, _)| text::serve_tls_needs(lang, *key));
            Err(missing.chain(domain.and_then(Result::err)).collect())
        }
    }
}

/// What is wrong with a file, in the reader's language.
fn told(wrong: &Wrong, lang: Lang) -> String {
    let path = wrong.path.display();
    match &wrong.why {
        Why::Unreadable(cause) | Why::Malformed(cause) => text::tls_unreadable(lang, cause, path),
        Why::NoCertificate => text::tls_no_certificate(lang, path),
        Why::NoKey => text::tls_no_key(lang, path),
        Why::NoRevocationList => text::tls_no_revocation_list(lang, path),
        Why::KeyOfAnother => text::tls_key_of_another(lang, path),
        Why::Expired => text::tls_expired(lang, path),
        Why::NotYetValid => text::tls_not_yet_valid(lang, path),
    }
}

/// Reads the certificates anew whenever the process is told to.
fn reload_on_hangup(tls: Arc<Tls>, lang: Lang) -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let hangup = signal(SignalKind::hangup());
    let mut hangup = hangup.map_err(|error| Failure::Unavailable(text::serve_signals_failed(lang, error)))?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let tls = Arc::clone(&tls);
            drop(tokio::task::spawn_blocking(move || tls.reload()).await);
        }
    });
    Ok(())
}

/// A service: where it listens, and how it runs.
pub(super) struct Service {
    api: Door,
    tiles: Option<TcpListener>,
    beside: Beside,
    observed: Arc<Observed>,
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
        let api = Door::Plain(api);
        let (beside, observed) = (Beside::default(), Arc::default());
        Self { api, tiles: None, beside, observed, limits: Limits::default(), checkpoint_interval, watched }
    }
}

fn announce(
    globals: &Globals,
    node: &Node,
    url: &str,
    tiles: Option<SocketAddr>,
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
    if let Some(tiles) = tiles {
        writeln!(out, "{}", text::serve_tiles(globals.lang, tiles))?;
    }
    writeln!(out, "{}", text::serve_listening(globals.lang, url))?;
    if !globals.quiet {
        let server = format!("--server {url}");
        writeln!(out, "{}:", text::next_step(globals.lang))?;
        writeln!(out, "  fundledger {server} import --mapping deploy/mappings/gstt-payments.toml FILE.csv")?;
        writeln!(out, "  fundledger {server} balance")?;
        writeln!(out, "  fundledger verify {url} --allow-unanchored")?;
    }
    out.flush()?;
    Ok(())
}

/// [`serve_draining`], stopped without draining.
pub(super) async fn serve_until_stopped(
    node: Node,
    service: Service,
    stop: impl Future<Output = ()> + Send + 'static,
    lang: Lang,
) -> Result<(), Failure> {
    let stop = async move {
        stop.await;
        Drain::none()
    };
    serve_draining(node, service, stop, lang).await
}

/// Serves a node and closes it; fails if the ledger had stopped posting, so that whoever stopped it knows.
async fn serve_draining(
    node: Node,
    service: Service,
    stop: impl Future<Output = Drain> + Send + 'static,
    lang: Lang,
) -> Result<(), Failure> {
    let node = Arc::new(node);
    let Watching { stop: stop_watching, thread: watching } =
        watch(&node, service.watched, service.checkpoint_interval, lang).await?;
    node.sign_every(service.checkpoint_interval)?;
    let mut beside = service.beside;
    if let Some(listener) = service.tiles {
        let node = Arc::clone(&node);
        beside.spawn(|stop| tiles::serve(node, listener, stop));
    }
    let observed = service.observed;
    let served = server::serve_observed(Arc::clone(&node), service.api, service.limits, observed, stop).await;
    beside.end().await;
    drop(stop_watching);
    drop(tokio::task::spawn_blocking(move || watching.join()).await);
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
