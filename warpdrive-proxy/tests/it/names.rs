//! Names of instances, asked of a server of names.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Instance, Running, config, eventually, value};

/// What a name stands for: addresses, and for how many seconds.
type Zone = HashMap<&'static str, (Vec<Ipv4Addr>, u32)>;

/// A server of names on a free port: RFC 1035 as far as one question for an address needs it.
struct Names {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    asked: Arc<AtomicUsize>,
    /// It answers nothing.
    silent: Arc<AtomicUsize>,
}

impl Names {
    fn start(zone: impl Into<Zone>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let names = Names {
            address: socket.local_addr().unwrap(),
            zone: Arc::new(Mutex::new(zone.into())),
            asked: Arc::default(),
            silent: Arc::default(),
        };
        let (zone, asked, silent) = (names.zone.clone(), names.asked.clone(), names.silent.clone());
        std::thread::spawn(move || {
            let mut space = [0; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut space) {
                asked.fetch_add(1, SeqCst);
                if silent.load(SeqCst) == 0 {
                    socket.send_to(&answer(&space[..length], &zone.lock().unwrap()), peer).unwrap();
                }
            }
        });
        names
    }

    fn set(&self, name: &'static str, addresses: &[Ipv4Addr], ttl: u32) {
        self.zone.lock().unwrap().insert(name, (addresses.to_vec(), ttl));
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

fn answer(question: &[u8], zone: &Zone) -> Vec<u8> {
    // The header has twelve bytes; then labels, each after its length, to an empty one; then type and class.
    let (mut at, mut labels) = (12, Vec::new());
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8(question[at + 1..=at + length].to_vec()).unwrap().to_lowercase());
        at += length + 1;
    }
    let end = at + 5;
    let wants_ipv4 = question[end - 3] == 1;
    let known = zone.get(labels.join(".").as_str());
    let addresses = known.filter(|_| wants_ipv4).map_or(&[][..], |(addresses, _)| addresses);
    let mut answer = question[..2].to_vec();
    // A response with recursion; code 3 says that there is no such name.
    answer.extend([0x81, if known.is_some() { 0x80 } else { 0x83 }]);
    answer.extend([0, 1, 0, addresses.len() as u8, 0, 0, 0, 0]);
    answer.extend(&question[12..end]);
    for address in addresses {
        // The name is that of the question; type A, class IN.
        answer.extend([0xc0, 12, 0, 1, 0, 1]);
        answer.extend(known.unwrap().1.to_be_bytes());
        answer.extend([0, 4]);
        answer.extend(address.octets());
    }
    answer
}

/// Two instances on one port of two addresses of this machine, each saying which it is.
fn two() -> ([Instance; 2], [Ipv4Addr; 2], u16) {
    let addresses = [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2)];
    let (listeners, port) = loop {
        let first = TcpListener::bind((addresses[0], 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        // Somebody may have it at the other address.
        if let Ok(second) = TcpListener::bind((addresses[1], port)) {
            break ([first, second], port);
        }
    };
    let mut number = 0;
    let instances = listeners.map(|listener| {
        number += 1;
        Instance::on(listener, move |peer, notes| {
            while notes.request(peer).is_some() {
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}"));
            }
        })
    });
    (instances, addresses, port)
}

/// No connection is kept, so that each request shows where the name leads.
fn before(names: &Names, host: &str, port: u16, server: &str) -> Running {
    let server = format!("resolver = [\"{}\"]\n{server}", names.address);
    let text = format!(
        "[upstreams.app]\nhost = \"{host}\"\nport = {port}\nkeepalive = false\npassive = false\n[[routes]]\nupstream = \"app\"\n"
    );
    Running::start(&config(&server, &text))
}

