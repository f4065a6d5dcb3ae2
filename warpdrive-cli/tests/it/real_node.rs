//! In front of Node's http server.

use testkit::{Client, WebSocket, WorkFolder, sha1_hex};

use crate::curl::{self, curl};
use crate::node::Node;
use crate::warpdrive::{Proxy, warpdrive};

fn start(folder: &WorkFolder) -> (Node, Proxy) {
    let node = Node::start();
    let program = warpdrive().cwd(folder.path());
    let proxy = Proxy::start(program.env("WARPDRIVE_TARGET_PORT", node.port.to_string()));
    (node, proxy)
}

#[test]
fn requests_of_one_worker_share_one_connection_to_node() {
    let folder = WorkFolder::new();
    let (_node, proxy) = start(&folder);
    let mut client = Client::connect(proxy.port).unwrap();
    for _ in 0..20 {
        client.get(&proxy.host(), "/connection").unwrap();
        assert_eq!(client.response().unwrap().text(), "1\n");
    }
    // Another client too: the pool is the worker's.
    assert_eq!(curl::get(&proxy.url("/connection")), "1\n");
}

#[test]
fn bodies_reach_node_in_either_framing() {
    let folder = WorkFolder::new();
    let (_node, proxy) = start(&folder);
    let bytes = vec![b'n'; 3_000_000];
    let sent = folder.write("sent", &bytes);
    for framing in ["Content-Length: 3000000", "Transfer-Encoding: chunked"] {
        let finished = curl().arg("-T").arg(&sent).args(["-H", framing, &proxy.url("/digest")]).run();
        curl::succeeded(&finished);
        assert_eq!(finished.stdout, format!("3000000 {}\n", sha1_hex(&bytes)), "{framing}");
    }
}

#[test]
fn the_first_piece_of_a_stream_arrives_before_the_last_is_made() {
    let folder = WorkFolder::new();
    let (_node, proxy) = start(&folder);
    curl::first_piece_arrives_before_the_last_is_made(&proxy);
}

#[test]
fn a_websocket_reaches_node() {
    let folder = WorkFolder::new();
    let (_node, proxy) = start(&folder);
    let mut socket = WebSocket::connect(proxy.port, &proxy.host(), "/any/path").unwrap();
    socket.send_text("hello").unwrap();
    assert_eq!(socket.frame().unwrap().text(), "node: hello");
    socket.send_close(1000).unwrap();
    assert_eq!(socket.frame().unwrap().close_code(), Some(1000));
    assert!(socket.client().wait_end().is_ok());
}
