//! `[server]`, `[tls]`, `[cache]`, `[postgres]` and `[middleware]`: scalars that the environment
//! may override.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use http::{HeaderName, StatusCode};

use super::admin;
use super::diagnostic::{Code, Place, Report};
use super::inactive;
use super::reader::{Environment, Keys, Raw, Section};
use super::rules;
use crate::auth::AdminToken;
use crate::client::TrustedProxies;
use crate::model::{CacheSettings, LogFormat, MiddlewareSettings, PostgresSettings, ServerSettings, TlsSettings};

/// Reads `[server]`. `simple` is the mode without a file, whose users sit behind a platform's
/// balancer and trust private peers.
pub(super) fn server(
    keys: Keys<'_>,
    environment: &mut Environment,
    simple: bool,
    report: &mut Report,
) -> ServerSettings {
    let mut section = Section::new(keys, environment, "WARPDRIVE_");
    let mut server = ServerSettings::default();
    if simple {
        server.trusted_proxies = TrustedProxies::private();
    }
    if let Some(raw) = section.take("bind") {
        server.bind = bind(&raw, report);
    }
    let platform_port = section.environment.take("PORT");
    if let Some(port) = section.take("http_port").or(platform_port).and_then(|raw| port(&raw, 0, report)) {
        server.http_port = port;
    }
    let https = section.take("https_port");
    server.https_port = https.as_ref().and_then(|raw| port(raw, 1, report));
    if let Some(count) = section.take("worker_threads").and_then(|raw| raw.integer(rules::WORKER_THREADS, report)) {
        server.worker_threads = NonZeroUsize::new(count as usize);
    }
    if let Some(raw) = section.take("trusted_proxies")
        && let Some(trusted) = networks(&raw, report)
    {
        server.trusted_proxies = trusted;
    }
    if let Some(raw) = section.take("client_ip_header") {
        server.client_ip_header = field_name(&raw, report);
    }
    flag(&mut section, "underscore_headers", &mut server.underscore_headers, report);
    flag(&mut section, "merge_slashes", &mut server.merge_slashes, report);
    flag(&mut section, "method_not_allowed", &mut server.method_not_allowed, report);
    if let Some(raw) = section.take("no_route_status") {
        let status =
            raw.integer(rules::NO_ROUTE_STATUS, report).and_then(|status| StatusCode::from_u16(status as u16).ok());
        server.no_route_status = status.unwrap_or(server.no_route_status);
    }
    if let Some(raw) = section.take("admin_token") {
        report.secret(&raw.place());
        server.admin_token = raw.name_text(report).map(|token| AdminToken::new(&token));
    }
    times(&mut section, &mut server, report);
    flag(&mut section, "retry_timeouts", &mut server.retry_timeouts, report);
    if let Some(raw) = section.take("max_body_bytes") {
        server.max_body_bytes = raw.integer(0..=u64::MAX, report);
    }
    if let Some(count) = section.take("max_header_fields").and_then(|raw| raw.integer(rules::MAX_HEADER_FIELDS, report))
    {
        server.max_header_fields = count as usize;
    }
    if let Some(raw) = section.take("max_connections") {
        server.max_connections = raw.integer(rules::MAX_CONNECTIONS, report).map(|count| count as usize);
    }
    if let Some(raw) = section.take("user") {
        server.user = raw.name_text(report);
    }
    if let Some(raw) = section.take("resolver") {
        server.resolver = resolver(&raw, report);
    }
    admin::read(&mut section, &mut server, report);
    section.keys.finish(report);
    if let (Some(raw), Some(_)) = (https, server.https_port) {
        https_place(&raw, report);
    }
    server
}

/// Remembered as a warning; taken back by [`super::load`] where `[tls]` asks for HTTPS.
fn https_place(raw: &Raw<'_>, report: &mut Report) {
    report
        .add(Code::HttpsPortIgnored, raw.place(), format!("`{}` is ignored: there is no certificate source", raw.name))
        .help("add a `[tls]` section, or leave the port out");
}

