//! `warpdrive demo`: what a newcomer sees first.

use testkit::{Client, Json, Server, WebSocket, answer_each};

use crate::curl;
use crate::warpdrive::{Proxy, warpdrive};

fn demo() -> Proxy {
    Proxy::start(warpdrive().args(["demo", "--port", &testkit::free_port().to_string()]))
}

fn field<'a>(report: &'a Json, name: &str) -> Option<&'a str> {
    let fields = report["headers"].as_array().unwrap();
    fields.iter().find(|field| field[0] == name).and_then(|field| field[1].as_str())
}

#[test]
fn the_demo_shows_its_routes_in_file_order_and_commands_that_work() {
    let demo = demo();
    let stdout = demo.process.stdout();
    let places: Vec<usize> = ["/cable", "/sidekiq", "rails \u{2192} 127.0.0.1:"]
        .iter()
        .map(|text| stdout.find(text).unwrap_or_else(|| panic!("no {text} in {stdout}")))
        .collect();
    assert!(places.is_sorted(), "{stdout}");
    let commands: Vec<&str> = stdout
        .lines()
        .filter_map(|line| line.trim().strip_prefix("curl http://"))
        .filter_map(|rest| rest.split_whitespace().next())
        .collect();
    assert!(commands.len() >= 3, "{stdout}");
    for url in commands {
        assert!(curl::get(&format!("http://{url}")).contains("\"name\""), "{url}");
    }
}

#[test]
fn each_path_reaches_its_own_upstream() {
    let demo = demo();
    let ask = |target: &str| curl::get(&demo.url(target)).parse::<Json>().unwrap();
    let rails = ask("/posts/1?page=2");
    assert_eq!((&rails["name"], &rails["target"]), (&"rails".into(), &"/posts/1?page=2".into()));
    let sidekiq = ask("/sidekiq/jobs");
    assert_eq!((&sidekiq["name"], &sidekiq["target"]), (&"sidekiq".into(), &"/jobs".into()));
    assert_eq!(field(&sidekiq, "x-forwarded-prefix"), Some("/sidekiq"));
    assert_eq!(field(&rails, "x-forwarded-prefix"), None);
    assert_eq!(ask("/cable")["name"], "cable");
    assert_eq!(ask("/cables")["name"], "rails");

    let mut socket = WebSocket::connect(demo.port, &demo.host(), "/cable").unwrap();
    socket.send_text("hello").unwrap();
    assert_eq!(socket.frame().unwrap().text(), "hello");
}

#[test]
fn the_demo_streams_piece_by_piece() {
    let demo = demo();
    let mut client = Client::connect(demo.port).unwrap();
    // The second piece is due long after the first has come, and nobody waits for it.
    client.get(&demo.host(), "/stream?n=2&ms=10000").unwrap();
    let begun = client.read_until(|bytes| bytes.windows(7).any(|piece| piece == b"1 of 2\n"));
    assert!(begun.unwrap().starts_with(b"HTTP/1.1 200 "));
}

#[test]
fn a_port_in_use_is_named_together_with_the_option() {
    let taken = Server::tcp(answer_each(""));
    let port = taken.port().to_string();
    let finished = warpdrive().args(["demo", "--port", &port]).run();
    assert_ne!(finished.code(), Some(0));
    assert!(finished.stderr.contains(&port), "{}", finished.stderr);
    assert!(finished.stderr.contains("--port"), "{}", finished.stderr);
    assert_eq!(finished.stdout, "");
}
