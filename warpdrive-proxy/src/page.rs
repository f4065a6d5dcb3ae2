//! The proxy's own answers: short, for people or for programs, and never without a reason.

use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER, SERVER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use memchr::memchr2;
use std::borrow::Cow;

use crate::limits::RETRY_AFTER_SECS;

const ERROR_REASON: HeaderName = HeaderName::from_static("x-warpdrive-error");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why a request is answered by the proxy itself.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    /// A stable word for logs, monitors and the `X-WarpDrive-Error` field.
    pub(crate) reason: &'static str,
    /// One sentence for people.
    pub(crate) sentence: Cow<'static, str>,
    /// The `Allow` field of a 405.
    pub(crate) allow: Option<HeaderValue>,
    /// Whether the connection cannot be used any more.
    pub(crate) close: bool,
}

impl Failure {
    /// A failure after which the connection goes on.
    pub(crate) fn new(status: StatusCode, reason: &'static str, sentence: impl Into<Cow<'static, str>>) -> Self {
        Failure { status, reason, sentence: sentence.into(), allow: None, close: false }
    }

    /// The same, with the connection closed after the answer.
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }
}

/// The answer to `failure`, as JSON or for people.
///
/// `head_only` leaves the body out and keeps its length, as HEAD wants it.
pub(crate) fn answer(
    failure: &Failure,
    request_id: Option<&HeaderValue>,
    as_json: bool,
    head_only: bool,
) -> Response<Bytes> {
    let id = request_id.and_then(|id| id.to_str().ok()).unwrap_or("-");
    let (content_type, text) =
        if as_json { ("application/json", json(failure, id)) } else { ("text/html; charset=utf-8", html(failure, id)) };
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = failure.status;
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("warpdrive"));
    headers.insert(ERROR_REASON, HeaderValue::from_static(failure.reason));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    if let Some(id) = request_id {
        headers.insert(REQUEST_ID, id.clone());
    }
    add_status_fields(headers, failure);
    if failure.close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if !head_only {
        *response.body_mut() = Bytes::from(text);
    }
    response
}

/// Fields that a status requires.
fn add_status_fields(headers: &mut HeaderMap, failure: &Failure) {
    match failure.status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"warpdrive\""));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            // Required with a 405; empty says that no method would do.
            let allow = failure.allow.clone();
            headers.insert(ALLOW, allow.unwrap_or(HeaderValue::from_static("")));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECS));
        }
        _ => {}
    }
}

fn phrase(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

fn html(failure: &Failure, id: &str) -> String {
    let code = failure.status.as_u16();
    let phrase = phrase(failure.status);
    let sentence = escape_html(&failure.sentence);
    let id = escape_html(id);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <title>{code} {phrase}</title></head>\n<body>\n<h1>{code} {phrase}</h1>\n\
         <p>{sentence}</p>\n<p><small>Request {id}</small></p>\n</body>\n</html>\n"
    )
}

fn json(failure: &Failure, id: &str) -> String {
    format!(
        "{{\"status\":{},\"error\":\"{}\",\"reason\":\"{}\",\"message\":\"{}\",\
         \"request_id\":\"{}\"}}\n",
        failure.status.as_u16(),
        phrase(failure.status),
        failure.reason,
        escape_json(&failure.sentence),
        escape_json(id),
    )
}

fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            control if control.is_control() => escaped.push('\u{fffd}'),
            plain => escaped.push(plain),
        }
    }
    escaped
}

fn escape_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            control if control < ' ' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// Whether JSON is named in `Accept` with a weight above that of HTML.
///
/// Wildcards count for HTML: a person with a browser or curl did not ask for JSON.
pub(crate) fn prefers_json(accept: Option<&HeaderValue>) -> bool {
    // What browsers send has no `j` at all, and every request is asked.
    let accept = accept.filter(|value| memchr2(b'j', b'J', value.as_bytes()).is_some());
    let Some(accept) = accept.and_then(|value| value.to_str().ok()) else { return false };
    let (mut json, mut html) = (0, 0);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let weight = parts
            .find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")))
            .map_or(1000, weight_in_thousandths);
        if media.eq_ignore_ascii_case("application/json")
            || media.rsplit_once('+').is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"))
        {
            json = json.max(weight);
        } else if media.eq_ignore_ascii_case("text/html") {
            html = html.max(weight);
        }
    }
    json > html
}

/// `0.8` is 800; what is no weight counts as none.
fn weight_in_thousandths(text: &str) -> u32 {
    match text.parse::<f32>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0) as u32,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Failure {
        Failure::new(StatusCode::BAD_GATEWAY, "upstream_connect", "No instance of `<app>` took the connection.")
    }

    fn accept(text: &'static str) -> HeaderValue {
        HeaderValue::from_static(text)
    }

    #[test]
    fn json_only_where_it_is_asked_for() {
        assert!(prefers_json(Some(&accept("application/json"))));
        assert!(prefers_json(Some(&accept("text/html;q=0.5, application/problem+json"))));
        assert!(!prefers_json(Some(&accept("*/*"))));
        assert!(!prefers_json(Some(&accept("text/html, application/json;q=0.9"))));
        assert!(!prefers_json(Some(&accept("application/json;q=0"))));
        assert!(!prefers_json(None));
    }

    #[test]
    fn a_page_escapes_what_it_quotes() {
        let id = HeaderValue::from_static("a\"b");
        let page = answer(&failure(), Some(&id), false, false);
        let text = String::from_utf8(page.body().to_vec()).unwrap();
        assert!(text.contains("&lt;app&gt;") && !text.contains("<app>"));
        assert!(text.contains("a&quot;b"));
        assert_eq!(page.headers()["content-length"], text.len().to_string().as_str());
        assert_eq!(page.headers()["x-warpdrive-error"], "upstream_connect");
        assert_eq!(page.headers()["x-request-id"], "a\"b");
        assert!(!page.headers().contains_key("connection"));
    }

    #[test]
    fn json_is_escaped_too() {
        let id = HeaderValue::from_static("a\"b");
        let page = answer(&failure(), Some(&id), true, false);
        let text = String::from_utf8(page.body().to_vec()).unwrap();
        assert!(text.contains("\"request_id\":\"a\\\"b\""));
        assert_eq!(page.headers()["content-type"], "application/json");
    }

    #[test]
    fn head_gets_the_length_and_no_body() {
        let page = answer(&failure(), None, false, true);
        assert!(page.body().is_empty());
        assert_ne!(page.headers()["content-length"], "0");
    }

    #[test]
    fn statuses_bring_their_fields() {
        let unauthorized = Failure::new(StatusCode::UNAUTHORIZED, "credentials", "");
        let page = answer(&unauthorized.closing(), None, false, false);
        assert_eq!(page.headers()["www-authenticate"], "Basic realm=\"warpdrive\"");
        assert_eq!(page.headers()["connection"], "close");
        let unavailable = Failure::new(StatusCode::SERVICE_UNAVAILABLE, "no_instance", "");
        assert!(answer(&unavailable, None, false, false).headers().contains_key("retry-after"));
    }
}
