//! Interim responses (1xx, RFC 9110 section 15.2), taken out of an instance's bytes before hyper
//! reads them.
//!
//! hyper's client tells of them only through a callback that must be given with each request and
//! costs it four allocations, and nearly no response has one. Looking at the first bytes of each
//! response costs a few instructions.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::limits::{FREE_HEADER_FIELDS, INTERIM_HEAD_BYTES, INTERIM_RESPONSES};

/// A head: its status and its fields.
pub(super) type Head = (StatusCode, HeaderMap);

/// What a response begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// An interim response, but 101, which ends the exchange (RFC 9110 section 15.2.2).
    Interim,
    /// Anything else.
    Final,
    /// Too few bytes to tell.
    Unknown,
}

impl Start {
    /// Looks at the first bytes of a response.
    pub(super) fn of(bytes: &[u8]) -> Self {
        // `.` is any byte: a minor version or a status that hyper should judge.
        const INTERIM: &[u8; 12] = b"HTTP/1.. 1..";
        let alike = INTERIM.iter().zip(bytes).all(|(&want, &have)| want == b'.' || want == have);
        match bytes.get(9..12) {
            _ if !alike => Start::Final,
            Some(b"101") => Start::Final,
            Some(_) => Start::Interim,
            None => Start::Unknown,
        }
    }
}

/// The beginning of a response that was held back to be looked at.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
}

/// What became of the bytes that are held.
#[derive(Debug)]
pub(super) enum Sorted {
    /// More bytes are needed.
    More,
    /// A whole interim response was taken out.
    Interim(Head),
    /// What is held is for hyper: a final response, or nonsense that it will refuse.
    Final,
    /// An interim response went past its limit.
    TooLong,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Sorts what is held, one response a call.
    pub(super) fn sort(&mut self) -> Sorted {
        match Start::of(&self.bytes) {
            Start::Final => return Sorted::Final,
            Start::Unknown => return Sorted::More,
            Start::Interim => {}
        }
        // Parsing again for each byte that comes would cost the square of the length.
        let ended =
            self.bytes.windows(2).any(|pair| pair == b"\n\n") || self.bytes.windows(3).any(|it| it == b"\n\r\n");
        if !ended {
            return if self.bytes.len() > INTERIM_HEAD_BYTES { Sorted::TooLong } else { Sorted::More };
        }
        let mut fields = [httparse::EMPTY_HEADER; FREE_HEADER_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(length)) = response.parse(&self.bytes) else { return Sorted::Final };
        let Some(head) = head(&response) else { return Sorted::Final };
        self.bytes.drain(..length);
        Sorted::Interim(head)
    }

    /// Moves what is held to `buffer`, as far as it has room.
    pub(super) fn give(&mut self, buffer: &mut tokio::io::ReadBuf<'_>) {
        let length = self.bytes.len().min(buffer.remaining());
        if let Some(bytes) = self.bytes.get(..length) {
            buffer.put_slice(bytes);
        }
        self.bytes.drain(..length);
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }
}

