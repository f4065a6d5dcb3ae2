//! Limits of instances, and the queue in front of them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::balancing::{cookie, pool};
use crate::support::{Answer, Instance, PATIENCE, Running, config, eventually, value};

/// Answers each request when it is told to, and a request for `/now` at once.
fn gated() -> (Instance, Sender<()>) {
    let (open, gate) = channel::<()>();
    let gate: Mutex<Receiver<()>> = Mutex::new(gate);
    let instance = Instance::start(move |peer, notes| {
        while let Some((head, _)) = notes.request(peer) {
            if !head.line.contains("/now") && gate.lock().unwrap().recv_timeout(PATIENCE).is_err() {
                return;
            }
            if peer.try_send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                return;
            }
        }
    });
    (instance, open)
}

fn before(settings: &str, instances: &[(SocketAddr, &str)]) -> Running {
    Running::start(&config("", &pool(settings, instances)))
}

/// Sends a request that the instance is working on when this returns.
fn occupy(proxy: &Running, instance: &Instance) -> crate::support::Peer {
    let (mut client, heads) = (proxy.connect(), instance.heads().len());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("the instance has it", || instance.heads().len() > heads);
    client
}

fn assert_busy(answer: &Answer, reason: &str) {
    assert_eq!((answer.status(), answer.field("x-warpdrive-error")), (503, Some(reason)));
    assert_eq!(answer.field("retry-after"), Some("1"));
}

#[test]
fn one_request_may_wait_and_the_next_is_told_at_once() {
    let (instance, open) = gated();
    let proxy = before("queue = 1", &[(instance.address, "max_connections = 1")]);
    let mut first = occupy(&proxy, &instance);
    let (sender, answers) = channel();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (sender, proxy) = (sender.clone(), proxy.address);
            scope.spawn(move || {
                let mut client = crate::support::Peer::new(std::net::TcpStream::connect(proxy).unwrap());
                client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                sender.send(client.answer()).unwrap();
            });
        }
        // Whichever came second. The other one has heard nothing, for the instance has said nothing.
        assert_busy(&answers.recv_timeout(PATIENCE).unwrap(), "queue_full");
        assert_eq!(instance.heads().len(), 1);
        open.send(()).unwrap();
        open.send(()).unwrap();
        assert_eq!(first.answer().status(), 200);
        assert_eq!(answers.recv_timeout(PATIENCE).unwrap().status(), 200);
    });
    eventually("all leases end", || proxy.in_flight() == 0);
}

#[test]
fn without_a_queue_a_full_instance_is_503_at_once_until_the_tunnel_on_it_ends() {
    let instance = Instance::start(|peer, notes| {
        while let Some(head) = notes.head(peer) {
            let tunnel = head.field("upgrade").is_some();
            peer.send(match tunnel {
                true => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nx",
                false => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            });
        }
    });
    let proxy = before("queue = 0", &[(instance.address, "max_connections = 1")]);
    let mut tunnel = proxy.connect();
    tunnel.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(tunnel.head().status(), 101);
    assert_eq!(tunnel.exactly(1), b"x");
    for _ in 0..3 {
        assert_busy(&proxy.get("/"), "queue_full");
    }
    drop(tunnel);
    eventually("the lease ends", || proxy.in_flight() == 0);
    assert_eq!(proxy.get("/").status(), 200);
}

#[test]
fn a_wait_ends_in_time() {
    let (instance, open) = gated();
    let mut proxy = before("queue_timeout_secs = 0.2", &[(instance.address, "max_connections = 1")]);
    let mut first = occupy(&proxy, &instance);
    let begun = Instant::now();
    assert_busy(&proxy.get("/"), "queue_timeout");
    assert!(begun.elapsed() >= Duration::from_millis(200));
    let line = proxy.line();
    assert_eq!((value(&line, "status"), value(&line, "reason")), ("503", "queue_timeout"));
    // It holds no place any more.
    open.send(()).unwrap();
    assert_eq!(first.answer().status(), 200);
    assert_eq!(proxy.get("/now").status(), 200);
    assert_eq!(instance.heads().len(), 2);
}

