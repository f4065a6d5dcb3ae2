//! One request that a route seems made for, in the words of `warpdrive route-test`.

use std::fmt;

use http::{HeaderValue, Method};
use regex_syntax::hir::{Class, Hir, HirKind};

use super::shape::Shape;
use crate::fields;
use crate::host::HostPattern;
use crate::model::ServerSettings;
use crate::path;
use crate::pattern::{HeaderCondition, HeaderTest, PathRegex};

/// The host that `route-test` sends where none is given.
const USUAL_HOST: &str = "localhost";

/// The longest example that is still read with pleasure, in bytes.
const MAX_EXAMPLE_BYTES: usize = 200;

/// A request; the values of its fields are told as exact conditions.
pub(super) struct Example {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) host: HostPattern,
    pub(super) fields: Vec<HeaderCondition>,
}

impl Example {
    /// The arguments of `warpdrive route-test`; `None` where a message cannot put them between
    /// backticks.
    pub(super) fn shown(&self) -> Option<String> {
        let text = self.to_string();
        (!text.contains('`')).then_some(text)
    }
}

/// Shows the arguments of `warpdrive route-test`.
impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", word(self.method.as_str()), word(&self.path))?;
        match &self.host {
            HostPattern::Exact(name) if name != USUAL_HOST => write!(f, " --host {}", word(name))?,
            _ => {}
        }
        for condition in &self.fields {
            if let HeaderTest::Exact(value) = &condition.test {
                let value = String::from_utf8_lossy(value.as_bytes());
                write!(f, " -H {}", word(&format!("{}: {value}", condition.name)))?;
            }
        }
        Ok(())
    }
}

/// One word for a shell.
fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-%:@,+=".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Hosts that a pattern accepts, plain ones first.
pub(super) fn hosts(pattern: &HostPattern) -> Vec<HostPattern> {
    let names = match pattern {
        HostPattern::Any => vec![USUAL_HOST.to_owned(), "www.example.com".to_owned()],
        HostPattern::Exact(name) => vec![name.clone()],
        HostPattern::Wildcard(suffix) => vec![format!("www{suffix}"), format!("app{suffix}")],
    };
    names.into_iter().map(HostPattern::Exact).collect()
}

/// Paths that a rule takes, plain ones first; none where no plain one was found.
pub(super) fn paths(shape: &Shape<'_>, server: &ServerSettings) -> Vec<String> {
    let candidates = match shape {
        Shape::Everything => vec!["/".to_owned(), "/example".to_owned()],
        Shape::Prefix(prefix) => vec![(*prefix).to_owned(), format!("{prefix}/example")],
        Shape::Exact(path) => vec![path.clone().into_owned()],
        Shape::Regex(regex) => match sample(regex.regex) {
            Some(text) => vec![format!("/{text}"), text],
            None => Vec::new(),
        },
    };
    candidates.into_iter().filter(|path| is_plain_path(path, server) && takes(shape, path)).collect()
}

fn takes(shape: &Shape<'_>, path: &str) -> bool {
    shape.covers(&Shape::Exact(path.into()))
}

/// Whether the path stands for itself, and no reader could take it for another one.
fn is_plain_path(path: &str, server: &ServerSettings) -> bool {
    let mut normal = String::new();
    path.len() <= MAX_EXAMPLE_BYTES
        && path::normalise(path, server.merge_slashes, &mut normal).is_ok_and(|found| !found.ambiguous)
        && normal == path
}

/// Field lines that pass these conditions; `None` where none were found, or where the proxy
/// removes such a field before it routes.
pub(super) fn field_lines(conditions: &[HeaderCondition], server: &ServerSettings) -> Option<Vec<HeaderCondition>> {
    let mut lines: Vec<HeaderCondition> = Vec::with_capacity(conditions.len());
    for condition in conditions {
        if !fields::may_come_from_anyone(&condition.name, server) {
            return None;
        }
        let value = match &condition.test {
            HeaderTest::Exact(value) => value.clone(),
            HeaderTest::Present => HeaderValue::from_static("1"),
            HeaderTest::Regex(regex) => {
                let text = sample(regex).filter(|text| text.trim_ascii() == text && regex.is_match(text.as_bytes()))?;
                HeaderValue::from_str(&text).ok()?
            }
        };
        value.to_str().ok().filter(|text| text.len() <= MAX_EXAMPLE_BYTES)?;
        let line = HeaderCondition::new(condition.name.clone(), HeaderTest::Exact(value));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    Some(lines)
}

/// A text that the expression probably matches: whoever uses it tries it.
fn sample(regex: &PathRegex) -> Option<String> {
    let mut text = String::new();
    put(&regex.tree()?, &mut text)?;
    Some(text)
}

fn put(part: &Hir, text: &mut String) -> Option<()> {
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => text.push(member(class)?),
        HirKind::Repetition(repetition) => {
            for _ in 0..repetition.min {
                put(&repetition.sub, text)?;
                if text.len() > MAX_EXAMPLE_BYTES {
                    return None;
                }
            }
        }
        HirKind::Capture(capture) => put(&capture.sub, text)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| put(part, text))?,
        HirKind::Alternation(branches) => put(branches.first()?, text)?,
    }
    (text.len() <= MAX_EXAMPLE_BYTES).then_some(())
}

/// A letter or digit of a class, else its first visible character.
fn member(class: &Class) -> Option<char> {
    let holds = |wanted: char| match class {
        Class::Bytes(class) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&(wanted as u8)))
        }
        Class::Unicode(class) => class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&wanted)),
    };
    ('a'..='z').chain('0'..='9').chain('!'..='~').find(|&character| holds(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_matches_its_expression() {
        for (text, want) in [
            ("^/users/[0-9]+/posts", "/users/0/posts"),
            ("^/(a|b)/c?$", "/a/"),
            (r"\.(png|jpg)$", ".png"),
            ("(?i)^/API", "/api"),
            ("^[^a-z]{3}", "000"),
            ("", ""),
        ] {
            let regex = PathRegex::new(text).unwrap();
            let found = sample(&regex).unwrap();
            assert_eq!(found, want, "{text}");
            assert!(regex.is_match(found.as_bytes()));
        }
        assert_eq!(sample(&PathRegex::new("a{500}").unwrap()), None);
    }

    #[test]
    fn a_shell_reads_each_argument_as_one_word() {
        assert_eq!(word("/a"), "/a");
        assert_eq!(word("/a(b)"), "'/a(b)'");
        assert_eq!(word("x: it's"), "'x: it'\\''s'");
        assert_eq!(word(""), "''");
    }
}
