//! `server.health_path`: how the proxy itself is, answered before any route.

use crate::support::{Instance, Running, app, config, eventually, nobody, value};

const PATH: &str = "/.warpdrive/health";

#[test]
fn the_proxy_answers_itself_before_every_route_and_host() {
    let instance = Instance::echo();
    let mut proxy = Running::before(&[instance.address], "", "host = \"a.example\"");
    for target in [PATH, "/x/..//.warpdrive/%68ealth?a=b"] {
        for host in ["a.example", "elsewhere.example"] {
            let answer = proxy.ask(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert_eq!((answer.status(), answer.text()), (200, "ok\n"), "{target} {host}");
            assert_eq!(answer.field("cache-control"), Some("no-store"));
            let line = proxy.line();
            assert_eq!([value(&line, "status"), value(&line, "route"), value(&line, "reason")], ["200", "-", "-"]);
        }
    }
    let mut client = proxy.connect();
    client.send(format!("HEAD {PATH} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    let head = client.head();
    assert_eq!((head.status(), head.field("content-length")), (200, Some("3")));
    // A body that nobody reads ends the connection.
    let mut client = proxy.connect();
    client.send(format!("GET {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"));
    assert_eq!(client.answer().field("connection"), Some("close"));
    assert!(instance.heads().is_empty());
    // Other methods are the application's.
    let posted = proxy.ask(&format!("POST {PATH} HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!((posted.status(), instance.heads().len()), (200, 1));
    let refused = proxy.ask(&format!("GET {PATH} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"));
    assert_eq!(refused.status(), 400);
}

#[test]
fn switched_off_it_leaves_the_path_to_the_routes() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "health_path = false", "");
    assert_eq!(proxy.get(PATH).text(), format!("GET {PATH} HTTP/1.1\n"));
}

#[test]
fn it_needs_no_instance() {
    let proxy = Running::before(&[nobody()], "health_path = \"/up\"", "");
    assert_eq!(proxy.get("/up").status(), 200);
    assert_eq!(proxy.get("/").status(), 502);
}

#[test]
fn a_stopping_proxy_says_503_while_it_still_accepts() {
    let (instance, go) = Instance::gated();
    let text = config("drain_grace_secs = 20", &app(&[instance.address], ""));
    let mut proxy = Running::start(&text);
    let mut busy = proxy.connect();
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("the request is under way", || proxy.in_flight() == 1);
    assert_eq!(proxy.get(PATH).status(), 200);
    assert_eq!(value(&proxy.line(), "status"), "200");
    proxy.proxy.stop();
    eventually("it says that it stops", || proxy.get(PATH).status() == 503);
    let answer = proxy.ask(&format!("GET {PATH} HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n"));
    assert_eq!(answer.field("x-warpdrive-error"), Some("draining"));
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(answer.field("retry-after").is_some());
    go.send(()).unwrap();
    assert_eq!(busy.answer().text(), "ok");
}
