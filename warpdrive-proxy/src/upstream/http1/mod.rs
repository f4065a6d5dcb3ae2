//! HTTP/1.1 towards instances (RFC 9112): heads out, heads and bodies in.
//!
//! Everything of an exchange happens in the task of its client. A client library of its own task has
//! to hand each request and each piece of a body from task to task, and to keep buffers for a
//! connection that only waits: half of all memory, and a third of the proxy's own instructions.

mod chunked;
mod connection;
mod decode;
mod framing;
mod names;
mod outflow;
mod request;
mod response;

pub(super) use connection::{Connection, Sending};
use decode::{Decoded, Decoder};
pub(super) use framing::Framing;
pub(crate) use framing::{Coding, Misframed};
pub(super) use outflow::Outflow;
pub(super) use request::encode;
use response::Head;
pub(super) use response::{Reader, Start, Watch};

/// The instance sent something that is no HTTP/1 response, or ended inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;
