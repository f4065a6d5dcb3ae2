//! Tables that the benches route through, as configuration texts: the way that a person's table
//! gets into the router.

use std::fmt::Write;

use warpdrive_core::Router;

/// Writes a configuration with one upstream.
fn table(mut routes: impl FnMut(&mut String)) -> String {
    let mut config = String::from("[upstreams.a]\nport = 1\n");
    routes(&mut config);
    config
}

/// Compiles a table.
pub fn compile(config: &str) -> Router {
    match Router::from_toml(config) {
        Ok(router) => router,
        Err(errors) => {
            eprintln!("{errors}");
            std::process::exit(1)
        }
    }
}

/// Writes one route with these conditions.
fn route(config: &mut String, conditions: &str) {
    // Writing to a String cannot fail.
    let _ = write!(config, "[[routes]]\nupstream = \"a\"\n{conditions}\n");
}

/// A literal prefix like those of a real application: two segments, the second one numbered.
pub fn literal_path(number: usize) -> String {
    const AREAS: [&str; 8] = ["users", "projects", "api", "admin", "reports", "billing", "assets", "hooks"];
    let area = AREAS.get(number % AREAS.len()).copied().unwrap_or("other");
    format!("/{area}/section{number}")
}

/// Literal prefixes, one route each.
pub fn literals(count: usize) -> String {
    table(|config| (0..count).for_each(|n| route(config, &format!("path_prefix = \"{}\"", literal_path(n)))))
}

/// Anchored expressions on one host that begin alike.
pub fn regexes(count: usize) -> String {
    table(|config| (0..count).for_each(|n| route(config, &format!("path_regex = \"^/items/[0-9]+/kind{n}$\""))))
}

/// Routes that differ in one header field's value alone.
pub fn headers(count: usize) -> String {
    table(|config| {
        (0..count).for_each(|n| route(config, &format!("header = {{ name = \"X-Tenant\", value = \"t{n}\" }}")))
    })
}

/// Hosts with three routes each, and prefixes without a host.
pub fn hosts(hosts: usize, prefixes: usize) -> String {
    table(|config| {
        for n in 0..hosts {
            for path in ["/cable", "/sidekiq", "/"] {
                route(config, &format!("host = \"host{n}.example.com\"\npath_prefix = \"{path}\""));
            }
        }
        (0..prefixes).for_each(|n| route(config, &format!("path_prefix = \"{}\"", literal_path(n))));
    })
}

/// Prefixes nested in each other, with routes at each that fail on a header or a method.
pub fn nested(depth: usize, failing: usize) -> String {
    table(|config| {
        let mut path = String::new();
        for level in 0..depth {
            let _ = write!(path, "/s{level}");
            for n in 0..failing {
                let condition = if n % 2 == 0 {
                    format!("header = {{ name = \"X-Flag\", value = \"{level}-{n}\" }}")
                } else {
                    "methods = [\"PUT\", \"DELETE\"]".to_owned()
                };
                route(config, &format!("path_prefix = \"{path}\"\n{condition}"));
            }
        }
        route(config, "path_prefix = \"/\"");
    })
}
