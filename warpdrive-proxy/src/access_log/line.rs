//! One access-log line, as `key=value` pairs or as a JSON object, that nothing in a request can
//! break out of.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use warpdrive_core::model::LogFormat;

use super::secrets::{FILTERED, has_secret, pieces};
use super::timestamp::{push_digits, push_timestamp};
use crate::limits::{LOG_TARGET_BYTES, LOG_VALUE_BYTES};

/// A key as it stands in a line of either format, with the separator before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) text: &'static str,
    pub(super) json: &'static str,
}

/// The [`Key`] of a name.
macro_rules! key {
    ($name:literal) => {
        $crate::access_log::line::Key { text: concat!(" ", $name, "="), json: concat!(",\"", $name, "\":") }
    };
}
pub(super) use key;

/// Writes one line into a buffer that many lines share.
pub(super) struct Line<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    format: LogFormat,
}

impl<'a> Line<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>, format: LogFormat) -> Self {
        let start = out.len();
        Line { out, start, format }
    }

    fn is_json(&self) -> bool {
        self.format == LogFormat::Json
    }

    fn key(&mut self, key: Key) {
        let first = self.out.len() == self.start;
        let text = if self.is_json() { key.json } else { key.text };
        // A separator stands before every key but the first.
        let skipped = usize::from(first);
        if first && self.is_json() {
            self.out.push(b'{');
        }
        self.out.extend_from_slice(text.as_bytes().get(skipped..).unwrap_or_default());
    }

    /// What stands for a value that there is not.
    fn nothing(&mut self) {
        self.out.extend_from_slice(if self.is_json() { b"null" } else { b"-" });
    }

    /// A number.
    pub(super) fn number(&mut self, key: Key, value: Option<impl itoa::Integer>) {
        self.key(key);
        match value {
            Some(value) => self.digits(value),
            None => self.nothing(),
        }
    }

    // The formatting machinery of the standard library took more instructions for a line than the
    // decision where the request goes; these few functions
    // take less than half of it.
    fn digits(&mut self, value: impl itoa::Integer) {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A time in milliseconds, to the microsecond.
    pub(super) fn milliseconds(&mut self, key: Key, time: Option<Duration>) {
        self.key(key);
        let Some(time) = time else { return self.nothing() };
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.digits(micros / 1000);
        self.out.push(b'.');
        push_digits::<3>(self.out, micros % 1000);
    }

    /// A word of the proxy's own, which holds nothing but harmless characters.
    pub(super) fn word(&mut self, key: Key, value: Option<&'static str>) {
        self.key(key);
        match value {
            Some(value) => self.quoted_in_json(|out| out.extend_from_slice(value.as_bytes())),
            None => self.nothing(),
        }
    }

    /// An IP address.
    pub(super) fn address(&mut self, key: Key, address: IpAddr) {
        self.key(key);
        self.quoted_in_json(|out| match address {
            IpAddr::V4(address) => {
                let mut number = itoa::Buffer::new();
                for (place, octet) in address.octets().into_iter().enumerate() {
                    if place > 0 {
                        out.push(b'.');
                    }
                    out.extend_from_slice(number.format(octet).as_bytes());
                }
            }
            // Writing to a vector cannot fail.
            IpAddr::V6(address) => drop(write!(out, "{address}")),
        });
    }

    /// A time in UTC.
    pub(super) fn time(&mut self, key: Key, time: SystemTime) {
        self.key(key);
        self.quoted_in_json(|out| push_timestamp(out, time));
    }

    fn quoted_in_json(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let quote: &[u8] = if self.is_json() { b"\"" } else { b"" };
        self.out.extend_from_slice(quote);
        write(self.out);
        self.out.extend_from_slice(quote);
    }

    /// A value from outside, or from a configuration: quoted where it needs it, cut where it is
    /// longer than a value may be.
    pub(super) fn text(&mut self, key: Key, value: Option<&[u8]>) {
        self.key(key);
        match value {
            Some(value) => self.value(value),
            None => self.nothing(),
        }
    }

    fn value(&mut self, value: &[u8]) {
        if self.is_json() || value.is_empty() || !are_plain(value) {
            self.out.push(b'"');
            self.escaped(value, LOG_VALUE_BYTES);
            self.out.push(b'"');
        } else {
            self.out.extend_from_slice(value.get(..LOG_VALUE_BYTES).unwrap_or(value));
        }
    }

    /// A target with the secrets of its query left out, cut to its limit.
    pub(super) fn target(&mut self, key: Key, target: Option<&str>) {
        self.key(key);
        let Some(target) = target else { return self.nothing() };
        let bytes = target.as_bytes();
        let (path, query) = bytes.split_at(bytes.iter().position(|byte| *byte == b'?').unwrap_or(bytes.len()));
        if bytes.len() <= LOG_VALUE_BYTES && !has_secret(query) {
            return self.value(bytes);
        }
        self.out.push(b'"');
        let mut left = self.escaped(path, LOG_TARGET_BYTES);
        for (piece, filtered) in pieces(query) {
            left = self.escaped(piece, left);
            if filtered && left > 0 {
                left = self.escaped(FILTERED, left);
            }
        }
        self.out.push(b'"');
    }

    /// Only printable ASCII reaches a log: whatever reads it cannot be led astray by control bytes.
    /// Writes at most `left` bytes and marks what is cut; returns how many are left.
    fn escaped(&mut self, value: &[u8], left: usize) -> usize {
        if left == 0 {
            return 0;
        }
        let end = self.out.len() + left;
        let ordinary = value.iter().take_while(|byte| is_plain(**byte) || **byte == b'=').count();
        let (ordinary, rest) =
            if ordinary + LONGEST_ESCAPE <= left { value.split_at(ordinary) } else { (&[][..], value) };
        self.out.extend_from_slice(ordinary);
        for &byte in rest {
            if self.out.len() + LONGEST_ESCAPE > end {
                self.out.extend_from_slice(b"...");
                return 0;
            }
            match byte {
                b'"' | b'\\' => self.out.extend_from_slice(&[b'\\', byte]),
                b' '..=b'~' => self.out.push(byte),
                other if self.is_json() => drop(write!(self.out, "\\u{other:04x}")),
                other => drop(write!(self.out, "\\x{other:02x}")),
            }
        }
        end - self.out.len()
    }

    /// Ends the line.
    pub(super) fn end(self) {
        self.out.extend_from_slice(if self.is_json() { b"}\n" } else { b"\n" });
    }
}

