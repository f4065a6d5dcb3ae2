//! Interim responses (1xx, RFC 9110 section 15.2) on their way from an instance to the client, and
//! request bodies that wait for one.
//!
//! hyper's server writes none but a `100 Continue` of its own, when the body is first asked for.
//! So the upstream connection leaves the others here, and the wire writes them where hyper's own
//! bytes have a boundary. A body under `Expect: 100-continue` is not asked for before the instance
//! has said 100; asking is what makes hyper pass that answer on.

use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use http::{HeaderMap, StatusCode};
use warpdrive_core::forwarding::finish_interim_response;

use crate::limits::{INTERIM_BYTES, INTERIM_RESPONSES};

/// Part of the state that a connection's wire and exchange share. The flags are looked at for each
/// request; the lock is taken only where an interim response or an expectation is in play, and both
/// sides live on one thread.
#[derive(Debug, Default)]
pub(crate) struct Interim {
    /// Something is to be written, or being written.
    pending: AtomicBool,
    /// The request body waits for the instance's 100.
    holds_body: AtomicBool,
    /// The client understands interim responses.
    relays: AtomicBool,
    /// The instance sent more than the limits allow.
    flooded: AtomicBool,
    /// Interim responses to the request that was sent last. Outside the lock, which no ordinary
    /// request takes.
    count: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Whoever waits for the body to be let go.
    body: Option<Waker>,
    /// Whoever waits for the last byte to be written.
    drained: Option<Waker>,
}

impl Interim {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // What is under the lock is plain data, whole at every step.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the next exchange.
    pub(crate) fn begin(&self) {
        self.holds_body.store(false, Relaxed);
        self.flooded.store(false, Relaxed);
    }

    /// Before a request is sent, also for the second time. `relays` is whether the client understands
    /// interim responses, which one of HTTP/1.0 does not (RFC 9110 section 15.2).
    pub(crate) fn expect(&self, holds_body: bool, relays: bool) {
        self.relays.store(relays, Relaxed);
        self.holds_body.store(holds_body, Relaxed);
        self.count.store(0, Relaxed);
    }

    /// Takes an interim response from the instance, as the client's own task.
    pub(crate) fn receive(&self, status: StatusCode, headers: &HeaderMap) {
        let mut queue = self.queue();
        let count = self.count.fetch_add(1, Relaxed) + 1;
        if count > INTERIM_RESPONSES || queue.bytes.len() > INTERIM_BYTES {
            self.flooded.store(true, Relaxed);
            return;
        }
        if status == StatusCode::CONTINUE && self.holds_body.load(Relaxed) {
            self.release(queue);
            return;
        }
        if !self.relays.load(Relaxed) {
            return;
        }
        let mut headers = headers.clone();
        finish_interim_response(&mut headers);
        // Writing to a vector cannot fail.
        let _ = write!(queue.bytes, "HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or(""));
        for (name, value) in &headers {
            queue.bytes.extend_from_slice(name.as_str().as_bytes());
            queue.bytes.extend_from_slice(b": ");
            queue.bytes.extend_from_slice(value.as_bytes());
            queue.bytes.extend_from_slice(b"\r\n");
        }
        queue.bytes.extend_from_slice(b"\r\n");
        self.pending.store(true, Relaxed);
    }

    /// Lets the request body go, if it is held.
    pub(crate) fn release_body(&self) {
        if self.holds_body.load(Relaxed) {
            self.release(self.queue());
        }
    }

    fn release(&self, mut queue: MutexGuard<'_, Queue>) {
        self.holds_body.store(false, Relaxed);
        let waker = queue.body.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether the request body has to wait.
    pub(crate) fn holds_body(&self) -> bool {
        self.holds_body.load(Relaxed)
    }

    /// Ready when the request body may flow.
    pub(crate) fn poll_body(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.holds_body() {
            return Poll::Ready(());
        }
        self.queue().body = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether the instance went past the limits.
    pub(crate) fn is_flooded(&self) -> bool {
        self.flooded.load(Relaxed)
    }

    /// Whether anything is to be written.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Relaxed)
    }

    /// Ready when everything is written: the head of the response must not overtake it.
    pub(crate) fn poll_drained(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_pending() {
            return Poll::Ready(());
        }
        self.queue().drained = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Moves what is to be written into an empty buffer; false where nothing is left, which whoever
    /// waits is told.
    pub(super) fn take(&self, buffer: &mut Vec<u8>) -> bool {
        let mut queue = self.queue();
        if !queue.bytes.is_empty() {
            std::mem::swap(buffer, &mut queue.bytes);
            return true;
        }
        self.pending.store(false, Relaxed);
        let waker = queue.drained.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn written(interim: &Interim) -> String {
        let mut bytes = Vec::new();
        interim.take(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_interim_response_loses_what_is_not_for_the_client() {
        let interim = Interim::default();
        interim.expect(false, true);
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("link", "</a.css>; rel=preload"), ("connection", "x-hop"), ("x-hop", "1"), ("content-length", "5")]
        {
            headers.append(name, HeaderValue::from_static(value));
        }
        interim.receive(StatusCode::EARLY_HINTS, &headers);
        assert!(interim.is_pending());
        assert_eq!(written(&interim), "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
        assert!(!interim.take(&mut Vec::new()));
        assert!(!interim.is_pending());
    }

    #[test]
    fn the_first_100_lets_the_body_go_and_others_are_passed_on() {
        let interim = Interim::default();
        interim.expect(true, true);
        interim.receive(StatusCode::CONTINUE, &HeaderMap::new());
        assert!(!interim.holds_body());
        assert!(!interim.is_pending());
        interim.receive(StatusCode::CONTINUE, &HeaderMap::new());
        assert_eq!(written(&interim), "HTTP/1.1 100 Continue\r\n\r\n");
    }

    #[test]
    fn a_flood_is_noticed_and_does_not_grow() {
        let interim = Interim::default();
        interim.expect(false, true);
        for _ in 0..INTERIM_RESPONSES {
            interim.receive(StatusCode::EARLY_HINTS, &HeaderMap::new());
        }
        assert!(!interim.is_flooded());
        let length = interim.queue().bytes.len();
        interim.receive(StatusCode::EARLY_HINTS, &HeaderMap::new());
        assert!(interim.is_flooded());
        assert_eq!(interim.queue().bytes.len(), length);
    }
}
