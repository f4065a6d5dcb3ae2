//! The conditions of a route, parsed: paths, regular expressions and header fields.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use regex_automata::meta;
use regex_automata::nfa::thompson::WhichCaptures;
use regex_automata::util::syntax;
use regex_syntax::hir::Hir;
use thiserror::Error;

use crate::limits::{MAX_PATTERN_BYTES, MAX_PATTERN_SEGMENTS, MAX_REGEX_BYTES, MAX_REGEX_PROGRAM_BYTES};
use crate::path;

/// What a route wants of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathRule {
    /// No condition.
    Any,
    /// Whole segments: `/api` accepts `/api`, `/api/` and `/api/x`, never `/apix`.
    /// Normalised, without a trailing slash but for the root, which is `/`.
    Prefix(String),
    /// The whole normalised path.
    Exact(String),
    /// Searched in the normalised path.
    Regex(PathRegex),
}

impl PathRule {
    /// Whether a normalised path is accepted; `None` is the target `*`, which only a route
    /// without a path condition, or with the prefix `/`, accepts. The plain rule: look-ups use
    /// the index.
    pub(crate) fn accepts(&self, path: Option<&str>) -> bool {
        match (self, path) {
            (PathRule::Any, _) => true,
            (PathRule::Prefix(prefix), _) if prefix == "/" => true,
            (_, None) => false,
            (PathRule::Prefix(prefix), Some(path)) => match path.strip_prefix(prefix.as_str()) {
                Some(rest) => rest.is_empty() || rest.starts_with('/'),
                None => false,
            },
            (PathRule::Exact(exact), Some(path)) => exact == path,
            (PathRule::Regex(regex), Some(path)) => regex.is_match(path.as_bytes()),
        }
    }
}

impl fmt::Display for PathRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathRule::Any => f.write_str("any path"),
            PathRule::Prefix(prefix) => write!(f, "path_prefix {prefix}"),
            PathRule::Exact(exact) => write!(f, "path_exact {exact}"),
            PathRule::Regex(regex) => write!(f, "path_regex {regex}"),
        }
    }
}

/// Why a pattern is refused, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct PatternError {
    problem: String,
    hint: &'static str,
}

impl PatternError {
    fn new(problem: impl Into<String>, hint: &'static str) -> Self {
        PatternError { problem: problem.into(), hint }
    }

    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        self.hint
    }
}

/// Puts a path written in a configuration into normal form. What cannot stand raw in a request
/// target counts as its escape here, since a person writes `/a b` and means `/a%20b`.
pub(crate) fn normal_pattern(text: &str, merge_slashes: bool) -> Result<String, PatternError> {
    if !text.starts_with('/') {
        return Err(PatternError::new("a path begins with a slash", "put a `/` in front"));
    }
    if text.len() > MAX_PATTERN_BYTES {
        return Err(PatternError::new(
            format!("a path pattern has at most {MAX_PATTERN_BYTES} bytes, this one has {}", text.len()),
            "shorten it",
        ));
    }
    if text.contains('?') {
        return Err(PatternError::new(
            "routes do not look at the query",
            "leave out the `?` and what follows, or write `%3F`",
        ));
    }
    if text.contains('#') {
        return Err(PatternError::new(
            "no request has a fragment",
            "leave out the `#` and what follows, or write `%23`",
        ));
    }
    if text.contains('\\') {
        return Err(PatternError::new("a path has no raw backslash", "write `/`, or `%5C` for the byte itself"));
    }
    let mut raw = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            ' ' => raw.push_str("%20"),
            '<' => raw.push_str("%3C"),
            '>' => raw.push_str("%3E"),
            '`' => raw.push_str("%60"),
            other => raw.push(other),
        }
    }
    let mut normal = String::with_capacity(raw.len());
    let findings = path::normalise(&raw, merge_slashes, &mut normal).map_err(|error| match error {
        path::PathError::AboveRoot => {
            PatternError::new("a path pattern has no dot segments", "write the path that they lead to")
        }
        path::PathError::BadEscape => PatternError::new(error.to_string(), "write `%25` for a percent sign"),
        path::PathError::TooLong(_) => PatternError::new(error.to_string(), "write a shorter one"),
        other => PatternError::new(other.to_string(), "leave the byte out"),
    })?;
    if findings.dots {
        return Err(PatternError::new("a path pattern has no dot segments", "write the path that they lead to"));
    }
    if normal.bytes().filter(|&byte| byte == b'/').count() > MAX_PATTERN_SEGMENTS {
        return Err(PatternError::new(
            format!("a path pattern has at most {MAX_PATTERN_SEGMENTS} segments"),
            "shorten it",
        ));
    }
    Ok(normal)
}

