//! What a look-up reads, and what it gives back.

use http::HeaderMap;
use http::header::{HOST, HeaderName};

use crate::model::{Route, Upstream};
use crate::reject::{Reason, Reject};

/// The header fields that route conditions read, borrowed in either of two shapes.
///
/// Conditions read the fields that are left after [`crate::forward()`] has removed what a client
/// may not send; a caller that routes by itself passes what it trusts.
#[derive(Clone, Copy, Debug)]
pub enum Fields<'a> {
    /// A header map.
    Map(&'a HeaderMap),
    /// Names and values as they came; names are compared without case.
    Pairs(&'a [(&'a [u8], &'a [u8])]),
}

impl<'a> Fields<'a> {
    /// Whether any field line of that name passes the test.
    pub(super) fn any(self, name: &HeaderName, mut test: impl FnMut(&[u8]) -> bool) -> bool {
        match self {
            Fields::Map(map) => map.get_all(name).iter().any(|value| test(value.as_bytes())),
            Fields::Pairs(pairs) => pairs
                .iter()
                .filter(|(other, _)| other.eq_ignore_ascii_case(name.as_str().as_bytes()))
                .any(|(_, value)| test(value)),
        }
    }

    /// Calls `visit` with the name and value of each field line.
    pub(super) fn each(self, mut visit: impl FnMut(&[u8], &[u8])) {
        match self {
            Fields::Map(map) => map.iter().for_each(|(name, value)| visit(name.as_str().as_bytes(), value.as_bytes())),
            Fields::Pairs(pairs) => pairs.iter().for_each(|(name, value)| visit(name, value)),
        }
    }

    pub(super) fn len(self) -> usize {
        match self {
            Fields::Map(map) => map.len(),
            Fields::Pairs(pairs) => pairs.len(),
        }
    }
}

/// A request as the router sees it; everything is borrowed and nothing is trusted.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'q> {
    /// The method token; case counts (RFC 9110 section 9.1).
    pub method: &'q str,
    /// The request target as it came: `/path?query`, an absolute URL, or `*`.
    pub target: &'q str,
    /// The value of the `Host` field, if there is one. An absolute target's authority beats it.
    pub host: Option<&'q [u8]>,
    /// The header fields that conditions read.
    pub fields: Fields<'q>,
}

impl<'q> RequestView<'q> {
    /// A view of a method and a path, without host and header fields.
    pub fn new(method: &'q str, target: &'q str) -> Self {
        RequestView { method, target, host: None, fields: Fields::Pairs(&[]) }
    }

    /// The same with the value of the `Host` field.
    #[must_use]
    pub fn with_host(self, host: &'q str) -> Self {
        RequestView { host: Some(host.as_bytes()), ..self }
    }

    /// The same with header fields.
    #[must_use]
    pub fn with_fields(self, fields: Fields<'q>) -> Self {
        RequestView { fields, ..self }
    }
}

/// The value of the one `Host` field.
///
/// # Errors
/// 400 where there are two (RFC 9112 section 3.2).
pub(crate) fn host_field(headers: &HeaderMap) -> Result<Option<&http::HeaderValue>, Reject> {
    let mut values = headers.get_all(HOST).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Reject::bad(Reason::BadHost, "the request has two Host fields"));
    }
    Ok(first)
}

/// The route that a request takes. Borrows the router, and the scratch that the look-up wrote to.
#[derive(Clone, Copy, Debug)]
pub struct RouteMatch<'r, 'q> {
    pub(super) route: &'r Route,
    pub(super) upstream: &'r Upstream,
    pub(super) host: Option<&'q [u8]>,
    pub(super) path: Option<&'q str>,
    pub(super) upstream_target: &'q str,
}

impl<'r, 'q> RouteMatch<'r, 'q> {
    /// The route; its number counts from 1 in file order.
    pub fn route(&self) -> &'r Route {
        self.route
    }

    /// Where the route sends the request.
    pub fn upstream(&self) -> &'r Upstream {
        self.upstream
    }

    /// The host in canonical form.
    pub fn host(&self) -> Option<&'q str> {
        self.host.and_then(|host| std::str::from_utf8(host).ok())
    }

    /// The path in normal form; `*` for the target of a server-wide OPTIONS.
    pub fn path(&self) -> &'q str {
        self.path.unwrap_or("*")
    }

    /// The target for the upstream: path and query, or `*`. In the client's own bytes unless dot
    /// segments were resolved or the route strips or rewrites.
    pub fn upstream_target(&self) -> &'q str {
        self.upstream_target
    }
}
