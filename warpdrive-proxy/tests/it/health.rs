//! Health checks, trials, and what happens to requests meanwhile.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use testkit::Gate;
use warpdrive_proxy::{HealthReport, HealthState};

use crate::support::{Head, Instance, Notes, Peer, Running, app, config, eventually, model, nobody};
use crate::warnings;

/// What a check asks for, told from what clients ask for.
const PATH: &str = "/up";

pub(crate) fn is_check(head: &Head) -> bool {
    head.line == format!("GET {PATH} HTTP/1.1")
}

/// A configuration in front of these instances, with these lines in `[upstreams.app]`,
/// `[upstreams.app.health]` and the route.
pub(crate) fn with_health(instances: &[SocketAddr], upstream: &str, health: &str, route: &str) -> String {
    let checks = if health.is_empty() { String::new() } else { format!("[upstreams.app.health]\n{health}\n") };
    config("", &format!("[upstreams.app]\n{upstream}\n{checks}{}", app(instances, route)))
}

/// Checks twenty times a second.
pub(crate) fn often(more: &str) -> String {
    format!("path = \"{PATH}\"\ninterval_secs = 0.05\njitter = 0\n{more}")
}

pub(crate) fn health_of(running: &Running, place: usize) -> HealthReport {
    running.proxy.instances()[place].health.clone()
}

pub(crate) fn state(running: &Running, place: usize) -> HealthState {
    health_of(running, place).state
}

pub(crate) fn becomes(running: &Running, place: usize, wanted: HealthState) {
    eventually(&format!("{wanted:?}"), || state(running, place) == wanted);
}

pub(crate) fn answer(status: u16) -> String {
    format!("HTTP/1.1 {status} Some\r\nContent-Length: 0\r\n\r\n")
}

/// Answers checks with a status that changes, and all else with 200.
pub(crate) fn instance_with(status: &Arc<AtomicU16>) -> Instance {
    let status = Arc::clone(status);
    Instance::start(move |peer, notes| {
        while let Some((head, _)) = notes.request(peer) {
            let status = if is_check(&head) { status.load(SeqCst) } else { 200 };
            if peer.try_send(answer(status)).is_err() {
                return;
            }
        }
    })
}

#[test]
fn it_goes_down_after_so_many_failures_and_comes_back_after_so_many_successes() {
    // With 3 and 2: down exactly after the fifth, up exactly after the seventh.
    let statuses = [500, 200, 500, 500, 500, 200, 200];
    let (asked, gates) = (Arc::new(AtomicUsize::new(0)), [Gate::new(), Gate::new()]);
    let (counted, closed) = (Arc::clone(&asked), gates.clone());
    let instance = Instance::start(move |peer, notes| {
        while let Some((head, _)) = notes.request(peer) {
            let place = if is_check(&head) { counted.fetch_add(1, SeqCst) } else { 1 };
            match place {
                5 => closed[0].wait().unwrap(),
                7.. => closed[1].wait().unwrap(),
                _ => {}
            }
            if peer.try_send(answer(statuses[place.min(6)])).is_err() {
                return;
            }
        }
    });
    let running = Running::start(&with_health(&[instance.address], "", &often("timeout_secs = 60\n"), ""));
    becomes(&running, 0, HealthState::Down);
    // The sixth may be on its way.
    assert!((5..=6).contains(&asked.load(SeqCst)), "{asked:?}");
    let report = health_of(&running, 0);
    assert_eq!((report.share, report.failures), (0, 3));
    assert_eq!(report.last_error.as_deref(), Some("the answer was 500 Internal Server Error"));
    let refused = running.get("/");
    assert_eq!((refused.status(), refused.field("retry-after")), (503, Some("1")));
    gates[0].open();
    becomes(&running, 0, HealthState::Up);
    assert!((7..=8).contains(&asked.load(SeqCst)), "{asked:?}");
    assert_eq!(health_of(&running, 0).successes, 2);
    gates[1].open();
    assert_eq!(running.get("/").status(), 200);
    let lines = warnings::of(instance.address);
    assert_eq!(lines.iter().filter(|line| line.contains("the instance is down")).count(), 1, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.contains("the instance is up again")).count(), 1, "{lines:?}");
    assert!(lines[0].contains("the answer was 500 Internal Server Error"), "{lines:?}");
}

