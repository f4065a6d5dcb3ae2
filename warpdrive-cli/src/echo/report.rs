//! A request, written down.

use std::fmt::Write;

use http::request::Parts;
use serde_json::Value;

/// What is told of a request's body.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyDigest {
    pub(super) length: u64,
    pub(super) sha1: [u8; 20],
}

/// The request as JSON, one header field a line, in the order in which they came (fields of one
/// name stand together).
pub(super) fn report(name: &str, head: &Parts, body: &BodyDigest) -> String {
    let mut text = String::from("{\n");
    let mut line = |key: &str, value: Value| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  \"{key}\": {value},");
    };
    line("name", name.into());
    line("method", head.method.as_str().into());
    line("target", head.uri.to_string().into());
    line("version", format!("{:?}", head.version).into());
    let fields: Vec<String> = head
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            format!("    [{}, {}]", Value::from(name.as_str()), Value::from(value))
        })
        .collect();
    let sha1: String = body.sha1.iter().map(|byte| format!("{byte:02x}")).collect();
    let _ = write!(
        text,
        "  \"headers\": [\n{}\n  ],\n  \"body_bytes\": {},\n  \"body_sha1\": \"{sha1}\"\n}}\n",
        fields.join(",\n"),
        body.length
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Request};

    #[test]
    fn a_report_is_json_that_keeps_order_and_quotes() {
        let mut request = Request::post("/a\"b").body(()).unwrap();
        let headers = request.headers_mut();
        headers.append("x-last", HeaderValue::from_static("say \"hi\""));
        headers.append("a-first", HeaderValue::from_bytes(b"\xff").unwrap());
        headers.append("x-last", HeaderValue::from_static("2"));
        let head = request.into_parts().0;
        let text = report("rails", &head, &BodyDigest { length: 3, sha1: [0xab; 20] });
        let json: Value = serde_json::from_str(&text).unwrap();
        let fields = serde_json::json!([["x-last", "say \"hi\""], ["x-last", "2"], ["a-first", "\u{fffd}"]]);
        assert_eq!(json["headers"], fields);
        assert_eq!(json["target"], "/a\"b");
        assert_eq!(json["version"], "HTTP/1.1");
        assert_eq!(json["body_sha1"], "ab".repeat(20));
        assert!(text.starts_with("{\n  \"name\": \"rails\",\n  \"method\": \"POST\",\n"));
    }

    #[test]
    fn a_request_without_fields_is_json_too() {
        let head = Request::new(()).into_parts().0;
        let text = report("a", &head, &BodyDigest { length: 0, sha1: [0; 20] });
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["headers"], serde_json::json!([]));
    }
}
