//! What an instance may say, and what a client makes of it (RFC 9112 sections 4, 6 and 7, RFC 9110
//! section 15). A client never takes for whole what is not, and never one answer for another.

use testkit::{Client, Server};

use crate::support::Running;

/// How an instance goes on after its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Keep,
    Close,
    Reset,
}

/// What a client must see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// This status and body, whole.
    Whole(u16, &'static str),
    /// 502 of the proxy's own.
    BadGateway,
    /// Something that it knows not to be whole, or 502.
    Cut,
}

const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

/// Sends an answer of the instance in pieces of `size` and says what the client saw. The next
/// request must get its own answer.
fn seen(method: &str, answer: &[u8], then: Then, size: usize) -> Seen {
    let answer = answer.to_vec();
    let server = Server::tcp(move |connection| {
        while let Some(request) = connection.next_request()? {
            if request.target == "/second" {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond")?;
                continue;
            }
            for piece in answer.chunks(size) {
                connection.send(piece)?;
                std::thread::yield_now();
            }
            match then {
                Then::Keep => {}
                Then::Close => return Ok(()),
                Then::Reset => return connection.reset(),
            }
        }
        Ok(())
    });
    let address = format!("127.0.0.1:{}", server.port()).parse().unwrap();
    let proxy = Running::before(&[address], "worker_threads = 1", "");
    let mut client = Client::connect(proxy.address).unwrap();
    client.send(format!("{method} /first HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
    let first = loop {
        match client.response_to(method) {
            Ok(answer) if (100..200).contains(&answer.status) && answer.status != 101 => {}
            other => break other,
        }
    };
    let seen = match first {
        Ok(answer) if answer.header("x-warpdrive-error").is_some() => {
            assert_eq!(answer.status, 502);
            Seen::BadGateway
        }
        Ok(answer) => Seen::Whole(answer.status, String::from_utf8(answer.body).unwrap().leak()),
        Err(_) => Seen::Cut,
    };
    if seen == Seen::Cut {
        client = Client::connect(proxy.address).unwrap();
    }
    // A refused answer does not end the client's connection.
    client.get("a", "/second").unwrap();
    assert_eq!(client.response().unwrap().text(), "second");
    seen
}

/// Tries each answer whole and, where it is short, byte by byte.
fn try_all(method: &str, then: Then, expected: Seen, answers: &[impl AsRef<[u8]>]) {
    for answer in answers {
        if answer.as_ref().len() < 2000 {
            try_in_pieces(method, then, expected, answer, 1);
        }
    }
    try_whole(method, then, expected, answers);
}

/// Tries each answer in one piece alone: what an instance sends after its answer, late, is the answer
/// to the next request for any reader.
fn try_whole(method: &str, then: Then, expected: Seen, answers: &[impl AsRef<[u8]>]) {
    for answer in answers {
        try_in_pieces(method, then, expected, answer, answer.as_ref().len().max(1));
    }
}

fn try_in_pieces(method: &str, then: Then, expected: Seen, answer: &impl AsRef<[u8]>, size: usize) {
    let answer = answer.as_ref();
    let found = seen(method, answer, then, size);
    let text = String::from_utf8_lossy(answer);
    let fits = found == expected || (expected == Seen::Cut && found == Seen::BadGateway);
    assert!(fits, "{found:?} instead of {expected:?} in pieces of {size}: {text:?}");
}

/// A 200 with these field lines and what follows them.
fn ok(fields: &str, rest: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n{rest}")
}

#[test]
fn well_framed_answers_are_passed_on_whole() {
    try_all(
        "GET",
        Then::Keep,
        Seen::Whole(200, "hello"),
        &[
            ok("Content-Length: 5\r\n", "hello"),
            ok("Content-Length:5\r\n", "hello"),
            ok("Content-Length: 005\r\n", "hello"),
            ok("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
            ok("Transfer-Encoding: CHUNKED\r\n", "2\r\nhe\r\n3;a=b\r\nllo\r\n00\r\n\r\n"),
            ok("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
            "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello".to_owned(),
            "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
            "HTTP/1.1 100 Continue\r\n\r\n".to_owned() + &ok("Content-Length: 5\r\n", "hello"),
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\n".to_owned()
                + "HTTP/1.1 102 Processing\r\nTransfer-Encoding: chunked\r\n\r\n"
                + &ok("Content-Length: 5\r\n", "hello"),
        ],
    );
    try_all(
        "GET",
        Then::Close,
        Seen::Whole(200, "hello"),
        &[
            ok("", "hello"),
            ok("Connection: close\r\n", "hello"),
            "HTTP/1.0 200 OK\r\n\r\nhello".to_owned(),
            ok("Connection: close\r\nContent-Length: 5\r\n", "hello"),
        ],
    );
}

#[test]
fn what_follows_an_answer_is_nobody_s() {
    let answers = [
        ok("Content-Length: 5\r\n", "hello") + POISON,
        ok("Content-Length: 5\r\n", "hello") + "\r\n",
        ok("Content-Length: 5\r\n", "helloEXTRA"),
        ok("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n") + POISON,
    ];
    let none = [
        ok("Content-Length: 5\r\n", "hello"),
        ok("Content-Length: 5\r\n", "") + POISON,
        ok("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ok("", POISON),
    ];
    let not_modified = ["hello", POISON].map(|rest| format!("HTTP/1.1 304 Not Modified\r\n\r\n{rest}"));
    let no_content = ["hello", POISON].map(|rest| format!("HTTP/1.1 204 No Content\r\n\r\n{rest}"));
    for then in [Then::Keep, Then::Close] {
        try_whole("GET", then, Seen::Whole(200, "hello"), &answers);
        try_whole("HEAD", then, Seen::Whole(200, ""), &none);
        for method in ["GET", "HEAD"] {
            try_whole(method, then, Seen::Whole(304, ""), &not_modified);
            try_whole(method, then, Seen::Whole(204, ""), &no_content);
        }
    }
}

#[test]
fn an_answer_without_a_body_has_none_whatever_it_says() {
    for then in [Then::Keep, Then::Close] {
        let answers = [ok("Content-Length: 5\r\n", ""), ok("Transfer-Encoding: chunked\r\n", ""), ok("", "")];
        try_all("HEAD", then, Seen::Whole(200, ""), &answers);
        for method in ["GET", "HEAD"] {
            let not_modified = ["", "Content-Length: 5\r\n", "ETag: \"a\"\r\nContent-Length: 0\r\n"]
                .map(|fields| format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n"));
            try_all(method, then, Seen::Whole(304, ""), &not_modified);
            try_all(method, then, Seen::Whole(204, ""), &["HTTP/1.1 204 No Content\r\n\r\n"]);
            // Not allowed, and harmless (RFC 9110 section 8.6).
            try_all(method, then, Seen::Whole(204, ""), &["HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"]);
        }
    }
}

#[test]
fn an_answer_that_two_readers_could_frame_differently_is_502() {
    let mut answers = Vec::new();
    for value in [
        "5, 5",
        "5,5",
        "+5",
        "-5",
        "0x5",
        "5 5",
        "five",
        "5.0",
        "",
        " ",
        "5,",
        "5;",
        "\"5\"",
        "18446744073709551616",
        "18446744073709551621",
        "5\0",
        "\u{b}5",
    ] {
        answers.push(ok(&format!("Content-Length: {value}\r\n"), "hello"));
    }
    for value in [
        "gzip",
        "identity",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        ", chunked",
        "chunked,",
        "xchunked",
        "\"chunked\"",
        "chunked;a",
        "",
        "\u{b}chunked",
        "chunked\0",
    ] {
        answers.push(ok(&format!("Transfer-Encoding: {value}\r\n"), "5\r\nhello\r\n0\r\n\r\n"));
    }
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 0\r\n",
        "Content-Length: 5\r\nContent-Length:\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 15\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length: 5\r\n 5\r\n",
        "X: y\r\n z\r\nContent-Length: 5\r\n",
        " X: y\r\nContent-Length: 5\r\n",
        "X: a\0b\r\nContent-Length: 5\r\n",
        "X: a\rY: b\r\nContent-Length: 5\r\n",
        "X(: y\r\nContent-Length: 5\r\n",
        ": y\r\nContent-Length: 5\r\n",
        "X\r\nContent-Length: 5\r\n",
    ] {
        answers.push(ok(fields, "5\r\nhello\r\n0\r\n\r\n"));
    }
    try_all("GET", Then::Close, Seen::BadGateway, &answers);
}

#[test]
fn what_is_no_answer_is_502() {
    let mut answers = Vec::new();
    for line in [
        "HTTP/1.1 99 Low",
        "HTTP/1.1 0 Zero",
        "HTTP/1.1 2000 Long",
        "HTTP/1.1 20 Short",
        "HTTP/1.1 abc Word",
        "HTTP/1.1 -200 Minus",
        "HTTP/1.1 600 High",
        "HTTP/1.1 999 Odd",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.2 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/2 200 OK",
        "HTTP/0.9 200 OK",
        "http/1.1 200 OK",
        "ICY 200 OK",
        "RTSP/1.0 200 OK",
        "200 OK",
        " HTTP/1.1 200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\rK",
        "GET / HTTP/1.1",
        "SSH-2.0-OpenSSH_9.2",
        "HTTP/1.1 101 Switching Protocols",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket",
    ] {
        answers.push(format!("{line}\r\nContent-Length: 5\r\n\r\nhello"));
    }
    answers.extend(["", "H", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"].map(str::to_owned));
    answers.push("HTTP/1.1 100 Continue\r\n\r\n".to_owned());
    answers.push("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 2".to_owned());
    answers.push(ok(&("X: y\r\n".repeat(101)), "hello"));
    answers.push(ok(&format!("X: {}\r\n", "y".repeat(200_000)), "hello"));
    answers.push("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(40) + &ok("Content-Length: 5\r\n", "hello"));
    try_all("GET", Then::Close, Seen::BadGateway, &answers);
    try_all("HEAD", Then::Close, Seen::BadGateway, &["", "HTTP/1.1 99 Low\r\n\r\n", "HTTP/1.1 200 OK\r\n"]);
}

#[test]
fn a_body_that_ends_too_early_is_never_whole() {
    let answers = [
        ok("Content-Length: 50\r\n", "hello"),
        ok("Content-Length: 5\r\n", "hell"),
        ok("Content-Length: 5\r\n", ""),
        ok("Transfer-Encoding: chunked\r\n", ""),
        ok("Transfer-Encoding: chunked\r\n", "5"),
        ok("Transfer-Encoding: chunked\r\n", "5\r\nhel"),
        ok("Transfer-Encoding: chunked\r\n", "5\r\nhello"),
        ok("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"),
        ok("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0"),
        ok("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n"),
        ok("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nX: y\r\n"),
    ];
    try_all("GET", Then::Close, Seen::Cut, &answers);
    try_all("GET", Then::Reset, Seen::Cut, &answers);
}

#[test]
fn malformed_chunks_are_never_whole() {
    let answers = [
        "x\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloXX\r\n0\r\n\r\n",
        "3\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\nZZ\r\n0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX y\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
    ]
    .map(|body| ok("Transfer-Encoding: chunked\r\n", body));
    try_all("GET", Then::Close, Seen::Cut, &answers);
}
