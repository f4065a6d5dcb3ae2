//! What outlives a configuration: the counters of upstreams and instances.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use warpdrive_core::model::Address;

/// The counters of one instance, shared by all workers and by every snapshot that names it.
#[derive(Debug)]
pub(crate) struct InstanceState {
    pub(crate) upstream: Arc<str>,
    pub(crate) address: Address,
    in_flight: AtomicUsize,
}

impl InstanceState {
    /// Leases held now.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }
}

/// The counters of one upstream.
#[derive(Debug)]
pub(crate) struct UpstreamState {
    /// Counts requests, so that all workers together take the instances in turn.
    turn: AtomicUsize,
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
}

impl Registry {
    pub(crate) fn upstream(&mut self, name: &str) -> Arc<UpstreamState> {
        if let Some(known) = self.upstreams.get(name).and_then(Weak::upgrade) {
            return known;
        }
        // A random start: with many proxies, or many restarts, the first instance would otherwise
        // get more than its share.
        let state = Arc::new(UpstreamState { turn: AtomicUsize::new(usize::from(rand::random::<u16>())) });
        self.upstreams.insert(name.to_owned(), Arc::downgrade(&state));
        state
    }

    pub(crate) fn instance(&mut self, upstream: &Arc<str>, address: &Address) -> Arc<InstanceState> {
        let key = (upstream.to_string(), address.clone());
        if let Some(known) = self.instances.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        let state = Arc::new(InstanceState {
            upstream: Arc::clone(upstream),
            address: address.clone(),
            in_flight: AtomicUsize::new(0),
        });
        self.instances.insert(key, Arc::downgrade(&state));
        state
    }

    /// Forgets what nothing uses any more.
    pub(crate) fn sweep(&mut self) {
        self.upstreams.retain(|_, state| state.strong_count() > 0);
        self.instances.retain(|_, state| state.strong_count() > 0);
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
        let first = registry.instance(&name, &address(3000));
        first.begin();
        let again = registry.instance(&name, &address(3000));
        let other = registry.instance(&name, &address(3001));
        assert_eq!(again.in_flight(), 1);
        assert_eq!(other.in_flight(), 0);
        first.end();
        assert_eq!(again.in_flight(), 0);
    }

    #[test]
    fn what_nothing_uses_is_forgotten() {
        let mut registry = Registry::default();
        let name: Arc<str> = "app".into();
        let kept = registry.instance(&name, &address(1));
        drop(registry.instance(&name, &address(2)));
        drop(registry.upstream("app"));
        registry.sweep();
        assert_eq!(registry.instances.len(), 1);
        assert!(registry.upstreams.is_empty());
        drop(kept);
    }
}
