//! Connections as they come in: each has shown a certificate before anything of it is looked at.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use super::peer::{Peer, identity};
use super::{Open, Tls};
use crate::ledger::clock::{Clock as _, SystemClock};

/// How long a client may take to show its certificate.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How long a client that was refused may take to read why.
const LINGER_MAX: Duration = Duration::from_secs(1);
/// Handshakes at a time; further connections wait to be taken.
const HANDSHAKES_MAX: usize = 256;
/// Pause after a connection could not be taken: there are no more files to be had, most of the time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection with somebody whose certificate was checked.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Arc<Peer>,
    /// Resolves when the certificate is accepted no more; `None` once it has.
    end: Option<oneshot::Receiver<()>>,
    _place: Place,
}

/// A connection's place among those that are open.
struct Place {
    tls: Arc<Tls>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tls.state().open.remove(&self.number);
    }
}

impl Tls {
    /// Takes connections. Those that show no certificate that is accepted are told to `refused` and the log, and go no further.
    pub fn incoming(
        self: Arc<Self>,
        listener: TcpListener,
        refused: impl Fn() + Clone + Send + 'static,
    ) -> ReceiverStream<io::Result<Connection>> {
        let (taken, connections) = mpsc::channel(1);
        tokio::spawn(self.take_all(listener, refused, taken));
        ReceiverStream::new(connections)
    }

    async fn take_all(
        self: Arc<Self>,
        listener: TcpListener,
        refused: impl Fn() + Clone + Send + 'static,
        taken: mpsc::Sender<io::Result<Connection>>,
    ) {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        loop {
            // Never closed.
            let Ok(place) = Arc::clone(&handshakes).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = taken.closed() => return,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (tls, refused, taken) = (Arc::clone(&self), refused.clone(), taken.clone());
            tokio::spawn(async move {
                match tls.shake_hands(stream, address).await {
                    // The server is stopping where nobody takes it.
                    Ok(connection) => drop(taken.send(Ok(connection)).await),
                    Err(error) => {
                        refused();
                        tracing::warn!(%address, %error, "a connection was refused: no certificate that is accepted");
                    }
                }
                drop(place);
            });
        }
    }

    async fn shake_hands(self: Arc<Self>, stream: TcpStream, address: SocketAddr) -> io::Result<Connection> {
        // Without it a lone answer waits 40 ms.
        stream.set_nodelay(true)?;
        let config = Arc::clone(&self.state().material.config);
        let handshake = TlsAcceptor::from(config).accept(stream).into_fallible();
        let shaken = tokio::time::timeout(HANDSHAKE_MAX, handshake).await;
        let stream = match shaken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? {
            Ok(stream) => stream,
            Err((error, stream)) => {
                drop(tokio::time::timeout(LINGER_MAX, linger(stream)).await);
                return Err(error);
            }
        };
        let chain: Vec<_> = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
        let (own, rest) = chain.split_first().ok_or(io::ErrorKind::PermissionDenied)?;
        let peer = Arc::new(Peer { identity: identity(own, &self.files.trust_domain), address });
        let (end, ended) = oneshot::channel();
        let place = {
            let mut state = self.state();
            // The certificates may have been read anew since the handshake began.
            let now = super::unix_time(SystemClock.now());
            state.material.verifier.verify_client_cert(own, rest, now).map_err(io::Error::other)?;
            let number = state.next;
            state.next = number.saturating_add(1);
            state.open.insert(number, Open { chain, _end: end });
            Place { tls: Arc::clone(&self), number }
        };
        Ok(Connection { stream, peer, end: Some(ended), _place: place })
    }
}

/// Lets a client that was refused read why: what it has sent already and nobody reads would make the kernel throw that away.
async fn linger(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

impl Connection {
    /// Whether the certificate is accepted still; whoever waits is woken when it is not.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if let Some(end) = &mut self.end
            && Pin::new(end).poll(context).is_pending()
        {
            return Ok(());
        }
        self.end = None;
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the certificate is not accepted any more"))
    }
}

impl Connected for Connection {
    type ConnectInfo = Arc<Peer>;

    fn connect_info(&self) -> Arc<Peer> {
        Arc::clone(&self.peer)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(context)?;
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
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
