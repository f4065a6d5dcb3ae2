//! What failed requests do to an instance, and how one comes back.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};

use warpdrive_proxy::HealthState;

use crate::health::{answer, becomes, health_of, instance_with, is_check, often, state, with_health};
use crate::support::{Instance, Peer, Running, eventually, model, nobody};
use crate::warnings;

#[test]
fn one_request_in_ten_that_resets_harms_no_other_under_load() {
    let instances = [touchy(), touchy()];
    let addresses = instances.each_ref().map(|instance| instance.address);
    let running = Running::start(&with_health(&addresses, "", "", ""));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..300 {
                    let is_bad = rand::random_ratio(1, 10);
                    let target = if is_bad { "/reset" } else { "/" };
                    let post = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
                    assert_eq!(running.ask(&post).status(), if is_bad { 502 } else { 200 });
                }
            });
        }
    });
    for address in addresses {
        assert!(warnings::of(address).iter().all(|line| !line.contains("ejected")));
    }
}

#[test]
fn connects_that_fail_eject_for_a_while() {
    let well = Instance::echo();
    let back = nobody();
    let instances = [well.address, back];
    let running = Running::start(&with_health(&instances, "", "", ""));
    let mut asked = 0;
    eventually("the ejection", || {
        asked += 1;
        assert_eq!(running.get("/").status(), 200);
        state(&running, 1) == HealthState::Ejected
    });
    // Every second one goes there, and three must fail.
    assert!((5..=6).contains(&asked), "{asked}");
    let attempts = |running: &mut Running| crate::support::value(&running.line(), "attempts").to_owned();
    let mut running = running;
    for _ in 0..asked {
        running.line();
    }
    running.get("/");
    running.get("/");
    assert_eq!([attempts(&mut running), attempts(&mut running)], ["1", "1"]);
    let lines = warnings::of(back);
    assert!(lines.iter().any(|line| line.contains("ejected") && line.contains("for_secs=1.0")), "{lines:?}");
    drop(well);
}

#[test]
fn an_ejected_instance_returns_by_a_trial_and_not_by_a_request() {
    let port = testkit::free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let well = Instance::echo();
    let running = Running::start(&with_health(&[well.address, address], "passive = { threshold = 1 }", "", ""));
    eventually("the ejection", || {
        assert_eq!(running.get("/").status(), 200);
        state(&running, 1) == HealthState::Ejected
    });
    let listener = TcpListener::bind(address).unwrap();
    becomes(&running, 1, HealthState::Up);
    // What came is the trial's connection, which sent nothing.
    let (stream, _) = listener.accept().unwrap();
    assert!(Peer::new(stream).rest().is_empty());
}

#[test]
fn ejection_alone_never_refuses_a_request() {
    let port = testkit::free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let running = Running::start(&with_health(&[address], "passive = { threshold = 1 }", "", ""));
    assert_eq!(running.get("/").status(), 502);
    assert_eq!(state(&running, 0), HealthState::Ejected);
    let server = Instance::echo();
    let forward = TcpListener::bind(address).unwrap();
    let target = server.address;
    std::thread::spawn(move || {
        for stream in forward.incoming() {
            let (mut here, mut there) = (stream.unwrap(), std::net::TcpStream::connect(target).unwrap());
            let (mut here_again, mut there_again) = (here.try_clone().unwrap(), there.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut here_again, &mut there_again));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut there, &mut here);
                let _ = here.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    assert_eq!(running.get("/").status(), 200);
}

/// Resets the connection of every request that asks for it.
fn touchy() -> Instance {
    Instance::start(|peer, notes| {
        while let Some((head, _)) = notes.request(peer) {
            if head.line.contains("/reset") || peer.try_send(answer(200)).is_err() {
                return;
            }
        }
    })
}

#[test]
fn requests_that_reset_their_connections_never_eject() {
    let instances = [touchy(), touchy()];
    let addresses = instances.each_ref().map(|instance| instance.address);
    let running = Running::start(&with_health(&addresses, "", "", ""));
    let post = |target: &str| {
        let answer = running.ask(&format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"));
        answer.status()
    };
    // One in ten, and then nothing else for a while.
    for number in 0..100 {
        let (target, wanted) = if number % 10 == 0 { ("/reset", 502) } else { ("/", 200) };
        // A reused connection may be lost too.
        assert_eq!(post(target), wanted, "{number}");
    }
    for _ in 0..20 {
        assert_eq!(post("/reset"), 502);
    }
    let was_asked = |instance: &Instance| instance.heads().iter().any(|head| head.line == "OPTIONS * HTTP/1.1");
    eventually("questions", || instances.iter().all(was_asked));
    for place in [0, 1] {
        eventually("an answer", || health_of(&running, place).request_failures == 0 || post("/") == 200);
        assert_eq!(state(&running, place), HealthState::Up);
    }
    assert!(warnings::of(addresses[0]).iter().all(|line| !line.contains("ejected")));
}

#[test]
fn one_that_answers_nobody_is_ejected() {
    // As a forwarder whose backend is gone: it takes connections and drops them.
    let dead = Instance::start(|peer, notes| drop(notes.head(peer)));
    let well = Instance::echo();
    let running = Running::start(&with_health(&[dead.address, well.address], "", "", ""));
    eventually("the ejection", || {
        running.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        state(&running, 0) == HealthState::Ejected
    });
    for _ in 0..10 {
        assert_eq!(running.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").status(), 200);
    }
}

#[test]
fn what_clients_do_is_no_evidence() {
    let instance = Instance::echo();
    let running = Running::start(&with_health(&[instance.address], "passive = { threshold = 1 }", "", ""));
    for _ in 0..3 {
        let mut peer = running.connect();
        peer.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n");
        drop(peer.rest_and_end());
        let mut peer = running.connect();
        peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
        drop(peer);
    }
    eventually("the end of all", || running.in_flight() == 0);
    let report = health_of(&running, 0);
    assert_eq!((report.state, report.request_failures), (HealthState::Up, 0));
}

#[test]
fn passive_checks_can_be_turned_off() {
    let instance = Instance::echo();
    let running = Running::start(&with_health(&[instance.address, nobody()], "passive = false", "", ""));
    for _ in 0..20 {
        assert_eq!(running.get("/").status(), 200);
    }
    assert_eq!(health_of(&running, 1).request_failures, 0);
}

#[test]
fn a_slow_start_gives_less_at_first() {
    let (status, well) = (Arc::new(AtomicU16::new(500)), Arc::new(AtomicU16::new(200)));
    let instances = [instance_with(&status), instance_with(&well)];
    let addresses = instances.each_ref().map(|instance| instance.address);
    let running = Running::start(&with_health(&addresses, "slow_start_secs = 60", &often(""), ""));
    // What was up from the start has its whole share.
    assert_eq!(health_of(&running, 1).share, 1000);
    becomes(&running, 0, HealthState::Down);
    status.store(200, SeqCst);
    becomes(&running, 0, HealthState::Up);
    let requests = |instance: &Instance| instance.heads().iter().filter(|head| !is_check(head)).count();
    let before = requests(&instances[0]);
    for _ in 0..100 {
        assert_eq!(running.get("/").status(), 200);
    }
    let share = health_of(&running, 0).share;
    assert!((50..500).contains(&share), "{share}");
    let got = requests(&instances[0]) - before;
    assert!(got < 30, "{got}");
    let text = with_health(&addresses, "slow_start_secs = 0.1", &often(""), "");
    running.proxy.replace(model(&text)).unwrap();
    eventually("the whole share", || health_of(&running, 0).share == 1000);
}
