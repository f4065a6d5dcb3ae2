//! Instances that speak HTTP/2 without TLS.

mod instance;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use h2::Reason;
use h2::server::Builder;
use http::{HeaderMap, HeaderValue};
use instance::{H2Instance, body, head, send};

use crate::support::{Running, config, eventually, value};

fn before(instance: &H2Instance, settings: &str, server: &str) -> Running {
    let text = format!(
        "[upstreams.app]\nhost = \"127.0.0.1\"\nport = {}\nprotocol = \"h2c\"\n{settings}\n[[routes]]\nupstream = \"app\"\n",
        instance.address.port()
    );
    Running::start(&config(server, &text))
}

/// Answers at once.
fn prompt() -> H2Instance {
    H2Instance::start(|(_, mut respond)| async move {
        let mut stream = respond.send_response(head(200, &[]), false).unwrap();
        stream.send_data(Bytes::from_static(b"hello"), true).unwrap();
    })
}

#[test]
fn a_call_of_grpc_comes_through_with_its_trailers() {
    let instance = H2Instance::start(|(request, mut respond)| async move {
        let (bytes, trailers) = body(&mut request.into_body()).await;
        assert_eq!((&bytes[..], &trailers.unwrap()["x-sum"]), (&b"\0\0\0\0\x02hi"[..], &HeaderValue::from_static("7")));
        let mut stream =
            respond.send_response(head(200, &[("content-type", "application/grpc+proto")]), false).unwrap();
        stream.send_data(Bytes::from_static(b"\0\0\0\0\x01"), false).unwrap();
        stream.send_data(Bytes::from_static(b"y"), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        trailers.insert("set-cookie", HeaderValue::from_static("not here"));
        stream.send_trailers(trailers).unwrap();
    });
    let proxy = before(&instance, "", "");
    let mut client = proxy.connect();
    client.send(
        "POST /pkg.Service/Call?x HTTP/1.1\r\nHost: Grpc.Example:8080\r\nContent-Type: application/grpc+proto\r\n\
         Connection: TE, x-hop\r\nTE: trailers\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX_Under: 1\r\nTrailer: X-Sum\r\n\
         Transfer-Encoding: chunked\r\n\r\n7\r\n\0\0\0\0\x02hi\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    let answer = client.head();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.field("trailer"), Some("grpc-status, grpc-message, grpc-status-details-bin"));
    let (mut bytes, mut trailers) = (Vec::new(), Vec::new());
    loop {
        let chunk = client.chunk(&mut trailers).unwrap();
        if chunk.is_empty() {
            break;
        }
        bytes.extend(chunk);
    }
    assert_eq!((&bytes[..], trailers), (&b"\0\0\0\0\x01y"[..], vec!["grpc-status: 0".to_owned()]));
    let seen = &instance.seen()[0];
    assert_eq!(seen.uri(), "http://Grpc.Example:8080/pkg.Service/Call?x");
    let fields: Vec<&str> = seen.headers().keys().map(http::HeaderName::as_str).collect();
    for gone in ["connection", "keep-alive", "transfer-encoding", "x-hop", "x_under", "host"] {
        assert!(!fields.contains(&gone), "{fields:?}");
    }
    assert_eq!(seen.headers()["te"], "trailers");
    assert_eq!(seen.headers()["x-forwarded-host"], "Grpc.Example:8080");
}

#[test]
fn answers_without_a_body_and_with_a_length_are_what_they_are() {
    let instance = H2Instance::start(|(request, mut respond)| async move {
        let (status, length) = match request.uri().path() {
            "/204" => (204, &[][..]),
            "/304" => (304, &[("etag", "\"x\"")][..]),
            _ => (200, &[("content-length", "5")][..]),
        };
        let has_body = request.method() != "HEAD" && length == [("content-length", "5")];
        let mut stream = respond.send_response(head(status, length), !has_body).unwrap();
        if has_body {
            stream.send_data(Bytes::from_static(b"hello"), true).unwrap();
        }
    });
    let proxy = before(&instance, "", "");
    let mut client = proxy.connect();
    for (request, status, length) in
        [("GET /204", 204, None), ("HEAD /", 200, Some("5")), ("GET /304", 304, None), ("GET /", 200, Some("5"))]
    {
        client.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.head();
        assert_eq!((answer.status(), answer.field("content-length")), (status, length), "{request}");
        assert_eq!(answer.field("transfer-encoding"), None);
        if request == "GET /" {
            assert_eq!(client.exactly(5), b"hello");
        }
    }
    // One connection has carried them all.
    assert_eq!(instance.connections(), 1);
}

#[test]
fn interim_responses_and_an_expectation_pass() {
    let instance = H2Instance::start(|(request, mut respond)| async move {
        respond.send_informational(head(103, &[("link", "</a.css>")])).unwrap();
        respond.send_informational(head(100, &[])).unwrap();
        let (bytes, _) = body(&mut request.into_body()).await;
        let mut stream = respond.send_response(head(200, &[]), false).unwrap();
        stream.send_data(bytes.into(), true).unwrap();
    });
    let proxy = before(&instance, "", "");
    let mut client = proxy.connect();
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    let early = client.head();
    assert_eq!((early.status(), early.field("link")), (103, Some("</a.css>")));
    assert_eq!(client.head().status(), 100);
    client.send("ok");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (200, "ok"));
}

/// Far more than all windows and buffers hold, both ways at once, to a client that sends all before it reads.
#[test]
fn large_bodies_flow_both_ways() {
    const LENGTH: usize = 24 << 20;
    const PIECE: usize = 64 * 1024;
    let instance = H2Instance::start(|(request, mut respond)| async move {
        let mut stream = respond.send_response(head(200, &[]), false).unwrap();
        let sending = tokio::spawn(async move {
            for _ in 0..LENGTH / PIECE {
                assert!(send(&mut stream, vec![b'y'; PIECE].into(), false).await);
            }
            stream.send_data(Bytes::new(), true).unwrap();
        });
        let (bytes, _) = body(&mut request.into_body()).await;
        assert_eq!(bytes.len(), LENGTH);
        sending.await.unwrap();
    });
    let proxy = before(&instance, "", "");
    let mut client = proxy.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n"));
    let piece = vec![b'x'; PIECE];
    (0..LENGTH / PIECE).for_each(|_| client.send(&piece));
    let answer = client.answer();
    assert_eq!((answer.status(), answer.body.len()), (200, LENGTH));
    eventually("the lease ends", || proxy.in_flight() == 0);
}

#[test]
fn requests_share_a_connection_as_far_as_the_instance_allows() {
    static WAITING: AtomicUsize = AtomicUsize::new(0);
    let mut builder = Builder::new();
    builder.max_concurrent_streams(2);
    let instance = H2Instance::with(&builder, |(request, mut respond)| async move {
        if request.uri().path() == "/wait" {
            WAITING.fetch_add(1, SeqCst);
            while WAITING.load(SeqCst) < 3 {
                tokio::task::yield_now().await;
            }
        }
        respond.send_response(head(204, &[]), true).unwrap();
    });
    let proxy = before(&instance, "", "worker_threads = 1");
    // The first learns how many there may be.
    assert_eq!(proxy.get("/").status(), 204);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(proxy.get("/wait").status(), 204));
        }
    });
    assert_eq!(instance.connections(), 2);
}

