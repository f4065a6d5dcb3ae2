//! What the wire and the exchange of one client connection tell each other.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize};
use std::task::Poll;
use std::time::Duration;

use super::framing::BodyLength;
use super::interim::Interim;
use crate::splice::Spliced;

/// Why a wire ended the connection by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No byte of a request body came in time.
    BodyTimeout,
    /// The client accepted no byte of a response in time.
    WriteTimeout,
}

/// Stands for no length; hyper takes none as large.
const CHUNKED: u64 = u64::MAX;

/// Shared by a [`super::Wire`], which hyper owns and which must be `Send` for the sake of upgrades,
/// and by the exchanges of the same connection. Both live on one thread: the atomics are plain
/// loads and stores, and order nothing.
#[derive(Debug, Default)]
pub(crate) struct WireState {
    /// Exchanges begun so far.
    exchanges: AtomicU32,
    /// From a request's head until the last byte of its response went to the kernel.
    exchange_open: AtomicBool,
    /// hyper has all of the response; it is on its way through hyper's buffer.
    response_buffered: AtomicBool,
    /// The request body has not been received to its end.
    body_open: AtomicBool,
    /// How the body is delimited: a length, or [`CHUNKED`].
    body_length: AtomicU64,
    /// How long the client may be silent inside a request body.
    body_timeout_ms: AtomicU64,
    fault: AtomicU8,
    received: AtomicU64,
    sent: AtomicU64,
    /// The status of an answer that no exchange gave: hyper's own or the wire's.
    bare_status: AtomicU16,
    /// Body bytes that hyper was given since its buffer was last empty.
    unflushed: AtomicUsize,
    /// The body waits for that.
    awaits_flush: AtomicBool,
    /// The kernel did not take a write whole.
    cut_short: AtomicBool,
    cut_hard: AtomicBool,
    tunnel: AtomicBool,
    pub(crate) interim: Interim,
    pub(crate) spliced: Spliced,
}

impl WireState {
    /// A request head was received; its body comes next.
    pub(crate) fn begin_exchange(&self, body: BodyLength, body_timeout: Duration) {
        self.exchanges.store(self.exchanges() + 1, Relaxed);
        self.exchange_open.store(true, Relaxed);
        self.response_buffered.store(false, Relaxed);
        self.body_open.store(body != BodyLength::None, Relaxed);
        let length = match body {
            BodyLength::None => 0,
            BodyLength::Bytes(bytes) => bytes,
            BodyLength::Chunked => CHUNKED,
        };
        self.body_length.store(length, Relaxed);
        self.set_body_timeout(body_timeout);
        self.interim.begin();
    }

    /// The time of the route, once it is known.
    pub(crate) fn set_body_timeout(&self, timeout: Duration) {
        let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.body_timeout_ms.store(millis, Relaxed);
    }

    pub(crate) fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms.load(Relaxed))
    }

    /// How the body of the exchange that began last is delimited.
    pub(super) fn body_length(&self) -> BodyLength {
        match self.body_length.load(Relaxed) {
            0 => BodyLength::None,
            CHUNKED => BodyLength::Chunked,
            bytes => BodyLength::Bytes(bytes),
        }
    }

    /// The request body was received to its end.
    pub(crate) fn end_body(&self) {
        self.body_open.store(false, Relaxed);
    }

    /// hyper has taken the last piece of the response.
    pub(crate) fn end_response(&self) {
        self.response_buffered.store(true, Relaxed);
    }

    /// hyper has taken a piece of a response body.
    pub(crate) fn count_unflushed(&self, bytes: usize) {
        self.unflushed.store(self.unflushed.load(Relaxed) + bytes, Relaxed);
    }

    /// Ready when hyper holds less than `limit` bytes of the response body, and none that the kernel has just not
    /// taken. Else its connection's
    /// task, which must be the one that asks, is woken when it holds none.
    pub(crate) fn poll_unflushed(&self, limit: usize) -> Poll<()> {
        let unflushed = self.unflushed.load(Relaxed);
        if unflushed == 0 || (unflushed < limit && !self.cut_short.load(Relaxed)) {
            return Poll::Ready(());
        }
        self.awaits_flush.store(true, Relaxed);
        Poll::Pending
    }

    pub(super) fn set_cut_short(&self) {
        self.cut_short.store(true, Relaxed);
    }

    /// Whether a write was not taken whole since this was asked last.
    pub(crate) fn take_cut_short(&self) -> bool {
        let is = self.cut_short.load(Relaxed);
        self.cut_short.store(false, Relaxed);
        is
    }

    /// Whether the body waits until hyper holds nothing of it, and the client's socket has room.
    pub(super) fn awaits_flush(&self) -> bool {
        self.awaits_flush.load(Relaxed)
    }

    /// Called when hyper's buffer is empty, and there is room where the body waits for it.
    pub(super) fn emptied(&self) {
        self.unflushed.store(0, Relaxed);
        self.awaits_flush.store(false, Relaxed);
    }

    /// Called when hyper's buffer is empty. True when a response that hyper had whole has left.
    pub(super) fn flushed(&self) -> bool {
        let whole = self.response_buffered.load(Relaxed);
        if whole {
            self.response_buffered.store(false, Relaxed);
            self.exchange_open.store(false, Relaxed);
        }
        whole
    }

    pub(crate) fn exchanges(&self) -> u32 {
        self.exchanges.load(Relaxed)
    }

    /// Whether a request is under way, or its response not yet with the kernel.
    pub(crate) fn is_exchange_open(&self) -> bool {
        self.exchange_open.load(Relaxed)
    }

    pub(crate) fn is_body_open(&self) -> bool {
        self.body_open.load(Relaxed)
    }

    pub(super) fn set_fault(&self, fault: Fault) {
        self.fault.store(fault as u8 + 1, Relaxed);
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.fault.load(Relaxed) {
            0 => None,
            1 => Some(Fault::BodyTimeout),
            _ => Some(Fault::WriteTimeout),
        }
    }

    pub(super) fn count_received(&self, bytes: usize) {
        self.received.store(self.received.load(Relaxed) + bytes as u64, Relaxed);
    }

    pub(super) fn count_sent(&self, bytes: usize) {
        self.sent.store(self.sent.load(Relaxed) + bytes as u64, Relaxed);
    }

    /// Bytes received on this connection, heads included.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Bytes that the kernel took for this connection, heads included.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    pub(super) fn set_bare_status(&self, status: u16) {
        self.bare_status.store(status, Relaxed);
    }

    /// The status of an answer that no exchange gave, if there was one.
    pub(crate) fn bare_status(&self) -> Option<u16> {
        match self.bare_status.load(Relaxed) {
            0 => None,
            status => Some(status),
        }
    }

    /// Ends the connection with a reset: for a body whose end is the end of the connection, where
    /// an ordinary close would pass a part off as the whole.
    pub(crate) fn cut_hard(&self) {
        self.cut_hard.store(true, Relaxed);
    }

    pub(super) fn is_cut_hard(&self) -> bool {
        self.cut_hard.load(Relaxed)
    }

    /// From now on bytes pass without any deadline of the wire: the tunnel has its own.
    pub(crate) fn begin_tunnel(&self) {
        self.tunnel.store(true, Relaxed);
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.tunnel.load(Relaxed)
    }
}
