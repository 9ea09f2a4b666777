//! The only reader of the time.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::time::UtcNanos;

/// Gives booking times.
pub trait Clock: Send {
    /// Now. It may step back; the writer sees to it that booking times do not.
    fn now(&self) -> UtcNanos;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that is passed in everywhere else")]
    fn now(&self) -> UtcNanos {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UtcNanos(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still, for tests.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub UtcNanos);

impl Clock for FixedClock {
    fn now(&self) -> UtcNanos {
        self.0
    }
}
