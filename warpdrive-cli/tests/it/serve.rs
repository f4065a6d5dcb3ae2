//! `warpdrive serve`: starting, failing to start, and stopping.

use testkit::{Client, Gate, Server, Signal, Step, WorkFolder, answer_each, steps};

use crate::warpdrive::{Proxy, warpdrive};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn one_upstream(endpoint_port: u16) -> String {
    format!("[upstreams.app]\nhost = \"127.0.0.1\"\nport = {endpoint_port}\n")
}

#[test]
fn warpdrive_alone_serves_what_the_variables_name() {
    let folder = WorkFolder::new();
    let app = Server::tcp(answer_each(OK));
    let program = warpdrive().cwd(folder.path());
    let proxy = Proxy::start(program.env("WARPDRIVE_TARGET_PORT", app.port().to_string()));
    let mut client = Client::connect(proxy.port).unwrap();
    client.get(&proxy.host(), "/a%2Fb?c").unwrap();
    assert_eq!(client.response().unwrap().text(), "ok");
    assert!(app.connection(0).text().starts_with("GET /a%2Fb?c HTTP/1.1\r\n"));
}

#[test]
fn a_file_in_the_current_folder_is_found() {
    let folder = WorkFolder::new();
    let app = Server::unix(&folder.join("app.sock"), answer_each(OK));
    let socket = folder.join("app.sock");
    folder.write("warpdrive.toml", format!("[upstreams.app]\nsocket = \"{}\"\n", socket.display()));
    let proxy = Proxy::start(warpdrive().cwd(folder.path()));
    let mut client = Client::connect(proxy.port).unwrap();
    client.get("example.com", "/").unwrap();
    assert_eq!(client.response().unwrap().status, 200);
    assert!(app.connection(0).text().to_lowercase().contains("host: example.com\r\n"));
}

#[test]
fn an_address_where_no_instance_can_be_is_told_at_the_start() {
    let folder = WorkFolder::new();
    let file = folder.write("app.sock", "no socket");
    let path = folder.write("warpdrive.toml", format!("[upstreams.app]\nsocket = \"{}\"\n", file.display()));
    let proxy = Proxy::start(warpdrive().args(["serve", "--config"]).arg(path));
    let line = proxy.process.wait_for_line("there is a file at that path, and no socket");
    assert!(line.contains(&file.display().to_string()), "{line}");
}

#[test]
fn a_port_in_use_is_a_start_that_fails_and_says_so() {
    let folder = WorkFolder::new();
    let taken = Server::tcp(answer_each(""));
    let path = folder.write("warpdrive.toml", one_upstream(testkit::free_port()));
    let finished = warpdrive()
        .args(["serve", "--config"])
        .arg(path)
        .env("WARPDRIVE_BIND", "127.0.0.1")
        .env("WARPDRIVE_HTTP_PORT", taken.port().to_string())
        .run();
    assert!(finished.code().is_some_and(|code| code != 0), "{finished:?}");
    let said = finished.stderr;
    assert!(said.contains(&taken.port().to_string()), "{said}");
    assert!(said.contains("http_port") || said.contains("WARPDRIVE_HTTP_PORT"), "{said}");
    assert_eq!(taken.accepted(), 0);
}

#[test]
fn an_upstream_that_is_not_there_is_502_with_its_address_in_the_log() {
    let folder = WorkFolder::new();
    let port = testkit::free_port();
    let proxy = Proxy::with_config(&folder, &one_upstream(port));
    let mut client = Client::connect(proxy.port).unwrap();
    client.get("example.com", "/").unwrap();
    let response = client.response().unwrap();
    assert_eq!(response.status, 502);
    assert!(response.header("x-request-id").is_some() || response.text().contains("equest"));
    proxy.process.wait_for_line(&format!("127.0.0.1:{port}"));
}

#[test]
fn a_stop_finishes_the_request_under_way_and_exits_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = WorkFolder::new();
        let gate = Gate::new();
        let app = Server::tcp(steps([
            Step::ReadHead,
            Step::send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf"),
            Step::Wait(gate.clone()),
            Step::send("half"),
        ]));
        let proxy = Proxy::with_config(&folder, &one_upstream(app.port()));
        let mut client = Client::connect(proxy.port).unwrap();
        client.get("example.com", "/").unwrap();
        client.read_until(|bytes| bytes.ends_with(b"half")).unwrap();
        proxy.process.signal(signal);
        gate.open();
        assert_eq!(client.response().unwrap().text(), "halfhalf");
        assert_eq!(proxy.process.wait_exit().code(), Some(0));
        assert!(Client::connect(proxy.port).is_err());
    }
}

#[test]
fn a_finding_is_told_and_the_routes_are_served() {
    let folder = WorkFolder::new();
    let app = Server::tcp(answer_each(OK));
    let routes = "[[routes]]\nupstream = \"app\"\n[[routes]]\npath_prefix = \"/late\"\nupstream = \"app\"\n";
    let proxy = Proxy::with_config(&folder, &format!("{}{routes}", one_upstream(app.port())));
    proxy.process.wait_for_line("unreachable-route");
    let mut client = Client::connect(proxy.port).unwrap();
    client.get(&proxy.host(), "/late").unwrap();
    assert_eq!(client.response().unwrap().text(), "ok");
}
