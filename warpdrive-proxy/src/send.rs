//! Small messages, straight to the kernel.
//!
//! The C library's `send` is a point where a thread may be cancelled, and says so before and after in a process of
//! several threads: four atomic instructions a request, for what nobody does here.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use crate::limits::JOINED_BYTES;

/// Sends some of `bytes`.
pub(crate) fn poll_tcp(stream: &TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    poll(|| stream.poll_write_ready(cx), || stream.try_io(Interest::WRITABLE, || send(stream, bytes)))
}

/// Sends some of `bytes`.
pub(crate) fn poll_unix(stream: &UnixStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    poll(|| stream.poll_write_ready(cx), || stream.try_io(Interest::WRITABLE, || send(stream, bytes)))
}

thread_local! {
    /// What small answers are joined in.
    static JOINED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Sends some of a small answer, with its head and its body in one piece: to copy it costs less than the kernel takes
/// for the second piece. Nothing for a longer one.
pub(crate) fn poll_joined(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    pieces: &[IoSlice<'_>],
) -> Option<Poll<io::Result<usize>>> {
    if pieces.iter().map(|piece| piece.len()).sum::<usize>() > JOINED_BYTES {
        return None;
    }
    JOINED.with_borrow_mut(|joined| {
        joined.clear();
        pieces.iter().for_each(|piece| joined.extend_from_slice(piece));
        Some(poll_tcp(stream, cx, joined))
    })
}

/// Does with `send` what a socket takes, once `ready` says that it takes something.
pub(crate) fn poll(
    mut ready: impl FnMut() -> Poll<io::Result<()>>,
    send: impl Fn() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(ready())?;
        match send() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
    }
}

fn send(stream: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    // An end that is closed is an error, not a signal.
    Ok(rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)?)
}
