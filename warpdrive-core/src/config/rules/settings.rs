//! Ranges of the settings, and the same rules for settings that are made in code.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::conditions::pattern as bad_pattern;
use super::{Mistake, not_empty, seconds, seconds_or_zero, socket_path, whole_number};
use crate::config::Code;
use crate::model::{AdminSocket, ServerSettings, Settings};
use crate::pattern;

pub(crate) const WORKER_THREADS: RangeInclusive<u64> = 1..=1024;
pub(crate) const NO_ROUTE_STATUS: RangeInclusive<u64> = 400..=599;
pub(crate) const MAX_HEADER_FIELDS: RangeInclusive<u64> = 1..=4096;
pub(crate) const MAX_CONNECTIONS: RangeInclusive<u64> = 1..=10_000_000;

pub(crate) const CACHE_SCHEMES: &[&str] = &["redis", "rediss", "unix"];
pub(crate) const DATABASE_SCHEMES: &[&str] = &["postgres", "postgresql"];

/// A URL of one of the schemes. It may hold a password, so the words never quote it.
pub(crate) fn url(text: &str, schemes: &[&str]) -> Result<(), Mistake> {
    not_empty(text)?;
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if scheme.is_some_and(|scheme| schemes.contains(&scheme.as_str())) {
        return Ok(());
    }
    let wanted: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://…")).collect();
    let help = format!("write {}", wanted.join(" or "));
    Err(Mistake::of_key(Code::BadValue, "is not a URL of a kind that fits", help))
}

/// The path of the proxy's own answer, in normal form. `merge` is `server.merge_slashes`.
pub(crate) fn health_path(text: &str, merge: bool) -> Result<String, Mistake> {
    not_empty(text)?;
    pattern::normal_pattern(text, merge).map_err(|error| bad_pattern(Code::BadPath, &error))
}

/// An address of `bind` that stands there twice.
pub(crate) fn listed_twice(text: &str) -> Mistake {
    Mistake::of_key(Code::BadValue, format!("`{text}` is listed twice"), "list each address once")
}

/// Every mistake of settings made in code, each with its section and key.
pub(crate) fn settings(settings: &Settings) -> Vec<(String, Mistake)> {
    let mut mistakes: Vec<(String, Mistake)> =
        server(&settings.server).into_iter().map(|(key, mistake)| (format!("server.{key}"), mistake)).collect();
    let optional =
        |text: &Option<String>, rule: &dyn Fn(&str) -> Result<(), Mistake>| text.as_deref().map_or(Ok(()), rule).err();
    let domains = settings.tls.domains.iter().filter_map(|domain| not_empty(domain).err());
    mistakes.extend(domains.map(|mistake| ("tls.domains".to_owned(), mistake)));
    for (key, mistake) in [
        ("cache.redis_url", optional(&settings.cache.redis_url, &|text| url(text, CACHE_SCHEMES))),
        ("postgres.url", optional(&settings.postgres.url, &|text| url(text, DATABASE_SCHEMES))),
        ("postgres.channel", optional(&settings.postgres.channel, &not_empty)),
    ] {
        mistakes.extend(mistake.map(|mistake| (key.to_owned(), mistake)));
    }
    mistakes
}

fn server(server: &ServerSettings) -> Vec<(&'static str, Mistake)> {
    let mut mistakes = Vec::new();
    for (position, address) in server.bind.iter().enumerate() {
        if server.bind.iter().take(position).any(|earlier| earlier == address) {
            mistakes.push(("bind", listed_twice(&address.to_string())));
        }
    }
    let threads = server.worker_threads.map(|count| count.get() as u64);
    let status = u64::from(server.no_route_status.as_u16());
    let connections = server.max_connections.map(|count| count as u64);
    for (key, number, range) in [
        ("https_port", server.https_port.map(u64::from), super::PORTS),
        ("worker_threads", threads, WORKER_THREADS),
        ("no_route_status", Some(status), NO_ROUTE_STATUS),
        ("max_header_fields", Some(server.max_header_fields as u64), MAX_HEADER_FIELDS),
        ("max_connections", connections, MAX_CONNECTIONS),
    ] {
        let checked = number.map_or(Ok(0), |number| whole_number(Some(number), &range));
        mistakes.extend(checked.err().map(|mistake| (key, mistake)));
    }
    let times = &server.timeouts;
    let (time, time_or_zero): (Rule, Rule) = (seconds, seconds_or_zero);
    for (key, value, rule) in [
        ("connect_timeout_secs", times.connect, time),
        ("read_timeout_secs", times.read, time),
        ("client_header_timeout_secs", times.client_header, time),
        ("client_body_timeout_secs", times.client_body, time),
        ("client_write_timeout_secs", times.client_write, time),
        ("keepalive_timeout_secs", times.keepalive, time),
        ("tunnel_idle_timeout_secs", times.tunnel_idle, time),
        ("drain_timeout_secs", times.drain, time_or_zero),
        ("drain_grace_secs", times.drain_grace, time_or_zero),
    ] {
        mistakes.extend(rule(Some(value.as_secs_f64())).err().map(|mistake| (key, mistake)));
    }
    let user = server.user.as_deref().map_or(Ok(()), not_empty);
    mistakes.extend(user.err().map(|mistake| ("user", mistake)));
    let socket = match &server.admin_socket {
        AdminSocket::At(path) => socket_path(path),
        AdminSocket::Usual | AdminSocket::Off => Ok(()),
    };
    mistakes.extend(socket.err().map(|mistake| ("admin_socket", mistake)));
    let health = server.health_path.as_deref().map(|text| in_normal_form(text, server.merge_slashes));
    mistakes.extend(health.and_then(Result::err).map(|mistake| ("health_path", mistake)));
    mistakes
}

/// Requests are compared in normal form, so any other spelling would never be met.
fn in_normal_form(text: &str, merge: bool) -> Result<(), Mistake> {
    let normal = health_path(text, merge)?;
    if normal == text {
        return Ok(());
    }
    Err(Mistake::of_key(Code::BadPath, format!("`{text}` is not in normal form"), format!("write `{normal}`")))
}

type Rule = fn(Option<f64>) -> Result<Duration, Mistake>;
