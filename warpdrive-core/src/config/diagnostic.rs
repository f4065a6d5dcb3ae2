//! Mistakes and warnings: each with a stable code, its place, whole words and a way out.

use std::fmt;
use std::ops::Range;

use crate::limits::MAX_DIAGNOSTICS;
use crate::router::CompileError;

/// The stable name of a kind of mistake or warning. Never reused for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Code {
    /// The text is no TOML.
    TomlSyntax,
    /// A key that no section has.
    UnknownKey,
    /// A value of another type than the key takes.
    WrongType,
    /// A value out of range or of another form than the key takes.
    BadValue,
    /// A host pattern without one meaning.
    BadHost,
    /// A path pattern without one meaning.
    BadPath,
    /// A regular expression that does not compile within the limits.
    BadRegex,
    /// A header field name or value that is none, or that may not be set.
    BadHeader,
    /// A method that is no token.
    BadMethod,
    /// A key that is needed and missing.
    MissingKey,
    /// Two keys that contradict each other.
    ConflictingKeys,
    /// A route to an upstream that does not exist.
    UnknownUpstream,
    /// A route requires a token and none is configured.
    NoAdminToken,
    /// More of something than the limits allow.
    TooMany,
    /// An environment variable that cannot be read.
    BadVariable,
    /// Neither a file nor a target in the environment.
    NothingConfigured,
    /// An upstream that is one of the server's own listeners.
    OwnListener,
    /// A key that is read, but whose behaviour is not there yet.
    NotActiveYet,
    /// An environment variable that looks like ours and is not.
    UnknownVariable,
    /// `https_port` without a certificate source.
    HttpsPortIgnored,
    /// Nothing decides where requests go.
    NoRoutes,
    /// `WARPDRIVE_TARGET_*` beside a file that has no upstream `default`.
    TargetIgnored,
    /// A guarded route is served in clear text beyond this machine.
    AuthWithoutTls,
    /// The state of the proxy can be read from beyond this machine.
    AdminBeyondLoopback,
    /// Two routes with the same conditions.
    DuplicateRoute,
    /// A route that no request can reach.
    UnreachableRoute,
    /// A route that loses requests to an earlier one that is more general in its path.
    ShadowedRoute,
    /// An upstream that no route uses.
    UnusedUpstream,
    /// A path expression that is searched anywhere in the path.
    UnanchoredRegex,
    /// A literal in a path expression that no path in normal form holds.
    RegexLiteral,
    /// Of two routes to one upstream, only one requires a token.
    GuardedAndUnguarded,
    /// A process that is not told the address of its upstream.
    AddressNotInProcess,
    /// A program that is not there.
    ProgramNotFound,
    /// The search for routes in each other's way was given up.
    FindingsIncomplete,
}

impl Code {
    /// Every code, for documentation and tests.
    pub const ALL: &[Code] = &[
        Code::TomlSyntax,
        Code::UnknownKey,
        Code::WrongType,
        Code::BadValue,
        Code::BadHost,
        Code::BadPath,
        Code::BadRegex,
        Code::BadHeader,
        Code::BadMethod,
        Code::MissingKey,
        Code::ConflictingKeys,
        Code::UnknownUpstream,
        Code::NoAdminToken,
        Code::TooMany,
        Code::BadVariable,
        Code::NothingConfigured,
        Code::OwnListener,
        Code::NotActiveYet,
        Code::UnknownVariable,
        Code::HttpsPortIgnored,
        Code::NoRoutes,
        Code::TargetIgnored,
        Code::AuthWithoutTls,
        Code::AdminBeyondLoopback,
        Code::DuplicateRoute,
        Code::UnreachableRoute,
        Code::ShadowedRoute,
        Code::UnusedUpstream,
        Code::UnanchoredRegex,
        Code::RegexLiteral,
        Code::GuardedAndUnguarded,
        Code::AddressNotInProcess,
        Code::ProgramNotFound,
        Code::FindingsIncomplete,
    ];

    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::TomlSyntax => "toml-syntax",
            Code::UnknownKey => "unknown-key",
            Code::WrongType => "wrong-type",
            Code::BadValue => "bad-value",
            Code::BadHost => "bad-host",
            Code::BadPath => "bad-path",
            Code::BadRegex => "bad-regex",
            Code::BadHeader => "bad-header",
            Code::BadMethod => "bad-method",
            Code::MissingKey => "missing-key",
            Code::ConflictingKeys => "conflicting-keys",
            Code::UnknownUpstream => "unknown-upstream",
            Code::NoAdminToken => "no-admin-token",
            Code::TooMany => "too-many",
            Code::BadVariable => "bad-variable",
            Code::NothingConfigured => "nothing-configured",
            Code::OwnListener => "own-listener",
            Code::NotActiveYet => "not-active-yet",
            Code::UnknownVariable => "unknown-variable",
            Code::HttpsPortIgnored => "https-port-ignored",
            Code::NoRoutes => "no-routes",
            Code::TargetIgnored => "target-ignored",
            Code::AuthWithoutTls => "auth-without-tls",
            Code::AdminBeyondLoopback => "admin-beyond-loopback",
            Code::DuplicateRoute => "duplicate-route",
            Code::UnreachableRoute => "unreachable-route",
            Code::ShadowedRoute => "shadowed-route",
            Code::UnusedUpstream => "unused-upstream",
            Code::UnanchoredRegex => "unanchored-regex",
            Code::RegexLiteral => "regex-literal",
            Code::GuardedAndUnguarded => "guarded-and-unguarded",
            Code::AddressNotInProcess => "address-not-in-process",
            Code::ProgramNotFound => "program-not-found",
            Code::FindingsIncomplete => "findings-incomplete",
        }
    }

    /// Whether configurations with it are refused.
    pub fn severity(self) -> Severity {
        if self < Code::NotActiveYet { Severity::Error } else { Severity::Warning }
    }
}

