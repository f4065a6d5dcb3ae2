//! What an instance gets and what a client gets back when all goes well.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use crate::support::{Instance, Running, app, config, eventually};

#[test]
fn a_get_goes_through_both_ways() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "");
    let answer = proxy.get("/a%2Fb?x=1");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text(), "GET /a%2Fb?x=1 HTTP/1.1\n");
    let heads = instance.heads();
    assert_eq!(heads.len(), 1);
    assert_eq!(heads[0].field("host"), Some("a.example"));
    assert_eq!(heads[0].field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(heads[0].field("x-request-id").unwrap().len(), 32);
    assert!(heads[0].field("x-request-start").unwrap().starts_with("t="));
    assert_eq!(heads[0].field("connection"), None);
}

#[test]
fn a_post_goes_through_both_ways() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "");
    let answer = proxy.ask("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(answer.text(), "POST /p HTTP/1.1\nhello");
    assert_eq!(instance.heads()[0].field("content-length"), Some("5"));
    assert_eq!(instance.heads()[0].field("transfer-encoding"), None);
}

#[test]
fn a_chunked_body_stays_chunked_for_every_method() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "");
    for method in ["GET", "POST", "DELETE"] {
        let answer = proxy.ask(&format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\n\r\n"
        ));
        assert_eq!(answer.text(), format!("{method} / HTTP/1.1\nhello"));
    }
    for head in instance.heads() {
        assert_eq!(head.field("transfer-encoding"), Some("chunked"));
        assert_eq!(head.field("content-length"), None);
    }
}

#[test]
fn a_length_beside_chunks_is_dropped_and_the_connection_ends() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\n",
    );
    assert_eq!(client.answer().text(), "POST / HTTP/1.1\nhello");
    assert!(client.is_closed());
    assert_eq!(instance.heads()[0].field("content-length"), None);
}

#[test]
fn trailers_pass_both_ways() {
    let instance = Instance::start(|peer, notes| {
        let head = notes.head(peer).unwrap();
        assert_eq!(head.field("transfer-encoding"), Some("chunked"));
        let mut trailers = Vec::new();
        while !peer.chunk(&mut trailers).unwrap().is_empty() {}
        let echoed = trailers.join(",").replace(": ", "=");
        peer.send(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
             2\r\nok\r\n0\r\nx-sum: {echoed}\r\n\r\n"
        ));
    });
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\nTrailer: x-check\r\n\
         Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-check: 7\r\n\r\n",
    );
    client.head();
    let mut trailers = Vec::new();
    while !client.chunk(&mut trailers).unwrap().is_empty() {}
    assert_eq!(trailers, ["x-sum: x-check=7"]);
}

#[test]
fn a_client_connection_is_kept_and_so_is_the_upstream_s() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "worker_threads = 1", "");
    let mut client = proxy.connect();
    for number in 0..20 {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.answer().text(), format!("GET /{number} HTTP/1.1\n"));
    }
    assert_eq!(instance.connections(), 1);
    assert_eq!(proxy.in_flight(), 0);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    let mut requests = String::new();
    for number in 0..30 {
        requests += &format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    client.send(requests);
    for number in 0..30 {
        assert_eq!(client.answer().text(), format!("GET /{number} HTTP/1.1\n"));
    }
}

/// The task of a client is stopped in the middle of much work, and may lose what it waits for.
#[test]
fn a_client_is_heard_after_any_number_of_requests_at_once() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    for number in 1..100 {
        client.send("GET /many HTTP/1.1\r\nHost: a\r\n\r\n".repeat(number));
        for _ in 0..number {
            assert_eq!(client.answer().text(), "GET /many HTTP/1.1\n");
        }
        client.send("GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().text(), "GET /one HTTP/1.1\n");
    }
}

#[test]
fn a_head_response_has_a_length_and_no_body() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().field("content-length"), Some("16"));
    assert_eq!(client.answer().text(), "GET /2 HTTP/1.1\n");
    assert_eq!(instance.connections(), 1);
}

#[test]
fn an_http_1_0_client_is_spoken_to_in_its_own_version() {
    let instance =
        Instance::saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.head.line, "HTTP/1.0 200 OK");
    assert_eq!(answer.field("transfer-encoding"), None);
    assert_eq!(answer.text(), "abcde");
    assert_eq!(instance.heads()[0].line, "GET / HTTP/1.1");
}

