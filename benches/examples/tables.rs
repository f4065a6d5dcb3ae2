//! What tables cost before the first look-up: time to read and to compile, and memory held.
//!
//! `cargo run --release -p benches --example tables` prints a table in Markdown.

use std::time::Instant;

use benches::{headers, hosts, literals, nested, regexes};
use warpdrive_core::Router;
use warpdrive_core::config::{Source, load};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "| table | routes | read, ms | compile, ms | model, bytes a route | index, bytes a route | index in all, MB |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut tables = vec![("mission: ten routes".to_owned(), literals(10))];
    for size in [1_000, 10_000, 100_000] {
        tables.push((format!("{size} literal prefixes"), literals(size)));
    }
    tables.push(("1,000 expressions".to_owned(), regexes(1_000)));
    tables.push(("10,000 header values".to_owned(), headers(10_000)));
    tables.push(("1,000 hosts and 100 prefixes".to_owned(), hosts(1_000, 100)));
    tables.push(("64 nested prefixes of 16".to_owned(), nested(64, 16)));
    for (name, text) in tables {
        let start = Instant::now();
        let mut loaded = None;
        let model = allocation_counter::measure(|| {
            loaded = Some(load(Source::file("table.toml", &text)));
        });
        let read = start.elapsed();
        let Some(loaded) = loaded else { continue };
        let loaded = loaded?;
        let routes = loaded.model.routes().len();
        let start = Instant::now();
        let mut router = None;
        let index = allocation_counter::measure(|| router = Some(Router::compile(loaded.model)));
        let compile = start.elapsed();
        drop(router);
        println!(
            "| {name} | {routes} | {:.1} | {:.1} | {} | {} | {:.2} |",
            read.as_secs_f64() * 1e3,
            compile.as_secs_f64() * 1e3,
            model.bytes_current / routes as i64,
            index.bytes_current / routes as i64,
            index.bytes_current as f64 / 1e6,
        );
    }
    Ok(())
}
