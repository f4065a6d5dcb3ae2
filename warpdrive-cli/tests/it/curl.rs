//! curl, the client that everyone has.

use testkit::{Finished, Program};

/// curl without a progress meter, with a bound, and with errors told; still without a URL.
pub(crate) fn curl() -> Program {
    Program::new("curl").args(["--silent", "--show-error", "--max-time", "100", "--noproxy", "*"])
}

/// The body of a GET that succeeds.
pub(crate) fn get(url: &str) -> String {
    let finished = curl().args(["--fail", url]).run();
    succeeded(&finished);
    finished.stdout
}

/// Fails the test with curl's own message.
pub(crate) fn succeeded(finished: &Finished) {
    assert_eq!(finished.code(), Some(0), "curl: {}{}", finished.stderr, finished.stdout);
}
