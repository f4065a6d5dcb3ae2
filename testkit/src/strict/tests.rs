use crate::{Client, Server, Understood};

/// What a strict server makes of these bytes and the end of the connection.
fn understand(bytes: &str) -> Result<Option<Understood>, String> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let server = Server::tcp(move |connection| {
        let understood = connection.next_understood().map_err(|error| error.to_string());
        sender.lock().unwrap().send(understood).unwrap();
        Ok(())
    });
    let mut client = Client::connect(server.endpoint()).unwrap();
    client.send(bytes).unwrap();
    client.shutdown_write().unwrap();
    receiver.recv_timeout(crate::PATIENCE).unwrap()
}

#[test]
fn what_the_grammar_allows_is_understood() {
    let request = understand(
        "POST /a?b HTTP/1.1\r\nHost: x\r\nA:  b \r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0a\r\n0123456789\r\n0\r\nSum: 1\r\n\r\n",
    )
    .unwrap()
    .unwrap();
    assert_eq!((request.method.as_str(), request.target.as_str(), request.host.as_str()), ("POST", "/a?b", "x"));
    assert_eq!(request.field("a"), Some("b"));
    assert_eq!(request.body, b"abc0123456789");
    assert_eq!(request.trailers, [("sum".to_owned(), "1".to_owned())]);
    let sized = understand("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab").unwrap().unwrap();
    assert_eq!(sized.body, b"ab");
    assert_eq!(understand(""), Ok(None));
}

#[test]
fn nothing_else_is() {
    for head in [
        "GET / HTTP/1.1\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\n\r\n",
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        "GET /\u{e9} HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\na\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na",
        "GET / HTTP/1.1\r\nHost: x\r\n",
    ] {
        assert!(understand(head).is_err(), "{head:?}");
    }
}
