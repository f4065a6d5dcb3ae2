//! The compiled router: first match in file order, answered from an index.

mod compile;
mod explain;
mod hosts;
mod lists;
pub mod oracle;
mod regexes;
mod rewrite;
mod rule;
mod tree;
mod view;

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

pub use compile::CompileError;
pub use explain::{Condition, Considered, Explanation};
pub(crate) use view::host_field;
pub use view::{Fields, RequestView, RouteMatch};

use hosts::{Hosts, TreeId};
use lists::{Cursor, Lists};
use regexes::{RegexScratch, Regexes};
use rewrite::Choice;
use rule::{Facts, Rule};
use tree::{MARK, Tree};

use crate::config::{self, ConfigErrors};
use crate::host;
use crate::limits::MAX_TARGET_BYTES;
use crate::method::method_bit;
use crate::model::{Model, Upstream};
use crate::path;
use crate::reject::{Reason, Reject, target_too_long};
use crate::target::{self, Target};

/// Routes compiled into a decision structure: a host map, a path tree for each host pattern, and
/// short lists that are tested in file order.
///
/// A look-up gives the first route, in file order, whose every condition holds: exactly what
/// trying each in turn would give. It allocates nothing once its [`Scratch`] is warm, takes no
/// lock and never panics. A router is `Send + Sync`; share it in an `Arc` and give each thread a
/// scratch of its own.
///
/// ```
/// use warpdrive_core::{RequestView, Router, Scratch};
///
/// let router = Router::from_toml(r#"
///     [upstreams.rails]
///     port = 3000
///     [upstreams.cable]
///     port = 3001
///
///     [[routes]]
///     path_prefix = "/cable"
///     upstream = "cable"
///     [[routes]]
///     path_prefix = "/"
///     upstream = "rails"
/// "#)?;
///
/// let mut scratch = Scratch::default();
/// let found = router.route(&RequestView::new("GET", "/cable?token=1"), &mut scratch)?;
/// assert_eq!(found.unwrap().upstream().name, "cable");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Router {
    model: Model,
    rules: Box<[Rule]>,
    hosts: Hosts,
    trees: Box<[Tree]>,
    lists: Lists,
    regexes: Regexes,
    identity: Identity,
}

/// Tells routers apart, so that a scratch never lends one router's caches to another.
#[derive(Clone, Debug, Default)]
struct Identity(Arc<()>);

/// The buffers that a look-up writes to. Keep one for each thread: it is worth its memory after
/// the first look-up. It may be used with several routers, but then starts afresh at each change.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The last host as it was written: on one connection, and often on all, it stays the same.
    written_host: Vec<u8>,
    /// The same in canonical form.
    host: Vec<u8>,
    /// The normal path, a slash and the mark of the end while looking up; the normal path afterwards.
    path: String,
    lenient: String,
    target: String,
    cursors: Vec<Cursor>,
    regexes: RegexScratch,
    identity: Option<Identity>,
}

impl Router {
    /// Compiles a model. Takes about a microsecond and, with literal paths, a kilobyte a route.
    ///
    /// # Errors
    /// A [`CompileError`] where the model is larger than [`crate::limits`] allow.
    pub fn compile(model: Model) -> Result<Self, CompileError> {
        compile::compile(model)
    }

    /// Compiles a configuration text, without looking at the environment. Warnings are dropped:
    /// use [`crate::config::load`] to see them.
    ///
    /// # Errors
    /// Every mistake in the text at once.
    pub fn from_toml(text: &str) -> Result<Self, ConfigErrors> {
        let loaded = config::load(config::Source::file("warpdrive.toml", text))?;
        Router::compile(loaded.model).map_err(ConfigErrors::from_compile)
    }

    /// What the router was compiled from.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The upstream of a request: the simple way in, for tests and small programs.
    ///
    /// Makes a scratch of its own at every call, and so allocates: where speed counts, use
    /// [`Router::route`].
    ///
    /// # Errors
    /// The refusals of [`Router::route`], and 404 (or `server.no_route_status`) where no route
    /// accepts the request.
    pub fn select_upstream<B>(&self, request: &http::Request<B>) -> Result<&Upstream, SelectError> {
        let mut scratch = Scratch::default();
        let target = request.uri().to_string();
        let host = host_field(request.headers()).map_err(SelectError::Rejected)?;
        let view = RequestView {
            method: request.method().as_str(),
            target: &target,
            host: host.map(HeaderValue::as_bytes),
            fields: Fields::Map(request.headers()),
        };
        match self.route(&view, &mut scratch) {
            Ok(Some(found)) => Ok(found.upstream),
            Ok(None) => Err(SelectError::NoRoute { status: self.model.settings.server.no_route_status }),
            Err(reject) => Err(SelectError::Rejected(reject)),
        }
    }

