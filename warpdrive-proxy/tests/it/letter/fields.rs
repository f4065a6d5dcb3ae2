//! Field lines and Host (RFC 9112 sections 3.2 and 5, RFC 9110 section 5).

use testkit::Case;

use super::{get, try_all};

fn with_host(lines: &str) -> String {
    format!("GET %T HTTP/1.1\r\n{lines}\r\n")
}

#[test]
fn field_lines_are_what_the_grammar_says() {
    let mut cases = Vec::new();
    for fields in [
        "X: y\r\n",
        "X:y\r\n",
        "X:\r\n",
        "X: \t \r\n",
        "X: a\tb\r\n",
        "x!#$%&'*+-.^`|~0: y\r\n",
        "X: caf\u{e9}\r\n",
        "X: :\r\n",
        "X: a\r\nX: b\r\n",
        "x_y: z\r\n",
    ] {
        cases.push(Case::passed(format!("fields {fields:?}"), get(fields), ""));
    }
    for fields in [
        ": y\r\n",
        " : y\r\n",
        "X\r\n",
        "X y\r\n",
        "X : y\r\n",
        "X\t: y\r\n",
        "X Y: z\r\n",
        " X: y\r\n",
        "\tX: y\r\n",
        "X: y\r\n z\r\n",
        "X: y\r\n\tz\r\n",
        "X: y\r\n \r\n",
        "X: a\0b\r\n",
        "X: \u{1}\r\n",
        "X: \u{7f}\r\n",
        "X\0: y\r\n",
        "X\u{7}: y\r\n",
        "X\u{e9}: y\r\n",
        "X(: y\r\n",
        "X,Y: z\r\n",
        "X/Y: z\r\n",
        "X\"Y\": z\r\n",
        "X@Y: z\r\n",
        "X: a\rY: b\r\n",
        "X: a\r\r\n",
        "X\rY: b\r\n",
        "\r: y\r\n",
        "[X]: y\r\n",
        "{X}: y\r\n",
    ] {
        cases.push(Case::refused(format!("fields {fields:?}"), get(fields), 400));
    }
    try_all(&cases);
}

/// RFC 9112 section 2.2 lets a reader take a line feed alone for a line end. What goes on to the
/// instance has whole line ends then.
#[test]
fn a_bare_line_feed_ends_a_line() {
    try_all(&[
        Case::passed("every line", "GET %T HTTP/1.1\nHost: a\nX: y\n\n", ""),
        Case::passed("one line", "GET %T HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", ""),
        Case::passed("the last line", "GET %T HTTP/1.1\r\nHost: a\r\n\n", ""),
        Case::passed("with a body", "POST %T HTTP/1.1\nHost: a\nContent-Length: 2\n\n\n\n", "\n\n"),
        Case::refused("carriage returns alone", "GET %T HTTP/1.1\rHost: a\r\r\n\r\n", 400),
        Case::refused("a carriage return too many", "GET %T HTTP/1.1\r\nHost: a\r\r\n\r\n", 400),
    ]);
}

#[test]
fn host_is_one_host() {
    let mut cases = Vec::new();
    for host in [
        "a",
        "a.example",
        "A.EXAMPLE",
        "a.example.",
        "a.example:80",
        "a.example:65535",
        "127.0.0.1",
        "[::1]",
        "[::1]:8080",
        "a_b.example",
        "xn--bcher-kva.example",
        "a.example:",
    ] {
        cases.push(Case::passed(format!("host {host:?}"), with_host(&format!("Host: {host}\r\n")), ""));
    }
    for host in [
        "u@a",
        "u:p@a",
        "a/x",
        "a?x",
        "a#x",
        "a b",
        "a\tb",
        "a, b",
        "a,b",
        "a:80:80",
        "a:word",
        "a:99999",
        "a:0",
        "a:-1",
        "a:+1",
        "[::1",
        "::1",
        "[::1]x",
        "[x]",
        "<a>",
        "a\\b",
        "http://a",
        "a..b",
        ".a",
        "b\u{fc}cher.example",
        "a\u{0}",
        "a%00",
        "\"a\"",
        "(a)",
        "a;b",
        "a|b",
        "a^b",
        "a`b",
        "{a}",
    ] {
        cases.push(Case::refused(format!("host {host:?}"), with_host(&format!("Host: {host}\r\n")), 400));
    }
    for lines in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a\r\nX: y\r\nhost: b\r\n",
        "Host: a\r\nHost:\r\n",
        "Host : a\r\n",
        " Host: a\r\n",
        "Host: a\r\n b\r\n",
        "X: y\r\n Host: a\r\n",
        "Host: a\rHost: b\r\n",
        "Host\r\n",
        "Host_: a\r\n",
    ] {
        cases.push(Case::refused(format!("lines {lines:?}"), with_host(lines), 400));
    }
    try_all(&cases);
}

/// What never reaches an instance as it came: hop-by-hop fields, and those that frame a message, even
/// where `Connection` names them.
#[test]
fn connection_names_nothing_that_matters() {
    let mut cases = Vec::new();
    for fields in [
        "Connection: host\r\n",
        "Connection: content-length\r\nContent-Length: 0\r\n",
        "Connection: x-forwarded-for, x-real-ip\r\n",
        "Connection: keep-alive, upgrade, te\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
        "Connection: ,,\r\n",
        "Connection:\r\n",
        "Connection: \"close\"\r\n",
        "Proxy-Connection: close\r\n",
        "Keep-Alive: timeout=5\r\n",
        "Upgrade: websocket\r\n",
    ] {
        cases.push(Case::passed(format!("fields {fields:?}"), get(fields), ""));
    }
    for fields in [
        "Connection: close\r\n",
        "Connection: Close\r\n",
        "connection: x, close\r\n",
        "Connection: x\r\nConnection: close\r\n",
    ] {
        cases.push(Case::passed(format!("fields {fields:?}"), get(fields), "").closing(true));
    }
    try_all(&cases);
}
