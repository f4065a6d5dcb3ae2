//! The chunked transfer coding (RFC 9112 section 7.1), decoded.

use bytes::{Buf, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

use super::decode::take;
use super::{Decoded, Malformed};
use crate::limits::{CHUNK_BYTES, CHUNK_LINE_BYTES, FREE_HEADER_FIELDS, TRAILER_BYTES};

/// The place in a chunked body that has been reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the line with a size.
    Size,
    Data(u64),
    /// At the line end after data.
    DataEnd,
    /// After the last chunk. So many bytes were looked at without an end of the trailers.
    Trailers(usize),
}

/// A decoder, with what it has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Chunked {
    place: Place,
}

impl Default for Chunked {
    fn default() -> Self {
        Chunked { place: Place::Size }
    }
}

impl Chunked {
    /// Takes the next part from the front of `buffer`: data, or the end with or without trailers.
    ///
    /// # Errors
    ///
    /// A size that is none, a line end that is none, or something longer than its limit.
    pub(super) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, Malformed> {
        loop {
            match self.place {
                Place::Size => {
                    let Some(end) = memchr(b'\n', buffer) else {
                        // What is there already must be able to become a size.
                        let digits = buffer.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                        let is_size = digits > 0 && size(buffer.get(..digits).unwrap_or_default()).is_ok();
                        let is_short = buffer.len() < CHUNK_LINE_BYTES;
                        return if buffer.is_empty() || (is_size && is_short) {
                            Ok(Decoded::More)
                        } else {
                            Err(Malformed)
                        };
                    };
                    let line = buffer.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Malformed)?;
                    let size = size_of_line(line)?;
                    buffer.advance(end + 1);
                    self.place = if size == 0 { Place::Trailers(0) } else { Place::Data(size) };
                }
                Place::Data(_) if buffer.is_empty() => return Ok(Decoded::More),
                Place::Data(left) => {
                    let data = take(buffer, usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left - data.len() as u64;
                    self.place = if left == 0 { Place::DataEnd } else { Place::Data(left) };
                    return Ok(Decoded::Data(data));
                }
                Place::DataEnd => match buffer.get(..2) {
                    Some(b"\r\n") => {
                        buffer.advance(2);
                        self.place = Place::Size;
                    }
                    None if matches!(&buffer[..], b"" | b"\r") => return Ok(Decoded::More),
                    _ => return Err(Malformed),
                },
                Place::Trailers(seen) => return self.trailers(buffer, seen),
            }
        }
    }

    fn trailers(&mut self, buffer: &mut BytesMut, seen: usize) -> Result<Decoded, Malformed> {
        // Lines, each with its whole line end; an empty one is the last.
        let mut start = seen;
        loop {
            let rest = buffer.get(start..).unwrap_or_default();
            let Some(end) = memchr(b'\n', rest) else {
                self.place = Place::Trailers(start);
                return if buffer.len() > TRAILER_BYTES { Err(Malformed) } else { Ok(Decoded::More) };
            };
            let line = rest.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Malformed)?;
            if start > TRAILER_BYTES || line.contains(&b'\r') {
                return Err(Malformed);
            }
            let is_last = line.is_empty();
            start += end + 1;
            if is_last {
                break;
            }
        }
        let block = buffer.split_to(start);
        if block.len() == 2 {
            return Ok(Decoded::End);
        }
        let mut space = [httparse::EMPTY_HEADER; FREE_HEADER_FIELDS];
        let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(&block, &mut space) else {
            return Err(Malformed);
        };
        let mut trailers = HeaderMap::new();
        for field in fields {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
            trailers.append(name, HeaderValue::from_bytes(field.value).map_err(|_| Malformed)?);
        }
        Ok(Decoded::Trailers(trailers))
    }
}

/// The size in a line that may have an extension, which is read by nobody (section 7.1.1).
fn size_of_line(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(digits);
    let rest = rest.trim_ascii_start();
    // A carriage return alone is a line end to some.
    if line.len() > CHUNK_LINE_BYTES || rest.contains(&b'\r') || !matches!(rest.first(), None | Some(b';')) {
        return Err(Malformed);
    }
    size(digits)
}

