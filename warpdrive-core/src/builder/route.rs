//! One route as it is written in code.

use std::time::Duration;

use crate::config::rules::PathKey;
#[cfg(doc)]
use crate::{host::HostPattern, limits::MAX_HEADER_CONDITIONS, model::RouteLimits};

/// Describes one route: conditions, and what to do where they all hold.
///
/// Without a condition a route accepts every request. The methods are named like the keys of
/// `[[routes]]` in a file and mean the same; texts are parsed by [`super::ModelBuilder::build`],
/// which reports every mistake of every route at once.
#[derive(Clone, Debug)]
#[must_use = "a route does nothing until it is added to a `ModelBuilder`"]
pub struct RouteBuilder {
    pub(super) upstream: String,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) hosts: Option<Vec<String>>,
    pub(super) paths: Vec<(PathKey, String)>,
    pub(super) methods: Option<Vec<String>>,
    pub(super) headers: Vec<(String, Wanted)>,
    pub(super) strip_prefix: bool,
    pub(super) rewrite: Option<String>,
    pub(super) rewrite_location: bool,
    pub(super) rewrite_cookie_paths: bool,
    pub(super) require_auth: bool,
    pub(super) add_headers: Vec<(String, String)>,
    pub(super) response_headers: Vec<(String, String)>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) read_timeout: Option<Duration>,
    pub(super) client_body_timeout: Option<Duration>,
    pub(super) tunnel_idle_timeout: Option<Duration>,
    pub(super) retry_timeouts: Option<bool>,
    pub(super) max_body_bytes: Option<u64>,
}

/// What a header field is to be, as written.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    Exact(String),
    Present,
    Regex(String),
}

impl RouteBuilder {
    /// A route to the upstream of that name.
    pub fn to(upstream: impl Into<String>) -> Self {
        RouteBuilder {
            upstream: upstream.into(),
            name: None,
            description: None,
            hosts: None,
            paths: Vec::new(),
            methods: None,
            headers: Vec::new(),
            strip_prefix: false,
            rewrite: None,
            rewrite_location: true,
            rewrite_cookie_paths: false,
            require_auth: false,
            add_headers: Vec::new(),
            response_headers: Vec::new(),
            connect_timeout: None,
            read_timeout: None,
            client_body_timeout: None,
            tunnel_idle_timeout: None,
            retry_timeouts: None,
            max_body_bytes: None,
        }
    }

    /// A name for logs; not empty.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A sentence for people.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Accepts this host beside those named so far: `example.com`, `*.example.com`, `*` or an IP
    /// address. See [`HostPattern`].
    pub fn host(self, host: impl Into<String>) -> Self {
        self.hosts([host])
    }

    /// Accepts any of these hosts, beside those named so far. An empty list is a mistake.
    pub fn hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.hosts.get_or_insert_default().extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Accepts this path and everything below it, by whole segments: `/api` accepts `/api/x`,
    /// never `/apix`. A route has one path condition.
    pub fn path_prefix(self, path: impl Into<String>) -> Self {
        self.path(PathKey::Prefix, path.into())
    }

    /// Accepts this path alone. A route has one path condition.
    pub fn path_exact(self, path: impl Into<String>) -> Self {
        self.path(PathKey::Exact, path.into())
    }

    /// Accepts every path in which the expression is found: write `^` and `$` where they are
    /// meant. See [`crate::model::PathRegex`]. A route has one path condition.
    pub fn path_regex(self, expression: impl Into<String>) -> Self {
        self.path(PathKey::Regex, expression.into())
    }

    fn path(mut self, key: PathKey, text: String) -> Self {
        self.paths.push((key, text));
        self
    }

    /// Accepts any of these methods, beside those named so far; takes texts or [`http::Method`]s.
    /// `GET` also accepts `HEAD`. Routes, and does not authorise: an application may read another
    /// method from the body of a POST. An empty list is a mistake.
    pub fn methods(mut self, methods: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.methods.get_or_insert_default().extend(methods.into_iter().map(|method| method.as_ref().to_owned()));
        self
    }

    /// Wants a header field with exactly this value; any one field line of that name may hold it.
    /// All header conditions have to hold, at most [`MAX_HEADER_CONDITIONS`].
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.wants(name.into(), Wanted::Exact(value.into()))
    }

    /// Wants a header field, whatever its value.
    pub fn header_present(self, name: impl Into<String>) -> Self {
        self.wants(name.into(), Wanted::Present)
    }

    /// Wants a header field in whose value the expression is found.
    pub fn header_regex(self, name: impl Into<String>, expression: impl Into<String>) -> Self {
        self.wants(name.into(), Wanted::Regex(expression.into()))
    }

    fn wants(mut self, name: String, wanted: Wanted) -> Self {
        self.headers.push((name, wanted));
        self
    }

    /// Cuts the matched prefix off: behind `/jobs`, `/jobs/7` goes on as `/7`. Needs
    /// [`RouteBuilder::path_prefix`], and excludes [`RouteBuilder::rewrite`].
    pub fn strip_prefix(mut self) -> Self {
        self.strip_prefix = true;
        self
    }

    /// Puts this in place of the matched prefix, or of the whole path with
    /// [`RouteBuilder::path_exact`]. Begins with `/` or is empty.
    pub fn rewrite(mut self, path: impl Into<String>) -> Self {
        self.rewrite = Some(path.into());
        self
    }

    /// Whether [`crate::forwarding::finish_response`] puts a stripped prefix back in front of a
    /// same-site `Location`. It does unless told otherwise.
    pub fn rewrite_location(mut self, on: bool) -> Self {
        self.rewrite_location = on;
        self
    }

    /// Whether [`crate::forwarding::finish_response`] does so for cookie paths. It does not unless
    /// told so.
    pub fn rewrite_cookie_paths(mut self, on: bool) -> Self {
        self.rewrite_cookie_paths = on;
        self
    }

    /// Requires `server.admin_token`. Only [`crate::forwarding::forward`] checks it:
    /// [`crate::Router::route`] reads no credentials.
    pub fn require_auth(mut self) -> Self {
        self.require_auth = true;
        self
    }

    /// Sets one more field on the request to the upstream, replacing what it had. Only
    /// [`crate::forwarding::forward`] applies it.
    pub fn add_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.add_headers.push((name.into(), value.into()));
        self
    }

    /// Sets one more field on the response. Only [`crate::forwarding::finish_response`] applies it.
    pub fn response_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.response_headers.push((name.into(), value.into()));
        self
    }

    /// See [`RouteLimits::connect_timeout`]; from a millisecond to a year.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = Some(time);
        self
    }

    /// See [`RouteLimits::read_timeout`]; from a millisecond to a year.
    pub fn read_timeout(mut self, time: Duration) -> Self {
        self.read_timeout = Some(time);
        self
    }

    /// See [`RouteLimits::client_body_timeout`]; from a millisecond to a year.
    pub fn client_body_timeout(mut self, time: Duration) -> Self {
        self.client_body_timeout = Some(time);
        self
    }

    /// See [`RouteLimits::tunnel_idle_timeout`]; from a millisecond to a year.
    pub fn tunnel_idle_timeout(mut self, time: Duration) -> Self {
        self.tunnel_idle_timeout = Some(time);
        self
    }

    /// See [`RouteLimits::retry_timeouts`].
    pub fn retry_timeouts(mut self, on: bool) -> Self {
        self.retry_timeouts = Some(on);
        self
    }

    /// See [`RouteLimits::max_body_bytes`].
    pub fn max_body_bytes(mut self, bytes: u64) -> Self {
        self.max_body_bytes = Some(bytes);
        self
    }
}
