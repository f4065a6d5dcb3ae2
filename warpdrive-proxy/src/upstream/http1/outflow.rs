//! A request on its way to an instance.

use std::io::{IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING};
use http_body::{Body, Frame};
use tokio::time::Instant;

use super::super::forwarded::Forwarded;
use super::super::rest::Stopped;
use super::super::socket::WriteHalf;
use super::encode;
use crate::clock;
use crate::limits::KEPT_MAP_FIELDS;

/// How the body is delimited (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyFraming {
    /// So many bytes are still to be sent.
    Length(u64),
    Chunked,
}

const CHUNK_END: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What of a request was not written yet.
pub(in super::super) struct Outflow {
    /// The head may have to go elsewhere until the response begins.
    request: Box<Forwarded>,
    /// The kernel has taken a byte.
    begun: bool,
    /// The response has begun.
    answered: bool,
    /// Written first: the head, the size of a chunk, the end of the chunks.
    text: Vec<u8>,
    written: usize,
    /// Written next. Boxed, since most requests are a head alone.
    body: Option<Box<Staged>>,
    last_write: Instant,
}

/// What of a body was taken and not written.
struct Staged {
    framing: BodyFraming,
    /// The names that `Trailer` announces; others are not sent.
    announced: Vec<String>,
    data: Bytes,
    /// Written last.
    end: &'static [u8],
    /// The last byte is in the fields above, or written.
    ended: bool,
}

impl Outflow {
    /// Begins to send a request, in `space` that is used again and again.
    pub(in super::super) fn new(request: Box<Forwarded>, mut space: Vec<u8>) -> Self {
        space.clear();
        encode(&request.head, &mut space);
        let framing = framing(request.headers());
        let has_body = !request.body.is_empty() || framing == BodyFraming::Chunked;
        Outflow {
            body: has_body.then(|| Box::new(Staged::new(framing, request.headers()))),
            request,
            begun: false,
            answered: false,
            text: space,
            written: 0,
            last_write: clock::now(),
        }
    }

    /// When the kernel last took bytes, or the request was begun.
    pub(in super::super) fn last_write(&self) -> Instant {
        self.last_write
    }

    /// Whether the kernel has all of it.
    pub(in super::super) fn is_done(&self) -> bool {
        self.is_empty() && self.is_ended()
    }

    /// The map of the request's fields, empty, for the response's; the request cannot be taken back after that.
    /// hyper reads the next request's fields into it again, so that a connection neither makes a map nor lets
    /// one grow from its second request on.
    pub(in super::super) fn take_map(&mut self) -> HeaderMap {
        self.answered = true;
        let mut map = std::mem::take(&mut self.request.head.headers);
        if map.capacity() > KEPT_MAP_FIELDS {
            return HeaderMap::new();
        }
        map.clear();
        map
    }

    /// Whether the kernel has taken a byte.
    pub(in super::super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// The space that it was given.
    pub(in super::super) fn take_space(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text)
    }

    /// The request again, unless a part of its body is gone or its response has begun.
    pub(in super::super) fn take_back(mut self) -> Option<Box<Forwarded>> {
        if self.answered || (self.begun && !self.request.body.is_empty()) {
            return None;
        }
        if let Some(staged) = self.body.filter(|staged| !staged.data.is_empty()) {
            self.request.body.put_back(staged.data);
        }
        Some(self.request)
    }

    fn is_empty(&self) -> bool {
        self.written == self.text.len() && self.body.as_ref().is_none_or(|staged| staged.is_empty())
    }

    /// Nothing comes after what is staged.
    fn is_ended(&self) -> bool {
        self.body.as_ref().is_none_or(|staged| staged.ended)
    }

    /// Writes as much as the kernel takes. Ready when it has all.
    ///
    /// # Errors
    ///
    /// See [`Stopped`].
    pub(in super::super) fn poll(&mut self, cx: &mut Context<'_>, socket: &mut WriteHalf) -> Poll<Result<(), Stopped>> {
        loop {
            // A small body goes out in one write with the head.
            if let Some(staged) = self.body.as_mut().filter(|staged| !staged.ended && staged.is_empty()) {
                match Pin::new(&mut self.request.body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => staged.stage(frame, &mut self.text),
                    Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Stopped::Client)),
                    Poll::Ready(None) => staged.stage_end(None, &mut self.text)?,
                    Poll::Pending if self.is_empty() => return Poll::Pending,
                    Poll::Pending => {}
                }
            }
            while !self.is_empty() {
                let text = self.text.get(self.written..).unwrap_or_default();
                let sent = match &self.body {
                    Some(staged) if !staged.is_empty() => {
                        socket.poll_write_vectored(cx, &[text, &staged.data, staged.end].map(IoSlice::new))
                    }
                    // The kernel has less to do for one piece.
                    _ => socket.poll_write(cx, text),
                };
                match ready!(sent) {
                    Ok(0) | Err(_) => return Poll::Ready(Err(Stopped::Instance)),
                    Ok(bytes) => self.wrote(bytes),
                }
            }
            if self.is_ended() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn wrote(&mut self, bytes: usize) {
        self.begun = true;
        self.last_write = clock::now();
        let text = bytes.min(self.text.len() - self.written);
        self.written += text;
        if let Some(staged) = &mut self.body {
            staged.wrote(bytes - text);
        }
        if self.is_empty() {
            self.text.clear();
            self.written = 0;
        }
    }
}

