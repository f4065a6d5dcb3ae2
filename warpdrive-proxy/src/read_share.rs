//! How much one read may bring, so that bodies have bounded memory however many there are.
//!
//! hyper doubles its read buffer whenever a read fills it, up to what a head may have, and keeps it
//! at that: a thousand responses of a megabyte held 250 MB. A read that brings less than half of a
//! buffer does not make it grow, so what a read may bring bounds the buffer at twice that.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use crate::limits::{PIECE_BYTES, PIECE_SHARE_BYTES, READ_BYTES, READ_SHARE_BYTES};

/// What the client connections of one worker may read at once. Changed by
/// its own thread alone; only upgrades need the type to be `Send`.
#[derive(Debug, Default)]
pub(crate) struct ReadShare {
    connections: AtomicUsize,
}

impl ReadShare {
    /// How large a piece of a response's body may become: smaller, the more clients there are who might not take
    /// theirs.
    pub(crate) fn largest_piece(&self) -> usize {
        let (_, first, most) = PIECE_BYTES;
        (PIECE_SHARE_BYTES / self.connections.load(Relaxed).max(1)).clamp(first, most)
    }
}

/// One connection's part in a [`ReadShare`], for as long as it lives.
#[derive(Debug)]
pub(crate) struct Reader {
    share: Arc<ReadShare>,
}

impl Reader {
    pub(crate) fn new(share: &Arc<ReadShare>) -> Self {
        share.connections.fetch_add(1, Relaxed);
        Reader { share: Arc::clone(share) }
    }

    /// How many bytes the next read may bring: fewer, the more connections there are.
    pub(crate) fn limit(&self) -> u64 {
        let (least, most) = READ_BYTES;
        let part = READ_SHARE_BYTES / self.share.connections.load(Relaxed).max(1);
        part.clamp(least, most) as u64
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.share.connections.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_connections_read_little_each() {
        let share = Arc::new(ReadShare::default());
        let (least, most) = READ_BYTES;
        let first = Reader::new(&share);
        assert_eq!(first.limit(), most as u64);
        let others: Vec<Reader> = (1..READ_SHARE_BYTES / least * 2).map(|_| Reader::new(&share)).collect();
        assert_eq!(first.limit(), least as u64);
        let more: Vec<Reader> =
            (others.len()..PIECE_SHARE_BYTES / PIECE_BYTES.1).map(|_| Reader::new(&share)).collect();
        assert_eq!(share.largest_piece(), PIECE_BYTES.1);
        drop((others, more));
        assert_eq!(first.limit(), most as u64);
        assert_eq!(share.largest_piece(), PIECE_BYTES.2);
    }
}
