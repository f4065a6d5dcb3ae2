//! What the proxy holds while others are many, slow or large.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use testkit::{Client, Server, WebSocket, WorkFolder, answer_each};

use crate::warpdrive::{Proxy, listening_port, warpdrive};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn before(folder: &WorkFolder, port: u16) -> Proxy {
    Proxy::with_config(folder, &format!("[upstreams.app]\nhost = \"127.0.0.1\"\nport = {port}\n"))
}

#[test]
fn five_hundred_websockets() {
    let folder = WorkFolder::new();
    let echo = warpdrive().arg("echo").start();
    let proxy = before(&folder, listening_port(&echo));
    let mut sockets: Vec<WebSocket> =
        (0..500).map(|_| WebSocket::connect(proxy.port, &proxy.host(), "/cable").unwrap()).collect();
    for (number, socket) in sockets.iter_mut().enumerate() {
        socket.send_text(&format!("hello {number}")).unwrap();
        assert_eq!(socket.frame().unwrap().text(), format!("hello {number}"));
    }
    let peak = proxy.process.usage().peak_memory;
    assert!(peak < 40 * MIB, "{peak} bytes");
}

/// Reads a head from a raw connection, byte by byte.
fn head(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        seen.extend(byte);
    }
}

fn take(stream: &mut TcpStream, length: u64) {
    let mut taken = 0;
    let mut space = vec![0; 256 * 1024];
    while taken < length {
        let read = stream.read(&mut space).unwrap();
        assert!(read > 0, "{taken} of {length} bytes came");
        taken += read as u64;
    }
}

fn give(stream: &mut TcpStream, length: u64) {
    let piece = vec![b'x'; 256 * 1024];
    for _ in 0..length / piece.len() as u64 {
        stream.write_all(&piece).unwrap();
    }
}

#[test]
fn a_gibibyte_in_each_direction() {
    let folder = WorkFolder::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = before(&folder, listener.local_addr().unwrap().port());
    let instance = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        head(&mut stream);
        take(&mut stream, GIB);
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {GIB}\r\n\r\n").as_bytes()).unwrap();
        give(&mut stream, GIB);
    });
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
    client.write_all(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {GIB}\r\n\r\n").as_bytes()).unwrap();
    give(&mut client, GIB);
    head(&mut client);
    take(&mut client, GIB);
    instance.join().unwrap();
    let peak = proxy.process.usage().peak_memory;
    assert!(peak < 32 * MIB, "{peak} bytes");
}

/// Unfinished heads, endless ones, bodies that stop, and clients that read nothing: as long as they
/// last, others are served.
#[test]
fn a_polite_client_among_many_that_are_not() {
    let folder = WorkFolder::new();
    let app = Server::tcp(answer_each("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
    let proxy = before(&folder, app.port());
    let polite = || {
        let mut client = Client::connect(proxy.port).unwrap();
        client.get(&proxy.host(), "/").unwrap();
        assert_eq!(client.response().unwrap().text(), "ok");
    };
    polite();
    let idle = proxy.process.usage().memory;
    let unfinished_field = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}", "a".repeat(50_000));
    let mut rude: Vec<Client> = Vec::new();
    for number in 0..200 {
        let mut client = Client::connect(proxy.port).unwrap();
        let sent = match number % 4 {
            0 => "G",
            1 => unfinished_field.as_str(),
            2 => "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx",
            _ => "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\nx",
        };
        client.send(sent).unwrap();
        rude.push(client);
        if number % 20 == 0 {
            polite();
        }
    }
    polite();
    // 50 heads of 50 KB, and some buffers for each of the others.
    let grown = proxy.process.usage().memory.saturating_sub(idle);
    assert!(grown < 24 * MIB, "{grown} bytes");
    drop(rude);
    polite();
}
