//! Warnings about routes in each other's way: what is claimed is true of every request, and what
//! people get wrong is found.

use proptest::prelude::*;
use warpdrive_core::config::{Code, Diagnostic, Loaded, Source, load};
use warpdrive_core::limits::MAX_DIAGNOSTICS;
use warpdrive_core::{Fields, Model, RequestView, Router, Scratch, oracle};

use crate::oracle::{cases, route};

fn loaded(text: &str) -> Loaded {
    load(Source::file("warpdrive.toml", text)).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

const UPSTREAM: &str = "[upstreams.u]\nport = 1\n";

fn table(routes: &[&str]) -> String {
    let mut text = UPSTREAM.to_owned();
    for conditions in routes {
        text.push_str(&format!("[[routes]]\nupstream = \"u\"\n{}\n", conditions.replace("; ", "\n")));
    }
    text
}

/// The findings about the order of these routes: the later route's number and the code.
fn found(routes: &[&str]) -> Vec<(u32, Code)> {
    let codes = [Code::DuplicateRoute, Code::UnreachableRoute, Code::ShadowedRoute];
    let loaded = loaded(&table(routes));
    let warnings = loaded.warnings.iter().filter(|warning| codes.contains(&warning.code));
    warnings.map(|warning| (later(warning, loaded.model.routes().len()), warning.code)).collect()
}

/// The route that a finding is about.
fn later(warning: &Diagnostic, routes: usize) -> u32 {
    let number = |word: &str| word.trim_end_matches([':', ',']).parse().ok();
    let mut words = warning.message.split(' ').skip_while(|word| *word != "route").skip(1);
    let number: u32 = words.next().and_then(number).unwrap();
    assert!(number as usize <= routes);
    number
}

#[test]
fn a_route_that_no_request_reaches() {
    for routes in [
        &["host = \"a\"", "host = \"b\"", "hosts = [\"a\", \"b\"]; path_prefix = \"/x\""][..],
        &["methods = [\"GET\"]; path_prefix = \"/\"", "methods = [\"POST\"]", "methods = [\"POST\", \"GET\"]"],
        &["path_prefix = \"/a\"; methods = [\"GET\"]", "path_prefix = \"/a\"; methods = [\"HEAD\"]"],
        &["path_prefix = \"/a\"", "path_prefix = \"/a/b\""],
        &["path_prefix = \"/a\"", "path_exact = \"/a/b/\""],
        &["path_prefix = \"/a\"", "path_exact = \"/a\""],
        &["path_prefix = \"/a\"", "path_regex = \"^/a/[0-9]+$\""],
        &["path_exact = \"/a\"", "path_regex = \"^/a$\""],
        &["path_regex = \"^/[0-9]+$\"", "path_exact = \"/12\""],
        &["path_regex = \"^/[0-9]+$\"", "path_regex = \"^/[0-9]+$\"; methods = [\"GET\"]"],
        &["path_regex = \"^/api\"", "path_prefix = \"/api\""],
        &["path_regex = \"^/api\"", "path_prefix = \"/apis/v1\""],
        &["path_regex = \"^/api.*\"", "path_regex = \"^/api/[0-9]+\""],
        &["path_regex = \"^/api(/.*)?\"", "path_prefix = \"/api\""],
        &["path_regex = \"/api\"", "path_prefix = \"/v1/api\""],
        &["path_regex = \"^\"", "path_regex = \"[0-9]$\""],
        &["", "path_prefix = \"/x\"; header = { name = \"A\", value = \"1\" }"],
        &["host = \"*.test\"", "host = \"a.test\""],
        &["host = \"*.test\"", "host = \"*.a.test\""],
        &["hosts = [\"x\", \"*\"]", "host = \"a.test\""],
        &["header = { name = \"A\", present = true }", "header = { name = \"a\", value = \"1\" }"],
        &["header = { name = \"A\", present = true }", "header = { name = \"a\", regex = \"1\" }"],
        &["header = { name = \"A\", regex = \"^[0-9]$\" }", "header = { name = \"A\", value = \"1\" }"],
        &[
            "header = { name = \"A\", value = \"1\" }",
            "path_prefix = \"/a\"; headers = [{ name = \"B\", value = \"1\" }, { name = \"A\", value = \"1\" }]",
        ],
    ] {
        assert_eq!(found(routes), [(routes.len() as u32, Code::UnreachableRoute)], "{routes:?}");
    }
}

#[test]
fn the_same_conditions_twice() {
    for routes in [
        &["path_prefix = \"/api\"", "path_prefix = \"/api/\""][..],
        &["hosts = [\"a\", \"b\"]", "hosts = [\"B\", \"a.\", \"b\"]"],
        &["methods = [\"GET\", \"POST\"]", "methods = [\"POST\", \"HEAD\", \"GET\"]"],
        &["", "path_prefix = \"/\"; host = \"*\""],
    ] {
        assert_eq!(found(routes), [(2, Code::DuplicateRoute)], "{routes:?}");
    }
    assert_eq!(
        found(&["", "path_prefix = \"/a\"", "path_prefix = \"/a\""]),
        [(2, Code::UnreachableRoute), (3, Code::DuplicateRoute)]
    );
}

#[test]
fn a_route_that_loses_what_it_seems_made_for() {
    for (routes, example) in [
        (&["methods = [\"GET\"]", "path_prefix = \"/api\""][..], "GET /api"),
        (&["methods = [\"POST\"]", "path_prefix = \"/api\""], "POST /api"),
        (&["methods = [\"GET\"]", "path_prefix = \"/api\"; methods = [\"HEAD\", \"PUT\"]"], "HEAD /api"),
        (&["path_exact = \"/api\"", "methods = [\"GET\"]", "path_prefix = \"/api\""], "GET /api/example"),
        (&["host = \"a.test\"", "path_prefix = \"/api\"; hosts = [\"b.test\", \"a.test\"]"], "GET /api --host a.test"),
        (&["host = \"*.test\"", "path_prefix = \"/api\"; hosts = [\"b\", \"a.test\"]"], "GET /api --host a.test"),
        (
            &["methods = [\"GET\"]", "path_regex = \"^/u/[0-9]+\"; header = { name = \"A\", regex = \"^v[2-9] x\" }"],
            "GET /u/0 -H 'a: v2 x'",
        ),
        (
            &[
                "methods = [\"GET\"]; header = { name = \"A\", present = true }",
                "path_prefix = \"/it's\"; header = { name = \"A\", value = \"1\" }",
            ],
            "GET '/it'\\''s' -H 'a: 1'",
        ),
    ] {
        let loaded = loaded(&table(routes));
        let codes: Vec<Code> = loaded.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, [Code::ShadowedRoute], "{routes:?}");
        assert_eq!(shadow(&loaded.warnings[0]).0, example, "{routes:?}");
    }
}

