//! In front of Debian's Puma, over TCP and over a Unix socket.

use testkit::{Client, Endpoint, Json, Program, WebSocket, WorkFolder, sha1_hex_of_file};

use crate::curl::{self, curl};
use crate::puma::Puma;
use crate::warpdrive::{Proxy, warpdrive};

const MANY: usize = 50_000_000;

/// Variables alone, with an application on a port.
fn over_tcp(folder: &WorkFolder) -> (Puma, Proxy) {
    let puma = Puma::tcp("rails", "config.ru", folder);
    let proxy = Proxy::start(target(warpdrive(), &puma).cwd(folder.path()));
    (puma, proxy)
}

/// Variables alone, with an application on a Unix socket.
fn over_unix(folder: &WorkFolder) -> (Puma, Proxy) {
    let puma = Puma::unix("rails", "config.ru", folder);
    let proxy = Proxy::start(target(warpdrive(), &puma).cwd(folder.path()));
    (puma, proxy)
}

fn target(program: Program, puma: &Puma) -> Program {
    match &puma.endpoint {
        Endpoint::Tcp(address) => program
            .env("WARPDRIVE_TARGET_HOST", address.ip().to_string())
            .env("WARPDRIVE_TARGET_PORT", address.port().to_string()),
        Endpoint::Unix(path) => program.env("WARPDRIVE_TARGET_SOCKET", path),
    }
}

/// Rails on a Unix socket, ActionCable and Sidekiq Web on ports, and a file with their routes.
struct Stack {
    proxy: Proxy,
    _pumas: [Puma; 3],
    _folder: WorkFolder,
}

impl Stack {
    fn start() -> Stack {
        let folder = WorkFolder::new();
        let rails = Puma::unix("rails", "config.ru", &folder);
        let cable = Puma::tcp("cable", "cable.ru", &folder);
        let sidekiq = Puma::tcp("sidekiq", "config.ru", &folder);
        let config = format!(
            r#"[server]
http_port = 8080 # WARPDRIVE_HTTP_PORT beats it
https_port = 443 # not opened without a certificate

[upstreams.rails]
{}
[upstreams.cable]
{}
[upstreams.sidekiq]
{}
[[routes]]
path_prefix = "/cable"
upstream = "cable"

[[routes]]
path_prefix = "/sidekiq"
upstream = "sidekiq"
strip_prefix = true # /sidekiq/jobs becomes /jobs

[[routes]]
path_prefix = "/"
upstream = "rails"
"#,
            rails.toml(),
            cable.toml(),
            sidekiq.toml()
        );
        let proxy = Proxy::with_config(&folder, &config);
        Stack { proxy, _pumas: [rails, cable, sidekiq], _folder: folder }
    }

    fn ask(&self, target: &str) -> Json {
        curl::get(&self.proxy.url(target)).parse().unwrap()
    }
}

#[test]
fn variables_alone_lead_every_request_to_the_app() {
    let folder = WorkFolder::new();
    for (_puma, proxy) in [over_tcp(&folder), over_unix(&folder)] {
        let url = proxy.url("/posts/a%2Fb;c?x=%20y&x=2");
        let finished = curl().args(["-X", "DELETE", "-H", "X-Custom: one", &url]).run();
        curl::succeeded(&finished);
        let seen: Json = finished.stdout.parse().unwrap();
        assert_eq!(seen["name"], "rails");
        assert_eq!(seen["method"], "DELETE");
        assert_eq!(seen["uri"], "/posts/a%2Fb;c?x=%20y&x=2");
        let headers = &seen["headers"];
        assert_eq!(headers["host"], proxy.host());
        assert_eq!(headers["x-custom"], "one");
        assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["x-forwarded-host"], proxy.host());
        assert!(headers["x-request-id"].is_string());
    }
}

