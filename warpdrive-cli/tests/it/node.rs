//! Node's servers with the applications of `tests/fixtures/node`.

use std::path::Path;

use testkit::{Process, Program};

/// A running Node.
pub(crate) struct Node {
    pub(crate) port: u16,
    _process: Process,
}

impl Node {
    pub(crate) fn start() -> Node {
        Self::start_file("server.js")
    }

    pub(crate) fn start_file(name: &str) -> Node {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/node").join(name);
        let process = Program::new("node").arg(fixture).start();
        let port = process.wait_for_match(|line| line.strip_prefix("listening on port ")?.parse().ok());
        Node { port, _process: process }
    }
}
