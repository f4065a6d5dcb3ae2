//! Follows where messages end in what a client sends (RFC 9112 sections 2.1, 6 and 7.1).
//!
//! hyper decodes bodies and refuses most of what is malformed in them, but takes any chunk size that
//! fits 64 bits: sixteen `f`s then open a chunk that no sender can fill, and everything that follows,
//! requests too, is its data. Sizes are seen only here, where the bytes are still as they came.
//! What this reads is never more than it needs for that; every other judgement is hyper's.

use memchr::memchr;

use super::chunks::{Chunks, Scanned};

/// How a request body is delimited, as hyper decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// There is none.
    None,
    /// So many bytes.
    Bytes(u64),
    /// By the chunked transfer coding.
    Chunked,
}

/// The part of a message that comes next.
#[derive(Clone, Copy, Debug)]
enum Part {
    Head(Head),
    /// A head has ended. How its body is delimited is known when its exchange begins.
    Between,
    Length(u64),
    Chunks(Chunks),
    /// hyper found another end of a head, or the client is being refused: nothing more can be said of this connection.
    Lost,
}

/// How far a head has come.
#[derive(Clone, Copy, Debug, Default)]
enum Head {
    /// Empty lines before the request line, which a reader skips.
    #[default]
    Lead,
    /// In a line that is not empty.
    Line,
    /// In a line that has been empty so far.
    Blank,
}

impl Head {
    /// Takes bytes; how many of them belong to the head, once it has ended.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        if matches!(self, Head::Lead) {
            at = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
            *self = Head::Line;
        }
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let line = memchr(b'\n', rest);
            let text = rest.get(..line.unwrap_or(rest.len())).unwrap_or_default();
            if matches!(self, Head::Blank) && !matches!(text, b"" | b"\r") {
                *self = Head::Line;
            }
            at += line? + 1;
            if matches!(self, Head::Blank) {
                return Some(at);
            }
            *self = Head::Blank;
        }
    }
}

/// What was found in some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Followed {
    /// How many of the bytes may be read now: all of one part, never of two.
    pub(super) readable: usize,
    /// Those belong to a head.
    pub(super) in_head: bool,
    /// After these comes what no reader should act on.
    pub(super) malformed: bool,
}

/// The place in a client's stream that has been reached.
#[derive(Debug)]
pub(super) struct Framing {
    part: Part,
}

impl Default for Framing {
    fn default() -> Self {
        Framing { part: Part::Head(Head::default()) }
    }
}

impl Framing {
    /// The exchange of the head that ended last has begun.
    pub(super) fn begin_body(&mut self, length: BodyLength) {
        self.part = match (self.part, length) {
            (Part::Between, BodyLength::None) => Part::Head(Head::default()),
            (Part::Between, BodyLength::Bytes(bytes)) => Part::Length(bytes),
            (Part::Between, BodyLength::Chunked) => Part::Chunks(Chunks::default()),
            _ => Part::Lost,
        };
    }

    /// Whether nothing of the next message has been read, and all of the one before; `None` where
    /// that is not known.
    pub(super) fn is_between(&self) -> Option<bool> {
        match self.part {
            Part::Lost => None,
            Part::Head(Head::Lead) => Some(true),
            _ => Some(false),
        }
    }

    /// Follows the next bytes, to the end of a part. Constant time for body data.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Followed {
        let mut followed = Followed { readable: bytes.len(), in_head: false, malformed: false };
        match &mut self.part {
            Part::Head(head) => {
                followed.in_head = true;
                if let Some(end) = head.end(bytes) {
                    followed.readable = end;
                    self.part = Part::Between;
                }
            }
            Part::Length(left) => {
                followed.readable = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= followed.readable as u64;
                if *left == 0 {
                    self.part = Part::Head(Head::default());
                }
            }
            Part::Chunks(chunks) => match chunks.scan(bytes) {
                Scanned::All => {}
                Scanned::End(end) => {
                    followed.readable = end;
                    self.part = Part::Head(Head::default());
                }
                Scanned::Malformed(end) => {
                    followed.readable = end;
                    followed.malformed = true;
                    self.part = Part::Lost;
                }
            },
            Part::Between | Part::Lost => self.part = Part::Lost,
        }
        followed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[u8] = b"\r\n\nPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    const CHUNKS: &[u8] = b"5;a=b\r\n\n\r\n\r\n\r\n0\r\nX: y\r\n\r\n";
    const SECOND: &[u8] = b"PUT / HTTP/1.1\nContent-Length: 4\n\n";
    const THIRD: &[u8] = b"\r\nGET / HTTP/1.1\r\n\r\n";

    /// Where heads end, when the bytes come in pieces of `size`.
    fn ends(size: usize) -> Vec<usize> {
        let stream = [FIRST, CHUNKS, SECOND, b"\n\r\n\r", THIRD, THIRD].concat();
        let lengths = [BodyLength::Chunked, BodyLength::Bytes(4), BodyLength::None, BodyLength::None];
        let (mut framing, mut at, mut ends) = (Framing::default(), 0, Vec::new());
        while at < stream.len() {
            let piece = &stream[at..stream.len().min(at + size)];
            let followed = framing.follow(piece);
            assert!(!followed.malformed);
            at += followed.readable;
            if matches!(framing.part, Part::Between) {
                framing.begin_body(lengths[ends.len()]);
                ends.push(at);
            }
        }
        assert!(matches!(framing.part, Part::Head(Head::Lead)));
        ends
    }

    #[test]
    fn heads_end_where_they_end_however_they_come() {
        let first = FIRST.len();
        let second = first + CHUNKS.len() + SECOND.len();
        let third = second + 4 + THIRD.len();
        for size in 1..120 {
            assert_eq!(ends(size), [first, second, third, third + THIRD.len()], "in pieces of {size}");
        }
    }

    #[test]
    fn nothing_is_held_back_of_what_cannot_be_followed() {
        let mut framing = Framing::default();
        assert_eq!(framing.follow(b"GET / HTTP/1.1\r\n").readable, 16);
        framing.begin_body(BodyLength::Chunked);
        let bytes = b"ffffffffffffffffff\r\n\r\n\r\nabc";
        assert_eq!(framing.follow(bytes).readable, bytes.len());
        assert!(!framing.follow(bytes).malformed);
    }

    #[test]
    fn what_stands_before_a_size_that_cannot_be_is_read() {
        let mut framing = Framing::default();
        framing.follow(FIRST);
        framing.begin_body(BodyLength::Chunked);
        let size = b"1\r\na\r\nffffffffffffffff\r\n";
        let followed = framing.follow(size);
        assert!(followed.malformed);
        assert!(followed.readable > 6 && followed.readable < 22, "{followed:?}");
    }
}
