//! The header fields of a request on its way to the upstream: one pure function, so that live
//! traffic, `route-test` and embedders agree.
//!
//! In order: what a client may not send is removed, the route is found among what is left, its
//! credentials are checked, the fields that say who the client is are set, and the route's own
//! fields come last. Claims of a trusted peer are read before anything is removed, so that
//! `Connection: X-Forwarded-For` cannot name them away.

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Version};

use crate::auth;
use crate::client::TrustedProxies;
use crate::fields::*;
use crate::host;
use crate::limits::{MAX_FORWARDED_FOR_ENTRIES, MAX_REQUEST_ID_BYTES};
use crate::model::{PathAction, ServerSettings};
use crate::pattern::PathRule;
use crate::reject::{Reason, Reject};
use crate::router::{Explanation, Fields, RequestView, RouteMatch, Router, Scratch, host_field};
use crate::target;

/// The scheme that a request came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// What is known of a client's connection. Made once a connection: the values that its requests
/// share are kept in it.
#[derive(Clone, Debug)]
pub struct ClientConnection {
    peer: IpAddr,
    peer_value: HeaderValue,
    trusted: bool,
    scheme: Scheme,
}

impl ClientConnection {
    /// `peer` is the socket's address; an IPv4-mapped one counts as IPv4, and a Unix socket's
    /// client is 127.0.0.1.
    pub fn new(peer: IpAddr, scheme: Scheme, server: &ServerSettings) -> Self {
        let peer = peer.to_canonical();
        ClientConnection {
            peer,
            peer_value: address_value(peer),
            trusted: server.trusted_proxies.contains(peer),
            scheme,
        }
    }

    /// The address at the other end of the socket.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Whether the peer may say who its client is.
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }
}

/// The first line of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'m, 'q> {
    /// The method.
    pub method: &'m Method,
    /// The version: an HTTP/1.1 request without `Host` is refused.
    pub version: Version,
    /// The target as it came.
    pub target: &'q str,
}

/// What only the caller can make, since core has neither a clock nor chance.
#[derive(Clone, Copy, Debug)]
pub struct Fresh<'v> {
    /// The client's own id where [`kept_request_id`] gives one, else a new one.
    pub request_id: &'v HeaderValue,
    /// `t=` and the milliseconds since 1970.
    pub request_start: &'v HeaderValue,
}

/// Whether `require_auth` is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// As for live traffic.
    Check,
    /// Taken as right: a dry run has none.
    Assume,
}

/// The origin as the client sees it: what redirects and `Location` use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublicOrigin {
    /// The scheme in the client's address bar.
    pub scheme: Scheme,
    /// The host, with its port where one is written; `None` for an HTTP/1.0 request without one.
    pub host: Option<HeaderValue>,
    /// The port, the scheme's own where none is written.
    pub port: u16,
}

/// A request that goes on to an upstream.
#[derive(Debug)]
#[non_exhaustive]
pub struct Forward<'r, 'q> {
    /// The route, the upstream and its target.
    pub matched: RouteMatch<'r, 'q>,
    /// The client's address, as far as trusted peers tell it.
    pub client: IpAddr,
    /// Scheme, host and port as the client sees them.
    pub public: PublicOrigin,
    /// The client asks for a WebSocket; the fields for the upstream ask for it too.
    pub upgrade: bool,
}

/// The client's `X-Request-Id`, where it is 1 to 128 of `[A-Za-z0-9._-]`.
pub fn kept_request_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    // Two dozen comparisons cost less than the hash of a name that HTTP does not define.
    let (_, value) = headers.iter().find(|(name, _)| **name == X_REQUEST_ID)?;
    let bytes = value.as_bytes();
    let clean = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    (clean && (1..=MAX_REQUEST_ID_BYTES).contains(&bytes.len())).then_some(value)
}

/// Finds the route of a request and turns its header fields into those for the upstream.
///
/// `Ok(None)` is no route; the fields are then as routes saw them. Message framing stays the
/// caller's: `Content-Length` is left as it came, `Transfer-Encoding` is removed.
///
/// # Errors
/// The refusals of [`Router::route`]; 400 for two `Host` fields or none in HTTP/1.1; 401 where
/// the route requires credentials.
pub fn forward<'r, 'q>(
    router: &'r Router,
    head: RequestHead<'_, 'q>,
    headers: &mut HeaderMap,
    connection: &ClientConnection,
    fresh: Fresh<'_>,
    credentials: Credentials,
    scratch: &'q mut Scratch,
) -> Result<Option<Forward<'r, 'q>>, Reject> {
    let settings = router.model().settings();
    let host = effective_host(&head, headers)?;
    let upgrade = wants_websocket(&head, headers);
    let claims = Claims::read(headers, connection, &settings.server);
    remove_forbidden(headers, connection.trusted, &settings.server);
    let host_bytes = host.as_ref().map(HeaderValue::as_bytes);
    let found = router.route_with(head.method.as_str(), head.target, host_bytes, Fields::Map(headers), scratch)?;
    let Some(matched) = found else { return Ok(None) };
    let route = matched.route();
    if route.require_auth {
        // Right credentials stay here, also in a dry run.
        let outcome = auth::authorize(settings.server.admin_token.as_ref(), headers);
        if credentials == Credentials::Check {
            outcome?;
        }
    }
    if host.is_none() {
        // HTTP/1.0 may leave it out, HTTP/1.1 towards the upstream may not (RFC 9112 section 3.2).
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    }
    let public = claims.public(host, connection.scheme);
    if settings.middleware.forward_headers {
        claims.set(headers, connection, &public, fresh);
    }
    set_request_id(headers, fresh.request_id);
    if let (PathAction::StripPrefix, PathRule::Prefix(prefix)) = (&route.action, &route.path)
        && let Ok(value) = HeaderValue::from_str(prefix)
    {
        headers.insert(X_FORWARDED_PREFIX, value.clone());
        headers.insert(X_SCRIPT_NAME, value);
    }
    if upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    for (name, value) in &route.add_headers {
        headers.insert(name.clone(), value.clone());
    }
    Ok(Some(Forward { matched, client: claims.client, public, upgrade }))
}

