//! What a part of the ledger costs: the same load on fresh ledgers with it and without it, in turns, told as a ratio.

use std::io::Write;

use serde_json::json;

use super::mix::{all, median, thousandths};
use super::{BenchArgs, Format, Part, Temporary, drive};
use crate::cli::{Failure, Globals, Lang};
use crate::messages::cli as text;

/// Turns of each.
const TURNS: usize = 5;
/// The least that the ledger with the part has to reach, in thousandths of the one without.
const LEAST_PER_MILLE: u128 = 900;

/// What was seen.
pub(super) struct Figures {
    with: Vec<u128>,
    without: Vec<u128>,
    /// The longest that an acknowledged event was not under a checkpoint, of all turns; microseconds.
    covered_max_us: u128,
}

/// Loads fresh ledgers in turns.
pub(super) async fn run(globals: &Globals, args: &BenchArgs) -> Result<Figures, Failure> {
    let mut figures = Figures { with: Vec::new(), without: Vec::new(), covered_max_us: 0 };
    for turn in 0..TURNS {
        // Who begins changes from turn to turn.
        let parts = [Part::On, Part::Off];
        let order = if turn % 2 == 0 { parts } else { [Part::Off, Part::On] };
        for checkpoints in order {
            let temporary = Temporary::start(args.data.as_deref(), checkpoints, None, globals.lang).await?;
            let globals = Globals { server: Some(temporary.url.clone()), ..globals.clone() };
            let seen = drive(&globals, args, None, checkpoints, None).await;
            temporary.stop().await?;
            let seen = seen?;
            let rate = seen.measured.events_per_second();
            match checkpoints {
                Part::On => figures.with.push(rate),
                Part::Off => figures.without.push(rate),
            }
            figures.covered_max_us = figures.covered_max_us.max(seen.covered.map_or(0, |covered| covered.as_micros()));
        }
    }
    Ok(figures)
}

impl Figures {
    fn per_mille(&self) -> u128 {
        median(&self.with).saturating_mul(1_000).checked_div(median(&self.without)).unwrap_or_default()
    }

    pub(super) fn write(
        &self,
        format: Format,
        args: &BenchArgs,
        lang: Lang,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        if format == Format::Json {
            let figures = json!({
                "compared": "checkpoints",
                "events": args.events,
                "batch": args.batch,
                "clients": args.clients,
                "events_per_second": median(&self.with),
                "turns": self.with,
                "without_events_per_second": median(&self.without),
                "without_turns": self.without,
                "ratio_per_mille": self.per_mille(),
                "covered_max_us": self.covered_max_us,
            });
            writeln!(out, "{figures}")?;
            return Ok(());
        }
        writeln!(out, "{}", text::bench_compare(lang, args.batch, args.clients, args.events, TURNS))?;
        writeln!(out, "{}", text::bench_compare_with(lang, median(&self.with), all(&self.with)))?;
        writeln!(out, "{}", text::bench_compare_without(lang, median(&self.without), all(&self.without)))?;
        let word = if self.per_mille() >= LEAST_PER_MILLE { text::word_yes(lang) } else { text::word_no(lang) };
        let (least, ratio) = (thousandths(LEAST_PER_MILLE), thousandths(self.per_mille()));
        writeln!(out, "{}", text::bench_mix_ratio(lang, least, ratio, word))?;
        writeln!(out, "{}: {}", text::bench_covered(lang), text::bench_micros(lang, self.covered_max_us))?;
        Ok(())
    }
}
