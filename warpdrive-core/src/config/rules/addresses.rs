//! Where an instance of an upstream listens.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::Path;

use super::{Mistake, not_empty};
use crate::config::Code;
use crate::host;
use crate::limits::{MAX_QUEUE, MAX_SOCKET_PATH_BYTES, MAX_WEIGHT};
use crate::model::Address;

/// The ports that one can connect to.
pub(crate) const PORTS: RangeInclusive<u64> = 1..=65_535;

/// The shares of instances.
pub(crate) const WEIGHTS: RangeInclusive<u64> = 1..=MAX_WEIGHT as u64;

/// The requests that may wait; 0 is no queue.
pub(crate) const QUEUE: RangeInclusive<u64> = 0..=MAX_QUEUE as u64;

/// A name or address to connect to, without brackets. A scheme, port or path is a mistake that
/// many make, and each has its own words.
pub(crate) fn host_name(text: &str) -> Result<String, Mistake> {
    not_empty(text)?;
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if inside.parse::<IpAddr>().is_ok() {
        return Ok(inside.to_owned());
    }
    let bad = |problem: &str, help: &str| Err(Mistake::of_key(Code::BadValue, problem, help));
    if text.contains("://") {
        return bad("an upstream's host is not a URL", "write the name or address alone, and `port` beside it");
    }
    if text.contains('/') {
        return bad(
            "an upstream has no path",
            "write the name or address alone; `rewrite` or `strip_prefix` on a route changes the path",
        );
    }
    if text.contains(':') {
        return bad("the port stands in a key of its own", "write the name or address alone, and `port` beside it");
    }
    let mut canonical = String::new();
    match host::canonical(text.as_bytes(), &mut canonical) {
        Ok(_) => Ok(canonical),
        Err(error) => bad(&error.to_string(), "write a host name or an IP address"),
    }
}

/// A path of a socket that the system can take.
pub(crate) fn socket_path(path: &Path) -> Result<(), Mistake> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let bad = |problem: &str, help: &str| Err(Mistake::of_key(Code::BadValue, problem, help));
    if bytes.is_empty() {
        return bad("is empty", "leave the key out, or give a value");
    }
    if bytes.starts_with(b"unix:") {
        return bad("the path stands alone", "leave out `unix:` and write the path");
    }
    if path.to_str().is_some_and(|text| text.contains(char::is_control)) {
        return bad("the path has a control character", "write the path of the socket");
    }
    if bytes.len() > MAX_SOCKET_PATH_BYTES {
        return bad(
            &format!(
                "the path has {} bytes, more than the {MAX_SOCKET_PATH_BYTES} that the system allows",
                bytes.len()
            ),
            "put the socket into a folder with a shorter path",
        );
    }
    Ok(())
}

/// Two instances at one address.
pub(crate) fn listens_twice(address: &Address) -> Mistake {
    Mistake::new(Code::ConflictingKeys, format!("two instances listen at `{address}`"), "one address is one instance")
}

/// An upstream's name, which logs and metrics repeat on a line.
pub(crate) fn upstream_name(name: &str) -> Result<(), Mistake> {
    if name.is_empty() {
        return Err(Mistake::new(Code::BadValue, "an upstream needs a name", "write `[upstreams.NAME]`"));
    }
    if name.contains(char::is_control) {
        let problem = format!("the upstream's name `{name}` has a control character");
        return Err(Mistake::new(Code::BadValue, problem, "write letters, digits, `-` and `_`"));
    }
    Ok(())
}

/// Two upstreams of one name. A file cannot say this: it would not be TOML.
pub(crate) fn named_twice(name: &str) -> Mistake {
    Mistake::new(Code::ConflictingKeys, format!("two upstreams are called `{name}`"), "give each a name of its own")
}

/// An upstream with an empty list of instances.
pub(crate) fn no_instance() -> Mistake {
    Mistake::of_key(Code::BadValue, "is empty", "list at least one instance")
}

/// An upstream of backups, with nothing that they could stand in for.
pub(crate) fn only_backups() -> Mistake {
    Mistake::of_key(Code::BadValue, "every instance is a backup", "leave `backup` out for those that serve every day")
}

/// A cookie's name (RFC 6265 section 4.1.1, RFC 9110 section 5.6.2).
pub(crate) fn cookie_name(text: &str) -> Result<(), Mistake> {
    not_empty(text)?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.bytes().all(is_token) {
        return Ok(());
    }
    let problem = format!("`{text}` is no name of a cookie");
    Err(Mistake::of_key(Code::BadValue, problem, "use letters, digits, `-` and `_`"))
}
