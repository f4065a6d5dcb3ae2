//! How the proxy reads responses, by its own source: nothing of that is public.

#[path = "../../warpdrive-proxy/src/upstream/http1/chunked.rs"]
mod chunked;
#[expect(dead_code, reason = "what the proxy asks beside the bytes is not used here")]
#[path = "../../warpdrive-proxy/src/upstream/http1/decode.rs"]
mod decode;
#[expect(dead_code, reason = "fields that came another way are not read here")]
#[path = "../../warpdrive-proxy/src/upstream/http1/framing.rs"]
mod framing;
#[path = "../../warpdrive-proxy/src/upstream/http1/names.rs"]
mod names;
#[expect(dead_code, reason = "whether a connection goes on is not asked here")]
#[path = "../../warpdrive-proxy/src/upstream/http1/response.rs"]
mod response;

use std::cell::RefCell;

use bytes::BytesMut;
use http::HeaderMap;

use decode::{Decoded, Decoder};
use response::{Reader, Start, Watch};

/// As the proxy has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Malformed;

/// A head: its status and its fields in order.
pub type Head = (u16, Vec<(String, Vec<u8>)>);

/// A response that was read to its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole {
    /// Interim responses and the final one.
    pub heads: Vec<Head>,
    /// The decoded body.
    pub body: Vec<u8>,
    /// The trailers of a chunked body, if it has any.
    pub trailers: Option<Vec<(String, Vec<u8>)>>,
    /// Bytes behind its end.
    pub left: Vec<u8>,
}

/// Reads a response that comes in these pieces, and then the end of its connection. `None` where it is
/// malformed or not whole.
pub fn read<'p>(pieces: impl IntoIterator<Item = &'p [u8]>, to_head: bool) -> Option<Whole> {
    // As a worker has it: what it keeps of one response must not show in another.
    READER.with_borrow_mut(|reader| read_with(reader, pieces, to_head))
}

thread_local! {
    static READER: RefCell<Reader> = RefCell::default();
}

fn read_with<'p>(reader: &mut Reader, pieces: impl IntoIterator<Item = &'p [u8]>, to_head: bool) -> Option<Whole> {
    let mut pieces = pieces.into_iter();
    let (mut buffer, mut watch) = (BytesMut::new(), Watch::default());
    let mut whole = Whole { heads: Vec::new(), body: Vec::new(), trailers: None, left: Vec::new() };
    let mut body = loop {
        match reader.parse(&mut buffer, &mut watch, to_head, HeaderMap::new).ok()? {
            Start::More => buffer.extend_from_slice(pieces.next()?),
            Start::Interim(status, headers) => whole.heads.push((status.as_u16(), fields(&headers))),
            Start::Final(head) => {
                whole.heads.push((head.parts.status.as_u16(), fields(&head.parts.headers)));
                break head.body;
            }
        }
    };
    loop {
        match body.decode(&mut buffer).ok()? {
            Decoded::More => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None => body.end().ok()?,
            },
            Decoded::Data(data) => whole.body.extend_from_slice(&data),
            Decoded::Trailers(trailers) => whole.trailers = Some(fields(&trailers)),
            Decoded::End => break,
        }
    }
    assert_eq!(body, Decoder::Ended);
    whole.left.extend_from_slice(&buffer);
    pieces.for_each(|piece| whole.left.extend_from_slice(piece));
    Some(whole)
}

fn fields(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}
