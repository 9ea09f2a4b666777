//! Tells of a clock that was set. Booking times go on growing whatever it says; that they are wrong somebody has to know.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::node::Node;
use crate::domain::time::UtcNanos;
use crate::ledger::clock::{Clock as _, SystemClock};

const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// What is less is nobody's to hear of: a clock that is slewed, a machine that was busy between two looks at it.
const TOLD_FROM_SECONDS: i64 = 5;
const NANOS_A_SECOND: i64 = 1_000_000_000;

/// How often the machine's clock was set since the start, as far as anybody looked.
#[derive(Debug, Default)]
pub struct ClockSteps(AtomicU64);

impl ClockSteps {
    /// The number.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Node {
    /// How far the machine's clock is behind the last event, if it is.
    pub fn clock_behind(&self) -> Duration {
        let behind = self.ledger().booked_at().0.saturating_sub(SystemClock.now().0);
        Duration::from_nanos(u64::try_from(behind).unwrap_or_default())
    }
}

/// Looks at the clock for as long as the ledger runs.
pub(super) async fn tend(node: Arc<Node>) {
    let mut watch = Watch { wall: SystemClock.now(), steady: Instant::now(), is_behind: false };
    let mut interval = tokio::time::interval(LOOK_INTERVAL);
    loop {
        interval.tick().await;
        let step_seconds = watch.step_seconds(SystemClock.now(), Instant::now());
        if let Some(step_seconds) = step_seconds {
            node.clock_steps().0.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(step_seconds, "the machine's clock was set, or the machine stood still");
        }
        let behind_seconds = node.clock_behind().as_secs();
        match watch.turns(behind_seconds) {
            None => {}
            Some(true) => tracing::error!(
                behind_seconds,
                "the machine's clock is behind the last event: until it has caught up, each event is booked a nanosecond after the one before it"
            ),
            Some(false) => tracing::info!("the machine's clock has caught up with the last event"),
        }
    }
}

/// The clock as it was last seen, beside one that nobody sets.
struct Watch {
    wall: UtcNanos,
    steady: Instant,
    is_behind: bool,
}

impl Watch {
    /// By how many seconds the clock was set since the last look, if it was.
    fn step_seconds(&mut self, wall: UtcNanos, steady: Instant) -> Option<i64> {
        let passed = steady.saturating_duration_since(std::mem::replace(&mut self.steady, steady));
        let passed = i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX);
        let shown = wall.0.saturating_sub(std::mem::replace(&mut self.wall, wall).0);
        let step_seconds = shown.saturating_sub(passed).checked_div(NANOS_A_SECOND)?;
        (step_seconds.saturating_abs() >= TOLD_FROM_SECONDS).then_some(step_seconds)
    }

    /// Whether the clock has fallen behind the last event, or caught up with it; nothing where it is as it was.
    fn turns(&mut self, behind_seconds: u64) -> Option<bool> {
        let is_behind = behind_seconds >= TOLD_FROM_SECONDS.unsigned_abs();
        (std::mem::replace(&mut self.is_behind, is_behind) != is_behind).then_some(is_behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_told_from_one_that_goes() {
        let began = Instant::now();
        let mut watch = Watch { wall: UtcNanos(0), steady: began, is_behind: false };
        let (mut steady, mut wall) = (began, 0);
        for (passed, shown, expected) in [
            (1, 1, None),
            (3_600, 3_600, None),
            (1, 5, None),
            (1, 6, Some(5)),
            (1, 157_680_001, Some(157_680_000)),
            (1, -157_679_999, Some(-157_680_000)),
            (1, -3, None),
            (60, 0, Some(-60)),
        ] {
            steady += Duration::from_secs(passed);
            wall += shown * NANOS_A_SECOND;
            assert_eq!(watch.step_seconds(UtcNanos(wall), steady), expected, "{shown} in {passed}");
        }
        let turns = [0, 4, 5, 1_000, 4, 0].map(|behind_seconds| watch.turns(behind_seconds));
        assert_eq!(turns, [None, None, Some(true), None, Some(false), None]);
    }
}
