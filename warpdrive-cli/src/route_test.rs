//! `warpdrive route-test`: which route a request would take and why, by the code of live traffic.

mod changes;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use serde_json::{Value, json};
use warpdrive_core::forwarding::{
    ClientConnection, Credentials, Forward, RequestHead, Scheme, explain, forward, is_health_check,
};
use warpdrive_core::{Explanation, Reject, RequestView, Router, Scratch};

use changes::Changes;

use crate::exit;
use crate::source::Configuration;

/// The arguments of `warpdrive route-test`.
#[derive(Debug, Args)]
pub(crate) struct RouteTestArgs {
    /// The configuration file [default: WARPDRIVE_CONFIG, then ./warpdrive.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The Host field; an absolute target's authority beats it
    #[arg(long, default_value = "localhost", allow_hyphen_values = true)]
    host: String,
    /// Asks without a Host field, as HTTP/1.0 may
    #[arg(long, conflicts_with = "host")]
    no_host: bool,
    /// A header field; may be given more than once, and its value may be any bytes
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", allow_hyphen_values = true)]
    #[arg(value_parser = OsStringValueParser::new().try_map(field))]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The address of the peer, which decides whether its forwarded fields are believed
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    client: IpAddr,
    /// Tells why every earlier route did not accept the request
    #[arg(long)]
    explain: bool,
    /// Writes the answer as one JSON object
    #[arg(long)]
    json: bool,
    /// The method, such as GET
    method: String,
    /// The request target, such as /cable?x=1
    #[arg(allow_hyphen_values = true)]
    target: String,
}

/// Any value is an outcome; only what is no `Name: value` at all is a mistake in the arguments.
fn field(argument: OsString) -> Result<(HeaderName, HeaderValue), String> {
    let bytes = argument.as_bytes();
    let colon = bytes.iter().position(|&byte| byte == b':').ok_or("write it as `Name: value`")?;
    let (name, value) = bytes.split_at(colon);
    let parsed = HeaderName::from_bytes(name.trim_ascii());
    let name = parsed.map_err(|_| format!("`{}` is not a field name", OsStr::from_bytes(name).display()))?;
    let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii();
    let value = HeaderValue::from_bytes(value).map_err(|_| "the value has control bytes".to_owned())?;
    Ok((name, value))
}

/// Exits with 0 where the request is routed, or the proxy answers it by itself, with 1 where it is not, with 2 for mistakes in the
/// configuration.
pub(crate) fn run(args: &RouteTestArgs) -> ExitCode {
    let configuration = match Configuration::load(args.config.as_deref()) {
        Ok(configuration) => configuration,
        Err(failure) => return failure.report(),
    };
    configuration.print_warnings();
    let router = match Configuration::compile(configuration.loaded.model) {
        Ok(router) => router,
        Err(code) => return code,
    };
    let mut scratch = Scratch::new();
    let answer = ask(&router, args, &mut scratch);
    let text = if args.json { answer.json(args).to_string() + "\n" } else { answer.text(args, &router) };
    // Whoever closed the standard output still gets the exit code.
    let _ = std::io::stdout().write_all(text.as_bytes());
    match answer.outcome {
        Outcome::Routed(_) | Outcome::HealthCheck => ExitCode::SUCCESS,
        Outcome::NoRoute(_) | Outcome::Rejected(_) => ExitCode::from(exit::NO),
    }
}

/// What is said of a request for `server.health_path`.
const HEALTH_CHECK: &str =
    "answered by the proxy itself (server.health_path), before any route: 200, or 503 while it is stopping";

struct Answer<'r, 'q> {
    outcome: Outcome<'r, 'q>,
    explanation: Explanation,
    /// What becomes of the header fields where the request is routed.
    changes: Changes,
}

enum Outcome<'r, 'q> {
    Routed(Forward<'r, 'q>),
    /// The status that a client would get.
    NoRoute(u16),
    Rejected(Reject),
    /// The proxy answers it itself, before any route.
    HealthCheck,
}

