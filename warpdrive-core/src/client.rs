//! Which peers are believed, and who the client is.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use thiserror::Error;

/// The networks whose peers may say who their client is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Box<[IpNet]>,
}

/// An entry of `trusted_proxies` that is no network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not an address, a network or `private`")]
#[non_exhaustive]
pub struct NetworkError;

impl TrustedProxies {
    /// Believes nobody: the default.
    pub fn none() -> Self {
        TrustedProxies::default()
    }

    /// Loopback, link-local, RFC 1918 and fc00::/7: what `private` stands for.
    pub fn private() -> Self {
        let v4 = |a, b, bits| Ipv4Net::new([a, b, 0, 0].into(), bits).map(IpNet::V4);
        let v6 = |first, bits| Ipv6Net::new([first, 0, 0, 0, 0, 0, 0, 0].into(), bits).map(IpNet::V6);
        let loopback6 = Ipv6Net::new([0, 0, 0, 0, 0, 0, 0, 1].into(), 128).map(IpNet::V6);
        let networks = [
            v4(127, 0, 8),
            v4(10, 0, 8),
            v4(172, 16, 12),
            v4(192, 168, 16),
            v4(169, 254, 16),
            loopback6,
            v6(0xfe80, 10),
            v6(0xfc00, 7),
        ];
        // Every prefix length above is in range, so nothing is dropped here.
        TrustedProxies { networks: networks.into_iter().flatten().collect() }
    }

    /// Reads entries such as `10.0.0.0/8`, `192.0.2.7` or `private`.
    ///
    /// # Errors
    /// The position of the first entry that is none of these.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, (usize, NetworkError)> {
        let mut networks = Vec::new();
        for (position, entry) in entries.into_iter().enumerate() {
            if entry == "private" {
                networks.extend(TrustedProxies::private().networks);
            } else if let Ok(network) = IpNet::from_str(entry) {
                networks.push(network.trunc());
            } else if let Ok(address) = IpAddr::from_str(entry) {
                networks.push(IpNet::from(address));
            } else {
                return Err((position, NetworkError));
            }
        }
        Ok(TrustedProxies { networks: networks.into() })
    }

    /// Whether a peer is believed. IPv4-mapped IPv6 addresses count as IPv4.
    pub fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.contains(&peer))
    }

    /// Whether nobody is believed.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }
}

/// Whether an address is private or loopback: a balancer of one's own, perhaps.
pub fn is_private(address: IpAddr) -> bool {
    TrustedProxies::private().contains(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_addresses_and_mapped_peers() {
        let trusted = TrustedProxies::parse(["10.1.2.3/8", "192.0.2.7", "2001:db8::/32"]).unwrap();
        for peer in ["10.9.9.9", "192.0.2.7", "2001:db8:1::5", "::ffff:10.0.0.1"] {
            assert!(trusted.contains(peer.parse().unwrap()), "{peer}");
        }
        for peer in ["11.0.0.1", "192.0.2.8", "2001:db9::1", "::1"] {
            assert!(!trusted.contains(peer.parse().unwrap()), "{peer}");
        }
        assert_eq!(TrustedProxies::parse(["10.0.0.0/8", "nonsense"]), Err((1, NetworkError)));
    }

    #[test]
    fn private_is_private() {
        for peer in
            ["127.0.0.1", "10.0.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1", "::1", "fe80::1", "fd00::1"]
        {
            assert!(is_private(peer.parse().unwrap()), "{peer}");
        }
        for peer in ["172.32.0.1", "8.8.8.8", "2001:db8::1", "::2"] {
            assert!(!is_private(peer.parse().unwrap()), "{peer}");
        }
    }
}
