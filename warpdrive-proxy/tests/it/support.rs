//! Scripted peers over blocking sockets, and a proxy in front of them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use warpdrive_core::{Model, Router};
use warpdrive_proxy::{AccessLog, Options, Proxy};

pub(crate) use crate::instance::{Instance, Notes, nobody};

/// No test waits longer than this for anything; what takes so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running proxy and the lines of its access log.
pub(crate) struct Running {
    pub(crate) proxy: Proxy,
    pub(crate) address: SocketAddr,
    lines: Mutex<Receiver<String>>,
    unread: Vec<String>,
}

pub(crate) fn model(text: &str) -> Model {
    match Router::from_toml(text) {
        Ok(router) => router.model().clone(),
        Err(errors) => panic!("{errors}\n{text}"),
    }
}

/// A configuration with these lines in `[server]`, listening on a free port of 127.0.0.1.
pub(crate) fn config(server: &str, rest: &str) -> String {
    let workers = if server.contains("worker_threads") { "" } else { "worker_threads = 2" };
    format!("[server]\nbind = [\"127.0.0.1\"]\nhttp_port = 0\n{workers}\n{server}\n{rest}")
}

/// Upstream `app` with these instances, and one route to it with these lines.
pub(crate) fn app(instances: &[SocketAddr], route: &str) -> String {
    let mut text = String::new();
    for instance in instances {
        text += &format!("[[upstreams.app.instances]]\nhost = \"{}\"\nport = {}\n", instance.ip(), instance.port());
    }
    text + &format!("[[routes]]\nupstream = \"app\"\n{route}\n")
}

impl Running {
    pub(crate) fn start(text: &str) -> Self {
        crate::warnings::keep();
        let (sender, lines) = sync_channel(10_000);
        let options = Options::new().with_access_log(AccessLog::Channel(sender));
        let proxy = Proxy::start(model(text), options).unwrap();
        Running { address: proxy.addresses()[0], proxy, lines: Mutex::new(lines), unread: Vec::new() }
    }

    /// One upstream `app` in front of these instances.
    pub(crate) fn before(instances: &[SocketAddr], server: &str, route: &str) -> Self {
        Self::start(&config(server, &app(instances, route)))
    }

    pub(crate) fn connect(&self) -> Peer {
        Peer::new(TcpStream::connect(self.address).unwrap())
    }

    /// Sends one request on a connection of its own.
    pub(crate) fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect();
        client.send(request);
        client.answer()
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n"))
    }

    /// The next line of the access log.
    pub(crate) fn line(&mut self) -> String {
        if self.unread.is_empty() {
            let lines = self.lines.get_mut().unwrap();
            let text = lines.recv_timeout(PATIENCE).expect("a log line");
            self.unread = text.lines().rev().map(str::to_owned).collect();
        }
        self.unread.pop().unwrap()
    }

    /// All requests and tunnels under way.
    pub(crate) fn in_flight(&self) -> usize {
        let instances = self.proxy.instances();
        instances.iter().map(|instance| instance.in_flight).sum()
    }
}

/// Waits for something that another thread is about to do.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::yield_now();
    }
}

/// One key of a log line.
pub(crate) fn value<'a>(line: &'a str, key: &str) -> &'a str {
    let start = format!(" {key}=");
    let at = line.find(&start).unwrap_or_else(|| panic!("no {key} in {line}")) + start.len();
    let rest = &line[at..];
    if let Some(quoted) = rest.strip_prefix('"') {
        return &quoted[..quoted.find('"').unwrap()];
    }
    &rest[..rest.find(' ').unwrap_or(rest.len())]
}

/// One side of a connection.
pub(crate) struct Peer {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

/// A request or response head.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) line: String,
    pub(crate) fields: Vec<(String, String)>,
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.status()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Head {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Peer { reader: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Another handle on the same connection, for a thread that only sends.
    pub(crate) fn try_clone(&self) -> Peer {
        Peer::new(self.stream.try_clone().unwrap())
    }

    /// Whatever comes next; empty at the end.
    pub(crate) fn some(&mut self) -> Vec<u8> {
        let bytes = self.reader.fill_buf().unwrap_or_default().to_vec();
        self.reader.consume(bytes.len());
        bytes
    }

    /// Whether anything comes within a time.
    pub(crate) fn has_bytes_within(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let some = self.reader.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        some
    }

    /// Makes the end of this connection a reset.
    pub(crate) fn will_reset(&self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Ends this direction.
    pub(crate) fn finish(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next head, or nothing when the other side closed before it.
    pub(crate) fn try_head(&mut self) -> Option<Head> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        let mut fields = Vec::new();
        loop {
            let mut field = String::new();
            if self.reader.read_line(&mut field).ok()? == 0 {
                return None;
            }
            let field = field.trim_end();
            if field.is_empty() {
                break;
            }
            let (name, value) = field.split_once(':').unwrap();
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Some(Head { line: line.trim_end().to_owned(), fields })
    }

    pub(crate) fn head(&mut self) -> Head {
        self.try_head().expect("a message head")
    }

    pub(crate) fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The next chunk; empty at the end, with the trailer lines in `trailers`.
    pub(crate) fn chunk(&mut self, trailers: &mut Vec<String>) -> std::io::Result<Vec<u8>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
        if size == 0 {
            loop {
                let mut trailer = String::new();
                self.reader.read_line(&mut trailer)?;
                if trailer.trim_end().is_empty() {
                    return Ok(Vec::new());
                }
                trailers.push(trailer.trim_end().to_owned());
            }
        }
        let mut bytes = vec![0; size + 2];
        self.reader.read_exact(&mut bytes)?;
        bytes.truncate(size);
        Ok(bytes)
    }

    /// The body that goes with a head, by its length or its chunks.
    pub(crate) fn body(&mut self, head: &Head) -> Vec<u8> {
        if head.field("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            loop {
                let chunk = self.chunk(&mut Vec::new()).unwrap();
                if chunk.is_empty() {
                    return body;
                }
                body.extend(chunk);
            }
        }
        let length = head.field("content-length").map_or(0, |it| it.parse().unwrap());
        self.exactly(length)
    }

    /// The next whole response, by length or chunks, else to the end of the connection.
    pub(crate) fn answer(&mut self) -> Answer {
        let head = self.head();
        let framed = ["content-length", "transfer-encoding"].iter().any(|name| head.field(name).is_some());
        let body = if framed || [101, 204, 304].contains(&head.status()) { self.body(&head) } else { self.rest() };
        Answer { head, body }
    }

    /// The next response, which may be an interim one.
    pub(crate) fn answer_or_interim(&mut self) -> Answer {
        let head = self.head();
        let body = if head.status() < 200 { Vec::new() } else { self.body(&head) };
        Answer { head, body }
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Everything up to the end, whatever end it is; the error if it was one.
    pub(crate) fn rest_and_end(&mut self) -> (Vec<u8>, Option<std::io::ErrorKind>) {
        let mut bytes = Vec::new();
        let end = self.reader.read_to_end(&mut bytes).err();
        (bytes, end.map(|error| error.kind()))
    }

    /// Whether the other side has closed; waits for it.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.reader.fill_buf(), Ok([]))
    }
}
