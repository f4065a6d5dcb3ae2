//! Decides where an HTTP request goes: routes in file order, compiled into an index.
//!
//! This is the routing library of WarpDrive. It reads a configuration, compiles its routes and
//! answers, for each request, which route accepts it, which upstream that means and what the
//! upstream is to be asked. It knows no socket, runtime, clock, environment or log: what it needs
//! of these is an argument.
//!
//! # The first match wins
//!
//! Routes are tried in file order; the first whose every condition holds wins, and a route that
//! fails on its method or a header field falls through to the next. There is no hidden priority:
//! a longer prefix does not beat a shorter one that stands before it. The index answers exactly as
//! the plain scan in [`oracle`] does.
//!
//! ```
//! use warpdrive_core::{RequestView, Router, Scratch};
//!
//! let router = Router::from_toml(r#"
//!     [upstreams.api]
//!     host = "127.0.0.1"
//!     port = 3000
//!
//!     [[routes]]
//!     host = "api.example.com"
//!     path_prefix = "/v1"
//!     methods = ["GET"]
//!     upstream = "api"
//! "#)?;
//! let mut scratch = Scratch::new();
//!
//! let request = RequestView::new("GET", "/v1/users?page=2").with_host("API.example.com:8080");
//! let found = router.route(&request, &mut scratch)?.expect("a route accepts this");
//! assert_eq!(found.route().number, 1);
//! assert_eq!(found.upstream_target(), "/v1/users?page=2");
//!
//! let other = RequestView::new("GET", "/v1x").with_host("api.example.com");
//! assert!(router.route(&other, &mut scratch)?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it costs
//!
//! A look-up is a hash of the host, a walk down a path tree and a test of the few routes that can
//! still match. It allocates nothing once its [`Scratch`] is warm, takes no lock and never panics,
//! whatever the request holds. See [`limits`] for every bound.
//!
//! # What to know
//!
//! - `path_prefix` takes whole segments: `/api` never accepts `/apix`.
//! - Paths are normalised before any rule sees them, and a path that a more lenient reader would
//!   route elsewhere is refused ([`Reason::AmbiguousPath`]).
//! - `methods` routes, it does not authorise: an application may read `_method=DELETE` from a POST.
//! - Regular expressions are searched: write `^` and `$`.

pub mod config;
pub mod limits;
pub mod model;

mod auth;
mod client;
mod fields;
mod forward;
mod host;
mod lanes;
mod method;
mod path;
mod pattern;
mod reject;
mod response;
mod retry;
mod router;
mod target;

pub use auth::AdminToken;
pub use client::{NetworkError, TrustedProxies, is_private};
pub use forward::{
    ClientConnection, Credentials, Forward, Fresh, PublicOrigin, RequestHead, Scheme, explain, forward, kept_request_id,
};
pub use host::{HostPattern, HostPatternError};
pub use model::Model;
pub use pattern::{HeaderCondition, HeaderTest, PathRegex, PathRule, PatternError};
pub use reject::{Reason, Reject};
pub use response::{finish_interim_response, finish_response};
pub use retry::RetryBudget;
pub use router::{
    CompileError, Condition, Considered, Explanation, Fields, RequestView, RouteMatch, Router, Scratch, SelectError,
    oracle,
};
