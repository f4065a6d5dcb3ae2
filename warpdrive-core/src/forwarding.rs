//! The header rules of a proxy: what goes to the upstream, what comes back, and who the client is.
//!
//! [`Router::route`](crate::Router::route) alone says where a request goes. A program that also passes it on uses
//! [`forward()`] instead, one pure function that does what live traffic of WarpDrive gets: it removes what a client may not send,
//! routes by what is left, checks `require_auth`, sets `X-Forwarded-*` and the route's `add_headers`. [`finish_response`] is its
//! counterpart on the way back, [`finish_trailers`] serves both ways. [`is_health_check`] comes before it, in a program that answers at `server.health_path`.
//!
//! ```
//! use http::{HeaderMap, HeaderValue, Method, Version};
//! use warpdrive_core::forwarding::{ClientConnection, Credentials, Fresh, RequestHead, Scheme, forward, kept_request_id};
//! use warpdrive_core::{Router, Scratch};
//!
//! let router = Router::from_toml("[upstreams.app]\nport = 3000\n[[routes]]\npath_prefix = \"/\"\nupstream = \"app\"")?;
//! let mut scratch = Scratch::new();
//!
//! // Once a connection:
//! let connection =
//!     ClientConnection::new("203.0.113.9".parse()?, Scheme::Http, &router.model().settings().server);
//! // For each request; core has neither a clock nor chance, so these two are the caller's:
//! let mut headers = HeaderMap::new();
//! headers.insert("host", HeaderValue::from_static("example.com"));
//! headers.insert("x-forwarded-for", HeaderValue::from_static("10.0.0.1"));
//! let request_id = kept_request_id(&headers).cloned().unwrap_or(HeaderValue::from_static("4f2a"));
//! let request_start = HeaderValue::from_static("t=1767225600000");
//! let fresh = Fresh { request_id: &request_id, request_start: &request_start };
//! let head = RequestHead { method: &Method::GET, version: Version::HTTP_11, target: "/users" };
//! let found = forward(&router, head, &mut headers, &connection, fresh, Credentials::Check, &mut scratch)?;
//!
//! assert_eq!(found.unwrap().matched.upstream_target(), "/users");
//! // A stranger's word on who it is does not count.
//! assert_eq!(headers["x-forwarded-for"], "203.0.113.9");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use crate::client::is_private;
pub use crate::forward::{
    ClientConnection, Credentials, Forward, Fresh, PublicOrigin, RequestHead, Scheme, explain, forward,
    is_health_check, kept_request_id,
};
pub use crate::response::{finish_interim_response, finish_response};
pub use crate::trailers::finish_trailers;
