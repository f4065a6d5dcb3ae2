//! A socket to an instance as hyper sees it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use crate::read_share::{ReadShare, Reader};

use super::interim::{Held, Inbox, Sorted, Start};

/// What went over an upstream connection; read by the exchange that uses it. Plain loads and
/// stores: both ends live on one thread, and only the upgrade needs the type to be `Send`.
#[derive(Debug)]
pub(crate) struct Progress {
    opened: Instant,
    /// When the kernel last took bytes, in microseconds after `opened`.
    written_us: AtomicU64,
    received: AtomicU64,
    pub(super) interim: Inbox,
}

impl Progress {
    fn new() -> Self {
        Progress {
            opened: Instant::now(),
            written_us: AtomicU64::new(0),
            received: AtomicU64::new(0),
            interim: Inbox::default(),
        }
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

/// A socket whose reads can be held to a size.
enum Stream {
    Tcp(Take<TcpStream>),
    Unix(Take<UnixStream>),
}

/// A socket that counts.
pub(crate) struct UpstreamIo {
    stream: Stream,
    reader: Option<Reader>,
    progress: Arc<Progress>,
    /// The beginning of a response that may be an interim one.
    held: Held,
    /// The instance has closed its reading side; see [`UpstreamIo::wrote`].
    refused: bool,
    /// There is no answer to wait for any more.
    tunnel: bool,
}

impl UpstreamIo {
    pub(crate) fn new(socket: Socket) -> Self {
        let stream = match socket {
            Socket::Tcp(stream) => Stream::Tcp(stream.take(u64::MAX)),
            Socket::Unix(stream) => Stream::Unix(stream.take(u64::MAX)),
        };
        UpstreamIo {
            stream,
            reader: None,
            progress: Arc::new(Progress::new()),
            held: Held::default(),
            refused: false,
            tunnel: false,
        }
    }

    /// From now on a read brings as much as this connection's part of a worker's share allows.
    pub(crate) fn share_reads(&mut self, share: &Arc<ReadShare>) {
        self.reader = Some(Reader::new(share));
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

/// How reading the beginning of a response went on.
enum Beginning {
    /// It was no final response.
    Again,
    /// hyper reads on by itself.
    Passed,
}

impl UpstreamIo {
    fn poll_socket(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let limit = self.reader.as_ref().map_or(u64::MAX, Reader::limit);
        match &mut self.stream {
            Stream::Tcp(stream) => {
                stream.set_limit(limit);
                ready!(Pin::new(stream).poll_read(cx, buffer))?;
            }
            Stream::Unix(stream) => {
                stream.set_limit(limit);
                ready!(Pin::new(stream).poll_read(cx, buffer))?;
            }
        }
        let bytes = (buffer.filled().len() - before) as u64;
        self.progress.received.store(self.progress.received() + bytes, Relaxed);
        Poll::Ready(Ok(()))
    }

    /// Takes interim responses out of what was read after `before`.
    fn begin_response(&mut self, buffer: &mut ReadBuf<'_>, before: usize) -> io::Result<Beginning> {
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        let ended = fresh.is_empty();
        if self.held.is_empty() && (ended || Start::of(fresh) == Start::Final) {
            self.progress.interim.end();
            return Ok(Beginning::Passed);
        }
        self.held.push(fresh);
        buffer.set_filled(before);
        loop {
            match self.held.sort() {
                Sorted::Interim(head) => self.progress.interim.put(head),
                Sorted::TooLong => {
                    self.progress.interim.flood();
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "an interim response is too long"));
                }
                Sorted::More if !ended => return Ok(Beginning::Again),
                Sorted::More | Sorted::Final => {
                    self.progress.interim.end();
                    self.held.give(buffer);
                    return Ok(Beginning::Passed);
                }
            }
        }
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let io = self.get_mut();
        loop {
            let before = buffer.filled().len();
            let begins = io.progress.interim.expects_head();
            if !begins && !io.held.is_empty() {
                io.held.give(buffer);
                return Poll::Ready(Ok(()));
            }
            ready!(io.poll_socket(cx, buffer))?;
            if !begins {
                return Poll::Ready(Ok(()));
            }
            match io.begin_response(buffer, before)? {
                Beginning::Again => {}
                Beginning::Passed => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let io = self.get_mut();
        if io.refused {
            return Poll::Pending;
        }
        let result = match &mut io.stream {
            Stream::Tcp(stream) => Pin::new(stream.get_mut()).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream.get_mut()).poll_write(cx, bytes),
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
        let result = match &mut io.stream {
            Stream::Tcp(stream) => Pin::new(stream.get_mut()).poll_write_vectored(cx, pieces),
            Stream::Unix(stream) => Pin::new(stream.get_mut()).poll_write_vectored(cx, pieces),
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
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream.get_mut()).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream.get_mut()).poll_shutdown(cx),
        }
    }
}
