//! Listening sockets: all of them are bound before anything is served.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use warpdrive_core::Model;
use warpdrive_core::model::{Address, ServerSettings};

use crate::limits::ACCEPT_QUEUE;
use crate::start::StartError;

/// The listeners of all workers.
#[derive(Debug)]
pub(crate) struct Bound {
    /// One list for each worker, each with one listener for each address.
    pub(crate) by_worker: Vec<Vec<TcpListener>>,
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Binds every address of the settings once for each of `workers` workers.
///
/// # Errors
///
/// The first address that cannot be had, with the reason and what to do. Nothing stays bound then.
pub(crate) fn bind(server: &ServerSettings, workers: usize) -> Result<Bound, StartError> {
    let mut bound = Bound { by_worker: (0..workers).map(|_| Vec::new()).collect(), addresses: Vec::new() };
    for address in wanted(server) {
        let v6_only = server.bind.contains(&IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let bind_error = |source| StartError::Bind { address, source };
        let address = probe(address, v6_only).map_err(bind_error)?;
        for listeners in &mut bound.by_worker {
            listeners.push(listener(address, v6_only).map_err(bind_error)?);
        }
        bound.addresses.push(address);
    }
    Ok(bound)
}

fn wanted(server: &ServerSettings) -> Vec<SocketAddr> {
    let port = server.http_port;
    if server.bind.is_empty() {
        let any: IpAddr = if has_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        return vec![SocketAddr::new(any, port)];
    }
    server.bind.iter().map(|ip| SocketAddr::new(*ip, port)).collect()
}

/// Whether the kernel has IPv6 and it is not switched off.
fn has_ipv6() -> bool {
    let address = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0);
    match socket(address, false) {
        Ok(socket) => socket.bind(&address.into()).is_ok(),
        Err(_) => false,
    }
}

/// Binds and listens as a program alone on its port would, and lets go again.
///
/// The workers' listeners share the port among themselves, and would share it just as silently
/// with another program of the same user. A port of 0 becomes the one that the kernel chose.
fn probe(address: SocketAddr, v6_only: bool) -> io::Result<SocketAddr> {
    let socket = socket(address, v6_only)?;
    socket.bind(&address.into())?;
    socket.listen(1)?;
    let bound = socket.local_addr()?;
    bound.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into())
}

fn listener(address: SocketAddr, v6_only: bool) -> io::Result<TcpListener> {
    let socket = socket(address, v6_only)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_QUEUE)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr, v6_only: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_cloexec(true)?;
    // Connections of an earlier run may still be in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(v6_only)?;
    }
    Ok(socket)
}

/// What to say about an address that cannot be bound.
pub(crate) fn bind_advice(address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    let ip = address.ip();
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::ADDRINUSE) => format!(
            "port {port} is already in use by another program; stop it or set server.http_port \
             (WARPDRIVE_HTTP_PORT)"
        ),
        Some(Errno::ACCESS | Errno::PERM) => format!(
            "port {port} may not be used: ports below 1024 need root or CAP_NET_BIND_SERVICE; \
             grant it with `setcap cap_net_bind_service=+ep` on the program, or set \
             server.http_port (WARPDRIVE_HTTP_PORT) to 1024 or above"
        ),
        Some(Errno::ADDRNOTAVAIL) => format!(
            "{ip} is no address of this machine; set server.bind (WARPDRIVE_BIND) to one that is, \
             or leave it out to listen on all"
        ),
        Some(Errno::AFNOSUPPORT) => format!(
            "this machine has no IPv{}; set server.bind (WARPDRIVE_BIND) to another address",
            if ip.is_ipv6() { 6 } else { 4 }
        ),
        Some(Errno::MFILE | Errno::NFILE) => {
            "no file descriptors are left; raise the limit with `ulimit -n`".to_owned()
        }
        _ => format!("cannot listen on {address}; check server.bind and server.http_port"),
    }
}

