//! A mix of families against one of them, in the same run on the same ledger: in turns, so that a busy disk is busy for
//! both, and told as a ratio, which it hardly moves.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::city;
use super::load::{self, Load};
use super::workload::{Requests, Workload};
use super::{BenchArgs, Format, LAG_MAX, head, probe};
use crate::cli::connect::Connection;
use crate::cli::{Failure, Globals, Lang};
use crate::messages::cli as text;

/// Turns of each.
const TURNS: u64 = 5;
/// The least that the mix has to reach, in thousandths of the single family's events a second.
const LEAST_PER_MILLE: u128 = 700;

/// What was seen.
pub(super) struct Figures {
    city: Vec<u128>,
    single: Vec<u128>,
    lag: Duration,
    last_sequence: i64,
    head: String,
    probes: Option<(Duration, Duration)>,
}

/// Sets both up, then loads the ledger with them in turns.
pub(super) async fn drive(globals: &Globals, args: &BenchArgs, directory: Option<&Path>) -> Result<Figures, Failure> {
    let connection = Connection::new(globals)?;
    let city = city::shared(args)?;
    let single = Workload::payments(args.accounts, args.lots)?;
    load::post_all(&connection, city.set_up()).await?;
    let set_up = load::post_all(&connection, single.set_up()).await?;
    let before = head(&connection, set_up).await?;
    let probe_before = directory.map(probe).transpose()?;
    let (city, single): (Arc<dyn Requests>, Arc<dyn Requests>) = (city, Arc::new(single));
    let events = args.events / TURNS;
    let mut rates = [Vec::new(), Vec::new()];
    for turn in 0..TURNS {
        let load = Load {
            clients: args.clients,
            batch: args.batch,
            first: turn.saturating_mul(events),
            events,
            shows_progress: globals.shows_progress(),
        };
        // Who begins changes from turn to turn.
        let first = usize::from(turn % 2 == 0);
        for at in [first, 1_usize.saturating_sub(first)] {
            let workload = if at == 0 { &single } else { &city };
            let rate = load.run(&connection, workload, &Arc::default()).await?.events_per_second();
            rates.get_mut(at).into_iter().for_each(|rates| rates.push(rate));
        }
    }
    let posted = events.saturating_mul(TURNS).saturating_mul(2);
    let expected = before.sequence.saturating_add(i64::try_from(posted).unwrap_or(i64::MAX));
    let waited = Instant::now();
    let after = head(&connection, expected).await?;
    let lag = waited.elapsed();
    if after.sequence != expected {
        return Err(Failure::Refused(text::bench_head_differs(globals.lang, expected, after.sequence)));
    }
    if lag > LAG_MAX {
        let (lag, allowed) = (format!("{lag:?}"), format!("{LAG_MAX:?}"));
        return Err(Failure::Refused(text::bench_views_behind(globals.lang, allowed, lag)));
    }
    let probe_after = directory.map(probe).transpose()?;
    let [single, city] = rates;
    let head = crate::cli::render::hex(&after.entry_hash);
    Ok(Figures { city, single, lag, last_sequence: after.sequence, head, probes: probe_before.zip(probe_after) })
}

/// A number of thousandths, as people write it.
pub(super) fn thousandths(number: u128) -> String {
    format!("{}.{:03}", number / 1_000, number % 1_000)
}

/// The turns, one after another.
pub(super) fn all(rates: &[u128]) -> String {
    rates.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

pub(super) fn median(rates: &[u128]) -> u128 {
    let mut sorted = rates.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

impl Figures {
    /// The mix's events a second in thousandths of the single family's.
    fn per_mille(&self) -> u128 {
        median(&self.city).saturating_mul(1_000).checked_div(median(&self.single)).unwrap_or_default()
    }

    pub(super) fn write(
        &self,
        format: Format,
        args: &BenchArgs,
        lang: Lang,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let ratio = thousandths(self.per_mille());
        if format == Format::Json {
            let figures = json!({
                "mix": "city",
                "events": args.events,
                "batch": args.batch,
                "clients": args.clients,
                "accounts": args.accounts,
                "events_per_second": median(&self.city),
                "turns": self.city,
                "single": "payments",
                "single_events_per_second": median(&self.single),
                "single_turns": self.single,
                "ratio_per_mille": self.per_mille(),
                "views_lag_us": self.lag.as_micros(),
                "last_sequence": self.last_sequence,
                "head": self.head,
                "flush_probe_before_p50_us": self.probes.map(|(before, _)| before.as_micros()),
                "flush_probe_after_p50_us": self.probes.map(|(_, after)| after.as_micros()),
            });
            writeln!(out, "{figures}")?;
            return Ok(());
        }
        writeln!(out, "{}", text::bench_mix(lang, args.batch, args.clients, args.events, TURNS))?;
        writeln!(out, "{}", text::bench_mix_city(lang, median(&self.city), all(&self.city)))?;
        writeln!(out, "{}", text::bench_mix_single(lang, median(&self.single), all(&self.single)))?;
        let reached = self.per_mille() >= LEAST_PER_MILLE;
        let least = thousandths(LEAST_PER_MILLE);
        let word = if reached { text::word_yes(lang) } else { text::word_no(lang) };
        writeln!(out, "{}", text::bench_mix_ratio(lang, least, ratio, word))?;
        writeln!(out, "{}: {}", text::bench_views_lag(lang), text::bench_micros(lang, self.lag.as_micros()))?;
        writeln!(out, "{}: {} {}", text::bench_head(lang), self.last_sequence, self.head)?;
        if let Some((before, after)) = self.probes {
            writeln!(out, "{}", text::bench_probe(lang, after.as_micros(), before.as_micros()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_of_medians() {
        let figures = Figures {
            city: vec![9, 700, 800, 750, 100_000],
            single: vec![1_000, 1, 1_000, 1_000, 9_999],
            lag: Duration::ZERO,
            last_sequence: 0,
            head: String::new(),
            probes: None,
        };
        assert_eq!(figures.per_mille(), 750);
    }
}
