//! What the parts of requests that have come so far may take in memory, over all connections: what is more is refused before
//! it is read. HTTP/2's windows bound a connection, not how many there are.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body as TonicBody;
use tonic::codegen::Bytes;

use super::status::Statuses;
use crate::domain::refusal::Reason;

/// A gRPC message begins with a flag and its length, four bytes (gRPC over HTTP/2, length-prefixed messages).
const PREFIX_BYTES: usize = 5;

/// How long the message is that begins with these bytes; `None` where there are not enough of them to tell.
pub(super) fn message_bytes(beginning: &[u8]) -> Option<usize> {
    let [_, length @ ..] = beginning.first_chunk::<PREFIX_BYTES>()?;
    Some(usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX))
}

/// Counts bytes of messages that have come in part.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    held: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl Intake {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { held: Arc::default(), bytes_max }
    }

    /// A request whose body is counted.
    pub(super) fn counted(&self, request: http::Request<TonicBody>) -> http::Request<TonicBody> {
        let statuses = Statuses::for_headers(request.headers());
        request.map(|body| {
            TonicBody::new(Counted { body, intake: self.clone(), statuses, message: Partial::default(), held: 0 })
        })
    }
}

/// How much of a message is there.
#[derive(Debug, Default)]
struct Partial {
    prefix: [u8; PREFIX_BYTES],
    prefix_bytes: usize,
    /// Of the message itself; what its prefix does not say yet counts as nothing.
    missing: usize,
    there: usize,
}

impl Partial {
    /// Takes what has come next.
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.prefix_bytes < PREFIX_BYTES {
                let wanted = PREFIX_BYTES.saturating_sub(self.prefix_bytes).min(bytes.len());
                let (head, rest) = bytes.split_at(wanted);
                for (to, from) in self.prefix.iter_mut().skip(self.prefix_bytes).zip(head) {
                    *to = *from;
                }
                self.prefix_bytes = self.prefix_bytes.saturating_add(wanted);
                bytes = rest;
                if self.prefix_bytes == PREFIX_BYTES {
                    self.missing = message_bytes(&self.prefix).unwrap_or_default();
                }
            } else {
                let wanted = self.missing.min(bytes.len());
                self.missing = self.missing.saturating_sub(wanted);
                self.there = self.there.saturating_add(wanted);
                bytes = bytes.split_at(wanted).1;
            }
            if self.prefix_bytes == PREFIX_BYTES && self.missing == 0 {
                *self = Self::default();
            }
        }
    }
}

/// A body whose messages are counted for as long as they are there in part: from then on it is the handler's affair.
struct Counted {
    body: TonicBody,
    intake: Intake,
    statuses: Statuses,
    message: Partial,
    held: usize,
}

impl Counted {
    /// Counts what has come; says whether there was room for it.
    fn count(&mut self, bytes: &[u8]) -> bool {
        self.message.take(bytes);
        let there = self.message.there;
        let all = self.intake.held.fetch_add(there, Ordering::Relaxed).saturating_add(there);
        let before = std::mem::replace(&mut self.held, there);
        self.intake.held.fetch_sub(before, Ordering::Relaxed);
        all.saturating_sub(before) <= self.intake.bytes_max || there <= before
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.intake.held.fetch_sub(self.held, Ordering::Relaxed);
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(bytes) = frame.data_ref()
            && !self.count(bytes)
        {
            return Poll::Ready(Some(Err(self.statuses.reason(Reason::QueueFull, &[]))));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with its prefix.
    fn message(bytes: usize) -> Vec<u8> {
        let length = u32::try_from(bytes).unwrap().to_be_bytes();
        [&[0][..], &length, &vec![7; bytes]].concat()
    }

    #[test]
    fn what_is_whole_counts_no_more() {
        let stream = [message(10), message(0), message(300), message(70_000)].concat();
        for piece in [1, 3, 5, 16, 305, 1_000, 80_000] {
            let mut partial = Partial::default();
            let mut come = 0;
            for bytes in stream.chunks(piece) {
                partial.take(bytes);
                come += bytes.len();
                // Where the message that this falls into begins, and how much of it is there.
                let starts = [0, 15, 20, 325, stream.len()];
                let start = starts.into_iter().rev().find(|start| *start <= come).unwrap();
                assert_eq!(partial.there, (come - start).saturating_sub(PREFIX_BYTES), "{piece} bytes, {come}");
            }
        }
    }

    #[test]
    fn more_than_there_is_room_for_is_refused_and_what_is_let_go_makes_room() {
        let intake = Intake::new(1_000);
        let body = || Counted {
            body: TonicBody::empty(),
            intake: intake.clone(),
            statuses: Statuses::default(),
            message: Partial::default(),
            held: 0,
        };
        let part = |bytes: usize| message(100_000)[..PREFIX_BYTES + bytes].to_vec();
        let (mut one, mut other) = (body(), body());
        assert!(one.count(&part(600)));
        assert!(!other.count(&part(600)));
        drop(other);
        assert!(body().count(&message(90_000)), "what comes whole is not kept here");
        assert!(one.count(&vec![7; 400]));
        assert!(!one.count(&[7]));
        drop(one);
        assert_eq!(intake.held.load(Ordering::Relaxed), 0);
    }
}
