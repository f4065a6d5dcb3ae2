//! The steps of the header rules, as tables.

use super::*;
use crate::config::{Source, load};

const CONFIG: &str = r#"
    [server]
    trusted_proxies = ["10.0.0.0/8", "2001:db8::/32"]
    admin_token = "s3cret"
    [upstreams.app]
    port = 3000
    [[routes]]
    path_prefix = "/sidekiq"
    strip_prefix = true
    require_auth = true
    upstream = "app"
    [[routes]]
    path_prefix = "/named"
    header = { name = "X-Secret", present = true }
    upstream = "app"
    [[routes]]
    path_prefix = "/set"
    add_headers = [{ name = "Host", value = "inner" }, { name = "X-Forwarded-Host", value = "given" }]
    upstream = "app"
    [[routes]]
    path_prefix = "/app"
    upstream = "app"
"#;

fn router(config: &str) -> Router {
    let loaded = load(Source::file("test.toml", config)).unwrap_or_else(|errors| panic!("{errors}"));
    Router::compile(loaded.model).unwrap()
}

struct Sent {
    outcome: Result<Option<(IpAddr, PublicOrigin, bool)>, Reject>,
    headers: HeaderMap,
}

impl Sent {
    fn all(&self, name: &str) -> Vec<String> {
        let values = self.headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }

    fn one(&self, name: &str) -> Option<String> {
        let mut values = self.all(name);
        assert!(values.len() < 2, "{name} is there twice: {values:?}");
        values.pop()
    }
}

fn send_with(
    router: &Router,
    method: Method,
    version: Version,
    target: &str,
    peer: &str,
    fields: &[(&str, &str)],
) -> Sent {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    let connection = ClientConnection::new(peer.parse().unwrap(), Scheme::Http, &router.model().settings().server);
    let request_id = kept_request_id(&headers).cloned().unwrap_or(HeaderValue::from_static("new-id"));
    let fresh = Fresh { request_id: &request_id, request_start: &HeaderValue::from_static("t=1000") };
    let mut scratch = Scratch::new();
    let head = RequestHead { method: &method, version, target };
    let outcome = forward(router, head, &mut headers, &connection, fresh, Credentials::Check, &mut scratch)
        .map(|found| found.map(|found| (found.client, found.public, found.upgrade)));
    Sent { outcome, headers }
}

fn send(peer: &str, target: &str, fields: &[(&str, &str)]) -> Sent {
    send_with(&router(CONFIG), Method::GET, Version::HTTP_11, target, peer, fields)
}

const STRANGER: &str = "192.0.2.9";
const FRIEND: &str = "10.1.1.1";

