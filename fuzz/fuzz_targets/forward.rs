//! Any header fields: nothing hop-by-hop and no forged identity gets through from a stranger.
#![no_main]

use std::net::IpAddr;
use std::sync::LazyLock;

use arbitrary::{Arbitrary, Result, Unstructured};
use http::header::{CONNECTION, HOST, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use libfuzzer_sys::fuzz_target;
use warpdrive_core::Router;
use warpdrive_core::forwarding::{
    ClientConnection, Credentials, Forward, Fresh, RequestHead, Scheme, explain, forward, kept_request_id,
};
use warpdrive_fuzz::{router, with_scratch};

const ROUTES: &str = r#"
trusted_proxies = ["10.0.0.0/8"]
admin_token = "s3cret"
[upstreams.u]
port = 1
[[routes]]
path_prefix = "/strip"
strip_prefix = true
upstream = "u"
[[routes]]
path_prefix = "/guarded"
require_auth = true
upstream = "u"
[[routes]]
path_prefix = "/condition"
header = { name = "X-Forwarded-Proto", value = "https" }
upstream = "u"
[[routes]]
path_prefix = "/a"
upstream = "u"
"#;

static ROUTERS: LazyLock<[Router; 3]> = LazyLock::new(|| {
    [
        router(&format!("[server]{ROUTES}")),
        router(&format!("[server]\nunderscore_headers = true\nclient_ip_header = \"CF-Connecting-IP\"{ROUTES}")),
        router(&format!("[middleware]\nforward_headers = false\n[server]{ROUTES}")),
    ]
});

/// Hop-by-hop fields, and fields that steer an application and never come from a client.
const NEVER: &[&str] = &[
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "http2-settings",
    "forwarded",
    "client-ip",
    "x-forwarded-scheme",
    "x-sendfile-type",
    "x-accel-mapping",
    "true-client-ip",
    "cf-connecting-ip",
];
const NAMES: &[&str] = &[
    "host",
    "connection",
    "upgrade",
    "keep-alive",
    "te",
    "transfer-encoding",
    "forwarded",
    "client-ip",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-ssl",
    "x-forwarded-prefix",
    "x-real-ip",
    "x-request-id",
    "x-request-start",
    "x-script-name",
    "x-admin-token",
    "authorization",
    "cf-connecting-ip",
    "x_forwarded_for",
    "x_real_ip",
    "x-forwarded_host",
    "my_field",
    "x-hop",
    "content-length",
];
const VALUES: &[&str] = &[
    "a.test",
    "upgrade",
    "websocket",
    "close, X-Hop, x-forwarded-for",
    "keep-alive, Upgrade",
    "host, content-length, x-request-id",
    "6.6.6.6",
    "10.1.1.1, 6.6.6.6",
    "https",
    "8443",
    "s3cret",
    "Basic dTpzM2NyZXQ=",
    "trailers",
    "chunked",
    "b.test:99999",
    "t=6",
];
const TARGETS: &[&str] = &["/a", "/strip/x", "/guarded", "/condition", "/none", "http://c.test/a", "/%", "*"];
const PEERS: &[&str] = &["192.0.2.7", "10.0.0.1", "::ffff:192.0.2.7", "2001:db8::1"];

#[derive(Debug)]
struct Sent {
    router: usize,
    method: Method,
    version: Version,
    target: &'static str,
    peer: IpAddr,
    credentials: Credentials,
    fields: HeaderMap,
}

impl<'a> Arbitrary<'a> for Sent {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut sent = Sent {
            router: u.choose_index(ROUTERS.len())?,
            method: u.choose(&[Method::GET, Method::POST, Method::OPTIONS, Method::CONNECT])?.clone(),
            version: *u.choose(&[Version::HTTP_11, Version::HTTP_10])?,
            target: u.choose(TARGETS)?,
            peer: u.choose(PEERS)?.parse().map_err(|_| arbitrary::Error::IncorrectFormat)?,
            credentials: *u.choose(&[Credentials::Check, Credentials::Assume])?,
            fields: HeaderMap::new(),
        };
        if u.ratio(7, 8)? {
            sent.fields.append(HOST, HeaderValue::from_static("A.test:8080"));
        }
        while !u.is_empty() && sent.fields.len() < 64 {
            let name = match u.arbitrary()? {
                true => HeaderName::from_bytes(u.choose(NAMES)?.as_bytes()),
                false => HeaderName::from_bytes(u.arbitrary::<&[u8]>()?),
            };
            let value = match u.arbitrary()? {
                true => HeaderValue::from_bytes(u.choose(VALUES)?.as_bytes()),
                false => HeaderValue::from_bytes(u.arbitrary::<&[u8]>()?),
            };
            if let (Ok(name), Ok(value)) = (name, value) {
                sent.fields.append(name, value);
            }
        }
        Ok(sent)
    }
}

