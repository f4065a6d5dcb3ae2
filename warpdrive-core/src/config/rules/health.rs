//! Values of health checks.

use std::ops::RangeInclusive;

use http::header::HOST;
use http::{HeaderName, HeaderValue};

use super::{Mistake, not_empty, whole_number};
use crate::config::Code;
use crate::host;

/// How many results in a row change the state of an instance.
const THRESHOLDS: RangeInclusive<u64> = 1..=1000;

/// The statuses of final responses (RFC 9110 section 15).
pub(crate) const FINAL_STATUS: RangeInclusive<u64> = 200..=599;

/// A number of results in a row.
pub(crate) fn threshold(number: u64) -> Result<u32, Mistake> {
    if number == 0 {
        return Err(Mistake::of_key(
            Code::BadValue,
            "is 0, and no result at all would change the state of an instance",
            "give 1 to act on the first result",
        ));
    }
    whole_number(Some(number), &THRESHOLDS).map(|number| number as u32)
}

/// The `Host` of a check, with or without a port (RFC 9110 section 7.2).
pub(crate) fn check_host(text: &str) -> Result<(), Mistake> {
    not_empty(text)?;
    let bad = |problem: &str| {
        let help = "write what a browser would send, such as `www.example.com` or `example.com:8080`";
        Err(Mistake::of_key(Code::BadHost, problem, help))
    };
    if text.contains("://") {
        return bad("a host is not a URL");
    }
    if text.contains('*') {
        return bad("a check asks for one host, not for a pattern");
    }
    match host::canonical(text.as_bytes(), &mut String::new()) {
        Ok(_) => Ok(()),
        Err(error) => bad(&error.to_string()),
    }
}

/// One status, or two with `-` between them.
pub(crate) fn statuses(text: &str) -> Result<RangeInclusive<u16>, Mistake> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| text.trim().parse::<u16>().ok().filter(|it| FINAL_STATUS.contains(&u64::from(*it)));
    match (status(first), status(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err(Mistake::of_key(
            Code::BadValue,
            format!("`{text}` is no range of statuses"),
            "write such as 200, or \"200-399\"; statuses go from 200 to 599",
        )),
    }
}

/// The host has a key of its own.
pub(crate) fn no_host_among(fields: &[(HeaderName, HeaderValue)]) -> Result<(), Mistake> {
    if fields.iter().any(|(name, _)| name == HOST) {
        return Err(Mistake::of_key(Code::ConflictingKeys, "`host` has a key of its own", "write `host = \"…\"`"));
    }
    Ok(())
}
