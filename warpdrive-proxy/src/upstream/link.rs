//! One HTTP/1.1 connection to an instance, and the wait for a response head on it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connect::{ConnectError, connect};
use super::io::Progress;
use super::opened::Opened;
use super::pool::Pool;
use crate::alarm::Alarm;
use crate::body::{Upload, UploadStage};
use crate::client::Client;
use crate::limits::UPSTREAM_BUFFER_BYTES;
use crate::read_share::ReadShare;

/// A connection to an instance, used by one exchange at a time. Dropped, it is closed at once.
pub(crate) struct Link {
    sender: SendRequest<Upload>,
    /// Drives the connection.
    task: JoinHandle<()>,
    progress: Arc<Progress>,
    alarm: Alarm,
    reused: bool,
    sent_at: Option<Instant>,
    /// Taken by the tunnel that this connection becomes.
    opened: Option<Opened>,
}

/// Why there is no response.
pub(crate) enum Lost {
    /// The connection was closed before it took the request, which comes back.
    Unsent(Box<Request<Upload>>),
    /// The connection ended without a single byte of an answer.
    Unanswered,
    /// The connection ended inside the response head.
    Broken,
    /// What came is not an HTTP/1 response.
    Nonsense,
    /// The time to the first response byte passed.
    FirstByteTimeout,
    /// The instance stopped taking the request body.
    StoppedReading,
}

impl Link {
    /// Opens a connection whose reads have their part in `reads`.
    ///
    /// # Errors
    ///
    /// See [`connect`].
    pub(crate) async fn open(pool: &Pool, limit: Duration, reads: &Arc<ReadShare>) -> Result<Self, ConnectError> {
        let mut io = connect(pool.endpoint(), limit).await?;
        io.share_reads(reads);
        let progress = io.progress();
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(UPSTREAM_BUFFER_BYTES)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| ConnectError::Refused(std::io::Error::other(error)))?;
        // One task a connection, not one a request. How it ends is known to whoever waits for the
        // response.
        let task = tokio::task::spawn_local(async move {
            let _ = connection.with_upgrades().await;
        });
        Ok(Link {
            sender,
            task,
            progress,
            alarm: Alarm::new(),
            reused: false,
            sent_at: None,
            opened: Some(pool.opened()),
        })
    }

    /// What counts it as open, for a tunnel that goes on with its socket.
    pub(crate) fn take_opened(&mut self) -> Option<impl Sized + use<>> {
        self.opened.take()
    }

    /// Whether a request may be sent now.
    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether it has carried a request before: then it may be dead without this side knowing.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused
    }

    pub(super) fn mark_reused(&mut self) {
        self.reused = true;
    }

    /// The timer that goes with this connection.
    pub(crate) fn alarm(&mut self) -> &mut Alarm {
        &mut self.alarm
    }

    /// The time since the last request was sent.
    pub(crate) fn waited(&self) -> Duration {
        self.sent_at.map_or(Duration::ZERO, |sent| sent.elapsed())
    }

    /// Sends a request and waits for the head of its response.
    ///
    /// `limit` is counted from the last byte of the request that the kernel took. While the client
    /// is still sending its body the wire watches the client, not this the instance.
    ///
    /// # Errors
    ///
    /// See [`Lost`].
    pub(crate) async fn send(
        &mut self,
        request: Request<Upload>,
        client: &Client,
        limit: Duration,
    ) -> Result<Response<Incoming>, Lost> {
        let sent = Instant::now();
        self.sent_at = Some(sent);
        let received = self.progress.received();
        self.progress.interim.expect();
        let relay = |status, headers: &HeaderMap| client.wire.interim.receive(status, headers);
        let Link { sender, progress, alarm, .. } = self;
        let mut response = pin!(sender.try_send_request(request));
        let outcome = poll_fn(|cx| {
            // Before the response is looked at, which may have come with them.
            progress.interim.collect(cx, relay);
            if client.wire.interim.is_flooded() || progress.interim.is_flooded() {
                return Poll::Ready(Err(Lost::Nonsense));
            }
            if let Poll::Ready(outcome) = response.as_mut().poll(cx) {
                return Poll::Ready(outcome.map_err(|mut error| {
                    if let Some(request) = error.take_message() {
                        Lost::Unsent(Box::new(request))
                    } else if error.error().is_parse() {
                        Lost::Nonsense
                    } else if progress.received() == received {
                        Lost::Unanswered
                    } else {
                        Lost::Broken
                    }
                }));
            }
            let stage = client.upload.stage();
            let deadline = match stage {
                // Nobody wakes this future when that ends, so it looks again in time.
                UploadStage::WaitsForClient => Instant::now() + limit,
                UploadStage::Flows | UploadStage::Ended => progress.last_write().max(sent) + limit,
            };
            if alarm.poll(cx, deadline).is_pending() {
                return Poll::Pending;
            }
            Poll::Ready(Err(match stage {
                UploadStage::Ended => Lost::FirstByteTimeout,
                UploadStage::Flows | UploadStage::WaitsForClient => Lost::StoppedReading,
            }))
        })
        .await;
        progress.interim.close();
        outcome
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // hyper flushes before it closes, and would wait for ever, with the request body in its
        // hands, for an instance that reads nothing.
        self.task.abort();
    }
}
