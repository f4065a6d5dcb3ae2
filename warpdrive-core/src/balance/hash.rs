//! Weighted rendezvous hashing: each client has an instance, and keeps it while that is there.

use std::net::IpAddr;

use super::Member;
use crate::limits::HASH_SLOTS;
use crate::model::Address;

/// The home of each of [`HASH_SLOTS`] groups of clients, found once.
///
/// For each group every instance draws a number from the group and its own address, and the highest
/// wins (highest random weight). So when an instance leaves only its own groups move, and its share
/// is its weight's.
#[derive(Clone, Debug)]
pub(super) struct Homes {
    /// One for each instance, made of its address: where it stands in the file does not count.
    seeds: Box<[u64]>,
    /// For each group the place in the list that it was made for.
    by_slot: Box<[u16]>,
}

impl Homes {
    /// Homes among those `candidates` of the instances at these addresses.
    pub(super) fn new<'a>(addresses: impl Iterator<Item = &'a Address>, candidates: &[Member]) -> Self {
        let seeds: Box<[u64]> = addresses.map(seed).collect();
        let by_slot = (0..HASH_SLOTS).map(|slot| best(&seeds, candidates, slot, |_| true).unwrap_or(0)).collect();
        Homes { by_slot, seeds }
    }

    /// The home of a group while every candidate is there.
    pub(super) fn of(&self, slot: usize) -> Option<usize> {
        self.by_slot.get(slot).map(|place| usize::from(*place))
    }

    /// The home of a group among the usable ones of `candidates`. Takes some nanoseconds for each.
    pub(super) fn among(&self, slot: usize, candidates: &[Member], usable: impl Fn(usize) -> bool) -> Option<usize> {
        best(&self.seeds, candidates, slot, usable).map(usize::from)
    }
}

/// The group of a client.
pub(super) fn slot(client: IpAddr) -> usize {
    // The remainder of a power of two is the lowest bits, which are as mixed as any.
    (mixed(client_key(client)) % HASH_SLOTS as u64) as usize
}

fn best(seeds: &[u64], candidates: &[Member], slot: usize, usable: impl Fn(usize) -> bool) -> Option<u16> {
    let key = mixed(slot as u64 + 1);
    let known = candidates.iter().filter(|member| usable(usize::from(member.place))).filter_map(|member| {
        let seed = *seeds.get(usize::from(member.place))?;
        Some((*member, drawn(seed, key)))
    });
    let weight = candidates.first()?.weight;
    let best = if candidates.iter().all(|member| member.weight == weight) {
        // The logarithm below changes nothing in the order of equal weights.
        known.max_by_key(|(_, number)| *number)
    } else {
        let share = |(member, number): &(Member, u64)| share(*number, member.weight);
        known.max_by(|one, other| share(one).total_cmp(&share(other)))
    };
    best.map(|(member, _)| member.place)
}

/// Both numbers are mixed already, so one multiplication, folded, is enough.
fn drawn(seed: u64, key: u64) -> u64 {
    let product = u128::from(seed ^ key) * 0x9e37_79b9_7f4a_7c15;
    (product >> 64) as u64 ^ product as u64
}

/// Weighs a drawn number: with `u` evenly spread between 0 and 1, the largest `weight / -ln(u)` of
/// several belongs to each of them as often as its share of the weights.
fn share(number: u64, weight: u16) -> f64 {
    let between = ((number >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    f64::from(weight) / -between.ln()
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
pub(super) fn mixed(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn a_household_is_one_client() {
        let key = |text: &str| client_key(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(client_key(Ipv4Addr::new(203, 0, 113, 9).into()), key("::ffff:203.0.113.9"));
        assert_ne!(client_key(Ipv6Addr::LOCALHOST.into()), client_key(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn the_table_of_homes_says_what_a_search_says() {
        let addresses: Vec<Address> = (0..20).map(|port| Address::tcp("10.0.0.1", 3000 + port)).collect();
        let candidates: Vec<Member> = (0..20).map(|place| Member { place, weight: place % 4 + 1, burden: 1 }).collect();
        let homes = Homes::new(addresses.iter(), &candidates);
        for slot in (0..HASH_SLOTS).step_by(7) {
            assert_eq!(homes.of(slot), homes.among(slot, &candidates, |_| true));
        }
    }
}
