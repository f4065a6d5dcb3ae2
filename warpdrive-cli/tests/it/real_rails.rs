//! In front of Rails, with the example's own file: pages, sessions, uploads, streams.

use std::collections::BTreeSet;

use testkit::{Client, Json, Response, Signal, WorkFolder, sha1_hex};

use crate::curl::{self, curl};
use crate::rails::{another_puma, replace_once, stack};
use crate::visitor::{Visitor, csrf_token};
use crate::warpdrive::Proxy;

/// What Rails saw of a request that curl sent with these arguments.
fn seen(proxy: &Proxy, arguments: &[&str]) -> Json {
    let finished = curl().args(["--fail", &proxy.url("/seen")]).args(arguments).run();
    curl::succeeded(&finished);
    finished.stdout.parse().unwrap()
}

#[test]
fn pages_carry_links_to_the_address_that_the_visitor_typed() {
    let proxy = stack().proxy();
    for host in [proxy.host(), "chat.example.net:8081".to_owned(), "chat.example.net".to_owned()] {
        let mut visitor = Visitor::of(&proxy, &host);
        let page = visitor.get("/");
        assert_eq!(page.status, 200);
        let link = format!(r#"href="http://{host}/login""#);
        assert!(page.text().contains(&link), "{link} in {}", page.text());
        let seen = visitor.get("/seen?page=2").json();
        assert_eq!(seen["url"], format!("http://{host}/seen?page=2"));
        assert_eq!(seen["here"], format!("http://{host}/seen"));
        assert_eq!(seen["headers"]["host"], host);
    }
}

#[test]
fn rails_sees_the_target_in_the_clients_bytes_and_answers_for_itself() {
    let proxy = stack().proxy();
    let mut visitor = Visitor::new(&proxy);
    let target = "/seen/a%2Fb;c/%7Ed+e?x=%20y&x=2";
    assert_eq!(visitor.get(target).json()["path"], target);
    // This empty page is Rails' own: the proxy's has a text.
    let missing = visitor.get("/nothing/here");
    assert_eq!((missing.status, missing.text().as_str()), (404, ""));
    assert!(missing.header("x-runtime").is_some());
    let id = visitor.send("GET", "/rules", "X-Request-Id: from-a-client\r\n", "");
    assert_eq!(id.headers.all("x-request-id").collect::<Vec<_>>(), ["from-a-client"]);
}

#[test]
fn a_form_works_from_the_visitors_own_origin_alone() {
    let proxy = stack().proxy();
    let mut visitor = Visitor::new(&proxy);
    let origin = visitor.origin();
    let token = csrf_token(&visitor.get("/login").text());
    let form = [("authenticity_token", token.as_str()), ("user", "Zoë & Co.")];
    let foreign = [
        "http://evil.example".to_owned(),
        origin.replace("http:", "https:"),
        // What a proxy that loses the port would make of it.
        "http://127.0.0.1".to_owned(),
    ];
    for other in foreign {
        assert_eq!(visitor.post("/login", &other, &form).status, 422, "{other}");
    }
    assert_eq!(visitor.post("/login", &origin, &form[1..]).status, 422, "without a token");
    assert_eq!(visitor.get("/me").status, 401);

    let token = csrf_token(&visitor.get("/login").text());
    let answer = visitor.post("/login", &origin, &[("authenticity_token", &token), form[1]]);
    assert_eq!((answer.status, answer.header("location")), (302, Some(format!("{origin}/me").as_str())));
    assert_eq!(visitor.get("/me").json()["user"], "Zoë & Co.");
}

#[test]
fn a_session_holds_over_all_three_pumas() {
    let proxy = stack().proxy();
    let mut visitor = Visitor::new(&proxy);
    assert_eq!(visitor.log_in("ada").status, 302);
    let mut names = BTreeSet::new();
    for _ in 0..6 {
        let me = visitor.get("/me").json();
        assert_eq!(me["user"], "ada");
        names.insert(me["name"].to_string());
    }
    assert_eq!(names.into_iter().collect::<Vec<_>>(), [r#""web0""#, r#""web1""#, r#""web2""#]);
}

#[test]
fn nobody_can_claim_another_address() {
    let proxy = stack().proxy();
    let client = ["--interface", "127.0.0.5"];
    assert_eq!(seen(&proxy, &client)["remote_ip"], "127.0.0.5");
    let claims = [
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-For: 6.6.6.6, 127.0.0.1",
        "X_Forwarded_For: 6.6.6.6",
        // Rails answers 500 when this one and X-Forwarded-For differ.
        "Client-IP: 6.6.6.6",
        "Client_Ip: 6.6.6.6",
        "X-Real-IP: 6.6.6.6",
        "Forwarded: for=6.6.6.6;host=evil.example;proto=https",
        "X-Forwarded-Host: evil.example",
        "X_Forwarded_Host: evil.example",
        "X-Forwarded-Port: 666",
    ];
    let mut all: Vec<&str> = client.to_vec();
    for claim in claims {
        let seen = seen(&proxy, &[&client[..], &["-H", claim]].concat());
        assert_eq!(seen["remote_ip"], "127.0.0.5", "{claim}");
        assert_eq!(seen["base_url"], proxy.url(""), "{claim}");
        assert!(!seen.to_string().contains("6.6.6.6"), "{claim}: {seen}");
        all.extend(["-H", claim]);
    }
    assert_eq!(seen(&proxy, &all)["remote_ip"], "127.0.0.5");
}

#[test]
fn nobody_can_claim_https() {
    let proxy = stack().proxy();
    let claims = [
        "X-Forwarded-Proto: https",
        "X_Forwarded_Proto: https",
        "X-Forwarded-Ssl: on",
        "X_Forwarded_Ssl: on",
        "X-Forwarded-Scheme: https",
        "Forwarded: proto=https",
    ];
    for claim in claims {
        let seen = seen(&proxy, &["-H", claim]);
        assert_eq!(seen["ssl"], false, "{claim}");
        assert_eq!(seen["here"], proxy.url("/seen"), "{claim}");
        assert_eq!(seen["headers"]["x-forwarded-proto"], "http", "{claim}");
    }
}

#[test]
fn a_trusted_balancer_says_who_the_client_is_and_that_it_speaks_https() {
    let proxy =
        stack().proxy_with(|file| replace_once(&file, "[server]\n", "[server]\ntrusted_proxies = [\"127.0.0.5\"]\n"));
    let fields = ["-H", "X-Forwarded-For: 6.6.6.6, 203.0.113.7", "-H", "X-Forwarded-Proto: https"];
    let believed = seen(&proxy, &[&["--interface", "127.0.0.5"], &fields[..]].concat());
    // The balancer has appended the last; what stands before it is the client's own claim.
    assert_eq!(believed["remote_ip"], "203.0.113.7");
    assert_eq!(believed["ssl"], true);
    assert_eq!(believed["here"], format!("https://{}/seen", proxy.host()));
    // Another address beside it is nobody's balancer.
    let stranger = seen(&proxy, &[&["--interface", "127.0.0.6"], &fields[..]].concat());
    assert_eq!((&stranger["remote_ip"], &stranger["ssl"]), (&"127.0.0.6".into(), &false.into()));
}

#[test]
fn uploads_arrive_unchanged_in_either_framing() {
    let proxy = stack().proxy();
    let folder = WorkFolder::new();
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let sent = folder.write("sent", &bytes);
    for framing in ["Content-Length: 5000000", "Transfer-Encoding: chunked"] {
        // Puma says 100 Continue when it is asked to.
        for expect in ["Expect:", "Expect: 100-continue"] {
            let upload = curl().arg("-T").arg(&sent).args(["-H", framing, "-H", expect, &proxy.url("/upload")]);
            let finished = upload.run();
            curl::succeeded(&finished);
            assert_eq!(finished.stdout, format!("5000000 {}\n", sha1_hex(&bytes)), "{framing}, {expect}");
        }
    }
}

#[test]
fn a_live_feed_passes_piece_by_piece() {
    let proxy = stack().proxy();
    let mut reader = Client::connect(proxy.port).unwrap();
    reader.get(&proxy.host(), "/feed?room=feed&count=2").unwrap();
    let head = reader.response_head().unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    // Rails subscribes and says so first; nothing else is written before somebody speaks.
    reader.read_until(|bytes| contains(bytes, "event: open")).unwrap();
    for text in ["one", "two"] {
        let form = [("room", "feed"), ("text", text)];
        assert_eq!(Visitor::new(&proxy).post("/say", "http://anywhere", &form).status, 202);
        reader.read_until(|bytes| contains(bytes, &format!(r#""text":"{text}""#))).unwrap();
    }
    reader.read_until(|bytes| bytes.ends_with(b"\r\n0\r\n\r\n")).unwrap();
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn head_conditions_and_ranges_work_as_without_a_proxy() {
    let proxy = stack().proxy();
    let mut visitor = Visitor::new(&proxy);
    let full = visitor.get("/rules");
    assert_eq!((full.status, full.text().as_str()), (200, "Be kind.\n"));
    let etag = full.header("etag").unwrap();
    let head = visitor.send("HEAD", "/rules", "", "");
    assert_eq!((head.status, head.header("etag")), (200, Some(etag)));
    let fresh = [format!("If-None-Match: {etag}\r\n"), "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n".into()];
    for condition in fresh {
        let unchanged = visitor.send("GET", "/rules", &condition, "");
        assert_eq!((unchanged.status, unchanged.header("etag")), (304, Some(etag)), "{condition}");
    }
    assert_eq!(visitor.send("GET", "/rules", "If-None-Match: W/\"other\"\r\n", "").status, 200);

    let part = visitor.send("GET", "/robots.txt", "Range: bytes=0-9\r\n", "");
    assert_eq!((part.status, part.text().as_str()), (206, "User-agent"));
    assert_eq!(part.header("content-range"), Some("bytes 0-9/34"));
    assert_eq!(visitor.send("GET", "/robots.txt", "Range: bytes=90-\r\n", "").status, 416);
    let length = visitor.send("HEAD", "/robots.txt", "", "");
    assert_eq!((length.status, length.header("content-length")), (200, Some("34")));
    // Nothing of all that was left on the connection.
    assert_eq!(visitor.get("/rules").text(), "Be kind.\n");
}

#[test]
fn cookies_are_kept_line_by_line() {
    let proxy = stack().proxy();
    let lines = |response: Response| response.headers.all("set-cookie").map(str::to_owned).collect::<Vec<_>>();
    let through = lines(Visitor::new(&proxy).get("/cookies"));
    let mut direct = Client::connect(stack().web(0)).unwrap();
    direct.get(&proxy.host(), "/cookies").unwrap();
    assert_eq!(through, lines(direct.response().unwrap()));
    assert_eq!(through.len(), 3);
    // On the way in, one line stays one line.
    let seen = Visitor::new(&proxy).send("GET", "/seen", "Cookie: a=1; b=\"2,3\";  c=%20\r\n", "");
    assert_eq!(seen.json()["headers"]["cookie"], "a=1; b=\"2,3\";  c=%20");
}

#[test]
fn the_host_decides_before_the_path() {
    let proxy = stack().proxy();
    for host in ["api.example.com", "API.Example.com:8080", "api.example.com."] {
        let answer = Visitor::of(&proxy, host).get("/cable/x").json();
        assert_eq!(
            (&answer["name"], &answer["host"], &answer["path"]),
            (&"api".into(), &host.into(), &"/cable/x".into())
        );
    }
    for host in ["www.example.com", "www.example.com:8080", "elsewhere.example"] {
        let mut visitor = Visitor::of(&proxy, host);
        let name = visitor.get("/seen").json()["name"].to_string();
        assert!(name.starts_with("\"web"), "{host}: {name}");
        // ActionCable's answer to what is no handshake.
        let cable = visitor.get("/cable");
        assert_eq!((cable.status, cable.text().as_str()), (404, "Page not found"), "{host}");
        assert_eq!(visitor.get("/cablecar").text(), "", "{host}");
    }
    // Sidekiq Web has no route under the named hosts, whatever the token.
    let mut visitor = Visitor::of(&proxy, "www.example.com");
    visitor.fields = format!("X-Admin-Token: {}\r\n", crate::rails::ADMIN_TOKEN);
    let missing = visitor.get("/sidekiq");
    assert_eq!(missing.status, 404);
    assert!(missing.header("x-runtime").is_some());
}

#[test]
fn the_others_answer_when_a_puma_is_killed() {
    let (puma, socket) = another_puma("mortal", "config.ru");
    let proxy = stack().proxy_with(|file| replace_once(&file, "tmp/web.0.sock", &socket.display().to_string()));
    let mut visitor = Visitor::new(&proxy);
    let mut names = || (0..6).map(|_| visitor.get("/seen").json()["name"].to_string()).collect::<Vec<_>>();
    assert_eq!(names().iter().filter(|name| name.contains("mortal")).count(), 2);
    puma.signal(Signal::KILL);
    puma.wait_exit();
    assert!(socket.exists(), "a killed Puma leaves its socket");
    assert!(names().iter().all(|name| name.starts_with("\"web")));
}
