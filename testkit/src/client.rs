//! A client that sends exactly the bytes it is told.

use std::io;
use std::time::Instant;

use crate::stream::Stream;
use crate::{End, Endpoint, PATIENCE, Response};

/// A raw connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: Stream,
}

impl Client {
    /// Opens a connection.
    ///
    /// # Errors
    /// What the kernel says, for instance `ConnectionRefused`.
    pub fn connect(endpoint: impl Into<Endpoint>) -> io::Result<Self> {
        let socket = endpoint.into().connect()?;
        Ok(Client { stream: Stream::new(socket, None)? })
    }

    /// Sends these bytes as they are.
    ///
    /// # Errors
    /// Also `WouldBlock` when the server does not take them within [`PATIENCE`].
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.send(bytes.as_ref())
    }

    /// Sends `GET target` with this `Host`.
    ///
    /// # Errors
    /// Those of [`Client::send`].
    pub fn get(&mut self, host: &str, target: &str) -> io::Result<()> {
        self.send(format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n"))
    }

    /// Reads one response to a request that was not HEAD. Interim responses are responses too:
    /// they come first.
    ///
    /// # Errors
    /// `UnexpectedEof` and `ConnectionReset` when it was cut, `TimedOut` when it did not end,
    /// `InvalidData` when it was no HTTP.
    pub fn response(&mut self) -> io::Result<Response> {
        Response::read(&mut self.stream, "GET")
    }

    /// Reads one response to a request of that method.
    ///
    /// # Errors
    /// Those of [`Client::response`].
    pub fn response_to(&mut self, method: &str) -> io::Result<Response> {
        Response::read(&mut self.stream, method)
    }

    /// Reads the head of a response and leaves the body for [`Client::read_until`] and
    /// [`Client::read`].
    ///
    /// # Errors
    /// Those of [`Client::response`].
    pub fn response_head(&mut self) -> io::Result<Response> {
        Response::read_head(&mut self.stream)
    }

    /// Reads the next `length` bytes.
    ///
    /// # Errors
    /// Those of [`Client::response`].
    pub fn read(&mut self, length: usize) -> io::Result<Vec<u8>> {
        self.stream.take(length)
    }

    /// Reads until `ready` says that enough has come, and returns all of it; nothing is consumed.
    ///
    /// # Errors
    /// Those of [`Client::response`].
    pub fn read_until(&mut self, mut ready: impl FnMut(&[u8]) -> bool) -> io::Result<&[u8]> {
        self.stream.fill_until(|unread| ready(unread).then_some(()))?;
        Ok(self.stream.unread())
    }

    /// Reads all that comes until the server ends the connection.
    ///
    /// # Errors
    /// `TimedOut` when it does not.
    pub fn read_to_end(&mut self) -> io::Result<(Vec<u8>, End)> {
        self.stream.take_to_end()
    }

    /// Waits for the server to end the connection without sending another byte.
    ///
    /// # Errors
    /// `InvalidData` when a byte comes, `TimedOut` when nothing does.
    pub fn wait_end(&mut self) -> io::Result<End> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if !self.stream.unread().is_empty() {
                let text = String::from_utf8_lossy(self.stream.unread()).into_owned();
                let message = format!("bytes instead of an end: {text:?}");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            match self.stream.end() {
                Some(end) => return Ok(end),
                None => self.stream.fill(deadline)?,
            }
        }
    }

    /// Ends the sending side; the server can go on.
    ///
    /// # Errors
    /// `NotConnected` when the connection is gone.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.shutdown_write()
    }

    /// Goes away by a reset.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn reset(mut self) -> io::Result<()> {
        self.stream.reset()
    }
}
