//! How requests find an instance: strategy, cookie and queue of an upstream.

use std::time::Duration;

/// How an instance of an upstream is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Strategy {
    /// Each in turn, as often as its weight says, in a smooth order.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight for its weight; in turn where several have.
    LeastConn,
    /// By chance, as likely as its weight says.
    Random,
    /// Of two that are drawn by weight, the one with fewer requests in flight for its weight.
    PowerOfTwo,
    /// By the client's address, IPv6 by its /64: a client keeps its instance while that is there.
    /// Each has as many clients as its weight says.
    IpHash,
    /// By a cookie that the client's first response sets; the first request goes in turn.
    StickyCookie(StickyCookie),
}

/// The cookie of [`Strategy::StickyCookie`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StickyCookie {
    /// Its name, a token (RFC 6265 section 4.1.1). Two upstreams of one site need two names.
    pub name: String,
    /// Whether requests that other sites cause bring it along.
    pub same_site: SameSite,
}

impl StickyCookie {
    /// The cookie `warpdrive_NAME` of an upstream, with `_` for what no cookie's name may have.
    pub fn of(upstream: &str) -> Self {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
        let name = format!("warpdrive_{}", upstream.chars().map(plain).collect::<String>());
        StickyCookie { name, same_site: SameSite::Lax }
    }
}

/// The `SameSite` attribute of a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SameSite {
    /// Other sites' links bring it, their forms, frames and scripts do not.
    #[default]
    Lax,
    /// Nothing of other sites brings it.
    Strict,
    /// Everything brings it. Browsers take it over HTTPS alone.
    None,
}

/// `queue` and `queue_timeout_secs`: how requests wait for an instance below its `max_connections`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueSettings {
    /// How many may wait, from 0 to [`crate::limits::MAX_QUEUE`].
    pub size: usize,
    /// How long each may wait.
    pub timeout: Duration,
}

impl Default for QueueSettings {
    fn default() -> Self {
        QueueSettings { size: 100, timeout: Duration::from_secs(5) }
    }
}
