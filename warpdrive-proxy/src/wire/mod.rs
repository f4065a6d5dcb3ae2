//! The bytes of one client connection: counts, deadlines, and answers before a request exists.
//!
//! hyper cannot hold a header time and a keep-alive time apart, answers no 408, and knows no time
//! for a body or for a client that stops reading. So its own times are off and the wire beneath it
//! keeps all of them with one [`Alarm`].

mod chunks;
mod framing;
mod inflow;
mod interim;
mod linger;
mod refusal;
mod request_line;
mod room;
mod state;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::clock;
use crate::read_share::{ReadShare, Reader};
use crate::{send, splice};
pub(crate) use framing::BodyLength;
use inflow::Inflow;
use linger::Linger;
use refusal::Refusal;
use request_line::RequestLine;
pub(crate) use state::{Fault, WireState};

/// Times of a client connection that no route can change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WireTimes {
    /// From the first byte of a head to its end, and to the first byte of a new connection.
    pub(crate) header: Duration,
    /// Between two requests.
    pub(crate) keepalive: Duration,
    /// Without progress of a write.
    pub(crate) write: Duration,
}

/// What the client is expected to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A request, or the rest of its head.
    Head,
    /// A request body.
    Body,
    /// Nothing: a request is being answered.
    Answer,
}

