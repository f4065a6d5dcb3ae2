//! Opening a connection to an instance.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use thiserror::Error;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use warpdrive_core::model::Address;

use super::name::Name;
use super::registry::InstanceState;
use super::socket::Socket;
use crate::errno::is_one_of;
use crate::limits::CONNECT_RETRY;

/// An [`Address`] as far as it is known without asking anybody.
#[derive(Clone, Debug)]
pub(crate) enum Endpoint {
    /// An address literal.
    Literal(SocketAddr),
    /// A name, which may stand for something else tomorrow.
    Named(Arc<Name>, u16),
    Unix(PathBuf),
}

impl Endpoint {
    /// Of an instance.
    pub(crate) fn of(instance: &InstanceState) -> Self {
        match (&instance.address, &instance.name) {
            (Address::Tcp { port, .. }, Some(name)) => Endpoint::Named(Arc::clone(name), *port),
            (Address::Tcp { host, port }, None) => {
                // A host without a name is an address; that is how the instance was made.
                let ip = host.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                Endpoint::Literal(SocketAddr::new(ip, *port))
            }
            (Address::Unix(path), _) => Endpoint::Unix(path.clone()),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    /// The connect time passed.
    #[error("the time to connect passed")]
    Timeout,
    /// The instance, the resolver or the kernel said no.
    #[error("cannot connect: {0}")]
    Refused(io::Error),
}

/// Connects within `limit`, with every address that a name has.
///
/// # Errors
///
/// [`ConnectError::Timeout`] when the time passed, else the last refusal.
pub(crate) async fn connect(endpoint: &Endpoint, limit: Duration) -> Result<Socket, ConnectError> {
    match endpoint {
        Endpoint::Literal(address) => connect_tcp(*address, limit).await,
        Endpoint::Named(name, port) => connect_named(name, *port, limit).await,
        Endpoint::Unix(path) => match timeout(limit, patiently(|| UnixStream::connect(path))).await {
            Ok(result) => result.map(Socket::Unix).map_err(ConnectError::Refused),
            Err(_) => Err(ConnectError::Timeout),
        },
    }
}

async fn connect_tcp(address: SocketAddr, limit: Duration) -> Result<Socket, ConnectError> {
    match timeout(limit, patiently(|| TcpStream::connect(address))).await {
        Ok(Ok(stream)) => {
            // Small requests and answers must not wait for an acknowledgement. A socket that
            // cannot is closed already, which the request will find out.
            let _ = stream.set_nodelay(true);
            Ok(Socket::Tcp(stream))
        }
        Ok(Err(error)) => Err(ConnectError::Refused(error)),
        Err(_) => Err(ConnectError::Timeout),
    }
}

/// Each address gets an equal share of the time that is left, so that a dead first one cannot use
/// up all of it.
async fn connect_named(name: &Name, port: u16, limit: Duration) -> Result<Socket, ConnectError> {
    let deadline = Instant::now() + limit;
    let addresses = match timeout_at(deadline, name.addresses()).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return Err(ConnectError::Refused(error)),
        Err(_) => return Err(ConnectError::Timeout),
    };
    let mut last = ConnectError::Refused(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    let mut waiting = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        match connect_tcp(SocketAddr::new(address, port), left / waiting.max(1)).await {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
        waiting -= 1;
    }
    name.doubt();
    Err(last)
}

/// Connects again while the cause will pass: a full queue of a Unix socket refuses with EAGAIN
/// where TCP would wait, and a process that is out of descriptors gets some back when clients
/// leave. Neither is a fault of the instance. The caller bounds the time.
async fn patiently<T, F: Future<Output = io::Result<T>>>(connect: impl Fn() -> F) -> io::Result<T> {
    let (mut pause, longest) = CONNECT_RETRY;
    loop {
        match connect().await {
            Err(error) if will_pass(&error) => {
                sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
            result => return result,
        }
    }
}

fn will_pass(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::AGAIN, Errno::MFILE, Errno::NFILE])
}
