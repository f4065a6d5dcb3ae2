//! From configuration text and environment to a [`Model`]: every mistake at once.

mod admin;
mod balancing;
mod diagnostic;
mod findings;
mod health;
mod instances;
mod listeners;
mod process;
mod reader;
mod routes;
pub(crate) mod rules;
mod settings;
mod suggest;
mod upstreams;

use std::ffi::OsString;

use toml::de::DeTable;

pub(crate) use diagnostic::Report;
pub use diagnostic::{Code, ConfigErrors, Diagnostic, Place, Severity};

use findings::{Programs, RoutePlaces, Subject, UpstreamPlaces};
use reader::{Environment, Keys, Raw};
use upstreams::Upstreams;

use crate::limits::MAX_CONFIG_BYTES;
use crate::model::{Address, Instance, Model, PathAction, Route, RouteLimits, ServerSettings, Settings, Upstream};
use crate::pattern::PathRule;

/// What a configuration is read from. Core never asks the system itself.
///
/// ```
/// use warpdrive_core::config::{Source, load};
///
/// let text = "[upstreams.app]\nport = 3000\n";
/// let loaded = load(Source::file("warpdrive.toml", text))?;
/// assert!(loaded.warnings.is_empty());
/// # Ok::<(), warpdrive_core::config::ConfigErrors>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Source<'a> {
    file: Option<(&'a str, &'a str)>,
    env: &'a [(OsString, OsString)],
    programs: Option<Programs<'a>>,
}

impl<'a> Source<'a> {
    /// A file's text, and the file's name for messages.
    pub fn file(name: &'a str, text: &'a str) -> Self {
        Source { file: Some((name, text)), ..Source::default() }
    }

    /// The simple mode, in which the environment names the one upstream.
    pub fn without_file() -> Self {
        Source::default()
    }

    /// The same with an environment, such as `std::env::vars_os()` gives it. Without, it is empty.
    #[must_use]
    pub fn with_env(self, env: &'a [(OsString, OsString)]) -> Self {
        Source { env, ..self }
    }

    /// The same with a way to tell whether a program is there: a name without slash is looked up
    /// like a shell does, a path is taken as it is. Without, nothing is said of missing programs.
    #[must_use]
    pub fn with_programs(self, exists: &'a dyn Fn(&str) -> bool) -> Self {
        Source { programs: Some(Programs(exists)), ..self }
    }
}

/// A configuration without mistakes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// What it says.
    pub model: Model,
    /// What may be meant otherwise, sorted by place: at most [`crate::limits::MAX_DIAGNOSTICS`].
    pub warnings: Vec<Diagnostic>,
    /// How many more warnings there were.
    pub more_warnings: usize,
}

/// Reads a configuration.
///
/// The environment beats the file, and the file beats defaults, for every scalar of `[server]`,
/// `[tls]`, `[cache]`, `[postgres]` and `[middleware]`.
///
/// # Errors
/// Every mistake at once, sorted by place.
pub fn load(source: Source<'_>) -> Result<Loaded, ConfigErrors> {
    let mut report = Report::default();
    let text = source.file.map_or("", |(_, text)| text);
    if text.len() > MAX_CONFIG_BYTES {
        report.add(
            Code::TooMany,
            Place::Whole,
            format!("the file has {} bytes, more than {MAX_CONFIG_BYTES}", text.len()),
        );
        return Err(report.into_errors(source.file.map(|(name, _)| (name, ""))));
    }
    let (document, mistakes) = DeTable::parse_recoverable(text);
    if !mistakes.is_empty() {
        syntax(text, mistakes, &mut report);
        // What follows a syntax error would be guessed, so it is not judged.
        return Err(report.into_errors(source.file));
    }
    let mut environment = Environment::new(source.env, &mut report);
    // Where to find the file is the command line's business, but the name is known.
    drop(environment.take("WARPDRIVE_CONFIG"));
    let mut root = Keys::new(String::new(), document.get_ref(), 0..text.len());
    let (model, places) = read(&mut root, &mut environment, source.file.is_some(), text, &mut report);
    root.finish(&mut report);
    environment.finish(&mut report);
    // What a configuration with mistakes means would be guessed.
    if report.errors() == 0 {
        let subject = Subject {
            server: &model.settings.server,
            upstreams: &model.upstreams,
            upstream_places: &places.upstreams,
            routes: &model.routes,
            route_places: &places.routes,
            programs: source.programs,
        };
        findings::look(&subject, &mut report);
    }
    let (warnings, more_warnings) = report.finish(source.file)?;
    Ok(Loaded { model, warnings, more_warnings })
}

/// Where the parts of a model stand in the file.
struct Places {
    upstreams: Vec<UpstreamPlaces>,
    routes: Vec<RoutePlaces>,
}

fn syntax(text: &str, mistakes: Vec<toml::de::Error>, report: &mut Report) {
    for mistake in mistakes {
        let span = mistake.span().unwrap_or(0..0);
        // Without a parsed table nobody knows what is secret, so no line is quoted that might be.
        let start = text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let end = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| start + length);
        let line = text.get(start..end).unwrap_or_default();
        if ["token", "url", "password", "secret"].iter().any(|word| line.contains(word)) {
            let value = line.find('=').map_or(start, |at| start + at + 1);
            report.secret(&Place::File(value..end));
        }
        report.add(Code::TomlSyntax, Place::File(span), mistake.message().to_owned());
    }
}

