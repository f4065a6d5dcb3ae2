//! What a running proxy is doing, for people, programs and monitors.

mod gather;
mod metrics;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use gather::gather;
pub(crate) use metrics::{CONTENT_TYPE as METRICS_TYPE, write_metrics};

/// A running proxy at one moment, as `GET /status` of its admin socket tells it in JSON.
///
/// Numbers are read one after the other while requests go on, so two that belong together may differ
/// by what happened in between. Those that count up begin with the process, or with the reload that
/// brought their instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// The version of the proxy.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// Serving, or how far a stop has come.
    pub stage: Stage,
    /// Seconds since it began to listen.
    pub uptime_secs: f64,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// Threads that serve connections.
    pub workers: usize,
    /// Client connections that are open.
    pub connections: usize,
    /// The most that may be open.
    pub connections_limit: usize,
    /// Requests of clients so far.
    pub requests: u64,
    /// Answers of the proxy itself so far, by class of status such as `4xx`.
    pub own_answers: BTreeMap<String, u64>,
    /// In the order of the configuration.
    pub upstreams: Vec<UpstreamStatus>,
}

/// How far a stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stage {
    /// It serves.
    Running,
    /// It finishes what is under way, and takes nothing new for long.
    Draining,
}

/// One upstream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UpstreamStatus {
    /// Its name.
    pub name: String,
    /// Requests that wait for room at an instance.
    pub waiting: usize,
    /// Requests so far that no instance got, by reason: `no_instance`, `queue_full`, `queue_timeout`.
    pub refused: BTreeMap<String, u64>,
    /// In the order of the configuration.
    pub instances: Vec<InstanceStatus>,
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InstanceStatus {
    /// Where it listens.
    pub address: String,
    /// Its share beside the others'.
    pub weight: u16,
    /// Whether it gets requests only where no other can.
    pub backup: bool,
    /// Whether it gets requests.
    pub health: HealthStatus,
    /// Requests and tunnels that it is working on.
    pub in_flight: usize,
    /// Connections to it that are open, in use or not.
    pub connections: u64,
    /// Connections to it that wait for a request.
    pub idle_connections: u64,
    /// Connections to it that were opened so far.
    pub connections_opened: u64,
    /// Times that a request was given to it. Each ends as one of `responses`, as one of `failures`
    /// before a response, as `stale` or as `cancelled`.
    pub requests: u64,
    /// Responses by class of status such as `2xx`; a tunnel is one of `1xx`.
    pub responses: BTreeMap<String, u64>,
    /// Failures by reason, in the words of the access log. `upstream_body_cut` and
    /// `upstream_body_timeout` come on top of a response.
    pub failures: BTreeMap<String, u64>,
    /// Requests whose client left, or was at fault, before there was a response.
    pub cancelled: u64,
    /// Requests that met a kept connection which was closed already, and went out once more.
    pub stale: u64,
    /// Requests that went out once more because this instance, or a connection to it, lost them.
    pub retries: u64,
    /// Bytes of bodies and tunnels to it.
    pub bytes_sent: u64,
    /// Bytes of bodies and tunnels from it.
    pub bytes_received: u64,
    /// The last failure, if there was one.
    pub last_failure: Option<LastFailure>,
    /// From the request to the head of its response.
    pub first_byte: Latency,
    /// From the head of the client's request to the last byte of the response body, tunnels and cut
    /// bodies left out.
    pub total: Latency,
}

impl InstanceStatus {
    /// Failures of every kind.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// Whether an instance gets requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HealthStatus {
    /// `up`, `down` by its health check, or `ejected` since it takes no connections.
    pub state: String,
    /// Seconds in that state, where that is known.
    pub since_secs: Option<f64>,
    /// What the last failed check said.
    pub last_error: Option<String>,
}

impl HealthStatus {
    /// Whether it gets requests.
    pub fn is_well(&self) -> bool {
        self.state == "up"
    }
}

/// A failure of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LastFailure {
    /// In the words of the access log.
    pub reason: String,
    /// Seconds since then.
    pub ago_secs: f64,
}

/// How long something took. Quantiles are at most an eighth off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// All of them together, in seconds.
    pub sum_secs: f64,
    /// Half took no longer.
    pub p50_secs: Option<f64>,
    /// Nine of ten took no longer.
    pub p90_secs: Option<f64>,
    /// Ninety-nine of a hundred took no longer.
    pub p99_secs: Option<f64>,
}