#[test]
fn a_stranger_cannot_say_who_it_is() {
    let forged = [
        ("host", "ex.com:8080"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.com"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-server", "evil"),
        ("x-real-ip", "6.6.6.6"),
        ("x-request-start", "t=1"),
        ("client-ip", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6"),
        ("x-forwarded-ssl", "on"),
        ("x-forwarded-scheme", "https"),
        ("true-client-ip", "6.6.6.6"),
        ("cf-connecting-ip", "6.6.6.6"),
        ("x-sendfile-type", "X-Sendfile"),
        ("x-accel-mapping", "/=/"),
        ("x-script-name", "/evil"),
        ("x-forwarded-prefix", "/evil"),
        ("x_forwarded_for", "6.6.6.6"),
        ("x_real_ip", "6.6.6.6"),
        ("my_field", "1"),
    ];
    let sent = send(STRANGER, "/app", &forged);
    let (client, public, upgrade) = sent.outcome.clone().unwrap().unwrap();
    assert_eq!(client.to_string(), STRANGER);
    assert_eq!(
        public,
        PublicOrigin { scheme: Scheme::Http, host: Some(HeaderValue::from_static("ex.com:8080")), port: 8080 }
    );
    assert!(!upgrade);
    let mut left: Vec<(String, String)> =
        sent.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    left.sort();
    let want = [
        ("host", "ex.com:8080"),
        ("x-forwarded-for", STRANGER),
        ("x-forwarded-host", "ex.com:8080"),
        ("x-forwarded-port", "8080"),
        ("x-forwarded-proto", "http"),
        ("x-real-ip", STRANGER),
        ("x-request-id", "new-id"),
        ("x-request-start", "t=1000"),
    ];
    assert_eq!(left, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_friend_is_believed_but_only_its_own_last_word() {
    let sent = send(
        FRIEND,
        "/app",
        &[
            ("host", "inner"),
            ("x-forwarded-for", "6.6.6.6, 1.2.3.4"),
            ("x-forwarded-for", "10.9.9.9"),
            ("x-forwarded-proto", "http, https"),
            ("x-forwarded-host", "evil.com, ex.com"),
            ("x-request-start", "t=7"),
            ("x-forwarded-server", "lb1"),
            ("client-ip", "6.6.6.6"),
        ],
    );
    let (client, public, _) = sent.outcome.clone().unwrap().unwrap();
    assert_eq!(client.to_string(), "1.2.3.4");
    assert_eq!(
        public,
        PublicOrigin { scheme: Scheme::Https, host: Some(HeaderValue::from_static("ex.com")), port: 443 }
    );
    for (name, want) in [
        ("x-forwarded-for", Some("6.6.6.6, 1.2.3.4, 10.9.9.9, 10.1.1.1")),
        ("x-forwarded-proto", Some("https")),
        ("x-forwarded-host", Some("ex.com")),
        ("x-forwarded-port", Some("443")),
        ("x-forwarded-ssl", Some("on")),
        ("x-real-ip", Some("1.2.3.4")),
        ("x-request-start", Some("t=7")),
        ("x-forwarded-server", Some("lb1")),
        ("host", Some("inner")),
        ("client-ip", None),
    ] {
        assert_eq!(sent.one(name).as_deref(), want, "{name}");
    }
}

#[test]
fn the_client_is_the_rightmost_address_that_no_friend_has() {
    for (list, want) in [
        ("1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("nonsense, 10.0.0.2", "10.0.0.2"),
        ("nonsense", FRIEND),
        ("", FRIEND),
        ("unknown, 1.2.3.4", "1.2.3.4"),
        ("1.2.3.4:5678", "1.2.3.4"),
        ("[2001:dc8::1]:443", "2001:dc8::1"),
        ("2001:dc8::1", "2001:dc8::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:dc8::5, 2001:db8::1", "2001:dc8::5"),
    ] {
        let sent = send(FRIEND, "/app", &[("host", "h"), ("x-forwarded-for", list)]);
        assert_eq!(sent.outcome.unwrap().unwrap().0.to_string(), want, "{list}");
    }
}

#[test]
fn claims_of_a_friend_that_are_none_are_dropped() {
    for (name, value) in [
        ("x-forwarded-proto", "ftp"),
        ("x-forwarded-host", "a/b"),
        ("x-forwarded-port", "0"),
        ("x-forwarded-port", "x"),
    ] {
        let sent = send(FRIEND, "/app", &[("host", "ex.com:81"), (name, value)]);
        assert_eq!(sent.one("x-forwarded-proto").as_deref(), Some("http"));
        assert_eq!(sent.one("x-forwarded-host").as_deref(), Some("ex.com:81"));
        assert_eq!(sent.one("x-forwarded-port").as_deref(), Some("81"));
    }
}

#[test]
fn connection_names_fields_away_but_not_ours() {
    let fields = [
        ("host", "h"),
        ("connection", "X-Secret, x-forwarded-for, Host, close, content-length, x-request-id"),
        ("x-secret", "1"),
        ("content-length", "0"),
        ("x-forwarded-for", "1.2.3.4"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABk"),
        ("transfer-encoding", "chunked"),
    ];
    let sent = send(FRIEND, "/app", &fields);
    for gone in [
        "connection",
        "x-secret",
        "keep-alive",
        "te",
        "proxy-connection",
        "upgrade",
        "http2-settings",
        "transfer-encoding",
    ] {
        assert_eq!(sent.one(gone), None, "{gone}");
    }
    assert_eq!(sent.one("x-forwarded-for").as_deref(), Some("1.2.3.4, 10.1.1.1"));
    assert_eq!(sent.one("host").as_deref(), Some("h"));
    assert_eq!(sent.one("content-length").as_deref(), Some("0"));
    assert_eq!(sent.outcome.unwrap().unwrap().0.to_string(), "1.2.3.4");
    // Conditions read what is left: the route for X-Secret is not taken.
    assert_eq!(send(STRANGER, "/named", &fields).outcome, Ok(None));
    assert!(send(STRANGER, "/named", &[("host", "h"), ("x-secret", "1")]).outcome.unwrap().is_some());
}

#[test]
fn stripping_tells_the_prefix_and_the_credential_stays_here() {
    let sent =
        send(STRANGER, "/sidekiq/jobs", &[("host", "h"), ("x-admin-token", "s3cret"), ("x-forwarded-prefix", "/evil")]);
    assert!(sent.outcome.as_ref().unwrap().is_some());
    assert_eq!(sent.one("x-forwarded-prefix").as_deref(), Some("/sidekiq"));
    assert_eq!(sent.one("x-script-name").as_deref(), Some("/sidekiq"));
    assert_eq!(sent.one("x-admin-token"), None);
    for fields in [&[("host", "h")][..], &[("host", "h"), ("x-admin-token", "no")]] {
        let reject = send(STRANGER, "/sidekiq/jobs", fields).outcome.unwrap_err();
        assert_eq!(reject.status, http::StatusCode::UNAUTHORIZED);
    }
}

#[test]
fn a_websocket_is_kept_and_every_other_upgrade_is_not() {
    let router = router(CONFIG);
    let asks = [("host", "h"), ("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];
    let sent = send_with(&router, Method::GET, Version::HTTP_11, "/app", STRANGER, &asks);
    assert!(sent.outcome.as_ref().unwrap().as_ref().unwrap().2);
    assert_eq!(
        (sent.one("connection").as_deref(), sent.one("upgrade").as_deref()),
        (Some("upgrade"), Some("websocket"))
    );
    for (method, version, fields) in [
        (Method::POST, Version::HTTP_11, &asks[..]),
        (Method::GET, Version::HTTP_10, &asks[..]),
        (Method::GET, Version::HTTP_11, &[("host", "h"), ("upgrade", "websocket")]),
        (Method::GET, Version::HTTP_11, &[("host", "h"), ("connection", "upgrade"), ("upgrade", "h2c")]),
    ] {
        let sent = send_with(&router, method, version, "/app", STRANGER, fields);
        assert!(!sent.outcome.as_ref().unwrap().as_ref().unwrap().2);
        assert_eq!((sent.one("connection"), sent.one("upgrade")), (None, None));
    }
}

#[test]
fn hosts_and_versions() {
    let router = router(CONFIG);
    let none = send_with(&router, Method::GET, Version::HTTP_10, "/app", STRANGER, &[]);
    assert_eq!(none.one("host").as_deref(), Some("localhost"));
    assert_eq!(none.one("x-forwarded-host"), None);
    let absolute = send(STRANGER, "http://a.com:81/app", &[("host", "b.com")]);
    assert_eq!(absolute.one("host").as_deref(), Some("a.com:81"));
    assert_eq!(absolute.one("x-forwarded-host").as_deref(), Some("a.com:81"));
    for (target, fields) in [
        ("/app", &[][..]),
        ("/app", &[("host", "a"), ("host", "a")]),
        ("/app", &[("host", "a/b")]),
        ("http://a/app", &[("host", "a b")]),
        ("http://a/app", &[]),
        ("http://u@a/app", &[("host", "a")]),
    ] {
        let reject = send(STRANGER, target, fields).outcome.unwrap_err();
        assert_eq!(reject.reason, Reason::BadHost, "{target} {fields:?}");
    }
}

#[test]
fn request_ids() {
    for (value, kept) in [
        ("abc-1.2_3", true),
        ("", false),
        ("a b", false),
        ("a\u{e9}", false),
        (&"x".repeat(128), true),
        (&"x".repeat(129), false),
    ] {
        let sent = send(STRANGER, "/app", &[("host", "h"), ("x-request-id", value)]);
        assert_eq!(sent.one("x-request-id").as_deref(), Some(if kept { value } else { "new-id" }), "{value}");
    }
    for second in ["one", "two"] {
        let sent = send(STRANGER, "/app", &[("host", "h"), ("x-request-id", "one"), ("x-request-id", second)]);
        assert_eq!(sent.one("x-request-id").as_deref(), Some("one"), "{second}");
    }
}

#[test]
fn a_routes_own_fields_come_last() {
    let sent = send(STRANGER, "/set", &[("host", "h")]);
    assert_eq!(sent.one("host").as_deref(), Some("inner"));
    assert_eq!(sent.one("x-forwarded-host").as_deref(), Some("given"));
}

#[test]
fn mapped_peers_and_options() {
    let sent = send("::ffff:192.0.2.9", "/app", &[("host", "h")]);
    assert_eq!(sent.one("x-forwarded-for").as_deref(), Some(STRANGER));
    let sent = send("2001:dc8::1", "/app", &[("host", "h")]);
    assert_eq!(sent.one("x-forwarded-for").as_deref(), Some("2001:dc8::1"));

    let quiet = router("[middleware]\nforward_headers = false\n[upstreams.app]\nport = 1\n");
    let fields = [("host", "h"), ("x-forwarded-for", "6.6.6.6"), ("client-ip", "6.6.6.6")];
    let sent = send_with(&quiet, Method::GET, Version::HTTP_11, "/", STRANGER, &fields);
    let mut names: Vec<&str> = sent.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["host", "x-request-id"]);

    let underscores = router("[server]\nunderscore_headers = true\n[upstreams.app]\nport = 1\n");
    let fields = [
        ("host", "h"),
        ("my_field", "1"),
        ("x_forwarded_proto", "https"),
        ("x_forwarded_foo", "1"),
        ("content_length", "5"),
    ];
    let sent = send_with(&underscores, Method::GET, Version::HTTP_11, "/", STRANGER, &fields);
    assert_eq!(sent.one("my_field").as_deref(), Some("1"));
    for gone in ["x_forwarded_proto", "x_forwarded_foo", "content_length"] {
        assert_eq!(sent.one(gone), None, "{gone}");
    }
}

#[test]
fn a_trusted_peer_may_not_spell_a_claim_with_an_underscore() {
    for server in ["", "underscore_headers = true\n"] {
        let text = format!("[server]\ntrusted_proxies = [\"10.0.0.0/8\"]\n{server}[upstreams.app]\nport = 1\n");
        let fields = [("host", "h"), ("x-forwarded-proto", "https"), ("x-forwarded-client_cert", "1")];
        let sent = send_with(&router(&text), Method::GET, Version::HTTP_11, "/", FRIEND, &fields);
        assert_eq!(sent.one("x-forwarded-proto").as_deref(), Some("https"));
        assert_eq!(sent.one("x-forwarded-client_cert"), None, "{server}");
    }
}

#[test]
fn the_one_field_that_is_named() {
    let named = router(
        "[server]\ntrusted_proxies = [\"10.0.0.0/8\"]\nclient_ip_header = \"CF-Connecting-IP\"\n[upstreams.app]\nport = 1\n",
    );
    let fields =
        [("host", "h"), ("cf-connecting-ip", "1.2.3.4"), ("true-client-ip", "6.6.6.6"), ("x-forwarded-for", "5.5.5.5")];
    let sent = send_with(&named, Method::GET, Version::HTTP_11, "/", FRIEND, &fields);
    assert_eq!(sent.one("x-real-ip").as_deref(), Some("1.2.3.4"));
    assert_eq!(sent.one("cf-connecting-ip").as_deref(), Some("1.2.3.4"));
    assert_eq!(sent.one("true-client-ip"), None);
    let sent = send_with(&named, Method::GET, Version::HTTP_11, "/", STRANGER, &fields);
    assert_eq!(sent.one("x-real-ip").as_deref(), Some(STRANGER));
    assert_eq!(sent.one("cf-connecting-ip"), None);
}
