//! What a client sees, and what it never sees, when something fails.

use crate::support::{Instance, Running, app, config, eventually, nobody, value};

fn assert_page(answer: &crate::support::Answer, status: u16, reason: &str) {
    assert_eq!(answer.status(), status, "{answer:?}");
    assert_eq!(answer.field("x-warpdrive-error"), Some(reason));
    assert_eq!(answer.field("server"), Some("warpdrive"));
    assert_eq!(answer.field("x-request-id").unwrap().len(), 32);
}

#[test]
fn no_route_is_404() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "path_prefix = \"/api\"");
    assert_page(&proxy.get("/apix"), 404, "no_route");
    assert!(instance.heads().is_empty());
}

#[test]
fn a_page_is_json_for_who_asks() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "path_prefix = \"/api\"");
    let answer = proxy.ask("GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n");
    assert_page(&answer, 404, "no_route");
    assert!(answer.text().starts_with("{\"status\":404,"));
}

#[test]
fn an_upstream_that_refuses_is_502_and_the_next_instance_is_asked_first() {
    let mut proxy = Running::before(&[nobody()], "", "");
    assert_page(&proxy.get("/"), 502, "upstream_connect");
    let line = proxy.line();
    assert_eq!(value(&line, "reason"), "upstream_connect");
    assert_eq!(value(&line, "attempts"), "1");
    let instance = Instance::echo();
    let mut proxy = Running::before(&[nobody(), instance.address, nobody()], "", "");
    for _ in 0..6 {
        let answer = proxy.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(answer.text(), "POST / HTTP/1.1\nx");
    }
    let attempts: Vec<String> = (0..6).map(|_| value(&proxy.line(), "attempts").to_owned()).collect();
    assert!(attempts.contains(&"3".to_owned()) && attempts.contains(&"1".to_owned()));
    assert_eq!(proxy.in_flight(), 0);
}

#[test]
fn an_upstream_that_closes_without_an_answer_is_502_for_any_method() {
    let instance = Instance::start(|peer, notes| {
        notes.request(peer);
    });
    let proxy = Running::before(&[instance.address], "", "");
    assert_page(&proxy.get("/"), 502, "upstream_closed");
    // A first use is no stale connection: it was sent once and not again.
    assert_eq!(instance.heads().len(), 1);
}

#[test]
fn a_first_use_that_dies_is_tried_once_on_another_instance() {
    let dying = || {
        Instance::start(|peer, notes| {
            notes.request(peer);
        })
    };
    let (one, two) = (dying(), Instance::echo());
    let mut proxy = Running::before(&[one.address, two.address], "", "");
    for _ in 0..4 {
        assert_eq!(proxy.get("/").status(), 200);
    }
    let attempts: Vec<String> = (0..4).map(|_| value(&proxy.line(), "attempts").to_owned()).collect();
    assert!(attempts.contains(&"2".to_owned()) && attempts.contains(&"1".to_owned()), "{attempts:?}");
    // A request with a body, or one that is not idempotent, is not sent twice.
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let statuses = [proxy.ask(post).status(), proxy.ask(post).status()];
    assert!(statuses.contains(&502) && statuses.contains(&200), "{statuses:?}");
    // Once is once: two instances that die give the client the failure.
    let (one, two, three) = (dying(), dying(), dying());
    let proxy = Running::before(&[one.address, two.address, three.address], "", "");
    assert_page(&proxy.get("/"), 502, "upstream_closed");
    assert_eq!(one.heads().len() + two.heads().len() + three.heads().len(), 2);
}

#[test]
fn an_instance_that_does_not_answer_in_time_is_left_for_another_by_a_plain_read() {
    let silent = Instance::start(|peer, notes| {
        notes.request(peer);
        // Until the proxy gives up.
        peer.rest();
    });
    let instance = Instance::echo();
    let mut proxy = Running::before(&[silent.address, instance.address], "read_timeout_secs = 0.3", "");
    for _ in 0..2 {
        assert_eq!(proxy.get("/").text(), "GET / HTTP/1.1\n");
    }
    let attempts = [value(&proxy.line(), "attempts").to_owned(), value(&proxy.line(), "attempts").to_owned()];
    assert!(attempts.contains(&"2".to_owned()), "{attempts:?}");
    let delete = "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n";
    let statuses = [proxy.ask(delete).status(), proxy.ask(delete).status()];
    assert!(statuses.contains(&504) && statuses.contains(&200), "{statuses:?}");
}

