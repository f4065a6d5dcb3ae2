//! Both programs, started on free ports and asked by a client.
#![expect(clippy::unwrap_used, reason = "in tests, a panic is the report")]

use testkit::{Client, Process, Program, Response, Server, answer_each};

/// The port in the line by which a program says that it listens.
fn port(process: &Process) -> u16 {
    process.wait_for_match(|line| line.strip_prefix("listening on http://127.0.0.1:")?.trim().parse().ok())
}

fn ask(process: &Process, request: &str) -> Response {
    let mut client = Client::connect(port(process)).unwrap();
    client.send(request).unwrap();
    client.response().unwrap()
}

fn get(process: &Process, target: &str) -> Response {
    ask(process, &format!("GET {target} HTTP/1.1\r\nhost: example.com\r\n\r\n"))
}

#[test]
fn the_gateway_passes_requests_on_where_the_routes_say() {
    let answers = |name: &str| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nlocation: /next\r\n\r\n", name.len());
        Server::tcp(answer_each(head + name))
    };
    let (api, jobs) = (answers("api"), answers("jobs"));
    let ports = [api.port().to_string(), jobs.port().to_string()];
    let gateway = Program::new(env!("CARGO_BIN_EXE_gateway")).args(ports).start();

    let response = get(&gateway, "/api/users?page=2");
    assert_eq!((response.status, response.text()), (200, "api".to_owned()));
    let seen = api.connection(0).text();
    assert!(seen.starts_with("GET /api/users?page=2 HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("x-forwarded-for: 127.0.0.1\r\n"), "{seen}");

    // The prefix is cut for the upstream, and put back for the client.
    let body =
        "POST /jobs/7 HTTP/1.1\r\nhost: example.com\r\nconnection: x-hop\r\nx-hop: 1\r\ncontent-length: 3\r\n\r\nrun";
    let response = ask(&gateway, body);
    assert_eq!((response.status, response.text()), (200, "jobs".to_owned()));
    assert_eq!(response.header("location"), Some("/jobs/next"));
    let seen = String::from_utf8(jobs.connection(0).wait_for(|bytes| bytes.ends_with(b"run"))).unwrap();
    assert!(seen.starts_with("POST /7 HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("x-forwarded-prefix: /jobs\r\n"), "{seen}");
    assert!(!seen.contains("x-hop"), "{seen}");

    for (request, status) in [
        ("GET /apix HTTP/1.1\r\nhost: a\r\n\r\n", 404),
        ("POST /api HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", 404),
        ("GET /jobs/..%2fapi HTTP/1.1\r\nhost: a\r\n\r\n", 400),
    ] {
        assert_eq!(ask(&gateway, request).status, status, "{request}");
    }
    // Refused requests reached nobody.
    assert_eq!((api.accepted(), jobs.accepted()), (1, 1));
}

#[test]
fn the_dispatcher_answers_by_the_same_table() {
    let dispatcher = Program::new(env!("CARGO_BIN_EXE_dispatcher")).start();
    for (target, status, body) in [
        ("/api/users?page=2", 200, "api answers /api/users?page=2"),
        ("/jobs/7", 200, "jobs answers /7"),
        ("/jobs", 200, "jobs answers /"),
        ("/api/../jobs/7", 200, "jobs answers /7"),
        ("/apix", 404, ""),
        ("/jobs/..%2fapi", 400, ""),
    ] {
        let response = get(&dispatcher, target);
        assert_eq!((response.status, response.text().as_str()), (status, body), "{target}");
    }
}

/// The crate's documentation and the page on embedding show the very lines that run here.
#[test]
fn the_documentation_shows_the_routing_part() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let read =
        |path: &str| std::fs::read_to_string(format!("{folder}/{path}")).unwrap_or_else(|e| panic!("{path}: {e}"));
    let routing = read("src/routing.rs");
    let (_, shown) = routing.split_once("\n\n").unwrap();
    let lines = shown.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("use ")).count();
    assert!(lines < 30, "{lines} lines");
    let crate_docs: String = read("../../warpdrive-core/src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .fold(String::new(), |text, line| text + line.strip_prefix(' ').unwrap_or(line) + "\n");
    assert!(crate_docs.contains(shown), "the documentation of warpdrive-core");
    assert!(read("../../docs/embedding.md").contains(shown), "docs/embedding.md");
}