fn times(section: &mut Section<'_, '_>, server: &mut ServerSettings, report: &mut Report) {
    let times = &mut server.timeouts;
    for (key, time) in [
        ("connect_timeout_secs", &mut times.connect),
        ("read_timeout_secs", &mut times.read),
        ("client_header_timeout_secs", &mut times.client_header),
        ("client_body_timeout_secs", &mut times.client_body),
        ("client_write_timeout_secs", &mut times.client_write),
        ("keepalive_timeout_secs", &mut times.keepalive),
        ("tunnel_idle_timeout_secs", &mut times.tunnel_idle),
    ] {
        if let Some(seconds) = section.take(key).and_then(|raw| raw.seconds(report)) {
            *time = seconds;
        }
    }
    // Not to wait at all is a choice here.
    for (key, time) in [("drain_timeout_secs", &mut times.drain), ("drain_grace_secs", &mut times.drain_grace)] {
        if let Some(seconds) = section.take(key).and_then(|raw| raw.seconds_or_zero(report)) {
            *time = seconds;
        }
    }
}

fn flag(section: &mut Section<'_, '_>, key: &'static str, target: &mut bool, report: &mut Report) {
    if let Some(value) = section.take(key).and_then(|raw| raw.boolean(report)) {
        *target = value;
    }
}

fn port(raw: &Raw<'_>, least: u64, report: &mut Report) -> Option<u16> {
    raw.integer(least..=65_535, report).map(|port| port as u16)
}

fn bind(raw: &Raw<'_>, report: &mut Report) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for item in raw.texts(report).unwrap_or_default() {
        let Some(text) = item.text(report) else { continue };
        let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&text);
        match inside.parse::<IpAddr>() {
            Ok(address) if addresses.contains(&address) => {
                item.refuse(rules::listed_twice(&text), report);
            }
            Ok(address) => addresses.push(address),
            Err(_) => {
                item.bad::<()>(
                    &format!("`{text}` is not an IP address"),
                    "list addresses such as \"127.0.0.1\" or \"::\"; the port is `http_port`",
                    report,
                );
            }
        }
    }
    addresses
}

fn resolver(raw: &Raw<'_>, report: &mut Report) -> Vec<SocketAddr> {
    const PORT: u16 = 53;
    let mut servers = Vec::new();
    for item in raw.texts(report).unwrap_or_default() {
        let Some(text) = item.text(report) else { continue };
        let server = text.parse().or_else(|_| text.parse().map(|address| SocketAddr::new(address, PORT)));
        match server {
            Ok(server) if servers.contains(&server) => {
                item.refuse(rules::listed_twice(&text), report);
            }
            Ok(server) => servers.push(server),
            Err(_) => {
                item.bad::<()>(
                    &format!("`{text}` is not an IP address, with or without a port"),
                    "list servers such as \"127.0.0.11\", \"10.0.0.2:5353\" or \"[::1]:53\"",
                    report,
                );
            }
        }
    }
    servers
}

fn networks(raw: &Raw<'_>, report: &mut Report) -> Option<TrustedProxies> {
    let items = raw.texts(report)?;
    let texts: Vec<String> = items.iter().filter_map(|item| item.text(report)).collect();
    match TrustedProxies::parse(texts.iter().map(String::as_str)) {
        Ok(trusted) => Some(trusted),
        Err((position, error)) => {
            let text = texts.get(position).map_or("", String::as_str);
            items.get(position)?.bad(
                &format!("`{text}` is {error}"),
                "write a network such as 10.0.0.0/8, an address, or `private`",
                report,
            )
        }
    }
}

fn field_name(raw: &Raw<'_>, report: &mut Report) -> Option<HeaderName> {
    let text = raw.name_text(report)?;
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) => Some(name),
        Err(_) => {
            report
                .add(Code::BadHeader, raw.place(), format!("`{}`: `{text}` is not a field name", raw.name))
                .help("field names have letters, digits and `-`");
            None
        }
    }
}

/// Reads `[tls]`.
pub(super) fn tls(keys: Option<Keys<'_>>, environment: &mut Environment, report: &mut Report) -> TlsSettings {
    let mut tls = TlsSettings::default();
    let place = keys.as_ref().map(|keys| Place::File(keys.span.clone()));
    let empty = toml::de::DeTable::new();
    let mut section =
        Section::new(keys.unwrap_or_else(|| Keys::new("tls".into(), &empty, 0..0)), environment, "WARPDRIVE_TLS_");
    flag(&mut section, "enabled", &mut tls.enabled, report);
    if let Some(raw) = section.take("domains") {
        for item in raw.texts(report).unwrap_or_default() {
            tls.domains.extend(item.name_text(report));
        }
    }
    if let Some(raw) = section.take("acme_directory") {
        tls.acme_directory = raw.name_text(report).map(PathBuf::from);
    }
    section.keys.finish(report);
    if let (true, Some(place)) = (tls.enabled, place) {
        inactive(report, place, "`[tls]`", "requests are served on the plain port only");
    }
    tls
}

