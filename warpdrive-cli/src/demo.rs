//! `warpdrive demo`: three applications behind one port, without an application.
//!
//! It serves the configuration of a Rails application with ActionCable and Sidekiq Web, where an
//! echo upstream stands for each of the three, so that every answer shows what the proxy did.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use warpdrive_core::config::{self, Source};
use warpdrive_core::model::{Model, PathAction, Route};

use crate::echo::{self, Echo};

/// What the demo's configuration is called in messages; no such file exists.
const FILE: &str = "demo.toml";

/// The arguments of `warpdrive demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The port to serve on, on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

/// Starts the echo upstreams, shows the routes, and hands the configuration to `serve`, which
/// returns when the proxy has stopped. The upstreams stop after it.
pub(crate) fn run(args: &DemoArgs, serve: impl FnOnce(Model) -> ExitCode) -> ExitCode {
    match prepare(args.port) {
        Ok(demo) => {
            // Whoever closed the standard output does not want to know.
            let _ = std::io::stdout().write_all(demo.greeting().as_bytes());
            let code = serve(demo.model);
            drop(demo.upstreams);
            code
        }
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::FAILURE
        }
    }
}

struct Demo {
    port: u16,
    model: Model,
    upstreams: Vec<Echo>,
}

fn prepare(port: u16) -> Result<Demo, String> {
    // The proxy would find out too, but only a person's own choice can be named as the way out.
    let port = {
        let probe = echo::listen(port)?;
        probe.local_addr().map_err(|error| error.to_string())?.port()
    };
    let upstreams = ["rails", "cable", "sidekiq"]
        .into_iter()
        .map(|name| {
            Echo::start(echo::listen(0)?, name)
                .map_err(|error| format!("cannot start the echo upstream `{name}`: {error}"))
        })
        .collect::<Result<Vec<Echo>, String>>()?;
    let mut ports = upstreams.iter().map(|echo| echo.address().port());
    let ports = [(); 3].map(|()| ports.next().unwrap_or_default());
    let text = configuration(port, ports);
    let source = Source::file(FILE, &text);
    let loaded = config::load(source).map_err(|errors| errors.to_string())?;
    Ok(Demo { port, model: loaded.model, upstreams })
}

/// The configuration of a Rails application with ActionCable and Sidekiq Web.
fn configuration(port: u16, [rails, cable, sidekiq]: [u16; 3]) -> String {
    format!(
        r#"[server]
bind = ["127.0.0.1"]
http_port = {port}

[upstreams.rails]
host = "127.0.0.1"
port = {rails}

[upstreams.cable]
host = "127.0.0.1"
port = {cable}

[upstreams.sidekiq]
host = "127.0.0.1"
port = {sidekiq}

[[routes]]
path_prefix = "/cable"
upstream = "cable"

[[routes]]
path_prefix = "/sidekiq"
upstream = "sidekiq"
strip_prefix = true

[[routes]]
path_prefix = "/"
upstream = "rails"
"#
    )
}

impl Demo {
    /// The route table, and what to type next.
    fn greeting(&self) -> String {
        let port = self.port;
        format!(
            "Routes, in the order in which they are tried:\n\n{}\n\
             Try, in another terminal:\n\n  \
             curl http://127.0.0.1:{port}/\n  \
             curl http://127.0.0.1:{port}/sidekiq/jobs        # arrives as /jobs\n  \
             curl http://127.0.0.1:{port}/cable\n  \
             curl -N 'http://127.0.0.1:{port}/stream?n=5&ms=500'\n  \
             curl -i -N -m 2 -H 'Connection: Upgrade' -H 'Upgrade: websocket' \\\n       \
             -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: d2FycGRyaXZlLWRlbW8uLg==' \\\n       \
             http://127.0.0.1:{port}/cable               # 101 and an open WebSocket\n\n\
             In a browser's console on http://127.0.0.1:{port}/:\n\n  \
             s = new WebSocket(\"ws://127.0.0.1:{port}/cable\")\n  \
             s.onmessage = message => console.log(message.data)\n  \
             s.onopen = () => s.send(\"hello\")\n\n\
             Ctrl-C stops it.\n\n",
            table(&self.model)
        )
    }
}

/// One line a route: number, conditions, what happens to the path, upstream and its addresses.
fn table(model: &Model) -> String {
    let rows: Vec<[String; 3]> = model
        .routes()
        .iter()
        .map(|route| {
            let upstream = model.upstream(route.upstream).map(|upstream| {
                let addresses: Vec<String> = upstream.instances.iter().map(|one| one.address.to_string()).collect();
                format!("{} \u{2192} {}", upstream.name, addresses.join(", "))
            });
            [conditions(route), action(route), upstream.unwrap_or_default()]
        })
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let (first, second) = (width(0), width(1));
    let mut text = String::new();
    for (number, [conditions, action, upstream]) in (1..).zip(&rows) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {number}  {conditions:first$}  {action:second$}  {upstream}");
    }
    text
}

/// Everything that must hold, in the words of the file.
fn conditions(route: &Route) -> String {
    let methods: Vec<&str> = route.methods.iter().map(|method| method.as_str()).collect();
    let hosts: Vec<String> = route.hosts.iter().map(ToString::to_string).collect();
    let mut parts = vec![methods.join("|"), hosts.join("|"), route.path.to_string()];
    parts.extend(route.headers.iter().map(ToString::to_string));
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

fn action(route: &Route) -> String {
    match &route.action {
        PathAction::Keep => "path kept".to_owned(),
        PathAction::StripPrefix => "prefix stripped".to_owned(),
        PathAction::Replace(with) => format!("replaced by {with}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_an_error_that_names_the_way_out() {
        let taken = echo::listen(0).unwrap();
        let port = taken.local_addr().unwrap().port();
        let Err(message) = prepare(port) else { panic!("the port was taken twice") };
        assert!(message.contains(&port.to_string()) && message.contains("--port"), "{message}");
    }

    #[test]
    fn the_greeting_shows_every_route_in_file_order_with_the_address_it_leads_to() {
        let demo = prepare(0).unwrap();
        let greeting = demo.greeting();
        let lines: Vec<&str> = greeting.lines().collect();
        let expected = [
            ("  1  path_prefix /cable", "path kept", "cable", 1),
            ("  2  path_prefix /sidekiq", "prefix stripped", "sidekiq", 2),
            ("  3  path_prefix /", "path kept", "rails", 0),
        ];
        for (line, (start, action, name, upstream)) in lines[2..5].iter().zip(expected) {
            let address = demo.upstreams[upstream].address();
            assert!(line.starts_with(start), "{line}");
            assert!(line.contains(action), "{line}");
            assert!(line.ends_with(&format!("{name} \u{2192} {address}")), "{line}");
        }
        assert!(greeting.contains(&format!("curl http://127.0.0.1:{}/\n", demo.port)));
    }
}
