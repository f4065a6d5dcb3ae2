use super::*;
use crate::{Client, End, WorkFolder};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn every_byte_is_recorded_for_its_own_connection() {
    let server = Server::tcp(answer_each(OK));
    for target in ["/first", "/second"] {
        let mut client = Client::connect(server.endpoint()).unwrap();
        client.get("a", target).unwrap();
        assert_eq!(client.response().unwrap().text(), "ok");
    }
    assert_eq!(server.accepted(), 2);
    assert_eq!(server.connection(0).text(), "GET /first HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.connection(1).text(), "GET /second HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.connection(1).wait_end(), End::Closed);
}

#[test]
fn a_unix_socket_serves_too() {
    let folder = WorkFolder::new();
    let server = Server::unix(&folder.join("a.sock"), answer_each(OK));
    let mut client = Client::connect(server.endpoint()).unwrap();
    client.get("a", "/").unwrap();
    assert_eq!(client.response().unwrap().status, 200);
}

#[test]
fn bodies_arrive_without_their_framing() {
    let server = Server::tcp(|connection| {
        assert_eq!(connection.read_request()?.body, b"hello");
        assert_eq!(connection.read_request()?.body, b"abc");
        connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        connection.send("3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nx-sum: 4\r\n\r\n")
    });
    let mut client = Client::connect(server.endpoint()).unwrap();
    client.send("PUT / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").unwrap();
    client.send("PUT / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc").unwrap();
    let response = client.response().unwrap();
    assert_eq!(response.text(), "abcd");
    assert_eq!(response.trailers.get("X-Sum"), Some("4"));
    assert_eq!(client.wait_end().unwrap(), End::Closed);
    assert_eq!(server.outcome(0), Ok(()));
}

#[test]
fn a_stalled_script_goes_on_when_it_is_told() {
    let gate = Gate::new();
    let server = Server::tcp(steps([
        Step::ReadHead,
        Step::send("HTTP/1.1 200 OK\r\n\r\nfirst"),
        Step::Wait(gate.clone()),
        Step::send(" second"),
    ]));
    let mut client = Client::connect(server.endpoint()).unwrap();
    client.get("a", "/").unwrap();
    assert!(client.read_until(|bytes| bytes.ends_with(b"first")).is_ok());
    gate.open();
    assert_eq!(client.response().unwrap().text(), "first second");
}

#[test]
fn a_reset_is_told_from_a_close() {
    let server = Server::tcp(steps([Step::ReadHead, Step::Reset]));
    let mut client = Client::connect(server.endpoint()).unwrap();
    client.get("a", "/").unwrap();
    assert_eq!(client.wait_end().unwrap(), End::Reset);

    let server = Server::tcp(steps([Step::ReadHead, Step::ShutdownWrite, Step::ReadToEnd]));
    let mut client = Client::connect(server.endpoint()).unwrap();
    client.get("a", "/").unwrap();
    assert_eq!(client.wait_end().unwrap(), End::Closed);
    client.reset().unwrap();
    assert_eq!(server.connection(0).wait_end(), End::Reset);
}

#[test]
fn a_cut_body_is_an_error() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
    let server = Server::tcp(steps([Step::ReadHead, Step::send(cut)]));
    let mut client = Client::connect(server.endpoint()).unwrap();
    client.get("a", "/").unwrap();
    assert_eq!(client.response().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_script_stalled_at_a_gate_does_not_hold_up_the_end_of_the_server() {
    let server = Server::tcp(steps([Step::ReadHead, Step::Wait(Gate::new())]));
    let mut client = Client::connect(server.endpoint()).unwrap();
    client.get("a", "/").unwrap();
    server.connection(0).wait_for(|bytes| bytes.ends_with(b"\r\n\r\n"));
    let before = std::time::Instant::now();
    drop(server);
    assert!(before.elapsed() < PATIENCE / 2);
    assert!(client.wait_end().is_ok());
}

#[test]
#[should_panic(expected = "a script of")]
fn an_assertion_in_a_script_fails_the_test() {
    let server = Server::tcp(|connection| {
        assert_eq!(connection.read_head()?.target, "/expected");
        Ok(())
    });
    let mut client = Client::connect(server.endpoint()).unwrap();
    client.get("a", "/other").unwrap();
    client.wait_end().unwrap();
}
