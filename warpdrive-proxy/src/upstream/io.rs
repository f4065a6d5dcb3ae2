//! A socket to an instance as hyper sees it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

/// What went over an upstream connection; read by the exchange that uses it. Plain loads and
/// stores: both ends live on one thread, and only the upgrade needs the type to be `Send`.
#[derive(Debug)]
pub(crate) struct Progress {
    opened: Instant,
    /// When the kernel last took bytes, in microseconds after `opened`.
    written_us: AtomicU64,
    received: AtomicU64,
}

impl Progress {
    fn new() -> Self {
        Progress { opened: Instant::now(), written_us: AtomicU64::new(0), received: AtomicU64::new(0) }
    }

    /// When the kernel last took bytes for the instance.
    pub(crate) fn last_write(&self) -> Instant {
        self.opened + Duration::from_micros(self.written_us.load(Relaxed))
    }

    /// Bytes received since the connection was opened.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }
}

/// The two kinds of socket an instance can listen on.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket that counts.
pub(crate) struct UpstreamIo {
    socket: Socket,
    progress: Arc<Progress>,
    /// The instance has closed its reading side; see [`UpstreamIo::wrote`].
    refused: bool,
    /// There is no answer to wait for any more.
    tunnel: bool,
}

impl UpstreamIo {
    pub(crate) fn new(socket: Socket) -> Self {
        UpstreamIo { socket, progress: Arc::new(Progress::new()), refused: false, tunnel: false }
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// From now on a failed write is an error at once.
    pub(crate) fn begin_tunnel(&mut self) {
        self.tunnel = true;
    }

    /// An instance that answers early and closes makes the next write fail while its answer still
    /// waits to be read. So a failed write only stops writing: the read that follows finds the
    /// answer first, and then the end or the error.
    fn wrote(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match ready!(result) {
            Ok(bytes) => {
                let micros = self.progress.opened.elapsed().as_micros();
                self.progress.written_us.store(u64::try_from(micros).unwrap_or(u64::MAX), Relaxed);
                Poll::Ready(Ok(bytes))
            }
            Err(error) if self.tunnel => Poll::Ready(Err(error)),
            Err(_) => {
                self.refused = true;
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let io = self.get_mut();
        let before = buffer.filled().len();
        match &mut io.socket {
            Socket::Tcp(stream) => ready!(Pin::new(stream).poll_read(cx, buffer))?,
            Socket::Unix(stream) => ready!(Pin::new(stream).poll_read(cx, buffer))?,
        }
        let bytes = (buffer.filled().len() - before) as u64;
        io.progress.received.store(io.progress.received() + bytes, Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let io = self.get_mut();
        if io.refused {
            return Poll::Pending;
        }
        let result = match &mut io.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        io.wrote(result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let io = self.get_mut();
        if io.refused {
            return Poll::Pending;
        }
        let result = match &mut io.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        };
        io.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets buffer nothing on this side of the kernel.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
