//! A table written in code: the same rules as for a file, and every mistake at once.

mod errors;
mod read;
mod route;

use std::collections::{HashMap, HashSet};

pub use errors::{BuildError, BuildErrors};
pub use route::RouteBuilder;

use errors::Mistakes;

use crate::config::rules::{self, Mistake};
use crate::limits::{MAX_INSTANCES, MAX_ROUTES, MAX_UPSTREAMS};
use crate::model::{Address, Instance, Model, Settings, Strategy, Upstream, UpstreamId};

/// Makes a [`Model`] from upstreams and routes that are written in code. Begin with
/// [`Model::builder`].
///
/// Nothing is judged before [`ModelBuilder::build`], so upstreams, routes and settings may come in
/// any order among each other. Routes keep the order in which they are added: it is the order of
/// precedence. A table without routes is allowed and accepts no request.
///
/// ```
/// use warpdrive_core::model::Address;
/// use warpdrive_core::{Model, RequestView, RouteBuilder, Router, Scratch};
///
/// let model = Model::builder()
///     .upstream("jobs", [Address::unix("/run/jobs.sock")])
///     .upstream("app", [Address::tcp("10.0.0.7", 3000), Address::tcp("10.0.0.8", 3000)])
///     .route(RouteBuilder::to("jobs").path_prefix("/jobs").strip_prefix())
///     .route(RouteBuilder::to("app").host("*.example.com").methods(["GET", "POST"]))
///     .build()?;
/// let router = Router::compile(model)?;
///
/// let mut scratch = Scratch::new();
/// let found = router.route(&RequestView::new("GET", "/jobs/7?full=1"), &mut scratch)?.unwrap();
/// assert_eq!((found.upstream().name.as_str(), found.upstream_target()), ("jobs", "/7?full=1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ModelBuilder {
    settings: Settings,
    upstreams: Vec<(String, Strategy, Vec<Instance>)>,
    routes: Vec<RouteBuilder>,
}

impl Model {
    /// Begins a table that is written in code.
    pub fn builder() -> ModelBuilder {
        ModelBuilder::default()
    }
}

impl ModelBuilder {
    /// Replaces the settings, which are [`Settings::default`] otherwise. Times and sizes that a
    /// route does not set are those of `settings.server`.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Adds an upstream: a name that no other one has, and the addresses of its instances, from 1
    /// to [`MAX_INSTANCES`].
    pub fn upstream(self, name: impl Into<String>, instances: impl IntoIterator<Item = Address>) -> Self {
        self.balanced(name, Strategy::default(), instances.into_iter().map(Instance::from))
    }

    /// The same with any [`Strategy`], and with instances of which each has a weight or is a backup:
    /// for a [`Balancer`](crate::balance::Balancer).
    pub fn balanced(
        mut self,
        name: impl Into<String>,
        strategy: Strategy,
        instances: impl IntoIterator<Item = Instance>,
    ) -> Self {
        self.upstreams.push((name.into(), strategy, instances.into_iter().collect()));
        self
    }

    /// Adds a route behind the routes that are there; the first one has number 1.
    pub fn route(mut self, route: RouteBuilder) -> Self {
        self.routes.push(route);
        self
    }

    /// Checks everything. Takes some microseconds a route, and longer for each regular expression.
    ///
    /// # Errors
    /// Every mistake at once, each with the number of its route and the key that it is about.
    pub fn build(self) -> Result<Model, BuildErrors> {
        let ModelBuilder { settings, upstreams, routes } = self;
        let mut mistakes = Mistakes::default();
        for (key, mistake) in rules::settings(&settings) {
            mistakes.add(None, key, mistake);
        }
        let upstreams = Upstreams::read(upstreams, &mut mistakes);
        let mut table = Vec::new();
        match rules::count(routes.len(), MAX_ROUTES, "routes") {
            Err(mistake) => mistakes.add(None, "routes".to_owned(), mistake),
            Ok(()) => {
                table.reserve_exact(routes.len());
                for (number, route) in (1..).zip(routes) {
                    table.extend(route.read(number, &upstreams, &settings.server, &mut mistakes));
                }
            }
        }
        mistakes.finish()?;
        Ok(Model { settings, upstreams: upstreams.list, routes: table })
    }
}

