//! End-to-end tests in one process: scripted clients and instances over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod balancing;
mod bodies;
mod bounds;
mod connections;
mod ejection;
mod exposition;
mod failures;
mod forwarding;
mod h2c;
mod health;
mod health_path;
mod instance;
mod interim;
mod letter;
mod lifecycle;
mod log;
mod names;
mod pressure;
mod queue;
mod semantics;
mod splices;
mod stale;
mod status;
mod support;
mod timeouts;
mod trailers;
mod tunnels;
mod uploads;
mod warnings;
