//! The access log: one line a request, with what matters and without secrets.

use crate::support::{Instance, Running, value};

#[test]
fn a_line_says_who_asked_what_and_what_came_of_it() {
    let instance = Instance::echo();
    let mut proxy = Running::before(&[instance.address], "", "");
    let answer = proxy.ask(
        "POST /a?reset_token=abc&x=1 HTTP/1.1\r\nHost: a\r\nX-Request-Id: my-id\r\n\
         Cookie: s=cookie-secret\r\nAuthorization: Basic YWJj\r\nContent-Length: 3\r\n\r\nxyz",
    );
    assert_eq!(answer.status(), 200);
    let line = proxy.line();
    assert!(line.starts_with("time=20"));
    for (key, wanted) in [
        ("client", "127.0.0.1"),
        ("method", "POST"),
        ("target", "/a?reset_token=[FILTERED]&x=1"),
        ("protocol", "HTTP/1.1"),
        ("status", "200"),
        ("received", "3"),
        ("upstream", "app"),
        ("route", "1"),
        ("attempts", "1"),
        ("reason", "-"),
        ("id", "my-id"),
    ] {
        assert_eq!(value(&line, key), wanted, "{line}");
    }
    assert_eq!(value(&line, "sent"), answer.body.len().to_string());
    assert_eq!(value(&line, "instance"), instance.address.to_string());
    for secret in ["abc", "cookie-secret", "YWJj"] {
        assert!(!line.contains(secret), "{line}");
    }
    let wire_in: usize = value(&line, "wire_in").parse().unwrap();
    assert!(wire_in > 100);
}

#[test]
fn every_request_has_its_line_also_when_they_are_pipelined() {
    let instance = Instance::echo();
    let mut proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    for number in 0..10 {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    for _ in 0..10 {
        client.answer();
    }
    for number in 0..10 {
        let line = proxy.line();
        assert_eq!(value(&line, "target"), format!("/{number}"));
        assert_eq!(value(&line, "reason"), "-");
    }
}

#[test]
fn an_answer_of_the_proxy_itself_has_a_line_too() {
    let mut proxy = Running::before(&[Instance::echo().address], "", "path_prefix = \"/x\"");
    let answer = proxy.get("/y");
    let line = proxy.line();
    assert_eq!(value(&line, "status"), "404");
    assert_eq!(value(&line, "reason"), "no_route");
    assert_eq!(value(&line, "upstream"), "-");
    assert_eq!(value(&line, "route"), "-");
    assert_eq!(value(&line, "id"), answer.field("x-request-id").unwrap());
    assert_eq!(value(&line, "sent"), answer.body.len().to_string());
}

#[test]
fn a_line_can_be_a_json_object() {
    let instance = Instance::echo();
    let text = crate::support::config("worker_threads = 1", &crate::support::app(&[instance.address], ""));
    let mut proxy = Running::start(&format!("{text}\n[middleware]\nlog_format = \"json\"\n"));
    assert_eq!(proxy.get("/a?token=1&q=%22").status(), 200);
    let line: serde_json::Value = serde_json::from_str(&proxy.line()).unwrap();
    assert_eq!(line["target"], "/a?token=[FILTERED]&q=%22");
    assert_eq!(line["status"], 200);
    assert_eq!(line["route"], 1);
    assert_eq!(line["reason"], serde_json::Value::Null);
    assert_eq!(line["instance"], instance.address.to_string());
    for time in ["ms", "connect_ms", "first_byte_ms"] {
        assert!(line[time].as_f64().is_some_and(|ms| ms > 0.0), "{time} in {line}");
    }
    assert!(line["connect_ms"].as_f64() <= line["ms"].as_f64());
    // An idle connection takes no time to connect.
    assert_eq!(proxy.get("/").status(), 200);
    let line: serde_json::Value = serde_json::from_str(&proxy.line()).unwrap();
    assert_eq!(line["connect_ms"], serde_json::Value::Null);
}

#[test]
fn no_lines_when_they_are_switched_off() {
    let instance = Instance::echo();
    let text = crate::support::config("", &crate::support::app(&[instance.address], ""));
    let mut proxy = Running::start(&format!("{text}\n[middleware]\nlog_requests = false\n"));
    assert_eq!(proxy.get("/silent").status(), 200);
    proxy.proxy.replace(crate::support::model(&text)).unwrap();
    assert_eq!(proxy.get("/loud").status(), 200);
    assert_eq!(value(&proxy.line(), "target"), "/loud");
}
