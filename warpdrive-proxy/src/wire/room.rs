//! Whether a client's socket would take more.

use std::io;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Ready when the kernel has room for a good part of what it may hold for this client: Linux says so
/// from a third on.
///
/// What was written last tells nothing of it: tokio takes a socket for writable until a write was cut
/// short. So a piece of a large body would be read from the instance for a socket that takes no more,
/// and every slow client would hold one.
pub(super) fn poll(stream: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        ready!(stream.poll_write_ready(cx))?;
        let asked = stream.try_io(Interest::WRITABLE, || {
            let mut sockets = [PollFd::new(stream, PollFlags::OUT)];
            match rustix::event::poll(&mut sockets, Some(&AT_ONCE))? {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                // An error, too, is found by writing.
                _ => Ok(()),
            }
        });
        match asked {
            // Where there was none tokio now waits for the kernel's word.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
    }
}
