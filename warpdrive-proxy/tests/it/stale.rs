//! Connections to an instance that end while nobody looks, in each shape that an end can have.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::balancing::pool;
use crate::support::{Instance, Running, config, value};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn before(instance: &Instance, settings: &str) -> Running {
    Running::start(&config("worker_threads = 1", &pool(settings, &[(instance.address, "")])))
}

#[test]
fn an_end_while_idle_is_seen_before_any_request() {
    let (gone, is_gone) = channel();
    let gone = Mutex::new(gone);
    let instance = Instance::start(move |peer, notes| {
        if notes.request(peer).is_some() {
            peer.send(OK);
            peer.finish();
            // The proxy has understood when it closes its own side.
            assert!(peer.is_closed());
            gone.lock().unwrap().send(()).unwrap();
        }
    });
    let mut proxy = before(&instance, "");
    let mut client = proxy.connect();
    for _ in 0..10 {
        // A request that may not be sent twice.
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(client.answer().status(), 200);
        assert_eq!(value(&proxy.line(), "attempts"), "1");
        is_gone.recv_timeout(crate::support::PATIENCE).unwrap();
    }
    assert_eq!((instance.connections(), instance.heads().len()), (10, 10));
}

#[test]
fn a_reset_while_idle_costs_a_plain_read_nothing() {
    let instance = Instance::start(|peer, notes| {
        if notes.request(peer).is_some() {
            peer.send(OK);
            // Sent at once, so that it comes now before the next request, now while that is written
            // and now after.
            peer.will_reset();
        }
    });
    let proxy = before(&instance, "");
    let mut client = proxy.connect();
    for _ in 0..200 {
        client.send(GET);
        // The reset may overtake the answer itself on a first use, which is not stale.
        assert!([200, 502].contains(&client.answer().status()));
    }
}

#[test]
fn a_reset_or_an_end_that_answers_the_request_is_tried_again_on_a_new_connection() {
    for reset in [false, true] {
        // Each connection serves one request and dies of the next one.
        let instance = Instance::start(move |peer, notes| {
            if notes.request(peer).is_some() {
                peer.send(OK);
                if notes.request(peer).is_some() && reset {
                    peer.will_reset();
                }
            }
        });
        let mut proxy = before(&instance, "");
        let mut client = proxy.connect();
        for attempts in ["1", "2", "2"] {
            client.send(GET);
            assert_eq!(client.answer().status(), 200);
            assert_eq!(value(&proxy.line(), "attempts"), attempts);
        }
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(client.answer().status(), 502, "nobody knows whether it was done");
        let line = proxy.line();
        assert_eq!((value(&line, "attempts"), value(&line, "reason")), ("1", "upstream_closed"));
    }
}

#[test]
fn a_write_that_fails_inside_a_body_is_told_and_not_tried_again() {
    let instance = Instance::start(|peer, notes| {
        if notes.request(peer).is_some() {
            peer.send(OK);
            // Unread bytes of a body and a closed socket make the next write fail.
            if notes.head(peer).is_some() {
                peer.will_reset();
            }
        }
    });
    let mut proxy = before(&instance, "");
    let mut client = proxy.connect();
    client.send(GET);
    assert_eq!(client.answer().status(), 200);
    let body = vec![b'x'; 8 << 20];
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()));
    let mut sends = client.try_clone();
    let sending = std::thread::spawn(move || sends.try_send(body));
    assert_eq!(client.answer().status(), 502);
    drop(client);
    let _ = sending.join().unwrap();
    assert_eq!(value(&proxy.line(), "status"), "200");
    assert_eq!(value(&proxy.line(), "attempts"), "1");
    assert_eq!(instance.heads().len(), 2);
    // What follows has a connection of its own.
    assert_eq!(proxy.get("/").status(), 200);
}

#[test]
fn without_keepalive_each_request_has_a_connection_and_says_so() {
    let instance = Instance::echo();
    let proxy = before(&instance, "keepalive = false");
    let mut client = proxy.connect();
    for _ in 0..5 {
        client.send(GET);
        assert_eq!(client.answer().status(), 200);
    }
    assert_eq!(instance.connections(), 5);
    assert!(instance.heads().iter().all(|head| head.field("connection") == Some("close")));
    // The client's own connection is none of that.
    let kept = before(&instance, "keepalive = true");
    let mut client = kept.connect();
    for _ in 0..5 {
        client.send(GET);
        assert_eq!(client.answer().status(), 200);
    }
    assert_eq!(instance.connections(), 6);
    assert!(instance.heads().iter().skip(5).all(|head| head.field("connection").is_none()));
}
