//! `[[routes]]`: conditions, and what to do where they hold.

use std::ops::Range;

use http::{HeaderName, HeaderValue, Method};

use super::diagnostic::{Code, Lines, Place, Report};
use super::findings::RoutePlaces;
use super::reader::{Keys, Raw};
use super::rules::{self, PathKey};
use super::suggest;
use super::upstreams::Upstreams;
use crate::host::HostPattern;
use crate::limits::{MAX_HEADER_CONDITIONS, MAX_ROUTES};
use crate::model::{PathAction, Route, RouteLimits, ServerSettings, UpstreamId};
use crate::pattern::{HeaderCondition, HeaderTest, PathRule};

/// The routes, and where the parts of each stand.
pub(super) type Placed = (Vec<Route>, Vec<RoutePlaces>);

/// Reads every route.
pub(super) fn read(
    raw: Option<Raw<'_>>,
    upstreams: &Upstreams,
    server: &ServerSettings,
    text: &str,
    report: &mut Report,
) -> Placed {
    let Some(raw) = raw else { return Placed::default() };
    let Some(items) = raw.array(report) else { return Placed::default() };
    if raw.checked(rules::count(items.len(), MAX_ROUTES, "routes"), report).is_none() {
        return Placed::default();
    }
    let lines = Lines::new(text);
    let mut routes = Placed::default();
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
) -> Option<(Route, RoutePlaces)> {
    let name = keys.take("name").and_then(|raw| {
        let text = raw.text(report)?;
        raw.checked(rules::name(&text), report)?;
        Some(text)
    });
    let description = keys.take("description").and_then(|raw| raw.text(report));
    let hosts = hosts(&mut keys, report);
    let (path, path_at) = path_rule(&mut keys, server.merge_slashes, report);
    let methods = keys.take("methods").map(|raw| methods(&raw, report)).unwrap_or_default();
    let headers = header_conditions(&mut keys, report);
    let (upstream, upstream_at) = upstream(&mut keys, number, span.clone(), upstreams, report).unzip();
    let action = action(&mut keys, &path, path_at.clone(), server.merge_slashes, report);
    let mut flag = |key, default| keys.take(key).and_then(|raw| raw.boolean(report)).unwrap_or(default);
    let rewrite_location = flag("rewrite_location", true);
    let rewrite_cookie_paths = flag("rewrite_cookie_paths", false);
    let auth = keys.take("require_auth");
    let require_auth = auth.as_ref().and_then(|raw| raw.boolean(report)).unwrap_or(false);
    if let (Some(raw), true, None) = (&auth, require_auth, &server.admin_token) {
        raw.refuse(rules::admin_token_missing(number), report);
    }
    let add_headers = keys.take("add_headers").map(|raw| fields_to_set(&raw, report)).unwrap_or_default();
    let response_headers = keys.take("response_headers").map(|raw| fields_to_set(&raw, report)).unwrap_or_default();
    let limits = limits(&mut keys, server, report);
    keys.finish(report);
    let places = RoutePlaces {
        route: span,
        path: path_at,
        upstream: upstream_at?,
        require_auth: auth.and_then(|raw| raw.span()),
    };
    let route = Route {
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
    };
    Some((route, places))
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
    if let Some(on) = keys.take("retry_timeouts").and_then(|raw| raw.boolean(report)) {
        limits.retry_timeouts = on;
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
                many.refuse(rules::none_listed("hosts"), report);
            }
            items
        }
        (None, None) => Vec::new(),
    };
    let mut patterns = Vec::with_capacity(items.len());
    for item in items {
        let Some(text) = item.text(report) else { continue };
        patterns.extend(item.checked(rules::host(&text), report));
    }
    patterns
}

