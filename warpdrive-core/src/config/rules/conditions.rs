//! Conditions of a route: host, path, methods, header fields.

use http::{HeaderName, HeaderValue, Method};

use super::Mistake;
use crate::config::Code;
use crate::host::HostPattern;
use crate::pattern::{PathRegex, PathRule, PatternError};
use crate::target;

/// A host pattern.
pub(crate) fn host(text: &str) -> Result<HostPattern, Mistake> {
    HostPattern::parse(text).map_err(|error| Mistake::new(Code::BadHost, format!("`{text}`: {error}"), error.hint()))
}

/// A list of alternatives that has none.
pub(crate) fn none_listed(things: &str) -> Mistake {
    Mistake::of_key(
        Code::BadValue,
        "is empty, so no request could match",
        format!("list {things}, or leave the key out"),
    )
}

/// The three keys that give a route its path condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathKey {
    Prefix,
    Exact,
    Regex,
}

impl PathKey {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            PathKey::Prefix => "path_prefix",
            PathKey::Exact => "path_exact",
            PathKey::Regex => "path_regex",
        }
    }
}

/// A path condition. `merge` is `server.merge_slashes`.
pub(crate) fn path(key: PathKey, text: &str, merge: bool) -> Result<PathRule, Mistake> {
    match key {
        PathKey::Prefix => PathRule::prefix(text, merge).map_err(|error| pattern(Code::BadPath, &error)),
        PathKey::Exact => PathRule::exact(text, merge).map_err(|error| pattern(Code::BadPath, &error)),
        PathKey::Regex => PathRule::regex(text).map_err(|error| pattern(Code::BadRegex, &error)),
    }
}

/// A route with more than one path condition. `owner` is such as `route 2`.
pub(crate) fn two_paths(owner: &str) -> Mistake {
    Mistake::new(
        Code::ConflictingKeys,
        format!("`{owner}` has two path conditions"),
        "a route has one of path_prefix, path_exact and path_regex",
    )
}

pub(super) fn pattern(code: Code, error: &PatternError) -> Mistake {
    Mistake::of_key(code, error.to_string(), error.hint())
}

/// A method that a route can see.
pub(crate) fn method(text: &str) -> Result<Method, Mistake> {
    match target::is_token(text).then(|| Method::from_bytes(text.as_bytes()).ok()).flatten() {
        Some(Method::CONNECT | Method::TRACE) => {
            Err(Mistake::new(Code::BadMethod, format!("`{text}` is answered 405 before any route"), "leave it out"))
        }
        Some(method) => Ok(method),
        None => Err(Mistake::new(
            Code::BadMethod,
            format!("`{text}` is not a method"),
            "methods are words such as GET; case counts",
        )),
    }
}

/// The name of a header field.
pub(crate) fn field_name(text: &str) -> Result<HeaderName, Mistake> {
    HeaderName::from_bytes(text.as_bytes()).map_err(|_| {
        Mistake::new(
            Code::BadHeader,
            format!("`{text}` is not a field name"),
            "field names have letters, digits and `-`",
        )
    })
}

/// The value of a header field. White space around a value is no part of it (RFC 9110 section
/// 5.5), so it could never match.
pub(crate) fn field_value(text: &str) -> Result<HeaderValue, Mistake> {
    match HeaderValue::from_str(text) {
        Ok(value) if text.trim_ascii() == text => Ok(value),
        _ => Err(Mistake::of_key(
            Code::BadHeader,
            "is not a field value",
            "a value has no line breaks, no control bytes, and no space at either end",
        )),
    }
}

/// The expression that a field value is to match.
pub(crate) fn field_regex(text: &str) -> Result<PathRegex, Mistake> {
    PathRegex::new(text).map_err(|error| pattern(Code::BadRegex, &error))
}