#[test]
fn a_refused_request_goes_out_again_and_one_that_was_begun_does_not() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let instance = H2Instance::start(|(request, mut respond)| async move {
        if ASKED.fetch_add(1, SeqCst) == 0 {
            return respond.send_reset(Reason::REFUSED_STREAM);
        }
        if request.uri().path() == "/fails" {
            return respond.send_reset(Reason::INTERNAL_ERROR);
        }
        respond.send_response(head(204, &[]), true).unwrap();
    });
    let proxy = before(&instance, "", "");
    // Also one that must not be done twice: it was not done once.
    assert_eq!(proxy.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").status(), 204);
    assert_eq!(instance.seen().len(), 2);
    let answer = proxy.get("/fails");
    assert_eq!((answer.status(), answer.field("x-warpdrive-error")), (502, Some("upstream_closed")));
    assert_eq!(instance.seen().len(), 3);
}

#[test]
fn a_goodbye_costs_no_request() {
    static LET_GO: AtomicUsize = AtomicUsize::new(0);
    let instance = H2Instance::start(|(request, mut respond)| async move {
        while request.uri().path() == "/wait" && LET_GO.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        respond.send_response(head(204, &[]), true).unwrap();
    });
    let proxy = before(&instance, "", "worker_threads = 1");
    let mut waiting = proxy.connect();
    waiting.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("the instance has it", || instance.seen().len() == 1);
    instance.order(|connection| connection.graceful_shutdown());
    // Sooner or later the goodbye is there; until then the old connection is as good.
    eventually("another connection", || {
        assert_eq!(proxy.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").status(), 204);
        instance.connections() == 2
    });
    LET_GO.store(1, SeqCst);
    assert_eq!(waiting.answer().status(), 204);
    // And without any word: the connection just ends.
    instance.order(|connection| connection.abrupt_shutdown(Reason::INTERNAL_ERROR));
    assert_eq!(proxy.get("/").status(), 204);
}

#[test]
fn a_response_that_is_cut_is_not_passed_off_as_whole() {
    static RECEIVED: AtomicUsize = AtomicUsize::new(0);
    let instance = H2Instance::start(|(_, mut respond)| async move {
        let mut stream = respond.send_response(head(200, &[]), false).unwrap();
        stream.send_data(Bytes::from_static(b"abc"), false).unwrap();
        while RECEIVED.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        stream.send_reset(Reason::INTERNAL_ERROR);
    });
    let mut proxy = before(&instance, "", "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.chunk(&mut Vec::new()).unwrap(), b"abc");
    RECEIVED.store(1, SeqCst);
    assert_eq!(client.rest_and_end().0, b"");
    assert_eq!(value(&proxy.line(), "reason"), "upstream_body_cut");
}

#[test]
fn a_client_that_leaves_cancels_its_request_alone() {
    static CANCELLED: AtomicUsize = AtomicUsize::new(0);
    let instance = H2Instance::start(|(request, mut respond)| async move {
        if request.uri().path() == "/wait" {
            let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
            assert_eq!(reason, Reason::CANCEL);
            CANCELLED.fetch_add(1, SeqCst);
        } else {
            respond.send_response(head(204, &[]), true).unwrap();
        }
    });
    let mut proxy = before(&instance, "", "worker_threads = 1");
    let mut client = proxy.connect();
    client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("the instance has it", || instance.seen().len() == 1);
    drop(client);
    eventually("it is cancelled", || CANCELLED.load(SeqCst) == 1);
    assert_eq!(value(&proxy.line(), "status"), "499");
    assert_eq!(proxy.get("/").status(), 204);
    assert_eq!(instance.connections(), 1);
}

#[test]
fn silence_is_504_and_an_early_answer_ends_an_upload() {
    let instance = H2Instance::start(|(request, mut respond)| async move {
        if request.uri().path() == "/silent" {
            let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            return;
        }
        let mut stream = respond.send_response(head(413, &[]), false).unwrap();
        stream.send_data(Bytes::from_static(b"big"), true).unwrap();
        // What is dropped with the request says that no more of it is wanted, without an error (RFC 9113 section 8.1).
    });
    let proxy = before(&instance, "", "read_timeout_secs = 0.3\nretry_timeouts = false");
    let answer = proxy.get("/silent");
    assert_eq!((answer.status(), answer.field("x-warpdrive-error")), (504, Some("upstream_first_byte_timeout")));
    let mut client = proxy.connect();
    let mut sender = client.try_clone();
    let sending = std::thread::spawn(move || {
        sender.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
        let piece = vec![b'x'; 64 * 1024];
        (0..1500).take_while(|_| sender.try_send(&piece).is_ok()).count()
    });
    let answer = client.answer();
    assert_eq!((answer.status(), answer.text()), (413, "big"));
    assert!(sending.join().unwrap() < 1500, "all of the upload was taken");
}

#[test]
fn an_upgrade_is_not_passed_on() {
    let instance = prompt();
    let proxy = before(&instance, "", "");
    let answer = proxy.ask(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    assert_eq!((answer.status(), answer.text()), (200, "hello"));
    assert!(!instance.seen()[0].headers().contains_key("upgrade"));
}

#[test]
fn checks_speak_it_too() {
    let instance = H2Instance::start(|(_, mut respond)| async move {
        respond.send_response(head(204, &[]), true).unwrap();
    });
    let proxy = before(&instance, "health = { path = \"/up\", interval_secs = 0.05, healthy_threshold = 1 }", "");
    eventually("two checks", || instance.seen().len() >= 2);
    let seen = &instance.seen()[0];
    assert_eq!((seen.method().as_str(), seen.uri().to_string()), ("GET", "http://localhost/up".to_owned()));
    eventually("it is known to be up", || {
        proxy.proxy.instances().iter().all(|instance| instance.health.state == warpdrive_proxy::HealthState::Up)
    });
}

/// An instance that speaks HTTP/1.1 alone.
#[test]
fn what_is_no_http_2_is_502() {
    let instance = crate::support::Instance::saying_last("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let text = format!(
        "[upstreams.app]\nport = {}\nprotocol = \"h2c\"\n[[routes]]\nupstream = \"app\"\n",
        instance.address.port()
    );
    let proxy = Running::start(&config("read_timeout_secs = 5", &text));
    assert_eq!(proxy.get("/").status(), 502);
}

#[test]
fn without_keepalive_each_request_has_a_connection() {
    let instance = prompt();
    let proxy = before(&instance, "keepalive = false", "");
    for expected in 1..4 {
        assert_eq!(proxy.get("/").status(), 200);
        assert_eq!(instance.connections(), expected);
    }
}
