//! A table written in code means what the same table means in a file.

use std::time::Duration;

use http::{Method, StatusCode};
use proptest::prelude::*;
use proptest::sample::select;
use warpdrive_core::config::{Code, Source, load};
use warpdrive_core::model::{
    Address, AdminToken, Instance, PathAction, Route, Settings, StickyCookie, Strategy as Balancing,
};
use warpdrive_core::{Fields, Model, RequestView, RouteBuilder, Router, Scratch};

#[test]
fn a_balanced_upstream_keeps_the_rules_of_a_file() {
    let at = |port: u16| Instance::from(Address::tcp("127.0.0.1", port));
    let mut cookie = StickyCookie::of("app");
    let model = Model::builder()
        .balanced("app", Balancing::StickyCookie(cookie.clone()), [at(1).with_weight(5), at(2).as_backup()])
        .build()
        .unwrap();
    let app = &model.upstreams()[0];
    assert_eq!(app.strategy, Balancing::StickyCookie(cookie.clone()));
    assert_eq!((app.instances[0].weight, app.instances[1].backup), (5, true));
    cookie.name = "a b".to_owned();
    let errors = Model::builder()
        .balanced("spares", Balancing::PowerOfTwo, [at(1).as_backup(), at(2).as_backup().with_weight(0)])
        .balanced("cookie", Balancing::StickyCookie(cookie), [at(1)])
        .build()
        .unwrap_err();
    assert_eq!(
        errors.to_string(),
        "upstreams.spares: error[bad-value]: every instance is a backup; \
         help: leave `backup` out for those that serve every day\n\
         upstreams.spares.weight: error[bad-value]: is out of range; help: give a whole number from 1 to 1000\n\
         upstreams.cookie.sticky_cookie.name: error[bad-value]: `a b` is no name of a cookie; \
         help: use letters, digits, `-` and `_`"
    );
}

#[test]
fn every_mistake_at_once_with_route_and_key() {
    let mut settings = Settings::default();
    settings.server.no_route_status = StatusCode::OK;
    settings.server.timeouts.read = Duration::ZERO;
    settings.server.bind = vec!["::1".parse().unwrap(), "::1".parse().unwrap()];
    settings.cache.redis_url = Some("http://:hush@h".to_owned());
    settings.postgres.channel = Some(String::new());
    let errors = Model::builder()
        .settings(settings)
        .upstream("app", [Address::tcp("http://h", 0)])
        .upstream("none", [])
        .upstream("", [Address::unix("unix:/a")])
        .upstream("twice", [Address::tcp("H.test", 1), Address::tcp("h.test.", 1)])
        .upstream("good", [Address::tcp("[::1]", 1)])
        .upstream("good", [Address::tcp("b", 1)])
        .route(RouteBuilder::to("app"))
        .route(RouteBuilder::to("godo").name("").host("a b").hosts(["b:1"]).methods(["TRACE", "a b"]))
        .route(RouteBuilder::to("good").path_prefix("a").path_regex("("))
        .route(RouteBuilder::to("good").path_exact("/a?b").hosts(Vec::<String>::new()).methods(Vec::<String>::new()))
        .route(RouteBuilder::to("good").path_regex("^/a").strip_prefix())
        .route(RouteBuilder::to("good").path_prefix("/a").strip_prefix().rewrite("/b").require_auth())
        .route(RouteBuilder::to("good").path_prefix("/a").rewrite("b").header(" ", " x").header_regex("X-A", "("))
        .route(
            RouteBuilder::to("good")
                .add_header("TE", "x")
                .add_header("X-A", "1")
                .add_header("x-a", "2")
                .response_header("", "\n")
                .read_timeout(Duration::from_secs(40_000_000)),
        )
        .build()
        .unwrap_err();
    let shown = errors.to_string();
    let wanted = include_str!("builder_errors.txt");
    assert_eq!(shown.trim(), wanted.trim());
    assert_eq!(errors.iter().filter_map(|error| error.route).max(), Some(8));
    assert_eq!(errors.more(), 0);
    assert!(errors.iter().all(|error| error.key.starts_with(&match error.route {
        Some(number) => format!("route {number}."),
        None => error.key.split('.').next().unwrap().to_owned(),
    })));
    assert!(!shown.contains("hush"));
}

