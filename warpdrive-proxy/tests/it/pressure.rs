//! What gives way for a moment: a full queue of a Unix socket, a reader of the log that is behind.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use testkit::WorkFolder;
use warpdrive_proxy::{AccessLog, Options, Proxy};

use crate::support::{Instance, Peer, Running, config, eventually, model, value};

/// A listener on a Unix socket whose queue holds one connection, and holds it.
struct FullQueue {
    listener: UnixListener,
    path: PathBuf,
    _waiting: UnixStream,
    _folder: WorkFolder,
}

impl FullQueue {
    fn new() -> Self {
        let folder = WorkFolder::new();
        let path = folder.join("app.sock");
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        socket.listen(0).unwrap();
        let waiting = UnixStream::connect(&path).unwrap();
        assert_eq!(one_more(&path).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        FullQueue { listener: socket.into(), path, _waiting: waiting, _folder: folder }
    }

    fn upstream(&self) -> String {
        format!("[upstreams.app]\nsocket = {:?}\n", self.path)
    }
}

/// Answers requests whose bodies are `ab`.
fn answer_all(mut stream: UnixStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut seen = Vec::new();
    while reader.read_until(b'b', &mut seen).is_ok_and(|read| read > 0) {
        if seen.ends_with(b"\r\n\r\nab") {
            seen.clear();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        }
    }
}

/// Connects as the proxy does, without waiting for a place in the queue.
fn one_more(path: &Path) -> std::io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.connect(&SockAddr::unix(path)?)
}

#[test]
fn requests_wait_for_a_place_in_the_queue_of_a_unix_socket() {
    let queue = FullQueue::new();
    let mut proxy = Running::start(&config("", &queue.upstream()));
    let mut clients: Vec<_> = (0..10).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        // What is no plain read is never sent twice, so none of this is a repetition.
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    }
    eventually("all ask for a connection", || proxy.in_flight() == 10);
    assert!(!clients.iter_mut().any(|client| client.has_bytes_within(Duration::from_millis(20))));
    assert_eq!(proxy.in_flight(), 10);
    let listener = queue.listener.try_clone().unwrap();
    let instance = std::thread::spawn(move || {
        // The one that only waits, and those of the proxy.
        for _ in 0..11 {
            let (stream, _) = listener.accept().unwrap();
            std::thread::spawn(move || answer_all(stream));
        }
    });
    for client in &mut clients {
        assert_eq!(client.answer().status(), 200);
    }
    for _ in 0..10 {
        let line = proxy.line();
        assert_eq!((value(&line, "attempts"), value(&line, "reason")), ("1", "-"));
    }
    drop(instance);
}

#[test]
fn a_queue_that_stays_full_is_504_when_the_connect_time_has_passed() {
    let queue = FullQueue::new();
    let mut proxy = Running::start(&config("connect_timeout_secs = 0.3", &queue.upstream()));
    let answer = proxy.get("/");
    assert_eq!((answer.status(), answer.field("x-warpdrive-error")), (504, Some("upstream_connect_timeout")));
    assert_eq!(value(&proxy.line(), "reason"), "upstream_connect_timeout");
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up() {
    let instance = Instance::echo();
    // A queue of one, which is full from the first line on.
    let (sender, lines) = sync_channel(1);
    let text = config("worker_threads = 1", &crate::support::app(&[instance.address], ""));
    let proxy = Proxy::start(model(&text), Options::new().with_access_log(AccessLog::Channel(sender))).unwrap();
    let mut client = Peer::new(std::net::TcpStream::connect(proxy.addresses()[0]).unwrap());
    let mut ask = |target: &str| {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.answer().status(), 200);
    };
    // Many times what one unit takes.
    for number in 0..2_000 {
        ask(&format!("/{number}"));
    }
    let first = lines.recv().unwrap();
    assert!(first.contains(" target=/0 "), "{first}");
    // Whoever reads again gets whole lines again.
    eventually("a later line", || {
        ask("/later");
        lines
            .try_iter()
            .any(|unit| unit.ends_with('\n') && unit.starts_with("time=") && unit.contains(" target=/later "))
    });
}
