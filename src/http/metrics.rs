//! How a service gets on, as Prometheus text. What can be counted when asked is counted then, so that posting pays nothing for
//! it; no name of an account, a fund or a person is in it.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::grpc::node::{Lag, Node};
use crate::grpc::observed::{Observed, Recorded, Running, Standing};
use crate::ledger::QUEUED_COMMANDS_MAX;
use crate::ledger::clock::{Clock, SystemClock};
use crate::ledger::counts::{Meters, Tally};
use crate::log::Fault;
use crate::traces::Traces;

const POSITION: &str = "fundledger_position_sequence";
const LAG: &str = "fundledger_lag_events";
const READ_ONLY: &str = "fundledger_read_only";
const REFUSED: &str = "fundledger_refused_total";
const WITNESS_ALARM: &str = "fundledger_witness_alarm";
const EVENTS: &str = "fundledger_events_total";
const COMMANDS: &str = "fundledger_commands_total";
const REFUSALS: &str = "fundledger_refusals_total";
const REQUESTS: &str = "fundledger_requests_total";
const REQUEST_DURATION: &str = "fundledger_request_duration_seconds";
const QUEUE: &str = "fundledger_queue_commands";
const QUEUE_MAX: &str = "fundledger_queue_commands_max";
const FLUSH_DURATION: &str = "fundledger_flush_duration_seconds";
const GROUP: &str = "fundledger_group_events";
const CHECKPOINT_AGE: &str = "fundledger_checkpoint_age_seconds";
const WITNESS_AGE: &str = "fundledger_witness_age_seconds";
const SNAPSHOT_AGE: &str = "fundledger_snapshot_age_events";
const LOG_BYTES: &str = "fundledger_log_bytes";
const DISK_FREE: &str = "fundledger_disk_free_bytes";
const HEALTH: &str = "fundledger_health";
const BUILD: &str = "fundledger_build_info";
const START: &str = "fundledger_start_time_seconds";
const SUBSCRIBERS: &str = "fundledger_subscribers";
const CONNECTIONS: &str = "fundledger_connections";
const SPANS: &str = "fundledger_spans_total";
const CLOCK_BEHIND: &str = "fundledger_clock_behind_seconds";
const CLOCK_STEPS: &str = "fundledger_clock_steps_total";
const NEXT_UPDATE: &str = "fundledger_revocation_list_next_update_seconds";

const NANOS_A_SECOND: i64 = 1_000_000_000;

/// From a lone post in memory to a reader that waits for the slowest disk.
const SECONDS: [f64; 15] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
/// From a lone post to two full requests.
const EVENTS_A_GROUP: [f64; 9] = [1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 8_192.0, 16_384.0];

/// Gathers metrics, for one service.
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
}

impl Metrics {
    /// Nothing is gathered yet. The start of the program is now.
    pub fn new() -> Result<Self, Fault> {
        let failed = |error| Fault::new("describing metrics", error);
        let full = |name: &str| Matcher::Full(name.to_owned());
        let builder =
            PrometheusBuilder::new().set_buckets_for_metric(full(REQUEST_DURATION), &SECONDS).map_err(failed)?;
        let builder = builder.set_buckets_for_metric(full(FLUSH_DURATION), &SECONDS).map_err(failed)?;
        let builder = builder.set_buckets_for_metric(full(GROUP), &EVENTS_A_GROUP).map_err(failed)?;
        let recorder = Arc::new(builder.build_recorder());
        let handle = recorder.handle();
        metrics::with_local_recorder(recorder.as_ref(), || {
            describe();
            gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            gauge!(START).set(Duration::from_nanos(SystemClock.now().0.unsigned_abs()).as_secs_f64());
        });
        Ok(Self { recorder, handle })
    }

