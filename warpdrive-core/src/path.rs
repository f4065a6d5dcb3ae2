//! Paths: the one normal form that every rule reads, and the lenient reading that guards it.
//!
//! The normal form is ASCII, begins with `/`, holds no dot segment, writes an escape only where
//! it must and then in upper case, and is its own normal form. Two spellings that a server may
//! treat alike give one form; `%2F` stays an escape and never becomes a separator.

use thiserror::Error;

use crate::lanes;
use crate::limits::MAX_TARGET_BYTES;

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum PathError {
    #[error("the path does not begin with a slash")]
    NoSlash,
    #[error("`..` climbs above the root")]
    AboveRoot,
    #[error("a percent sign is not followed by two hexadecimal digits")]
    BadEscape,
    #[error("the path has a control byte, raw or escaped")]
    Control,
    #[error("the path has a raw space, backslash, `<`, `>` or backtick")]
    BadCharacter,
    #[error("the path has {0} bytes in its normal form, more than {MAX_TARGET_BYTES}")]
    TooLong(usize),
}

/// What normalising found on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Dot segments were resolved, so the client's own bytes must not go on.
    pub(crate) dots: bool,
    /// Empty segments were merged.
    pub(crate) merged: bool,
    /// Escapes or raw bytes were rewritten.
    pub(crate) recoded: bool,
    /// Another reader could see other segments: `%2F`, `%5C`, `;`, or a kept empty segment.
    pub(crate) ambiguous: bool,
}

/// How a byte of a path is treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// `pchar` of RFC 3986 but `%` and `;`: stands for itself.
    Plain,
    Slash,
    Semicolon,
    Percent,
    /// Outside `pchar`, but tolerated: written as its escape.
    Escape,
    Control,
    Forbidden,
}

const fn classify(byte: u8) -> Class {
    match byte {
        b'/' => Class::Slash,
        b';' => Class::Semicolon,
        b'%' => Class::Percent,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => Class::Plain,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' => Class::Plain,
        0x00..=0x1f | 0x7f => Class::Control,
        b' ' | b'\\' | b'<' | b'>' | b'`' => Class::Forbidden,
        _ => Class::Escape,
    }
}

const CLASSES: [Class; 256] = {
    let mut table = [Class::Plain; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "byte is below 256")]
        {
            table[byte] = classify(byte as u8);
        }
        byte += 1;
    }
    table
};

fn class(byte: u8) -> Class {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(Class::Forbidden)
}

/// Whether a path or target is its own normal form, seen without looking twice: no escape, query
/// or fragment, nothing that would be escaped, and no slash or dot behind a slash. False is no
/// verdict: `/.well-known` is only not plain.
pub(crate) fn is_plain(raw: &str) -> bool {
    raw.starts_with('/')
        && !lanes::any(raw.as_bytes(), |byte, next| {
            let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
            // `$&'()*+,-./0-9:` stand in one row, but for the percent sign among them.
            let row = (byte.wrapping_sub(b'$') <= b':' - b'$') & (byte != b'%');
            // `!`, `=` and `~` are rare, and looking for them is not free.
            let other = (byte == b'@') | (byte == b'_');
            let segment = (byte == b'/') & ((next == b'/') | (next == b'.'));
            !(letter | row | other) | segment
        })
}

/// Whether a path in normal form may hold this byte as itself, or as part of an escape.
pub(crate) fn may_stand_raw(byte: u8) -> bool {
    matches!(class(byte), Class::Plain | Class::Slash | Class::Semicolon | Class::Percent)
}

/// Writes the normal form of `raw` into `out`, which is emptied first. Idempotent.
///
/// # Errors
/// A [`PathError`]; `out` is then unspecified.
pub(crate) fn normalise(raw: &str, merge_slashes: bool, out: &mut String) -> Result<Findings, PathError> {
    out.clear();
    let Some(rest) = raw.strip_prefix('/') else { return Err(PathError::NoSlash) };
    let mut findings = Findings::default();
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        let start = out.len();
        out.push('/');
        encode_segment(segment, out, &mut findings)?;
        // Escaped dots are bare by now, so `%2e%2E` is seen as `..` here.
        match out.get(start + 1..).unwrap_or_default() {
            "." => {
                findings.dots = true;
                out.truncate(start);
            }
            ".." => {
                findings.dots = true;
                out.truncate(start);
                let parent = out.rfind('/').ok_or(PathError::AboveRoot)?;
                out.truncate(parent);
            }
            "" if !last && merge_slashes => {
                findings.merged = true;
                out.truncate(start);
                continue;
            }
            "" if !last => {
                findings.ambiguous = true;
                continue;
            }
            _ => continue,
        }
        if last {
            out.push('/');
        }
    }
    // A byte that is escaped takes three: what is accepted here must be accepted by the next reader, too.
    if out.len() > MAX_TARGET_BYTES {
        return Err(PathError::TooLong(out.len()));
    }
    Ok(findings)
}

