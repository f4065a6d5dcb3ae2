//! The `warpdrive` binary from outside: its arguments, outputs and exit codes, and the proxy in
//! front of real servers. Modules whose name begins with `real_` start Puma, Rails, Node or a browser.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets something unexpected fails"
)]

mod balancer;
mod check;
mod curl;
mod demo;
mod echo;
#[path = "../../../warpdrive-core/tests/it/fixtures.rs"]
mod fixtures;
mod flood;
mod log_target;
mod memory;
mod nginx;
mod node;
mod puma;
mod rails;
mod real_browser;
mod real_h2c;
mod real_health;
mod real_nginx;
mod real_node;
mod real_puma;
mod real_rails;
mod real_rails_cable;
mod real_rails_python;
mod real_rails_sidekiq;
mod real_websockets;
mod route_test;
mod routing_cases;
mod serve;
mod splice;
mod status;
mod user;
mod visitor;
mod warpdrive;
