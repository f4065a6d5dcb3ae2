//! Many requests on one connection, and what an expectation does to it (RFC 9112 section 9, RFC 9110
//! section 10.1.1).

use testkit::Case;

use super::{get, post, request, try_all};
use crate::support::{Instance, Running};

/// A request of the given number, in turn of each kind, and what [`Instance::echo`] answers to it.
fn numbered(number: usize) -> (String, String) {
    let head = |method: &str, fields: &str| format!("{method} /{number} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let answer = |method: &str, body: &str| format!("{method} /{number} HTTP/1.1\n{body}");
    match number % 4 {
        0 => (head("GET", ""), answer("GET", "")),
        1 => (head("POST", "Content-Length: 5\r\n") + "hello", answer("POST", "hello")),
        2 => (
            head("PUT", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n",
            answer("PUT", "hello!"),
        ),
        _ => (head("DELETE", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", answer("DELETE", "")),
    }
}

const DEEP: usize = 32;

#[test]
fn thirty_two_requests_in_one_piece_are_answered_in_order() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "worker_threads = 1", "");
    let all: String = (0..DEEP).map(|number| numbered(number).0).collect();
    for size in [1, 7, 100, 1000, all.len()] {
        let mut client = proxy.connect();
        for piece in all.as_bytes().chunks(size) {
            client.send(piece);
        }
        for number in 0..DEEP {
            assert_eq!(client.answer().text(), numbered(number).1, "in pieces of {size}");
        }
    }
    assert_eq!(instance.heads().len(), 5 * DEEP);
    assert_eq!(instance.connections(), 1);
}

#[test]
fn a_fault_between_pipelined_requests_spoils_nothing_before_it_and_stops_all_after_it() {
    let faults = [
        ("GARBAGE\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX y\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), 400),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 405),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(), 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_owned(), 501),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n0\r\n\r\n".to_owned(), 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n".to_owned(), 400),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(40_000)), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(101)), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(80_000)), 431),
        ("POST / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\na".to_owned(), 417),
    ];
    for (fault, status) in faults {
        let instance = Instance::echo();
        let proxy = Running::before(&[instance.address], "worker_threads = 1", "");
        let before: String = (0..DEEP / 2).map(|number| numbered(number).0).collect();
        let after: String = (DEEP / 2..DEEP).map(|number| numbered(number).0).collect();
        let mut client = proxy.connect();
        client.send(before + &fault + &after);
        for number in 0..DEEP / 2 {
            assert_eq!(client.answer().text(), numbered(number).1);
        }
        let shown = fault.get(..80.min(fault.len()));
        assert_eq!(client.answer().status(), status, "{shown:?}");
        assert_eq!(client.rest_and_end().0, b"", "{shown:?}");
        assert_eq!(instance.heads().len(), DEEP / 2, "{shown:?}");
    }
}

#[test]
fn a_refusal_of_a_whole_request_leaves_the_connection_to_the_next() {
    try_all(&[
        Case::refused("unknown expectation", get("Expect: miracles\r\n"), 417).closing(false),
        Case::refused("one of two", get("Expect: 100-continue, miracles\r\n"), 417).closing(false),
        Case::refused("two lines", get("Expect: 100-continue\r\nExpect: miracles\r\n"), 417).closing(false),
        Case::refused("empty", get("Expect:\r\n"), 417).closing(false),
        Case::refused("with a parameter", get("Expect: 100-continue;q=1\r\n"), 417).closing(false),
        Case::refused("with a body", post("Expect: miracles\r\nContent-Length: 5\r\n", "hello"), 417),
        Case::passed("without a body", get("Expect: 100-continue\r\n"), ""),
        Case::passed("in upper case", get("EXPECT: 100-CONTINUE\r\n"), ""),
        Case::passed("with an empty body", post("Expect: 100-continue\r\nContent-Length: 0\r\n", ""), ""),
        Case::passed(
            "of HTTP/1.0",
            "POST %T HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
            "hello",
        )
        .closing(true),
        Case::passed(
            "unknown, of HTTP/1.0",
            "POST %T HTTP/1.0\r\nHost: a\r\nExpect: miracles\r\nContent-Length: 5\r\n\r\nhello",
            "hello",
        )
        .closing(true),
        Case::passed("HEAD", request("HEAD", "", ""), ""),
    ]);
}

/// An instance that answers 100 to each expectation, then echoes.
fn willing() -> Instance {
    Instance::start(|peer, notes| {
        while let Some(head) = notes.head(peer) {
            if head.field("expect").is_some() {
                peer.send("HTTP/1.1 100 Continue\r\n\r\n");
            }
            let body = peer.body(&head);
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
            peer.send(body);
        }
    })
}

#[test]
fn a_body_that_does_not_wait_for_its_100_passes_in_any_framing() {
    let instance = willing();
    let proxy = Running::before(&[instance.address], "worker_threads = 1", "");
    for (fields, body) in
        [("Content-Length: 5\r\n", "hello"), ("Transfer-Encoding: chunked\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")]
    {
        let mut client = proxy.connect();
        for _ in 0..3 {
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{fields}\r\n{body}"));
            let mut answer = client.answer_or_interim();
            while answer.status() == 100 {
                answer = client.answer_or_interim();
            }
            assert_eq!(answer.text(), "hello");
        }
    }
    assert_eq!(instance.heads().len(), 6);
}

/// The head of such a request has gone on by then: the instance itself asked for the body.
#[test]
fn an_expected_body_that_is_malformed_is_400_and_never_whole() {
    let (seen, told) = std::sync::mpsc::channel();
    let seen = std::sync::Mutex::new(seen);
    let instance = Instance::start(move |peer, notes| {
        if notes.head(peer).is_some() {
            peer.send("HTTP/1.1 100 Continue\r\n\r\n");
            seen.lock().unwrap().send(peer.rest_and_end().0).unwrap();
        }
    });
    let proxy = Running::before(&[instance.address], "worker_threads = 1", "");
    for body in ["ffffffffffffffff\r\nhello\r\n0\r\n\r\n", "x\r\n"] {
        let mut client = proxy.connect();
        let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send(format!("{head}{body}"));
        let mut answer = client.answer_or_interim();
        while answer.status() == 100 {
            answer = client.answer_or_interim();
        }
        assert_eq!(answer.status(), 400);
        assert_eq!(client.rest_and_end().0, b"");
        assert_eq!(told.recv_timeout(crate::support::PATIENCE).unwrap(), b"");
    }
}

/// The end of a client's side is the end of what it waits for: hyper cannot tell it from a client that
/// is gone.
#[test]
fn a_client_that_ends_its_side_cancels_its_request() {
    let (gone, told) = std::sync::mpsc::channel();
    let gone = std::sync::Mutex::new(gone);
    let instance = Instance::start(move |peer, notes| {
        notes.request(peer);
        gone.lock().unwrap().send(peer.rest_and_end().0).unwrap();
    });
    let mut proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.finish();
    assert_eq!(told.recv_timeout(crate::support::PATIENCE).unwrap(), b"");
    assert_eq!(client.rest_and_end().0, b"");
    assert_eq!(crate::support::value(&proxy.line(), "status"), "499");
}

#[test]
fn what_a_client_leaves_unfinished_is_never_whole() {
    for sent in [
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n",
    ] {
        let (seen, told) = std::sync::mpsc::channel();
        let seen = std::sync::Mutex::new(seen);
        let instance = Instance::start(move |peer, _| {
            seen.lock().unwrap().send(peer.rest_and_end().0).unwrap();
        });
        let proxy = Running::before(&[instance.address], "", "");
        let mut client = proxy.connect();
        client.send(sent);
        client.finish();
        assert_eq!(client.rest_and_end().0, b"", "{sent:?}");
        drop(proxy);
        // Nothing, or the beginning of a request that does not end.
        if let Ok(bytes) = told.try_recv() {
            assert!(
                bytes.is_empty() || !bytes.ends_with(b"0\r\n\r\n"),
                "{sent:?}: {:?}",
                String::from_utf8_lossy(&bytes)
            );
        }
    }
}
