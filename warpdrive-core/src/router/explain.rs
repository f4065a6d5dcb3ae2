//! Why a request goes where it goes: the same rules, tried one by one and told in words.

use std::fmt;

use super::view::{Fields, RequestView};
use super::{Router, Scratch};
use crate::host;
use crate::method::method_bit;
use crate::model::Route;
use crate::path;
use crate::pattern::{HeaderCondition, HeaderTest, PathRule};
use crate::reject::Reject;
use crate::target;

/// What a look-up saw and did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The host in canonical form; `None` where there is none, or none that is valid.
    pub host: Option<String>,
    /// The path in normal form, or `*`; `None` where the request is refused before there is one.
    pub path: Option<String>,
    /// What was changed to get there, and why.
    pub notes: Vec<String>,
    /// The earlier routes in file order, each with the first condition that failed.
    pub considered: Vec<Considered>,
    /// The number of the route, `None` where no route accepts the request, or the refusal.
    pub outcome: Result<Option<u32>, Reject>,
}

/// One route that did not accept the request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Considered {
    /// The route's number.
    pub number: u32,
    /// Its line in the file.
    pub line: Option<usize>,
    /// The first condition that failed.
    pub failed: Condition,
    /// What it wanted and what it saw.
    pub detail: String,
}

/// The kinds of conditions, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// `host` or `hosts`.
    Host,
    /// `path_prefix`.
    PathPrefix,
    /// `path_exact`.
    PathExact,
    /// `path_regex`.
    PathRegex,
    /// `methods`.
    Method,
    /// `header` or `headers`.
    Header,
}

impl Condition {
    /// The key of the configuration that states it.
    pub fn as_str(self) -> &'static str {
        match self {
            Condition::Host => "host",
            Condition::PathPrefix => "path_prefix",
            Condition::PathExact => "path_exact",
            Condition::PathRegex => "path_regex",
            Condition::Method => "methods",
            Condition::Header => "header",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Router {
    /// Routes a request and tells what happened on the way. Tries every earlier route, so it costs
    /// as much as a plain scan, and it allocates: for people and tests, not for traffic.
    pub fn explain(&self, view: &RequestView<'_>) -> Explanation {
        let mut scratch = Scratch::new();
        let outcome = self.route(view, &mut scratch).map(|found| found.map(|found| found.route().number));
        let mut explanation =
            Explanation { host: None, path: None, notes: Vec::new(), considered: Vec::new(), outcome };
        let Ok(target) = target::parse(view.method, view.target) else { return explanation };
        let mut canonical = String::new();
        let written = target.authority.map(str::as_bytes).or(view.host);
        if let Some(written) = written {
            if host::canonical(written, &mut canonical).is_err() {
                return explanation;
            }
            if canonical.as_bytes() != written {
                explanation.notes.push(format!("host `{}` is read as `{canonical}`", String::from_utf8_lossy(written)));
            }
            explanation.host = Some(canonical);
        }
        if target.authority.is_some() && view.host.is_some() {
            explanation.notes.push("the authority of the target beats the Host field".to_owned());
        }
        if view.target.contains('#') {
            explanation.notes.push("the fragment is cut".to_owned());
        }
        let mut normal = String::new();
        if let Some(raw) = target.path {
            let Ok(findings) = path::normalise(raw, self.model.settings.server.merge_slashes, &mut normal) else {
                return explanation;
            };
            note_path(raw, &normal, findings, &mut explanation.notes);
        }
        explanation.path = Some(if target.path.is_some() { normal.clone() } else { "*".to_owned() });
        let path = target.path.is_some().then_some(normal.as_str());
        let until = match explanation.outcome {
            Ok(Some(number)) => number as usize - 1,
            _ => self.model.routes.len(),
        };
        let host = explanation.host.as_deref();
        let earlier = self.model.routes.iter().take(until);
        explanation.considered = earlier.filter_map(|route| self.first_failed(route, host, path, view)).collect();
        explanation
    }

    /// The first condition of a route that does not hold.
    fn first_failed(
        &self,
        route: &Route,
        host: Option<&str>,
        path: Option<&str>,
        view: &RequestView<'_>,
    ) -> Option<Considered> {
        let failed = |failed, detail| Some(Considered { number: route.number, line: route.line, failed, detail });
        let seen_path = path.unwrap_or("*");
        if !route.hosts.is_empty() && !route.hosts.iter().any(|pattern| pattern.accepts(host)) {
            let wanted: Vec<String> = route.hosts.iter().map(ToString::to_string).collect();
            let seen = host.map_or("none".to_owned(), |host| format!("`{host}`"));
            return failed(Condition::Host, format!("wants {}, saw {seen}", quoted_list(&wanted)));
        }
        if !route.path.accepts(path) {
            let (condition, wanted) = match &route.path {
                PathRule::Prefix(prefix) => (Condition::PathPrefix, format!("wants `{prefix}` or below")),
                PathRule::Exact(exact) => (Condition::PathExact, format!("wants `{exact}`")),
                PathRule::Regex(regex) => (Condition::PathRegex, format!("wants a match of `{regex}`")),
                PathRule::Any => (Condition::PathPrefix, String::new()),
            };
            return failed(condition, format!("{wanted}, saw `{seen_path}`"));
        }
        let rule = self.rules.get(route.number as usize - 1)?;
        if !rule.methods.accepts(view.method, method_bit(view.method)) {
            let wanted: Vec<String> = route.methods.iter().map(ToString::to_string).collect();
            return failed(Condition::Method, format!("wants {}, saw `{}`", quoted_list(&wanted), view.method));
        }
        let condition = route.headers.iter().find(|condition| !holds(condition, view.fields))?;
        failed(Condition::Header, header_detail(condition, view.fields))
    }
}

fn note_path(raw: &str, normal: &str, findings: path::Findings, notes: &mut Vec<String>) {
    let mut why = Vec::new();
    if findings.dots {
        why.push("dot segments are resolved");
    }
    if findings.merged {
        why.push("empty segments are merged");
    }
    if raw != normal {
        if why.is_empty() || findings.recoded {
            why.push("escapes have one spelling");
        }
        notes.push(format!("path `{raw}` is read as `{normal}`: {}", why.join(", ")));
    }
    if findings.ambiguous {
        let mut lenient = String::new();
        let reading = match path::lenient(normal, &mut lenient) {
            Ok(()) => format!("`{lenient}`"),
            Err(error) => error.to_string(),
        };
        notes
            .push(format!("a lenient server could read the path otherwise ({reading}), so that reading is routed too"));
    }
}

fn holds(condition: &HeaderCondition, fields: Fields<'_>) -> bool {
    fields.any(&condition.name, |value| condition.test.accepts(value))
}

fn header_detail(condition: &HeaderCondition, fields: Fields<'_>) -> String {
    let wanted = match &condition.test {
        HeaderTest::Exact(value) => format!("to be `{}`", shown(value.as_bytes())),
        HeaderTest::Present => "to be present".to_owned(),
        HeaderTest::Regex(regex) => format!("to match `{regex}`"),
    };
    let mut seen = Vec::new();
    fields.any(&condition.name, |value| {
        seen.push(shown(value));
        false
    });
    let seen = if seen.is_empty() { "no such field".to_owned() } else { quoted_list(&seen) };
    format!("wants {} {wanted}, saw {seen}", condition.name)
}

/// A value as text: bytes that are none are shown as escapes.
fn shown(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.escape_ascii().to_string(),
    }
}

fn quoted_list(items: &[String]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| format!("`{item}`")).collect();
    quoted.join(" or ")
}