/// The upstreams by name, also those whose own mistakes make routes to them no further mistake.
#[derive(Default)]
struct Upstreams {
    list: Vec<Upstream>,
    by_name: HashMap<String, Option<UpstreamId>>,
    /// Every name, in the order in which they were added.
    names: Vec<String>,
}

impl Upstreams {
    fn read(given: Vec<(String, Strategy, Vec<Instance>)>, mistakes: &mut Mistakes) -> Self {
        let mut upstreams = Upstreams::default();
        if let Err(mistake) = rules::count(given.len(), MAX_UPSTREAMS, "upstreams") {
            mistakes.add(None, "upstreams".to_owned(), mistake);
            return upstreams;
        }
        for (name, strategy, instances) in given {
            upstreams.add(name, strategy, instances, mistakes);
        }
        upstreams
    }

    fn add(&mut self, name: String, strategy: Strategy, instances: Vec<Instance>, mistakes: &mut Mistakes) {
        let before = mistakes.len();
        let key = format!("upstreams.{name}");
        if let Err(mistake) = rules::upstream_name(&name) {
            mistakes.add(None, "upstreams".to_owned(), mistake);
            return;
        }
        if self.by_name.contains_key(&name) {
            mistakes.add(None, key.clone(), rules::named_twice(&name));
        }
        let instances = checked_all(&key, instances, mistakes);
        if let Strategy::StickyCookie(cookie) = &strategy
            && let Err(mistake) = rules::cookie_name(&cookie.name)
        {
            mistakes.add(None, format!("{key}.sticky_cookie.name"), mistake);
        }
        let sound = mistakes.len() == before;
        let id = UpstreamId(self.list.len() as u32);
        self.by_name.entry(name.clone()).or_insert(sound.then_some(id));
        if sound {
            self.list.push(Upstream { strategy, ..Upstream::new(name.clone(), instances) });
        }
        self.names.push(name);
    }

    /// `Ok(None)` is an upstream whose mistakes are told already.
    fn find(&self, number: u32, name: &str) -> Result<Option<UpstreamId>, Mistake> {
        self.by_name.get(name).copied().ok_or_else(|| {
            let known: Vec<&str> = self.names.iter().map(String::as_str).collect();
            let mistake = rules::unknown_upstream(number, name, &known);
            if known.is_empty() { mistake.with_help("add it with `ModelBuilder::upstream`") } else { mistake }
        })
    }
}

fn checked_all(key: &str, given: Vec<Instance>, mistakes: &mut Mistakes) -> Vec<Instance> {
    if given.is_empty() {
        mistakes.add(None, key.to_owned(), rules::no_instance());
    } else if given.iter().all(|instance| instance.backup) {
        mistakes.add(None, key.to_owned(), rules::only_backups());
    }
    if let Err(mistake) = rules::count(given.len(), MAX_INSTANCES, "instances") {
        mistakes.add(None, key.to_owned(), mistake);
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let mut instances = Vec::with_capacity(given.len());
    for instance in given {
        if let Err(mistake) = rules::whole_number(Some(u64::from(instance.weight)), &rules::WEIGHTS) {
            mistakes.add(None, format!("{key}.weight"), mistake);
        }
        let Some(address) = checked(key, instance.address.clone(), mistakes) else { continue };
        if !seen.insert(address.clone()) {
            mistakes.add(None, key.to_owned(), rules::listens_twice(&address));
        }
        instances.push(Instance { address, ..instance });
    }
    instances
}

/// The address in its one form.
fn checked(key: &str, address: Address, mistakes: &mut Mistakes) -> Option<Address> {
    match address {
        Address::Tcp { host, port } => {
            let name = rules::host_name(&host);
            let number = rules::whole_number(Some(u64::from(port)), &rules::PORTS);
            match (name, number) {
                (Ok(host), Ok(_)) => Some(Address::Tcp { host, port }),
                (name, number) => {
                    name.err().into_iter().for_each(|mistake| mistakes.add(None, format!("{key}.host"), mistake));
                    number.err().into_iter().for_each(|mistake| mistakes.add(None, format!("{key}.port"), mistake));
                    None
                }
            }
        }
        Address::Unix(path) => match rules::socket_path(&path) {
            Ok(()) => Some(Address::Unix(path)),
            Err(mistake) => {
                mistakes.add(None, format!("{key}.socket"), mistake);
                None
            }
        },
    }
}