#[test]
fn a_client_that_leaves_makes_room_in_the_queue() {
    let (instance, open) = gated();
    let mut proxy = before("queue = 1", &[(instance.address, "max_connections = 1")]);
    let mut first = occupy(&proxy, &instance);
    for round in 0..3 {
        // Targets of this round alone: the line of one that was refused in the last round may come late, from another
        // worker than that of the one that waited.
        let mut clients = ["a", "b"].map(|name| {
            let (mut client, target) = (proxy.connect(), format!("/{name}{round}"));
            client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
            (client, target)
        });
        // One of them has found the queue empty, and the other one found that one in it.
        let told = loop {
            let told = clients.iter_mut().position(|(client, _)| client.has_bytes_within(Duration::from_millis(5)));
            if let Some(told) = told {
                break told;
            }
        };
        assert_busy(&clients[told].0.answer(), "queue_full");
        let waits = clients[1 - told].1.clone();
        drop(clients);
        loop {
            let line = proxy.line();
            if value(&line, "target") == waits {
                assert_eq!((value(&line, "status"), value(&line, "reason")), ("499", "client_closed"));
                break;
            }
        }
    }
    let (instances, address) = (&instance, proxy.address);
    std::thread::scope(|scope| {
        let last = scope.spawn(move || {
            let mut client = crate::support::Peer::new(std::net::TcpStream::connect(address).unwrap());
            client.send("GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
            client.answer().status()
        });
        open.send(()).unwrap();
        assert_eq!(first.answer().status(), 200);
        assert_eq!(last.join().unwrap(), 200);
    });
    assert_eq!(instances.heads().len(), 2, "nothing of those that left has reached the instance");
}

#[test]
fn a_limit_holds_over_all_workers_and_nobody_is_forgotten() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (inside, peak) = (Arc::clone(&now), Arc::clone(&most));
    let instance = Instance::start(move |peer, notes| {
        while notes.request(peer).is_some() {
            peak.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
            std::thread::yield_now();
            inside.fetch_sub(1, SeqCst);
            if peer.try_send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                return;
            }
        }
    });
    let settings = "queue = 64\nqueue_timeout_secs = 20";
    let text = pool(settings, &[(instance.address, "max_connections = 2")]);
    let proxy = Running::start(&config("worker_threads = 4", &text));
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                let mut client = proxy.connect();
                for _ in 0..25 {
                    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                    assert_eq!(client.answer().status(), 200);
                }
            });
        }
    });
    assert_eq!(instance.heads().len(), 32 * 25);
    assert!((1..=2).contains(&most.load(SeqCst)), "{most:?}");
    eventually("all leases end", || proxy.in_flight() == 0);
}

#[test]
fn a_full_instance_leaves_the_rest_to_the_others_and_then_to_the_backup() {
    let (one, open) = gated();
    let (two, spare) = (Instance::echo(), Instance::echo());
    let limited = "max_connections = 1";
    let pools = [(one.address, limited), (two.address, ""), (spare.address, "backup = true")];
    let proxy = before("", &pools);
    let mut holder = loop {
        let (mut client, seen) = (proxy.connect(), two.heads().len());
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        eventually("an instance has it", || one.heads().len() == 1 || two.heads().len() > seen);
        if one.heads().len() == 1 {
            break client;
        }
        assert_eq!(client.answer().status(), 200);
    };
    let served = two.heads().len();
    for _ in 0..20 {
        assert_eq!(proxy.get("/").status(), 200);
    }
    assert_eq!((one.heads().len(), two.heads().len(), spare.heads().len()), (1, served + 20, 0));
    open.send(()).unwrap();
    assert_eq!(holder.answer().status(), 200);
    // With the only other one full as well, the backup has to do.
    let (one, open) = gated();
    let proxy = before("", &[(one.address, limited), (spare.address, "backup = true")]);
    let mut holder = occupy(&proxy, &one);
    assert_eq!(proxy.get("/spare").text(), "GET /spare HTTP/1.1\n");
    open.send(()).unwrap();
    assert_eq!(holder.answer().status(), 200);
    eventually("the lease ends", || proxy.in_flight() == 0);
    assert_eq!(proxy.get("/now").status(), 200);
    assert_eq!((one.heads().len(), spare.heads().len()), (2, 1));
}

#[test]
fn a_pinned_client_waits_for_its_instance_and_holds_nobody_up() {
    let (one, open) = gated();
    let two = Instance::echo();
    let limited = "max_connections = 1";
    let text = pool("strategy = \"sticky_cookie\"", &[(one.address, limited), (two.address, limited)]);
    let proxy = Running::start(&config("", &text));
    let pinned = format!("GET /mine HTTP/1.1\r\nHost: a\r\nCookie: {}\r\n\r\n", cookie(&text, 0));
    let mut holder = proxy.connect();
    holder.send(&pinned);
    eventually("the instance has it", || one.heads().len() == 1);
    let mut waits = proxy.connect();
    waits.send(&pinned);
    for _ in 0..10 {
        assert_eq!(proxy.get("/").text(), "GET / HTTP/1.1\n");
    }
    assert_eq!(one.heads().len(), 1);
    open.send(()).unwrap();
    open.send(()).unwrap();
    assert_eq!(holder.answer().status(), 200);
    assert_eq!(waits.answer().status(), 200);
    assert_eq!((one.heads().len(), two.heads().len()), (2, 10));
}
