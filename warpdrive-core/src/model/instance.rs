//! One instance of an upstream, and where it listens.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// One place where an upstream listens, and how much of the work it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instance {
    /// Where to connect.
    pub address: Address,
    /// Its share beside the others', from 1 to [`crate::limits::MAX_WEIGHT`].
    pub weight: u16,
    /// Gets requests only where no other instance can.
    pub backup: bool,
    /// The most requests and tunnels that it has at once.
    pub max_connections: Option<NonZeroUsize>,
}

impl From<Address> for Instance {
    /// An instance of weight 1, no backup, without a limit.
    fn from(address: Address) -> Self {
        Instance { address, weight: 1, backup: false, max_connections: None }
    }
}

impl Instance {
    /// The same with another weight, from 1 to [`crate::limits::MAX_WEIGHT`].
    #[must_use]
    pub fn with_weight(self, weight: u16) -> Self {
        Instance { weight, ..self }
    }

    /// The same as a backup.
    #[must_use]
    pub fn as_backup(self) -> Self {
        Instance { backup: true, ..self }
    }
}

/// Where an instance listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A name or IP address, and a port. IPv6 addresses stand without brackets.
    Tcp {
        /// Name or address.
        host: String,
        /// Port, 1 to 65,535.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// A name or IP address, and a port from 1 to 65,535. [`crate::ModelBuilder::build`] checks
    /// both.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Address::Tcp { host: host.into(), port }
    }

    /// The path of a Unix socket, at most [`crate::limits::MAX_SOCKET_PATH_BYTES`].
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Address::Unix(path.into())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