#[test]
fn what_stands_in_front_for_good_reason() {
    for routes in [
        &["path_prefix = \"/api\"", ""][..],
        &["path_exact = \"/api\"; methods = [\"GET\"]", "path_prefix = \"/api\"", "path_prefix = \"/\""],
        &["host = \"a.test\"; path_prefix = \"/api\"", "host = \"a.test\"", "host = \"b.test\"", ""],
        &["path_prefix = \"/api\"; methods = [\"GET\"]", "path_prefix = \"/api\""],
        &["path_prefix = \"/admin\"; methods = [\"GET\"]", "path_prefix = \"/admin\"; methods = [\"PUT\"]"],
        &["header = { name = \"X-Canary\", value = \"1\" }", "path_prefix = \"/api\"", ""],
        &["path_regex = \"^/[a-z]+$\"", "path_prefix = \"/api\""],
        &["path_regex = \"^/api$\"", "path_prefix = \"/api\""],
        &["path_regex = \"^/api/\"", "path_prefix = \"/api\""],
        &["host = \"a.test\"", "host = \"*.test\""],
        &["host = \"a.test\"", "path_prefix = \"/api\"; host = \"*.test\""],
        &["host = \"*.test\"", "path_prefix = \"/api\"", ""],
        &["host = \"*.a.test\"", "host = \"a.test\""],
        &["methods = [\"HEAD\"]", "methods = [\"GET\"]"],
        &["path_regex = \"^\"", "path_prefix = \"/\""],
        &["header = { name = \"A\", regex = \"^1\" }", "header = { name = \"A\", value = \"2\" }"],
        &["header = { name = \"A\", value = \"1\" }", "header = { name = \"A\", present = true }"],
    ] {
        assert_eq!(found(routes), [], "{routes:?}");
    }
}

#[test]
fn a_field_that_is_removed_before_routing_makes_no_example() {
    let routes =
        ["methods = [\"GET\"]", "path_prefix = \"/a\"; header = { name = \"X-Forwarded-Proto\", value = \"https\" }"];
    assert_eq!(found(&routes), []);
}

#[test]
fn many_warnings_are_counted() {
    let routes: Vec<&str> = std::iter::repeat_n("path_prefix = \"/a\"", 151).collect();
    let loaded = loaded(&table(&routes));
    assert_eq!((loaded.warnings.len(), loaded.more_warnings), (MAX_DIAGNOSTICS, 50));
}

