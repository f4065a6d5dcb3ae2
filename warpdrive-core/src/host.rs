//! Hosts: one canonical form for every spelling, and the patterns that routes match it with.

use std::fmt;
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::lanes;
use crate::limits::MAX_HOST_BYTES;

/// Why a host is none (RFC 9110 section 7.2, RFC 3986 section 3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum HostError {
    #[error("the host is empty")]
    Empty,
    #[error("the host has an empty label")]
    EmptyLabel,
    #[error("the host is longer than {MAX_HOST_BYTES} bytes")]
    TooLong,
    #[error("the host has a character that no host name has")]
    BadCharacter,
    #[error("the host is not ASCII")]
    NotAscii,
    #[error("the port is not a number from 1 to 65535")]
    BadPort,
    #[error("the address in brackets is not an IPv6 address")]
    BadAddress,
}

/// A host field or authority, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Split<'a> {
    /// The host without port and trailing dot, as written.
    pub(crate) host: &'a [u8],
    /// The port, where one is written.
    pub(crate) port: Option<u16>,
}

/// Cuts `host[:port]` apart and checks the port.
///
/// # Errors
/// [`HostError::BadPort`], or [`HostError::BadAddress`] for a bracket left open.
pub(crate) fn split(raw: &[u8]) -> Result<Split<'_>, HostError> {
    let (host, port) = if raw.first() == Some(&b'[') {
        let close = raw.iter().position(|&b| b == b']').ok_or(HostError::BadAddress)?;
        let (host, rest) = raw.split_at(close + 1);
        match rest.split_first() {
            None => (host, None),
            Some((b':', port)) => (host, Some(port)),
            Some(_) => return Err(HostError::BadAddress),
        }
    } else {
        match memchr::memchr(b':', raw) {
            None => (raw, None),
            Some(colon) => {
                let (host, rest) = raw.split_at(colon);
                (host, Some(rest.get(1..).unwrap_or_default()))
            }
        }
    };
    // RFC 3986 section 3.2.3 lets the digits be left out: `host:` is `host`.
    let port = match port {
        None | Some([]) => None,
        Some(digits) => Some(parse_port(digits)?),
    };
    let host = match host.split_last() {
        Some((b'.', name)) if !name.is_empty() => name,
        _ => host,
    };
    Ok(Split { host, port })
}

fn parse_port(digits: &[u8]) -> Result<u16, HostError> {
    if digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(HostError::BadPort);
    }
    let number = digits.iter().fold(0u32, |sum, d| sum * 10 + u32::from(d - b'0'));
    u16::try_from(number).ok().filter(|&port| port > 0).ok_or(HostError::BadPort)
}

/// Writes the one form of a `Host` field or authority into `out`, which is emptied first:
/// lower case, without port and trailing dot, IPv6 in brackets and as RFC 5952 writes it. The
/// form is ASCII. Returns the port.
///
/// # Errors
/// Whatever makes the text no host; `out` is then unspecified.
pub(crate) fn canonical_bytes(raw: &[u8], out: &mut Vec<u8>) -> Result<Option<u16>, HostError> {
    out.clear();
    // Most fields hold a name and nothing else.
    if write_name(raw, out) {
        return Ok(None);
    }
    let Split { host, port } = split(raw)?;
    if host.first() == Some(&b'[') {
        let inner = host.get(1..host.len().saturating_sub(1)).unwrap_or_default();
        let text = std::str::from_utf8(inner).map_err(|_| HostError::BadAddress)?;
        let address: Ipv6Addr = text.parse().map_err(|_| HostError::BadAddress)?;
        // Writing to a vector cannot fail.
        let _ = write!(out, "[{address}]");
        return Ok(port);
    }
    if write_name(host, out) {
        return Ok(port);
    }
    Err(if host.is_empty() {
        HostError::Empty
    } else if host.len() > MAX_HOST_BYTES {
        HostError::TooLong
    } else if !host.is_ascii() {
        HostError::NotAscii
    } else if host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte)) {
        HostError::EmptyLabel
    } else {
        HostError::BadCharacter
    })
}

