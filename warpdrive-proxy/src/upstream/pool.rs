//! Idle connections of one worker to one instance.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;
use warpdrive_core::model::Protocol;

use super::connect::Endpoint;
use super::h2c;
use super::http1::Connection;
use super::link::Link;
use super::opened::Opened;
use super::registry::InstanceState;
use super::told::Told;
use crate::clock;
use crate::counters::InstanceCounters;
use crate::limits::{IDLE_PER_INSTANCE, IDLE_UPSTREAM};

/// An idle connection and when it becomes too old to be used.
struct Idle {
    connection: Box<Connection>,
    expires: Instant,
}

/// The connections that wait for a request, the one used last on top.
///
/// Last in, first out: the fewest connections stay in use and the others can expire.
pub(crate) struct Pool {
    instance: Arc<InstanceState>,
    endpoint: Endpoint,
    /// The address as logs name it.
    label: Rc<str>,
    idle: RefCell<Vec<Idle>>,
    /// Connections of HTTP/2, in use or not.
    shared: RefCell<Vec<Rc<h2c::Connection>>>,
    protocol: Cell<Protocol>,
    /// Whether connections are kept at all.
    keepalive: Cell<bool>,
    /// The index of the worker whose pool it is.
    worker: usize,
}

impl Pool {
    pub(crate) fn new(instance: Arc<InstanceState>, worker: usize) -> Self {
        Pool {
            endpoint: Endpoint::of(&instance),
            label: instance.address.to_string().into(),
            instance,
            idle: RefCell::default(),
            shared: RefCell::default(),
            protocol: Cell::default(),
            keepalive: Cell::new(true),
            worker,
        }
    }

    /// How the instance is spoken to from now on, and whether connections are kept. A reload may change
    /// both.
    pub(crate) fn configure(&self, protocol: Protocol, keepalive: bool) {
        self.keepalive.set(keepalive);
        if !keepalive || self.protocol.replace(protocol) != protocol {
            self.idle.borrow_mut().clear();
            // Their streams hold on to those that are in use.
            self.shared.borrow_mut().clear();
            self.count_idle(0);
        }
        self.protocol.set(protocol);
    }

    /// What the instance speaks.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol.get()
    }

    /// Lets others use a connection of HTTP/2, too.
    pub(super) fn share(&self, connection: &Rc<h2c::Connection>) {
        let mut shared = self.shared.borrow_mut();
        if self.keepalive.get() && shared.len() < IDLE_PER_INSTANCE {
            shared.push(Rc::clone(connection));
        }
    }

    /// Counts something of this instance.
    pub(crate) fn count(&self, count: impl FnOnce(&InstanceCounters)) {
        if let Some(counters) = self.instance.counters(self.worker) {
            count(counters);
        }
    }

    /// Counts a connection that was opened, until it is dropped.
    pub(crate) fn opened(&self) -> Opened {
        Opened::new(&self.instance, self.worker)
    }

    fn count_idle(&self, idle: usize) {
        self.count(|counters| counters.idle.set(idle as u64));
    }

    pub(crate) fn instance(&self) -> &Arc<InstanceState> {
        &self.instance
    }

    /// Logs what a request changed of the instance's health, if anything.
    pub(crate) fn report(&self, told: Option<Told>) {
        if let Some(told) = told {
            told.log(&self.instance.upstream, &self.label);
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn label(&self) -> &Rc<str> {
        &self.label
    }

    /// A connection that is open and idle as far as this side knows.
    pub(crate) fn check_out(&self) -> Option<Link> {
        match self.protocol.get() {
            Protocol::Http1 => self.check_out_idle().map(Link::Http1),
            Protocol::H2c => {
                let shared = self.shared.borrow();
                let connection = shared.iter().find(|connection| connection.has_room())?;
                Some(Link::H2c(Box::new(h2c::Stream::new(Rc::clone(connection)))))
            }
        }
    }

    fn check_out_idle(&self) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        let now = clock::now();
        let mut found = None;
        while let Some(Idle { connection, expires }) = idle.pop() {
            if expires > now && connection.is_ready() {
                found = Some(connection);
                break;
            }
        }
        self.count_idle(idle.len());
        found
    }

    /// Takes a connection back whose response was received to its end.
    pub(crate) fn check_in(&self, link: Link) {
        // A connection of HTTP/2 was never taken away.
        let Link::Http1(mut connection) = link else { return };
        connection.finish();
        let mut idle = self.idle.borrow_mut();
        if !self.keepalive.get() || !connection.is_ready() || idle.len() >= IDLE_PER_INSTANCE {
            return;
        }
        connection.rest();
        // A quarter less than promised, so that a request is never on its way when it ends.
        let lifetime = connection.lifetime().map_or(IDLE_UPSTREAM, |time| (time * 3 / 4).min(IDLE_UPSTREAM));
        idle.push(Idle { connection, expires: clock::now() + lifetime });
        self.count_idle(idle.len());
    }

    /// Closes what is too old or was closed by the upstream.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        let mut idle = self.idle.borrow_mut();
        idle.retain(|idle| idle.expires > now && idle.connection.is_ready());
        let mut shared = self.shared.borrow_mut();
        shared.retain(|connection| connection.idle_since().is_none_or(|since| now < since + IDLE_UPSTREAM));
        let unused = shared.iter().filter(|connection| connection.idle_since().is_some()).count();
        self.count_idle(idle.len() + unused);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.count_idle(0);
    }
}
