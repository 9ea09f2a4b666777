//! `Subscribe`: the events that are there, then those that come. One loop reads the log after its own position, whether it
//! catches up or follows: at the switch nothing can be missed or come twice, because there is no switch.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::convert::Violation;
use super::query::QueryApi;
use super::reading::{Reading, beyond, read_position, record};
use super::spans::spawn;
use super::stopping::Stopping;
use crate::domain::ids::{AccountNumber, LotNumber};
use crate::domain::refusal::Reason;
use crate::format::record::{EntryHash, Head};
use crate::pb::v1;
use crate::pb::v1::subscribe_response::Part;
use crate::projection::events::Events;

/// Messages that wait for a subscriber at a time. With [`EVENTS_A_MESSAGE`] and [`BYTES_A_MESSAGE`] this bounds what a
/// subscriber that never reads holds: these, and the one that waits for room, each with its entries and what they decode to.
const MESSAGES_WAITING: usize = 2;
const EVENTS_A_MESSAGE: usize = 128;
const BYTES_A_MESSAGE: usize = 32 * 1024;
/// Entries looked at in one go, where a filter passes over most.
const ENTRIES_A_READ: i64 = 4_096;
const HEARTBEAT_SECONDS_DEFAULT: i32 = 10;
const HEARTBEAT_SECONDS_MAX: i32 = 60;

/// A message, and how far it brings whoever takes it.
struct Onward {
    message: v1::SubscribeResponse,
    up_to: i64,
}

/// Messages on their way to a subscriber, and how it ends.
pub(super) struct Subscription(Arc<Mutex<Waiting>>);

struct Waiting {
    messages: mpsc::Receiver<Onward>,
    /// Last event that it took.
    taken_up_to: i64,
    end: Option<Status>,
}

impl Subscription {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream for Subscription {
    type Item = Result<v1::SubscribeResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut waiting = self.waiting();
        let Some(Onward { message, up_to }) = ready!(waiting.messages.poll_recv(context)) else {
            // The sender is gone; what it left is why the stream ends.
            return Poll::Ready(waiting.end.take().map(Err));
        };
        waiting.taken_up_to = up_to;
        Poll::Ready(Some(Ok(message)))
    }
}

/// What a subscriber wants to see.
#[derive(Clone, Copy)]
struct Filter {
    account: Option<AccountNumber>,
    lot: Option<LotNumber>,
}

impl Filter {
    fn passes(self, event: &v1::Event) -> bool {
        let on_account =
            |account: AccountNumber| event.legs.iter().any(|leg| u32::try_from(leg.account) == Ok(account.0));
        let on_lot = |lot: LotNumber| event.legs.iter().any(|leg| u32::try_from(leg.lot) == Ok(lot.0));
        self.account.is_none_or(on_account) && self.lot.is_none_or(on_lot)
    }
}

impl QueryApi {
    pub(super) fn subscribe_request(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Subscription>, Status> {
        let (reading, request) = self.reading(request)?;
        let statuses = reading.statuses;
        let after = request.after_sequence.unwrap_or(-1);
        let heartbeat_seconds = match request.heartbeat_seconds {
            0 => HEARTBEAT_SECONDS_DEFAULT,
            seconds => seconds,
        };
        let mut violations = Vec::new();
        let mut wrong = |field: &str, description: String| {
            violations.push(Violation { field: field.to_owned(), reason: Reason::FieldInvalid, description });
        };
        if after < -1 {
            wrong("after_sequence", format!("is {after}; sequences start at 0"));
        }
        if !(1..=HEARTBEAT_SECONDS_MAX).contains(&heartbeat_seconds) {
            wrong("heartbeat_seconds", format!("is {heartbeat_seconds}; it must be 1 to {HEARTBEAT_SECONDS_MAX}"));
        }
        if !violations.is_empty() {
            return Err(statuses.violations(&violations));
        }
        let committed = self.node.ledger().committed().sequence;
        if after > committed {
            return Err(statuses.reason(Reason::SequenceBeyondHead, &beyond(after, committed)));
        }
        let views = self.node.views();
        let now = views.position.sequence;
        let account = match request.account_id.as_str() {
            "" => None,
            account_id => Some(reading.account(&views, account_id, now)?.0),
        };
        let lot = reading.lot(&views, &request.lot_id, now)?;
        drop(views);
        let place = self.subscribers.take().ok_or_else(|| {
            let most = self.limits.subscribers_max.to_string();
            statuses.reason(Reason::TooManySubscribers, &[("subscribers_max", most)])
        })?;
        let (messages, received) = mpsc::channel(MESSAGES_WAITING);
        let waiting = Waiting { messages: received, taken_up_to: after, end: None };
        let subscription = Subscription(Arc::new(Mutex::new(waiting)));
        let mut subscriber = Subscriber {
            reading,
            filter: Filter { account, lot },
            heartbeat: Duration::from_secs(u64::from(heartbeat_seconds.unsigned_abs())),
            patience: self.limits.subscriber_patience,
            messages,
            sent_up_to: after,
            looked_up_to: after,
        };
        let stopping = self.stopping.clone();
        let left = Subscription(Arc::clone(&subscription.0));
        spawn(async move {
            let end = subscriber.run(stopping).await;
            // In this order: the reason is there before the messages end, and the place is free only after both.
            subscriber.leave(end, &left);
            drop(subscriber);
            drop(place);
        });
        Ok(Response::new(subscription))
    }
}

struct Subscriber {
    reading: Reading,
    filter: Filter,
    heartbeat: Duration,
    patience: Duration,
    messages: mpsc::Sender<Onward>,
    /// Last event given to the subscriber.
    sent_up_to: i64,
    /// Last event that was looked at: what the filter passed over counts.
    looked_up_to: i64,
}

/// Why a subscription ends.
enum Cut {
    /// The server stops.
    Stopping,
    /// The subscriber hung up.
    Gone,
    /// It takes nothing.
    TooSlow,
    /// The log cannot be read.
    Unreadable(Status),
}

struct Read {
    records: Vec<v1::EventRecord>,
    last: Head,
}

impl Subscriber {
    /// Runs until the end.
    async fn run(&mut self, mut stopping: Stopping) -> Cut {
        tokio::select! {
            cut = self.follow() => cut,
            () = stopping.wait() => Cut::Stopping,
        }
    }

