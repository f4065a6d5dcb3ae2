//! What must hold of a request and of a response before anything is done with it.

use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode, Version, request, response};

use crate::limits::TARGET_BYTES;
use crate::page::Failure;
use crate::upstream::Coding;

/// The fields of a request that frame its message, found in one pass: most heads have one of them, and a look-up for
/// each that is missing costs more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    length: bool,
    coding: Coding,
    expects: bool,
    /// `X-Forwarded-Proto`: no framing, but found on the way.
    pub(super) forwarded: bool,
}

impl Seen {
    fn of(headers: &HeaderMap) -> Self {
        let mut seen = Seen::default();
        for (name, value) in headers {
            match name.as_str() {
                "content-length" => seen.length = true,
                "transfer-encoding" => seen.coding = seen.coding.and(value.as_bytes()),
                "expect" => seen.expects = true,
                "x-forwarded-proto" => seen.forwarded = true,
                _ => {}
            }
        }
        seen
    }
}

/// What hyper lets through and no instance should see.
pub(super) fn request(head: &request::Parts) -> Result<Seen, Failure> {
    let target = head.uri.path_and_query().map_or(0, |it| it.as_str().len());
    let authority = head.uri.authority().map_or(0, |it| it.as_str().len());
    if target + authority > TARGET_BYTES {
        return Err(Failure::new(
            StatusCode::URI_TOO_LONG,
            "target_too_long",
            "The request target is longer than 32 KiB.",
        )
        .closing());
    }
    let seen = Seen::of(&head.headers);
    if matches!(seen.coding, Coding::Others { .. }) {
        return Err(Failure::new(
            StatusCode::NOT_IMPLEMENTED,
            "transfer_coding",
            "The only transfer coding understood here is chunked.",
        )
        .closing());
    }
    // A client of HTTP/1.0 cannot wait for an interim answer; its field is ignored.
    if head.version != Version::HTTP_10 && seen.expects && !expects_nothing_unknown(&head.headers) {
        return Err(Failure::new(
            StatusCode::EXPECTATION_FAILED,
            "unknown_expectation",
            "The only expectation understood here is 100-continue.",
        ));
    }
    Ok(seen)
}

fn expects_nothing_unknown(headers: &HeaderMap) -> bool {
    headers.get_all(EXPECT).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Makes the head say how the body is framed towards the instance.
///
/// hyper's client takes a GET without a length for one without a body, so chunks are announced by
/// hand. `Expect` goes on where there is a body to wait for.
pub(super) fn frame_body(
    head: &mut request::Parts,
    seen: Seen,
    has_body: bool,
    max_body_bytes: Option<u64>,
) -> Result<(), Failure> {
    if seen.expects && (!has_body || head.version == Version::HTTP_10) {
        head.headers.remove(EXPECT);
    }
    if seen.coding != Coding::None {
        head.headers.remove(TRANSFER_ENCODING);
    }
    let length = seen.length.then(|| head.headers.get(CONTENT_LENGTH)).flatten();
    let length = length.and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    if let (Some(length), Some(limit)) = (length, max_body_bytes)
        && length > limit
    {
        return Err(body_too_large().closing());
    }
    if has_body && length.is_none() {
        head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    Ok(())
}

pub(super) fn body_too_large() -> Failure {
    Failure::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "The request body is larger than this server accepts.",
    )
}

/// What an instance may not answer, whatever it could be read as.
pub(super) fn response(head: &response::Parts, upgrade: bool) -> Result<(), Failure> {
    let status = head.status.as_u16();
    if status == 101 && !(upgrade && switches_to_websocket(&head.headers)) {
        Err(invalid("The upstream switched to a protocol that was not asked for."))
    } else if status > 599 {
        Err(invalid("The upstream answered with a status that does not exist."))
    } else {
        Ok(())
    }
}

/// The answer to a response that nobody may have.
pub(super) fn invalid(sentence: &'static str) -> Failure {
    Failure::new(StatusCode::BAD_GATEWAY, "upstream_invalid_response", sentence)
}

fn switches_to_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(UPGRADE).iter();
    match (protocols.next(), protocols.next()) {
        (Some(protocol), None) => protocol.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(fields: &[(&'static str, &'static str)]) -> request::Parts {
        let mut request = Request::new(());
        for (name, value) in fields {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request.into_parts().0
    }

    fn status(fields: &[(&'static str, &'static str)]) -> Option<u16> {
        request(&head(fields)).err().map(|it| it.status.as_u16())
    }

    #[test]
    fn only_chunked_alone_is_understood() {
        assert_eq!(status(&[]), None);
        assert_eq!(status(&[("transfer-encoding", "Chunked")]), None);
        assert_eq!(status(&[("transfer-encoding", "gzip, chunked")]), Some(501));
        let twice = [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        assert_eq!(status(&twice), Some(501));
    }

    #[test]
    fn unknown_expectations_fail() {
        assert_eq!(status(&[("expect", "100-Continue")]), None);
        assert_eq!(status(&[("expect", "200-maybe")]), Some(417));
        let mut old = head(&[("expect", "200-maybe")]);
        old.version = Version::HTTP_10;
        assert!(request(&old).is_ok());
    }

    #[test]
    fn a_body_without_a_length_is_chunked_and_one_with_a_length_is_not() {
        let mut chunked = head(&[("transfer-encoding", "chunked"), ("expect", "100-continue")]);
        let seen = request(&chunked).unwrap();
        frame_body(&mut chunked, seen, true, None).unwrap();
        assert_eq!(chunked.headers["transfer-encoding"], "chunked");
        assert!(chunked.headers.contains_key("expect"));
        let mut bodiless = head(&[("expect", "100-continue")]);
        let seen = request(&bodiless).unwrap();
        frame_body(&mut bodiless, seen, false, None).unwrap();
        assert!(!bodiless.headers.contains_key("expect"));
        let mut sized = head(&[("content-length", "5")]);
        let seen = request(&sized).unwrap();
        frame_body(&mut sized, seen, true, Some(5)).unwrap();
        assert!(!sized.headers.contains_key("transfer-encoding"));
        let seen = request(&sized).unwrap();
        let failure = frame_body(&mut sized, seen, true, Some(4)).unwrap_err();
        assert_eq!(failure.status.as_u16(), 413);
        assert!(failure.close);
    }
}
