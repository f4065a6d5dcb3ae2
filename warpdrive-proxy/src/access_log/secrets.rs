//! Which values of a query must not be logged.

/// What replaces a value that must not be logged.
pub(super) const FILTERED: &[u8] = b"[FILTERED]";

/// Parts of parameter names whose values are secrets, as Rails filters them by default.
const SECRET_NAMES: [&[u8]; 8] = [b"passw", b"secret", b"token", b"_key", b"crypt", b"salt", b"otp", b"ssn"];

/// Whether the query has a parameter whose value must not be logged.
pub(super) fn has_secret(query: &[u8]) -> bool {
    parameters(query).any(|parameter| is_secret(name(parameter)))
}

/// The query, with its `?` and its separators, in pieces: each a text to write as it is, and
/// whether a filtered value follows it.
pub(super) fn pieces(query: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let mut rest = query;
    std::iter::from_fn(move || {
        let after = rest.get(1..)?;
        let end = 1 + after.iter().position(|byte| is_separator(*byte)).unwrap_or(after.len());
        let (piece, next) = rest.split_at_checked(end)?;
        rest = next;
        let name = name(piece.get(1..).unwrap_or_default());
        let with_equals = name.len() + 2;
        let filtered = piece.len() >= with_equals && is_secret(name);
        Some((if filtered { piece.get(..with_equals).unwrap_or(piece) } else { piece }, filtered))
    })
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