#[test]
fn what_is_written_is_what_the_model_holds() {
    let mut settings = Settings::default();
    settings.server.admin_token = Some(AdminToken::new("t"));
    let model = Model::builder()
        .route(
            RouteBuilder::to("app")
                .name("n")
                .description("d")
                .path_exact("/a b")
                .rewrite("/c")
                .methods([Method::GET, Method::POST])
                .methods(["PURGE"])
                .rewrite_location(false)
                .rewrite_cookie_paths(true)
                .require_auth()
                .connect_timeout(Duration::from_millis(1))
                .client_body_timeout(Duration::from_secs(2))
                .tunnel_idle_timeout(Duration::from_secs(3))
                .retry_timeouts(false)
                .max_body_bytes(0),
        )
        .settings(settings)
        .upstream("app", [Address::tcp("App.Internal", 9), Address::unix("/tmp/a.sock")])
        .build()
        .unwrap();
    let addresses: Vec<String> = model.upstreams()[0].instances.iter().map(|i| i.address.to_string()).collect();
    assert_eq!(addresses, ["app.internal:9", "unix:/tmp/a.sock"]);
    let route = &model.routes()[0];
    assert_eq!((route.number, route.line), (1, None));
    assert_eq!((route.name.as_deref(), route.description.as_deref()), (Some("n"), Some("d")));
    assert_eq!(route.path.to_string(), "path_exact /a%20b");
    assert_eq!(route.action, PathAction::Replace("/c".into()));
    assert_eq!(route.methods.len(), 3);
    assert!(!route.rewrite_location && route.rewrite_cookie_paths && route.require_auth);
    assert_eq!(route.limits.connect_timeout, Duration::from_millis(1));
    assert_eq!(route.limits.read_timeout, Duration::from_secs(60));
    assert!(!route.limits.retry_timeouts);
    assert_eq!(route.limits.max_body_bytes, Some(0));
}

#[test]
fn a_table_without_routes_accepts_nothing() {
    let model = Model::builder().upstream("a", [Address::tcp("h", 1)]).build().unwrap();
    let router = Router::compile(model).unwrap();
    assert!(router.route(&RequestView::new("GET", "/"), &mut Scratch::new()).unwrap().is_none());
    let errors = Model::builder().route(RouteBuilder::to("a")).build().unwrap_err();
    assert!(errors.to_string().contains("ModelBuilder::upstream"), "{errors}");
}

/// A route as written, with mistakes here and there.
#[derive(Clone, Debug)]
struct Written {
    upstream: &'static str,
    name: Option<&'static str>,
    hosts: Option<Vec<&'static str>>,
    paths: [Option<&'static str>; 3],
    methods: Option<Vec<&'static str>>,
    headers: Vec<(&'static str, u8, &'static str)>,
    strip: bool,
    rewrite: Option<&'static str>,
    auth: bool,
    add: Vec<(&'static str, &'static str)>,
    answer: Vec<(&'static str, &'static str)>,
    read_secs: Option<f64>,
    keep_location: bool,
    retry_timeouts: Option<bool>,
}

impl Written {
    fn toml(&self) -> String {
        let mut text = format!("[[routes]]\nupstream = {:?}\n", self.upstream);
        let mut key = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!("{key} = {value}\n"));
            }
        };
        let quoted = |value: Option<&str>| value.map(|value| format!("{value:?}"));
        key("name", quoted(self.name));
        key("hosts", self.hosts.as_ref().map(|hosts| format!("{hosts:?}")));
        for (name, path) in ["path_prefix", "path_exact", "path_regex"].into_iter().zip(self.paths) {
            key(name, quoted(path));
        }
        key("methods", self.methods.as_ref().map(|methods| format!("{methods:?}")));
        let headers: Vec<String> = self
            .headers
            .iter()
            .map(|(name, kind, value)| match kind {
                0 => format!("{{ name = {name:?}, value = {value:?} }}"),
                1 => format!("{{ name = {name:?}, present = true }}"),
                _ => format!("{{ name = {name:?}, regex = {value:?} }}"),
            })
            .collect();
        key("headers", Some(format!("[{}]", headers.join(", "))));
        key("strip_prefix", Some(self.strip.to_string()));
        key("rewrite", quoted(self.rewrite));
        key("require_auth", Some(self.auth.to_string()));
        for (name, fields) in [("add_headers", &self.add), ("response_headers", &self.answer)] {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{{ name = {name:?}, value = {value:?} }}")).collect();
            key(name, Some(format!("[{}]", fields.join(", "))));
        }
        key("read_timeout_secs", self.read_secs.map(|seconds| format!("{seconds:?}")));
        key("retry_timeouts", self.retry_timeouts.map(|on| on.to_string()));
        key("rewrite_location", Some(self.keep_location.to_string()));
        text
    }

    fn built(&self) -> RouteBuilder {
        let mut route = RouteBuilder::to(self.upstream).rewrite_location(self.keep_location);
        if let Some(name) = self.name {
            route = route.name(name);
        }
        if let Some(hosts) = &self.hosts {
            route = route.hosts(hosts.iter().copied());
        }
        let [prefix, exact, regex] = self.paths;
        route = prefix.into_iter().fold(route, |route, path| route.path_prefix(path));
        route = exact.into_iter().fold(route, |route, path| route.path_exact(path));
        route = regex.into_iter().fold(route, |route, path| route.path_regex(path));
        if let Some(methods) = &self.methods {
            route = route.methods(methods);
        }
        for (name, kind, value) in &self.headers {
            route = match kind {
                0 => route.header(*name, *value),
                1 => route.header_present(*name),
                _ => route.header_regex(*name, *value),
            };
        }
        if self.strip {
            route = route.strip_prefix();
        }
        if let Some(rewrite) = self.rewrite {
            route = route.rewrite(rewrite);
        }
        if self.auth {
            route = route.require_auth();
        }
        route = self.add.iter().fold(route, |route, (name, value)| route.add_header(*name, *value));
        route = self.answer.iter().fold(route, |route, (name, value)| route.response_header(*name, *value));
        route = self.retry_timeouts.into_iter().fold(route, RouteBuilder::retry_timeouts);
        self.read_secs.into_iter().fold(route, |route, time| route.read_timeout(Duration::from_secs_f64(time)))
    }
}

