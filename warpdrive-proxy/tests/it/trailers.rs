//! Fields after a body (RFC 9110 section 6.5, RFC 9112 section 7.1.2): which go on, and to whom.

use crate::support::{Instance, Peer, Running};

/// Answers each request with what came after its body, one name a line, and whether it was announced.
fn telling() -> Instance {
    Instance::start(|peer, notes| {
        while let Some(head) = notes.head(peer) {
            let mut trailers = Vec::new();
            while !peer.chunk(&mut trailers).unwrap().is_empty() {}
            let text = format!("{}|{}", head.field("trailer").unwrap_or("-"), trailers.join("|"));
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()));
        }
    })
}

fn upload(announced: &str, trailers: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: a\r\n{announced}Transfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\n{trailers}\r\n"
    )
}

#[test]
fn announced_request_trailers_go_on_and_others_do_not() {
    let instance = telling();
    let proxy = Running::before(&[instance.address], "", "");
    let sum = "X-Sum: 1\r\nX-Other: 2\r\n";
    for (announced, told) in [
        ("Trailer: X-Sum\r\n", "X-Sum|x-sum: 1"),
        ("trailer: x-sum, x-other\r\n", "x-sum, x-other|x-sum: 1|x-other: 2"),
        ("Trailer: X-Absent\r\n", "X-Absent|"),
        ("", "-|"),
    ] {
        let mut client = proxy.connect();
        for _ in 0..2 {
            client.send(upload(announced, sum));
            assert_eq!(client.answer().text(), told);
        }
    }
}

/// A body's end is too late to say where the request goes, who sent it, or how long it is.
#[test]
fn forbidden_request_trailers_are_dropped_even_if_announced() {
    let instance = telling();
    let proxy = Running::before(&[instance.address], "", "");
    for name in [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Trailer",
        "TE",
        "Connection",
        "Authorization",
        "Cookie",
        "X-Admin-Token",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Real-IP",
        "Forwarded",
        "Client-IP",
        "X-Request-Id",
        "Content-Type",
        "Content-Encoding",
        "Expect",
        "Range",
        "If-Match",
        "X_Forwarded_For",
        "X-Sendfile-Type",
    ] {
        let mut client = proxy.connect();
        client.send(upload(&format!("Trailer: {name}, X-Sum\r\n"), &format!("{name}: 99\r\nX-Sum: 1\r\n")));
        let answer = client.answer();
        assert_eq!(answer.text().split_once('|').unwrap().1, "x-sum: 1", "{name}");
        // The connection has not lost its place.
        client.send(upload("", ""));
        assert_eq!(client.answer().text(), "-|");
    }
}

fn trailers_of(peer: &mut Peer) -> (Vec<u8>, Vec<String>) {
    let head = peer.head();
    assert_eq!(head.field("transfer-encoding"), Some("chunked"));
    let (mut body, mut trailers) = (Vec::new(), Vec::new());
    loop {
        let chunk = peer.chunk(&mut trailers).unwrap();
        if chunk.is_empty() {
            return (body, trailers);
        }
        body.extend(chunk);
    }
}

#[test]
fn response_trailers_go_to_clients_that_ask_for_them() {
    let instance = Instance::saying(
        "HTTP/1.1 200 OK\r\nTrailer: X-Sum, Set-Cookie, Content-Length, X-Accel-Redirect\r\n\
         Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\
         X-Sum: 1\r\nX-Other: 2\r\nSet-Cookie: a=b\r\nContent-Length: 99\r\nX-Accel-Redirect: /x\r\n\r\n",
    );
    let proxy = Running::before(&[instance.address], "worker_threads = 1", "");
    let mut client = proxy.connect();
    for (fields, expected) in [
        ("TE: trailers\r\nConnection: TE\r\n", &["x-sum: 1"][..]),
        ("", &[]),
        ("TE: deflate\r\nConnection: TE\r\n", &[]),
        ("TE: trailers\r\nConnection: TE\r\n", &["x-sum: 1"]),
    ] {
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        let (body, trailers) = trailers_of(&mut client);
        assert_eq!(body, b"hello");
        assert_eq!(trailers, expected, "with {fields:?}");
    }
    assert_eq!(instance.connections(), 1);
    assert_eq!(instance.heads()[0].field("te"), None);
}

#[test]
fn a_client_of_http_1_0_gets_the_body_alone() {
    let instance = Instance::saying(
        "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    );
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.0\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
    client.head();
    assert_eq!(client.rest(), b"hello");
}