    /// The first route, in file order, that accepts the request; `None` where none does.
    ///
    /// # Errors
    /// A [`Reject`] for a request that no route may see: a target, host or path that is none, a
    /// path that a more lenient reader would route elsewhere, CONNECT and TRACE, and, with
    /// `server.method_not_allowed`, a request whose method alone was wrong.
    pub fn route<'r, 'q>(
        &'r self,
        view: &RequestView<'q>,
        scratch: &'q mut Scratch,
    ) -> Result<Option<RouteMatch<'r, 'q>>, Reject> {
        self.route_with(view.method, view.target, view.host, view.fields, scratch)
    }

    /// [`Router::route`] with the fields' lifetime apart, so that they can be edited afterwards.
    pub(crate) fn route_with<'r, 'q>(
        &'r self,
        method: &str,
        raw_target: &'q str,
        host_field: Option<&[u8]>,
        fields: Fields<'_>,
        scratch: &'q mut Scratch,
    ) -> Result<Option<RouteMatch<'r, 'q>>, Reject> {
        scratch.begin(self);
        let target = target::parse(method, raw_target)?;
        if let Some(field) = host_field {
            // Checked even where an authority beats it (RFC 9112 section 3.2).
            scratch.read_host(field)?;
        }
        if let Some(authority) = target.authority {
            scratch.read_host(authority.as_bytes())?;
        }
        let has_host = host_field.is_some() || target.authority.is_some();
        let found = self.find(&target, has_host, method, fields, scratch)?;
        let Some((position, findings)) = found else { return Ok(None) };
        let (Some(route), Some(choice)) =
            (self.model.routes.get(position as usize), self.choose(position, &target, findings, scratch)?)
        else {
            return Ok(None);
        };
        let Some(upstream) = self.model.upstream(route.upstream) else { return Ok(None) };
        let scratch: &'q Scratch = scratch;
        Ok(Some(RouteMatch {
            route,
            upstream,
            host: has_host.then_some(scratch.host.as_slice()),
            path: target.path.is_some().then_some(scratch.path.as_str()),
            upstream_target: match choice {
                Choice::Own(own) => own,
                Choice::Composed { .. } => &scratch.target,
            },
        }))
    }

    /// Whether a request is for `server.health_path`, which the proxy answers before any route: GET or
    /// HEAD, on any host, at any spelling of that path. Allocates nothing once the scratch is warm.
    pub(crate) fn is_health_check(&self, method: &str, raw_target: &str, scratch: &mut Scratch) -> bool {
        let Some(own) = self.model.settings.server.health_path.as_deref() else { return false };
        if method != "GET" && method != "HEAD" {
            return false;
        }
        // Most requests end here, at the first look at their bytes.
        let Ok(target) = target::parse(method, raw_target) else { return false };
        let Some(raw) = target.path else { return false };
        if target.plain {
            return raw == own;
        }
        path::normalise(raw, self.model.settings.server.merge_slashes, &mut scratch.path).is_ok() && scratch.path == own
    }

    /// Normalises the path, asks the index, and asks again where another reader could differ.
    fn find(
        &self,
        target: &Target<'_>,
        has_host: bool,
        method: &str,
        fields: Fields<'_>,
        scratch: &mut Scratch,
    ) -> Result<Option<(u32, path::Findings)>, Reject> {
        let Scratch { host, path: normal, lenient, cursors, regexes, .. } = scratch;
        let host = has_host.then_some(host.as_slice());
        let Some(raw) = target.path else {
            normal.clear();
            let facts = Facts { method, method_bit: method_bit(method), path: None, fields };
            let found = self.select(host, None, &facts, cursors, regexes)?;
            return Ok(found.map(|position| (position, path::Findings::default())));
        };
        let findings = if target.plain {
            normal.clear();
            normal.push_str(raw);
            path::Findings::default()
        } else {
            path::normalise(raw, self.model.settings.server.merge_slashes, normal)?
        };
        let facts = Facts { method, method_bit: method_bit(method), path: None, fields };
        let found = self.select_path(host, normal, &facts, cursors, regexes)?;
        let Some(position) = found else { return Ok(None) };
        if findings.ambiguous {
            path::lenient(normal, lenient).map_err(ambiguous)?;
            self.reaches_the_same(position, host, lenient, facts, cursors, regexes)?;
        }
        Ok(Some((position, findings)))
    }