/// One of the good ones most of the time, else one of the bad ones.
fn mostly(good: &'static [&'static str], bad: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop_oneof![30 => select(good), 1 => select(bad)]
}

fn fields() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    prop::collection::vec(
        (mostly(&["x-a", "X-B", "Host"], &["", "te", "a b"]), mostly(&["1", "", "a b"], &[" "])),
        0..3,
    )
}

fn written() -> impl Strategy<Value = Written> {
    let headers = (mostly(&["x-a", "X-B"], &["", "ä"]), 0u8..3, mostly(&["1", "^1", "2"], &["(", "(?=x)"]));
    let paths = (
        prop::option::weighted(0.6, mostly(&["/a", "/a/", "/a/b", "/", "/A b", "//a"], &["a", "/a?", "/../a", ""])),
        prop::option::weighted(0.1, mostly(&["/a", "/a/b", "/a/"], &["b", "/%zz"])),
        prop::option::weighted(0.1, mostly(&["^/a", "b$", "", "^/a/[a-z]+/"], &["(", "\\p{L}"])),
    );
    (
        (
            mostly(&["u", "v"], &["w", "broken", ""]),
            prop::option::weighted(0.2, mostly(&["n"], &[""])),
            prop::option::weighted(
                0.3,
                prop::collection::vec(mostly(&["a.test", "*.test", "*", "[::1]"], &["a:1", ""]), 0..4),
            ),
            paths,
            prop::option::weighted(
                0.3,
                prop::collection::vec(mostly(&["GET", "POST", "get"], &["", "TRACE", "a b"]), 0..4),
            ),
            prop::collection::vec(headers, 0..2),
        ),
        (
            prop::bool::weighted(0.2),
            prop::option::weighted(0.2, mostly(&["/new", "", "/", "/new/"], &["x", "/a/../b"])),
            prop::bool::weighted(0.1),
            fields(),
            fields(),
            prop::option::weighted(
                0.2,
                prop_oneof![20 => select(&[0.5, 1.0, 31_536_000.0][..]), 1 => select(&[0.0, 4e7][..])],
            ),
            any::<bool>(),
            any::<Option<bool>>(),
        ),
    )
        .prop_map(|(conditions, actions)| {
            let (upstream, name, hosts, (prefix, exact, regex), methods, headers) = conditions;
            let (strip, rewrite, auth, add, answer, read_secs, keep_location, retry_timeouts) = actions;
            let paths = [prefix, exact, regex];
            Written {
                upstream,
                name,
                hosts,
                paths,
                methods,
                headers,
                strip,
                rewrite,
                auth,
                add,
                answer,
                read_secs,
                keep_location,
                retry_timeouts,
            }
        })
}

