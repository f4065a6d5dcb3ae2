//! The rules of RFC 6455, kept and broken, against Debian's python3-websockets: directly and through the
//! proxy, which must change no byte. `testkit/autobahn` does the same with the hundreds of Autobahn's cases.

use std::io;
use std::path::Path;

use testkit::{End, Endpoint, Frame, Opcode, Program, WebSocket, WorkFolder};

use crate::warpdrive::{Proxy, warpdrive};

/// What a client sends in one conversation.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    /// Frames that the server sends before the client closes; nothing is closed where it is the server that does.
    answers: Option<usize>,
    /// How the bytes are cut; 0 is not at all.
    cut: usize,
    /// Offers compression.
    deflate: bool,
    /// The status code of the server's close frame.
    close: u16,
}

impl Case {
    /// What a server must accept; the client closes.
    fn kept(name: &'static str, frames: impl IntoIterator<Item = Frame>) -> Case {
        let frames: Vec<Frame> = frames.into_iter().collect();
        let answers = frames.iter().filter(|frame| frame.last && frame.opcode != Opcode::Pong).count();
        let bytes = frames.iter().flat_map(Frame::to_bytes).collect();
        Case { name, bytes, answers: Some(answers), cut: 0, deflate: false, close: 1000 }
    }

    /// What a server must refuse: it closes.
    fn broken(name: &'static str, code: u16, bytes: Vec<u8>) -> Case {
        Case { name, bytes, answers: None, cut: 0, deflate: false, close: code }
    }

    fn cut(mut self, length: usize) -> Case {
        self.cut = length;
        self
    }

    fn deflate(mut self) -> Case {
        self.deflate = true;
        self
    }

