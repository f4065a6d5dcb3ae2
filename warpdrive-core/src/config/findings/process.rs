//! Processes: whether one is told where to listen, and whether its program is there.
//!
//! No list of known programs: what counts is that the address stands in the words or variables
//! that the process gets, in whatever form.

use std::ops::Range;

use super::{ProcessPlaces, Programs, Subject, UpstreamPlaces, some_of};
use crate::config::diagnostic::{Code, Place, Report};
use crate::model::{Address, ProcessSettings, Upstream};

pub(super) fn look(subject: &Subject<'_>, report: &mut Report) {
    for (upstream, places) in subject.upstreams.iter().zip(subject.upstream_places) {
        let (Some(process), Some(process_places)) = (&upstream.process, &places.process) else { continue };
        address(upstream, process, places, process_places, report);
        if let Some(programs) = subject.programs {
            program(process, process_places, programs, report);
        }
    }
}

fn address(
    upstream: &Upstream,
    process: &ProcessSettings,
    places: &UpstreamPlaces,
    process_places: &ProcessPlaces,
    report: &mut Report,
) {
    if upstream.instances.iter().any(|instance| is_told(&instance.address, process)) {
        return;
    }
    let addresses: Vec<String> = upstream.instances.iter().map(|instance| format!("`{}`", instance.address)).collect();
    let (stands, role) = match addresses.len() {
        1 => ("stands", "the address"),
        _ => ("stand", "the first address"),
    };
    let diagnostic = report.add(
        Code::AddressNotInProcess,
        Place::File(process_places.command.clone()),
        format!(
            "the process of `{}` is not told where to listen: {} {stands} neither in its arguments nor in its environment",
            upstream.name,
            some_of(&addresses, "addresses")
        ),
    );
    if let Some(Place::File(span)) = places.addresses.first() {
        diagnostic.related(span.clone(), role);
    }
    match upstream.instances.first().map(|instance| &instance.address) {
        Some(Address::Tcp { port, .. }) => diagnostic.help(format!(
            "add the port in the program's own form, such as `--port={port}` in `args` or `PORT = \"{port}\"` in `env`"
        )),
        Some(Address::Unix(path)) => diagnostic
            .help(format!("add the socket in the program's own form, such as `unix://{}` in `args`", path.display())),
        None => diagnostic,
    };
}

/// Whether the words or variables of a process name the address.
fn is_told(address: &Address, process: &ProcessSettings) -> bool {
    let words = || std::iter::once(&process.command).chain(&process.args);
    let values = || process.env.iter().map(|(_, value)| value);
    match address {
        Address::Tcp { port, .. } => {
            let port = port.to_string();
            let is_port_elsewhere = process.env.iter().any(|(name, _)| name == "PORT");
            words().chain(values()).any(|text| has_number(text, &port))
                || (!is_port_elsewhere && words().any(|text| takes_port_variable(text)))
        }
        Address::Unix(path) => {
            let path = path.to_string_lossy();
            words().chain(values()).any(|text| has_path(text, &path))
        }
    }
}

/// Whether the digits stand in the text as a whole number, or glued to a short option: `-p3000`.
fn has_number(text: &str, digits: &str) -> bool {
    let is_short_option = text.strip_prefix('-').is_some_and(|option| {
        let mut characters = option.chars();
        characters.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && characters.as_str() == digits
    });
    is_short_option
        || parts(text, digits).any(|(before, after)| {
            !before.ends_with(|character: char| is_word(character) || character == '.')
                && !after.starts_with(|character: char| is_word(character) || character == '.')
        })
}

/// Whether a word reads the variable `PORT`: `$PORT`, `${PORT}`, `ENV["PORT"]`, `process.env.PORT`.
fn takes_port_variable(text: &str) -> bool {
    parts(text, "PORT").any(|(before, after)| {
        let is_read = before.ends_with(['$', '{', '"', '\'', '.', ':', '%']);
        is_read && !after.starts_with(|character: char| is_word(character) || character == '=')
    })
}

