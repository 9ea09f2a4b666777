//! What probes and metrics see of a service, from before its ledger opens until it has closed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::Histogram;
use prost::Message;
use prost_types::FileDescriptorSet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Code;

use super::node::Node;
use crate::ledger::counts::Meters;
use crate::pb::DESCRIPTORS;
use crate::tls::Tls;
use crate::traces::Traces;

/// Calls that read all there is, and are not cut by the server's own deadline: of these few run at a time.
const WITHOUT_DEADLINE: &[&str] = &["fundledger.v1.AuditService/RunRules"];
/// What methods that there are not count as.
const OTHER: &str = "other";
/// Codes of gRPC are 0 to 16.
const CODES: usize = 17;
/// Calls that bring commands.
const POSTING: &[&str] = &["fundledger.v1.LedgerService/Post", "fundledger.v1.LedgerService/PostStream"];

/// How a service stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The ledger opens: its log is replayed.
    Starting,
    /// Everything is answered.
    Serving,
    /// Questions are answered, nothing can be posted.
    ReadOnly,
    /// It was told to stop, and new calls had better go elsewhere.
    Draining,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Starting, Self::Serving, Self::ReadOnly, Self::Draining];

    /// As probes and metrics say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::ReadOnly => "read_only",
            Self::Draining => "draining",
        }
    }

    /// Whether new questions should be sent here.
    pub const fn is_ready_for_reading(self) -> bool {
        matches!(self, Self::Serving | Self::ReadOnly)
    }

    /// Whether new commands should be sent here.
    pub const fn is_ready_for_posting(self) -> bool {
        matches!(self, Self::Serving)
    }
}

/// Where the service records how it gets on.
pub struct Recorded {
    /// Of the committer.
    pub ledger: Meters,
    /// Makes the histogram of how long calls of a method take, in seconds.
    pub call_seconds: Box<dyn Fn(&str) -> Histogram + Send + Sync>,
}

/// Places of which there are so many.
#[derive(Clone, Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    count: usize,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(count)), count }
    }

    /// Takes one, if one is free, until what is given is dropped.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.count.saturating_sub(self.free.available_permits())
    }
}

/// What is seen of a running service.
#[derive(Clone)]
pub struct Running {
    /// Its ledger.
    pub node: Arc<Node>,
    /// Its connections.
    pub connections: Places,
    /// Its subscriptions.
    pub subscribers: Places,
    /// Its certificates, where it has any.
    pub tls: Option<Arc<Tls>>,
}

/// A service as it is seen from outside.
pub struct Observed {
    running: OnceLock<Running>,
    is_draining: AtomicBool,
    methods: Methods,
    recorded: Option<Recorded>,
    traces: Option<Traces>,
}

impl Default for Observed {
    /// Nobody looks: what a histogram would need is not recorded.
    fn default() -> Self {
        Self::new(None, None)
    }
}

impl Observed {
    /// A service that has not started yet.
    pub fn new(recorded: Option<Recorded>, traces: Option<Traces>) -> Self {
        Self {
            running: OnceLock::new(),
            is_draining: AtomicBool::new(false),
            methods: Methods::of_all_services(),
            recorded,
            traces,
        }
    }

    /// How the service stands now.
    pub fn standing(&self) -> Standing {
        if self.is_draining.load(Ordering::Relaxed) {
            return Standing::Draining;
        }
        match self.running.get() {
            None => Standing::Starting,
            Some(running) if running.node.ledger().read_only().is_some() => Standing::ReadOnly,
            Some(_) => Standing::Serving,
        }
    }

    /// What is seen of it, once it runs.
    pub fn running(&self) -> Option<&Running> {
        self.running.get()
    }

    /// Traces that its calls belong to; none, where nobody collects them.
    pub fn traces(&self) -> Option<&Traces> {
        self.traces.as_ref()
    }

    /// Calls that were finished: method, code, and how many.
    pub fn finished(&self) -> impl Iterator<Item = (&str, &'static str, u64)> {
        self.methods.all().flat_map(|method| {
            let counts = method.finished.iter().zip(0..);
            let counts =
                counts.map(|(counter, code)| (code_name(Code::from_i32(code)), counter.load(Ordering::Relaxed)));
            counts.filter(|(_, count)| *count > 0).map(|(code, count)| (&*method.name, code, count))
        })
    }

    pub(super) fn starts(&self, running: Running) {
        if let Some(recorded) = &self.recorded {
            running.node.ledger().measure(recorded.ledger.clone());
        }
        drop(self.running.set(running));
    }

