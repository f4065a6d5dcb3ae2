//! What an embedder relies on.

use http::Request;
use warpdrive_core::{RequestView, Router, Scratch, SelectError};

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
    moves::<Scratch>();
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
