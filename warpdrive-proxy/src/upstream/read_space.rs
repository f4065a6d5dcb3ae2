//! What the worker's connections to instances read small pieces with.

use std::cell::RefCell;
use std::io;
use std::mem::take;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};

use super::socket::ReadHalf;
use crate::block::Block;
use crate::limits::{READ_SPACE_BYTES, SMALL_READ_BYTES, UPSTREAM_READ_BYTES};

/// Heads and small bodies are received in memory that is always the same, and copied to a block that has them one
/// behind the other: so a response costs no allocation of its own, and the next one finds all of it in the processor's
/// cache. A larger piece keeps the memory that it came in.
///
/// A block lives as long as a piece of it: a client that takes nothing of a small answer holds one.
#[derive(Default)]
pub(crate) struct ReadSpace {
    received: RefCell<Vec<u8>>,
    block: Block<READ_SPACE_BYTES>,
}

impl ReadSpace {
    /// Reads at most [`UPSTREAM_READ_BYTES`], once there are any; nothing is the end.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, socket: &ReadHalf) -> Poll<io::Result<BytesMut>> {
        let mut received = self.received.borrow_mut();
        received.clear();
        received.reserve_exact(UPSTREAM_READ_BYTES);
        let bytes = ready!(socket.poll_receive(cx, &mut received))?;
        Poll::Ready(Ok(if bytes <= SMALL_READ_BYTES {
            self.block.copy(&received)
        } else {
            BytesMut::from(Bytes::from(take(&mut *received)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;

    use super::super::socket::Socket;
    use super::*;

    #[tokio::test]
    async fn small_pieces_share_a_block_and_a_large_one_keeps_its_memory() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let (read, _write) = Socket::Unix(near).into_split();
        let space = ReadSpace::default();
        let mut pieces = Vec::new();
        for bytes in [SMALL_READ_BYTES, 5, SMALL_READ_BYTES + 1, 5] {
            far.write_all(&vec![b'x'; bytes]).await.unwrap();
            pieces.push(poll_fn(|cx| space.poll_read(cx, &read)).await.unwrap());
            assert_eq!(pieces.last().unwrap(), &vec![b'x'; bytes]);
        }
        let [first, second, large, last] = &pieces[..] else { panic!("{}", pieces.len()) };
        let end = |piece: &BytesMut| piece.as_ptr().addr() + piece.len();
        assert_eq!((end(first), end(second)), (second.as_ptr().addr(), last.as_ptr().addr()));
        assert!(large.capacity() >= UPSTREAM_READ_BYTES);
        far.write_all(&[b'x'; UPSTREAM_READ_BYTES + 1]).await.unwrap();
        for bytes in [UPSTREAM_READ_BYTES, 1] {
            assert_eq!(poll_fn(|cx| space.poll_read(cx, &read)).await.unwrap().len(), bytes);
        }
        drop(far);
        assert!(poll_fn(|cx| space.poll_read(cx, &read)).await.unwrap().is_empty());
    }
}
