//! Which instance of an upstream gets a request, as a state machine without state: turn, chance and
//! load are arguments.

use std::net::IpAddr;

use crate::model::{Address, Strategy, Upstream};

/// Chooses among the instances of one upstream by its [`Strategy`].
///
/// ```
/// use warpdrive_core::balance::{Asked, Balancer};
/// use warpdrive_core::Router;
///
/// let router = Router::from_toml(r#"
///     [upstreams.rails]
///     strategy = "least_conn"
///     [[upstreams.rails.instances]]
///     socket = "/tmp/puma.0.sock"
///     [[upstreams.rails.instances]]
///     socket = "/tmp/puma.1.sock"
/// "#)?;
/// let balancer = Balancer::new(&router.model().upstreams()[0]);
///
/// let in_flight = [3, 1];
/// let asked = Asked { turn: 0, random: 0, client: "203.0.113.9".parse()? };
/// assert_eq!(balancer.pick(&asked, |_| true, |instance| in_flight[instance]), Some(1));
/// // The second one has just refused a connection.
/// assert_eq!(balancer.pick(&asked, |instance| instance != 1, |instance| in_flight[instance]), Some(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Balancer {
    strategy: Strategy,
    /// One for each instance, made of its address: where it stands in the file does not count.
    seeds: Box<[u64]>,
}

/// What a choice depends on beside the instances themselves.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Counts the requests of the upstream, wherever they are counted, from any start.
    pub turn: usize,
    /// A random number, new for each request. Only [`Strategy::Random`] looks at it.
    pub random: u64,
    /// The client, as trusted proxies name it. Only [`Strategy::IpHash`] looks at it.
    pub client: IpAddr,
}

impl Balancer {
    /// A balancer for the instances of an upstream, which keep their places.
    pub fn new(upstream: &Upstream) -> Self {
        let seeds = upstream.instances.iter().map(|instance| seed(&instance.address)).collect();
        Balancer { strategy: upstream.strategy, seeds }
    }

    /// The place of the chosen instance in [`Upstream::instances`]; `None` where none is usable.
    ///
    /// Asks `usable` once or twice for each instance, and `load` (requests in flight) once for each
    /// usable one, and only for [`Strategy::LeastConn`]. Allocates nothing; takes a few nanoseconds
    /// an instance.
    pub fn pick(&self, asked: &Asked, usable: impl Fn(usize) -> bool, load: impl Fn(usize) -> usize) -> Option<usize> {
        let all = 0..self.seeds.len();
        match self.strategy {
            // Among the usable ones, not past the others: else the one behind a failed instance
            // would get that one's share as well.
            Strategy::RoundRobin => nth(all, &usable, asked.turn as u64),
            Strategy::Random => nth(all, &usable, asked.random),
            Strategy::LeastConn => {
                let count = self.seeds.len();
                // Each in turn is the first to be looked at, and so wins where loads are equal.
                let first = asked.turn.checked_rem(count)?;
                let in_turn = (first..count).chain(0..first);
                in_turn.filter(|&instance| usable(instance)).min_by_key(|&instance| load(instance))
            }
            Strategy::IpHash => {
                let key = mixed(client_key(asked.client));
                let usable = self.seeds.iter().enumerate().filter(|(instance, _)| usable(*instance));
                usable.max_by_key(|(_, seed)| weight(**seed, key)).map(|(instance, _)| instance)
            }
        }
    }
}

/// The usable instance at this number, counted round and round.
fn nth(all: std::ops::Range<usize>, usable: &impl Fn(usize) -> bool, number: u64) -> Option<usize> {
    let count = all.clone().filter(|&instance| usable(instance)).count() as u64;
    let place = number.checked_rem(count)?;
    all.filter(|&instance| usable(instance)).nth(usize::try_from(place).unwrap_or(0))
}

/// Highest random weight (rendezvous hashing): when an instance leaves, only its own clients move.
/// Both numbers are mixed already, so one multiplication, folded, is enough.
fn weight(seed: u64, key: u64) -> u64 {
    let product = u128::from(seed ^ key) * 0x9e37_79b9_7f4a_7c15;
    (product >> 64) as u64 ^ product as u64
}

/// What stands for an instance: the same in every process and version.
fn seed(address: &Address) -> u64 {
    // FNV-1a; `mixed` spreads what it lacks.
    let hash = address
        .to_string()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    mixed(hash)
}

