//! Header fields by name: which are removed from a request, which from a response, and which
//! `Connection` may not name away.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::model::ServerSettings;

macro_rules! names {
    ($($constant:ident = $text:literal;)*) => {
        $(pub(crate) const $constant: HeaderName = HeaderName::from_static($text);)*
    };
}

names! {
    KEEP_ALIVE = "keep-alive";
    PROXY_CONNECTION = "proxy-connection";
    X_FORWARDED_FOR = "x-forwarded-for";
    X_FORWARDED_PROTO = "x-forwarded-proto";
    X_FORWARDED_HOST = "x-forwarded-host";
    X_FORWARDED_PORT = "x-forwarded-port";
    X_FORWARDED_SSL = "x-forwarded-ssl";
    X_FORWARDED_PREFIX = "x-forwarded-prefix";
    X_REAL_IP = "x-real-ip";
    X_REQUEST_ID = "x-request-id";
    X_REQUEST_START = "x-request-start";
    X_SCRIPT_NAME = "x-script-name";
}

/// What becomes of a request field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    /// Removed whoever sent it.
    Remove,
    /// Removed unless a trusted peer sent it.
    Claim,
}

/// A match on constant strings compares the length first, so this costs a few instructions.
fn fate(name: &str) -> Fate {
    match name {
        "connection"
        | "keep-alive"
        | "proxy-connection"
        | "proxy-authorization"
        | "te"
        | "transfer-encoding"
        | "upgrade"
        | "http2-settings"
        | "forwarded"
        | "client-ip"
        | "x-forwarded-ssl"
        | "x-forwarded-scheme"
        | "x-sendfile-type"
        | "x-accel-mapping"
        | "x-script-name"
        | "true-client-ip"
        | "cf-connecting-ip" => Fate::Remove,
        "x-real-ip" | "x-request-start" => Fate::Claim,
        name if name.starts_with("x-forwarded-") => Fate::Claim,
        _ => Fate::Keep,
    }
}

/// Fields that frame or address the message, or that the proxy sets: an underscore spelling of
/// one of these would be read as it by CGI, Rack and WSGI.
pub(crate) fn is_managed(name: &str) -> bool {
    fate(name) != Fate::Keep
        || matches!(
            name,
            "host" | "content-length" | "cookie" | "x-request-id" | "x-admin-token" | "authorization" | "expect"
        )
}

/// Whether route conditions see a field of this name whoever sent it: `Host` is not one of the
/// fields that a client may add, the others that are left out here are removed before routing.
pub(crate) fn may_come_from_anyone(name: &HeaderName, server: &ServerSettings) -> bool {
    let text = name.as_str();
    *name != header::HOST
        && server.client_ip_header.as_ref() != Some(name)
        && fate(text) == Fate::Keep
        && (!text.contains('_') || (server.underscore_headers && !is_managed(&text.replace('_', "-"))))
}

/// `Connection` may name any field but those that frame or address the message.
fn may_be_nominated(name: &[u8]) -> bool {
    ![&b"host"[..], b"content-length"].iter().any(|kept| name.eq_ignore_ascii_case(kept))
}

/// Removes what no upstream may see of this client's fields: hop-by-hop fields and what
/// `Connection` names (RFC 9110 section 7.6.1), claims of strangers, and underscore names.
pub(crate) fn remove_forbidden(headers: &mut HeaderMap, trusted: bool, server: &ServerSettings) {
    // Collected first, since a map cannot be changed while it is read; no request that carries
    // only ordinary fields allocates here.
    let mut doomed: Vec<HeaderName> = Vec::new();
    let mut connection = false;
    for name in headers.keys() {
        let text = name.as_str();
        let named = server.client_ip_header.as_ref() == Some(name);
        let remove = match fate(text) {
            // A trusted peer's field goes on where the configuration names it.
            _ if named => !trusted,
            Fate::Remove if text == "connection" => {
                connection = true;
                false
            }
            Fate::Remove => true,
            Fate::Claim if !trusted => true,
            // A trusted peer passes on what its own clients spell with underscores.
            Fate::Claim | Fate::Keep => {
                text.contains('_') && (!server.underscore_headers || is_managed(&text.replace('_', "-")))
            }
        };
        if remove {
            doomed.push(name.clone());
        }
    }
    if connection {
        nominated(headers, &mut doomed);
        headers.remove(header::CONNECTION);
    }
    for name in doomed {
        headers.remove(name);
    }
}

fn nominated(headers: &HeaderMap, doomed: &mut Vec<HeaderName>) {
    for value in headers.get_all(header::CONNECTION) {
        for token in tokens(value) {
            let usual = [&b"close"[..], b"keep-alive", b"upgrade"].iter().any(|word| token.eq_ignore_ascii_case(word));
            if !usual && may_be_nominated(token) {
                doomed.extend(HeaderName::from_bytes(token).ok().filter(|name| headers.contains_key(name)));
            }
        }
    }
}

/// Removes the hop-by-hop fields of a response, and what its `Connection` names.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    static HOP_BY_HOP: [HeaderName; 6] =
        [header::CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, header::TE, header::TRANSFER_ENCODING, header::UPGRADE];
    // Reading every name once costs less than six look-ups that mostly find nothing.
    let mut present = [false; HOP_BY_HOP.len()];
    for name in headers.keys() {
        let place = match name.as_str() {
            "connection" => 0,
            "keep-alive" => 1,
            "proxy-connection" => 2,
            "te" => 3,
            "transfer-encoding" => 4,
            "upgrade" => 5,
            _ => continue,
        };
        if let Some(present) = present.get_mut(place) {
            *present = true;
        }
    }
    let [connection, ..] = present;
    if connection {
        let mut doomed = Vec::new();
        nominated(headers, &mut doomed);
        for name in doomed {
            headers.remove(name);
        }
    }
    for (name, present) in HOP_BY_HOP.iter().zip(present) {
        if present {
            headers.remove(name);
        }
    }
}

/// The comma-separated parts of a field value, without white space and empty parts.
pub(crate) fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Whether any line of a field lists the token, compared without case.
pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|value| tokens(value).any(|part| part.eq_ignore_ascii_case(token.as_bytes())))
}

/// All lines of a field as one list (RFC 9110 section 5.3).
pub(crate) fn joined(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    let mut list = Vec::new();
    for value in headers.get_all(name) {
        for token in tokens(value) {
            if !list.is_empty() {
                list.extend_from_slice(b", ");
            }
            list.extend_from_slice(token);
        }
    }
    list
}

/// Whether a configuration may set a field: never what is hop-by-hop or frames the message.
pub(crate) fn may_be_set(name: &HeaderName) -> bool {
    !matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "content-length"
    )
}
