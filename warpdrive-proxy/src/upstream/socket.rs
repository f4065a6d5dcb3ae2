//! The two kinds of socket an instance can listen on.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

use crate::splice::move_some;
use crate::{receive, send};

/// A connected socket, whole.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Both directions, each with an owner of its own.
    pub(super) fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Socket::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Tcp(read), WriteHalf::Tcp(write))
            }
            Socket::Unix(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Unix(read), WriteHalf::Unix(write))
            }
        }
    }

    /// The socket again, of two halves that were one.
    pub(super) fn reunite(read: ReadHalf, write: WriteHalf) -> Option<Self> {
        match (read, write) {
            (ReadHalf::Tcp(read), WriteHalf::Tcp(write)) => read.reunite(write).ok().map(Socket::Tcp),
            (ReadHalf::Unix(read), WriteHalf::Unix(write)) => read.reunite(write).ok().map(Socket::Unix),
            _ => None,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets buffer nothing on this side of the kernel.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// What an instance sends.
#[derive(Debug)]
pub(super) enum ReadHalf {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
}

impl ReadHalf {
    /// Ready when a read would bring something, the end, or an error. Asked before memory is made
    /// for a read: a connection that waits needs none.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            ReadHalf::Tcp(half) => half.as_ref().poll_read_ready(cx),
            ReadHalf::Unix(half) => half.as_ref().poll_read_ready(cx),
        }
    }

    /// Appends at most `limit` bytes to `buffer`; 0 is the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        // The future holds nothing between two polls, so one for each poll is as good.
        let mut space = buffer.limit(limit);
        match self {
            ReadHalf::Tcp(half) => pin!(half.read_buf(&mut space)).poll(cx),
            ReadHalf::Unix(half) => pin!(half.read_buf(&mut space)).poll(cx),
        }
    }

    /// Appends to `space` what its memory has room for, once there is something; 0 is the end.
    pub(super) fn poll_receive(&self, cx: &mut Context<'_>, space: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        match self {
            ReadHalf::Tcp(half) => receive::poll_tcp(half.as_ref(), cx, space),
            ReadHalf::Unix(half) => receive::poll_unix(half.as_ref(), cx, space),
        }
    }

    /// Moves at most `limit` bytes to `pipe`, once there are any; 0 is the end.
    pub(super) fn poll_splice(
        &self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        receive::poll(
            || self.poll_ready(cx),
            |_| match self {
                ReadHalf::Tcp(half) => {
                    let socket = half.as_ref();
                    socket.try_io(Interest::READABLE, || move_some(socket.as_fd(), pipe, limit))
                }
                ReadHalf::Unix(half) => {
                    let socket = half.as_ref();
                    socket.try_io(Interest::READABLE, || move_some(socket.as_fd(), pipe, limit))
                }
            },
        )
    }

    /// Whether nothing has come, not even the end, as far as the worker has been told.
    pub(super) fn is_silent(&self) -> bool {
        let mut space = [0; 1];
        let result = match self {
            ReadHalf::Tcp(half) => half.try_read(&mut space),
            ReadHalf::Unix(half) => half.try_read(&mut space),
        };
        matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// What an instance is sent.
#[derive(Debug)]
pub(super) enum WriteHalf {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

impl WriteHalf {
    /// Writes some of `bytes`.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            WriteHalf::Tcp(half) => send::poll_tcp(half.as_ref(), cx, bytes),
            WriteHalf::Unix(half) => send::poll_unix(half.as_ref(), cx, bytes),
        }
    }

    /// Writes some of `pieces`, in their order.
    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            WriteHalf::Tcp(half) => Pin::new(half).poll_write_vectored(cx, pieces),
            WriteHalf::Unix(half) => Pin::new(half).poll_write_vectored(cx, pieces),
        }
    }
}
