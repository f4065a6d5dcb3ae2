//! What is counted, and what the admin endpoint tells of it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use testkit::WorkFolder;
use warpdrive_proxy::status::{InstanceStatus, Stage, Status};

use crate::exposition::Exposition;
use crate::support::{Instance, PATIENCE, Running, app, config, eventually, model, nobody};

/// Asks on any stream, to the end of the connection: the head and the body.
fn ask_on(mut stream: impl Read + Write, request: &str) -> (String, String) {
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    (head.to_owned(), body.to_owned())
}

fn ask(socket: &Path, target: &str) -> (String, String) {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    ask_on(stream, &format!("GET {target} HTTP/1.1\r\nHost: warpdrive\r\n\r\n"))
}

fn asked(socket: &Path) -> Status {
    let (head, body) = ask(socket, "/status");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("content-type: application/json"), "{head}");
    serde_json::from_str(&body).unwrap()
}

fn with_socket(socket: &Path, rest: &str) -> String {
    config(&format!("admin_socket = \"{}\"\n{rest}", socket.display()), "")
}

/// The first instance of `app`.
fn first(proxy: &Running) -> InstanceStatus {
    proxy.proxy.status().upstreams[0].instances[0].clone()
}

/// What every count of requests has to add up to once nothing is under way.
fn adds_up(instance: &InstanceStatus) -> bool {
    let after_the_head = ["upstream_body_cut", "upstream_body_timeout"];
    let before: u64 = instance
        .failures
        .iter()
        .filter(|(reason, _)| !after_the_head.contains(&reason.as_str()))
        .map(|(_, count)| count)
        .sum();
    let responses: u64 = instance.responses.values().sum();
    instance.requests == responses + before + instance.cancelled + instance.stale
}