/// Whether a configuration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// There is no single meaning; nothing starts.
    Error,
    /// There is one, but perhaps not the one that was meant.
    Warning,
}

/// Where a diagnostic points.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A stretch of the file, in bytes.
    File(Range<usize>),
    /// An environment variable.
    Variable(String),
    /// The configuration as a whole.
    Whole,
}

/// One mistake or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The kind.
    pub code: Code,
    /// What is wrong, as a fragment without full stop; the culprit stands in backticks.
    pub message: String,
    /// Where.
    pub place: Place,
    /// Line and column of the place, both from 1; the column counts characters.
    pub position: Option<(usize, usize)>,
    /// Another place that takes part, and its role.
    pub related: Option<(Range<usize>, String)>,
    /// Line and column of that other place, like [`Diagnostic::position`].
    pub related_position: Option<(usize, usize)>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn help(&mut self, text: impl Into<String>) -> &mut Self {
        self.help = Some(text.into());
        self
    }

    pub(crate) fn related(&mut self, span: Range<usize>, role: impl Into<String>) -> &mut Self {
        self.related = Some((span, role.into()));
        self
    }
}

/// Shows one line: position, code, message and help, without the file's name.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.place, self.position) {
            (Place::Variable(name), _) => write!(f, "{}: ", name.escape_debug())?,
            (_, Some((line, column))) => write!(f, "{line}:{column}: ")?,
            _ => {}
        }
        let severity = match self.code.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}[{}]: {}", self.code.as_str(), self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; help: {help}")?;
        }
        Ok(())
    }
}

/// Collects diagnostics while a configuration is read.
#[derive(Debug, Default)]
pub(crate) struct Report {
    found: Vec<Diagnostic>,
    /// Stretches of the file that hold secrets.
    secrets: Vec<Range<usize>>,
}

impl Report {
    #[expect(clippy::indexing_slicing, reason = "the element was just pushed")]
    pub(crate) fn add(&mut self, code: Code, place: Place, message: impl Into<String>) -> &mut Diagnostic {
        let diagnostic = Diagnostic {
            code,
            message: message.into(),
            place,
            position: None,
            related: None,
            related_position: None,
            help: None,
        };
        let last = self.found.len();
        self.found.push(diagnostic);
        &mut self.found[last]
    }

    pub(crate) fn secret(&mut self, place: &Place) {
        if let Place::File(span) = place {
            self.secrets.push(span.clone());
        }
    }

    /// How many errors there are so far.
    pub(crate) fn errors(&self) -> usize {
        self.found.iter().filter(|diagnostic| diagnostic.code.severity() == Severity::Error).count()
    }

    /// Takes warnings of a kind back.
    pub(crate) fn retract(&mut self, code: Code) {
        self.found.retain(|diagnostic| diagnostic.code != code);
    }

    pub(crate) fn has(&self, code: Code, message: &str) -> bool {
        self.found.iter().any(|diagnostic| diagnostic.code == code && diagnostic.message == message)
    }

