//! The client's side of a WebSocket, frame by frame (RFC 6455).

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::{Client, Endpoint, Response};

/// Appended to the key of a handshake before it is hashed (RFC 6455, 1.3).
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message before it.
    Continuation,
    /// Text, or its beginning.
    Text,
    /// Bytes, or their beginning.
    Binary,
    /// The end of the conversation.
    Close,
    /// Wants a pong.
    Ping,
    /// Answers a ping.
    Pong,
    /// One that the RFC keeps for later.
    Reserved(u8),
}

impl Opcode {
    fn from_bits(bits: u8) -> Opcode {
        match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            other => Opcode::Reserved(other),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
            Opcode::Reserved(bits) => bits & 0x0f,
        }
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whether it ends its message.
    pub last: bool,
    /// What it is for.
    pub opcode: Opcode,
    /// The key its payload is masked with on the wire. A client must mask, a server must not.
    pub mask: Option<[u8; 4]>,
    /// The payload, unmasked.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A whole, masked message or control frame, as a client sends it.
    pub fn new(opcode: Opcode, payload: impl AsRef<[u8]>) -> Frame {
        let payload = payload.as_ref().to_vec();
        Frame { last: true, opcode, mask: Some([0x37, 0xfa, 0x21, 0x3d]), payload }
    }

    /// The same frame, with more of its message to follow.
    pub fn unfinished(mut self) -> Frame {
        self.last = false;
        self
    }

    /// The same frame without a mask, which only a server may send.
    pub fn unmasked(mut self) -> Frame {
        self.mask = None;
        self
    }

