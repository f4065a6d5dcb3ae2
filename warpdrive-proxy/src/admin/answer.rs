//! What the admin endpoint says.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::status::{METRICS_TYPE, gather, write_metrics};
use crate::worker::Shared;

/// Answers `GET /status` with JSON and `GET /metrics` with text for Prometheus.
pub(super) fn answer(request: &Request<Incoming>, shared: &Shared) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let (status, media_type, text) = match request.uri().path() {
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
