//! Instances: their counters, their connections, and who uses them.

mod connect;
mod forwarded;
mod h2c;
mod head_space;
mod health;
mod http1;
mod lease;
mod link;
mod name;
mod opened;
pub(crate) mod outlook;
mod pool;
pub(crate) mod probe;
mod queue;
mod read_space;
mod registry;
mod rest;
mod socket;
mod told;

pub(crate) use connect::{ConnectError, Endpoint};
pub(crate) use forwarded::{Forwarded, Request};
pub(crate) use head_space::HeadSpace;
pub use health::{HealthReport, HealthState};
pub(crate) use http1::{Coding, Misframed};
pub(crate) use lease::Lease;
pub(crate) use link::{BodyCut, Link, Loss, Lost};
pub(crate) use opened::Opened;
pub(crate) use pool::Pool;
pub(crate) use queue::Wants;
pub(crate) use read_space::ReadSpace;
pub(crate) use registry::{InstanceState, Registry, UpstreamState};
pub(crate) use socket::Socket;
