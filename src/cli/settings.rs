//! Settings of the service: defaults, then a TOML file, then the environment, then flags; what comes later wins.
//!
//! To add a key: a field with its default here, a line in docs/configuration.md and one in deploy/fundledger.toml. Tests
//! compare the three.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use config::builder::DefaultState;
use config::{Config, ConfigBuilder, Environment, File, FileFormat, Source as _, Value};
use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};
use tracing_subscriber::EnvFilter;

use super::otlp::OtlpSettings;
use super::{Failure, Lang};
use crate::grpc::server::Limits;
use crate::messages::cli as text;
use crate::tls::WhenStale;

/// Before the name of a key, with `__` between its parts: `FUNDLEDGER__LIMITS__STREAMS_MAX`.
const ENVIRONMENT_PREFIX: &str = "FUNDLEDGER";
/// What every program that exports by OTLP takes its collector from.
const STANDARD_OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Every event is under a signed checkpoint within a second.
pub(super) const CHECKPOINT_INTERVAL_MILLISECONDS: NonZeroU64 = NonZeroU64::new(500).expect("500 is not 0");

pub(super) const WITNESS_ALARM_SECONDS: NonZeroU64 = NonZeroU64::new(60).expect("60 is not 0");

/// A post waits for one write to the disk; nobody waits so long for anything on a healthy ledger.
const SLOW_CALL_MILLISECONDS: NonZeroU64 = NonZeroU64::new(1_000).expect("1,000 is not 0");
/// Load balancers look about once a second.
const DRAIN_SECONDS: u64 = 1;

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Directory of the ledger; there is no default.
    pub(super) data: Option<PathBuf>,
    /// Address to listen on.
    pub(super) listen: SocketAddr,
    /// Address to serve metrics on; none where there is none.
    pub(super) metrics_listen: Option<SocketAddr>,
    /// Address to serve the log's tiles on; none where there is none.
    pub(super) tiles_listen: Option<SocketAddr>,
    /// How often a checkpoint is signed while the log grows.
    pub(super) checkpoint_interval_milliseconds: NonZeroU64,
    /// Policy with the witnesses that are asked to cosign; nobody where there is none.
    pub(super) witness_policy: Option<PathBuf>,
    /// How long a payment may wait for witnesses, or go on without them, before the alarm is raised.
    pub(super) witness_alarm_seconds: NonZeroU64,
    /// Whether plain text on loopback is accepted.
    pub(super) insecure_dev: bool,
    /// Mutual TLS; plain text where nothing of it is set.
    pub(super) tls: TlsSettings,
    /// Logs of the service itself.
    pub(super) log: LogSettings,
    /// Where spans of calls are exported to.
    pub(super) otlp: OtlpSettings,
    /// What one client may take.
    pub(super) limits: LimitSettings,
}

/// What TLS cannot do without.
pub(super) const TLS_KEYS: [&str; 4] = ["tls.certificate", "tls.key", "tls.client_ca", "tls.trust_domain"];

/// Mutual TLS: all of it, but for the revocation list, or nothing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TlsSettings {
    /// The server's certificate, with those between it and what clients trust.
    pub(super) certificate: Option<PathBuf>,
    /// Its private key.
    pub(super) key: Option<PathBuf>,
    /// Who signs clients' certificates.
    pub(super) client_ca: Option<PathBuf>,
    /// What they have revoked.
    pub(super) revocation_list: Option<PathBuf>,
    /// Whether a revocation list counts that is past its next update.
    pub(super) stale_revocation_list: WhenStale,
    /// Whose identities are let in.
    pub(super) trust_domain: Option<String>,
}

impl TlsSettings {
    /// Whether anything of it is set.
    pub(super) fn is_set(&self) -> bool {
        let Self { certificate, key, client_ca, revocation_list, stale_revocation_list: _, trust_domain } = self;
        [certificate, key, client_ca, revocation_list].into_iter().any(Option::is_some) || trust_domain.is_some()
    }
}

/// Logs of the service itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LogSettings {
    /// Which parts log at which level.
    pub(super) filter: LogFilter,
    /// How lines look.
    pub(super) format: LogFormat,
    /// How long a call with one answer may take before it is logged as slow.
    pub(super) slow_call_milliseconds: NonZeroU64,
}

/// A filter that was parsed once.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct LogFilter(String);

