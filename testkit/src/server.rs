//! An upstream that does what its script says, and records what it was sent.

mod bodies;
mod script;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::endpoint::Socket;
use crate::{Endpoint, Gate, PATIENCE, Recording};

pub use bodies::{answer_bodies, part_of_body};
pub use script::{Connection, Step, answer_each, steps};

type Script = dyn Fn(&mut Connection) -> io::Result<()> + Send + Sync;

/// Listens until it is dropped and runs its script once for each connection, each on a thread
/// of its own.
///
/// A script reads only when it says so: what it does not read stays with the kernel and with the
/// peer, as with an upstream that stopped reading. The connection is closed when the script ends.
/// An error that a script returns ends that connection alone; a panic in a script (a failed
/// assertion) fails the test when the server is dropped.
pub struct Server {
    endpoint: Endpoint,
    shared: Arc<Shared>,
    listener: Arc<Listener>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a free port of 127.0.0.1.
    pub fn tcp<S>(script: S) -> Self
    where
        S: Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        Server::start(Listener::Tcp(listener), address.into(), Arc::new(script))
    }

    /// Listens on a Unix socket that must not exist yet.
    pub fn unix<S>(path: &Path, script: S) -> Self
    where
        S: Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static,
    {
        let listener =
            UnixListener::bind(path).unwrap_or_else(|error| panic!("cannot listen on {}: {error}", path.display()));
        Server::start(Listener::Unix(listener), path.into(), Arc::new(script))
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its TCP port.
    ///
    /// # Panics
    /// If it listens on a Unix socket.
    pub fn port(&self) -> u16 {
        self.endpoint.port()
    }

    /// How many connections have been accepted so far.
    pub fn accepted(&self) -> usize {
        self.shared.lock().recordings.len()
    }

    /// The recording of a connection, counted from 0 in the order of acceptance; waits for it.
    ///
    /// # Panics
    /// When it has not been accepted within [`PATIENCE`].
    pub fn connection(&self, number: usize) -> Recording {
        let state = self.shared.wait(|state| state.recordings.len() > number);
        match state.recordings.get(number) {
            Some(recording) => recording.clone(),
            None => panic!("{} never got connection {number}", self.endpoint),
        }
    }

    /// Waits until the script of that connection has ended, and says how.
    ///
    /// # Panics
    /// When it has not ended within [`PATIENCE`].
    pub fn outcome(&self, number: usize) -> Result<(), String> {
        let state = self.shared.wait(|state| state.outcomes.contains_key(&number));
        match state.outcomes.get(&number) {
            Some(outcome) => outcome.clone(),
            None => panic!("the script of connection {number} did not end"),
        }
    }

    fn start(listener: Listener, endpoint: Endpoint, script: Arc<Script>) -> Self {
        let shared = Arc::new(Shared::default());
        let listener = Arc::new(listener);
        let acceptor = thread::spawn({
            let (shared, listener) = (Arc::clone(&shared), Arc::clone(&listener));
            move || {
                while let Ok(socket) = listener.accept() {
                    Shared::serve(&shared, socket, &script);
                }
            }
        });
        Server { endpoint, shared, listener, acceptor: Some(acceptor) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listener.wake();
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        let scripts = {
            let mut state = self.shared.lock();
            state.stopping = true;
            for socket in state.sockets.values() {
                // It may be gone already, and then there is nothing to wake.
                let _ = socket.shutdown(Shutdown::Both);
            }
            for gate in &state.gates {
                gate.open();
            }
            std::mem::take(&mut state.scripts)
        };
        let mut panicked = false;
        for script in scripts {
            panicked |= script.join().is_err();
        }
        assert!(!panicked || thread::panicking(), "a script of {} panicked", self.endpoint);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopping: bool,
    recordings: Vec<Recording>,
    outcomes: HashMap<usize, Result<(), String>>,
    /// A second descriptor of each open connection, to end it from outside its thread.
    sockets: HashMap<usize, Socket>,
    gates: Vec<Gate>,
    scripts: Vec<JoinHandle<()>>,
}

impl Shared {
    fn serve(this: &Arc<Shared>, socket: Socket, script: &Arc<Script>) {
        let Ok(second) = socket.try_clone() else {
            return;
        };
        let recording = Recording::default();
        let mut state = this.lock();
        let number = state.recordings.len();
        let Ok(mut connection) = Connection::new(number, socket, recording.clone(), Arc::clone(this)) else {
            return;
        };
        state.recordings.push(recording);
        state.sockets.insert(number, second);
        let script = Arc::clone(script);
        state.scripts.push(thread::spawn(move || {
            let ended = Ended { connection: &mut connection };
            let outcome = script(ended.connection);
            ended.connection.conclude(outcome.map_err(|error| error.to_string()));
        }));
        drop(state);
        this.changed.notify_all();
    }

    fn wait(&self, mut ready: impl FnMut(&State) -> bool) -> MutexGuard<'_, State> {
        let guard = self.lock();
        let (guard, _) = self
            .changed
            .wait_timeout_while(guard, PATIENCE, |state| !ready(state))
            .unwrap_or_else(PoisonError::into_inner);
        guard
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the connection of a script, also when the script panicked.
struct Ended<'a> {
    connection: &'a mut Connection,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.connection.conclude(Err("the script panicked".to_owned()));
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn accept(&self) -> io::Result<Socket> {
        loop {
            let accepted = match self {
                Listener::Tcp(listener) => listener.accept().map(|(stream, _)| Socket::Tcp(stream)),
                Listener::Unix(listener) => listener.accept().map(|(stream, _)| Socket::Unix(stream)),
            };
            match accepted {
                Ok(Socket::Tcp(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(Socket::Tcp(stream));
                }
                Ok(socket) => return Ok(socket),
                // The client was gone before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends an `accept` under way and all that follow.
    fn wake(&self) {
        let _ = match self {
            Listener::Tcp(listener) => rustix::net::shutdown(listener, rustix::net::Shutdown::Both),
            Listener::Unix(listener) => rustix::net::shutdown(listener, rustix::net::Shutdown::Both),
        };
    }
}

#[cfg(test)]
mod tests;
