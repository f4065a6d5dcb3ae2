//! From a request to the head of its response.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::response;

use super::super::super::forwarded::Request;
use super::super::super::link::{Loss, Lost, poll_deadline};
use super::super::super::rest::{Rest, Stopped};
use super::super::{Head, Malformed, Outflow, Start, Watch};
use super::Connection;
use crate::client::Client;
use crate::limits::{INTERIM_RESPONSES, PIECE_BYTES};

/// Sends a request and waits for the head of its response.
///
/// Written by hand: an asynchronous function would keep what it is given twice, and every exchange that waits
/// for its instance would have that in memory.
pub(crate) struct Sending<'a> {
    connection: &'a mut Connection,
    client: &'a Client,
    limit: Duration,
    /// Taken by whatever ends this.
    outflow: Option<Outflow>,
    answer: Answer,
    /// Not all of the request is with the kernel.
    sends: bool,
    /// The instance takes no more of it.
    refused: bool,
}

/// What has come of an answer.
#[derive(Debug, Default)]
struct Answer {
    to_head: bool,
    received: bool,
    interim: usize,
    watch: Watch,
}

impl<'a> Sending<'a> {
    pub(super) fn new(connection: &'a mut Connection, request: Request, client: &'a Client, limit: Duration) -> Self {
        let outflow = match request {
            Request::Fields(request) => Outflow::new(request, &client.worker.head_space),
            Request::Text(outflow) => outflow.again(),
        };
        let answer = Answer { to_head: outflow.kind().is_head, ..Answer::default() };
        Sending { connection, client, limit, outflow: Some(outflow), answer, sends: true, refused: false }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Lost>> {
        let Some(outflow) = &mut self.outflow else { return Poll::Pending };
        if self.sends {
            let Some(write) = &mut self.connection.write else { return Poll::Ready(Err(Lost::Unanswered)) };
            if let Poll::Ready(sent) = outflow.poll(cx, write) {
                self.sends = false;
                match sent {
                    Ok(()) => {}
                    // Whoever asked knows why.
                    Err(Stopped::Client) => return Poll::Ready(Err(Lost::Broken)),
                    // An instance that answers early and closes makes a write fail while its answer
                    // still waits to be read: that, or the end, comes next.
                    Err(Stopped::Instance) => self.refused = true,
                }
            }
        }
        let answer = poll_answer(self.connection, cx, self.client, &mut self.answer, outflow);
        if answer.is_ready() {
            return answer;
        }
        poll_deadline(cx, self.client, outflow.last_write(), self.limit).map(Err)
    }
}

impl Future for Sending<'_> {
    type Output = Result<response::Parts, Loss>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let sending = self.get_mut();
        let outcome = ready!(sending.poll_head(cx));
        let Some(outflow) = sending.outflow.take() else { return Poll::Pending };
        Poll::Ready(match outcome {
            Ok(head) => Ok(begin_body(sending.connection, head, sending.client, outflow, sending.refused)),
            Err(lost) => {
                let is_unsent = lost == Lost::Unanswered && !outflow.has_begun();
                let lost = if is_unsent { Lost::Unsent } else { lost };
                Err(Loss { lost, request: outflow.take_back().map(Request::Text) })
            }
        })
    }
}

/// Reads to the head of the final response; interim ones are passed on.
fn poll_answer(
    connection: &mut Connection,
    cx: &mut Context<'_>,
    client: &Client,
    answer: &mut Answer,
    outflow: &mut Outflow,
) -> Poll<Result<Head, Lost>> {
    loop {
        // What comes with the head is the first piece.
        let size = connection.read_size.min(PIECE_BYTES.1);
        let bytes = match ready!(connection.poll_fill(cx, size)) {
            Ok(0) | Err(_) if answer.received => return Poll::Ready(Err(Lost::Broken)),
            Ok(0) | Err(_) => return Poll::Ready(Err(Lost::Unanswered)),
            Ok(bytes) => bytes,
        };
        answer.received |= bytes > 0;
        loop {
            let map = || {
                outflow.answered(&client.worker.head_space);
                client.worker.head_space.map()
            };
            let mut reader = client.worker.head_space.reader.borrow_mut();
            match reader.parse(&mut connection.buffer, &mut answer.watch, answer.to_head, map) {
                Ok(Start::Final(Head { fault: Some(fault), .. })) => return Poll::Ready(Err(Lost::Misframed(fault))),
                Ok(Start::Final(head)) => return Poll::Ready(Ok(head)),
                Ok(Start::Interim(status, headers)) => {
                    answer.interim += 1;
                    client.wire.interim.receive(status, &headers);
                    if answer.interim > INTERIM_RESPONSES || client.wire.interim.is_flooded() {
                        return Poll::Ready(Err(Lost::Nonsense));
                    }
                    if connection.buffer.is_empty() {
                        break;
                    }
                }
                Ok(Start::More) => break,
                Err(Malformed) => return Poll::Ready(Err(Lost::Nonsense)),
            }
        }
    }
}

/// The response has begun; what is left of the request is sent beside it.
fn begin_body(
    connection: &mut Connection,
    head: Head,
    client: &Client,
    mut outflow: Outflow,
    refused: bool,
) -> response::Parts {
    connection.body = head.body;
    connection.lifetime = head.lifetime;
    if outflow.is_done() {
        connection.persists = head.persists;
    } else if !refused
        && !client.wire.interim.holds_body()
        && let Some(mut write) = connection.write.take()
    {
        connection.persists = head.persists;
        let returned = Rc::clone(&connection.returned);
        connection.rest = Some(Rest::send(async move {
            poll_fn(|cx| outflow.poll(cx, &mut write)).await?;
            returned.set(Some(write));
            Ok(())
        }));
    }
    // Where no more is sent the half that sends stays: an end would tell the instance that nobody waits.
    head.parts
}
