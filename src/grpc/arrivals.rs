//! Requests that have begun to come and are not there yet. Headers of hundreds of requests come before the first of their
//! bodies does; if each were let in because nothing waits yet, all those bodies would be read, and most refused then: reading
//! them would take the time of what was accepted. So what has been let in counts as if it were there already, by what requests
//! have brought of late.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::ledger::QUEUED_COMMANDS_MAX;

/// Where there would be room for fewer commands than this, requests are refused unread.
const SPARE: usize = 4_096;
/// A request counts for one to two of these: a client that begins many and never goes on keeps nobody out for longer.
const PERIOD: Duration = Duration::from_millis(64);
/// Weight of the latest request in what is usual: one in this many.
const REQUESTS_REMEMBERED: usize = 8;

/// What is on its way, over all connections.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// Room that a request has taken of late.
    usual: AtomicUsize,
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
        Self { usual: AtomicUsize::new(1), expected: Mutex::default(), began: Instant::now() }
    }
}

impl Arrivals {
    /// Lets a request in, where there is room for it besides those on their way.
    pub(super) fn admit(self: &Arc<Self>, room: usize, now: Instant) -> Option<Arriving> {
        let period = now.saturating_duration_since(self.began).as_millis().checked_div(PERIOD.as_millis());
        let period = period.unwrap_or_default();
        let mut expected = self.expected();
        expected.move_to(period);
        if room.saturating_sub(expected.now).saturating_sub(expected.before) < SPARE {
            return None;
        }
        let usual = self.usual.load(Ordering::Relaxed);
        expected.now = expected.now.saturating_add(usual);
        let period = expected.period;
        drop(expected);
        Some(Arriving { arrivals: Arc::clone(self), period, expected: usual })
    }

    fn expected(&self) -> MutexGuard<'_, Expected> {
        // Numbers that are as good as before, whoever panicked meanwhile.
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arriving {
    /// It has come: so much room it takes.
    pub(super) fn came(self, room: usize) {
        let weighed = |usual: usize| {
            let others = usual.saturating_mul(REQUESTS_REMEMBERED.saturating_sub(1));
            others.saturating_add(room.min(QUEUED_COMMANDS_MAX)).div_ceil(REQUESTS_REMEMBERED)
        };
        let usual = &self.arrivals.usual;
        // Of two at a time one is forgotten, which does no harm.
        usual.store(weighed(usual.load(Ordering::Relaxed)), Ordering::Relaxed);
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

    fn arrivals(usual: usize) -> (Arc<Arrivals>, Instant) {
        let arrivals = Arrivals { usual: AtomicUsize::new(usual), ..Arrivals::default() };
        let began = arrivals.began;
        (Arc::new(arrivals), began)
    }

    #[test]
    fn what_is_on_its_way_takes_room() {
        let (arrivals, now) = arrivals(1_000);
        let room = QUEUED_COMMANDS_MAX;
        let mut let_in = Vec::new();
        while let Some(arriving) = arrivals.admit(room, now) {
            let_in.push(arriving);
        }
        // The last is let in while there is just room for so many.
        assert_eq!(let_in.len(), (room - SPARE) / 1_000 + 1);
        // One that comes, or goes, makes place for one.
        let_in.pop().unwrap().came(1_000);
        let one = arrivals.admit(room, now);
        assert!(one.is_some() && arrivals.admit(room, now).is_none());
        drop(one);
        let_in.push(arrivals.admit(room, now).unwrap());
        assert!(arrivals.admit(room, now).is_none());
        drop(let_in);
        assert!(arrivals.admit(SPARE, now).is_some());
        assert!(arrivals.admit(SPARE - 1, now).is_none());
    }

    #[test]
    fn whoever_never_goes_on_keeps_nobody_out_for_long() {
        let (arrivals, began) = arrivals(QUEUED_COMMANDS_MAX);
        let idle = arrivals.admit(QUEUED_COMMANDS_MAX, began).unwrap();
        for (later, is_let_in) in [(0, false), (1, false), (2, true)] {
            let now = began + PERIOD * later;
            assert_eq!(arrivals.admit(QUEUED_COMMANDS_MAX, now).is_some(), is_let_in, "{later} periods later");
        }
        // What it takes back then is nothing of anybody else's.
        let now = began + PERIOD * 2;
        let other = arrivals.admit(QUEUED_COMMANDS_MAX, now).unwrap();
        drop(idle);
        assert!(arrivals.admit(QUEUED_COMMANDS_MAX, now).is_none());
        drop(other);
        assert!(arrivals.admit(QUEUED_COMMANDS_MAX, now).is_some());
    }

    #[test]
    fn what_is_usual_follows_what_comes() {
        let (arrivals, now) = arrivals(1);
        let usual = || arrivals.usual.load(Ordering::Relaxed);
        for _ in 0..100 {
            arrivals.admit(QUEUED_COMMANDS_MAX, now).unwrap().came(8_192);
        }
        assert_eq!(usual(), 8_192);
        for _ in 0..100 {
            arrivals.admit(QUEUED_COMMANDS_MAX, now).unwrap().came(usize::MAX);
        }
        assert_eq!(usual(), QUEUED_COMMANDS_MAX);
        for _ in 0..200 {
            arrivals.admit(QUEUED_COMMANDS_MAX, now).unwrap().came(1);
        }
        assert!(usual() <= 8, "{}", usual());
    }
}
