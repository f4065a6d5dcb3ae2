//! A lease: one request that an instance is working on.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use super::pool::Pool;
use crate::counters::Failed;

/// Counts as one request in flight at its instance until it is dropped.
///
/// It ends with the response body, not with the head: with HTTP/1 the instance is busy until then.
/// A tunnel holds its lease as long as it lives.
pub(crate) struct Lease {
    pool: Rc<Pool>,
    /// How the request ended is counted.
    settled: Cell<bool>,
}

impl Lease {
    /// A lease, unless the instance has as many as `limit` already, on whatever worker.
    pub(crate) fn take(pool: &Rc<Pool>, limit: Option<NonZeroUsize>) -> Option<Self> {
        pool.instance().begin(limit).then(|| {
            pool.count(|counters| counters.requests.add(1));
            Lease { pool: Rc::clone(pool), settled: Cell::new(false) }
        })
    }

    /// The instance has answered, that long after it had the request.
    pub(crate) fn responded(&self, status: u16, waited: Duration) {
        if !self.settled.replace(true) {
            self.pool.count(|counters| counters.count_response(status, waited));
        }
    }

    /// The instance has failed the request, also inside the body of a response.
    pub(crate) fn failed(&self, failed: Failed) {
        self.settled.set(true);
        self.pool.count(|counters| counters.count_failure(failed));
    }

    /// The connection was closed before it took the request.
    pub(crate) fn was_stale(&self) {
        if !self.settled.replace(true) {
            self.pool.count(|counters| counters.stale.add(1));
        }
    }

    pub(crate) fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.settled.get() {
            self.pool.count(|counters| counters.cancelled.add(1));
        }
        self.pool.instance().end();
    }
}
