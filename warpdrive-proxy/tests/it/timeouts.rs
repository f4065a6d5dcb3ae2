//! Every time has its own status, reason and clock.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::{Instance, Running, value};

#[test]
fn a_slow_head_is_408_counted_from_its_first_byte() {
    let proxy = Running::before(
        &[Instance::echo().address],
        "client_header_timeout_secs = 0.4\nkeepalive_timeout_secs = 30",
        "",
    );
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.answer();
    let began = Instant::now();
    client.send("GET / HT");
    // One byte at a time, always within the time: it does not start again.
    let mut trickle = proxy.connect();
    for byte in b"GET / HTTP/1.1\r\nX: " {
        if trickle.try_send([*byte]).is_err() || began.elapsed() > Duration::from_millis(700) {
            break;
        }
        trickle.has_bytes_within(Duration::from_millis(30));
    }
    for mut slow in [client, trickle] {
        let answer = slow.answer();
        assert_eq!(answer.status(), 408);
        assert_eq!(answer.field("x-warpdrive-error"), Some("client_header_timeout"));
        assert!(slow.is_closed());
    }
    assert!(began.elapsed() >= Duration::from_millis(400));
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let server = "keepalive_timeout_secs = 0.3\nclient_header_timeout_secs = 0.6";
    let proxy = Running::before(&[Instance::echo().address], server, "");
    let mut silent = proxy.connect();
    let mut used = proxy.connect();
    used.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    used.answer();
    let began = Instant::now();
    assert_eq!(used.rest(), b"");
    assert!(began.elapsed() < Duration::from_millis(600));
    assert_eq!(silent.rest(), b"");
}

#[test]
fn a_slow_body_is_408_and_a_steady_one_is_not() {
    let instance = Instance::echo();
    let mut proxy = Running::before(&[instance.address], "", "client_body_timeout_secs = 0.4");
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    let answer = client.answer();
    assert_eq!(answer.status(), 408);
    assert_eq!(answer.field("x-warpdrive-error"), Some("client_body_timeout"));
    assert!(client.is_closed());
    assert_eq!(value(&proxy.line(), "reason"), "client_body_timeout");

    let mut steady = proxy.connect();
    steady.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n");
    for _ in 0..8 {
        assert!(!steady.has_bytes_within(Duration::from_millis(100)));
        steady.send("x");
    }
    assert_eq!(steady.answer().text(), "POST / HTTP/1.1\nxxxxxxxx");
}

#[test]
fn an_upstream_that_does_not_answer_is_504() {
    let instance = Instance::start(|peer, notes| {
        notes.request(peer);
        peer.rest_and_end();
    });
    let mut proxy = Running::before(&[instance.address], "", "read_timeout_secs = 0.3");
    let began = Instant::now();
    let answer = proxy.get("/");
    assert_eq!(answer.status(), 504);
    assert_eq!(answer.field("x-warpdrive-error"), Some("upstream_first_byte_timeout"));
    assert!(began.elapsed() >= Duration::from_millis(300));
    let line = proxy.line();
    assert_eq!((value(&line, "status"), value(&line, "reason")), ("504", "upstream_first_byte_timeout"));
}

#[test]
fn the_read_time_begins_with_the_end_of_the_request() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "read_timeout_secs = 0.4");
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n");
    for _ in 0..8 {
        assert!(!client.has_bytes_within(Duration::from_millis(100)));
        client.send("x");
    }
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn an_upstream_that_stops_reading_is_504_with_its_own_reason() {
    let (release, hold) = std::sync::mpsc::channel::<()>();
    let hold = std::sync::Mutex::new(hold);
    let instance = Instance::start(move |peer, notes| {
        notes.head(peer);
        // Reads nothing more, and keeps its end open.
        let _ = hold.lock().unwrap().recv();
    });
    let mut proxy = Running::before(&[instance.address], "", "read_timeout_secs = 0.4");
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    let began = Instant::now();
    let mut other = client.try_clone();
    let sender = std::thread::spawn(move || {
        let piece = vec![0; 1 << 20];
        while other.try_send(&piece).is_ok() {}
    });
    let answer = client.answer();
    assert_eq!(answer.status(), 504);
    assert_eq!(answer.field("x-warpdrive-error"), Some("upstream_stopped_reading"));
    // The proxy holds nothing of it any longer: the client is let go although it still sends.
    sender.join().unwrap();
    assert!(began.elapsed() < crate::support::PATIENCE / 2);
    assert_eq!(value(&proxy.line(), "reason"), "upstream_stopped_reading");
    drop(release);
}

#[test]
fn silence_inside_a_response_body_cuts_it() {
    let instance = Instance::start(|peer, notes| {
        notes.request(peer).unwrap();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        peer.rest_and_end();
    });
    let mut proxy = Running::before(&[instance.address], "", "read_timeout_secs = 0.3");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    let (bytes, _) = client.rest_and_end();
    assert_eq!(bytes, b"abc");
    assert_eq!(value(&proxy.line(), "reason"), "upstream_body_timeout");
}

#[test]
fn a_stream_may_last_longer_than_the_read_time() {
    let instance = Instance::start(|peer, notes| {
        notes.request(peer).unwrap();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..9 {
            peer.has_bytes_within(Duration::from_millis(100));
            peer.send("1\r\nx\r\n");
        }
        peer.send("0\r\n\r\n");
    });
    let proxy = Running::before(&[instance.address], "", "read_timeout_secs = 0.4");
    assert_eq!(proxy.get("/").text(), "xxxxxxxxx");
}

#[test]
fn an_instance_that_takes_no_connection_is_504_or_passed_over() {
    // A queue of one that is full: further connections wait for ever.
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = full.local_addr().unwrap();
    rustix_listen(&full);
    let waiting: Vec<_> = (0..3)
        .filter_map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok())
        .collect();
    let mut proxy = Running::before(&[address], "", "connect_timeout_secs = 0.3");
    let answer = proxy.get("/");
    assert_eq!(answer.status(), 504);
    assert_eq!(answer.field("x-warpdrive-error"), Some("upstream_connect_timeout"));
    let line = proxy.line();
    assert_eq!((value(&line, "attempts"), value(&line, "reason")), ("1", "upstream_connect_timeout"));
    let good = Instance::echo();
    let route = "connect_timeout_secs = 0.3";
    let proxy = Running::before(&[address, good.address], "", route);
    for _ in 0..4 {
        assert_eq!(proxy.get("/").status(), 200);
    }
    drop((full, waiting));
}

/// Makes the queue of a listener as short as it can be.
fn rustix_listen(listener: &TcpListener) {
    socket2::SockRef::from(listener).listen(0).unwrap();
}

#[test]
fn a_client_that_stops_reading_is_cut() {
    let instance = Instance::start(|peer, notes| {
        notes.request(peer).unwrap();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
        let piece = vec![0; 1 << 20];
        while peer.try_send(&piece).is_ok() {}
    });
    let server = "client_write_timeout_secs = 0.4";
    let mut proxy = Running::before(&[instance.address], server, "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // Nothing is read; the line comes when the proxy has given up.
    let line = proxy.line();
    assert_eq!(value(&line, "reason"), "client_write_timeout");
    assert_eq!(value(&line, "status"), "200");
}