impl PathRule {
    /// Reads a `path_prefix`.
    ///
    /// # Errors
    /// A [`PatternError`] for what no normalised path can begin with.
    pub fn prefix(text: &str, merge_slashes: bool) -> Result<Self, PatternError> {
        let mut normal = normal_pattern(text, merge_slashes)?;
        if normal.len() > 1 && normal.ends_with('/') {
            normal.pop();
        }
        Ok(PathRule::Prefix(normal))
    }

    /// Reads a `path_exact`.
    ///
    /// # Errors
    /// A [`PatternError`] for what no normalised path can be.
    pub fn exact(text: &str, merge_slashes: bool) -> Result<Self, PatternError> {
        normal_pattern(text, merge_slashes).map(PathRule::Exact)
    }

    /// Reads a `path_regex`.
    ///
    /// # Errors
    /// A [`PatternError`] for a syntax error, or for an expression over the size limits.
    pub fn regex(text: &str) -> Result<Self, PatternError> {
        PathRegex::new(text).map(PathRule::Regex)
    }
}

/// A compiled regular expression over bytes: linear time, no Unicode classes, bounded memory.
#[derive(Clone)]
pub struct PathRegex {
    source: Arc<str>,
    program: Arc<meta::Regex>,
}

impl PathRegex {
    /// Compiles an expression.
    ///
    /// # Errors
    /// A [`PatternError`] for a syntax error, or for an expression over the size limits.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_REGEX_BYTES {
            return Err(PatternError::new(
                format!("a regular expression has at most {MAX_REGEX_BYTES} bytes, this one has {}", text.len()),
                "split it into several routes",
            ));
        }
        let program = meta::Regex::builder()
            .configure(configuration().nfa_size_limit(Some(MAX_REGEX_PROGRAM_BYTES)))
            .syntax(syntax_rules())
            .build(text)
            .map_err(|error| match (error.size_limit(), error.syntax_error()) {
                (Some(_), _) => PatternError::new(
                    format!("the expression needs more than {MAX_REGEX_PROGRAM_BYTES} bytes when compiled"),
                    "use smaller repetition counts",
                ),
                (None, Some(error)) => PatternError::new(
                    one_line(&error.to_string()),
                    "the syntax is that of the Rust regex crate, without look-around, backreferences and Unicode classes",
                ),
                (None, None) => PatternError::new(one_line(&error.to_string()), "simplify it"),
            })?;
        Ok(PathRegex { source: text.into(), program: Arc::new(program) })
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The syntax tree; `None` never happens for an expression that compiled.
    pub(crate) fn tree(&self) -> Option<Hir> {
        regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(&self.source).ok()
    }

    pub(crate) fn program(&self) -> &Arc<meta::Regex> {
        &self.program
    }

    /// Matches with a cache from the program's own pool, which may allocate and lock: for
    /// explanations, tests and the plain scan only.
    pub(crate) fn is_match(&self, haystack: &[u8]) -> bool {
        self.program.is_match(haystack)
    }
}

impl PartialEq for PathRegex {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for PathRegex {}

impl fmt::Debug for PathRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathRegex({:?})", self.source)
    }
}

