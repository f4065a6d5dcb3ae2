//! From a route as written to the route of a model.

use http::{HeaderName, HeaderValue, Method};

use super::errors::Mistakes;
use super::route::Wanted;
use super::{RouteBuilder, Upstreams};
use crate::config::rules::{self, Mistake};
use crate::host::HostPattern;
use crate::limits::MAX_HEADER_CONDITIONS;
use crate::model::{PathAction, Route, RouteLimits, ServerSettings};
use crate::pattern::{HeaderCondition, HeaderTest, PathRule};

impl RouteBuilder {
    /// Parses the route; `None` where it has a mistake.
    pub(super) fn read(
        self,
        number: u32,
        upstreams: &Upstreams,
        server: &ServerSettings,
        mistakes: &mut Mistakes,
    ) -> Option<Route> {
        let mut sink = Sink { number, mistakes };
        if let Some(name) = &self.name {
            sink.checked("name", rules::name(name));
        }
        let hosts = self.read_hosts(&mut sink);
        let path = self.read_path(server.merge_slashes, &mut sink);
        let methods = self.read_methods(&mut sink);
        let headers = self.read_headers(&mut sink);
        let upstream = sink.checked("upstream", upstreams.find(number, &self.upstream)).flatten();
        let action = self.read_action(path.as_ref(), server.merge_slashes, &mut sink);
        if self.require_auth && server.admin_token.is_none() {
            let mistake = rules::admin_token_missing(number).with_help("set `server.admin_token` of the settings");
            sink.checked::<()>("require_auth", Err(mistake));
        }
        let add_headers = set_fields("add_headers", &self.add_headers, &mut sink);
        let response_headers = set_fields("response_headers", &self.response_headers, &mut sink);
        let limits = self.read_limits(server, &mut sink);
        Some(Route {
            number,
            line: None,
            name: self.name,
            description: self.description,
            hosts,
            path: path?,
            methods,
            headers,
            upstream: upstream?,
            action: action?,
            rewrite_location: self.rewrite_location,
            rewrite_cookie_paths: self.rewrite_cookie_paths,
            require_auth: self.require_auth,
            add_headers,
            response_headers,
            limits,
        })
    }

    fn read_hosts(&self, sink: &mut Sink<'_>) -> Vec<HostPattern> {
        let Some(hosts) = &self.hosts else { return Vec::new() };
        if hosts.is_empty() {
            sink.checked::<()>("hosts", Err(rules::none_listed("hosts")));
        }
        hosts.iter().filter_map(|host| sink.checked("hosts", rules::host(host))).collect()
    }

    fn read_path(&self, merge: bool, sink: &mut Sink<'_>) -> Option<PathRule> {
        match self.paths.as_slice() {
            [] => Some(PathRule::Any),
            [(key, text)] => sink.checked(key.as_str(), rules::path(*key, text, merge)),
            [_, (second, _), ..] => sink.checked(second.as_str(), Err(rules::two_paths(&sink.owner()))),
        }
    }

    fn read_methods(&self, sink: &mut Sink<'_>) -> Vec<Method> {
        let Some(methods) = &self.methods else { return Vec::new() };
        if methods.is_empty() {
            sink.checked::<()>("methods", Err(rules::none_listed("methods")));
        }
        methods.iter().filter_map(|method| sink.checked("methods", rules::method(method))).collect()
    }

    fn read_headers(&self, sink: &mut Sink<'_>) -> Vec<HeaderCondition> {
        let counted = rules::count(self.headers.len(), MAX_HEADER_CONDITIONS, "header conditions");
        if sink.checked("headers", counted).is_none() {
            return Vec::new();
        }
        let mut conditions = Vec::with_capacity(self.headers.len());
        for (text, wanted) in &self.headers {
            let key = format!("headers[{text}]");
            let name = read_name(&key, text, sink);
            let test = match wanted {
                Wanted::Exact(value) => sink.checked(&key, rules::field_value(value)).map(HeaderTest::Exact),
                Wanted::Present => Some(HeaderTest::Present),
                Wanted::Regex(regex) => sink.checked(&key, rules::field_regex(regex)).map(HeaderTest::Regex),
            };
            conditions.extend(name.zip(test).map(|(name, test)| HeaderCondition::new(name, test)));
        }
        conditions
    }

    fn read_action(&self, path: Option<&PathRule>, merge: bool, sink: &mut Sink<'_>) -> Option<PathAction> {
        let key = if self.rewrite.is_some() { "rewrite" } else { "strip_prefix" };
        let action = rules::cuts_or_replaces(&sink.owner(), self.strip_prefix, self.rewrite.as_deref(), path, merge);
        sink.checked(key, action).flatten()
    }

    fn read_limits(&self, server: &ServerSettings, sink: &mut Sink<'_>) -> RouteLimits {
        let mut limits = RouteLimits::from_server(server);
        for (key, given, time) in [
            ("connect_timeout_secs", self.connect_timeout, &mut limits.connect_timeout),
            ("read_timeout_secs", self.read_timeout, &mut limits.read_timeout),
            ("client_body_timeout_secs", self.client_body_timeout, &mut limits.client_body_timeout),
            ("tunnel_idle_timeout_secs", self.tunnel_idle_timeout, &mut limits.tunnel_idle_timeout),
        ] {
            let Some(given) = given else { continue };
            if sink.checked(key, rules::seconds(Some(given.as_secs_f64()))).is_some() {
                *time = given;
            }
        }
        limits.retry_timeouts = self.retry_timeouts.unwrap_or(limits.retry_timeouts);
        limits.max_body_bytes = self.max_body_bytes.or(limits.max_body_bytes);
        limits
    }
}

fn set_fields(key: &str, given: &[(String, String)], sink: &mut Sink<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields = Vec::with_capacity(given.len());
    for (text, value) in given {
        let key = format!("{key}[{text}]");
        let name = read_name(&key, text, sink);
        let value = sink.checked(&key, rules::field_value(value));
        let Some((name, value)) = name.zip(value) else { continue };
        if sink.checked(&key, rules::may_set(&name, &fields)).is_some() {
            fields.push((name, value));
        }
    }
    fields
}

fn read_name(key: &str, text: &str, sink: &mut Sink<'_>) -> Option<HeaderName> {
    sink.checked(key, rules::not_empty(text).and_then(|()| rules::field_name(text)))
}

/// Takes the mistakes of one route.
struct Sink<'m> {
    number: u32,
    mistakes: &'m mut Mistakes,
}

impl Sink<'_> {
    /// The route's name in messages.
    fn owner(&self) -> String {
        format!("route {}", self.number)
    }

    fn checked<T>(&mut self, key: &str, outcome: Result<T, Mistake>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(mistake) => {
                self.mistakes.add(Some(self.number), format!("{}.{key}", self.owner()), mistake);
                None
            }
        }
    }
}
