//! `[[routes]]`: conditions, and what to do where they hold.

use std::ops::Range;

use http::{HeaderName, HeaderValue, Method};

use super::diagnostic::{Code, Lines, Place, Report};
use super::reader::{Keys, Raw};
use super::suggest;
use super::upstreams::Upstreams;
use crate::fields;
use crate::host::HostPattern;
use crate::limits::{MAX_HEADER_CONDITIONS, MAX_ROUTES};
use crate::model::{PathAction, Route, RouteLimits, ServerSettings, UpstreamId};
use crate::pattern::{self, HeaderCondition, HeaderTest, PathRegex, PathRule, PatternError};
use crate::target;

/// Reads every route.
pub(super) fn read(
    raw: Option<Raw<'_>>,
    upstreams: &Upstreams,
    server: &ServerSettings,
    text: &str,
    report: &mut Report,
) -> Vec<Route> {
    let Some(raw) = raw else { return Vec::new() };
    let Some(items) = raw.array(report) else { return Vec::new() };
    if items.len() > MAX_ROUTES {
        report.add(Code::TooMany, raw.place(), format!("{} routes are more than {MAX_ROUTES}", items.len()));
        return Vec::new();
    }
    let lines = Lines::new(text);
    let mut routes = Vec::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        let number = position as u32 + 1;
        let span = item.span();
        let Some(keys) = Raw::file(format!("route {number}"), item).table(report) else { continue };
        let line = lines.line(span.start);
        routes.extend(route(keys, number, line, span, upstreams, server, report));
    }
    routes
}

fn route(
    mut keys: Keys<'_>,
    number: u32,
    line: usize,
    span: Range<usize>,
    upstreams: &Upstreams,
    server: &ServerSettings,
    report: &mut Report,
) -> Option<Route> {
    let name = keys.take("name").and_then(|raw| raw.name_text(report));
    let description = keys.take("description").and_then(|raw| raw.text(report));
    let hosts = hosts(&mut keys, report);
    let (path, path_at) = path_rule(&mut keys, server.merge_slashes, report);
    let methods = keys.take("methods").map(|raw| methods(&raw, report)).unwrap_or_default();
    let headers = header_conditions(&mut keys, report);
    let upstream = upstream(&mut keys, number, span, upstreams, report);
    let action = action(&mut keys, &path, path_at, server.merge_slashes, report);
    let mut flag = |key, default| keys.take(key).and_then(|raw| raw.boolean(report)).unwrap_or(default);
    let rewrite_location = flag("rewrite_location", true);
    let rewrite_cookie_paths = flag("rewrite_cookie_paths", false);
    let auth = keys.take("require_auth");
    let require_auth = auth.as_ref().and_then(|raw| raw.boolean(report)).unwrap_or(false);
    if let (Some(raw), true, None) = (&auth, require_auth, &server.admin_token) {
        report
            .add(Code::NoAdminToken, raw.place(), format!("route {number} requires a token, and none is configured"))
            .help("set WARPDRIVE_ADMIN_TOKEN, or `server.admin_token`");
    }
    let add_headers = keys.take("add_headers").map(|raw| fields_to_set(&raw, report)).unwrap_or_default();
    let response_headers = keys.take("response_headers").map(|raw| fields_to_set(&raw, report)).unwrap_or_default();
    let limits = limits(&mut keys, server, report);
    keys.finish(report);
    Some(Route {
        number,
        line: Some(line),
        name,
        description,
        hosts,
        path: path?,
        methods,
        headers,
        upstream: upstream?,
        action: action?,
        rewrite_location,
        rewrite_cookie_paths,
        require_auth,
        add_headers,
        response_headers,
        limits,
    })
}

fn limits(keys: &mut Keys<'_>, server: &ServerSettings, report: &mut Report) -> RouteLimits {
    let mut limits = RouteLimits::from_server(server);
    for (key, time) in [
        ("connect_timeout_secs", &mut limits.connect_timeout),
        ("read_timeout_secs", &mut limits.read_timeout),
        ("client_body_timeout_secs", &mut limits.client_body_timeout),
        ("tunnel_idle_timeout_secs", &mut limits.tunnel_idle_timeout),
    ] {
        if let Some(seconds) = keys.take(key).and_then(|raw| raw.seconds(report)) {
            *time = seconds;
        }
    }
    if let Some(raw) = keys.take("max_body_bytes") {
        limits.max_body_bytes = raw.integer(0..=u64::MAX, report).or(limits.max_body_bytes);
    }
    limits
}