#[test]
fn a_file_leads_each_path_to_its_own_app() {
    let stack = Stack::start();
    stack.proxy.process.wait_for_line("https_port");
    let rails = stack.ask("/posts?page=2");
    assert_eq!((&rails["name"], &rails["uri"]), (&"rails".into(), &"/posts?page=2".into()));
    let sidekiq = stack.ask("/sidekiq/jobs?page=2");
    assert_eq!((&sidekiq["name"], &sidekiq["uri"]), (&"sidekiq".into(), &"/jobs?page=2".into()));
    assert_eq!(sidekiq["headers"]["x-forwarded-prefix"], "/sidekiq");
    assert_eq!(stack.ask("/sidekiq")["path"], "/");
    assert_eq!(stack.ask("/sidekiqs")["name"], "rails");
    // As with ActionCable, what is no handshake is not found there.
    let status = curl().args(["-o", "/dev/null", "-w", "%{http_code}"]);
    assert_eq!(status.arg(stack.proxy.url("/cable")).run().stdout, "404");
}

#[test]
fn a_websocket_reaches_the_cable_app() {
    let stack = Stack::start();
    let host = stack.proxy.host();
    let mut socket = WebSocket::connect(stack.proxy.port, &host, "/cable").unwrap();
    socket.send_text("hello").unwrap();
    assert_eq!(socket.frame().unwrap().text(), "cable: hello");
    let long = "x".repeat(10_000);
    socket.send_text(&long).unwrap();
    assert_eq!(socket.frame().unwrap().text(), format!("cable: {long}"));
    socket.send_close(1000).unwrap();
    assert_eq!(socket.frame().unwrap().close_code(), Some(1000));
    assert!(socket.client().wait_end().is_ok());
}

#[test]
fn fifty_megabytes_go_up_and_down_unchanged() {
    let folder = WorkFolder::new();
    // The bytes that the application sends, so that one digest serves both ways.
    let pattern: Vec<u8> = (0..=255).cycle().take(MANY).collect();
    let sent = folder.write("sent", pattern);
    let sha1 = sha1_hex_of_file(&sent);
    for (_puma, proxy) in [over_tcp(&folder), over_unix(&folder)] {
        for framing in ["Content-Length: 50000000", "Transfer-Encoding: chunked"] {
            let upload = curl().arg("-T").arg(&sent).args(["-H", framing, &proxy.url("/digest")]);
            let finished = upload.run();
            curl::succeeded(&finished);
            assert_eq!(finished.stdout, format!("{MANY} {sha1}\n"), "{framing}");
        }
        for target in ["/bytes?n=50000000", "/bytes?n=50000000&length=1"] {
            let received = folder.join("received");
            curl::succeeded(&curl().arg("-o").arg(&received).arg(proxy.url(target)).run());
            assert_eq!(sha1_hex_of_file(&received), sha1, "{target}");
        }
    }
}

#[test]
fn memory_stays_bounded_while_a_body_passes() {
    let folder = WorkFolder::new();
    let (_puma, proxy) = over_unix(&folder);
    curl::get(&proxy.url("/"));
    let before = proxy.process.usage().peak_memory;
    let url = proxy.url("/bytes?n=50000000");
    curl::succeeded(&curl().args(["-o", "/dev/null", &url]).run());
    let grown = proxy.process.usage().peak_memory - before;
    assert!(grown < 10_000_000, "grew by {grown} bytes");
}

#[test]
fn the_first_piece_of_a_stream_arrives_before_the_last_is_made() {
    let folder = WorkFolder::new();
    for (_puma, proxy) in [over_tcp(&folder), over_unix(&folder)] {
        curl::first_piece_arrives_before_the_last_is_made(&proxy);
    }
}

#[test]
fn one_client_connection_serves_many_requests() {
    let folder = WorkFolder::new();
    let (_puma, proxy) = over_tcp(&folder);
    let mut client = Client::connect(proxy.port).unwrap();
    for number in 0..50 {
        client.get(&proxy.host(), &format!("/?number={number}")).unwrap();
        let seen = client.response().unwrap().json();
        assert_eq!(seen["query"], format!("number={number}"));
    }
}
