//! Small messages, straight to the kernel.
//!
//! The C library's `send` is a point where a thread may be cancelled, and says so before and after in a process of
//! several threads: four atomic instructions a request, for what nobody does here.

use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// Sends some of `bytes`.
pub(crate) fn poll_tcp(stream: &TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    poll(|| stream.poll_write_ready(cx), || stream.try_io(Interest::WRITABLE, || send(stream, bytes)))
}

/// Sends some of `bytes`.
pub(crate) fn poll_unix(stream: &UnixStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    poll(|| stream.poll_write_ready(cx), || stream.try_io(Interest::WRITABLE, || send(stream, bytes)))
}

fn poll(
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
