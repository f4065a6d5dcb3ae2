//! What outlives a configuration: the counters of upstreams and instances.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock, Weak};

use warpdrive_core::balance::Slots;
use warpdrive_core::model::Address;

use super::health::Health;
use super::name::Name;
use super::queue::Queue;
use crate::counters::InstanceCounters;

/// The counters of one instance, shared by all workers and by every snapshot that names it.
#[derive(Debug)]
pub(crate) struct InstanceState {
    pub(crate) upstream: Arc<str>,
    pub(crate) address: Address,
    /// Where the address is a name.
    pub(crate) name: Option<Arc<Name>>,
    /// Of which it is an instance.
    shared: Arc<UpstreamState>,
    /// Differs between any two instances of a registry.
    number: u64,
    in_flight: Slots,
    pub(crate) health: Health,
    /// By worker; made when a worker first has something to count.
    counters: Box<[OnceLock<Box<InstanceCounters>>]>,
}

impl InstanceState {
    /// Leases held now.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.taken()
    }

    /// See [`Slots::settle`].
    pub(crate) fn settle(&self) {
        self.in_flight.settle();
    }

    /// What a worker counts here. `None` only for a worker that does not exist.
    pub(crate) fn counters(&self, worker: usize) -> Option<&InstanceCounters> {
        self.counters.get(worker).map(|counters| &**counters.get_or_init(Box::default))
    }

    /// What every worker has counted so far.
    pub(crate) fn counted(&self) -> impl Iterator<Item = &InstanceCounters> {
        self.counters.iter().filter_map(|counters| counters.get().map(|counters| &**counters))
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether it may get requests at all.
    pub(crate) fn is_available(&self) -> bool {
        self.health.is_available()
    }

    /// Begins a lease unless `limit` are held already.
    pub(super) fn begin(&self, limit: Option<NonZeroUsize>) -> bool {
        match limit {
            Some(limit) => self.in_flight.try_take(limit.get()),
            None => {
                self.in_flight.take();
                true
            }
        }
    }

    /// Ends a lease, and tells who waits for it.
    pub(super) fn end(&self) {
        self.in_flight.release();
        self.shared.queue.room_at(self.number);
    }
}

/// The counters of one upstream.
#[derive(Debug)]
pub(crate) struct UpstreamState {
    /// Counts requests, so that all workers together take the instances in turn.
    turn: AtomicUsize,
    /// Requests that wait for an instance.
    pub(crate) queue: Queue,
    /// Requests that no instance got.
    pub(crate) refused: Refused,
}

/// Requests that an upstream could not take. Few, so all workers share the numbers.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// No instance was available.
    pub(crate) no_instance: AtomicU64,
    /// The queue was full.
    pub(crate) queue_full: AtomicU64,
    /// The wait in the queue was too long.
    pub(crate) queue_timeout: AtomicU64,
}

impl UpstreamState {
    /// The next number of the turn.
    pub(crate) fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Relaxed)
    }
}

/// Finds the counters of what an earlier snapshot already named.
///
/// It holds them weakly: when the last snapshot and the last lease of an instance are gone, so are
/// its counters.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    upstreams: HashMap<String, Weak<UpstreamState>>,
    instances: HashMap<(String, Address), Weak<InstanceState>>,
    /// How many instances there were so far.
    numbers: u64,
    workers: usize,
}

impl Registry {
    /// For that many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Registry { workers, ..Registry::default() }
    }

    pub(crate) fn upstream(&mut self, name: &str) -> Arc<UpstreamState> {
        if let Some(known) = self.upstreams.get(name).and_then(Weak::upgrade) {
            return known;
        }
        // A random start: with many proxies, or many restarts, the first instance would otherwise
        // get more than its share.
        let turn = AtomicUsize::new(usize::from(rand::random::<u16>()));
        let state = Arc::new(UpstreamState { turn, queue: Queue::default(), refused: Refused::default() });
        self.upstreams.insert(name.to_owned(), Arc::downgrade(&state));
        state
    }

    /// The instance of the upstream of that name and state.
    pub(crate) fn instance(
        &mut self,
        upstream: &Arc<str>,
        shared: &Arc<UpstreamState>,
        address: &Address,
    ) -> Arc<InstanceState> {
        let key = (upstream.to_string(), address.clone());
        if let Some(known) = self.instances.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        let state = Arc::new(InstanceState {
            upstream: Arc::clone(upstream),
            address: address.clone(),
            name: match address {
                Address::Tcp { host, .. } if host.parse::<IpAddr>().is_err() => Some(Arc::new(Name::new(host))),
                _ => None,
            },
            shared: Arc::clone(shared),
            number: self.numbers,
            in_flight: Slots::new(),
            health: Health::default(),
            counters: (0..self.workers).map(|_| OnceLock::new()).collect(),
        });
        self.numbers += 1;
        self.instances.insert(key, Arc::downgrade(&state));
        state
    }

    /// Forgets what nothing uses any more.
    pub(crate) fn sweep(&mut self) {
        self.instances.retain(|_, state| state.strong_count() > 0);
        self.upstreams.retain(|_, state| state.strong_count() > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Address {
        Address::Tcp { host: "127.0.0.1".to_owned(), port }
    }

    #[test]
    fn the_same_instance_keeps_its_counters() {
        let mut registry = Registry::default();
        let name: Arc<str> = "app".into();
        let shared = registry.upstream("app");
        let first = registry.instance(&name, &shared, &address(3000));
        first.begin(None);
        let again = registry.instance(&name, &shared, &address(3000));
        let other = registry.instance(&name, &shared, &address(3001));
        assert_ne!(again.number(), other.number());
        assert_eq!(again.in_flight(), 1);
        assert_eq!(other.in_flight(), 0);
        first.end();
        assert_eq!(again.in_flight(), 0);
    }

    #[test]
    fn what_nothing_uses_is_forgotten() {
        let mut registry = Registry::default();
        let name: Arc<str> = "app".into();
        let shared = registry.upstream("app");
        let kept = registry.instance(&name, &shared, &address(1));
        drop(registry.instance(&name, &shared, &address(2)));
        drop(registry.upstream("other"));
        drop(shared);
        registry.sweep();
        assert_eq!(registry.instances.len(), 1);
        // Whoever waits for an instance that a reload kept is still woken by it.
        assert_eq!(registry.upstreams.len(), 1);
        drop(kept);
        registry.sweep();
        assert!(registry.upstreams.is_empty());
    }
}