fn ask<'r, 'q>(router: &'r Router, args: &'q RouteTestArgs, scratch: &'q mut Scratch) -> Answer<'r, 'q> {
    let server = &router.model().settings().server;
    let connection = ClientConnection::new(args.client, Scheme::Http, server);
    let (headers, method) = match (request_fields(args), Method::from_bytes(args.method.as_bytes())) {
        (Ok(headers), Ok(method)) => (headers, method),
        // What no header map or method can hold is refused by the same rules, seen as bytes.
        _ => return refused(router, args),
    };
    let version = if args.no_host { Version::HTTP_10 } else { Version::HTTP_11 };
    let head = RequestHead { method: &method, version, target: &args.target };
    let mut explanation = explain(router, head, &headers, &connection);
    if is_health_check(router, head, &headers, scratch) {
        // No route is asked.
        explanation.considered.clear();
        return Answer { outcome: Outcome::HealthCheck, explanation, changes: Changes::default() };
    }
    let mut edited = headers.clone();
    let fresh = changes::fresh(&headers);
    let found = forward(router, head, &mut edited, &connection, fresh, Credentials::Assume, scratch);
    let outcome = match found {
        Ok(Some(found)) => Outcome::Routed(found),
        Ok(None) => Outcome::NoRoute(server.no_route_status.as_u16()),
        Err(reject) => Outcome::Rejected(reject),
    };
    let changes = match &outcome {
        Outcome::Routed(_) => changes::between(&headers, &edited),
        Outcome::NoRoute(_) | Outcome::Rejected(_) | Outcome::HealthCheck => Changes::default(),
    };
    Answer { outcome, explanation, changes }
}

fn refused<'r, 'q>(router: &'r Router, args: &'q RouteTestArgs) -> Answer<'r, 'q> {
    let mut view = RequestView::new(&args.method, &args.target);
    view.host = (!args.no_host).then_some(args.host.as_bytes());
    let explanation = router.explain(&view);
    let outcome = match &explanation.outcome {
        Err(reject) => Outcome::Rejected(reject.clone()),
        Ok(_) => Outcome::NoRoute(router.model().settings().server.no_route_status.as_u16()),
    };
    Answer { outcome, explanation, changes: Changes::default() }
}

fn request_fields(args: &RouteTestArgs) -> Result<HeaderMap, header::InvalidHeaderValue> {
    let mut headers = HeaderMap::new();
    let named = args.headers.iter().any(|(name, _)| name == header::HOST);
    if !named && !args.no_host {
        headers.insert(header::HOST, HeaderValue::from_bytes(args.host.trim_ascii().as_bytes())?);
    }
    for (name, value) in &args.headers {
        headers.append(name.clone(), value.clone());
    }
    Ok(headers)
}

impl Answer<'_, '_> {
    fn json(&self, args: &RouteTestArgs) -> Value {
        let (outcome, status, reason) = match &self.outcome {
            Outcome::Routed(_) => ("routed", None, None),
            Outcome::HealthCheck => ("health_check", Some(200), Some(HEALTH_CHECK.to_owned())),
            Outcome::NoRoute(status) => ("no_route", Some(*status), Some("no route accepts the request".to_owned())),
            Outcome::Rejected(reject) => ("rejected", Some(reject.status.as_u16()), Some(reject.detail.to_string())),
        };
        let matched = match &self.outcome {
            Outcome::Routed(found) => Some(&found.matched),
            _ => None,
        };
        let reject = match &self.outcome {
            Outcome::Rejected(reject) => Some(reject),
            _ => None,
        };
        let changes = matched.map(|_| &self.changes);
        let set = changes.map(|changes| changes.set.iter().map(|field| json!([field.name.as_str(), field.value])));
        let removed = changes.map(|changes| changes.removed.iter().map(HeaderName::as_str));
        let mut object = json!({
            "method": args.method,
            "host": self.explanation.host,
            "target": args.target,
            "path": self.explanation.path,
            "outcome": outcome,
            "status": status,
            "reason": reason,
            "code": reject.map(|reject| reject.reason.as_str()),
            "allow": reject.and_then(|reject| reject.allow.as_ref()?.to_str().ok()),
            "route": matched.map(|matched| {
                let route = matched.route();
                json!({
                    "number": route.number,
                    "line": route.line,
                    "name": route.name,
                    "description": route.description,
                })
            }),
            "upstream": matched.map(|matched| &matched.upstream().name),
            "upstream_target": matched.map(|matched| matched.upstream_target()),
            "request_headers": set.map(Iterator::collect::<Vec<_>>),
            "removed_headers": removed.map(Iterator::collect::<Vec<_>>),
            "require_auth": matched.map(|matched| matched.route().require_auth),
        });
        if let (true, Some(map)) = (args.explain, object.as_object_mut()) {
            let considered = self.explanation.considered.iter().map(|considered| {
                json!({
                    "number": considered.number,
                    "line": considered.line,
                    "failed": considered.failed.as_str(),
                    "detail": considered.detail,
                })
            });
            map.insert("considered".to_owned(), considered.collect());
            map.insert("notes".to_owned(), json!(self.explanation.notes));
        }
        object
    }

