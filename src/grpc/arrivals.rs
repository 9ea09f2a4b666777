//! Requests that have begun to come and are not there yet. Headers of hundreds of requests come before the first of their
//! bodies does; if each were let in because nothing waits yet, all those bodies would be read, and most refused then: reading
//! them would take the time of what was accepted. So where much waits already, what has been let in counts as if it were there,
//! for as much as the smallest of the latest requests brought: where small ones come among large ones, nothing is refused for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::ledger::QUEUED_COMMANDS_MAX;

/// Where there would be room for fewer commands than this, requests are refused unread.
const SPARE: usize = 4_096;
/// A request counts for one to two of these: a client that begins many and never goes on keeps nobody out for longer.
const PERIOD: Duration = Duration::from_millis(64);
/// Where there is room for more than this, what is on its way does not count.
const AMPLE: usize = QUEUED_COMMANDS_MAX / 4 * 3;
/// Requests by which is told what the next ones bring.
const REQUESTS_REMEMBERED: usize = 16;

/// What is on its way, over all connections.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// Room that the latest requests took, in turn.
    latest: [AtomicUsize; REQUESTS_REMEMBERED],
    next: AtomicUsize,
    expected: Mutex<Expected>,
    began: Instant,
}

/// Room that is expected to be taken, by those that began in this period and the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Expected {
    period: u128,
    now: usize,
    before: usize,
}

impl Expected {
    fn move_to(&mut self, period: u128) {
        if period > self.period {
            self.before = if period == self.period.saturating_add(1) { self.now } else { 0 };
            self.now = 0;
            self.period = period;
        }
    }
}

/// A request that was let in and has not come whole.
#[derive(Debug)]
pub(super) struct Arriving {
    arrivals: Arc<Arrivals>,
    period: u128,
    expected: usize,
}

impl Default for Arrivals {
    fn default() -> Self {
        let latest = std::array::from_fn(|_| AtomicUsize::new(1));
        Self { latest, next: AtomicUsize::default(), expected: Mutex::default(), began: Instant::now() }
    }
}

impl Arrivals {
    /// Lets a request in, where there is room for it besides those on their way.
    pub(super) fn admit(self: &Arc<Self>, room: usize, now: Instant) -> Option<Arriving> {
        let period = now.saturating_duration_since(self.began).as_millis().checked_div(PERIOD.as_millis());
        let period = period.unwrap_or_default();
        let mut expected = self.expected();
        expected.move_to(period);
        let on_their_way = if room > AMPLE { 0 } else { expected.now.saturating_add(expected.before) };
        if room.saturating_sub(on_their_way) < SPARE {
            return None;
        }
        let usual = self.usual();
        expected.now = expected.now.saturating_add(usual);
        let period = expected.period;
        drop(expected);
        Some(Arriving { arrivals: Arc::clone(self), period, expected: usual })
    }

    /// What the next request will bring at least, as far as can be told.
    fn usual(&self) -> usize {
        self.latest.iter().map(|room| room.load(Ordering::Relaxed)).min().unwrap_or(1)
    }

    fn expected(&self) -> MutexGuard<'_, Expected> {
        // Numbers that are as good as before, whoever panicked meanwhile.
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arriving {
    /// It has come: so much room it takes.
    pub(super) fn came(self, room: usize) {
        let at = self.arrivals.next.fetch_add(1, Ordering::Relaxed) % REQUESTS_REMEMBERED;
        if let Some(latest) = self.arrivals.latest.get(at) {
            latest.store(room, Ordering::Relaxed);
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let mut expected = self.arrivals.expected();
        let Expected { period, now, before } = &mut *expected;
        if self.period == *period {
            *now = now.saturating_sub(self.expected);
        } else if self.period.saturating_add(1) == *period {
            *before = before.saturating_sub(self.expected);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the latest requests brought so much each.
    fn arrivals(usual: usize) -> (Arc<Arrivals>, Instant) {
        let arrivals = Arc::new(Arrivals::default());
        for _ in 0..REQUESTS_REMEMBERED {
            arrivals.admit(QUEUED_COMMANDS_MAX, arrivals.began).unwrap().came(usual);
        }
        let began = arrivals.began;
        (arrivals, began)
    }

    #[test]
    fn what_is_on_its_way_takes_room_where_much_waits() {
        let (arrivals, now) = arrivals(1_000);
        let mut let_in = Vec::new();
        while let Some(arriving) = arrivals.admit(AMPLE, now) {
            let_in.push(arriving);
        }
        // The last is let in while there is just room for so many.
        assert_eq!(let_in.len(), (AMPLE - SPARE) / 1_000 + 1);
        // One that comes, or goes, makes place for one.
        let_in.pop().unwrap().came(1_000);
        let one = arrivals.admit(AMPLE, now);
        assert!(one.is_some() && arrivals.admit(AMPLE, now).is_none());
        drop(one);
        let_in.push(arrivals.admit(AMPLE, now).unwrap());
        assert!(arrivals.admit(AMPLE, now).is_none());
        // Where little waits it does not count.
        assert!(arrivals.admit(AMPLE + 1, now).is_some());
        drop(let_in);
        assert!(arrivals.admit(SPARE, now).is_some());
        assert!(arrivals.admit(SPARE - 1, now).is_none());
    }

    /// Hundreds of small requests at a time, after large ones: none is refused for what the large ones brought.
    #[test]
    fn small_requests_are_not_taken_for_large_ones() {
        let (after_large, now) = arrivals(4_096);
        let let_in: Vec<_> = (0..1_000).map_while(|_| after_large.admit(QUEUED_COMMANDS_MAX, now)).collect();
        assert_eq!(let_in.len(), 1_000);
        let (among_large, now) = arrivals(8_192);
        among_large.admit(QUEUED_COMMANDS_MAX, now).unwrap().came(1);
        let let_in: Vec<_> = (0..1_000).map_while(|_| among_large.admit(AMPLE, now)).collect();
        assert_eq!(let_in.len(), 1_000);
    }

    #[test]
    fn whoever_never_goes_on_keeps_nobody_out_for_long() {
        let (arrivals, began) = arrivals(QUEUED_COMMANDS_MAX);
        let idle = arrivals.admit(AMPLE, began).unwrap();
        for (later, is_let_in) in [(0, false), (1, false), (2, true)] {
            let now = began + PERIOD * later;
            assert_eq!(arrivals.admit(AMPLE, now).is_some(), is_let_in, "{later} periods later");
        }
        // What it takes back then is nothing of anybody else's.
        let now = began + PERIOD * 2;
        let other = arrivals.admit(AMPLE, now).unwrap();
        drop(idle);
        assert!(arrivals.admit(AMPLE, now).is_none());
        drop(other);
        assert!(arrivals.admit(AMPLE, now).is_some());
    }
}
