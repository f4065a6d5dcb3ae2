//! How the proxy follows a client's chunks, by its own source: nothing of that is public.

#[path = "../../warpdrive-proxy/src/wire/chunks.rs"]
mod chunks;

use chunks::{Chunks, Scanned};

/// What is found of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkedEnd {
    /// It ends after so many bytes.
    At(usize),
    /// More is to come.
    Open,
    /// It can be none.
    Refused,
}

/// Where a chunked body that comes in these pieces ends.
pub fn chunked_end<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> ChunkedEnd {
    let (mut chunks, mut before) = (Chunks::default(), 0);
    for piece in pieces {
        match chunks.scan(piece) {
            Scanned::All => before += piece.len(),
            Scanned::End(end) => return ChunkedEnd::At(before + end),
            Scanned::Malformed(_) => return ChunkedEnd::Refused,
        }
    }
    ChunkedEnd::Open
}
