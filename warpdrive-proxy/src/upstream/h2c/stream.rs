//! One exchange on a connection that others share.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use http::header::{CONTENT_TYPE, HeaderValue, TRAILER};
use http::{Response, StatusCode, request, response};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::super::forwarded::{Forwarded, Request};
use super::super::http1::Framing;
use super::super::link::{BodyCut, Loss, Lost, poll_deadline};
use super::super::rest::{Rest, Stopped};
use super::super::socket::Socket;
use super::connection::builder;
use super::{Connection, Outflow, encode};
use crate::client::Client;
use crate::clock;
use crate::limits::INTERIM_RESPONSES;

/// One request and its response. Dropped before its end, it is cancelled, and the connection goes on.
pub(crate) struct Stream {
    connection: Rc<Connection>,
    reused: bool,
    body: Body,
    rest: Option<Rest>,
    sent_at: Option<Instant>,
}

/// What is to come of a response.
enum Body {
    Data(RecvStream),
    Trailers(RecvStream),
    Ended,
}

impl Stream {
    /// A place on a connection that has room.
    pub(in super::super) fn new(connection: Rc<Connection>) -> Self {
        connection.join();
        let reused = connection.has_served();
        Stream { connection, reused, body: Body::Ended, rest: None, sent_at: None }
    }

    pub(in super::super) fn is_reused(&self) -> bool {
        self.reused
    }

    pub(in super::super) fn waited(&self) -> Duration {
        self.sent_at.map_or(Duration::ZERO, |sent| clock::now() - sent)
    }

    /// See [`super::super::Link::send`].
    pub(in super::super) async fn send(
        &mut self,
        request: Request,
        client: &Client,
        limit: Duration,
    ) -> Result<response::Parts, Loss> {
        // Only where the instance has changed its protocol between two tries.
        let Request::Fields(request) = request else { return Err(Lost::Broken.into()) };
        let Forwarded { head, body } = *request;
        self.sent_at = Some(clock::now());
        // Core has checked `Host`; one that is no authority can reach no instance of this kind.
        let Some(encoded) = encode(&head) else { return Err(Lost::Broken.into()) };
        let Ok((mut response, stream)) = self.connection.sender().send_request(encoded, body.is_empty()) else {
            return Err(Loss {
                lost: Lost::Unsent,
                request: Some(Request::Fields(Box::new(Forwarded { head, body }))),
            });
        };
        let mut outflow = Outflow::new(stream, body);
        let mut interim = Interim::default();
        let (mut sends, mut refused) = (true, false);
        let outcome = poll_fn(|cx| {
            if sends && let Poll::Ready(sent) = outflow.poll(cx) {
                sends = false;
                match sent {
                    Ok(()) => {}
                    Err(Stopped::Client) => return Poll::Ready(Err(Lost::Broken.into())),
                    // Its answer, or the reason, comes next.
                    Err(Stopped::Instance) => refused = true,
                }
            }
            if interim.poll(cx, &mut response, client).is_ready() {
                return Poll::Ready(Err(Lost::Nonsense.into()));
            }
            if let Poll::Ready(outcome) = Pin::new(&mut response).poll(cx) {
                return Poll::Ready(outcome.map_err(Failed::Stream));
            }
            let last_write = outflow.last_write();
            poll_deadline(cx, client, last_write, limit).map(|lost| Err(lost.into()))
        })
        .await;
        let response = match outcome {
            Ok(response) => match Framing::of(response.headers()).fault() {
                Some(fault) => return Err(Lost::Misframed(fault).into()),
                None => response,
            },
            Err(failed) => {
                let lost = match failed {
                    Failed::Known(lost) => lost,
                    Failed::Stream(error) => lost(&error),
                };
                let body = outflow.take_back();
                let request = body.map(|body| Request::Fields(Box::new(Forwarded { head, body })));
                return Err(Loss { lost, request });
            }
        };
        if !outflow.is_done() && !refused && !client.wire.interim.holds_body() {
            self.rest = Some(Rest::send(async move { poll_fn(|cx| outflow.poll(cx)).await }));
        }
        let (mut head, body) = response.into_parts();
        announce_trailers(&mut head);
        self.body = if body.is_end_stream() { Body::Ended } else { Body::Data(body) };
        Ok(head)
    }

