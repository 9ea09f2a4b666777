//! What a run printed.

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use super::approved::ApprovalsKind;
use super::explain::Explanation;
use super::load::Measured;
use super::readers::{Read, ReadKind};
use super::{BenchArgs, Format};
use crate::cli::{Failure, Lang};
use crate::messages::cli as text;

/// What was seen.
pub(super) struct Figures {
    /// What its lots and accounts are called: `RUN-lot-NUMBER`, `RUN.uNUMBER`.
    pub(super) run: String,
    pub(super) measured: Measured,
    /// How long proposing and approving took, before.
    pub(super) approving: Option<Duration>,
    pub(super) read: Option<Read>,
    pub(super) lag: Duration,
    /// The longest that an acknowledged event was not under a checkpoint.
    pub(super) covered: Option<Duration>,
    pub(super) last_sequence: i64,
    pub(super) head: String,
    pub(super) probe_before: Option<Duration>,
    pub(super) probe_after: Option<Duration>,
    pub(super) disk: Option<(u64, u64)>,
    pub(super) explanation: Option<Explanation>,
}

impl Figures {
    pub(super) fn write(
        &self,
        format: Format,
        args: &BenchArgs,
        lang: Lang,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let measured = &self.measured;
        let rate = measured.events_per_second();
        let probe = |probe: Option<Duration>| probe.map(|probe| probe.as_micros());
        if format == Format::Json {
            let figures = json!({
                "run": self.run,
                "workload": args.workload.name(),
                "events": args.events,
                "batch": args.batch,
                "clients": args.clients,
                "accounts": args.accounts,
                "lots": args.lots,
                "events_per_second": rate,
                "seconds": measured.elapsed.as_secs_f64(),
                "p50_us": measured.percentile_us(50.0),
                "p90_us": measured.percentile_us(90.0),
                "p99_us": measured.percentile_us(99.0),
                "max_us": measured.percentile_us(100.0),
                "views_lag_us": self.lag.as_micros(),
                "covered_max_us": self.covered.map(|covered| covered.as_micros()),
                "last_sequence": self.last_sequence,
                "head": self.head,
                "flush_probe_before_p50_us": probe(self.probe_before),
                "flush_probe_after_p50_us": probe(self.probe_after),
                "log_bytes": self.disk.map(|(bytes, _)| bytes),
                "approvals": args.approvals.name(),
                "approving_seconds": self.approving.map(|took| took.as_secs_f64()),
                "readers": args.readers,
                "read": self.read.as_ref().map(Read::json),
                "features": features(args.approvals),
                "off": off(args.approvals),
                "explained": self.explanation.as_ref().map(Explanation::json),
            });
            writeln!(out, "{figures}")?;
            return Ok(());
        }
        let workload = args.workload.name();
        writeln!(out, "{}", text::bench_load(lang, args.batch, args.clients, args.events, workload))?;
        writeln!(out, "{}", text::bench_over(lang, args.accounts, args.lots))?;
        let mut rows = vec![("events/s".to_owned(), rate.to_string())];
        for (name, percentile) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("max", 100.0)] {
            rows.push((name.to_owned(), text::bench_latency(lang, measured.percentile_us(percentile))));
        }
        rows.push((text::bench_views_lag(lang), text::bench_micros(lang, self.lag.as_micros())));
        if let Some(covered) = self.covered {
            rows.push((text::bench_covered(lang), text::bench_micros(lang, covered.as_micros())));
        }
        if let Some((bytes, entries)) = self.disk {
            let each = bytes.checked_div(entries).unwrap_or_default();
            rows.push((text::bench_log(lang), text::bench_log_bytes(lang, bytes, each)));
        }
        if let Some(took) = self.approving {
            rows.push((text::bench_approving(lang), format!("{:.1} s", took.as_secs_f64())));
        }
        for (name, reads, p50, p99) in self.read.iter().flat_map(Read::rows) {
            let name = match name {
                ReadKind::Empty => text::bench_read_empty(lang),
                ReadKind::Balance => text::bench_read_balance(lang),
                ReadKind::Statement => text::bench_read_statement(lang),
            };
            rows.push((name, text::bench_reads(lang, reads, p50, p99)));
        }
        rows.push((text::bench_head(lang), format!("{} {}", self.last_sequence, self.head)));
        for (name, figure) in rows {
            writeln!(out, "{name}: {figure}")?;
        }
        if let (Some(before), Some(after)) = (self.probe_before, self.probe_after) {
            writeln!(out, "{}", text::bench_probe(lang, after.as_micros(), before.as_micros()))?;
        }
        writeln!(
            out,
            "{}",
            text::bench_features(lang, features(args.approvals).join(", "), off(args.approvals).join(", "))
        )?;
        match &self.explanation {
            Some(explanation) => explanation.write(lang, out),
            None => Ok(()),
        }
    }
}

/// What the measured path does.
const FEATURES: [&str; 10] = [
    "durable answers",
    "domain rules",
    "hash chain",
    "idempotency",
    "keyed payee pseudonyms",
    "balances view",
    "history index",
    "copy of the entries",
    "Merkle tree",
    "checkpoints",
];
/// What it does without: nobody reads tiles or is asked to cosign.
const OFF: [&str; 2] = ["tiles over HTTP", "witnesses"];
const SIGNED: &str = "signed approvals";

fn features(approvals: ApprovalsKind) -> Vec<&'static str> {
    let signed = match approvals {
        ApprovalsKind::Named => None,
        ApprovalsKind::Batch => Some("signed approvals, one a batch"),
        ApprovalsKind::Each => Some("signed approvals, one a command"),
    };
    FEATURES.into_iter().chain(signed).collect()
}

fn off(approvals: ApprovalsKind) -> Vec<&'static str> {
    (approvals == ApprovalsKind::Named).then_some(SIGNED).into_iter().chain(OFF).collect()
}