fn read<'t>(
    root: &mut Keys<'t>,
    environment: &mut Environment,
    has_file: bool,
    text: &'t str,
    report: &mut Report,
) -> (Model, Places) {
    let mut table = |key, report: &mut Report| root.take(key).and_then(|raw: Raw<'t>| raw.table(report));
    let empty = DeTable::new();
    let server_keys = table("server", report);
    let tls_keys = table("tls", report);
    let cache_keys = table("cache", report);
    let postgres_keys = table("postgres", report);
    let middleware_keys = table("middleware", report);
    let upstream_keys = table("upstreams", report);
    let server = match server_keys {
        Some(keys) => settings::server(keys, environment, !has_file, report),
        None => settings::server(Keys::new("server".into(), &empty, 0..0), environment, !has_file, report),
    };
    let settings = Settings {
        tls: settings::tls(tls_keys, environment, report),
        cache: settings::cache(cache_keys, environment, report),
        postgres: settings::postgres(postgres_keys, environment, report),
        middleware: settings::middleware(middleware_keys, environment, report),
        server,
    };
    if settings.tls.enabled {
        report.retract(Code::HttpsPortIgnored);
    }
    let errors_before = report.errors();
    let target = upstreams::target(environment, report);
    let target_mistaken = report.errors() > errors_before;
    let mut upstreams = upstreams::read(upstream_keys, target.as_ref(), report);
    let raw_routes = root.take("routes");
    let routes_given = raw_routes.is_some();
    let (mut routes, route_places) = routes::read(raw_routes, &upstreams, &settings.server, text, report);
    if has_file {
        if let (Some((_, variable)), None) = (&target, upstreams.find("default")) {
            report
                .add(Code::TargetIgnored, Place::Variable(variable.clone()), "ignored: the file's own routes stand")
                .help("call an upstream `default` in the file, and its address is taken from here");
        }
        if !routes_given && report.errors() == 0 {
            without_routes(&upstreams, &settings.server, &mut routes, report);
        }
    } else if let Some((address, variable)) = target {
        let places = UpstreamPlaces { name: 0..0, addresses: vec![Place::Variable(variable)], process: None };
        let id = upstreams.add(single(address), places);
        routes.push(everything_to(id, &settings.server));
    } else if !target_mistaken {
        report
            .add(Code::NothingConfigured, Place::Whole, "there is no configuration file and no target")
            .help("set WARPDRIVE_TARGET_PORT=3000 to put WarpDrive in front of one application, or write a warpdrive.toml and name it with --config");
    }
    auth_in_clear(&settings, &routes, report);
    listeners::look(&settings, &upstreams.list, &upstreams.places, report);
    (
        Model { settings, upstreams: upstreams.list, routes },
        Places { upstreams: upstreams.places, routes: route_places },
    )
}

/// One upstream and no routes means everything; several mean a question.
fn without_routes(upstreams: &Upstreams, server: &ServerSettings, routes: &mut Vec<Route>, report: &mut Report) {
    if let [only] = upstreams.list.as_slice() {
        routes.extend(upstreams.find(&only.name).map(|id| everything_to(id, server)));
        return;
    }
    let what = if upstreams.list.is_empty() { "no upstreams and no routes" } else { "several upstreams and no routes" };
    report
        .add(
            Code::NoRoutes,
            Place::Whole,
            format!("there are {what}: every request is answered {}", server.no_route_status.as_u16()),
        )
        .help("add `[[routes]]` with `path_prefix = \"/\"` and `upstream = \"…\"`");
}

fn single(address: Address) -> Upstream {
    Upstream::new("default".to_owned(), vec![Instance::from(address)])
}

fn everything_to(upstream: crate::model::UpstreamId, server: &ServerSettings) -> Route {
    Route {
        number: 1,
        line: None,
        name: None,
        description: None,
        hosts: Vec::new(),
        path: PathRule::Any,
        methods: Vec::new(),
        headers: Vec::new(),
        upstream,
        action: PathAction::Keep,
        rewrite_location: true,
        rewrite_cookie_paths: false,
        require_auth: false,
        add_headers: Vec::new(),
        response_headers: Vec::new(),
        limits: RouteLimits::from_server(server),
    }
}

fn auth_in_clear(settings: &Settings, routes: &[Route], report: &mut Report) {
    let server = &settings.server;
    let loopback = !server.bind.is_empty() && server.bind.iter().all(|address| address.is_loopback());
    let guarded: Vec<String> =
        routes.iter().filter(|route| route.require_auth).map(|route| route.number.to_string()).collect();
    if guarded.is_empty() || loopback || settings.tls.enabled || server.admin_token.is_none() {
        return;
    }
    report
        .add(
            Code::AuthWithoutTls,
            Place::Whole,
            format!("route {} requires a token, which travels in clear text", guarded.join(", ")),
        )
        .help("serve it over TLS, or bind to loopback behind something that does");
}

/// Says once for each kind of key that it is read but has no effect yet.
fn inactive(report: &mut Report, place: Place, what: &str, effect: &str) {
    let message = format!("{what} is read but not active yet: {effect}");
    if !report.has(Code::NotActiveYet, &message) {
        report.add(Code::NotActiveYet, place, message);
    }
}