/// The path condition, and the key that gives it.
fn path_rule(keys: &mut Keys<'_>, merge: bool, report: &mut Report) -> (Option<PathRule>, Option<Range<usize>>) {
    let given: Vec<(PathKey, Raw<'_>)> = [PathKey::Prefix, PathKey::Exact, PathKey::Regex]
        .into_iter()
        .filter_map(|key| keys.take(key.as_str()).map(|raw| (key, raw)))
        .collect();
    if let [(_, first), (_, second), ..] = given.as_slice() {
        let diagnostic = second.refuse(rules::two_paths(&keys.name), report);
        if let Some(span) = first.span() {
            diagnostic.related(span, "the first one");
        }
        return (None, None);
    }
    let Some((key, raw)) = given.first() else { return (Some(PathRule::Any), None) };
    let Some(text) = raw.text(report) else { return (None, None) };
    (raw.checked(rules::path(*key, &text, merge), report), raw.span())
}

fn methods(raw: &Raw<'_>, report: &mut Report) -> Vec<Method> {
    let items = raw.texts(report).unwrap_or_default();
    if items.is_empty() && raw.array(&mut Report::default()).is_some_and(<[_]>::is_empty) {
        raw.refuse(rules::none_listed("methods"), report);
    }
    let mut methods = Vec::with_capacity(items.len());
    for item in items {
        let Some(text) = item.text(report) else { continue };
        methods.extend(item.checked(rules::method(&text), report));
    }
    methods
}

fn header_conditions(keys: &mut Keys<'_>, report: &mut Report) -> Vec<HeaderCondition> {
    let one = keys.take("header");
    let many = keys.take("headers");
    let mut conditions = Vec::new();
    let alone = usize::from(one.is_some());
    if let Some(raw) = one {
        conditions.extend(header_condition(&raw, report));
    }
    if let Some(raw) = many {
        let items = raw.array(report).unwrap_or_default();
        let counted = rules::count(items.len() + alone, MAX_HEADER_CONDITIONS, "header conditions");
        if raw.checked(counted, report).is_none() {
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
            regex.checked(rules::field_regex(&text), report).map(HeaderTest::Regex)
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
    raw.checked(rules::field_name(&text), report)
}

fn field_value(raw: &Raw<'_>, report: &mut Report) -> Option<HeaderValue> {
    let text = raw.text(report)?;
    raw.checked(rules::field_value(&text), report)
}

pub(super) fn fields_to_set(raw: &Raw<'_>, report: &mut Report) -> Vec<(HeaderName, HeaderValue)> {
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
        if owner.checked(rules::may_set(&name, &fields_set), report).is_some() {
            fields_set.push((name, value));
        }
    }
    fields_set
}

fn upstream(
    keys: &mut Keys<'_>,
    number: u32,
    span: Range<usize>,
    upstreams: &Upstreams,
    report: &mut Report,
) -> Option<(UpstreamId, Range<usize>)> {
    let Some(raw) = keys.take("upstream") else {
        report
            .add(Code::MissingKey, Place::File(span), format!("route {number} names no upstream"))
            .help("add `upstream = \"…\"`");
        return None;
    };
    let name = raw.text(report)?;
    if let Some(id) = upstreams.find(&name) {
        return Some((id, raw.span().unwrap_or(span)));
    }
    if upstreams.is_broken(&name) {
        return None;
    }
    let known = upstreams.names();
    let diagnostic = raw.refuse(rules::unknown_upstream(number, &name, &known), report);
    if known.is_empty() {
        diagnostic.help(format!("define it: `[upstreams.{name}]`"));
    }
    let near = suggest::nearest(&name, &known).and_then(|near| upstreams.find(near));
    if let Some(places) = near.and_then(|id| upstreams.places.get(id.index())) {
        diagnostic.related(places.name.clone(), "defined here");
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
    let text = match &rewrite {
        Some(raw) => Some(raw.text(report)?),
        None => None,
    };
    let Some(culprit) = rewrite.as_ref().or(strip.as_ref()) else { return Some(PathAction::Keep) };
    let mistake = match rules::cuts_or_replaces(&keys.name, stripping, text.as_deref(), path.as_ref(), merge) {
        Ok(action) => return action,
        Err(mistake) => mistake,
    };
    let conflict = mistake.code == Code::ConflictingKeys;
    let diagnostic = culprit.refuse(mistake, report);
    match (strip.filter(|_| stripping && rewrite.is_some()), path_at) {
        (Some(strip), _) if conflict => {
            strip.span().map(|span| diagnostic.related(span, "the prefix is cut here"));
        }
        (None, Some(span)) if conflict => drop(diagnostic.related(span, "the path condition")),
        _ => {}
    }
    None
}
