//! Any bytes as a chunked body, of a client and of an instance: one end for both readers, in whatever pieces.
#![no_main]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a crash is what a target has to tell"
)]

use libfuzzer_sys::fuzz_target;
use warpdrive_fuzz::{ChunkedEnd, chunked_end, in_pieces, plain_chunks, read_response};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fuzz_target!(|data: &[u8]| {
    let Some((&seed, bytes)) = data.split_first() else { return };
    let end = chunked_end([bytes]);
    assert_eq!(chunked_end(in_pieces(bytes, seed)), end);
    assert_eq!(chunked_end(bytes.chunks(1)), end);
    let response = [HEAD, bytes].concat();
    let whole = read_response([&response[..]], false);
    // The follower of clients leaves much to hyper, so it may find an end where the reader of responses finds
    // fault, and never the other way round.
    if let Some(whole) = whole {
        let used = bytes.len() - whole.left.len();
        assert_eq!(end, ChunkedEnd::At(used));
        let (plain, length) = plain_chunks(bytes).expect("chunks that were read");
        assert_eq!((plain, length), (whole.body, used));
    }
});
