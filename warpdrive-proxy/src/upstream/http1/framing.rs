//! What the fields of a response say of where it ends, and of its connection.

use std::time::Duration;

use http::{HeaderMap, HeaderName, Version};

use super::{Decoder, Malformed};

/// What the fields of a head say of its body and its connection, noted one by one.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Framing {
    length: Length,
    coding: Coding,
    closes: bool,
    keeps: bool,
    /// How long the connection may be idle, from `Keep-Alive`.
    pub(in super::super) lifetime: Option<Duration>,
}

/// What a field is for, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Role {
    Length,
    Coding,
    Connection,
    KeepAlive,
    Other,
}

impl Role {
    pub(in super::super) fn of(name: &HeaderName) -> Self {
        match name.as_str() {
            "content-length" => Role::Length,
            "transfer-encoding" => Role::Coding,
            "connection" => Role::Connection,
            "keep-alive" => Role::KeepAlive,
            _ => Role::Other,
        }
    }
}

/// What a field is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The connection to the instance, and nothing that anyone else would ask for.
    Connection,
    Message,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Length {
    #[default]
    None,
    Bytes(u64),
    Malformed,
}

/// The transfer codings of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Coding {
    #[default]
    None,
    /// Chunked, and nothing else.
    Chunked,
    /// Others, whether or not the last one is chunked.
    Others { chunked_last: bool },
}

impl Coding {
    /// What it is with one more field line.
    pub(crate) fn and(self, value: &[u8]) -> Self {
        let is_chunked = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
        if self == Coding::None && is_chunked(value) {
            Coding::Chunked
        } else {
            Coding::Others { chunked_last: value.rsplit(|&byte| byte == b',').next().is_some_and(is_chunked) }
        }
    }
}

/// What a response says of its own length that no client should have to make sense of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misframed {
    /// Another transfer coding than chunked.
    Coding,
    /// A transfer coding and a `Content-Length` (RFC 9112 section 6.3).
    TwoLengths,
    /// A `Content-Length` that is no number, or several.
    Length,
}

impl Framing {
    /// What the fields of a message say, however they came.
    pub(in super::super) fn of(headers: &HeaderMap) -> Self {
        let mut framing = Framing::default();
        for (name, value) in headers {
            framing.note(Role::of(name), value.as_bytes());
        }
        framing
    }

    /// Reads one field.
    #[inline]
    pub(super) fn note(&mut self, role: Role, value: &[u8]) -> Scope {
        if role == Role::Other { Scope::Message } else { self.note_framing(role, value) }
    }

    fn note_framing(&mut self, role: Role, value: &[u8]) -> Scope {
        match role {
            Role::Other => {}
            Role::Length => {
                self.length = match self.length {
                    Length::None => length(value).map_or(Length::Malformed, Length::Bytes),
                    Length::Bytes(_) | Length::Malformed => Length::Malformed,
                };
            }
            Role::Coding => self.coding = self.coding.and(value),
            Role::Connection => return self.note_connection(value),
            Role::KeepAlive => {
                self.lifetime = idle_time(value);
                return Scope::Connection;
            }
        }
        Scope::Message
    }

    fn note_connection(&mut self, value: &[u8]) -> Scope {
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
        scope
    }

    /// What is wrong, whether or not there is a body.
    pub(in super::super) fn fault(&self) -> Option<Misframed> {
        match (self.coding, self.length) {
            (Coding::Others { .. }, _) => Some(Misframed::Coding),
            (Coding::Chunked, Length::Bytes(_) | Length::Malformed) => Some(Misframed::TwoLengths),
            (Coding::None, Length::Malformed) => Some(Misframed::Length),
            (Coding::Chunked, Length::None) | (Coding::None, Length::None | Length::Bytes(_)) => None,
        }
    }

    /// How the body ends (RFC 9112 section 6.3).
    pub(super) fn body(self, version: Version) -> Result<Decoder, Malformed> {
        match (self.coding, self.length) {
            // Section 6.1: the framing of such a message is faulty.
            (Coding::Chunked | Coding::Others { .. }, _) if version == Version::HTTP_10 => Err(Malformed),
            (Coding::Chunked | Coding::Others { chunked_last: true }, _) => Ok(Decoder::chunked()),
            (Coding::Others { chunked_last: false }, _) | (Coding::None, Length::None) => Ok(Decoder::UntilClose),
            (Coding::None, Length::Bytes(bytes)) => Ok(Decoder::length(bytes)),
            (Coding::None, Length::Malformed) => Err(Malformed),
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

/// One or more digits (RFC 9110 section 8.6), as a number that fits.
fn length(digits: &[u8]) -> Option<u64> {
    let add = |number: u64, digit: &u8| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    };
    digits.first()?;
    digits.iter().try_fold(0, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_digits_and_fits() {
        for (text, number) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("+5", None),
            ("-5", None),
            ("5 ", None),
            ("5, 5", None),
            ("0x5", None),
        ] {
            assert_eq!(length(text.as_bytes()), number, "{text}");
        }
    }

    #[test]
    fn the_promise_of_keep_alive_is_read() {
        let time = |text: &'static str| idle_time(text.as_bytes()).map(|time| time.as_secs());
        assert_eq!(time("timeout=5"), Some(5));
        assert_eq!(time("max=100, Timeout = 2"), Some(2));
        assert_eq!(time("max=100"), None);
        assert_eq!(time("timeout=soon"), None);
    }
}
