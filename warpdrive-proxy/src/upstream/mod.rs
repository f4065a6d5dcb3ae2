//! Instances: their counters, their connections, and who uses them.

mod connect;
mod interim;
mod io;
mod lease;
mod link;
mod pool;
mod queue;
mod registry;

pub(crate) use connect::ConnectError;
pub(crate) use io::UpstreamIo;
pub(crate) use lease::Lease;
pub(crate) use link::{Link, Lost};
pub(crate) use pool::Pool;
pub(crate) use queue::Wants;
pub(crate) use registry::{InstanceState, Registry, UpstreamState};
