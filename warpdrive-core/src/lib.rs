//! Decides where an HTTP request goes: routes in the order in which they are written, compiled
//! into an index, with no runtime attached.
//!
//! This is the routing library of WarpDrive. It takes a table, from a configuration file or from
//! code, and answers for each request which route accepts it, which upstream that means and what
//! the upstream is to be asked. It knows no socket, runtime, clock, environment or log: what it
//! needs of these is an argument. It works the same under hyper, axum, a thread pool or none.
//!
//! # In a program
//!
//! A table once, a router for everyone, a [`Scratch`] for each thread:
//!
//! ```
//! use std::cell::RefCell;
//! use std::error::Error;
//!
//! use http::{HeaderValue, StatusCode, header::HOST, request::Parts};
//! use warpdrive_core::model::Address;
//! use warpdrive_core::{Fields, Model, RequestView, RouteBuilder, Router, Scratch};
//!
//! /// The table: `/jobs/7` goes to `jobs` as `/7`, reading `/api` goes to `api`, all else is 404.
//! pub fn table(api: Address, jobs: Address) -> Result<Router, Box<dyn Error>> {
//!     let model = Model::builder()
//!         .upstream("api", [api])
//!         .upstream("jobs", [jobs])
//!         .route(RouteBuilder::to("jobs").path_prefix("/jobs").strip_prefix())
//!         .route(RouteBuilder::to("api").path_prefix("/api").methods(["GET"]))
//!         .build()?;
//!     Ok(Router::compile(model)?)
//! }
//!
//! thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::default());
//!
//! /// The upstream of a request and the target to ask it for, or the status to answer with.
//! pub fn decide(router: &Router, head: &Parts) -> Result<(String, String), StatusCode> {
//!     let target = head.uri.to_string();
//!     let view = RequestView::new(head.method.as_str(), &target).with_fields(Fields::Map(&head.headers));
//!     let view = RequestView { host: head.headers.get(HOST).map(HeaderValue::as_bytes), ..view };
//!     SCRATCH.with_borrow_mut(|scratch| match router.route(&view, scratch) {
//!         Ok(Some(found)) => Ok((found.upstream().name.clone(), found.upstream_target().to_owned())),
//!         Ok(None) => Err(StatusCode::NOT_FOUND),
//!         Err(reject) => Err(reject.status),
//!     })
//! }
//! #
//! # let router = table(Address::tcp("127.0.0.1", 3000), Address::tcp("127.0.0.1", 3001)).unwrap();
//! # let ask = |target| decide(&router, &http::Request::get(target).body(()).unwrap().into_parts().0);
//! # assert_eq!(ask("/jobs/7"), Ok(("jobs".into(), "/7".into())));
//! # assert_eq!(ask("/api/users?page=2"), Ok(("api".into(), "/api/users?page=2".into())));
//! # assert_eq!(ask("/apix"), Err(StatusCode::NOT_FOUND));
//! ```
//!
//! [`Router::from_toml`] takes the same table as text, [`config::load`] also tells its warnings.
//! [`Router::explain`] says in words why a request goes where it goes. A proxy uses
//! [`forwarding::forward`], which routes and applies the header rules in one step.
//!
//! # The first match wins
//!
//! Routes are tried in order; the first whose every condition holds wins, and a route that fails
//! on its method or a header field falls through to the next. There is no other priority. Who
//! comes from nginx expects the longest prefix to win wherever it stands, and an exact location or
//! an expression to beat a prefix. Here a wide route hides all that come after it:
//!
//! ```
//! use warpdrive_core::{RequestView, Router, Scratch};
//!
//! let router = Router::from_toml(r#"
//!     [upstreams.app]
//!     port = 3000
//!     [upstreams.images]
//!     port = 3001
//!
//!     [[routes]]
//!     path_prefix = "/"
//!     upstream = "app"
//!     [[routes]]
//!     path_exact = "/images/logo.png"
//!     upstream = "images"
//! "#)?;
//! let mut scratch = Scratch::new();
//! let found = router.route(&RequestView::new("GET", "/images/logo.png"), &mut scratch)?;
//! // nginx would ask `images`. Put the narrow route first.
//! assert_eq!(found.unwrap().upstream().name, "app");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The index answers exactly as the plain scan in [`oracle`] does, for every table and request.
//!
//! # What it costs
//!
//! | what | grows with |
//! |---|---|
//! | a look-up | the length of host and path, and the routes for both that are tried before one accepts |
//! | compiling | the routes, about a microsecond each, and more for expressions |
//! | a router's memory | the routes, about a kilobyte each, and the programs of expressions |
//! | a [`Scratch`] | the longest path that it has seen, and a cache for each expression that it has run |
//!
//! A look-up does not grow with the table. It allocates nothing once its scratch is warm, takes no
//! lock and never panics, whatever the request holds; expressions run in linear time. Two kinds of
//! routes cost a test each at every look-up that gets to them: expressions without a leading `^`
//! (at most [`limits::MAX_UNANCHORED_REGEXES`] on a host), and routes of one host and path that
//! are told apart by expressions on header fields alone. Every bound is in [`limits`].
//!
//! # Traps
//!
//! - `methods` routes, it does not authorise: an application may read `_method=DELETE` from a POST.
//! - `GET` accepts `HEAD` too, always. A later route for `HEAD` alone is never reached.
//! - `path_prefix` takes whole segments: `/api` never accepts `/apix`.
//! - Expressions are searched: write `^` and `$`, or `admin` also finds `/x/administrators`.
//! - Conditions see the header fields that they are given. [`forwarding::forward`] first removes what a
//!   client may not send; a caller of [`Router::route`] decides that alone, and a field that
//!   any client can send is no proof of anything.
//! - [`RequestView`] takes one host. A request with two `Host` fields is to be refused (RFC 9112
//!   section 3.2): [`forwarding::forward`] does, a caller of [`Router::route`] has to.
//! - Paths are normalised before any rule sees them, and a path that a more lenient reader would
//!   route elsewhere, such as `/api/..%2fadmin`, is refused ([`Reason::AmbiguousPath`]). Pass the
//!   upstream what [`RouteMatch::upstream_target`] says, never the target that came.
//! - `require_auth`, `add_headers` and `response_headers` are part of the table, and only
//!   [`forwarding`] acts on them.
//!
//! # Threads, and changing the table
//!
//! A [`Router`] is `Send + Sync` and never changes: share it in an `Arc`. A [`Scratch`] is the
//! opposite: each thread (or connection) keeps one of its own. To change the table, compile a new
//! router beside the old one and swap the pointer; `arc-swap` does that without a lock for
//! readers. What is under way goes on with the router that it began with:
//!
//! ```
//! use arc_swap::ArcSwap;
//! use warpdrive_core::{RequestView, Router, Scratch};
//!
//! # let text = "[upstreams.a]\nport = 1\n[[routes]]\nupstream = \"a\"";
//! let current = ArcSwap::from_pointee(Router::from_toml(text)?);
//!
//! // Where a request comes in:
//! let mut scratch = Scratch::new();
//! let router = current.load();
//! let found = router.route(&RequestView::new("GET", "/"), &mut scratch)?;
//! assert_eq!(found.unwrap().upstream().name, "a");
//!
//! // Where the table changes. A text with mistakes never gets this far:
//! current.store(Router::from_toml("[upstreams.b]\nport = 2\n[[routes]]\nupstream = \"b\"")?.into());
//!
//! let found = current.load().route(&RequestView::new("GET", "/"), &mut scratch)?.map(|found| found.route().number);
//! assert_eq!(found, Some(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

/// The example that people see first is compiled and run like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod balance;
pub mod config;
pub mod forwarding;
pub mod health;
pub mod limits;
pub mod model;

mod auth;
mod builder;
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
mod trailers;

pub use builder::{BuildError, BuildErrors, ModelBuilder, RouteBuilder};
pub use forward::forward;
pub use model::Model;
pub use reject::{Reason, Reject};
pub use retry::RetryBudget;
pub use router::{
    CompileError, Condition, Considered, Explanation, Fields, RequestView, RouteMatch, Router, Scratch, SelectError,
    oracle,
};
