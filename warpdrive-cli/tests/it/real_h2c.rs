//! In front of Node's http2 server, which speaks HTTP/2 without TLS.

use testkit::{Client, WorkFolder, sha1_hex};

use crate::curl::{self, curl};
use crate::node::Node;
use crate::warpdrive::Proxy;

fn start(folder: &WorkFolder) -> (Node, Proxy) {
    let node = Node::start_file("h2c.js");
    let text = format!(
        "[upstreams.grpc]\nport = {}\nprotocol = \"h2c\"\nhealth = {{ path = \"/up\", interval_secs = 0.1 }}\n\
         [[routes]]\nupstream = \"grpc\"\n",
        node.port
    );
    let proxy = Proxy::with_config(folder, &text);
    (node, proxy)
}

#[test]
fn all_requests_of_a_worker_share_one_connection() {
    let folder = WorkFolder::new();
    let (_node, proxy) = start(&folder);
    let number = curl::get(&proxy.url("/session"));
    for _ in 0..20 {
        assert_eq!(curl::get(&proxy.url("/session")), number);
    }
}

#[test]
fn bodies_pass_both_ways_in_either_framing() {
    let folder = WorkFolder::new();
    let (_node, proxy) = start(&folder);
    let bytes = vec![b'n'; 3_000_000];
    let sent = folder.write("sent", &bytes);
    for framing in ["Content-Length: 3000000", "Transfer-Encoding: chunked"] {
        let finished = curl().arg("-T").arg(&sent).args(["-H", framing, &proxy.url("/digest")]).run();
        curl::succeeded(&finished);
        assert_eq!(finished.stdout, format!("3000000 {}\n", sha1_hex(&bytes)), "{framing}");
    }
    assert!(curl::get(&proxy.url("/bytes")).bytes().eq(bytes));
}

#[test]
fn a_status_in_trailers_arrives() {
    let folder = WorkFolder::new();
    let (_node, proxy) = start(&folder);
    let mut client = Client::connect(proxy.port).unwrap();
    let host = proxy.host();
    client
        .send(format!(
            "POST /call HTTP/1.1\r\nHost: {host}\r\nTE: trailers\r\nConnection: TE, close\r\nContent-Length: 0\r\n\r\n"
        ))
        .unwrap();
    let (bytes, _) = client.read_to_end().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.ends_with("\r\n7\r\nmessage\r\n0\r\ngrpc-status: 5\r\ngrpc-message: none here\r\n\r\n"), "{text}");
}

#[test]
fn the_first_piece_of_a_stream_arrives_before_the_last_is_made() {
    let folder = WorkFolder::new();
    let (_node, proxy) = start(&folder);
    curl::first_piece_arrives_before_the_last_is_made(&proxy);
}
