//! Starting, swapping the configuration under load, and stopping without losing a request.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use warpdrive_core::Model;
use warpdrive_core::model::{Address, Settings};
use warpdrive_proxy::{Drained, Options, Proxy, ReplaceError, StartError};

use crate::support::{Instance, Running, app, config, eventually, model, nobody};

#[test]
fn a_port_in_use_is_an_error_that_names_the_fix() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let text = config("", &app(&[nobody()], "")).replace("http_port = 0", &format!("http_port = {port}"));
    let error = Proxy::start(model(&text), Options::new()).unwrap_err();
    assert!(matches!(error, StartError::Bind { .. }));
    let text = error.to_string();
    assert!(text.contains(&format!(
        "port {port} is already in use by another program; stop it or set server.http_port \
         (WARPDRIVE_HTTP_PORT)"
    )));
}

#[test]
fn an_upstream_that_is_the_proxy_itself_is_an_error() {
    // In a file this is a mistake; a table in code meets it at the start.
    let port = testkit::free_port();
    let own = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let mut settings = Settings::default();
    settings.server.bind = vec![own.ip()];
    settings.server.http_port = port;
    let table = Model::builder().settings(settings).upstream("app", [Address::tcp("127.0.0.1", port)]);
    let error = Proxy::start(table.build().unwrap(), Options::new()).unwrap_err();
    assert!(error.to_string().contains("`app`"));
    // Nothing half started: the port is free again.
    drop(TcpListener::bind(own).unwrap());
    let proxy = Running::before(&[nobody()], "", "");
    let text = config("", &app(&[proxy.address], ""));
    assert!(matches!(proxy.proxy.replace(model(&text)), Err(ReplaceError::OwnListener { .. })));
}

#[test]
fn an_unknown_user_is_an_error() {
    let text = config("user = \"no-such-user-here\"", &app(&[nobody()], ""));
    let error = Proxy::start(model(&text), Options::new()).unwrap_err();
    assert!(matches!(error, StartError::User(_)));
}

#[test]
fn a_thousand_swaps_under_load_lose_no_request() {
    let instances = [Instance::echo(), Instance::echo()];
    let text = |number: usize| {
        config(
            "",
            &app(
                &[instances[number % 2].address],
                &format!("response_headers = [{{ name = \"X-Table\", value = \"{number}\" }}]"),
            ),
        )
    };
    let models: Vec<_> = (0..2).map(|number| model(&text(number))).collect();
    let proxy = Running::start(&text(0));
    let done = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = proxy.connect();
                while !done.load(SeqCst) {
                    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                    let answer = client.answer();
                    assert_eq!(answer.status(), 200);
                    assert!(["0", "1"].contains(&answer.field("x-table").unwrap()));
                    answered.fetch_add(1, SeqCst);
                }
            });
        }
        for number in 0..1000 {
            proxy.proxy.replace(models[number % 2].clone()).unwrap();
            let before = answered.load(SeqCst);
            // Every tenth swap is seen to be in use while requests go on.
            if number % 10 == 0 {
                eventually("requests go on", || answered.load(SeqCst) > before);
            }
        }
        done.store(true, SeqCst);
    });
    proxy.proxy.replace(model(&text(7))).unwrap();
    assert_eq!(proxy.get("/").field("x-table"), Some("7"));
    assert_eq!(proxy.in_flight(), 0);
}

#[test]
fn counters_of_an_instance_survive_a_swap() {
    let instance = Instance::start(|peer, notes| {
        notes.request(peer);
        peer.rest_and_end();
    });
    let text = config("", &app(&[instance.address], ""));
    let proxy = Running::start(&text);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("the request is under way", || proxy.in_flight() == 1);
    proxy.proxy.replace(model(&text)).unwrap();
    assert_eq!(proxy.in_flight(), 1);
    drop(client);
    eventually("the lease ends", || proxy.in_flight() == 0);
}

#[test]
fn a_stop_loses_no_request() {
    let instance = Instance::echo();
    let server = "drain_grace_secs = 0.5\ndrain_timeout_secs = 5";
    let proxy = Running::before(&[instance.address], server, "");
    let began = Instant::now();
    let lost = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                // A balancer: it keeps connections, opens new ones where it is told to close, and
                // stops sending a little before the grace is over.
                let mut client = proxy.connect();
                while began.elapsed() < Duration::from_millis(600) {
                    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                    let Some(head) = client.try_head() else {
                        lost.fetch_add(1, SeqCst);
                        return;
                    };
                    client.body(&head);
                    if head.field("connection") == Some("close") {
                        client = proxy.connect();
                    }
                }
            });
        }
        scope.spawn(|| {
            eventually("requests have begun", || !instance.heads().is_empty());
            while began.elapsed() < Duration::from_millis(200) {
                std::thread::yield_now();
            }
            proxy.proxy.stop();
        });
    });
    assert_eq!(lost.load(SeqCst), 0);
    assert_eq!(proxy.proxy.wait(), Drained::Whole);
    assert!(std::net::TcpStream::connect(proxy.address).is_err());
}

#[test]
fn a_stop_waits_for_a_slow_response_and_closes_idle_connections() {
    let (instance, go) = Instance::gated();
    let server = "drain_grace_secs = 0.1\ndrain_timeout_secs = 10";
    let proxy = Running::before(&[instance.address], server, "");
    let mut idle = proxy.connect();
    let mut busy = proxy.connect();
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("the request is under way", || proxy.in_flight() == 1);
    proxy.proxy.stop_handle().stop();
    assert!(idle.is_closed());
    go.send(()).unwrap();
    let answer = busy.answer();
    assert_eq!(answer.text(), "ok");
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(proxy.proxy.wait(), Drained::Whole);
    let text = config("", &app(&[instance.address], ""));
    assert!(matches!(proxy.proxy.replace(model(&text)), Err(ReplaceError::Stopping)));
}

#[test]
fn what_takes_longer_than_the_drain_time_is_cut() {
    let instance = Instance::start(|peer, notes| {
        notes.request(peer);
        peer.rest_and_end();
    });
    let server = "drain_grace_secs = 0.1\ndrain_timeout_secs = 0.3";
    let mut proxy = Running::before(&[instance.address], server, "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("the request is under way", || proxy.in_flight() == 1);
    proxy.proxy.stop();
    assert_eq!(proxy.proxy.wait(), Drained::Cut { connections: 1 });
    client.rest_and_end();
    let line = proxy.line();
    assert_eq!(crate::support::value(&line, "status"), "503");
    assert_eq!(crate::support::value(&line, "reason"), "drain_timeout");
}
