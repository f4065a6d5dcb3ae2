//! The four forms of a request target (RFC 9112 section 3.2) and which of them are for us.

use http::StatusCode;

use crate::limits::MAX_TARGET_BYTES;
use crate::method::method_bit;
use crate::path;
use crate::reject::{Reason, Reject, target_too_long};

/// A request target taken apart; every part is a slice of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target<'q> {
    /// The authority of an absolute target; it beats the `Host` field.
    pub(crate) authority: Option<&'q str>,
    /// The path as written, or `/` where an absolute target has none; `None` is `*`.
    pub(crate) path: Option<&'q str>,
    /// The query with its question mark, or empty.
    pub(crate) query: &'q str,
    /// Path and query in the client's own bytes, where they stand together in the target.
    pub(crate) own: Option<&'q str>,
    /// The path is known to be its own normal form.
    pub(crate) plain: bool,
}

/// Takes the target of a request apart. A fragment is cut, as it never belongs on the wire.
///
/// # Errors
/// 405 for CONNECT and TRACE, 414 for a target over the limit, 400 for a method that is no
/// token and for every form that the method does not allow.
#[inline]
pub(crate) fn parse<'q>(method: &str, target: &'q str) -> Result<Target<'q>, Reject> {
    // The usual methods are tokens that any path goes with.
    if method_bit(method) != 0 && target.len() <= MAX_TARGET_BYTES && path::is_plain(target) {
        return Ok(Target { authority: None, path: Some(target), query: "", own: Some(target), plain: true });
    }
    parse_any(method, target)
}

/// As [`parse`], for every target.
fn parse_any<'q>(method: &str, target: &'q str) -> Result<Target<'q>, Reject> {
    if target.len() > MAX_TARGET_BYTES {
        return Err(target_too_long(target.len()));
    }
    if method_bit(method) == 0 {
        check_method(method)?;
    }
    if target.starts_with('/') {
        return split_query(target, None);
    }
    let target = target.split_once('#').map_or(target, |(before, _)| before);
    if target == "*" {
        return match method {
            "OPTIONS" => Ok(Target { authority: None, path: None, query: "", own: None, plain: false }),
            _ => Err(Reject::bad(Reason::BadTarget, "`*` is a target for OPTIONS only")),
        };
    }
    let Some(rest) = strip_scheme(target) else {
        return Err(Reject::bad(Reason::BadTarget, "the target is neither a path nor an absolute http or https URL"));
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, own) = rest.split_at(end);
    if authority.contains('@') {
        return Err(Reject::bad(Reason::BadHost, "the authority has user information"));
    }
    if own.is_empty() && method == "OPTIONS" {
        // RFC 9112 section 3.2.4: an absolute target without a path stands for `*`.
        return Ok(Target { authority: Some(authority), path: None, query: "", own: None, plain: false });
    }
    split_query(own, Some(authority))
}

fn check_method(method: &str) -> Result<(), Reject> {
    if method == "CONNECT" || method == "TRACE" {
        return Err(Reject::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Reason::MethodNotAllowed,
            format!("{method} is not served here"),
        ));
    }
    if !is_token(method) {
        return Err(Reject::bad(Reason::BadMethod, "the method is not a token (RFC 9110 section 9.1)"));
    }
    Ok(())
}

fn split_query<'q>(own: &'q str, authority: Option<&'q str>) -> Result<Target<'q>, Reject> {
    let end = memchr::memchr2(b'?', b'#', own.as_bytes()).unwrap_or(own.len());
    let (path, rest) = own.split_at(end);
    let query = rest.split_once('#').map_or(rest, |(before, _)| before);
    let own = own.get(..path.len() + query.len()).unwrap_or(own);
    if !path::query_is_clean(query) {
        return Err(Reject::bad(
            Reason::BadQuery,
            "the query has a control byte, a space, a quotation mark, `<` or `>`",
        ));
    }
    if path.is_empty() {
        return Ok(Target { authority, path: Some("/"), query, own: None, plain: false });
    }
    Ok(Target { authority, path: Some(path), query, own: Some(own), plain: path::is_plain(path) })
}

fn strip_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")).then_some(rest)
}

/// Whether the text is a token (RFC 9110 section 5.6.2), as methods and field names are.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'|'
                        | b'~'
                )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_are_for_us() {
        let origin = parse("GET", "/a?b=/c?d#e").unwrap();
        assert_eq!((origin.path, origin.query, origin.own), (Some("/a"), "?b=/c?d", Some("/a?b=/c?d")));
        let absolute = parse("GET", "HTTP://h:1/a?b").unwrap();
        assert_eq!((absolute.authority, absolute.own), (Some("h:1"), Some("/a?b")));
        let no_path = parse("GET", "http://h?x=1").unwrap();
        assert_eq!((no_path.path, no_path.query, no_path.own), (Some("/"), "?x=1", None));
        assert_eq!(parse("OPTIONS", "*").unwrap().path, None);
        assert_eq!(parse("OPTIONS", "http://h").unwrap().path, None);
        assert_eq!(parse("GET", "http://h").unwrap().path, Some("/"));
        assert_eq!(parse("GET", "//h/a").unwrap().authority, None);
    }

    #[test]
    fn the_forms_that_are_not() {
        for (method, target) in [
            ("GET", ""),
            ("GET", "*"),
            ("GET", "a"),
            ("GET", "h:80"),
            ("GET", "ftp://h/"),
            ("GET", "http:/h"),
            ("GET", "http://u@h/"),
            ("GET", "#"),
            ("GET", "?a"),
            ("GE T", "/"),
            ("", "/"),
            ("GET", "/?\"x\""),
            ("GET", "/? "),
            ("OPTIONS", "*?a"),
        ] {
            let reject = parse(method, target).unwrap_err();
            assert_eq!(reject.status, StatusCode::BAD_REQUEST, "{method} {target}");
        }
        for method in ["CONNECT", "TRACE"] {
            assert_eq!(parse(method, "/").unwrap_err().status, StatusCode::METHOD_NOT_ALLOWED);
        }
        // Methods are case-sensitive (RFC 9110 section 9.1): this one is unknown, not CONNECT.
        assert!(parse("connect", "/").is_ok());
        let long = format!("/{}", "a".repeat(MAX_TARGET_BYTES));
        assert_eq!(parse("GET", &long).unwrap_err().status, StatusCode::URI_TOO_LONG);
        assert!(parse("GET", &long[..MAX_TARGET_BYTES]).is_ok());
    }
}