impl Staged {
    fn new(framing: BodyFraming, headers: &HeaderMap) -> Self {
        let announced = if framing == BodyFraming::Chunked { announced(headers) } else { Vec::new() };
        Staged { framing, announced, data: Bytes::new(), end: &[], ended: false }
    }

    fn is_empty(&self) -> bool {
        self.data.is_empty() && self.end.is_empty()
    }

    fn wrote(&mut self, bytes: usize) {
        let data = bytes.min(self.data.len());
        self.data.advance(data);
        self.end = self.end.get(bytes - data..).unwrap_or_default();
        if self.is_empty() {
            // Nothing holds on to the piece that it was a part of.
            self.data = Bytes::new();
        }
    }

    fn stage(&mut self, frame: Frame<Bytes>, text: &mut Vec<u8>) {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                let _ = self.stage_end(Some(&trailers), text);
                return;
            }
        };
        match &mut self.framing {
            BodyFraming::Length(left) => {
                // Whoever made the frame holds it to the length, too.
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(data.len());
                *left -= taken as u64;
                self.ended = *left == 0;
                self.data = data.slice(..taken);
            }
            BodyFraming::Chunked if data.is_empty() => {}
            BodyFraming::Chunked => {
                // Writing to a vector cannot fail.
                let _ = write!(text, "{:x}\r\n", data.len());
                self.data = data;
                self.end = CHUNK_END;
            }
        }
    }

    /// The body has ended.
    ///
    /// # Errors
    ///
    /// It is shorter than its length.
    fn stage_end(&mut self, trailers: Option<&HeaderMap>, text: &mut Vec<u8>) -> Result<(), Stopped> {
        match self.framing {
            BodyFraming::Length(0) => {}
            BodyFraming::Length(_) => return Err(Stopped::Client),
            BodyFraming::Chunked => {
                let (last, end) = LAST_CHUNK.split_at(3);
                text.extend_from_slice(last);
                for (name, value) in trailers.into_iter().flatten() {
                    if self.announced.iter().any(|announced| announced.eq_ignore_ascii_case(name.as_str())) {
                        text.extend_from_slice(name.as_str().as_bytes());
                        text.extend_from_slice(b": ");
                        text.extend_from_slice(value.as_bytes());
                        text.extend_from_slice(b"\r\n");
                    }
                }
                text.extend_from_slice(end);
            }
        }
        self.ended = true;
        Ok(())
    }
}

fn framing(headers: &HeaderMap) -> BodyFraming {
    if headers.contains_key(TRANSFER_ENCODING) {
        return BodyFraming::Chunked;
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    BodyFraming::Length(length.and_then(|length| length.parse().ok()).unwrap_or(0))
}

fn announced(headers: &HeaderMap) -> Vec<String> {
    let lists = headers.get_all(TRAILER).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(|name| name.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http::HeaderValue;

    use super::super::super::socket::Socket;
    use super::*;

    fn request(fields: usize) -> Box<Forwarded> {
        let mut request = Forwarded::new(http::Request::new(()).into_parts().0);
        for place in 0..fields {
            let name = http::HeaderName::from_bytes(format!("x-{place}").as_bytes()).unwrap();
            request.head.headers.insert(name, HeaderValue::from_static("y"));
        }
        request
    }

    async fn sent(fields: usize) -> Outflow {
        let (near, far) = tokio::net::UnixStream::pair().unwrap();
        let (_, mut write) = Socket::Unix(near).into_split();
        let mut outflow = Outflow::new(request(fields), Vec::new());
        assert!(!outflow.has_begun());
        assert_eq!(poll_fn(|cx| outflow.poll(cx, &mut write)).await, Ok(()));
        assert!(outflow.has_begun() && outflow.is_done());
        drop(far);
        outflow
    }

    #[tokio::test]
    async fn a_request_without_a_body_comes_back_until_its_response_begins() {
        assert_eq!(sent(3).await.take_back().unwrap().headers(), request(3).headers());
        let mut outflow = sent(3).await;
        let map = outflow.take_map();
        assert!(map.is_empty() && map.capacity() >= 3);
        assert!(outflow.take_back().is_none());
    }

    #[tokio::test]
    async fn a_large_map_is_not_kept() {
        assert!(sent(KEPT_MAP_FIELDS).await.take_map().capacity() >= KEPT_MAP_FIELDS);
        assert_eq!(sent(KEPT_MAP_FIELDS + 1).await.take_map().capacity(), 0);
    }
}
