//! The `warpdrive` binary from outside: its arguments, outputs and exit codes, and the proxy in
//! front of real servers. Modules whose name begins with `real_` start Puma or Node.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets something unexpected fails"
)]

mod check;
mod curl;
mod demo;
mod echo;
#[path = "../../../warpdrive-core/tests/it/fixtures.rs"]
mod fixtures;
mod node;
mod puma;
mod real_node;
mod real_puma;
mod route_test;
mod routing_cases;
mod serve;
mod warpdrive;
