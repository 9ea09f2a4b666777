//! Requests that have begun to come and are not there yet. Headers of hundreds of requests come before the first of their
//! bodies does; if each were let in because nothing waits yet, all those bodies would be read, and most refused then: reading
//! them would take the time of what was accepted. A message says first how long it is, and so about how many commands it
//! brings: where much waits already, what has been let in counts as if it were there.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body::{Body, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body as TonicBody;
use tonic::codegen::Bytes;

use super::intake::message_bytes;
use crate::ledger::{Ledger, QUEUED_COMMANDS_MAX};

/// Where there would be room for fewer commands than this, requests are refused unread.
const SPARE: usize = 4_096;
/// A request counts for one to two of these: a client that begins many and never goes on keeps nobody out for longer.
const PERIOD: Duration = Duration::from_millis(64);
/// Where there is room for more than this, what is on its way does not count.
const AMPLE: usize = QUEUED_COMMANDS_MAX / 4 * 3;
/// Requests by which is told how many commands the next ones bring for their length.
const REQUESTS_REMEMBERED: usize = 16;
/// Commands are counted by so many bytes of requests.
const UNIT_BYTES: usize = 1 << 20;

/// What is on its way, over all connections.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// Room that the latest requests took, each for [`UNIT_BYTES`] of it.
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
        // The least that there can be, until something has come.
        let latest = std::array::from_fn(|_| AtomicUsize::new(Ledger::share(1, UNIT_BYTES)));
        Self { latest, next: AtomicUsize::default(), expected: Mutex::default(), began: Instant::now() }
    }
}

impl Arrivals {
    /// Whether a request may begin at all: of others, not even the beginning is read.
    pub(super) const fn is_open(room: usize) -> bool {
        room >= SPARE
    }

    /// Lets a request of so many bytes in, where there is room for it besides those on their way.
    pub(super) fn admit(self: &Arc<Self>, room: usize, bytes: usize, now: Instant) -> Option<Arriving> {
        let period = now.saturating_duration_since(self.began).as_millis().checked_div(PERIOD.as_millis());
        let period = period.unwrap_or_default();
        let usual = self.usual(bytes);
        let mut expected = self.expected();
        expected.move_to(period);
        let on_their_way = if room > AMPLE { 0 } else { expected.now.saturating_add(expected.before) };
        if room.saturating_sub(on_their_way) < usual.max(SPARE) {
            return None;
        }
        expected.now = expected.now.saturating_add(usual);
        let period = expected.period;
        drop(expected);
        Some(Arriving { arrivals: Arc::clone(self), period, expected: usual })
    }

    /// The room that a request of so many bytes takes at least, going by the latest.
    fn usual(&self, bytes: usize) -> usize {
        let least = self.latest.iter().map(|room| room.load(Ordering::Relaxed)).min().unwrap_or_default();
        let commands = least.saturating_mul(bytes).checked_div(UNIT_BYTES).unwrap_or_default();
        Ledger::share(commands.max(1), bytes)
    }

