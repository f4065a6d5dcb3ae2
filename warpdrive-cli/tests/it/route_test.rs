//! `warpdrive route-test`: which route answers, and why the others did not.

use testkit::{Finished, Json, WorkFolder};

use crate::warpdrive::warpdrive;

const ROUTES: &str = r#"
[server]
admin_token = "s3cret"

[upstreams.rails]
host = "127.0.0.1"
port = 3000

[upstreams.cable]
socket = "/tmp/cable.sock"

[upstreams.sidekiq]
host = "127.0.0.1"
port = 7080

[[routes]]
host = "example.com"
path_prefix = "/cable"
upstream = "cable"
name = "cable"
description = "WebSockets"

[[routes]]
host = "example.com"
path_prefix = "/sidekiq"
upstream = "sidekiq"
strip_prefix = true
require_auth = true
add_headers = [{ name = "X-Backend", value = "sidekiq" }]

[[routes]]
host = "example.com"
path_prefix = "/v2"
header = { name = "X-API-Version", value = "v2" }
upstream = "rails"
"#;

fn route_test(arguments: &[&str]) -> Finished {
    let folder = WorkFolder::new();
    let path = folder.write("routes.toml", ROUTES);
    warpdrive().arg("route-test").arg("--config").arg(path).args(arguments).run()
}

fn json(arguments: &[&str]) -> (Json, Option<i32>) {
    let finished = route_test(&[&["--json", "--host", "Example.com:8080"], arguments].concat());
    let object = finished.stdout.parse();
    (object.unwrap_or_else(|error| panic!("{error}: {finished:?}")), finished.code())
}

#[test]
fn a_routed_request_is_told_in_full() {
    let (object, code) = json(&["GET", "/cable?x=1"]);
    assert_eq!(code, Some(0));
    let mut keys: Vec<&String> = object.as_object().unwrap().keys().collect();
    keys.sort();
    let expected = [
        "allow",
        "code",
        "host",
        "method",
        "outcome",
        "path",
        "reason",
        "removed_headers",
        "request_headers",
        "require_auth",
        "route",
        "status",
        "target",
        "upstream",
        "upstream_target",
    ];
    assert_eq!(keys, expected);
    assert_eq!(object["method"], "GET");
    assert_eq!(object["host"], "example.com");
    assert_eq!(object["target"], "/cable?x=1");
    assert_eq!(object["path"], "/cable");
    assert_eq!(object["outcome"], "routed");
    assert_eq!(object["status"], Json::Null);
    assert_eq!(object["reason"], Json::Null);
    assert_eq!(object["route"]["number"], 1);
    assert_eq!(object["route"]["line"], 16);
    assert_eq!(object["route"]["name"], "cable");
    assert_eq!(object["route"]["description"], "WebSockets");
    assert_eq!(object["upstream"], "cable");
    assert_eq!(object["upstream_target"], "/cable?x=1");
    assert_eq!(object["code"], Json::Null);
    assert_eq!(object["allow"], Json::Null);
    assert_eq!(object["require_auth"], false);
}

#[test]
fn stripping_adding_and_guarding_show() {
    let (object, code) = json(&["POST", "/sidekiq/jobs?page=2"]);
    assert_eq!(code, Some(0));
    assert_eq!(object["route"]["number"], 2);
    assert_eq!(object["route"]["name"], Json::Null);
    assert_eq!(object["upstream_target"], "/jobs?page=2");
    assert_eq!(object["require_auth"], true);
    assert_eq!(set(&object, "x-backend"), ["sidekiq"]);
    assert_eq!(set(&object, "x-forwarded-prefix"), ["/sidekiq"]);
    assert_eq!(set(&object, "x-script-name"), ["/sidekiq"]);
}

/// The values that a field is set to; empty where it is not set.
fn set(object: &Json, name: &str) -> Vec<Json> {
    let fields = object["request_headers"].as_array().unwrap();
    fields.iter().filter(|field| field[0] == name).map(|field| field[1].clone()).collect()
}

