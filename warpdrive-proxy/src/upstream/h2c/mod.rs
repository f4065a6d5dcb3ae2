//! HTTP/2 without TLS towards instances (RFC 9113), spoken from the first byte (section 3.3).
//!
//! Requests share connections. Windows bound what is buffered, in both directions.

mod connection;
mod head;
mod outflow;
mod stream;

pub(super) use connection::Connection;
pub(super) use head::encode;
use outflow::Outflow;
pub(super) use stream::{Stream, ask};

/// How much of a body may be on its way to the client, in bytes.
pub(super) const PIECE_BYTES: usize = crate::limits::H2C_WINDOW_BYTES.0 as usize;
