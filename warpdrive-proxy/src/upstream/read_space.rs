//! What the worker's connections to instances read small pieces into.

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;

use super::socket::ReadHalf;
use crate::limits::{READ_SPACE_BYTES, UPSTREAM_READ_BYTES};

/// A block that heads and small bodies are read into one behind the other, so that a response costs no
/// allocation of its own and the next one finds the memory still in the processor's cache.
///
/// A block lives as long as a piece of it: a client that takes nothing of a small answer holds one.
#[derive(Default)]
pub(crate) struct ReadSpace {
    block: Cell<BytesMut>,
}

impl ReadSpace {
    /// Reads at most [`UPSTREAM_READ_BYTES`]; nothing is the end.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, socket: &mut ReadHalf) -> Poll<io::Result<BytesMut>> {
        let mut block = self.block.take();
        if block.capacity() < UPSTREAM_READ_BYTES {
            // The block from its start again where nobody holds a piece of it, else a new one.
            block.reserve(READ_SPACE_BYTES);
        }
        let read = socket.poll_read(cx, &mut block, UPSTREAM_READ_BYTES);
        let piece = block.split();
        self.block.set(block);
        ready!(read)?;
        Poll::Ready(Ok(piece))
    }
}
