//! The parsed configuration: everything in here has one meaning and nothing in here dangles.
//!
//! A [`Model`] is made by [`crate::config::load`] from a file, or by [`Model::builder`] from code.
//! Both refuse what a [`crate::Router`] could not serve, so a model always compiles unless it is
//! larger than [`crate::limits`] allow.

mod admin;
mod balancing;
mod health;
mod instance;
mod settings;

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

pub use admin::AdminSocket;
pub use balancing::{QueueSettings, SameSite, StickyCookie, Strategy};
pub use health::{HealthCheck, HealthSettings, PassiveCheck, Statuses, WhenAllDown};
pub use instance::{Address, Instance};
pub use settings::{
    CacheSettings, LogFormat, MiddlewareSettings, PostgresSettings, ServerSettings, Settings, Timeouts, TlsSettings,
};

pub use crate::auth::AdminToken;
pub use crate::client::{NetworkError, TrustedProxies};
pub use crate::host::{HostPattern, HostPatternError};
pub use crate::pattern::{HeaderCondition, HeaderTest, PathRegex, PathRule, PatternError};

/// Names one upstream of one [`Model`]: its place in [`Model::upstreams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamId(pub(crate) u32);

impl UpstreamId {
    /// The place in [`Model::upstreams`], counted from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A configuration that cannot contradict itself: settings, upstreams and routes in file order.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) settings: Settings,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) routes: Vec<Route>,
}

impl Model {
    /// What is not a route or an upstream: listeners, times, limits, trust.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Every upstream, in file order; [`UpstreamId::index`] counts in this list.
    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    /// Every route, in file order, which is the order of precedence.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The upstream of that id; `None` only for an id of another model.
    pub fn upstream(&self, id: UpstreamId) -> Option<&Upstream> {
        self.upstreams.get(id.index())
    }
}

/// `[upstreams.NAME]`: one service, reached through one or more instances.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Upstream {
    /// The name that routes use.
    pub name: String,
    /// At least one; in file order.
    pub instances: Vec<Instance>,
    /// How an instance is chosen.
    pub strategy: Strategy,
    /// How the health of its instances is watched.
    pub health: HealthSettings,
    /// The process that serves it. Parsed, not active yet.
    pub process: Option<ProcessSettings>,
    /// What its instances speak.
    pub protocol: Protocol,
    /// `keepalive`: whether connections are kept for further requests.
    pub keepalive: bool,
    /// What happens where every instance has all the requests that it may have.
    pub queue: QueueSettings,
}

impl Upstream {
    /// An upstream with defaults for all but its name and instances.
    pub(crate) fn new(name: String, instances: Vec<Instance>) -> Self {
        Upstream {
            name,
            instances,
            strategy: Strategy::default(),
            health: HealthSettings::default(),
            process: None,
            protocol: Protocol::default(),
            keepalive: true,
            queue: QueueSettings::default(),
        }
    }
}

/// `protocol`: what the instances of an upstream speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `http1`: HTTP/1.1 (RFC 9112).
    #[default]
    Http1,
    /// `h2c`: HTTP/2 (RFC 9113) without TLS, known to be spoken from the start (section 3.3), as gRPC
    /// servers do. Requests share few connections. WebSockets are for HTTP/1.1 alone: the instance
    /// sees no `Upgrade`.
    H2c,
}

/// `process.*` of an upstream: what to start for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessSettings {
    /// The program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables set for it, beside the inherited ones.
    pub env: Vec<(String, String)>,
}

/// `[[routes]]`: conditions, and what to do where they all hold.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Route {
    /// 1 for the first route of the file.
    pub number: u32,
    /// The line of the route in its file, from 1; `None` for a route from code.
    pub line: Option<usize>,
    /// `name`, for logs.
    pub name: Option<String>,
    /// `description`, for people.
    pub description: Option<String>,
    /// Any of these; empty accepts every host, also none.
    pub hosts: Vec<HostPattern>,
    /// The path condition.
    pub path: PathRule,
    /// Any of these; empty accepts every method. `GET` also accepts `HEAD`.
    pub methods: Vec<Method>,
    /// All of these.
    pub headers: Vec<HeaderCondition>,
    /// Where the request goes.
    pub upstream: UpstreamId,
    /// What happens to the path.
    pub action: PathAction,
    /// Puts a stripped prefix back in front of a same-site `Location`.
    pub rewrite_location: bool,
    /// Puts a stripped prefix back in front of cookie paths.
    pub rewrite_cookie_paths: bool,
    /// Whether the admin token is required.
    pub require_auth: bool,
    /// Fields set on the request, last of all.
    pub add_headers: Vec<(HeaderName, HeaderValue)>,
    /// Fields set on the response.
    pub response_headers: Vec<(HeaderName, HeaderValue)>,
    /// Times and sizes of this route, the server's where the route gives none.
    pub limits: RouteLimits,
}

/// Times, sizes and the like that a route may set for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteLimits {
    /// See [`Timeouts::connect`].
    pub connect_timeout: Duration,
    /// See [`Timeouts::read`].
    pub read_timeout: Duration,
    /// See [`Timeouts::client_body`].
    pub client_body_timeout: Duration,
    /// See [`Timeouts::tunnel_idle`].
    pub tunnel_idle_timeout: Duration,
    /// See [`ServerSettings::retry_timeouts`].
    pub retry_timeouts: bool,
    /// See [`ServerSettings::max_body_bytes`].
    pub max_body_bytes: Option<u64>,
}

impl RouteLimits {
    /// The limits of a route that sets none itself.
    pub fn from_server(server: &ServerSettings) -> Self {
        RouteLimits {
            connect_timeout: server.timeouts.connect,
            read_timeout: server.timeouts.read,
            client_body_timeout: server.timeouts.client_body,
            tunnel_idle_timeout: server.timeouts.tunnel_idle,
            retry_timeouts: server.retry_timeouts,
            max_body_bytes: server.max_body_bytes,
        }
    }
}

/// What a route does to the path before it is forwarded.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum PathAction {
    /// Forwards it as it came.
    #[default]
    Keep,
    /// Cuts the matched prefix off.
    StripPrefix,
    /// Puts this in place of the matched prefix or exact path. Empty or begins with `/`; normalised.
    Replace(String),
}
