//! Content-Length and its neighbours (RFC 9110 section 8.6, RFC 9112 section 6.3).

use testkit::Case;

use super::{post, request, try_all};

#[test]
fn a_length_is_a_row_of_digits_that_is_said_once() {
    let mut cases = vec![
        Case::passed("plain", post("Content-Length: 5\r\n", "hello"), "hello"),
        Case::passed("lower case", post("content-length: 5\r\n", "hello"), "hello"),
        Case::passed("upper case", post("CONTENT-LENGTH: 5\r\n", "hello"), "hello"),
        Case::passed("no space", post("Content-Length:5\r\n", "hello"), "hello"),
        Case::passed("tabs around", post("Content-Length:\t5\t\r\n", "hello"), "hello"),
        Case::passed("spaces around", post("Content-Length:   5   \r\n", "hello"), "hello"),
        Case::passed("leading zeros", post("Content-Length: 0005\r\n", "hello"), "hello"),
        Case::passed("zero", post("Content-Length: 0\r\n", ""), ""),
        Case::passed("several zeros", post("Content-Length: 000\r\n", ""), ""),
        Case::passed("none", post("", ""), ""),
        Case::passed("of GET", request("GET", "Content-Length: 5\r\n", "hello"), "hello"),
        Case::passed("of DELETE", request("DELETE", "Content-Length: 5\r\n", "hello"), "hello"),
        Case::passed("of HEAD", request("HEAD", "Content-Length: 5\r\n", "hello"), "hello"),
        Case::passed("of OPTIONS", request("OPTIONS", "Content-Length: 5\r\n", "hello"), "hello"),
        Case::passed(
            "body like a request",
            post("Content-Length: 18\r\n", "GET / HTTP/1.1\r\n\r\n"),
            "GET / HTTP/1.1\r\n\r\n",
        ),
    ];
    for value in [
        "+5",
        "-5",
        "-0",
        "0x5",
        "5 5",
        "5,",
        ",5",
        "5, 6",
        "5, five",
        "five",
        "5.0",
        "5e0",
        "\"5\"",
        "5;",
        "0_5",
        "",
        " ",
        "\u{b}5",
        "5\u{c}",
        "\u{a0}5",
        "\u{665}",
        "18446744073709551616",
        "18446744073709551621",
        "99999999999999999999999999999999999999999999",
    ] {
        let fields = format!("Content-Length: {value}\r\n");
        cases.push(Case::refused(format!("value {value:?}"), post(&fields, "hello"), 400));
    }
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nX: y\r\ncontent-length: 0\r\n",
        "Content-Length: 5\r\nContent-Length:\r\n",
        "Content-Length:\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: +5\r\n",
        "Content-Length: 5, 5\r\nContent-Length: 6\r\n",
        "Content-Length : 5\r\n",
        "Content-Length\t: 5\r\n",
        " Content-Length: 5\r\n",
        "X: y\r\n Content-Length: 5\r\n",
        "Content-Length:\r\n 5\r\n",
        "Content-Length: 5\r\n 5\r\n",
        "Content-Length\r\n: 5\r\n",
        "Content-Length 5\r\n",
        "Content-Length: 5\0\r\n",
        "Content\0-Length: 5\r\n",
        "Content-Length: 5\rX: y\r\n",
    ] {
        cases.push(Case::refused(format!("fields {fields:?}"), post(fields, "hello"), 400));
    }
    // A number, but one that hyper keeps for its own use; it has no better word for it.
    for value in ["18446744073709551614", "18446744073709551615"] {
        let fields = format!("Content-Length: {value}\r\n");
        cases.push(Case::refused(format!("value {value:?}"), post(&fields, "hello"), 431));
    }
    try_all(&cases);
}

/// RFC 9110 section 8.6 lets a reader make one of equal lengths. On two lines they become one, and a
/// list is refused: either is safe, since never two go on.
#[test]
fn equal_lengths_are_one_or_none() {
    try_all(&[
        Case::passed("two lines", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), "hello"),
        Case::refused("a list", post("Content-Length: 5, 5\r\n", "hello"), 400),
    ]);
}
