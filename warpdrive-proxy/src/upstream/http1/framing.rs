//! What the fields of a response say of where it ends, and of its connection.

use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, Version};

use super::{Decoder, Malformed};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// What the fields of a head say of its body and its connection, noted one by one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framing {
    length: Length,
    /// There is a transfer coding; whether the last one is chunked.
    coding: Option<bool>,
    closes: bool,
    keeps: bool,
    /// How long the connection may be idle, from `Keep-Alive`.
    pub(super) lifetime: Option<Duration>,
}

/// What a field is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The connection to the instance, and nothing that anyone else would ask for.
    Connection,
    Message,
}

#[derive(Clone, Copy, Debug, Default)]
enum Length {
    #[default]
    None,
    Bytes(u64),
    Malformed,
}

impl Framing {
    /// Reads one field.
    pub(super) fn note(&mut self, name: &HeaderName, value: &[u8]) -> Scope {
        if *name == CONTENT_LENGTH {
            self.length = match self.length {
                Length::None => length(value).map_or(Length::Malformed, Length::Bytes),
                Length::Bytes(_) | Length::Malformed => Length::Malformed,
            };
        } else if *name == TRANSFER_ENCODING {
            let last = value.rsplit(|&byte| byte == b',').next().unwrap_or_default();
            self.coding = Some(last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        } else if *name == CONNECTION {
            let mut scope = Scope::Connection;
            for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                if option.eq_ignore_ascii_case(b"close") {
                    self.closes = true;
                } else if option.eq_ignore_ascii_case(b"keep-alive") {
                    self.keeps = true;
                } else {
                    // It asks for another protocol, or names a field that has to go.
                    scope = Scope::Message;
                }
            }
            return scope;
        } else if *name == KEEP_ALIVE {
            self.lifetime = idle_time(value);
            return Scope::Connection;
        }
        Scope::Message
    }

    /// How the body ends (RFC 9112 section 6.3).
    pub(super) fn body(self, version: Version) -> Result<Decoder, Malformed> {
        match (self.coding, self.length) {
            // Section 6.1: the framing of such a message is faulty.
            (Some(_), _) if version == Version::HTTP_10 => Err(Malformed),
            (Some(true), _) => Ok(Decoder::chunked()),
            (Some(false), _) | (None, Length::None) => Ok(Decoder::UntilClose),
            (None, Length::Bytes(bytes)) => Ok(Decoder::length(bytes)),
            (None, Length::Malformed) => Err(Malformed),
        }
    }

    /// Whether the connection goes on (RFC 9112 section 9.3). Any `close` counts.
    pub(super) fn persists(self, version: Version) -> bool {
        !self.closes && (self.keeps || version == Version::HTTP_11)
    }
}

/// `timeout=` of a `Keep-Alive` field.
fn idle_time(field: &[u8]) -> Option<Duration> {
    std::str::from_utf8(field).ok()?.split(',').find_map(|part| {
        let (name, value) = part.trim().split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("timeout") {
            return None;
        }
        let seconds = value.trim().trim_matches('"').parse::<u32>().ok()?;
        Some(Duration::from_secs(u64::from(seconds)))
    })
}

fn length(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promise_of_keep_alive_is_read() {
        let time = |text: &'static str| idle_time(text.as_bytes()).map(|time| time.as_secs());
        assert_eq!(time("timeout=5"), Some(5));
        assert_eq!(time("max=100, Timeout = 2"), Some(2));
        assert_eq!(time("max=100"), None);
        assert_eq!(time("timeout=soon"), None);
    }
}
