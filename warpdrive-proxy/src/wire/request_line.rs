//! Follows a request line while it arrives, to refuse an endless target before hyper buffers it.

use crate::limits::TARGET_BYTES;

/// The part of a request head that is being received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// Empty lines before the request line, which a reader skips.
    #[default]
    Lead,
    Method,
    Target,
    /// The version, and every field line.
    Rest,
}

/// The length of a target so far. Bytes after the target cost nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequestLine {
    part: Part,
    length: usize,
}

impl RequestLine {
    /// Takes the next bytes of a head; true when the target is longer than the limit, from then on.
    pub(crate) fn is_too_long_with(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        loop {
            match self.part {
                Part::Lead => {
                    let Some(first) = rest.iter().position(|b| !matches!(b, b'\r' | b'\n')) else {
                        return false;
                    };
                    rest = rest.get(first..).unwrap_or_default();
                    self.part = Part::Method;
                }
                Part::Method => {
                    let Some(rest_of_line) = self.skip_word(rest, Part::Target) else {
                        return self.length > TARGET_BYTES;
                    };
                    rest = rest_of_line;
                    self.length = 0;
                }
                Part::Target => {
                    self.skip_word(rest, Part::Rest);
                    return self.length > TARGET_BYTES;
                }
                Part::Rest => return self.length > TARGET_BYTES,
            }
        }
    }

    /// Counts the bytes of a word. What follows it, when its end is among `bytes`.
    fn skip_word<'a>(&mut self, bytes: &'a [u8], next: Part) -> Option<&'a [u8]> {
        match bytes.iter().position(|b| matches!(b, b' ' | b'\n')) {
            Some(end) => {
                self.length += end;
                // A line that ends without a target is malformed: hyper says so.
                self.part = if bytes.get(end) == Some(&b'\n') { Part::Rest } else { next };
                bytes.get(end + 1..)
            }
            None => {
                self.length += bytes.len();
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn too_long(pieces: &[&[u8]]) -> bool {
        let mut line = RequestLine::default();
        pieces.iter().any(|piece| line.is_too_long_with(piece))
    }

    #[test]
    fn a_target_of_the_limit_passes_and_one_byte_more_does_not() {
        let target = |length: usize| format!("GET /{} HTTP/1.1\r\n", "a".repeat(length - 1));
        assert!(!too_long(&[target(TARGET_BYTES).as_bytes()]));
        assert!(too_long(&[target(TARGET_BYTES + 1).as_bytes()]));
    }

    #[test]
    fn the_target_is_counted_over_pieces() {
        let half = "a".repeat(TARGET_BYTES / 2);
        assert!(too_long(&[b"\r\nGE", b"T ", half.as_bytes(), half.as_bytes(), b"b"]));
        assert!(!too_long(&[b"GET ", half.as_bytes(), half.as_bytes()]));
    }

    #[test]
    fn field_lines_do_not_count() {
        let fields = format!("GET / HTTP/1.1\r\nx: {}\r\n", "a ".repeat(TARGET_BYTES));
        assert!(!too_long(&[fields.as_bytes(), fields.as_bytes()]));
    }

    #[test]
    fn an_endless_method_is_refused_too() {
        let method = "A".repeat(TARGET_BYTES + 1);
        assert!(too_long(&[method.as_bytes()]));
    }

    #[test]
    fn a_line_without_a_target_ends() {
        let mut line = RequestLine::default();
        assert!(!line.is_too_long_with(b"GET\r\n"));
        assert_eq!(line.part, Part::Rest);
    }
}