/// Refuses an upstream that is one of the listeners: every request would go round in circles.
///
/// # Errors
///
/// [`StartError::OwnListener`], with the first such upstream.
pub(crate) fn refuse_own_listener(model: &Model, listeners: &[SocketAddr]) -> Result<(), StartError> {
    for upstream in model.upstreams() {
        for instance in &upstream.instances {
            let Address::Tcp { host, port } = &instance.address else {
                continue;
            };
            if listeners.iter().any(|own| is_own(host, *port, own)) {
                return Err(StartError::OwnListener {
                    upstream: upstream.name.clone(),
                    address: instance.address.to_string(),
                });
            }
        }
    }
    Ok(())
}

fn is_own(host: &str, port: u16, listener: &SocketAddr) -> bool {
    if port != listener.port() {
        return false;
    }
    // A name could mean this machine too; only the one that always does is looked at, since
    // nothing is asked of a resolver at start.
    let candidates: Vec<IpAddr> = match host.parse::<IpAddr>() {
        Ok(ip) => vec![ip.to_canonical()],
        Err(_) if host.eq_ignore_ascii_case("localhost") => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        }
        Err(_) => return false,
    };
    let bound = listener.ip().to_canonical();
    candidates.iter().any(|ip| {
        *ip == bound
            || ip.is_unspecified() && (bound.is_loopback() || bound.is_unspecified())
            || bound.is_unspecified() && (ip.is_loopback() || is_local(*ip))
    })
}

/// Whether an address is one of this machine's: only those can be bound.
fn is_local(ip: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(bind: &[IpAddr], port: u16) -> ServerSettings {
        let mut server = ServerSettings::default();
        server.bind = bind.to_vec();
        server.http_port = port;
        server
    }

    #[test]
    fn port_0_is_one_port_for_all_workers() {
        let bound = bind(&settings(&[Ipv4Addr::LOCALHOST.into()], 0), 3).unwrap();
        assert_eq!(bound.addresses.len(), 1);
        assert_ne!(bound.addresses[0].port(), 0);
        for listeners in &bound.by_worker {
            assert_eq!(listeners[0].local_addr().unwrap(), bound.addresses[0]);
        }
    }

    #[test]
    fn a_port_in_use_is_told_with_its_fix() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind(&settings(&[Ipv4Addr::LOCALHOST.into()], port), 2).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("port {port} is already in use")), "{text}");
        assert!(text.contains("server.http_port (WARPDRIVE_HTTP_PORT)"), "{text}");
    }

    #[test]
    fn a_port_of_another_sharer_is_not_shared() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let port = probe(any, false).unwrap().port();
        let stranger = listener(SocketAddr::new(any.ip(), port), false).unwrap();
        let error = bind(&settings(&[any.ip()], port), 1).unwrap_err();
        assert!(error.to_string().contains("already in use"));
        drop(stranger);
    }

    #[test]
    fn an_address_of_another_machine_is_told() {
        let elsewhere = IpAddr::from([192, 0, 2, 1]);
        let error = bind(&settings(&[elsewhere], 0), 1).unwrap_err();
        assert!(error.to_string().contains("192.0.2.1 is no address of this machine"));
    }

    #[test]
    fn a_forbidden_port_names_the_permission() {
        let address = SocketAddr::from(([0, 0, 0, 0], 80));
        let advice = bind_advice(address, &Errno::ACCESS.into());
        assert!(advice.contains("port 80") && advice.contains("CAP_NET_BIND_SERVICE"));
    }

    #[test]
    fn one_s_own_listener_is_known_by_any_of_its_names() {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8080));
        assert!(is_own("127.0.0.1", 8080, &any));
        assert!(is_own("localhost", 8080, &any));
        assert!(is_own("::1", 8080, &any));
        assert!(is_own("0.0.0.0", 8080, &any));
        assert!(!is_own("127.0.0.1", 8081, &any));
        assert!(!is_own("192.0.2.1", 8080, &any));
        let loopback = SocketAddr::from(([127, 0, 0, 1], 8080));
        assert!(is_own("127.0.0.1", 8080, &loopback));
        assert!(!is_own("127.0.0.2", 8080, &loopback));
        assert!(!is_own("app.internal", 8080, &any));
    }
}
