//! One access-log line, as `key=value` pairs or as a JSON object, that nothing in a request can
//! break out of.

use std::fmt;
use std::io::Write as _;
use std::time::Duration;

use warpdrive_core::model::LogFormat;

use super::secrets::{FILTERED, has_secret, pieces};
use crate::limits::{LOG_TARGET_BYTES, LOG_VALUE_BYTES};

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

    fn key(&mut self, key: &str) {
        let first = self.out.len() == self.start;
        let (before, after): (&[u8], &[u8]) = match (self.format, first) {
            (LogFormat::Json, true) => (b"{\"", b"\":"),
            (LogFormat::Json, false) => (b",\"", b"\":"),
            (_, true) => (b"", b"="),
            (_, false) => (b" ", b"="),
        };
        self.out.extend_from_slice(before);
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(after);
    }

    /// What stands for a value that there is not.
    fn nothing(&mut self) {
        self.out.extend_from_slice(if self.is_json() { b"null" } else { b"-" });
    }

    /// A number.
    pub(super) fn number(&mut self, key: &str, value: Option<impl fmt::Display>) {
        self.key(key);
        match value {
            // Writing to a vector cannot fail.
            Some(value) => drop(write!(self.out, "{value}")),
            None => self.nothing(),
        }
    }

    /// A time in milliseconds, to the microsecond.
    pub(super) fn milliseconds(&mut self, key: &str, time: Option<Duration>) {
        let micros = time.map(|time| time.as_micros());
        self.number(key, micros.map(Thousandths));
    }

    /// A value that cannot hold anything but harmless characters: an address, a word.
    pub(super) fn word(&mut self, key: &str, value: Option<impl fmt::Display>) {
        self.key(key);
        let Some(value) = value else { return self.nothing() };
        let quote: &[u8] = if self.is_json() { b"\"" } else { b"" };
        self.out.extend_from_slice(quote);
        let _ = write!(self.out, "{value}");
        self.out.extend_from_slice(quote);
    }

    /// A value from outside, or from a configuration: quoted where it needs it, cut where it is
    /// longer than a value may be.
    pub(super) fn text(&mut self, key: &str, value: Option<&[u8]>) {
        self.key(key);
        match value {
            Some(value) => self.value(value),
            None => self.nothing(),
        }
    }

    fn value(&mut self, value: &[u8]) {
        if self.is_json() || value.is_empty() || !value.iter().all(|byte| is_plain(*byte)) {
            self.out.push(b'"');
            self.escaped(value, LOG_VALUE_BYTES);
            self.out.push(b'"');
        } else {
            self.out.extend_from_slice(value.get(..LOG_VALUE_BYTES).unwrap_or(value));
        }
    }

    /// A target with the secrets of its query left out, cut to its limit.
    pub(super) fn target(&mut self, key: &str, target: Option<&str>) {
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
        for &byte in value {
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

/// A number of thousandths.
struct Thousandths(u128);

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

fn is_plain(byte: u8) -> bool {
    byte > b' ' && byte < 0x7f && !matches!(byte, b'"' | b'\\' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LOG_LINE_BYTES;

    fn target_as(format: LogFormat, text: &str) -> String {
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out, format);
        line.target("target", Some(text));
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
            line.text("id", Some(b"a\" status=200\nnext\x1b[2J\\\xff"));
            line.text("empty", Some(b""));
            line.text("none", None);
            line.number("some", Some(5));
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
                line.text("long", Some(character.repeat(LOG_LINE_BYTES).as_bytes()));
                line.end();
                assert!(out.len() < LOG_VALUE_BYTES + 20);
            }
            let secret = target_as(format, &format!("/?token={}", "s".repeat(LOG_LINE_BYTES)));
            assert!(!secret.contains("ss"));
        }
    }
}
