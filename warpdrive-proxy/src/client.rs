//! One client connection: who it is, and the exchange that is under way on it.

use std::cell::{Cell, Ref, RefCell};
use std::error::Error;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::UpgradeableConnection;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;
use warpdrive_core::forwarding::{ClientConnection, Scheme, is_private};

use crate::access_log::Record;
use crate::alarm::Alarm;
use crate::body::UploadMeter;
use crate::capacity::ConnectionCount;
use crate::clock;
use crate::exchange;
use crate::limits::FIRST_REQUEST_GRACE;
use crate::view::View;
use crate::wire::{Fault, Wire, WireState};
use crate::worker::Worker;

/// A client connection. HTTP/1 has one exchange at a time on it, so what is known of that exchange
/// lives here and is used again for the next one.
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    pub(crate) wire: Arc<WireState>,
    pub(crate) upload: UploadMeter,
    peer: SocketAddr,
    /// What core knows of the connection, and the generation of the settings it was made with.
    identity: RefCell<(u64, ClientConnection)>,
    /// The peer could be a balancer that nobody told this proxy to trust.
    private_stranger: Cell<bool>,
    /// The log line of the exchange under way, or of one whose response is being flushed. Boxed: most connections
    /// have none, those that wait for a request and all where nothing is logged.
    record: RefCell<Option<Box<Record>>>,
    /// Bytes received and sent on the wire that log lines have accounted for.
    counted: Cell<(u64, u64)>,
    /// For what the instance of the exchange should do. Here and not with the connection to the instance, whose
    /// next request is another task's: a timer that knows its task is not touched.
    pub(crate) upstream_alarm: RefCell<Alarm>,
    /// Counts as an open connection, also as long as a tunnel lives.
    count: Rc<ConnectionCount>,
}

impl Client {
    fn new(worker: Rc<Worker>, peer: SocketAddr, count: ConnectionCount, view: &View) -> Self {
        let address = peer.ip().to_canonical();
        let server = view.snapshot.server();
        Client {
            wire: Arc::default(),
            upload: UploadMeter::default(),
            peer,
            identity: RefCell::new((view.generation, ClientConnection::new(address, Scheme::Http, server))),
            private_stranger: Cell::new(is_private_stranger(address, view)),
            record: RefCell::new(None),
            counted: Cell::new((0, 0)),
            upstream_alarm: RefCell::new(Alarm::new()),
            count: Rc::new(count),
            worker,
        }
    }

    /// What core knows of this connection under the settings of `view`.
    pub(crate) fn identity(&self, view: &View) -> Ref<'_, ClientConnection> {
        if self.identity.borrow().0 != view.generation {
            let address = self.peer.ip().to_canonical();
            let server = view.snapshot.server();
            self.identity.replace((view.generation, ClientConnection::new(address, Scheme::Http, server)));
            self.private_stranger.set(is_private_stranger(address, view));
        }
        Ref::map(self.identity.borrow(), |(_, identity)| identity)
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    pub(crate) fn is_private_stranger(&self) -> bool {
        self.private_stranger.get()
    }

    /// Keeps this connection counted while something outlives it.
    pub(crate) fn count(&self) -> Rc<ConnectionCount> {
        Rc::clone(&self.count)
    }

    /// Begins the record of an exchange that will have a log line; one that is still being flushed
    /// is written first.
    pub(crate) fn begin_record(&self, record: Option<Box<Record>>) {
        self.write_record();
        *self.record.borrow_mut() = record;
    }

    pub(crate) fn with_record(&self, change: impl FnOnce(&mut Record)) {
        if let Some(record) = &mut *self.record.borrow_mut() {
            change(record);
        }
    }

    /// Takes the record away, for a tunnel that will write it at its own end.
    pub(crate) fn take_record(&self) -> Option<Box<Record>> {
        self.record.borrow_mut().take()
    }

    /// Writes the log line of the exchange, if there is one.
    pub(crate) fn write_record(&self) {
        let record = self.record.borrow_mut().take();
        if let Some(mut record) = record {
            record.received = self.upload.bytes();
            self.log(record);
        }
    }

    /// Writes the log line of a record that was taken away.
    pub(crate) fn log(&self, mut record: Box<Record>) {
        let (received, sent) = (self.wire.received(), self.wire.sent());
        let (received_before, sent_before) = self.counted.replace((received, sent));
        record.wire_in = received - received_before;
        record.wire_out = sent - sent_before;
        self.worker.log.write(&record);
    }

    fn has_record(&self) -> bool {
        self.record.borrow().is_some()
    }

    /// Writes what the end of the connection leaves behind.
    fn close(&self) {
        if let Some(status) = self.wire.bare_status() {
            self.worker.note_bare_answer(self.address(), status);
        }
        // A response that hyper had whole but the client never took.
        self.with_record(|record| {
            record.reason.get_or_insert(self.why_gone());
        });
        self.write_record();
    }

    /// Why there is nobody to take the rest of a response.
    pub(crate) fn why_gone(&self) -> &'static str {
        match self.wire.fault() {
            _ if self.worker.is_cut() => "drain_timeout",
            Some(Fault::WriteTimeout) => "client_write_timeout",
            Some(Fault::BodyTimeout) => "client_body_timeout",
            None => "client_closed",
        }
    }
}

fn is_private_stranger(address: IpAddr, view: &View) -> bool {
    // A balancer of one's own would be on such an address.
    is_private(address) && !view.snapshot.server().trusted_proxies.contains(address)
}

/// Serves one client connection to its end.
pub(crate) async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, count: ConnectionCount) {
    // Answers must not wait for an acknowledgement; a socket that cannot is closed already.
    let _ = stream.set_nodelay(true);
    let view = worker.views.current();
    let client = Rc::new(Client::new(worker, peer, count, &view));
    let wire = Wire::new(stream, Arc::clone(&client.wire), view.times, &client.worker.reads);
    let service = {
        let client = Rc::clone(&client);
        service_fn(move |request| exchange::begin(&client, request))
    };
    let connection = view.http.serve_connection(TokioIo::new(wire), service).with_upgrades();
    drop(view);
    run(&client, connection).await;
    // The connection is gone by now, and with it the exchange that it may have left unfinished.
    client.close();
}

async fn run<S, B>(client: &Client, connection: UpgradeableConnection<TokioIo<Wire>, S>)
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut connection = pin!(connection);
    let place = client.worker.roster.join();
    let mut told = false;
    let opened = Instant::now();
    let mut grace = Alarm::new();
    let mut poll = move |cx: &mut Context<'_>| {
        place.keep(cx);
        if client.worker.is_closing()
            && !told
            // It may have come out of the queue of a listener that is being closed, with its
            // request on the way.
            && (client.wire.exchanges() > 0
                || grace.poll(cx, opened + FIRST_REQUEST_GRACE).is_ready())
        {
            told = true;
            // An idle connection ends at once, a busy one after its response.
            connection.as_mut().graceful_shutdown();
        }
        // How a connection ends is no news: what mattered is in the records.
        let ended = connection.as_mut().poll(cx).map(drop);
        if !client.wire.is_exchange_open() && client.has_record() {
            client.write_record();
        }
        ended
    };
    poll_fn(|cx| clock::hold(|| poll(cx))).await;
}
