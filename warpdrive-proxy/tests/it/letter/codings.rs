//! Transfer-Encoding and its neighbours, alone and beside Content-Length (RFC 9112 sections 6.1 and 6.3).

use testkit::{Case, Spill};

use super::{post, request, try_all};

const HELLO: &str = "5\r\nhello\r\n0\r\n\r\n";

#[test]
fn chunked_alone_is_understood() {
    let mut cases = Vec::new();
    for fields in [
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding: chunked\r\n",
        "TRANSFER-ENCODING: CHUNKED\r\n",
        "Transfer-Encoding:chunked\r\n",
        "Transfer-Encoding:\tchunked\r\n",
        "Transfer-Encoding: \t chunked \t\r\n",
        "Transfer-Encoding: Chunked\r\nConnection: transfer-encoding\r\n",
        "Transfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\n",
        "Transfer_Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    ] {
        cases.push(Case::passed(format!("fields {fields:?}"), post(fields, HELLO), "hello"));
    }
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE", "get"] {
        let bytes = request(method, "Transfer-Encoding: chunked\r\n", HELLO);
        cases.push(Case::passed(format!("method {method}"), bytes, "hello"));
    }
    try_all(&cases);
}

#[test]
fn a_length_beside_chunks_is_not_believed_and_ends_the_connection() {
    let mut cases = Vec::new();
    for fields in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 15\r\n",
        "Content-Length: 15\r\nX: y\r\nTransfer-Encoding: Chunked\r\nConnection: keep-alive\r\n",
    ] {
        cases.push(Case::passed(format!("fields {fields:?}"), post(fields, HELLO), "hello").closing(true));
    }
    try_all(&cases);
}

#[test]
fn any_other_coding_is_501_or_400() {
    let mut cases = Vec::new();
    for value in ["gzip, chunked", "chunked, chunked", "identity, chunked", ", chunked", ",chunked", "x, chunked"] {
        let fields = format!("Transfer-Encoding: {value}\r\n");
        cases.push(Case::refused(format!("value {value:?}"), post(&fields, HELLO), 501));
    }
    for value in [
        "gzip",
        "identity",
        "xchunked",
        "chunkedx",
        "chunked, gzip",
        "chunked,",
        "chunked, ",
        "chunked, identity",
        "\"chunked\"",
        "chunked;q=1",
        "chunke",
        "chunked chunked",
        "chun ked",
        "",
        " ",
        ",",
        "cow",
        "\u{b}chunked",
        "chunked\0",
        "chunked\u{1}",
        "\u{a0}chunked",
        "chunk\u{e9}d",
    ] {
        let fields = format!("Transfer-Encoding: {value}\r\n");
        cases.push(Case::refused(format!("value {value:?}"), post(&fields, HELLO), 400));
        let fields = format!("Content-Length: 15\r\nTransfer-Encoding: {value}\r\n");
        cases.push(Case::refused(format!("value {value:?} beside a length"), post(&fields, HELLO), 400));
    }
    for fields in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n",
    ] {
        cases.push(Case::refused(format!("fields {fields:?}"), post(fields, HELLO), 501));
    }
    for fields in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n",
        "Transfer-Encoding: chunked\r\nX: y\r\nTransfer-Encoding: gzip\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        "Transfer-Encoding : chunked\r\nContent-Length: 15\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding: chunked\r\n , gzip\r\n",
        "Transfer-Encoding\r\n: chunked\r\n",
        "\u{1}Transfer-Encoding: chunked\r\nContent-Length: 15\r\n",
        "Transfer-Encoding: chunked\rX: y\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n",
    ] {
        cases.push(Case::refused(format!("fields {fields:?}"), post(fields, HELLO), 400));
    }
    try_all(&cases);
}

#[test]
fn http_1_0_has_no_codings() {
    let old = |fields: &str, body: &str| format!("POST %T HTTP/1.0\r\nHost: a.example\r\n{fields}\r\n{body}");
    let keep = "Connection: keep-alive\r\n";
    try_all(&[
        Case::refused("chunked", old("Transfer-Encoding: chunked\r\n", HELLO), 400).spilling(Spill::Nothing),
        Case::refused("chunked, kept alive", old(&format!("Transfer-Encoding: chunked\r\n{keep}"), HELLO), 400),
        Case::refused("beside a length", old("Transfer-Encoding: chunked\r\nContent-Length: 15\r\n", HELLO), 400),
        Case::passed("a length", old("Content-Length: 5\r\n", "hello"), "hello").closing(true),
        Case::passed("a length, kept alive", old(&format!("{keep}Content-Length: 5\r\n"), "hello"), "hello"),
    ]);
}
