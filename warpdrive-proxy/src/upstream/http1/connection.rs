//! One connection to an instance that speaks HTTP/1.1, and the exchange on it.

mod sending;

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::super::forwarded::Request;
use super::super::link::BodyCut;
use super::super::opened::Opened;
use super::super::read_space::ReadSpace;
use super::super::rest::Rest;
use super::super::socket::{ReadHalf, Socket, WriteHalf};
use super::{Decoded, Decoder, Malformed};
use crate::client::Client;
use crate::clock;
use crate::limits::{PIECE_BYTES, SPLICED_BYTES, UPSTREAM_READ_BYTES};
use crate::splice::{Spliced, stand_in};
pub(crate) use sending::Sending;

/// A connection to an instance, used by one exchange at a time. Dropped, it is closed at once.
pub(crate) struct Connection {
    read: ReadHalf,
    /// Away while the rest of a request body is sent beside the response.
    write: Option<WriteHalf>,
    /// Read and not decoded yet. No memory is held for a connection that only waits.
    buffer: BytesMut,
    /// How much the next read of a body asks for at most; what comes has shown it.
    read_size: usize,
    /// The largest piece of the response's body.
    piece: usize,
    /// Pieces to be taken at once before they grow.
    until_growth: u32,
    /// Pieces of the response's body have been spliced.
    splices: bool,
    space: Rc<ReadSpace>,
    /// What is to come of the response.
    body: Decoder,
    rest: Option<Rest>,
    /// Where the rest of a request leaves the half that sends.
    returned: Rc<Cell<Option<WriteHalf>>>,
    /// Another request may follow.
    persists: bool,
    /// How long it may be idle, if the instance has said so.
    lifetime: Option<Duration>,
    reused: bool,
    sent_at: Option<Instant>,
    /// Taken by the tunnel that this connection becomes.
    opened: Option<Opened>,
}

impl Connection {
    /// A connection that was just opened, whose small reads share `space` with others of its worker.
    pub(in super::super) fn new(socket: Socket, opened: Opened, space: &Rc<ReadSpace>) -> Self {
        let (read, write) = socket.into_split();
        Connection {
            read,
            write: Some(write),
            buffer: BytesMut::new(),
            read_size: UPSTREAM_READ_BYTES,
            piece: PIECE_BYTES.1,
            until_growth: 0,
            splices: false,
            space: Rc::clone(space),
            body: Decoder::Ended,
            rest: None,
            returned: Rc::default(),
            persists: true,
            lifetime: None,
            reused: false,
            sent_at: None,
            opened: Some(opened),
        }
    }

    /// Whether a request may be sent now, as far as the worker has been told.
    pub(in super::super) fn is_ready(&self) -> bool {
        self.persists
            && self.write.is_some()
            && self.body == Decoder::Ended
            && self.buffer.is_empty()
            && self.read.is_silent()
    }

    /// Whether it has carried a request before: then it may be dead without this side knowing.
    pub(in super::super) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Gives memory back until the next request.
    pub(in super::super) fn rest(&mut self) {
        self.reused = true;
        self.buffer = BytesMut::new();
    }

    /// How long the instance keeps it open while it is idle, if it has said so with its last response.
    pub(in super::super) fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    /// The time since the last request was sent.
    pub(in super::super) fn waited(&self) -> Duration {
        self.sent_at.map_or(Duration::ZERO, |sent| clock::now() - sent)
    }