#[test]
fn requests_go_to_those_that_are_up() {
    let (sick, well) = (Arc::new(AtomicU16::new(500)), Arc::new(AtomicU16::new(200)));
    let instances = [instance_with(&sick), instance_with(&well)];
    let addresses = instances.each_ref().map(|instance| instance.address);
    let running = Running::start(&with_health(&addresses, "", &often(""), ""));
    becomes(&running, 0, HealthState::Down);
    let requests = |instance: &Instance| instance.heads().iter().filter(|head| !is_check(head)).count();
    for _ in 0..20 {
        assert_eq!(running.get("/").status(), 200);
    }
    assert_eq!((requests(&instances[0]), requests(&instances[1])), (0, 20));
    sick.store(200, SeqCst);
    becomes(&running, 0, HealthState::Up);
    for _ in 0..20 {
        running.get("/");
    }
    assert_eq!((requests(&instances[0]), requests(&instances[1])), (10, 30));
}

#[test]
fn when_all_are_down_all_may_be_used() {
    let sick = Arc::new(AtomicU16::new(500));
    let instances = [instance_with(&sick), instance_with(&sick)];
    let addresses = instances.each_ref().map(|instance| instance.address);
    let text = |when| with_health(&addresses, &format!("when_all_down = \"{when}\""), &often(""), "");
    let running = Running::start(&text("503"));
    becomes(&running, 0, HealthState::Down);
    becomes(&running, 1, HealthState::Down);
    assert_eq!(running.get("/").status(), 503);
    running.proxy.replace(model(&text("use_all"))).unwrap();
    for _ in 0..4 {
        assert_eq!(running.get("/").status(), 200);
    }
    let used = |instance: &Instance| instance.heads().iter().any(|head| !is_check(head));
    assert!(instances.iter().all(used));
    assert_eq!(state(&running, 0), HealthState::Down);
}

