//! The WarpDrive HTTP reverse proxy as a library.
//!
//! [`Proxy::start`] takes a [`warpdrive_core::Model`], binds its listeners and serves on threads of
//! its own until [`Proxy::stop`]. [`Proxy::replace`] puts another model in its place while requests
//! are under way. The library knows no command line, installs no signal handler, logger or panic
//! hook, and writes nothing but the access log; what it has to say it says through `tracing`.
//!
//! # A request's way
//!
//! `accept` takes a connection and places it with a worker; `client` serves it with hyper over a
//! `wire`, which owns the byte counts and the client's deadlines; `exchange` is the pipeline: checks,
//! decision (by core), choice of an instance, connection, response; `upstream` holds instances,
//! their connections and their counters; `body` carries bodies both ways; `access_log` writes the
//! line when the last byte has left. A `tunnel` takes over after a WebSocket upgrade. `health` asks
//! the instances beside all that how they are, on a thread of its own.
//!
//! # Example
//!
//! ```no_run
//! use warpdrive_proxy::{Options, Proxy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = std::fs::read_to_string("warpdrive.toml")?;
//! let router = warpdrive_core::Router::from_toml(&text)?;
//! let proxy = Proxy::start(router.model().clone(), Options::new())?;
//! println!("listening on {:?}", proxy.addresses());
//! proxy.wait();
//! # Ok(())
//! # }
//! ```

mod accept;
mod access_log;
mod admin;
mod alarm;
mod block;
mod body;
mod capacity;
mod client;
mod clock;
mod control;
mod counters;
mod descriptors;
mod drain;
mod errno;
mod exchange;
mod health;
mod limited;
mod limits;
mod listen;
mod page;
mod read_share;
mod receive;
mod roster;
mod send;
mod snapshot;
mod splice;
mod start;
pub mod status;
mod tunnel;
mod upstream;
mod user;
mod view;
mod wire;
mod worker;

pub use access_log::AccessLog;
pub use admin::AdminPlaces;
pub use control::{InstanceReport, Options, Proxy, StopHandle};
pub use drain::Drained;
pub use start::{ReplaceError, StartError};
pub use upstream::{HealthReport, HealthState};
pub use user::UserError;
