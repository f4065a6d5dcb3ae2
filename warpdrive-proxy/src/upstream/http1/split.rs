//! The heads of responses as nearly all are written, taken apart without a parser for the others.

use http::StatusCode;

use crate::limits::FREE_HEADER_FIELDS;
use crate::near::find;

/// Where a field stands in its head.
#[derive(Clone, Copy)]
pub(super) struct Place {
    name: (u32, u32),
    value: (u32, u32),
}

impl Place {
    /// Of two parts of a head that begins at the address `base`.
    pub(super) fn of(name: &[u8], value: &[u8], base: usize) -> Self {
        // A head has at most 128 KiB.
        let range = |bytes: &[u8]| {
            let start = bytes.as_ptr().addr().wrapping_sub(base);
            (start as u32, (start + bytes.len()) as u32)
        };
        // An empty value may stand anywhere.
        let value = if value.is_empty() { (0, 0) } else { range(value) };
        Place { name: range(name), value }
    }

    /// Name and value.
    pub(super) fn field(self, head: &[u8]) -> Option<(&[u8], &[u8])> {
        let name = head.get(self.name.0 as usize..self.name.1 as usize)?;
        let value = head.get(self.value.0 as usize..self.value.1 as usize)?;
        Some((name, value))
    }
}

/// A head that was taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) status: StatusCode,
    /// In bytes, with the empty line.
    pub(super) length: usize,
}

/// Takes a head apart that is whole, of HTTP/1.1, a final response with the usual phrase, and written as RFC 9112
/// has it; nothing for all others, which may be as good, and are httparse's. That reads byte by byte in a third of
/// the time that such a head takes here.
///
/// What stands in the places is not read: whether it is a name and a value is for the types to say that are made of
/// them.
pub(super) fn split(bytes: &[u8], places: &mut Vec<Place>) -> Option<Plain> {
    places.clear();
    let base = bytes.as_ptr().addr();
    let mut length = find(b'\n', bytes)? + 1;
    let status = status(bytes.get(..length)?)?;
    loop {
        match bytes.get(length..)? {
            [b'\r', b'\n', ..] => return Some(Plain { status, length: length + 2 }),
            [b'\n', ..] => return None,
            _ if places.len() == FREE_HEADER_FIELDS => return None,
            rest => {
                // What is no name with a line feed in it is none without.
                let (name, rest) = rest.split_at_checked(find(b':', rest)?)?;
                let (value, _) = rest.split_at_checked(find(b'\n', rest)?)?;
                length += name.len() + value.len() + 1;
                places.push(Place::of(name, trim(value.strip_prefix(b":")?.strip_suffix(b"\r")?), base));
            }
        }
    }
}

fn status(line: &[u8]) -> Option<StatusCode> {
    let (code, phrase) = line.strip_prefix(b"HTTP/1.1 ")?.strip_suffix(b"\r\n")?.split_at_checked(3)?;
    let status = StatusCode::from_bytes(code).ok().filter(|status| !status.is_informational())?;
    (phrase.strip_prefix(b" ")? == status.canonical_reason()?.as_bytes()).then_some(status)
}

/// Without the optional white space around it (RFC 9110 section 5.6.3).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(head: &str) -> Option<(u16, Vec<(String, String)>)> {
        let mut places = Vec::new();
        let plain = split(head.as_bytes(), &mut places)?;
        let bytes = &head.as_bytes()[..plain.length];
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let fields =
            places.iter().map(|place| place.field(bytes).unwrap()).map(|(name, value)| (text(name), text(value)));
        Some((plain.status.as_u16(), fields.collect()))
    }

    #[test]
    fn a_usual_head_is_taken_apart() {
        let head = "HTTP/1.1 404 Not Found\r\nA: b\r\nc:\t d:e \t\r\nf:\r\ng:  \r\n\r\nrest\n";
        let expected = [("A", "b"), ("c", "d:e"), ("f", ""), ("g", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(fields(head), Some((404, expected)));
        assert_eq!(fields("HTTP/1.1 200 OK\r\n\r\n"), Some((200, vec![])));
    }

    #[test]
    fn others_are_left() {
        for head in [
            "HTTP/1.1 200 OK\r\na: b\r\n",
            "HTTP/1.1 200 OK\r\na: b\n\r\n",
            "HTTP/1.1 200 OK\r\na: b\r\n\n",
            "HTTP/1.1 200 OK\n\r\n",
            "HTTP/1.1 200 OK\r\na\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 Fine\r\n\r\n",
            "HTTP/1.1 200\r\n\r\n",
            "HTTP/1.1 200 \r\n\r\n",
            "HTTP/1.1  200 OK\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "HTTP/1.1 599 Own\r\n\r\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "",
        ] {
            assert_eq!(fields(head), None, "{head:?}");
        }
        let many = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert_eq!(fields(&many(FREE_HEADER_FIELDS)).unwrap().1.len(), FREE_HEADER_FIELDS);
        assert_eq!(fields(&many(FREE_HEADER_FIELDS + 1)), None);
    }
}