fn size(digits: &[u8]) -> Result<u64, Malformed> {
    let mut size = 0;
    for digit in digits {
        let digit = char::from(*digit).to_digit(16).ok_or(Malformed)?;
        // Cannot overflow: the limit is far from 64 bits.
        size = size * 16 + u64::from(digit);
        if size > CHUNK_BYTES {
            return Err(Malformed);
        }
    }
    if digits.is_empty() { Err(Malformed) } else { Ok(size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data, trailers and what is left.
    type Found = (Vec<u8>, Option<HeaderMap>, Vec<u8>);

    /// What is found when the bytes come in pieces of `piece`.
    fn decode(body: &[u8], piece: usize) -> Result<Found, Malformed> {
        let (mut chunked, mut buffer, mut data) = (Chunked::default(), BytesMut::new(), Vec::new());
        let mut pieces = body.chunks(piece);
        loop {
            match chunked.decode(&mut buffer)? {
                Decoded::More => match pieces.next() {
                    Some(piece) => buffer.extend_from_slice(piece),
                    None => panic!("no end of {:?}", String::from_utf8_lossy(body)),
                },
                Decoded::Data(bytes) => data.extend_from_slice(&bytes),
                Decoded::Trailers(trailers) => {
                    buffer.extend(pieces.flatten());
                    return Ok((data, Some(trailers), buffer.to_vec()));
                }
                Decoded::End => {
                    buffer.extend(pieces.flatten());
                    return Ok((data, None, buffer.to_vec()));
                }
            }
        }
    }

    #[test]
    fn a_body_is_the_same_in_any_pieces() {
        let body = b"3\r\nabc\r\n00A ; x=\"y\"\r\n0123456789\r\n000;z\r\nA: b\r\nc:d\r\n\r\nHTTP/1.1 200 OK";
        for piece in 1..=body.len() {
            let (data, trailers, rest) = decode(body, piece).unwrap();
            let trailers = trailers.unwrap();
            assert_eq!(data, b"abc0123456789");
            assert_eq!(
                (trailers.len(), &trailers["a"], &trailers["c"]),
                (2, &"b".parse().unwrap(), &"d".parse().unwrap())
            );
            assert_eq!(rest, b"HTTP/1.1 200 OK");
            assert_eq!(decode(b"1\r\nx\r\n0\r\n\r\n", piece).unwrap(), (b"x".to_vec(), None, vec![]));
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for body in [
            &b"\r\n"[..],
            b"x\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"0x1\r\n",
            b" 1\r\na\r\n",
            b"1 2\r\na\r\n",
            b"1\na\n0\n\n",
            b"1;a\nb\r\na\r\n0\r\n\r\n",
            b"1;a\rb\r\na\r\n0\r\n\r\n",
            b"1\r\naX\r\n0\r\n\r\n",
            b"1\r\na\n\r\n0\r\n\r\n",
            b"1000000000001\r\n",
            b"ffffffffffffffff\r\n",
            b"0\r\n\n",
            b"0\r\nno field\r\n\r\n",
            b"0\r\nA: b\n\r\n",
            b"0\r\nA : b\r\n\r\n",
            b"0\r\nA: b\rc\r\n\r\n",
        ] {
            for piece in 1..=body.len() {
                assert_eq!(
                    decode(body, piece),
                    Err(Malformed),
                    "{:?} in pieces of {piece}",
                    String::from_utf8_lossy(body)
                );
            }
        }
    }

    #[test]
    fn limits_hold() {
        let line = |length: usize| format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(length - 2));
        assert!(decode(line(CHUNK_LINE_BYTES - 1).as_bytes(), 9000).is_ok());
        assert!(decode(line(CHUNK_LINE_BYTES + 1).as_bytes(), 9000).is_err());
        assert!(decode(line(CHUNK_LINE_BYTES + 1).as_bytes(), 1).is_err());
        let trailers = |count: usize| format!("0\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert!(decode(trailers(FREE_HEADER_FIELDS).as_bytes(), 9000).is_ok());
        assert!(decode(trailers(FREE_HEADER_FIELDS + 1).as_bytes(), 9000).is_err());
        let long = |length: usize| format!("0\r\na: {}\r\n\r\n", "x".repeat(length));
        assert!(decode(long(TRAILER_BYTES - 16).as_bytes(), 9000).is_ok());
        assert!(decode(long(TRAILER_BYTES + 16).as_bytes(), 1000).is_err());
    }
}
