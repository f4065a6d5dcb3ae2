//! The header fields of a response on its way back to the client.

use http::header::{self, HeaderMap, HeaderValue};

use crate::fields;
use crate::forward::{PublicOrigin, Scheme};
use crate::host;
use crate::model::{PathAction, Route};
use crate::pattern::PathRule;

/// Removes hop-by-hop fields, puts a stripped prefix back in front of a same-site `Location`
/// (and of cookie paths where the route asks for it), and sets the route's `response_headers`.
pub fn finish_response(route: &Route, public: &PublicOrigin, headers: &mut HeaderMap) {
    fields::remove_hop_by_hop(headers);
    if let (PathAction::StripPrefix, PathRule::Prefix(prefix)) = (&route.action, &route.path) {
        if route.rewrite_location && prefix != "/" {
            let moved = headers.get(header::LOCATION).and_then(|value| under_prefix(value, prefix, public));
            if let Some(value) = moved {
                headers.insert(header::LOCATION, value);
            }
        }
        if route.rewrite_cookie_paths && prefix != "/" {
            for (_, value) in headers.iter_mut().filter(|(name, _)| *name == header::SET_COOKIE) {
                if let Some(moved) = cookie_under_prefix(value, prefix) {
                    *value = moved;
                }
            }
        }
    }
    for (name, value) in &route.response_headers {
        headers.insert(name.clone(), value.clone());
    }
}

/// Removes what an interim response (1xx) may not carry on: hop-by-hop fields, and what would say
/// something about a body, which it has none of (RFC 9110 section 8.6, RFC 9112 section 6.1).
pub fn finish_interim_response(headers: &mut HeaderMap) {
    fields::remove_hop_by_hop(headers);
    headers.remove(header::CONTENT_LENGTH);
}

/// The value with the prefix put back; `None` where it is to stay as it is: another site, a
/// relative reference, or a path that is under the prefix already.
fn under_prefix(value: &HeaderValue, prefix: &str, public: &PublicOrigin) -> Option<HeaderValue> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?;
    let path_at = same_site_path(text, public)?;
    let (origin, path) = text.split_at(path_at);
    let only_path = path.find(['?', '#']).map_or(path, |end| path.get(..end).unwrap_or(path));
    if PathRule::Prefix(prefix.to_owned()).accepts(Some(only_path)) {
        return None;
    }
    HeaderValue::from_str(&format!("{origin}{prefix}{path}")).ok()
}

/// Where the path of a reference to this site begins.
fn same_site_path(text: &str, public: &PublicOrigin) -> Option<usize> {
    if text.starts_with('/') && !text.starts_with("//") {
        return Some(0);
    }
    let (scheme, authority_at) = match text.split_once("//") {
        Some(("", _)) => (public.scheme, 2),
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("http:") => (Scheme::Http, 7),
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("https:") => (Scheme::Https, 8),
        _ => return None,
    };
    let rest = text.get(authority_at..)?;
    let length = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..length)?;
    let (mut theirs, mut ours) = (String::new(), String::new());
    let port = host::canonical(authority.as_bytes(), &mut theirs).ok()?;
    host::canonical(public.host.as_ref()?.as_bytes(), &mut ours).ok()?;
    let same_port = match port {
        Some(port) => port == public.port,
        // `https://host/` from a site on http is the same site on its way to TLS.
        None => scheme != public.scheme || public.port == if scheme == Scheme::Https { 443 } else { 80 },
    };
    (theirs == ours && same_port).then_some(authority_at + length)
}

/// The cookie with its `Path` put under the prefix. `__Host-` cookies have `Path=/` by definition
/// (RFC 6265bis section 4.1.3.2) and stay as they are.
fn cookie_under_prefix(value: &HeaderValue, prefix: &str) -> Option<HeaderValue> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?;
    if text.trim_start().get(..7).is_some_and(|start| start.eq_ignore_ascii_case("__host-")) {
        return None;
    }
    let mut parts: Vec<String> = text.split(';').map(str::to_owned).collect();
    let mut changed = false;
    for part in parts.iter_mut().skip(1) {
        let Some((name, path)) = part.split_once('=') else { continue };
        let path = path.trim();
        if !name.trim().eq_ignore_ascii_case("path") || !path.starts_with('/') {
            continue;
        }
        if PathRule::Prefix(prefix.to_owned()).accepts(Some(path)) {
            continue;
        }
        let moved = if path == "/" { prefix.to_owned() } else { format!("{prefix}{path}") };
        *part = format!("{name}={moved}");
        changed = true;
    }
    changed.then(|| HeaderValue::from_str(&parts.join(";")).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public() -> PublicOrigin {
        PublicOrigin { scheme: Scheme::Http, host: Some(HeaderValue::from_static("ex.com:8080")), port: 8080 }
    }

    fn moved(location: &str) -> Option<String> {
        under_prefix(&HeaderValue::from_str(location).unwrap(), "/sidekiq", &public())
            .map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_same_site_location_comes_back_under_the_prefix() {
        for (location, want) in [
            ("/busy", "/sidekiq/busy"),
            ("/", "/sidekiq/"),
            ("/busy?to=/x", "/sidekiq/busy?to=/x"),
            ("/sidekiqx", "/sidekiq/sidekiqx"),
            ("http://ex.com:8080/busy", "http://ex.com:8080/sidekiq/busy"),
            ("HTTP://EX.com:8080/busy", "HTTP://EX.com:8080/sidekiq/busy"),
            ("//ex.com:8080/busy", "//ex.com:8080/sidekiq/busy"),
            ("https://ex.com/busy", "https://ex.com/sidekiq/busy"),
            ("http://ex.com:8080", "http://ex.com:8080/sidekiq"),
        ] {
            assert_eq!(moved(location).as_deref(), Some(want), "{location}");
        }
        for location in [
            "/sidekiq/busy",
            "/sidekiq",
            "/sidekiq?x",
            "busy",
            "?x=1",
            "",
            "http://other.com/busy",
            "http://ex.com/busy",
            "http://ex.com:9/busy",
            "//other.com/",
            "mailto:x@ex.com",
            "http://u@ex.com:8080/busy",
        ] {
            assert_eq!(moved(location), None, "{location}");
        }
    }

    #[test]
    fn cookie_paths() {
        let moved = |text: &str| {
            cookie_under_prefix(&HeaderValue::from_str(text).unwrap(), "/sidekiq")
                .map(|v| v.to_str().unwrap().to_owned())
        };
        assert_eq!(moved("s=1; Path=/; HttpOnly").as_deref(), Some("s=1; Path=/sidekiq; HttpOnly"));
        assert_eq!(moved("s=1; path=/a").as_deref(), Some("s=1; path=/sidekiq/a"));
        for text in ["s=1", "s=1; Path=/sidekiq/x", "__Host-s=1; Path=/; Secure", "path=/; Secure"] {
            assert_eq!(moved(text), None, "{text}");
        }
    }
}
