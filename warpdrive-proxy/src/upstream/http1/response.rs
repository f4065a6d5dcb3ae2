//! The head of a request as an instance gets it, and the head of its response.

use std::mem::MaybeUninit;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, request, response};
use hyper::ext::ReasonPhrase;
use memchr::memchr_iter;

use super::{Decoder, Malformed};
use crate::limits::{FREE_HEADER_FIELDS, INTERIM_HEAD_BYTES, RESPONSE_HEAD_BYTES};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Appends a request head (RFC 9112 sections 3 and 5). What stands in the fields was checked when
/// they were made: no name or value can hold a line end.
pub(in super::super) fn encode(head: &request::Parts, into: &mut Vec<u8>) {
    into.extend_from_slice(head.method.as_str().as_bytes());
    into.push(b' ');
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    into.extend_from_slice(target.as_bytes());
    into.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in &head.headers {
        into.extend_from_slice(name.as_str().as_bytes());
        into.extend_from_slice(b": ");
        into.extend_from_slice(value.as_bytes());
        into.extend_from_slice(b"\r\n");
    }
    into.extend_from_slice(b"\r\n");
}

/// A final response, as far as its head says.
#[derive(Debug)]
pub(in super::super) struct Head {
    pub(in super::super) parts: response::Parts,
    /// Decodes the body that follows.
    pub(in super::super) body: Decoder,
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

/// Takes a head from the front of `buffer`. Its fields go into the empty `map`, which is asked for when the
/// head is whole. `to_head` says that the request was a HEAD.
///
/// # Errors
///
/// It is malformed, or longer than [`RESPONSE_HEAD_BYTES`] ([`INTERIM_HEAD_BYTES`] for an interim
/// response), or its body cannot be delimited.
pub(in super::super) fn parse(
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
    // Positions outlive the parser, which borrows the buffer.
    let base = buffer.as_ptr().addr();
    let mut places = [Place::default(); FREE_HEADER_FIELDS];
    let mut count = 0;
    for (place, field) in places.iter_mut().zip(parsed.headers.iter()) {
        *place = Place::of(field, base);
        count += 1;
    }
    let bytes = buffer.split_to(length).freeze();
    *watch = Watch::default();
    let mut headers = map();
    headers.reserve(count);
    let mut framing = Framing::default();
    for place in places.iter().take(count) {
        let (name, value) = place.field(&bytes).ok_or(Malformed)?;
        // What speaks of this connection alone ends here, and need not be found again to be removed.
        if framing.note(&name, value) == Scope::Message {
            let value = HeaderValue::from_maybe_shared(bytes.slice_ref(value)).map_err(|_| Malformed)?;
            headers.append(name, value);
        }
    }
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Start::Interim(status, headers));
    }
    let has_body = !to_head && !matches!(status.as_u16(), 101 | 204 | 304);
    let body = if has_body { framing.body(version)? } else { Decoder::Ended };
    let persists = framing.persists(version) && body != Decoder::UntilClose;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = version;
    *response.headers_mut() = headers;
    if let Some(reason) = reason.and_then(|reason| ReasonPhrase::try_from(reason).ok()) {
        response.extensions_mut().insert(reason);
    }
    Ok(Start::Final(Head { parts: response.into_parts().0, body, persists, lifetime: framing.lifetime }))
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
#[derive(Clone, Copy, Default)]
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
        let value = if field.value.is_empty() { (0, 0) } else { range(field.value) };
        Place { name: range(field.name.as_bytes()), value }
    }

    fn field(self, head: &[u8]) -> Option<(HeaderName, &[u8])> {
        let name = head.get(self.name.0 as usize..self.name.1 as usize)?;
        let value = head.get(self.value.0 as usize..self.value.1 as usize)?;
        Some((HeaderName::from_bytes(name).ok()?, value))
    }
}

/// What the fields of a head say of its body and its connection, noted one by one.
#[derive(Clone, Copy, Debug, Default)]
struct Framing {
    length: Length,
    /// There is a transfer coding; whether the last one is chunked.
    coding: Option<bool>,
    closes: bool,
    keeps: bool,
    lifetime: Option<Duration>,
}