/// Reads `[cache]`.
pub(super) fn cache(keys: Option<Keys<'_>>, environment: &mut Environment, report: &mut Report) -> CacheSettings {
    let mut cache = CacheSettings::default();
    let place = keys.as_ref().map(|keys| Place::File(keys.span.clone()));
    let empty = toml::de::DeTable::new();
    let mut section =
        Section::new(keys.unwrap_or_else(|| Keys::new("cache".into(), &empty, 0..0)), environment, "WARPDRIVE_CACHE_");
    if let Some(raw) = section.take("size_bytes") {
        cache.size_bytes = raw.integer(0..=u64::MAX, report);
    }
    cache.redis_url = secret_url(section.take("redis_url"), rules::CACHE_SCHEMES, report);
    section.keys.finish(report);
    if let Some(place) = place {
        inactive(report, place, "`[cache]`", "every response comes from its upstream");
    }
    cache
}

/// Reads `[postgres]`.
pub(super) fn postgres(keys: Option<Keys<'_>>, environment: &mut Environment, report: &mut Report) -> PostgresSettings {
    let mut postgres = PostgresSettings::default();
    let place = keys.as_ref().map(|keys| Place::File(keys.span.clone()));
    let empty = toml::de::DeTable::new();
    let mut section = Section::new(
        keys.unwrap_or_else(|| Keys::new("postgres".into(), &empty, 0..0)),
        environment,
        "WARPDRIVE_POSTGRES_",
    );
    postgres.url = secret_url(section.take("url"), rules::DATABASE_SCHEMES, report);
    if let Some(raw) = section.take("channel") {
        postgres.channel = raw.name_text(report);
    }
    section.keys.finish(report);
    if let Some(place) = place {
        inactive(report, place, "`[postgres]`", "there is no cache to invalidate");
    }
    postgres
}

/// A URL that may hold a password, so it is never quoted.
fn secret_url(raw: Option<Raw<'_>>, schemes: &[&str], report: &mut Report) -> Option<String> {
    let raw = raw?;
    report.secret(&raw.place());
    let text = raw.text(report)?;
    raw.checked(rules::url(&text, schemes), report)?;
    Some(text)
}

/// Reads `[middleware]`.
pub(super) fn middleware(
    keys: Option<Keys<'_>>,
    environment: &mut Environment,
    report: &mut Report,
) -> MiddlewareSettings {
    let mut middleware = MiddlewareSettings::default();
    let empty = toml::de::DeTable::new();
    let keys = keys.unwrap_or_else(|| Keys::new("middleware".into(), &empty, 0..0));
    let mut section = Section::new(keys, environment, "WARPDRIVE_MIDDLEWARE_");
    flag(&mut section, "forward_headers", &mut middleware.forward_headers, report);
    flag(&mut section, "log_requests", &mut middleware.log_requests, report);
    if let Some(raw) = section.take("log_format")
        && let Some(text) = raw.text(report)
    {
        match text.as_str() {
            "text" => middleware.log_format = LogFormat::Text,
            "json" => middleware.log_format = LogFormat::Json,
            other => drop(raw.bad::<()>(&format!("there is no format `{other}`"), "write `text` or `json`", report)),
        }
    }
    for (key, effect) in [
        ("x_sendfile_enabled", "files that an upstream names are not served"),
        ("gzip_compression_enabled", "responses go out as the upstream sent them"),
    ] {
        let Some(raw) = section.take(key) else { continue };
        let Some(value) = raw.boolean(report) else { continue };
        if key == "x_sendfile_enabled" {
            middleware.x_sendfile_enabled = value;
        } else {
            middleware.gzip_compression_enabled = value;
        }
        if value {
            inactive(report, raw.place(), &format!("`{}`", raw.name), effect);
        }
    }
    section.keys.finish(report);
    middleware
}
