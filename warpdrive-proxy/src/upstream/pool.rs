//! Idle connections of one worker to one instance.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::connect::Endpoint;
use super::link::Link;
use super::opened::Opened;
use super::registry::InstanceState;
use super::told::Told;
use crate::counters::InstanceCounters;
use crate::limits::{IDLE_PER_INSTANCE, IDLE_UPSTREAM};

/// An idle connection and when it becomes too old to be used.
struct Idle {
    link: Link,
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
    /// Whether connections are kept at all.
    keepalive: Cell<bool>,
    /// The index of the worker whose pool it is.
    worker: usize,
}

impl Pool {
    pub(crate) fn new(instance: Arc<InstanceState>, worker: usize) -> Self {
        Pool {
            endpoint: Endpoint::new(&instance.address),
            label: instance.address.to_string().into(),
            instance,
            idle: RefCell::default(),
            keepalive: Cell::new(true),
            worker,
        }
    }

    /// Keeps connections from now on, or none. A reload may change it.
    pub(crate) fn set_keepalive(&self, keepalive: bool) {
        self.keepalive.set(keepalive);
        if !keepalive {
            self.idle.borrow_mut().clear();
            self.count_idle(0);
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
        let mut idle = self.idle.borrow_mut();
        let now = Instant::now();
        let mut found = None;
        while let Some(Idle { link, expires }) = idle.pop() {
            if expires > now && link.is_ready() {
                found = Some(link);
                break;
            }
        }
        self.count_idle(idle.len());
        found
    }

    /// Takes a connection back whose response was received to its end. `lifetime` is what the
    /// upstream's `Keep-Alive` promised, if it promised anything.
    pub(crate) fn check_in(&self, mut link: Link, lifetime: Option<Duration>) {
        link.finish();
        let mut idle = self.idle.borrow_mut();
        if !self.keepalive.get() || !link.is_ready() || idle.len() >= IDLE_PER_INSTANCE {
            return;
        }
        link.rest();
        // A quarter less than promised, so that a request is never on its way when it ends.
        let lifetime = lifetime.map_or(IDLE_UPSTREAM, |time| (time * 3 / 4).min(IDLE_UPSTREAM));
        idle.push(Idle { link, expires: Instant::now() + lifetime });
        self.count_idle(idle.len());
    }

    /// Closes what is too old or was closed by the upstream.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        let mut idle = self.idle.borrow_mut();
        idle.retain(|idle| idle.expires > now && idle.link.is_ready());
        self.count_idle(idle.len());
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.count_idle(0);
    }
}
