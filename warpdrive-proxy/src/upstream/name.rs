//! What a name stands for: asked for again when its time to live has passed.
//!
//! getaddrinfo tells no time to live. The health thread asks, the workers read; an answer that worked is
//! kept where the servers of names are gone.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::limits::{NAME_ADDRESSES, NAME_ATTEMPT, NAME_RETRY, NAME_TTL};

/// A name of an instance.
#[derive(Debug)]
pub(crate) struct Name {
    host: Box<str>,
    known: ArcSwapOption<Known>,
    /// Something is known for the first time.
    told: Notify,
    /// A connection could not be made.
    doubted: Notify,
    /// Counts connections, so that they begin with different addresses.
    turn: AtomicUsize,
}

/// What the last question brought.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    Addresses(Vec<IpAddr>),
    /// It never stood for anything.
    Nothing(String),
}

impl Name {
    pub(super) fn new(host: &str) -> Self {
        Name {
            host: host.into(),
            known: ArcSwapOption::empty(),
            told: Notify::new(),
            doubted: Notify::new(),
            turn: AtomicUsize::new(0),
        }
    }

    /// All addresses, each time another one first. Waits only for the first answer of all.
    ///
    /// # Errors
    ///
    /// `NotFound` with the reason where the name stands for nothing.
    pub(super) async fn addresses(&self) -> io::Result<Vec<IpAddr>> {
        loop {
            let told = self.told.notified();
            let known = self.known.load_full();
            match known.as_deref() {
                Some(Known::Addresses(addresses)) => {
                    let mut addresses = addresses.clone();
                    let turn = self.turn.fetch_add(1, Relaxed) % addresses.len().max(1);
                    addresses.rotate_left(turn);
                    return Ok(addresses);
                }
                Some(Known::Nothing(reason)) => return Err(io::Error::new(io::ErrorKind::NotFound, reason.clone())),
                None => told.await,
            }
        }
    }

    /// A connection to one of the addresses could not be made: they may have changed.
    pub(super) fn doubt(&self) {
        self.doubted.notify_one();
    }

    fn set(&self, mut known: Known) {
        if let Known::Addresses(addresses) = &mut known {
            addresses.truncate(NAME_ADDRESSES);
        }
        self.known.store(Some(Arc::new(known)));
        self.told.notify_waiters();
    }

    fn has_addresses(&self) -> bool {
        matches!(self.known.load().as_deref(), Some(Known::Addresses(_)))
    }

    /// Asks again and again, for ever. With no `servers` those of the system are asked, and always the
    /// system's own list of hosts first.
    pub(crate) async fn follow(&self, servers: &[SocketAddr], upstream: &str, instance: &str) {
        let mut failures = 0;
        loop {
            let asked = Instant::now();
            let wait = match look_up(&self.host, servers).await {
                Ok((addresses, time)) => {
                    if failures > 0 {
                        tracing::info!(upstream, instance, "the name can be resolved");
                    }
                    failures = 0;
                    self.set(Known::Addresses(addresses));
                    time.clamp(NAME_TTL.0, NAME_TTL.1)
                }
                Err(reason) => {
                    let keeps = self.has_addresses();
                    if failures == 0 && keeps {
                        tracing::warn!(upstream, instance, "{reason}; the addresses that it had stay in use");
                    } else if failures == 0 {
                        tracing::warn!(
                            upstream,
                            instance,
                            "{reason}; requests to the instance fail until that changes"
                        );
                    }
                    failures += 1;
                    if !keeps {
                        self.set(Known::Nothing(reason));
                    }
                    (NAME_RETRY.0 * failures).min(NAME_RETRY.1)
                }
            };
            tokio::select! {
                () = sleep_until(asked + wait) => {}
                // Many connections may fail at once.
                () = self.doubted.notified() => sleep_until(asked + NAME_TTL.0).await,
            }
        }
    }
}

/// The addresses and for how long they hold. Reads the system's files anew: they change in containers.
async fn look_up(host: &str, servers: &[SocketAddr]) -> Result<(Vec<IpAddr>, Duration), String> {
    let failed = |error: NetError| format!("the name cannot be resolved: {error}");
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio().map_err(failed)?
    } else {
        let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.timeout = NAME_ATTEMPT;
    options.cache_size = 1;
    let found = builder.build().map_err(failed)?.lookup_ip(host).await.map_err(failed)?;
    let addresses: Vec<IpAddr> = found.iter().collect();
    if addresses.is_empty() {
        return Err("the name has no address".to_owned());
    }
    Ok((addresses, found.valid_until().saturating_duration_since(std::time::Instant::now())))
}

/// One server of names, asked over UDP, and over TCP where the answer does not fit.
fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_of_the_system_are_known() {
        let name = Name::new("localhost");
        tokio::select! {
            () = name.follow(&[], "app", "localhost:80") => {}
            addresses = name.addresses() => assert!(addresses.unwrap().iter().all(IpAddr::is_loopback)),
        }
    }

    #[tokio::test]
    async fn each_connection_begins_with_another_address() {
        let name = Name::new("two.test");
        let addresses: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        name.set(Known::Addresses(addresses.into()));
        assert_eq!(name.addresses().await.unwrap(), addresses);
        assert_eq!(name.addresses().await.unwrap(), [addresses[1], addresses[0]]);
        assert_eq!(name.addresses().await.unwrap(), addresses);
    }

    #[tokio::test]
    async fn no_more_addresses_are_used_than_the_limit() {
        let name = Name::new("many.test");
        let many = |count: u8| Known::Addresses((0..count).map(|last| [10, 0, 0, last].into()).collect());
        for count in [NAME_ADDRESSES as u8, NAME_ADDRESSES as u8 + 1, 255] {
            name.set(many(count));
            assert_eq!(name.addresses().await.unwrap().len(), NAME_ADDRESSES);
        }
    }

    #[tokio::test]
    async fn what_is_no_name_is_told() {
        let name = Name::new("no such name");
        tokio::select! {
            () = name.follow(&[], "app", "no such name:80") => {}
            addresses = name.addresses() => {
                assert!(addresses.unwrap_err().to_string().contains("cannot be resolved"));
            }
        }
    }
}
