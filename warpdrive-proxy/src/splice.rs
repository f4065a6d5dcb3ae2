//! Large pieces of responses, moved from an instance's socket to a client's without a copy.
//!
//! splice(2) moves references to the kernel's own memory, by way of a pipe. hyper stands between the two sockets: it is
//! given bytes that stand for those in the pipe, counts them and puts them in their place among the others, and where it
//! has them written the wire empties the pipe instead.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::errno::is_one_of;
use crate::limits::PIECE_BYTES;
use crate::send;

/// What stands for bytes in a pipe. Nobody reads it: its address says what it is.
static STAND_IN: [u8; PIECE_BYTES.2] = [0; PIECE_BYTES.2];

/// Stands for so many bytes, at most those of the largest piece.
pub(crate) fn stand_in(bytes: usize) -> Bytes {
    Bytes::from_static(STAND_IN.get(..bytes).unwrap_or(&STAND_IN))
}

fn is_stand_in(bytes: &[u8]) -> bool {
    STAND_IN.as_ptr_range().contains(&bytes.as_ptr())
}

/// What is to be written next.
#[derive(Debug)]
pub(crate) enum Next<'a, 'b> {
    /// Pieces as they are.
    Pieces(&'a [IoSlice<'b>]),
    /// So many bytes from the pipe.
    FromPipe(usize),
}

/// What of `pieces` can be written in one go.
pub(crate) fn next<'a, 'b>(pieces: &'a [IoSlice<'b>]) -> Next<'a, 'b> {
    match pieces.iter().position(|piece| is_stand_in(piece)) {
        Some(0) => Next::FromPipe(pieces.first().map_or(0, |piece| piece.len())),
        Some(before) => Next::Pieces(pieces.get(..before).unwrap_or(pieces)),
        None => Next::Pieces(pieces),
    }
}

