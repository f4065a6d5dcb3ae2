//! What WarpDrive's tests are made of: scripted HTTP/1 upstreams, a raw client, WebSocket frames
//! and guards for real processes.
//!
//! Everything here blocks on plain threads, and every wait ends: either the awaited event comes
//! or [`PATIENCE`] has passed and the wait fails by saying what it waited for. Nothing sleeps to
//! let time pass, so a test is as fast as what it tests.
//!
//! ```
//! use testkit::{Client, Server, answer_each};
//!
//! let server = Server::tcp(answer_each("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"));
//! let mut client = Client::connect(server.endpoint()).unwrap();
//! client.send("GET /greeting HTTP/1.1\r\nhost: example.com\r\n\r\n").unwrap();
//! assert_eq!(client.response().unwrap().text(), "hi");
//! assert!(server.connection(0).text().starts_with("GET /greeting"));
//! ```
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot be set up fails at once, with a message")]

mod client;
mod descriptors;
mod digest;
mod endpoint;
mod folder;
mod gate;
mod letter;
mod message;
mod port;
mod process;
mod recording;
mod server;
mod stream;
mod strict;
mod usage;
mod websocket;

use std::time::Duration;

pub use client::Client;
pub use descriptors::raise_descriptor_limit;
pub use digest::{sha1_hex, sha1_hex_of_file};
pub use endpoint::Endpoint;
pub use folder::WorkFolder;
pub use gate::Gate;
pub use letter::{Case, Letter, Outcome, Spill, TARGET};
pub use message::{Fields, Request, Response};
pub use port::free_port;
pub use process::{Finished, Process, Program};
pub use recording::Recording;
pub use rustix::process::Signal;
pub use serde_json::Value as Json;
pub use server::{Connection, Server, Step, answer_bodies, answer_each, part_of_body, steps};
pub use stream::End;
pub use strict::Understood;
pub use usage::Usage;
pub use websocket::{Frame, Opcode, WebSocket};

/// How long any wait lasts before it fails: far above what a loaded machine needs, since no
/// passing test ever waits for its end.
pub const PATIENCE: Duration = Duration::from_secs(90);