#[test]
fn a_name_leads_elsewhere_when_its_time_has_passed_and_not_before() {
    let (_instances, [first, second], port) = two();
    let names = Names::start([("app.test", (vec![first], 2))]);
    let proxy = before(&names, "app.test", port, "");
    assert_eq!(proxy.get("/").text(), "1");
    let asked = Instant::now();
    names.set("app.test", &[second], 3600);
    eventually("the other instance", || {
        let leads_elsewhere = proxy.get("/").text() == "2";
        assert!(!leads_elsewhere || asked.elapsed() > Duration::from_secs(1), "before its time");
        leads_elsewhere
    });
    // From now on it holds for the longest time: nobody asks.
    let before = names.asked();
    for _ in 0..50 {
        assert_eq!(proxy.get("/").text(), "2");
    }
    assert_eq!(names.asked(), before);
}

#[test]
fn a_connection_that_fails_has_the_name_asked_for_again() {
    let (instances, [first, second], port) = two();
    let names = Names::start([("app.test", (vec![first], 3600))]);
    let proxy = before(&names, "app.test", port, "");
    assert_eq!(proxy.get("/").text(), "1");
    let [one, _two] = instances;
    one.stop();
    names.set("app.test", &[second], 3600);
    eventually("the other instance", || {
        let answer = proxy.get("/");
        assert!([200, 502].contains(&answer.status()));
        answer.status() == 200 && answer.text() == "2"
    });
}

#[test]
fn addresses_stay_in_use_when_the_server_of_names_is_gone() {
    let (_instances, [first, _], port) = two();
    let names = Names::start([("stays.test", (vec![first], 1))]);
    let proxy = before(&names, "stays.test", port, "");
    assert_eq!(proxy.get("/").text(), "1");
    names.silent.store(1, SeqCst);
    let asked = names.asked();
    eventually("a question without an answer", || {
        assert_eq!(proxy.get("/").text(), "1");
        names.asked() > asked + 1
    });
    // It comes to no end before both tries have had their time.
    crate::warnings::wait_for("stays.test", "the addresses that it had stay in use");
    assert_eq!(proxy.get("/").text(), "1");
}

#[test]
fn every_address_has_its_turn_and_a_dead_one_costs_no_request() {
    let (instances, addresses, port) = two();
    let names = Names::start([("app.test", (addresses.to_vec(), 3600))]);
    let proxy = before(&names, "app.test", port, "worker_threads = 1");
    let answers: Vec<String> = (0..4).map(|_| proxy.get("/").text().to_owned()).collect();
    assert!(answers == ["1", "2", "1", "2"] || answers == ["2", "1", "2", "1"], "{answers:?}");
    let [one, _two] = instances;
    one.stop();
    for _ in 0..4 {
        assert_eq!(proxy.get("/").text(), "2");
    }
}

#[test]
fn a_name_that_stands_for_nothing_is_502_until_it_does() {
    let (_instances, [first, _], port) = two();
    let names = Names::start(Zone::new());
    let mut proxy = before(&names, "nothing.test", port, "");
    let answer = proxy.get("/");
    assert_eq!((answer.status(), answer.field("x-warpdrive-error")), (502, Some("upstream_connect")));
    assert_eq!(value(&proxy.line(), "reason"), "upstream_connect");
    let told = crate::warnings::wait_for("nothing.test", "requests to the instance fail until that changes");
    assert!(told.contains("cannot be resolved"), "{told}");
    names.set("nothing.test", &[first], 60);
    eventually("it stands for something", || proxy.get("/").status() == 200);
}

#[test]
fn a_first_request_waits_for_its_name_no_longer_than_the_connect_time() {
    let names = Names::start(Zone::new());
    names.silent.store(1, SeqCst);
    let proxy = before(&names, "slow.test", 1, "connect_timeout_secs = 0.3");
    let begun = Instant::now();
    let answer = proxy.get("/");
    assert_eq!((answer.status(), answer.field("x-warpdrive-error")), (504, Some("upstream_connect_timeout")));
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn the_last_of_many_addresses_is_tried_too() {
    let (_instances, [first, _], port) = two();
    let many: Vec<Ipv4Addr> = (0..24).map(|last| Ipv4Addr::new(127, 0, 1, last)).chain([first]).collect();
    let names = Names::start([("many.test", (many, 60))]);
    // Refused by all but the last.
    assert_eq!(before(&names, "many.test", port, "").get("/").status(), 200);
}