/// The client as a number: an IPv4 address, also in its IPv6 form, or the /64 of an IPv6 address,
/// within which a household changes addresses by the hour (RFC 8981).
fn client_key(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

/// The finish of SplitMix64: every bit of the input changes half of the output.
fn mixed(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn balancer(strategy: Strategy, ports: &[u16]) -> Balancer {
        let seeds = ports.iter().map(|&port| seed(&Address::tcp("127.0.0.1", port))).collect();
        Balancer { strategy, seeds }
    }

    const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

    fn turn(turn: usize) -> Asked {
        Asked { turn, random: mixed((turn as u64).wrapping_add(1)), client: NOBODY }
    }

    fn counts(balancer: &Balancer, requests: usize, usable: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut counts = vec![0; balancer.seeds.len()];
        for number in 0..requests {
            counts[balancer.pick(&turn(number), &usable, |_| 0).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn a_round_is_fair_also_when_one_is_missing() {
        let balancer = balancer(Strategy::RoundRobin, &[1, 2, 3]);
        assert_eq!(counts(&balancer, 300, |_| true), [100, 100, 100]);
        assert_eq!(counts(&balancer, 300, |instance| instance != 1), [150, 0, 150]);
        // A counter that wraps around loses nothing but the order of one round.
        assert!(balancer.pick(&turn(usize::MAX), |_| true, |_| 0).is_some());
    }

    #[test]
    fn idle_instances_share_serial_requests_evenly() {
        let balancer = balancer(Strategy::LeastConn, &[1, 2, 3, 4, 5]);
        assert_eq!(counts(&balancer, 1000, |_| true), [200; 5]);
    }

    #[test]
    fn the_least_busy_is_chosen_whoever_has_the_turn() {
        let balancer = balancer(Strategy::LeastConn, &[1, 2, 3]);
        let load = [2, 1, 1];
        let chosen: Vec<Option<usize>> =
            (0..3).map(|number| balancer.pick(&turn(number), |_| true, |instance| load[instance])).collect();
        assert_eq!(chosen, [Some(1), Some(1), Some(2)]);
        assert_eq!(balancer.pick(&turn(0), |instance| instance == 0, |instance| load[instance]), Some(0));
    }

    #[test]
    fn chance_is_even() {
        let balancer = balancer(Strategy::Random, &[1, 2, 3, 4]);
        for count in counts(&balancer, 40_000, |_| true) {
            assert!((9_600..10_400).contains(&count), "{count}");
        }
    }

    fn by_client(balancer: &Balancer, client: u32, usable: impl Fn(usize) -> bool) -> usize {
        let asked = Asked { client: Ipv4Addr::from_bits(client).into(), ..turn(client as usize) };
        balancer.pick(&asked, usable, |_| 0).unwrap()
    }

    #[test]
    fn a_client_keeps_its_instance_and_only_those_of_a_missing_one_move() {
        let ports = [3000, 3001, 3002, 3003, 3004];
        let all = balancer(Strategy::IpHash, &ports);
        let mut counts = [0; 5];
        let mut moved = 0;
        for client in 0..20_000 {
            let own = by_client(&all, client, |_| true);
            counts[own] += 1;
            let other = by_client(&all, client, |instance| instance != 2);
            assert!(own == 2 || own == other, "client {client} moved from {own} to {other}");
            moved += usize::from(own == 2);
        }
        assert!(counts.iter().all(|count| (3_700..4_300).contains(count)), "{counts:?}");
        assert!(moved < 4_300, "{moved}");
        // The order of the file does not count.
        let turned = balancer(Strategy::IpHash, &[3004, 3003, 3002, 3001, 3000]);
        for client in 0..500 {
            assert_eq!(ports[by_client(&all, client, |_| true)], 3004 - by_client(&turned, client, |_| true) as u16);
        }
    }

    #[test]
    fn a_household_is_one_client() {
        let key = |text: &str| client_key(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(client_key(Ipv4Addr::new(203, 0, 113, 9).into()), key("::ffff:203.0.113.9"));
        assert_ne!(client_key(Ipv6Addr::LOCALHOST.into()), client_key(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn none_usable_is_none() {
        for strategy in [Strategy::RoundRobin, Strategy::LeastConn, Strategy::Random, Strategy::IpHash] {
            assert_eq!(balancer(strategy, &[1, 2]).pick(&turn(1), |_| false, |_| 0), None);
            assert_eq!(balancer(strategy, &[]).pick(&turn(1), |_| true, |_| 0), None);
        }
    }
}
