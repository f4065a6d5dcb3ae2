//! The promise that every request gets its log line, however it ends.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::Client;
use crate::clock;

/// The status of a request whose client did not wait for the response.
const CLIENT_CLOSED: u16 = 499;

/// The status of a request that a stop did not wait for.
const CUT_BY_STOP: u16 = 503;

/// Goes with an exchange from its head to the end of its response body.
///
/// Dropped after [`Underway::complete`] it leaves the log line to the connection, which writes it
/// when the last byte has left; dropped before, the exchange was cut and the line is written now.
pub(crate) struct Underway {
    client: Rc<Client>,
    complete: bool,
    began: Instant,
}

impl Underway {
    pub(crate) fn new(client: &Rc<Client>, began: Instant) -> Self {
        client.worker.count(|traffic| traffic.requests.add(1));
        Underway { client: Rc::clone(client), complete: false, began }
    }

    pub(crate) fn client(&self) -> &Rc<Client> {
        &self.client
    }

    /// The time since the head of the request.
    pub(crate) fn took(&self) -> Duration {
        clock::now() - self.began
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.client.with_record(|record| record.sent += bytes as u64);
    }

    /// hyper has all of the response, or will have it with the next piece.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }

    /// Why the exchange is being cut, if that is known.
    pub(crate) fn fail(&mut self, reason: &'static str) {
        self.client.with_record(|record| {
            record.reason.get_or_insert(reason);
        });
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        if self.complete {
            self.client.wire.end_response();
            return;
        }
        self.client.with_record(|record| {
            if record.status == 0 {
                record.status = if self.client.worker.is_cut() { CUT_BY_STOP } else { CLIENT_CLOSED };
            }
            record.reason.get_or_insert(self.client.why_gone());
        });
        self.client.write_record();
    }
}