/// Whether the path of a socket, or its end as a relative path, stands in the text.
fn has_path(text: &str, path: &str) -> bool {
    let ends = |after: &str| !after.starts_with(|character: char| is_word(character) || "-./".contains(character));
    let whole = parts(text, path).any(|(before, after)| {
        ends(after) && !before.ends_with(|character: char| is_word(character) || "-.".contains(character))
    });
    let mut tails = path.match_indices('/').filter_map(|(at, _)| path.get(at + 1..)).filter(|tail| !tail.is_empty());
    whole
        || tails.any(|tail| {
            parts(text, tail).any(|(before, after)| {
                let before = before.strip_suffix("./").unwrap_or(before);
                ends(after) && (before.is_empty() || before.ends_with("://") || before.ends_with(DELIMITERS))
            })
        })
}

/// What may stand in front of a relative path.
const DELIMITERS: [char; 7] = ['=', ':', ',', ' ', '"', '\'', '('];

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// What stands in front of and behind each place where `wanted` stands.
fn parts<'t>(text: &'t str, wanted: &str) -> impl Iterator<Item = (&'t str, &'t str)> {
    let length = wanted.len();
    text.match_indices(wanted).filter_map(move |(at, _)| Some((text.get(..at)?, text.get(at + length..)?)))
}

fn program(process: &ProcessSettings, places: &ProcessPlaces, programs: Programs<'_>, report: &mut Report) {
    // With a PATH of its own, nobody here knows where the process looks.
    if process.env.iter().any(|(name, _)| name == "PATH") {
        return;
    }
    for Named { word, at, by_bundler } in names(process) {
        if word.is_empty() || word.contains('$') || (programs.0)(word) {
            continue;
        }
        let span: Option<&Range<usize>> = match at {
            0 => Some(&places.command),
            at => places.args.get(at - 1),
        };
        let place = span.cloned().map_or(Place::Whole, Place::File);
        if word.contains('/') {
            report
                .add(Code::ProgramNotFound, place, format!("there is no executable file `{word}`"))
                .help("a relative path starts in the folder where warpdrive is started");
            continue;
        }
        let help = if by_bundler {
            format!("`bundle install` the gem that has it; `bundle binstubs` puts its program into `bin/{word}`")
        } else {
            "install it, or write its whole path".to_owned()
        };
        report
            .add(Code::ProgramNotFound, place, format!("the program `{word}` is found neither in PATH nor in `bin/`"))
            .help(help);
    }
}

/// A word that names a program.
struct Named<'p> {
    word: &'p str,
    /// 0 is the command, 1 the first argument.
    at: usize,
    /// Whether Bundler looks it up.
    by_bundler: bool,
}