    /// Where a service records what cannot be counted when asked.
    pub fn recorded(&self) -> Recorded {
        let recorder = Arc::clone(&self.recorder);
        let call_seconds = Box::new(move |method: &str| -> Histogram {
            metrics::with_local_recorder(
                recorder.as_ref(),
                || histogram!(REQUEST_DURATION, "method" => method.to_owned()),
            )
        });
        let ledger = metrics::with_local_recorder(self.recorder.as_ref(), || Meters {
            flush_seconds: histogram!(FLUSH_DURATION),
            group_events: histogram!(GROUP),
        });
        Recorded { ledger, call_seconds }
    }

    /// Takes in what histograms have gathered.
    pub(super) fn sum_up(&self) {
        self.handle.run_upkeep();
    }

    /// Everything, as it is now. Blocks.
    pub(super) fn render(&self, observed: &Observed) -> String {
        metrics::with_local_recorder(self.recorder.as_ref(), || {
            let standing = observed.standing();
            for state in Standing::ALL {
                gauge!(HEALTH, "state" => state.name()).set(if state == standing { 1.0 } else { 0.0 });
            }
            gauge!(QUEUE_MAX).set(as_float(QUEUED_COMMANDS_MAX));
            for (method, code, count) in observed.finished() {
                counter!(REQUESTS, "method" => method.to_owned(), "code" => code).absolute(count);
            }
            for (outcome, count) in observed.traces().map(Traces::counts).into_iter().flatten() {
                counter!(SPANS, "outcome" => outcome).absolute(count);
            }
            if let Some(running) = observed.running() {
                of_running(running);
            }
        });
        self.handle.render()
    }
}

fn describe() {
    describe_gauge!(POSITION, Unit::Count, "The last event that a part has: sequence; -1 for none.");
    describe_gauge!(LAG, Unit::Count, "How many committed events a derived part does not have yet.");
    describe_gauge!(WITNESS_ALARM, "1 where payments wait for witnesses, or went on without them, for too long.");
    describe_counter!(REFUSED, Unit::Count, "Refused on grounds of authority: handshakes, identities, roles.");
    describe_gauge!(READ_ONLY, "1 where nothing can be posted until a restart.");
    describe_counter!(EVENTS, Unit::Count, "Events that were committed.");
    describe_counter!(COMMANDS, Unit::Count, "Commands, by what became of them.");
    describe_counter!(REFUSALS, Unit::Count, "Refusals and errors that were told, by reason.");
    describe_counter!(REQUESTS, Unit::Count, "Calls that are finished.");
    describe_histogram!(REQUEST_DURATION, Unit::Seconds, "How long calls took, to the end of their answers.");
    describe_gauge!(QUEUE, Unit::Count, "Commands that wait for the writer.");
    describe_gauge!(QUEUE_MAX, Unit::Count, "The most commands that may wait.");
    describe_histogram!(FLUSH_DURATION, Unit::Seconds, "How long writing and syncing a group took.");
    describe_histogram!(GROUP, Unit::Count, "Events of a group.");
    describe_gauge!(CHECKPOINT_AGE, Unit::Seconds, "How long ago the newest checkpoint was signed.");
    describe_gauge!(WITNESS_AGE, Unit::Seconds, "How long ago the newest checkpoint was cosigned by enough witnesses.");
    describe_gauge!(SNAPSHOT_AGE, Unit::Count, "Events after the newest snapshot: a start after kill -9 replays them.");
    describe_gauge!(LOG_BYTES, Unit::Bytes, "Bytes of the log's files.");
    describe_gauge!(DISK_FREE, Unit::Bytes, "Bytes that are free on the ledger's disk.");
    describe_gauge!(HEALTH, "1 for how the service stands.");
    describe_gauge!(BUILD, "1 for the version that runs.");
    describe_gauge!(START, Unit::Seconds, "When the program started, in seconds since 1970.");
    describe_gauge!(SUBSCRIBERS, Unit::Count, "Open subscriptions.");
    describe_counter!(SPANS, Unit::Count, "Spans of calls, by what became of them.");
    describe_gauge!(CONNECTIONS, Unit::Count, "Open connections.");
    describe_gauge!(CLOCK_BEHIND, Unit::Seconds, "How far the machine's clock is behind the last event.");
    describe_counter!(CLOCK_STEPS, Unit::Count, "How often the machine's clock was set.");
    describe_gauge!(NEXT_UPDATE, Unit::Seconds, "When the revocation list is to be replaced, in seconds since 1970.");
}

