//! What a script can do with its connection.

use std::io;
use std::sync::Arc;

use super::Shared;
use crate::endpoint::Socket;
use crate::stream::Stream;
use crate::{End, Gate, Recording, Request, Understood};

/// One step of a script that needs no decision.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reads to the end of the next request head.
    ReadHead,
    /// Reads the next request, with its body.
    ReadRequest,
    /// Reads this many bytes.
    Read(usize),
    /// Reads until the peer ends the connection.
    ReadToEnd,
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Stalls until the test opens the gate.
    Wait(Gate),
    /// Ends the sending side; the peer can still send.
    ShutdownWrite,
    /// Ends the connection by a reset.
    Reset,
}

impl Step {
    /// [`Step::Send`] of anything that is bytes.
    pub fn send(bytes: impl AsRef<[u8]>) -> Step {
        Step::Send(bytes.as_ref().to_vec())
    }
}

/// The script that takes these steps on every connection and then closes it.
pub fn steps(steps: impl Into<Vec<Step>>) -> impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static {
    let steps = steps.into();
    move |connection| {
        for step in &steps {
            match step {
                Step::ReadHead => drop(connection.read_head()?),
                Step::ReadRequest => drop(connection.read_request()?),
                Step::Read(length) => drop(connection.read(*length)?),
                Step::ReadToEnd => drop(connection.read_to_end()?),
                Step::Send(bytes) => connection.send(bytes)?,
                Step::Wait(gate) => connection.wait(gate)?,
                Step::ShutdownWrite => connection.shutdown_write()?,
                Step::Reset => connection.reset()?,
            }
        }
        Ok(())
    }
}

/// The script that reads each request in full and sends these bytes, until the peer closes.
pub fn answer_each(response: impl AsRef<[u8]>) -> impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static {
    let response = response.as_ref().to_vec();
    move |connection| {
        while connection.next_request()?.is_some() {
            connection.send(&response)?;
        }
        Ok(())
    }
}

/// A connection in the hands of a script.
pub struct Connection {
    number: usize,
    stream: Option<Stream>,
    shared: Arc<Shared>,
}

impl Connection {
    pub(super) fn new(number: usize, socket: Socket, recording: Recording, shared: Arc<Shared>) -> io::Result<Self> {
        let stream = Some(Stream::new(socket, Some(recording))?);
        Ok(Connection { number, stream, shared })
    }

    /// 0 for the first connection that the server accepted.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Reads to the end of the next request head; the body stays unread.
    ///
    /// # Errors
    /// `UnexpectedEof` and `ConnectionReset` when it was cut, `TimedOut` when it did not end,
    /// `InvalidData` when it was no HTTP.
    pub fn read_head(&mut self) -> io::Result<Request> {
        Request::read_head(self.stream()?)
    }

    /// Reads the next request, with its body.
    ///
    /// # Errors
    /// Those of [`Connection::read_head`].
    pub fn read_request(&mut self) -> io::Result<Request> {
        Request::read(self.stream()?)
    }

    /// Reads the next request; `None` when the peer closed instead of sending one.
    ///
    /// # Errors
    /// Those of [`Connection::read_head`].
    pub fn next_request(&mut self) -> io::Result<Option<Request>> {
        let stream = self.stream()?;
        match stream.fill_until(|unread| (!unread.is_empty()).then_some(())) {
            Ok(()) => Request::read(stream).map(Some),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the next request as a strict server does; `None` when the peer ended the connection
    /// instead of sending one.
    ///
    /// # Errors
    /// Those of [`Connection::read_head`]; `InvalidData` for whatever RFC 9112 forbids a sender.
    pub fn next_understood(&mut self) -> io::Result<Option<Understood>> {
        let stream = self.stream()?;
        match stream.fill_until(|unread| (!unread.is_empty()).then_some(())) {
            Ok(()) => Understood::read(stream).map(Some),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// How many bytes the reads above have taken so far.
    pub(crate) fn taken(&self) -> usize {
        self.stream.as_ref().map_or(0, Stream::taken)
    }

    /// What has arrived after so many bytes, as text.
    pub(crate) fn since(&self, taken: usize) -> String {
        self.stream.as_ref().map_or_else(String::new, |stream| stream.since(taken))
    }

    /// Reads this many bytes.
    ///
    /// # Errors
    /// Those of [`Connection::read_head`].
    pub fn read(&mut self, length: usize) -> io::Result<Vec<u8>> {
        self.stream()?.take(length)
    }

    /// Reads until the peer ends the connection.
    ///
    /// # Errors
    /// `TimedOut` when it does not.
    pub fn read_to_end(&mut self) -> io::Result<(Vec<u8>, End)> {
        self.stream()?.take_to_end()
    }

    /// Sends these bytes as they are.
    ///
    /// # Errors
    /// What the kernel says, also when the peer does not take them in time.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream()?.send(bytes.as_ref())
    }

    /// Stalls until the test opens the gate.
    ///
    /// # Errors
    /// `TimedOut` when it does not; `NotConnected` when the server is being dropped.
    pub fn wait(&mut self, gate: &Gate) -> io::Result<()> {
        {
            let mut state = self.shared.lock();
            if state.stopping {
                return Err(io::ErrorKind::NotConnected.into());
            }
            state.gates.push(gate.clone());
        }
        gate.wait()
    }

    /// Ends the sending side; the peer can still send.
    ///
    /// # Errors
    /// `NotConnected` when the connection is gone.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream()?.shutdown_write()
    }

    /// Ends the connection by a reset; nothing can follow. On a Unix socket the peer sees a reset
    /// only if something that it sent was not read.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn reset(&mut self) -> io::Result<()> {
        self.shared.lock().sockets.remove(&self.number);
        match self.stream.take() {
            Some(mut stream) => stream.reset(),
            None => Ok(()),
        }
    }

    /// Closes the connection and tells who waits for the outcome. Only the first call counts.
    pub(super) fn conclude(&mut self, outcome: Result<(), String>) {
        let mut state = self.shared.lock();
        state.sockets.remove(&self.number);
        self.stream = None;
        state.outcomes.entry(self.number).or_insert(outcome);
        drop(state);
        self.shared.changed.notify_all();
    }

    fn stream(&mut self) -> io::Result<&mut Stream> {
        self.stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("number", &self.number).finish_non_exhaustive()
    }
}
