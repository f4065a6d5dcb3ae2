//! `server.health_path`: what the proxy answers itself.

use std::ffi::OsString;

use http::{HeaderMap, HeaderValue, Method, Version};
use warpdrive_core::config::{Source, load};
use warpdrive_core::forwarding::{RequestHead, is_health_check};
use warpdrive_core::model::{Address, AdminSocket, ServerSettings, Settings};
use warpdrive_core::{Model, Router, Scratch};

const APP: &str = "[upstreams.a]\nport = 1\n";

fn router(server: &str) -> Router {
    Router::from_toml(&format!("[server]\n{server}\n{APP}")).unwrap()
}

fn asks(router: &Router, method: &Method, target: &str, hosts: &[&'static str]) -> bool {
    let mut headers = HeaderMap::new();
    for host in hosts {
        headers.append("host", HeaderValue::from_static(host));
    }
    let version = if hosts.is_empty() { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut scratch = Scratch::new();
    let asks = is_health_check(router, RequestHead { method, version, target }, &headers, &mut scratch);
    if hosts.is_empty() {
        let head = RequestHead { method, version: Version::HTTP_11, target };
        // RFC 9112 section 3.2: without Host, that is a request to refuse.
        assert!(!is_health_check(router, head, &headers, &mut scratch));
    }
    asks
}

#[test]
fn it_is_met_on_any_host_in_any_spelling() {
    let router = router("");
    for target in [
        "/.warpdrive/health",
        "/.warpdrive/health?verbose",
        "/.warpdrive/health#x",
        "//.warpdrive/./health",
        "/x/../.warpdrive/%68ealth",
        "http://other.example/.warpdrive/health",
    ] {
        for method in [Method::GET, Method::HEAD] {
            assert!(asks(&router, &method, target, &["a.example"]), "{method} {target}");
        }
        assert!(asks(&router, &Method::GET, target, &[]), "{target}");
        // The application may have these.
        assert!(!asks(&router, &Method::POST, target, &["a.example"]), "{target}");
        assert!(!asks(&router, &Method::OPTIONS, target, &["a.example"]), "{target}");
    }
    for target in ["/", "/.warpdrive/health/", "/.warpdrive", "/.warpdrive/Health", "*", "/.warpdrive%2Fhealth", "/%"] {
        assert!(!asks(&router, &Method::GET, target, &["a.example"]), "{target}");
    }
    // These are refused as always.
    assert!(!asks(&router, &Method::GET, "/.warpdrive/health", &["a", "b"]));
    assert!(!asks(&router, &Method::GET, "/.warpdrive/health", &["a b"]));
}

#[test]
fn it_can_be_moved_and_switched_off() {
    let moved = router("health_path = \"/a b\"");
    assert!(asks(&moved, &Method::GET, "/a%20b", &["a"]));
    assert!(!asks(&moved, &Method::GET, "/.warpdrive/health", &["a"]));
    for off in ["health_path = false", "health_path = \"\"", "health_path = \"off\""] {
        assert!(!asks(&router(off), &Method::GET, "/.warpdrive/health", &["a"]), "{off}");
    }
    let kept = router("health_path = \"//up\"\nmerge_slashes = false");
    assert!(asks(&kept, &Method::GET, "//up", &["a"]) && !asks(&kept, &Method::GET, "/up", &["a"]));
}

fn server(text: &str, pairs: &[(&str, &str)]) -> ServerSettings {
    let env: Vec<(OsString, OsString)> = pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let text = format!("[server]\n{text}\n{APP}");
    let loaded = load(Source::file("f", &text).with_env(&env)).unwrap();
    assert_eq!(loaded.warnings, []);
    loaded.model.settings().server.clone()
}

#[test]
fn the_admin_keys_are_read_from_file_and_environment() {
    let usual = server("", &[]);
    assert_eq!((&usual.admin_socket, usual.admin_address), (&AdminSocket::Usual, None));
    let file = server("admin_socket = \"/run/a.sock\"\nadmin_address = \"[::1]:9090\"", &[]);
    assert_eq!(file.admin_socket, AdminSocket::At("/run/a.sock".into()));
    assert_eq!(file.admin_address, Some("[::1]:9090".parse().unwrap()));
    let beaten = server(
        "admin_socket = \"/run/a.sock\"\nadmin_address = \"[::1]:9090\"\nhealth_path = \"/a\"",
        &[
            ("WARPDRIVE_ADMIN_SOCKET", "off"),
            ("WARPDRIVE_ADMIN_ADDRESS", "127.0.0.1:1"),
            ("WARPDRIVE_HEALTH_PATH", "/b"),
        ],
    );
    assert_eq!(beaten.admin_socket, AdminSocket::Off);
    assert_eq!(beaten.admin_address, Some("127.0.0.1:1".parse().unwrap()));
    assert_eq!(beaten.health_path.as_deref(), Some("/b"));
    let off = server("admin_socket = false", &[("WARPDRIVE_HEALTH_PATH", "false")]);
    assert_eq!((&off.admin_socket, &off.health_path), (&AdminSocket::Off, &None));
}

#[test]
fn code_is_held_to_the_same_rules() {
    let mistake = |change: &dyn Fn(&mut ServerSettings)| {
        let mut settings = Settings::default();
        change(&mut settings.server);
        let table = Model::builder().settings(settings).upstream("a", [Address::tcp("127.0.0.1", 1)]);
        table.build().err().map(|errors| errors.to_string())
    };
    assert_eq!(mistake(&|_| {}), None);
    let words = mistake(&|server| server.health_path = Some("/a//b".into())).unwrap();
    assert!(words.contains("`/a//b` is not in normal form") && words.contains("write `/a/b`"), "{words}");
    assert!(mistake(&|server| server.health_path = Some("up".into())).unwrap().contains("server.health_path"));
    let words = mistake(&|server| server.admin_socket = AdminSocket::At("x".repeat(200).into())).unwrap();
    assert!(words.contains("server.admin_socket"), "{words}");
}
