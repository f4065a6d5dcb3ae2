//! A lease: one request that an instance is working on.

use std::num::NonZeroUsize;
use std::rc::Rc;

use super::pool::Pool;

/// Counts as one request in flight at its instance until it is dropped.
///
/// It ends with the response body, not with the head: with HTTP/1 the instance is busy until then.
/// A tunnel holds its lease as long as it lives.
pub(crate) struct Lease {
    pool: Rc<Pool>,
}

impl Lease {
    /// A lease, unless the instance has as many as `limit` already, on whatever worker.
    pub(crate) fn take(pool: &Rc<Pool>, limit: Option<NonZeroUsize>) -> Option<Self> {
        pool.instance().begin(limit).then(|| Lease { pool: Rc::clone(pool) })
    }

    pub(crate) fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.instance().end();
    }
}
