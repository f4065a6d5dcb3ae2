//! What the admin endpoint says.

use std::convert::Infallible;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::status::{METRICS_TYPE, gather, write_metrics};
use crate::worker::Shared;

/// Who may ask where a question came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// Whoever gets through.
    Anyone,
    /// Programs of this machine. A page in a browser of this machine is none, but could have its own name
    /// lead to a loopback address (DNS rebinding); so `Host` must be an address or `localhost`.
    ThisMachine,
}

impl Asker {
    fn may_ask(self, headers: &HeaderMap) -> bool {
        let Some(host) = headers.get(HOST) else { return true };
        let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
        let host = authority.host();
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        self == Asker::Anyone || host.eq_ignore_ascii_case("localhost") || literal.parse::<IpAddr>().is_ok()
    }
}

/// Answers `GET /status` with JSON and `GET /metrics` with text for Prometheus.
pub(super) fn answer(
    request: &Request<Incoming>,
    asker: Asker,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let (status, media_type, text) = match request.uri().path() {
        _ if !asker.may_ask(request.headers()) => {
            (StatusCode::MISDIRECTED_REQUEST, "text/plain", "ask by the address, or as localhost\n".to_owned())
        }
        "/status" | "/metrics" if !is_read => {
            (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET and HEAD\n".into())
        }
        "/status" => match serde_json::to_string(&gather(shared)) {
            Ok(text) => (StatusCode::OK, "application/json", text + "\n"),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, "text/plain", format!("{error}\n")),
        },
        "/metrics" => (StatusCode::OK, METRICS_TYPE, write_metrics(&gather(shared), shared)),
        _ => (StatusCode::NOT_FOUND, "text/plain", "there are /status and /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    Ok(response)
}
