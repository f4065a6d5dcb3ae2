//! Instances: their counters, their connections, and who uses them.

mod connect;
mod health;
mod interim;
mod io;
mod lease;
mod link;
mod opened;
pub(crate) mod outlook;
mod pool;
pub(crate) mod probe;
mod queue;
mod registry;
mod told;

pub(crate) use connect::{ConnectError, Endpoint};
pub use health::{HealthReport, HealthState};
pub(crate) use io::UpstreamIo;
pub(crate) use lease::Lease;
pub(crate) use link::{Link, Lost};
pub(crate) use pool::Pool;
pub(crate) use queue::Wants;
pub(crate) use registry::{InstanceState, Registry, UpstreamState};