/// How lines of the log look.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What clients may take; [`Limits`] of the server, as they are written in files.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitSettings {
    /// Largest request, in bytes.
    request_bytes_max: NonZeroUsize,
    /// Most bytes of requests that have come in part, over all connections.
    intake_bytes_max: NonZeroUsize,
    /// Most streams of one connection at a time.
    streams_max: NonZeroU32,
    /// How long streams may go on after the server was told to stop.
    shutdown_deadline_seconds: NonZeroU64,
    /// Most subscriptions at a time.
    subscribers_max: NonZeroUsize,
    /// How long a subscriber may take no message before it is cut off.
    subscriber_patience_seconds: NonZeroU64,
    /// How long new calls are still answered after the server was told to stop.
    drain_seconds: u64,
    /// Most bytes of a request's metadata.
    metadata_bytes_max: NonZeroU32,
    /// Most connections at a time.
    connections_max: NonZeroUsize,
    /// Most streams of a connection that its client has reset and nobody has looked at.
    resets_max: NonZeroUsize,
    /// Longest that a call with one answer may take.
    call_seconds: NonZeroU64,
    /// Most requests a second of one caller.
    requests_per_second: NonZeroU32,
    /// How long a connection may be silent before it is asked whether it is still there.
    keepalive_seconds: NonZeroU64,
    /// How long it may take to answer that.
    keepalive_timeout_seconds: NonZeroU64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7070)),
            metrics_listen: None,
            tiles_listen: None,
            checkpoint_interval_milliseconds: CHECKPOINT_INTERVAL_MILLISECONDS,
            witness_policy: None,
            witness_alarm_seconds: WITNESS_ALARM_SECONDS,
            insecure_dev: false,
            tls: TlsSettings::default(),
            log: LogSettings::default(),
            otlp: OtlpSettings::default(),
            limits: LimitSettings::default(),
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            filter: LogFilter("info".to_owned()),
            format: LogFormat::Text,
            slow_call_milliseconds: SLOW_CALL_MILLISECONDS,
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        let Limits {
            request_bytes_max,
            intake_bytes_max,
            streams_max,
            shutdown_deadline,
            subscribers_max,
            subscriber_patience,
            metadata_bytes_max,
            connections_max,
            resets_max,
            call_max,
            requests_per_second,
            keepalive,
            keepalive_timeout,
            slow_call: _,
        } = Limits::default();
        Self {
            request_bytes_max: NonZeroUsize::new(request_bytes_max).unwrap_or(NonZeroUsize::MIN),
            intake_bytes_max: NonZeroUsize::new(intake_bytes_max).unwrap_or(NonZeroUsize::MIN),
            streams_max: NonZeroU32::new(streams_max).unwrap_or(NonZeroU32::MIN),
            shutdown_deadline_seconds: NonZeroU64::new(shutdown_deadline.as_secs()).unwrap_or(NonZeroU64::MIN),
            subscribers_max: NonZeroUsize::new(subscribers_max).unwrap_or(NonZeroUsize::MIN),
            subscriber_patience_seconds: NonZeroU64::new(subscriber_patience.as_secs()).unwrap_or(NonZeroU64::MIN),
            drain_seconds: DRAIN_SECONDS,
            metadata_bytes_max: NonZeroU32::new(metadata_bytes_max).unwrap_or(NonZeroU32::MIN),
            connections_max: NonZeroUsize::new(connections_max).unwrap_or(NonZeroUsize::MIN),
            resets_max: NonZeroUsize::new(resets_max).unwrap_or(NonZeroUsize::MIN),
            call_seconds: NonZeroU64::new(call_max.as_secs()).unwrap_or(NonZeroU64::MIN),
            requests_per_second,
            keepalive_seconds: NonZeroU64::new(keepalive.as_secs()).unwrap_or(NonZeroU64::MIN),
            keepalive_timeout_seconds: NonZeroU64::new(keepalive_timeout.as_secs()).unwrap_or(NonZeroU64::MIN),
        }
    }
}

impl Settings {
    /// What clients may take.
    pub(super) fn limits(&self) -> Limits {
        let slow_call = Duration::from_millis(self.log.slow_call_milliseconds.get());
        Limits { slow_call, ..self.limits.into() }
    }
}