    /// Refuses a request whose path, read leniently, reaches another route.
    #[cold]
    fn reaches_the_same(
        &self,
        position: u32,
        host: Option<&[u8]>,
        lenient: &mut String,
        facts: Facts<'_>,
        cursors: &mut Vec<Cursor>,
        regexes: &mut RegexScratch,
    ) -> Result<(), Reject> {
        // A route that this reading only fails by its method is another route, too.
        if self.select_path(host, lenient, &facts, cursors, regexes) == Ok(Some(position)) {
            return Ok(());
        }
        Err(Reject::bad(
            Reason::AmbiguousPath,
            format!("another reading of the path, {lenient}, reaches another route"),
        ))
    }

    /// [`Router::select`] for a path, whose end is marked meanwhile.
    #[inline]
    fn select_path(
        &self,
        host: Option<&[u8]>,
        path: &mut String,
        facts: &Facts<'_>,
        cursors: &mut Vec<Cursor>,
        regexes: &mut RegexScratch,
    ) -> Result<Option<u32>, Reject> {
        let length = path.len();
        path.push_str(MARK);
        let facts = Facts { path: path.get(..length), ..*facts };
        let found = self.select(host, Some(path), &facts, cursors, regexes);
        path.truncate(length);
        found
    }

    /// The position of the first route whose every condition holds. `key` is the path with its end
    /// marked; `None` is the target `*`.
    #[inline]
    fn select(
        &self,
        host: Option<&[u8]>,
        key: Option<&str>,
        facts: &Facts<'_>,
        cursors: &mut Vec<Cursor>,
        regexes: &mut RegexScratch,
    ) -> Result<Option<u32>, Reject> {
        regexes.begin();
        self.open(host, key, facts, cursors, regexes);
        let answer_405 = self.model.settings.server.method_not_allowed;
        let mut method_failed = false;
        let mut last = u32::MAX;
        while let Some(position) = self.lists.next(cursors) {
            // One route may stand in two trees, or under two keys of one list.
            if position == last {
                continue;
            }
            last = position;
            let Some(rule) = self.rules.get(position as usize) else { continue };
            if rule.unconditional {
                return Ok(Some(position));
            }
            let method_accepted = rule.methods.accepts(facts.method, facts.method_bit);
            let route = || self.model.routes.get(position as usize);
            if (method_accepted || answer_405) && rule.accepts_but_method(route, facts, &self.regexes, regexes) {
                if method_accepted {
                    return Ok(Some(position));
                }
                method_failed = true;
            }
        }
        if method_failed { Err(self.method_not_allowed(host, key, facts, cursors, regexes)) } else { Ok(None) }
    }

    /// Collects the candidates of every tree that may hold a route for the request.
    #[inline]
    fn open(
        &self,
        host: Option<&[u8]>,
        key: Option<&str>,
        facts: &Facts<'_>,
        cursors: &mut Vec<Cursor>,
        regexes: &mut RegexScratch,
    ) {
        cursors.clear();
        if let Some(host) = host {
            if let Some(tree) = self.hosts.exact(host) {
                self.open_tree(tree, key, facts, cursors, regexes);
            }
            self.hosts.each_wildcard(host, |tree| self.open_tree(tree, key, facts, cursors, regexes));
        }
        if let Some(tree) = self.hosts.any() {
            self.open_tree(tree, key, facts, cursors, regexes);
        }
    }

