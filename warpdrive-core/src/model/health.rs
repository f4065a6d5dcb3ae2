//! How the health of an upstream's instances is watched.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};

use super::{HostPattern, Model};

/// Everything about the health of an upstream: `[upstreams.NAME.health]` and the keys beside it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HealthSettings {
    /// `[upstreams.NAME.health]`: questions of the proxy's own.
    pub check: Option<HealthCheck>,
    /// `passive`: what requests tell.
    pub passive: PassiveCheck,
    /// `when_all_down`.
    pub when_all_down: WhenAllDown,
    /// `slow_start_secs`: how long an instance that was out takes to its full share; 0 for at once.
    pub slow_start: Duration,
}

/// `[upstreams.NAME.health]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthCheck {
    /// What to ask for; `None` checks that a connection can be made.
    pub path: Option<String>,
    /// The `Host` of the question, with a port where it names one; `None` means
    /// [`Model::check_host`].
    pub host: Option<String>,
    /// The statuses that are healthy.
    pub expect: Statuses,
    /// Fields that the question carries beside its own.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Time between two checks of one instance.
    pub interval: Duration,
    /// How far the time between two checks strays from `interval`, to either side; at most
    /// `interval`.
    pub jitter: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// Failures in a row that take an instance out, from 1 to 1,000.
    pub unhealthy_threshold: u32,
    /// Successes in a row that bring it back, from 1 to 1,000.
    pub healthy_threshold: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        HealthCheck {
            path: None,
            host: None,
            expect: Statuses::default(),
            headers: Vec::new(),
            interval: Duration::from_secs(10),
            jitter: Duration::from_secs(1),
            timeout: Duration::from_secs(2),
            unhealthy_threshold: 3,
            healthy_threshold: 2,
        }
    }
}

impl HealthCheck {
    /// Whether another check asks the same question, so that an answer to one tells of the other.
    pub fn asks_the_same(&self, other: &HealthCheck) -> bool {
        self.path == other.path
            && self.host == other.host
            && self.expect == other.expect
            && self.headers == other.headers
    }
}

/// A set of statuses, from 200 to 599.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    /// Every status of any of these ranges.
    pub fn new(ranges: impl IntoIterator<Item = RangeInclusive<u16>>) -> Self {
        Statuses(ranges.into_iter().collect())
    }

    /// Whether the status is one of them. Takes time in proportion to the ranges.
    pub fn contains(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }
}

impl Default for Statuses {
    /// 200 to 399.
    fn default() -> Self {
        Statuses(vec![200..=399])
    }
}

/// `passive`: when requests that fail take an instance out for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PassiveCheck {
    /// Failures in a row, from 1 to 1,000; 0 turns passive checks off.
    pub threshold: u32,
    /// The first ejection; each further one takes twice as long.
    pub first_ejection: Duration,
    /// The longest ejection.
    pub max_ejection: Duration,
}

impl Default for PassiveCheck {
    /// Three failures in a row; from one second to thirty.
    fn default() -> Self {
        PassiveCheck { threshold: 3, first_ejection: Duration::from_secs(1), max_ejection: Duration::from_secs(30) }
    }
}

impl PassiveCheck {
    /// Requests count for nothing.
    pub fn off() -> Self {
        PassiveCheck { threshold: 0, ..PassiveCheck::default() }
    }
}

/// `when_all_down`: what happens to requests while every instance is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhenAllDown {
    /// They are answered 503 at once.
    #[default]
    Refuse,
    /// They go to the instances as if all were up.
    UseAll,
}

impl Model {
    /// The `Host` of health checks that name none: the first exact host of a route to the upstream,
    /// else `localhost`. `upstream` is the place in [`Model::upstreams`]. Takes time in proportion to
    /// the routes.
    pub fn check_host(&self, upstream: usize) -> &str {
        let routes = self.routes.iter().filter(|route| route.upstream.index() == upstream);
        let mut exact = routes.flat_map(|route| &route.hosts).filter_map(|pattern| match pattern {
            HostPattern::Exact(host) => Some(host.as_str()),
            HostPattern::Any | HostPattern::Wildcard(_) => None,
        });
        exact.next().unwrap_or("localhost")
    }
}
