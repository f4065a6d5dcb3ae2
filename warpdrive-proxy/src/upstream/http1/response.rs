//! The head of a response.

use std::mem::MaybeUninit;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, response};
use hyper::ext::ReasonPhrase;
use memchr::memchr_iter;

use super::framing::{Framing, Misframed, Scope};
use super::names::Names;
use super::{Decoder, Malformed};
use crate::limits::{FREE_HEADER_FIELDS, INTERIM_HEAD_BYTES, RESPONSE_HEAD_BYTES};

/// A final response, as far as its head says.
#[derive(Debug)]
pub(in super::super) struct Head {
    pub(in super::super) parts: response::Parts,
    /// Decodes the body that follows.
    pub(in super::super) body: Decoder,
    /// Why nobody may have this response.
    pub(in super::super) fault: Option<Misframed>,
    /// Another request may follow on the connection (RFC 9112 section 9.3).
    pub(in super::super) persists: bool,
    /// How long it may be idle, from `Keep-Alive`.
    pub(in super::super) lifetime: Option<Duration>,
}

/// What a buffer begins with.
#[derive(Debug)]
pub(in super::super) enum Start {
    /// A head that is not whole.
    More,
    /// An interim response (RFC 9110 section 15.2), but 101, which ends the exchange.
    Interim(StatusCode, HeaderMap),
    Final(Head),
}

/// How much of a head was looked at, so that one which comes a byte at a time is not parsed for each.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Watch {
    seen: usize,
}

impl Watch {
    /// Whether parsing `bytes`, which have grown since the last call, may find more than it did.
    fn is_worth_parsing(&mut self, bytes: &[u8]) -> bool {
        // Enough for a status line: nonsense is found at once.
        const BEGINNING: usize = 64;
        let seen = std::mem::replace(&mut self.seen, bytes.len());
        let from = seen.saturating_sub(3);
        let fresh = bytes.get(from..).unwrap_or_default();
        seen < BEGINNING
            || memchr_iter(b'\n', fresh).any(|at| matches!(fresh.get(at + 1..), Some([b'\n', ..] | [b'\r', b'\n', ..])))
    }
}

/// What heads are read with: kept from one to the next, since a head that has its own pays for it.
#[derive(Default)]
pub(in super::super) struct Reader {
    names: Names,
    /// Where the fields of a head are, while it is read.
    places: Vec<Place>,
}

impl Reader {
    /// Takes a head from the front of `buffer`. Its fields go into the empty `map`, which is asked for when
    /// the head is whole. `to_head` says that the request was a HEAD.
    ///
    /// # Errors
    ///
    /// It is malformed, or longer than [`RESPONSE_HEAD_BYTES`] ([`INTERIM_HEAD_BYTES`] for an interim
    /// response), or its body cannot be delimited.
    pub(in super::super) fn parse(
        &mut self,
        buffer: &mut BytesMut,
        watch: &mut Watch,
        to_head: bool,
        map: impl FnOnce() -> HeaderMap,
    ) -> Result<Start, Malformed> {
        if !watch.is_worth_parsing(buffer) {
            return more(buffer);
        }
        let mut space = [const { MaybeUninit::uninit() }; FREE_HEADER_FIELDS];
        let mut parsed = httparse::Response::new(&mut []);
        let parser = httparse::ParserConfig::default();
        let length = match parser.parse_response_with_uninit_headers(&mut parsed, buffer, &mut space) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return more(buffer),
            Err(_) => return Err(Malformed),
        };
        let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Malformed)?;
        if length > longest(status.is_informational()) {
            return Err(Malformed);
        }
        let version = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
        let reason = parsed.reason.filter(|&reason| Some(reason) != status.canonical_reason());
        let reason = reason.map(|reason| Bytes::copy_from_slice(reason.as_bytes()));
        // Places outlive the parser, which borrows the buffer.
        let base = buffer.as_ptr().addr();
        self.places.clear();
        self.places.extend(parsed.headers.iter().map(|field| Place::of(field, base)));
        let bytes = buffer.split_to(length).freeze();
        *watch = Watch::default();
        let mut headers = map();
        headers.reserve(self.places.len());
        let mut framing = Framing::default();
        for place in &self.places {
            let (written, value) = place.field(&bytes).ok_or(Malformed)?;
            let name = self.names.find(written).ok_or(Malformed)?;
            // What speaks of this connection alone ends here, and need not be found again to be removed.
            if framing.note(name.role, value) == Scope::Message {
                let value = match name.usual(value) {
                    Some(value) => value,
                    None => HeaderValue::from_maybe_shared(bytes.slice_ref(value)).map_err(|_| Malformed)?,
                };
                headers.append(name.name.clone(), value);
            }
        }
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Start::Interim(status, headers));
        }
        let has_body = !to_head && !matches!(status.as_u16(), 101 | 204 | 304);
        let body = if has_body { framing.body(version)? } else { Decoder::Ended };
        let persists = framing.persists(version) && body != Decoder::UntilClose;
        let (fault, lifetime) = (framing.fault(), framing.lifetime);
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.version_mut() = version;
        *response.headers_mut() = headers;
        if let Some(reason) = reason.and_then(|reason| ReasonPhrase::try_from(reason).ok()) {
            response.extensions_mut().insert(reason);
        }
        Ok(Start::Final(Head { parts: response.into_parts().0, body, fault, persists, lifetime }))
    }
}