/// Tells what [`forward()`] would do with a request and why, without changing it: the routes read
/// the fields that are left after removal, as in live traffic.
pub fn explain(
    router: &Router,
    head: RequestHead<'_, '_>,
    headers: &HeaderMap,
    connection: &ClientConnection,
) -> Explanation {
    let mut left = headers.clone();
    let host = match effective_host(&head, &mut left) {
        Ok(host) => host,
        Err(reject) => {
            return Explanation { outcome: Err(reject), ..router.explain(&RequestView::new(head.method.as_str(), "")) };
        }
    };
    remove_forbidden(&mut left, connection.trusted, &router.model().settings().server);
    router.explain(&RequestView {
        method: head.method.as_str(),
        target: head.target,
        host: host.as_ref().map(HeaderValue::as_bytes),
        fields: Fields::Map(&left),
    })
}

/// Whether a request asks for the health of the proxy itself, at `server.health_path`: then it is
/// answered before any route, and [`forward()`] is not asked. GET and HEAD only, on any host; what
/// [`forward()`] refuses for its `Host` is no such request.
pub fn is_health_check(router: &Router, head: RequestHead<'_, '_>, headers: &HeaderMap, scratch: &mut Scratch) -> bool {
    router.is_health_check(head.method.as_str(), head.target, scratch) && has_valid_host(&head, headers)
}

fn has_valid_host(head: &RequestHead<'_, '_>, headers: &HeaderMap) -> bool {
    match host_field(headers) {
        Ok(Some(field)) => host::canonical(field.as_bytes(), &mut String::new()).is_ok(),
        Ok(None) => head.version != Version::HTTP_11,
        Err(_) => false,
    }
}

/// The value that `Host` will have: an absolute target's authority, else the one field.
fn effective_host(head: &RequestHead<'_, '_>, headers: &mut HeaderMap) -> Result<Option<HeaderValue>, Reject> {
    let field = host_field(headers)?.cloned();
    if field.is_none() && head.version == Version::HTTP_11 {
        return Err(Reject::bad(Reason::BadHost, "an HTTP/1.1 request needs a Host field"));
    }
    if head.target.starts_with('/') || head.target == "*" {
        return Ok(field);
    }
    let Some(authority) = target::parse(head.method.as_str(), head.target)?.authority else { return Ok(field) };
    if let Some(field) = &field {
        // RFC 9112 section 3.2: an invalid field is refused even where it is not used.
        host::canonical(field.as_bytes(), &mut String::new())?;
    }
    let value = HeaderValue::from_str(authority)
        .map_err(|_| Reject::bad(Reason::BadHost, "the authority has bytes that no header field has"))?;
    headers.insert(header::HOST, value.clone());
    Ok(Some(value))
}

/// Nothing is done where the client's own id stands there already, alone.
fn set_request_id(headers: &mut HeaderMap, id: &HeaderValue) {
    let mut lines = headers.iter().filter(|(name, _)| **name == X_REQUEST_ID).map(|(_, value)| value);
    if lines.next() != Some(id) || lines.next().is_some() {
        headers.insert(X_REQUEST_ID, id.clone());
    }
}

/// A WebSocket is asked for by GET in HTTP/1.1, with the token in `Upgrade` and `upgrade` in
/// `Connection` (RFC 6455 section 4.1); every other upgrade is unasked for.
fn wants_websocket(head: &RequestHead<'_, '_>, headers: &HeaderMap) -> bool {
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && has_token(headers, &header::UPGRADE, "websocket")
        && has_token(headers, &header::CONNECTION, "upgrade")
}

fn address_value(address: IpAddr) -> HeaderValue {
    // Addresses are printed in ASCII, so this never falls back.
    HeaderValue::from_str(&address.to_string()).unwrap_or(HeaderValue::from_static("0.0.0.0"))
}