    fn text(&self, args: &RouteTestArgs, router: &Router) -> String {
        let mut text = String::new();
        let asked = if args.no_host { "no host" } else { &args.host };
        let host = self.explanation.host.as_deref().unwrap_or(asked);
        let path = self.explanation.path.as_deref().unwrap_or(&args.target);
        let _ = writeln!(text, "{} {path} at {host}", args.method);
        if args.explain {
            for note in &self.explanation.notes {
                let _ = writeln!(text, "  note: {note}");
            }
            for considered in &self.explanation.considered {
                let line = considered.line.map_or(String::new(), |line| format!(" (line {line})"));
                let _ =
                    writeln!(text, "  route {}{line}: {} {}", considered.number, considered.failed, considered.detail);
            }
        }
        match &self.outcome {
            Outcome::Routed(found) => write_route(&mut text, found, &self.changes, args.explain),
            Outcome::NoRoute(status) => {
                let _ = writeln!(text, "  no route accepts it: the answer is {status}");
                if let Some(command) = self.command_that_matches(args, router) {
                    let _ = writeln!(text, "  only the host failed; try: {command}");
                }
            }
            Outcome::HealthCheck => {
                let _ = writeln!(text, "  {HEALTH_CHECK}");
            }
            Outcome::Rejected(reject) => {
                let _ =
                    writeln!(text, "  refused with {} ({}): {}", reject.status.as_u16(), reject.reason, reject.detail);
            }
        }
        text
    }

    /// The same command with a host that some route accepts, where nothing but the host failed.
    fn command_that_matches(&self, args: &RouteTestArgs, router: &Router) -> Option<String> {
        let accepted = router.model().routes().iter().flat_map(|route| &route.hosts).find_map(|pattern| {
            let host = pattern.example();
            let again = RouteTestArgs { host: host.clone(), config: None, headers: args.headers.clone(), ..copy(args) };
            let mut scratch = Scratch::new();
            let routed = matches!(ask(router, &again, &mut scratch).outcome, Outcome::Routed(_));
            routed.then_some(host)
        })?;
        let mut command = "warpdrive route-test".to_owned();
        if let Some(config) = &args.config {
            let _ = write!(command, " --config {}", quoted(&config.display().to_string()));
        }
        let _ = write!(command, " --host {}", quoted(&accepted));
        for (name, value) in args.headers.iter().filter(|(name, _)| name != header::HOST) {
            let _ =
                write!(command, " -H {}", quoted(&format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))));
        }
        if args.client != IpAddr::from([127, 0, 0, 1]) {
            let _ = write!(command, " --client {}", args.client);
        }
        let _ = write!(command, " {} {}", quoted(&args.method), quoted(&args.target));
        Some(command)
    }
}

fn copy(args: &RouteTestArgs) -> RouteTestArgs {
    RouteTestArgs {
        config: None,
        host: String::new(),
        no_host: false,
        headers: Vec::new(),
        client: args.client,
        explain: false,
        json: false,
        method: args.method.clone(),
        target: args.target.clone(),
    }
}

fn write_route(text: &mut String, found: &Forward<'_, '_>, changes: &Changes, explain: bool) {
    let route = found.matched.route();
    let upstream = found.matched.upstream();
    let line = route.line.map_or(String::new(), |line| format!(", line {line}"));
    let name = route.name.as_deref().map_or(String::new(), |name| format!(" {name:?}"));
    let _ = writeln!(text, "  route {}{name}{line}", route.number);
    if let Some(description) = &route.description {
        let _ = writeln!(text, "    {description}");
    }
    let addresses: Vec<String> = upstream.instances.iter().map(|instance| instance.address.to_string()).collect();
    let _ = writeln!(text, "  upstream {} at {}", upstream.name, addresses.join(", "));
    let _ = writeln!(text, "  target {}", found.matched.upstream_target());
    for field in &changes.set {
        let _ = writeln!(text, "  sets {}: {}", field.name, field.value.as_deref().unwrap_or("(new for each request)"));
    }
    for name in changes.removed.iter().filter(|_| explain) {
        let _ = writeln!(text, "  removes {name}");
    }
    if route.require_auth {
        let _ = writeln!(text, "  requires the admin token: without it the answer is 401");
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain =
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
