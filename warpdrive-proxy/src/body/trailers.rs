//! Which fields may come after a body (RFC 9110 section 6.5.1).
//!
//! Whoever merges trailers into the header, as some servers do, must not get from there what was
//! removed, checked or decided when the header went by.

use http::{HeaderMap, HeaderName};

/// Removes what frames or routes a message, says who sent it or what may be done with it.
pub(super) fn remove_forbidden(trailers: &mut HeaderMap) {
    let doomed: Vec<HeaderName> = trailers.keys().filter(|name| is_forbidden(name.as_str())).cloned().collect();
    for name in doomed {
        trailers.remove(name);
    }
}

fn is_forbidden(name: &str) -> bool {
    match name {
        // Framing, and the connection.
        "transfer-encoding" | "content-length" | "te" | "trailer" | "connection" | "keep-alive"
        | "proxy-connection" | "upgrade" | "http2-settings" => true,
        // Routing, and who asks.
        "host" | "forwarded" | "client-ip" | "true-client-ip" | "cf-connecting-ip" | "x-real-ip" | "x-request-id"
        | "x-request-start" | "x-script-name" => true,
        // Credentials and state.
        "authorization"
        | "proxy-authorization"
        | "proxy-authenticate"
        | "www-authenticate"
        | "cookie"
        | "set-cookie"
        | "x-admin-token" => true,
        // What is to be done with the request or the response, decided when its header was read.
        "expect" | "range" | "max-forwards" | "cache-control" | "pragma" | "age" | "date" | "expires" | "location"
        | "retry-after" | "vary" | "content-encoding" | "content-type" | "content-range" | "x-sendfile"
        | "x-sendfile-type" => true,
        // Read as another name by CGI, Rack and WSGI.
        _ if name.contains('_') => true,
        _ => ["x-forwarded-", "x-accel-", "if-"].iter().any(|start| name.starts_with(start)),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_describes_the_body_stays() {
        let mut trailers = HeaderMap::new();
        for name in [
            "digest",
            "content-digest",
            "etag",
            "grpc-status",
            "grpc-message",
            "server-timing",
            "x-sum",
            "content-length",
            "host",
            "cookie",
            "x-forwarded-for",
            "x_sum",
            "if-match",
            "x-accel-redirect",
            "authorization",
        ] {
            trailers.append(HeaderName::from_static(name), HeaderValue::from_static("1"));
            trailers.append(HeaderName::from_static(name), HeaderValue::from_static("2"));
        }
        remove_forbidden(&mut trailers);
        let mut left: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-digest", "digest", "etag", "grpc-message", "grpc-status", "server-timing", "x-sum"]);
    }
}
