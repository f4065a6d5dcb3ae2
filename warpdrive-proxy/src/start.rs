//! Everything that can go wrong before the first request.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use warpdrive_core::CompileError;

use crate::listen::bind_advice;
use crate::user::UserError;

/// Why a proxy could not be started. Nothing of it is left running then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The model is beyond the router's limits.
    #[error("cannot build the routing table")]
    Compile(#[from] CompileError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {}", bind_advice(*address, source))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// An upstream is the proxy itself.
    #[error(
        "upstream `{upstream}` at {address} is this proxy's own listener, so every request would \
         go round in circles; set another address for it, or another server.http_port \
         (WARPDRIVE_HTTP_PORT)"
    )]
    OwnListener {
        /// The name of the upstream.
        upstream: String,
        /// The address of its instance.
        address: String,
    },
    /// The process cannot become `server.user`.
    #[error("cannot run as another user")]
    User(#[from] UserError),
    /// A thread or its runtime could not be made.
    #[error("cannot start a thread; look at the limits of the system (`ulimit -a`)")]
    Thread(#[source] io::Error),
}

/// Why a model could not take the place of the one in use, which goes on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplaceError {
    /// The model is beyond the router's limits.
    #[error("cannot build the routing table")]
    Compile(#[from] CompileError),
    /// An upstream is the proxy itself.
    #[error(
        "upstream `{upstream}` at {address} is this proxy's own listener, so every request would \
         go round in circles; set another address for it"
    )]
    OwnListener {
        /// The name of the upstream.
        upstream: String,
        /// The address of its instance.
        address: String,
    },
    /// The proxy is stopping or has stopped.
    #[error("the proxy is stopping")]
    Stopping,
}
