//! Scripted instances.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use socket2::{Domain, Socket, Type};

use crate::support::{Head, Peer, eventually};

/// An instance that runs a script on each connection, on a thread of its own.
pub(crate) struct Instance {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<Head>>>,
    stops: Arc<AtomicBool>,
}

/// What a script is given beside its connection.
#[derive(Clone)]
pub(crate) struct Notes {
    heads: Arc<Mutex<Vec<Head>>>,
}

impl Notes {
    /// Reads a request with its body and remembers its head.
    pub(crate) fn request(&self, peer: &mut Peer) -> Option<(Head, Vec<u8>)> {
        let head = peer.try_head()?;
        self.heads.lock().unwrap().push(head.clone());
        let body = peer.body(&head);
        Some((head, body))
    }

    /// Reads a request head alone and remembers it.
    pub(crate) fn head(&self, peer: &mut Peer) -> Option<Head> {
        let head = peer.try_head()?;
        self.heads.lock().unwrap().push(head.clone());
        Some(head)
    }
}

impl Instance {
    pub(crate) fn start(script: impl Fn(&mut Peer, &Notes) + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    /// The same on a listener that is there.
    pub(crate) fn on(listener: TcpListener, script: impl Fn(&mut Peer, &Notes) + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let heads: Arc<Mutex<Vec<Head>>> = Arc::default();
        let stops = Arc::new(AtomicBool::new(false));
        let (counted, noted, told) = (Arc::clone(&connections), Arc::clone(&heads), Arc::clone(&stops));
        let script = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                if told.load(SeqCst) {
                    return;
                }
                counted.fetch_add(1, SeqCst);
                let notes = Notes { heads: Arc::clone(&noted) };
                let script = Arc::clone(&script);
                std::thread::spawn(move || script(&mut Peer::new(stream), &notes));
            }
        });
        Instance { address, connections, heads, stops }
    }

    /// Refuses connections from now on.
    pub(crate) fn stop(self) {
        self.stops.store(true, SeqCst);
        eventually("it refuses connections", || TcpStream::connect(self.address).is_err());
    }

    /// Answers every request with 200, its request line and its body.
    pub(crate) fn echo() -> Self {
        Self::start(|peer, notes| {
            while let Some((head, body)) = notes.request(peer) {
                let mut text = format!("{}\n", head.line).into_bytes();
                text.extend(body);
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
                let mut answer = answer.into_bytes();
                if !head.line.starts_with("HEAD ") {
                    answer.extend(text);
                }
                if peer.try_send(answer).is_err() {
                    return;
                }
            }
        })
    }

    /// Answers the one request of each connection with `ok`, when it is told to go.
    pub(crate) fn gated() -> (Self, Sender<()>) {
        let (go, gate) = channel();
        let gate = Mutex::new(gate);
        let instance = Self::start(move |peer, notes| {
            notes.request(peer).unwrap();
            gate.lock().unwrap().recv().unwrap();
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        });
        (instance, go)
    }

    /// Answers every request with these bytes.
    pub(crate) fn saying(answer: &'static str) -> Self {
        Self::start(move |peer, notes| {
            while notes.request(peer).is_some() {
                if peer.try_send(answer).is_err() {
                    return;
                }
            }
        })
    }

    /// Answers every request with these bytes and closes.
    pub(crate) fn saying_last(answer: &'static str) -> Self {
        Self::start(move |peer, notes| {
            if notes.request(peer).is_some() {
                let _ = peer.try_send(answer);
            }
        })
    }

    /// Connections that came so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }

    /// Heads of the requests that came so far.
    pub(crate) fn heads(&self) -> Vec<Head> {
        self.heads.lock().unwrap().clone()
    }
}

/// An address where nothing listens, and where nothing else will: its socket is bound for as long
/// as the tests run.
pub(crate) fn nobody() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}
