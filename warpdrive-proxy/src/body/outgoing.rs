//! A response body on its way to the client.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use warpdrive_core::forwarding::finish_trailers;

use super::upload::UploadFailure;
use crate::clock;
use crate::counters::Failed;
use crate::exchange::Underway;
use crate::upstream::{BodyCut, Lease, Link};

/// Why a response body was cut. The client's connection ends with it: a part is never passed off
/// as the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The instance ended its connection, or sent nonsense, inside the body.
    UpstreamClosed,
    /// The instance sent nothing for too long.
    UpstreamTimeout,
}

impl Cut {
    /// The word that the access log has for it.
    fn reason(self) -> &'static str {
        match self {
            Cut::UpstreamClosed => "upstream_body_cut",
            Cut::UpstreamTimeout => "upstream_body_timeout",
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cut::UpstreamClosed => "the upstream ended inside a response body",
            Cut::UpstreamTimeout => "the upstream was silent inside a response body",
        })
    }
}

impl Error for Cut {}

/// The body of a response to a client.
pub(crate) enum Outgoing {
    /// A page of this proxy's own, whole; empty for an answer without a body.
    Page { text: Bytes, underway: Underway },
    /// What an instance sends.
    Upstream(Download),
}

/// An instance's body, with everything that must last as long as it does.
pub(crate) struct Download {
    /// Brings the body. Goes back to the pool after a clean end, and is closed otherwise.
    pub(crate) link: Option<Link>,
    /// Ends with the body, see [`Lease`].
    pub(crate) lease: Option<Lease>,
    /// How long the instance may be silent.
    pub(crate) read_timeout: Duration,
    pub(crate) silent_since: Option<Instant>,
    /// Why it ends too early: told when the client has what came before.
    pub(crate) cut: Option<Cut>,
    /// The client can tell the end of the body only by the end of the connection.
    pub(crate) close_delimited: bool,
    pub(crate) underway: Underway,
}

impl Download {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(cut) = self.cut {
            ready!(self.underway.client().wire.poll_unflushed(1));
            return Poll::Ready(Some(Err(cut)));
        }
        let Some(link) = &mut self.link else { return Poll::Ready(None) };
        // hyper would take as much as its buffer holds, for a client that may take nothing.
        let wire = &self.underway.client().wire;
        ready!(wire.poll_unflushed(if wire.spliced.is_empty() { link.piece() } else { 1 }));
        match link.poll_frame(cx, &wire.spliced) {
            Poll::Ready(Some(Ok(mut frame))) => {
                self.silent_since = None;
                if let Some(fields) = frame.trailers_mut() {
                    finish_trailers(fields);
                }
                if let Some(bytes) = frame.data_ref() {
                    self.underway.count_sent(bytes.len());
                    let client = self.underway.client();
                    let wire = &client.wire;
                    link.pace(wire.take_cut_short(), bytes.len(), client.worker.reads.largest_piece());
                    wire.count_unflushed(bytes.len());
                    if let Some(lease) = &self.lease {
                        lease.pool().count(|counters| counters.received.add(bytes.len() as u64));
                    }
                }
                if frame.is_trailers() || self.is_end_stream() {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(BodyCut))) => self.cut(Cut::UpstreamClosed),
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let since = *self.silent_since.get_or_insert_with(clock::now);
                ready!(self.underway.client().upstream_alarm.borrow_mut().poll(cx, since + self.read_timeout));
                self.cut(Cut::UpstreamTimeout)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.link.as_ref().is_none_or(Link::is_end_stream)
    }

    fn end(&mut self) {
        self.underway.complete();
        if let (Some(link), Some(lease)) = (self.link.take(), self.lease.take()) {
            let took = self.underway.took();
            lease.pool().count(|counters| counters.total.record(took));
            self.count_upload(&lease);
            lease.pool().check_in(link);
        }
    }

    /// What the instance was sent of the request body by the end of its response.
    fn count_upload(&self, lease: &Lease) {
        let bytes = self.underway.client().upload.bytes();
        lease.pool().count(|counters| counters.sent.add(bytes));
    }

    fn cut(&mut self, cut: Cut) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        // An upload that fails takes the connection to the instance with it: not its fault.
        let failure = self.underway.client().upload.failure();
        if let (None, Some(lease)) = (failure, &self.lease) {
            lease.failed(match cut {
                Cut::UpstreamClosed => Failed::BodyCut,
                Cut::UpstreamTimeout => Failed::BodyTimeout,
            });
        }
        let reason = failure.map_or(cut.reason(), UploadFailure::reason);
        self.underway.fail(reason);
        if self.close_delimited {
            self.underway.client().wire.cut_hard();
        }
        self.cut = Some(cut);
        ready!(self.underway.client().wire.poll_unflushed(1));
        Poll::Ready(Some(Err(cut)))
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // hyper does not poll what is at its end already: no body, or the last byte of a length.
        if self.is_end_stream() {
            self.end();
        }
        if let Some(lease) = &self.lease {
            self.count_upload(lease);
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Outgoing::Page { text, underway } => {
                let text = std::mem::take(text);
                underway.count_sent(text.len());
                if text.is_empty() {
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
            Outgoing::Upstream(download) => download.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Outgoing::Page { text, .. } => text.is_empty(),
            Outgoing::Upstream(download) => download.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Outgoing::Page { text, .. } => SizeHint::with_exact(text.len() as u64),
            Outgoing::Upstream(download) => {
                download.link.as_ref().map_or_else(|| SizeHint::with_exact(0), Link::size_hint)
            }
        }
    }
}
