//! The `warpdrive` binary from outside: its arguments, outputs and exit codes, and the proxy in
//! front of real servers. Modules whose name begins with `real_` start Puma or Node.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that meets something unexpected fails")]

mod check;
mod curl;
mod demo;
mod echo;
mod node;
mod puma;
mod real_node;
mod real_puma;
mod route_test;
mod serve;
mod warpdrive;
