//! Traces that go through this service and others: one span of each call that is sampled goes to a collector (OpenTelemetry).
//! Nobody waits for it: what the collector does not take in time is dropped, and counted.
//!
//! A span says which method was called, when, how it ended, and by which id the log knows it. Nothing of what a call brings or
//! is answered is in it, and no name.

pub mod context;
mod export;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use siphasher::sip128::SipHasher13;
use tokio::sync::mpsc;

pub use export::{Collector, Export};

use self::context::{OwnSpan, Place, SpanId, TraceId, TraceParent};
use crate::ledger::clock::{Clock as _, SystemClock};

/// Calls that have ended and wait to be exported; one more is dropped. They take some 2 MiB.
const WAITING_MAX: usize = 8_192;
const MILLION: u32 = 1_000_000;

/// How many of a million calls are sampled, of those that belong to no trace of their callers'.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Sampling(u32);

impl Sampling {
    /// Every call.
    pub const ALL: Self = Self(MILLION);

    /// By the 56 bits of a trace's id that are random (W3C Trace Context, level 2).
    fn takes(self, trace_id: TraceId) -> bool {
        let random = u128::from_be_bytes(trace_id.bytes()) & ((1 << 56) - 1);
        // 56 bits times 20 bits.
        random.saturating_mul(u128::from(MILLION)) >> 56 < u128::from(self.0)
    }
}

impl TryFrom<u32> for Sampling {
    type Error = String;

    fn try_from(parts: u32) -> Result<Self, String> {
        if parts <= MILLION { Ok(Self(parts)) } else { Err(format!("{parts} is more than {MILLION}")) }
    }
}

impl From<Sampling> for u32 {
    fn from(sampling: Sampling) -> Self {
        sampling.0
    }
}

/// A call that has ended.
pub struct Ended {
    /// Its trace.
    pub trace_id: TraceId,
    /// The caller's span.
    pub parent_id: Option<SpanId>,
    /// Its own.
    pub own: OwnSpan,
    /// `package.Service/Method`; none for one that there is not.
    pub method: Option<Arc<str>>,
    /// By which the log knows it.
    pub request_id: String,
    /// How it ended, as the specification of gRPC writes it.
    pub code: &'static str,
    /// Whether that is the server's fault.
    pub is_fault: bool,
    /// The stable reason of an error.
    pub reason: Option<&'static str>,
    /// How many commands it brought.
    pub commands: Option<u32>,
    /// How long it took.
    pub took: Duration,
}

/// What became of spans.
#[derive(Debug, Default)]
struct Counts {
    exported: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// Where calls stand in traces, and where those that ended go.
pub struct Traces {
    sampling: Sampling,
    /// Ids from numbers: no two of one process are the same, and hardly two of any.
    ids: SipHasher13,
    next: AtomicU64,
    waiting: mpsc::Sender<Ended>,
    counts: Arc<Counts>,
}

impl Traces {
    /// Nothing is exported before what is given runs.
    pub fn new(collector: Collector, sampling: Sampling) -> (Self, Export) {
        let mut key = [0; 16];
        // Without random bytes ids repeat after a restart, which confuses a reader of traces and nobody else.
        let _ = getrandom::fill(&mut key);
        let (waiting, ended) = mpsc::channel(WAITING_MAX);
        let counts = Arc::<Counts>::default();
        let export = Export::new(collector, ended, Arc::clone(&counts));
        let ids = SipHasher13::new_with_key(&key);
        (Self { sampling, ids, next: AtomicU64::new(0), waiting, counts }, export)
    }

    /// Where a call stands that begins now: in its caller's trace, or in one of its own, or in none. What the caller has decided
    /// about its trace is decided.
    pub fn begin(&self, caller: Option<TraceParent>) -> Option<Place> {
        let own = || OwnSpan { id: SpanId::new(self.number().1), began: SystemClock.now() };
        if let Some(caller) = caller {
            let own = caller.is_sampled.then(own);
            return Some(Place { own, ..Place::from(caller) });
        }
        let (high, low) = self.number();
        let trace_id = TraceId::new(u128::from(high) << 64 | u128::from(low));
        self.sampling.takes(trace_id).then(|| Place { trace_id, parent_id: None, own: Some(own()) })
    }

    /// Takes a call that has ended. It waits for nothing.
    pub fn end(&self, call: Ended) {
        if self.waiting.try_send(call).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many spans were exported, were dropped because too many waited, and were not taken by the collector.
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        let Counts { exported, dropped, failed } = &*self.counts;
        [("exported", exported), ("dropped", dropped), ("failed", failed)]
            .map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)))
    }

    fn number(&self) -> (u64, u64) {
        self.ids.hash(&self.next.fetch_add(1, Ordering::Relaxed).to_le_bytes()).as_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_a_million_are_sampled() {
        let sampled = |parts: u32, random: u128| Sampling::try_from(parts).unwrap().takes(TraceId::new(random));
        let (least, most) = (1_u128 << 127, u128::MAX);
        for (parts, random, expected) in [
            (0, least, false),
            (0, most, false),
            (1, least, true),
            (1, most, false),
            (500_000, (1 << 55) - 1, true),
            (500_000, 1 << 55, false),
            (999_999, most, false),
            (1_000_000, most, true),
        ] {
            assert_eq!(sampled(parts, random), expected, "{parts} {random:x}");
        }
        assert!(Sampling::try_from(1_000_001).is_err());
    }
}