/// The server's choice, and a route's own in either direction.
#[test]
fn without_retry_timeouts_a_plain_read_is_504_at_the_first_instance() {
    let cases = [
        ("retry_timeouts = false", "", 504),
        ("", "retry_timeouts = false", 504),
        ("retry_timeouts = false", "retry_timeouts = true", 200),
    ];
    for (server, route, wanted) in cases {
        let silent = Instance::start(|peer, notes| {
            notes.request(peer);
            peer.rest();
        });
        let instance = Instance::echo();
        let server = format!("read_timeout_secs = 0.3\n{server}");
        let proxy = Running::before(&[silent.address, instance.address], &server, route);
        let mut statuses = [proxy.get("/").status(), proxy.get("/").status()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, wanted], "{server} {route}");
        assert_eq!(silent.heads().len(), 1);
    }
}

#[test]
fn retries_are_held_to_the_budget() {
    let dying = Instance::start(|peer, notes| {
        notes.request(peer);
    });
    let instance = Instance::echo();
    // Else it would be ejected after three.
    let text = app(&[dying.address, instance.address], "");
    let proxy = Running::start(&config("worker_threads = 1", &format!("[upstreams.app]\npassive = false\n{text}")));
    let failed = (0..60).filter(|_| proxy.get("/").status() == 502).count();
    // Thirty meet the instance that dies; ten to twelve of them may be sent again.
    assert!((16..=20).contains(&failed), "{failed} of 60");
}

#[test]
fn nonsense_from_an_upstream_is_502() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ] {
        let instance = Instance::saying_last(answer);
        let proxy = Running::before(&[instance.address], "", "");
        assert_page(&proxy.get("/"), 502, "upstream_invalid_response");
    }
}

#[test]
fn a_stale_connection_is_retried_for_get_and_not_for_post() {
    // Each connection answers once and is closed as soon as the second request comes.
    let script = |peer: &mut crate::support::Peer, notes: &crate::support::Notes| {
        if notes.request(peer).is_some() {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            notes.request(peer);
        }
    };
    let instance = Instance::start(script);
    let mut proxy = Running::before(&[instance.address], "worker_threads = 1", "");
    let mut client = proxy.connect();
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for _ in 0..2 {
        client.send(get);
        assert_eq!(client.answer().status(), 200);
    }
    assert_eq!(instance.heads().len(), 3);
    proxy.line();
    assert_eq!(value(&proxy.line(), "attempts"), "2");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.answer().status(), 502);
    assert_eq!(instance.heads().len(), 4);
}

#[test]
fn a_connection_that_the_upstream_closed_while_idle_costs_nobody_an_error() {
    let instance = Instance::saying_last("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    for _ in 0..10 {
        let proxy = Running::before(&[instance.address], "worker_threads = 1", "");
        let mut client = proxy.connect();
        // As many as are sent again whatever the budget says, if every end comes a moment too late.
        for _ in 0..10 {
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
            assert!([200, 502].contains(&client.answer().status()));
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.answer().status(), 200);
        }
    }
}

