//! Small messages, straight from the kernel.
//!
//! Without the C library's `recv`, for the reason that [`crate::send`] has.

use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use rustix::buffer::spare_capacity;
use rustix::net::RecvFlags;
use tokio::io::{Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::limits::CLIENT_READ_BYTES;

/// Appends to `space` what its memory has room for, once there is something. Ready with how much it was; 0 is the end.
pub(crate) fn poll_tcp(stream: &TcpStream, cx: &mut Context<'_>, space: &mut Vec<u8>) -> Poll<io::Result<usize>> {
    poll(|| stream.poll_read_ready(cx), |all| stream.try_io(Interest::READABLE, || receive(stream, space, all)))
}

/// See [`poll_tcp`].
pub(crate) fn poll_unix(stream: &UnixStream, cx: &mut Context<'_>, space: &mut Vec<u8>) -> Poll<io::Result<usize>> {
    poll(|| stream.poll_read_ready(cx), |all| stream.try_io(Interest::READABLE, || receive(stream, space, all)))
}

thread_local! {
    /// What heads of requests are received in.
    static SPACE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(CLIENT_READ_BYTES));
}

/// Reads a small message into a buffer that may have room for a large one: to copy it costs less than the C library's
/// way to the kernel. With `is_watched` the task that asks is woken anyway, when something comes.
pub(crate) fn poll_copied(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
    is_watched: bool,
) -> Poll<io::Result<()>> {
    SPACE.with_borrow_mut(|space| {
        space.clear();
        ready!(poll(
            || if is_watched { Poll::Pending } else { stream.poll_read_ready(cx) },
            |all| stream.try_io(Interest::READABLE, || receive(stream, space, all)),
        ))?;
        buffer.put_slice(space);
        Poll::Ready(Ok(()))
    })
}

/// Takes with `try_receive` what there is, and asks `ready` where there is nothing. What `try_receive` leaves in its
/// argument, if it is not 0, is the result whatever it returns.
pub(crate) fn poll(
    mut ready: impl FnMut() -> Poll<io::Result<()>>,
    mut try_receive: impl FnMut(&mut usize) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        // Tried before tokio is asked, since nearly always it is known that there is something.
        let mut all = 0;
        match try_receive(&mut all) {
            _ if all > 0 => return Poll::Ready(Ok(all)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(ready())?,
            received => return Poll::Ready(received),
        }
    }
}

/// Where the socket is empty after it, the result goes to `all`, and this is an error for tokio: that then waits for
/// the socket's next event where it would ask the kernel again.
fn receive(socket: &impl AsFd, space: &mut Vec<u8>, all: &mut usize) -> io::Result<usize> {
    let room = space.capacity() - space.len();
    let (_, bytes) = rustix::net::recv(socket, spare_capacity(space), RecvFlags::empty())?;
    if (1..room).contains(&bytes) {
        *all = bytes;
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::task::Waker;

    use super::*;

    /// A client's end and the server's; inside a runtime.
    pub(crate) fn pair() -> (std::net::TcpStream, TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let far = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (near, _) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        (far, TcpStream::from_std(near).unwrap())
    }

    async fn received(near: &TcpStream, space: &mut Vec<u8>) -> usize {
        poll_fn(|cx| poll_tcp(near, cx, space)).await.unwrap()
    }

    /// What is received without waiting.
    fn at_once(near: &TcpStream, space: &mut Vec<u8>) -> Option<usize> {
        match poll_tcp(near, &mut Context::from_waker(Waker::noop()), space) {
            Poll::Ready(result) => Some(result.unwrap()),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn what_comes_is_received_until_the_end() {
        let (mut far, near) = pair();
        let mut space = Vec::with_capacity(8);
        assert_eq!(at_once(&near, &mut space), None);
        for text in ["one", "two"] {
            far.write_all(text.as_bytes()).unwrap();
            assert_eq!(received(&near, &mut space).await, 3);
            assert_eq!(space, text.as_bytes());
            space.clear();
            assert_eq!(at_once(&near, &mut space), None);
        }
        drop(far);
        assert_eq!(received(&near, &mut space).await, 0);
        assert_eq!(at_once(&near, &mut space), Some(0));
    }

    #[tokio::test]
    async fn what_does_not_fit_comes_next() {
        let (mut far, near) = pair();
        far.write_all(b"abcde").unwrap();
        near.readable().await.unwrap();
        let mut space = Vec::with_capacity(4);
        assert_eq!(at_once(&near, &mut space), Some(4));
        space.clear();
        assert_eq!(at_once(&near, &mut space), Some(1));
        assert_eq!(space, b"e");
    }

    #[tokio::test]
    async fn an_end_right_behind_the_last_bytes_is_seen() {
        let (mut far, near) = pair();
        far.write_all(b"abc").unwrap();
        drop(far);
        let mut space = Vec::with_capacity(8);
        assert_eq!(received(&near, &mut space).await, 3);
        assert_eq!(received(&near, &mut space).await, 0);
    }

    #[tokio::test]
    async fn a_buffer_gets_a_copy() {
        let (mut far, near) = pair();
        far.write_all(&[b'x'; CLIENT_READ_BYTES + 1]).unwrap();
        near.readable().await.unwrap();
        let mut memory = [0; 2 * CLIENT_READ_BYTES];
        let mut buffer = ReadBuf::new(&mut memory);
        for filled in [CLIENT_READ_BYTES, CLIENT_READ_BYTES + 1] {
            poll_fn(|cx| poll_copied(&near, cx, &mut buffer, false)).await.unwrap();
            assert_eq!(buffer.filled(), vec![b'x'; filled]);
        }
    }
}
