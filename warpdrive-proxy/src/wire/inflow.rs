//! What a client sends, handed to hyper message by message.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf, Take};
use tokio::net::TcpStream;

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
        self.watched = result.is_pending();
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
