//! Python's httpx and websockets in front of the Rails example.

use std::path::Path;

use testkit::Program;

use crate::rails::stack;

/// Runs a program of `tests/fixtures/python` against a proxy, and checks what it prints.
fn prints(program: &str, expected: &[&str]) {
    let proxy = stack().proxy();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/python").join(program);
    // Debian's own: another one in front of it in PATH has not its packages.
    let finished = Program::new("/usr/bin/python3").arg(fixture).arg(proxy.host()).run();
    assert_eq!(finished.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
    assert_eq!(finished.stdout.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn httpx_and_websockets_get_along() {
    let expected = [
        "me guido 1",
        "upload 1000000",
        "feed event: open",
        "cable guido from Python",
        "closed 1000",
        "feed from Python",
    ];
    prints("talk.py", &expected);
}

#[test]
fn httpx_keeps_its_connection_uploads_downloads_and_streams() {
    let expected = [
        "connections 1",
        "upload length",
        "upload chunked",
        "multipart 2",
        "download 10000000",
        "pieces 5",
        "at once 200",
    ];
    prints("clients.py", &expected);
}