    /// All that comes back: the answer to the offer, the bytes, and how it ended.
    fn play(&self, endpoint: impl Into<Endpoint>) -> (Option<String>, Vec<u8>, End) {
        let offer = [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")];
        let fields: &[(&str, &str)] = if self.deflate { &offer } else { &[] };
        let mut socket = WebSocket::connect_with(endpoint, "a.example", "/", fields).unwrap();
        let accepted = socket.handshake().header("sec-websocket-extensions").map(str::to_owned);
        let pieces = if self.cut == 0 { self.bytes.len().max(1) } else { self.cut };
        for piece in self.bytes.chunks(pieces) {
            socket.client().send(piece).unwrap();
        }
        if let Some(answers) = self.answers {
            // A server that reads the end of the conversation with a message need not answer that.
            socket.client().read_until(|bytes| frames(bytes) >= answers).unwrap();
            socket.send_close(1000).unwrap();
        }
        let (bytes, end) = socket.client().read_to_end().unwrap();
        (accepted, bytes, end)
    }
}

/// How many whole frames there are.
fn frames(mut bytes: &[u8]) -> usize {
    let mut next = |length| bytes.split_off(..length).map(<[u8]>::to_vec).ok_or(io::ErrorKind::UnexpectedEof.into());
    std::iter::from_fn(|| Frame::read(&mut next).ok()).count()
}

fn text(payload: impl AsRef<[u8]>) -> Frame {
    Frame::new(Opcode::Text, payload)
}

/// A frame with a reserved bit set.
fn reserved_bit(frame: &Frame, bit: u8) -> Vec<u8> {
    let mut bytes = frame.to_bytes();
    bytes[0] |= bit;
    bytes
}

fn cases() -> Vec<Case> {
    let middle = |payload: &str| Frame::new(Opcode::Continuation, payload).unfinished();
    let end = |payload: &str| Frame::new(Opcode::Continuation, payload);
    let ping = |payload: &[u8]| Frame::new(Opcode::Ping, payload);
    let all_bytes: Vec<u8> = (0..=255).collect();
    let split = || [text("grü").unfinished(), ping(b"between"), middle("e"), middle(""), end("zi")];
    // RFC 7692, 7.2.3.1: the word Hello, compressed.
    let hello = reserved_bit(&text([0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), 0x40);
    let mut compressed = Case::kept("compressed", []).deflate();
    compressed.bytes = hello.clone();
    compressed.answers = Some(1);
    let mut cases: Vec<Case> = [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000]
        .into_iter()
        .map(|length| Case::kept("a text of some length", [text("*".repeat(length))]))
        .collect();
    cases.extend([
        Case::kept("every byte", [Frame::new(Opcode::Binary, all_bytes)]),
        Case::kept("a text cut byte by byte", [text("Hello-µ@ßöäüàá-UTF-8!!")]).cut(1),
        Case::kept("a long text in odd pieces", [text("abc".repeat(20_000))]).cut(997),
        Case::kept("a message in frames", split()),
        Case::kept("a message in frames, byte by byte", split()).cut(1),
        Case::kept("pings", (0..20).map(|number| ping(&[number; 125]))),
        Case::kept("a pong that nobody asked for", [Frame::new(Opcode::Pong, "?"), text("on")]),
        Case::kept("messages in one piece", (0..500).map(|number| text(number.to_string()))),
        compressed,
        Case::broken("compressed without an offer", 1002, hello),
        Case::broken("a reserved bit", 1002, reserved_bit(&text("x"), 0x20)),
        Case::broken("a reserved opcode", 1002, Frame::new(Opcode::Reserved(5), "x").to_bytes()),
        Case::broken("a reserved control opcode", 1002, Frame::new(Opcode::Reserved(11), "x").to_bytes()),
        Case::broken("no mask", 1002, text("x").unmasked().to_bytes()),
        Case::broken("a long ping", 1002, ping(&[b'x'; 126]).to_bytes()),
        Case::broken("a ping in pieces", 1002, ping(b"x").unfinished().to_bytes()),
        Case::broken("an end without a beginning", 1002, end("x").to_bytes()),
        Case::broken("no UTF-8", 1007, text([0xce, 0xba, 0xed, 0xa0, 0x80]).to_bytes()),
        Case::broken("no UTF-8, byte by byte", 1007, text([0xf4, 0x90, 0x80, 0x80]).to_bytes()).cut(1),
        Case::broken("a close code that does not exist", 1002, Frame::new(Opcode::Close, [0x03, 0xed]).to_bytes()),
        Case::broken("a close of one byte", 1002, Frame::new(Opcode::Close, [3]).to_bytes()),
    ]);
    cases.extend([1001, 1003, 3000, 4999].map(|code: u16| {
        let close = Frame::new(Opcode::Close, [&code.to_be_bytes()[..], "füße".as_bytes()].concat());
        Case::broken("a close code that does exist", code, close.to_bytes())
    }));
    cases
}

#[test]
fn a_server_and_its_client_see_the_same_bytes_with_the_proxy_between_them() {
    let folder = WorkFolder::new();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/python/echo.py");
    let server = Program::new("/usr/bin/python3").arg(fixture).start();
    let port: u16 = server.wait_for_match(|line| line.strip_prefix("listening on port ")?.parse().ok());
    let program = warpdrive().cwd(folder.path());
    let proxy = Proxy::start(program.env("WARPDRIVE_TARGET_PORT", port.to_string()));
    for case in cases() {
        let (name, direct) = (case.name, case.play(port));
        let (extensions, bytes, end) = case.play(proxy.port);
        assert_eq!((&extensions, end), (&direct.0, direct.2), "{name}");
        assert!(bytes == direct.1, "{name}: {} bytes, directly {}", bytes.len(), direct.1.len());
        assert_eq!(extensions.is_some(), case.deflate, "{name}");
        // The server's last frame begins its reason at most 123 bytes from the end.
        let code = case.close.to_be_bytes();
        let close = (2..bytes.len()).rev().find(|&at| bytes[at - 2] == 0x88 && bytes[at..].starts_with(&code));
        assert!(close.is_some(), "{name}: no close frame with {} in {:?}", case.close, &bytes[..bytes.len().min(300)]);
    }
}