fuzz_target!(|sent: Sent| {
    let Some(router) = ROUTERS.get(sent.router) else { return };
    let server = &router.model().settings().server;
    let connection = ClientConnection::new(sent.peer, Scheme::Http, server);
    let head = RequestHead { method: &sent.method, version: sent.version, target: sent.target };
    let request_id = kept_request_id(&sent.fields).cloned().unwrap_or(HeaderValue::from_static("new"));
    let fresh = Fresh { request_id: &request_id, request_start: &HeaderValue::from_static("t=1") };
    let explained = explain(router, head, &sent.fields, &connection);
    let mut out = sent.fields.clone();
    with_scratch(|scratch| {
        let found = forward(router, head, &mut out, &connection, fresh, sent.credentials, scratch);
        match &found {
            Ok(found) => {
                let number = found.as_ref().map(|found| found.matched.route().number);
                assert_eq!(explained.outcome, Ok(number), "the explanation differs");
                clean(&sent, &out, found.as_ref());
            }
            Err(reject) if reject.status == 401 => assert!(explained.outcome.is_ok(), "{reject}"),
            Err(reject) => assert_eq!(explained.outcome, Err(reject.clone())),
        }
        if let Ok(Some(found)) = found {
            identity(router, &sent, &out, &connection, &found);
        }
    });
});

fn all(headers: &HeaderMap, name: &str) -> Vec<Vec<u8>> {
    headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
}

fn tokens(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(CONNECTION).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    lines.flat_map(|line| line.split(',').map(|token| token.trim().to_ascii_lowercase()).collect::<Vec<_>>()).collect()
}

/// Whatever the peer, nothing that belongs to its own connection goes on.
fn clean(sent: &Sent, out: &HeaderMap, found: Option<&Forward<'_, '_>>) {
    let client_ip = (sent.router == 1 && sent.peer.to_string().starts_with("10.")).then_some("cf-connecting-ip");
    for name in NEVER.iter().filter(|name| Some(**name) != client_ip) {
        assert!(!out.contains_key(*name), "{name} goes on: {sent:?}");
    }
    if found.is_some_and(|found| found.upgrade) {
        assert_eq!((all(out, "connection"), all(out, "upgrade")), (vec![b"upgrade".into()], vec![b"websocket".into()]));
    } else {
        assert!(!out.contains_key(CONNECTION) && !out.contains_key(UPGRADE), "{sent:?}");
    }
    assert!(all(out, "host").len() <= 1, "two Host fields: {sent:?}");
    for name in out.keys().map(HeaderName::as_str).filter(|name| name.contains('_')) {
        let folded = name.replace('_', "-");
        assert!(sent.router == 1, "{name} goes on: {sent:?}");
        assert!(!folded.starts_with("x-forwarded-") && folded != "x-real-ip", "{name} is read as {folded}: {sent:?}");
        assert!(!NEVER.contains(&folded.as_str()), "{name} is read as {folded}: {sent:?}");
    }
    // What the proxy sets cannot be named away, and anything else that is named is gone.
    let own = |name: &str| name.starts_with("x-forwarded-") || name.starts_with("x-re") || name == "x-script-name";
    for named in tokens(&sent.fields) {
        let kept = ["close", "keep-alive", "upgrade", "host", "content-length"].contains(&named.as_str());
        let kept = kept || own(&named) || HeaderName::from_bytes(named.as_bytes()).is_err();
        assert!(kept || !out.contains_key(named.as_str()), "Connection names {named}, which goes on: {sent:?}");
    }
}

/// Who the client is said to be.
fn identity(router: &Router, sent: &Sent, out: &HeaderMap, connection: &ClientConnection, found: &Forward<'_, '_>) {
    assert_eq!(all(out, "host").len(), 1, "{sent:?}");
    assert_eq!(all(out, "x-request-id").len(), 1, "{sent:?}");
    let prefix: Vec<Vec<u8>> = if found.matched.route().number == 1 { vec![b"/strip".into()] } else { vec![] };
    assert_eq!(all(out, "x-script-name"), prefix, "{sent:?}");
    if connection.is_trusted() {
        return;
    }
    assert_eq!((found.client, found.public.scheme), (connection.peer(), Scheme::Http), "{sent:?}");
    let told = router.model().settings().middleware.forward_headers;
    let expect = |name: &str, value: String| {
        let wanted = if told { vec![value.into_bytes()] } else { vec![] };
        assert_eq!(all(out, name), wanted, "{name}: {sent:?}");
    };
    expect("x-forwarded-for", connection.peer().to_string());
    expect("x-real-ip", connection.peer().to_string());
    expect("x-forwarded-proto", "http".to_owned());
    expect("x-forwarded-port", found.public.port.to_string());
    expect("x-request-start", "t=1".to_owned());
    assert_eq!(all(out, "x-forwarded-prefix"), prefix, "{sent:?}");
    let known = ["for", "proto", "host", "port", "prefix"];
    for rest in out.keys().filter_map(|name| name.as_str().strip_prefix("x-forwarded-")) {
        assert!(known.contains(&rest), "x-forwarded-{rest} goes on: {sent:?}");
    }
    if let Some(host) = out.get("x-forwarded-host") {
        assert_eq!(found.public.host.as_ref(), Some(host), "{sent:?}");
        assert_eq!(out.get(HOST), Some(host), "{sent:?}");
    }
}