fn encode_segment(segment: &str, out: &mut String, findings: &mut Findings) -> Result<(), PathError> {
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        match class(byte) {
            Class::Plain | Class::Slash => out.push(char::from(byte)),
            Class::Semicolon => {
                findings.ambiguous = true;
                out.push(';');
            }
            Class::Percent => {
                let high = bytes.next().and_then(hex_value).ok_or(PathError::BadEscape)?;
                let low = bytes.next().and_then(hex_value).ok_or(PathError::BadEscape)?;
                let value = high << 4 | low;
                match class(value) {
                    Class::Control => return Err(PathError::Control),
                    Class::Plain => {
                        findings.recoded = true;
                        out.push(char::from(value));
                    }
                    _ => {
                        findings.ambiguous |= value == b'/' || value == b'\\';
                        push_escape(value, out);
                    }
                }
            }
            Class::Escape => {
                findings.recoded = true;
                push_escape(byte, out);
            }
            Class::Control => return Err(PathError::Control),
            Class::Forbidden => return Err(PathError::BadCharacter),
        }
    }
    Ok(())
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn push_escape(byte: u8, out: &mut String) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or('0');
    out.push('%');
    out.push(digit(byte >> 4));
    out.push(digit(byte & 0xf));
}

/// Writes what a lenient reader would make of a normal path into `out`: segments cut at `;`,
/// escapes decoded once, a backslash read as a slash, empty segments merged, dots resolved, and
/// the outcome escaped again.
///
/// # Errors
/// [`PathError::AboveRoot`] where that reader would climb out.
pub(crate) fn lenient(normal: &str, out: &mut String) -> Result<(), PathError> {
    out.clear();
    let mut open = 0;
    let mut in_parameter = false;
    let mut bytes = normal.bytes();
    // `open` is the length of `out` in front of the segment being written.
    let close = |out: &mut String, open: usize, last: bool| -> Result<(), PathError> {
        let ends = match out.get(open..).unwrap_or_default() {
            "/" => {
                out.truncate(open);
                true
            }
            "/." => {
                out.truncate(open);
                true
            }
            "/.." => {
                out.truncate(open);
                let parent = out.rfind('/').ok_or(PathError::AboveRoot)?;
                out.truncate(parent);
                true
            }
            _ => false,
        };
        if last && ends {
            out.push('/');
        }
        Ok(())
    };
    while let Some(byte) = bytes.next() {
        let mut value = byte;
        let mut literal = false;
        if byte == b'%' {
            let high = bytes.next().and_then(hex_value).ok_or(PathError::BadEscape)?;
            let low = bytes.next().and_then(hex_value).ok_or(PathError::BadEscape)?;
            value = high << 4 | low;
            literal = true;
        }
        // A parameter ends at the separator of the text itself; `%2F` inside it is cut with it.
        if value == b'/' && !literal {
            in_parameter = false;
        }
        if in_parameter {
            continue;
        }
        match value {
            b'/' | b'\\' => {
                if !out.is_empty() || open != 0 {
                    close(out, open, false)?;
                }
                open = out.len();
                out.push('/');
            }
            b';' if !literal => in_parameter = true,
            _ => match class(value) {
                Class::Plain | Class::Semicolon => out.push(char::from(value)),
                _ => push_escape(value, out),
            },
        }
    }
    close(out, open, true)
}

