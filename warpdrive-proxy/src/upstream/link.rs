//! What an exchange has of an instance: a connection, or a stream of one.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::response;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;
use warpdrive_core::model::Protocol;

use super::connect::{ConnectError, connect};
use super::forwarded::Request;
use super::http1::Misframed;
use super::opened::Opened;
use super::pool::Pool;
use super::read_space::ReadSpace;
use super::socket::Socket;
use super::{h2c, http1};
use crate::body::UploadStage;
use crate::client::Client;
use crate::clock;
use crate::splice::Spliced;

/// One exchange's way to an instance and back. Dropped, what is left of the exchange is cut.
pub(crate) enum Link {
    /// Boxed as long as it lives, since each exchange hands it on half a dozen times.
    Http1(Box<http1::Connection>),
    H2c(Box<h2c::Stream>),
}

/// A request on its way, until the head of its response: see [`Link::send`].
pub(crate) enum Sending<'a> {
    Http1(http1::Sending<'a>),
    /// Boxed, so that the exchanges of most instances have no place for it.
    H2c(Pin<Box<dyn Future<Output = Result<response::Parts, Loss>> + 'a>>),
}

impl Future for Sending<'_> {
    type Output = Result<response::Parts, Loss>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Sending::Http1(sending) => Pin::new(sending).poll(cx),
            Sending::H2c(sending) => sending.as_mut().poll(cx),
        }
    }
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The instance has nothing of the request.
    Unsent,
    /// The instance says that it has done nothing of the request.
    Refused,
    /// The connection ended without a single byte of an answer.
    Unanswered,
    /// The connection ended inside the response head.
    Broken,
    /// What came is not an HTTP/1 response.
    Nonsense,
    /// What came says of its length what no client should have to make sense of.
    Misframed(Misframed),
    /// The time to the first response byte passed.
    FirstByteTimeout,
    /// The instance stopped taking the request body.
    StoppedReading,
}

/// A request without a response.
pub(crate) struct Loss {
    pub(crate) lost: Lost,
    /// The request as it was, where nothing of a body is missing. Its head is kept until the response begins,
    /// which costs nothing: nearly no request is sent twice.
    pub(crate) request: Option<Request>,
}

impl From<Lost> for Loss {
    fn from(lost: Lost) -> Self {
        Loss { lost, request: None }
    }
}

/// The body of a response cannot be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyCut;

/// The wait for a response: ready when the instance took too long.
///
/// `limit` runs from `last_write`, the last byte of the request that was sent.
pub(super) fn poll_deadline(cx: &mut Context<'_>, client: &Client, last_write: Instant, limit: Duration) -> Poll<Lost> {
    let stage = client.upload.stage();
    let deadline = match stage {
        // Nobody wakes this task when that ends, so it looks again in time.
        UploadStage::WaitsForClient => clock::now() + limit,
        UploadStage::Flows | UploadStage::Ended => last_write + limit,
    };
    ready!(client.upstream_alarm.borrow_mut().poll(cx, deadline));
    Poll::Ready(match stage {
        UploadStage::Ended => Lost::FirstByteTimeout,
        UploadStage::Flows | UploadStage::WaitsForClient => Lost::StoppedReading,
    })
}

impl Link {
    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// See [`connect`].
    pub(crate) async fn open(pool: &Pool, limit: Duration, space: &Rc<ReadSpace>) -> Result<Self, ConnectError> {
        let socket = connect(pool.endpoint(), limit).await?;
        match pool.protocol() {
            Protocol::Http1 => Ok(Link::Http1(Box::new(http1::Connection::new(socket, pool.opened(), space)))),
            Protocol::H2c => {
                let connection = h2c::Connection::open(socket, pool.opened()).await?;
                pool.share(&connection);
                Ok(Link::H2c(Box::new(h2c::Stream::new(connection))))
            }
        }
    }

    /// Whether its connection has carried a request before: then it may be dead without this side
    /// knowing.
    pub(crate) fn is_reused(&self) -> bool {
        match self {
            Link::Http1(connection) => connection.is_reused(),
            Link::H2c(stream) => stream.is_reused(),
        }
    }

    /// The time since the last request was sent.
    pub(crate) fn waited(&self) -> Duration {
        match self {
            Link::Http1(connection) => connection.waited(),
            Link::H2c(stream) => stream.waited(),
        }
    }

    /// Sends a request and waits for the head of its response.
    ///
    /// `limit` is counted from the last byte of the request that the kernel took. While the client
    /// is still sending its body the wire watches the client, not this the instance.
    ///
    /// # Errors
    ///
    /// See [`Loss`].
    pub(crate) fn send<'a>(&'a mut self, request: Request, client: &'a Client, limit: Duration) -> Sending<'a> {
        match self {
            Link::Http1(connection) => Sending::Http1(connection.send(request, client, limit)),
            Link::H2c(stream) => Sending::H2c(Box::pin(stream.send(request, client, limit))),
        }
    }

    /// The next piece of the response's body, or its trailers.
    ///
    /// # Errors
    ///
    /// It ended too early, it is malformed, or the rest of the request cannot be sent.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        spliced: &Spliced,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyCut>>> {
        match self {
            Link::Http1(connection) => connection.poll_frame(cx, spliced),
            Link::H2c(stream) => stream.poll_frame(cx),
        }
    }

    /// How much of a body may be on its way to the client, in bytes.
    pub(crate) fn piece(&self) -> usize {
        match self {
            Link::Http1(connection) => connection.piece(),
            Link::H2c(_) => h2c::PIECE_BYTES,
        }
    }

    /// Fits the size of the next piece to a client that did not take the last one at once, or did; never more
    /// than `most` bytes.
    pub(crate) fn pace(&mut self, is_slow: bool, bytes: usize, most: usize) {
        match self {
            Link::Http1(connection) => connection.pace(is_slow, bytes, most),
            // The windows of HTTP/2 do.
            Link::H2c(_) => {}
        }
    }

    /// Whether all of the response has been read.
    pub(crate) fn is_end_stream(&self) -> bool {
        match self {
            Link::Http1(connection) => connection.is_end_stream(),
            Link::H2c(stream) => stream.is_end_stream(),
        }
    }

    /// What is known of the length that is still to come.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Link::Http1(connection) => connection.size_hint(),
            Link::H2c(stream) => stream.size_hint(),
        }
    }

    /// The socket, for a tunnel, with what has been read of it already and what counts it as open.
    pub(crate) fn into_socket(self) -> Option<(Socket, Bytes, Option<Opened>)> {
        match self {
            Link::Http1(connection) => connection.into_socket(),
            Link::H2c(_) => None,
        }
    }
}
