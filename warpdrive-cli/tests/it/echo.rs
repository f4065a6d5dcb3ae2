//! `warpdrive echo`.

use testkit::{Client, Server, WebSocket, answer_each};

use crate::curl;
use crate::warpdrive::{listening_port, warpdrive};

#[test]
fn echo_says_where_it_listens_and_answers_under_its_name() {
    let process = warpdrive().args(["echo", "--name", "cable"]).start();
    let port = listening_port(&process);
    let json: testkit::Json = curl::get(&format!("http://127.0.0.1:{port}/a?b=c")).parse().unwrap();
    assert_eq!(json["name"], "cable");
    assert_eq!(json["target"], "/a?b=c");

    let mut socket = WebSocket::connect(port, "a", "/cable").unwrap();
    socket.send_text("hello").unwrap();
    assert_eq!(socket.frame().unwrap().text(), "hello");
}

#[test]
fn echo_takes_the_port_that_it_is_told() {
    let port = testkit::free_port();
    let process = warpdrive().args(["echo", "--port", &port.to_string()]).start();
    process.wait_for_line(&format!("echo listens on http://127.0.0.1:{port}"));
    let mut client = Client::connect(port).unwrap();
    client.get("a", "/").unwrap();
    assert_eq!(client.response().unwrap().json()["name"], "echo");
}

#[test]
fn a_port_in_use_is_named_together_with_the_option() {
    let taken = Server::tcp(answer_each(""));
    let port = taken.port().to_string();
    let finished = warpdrive().args(["echo", "--port", &port]).run();
    assert_eq!(finished.code(), Some(1));
    assert!(finished.stderr.contains(&port), "{}", finished.stderr);
    assert!(finished.stderr.contains("--port"), "{}", finished.stderr);
    assert_eq!(finished.stdout, "");
}