fn head(response: &httparse::Response<'_, '_>) -> Option<Head> {
    let mut headers = HeaderMap::new();
    for field in response.headers.iter() {
        headers.append(HeaderName::from_bytes(field.name.as_bytes()).ok()?, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some((StatusCode::from_u16(response.code?).ok()?, headers))
}

/// Interim responses between the connection that found them and the exchange that passes them on.
/// Both live on one thread, and only the upgrade of a connection needs the type to be `Send`, so
/// the lock is never waited for.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// The next bytes are a response's first.
    expects_head: AtomicBool,
    flooded: AtomicBool,
    letters: Mutex<Letters>,
}

#[derive(Debug, Default)]
struct Letters {
    heads: Vec<Head>,
    waker: Option<Waker>,
}

impl Inbox {
    fn letters(&self) -> MutexGuard<'_, Letters> {
        // What is under the lock is plain data, whole at every step.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request goes out, and its response is next.
    pub(super) fn expect(&self) {
        self.expects_head.store(true, Relaxed);
        self.flooded.store(false, Relaxed);
    }

    pub(super) fn expects_head(&self) -> bool {
        self.expects_head.load(Relaxed)
    }

    /// The final response has begun.
    pub(super) fn end(&self) {
        self.expects_head.store(false, Relaxed);
    }

    pub(super) fn put(&self, head: Head) {
        let mut letters = self.letters();
        if letters.heads.len() < INTERIM_RESPONSES {
            letters.heads.push(head);
        } else {
            self.flooded.store(true, Relaxed);
        }
        if let Some(waker) = &letters.waker {
            waker.wake_by_ref();
        }
    }

    /// An interim response went past its limit.
    pub(super) fn flood(&self) {
        self.flooded.store(true, Relaxed);
        if let Some(waker) = &self.letters().waker {
            waker.wake_by_ref();
        }
    }

    pub(super) fn is_flooded(&self) -> bool {
        self.flooded.load(Relaxed)
    }

    /// Hands over what has come, and wakes this task when more comes.
    pub(super) fn collect(&self, cx: &Context<'_>, mut take: impl FnMut(StatusCode, &HeaderMap)) {
        let mut letters = self.letters();
        if !letters.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            letters.waker = Some(cx.waker().clone());
        }
        for (status, headers) in letters.heads.drain(..) {
            take(status, &headers);
        }
    }

    /// The response is there: nobody waits any more.
    pub(super) fn close(&self) {
        self.letters().waker = None;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::ReadBuf;

    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        for (bytes, start) in [
            ("HTTP/1.1 103 Early", Start::Interim),
            ("HTTP/1.0 100 ", Start::Interim),
            ("HTTP/1.1 101 Switching", Start::Final),
            ("HTTP/1.1 200 OK", Start::Final),
            ("HTTP/1.1 2", Start::Final),
            ("HTTP/1.1 1", Start::Unknown),
            ("HTTP/1.1 10", Start::Unknown),
            ("", Start::Unknown),
            ("X", Start::Final),
            ("\r\n", Start::Final),
            ("http/1.1 103 ", Start::Final),
        ] {
            assert_eq!(Start::of(bytes.as_bytes()), start, "{bytes:?}");
        }
    }

    /// Every head that is found in `bytes`, and what is left for hyper.
    fn sorted(bytes: &[u8]) -> (Vec<u16>, Vec<u8>) {
        let (mut held, mut found, mut left) = (Held::default(), Vec::new(), Vec::new());
        let mut whole = false;
        for byte in bytes {
            held.push(&[*byte]);
            while !whole {
                match held.sort() {
                    Sorted::More => break,
                    Sorted::Interim((status, _)) => found.push(status.as_u16()),
                    Sorted::Final => whole = true,
                    Sorted::TooLong => panic!("too long"),
                }
            }
        }
        while !held.is_empty() {
            let mut space = [0; 5];
            let mut buffer = ReadBuf::new(&mut space);
            held.give(&mut buffer);
            left.extend_from_slice(buffer.filled());
        }
        (found, left)
    }

    #[test]
    fn interim_responses_are_taken_out_and_nothing_else() {
        let last = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nHTTP/1.1 103 Body\r\n\r\n";
        for (interim, found) in [
            ("", &[][..]),
            ("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n", &[103]),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102\r\n\r\nHTTP/1.1 103 \nLink: </a>\n\n", &[100, 102, 103]),
        ] {
            let bytes = [interim.as_bytes(), last].concat();
            assert_eq!(sorted(&bytes), (found.to_vec(), last.to_vec()), "{interim:?}");
        }
        // What is malformed is left for hyper to refuse.
        let bad = b"HTTP/1.1 103 Early\r\nno field\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
        assert_eq!(sorted(bad), (vec![], bad.to_vec()));
    }

    #[test]
    fn an_endless_one_is_refused() {
        let mut held = Held::default();
        held.push(b"HTTP/1.1 103 Early\r\nx: ");
        held.push(&[b'x'; INTERIM_HEAD_BYTES - 32]);
        assert!(matches!(held.sort(), Sorted::More));
        held.push(&[b'x'; 32]);
        assert!(matches!(held.sort(), Sorted::TooLong));
    }

    #[test]
    fn an_inbox_holds_so_many() {
        let inbox = Inbox::default();
        inbox.expect();
        for _ in 0..INTERIM_RESPONSES {
            inbox.put((StatusCode::EARLY_HINTS, HeaderMap::new()));
        }
        assert!(!inbox.is_flooded());
        inbox.put((StatusCode::EARLY_HINTS, HeaderMap::new()));
        assert!(inbox.is_flooded());
        assert_eq!(inbox.letters().heads.len(), INTERIM_RESPONSES);
    }
}
