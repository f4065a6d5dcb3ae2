//! WebSocket upgrades: bytes in both directions, in order, until both sides are done.

use crate::support::{Instance, Peer, Running, eventually, value};

const UPGRADE: &str = "GET /cable HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n";

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\
                      Connection: Upgrade\r\nSec-WebSocket-Accept: a\r\n\r\n";

fn echo_after(early: &'static str) -> Instance {
    Instance::start(move |peer, notes| {
        notes.head(peer).unwrap();
        peer.send(format!("{SWITCH}{early}"));
        echo(peer);
    })
}

fn echo(peer: &mut Peer) {
    loop {
        let bytes = peer.some();
        if bytes.is_empty() {
            break;
        }
        peer.send(bytes);
    }
    // An end of one direction is not the end of the other.
    peer.send("last words");
}

#[test]
fn early_bytes_and_half_closes_pass_through_a_tunnel() {
    let instance = echo_after("early from upstream;");
    let mut proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send(format!("{UPGRADE}\r\nearly from client;"));
    let head = client.head();
    assert_eq!(head.status(), 101);
    assert_eq!(head.field("upgrade"), Some("websocket"));
    assert_eq!(head.field("connection"), Some("upgrade"));
    assert_eq!(head.field("sec-websocket-accept"), Some("a"));
    assert_eq!(client.exactly(20), b"early from upstream;");
    assert_eq!(client.exactly(18), b"early from client;");
    client.send("hello");
    assert_eq!(client.exactly(5), b"hello");
    assert_eq!(proxy.in_flight(), 1);
    client.finish();
    assert_eq!(client.rest(), b"last words");
    let line = proxy.line();
    assert_eq!(value(&line, "status"), "101");
    assert_eq!(value(&line, "received"), "23");
    assert_eq!(value(&line, "sent"), "53");
    assert_eq!(value(&line, "reason"), "-");
    eventually("the lease ends", || proxy.in_flight() == 0);
    let head = &instance.heads()[0];
    assert_eq!(head.field("upgrade"), Some("websocket"));
    assert_eq!(head.field("connection"), Some("upgrade"));
}

#[test]
fn a_large_message_passes_a_slow_reader_whole() {
    let instance = echo_after("");
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send(format!("{UPGRADE}\r\n"));
    client.head();
    let mut sender = client.try_clone();
    let thread = std::thread::spawn(move || {
        for number in 0..400_u32 {
            sender.send(vec![number as u8; 10_000]);
        }
        sender.finish();
    });
    for number in 0..400_u32 {
        assert_eq!(client.exactly(10_000), vec![number as u8; 10_000]);
    }
    assert_eq!(client.rest(), b"last words");
    thread.join().unwrap();
}

#[test]
fn a_refused_upgrade_is_an_ordinary_response() {
    let instance = Instance::saying("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    for _ in 0..2 {
        client.send(format!("{UPGRADE}\r\n"));
        let answer = client.answer();
        assert_eq!(answer.status(), 403);
        assert_eq!(answer.text(), "no");
    }
}

#[test]
fn an_upgrade_to_something_else_is_502() {
    let instance =
        Instance::saying_last("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
    let proxy = Running::before(&[instance.address], "", "");
    let answer = proxy.ask(&format!("{UPGRADE}\r\n"));
    assert_eq!(answer.status(), 502);
    assert_eq!(answer.field("x-warpdrive-error"), Some("upstream_invalid_response"));
}

#[test]
fn a_silent_tunnel_ends_and_a_busy_one_does_not() {
    let instance = echo_after("");
    let mut proxy = Running::before(&[instance.address], "", "tunnel_idle_timeout_secs = 0.5");
    let mut client = proxy.connect();
    client.send(format!("{UPGRADE}\r\n"));
    client.head();
    for _ in 0..8 {
        assert!(!client.has_bytes_within(std::time::Duration::from_millis(100)));
        client.send("x");
        assert_eq!(client.exactly(1), b"x");
    }
    client.rest_and_end();
    assert_eq!(value(&proxy.line(), "reason"), "tunnel_idle_timeout");
}