    /// The first warnings, sorted by place, and how many more there are; `Err` where there is any
    /// error.
    pub(crate) fn finish(mut self, file: Option<(&str, &str)>) -> Result<(Vec<Diagnostic>, usize), ConfigErrors> {
        if self.errors() > 0 {
            return Err(self.into_errors(file));
        }
        let more = self.settle(file.map_or("", |(_, text)| text));
        Ok((self.found, more))
    }

    /// Everything found, as a refusal.
    pub(crate) fn into_errors(mut self, file: Option<(&str, &str)>) -> ConfigErrors {
        let text = file.map_or("", |(_, text)| text);
        let more = self.settle(text);
        ConfigErrors {
            file: file.map(|(name, _)| name.to_owned()),
            text: masked(text, &self.secrets),
            diagnostics: self.found,
            more,
        }
    }

    /// Sorts by place, keeps the first [`MAX_DIAGNOSTICS`] and finds their lines and columns.
    /// Returns how many more there were.
    fn settle(&mut self, text: &str) -> usize {
        self.found.sort_by_key(|diagnostic| match &diagnostic.place {
            Place::Whole => (0, 0, String::new()),
            Place::File(span) => (1, span.start, String::new()),
            Place::Variable(name) => (2, 0, name.clone()),
        });
        let more = self.found.len().saturating_sub(MAX_DIAGNOSTICS);
        self.found.truncate(MAX_DIAGNOSTICS);
        let lines = Lines::new(text);
        for diagnostic in &mut self.found {
            let role = diagnostic.related.as_mut().map(|(_, role)| role);
            [Some(&mut diagnostic.message), role, diagnostic.help.as_mut()].into_iter().flatten().for_each(escape);
            if let Place::File(span) = &diagnostic.place {
                diagnostic.position = Some(lines.position(text, span.start));
            }
            if let Some((span, _)) = &diagnostic.related {
                diagnostic.related_position = Some(lines.position(text, span.start));
            }
        }
        more
    }
}

/// A value that a message quotes may hold anything that TOML can write: here it stays on its line, and no
/// terminal obeys it or shows it in another order.
fn escape(text: &mut String) {
    const DIRECTION: [std::ops::RangeInclusive<char>; 3] =
        ['\u{200e}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2066}'..='\u{2069}'];
    let escaped = |c: char| c.is_control() || DIRECTION.iter().any(|range| range.contains(&c));
    if text.contains(escaped) {
        let mut plain = String::with_capacity(text.len());
        for c in text.chars() {
            if escaped(c) { plain.extend(c.escape_debug()) } else { plain.push(c) }
        }
        *text = plain;
    }
}

/// The text with every secret's bytes replaced, so that no message can quote one.
fn masked(text: &str, secrets: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        if secrets.iter().any(|secret| secret.contains(&at)) && character != '\n' {
            out.extend(std::iter::repeat_n('*', character.len_utf8()));
        } else {
            out.push(character);
        }
    }
    out
}

/// The starts of lines.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        Lines(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.0.partition_point(|&start| start <= at)
    }

    fn position(&self, text: &str, at: usize) -> (usize, usize) {
        let line = self.line(at);
        let start = self.0.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = text.get(start..at).map_or(1, |before| before.chars().count() + 1);
        (line, column)
    }
}

/// Every mistake of a configuration, with the warnings between them, sorted by place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    file: Option<String>,
    text: String,
    diagnostics: Vec<Diagnostic>,
    more: usize,
}

impl ConfigErrors {
    pub(crate) fn from_compile(error: CompileError) -> Self {
        let mut report = Report::default();
        report.add(Code::TooMany, Place::Whole, error.to_string());
        let diagnostics = report.found;
        ConfigErrors { file: None, text: String::new(), diagnostics, more: 0 }
    }

    /// The mistakes and warnings, at most [`MAX_DIAGNOSTICS`].
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter()
    }

    /// How many more there were.
    pub fn more(&self) -> usize {
        self.more
    }

    /// The name of the file, where there is one.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The text of the file, with the bytes of secrets replaced by stars: fit to be quoted.
    pub fn masked_text(&self) -> &str {
        &self.text
    }
}

/// Shows one line a mistake.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, diagnostic) in self.diagnostics.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            if let (Some(file), false) = (&self.file, matches!(diagnostic.place, Place::Variable(_))) {
                write!(f, "{file}:")?;
                if diagnostic.position.is_none() {
                    f.write_str(" ")?;
                }
            }
            write!(f, "{diagnostic}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
