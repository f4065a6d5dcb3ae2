//! The body of a response, out of the bytes of its connection.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::Malformed;
use super::chunked::Chunked;

/// What is still to come of a body (RFC 9112 section 6.3).
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Decoder {
    /// So many bytes; never none.
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    /// Nothing.
    Ended,
}

/// What a buffer brings of a body.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Decoded {
    /// More bytes are needed.
    More,
    Data(Bytes),
    Trailers(HeaderMap),
    End,
}

impl Decoder {
    pub(in super::super) fn length(bytes: u64) -> Self {
        if bytes == 0 { Decoder::Ended } else { Decoder::Length(bytes) }
    }

    pub(in super::super) fn chunked() -> Self {
        Decoder::Chunked(Chunked::default())
    }

    /// Takes the next part of the body from the front of `buffer`, without a copy.
    ///
    /// # Errors
    ///
    /// The chunks are malformed, or go past a limit.
    pub(in super::super) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, Malformed> {
        match self {
            Decoder::Ended => Ok(Decoded::End),
            Decoder::Length(_) | Decoder::UntilClose if buffer.is_empty() => Ok(Decoded::More),
            Decoder::UntilClose => Ok(Decoded::Data(take(buffer, usize::MAX))),
            Decoder::Length(left) => {
                let data = take(buffer, usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                if *left == 0 {
                    *self = Decoder::Ended;
                }
                Ok(Decoded::Data(data))
            }
            Decoder::Chunked(chunked) => {
                let decoded = chunked.decode(buffer)?;
                if matches!(decoded, Decoded::Trailers(_) | Decoded::End) {
                    *self = Decoder::Ended;
                }
                Ok(decoded)
            }
        }
    }

    /// The connection has ended.
    ///
    /// # Errors
    ///
    /// Something of the body is missing.
    pub(in super::super) fn end(&mut self) -> Result<(), Malformed> {
        match self {
            Decoder::UntilClose | Decoder::Ended => {
                *self = Decoder::Ended;
                Ok(())
            }
            Decoder::Length(_) | Decoder::Chunked(_) => Err(Malformed),
        }
    }

    /// So many bytes of a length, not more than are left of it, went another way than through the buffer.
    pub(in super::super) fn skip(&mut self, bytes: u64) {
        if let Decoder::Length(left) = self {
            *self = Decoder::length(left.saturating_sub(bytes));
        }
    }

    /// How many bytes are to come, where that is known.
    pub(in super::super) fn left(&self) -> Option<u64> {
        match self {
            Decoder::Length(left) => Some(*left),
            Decoder::Ended => Some(0),
            Decoder::Chunked(_) | Decoder::UntilClose => None,
        }
    }
}

/// Takes up to `limit` bytes from the front.
///
/// A buffer that has nothing left lets go of its memory: else a large piece would last until the next
/// one comes, though the client has it.
pub(super) fn take(buffer: &mut BytesMut, limit: usize) -> Bytes {
    if buffer.len() <= limit { std::mem::take(buffer).freeze() } else { buffer.split_to(limit).freeze() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_ends_where_it_ends() {
        let mut decoder = Decoder::length(5);
        let mut buffer = BytesMut::from("abc");
        assert_eq!(decoder.decode(&mut buffer), Ok(Decoded::Data(Bytes::from("abc"))));
        assert_eq!(decoder.decode(&mut buffer), Ok(Decoded::More));
        assert_eq!(decoder.left(), Some(2));
        assert_eq!(decoder.end(), Err(Malformed));
        buffer.extend_from_slice(b"deHTTP");
        assert_eq!(decoder.decode(&mut buffer), Ok(Decoded::Data(Bytes::from("de"))));
        assert_eq!((&decoder, &buffer[..]), (&Decoder::Ended, &b"HTTP"[..]));
        assert_eq!(decoder.decode(&mut buffer), Ok(Decoded::End));
    }

    #[test]
    fn what_went_another_way_counts_for_the_length() {
        let mut decoder = Decoder::length(5);
        decoder.skip(2);
        assert_eq!(decoder.left(), Some(3));
        let mut buffer = BytesMut::from("cd");
        assert_eq!(decoder.decode(&mut buffer), Ok(Decoded::Data(Bytes::from("cd"))));
        decoder.skip(1);
        assert_eq!(decoder, Decoder::Ended);
    }

    #[test]
    fn a_body_without_an_end_takes_everything() {
        let mut decoder = Decoder::UntilClose;
        let mut buffer = BytesMut::from("abc");
        assert_eq!(decoder.decode(&mut buffer), Ok(Decoded::Data(Bytes::from("abc"))));
        assert_eq!(decoder.decode(&mut buffer), Ok(Decoded::More));
        assert_eq!(decoder.end(), Ok(()));
        assert_eq!(decoder.decode(&mut buffer), Ok(Decoded::End));
    }
}
