//! The head of a request in HTTP/2 (RFC 9113 section 8.3).

use http::header::{CONNECTION, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Uri, Version, request};

/// The same request with the fields that HTTP/2 has in place of others: `:scheme`, and `:authority` for
/// `Host`. What speaks of an HTTP/1.1 connection is left out (section 8.2.2), and `TE` says that trailers
/// are welcome. A target of `*` stays one.
pub(in super::super) fn encode(head: &request::Parts) -> Option<Request<()>> {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
    let authority = Authority::try_from(head.headers.get(HOST)?.as_bytes()).ok()?;
    let uri =
        Uri::builder().scheme(Scheme::HTTP).authority(authority).path_and_query(head.uri.path_and_query()?.clone());
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri.build().ok()?;
    *request.version_mut() = Version::HTTP_2;
    let mut headers = head.headers.clone();
    for name in [HOST, CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    headers.insert(TE, HeaderValue::from_static("trailers"));
    *request.headers_mut() = headers;
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_connection_stays_behind() {
        let request = Request::get("/a?b=c")
            .header("host", "ex.com:8080")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("transfer-encoding", "chunked")
            .header("keep-alive", "1")
            .header("proxy-connection", "1")
            .header("x-a", "1")
            .header("cookie", "a=1; b=2");
        let sent = encode(&request.body(()).unwrap().into_parts().0).unwrap();
        assert_eq!(sent.uri(), "http://ex.com:8080/a?b=c");
        let mut fields: Vec<_> =
            sent.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        fields.sort_unstable();
        assert_eq!(fields, [("cookie", "a=1; b=2"), ("te", "trailers"), ("x-a", "1")]);
    }

    #[test]
    fn a_star_stays_a_star() {
        let request = Request::options("*").header("host", "ex").body(()).unwrap();
        assert_eq!(encode(&request.into_parts().0).unwrap().uri().path(), "*");
    }
}