impl fmt::Display for PathRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// The engine settings of every expression: nobody asks where a match is, so no captures.
pub(crate) fn configuration() -> meta::Config {
    meta::Config::new().which_captures(WhichCaptures::None).utf8_empty(false)
}

/// The syntax of every expression: bytes, since a normalised path is ASCII and a field value may
/// be anything.
pub(crate) fn syntax_rules() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false)
}

/// The last line of a syntax error, which says what is wrong; the others draw the expression.
fn one_line(text: &str) -> String {
    let last = text.lines().last().unwrap_or(text).trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// What a route wants of one header field; any one field line of that name may match.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderCondition {
    /// The field name, compared without case.
    pub name: HeaderName,
    /// What its value must be.
    pub test: HeaderTest,
}

/// How a field value is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderTest {
    /// Byte for byte.
    Exact(HeaderValue),
    /// Any value.
    Present,
    /// Searched in the value's bytes.
    Regex(PathRegex),
}

impl HeaderCondition {
    pub(crate) fn new(name: HeaderName, test: HeaderTest) -> Self {
        HeaderCondition { name, test }
    }
}

impl HeaderTest {
    /// The plain rule for one field line.
    pub(crate) fn accepts(&self, value: &[u8]) -> bool {
        match self {
            HeaderTest::Exact(wanted) => wanted.as_bytes() == value,
            HeaderTest::Present => true,
            HeaderTest::Regex(regex) => regex.is_match(value),
        }
    }
}

impl fmt::Display for HeaderCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            HeaderTest::Exact(value) => write!(f, "{}: {}", self.name, String::from_utf8_lossy(value.as_bytes())),
            HeaderTest::Present => write!(f, "{} present", self.name),
            HeaderTest::Regex(regex) => write!(f, "{} matches {regex}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_takes_whole_segments() {
        for written in ["/api", "/api/", "//api", "/%61pi"] {
            let rule = PathRule::prefix(written, true).unwrap();
            for path in ["/api", "/api/", "/api/x"] {
                assert!(rule.accepts(Some(path)), "{written} {path}");
            }
            for path in ["/apix", "/", "/API", "/ap", "/x/api"] {
                assert!(!rule.accepts(Some(path)), "{written} {path}");
            }
        }
        assert!(PathRule::prefix("/", true).unwrap().accepts(None));
        assert!(!PathRule::prefix("/api", true).unwrap().accepts(None));
    }

    #[test]
    fn what_a_person_writes_raw_counts_as_its_escape() {
        assert_eq!(PathRule::exact("/a b{c}é`<", true), Ok(PathRule::Exact("/a%20b%7Bc%7D%C3%A9%60%3C".into())));
    }

    #[test]
    fn patterns_without_one_meaning_are_refused() {
        for text in ["", "api", "/a?b", "/a#b", "/a\\b", "/a/../b", "/a/./b", "/%2e%2e/a", "/..", "/%", "/%00", "/a\n"]
        {
            let error = PathRule::prefix(text, true).unwrap_err();
            assert!(!error.hint().is_empty(), "{text:?}");
        }
        assert!(PathRule::prefix(&"/a".repeat(MAX_PATTERN_SEGMENTS), true).is_ok());
        assert!(PathRule::prefix(&"/a".repeat(MAX_PATTERN_SEGMENTS + 1), true).is_err());
        assert!(PathRule::prefix(&format!("/{}", "a".repeat(MAX_PATTERN_BYTES)), true).is_err());
    }

    #[test]
    fn expressions_are_bounded() {
        assert!(PathRegex::new("^/users/[0-9]+/posts").is_ok());
        for text in ["(", "\\p{L}", "(a{1000}){1000}", "(?=x)", "\\1"] {
            let error = PathRegex::new(text).unwrap_err();
            assert!(!error.to_string().contains('\n'), "{error}");
        }
        assert!(PathRegex::new(&"a".repeat(MAX_REGEX_BYTES + 1)).is_err());
    }
}
