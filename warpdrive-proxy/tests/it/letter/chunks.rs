//! The chunked transfer coding (RFC 9112 section 7.1).

use testkit::{Case, Spill};

use super::{chunked, try_all};

#[test]
fn chunks_are_read_in_every_spelling() {
    let mut cases = Vec::new();
    for (body, data) in [
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("0\r\n\r\n", ""),
        ("000\r\n\r\n", ""),
        ("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello"),
        ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("00005\r\nhello\r\n00\r\n\r\n", "hello"),
        ("00000000000000000000000000000000000000005\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello"),
        ("5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5 ; a = b\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5 \r\nhello\r\n0\t\r\n\r\n", "hello"),
        ("4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"),
        ("5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n"),
        ("12\r\nffffffffffffffff\r\n\r\n0\r\n\r\n", "ffffffffffffffff\r\n"),
        ("5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", "hello"),
        ("5\r\nhello\r\n0\r\nContent-Length: 99\r\nHost: evil.example\r\nTransfer-Encoding: gzip\r\n\r\n", "hello"),
    ] {
        cases.push(Case::passed(format!("body {body:?}"), chunked(body), data));
    }
    try_all(&cases);
}

/// Chunk framing that is wrong from its first byte on, so that no instance need hear of the request.
#[test]
fn what_begins_wrong_goes_nowhere() {
    let mut cases = Vec::new();
    for body in [
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "8000000000000000\r\nhello\r\n0\r\n\r\n",
        "7fffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "1000000000001\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "0ffffffffffffffff;a=b\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5h\r\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        ";a\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5\0\r\nhello\r\n0\r\n\r\n",
        "5\u{b}\r\nhello\r\n0\r\n\r\n",
        "\u{665}\r\nhello\r\n0\r\n\r\n",
        "0\n\n",
        "0\r\n\n",
        "0\r\nX: y\n\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\n X: y\r\n\r\n",
        "0\r\nX: a\0b\r\n\r\n",
        "0\r\nGET / HTTP/1.1\r\n\r\n",
    ] {
        // A trailer may come long after the head.
        cases.push(Case::refused(format!("body {body:?}"), chunked(body), 400).spilling(Spill::OnlyInPieces));
    }
    let extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(17_000));
    cases.push(Case::refused("a long extension", chunked(&extension), 400).spilling(Spill::Beginning));
    try_all(&cases);
}

/// The data before the fault may have gone on; its end never does.
#[test]
fn what_goes_wrong_later_is_never_passed_off_as_whole() {
    let mut cases = Vec::new();
    for body in [
        "5\r\nhello\r\nffffffffffffffff\r\n0\r\n\r\n",
        "5\r\nhello\r\n10000000000000000\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5;a=\"\r\n\"\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n\r\n",
        "3\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\n\r\n",
        "5\r\nhello\r\n0\r\r\n\r\n",
        "5\r\nhello\r\n-0\r\n\r\n",
        "5\r\nhello\r\nGET / HTTP/1.1\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\rZ: 1\r\n\r\n",
        "5\r\nhello\r\n0\r\nX y\r\n\r\n",
    ] {
        cases.push(Case::refused(format!("body {body:?}"), chunked(body), 400).spilling(Spill::Beginning));
    }
    let many: String = (0..101).map(|number| format!("X-{number}: y\r\n")).collect();
    let body = format!("5\r\nhello\r\n0\r\n{many}\r\n");
    cases.push(Case::refused("too many trailers", chunked(&body), 400).spilling(Spill::Beginning));
    let body = format!("5\r\nhello\r\n0\r\nX: {}\r\n\r\n", "y".repeat(64 * 1024));
    cases.push(Case::refused("too long trailers", chunked(&body), 400).spilling(Spill::Beginning));
    try_all(&cases);
}