#[test]
fn an_upstream_that_dies_inside_a_body_cuts_the_client() {
    let sized = Instance::saying_last("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    let proxy = Running::before(&[sized.address], "", "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    let (bytes, _) = client.rest_and_end();
    assert!(bytes.len() < 10);

    let chunked = Instance::saying_last("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    let mut proxy = Running::before(&[chunked.address], "", "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    let (bytes, _) = client.rest_and_end();
    assert!(!bytes.ends_with(b"0\r\n\r\n"));
    let line = proxy.line();
    assert_eq!(value(&line, "status"), "200");
    assert_eq!(value(&line, "reason"), "upstream_body_cut");
}

#[test]
fn a_client_of_http_1_0_sees_a_cut_body_as_a_reset() {
    let instance = Instance::start(|peer, notes| {
        notes.request(peer).unwrap();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    });
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let end = match client.try_head() {
        Some(_) => client.rest_and_end().1,
        None => Some(std::io::ErrorKind::ConnectionReset),
    };
    assert_eq!(end, Some(std::io::ErrorKind::ConnectionReset));
}

#[test]
fn a_client_that_hangs_up_cancels_the_upstream_and_is_logged_as_499() {
    let (gone, was_cancelled) = std::sync::mpsc::channel();
    let gone = std::sync::Mutex::new(gone);
    let instance = Instance::start(move |peer, notes| {
        notes.request(peer).unwrap();
        gone.lock().unwrap().send(peer.is_closed()).unwrap();
    });
    let mut proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("the instance has the request", || instance.heads().len() == 1);
    drop(client);
    assert!(was_cancelled.recv_timeout(crate::support::PATIENCE).unwrap());
    let line = proxy.line();
    assert_eq!(value(&line, "status"), "499");
    assert_eq!(value(&line, "reason"), "client_closed");
    eventually("the lease ends", || proxy.in_flight() == 0);
}

#[test]
fn a_client_that_hangs_up_inside_its_body_is_499_too() {
    let instance = Instance::start(|peer, notes| {
        notes.head(peer);
        peer.is_closed();
        peer.rest_and_end();
    });
    let mut proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    eventually("the instance has the head", || instance.heads().len() == 1);
    drop(client);
    let line = proxy.line();
    assert_eq!(value(&line, "status"), "499");
    assert_eq!(value(&line, "received"), "3");
}

#[test]
fn a_body_over_the_limit_is_413_before_the_upstream_hears_of_it() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "max_body_bytes = 4");
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    let answer = client.answer();
    assert_page(&answer, 413, "body_too_large");
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(client.is_closed());
    assert_eq!(instance.connections(), 0);
    let fits = proxy.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nhell");
    assert_eq!(fits.status(), 200);
}

#[test]
fn a_chunked_body_over_the_limit_is_413_when_it_gets_there() {
    let instance = Instance::start(|peer, notes| {
        notes.head(peer);
        peer.rest_and_end();
    });
    let proxy = Running::before(&[instance.address], "", "max_body_bytes = 4");
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    eventually("the instance has the head", || instance.heads().len() == 1);
    client.send("2\r\nde\r\n");
    assert_page(&client.answer(), 413, "body_too_large");
    assert!(client.is_closed());
}

#[test]
fn a_target_over_32_kib_is_414_in_any_length() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "");
    for length in [32 * 1024 + 1, 60_000, 1_000_000] {
        let mut client = proxy.connect();
        let target = "a".repeat(length - 1);
        let _ = client.try_send(format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.answer();
        assert_eq!(answer.status(), 414);
        assert_eq!(answer.field("x-warpdrive-error"), Some("target_too_long"));
        assert!(client.is_closed());
    }
    let target = "a".repeat(32 * 1024 - 1);
    assert_eq!(proxy.get(&format!("/{target}")).status(), 200);
    assert_eq!(instance.heads().len(), 1);
}

#[test]
fn too_many_or_too_large_fields_are_431() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "");
    let many = "x: y\r\n".repeat(100);
    let large = format!("x: {}\r\n", "y".repeat(70_000));
    for fields in [many, large] {
        let mut client = proxy.connect();
        let _ = client.try_send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(client.answer().status(), 431);
        assert!(client.is_closed());
    }
    let fields = "x: y\r\n".repeat(99);
    assert_eq!(proxy.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).status(), 200);
    let raised = Running::before(&[instance.address], "max_header_fields = 200", "");
    let fields = "x: y\r\n".repeat(199);
    assert_eq!(raised.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).status(), 200);
}

#[test]
fn what_is_no_request_never_reaches_an_upstream() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "");
    let ask = |head: &str| {
        let mut client = proxy.connect();
        client.send(head);
        let status = client.head().status();
        client.rest_and_end();
        status
    };
    assert_eq!(ask("GET / HTTP/1.1\r\nbad field\r\n\r\n"), 400);
    assert_eq!(ask("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
    assert_eq!(ask("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_eq!(ask("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"), 405);
    assert_eq!(ask("TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 405);
    assert_eq!(ask("GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\nConnection: close\r\n\r\n"), 417);
    assert_eq!(ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501);
    assert!(instance.heads().is_empty());
}

#[test]
fn no_routes_at_all_is_404() {
    let one = "[upstreams.a]\nport = 1\n[upstreams.b]\nport = 2\n";
    let proxy = Running::start(&config("", one));
    assert_page(&proxy.get("/"), 404, "no_route");
}