/// The command, and what `env` and `bundle exec` start in turn.
fn names(process: &ProcessSettings) -> Vec<Named<'_>> {
    let word_at = |at: usize| match at {
        0 => Some(process.command.as_str()),
        at => process.args.get(at - 1).map(String::as_str),
    };
    let mut names = Vec::new();
    let (mut at, mut by_bundler) = (0, false);
    while let Some(word) = word_at(at) {
        // An option means words that only the program itself can tell apart.
        if word.starts_with('-') && at > 0 {
            break;
        }
        names.push(Named { word, at, by_bundler });
        match word.rsplit('/').next() {
            Some("env") => {
                at += 1;
                while let Some(assignment) = word_at(at).filter(|word| word.contains('=') && !word.starts_with('-')) {
                    if assignment.starts_with("PATH=") {
                        return names;
                    }
                    at += 1;
                }
            }
            Some("bundle") if word_at(at + 1) == Some("exec") => {
                at += 2;
                by_bundler = true;
            }
            _ => break,
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn process(line: &str, env: &[(&str, &str)]) -> ProcessSettings {
        let mut words = line.split(' ').map(str::to_owned);
        ProcessSettings {
            command: words.next().unwrap_or_default(),
            args: words.collect(),
            env: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    #[test]
    fn a_port_is_told_in_many_forms() {
        let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: 3000 };
        let told = |line: &str, env: &[(&str, &str)]| is_told(&address, &process(line, env));
        for line in [
            "puma -p 3000",
            "puma -p3000",
            "bundle exec puma -b tcp://0.0.0.0:3000",
            "node server.js --port=3000",
            "gunicorn app:app -b 127.0.0.1:3000",
            "uvicorn main:app --port 3000",
            "php -S [::1]:3000 -t public",
            "java -Dserver.port=3000 -jar app.jar",
            "python -m http.server 3000",
            "caddy reverse-proxy --from :3000",
            "sh -c puma\u{a0}-p\u{a0}$PORT",
            "puma -p ${PORT:-4000}",
            "ruby -e serve(ENV[\"PORT\"])",
            "ruby -e serve(ENV.fetch('PORT'))",
            "node -e listen(process.env.PORT)",
            "python -c serve(os.environ[\"PORT\"])",
        ] {
            assert!(told(line, &[]), "{line}");
        }
        assert!(told("bin/server", &[("PORT", "3000")]));
        assert!(told("bin/server", &[("LISTEN", "tcp://0.0.0.0:3000/")]));
        for line in [
            "puma -p 30001",
            "puma -p 13000",
            "puma",
            "node server.js --port=4000",
            "gunicorn app:app -b 127.0.0.1:8000",
            "uvicorn main:app --limit 1.3000",
            "php -S localhost:80 -d x3000",
            "java -jar app-3000ms.jar",
            "python -m http.server",
            "sh -c PORT=4000",
            "puma --PORTS $PORTS",
        ] {
            assert!(!told(line, &[]), "{line}");
        }
        assert!(!told("puma -p $PORT", &[("PORT", "4000")]));
        assert!(!told("bin/server", &[("PORT", "4000")]));
    }

    #[test]
    fn a_socket_is_told_in_many_forms() {
        let told = |path: &str, line: &str| is_told(&Address::Unix(PathBuf::from(path)), &process(line, &[]));
        for (path, line) in [
            ("/tmp/puma.sock", "bundle exec puma -b unix:///tmp/puma.sock?umask=0111"),
            ("/run/app.sock", "gunicorn app:app --bind=unix:/run/app.sock"),
            ("/run/app.sock", "uvicorn main:app --uds /run/app.sock"),
            ("/run/app.sock", "node server.js --socket=/run/app.sock"),
            ("/run/app.sock", "java -Dsocket=/run/app.sock -jar a.jar"),
            ("/run/app.sock", "php-fpm -d listen=/run/app.sock"),
            ("/app/tmp/puma.sock", "puma -b unix://tmp/puma.sock"),
            ("/app/tmp/puma.sock", "puma -b unix://./tmp/puma.sock"),
            ("/app/tmp/puma.sock", "server tmp/puma.sock"),
            ("tmp/puma.sock", "puma -b unix:///app/tmp/puma.sock"),
        ] {
            assert!(told(path, line), "{path} in {line}");
        }
        for (path, line) in [
            ("/tmp/puma.0.sock", "bundle exec puma -b unix:///tmp/puma.sock"),
            ("/tmp/puma.sock", "puma -b unix:///var/tmp/puma.sock"),
            ("/tmp/puma.sock", "puma -b unix:///other/puma.sock"),
            ("/run/app.sock", "gunicorn app:app --bind=unix:/run/app.sock.old"),
            ("/run/app.sock", "uvicorn main:app --uds /run/my-app.sock"),
            ("/run/app.sock", "node server.js"),
            ("/run/app.sock", "server /run/app.sock/x"),
            ("/run/app.sock", "java -jar myapp.sock"),
        ] {
            assert!(!told(path, line), "{path} in {line}");
        }
    }

    #[test]
    fn the_words_that_name_programs() {
        let words = |line: &str| -> Vec<String> {
            let process = process(line, &[]);
            names(&process).iter().map(|named| named.word.to_owned()).collect()
        };
        assert_eq!(words("puma -p 1"), ["puma"]);
        assert_eq!(words("bundle exec puma -p 1"), ["bundle", "puma"]);
        assert_eq!(words("/usr/bin/env A=1 B=2 bundle exec puma"), ["/usr/bin/env", "bundle", "puma"]);
        assert_eq!(words("bundle install"), ["bundle"]);
        assert_eq!(words("bundle exec --gemfile G puma"), ["bundle"]);
        assert_eq!(words("env -i puma"), ["env"]);
        assert_eq!(words("env PATH=/x puma"), ["env"]);
        assert_eq!(words("bundle exec"), ["bundle"]);
    }
}
