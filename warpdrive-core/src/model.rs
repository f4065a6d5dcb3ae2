//! The parsed configuration: everything in here has one meaning and nothing in here dangles.
//!
//! A [`Model`] is made by [`crate::config::load`] from a file, or by [`Model::builder`] from code.
//! Both refuse what a [`crate::Router`] could not serve, so a model always compiles unless it is
//! larger than [`crate::limits`] allow.

mod admin;
mod balancing;
mod health;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};

pub use admin::AdminSocket;
pub(crate) use admin::USUAL_HEALTH_PATH;
pub use balancing::{QueueSettings, SameSite, StickyCookie, Strategy};
pub use health::{HealthCheck, HealthSettings, PassiveCheck, Statuses, WhenAllDown};

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

/// All settings outside `[[routes]]` and `[upstreams]`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// `[server]`.
    pub server: ServerSettings,
    /// `[tls]`.
    pub tls: TlsSettings,
    /// `[cache]`.
    pub cache: CacheSettings,
    /// `[postgres]`.
    pub postgres: PostgresSettings,
    /// `[middleware]`.
    pub middleware: MiddlewareSettings,
}

/// `[server]`: listening, trust, limits and the default times.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerSettings {
    /// Addresses to listen on; empty means `[::]` dual-stack, or `0.0.0.0` without IPv6.
    pub bind: Vec<IpAddr>,
    /// The plain HTTP port; 0 lets the kernel choose.
    pub http_port: u16,
    /// The HTTPS port, opened only with a certificate source.
    pub https_port: Option<u16>,
    /// Worker threads; `None` means one for each available core.
    pub worker_threads: Option<NonZeroUsize>,
    /// Peers whose forwarded header fields are believed.
    pub trusted_proxies: TrustedProxies,
    /// The one field beside `X-Forwarded-For` that names the client, from trusted peers only.
    pub client_ip_header: Option<HeaderName>,
    /// Keeps field names with an underscore, unless they alias a field that the proxy sets.
    pub underscore_headers: bool,
    /// Merges empty path segments for matching (`//a` is `/a`).
    pub merge_slashes: bool,
    /// The status where no route matched.
    pub no_route_status: StatusCode,
    /// Answers 405 with `Allow` where only the method of some route failed.
    pub method_not_allowed: bool,
    /// What `require_auth` compares with.
    pub admin_token: Option<AdminToken>,
    /// Idle times; routes may narrow some of them.
    pub timeouts: Timeouts,
    /// Sends a GET or HEAD without a body to another instance when the time to the first byte passed.
    pub retry_timeouts: bool,
    /// The largest request body in bytes; `None` is no limit.
    pub max_body_bytes: Option<u64>,
    /// The most header fields in a request head.
    pub max_header_fields: usize,
    /// The most client connections at once; `None` derives it from the descriptor limit.
    pub max_connections: Option<usize>,
    /// The user to become after binding.
    pub user: Option<String>,
    /// Where the running proxy may be asked how it is.
    pub admin_socket: AdminSocket,
    /// The same over TCP, without a password; `None` opens no port.
    pub admin_address: Option<SocketAddr>,
    /// `resolver`: the servers that are asked for the names of instances; those of the system where there
    /// is none.
    pub resolver: Vec<SocketAddr>,
    /// The path, in normal form, where GET and HEAD are answered before any route: 200, or 503 while
    /// the proxy is stopping. `None` leaves every path to the routes.
    pub health_path: Option<String>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        ServerSettings {
            bind: Vec::new(),
            http_port: 8080,
            https_port: None,
            worker_threads: None,
            trusted_proxies: TrustedProxies::none(),
            client_ip_header: None,
            underscore_headers: false,
            merge_slashes: true,
            no_route_status: StatusCode::NOT_FOUND,
            method_not_allowed: false,
            admin_token: None,
            timeouts: Timeouts::default(),
            retry_timeouts: true,
            max_body_bytes: None,
            max_header_fields: 100,
            max_connections: None,
            user: None,
            admin_socket: AdminSocket::default(),
            admin_address: None,
            resolver: Vec::new(),
            health_path: Some(USUAL_HEALTH_PATH.to_owned()),
        }
    }
}

/// Idle times of `[server]`, all over plain silence and none over a whole request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// `connect_timeout_secs`: to open a connection to an instance.
    pub connect: Duration,
    /// `read_timeout_secs`: from the end of the request to the first response byte, and between bytes.
    pub read: Duration,
    /// `client_header_timeout_secs`: from the first byte of a request to the end of its head.
    pub client_header: Duration,
    /// `client_body_timeout_secs`: between two reads of a request body.
    pub client_body: Duration,
    /// `client_write_timeout_secs`: a client that accepts no byte of a response.
    pub client_write: Duration,
    /// `keepalive_timeout_secs`: between two requests on one connection.
    pub keepalive: Duration,
    /// `tunnel_idle_timeout_secs`: an upgraded connection without a byte either way.
    pub tunnel_idle: Duration,
    /// `drain_timeout_secs`: how long a stop waits for requests under way.
    pub drain: Duration,
    /// `drain_grace_secs`: how long a stopping proxy goes on accepting.
    pub drain_grace: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(60),
            client_header: Duration::from_secs(30),
            client_body: Duration::from_secs(60),
            client_write: Duration::from_secs(60),
            keepalive: Duration::from_secs(75),
            tunnel_idle: Duration::from_secs(3600),
            drain: Duration::from_secs(25),
            drain_grace: Duration::from_secs(2),
        }
    }
}

/// `[tls]`. Parsed, not active yet.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TlsSettings {
    /// Whether HTTPS is wanted.
    pub enabled: bool,
    /// The names to get certificates for.
    pub domains: Vec<String>,
    /// Where ACME state is kept.
    pub acme_directory: Option<PathBuf>,
}

/// `[cache]`. Parsed, not active yet.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CacheSettings {
    /// Memory for cached responses, in bytes; `None` is no cache.
    pub size_bytes: Option<u64>,
    /// The Redis server behind the memory cache.
    pub redis_url: Option<String>,
}

/// `[postgres]`. Parsed, not active yet.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PostgresSettings {
    /// The database whose notifications invalidate the cache.
    pub url: Option<String>,
    /// The channel to listen on.
    pub channel: Option<String>,
}

/// `[middleware]`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MiddlewareSettings {
    /// Sends `X-Forwarded-*`, `X-Real-IP` and `X-Request-Start` to upstreams.
    pub forward_headers: bool,
    /// Serves files that an upstream names. Parsed, not active yet.
    pub x_sendfile_enabled: bool,
    /// Compresses responses. Parsed, not active yet.
    pub gzip_compression_enabled: bool,
    /// Writes one access-log line a request.
    pub log_requests: bool,
    /// How a line is written.
    pub log_format: LogFormat,
}

/// How an access-log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LogFormat {
    /// `key=value` pairs.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

impl Default for MiddlewareSettings {
    fn default() -> Self {
        MiddlewareSettings {
            forward_headers: true,
            x_sendfile_enabled: false,
            gzip_compression_enabled: false,
            log_requests: true,
            log_format: LogFormat::Text,
        }
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
