//! Follows the chunked transfer coding (RFC 9112 section 7.1) for the size of each chunk.

use memchr::memchr;

use crate::limits::CHUNK_BYTES;

/// What was found in some bytes of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    /// All of them belong to the body.
    All,
    /// The body ends after so many.
    End(usize),
    /// After so many comes a digit that makes a chunk larger than [`CHUNK_BYTES`], or a line end that
    /// is none.
    Malformed(usize),
}

/// The place in a chunked body that has been reached.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chunks {
    /// In the digits of a chunk size.
    Size(u64),
    /// In what follows the digits on their line.
    Extension(u64),
    /// In data, and the line end after it.
    Data(u64),
    /// At the start of a line after the last chunk.
    TrailerStart,
    /// After the carriage return of an empty line.
    Blank,
    /// In a trailer line; whether the byte before was a carriage return.
    Trailer(bool),
}

impl Default for Chunks {
    fn default() -> Self {
        Chunks::Size(0)
    }
}

impl Chunks {
    /// Takes the next bytes. Constant time for data, linear for everything else.
    ///
    /// hyper refuses what is malformed otherwise. In trailers it waits for a carriage return, whatever
    /// comes before it; so a line feed alone is refused here.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Scanned {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let rest = bytes.get(at..).unwrap_or_default();
            match *self {
                Chunks::Size(size) => match char::from(byte).to_digit(16) {
                    Some(digit) => {
                        // Cannot overflow: the limit is far from 64 bits.
                        let size = size * 16 + u64::from(digit);
                        if size > CHUNK_BYTES {
                            return Scanned::Malformed(at);
                        }
                        *self = Chunks::Size(size);
                        at += 1;
                    }
                    None => *self = Chunks::Extension(size),
                },
                Chunks::Extension(size) => {
                    let Some(end) = memchr(b'\n', rest) else { return Scanned::All };
                    at += end + 1;
                    *self = if size == 0 { Chunks::TrailerStart } else { Chunks::Data(size + 2) };
                }
                Chunks::Data(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    at += taken;
                    let left = left - taken as u64;
                    *self = if left == 0 { Chunks::Size(0) } else { Chunks::Data(left) };
                }
                Chunks::TrailerStart if byte == b'\r' => {
                    at += 1;
                    *self = Chunks::Blank;
                }
                Chunks::TrailerStart => *self = Chunks::Trailer(false),
                Chunks::Blank if byte == b'\n' => return Scanned::End(at + 1),
                Chunks::Blank => return Scanned::Malformed(at),
                Chunks::Trailer(after_return) => {
                    let line = memchr(b'\n', rest);
                    let text = rest.get(..line.unwrap_or(rest.len())).unwrap_or_default();
                    let after_return = text.last().map_or(after_return, |last| *last == b'\r');
                    match line {
                        None => {
                            *self = Chunks::Trailer(after_return);
                            return Scanned::All;
                        }
                        Some(end) if !after_return => return Scanned::Malformed(at + end),
                        Some(end) => {
                            at += end + 1;
                            *self = Chunks::TrailerStart;
                        }
                    }
                }
            }
        }
        Scanned::All
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(body: &str, size: usize) -> (usize, Scanned) {
        let mut chunks = Chunks::default();
        let mut before = 0;
        for piece in body.as_bytes().chunks(size) {
            match chunks.scan(piece) {
                Scanned::All => before += piece.len(),
                Scanned::End(end) => return (before + end, Scanned::End(0)),
                Scanned::Malformed(end) => return (before + end, Scanned::Malformed(0)),
            }
        }
        (before, Scanned::All)
    }

    #[test]
    fn the_end_is_found_in_any_pieces() {
        let body = "3\r\na\r\n\r\n00a ; x=\"y\"\r\n0123456789\r\n000\r\nA: b\r\nC: d\r\n\r\n";
        let text = format!("{body}GET / HTTP/1.1\r\n\r\n");
        for size in 1..=text.len() {
            assert_eq!(scan(&text, size), (body.len(), Scanned::End(0)), "in pieces of {size}");
        }
        assert_eq!(scan("0\r\n\r\nG", 9), (5, Scanned::End(0)));
    }

    #[test]
    fn a_size_of_the_limit_passes_and_one_more_does_not() {
        for size in 1..20 {
            assert_eq!(scan(&format!("{CHUNK_BYTES:x}\r\nab"), size).1, Scanned::All);
            assert_eq!(scan(&format!("0000000000{:X}\r\nab", CHUNK_BYTES + 1), size).1, Scanned::Malformed(0));
            assert_eq!(scan("1\r\na\r\nffffffffffffffff\r\nab", size).1, Scanned::Malformed(0));
            assert_eq!(scan("10000000000000005\r\nhello\r\n", size).1, Scanned::Malformed(0));
        }
    }

    #[test]
    fn a_size_in_data_is_data() {
        assert_eq!(scan("12\r\nffffffffffffffff\r\n\r\n0\r\n\r\n", 7).1, Scanned::End(0));
    }

    #[test]
    fn a_line_feed_alone_ends_no_trailer() {
        for size in 1..9 {
            for body in ["0\r\n\n", "0\r\n\r\r\n", "0\r\nX: y\n\r\n", "0\r\nX: y\r\n\n"] {
                assert_eq!(scan(body, size).1, Scanned::Malformed(0), "{body:?} in pieces of {size}");
            }
        }
    }
}