    fn open_tree(
        &self,
        tree: TreeId,
        key: Option<&str>,
        facts: &Facts<'_>,
        cursors: &mut Vec<Cursor>,
        regexes: &mut RegexScratch,
    ) {
        let Some(tree) = self.trees.get(tree as usize) else { return };
        if let Some(list) = tree.wide() {
            self.lists.open(list, facts, &self.regexes, regexes, cursors);
        }
        if let Some(node) = key.and_then(|key| tree.deepest(key)) {
            for &list in tree.lists(node) {
                self.lists.open(list, facts, &self.regexes, regexes, cursors);
            }
            lists::push(node.plain, cursors);
        }
    }

    /// The refusal that lists the methods of every route whose other conditions hold.
    #[cold]
    fn method_not_allowed(
        &self,
        host: Option<&[u8]>,
        key: Option<&str>,
        facts: &Facts<'_>,
        cursors: &mut Vec<Cursor>,
        regexes: &mut RegexScratch,
    ) -> Reject {
        self.open(host, key, facts, cursors, regexes);
        let mut names: Vec<&str> = Vec::new();
        while let Some(position) = self.lists.next(cursors) {
            let (Some(rule), Some(route)) =
                (self.rules.get(position as usize), self.model.routes.get(position as usize))
            else {
                continue;
            };
            if rule.accepts_but_method(|| Some(route), facts, &self.regexes, regexes) {
                names.extend(route.methods.iter().map(http::Method::as_str));
            }
        }
        if names.contains(&"GET") {
            names.push("HEAD");
        }
        names.sort_unstable();
        names.dedup();
        let allow = names.join(", ");
        let detail = format!("no route here accepts {}, only {allow}", facts.method);
        let mut reject = Reject::new(StatusCode::METHOD_NOT_ALLOWED, Reason::MethodNotAllowed, detail);
        reject.allow = HeaderValue::from_str(&allow).ok();
        reject
    }

    /// Chooses the upstream's target, and refuses one that a lenient reader would climb out of.
    fn choose<'q>(
        &self,
        position: u32,
        target: &Target<'q>,
        findings: path::Findings,
        scratch: &mut Scratch,
    ) -> Result<Option<Choice<'q>>, Reject> {
        let Some(route) = self.model.routes.get(position as usize) else { return Ok(None) };
        let Scratch { path: normal, target: composed, lenient, .. } = scratch;
        let normal = target.path.is_some().then_some(normal.as_str());
        let choice = rewrite::upstream_target(route, target, normal, findings, composed);
        if matches!(choice, Choice::Composed { .. }) && composed.len() > MAX_TARGET_BYTES {
            return Err(target_too_long(composed.len()));
        }
        if let (Choice::Composed { path }, true) = (&choice, findings.ambiguous) {
            path::lenient(composed.get(..*path).unwrap_or("/"), lenient).map_err(ambiguous)?;
        }
        Ok(Some(choice))
    }

    /// How many candidate positions the index holds, for the bench that prints memory.
    #[doc(hidden)]
    pub fn index_positions(&self) -> usize {
        self.lists.positions()
    }
}

impl Scratch {
    /// A scratch that has met no router yet.
    pub fn new() -> Self {
        Scratch::default()
    }

    /// Brings a host into canonical form.
    fn read_host(&mut self, written: &[u8]) -> Result<(), Reject> {
        if written != self.written_host || written.is_empty() {
            self.written_host.clear();
            host::canonical_bytes(written, &mut self.host)?;
            self.written_host.extend_from_slice(written);
        }
        Ok(())
    }

    fn begin(&mut self, router: &Router) {
        let known = self.identity.as_ref().is_some_and(|identity| Arc::ptr_eq(&identity.0, &router.identity.0));
        if !known {
            self.regexes = RegexScratch::default();
            self.identity = Some(router.identity.clone());
        }
    }
}

/// A path as it goes on the wire: never empty.
fn path_of(replacement: &str) -> &str {
    if replacement.is_empty() { "/" } else { replacement }
}

fn ambiguous(error: path::PathError) -> Reject {
    Reject::bad(Reason::AmbiguousPath, format!("in another reading of the path, {error}"))
}

/// Why [`Router::select_upstream`] gives no upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// No route accepts the request.
    #[error("no route accepts the request")]
    NoRoute {
        /// What `server.no_route_status` says.
        status: StatusCode,
    },
    /// The request is refused before any route.
    #[error(transparent)]
    Rejected(Reject),
}