    /// The status code of a close frame.
    pub fn close_code(&self) -> Option<u16> {
        match (self.opcode, self.payload.as_slice()) {
            (Opcode::Close, [high, low, ..]) => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }

    /// The payload as text, with a replacement character for what is not UTF-8.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    /// The next frame of what `next` gives, so many bytes at a time.
    ///
    /// # Errors
    /// Those of `next`.
    pub fn read(mut next: impl FnMut(usize) -> io::Result<Vec<u8>>) -> io::Result<Frame> {
        let (first, second) = match next(2)?.as_slice() {
            [first, second] => (*first, *second),
            _ => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        let number = |bytes: Vec<u8>| bytes.iter().fold(0, |number, &byte| number << 8 | usize::from(byte));
        let length = match second & 0x7f {
            126 => number(next(2)?),
            127 => number(next(8)?),
            short => usize::from(short),
        };
        let mask: Option<[u8; 4]> = match second & 0x80 {
            0 => None,
            _ => next(4)?.try_into().ok(),
        };
        let mut payload = next(length)?;
        if let Some(mask) = mask {
            for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
                *byte ^= key;
            }
        }
        Ok(Frame { last: first & 0x80 != 0, opcode: Opcode::from_bits(first & 0x0f), mask, payload })
    }

    /// The frame as it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.opcode.bits() | if self.last { 0x80 } else { 0 }];
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        match self.payload.len() {
            length @ 0..=125 => bytes.push(masked | length as u8),
            length @ 126..=0xffff => {
                bytes.push(masked | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            length => {
                bytes.push(masked | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        match self.mask {
            Some(mask) => {
                bytes.extend(mask);
                bytes.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(p, m)| p ^ m));
            }
            None => bytes.extend(&self.payload),
        }
        bytes
    }
}

/// A WebSocket after its handshake.
#[derive(Debug)]
pub struct WebSocket {
    client: Client,
    handshake: Response,
}

impl WebSocket {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// `InvalidData` when the answer was no 101, or its accept value was wrong; those of
    /// [`Client::response`].
    pub fn connect(endpoint: impl Into<Endpoint>, host: &str, target: &str) -> io::Result<Self> {
        WebSocket::connect_with(endpoint, host, target, &[])
    }

    /// The same with more header fields.
    ///
    /// # Errors
    /// Those of [`WebSocket::connect`].
    pub fn connect_with(
        endpoint: impl Into<Endpoint>,
        host: &str,
        target: &str,
        fields: &[(&str, &str)],
    ) -> io::Result<Self> {
        // Any 16 bytes do: the key guards against caches, not against people.
        let key = STANDARD.encode(b"a key from tests");
        let mut head = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        );
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut client = Client::connect(endpoint)?;
        client.send(head)?;
        let handshake = client.response()?;
        let accept = STANDARD.encode(Sha1::digest(format!("{key}{ACCEPT_SUFFIX}")));
        if handshake.status != 101 || handshake.header("sec-websocket-accept") != Some(&accept) {
            let message = format!("no WebSocket: {handshake:?}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(WebSocket { client, handshake })
    }

    /// The 101 that began it.
    pub fn handshake(&self) -> &Response {
        &self.handshake
    }

    /// The connection underneath, for bytes that are no frames.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Sends a frame as it is, also a wrong one.
    ///
    /// # Errors
    /// Those of [`Client::send`].
    pub fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.client.send(frame.to_bytes())
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// Those of [`Client::send`].
    pub fn send_text(&mut self, text: &str) -> io::Result<()> {
        self.send(&Frame::new(Opcode::Text, text))
    }

    /// Sends a binary message.
    ///
    /// # Errors
    /// Those of [`Client::send`].
    pub fn send_binary(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(&Frame::new(Opcode::Binary, bytes))
    }

    /// Sends a ping.
    ///
    /// # Errors
    /// Those of [`Client::send`].
    pub fn send_ping(&mut self, payload: &[u8]) -> io::Result<()> {
        self.send(&Frame::new(Opcode::Ping, payload))
    }

    /// Sends a close frame with this status code.
    ///
    /// # Errors
    /// Those of [`Client::send`].
    pub fn send_close(&mut self, code: u16) -> io::Result<()> {
        self.send(&Frame::new(Opcode::Close, code.to_be_bytes()))
    }

    /// Reads the next frame.
    ///
    /// # Errors
    /// Those of [`Client::response`].
    pub fn frame(&mut self) -> io::Result<Frame> {
        Frame::read(|length| self.client.read(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Server;

    /// The frames of RFC 6455, 5.7.
    #[test]
    fn frames_have_the_form_of_the_rfc() {
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(Frame::new(Opcode::Text, "Hello").to_bytes(), masked);
        let first = Frame::new(Opcode::Text, "Hel").unmasked().unfinished();
        assert_eq!(first.to_bytes(), b"\x01\x03Hel");
        let long = Frame::new(Opcode::Binary, [0; 256]).unmasked().to_bytes();
        assert!(long.starts_with(b"\x82\x7e\x01\x00"));
        let longer = Frame::new(Opcode::Binary, [0; 65536]).unmasked().to_bytes();
        assert!(longer.starts_with(b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"));
    }

    #[test]
    fn a_socket_shakes_hands_and_reads_what_the_server_sends() {
        let server = Server::tcp(|connection| {
            let request = connection.read_head()?;
            assert_eq!(request.header("origin"), Some("http://a"));
            let accept = STANDARD
                .encode(Sha1::digest(format!("{}{ACCEPT_SUFFIX}", request.header("sec-websocket-key").unwrap())));
            connection.send(format!("HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {accept}\r\n\r\n"))?;
            let frame = Frame::new(Opcode::Text, "hi");
            assert_eq!(connection.read(frame.to_bytes().len())?, frame.to_bytes());
            connection.send(Frame::new(Opcode::Binary, [7; 70_000]).unmasked().to_bytes())?;
            connection.send(Frame::new(Opcode::Close, 1001_u16.to_be_bytes()).to_bytes())
        });
        let fields = [("Origin", "http://a")];
        let mut socket = WebSocket::connect_with(server.endpoint(), "a", "/", &fields).unwrap();
        assert_eq!(socket.handshake().status, 101);
        socket.send_text("hi").unwrap();
        assert_eq!(socket.frame().unwrap().payload, [7; 70_000]);
        assert_eq!(socket.frame().unwrap().close_code(), Some(1001));
        assert!(socket.client().wait_end().is_ok());
    }

    #[test]
    fn a_refused_handshake_is_an_error() {
        let server = Server::tcp(crate::answer_each("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"));
        let error = WebSocket::connect(server.endpoint(), "a", "/").unwrap_err();
        assert!(error.to_string().contains("404"), "{error}");
    }
}