/// Whether the query has only what hyper's parser accepts: no control byte, space, `"`, `<`, `>`.
pub(crate) fn query_is_clean(query: &str) -> bool {
    query.bytes().all(|byte| !matches!(byte, 0x00..=0x20 | b'"' | b'<' | b'>' | 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norm(raw: &str) -> Result<String, PathError> {
        let mut out = String::new();
        normalise(raw, true, &mut out).map(|_| out)
    }

    fn lenient_of(raw: &str) -> Result<String, PathError> {
        let mut out = String::new();
        lenient(&norm(raw)?, &mut out).map(|()| out)
    }

    #[test]
    fn a_normal_form_is_no_longer_than_a_target() {
        let escaped = |count: usize| norm(&format!("/{}", "\u{fc}".repeat(count)));
        let most = (MAX_TARGET_BYTES - 1) / 6;
        assert_eq!(escaped(most).map(|normal| normal.len()), Ok(1 + 6 * most));
        assert_eq!(escaped(most + 1), Err(PathError::TooLong(7 + 6 * most)));
    }

    #[test]
    fn one_form_for_every_spelling() {
        for (raw, want) in [
            ("/", "/"),
            ("//", "/"),
            ("/a", "/a"),
            ("/a/", "/a/"),
            ("//a///b//", "/a/b/"),
            ("/a/./b", "/a/b"),
            ("/a/b/.", "/a/b/"),
            ("/a/b/..", "/a/"),
            ("/a/..", "/"),
            ("/a/%2e%2E/b", "/b"),
            ("/a//../b", "/b"),
            ("/.", "/"),
            ("/...", "/..."),
            ("/.a", "/.a"),
            ("/a.", "/a."),
            ("/%61%7e%2d", "/a~-"),
            ("/%21%24%26%27%28%29%2a%2b%2c%3d%3a%40", "/!$&'()*+,=:@"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%5cb", "/a%5Cb"),
            ("/a%3bb", "/a%3Bb"),
            ("/é", "/%C3%A9"),
            ("/%c3%a9", "/%C3%A9"),
            ("/{x}|^\"[]", "/%7Bx%7D%7C%5E%22%5B%5D"),
            ("/%25%32%35", "/%2525"),
            ("/a%ff", "/a%FF"),
            ("/a;b/c", "/a;b/c"),
        ] {
            assert_eq!(norm(raw).as_deref(), Ok(want), "{raw}");
            assert_eq!(norm(want).as_deref(), Ok(want), "{want} is its own form");
        }
    }

    #[test]
    fn plain_is_what_normalising_leaves_alone() {
        for byte in 0..=u8::MAX {
            let text = format!("/aaaaaaaaaaaaaaaaaaaaaaaa{}b", char::from(byte));
            let kept = norm(&text).is_ok_and(|normal| normal == text) && !b";!=~".contains(&byte);
            assert_eq!(is_plain(&text), kept, "{text:?}");
        }
        for text in ["", "a", "//", "/a//b", "/a/.", "/./a", "/.."] {
            assert!(!is_plain(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for (raw, want) in [
            ("", PathError::NoSlash),
            ("a", PathError::NoSlash),
            ("/..", PathError::AboveRoot),
            ("/a/../..", PathError::AboveRoot),
            ("/%2e%2e/", PathError::AboveRoot),
            ("/%", PathError::BadEscape),
            ("/%4", PathError::BadEscape),
            ("/%zz", PathError::BadEscape),
            ("/%00", PathError::Control),
            ("/%0a", PathError::Control),
            ("/%7f", PathError::Control),
            ("/\u{1}", PathError::Control),
            ("/a b", PathError::BadCharacter),
            ("/a\\b", PathError::BadCharacter),
            ("/<", PathError::BadCharacter),
            ("/`", PathError::BadCharacter),
        ] {
            assert_eq!(norm(raw), Err(want), "{raw:?}");
        }
    }

    #[test]
    fn slashes_are_kept_when_merging_is_off() {
        let mut out = String::new();
        let findings = normalise("/a//b/", false, &mut out).unwrap();
        assert_eq!(out, "/a//b/");
        assert!(findings.ambiguous);
        assert!(!findings.merged);
        normalise("//..", false, &mut out).unwrap();
        assert_eq!(out, "/");
    }

    #[test]
    fn the_lenient_reader() {
        for (raw, want) in [
            ("/a%2Fb", "/a/b"),
            ("/a%5Cb", "/a/b"),
            ("/a;x=1/b;y", "/a/b"),
            ("/a/..;/b", "/b"),
            ("/a/..%2fadmin", "/admin"),
            ("/api/%2e%2e%2fadmin", "/admin"),
            ("/a/.;x/b", "/a/b"),
            ("/a%2F%2Fb", "/a/b"),
            ("/a%2F", "/a/"),
            ("/a;b%2Fc/d", "/a/d"),
            ("/a%3Bb", "/a;b"),
            ("/a%252fb", "/a%252fb"),
            ("/;", "/"),
            ("/a/;/b", "/a/b"),
            ("/a/..;", "/"),
        ] {
            assert_eq!(lenient_of(raw).as_deref(), Ok(want), "{raw}");
        }
        for raw in ["/..%2f", "/a%2f..%2f..%2fb", "/..;/a", "/a/..;/..;/"] {
            assert_eq!(lenient_of(raw), Err(PathError::AboveRoot), "{raw}");
        }
    }
}