fn longest(is_interim: bool) -> usize {
    if is_interim { INTERIM_HEAD_BYTES } else { RESPONSE_HEAD_BYTES }
}

fn more(buffer: &[u8]) -> Result<Start, Malformed> {
    // `HTTP/1.1 1xx`
    let is_interim = buffer.get(9) == Some(&b'1');
    if buffer.len() >= longest(is_interim) { Err(Malformed) } else { Ok(Start::More) }
}

/// Where a field stands in its head.
#[derive(Clone, Copy)]
struct Place {
    name: (u32, u32),
    value: (u32, u32),
}

impl Place {
    fn of(field: &httparse::Header<'_>, base: usize) -> Self {
        // A head has at most 128 KiB.
        let range = |bytes: &[u8]| {
            let start = bytes.as_ptr().addr().wrapping_sub(base);
            (start as u32, (start + bytes.len()) as u32)
        };
        // An empty value may stand anywhere.
        let value = if field.value.is_empty() { (0, 0) } else { range(field.value) };
        Place { name: range(field.name.as_bytes()), value }
    }

    fn field(self, head: &[u8]) -> Option<(&[u8], &[u8])> {
        let name = head.get(self.name.0 as usize..self.name.1 as usize)?;
        let value = head.get(self.value.0 as usize..self.value.1 as usize)?;
        Some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_the_connection_alone_ends_here() {
        let head = |text: &str| match start(&format!("HTTP/1.1 200 OK\r\n{text}Content-Length: 0\r\n\r\n")) {
            Ok(Start::Final(head)) => head,
            other => panic!("{other:?}"),
        };
        let plain = head("Connection: Keep-Alive , close\r\nKeep-Alive: timeout=9\r\nX-A: b\r\n");
        assert_eq!(plain.parts.headers.keys().collect::<Vec<_>>(), ["x-a", "content-length"]);
        assert_eq!((plain.persists, plain.lifetime), (false, Some(Duration::from_secs(9))));
        // Core has to see what it names.
        let naming = head("Connection: keep-alive, X-A\r\nX-A: b\r\n");
        assert_eq!(naming.parts.headers.keys().collect::<Vec<_>>(), ["connection", "x-a", "content-length"]);
        assert!(naming.persists);
    }

    fn start(text: &str) -> Result<Start, Malformed> {
        Reader::default().parse(&mut BytesMut::from(text), &mut Watch::default(), false, HeaderMap::new)
    }

    fn final_head(text: &str) -> Head {
        match start(text) {
            Ok(Start::Final(head)) => head,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn bodies_end_by_the_rules() {
        for (head, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", Decoder::length(5)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", Decoder::Ended),
            ("HTTP/1.1 204 No Content\r\n", Decoder::Ended),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n", Decoder::Ended),
            ("HTTP/1.1 101 Switching Protocols\r\n", Decoder::Ended),
            ("HTTP/1.1 200 OK\r\n", Decoder::UntilClose),
            ("HTTP/1.0 200 OK\r\n", Decoder::UntilClose),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n", Decoder::chunked()),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked \r\n", Decoder::chunked()),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n", Decoder::UntilClose),
        ] {
            assert_eq!(final_head(&format!("{head}\r\n")).body, body, "{head}");
        }
    }

    #[test]
    fn what_cannot_be_delimited_is_malformed() {
        for fields in [
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: ",
            "Content-Length: 99999999999999999999",
        ] {
            assert!(start(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n")).is_err(), "{fields}");
        }
        assert!(start("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn what_no_client_should_have_to_make_sense_of_is_a_fault() {
        for (fields, fault) in [
            ("Content-Length: 5", None),
            ("Transfer-Encoding: Chunked", None),
            ("Transfer-Encoding: gzip, chunked", Some(Misframed::Coding)),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Some(Misframed::Coding)),
            ("Transfer-Encoding: identity", Some(Misframed::Coding)),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5", Some(Misframed::TwoLengths)),
            ("Content-Length: 5\r\nContent-Length: 5", Some(Misframed::Length)),
            ("Content-Length: 5, 5", Some(Misframed::Length)),
        ] {
            // No body, so that nothing else refuses it.
            let head = final_head(&format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n\r\n"));
            assert_eq!(head.fault, fault, "{fields}");
            assert_eq!(Framing::of(&head.parts.headers).fault(), fault, "{fields}");
        }
    }

    #[test]
    fn a_connection_goes_on_unless_someone_says_close() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 1", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: x, Close", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\nConnection: keep-alive", false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1", false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive", true),
            ("HTTP/1.1 200 OK", false),
        ] {
            assert_eq!(final_head(&format!("{head}\r\n\r\n")).persists, expected, "{head}");
        }
    }

    #[test]
    fn a_head_is_found_however_it_comes() {
        let text = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Nothing Here\nX: \u{ff}\nY:\n\nrest";
        for size in 1..text.len() {
            let (mut reader, mut buffer, mut watch) = (Reader::default(), BytesMut::new(), Watch::default());
            let mut found = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                buffer.extend_from_slice(piece);
                while found.len() < 2 {
                    match reader.parse(&mut buffer, &mut watch, false, HeaderMap::new).unwrap() {
                        Start::More => break,
                        Start::Interim(status, headers) => {
                            assert_eq!(headers["link"], "</a>");
                            found.push(status.as_u16());
                        }
                        Start::Final(head) => {
                            assert_eq!(head.parts.headers["x"].as_bytes(), "\u{ff}".as_bytes());
                            assert_eq!(head.parts.headers["y"], "");
                            let reason = head.parts.extensions.get::<ReasonPhrase>().unwrap();
                            assert_eq!(reason.as_bytes(), b"Nothing Here");
                            found.push(head.parts.status.as_u16());
                        }
                    }
                }
            }
            assert_eq!((found, &buffer[..]), (vec![103, 404], &b"rest"[..]), "in pieces of {size}");
        }
    }

    #[test]
    fn nonsense_is_seen_at_once_and_endless_heads_in_time() {
        for text in ["SSH-2.0", "\0", "HTTP/2.0 200 OK\r\n", "HTTP/1.1 20x", "HTTP/1.1 200 OK\r\nno field\r\n\r\n"] {
            assert!(start(text).is_err(), "{text:?}");
        }
        for (begin, limit) in
            [("HTTP/1.1 103 E\r\nx: ", INTERIM_HEAD_BYTES), ("HTTP/1.1 200 OK\r\nx: ", RESPONSE_HEAD_BYTES)]
        {
            let text = |length: usize| format!("{begin}{}", "x".repeat(length - begin.len()));
            assert!(matches!(start(&text(limit - 1)), Ok(Start::More)));
            assert!(start(&text(limit)).is_err());
        }
        let many = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert!(start(&many(FREE_HEADER_FIELDS)).is_ok());
        assert!(start(&many(FREE_HEADER_FIELDS + 1)).is_err());
    }
}