/// A client's socket as hyper sees it.
pub(crate) struct Wire {
    stream: Take<TcpStream>,
    reader: Reader,
    state: Arc<WireState>,
    times: WireTimes,
    alarm: Alarm,
    /// The exchange that the fields below belong to.
    exchange: u32,
    /// When the first byte of the head that is being received came.
    head_since: Option<Instant>,
    line: RequestLine,
    inflow: Inflow,
    /// Since when the client is silent, where it should speak.
    silent_since: Option<Instant>,
    /// Since when the client takes nothing.
    blocked_since: Option<Instant>,
    linger: Option<Linger>,
    /// The next request waits in the socket, so that its end cannot be seen.
    next_waits: bool,
    /// hyper has written something since it last had nothing to write: its next bytes may be the
    /// rest of a message.
    inside_message: bool,
    /// Interim responses that are being written.
    interim: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, state: Arc<WireState>, times: WireTimes, reads: &Arc<ReadShare>) -> Self {
        Wire {
            stream: stream.take(u64::MAX),
            reader: Reader::new(reads),
            state,
            times,
            alarm: Alarm::new(),
            exchange: 0,
            head_since: None,
            line: RequestLine::default(),
            inflow: Inflow::default(),
            silent_since: None,
            blocked_since: None,
            linger: None,
            next_waits: false,
            inside_message: false,
            interim: Vec::new(),
        }
    }

    fn phase(&self) -> Phase {
        if self.state.is_body_open() {
            Phase::Body
        } else if self.state.is_exchange_open() {
            Phase::Answer
        } else {
            Phase::Head
        }
    }

    /// Forgets the head of the exchange before, once a new one has begun.
    fn follow_exchange(&mut self) {
        let exchanges = self.state.exchanges();
        if exchanges != self.exchange {
            self.exchange = exchanges;
            self.head_since = None;
            self.line = RequestLine::default();
            self.silent_since = None;
            self.next_waits = false;
            self.inflow.begin_body(self.state.body_length());
        }
    }

    fn received(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.state.count_received(bytes.len());
        self.silent_since = None;
        if self.state.is_tunnel() {
            return Ok(());
        }
        // Also a head that comes while the request before it is being answered.
        let too_long = self.inflow.is_in_head() && self.line.is_too_long_with(bytes);
        if self.phase() != Phase::Head {
            return Ok(());
        }
        if self.head_since.is_none() {
            self.head_since = Some(clock::now());
        }
        if too_long { Err(Refusal::TargetTooLong) } else { Ok(()) }
    }

    /// The client sends nothing: waits for the deadline of what it should be sending.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.phase() {
            // The upstream has its own time; whether the client has left, `watch_client` looks.
            Phase::Answer => Poll::Pending,
            Phase::Body => {
                let since = *self.silent_since.get_or_insert_with(clock::now);
                ready!(self.alarm.poll(cx, since + self.state.body_timeout()));
                self.state.set_fault(Fault::BodyTimeout);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Phase::Head => {
                if let Some(since) = self.head_since {
                    // From the first byte, not from the last: one byte a second must not hold
                    // a connection for ever.
                    ready!(self.alarm.poll(cx, since + self.times.header));
                    return self.refuse(cx, Refusal::HeadTimeout);
                }
                let since = *self.silent_since.get_or_insert_with(clock::now);
                let time = if self.exchange == 0 { self.times.header } else { self.times.keepalive };
                ready!(self.alarm.poll(cx, since + time));
                // An end of file without an answer: no request was begun.
                Poll::Ready(Ok(()))
            }
        }
    }

    /// hyper writes although no exchange is open: one of its own bare answers.
    fn note_bare_answer(&self, bytes: &[u8]) {
        if self.state.is_exchange_open() || self.state.is_tunnel() {
            return;
        }
        let status =
            bytes.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
        if let Some(status) = status {
            self.state.set_bare_status(status);
        }
    }

    /// Writes interim responses. Ready when none is left; only where hyper is between messages.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.interim.is_empty() || self.state.interim.take(&mut self.interim) {
            let result = Pin::new(self.stream.get_mut()).poll_write(cx, &self.interim);
            match ready!(self.wrote(cx, result))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.interim.drain(..written)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_before_message(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.inside_message && self.state.interim.is_pending() {
            ready!(self.poll_interim(cx))?;
        }
        self.inside_message = true;
        Poll::Ready(Ok(()))
    }

    /// Looks whether the client is still there while its request is being answered. hyper would read
    /// for that, with a buffer of eight kibibytes for each request that waits for its answer.
    fn watch_client(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.next_waits
            || !self.state.is_exchange_open()
            || self.state.is_tunnel()
            || !self.inflow.is_between(&self.state)
        {
            return Ok(());
        }
        match self.inflow.poll_peek(cx, self.stream.get_ref()) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(0)) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Ready(Ok(_)) => {
                self.next_waits = true;
                Ok(())
            }
            Poll::Ready(Err(error)) => Err(error),
        }
    }

    /// Hands some of what hyper has to write to the kernel.
    fn poll_send(&mut self, cx: &mut Context<'_>, mut pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let stream = self.stream.get_mut();
        match splice::next(pieces) {
            splice::Next::FromPipe(bytes) => return self.state.spliced.poll_drain(cx, stream, bytes),
            splice::Next::Pieces(before) => pieces = before,
        }
        match send::poll_joined(stream, cx, pieces) {
            Some(result) => result,
            None => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn wrote(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(bytes)) => {
                self.blocked_since = None;
                self.state.count_sent(bytes);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if self.state.is_tunnel() => Poll::Pending,
            Poll::Pending => {
                self.state.set_cut_short();
                self.poll_blocked(cx)
            }
        }
    }

    /// The client takes nothing: waits for the deadline.
    fn poll_blocked<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let since = *self.blocked_since.get_or_insert_with(clock::now);
        ready!(self.alarm.poll(cx, since + self.times.write));
        self.state.set_fault(Fault::WriteTimeout);
        // An ordinary close would leave megabytes with the kernel, for a client that takes none.
        self.state.cut_hard();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if wire.linger.is_some() {
            ready!(wire.poll_linger(cx));
            return Poll::Ready(Ok(()));
        }
        wire.follow_exchange();
        let before = buffer.filled().len();
        wire.stream.set_limit(wire.reader.limit());
        match wire.inflow.poll_read(cx, &mut wire.stream, buffer, wire.state.is_tunnel()) {
            Poll::Ready(Ok(())) => {
                let bytes = buffer.filled().get(before..).unwrap_or_default();
                if bytes.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                match wire.received(bytes) {
                    Ok(()) => Poll::Ready(Ok(())),
                    Err(refusal) => {
                        buffer.set_filled(before);
                        wire.refuse(cx, refusal)
                    }
                }
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if wire.state.is_tunnel() => Poll::Pending,
            Poll::Pending => wire.poll_silence(cx),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        ready!(wire.poll_before_message(cx))?;
        wire.note_bare_answer(pieces.first().map_or(&[], |piece| piece));
        let result = wire.poll_send(cx, pieces);
        wire.wrote(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper calls this when its own buffer is empty, so it marks the end of a response.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        wire.follow_exchange();
        if wire.state.awaits_flush() {
            match room::poll(wire.stream.get_ref(), cx) {
                Poll::Ready(result) => result?,
                Poll::Pending => return wire.poll_blocked(cx),
            }
            wire.blocked_since = None;
            // The body was asked before this, in the same task.
            cx.waker().wake_by_ref();
        }
        wire.state.emptied();
        if wire.state.flushed() {
            // hyper has seen that there is nothing to read and waits for the socket alone. So the
            // wait for the next request begins here; its deadline is looked at by the read that
            // the alarm brings about.
            let now = clock::now();
            wire.silent_since = Some(now);
            let _ = wire.alarm.poll(cx, now + wire.times.keepalive);
        }
        wire.inside_message = false;
        if wire.state.interim.is_pending() {
            ready!(wire.poll_interim(cx))?;
        }
        Poll::Ready(wire.watch_client(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if wire.linger.is_none() {
            ready!(Pin::new(wire.stream.get_mut()).poll_shutdown(cx))?;
            wire.follow_exchange();
            let unread = wire.state.is_body_open() || wire.head_since.is_some();
            if wire.inflow.is_ended() || !unread || wire.state.is_tunnel() {
                return Poll::Ready(Ok(()));
            }
            wire.begin_linger();
        }
        ready!(wire.poll_linger(cx));
        Poll::Ready(Ok(()))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.state.is_cut_hard() {
            // Without it the reset becomes an ordinary end: nothing more can be done then.
            let _ = self.stream.get_ref().set_zero_linger();
        }
    }
}
