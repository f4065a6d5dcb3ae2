//! Python's httpx and websockets in front of the Rails example.

use std::path::Path;

use testkit::Program;

use crate::rails::stack;

#[test]
fn httpx_and_websockets_get_along() {
    let proxy = stack().proxy();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/python/talk.py");
    // Debian's own: another one in front of it in PATH has not its packages.
    let finished = Program::new("/usr/bin/python3").arg(fixture).arg(proxy.host()).run();
    assert_eq!(finished.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
    let expected = [
        "me guido 1",
        "upload 1000000",
        "feed event: open",
        "cable guido from Python",
        "closed 1000",
        "feed from Python",
    ];
    assert_eq!(finished.stdout.lines().collect::<Vec<_>>(), expected);
}
