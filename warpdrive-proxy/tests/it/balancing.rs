//! Which instance gets a request, by each strategy.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::support::{Instance, PATIENCE, Running, app, config, nobody};

fn before(instances: &[SocketAddr], strategy: &str, server: &str) -> Running {
    let text = format!("[upstreams.app]\nstrategy = \"{strategy}\"\n{}", app(instances, ""));
    Running::start(&config(server, &text))
}

fn served(instances: &[&Instance]) -> Vec<usize> {
    instances.iter().map(|instance| instance.heads().len()).collect()
}

#[test]
fn in_turn_also_past_an_instance_that_is_not_there() {
    let (one, two) = (Instance::echo(), Instance::echo());
    let proxy = before(&[one.address, two.address], "round_robin", "");
    (0..20).for_each(|_| assert_eq!(proxy.get("/").status(), 200));
    assert_eq!(served(&[&one, &two]), [10, 10]);
    let (one, two) = (Instance::echo(), Instance::echo());
    let proxy = before(&[nobody(), one.address, two.address], "round_robin", "");
    (0..60).for_each(|_| assert_eq!(proxy.get("/").status(), 200));
    assert_eq!(served(&[&one, &two]), [30, 30]);
}

#[test]
fn by_chance_all_are_used() {
    let instances: Vec<Instance> = (0..3).map(|_| Instance::echo()).collect();
    let addresses: Vec<SocketAddr> = instances.iter().map(|instance| instance.address).collect();
    let proxy = before(&addresses, "random", "");
    (0..90).for_each(|_| assert_eq!(proxy.get("/").status(), 200));
    let served = served(&instances.iter().collect::<Vec<_>>());
    // Less than ten of ninety is a chance of one in a million.
    assert!(served.iter().all(|count| *count >= 10), "{served:?}");
}

#[test]
fn the_least_busy_gets_it_until_the_last_byte_of_a_body_and_of_a_tunnel() {
    // Answers the first part of a body or opens a tunnel, and stays busy until it is told.
    let (done, finish) = channel::<()>();
    let finish = Mutex::new(finish);
    let busy = Instance::start(move |peer, notes| {
        while let Some(head) = notes.head(peer) {
            let tunnel = head.field("upgrade").is_some();
            peer.send(if tunnel {
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nx"
            } else {
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx"
            });
            finish.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            if tunnel {
                return;
            }
            peer.send("x");
        }
    });
    let idle = Instance::echo();
    let proxy = before(&[busy.address, idle.address], "least_conn", "");
    for request in [
        "GET /busy HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /busy HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        // Whoever has the turn: until the busy one has it.
        let before = busy.heads().len();
        let mut holder = loop {
            let mut client = proxy.connect();
            client.send(request);
            let head = client.head();
            if busy.heads().len() > before {
                assert!([200, 101].contains(&head.status()));
                assert_eq!(client.exactly(1), b"x");
                break client;
            }
        };
        for _ in 0..10 {
            assert_eq!(proxy.get("/next").text(), "GET /next HTTP/1.1\n");
        }
        assert_eq!(busy.heads().len(), before + 1);
        done.send(()).unwrap();
        // The rest of the body, or the end of the tunnel.
        assert!([&b"x"[..], b""].contains(&holder.some().as_slice()));
    }
    assert!(idle.heads().len() >= 20);
}

#[test]
fn a_client_keeps_its_instance_while_that_is_there() {
    let instances: Vec<Instance> = (0..3).map(|_| Instance::echo()).collect();
    let gone = nobody();
    let mut addresses: Vec<SocketAddr> = instances.iter().map(|instance| instance.address).collect();
    let trusted = "trusted_proxies = [\"127.0.0.0/8\"]";
    let homes = |addresses: &[SocketAddr]| {
        let mut proxy = before(addresses, "ip_hash", trusted);
        let mut homes = BTreeMap::new();
        for round in 0..2 {
            for client in 0..30 {
                let name = format!("203.0.113.{client}");
                let answer = proxy.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {name}\r\n\r\n"));
                assert_eq!(answer.status(), 200);
                let home = crate::support::value(&proxy.line(), "instance").to_owned();
                let first = homes.entry(name).or_insert_with(|| home.clone());
                assert_eq!(*first, home, "in round {round}");
            }
        }
        homes
    };
    let first = homes(&addresses);
    assert_eq!(first.values().collect::<BTreeSet<_>>().len(), 3);
    // With a fourth that nobody reaches, its clients go where they were, and the others stay.
    addresses.push(gone);
    assert_eq!(homes(&addresses), first);
}
