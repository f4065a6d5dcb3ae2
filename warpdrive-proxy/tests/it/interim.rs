//! Interim responses (1xx) and the bodies that wait for one.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::instance::Instance;
use crate::support::{PATIENCE, Running, value};

const HINT: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n";

#[test]
fn they_are_passed_on_as_they_come_and_in_order() {
    let (seen, go_on) = channel::<()>();
    let go_on = Mutex::new(go_on);
    let instance = Instance::start(move |peer, notes| {
        while notes.request(peer).is_some() {
            peer.send("HTTP/1.1 102 Processing\r\n\r\n");
            peer.send(HINT);
            // The answer comes only when the client has seen both.
            go_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let mut proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.head().status(), 102);
        let hint = client.head();
        assert_eq!(hint.status(), 103);
        assert_eq!(hint.field("link"), Some("</a.css>; rel=preload"));
        assert_eq!(hint.field("x-hop"), None);
        seen.send(()).unwrap();
        assert_eq!(client.answer().text(), "ok");
    }
    assert_eq!(value(&proxy.line(), "status"), "200");
}

#[test]
fn the_order_holds_with_pipelining_and_a_client_that_reads_late() {
    const BODY: usize = 3_000_000;
    let instance = Instance::start(|peer, notes| {
        while notes.request(peer).is_some() {
            peer.send(HINT);
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n"));
            peer.send(vec![b'x'; BODY]);
        }
    });
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(4));
    for _ in 0..4 {
        assert_eq!(client.head().status(), 103);
        assert_eq!(client.answer().text().len(), BODY);
    }
}

#[test]
fn a_client_of_http_1_0_gets_none() {
    let instance = Instance::start(|peer, notes| {
        notes.request(peer).unwrap();
        peer.send(HINT);
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn a_flood_of_them_is_no_answer() {
    let instance = Instance::start(|peer, notes| {
        notes.request(peer).unwrap();
        while peer.try_send(HINT).is_ok() {}
    });
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut hints = 0;
    let status = loop {
        let head = client.head();
        if head.status() != 103 {
            break head.status();
        }
        hints += 1;
    };
    assert_eq!(status, 502);
    assert!((1..=32).contains(&hints), "{hints}");
}

#[test]
fn the_instance_says_when_an_expected_body_may_come() {
    let (asked, answer) = channel::<()>();
    let asked = Mutex::new(asked);
    let instance = Instance::start(move |peer, notes| {
        let head = notes.head(peer).unwrap();
        asked.lock().unwrap().send(()).unwrap();
        peer.send("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(peer.body(&head), b"ab");
        peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    });
    let proxy = Running::before(&[instance.address], "", "");
    for body in ["Content-Length: 2\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"] {
        let mut client = proxy.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{body}"));
        answer.recv_timeout(PATIENCE).unwrap();
        assert_eq!(client.head().status(), 100);
        client.send(if body.starts_with('C') { "ab" } else { "2\r\nab\r\n0\r\n\r\n" });
        assert_eq!(client.answer().text(), "ok");
    }
    assert_eq!(instance.heads()[1].field("expect"), Some("100-continue"));
}

#[test]
fn an_instance_that_does_not_want_the_body_is_not_sent_it() {
    let (ended, rest) = channel::<Vec<u8>>();
    let ended = Mutex::new(ended);
    let instance = Instance::start(move |peer, notes| {
        notes.head(peer).unwrap();
        peer.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 3\r\n\r\nno!");
        ended.lock().unwrap().send(peer.rest()).unwrap();
    });
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (417, "no!"));
    assert_eq!(rest.recv_timeout(PATIENCE).unwrap(), b"");
}

#[test]
fn they_are_found_however_the_bytes_come() {
    let instance = Instance::start(|peer, notes| {
        while notes.request(peer).is_some() {
            for byte in
                format!("{HINT}HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").bytes()
            {
                peer.send([byte]);
            }
        }
    });
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.head().status(), 103);
        assert_eq!(client.head().status(), 102);
        assert_eq!(client.answer().text(), "ok");
    }
}

#[test]
fn one_without_an_end_is_no_answer() {
    let instance = Instance::start(|peer, notes| {
        notes.request(peer).unwrap();
        peer.send("HTTP/1.1 103 Early Hints\r\n");
        while peer.try_send("Link: </a.css>; rel=preload\r\n").is_ok() {}
    });
    let mut proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status(), 502);
    assert_eq!(value(&proxy.line(), "reason"), "upstream_invalid_response");
}