#[test]
fn every_field_that_the_upstream_gets_otherwise_is_told() {
    let arguments = ["--client", "192.0.2.7", "-H", "X-Forwarded-For: 6.6.6.6", "-H", "Connection: X-Hop, close"];
    let more = ["-H", "X-Hop: 1", "-H", "X_Real_Ip: 6.6.6.6", "-H", "Accept: text/html", "GET", "/cable"];
    let (object, code) = json(&[&arguments[..], &more].concat());
    assert_eq!(code, Some(0));
    let expected = r#"[
        ["x-forwarded-for", "192.0.2.7"],
        ["x-forwarded-host", "Example.com:8080"],
        ["x-forwarded-port", "8080"],
        ["x-forwarded-proto", "http"],
        ["x-real-ip", "192.0.2.7"],
        ["x-request-id", null],
        ["x-request-start", null]
    ]"#;
    assert_eq!(object["request_headers"], expected.parse::<Json>().unwrap());
    assert_eq!(object["removed_headers"], r#"["connection", "x-hop", "x_real_ip"]"#.parse::<Json>().unwrap());
}

#[test]
fn a_field_that_goes_on_as_it_came_is_not_told() {
    let (object, _) = json(&["-H", "X-Request-Id: abc", "-H", "Cookie: a=1", "GET", "/cable"]);
    assert_eq!(set(&object, "x-request-id"), Vec::<Json>::new());
    assert_eq!(set(&object, "cookie"), Vec::<Json>::new());
    assert_eq!(object["removed_headers"], Json::Array(Vec::new()));
    let (object, _) = json(&["-H", "X-Request-Id: not an id", "GET", "/cable"]);
    assert_eq!(set(&object, "x-request-id"), [Json::Null]);
}

#[test]
fn the_text_tells_what_is_set_and_explains_what_is_removed() {
    let plain = ["--host", "example.com", "-H", "TE: trailers", "GET", "/sidekiq"];
    let finished = route_test(&plain);
    for line in ["sets x-backend: sidekiq", "sets x-forwarded-prefix: /sidekiq", "sets x-forwarded-proto: http"] {
        assert!(finished.stdout.contains(&format!("  {line}\n")), "{line}: {}", finished.stdout);
    }
    assert!(finished.stdout.contains("sets x-request-id: (new for each request)"), "{}", finished.stdout);
    assert!(!finished.stdout.contains("removes"), "{}", finished.stdout);
    let finished = route_test(&[&["--explain"], &plain[..]].concat());
    assert!(finished.stdout.contains("  removes te\n"), "{}", finished.stdout);
}