#[test]
fn an_http_1_0_client_keeps_its_connection_if_it_asks() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(client.answer().text(), "GET / HTTP/1.1\n");
    }
    client.send("GET / HTTP/1.0\r\n\r\n");
    client.answer();
    assert!(client.is_closed());
}

#[test]
fn an_http_1_0_upstream_is_not_the_client_s_business() {
    let instance = Instance::saying_last("HTTP/1.0 200 OK\r\n\r\nto the end");
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.head.line, "HTTP/1.1 200 OK");
    assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
    assert_eq!(answer.text(), "to the end");
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "to the end");
    assert_eq!(instance.connections(), 2);
}

#[test]
fn a_prefix_is_stripped_and_put_back() {
    let instance = Instance::saying("HTTP/1.1 302 Found\r\nLocation: /busy\r\nContent-Length: 0\r\nX-Old: 1\r\n\r\n");
    let route = "path_prefix = \"/sidekiq\"\nstrip_prefix = true\n\
                 add_headers = [{ name = \"X-Added\", value = \"up\" }]\n\
                 response_headers = [{ name = \"X-Old\", value = \"2\" }]";
    let proxy = Running::before(&[instance.address], "", route);
    let answer = proxy.get("/sidekiq/jobs?a=b");
    assert_eq!(answer.field("location"), Some("/sidekiq/busy"));
    assert_eq!(answer.field("x-old"), Some("2"));
    let head = &instance.heads()[0];
    assert_eq!(head.line, "GET /jobs?a=b HTTP/1.1");
    assert_eq!(head.field("x-forwarded-prefix"), Some("/sidekiq"));
    assert_eq!(head.field("x-added"), Some("up"));
}

#[test]
fn an_absolute_target_becomes_one_of_the_origin() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "");
    let answer = proxy.ask("GET http://b.example/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(answer.text(), "GET /x?y HTTP/1.1\n");
    assert_eq!(instance.heads()[0].field("host"), Some("b.example"));
    let answer = proxy.ask("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(answer.text(), "OPTIONS * HTTP/1.1\n");
}

#[test]
fn a_unix_socket_is_an_instance_like_any_other() {
    let folder = std::env::temp_dir().join(format!("warpdrive-it-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("app.sock");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        let text = String::from_utf8(request).unwrap();
        let host = text.contains("host: a.example\r\n");
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{host:<5}");
    });
    let upstream = format!("[upstreams.app]\nsocket = \"{}\"\n", path.display());
    let text = config("", &(upstream + "[[routes]]\nupstream = \"app\"\n"));
    assert_eq!(Running::start(&text).get("/").text(), "true ");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn instances_take_turns() {
    let instances = [Instance::echo(), Instance::echo(), Instance::echo()];
    let addresses = [0, 1, 2].map(|number: usize| instances[number].address);
    let proxy = Running::before(&addresses, "", "");
    for _ in 0..30 {
        assert_eq!(proxy.get("/").status(), 200);
    }
    for instance in &instances {
        assert_eq!(instance.heads().len(), 10);
    }
}

#[test]
fn a_guarded_route_lets_nobody_through_without_the_token() {
    let instance = Instance::echo();
    let text = config("admin_token = \"let-me-in\"", &app(&[instance.address], "require_auth = true"));
    let proxy = Running::start(&text);
    let answer = proxy.get("/");
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.field("www-authenticate"), Some("Basic realm=\"warpdrive\""));
    assert!(instance.heads().is_empty());
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Admin-Token: let-me-in\r\n\r\n";
    assert_eq!(proxy.ask(request).status(), 200);
    assert_eq!(instance.heads()[0].field("x-admin-token"), None);
}

#[test]
fn a_lease_lasts_as_long_as_the_body() {
    let instance = Instance::start(|peer, notes| {
        notes.request(peer).unwrap();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
        // The test's client answers what it has seen by closing nothing: the next byte comes when
        // the proxy was asked once more.
        notes.request(peer);
    });
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    assert_eq!(client.exactly(2), b"ab");
    assert_eq!(proxy.in_flight(), 1);
    drop(client);
    eventually("the lease ends", || proxy.in_flight() == 0);
}
