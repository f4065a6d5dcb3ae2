//! Which instance gets a request, by each strategy.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use warpdrive_core::balance::Balancer;
use warpdrive_core::model::Strategy;

use crate::support::{Instance, PATIENCE, Running, app, config, model, nobody, value};

fn before(instances: &[SocketAddr], strategy: &str, server: &str) -> Running {
    let text = format!("[upstreams.app]\nstrategy = \"{strategy}\"\n{}", app(instances, ""));
    Running::start(&config(server, &text))
}

/// Upstream `app` with these lines and instances, each with lines of its own, and everything to it.
pub(crate) fn pool(settings: &str, instances: &[(SocketAddr, &str)]) -> String {
    let mut text = format!("[upstreams.app]\n{settings}\n");
    for (address, lines) in instances {
        let (host, port) = (address.ip(), address.port());
        text += &format!("[[upstreams.app.instances]]\nhost = \"{host}\"\nport = {port}\n{lines}\n");
    }
    text + "[[routes]]\nupstream = \"app\"\n"
}

/// What a client sends that is pinned to the instance at a place, as the library has it.
pub(crate) fn cookie(text: &str, place: usize) -> String {
    let model = model(text);
    let upstream = &model.upstreams()[0];
    let Strategy::StickyCookie(cookie) = &upstream.strategy else { panic!("{:?}", upstream.strategy) };
    let field = cookie.set(Balancer::new(upstream).pin(place).unwrap(), false).unwrap();
    field.to_str().unwrap().split(';').next().unwrap().to_owned()
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
                let home = value(&proxy.line(), "instance").to_owned();
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

#[test]
fn weights_make_a_smooth_order_also_over_several_workers() {
    let instances: Vec<Instance> = (0..3).map(|_| Instance::echo()).collect();
    let weights = ["weight = 5", "", "weight = 1"];
    let pools: Vec<(SocketAddr, &str)> =
        instances.iter().zip(weights).map(|(instance, weight)| (instance.address, weight)).collect();
    let mut proxy = Running::start(&config("worker_threads = 2", &pool("", &pools)));
    let order: String = (0..28)
        .map(|_| {
            assert_eq!(proxy.get("/").status(), 200);
            let line = proxy.line();
            let place = instances.iter().position(|one| one.address.to_string() == value(&line, "instance"));
            ["a", "b", "c"][place.unwrap()]
        })
        .collect();
    // From wherever the random start has put it.
    assert!("aabacaa".repeat(6).contains(&order), "{order}");
    assert_eq!(served(&instances.iter().collect::<Vec<_>>()), [20, 4, 4]);
}

#[test]
fn of_two_drawn_the_idle_one_is_asked() {
    let (done, finish) = channel::<()>();
    let finish = Mutex::new(finish);
    let busy = Instance::start(move |peer, notes| {
        while notes.request(peer).is_some() {
            finish.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let idle = Instance::echo();
    let proxy = before(&[busy.address, idle.address], "power_of_two", "");
    let mut holder = loop {
        let mut client = proxy.connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let seen = idle.heads().len();
        crate::support::eventually("one has it", || busy.heads().len() == 1 || idle.heads().len() > seen);
        if busy.heads().len() == 1 {
            break client;
        }
        assert_eq!(client.answer().status(), 200);
    };
    let before = idle.heads().len();
    (0..30).for_each(|_| assert_eq!(proxy.get("/").status(), 200));
    assert_eq!((busy.heads().len(), idle.heads().len()), (1, before + 30));
    done.send(()).unwrap();
    assert_eq!(holder.answer().status(), 200);
}

#[test]
fn a_backup_is_asked_only_when_the_others_cannot_be_had() {
    let (main, spare) = (Instance::echo(), Instance::echo());
    let pools = [(spare.address, "backup = true"), (main.address, "")];
    let proxy = Running::start(&config("", &pool("", &pools)));
    (0..10).for_each(|_| assert_eq!(proxy.get("/").status(), 200));
    assert_eq!(served(&[&main, &spare]), [10, 0]);
    let pools = [(spare.address, "backup = true"), (nobody(), ""), (nobody(), "")];
    let proxy = Running::start(&config("", &pool("", &pools)));
    (0..10).for_each(|_| assert_eq!(proxy.get("/").status(), 200));
    assert_eq!(served(&[&main, &spare]), [10, 10]);
}

#[test]
fn a_cookie_keeps_a_client_at_its_instance_and_moves_it_when_that_is_down() {
    let (one, two) = (Instance::echo(), Instance::echo());
    let settings = "strategy = \"sticky_cookie\"\nsticky_cookie = { name = \"at\" }\npassive = false";
    let text = config("", &pool(settings, &[(one.address, ""), (two.address, ""), (nobody(), "")]));
    let mut proxy = Running::start(&text);
    let with = |cookie: &str| format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: a=b; {cookie}\r\n\r\n");
    let pins: Vec<String> = (0..3).map(|place| cookie(&text, place)).collect();
    let addresses = [one.address.to_string(), two.address.to_string()];
    for _ in 0..6 {
        let first = proxy.get("/");
        let set = first.field("set-cookie").unwrap();
        let line = proxy.line();
        let at = addresses.iter().position(|address| *address == value(&line, "instance")).unwrap();
        assert_eq!(set, format!("{}; Path=/; HttpOnly; SameSite=Lax", pins[at]));
        for _ in 0..3 {
            let next = proxy.ask(&with(&pins[at]));
            assert_eq!((next.status(), next.field("set-cookie")), (200, None));
            assert_eq!(value(&proxy.line(), "instance"), addresses[at]);
        }
        // Whoever was pinned to the third one gets another home, for good.
        let moved = proxy.ask(&with(&pins[2]));
        let set = moved.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        assert!(pins[..2].contains(&set), "{set}");
        assert_eq!(value(&proxy.line(), "attempts"), "2");
        assert_eq!(proxy.ask(&with(&set)).field("set-cookie"), None);
        proxy.line();
        // What no instance can have is as good as no cookie.
        assert!(proxy.ask(&with("at=1")).field("set-cookie").is_some());
        proxy.line();
    }
}

#[test]
fn a_cookie_is_secure_where_the_client_sees_https() {
    let one = Instance::echo();
    let text = pool("strategy = \"sticky_cookie\"", &[(one.address, "")]);
    let proxy = Running::start(&config("trusted_proxies = [\"127.0.0.0/8\"]", &text));
    let answer = proxy.ask("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n");
    let set = answer.field("set-cookie").unwrap();
    assert!(set.starts_with("warpdrive_app=") && set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{set}");
}