/// Writes the bytes in lower case where they are a host name, into what is empty.
fn write_name(host: &[u8], out: &mut Vec<u8>) -> bool {
    let is_name = is_name(host);
    if is_name {
        out.extend_from_slice(host);
        out.make_ascii_lowercase();
    }
    is_name
}

/// Whether the bytes are a host name without port and trailing dot: letters, digits, `-`, `_` and
/// single dots between them.
fn is_name(host: &[u8]) -> bool {
    let outer_dot = host.first().is_none_or(|&byte| byte == b'.') || host.last() == Some(&b'.');
    !outer_dot
        && host.len() <= MAX_HOST_BYTES
        && !lanes::any(host, |byte, next| {
            let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
            let digit = byte.wrapping_sub(b'0') < 10;
            let other = (byte == b'-') | (byte == b'_') | (byte == b'.');
            !(letter | digit | other) | ((byte == b'.') & (next == b'.'))
        })
}

/// The same as text.
///
/// # Errors
/// As [`canonical_bytes`].
pub(crate) fn canonical(raw: &[u8], out: &mut String) -> Result<Option<u16>, HostError> {
    let mut bytes = Vec::new();
    let port = canonical_bytes(raw, &mut bytes)?;
    out.clear();
    out.push_str(std::str::from_utf8(&bytes).map_err(|_| HostError::NotAscii)?);
    Ok(port)
}

/// What a route wants of the host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostPattern {
    /// `*`: any host, also none.
    Any,
    /// One host, in canonical form.
    Exact(String),
    /// `*.example.com`, kept as `.example.com`: one or more labels, not the apex.
    Wildcard(String),
}

