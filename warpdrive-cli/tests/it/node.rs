//! Node's http server with the application of `tests/fixtures/node`.

use std::path::Path;

use testkit::{Process, Program};

/// A running Node.
pub(crate) struct Node {
    pub(crate) port: u16,
    _process: Process,
}

impl Node {
    pub(crate) fn start() -> Node {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/node/server.js");
        let process = Program::new("node").arg(fixture).start();
        let port = process.wait_for_match(|line| line.strip_prefix("listening on port ")?.parse().ok());
        Node { port, _process: process }
    }
}
