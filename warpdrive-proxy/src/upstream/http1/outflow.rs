//! A request on its way to an instance.

use std::io::{IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING};
use http_body::{Body, Frame};
use tokio::time::Instant;

use super::super::forwarded::{Forwarded, Kind};
use super::super::head_space::HeadSpace;
use super::super::rest::Stopped;
use super::super::socket::WriteHalf;
use crate::body::Upload;
use crate::clock;

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
pub(crate) struct Outflow {
    /// The head, whole: it may have to go elsewhere until the response begins.
    head: Vec<u8>,
    /// How much of the head is written.
    written: usize,
    body: Upload,
    /// Written next. Boxed, since most requests are a head alone.
    staged: Option<Box<Staged>>,
    last_write: Instant,
    kind: Kind,
    /// The kernel has taken a byte.
    begun: bool,
    /// The response has begun.
    answered: bool,
}

/// What of a body was taken and not written.
struct Staged {
    framing: BodyFraming,
    /// The names that `Trailer` announces; others are not sent.
    announced: Vec<String>,
    /// Written before the data: the size of a chunk, or the end of the chunks.
    text: Vec<u8>,
    data: Bytes,
    /// Written last.
    end: &'static [u8],
    /// The last byte is in the fields above, or written.
    ended: bool,
}

impl Outflow {
    /// Begins to send a request.
    pub(in super::super) fn new(request: Box<Forwarded>, space: &HeadSpace) -> Self {
        let kind = request.kind();
        let staged = (!request.body.is_empty()).then(|| Box::new(Staged::new(request.headers())));
        let Forwarded { head, body } = *request;
        let text = space.write(&head);
        space.keep_map(head.headers);
        Outflow { head: text, written: 0, body, staged, last_write: clock::now(), kind, begun: false, answered: false }
    }

    pub(in super::super) fn kind(&self) -> Kind {
        self.kind
    }

    /// When the kernel last took bytes, or the request was begun.
    pub(in super::super) fn last_write(&self) -> Instant {
        self.last_write
    }

    /// Whether the kernel has all of it.
    pub(in super::super) fn is_done(&self) -> bool {
        self.is_empty() && self.is_ended()
    }

    /// The response has begun: the request cannot be taken back.
    pub(in super::super) fn answered(&mut self, space: &HeadSpace) {
        self.answered = true;
        if self.written == self.head.len() {
            self.written = 0;
            space.keep_text(std::mem::take(&mut self.head));
        }
    }