/// Everything of a route but where it stands in its file.
fn without_line(route: &Route) -> String {
    let mut route = route.clone();
    route.line = None;
    format!("{route:?}")
}

fn same(routes: &[Written], token: bool, merge: bool, status: u16) -> Result<bool, TestCaseError> {
    let token_line = if token { "admin_token = \"t\"\n" } else { "" };
    let tables: String = routes.iter().map(Written::toml).collect();
    let text = format!(
        "[server]\nmerge_slashes = {merge}\nno_route_status = {status}\n{token_line}\
         [upstreams.u]\nport = 1\n[upstreams.v]\nsocket = \"/v\"\n[upstreams.broken]\nhost = \"a/b\"\nport = 1\n{tables}"
    );
    // Only a table that names it has the broken one.
    let names_broken = routes.iter().any(|route| route.upstream == "broken");
    let text = if names_broken { text } else { text.replace("[upstreams.broken]\nhost = \"a/b\"\nport = 1\n", "") };
    let mut settings = Settings::default();
    settings.server.merge_slashes = merge;
    settings.server.no_route_status = StatusCode::from_u16(status).unwrap();
    settings.server.admin_token = token.then(|| AdminToken::new("t"));
    let mut builder = Model::builder()
        .settings(settings)
        .upstream("u", [Address::tcp("127.0.0.1", 1)])
        .upstream("v", [Address::unix("/v")]);
    if names_broken {
        builder = builder.upstream("broken", [Address::tcp("a/b", 1)]);
    }
    let built = routes.iter().map(Written::built).fold(builder, |builder, route| builder.route(route)).build();
    let read = load(Source::file("f", &text));
    match (read, built) {
        (Err(read), Err(built)) => {
            let mut wanted: Vec<Code> =
                read.iter().map(|error| error.code).filter(|&code| code < Code::NotActiveYet).collect();
            let mut found: Vec<Code> = built.iter().map(|error| error.code).collect();
            wanted.sort_unstable();
            found.sort_unstable();
            prop_assert_eq!(found, wanted, "\n{}\n{}\n{}", text, read, built);
            Ok(false)
        }
        (Ok(read), Ok(built)) => {
            let wanted: Vec<String> = read.model.routes().iter().map(without_line).collect();
            let found: Vec<String> = built.routes().iter().map(without_line).collect();
            prop_assert_eq!(found, wanted, "\n{}", text);
            decide_alike(&Router::compile(read.model).unwrap(), &Router::compile(built).unwrap())?;
            Ok(true)
        }
        (read, built) => Err(TestCaseError::fail(format!("{text}\n{:?}\n{:?}", read.err(), built.err()))),
    }
}

fn decide_alike(one: &Router, other: &Router) -> Result<(), TestCaseError> {
    let fields: [(&[u8], &[u8]); 1] = [(b"X-A", b"1")];
    let (mut first, mut second) = (Scratch::new(), Scratch::new());
    for target in ["/", "/a", "/a/b", "/a/b/c?d", "//a//b", "/A%20b", "/a/../b", "/a/..%2fb", "/zzz", "*"] {
        for (method, host) in [("GET", "a.test"), ("POST", "b.a.test:1"), ("OPTIONS", "[::1]")] {
            let view = RequestView::new(method, target).with_host(host).with_fields(Fields::Pairs(&fields));
            let found =
                one.route(&view, &mut first).map(|found| found.map(|f| (f.route().number, f.upstream_target())));
            let again =
                other.route(&view, &mut second).map(|found| found.map(|f| (f.route().number, f.upstream_target())));
            prop_assert_eq!(found, again, "{} {}", method, target);
        }
    }
    Ok(())
}

#[test]
fn a_file_and_code_mean_the_same() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let (sound, mistaken) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let tables = (prop::collection::vec(written(), 1..4), prop::bool::weighted(0.8), any::<bool>());
    let status = prop_oneof![20 => select(&[404u16, 503][..]), 1 => Just(200u16)];
    runner
        .run(&(tables, status), |((routes, token, merge), status)| {
            let counter = if same(&routes, token, merge, status)? { &sound } else { &mistaken };
            counter.set(counter.get() + 1);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    // Both halves of the property are really tried.
    assert!(sound.get() > 10 && mistaken.get() > 10, "{} sound, {} mistaken", sound.get(), mistaken.get());
}
