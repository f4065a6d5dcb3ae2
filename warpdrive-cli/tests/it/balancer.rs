//! A balancer that nobody told the proxy to trust: its forwarded fields are not believed, and the log says
//! once which key is missing.

use testkit::{Client, Server, WorkFolder, answer_each};

use crate::warpdrive::Proxy;

const WARNING: &str = "a peer on a private address sends X-Forwarded-Proto and is not believed";

/// Starts a proxy with these lines in `[server]`, and asks it on several connections with that field.
fn asked(server: &str, field: &str) -> (Proxy, Vec<String>) {
    let folder = WorkFolder::new();
    let app = Server::tcp(answer_each("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
    let upstream = format!("[upstreams.app]\nhost = \"127.0.0.1\"\nport = {}\n", app.port());
    let proxy = Proxy::with_config(&folder, &format!("[server]\n{server}\n{upstream}"));
    for _ in 0..3 {
        let mut client = Client::connect(proxy.port).unwrap();
        for _ in 0..2 {
            client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n")).unwrap();
            assert_eq!(client.response().unwrap().status, 200);
        }
    }
    let heads = app.connection(0).text().to_lowercase();
    (proxy, heads.lines().filter(|line| line.starts_with("x-forwarded-proto:")).map(str::to_owned).collect())
}

#[test]
fn an_untrusted_balancer_is_told_once_with_the_key_to_set() {
    let (proxy, protos) = asked("", "X-Forwarded-Proto: https\r\n");
    let line = proxy.process.wait_for_line(WARNING);
    assert!(line.contains("127.0.0.1") && line.contains("server.trusted_proxies"), "{line}");
    assert!(line.contains("WARPDRIVE_TRUSTED_PROXIES"), "{line}");
    assert!(!protos.is_empty() && protos.iter().all(|line| line == "x-forwarded-proto: http"), "{protos:?}");
    proxy.process.terminate();
    assert_eq!(proxy.process.stderr().matches(WARNING).count(), 1, "{}", proxy.process.stderr());
}

#[test]
fn a_trusted_balancer_and_a_plain_client_are_no_news() {
    for (server, field, proto) in [
        ("trusted_proxies = [\"127.0.0.0/8\"]", "X-Forwarded-Proto: https\r\n", "x-forwarded-proto: https"),
        ("", "X-Forwarded-For: 1.2.3.4\r\n", "x-forwarded-proto: http"),
    ] {
        let (proxy, protos) = asked(server, field);
        assert!(!protos.is_empty() && protos.iter().all(|line| line == proto), "{protos:?}");
        proxy.process.terminate();
        assert!(!proxy.process.stderr().contains(WARNING), "{}", proxy.process.stderr());
    }
}
