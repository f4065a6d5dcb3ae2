//! What is neither a route nor an upstream.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::admin::{AdminSocket, USUAL_HEALTH_PATH};
use super::{AdminToken, TrustedProxies};

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
