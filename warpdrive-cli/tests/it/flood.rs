//! Clients that mean no good, many of them: a polite one beside them is answered at once, and memory stays flat.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use testkit::{Client, Server, WorkFolder, answer_each, raise_descriptor_limit};

use crate::warpdrive::Proxy;

const MIB: u64 = 1 << 20;

/// Far above what it takes, and far below any time of the proxy's that a rude client could hold up.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A proxy in front of an application that answers `ok`.
struct Stage {
    proxy: Proxy,
    _app: Server,
    _folder: WorkFolder,
}

impl Stage {
    fn new(server: &str) -> Stage {
        Stage::before(Server::tcp(answer_each("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")), server)
    }

    fn before(app: Server, server: &str) -> Stage {
        let folder = WorkFolder::new();
        let upstream = format!("[upstreams.app]\nhost = \"127.0.0.1\"\nport = {}\n", app.port());
        let proxy = Proxy::with_config(&folder, &format!("[server]\n{server}\n{upstream}"));
        Stage { proxy, _app: app, _folder: folder }
    }

    /// A new client's whole visit.
    fn polite(&self) {
        let began = Instant::now();
        let mut client = Client::connect(self.proxy.port).unwrap();
        client.get(&self.proxy.host(), "/").unwrap();
        assert_eq!(client.response().unwrap().text(), "ok");
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.proxy.port)).unwrap()
    }

    fn memory(&self) -> u64 {
        self.proxy.process.usage().memory
    }
}

/// What has come, to the end of the connection.
fn last_words(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(testkit::PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "after {} bytes", bytes.len()),
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn five_thousand_connections() {
    let descriptors = raise_descriptor_limit();
    let count = 5_000.min(descriptors.saturating_sub(500)) as usize;
    if count < 5_000 {
        println!("{descriptors} descriptors are all there are: only {count} connections");
    }
    let stage = Stage::new("");
    stage.polite();
    let before = stage.memory();
    let mut idle: Vec<TcpStream> = Vec::with_capacity(count);
    for number in 0..count {
        idle.push(stage.connect());
        if number % 1_000 == 0 {
            stage.polite();
        }
    }
    stage.polite();
    let grown = stage.memory().saturating_sub(before);
    assert!(grown < count as u64 * 20 * 1024, "{grown} bytes for {count} connections");
    // All of them are alive: the kernel has not just queued them.
    for stream in idle.iter_mut().step_by(50) {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    }
    for stream in idle.drain(..).step_by(50) {
        assert!(last_words(stream).ends_with("\r\n\r\nok"));
    }
    stage.polite();
}

#[test]
fn heads_a_byte_at_a_time_end_with_408_and_cost_little() {
    let stage = Stage::new("client_header_timeout_secs = 1");
    stage.polite();
    let before = stage.memory();
    let mut slow: Vec<TcpStream> = (0..300).map(|_| stage.connect()).collect();
    let head = b"GET /a-target-that-never-ends-but-comes-byte-by-byte-as-long-as-it-is-taken";
    let began = Instant::now();
    for byte in head.iter().cycle() {
        // Some are refused already in the last rounds.
        for stream in &mut slow {
            let _ = stream.write_all(&[*byte]);
        }
        stage.polite();
        if began.elapsed() > Duration::from_millis(1_500) {
            break;
        }
    }
    let grown = stage.memory().saturating_sub(before);
    assert!(grown < 16 * MIB, "{grown} bytes");
    for stream in slow {
        let words = last_words(stream);
        assert!(words.starts_with("HTTP/1.1 408 ") && words.contains("client_header_timeout"), "{words:?}");
    }
    // No request came of it, so it has no line of its own; one warning stands for all.
    stage.proxy.process.wait_for_line("status=408");
}

#[test]
fn bodies_that_stop_end_with_408_and_cost_little() {
    let stage = Stage::new("client_body_timeout_secs = 1");
    stage.polite();
    let before = stage.memory();
    let mut slow: Vec<TcpStream> = (0..200).map(|_| stage.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n0123456789").unwrap();
    }
    for _ in 0..20 {
        stage.polite();
    }
    let grown = stage.memory().saturating_sub(before);
    assert!(grown < 24 * MIB, "{grown} bytes");
    for stream in slow {
        let words = last_words(stream);
        assert!(words.starts_with("HTTP/1.1 408 ") && words.contains("client_body_timeout"), "{words:?}");
    }
    stage.polite();
}

#[test]
fn a_head_without_an_end_is_refused_after_64_kib() {
    let stage = Stage::new("");
    stage.polite();
    let before = stage.memory();
    for line in ["GET /", "GET / HTTP/1.1\r\nHost: a\r\nX: ", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let mut stream = stage.connect();
        stream.set_write_timeout(Some(testkit::PATIENCE)).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        let more = if line.ends_with("a\r\n") { "X: y\r\n".repeat(10_000) } else { "x".repeat(60_000) };
        // Sockets buffer a few megabytes; then whoever does not stop is cut.
        let pieces = (0..1_000).take_while(|_| stream.write_all(more.as_bytes()).is_ok()).count();
        assert!(pieces < 500, "{line:?}: {pieces} pieces");
        stage.polite();
    }
    let grown = stage.memory().saturating_sub(before);
    assert!(grown < 4 * MIB, "{grown} bytes");
}

#[test]
fn readers_that_stop_hold_little_and_are_cut() {
    let body = "x".repeat(8 << 20);
    let app = Server::tcp(answer_each(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())));
    let stage = Stage::before(app, "client_write_timeout_secs = 2");
    let before = stage.memory();
    let mut stopped: Vec<TcpStream> = (0..50).map(|_| stage.connect()).collect();
    for stream in &mut stopped {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }
    // One that reads gets all of it meanwhile.
    let began = Instant::now();
    let mut reader = stage.connect();
    reader.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    assert!(last_words(reader).len() > body.len());
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    let grown = stage.memory().saturating_sub(before);
    assert!(grown < 50 * MIB, "{grown} bytes");
    // Whoever is read from before its time has passed gets the rest.
    let began = Instant::now();
    while stage.proxy.process.stdout().matches("reason=client_write_timeout").count() < stopped.len() {
        assert!(began.elapsed() < testkit::PATIENCE, "not all are cut");
        std::thread::yield_now();
    }
    for stream in stopped {
        assert!(last_words(stream).len() < body.len());
    }
}
