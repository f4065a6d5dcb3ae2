//! How many client connections are open, and how many may be.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use crate::worker::{Shared, Worker};

/// Client connections of all workers together. A connection is reserved before it is accepted, so
/// the limit holds exactly, however many workers accept at once. Costs nothing per request.
#[derive(Debug)]
pub(crate) struct Capacity {
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Capacity {
    pub(crate) const fn new(most: usize) -> Self {
        Capacity { open: AtomicUsize::new(0), most: AtomicUsize::new(most) }
    }

    /// Changes the limit. Connections that are more than the new one stay.
    pub(crate) fn set_most(&self, most: usize) {
        self.most.store(most, Relaxed);
    }

    /// The limit.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Relaxed)
    }

    /// Open connections, and those that are being accepted.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Counts one more connection if that is allowed; false at the limit.
    pub(crate) fn try_reserve(&self) -> bool {
        let most = self.most.load(Relaxed);
        self.open.fetch_update(Relaxed, Relaxed, |open| (open < most).then_some(open + 1)).is_ok()
    }

    /// Gives back what [`Capacity::try_reserve`] took.
    pub(crate) fn release(&self) {
        self.open.fetch_sub(1, Relaxed);
    }
}

/// The right to one connection, also on its way from one worker to another.
#[derive(Debug)]
pub(crate) struct Reservation {
    shared: Arc<Shared>,
}

impl Reservation {
    /// Takes over what [`Capacity::try_reserve`] took.
    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        Reservation { shared: Arc::clone(shared) }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shared.capacity.release();
    }
}

/// Counts as an open client connection of its worker until it is dropped.
pub(crate) struct ConnectionCount {
    worker: Rc<Worker>,
    _reservation: Reservation,
}

impl ConnectionCount {
    pub(crate) fn new(worker: &Rc<Worker>, reservation: Reservation) -> Self {
        if let Some(count) = worker.shared.counts.get(worker.index) {
            count.fetch_add(1, Relaxed);
        }
        ConnectionCount { worker: Rc::clone(worker), _reservation: reservation }
    }
}

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        let worker = &self.worker;
        if let Some(count) = worker.shared.counts.get(worker.index) {
            count.fetch_sub(1, Relaxed);
        }
        // Whoever is woken runs after this, when the reservation is given back too.
        worker.connection_ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_together_never_reserve_more_than_there_is() {
        let capacity = Capacity::new(100);
        let reserve = || (0..1_000).filter(|_| capacity.try_reserve()).count();
        let reserved: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(reserve)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((reserved, capacity.open()), (100, 100));
        capacity.release();
        assert!(capacity.try_reserve() && !capacity.try_reserve());
        // A lower limit of a reload.
        capacity.set_most(99);
        capacity.release();
        assert!(!capacity.try_reserve());
    }
}
