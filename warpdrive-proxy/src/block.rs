//! Memory that small pieces share, so that none costs an allocation of its own.

use std::cell::Cell;

use bytes::BytesMut;

/// A block of `SIZE` bytes that pieces are copied into one behind the other. It lives as long as one of them.
#[derive(Default)]
pub(crate) struct Block<const SIZE: usize> {
    left: Cell<BytesMut>,
}

impl<const SIZE: usize> Block<SIZE> {
    /// A copy of `bytes`.
    pub(crate) fn copy(&self, bytes: &[u8]) -> BytesMut {
        let mut left = self.left.take();
        if left.capacity() < bytes.len() {
            // The block from its start again where nobody holds a piece of it, else a new one.
            left.reserve(bytes.len().max(SIZE));
        }
        left.extend_from_slice(bytes);
        let piece = left.split();
        self.left.set(left);
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_share_a_block_and_a_large_one_has_its_own() {
        let block = Block::<64>::default();
        let (first, second) = (block.copy(b"one"), block.copy(b"two"));
        assert_eq!((&first[..], &second[..]), (&b"one"[..], &b"two"[..]));
        assert_eq!(first.as_ptr().addr() + first.len(), second.as_ptr().addr());
        let large = [7; 200];
        assert_eq!(block.copy(&large), large[..]);
        assert_eq!(first, "one");
    }

    #[test]
    fn a_block_that_nobody_holds_is_used_again() {
        let block = Block::<64>::default();
        let start = block.copy(&[1; 60]).as_ptr().addr();
        assert_eq!(block.copy(&[2; 60]).as_ptr().addr(), start);
    }
}
