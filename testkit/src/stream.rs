//! A connection with what has been read ahead of its reader.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crate::endpoint::Socket;
use crate::{PATIENCE, Recording};

/// How the other side ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It closed its sending side in order.
    Closed,
    /// It reset the connection.
    Reset,
}

#[derive(Debug)]
pub(crate) struct Stream {
    socket: Option<Socket>,
    unread: Vec<u8>,
    end: Option<End>,
    recording: Option<Recording>,
}

impl Stream {
    pub(crate) fn new(socket: Socket, recording: Option<Recording>) -> io::Result<Self> {
        socket.set_write_timeout(PATIENCE)?;
        Ok(Stream { socket: Some(socket), unread: Vec::new(), end: None, recording })
    }

    /// What has arrived and was not taken yet.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// How many recorded bytes have been taken.
    pub(crate) fn taken(&self) -> usize {
        self.recording.as_ref().map_or(0, Recording::len).saturating_sub(self.unread.len())
    }

    /// What was recorded after so many bytes, as text.
    pub(crate) fn since(&self, taken: usize) -> String {
        let bytes = self.recording.as_ref().map(Recording::bytes).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(taken..).unwrap_or_default()).into_owned()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket()?.write_all(bytes)
    }

    /// Takes the next `length` bytes, waiting for them.
    pub(crate) fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        self.fill_until(|unread| (unread.len() >= length).then_some(()))?;
        Ok(self.unread.drain(..length).collect())
    }

    /// Takes the bytes up to and with the first `mark`, waiting for it.
    pub(crate) fn take_through(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        let length = self.fill_until(|unread| {
            let from = unread.get(searched..).unwrap_or_default();
            let found = from.windows(mark.len()).position(|window| window == mark);
            let length = found.map(|at| searched + at + mark.len());
            searched = unread.len().saturating_sub(mark.len());
            length
        })?;
        self.take(length)
    }

    /// Takes everything until the other side ends the connection.
    pub(crate) fn take_to_end(&mut self) -> io::Result<(Vec<u8>, End)> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = self.end {
                return Ok((std::mem::take(&mut self.unread), end));
            }
            self.fill(deadline)?;
        }
    }

    /// Reads until `ready` finds what it looks for among the bytes not taken yet.
    pub(crate) fn fill_until<T>(&mut self, mut ready: impl FnMut(&[u8]) -> Option<T>) -> io::Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = ready(&self.unread) {
                return Ok(found);
            }
            match self.end {
                None => self.fill(deadline)?,
                Some(End::Closed) => {
                    return Err(self.failure(io::ErrorKind::UnexpectedEof, "the peer closed"));
                }
                Some(End::Reset) => {
                    return Err(self.failure(io::ErrorKind::ConnectionReset, "the peer reset"));
                }
            }
        }
    }

    /// Reads once; afterwards there are more bytes, or there is an end.
    pub(crate) fn fill(&mut self, deadline: Instant) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.failure(io::ErrorKind::TimedOut, "the peer stayed silent"));
            }
            let socket = self.socket()?;
            socket.set_read_timeout(left.max(Duration::from_millis(1)))?;
            match socket.read(&mut piece) {
                Ok(0) => self.finish(End::Closed),
                Ok(length) => {
                    let read = piece.get(..length).unwrap_or_default();
                    self.unread.extend_from_slice(read);
                    if let Some(recording) = &self.recording {
                        recording.push(read);
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                        self.finish(End::Reset);
                    }
                    _ => return Err(error),
                },
            }
            return Ok(());
        }
    }

    /// How the other side ended the connection, if that has been read.
    pub(crate) fn end(&self) -> Option<End> {
        self.end
    }

    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        self.socket()?.shutdown(Shutdown::Write)
    }

    /// Closes without the usual farewell: the peer sees a reset, not an end.
    pub(crate) fn reset(&mut self) -> io::Result<()> {
        match self.socket.take() {
            Some(socket) => socket.close_by_reset(),
            None => Ok(()),
        }
    }

    fn socket(&mut self) -> io::Result<&mut Socket> {
        self.socket.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn finish(&mut self, end: End) {
        self.end = Some(end);
        if let Some(recording) = &self.recording {
            recording.finish(end);
        }
    }

    fn failure(&self, kind: io::ErrorKind, what: &str) -> io::Error {
        let unread = String::from_utf8_lossy(&self.unread);
        let shown: String = unread.chars().take(500).collect();
        io::Error::new(kind, format!("{what}; {} bytes not taken: {shown:?}", self.unread.len()))
    }
}