fn of_running(Running { node, connections, subscribers, tls }: &Running) {
    let lag = node.lag();
    for (part, sequence) in parts(&lag) {
        gauge!(POSITION, "part" => part).set(sequence_as_float(sequence));
        if part != COMMITTED {
            let behind = lag.committed_sequence.saturating_sub(sequence).max(0);
            gauge!(LAG, "part" => part).set(sequence_as_float(behind));
        }
    }
    gauge!(WITNESS_ALARM).set(if node.witness_alarm().is_raised() { 1.0 } else { 0.0 });
    for (kind, count) in node.refused().counts() {
        counter!(REFUSED, "kind" => kind).absolute(count);
    }
    gauge!(CONNECTIONS).set(as_float(connections.taken()));
    gauge!(SUBSCRIBERS).set(as_float(subscribers.taken()));
    gauge!(CLOCK_BEHIND).set(node.clock_behind().as_secs_f64());
    counter!(CLOCK_STEPS).absolute(node.clock_steps().count());
    let next_update = tls.as_ref().and_then(|tls| tls.next_update());
    gauge!(NEXT_UPDATE).set(next_update.map_or(f64::NAN, |at| sequence_as_float(at.0 / NANOS_A_SECOND)));
    of_ledger(node);
    of_storage(node);
}

fn of_ledger(node: &Node) {
    let ledger = node.ledger();
    gauge!(READ_ONLY).set(if ledger.read_only().is_some() { 1.0 } else { 0.0 });
    counter!(EVENTS).absolute(ledger.events_committed());
    let Tally { accepted, replayed, refused, key_reused, valid } = ledger.counts().tally();
    for (outcome, count) in [
        ("accepted", accepted),
        ("replayed", replayed),
        ("refused", refused),
        ("key_reused", key_reused),
        ("valid", valid),
    ] {
        counter!(COMMANDS, "outcome" => outcome).absolute(count);
    }
    for (reason, count) in ledger.counts().reasons() {
        counter!(REFUSALS, "reason" => reason.as_str()).absolute(count);
    }
    gauge!(QUEUE).set(as_float(ledger.queued_commands()));
    gauge!(SNAPSHOT_AGE).set(sequence_as_float(ledger.events_since_snapshot()));
}

fn of_storage(node: &Node) {
    let storage = node.storage();
    // Not a number, where there is none: what is absent once would otherwise stay as it was.
    let seconds = |age: Option<Duration>| age.map_or(f64::NAN, |age| age.as_secs_f64());
    gauge!(CHECKPOINT_AGE).set(seconds(storage.checkpoint_age));
    gauge!(WITNESS_AGE).set(seconds(storage.witness_age));
    gauge!(LOG_BYTES).set(storage.log_bytes.map_or(f64::NAN, bytes_as_float));
    gauge!(DISK_FREE).set(storage.free_bytes.map_or(f64::NAN, bytes_as_float));
}

const COMMITTED: &str = "log";

fn parts(lag: &Lag) -> [(&'static str, i64); 7] {
    [
        (COMMITTED, lag.committed_sequence),
        ("views", lag.views_sequence),
        ("index", lag.index_sequence),
        ("index_files", lag.index_stored_sequence),
        ("entries", lag.entries_sequence),
        ("checkpoint", lag.signed_sequence),
        ("witnesses", lag.witnessed_sequence),
    ]
}

/// Prometheus knows one kind of number; a sequence is exact in it up to 2^53.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a metric may be rounded")]
const fn sequence_as_float(sequence: i64) -> f64 {
    sequence as f64
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a metric may be rounded")]
const fn bytes_as_float(bytes: u64) -> f64 {
    bytes as f64
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a metric may be rounded")]
const fn as_float(count: usize) -> f64 {
    count as f64
}
