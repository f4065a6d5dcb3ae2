//! A lease: one request that an instance is working on.

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
    pub(crate) fn new(pool: &Rc<Pool>) -> Self {
        pool.instance().begin();
        Lease { pool: Rc::clone(pool) }
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
