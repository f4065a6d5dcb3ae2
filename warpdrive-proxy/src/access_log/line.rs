//! The text of an access-log line: `key=value` pairs that nothing in a request can break out of.

use std::fmt;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::limits::{LOG_LINE_BYTES, LOG_TARGET_BYTES};

/// What replaces a value that must not be logged.
const FILTERED: &[u8] = b"[FILTERED]";

/// Parts of parameter names whose values are secrets, as Rails filters them by default.
const SECRET_NAMES: [&[u8]; 8] = [b"passw", b"secret", b"token", b"_key", b"crypt", b"salt", b"otp", b"ssn"];

/// Writes one line into a buffer that many lines share.
pub(super) struct Line<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Line<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Line { out, start }
    }

    fn key(&mut self, key: &str) {
        if self.out.len() > self.start {
            self.out.push(b' ');
        }
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(b'=');
    }

    /// A value that cannot hold anything but harmless characters: a number, an address, a word.
    pub(super) fn plain(&mut self, key: &str, value: impl fmt::Display) {
        self.key(key);
        // Writing to a vector cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// A value from outside, or from a configuration: quoted where it needs it.
    pub(super) fn text(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        push_value(self.out, value);
    }

    /// A target with the secrets of its query left out, cut to its limit.
    pub(super) fn target(&mut self, key: &str, target: &str) {
        self.key(key);
        let bytes = target.as_bytes();
        let cut = bytes.get(..LOG_TARGET_BYTES).unwrap_or(bytes);
        let (path, query) = match cut.iter().position(|byte| *byte == b'?') {
            Some(at) => cut.split_at(at),
            None => (cut, &[][..]),
        };
        let shortened = cut.len() < bytes.len();
        if !has_secret(query) && !shortened {
            push_value(self.out, cut);
            return;
        }
        self.out.push(b'"');
        push_escaped(self.out, path);
        push_filtered(self.out, query);
        if shortened {
            self.out.extend_from_slice(b"...");
        }
        self.out.push(b'"');
    }

    pub(super) fn milliseconds(&mut self, key: &str, time: Duration) {
        let micros = time.as_micros();
        self.plain(key, format_args!("{}.{:03}", micros / 1000, micros % 1000));
    }

    /// Ends the line, cut where it is longer than a line may be.
    pub(super) fn end(self) {
        if self.out.len() - self.start >= LOG_LINE_BYTES {
            self.out.truncate(self.start + LOG_LINE_BYTES - 1);
        }
        self.out.push(b'\n');
    }
}

fn is_plain(byte: u8) -> bool {
    byte > b' ' && byte < 0x7f && !matches!(byte, b'"' | b'\\' | b'=')
}

fn push_value(out: &mut Vec<u8>, value: &[u8]) {
    if !value.is_empty() && value.iter().all(|byte| is_plain(*byte)) {
        out.extend_from_slice(value);
        return;
    }
    out.push(b'"');
    push_escaped(out, value);
    out.push(b'"');
}

/// Only printable ASCII reaches a log: whatever reads it cannot be led astray by control bytes.
fn push_escaped(out: &mut Vec<u8>, value: &[u8]) {
    for byte in value {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b' '..=b'~' => out.push(*byte),
            other => {
                let _ = write!(out, "\\x{other:02x}");
            }
        }
    }
}

fn has_secret(query: &[u8]) -> bool {
    parameters(query).any(|parameter| is_secret(name(parameter)))
}

/// The query with its `?` and the values of secret parameters replaced.
fn push_filtered(out: &mut Vec<u8>, query: &[u8]) {
    let mut rest = query;
    while let Some((first, after)) = rest.split_first() {
        // The separator stays as it was written.
        push_escaped(out, &[*first]);
        let end = after.iter().position(|byte| is_separator(*byte)).unwrap_or(after.len());
        let (parameter, next) = after.split_at(end);
        let name = name(parameter);
        if parameter.len() > name.len() && is_secret(name) {
            push_escaped(out, name);
            out.push(b'=');
            out.extend_from_slice(FILTERED);
        } else {
            push_escaped(out, parameter);
        }
        rest = next;
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'&' | b';' | b'?')
}

fn parameters(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    query.split(|byte| is_separator(*byte))
}

fn name(parameter: &[u8]) -> &[u8] {
    parameter.split(|byte| *byte == b'=').next().unwrap_or_default()
}

/// Whether a name holds one of the words, in any case and also when it is written with escapes.
fn is_secret(name: &[u8]) -> bool {
    if name.contains(&b'%') {
        return contains_secret(&decoded(name));
    }
    contains_secret(name)
}

fn contains_secret(name: &[u8]) -> bool {
    SECRET_NAMES.iter().any(|word| name.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)))
}

fn decoded(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                plain.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

/// A time in UTC to the millisecond, as RFC 3339 writes it.
pub(super) struct Timestamp(pub(super) SystemTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs();
        let (year, month, day) = civil_date(seconds / 86_400);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            seconds / 3600 % 24,
            seconds / 60 % 60,
            seconds % 60,
            since.subsec_millis()
        )
    }
}

/// The date of a day counted from 1970-01-01, in years that begin with March so that the leap day
/// comes last.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> String {
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out);
        line.target("target", text);
        line.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn secrets_of_a_query_are_filtered() {
        assert_eq!(
            target("/a?user=1&reset_token=abc&PASSWORD=x&api_key=y&q=token"),
            "target=\"/a?user=1&reset_token=[FILTERED]&PASSWORD=[FILTERED]\
             &api_key=[FILTERED]&q=token\"\n"
        );
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
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out);
        line.text("id", b"a\" status=200\nnext\x1b[2J\\");
        line.text("empty", b"");
        line.end();
        assert_eq!(String::from_utf8(out).unwrap(), "id=\"a\\\" status=200\\x0anext\\x1b[2J\\\\\" empty=\"\"\n");
    }

    #[test]
    fn a_long_target_is_cut_and_the_line_ends_once() {
        let text = target(&format!("/{}", "a".repeat(LOG_LINE_BYTES * 2)));
        assert!(text.len() < LOG_LINE_BYTES);
        assert!(text.ends_with("...\"\n"));
        let secret = target(&format!("/?token={}", "s".repeat(LOG_LINE_BYTES)));
        assert!(!secret.contains("ss"));
    }

    #[test]
    fn a_line_has_its_limit() {
        let mut out = b"before\n".to_vec();
        let mut line = Line::begin(&mut out);
        line.text("long", &[b'x'; 3 * LOG_LINE_BYTES]);
        line.end();
        assert_eq!(out.len(), 7 + LOG_LINE_BYTES);
        assert_eq!(out.last(), Some(&b'\n'));
    }

    #[test]
    fn times_are_written_in_utc() {
        let at = |seconds, millis| {
            Timestamp(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis)).to_string()
        };
        assert_eq!(at(0, 7), "1970-01-01T00:00:00.007Z");
        assert_eq!(at(951_782_400, 0), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(4_107_542_399, 999), "2100-02-28T23:59:59.999Z");
        assert_eq!(at(4_107_542_400, 0), "2100-03-01T00:00:00.000Z");
    }
}