    pub(super) fn drains(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// The method of a path; unknown ones count as one, so that nobody can make names up.
    pub(super) fn method(&self, path: &str) -> &Arc<Method> {
        path.strip_prefix('/').and_then(|name| self.methods.known.get(name)).unwrap_or(&self.methods.other)
    }

    pub(super) fn finish(&self, method: &Method, code: Code, took: Duration) {
        let counter = usize::try_from(i32::from(code)).ok().and_then(|at| method.finished.get(at));
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(recorded) = &self.recorded {
            let seconds = method.seconds.get_or_init(|| (recorded.call_seconds)(&method.name));
            seconds.record(took.as_secs_f64());
        }
    }
}

/// A method of the API, and what became of its calls.
#[derive(Debug)]
pub(super) struct Method {
    /// `package.Service/Method`.
    pub(super) name: Arc<str>,
    pub(super) kind: Kind,
    /// Whether its calls bring commands.
    pub(super) is_posting: bool,
    finished: [AtomicU64; CODES],
    seconds: OnceLock<Histogram>,
}

/// How a method is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One answer, as soon as there is one.
    Unary,
    /// One answer, for which all there is may have to be read: only its caller says how long that may take.
    Long,
    /// Answers for as long as both sides like.
    Stream,
    /// Asked as often as anybody likes.
    Probe,
}

impl Method {
    fn new(name: String, is_unary: bool) -> Self {
        let kind = match name.as_str() {
            probe if probe.starts_with("grpc.health.") => Kind::Probe,
            long if WITHOUT_DEADLINE.contains(&long) => Kind::Long,
            _ if is_unary => Kind::Unary,
            _ => Kind::Stream,
        };
        Self {
            kind,
            is_posting: POSTING.contains(&name.as_str()),
            name: name.into(),
            finished: std::array::from_fn(|_| AtomicU64::new(0)),
            seconds: OnceLock::new(),
        }
    }
}

impl Method {
    /// Its name, if there is such a method.
    pub(super) fn known_name(&self) -> Option<&Arc<str>> {
        Some(&self.name).filter(|name| &***name != OTHER)
    }
}

#[derive(Debug)]
struct Methods {
    known: BTreeMap<String, Arc<Method>>,
    other: Arc<Method>,
}

impl Methods {
    fn of_all_services() -> Self {
        let reflection = [
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
        ];
        let mut known = BTreeMap::new();
        for descriptors in reflection.into_iter().chain([DESCRIPTORS]) {
            // They were made by a compiler; without them calls are counted as of an unknown method.
            for file in FileDescriptorSet::decode(descriptors).unwrap_or_default().file {
                for service in &file.service {
                    for method in &service.method {
                        let name = format!("{}.{}/{}", file.package(), service.name(), method.name());
                        let is_unary = !method.client_streaming() && !method.server_streaming();
                        known.insert(name.clone(), Arc::new(Method::new(name, is_unary)));
                    }
                }
            }
        }
        Self { known, other: Arc::new(Method::new(OTHER.to_owned(), true)) }
    }

    fn all(&self) -> impl Iterator<Item = &Method> {
        self.known.values().chain([&self.other]).map(Arc::as_ref)
    }
}

/// The name of a code, as the specification of gRPC writes it.
pub(super) const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_known_by_their_paths() {
        let observed = Observed::default();
        for (path, name, kind) in [
            ("/fundledger.v1.LedgerService/Post", "fundledger.v1.LedgerService/Post", Kind::Unary),
            ("/fundledger.v1.LedgerService/PostStream", "fundledger.v1.LedgerService/PostStream", Kind::Stream),
            ("/fundledger.v1.QueryService/Subscribe", "fundledger.v1.QueryService/Subscribe", Kind::Stream),
            ("/fundledger.v1.AuditService/RunRules", "fundledger.v1.AuditService/RunRules", Kind::Long),
            ("/grpc.health.v1.Health/Check", "grpc.health.v1.Health/Check", Kind::Probe),
            ("/fundledger.v1.LedgerService/post", "other", Kind::Unary),
            ("/other", "other", Kind::Unary),
            ("", "other", Kind::Unary),
        ] {
            let method = observed.method(path);
            assert_eq!((&*method.name, method.kind), (name, kind), "{path}");
        }
        observed.finish(observed.method("/other"), Code::Unimplemented, Duration::ZERO);
        observed.finish(observed.method("/another"), Code::Unimplemented, Duration::ZERO);
        assert_eq!(observed.finished().collect::<Vec<_>>(), [("other", "UNIMPLEMENTED", 2)]);
    }
}