#[test]
fn counts_match_what_was_sent() {
    let instance = Instance::start(|peer, notes| {
        while let Some((head, body)) = notes.request(peer) {
            let status = match head.line.split(' ').nth(1).unwrap() {
                "/missing" => "404 Not Found",
                "/broken" => "500 Internal Server Error",
                _ => "200 OK",
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len() + 5);
            peer.send(answer);
            peer.send("hello");
            peer.send(body);
        }
    });
    let proxy = Running::before(&[instance.address], "", "path_prefix = \"/\"\nhost = \"a.example\"");
    let mut client = proxy.connect();
    for (target, times) in [("/", 5), ("/missing", 3), ("/broken", 2)] {
        for _ in 0..times {
            client.send(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
            client.answer();
        }
    }
    client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000\r\n\r\n");
    client.send("x".repeat(1000));
    assert_eq!(client.answer().body.len(), 1005);
    client.send("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
    assert_eq!(client.answer().status(), 404);
    client.send("GET /.warpdrive/health HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(client.answer().status(), 200);
    eventually("all is counted", || first(&proxy).total.count == 11 && first(&proxy).idle_connections == 1);
    let status = proxy.proxy.status();
    assert_eq!((status.requests, status.connections, status.stage), (13, 1, Stage::Running));
    assert_eq!((status.own_answers["4xx"], status.own_answers["2xx"], status.own_answers["5xx"]), (1, 1, 0));
    let one = first(&proxy);
    assert_eq!(one.requests, 11);
    assert_eq!([one.responses["2xx"], one.responses["4xx"], one.responses["5xx"]], [6, 3, 2]);
    assert_eq!((one.bytes_sent, one.bytes_received), (1000, 11 * 5 + 1000));
    assert_eq!((one.connections, one.idle_connections, one.connections_opened), (1, 1, 1));
    assert_eq!((one.failed(), one.cancelled, one.stale, one.retries, one.in_flight), (0, 0, 0, 0, 0));
    assert_eq!((one.first_byte.count, one.last_failure.is_none()), (11, true));
    assert!(one.first_byte.sum_secs > 0.0 && one.first_byte.sum_secs <= one.total.sum_secs);
    assert!(one.total.p50_secs <= one.total.p90_secs && one.total.p90_secs <= one.total.p99_secs);
    assert!(adds_up(&one), "{one:?}");
    assert_eq!((one.health.state.as_str(), one.health.is_well()), ("up", true));
}

#[test]
fn failures_have_their_reason() {
    let gone = nobody();
    let proxy = Running::before(&[gone], "", "");
    assert_eq!(proxy.get("/").status(), 502);
    let one = first(&proxy);
    assert_eq!((one.requests, one.failures["upstream_connect"], one.failed()), (1, 1, 1));
    assert_eq!(one.last_failure.as_ref().map(|last| last.reason.as_str()), Some("upstream_connect"));
    assert!(adds_up(&one), "{one:?}");
    for (answer, reason) in [
        ("no HTTP at all\r\n\r\n", "upstream_invalid_response"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "upstream_invalid_response"),
        ("", "upstream_closed"),
        ("HTTP/1.1 200 OK\r\nContent-Le", "upstream_closed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "upstream_body_cut"),
    ] {
        let instance = Instance::saying_last(answer);
        let proxy = Running::before(&[instance.address], "", "");
        let mut client = proxy.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        client.try_head();
        eventually("it is counted", || first(&proxy).failures[reason] == 1 && first(&proxy).in_flight == 0);
        let one = first(&proxy);
        assert_eq!((one.failed(), one.requests), (1, 1), "{answer:?}: {one:?}");
        assert!(adds_up(&one), "{one:?}");
        eventually("the connection is gone", || first(&proxy).connections == 0);
    }
}

#[test]
fn a_silent_instance_and_an_impatient_client_are_told_apart() {
    let instance = Instance::start(|peer, notes| {
        notes.request(peer);
        peer.rest_and_end();
    });
    let proxy = Running::before(&[instance.address], "read_timeout_secs = 0.2", "");
    assert_eq!(proxy.get("/").status(), 504);
    let one = first(&proxy);
    assert_eq!((one.failures["upstream_first_byte_timeout"], one.cancelled), (1, 0));
    let patient = Running::before(&[instance.address], "", "");
    let mut client = patient.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // It is counted right after it is in flight.
    eventually("the request is under way and counted", || {
        let one = first(&patient);
        (one.in_flight, one.requests) == (1, 1)
    });
    assert_eq!((first(&patient).requests, first(&patient).cancelled), (1, 0));
    drop(client);
    eventually("it is cancelled", || first(&patient).cancelled == 1);
    let one = first(&patient);
    assert_eq!(one.failed(), 0, "{one:?}");
    assert!(adds_up(&one));
}

#[test]
fn a_tunnel_counts_its_bytes_and_its_connection() {
    let instance = Instance::start(|peer, notes| {
        notes.head(peer).unwrap();
        peer.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
        assert_eq!(peer.exactly(5), b"hello");
        peer.send("hi");
        peer.rest_and_end();
    });
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.head().status(), 101);
    client.send("hello");
    assert_eq!(client.exactly(2), b"hi");
    eventually("both ways are counted", || (first(&proxy).bytes_sent, first(&proxy).bytes_received) == (5, 2));
    let one = first(&proxy);
    assert_eq!((one.in_flight, one.connections, one.responses["1xx"]), (1, 1, 1));
    drop(client);
    eventually("the tunnel has ended", || first(&proxy).in_flight == 0 && first(&proxy).connections == 0);
    assert_eq!(first(&proxy).total.count, 0);
}

#[test]
fn the_socket_tells_what_the_proxy_does() {
    let folder = WorkFolder::new();
    let socket = folder.join("admin.sock");
    let instance = Instance::echo();
    let text = with_socket(&socket, "") + &app(&[instance.address], "");
    let proxy = Running::start(&text);
    assert_eq!(proxy.proxy.admin_socket(), Some(socket.as_path()));
    let file = fs::metadata(&socket).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o7777, 0o600);
    assert_eq!(proxy.get("/").status(), 200);
    eventually("it is counted", || asked(&socket).upstreams[0].instances[0].total.count == 1);
    let status = asked(&socket);
    assert_eq!(status.addresses, [proxy.address.to_string()]);
    assert_eq!((status.workers, status.pid), (2, std::process::id()));
    assert_eq!(status.upstreams[0].instances[0].address, instance.address.to_string());
    for (request, answer) in [
        ("GET /else HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 404 "),
        ("POST /status HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405 "),
        ("nonsense\r\n\r\n", "HTTP/1.1 400 "),
    ] {
        let (head, _) = ask_on(UnixStream::connect(&socket).unwrap(), request);
        assert!(head.starts_with(answer), "{request:?}: {head}");
        assert!(head.contains("connection: close"), "{head}");
    }
    // A reload leaves it where it is, and keeps the counts.
    let (other, second) = (folder.join("other.sock"), Instance::echo());
    let text = with_socket(&other, "") + &app(&[instance.address, second.address], "");
    proxy.proxy.replace(model(&text)).unwrap();
    let status = asked(&socket);
    let requests: Vec<u64> = status.upstreams[0].instances.iter().map(|one| one.requests).collect();
    assert_eq!(requests, [1, 0]);
    assert!(!other.exists());
    drop(proxy);
    assert!(!socket.exists());
}

#[test]
fn a_socket_that_cannot_be_had_does_not_stop_the_proxy() {
    let folder = WorkFolder::new();
    let instance = Instance::echo();
    let socket = folder.join("admin.sock");
    let text = with_socket(&socket, "") + &app(&[instance.address], "");
    let first = Running::start(&text);
    // The same path, and one in a folder that is not there.
    let second = Running::start(&text);
    assert_eq!((second.proxy.admin_socket(), second.get("/").status()), (None, 200));
    assert_eq!(asked(&socket).addresses, [first.address.to_string()]);
    let missing = with_socket(&folder.join("missing/admin.sock"), "") + &app(&[instance.address], "");
    let third = Running::start(&missing);
    assert_eq!((third.proxy.admin_socket(), third.get("/").status()), (None, 200));
    drop(second);
    // Its end did not take the other one's socket along.
    assert_eq!(asked(&socket).addresses, [first.address.to_string()]);
}

#[test]
fn it_answers_until_the_last_request_has_ended() {
    let folder = WorkFolder::new();
    let socket = folder.join("admin.sock");
    let (instance, go) = Instance::gated();
    let proxy = Running::start(&(with_socket(&socket, "drain_grace_secs = 0") + &app(&[instance.address], "")));
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("the request is under way", || proxy.in_flight() == 1);
    assert_eq!(asked(&socket).stage, Stage::Running);
    proxy.proxy.stop();
    eventually("it says that it stops", || asked(&socket).stage == Stage::Draining);
    assert_eq!(asked(&socket).upstreams[0].instances[0].in_flight, 1);
    go.send(()).unwrap();
    assert_eq!(client.answer().text(), "ok");
    proxy.proxy.wait();
    assert!(!socket.exists());
}

#[test]
fn silent_and_endless_askers_are_cut_and_the_next_one_is_served() {
    let folder = WorkFolder::new();
    let socket = folder.join("admin.sock");
    let proxy = Running::start(&(with_socket(&socket, "") + &app(&[nobody()], "")));
    // More than are served at once, and none of them says anything.
    let mut silent: Vec<UnixStream> = (0..10).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    assert_eq!(asked(&socket).addresses, [proxy.address.to_string()]);
    for stream in &mut silent {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    let endless = format!("GET /status HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let mut stream = UnixStream::connect(&socket).unwrap();
    let _ = stream.write_all(endless.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn prometheus_can_read_the_metrics() {
    let folder = WorkFolder::new();
    let strange = folder.join("a\"b\\c.sock");
    let instance = Instance::echo();
    let text = config(
        "admin_address = \"127.0.0.1:0\"\nadmin_socket = false",
        &(app(&[instance.address], "host = \"a.example\"")
            + &format!("[upstreams.\"od\\\"d\"]\nsocket = '{}'\n", strange.display())
            + "[[routes]]\nupstream = \"od\\\"d\"\n"),
    );
    let proxy = Running::start(&text);
    for _ in 0..7 {
        assert_eq!(proxy.get("/").status(), 200);
    }
    assert_eq!(proxy.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n").status(), 502);
    eventually("all is counted", || first(&proxy).total.count == 7);
    let address = proxy.proxy.admin_address().unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let (head, body) = ask_on(TcpStream::connect(address).unwrap(), &request);
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let metrics = Exposition::parse(&body).unwrap_or_else(|error| panic!("{error}\n{body}"));
    let address = instance.address.to_string();
    let labels = [("upstream", "app"), ("instance", address.as_str())];
    let with = |label: (&'static str, &'static str)| [labels[0], labels[1], label];
    assert_eq!(metrics.value("warpdrive_requests_total", &[]), Some(8.0));
    assert_eq!(metrics.value("warpdrive_instance_requests_total", &labels), Some(7.0));
    assert_eq!(metrics.value("warpdrive_instance_responses_total", &with(("class", "2xx"))), Some(7.0));
    assert_eq!(metrics.value("warpdrive_instance_up", &labels), Some(1.0));
    assert_eq!(metrics.value("warpdrive_instance_duration_seconds_count", &labels), Some(7.0));
    assert_eq!(metrics.value("warpdrive_instance_duration_seconds_bucket", &with(("le", "+Inf"))), Some(7.0));
    let odd = format!("unix:{}", strange.display());
    let odd = [("upstream", "od\"d"), ("instance", odd.as_str()), ("reason", "upstream_connect")];
    assert_eq!(metrics.value("warpdrive_instance_failures_total", &odd), Some(1.0));
    metrics.check_histograms();
}

#[test]
fn a_page_whose_name_leads_to_loopback_is_told_nothing() {
    let text = config("admin_address = \"127.0.0.1:0\"\nadmin_socket = false", &app(&[nobody()], ""));
    let proxy = Running::start(&text);
    let address = proxy.proxy.admin_address().unwrap();
    for (host, status) in [
        ("127.0.0.1:9090", "200"),
        ("[::1]:9090", "200"),
        ("LocalHost:9090", "200"),
        ("evil.example:9090", "421"),
        ("127.0.0.1.evil.example", "421"),
        ("localhost.evil.example", "421"),
        ("", "421"),
    ] {
        let request = format!("GET /status HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let (head, body) = ask_on(TcpStream::connect(address).unwrap(), &request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {head}");
        assert_eq!(body.contains("instances"), status == "200", "{host}");
    }
    let (head, _) = ask_on(TcpStream::connect(address).unwrap(), "GET /metrics HTTP/1.0\r\n\r\n");
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
}