#[test]
fn a_check_says_who_it_is_and_follows_nothing() {
    let instance = Instance::saying("HTTP/1.1 301 M\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    let health = often("headers = [{ name = \"X-Probe\", value = \"yes\" }]\n");
    let route = "hosts = [\"*.example.com\", \"www.example.com\", \"b.example.com\"]";
    let running = Running::start(&with_health(&[instance.address], "", &health, route));
    eventually("two checks", || instance.heads().len() >= 2);
    let heads = instance.heads();
    assert!(heads.iter().all(is_check), "{heads:?}");
    let field = |name| heads[0].field(name);
    assert_eq!(field("host"), Some("www.example.com"));
    assert_eq!(field("x-forwarded-proto"), Some("http"));
    assert_eq!(field("connection"), Some("close"));
    assert_eq!(field("user-agent"), Some(concat!("warpdrive/", env!("CARGO_PKG_VERSION"), " (health check)")));
    assert_eq!(field("x-probe"), Some("yes"));
    // A redirect is among the statuses that are expected.
    eventually("a success", || health_of(&running, 0).successes > 0);
    // Behind TLS the public scheme is another, and the host may be given.
    let health = often("host = \"app.example.com:8443\"\nexpect = [301]\n");
    let text = with_health(&[instance.address], "", &health, route) + "[tls]\nenabled = true\n";
    running.proxy.replace(model(&text)).unwrap();
    let is_new = |head: &Head| head.field("host") == Some("app.example.com:8443");
    eventually("the new host", || instance.heads().iter().any(is_new));
    assert_eq!(instance.heads().iter().find(|head| is_new(head)).unwrap().field("x-forwarded-proto"), Some("https"));
}

#[test]
fn an_upstream_without_an_exact_host_is_asked_as_localhost() {
    let instance = Instance::echo();
    let _running = Running::start(&with_health(&[instance.address], "", &often(""), "host = \"*.example.com\""));
    eventually("a check", || !instance.heads().is_empty());
    assert_eq!(instance.heads()[0].field("host"), Some("localhost"));
}

#[test]
fn expected_statuses_are_those_of_the_list() {
    for (expect, status, wanted) in [
        ("[401]", 401, HealthState::Up),
        ("[200, \"500-503\"]", 503, HealthState::Up),
        ("[\"200-499\"]", 500, HealthState::Down),
    ] {
        let status = Arc::new(AtomicU16::new(status));
        let instance = instance_with(&status);
        let health = often(&format!("expect = {expect}\n"));
        let running = Running::start(&with_health(&[instance.address], "", &health, ""));
        eventually("checks", || instance.heads().len() >= 5);
        assert_eq!(state(&running, 0), wanted, "{expect}");
    }
}

#[test]
fn a_check_that_never_passed_warns_and_takes_nothing_down() {
    // As ActionCable answers whatever is no WebSocket.
    let status = Arc::new(AtomicU16::new(404));
    let instance = instance_with(&status);
    let running = Running::start(&with_health(&[instance.address], "", &often(""), ""));
    eventually("checks", || instance.heads().len() >= 8);
    assert_eq!(state(&running, 0), HealthState::Up);
    assert_eq!(running.get("/").status(), 200);
    let lines = warnings::of(instance.address);
    let doubts: Vec<&String> = lines.iter().filter(|line| line.contains("has never passed")).collect();
    assert_eq!(doubts.len(), 1, "{lines:?}");
    assert!(doubts[0].contains("WARN") && doubts[0].contains("the answer was 404 Not Found"), "{doubts:?}");
    assert!(doubts[0].contains("`expect`") && doubts[0].contains("drop `path`"), "{doubts:?}");
    // Once it has passed, the same answer is a failure. Of two more checks one begins after this.
    status.store(200, SeqCst);
    let before = instance.heads().len();
    eventually("a success", || instance.heads().len() >= before + 3);
    status.store(404, SeqCst);
    becomes(&running, 0, HealthState::Down);
}

#[test]
fn without_a_path_a_connection_is_enough() {
    // Says nothing at all, as a server that speaks something else.
    let instance = Instance::start(|peer: &mut Peer, _: &Notes| drop(peer.some()));
    let health = "interval_secs = 0.05\nunhealthy_threshold = 1";
    let running = Running::start(&with_health(&[instance.address, nobody()], "", health, ""));
    becomes(&running, 1, HealthState::Down);
    eventually("connections", || instance.connections() >= 3);
    assert_eq!(state(&running, 0), HealthState::Up);
    let error = health_of(&running, 1).last_error.unwrap();
    assert!(error.contains("cannot connect") && error.contains("refused"), "{error}");
}

#[test]
fn an_answer_that_is_too_slow_is_a_failure() {
    let slow = Arc::new(AtomicBool::new(true));
    let script = Arc::clone(&slow);
    let instance = Instance::start(move |peer, notes| {
        while notes.request(peer).is_some() {
            // Until the other side has had enough.
            if script.load(SeqCst) {
                drop(peer.some());
            }
            if peer.try_send(answer(200)).is_err() {
                return;
            }
        }
    });
    let health = often("timeout_secs = 0.2\nunhealthy_threshold = 2\n");
    let running = Running::start(&with_health(&[instance.address], "", &health, ""));
    becomes(&running, 0, HealthState::Down);
    assert_eq!(health_of(&running, 0).last_error.as_deref(), Some("no answer within 0.2 seconds"));
    slow.store(false, SeqCst);
    becomes(&running, 0, HealthState::Up);
}

#[test]
fn a_check_reads_a_bounded_head_and_no_body() {
    let instance = Instance::start(|peer, notes| {
        if notes.request(peer).is_some() {
            let _ = peer.try_send("HTTP/1.1 200 OK\r\n");
            while peer.try_send(format!("X: {}\r\n", "x".repeat(1000))).is_ok() {}
        }
    });
    let health = often("unhealthy_threshold = 1\n");
    let running = Running::start(&with_health(&[instance.address], "", &health, ""));
    becomes(&running, 0, HealthState::Down);
    let endless = Instance::start(|peer, notes| {
        if notes.request(peer).is_some() {
            let _ = peer.try_send("HTTP/1.1 200 OK\r\n\r\n");
            while peer.try_send([b'x'; 1000]).is_ok() {}
        }
    });
    let running = Running::start(&with_health(&[endless.address], "", &health, ""));
    eventually("passed checks", || health_of(&running, 0).successes >= 2);
}

#[test]
fn a_unix_socket_is_checked_too() {
    let folder = testkit::WorkFolder::new();
    let path = folder.join("app.sock");
    let text =
        config("", &format!("[upstreams.app]\nsocket = \"{}\"\n[upstreams.app.health]\n{}", path.display(), often("")));
    let running = Running::start(&text);
    becomes(&running, 0, HealthState::Down);
    assert_eq!(running.get("/").status(), 503);
    let server = testkit::Server::unix(&path, testkit::answer_each("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
    becomes(&running, 0, HealthState::Up);
    assert_eq!(running.get("/").text(), "hi");
    drop(server);
}

#[test]
fn a_reload_keeps_what_is_known_and_stops_what_is_gone() {
    let status = Arc::new(AtomicU16::new(500));
    let (kept, gone) = (instance_with(&status), instance_with(&status));
    let text = |instances: &[SocketAddr], health: &str| with_health(instances, "", health, "");
    // So rarely that only the first check of each is seen.
    let rarely = format!("path = \"{PATH}\"\ninterval_secs = 3600\nunhealthy_threshold = 1\nhealthy_threshold = 1");
    let running = Running::start(&text(&[kept.address, gone.address], &rarely));
    becomes(&running, 0, HealthState::Down);
    becomes(&running, 1, HealthState::Down);
    running.proxy.replace(model(&text(&[kept.address], &rarely))).unwrap();
    assert_eq!(state(&running, 0), HealthState::Down);
    // Changed settings take effect at once, and the state stays until they say otherwise.
    running.proxy.replace(model(&text(&[kept.address], &rarely.replace("threshold = 1", "threshold = 2")))).unwrap();
    assert_eq!(state(&running, 0), HealthState::Down);
    eventually("a second check", || kept.heads().len() == 2);
    assert_eq!(gone.heads().len(), 1);
    status.store(200, SeqCst);
    running.proxy.replace(model(&text(&[kept.address], &often("")))).unwrap();
    becomes(&running, 0, HealthState::Up);
    assert_eq!(gone.heads().len(), 1);
    // Without checks nothing is down.
    status.store(500, SeqCst);
    becomes(&running, 0, HealthState::Down);
    running.proxy.replace(model(&text(&[kept.address], ""))).unwrap();
    assert_eq!((state(&running, 0), running.get("/").status()), (HealthState::Up, 200));
}

#[test]
fn an_instance_that_is_gone_is_asked_no_more() {
    let (kept, gone) = (Instance::echo(), Instance::echo());
    let text = |instances: &[SocketAddr]| with_health(instances, "", &often(""), "");
    let running = Running::start(&text(&[gone.address, kept.address]));
    eventually("checks", || gone.heads().len() >= 2 && kept.heads().len() >= 2);
    running.proxy.replace(model(&text(&[kept.address]))).unwrap();
    // One may be on its way.
    let before = kept.heads().len();
    eventually("two more", || kept.heads().len() >= before + 2);
    let asked = gone.connections();
    eventually("six more", || kept.heads().len() >= before + 8);
    assert_eq!(gone.connections(), asked);
}

#[test]
fn only_the_first_check_comes_at_once() {
    let instances: Vec<Instance> = (0..5).map(|_| Instance::echo()).collect();
    let addresses: Vec<SocketAddr> = instances.iter().map(|instance| instance.address).collect();
    let health = format!("path = \"{PATH}\"\ninterval_secs = 3600");
    let running = Running::start(&with_health(&addresses, "", &health, ""));
    eventually("a check of each", || instances.iter().all(|instance| instance.heads().len() == 1));
    assert_eq!(running.get("/").status(), 200);
    let checks = |instance: &Instance| instance.heads().iter().filter(|head| is_check(head)).count();
    assert_eq!(instances.iter().map(checks).collect::<BTreeSet<_>>(), BTreeSet::from([1]));
    running.proxy.stop();
    running.proxy.wait();
}

#[test]
fn a_listener_that_stays_away_is_told_once() {
    let folder = testkit::WorkFolder::new();
    let path = folder.join("gone.sock");
    drop(UnixListener::bind(&path).unwrap());
    let text =
        config("", &format!("[upstreams.app]\nsocket = \"{}\"\n[upstreams.app.health]\n{}", path.display(), often("")));
    let running = Running::start(&text);
    becomes(&running, 0, HealthState::Down);
    eventually("more failures", || health_of(&running, 0).failures >= 8);
    let lines = warnings::naming(&path.display().to_string());
    assert_eq!(lines.iter().filter(|line| line.contains("the instance is down")).count(), 1, "{lines:?}");
    assert!(Duration::ZERO < health_of(&running, 0).since);
}