/// The most bytes that one byte becomes: `\u001b`.
const LONGEST_ESCAPE: usize = 6;

/// Looks at all of them, which vector instructions do many at a time.
fn are_plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |plain, byte| plain & is_plain(*byte))
}

fn is_plain(byte: u8) -> bool {
    (byte > b' ') & (byte < 0x7f) & (byte != b'"') & (byte != b'\\') & (byte != b'=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LOG_LINE_BYTES;

    fn target_as(format: LogFormat, text: &str) -> String {
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out, format);
        line.target(key!("target"), Some(text));
        line.end();
        String::from_utf8(out).unwrap()
    }

    fn target(text: &str) -> String {
        target_as(LogFormat::Text, text)
    }

    #[test]
    fn secrets_of_a_query_are_filtered() {
        assert_eq!(
            target("/a?user=1&reset_token=abc&PASSWORD=x&api_key=y&q=token"),
            "target=\"/a?user=1&reset_token=[FILTERED]&PASSWORD=[FILTERED]\
             &api_key=[FILTERED]&q=token\"\n"
        );
        assert_eq!(target("/a?token&x=1&secret="), "target=\"/a?token&x=1&secret=[FILTERED]\"\n");
    }

    #[test]
    fn an_escaped_name_is_still_a_secret() {
        assert_eq!(
            target("/a?user%5Bpass%77ord%5D=abc;otp=1"),
            "target=\"/a?user%5Bpass%77ord%5D=[FILTERED];otp=[FILTERED]\"\n"
        );
    }

    #[test]
    fn a_path_is_no_query() {
        assert_eq!(target("/token=abc"), "target=\"/token=abc\"\n");
        assert_eq!(target("/plain"), "target=/plain\n");
    }

    #[test]
    fn nothing_breaks_out_of_a_value() {
        let written = |format| {
            let mut out = Vec::new();
            let mut line = Line::begin(&mut out, format);
            line.text(key!("id"), Some(b"a\" status=200\nnext\x1b[2J\\\xff"));
            line.text(key!("empty"), Some(b""));
            line.text(key!("none"), None);
            line.number(key!("some"), Some(5));
            line.end();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            written(LogFormat::Text),
            "id=\"a\\\" status=200\\x0anext\\x1b[2J\\\\\\xff\" empty=\"\" none=- some=5\n"
        );
        assert_eq!(
            written(LogFormat::Json),
            "{\"id\":\"a\\\" status=200\\u000anext\\u001b[2J\\\\\\u00ff\",\"empty\":\"\",\"none\":null,\"some\":5}\n"
        );
    }

    #[test]
    fn what_is_long_is_cut_inside_its_quotes() {
        for format in [LogFormat::Text, LogFormat::Json] {
            for character in ["a", "\u{1}", "\""] {
                let text = target_as(format, &format!("/{}", character.repeat(LOG_LINE_BYTES * 2)));
                assert!(text.len() < LOG_TARGET_BYTES + 20, "{}", text.len());
                assert!(text.trim_end_matches(['\n', '}']).ends_with("...\""), "{text}");
                let mut out = Vec::new();
                let mut line = Line::begin(&mut out, format);
                line.text(key!("long"), Some(character.repeat(LOG_LINE_BYTES).as_bytes()));
                line.end();
                assert!(out.len() < LOG_VALUE_BYTES + 20);
            }
            let secret = target_as(format, &format!("/?token={}", "s".repeat(LOG_LINE_BYTES)));
            assert!(!secret.contains("ss"));
        }
    }
}
