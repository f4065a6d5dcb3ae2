//! A request body on its way to an instance, as its window allows.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::SendStream;
use http_body::Body;
use tokio::time::Instant;

use super::super::rest::Stopped;
use crate::body::Upload;
use crate::clock;

/// What of a request body was not sent yet.
pub(super) struct Outflow {
    stream: SendStream<Bytes>,
    body: Upload,
    /// Taken from the client.
    data: Bytes,
    /// Something was taken from the client.
    begun: bool,
    ended: bool,
    last_write: Instant,
}

impl Outflow {
    pub(super) fn new(stream: SendStream<Bytes>, body: Upload) -> Self {
        let ended = body.is_empty();
        Outflow { stream, body, data: Bytes::new(), begun: false, ended, last_write: clock::now() }
    }

    /// When something was last given to the connection.
    pub(super) fn last_write(&self) -> Instant {
        self.last_write
    }

    pub(super) fn is_done(&self) -> bool {
        self.ended
    }

    /// The body, if nothing of it is gone.
    pub(super) fn take_back(self) -> Option<Upload> {
        (!self.begun).then_some(self.body)
    }

    /// Sends as much as the window allows. Ready when all is sent.
    ///
    /// # Errors
    ///
    /// See [`Stopped`].
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
        while !self.ended {
            if !self.data.is_empty() {
                ready!(self.poll_data(cx))?;
                continue;
            }
            // An instance that wants no more says so also while the client is silent.
            if self.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(Stopped::Instance));
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                self.ended = true;
                let sent = self.stream.send_data(Bytes::new(), true);
                return Poll::Ready(sent.map_err(|_| Stopped::Instance));
            };
            self.begun = true;
            match frame.map_err(|_| Stopped::Client)?.into_data() {
                Ok(data) => self.data = data,
                Err(frame) => {
                    self.ended = true;
                    let sent = self.stream.send_trailers(frame.into_trailers().unwrap_or_default());
                    return Poll::Ready(sent.map_err(|_| Stopped::Instance));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
        self.stream.reserve_capacity(self.data.len());
        let Some(Ok(room)) = ready!(self.stream.poll_capacity(cx)) else {
            return Poll::Ready(Err(Stopped::Instance));
        };
        let piece = self.data.split_to(room.min(self.data.len()));
        self.ended = self.data.is_empty() && self.body.is_end_stream();
        self.last_write = clock::now();
        Poll::Ready(self.stream.send_data(piece, self.ended).map_err(|_| Stopped::Instance))
    }
}