/// What a field is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// The connection to the instance, and nothing that anyone else would ask for.
    Connection,
    Message,
}

#[derive(Clone, Copy, Debug, Default)]
enum Length {
    #[default]
    None,
    Bytes(u64),
    Malformed,
}

impl Framing {
    fn note(&mut self, name: &HeaderName, value: &[u8]) -> Scope {
        if *name == CONTENT_LENGTH {
            self.length = match self.length {
                Length::None => length(value).map_or(Length::Malformed, Length::Bytes),
                Length::Bytes(_) | Length::Malformed => Length::Malformed,
            };
        } else if *name == TRANSFER_ENCODING {
            let last = value.rsplit(|&byte| byte == b',').next().unwrap_or_default();
            self.coding = Some(last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        } else if *name == CONNECTION {
            let mut scope = Scope::Connection;
            for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                if option.eq_ignore_ascii_case(b"close") {
                    self.closes = true;
                } else if option.eq_ignore_ascii_case(b"keep-alive") {
                    self.keeps = true;
                } else {
                    // It asks for another protocol, or names a field that has to go.
                    scope = Scope::Message;
                }
            }
            return scope;
        } else if *name == KEEP_ALIVE {
            self.lifetime = idle_time(value);
            return Scope::Connection;
        }
        Scope::Message
    }

    /// How the body ends (RFC 9112 section 6.3).
    fn body(self, version: Version) -> Result<Decoder, Malformed> {
        match (self.coding, self.length) {
            // Section 6.1: the framing of such a message is faulty.
            (Some(_), _) if version == Version::HTTP_10 => Err(Malformed),
            (Some(true), _) => Ok(Decoder::chunked()),
            (Some(false), _) | (None, Length::None) => Ok(Decoder::UntilClose),
            (None, Length::Bytes(bytes)) => Ok(Decoder::length(bytes)),
            (None, Length::Malformed) => Err(Malformed),
        }
    }

    /// Whether the connection goes on (RFC 9112 section 9.3). Any `close` counts.
    fn persists(self, version: Version) -> bool {
        !self.closes && (self.keeps || version == Version::HTTP_11)
    }
}

/// `timeout=` of a `Keep-Alive` field.
fn idle_time(field: &[u8]) -> Option<Duration> {
    std::str::from_utf8(field).ok()?.split(',').find_map(|part| {
        let (name, value) = part.trim().split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("timeout") {
            return None;
        }
        let seconds = value.trim().trim_matches('"').parse::<u32>().ok()?;
        Some(Duration::from_secs(u64::from(seconds)))
    })
}

fn length(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_promise_of_keep_alive_is_read() {
        let time = |text: &'static str| idle_time(text.as_bytes()).map(|time| time.as_secs());
        assert_eq!(time("timeout=5"), Some(5));
        assert_eq!(time("max=100, Timeout = 2"), Some(2));
        assert_eq!(time("max=100"), None);
        assert_eq!(time("timeout=soon"), None);
    }

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
        parse(&mut BytesMut::from(text), &mut Watch::default(), false, HeaderMap::new)
    }

    fn final_head(text: &str) -> Head {
        match start(text) {
            Ok(Start::Final(head)) => head,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_request_goes_out_as_it_is() {
        let request =
            Request::put("/a?b=c").header("host", "ex").header("x-a", "1").header("x-a", "2").body(()).unwrap();
        let mut bytes = b"before ".to_vec();
        encode(&request.into_parts().0, &mut bytes);
        assert_eq!(bytes, b"before PUT /a?b=c HTTP/1.1\r\nhost: ex\r\nx-a: 1\r\nx-a: 2\r\n\r\n");
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
            let (mut buffer, mut watch, mut found) = (BytesMut::new(), Watch::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                buffer.extend_from_slice(piece);
                while found.len() < 2 {
                    match parse(&mut buffer, &mut watch, false, HeaderMap::new).unwrap() {
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