    /// See [`super::super::Link::poll_frame`].
    pub(in super::super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyCut>>> {
        loop {
            if self.rest.as_ref().is_some_and(|rest| rest.has_failed(cx)) {
                return Poll::Ready(Some(Err(BodyCut)));
            }
            match &mut self.body {
                Body::Ended => return Poll::Ready(None),
                Body::Data(stream) => match ready!(stream.poll_data(cx)) {
                    Some(Ok(data)) => {
                        // The client takes it: the instance may send as much again.
                        let _ = stream.flow_control().release_capacity(data.len());
                        if stream.is_end_stream() {
                            self.body = Body::Ended;
                        }
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    Some(Err(_)) => return Poll::Ready(Some(Err(BodyCut))),
                    None => {
                        let Body::Data(stream) = std::mem::replace(&mut self.body, Body::Ended) else { continue };
                        self.body = Body::Trailers(stream);
                    }
                },
                Body::Trailers(stream) => match ready!(stream.poll_trailers(cx)) {
                    Ok(trailers) => {
                        self.body = Body::Ended;
                        return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
                    }
                    Err(_) => return Poll::Ready(Some(Err(BodyCut))),
                },
            }
        }
    }

    pub(in super::super) fn is_end_stream(&self) -> bool {
        matches!(self.body, Body::Ended)
    }

    pub(in super::super) fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.leave(self.sent_at.is_some() && self.is_end_stream());
    }
}

/// Why there is no response.
enum Failed {
    Known(Lost),
    Stream(h2::Error),
}

impl From<Lost> for Failed {
    fn from(lost: Lost) -> Self {
        Failed::Known(lost)
    }
}

/// Interim responses of one exchange.
#[derive(Default)]
struct Interim {
    count: usize,
    /// None can come any more.
    ended: bool,
}

impl Interim {
    /// Hands on what has come; ready when there is too much of it.
    fn poll(&mut self, cx: &mut Context<'_>, response: &mut ResponseFuture, client: &Client) -> Poll<()> {
        while !self.ended {
            let Poll::Ready(next) = response.poll_informational(cx) else { return Poll::Pending };
            let Some(Ok(interim)) = next else {
                self.ended = true;
                break;
            };
            self.count += 1;
            client.wire.interim.receive(interim.status(), interim.headers());
            if self.count > INTERIM_RESPONSES || client.wire.interim.is_flooded() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

/// What the end of a stream without a response says.
///
/// A refused stream (RFC 9113 section 8.7), and one beyond the last that a goodbye without an error names
/// (section 6.8), were not processed. Everything else may have been.
fn lost(error: &h2::Error) -> Lost {
    let unprocessed = error.is_remote()
        && ((error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM))
            || (error.is_go_away() && error.reason() == Some(Reason::NO_ERROR)));
    if unprocessed {
        Lost::Refused
    } else if error.is_library() {
        Lost::Nonsense
    } else if error.is_reset() {
        Lost::Broken
    } else {
        Lost::Unanswered
    }
}

/// gRPC ends with trailers that no field announces in HTTP/2; in HTTP/1.1 one has to (RFC 9110 section
/// 6.6.2).
fn announce_trailers(head: &mut response::Parts) {
    const GRPC: HeaderValue = HeaderValue::from_static("grpc-status, grpc-message, grpc-status-details-bin");
    let is_grpc = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if is_grpc && !head.headers.contains_key(TRAILER) {
        head.headers.insert(TRAILER, GRPC);
    }
}

/// Asks one thing on a connection of its own, for a health check.
///
/// # Errors
///
/// What is wrong with the answer, in words.
pub(in super::super) async fn ask(socket: Socket, head: &request::Parts) -> Result<StatusCode, String> {
    let no_answer = |error: h2::Error| format!("no answer: {error}");
    let (mut sender, connection) = builder().handshake::<_, Bytes>(socket).await.map_err(no_answer)?;
    let encoded: http::Request<()> = encode(head).ok_or("no answer: the host is no authority")?;
    let (response, _) = sender.send_request(encoded, true).map_err(no_answer)?;
    let (mut connection, mut response) = (pin!(connection), pin!(response));
    let mut ended = false;
    let answered: Result<Response<RecvStream>, h2::Error> = poll_fn(|cx| {
        ended = ended || connection.as_mut().poll(cx).is_ready();
        response.as_mut().poll(cx)
    })
    .await;
    answered.map(|response| response.status()).map_err(no_answer)
}
