//! Look-ups: WarpDrive's router beside bare matchit and the plain ordered scan.
//!
//! `cargo bench -p benches` measures; `cargo test -p benches --benches` runs each once.

use std::hint::black_box;

use benches::{compile, headers, hosts, literal_path, literals, nested, regexes};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use warpdrive_core::{Fields, RequestView, Router, Scratch, oracle};

/// Asks the router the same questions in turn.
fn look_up(
    criterion: &mut Criterion,
    group: &str,
    name: impl Into<String>,
    size: usize,
    router: &Router,
    views: &[RequestView<'_>],
) {
    let mut scratch = Scratch::new();
    let mut turn = views.iter().cycle();
    criterion.benchmark_group(group).bench_function(BenchmarkId::new(name, size), |bencher| {
        bencher.iter(|| {
            let view = turn.next().copied().unwrap_or(RequestView::new("GET", "/"));
            black_box(router.route(black_box(&view), &mut scratch).map(|found| found.map(|found| found.route().number)))
        });
    });
}

fn literal(criterion: &mut Criterion) {
    for size in [1, 10, 100, 1_000, 10_000, 100_000] {
        let router = compile(&literals(size));
        let step = (size / 64).max(1);
        let hit_paths: Vec<String> = (0..size).step_by(step).map(|n| format!("{}/items/7", literal_path(n))).collect();
        let hits: Vec<RequestView<'_>> =
            hit_paths.iter().map(|path| RequestView::new("GET", path).with_host("example.com")).collect();
        let miss_paths: Vec<String> = (0..64).map(|n| format!("/users/nowhere{n}/items/7")).collect();
        let misses: Vec<RequestView<'_>> =
            miss_paths.iter().map(|path| RequestView::new("GET", path).with_host("example.com")).collect();
        look_up(criterion, "literal", "hit", size, &router, &hits);
        look_up(criterion, "literal", "miss", size, &router, &misses);
        let mut bare = matchit::Router::new();
        for n in 0..size {
            let path = literal_path(n);
            // The same three shapes as a prefix takes.
            let inserted = bare.insert(format!("{path}/{{*rest}}"), n);
            assert!(inserted.is_ok(), "{inserted:?}");
        }
        let mut turn = hit_paths.iter().cycle();
        criterion.benchmark_group("literal").bench_function(BenchmarkId::new("bare matchit", size), |bencher| {
            bencher.iter(|| turn.next().map(|path| black_box(bare.at(black_box(path)).map(|found| *found.value).ok())));
        });
        if size <= 10_000 {
            let mut turn = hits.iter().cycle();
            criterion.benchmark_group("literal").bench_function(BenchmarkId::new("plain scan", size), |bencher| {
                bencher.iter(|| turn.next().map(|view| black_box(oracle::first_match(router.model(), view))));
            });
        }
    }
}

fn regex(criterion: &mut Criterion) {
    for size in [10, 1_000] {
        let router = compile(&regexes(size));
        let paths: Vec<String> = (0..10).map(|n| format!("/items/1234/kind{}", n * size / 10)).collect();
        let views: Vec<RequestView<'_>> = paths.iter().map(|path| RequestView::new("GET", path)).collect();
        look_up(criterion, "regex", "hit", size, &router, &views);
        look_up(criterion, "regex", "miss", size, &router, &[RequestView::new("GET", "/items/1234/other")]);
    }
}

fn header(criterion: &mut Criterion) {
    for size in [10, 10_000] {
        let router = compile(&headers(size));
        let values: Vec<String> = (0..10).map(|n| format!("t{}", n * size / 10)).collect();
        let fields: Vec<[(&[u8], &[u8]); 3]> = values
            .iter()
            .map(|value| [(&b"host"[..], &b"h"[..]), (b"x-tenant", value.as_bytes()), (b"accept", b"*/*")])
            .collect();
        let views: Vec<RequestView<'_>> =
            fields.iter().map(|fields| RequestView::new("GET", "/").with_fields(Fields::Pairs(fields))).collect();
        look_up(criterion, "header", "hit", size, &router, &views);
        look_up(criterion, "header", "miss", size, &router, &[RequestView::new("GET", "/")]);
    }
}

fn host(criterion: &mut Criterion) {
    let router = compile(&hosts(1_000, 100));
    let names: Vec<String> = (0..64).map(|n| format!("host{}.example.com:8080", n * 15)).collect();
    let views: Vec<RequestView<'_>> =
        names.iter().map(|name| RequestView::new("GET", "/users/7").with_host(name)).collect();
    look_up(criterion, "host", "hit", 1_000, &router, &views);
    look_up(criterion, "host", "miss", 1_000, &router, &[RequestView::new("GET", "/nowhere").with_host("other.test")]);
}

fn deep(criterion: &mut Criterion) {
    let router = compile(&nested(64, 16));
    let path: String = (0..64).map(|level| format!("/s{level}")).collect();
    look_up(criterion, "nested", "16 failing routes each", 64, &router, &[RequestView::new("GET", &path)]);
}

fn configured() -> Criterion {
    let short = std::time::Duration::from_millis(700);
    Criterion::default().warm_up_time(short / 2).measurement_time(short).sample_size(30)
}

criterion_group! { name = lookups; config = configured(); targets = literal, regex, header, host, deep }
criterion_main!(lookups);
