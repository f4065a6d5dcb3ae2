//! An upstream that is one of the server's own listeners: every request to it would come back.

use std::net::IpAddr;

use super::diagnostic::{Code, Report};
use super::findings::UpstreamPlaces;
use crate::model::{Address, Settings, Upstream};

/// Reports every instance that is a listener of this server.
pub(super) fn look(settings: &Settings, upstreams: &[Upstream], places: &[UpstreamPlaces], report: &mut Report) {
    for (upstream, places) in upstreams.iter().zip(places) {
        for (instance, place) in upstream.instances.iter().zip(&places.addresses) {
            if is_own(settings, &instance.address) {
                let address = &instance.address;
                report
                    .add(Code::OwnListener, place.clone(), format!("`{address}` is where WarpDrive itself listens"))
                    .help("give the port that the application listens on, or another `server.http_port`");
            }
        }
    }
}

fn is_own(settings: &Settings, address: &Address) -> bool {
    let Address::Tcp { host, port } = address else { return false };
    let server = &settings.server;
    let https = server.https_port.filter(|_| settings.tls.enabled);
    if *port != server.http_port && Some(*port) != https {
        return false;
    }
    let Some(called) = called(host) else { return false };
    // Every address of the machine listens then, but only loopback surely is this machine.
    (server.bind.is_empty() && called.iter().any(IpAddr::is_loopback))
        || called.iter().any(|&ip| server.bind.iter().any(|&own| reaches(ip, own, &server.bind)))
}

/// The addresses that a connection to the host may reach; `None` for a name that only a resolver
/// knows.
fn called(host: &str) -> Option<Vec<IpAddr>> {
    let [four, six] = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
    if host == "localhost" || host.ends_with(".localhost") {
        return Some(vec![four, six]);
    }
    host.parse().ok().map(|ip: IpAddr| match ip.to_canonical() {
        // Connecting to the unspecified address is connecting to this machine.
        IpAddr::V4(ip) if ip.is_unspecified() => vec![four],
        IpAddr::V6(ip) if ip.is_unspecified() => vec![six],
        ip => vec![ip],
    })
}

fn reaches(ip: IpAddr, own: IpAddr, bind: &[IpAddr]) -> bool {
    let takes_its_kind = match (own, ip) {
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => true,
        // `::` takes IPv4 as well unless an IPv4 listener stands beside it.
        (IpAddr::V6(_), IpAddr::V4(_)) => bind.iter().all(IpAddr::is_ipv6),
        (IpAddr::V4(_), IpAddr::V6(_)) => false,
    };
    own.to_canonical() == ip || (own.is_unspecified() && takes_its_kind && ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_known_by_every_name() {
        for (bind, host, port, own) in [
            (&[][..], "127.0.0.1", 8080, true),
            (&[], "localhost", 8080, true),
            (&[], "::1", 8080, true),
            (&[], "0.0.0.0", 8080, true),
            (&[], "127.0.0.1", 8081, false),
            (&[], "127.0.0.1", 443, true),
            (&[], "app.internal", 8080, false),
            (&[], "10.0.0.7", 8080, false),
            (&["10.0.0.7"], "10.0.0.7", 8080, true),
            (&["10.0.0.7"], "127.0.0.1", 8080, false),
            (&["127.0.0.1"], "localhost", 8080, true),
            (&["127.0.0.1"], "127.0.0.2", 8080, false),
            (&["0.0.0.0"], "127.0.0.2", 8080, true),
            (&["::"], "127.0.0.1", 8080, true),
            (&["::", "10.0.0.7"], "127.0.0.1", 8080, false),
            (&["0.0.0.0"], "::1", 8080, false),
        ] {
            let mut settings = Settings::default();
            settings.tls.enabled = true;
            settings.server.https_port = Some(443);
            settings.server.bind = bind.iter().map(|text: &&str| text.parse().unwrap()).collect();
            let address = Address::Tcp { host: host.to_owned(), port };
            assert_eq!(is_own(&settings, &address), own, "{bind:?} {host}:{port}");
        }
    }
}