/// The words between the first two backticks, and the number of the route that gets the request.
fn shadow(warning: &Diagnostic) -> (String, u32) {
    let mut parts = warning.message.split('`');
    let example = parts.nth(1).unwrap().to_owned();
    let number = parts.next().unwrap().trim_start_matches(": route ").split(' ').next().unwrap().parse().unwrap();
    (example, number)
}

/// Reads words as a shell does, as far as examples need it.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            '\\' if !quoted => words.last_mut().unwrap().extend(characters.next()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words
}

/// The route that the example goes to, by the plain scan.
fn decided(model: &Model, example: &str) -> Option<u32> {
    let words = words(example);
    let mut host = "localhost".to_owned();
    let mut fields: Vec<(String, String)> = Vec::new();
    for option in words[2..].chunks(2) {
        match (option[0].as_str(), option[1].split_once(": ")) {
            ("--host", _) => host.clone_from(&option[1]),
            ("-H", Some((name, value))) => fields.push((name.to_owned(), value.to_owned())),
            other => panic!("{other:?}"),
        }
    }
    let pairs: Vec<(&[u8], &[u8])> =
        fields.iter().map(|(name, value)| (name.as_bytes(), value.trim().as_bytes())).collect();
    let view = RequestView::new(&words[0], &words[1]).with_host(&host).with_fields(Fields::Pairs(&pairs));
    oracle::first_match(model, &view).unwrap()
}

const HOSTS: [Option<&str>; 8] = [
    None,
    Some("a.test"),
    Some("b.test"),
    Some("x.a.test"),
    Some("y.x.a.test"),
    Some("test"),
    Some("[::1]"),
    Some("z"),
];
const TARGETS: [&str; 14] =
    ["/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/c/d", "/ab", "/b", "/b/", "/a/c/b", "/A/b", "*", "/a%2Fb"];
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PURGE", "get", "OPTIONS"];
const VALUES: [Option<&str>; 5] = [None, Some("1"), Some("2"), Some(""), Some("12")];

/// Every request of a small world.
fn each_request(mut visit: impl FnMut(&RequestView<'_>)) {
    for (a, b, c) in VALUES.iter().flat_map(|a| VALUES.iter().flat_map(move |b| [None, Some("1")].map(|c| (*a, *b, c))))
    {
        let fields = [("x-a", a), ("X-B", b), ("x-c", c)];
        let mut pairs: Vec<(&[u8], &[u8])> =
            fields.iter().filter_map(|(name, value)| Some((name.as_bytes(), value.as_ref()?.as_bytes()))).collect();
        if a.is_some() && b.is_none() {
            pairs.push((b"X-A", b"2"));
        }
        for host in HOSTS {
            for (target, method) in TARGETS.iter().flat_map(|target| METHODS.map(|method| (target, method))) {
                let view = RequestView { method, target, host: host.map(str::as_bytes), fields: Fields::Pairs(&pairs) };
                visit(&view);
            }
        }
    }
}

fn check(routes: &[String], merge: bool) -> Result<(), TestCaseError> {
    let head = format!("[server]\nmerge_slashes = {merge}\n{UPSTREAM}");
    let text = format!("{head}{}", routes.concat());
    let loaded = loaded(&text);
    let mut idle = Vec::new();
    for warning in &loaded.warnings {
        match warning.code {
            Code::DuplicateRoute | Code::UnreachableRoute => idle.push(later(warning, routes.len())),
            Code::ShadowedRoute => {
                let number = later(warning, routes.len());
                let (example, to) = shadow(warning);
                prop_assert_eq!(decided(&loaded.model, &example), Some(to), "{}\n{}", warning, text);
                let alone = format!("{head}{}", routes[number as usize - 1]);
                let alone = load(Source::file("alone.toml", &alone)).unwrap();
                prop_assert_eq!(decided(&alone.model, &example), Some(1), "{}\n{}", warning, text);
            }
            _ => {}
        }
    }
    if idle.is_empty() {
        return Ok(());
    }
    let router = Router::compile(loaded.model).unwrap();
    let mut scratch = Scratch::new();
    let mut reached = None;
    each_request(|view| {
        if let Ok(Some(found)) = router.route(view, &mut scratch)
            && idle.contains(&found.route().number)
        {
            reached = Some((found.route().number, format!("{view:?}")));
        }
    });
    prop_assert_eq!(reached, None, "{}", text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(120), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_claim_is_true(routes in prop::collection::vec(route(), 2..14), merge in any::<bool>()) {
        check(&routes, merge)?;
    }
}