impl HostPattern {
    /// Reads `example.com`, `*.example.com`, `*`, an IPv4 address, or an IPv6 address with or
    /// without brackets.
    ///
    /// # Errors
    /// A [`HostPatternError`] for a port, a name that is not ASCII, or a star anywhere else.
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        let refuse = |problem, hint| Err(HostPatternError { problem, hint });
        if text == "*" {
            return Ok(HostPattern::Any);
        }
        if !text.is_ascii() {
            return refuse("a host pattern is ASCII", "write the `xn--` form of an international name");
        }
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(HostPattern::Exact(format!("[{address}]")));
        }
        if text.contains('/') {
            return refuse("a host is neither a URL nor a path", "write the name alone, without scheme and path");
        }
        let (wildcard, name) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if name.contains('*') {
            return refuse("a star stands for whole labels at the start only", "write `*.example.com` or `*`");
        }
        if name.contains([',', ' ']) {
            return refuse("one pattern names one host", "write a list: `hosts = [\"a.example\", \"b.example\"]`");
        }
        let mut canonical_name = String::new();
        match canonical(name.as_bytes(), &mut canonical_name) {
            Ok(Some(_)) => refuse("routes do not look at the port", "leave the port out"),
            Ok(None) if name.ends_with(':') => refuse("routes do not look at the port", "leave the colon out"),
            Ok(None) if wildcard && (canonical_name.starts_with('[') || canonical_name.parse::<Ipv4Addr>().is_ok()) => {
                refuse("an address has no subdomains", "write the address alone")
            }
            Ok(None) if wildcard => Ok(HostPattern::Wildcard(format!(".{canonical_name}"))),
            Ok(None) => Ok(HostPattern::Exact(canonical_name)),
            Err(HostError::Empty) => refuse("the host is empty", "leave `host` out, or write `*`, to accept any host"),
            Err(HostError::EmptyLabel) => refuse("the host has an empty label", "write one dot between labels"),
            Err(HostError::TooLong) => refuse("a host name has at most 253 bytes", "shorten it"),
            Err(HostError::NotAscii | HostError::BadCharacter) => refuse(
                "a host name has letters, digits, `-`, `_` and `.` only",
                "write the name without scheme, path or user",
            ),
            Err(HostError::BadPort) => refuse("routes do not look at the port", "leave the port out"),
            Err(HostError::BadAddress) => refuse("not an IPv6 address", "write it like `[2001:db8::1]`"),
        }
    }

    /// A host that the pattern accepts.
    pub fn example(&self) -> String {
        match self {
            HostPattern::Any => "localhost".to_owned(),
            HostPattern::Exact(name) => name.clone(),
            HostPattern::Wildcard(suffix) => format!("www{suffix}"),
        }
    }

    /// Whether a request's host, in canonical form, is accepted. The plain rule, for the oracle
    /// and for explanations; look-ups use the index.
    pub(crate) fn accepts(&self, host: Option<&str>) -> bool {
        match (self, host) {
            (HostPattern::Any, _) => true,
            (_, None) => false,
            (HostPattern::Exact(name), Some(host)) => name == host,
            (HostPattern::Wildcard(suffix), Some(host)) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Any => f.write_str("*"),
            HostPattern::Exact(name) => f.write_str(name),
            HostPattern::Wildcard(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// Why a host pattern is refused, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct HostPatternError {
    problem: &'static str,
    hint: &'static str,
}

impl HostPatternError {
    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        self.hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canon(raw: &str) -> Result<String, HostError> {
        let mut out = String::new();
        canonical(raw.as_bytes(), &mut out).map(|_| out)
    }

    #[test]
    fn every_spelling_has_one_form() {
        for raw in ["example.com", "EXAMPLE.com", "example.com.", "example.com:8080", "Example.Com.:80", "example.com:"]
        {
            assert_eq!(canon(raw).as_deref(), Ok("example.com"), "{raw}");
        }
        for raw in ["[::1]", "[0:0::1]:80", "[0000:0000:0000:0000:0000:0000:0000:0001]"] {
            assert_eq!(canon(raw).as_deref(), Ok("[::1]"), "{raw}");
        }
        assert_eq!(canon("a_b.local").as_deref(), Ok("a_b.local"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for raw in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            "u@h",
            "h/x",
            "h x",
            "h:0",
            "h:65536",
            "h:99999",
            "h:abc",
            "h:80:80",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "[v1.x]",
            "[fe80::1%25eth0]",
            "<h>",
            "h\\x",
            "h?x",
            "h#x",
            "*",
            "h%41",
            "é.com",
            "h:+80",
        ] {
            assert!(canon(raw).is_err(), "{raw:?} was accepted as {:?}", canon(raw));
        }
        assert!(canon(&"a".repeat(253)).is_ok());
        assert_eq!(canon(&"a".repeat(254)), Err(HostError::TooLong));
    }

    #[test]
    fn a_wildcard_takes_labels_but_not_the_apex() {
        let pattern = HostPattern::parse("*.Example.com").unwrap();
        assert!(pattern.accepts(Some("a.example.com")));
        assert!(pattern.accepts(Some("a.b.example.com")));
        for other in [Some("example.com"), Some("xexample.com"), Some(".example.com.evil"), None] {
            assert!(!pattern.accepts(other), "{other:?}");
        }
    }

    #[test]
    fn patterns_without_one_meaning_are_refused() {
        for text in [
            "",
            "a,b",
            "a b",
            "example.com:80",
            "*x.com",
            "a.*.b",
            "*.*.b",
            "*.[::1]",
            "*.127.0.0.1",
            "é.com",
            "http://a",
            "a..b",
            "[::1",
        ] {
            assert!(HostPattern::parse(text).is_err(), "{text:?}");
        }
        for text in ["::1", "[::1]", "[0:0:0:0:0:0:0:1]"] {
            assert_eq!(HostPattern::parse(text), Ok(HostPattern::Exact("[::1]".into())), "{text:?}");
        }
        assert_eq!(HostPattern::parse("*"), Ok(HostPattern::Any));
    }
}