    /// Whether the kernel has taken a byte.
    pub(in super::super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// The request, to be sent once more, unless a part of its body is gone or its response has begun.
    pub(in super::super) fn take_back(self) -> Option<Box<Self>> {
        let is_whole = !self.answered && (!self.begun || self.body.is_empty());
        is_whole.then(|| Box::new(self))
    }

    /// Begins to send a request that was taken back.
    pub(in super::super) fn again(self) -> Self {
        Outflow { written: 0, begun: false, last_write: clock::now(), ..self }
    }

    fn is_empty(&self) -> bool {
        self.written == self.head.len() && self.staged.as_ref().is_none_or(|staged| staged.is_empty())
    }

    /// Nothing comes after what is staged.
    fn is_ended(&self) -> bool {
        self.staged.as_ref().is_none_or(|staged| staged.ended)
    }

    /// Writes as much as the kernel takes. Ready when it has all.
    ///
    /// # Errors
    ///
    /// See [`Stopped`].
    pub(in super::super) fn poll(&mut self, cx: &mut Context<'_>, socket: &mut WriteHalf) -> Poll<Result<(), Stopped>> {
        loop {
            // A small body goes out in one write with the head.
            if let Some(staged) = self.staged.as_mut().filter(|staged| !staged.ended && staged.is_empty()) {
                match Pin::new(&mut self.body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => staged.stage(frame),
                    Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Stopped::Client)),
                    Poll::Ready(None) => staged.stage_end(None)?,
                    Poll::Pending if self.is_empty() => return Poll::Pending,
                    Poll::Pending => {}
                }
            }
            while !self.is_empty() {
                let head = self.head.get(self.written..).unwrap_or_default();
                let sent = match &self.staged {
                    Some(staged) if !staged.is_empty() => {
                        let pieces = [head, &staged.text, &staged.data, staged.end];
                        socket.poll_write_vectored(cx, &pieces.map(IoSlice::new))
                    }
                    // The kernel has less to do for one piece.
                    _ => socket.poll_write(cx, head),
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
        let head = bytes.min(self.head.len() - self.written);
        self.written += head;
        if let Some(staged) = &mut self.staged {
            staged.wrote(bytes - head);
        }
    }
}

impl Staged {
    fn new(headers: &HeaderMap) -> Self {
        let framing = framing(headers);
        let announced = if framing == BodyFraming::Chunked { announced(headers) } else { Vec::new() };
        Staged { framing, announced, text: Vec::new(), data: Bytes::new(), end: &[], ended: false }
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.data.is_empty() && self.end.is_empty()
    }

    fn wrote(&mut self, mut bytes: usize) {
        let text = bytes.min(self.text.len());
        self.text.drain(..text);
        bytes -= text;
        let data = bytes.min(self.data.len());
        self.data.advance(data);
        self.end = self.end.get(bytes - data..).unwrap_or_default();
        if self.is_empty() {
            // Nothing holds on to the piece that it was a part of.
            self.data = Bytes::new();
        }
    }

    fn stage(&mut self, frame: Frame<Bytes>) {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                let _ = self.stage_end(Some(&trailers));
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
                let _ = write!(self.text, "{:x}\r\n", data.len());
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
    fn stage_end(&mut self, trailers: Option<&HeaderMap>) -> Result<(), Stopped> {
        match self.framing {
            BodyFraming::Length(0) => {}
            BodyFraming::Length(_) => return Err(Stopped::Client),
            BodyFraming::Chunked => {
                let (last, end) = LAST_CHUNK.split_at(3);
                self.text.extend_from_slice(last);
                for (name, value) in trailers.into_iter().flatten() {
                    if self.announced.iter().any(|announced| announced.eq_ignore_ascii_case(name.as_str())) {
                        self.text.extend_from_slice(name.as_str().as_bytes());
                        self.text.extend_from_slice(b": ");
                        self.text.extend_from_slice(value.as_bytes());
                        self.text.extend_from_slice(b"\r\n");
                    }
                }
                self.text.extend_from_slice(end);
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
        let mut outflow = Outflow::new(request(fields), &HeadSpace::default());
        assert!(!outflow.has_begun());
        assert_eq!(poll_fn(|cx| outflow.poll(cx, &mut write)).await, Ok(()));
        assert!(outflow.has_begun() && outflow.is_done());
        drop(far);
        outflow
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_a_body_comes_back_until_its_response_begins() {
        let back = sent(3).await.take_back().unwrap();
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        let again = back.again();
        assert!(!again.has_begun() && !again.is_done());
        assert_eq!(again.last_write(), Instant::now());
        assert_eq!(again.head, b"GET / HTTP/1.1\r\nx-0: y\r\nx-1: y\r\nx-2: y\r\n\r\n");
        let mut outflow = sent(3).await;
        outflow.answered(&HeadSpace::default());
        assert!(outflow.is_done());
        assert!(outflow.take_back().is_none());
    }

    #[test]
    fn a_head_that_is_not_all_sent_stays_when_its_response_begins() {
        let space = HeadSpace::default();
        let mut outflow = Outflow::new(request(3), &space);
        outflow.wrote(5);
        outflow.answered(&space);
        assert!(!outflow.is_done());
        assert!(outflow.head.get(outflow.written..).unwrap().starts_with(b" HTTP/1.1"));
    }
}
