//! Answers that go on for long end once their caller's roles no longer allow them: at the event that takes the role, not at the
//! end of the connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use prost::bytes::Bytes;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use tonic::Status;
use tonic::body::Body as TonicBody;

use super::access::Need;
use super::identity::Caller;
use super::node::Node;
use super::status::Statuses;

/// What was asked, by whom, and what that needs.
pub(super) struct Asked {
    pub(super) caller: Caller,
    pub(super) path: String,
    pub(super) need: Need,
    pub(super) node: Arc<Node>,
    pub(super) statuses: Statuses,
}

/// A body that is cut, with why, when its caller may not have it any more.
pub(super) struct Following {
    body: TonicBody,
    asked: Asked,
    /// How far the views are: they know of roles what the log says up to there.
    positions: WatchStream<i64>,
    is_over: bool,
}

impl Following {
    /// Follows the caller's roles from now on.
    pub(super) fn new(body: TonicBody, asked: Asked) -> Self {
        let positions = WatchStream::new(asked.node.subscribe_position());
        Self { body, asked, positions, is_over: false }
    }

    /// Why the caller may have no more, if so. Whoever polls is woken when that may have changed.
    fn denied(&mut self, context: &mut Context<'_>) -> Option<Status> {
        let mut has_changed = false;
        while let Poll::Ready(Some(_)) = Pin::new(&mut self.positions).poll_next(context) {
            has_changed = true;
        }
        let Asked { caller, path, need, node, statuses } = &self.asked;
        if !has_changed || caller.has_same_roles(node) {
            return None;
        }
        let renewed = caller.renewed(node);
        match need.is_met(&renewed) {
            Ok(()) => {
                self.asked.caller = renewed;
                None
            }
            Err(denied) => Some(renewed.refuse(denied, path, node, *statuses)),
        }
    }
}

impl Body for Following {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        // The answer first: whatever has become of the roles by the event it ends with, the views know when it is there.
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let is_end = matches!(&frame, Poll::Ready(None | Some(Err(_))))
            || matches!(&frame, Poll::Ready(Some(Ok(frame))) if frame.is_trailers());
        if is_end {
            return frame;
        }
        if let Some(status) = self.denied(context) {
            self.is_over = true;
            let mut trailers = HeaderMap::new();
            return Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))));
        }
        Poll::Ready(ready!(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