    fn expected(&self) -> MutexGuard<'_, Expected> {
        // Numbers that are as good as before, whoever panicked meanwhile.
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arriving {
    /// It has come: so much room it takes, by so many bytes.
    pub(super) fn came(self, room: usize, bytes: usize) {
        let at = self.arrivals.next.fetch_add(1, Ordering::Relaxed) % REQUESTS_REMEMBERED;
        if let Some(latest) = self.arrivals.latest.get(at) {
            let by_unit = room.saturating_mul(UNIT_BYTES).checked_div(bytes);
            latest.store(by_unit.unwrap_or_default(), Ordering::Relaxed);
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

/// A body of which the beginning was read.
pub(super) struct Begun {
    first: Option<Result<Frame<Bytes>, Status>>,
    rest: TonicBody,
}

impl Begun {
    /// Waits for the beginning of a body.
    pub(super) async fn new(mut body: TonicBody) -> Self {
        let first = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        Self { first, rest: body }
    }

    /// How long its message is, as it says itself; nothing where there is not enough of it to tell.
    pub(super) fn message_bytes(&self) -> usize {
        let first = self.first.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref);
        first.and_then(|bytes| message_bytes(bytes)).unwrap_or_default()
    }
}

impl Body for Begun {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// About what a payment takes in a request.
    const COMMAND_BYTES: usize = 128;
    const LARGE: usize = 1_000 * COMMAND_BYTES;

    /// Where the latest requests brought a thousand commands each.
    fn arrivals() -> (Arc<Arrivals>, Instant) {
        let arrivals = Arc::new(Arrivals::default());
        for _ in 0..REQUESTS_REMEMBERED {
            arrivals.admit(QUEUED_COMMANDS_MAX, LARGE, arrivals.began).unwrap().came(1_000, LARGE);
        }
        let began = arrivals.began;
        (arrivals, began)
    }

    #[test]
    fn what_is_on_its_way_takes_room_where_much_waits() {
        let (arrivals, now) = arrivals();
        let mut let_in = Vec::new();
        while let Some(arriving) = arrivals.admit(AMPLE, LARGE, now) {
            let_in.push(arriving);
        }
        // The last is let in while there is just room for so many.
        assert_eq!(let_in.len(), (AMPLE - SPARE) / 1_000 + 1);
        // One that comes, or goes, makes place for one.
        let_in.pop().unwrap().came(1_000, LARGE);
        let one = arrivals.admit(AMPLE, LARGE, now);
        assert!(one.is_some() && arrivals.admit(AMPLE, LARGE, now).is_none());
        drop(one);
        let_in.push(arrivals.admit(AMPLE, LARGE, now).unwrap());
        assert!(arrivals.admit(AMPLE, LARGE, now).is_none());
        // Where little waits it does not count.
        assert!(arrivals.admit(AMPLE + 1, LARGE, now).is_some());
        drop(let_in);
        assert!(arrivals.admit(SPARE, LARGE, now).is_some());
        assert!(arrivals.admit(SPARE - 1, LARGE, now).is_none());
        assert!(Arrivals::is_open(SPARE) && !Arrivals::is_open(SPARE - 1));
    }

    /// What would be refused once it had come whole is refused at its beginning.
    #[test]
    fn a_request_of_more_than_there_is_room_for_is_not_let_in() {
        let (arrivals, now) = arrivals();
        assert!(arrivals.admit(8_000, 8 * LARGE, now).is_some());
        assert!(arrivals.admit(7_999, 8 * LARGE, now).is_none());
        // Few commands may be long: by bytes it takes as much as the ledger says.
        arrivals.admit(AMPLE + 1, LARGE, now).unwrap().came(1, LARGE);
        assert!(arrivals.admit(SPARE, 8 * LARGE, now).is_some());
        // All there is at most: such a request waits for an empty queue.
        assert!(arrivals.admit(QUEUED_COMMANDS_MAX, usize::MAX, now).is_some());
    }

    /// Hundreds of small requests at a time, among large ones: each counts for what it brings.
    #[test]
    fn small_requests_are_not_taken_for_large_ones() {
        let (arrivals, now) = arrivals();
        let let_in: Vec<_> = (0..1_000).map_while(|_| arrivals.admit(AMPLE, COMMAND_BYTES, now)).collect();
        assert_eq!(let_in.len(), 1_000);
        assert!(arrivals.admit(AMPLE, LARGE, now).is_some());
    }

    #[test]
    fn whoever_never_goes_on_keeps_nobody_out_for_long() {
        let (arrivals, began) = arrivals();
        let idle = arrivals.admit(AMPLE, 20 * LARGE, began).unwrap();
        for (later, is_let_in) in [(0, false), (1, false), (2, true)] {
            let now = began + PERIOD * later;
            assert_eq!(arrivals.admit(AMPLE, 20 * LARGE, now).is_some(), is_let_in, "{later} periods later");
        }
        // What it takes back then is nothing of anybody else's.
        let now = began + PERIOD * 2;
        let other = arrivals.admit(AMPLE, 20 * LARGE, now).unwrap();
        drop(idle);
        assert!(arrivals.admit(AMPLE, 20 * LARGE, now).is_none());
        drop(other);
        assert!(arrivals.admit(AMPLE, 20 * LARGE, now).is_some());
    }

    /// What was read of a body is what comes first of it.
    #[tokio::test]
    async fn a_body_that_has_begun_is_the_same_body() {
        let frames = [&[0, 0, 0, 0, 7, 1][..], &[2, 3], &[4, 5, 6, 7]];
        let begun =
            Begun::new(TonicBody::new(InPieces(frames.iter().map(|frame| Bytes::from_static(frame)).collect()))).await;
        assert_eq!(begun.message_bytes(), 7);
        assert!(!begun.is_end_stream());
        let mut body = TonicBody::new(begun);
        for frame in frames {
            let next = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
            assert_eq!(next.unwrap().unwrap().into_data().unwrap(), frame);
        }
        assert!(poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.is_none());
        for (first, expected) in [(&[0, 0, 0, 1][..], 0), (&[], 0), (&[0, 0, 0, 1, 0], 256)] {
            let begun = Begun::new(TonicBody::new(InPieces([Bytes::from_static(first)].into()))).await;
            assert_eq!(begun.message_bytes(), expected);
        }
        assert_eq!(Begun::new(TonicBody::empty()).await.message_bytes(), 0);
    }

    struct InPieces(std::collections::VecDeque<Bytes>);

    impl Body for InPieces {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Ready(self.0.pop_front().map(|bytes| Ok(Frame::data(bytes))))
        }
    }
}
