//! A WebSocket that sends every message back (RFC 6455).

mod frame;

use std::io::Error;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::frame::{Fault, Frame, Opcode};

/// Appended to the key of a handshake before it is hashed (RFC 6455, 1.3).
const ACCEPT_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The longest message; a longer one ends the conversation with 1009.
const MAX_MESSAGE: usize = 16 << 20;

/// How long the client may take to close after we did.
const FAREWELL: Duration = Duration::from_secs(2);

/// Whether a request asks for a WebSocket.
pub(super) fn is_wanted<B>(request: &Request<B>) -> bool {
    request.method() == Method::GET
        && has_token(request.headers(), CONNECTION, "upgrade")
        && has_token(request.headers(), UPGRADE, "websocket")
}

/// Why a handshake is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not of version 13.
    Version,
    /// Its key is not the base64 of 16 bytes.
    Key,
}

impl Refusal {
    pub(super) fn response(self) -> Response<&'static str> {
        let (status, message) = match self {
            Refusal::Version => (StatusCode::UPGRADE_REQUIRED, "only version 13 of WebSocket is spoken here\n"),
            Refusal::Key => (StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be the base64 of 16 bytes\n"),
        };
        let mut response = Response::new(message);
        *response.status_mut() = status;
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        response
    }
}

/// The 101 for a request that is wanted.
pub(super) fn shake_hands<B>(request: &Request<B>) -> Result<Response<()>, Refusal> {
    let headers = request.headers();
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::Version);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(Refusal::Key)?.as_bytes();
    let key_length = STANDARD.decode(key).map(|bytes| bytes.len());
    let digest = Sha1::new().chain_update(key).chain_update(ACCEPT_SUFFIX).finalize();
    let accept = HeaderValue::from_str(&STANDARD.encode(digest));
    let (Ok(16), Ok(accept)) = (key_length, accept) else { return Err(Refusal::Key) };
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answers = response.headers_mut();
    answers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    answers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(first) = first_protocol(headers) {
        answers.insert(SEC_WEBSOCKET_PROTOCOL, first);
    }
    Ok(response)
}

/// Sends every message back until one side closes. `early` came together with the handshake.
pub(super) async fn echo(stream: TcpStream, early: Bytes) -> Result<(), Error> {
    let input = BytesMut::from(early);
    let mut conversation = Conversation { stream, input, message: None };
    while let Some(frame) = conversation.receive().await? {
        let goes_on = match frame {
            Ok(frame) => conversation.take(frame).await?,
            Err(fault) => conversation.close(&fault.code().to_be_bytes()).await?,
        };
        if !goes_on {
            break;
        }
    }
    Ok(())
}

struct Conversation {
    stream: TcpStream,
    input: BytesMut,
    /// The message under way, and whether it is text.
    message: Option<(bool, Vec<u8>)>,
}

impl Conversation {
    /// The next frame; `None` when the client is gone.
    async fn receive(&mut self) -> Result<Option<Result<Frame, Fault>>, Error> {
        loop {
            let begun = self.message.as_ref().map_or(0, |(_, message)| message.len());
            match Frame::decode(&mut self.input, MAX_MESSAGE - begun) {
                Ok(None) => {
                    if self.stream.read_buf(&mut self.input).await? == 0 {
                        return Ok(None);
                    }
                }
                Ok(Some(frame)) => return Ok(Some(Ok(frame))),
                Err(fault) => return Ok(Some(Err(fault))),
            }
        }
    }

    /// Reacts to a frame; false when it was the last.
    async fn take(&mut self, frame: Frame) -> Result<bool, Error> {
        let (text, mut message) = match (frame.opcode, self.message.take()) {
            (Opcode::Ping, message) => {
                self.message = message;
                return self.send(Opcode::Pong, &frame.payload).await;
            }
            (Opcode::Pong, message) => {
                self.message = message;
                return Ok(true);
            }
            (Opcode::Close, _) => {
                let reply = frame::close_reply(&frame.payload);
                return self.close(&reply).await;
            }
            (Opcode::Text, None) => (true, Vec::new()),
            (Opcode::Binary, None) => (false, Vec::new()),
            (Opcode::Continuation, Some(message)) => message,
            // A message inside a message, or the rest of none.
            (Opcode::Text | Opcode::Binary, Some(_)) | (Opcode::Continuation, None) => {
                return self.close(&Fault::Protocol.code().to_be_bytes()).await;
            }
        };
        message.extend_from_slice(&frame.payload);
        if !frame.last {
            self.message = Some((text, message));
            return Ok(true);
        }
        if text && std::str::from_utf8(&message).is_err() {
            return self.close(&Fault::Text.code().to_be_bytes()).await;
        }
        let opcode = if text { Opcode::Text } else { Opcode::Binary };
        self.send(opcode, &message).await
    }

    async fn send(&mut self, opcode: Opcode, payload: &[u8]) -> Result<bool, Error> {
        self.stream.write_all(&frame::head(opcode, payload.len())).await?;
        self.stream.write_all(payload).await?;
        Ok(true)
    }

    /// Says goodbye and waits for the client to go: closing at once could destroy the goodbye on
    /// its way, if the client is still sending.
    async fn close(&mut self, payload: &[u8]) -> Result<bool, Error> {
        self.send(Opcode::Close, payload).await?;
        self.stream.shutdown().await?;
        let drained = async {
            loop {
                self.input.clear();
                if self.stream.read_buf(&mut self.input).await? == 0 {
                    return Ok::<(), Error>(());
                }
            }
        };
        let _ = tokio::time::timeout(FAREWELL, drained).await;
        Ok(false)
    }
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// Clients that offer subprotocols, as those of ActionCable do, want one of them chosen.
fn first_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let offered = headers.get(SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let first = offered.split(',').next()?.trim();
    HeaderValue::from_str(first).ok().filter(|first| !first.is_empty())
}
