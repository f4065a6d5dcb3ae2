//! One connection to an instance, shared by the requests of a worker.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::super::connect::ConnectError;
use super::super::opened::Opened;
use super::super::socket::Socket;
use crate::limits::{H2C_HEAD_BYTES, H2C_SEND_BYTES, H2C_STREAMS, H2C_WINDOW_BYTES};

/// A connection with its streams. Dropped with the last of them, it is closed at once.
pub(crate) struct Connection {
    sender: RefCell<SendRequest<Bytes>>,
    streams: Cell<usize>,
    /// It has carried a request to its end.
    served: Cell<bool>,
    /// Since when it has no stream.
    idle_since: Cell<Instant>,
    /// Drives it.
    task: AbortHandle,
    _opened: Opened,
}

/// How this side speaks: no pushes, and every buffer bounded.
pub(super) fn builder() -> client::Builder {
    let mut builder = client::Builder::new();
    let (stream, connection) = H2C_WINDOW_BYTES;
    builder
        .enable_push(false)
        .initial_window_size(stream)
        .initial_connection_window_size(connection)
        .max_header_list_size(H2C_HEAD_BYTES)
        .max_send_buffer_size(H2C_SEND_BYTES);
    builder
}

impl Connection {
    /// Begins to speak on a socket.
    ///
    /// # Errors
    ///
    /// When the socket takes not even the first bytes.
    pub(in super::super) async fn open(socket: Socket, opened: Opened) -> Result<Rc<Self>, ConnectError> {
        let handshake = builder().handshake(socket).await;
        let (sender, connection) = handshake.map_err(|error| ConnectError::Refused(io::Error::other(error)))?;
        let task = tokio::task::spawn_local(async move {
            // How it ends is known to its streams.
            let _ = connection.await;
        });
        Ok(Rc::new(Connection {
            sender: RefCell::new(sender),
            streams: Cell::new(0),
            served: Cell::new(false),
            idle_since: Cell::new(Instant::now()),
            task: task.abort_handle(),
            _opened: opened,
        }))
    }

    /// Whether one more request may be sent on it now: neither side has ended it, and it has fewer than the
    /// instance and [`H2C_STREAMS`] allow.
    pub(in super::super) fn has_room(&self) -> bool {
        let mut sender = self.sender.borrow_mut();
        let mut cx = Context::from_waker(Waker::noop());
        !self.task.is_finished()
            && self.streams.get() < sender.current_max_send_streams().min(H2C_STREAMS)
            && matches!(sender.poll_ready(&mut cx), Poll::Ready(Ok(())))
    }

    /// Since when nobody uses it; nothing while somebody does.
    pub(in super::super) fn idle_since(&self) -> Option<Instant> {
        (self.streams.get() == 0).then(|| self.idle_since.get())
    }

    pub(super) fn has_served(&self) -> bool {
        self.served.get()
    }

    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.sender.borrow().clone()
    }

    pub(super) fn join(&self) {
        self.streams.set(self.streams.get() + 1);
    }

    pub(super) fn leave(&self, served: bool) {
        self.streams.set(self.streams.get().saturating_sub(1));
        self.served.set(self.served.get() | served);
        self.idle_since.set(Instant::now());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // It would say goodbye, and wait for an instance that reads nothing.
        self.task.abort();
    }
}
