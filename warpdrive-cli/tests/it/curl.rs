//! curl, the client that everyone has.

use testkit::{Finished, Program};

use crate::warpdrive::Proxy;

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

/// A fixture's `/stream` sends its first piece at once and its second after a GET of `/go`: so a
/// first piece that is seen before that GET was not held back.
pub(crate) fn first_piece_arrives_before_the_last_is_made(proxy: &Proxy) {
    let stream = curl().args(["-N", &proxy.url("/stream")]).start();
    stream.wait_for_line("first");
    assert_eq!(stream.stdout(), "first\n");
    assert_eq!(get(&proxy.url("/go")), "gone\n");
    assert_eq!(stream.wait_exit().code(), Some(0));
    assert_eq!(stream.stdout(), "first\nsecond\n");
}
