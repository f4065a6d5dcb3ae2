//! What a client sends, handed to hyper message by message.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf, Take};
use tokio::net::TcpStream;
use tokio::task::coop;

use super::framing::{BodyLength, Framing};
use super::state::WireState;
use crate::limits::CLIENT_READ_BYTES;
use crate::receive;

/// Reads from a client's socket, and at once never more than one head or the body after it: how to
/// follow what comes after a head is known only when hyper has read it.
#[derive(Debug, Default)]
pub(super) struct Inflow {
    framing: Framing,
    /// What came in one piece with the end of a head or a body; empty, and without memory, nearly always. At
    /// most what hyper reads at once, since nothing is read before it is taken.
    held: Bytes,
    /// What comes next is malformed.
    malformed: bool,
    in_head: bool,
    ended: bool,
    /// tokio has said that there is nothing, and nothing has been read since: it wakes the connection's task when
    /// something comes, and need not be told again.
    watched: bool,
}

impl Inflow {
    /// The exchange of the head that ended last has begun.
    pub(super) fn begin_body(&mut self, length: BodyLength) {
        self.framing.begin_body(length);
    }

    /// Whether the bytes that were read last belong to a head.
    pub(super) fn is_in_head(&self) -> bool {
        self.in_head
    }

    /// Whether the client has sent all of its request, and nothing after it that was read.
    pub(super) fn is_between(&self, state: &WireState) -> bool {
        self.held.is_empty() && self.framing.is_between().unwrap_or(!state.is_body_open())
    }

    /// Whether the client has ended its side.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Looks at the next byte, without taking it. Ready with how many there are; 0 is the end.
    pub(super) fn poll_peek(&mut self, cx: &mut Context<'_>, stream: &TcpStream) -> Poll<io::Result<usize>> {
        let mut space = [0; 1];
        let result = stream.poll_peek(cx, &mut ReadBuf::new(&mut space));
        self.watch(result)
    }

    /// Every look at the socket comes by here.
    fn watch<T>(&mut self, result: Poll<T>) -> Poll<T> {
        // A task that has used up its budget is told so without a look, and woken at once.
        self.watched = result.is_pending() && coop::has_budget_remaining();
        result
    }

    /// Ready without a byte at the end. A tunnel's bytes are no messages.
    ///
    /// # Errors
    ///
    /// `InvalidData` in place of what is malformed; else what the kernel says.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Take<TcpStream>,
        buffer: &mut ReadBuf<'_>,
        is_tunnel: bool,
    ) -> Poll<io::Result<()>> {
        if self.malformed {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buffer.filled().len();
        let was_held = !self.held.is_empty();
        if was_held {
            let length = buffer.remaining().min(self.held.len());
            buffer.put_slice(self.held.get(..length).unwrap_or_default());
        } else {
            let result =
                if !is_tunnel && self.framing.is_between() == Some(true) && buffer.remaining() >= CLIENT_READ_BYTES {
                    receive::poll_copied(stream.get_ref(), cx, buffer, self.watched)
                } else {
                    Pin::new(stream).poll_read(cx, buffer)
                };
            ready!(self.watch(result))?;
        }
        let bytes = buffer.filled().get(before..).unwrap_or_default();
        self.ended = bytes.is_empty();
        if is_tunnel {
            self.held.advance(if was_held { bytes.len() } else { 0 });
            return Poll::Ready(Ok(()));
        }
        let followed = self.framing.follow(bytes);
        self.malformed = followed.malformed;
        self.in_head = followed.in_head;
        let (readable, rest) = bytes.split_at(followed.readable.min(bytes.len()));
        if self.malformed && readable.is_empty() {
            buffer.set_filled(before);
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if was_held {
            self.held.advance(readable.len());
        } else if !rest.is_empty() {
            self.held = Bytes::copy_from_slice(rest);
        }
        let filled = before + readable.len();
        buffer.set_filled(filled);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::io::Write;
    use std::pin::pin;

    use tokio::io::AsyncReadExt;
    use tokio::time::{Duration, timeout};

    use super::*;
    use crate::receive::tests::pair;

    /// Looks at the socket, and then reads; nothing where that is not woken. The client sends between the two.
    async fn read_after_a_look(is_spent: bool) -> Option<Vec<u8>> {
        let (mut far, near) = pair();
        let mut near = near.take(u64::MAX);
        let mut inflow = Inflow::default();
        poll_fn(|cx| {
            while is_spent && coop::has_budget_remaining() {
                assert!(pin!(coop::consume_budget()).poll(cx).is_ready());
            }
            assert!(inflow.poll_peek(cx, near.get_ref()).is_pending());
            Poll::Ready(())
        })
        .await;
        assert_ne!(inflow.watched, is_spent);
        let mut memory = vec![0; CLIENT_READ_BYTES];
        let mut sent = false;
        let read = poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut memory);
            let result = inflow.poll_read(cx, &mut near, &mut buffer, false);
            if result.is_pending() && !sent {
                sent = true;
                far.write_all(b"GET ").unwrap();
            }
            result.map(|result| result.map(|()| buffer.filled().to_vec()).unwrap())
        });
        timeout(Duration::from_secs(5), read).await.ok()
    }

    #[tokio::test]
    async fn what_comes_after_a_look_wakes_the_task() {
        assert_eq!(read_after_a_look(false).await.unwrap(), b"GET ");
        assert_eq!(read_after_a_look(true).await.unwrap(), b"GET ");
    }
}