fn hosts(keys: &mut Keys<'_>, report: &mut Report) -> Vec<HostPattern> {
    let one = keys.take("host");
    let many = keys.take("hosts");
    if let (Some(one), Some(many)) = (&one, &many) {
        let diagnostic =
            report.add(Code::ConflictingKeys, many.place(), format!("`{}` has `host` and `hosts`", keys.name));
        if let Some(span) = one.span() {
            diagnostic.related(span, "the one host");
        }
        diagnostic.help("put every host into `hosts`");
        return Vec::new();
    }
    let items = match (one, many) {
        (Some(one), _) => vec![one],
        (None, Some(many)) => {
            let items = many.texts(report).unwrap_or_default();
            if items.is_empty() {
                many.bad::<()>("is empty, so no request could match", "list hosts, or leave the key out", report);
            }
            items
        }
        (None, None) => Vec::new(),
    };
    let mut patterns = Vec::with_capacity(items.len());
    for item in items {
        let Some(text) = item.text(report) else { continue };
        match HostPattern::parse(&text) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                report.add(Code::BadHost, item.place(), format!("`{text}`: {error}")).help(error.hint());
            }
        }
    }
    patterns
}

/// The path condition, and the key that gives it.
fn path_rule(keys: &mut Keys<'_>, merge: bool, report: &mut Report) -> (Option<PathRule>, Option<Range<usize>>) {
    let prefix = keys.take("path_prefix");
    let exact = keys.take("path_exact");
    let regex = keys.take("path_regex");
    let given: Vec<&Raw<'_>> = [&prefix, &exact, &regex].into_iter().flatten().collect();
    if let [first, second, ..] = given.as_slice() {
        let diagnostic =
            report.add(Code::ConflictingKeys, second.place(), format!("`{}` has two path conditions", keys.name));
        if let Some(span) = first.span() {
            diagnostic.related(span, "the first one");
        }
        diagnostic.help("a route has one of path_prefix, path_exact and path_regex");
        return (None, None);
    }
    let Some(raw) = given.first() else { return (Some(PathRule::Any), None) };
    let Some(text) = raw.text(report) else { return (None, None) };
    let (rule, code) = if prefix.is_some() {
        (PathRule::prefix(&text, merge), Code::BadPath)
    } else if exact.is_some() {
        (PathRule::exact(&text, merge), Code::BadPath)
    } else {
        (PathRule::regex(&text), Code::BadRegex)
    };
    (pattern_or_report(rule, code, raw, report), raw.span())
}

fn pattern_or_report<T>(parsed: Result<T, PatternError>, code: Code, raw: &Raw<'_>, report: &mut Report) -> Option<T> {
    match parsed {
        Ok(value) => Some(value),
        Err(error) => {
            report.add(code, raw.place(), format!("`{}`: {error}", raw.name)).help(error.hint());
            None
        }
    }
}

fn methods(raw: &Raw<'_>, report: &mut Report) -> Vec<Method> {
    let items = raw.texts(report).unwrap_or_default();
    if items.is_empty() && raw.array(&mut Report::default()).is_some_and(<[_]>::is_empty) {
        raw.bad::<()>("is empty, so no request could match", "list methods, or leave the key out", report);
    }
    let mut methods = Vec::with_capacity(items.len());
    for item in items {
        let Some(text) = item.text(report) else { continue };
        let parsed = target::is_token(&text).then(|| Method::from_bytes(text.as_bytes()).ok()).flatten();
        match parsed {
            Some(Method::CONNECT | Method::TRACE) => {
                report
                    .add(Code::BadMethod, item.place(), format!("`{text}` is answered 405 before any route"))
                    .help("leave it out");
            }
            Some(method) => methods.push(method),
            None => {
                report
                    .add(Code::BadMethod, item.place(), format!("`{text}` is not a method"))
                    .help("methods are words such as GET; case counts");
            }
        }
    }
    methods
}

