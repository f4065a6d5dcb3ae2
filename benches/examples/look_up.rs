//! One look-up, many times, for counting instructions:
//! `valgrind --tool=callgrind target/release/examples/look_up literal-10000 1000`.

use std::process::ExitCode;

use benches::{headers, hosts, literal_path, literals, nested, regexes};
use warpdrive_core::{RequestView, Router, Scratch};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let (Some(name), Some(times)) = (arguments.get(1), arguments.get(2).and_then(|text| text.parse::<u32>().ok()))
    else {
        eprintln!("usage: look_up TABLE TIMES");
        return ExitCode::from(64);
    };
    if let Some(size) = name.strip_prefix("matchit-").and_then(|size| size.parse().ok()) {
        return bare(size, times);
    }
    let deep: String = (0..64).map(|level| format!("/s{level}")).collect();
    let (router, path): (Router, String) = match name.as_str() {
        "literal-10000" => (literals(10_000), format!("{}/items/7", literal_path(5_000))),
        "literal-100000" => (literals(100_000), format!("{}/items/7", literal_path(50_000))),
        "regex-10" => (regexes(10), "/items/1234/kind5".to_owned()),
        "literal-1" => (literals(1), format!("{}/items/7", literal_path(0))),
        "regex-1000" => (regexes(1_000), "/items/1234/kind500".to_owned()),
        "header-10000" => (headers(10_000), "/".to_owned()),
        "hosts-1000" => (hosts(1_000, 100), "/users/7".to_owned()),
        "nested" => (nested(64, 16), deep),
        other => {
            eprintln!("there is no table {other}");
            return ExitCode::from(64);
        }
    };
    let view = RequestView::new("GET", &path).with_host("host7.example.com");
    let mut scratch = Scratch::new();
    let mut found = 0;
    for _ in 0..times {
        found += u32::from(matches!(router.route(&view, &mut scratch), Ok(Some(_))));
    }
    println!("{found} of {times} found a route");
    ExitCode::SUCCESS
}

/// The same question of bare matchit, for the ratio.
fn bare(size: usize, times: u32) -> ExitCode {
    let mut router = matchit::Router::new();
    for number in 0..size {
        if let Err(error) = router.insert(format!("{}/{{*rest}}", literal_path(number)), number) {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    }
    let path = format!("{}/items/7", literal_path(size / 2));
    let found = (0..times).filter(|_| std::hint::black_box(router.at(std::hint::black_box(&path))).is_ok()).count();
    println!("{found} of {times} found a route");
    ExitCode::SUCCESS
}
