//! A connection to an instance, as far as counting goes.

use std::sync::Arc;

use super::registry::InstanceState;

/// Counts as one open connection until it is dropped, on the worker that opened it.
pub(crate) struct Opened {
    instance: Arc<InstanceState>,
    worker: usize,
}

impl Opened {
    pub(super) fn new(instance: &Arc<InstanceState>, worker: usize) -> Self {
        if let Some(counters) = instance.counters(worker) {
            counters.opened.add(1);
            counters.open.add(1);
        }
        Opened { instance: Arc::clone(instance), worker }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(counters) = self.instance.counters(self.worker) {
            counters.open.sub(1);
        }
    }
}