fn header_conditions(keys: &mut Keys<'_>, report: &mut Report) -> Vec<HeaderCondition> {
    let one = keys.take("header");
    let many = keys.take("headers");
    let mut conditions = Vec::new();
    if let Some(raw) = one {
        conditions.extend(header_condition(&raw, report));
    }
    if let Some(raw) = many {
        let items = raw.array(report).unwrap_or_default();
        if items.len() > MAX_HEADER_CONDITIONS {
            report.add(
                Code::TooMany,
                raw.place(),
                format!("{} header conditions are more than {MAX_HEADER_CONDITIONS}", items.len()),
            );
            return conditions;
        }
        for item in items {
            conditions.extend(header_condition(&Raw::file(raw.name.clone(), item), report));
        }
    }
    conditions
}

fn header_condition(raw: &Raw<'_>, report: &mut Report) -> Option<HeaderCondition> {
    let mut keys = raw.table(report)?;
    let name = required_field_name(&mut keys, raw, report);
    let value = keys.take("value");
    let present = keys.take("present");
    let regex = keys.take("regex");
    keys.finish(report);
    let test = match (value, present, regex) {
        (Some(value), None, None) => field_value(&value, report).map(HeaderTest::Exact),
        (None, Some(present), None) => match present.boolean(report)? {
            true => Some(HeaderTest::Present),
            false => present.bad(
                "absence cannot be asked for",
                "put the route for present fields in front of this one",
                report,
            ),
        },
        (None, None, Some(regex)) => {
            let text = regex.text(report)?;
            pattern_or_report(PathRegex::new(&text), Code::BadRegex, &regex, report).map(HeaderTest::Regex)
        }
        (None, None, None) => {
            report
                .add(Code::MissingKey, raw.place(), format!("`{}` does not say what the field must be", raw.name))
                .help("add `value = \"…\"`, `present = true` or `regex = \"…\"`");
            None
        }
        _ => {
            report
                .add(
                    Code::ConflictingKeys,
                    raw.place(),
                    format!("`{}` has more than one of value, present and regex", raw.name),
                )
                .help("keep one; `headers` lists several conditions");
            None
        }
    };
    Some(HeaderCondition::new(name?, test?))
}

fn required_field_name(keys: &mut Keys<'_>, owner: &Raw<'_>, report: &mut Report) -> Option<HeaderName> {
    let Some(raw) = keys.take("name") else {
        report
            .add(Code::MissingKey, owner.place(), format!("`{}` names no field", owner.name))
            .help("add `name = \"X-…\"`");
        return None;
    };
    let text = raw.name_text(report)?;
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) => Some(name),
        Err(_) => {
            report
                .add(Code::BadHeader, raw.place(), format!("`{text}` is not a field name"))
                .help("field names have letters, digits and `-`");
            None
        }
    }
}

fn field_value(raw: &Raw<'_>, report: &mut Report) -> Option<HeaderValue> {
    let text = raw.text(report)?;
    // White space around a value is no part of it (RFC 9110 section 5.5), so it could never match.
    match HeaderValue::from_str(&text) {
        Ok(value) if text.trim_ascii() == text => Some(value),
        _ => {
            report
                .add(Code::BadHeader, raw.place(), format!("`{}` is not a field value", raw.name))
                .help("a value has no line breaks, no control bytes, and no space at either end");
            None
        }
    }
}

