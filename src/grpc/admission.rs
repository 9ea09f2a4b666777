//! Who is let in: so many connections in all, and so many requests a second of each caller.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio_stream::Stream;
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::observed::Places;
use crate::domain::principal::Principal;
use crate::tls::Peer;

/// How often callers that have been silent are forgotten.
const FORGETTING: Duration = Duration::from_secs(10);

/// Connections as they come, as long as there are places; one more is closed at once, so that its client can go elsewhere.
pub(super) struct Admission<I> {
    incoming: I,
    places: Places,
    is_full: bool,
}

impl<I> Admission<I> {
    pub(super) const fn new(incoming: I, places: Places) -> Self {
        Self { incoming, places, is_full: false }
    }
}

impl<S, I: Stream<Item = io::Result<S>> + Unpin> Stream for Admission<I> {
    type Item = io::Result<Admitted<S>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.incoming).poll_next(context)) {
                Some(Ok(stream)) => {
                    if let Some(place) = self.places.take() {
                        self.is_full = false;
                        return Poll::Ready(Some(Ok(Admitted { stream, _place: place })));
                    }
                    // Once, not for each that comes.
                    if !std::mem::replace(&mut self.is_full, true) {
                        tracing::warn!("there are as many connections as are allowed: others are closed as they come");
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// A connection that has its place.
pub(super) struct Admitted<S> {
    stream: S,
    _place: OwnedSemaphorePermit,
}

impl<S: Connected> Connected for Admitted<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> S::ConnectInfo {
        self.stream.connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Admitted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Admitted<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Who a call is from, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Caller {
    /// The person of the certificate.
    Person(Principal),
    /// Nothing else is known of them.
    Address(Option<IpAddr>),
}

impl Caller {
    fn of(extensions: &http::Extensions) -> Self {
        if let Some(peer) = extensions.get::<Arc<Peer>>() {
            return match &peer.identity {
                Ok(principal) => Self::Person(principal.clone()),
                Err(_) => Self::Address(Some(peer.address.ip())),
            };
        }
        let address = extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
        Self::Address(address.map(|address| address.ip()))
    }
}

/// How many requests each caller makes a second.
#[derive(Clone)]
pub(super) struct RequestRates(Arc<DefaultKeyedRateLimiter<Caller>>);

impl RequestRates {
    pub(super) fn new(requests_per_second: NonZeroU32) -> Self {
        Self(Arc::new(RateLimiter::keyed(Quota::per_second(requests_per_second))))
    }

    /// Whether one more is within the limit.
    pub(super) fn admits(&self, extensions: &http::Extensions) -> bool {
        self.0.check_key(&Caller::of(extensions)).is_ok()
    }

    /// Forgets callers that have been silent, again and again: what is remembered is bounded by who has called lately.
    pub(super) async fn tend(self) {
        let mut interval = tokio::time::interval(FORGETTING);
        loop {
            interval.tick().await;
            self.0.retain_recent();
        }
    }
}
