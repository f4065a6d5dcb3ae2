//! Which fields may come after a body (RFC 9110 section 6.5.1).

use http::{HeaderMap, HeaderName};

use crate::fields;

/// Removes from a trailer section, of either direction, what frames or routes a message, says who
/// sent it or what may be done with it.
///
/// Whoever merges trailers into the header, as some servers do, must not get from there what was
/// removed, checked or decided when the header went by. Allocates only where something is removed.
pub fn finish_trailers(trailers: &mut HeaderMap) {
    let doomed: Vec<HeaderName> = trailers.keys().filter(|name| is_forbidden(name.as_str())).cloned().collect();
    for name in doomed {
        trailers.remove(name);
    }
}

fn is_forbidden(name: &str) -> bool {
    match name {
        // Framing.
        "trailer" => true,
        // Credentials and state of a response.
        "proxy-authenticate" | "www-authenticate" | "set-cookie" => true,
        // What is to be done with the request or the response, decided when its header was read.
        "range" | "max-forwards" | "cache-control" | "pragma" | "age" | "date" | "expires" | "location"
        | "retry-after" | "vary" | "content-encoding" | "content-type" | "content-range" | "x-sendfile" => true,
        // Read as another name by CGI, Rack and WSGI.
        _ if name.contains('_') => true,
        _ if name.starts_with("x-accel-") || name.starts_with("if-") => true,
        // What the header rules remove, set or read.
        _ => fields::is_managed(name),
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
        finish_trailers(&mut trailers);
        let mut left: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-digest", "digest", "etag", "grpc-message", "grpc-status", "server-timing", "x-sum"]);
    }

    #[test]
    fn nothing_that_was_decided_with_the_header_stays() {
        for name in [
            "transfer-encoding",
            "content-length",
            "te",
            "trailer",
            "connection",
            "keep-alive",
            "proxy-connection",
            "upgrade",
            "http2-settings",
            "host",
            "forwarded",
            "client-ip",
            "true-client-ip",
            "cf-connecting-ip",
            "x-real-ip",
            "x-request-id",
            "x-request-start",
            "x-script-name",
            "authorization",
            "proxy-authorization",
            "proxy-authenticate",
            "www-authenticate",
            "cookie",
            "set-cookie",
            "x-admin-token",
            "expect",
            "range",
            "max-forwards",
            "cache-control",
            "pragma",
            "age",
            "date",
            "expires",
            "location",
            "retry-after",
            "vary",
            "content-encoding",
            "content-type",
            "content-range",
            "x-sendfile",
            "x-sendfile-type",
            "x-forwarded-anything",
            "x-accel-anything",
            "if-anything",
        ] {
            assert!(is_forbidden(name), "{name}");
        }
    }
}
