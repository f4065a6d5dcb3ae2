use testkit::{Client, Frame, Opcode, WebSocket, sha1_hex};

use super::*;

fn start() -> Echo {
    Echo::start(listen(0).unwrap(), "rails").unwrap()
}

fn close_code_after(frames: &[Frame]) -> Option<u16> {
    let echo = start();
    let mut socket = WebSocket::connect(echo.address(), "a", "/cable").unwrap();
    for frame in frames {
        socket.send(frame).unwrap();
    }
    let answer = socket.frame().unwrap();
    socket.client().wait_end().unwrap();
    answer.close_code()
}

#[test]
fn a_request_comes_back_as_json() {
    let echo = start();
    let mut client = Client::connect(echo.address()).unwrap();
    client.send("PUT /a%2Fb?x=1 HTTP/1.1\r\nHost: a\r\nX-Two: 2\r\nContent-Length: 3\r\n\r\nabc").unwrap();
    let response = client.response().unwrap();
    assert_eq!(response.header("content-type"), Some("application/json"));
    let json = response.json();
    assert_eq!(json["name"], "rails");
    assert_eq!(json["method"], "PUT");
    assert_eq!(json["target"], "/a%2Fb?x=1");
    assert_eq!(json["headers"][1], testkit_pair("x-two", "2"));
    assert_eq!(json["body_bytes"], 3);
    assert_eq!(json["body_sha1"], sha1_hex("abc"));
}

fn testkit_pair(name: &str, value: &str) -> testkit::Json {
    vec![name, value].into()
}

#[test]
fn one_connection_serves_statuses_sizes_and_mistakes() {
    let echo = start();
    let mut client = Client::connect(echo.address()).unwrap();
    client.get("a", "/?status=503").unwrap();
    assert_eq!(client.response().unwrap().status, 503);
    client.get("a", "/?bytes=100000").unwrap();
    let long = client.response().unwrap();
    assert_eq!(long.header("content-length"), Some("100000"));
    assert_eq!(long.body.len(), 100_000);
    client.get("a", "/?status=204").unwrap();
    assert_eq!(client.response().unwrap().header("content-length"), None);
    client.get("a", "/?status=9").unwrap();
    let refused = client.response().unwrap();
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("`status`"));
    client.send("HEAD /?bytes=5 HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert_eq!(client.response_to("HEAD").unwrap().header("content-length"), Some("5"));
    client.get("a", "/again").unwrap();
    assert_eq!(client.response().unwrap().json()["target"], "/again");
}

#[test]
fn a_stream_comes_in_pieces() {
    let echo = start();
    let mut client = Client::connect(echo.address()).unwrap();
    client.get("a", "/cable/stream?n=2&ms=0").unwrap();
    let response = client.response().unwrap();
    assert_eq!(response.header("transfer-encoding"), Some("chunked"));
    assert_eq!(response.text(), "1 of 2\n2 of 2\n");

    // The second piece is due long after the first has come, and nobody waits for it.
    client.get("a", "/stream?n=2&ms=10000").unwrap();
    let head = client.response_head().unwrap();
    assert_eq!(head.status, 200);
    let piece = client.read_until(|bytes| bytes.ends_with(b"1 of 2\n\r\n")).unwrap();
    assert_eq!(piece, b"7\r\n1 of 2\n\r\n");
}

#[test]
fn websocket_messages_come_back_whole() {
    let echo = start();
    let fields = [("Sec-WebSocket-Protocol", "actioncable-v1-json, other")];
    let mut socket = WebSocket::connect_with(echo.address(), "a", "/cable", &fields).unwrap();
    let chosen = socket.handshake().header("sec-websocket-protocol");
    assert_eq!(chosen, Some("actioncable-v1-json"));

    socket.send_text("grüße").unwrap();
    let text = socket.frame().unwrap();
    assert_eq!((text.opcode, text.mask, text.text()), (Opcode::Text, None, "grüße".to_owned()));

    let long = vec![7; 3_000_000];
    socket.send_binary(&long).unwrap();
    assert_eq!(socket.frame().unwrap().payload, long);

    // A ping between two parts is answered before the message is whole.
    socket.send(&Frame::new(Opcode::Text, "one ").unfinished()).unwrap();
    socket.send_ping(b"still there?").unwrap();
    let pong = socket.frame().unwrap();
    assert_eq!((pong.opcode, pong.text().as_str()), (Opcode::Pong, "still there?"));
    socket.send(&Frame::new(Opcode::Continuation, "message")).unwrap();
    assert_eq!(socket.frame().unwrap().text(), "one message");

    socket.send_close(1000).unwrap();
    assert_eq!(socket.frame().unwrap().close_code(), Some(1000));
    assert!(socket.client().wait_end().is_ok());
}

#[test]
fn websocket_mistakes_end_with_their_code() {
    let text = Frame::new(Opcode::Text, "a");
    assert_eq!(close_code_after(&[text.clone().unmasked()]), Some(1002));
    assert_eq!(close_code_after(&[text.clone().unfinished(), text.clone()]), Some(1002));
    assert_eq!(close_code_after(&[Frame::new(Opcode::Continuation, "a")]), Some(1002));
    assert_eq!(close_code_after(&[Frame::new(Opcode::Text, b"\xff")]), Some(1007));
    assert_eq!(close_code_after(&[Frame::new(Opcode::Close, b"\x03")]), Some(1002));
}

#[test]
fn a_message_over_the_limit_ends_with_1009_also_in_parts() {
    let most = Frame::new(Opcode::Binary, vec![0; 16 << 20]);
    let one_more = Frame::new(Opcode::Continuation, "a");
    assert_eq!(close_code_after(&[most.unfinished(), one_more]), Some(1009));
}

#[test]
fn wrong_handshakes_are_refused() {
    let echo = start();
    let mut client = Client::connect(echo.address()).unwrap();
    let head = "GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n";
    client.send(format!("{head}sec-websocket-version: 12\r\n\r\n")).unwrap();
    let refused = client.response().unwrap();
    assert_eq!((refused.status, refused.header("sec-websocket-version")), (426, Some("13")));
    client.send(format!("{head}sec-websocket-version: 13\r\nsec-websocket-key: YQ==\r\n\r\n")).unwrap();
    assert_eq!(client.response().unwrap().status, 400);
}

#[test]
fn a_taken_port_is_an_error_that_names_the_way_out() {
    let taken = listen(0).unwrap();
    let port = taken.local_addr().unwrap().port();
    let message = listen(port).unwrap_err();
    assert!(message.contains(&format!("127.0.0.1:{port}")), "{message}");
    assert!(message.contains("--port"), "{message}");
}

#[test]
fn a_dropped_server_is_gone() {
    let echo = start();
    let address = echo.address();
    let mut client = Client::connect(address).unwrap();
    drop(echo);
    assert!(client.wait_end().is_ok());
    assert!(Client::connect(address).is_err());
}
