//! The request line (RFC 9112 sections 2.2, 2.3 and 3).

use testkit::Case;

use super::try_all;

fn line(line: &str) -> String {
    format!("{line}\r\nHost: a.example\r\n\r\n")
}

#[test]
fn a_request_line_is_three_words_and_two_spaces() {
    let mut cases = Vec::new();
    for text in [
        "GET %T HTTP/1.1",
        "PURGE %T HTTP/1.1",
        "get %T HTTP/1.1",
        "M-SEARCH %T HTTP/1.1",
        "!#$%&'*+-.^_`|~ %T HTTP/1.1",
    ] {
        cases.push(Case::passed(format!("line {text:?}"), line(text), ""));
    }
    for (count, lead) in [(1, "\r\n"), (2, "\r\n\r\n"), (3, "\n"), (4, "\r\n\n\r\n")] {
        cases.push(Case::passed(
            format!("{count}: empty lines before"),
            lead.to_owned() + &line("GET %T HTTP/1.1"),
            "",
        ));
    }
    for text in [
        "GET  %T HTTP/1.1",
        "GET %T  HTTP/1.1",
        "GET\t%T HTTP/1.1",
        "GET %T\tHTTP/1.1",
        "GET %T HTTP/1.1 ",
        "GET %T HTTP/1.1 x",
        "GET %T x HTTP/1.1",
        " GET %T HTTP/1.1",
        "\tGET %T HTTP/1.1",
        "\r GET %T HTTP/1.1",
        "GET %T",
        "GET",
        "GET ",
        "GET HTTP/1.1",
        "GET  HTTP/1.1",
        "GE(T %T HTTP/1.1",
        "GET: %T HTTP/1.1",
        "G\0T %T HTTP/1.1",
        "G\u{1}T %T HTTP/1.1",
        "G\u{c9}T %T HTTP/1.1",
        "\"GET\" %T HTTP/1.1",
        "GET %T/\0 HTTP/1.1",
        "GET %T/\u{1} HTTP/1.1",
        "GET %T/\u{7f} HTTP/1.1",
        "GET %T/\r HTTP/1.1",
        "GET %T/<a> HTTP/1.1",
        "GET %T/` HTTP/1.1",
        "GET %T\\..\\x HTTP/1.1",
        "GET %T/%zz HTTP/1.1",
        "GET %T/%0 HTTP/1.1",
        "GET %T/%00 HTTP/1.1",
        "GET %T/%0d%0a HTTP/1.1",
        "GET /../x HTTP/1.1",
        "GET x HTTP/1.1",
        "GET ?x HTTP/1.1",
        "GET #x HTTP/1.1",
        "GET * HTTP/1.1",
        "GET a.example HTTP/1.1",
        "GET a.example:80 HTTP/1.1",
        "GET http:// HTTP/1.1",
        "GET http:/x HTTP/1.1",
        "GET http:///x HTTP/1.1",
        "GET http://u@a%T HTTP/1.1",
        "GET http://u:p@a%T HTTP/1.1",
        "GET http://a:99999%T HTTP/1.1",
        "GET ftp://a%T HTTP/1.1",
        "GET javascript:x HTTP/1.1",
        "OPTIONS *x HTTP/1.1",
        "OPTIONS ** HTTP/1.1",
    ] {
        cases.push(Case::refused(format!("line {text:?}"), line(text), 400));
    }
    try_all(&cases);
}

#[test]
fn versions_other_than_1_0_and_1_1_are_refused() {
    let mut cases = vec![
        Case::passed("1.0", line("GET %T HTTP/1.0"), "").closing(true),
        Case::passed("1.0 without Host", "GET %T HTTP/1.0\r\n\r\n", "").closing(true),
        Case::passed("1.0 kept alive", "GET %T HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n", ""),
    ];
    for version in [
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/1.9",
        "HTTP/2.0",
        "HTTP/2",
        "HTTP/3",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/1.10",
        "HTTP/01.1",
        "HTTP/1.1.1",
        "HTTP/11",
        "HTTP 1.1",
        "http/1.1",
        "HTTP/1,1",
        "HTTPS/1.1",
        "HTTP/-1.1",
        "HTTP/1.1\0",
        "HTTP/ 1.1",
        "X",
    ] {
        cases.push(Case::refused(format!("version {version:?}"), line(&format!("GET %T {version}")), 400));
    }
    try_all(&cases);
}

#[test]
fn every_form_of_a_target_means_one_thing() {
    let mut cases = Vec::new();
    for (target, meant, host) in [
        ("%T", "%T", "a.example"),
        ("http://b.example%T", "%T", "b.example"),
        ("HTTP://B.example%T", "%T", "B.example"),
        ("http://b.example:8080%T", "%T", "b.example:8080"),
        ("https://b.example%T", "%T", "b.example"),
        ("http://b.example", "/", "b.example"),
        ("http://b.example?x=1", "/?x=1", "b.example"),
        ("http://b.example%T#x", "%T", "b.example"),
        ("%T?a=b&c=%0d%0a", "%T?a=b&c=%0d%0a", "a.example"),
        ("%T?", "%T?", "a.example"),
        ("%T?http://c.example/", "%T?http://c.example/", "a.example"),
        ("%T#x", "%T", "a.example"),
        ("%T?a#x?b", "%T?a", "a.example"),
        ("%T/a/../b/./c", "%T/b/c", "a.example"),
        ("%T/%2e%2E/b", "/c/b", "a.example"),
        ("%T/a%2Fb", "%T/a%2Fb", "a.example"),
        ("%T/%61|{x}^", "%T/%61|{x}^", "a.example"),
    ] {
        let bytes = line(&format!("GET {target} HTTP/1.1"));
        cases.push(Case::passed(format!("target {target:?}"), bytes, "").meaning(meant, host));
    }
    cases.push(Case::passed("two slashes", line("GET //a%T HTTP/1.1"), "").meaning("//a%T", "a.example"));
    cases.push(Case::passed("asterisk", line("OPTIONS * HTTP/1.1"), "").meaning("*", "a.example"));
    cases.push(Case::passed("options", line("OPTIONS %T HTTP/1.1"), "").meaning("%T", "a.example"));
    for text in ["CONNECT a.example:443 HTTP/1.1", "TRACE %T HTTP/1.1", "CONNECT %T HTTP/1.1", "TRACE * HTTP/1.1"] {
        let status = 405;
        cases.push(Case::refused(format!("line {text:?}"), line(text), status));
    }
    try_all(&cases);
}