impl LimitSettings {
    /// How long new calls are still answered after the server was told to stop.
    pub(super) const fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

impl From<LimitSettings> for Limits {
    fn from(settings: LimitSettings) -> Self {
        Self {
            request_bytes_max: settings.request_bytes_max.get(),
            intake_bytes_max: settings.intake_bytes_max.get(),
            streams_max: settings.streams_max.get(),
            shutdown_deadline: Duration::from_secs(settings.shutdown_deadline_seconds.get()),
            subscribers_max: settings.subscribers_max.get(),
            subscriber_patience: Duration::from_secs(settings.subscriber_patience_seconds.get()),
            metadata_bytes_max: settings.metadata_bytes_max.get(),
            connections_max: settings.connections_max.get(),
            resets_max: settings.resets_max.get(),
            call_max: Duration::from_secs(settings.call_seconds.get()),
            requests_per_second: settings.requests_per_second,
            keepalive: Duration::from_secs(settings.keepalive_seconds.get()),
            keepalive_timeout: Duration::from_secs(settings.keepalive_timeout_seconds.get()),
            ..Self::default()
        }
    }
}

impl LogFilter {
    /// As the library takes it.
    pub(super) fn filter(&self) -> EnvFilter {
        // It was parsed before.
        EnvFilter::try_new(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for LogFilter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match EnvFilter::try_new(&text) {
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(format!("`{text}`: {error}")),
        }
    }
}

impl From<LogFilter> for String {
    fn from(filter: LogFilter) -> Self {
        filter.0
    }
}

/// Flags that set the same as a file and the environment.
#[derive(Args, Clone, Debug)]
pub struct SettingsArgs {
    /// Settings in TOML (docs/configuration.md); the environment and flags win over them.
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// Directory of the ledger.
    #[arg(long, value_name = "DIR", env = "FUNDLEDGER_DATA")]
    pub data: Option<PathBuf>,
    /// Address to listen on; port 0 picks a free one [default: 127.0.0.1:7070].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Address to serve Prometheus metrics on, at /metrics; port 0 picks a free one [default: none].
    #[arg(long, value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,
    /// Serve the log as static files at this address (/checkpoint, /tile/...); port 0 picks a free one [default: none].
    #[arg(long, value_name = "ADDR")]
    pub tiles_listen: Option<SocketAddr>,
    /// Serve plain text on loopback; create a ledger marked DEVELOPMENT for ever where the directory is empty.
    #[arg(long)]
    pub insecure_dev: bool,
    /// Which parts log at which level, e.g. `info` or `warn,fundledger=debug` [default: info].
    #[arg(long, value_name = "FILTER", env = "FUNDLEDGER_LOG")]
    pub log: Option<String>,
    /// Logs as JSON lines instead of text.
    #[arg(long)]
    pub json_logs: bool,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The program's own default.
    Default,
    /// A line of the file.
    File { path: PathBuf, line: usize },
    /// A variable of the environment.
    Environment(String),
    /// A flag, or the variable that stands for it.
    Flag(&'static str),
}

impl Origin {
    pub(super) fn told(&self, lang: Lang) -> String {
        match self {
            Self::Default => text::config_default(lang),
            Self::File { .. } | Self::Environment(_) | Self::Flag(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("-"),
            Self::File { path, line } => write!(formatter, "{}:{line}", path.display()),
            Self::Environment(name) => formatter.write_str(name),
            Self::Flag(name) => formatter.write_str(name),
        }
    }
}

/// The settings in force, with the source of each key.
pub(super) struct Loaded {
    pub(super) settings: Settings,
    pub(super) origins: BTreeMap<String, Origin>,
}

/// Loads all layers. Everything that is wrong is told at once, each with its place.
pub(super) fn load(args: &SettingsArgs, lang: Lang) -> Result<Loaded, Failure> {
    let mut layers: Vec<Layered> = Vec::new();
    if let Some(path) = &args.config {
        layers.extend(of_file(path)?);
    }
    layers.extend(of_environment()?);
    layers.extend(of_flags(args));
    merged(layers, lang)
}

/// For fuzz/: whether a file alone is accepted.
#[cfg(fuzzing)]
pub fn is_accepted(content: &str) -> bool {
    let layers = of_text(Path::new("settings"), content);
    layers.and_then(|layers| merged(layers, Lang::Zh)).is_ok_and(|loaded| values(&loaded.settings).is_ok())
}

/// A key, its value, and where it comes from.
type Layered = (String, Value, Origin);

/// Layers become settings; what comes later wins.
fn merged(layers: Vec<Layered>, lang: Lang) -> Result<Loaded, Failure> {
    let mut origins: BTreeMap<String, Origin> =
        values(&Settings::default())?.into_keys().map(|key| (key, Origin::Default)).collect();
    let mut problems = Vec::new();
    let mut builder = Config::builder();
    for (key, value, origin) in layers {
        let Some(known) = origins.get_mut(&key) else {
            problems.push(text::config_unknown_key(lang, &key, origin));
            continue;
        };
        // Alone first: one wrong value must not hide the next.
        let alone = Config::builder().set_override(&key, value.clone()).and_then(ConfigBuilder::<DefaultState>::build);
        if let Err(error) = alone.and_then(Config::try_deserialize::<Settings>) {
            problems.push(text::config_wrong_value(lang, error, &key, origin));
            continue;
        }
        *known = origin;
        builder = builder.set_override(&key, value).map_err(|error| Failure::about(&key, error))?;
    }
    if !problems.is_empty() {
        return Err(Failure::Usage(format!("{}\n  {}", text::config_is_wrong(lang), problems.join("\n  "))));
    }
    let settings =
        builder.build().and_then(Config::try_deserialize).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(Loaded { settings, origins })
}

/// Every key with its value, as JSON.
pub(super) fn values(settings: &Settings) -> Result<BTreeMap<String, serde_json::Value>, Failure> {
    let tree = serde_json::to_value(settings).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut found = BTreeMap::new();
    let mut open = vec![(String::new(), tree)];
    while let Some((key, value)) = open.pop() {
        if let serde_json::Value::Object(fields) = value {
            open.extend(fields.into_iter().map(|(name, value)| (joined(&key, &name), value)));
        } else {
            found.insert(key, value);
        }
    }
    Ok(found)
}

fn joined(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

/// The keys of a file, each with its line.
fn of_file(path: &Path) -> Result<Vec<Layered>, Failure> {
    let content = fs::read_to_string(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    of_text(path, &content)
}

fn of_text(path: &Path, content: &str) -> Result<Vec<Layered>, Failure> {
    let wrong = |error: &dyn fmt::Display| Failure::Usage(format!("{}: {error}", path.display()));
    let table = DeTable::parse(content).map_err(|error| wrong(&error))?;
    let mut lines: Vec<(String, usize)> = Vec::new();
    let mut open: Vec<(String, &DeTable<'_>)> = vec![(String::new(), table.get_ref())];
    while let Some((key, table)) = open.pop() {
        for (name, value) in table {
            let key = joined(&key, name.get_ref());
            if let DeValue::Table(inner) = value.get_ref() {
                open.push((key, inner));
            } else {
                let before = content.get(..name.span().start).unwrap_or_default();
                lines.push((key, before.matches('\n').count().saturating_add(1)));
            }
        }
    }
    lines.sort_by_key(|(_, line)| *line);
    let parsed = File::from_str(content, FileFormat::Toml);
    let parsed = Config::builder().add_source(parsed).build().map_err(|error| wrong(&error))?;
    let found = lines.into_iter().map(|(key, line)| {
        let origin = Origin::File { path: path.to_owned(), line };
        // A key with a character that paths of keys cannot hold is no key of ours: it is told as unknown.
        let value = parsed.get::<Value>(&key).unwrap_or_else(|_| Value::new(None, config::ValueKind::Nil));
        (key, value, origin)
    });
    Ok(found.collect())
}

fn of_environment() -> Result<Vec<Layered>, Failure> {
    let source = Environment::with_prefix(ENVIRONMENT_PREFIX).prefix_separator("__").separator("__");
    let found = source.collect().map_err(|error| Failure::Usage(error.to_string()))?;
    let sorted: BTreeMap<String, Value> = found.into_iter().collect();
    let origin =
        |key: &str| Origin::Environment(format!("{ENVIRONMENT_PREFIX}__{}", key.replace('.', "__").to_uppercase()));
    // Before our own variables, which are meant for this program alone. Empty is unset, by its specification.
    let standard = std::env::var_os(STANDARD_OTLP_ENDPOINT).filter(|value| !value.is_empty()).map(|value| {
        let value = Value::new(None, value.to_string_lossy().into_owned());
        ("otlp.endpoint".to_owned(), value, Origin::Environment(STANDARD_OTLP_ENDPOINT.to_owned()))
    });
    let own = sorted.into_iter().map(|(key, value)| (key.clone(), value, origin(&key)));
    Ok(standard.into_iter().chain(own).collect())
}

fn of_flags(args: &SettingsArgs) -> Vec<Layered> {
    let flags = [
        ("data", args.data.as_ref().map(|path| path.display().to_string()), "--data"),
        ("listen", args.listen.map(|address| address.to_string()), "--listen"),
        ("metrics_listen", args.metrics_listen.map(|address| address.to_string()), "--metrics-listen"),
        ("tiles_listen", args.tiles_listen.map(|address| address.to_string()), "--tiles-listen"),
        ("insecure_dev", args.insecure_dev.then(|| true.to_string()), "--insecure-dev"),
        ("log.filter", args.log.clone(), "--log"),
        ("log.format", args.json_logs.then(|| "json".to_owned()), "--json-logs"),
    ];
    let given = flags.into_iter().filter_map(|(key, value, flag)| Some((key, value?, flag)));
    given.map(|(key, value, flag)| (key.to_owned(), Value::new(None, value), Origin::Flag(flag))).collect()
}
