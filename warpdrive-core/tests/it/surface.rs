//! What an embedder relies on.

use http::Request;
use warpdrive_core::config::{ConfigErrors, Diagnostic, Loaded};
use warpdrive_core::forwarding::{ClientConnection, PublicOrigin};
use warpdrive_core::model::{Address, PathRule, Settings};
use warpdrive_core::{
    BuildErrors, CompileError, Explanation, Fields, Model, ModelBuilder, Reject, RequestView, RouteBuilder, Router,
    Scratch, SelectError, oracle,
};

const TWO: &str = r#"
    [upstreams.api]
    port = 3000
    [upstreams.web]
    port = 3001
    [[routes]]
    path_prefix = "/api"
    upstream = "api"
    [[routes]]
    host = "www.example.com"
    upstream = "web"
"#;

#[test]
fn a_router_is_shared_and_a_scratch_moves() {
    fn shared<T: Send + Sync + 'static>() {}
    fn moves<T: Send + 'static>() {}
    shared::<Router>();
    shared::<Model>();
    shared::<Settings>();
    shared::<PathRule>();
    shared::<Address>();
    shared::<ModelBuilder>();
    shared::<RouteBuilder>();
    shared::<Loaded>();
    shared::<Diagnostic>();
    shared::<Explanation>();
    shared::<ClientConnection>();
    shared::<PublicOrigin>();
    moves::<Scratch>();
    fn fails<T: std::error::Error + Send + Sync + 'static>() {}
    fails::<ConfigErrors>();
    fails::<BuildErrors>();
    fails::<CompileError>();
    fails::<SelectError>();
    fails::<Reject>();
}

#[test]
fn the_simple_way_in() {
    let router = Router::from_toml(TWO).unwrap();
    let request = Request::get("/api/users").body(()).unwrap();
    assert_eq!(router.select_upstream(&request).unwrap().name, "api");
    let request = Request::get("http://www.example.com/").body(()).unwrap();
    assert_eq!(router.select_upstream(&request).unwrap().name, "web");
    let request = Request::get("/").header("host", "WWW.example.com").body(()).unwrap();
    assert_eq!(router.select_upstream(&request).unwrap().name, "web");
    let request = Request::get("/").body(()).unwrap();
    assert!(matches!(router.select_upstream(&request), Err(SelectError::NoRoute { status }) if status == 404));
    let request = Request::get("/").header("host", "a").header("host", "a").body(()).unwrap();
    assert!(matches!(router.select_upstream(&request), Err(SelectError::Rejected(_))));
}

#[test]
fn one_scratch_serves_several_routers() {
    let many = |prefix: &str| {
        let routes: String =
            (0..10).map(|n| format!("[[routes]]\npath_regex = \"^/{prefix}[a-z]+{n}$\"\nupstream = \"a\"\n")).collect();
        Router::from_toml(&format!("[upstreams.a]\nport = 1\n{routes}")).unwrap()
    };
    let (one, two) = (many("x"), many("y"));
    let mut scratch = Scratch::new();
    for _ in 0..3 {
        for (router, target, other) in [(&one, "/xab7", "/yab7"), (&two, "/yab7", "/xab7")] {
            let found = router.route(&RequestView::new("GET", target), &mut scratch).unwrap();
            assert_eq!(found.unwrap().route().number, 8);
            assert!(router.route(&RequestView::new("GET", other), &mut scratch).unwrap().is_none());
        }
    }
}

/// Expressions too large for anything but an automaton that is built while it runs, and kept in
/// the scratch: with another router's states it would answer for that one.
#[test]
fn one_routers_states_are_not_lent_to_another() {
    let table = |expression: &str| {
        let route = format!("[[routes]]\npath_regex = \"{expression}\"\nupstream = \"a\"\n");
        Router::from_toml(&format!("[upstreams.a]\nport = 1\n{route}")).unwrap()
    };
    let one = table("[a-z]{20,60}([a-f]{20,60}|[g-z]{10,90})+[0-4]{3}$");
    let two = table("([0-9]{2,50}[a-m]{1,20}|[0-9n-z]{30,60})+[7-9]$");
    let (path_one, path_two) = (format!("/{}123", "abcdef".repeat(30)), format!("/{}9", "12abcd".repeat(30)));
    let mut scratch = Scratch::new();
    for _ in 0..3 {
        for (router, own, other) in [(&one, &path_one, &path_two), (&two, &path_two, &path_one)] {
            assert!(router.route(&RequestView::new("GET", own), &mut scratch).unwrap().is_some());
            assert!(router.route(&RequestView::new("GET", other), &mut scratch).unwrap().is_none());
        }
    }
}

/// So many header routes at so many nested prefixes that their lists are no longer copied.
#[test]
fn a_table_too_large_to_copy_its_lists() {
    let mut config = String::from("[upstreams.a]\nport = 1\n");
    let mut route = |conditions: String| config.push_str(&format!("[[routes]]\nupstream = \"a\"\n{conditions}\n"));
    for number in 0..1_500 {
        route(format!("path_prefix = \"/a\"\nheader = {{ name = \"x-flag\", value = \"{number}\" }}"));
    }
    for number in 0..400 {
        route(format!("path_prefix = \"/a/{number}\"\nmethods = [\"GET\"]"));
        route(format!("path_exact = \"/a/{number}/{number}\"\nmethods = [\"PUT\"]"));
    }
    let router = Router::from_toml(&config).unwrap();
    let mut scratch = Scratch::new();
    for number in (0..400).step_by(9) {
        let target = format!("/a/{number}/{number}");
        let flag = number.to_string();
        for (method, fields) in [("GET", true), ("GET", false), ("PUT", true), ("PUT", false), ("POST", true)] {
            let pairs: [(&[u8], &[u8]); 1] = [(b"x-flag", if fields { flag.as_bytes() } else { b"none" })];
            let view = RequestView::new(method, &target).with_fields(Fields::Pairs(&pairs));
            let found = router.route(&view, &mut scratch).unwrap().map(|found| found.route().number);
            assert_eq!(Ok(found), oracle::first_match(router.model(), &view), "{method} {target} {fields}");
        }
    }
}

#[test]
fn a_lookup_from_many_threads() {
    let router = Router::from_toml(TWO).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut scratch = Scratch::new();
                for number in 0..1000 {
                    let target = format!("/api/{number}");
                    let found = router.route(&RequestView::new("GET", &target), &mut scratch).unwrap().unwrap();
                    assert_eq!(found.upstream_target(), target);
                }
            });
        }
    });
}