    /// Says why it ends, where there is somebody to tell.
    fn leave(&self, cut: Cut, subscription: &Subscription) {
        let ended = |reason: Reason, up_to: i64| {
            self.reading.statuses.reason(reason, &[("resume_after_sequence", up_to.to_string())])
        };
        let mut waiting = subscription.waiting();
        waiting.end = match cut {
            Cut::Gone => None,
            Cut::Stopping => Some(ended(Reason::ShuttingDown, self.sent_up_to)),
            Cut::TooSlow => {
                // Its stream may stay open, unread, for as long as its connection: what waits there is nobody's to keep.
                while waiting.messages.try_recv().is_ok() {}
                Some(ended(Reason::SubscriberTooSlow, waiting.taken_up_to))
            }
            Cut::Unreadable(status) => Some(status),
        };
    }

    async fn follow(&mut self) -> Cut {
        match self.follow_until_cut().await {
            Ok(never) => match never {},
            Err(cut) => cut,
        }
    }

    async fn follow_until_cut(&mut self) -> Result<std::convert::Infallible, Cut> {
        let mut position = self.reading.node.subscribe_position();
        let mut is_caught_up = false;
        let mut spoke_at = Instant::now();
        loop {
            let reached = *position.borrow_and_update();
            if self.looked_up_to < reached {
                let read = self.read(reached).await.map_err(Cut::Unreadable)?;
                self.looked_up_to = read.last.sequence;
                if !read.records.is_empty() {
                    self.send(Part::Events(v1::SubscribedEvents { records: read.records })).await?;
                    spoke_at = Instant::now();
                } else if spoke_at.elapsed() >= self.heartbeat {
                    self.send(Part::Heartbeat(read_position(&read.last))).await?;
                    spoke_at = Instant::now();
                }
                self.sent_up_to = self.looked_up_to;
                continue;
            }
            if !is_caught_up {
                is_caught_up = true;
                let here = self.here().await.map_err(Cut::Unreadable)?;
                self.send(Part::CaughtUp(here)).await?;
                spoke_at = Instant::now();
            }
            let silence = tokio::time::sleep(self.heartbeat.saturating_sub(spoke_at.elapsed()));
            tokio::select! {
                changed = position.changed() => changed.map_err(|_| Cut::Gone)?,
                () = self.messages.closed() => return Err(Cut::Gone),
                () = silence => {
                    let here = self.here().await.map_err(Cut::Unreadable)?;
                    self.send(Part::Heartbeat(here)).await?;
                    spoke_at = Instant::now();
                }
            }
        }
    }

    /// Hands a message over; a subscriber that does not take it in time is cut off.
    async fn send(&self, part: Part) -> Result<(), Cut> {
        let message = Onward { message: v1::SubscribeResponse { part: Some(part) }, up_to: self.looked_up_to };
        match tokio::time::timeout(self.patience, self.messages.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Cut::Gone),
            Err(_) => Err(Cut::TooSlow),
        }
    }

    /// Where the subscription stands, with the hash of that entry.
    async fn here(&self) -> Result<v1::ReadPosition, Status> {
        let sequence = self.looked_up_to;
        let answer = move |reading: &Reading| {
            let log = reading.node.log();
            reading.position(&mut Events::new(log.as_ref()), sequence)
        };
        self.reading.clone().blocking(answer).await
    }

    /// The next events, up to what fits in a message. Off the threads that serve.
    async fn read(&self, up_to: i64) -> Result<Read, Status> {
        let (filter, first) = (self.filter, self.looked_up_to.saturating_add(1));
        self.reading.clone().blocking(move |reading| read(reading, filter, first, up_to)).await
    }
}

fn read(reading: &Reading, filter: Filter, first: i64, up_to: i64) -> Result<Read, Status> {
    let log = reading.node.log();
    let mut events = Events::new(log.as_ref());
    let up_to = up_to.min(first.saturating_add(ENTRIES_A_READ).saturating_sub(1));
    let mut read = Read { records: Vec::new(), last: Head { sequence: first, hash: EntryHash::ZERO } };
    let mut bytes = 0_usize;
    for sequence in first..=up_to {
        let record = record(reading, &mut events, sequence)?;
        read.last = Head { sequence, hash: EntryHash::of(&record.entry) };
        if record.event.as_ref().is_some_and(|event| filter.passes(event)) {
            bytes = bytes.saturating_add(record.entry.len());
            read.records.push(record);
        }
        if read.records.len() >= EVENTS_A_MESSAGE || bytes >= BYTES_A_MESSAGE {
            break;
        }
    }
    Ok(read)
}
