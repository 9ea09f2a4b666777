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
use tokio::time::Sleep;
use tokio_stream::Stream;
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::observed::Places;
use crate::domain::principal::Principal;
use crate::tls::Peer;

/// What every client of HTTP/2 sends first (RFC 9113, section 3.4), and how long it may take to.
const PREFACE_BYTES: usize = 24;
const OPENING_MAX: Duration = Duration::from_secs(10);
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
                        return Poll::Ready(Some(Ok(Admitted {
                            stream,
                            opening: Some(Opening::default()),
                            _place: place,
                        })));
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
    /// Until its first bytes have come.
    opening: Option<Opening>,
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
        let this = &mut *self;
        if let Some(opening) = &mut this.opening
            && opening.deadline.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if let Some(opening) = &mut this.opening {
            opening.missing = opening.missing.saturating_sub(buffer.filled().len().saturating_sub(before));
            if opening.missing == 0 {
                this.opening = None;
            }
        }
        read
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

/// The beginning of a connection: whoever says nothing, or says it byte by byte, keeps no place from others. Later on the pings
/// of HTTP/2 find out who is gone.
struct Opening {
    deadline: Pin<Box<Sleep>>,
    missing: usize,
}

impl Default for Opening {
    fn default() -> Self {
        Self { deadline: Box::pin(tokio::time::sleep(OPENING_MAX)), missing: PREFACE_BYTES }
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A connection is cut ten seconds after it came, unless what every client sends first has come by then, however it comes.
    #[tokio::test(start_paused = true)]
    async fn who_does_not_begin_is_cut_off() {
        for (bytes, pause, is_cut) in [(0, 0, true), (23, 1, true), (24, 1, true), (24, 0, false)] {
            let (mut client, stream) = tokio::io::duplex(64);
            let place = Places::new(1).take().unwrap();
            let mut admitted = Admitted { stream, opening: Some(Opening::default()), _place: place };
            let sending = tokio::spawn(async move {
                for _ in 0..bytes {
                    tokio::time::sleep(Duration::from_secs(pause)).await;
                    if client.write_all(b"P").await.is_err() {
                        break;
                    }
                }
                // Open, and silent, for longer than anybody may be.
                tokio::time::sleep(OPENING_MAX * 2).await;
            });
            let mut read = [0; PREFACE_BYTES];
            let begun = admitted.read_exact(&mut read).await;
            assert_eq!(begun.is_err(), is_cut, "{bytes} bytes, {pause} s apart");
            if !is_cut {
                // From then on silence is allowed: the end comes when the client goes.
                assert_eq!(admitted.read(&mut read).await.unwrap(), 0);
            }
            sending.await.unwrap();
        }
    }
}
