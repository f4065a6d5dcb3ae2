//! Requests for parts, for heads and for what has changed: the proxy passes them on and adds no
//! meaning of its own (RFC 9110 sections 8.6, 9.3.2, 13 and 14).

use crate::support::{Answer, Head, Instance, Running};

const FILE: &str = "0123456789";

/// Serves ten bytes as a file server does: ranges, `If-Range`, `If-None-Match`, HEAD.
fn file_server() -> Instance {
    Instance::start(|peer, notes| {
        while let Some(head) = notes.head(peer) {
            let (fields, body) = answer_to(&head);
            let fields = fields + "Accept-Ranges: bytes\r\nETag: \"v1\"\r\n";
            let body = if head.line.starts_with("HEAD ") { "" } else { &body };
            peer.send(format!("{fields}\r\n{body}"));
        }
    })
}

fn answer_to(head: &Head) -> (String, String) {
    if head.field("if-none-match") == Some("\"v1\"") {
        return ("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n".into(), String::new());
    }
    let current = head.field("if-range").is_none_or(|tag| tag == "\"v1\"");
    match head.field("range").filter(|_| current) {
        None => (format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", FILE.len()), FILE.into()),
        Some("bytes=2-4") => (
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/10\r\nContent-Length: 3\r\n".into(),
            FILE[2..5].into(),
        ),
        Some("bytes=0-0,9-9") => {
            let part = |at: usize| format!("--x\r\nContent-Range: bytes {at}-{at}/10\r\n\r\n{}\r\n", &FILE[at..=at]);
            let body = part(0) + &part(9) + "--x--\r\n";
            let kind = "Content-Type: multipart/byteranges; boundary=x";
            (format!("HTTP/1.1 206 Partial Content\r\n{kind}\r\nContent-Length: {}\r\n", body.len()), body)
        }
        Some(_) => (
            "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */10\r\nContent-Length: 0\r\n".into(),
            String::new(),
        ),
    }
}

fn ask(proxy: &Running, fields: &str) -> Answer {
    proxy.ask(&format!("GET /file HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
}

#[test]
fn ranges_are_the_instance_s() {
    let instance = file_server();
    let proxy = Running::before(&[instance.address], "", "");
    let whole = ask(&proxy, "");
    assert_eq!((whole.status(), whole.text()), (200, FILE));
    assert_eq!(whole.field("accept-ranges"), Some("bytes"));

    let part = ask(&proxy, "Range: bytes=2-4\r\n");
    assert_eq!((part.status(), part.text()), (206, "234"));
    assert_eq!(part.field("content-range"), Some("bytes 2-4/10"));
    assert_eq!(part.field("content-length"), Some("3"));

    let parts = ask(&proxy, "Range: bytes=0-0,9-9\r\n");
    assert_eq!(parts.field("content-type"), Some("multipart/byteranges; boundary=x"));
    assert!(parts.text().contains("bytes 9-9/10\r\n\r\n9\r\n--x--"));

    let current = ask(&proxy, "Range: bytes=2-4\r\nIf-Range: \"v1\"\r\n");
    assert_eq!((current.status(), current.text()), (206, "234"));
    let changed = ask(&proxy, "Range: bytes=2-4\r\nIf-Range: \"v0\"\r\n");
    assert_eq!((changed.status(), changed.text()), (200, FILE));

    let beyond = ask(&proxy, "Range: bytes=10-\r\n");
    assert_eq!((beyond.status(), beyond.text()), (416, ""));
    assert_eq!(beyond.field("content-range"), Some("bytes */10"));
    assert_eq!(beyond.field("x-warpdrive-error"), None);
}

#[test]
fn a_length_without_a_body_does_no_harm() {
    let instance = file_server();
    let proxy = Running::before(&[instance.address], "worker_threads = 1", "");
    let mut client = proxy.connect();
    for _ in 0..3 {
        client.send("HEAD /file HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = client.head();
        assert_eq!((head.status(), head.field("content-length")), (200, Some("10")));

        client.send("HEAD /file HTTP/1.1\r\nHost: a\r\nRange: bytes=2-4\r\n\r\n");
        let head = client.head();
        assert_eq!((head.status(), head.field("content-length")), (206, Some("3")));

        for method in ["GET", "HEAD"] {
            client.send(format!("{method} /file HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"v1\"\r\n\r\n"));
            let head = client.head();
            // hyper leaves it out of what is no answer to HEAD, as RFC 9110 section 8.6 allows.
            let length = (method == "HEAD").then_some("10");
            assert_eq!((head.status(), head.field("content-length")), (304, length));
            assert_eq!(head.field("etag"), Some("\"v1\""));
        }
    }
    assert_eq!(instance.connections(), 1);
}