#[test]
fn a_request_without_a_host_can_be_asked() {
    let folder = WorkFolder::new();
    let path = folder.write("any.toml", "[upstreams.a]\nport = 1\n");
    let ask = |arguments: &[&str]| {
        let program = warpdrive().args(["route-test", "--json", "--config"]).arg(&path);
        program.args(arguments).run()
    };
    let finished = ask(&["--no-host", "GET", "/"]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let object = finished.stdout.parse::<Json>().unwrap();
    assert_eq!(object["host"], Json::Null);
    assert_eq!(set(&object, "host"), ["localhost"]);
    assert_eq!(ask(&["--no-host", "--host", "a", "GET", "/"]).code(), Some(64));
}

#[test]
fn a_field_value_may_be_any_bytes() {
    use std::os::unix::ffi::OsStringExt;
    let folder = WorkFolder::new();
    let header = "header = { name = \"X\", regex = \"^\\\\xFF$\" }";
    let path = folder.write("bytes.toml", format!("[upstreams.a]\nport = 1\n[[routes]]\n{header}\nupstream = \"a\"\n"));
    let program = warpdrive().args(["route-test", "--config"]).arg(path);
    let field = std::ffi::OsString::from_vec(b"X: \xff".to_vec());
    let finished = program.arg("-H").arg(field).args(["GET", "/"]).run();
    assert_eq!(finished.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
}

#[test]
fn a_refusal_has_a_word_and_an_allow_list() {
    let (object, code) = json(&["GET", "/%zz"]);
    assert_eq!((code, &object["code"]), (Some(1), &"bad_path".into()));
    assert!(object["reason"].is_string());
    assert_eq!(object["request_headers"], Json::Null);
    let folder = WorkFolder::new();
    let routes = ROUTES
        .replace("[server]", "[server]\nmethod_not_allowed = true")
        .replace("strip_prefix", "methods = [\"PUT\"]\nstrip_prefix");
    let path = folder.write("allow.toml", routes);
    let program = warpdrive().args(["route-test", "--json", "--host", "example.com", "--config"]).arg(path);
    let object = program.args(["GET", "/sidekiq"]).run().stdout.parse::<Json>().unwrap();
    assert_eq!((&object["status"], &object["code"]), (&405.into(), &"method_not_allowed".into()));
    assert_eq!(object["allow"], "PUT");
}

#[test]
fn header_conditions_read_what_is_given() {
    assert_eq!(json(&["GET", "/v2/users"]).1, Some(1));
    let (object, code) = json(&["-H", "x-api-version: v2", "GET", "/v2/users"]);
    assert_eq!((code, &object["upstream"]), (Some(0), &"rails".into()));
}

#[test]
fn no_route_is_an_outcome() {
    let (object, code) = json(&["GET", "/nothing/here"]);
    assert_eq!(code, Some(1));
    assert_eq!(object["outcome"], "no_route");
    assert_eq!(object["status"], 404);
    for absent in ["route", "upstream", "upstream_target", "require_auth"] {
        assert_eq!(object[absent], Json::Null, "{absent}");
    }
}

#[test]
fn any_target_and_any_host_is_an_outcome() {
    for target in ["/%zz", "/../up", "nonsense", "", "/a b", "/\u{e9}"] {
        let (object, code) = json(&["GET", target]);
        assert_eq!(code, Some(1), "{target:?}");
        assert!(object["reason"].is_string() || object["outcome"] == "no_route", "{target:?}");
    }
    let (object, code) = json(&["GET", "/%zz"]);
    assert_eq!((code, &object["outcome"]), (Some(1), &"rejected".into()));
    assert_eq!(object["status"], 400);
    let finished = route_test(&["--json", "--host", "exa mple", "GET", "/cable"]);
    assert_eq!(finished.code(), Some(1));
    assert_eq!(finished.stdout.parse::<Json>().unwrap()["outcome"], "rejected");
}

#[test]
fn an_absolute_target_brings_its_own_host() {
    let finished = route_test(&["--json", "--host", "other", "GET", "http://example.com/cable"]);
    assert_eq!(finished.code(), Some(0));
    assert_eq!(finished.stdout.parse::<Json>().unwrap()["host"], "example.com");
}

#[test]
fn the_text_for_people_names_route_and_upstream() {
    let finished = route_test(&["--host", "example.com", "GET", "/cable"]);
    assert_eq!(finished.code(), Some(0));
    assert!(finished.stdout.contains("/tmp/cable.sock"), "{}", finished.stdout);
    assert!(finished.stdout.contains("WebSockets"), "{}", finished.stdout);
}

#[test]
fn where_only_the_host_failed_the_command_that_matches_is_shown() {
    let finished = route_test(&["GET", "/cable"]);
    assert_eq!(finished.code(), Some(1));
    assert!(finished.stdout.contains("localhost"), "{}", finished.stdout);
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert!(said.contains("--host example.com"), "{said}");
    assert!(said.contains("GET /cable"), "{said}");
}

#[test]
fn mistakes_in_the_file_and_in_the_arguments_have_their_own_codes() {
    let folder = WorkFolder::new();
    let path = folder.write("bad.toml", "[[routes]]\nupstream = \"nobody\"\n");
    let program = warpdrive().arg("route-test").arg("--config").arg(path);
    let finished = program.args(["GET", "/"]).run();
    assert_eq!((finished.code(), finished.stdout.as_str()), (Some(2), ""));
    assert!(finished.stderr.contains("nobody"), "{}", finished.stderr);
    for wrong in [&["GET"][..], &["--jsno", "GET", "/"], &["-H", "no colon", "GET", "/"]] {
        let finished = route_test(wrong);
        assert_eq!((finished.code(), finished.stdout.as_str()), (Some(64), ""), "{wrong:?}");
    }
}

#[test]
fn variables_alone_are_a_configuration_too() {
    let folder = WorkFolder::new();
    let program = warpdrive().args(["route-test", "--json", "GET", "/posts?a=b"]);
    let finished = program.cwd(folder.path()).env("WARPDRIVE_TARGET_PORT", "3000").run();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_eq!(finished.stdout.parse::<Json>().unwrap()["upstream_target"], "/posts?a=b");
}