thread_local! {
    /// The worker's pipes with nothing in them.
    static SPARE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
    /// How many more it may open.
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// Lets the worker on this thread have so many pipes.
pub(crate) fn allow(pipes: usize) {
    LEFT.set(pipes);
}

#[derive(Debug)]
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipe {
    /// An empty one; none where the worker has all that it may, or there are no descriptors.
    fn take() -> Option<Self> {
        if let Some(pipe) = SPARE.with_borrow_mut(Vec::pop) {
            return Some(pipe);
        }
        let left = LEFT.get().checked_sub(1)?;
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // A user who is not root may have only so much in pipes; beyond it, they take less at once.
        let _ = fcntl_setpipe_size(&write, PIECE_BYTES.2);
        LEFT.set(left);
        Some(Pipe { read, write })
    }

    /// Keeps it, empty, for the next large piece.
    fn give_back(self) {
        SPARE.with_borrow_mut(|spare| spare.push(self));
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // Nobody counts when the thread ends.
        let _ = LEFT.try_with(|left| left.set(left.get() + 1));
    }
}

/// The pipe of one client connection, which has one while there is something in it.
///
/// Its wire and its exchange share it on one thread, as they do [`crate::wire::WireState`]: the lock is taken for
/// large pieces alone, and never waits.
#[derive(Debug, Default)]
pub(crate) struct Spliced {
    /// What is in the pipe.
    bytes: AtomicUsize,
    pipe: Mutex<Option<Pipe>>,
}

impl Spliced {
    fn pipe(&self) -> MutexGuard<'_, Option<Pipe>> {
        // What is under the lock is whole at every step.
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all that went into the pipe has left it.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.load(Relaxed) == 0
    }

    /// Moves something into an empty pipe with `fill`. Ready with how much it was; 0 is the end. Nothing where no pipe is
    /// to be had, or something is in the connection's already: then it must be read.
    ///
    /// # Errors
    ///
    /// What the kernel says of the socket.
    pub(crate) fn poll_fill(
        &self,
        fill: impl FnOnce(BorrowedFd<'_>) -> Poll<io::Result<usize>>,
    ) -> Option<Poll<io::Result<usize>>> {
        if !self.is_empty() {
            return None;
        }
        let pipe = Pipe::take()?;
        let filled = fill(pipe.write.as_fd());
        match &filled {
            Poll::Ready(Ok(bytes)) if *bytes > 0 => {
                self.bytes.store(*bytes, Relaxed);
                *self.pipe() = Some(pipe);
            }
            Poll::Ready(Err(error)) if is_one_of(error, &[Errno::INVAL, Errno::NOSYS, Errno::PERM]) => {
                tracing::info!(%error, "the system splices no sockets here: large bodies are copied");
                SPARE.take();
                drop(pipe);
                LEFT.set(0);
                return None;
            }
            _ => pipe.give_back(),
        }
        Some(filled)
    }

    /// Moves up to `limit` bytes from the pipe to the client, once it takes some.
    ///
    /// # Errors
    ///
    /// What the kernel says of the client's socket; `WriteZero` where there is nothing in the pipe.
    pub(crate) fn poll_drain(&self, cx: &mut Context<'_>, client: &TcpStream, limit: usize) -> Poll<io::Result<usize>> {
        let mut slot = self.pipe();
        let Some(pipe) = &*slot else { return Poll::Ready(Err(io::ErrorKind::WriteZero.into())) };
        let held = self.bytes.load(Relaxed);
        let (from, to) = (pipe.read.as_fd(), client.as_fd());
        let moved = ready!(send::poll(
            || client.poll_write_ready(cx),
            || client.try_io(Interest::WRITABLE, || move_some(from, to, limit.min(held))),
        ))?;
        let left = held.saturating_sub(moved);
        self.bytes.store(left, Relaxed);
        if left == 0
            && let Some(pipe) = slot.take()
        {
            pipe.give_back();
        }
        Poll::Ready(Ok(moved))
    }
}

/// Moves up to `limit` bytes, where one of the two is a pipe.
pub(crate) fn move_some(from: BorrowedFd<'_>, to: BorrowedFd<'_>, limit: usize) -> io::Result<usize> {
    Ok(splice(from, None, to, None, limit, SpliceFlags::NONBLOCK)?)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::{Read, Write};
    use std::task::Waker;

    use super::*;
    use crate::receive;
    use crate::receive::tests::pair;

    async fn fill(spliced: &Spliced, near: &TcpStream, limit: usize) -> Option<usize> {
        poll_fn(|cx| {
            let filled = spliced.poll_fill(|pipe| {
                receive::poll(
                    || near.poll_read_ready(cx),
                    |_| near.try_io(Interest::READABLE, || move_some(near.as_fd(), pipe, limit)),
                )
            });
            filled.map_or(Poll::Ready(None), |filled| filled.map(|filled| Some(filled.unwrap())))
        })
        .await
    }

    async fn drain(spliced: &Spliced, near: &TcpStream, limit: usize) -> usize {
        poll_fn(|cx| spliced.poll_drain(cx, near, limit)).await.unwrap()
    }

    fn spare() -> usize {
        SPARE.with_borrow(Vec::len)
    }

    #[tokio::test]
    async fn bytes_go_from_socket_to_socket_in_their_order() {
        allow(1);
        let ((mut instance, from), (mut client, to)) = (pair(), pair());
        let spliced = Spliced::default();
        instance.write_all(b"one two").unwrap();
        assert_eq!(fill(&spliced, &from, 4).await.unwrap(), 4);
        assert!(!spliced.is_empty());
        assert_eq!(drain(&spliced, &to, 2).await, 2);
        assert!(!spliced.is_empty());
        assert_eq!((drain(&spliced, &to, 100).await, spare()), (2, 1));
        assert!(spliced.is_empty());
        assert_eq!(fill(&spliced, &from, 100).await.unwrap(), 3);
        assert_eq!(drain(&spliced, &to, 3).await, 3);
        let mut got = [0; 7];
        client.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"one two");
        drop(instance);
        assert_eq!(fill(&spliced, &from, 100).await.unwrap(), 0);
        assert!(spliced.is_empty());
        let nothing = poll_fn(|cx| spliced.poll_drain(cx, &to, 1)).await;
        assert_eq!(nothing.unwrap_err().kind(), io::ErrorKind::WriteZero);
        assert_eq!((spare(), LEFT.get()), (1, 0));
    }

    #[tokio::test]
    async fn a_pipe_that_its_connection_leaves_full_is_not_used_again() {
        allow(1);
        let (mut instance, from) = pair();
        instance.write_all(b"secret").unwrap();
        let (left, next) = (Spliced::default(), Spliced::default());
        assert_eq!(fill(&left, &from, 3).await.unwrap(), 3);
        assert!(fill(&next, &from, 3).await.is_none(), "there is but one");
        allow(1);
        assert!(fill(&left, &from, 3).await.is_none(), "it has one");
        allow(0);
        drop(left);
        assert_eq!((spare(), LEFT.get()), (0, 1));
        assert_eq!(fill(&next, &from, 100).await.unwrap(), 3);
        let (mut client, to) = pair();
        assert_eq!(drain(&next, &to, 100).await, 3);
        let mut got = [0; 3];
        client.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"ret");
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_waited_for() {
        allow(1);
        let ((mut instance, from), (mut client, to)) = (pair(), pair());
        socket2::SockRef::from(&to).set_send_buffer_size(1).unwrap();
        let spliced = Spliced::default();
        let body: Vec<u8> = (0..1 << 22).map(|place| (place % 251) as u8).collect();
        let sent = body.clone();
        let sending = std::thread::spawn(move || instance.write_all(&sent));
        let mut cx = Context::from_waker(Waker::noop());
        let mut moved = 0;
        // Until the client's socket is full.
        loop {
            if spliced.is_empty() {
                fill(&spliced, &from, PIECE_BYTES.2).await.unwrap();
            }
            match spliced.poll_drain(&mut cx, &to, PIECE_BYTES.2) {
                Poll::Ready(bytes) => moved += bytes.unwrap(),
                Poll::Pending => break,
            }
        }
        assert!(moved < body.len() && !spliced.is_empty(), "{moved}");
        let reading = std::thread::spawn(move || {
            let mut got = Vec::new();
            client.read_to_end(&mut got).map(|_| got)
        });
        while moved < body.len() {
            if spliced.is_empty() {
                fill(&spliced, &from, PIECE_BYTES.2).await.unwrap();
            }
            moved += drain(&spliced, &to, PIECE_BYTES.2).await;
        }
        drop(to);
        assert!(reading.join().unwrap().unwrap() == body);
        sending.join().unwrap().unwrap();
    }

    #[tokio::test]
    async fn where_nothing_can_be_spliced_it_is_not_tried_again() {
        allow(8);
        let spliced = Spliced::default();
        let refused = || Poll::Ready(Err(Errno::INVAL.into()));
        assert!(spliced.poll_fill(|_| refused()).is_none());
        assert_eq!((spare(), LEFT.get()), (0, 0));
        assert!(spliced.poll_fill(|_| panic!("tried again")).is_none());
    }

    #[test]
    fn what_stands_for_bytes_is_told_from_bytes() {
        let (head, body, moved) = (vec![b'h'; 9], vec![0; 9], stand_in(PIECE_BYTES.2));
        let [head, body, moved] = [&head[..], &body, &moved].map(IoSlice::new);
        assert!(matches!(next(&[head, body]), Next::Pieces([_, _])));
        assert!(matches!(next(&[head, body, moved, body]), Next::Pieces([_, _])));
        assert!(matches!(next(&[moved, body]), Next::FromPipe(bytes) if bytes == PIECE_BYTES.2));
        // As hyper goes on after a part of it.
        let rest = stand_in(PIECE_BYTES.2).slice(PIECE_BYTES.2 - 1..);
        assert!(matches!(next(&[IoSlice::new(&rest)]), Next::FromPipe(1)));
        assert!(matches!(next(&[]), Next::Pieces([])));
    }
}