/// Who the client is, and what a trusted peer says of it.
struct Claims {
    client: IpAddr,
    forwarded_for: Option<Vec<u8>>,
    scheme: Option<Scheme>,
    host: Option<HeaderValue>,
    port: Option<u16>,
    request_start: Option<HeaderValue>,
}

impl Claims {
    fn read(headers: &HeaderMap, connection: &ClientConnection, server: &ServerSettings) -> Self {
        let mut claims = Claims {
            client: connection.peer,
            forwarded_for: None,
            scheme: None,
            host: None,
            port: None,
            request_start: None,
        };
        if !connection.trusted {
            return claims;
        }
        let list = joined(headers, &X_FORWARDED_FOR);
        claims.client = named_client(headers, server)
            .unwrap_or_else(|| walk_from_the_right(&list, connection.peer, &server.trusted_proxies));
        claims.forwarded_for = (!list.is_empty()).then_some(list);
        // The nearest proxy writes last, so its word is the last one of the last field line.
        claims.scheme = last_word(headers, &X_FORWARDED_PROTO).and_then(|word| {
            [Scheme::Http, Scheme::Https]
                .into_iter()
                .find(|scheme| word.eq_ignore_ascii_case(scheme.as_str().as_bytes()))
        });
        claims.host = last_word(headers, &X_FORWARDED_HOST)
            .filter(|word| host::canonical(word, &mut String::new()).is_ok())
            .and_then(|word| HeaderValue::from_bytes(word).ok());
        claims.port = last_word(headers, &X_FORWARDED_PORT)
            .and_then(|word| std::str::from_utf8(word).ok()?.parse().ok())
            .filter(|&port: &u16| port > 0);
        claims.request_start = headers.get(X_REQUEST_START).cloned();
        claims
    }

    fn public(&self, host: Option<HeaderValue>, scheme: Scheme) -> PublicOrigin {
        let scheme = self.scheme.unwrap_or(scheme);
        let host = self.host.clone().or(host);
        let written = host.as_ref().and_then(|host| host::split(host.as_bytes()).ok()?.port);
        PublicOrigin { scheme, port: self.port.or(written).unwrap_or(scheme.default_port()), host }
    }

    fn set(&self, headers: &mut HeaderMap, connection: &ClientConnection, public: &PublicOrigin, fresh: Fresh<'_>) {
        headers.insert(X_FORWARDED_FOR, self.forwarded_for_value(connection));
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(public.scheme.as_str()));
        match &public.host {
            Some(host) => headers.insert(X_FORWARDED_HOST, host.clone()),
            None => headers.remove(X_FORWARDED_HOST),
        };
        headers.insert(X_FORWARDED_PORT, port_value(public.port));
        if public.scheme == Scheme::Https {
            headers.insert(X_FORWARDED_SSL, HeaderValue::from_static("on"));
        }
        let client =
            if self.client == connection.peer { connection.peer_value.clone() } else { address_value(self.client) };
        headers.insert(X_REAL_IP, client);
        headers.insert(X_REQUEST_START, self.request_start.as_ref().unwrap_or(fresh.request_start).clone());
    }

    fn forwarded_for_value(&self, connection: &ClientConnection) -> HeaderValue {
        let joined = self.forwarded_for.as_ref().and_then(|list| {
            let mut value = list.clone();
            value.extend_from_slice(b", ");
            value.extend_from_slice(connection.peer_value.as_bytes());
            HeaderValue::from_bytes(&value).ok()
        });
        joined.unwrap_or_else(|| connection.peer_value.clone())
    }
}

fn port_value(port: u16) -> HeaderValue {
    match port {
        80 => HeaderValue::from_static("80"),
        443 => HeaderValue::from_static("443"),
        other => HeaderValue::from(other),
    }
}

/// The address in the one field that `server.client_ip_header` names.
fn named_client(headers: &HeaderMap, server: &ServerSettings) -> Option<IpAddr> {
    let name = server.client_ip_header.as_ref()?;
    parse_address(last_word(headers, name)?)
}

/// The rightmost address that no trusted proxy has (`X-Forwarded-For` grows to the right, so
/// only what stands right of the first stranger was written by friends).
fn walk_from_the_right(list: &[u8], peer: IpAddr, trusted: &TrustedProxies) -> IpAddr {
    let mut client = peer;
    for entry in list.rsplit(|&byte| byte == b',').take(MAX_FORWARDED_FOR_ENTRIES) {
        // An entry that is no address may hide anything left of it: the last sure one stands.
        let Some(address) = parse_address(entry) else { break };
        client = address;
        if !trusted.contains(address) {
            break;
        }
    }
    client
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn parse_address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry.trim_ascii()).ok()?;
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, _) = rest.split_once(']')?;
        return inside.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    }
    let (address, port) = text.split_once(':')?;
    port.parse::<u16>().ok()?;
    address.parse().ok()
}

fn last_word<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let line = headers.get_all(name).iter().next_back()?;
    line.as_bytes().rsplit(|&byte| byte == b',').next().map(<[u8]>::trim_ascii).filter(|word| !word.is_empty())
}

#[cfg(test)]
#[path = "forward_tests.rs"]
mod tests;
