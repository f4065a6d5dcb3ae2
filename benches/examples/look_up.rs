//! One look-up, many times: what `benches/count` runs under callgrind, which counts inside the
//! functions named `ask_` alone.
//!
//! `target/release/examples/look_up literal 10000 1000` asks a table of 10,000 literal prefixes a
//! thousand times.

use std::hint::black_box;
use std::process::ExitCode;

use benches::{compile, headers, hosts, literal_path, literals, nested, regexes};
use warpdrive_core::{Fields, RequestView, Router, Scratch, oracle};

/// A table and the question that is asked of it.
struct Subject {
    router: Router,
    path: String,
    value: String,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<usize>().ok());
    let (Some(name), Some(size), Some(times)) = (arguments.first(), number(1), number(2)) else {
        eprintln!("usage: look_up TABLE SIZE TIMES");
        return ExitCode::from(64);
    };
    let asked = match name.as_str() {
        "matchit" => bare(size).map(|(router, path)| ask_matchit(&router, &path, times)),
        "scan" => subject("literal", size).map(|subject| ask_scan(&subject, times)),
        name => subject(name, size).map(|subject| ask_router(&subject, times)),
    };
    let Some(found) = asked else {
        eprintln!("there is no table {name}");
        return ExitCode::from(64);
    };
    println!("{found} of {times} found a route");
    ExitCode::SUCCESS
}

fn subject(name: &str, size: usize) -> Option<Subject> {
    let middle = size / 2;
    let (text, path, value) = match name {
        "literal" => (literals(size), format!("{}/items/7", literal_path(middle)), String::new()),
        "literal-miss" => (literals(size), "/users/nowhere/items/7".to_owned(), String::new()),
        "regex" => (regexes(size), format!("/items/1234/kind{middle}"), String::new()),
        "regex-miss" => (regexes(size), "/items/1234/other".to_owned(), String::new()),
        "header" => (headers(size), "/".to_owned(), format!("t{middle}")),
        "header-miss" => (headers(size), "/".to_owned(), "nobody".to_owned()),
        "host" => (hosts(size, 100), "/users/7".to_owned(), String::new()),
        "nested" => (nested(size, 16), (0..size).map(|level| format!("/s{level}")).collect(), String::new()),
        _ => return None,
    };
    Some(Subject { router: compile(&text), path, value })
}

#[inline(never)]
fn ask_router(subject: &Subject, times: usize) -> usize {
    let fields: [(&[u8], &[u8]); 3] =
        [(b"accept", b"*/*"), (b"x-tenant", subject.value.as_bytes()), (b"user-agent", b"curl")];
    let view =
        RequestView::new("GET", &subject.path).with_host("host0.example.com").with_fields(Fields::Pairs(&fields));
    let mut scratch = Scratch::new();
    (0..times).filter(|_| matches!(subject.router.route(black_box(&view), &mut scratch), Ok(Some(_)))).count()
}

#[inline(never)]
fn ask_scan(subject: &Subject, times: usize) -> usize {
    let view = RequestView::new("GET", &subject.path).with_host("host0.example.com");
    (0..times).filter(|_| matches!(oracle::first_match(subject.router.model(), black_box(&view)), Ok(Some(_)))).count()
}

/// The literal table in bare matchit.
fn bare(size: usize) -> Option<(matchit::Router<usize>, String)> {
    let mut router = matchit::Router::new();
    for number in 0..size {
        router.insert(format!("{}/{{*rest}}", literal_path(number)), number).ok()?;
    }
    Some((router, format!("{}/items/7", literal_path(size / 2))))
}

#[inline(never)]
fn ask_matchit(router: &matchit::Router<usize>, path: &str, times: usize) -> usize {
    (0..times).filter(|_| black_box(router.at(black_box(path))).is_ok()).count()
}
