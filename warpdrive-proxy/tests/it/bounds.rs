//! Limits that nobody sets, gone past from outside.

use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Instance, PATIENCE, Running, eventually};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Answers only when as many requests are there as come at once.
fn in_waves_of(count: usize) -> Instance {
    let arrived = Arc::new((Mutex::new(0), Condvar::new()));
    Instance::start(move |peer, notes| {
        while notes.request(peer).is_some() {
            let (number, changed) = &*arrived;
            let mut number = number.lock().unwrap();
            *number += 1;
            if *number % count == 0 {
                changed.notify_all();
            }
            let wave = (*number - 1) / count;
            drop(changed.wait_while(number, |number| *number < (wave + 1) * count).unwrap());
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    })
}

#[test]
fn a_worker_keeps_512_idle_connections_to_an_instance() {
    let instance = in_waves_of(524);
    let proxy = Running::before(&[instance.address], "worker_threads = 1", "");
    let mut clients: Vec<_> = (0..524).map(|_| proxy.connect()).collect();
    for connections in [524, 524 + 12] {
        for client in &mut clients {
            client.send(GET);
        }
        for client in &mut clients {
            assert_eq!(client.answer().text(), "ok");
        }
        eventually("all leases end", || proxy.in_flight() == 0);
        assert_eq!(instance.connections(), connections);
    }
}

#[test]
fn an_idle_connection_to_an_instance_is_closed_before_node_would() {
    let (ended, end) = channel();
    let ended = Mutex::new(ended);
    let instance = Instance::start(move |peer, notes| {
        notes.request(peer).unwrap();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let began = Instant::now();
        peer.rest();
        ended.lock().unwrap().send(began.elapsed()).unwrap();
    });
    let proxy = Running::before(&[instance.address], "", "");
    assert_eq!(proxy.get("/").text(), "ok");
    let kept = end.recv_timeout(PATIENCE).unwrap();
    // Looked at once a second, on a machine that may be busy.
    assert!((Duration::from_millis(3_900)..Duration::from_secs(9)).contains(&kept), "{kept:?}");
}

#[test]
fn after_an_early_answer_a_slow_sender_is_heard_for_two_seconds() {
    let proxy = Running::before(&[Instance::echo().address], "", "max_body_bytes = 10");
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    assert_eq!(client.answer().status(), 413);
    let began = Instant::now();
    // Its pace is what is tested: far below the limit in bytes.
    while client.try_send("x").is_ok() {
        std::thread::sleep(Duration::from_millis(20));
        assert!(began.elapsed() < PATIENCE / 2, "still heard");
    }
    assert!(began.elapsed() > Duration::from_millis(1_500), "{:?}", began.elapsed());
}

#[test]
fn after_an_early_answer_a_fast_sender_is_heard_for_a_mebibyte() {
    let proxy = Running::before(&[Instance::echo().address], "", "max_body_bytes = 10");
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    assert_eq!(client.answer().status(), 413);
    let piece = vec![0; 64 * 1024];
    // What the kernel's buffers hold comes on top.
    let pieces = (0..1_000).take_while(|_| client.try_send(&piece).is_ok()).count();
    assert!((8..500).contains(&pieces), "{pieces} pieces of 64 KiB");
}
