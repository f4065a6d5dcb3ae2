//! A request body on its way from the client to an instance.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};
use warpdrive_core::forwarding::finish_trailers;

use crate::client::Client;
use crate::limits::EXPECT_WAIT;
use crate::wire::Fault;

/// Where a request body stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum UploadStage {
    /// The instance would take more, and the client has not sent it yet.
    WaitsForClient,
    /// The instance has not asked for more.
    Flows,
    /// All of it was handed on, or there is none.
    #[default]
    Ended,
}

/// Why a request body ended too early; always for a reason on the client's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UploadFailure {
    /// The client closed its connection.
    ClientGone,
    /// The client was silent for too long.
    Timeout,
    /// The body is longer than the route allows.
    TooLarge,
    /// The chunks are malformed.
    Malformed,
}

impl UploadFailure {
    /// The word that the access log and pages have for it.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            UploadFailure::ClientGone => "client_closed",
            UploadFailure::Timeout => "client_body_timeout",
            UploadFailure::TooLarge => "body_too_large",
            UploadFailure::Malformed => "malformed_body",
        }
    }
}

impl fmt::Display for UploadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UploadFailure::ClientGone => "the client closed its connection",
            UploadFailure::Timeout => "the client stopped sending",
            UploadFailure::TooLarge => "the body is longer than allowed",
            UploadFailure::Malformed => "the chunks of the body are malformed",
        })
    }
}

impl Error for UploadFailure {}

/// What the exchange needs to know of the request body, which hyper owns by then.
#[derive(Debug, Default)]
pub(crate) struct UploadMeter {
    bytes: Cell<u64>,
    stage: Cell<UploadStage>,
    failure: Cell<Option<UploadFailure>>,
}

impl UploadMeter {
    /// Begins the next exchange of the connection.
    pub(crate) fn reset(&self, has_body: bool) {
        self.bytes.set(0);
        self.failure.set(None);
        self.stage.set(if has_body { UploadStage::Flows } else { UploadStage::Ended });
    }

    /// Body bytes received so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    pub(crate) fn stage(&self) -> UploadStage {
        self.stage.get()
    }

    pub(crate) fn failure(&self) -> Option<UploadFailure> {
        self.failure.get()
    }
}

/// The body of a request to an instance.
pub(crate) enum Upload {
    /// No body.
    Empty,
    /// The client's. Boxed, since most requests have none.
    Client(Box<ClientBody>),
}

/// Counts a client's body and holds it to its limit.
pub(crate) struct ClientBody {
    incoming: Incoming,
    client: Rc<Client>,
    limit: u64,
    /// What was received before the request went to an instance; nothing in it where that was the end.
    begun: Option<Option<Frame<Bytes>>>,
    /// Ends the wait of a body that is held back for the instance's 100.
    wait: Option<Pin<Box<Sleep>>>,
}

impl Upload {
    /// The body of the request that `client` is sending; `limit` in bytes.
    pub(crate) fn new(incoming: Incoming, client: &Rc<Client>, limit: Option<u64>) -> Self {
        if incoming.is_end_stream() {
            return Upload::Empty;
        }
        let limit = limit.unwrap_or(u64::MAX);
        Upload::Client(Box::new(ClientBody { incoming, client: Rc::clone(client), limit, begun: None, wait: None }))
    }

    /// Takes what hyper has of a chunked body by now, without waiting.
    ///
    /// # Errors
    ///
    /// The body is malformed, or too long, from its first bytes.
    pub(crate) fn begin(&mut self, cx: &mut Context<'_>) -> Result<(), UploadFailure> {
        if let Upload::Client(body) = self
            && body.incoming.size_hint().exact().is_none()
            && let Poll::Ready(next) = body.poll(cx)
        {
            body.begun = Some(next.transpose()?);
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Upload::Empty)
    }
}

impl ClientBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadFailure>>> {
        if self.client.wire.interim.holds_body() {
            ready!(self.poll_release(cx));
        }
        let meter = &self.client.upload;
        let Poll::Ready(next) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            meter.stage.set(UploadStage::WaitsForClient);
            return Poll::Pending;
        };
        meter.stage.set(UploadStage::Flows);
        match next {
            Some(Ok(mut frame)) => {
                if let Some(fields) = frame.trailers_mut() {
                    finish_trailers(fields);
                }
                if let Some(bytes) = frame.data_ref() {
                    meter.bytes.set(meter.bytes.get() + bytes.len() as u64);
                    if meter.bytes.get() > self.limit {
                        return self.fail(UploadFailure::TooLarge);
                    }
                }
                if frame.is_trailers() || self.incoming.is_end_stream() {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                let failure = self.blame(&error);
                self.fail(failure)
            }
            None => {
                self.end();
                Poll::Ready(None)
            }
        }
    }

    /// Ready when the instance has asked for the body, or has said nothing for so long that it will
    /// not.
    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let interim = &self.client.wire.interim;
        let wait = self.wait.get_or_insert_with(|| Box::pin(sleep(EXPECT_WAIT)));
        if interim.poll_body(cx).is_pending() {
            ready!(wait.as_mut().poll(cx));
            interim.release_body();
        }
        Poll::Ready(())
    }

    fn end(&self) {
        self.client.upload.stage.set(UploadStage::Ended);
        self.client.wire.end_body();
    }

    fn fail(&self, failure: UploadFailure) -> Poll<Option<Result<Frame<Bytes>, UploadFailure>>> {
        self.client.upload.failure.set(Some(failure));
        Poll::Ready(Some(Err(failure)))
    }

    fn blame(&self, error: &hyper::Error) -> UploadFailure {
        if self.client.wire.fault() == Some(Fault::BodyTimeout) {
            return UploadFailure::Timeout;
        }
        let kind = error.source().and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
        match kind {
            Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => UploadFailure::Malformed,
            _ => UploadFailure::ClientGone,
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadFailure;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadFailure>>> {
        match self.get_mut() {
            Upload::Empty => Poll::Ready(None),
            Upload::Client(body) => match body.begun.take() {
                Some(next) => Poll::Ready(next.map(Ok)),
                None => body.poll(cx),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Upload::Empty => true,
            Upload::Client(body) => body.begun.is_none() && body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Upload::Empty => SizeHint::with_exact(0),
            Upload::Client(body) => body.incoming.size_hint(),
        }
    }
}