    /// See [`super::super::Link::send`].
    pub(in super::super) fn send<'a>(
        &'a mut self,
        request: Request,
        client: &'a Client,
        limit: Duration,
    ) -> Sending<'a> {
        self.sent_at = Some(clock::now());
        self.persists = false;
        self.piece = PIECE_BYTES.1;
        self.until_growth = 0;
        self.splices = false;
        Sending::new(self, request, client, limit)
    }

    /// See [`super::super::Link::poll_frame`].
    pub(in super::super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        spliced: &Spliced,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyCut>>> {
        loop {
            match self.body.decode(&mut self.buffer) {
                Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Decoded::Trailers(trailers)) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Ok(Decoded::End) => return Poll::Ready(None),
                Ok(Decoded::More) => {}
                Err(Malformed) => return Poll::Ready(Some(Err(BodyCut))),
            }
            if self.rest.as_ref().is_some_and(|rest| rest.has_failed(cx)) {
                return Poll::Ready(Some(Err(BodyCut)));
            }
            if let Some(polled) = self.poll_splice(cx, spliced) {
                return polled.map(Some);
            }
            let left = self.body.left().map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
            let size = left.min(self.read_size).min(self.piece);
            match ready!(self.poll_fill(cx, size)) {
                Ok(0) => match self.body.end() {
                    Ok(()) => return Poll::Ready(None),
                    Err(Malformed) => return Poll::Ready(Some(Err(BodyCut))),
                },
                Ok(bytes) => {
                    // Asks for what comes: a slow stream of small pieces needs no large buffers.
                    if bytes == size {
                        self.read_size = (self.read_size * 2).min(self.piece);
                    } else if bytes < self.read_size / 4 {
                        self.read_size = (self.read_size / 2).max(UPSTREAM_READ_BYTES);
                    }
                }
                Err(_) => return Poll::Ready(Some(Err(BodyCut))),
            }
        }
    }

    /// Moves the next piece of a large body to the client's pipe. Nothing where it must be read.
    fn poll_splice(&mut self, cx: &mut Context<'_>, spliced: &Spliced) -> Option<Poll<Result<Frame<Bytes>, BodyCut>>> {
        let left = self.body.left().filter(|left| self.splices || *left >= SPLICED_BYTES)?;
        let limit = usize::try_from(left).unwrap_or(usize::MAX).min(self.piece);
        let filled = spliced.poll_fill(|pipe| self.read.poll_splice(cx, pipe, limit))?;
        Some(filled.map(|filled| match filled {
            Ok(bytes) if bytes > 0 => {
                self.splices = true;
                self.body.skip(bytes as u64);
                Ok(Frame::data(stand_in(bytes)))
            }
            _ => Err(BodyCut),
        }))
    }

    /// How much of a body may be on its way to the client, in bytes.
    pub(in super::super) fn piece(&self) -> usize {
        self.piece
    }

    /// Fits the size of the next piece to a client that did not take the last one at once, or did.
    ///
    /// A piece that is taken at once costs no memory, however large it is; one that is not is held. So
    /// once a piece was held they grow slowly, and never beyond `most`.
    pub(in super::super) fn pace(&mut self, is_slow: bool, bytes: usize, most: usize) {
        const SLOWLY: u32 = 8;
        let (least, ..) = PIECE_BYTES;
        if is_slow {
            self.piece = (self.piece / 2).max(least);
            self.until_growth = SLOWLY;
        } else if bytes == self.piece {
            self.until_growth = self.until_growth.saturating_sub(1);
            if self.until_growth == 0 {
                self.piece = (self.piece * 2).min(most);
            }
        }
    }

    /// Whether all of the response has been read.
    pub(in super::super) fn is_end_stream(&self) -> bool {
        self.body == Decoder::Ended
    }

    /// What is known of the length that is still to come.
    pub(in super::super) fn size_hint(&self) -> SizeHint {
        self.body.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// Reads up to `size` bytes more, once there are any; 0 is the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>, size: usize) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() && size <= UPSTREAM_READ_BYTES {
            self.buffer = ready!(self.space.poll_read(cx, &self.read))?;
            return Poll::Ready(Ok(self.buffer.len()));
        }
        ready!(self.read.poll_ready(cx))?;
        if !self.buffer.is_empty() {
            self.buffer.reserve(size);
        } else {
            // What the buffer held before may still be on its way to the client, and keeps it alive.
            self.buffer = BytesMut::with_capacity(size);
        }
        self.read.poll_read(cx, &mut self.buffer, size)
    }

    /// Takes the write half back when the rest of the request has been sent.
    pub(in super::super) fn finish(&mut self) {
        if self.rest.take().is_some() {
            self.write = self.returned.take();
        }
    }

    /// The socket, for a tunnel, with what has been read of it already and what counts it as open.
    pub(in super::super) fn into_socket(mut self) -> Option<(Socket, Bytes, Option<Opened>)> {
        let early = self.buffer.split().freeze();
        let opened = self.opened.take();
        Socket::reunite(self.read, self.write?).map(|socket| (socket, early, opened))
    }
}