fn fields_to_set(raw: &Raw<'_>, report: &mut Report) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields_set: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for item in raw.array(report).unwrap_or_default() {
        let owner = Raw::file(raw.name.clone(), item);
        let Some(mut keys) = owner.table(report) else { continue };
        let name = required_field_name(&mut keys, &owner, report);
        let value = match keys.take("value") {
            Some(raw) => field_value(&raw, report),
            None => {
                report
                    .add(Code::MissingKey, owner.place(), format!("`{}` gives no value", owner.name))
                    .help("add `value = \"…\"`");
                None
            }
        };
        keys.finish(report);
        let (Some(name), Some(value)) = (name, value) else { continue };
        if !fields::may_be_set(&name) {
            report
                .add(
                    Code::BadHeader,
                    owner.place(),
                    format!("`{name}` belongs to one connection or frames the message"),
                )
                .help("the proxy sets it itself: leave it out");
            continue;
        }
        if fields_set.iter().any(|(other, _)| *other == name) {
            report
                .add(Code::ConflictingKeys, owner.place(), format!("`{name}` is set twice in one list"))
                .help("each entry replaces the field: keep one");
            continue;
        }
        fields_set.push((name, value));
    }
    fields_set
}

fn upstream(
    keys: &mut Keys<'_>,
    number: u32,
    span: Range<usize>,
    upstreams: &Upstreams,
    report: &mut Report,
) -> Option<UpstreamId> {
    let Some(raw) = keys.take("upstream") else {
        report
            .add(Code::MissingKey, Place::File(span), format!("route {number} names no upstream"))
            .help("add `upstream = \"…\"`");
        return None;
    };
    let name = raw.text(report)?;
    if let Some(id) = upstreams.find(&name) {
        return Some(id);
    }
    if upstreams.is_broken(&name) {
        return None;
    }
    let diagnostic =
        report.add(Code::UnknownUpstream, raw.place(), format!("route {number}: unknown upstream `{name}`"));
    let known = upstreams.names();
    match suggest::nearest(&name, &known) {
        Some(near) => {
            diagnostic.help(format!("did you mean `{near}`?"));
            let near_at = upstreams.find(near).and_then(|id| upstreams.spans.get(id.index())).cloned();
            if let Some(span) = near_at {
                diagnostic.related(span, "defined here");
            }
        }
        None if known.is_empty() => drop(diagnostic.help(format!("define it: `[upstreams.{name}]`"))),
        None => drop(diagnostic.help(format!("there are {}", known.join(", ")))),
    }
    None
}

/// `strip_prefix` and `rewrite`, which need a prefix to cut or replace.
fn action(
    keys: &mut Keys<'_>,
    path: &Option<PathRule>,
    path_at: Option<Range<usize>>,
    merge: bool,
    report: &mut Report,
) -> Option<PathAction> {
    let strip = keys.take("strip_prefix");
    let rewrite = keys.take("rewrite");
    let stripping = match &strip {
        Some(raw) => raw.boolean(report)?,
        None => false,
    };
    let wants = match (&strip, &rewrite, stripping) {
        (_, None, false) => return Some(PathAction::Keep),
        (Some(strip), Some(rewrite), true) => {
            let diagnostic = report.add(
                Code::ConflictingKeys,
                rewrite.place(),
                format!("`{}` has `strip_prefix` and `rewrite`", keys.name),
            );
            if let Some(span) = strip.span() {
                diagnostic.related(span, "the prefix is cut here");
            }
            diagnostic.help("`rewrite = \"\"` cuts the prefix as well: keep one of them");
            return None;
        }
        (Some(strip), None, _) => strip,
        (_, Some(rewrite), _) => rewrite,
        (None, None, true) => return Some(PathAction::Keep),
    };
    let fits = match path {
        None => return None,
        Some(PathRule::Prefix(_)) => true,
        Some(PathRule::Exact(_)) => !stripping,
        Some(PathRule::Any | PathRule::Regex(_)) => false,
    };
    if !fits {
        let diagnostic = report.add(
            Code::ConflictingKeys,
            wants.place(),
            format!("`{}` has no prefix that could be cut or replaced", keys.name),
        );
        if let Some(span) = path_at {
            diagnostic.related(span, "the path condition");
        }
        diagnostic.help("use it with `path_prefix` (`rewrite` also with `path_exact`)");
        return None;
    }
    let Some(rewrite) = rewrite else { return Some(PathAction::StripPrefix) };
    let text = rewrite.text(report)?;
    if text.is_empty() {
        return Some(PathAction::Replace(text));
    }
    let normal = pattern_or_report(pattern::normal_pattern(&text, merge), Code::BadPath, &rewrite, report)?;
    Some(PathAction::Replace(normal))
}
